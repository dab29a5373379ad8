//! SQL of calls, of what people wrote, and of receipts that nobody can place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{CallStatus, HookCall, InboundMessage, Keyword, Letter, NewCall, Unmatched};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::Channel,
    types::{AccountId, HookCallId, InboundId, first_id_at},
};

/// So many refused calls of one account are kept: whoever makes them up must not fill the tables.
const REFUSED_KEPT: i64 = 200;
const SWEPT: i64 = 500;

pub async fn insert(tx: &TenantTx, account: AccountId, call: &NewCall) -> Result<()> {
    let headers = Value::Object(
        call.headers.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect(),
    );
    tx.execute(
        "INSERT INTO hook_call (id, account_id, received_at, is_get, url, headers, body, status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'stored')",
        &[&call.id, &account, &call.received_at, &call.is_get, &call.url, &headers, &call.body],
    )
    .await?;
    Ok(())
}

/// Nobody proved it. Of those the oldest go.
pub async fn refuse(tx: &TenantTx, account: AccountId, call: HookCallId, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE hook_call SET status = 'refused', detail = $2, done_at = now() WHERE id = $1 AND status = 'stored'",
        &[&call, &why],
    )
    .await?;
    keep_few_refused(tx, account).await
}

pub async fn keep_few_refused(tx: &TenantTx, account: AccountId) -> Result<()> {
    tx.execute(
        "DELETE FROM hook_call WHERE id IN (SELECT id FROM hook_call WHERE account_id = $1 AND status = 'refused' \
         ORDER BY id DESC OFFSET $2 LIMIT $3)",
        &[&account, &REFUSED_KEPT, &SWEPT],
    )
    .await?;
    Ok(())
}

/// How many calls are older and were read, counted to `at_most`.
pub async fn count_calls(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM (SELECT FROM hook_call WHERE received_at < $1 AND status IN ('done', 'refused') LIMIT $2) old";
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

pub async fn delete_calls(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM hook_call WHERE id IN (SELECT id FROM hook_call WHERE received_at < $1 \
         AND status IN ('done', 'refused') ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        &[&before, &at_most],
    )
    .await
}

/// How much of what people wrote is older, counted to `at_most`.
pub async fn count_inbound(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql =
        "SELECT count(*) FROM (SELECT FROM inbound_message WHERE id < $1 AND received_at < $2 LIMIT $3) old";
    Ok(tx.query_one(sql, &[&first_id_at(before), &before, &at_most]).await?.get(0))
}

pub async fn delete_inbound(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM inbound_message WHERE id IN (SELECT id FROM inbound_message WHERE id < $1 AND received_at < $2 \
         ORDER BY id LIMIT $3)",
        &[&first_id_at(before), &before, &at_most],
    )
    .await
}

/// Calls that are to be read, the oldest first, and whose they are.
pub async fn list_due(tx: &TenantTx, rows: i64) -> Result<Vec<(HookCallId, AccountId)>> {
    let rows = tx
        .query(
            "SELECT id, account_id FROM hook_call WHERE status IN ('stored', 'failed') AND due_at <= now() \
             ORDER BY due_at, id LIMIT $1",
            &[&rows],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// When the next call that failed is to be tried again.
pub async fn next_due(tx: &TenantTx) -> Result<Option<DateTime<Utc>>> {
    let row = tx
        .query_one(
            "SELECT min(due_at) FILTER (WHERE isfinite(due_at)) FROM hook_call WHERE status IN ('stored', 'failed')",
            &[],
        )
        .await?;
    Ok(row.get(0))
}

/// A call with all that was sent.
pub struct Stored {
    pub id: HookCallId,
    pub account: AccountId,
    pub is_get: bool,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
}

/// Takes those of these calls that nobody else is reading.
pub async fn claim(tx: &TenantTx, ids: &[HookCallId]) -> Result<Vec<Stored>> {
    let rows = tx
        .query(
            "SELECT id, account_id, is_get, url, headers, body, received_at FROM hook_call \
             WHERE id = ANY($1) AND status IN ('stored', 'failed') ORDER BY id FOR UPDATE SKIP LOCKED",
            &[&ids],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Stored {
            id: row.get(0),
            account: row.get(1),
            is_get: row.get(2),
            url: row.get(3),
            headers: headers_of(&row.get(4)),
            body: row.get(5),
            received_at: row.get(6),
        })
        .collect())
}

fn headers_of(value: &Value) -> BTreeMap<String, String> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    value.as_object().map(|all| all.iter().filter_map(text).collect()).unwrap_or_default()
}

