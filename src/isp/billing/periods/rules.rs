//! Selling periods, and what may become of them.
//!
//! Whoever changes the periods of an installation locks its row first, then the customer's account where money moves: two
//! cashiers at one installation wait for each other, and the second period begins where the first one ends.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    model::{Bought, Chain, Change, Credit, Kind, Span, Status, Subscription, Terms, second},
    store::{self, Place},
};
use crate::{
    access::By,
    audit,
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::{
        billing::{
            clock,
            ledger::{self, About, EntryKind},
            payments::{self, NewPayment, Payment},
            policy,
        },
        customers, installations,
        plans::{self, Plan},
    },
    jobs,
    types::{CustomerId, InstallationId, PlanId, SubscriptionId},
};

/// What is to be sold.
#[derive(Debug, Clone)]
pub struct Order {
    pub installation: InstallationId,
    pub plan: PlanId,
    pub kind: Kind,
    /// Counts for [`Kind::Custom`] alone.
    pub amount: Option<Decimal>,
    pub notes: Option<String>,
    /// Pay with what the customer has as credit.
    pub use_credit: bool,
    /// Money that is taken with the sale.
    pub payment: Option<NewPayment>,
}

/// What a sale would be.
#[derive(Debug, Clone)]
pub struct Preview {
    pub plan: Plan,
    pub bought: Bought,
    pub span: Span,
    pub customer: CustomerId,
    /// It begins where another period ends.
    pub is_chained: bool,
    /// The period that it is chained to stands still: it begins once that one went on and ended.
    pub is_held: bool,
    pub credit: Decimal,
}

/// What was sold, and the money that was taken with it.
#[derive(Debug, Clone)]
pub struct Sold {
    pub subscription: Subscription,
    pub payment: Option<Payment>,
}

/// What a change of plan comes to.
#[derive(Debug, Clone)]
pub struct Changed {
    pub plan: Plan,
    pub change: Change,
}

/// Minutes that were given on top of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    pub subscription: SubscriptionId,
    pub customer: CustomerId,
    pub minutes: i64,
    pub ends_at: DateTime<Utc>,
}

fn unknown_installation() -> Error {
    Error::invalid("installation_id", "unknown", "There is no such installation.")
}

/// Refuses what nothing is sold to.
fn sellable(place: Place) -> Result<Place> {
    match place.status.as_str() {
        _ if place.is_customer_deleted => {
            Err(Error::conflict("customer_deleted", "The customer of this installation was deleted."))
        }
        "suspended" => Err(Error::conflict(
            "installation_suspended",
            "This installation is suspended. Let it go on before selling to it.",
        )),
        "terminated" => Err(Error::conflict(
            "installation_terminated",
            "This installation was terminated; nothing is sold to it.",
        )),
        _ => Ok(place),
    }
}

async fn computed(tx: &TenantTx, place: &Place, plan: Plan, order: &Order) -> Result<(Preview, Chain)> {
    let bought = Terms::from(&plan).bought(order.kind, order.amount)?;
    let chain = Chain::live(store::open_periods(tx, place.id).await?, place.now);
    let preview = Preview {
        plan,
        bought,
        span: Span::new(chain.next_start(place.now), bought.minutes),
        customer: place.customer,
        is_chained: !chain.0.is_empty(),
        is_held: chain.0.first().is_some_and(|first| first.status == Status::Paused),
        credit: payments::credit(tx, place.customer).await?,
    };
    Ok((preview, chain))
}

/// The figures of a sale, without selling.
pub async fn preview(tx: &TenantTx, order: &Order) -> Result<Preview> {
    let place = store::find_place(tx, order.installation).await?.ok_or_else(unknown_installation)?;
    let place = sellable(place)?;
    let plan = plans::find(tx, order.plan)
        .await?
        .ok_or_else(|| Error::invalid("plan_id", "unknown", "There is no such plan."))?;
    if !plan.is_active() {
        return Err(plans::inactive());
    }
    Ok(computed(tx, &place, plan, order).await?.0)
}

