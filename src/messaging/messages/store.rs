//! All SQL of messages and of the deliveries that they become.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio_postgres::Row;

use super::{
    Attached, Lane, PARKED,
    expand::Recipient,
    model::{Ask, Place, Said, To},
};
use crate::{
    db::TenantTx,
    error::{Error, OrInternal, Result},
    jobs,
    messaging::{Channel, Status},
    trace::TraceParent,
    types::{ContactId, CustomerId, DeliveryId, MessageId, TemplateId},
};

/// A message as its table has it.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: MessageId,
    pub channels: Vec<Channel>,
    pub lane: Lane,
    pub content: Option<Value>,
    pub template: Option<TemplateId>,
    pub template_version: Option<i32>,
    pub context: Value,
    pub to: To,
    pub summary: String,
    pub per_minute: Option<i32>,
    pub is_dry_run: bool,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub recurrence: Option<String>,
    pub recurs_of: Option<MessageId>,
    pub status: String,
    pub expansion: Option<Place>,
    pub recipients: i32,
    pub skipped: i32,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    /// Nothing of it goes out while it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Files that go along.
    pub attachments: Vec<Attached>,
}

macro_rules! select_message {
    ($rest:literal) => {
        concat!(
            "SELECT id, channels, lane, content, template_id, template_version, context, audience, summary, per_minute, ",
            "is_dry_run, scheduled_at, recurrence, recurs_of, status, expansion, recipients, skipped, expires_at, created_by, ",
            "created_at, paused_at, attachments FROM message ",
            $rest
        )
    };
}

fn message_of(row: &Row) -> Result<Message> {
    let channels: Vec<&str> = row.get("channels");
    let channels: std::result::Result<Vec<Channel>, _> = channels.iter().map(|text| text.parse()).collect();
    let expansion: Option<Value> = row.get("expansion");
    Ok(Message {
        id: row.get("id"),
        channels: channels.map_err(|_odd| Error::internal("a message of no channel"))?,
        lane: Lane::from_number(row.get("lane")),
        content: row.get("content"),
        template: row.get("template_id"),
        template_version: row.get("template_version"),
        context: row.get("context"),
        to: serde_json::from_value(row.get("audience")).internal()?,
        summary: row.get("summary"),
        per_minute: row.get("per_minute"),
        is_dry_run: row.get("is_dry_run"),
        scheduled_at: row.get("scheduled_at"),
        recurrence: row.get("recurrence"),
        recurs_of: row.get("recurs_of"),
        status: row.get("status"),
        expansion: expansion.map(serde_json::from_value).transpose().internal()?,
        recipients: row.get("recipients"),
        skipped: row.get("skipped"),
        expires_at: row.get("expires_at"),
        created_by: row.get("created_by"),
        created_at: row.get("created_at"),
        paused_at: row.get("paused_at"),
        attachments: serde_json::from_value(row.get("attachments")).internal()?,
    })
}

pub async fn find(tx: &TenantTx, id: MessageId) -> Result<Option<Message>> {
    tx.query_opt(select_message!("WHERE id = $1"), &[&id]).await?.as_ref().map(message_of).transpose()
}

/// Those of these messages that are there.
pub async fn find_all(tx: &TenantTx, ids: &[MessageId]) -> Result<Vec<Message>> {
    tx.query(select_message!("WHERE id = ANY($1)"), &[&ids]).await?.iter().map(message_of).collect()
}

/// The message, held until the unit ends.
pub async fn lock(tx: &TenantTx, id: MessageId) -> Result<Option<Message>> {
    let row = tx.query_opt(select_message!("WHERE id = $1 FOR NO KEY UPDATE"), &[&id]).await?;
    row.as_ref().map(message_of).transpose()
}

/// What a list of messages is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    pub q: Option<String>,
    pub status: Option<String>,
    pub channel: Option<Channel>,
    pub lane: Option<Lane>,
}

