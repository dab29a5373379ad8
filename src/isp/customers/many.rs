//! What may be done with many customers at once: set-based, in one transaction, one event per customer.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    belongings, list,
    model::{Customer, Details, Status, transition},
    query::Filter,
    rules::{event, must_fit_plan},
    store,
};
use crate::{
    access::By,
    audit::{self, Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::areas,
    types::{AreaId, CustomerId},
    words::say,
};

/// One statement works on so many customers.
const BATCH: i64 = 1_000;
/// One call changes at most so many.
pub const MOST: usize = 50_000;
/// One statement of such a call may take so long.
pub const AT_MOST: Duration = Duration::from_secs(60);

/// Which customers.
#[derive(Debug, Clone)]
pub enum Chosen {
    Ids(Vec<CustomerId>),
    /// Everyone who matches.
    Matching(Filter),
}

/// What is done with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    SetStatus(Status),
    SetArea(Option<AreaId>),
    Delete,
    Restore,
}

/// What became of a call for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// How many were found.
    pub matched: usize,
    /// How many of them are different now.
    pub changed: usize,
    /// When, for deletions: what brings exactly these back.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// A customer who is to be written, as it was and as it becomes.
struct Change {
    was: Customer,
    becomes: Details,
    action: &'static str,
}

/// Does one thing with many customers, or with none of them.
pub async fn change_many(tx: &TenantTx, by: &By, chosen: &Chosen, action: Action) -> Result<Outcome> {
    if let Action::SetArea(Some(area)) = action {
        check_area(tx, area, "value").await?;
    }
    let mut outcome = Outcome::default();
    match chosen {
        Chosen::Ids(ids) if action == Action::Restore => {
            let found = lock_deleted(tx, ids).await?;
            outcome.matched = found.len();
            outcome.changed = restore_batch(tx, by, &found).await?;
        }
        Chosen::Matching(_) if action == Action::Restore => {
            return Err(Error::invalid(
                "ids",
                "required",
                "Those who are to come back are named by their ids.",
            ));
        }
        Chosen::Ids(ids) => {
            let found = store::lock_many(tx, ids).await?;
            known_all(ids, &found)?;
            outcome.matched = found.len();
            change_batch(tx, by, found, action, &mut outcome).await?;
        }
        Chosen::Matching(filter) => {
            if let Some(area) = filter.area
                && areas::find_name(tx, area).await?.is_none()
            {
                return Err(Error::invalid("filter.area_id", "unknown", "There is no such area."));
            }
            let mut after = None;
            loop {
                let found = list::lock_matching(tx, filter, after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.id);
                outcome.matched += found.len();
                if outcome.matched > MOST {
                    return Err(Error::invalid(
                        "filter",
                        "too_many",
                        say!("At most {} customers can be changed at once. Narrow the filter.", MOST),
                    ));
                }
                change_batch(tx, by, found, action, &mut outcome).await?;
            }
        }
    }
    Ok(outcome)
}

async fn check_area(tx: &TenantTx, id: AreaId, field: &'static str) -> Result<()> {
    match areas::find_name(tx, id).await? {
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(Error::invalid(field, "area_inactive", "This area is switched off.")),
        None => Err(Error::invalid(field, "unknown", "There is no such area.")),
    }
}

/// A body that names somebody who is not here is wrong as a whole.
fn known_all(ids: &[CustomerId], found: &[Customer]) -> Result<()> {
    let known: HashSet<CustomerId> = found.iter().map(|customer| customer.id).collect();
    match ids.iter().position(|id| !known.contains(id)) {
        None => Ok(()),
        Some(at) => Err(Error::invalid(format!("ids[{at}]"), "unknown", "There is no such customer.")),
    }
}

async fn change_batch(
    tx: &TenantTx,
    by: &By,
    found: Vec<Customer>,
    action: Action,
    outcome: &mut Outcome,
) -> Result<()> {
    match action {
        Action::SetStatus(status) => {
            let mut changes = Vec::with_capacity(found.len());
            for was in found {
                if let Some(step) = transition(was.details.status, status)? {
                    let becomes = Details { status, ..was.details.clone() };
                    changes.push(Change { was, becomes, action: step.action });
                }
            }
            outcome.changed += changes.len();
            write_batch(tx, by, &changes).await
        }
        Action::SetArea(area_id) => {
            let changes: Vec<Change> = found
                .into_iter()
                .filter(|was| was.details.area_id != area_id)
                .map(|was| {
                    let becomes = Details { area_id, ..was.details.clone() };
                    Change { was, becomes, action: "customer.updated" }
                })
                .collect();
            outcome.changed += changes.len();
            write_batch(tx, by, &changes).await
        }
        Action::Delete => {
            outcome.changed += found.len();
            outcome.deleted_at = Some(delete_batch(tx, by, &found).await?);
            Ok(())
        }
        Action::Restore => Ok(()),
    }
}

/// The rows with one statement, their events with another.
async fn write_batch(tx: &TenantTx, by: &By, changed: &[Change]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows: Vec<(CustomerId, &Details)> =
        changed.iter().map(|change| (change.was.id, &change.becomes)).collect();
    store::update_many(tx, &rows).await?;
    let names: Vec<String> = changed.iter().map(|change| change.becomes.name()).collect();
    let events = changed
        .iter()
        .zip(&names)
        .map(|(change, name)| {
            let (before, after) = changes(&change.was.details.told(), &change.becomes.told());
            Event { before, after, ..event(change.action, change.was.id, name) }
        })
        .collect();
    record(tx, by, events).await
}

