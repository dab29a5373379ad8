//! Where a tenant's day begins, and which country its numbers belong to.

use std::fmt;

use chrono_tz::Tz;

use super::Wrong;

/// An IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(pub Tz);

impl TimeZone {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        text.trim().parse().map(Self).map_err(|_unknown| {
            Wrong::new("unknown_time_zone", "This is not an IANA time zone, such as Asia/Manila.")
        })
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// ISO 3166-1 alpha-2 code of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let code = text.trim().to_ascii_uppercase();
        let known = code.len() == 2 && code.parse::<phonenumber::country::Id>().is_ok();
        if known {
            Ok(Self(code))
        } else {
            Err(Wrong::new("unknown_country", "This is not a two-letter country code, such as PH."))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every time zone that a settings page offers: those named by region and place.
pub fn time_zones() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).filter(|name| {
        *name == "UTC" || (name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("US/"))
    })
}
