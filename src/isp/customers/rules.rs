//! What may be done with one customer.

use futures_util::try_join;
use serde_json::{Value, json};

use super::{
    belongings,
    model::{Customer, Details, Lookalike, MergeField, Status, Typed, merged, transition},
    query::Filter,
    store::{self, Probe},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::areas,
    tenancy::plans::{Metric, must_fit},
    types::{CustomerId, EmailAddress, Phone},
    words::say,
};

/// The kind of object in the audit trail.
pub const OBJECT: &str = "customer";

pub(super) fn event<'a>(action: &'static str, id: CustomerId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

pub(super) fn unknown() -> Error {
    Error::not_found("customer")
}

fn area_switched_off() -> Error {
    Error::invalid("area_id", "area_inactive", "This area is switched off.")
}

/// A customer who is not deleted.
pub async fn get(tx: &TenantTx, id: CustomerId) -> Result<Customer> {
    store::find(tx, id).await?.ok_or_else(unknown)
}

/// A customer, also a deleted one.
pub async fn get_any(tx: &TenantTx, id: CustomerId) -> Result<Customer> {
    store::find_any(tx, id).await?.ok_or_else(unknown)
}

/// What becomes of a new customer who looks like one that is already here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    Allow,
    /// 409 `possible_duplicate`.
    Refuse,
}

/// 409 `plan_limit_reached` when the tenant's plan has no room for so many more customers.
pub async fn must_fit_plan(tx: &TenantTx, by: &By, adding: usize) -> Result<()> {
    let adding = i64::try_from(adding).unwrap_or(i64::MAX);
    must_fit(tx, &by.tenant, Metric::Customers, adding, async || store::count_live(tx).await).await
}

/// Adds a customer.
pub async fn create(tx: &TenantTx, by: &By, details: &Details, duplicates: Duplicates) -> Result<Customer> {
    if duplicates == Duplicates::Refuse {
        let alike = find_lookalikes(tx, None, details).await?;
        if let Some(first) = alike.first() {
            return Err(Error::conflict(
                "possible_duplicate",
                say!("This may be {}, who is here already.", first.customer.details.name()),
            ));
        }
    }
    must_fit_plan(tx, by, 1).await?;
    let id = CustomerId::new();
    let name = details.name();
    let told = Event { after: Some(details.told()), ..event("customer.created", id, &name) };
    // Sent together: the second fails with the first.
    let (written, ()) = try_join!(store::insert(tx, id, details), by.record(tx, told))?;
    if written.area_is_active == Some(false) {
        return Err(area_switched_off());
    }
    Ok(Customer {
        id,
        details: details.clone(),
        merged_into: None,
        deleted_at: None,
        created_at: written.created_at,
        updated_at: written.updated_at,
    })
}

/// The version of a customer that somebody looked at before changing it.
pub fn version(customer: &Customer) -> i64 {
    customer.updated_at.timestamp_micros()
}

/// Changes a customer. `wanted` makes the new values of the old; what stays the same is not written. With a `seen` version, a change
/// that somebody else made meanwhile is not written over: 409 `changed_meanwhile`.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: CustomerId,
    seen: Option<i64>,
    wanted: impl FnOnce(Typed) -> Result<Typed>,
) -> Result<Customer> {
    let customer = lock_live(tx, id).await?;
    let details = wanted(Typed::from(&customer.details))?.parse(&by.tenant.country)?;
    if seen.is_some_and(|seen| seen != version(&customer)) {
        return Err(Error::conflict(
            "changed_meanwhile",
            "Somebody else changed this customer meanwhile. Reload the page to see it, then change it again.",
        ));
    }
    transition(customer.details.status, details.status)?;
    write(tx, by, customer, details, "customer.updated", None).await
}

async fn lock_live(tx: &TenantTx, id: CustomerId) -> Result<Customer> {
    store::lock(tx, id).await?.filter(|customer| customer.deleted_at.is_none()).ok_or_else(unknown)
}

