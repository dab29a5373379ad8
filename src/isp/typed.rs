//! What was typed into a form or sent to the API for one thing: a text per field, so that forms, bodies and sheets are parsed by
//! one function. An empty text is nothing.

use std::collections::BTreeMap;

use poem_openapi::types::MaybeUndefined;
use rust_decimal::Decimal;

use crate::{
    error::Result,
    isp::customers::Accuracy,
    types::{Check, Coordinates, Wrong, optional_line},
    web::{Form, FormView},
};

pub const LOCATION_NOTES_MAX: usize = 255;

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
        .ok_or_else(|| Wrong::new("out_of_range", format!("This must be between {least} and {most}.")))
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
    Wrong::new("unknown", format!("There is no such {what}."))
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub place: Option<Coordinates>,
    pub accuracy: Accuracy,
    /// How to find it.
    pub notes: Option<String>,
}

impl Site {
    pub const FIELDS: [&'static str; 4] = ["latitude", "longitude", "location_accuracy", "location_notes"];

    pub fn parse(typed: &Typed, check: &mut Check) -> Option<Self> {
        let latitude = check.field("latitude", optional_degrees(typed.get("latitude")));
        let longitude = check.field("longitude", optional_degrees(typed.get("longitude")));
        let accuracy = match typed.get("location_accuracy") {
            "" => Some(Accuracy::Manual),
            text => check.field("location_accuracy", Accuracy::parse(text)),
        };
        let notes =
            check.field("location_notes", optional_line(typed.get("location_notes"), LOCATION_NOTES_MAX));
        let place = match Coordinates::from_halves(latitude?, longitude?) {
            Ok(place) => place,
            Err((field, wrong)) => {
                check.wrong(field, wrong.code, wrong.detail);
                return None;
            }
        };
        Some(Self { place, accuracy: accuracy?, notes: notes? })
    }

    pub fn typed(&self, into: Typed) -> Typed {
        into.with_option("latitude", self.place.map(|place| place.latitude))
            .with_option("longitude", self.place.map(|place| place.longitude))
            .with("location_accuracy", self.accuracy.as_str())
            .with_option("location_notes", self.notes.as_ref())
    }
}

/// Degrees as people type them; a single comma counts as the decimal point.
fn optional_degrees(text: &str) -> Result<Option<Decimal>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let plain = text.replacen(',', ".", 1);
    plain
        .parse()
        .map(Some)
        .map_err(|_not_a_number| Wrong::new("not_a_number", "Degrees are a number such as 8.4772."))
}
