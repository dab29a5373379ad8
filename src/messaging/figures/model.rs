//! Sums of a range, and what is said of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    messaging::Channel,
    types::TemplateId,
    web::choices::choices,
    words::say,
};

/// A range has at most so many days.
pub const DAYS_MAX: i64 = 1_100;
const DAYS_SHOWN: u64 = 30;
const PROVIDER_MAX: usize = 40;

choices! {
    /// What sums are cut by.
    Cut is "MessageFiguresBy":
    Channel = "channel", "Channel";
    Provider = "provider", "Provider";
    Template = "template", "Template";
    /// Why messages failed.
    Class = "class", "Failure";
    Day = "day", "Day";
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub zone: Tz,
    pub channel: Option<Channel>,
    pub provider: Option<String>,
    pub template: Option<TemplateId>,
    pub by: Cut,
}

/// As it was typed or sent; empty texts are none.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub channel: &'a str,
    pub provider: &'a str,
    pub template: Option<Uuid>,
    pub by: Option<Cut>,
}

/// When a local day begins. Where a zone leaves midnight out, at its first moment.
fn day_start(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..4)
        .find_map(|hours| (midnight + TimeDelta::hours(hours)).and_local_timezone(zone).earliest())
        .map_or_else(|| midnight.and_utc(), |at| at.with_timezone(&Utc))
}

impl Asked {
    /// The last thirty days unless said otherwise; both days belong to the range.
    pub fn parse(typed: Typed<'_>, now: DateTime<Utc>, zone: Tz) -> Result<Self> {
        let today = now.with_timezone(&zone).date_naive();
        let last = typed.to.unwrap_or(today);
        let first = typed.from.or_else(|| last.checked_sub_days(Days::new(DAYS_SHOWN - 1))).unwrap_or(last);
        let wrong = |code, detail: String| Err(Error::invalid("from", code, detail));
        let sane = |day: NaiveDate| (1970..=9000).contains(&chrono::Datelike::year(&day));
        if !sane(first) || !sane(last) {
            return wrong("out_of_range", "A day lies between 1970 and 9000.".into());
        }
        if first > last {
            return wrong("after_the_end", "The first day lies after the last one.".into());
        }
        if (last - first).num_days() >= DAYS_MAX {
            return wrong("too_long", say!("A range has at most {} days.", DAYS_MAX));
        }
        let channel = match typed.channel {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|wrong: crate::types::Wrong| Error::Invalid(vec![wrong.at("channel")]))?,
            ),
        };
        let provider: String =
            typed.provider.chars().filter(|c| !c.is_control()).take(PROVIDER_MAX).collect();
        Ok(Self {
            first,
            last,
            from: day_start(first, zone),
            until: day_start(last.checked_add_days(Days::new(1)).unwrap_or(last), zone),
            zone,
            channel,
            provider: Some(provider).filter(|text| !text.is_empty()),
            template: typed.template.map(TemplateId),
            by: typed.by.unwrap_or(Cut::Channel),
        })
    }
}

/// Sums of some deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Taken by a provider.
    pub sent: i64,
    pub delivered: i64,
    pub read: i64,
    pub failed: i64,
    pub unknown: i64,
    /// Left alone: not wanted, called off, or of no use any more.
    pub left: i64,
    pub segments: i64,
    pub cost: Decimal,
}

impl Sums {
    pub fn add(&mut self, outcome: &str, amount: i64, segments: i64, cost: Decimal) {
        self.cost += cost;
        match outcome {
            "accepted" => {
                self.sent += amount;
                self.segments += segments;
            }
            "delivered" => self.delivered += amount,
            "read" => self.read += amount,
            "failed" => self.failed += amount,
            "unknown" => self.unknown += amount,
            "suppressed" | "cancelled" | "expired" => self.left += amount,
            _ => {}
        }
    }

    /// How many in a hundred arrived, of those of which the end is known; with one decimal.
    pub fn success(&self) -> Option<f64> {
        let known = self.delivered + self.failed;
        let percent = Decimal::from(self.delivered * 1_000).checked_div(Decimal::from(known))?;
        Some(percent.round().to_f64()? / 10.0)
    }
}

