//! Bytes that a tenant keeps: logos, uploads, exports. In the tenant's own schema, so that they leave with it.
//!
//! Owns `file`. Another place to keep them would be another implementation of these few functions.

mod picture;

use sha2::{Digest, Sha256};

use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::FileId,
};

pub use picture::{Frame, Picture, redraw};

/// What all files of one tenant may weigh together.
pub const TENANT_MAX_BYTES: i64 = 1_073_741_824;

/// A kept file.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub media_type: String,
    pub content: Vec<u8>,
}

/// Keeps a file, unless the tenant's quota is used up. `purpose` is what the feature calls it: `logo`, `customer_import`.
pub async fn keep(
    tx: &TenantTx,
    purpose: &str,
    name: &str,
    media_type: &str,
    content: &[u8],
) -> Result<FileId> {
    let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let used: i64 =
        tx.query_one("SELECT coalesce(sum(size_bytes), 0)::bigint AS used FROM file", &[]).await?.get("used");
    if used.saturating_add(size) > TENANT_MAX_BYTES {
        return Err(Error::conflict("quota_used_up", "The space for files is used up: 1 GiB."));
    }
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

/// Forgets a file.
pub async fn forget(tx: &TenantTx, id: FileId) -> Result<()> {
    tx.execute("DELETE FROM file WHERE id = $1", &[&id]).await?;
    Ok(())
}
