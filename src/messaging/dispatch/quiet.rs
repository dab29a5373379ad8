//! Quiet hours: bulk messages wait for their end, in the tenant's own day.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone as _, Utc};

use crate::types::TimeZone;

/// When the quiet hours end that `now` lies in; None: it lies in none. They may go over midnight.
pub fn quiet_until(
    now: DateTime<Utc>,
    hours: (NaiveTime, NaiveTime),
    zone: TimeZone,
) -> Option<DateTime<Utc>> {
    let (from, to) = hours;
    let local = now.with_timezone(&zone.0);
    let time = local.time();
    let is_quiet = if from < to { from <= time && time < to } else { time >= from || time < to };
    if !is_quiet {
        return None;
    }
    let day =
        if time < to { local.date_naive() } else { local.date_naive().checked_add_days(Days::new(1))? };
    // Where clocks are put forward the hour may not exist: the one after it does.
    let ends = day.and_time(to);
    let at = zone.0.from_local_datetime(&ends).earliest();
    let at = at.or_else(|| zone.0.from_local_datetime(&(ends + TimeDelta::hours(1))).earliest())?;
    Some(at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn time(hour: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, 0, 0).unwrap()
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let manila = TimeZone::parse("Asia/Manila").unwrap();
        let hours = (time(21), time(7));
        // 22:00 there, until 07:00 of the next day.
        assert_eq!(quiet_until(at("2026-11-21T14:00:00Z"), hours, manila), Some(at("2026-11-21T23:00:00Z")));
        // 06:00 there.
        assert_eq!(quiet_until(at("2026-11-21T22:00:00Z"), hours, manila), Some(at("2026-11-21T23:00:00Z")));
        assert_eq!(quiet_until(at("2026-11-21T23:00:00Z"), hours, manila), None);
        assert_eq!(quiet_until(at("2026-11-21T10:00:00Z"), (time(12), time(14)), manila), None);
    }

    proptest! {
        #[test]
        fn they_end(seconds in 1_700_000_000_i64..1_900_000_000, from in 0_u32..24, length in 1_u32..24) {
            let zone = TimeZone::parse("America/Sao_Paulo").unwrap();
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let hours = (time(from), time((from + length) % 24));
            if let Some(until) = quiet_until(now, hours, zone) {
                prop_assert!(until > now && until - now <= TimeDelta::hours(25));
                prop_assert_eq!(quiet_until(until, hours, zone), None);
            }
        }
    }
}
