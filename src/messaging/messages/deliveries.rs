//! Deliveries as they are read: lists, and one with its whole story. All reading SQL of them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_postgres::Row;

use super::Lane;
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::{Channel, Status},
    types::{ContactId, CustomerId, DeliveryId, MessageId},
};

/// A delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: DeliveryId,
    pub message: MessageId,
    pub contact: Option<ContactId>,
    pub customer: Option<CustomerId>,
    pub name: String,
    pub channel: Channel,
    pub address: String,
    pub language: Option<String>,
    pub context: Option<Value>,
    pub lane: Lane,
    pub status: Status,
    pub attempts: i16,
    pub account_label: Option<String>,
    pub segments: Option<i16>,
    pub price: Option<Decimal>,
    pub failure_class: Option<String>,
    pub failure_code: Option<String>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub read_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When it is tried next; None when it is not waiting.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether a worker has it.
    pub is_sending: bool,
    pub summary: String,
}

macro_rules! select_delivery {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.message_id, d.contact_id, d.customer_id, d.name, d.channel, d.address, d.language, d.context, ",
            "d.lane, d.status, d.attempts, a.label AS account_label, d.segments, d.price, d.failure_class, ",
            "d.failure_code, d.failure, d.created_at, d.accepted_at, d.delivered_at, d.read_at, d.ended_at, q.due_at, ",
            "q.lease IS NOT NULL AS is_sending, m.summary FROM delivery d JOIN message m ON m.id = d.message_id ",
            "LEFT JOIN delivery_queue q ON q.delivery_id = d.id LEFT JOIN provider_account a ON a.id = d.account_id ",
            $rest
        )
    };
}

fn delivery_of(row: &Row) -> Result<Delivery> {
    let channel: &str = row.get("channel");
    Ok(Delivery {
        id: row.get("id"),
        message: row.get("message_id"),
        contact: row.get("contact_id"),
        customer: row.get("customer_id"),
        name: row.get("name"),
        channel: channel.parse().map_err(|_odd| Error::internal("a delivery of no channel"))?,
        address: row.get("address"),
        language: row.get("language"),
        context: row.get("context"),
        lane: Lane::from_number(row.get("lane")),
        status: Status::from_column(row.get("status")),
        attempts: row.get("attempts"),
        account_label: row.get("account_label"),
        segments: row.get("segments"),
        price: row.get("price"),
        failure_class: row.get("failure_class"),
        failure_code: row.get("failure_code"),
        failure: row.get("failure"),
        created_at: row.get("created_at"),
        accepted_at: row.get("accepted_at"),
        delivered_at: row.get("delivered_at"),
        read_at: row.get("read_at"),
        ended_at: row.get("ended_at"),
        due_at: row.get("due_at"),
        is_sending: row.get("is_sending"),
        summary: row.get("summary"),
    })
}

/// What a list of deliveries is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub message: Option<MessageId>,
    pub status: Option<Status>,
    pub channel: Option<Channel>,
    /// A whole address, in its channel's spelling.
    pub address: Option<String>,
}

