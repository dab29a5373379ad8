//! What others hear of, and the lines in people's bells.
//!
//! Owns `event`, `notice` and `notice_seen`. Both are written in the transaction of what happened: there is no news of what was rolled back,
//! and none is lost. Whoever listens (messaging, webhooks) reads events later and keeps its own place in them.

pub mod notices;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    types::{CustomerId, DeliveryId, EventId, NoticeId, StaffId},
};

/// Something that happened, for whoever listens.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// Past tense, such as `payment.recorded`.
    pub kind: &'static str,
    /// The row that it is about.
    pub subject: Uuid,
    /// Whose business it is, if it is one customer's.
    pub customer: Option<CustomerId>,
    /// What listeners need without asking back; no secrets.
    pub payload: &'a Value,
}

/// Writes an event down.
pub async fn publish(tx: &TenantTx, event: Event<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO event (id, kind, subject_id, customer_id, payload) VALUES ($1, $2, $3, $4, $5)",
        &[&EventId::new(), &event.kind, &event.subject, &event.customer, event.payload],
    )
    .await?;
    Ok(())
}

/// Writes many events down at once.
pub async fn publish_all(tx: &TenantTx, events: &[Event<'_>]) -> Result<()> {
    let ids: Vec<EventId> = events.iter().map(|_| EventId::new()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind).collect();
    let subjects: Vec<Uuid> = events.iter().map(|event| event.subject).collect();
    let customers: Vec<Option<CustomerId>> = events.iter().map(|event| event.customer).collect();
    let payloads: Vec<&Value> = events.iter().map(|event| event.payload).collect();
    tx.execute(
        "INSERT INTO event (id, kind, subject_id, customer_id, payload) \
         SELECT n.id, n.kind, n.subject, n.customer, n.payload \
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::jsonb[]) \
         AS n (id, kind, subject, customer, payload)",
        &[&ids, &kinds, &subjects, &customers, &payloads],
    )
    .await?;
    Ok(())
}

/// How many lines of bells are older, counted to `at_most`.
pub async fn count_notices_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM (SELECT FROM notice WHERE created_at < $1 LIMIT $2) old";
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

/// Takes at most so many older lines out of bells. What another transaction is at is left to it.
pub async fn forget_notices_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE created_at < $1 \
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        &[&before, &at_most],
    )
    .await
}

/// Puts a line into the bell of all staff who hold `permission`. `href` is a path of the portal.
pub async fn tell_staff(tx: &TenantTx, permission: &'static str, text: &str, href: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO notice (id, permission, text, href) VALUES ($1, $2, left($3, 500), $4)",
        &[&NoticeId::new(), &permission, &text, &href],
    )
    .await?;
    tell_live(tx, &[NOTICES]).await
}

/// Whether this line is in the bell already, for whoever it was meant.
pub async fn was_told(tx: &TenantTx, text: &str) -> Result<bool> {
    let row = tx
        .query_one("SELECT EXISTS (SELECT FROM notice WHERE text = left($1, 500) AND permission IS NOT NULL) AS told", &[&text])
        .await?;
    Ok(row.get("told"))
}

/// Puts a line into one person's bell. `href` is a path of the portal; `delivery` is the message that it is, if it is one.
pub async fn tell_person(
    tx: &TenantTx,
    staff: StaffId,
    text: &str,
    href: Option<&str>,
    delivery: Option<DeliveryId>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO notice (id, staff_id, text, href, delivery_id) VALUES ($1, $2, left($3, 500), $4, $5)",
        &[&NoticeId::new(), &staff, &text, &href, &delivery],
    )
    .await?;
    tell_live(tx, &[NOTICES]).await
}

/// What is told when a line comes into anybody's bell.
pub const NOTICES: &str = "notices";

/// Tells every process that what these topics name has changed in this tenant, once this transaction has committed: each is a word,
/// and at most an id.
pub async fn tell_live<T: ToSql + Sync>(tx: &TenantTx, topics: &[T]) -> Result<()> {
    tx.execute("SELECT gate.tell_live(t) FROM unnest($1::text[]) AS u (t)", &[&topics]).await?;
    Ok(())
}

/// Tells one subscriber. `href` is a path of the subscriber portal.
pub async fn tell_subscriber(tx: &TenantTx, customer: CustomerId, text: &str, href: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO notice (id, customer_id, text, href) VALUES ($1, $2, left($3, 500), $4)",
        &[&NoticeId::new(), &customer, &text, &href],
    )
    .await
    .map(drop)
}

/// Tells each of many subscribers something of their own, with one statement. `href` is a path of the subscriber portal.
pub async fn tell_each(tx: &TenantTx, news: &[(CustomerId, String)], href: &str) -> Result<()> {
    let ids: Vec<NoticeId> = news.iter().map(|_| NoticeId::new()).collect();
    let (customers, texts): (Vec<CustomerId>, Vec<&str>) =
        news.iter().map(|(customer, text)| (*customer, text.as_str())).unzip();
    tx.execute(
        "INSERT INTO notice (id, customer_id, text, href) SELECT u.id, u.customer_id, left(u.text, 500), $4 \
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u (id, customer_id, text)",
        &[&ids, &customers, &texts, &href],
    )
    .await
    .map(drop)
}

/// Tells many subscribers the same, with one statement.
pub async fn tell_subscribers(tx: &TenantTx, customers: &[CustomerId], text: &str, href: &str) -> Result<()> {
    let ids: Vec<NoticeId> = customers.iter().map(|_| NoticeId::new()).collect();
    tx.execute(
        "INSERT INTO notice (id, customer_id, text, href) SELECT u.id, u.customer_id, left($3, 500), $4 \
         FROM unnest($1::uuid[], $2::uuid[]) AS u (id, customer_id)",
        &[&ids, &customers, &text, &href],
    )
    .await?;
    Ok(())
}
