//! What may be done with a ticket.

use chrono::Utc;
use serde_json::{Value, json};

use super::{
    AssignTickets, EditTickets, WorkTickets,
    choices::Status,
    clock::Clock,
    model::{Assignee, Draft, Step, Ticket, Typed, numbered, series, transition},
    query::{Filter, Whose},
    store::{self, New, Standing},
    thread::{self, NewComment},
};
use crate::{
    access::{By, Reach, find_colleague},
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::plant::node::{self, Node},
    jobs,
    types::{CustomerId, InstallationId, OutageId, StaffId, TicketId},
    words::in_english,
};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "ticket";
/// The job that looks whether tickets of one place mean that a node of the plant is down. Its subject is a ticket.
pub const SUSPECT_OUTAGE: &str = "suspect_outage";
/// So many tickets of one outage are resolved with it; there are never as many.
const OF_OUTAGE_MAX: i64 = 5_000;

pub(super) fn event<'a>(action: &'static str, ticket: &'a Ticket) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(ticket.id.0),
        object_label: &ticket.number,
        before: None,
        after: None,
    }
}

pub(super) fn unknown() -> Error {
    Error::not_found("ticket")
}

pub async fn get(tx: &TenantTx, id: TicketId) -> Result<Ticket> {
    store::find(tx, id).await?.ok_or_else(unknown)
}

/// A filter that names what is not here is 404.
pub async fn check_filter(tx: &TenantTx, filter: &Filter) -> Result<()> {
    if let Some(customer) = filter.customer
        && store::find_customer(tx, customer).await?.is_none()
    {
        return Err(Error::not_found("customer"));
    }
    if let Some(area) = filter.area
        && !store::has_area(tx, area).await?
    {
        return Err(Error::not_found("area"));
    }
    if let Some(Whose::Of(staff)) = filter.whose
        && find_colleague(tx, staff).await?.is_none()
    {
        return Err(Error::not_found("person"));
    }
    if let Some(outage) = filter.outage
        && !store::has_outage(tx, outage).await?
    {
        return Err(Error::not_found("outage"));
    }
    Ok(())
}

/// Whether the caller may work on this ticket: who edits tickets, on every one; who only works on them, on those assigned to
/// them.
pub fn check_reach(by: &By, ticket: &Ticket) -> Result<()> {
    match by.reach(&EditTickets::PERMISSION, &WorkTickets::PERMISSION)? {
        Reach::All => Ok(()),
        Reach::Own(id) if ticket.assigned_to() == Some(id) => Ok(()),
        Reach::Own(_) => Err(Error::forbidden(
            "not_assigned_to_you",
            "You may work on tickets that are assigned to you; this one is not.",
        )),
    }
}

/// A ticket that the caller may work on, locked; one that was merged into another is 409.
pub(super) async fn lock_for_work(tx: &TenantTx, by: &By, id: TicketId) -> Result<Ticket> {
    let ticket = lock_unmerged(tx, id).await?;
    check_reach(by, &ticket)?;
    Ok(ticket)
}

/// A ticket that goes on or may go on, locked; one that was merged or called off is 409.
pub(super) async fn lock_open(tx: &TenantTx, id: TicketId) -> Result<Ticket> {
    let ticket = lock_unmerged(tx, id).await?;
    if ticket.status == Status::Cancelled {
        return Err(Error::conflict("closed", "This ticket is closed. Open a new one."));
    }
    Ok(ticket)
}

/// The customer answered: what waited for them, or was taken for done, is somebody's work again.
pub(super) async fn go_on(tx: &TenantTx, by: &By, ticket: Ticket) -> Result<Ticket> {
    if !matches!(ticket.status, Status::Waiting | Status::Resolved) {
        return Ok(ticket);
    }
    let assignee = match ticket.assigned_to() {
        Some(id) if store::find_active_staff(tx, id).await?.is_some() => ticket.assignee.clone(),
        _ => None,
    };
    let status = if assignee.is_some() { Status::Assigned } else { Status::Pending };
    stand(tx, by, ticket, status, assignee, None).await
}

