//! Weeks as the tenant's calendar has them: seven local days, of which one may have 23 or 25 hours.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::model::instant;

/// The week from a Monday on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    pub monday: NaiveDate,
    zone: Tz,
}

impl Week {
    /// The week that a day is in.
    pub fn of(day: NaiveDate, zone: Tz) -> Self {
        let back = u64::from(day.weekday().num_days_from_monday());
        Self { monday: day.checked_sub_days(Days::new(back)).unwrap_or(day), zone }
    }

    /// The day that an address names, or today.
    pub fn asked(text: &str, now: DateTime<Utc>, zone: Tz) -> Self {
        let today = now.with_timezone(&zone).date_naive();
        let near = |day: &NaiveDate| (*day - today).abs() < TimeDelta::days(366 * 20);
        Self::of(text.parse::<NaiveDate>().ok().filter(near).unwrap_or(today), zone)
    }

    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.monday.iter_days().take(7)
    }

    pub fn before(self) -> Self {
        Self { monday: self.monday.checked_sub_days(Days::new(7)).unwrap_or(self.monday), ..self }
    }

    pub fn after(self) -> Self {
        Self { monday: self.monday.checked_add_days(Days::new(7)).unwrap_or(self.monday), ..self }
    }

    /// From the first instant of Monday until the first of the Monday after.
    pub fn bounds(self) -> (DateTime<Utc>, DateTime<Utc>) {
        (first_instant(self.monday, self.zone), first_instant(self.after().monday, self.zone))
    }
}

/// When a day begins: at midnight, or at the first time after it where the clocks skip midnight.
pub fn first_instant(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=4)
        .find_map(|halves| instant(midnight + TimeDelta::minutes(30 * halves), zone))
        .unwrap_or_else(|| midnight.and_utc())
}
