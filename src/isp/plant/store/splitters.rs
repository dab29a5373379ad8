//! SQL of splitters and their outputs.

use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::{ground_of, halves};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::plant::model::{Hang, Splitter, SplitterDraft, SplitterType},
    types::search::containing,
    types::{LcpId, Limit, NapId, SplitterId},
};

/// A select box holds so many.
const CHOICES_MAX: i64 = 2_000;

macro_rules! columns {
    () => {
        "s.id, s.lcp_id, s.parent_id, s.parent_output, s.depth, s.code, s.type, s.location, s.is_active, s.created_at, \
         s.updated_at, s.fibre_m, s.connectors, s.splices, s.latitude, s.longitude, s.location_accuracy, s.location_notes, \
         ARRAY(SELECT o.loss_db FROM splitter_output o WHERE o.splitter_id = s.id ORDER BY o.number)"
    };
}

/// Outputs that something hangs on, and NAPs.
macro_rules! used_outputs {
    () => {
        "(SELECT count(DISTINCT n.splitter_output) FROM nap n WHERE n.splitter_id = s.id) \
         + (SELECT count(*) FROM splitter b WHERE b.parent_id = s.id), \
         (SELECT count(*) FROM nap n WHERE n.splitter_id = s.id)"
    };
}

fn splitter_of(row: &Row) -> Splitter {
    let (stretch, site) = ground_of(row, 11);
    let parent = row.get::<_, Option<SplitterId>>(2).zip(row.get::<_, Option<i16>>(3));
    Splitter {
        id: row.get(0),
        lcp_id: row.get(1),
        parent,
        depth: row.get(4),
        draft: SplitterDraft {
            code: row.get(5),
            kind: SplitterType::from_column(row.get(6)),
            losses: row.get::<_, Vec<Decimal>>(18),
            location: row.get(7),
            is_active: row.get(8),
            stretch,
            site,
        },
        created_at: row.get(9),
        updated_at: row.get(10),
    }
}

/// A splitter in a list.
#[derive(Debug, Clone)]
pub struct CountedSplitter {
    pub splitter: Splitter,
    pub used_outputs: i64,
    pub naps: i64,
    pub lcp_code: String,
}

fn counted_of(row: &Row) -> CountedSplitter {
    CountedSplitter {
        splitter: splitter_of(row),
        used_outputs: row.get(19),
        naps: row.get(20),
        lcp_code: row.get(21),
    }
}

/// The constraints of a splitter, as refusals.
fn kept<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("splitter_code_key", || {
            Error::conflict("code_taken", "The LCP has a splitter with this code already.")
        })
        .on_constraint("splitter_parent_output_key", output_taken)
        .on_constraint("splitter_parent_output_fkey", output_taken)
        .on_constraint("nap_splitter_output_fkey", output_taken)
}

fn output_taken() -> Error {
    Error::conflict("output_taken", "Something else hangs on this splitter port already.")
}

pub async fn find(tx: &TenantTx, id: SplitterId) -> Result<Option<CountedSplitter>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        used_outputs!(),
        ", l.code FROM splitter s JOIN lcp l ON l.id = s.lcp_id WHERE s.id = $1"
    );
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(counted_of))
}

/// One page by code, after `mark`; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    lcp: Option<LcpId>,
    q: Option<&str>,
    mark: Option<(&str, SplitterId)>,
    limit: Limit,
) -> Result<Vec<CountedSplitter>> {
    let q = q.map(containing);
    let (text, id) = (mark.map(|mark| mark.0), mark.map(|mark| mark.1));
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        used_outputs!(),
        ", l.code FROM splitter s JOIN lcp l ON l.id = s.lcp_id ",
        "WHERE ($1::uuid IS NULL OR s.lcp_id = $1) AND ($2::text IS NULL OR lower(s.code) LIKE lower($2)) ",
        "AND ($4::uuid IS NULL OR (lower(s.code), s.id) > (lower($3::text), $4)) ORDER BY lower(s.code), s.id LIMIT $5"
    );
    let rows = tx.query(sql, &[&lcp, &q, &text, &id, &limit.and_one()]).await?;
    Ok(rows.iter().map(counted_of).collect())
}

