//! Taking money, giving it to periods, taking it back, giving it back.
//!
//! Whoever does any of it locks the customer's account first: two cashiers at one period wait for each other, and the second
//! sees what the first one left to pay.

use rust_decimal::Decimal;
use serde_json::json;

use super::{
    list::Filter,
    model::{Method, NewPayment, Payment, Refund, pair, spread},
    store,
};
use crate::{
    access::{By, find_colleague},
    audit,
    db::TenantTx,
    error::{Error, Result},
    events,
    isp::{
        billing::{
            ReviewShifts,
            ledger::{self, About, EntryKind},
            receipts,
        },
        customers,
    },
    types::{CustomerId, PaymentId, RefundId, SubscriptionId},
    words::{in_english, say},
};

/// A filter that names what is not here is 404.
pub async fn check_filter(tx: &TenantTx, filter: &Filter) -> Result<()> {
    if let Some(customer) = filter.customer {
        customers::get_any(tx, customer).await?;
    }
    if let Some(staff) = filter.received_by
        && find_colleague(tx, staff).await?.is_none()
    {
        return Err(Error::not_found("person"));
    }
    if let Some(shift) = filter.shift
        && !store::has_shift(tx, shift).await?
    {
        return Err(Error::not_found("shift"));
    }
    Ok(())
}

pub async fn get(tx: &TenantTx, id: PaymentId) -> Result<Payment> {
    store::find(tx, id).await?.ok_or(Error::not_found("payment"))
}

/// What was given back of a payment.
pub async fn refunds(tx: &TenantTx, id: PaymentId) -> Result<Vec<Refund>> {
    store::refunds_of(tx, id).await
}

/// What of a payment lies on which period.
pub async fn shares(tx: &TenantTx, id: PaymentId) -> Result<Vec<(SubscriptionId, Decimal)>> {
    store::shares_of(tx, id).await
}

/// What a customer has to use.
pub async fn credit(tx: &TenantTx, customer: CustomerId) -> Result<Decimal> {
    Ok(store::credits(tx, customer).await?.iter().map(|(_, amount)| *amount).sum())
}

/// What a customer owes in all.
pub async fn owed(tx: &TenantTx, customer: CustomerId) -> Result<Decimal> {
    Ok(store::dues(tx, customer).await?.iter().map(|(_, amount)| *amount).sum())
}

