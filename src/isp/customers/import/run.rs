//! The job: works a file through in batches. Each batch and the progress that it made are one transaction, so a worker that
//! dies leaves an import that another takes up exactly where it stands.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    super::{many, model::Details},
    candidates,
    draft::Draft,
    mapping,
    matching::{Directory, Outcome, Twins, twin},
    model::{Choices, FailedRow, Import, RowError, State},
    rules::{self, FORGET_JOB, JOB},
    store,
};
use crate::{
    access::By,
    db::{Db, TenantTx},
    error::{Error, FieldError, OrInternal, Result},
    files,
    isp::areas,
    jobs::{Job, Next, Runner},
    sheets,
    tenancy::Tenant,
    types::{AreaId, CustomerId, ImportId},
};

const BATCH_ROWS: usize = 500;
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// After so many attempts an import is given up and says so.
const ATTEMPTS_MAX: i32 = 6;

/// Gives the worker the jobs of importing customers and of forgetting the files.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let forgetting = db.clone();
    runner.on(
        FORGET_JOB,
        Arc::new(move |tenant, job| {
            let db = forgetting.clone();
            Box::pin(async move {
                let again = rules::forget_file(&db, &tenant, ImportId(job.subject)).await?;
                Ok(again.map_or(Next::Done, Next::Again))
            })
        }),
    );
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
struct Run {
    id: ImportId,
    started_at: Option<DateTime<Utc>>,
    choices: Choices,
    is_dry_run: bool,
    rows: Vec<ReadRow>,
}

/// A row of the file, and what it says or what is wrong with it, without a look into the database.
struct ReadRow {
    line: u32,
    cells: Vec<String>,
    read: Result<Draft, Vec<FieldError>>,
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
enum Pace {
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
    let rows = rules::on_table(move || read_rows(&file, &choices, &country)).await?;
    Ok(Some(Run {
        id,
        started_at: import.started_at,
        choices: import.choices,
        is_dry_run: import.is_dry_run,
        rows,
    }))
}

/// The same for the same file and choices, whenever it is done: a run that is taken up again sees what the first one saw.
fn read_rows(file: &files::File, choices: &Choices, country: &str) -> Result<Vec<ReadRow>> {
    let table = sheets::read(&file.name, &file.content)?;
    choices.mapping.check(table.header.len())?;
    let mut twins = Twins::new(choices.match_by);
    let read = |row: sheets::Row| {
        let values = mapping::row_values(&choices.mapping, &row);
        let read = Draft::parse(&values, country).and_then(|draft| match twins.check(&draft) {
            Some(wrong) => Err(vec![wrong]),
            None => Ok(draft),
        });
        ReadRow { line: row.line, cells: row.cells, read }
    };
    Ok(table.rows.into_iter().map(read).collect())
}

/// One transaction's share of a run.
struct Batch<'a> {
    tx: &'a TenantTx,
    tenant: &'a Tenant,
    run: &'a Run,
    pace: Pace,
}

/// What became of the rows of one batch.
#[derive(Default)]
struct Settled {
    created: Vec<Details>,
    created_lines: Vec<u32>,
    updated: Vec<(CustomerId, Details)>,
    unchanged: i32,
    /// Customers who were here before, and the lines that mean them.
    matched: Vec<(CustomerId, u32)>,
    failed: Vec<FailedRow>,
}

impl Settled {
    fn fail(&mut self, row: &ReadRow, wrong: &[FieldError]) {
        self.failed.push(FailedRow {
            line: i32::try_from(row.line).unwrap_or(i32::MAX),
            errors: wrong.iter().map(RowError::from).collect(),
            cells: row.cells.clone(),
        });
    }
}

