//! What may be done with plans.

use std::collections::HashMap;

use super::{
    model::{PastPrice, Plan, PlanDraft, PlanFilter, PlanMark, Typed},
    store,
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    types::{Limit, PlanId},
};

/// One page of plans, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &PlanFilter,
    mark: Option<&PlanMark>,
    limit: Limit,
) -> Result<(Vec<Plan>, bool)> {
    let mut items = store::list(tx, filter, mark, limit).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many match a search: (all, active).
pub async fn count(tx: &TenantTx, q: Option<&str>) -> Result<(i64, i64)> {
    store::count(tx, q).await
}

/// The plans that are sold now, cheapest first.
pub async fn choices(tx: &TenantTx) -> Result<Vec<Plan>> {
    store::find_choices(tx).await
}

/// A plan, if there is one.
pub async fn find(tx: &TenantTx, id: PlanId) -> Result<Option<Plan>> {
    store::find(tx, id).await
}

pub async fn get(tx: &TenantTx, id: PlanId) -> Result<Plan> {
    find(tx, id).await?.ok_or(Error::not_found("plan"))
}

/// A plan that may be sold, held as it is until the sale is done. 422 on `plan_id` for one that is not.
pub async fn for_sale(tx: &TenantTx, id: PlanId) -> Result<Plan> {
    let plan = store::lock_for_sale(tx, id)
        .await?
        .ok_or_else(|| Error::invalid("plan_id", "unknown", "There is no such plan."))?;
    if plan.is_active() { Ok(plan) } else { Err(inactive()) }
}

/// Plans by their names in lower case, held as they are until the transaction ends; also those that are switched off.
pub async fn named(tx: &TenantTx, names: &[&str]) -> Result<HashMap<String, Plan>> {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let found = store::lock_named(tx, &names).await?;
    Ok(found.into_iter().map(|plan| (plan.name().to_lowercase(), plan)).collect())
}

/// A plan that is switched off was to be sold.
pub fn inactive() -> Error {
    Error::invalid("plan_id", "plan_inactive", "This plan is switched off and cannot be sold.")
}

/// What it cost, newest first.
pub async fn prices(tx: &TenantTx, id: PlanId) -> Result<Vec<PastPrice>> {
    store::prices(tx, id).await
}

pub async fn was_sold(tx: &TenantTx, id: PlanId) -> Result<bool> {
    store::was_sold(tx, id).await
}

fn event<'a>(action: &'static str, id: PlanId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "plan",
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

/// Adds a plan.
pub async fn create(tx: &TenantTx, by: &By, draft: &PlanDraft) -> Result<Plan> {
    let plan = store::insert(tx, PlanId::new(), draft).await?;
    store::insert_price(tx, plan.id, draft, &by.actor.label).await?;
    let told = Event { after: Some(draft.told()), ..event("plan.created", plan.id, &draft.name) };
    by.record(tx, told).await?;
    Ok(plan)
}

/// Changes a plan. What was sold of it stays what it was sold as; a new price goes into the history.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: PlanId,
    wanted: impl FnOnce(Typed) -> Result<PlanDraft>,
) -> Result<Plan> {
    let plan = store::lock(tx, id).await?.ok_or(Error::not_found("plan"))?;
    let draft = wanted(plan.draft.clone().into())?;
    let (before, after) = changes(&plan.draft.told(), &draft.told());
    if after.is_none() {
        return Ok(plan);
    }
    let changed = store::update(tx, id, &draft).await?;
    if !draft.costs_as(&plan.draft) {
        store::insert_price(tx, id, &draft, &by.actor.label).await?;
    }
    by.record(tx, Event { before, after, ..event("plan.updated", id, &draft.name) }).await?;
    Ok(changed)
}

/// Deletes a plan that was never sold: 409 `in_use` for another.
pub async fn remove(tx: &TenantTx, by: &By, id: PlanId) -> Result<Plan> {
    let plan = store::lock(tx, id).await?.ok_or(Error::not_found("plan"))?;
    store::delete(tx, id).await?;
    let told = Event { before: Some(plan.draft.told()), ..event("plan.deleted", id, &plan.draft.name) };
    by.record(tx, told).await?;
    Ok(plan)
}