pub async fn count(tx: &TenantTx, lcp: Option<LcpId>, q: Option<&str>) -> Result<i64> {
    let q = q.map(containing);
    let row = tx
        .query_one(
            "SELECT count(*) FROM splitter WHERE ($1::uuid IS NULL OR lcp_id = $1) \
             AND ($2::text IS NULL OR lower(code) LIKE lower($2))",
            &[&lcp, &q],
        )
        .await?;
    Ok(row.get(0))
}

/// A splitter and everything below it, each with its depth, the splitter itself first.
pub async fn branch(tx: &TenantTx, id: SplitterId) -> Result<Vec<(SplitterId, i16)>> {
    let rows = tx
        .query(
            "WITH RECURSIVE branch (id, depth) AS (SELECT id, depth FROM splitter WHERE id = $1 \
             UNION ALL SELECT s.id, s.depth FROM splitter s JOIN branch b ON s.parent_id = b.id) \
             SELECT id, depth FROM branch ORDER BY depth, id",
            &[&id],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn parent_of(hang: Hang) -> (Option<SplitterId>, Option<i16>) {
    match hang {
        Hang::Lcp { .. } => (None, None),
        Hang::Output { parent_id, parent_output } => (Some(parent_id), Some(parent_output)),
    }
}

/// Says what an output is for: NAPs, or one splitter.
async fn feed(tx: &TenantTx, output: Option<(SplitterId, i16)>, what: &'static str) -> Result<()> {
    let Some((splitter, number)) = output else { return Ok(()) };
    let changed = tx
        .execute(
            "UPDATE splitter_output SET feeds = $3 WHERE splitter_id = $1 AND number = $2 AND feeds <> $3",
            &[&splitter, &number, &what],
        )
        .await;
    kept(changed)?;
    Ok(())
}

/// Checks now what would else be checked at the end, so that a refusal can be told.
async fn settle(tx: &TenantTx) -> Result<()> {
    kept(tx.execute("SET CONSTRAINTS ALL IMMEDIATE", &[]).await)?;
    tx.execute("SET CONSTRAINTS ALL DEFERRED", &[]).await?;
    Ok(())
}

/// Where a new splitter comes.
pub struct Spot {
    pub lcp: LcpId,
    pub hang: Hang,
    pub depth: i16,
}

pub async fn insert(tx: &TenantTx, id: SplitterId, spot: &Spot, draft: &SplitterDraft) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let (parent, parent_output) = parent_of(spot.hang);
    feed(tx, parent.zip(parent_output), "splitter").await?;
    let inserted = tx
        .execute(
            "INSERT INTO splitter (id, lcp_id, parent_id, parent_output, depth, code, type, outputs, location, is_active, \
             fibre_m, connectors, splices, latitude, longitude, location_accuracy, location_notes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            &[
                &id,
                &spot.lcp,
                &parent,
                &parent_output,
                &spot.depth,
                &draft.code,
                &draft.kind.as_str(),
                &draft.outputs(),
                &draft.location,
                &draft.is_active,
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
    write_outputs(tx, id, draft).await?;
    settle(tx).await
}

/// Writes the outputs as the draft has them: new ones are added, and those beyond it go.
async fn write_outputs(tx: &TenantTx, id: SplitterId, draft: &SplitterDraft) -> Result<()> {
    let outputs = draft.outputs();
    let gone = tx
        .execute("DELETE FROM splitter_output WHERE splitter_id = $1 AND number > $2", &[&id, &outputs])
        .await;
    kept(gone)?;
    tx.execute(
        "UPDATE splitter SET outputs = $2, type = $3 WHERE id = $1",
        &[&id, &outputs, &draft.kind.as_str()],
    )
    .await?;
    tx.execute(
        "INSERT INTO splitter_output (splitter_id, number, outputs, loss_db) \
         SELECT $1, o.number::smallint, $3, o.loss FROM unnest($2::numeric[]) WITH ORDINALITY AS o (loss, number) \
         ON CONFLICT (splitter_id, number) DO UPDATE SET loss_db = EXCLUDED.loss_db",
        &[&id, &draft.losses, &outputs],
    )
    .await?;
    Ok(())
}

/// Changes a splitter where it hangs.
pub async fn update(tx: &TenantTx, id: SplitterId, draft: &SplitterDraft) -> Result<()> {
    let (latitude, longitude) = halves(&draft.site);
    let updated = tx
        .execute(
            "UPDATE splitter SET code = $2, location = $3, is_active = $4, fibre_m = $5, connectors = $6, splices = $7, \
             latitude = $8, longitude = $9, location_accuracy = $10, location_notes = $11, updated_at = now() WHERE id = $1",
            &[
                &id,
                &draft.code,
                &draft.location,
                &draft.is_active,
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
    write_outputs(tx, id, draft).await?;
    settle(tx).await
}

/// The highest output that something hangs on.
pub async fn highest_used(tx: &TenantTx, id: SplitterId) -> Result<i16> {
    let row = tx
        .query_one(
            "SELECT greatest((SELECT max(splitter_output) FROM nap WHERE splitter_id = $1), \
             (SELECT max(parent_output) FROM splitter WHERE parent_id = $1))",
            &[&id],
        )
        .await?;
    Ok(row.get::<_, Option<i16>>(0).unwrap_or(0))
}

/// Hangs a whole branch elsewhere: every splitter of it gets `by` deeper, the first of them its new parent.
pub async fn rehang(tx: &TenantTx, splitter: &Splitter, branch: &[SplitterId], spot: &Spot) -> Result<()> {
    let (parent, parent_output) = parent_of(spot.hang);
    let by = spot.depth - splitter.depth;
    feed(tx, splitter.parent, "nap").await?;
    feed(tx, parent.zip(parent_output), "splitter").await?;
    let moved = tx
        .execute(
            "UPDATE splitter SET depth = depth + $2, lcp_id = $3, updated_at = now(), \
             parent_id = CASE WHEN id = $1 THEN $4 ELSE parent_id END, \
             parent_output = CASE WHEN id = $1 THEN $5 ELSE parent_output END WHERE id = ANY($6)",
            &[&splitter.id, &by, &spot.lcp, &parent, &parent_output, &branch],
        )
        .await;
    kept(moved)?;
    settle(tx).await
}

pub async fn delete(tx: &TenantTx, splitter: &Splitter) -> Result<()> {
    tx.execute("DELETE FROM splitter WHERE id = $1", &[&splitter.id]).await?;
    feed(tx, splitter.parent, "nap").await?;
    settle(tx).await
}

/// One output with what hangs on it.
#[derive(Debug, Clone)]
pub struct Output {
    pub number: i16,
    pub loss_db: Decimal,
    pub splitter: Option<(SplitterId, String)>,
    pub naps: Vec<(NapId, String)>,
}

/// The outputs of a splitter, in order.
pub async fn outputs(tx: &TenantTx, id: SplitterId) -> Result<Vec<Output>> {
    let rows = tx
        .query(
            "SELECT o.number, o.loss_db, b.id, b.code, \
             ARRAY(SELECT n.id FROM nap n WHERE n.splitter_id = o.splitter_id AND n.splitter_output = o.number \
                 ORDER BY lower(n.code), n.id), \
             ARRAY(SELECT n.code FROM nap n WHERE n.splitter_id = o.splitter_id AND n.splitter_output = o.number \
                 ORDER BY lower(n.code), n.id) \
             FROM splitter_output o LEFT JOIN splitter b ON b.parent_id = o.splitter_id AND b.parent_output = o.number \
             WHERE o.splitter_id = $1 ORDER BY o.number",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Output {
            number: row.get(0),
            loss_db: row.get(1),
            splitter: row.get::<_, Option<SplitterId>>(2).zip(row.get::<_, Option<String>>(3)),
            naps: row.get::<_, Vec<NapId>>(4).into_iter().zip(row.get::<_, Vec<String>>(5)).collect(),
        })
        .collect())
}

/// A splitter as select boxes need it.
#[derive(Debug, Clone)]
pub struct SplitterChoice {
    pub id: SplitterId,
    pub lcp_code: String,
    pub code: String,
    pub kind: String,
}

/// The splitters by LCP and code, at most two thousand.
pub async fn choices(tx: &TenantTx) -> Result<Vec<SplitterChoice>> {
    let rows = tx
        .query(
            "SELECT s.id, l.code, s.code, s.type FROM splitter s JOIN lcp l ON l.id = s.lcp_id \
             ORDER BY lower(l.code), lower(s.code), s.id LIMIT $1",
            &[&CHOICES_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| SplitterChoice {
            id: row.get(0),
            lcp_code: row.get(1),
            code: row.get(2),
            kind: row.get(3),
        })
        .collect())
}
