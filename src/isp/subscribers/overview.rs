//! What the start of the portal tells: service, outages, news.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::words::say;
use crate::{db::TenantTx, error::Result, types::CustomerId};

const PLACES_MAX: i64 = 20;
const OUTAGES_MAX: i64 = 10;
const NEWS_MAX: i64 = 5;

/// One of the customer's connections, and the period that runs or is paused there.
#[derive(Debug)]
pub struct Service {
    /// `scheduled`, `active`, `inactive` or `suspended`.
    pub status: String,
    pub street: Option<String>,
    pub paid_until: Option<DateTime<Utc>>,
    pub plan: Option<String>,
    pub speeds: Option<(i32, i32)>,
    pub is_paused: bool,
}

/// What is down for them, without what staff call the node.
#[derive(Debug)]
pub struct Down {
    pub since: DateTime<Utc>,
    pub message: Option<String>,
}

/// A line that was written to them.
#[derive(Debug)]
pub struct News {
    pub text: String,
    pub href: Option<String>,
    pub at: DateTime<Utc>,
}

pub async fn services(tx: &TenantTx, customer: CustomerId) -> Result<Vec<Service>> {
    let rows = tx
        .query(
            "SELECT i.status, coalesce(i.street_address, c.street_address), i.paid_until, s.plan_name, p.download_mbps, \
             p.upload_mbps, coalesce(s.status = 'paused', false) FROM installation i JOIN customer c ON c.id = i.customer_id \
             LEFT JOIN LATERAL (SELECT s.plan_id, s.plan_name, s.status FROM subscription s WHERE s.installation_id = i.id \
                AND s.status IN ('active', 'paused', 'expired') ORDER BY s.status = 'paused' DESC, s.starts_at > now(), \
                s.ends_at DESC LIMIT 1) s ON true \
             LEFT JOIN plan p ON p.id = s.plan_id \
             WHERE i.customer_id = $1 AND i.status <> 'terminated' ORDER BY i.created_at, i.id LIMIT $2",
            &[&customer, &PLACES_MAX],
        )
        .await?;
    let service = |row: &Row| Service {
        status: row.get(0),
        street: row.get(1),
        paid_until: row.get(2),
        plan: row.get(3),
        speeds: row.get::<_, Option<i32>>(4).zip(row.get::<_, Option<i32>>(5)),
        is_paused: row.get(6),
    };
    Ok(rows.iter().map(service).collect())
}

/// What is down for this customer now.
pub async fn outages(tx: &TenantTx, customer: CustomerId) -> Result<Vec<Down>> {
    let rows = tx
        .query(
            "SELECT DISTINCT o.started_at, o.message, o.id FROM outage_subscriber h JOIN outage o ON o.id = h.outage_id \
             WHERE h.customer_id = $1 AND o.status = 'down' ORDER BY o.started_at, o.id LIMIT $2",
            &[&customer, &OUTAGES_MAX],
        )
        .await?;
    Ok(rows.iter().map(|row| Down { since: row.get(0), message: row.get(1) }).collect())
}

/// What they were told last.
pub async fn news(tx: &TenantTx, customer: CustomerId) -> Result<Vec<News>> {
    let rows = tx
        .query(
            "SELECT text, href, created_at FROM notice WHERE customer_id = $1 ORDER BY id DESC LIMIT $2",
            &[&customer, &NEWS_MAX],
        )
        .await?;
    Ok(rows.iter().map(|row| News { text: row.get(0), href: row.get(1), at: row.get(2) }).collect())
}

/// "12 days left", "5 hours left"; None when it is over.
pub fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    let minutes = (until - now).num_minutes();
    let counted = |n: i64, one: &str, many: &str| format!("{n} {} left", if n == 1 { one } else { many });
    match minutes {
        ..=-1 => None,
        0 => (until > now).then(|| say("Less than a minute left").to_owned()),
        1..60 => Some(counted(minutes, "minute", "minutes")),
        60..1_440 => Some(counted(minutes / 60, "hour", "hours")),
        _ => Some(counted(minutes / 1_440, "day", "days")),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_is_left_is_told_in_the_largest_whole_unit() {
        let now: DateTime<Utc> = "2026-11-21T06:00:00Z".parse().unwrap();
        let told = |minutes: i64| left(now + TimeDelta::minutes(minutes), now);
        assert_eq!(told(12 * 1_440 + 1_439).as_deref(), Some("12 days left"));
        assert_eq!(told(1_440).as_deref(), Some("1 day left"));
        assert_eq!(told(1_439).as_deref(), Some("23 hours left"));
        assert_eq!(told(59).as_deref(), Some("59 minutes left"));
        assert_eq!(told(0), None);
        assert_eq!(told(-1), None);
        assert_eq!(left(now + TimeDelta::seconds(20), now).as_deref(), Some("Less than a minute left"));
    }
}
