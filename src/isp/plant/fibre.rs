//! Fibre between two places, and the numbers that are typed of it.

use rust_decimal::Decimal;

use crate::{
    error::Result,
    types::{AreaId, Check, Wrong},
    web::typed::{Typed, optional_id, optional_whole},
    words::say,
};

const METRES_MAX: i32 = 100_000;
const CONNECTORS_MAX: i32 = 50;
const SPLICES_MAX: i32 = 200;

/// A whole number, or `otherwise` when nothing was typed.
pub fn whole(text: &str, otherwise: i32, allowed: std::ops::RangeInclusive<i32>) -> Result<i32, Wrong> {
    Ok(optional_whole(text, allowed)?.unwrap_or(otherwise))
}

/// A decimal number with at most `places` decimals.
pub fn decimal(text: &str, places: u32, allowed: (i64, i64)) -> Result<Decimal, Wrong> {
    let plain = text.trim().replacen(',', ".", 1);
    if plain.is_empty() {
        return Err(Wrong::new("required", "This is needed."));
    }
    let number: Decimal =
        plain.parse().map_err(|_not_a_number| Wrong::new("not_a_number", "This must be a number."))?;
    if number.normalize().scale() > places {
        return Err(Wrong::new("too_many_decimals", say!("At most {} decimals.", places)));
    }
    let (least, most) = (Decimal::from(allowed.0), Decimal::from(allowed.1));
    if (least..=most).contains(&number) {
        Ok(number.normalize())
    } else {
        Err(Wrong::new("out_of_range", say!("This must be between {} and {}.", least, most)))
    }
}

/// A piece of fibre with what is counted on it; nothing where nobody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stretch {
    pub fibre_m: i32,
    pub connectors: Option<i16>,
    pub splices: Option<i16>,
}

impl Stretch {
    pub const FIELDS: [&'static str; 3] = ["fibre_m", "connectors", "splices"];

    pub fn parse(typed: &Typed, check: &mut Check) -> Option<Self> {
        let fibre_m = check.field("fibre_m", whole(typed.get("fibre_m"), 0, 0..=METRES_MAX));
        let mut count = |name: &'static str, most| {
            let number = check.field(name, optional_whole(typed.get(name), 0..=most))?;
            Some(number.and_then(|number| i16::try_from(number).ok()))
        };
        let (connectors, splices) = (count("connectors", CONNECTORS_MAX), count("splices", SPLICES_MAX));
        Some(Self { fibre_m: fibre_m?, connectors: connectors?, splices: splices? })
    }

    pub fn typed(self, into: Typed) -> Typed {
        into.with("fibre_m", self.fibre_m)
            .with_option("connectors", self.connectors)
            .with_option("splices", self.splices)
    }
}

/// The area of something; whether there is such an area is the rules' to say.
pub fn area(typed: &Typed, check: &mut Check) -> Option<Option<AreaId>> {
    check.field("area_id", optional_id(typed.get("area_id"), "area"))
}
