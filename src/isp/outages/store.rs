//! All SQL of outages and of their policy.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Cause, Giving, Outage, Policy, Status};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::plant::node::{Node, NodeKind},
    types::{Cursor, CustomerId, InstallationId, NapId, OutageId, TicketId},
};

/// The columns of an outage, in the order in which [`outage_of`] reads them.
macro_rules! columns {
    () => {
        "o.id, o.number, o.status, o.lcp_id, o.splitter_id, o.nap_id, o.node_kind, o.node_label, o.cause, o.note, o.message, \
         o.started_at, o.restored_at, o.opened_by, o.restored_by, o.created_at, o.updated_at"
    };
}

fn outage_of(row: &Row) -> Outage {
    Outage {
        id: row.get(0),
        number: row.get(1),
        status: Status::from_column(row.get(2)),
        node: Node::of_columns(row.get(3), row.get(4), row.get(5)),
        node_kind: NodeKind::from_column(row.get(6)),
        node_label: row.get(7),
        cause: Cause::from_column(row.get(8)),
        note: row.get(9),
        message: row.get(10),
        started_at: row.get(11),
        restored_at: row.get(12),
        opened_by: row.get(13),
        restored_by: row.get(14),
        created_at: row.get(15),
        updated_at: row.get(16),
    }
}

fn once_at_a_time<T>(answer: Result<T>) -> Result<T> {
    let taken = || Error::conflict("already_down", "This node is marked as down already.");
    answer
        .on_constraint("outage_lcp_key", taken)
        .on_constraint("outage_splitter_key", taken)
        .on_constraint("outage_nap_key", taken)
}

/// Locks an outage against other changes.
pub async fn lock(tx: &TenantTx, id: OutageId) -> Result<Option<Outage>> {
    let sql = concat!("SELECT ", columns!(), " FROM outage o WHERE o.id = $1 FOR UPDATE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(outage_of))
}

/// What is down or may be, the oldest first.
pub async fn find_current(tx: &TenantTx) -> Result<Vec<Outage>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM outage o WHERE o.status IN ('proposed', 'down') ORDER BY o.started_at, o.id LIMIT 500"
    );
    Ok(tx.query(sql, &[]).await?.iter().map(outage_of).collect())
}

/// Locks what is down or may be at this very node.
pub async fn lock_current_at(tx: &TenantTx, node: Node) -> Result<Option<Outage>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM outage o WHERE o.status IN ('proposed', 'down') \
         AND (o.lcp_id = $1 OR o.splitter_id = $2 OR o.nap_id = $3) FOR UPDATE"
    );
    let found = tx.query_opt(sql, &[&node.lcp(), &node.splitter(), &node.nap()]).await?;
    Ok(found.as_ref().map(outage_of))
}

pub async fn insert(tx: &TenantTx, outage: &Outage) -> Result<()> {
    let node = outage.node;
    let inserted = tx
        .execute(
            "INSERT INTO outage (id, number, status, lcp_id, splitter_id, nap_id, node_kind, node_label, cause, note, message, \
             started_at, opened_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)",
            &[
                &outage.id,
                &outage.number,
                &outage.status.as_str(),
                &node.and_then(Node::lcp),
                &node.and_then(Node::splitter),
                &node.and_then(Node::nap),
                &outage.node_kind.as_str(),
                &outage.node_label,
                &outage.cause.as_str(),
                &outage.note,
                &outage.message,
                &outage.started_at,
                &outage.opened_by,
                &outage.created_at,
            ],
        )
        .await;
    once_at_a_time(inserted)?;
    Ok(())
}

pub async fn update(tx: &TenantTx, outage: &Outage) -> Result<()> {
    tx.execute(
        "UPDATE outage SET status = $2, cause = $3, note = $4, message = $5, started_at = $6, restored_at = $7, \
         restored_by = $8, updated_at = now() WHERE id = $1",
        &[
            &outage.id,
            &outage.status.as_str(),
            &outage.cause.as_str(),
            &outage.note,
            &outage.message,
            &outage.started_at,
            &outage.restored_at,
            &outage.restored_by,
        ],
    )
    .await?;
    Ok(())
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Empty: any.
    pub statuses: Vec<Status>,
    pub customer: Option<CustomerId>,
}

/// An outage in a list: how many it hits, how many tickets it explains, what still waits for a decision.
#[derive(Debug, Clone)]
pub struct Counted {
    pub outage: Outage,
    pub affected: i64,
    pub tickets: i64,
    pub to_decide: i64,
}

/// The sort key of one outage: where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(i64, Uuid);

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

impl Mark {
    pub fn of(outage: &Outage) -> Self {
        Self(outage.started_at.timestamp_micros(), outage.id.0)
    }

    pub fn decode(text: &str) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if MICROS.contains(&mark.0) {
            Ok(mark)
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }

    pub fn encode(self) -> Result<String> {
        Cursor(self).encode()
    }

    fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

macro_rules! counted {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            ", (SELECT count(*) FROM outage_subscriber h WHERE h.outage_id = o.id), \
             (SELECT count(*) FROM ticket t WHERE t.outage_id = o.id), \
             (SELECT count(*) FROM outage_subscriber h WHERE h.outage_id = o.id AND h.extension = 'proposed') FROM outage o ",
            $rest
        )
    };
}

