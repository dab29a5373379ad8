//! SQL of LCPs.

use tokio_postgres::Row;

use super::{counts_of, ground_of, halves};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::plant::{
        budget::OltClass,
        model::{Lcp, LcpDraft, PortCounts},
    },
    types::search::containing,
    types::{AreaId, LcpId, Limit},
};

/// A select box holds so many.
const CHOICES_MAX: i64 = 1_000;

/// An LCP in a list, with what hangs below it.
#[derive(Debug, Clone)]
pub struct CountedLcp {
    pub lcp: Lcp,
    pub area: Option<String>,
    pub splitters: i64,
    pub naps: i64,
    pub ports: PortCounts,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct LcpFilter {
    pub q: Option<String>,
    pub is_active: Option<bool>,
    pub area: Option<AreaId>,
}

macro_rules! columns {
    () => {
        "l.id, l.code, l.name, l.location, l.area_id, l.is_active, l.notes, l.coverage_radius_m, l.olt_name, l.olt_class, \
         l.olt_tx_dbm, l.created_at, l.updated_at, l.fibre_m, l.connectors, l.splices, l.latitude, l.longitude, \
         l.location_accuracy, l.location_notes"
    };
}

/// What hangs below `l`, as eight columns.
macro_rules! counted {
    () => {
        concat!(
            "a.name, (SELECT count(*) FROM splitter s WHERE s.lcp_id = l.id), ",
            "(SELECT count(*) FROM splitter s JOIN nap n ON n.splitter_id = s.id WHERE s.lcp_id = l.id), c.total, c.used, c.free, c.reserved, c.faulty"
        )
    };
}

/// The ports below `l`. An LCP has thousands: they are counted by their NAPs' capacities and by who holds one, and only the few
/// that are faulty or reserved are looked at. What is terminated holds none.
macro_rules! counted_from {
    () => {
        concat!(
            "LEFT JOIN area a ON a.id = l.area_id CROSS JOIN LATERAL (SELECT t.total, t.used, ",
            "t.total - t.used - t.reserved - t.faulty AS free, t.reserved, t.faulty FROM (",
            "SELECT coalesce(sum(n.port_capacity), 0)::bigint AS total, coalesce(sum(u.n), 0)::bigint AS used, ",
            "coalesce(sum(o.reserved), 0)::bigint AS reserved, coalesce(sum(o.faulty), 0)::bigint AS faulty ",
            "FROM splitter s JOIN nap n ON n.splitter_id = s.id ",
            "CROSS JOIN LATERAL (SELECT count(*) AS n FROM installation i WHERE i.nap_id = n.id) u ",
            "CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE NOT p.is_faulty) AS reserved, ",
            "count(*) FILTER (WHERE p.is_faulty) AS faulty FROM nap_port p WHERE p.nap_id = n.id ",
            "AND (p.is_faulty OR p.reserved_until > now()) AND NOT EXISTS (SELECT FROM installation i ",
            "WHERE i.nap_id = p.nap_id AND i.nap_port = p.number)) o WHERE s.lcp_id = l.id) t) c"
        )
    };
}

fn lcp_of(row: &Row) -> Lcp {
    let (stretch, site) = ground_of(row, 13);
    Lcp {
        id: row.get(0),
        draft: LcpDraft {
            code: row.get(1),
            name: row.get(2),
            location: row.get(3),
            area_id: row.get(4),
            is_active: row.get(5),
            notes: row.get(6),
            coverage_radius_m: row.get(7),
            olt_name: row.get(8),
            olt_class: OltClass::from_column(row.get(9)),
            olt_tx_dbm: row.get(10),
            stretch,
            site,
        },
        created_at: row.get(11),
        updated_at: row.get(12),
    }
}

fn counted_of(row: &Row) -> CountedLcp {
    CountedLcp {
        lcp: lcp_of(row),
        area: row.get(20),
        splitters: row.get(21),
        naps: row.get(22),
        ports: counts_of(row, 23),
    }
}

/// The indexes that keep codes and names apart, as refusals.
fn named<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("lcp_code_key", || {
            Error::conflict("code_taken", "There is an LCP with this code already.")
        })
        .on_constraint("lcp_name_key", || {
            Error::conflict("name_taken", "There is an LCP of this name already.")
        })
}

/// In which order a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LcpSort {
    #[serde(rename = "c")]
    Code,
    #[serde(rename = "-c")]
    CodeDown,
    #[serde(rename = "n")]
    Name,
    #[serde(rename = "-n")]
    NameDown,
}

macro_rules! list_lcps {
    ($key:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", ",
            counted!(),
            " FROM (SELECT ",
            columns!(),
            " FROM lcp l ",
            "WHERE ($1::text IS NULL OR lower(l.code) LIKE lower($1) OR lower(l.name) LIKE lower($1) ",
            "OR lower(l.location) LIKE lower($1)) AND ($2::boolean IS NULL OR l.is_active = $2) ",
            "AND ($3::uuid IS NULL OR l.area_id = $3) ",
            "AND ($5::uuid IS NULL OR (",
            $key,
            ", l.id) ",
            $after,
            " (lower($4::text), $5)) ",
            "ORDER BY ",
            $key,
            " ",
            $direction,
            ", l.id ",
            $direction,
            " LIMIT $6) l ",
            counted_from!(),
            " ORDER BY ",
            $key,
            " ",
            $direction,
            ", l.id ",
            $direction
        )
    };
}

