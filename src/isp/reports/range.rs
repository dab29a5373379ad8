//! Days of the provider's own zone: from one to another, as instants, cut into days and months. All arithmetic of zones is here;
//! statements get instants, so that their indexes serve.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc,
};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::{
    error::{Error, Result},
    types::{AreaId, Check, PlanId, StaffId},
    words::{locale, say},
};

/// Five years, and the leap days in them.
const DAYS_MAX: i64 = 5 * 366;
/// Longer ranges are drawn by months.
const DRAWN_BY_DAYS: i64 = 92;
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// Days from one to another, both of them in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Range {
    pub fn day(day: NaiveDate) -> Self {
        Self { from: day, to: day }
    }

    /// What was asked for; what was left out is the usual.
    pub fn parse(from: Option<NaiveDate>, to: Option<NaiveDate>, usual: Self) -> Result<Self> {
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, usual.to.max(from)),
            (None, Some(to)) => (usual.from.min(to), to),
            (None, None) => return Ok(usual),
        };
        let mut check = Check::new();
        for (field, day) in [("from", from), ("to", to)] {
            if !YEARS.contains(&day.year()) {
                check.wrong(field, "out_of_range", say("A day lies between 2000-01-01 and 2199-12-31."));
            }
        }
        let range = check.finish(Some(Self { from, to }))?;
        if to < from {
            return Err(Error::invalid("to", "before_from", "The last day must not lie before the first."));
        }
        if range.days() > DAYS_MAX {
            return Err(Error::invalid("from", "too_long", "A report spans at most five years."));
        }
        Ok(range)
    }

    pub fn days(self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    fn is_whole_months(self) -> bool {
        self.from.day() == 1 && self.to == last_of_month(self.to)
    }

    fn back(self, months: u32) -> Self {
        let from = self.from.checked_sub_months(Months::new(months)).unwrap_or(self.from);
        let to = self.to.checked_sub_months(Months::new(months)).unwrap_or(self.to);
        if self.is_whole_months() { Self { from, to: last_of_month(to) } } else { Self { from, to } }
    }

    /// What lies directly before it: as many whole months, else as many days.
    pub fn before(self) -> Self {
        if self.is_whole_months() {
            let months = (self.to.year() - self.from.year()) * 12 + self.to.month().cast_signed()
                - self.from.month().cast_signed()
                + 1;
            return self.back(months.unsigned_abs());
        }
        let days = Duration::days(self.days());
        Self { from: self.from - days, to: self.to - days }
    }

    /// The whole month before the month of its first day.
    pub fn before_month(self) -> Self {
        let last = first_of_month(self.from) - Days::new(1);
        Self { from: first_of_month(last), to: last }
    }

    /// The same days a year earlier.
    pub fn year_before(self) -> Self {
        self.back(12)
    }

    /// The same day a week earlier.
    pub fn week_before(self) -> Self {
        Self { from: self.from - Days::new(7), to: self.to - Days::new(7) }
    }

    /// From the first instant of the first day to the first instant after the last one.
    pub fn instants(self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        (begin_of(self.from, zone), begin_of(self.to + Days::new(1), zone))
    }

    /// Where each of the days begins, as `width_bucket` reads it.
    pub fn bounds(self, zone: Tz) -> Vec<DateTime<Utc>> {
        self.each().map(|day| begin_of(day, zone)).collect()
    }

    pub fn each(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take_while(move |day| *day <= self.to)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.format_localized("%-d %b %Y", locale());
        if self.from == self.to {
            write!(f, "{to}")
        } else if self.from.year() == self.to.year() {
            write!(f, "{} – {to}", self.from.format_localized("%-d %b", locale()))
        } else {
            write!(f, "{} – {to}", self.from.format_localized("%-d %b %Y", locale()))
        }
    }
}

pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

pub fn last_of_month(day: NaiveDate) -> NaiveDate {
    first_of_month(day).checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(day)
}

/// The first instant of a day. Where clocks are set forward at midnight, that is after the gap.
pub fn begin_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    instant_of(day.and_time(NaiveTime::MIN), zone)
}

