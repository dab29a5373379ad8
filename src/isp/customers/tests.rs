use proptest::{prelude::*, sample::subsequence};

use super::{
    model::{Details, MergeField, Status, TRANSITIONS, Typed, merged, transition},
    query::{Filter, Mark, Sort},
};
use crate::error::Error;

fn typed() -> Typed {
    Typed { first_name: "Ana".into(), last_name: "Cruz".into(), ..Typed::default() }
}

fn details(of: Typed) -> Details {
    of.parse("PH").unwrap()
}

fn wrong_fields(typed: &Typed) -> Vec<(String, &'static str)> {
    match typed.parse("PH") {
        Err(Error::Invalid(wrong)) => wrong.into_iter().map(|w| (w.field.into_owned(), w.code)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_names_are_enough() {
    let made = details(typed());
    assert_eq!((made.status, made.email, made.place), (Status::Active, None, None));
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let bad = Typed {
        first_name: " ".into(),
        email: "nobody".into(),
        phone_primary: "call me".into(),
        status: "dead".into(),
        latitude: "200".into(),
        longitude: "1".into(),
        location_accuracy: "guess".into(),
        ..typed()
    };
    let expected = [
        ("first_name", "required"),
        ("email", "not_an_email"),
        ("phone_primary", "not_a_phone_number"),
        ("status", "not_a_choice"),
        ("latitude", "out_of_range"),
        ("location_accuracy", "not_a_choice"),
    ];
    assert_eq!(wrong_fields(&bad), expected.map(|(field, code)| (field.to_owned(), code)));
}

#[test]
fn a_place_has_two_halves_in_range() {
    let at = |latitude: &str, longitude: &str| Typed {
        latitude: latitude.into(),
        longitude: longitude.into(),
        ..typed()
    };
    assert_eq!(wrong_fields(&at("8.4", "")), [("longitude".to_owned(), "required")]);
    assert_eq!(wrong_fields(&at("", "124.6")), [("latitude".to_owned(), "required")]);
    assert_eq!(wrong_fields(&at("8.4", "500")), [("longitude".to_owned(), "out_of_range")]);
    assert_eq!(wrong_fields(&at("north", "124.6")), [("latitude".to_owned(), "not_a_number")]);
    assert_eq!(details(at("8,4772", "124.6459")).place, details(at("8.4772", "124.6459")).place);
}

#[test]
fn a_number_without_prefix_is_of_the_tenants_country() {
    let phone = |country| {
        let typed = Typed { phone_primary: "0917 123 4567".into(), ..typed() };
        typed.parse(country).unwrap().phone_primary.unwrap().to_string()
    };
    assert_eq!(phone("PH"), "+639171234567");
    assert_ne!(phone("GB"), "+639171234567");
}

#[test]
fn statuses_of_a_query_are_repeated_or_between_commas() {
    let filter = Filter::parse("", ["active,suspended", "active"], None, None).unwrap();
    assert_eq!(filter.statuses, [Status::Active, Status::Suspended]);
    assert_eq!(Filter::parse("", ["dead"], None, None).unwrap_err().status(), 422);
    assert!(Filter::parse(" ", [], None, None).unwrap().is_all());
}

#[test]
fn a_step_is_listed_once() {
    for (i, step) in TRANSITIONS.iter().enumerate() {
        assert_ne!(step.from, step.to);
        assert!(!TRANSITIONS[i + 1..].iter().any(|other| (other.from, other.to) == (step.from, step.to)));
    }
}

fn status() -> impl Strategy<Value = Status> {
    proptest::sample::select(Status::ALL.as_slice())
}

fn any_typed() -> impl Strategy<Value = Typed> {
    let place = prop_oneof![
        Just((String::new(), String::new())),
        ((-90.0..=90.0f64), (-180.0..=180.0f64))
            .prop_map(|(lat, lng)| (format!("{lat:.7}"), format!("{lng:.7}"))),
    ];
    (
        "[A-Za-zñ]{1,20}",
        "[A-Za-z ']{0,19}[a-z]",
        "([a-z]{1,8}@[a-z]{1,8}\\.example)?",
        "(09[0-9]{9})?",
        "\\PC{0,30}",
        "\\PC{0,60}",
        place,
        status(),
    )
        .prop_map(|(first, last, email, phone, reference, notes, (latitude, longitude), status)| Typed {
            first_name: first,
            last_name: last,
            email,
            phone_primary: phone,
            reference,
            notes,
            latitude,
            longitude,
            status: status.as_str().to_owned(),
            ..Typed::default()
        })
}

proptest! {
    #[test]
    fn any_change_of_status_may_be_made(from in status(), to in status()) {
        let step = transition(from, to).unwrap();
        prop_assert_eq!(step.is_none(), from == to);
        if let Some(step) = step {
            prop_assert_eq!((step.from, step.to), (from, to));
        }
    }

    #[test]
    fn parsed_details_survive_the_round_trip(typed in any_typed()) {
        if let Ok(details) = typed.parse("PH") {
            prop_assert_eq!(Typed::from(&details).parse("PH").unwrap(), details);
        }
    }

    #[test]
    fn parsing_never_panics(texts in proptest::collection::vec("\\PC{0,60}", 12)) {
        let text = |n: usize| texts[n].clone();
        let typed = Typed {
            reference: text(0), first_name: text(1), last_name: text(2), email: text(3), phone_primary: text(4),
            street_address: text(5), area_id: None, status: text(6), notes: text(7), latitude: text(8),
            longitude: text(9), location_accuracy: text(10), location_notes: text(11),
        };
        if let Err(error) = typed.parse("PH") {
            prop_assert_eq!(error.status(), 422);
        }
    }

    #[test]
    fn a_merge_takes_what_it_is_told_and_nothing_else(
        a in any_typed(), b in any_typed(), take in subsequence(MergeField::ALL.to_vec(), 0..=10),
    ) {
        let (Ok(a), Ok(b)) = (a.parse("PH"), b.parse("PH")) else { return Ok(()) };
        let whole = merged(&a, &b, &take);
        let from = |field| if take.contains(&field) { &b } else { &a };
        prop_assert_eq!(&whole.first_name, &from(MergeField::FirstName).first_name);
        prop_assert_eq!(&whole.last_name, &from(MergeField::LastName).last_name);
        prop_assert_eq!(&whole.email, &from(MergeField::Email).email);
        prop_assert_eq!(&whole.phone_primary, &from(MergeField::PhonePrimary).phone_primary);
        prop_assert_eq!(&whole.reference, &from(MergeField::Reference).reference);
        prop_assert_eq!(&whole.notes, &from(MergeField::Notes).notes);
        prop_assert_eq!(whole.place, from(MergeField::Location).place);
        prop_assert_eq!(whole.status, from(MergeField::Status).status);
        prop_assert_eq!(&merged(&a, &b, &MergeField::ALL), &b);
        prop_assert_eq!(&merged(&a, &b, &[]), &a);
    }

    #[test]
    fn a_made_up_cursor_is_malformed(text in "\\PC{0,80}") {
        for sort in [Sort::Created, Sort::NameDown, Sort::UpdatedDown] {
            if let Err(error) = Mark::decode(&text, sort) {
                prop_assert_eq!(error.status(), 400);
            }
        }
    }
}
