//! All SQL of `contact_import`.

use serde_json::Value;
use tokio_postgres::Row;

use super::{Counts, Import, Line, State};
use crate::{
    db::TenantTx,
    error::{OrInternal, Result},
    types::ContactImportId,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_name, header, mapping, group_id, status, total, done, created, updated, unchanged, conflicts, failed, \
             errors, staff_label, created_at, finished_at FROM contact_import ",
            $rest
        )
    };
}

fn import_of(row: &Row) -> Result<Import> {
    Ok(Import {
        id: row.get(0),
        file_name: row.get(1),
        header: row.get(2),
        mapping: serde_json::from_value(row.get(3)).internal()?,
        group: row.get(4),
        state: State::from_column(row.get(5)),
        counts: Counts {
            total: row.get(6),
            done: row.get(7),
            created: row.get(8),
            updated: row.get(9),
            unchanged: row.get(10),
            conflicts: row.get(11),
            failed: row.get(12),
        },
        errors: serde_json::from_value(row.get(13)).internal()?,
        staff_label: row.get(14),
        created_at: row.get(15),
        finished_at: row.get(16),
    })
}

pub async fn insert(tx: &TenantTx, import: &Import, rows: &Value) -> Result<()> {
    let mapping = serde_json::to_value(&import.mapping).internal()?;
    tx.execute(
        "INSERT INTO contact_import (id, file_name, header, mapping, rows, total, status, staff_label, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &import.id,
            &import.file_name,
            &import.header,
            &mapping,
            rows,
            &import.counts.total,
            &import.state.as_str(),
            &import.staff_label,
            &import.created_at,
        ],
    )
    .await
    .map(drop)
}

pub async fn find(tx: &TenantTx, id: ContactImportId) -> Result<Option<Import>> {
    tx.query_opt(select!("WHERE id = $1"), &[&id]).await?.as_ref().map(import_of).transpose()
}

pub async fn lock(tx: &TenantTx, id: ContactImportId) -> Result<Option<Import>> {
    tx.query_opt(select!("WHERE id = $1 FOR UPDATE"), &[&id]).await?.as_ref().map(import_of).transpose()
}

/// The newest first.
pub async fn list(tx: &TenantTx, before: Option<ContactImportId>, limit: i64) -> Result<Vec<Import>> {
    let sql = select!("WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2");
    tx.query(sql, &[&before, &limit]).await?.iter().map(import_of).collect()
}

/// Writes down how far it came, and what was chosen.
pub async fn update(tx: &TenantTx, import: &Import) -> Result<()> {
    let mapping = serde_json::to_value(&import.mapping).internal()?;
    let errors = serde_json::to_value(&import.errors).internal()?;
    let Counts { total: _, done, created, updated, unchanged, conflicts, failed } = import.counts;
    tx.execute(
        "UPDATE contact_import SET mapping = $2, group_id = $3, status = $4, done = $5, created = $6, updated = $7, \
         unchanged = $8, conflicts = $9, failed = $10, errors = $11 WHERE id = $1",
        &[
            &import.id,
            &mapping,
            &import.group,
            &import.state.as_str(),
            &done,
            &created,
            &updated,
            &unchanged,
            &conflicts,
            &failed,
            &errors,
        ],
    )
    .await
    .map(drop)
}

/// It has ended: its rows are forgotten.
pub async fn finish(tx: &TenantTx, import: &Import) -> Result<()> {
    update(tx, import).await?;
    let sql = "UPDATE contact_import SET rows = '[]', finished_at = now() WHERE id = $1";
    tx.execute(sql, &[&import.id]).await.map(drop)
}

/// Forgets uploads that nobody started within a week.
pub async fn forget_old(tx: &TenantTx) -> Result<()> {
    tx.execute(
        "DELETE FROM contact_import WHERE status = 'preview' AND created_at < now() - interval '7 days'",
        &[],
    )
    .await
    .map(drop)
}

/// All rows of an import that runs.
pub async fn rows(tx: &TenantTx, id: ContactImportId) -> Result<Option<Vec<Line>>> {
    let sql = "SELECT rows FROM contact_import WHERE id = $1 AND status = 'running'";
    let row = tx.query_opt(sql, &[&id]).await?;
    row.map(|row| serde_json::from_value(row.get(0)).internal()).transpose()
}

/// The first rows of an import that was not started.
pub async fn first_rows(tx: &TenantTx, id: ContactImportId, count: usize) -> Result<Vec<Line>> {
    let last = i32::try_from(count).internal()? - 1;
    let sql = "SELECT jsonb_path_query_array(rows, '$[0 to $last]', jsonb_build_object('last', $2::integer)) \
               FROM contact_import WHERE id = $1";
    let row = tx.query_opt(sql, &[&id, &last]).await?;
    row.map_or_else(|| Ok(Vec::new()), |row| serde_json::from_value(row.get(0)).internal())
}
