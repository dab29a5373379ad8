//! All SQL of whom an outage hits, and of what each of them lost and was given.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    model::{Extension, Facts},
    spans::Span,
    tree::Served,
};
use crate::{
    db::TenantTx,
    error::Result,
    types::{CustomerId, InstallationId, OutageId, TicketId},
};

/// Writes down whom an outage hits: those who are there already stay as they are.
pub async fn insert(tx: &TenantTx, outage: OutageId, served: &[Served]) -> Result<()> {
    let installations: Vec<InstallationId> = served.iter().map(|one| one.installation).collect();
    let customers: Vec<CustomerId> = served.iter().map(|one| one.customer).collect();
    let active: Vec<bool> = served.iter().map(|one| one.is_active).collect();
    tx.execute(
        "INSERT INTO outage_subscriber (outage_id, installation_id, customer_id, was_active) \
         SELECT $1, u.installation_id, u.customer_id, u.was_active \
         FROM unnest($2::uuid[], $3::uuid[], $4::boolean[]) AS u (installation_id, customer_id, was_active) \
         ON CONFLICT (outage_id, installation_id) DO NOTHING",
        &[&outage, &installations, &customers, &active],
    )
    .await?;
    Ok(())
}

/// Forgets whom a proposed outage would hit.
pub async fn delete_all(tx: &TenantTx, outage: OutageId) -> Result<()> {
    tx.execute("DELETE FROM outage_subscriber WHERE outage_id = $1", &[&outage]).await?;
    Ok(())
}

/// Locks installations, in the order of their ids: whoever extends what they lost is alone with them.
pub async fn lock_installations(tx: &TenantTx, ids: &[InstallationId]) -> Result<()> {
    tx.query("SELECT id FROM installation WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    Ok(())
}

/// What is known of those whom an outage hits, and of those who came under its node (`under`) since, in the order of their ids.
pub async fn find_facts(
    tx: &TenantTx,
    outage: OutageId,
    window: Span,
    under: &[InstallationId],
) -> Result<Vec<Facts>> {
    let rows = tx
        .query(
            "SELECT i.id, i.customer_id, h.was_active, i.status = 'active', i.id = ANY($4), i.installed_on, i.created_at, \
             i.terminated_at, (SELECT max(e.occurred_at) FROM audit_event e WHERE e.object_type = 'installation' \
             AND e.object_id = i.id AND e.occurred_at BETWEEN $2 AND $3 AND e.after ? 'nap_id'), \
             (SELECT min(p.starts_at) FROM subscription p WHERE p.installation_id = i.id AND p.ends_at > $2 \
             AND p.starts_at < $3 AND p.status <> 'cancelled') \
             FROM installation i LEFT JOIN outage_subscriber h ON h.installation_id = i.id AND h.outage_id = $1 \
             WHERE h.outage_id IS NOT NULL OR i.id = ANY($4) ORDER BY i.id",
            &[&outage, &window.from, &window.to, &under],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Facts {
            installation: row.get(0),
            customer: row.get(1),
            was_active: row.get(2),
            is_active: row.get(3),
            is_under: row.get(4),
            installed_on: row.get(5),
            created_at: row.get(6),
            terminated_at: row.get(7),
            moved_at: row.get(8),
            served_from: row.get(9),
        })
        .collect())
}

/// For what these installations were given already, or may still be, by other outages.
pub async fn find_given(
    tx: &TenantTx,
    except: OutageId,
    installations: &[InstallationId],
) -> Result<Vec<(InstallationId, Span)>> {
    let rows = tx
        .query(
            "SELECT installation_id, from_at, to_at FROM outage_subscriber WHERE installation_id = ANY($2) \
             AND outage_id <> $1 AND extension = 'extended' AND from_at IS NOT NULL",
            &[&except, &installations],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), Span { from: row.get(1), to: row.get(2) })).collect())
}

/// What one subscriber lost, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub installation: InstallationId,
    pub customer: CustomerId,
    /// None when no service ran.
    pub span: Option<Span>,
    /// What may be given for it: without what other outages gave.
    pub gain: i64,
    pub extension: Extension,
    pub extended_minutes: i64,
}