/// Sells a period. It begins at the end of the latest one that is not called off and still runs, else now.
pub async fn sell(tx: &TenantTx, by: &By, order: &Order) -> Result<Sold> {
    let place = store::lock_place(tx, order.installation).await?.ok_or_else(unknown_installation)?;
    let place = sellable(place)?;
    let plan = plans::for_sale(tx, order.plan).await?;
    let (preview, _) = computed(tx, &place, plan, order).await?;
    let subscription = new_period(&preview, by, order.kind, order.installation, order.notes.clone());
    let id = subscription.id;
    store::insert(tx, &subscription).await?;
    ledger::lock(tx, place.customer).await?;
    charge(tx, &subscription).await?;
    if order.use_credit {
        payments::use_credit(tx, by, place.customer, Some(id)).await?;
    }
    let payment = match &order.payment {
        Some(new) => {
            Some(payments::record(tx, by, place.customer, new, Some(id)).await.map_err(payments::nested)?)
        }
        None => None,
    };
    settle(tx, by, order.installation, place.now).await?;
    let sold = get(tx, id).await?;
    tell(tx, by, "subscription.sold", &sold, told(&sold)).await?;
    Ok(Sold { subscription: sold, payment })
}

fn new_period(
    preview: &Preview,
    by: &By,
    kind: Kind,
    installation: InstallationId,
    notes: Option<String>,
) -> Subscription {
    let now = Utc::now();
    Subscription {
        id: SubscriptionId::new(),
        installation,
        customer: preview.customer,
        plan: preview.plan.id,
        plan_name: preview.plan.name().to_owned(),
        kind,
        terms: Terms::from(&preview.plan),
        tax: preview.plan.tax(),
        amount: preview.bought.amount,
        credited: Decimal::new(0, 2),
        paid: Decimal::new(0, 2),
        days: preview.bought.days,
        span: preview.span,
        status: Status::Active,
        paused_at: None,
        cancelled_at: None,
        cancel_reason: None,
        notes,
        sold_by: by.staff(),
        sold_by_label: by.actor.label.clone(),
        created_at: now,
        updated_at: now,
    }
}

async fn charge(tx: &TenantTx, sold: &Subscription) -> Result<()> {
    let about = About { subscription: Some(sold.id), ..About::default() };
    let text = format!("{}, {} days", sold.plan_name, sold.days.normalize());
    ledger::enter(tx, sold.customer, EntryKind::Charge, sold.amount, about, &text).await
}

fn told(one: &Subscription) -> Value {
    json!({
        "installation_id": one.installation, "plan_id": one.plan, "plan": one.plan_name, "kind": one.kind.as_str(),
        "amount": one.amount, "starts_at": one.span.starts_at, "ends_at": one.span.ends_at,
        "status": one.status.as_str(),
    })
}

/// Writes down what happened to a period, and tells whoever listens.
async fn tell(
    tx: &TenantTx,
    by: &By,
    action: &'static str,
    one: &Subscription,
    payload: Value,
) -> Result<()> {
    let event = audit::Event {
        action,
        object_type: "subscription",
        object_id: Some(one.id.0),
        object_label: &one.plan_name,
        before: None,
        after: Some(payload.clone()),
    };
    by.record(tx, event).await?;
    let news =
        events::Event { kind: action, subject: one.id.0, customer: Some(one.customer), payload: &payload };
    events::publish(tx, news).await
}

/// Makes installations what their periods say at `now`: until when they are paid, and whether they run. The caller holds them. How
/// many run now and did not, or the other way round.
pub async fn catch_up(tx: &TenantTx, ids: &[InstallationId], now: DateTime<Utc>) -> Result<usize> {
    store::write_paid_until(tx, ids).await?;
    Ok(installations::derive_held(tx, ids, now).await?.len())
}

/// After the periods of an installation changed: its `paid_until` and status, and when the clock must look at it.
async fn settle(tx: &TenantTx, by: &By, id: InstallationId, now: DateTime<Utc>) -> Result<()> {
    let policy = policy::get(tx).await?;
    catch_up(tx, &[id], now).await?;
    let zone = by.tenant.time_zone.0;
    let next = Chain::live(store::open_periods(tx, id).await?, now)
        .0
        .iter()
        .filter(|one| one.status == Status::Active)
        .map(|one| policy.next_look(one.span.starts_at, one.span.ends_at, now, zone))
        .min();
    match next {
        Some(at) => jobs::call_at(tx, clock::KIND, at).await,
        None => Ok(()),
    }
}

pub async fn get(tx: &TenantTx, id: SubscriptionId) -> Result<Subscription> {
    store::find(tx, id).await?.ok_or(Error::not_found("subscription"))
}

/// Where a period lies, locked, with the chain that it is part of.
async fn locked(tx: &TenantTx, id: SubscriptionId) -> Result<(Place, Chain)> {
    let installation = get(tx, id).await?.installation;
    let place = store::lock_place(tx, installation).await?.ok_or(Error::not_found("installation"))?;
    let chain = Chain::live(store::open_periods(tx, installation).await?, place.now);
    Ok((place, chain))
}

