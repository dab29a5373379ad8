//! All SQL of `erasure`.

use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    model::{Erasure, Kind, Person, Removed, Status},
    steps::STEPS,
};
use crate::{
    db::{ControlTx, TenantTx},
    error::{Error, OrInternal, Result},
    tenancy::scan::Found,
    types::{ErasureId, TenantId},
};

/// A search by name answers with at most so many.
const MATCHES_MAX: i64 = 50;

macro_rules! select_erasure {
    ($rest:literal) => {
        concat!(
            "SELECT id, number, kind, subject_id, people, reason, asked_by, asked_at, status, removed, found, tables_searched, ",
            "searched_at FROM erasure ",
            $rest
        )
    };
}

fn erasure_of(row: &Row) -> Result<Erasure> {
    let kind: &str = row.get("kind");
    let status: &str = row.get("status");
    Ok(Erasure {
        id: row.get("id"),
        number: row.get("number"),
        kind: Kind::parse(kind).map_err(|_odd| Error::internal("an erasure of an odd kind"))?,
        subject: row.get("subject_id"),
        people: row.get("people"),
        reason: row.get("reason"),
        asked_by: row.get("asked_by"),
        asked_at: row.get("asked_at"),
        status: Status::parse(status).map_err(|_odd| Error::internal("an erasure of an odd status"))?,
        removed: serde_json::from_value(row.get("removed")).internal()?,
        found: serde_json::from_value(row.get("found")).internal()?,
        tables_searched: row.get("tables_searched"),
        searched_at: row.get("searched_at"),
    })
}

/// Does every step; what each came to, without those that touched nothing.
pub async fn remove(tx: &TenantTx, person: &Person, label: &str) -> Result<Vec<Removed>> {
    let (addresses, words) = (person.lowered(), person.words());
    let mut removed: Vec<Removed> = Vec::new();
    for step in STEPS {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&person.customers, &person.contacts, &addresses, &words, &label];
        let rows = i64::try_from(tx.execute(step.sql, &params).await?).unwrap_or(i64::MAX);
        match removed.iter_mut().find(|one| one.table == step.table && one.what == step.what) {
            Some(known) => known.rows += rows,
            None if rows > 0 => {
                removed.push(Removed { table: step.table.to_owned(), what: step.what.to_owned(), rows })
            }
            None => {}
        }
    }
    Ok(removed)
}

/// One that begins.
pub struct New<'a> {
    pub id: ErasureId,
    pub number: &'a str,
    pub kind: Kind,
    pub subject: Uuid,
    pub people: &'a [Uuid],
    pub reason: &'a str,
    pub asked_by: &'a str,
    pub removed: &'a [Removed],
    pub identity: &'a [Vec<u8>],
    pub sealed_words: &'a [u8],
}

/// 409 `already_erased` for whoever was.
pub async fn insert(tx: &TenantTx, new: &New<'_>) -> Result<()> {
    let removed = serde_json::to_value(new.removed).internal()?;
    tx.execute(
        "INSERT INTO erasure (id, number, kind, subject_id, people, reason, asked_by, removed, identity, sealed_words)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &new.id,
            &new.number,
            &new.kind.as_str(),
            &new.subject,
            &new.people,
            &new.reason,
            &new.asked_by,
            &removed,
            &new.identity,
            &new.sealed_words,
        ],
    )
    .await?;
    Ok(())
}

/// The erasure that this row went with.
pub async fn find_of(tx: &TenantTx, subject: Uuid) -> Result<Option<Erasure>> {
    let row = tx.query_opt(select_erasure!("WHERE subject_id = $1 OR $1 = ANY(people)"), &[&subject]).await?;
    row.as_ref().map(erasure_of).transpose()
}

pub async fn find(tx: &TenantTx, id: ErasureId) -> Result<Option<Erasure>> {
    let row = tx.query_opt(select_erasure!("WHERE id = $1"), &[&id]).await?;
    row.as_ref().map(erasure_of).transpose()
}

/// One page, the newest first.
pub async fn list(tx: &TenantTx, before: Option<ErasureId>, limit: i64) -> Result<Vec<Erasure>> {
    let rows = tx
        .query(
            select_erasure!("WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"),
            &[&before, &limit],
        )
        .await?;
    rows.iter().map(erasure_of).collect()
}

/// Those of whom one of these is a code.
pub async fn list_matching(tx: &TenantTx, code: &[u8]) -> Result<Vec<Erasure>> {
    let rows = tx
        .query(
            select_erasure!("WHERE identity @> ARRAY[$1::bytea] ORDER BY id DESC LIMIT $2"),
            &[&code, &MATCHES_MAX],
        )
        .await?;
    rows.iter().map(erasure_of).collect()
}

/// What is searched for, until it was.
pub async fn find_sealed_words(tx: &TenantTx, id: ErasureId) -> Result<Option<Vec<u8>>> {
    let row = tx.query_opt("SELECT sealed_words FROM erasure WHERE id = $1", &[&id]).await?;
    Ok(row.and_then(|row| row.get(0)))
}

/// What was done beyond the first commit.
pub async fn update_removed(tx: &TenantTx, id: ErasureId, removed: &[Removed]) -> Result<()> {
    let removed: Value = serde_json::to_value(removed).internal()?;
    tx.execute("UPDATE erasure SET removed = $2 WHERE id = $1", &[&id, &removed]).await.map(drop)
}

/// The search is over, and what was searched for is gone. False when another worker was first.
pub async fn finish(tx: &TenantTx, id: ErasureId, found: &[Found], tables: usize) -> Result<bool> {
    let status = if found.is_empty() { Status::Clean } else { Status::Found };
    let found = serde_json::to_value(found).internal()?;
    let tables = i32::try_from(tables).unwrap_or(i32::MAX);
    let changed = tx
        .execute(
            "UPDATE erasure SET status = $2, found = $3, tables_searched = $4, searched_at = now(), sealed_words = NULL
             WHERE id = $1 AND status = 'removing'",
            &[&id, &status.as_str(), &found, &tables],
        )
        .await?;
    Ok(changed > 0)
}

/// Takes the person out of the books, which a tenant's role cannot change.
pub async fn erase_from_books(
    tx: &ControlTx,
    tenant: TenantId,
    id: ErasureId,
    words: &[String],
) -> Result<Vec<Removed>> {
    let rows = tx
        .query("SELECT book, changed FROM public.erase_from_books($1, $2, $3)", &[&tenant, &id, &words])
        .await?;
    Ok(rows
        .iter()
        .map(|row| Removed { table: row.get("book"), what: "emptied".into(), rows: row.get("changed") })
        .filter(|removed| removed.rows > 0)
        .collect())
}
