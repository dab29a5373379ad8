//! What may be done with areas.

use std::collections::HashMap;

use super::{
    model::{Area, AreaDraft, AreaFilter, AreaMark, AreaSort, CountedArea, Removal},
    store,
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    types::{AreaId, Limit},
};

pub use store::{AreaChoice, find_choices, find_name, names, newest_customers};

/// One page of areas, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &AreaFilter,
    sort: AreaSort,
    mark: Option<&AreaMark>,
    limit: Limit,
) -> Result<(Vec<CountedArea>, bool)> {
    let mut items = store::list(tx, filter, sort, mark, limit).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many match a search: (all, active).
pub async fn count(tx: &TenantTx, q: Option<&str>) -> Result<(i64, i64)> {
    store::count(tx, q).await
}

pub async fn get(tx: &TenantTx, id: AreaId) -> Result<CountedArea> {
    store::find_counted(tx, id).await?.ok_or(Error::not_found("area"))
}

fn event<'a>(action: &'static str, id: AreaId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "area",
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

/// Adds an area.
pub async fn create(tx: &TenantTx, by: &By, draft: &AreaDraft) -> Result<Area> {
    let area = store::insert(tx, AreaId::new(), draft).await?;
    let told = Event { after: Some(draft.told()), ..event("area.created", area.id, &area.name) };
    by.record(tx, told).await?;
    Ok(area)
}

/// Changes an area; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: AreaId,
    wanted: impl FnOnce(AreaDraft) -> Result<AreaDraft>,
) -> Result<Area> {
    let area = store::lock(tx, id).await?.ok_or(Error::not_found("area"))?;
    let was = AreaDraft::from(&area);
    let draft = wanted(was.clone())?;
    let (before, after) = changes(&was.told(), &draft.told());
    if after.is_none() {
        return Ok(area);
    }
    let area = store::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("area.updated", id, &area.name) }).await?;
    Ok(area)
}

/// Deletes an area, or switches it off when customers belong to it.
pub async fn remove(tx: &TenantTx, by: &By, id: AreaId) -> Result<(Removal, String)> {
    let area = store::lock(tx, id).await?.ok_or(Error::not_found("area"))?;
    let was = AreaDraft::from(&area);
    if store::delete_unused(tx, id).await? {
        let told = Event { before: Some(was.told()), ..event("area.deleted", id, &area.name) };
        by.record(tx, told).await?;
        return Ok((Removal::Deleted, area.name));
    }
    if area.is_active {
        let draft = AreaDraft { is_active: false, ..was.clone() };
        store::update(tx, id, &draft).await?;
        let (before, after) = changes(&was.told(), &draft.told());
        by.record(tx, Event { before, after, ..event("area.switched_off", id, &area.name) }).await?;
    }
    Ok((Removal::SwitchedOff, area.name))
}

/// The areas of these names or codes, in any case. With `create`, those that are missing are added, so that an import can bring
/// its own. The answer is keyed by the names as they were asked for.
pub async fn create_missing(
    tx: &TenantTx,
    by: &By,
    names: &[&str],
    create: bool,
) -> Result<HashMap<String, AreaChoice>> {
    let mut found = store::find_by_names(tx, names).await?;
    let mut missing: Vec<&str> = names.iter().copied().filter(|name| !found.contains_key(*name)).collect();
    if !create || missing.is_empty() {
        return Ok(found);
    }
    missing.sort_unstable();
    missing.dedup();
    for name in &missing {
        AreaDraft::parse(name, "", "", true)?;
    }
    for (id, name) in store::insert_missing(tx, &missing).await? {
        let after = AreaDraft::parse(&name, "", "", true)?.told();
        by.record(tx, Event { after: Some(after), ..event("area.created", id, &name) }).await?;
    }
    found.extend(store::find_by_names(tx, &missing).await?);
    Ok(found)
}
