//! What may be written of a contact.

use super::model::{Asked, Draft, Fields, language, tags};
use crate::{error::Error, messaging::Channel, types::Country};

fn ghana() -> Country {
    Country::parse("GH").unwrap()
}

fn wrong_fields(asked: &Asked) -> Vec<String> {
    match Draft::parse(asked, &ghana(), Fields::Api) {
        Err(Error::Invalid(fields)) => fields.into_iter().map(|field| field.field.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_wrong_field_is_named() {
    let asked = Asked {
        name: " ".into(),
        language: "e".into(),
        attributes: vec![("Not a name".into(), "x".into())],
        tags: vec!["a,b".into()],
        note: "x".repeat(2_001),
        addresses: vec![(Channel::Sms, "0".into())],
    };
    assert_eq!(wrong_fields(&asked), ["name", "language", "tags", "attributes", "note", "addresses"]);
}

#[test]
fn an_address_has_one_spelling_and_stands_once() {
    let addresses =
        ["0241234567", "+233 24 123 4567", "00233241234567"].map(|text| (Channel::Sms, text.to_owned()));
    let asked = Asked { name: "Ama".into(), addresses: addresses.to_vec(), ..Asked::default() };
    let draft = Draft::parse(&asked, &ghana(), Fields::Api).unwrap();
    assert_eq!(draft.addresses.len(), 1);
    assert_eq!(draft.first(Channel::Sms), Some("+233241234567"));
}

#[test]
fn tags_stand_once_in_any_case() {
    assert_eq!(tags(["VIP", "vip", " Vip ", "", "new"].into_iter()).unwrap(), ["VIP", "new"]);
    assert!(tags((0..51).map(|n| n.to_string()).collect::<Vec<_>>().iter().map(String::as_str)).is_err());
}

#[test]
fn a_language_is_a_tag() {
    for good in ["en", "fil", "pt-BR", "zh-Hant-TW", ""] {
        assert!(language(good).is_ok(), "{good}");
    }
    for bad in ["e", "english language", "en_GB", "1en", "en-", "<b>"] {
        assert!(language(bad).is_err(), "{bad}");
    }
}