/// Writes what changed in a chain.
async fn write(tx: &TenantTx, was: &Chain, is: &Chain) -> Result<()> {
    let mut moved = None;
    for (was, is) in was.0.iter().zip(&is.0).filter(|(was, is)| was != is) {
        store::update(tx, is).await?;
        if was.span.starts_at != is.span.starts_at {
            moved = Some(is.id);
        }
    }
    match moved {
        Some(period) => ledger::note_first_paid(tx, period).await,
        None => Ok(()),
    }
}

/// Takes an amount off what a period costs. What was paid of it becomes credit; the answer says of which payments.
async fn take_off(
    tx: &TenantTx,
    one: &Subscription,
    amount: Decimal,
    why: &str,
) -> Result<Vec<(crate::types::PaymentId, Decimal)>> {
    // Asked again: it may have been paid while the account was waited for.
    let paid = get(tx, one.id).await?.paid;
    let over = paid - (one.amount - amount);
    let released = if over > Decimal::ZERO { payments::release(tx, one.id, over).await? } else { Vec::new() };
    let about = About { subscription: Some(one.id), ..About::default() };
    ledger::enter(tx, one.customer, EntryKind::Credit, -amount, about, why).await?;
    Ok(released)
}

/// Calls a period off, with a reason. Later ones move up; of its value becomes what was chosen.
pub async fn cancel(
    tx: &TenantTx,
    by: &By,
    id: SubscriptionId,
    reason: &str,
    credit: Credit,
) -> Result<Subscription> {
    let (place, was) = locked(tx, id).await?;
    let mut chain = was.clone();
    let credited = chain.cancel(id, credit, place.now)?;
    for one in chain.0.iter_mut().filter(|one| one.id == id) {
        one.cancelled_at = Some(place.now);
        one.cancel_reason = Some(reason.to_owned());
    }
    ledger::lock(tx, place.customer).await?;
    if let Some(one) = was.0.iter().find(|one| one.id == id) {
        take_off(tx, one, credited, &format!("Cancelled: {reason}")).await?;
    }
    write(tx, &was, &chain).await?;
    store::close_pause(tx, id, place.now).await?;
    settle(tx, by, place.id, place.now).await?;
    let one = get(tx, id).await?;
    let payload = json!({
        "installation_id": one.installation, "reason": reason, "credited": credited,
        "returned_minutes": one.span.returned, "ends_at": one.span.ends_at,
    });
    tell(tx, by, "subscription.cancelled", &one, payload).await?;
    Ok(one)
}

/// Holds the running period where it is: from now on it uses up no days.
pub async fn pause(tx: &TenantTx, by: &By, id: SubscriptionId, reason: Option<&str>) -> Result<Subscription> {
    let (place, was) = locked(tx, id).await?;
    let mut chain = was.clone();
    chain.pause(id, place.now)?;
    write(tx, &was, &chain).await?;
    store::open_pause(tx, id, second(place.now), (reason, &by.actor.label)).await?;
    settle(tx, by, place.id, place.now).await?;
    let one = get(tx, id).await?;
    let payload =
        json!({ "installation_id": one.installation, "reason": reason, "paused_at": one.paused_at });
    tell(tx, by, "subscription.paused", &one, payload).await?;
    Ok(one)
}

/// Lets a paused period go on. It and all later ones end later by the minutes that it stood still.
pub async fn resume(tx: &TenantTx, by: &By, id: SubscriptionId) -> Result<Subscription> {
    let (place, was) = locked(tx, id).await?;
    let mut chain = was.clone();
    let minutes = chain.resume(id, place.now)?;
    write(tx, &was, &chain).await?;
    store::close_pause(tx, id, place.now).await?;
    settle(tx, by, place.id, place.now).await?;
    let one = get(tx, id).await?;
    let payload = json!({ "installation_id": one.installation, "paused_minutes": minutes, "ends_at": one.span.ends_at });
    tell(tx, by, "subscription.resumed", &one, payload).await?;
    Ok(one)
}