async fn record(tx: &TenantTx, by: &By, events: Vec<Event<'_>>) -> Result<()> {
    audit::record_all(tx, &by.actor, by.origin.as_ref(), events).await
}

async fn record_each(
    tx: &TenantTx,
    by: &By,
    action: &'static str,
    of: &[Customer],
    tell: impl Fn(Value) -> (Option<Value>, Option<Value>),
) -> Result<()> {
    let names: Vec<String> = of.iter().map(|customer| customer.details.name()).collect();
    let events = of
        .iter()
        .zip(&names)
        .map(|(customer, name)| {
            let (before, after) = tell(customer.details.told());
            Event { before, after, ..event(action, customer.id, name) }
        })
        .collect();
    record(tx, by, events).await
}

async fn delete_batch(tx: &TenantTx, by: &By, found: &[Customer]) -> Result<DateTime<Utc>> {
    let ids: Vec<CustomerId> = found.iter().map(|customer| customer.id).collect();
    belongings::check_deletable(tx, &ids).await?;
    let at = store::delete_many(tx, &ids).await?;
    record_each(tx, by, "customer.deleted", found, |was| (Some(was), None)).await?;
    Ok(at)
}

async fn lock_deleted(tx: &TenantTx, ids: &[CustomerId]) -> Result<Vec<Customer>> {
    let found = store::lock_many_any(tx, ids).await?;
    known_all(ids, &found)?;
    if let Some(at) = found.iter().position(|customer| customer.merged_into.is_some()) {
        return Err(Error::conflict(
            "merged",
            say!(
                "{} was merged into another customer.",
                found.get(at).map(|c| c.details.name()).unwrap_or_default()
            ),
        ));
    }
    Ok(found)
}

async fn restore_batch(tx: &TenantTx, by: &By, found: &[Customer]) -> Result<usize> {
    let deleted: Vec<Customer> =
        found.iter().filter(|customer| customer.deleted_at.is_some()).cloned().collect();
    let ids: Vec<CustomerId> = deleted.iter().map(|customer| customer.id).collect();
    must_fit_plan(tx, by, ids.len()).await?;
    store::restore(tx, &ids).await?;
    record_each(tx, by, "customer.restored", &deleted, |is| (None, Some(is))).await?;
    Ok(deleted.len())
}

/// Brings back exactly those whom one call deleted: all of one transaction carry the same instant.
pub async fn undo_deletion(tx: &TenantTx, by: &By, at: DateTime<Utc>) -> Result<usize> {
    let mut restored = 0;
    loop {
        let found = list::lock_deleted_at(tx, at, BATCH).await?;
        if found.is_empty() {
            return Ok(restored);
        }
        restored += restore_batch(tx, by, &found).await?;
    }
}

/// Adds many customers at once, all or none. Areas must be known and active; a taken e-mail address or account number is a 409.
pub async fn create_many(tx: &TenantTx, by: &By, rows: &[Details]) -> Result<Vec<CustomerId>> {
    let mut areas: Vec<AreaId> = rows.iter().filter_map(|details| details.area_id).collect();
    areas.sort_unstable();
    areas.dedup();
    for area in areas {
        check_area(tx, area, "area_id").await?;
    }
    must_fit_plan(tx, by, rows.len()).await?;
    let ids: Vec<CustomerId> = rows.iter().map(|_| CustomerId::new()).collect();
    let pairs: Vec<(CustomerId, &Details)> = ids.iter().copied().zip(rows).collect();
    for batch in pairs.chunks(1_000) {
        store::insert_many(tx, batch).await?;
        let names: Vec<String> = batch.iter().map(|(_, details)| details.name()).collect();
        let events = batch
            .iter()
            .zip(&names)
            .map(|((id, details), name)| Event {
                after: Some(details.told()),
                ..event("customer.created", *id, name)
            })
            .collect();
        record(tx, by, events).await?;
    }
    Ok(ids)
}

/// Changes many customers at once, all or none: each gets the values given for it, and only those that differ are written.
/// How many were different. Who is deleted or unknown is 422 on `ids[n]`.
pub async fn update_many(tx: &TenantTx, by: &By, rows: &[(CustomerId, Details)]) -> Result<usize> {
    let mut changed = 0;
    for batch in rows.chunks(1_000) {
        let ids: Vec<CustomerId> = batch.iter().map(|(id, _)| *id).collect();
        let found = store::lock_many(tx, &ids).await?;
        known_all(&ids, &found)?;
        let mut changes = Vec::new();
        for was in found {
            let Some((_, wanted)) = batch.iter().find(|(id, _)| *id == was.id) else { continue };
            transition(was.details.status, wanted.status)?;
            if was.details != *wanted {
                changes.push(Change { was, becomes: wanted.clone(), action: "customer.updated" });
            }
        }
        changed += changes.len();
        write_batch(tx, by, &changes).await?;
    }
    Ok(changed)
}
