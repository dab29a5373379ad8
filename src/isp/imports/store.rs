//! All SQL of `customer_import`, `customer_import_error` and `customer_import_match`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Choices, Counts, FailedRow, Import, MatchBy, OnMatch, State};
use crate::{
    db::TenantTx,
    error::{Error, OrInternal, Result},
    isp::customers::Status,
    types::{CustomerId, ImportId, Limit, StaffId},
};

macro_rules! select_import {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_id, file_name, encoding, delimiter, header, sample, status, is_dry_run, mapping, match_by,
                on_match, default_status, creates_areas, rows_total, rows_done, rows_created, rows_updated,
                rows_unchanged, rows_failed, rows_connected, rows_brought, failure, created_by_label, created_at, started_at, finished_at
             FROM customer_import ",
            $rest
        )
    };
}

fn import(row: &Row) -> Result<Import> {
    let odd = |what: &str| Error::internal(format!("an import has an odd {what}"));
    let mapping: Value = row.get("mapping");
    let sample: Value = row.get("sample");
    Ok(Import {
        id: row.get("id"),
        file: row.get("file_id"),
        file_name: row.get("file_name"),
        encoding: row.get("encoding"),
        delimiter: row.get("delimiter"),
        header: row.get("header"),
        sample: serde_json::from_value(sample).internal()?,
        state: State::parse(row.get("status")).ok_or_else(|| odd("status"))?,
        is_dry_run: row.get("is_dry_run"),
        choices: Choices {
            mapping: serde_json::from_value(mapping).internal()?,
            match_by: MatchBy::parse(row.get("match_by")).ok_or_else(|| odd("match_by"))?,
            on_match: OnMatch::parse(row.get("on_match")).ok_or_else(|| odd("on_match"))?,
            default_status: Status::from_column(row.get("default_status")),
            creates_areas: row.get("creates_areas"),
        },
        counts: Counts {
            total: row.get("rows_total"),
            done: row.get("rows_done"),
            created: row.get("rows_created"),
            updated: row.get("rows_updated"),
            unchanged: row.get("rows_unchanged"),
            failed: row.get("rows_failed"),
            connected: row.get("rows_connected"),
            brought: row.get("rows_brought"),
        },
        failure: row.get("failure"),
        created_by_label: row.get("created_by_label"),
        created_at: row.get("created_at"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
    })
}

/// Writes an uploaded import down.
pub async fn insert_import(tx: &TenantTx, import: &Import, staff: Option<StaffId>) -> Result<()> {
    let mapping = serde_json::to_value(&import.choices.mapping).internal()?;
    let sample = serde_json::to_value(&import.sample).internal()?;
    tx.execute(
        "INSERT INTO customer_import (id, file_id, file_name, encoding, delimiter, header, sample, status, mapping,
            match_by, on_match, default_status, creates_areas, rows_total, created_by, created_by_label, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        &[
            &import.id,
            &import.file,
            &import.file_name,
            &import.encoding,
            &import.delimiter,
            &import.header,
            &sample,
            &import.state.as_str(),
            &mapping,
            &import.choices.match_by.as_str(),
            &import.choices.on_match.as_str(),
            &import.choices.default_status.as_str(),
            &import.choices.creates_areas,
            &import.counts.total,
            &staff,
            &import.created_by_label,
            &import.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// The import, or 404.
pub async fn get_import(tx: &TenantTx, id: ImportId) -> Result<Import> {
    let row = tx.query_opt(select_import!("WHERE id = $1"), &[&id]).await?;
    import(&row.ok_or(Error::not_found("import"))?)
}

/// The import, held until the end of the transaction.
pub async fn lock_import(tx: &TenantTx, id: ImportId) -> Result<Option<Import>> {
    let row = tx.query_opt(select_import!("WHERE id = $1 FOR UPDATE"), &[&id]).await?;
    row.as_ref().map(import).transpose()
}

/// Imports from the newest on, after `after`.
pub async fn list_imports(tx: &TenantTx, after: Option<Uuid>, limit: Limit) -> Result<Vec<Import>> {
    let rows = tx
        .query(
            select_import!("WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"),
            &[&after, &limit.and_one()],
        )
        .await?;
    rows.iter().map(import).collect()
}

/// The imports next newer than one, the nearest first.
pub async fn list_newer(tx: &TenantTx, than: Uuid, limit: Limit) -> Result<Vec<Uuid>> {
    let rows = tx
        .query(
            "SELECT id FROM customer_import WHERE id > $1 ORDER BY id LIMIT $2",
            &[&than, &limit.and_one()],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// How many imports are newer than one.
pub async fn count_newer(tx: &TenantTx, than: Uuid) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM customer_import WHERE id > $1", &[&than]).await?.get("n"))
}

/// How many imports there are.
pub async fn count_imports(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) AS n FROM customer_import", &[]).await?.get("n"))
}

/// Keeps the choices made for a file.
pub async fn update_choices(tx: &TenantTx, id: ImportId, choices: &Choices) -> Result<()> {
    let mapping = serde_json::to_value(&choices.mapping).internal()?;
    tx.execute(
        "UPDATE customer_import SET mapping = $2, match_by = $3, on_match = $4, default_status = $5, creates_areas = $6
         WHERE id = $1",
        &[
            &id,
            &mapping,
            &choices.match_by.as_str(),
            &choices.on_match.as_str(),
            &choices.default_status.as_str(),
            &choices.creates_areas,
        ],
    )
    .await?;
    Ok(())
}

/// Puts an import into the queue, with all of an earlier trial's counts and errors gone.
pub async fn update_queued(tx: &TenantTx, id: ImportId, is_dry_run: bool) -> Result<()> {
    tx.execute("DELETE FROM customer_import_error WHERE import_id = $1", &[&id]).await?;
    tx.execute("DELETE FROM customer_import_match WHERE import_id = $1", &[&id]).await?;
    tx.execute(
        "UPDATE customer_import SET status = 'queued', is_dry_run = $2, rows_done = 0, rows_created = 0, rows_updated = 0,
            rows_unchanged = 0, rows_failed = 0, rows_connected = 0, rows_brought = 0, failure = NULL, started_at = now(), finished_at = NULL
         WHERE id = $1",
        &[&id, &is_dry_run],
    )
    .await?;
    Ok(())
}

/// Says that a worker is at it.
pub async fn update_running(tx: &TenantTx, id: ImportId) -> Result<()> {
    tx.execute("UPDATE customer_import SET status = 'running' WHERE id = $1 AND status = 'queued'", &[&id])
        .await?;
    Ok(())
}

/// Says how far a busy import came.
pub async fn update_counts(tx: &TenantTx, id: ImportId, counts: &Counts) -> Result<()> {
    tx.execute(
        "UPDATE customer_import SET rows_done = $2, rows_created = $3, rows_updated = $4, rows_unchanged = $5, rows_failed = $6,
            rows_connected = $7, rows_brought = $8
         WHERE id = $1",
        &[
            &id,
            &counts.done,
            &counts.created,
            &counts.updated,
            &counts.unchanged,
            &counts.failed,
            &counts.connected,
            &counts.brought,
        ],
    )
    .await?;
    Ok(())
}

/// Ends an import.
pub async fn update_ended(tx: &TenantTx, id: ImportId, state: State, failure: Option<&str>) -> Result<()> {
    tx.execute(
        "UPDATE customer_import SET status = $2, failure = $3, finished_at = now() WHERE id = $1",
        &[&id, &state.as_str(), &failure],
    )
    .await?;
    Ok(())
}

/// Keeps the rows that were not imported.
pub async fn insert_failed(tx: &TenantTx, id: ImportId, failed: &[FailedRow]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<i32> = failed.iter().map(|row| row.line).collect();
    let json = |value: std::result::Result<Value, serde_json::Error>| value.internal();
    let errors: Vec<Value> =
        failed.iter().map(|row| json(serde_json::to_value(&row.errors))).collect::<Result<_>>()?;
    let cells: Vec<Value> =
        failed.iter().map(|row| json(serde_json::to_value(&row.cells))).collect::<Result<_>>()?;
    tx.execute(
        "INSERT INTO customer_import_error (import_id, line, errors, cells)
         SELECT $1, e.line, e.errors, e.cells FROM unnest($2::int4[], $3::jsonb[], $4::jsonb[]) AS e (line, errors, cells)",
        &[&id, &lines, &errors, &cells],
    )
    .await?;
    Ok(())
}

/// Failed rows in the order of the file, after line `after`.
pub async fn list_failed(tx: &TenantTx, id: ImportId, after: i32, limit: Limit) -> Result<Vec<FailedRow>> {
    let rows = tx
        .query(
            "SELECT line, errors, cells FROM customer_import_error WHERE import_id = $1 AND line > $2 ORDER BY line LIMIT $3",
            &[&id, &after, &limit.and_one()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(FailedRow {
                line: row.get("line"),
                errors: serde_json::from_value(row.get("errors")).internal()?,
                cells: serde_json::from_value(row.get("cells")).internal()?,
            })
        })
        .collect()
}

/// Remembers which customer which line was.
pub async fn insert_matches(tx: &TenantTx, id: ImportId, matches: &[(CustomerId, u32)]) -> Result<()> {
    if matches.is_empty() {
        return Ok(());
    }
    let customers: Vec<CustomerId> = matches.iter().map(|(customer, _)| *customer).collect();
    let lines: Vec<i32> = matches.iter().map(|(_, line)| i32::try_from(*line).unwrap_or(i32::MAX)).collect();
    tx.execute(
        "INSERT INTO customer_import_match (import_id, customer_id, line)
         SELECT $1, m.customer_id, m.line FROM unnest($2::uuid[], $3::int4[]) AS m (customer_id, line)",
        &[&id, &customers, &lines],
    )
    .await?;
    Ok(())
}

/// Which of these customers earlier lines of this import were, and which lines.
pub async fn list_matches(
    tx: &TenantTx,
    id: ImportId,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, u32>> {
    let rows = tx
        .query(
            "SELECT customer_id, line FROM customer_import_match WHERE import_id = $1 AND customer_id = ANY($2)",
            &[&id, &customers],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get("customer_id"), u32::try_from(row.get::<_, i32>("line")).unwrap_or_default()))
        .collect())
}

macro_rules! old_with_file {
    () => {
        "FROM customer_import WHERE file_id IS NOT NULL AND status NOT IN ('queued', 'running') \
         AND coalesce(finished_at, created_at) < $1"
    };
}

pub async fn count_with_file(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = concat!("SELECT count(*) FROM (SELECT ", old_with_file!(), " LIMIT $2) old");
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

/// Imports whose file is older, the oldest first.
pub async fn list_with_file(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<Vec<ImportId>> {
    let sql = concat!("SELECT id ", old_with_file!(), " ORDER BY id LIMIT $2");
    Ok(tx.query(sql, &[&before, &at_most]).await?.iter().map(|row| row.get(0)).collect())
}

/// Lets go of an import's file, its first rows and its failed rows; the counts stay.
pub async fn update_forgotten(tx: &TenantTx, id: ImportId) -> Result<()> {
    tx.execute("DELETE FROM customer_import_error WHERE import_id = $1", &[&id]).await?;
    tx.execute("DELETE FROM customer_import_match WHERE import_id = $1", &[&id]).await?;
    tx.execute(
        "UPDATE customer_import SET file_id = NULL, sample = '[]', finished_at = coalesce(finished_at, now()),
            status = CASE status WHEN 'mapping' THEN 'cancelled' ELSE status END
         WHERE id = $1",
        &[&id],
    )
    .await?;
    Ok(())
}
