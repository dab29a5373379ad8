//! One batch of a file: decided row by row, written by the rules that everyone's changes obey, and taken back if it is a trial.

use std::collections::HashMap;

use super::{
    connection::Service,
    draft::Draft,
    matching::{self, Outcome, twin},
    model::{FailedRow, OnMatch, RowError, State},
    places::{self, Work},
    rules,
    run::{BATCH_ROWS, Pace, ReadRow, Run, drafts_of},
    store,
};
use crate::{
    access::By,
    db::TenantTx,
    error::{FieldError, OrInternal, Result},
    isp::{
        areas,
        billing::{self, Opening},
        customers::{self, Details},
        installations::{self, Connection},
    },
    tenancy::Tenant,
    types::{AreaId, CustomerId, InstallationId},
    words::say,
};

/// One transaction's share of a run.
pub struct Batch<'a> {
    pub tx: &'a TenantTx,
    pub tenant: &'a Tenant,
    pub run: &'a Run,
    pub pace: Pace,
}

/// What became of the rows of one batch.
#[derive(Default)]
struct Settled {
    created: Vec<Fresh>,
    updated: Vec<(CustomerId, Details)>,
    /// Of customers who were here before.
    works: Vec<(CustomerId, Work)>,
    /// Rows of whom nothing but the connection or the period is new.
    served: usize,
    unchanged: i32,
    /// Customers who were here before, and the lines that mean them.
    matched: Vec<(CustomerId, u32)>,
    failed: Vec<FailedRow>,
}

/// A customer who is to be, with what else the row asks for.
struct Fresh {
    line: u32,
    details: Details,
    work: Option<Work>,
}

/// How many installations were made, and how many periods brought forward.
#[derive(Default)]
struct Written {
    connected: usize,
    brought: usize,
}

impl Settled {
    fn fail(&mut self, row: &ReadRow, wrong: &[FieldError]) {
        self.failed.push(FailedRow {
            line: i32::try_from(row.line).unwrap_or(i32::MAX),
            errors: wrong.iter().map(RowError::from).collect(),
            cells: row.cells.clone(),
        });
    }

    /// Keeps what becomes of a row.
    fn take(&mut self, row: &ReadRow, outcome: Outcome, work: Option<Work>, mut wrong: Vec<FieldError>) {
        self.matched.extend(outcome.customer().map(|id| (id, row.line)));
        if let Outcome::Failed(found) = &outcome {
            wrong.splice(0..0, found.iter().cloned());
        }
        if !wrong.is_empty() {
            return self.fail(row, &wrong);
        }
        match outcome {
            Outcome::Create(details) => {
                self.created.push(Fresh { line: row.line, details: *details, work });
            }
            Outcome::Update { id, after } => {
                self.updated.push((id, *after));
                self.works.extend(work.map(|work| (id, work)));
            }
            Outcome::Unchanged(id) => match work {
                Some(work) => {
                    self.served += 1;
                    self.works.push((id, work));
                }
                None => self.unchanged += 1,
            },
            Outcome::Failed(_) => {}
        }
    }
}

