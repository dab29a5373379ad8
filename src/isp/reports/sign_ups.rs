//! Who joined: members of staff and subscribers, day by day.

use chrono::{NaiveDate, Utc};
use rust_decimal::Decimal;

use super::{
    model::{Chart, Kind, Series, Shape},
    range::{Usual, day_of},
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    words::{locale, say},
};

const DAYS_USUAL: u16 = 90;
const DAYS_MAX: i64 = 1_826;

/// Who joined on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignUps {
    pub date: NaiveDate,
    pub staff: i64,
    pub subscribers: i64,
}

/// How many days are asked for.
pub fn days(asked: Option<i64>) -> Result<u16> {
    match asked {
        None => Ok(DAYS_USUAL),
        Some(days) if (1..=DAYS_MAX).contains(&days) => Ok(u16::try_from(days).unwrap_or(DAYS_USUAL)),
        Some(_) => Err(Error::invalid("days", "out_of_range", "Between 1 and 1826 days.")),
    }
}

/// Each of the last days, the oldest first, also those on which nobody joined.
pub async fn list(tx: &TenantTx, tenant: &Tenant, days: u16) -> Result<Vec<SignUps>> {
    let zone = tenant.time_zone.0;
    let range = Usual::Last(days).range(day_of(Utc::now(), zone));
    let (start, end) = range.instants(zone);
    let rows = tx
        .query(
            "SELECT day, sum(staff)::bigint, sum(subscribers)::bigint FROM ( \
             SELECT width_bucket(s.created_at, $3::timestamptz[]) AS day, 1 AS staff, 0 AS subscribers FROM staff s \
             WHERE s.created_at >= $1 AND s.created_at < $2 UNION ALL \
             SELECT width_bucket(c.created_at, $3::timestamptz[]), 0, 1 FROM customer c \
             WHERE c.created_at >= $1 AND c.created_at < $2 AND c.deleted_at IS NULL) t GROUP BY day LIMIT 2000",
            &[&start, &end, &range.bounds(zone)],
        )
        .await?;
    let mut found: Vec<SignUps> =
        range.each().map(|date| SignUps { date, staff: 0, subscribers: 0 }).collect();
    for row in &rows {
        let at = usize::try_from(row.get::<_, i32>(0) - 1).unwrap_or(usize::MAX);
        if let Some(day) = found.get_mut(at) {
            (day.staff, day.subscribers) = (row.get(1), row.get(2));
        }
    }
    Ok(found)
}

/// Sign-ups per day, and all of them added up.
pub fn charts(days: &[SignUps]) -> [Chart; 2] {
    let labels: Vec<String> =
        days.iter().map(|day| day.date.format_localized("%-d %b %Y", locale()).to_string()).collect();
    let mut sum = 0;
    let in_all = days.iter().map(|day| {
        sum += day.staff + day.subscribers;
        Decimal::from(sum)
    });
    let in_all: Vec<Decimal> = in_all.collect();
    let chart = |key, title, shape, series| Chart {
        key,
        title,
        shape,
        kind: Kind::Int,
        of: say("Day"),
        labels: labels.clone(),
        series,
    };
    [
        chart(
            "sign_ups",
            say("Who joined, by day"),
            Shape::Stacked,
            vec![
                Series::new(say("Subscribers"), days.iter().map(|day| day.subscribers.into()).collect()),
                Series::new(say("Staff"), days.iter().map(|day| day.staff.into()).collect()),
            ],
        ),
        chart("joined", say("Joined in all"), Shape::Line, vec![Series::new(say("In all"), in_all)]),
    ]
}