/// Newest first.
pub async fn list(
    tx: &TenantTx,
    filter: &MessageFilter,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Message>> {
    let pattern = filter.q.as_deref().map(crate::types::search::containing);
    let rows = tx
        .query(
            select_message!(
                "WHERE ($1::text IS NULL OR lower(summary) LIKE lower($1)) AND ($2::text IS NULL OR status = $2)
                 AND ($3::text IS NULL OR $3 = ANY(channels)) AND ($4::smallint IS NULL OR lane = $4)
                 AND ($5::uuid IS NULL OR id < $5)
                 ORDER BY id DESC LIMIT $6"
            ),
            &[
                &pattern,
                &filter.status,
                &filter.channel.map(Channel::as_str),
                &filter.lane.map(Lane::number),
                &before,
                &limit,
            ],
        )
        .await?;
    rows.iter().map(message_of).collect()
}

/// Recipients, a column each.
struct Columns<'a> {
    ids: Vec<DeliveryId>,
    contacts: Vec<Option<ContactId>>,
    customers: Vec<Option<CustomerId>>,
    names: Vec<&'a str>,
    channels: Vec<&'a str>,
    addresses: Vec<&'a str>,
    languages: Vec<Option<&'a str>>,
    contexts: Vec<Option<Value>>,
    reserved: Vec<Decimal>,
    dues: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    fn of(recipients: &'a [Recipient]) -> Self {
        let all = || recipients.iter();
        Self {
            ids: all().map(|one| one.id).collect(),
            contacts: all().map(|one| one.contact).collect(),
            customers: all().map(|one| one.customer).collect(),
            names: all().map(|one| one.name.as_str()).collect(),
            channels: all().map(|one| one.channel.as_str()).collect(),
            addresses: all().map(|one| one.address.as_str()).collect(),
            languages: all().map(|one| one.language.as_deref()).collect(),
            contexts: all().map(|one| (!one.context.is_empty()).then(|| json!(one.context))).collect(),
            reserved: all().map(|one| one.reserved).collect(),
            dues: all().map(|one| one.due_at).collect(),
        }
    }
}

/// Of message $1 in lane $2, with [`Columns`] as $3 to $12. What its address has of this message already is left out.
macro_rules! insert_deliveries {
    () => {
        "WITH given AS (SELECT id, contact_id, customer_id, name, channel, address, language, context, reserved, due_at
            FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[],
                $11::numeric[], $12::timestamptz[])
            AS t (id, contact_id, customer_id, name, channel, address, language, context, reserved, due_at)),
         written AS (INSERT INTO delivery (id, message_id, contact_id, customer_id, name, channel, address, language,
                context, lane, status, reserved)
            SELECT id, $1, contact_id, customer_id, left(name, 300), channel, address, language, context, $2, 'queued',
                reserved FROM given
            ON CONFLICT (md5(lower(address)), message_id, channel) DO NOTHING RETURNING id),
         queued AS (INSERT INTO delivery_queue (delivery_id, lane, due_at)
            SELECT w.id, $2, g.due_at FROM written w JOIN given g ON g.id = w.id RETURNING delivery_id, due_at)"
    };
}
/// Calls the lane for the earliest of them.
macro_rules! called_and_made {
    () => {
        " SELECT array_agg(delivery_id) AS made, gate.call_lane($2, min(due_at)) FROM queued HAVING count(*) > 0"
    };
}
/// What is written down with a message besides what was asked for.
pub struct Entry<'a> {
    /// Of its template.
    pub version: Option<i32>,
    pub recurs_of: Option<MessageId>,
    pub summary: &'a str,
    pub by: &'a str,
    pub files: &'a [Attached],
}

/// Those of a message whose time has come who are written out with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct First<'a> {
    pub recipients: &'a [Recipient],
    pub skipped: i32,
    /// Where it goes on; None: these are all.
    pub next: Option<&'a Place>,
}

