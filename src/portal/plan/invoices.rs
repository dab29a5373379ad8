//! What the portal does with the platform's invoices and with credit for messages.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;

use crate::{
    access::By,
    audit::Event,
    error::Result,
    invoicing::{Invoice, Invoicing, Payment},
    messaging::accounts::senders::{self, Credit},
    tenancy::{Registry, Tenant},
    types::{Check, amount},
};

/// Everything that there is to say of what a tenant is asked for.
pub struct Account {
    pub now: DateTime<Utc>,
    pub invoices: Vec<Invoice>,
    pub credit: Credit,
    pub payments: Vec<Payment>,
    /// Whether credit can be bought online in the tenant's currency.
    pub can_buy: bool,
}

pub async fn look(registry: &Registry, invoicing: &Invoicing, tenant: &Tenant) -> Result<Account> {
    Ok(Account {
        now: Utc::now(),
        invoices: invoicing.of_tenant(tenant).await?,
        credit: senders::credit_of(registry.db(), tenant).await?,
        payments: invoicing.credit_payments(tenant).await?,
        can_buy: invoicing.can_pay_online(&tenant.currency),
    })
}

/// Begins to buy credit: answers the payment, at whose address one goes on.
pub async fn buy_credit(
    registry: &Registry,
    invoicing: &Invoicing,
    by: &By,
    sum: Decimal,
) -> Result<Payment> {
    let mut check = Check::new();
    let sum = check.field("amount", amount::positive(sum));
    let sum = check.finish(sum)?;
    let payment = invoicing.buy_credit(&by.tenant, sum, &by.actor.label).await?;
    registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            let event = Event {
                action: "credit.payment_begun",
                object_type: "credit",
                object_id: Some(payment.id),
                object_label: "Credit for messages",
                before: None,
                after: Some(json!({ "amount": payment.amount, "currency": payment.currency })),
            };
            by.record(tx, event).await
        })
        .await?;
    Ok(payment)
}