/// Gives minutes on top of what runs at an installation, and moves what is chained to it. None when nothing runs there.
pub async fn extend(
    tx: &TenantTx,
    by: &By,
    installation: InstallationId,
    minutes: i64,
    why: &str,
) -> Result<Option<Extended>> {
    if minutes <= 0 {
        return Ok(None);
    }
    let Some(place) = store::lock_place(tx, installation).await? else { return Ok(None) };
    let was = Chain::live(store::open_periods(tx, installation).await?, place.now);
    let mut chain = was.clone();
    let Some(id) = chain.extend(minutes, place.now) else { return Ok(None) };
    write(tx, &was, &chain).await?;
    settle(tx, by, installation, place.now).await?;
    let one = get(tx, id).await?;
    let payload = json!({
        "installation_id": installation, "minutes": minutes, "reason": why, "ends_at": one.span.ends_at,
    });
    tell(tx, by, "subscription.extended", &one, payload).await?;
    Ok(Some(Extended { subscription: id, customer: one.customer, minutes, ends_at: one.span.ends_at }))
}

/// What it would be to change the running period to another plan, without changing it.
pub async fn preview_change(tx: &TenantTx, id: SubscriptionId, plan: PlanId) -> Result<Changed> {
    let one = get(tx, id).await?;
    let place = store::find_place(tx, one.installation).await?.ok_or(Error::not_found("installation"))?;
    let chain = Chain::live(store::open_periods(tx, one.installation).await?, place.now);
    let plan = plans::find(tx, plan)
        .await?
        .ok_or_else(|| Error::invalid("plan_id", "unknown", "There is no such plan."))?;
    if !plan.is_active() {
        return Err(plans::inactive());
    }
    let change = changed(&chain, id, &plan, place.now)?;
    Ok(Changed { plan, change })
}

fn changed(chain: &Chain, id: SubscriptionId, plan: &Plan, now: DateTime<Utc>) -> Result<Change> {
    if chain.0.first().is_some_and(|first| first.plan == plan.id && first.terms == Terms::from(plan)) {
        return Err(Error::invalid("plan_id", "same", "It is this plan already."));
    }
    chain.change_to(id, Terms::from(plan), now)
}

/// Changes the running period to another plan: what is unused of it buys minutes of the other one, and what was paid goes along.
pub async fn change_plan(tx: &TenantTx, by: &By, id: SubscriptionId, plan: PlanId) -> Result<Subscription> {
    let (place, was) = locked(tx, id).await?;
    sellable(place.clone())?;
    let plan = plans::for_sale(tx, plan).await?;
    let change = changed(&was, id, &plan, place.now)?;
    let mut chain = was.clone();
    chain.change(&change)?;
    ledger::lock(tx, place.customer).await?;
    let Some(old) = was.0.first() else { return Err(Error::not_found("subscription")) };
    let why = format!("Changed to {}", plan.name());
    let released = take_off(tx, old, change.credited, &why).await?;
    write(tx, &was, &chain).await?;
    let preview = Preview {
        bought: change.bought,
        span: change.span,
        customer: place.customer,
        is_chained: true,
        is_held: false,
        credit: Decimal::ZERO,
        plan,
    };
    let kind = if old.kind == Kind::Opening { Kind::Opening } else { Kind::Change };
    let new = new_period(&preview, by, kind, place.id, None);
    store::insert(tx, &new).await?;
    charge(tx, &new).await?;
    payments::move_to(tx, &released, new.id).await?;
    settle(tx, by, place.id, place.now).await?;
    let new = get(tx, new.id).await?;
    let mut payload = told(&new);
    if let Value::Object(members) = &mut payload {
        members.insert("changed_from".into(), json!(id));
        members.insert("unused_minutes".into(), json!(change.unused_minutes));
        members.insert("unused_value".into(), json!(change.unused_value));
    }
    tell(tx, by, "subscription.changed", &new, payload).await?;
    Ok(new)
}

/// A filter that names what is not here is 404.
pub async fn check_filter(tx: &TenantTx, filter: &store::Filter) -> Result<()> {
    if let Some(customer) = filter.customer {
        customers::get_any(tx, customer).await?;
    }
    if let Some(installation) = filter.installation
        && store::find_place(tx, installation).await?.is_none()
    {
        return Err(Error::not_found("installation"));
    }
    if let Some(plan) = filter.plan
        && plans::find(tx, plan).await?.is_none()
    {
        return Err(Error::not_found("plan"));
    }
    Ok(())
}

/// What runs at these installations now.
pub async fn running(tx: &TenantTx, ids: &[InstallationId]) -> Result<HashMap<InstallationId, Subscription>> {
    Ok(store::running(tx, ids).await?.into_iter().map(|one| (one.installation, one)).collect())
}
