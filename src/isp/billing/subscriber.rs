//! Billing as the customer sees it: their own periods, payments, balance and receipts, and nobody else's.

use rust_decimal::Decimal;

use super::{
    ledger,
    payments::{self, Payment},
    periods::{self, Subscription},
    receipts::{self, Paper},
};
use crate::{
    access::By,
    db::{Db, TenantTx},
    error::{Error, Result},
    types::{CustomerId, Limit, ReceiptId},
    web::Pdf,
};

/// What a customer bought and paid, newest first.
pub struct OwnAccount {
    /// What is owed; negative is credit.
    pub balance: Decimal,
    pub periods: Vec<Subscription>,
    pub payments: Vec<Payment>,
    pub more_periods: bool,
    pub more_payments: bool,
}

/// The newest periods and payments of one customer, at most `limit` of each, and what they owe.
pub async fn own_account(tx: &TenantTx, customer: CustomerId, limit: Limit) -> Result<OwnAccount> {
    let of_periods = periods::Filter { customer: Some(customer), ..periods::Filter::default() };
    let of_payments = payments::Filter { customer: Some(customer), ..payments::Filter::default() };
    let (balance, mut sold, (payments, more_payments)) = futures_util::try_join!(
        ledger::balance(tx, customer),
        periods::list(tx, &of_periods, None, limit),
        payments::page(tx, &of_payments, None, limit)
    )?;
    let more_periods = limit.cut(&mut sold);
    let periods = sold.into_iter().map(|one| one.subscription).collect();
    Ok(OwnAccount { balance, periods, payments, more_periods, more_payments })
}

/// A receipt on paper, if it is this customer's.
pub async fn own_receipt(db: &Db, by: &By, customer: CustomerId, id: ReceiptId, paper: Paper) -> Result<Pdf> {
    let receipt = db.read_tenant(&by.tenant, async |tx| receipts::get(tx, id).await).await?;
    if receipt.customer != customer {
        return Err(Error::not_found("receipt"));
    }
    receipts::paper(db, by, id, paper).await
}
