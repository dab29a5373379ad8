//! SQL of NAPs.

use tokio_postgres::Row;

use super::{counts_of, ground_of, halves, held_ports, port_counts};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::plant::{
        model::{Nap, NapDraft, PortCounts},
        rules::NamedNap,
    },
    types::search::containing,
    types::{LcpId, Limit, NapId, SplitterId},
};

macro_rules! columns {
    () => {
        "n.id, n.splitter_id, n.splitter_output, n.code, n.name, n.location, n.port_capacity, n.is_active, n.notes, \
         n.max_distance_m, n.created_at, n.updated_at, n.fibre_m, n.connectors, n.splices, n.latitude, n.longitude, \
         n.location_accuracy, n.location_notes"
    };
}

macro_rules! counted {
    () => {
        "s.code, l.id, l.code, c.total, c.used, c.free, c.reserved, c.faulty"
    };
}

/// The counts of the ports of `n`.
macro_rules! counted_from {
    () => {
        concat!(
            "CROSS JOIN LATERAL (SELECT ",
            port_counts!(),
            " FROM ",
            held_ports!(),
            " WHERE p.nap_id = n.id) c"
        )
    };
}

/// A NAP in a list, with what it hangs on and how its ports stand.
#[derive(Debug, Clone)]
pub struct CountedNap {
    pub nap: Nap,
    pub splitter_code: String,
    pub lcp_id: LcpId,
    pub lcp_code: String,
    pub ports: PortCounts,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct NapFilter {
    pub q: Option<String>,
    pub lcp: Option<LcpId>,
    pub splitter: Option<SplitterId>,
    pub is_active: Option<bool>,
    /// Only those with a free port, or only those without.
    pub has_free: Option<bool>,
}

fn nap_of(row: &Row) -> Nap {
    let (stretch, site) = ground_of(row, 12);
    Nap {
        id: row.get(0),
        splitter_id: row.get(1),
        splitter_output: row.get(2),
        draft: NapDraft {
            code: row.get(3),
            name: row.get(4),
            location: row.get(5),
            port_capacity: row.get(6),
            is_active: row.get(7),
            notes: row.get(8),
            max_distance_m: row.get(9),
            stretch,
            site,
        },
        created_at: row.get(10),
        updated_at: row.get(11),
    }
}

fn counted_of(row: &Row) -> CountedNap {
    CountedNap {
        nap: nap_of(row),
        splitter_code: row.get(19),
        lcp_id: row.get(20),
        lcp_code: row.get(21),
        ports: counts_of(row, 22),
    }
}

/// The constraints of a NAP, as refusals.
fn kept<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("nap_code_key", || {
            Error::conflict("code_taken", "The splitter has a NAP with this code already.")
        })
        .on_constraint("nap_splitter_output_fkey", || {
            Error::conflict("output_taken", "A splitter hangs on this splitter port; NAPs cannot share it.")
        })
        .on_constraint("installation_nap_port_fkey", || {
            Error::conflict("in_use", "An installation holds a port that would go.")
        })
}

pub async fn find(tx: &TenantTx, id: NapId) -> Result<Option<CountedNap>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        counted!(),
        " FROM nap n JOIN splitter s ON s.id = n.splitter_id JOIN lcp l ON l.id = s.lcp_id ",
        counted_from!(),
        " WHERE n.id = $1"
    );
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(counted_of))
}

/// Locks a NAP against other changes.
pub async fn lock(tx: &TenantTx, id: NapId) -> Result<Option<Nap>> {
    let sql = concat!("SELECT ", columns!(), " FROM nap n WHERE n.id = $1 FOR UPDATE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(nap_of))
}

/// The filter's conditions on `n`, `s` and its ports, `$1` to `$5`.
macro_rules! matching {
    () => {
        "($1::text IS NULL OR lower(n.code) LIKE lower($1) OR lower(n.name) LIKE lower($1) OR lower(n.location) LIKE lower($1)) \
         AND ($2::uuid IS NULL OR s.lcp_id = $2) AND ($3::uuid IS NULL OR n.splitter_id = $3) \
         AND ($4::boolean IS NULL OR n.is_active = $4) \
         AND ($5::boolean IS NULL OR $5 = EXISTS (SELECT FROM nap_port p WHERE p.nap_id = n.id AND NOT p.is_faulty \
             AND (p.reserved_until IS NULL OR p.reserved_until <= now()) AND NOT EXISTS (SELECT FROM installation i \
             WHERE i.nap_id = p.nap_id AND i.nap_port = p.number AND i.status <> 'terminated')))"
    };
}

/// One page by code, after `mark`; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &NapFilter,
    mark: Option<(&str, NapId)>,
    limit: Limit,
) -> Result<Vec<CountedNap>> {
    let q = filter.q.as_deref().map(containing);
    let (text, id) = (mark.map(|mark| mark.0), mark.map(|mark| mark.1));
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        counted!(),
        " FROM (SELECT ",
        columns!(),
        " FROM nap n JOIN splitter s ON s.id = n.splitter_id WHERE ",
        matching!(),
        " AND ($7::uuid IS NULL OR (lower(n.code), n.id) > (lower($6::text), $7)) ORDER BY lower(n.code), n.id LIMIT $8) n ",
        "JOIN splitter s ON s.id = n.splitter_id JOIN lcp l ON l.id = s.lcp_id ",
        counted_from!(),
        " ORDER BY lower(n.code), n.id"
    );
    let rows = tx
        .query(
            sql,
            &[
                &q,
                &filter.lcp,
                &filter.splitter,
                &filter.is_active,
                &filter.has_free,
                &text,
                &id,
                &limit.and_one(),
            ],
        )
        .await?;
    Ok(rows.iter().map(counted_of).collect())
}

