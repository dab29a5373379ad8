//! Looking at tickets of one place: whether they mean that a node is down.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    infer::{Complaint, Path, suspect},
    model::{Draft, Outage, Status},
    rules::{event, installations, numbered, publish, tell_staff, unknown_cause},
    store::{self, OffTicket},
    subscribers, tree,
};
use crate::{
    access::By,
    audit::Event,
    db::{Db, TenantTx},
    error::Result,
    isp::{plant::node::Node, tickets},
    jobs::{Next, Runner},
    types::{NapId, TicketId},
};

/// Names the handler of the job that a ticket which says that somebody is off asks for.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let db = db.clone();
    runner.on(
        tickets::SUSPECT_OUTAGE,
        Arc::new(move |tenant, job| {
            let db = db.clone();
            Box::pin(async move {
                let by = By::system(tenant.clone());
                db.in_tenant(&tenant, async |tx| look(tx, &by, TicketId(job.subject)).await).await?;
                Ok(Next::Done)
            })
        }),
    );
}

/// Proposes an outage when this ticket, with others of the last hours, means one. Looking again proposes nothing more.
pub async fn look(tx: &TenantTx, by: &By, ticket: TicketId) -> Result<Option<Outage>> {
    // One after the other, so that two tickets never propose two outages.
    let policy = store::lock_policy(tx).await?;
    let off = store::find_off_tickets(tx, policy.propose_hours).await?;
    let Some(newest) = off.iter().find(|one| one.ticket == ticket).copied() else { return Ok(None) };
    let mut naps: Vec<NapId> = off.iter().map(|one| one.nap).collect();
    naps.sort_unstable();
    naps.dedup();
    let ways = tree::ways_up(tx, &naps).await?;
    let way = |nap: NapId| ways.get(&nap).cloned().unwrap_or_else(|| vec![Node::Nap(nap)]);
    let complaints: Vec<Complaint> =
        off.iter().map(|one| Complaint { installation: one.installation, path: way(one.nap) }).collect();
    let mut current: Vec<(Outage, Path)> = Vec::new();
    for outage in store::find_current(tx).await? {
        if let Some(node) = outage.node {
            current.push((outage, tree::way_up(tx, node).await?));
        }
    }
    let newest_way = way(newest.nap);
    if let Some((explaining, _)) =
        current.iter().find(|(outage, _)| outage.node.is_some_and(|node| newest_way.contains(&node)))
    {
        tickets::attach_to_outage(tx, explaining.id, &[newest.installation]).await?;
        return Ok(None);
    }
    let paths: Vec<Path> = current.iter().map(|(_, path)| path.clone()).collect();
    let least = usize::try_from(policy.propose_tickets).unwrap_or(2);
    let Some(node) = suspect(&newest_way, &complaints, &paths, least) else { return Ok(None) };
    let since = first_off(&off, node, way);
    let outage = propose(tx, by, node, since).await?;
    for (lower, path) in current {
        if lower.status == Status::Proposed && path.contains(&node) {
            withdraw(tx, by, lower, &outage).await?;
        }
    }
    Ok(Some(outage))
}

/// When the first of those under a node said that they are off.
fn first_off(off: &[OffTicket], node: Node, way: impl Fn(NapId) -> Path) -> Option<DateTime<Utc>> {
    off.iter().filter(|one| way(one.nap).contains(&node)).map(|one| one.created_at).min()
}

async fn propose(tx: &TenantTx, by: &By, node: Node, since: Option<DateTime<Utc>>) -> Result<Outage> {
    let draft = Draft { started_at: since, ..unknown_cause() };
    let outage = numbered(tx, by, node, Status::Proposed, &draft).await?;
    store::insert(tx, &outage).await?;
    let served = tree::served_by(tx, node).await?;
    subscribers::insert(tx, outage.id, &served).await?;
    let explained = tickets::attach_to_outage(tx, outage.id, &installations(&served)).await?;
    by.record(tx, Event { after: Some(outage.told()), ..event("outage.proposed", &outage) }).await?;
    let payload = json!({
        "number": outage.number, "node": outage.node_label, "tickets": explained.len(), "affected": served.len(),
    });
    publish(tx, "outage.proposed", &outage, &payload).await?;
    let text = format!("{} may be down: {} tickets from there.", outage.node_label, explained.len());
    tell_staff(tx, &outage, &text).await?;
    Ok(outage)
}

/// A proposal that is part of a larger one goes into it.
async fn withdraw(tx: &TenantTx, by: &By, lower: Outage, larger: &Outage) -> Result<()> {
    let note = format!("Part of {}.", larger.number);
    let gone = Outage { status: Status::Dismissed, note: Some(note.clone()), ..lower };
    store::update(tx, &gone).await?;
    let after = json!({ "status": gone.status.as_str(), "note": note });
    by.record(tx, Event { after: Some(after), ..event("outage.dismissed", &gone) }).await
}