impl Loss {
    pub fn minutes(&self) -> i64 {
        self.span.map_or(0, Span::minutes)
    }
}

/// Writes down what each lost and what becomes of it; those who came under the node since are new here.
pub async fn write_losses(tx: &TenantTx, outage: OutageId, losses: &[Loss]) -> Result<()> {
    let installations: Vec<InstallationId> = losses.iter().map(|loss| loss.installation).collect();
    let customers: Vec<CustomerId> = losses.iter().map(|loss| loss.customer).collect();
    let from: Vec<Option<DateTime<Utc>>> =
        losses.iter().map(|loss| loss.span.map(|span| span.from)).collect();
    let to: Vec<Option<DateTime<Utc>>> = losses.iter().map(|loss| loss.span.map(|span| span.to)).collect();
    let minutes: Vec<i64> = losses.iter().map(Loss::minutes).collect();
    let extensions: Vec<&str> = losses.iter().map(|loss| loss.extension.as_str()).collect();
    let extended: Vec<i64> = losses.iter().map(|loss| loss.extended_minutes).collect();
    tx.execute(
        "INSERT INTO outage_subscriber (outage_id, installation_id, customer_id, was_active, from_at, to_at, minutes, \
         extension, extended_minutes) SELECT $1, u.installation_id, u.customer_id, false, u.from_at, u.to_at, u.minutes, \
         u.extension, u.extended FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], \
         $7::text[], $8::bigint[]) AS u (installation_id, customer_id, from_at, to_at, minutes, extension, extended) \
         ON CONFLICT (outage_id, installation_id) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at, \
         minutes = excluded.minutes, extension = excluded.extension, extended_minutes = excluded.extended_minutes",
        &[&outage, &installations, &customers, &from, &to, &minutes, &extensions, &extended],
    )
    .await?;
    Ok(())
}

/// Whether an outage hits all of these installations.
pub async fn has_all(tx: &TenantTx, outage: OutageId, installations: &[InstallationId]) -> Result<bool> {
    let row = tx
        .query_one(
            "SELECT NOT EXISTS (SELECT FROM unnest($2::uuid[]) AS asked (id) WHERE NOT EXISTS \
             (SELECT FROM outage_subscriber s WHERE s.outage_id = $1 AND s.installation_id = asked.id))",
            &[&outage, &installations],
        )
        .await?;
    Ok(row.get(0))
}

/// Those of an outage that wait for a decision, of these installations or of all, in the order of their ids.
pub async fn find_to_decide(
    tx: &TenantTx,
    outage: OutageId,
    only: Option<&[InstallationId]>,
) -> Result<Vec<Loss>> {
    let rows = tx
        .query(
            "SELECT installation_id, customer_id, from_at, to_at FROM outage_subscriber WHERE outage_id = $1 \
             AND extension = 'proposed' AND ($2::uuid[] IS NULL OR installation_id = ANY($2)) ORDER BY installation_id",
            &[&outage, &only],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Loss {
            installation: row.get(0),
            customer: row.get(1),
            span: row
                .get::<_, Option<DateTime<Utc>>>(2)
                .zip(row.get::<_, Option<DateTime<Utc>>>(3))
                .and_then(|(from, to)| Span::new(from, to)),
            gain: 0,
            extension: Extension::Proposed,
            extended_minutes: 0,
        })
        .collect())
}

/// One of those whom an outage hits, as lists show it.
#[derive(Debug, Clone)]
pub struct Subscriber {
    pub installation: InstallationId,
    pub customer: CustomerId,
    first_name: String,
    last_name: String,
    pub phone: Option<String>,
    pub address: Option<String>,
    pub status: String,
    pub nap: Option<String>,
    pub port: Option<i16>,
    pub ticket: Option<(TicketId, String)>,
    pub minutes: Option<i64>,
    pub extension: Extension,
    pub extended_minutes: i64,
    pub place: Option<(f64, f64)>,
}

impl Subscriber {
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// The sort key of one of them: where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(String, String, Uuid);

impl Mark {
    pub fn of(subscriber: &Subscriber) -> Self {
        Self(subscriber.last_name.clone(), subscriber.first_name.clone(), subscriber.installation.0)
    }