/// What reading a call came to.
pub struct Read {
    pub id: HookCallId,
    pub status: CallStatus,
    pub detail: Option<String>,
    pub receipts: i32,
    pub inbound: i32,
}

pub async fn finish(tx: &TenantTx, read: &[Read]) -> Result<()> {
    let ids: Vec<HookCallId> = read.iter().map(|one| one.id).collect();
    let statuses: Vec<&str> = read.iter().map(|one| one.status.as_str()).collect();
    let details: Vec<Option<&str>> = read.iter().map(|one| one.detail.as_deref()).collect();
    let receipts: Vec<i32> = read.iter().map(|one| one.receipts).collect();
    let inbound: Vec<i32> = read.iter().map(|one| one.inbound).collect();
    tx.execute(
        "UPDATE hook_call c SET status = u.status, detail = u.detail, receipts = u.receipts, inbound = u.inbound, done_at = now() \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::integer[]) \
            AS u (id, status, detail, receipts, inbound) WHERE c.id = u.id",
        &[&ids, &statuses, &details, &receipts, &inbound],
    )
    .await?;
    Ok(())
}

/// It is tried again later, ten times at most: the waits double from five seconds on.
pub async fn fail(tx: &TenantTx, id: HookCallId, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE hook_call SET status = 'failed', detail = left($2, 500), attempts = attempts + 1, \
         due_at = CASE WHEN attempts >= 9 THEN 'infinity' ELSE now() + make_interval(secs => 5 * 2 ^ attempts) END \
         WHERE id = $1 AND status IN ('stored', 'failed')",
        &[&id, &why],
    )
    .await?;
    Ok(())
}

/// It is read once more.
pub async fn replay(tx: &TenantTx, id: HookCallId) -> Result<()> {
    tx.execute(
        "UPDATE hook_call SET status = 'stored', replays = replays + 1, attempts = 0, due_at = now(), detail = NULL \
         WHERE id = $1",
        &[&id],
    )
    .await?;
    Ok(())
}

macro_rules! select_call {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.account_id, a.label, a.kind, c.received_at, c.is_get, c.url, length(c.body) AS size, c.status, ",
            "c.detail, c.receipts, c.inbound, c.replays, c.done_at FROM hook_call c ",
            "LEFT JOIN provider_account a ON a.id = c.account_id ",
            $rest
        )
    };
}

fn call_of(row: &Row) -> HookCall {
    HookCall {
        id: row.get("id"),
        account: row.get("account_id"),
        label: row.get("label"),
        kind: row.get("kind"),
        received_at: row.get("received_at"),
        is_get: row.get("is_get"),
        url: row.get("url"),
        size: row.get("size"),
        status: CallStatus::from_column(row.get("status")),
        detail: row.get("detail"),
        receipts: row.get("receipts"),
        inbound: row.get("inbound"),
        replays: row.get("replays"),
        done_at: row.get("done_at"),
    }
}

/// Newest first, older than `before`.
pub async fn list(
    tx: &TenantTx,
    status: Option<CallStatus>,
    account: Option<AccountId>,
    before: Option<HookCallId>,
    rows: i64,
) -> Result<Vec<HookCall>> {
    let status = status.map(CallStatus::as_str);
    let rows = match status {
        None => {
            tx.query(
                select_call!(
                    "WHERE ($1::uuid IS NULL OR c.account_id = $1) AND ($2::uuid IS NULL OR c.id < $2) ORDER BY c.id DESC LIMIT $3"
                ),
                &[&account, &before, &rows],
            )
            .await?
        }
        Some(status) => {
            tx.query(
                select_call!(
                    "WHERE c.status = $4 AND ($1::uuid IS NULL OR c.account_id = $1) AND ($2::uuid IS NULL OR c.id < $2) \
                     ORDER BY c.id DESC LIMIT $3"
                ),
                &[&account, &before, &rows, &status],
            )
            .await?
        }
    };
    Ok(rows.iter().map(call_of).collect())
}

