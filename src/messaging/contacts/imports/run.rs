//! The job: works an import through in batches.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Counts, ERRORS_KEPT, Import, JOB, Line, RowError, State, batch,
    batch::{Fate, GroupNames, Plan},
    event, groups, store,
};
use crate::{
    access::By,
    audit::{self, Actor, Event, changes},
    db::{Db, TenantTx},
    error::{Error, OrInternal, Result},
    events,
    jobs::{Job, Next, Runner},
    messaging::contacts::{
        conflicts::{self, Claim},
        model::country_of,
        rules, store as contacts,
    },
    tenancy::Tenant,
    types::{ContactId, ContactImportId, Country},
};

const BATCH_ROWS: usize = 500;
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
/// A batch that meets somebody else's change is looked at anew so often at once.
const TRIES: usize = 5;
/// After so many attempts an import is given up and says so.
const ATTEMPTS_MAX: i32 = 6;

/// Gives the worker the job of importing contacts.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let db = db.clone();
    runner.on(
        JOB,
        Arc::new(move |tenant, job| {
            let db = db.clone();
            Box::pin(async move { import_contacts(&db, &tenant, &job).await })
        }),
    );
}

async fn import_contacts(db: &Db, tenant: &Tenant, job: &Job) -> Result<Next> {
    let id = ContactImportId(job.subject);
    match work_through(db, tenant, id).await {
        Ok(()) => Ok(Next::Done),
        Err(error) if job.attempt >= ATTEMPTS_MAX => {
            tracing::error!(import = %id, %error, "an import of contacts is given up");
            give_up(db, tenant, id).await?;
            Ok(Next::Done)
        }
        Err(error) => Err(error),
    }
}

/// Who an import's job is: the tenant's own system user, on somebody's behalf.
fn system(tenant: &Tenant, import: &Import) -> By {
    let actor = Actor { label: format!("Import by {}", import.staff_label), ..Actor::system() };
    By { actor, ..By::system(tenant.clone()) }
}

async fn give_up(db: &Db, tenant: &Tenant, id: ContactImportId) -> Result<()> {
    db.in_tenant(tenant, async |tx| {
        let Some(mut import) = store::lock(tx, id).await?.filter(|one| one.state == State::Running) else {
            return Ok(());
        };
        import.state = State::Cancelled;
        let detail =
            "Something went wrong on our side, several times. The rows from here on were not brought in.";
        import.errors.push(RowError { row: 0, field: "row".into(), detail: detail.into() });
        store::finish(tx, &import).await?;
        end(tx, &system(tenant, &import), &import, "contact_import.failed").await
    })
    .await
}

async fn end(tx: &TenantTx, by: &By, import: &Import, action: &'static str) -> Result<()> {
    let Counts { total, done, created, updated, unchanged, conflicts, failed } = import.counts;
    let after = json!({
        "rows": total, "done": done, "created": created, "updated": updated, "unchanged": unchanged,
        "conflicts": conflicts, "failed": failed,
    });
    by.record(tx, Event { after: Some(after), ..event(action, import) }).await?;
    let text = format!(
        "{}: {created} contacts added, {updated} changed, {conflicts} conflicts, {failed} wrong rows.",
        import.file_name
    );
    events::tell_staff(tx, "contacts.edit", &text, &format!("/contacts/imports/{}", import.id)).await
}

