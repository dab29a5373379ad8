//! What may be done with one installation.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    derived::derive,
    model::{Act, Ending, Installation, InstallationDraft, Status, past_day},
    store::{self, Insert},
};
use crate::{
    access::{By, find_colleague},
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::{
        areas, plant,
        routers::{self, Released},
    },
    types::{AreaId, CustomerId, InstallationId, NapId, RouterId, StaffId},
    web::typed::Typed,
    words::say,
};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "installation";

pub(super) fn event<'a>(action: &'static str, id: InstallationId, label: &'a str) -> Event<'a> {
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
    Error::not_found("installation")
}

/// The tenant's own day.
pub fn today(by: &By, now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&by.tenant.time_zone.0).date_naive()
}

/// One installation with the names of what it points at.
pub async fn get(tx: &TenantTx, id: InstallationId) -> Result<Installation> {
    store::find(tx, id).await?.ok_or_else(missing)
}

async fn lock(tx: &TenantTx, id: InstallationId) -> Result<Installation> {
    store::lock(tx, id).await?.ok_or_else(missing)
}

/// An installation that is to be.
#[derive(Debug, Clone)]
pub struct NewInstallation {
    pub customer: CustomerId,
    pub draft: InstallationDraft,
    pub port: Option<(NapId, i16)>,
    pub router: Option<RouterId>,
}

/// Whoever does the work is here now: somebody else is 422, but for whoever it was already.
async fn check_technician(tx: &TenantTx, id: Option<StaffId>, was: Option<StaffId>) -> Result<()> {
    let Some(id) = id.filter(|id| Some(*id) != was) else { return Ok(()) };
    match find_colleague(tx, id).await? {
        Some(colleague) if colleague.is_active => Ok(()),
        Some(colleague) => {
            let detail = say!("{} does not work here any more.", colleague.name);
            Err(Error::invalid("technician_id", "staff_inactive", detail))
        }
        None => Err(Error::invalid("technician_id", "unknown", "There is no such member of staff.")),
    }
}

async fn check_area(tx: &TenantTx, id: Option<AreaId>, was: Option<AreaId>) -> Result<()> {
    let Some(id) = id.filter(|id| Some(*id) != was) else { return Ok(()) };
    match areas::find_name(tx, id).await? {
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(Error::invalid("area_id", "area_inactive", "This area is switched off.")),
        None => Err(Error::invalid("area_id", "unknown", "There is no such area.")),
    }
}

/// Takes a port for a customer; whoever comes second hears who was first.
async fn take_port(tx: &TenantTx, (nap, number): (NapId, i16), customer: CustomerId) -> Result<()> {
    plant::check_port(tx, nap, number, Some(customer)).await?;
    plant::release_reservation(tx, nap, number).await
}

/// Sets an installation up: scheduled, or complete when it says on which day it was installed.
pub async fn create(
    tx: &TenantTx,
    by: &By,
    new: &NewInstallation,
    now: DateTime<Utc>,
) -> Result<Installation> {
    store::hold_customer(tx, new.customer)
        .await?
        .ok_or_else(|| Error::invalid("customer_id", "unknown", "There is no such customer."))?;
    check_technician(tx, new.draft.technician_id, None).await?;
    check_area(tx, new.draft.area_id, None).await?;
    if let Some(port) = new.port {
        take_port(tx, port, new.customer).await?;
    }
    let id = InstallationId::new();
    let status = if new.draft.installed_on.is_some() {
        Status::Scheduled.step(Act::Complete)?
    } else {
        Status::Scheduled
    };
    // The router is looked at before it is taken, so that its refusal names who has it.
    let insert =
        Insert { id, customer: new.customer, status, draft: &new.draft, port: new.port, router: None };
    store::insert(tx, &insert).await?;
    if let Some(router) = new.router {
        routers::assign(tx, by, router, id).await?;
        store::set_router(tx, id, Some(router)).await?;
    }
    let made = get(tx, id).await?;
    let label = made.label();
    let after = Some(told(&made));
    by.record(tx, Event { after, ..event("installation.created", id, &label) }).await?;
    publish(tx, "installation.created", &made, json!({ "status": made.status })).await?;
    derive(tx, &[id], now).await?;
    get(tx, id).await
}