async fn lock_unmerged(tx: &TenantTx, id: TicketId) -> Result<Ticket> {
    let ticket = store::lock(tx, id).await?.ok_or_else(unknown)?;
    if ticket.merged_into.is_some() {
        return Err(Error::conflict("merged", "This ticket was merged into another one."));
    }
    Ok(ticket)
}

/// Says something in the program's own name.
pub(super) async fn note(
    tx: &TenantTx,
    by: &By,
    ticket: TicketId,
    text: &str,
    is_internal: bool,
) -> Result<()> {
    let author = &by.actor.label;
    let new =
        NewComment { staff_id: by.staff(), customer_id: None, author, is_internal, is_automatic: true, text };
    thread::insert_comment(tx, ticket, &new).await?;
    Ok(())
}

/// Somebody who works here and is active.
async fn assignee(tx: &TenantTx, id: StaffId) -> Result<Assignee> {
    let name = store::find_active_staff(tx, id).await?.ok_or_else(|| {
        Error::invalid("assigned_to", "unknown", "There is no such active member of the staff.")
    })?;
    Ok(Assignee { id, name })
}

/// Completes a draft for this customer: the installation must be theirs, and is the only one that is not terminated when none is
/// named; the node is its NAP when none is named.
async fn complete(tx: &TenantTx, customer: CustomerId, draft: &Draft, is_new: bool) -> Result<Draft> {
    let mut draft = draft.clone();
    let places = store::find_places(tx, customer).await?;
    if draft.installation_id.is_none() && is_new {
        let mut standing = places.iter().filter(|place| place.status != "terminated");
        draft.installation_id = match (standing.next(), standing.next()) {
            (Some(only), None) => Some(only.id),
            _ => None,
        };
    }
    if let Some(id) = draft.installation_id {
        let place = places.iter().find(|place| place.id == id).ok_or_else(|| {
            Error::invalid("installation_id", "unknown", "This customer has no such installation.")
        })?;
        if draft.node.is_none() {
            draft.node = place.nap.as_ref().map(|(nap, _)| Node::Nap(*nap));
        }
    }
    if let Some(asked) = draft.node
        && node::find_label(tx, asked).await?.is_none()
    {
        return Err(Error::invalid("node_id", "unknown", "There is no such node."));
    }
    Ok(draft)
}

/// Opens a ticket for a customer. While an outage hits them, a ticket about service belongs to it from the start.
pub async fn open(
    tx: &TenantTx,
    by: &By,
    customer: CustomerId,
    draft: &Draft,
    assigned_to: Option<StaffId>,
) -> Result<Ticket> {
    if store::hold_customer(tx, customer).await?.is_none() {
        return Err(Error::invalid("customer_id", "unknown", "There is no such customer."));
    }
    let draft = complete(tx, customer, draft, true).await?;
    let assignee = match assigned_to {
        Some(id) => {
            by.require::<AssignTickets>()?;
            Some(assignee(tx, id).await?)
        }
        None => None,
    };
    let outage = if draft.category.is_about_service() {
        store::find_outage(tx, customer, draft.installation_id).await?
    } else {
        None
    };
    let now = Utc::now();
    let series = series("TKT", now, by.tenant.time_zone.0);
    // Last: whoever takes a number holds the series until the end of the transaction.
    let number = numbered(&series, crate::isp::series::next(tx, &series).await?);
    let id = TicketId::new();
    let new = New {
        id,
        number: &number,
        customer,
        draft: &draft,
        status: if assignee.is_some() { Status::Assigned } else { Status::Pending },
        assigned_to,
        outage,
        reported_by: by.staff(),
        reported_by_label: &by.actor.label,
        clock: Clock::new(now, draft.priority),
    };
    store::insert(tx, &new).await?;
    let ticket = get(tx, id).await?;
    by.record(tx, Event { after: Some(draft.told()), ..event("ticket.created", &ticket) }).await?;
    if let Some(assignee) = &assignee {
        note(tx, by, id, &format!("Assigned to {}", assignee.name), true).await?;
    }
    told_of_new(tx, &ticket).await?;
    Ok(ticket)
}

