//! The first rows as they would be imported: decided by what decides the run, and nothing of it stays.

use chrono::Utc;

use super::{
    batch::Batch,
    connection::Clock,
    model::{Choices, Import, RowError},
    rules,
    run::{Pace, ReadRow, Run, drafts_of, part_ports, read_all},
};
use crate::{access::By, db::Db, error::Result, sheets};

/// One of the first rows.
pub struct PreviewRow {
    pub line: u32,
    pub cells: Vec<String>,
    /// Empty when the row is good.
    pub problems: Vec<RowError>,
}

/// The first rows under some choices, with what is wrong with each.
pub async fn preview(db: &Db, by: &By, import: &Import, choices: &Choices) -> Result<Vec<PreviewRow>> {
    let clock = Clock { zone: by.tenant.time_zone.0, now: Utc::now() };
    db.in_tenant(&by.tenant, async |tx| {
        let sample = import.sample.iter();
        let sample = sample.map(|row| sheets::Row { line: row.line, cells: row.cells.clone() });
        let mut rows = read_all(sample, choices, &by.tenant.country, clock);
        let naps = rules::naps_of(tx, drafts_of(&rows)).await?;
        part_ports(&mut rows, &naps);
        let choices = choices.clone();
        let run = Run { id: import.id, started_at: None, choices, is_dry_run: true, clock, naps, rows };
        let batch = Batch { tx, tenant: &by.tenant, run: &run, pace: Pace::Batches };
        let mut problems = tx.trial(async || batch.problems(by).await).await?;
        let shown = |row: &ReadRow| PreviewRow {
            line: row.line,
            cells: row.cells.clone(),
            problems: problems.remove(&row.line).unwrap_or_default(),
        };
        Ok(run.rows.iter().map(shown).collect())
    })
    .await
}
