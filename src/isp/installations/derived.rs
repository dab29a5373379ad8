//! Active or inactive: no person says so, the running periods do.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{connect::hold_many, model::Status, rules::OBJECT};
use crate::{
    audit::{self, Actor, Event},
    db::TenantTx,
    error::Result,
    events,
    types::{CustomerId, InstallationId},
};

/// An installation whose status is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    pub id: InstallationId,
    pub customer: CustomerId,
    pub status: Status,
}

/// Makes these installations active or inactive by their periods at `now`: a period runs from its start to its end and the days of
/// grace after it, unless it is paused, cancelled or was changed into another one. What is chained to a paused one waits for it. What is scheduled, suspended or terminated is
/// left as it is. Those that changed.
pub async fn derive(tx: &TenantTx, ids: &[InstallationId], now: DateTime<Utc>) -> Result<Vec<Derived>> {
    // Locked first, in one order for all, and read after: two who derive the same one never work on each other's past.
    hold_many(tx, ids).await?;
    derive_held(tx, ids, now).await
}

/// The same for installations that this unit of work has locked by an earlier statement.
pub async fn derive_held(tx: &TenantTx, ids: &[InstallationId], now: DateTime<Utc>) -> Result<Vec<Derived>> {
    let rows = tx
        .query(
            "WITH running AS (SELECT i.id, EXISTS (SELECT FROM subscription s WHERE s.installation_id = i.id \
             AND s.status IN ('active', 'expired') AND s.starts_at <= $2 \
             AND s.ends_at + make_interval(days => p.grace_days) > $2) \
             AND NOT EXISTS (SELECT FROM subscription h WHERE h.installation_id = i.id AND h.status = 'paused') AS is_active \
             FROM installation i CROSS JOIN billing_policy p WHERE i.id = ANY($1) AND i.status IN ('active', 'inactive')) \
             UPDATE installation i SET status = CASE WHEN r.is_active THEN 'active' ELSE 'inactive' END, updated_at = now() \
             FROM running r, customer c WHERE i.id = r.id AND c.id = i.customer_id AND r.is_active <> (i.status = 'active') \
             RETURNING i.id, i.customer_id, i.status, c.first_name || ' ' || c.last_name",
            &[&ids, &now],
        )
        .await?;
    let changed: Vec<(Derived, String)> = rows
        .iter()
        .map(|row| {
            let status = Status::from_column(row.get(2));
            (Derived { id: row.get(0), customer: row.get(1), status }, row.get(3))
        })
        .collect();
    tell(tx, &changed).await?;
    Ok(changed.into_iter().map(|(derived, _)| derived).collect())
}

async fn tell(tx: &TenantTx, changed: &[(Derived, String)]) -> Result<()> {
    let entries = changed
        .iter()
        .map(|(derived, name)| {
            let is_active = derived.status == Status::Active;
            Event {
                action: if is_active { "installation.activated" } else { "installation.deactivated" },
                object_type: OBJECT,
                object_id: Some(derived.id.0),
                object_label: name,
                before: Some(json!({ "status": if is_active { Status::Inactive } else { Status::Active } })),
                after: Some(json!({ "status": derived.status })),
            }
        })
        .collect();
    audit::record_all(tx, &Actor::system(), None, entries).await?;
    let payloads: Vec<Value> =
        changed.iter().map(|(derived, _)| json!({ "status": derived.status })).collect();
    let news: Vec<events::Event<'_>> = changed
        .iter()
        .zip(&payloads)
        .map(|((derived, _), payload)| {
            let is_active = derived.status == Status::Active;
            let kind = if is_active { "installation.activated" } else { "installation.deactivated" };
            events::Event { kind, subject: derived.id.0, customer: Some(derived.customer), payload }
        })
        .collect();
    events::publish_all(tx, &news).await
}
