//! All SQL of `mail`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::letter::{Body, Letter};
use crate::{
    db::TenantTx,
    error::{OrInternal, Result},
    jobs,
    secrets::{DataKeys, TenantKeys},
    types::{TenantId, first_id_at},
};

const TABLE: &str = "mail";
const COLUMN: &str = "sealed_body";
pub(super) const SEND_MAIL: &str = "send_mail";
const FAILURE_MAX_CHARS: usize = 300;

/// Queues a letter in the transaction of what it tells about: it goes out if and only if that commits.
pub async fn queue(tx: &TenantTx, keys: &DataKeys, letter: &Letter) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let body = serde_json::to_vec(&letter.body).internal()?;
    let sealed = keys.seal(TABLE, COLUMN, id, &body)?;
    tx.execute(
        "INSERT INTO mail (id, recipient, subject, sealed_body, status, send_before) VALUES ($1, $2, $3, $4, 'queued', $5)",
        &[&id, &letter.to, &letter.subject(), &sealed, &letter.send_before],
    )
    .await?;
    jobs::enqueue(tx, SEND_MAIL, id, Utc::now()).await?;
    Ok(id)
}

/// A letter that a worker took upon itself.
pub(super) struct Taken {
    pub recipient: String,
    pub subject: String,
    pub sealed_body: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

/// Takes a letter. From here until its end is recorded it counts as unknown: should this process die, nobody sends it again.
/// `retake` also takes a letter that a dead process left behind, for places where a second time changes nothing.
pub(super) async fn take(tx: &TenantTx, id: Uuid, retake: bool) -> Result<Option<Taken>> {
    let row = tx
        .query_opt(
            "UPDATE mail SET status = 'unknown', failure = 'It was being sent.'
             WHERE id = $1 AND (status = 'queued' OR ($2 AND status = 'unknown')) AND sealed_body IS NOT NULL
                AND send_before > now()
             RETURNING recipient, subject, sealed_body, created_at",
            &[&id, &retake],
        )
        .await?;
    Ok(row.map(|row| Taken {
        recipient: row.get("recipient"),
        subject: row.get("subject"),
        sealed_body: row.get("sealed_body"),
        created_at: row.get("created_at"),
    }))
}

/// What a letter that could not be taken comes to: too late is refused, one that was left behind stays unknown. Either way
/// its body goes.
pub(super) async fn close(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute(
        "UPDATE mail SET sealed_body = NULL,
            failure = CASE WHEN status = 'queued' THEN 'It could not be sent in time.' ELSE failure END,
            status = CASE WHEN status = 'queued' THEN 'refused' ELSE status END
         WHERE id = $1 AND sealed_body IS NOT NULL",
        &[&id],
    )
    .await?;
    Ok(())
}

/// How a letter's way ended; its body goes.
pub(super) async fn record_end(
    tx: &TenantTx,
    id: Uuid,
    status: &'static str,
    failure: Option<&str>,
) -> Result<()> {
    let failure = failure.map(shortened);
    tx.execute(
        "UPDATE mail SET status = $2, failure = $3, sealed_body = NULL, sent_at = CASE WHEN $2 = 'sent' THEN now() END
         WHERE id = $1 AND status = 'unknown'",
        &[&id, &status, &failure],
    )
    .await
    .map(drop)
}

/// The mail server surely has not taken the letter: it waits for another try.
pub(super) async fn put_back(tx: &TenantTx, id: Uuid, failure: &str) -> Result<()> {
    tx.execute(
        "UPDATE mail SET status = 'queued', failure = $2 WHERE id = $1 AND status = 'unknown' AND sealed_body IS NOT NULL",
        &[&id, &shortened(failure)],
    )
    .await?;
    Ok(())
}

/// How many letters are older, counted to `at_most`.
pub async fn count_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM (SELECT FROM mail WHERE id < $1 AND status <> 'queued' LIMIT $2) old";
    Ok(tx.query_one(sql, &[&first_id_at(before), &at_most]).await?.get(0))
}

/// Forgets that at most so many older letters were written, and to whom.
pub async fn forget_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let sql = "DELETE FROM mail WHERE id IN (SELECT id FROM mail WHERE id < $1 AND status <> 'queued' ORDER BY id LIMIT $2)";
    tx.execute(sql, &[&first_id_at(before), &at_most]).await
}

fn shortened(reason: &str) -> String {
    super::letter::one_line(reason).chars().take(FAILURE_MAX_CHARS).collect()
}

/// The body of a letter that was taken.
pub(super) async fn opened(keys: &TenantKeys, tenant: TenantId, id: Uuid, sealed: &[u8]) -> Result<Body> {
    let plain = keys.open(tenant, TABLE, COLUMN, id, sealed).await?;
    // The parser's own message would quote the letter.
    serde_json::from_slice(&plain)
        .map_err(|_quotes| crate::error::Error::internal("the body of a letter is not readable"))
}
