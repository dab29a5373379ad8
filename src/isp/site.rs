//! Where something stands: in the field, on the map.

use rust_decimal::Decimal;

use crate::{
    isp::customers::Accuracy,
    types::{Check, Coordinates, Wrong, optional_line},
    web::typed::Typed,
};

pub const LOCATION_NOTES_MAX: usize = 255;

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