/// An installation with what it holds, for the audit trail.
fn told(installation: &Installation) -> Value {
    let mut told = installation.draft.told();
    if let Value::Object(members) = &mut told {
        let port = installation.port.as_ref();
        members.insert("status".into(), json!(installation.status));
        members.insert("port".into(), json!(port.map(super::model::Port::label)));
        members.insert("router".into(), json!(installation.router.as_ref().map(|router| &router.name)));
    }
    told
}

async fn publish(
    tx: &TenantTx,
    kind: &'static str,
    installation: &Installation,
    payload: Value,
) -> Result<()> {
    let subject: Uuid = installation.id.0;
    let customer = Some(installation.customer.id);
    events::publish(tx, events::Event { kind, subject, customer, payload: &payload }).await
}

/// Changes what is written of an installation; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    now: DateTime<Utc>,
    wanted: impl FnOnce(Typed) -> Typed,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    let draft = InstallationDraft::parse(&wanted(was.draft.typed()), today(by, now))?;
    was.require_live()?;
    match (was.status, draft.installed_on) {
        (Status::Scheduled, Some(_)) => {
            let detail = "This installation is scheduled. Complete it to say when it was installed.";
            return Err(Error::invalid("installed_on", "scheduled", detail));
        }
        (Status::Scheduled, None) | (_, Some(_)) => {}
        (_, None) => return Err(Error::invalid("installed_on", "required", "This is needed.")),
    }
    check_technician(tx, draft.technician_id, was.draft.technician_id).await?;
    check_area(tx, draft.area_id, was.draft.area_id).await?;
    let (before, after) = changes(&was.draft.told(), &draft.told());
    if after.is_some() {
        store::update(tx, id, was.status, &draft).await?;
        let label = was.label();
        by.record(tx, Event { before, after, ..event("installation.updated", id, &label) }).await?;
    }
    get(tx, id).await
}

/// A technician has set it up on this day.
pub async fn complete(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    installed_on: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    let today = today(by, now);
    let day = past_day(installed_on.unwrap_or_default(), today)
        .map_err(|wrong| Error::Invalid(vec![wrong.at("installed_on")]))?
        .unwrap_or(today);
    let status = was.status.step(Act::Complete)?;
    let draft = InstallationDraft { installed_on: Some(day), ..was.draft.clone() };
    store::update(tx, id, status, &draft).await?;
    step(tx, by, &was, status, "installation.completed", json!({ "installed_on": day })).await?;
    derive(tx, &[id], now).await?;
    get(tx, id).await
}

/// Writes a step down, and tells whoever listens.
async fn step(
    tx: &TenantTx,
    by: &By,
    was: &Installation,
    status: Status,
    action: &'static str,
    note: Value,
) -> Result<()> {
    let label = was.label();
    let mut after = json!({ "status": status });
    if let (Value::Object(members), Value::Object(more)) = (&mut after, &note) {
        members.extend(more.clone());
    }
    let told = Event {
        before: Some(json!({ "status": was.status })),
        after: Some(after),
        ..event(action, was.id, &label)
    };
    by.record(tx, told).await?;
    publish(tx, action, was, json!({ "status": status })).await
}

/// Moves an installation to another port in one step, or off its port.
pub async fn connect(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    port: Option<(NapId, i16)>,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    was.require_live()?;
    if was.port.as_ref().map(|port| (port.nap, port.number)) == port {
        return Ok(was);
    }
    if let Some(port) = port {
        take_port(tx, port, was.customer.id).await?;
    }
    store::set_port(tx, id, port).await?;
    let is = get(tx, id).await?;
    let named = |of: &Installation| of.port.as_ref().map(super::model::Port::label);
    let nap = |of: &Installation| of.port.as_ref().map(|port| port.nap);
    // An outage is shared out by who hung where when: only what went to another NAP says so.
    let place = |of: &Installation| match nap(&was) == nap(&is) {
        true => json!({ "port": named(of) }),
        false => json!({ "port": named(of), "nap_id": nap(of) }),
    };
    let label = is.label();
    let told = Event {
        before: Some(place(&was)),
        after: Some(place(&is)),
        ..event("installation.moved", id, &label)
    };
    by.record(tx, told).await?;
    publish(tx, "installation.moved", &is, json!({ "port": named(&is) })).await?;
    Ok(is)
}

