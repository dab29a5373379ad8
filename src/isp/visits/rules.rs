//! What may be done with visits. Whoever may only work on visits sees and settles those that are their own.

use serde_json::Value;

use super::{
    PlanVisits, ViewAllVisits, ViewVisits,
    model::{Kind, NewVisit, Span, Status, Visit, VisitFilter},
    store::{self, After},
};
use crate::{
    access::{By, Reach, Right, find_colleague},
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    types::{Check, Limit, StaffId, VisitId},
    words::say,
};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "visit";

fn event<'a>(action: &'static str, id: VisitId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

fn missing() -> Error {
    Error::not_found("visit")
}

fn reach<All: Right>(by: &By) -> Result<Reach> {
    let (Some(all), Some(own)) = (All::PERMISSION, <ViewVisits as Right>::PERMISSION) else {
        return Err(Error::internal("a right without a permission"));
    };
    by.reach(all, own)
}

/// Whether a caller reaches a visit with this right, or because it is their own.
fn within(reach: Reach, visit: &Visit) -> bool {
    match reach {
        Reach::All => true,
        Reach::Own(person) => visit.technician == Some(person),
    }
}

/// The filter as far as the caller may see.
pub fn seen_by(by: &By, filter: VisitFilter) -> Result<VisitFilter> {
    Ok(match reach::<ViewAllVisits>(by)? {
        Reach::All => filter,
        // Somebody else's are asked for: there are none that this caller sees.
        Reach::Own(person) if filter.technician.is_some_and(|asked| asked != person) => {
            return Err(Error::forbidden("forbidden", "You see your own visits only."));
        }
        Reach::Own(person) => VisitFilter { technician: Some(person), ..filter },
    })
}