/// Writes down a message, its first recipients with their places in the queue, and calls its lane: all with one statement, because
/// for a message to one person each statement costs as much as the writing. The deliveries that were made; without a `first` it waits.
pub async fn insert(
    tx: &TenantTx,
    id: MessageId,
    ask: &Ask,
    entry: &Entry<'_>,
    first: Option<First<'_>>,
) -> Result<Vec<DeliveryId>> {
    let Entry { version, recurs_of, summary, by, files } = entry;
    let status = match first {
        None => "waiting",
        Some(First { next: Some(_), .. }) => "expanding",
        Some(_) => "ready",
    };
    let First { recipients, skipped, next } = first.unwrap_or_default();
    let place = next.map(serde_json::to_value).transpose().internal()?;
    let rows = Columns::of(recipients);
    let (content, template) = match &ask.said {
        Said::Usual => return Err(Error::internal("a message that says nothing")),
        Said::Words(words) => (Some(serde_json::to_value(words).internal()?), None),
        Said::Template(template, _) => (None, Some(*template)),
    };
    let channels: Vec<&str> = ask.channels.iter().map(|channel| channel.as_str()).collect();
    let audience = serde_json::to_value(&ask.to).internal()?;
    let made = tx
        .query_opt(
            concat!(
                insert_deliveries!(),
                ", said AS (INSERT INTO message (id, channels, lane, content, template_id, template_version, context, audience,
                    summary, per_minute, is_dry_run, scheduled_at, recurrence, recurs_of, status, expires_at, created_by,
                    attachments, traceparent, expansion, recipients, skipped)
                 SELECT $1, $13, $2, $14, $15, $16, $17, $18, left($19, 300), $20, $21, $22, $23, $24, $25, $26, $27, $28, $29,
                    $30, count(*), $31::integer + cardinality($3::uuid[]) - count(*) FROM written)",
                called_and_made!()
            ),
        &[
            &id,
            &ask.lane.number(),
            &rows.ids,
            &rows.contacts,
            &rows.customers,
            &rows.names,
            &rows.channels,
            &rows.addresses,
            &rows.languages,
            &rows.contexts,
            &rows.reserved,
            &rows.dues,
            &channels,
            &content,
            &template,
            version,
            &json!(ask.context),
            &audience,
            summary,
            &ask.per_minute,
            &ask.is_dry_run,
            &ask.scheduled_at,
            &ask.recurrence,
            recurs_of,
            &status,
            &ask.expires_at,
            by,
            &json!(files),
            &TraceParent::here().map(|trace| trace.to_text()),
            &place,
            &skipped,
        ],
    )
    .await?;
    Ok(made.map_or_else(Vec::new, |row| row.get("made")))
}

/// Writes deliveries and their places in the queue, and calls the lane for the earliest. Those whose address this message has already
/// are left out.
pub async fn insert_deliveries(
    tx: &TenantTx,
    message: MessageId,
    lane: Lane,
    recipients: &[Recipient],
) -> Result<Vec<DeliveryId>> {
    let rows = Columns::of(recipients);
    let made = tx
        .query_opt(
            concat!(insert_deliveries!(), called_and_made!()),
            &[
                &message,
                &lane.number(),
                &rows.ids,
                &rows.contacts,
                &rows.customers,
                &rows.names,
                &rows.channels,
                &rows.addresses,
                &rows.languages,
                &rows.contexts,
                &rows.reserved,
                &rows.dues,
            ],
        )
        .await?;
    Ok(made.map_or_else(Vec::new, |row| row.get("made")))
}

/// Says that something of a lane is due then.
pub async fn call_lane(tx: &TenantTx, lane: Lane, at: DateTime<Utc>) -> Result<()> {
    tx.execute("SELECT gate.call_lane($1, $2)", &[&lane.number(), &at]).await.map(drop)
}

/// Why nothing of a message is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Paused,
    Cancelled,
}

/// Those of these messages of which nothing is to go out now.
pub async fn held(tx: &TenantTx, ids: &HashSet<MessageId>) -> Result<HashMap<MessageId, Hold>> {
    let ids: Vec<MessageId> = ids.iter().copied().collect();
    let rows = tx
        .query(
            "SELECT id, status = 'cancelled' AS is_cancelled FROM message
             WHERE id = ANY($1) AND (status = 'cancelled' OR paused_at IS NOT NULL)",
            &[&ids],
        )
        .await?;
    let hold = |is_cancelled| if is_cancelled { Hold::Cancelled } else { Hold::Paused };
    Ok(rows.iter().map(|row| (row.get("id"), hold(row.get("is_cancelled")))).collect())
}

/// Nothing of it goes out from now on.
pub async fn pause(tx: &TenantTx, id: MessageId) -> Result<()> {
    tx.execute("UPDATE message SET paused_at = now() WHERE id = $1", &[&id]).await.map(drop)
}

/// It goes on where it was: what would have been due in the meantime is due as much later as the pause was long.
pub async fn resume(tx: &TenantTx, id: MessageId) -> Result<()> {
    tx.execute(
        "WITH gone_on AS (UPDATE message m SET paused_at = NULL FROM message was
                WHERE m.id = $1 AND was.id = m.id RETURNING was.paused_at)
         UPDATE delivery_queue q SET lane = CASE WHEN q.lane >= $2 THEN q.lane - $2 ELSE q.lane END,
                due_at = CASE WHEN q.due_at > g.paused_at THEN q.due_at + (now() - g.paused_at) ELSE q.due_at END
         FROM delivery d, gone_on g WHERE d.message_id = $1 AND q.delivery_id = d.id AND q.lease IS NULL",
        &[&id, &PARKED],
    )
    .await
    .map(drop)
}

