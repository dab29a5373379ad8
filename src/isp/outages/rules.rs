//! What may be done with an outage, until it is over.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    ViewOutages,
    model::{Cause, Draft, Outage, Policy, Status, first_message, message_of},
    store::{self, Counted},
    subscribers,
    tree::{self, Served},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::{
        plant::node::{self, Node},
        tickets,
    },
    types::{CustomerId, InstallationId, OutageId},
    words::say,
};

pub use store::{Filter, count, get_policy, list};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "outage";

pub(super) fn event<'a>(action: &'static str, outage: &'a Outage) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(outage.id.0),
        object_label: &outage.number,
        before: None,
        after: None,
    }
}

pub(super) fn unknown() -> Error {
    Error::not_found("outage")
}

pub async fn get(tx: &TenantTx, id: OutageId) -> Result<Counted> {
    store::find_counted(tx, id).await?.ok_or_else(unknown)
}

pub(super) async fn lock(tx: &TenantTx, id: OutageId) -> Result<Outage> {
    store::lock(tx, id).await?.ok_or_else(unknown)
}

/// An outage of this node that is about to be; its number is taken last.
pub(super) async fn numbered(
    tx: &TenantTx,
    by: &By,
    node: Node,
    status: Status,
    draft: &Draft,
) -> Result<Outage> {
    let label = node::find_label(tx, node)
        .await?
        .ok_or_else(|| Error::invalid("node_id", "unknown", "There is no such node."))?;
    let (now, zone) = (Utc::now(), by.tenant.time_zone.0);
    let started_at = draft.started_at.unwrap_or(now);
    let series = tickets::series("OUT", now, zone);
    let number = tickets::numbered(&series, crate::isp::series::next(tx, &series).await?);
    Ok(Outage {
        id: OutageId::new(),
        number,
        status,
        node: Some(node),
        node_kind: node.kind(),
        node_label: label,
        cause: draft.cause,
        note: draft.note.clone(),
        message: Some(first_message(&by.tenant.name, draft.cause, started_at, zone)),
        started_at,
        restored_at: None,
        opened_by: by.actor.label.clone(),
        restored_by: None,
        created_at: now,
        updated_at: now,
    })
}

/// Marks a node as down. Whom it hits is written down at once, and their open tickets belong to it. A proposal for this very node
/// is confirmed by it.
pub async fn report(tx: &TenantTx, by: &By, node: Node, draft: &Draft) -> Result<Outage> {
    if let Some(current) = store::lock_current_at(tx, node).await? {
        if current.status == Status::Down {
            return Err(Error::conflict(
                "already_down",
                say!("{} is marked as down already: {}.", current.node_label, current.number),
            ));
        }
        return confirm(tx, by, current.id, draft).await;
    }
    let outage = numbered(tx, by, node, Status::Down, draft).await?;
    store::insert(tx, &outage).await?;
    by.record(tx, Event { after: Some(outage.told()), ..event("outage.created", &outage) }).await?;
    went_down(tx, by, &outage, node).await?;
    Ok(outage)
}

/// Says that a proposed outage is one.
pub async fn confirm(tx: &TenantTx, by: &By, id: OutageId, draft: &Draft) -> Result<Outage> {
    let was = lock(tx, id).await?;
    if was.status == Status::Down {
        return Ok(was);
    }
    let (Status::Proposed, Some(node)) = (was.status, was.node) else {
        return Err(Error::conflict("not_proposed", "Only a proposed outage can be confirmed."));
    };
    let started_at = draft.started_at.unwrap_or(was.started_at);
    let outage = Outage {
        status: Status::Down,
        cause: draft.cause,
        note: draft.note.clone().or(was.note.clone()),
        message: Some(first_message(&by.tenant.name, draft.cause, started_at, by.tenant.time_zone.0)),
        started_at,
        ..was.clone()
    };
    store::update(tx, &outage).await?;
    let (before, after) = changes(&was.told(), &outage.told());
    by.record(tx, Event { before, after, ..event("outage.confirmed", &outage) }).await?;
    // Whom it would have hit when it was proposed is not whom it hits now.
    subscribers::delete_all(tx, id).await?;
    went_down(tx, by, &outage, node).await?;
    Ok(outage)
}

/// Writes down whom an outage hits, attaches their tickets, and tells those whom it concerns.
async fn went_down(tx: &TenantTx, by: &By, outage: &Outage, node: Node) -> Result<()> {
    let served = tree::served_by(tx, node).await?;
    subscribers::insert(tx, outage.id, &served).await?;
    let explained = tickets::attach_to_outage(tx, outage.id, &installations(&served)).await?;
    let affected = served.len();
    let payload = json!({
        "number": outage.number, "node": outage.node_label, "cause": outage.cause.as_str(),
        "started_at": outage.started_at, "affected": affected, "tickets": explained.len(),
    });
    publish(tx, "outage.opened", outage, &payload).await?;
    let text = format!("{} is down: {affected} subscribers ({})", outage.node_label, outage.number);
    tell_staff(tx, outage, &text).await?;
    let since = outage.started_at.with_timezone(&by.tenant.time_zone.0).format("%-d %b, %H:%M");
    let text = format!("There is no internet at your place since {since}. We are working on it.");
    store::tell(tx, &customers(&served), &text, "/my").await
}