/// Tells those who hand tickets out and those who listen, and has it looked at whether something is down.
async fn told_of_new(tx: &TenantTx, ticket: &Ticket) -> Result<()> {
    publish(tx, "ticket.opened", ticket, json!({})).await?;
    let text = format!("{}: {} ({})", ticket.number, ticket.title, ticket.customer.name);
    events::tell_staff(tx, AssignTickets::PERMISSION.code, &text, &format!("/tickets/{}", ticket.id)).await?;
    suspect(tx, ticket).await
}

/// Has it looked at whether a node is down, when this ticket says that somebody is off.
async fn suspect(tx: &TenantTx, ticket: &Ticket) -> Result<()> {
    if ticket.category.hints_at_outage() && ticket.installation_id.is_some() && ticket.outage.is_none() {
        jobs::enqueue(tx, SUSPECT_OUTAGE, ticket.id.0, Utc::now()).await?;
    }
    Ok(())
}

pub(super) async fn publish(tx: &TenantTx, kind: &'static str, ticket: &Ticket, more: Value) -> Result<()> {
    let mut payload = json!({
        "number": ticket.number,
        "title": ticket.title,
        "category": ticket.category.as_str(),
        "priority": ticket.priority.as_str(),
        "status": ticket.status.as_str(),
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut payload, more) {
        members.extend(more);
    }
    let happened =
        events::Event { kind, subject: ticket.id.0, customer: Some(ticket.customer.id), payload: &payload };
    events::publish(tx, happened).await
}

/// Changes what can be edited of a ticket. Another priority is another promise; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: TicketId,
    wanted: impl FnOnce(Typed) -> Result<Typed>,
) -> Result<Ticket> {
    let ticket = lock_unmerged(tx, id).await?;
    let was = ticket.draft();
    let asked = wanted(Typed::from(&was))?.parse()?;
    let draft = complete(tx, ticket.customer.id, &asked, false).await?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(ticket);
    }
    let due_at = Clock { priority: draft.priority, ..ticket.clock() }.due_at();
    store::update(tx, id, &draft, due_at).await?;
    by.record(tx, Event { before, after, ..event("ticket.updated", &ticket) }).await?;
    if draft.priority != was.priority {
        let said = format!(
            "Priority changed from {} to {}",
            lower(in_english(|| was.priority.label())),
            lower(in_english(|| draft.priority.label()))
        );
        note(tx, by, id, &said, true).await?;
    }
    let changed = get(tx, id).await?;
    if draft.category != was.category || draft.installation_id != was.installation_id {
        suspect(tx, &changed).await?;
    }
    Ok(changed)
}

fn lower(label: &str) -> String {
    label.to_lowercase()
}

/// Moves a ticket to a status. Resolving takes notes, working on it takes somebody who does; what is pending is nobody's.
pub async fn set_status(tx: &TenantTx, by: &By, id: TicketId, status: Status, step: &Step) -> Result<Ticket> {
    let ticket = lock_for_work(tx, by, id).await?;
    if !transition(ticket.status, status)? {
        return match step.assigned_to {
            Some(assigned_to) if ticket.assigned_to() != Some(assigned_to) => {
                hand_over(tx, by, ticket, Some(assigned_to)).await
            }
            _ => Ok(ticket),
        };
    }
    if status == Status::Resolved && step.resolution_notes.is_none() {
        return Err(Error::invalid("resolution_notes", "required", "Write down what solved it."));
    }
    let assigned_to = match (status, step.assigned_to) {
        (Status::Pending, _) => None,
        (_, Some(id)) if ticket.assigned_to() == Some(id) => ticket.assignee.clone(),
        (_, Some(id)) => {
            by.require::<AssignTickets>()?;
            Some(assignee(tx, id).await?)
        }
        // Whoever had it may have left meanwhile.
        (status, None) if status.needs_assignee() => match ticket.assigned_to() {
            Some(id) => Some(assignee(tx, id).await?),
            None => None,
        },
        (_, None) => ticket.assignee.clone(),
    };
    if status.needs_assignee() && assigned_to.is_none() {
        return Err(Error::invalid("assigned_to", "required", "Say who works on it."));
    }
    stand(tx, by, ticket, status, assigned_to, step.resolution_notes.as_deref()).await
}

