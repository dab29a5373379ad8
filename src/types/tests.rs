#![expect(clippy::let_underscore_must_use, reason = "only that nothing panics is looked at")]

use proptest::prelude::*;

use super::{slug::SlugProblem, *};

#[test]
fn reserved_labels_are_sorted_for_the_search() {
    for label in ["www", "api", "admin", "localhost", "mail", "platform", "abuse", "mta-sts"] {
        assert_eq!(Slug::parse(label), Err(SlugProblem::Reserved), "{label}");
    }
}

#[test]
fn slugs_follow_the_rules() {
    let table = [
        ("ab", Err(SlugProblem::TooShort)),
        ("abc", Ok("abc")),
        (" Acme ", Ok("acme")),
        ("a-b-c", Ok("a-b-c")),
        ("-abc", Err(SlugProblem::Hyphens)),
        ("abc-", Err(SlugProblem::Hyphens)),
        ("a--b", Err(SlugProblem::Hyphens)),
        ("xn--abc", Err(SlugProblem::Punycode)),
        ("a_b", Err(SlugProblem::Characters)),
        ("a.b", Err(SlugProblem::Characters)),
        ("é-é", Err(SlugProblem::Characters)),
    ];
    for (text, expected) in table {
        assert_eq!(Slug::parse(text).as_ref().map(Slug::as_str).map_err(|e| *e), expected, "{text}");
    }
    assert!(Slug::parse(&"a".repeat(40)).is_ok());
    assert_eq!(Slug::parse(&"a".repeat(41)), Err(SlugProblem::TooLong));
}

#[test]
fn proposals_read_like_the_name() {
    assert_eq!(Slug::propose("Acme Fiber, Inc.").as_str(), "acme-fiber-inc");
    assert_eq!(Slug::propose("Señal Óptima").as_str(), "senal-optima");
    assert_eq!(Slug::propose("WWW").as_str(), "isp-www");
    assert_eq!(Slug::propose("株式会社").as_str(), "isp-one");
}

#[test]
fn phones_of_the_country_become_e164() {
    assert_eq!(Phone::parse("0917 123 4567", "PH").unwrap().as_str(), "+639171234567");
    assert_eq!(Phone::parse("+44 20 7946 0958", "PH").unwrap().as_str(), "+442079460958");
    assert_eq!(Phone::parse("12345", "PH").unwrap().as_str(), "12345");
    assert!(Phone::parse("call me", "PH").is_err());
    assert!(Phone::parse("1234", "PH").is_err());
}

#[test]
fn coordinates_come_in_pairs_and_in_range() {
    let d = rust_decimal::Decimal::from;
    assert_eq!(Coordinates::from_halves(Some(d(1)), None).unwrap_err().0, "longitude");
    assert_eq!(Coordinates::from_halves(Some(d(91)), Some(d(0))).unwrap_err().0, "latitude");
    assert_eq!(Coordinates::from_halves(Some(d(0)), Some(d(181))).unwrap_err().0, "longitude");
    assert!(Coordinates::from_halves(None, None).unwrap().is_none());
}

proptest! {
    #[test]
    fn every_proposal_is_a_slug(name in "\\PC{0,80}") {
        let slug = Slug::propose(&name);
        prop_assert!(Slug::parse(slug.as_str()).is_ok(), "{slug}");
        prop_assert!(Slug::parse(slug.numbered(17).as_str()).is_ok());
    }

    #[test]
    fn cursors_survive_the_round_trip(name in "\\PC{0,60}", n in any::<i64>()) {
        let cursor = Cursor((name, n));
        prop_assert_eq!(Cursor::decode(&cursor.encode().unwrap()).unwrap(), cursor);
    }

    #[test]
    fn made_up_cursors_are_malformed(text in "\\PC{0,60}") {
        if let Err(error) = Cursor::<(String, i64)>::decode(&text) {
            prop_assert_eq!(error.status(), 400);
        }
    }

    #[test]
    fn parsers_never_panic(text in "\\PC{0,300}") {
        let _ = EmailAddress::parse(&text).is_ok();
        let _ = Phone::parse(&text, "PH").is_ok();
        let _ = BoundingBox::parse(&text).is_ok();
        let _ = SchemaName::parse(&text).is_ok();
        let _ = optional_text(&text, 100).is_ok();
    }

    #[test]
    fn an_address_is_the_same_in_any_case(local in "[a-z0-9]{1,12}", host in "[a-z]{1,10}") {
        let lower = format!("{local}@{host}.example");
        prop_assert_eq!(EmailAddress::parse(&lower), EmailAddress::parse(&lower.to_uppercase()));
    }
}

#[test]
fn schema_names_are_opaque_and_checked() {
    assert_eq!(SchemaName::parse(SchemaName::random().as_str()).unwrap().as_str().len(), 14);
    for bad in ["t_", "public", "t_ABCDEFGHIJKL", "t_abcdefghijk1", "t_abcdefghijkl;", "x_abcdefghijkl"] {
        assert!(SchemaName::parse(bad).is_err(), "{bad}");
    }
}