    pub fn decode(text: &str) -> Result<Self> {
        let mark = crate::types::Cursor::<Self>::decode(text)?.0;
        // PostgreSQL keeps no NUL in a text.
        if mark.0.contains('\0') || mark.1.contains('\0') {
            return Err(crate::error::Error::malformed(
                "bad_cursor",
                "The cursor was not given out by this list.",
            ));
        }
        Ok(mark)
    }

    pub fn encode(self) -> Result<String> {
        crate::types::Cursor(self).encode()
    }
}

fn subscriber_of(row: &Row) -> Subscriber {
    Subscriber {
        installation: row.get(0),
        customer: row.get(1),
        first_name: row.get(2),
        last_name: row.get(3),
        phone: row.get(4),
        address: row.get(5),
        status: row.get(6),
        nap: row.get(7),
        port: row.get(8),
        ticket: row.get::<_, Option<TicketId>>(9).zip(row.get::<_, Option<String>>(10)),
        minutes: row.get(11),
        extension: Extension::from_column(row.get(12)),
        extended_minutes: row.get(13),
        place: row.get::<_, Option<f64>>(14).zip(row.get::<_, Option<f64>>(15)),
    }
}

/// Those whom an outage hits, by name.
pub async fn list(
    tx: &TenantTx,
    outage: OutageId,
    mark: Option<&Mark>,
    rows: i64,
) -> Result<Vec<Subscriber>> {
    let (last, first) = (mark.map(|mark| mark.0.as_str()), mark.map(|mark| mark.1.as_str()));
    let id = mark.map(|mark| mark.2);
    let found = tx
        .query(
            "SELECT h.installation_id, h.customer_id, c.first_name, c.last_name, c.phone_primary, \
             coalesce(i.street_address, c.street_address), i.status, n.code, i.nap_port, t.id, t.number, h.minutes, \
             h.extension, h.extended_minutes, coalesce(i.latitude, c.latitude)::float8, \
             coalesce(i.longitude, c.longitude)::float8, h.from_at, h.to_at \
             FROM outage_subscriber h JOIN customer c ON c.id = h.customer_id JOIN installation i ON i.id = h.installation_id \
             LEFT JOIN nap n ON n.id = i.nap_id LEFT JOIN LATERAL (SELECT t.id, t.number FROM ticket t \
             WHERE t.outage_id = h.outage_id AND t.customer_id = h.customer_id ORDER BY t.created_at DESC LIMIT 1) t ON true \
             WHERE h.outage_id = $1 AND ($2::text IS NULL \
             OR (lower(c.last_name), lower(c.first_name), h.installation_id) > (lower($2), lower($3::text), $4::uuid)) \
             ORDER BY lower(c.last_name), lower(c.first_name), h.installation_id LIMIT $5",
            &[&outage, &last, &first, &id, &rows],
        )
        .await?;
    Ok(found.iter().map(subscriber_of).collect())
}

/// What an outage's end came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub affected: i64,
    pub lost_minutes: i64,
    pub to_decide: i64,
    pub extended: i64,
    pub extended_minutes: i64,
}

pub async fn sum(tx: &TenantTx, outage: OutageId) -> Result<Sums> {
    let row = tx
        .query_one(
            "SELECT count(*), coalesce(sum(minutes), 0)::bigint, count(*) FILTER (WHERE extension = 'proposed'), \
             count(*) FILTER (WHERE extension = 'extended'), coalesce(sum(extended_minutes), 0)::bigint \
             FROM outage_subscriber WHERE outage_id = $1",
            &[&outage],
        )
        .await?;
    Ok(Sums {
        affected: row.get(0),
        lost_minutes: row.get(1),
        to_decide: row.get(2),
        extended: row.get(3),
        extended_minutes: row.get(4),
    })
}

/// Whom an outage hits.
pub async fn find_ids(tx: &TenantTx, outage: OutageId) -> Result<Vec<InstallationId>> {
    let rows =
        tx.query("SELECT installation_id FROM outage_subscriber WHERE outage_id = $1", &[&outage]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
