//! All SQL of `takeout` and `takeout_part`.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Kind, Order, Status, Takeout};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
};

macro_rules! select_takeout {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, status, asked_by, asked_at, finished_at, expires_at, size_bytes, row_count,
                encode(sha256, 'hex') AS sha256, failure FROM takeout ",
            $rest
        )
    };
}

fn takeout_of(row: &Row) -> Result<Takeout> {
    let odd = || Error::internal("a takeout of an unknown kind or status");
    Ok(Takeout {
        id: row.get("id"),
        kind: Kind::parse(row.get("kind")).ok_or_else(odd)?,
        status: Status::parse(row.get("status")).ok_or_else(odd)?,
        asked_by: row.get("asked_by"),
        asked_at: row.get("asked_at"),
        finished_at: row.get("finished_at"),
        expires_at: row.get("expires_at"),
        size_bytes: row.get("size_bytes"),
        rows: row.get("row_count"),
        sha256: row.get("sha256"),
        failure: row.get("failure"),
    })
}

/// 409 `takeout_under_way` while another one is being made.
pub async fn insert(
    tx: &TenantTx,
    id: Uuid,
    order: &Order,
    asked_by: &str,
    sealed: Option<&[u8]>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO takeout (id, kind, asked_by, sealed_passphrase) VALUES ($1, $2, $3, $4)",
        &[&id, &order.kind.as_str(), &asked_by, &sealed],
    )
    .await
    .on_constraint("takeout_waiting_key", || {
        Error::conflict("takeout_under_way", "One is being made already. Wait until it is done.")
    })?;
    Ok(())
}

/// The newest first.
pub async fn list(tx: &TenantTx, most: i64) -> Result<Vec<Takeout>> {
    tx.query(select_takeout!("ORDER BY id DESC LIMIT $1"), &[&most]).await?.iter().map(takeout_of).collect()
}

pub async fn find(tx: &TenantTx, id: Uuid) -> Result<Option<Takeout>> {
    tx.query_opt(select_takeout!("WHERE id = $1"), &[&id]).await?.as_ref().map(takeout_of).transpose()
}

/// The same, held until the unit ends.
pub async fn lock(tx: &TenantTx, id: Uuid) -> Result<Option<Takeout>> {
    tx.query_opt(select_takeout!("WHERE id = $1 FOR UPDATE"), &[&id])
        .await?
        .as_ref()
        .map(takeout_of)
        .transpose()
}

pub async fn sealed_passphrase(tx: &TenantTx, id: Uuid) -> Result<Option<Vec<u8>>> {
    let row = tx.query_one("SELECT sealed_passphrase FROM takeout WHERE id = $1", &[&id]).await?;
    Ok(row.get("sealed_passphrase"))
}

pub async fn insert_part(tx: &TenantTx, id: Uuid, position: i32, content: &[u8]) -> Result<()> {
    tx.execute(
        "INSERT INTO takeout_part (takeout_id, position, content) VALUES ($1, $2, $3)",
        &[&id, &position, &content],
    )
    .await
    .map(drop)
}

/// None after the last one.
pub async fn part(tx: &TenantTx, id: Uuid, position: i32) -> Result<Option<Vec<u8>>> {
    let row = tx
        .query_opt(
            "SELECT content FROM takeout_part WHERE takeout_id = $1 AND position = $2",
            &[&id, &position],
        )
        .await?;
    Ok(row.map(|row| row.get("content")))
}

pub async fn delete_parts(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute("DELETE FROM takeout_part WHERE takeout_id = $1", &[&id]).await.map(drop)
}

/// What a file came to.
pub struct Made {
    pub rows: i64,
    pub size: i64,
    pub sha256: Vec<u8>,
    pub expires_at: DateTime<Utc>,
}

pub async fn set_made(tx: &TenantTx, id: Uuid, made: &Made) -> Result<()> {
    tx.execute(
        "UPDATE takeout SET status = 'made', finished_at = now(), sealed_passphrase = NULL, row_count = $2, size_bytes = $3,
            sha256 = $4, expires_at = $5 WHERE id = $1",
        &[&id, &made.rows, &made.size, &made.sha256, &made.expires_at],
    )
    .await
    .map(drop)
}

pub async fn set_failed(tx: &TenantTx, id: Uuid, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE takeout SET status = 'failed', finished_at = now(), sealed_passphrase = NULL, failure = $2 WHERE id = $1",
        &[&id, &why],
    )
    .await
    .map(drop)
}

pub async fn set_gone(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute("UPDATE takeout SET status = 'gone' WHERE id = $1", &[&id]).await.map(drop)
}

/// Those that are there, but for the newest `kept`.
pub async fn list_beyond(tx: &TenantTx, kept: i64) -> Result<Vec<Uuid>> {
    let rows =
        tx.query("SELECT id FROM takeout WHERE status = 'made' ORDER BY id DESC OFFSET $1", &[&kept]).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}
