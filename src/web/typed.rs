//! What was typed into a form or sent to the API for one thing: a text per field, so that forms, bodies and sheets are parsed by
//! one function. An empty text is nothing.

use std::collections::BTreeMap;

use poem_openapi::types::MaybeUndefined;

use super::{Form, FormView};
use crate::types::Wrong;
use crate::words::say;

/// Texts by the names of their fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed(BTreeMap<&'static str, String>);

impl Typed {
    /// What a form holds of these fields. A box that is not ticked is not sent, and so is empty.
    pub fn of_form(form: &Form, names: &[&'static str]) -> Self {
        Self(names.iter().map(|name| (*name, form.get(name).to_owned())).collect())
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a box is ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.get(name) == "true"
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// A value, or nothing.
    pub fn with_option(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self.with(name, ""),
        }
    }

    /// A change of the API: absent stays, null is nothing.
    pub fn over<T: ToString>(self, name: &'static str, value: &MaybeUndefined<T>) -> Self {
        match value {
            MaybeUndefined::Undefined => self,
            MaybeUndefined::Null => self.with(name, ""),
            MaybeUndefined::Value(value) => self.with(name, value.to_string()),
        }
    }

    /// A change of a value that there always is.
    pub fn over_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A form that shows it.
    pub fn into_form(self, action: impl Into<String>) -> FormView {
        let start = FormView { action: action.into(), ..FormView::default() };
        self.0.into_iter().fold(start, |form, (name, value)| form.with(name, value))
    }
}

/// A whole number, or nothing.
pub fn optional_whole(text: &str, allowed: std::ops::RangeInclusive<i32>) -> Result<Option<i32>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let number: i64 =
        text.parse().map_err(|_not_a_number| Wrong::new("not_a_number", "This must be a whole number."))?;
    let (least, most) = (*allowed.start(), *allowed.end());
    i32::try_from(number)
        .ok()
        .filter(|number| allowed.contains(number))
        .map(Some)
        .ok_or_else(|| Wrong::new("out_of_range", say!("This must be between {} and {}.", least, most)))
}

/// An id, or nothing. What is no id is of nothing that is here.
pub fn optional_id<T: From<uuid::Uuid>>(text: &str, what: &str) -> Result<Option<T>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let id: uuid::Uuid = text.parse().map_err(|_no_id| unknown(what))?;
    Ok(Some(T::from(id)))
}

/// An id in a body or a form that is of nothing in this tenant.
pub fn unknown(what: &str) -> Wrong {
    Wrong::new("unknown", say!("There is no such {}.", what))
}