pub(super) fn installations(served: &[Served]) -> Vec<InstallationId> {
    served.iter().map(|one| one.installation).collect()
}

fn customers(served: &[Served]) -> Vec<CustomerId> {
    served.iter().map(|one| one.customer).collect()
}

pub(super) async fn publish(
    tx: &TenantTx,
    kind: &'static str,
    outage: &Outage,
    payload: &Value,
) -> Result<()> {
    events::publish(tx, events::Event { kind, subject: outage.id.0, customer: None, payload }).await
}

pub(super) async fn tell_staff(tx: &TenantTx, outage: &Outage, text: &str) -> Result<()> {
    events::tell_staff(tx, ViewOutages::PERMISSION.code, text, &format!("/outages/{}", outage.id)).await
}

/// Says that it was none. Nobody gets anything for it; tickets stay as they are.
pub async fn dismiss(tx: &TenantTx, by: &By, id: OutageId) -> Result<Outage> {
    let was = lock(tx, id).await?;
    match was.status {
        Status::Dismissed => return Ok(was),
        Status::Restored => {
            return Err(Error::conflict("over", "This outage is over. It was one."));
        }
        Status::Proposed | Status::Down => {}
    }
    let outage = Outage { status: Status::Dismissed, ..was.clone() };
    store::update(tx, &outage).await?;
    let (before, after) = changes(&was.told(), &outage.told());
    by.record(tx, Event { before, after, ..event("outage.dismissed", &outage) }).await?;
    publish(tx, "outage.dismissed", &outage, &json!({ "number": outage.number })).await?;
    Ok(outage)
}

/// What is to change of an outage; None stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub cause: Option<String>,
    pub note: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub message: Option<String>,
}

/// Changes what is known of an outage. When it began can be mended until it is over.
pub async fn change(tx: &TenantTx, by: &By, id: OutageId, wanted: &Changes) -> Result<Outage> {
    let was = lock(tx, id).await?;
    let cause = wanted.cause.as_deref().unwrap_or(was.cause.as_str());
    let note = wanted.note.as_deref().or(was.note.as_deref()).unwrap_or_default();
    let moved = wanted.started_at.filter(|at| *at != was.started_at);
    if moved.is_some() && was.restored_at.is_some() {
        return Err(Error::conflict("over", "When it began cannot be changed any more: it is over."));
    }
    let draft = Draft::parse(cause, note, moved, Utc::now())?;
    let message = wanted.message.as_deref().map(message_of).transpose()?;
    let outage = Outage {
        cause: draft.cause,
        note: draft.note,
        started_at: moved.unwrap_or(was.started_at),
        message: message.or(was.message.clone()),
        ..was.clone()
    };
    let told = |outage: &Outage| {
        let mut told = outage.told();
        if let Value::Object(members) = &mut told {
            members.insert("message".into(), json!(outage.message));
        }
        told
    };
    let (before, after) = changes(&told(&was), &told(&outage));
    if after.is_none() {
        return Ok(was);
    }
    store::update(tx, &outage).await?;
    by.record(tx, Event { before, after, ..event("outage.updated", &outage) }).await?;
    Ok(outage)
}

/// Keeps what all whom an outage hits are to be told, for whoever sends messages. Nothing goes out by it.
pub async fn prepare_message(tx: &TenantTx, by: &By, id: OutageId, text: &str) -> Result<Outage> {
    let message = message_of(text)?;
    let was = lock(tx, id).await?;
    if was.status == Status::Proposed || was.status == Status::Dismissed {
        return Err(Error::conflict("not_down", "There is nothing to tell of an outage that is none."));
    }
    let outage = Outage { message: Some(message.clone()), ..was };
    store::update(tx, &outage).await?;
    let sums = subscribers::sum(tx, id).await?;
    let after = json!({ "message": message, "subscribers": sums.affected });
    by.record(tx, Event { after: Some(after), ..event("outage.message_prepared", &outage) }).await?;
    let payload = json!({
        "number": outage.number, "node": outage.node_label, "status": outage.status.as_str(),
        "message": message, "subscribers": sums.affected,
    });
    publish(tx, "outage.message_prepared", &outage, &payload).await?;
    Ok(outage)
}

/// Changes how outages are treated.
pub async fn change_policy(
    tx: &TenantTx,
    by: &By,
    wanted: impl FnOnce(Policy) -> Result<Policy>,
) -> Result<Policy> {
    let was = store::lock_policy(tx).await?;
    let policy = wanted(was)?.check()?;
    let (before, after) = changes(&was.told(), &policy.told());
    if after.is_none() {
        return Ok(was);
    }
    store::update_policy(tx, &policy).await?;
    let changed = Event {
        action: "outage_policy.updated",
        object_type: "outage_policy",
        object_id: None,
        object_label: "Outages",
        before,
        after,
    };
    by.record(tx, changed).await?;
    Ok(policy)
}

/// What staff see of a proposal: an outage without a cause yet.
pub fn unknown_cause() -> Draft {
    Draft { cause: Cause::Unknown, note: None, started_at: None }
}
