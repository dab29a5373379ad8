use proptest::prelude::*;

use super::model::{AreaDraft, AreaMark, AreaSort};
use crate::types::Cursor;

#[test]
fn every_wrong_field_of_an_area_is_named() {
    let error = AreaDraft::parse(" ", &"c".repeat(21), &"d".repeat(1_001), true).unwrap_err();
    let crate::error::Error::Invalid(wrong) = error else { panic!("{error}") };
    let named: Vec<(&str, &str)> = wrong.iter().map(|w| (w.field.as_ref(), w.code)).collect();
    assert_eq!(named, [("name", "required"), ("code", "too_long"), ("description", "too_long")]);
}

#[test]
fn a_cursor_of_another_order_is_made_up() {
    let area = super::model::Area {
        id: crate::types::AreaId::new(),
        name: "Carmen".into(),
        code: None,
        description: String::new(),
        is_active: true,
        created_at: chrono::Utc::now(),
        updated_at: chrono::Utc::now(),
    };
    let cursor = Cursor(AreaSort::Name.mark(&area)).encode().unwrap();
    assert_eq!(AreaMark::decode(&cursor, AreaSort::Name).unwrap().text, "Carmen");
    assert_eq!(AreaMark::decode(&cursor, AreaSort::NameDown).unwrap_err().status(), 400);
}

proptest! {
    #[test]
    fn what_is_parsed_stays_as_it_is(name in "\\PC{0,120}", code in "\\PC{0,30}", description in "\\PC{0,200}") {
        if let Ok(draft) = AreaDraft::parse(&name, &code, &description, true) {
            let again = AreaDraft::parse(
                &draft.name, draft.code.as_deref().unwrap_or_default(), &draft.description, true,
            );
            prop_assert_eq!(again.unwrap(), draft);
        }
    }
}
