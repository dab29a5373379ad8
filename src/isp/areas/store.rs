//! All SQL of areas.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::model::{Area, AreaDraft, AreaFilter, AreaMark, AreaSort, CountedArea};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::search::containing,
    types::{AreaId, Limit},
};

/// A select box holds so many areas.
const CHOICES_MAX: i64 = 1_000;

fn area_of(row: &Row) -> Area {
    Area {
        id: row.get(0),
        name: row.get(1),
        code: row.get(2),
        description: row.get(3),
        is_active: row.get(4),
        created_at: row.get(5),
        updated_at: row.get(6),
    }
}

fn counted_of(row: &Row) -> CountedArea {
    CountedArea { area: area_of(row), active_customers: row.get(7), total_customers: row.get(8) }
}

/// The indexes that keep names and codes apart, as refusals.
fn named<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("area_name_key", || {
            Error::conflict("name_taken", "There is an area of this name already.")
        })
        .on_constraint("area_code_key", || {
            Error::conflict("code_taken", "There is an area with this code already.")
        })
}

macro_rules! list_areas {
    ($key:literal, $mark:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT id, name, code, description, is_active, created_at, updated_at, n.active, n.total FROM (",
            "SELECT id, name, code, description, is_active, created_at, updated_at FROM area ",
            "WHERE ($1::text IS NULL OR lower(name) LIKE lower($1) OR lower(code) LIKE lower($1)) ",
            "AND ($2::boolean IS NULL OR is_active = $2) ",
            "AND ($4::uuid IS NULL OR (", $key, ", id) ", $after, " (", $mark, ", $4)) ",
            "ORDER BY ", $key, " ", $direction, ", id ", $direction, " LIMIT $5) a ",
            "CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE c.status = 'active') AS active, count(*) AS total ",
            "FROM customer c WHERE c.area_id = a.id AND c.deleted_at IS NULL) n ",
            "ORDER BY ", $key, " ", $direction, ", id ", $direction
        )
    };
}

/// One page in the order of `sort`, after `mark`; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &AreaFilter,
    sort: AreaSort,
    mark: Option<&AreaMark>,
    limit: Limit,
) -> Result<Vec<CountedArea>> {
    let q = filter.q.as_deref().map(containing);
    let text = mark.map(|mark| mark.text.as_str());
    let at = mark.map(AreaMark::at);
    let id = mark.map(|mark| mark.id);
    let more = limit.and_one();
    let sql = match sort {
        AreaSort::Name => list_areas!("lower(name)", "lower($3::text)", ">", "ASC"),
        AreaSort::NameDown => list_areas!("lower(name)", "lower($3::text)", "<", "DESC"),
        AreaSort::Code => list_areas!("coalesce(lower(code), '')", "lower($3::text)", ">", "ASC"),
        AreaSort::CodeDown => list_areas!("coalesce(lower(code), '')", "lower($3::text)", "<", "DESC"),
        AreaSort::Created => list_areas!("created_at", "$3::timestamptz", ">", "ASC"),
        AreaSort::CreatedDown => list_areas!("created_at", "$3::timestamptz", "<", "DESC"),
    };
    let rows = match sort {
        AreaSort::Created | AreaSort::CreatedDown => {
            tx.query(sql, &[&q, &filter.is_active, &at, &id, &more]).await?
        }
        _ => tx.query(sql, &[&q, &filter.is_active, &text, &id, &more]).await?,
    };
    Ok(rows.iter().map(counted_of).collect())
}

/// How many match the search: all of them, and the active ones.
pub async fn count(tx: &TenantTx, q: Option<&str>) -> Result<(i64, i64)> {
    let q = q.map(containing);
    let row = tx
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE is_active) FROM area \
             WHERE $1::text IS NULL OR lower(name) LIKE lower($1) OR lower(code) LIKE lower($1)",
            &[&q],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

pub async fn find_counted(tx: &TenantTx, id: AreaId) -> Result<Option<CountedArea>> {
    let row = tx
        .query_opt(
            "SELECT a.id, a.name, a.code, a.description, a.is_active, a.created_at, a.updated_at, n.active, n.total \
             FROM area a CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE c.status = 'active') AS active, \
             count(*) AS total FROM customer c WHERE c.area_id = a.id AND c.deleted_at IS NULL) n WHERE a.id = $1",
            &[&id],
        )
        .await?;
    Ok(row.as_ref().map(counted_of))
}