/// One page in the order of `sort`, after `mark`; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &LcpFilter,
    sort: LcpSort,
    mark: Option<(&str, LcpId)>,
    limit: Limit,
) -> Result<Vec<CountedLcp>> {
    let q = filter.q.as_deref().map(containing);
    let (text, id) = (mark.map(|mark| mark.0), mark.map(|mark| mark.1));
    let sql = match sort {
        LcpSort::Code => list_lcps!("lower(l.code)", ">", "ASC"),
        LcpSort::CodeDown => list_lcps!("lower(l.code)", "<", "DESC"),
        LcpSort::Name => list_lcps!("lower(l.name)", ">", "ASC"),
        LcpSort::NameDown => list_lcps!("lower(l.name)", "<", "DESC"),
    };
    let rows = tx.query(sql, &[&q, &filter.is_active, &filter.area, &text, &id, &limit.and_one()]).await?;
    Ok(rows.iter().map(counted_of).collect())
}

/// How many match, but for their state: all of them, and the active ones.
pub async fn count(tx: &TenantTx, filter: &LcpFilter) -> Result<(i64, i64)> {
    let q = filter.q.as_deref().map(containing);
    let row = tx
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE is_active) FROM lcp \
             WHERE ($1::text IS NULL OR lower(code) LIKE lower($1) OR lower(name) LIKE lower($1) \
             OR lower(location) LIKE lower($1)) AND ($2::uuid IS NULL OR area_id = $2)",
            &[&q, &filter.area],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

pub async fn find(tx: &TenantTx, id: LcpId) -> Result<Option<CountedLcp>> {
    let sql =
        concat!("SELECT ", columns!(), ", ", counted!(), " FROM lcp l ", counted_from!(), " WHERE l.id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(counted_of))
}

/// Locks LCPs, always in the same order: whoever changes the tree below one holds it.
pub async fn lock(tx: &TenantTx, ids: &[LcpId]) -> Result<Vec<Lcp>> {
    let sql = concat!("SELECT ", columns!(), " FROM lcp l WHERE l.id = ANY($1) ORDER BY l.id FOR UPDATE");
    Ok(tx.query(sql, &[&ids]).await?.iter().map(lcp_of).collect())
}

pub async fn insert(tx: &TenantTx, id: LcpId, draft: &LcpDraft) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let inserted = tx
        .execute(
            "INSERT INTO lcp (id, code, name, location, area_id, is_active, notes, coverage_radius_m, olt_name, olt_class, \
             olt_tx_dbm, fibre_m, connectors, splices, latitude, longitude, location_accuracy, location_notes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            &[
                &id,
                &draft.code,
                &draft.name,
                &draft.location,
                &draft.area_id,
                &draft.is_active,
                &draft.notes,
                &draft.coverage_radius_m,
                &draft.olt_name,
                &draft.olt_class.as_str(),
                &draft.olt_tx_dbm,
                &draft.stretch.fibre_m,
                &draft.stretch.connectors,
                &draft.stretch.splices,
                &latitude,
                &longitude,
                &draft.site.accuracy.as_str(),
                &draft.site.notes,
            ],
        )
        .await;
    named(inserted)?;
    Ok(())
}

pub async fn update(tx: &TenantTx, id: LcpId, draft: &LcpDraft) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let updated = tx
        .execute(
            "UPDATE lcp SET code = $2, name = $3, location = $4, area_id = $5, is_active = $6, notes = $7, \
             coverage_radius_m = $8, olt_name = $9, olt_class = $10, olt_tx_dbm = $11, fibre_m = $12, connectors = $13, \
             splices = $14, latitude = $15, longitude = $16, location_accuracy = $17, location_notes = $18, \
             updated_at = now() WHERE id = $1",
            &[
                &id,
                &draft.code,
                &draft.name,
                &draft.location,
                &draft.area_id,
                &draft.is_active,
                &draft.notes,
                &draft.coverage_radius_m,
                &draft.olt_name,
                &draft.olt_class.as_str(),
                &draft.olt_tx_dbm,
                &draft.stretch.fibre_m,
                &draft.stretch.connectors,
                &draft.stretch.splices,
                &latitude,
                &longitude,
                &draft.site.accuracy.as_str(),
                &draft.site.notes,
            ],
        )
        .await;
    named(updated)?;
    Ok(())
}

pub async fn delete(tx: &TenantTx, id: LcpId) -> Result<()> {
    tx.execute("DELETE FROM lcp WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// An LCP as select boxes need it.
#[derive(Debug, Clone)]
pub struct LcpChoice {
    pub id: LcpId,
    pub code: String,
    pub name: String,
}

/// The LCPs by code, at most a thousand.
pub async fn choices(tx: &TenantTx) -> Result<Vec<LcpChoice>> {
    let rows =
        tx.query("SELECT id, code, name FROM lcp ORDER BY lower(code), id LIMIT $1", &[&CHOICES_MAX]).await?;
    Ok(rows.iter().map(|row| LcpChoice { id: row.get(0), code: row.get(1), name: row.get(2) }).collect())
}
