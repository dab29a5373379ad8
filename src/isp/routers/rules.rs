//! What may be done with routers.

use serde_json::json;

use super::{
    model::{MacAddress, Move, Mover, Router, RouterDraft, RouterFilter, State, check_move},
    store::{self, After, Step},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    types::{InstallationId, Limit, RouterId},
    web::typed::Typed,
    words::say,
};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "router";
/// So many routers are offered to choose from; any other is typed.
const OFFERED: i64 = 200;

pub(super) fn event<'a>(action: &'static str, id: RouterId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

fn unknown() -> Error {
    Error::not_found("router")
}

/// One page of routers, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &RouterFilter,
    after: Option<After>,
    limit: Limit,
) -> Result<(Vec<Router>, bool)> {
    let mut items = store::list(tx, filter, after, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many match, by state.
pub async fn count(tx: &TenantTx, filter: &RouterFilter) -> Result<Vec<(State, i64)>> {
    store::count(tx, filter).await
}

pub async fn get(tx: &TenantTx, id: RouterId) -> Result<Router> {
    store::find(tx, id).await?.ok_or_else(unknown)
}

/// A router's life, the last step first.
pub async fn moves(tx: &TenantTx, id: RouterId) -> Result<Vec<Move>> {
    store::moves(tx, id).await
}

/// Puts a new router into stock.
pub async fn create(tx: &TenantTx, by: &By, draft: &RouterDraft) -> Result<Router> {
    let id = RouterId::new();
    store::insert(tx, id, draft).await?;
    let step = Step {
        router: id,
        from: None,
        to: State::InStock,
        installation: None,
        note: None,
        moved_by: &by.actor.label,
    };
    store::insert_move(tx, &step).await?;
    let label = draft.label();
    by.record(tx, Event { after: Some(draft.told()), ..event("router.created", id, &label) }).await?;
    get(tx, id).await
}

/// Changes what is written of a router; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: RouterId,
    wanted: impl FnOnce(Typed) -> Typed,
) -> Result<Router> {
    let router = store::lock(tx, id).await?.ok_or_else(unknown)?;
    let draft = RouterDraft::parse(&wanted(router.draft.typed()))?;
    let (before, after) = changes(&router.draft.told(), &draft.told());
    if after.is_some() {
        store::update(tx, id, &draft).await?;
        let label = draft.label();
        by.record(tx, Event { before, after, ..event("router.updated", id, &label) }).await?;
    }
    get(tx, id).await
}

/// Puts a router into another state by hand. The same state again changes nothing.
pub async fn set_state(
    tx: &TenantTx,
    by: &By,
    id: RouterId,
    to: State,
    note: Option<&str>,
) -> Result<Router> {
    let router = store::lock(tx, id).await?.ok_or_else(unknown)?;
    if check_move(router.state, to, Mover::Staff)? {
        step(tx, by, &router, to, None, note).await?;
    }
    get(tx, id).await
}

/// Moves a locked router and writes it down.
async fn step(
    tx: &TenantTx,
    by: &By,
    router: &Router,
    to: State,
    installation: Option<InstallationId>,
    note: Option<&str>,
) -> Result<()> {
    store::set_state(tx, router.id, to).await?;
    let from = Some(router.state);
    let written = Step { router: router.id, from, to, installation, note, moved_by: &by.actor.label };
    store::insert_move(tx, &written).await?;
    let label = router.draft.label();
    let told = Event {
        before: Some(json!({ "state": router.state })),
        after: Some(json!({ "state": to, "installation_id": installation, "note": note })),
        ..event("router.moved", router.id, &label)
    };
    by.record(tx, told).await
}

/// Deletes a router that nobody has.
pub async fn remove(tx: &TenantTx, by: &By, id: RouterId) -> Result<Router> {
    let router = store::lock(tx, id).await?.ok_or_else(unknown)?;
    if let Some(holder) = &router.holder {
        let detail = say!("The installation of {} has this router. Take it off there first.", holder.name);
        return Err(Error::conflict("in_use", detail));
    }
    store::delete(tx, id).await?;
    let label = router.draft.label();
    by.record(tx, Event { before: Some(router.draft.told()), ..event("router.deleted", id, &label) }).await?;
    Ok(router)
}

/// A router that an installation may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stocked {
    pub id: RouterId,
    pub serial_number: String,
    pub label: String,
}

/// Some routers in stock, the newest first.
pub async fn in_stock(tx: &TenantTx) -> Result<Vec<Stocked>> {
    let found = store::in_stock(tx, OFFERED).await?;
    Ok(found
        .into_iter()
        .map(|router| Stocked {
            id: router.id,
            label: router.draft.label(),
            serial_number: router.draft.serial_number,
        })
        .collect())
}

/// The router that somebody means by its serial number or its MAC address.
pub async fn find_in_stock(tx: &TenantTx, typed: &str) -> Result<Option<RouterId>> {
    store::find_by_label(tx, typed.trim(), MacAddress::parse(typed).ok().as_ref()).await
}

/// Gives a router that is in stock to an installation: 422 on `router_id` when it is not there or not in stock. What it is
/// called.
pub async fn assign(tx: &TenantTx, by: &By, id: RouterId, installation: InstallationId) -> Result<String> {
    let router = store::lock(tx, id)
        .await?
        .ok_or_else(|| Error::invalid("router_id", "unknown", "There is no such router."))?;
    if router.state != State::InStock {
        let detail = match &router.holder {
            Some(holder) => say!("The installation of {} has this router.", holder.name),
            None => say!("This router is {}, not in stock.", router.state.word()),
        };
        return Err(Error::invalid("router_id", "not_in_stock", detail));
    }
    step(tx, by, &router, State::Assigned, Some(installation), None).await?;
    Ok(router.draft.label())
}

/// In which state a router comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    Returned,
    Faulty,
}

/// Takes a router off the installation that has it. What it is called.
pub async fn release(
    tx: &TenantTx,
    by: &By,
    id: RouterId,
    installation: InstallationId,
    how: Released,
) -> Result<String> {
    let router = store::lock(tx, id).await?.ok_or_else(unknown)?;
    let to = match how {
        Released::Returned => State::Returned,
        Released::Faulty => State::Faulty,
    };
    if check_move(router.state, to, Mover::Installation)? {
        step(tx, by, &router, to, Some(installation), None).await?;
    }
    Ok(router.draft.label())
}