/// The names of these areas.
pub async fn names(tx: &TenantTx, ids: &[AreaId]) -> Result<HashMap<AreaId, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.query("SELECT id, name FROM area WHERE id = ANY($1)", &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Name and whether customers can be put into it.
pub async fn find_name(tx: &TenantTx, id: AreaId) -> Result<Option<(String, bool)>> {
    let row = tx.query_opt("SELECT name, is_active FROM area WHERE id = $1", &[&id]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// Locks an area against other changes.
pub async fn lock(tx: &TenantTx, id: AreaId) -> Result<Option<Area>> {
    let row = tx
        .query_opt(
            "SELECT id, name, code, description, is_active, created_at, updated_at FROM area WHERE id = $1 FOR UPDATE",
            &[&id],
        )
        .await?;
    Ok(row.as_ref().map(area_of))
}

pub async fn insert(tx: &TenantTx, id: AreaId, draft: &AreaDraft) -> Result<Area> {
    let row = tx
        .query_one(
            "INSERT INTO area (id, name, code, description, is_active) VALUES ($1, $2, $3, $4, $5) \
             RETURNING id, name, code, description, is_active, created_at, updated_at",
            &[&id, &draft.name, &draft.code, &draft.description, &draft.is_active],
        )
        .await;
    Ok(area_of(&named(row)?))
}

pub async fn update(tx: &TenantTx, id: AreaId, draft: &AreaDraft) -> Result<Area> {
    let row = tx
        .query_one(
            "UPDATE area SET name = $2, code = $3, description = $4, is_active = $5, updated_at = now() WHERE id = $1 \
             RETURNING id, name, code, description, is_active, created_at, updated_at",
            &[&id, &draft.name, &draft.code, &draft.description, &draft.is_active],
        )
        .await;
    Ok(area_of(&named(row)?))
}

/// Deletes an area to which nothing belongs: no customer, not even a deleted one, who may come back; no LCP, no installation.
pub async fn delete_unused(tx: &TenantTx, id: AreaId) -> Result<bool> {
    let deleted = tx
        .execute(
            "DELETE FROM area WHERE id = $1 AND NOT EXISTS (SELECT FROM customer WHERE area_id = $1) \
             AND NOT EXISTS (SELECT FROM lcp WHERE area_id = $1) \
             AND NOT EXISTS (SELECT FROM installation WHERE area_id = $1)",
            &[&id],
        )
        .await?;
    Ok(deleted > 0)
}

/// Adds those names that are not there yet; the ids and names of those that it added.
pub async fn insert_missing(tx: &TenantTx, names: &[&str]) -> Result<Vec<(AreaId, String)>> {
    let ids: Vec<AreaId> = names.iter().map(|_| AreaId::new()).collect();
    let rows = tx
        .query(
            "INSERT INTO area (id, name) SELECT id, name FROM unnest($1::uuid[], $2::text[]) AS new (id, name) \
             ON CONFLICT DO NOTHING RETURNING id, name",
            &[&ids, &names],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Areas by name or code, in lower case as PostgreSQL makes it: what was asked for, and which area it is.
pub async fn find_by_names(tx: &TenantTx, names: &[&str]) -> Result<HashMap<String, AreaChoice>> {
    let rows = tx
        .query(
            "SELECT asked.name, a.id, a.name, a.is_active FROM unnest($1::text[]) AS asked (name) \
             JOIN LATERAL (SELECT id, name, is_active FROM area WHERE lower(name) = lower(asked.name) \
             OR lower(code) = lower(asked.name) ORDER BY lower(name) = lower(asked.name) DESC LIMIT 1) a ON true",
            &[&names],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), AreaChoice { id: row.get(1), name: row.get(2), is_active: row.get(3) }))
        .collect())
}

/// An area as select boxes and lists need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaChoice {
    pub id: AreaId,
    pub name: String,
    pub is_active: bool,
}

/// The areas by name, at most a thousand, as they were a moment ago: they stand in the select boxes of many pages.
pub async fn find_choices(tx: &TenantTx) -> Result<Vec<AreaChoice>> {
    tx.recently("areas.choices", String::new(), async || list_choices(tx).await).await
}

async fn list_choices(tx: &TenantTx) -> Result<Vec<AreaChoice>> {
    let rows = tx
        .query("SELECT id, name, is_active FROM area ORDER BY lower(name), id LIMIT $1", &[&CHOICES_MAX])
        .await?;
    Ok(rows
        .iter()
        .map(|row| AreaChoice { id: row.get(0), name: row.get(1), is_active: row.get(2) })
        .collect())
}

/// One of an area's newest customers.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub id: crate::types::CustomerId,
    pub name: String,
    pub status: String,
}

pub async fn newest_customers(tx: &TenantTx, id: AreaId) -> Result<Vec<Newcomer>> {
    let rows = tx
        .query(
            "SELECT id, first_name || ' ' || last_name, status FROM customer WHERE area_id = $1 AND deleted_at IS NULL \
             ORDER BY created_at DESC, id DESC LIMIT 5",
            &[&id],
        )
        .await?;
    Ok(rows.iter().map(|row| Newcomer { id: row.get(0), name: row.get(1), status: row.get(2) }).collect())
}