fn event<'a>(action: &'static str, id: PaymentId, label: &'a str) -> audit::Event<'a> {
    audit::Event {
        action,
        object_type: "payment",
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

fn label(payment: &Payment) -> String {
    format!("{} {} of {}", in_english(|| payment.method.label()), payment.amount, payment.customer_name)
}

/// The shares that were stated, held against what is owed.
fn stated(
    new: &NewPayment,
    dues: &[(SubscriptionId, Decimal)],
) -> Result<Option<Vec<(SubscriptionId, Decimal)>>> {
    let Some(shares) = &new.shares else { return Ok(None) };
    for share in shares {
        let due = dues.iter().find(|(id, _)| *id == share.subscription).map(|(_, due)| *due);
        match due {
            None => {
                let detail = "There is nothing to pay for this subscription, or it is not this customer's.";
                return Err(Error::invalid("allocations", "nothing_due", detail));
            }
            Some(due) if share.amount > due => {
                let detail = say!("Only {} is still to be paid for one of these subscriptions.", due);
                return Err(Error::invalid("allocations", "too_large", detail));
            }
            Some(_) => {}
        }
    }
    Ok(Some(shares.iter().map(|share| (share.subscription, share.amount)).collect()))
}

/// What is owed, with one period before all others.
fn with_first(
    mut dues: Vec<(SubscriptionId, Decimal)>,
    first: Option<SubscriptionId>,
) -> Vec<(SubscriptionId, Decimal)> {
    // False sorts before true, and the order stays otherwise.
    dues.sort_by_key(|(id, _)| Some(*id) != first);
    dues
}

/// Records money that was taken. It pays what it is said to pay, else the period `first` and then what is owed, oldest first; the
/// rest is the customer's credit. Its receipt is issued with it.
pub async fn record(
    tx: &TenantTx,
    by: &By,
    customer: CustomerId,
    new: &NewPayment,
    first: Option<SubscriptionId>,
) -> Result<Payment> {
    if store::hold_customer(tx, customer).await?.is_none() {
        return Err(Error::invalid("customer_id", "unknown", "There is no such customer."));
    }
    ledger::lock(tx, customer).await?;
    let dues = with_first(store::dues(tx, customer).await?, first);
    let shares = stated(new, &dues)?.unwrap_or_else(|| spread(new.amount, &dues));
    let shift = if new.method == Method::Cash { store::hold_open_shift(tx, by).await? } else { None };
    let id = PaymentId::new();
    store::insert(tx, by, id, customer, new, shift).await?;
    let about = About { payment: Some(id), ..About::default() };
    let method = in_english(|| new.method.label());
    let told = match &new.reference {
        Some(reference) => format!("{method} {reference}"),
        None => method.to_owned(),
    };
    ledger::enter(tx, customer, EntryKind::Payment, -new.amount, about, &told).await?;
    for (subscription, amount) in shares {
        store::allocate(tx, id, subscription, amount).await?;
    }
    let mut payment = get(tx, id).await?;
    let name = label(&payment);
    let after = json!({
        "amount": payment.amount, "method": payment.method.as_str(), "reference": payment.reference,
        "customer_id": customer, "allocated": payment.allocated,
    });
    by.record(tx, audit::Event { after: Some(after.clone()), ..event("payment.recorded", id, &name) })
        .await?;
    let news =
        events::Event { kind: "payment.recorded", subject: id.0, customer: Some(customer), payload: &after };
    events::publish(tx, news).await?;
    payment.receipt = Some(receipts::issue(tx, by, &payment, &new.home).await?);
    Ok(payment)
}

/// Uses what a customer has as credit for what is owed: for one period alone, or for all, oldest first. Answers how much was used.
pub async fn use_credit(
    tx: &TenantTx,
    by: &By,
    customer: CustomerId,
    only: Option<SubscriptionId>,
) -> Result<Decimal> {
    ledger::lock(tx, customer).await?;
    let mut dues = store::dues(tx, customer).await?;
    dues.retain(|(id, _)| only.is_none_or(|only| only == *id));
    let pairs = pair(&store::credits(tx, customer).await?, &dues);
    for (payment, subscription, amount) in &pairs {
        store::allocate(tx, *payment, *subscription, *amount).await?;
    }
    let used: Decimal = pairs.iter().map(|(_, _, amount)| *amount).sum();
    if !used.is_zero() {
        let told = audit::Event {
            action: "credit.used",
            object_type: "customer",
            object_id: Some(customer.0),
            object_label: "Credit",
            before: None,
            after: Some(json!({ "amount": used, "subscription_id": only })),
        };
        by.record(tx, told).await?;
    }
    Ok(used)
}

/// Takes an amount back from what was paid for a period, the newest payments first: it is credit again. The account is locked.
pub async fn release(
    tx: &TenantTx,
    subscription: SubscriptionId,
    amount: Decimal,
) -> Result<Vec<(PaymentId, Decimal)>> {
    let released = spread(amount, &store::payers_of(tx, subscription).await?);
    for (payment, amount) in &released {
        store::allocate(tx, *payment, subscription, -*amount).await?;
    }
    Ok(released)
}

/// Gives what was released to another period.
pub async fn move_to(tx: &TenantTx, released: &[(PaymentId, Decimal)], to: SubscriptionId) -> Result<()> {
    for (payment, amount) in released {
        store::allocate(tx, *payment, to, *amount).await?;
    }
    Ok(())
}

/// Declares a payment void: it is kept, and counts no more. What it paid is owed again. One of which something was given back
/// stays; one of a shift that was counted needs the right to review shifts.
pub async fn void(tx: &TenantTx, by: &By, id: PaymentId, reason: &str) -> Result<Payment> {
    let customer = get(tx, id).await?.customer;
    ledger::lock(tx, customer).await?;
    let payment = get(tx, id).await?;
    if payment.void.is_some() {
        return Err(Error::conflict("void", "This payment is void already."));
    }
    if !payment.refunded.is_zero() {
        return Err(Error::conflict(
            "refunded",
            "Money of this payment was given back, so that it cannot be void.",
        ));
    }
    if let Some(shift) = payment.shift
        && store::is_shift_closed(tx, shift).await?
        && by.require::<ReviewShifts>().is_err()
    {
        let detail = "The shift that took this payment was counted. Who reviews shifts may declare it void.";
        return Err(Error::conflict("shift_closed", detail));
    }
    for (subscription, amount) in store::shares_of(tx, id).await? {
        store::allocate(tx, id, subscription, -amount).await?;
    }
    store::void(tx, id, &by.actor.label, reason).await?;
    let about = About { payment: Some(id), ..About::default() };
    let text = format!("Void: {reason}");
    ledger::enter(tx, customer, EntryKind::Void, payment.amount, about, &text).await?;
    let (name, payload) = (label(&payment), json!({ "amount": payment.amount, "reason": reason }));
    by.record(tx, audit::Event { after: Some(payload.clone()), ..event("payment.voided", id, &name) })
        .await?;
    let news =
        events::Event { kind: "payment.voided", subject: id.0, customer: Some(customer), payload: &payload };
    events::publish(tx, news).await?;
    get(tx, id).await
}

/// Money to give back, checked.
#[derive(Debug, Clone)]
pub struct NewRefund {
    pub amount: Decimal,
    pub method: Method,
    pub reference: Option<String>,
    pub reason: String,
}

/// Gives money back, out of what of a payment is credit. What lies on a period comes free by cancelling it.
pub async fn refund(tx: &TenantTx, by: &By, id: PaymentId, new: &NewRefund) -> Result<Refund> {
    let customer = get(tx, id).await?.customer;
    ledger::lock(tx, customer).await?;
    let payment = get(tx, id).await?;
    let credit = payment.credit();
    if new.amount > credit {
        let detail = say!(
            "Of this payment {} is credit. Cancel what it paid first, then the rest can be given back.",
            credit
        );
        return Err(Error::invalid("amount", "too_large", detail));
    }
    let shift = if new.method == Method::Cash { store::hold_open_shift(tx, by).await? } else { None };
    let refund = Refund {
        id: RefundId::new(),
        payment: id,
        amount: new.amount,
        method: new.method,
        reference: new.reference.clone(),
        reason: new.reason.clone(),
        refunded_by_label: by.actor.label.clone(),
        refunded_at: chrono::Utc::now(),
    };
    store::insert_refund(tx, by, customer, &refund, shift).await?;
    let about = About { payment: Some(id), refund: Some(refund.id), subscription: None };
    let text = format!("Refund: {}", new.reason);
    ledger::enter(tx, customer, EntryKind::Refund, new.amount, about, &text).await?;
    let payload = json!({
        "amount": new.amount, "method": new.method.as_str(), "reason": new.reason, "refund_id": refund.id,
    });
    let name = label(&payment);
    by.record(tx, audit::Event { after: Some(payload.clone()), ..event("payment.refunded", id, &name) })
        .await?;
    let news = events::Event {
        kind: "payment.refunded",
        subject: id.0,
        customer: Some(customer),
        payload: &payload,
    };
    events::publish(tx, news).await?;
    store::find_refund(tx, refund.id)
        .await?
        .ok_or_else(|| Error::internal("a refund that was written is gone"))
}