/// How many match.
pub async fn count(tx: &TenantTx, filter: &NapFilter) -> Result<i64> {
    let q = filter.q.as_deref().map(containing);
    let sql =
        concat!("SELECT count(*) FROM nap n JOIN splitter s ON s.id = n.splitter_id WHERE ", matching!());
    let row =
        tx.query_one(sql, &[&q, &filter.lcp, &filter.splitter, &filter.is_active, &filter.has_free]).await?;
    Ok(row.get(0))
}

pub async fn insert(
    tx: &TenantTx,
    id: NapId,
    (splitter, output): (SplitterId, i16),
    draft: &NapDraft,
) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let inserted = tx
        .execute(
            "INSERT INTO nap (id, splitter_id, splitter_output, code, name, location, port_capacity, is_active, notes, \
             max_distance_m, fibre_m, connectors, splices, latitude, longitude, location_accuracy, location_notes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            &[
                &id,
                &splitter,
                &output,
                &draft.code,
                &draft.name,
                &draft.location,
                &draft.port_capacity,
                &draft.is_active,
                &draft.notes,
                &draft.max_distance_m,
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
    kept(inserted)?;
    write_ports(tx, id, draft.port_capacity).await
}

/// Adds the ports that are missing, once the capacity is what it is to be.
async fn write_ports(tx: &TenantTx, id: NapId, capacity: i16) -> Result<()> {
    tx.execute(
        "INSERT INTO nap_port (nap_id, number, capacity) SELECT $1, number::smallint, $2 FROM generate_series(1, $2::smallint::int) AS number \
         ON CONFLICT (nap_id, number) DO NOTHING",
        &[&id, &capacity],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &TenantTx, id: NapId, draft: &NapDraft) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let gone = tx
        .execute("DELETE FROM nap_port WHERE nap_id = $1 AND number > $2", &[&id, &draft.port_capacity])
        .await;
    kept(gone)?;
    let updated = tx
        .execute(
            "UPDATE nap SET code = $2, name = $3, location = $4, port_capacity = $5, is_active = $6, notes = $7, \
             max_distance_m = $8, fibre_m = $9, connectors = $10, splices = $11, latitude = $12, longitude = $13, \
             location_accuracy = $14, location_notes = $15, updated_at = now() WHERE id = $1",
            &[
                &id,
                &draft.code,
                &draft.name,
                &draft.location,
                &draft.port_capacity,
                &draft.is_active,
                &draft.notes,
                &draft.max_distance_m,
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
    kept(updated)?;
    write_ports(tx, id, draft.port_capacity).await
}

/// Hangs a NAP, with everybody on it, on another output.
pub async fn rehang(tx: &TenantTx, id: NapId, (splitter, output): (SplitterId, i16)) -> Result<()> {
    let moved = tx
        .execute(
            "UPDATE nap SET splitter_id = $2, splitter_output = $3, updated_at = now() WHERE id = $1",
            &[&id, &splitter, &output],
        )
        .await;
    kept(moved)?;
    Ok(())
}

pub async fn delete(tx: &TenantTx, id: NapId) -> Result<()> {
    kept(tx.execute("DELETE FROM nap WHERE id = $1", &[&id]).await)?;
    Ok(())
}

/// What is on a node, for what may be deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Burden {
    pub splitters: i64,
    pub naps: i64,
    pub installations: i64,
    pub outages: i64,
}

/// What hangs on an LCP, a splitter or a NAP; the other two ids are none.
pub async fn burden(
    tx: &TenantTx,
    lcp: Option<LcpId>,
    splitter: Option<SplitterId>,
    nap: Option<NapId>,
) -> Result<Burden> {
    let row = tx
        .query_one(
            "SELECT (SELECT count(*) FROM splitter WHERE lcp_id = $1 OR parent_id = $2), \
             (SELECT count(*) FROM nap WHERE splitter_id = $2), \
             (SELECT count(*) FROM installation WHERE nap_id = $3 AND status <> 'terminated'), \
             (SELECT count(*) FROM outage WHERE status IN ('proposed', 'down') \
                 AND (lcp_id = $1 OR splitter_id = $2 OR nap_id = $3))",
            &[&lcp, &splitter, &nap],
        )
        .await?;
    Ok(Burden { splitters: row.get(0), naps: row.get(1), installations: row.get(2), outages: row.get(3) })
}

/// NAPs of these codes, which are in lower case, with their ways.
pub async fn find_by_codes(tx: &TenantTx, codes: &[String]) -> Result<Vec<NamedNap>> {
    let rows = tx
        .query(
            "SELECT n.id, n.code, l.code || '/' || s.code || '/' || n.code, n.is_active, n.port_capacity FROM nap n \
             JOIN splitter s ON s.id = n.splitter_id JOIN lcp l ON l.id = s.lcp_id \
             WHERE lower(n.code) = ANY($1) ORDER BY n.id",
            &[&codes],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| NamedNap {
            id: row.get(0),
            code: row.get(1),
            way: row.get(2),
            is_active: row.get(3),
            port_capacity: row.get(4),
        })
        .collect())
}
