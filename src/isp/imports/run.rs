//! The job: works a file through in batches. Each batch and the progress that it made are one transaction, so a worker that
//! dies leaves an import that another takes up exactly where it stands.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    batch::Batch,
    connection::Clock,
    draft::Draft,
    mapping,
    matching::Twins,
    model::{Choices, Import, State},
    places::{Naps, PortTwins},
    rules::{self, JOB},
    store,
};
use crate::{
    db::Db,
    error::{Error, FieldError, Result},
    files,
    jobs::{Job, Next, Runner},
    sheets,
    tenancy::Tenant,
    types::ImportId,
};

pub const BATCH_ROWS: usize = 500;
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// After so many attempts an import is given up and says so.
const ATTEMPTS_MAX: i32 = 6;

/// Gives the worker the job of importing customers.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let db = db.clone();
    runner.on(
        JOB,
        Arc::new(move |tenant, job| {
            let db = db.clone();
            Box::pin(async move { import_customers(&db, &tenant, &job).await })
        }),
    );
}

async fn import_customers(db: &Db, tenant: &Tenant, job: &Job) -> Result<Next> {
    let id = ImportId(job.subject);
    match work_through(db, tenant, id).await {
        Ok(()) => Ok(Next::Done),
        // What is wrong with the file itself will not mend itself.
        Err(error @ (Error::Invalid(_) | Error::NotFound { .. })) => {
            give_up(db, tenant, id, &error.detail()).await?;
            Ok(Next::Done)
        }
        Err(error) if job.attempt >= ATTEMPTS_MAX => {
            tracing::error!(import = %id, %error, "an import is given up");
            give_up(db, tenant, id, "Something went wrong on our side, several times.").await?;
            Ok(Next::Done)
        }
        Err(error) => Err(error),
    }
}

async fn give_up(db: &Db, tenant: &Tenant, id: ImportId, why: &str) -> Result<()> {
    db.in_tenant(tenant, async |tx| {
        let Some(import) = store::lock_import(tx, id).await?.filter(Import::is_busy) else { return Ok(()) };
        let done = match (import.is_dry_run, import.counts.done) {
            (false, done) if done > 0 => format!(" The first {done} rows were imported."),
            _ => String::new(),
        };
        store::update_ended(tx, id, State::Failed, Some(&format!("{why}{done}"))).await?;
        rules::record_end(tx, &rules::system(tenant, &import), &import, "customer_import.failed").await
    })
    .await
}

/// One start of one import: a later start of the same import is another run.
pub struct Run {
    pub id: ImportId,
    pub started_at: Option<DateTime<Utc>>,
    pub choices: Choices,
    pub is_dry_run: bool,
    /// Where and when it is read: as of its start, so that a run that is taken up again reads the same.
    pub clock: Clock,
    pub naps: Naps,
    pub rows: Vec<ReadRow>,
}

/// A row of the file, and what it says or what is wrong with it, without a look into the database.
pub struct ReadRow {
    pub line: u32,
    pub cells: Vec<String>,
    pub read: Result<Draft, Vec<FieldError>>,
}

async fn work_through(db: &Db, tenant: &Tenant, id: ImportId) -> Result<()> {
    let Some(run) = load(db, tenant, id).await? else { return Ok(()) };
    let mut pace = Pace::Batches;
    loop {
        let step = db
            .in_tenant_for(tenant, BATCH_TIMEOUT, async |tx| {
                Batch { tx, tenant, run: &run, pace }.work().await
            })
            .await;
        pace = match (step, pace) {
            (Ok(false), _) => return Ok(()),
            // An index refused the batch: somebody has just taken what a row wants, or two rows trade places. Row by row
            // it shows which one it is.
            (Err(Error::Conflict { .. }), Pace::Batches) => Pace::Singly(BATCH_ROWS),
            (Err(Error::Conflict { .. }), Pace::Singly(left)) => Pace::Refusing(left),
            (Err(error), _) => return Err(error),
            (Ok(true), Pace::Singly(left) | Pace::Refusing(left)) if left > 1 => Pace::Singly(left - 1),
            (Ok(true), _) => Pace::Batches,
        };
    }
}

/// How many rows are taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Batches,
    /// One by one, for so many rows.
    Singly(usize),
    /// The next row is one that an index refuses.
    Refusing(usize),
}

/// The import with its whole file read; None when there is nothing to do any more.
async fn load(db: &Db, tenant: &Tenant, id: ImportId) -> Result<Option<Run>> {
    let found = db
        .in_tenant(tenant, async |tx| {
            let Some(import) = store::lock_import(tx, id).await?.filter(Import::is_busy) else {
                return Ok(None);
            };
            store::update_running(tx, id).await?;
            let file = import.file.ok_or(Error::not_found("file"))?;
            Ok(Some((import, files::get(tx, file).await?)))
        })
        .await?;
    let Some((import, file)) = found else { return Ok(None) };
    let (choices, country) = (import.choices.clone(), tenant.country.clone());
    let clock = Clock { zone: tenant.time_zone.0, now: import.started_at.unwrap_or(import.created_at) };
    let mut rows = rules::on_table(move || read_rows(&file, &choices, &country, clock)).await?;
    let naps = db.read_tenant(tenant, async |tx| rules::naps_of(tx, drafts_of(&rows)).await).await?;
    part_ports(&mut rows, &naps);
    Ok(Some(Run {
        id,
        started_at: import.started_at,
        choices: import.choices,
        is_dry_run: import.is_dry_run,
        clock,
        naps,
        rows,
    }))
}

/// The same for the same file and choices, whenever it is done: a run that is taken up again sees what the first one saw.
fn read_rows(file: &files::File, choices: &Choices, country: &str, clock: Clock) -> Result<Vec<ReadRow>> {
    let table = sheets::read(&file.name, &file.content)?;
    choices.mapping.check(table.header.len())?;
    Ok(read_all(table.rows.into_iter(), choices, country, clock))
}

/// Reads rows one by one; of those that mean the same customer the first one is good.
pub fn read_all(
    rows: impl Iterator<Item = sheets::Row>,
    choices: &Choices,
    country: &str,
    clock: Clock,
) -> Vec<ReadRow> {
    let mut twins = Twins::new(choices.match_by);
    let read = |row: sheets::Row| {
        let values = mapping::row_values(&choices.mapping, &row);
        let read = Draft::parse(&values, country, clock).and_then(|draft| match twins.check(&draft) {
            Some(wrong) => Err(vec![wrong]),
            None => Ok(draft),
        });
        ReadRow { line: row.line, cells: row.cells, read }
    };
    rows.map(read).collect()
}

/// The rows that can be read.
pub fn drafts_of(rows: &[ReadRow]) -> impl Iterator<Item = &Draft> {
    rows.iter().filter_map(|row| row.read.as_ref().ok())
}

/// Leaves each port to the first row that wants it.
pub fn part_ports(rows: &mut [ReadRow], naps: &Naps) {
    let mut twins = PortTwins::default();
    for row in rows {
        let wrong = row.read.as_ref().ok().and_then(|draft| twins.check(naps, &draft.service, row.line));
        if let Some(wrong) = wrong {
            row.read = Err(vec![wrong]);
        }
    }
}
