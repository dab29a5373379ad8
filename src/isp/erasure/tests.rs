use std::collections::BTreeSet;

use super::{
    model::{Name, Person, canonical, digits_of, reason},
    steps::{KEPT, STEPS},
};
use crate::{messaging::Channel, tenancy::TABLE_RIGHTS};

fn maria() -> Person {
    Person {
        names: vec![Name { first: "Maria".into(), last: "Cruz".into() }],
        addresses: vec![
            (Channel::Sms, "+639171234567".into()),
            (Channel::Whatsapp, "+639171234567".into()),
            (Channel::Email, "Maria@Example.com".into()),
        ],
        ..Person::default()
    }
}

/// Whoever adds a table says what becomes of a person in it.
#[test]
fn every_table_is_decided_on() {
    let decided: BTreeSet<&str> =
        STEPS.iter().map(|step| step.table).chain(KEPT.iter().map(|(table, _)| *table)).collect();
    let all: BTreeSet<&str> = TABLE_RIGHTS.iter().map(|(table, _)| *table).collect();
    assert_eq!(all.difference(&decided).collect::<Vec<_>>(), Vec::<&&str>::new(), "nobody decided on these");
    assert_eq!(decided.difference(&all).collect::<Vec<_>>(), Vec::<&&str>::new(), "there are no such tables");
}

#[test]
fn a_number_is_one_number_however_it_is_written() {
    for text in ["+639171234567", "0917 123 4567", "(0917) 123-4567", "63.917.123.4567"] {
        assert_eq!(digits_of(text).as_deref(), Some("171234567"), "{text}");
        assert_eq!(canonical(text), "171234567");
    }
    assert_eq!(digits_of("12345"), None);
    assert_eq!(digits_of("maria@example.com"), None);
    assert_eq!(canonical("  Maria   CRUZ "), "maria cruz");
}

#[test]
fn words_name_the_person_and_nobody_else() {
    let words = maria().words();
    for word in ["maria cruz", "cruz, maria", "171234567", "maria@example.com"] {
        assert!(words.iter().any(|one| one == word), "{word} is not in {words:?}");
    }
    let shared = ["+639171234567".to_owned(), "maria cruz".to_owned()];
    assert_eq!(maria().without_shared(&shared).words(), ["maria@example.com"]);
    let short = Person { names: vec![Name { first: "Bo".into(), last: String::new() }], ..Person::default() };
    assert!(short.words().is_empty(), "two letters stand in too many texts");
}

#[test]
fn a_reason_does_not_name_the_person() {
    let words = maria().words();
    assert_eq!(reason(" Asked by letter ", &words).unwrap(), "Asked by letter");
    for text in ["", "Maria Cruz asked", "call 0917 123 4567", "see maria@example.com"] {
        reason(text, &words).unwrap_err();
    }
}
