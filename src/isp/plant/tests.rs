use std::collections::HashMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{
    budget::{Grade, LightPath, OltClass, Policy, budget},
    fibre::Stretch,
    model::{DEPTH_MAX, Hang, LcpDraft, NapDraft, SplitterDraft, SplitterType, check_output, moved},
};
use crate::{error::Error, types::SplitterId, web::typed::Typed};

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn usual() -> Policy {
    Policy {
        fibre_1310_db_km: dec("0.35"),
        fibre_1490_db_km: dec("0.25"),
        fibre_1550_db_km: dec("0.22"),
        connector_db: dec("0.3"),
        splice_db: dec("0.1"),
        usual_connectors: 4,
        usual_splices: 6,
        green_margin_db: dec("3"),
    }
}

fn fibre(fibre_m: i32) -> Stretch {
    Stretch { fibre_m, connectors: None, splices: None }
}

fn through(class: OltClass, types: &[&str], km: i32) -> LightPath {
    let splits = types.iter().map(|name| SplitterType::parse(name).unwrap().losses().unwrap()[0]).collect();
    LightPath { class, tx_dbm: dec("3"), stretches: vec![fibre(km * 1_000)], splits }
}

/// Tree and km; loss at 1310, margin on B+, margin on C+, ONT level: worked out by hand.
const WORKED_OUT: [(&[&str], i32, [&str; 4]); 5] = [
    (&["1:4", "1:8"], 5, ["21.55", "6.45", "10.45", "-18.05"]),
    (&["1:2", "1:16"], 5, ["21.85", "6.15", "10.15", "-18.35"]),
    (&["1:8", "1:8"], 5, ["25.15", "2.85", "6.85", "-21.65"]),
    (&["1:8", "1:8"], 10, ["26.90", "1.10", "5.10", "-22.90"]),
    (&["1:4", "1:16"], 10, ["27.00", "1.00", "5.00", "-23.00"]),
];

#[test]
fn light_is_what_was_worked_out_by_hand() {
    for (types, km, [loss, margin_b, margin_c, ont]) in WORKED_OUT {
        let b = budget(&through(OltClass::BPlus, types, km), &usual());
        let c = budget(&through(OltClass::CPlus, types, km), &usual());
        let said = [b.loss_1310_db, b.margin_db, c.margin_db, b.ont_dbm].map(|value| value.to_string());
        assert_eq!(said, [loss, margin_b, margin_c, ont], "{types:?} over {km} km");
        assert_eq!(b.grade, if dec(margin_b) < dec("3") { Grade::Amber } else { Grade::Green });
        assert_eq!(c.grade, Grade::Green);
        assert!(!b.too_hot);
    }
}

#[test]
fn what_was_counted_takes_the_place_of_what_is_usual() {
    let mut path = through(OltClass::BPlus, &["1:8"], 1);
    path.stretches.push(Stretch { fibre_m: 500, connectors: Some(2), splices: None });
    let light = budget(&path, &usual());
    assert_eq!((light.fibre_m, light.connectors, light.splices), (1_500, 2, 6));
    path.stretches[0].connectors = Some(0);
    path.stretches[0].splices = Some(1);
    let light = budget(&path, &usual());
    assert_eq!((light.connectors, light.splices), (2, 1));
    // 10.8 + 1.5 km x 0.35 + 2 x 0.3 + 0.1 = 12.025, half-up.
    assert_eq!(light.loss_1310_db.to_string(), "12.03");
}