/// How far the writing out has come.
pub async fn advance(
    tx: &TenantTx,
    id: MessageId,
    written: i32,
    skipped: i32,
    next: Option<&Place>,
) -> Result<()> {
    let place = next.map(serde_json::to_value).transpose().internal()?;
    tx.execute(
        "UPDATE message SET recipients = recipients + $2, skipped = skipped + $3, expansion = $4,
            status = CASE WHEN $4::jsonb IS NULL THEN 'ready' ELSE 'expanding' END WHERE id = $1",
        &[&id, &written, &skipped, &place],
    )
    .await
    .map(drop)
}

/// When a message that recurs is due next.
pub async fn set_next(tx: &TenantTx, id: MessageId, at: DateTime<Utc>) -> Result<()> {
    tx.execute("UPDATE message SET scheduled_at = $2 WHERE id = $1", &[&id, &at]).await.map(drop)
}

/// The job that writes recipients out.
pub const EXPAND: &str = "expand_message";

pub async fn call_expansion(tx: &TenantTx, id: MessageId, at: DateTime<Utc>) -> Result<()> {
    jobs::enqueue(tx, EXPAND, id.0, at).await.map(drop)
}

/// A delivery that was taken back, and what is counted of it.
#[derive(Debug, Clone)]
pub struct Cancelled {
    pub channel: Channel,
    pub reserved: Decimal,
    pub created_at: DateTime<Utc>,
}

/// Takes back what nobody has begun to send: all of a message, or one delivery.
pub async fn cancel_queued(
    tx: &TenantTx,
    message: MessageId,
    delivery: Option<DeliveryId>,
) -> Result<Vec<Cancelled>> {
    let rows = tx
        .query(
            "WITH gone AS (DELETE FROM delivery_queue q USING delivery d WHERE d.message_id = $1 AND d.id = q.delivery_id
                AND ($2::uuid IS NULL OR d.id = $2) AND q.lease IS NULL RETURNING q.delivery_id)
             UPDATE delivery d SET status = 'cancelled', ended_at = now(), reserved = 0 FROM gone g, delivery was
             WHERE d.id = g.delivery_id AND was.id = d.id RETURNING d.id, d.channel, was.reserved, d.created_at",
            &[&message, &delivery],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let channel: &str = row.get("channel");
            Ok(Cancelled {
                channel: channel.parse().map_err(|_odd| Error::internal("a delivery of no channel"))?,
                reserved: row.get("reserved"),
                created_at: row.get("created_at"),
            })
        })
        .collect()
}

pub async fn mark_cancelled(tx: &TenantTx, id: MessageId) -> Result<()> {
    tx.execute(
        "UPDATE message SET status = 'cancelled', cancelled_at = now(), expansion = NULL WHERE id = $1",
        &[&id],
    )
    .await
    .map(drop)
}

/// A delivery that is to be tried again.
#[derive(Debug, Clone)]
pub struct Risen {
    pub channel: Channel,
    pub was: Status,
    pub created_at: DateTime<Utc>,
}

/// Puts dead deliveries back into the queue: all of a message, or one, of the statuses that are named.
pub async fn revive(
    tx: &TenantTx,
    message: MessageId,
    delivery: Option<DeliveryId>,
    statuses: &[&str],
    most: i64,
) -> Result<Vec<Risen>> {
    let rows = tx
        .query(
            "WITH risen AS (DELETE FROM dead_letter l USING delivery d
                WHERE l.delivery_id = d.id AND d.id IN (SELECT x.id FROM delivery x JOIN dead_letter y ON y.delivery_id = x.id
                    WHERE x.message_id = $1 AND ($2::uuid IS NULL OR x.id = $2) AND y.status = ANY($3) AND x.status = y.status
                    ORDER BY x.id LIMIT $4)
                RETURNING l.delivery_id, l.status AS was),
             changed AS (UPDATE delivery d SET status = 'queued', retries = 0, refused_by = '{}', failure_class = NULL,
                    failure_code = NULL, failure = NULL, ended_at = NULL
                FROM risen r WHERE d.id = r.delivery_id
                RETURNING d.id, d.message_id, d.channel, d.lane, r.was, d.created_at),
             queued AS (INSERT INTO delivery_queue (delivery_id, lane, due_at) SELECT id, lane, now() FROM changed)
             SELECT id, message_id, channel, lane, was, created_at FROM changed",
            &[&message, &delivery, &statuses, &most],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let channel: &str = row.get("channel");
            Ok(Risen {
                channel: channel.parse().map_err(|_odd| Error::internal("a delivery of no channel"))?,
                was: Status::from_column(row.get("was")),
                created_at: row.get("created_at"),
            })
        })
        .collect()
}