/// Hands a ticket to somebody, or back to nobody. What is pending is assigned by it, and the other way round.
pub async fn assign(tx: &TenantTx, by: &By, id: TicketId, assigned_to: Option<StaffId>) -> Result<Ticket> {
    let ticket = lock_unmerged(tx, id).await?;
    hand_over(tx, by, ticket, assigned_to).await
}

async fn hand_over(tx: &TenantTx, by: &By, ticket: Ticket, assigned_to: Option<StaffId>) -> Result<Ticket> {
    by.require::<AssignTickets>()?;
    if !ticket.status.is_open() {
        return Err(Error::conflict("closed", "Open the ticket again before you hand it to somebody."));
    }
    if ticket.assigned_to() == assigned_to {
        return Ok(ticket);
    }
    let assignee = match assigned_to {
        Some(id) => Some(assignee(tx, id).await?),
        None => None,
    };
    let status = match (ticket.status, &assignee) {
        (Status::Pending, Some(_)) => Status::Assigned,
        (Status::Assigned | Status::InProgress, None) => Status::Pending,
        (same, _) => same,
    };
    stand(tx, by, ticket, status, assignee, None).await
}

/// Writes how a ticket stands now, says so on it, and tells whom it concerns.
async fn stand(
    tx: &TenantTx,
    by: &By,
    ticket: Ticket,
    status: Status,
    assignee: Option<Assignee>,
    notes: Option<&str>,
) -> Result<Ticket> {
    let is_moved = status != ticket.status;
    let mut clock = ticket.clock();
    if is_moved {
        clock.enter(status, Utc::now());
    }
    let kept = ticket.resolution_notes.as_deref().filter(|_| status == ticket.status);
    let standing = Standing {
        status,
        assigned_to: assignee.as_ref().map(|assignee| assignee.id),
        clock,
        resolution_notes: notes.filter(|_| status == Status::Resolved).or(kept),
        merged_into: None,
    };
    store::update_standing(tx, ticket.id, &standing).await?;
    let is_handed_over = assignee != ticket.assignee;
    if is_handed_over {
        let said = assignee.as_ref().map_or_else(
            || "Assigned to nobody".to_owned(),
            |assignee| format!("Assigned to {}", assignee.name),
        );
        note(tx, by, ticket.id, &said, true).await?;
    }
    if is_moved {
        let said = format!(
            "Status changed from {} to {}",
            lower(in_english(|| ticket.status.label())),
            lower(in_english(|| status.label()))
        );
        note(tx, by, ticket.id, &said, false).await?;
    }
    let is = get(tx, ticket.id).await?;
    let action = if is_moved { "ticket.status_changed" } else { "ticket.assigned" };
    let (before, after) = changes(&standing_of(&ticket), &standing_of(&is));
    by.record(tx, Event { before, after, ..event(action, &is) }).await?;
    if is_handed_over {
        publish(tx, "ticket.assigned", &is, json!({ "assigned_to": is.assigned_to() })).await?;
    }
    if is_moved {
        publish(tx, "ticket.status_changed", &is, json!({ "was": ticket.status.as_str() })).await?;
        tell_customer_of_step(tx, &is).await?;
    }
    Ok(is)
}

fn standing_of(ticket: &Ticket) -> Value {
    json!({
        "status": ticket.status.as_str(),
        "assigned_to": ticket.assignee.as_ref().map(|assignee| &assignee.name),
        "resolution_notes": ticket.resolution_notes,
    })
}