/// One page of visits, the earliest first, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &VisitFilter,
    after: Option<After>,
    limit: Limit,
) -> Result<(Vec<Visit>, bool)> {
    let mut items = store::list(tx, filter, after, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// A visit that the caller may see.
pub async fn get(tx: &TenantTx, by: &By, id: VisitId) -> Result<Visit> {
    let reach = reach::<ViewAllVisits>(by)?;
    let planner = by.require::<PlanVisits>().is_ok();
    store::find(tx, id).await?.filter(|visit| planner || within(reach, visit)).ok_or_else(missing)
}

/// What becomes of a visit that comes in the way of another one of the same technician.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It is meant.
    Allow,
    /// 409 `technician_busy`.
    Ask,
}

async fn check_technician(
    tx: &TenantTx,
    id: Option<StaffId>,
    span: Span,
    except: Option<VisitId>,
    overlap: Overlap,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let colleague = find_colleague(tx, id)
        .await?
        .ok_or_else(|| Error::invalid("technician_id", "unknown", "There is no such member of staff."))?;
    if !colleague.is_active {
        let detail = say!("{} does not work here any more.", colleague.name);
        return Err(Error::invalid("technician_id", "staff_inactive", detail));
    }
    if overlap == Overlap::Allow {
        return Ok(());
    }
    store::hold_technician(tx, id).await?;
    let clashes = store::clashes(tx, id, span, except).await?;
    match clashes.first() {
        None => Ok(()),
        Some(other) => Err(Error::conflict(
            "technician_busy",
            say!("{} is at {} at this time.", colleague.name, other.customer_name),
        )),
    }
}

/// What a visit is at and what it is for are its customer's own.
async fn check_own(tx: &TenantTx, new: &NewVisit) -> Result<()> {
    let mut check = Check::new();
    if let Some(installation) = new.installation {
        match store::owner_of(tx, installation).await? {
            None => check.wrong("installation_id", "unknown", "There is no such installation."),
            Some(owner) if owner != new.customer => {
                let detail = "This installation is another customer's.";
                check.wrong("installation_id", "of_another_customer", detail);
            }
            Some(_) => {}
        }
    }
    if let Some(ticket) = new.ticket {
        match store::owner_of_ticket(tx, ticket).await? {
            None => check.wrong("ticket_id", "unknown", "There is no such ticket."),
            Some(owner) if owner != new.customer => {
                check.wrong("ticket_id", "of_another_customer", "This ticket is another customer's.");
            }
            Some(_) => {}
        }
    }
    check.finish(Some(()))
}

/// Plans a visit.
pub async fn plan(tx: &TenantTx, by: &By, new: &NewVisit, overlap: Overlap) -> Result<Visit> {
    if !store::hold_customer(tx, new.customer).await? {
        return Err(Error::invalid("customer_id", "unknown", "There is no such customer."));
    }
    check_own(tx, new).await?;
    check_technician(tx, new.technician, new.span, None, overlap).await?;
    let id = VisitId::new();
    store::insert(tx, id, new).await?;
    let visit = store::find(tx, id).await?.ok_or_else(missing)?;
    let label = visit.label();
    by.record(tx, Event { after: Some(visit.told()), ..event("visit.planned", id, &label) }).await?;
    publish(tx, "visit.planned", &visit).await?;
    Ok(visit)
}

async fn publish(tx: &TenantTx, kind: &'static str, visit: &Visit) -> Result<()> {
    let payload: Value = visit.told();
    let customer = Some(visit.customer);
    events::publish(tx, events::Event { kind, subject: visit.id.0, customer, payload: &payload }).await
}

/// What is to change of a visit; None stays.
#[derive(Debug, Clone, Default)]
pub struct VisitChanges {
    pub kind: Option<Kind>,
    pub span: Option<Span>,
    pub technician: Option<Option<StaffId>>,
    pub note: Option<Option<String>>,
}

/// Moves a visit, gives it to somebody else, or notes something. A missed one that is moved is planned again.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: VisitId,
    wanted: &VisitChanges,
    overlap: Overlap,
) -> Result<Visit> {
    let was = store::lock(tx, id).await?.ok_or_else(missing)?;
    let mut is = was.clone();
    is.kind = wanted.kind.unwrap_or(was.kind);
    is.span = wanted.span.unwrap_or(was.span);
    is.technician = wanted.technician.unwrap_or(was.technician);
    is.note = wanted.note.clone().unwrap_or(was.note.clone());
    if is == was {
        return Ok(was);
    }
    if !was.status.is_open() {
        let detail = say!("A visit that is {} stays as it is.", was.status.as_str());
        return Err(Error::conflict("settled", detail));
    }
    if was.status == Status::Missed && is.span != was.span {
        is.status = was.status.step(Status::Planned)?;
    }
    if is.span != was.span || is.technician != was.technician {
        check_technician(tx, is.technician, is.span, Some(id), overlap).await?;
    }
    store::update(tx, &is).await?;
    let is = store::find(tx, id).await?.ok_or_else(missing)?;
    let (before, after) = changes(&was.told(), &is.told());
    let action = if is.span == was.span { "visit.updated" } else { "visit.moved" };
    let label = is.label();
    by.record(tx, Event { before, after, ..event(action, id, &label) }).await?;
    if is.span != was.span {
        publish(tx, action, &is).await?;
    }
    Ok(is)
}

/// Says what became of a visit. Whoever may not plan settles their own.
pub async fn settle(tx: &TenantTx, by: &By, id: VisitId, to: Status, note: Option<String>) -> Result<Visit> {
    let reach = reach::<PlanVisits>(by)?;
    let was = store::lock(tx, id).await?.filter(|visit| within(reach, visit)).ok_or_else(missing)?;
    if to == Status::Planned {
        let detail = "A visit is planned again by moving it to another time.";
        return Err(Error::invalid("status", "not_a_choice", detail));
    }
    let status = was.status.step(to)?;
    let is = Visit { status, note: note.or(was.note.clone()), ..was.clone() };
    store::update(tx, &is).await?;
    let (before, after) = changes(&was.told(), &is.told());
    let action = match status {
        Status::Done => "visit.done",
        Status::Missed => "visit.missed",
        _ => "visit.cancelled",
    };
    let label = is.label();
    by.record(tx, Event { before, after, ..event(action, id, &label) }).await?;
    publish(tx, action, &is).await?;
    if status == Status::Missed {
        let text = format!("{} was missed: plan it again.", is.label());
        events::tell_staff(tx, "visits.plan", &text, &format!("/visits/{id}")).await?;
    }
    store::find(tx, id).await?.ok_or_else(missing)
}

/// A filter that names something which is not here is 404, whosever it is.
pub async fn check_filter(tx: &TenantTx, filter: &VisitFilter) -> Result<()> {
    match store::missing_of(tx, filter).await? {
        Some(what) => Err(Error::not_found(what)),
        None => Ok(()),
    }
}
