use super::model::{PlanDraft, Tax, Typed};
use crate::error::Error;

fn typed() -> Typed {
    Typed {
        name: "Monthly Basic".into(),
        description: String::new(),
        download_mbps: 25,
        upload_mbps: 25,
        price: "900".parse().unwrap(),
        period_days: 30,
        tax: Tax::Vatable,
        is_active: true,
    }
}

fn wrong(typed: Typed) -> Vec<(String, &'static str)> {
    let Error::Invalid(wrongs) = typed.parse().unwrap_err() else { panic!("not invalid") };
    wrongs.iter().map(|wrong| (wrong.field.to_string(), wrong.code)).collect()
}

#[test]
fn every_wrong_field_of_a_plan_is_named() {
    let found = wrong(Typed {
        name: " ".into(),
        download_mbps: 0,
        upload_mbps: -1,
        price: "10.001".parse().unwrap(),
        period_days: 367,
        ..typed()
    });
    let expected = [
        ("name", "required"),
        ("download_mbps", "out_of_range"),
        ("upload_mbps", "out_of_range"),
        ("price", "too_many_decimals"),
        ("period_days", "out_of_range"),
    ];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code)));
}

#[test]
fn a_price_change_is_told_from_another() {
    let draft = typed().parse().unwrap();
    assert!(draft.costs_as(&PlanDraft { name: "Other".into(), ..draft.clone() }));
    assert!(!draft.costs_as(&PlanDraft { period_days: 31, ..draft.clone() }));
    assert_eq!(draft.speed(), "25 Mbps");
    assert_eq!(PlanDraft { upload_mbps: 5, ..draft }.speed(), "25/5 Mbps");
}
