//! Places on the earth, in WGS 84 degrees.

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::Wrong;

/// Latitude and longitude, both or neither, to seven decimals (about a centimetre).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coordinates {
    pub latitude: Decimal,
    pub longitude: Decimal,
}

impl Coordinates {
    pub const SCALE: u32 = 7;

    pub fn new(latitude: Decimal, longitude: Decimal) -> Result<Self, (&'static str, Wrong)> {
        if latitude.abs() > Decimal::from(90) {
            return Err(("latitude", Wrong::new("out_of_range", "A latitude lies between -90 and 90.")));
        }
        if longitude.abs() > Decimal::from(180) {
            return Err(("longitude", Wrong::new("out_of_range", "A longitude lies between -180 and 180.")));
        }
        let round = |d: Decimal| d.round_dp(Self::SCALE).normalize();
        Ok(Self { latitude: round(latitude), longitude: round(longitude) })
    }

    /// Both given, both absent, or the name of the half that is missing.
    pub fn from_halves(
        latitude: Option<Decimal>,
        longitude: Option<Decimal>,
    ) -> Result<Option<Self>, (&'static str, Wrong)> {
        let missing = || Wrong::new("required", "Latitude and longitude come together.");
        match (latitude, longitude) {
            (None, None) => Ok(None),
            (Some(lat), Some(lng)) => Self::new(lat, lng).map(Some),
            (None, Some(_)) => Err(("latitude", missing())),
            (Some(_), None) => Err(("longitude", missing())),
        }
    }
}

/// A box on the map: west, south, east, north in degrees. West of east, unless it spans the date line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

impl BoundingBox {
    /// `"124.5,8.4,124.7,8.6"`: west, south, east, north, as GeoJSON orders them.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new("not_a_box", "A box is west,south,east,north in degrees.");
        let parts: Vec<f64> = text
            .split(',')
            .map(|part| part.trim().parse::<f64>().ok().filter(|n| n.is_finite()))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let [west, south, east, north] = parts[..] else { return Err(wrong()) };
        let inside = west.abs() <= 180.0 && east.abs() <= 180.0 && south >= -90.0 && north <= 90.0;
        if inside && south <= north { Ok(Self { west, south, east, north }) } else { Err(wrong()) }
    }
}

/// Degrees as a float, for maps; money never takes this road.
pub fn degrees(value: Decimal) -> f64 {
    value.to_f64().unwrap_or_default()
}