#[test]
fn too_much_light_is_told() {
    let hot = budget(&through(OltClass::BPlus, &["1:8"], 0), &usual());
    assert_eq!(hot.loss_1490_db.to_string(), "12.60");
    assert!(hot.too_hot, "under 13 dB on B+");
    let mut strong = through(OltClass::BPlus, &["1:16"], 0);
    assert!(!budget(&strong, &usual()).too_hot);
    strong.tx_dbm = dec("9");
    let light = budget(&strong, &usual());
    assert_eq!(light.ont_dbm.to_string(), "-7.30");
    assert!(light.too_hot, "over -8 dBm at the ONT");
    assert!(budget(&through(OltClass::CPlus, &["1:16"], 0), &usual()).too_hot, "under 17 dB on C+");
    // 14.5 dB and 1.8 of connectors and splices: the least of N2 is 16, and -8.30 dBm is too much for an ONT of XGS-PON.
    let mut ten_gigabit = through(OltClass::N2, &["1:16"], 0);
    assert!(!budget(&ten_gigabit, &usual()).too_hot);
    ten_gigabit.tx_dbm = dec("8");
    assert_eq!(budget(&ten_gigabit, &usual()).ont_dbm.to_string(), "-8.30");
    assert!(budget(&ten_gigabit, &usual()).too_hot, "over -9 dBm at the ONT");
    strong.tx_dbm = dec("8");
    assert!(!budget(&strong, &usual()).too_hot, "GPON stands it");
    let short = [(OltClass::N1, "1:8", true), (OltClass::N1, "1:16", false), (OltClass::N2, "1:8", true)];
    for (class, split, too_hot) in short {
        let mut path = through(class, &[split], 0);
        path.tx_dbm = dec("0");
        assert_eq!(budget(&path, &usual()).too_hot, too_hot, "{class:?} {split}");
    }
    let limits = |class: OltClass| (class.minimum_db(), class.budget_db());
    assert_eq!(
        OltClass::ALL.map(limits),
        [(13, 28), (17, 32), (14, 29), (16, 31)].map(|(least, most)| (least.into(), most.into()))
    );
    assert_eq!(budget(&through(OltClass::BPlus, &["1:64", "1:8"], 1), &usual()).grade, Grade::Red);
}

fn wrong_fields<T: std::fmt::Debug>(result: crate::error::Result<T>) -> Vec<String> {
    let Error::Invalid(wrong) = result.unwrap_err() else { panic!("not a 422") };
    wrong.into_iter().map(|one| format!("{} {}", one.field, one.code)).collect()
}

#[test]
fn every_wrong_field_is_named() {
    let typed = Typed::default()
        .with("name", "Here")
        .with("latitude", "200")
        .with("longitude", "500")
        .with("fibre_m", "-1")
        .with("olt_tx_dbm", "3.123")
        .with("olt_class", "z");
    assert_eq!(
        wrong_fields(LcpDraft::parse(&typed)),
        [
            "code required",
            "olt_class not_a_choice",
            "olt_tx_dbm too_many_decimals",
            "fibre_m out_of_range",
            "latitude out_of_range",
        ]
    );
    let typed = Typed::default()
        .with("code", "N")
        .with("name", "N")
        .with("port_capacity", "-8")
        .with("latitude", "8");
    assert_eq!(wrong_fields(NapDraft::parse(&typed)), ["port_capacity not_a_choice", "longitude required"]);
    let tap = Typed::default().with("code", "T").with("type", "tap");
    assert_eq!(wrong_fields(SplitterDraft::parse(&tap)), ["losses out_of_range"]);
    assert_eq!(
        wrong_fields(SplitterDraft::parse(&tap.clone().with("losses", "0.8, 61"))),
        ["losses out_of_range"]
    );
    let even = tap.clone().with("type", "1:8");
    assert_eq!(
        wrong_fields(SplitterDraft::parse(&even.clone().with("losses", "1, 2"))),
        ["losses not_a_tap"]
    );
    assert_eq!(SplitterDraft::parse(&tap.with("losses", "0.8; 11.5")).unwrap().outputs(), 2);
    let splitter = SplitterDraft::parse(&even).unwrap();
    check_output("splitter_output", &splitter, 8).unwrap();
    let Error::Invalid(wrong) = check_output("splitter_output", &splitter, 99).unwrap_err() else { panic!() };
    assert_eq!(wrong[0].detail, "Splitter port must be between 1 and 8 for 1:8 splitter");
    assert_eq!(wrong_fields(Hang::parse(&Typed::default())), ["lcp_id required"]);
}

#[test]
fn a_draft_is_what_was_typed_of_it() {
    let typed = Typed::default()
        .with("code", "SP-1")
        .with("type", "tap")
        .with("losses", "0.8, 11.5")
        .with("is_active", true)
        .with("fibre_m", 120)
        .with("connectors", 2)
        .with("latitude", "8.45")
        .with("longitude", "124.63");
    let draft = SplitterDraft::parse(&typed).unwrap();
    assert_eq!(SplitterDraft::parse(&draft.typed()).unwrap(), draft);
}

