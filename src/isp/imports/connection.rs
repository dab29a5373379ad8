//! What a row of the file says of a customer's connection and of what is paid for it, checked value by value. Pure.

use chrono::{DateTime, DurationRound, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::mapping::{Field, ImportRow};
use crate::{
    error::FieldError,
    types::{Check, Wrong, optional_line},
    words::say,
};

const NAME_MAX: usize = 160;
const PORTS_MAX: i16 = 32;
/// Nobody pays further ahead; and what ended longer ago is no news.
const AHEAD_MAX: TimeDelta = TimeDelta::days(3 * 366);
const AHEAD_TEXT: &str = "This is more than three years ahead.";
const BEHIND_MAX: TimeDelta = TimeDelta::days(10 * 366);
const BEHIND_TEXT: &str = "This is more than ten years ago.";

/// What a row says beside the customer. What it names is for the database to find.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// A NAP as the row calls it, and the number of a port.
    pub port: Option<(String, i16)>,
    pub installed_on: Option<NaiveDate>,
    /// A plan's name, and until when it is paid.
    pub paid: Option<(String, DateTime<Utc>)>,
}

/// Where and when a file is read: its days are days of this zone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub zone: Tz,
    pub now: DateTime<Utc>,
}

impl Service {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The values of a row, or everything that is wrong with them.
    pub fn parse(row: &ImportRow, clock: Clock) -> Result<Self, Vec<FieldError>> {
        let mut check = Check::new();
        let line = |field| {
            let text = row.get(field).unwrap_or_default();
            optional_line(&text.split_whitespace().collect::<Vec<_>>().join(" "), NAME_MAX)
        };
        let text = |field: Field| row.filled(field);
        let nap = check.field(Field::Nap.as_str(), line(Field::Nap));
        let port = check.field(Field::NapPort.as_str(), text(Field::NapPort).map(port_number).transpose());
        let installed = text(Field::InstalledOn).map(|text| clock.installed_on(text)).transpose();
        let installed = check.field(Field::InstalledOn.as_str(), installed);
        let plan = check.field(Field::Plan.as_str(), line(Field::Plan));
        let until = text(Field::PaidUntil).map(|text| clock.paid_until(text)).transpose();
        let until = check.field(Field::PaidUntil.as_str(), until);
        let port = match (nap, port) {
            (Some(nap), Some(port)) => Self::both(
                &mut check,
                nap,
                port,
                [
                    (Field::Nap, "NAP is required when port number is specified"),
                    (Field::NapPort, "Port number is required when NAP is selected"),
                ],
            ),
            _ => None,
        };
        let paid = match (plan, until) {
            (Some(plan), Some(until)) => Self::both(
                &mut check,
                plan,
                until,
                [
                    (Field::Plan, "Say which plan is paid until then."),
                    (Field::PaidUntil, "Say until when the plan is paid."),
                ],
            ),
            _ => None,
        };
        if let (Some(Some(day)), Some((_, until))) = (installed, &paid)
            && *until < clock.begin_of(day) + TimeDelta::minutes(1)
        {
            let wrong = Wrong::new("before_installation", "This is before the day of installation.");
            check.field::<()>(Field::PaidUntil.as_str(), Err(wrong));
        }
        let whole = Self { port, installed_on: installed.flatten(), paid };
        check.finish(Some(whole)).map_err(|error| match error {
            crate::error::Error::Invalid(wrong) => wrong,
            other => vec![FieldError::new("row", "invalid", other.detail())],
        })
    }

