//! Messages that are sent again and again: when next.

use chrono::{DateTime, Utc};
use croner::{Cron, parser::CronParser};

use crate::{
    error::{Error, Result},
    types::TimeZone,
    words::say,
};

/// Recurrences are looked at by the hour at most: a cron that fires each minute is a mistake, or an attack.
const GAP_MINUTES: i64 = 15;

fn parse(text: &str) -> Result<Cron> {
    CronParser::builder().build().parse(text.trim()).map_err(|odd| {
        let detail = say!("This is no cron expression of five fields, such as `0 9 * * 1`: {}.", odd);
        Error::invalid("recurrence", "not_a_cron", detail)
    })
}

/// The first time after `after`, in the tenant's zone. 422 when there is none, or when it comes more often than every 15 minutes.
pub fn next(text: &str, zone: TimeZone, after: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if text.split_whitespace().count() != 5 {
        return Err(Error::invalid("recurrence", "not_a_cron", "A cron expression has five fields."));
    }
    let cron = parse(text)?;
    let find = |from: DateTime<Utc>| {
        cron.find_next_occurrence(&from.with_timezone(&zone.0), false)
            .map(|at| at.with_timezone(&Utc))
            .map_err(|_never| Error::invalid("recurrence", "never", "This never comes to pass."))
    };
    let first = find(after)?;
    let second = find(first)?;
    if second - first < chrono::TimeDelta::minutes(GAP_MINUTES) {
        let detail = say!("A message can be sent every {} minutes at most.", GAP_MINUTES);
        return Err(Error::invalid("recurrence", "too_often", detail));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manila(text: &str, after: &str) -> Result<DateTime<Utc>> {
        next(text, TimeZone::parse("Asia/Manila").unwrap(), after.parse().unwrap())
    }

    #[test]
    fn times_are_the_tenants() {
        let monday_nine = manila("0 9 * * 1", "2026-11-21T00:00:00Z").unwrap();
        assert_eq!(monday_nine, "2026-11-23T01:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn what_never_comes_or_comes_too_often_is_refused() {
        for odd in ["", "* * * * *", "*/5 * * * *", "0 0 31 2 *", "x y z", "0 9 * * 1 2026", "@daily"] {
            assert_eq!(manila(odd, "2026-11-21T00:00:00Z").unwrap_err().status(), 422, "{odd:?}");
        }
    }
}