impl Batch<'_> {
    /// Whether there is more to do. The import's row is held, so two workers can never work on the same rows.
    async fn work(&self) -> Result<bool> {
        let Some(mut import) = store::lock_import(self.tx, self.run.id).await? else { return Ok(false) };
        if !import.is_busy() || import.started_at != self.run.started_at {
            return Ok(false);
        }
        let by = rules::system(self.tenant, &import);
        let done = usize::try_from(import.counts.done).internal()?;
        let rows = self.run.rows.get(done..).unwrap_or_default();
        let at_once = if self.pace == Pace::Batches { BATCH_ROWS } else { 1 };
        let rows = rows.get(..at_once).unwrap_or(rows);
        if rows.is_empty() {
            store::update_ended(self.tx, import.id, State::Finished, None).await?;
            rules::record_end(self.tx, &by, &import, "customer_import.finished").await?;
            return Ok(false);
        }
        let mut settled = match self.pace {
            Pace::Refusing(_) => refused(rows),
            _ => self.settle(rows, &self.areas(&by, rows).await?).await?,
        };
        if !self.run.is_dry_run {
            self.write(&by, &mut settled).await?;
        }
        store::insert_matches(self.tx, import.id, &settled.matched).await?;
        store::insert_failed(self.tx, import.id, &settled.failed).await?;
        let count = |n: usize| i32::try_from(n).internal();
        import.counts.done += count(rows.len())?;
        import.counts.created += count(settled.created.len())?;
        import.counts.updated += count(settled.updated.len())?;
        import.counts.unchanged += settled.unchanged;
        import.counts.failed += count(settled.failed.len())?;
        store::update_counts(self.tx, import.id, &import.counts).await?;
        Ok(true)
    }

    /// Areas by the names that rows give them, with the missing ones made if that is wanted. A trial only pretends.
    async fn areas(&self, by: &By, rows: &[ReadRow]) -> Result<HashMap<String, NamedArea>> {
        let names = rules::area_names(rows.iter().filter_map(|row| row.read.as_ref().ok()));
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let creates = self.run.choices.creates_areas;
        let found = areas::create_missing(self.tx, by, &names, creates && !self.run.is_dry_run).await?;
        let mut areas: HashMap<String, NamedArea> = found
            .into_iter()
            .map(|(name, area)| (name, NamedArea { id: area.id, is_active: area.is_active }))
            .collect();
        if creates {
            for name in names {
                let pretended = || NamedArea { id: AreaId::new(), is_active: true };
                areas.entry(name.to_owned()).or_insert_with(pretended);
            }
        }
        Ok(areas)
    }

    /// Decides on every row.
    async fn settle(&self, rows: &[ReadRow], areas: &HashMap<String, NamedArea>) -> Result<Settled> {
        let drafts: Vec<&Draft> = rows.iter().filter_map(|row| row.read.as_ref().ok()).collect();
        let known = candidates::lock_candidates(self.tx, &drafts).await?;
        let ids: Vec<CustomerId> = known.iter().map(|known| known.id).collect();
        let mut meant = store::list_matches(self.tx, self.run.id, &ids).await?;
        let directory = Directory::new(known);
        let mut settled = Settled::default();
        for row in rows {
            let outcome = match &row.read {
                Err(wrong) => Outcome::Failed(wrong.clone()),
                Ok(draft) => match area_of(draft, areas) {
                    Err(wrong) => Outcome::Failed(vec![wrong]),
                    Ok(area) => directory.decide(draft, area, &self.run.choices),
                },
            };
            let id = match &outcome {
                Outcome::Update { id, .. } | Outcome::Unchanged(id) => Some(*id),
                Outcome::Create(_) | Outcome::Failed(_) => None,
            };
            if let Some(line) = id.and_then(|id| meant.insert(id, row.line)) {
                // The first line keeps the customer.
                meant.extend(id.map(|id| (id, line)));
                settled.fail(row, &[twin("row", line)]);
                continue;
            }
            settled.matched.extend(id.map(|id| (id, row.line)));
            match outcome {
                Outcome::Create(details) => {
                    settled.created.push(*details);
                    settled.created_lines.push(row.line);
                }
                Outcome::Update { id, after } => settled.updated.push((id, *after)),
                Outcome::Unchanged(_) => settled.unchanged += 1,
                Outcome::Failed(wrong) => settled.fail(row, &wrong),
            }
        }
        Ok(settled)
    }

    /// Stores what was decided, by the rules that everyone's changes obey.
    async fn write(&self, by: &By, settled: &mut Settled) -> Result<()> {
        let ids = many::create_many(self.tx, by, &settled.created).await?;
        settled.matched.extend(ids.into_iter().zip(settled.created_lines.iter().copied()));
        many::update_many(self.tx, by, &settled.updated).await?;
        Ok(())
    }
}

/// The row that an index refuses.
fn refused(rows: &[ReadRow]) -> Settled {
    let mut settled = Settled::default();
    let detail = "Another customer has this e-mail or account number.";
    for row in rows {
        settled.fail(row, &[FieldError::new("row", "taken", detail)]);
    }
    settled
}

/// An area as rows name it.
struct NamedArea {
    id: AreaId,
    is_active: bool,
}

fn area_of(draft: &Draft, areas: &HashMap<String, NamedArea>) -> Result<Option<AreaId>, FieldError> {
    let Some(name) = &draft.area else { return Ok(None) };
    match areas.get(name) {
        None => Err(rules::unknown_area(draft)),
        Some(area) if area.is_active => Ok(Some(area.id)),
        Some(_) => Err(FieldError::new("area", "inactive_area", format!("“{name}” is switched off."))),
    }
}