    /// Two values that come together or not at all.
    fn both<A, B>(
        check: &mut Check,
        one: Option<A>,
        other: Option<B>,
        [(one_field, one_needed), (other_field, other_needed)]: [(Field, &'static str); 2],
    ) -> Option<(A, B)> {
        let (field, needed) = match (one, other) {
            (Some(one), Some(other)) => return Some((one, other)),
            (None, None) => return None,
            (None, Some(_)) => (one_field, one_needed),
            (Some(_), None) => (other_field, other_needed),
        };
        check.field::<()>(field.as_str(), Err(Wrong::new("needed_too", needed)));
        None
    }
}

/// A port as sheets write it: `3`, `P3`, `Port 3`.
fn port_number(text: &str) -> Result<i16, Wrong> {
    let lower = text.to_lowercase();
    let bare = lower.trim_start_matches("port").trim_start_matches('p').trim_start_matches('#').trim();
    let number: i16 =
        bare.parse().map_err(|_no_number| Wrong::new("not_a_number", "This must be a number, such as 3."))?;
    if (1..=PORTS_MAX).contains(&number) {
        Ok(number)
    } else {
        Err(Wrong::new("out_of_range", say!("Port must be between 1 and {}", PORTS_MAX)))
    }
}

/// A day as sheets write it. Which of 03/04/2026 is the month nobody can tell, so that this is none.
fn day(text: &str) -> Option<NaiveDate> {
    const FORMATS: [&str; 7] =
        ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d %B %Y", "%d-%B-%Y", "%B %d, %Y"];
    let parsed = FORMATS.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())?;
    // Two figures for a year are read as a year of the first century.
    (chrono::Datelike::year(&parsed) >= 1000).then_some(parsed)
}

/// A day with a time of day.
fn moment(text: &str) -> Option<NaiveDateTime> {
    const FORMATS: [&str; 4] = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn no_day() -> Wrong {
    Wrong::new("not_a_day", "Write the day as 2026-11-30.")
}

impl Clock {
    /// The first moment of a day: midnight, or what comes first on a day whose midnight is skipped.
    pub fn begin_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(chrono::NaiveTime::MIN);
        (0..3)
            .find_map(|hours| (midnight + TimeDelta::hours(hours)).and_local_timezone(self.zone).earliest())
            .map_or_else(|| midnight.and_utc(), |at| at.with_timezone(&Utc))
    }

    pub fn day_of(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    fn installed_on(&self, text: &str) -> Result<NaiveDate, Wrong> {
        // A workbook writes a day with its midnight.
        let day = day(text).or_else(|| moment(text).map(|at| at.date())).ok_or_else(no_day)?;
        if day > self.day_of(self.now) {
            return Err(Wrong::new("in_future", "This day is still to come."));
        }
        if day < NaiveDate::default() {
            return Err(Wrong::new("too_early", "No day before 1970."));
        }
        Ok(day)
    }

    /// The end of a day, which is paid for as a whole, or a moment, to the minute.
    fn paid_until(&self, text: &str) -> Result<DateTime<Utc>, Wrong> {
        let local =
            |at: NaiveDateTime| at.and_local_timezone(self.zone).earliest().map(|at| at.with_timezone(&Utc));
        let until = match day(text) {
            Some(day) => day.succ_opt().map(|next| self.begin_of(next)),
            None => moment(text)
                .and_then(local)
                .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))),
        };
        let until = until.ok_or_else(no_day)?;
        if until > self.now + AHEAD_MAX {
            return Err(Wrong::new("too_far", AHEAD_TEXT));
        }
        if until < self.now - BEHIND_MAX {
            return Err(Wrong::new("too_early", BEHIND_TEXT));
        }
        until.duration_trunc(TimeDelta::minutes(1)).map_err(|_out_of_range| no_day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock { zone: chrono_tz::Asia::Manila, now: "2026-11-21T07:00:00Z".parse().unwrap() }
    }

    #[test]
    fn days_are_read_as_sheets_write_them_and_never_guessed() {
        let expected = NaiveDate::from_ymd_opt(2026, 11, 3).unwrap();
        for text in ["2026-11-03", "2026/11/3", "3.11.2026", "3 Nov 2026", "03-Nov-2026", "November 3, 2026"]
        {
            assert_eq!(day(text), Some(expected), "{text}");
        }
        for text in ["03/11/2026", "11/03/2026", "3.11.26", "soon", "2026-02-30", ""] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_paid_day_is_paid_to_its_end() {
        let at = |text: &str| clock().paid_until(text).map(|at| at.to_rfc3339());
        assert_eq!(at("2026-11-30").unwrap(), "2026-11-30T16:00:00+00:00");
        assert_eq!(at("2026-11-30 09:30").unwrap(), "2026-11-30T01:30:00+00:00");
        assert_eq!(at("2026-11-30T09:30:59Z").unwrap(), "2026-11-30T09:30:00+00:00");
        for (text, code) in
            [("9999-12-31", "too_far"), ("1999-01-01", "too_early"), ("next week", "not_a_day")]
        {
            assert_eq!(clock().paid_until(text).unwrap_err().code, code, "{text}");
        }
        // The last day of February ends with its last second; days on which clocks change in Berlin have 23 and 25 hours.
        assert_eq!(at("2027-02-28").unwrap(), "2027-02-28T16:00:00+00:00");
        assert_eq!(at("2027-02-28T15:59:59Z").unwrap(), "2027-02-28T15:59:00+00:00");
        assert_eq!(at("2028-02-29").unwrap(), "2028-02-29T16:00:00+00:00");
        let berlin = Clock { zone: chrono_tz::Europe::Berlin, ..clock() };
        for (day, end) in [
            ("2027-03-27", "2027-03-27T23:00:00+00:00"),
            ("2027-03-28", "2027-03-28T22:00:00+00:00"),
            ("2027-10-30", "2027-10-30T22:00:00+00:00"),
            ("2027-10-31", "2027-10-31T23:00:00+00:00"),
        ] {
            assert_eq!(berlin.paid_until(day).unwrap().to_rfc3339(), end, "{day}");
        }
        // At this midnight Beirut had no midnight.
        let beirut = Clock { zone: chrono_tz::Asia::Beirut, now: "2022-03-01T00:00:00Z".parse().unwrap() };
        assert_eq!(beirut.paid_until("2022-03-26").unwrap().to_rfc3339(), "2022-03-26T22:00:00+00:00");
    }

    #[test]
    fn ports_are_numbers_of_a_nap() {
        for (text, number) in [("3", 3), ("P3", 3), ("port 12", 12), ("#4", 4)] {
            assert_eq!(port_number(text), Ok(number), "{text}");
        }
        for (text, code) in
            [("0", "out_of_range"), ("33", "out_of_range"), ("-1", "out_of_range"), ("x", "not_a_number")]
        {
            assert_eq!(port_number(text).unwrap_err().code, code, "{text}");
        }
    }
}
