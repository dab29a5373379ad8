//! What is used of a plan, and where it leads.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    access,
    db::TenantTx,
    error::Result,
    files,
    isp::customers,
    messaging::figures,
    tenancy::{
        Tenant,
        plans::{Metric, month_around},
    },
};

/// From so many per cent on a limit is near.
pub const NEAR_PERCENT: i64 = 80;

/// What is used now, of everything that can be counted.
pub async fn count(tx: &TenantTx, tenant: &Tenant, now: DateTime<Utc>) -> Result<BTreeMap<Metric, i64>> {
    let (from, until) = month_around(now, tenant.time_zone);
    let (taken, queued) = figures::taken(tx, from, until).await?;
    Ok(BTreeMap::from([
        (Metric::Staff, access::count_active_staff(tx).await?),
        (Metric::Customers, customers::count_live(tx).await?),
        (Metric::Messages, taken + queued),
        (Metric::Storage, files::used_mib(tx).await?),
    ]))
}

/// How near a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Well,
    Near,
    Full,
}

impl Level {
    pub fn of(used: i64, max: i64) -> Self {
        match used {
            used if used >= max => Self::Full,
            used if percent(used, max) >= NEAR_PERCENT => Self::Near,
            _ => Self::Well,
        }
    }
}

/// How many per cent are used, at most 100; rounded down, so that 100 is full.
pub fn percent(used: i64, max: i64) -> i64 {
    let share = i128::from(used.max(0)) * 100 / i128::from(max.max(1));
    i64::try_from(share).unwrap_or(100).min(100)
}

/// What a month comes to, if it goes on as it began; None on its first day.
pub fn by_month_end(
    used: i64,
    now: DateTime<Utc>,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Option<i64> {
    let (gone, whole) = ((now - from).num_minutes(), (until - from).num_minutes());
    if gone < 24 * 60 || whole <= 0 {
        return None;
    }
    i64::try_from(i128::from(used) * i128::from(whole.max(gone)) / i128::from(gone)).ok()
}

/// In how many days a limit is reached, if it goes on as it did since `then`; None when it does not grow, or more than a year off.
pub fn days_left(
    (then_on, then): (NaiveDate, i64),
    (today, used): (NaiveDate, i64),
    max: i64,
) -> Option<i64> {
    let (days, grown) = ((today - then_on).num_days(), used - then);
    if days < 7 || grown <= 0 || used >= max {
        return None;
    }
    let left = i128::from(max - used) * i128::from(days) / i128::from(grown);
    i64::try_from(left).ok().filter(|left| *left <= 365)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_is_near_from_four_fifths_on() {
        assert_eq!([79, 80, 99, 100, 250].map(|used| Level::of(used, 100)), {
            use Level::{Full, Near, Well};
            [Well, Near, Near, Full, Full]
        });
        assert_eq!((percent(999, 1000), percent(5, 4), percent(-1, 4)), (99, 100, 0));
    }

    #[test]
    fn a_month_goes_on_as_it_began() {
        let month = (at("2026-06-01T00:00:00Z"), at("2026-07-01T00:00:00Z"));
        assert_eq!(by_month_end(100, at("2026-06-11T00:00:00Z"), month), Some(300));
        assert_eq!(by_month_end(100, at("2026-06-01T23:59:00Z"), month), None, "too early to say");
        assert_eq!(by_month_end(100, at("2026-07-01T00:00:00Z"), month), Some(100));
    }

    #[test]
    fn growth_reaches_a_limit() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let (then, now) = (day("2026-06-01"), day("2026-06-11"));
        assert_eq!(days_left((then, 100), (now, 120), 200), Some(40));
        assert_eq!(days_left((then, 120), (now, 100), 200), None, "it shrinks");
        assert_eq!(days_left((then, 100), (now, 200), 200), None, "it is reached");
        assert_eq!(days_left((then, 100), (now, 101), 10_000), None, "far off");
        assert_eq!(days_left((day("2026-06-08"), 1), (now, 50), 200), None, "too early to say");
    }

    proptest! {
        #[test]
        fn nothing_overflows(used in any::<i64>(), max in any::<i64>(), then in any::<i32>(), minutes in 0_i64..60_000) {
            let from = at("2026-06-01T00:00:00Z");
            let month = (from, at("2026-07-01T00:00:00Z"));
            prop_assert!((0..=100).contains(&percent(used, max)));
            let _ = by_month_end(used, from + chrono::TimeDelta::minutes(minutes), month);
            let day = from.date_naive();
            let (used, max) = (used / 4, max / 4);
            let _ = days_left((day, i64::from(then)), (day + chrono::Days::new(9), used), max);
        }
    }
}
