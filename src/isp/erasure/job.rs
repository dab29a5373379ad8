//! What follows an erasure's commit: the books and the trail, which a tenant's role cannot change; then the search. Each part is
//! safe to do again, so a worker that dies is followed by one that goes on.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Eraser,
    model::{Erasure, Removed, Status},
    person, rules, store,
};
use crate::{
    access::By,
    audit::{Traces, erase_person},
    error::Result,
    jobs::{Job, Next, Runner},
    secrets::DataKeys,
    tenancy::{
        Tenant,
        scan::{self, Found},
    },
    types::ErasureId,
};

pub const KIND: &str = "people.erase";
/// A table may be large.
const SEARCH_TIME: Duration = Duration::from_secs(600);

/// Mounts the job.
pub fn handlers(runner: &mut Runner, eraser: &Eraser) {
    let eraser = eraser.clone();
    runner.on_heavy(
        KIND,
        Arc::new(move |tenant: Tenant, job: Job| {
            let eraser = eraser.clone();
            Box::pin(async move {
                complete(&eraser, &tenant, ErasureId(job.subject)).await?;
                Ok(Next::Done)
            })
        }),
    );
}

async fn complete(eraser: &Eraser, tenant: &Tenant, id: ErasureId) -> Result<()> {
    let db = &eraser.db;
    let (erasure, sealed) = db
        .read_tenant(tenant, async |tx| {
            Ok((store::find(tx, id).await?, store::find_sealed_words(tx, id).await?))
        })
        .await?;
    let (Some(erasure), Some(sealed)) = (erasure, sealed) else { return Ok(()) };
    let keys = eraser.keys.of(tenant.id()).await?;
    let words = rules::opened_words(&keys, id, &sealed)?;
    let mut removed =
        db.in_public(async |tx| store::erase_from_books(tx, tenant.id(), id, &words).await).await?;
    removed.extend(from_trail(eraser, tenant, &keys, &erasure, &words).await?);
    if !removed.is_empty() {
        let all: Vec<Removed> = erasure.removed.iter().cloned().chain(removed).collect();
        db.in_tenant(tenant, async |tx| store::update_removed(tx, id, &all).await).await?;
    }
    let found = search(eraser, tenant, &words).await?;
    db.in_tenant(tenant, async |tx| {
        if !store::finish(tx, id, &found, scan::tables()).await? {
            return Ok(());
        }
        let status = if found.is_empty() { Status::Clean } else { Status::Found };
        let after = json!({ "outcome": status.as_str(), "tables": scan::tables(), "found": found });
        By::system(tenant.clone())
            .record(tx, rules::event("erasure.searched", id, &erasure.number, after))
            .await
    })
    .await
}

async fn from_trail(
    eraser: &Eraser,
    tenant: &Tenant,
    keys: &DataKeys,
    erasure: &Erasure,
    words: &[String],
) -> Result<Option<Removed>> {
    let db = &eraser.db;
    let objects = db.read_tenant(tenant, async |tx| person::objects(tx, &erasure.people).await).await?;
    let traces = Traces { objects: &objects, actors: &erasure.people, words };
    let reason = format!("Erasure {}", erasure.number);
    let rows = erase_person(db, &eraser.anchor, keys, tenant, &traces, &reason).await?;
    let removed = Removed { table: "audit_event".into(), what: "emptied".into(), rows };
    Ok((rows > 0).then_some(removed))
}

/// Looks into every column of every table, one table a transaction.
async fn search(eraser: &Eraser, tenant: &Tenant, words: &[String]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if words.is_empty() {
        return Ok(found);
    }
    for place in 0..scan::tables() {
        let look = async |tx: &crate::db::TenantTx| scan::look_for(tx, place, words).await;
        found.extend(eraser.db.in_tenant_for(tenant, SEARCH_TIME, look).await?);
    }
    Ok(found)
}