fn counted_of(row: &Row) -> Counted {
    Counted { outage: outage_of(row), affected: row.get(17), tickets: row.get(18), to_decide: row.get(19) }
}

/// One page, the latest first.
pub async fn list(tx: &TenantTx, filter: &Filter, mark: Option<&Mark>, rows: i64) -> Result<Vec<Counted>> {
    let statuses: Option<Vec<&str>> =
        (!filter.statuses.is_empty()).then(|| filter.statuses.iter().map(|status| status.as_str()).collect());
    let (at, id) = (mark.map(Mark::at), mark.map(|mark| mark.1));
    let sql = counted!(
        "WHERE ($1::text[] IS NULL OR o.status = ANY($1)) \
         AND ($2::uuid IS NULL OR EXISTS (SELECT FROM outage_subscriber h WHERE h.outage_id = o.id AND h.customer_id = $2)) \
         AND ($3::timestamptz IS NULL OR (o.started_at, o.id) < ($3, $4::uuid)) \
         ORDER BY o.started_at DESC, o.id DESC LIMIT $5"
    );
    let found = tx.query(sql, &[&statuses, &filter.customer, &at, &id, &rows]).await?;
    Ok(found.iter().map(counted_of).collect())
}

pub async fn find_counted(tx: &TenantTx, id: OutageId) -> Result<Option<Counted>> {
    let sql = counted!("WHERE o.id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(counted_of))
}

/// How many outages there are of a filter.
pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<i64> {
    let statuses: Option<Vec<&str>> =
        (!filter.statuses.is_empty()).then(|| filter.statuses.iter().map(|status| status.as_str()).collect());
    let row = tx
        .query_one(
            "SELECT count(*) FROM outage o WHERE ($1::text[] IS NULL OR o.status = ANY($1)) AND ($2::uuid IS NULL \
             OR EXISTS (SELECT FROM outage_subscriber h WHERE h.outage_id = o.id AND h.customer_id = $2))",
            &[&statuses, &filter.customer],
        )
        .await?;
    Ok(row.get(0))
}

const POLICY: &str = "SELECT extension, minimum_minutes, propose_tickets, propose_hours FROM outage_policy";

fn policy_of(row: &Row) -> Policy {
    Policy {
        giving: Giving::from_column(row.get(0)),
        minimum_minutes: row.get(1),
        propose_tickets: row.get(2),
        propose_hours: row.get(3),
    }
}

pub async fn get_policy(tx: &TenantTx) -> Result<Policy> {
    Ok(policy_of(&tx.query_one(POLICY, &[]).await?))
}

/// Locks the policy: whoever changes it, or suspects an outage, is alone with it.
pub async fn lock_policy(tx: &TenantTx) -> Result<Policy> {
    let row = tx
        .query_one(
            "SELECT extension, minimum_minutes, propose_tickets, propose_hours FROM outage_policy FOR UPDATE",
            &[],
        )
        .await?;
    Ok(policy_of(&row))
}

pub async fn update_policy(tx: &TenantTx, policy: &Policy) -> Result<()> {
    tx.execute(
        "UPDATE outage_policy SET extension = $1, minimum_minutes = $2, propose_tickets = $3, propose_hours = $4, \
         updated_at = now()",
        &[
            &policy.giving.as_str(),
            &policy.minimum_minutes,
            &policy.propose_tickets,
            &policy.propose_hours,
        ],
    )
    .await?;
    Ok(())
}

/// An open ticket that says that somebody is off.
#[derive(Debug, Clone, Copy)]
pub struct OffTicket {
    pub ticket: TicketId,
    pub installation: InstallationId,
    pub nap: NapId,
    pub created_at: DateTime<Utc>,
}

/// The open tickets of the last hours that say so and that no outage explains, the newest thousand.
pub async fn find_off_tickets(tx: &TenantTx, hours: i16) -> Result<Vec<OffTicket>> {
    let rows = tx
        .query(
            "SELECT t.id, i.id, i.nap_id, t.created_at FROM ticket t JOIN installation i ON i.id = t.installation_id \
             WHERE t.created_at > now() - make_interval(hours => $1) AND t.status NOT IN ('resolved', 'cancelled') \
             AND t.category IN ('no_connection', 'intermittent') AND t.outage_id IS NULL AND i.nap_id IS NOT NULL \
             ORDER BY t.created_at DESC, t.id DESC LIMIT 1000",
            &[&i32::from(hours)],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| OffTicket {
            ticket: row.get(0),
            installation: row.get(1),
            nap: row.get(2),
            created_at: row.get(3),
        })
        .collect())
}

/// The addresses of customers' notices: those of these customers, each once.
pub async fn tell(tx: &TenantTx, customers: &[CustomerId], text: &str, href: &str) -> Result<()> {
    let mut each: Vec<CustomerId> = customers.to_vec();
    each.sort_unstable();
    each.dedup();
    crate::events::tell_subscribers(tx, &each, text, href).await
}
