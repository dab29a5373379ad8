//! Bytes that a tenant keeps: logos, uploads, exports. In the tenant's own schema, so that they leave with it.
//!
//! Owns `file`. Another place to keep them would be another implementation of these few functions.

mod picture;

use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use crate::{
    db::TenantTx,
    error::{Error, Result},
    tenancy::{
        Tenant,
        plans::{Metric, must_fit},
    },
    types::FileId,
};

pub use picture::{Frame, Picture, redraw};

/// What all files of one tenant may weigh together, where no plan says it.
pub const TENANT_MAX_BYTES: i64 = 1_073_741_824;
const MIB: i64 = 1_048_576;

/// A kept file.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub media_type: String,
    pub content: Vec<u8>,
}

/// What all files weigh together, in bytes.
pub async fn used_bytes(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT coalesce(sum(size_bytes), 0)::bigint AS used FROM file", &[]).await?.get("used"))
}

/// The same in MiB, as plans count it: what has been begun counts whole.
pub async fn used_mib(tx: &TenantTx) -> Result<i64> {
    Ok(whole_mib(used_bytes(tx).await?))
}

fn whole_mib(bytes: i64) -> i64 {
    bytes / MIB + i64::from(bytes % MIB > 0)
}

/// 409 `quota_used_up`, or 409 `plan_limit_reached` where the tenant's plan limits its files.
async fn must_have_room(tx: &TenantTx, tenant: &Tenant, size: i64) -> Result<()> {
    if tenant.entitlements.max(Metric::Storage).is_some() {
        let filled = async || Ok(whole_mib(used_bytes(tx).await?.saturating_add(size)));
        return must_fit(tx, tenant, Metric::Storage, 0, filled).await;
    }
    if used_bytes(tx).await?.saturating_add(size) > TENANT_MAX_BYTES {
        return Err(Error::conflict("quota_used_up", "The space for files is used up: 1 GiB."));
    }
    Ok(())
}

/// Keeps a file, unless the tenant's room is used up. `purpose` is what the feature calls it: `logo`, `customer_import`.
pub async fn keep(
    tx: &TenantTx,
    tenant: &Tenant,
    purpose: &str,
    name: &str,
    media_type: &str,
    content: &[u8],
) -> Result<FileId> {
    let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
    must_have_room(tx, tenant, size).await?;
    let id = FileId::new();
    let digest = Sha256::digest(content);
    tx.execute(
        "INSERT INTO file (id, purpose, name, media_type, size_bytes, sha256, content) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&id, &purpose, &name, &media_type, &size, &digest.as_slice(), &content],
    )
    .await?;
    Ok(id)
}

/// The file, or 404.
pub async fn get(tx: &TenantTx, id: FileId) -> Result<File> {
    let row = tx
        .query_opt("SELECT name, media_type, content FROM file WHERE id = $1", &[&id])
        .await?
        .ok_or(Error::not_found("file"))?;
    Ok(File { name: row.get("name"), media_type: row.get("media_type"), content: row.get("content") })
}

/// What is known of a file without reading it.
#[derive(Debug, Clone)]
pub struct Described {
    pub id: FileId,
    pub name: String,
    pub media_type: String,
    pub size: i64,
}

macro_rules! described {
    ($lock:literal) => {
        concat!(
            "SELECT id, name, media_type, size_bytes FROM file WHERE id = ANY($1) AND purpose = ANY($2) ORDER BY id ",
            $lock
        )
    };
}

fn described_of(row: &Row) -> Described {
    Described {
        id: row.get("id"),
        name: row.get("name"),
        media_type: row.get("media_type"),
        size: row.get("size_bytes"),
    }
}

/// Those of these files that were kept for one of these purposes.
pub async fn described(tx: &TenantTx, ids: &[FileId], purposes: &[&str]) -> Result<Vec<Described>> {
    Ok(tx.query(described!(""), &[&ids, &purposes]).await?.iter().map(described_of).collect())
}

/// The same, held until the unit ends.
pub async fn hold(tx: &TenantTx, ids: &[FileId], purposes: &[&str]) -> Result<Vec<Described>> {
    Ok(tx.query(described!("FOR UPDATE"), &[&ids, &purposes]).await?.iter().map(described_of).collect())
}

/// Files that were kept for one of these purposes, newest first.
pub async fn list(
    tx: &TenantTx,
    purposes: &[&str],
    before: Option<FileId>,
    limit: i64,
) -> Result<Vec<Described>> {
    let rows = tx
        .query(
            "SELECT id, name, media_type, size_bytes FROM file
             WHERE purpose = ANY($1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            &[&purposes, &before, &limit],
        )
        .await?;
    Ok(rows.iter().map(described_of).collect())
}

/// The file, if it was kept for one of these purposes.
pub async fn get_for(tx: &TenantTx, id: FileId, purposes: &[&str]) -> Result<Option<File>> {
    let row = tx
        .query_opt(
            "SELECT name, media_type, content FROM file WHERE id = $1 AND purpose = ANY($2)",
            &[&id, &purposes],
        )
        .await?;
    Ok(row.map(|row| File {
        name: row.get("name"),
        media_type: row.get("media_type"),
        content: row.get("content"),
    }))
}

/// From now on these files are kept for another purpose.
pub async fn keep_for(tx: &TenantTx, ids: &[FileId], purpose: &str) -> Result<()> {
    tx.execute("UPDATE file SET purpose = $2 WHERE id = ANY($1) AND purpose <> $2", &[&ids, &purpose])
        .await
        .map(drop)
}

/// Forgets a file.
pub async fn forget(tx: &TenantTx, id: FileId) -> Result<()> {
    tx.execute("DELETE FROM file WHERE id = $1", &[&id]).await?;
    Ok(())
}