fn paths() -> impl Strategy<Value = LightPath> {
    let stretch = (0..100_000i32, proptest::option::of(0..50i16), proptest::option::of(0..200i16))
        .prop_map(|(fibre_m, connectors, splices)| Stretch { fibre_m, connectors, splices });
    let class =
        prop_oneof![Just(OltClass::BPlus), Just(OltClass::CPlus), Just(OltClass::N1), Just(OltClass::N2),];
    let splits = proptest::collection::vec((0..6_000i64).prop_map(|loss| Decimal::new(loss, 2)), 0..5);
    (class, -1_000..1_500i64, proptest::collection::vec(stretch, 0..6), splits).prop_map(
        |(class, tx, stretches, splits)| LightPath { class, tx_dbm: Decimal::new(tx, 2), stretches, splits },
    )
}

/// A tree of splitters as the table holds it: parent and depth.
type Tree = HashMap<SplitterId, (Option<SplitterId>, i16)>;

fn branch(tree: &Tree, id: SplitterId) -> Vec<(SplitterId, i16)> {
    let mut found = vec![(id, tree[&id].1)];
    for (child, _) in tree.iter().filter(|(_, (parent, _))| *parent == Some(id)) {
        found.extend(branch(tree, *child));
    }
    found
}

proptest! {
    #[test]
    fn what_is_lost_and_what_is_left_make_the_whole(path in paths()) {
        let light = budget(&path, &usual());
        prop_assert_eq!(light.loss_1310_db + light.margin_db, path.class.budget_db());
        prop_assert_eq!(light.ont_dbm + light.loss_1490_db, path.tx_dbm);
        prop_assert!(light.loss_1310_db >= light.loss_1490_db && light.loss_1490_db >= light.loss_1550_db);
        prop_assert!(light.loss_1550_db >= light.split_db);
        prop_assert_eq!(light.grade == Grade::Red, light.margin_db < Decimal::ZERO);
        prop_assert_eq!(light.grade == Grade::Green, light.margin_db >= dec("3"));
    }

    #[test]
    fn whatever_is_added_to_a_way_never_brings_light_back(path in paths(), more in 0..50_000i32, split in 0..3_000i64) {
        let was = budget(&path, &usual());
        let longer = budget(&path.clone().and(fibre(more)), &usual());
        prop_assert!(longer.loss_1310_db >= was.loss_1310_db && longer.margin_db <= was.margin_db);
        let mut deeper = path;
        deeper.splits.push(Decimal::new(split, 2));
        let deeper = budget(&deeper, &usual());
        prop_assert_eq!(deeper.loss_1310_db - was.loss_1310_db, Decimal::new(split, 2));
    }

    #[test]
    fn the_order_of_a_way_does_not_matter(path in paths()) {
        let mut turned = path.clone();
        turned.stretches.reverse();
        turned.splits.reverse();
        prop_assert_eq!(budget(&path, &usual()), budget(&turned, &usual()));
    }

    #[test]
    fn no_row_of_moves_ever_bends_the_tree_into_a_ring(moves in proptest::collection::vec((0..12usize, proptest::option::of(0..12usize)), 1..80)) {
        let ids: Vec<SplitterId> = (0..12).map(|_| SplitterId::new()).collect();
        let mut tree: Tree = ids.iter().map(|id| (*id, (None, 1))).collect();
        for (from, onto) in moves {
            let (id, onto) = (ids[from], onto.map(|onto| ids[onto]));
            let whole = branch(&tree, id);
            let inside = onto.is_some_and(|onto| whole.iter().any(|(one, _)| *one == onto));
            match moved(&whole, onto.map(|onto| (onto, tree[&onto].1))) {
                Ok(by) => {
                    prop_assert!(!inside, "hung below itself");
                    for (one, _) in &whole {
                        tree.get_mut(one).unwrap().1 += by;
                    }
                    tree.get_mut(&id).unwrap().0 = onto;
                }
                Err(wrong) => prop_assert_eq!(wrong.code == "cycle", inside),
            }
            for (parent, depth) in tree.values() {
                prop_assert!((1..=DEPTH_MAX).contains(depth));
                prop_assert_eq!(*depth, parent.map_or(0, |parent| tree[&parent].1) + 1);
            }
        }
    }
}
