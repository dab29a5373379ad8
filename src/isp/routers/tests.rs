use proptest::prelude::*;

use super::model::{MOVES, MacAddress, Mover, RouterDraft, RouterFilter, State, check_move, next_states};
use crate::web::typed::Typed;

#[test]
fn a_mac_address_has_one_form_however_it_is_spelled() {
    for spelled in
        ["48:a9:8a:01:02:0f", "48-A9-8A-01-02-0F", "48a9.8a01.020f", "48A98A01020f", "  48:a9:8a:01:02:0F "]
    {
        assert_eq!(MacAddress::parse(spelled).unwrap().as_str(), "48:A9:8A:01:02:0F", "{spelled}");
    }
    for wrong in [
        "48:a9:8a:01:02",
        "48:a9:8a:01:02:0g",
        "48:a9-8a:01:02:0f",
        "48a98a01020",
        "48a98a01020f0",
        "48:a98:a0:10:20:f",
        "4:8a9:8a:01:02:0f",
        "48a9:8a01:020f",
        "4.8a9.8a01.020f",
        "é8a98a01020f",
        "00:00:00:00:00:00",
        "ff-ff-ff-ff-ff-ff",
    ] {
        assert_eq!(MacAddress::parse(wrong).unwrap_err().code, "not_a_mac", "{wrong}");
    }
    assert_eq!(MacAddress::parse(" ").unwrap_err().code, "required");
}

#[test]
fn a_piece_of_a_mac_address_is_searched_for_without_its_marks() {
    assert_eq!(RouterFilter::parse("48-A9:8a", None).mac.as_deref(), Some("%48a98a%"));
    assert_eq!(RouterFilter::parse("tp-link", None).mac, None);
    assert_eq!(RouterFilter::parse("48:a", None).mac, None);
}

#[test]
fn every_wrong_field_of_a_router_is_named() {
    let typed = Typed::default().with("mac_address", "nonsense").with("model", "m".repeat(101));
    let crate::error::Error::Invalid(wrong) = RouterDraft::parse(&typed).unwrap_err() else { panic!() };
    let named: Vec<(&str, &str)> = wrong.iter().map(|w| (w.field.as_ref(), w.code)).collect();
    assert_eq!(
        named,
        [
            ("brand", "required"),
            ("model", "too_long"),
            ("serial_number", "required"),
            ("mac_address", "not_a_mac")
        ]
    );
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL)
}

proptest! {
    #[test]
    fn any_spelling_of_twelve_digits_is_the_same_address(bytes in any::<[u8; 6]>(), upper in any::<bool>()) {
        prop_assume!(bytes != [0; 6] && bytes != [255; 6]);
        let cased = |text: String| if upper { text.to_uppercase() } else { text };
        let pairs: Vec<String> = bytes.iter().map(|byte| cased(format!("{byte:02x}"))).collect();
        let bare = pairs.concat();
        let dotted = pairs.chunks(2).map(<[String]>::concat).collect::<Vec<_>>().join(".");
        let canonical = pairs.join(":").to_uppercase();
        for spelled in [pairs.join(":"), pairs.join("-"), dotted, bare] {
            prop_assert_eq!(MacAddress::parse(&spelled).unwrap().to_string(), canonical.clone());
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_what_is_stays_as_it_is(text in "[0-9a-fA-F:.\\- ]{0,20}|\\PC{0,20}") {
        if let Ok(mac) = MacAddress::parse(&text) {
            prop_assert_eq!(MacAddress::parse(mac.as_str()).unwrap(), mac.clone());
            prop_assert_eq!(mac.as_str().len(), 17);
        }
    }

    /// However staff and installations push a router about: only an installation assigns it, and only an installation takes it
    /// back.
    #[test]
    fn a_router_is_assigned_only_by_an_installation(
        steps in prop::collection::vec((state(), prop::bool::ANY), 0..40)
    ) {
        let mut at = State::InStock;
        for (to, by_staff) in steps {
            let mover = if by_staff { Mover::Staff } else { Mover::Installation };
            match check_move(at, to, mover) {
                Ok(true) => {
                    prop_assert!(MOVES.contains(&(at, to, mover)));
                    if at == State::Assigned || to == State::Assigned {
                        prop_assert_eq!(mover, Mover::Installation);
                    }
                    at = to;
                }
                Ok(false) => prop_assert_eq!(at, to),
                Err(error) => prop_assert_eq!(error.code(), "transition_refused"),
            }
        }
    }

    #[test]
    fn what_is_offered_is_what_is_allowed(from in state(), to in state()) {
        let offered = next_states(from).any(|state| state == to);
        prop_assert_eq!(offered, matches!(check_move(from, to, Mover::Staff), Ok(true)));
    }
}