pub async fn find(tx: &TenantTx, id: HookCallId) -> Result<Option<(HookCall, Letter)>> {
    let Some(row) = tx.query_opt(select_call!("WHERE c.id = $1"), &[&id]).await? else { return Ok(None) };
    let sent = tx.query_one("SELECT headers, body FROM hook_call WHERE id = $1", &[&id]).await?;
    let letter = Letter { headers: headers_of(&sent.get(0)), body: sent.get(1) };
    Ok(Some((call_of(&row), letter)))
}

/// What a list of what people wrote is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct InboundFilter {
    pub channel: Option<Channel>,
    pub keyword: Option<Keyword>,
    pub address: Option<String>,
}

macro_rules! select_inbound {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.account_id, a.label, i.channel, i.address, i.to_address, i.name, i.text, i.media, i.keyword, ",
            "i.contact_id, i.received_at FROM inbound_message i LEFT JOIN provider_account a ON a.id = i.account_id ",
            $rest
        )
    };
}

fn inbound_of(row: &Row) -> InboundMessage {
    let channel: &str = row.get("channel");
    let keyword: Option<&str> = row.get("keyword");
    let media: Value = row.get("media");
    let places = media.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    InboundMessage {
        id: row.get("id"),
        account: row.get("account_id"),
        label: row.get("label"),
        channel: channel.parse().unwrap_or(Channel::Sms),
        address: row.get("address"),
        to: row.get("to_address"),
        name: row.get("name"),
        text: row.get("text"),
        media: places
            .filter_map(|one| one.get("content_type").and_then(Value::as_str))
            .map(|kind| kind.to_owned().into())
            .collect(),
        keyword: keyword.map(Keyword::from_column),
        contact: row.get("contact_id"),
        received_at: row.get("received_at"),
    }
}

/// Newest first, older than `before`.
pub async fn list_inbound(
    tx: &TenantTx,
    filter: &InboundFilter,
    before: Option<InboundId>,
    rows: i64,
) -> Result<Vec<InboundMessage>> {
    let channel = filter.channel.map(Channel::as_str);
    let keyword = filter.keyword.map(Keyword::as_str);
    let rows = tx
        .query(
            select_inbound!(
                "WHERE ($1::text IS NULL OR i.channel = $1) AND ($2::text IS NULL OR i.keyword = $2) \
                 AND ($3::text IS NULL OR md5(lower(i.address)) = md5(lower($3))) AND ($4::uuid IS NULL OR i.id < $4) \
                 ORDER BY i.id DESC LIMIT $5"
            ),
            &[&channel, &keyword, &filter.address, &before, &rows],
        )
        .await?;
    Ok(rows.iter().map(inbound_of).collect())
}

pub async fn find_inbound(tx: &TenantTx, id: InboundId) -> Result<Option<InboundMessage>> {
    Ok(tx.query_opt(select_inbound!("WHERE i.id = $1"), &[&id]).await?.as_ref().map(inbound_of))
}

/// Receipts that nobody can place, newest first.
pub async fn list_unmatched(
    tx: &TenantTx,
    before: Option<(DateTime<Utc>, Uuid)>,
    rows: i64,
) -> Result<Vec<Unmatched>> {
    let (at, id) = before.unzip();
    let rows = tx
        .query(
            "SELECT r.id, r.account_id, a.label, r.provider_message_id, r.state, r.word, r.detail, r.is_hint, r.hook_call_id, \
             r.received_at FROM delivery_receipt r LEFT JOIN provider_account a ON a.id = r.account_id \
             WHERE r.delivery_id IS NULL AND ($1::timestamptz IS NULL OR (r.received_at, r.id) < ($1, $2::uuid)) \
             ORDER BY r.received_at DESC, r.id DESC LIMIT $3",
            &[&at, &id, &rows],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Unmatched {
            id: row.get(0),
            account: row.get(1),
            label: row.get(2),
            message_id: row.get(3),
            state: row.get(4),
            word: row.get(5),
            detail: row.get(6),
            is_hint: row.get(7),
            call: row.get(8),
            received_at: row.get(9),
        })
        .collect())
}