/// A subscriber hears when something is to be done by them, or nothing more.
async fn tell_customer_of_step(tx: &TenantTx, ticket: &Ticket) -> Result<()> {
    let text = match ticket.status {
        Status::Resolved => format!("{}, {}, is resolved.", ticket.number, ticket.title),
        Status::Waiting => format!("{}, {}, waits for your answer.", ticket.number, ticket.title),
        _ => return Ok(()),
    };
    let href = format!("/my/tickets/{}", ticket.id);
    events::tell_subscriber(tx, ticket.customer.id, &text, &href).await
}

/// Merges `from` into `into`, a ticket of the same customer: what was said and attached there is here now, and it leads here.
pub async fn merge(tx: &TenantTx, by: &By, into: TicketId, from: TicketId) -> Result<Ticket> {
    if into == from {
        return Err(Error::invalid("from", "same", "A ticket cannot be merged into itself."));
    }
    // One order for all, so that two merges never wait for each other.
    let mut pair = store::lock_many(tx, &[into.min(from), into.max(from)]).await?;
    let mut out = |id| {
        let at = pair.iter().position(|ticket: &Ticket| ticket.id == id)?;
        Some(pair.swap_remove(at))
    };
    let survivor = out(into).ok_or_else(unknown)?;
    let other = out(from).ok_or_else(|| Error::invalid("from", "unknown", "There is no such ticket."))?;
    if survivor.merged_into.is_some() || other.merged_into.is_some() {
        return Err(Error::conflict("merged", "One of these tickets was merged into another one already."));
    }
    if survivor.customer.id != other.customer.id {
        return Err(Error::invalid("from", "other_customer", "Only tickets of one customer can be merged."));
    }
    let (comments, attachments) = thread::move_all(tx, from, into).await?;
    store::redirect_merged(tx, from, into).await?;
    let mut clock = other.clock();
    clock.enter(Status::Cancelled, Utc::now());
    let standing = Standing {
        status: Status::Cancelled,
        assigned_to: other.assigned_to(),
        clock,
        resolution_notes: None,
        merged_into: Some(into),
    };
    store::update_standing(tx, from, &standing).await?;
    note(tx, by, from, &format!("Merged into {}", survivor.number), false).await?;
    let said = format!("{}, {}, was merged into this ticket", other.number, other.title);
    note(tx, by, into, &said, false).await?;
    let away = Event {
        before: Some(standing_of(&other)),
        after: Some(json!({ "status": Status::Cancelled.as_str(), "merged_into": survivor.number })),
        ..event("ticket.merged_away", &other)
    };
    by.record(tx, away).await?;
    let moved = json!({ "merged_from": other.number, "comments": comments, "attachments": attachments });
    by.record(tx, Event { after: Some(moved), ..event("ticket.merged", &survivor) }).await?;
    publish(tx, "ticket.merged", &survivor, json!({ "merged_from": other.id })).await?;
    get(tx, into).await
}

/// Attaches the open tickets about service of these installations to an outage, and those of their customers that name no
/// installation. Tickets of another outage that is down stay with it.
pub async fn attach_to_outage(
    tx: &TenantTx,
    outage: OutageId,
    installations: &[InstallationId],
) -> Result<Vec<TicketId>> {
    store::attach_to_outage(tx, outage, installations).await
}

/// Resolves the open tickets of an outage together, with the same note; how many they were.
pub async fn resolve_for_outage(tx: &TenantTx, by: &By, outage: OutageId, notes: &str) -> Result<usize> {
    let ids = store::find_open_of_outage(tx, outage, OF_OUTAGE_MAX).await?;
    let tickets = store::lock_many(tx, &ids).await?;
    let mut resolved = 0;
    for ticket in tickets.into_iter().filter(|ticket| ticket.status.is_open()) {
        let assignee = ticket.assignee.clone();
        stand(tx, by, ticket, Status::Resolved, assignee, Some(notes)).await?;
        resolved += 1;
    }
    Ok(resolved)
}