/// Newest first, older than `before`.
pub async fn list(
    tx: &TenantTx,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let status = filter.status.map(Status::as_str);
    let channel = filter.channel.map(Channel::as_str);
    let rows = if let Some(status) = status.filter(|s| matches!(*s, "failed" | "unknown" | "expired")) {
        // What died has a list of its own: it is looked for among that, not among all that went well.
        tx.query(
            select_delivery!(
                "JOIN dead_letter l ON l.delivery_id = d.id WHERE l.status = $1 AND d.status = $1
                 AND ($2::uuid IS NULL OR d.message_id = $2) AND ($3::text IS NULL OR d.channel = $3)
                 AND ($4::text IS NULL OR md5(lower(d.address)) = md5(lower($4)))
                 AND ($5::uuid IS NULL OR l.delivery_id < $5) ORDER BY l.delivery_id DESC LIMIT $6"
            ),
            &[&status, &filter.message, &channel, &filter.address, &before, &limit],
        )
        .await?
    } else if status == Some("queued") {
        tx.query(
            select_delivery!(
                "WHERE d.id IN (SELECT delivery_id FROM delivery_queue) AND d.status = 'queued'
                 AND ($1::uuid IS NULL OR d.message_id = $1) AND ($2::text IS NULL OR d.channel = $2)
                 AND ($3::text IS NULL OR md5(lower(d.address)) = md5(lower($3)))
                 AND ($4::uuid IS NULL OR d.id < $4) ORDER BY d.id DESC LIMIT $5"
            ),
            &[&filter.message, &channel, &filter.address, &before, &limit],
        )
        .await?
    } else {
        tx.query(
            select_delivery!(
                "WHERE ($1::uuid IS NULL OR d.message_id = $1) AND ($2::text IS NULL OR d.status = $2)
                 AND ($3::text IS NULL OR d.channel = $3)
                 AND ($4::text IS NULL OR md5(lower(d.address)) = md5(lower($4)))
                 AND ($5::uuid IS NULL OR d.id < $5) ORDER BY d.id DESC LIMIT $6"
            ),
            &[&filter.message, &status, &channel, &filter.address, &before, &limit],
        )
        .await?
    };
    rows.iter().map(delivery_of).collect()
}

pub async fn find(tx: &TenantTx, id: DeliveryId) -> Result<Option<Delivery>> {
    tx.query_opt(select_delivery!("WHERE d.id = $1"), &[&id]).await?.as_ref().map(delivery_of).transpose()
}

/// Something that happened to a delivery.
#[derive(Debug, Clone)]
pub struct Step {
    pub at: DateTime<Utc>,
    /// queued, attempt, receipt
    pub kind: &'static str,
    /// For an attempt its outcome, for a receipt the state that it told, or the provider's own word.
    pub what: String,
    pub provider: Option<String>,
    pub ms: Option<i32>,
    pub provider_message_id: Option<String>,
    pub class: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
}

/// A delivery's story, in the order of time: at most so many steps.
const STEPS_MAX: i64 = 200;

pub async fn story(tx: &TenantTx, delivery: &Delivery) -> Result<Vec<Step>> {
    let tries = tx
        .query(
            "SELECT provider, provider_message_id, started_at, ms, outcome, class, code, detail
             FROM delivery_attempt WHERE delivery_id = $1 ORDER BY n LIMIT $2",
            &[&delivery.id, &STEPS_MAX],
        )
        .await?;
    let receipts = tx
        .query(
            "SELECT coalesce(state, word) AS what, provider_message_id, coalesce(said_at, received_at) AS at, class, code, detail
             FROM delivery_receipt WHERE delivery_id = $1 ORDER BY received_at LIMIT $2",
            &[&delivery.id, &STEPS_MAX],
        )
        .await?;
    let mut steps = vec![Step {
        at: delivery.created_at,
        kind: "queued",
        what: "queued".into(),
        provider: None,
        ms: None,
        provider_message_id: None,
        class: None,
        code: None,
        detail: None,
    }];
    steps.extend(tries.iter().map(|row| Step {
        at: row.get("started_at"),
        kind: "attempt",
        what: row.get("outcome"),
        provider: Some(row.get("provider")),
        ms: Some(row.get("ms")),
        provider_message_id: row.get("provider_message_id"),
        class: row.get("class"),
        code: row.get("code"),
        detail: row.get("detail"),
    }));
    steps.extend(receipts.iter().map(|row| Step {
        at: row.get("at"),
        kind: "receipt",
        what: row.get("what"),
        provider: None,
        ms: None,
        provider_message_id: row.get("provider_message_id"),
        class: row.get("class"),
        code: row.get("code"),
        detail: row.get("detail"),
    }));
    steps.sort_by_key(|step| step.at);
    Ok(steps)
}