/// The first instant at which clocks show `at`, or, where they skip it, the first one after the gap.
pub fn instant_of(at: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    // A gap ends at a full quarter of an hour; the longest ever was a whole day.
    let mut shown = at;
    for _ in 0..=25 * 4 {
        if let Some(instant) = zone.from_local_datetime(&shown).earliest() {
            return instant.to_utc();
        }
        shown += Duration::minutes(15);
    }
    at.and_utc()
}

/// The day that an instant lies in.
pub fn day_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// What is asked of a report.
#[derive(Debug, Clone)]
pub struct Asked {
    pub range: Range,
    pub zone: Tz,
    pub now: DateTime<Utc>,
    pub area: Option<AreaId>,
    pub plan: Option<PlanId>,
    pub staff: Option<StaffId>,
}

impl Asked {
    pub fn today(&self) -> NaiveDate {
        day_of(self.now, self.zone)
    }

    /// The same of other days.
    pub fn over(&self, range: Range) -> Self {
        Self { range, ..self.clone() }
    }

    pub fn instants(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        self.range.instants(self.zone)
    }

    pub fn bounds(&self) -> Vec<DateTime<Utc>> {
        self.range.bounds(self.zone)
    }

    /// The day of a bucket that `width_bucket` answered, which counts from one.
    pub fn day_at(&self, bucket: i32) -> NaiveDate {
        self.range.from + Duration::days(i64::from(bucket) - 1)
    }

    pub fn steps(&self) -> Steps {
        Steps::of(self.range)
    }
}

/// The steps along a chart: days, or months when there are many days.
#[derive(Debug, Clone)]
pub struct Steps {
    firsts: Vec<NaiveDate>,
    is_months: bool,
}

impl Steps {
    fn of(range: Range) -> Self {
        let is_months = range.days() > DRAWN_BY_DAYS;
        let firsts = range.each().filter(|day| !is_months || *day == range.from || day.day() == 1).collect();
        Self { firsts, is_months }
    }

    /// What a step is called.
    pub fn of_what(&self) -> &'static str {
        if self.is_months { say("Month") } else { say("Day") }
    }

    pub fn labels(&self) -> Vec<String> {
        let format = if self.is_months { "%b %Y" } else { "%-d %b %Y" };
        self.firsts.iter().map(|day| day.format(format).to_string()).collect()
    }

    pub fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Where each step begins, for counts that days cannot be added up to.
    pub fn bounds(&self, zone: Tz) -> Vec<DateTime<Utc>> {
        self.firsts.iter().map(|day| begin_of(*day, zone)).collect()
    }

    /// Adds what each day had up to steps.
    pub fn add_up(&self, days: impl IntoIterator<Item = (NaiveDate, Decimal)>) -> Vec<Decimal> {
        let mut sums = vec![Decimal::ZERO; self.firsts.len()];
        for (day, n) in days {
            let step = self.firsts.partition_point(|first| *first <= day).saturating_sub(1);
            if let Some(sum) = sums.get_mut(step) {
                *sum += n;
            }
        }
        sums
    }
}

/// What a report shows when nobody asks for other days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    Today,
    ThisMonth,
    ThisYear,
    /// So many days, up to today.
    Last(u16),
    /// So many days before today, and so many after it.
    Around(u16, u16),
}

impl Usual {
    pub fn range(self, today: NaiveDate) -> Range {
        match self {
            Self::Today => Range::day(today),
            Self::ThisMonth => Range { from: first_of_month(today), to: last_of_month(today) },
            Self::ThisYear => Range {
                from: NaiveDate::from_ymd_opt(today.year(), 1, 1).unwrap_or(today),
                to: NaiveDate::from_ymd_opt(today.year(), 12, 31).unwrap_or(today),
            },
            Self::Last(days) => {
                Range { from: today - Days::new(u64::from(days.saturating_sub(1))), to: today }
            }
            Self::Around(before, after) => {
                Range { from: today - Days::new(u64::from(before)), to: today + Days::new(u64::from(after)) }
            }
        }
    }
}
