//! Taking deliveries whose time has come. All SQL of the dispatcher's reading, and of putting back.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::{
        Channel,
        messages::{Lane, PARKED},
    },
    types::{AccountId, CustomerId, DeliveryId, MessageId, StaffId},
};

/// From the commit of a claim to the record of what came of it: longer than any call may take. The longest is a letter's, two and a
/// half minutes to a server that looks for viruses before it answers.
const LEASE_SECONDS: f64 = 180.0;

/// A delivery that this worker has.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: DeliveryId,
    pub message: MessageId,
    pub lane: Lane,
    pub customer: Option<CustomerId>,
    pub channel: Channel,
    pub address: String,
    pub language: Option<String>,
    pub context: Map<String, Value>,
    pub attempts: i16,
    pub retries: i16,
    pub refused_by: Vec<AccountId>,
    pub reserved: Decimal,
    pub reply_to: Option<String>,
    pub queued_at: DateTime<Utc>,
    /// When it was due before it was claimed.
    pub was_due: DateTime<Utc>,
    /// Another worker had it, and never wrote down what came of it.
    pub was_sending: bool,
}

fn claimed_of(row: &Row) -> Result<Claimed> {
    let channel: &str = row.get("channel");
    Ok(Claimed {
        id: row.get("id"),
        message: row.get("message_id"),
        lane: Lane::from_number(row.get("lane")),
        customer: row.get("customer_id"),
        channel: channel.parse().map_err(|_odd| Error::internal("a delivery of no channel"))?,
        address: row.get("address"),
        language: row.get("language"),
        context: match row.get("context") {
            Some(Value::Object(context)) => context,
            _ => Map::new(),
        },
        attempts: row.get("attempts"),
        retries: row.get("retries"),
        refused_by: row.get("refused_by"),
        reserved: row.get("reserved"),
        reply_to: row.get("reply_to"),
        queued_at: row.get("created_at"),
        was_due: row.get("was_due"),
        was_sending: row.get("was_sending"),
    })
}

/// Claims what is due in a lane, the longest due first. Those that another worker is at are left to it.
pub async fn claim(tx: &TenantTx, lane: Lane, rows: i64, lease: Uuid) -> Result<Vec<Claimed>> {
    let rows = tx
        .query(
            "WITH due AS (SELECT delivery_id, due_at AS was_due, lease IS NOT NULL AS was_sending FROM delivery_queue
                WHERE lane = $1 AND due_at <= now() ORDER BY due_at, delivery_id LIMIT $2 FOR UPDATE SKIP LOCKED),
             mine AS (UPDATE delivery_queue q SET lease = $3, due_at = now() + make_interval(secs => $4)
                FROM due WHERE q.delivery_id = due.delivery_id RETURNING q.delivery_id, due.was_due, due.was_sending)
             SELECT d.id, d.message_id, d.lane, d.customer_id, d.channel, d.address, d.language, d.context,
                d.attempts, d.retries, d.refused_by, d.reserved, d.reply_to, d.created_at, m.was_due, m.was_sending
             FROM mine m JOIN delivery d ON d.id = m.delivery_id ORDER BY d.id",
            &[&lane.number(), &rows, &lease, &LEASE_SECONDS],
        )
        .await?;
    rows.iter().map(claimed_of).collect()
}

/// Puts back what surely was not sent, each to its own time.
pub async fn put_back(tx: &TenantTx, lease: Uuid, back: &[(DeliveryId, DateTime<Utc>)]) -> Result<()> {
    if back.is_empty() {
        return Ok(());
    }
    let (ids, dues): (Vec<DeliveryId>, Vec<DateTime<Utc>>) = back.iter().copied().unzip();
    tx.execute(
        "UPDATE delivery_queue q SET lease = NULL, due_at = t.due_at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, due_at) WHERE q.delivery_id = t.id AND q.lease = $3",
        &[&ids, &dues, &lease],
    )
    .await
    .map(drop)
}

/// Puts deliveries of paused messages where no turn looks, each with the time at which it was due; [`messages::resume`] fetches them.
///
/// [`messages::resume`]: crate::messaging::messages::resume
pub async fn park(tx: &TenantTx, lease: Uuid, parked: &[(DeliveryId, DateTime<Utc>)]) -> Result<()> {
    if parked.is_empty() {
        return Ok(());
    }
    let (ids, dues): (Vec<DeliveryId>, Vec<DateTime<Utc>>) = parked.iter().copied().unzip();
    tx.execute(
        "UPDATE delivery_queue q SET lease = NULL, due_at = t.due_at, lane = q.lane + $4
         FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, due_at) WHERE q.delivery_id = t.id AND q.lease = $3",
        &[&ids, &dues, &lease, &PARKED],
    )
    .await
    .map(drop)
}

/// When the lane has to be looked at next; None: there is nothing in it.
pub async fn next_due(tx: &TenantTx, lane: Lane) -> Result<Option<DateTime<Utc>>> {
    let row =
        tx.query_one("SELECT min(due_at) FROM delivery_queue WHERE lane = $1", &[&lane.number()]).await?;
    Ok(row.get(0))
}

/// Whether there is such a member of staff, who has not left.
pub async fn is_staff(tx: &TenantTx, id: StaffId) -> Result<bool> {
    let row = tx.query_one("SELECT EXISTS (SELECT FROM staff WHERE id = $1 AND is_active)", &[&id]).await?;
    Ok(row.get(0))
}