/// How long it took: half, 95 and 99 of a hundred took at most so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    pub count: i64,
    pub p50: Option<i64>,
    pub p95: Option<i64>,
    pub p99: Option<i64>,
}

impl Latency {
    /// From counts by powers of two of milliseconds: bucket n holds those from 2^n to below 2^(n+1). Inside a bucket the counts are
    /// taken to lie evenly.
    pub fn of(buckets: &BTreeMap<usize, i64>) -> Self {
        let count = buckets.values().sum();
        Self {
            count,
            p50: percentile(buckets, 50),
            p95: percentile(buckets, 95),
            p99: percentile(buckets, 99),
        }
    }
}

fn percentile(buckets: &BTreeMap<usize, i64>, percent: i64) -> Option<i64> {
    let total: i64 = buckets.values().sum();
    if total <= 0 {
        return None;
    }
    // The rank of the one asked for, from 1.
    let rank = (total * percent + 99) / 100;
    let mut before = 0;
    for (n, count) in buckets {
        if before + count >= rank && *count > 0 {
            let low = 1_i64.checked_shl(u32::try_from(*n).ok()?)?;
            let start = if *n == 0 { 0 } else { low };
            let width = if *n == 0 { 2 } else { low };
            return Some(start + width * (rank - before) / count);
        }
        before += count;
    }
    None
}

/// One row of a cut.
#[derive(Debug, Clone)]
pub struct Part {
    /// The channel's, provider's or failure's word, the template's id, or the day.
    pub key: String,
    pub label: String,
    pub sums: Sums,
}

/// Everything that is said of a range.
#[derive(Debug, Clone)]
pub struct Figures {
    pub total: Sums,
    pub parts: Vec<Part>,
    /// Until a provider took it, and until it arrived.
    pub to_accept: Latency,
    pub to_deliver: Latency,
    /// Sent by weekday (1 is Monday) and hour in the tenant's zone.
    pub heat: BTreeMap<(i32, i32), i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_in_their_buckets() {
        let buckets = BTreeMap::from([(3, 50), (5, 45), (10, 5)]);
        let latency = Latency::of(&buckets);
        assert_eq!(latency.count, 100);
        assert_eq!((latency.p50, latency.p95), (Some(16), Some(64)));
        assert!((1024..2048).contains(&latency.p99.unwrap()));
        assert_eq!(Latency::of(&BTreeMap::new()), Latency::default());
        assert_eq!(Latency::of(&BTreeMap::from([(0, 1)])).p50, Some(2));
        assert!(Latency::of(&BTreeMap::from([(30, 7)])).p99.unwrap() <= 1 << 31);
    }

    #[test]
    fn success_is_of_those_whose_end_is_known() {
        let mut sums = Sums::default();
        assert_eq!(sums.success(), None);
        sums.add("accepted", 10, 12, Decimal::new(5, 1));
        assert_eq!((sums.success(), sums.segments), (None, 12));
        sums.add("delivered", 2, 2, Decimal::ZERO);
        sums.add("failed", 1, 1, Decimal::ZERO);
        assert_eq!(sums.success(), Some(66.7));
    }

    #[test]
    fn ranges_are_checked() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let ask = |from, to| {
            let typed = Typed { from, to, channel: "", provider: "", template: None, by: None };
            Asked::parse(typed, DateTime::from_timestamp(1_790_000_000, 0).unwrap(), chrono_tz::Asia::Manila)
        };
        assert_eq!((ask(None, None).unwrap().last - ask(None, None).unwrap().first).num_days(), 29);
        let one = ask(day("2026-03-01"), day("2026-03-01")).unwrap();
        assert_eq!((one.until - one.from).num_hours(), 24);
        assert!(ask(day("2026-03-02"), day("2026-03-01")).is_err());
        assert!(ask(day("2020-01-01"), day("2026-03-01")).is_err());
    }
}