impl Batch<'_> {
    /// Whether there is more to do. The import's row is held, so two workers can never work on the same rows.
    pub async fn work(&self) -> Result<bool> {
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
        // A trial does everything, so that it tells what the run will tell, and takes it back.
        let (settled, written) = match self.run.is_dry_run {
            true => self.tx.trial(async || self.settle_and_write(&by, rows).await).await?,
            false => self.settle_and_write(&by, rows).await?,
        };
        store::insert_matches(self.tx, import.id, &settled.matched).await?;
        store::insert_failed(self.tx, import.id, &settled.failed).await?;
        let count = |n: usize| i32::try_from(n).internal();
        import.counts.done += count(rows.len())?;
        import.counts.created += count(settled.created.len())?;
        import.counts.updated += count(settled.updated.len() + settled.served)?;
        import.counts.unchanged += settled.unchanged;
        import.counts.failed += count(settled.failed.len())?;
        import.counts.connected += count(written.connected)?;
        import.counts.brought += count(written.brought)?;
        store::update_counts(self.tx, import.id, &import.counts).await?;
        Ok(true)
    }

    async fn settle_and_write(&self, by: &By, rows: &[ReadRow]) -> Result<(Settled, Written)> {
        if matches!(self.pace, Pace::Refusing(_)) {
            return Ok((refused(rows), Written::default()));
        }
        let areas = self.areas(by, rows).await?;
        let mut settled = self.settle(rows, &areas, true).await?;
        let written = self.write(by, &mut settled).await?;
        Ok((settled, written))
    }

    /// Areas by the names that rows give them, with the missing ones made if that is wanted.
    async fn areas(&self, by: &By, rows: &[ReadRow]) -> Result<HashMap<String, NamedArea>> {
        let names = rules::area_names(drafts_of(rows));
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let found = areas::create_missing(self.tx, by, &names, self.run.choices.creates_areas).await?;
        let named = |(name, area): (String, areas::AreaChoice)| {
            (name, NamedArea { id: area.id, is_active: area.is_active })
        };
        Ok(found.into_iter().map(named).collect())
    }

    /// What is wrong with each row of the run, by its line; rows that were worked through before are looked at afresh.
    pub async fn problems(&self, by: &By) -> Result<HashMap<u32, Vec<RowError>>> {
        let rows = &self.run.rows;
        let areas = self.areas(by, rows).await?;
        let failed = self.settle(rows, &areas, false).await?.failed;
        Ok(failed.into_iter().map(|row| (u32::try_from(row.line).unwrap_or(u32::MAX), row.errors)).collect())
    }

    /// Decides on every row; `recalls` the customers that earlier rows of the run were matched with.
    async fn settle(
        &self,
        rows: &[ReadRow],
        areas: &HashMap<String, NamedArea>,
        recalls: bool,
    ) -> Result<Settled> {
        let drafts: Vec<&Draft> = drafts_of(rows).collect();
        let details: Vec<&Details> = drafts.iter().map(|draft| &draft.details).collect();
        let known = customers::lock_candidates(self.tx, &details).await?;
        let ids: Vec<CustomerId> = known.iter().map(|known| known.id).collect();
        let mut meant = match recalls {
            true => store::list_matches(self.tx, self.run.id, &ids).await?,
            false => HashMap::new(),
        };
        let services: Vec<&Service> = drafts.iter().map(|draft| &draft.service).collect();
        let (naps, clock) = (&self.run.naps, self.run.clock);
        let places = places::Directory::load(self.tx, naps, clock, &services, &ids).await?;
        let persons = matching::Directory::new(known);
        let mut settled = Settled::default();
        for row in rows {
            let (draft, area) = match row.read.as_ref().map(|draft| (draft, area_of(draft, areas))) {
                Err(wrong) => {
                    settled.fail(row, wrong);
                    continue;
                }
                Ok(read) => read,
            };
            // What is wrong with one half of a row is told with what is wrong with the other.
            let (area, mut wrong) = match area {
                Ok(area) => (area, Vec::new()),
                Err(wrong) => (None, vec![wrong]),
            };
            let outcome = persons.decide(draft, area, &self.run.choices);
            let id = outcome.customer();
            if let Some(line) = id.and_then(|id| meant.insert(id, row.line)) {
                // The first line keeps the customer.
                meant.extend(id.map(|id| (id, line)));
                settled.fail(row, &[twin("row", line)]);
                continue;
            }
            let work = match id {
                Some(_) if self.run.choices.on_match == OnMatch::Skip => None,
                _ => places.decide(&draft.service, id).unwrap_or_else(|found| {
                    wrong.extend(found);
                    None
                }),
            };
            settled.take(row, outcome, work, wrong);
        }
        Ok(settled)
    }

    /// Stores what was decided.
    async fn write(&self, by: &By, settled: &mut Settled) -> Result<Written> {
        let details: Vec<Details> = settled.created.iter().map(|fresh| fresh.details.clone()).collect();
        let ids = customers::create_many(self.tx, by, &details).await?;
        if !self.run.is_dry_run {
            let lines = settled.created.iter().map(|fresh| fresh.line);
            settled.matched.extend(ids.iter().copied().zip(lines));
        }
        customers::update_many(self.tx, by, &settled.updated).await?;
        let of_fresh = ids.into_iter().zip(settled.created.iter().map(|fresh| fresh.work.clone()));
        let mut works: Vec<(CustomerId, Work)> =
            of_fresh.filter_map(|(customer, work)| Some((customer, work?))).collect();
        works.append(&mut settled.works);
        self.serve(by, works).await
    }

    /// Makes the installations and brings the periods forward.
    async fn serve(&self, by: &By, works: Vec<(CustomerId, Work)>) -> Result<Written> {
        let new: Vec<Connection> = works
            .iter()
            .filter(|(_, work)| work.at.is_none())
            .map(|(customer, work)| Connection {
                customer: *customer,
                port: work.port.clone(),
                installed_on: work.installed_on,
            })
            .collect();
        let made = installations::connect_many(self.tx, by, &new).await?;
        let connected = made.len();
        let mut made = made.into_iter();
        let mut openings = Vec::new();
        for (customer, work) in works {
            let at: Option<InstallationId> = work.at.or_else(|| made.next());
            if let (Some(installation), Some((plan, span))) = (at, work.paid) {
                openings.push(Opening { installation, customer, plan, span });
            }
        }
        billing::bring_forward(self.tx, by, &openings).await?;
        Ok(Written { connected, brought: openings.len() })
    }
}

/// The row that an index refuses.
fn refused(rows: &[ReadRow]) -> Settled {
    let mut settled = Settled::default();
    let detail = "Somebody has just taken the e-mail, the account number or the port.";
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
        Some(_) => Err(FieldError::new("area", "inactive_area", say!("“{}” is switched off.", name))),
    }
}