async fn work_through(db: &Db, tenant: &Tenant, id: ContactImportId) -> Result<()> {
    let country = country_of(tenant)?;
    let Some(rows) = db.read_tenant(tenant, async |tx| store::rows(tx, id).await).await? else {
        return Ok(());
    };
    let mut tries = 0;
    loop {
        let step = db
            .in_tenant_for(tenant, BATCH_TIMEOUT, async |tx| step(tx, tenant, id, &rows, &country).await)
            .await;
        match step {
            Ok(true) => tries = 0,
            Ok(false) => return Ok(()),
            // Somebody has just taken an address: the batch is looked at anew.
            Err(Error::Conflict { .. }) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// One batch. Whether there is more to do; the import's row is held, so two workers never work on the same rows.
async fn step(
    tx: &TenantTx,
    tenant: &Tenant,
    id: ContactImportId,
    rows: &[Line],
    country: &Country,
) -> Result<bool> {
    let Some(mut import) = store::lock(tx, id).await?.filter(|one| one.state == State::Running) else {
        return Ok(false);
    };
    let by = system(tenant, &import);
    let rest = usize::try_from(import.counts.done).ok().and_then(|done| rows.get(done..)).unwrap_or_default();
    let lines = rest.get(..BATCH_ROWS).unwrap_or(rest);
    if lines.is_empty() {
        import.state = State::Done;
        store::finish(tx, &import).await?;
        end(tx, &by, &import, "contact_import.finished").await?;
        return Ok(false);
    }
    let names = GroupNames::for_mapping(tx, &import.mapping).await?;
    let ids = batch::meant(tx, lines, &import.mapping, country, &names).await?;
    let known = contacts::lock_many(tx, &ids).await?;
    let before = batch::told_before(&known);
    let plan = batch::plan(lines, &import.mapping, country, known, &names);
    write(tx, &by, &import, &plan, &before).await?;
    count(&mut import, lines.len(), &plan)?;
    import.errors.extend(plan.errors);
    import.errors.truncate(ERRORS_KEPT);
    store::update(tx, &import).await?;
    Ok(true)
}

fn count(import: &mut Import, lines: usize, plan: &Plan) -> Result<()> {
    let n = |n: usize| i32::try_from(n).internal();
    let counts = &mut import.counts;
    counts.done += n(lines)?;
    counts.created += n(plan.created.len())?;
    counts.updated += n(plan.changed.len())?;
    counts.unchanged += n(plan.count(Fate::Same))?;
    counts.conflicts += n(plan.count(Fate::Conflict))?;
    counts.failed += n(plan.count(Fate::Wrong))?;
    Ok(())
}

async fn write(
    tx: &TenantTx,
    by: &By,
    import: &Import,
    plan: &Plan,
    before: &std::collections::HashMap<ContactId, serde_json::Value>,
) -> Result<()> {
    let of = |ids: &mut dyn Iterator<Item = &ContactId>| -> Vec<(ContactId, &_)> {
        ids.filter_map(|id| Some((*id, plan.drafts.get(id)?))).collect()
    };
    let (created, changed) = (of(&mut plan.created.iter()), of(&mut plan.changed.iter()));
    contacts::insert_many(tx, &created).await?;
    contacts::update_many(tx, &changed).await?;
    let addresses: Vec<_> = plan.addresses.iter().map(|(id, address)| (*id, address)).collect();
    contacts::insert_addresses(tx, &addresses).await?;
    if let Some(group) = import.group {
        let members: Vec<ContactId> = plan.members.iter().copied().collect();
        groups::add_members(tx, group, &members).await?;
    }
    groups::join(tx, &plan.joins).await?;
    let claims: Vec<Claim<'_>> = plan
        .claims
        .iter()
        .map(|one| Claim {
            address: &one.address,
            owner: one.owner,
            claimant: one.claimant,
            name: &one.name,
            source: "import",
        })
        .collect();
    conflicts::claim(tx, &claims).await?;
    let mut told: Vec<Event<'_>> = created
        .iter()
        .map(|(id, draft)| Event {
            after: Some(draft.told()),
            ..rules::event("contact.created", *id, &draft.name)
        })
        .collect();
    for (id, draft) in &changed {
        let (before, after) = changes(before.get(id).unwrap_or(&serde_json::Value::Null), &draft.told());
        // Who only came into groups is otherwise as before.
        let after = after.or_else(|| Some(json!({ "groups": plan.groups_of(*id) })));
        told.push(Event { before, after, ..rules::event("contact.updated", *id, &draft.name) });
    }
    audit::record_all(tx, &by.actor, by.origin.as_ref(), told).await
}