/// Gives an installation another router, or none; the one that it had goes back.
pub async fn exchange_router(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    router: Option<RouterId>,
    old: Released,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    was.require_live()?;
    if was.router.as_ref().map(|router| router.id) == router {
        return Ok(was);
    }
    if let Some(had) = &was.router {
        routers::release(tx, by, had.id, id, old).await?;
    }
    if let Some(router) = router {
        routers::assign(tx, by, router, id).await?;
    }
    store::set_router(tx, id, router).await?;
    let is = get(tx, id).await?;
    let named = |of: &Installation| of.router.as_ref().map(|router| router.name.clone());
    let label = is.label();
    let told = Event {
        before: Some(json!({ "router": named(&was) })),
        after: Some(json!({ "router": named(&is) })),
        ..event("installation.router_changed", id, &label)
    };
    by.record(tx, told).await?;
    Ok(is)
}

/// Cutting off by a person, and letting in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Suspend,
    /// Time then says whether it is active.
    Resume,
}

/// Suspends an installation or ends its suspension.
pub async fn hold_status(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    hold: Hold,
    reason: Option<&str>,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    let (act, action) = match hold {
        Hold::Suspend => (Act::Suspend, "installation.suspended"),
        Hold::Resume => (Act::Resume, "installation.resumed"),
    };
    let status = was.status.step(act)?;
    store::set_status(tx, id, status).await?;
    step(tx, by, &was, status, action, json!({ "reason": reason })).await?;
    derive(tx, &[id], Utc::now()).await?;
    get(tx, id).await
}

/// How an installation is to end.
#[derive(Debug, Clone)]
pub struct Termination {
    /// None: today.
    pub on: Option<NaiveDate>,
    pub reason: Option<String>,
    /// In which state its router comes back.
    pub router: Released,
}

/// The instant at which a day that was ended on is over, or now when that is today.
fn ended_at(day: NaiveDate, today: NaiveDate, zone: Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    if day >= today {
        return now;
    }
    let noon = day.and_hms_opt(12, 0, 0).unwrap_or_default();
    noon.and_local_timezone(zone).earliest().map_or(now, |at| at.with_timezone(&Utc))
}

/// Ends an installation for good. Its port and its router are others' now.
pub async fn terminate(
    tx: &TenantTx,
    by: &By,
    id: InstallationId,
    how: &Termination,
    now: DateTime<Utc>,
) -> Result<Installation> {
    let was = lock(tx, id).await?;
    let status = was.status.step(Act::Terminate)?;
    let today = today(by, now);
    let day = how.on.unwrap_or(today);
    let refuse = |code, detail: &str| Err(Error::invalid("terminated_on", code, detail));
    if day > today {
        return refuse("in_future", "This day is still to come. Terminate it then.");
    }
    if was.draft.installed_on.is_some_and(|installed| day < installed) {
        return refuse("before_installation", "It was installed after that day.");
    }
    if was.draft.installed_on.is_none() && day < self::today(by, was.created_at) {
        return refuse("before_installation", "It was planned after that day.");
    }
    let held_port = match &was.port {
        Some(port) => {
            let way = plant::labels(tx, &[port.nap]).await?.remove(&port.nap);
            let way = way.map_or_else(|| port.nap_code.clone(), |way| way.label());
            Some(format!("{way} › port {}", port.number))
        }
        None => None,
    };
    let held_router = match &was.router {
        Some(router) => Some(routers::release(tx, by, router.id, id, how.router).await?),
        None => None,
    };
    let at = ended_at(day, today, by.tenant.time_zone.0, now);
    let ending = Ending { at, reason: how.reason.clone(), held_port, held_router };
    store::terminate(tx, id, &ending).await?;
    let note = json!({
        "terminated_on": day, "reason": ending.reason, "port": ending.held_port, "router": ending.held_router,
    });
    step(tx, by, &was, status, "installation.terminated", note).await?;
    if let Some(router) = &ending.held_router {
        let text = format!("{router} came back from {}: look at it.", was.customer.name);
        events::tell_staff(tx, "routers.edit", &text, "/routers?state=returned").await?;
    }
    get(tx, id).await
}