/// Writes new values over the old ones, and down in the trail.
async fn write(
    tx: &TenantTx,
    by: &By,
    customer: Customer,
    details: Details,
    action: &'static str,
    note: Option<(&'static str, Value)>,
) -> Result<Customer> {
    let (before, mut after) = changes(&customer.details.told(), &details.told());
    if after.is_none() && note.is_none() {
        return Ok(customer);
    }
    if let Some((name, value)) = note {
        let told = after.get_or_insert_with(|| json!({}));
        if let Value::Object(members) = told {
            members.insert(name.to_owned(), value);
        }
    }
    let name = details.name();
    let told = Event { before, after, ..event(action, customer.id, &name) };
    let (written, ()) = try_join!(store::update(tx, customer.id, &details), by.record(tx, told))?;
    // An area that was switched off keeps those who are in it; nobody else may go there.
    if details.area_id != customer.details.area_id && written.area_is_active == Some(false) {
        return Err(area_switched_off());
    }
    Ok(Customer { details, updated_at: written.updated_at, ..customer })
}

/// Changes the status. The same status again changes nothing.
pub async fn set_status(
    tx: &TenantTx,
    by: &By,
    id: CustomerId,
    status: Status,
    reason: Option<String>,
) -> Result<Customer> {
    let customer = lock_live(tx, id).await?;
    let Some(step) = transition(customer.details.status, status)? else { return Ok(customer) };
    let details = Details { status, ..customer.details.clone() };
    let note = reason.map(|reason| ("reason", Value::String(reason)));
    write(tx, by, customer, details, step.action, note).await
}

/// Deletes a customer so that it can be brought back. One with something that goes on stays: 409 says what.
pub async fn delete(tx: &TenantTx, by: &By, id: CustomerId) -> Result<Customer> {
    let customer = lock_live(tx, id).await?;
    belongings::check_deletable(tx, &[id]).await?;
    store::delete(tx, id, None).await?;
    let name = customer.details.name();
    let before = Some(customer.details.told());
    by.record(tx, Event { before, ..event("customer.deleted", id, &name) }).await?;
    Ok(customer)
}

/// Brings a deleted customer back; one who is not deleted is left as it is.
pub async fn restore(tx: &TenantTx, by: &By, id: CustomerId) -> Result<Customer> {
    let customer = store::lock(tx, id).await?.ok_or_else(unknown)?;
    if customer.merged_into.is_some() {
        return Err(Error::conflict("merged", "This customer was merged into another one."));
    }
    if customer.deleted_at.is_none() {
        return Ok(customer);
    }
    must_fit_plan(tx, by, 1).await?;
    store::restore(tx, &[id]).await?;
    let name = customer.details.name();
    let after = Some(customer.details.told());
    by.record(tx, Event { after, ..event("customer.restored", id, &name) }).await?;
    get(tx, id).await
}

/// Merges `from` into `into`: the survivor keeps its values but for those taken from the other, who is deleted and leads to it.
pub async fn merge(
    tx: &TenantTx,
    by: &By,
    into: CustomerId,
    from: CustomerId,
    take: &[MergeField],
) -> Result<Customer> {
    if into == from {
        return Err(Error::invalid("from", "same", "A customer cannot be merged into itself."));
    }
    // One order for all, so that two merges never wait for each other.
    let mut pair = store::lock_many(tx, &[into.min(from), into.max(from)]).await?;
    let mut out = |id| {
        let at = pair.iter().position(|customer| customer.id == id)?;
        Some(pair.swap_remove(at))
    };
    let survivor = out(into).ok_or_else(unknown)?;
    let other = out(from).ok_or_else(|| Error::invalid("from", "unknown", "There is no such customer."))?;
    belongings::check_mergeable(tx, from, &other.details.name()).await?;
    let details = merged(&survivor.details, &other.details, take);
    store::delete(tx, from, Some(into)).await?;
    store::redirect_merged(tx, from, into).await?;
    belongings::move_all(tx, from, into).await?;
    let gone = other.details.name();
    let told = Event {
        before: Some(other.details.told()),
        after: Some(json!({ "merged_into": into })),
        ..event("customer.merged_away", from, &gone)
    };
    by.record(tx, told).await?;
    let note = Some(("merged_from", json!(from)));
    write(tx, by, survivor, details, "customer.merged", note).await
}

/// Who looks like this customer: the same telephone number or address, or a similar name in the same area.
pub async fn find_lookalikes(
    tx: &TenantTx,
    except: Option<CustomerId>,
    details: &Details,
) -> Result<Vec<Lookalike>> {
    let name = details.name();
    let probe = Probe {
        except,
        name: &name,
        phone: details.phone_primary.as_ref().map(Phone::as_str),
        email: details.email.as_ref().map(EmailAddress::as_str),
        area: details.area_id,
    };
    store::find_lookalikes(tx, &probe).await
}

/// A filter that names an area which is not here is 404.
pub async fn check_filter(tx: &TenantTx, filter: &Filter) -> Result<()> {
    if let Some(area) = filter.area
        && areas::find_name(tx, area).await?.is_none()
    {
        return Err(Error::not_found("area"));
    }
    Ok(())
}
