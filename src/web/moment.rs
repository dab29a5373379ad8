//! Instants as people read them: short beside other things, whole on hover, in the tenant's own zone, or in that of whoever reads
//! where they have one of their own.

use chrono::{DateTime, Datelike, Days, Offset, SecondsFormat, Timelike, Utc, Weekday};
use chrono_tz::{OffsetName, Tz};
use serde::Serialize;

use crate::words::{locale, reader_zone, say};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_SHORT: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

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
    /// Day and time, as short as it stays unambiguous, in the reader's zone where they have one of their own.
    pub fn at(at: DateTime<Utc>, zone: Tz) -> Self {
        Self::told(at, reader_zone(zone), Utc::now(), true)
    }

    /// When somebody is to be at a place: in the tenant's zone whoever reads it, as the schedule and its forms are.
    pub fn appointment(at: DateTime<Utc>, zone: Tz) -> Self {
        Self::told(at, zone, Utc::now(), true)
    }

    /// The day alone, as short as it stays unambiguous: the tenant's, as all days are.
    pub fn day(at: DateTime<Utc>, zone: Tz) -> Self {
        Self::told(at, zone, Utc::now(), false)
    }

    /// The tenant's day alone, written out: `3 November 2026`.
    pub fn long_day(at: DateTime<Utc>, zone: Tz) -> Self {
        let text = at.with_timezone(&zone).format_localized("%-d %B %Y", locale()).to_string();
        Self { text, ..Self::day(at, zone) }
    }

    fn told(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>, with_time: bool) -> Self {
        // Written out: chrono's formats cost more than the rest of a list's row.
        let local = at.with_timezone(&zone);
        let name = |months: [&'static str; 12]| {
            say(months.get(local.month0() as usize).copied().unwrap_or_default())
        };
        let (month, short, year) = (name(MONTHS), name(MONTHS_SHORT), local.year());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        let (day, today) = (local.date_naive(), now.with_timezone(&zone).date_naive());
        let named = if day == today {
            say("today").to_owned()
        } else if Some(day) == today.checked_sub_days(Days::new(1)) {
            say("yesterday").to_owned()
        } else if day.year() == today.year() {
            format!("{} {short}", day.day())
        } else {
            format!("{} {short} {year}", day.day())
        };
        let text = if with_time { format!("{named}, {hour:02}:{minute:02}") } else { named };
        let abbreviation = local.offset().abbreviation().unwrap_or_default();
        let seconds_east = local.offset().fix().local_minus_utc();
        let (sign, minutes_off) = (if seconds_east < 0 { '-' } else { '+' }, seconds_east.abs() / 60);
        // Many zones have no abbreviation, or a number in its place.
        let has_name = !abbreviation.is_empty() && !abbreviation.starts_with(['+', '-']);
        let zone_name = if has_name { format!(" {abbreviation},") } else { String::new() };
        Self {
            text,
            iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            full: format!(
                "{}, {} {month} {year}, {hour:02}:{minute:02}:{second:02} ({},{zone_name} UTC{sign}{:02}:{:02})",
                say(weekday(local.weekday())),
                day.day(),
                zone.name(),
                minutes_off / 60,
                minutes_off % 60
            ),
        }
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Reader, read_as};

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

    #[tokio::test]
    async fn times_are_the_readers_and_days_and_appointments_the_tenants() {
        let (manila, berlin) = (chrono_tz::Asia::Manila, chrono_tz::Europe::Berlin);
        let at = instant("2020-11-03T02:31:00Z");
        let shown = || {
            [
                Moment::at(at, manila).text,
                Moment::appointment(at, manila).text,
                Moment::day(instant("2020-11-02T20:00:00Z"), manila).text,
                Moment::long_day(instant("2020-11-02T20:00:00Z"), manila).text,
            ]
        };
        let tenants = ["3 Nov 2020, 10:31", "3 Nov 2020, 10:31", "3 Nov 2020", "3 November 2020"];
        assert_eq!(shown(), tenants);
        let in_berlin = Reader { zone: Some(berlin), ..Reader::default() };
        let own = ["3 Nov 2020, 03:31", "3 Nov 2020, 10:31", "3 Nov 2020", "3 November 2020"];
        assert_eq!(read_as(in_berlin, async { shown() }).await, own);
        assert_eq!(read_as(Reader::default(), async { shown() }).await, tenants);
        let full = read_as(in_berlin, async { Moment::at(at, manila).full }).await;
        assert!(full.contains("(Europe/Berlin, CET, UTC+01:00)"), "{full}");
        // Beside somebody's page others are made.
        let (one, other) = tokio::join!(
            read_as(in_berlin, async {
                tokio::task::yield_now().await;
                reader_zone(manila)
            }),
            read_as(Reader::default(), async { reader_zone(manila) })
        );
        assert_eq!((one, other), (berlin, manila));
        assert_eq!(shown(), tenants, "and afterwards all is as it was");
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
        let nameless =
            Moment::at(instant("2026-11-21T06:05:00Z"), chrono_tz::America::Argentina::Buenos_Aires);
        assert!(nameless.full.ends_with("(America/Argentina/Buenos_Aires, UTC-03:00)"), "{}", nameless.full);
    }
}
