//! All SQL of API keys.

use tokio_postgres::Row;

use super::{
    credentials::TokenHash,
    keys::{ApiKey, NewKey},
};
use crate::{
    db::TenantTx,
    error::Result,
    types::{ApiKeyId, Limit, StaffId},
};

pub(super) async fn find_live_key(tx: &TenantTx, hash: &TokenHash) -> Result<Option<Row>> {
    tx.query_opt(
        "SELECT id, name, scopes, expires_at, last_used_at FROM api_key
         WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        &[&hash.as_slice()],
    )
    .await
}

pub(super) async fn touch_key(tx: &TenantTx, key: ApiKeyId) -> Result<()> {
    tx.execute(
        "UPDATE api_key SET last_used_at = now()
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '50 seconds')",
        &[&key],
    )
    .await?;
    Ok(())
}

pub(super) async fn find_scopes(tx: &TenantTx, key: ApiKeyId) -> Result<Option<Vec<String>>> {
    Ok(tx.query_opt("SELECT scopes FROM api_key WHERE id = $1", &[&key]).await?.map(|row| row.get("scopes")))
}

macro_rules! select_key {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.prefix, k.scopes, k.created_by, s.name AS created_by_name, k.created_at, k.expires_at, ",
            "k.last_used_at, k.revoked_at FROM api_key k LEFT JOIN staff s ON s.id = k.created_by ",
            $rest
        )
    };
}

fn key_of(row: &Row) -> ApiKey {
    ApiKey {
        id: row.get("id"),
        name: row.get("name"),
        prefix: row.get("prefix"),
        scopes: row.get("scopes"),
        created_by: row.get("created_by"),
        created_by_name: row.get("created_by_name"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        last_used_at: row.get("last_used_at"),
        revoked_at: row.get("revoked_at"),
    }
}

/// The newest first.
pub(super) async fn list_keys(tx: &TenantTx, after: Option<ApiKeyId>, limit: Limit) -> Result<Vec<ApiKey>> {
    let rows = tx
        .query(
            select_key!("WHERE $1::uuid IS NULL OR k.id < $1 ORDER BY k.id DESC LIMIT $2"),
            &[&after, &limit.and_one()],
        )
        .await?;
    Ok(rows.iter().map(key_of).collect())
}

pub(super) async fn count_keys(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM api_key", &[]).await?.get("n"))
}

pub(super) async fn find_key(tx: &TenantTx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    Ok(tx.query_opt(select_key!("WHERE k.id = $1"), &[&id]).await?.as_ref().map(key_of))
}

pub(super) async fn lock_key(tx: &TenantTx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    Ok(tx.query_opt(select_key!("WHERE k.id = $1 FOR UPDATE OF k"), &[&id]).await?.as_ref().map(key_of))
}

pub(super) async fn insert_key(
    tx: &TenantTx,
    id: ApiKeyId,
    new: &NewKey,
    prefix: &str,
    hash: &TokenHash,
    created_by: Option<StaffId>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO api_key (id, name, prefix, key_hash, scopes, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&id, &new.name, &prefix, &hash.as_slice(), &new.scopes, &created_by, &new.expires_at],
    )
    .await?;
    Ok(())
}

pub(super) async fn set_key_secret(
    tx: &TenantTx,
    id: ApiKeyId,
    prefix: &str,
    hash: &TokenHash,
) -> Result<()> {
    tx.execute(
        "UPDATE api_key SET prefix = $2, key_hash = $3 WHERE id = $1",
        &[&id, &prefix, &hash.as_slice()],
    )
    .await?;
    Ok(())
}

pub(super) async fn revoke_key(tx: &TenantTx, id: ApiKeyId) -> Result<()> {
    tx.execute("UPDATE api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", &[&id]).await?;
    Ok(())
}
