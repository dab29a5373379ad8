//! Instants as people read them: short beside other things, whole on hover, in the tenant's own zone.

use chrono::{DateTime, Datelike, Days, Utc};
use chrono_tz::{OffsetName, Tz};
use serde::Serialize;

/// An instant on a page: `{text, iso, full}` for the component `ui.time`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// `today, 14:02`, `18 Nov, 10:31`, `3 November 2026`.
    pub text: String,
    /// RFC 3339, in UTC.
    pub iso: String,
    /// With weekday, seconds and the zone's name.
    pub full: String,
}

impl Moment {
    /// Day and time, as short as it stays unambiguous.
    pub fn at(at: DateTime<Utc>, zone: Tz) -> Self {
        Self::told(at, zone, Utc::now(), true)
    }

    /// The day alone, as short as it stays unambiguous.
    pub fn day(at: DateTime<Utc>, zone: Tz) -> Self {
        Self::told(at, zone, Utc::now(), false)
    }

    /// The day alone, written out: `3 November 2026`.
    pub fn long_day(at: DateTime<Utc>, zone: Tz) -> Self {
        let text = at.with_timezone(&zone).format("%-d %B %Y").to_string();
        Self { text, ..Self::day(at, zone) }
    }

    fn told(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>, with_time: bool) -> Self {
        let local = at.with_timezone(&zone);
        let (day, today) = (local.date_naive(), now.with_timezone(&zone).date_naive());
        let named = if day == today {
            "today".to_owned()
        } else if Some(day) == today.checked_sub_days(Days::new(1)) {
            "yesterday".to_owned()
        } else if day.year() == today.year() {
            local.format("%-d %b").to_string()
        } else {
            local.format("%-d %b %Y").to_string()
        };
        let text = if with_time { format!("{named}, {}", local.format("%H:%M")) } else { named };
        let abbreviation = local.offset().abbreviation().unwrap_or_default();
        let offset = local.format("%:z");
        let zone_name =
            if abbreviation.starts_with(['+', '-']) { String::new() } else { format!(" {abbreviation},") };
        Self {
            text,
            iso: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            full: format!(
                "{} ({},{zone_name} UTC{offset})",
                local.format("%A, %-d %B %Y, %H:%M:%S"),
                zone.name()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_the_tenants_own() {
        let manila = chrono_tz::Asia::Manila;
        let now = instant("2026-11-21T06:05:00Z");
        let told = |at: &str, with_time| Moment::told(instant(at), manila, now, with_time).text;
        assert_eq!(told("2026-11-21T06:02:00Z", true), "today, 14:02");
        // Still the 20th in Greenwich.
        assert_eq!(told("2026-11-20T16:00:00Z", true), "today, 00:00");
        assert_eq!(told("2026-11-20T15:59:00Z", true), "yesterday, 23:59");
        assert_eq!(told("2026-11-18T02:31:00Z", true), "18 Nov, 10:31");
        assert_eq!(told("2026-11-03T02:31:00Z", false), "3 Nov");
        assert_eq!(told("2025-11-03T02:31:00Z", false), "3 Nov 2025");
    }

    #[test]
    fn the_whole_instant_names_its_zone() {
        let whole = Moment::at(instant("2026-11-21T06:05:00Z"), chrono_tz::Asia::Manila);
        assert_eq!(whole.iso, "2026-11-21T06:05:00Z");
        assert!(
            whole.full.starts_with("Saturday, 21 November 2026, 14:05:00 (Asia/Manila,"),
            "{}",
            whole.full
        );
        assert!(whole.full.ends_with("UTC+08:00)"), "{}", whole.full);
    }
}
