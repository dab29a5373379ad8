//! Payments as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Method, NewPayment, Payment, Refund, Share, Typed},
    rules::NewRefund,
};
use crate::{
    error::Result,
    types::amount as money,
    types::{Check, SubscriptionId, line, optional_line},
};

/// Money that was taken.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Payment")]
pub struct PaymentView {
    id: Uuid,
    customer_id: Uuid,
    customer_name: String,
    amount: Decimal,
    /// What of it paid for subscriptions, what was given back, and what is the customer's to use.
    allocated_amount: Decimal,
    refunded_amount: Decimal,
    credit_amount: Decimal,
    method: Method,
    #[oai(nullable)]
    reference: Option<String>,
    received_by: String,
    received_at: DateTime<Utc>,
    #[oai(nullable)]
    shift_id: Option<Uuid>,
    #[oai(nullable)]
    note: Option<String>,
    is_void: bool,
    #[oai(nullable)]
    voided_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    voided_by: Option<String>,
    #[oai(nullable)]
    void_reason: Option<String>,
    #[oai(nullable)]
    receipt_id: Option<Uuid>,
    /// As it is printed, such as AR-2026-11-21-0001.
    #[oai(nullable)]
    receipt_number: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        let (receipt_id, receipt_number) = payment.receipt.clone().unzip();
        Self {
            id: payment.id.0,
            customer_id: payment.customer.0,
            amount: payment.amount,
            allocated_amount: payment.allocated,
            refunded_amount: payment.refunded,
            credit_amount: payment.credit(),
            method: payment.method,
            received_at: payment.received_at,
            shift_id: payment.shift.map(|id| id.0),
            is_void: payment.void.is_some(),
            voided_at: payment.void.as_ref().map(|void| void.at),
            voided_by: payment.void.as_ref().map(|void| void.by.clone()),
            void_reason: payment.void.map(|void| void.reason),
            receipt_id: receipt_id.map(|id| id.0),
            receipt_number,
            customer_name: payment.customer_name,
            reference: payment.reference,
            received_by: payment.received_by_label,
            note: payment.note,
            created_at: payment.created_at,
        }
    }
}

/// What of a payment lies on one subscription.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PaymentShare")]
pub struct ShareView {
    pub subscription_id: Uuid,
    pub amount: Decimal,
}

/// Money that was given back.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Refund")]
pub struct RefundView {
    id: Uuid,
    payment_id: Uuid,
    amount: Decimal,
    method: Method,
    #[oai(nullable)]
    reference: Option<String>,
    reason: String,
    refunded_by: String,
    refunded_at: DateTime<Utc>,
}

impl From<Refund> for RefundView {
    fn from(refund: Refund) -> Self {
        Self {
            id: refund.id.0,
            payment_id: refund.payment.0,
            amount: refund.amount,
            method: refund.method,
            reference: refund.reference,
            reason: refund.reason,
            refunded_by: refund.refunded_by_label,
            refunded_at: refund.refunded_at,
        }
    }
}

/// A payment with all that became of it.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "PaymentDetails")]
pub struct PaymentDetailsView {
    pub payment: PaymentView,
    pub allocations: Vec<ShareView>,
    pub refunds: Vec<RefundView>,
}

/// One page of payments, newest first.
#[derive(Debug, Serialize, Object)]
pub struct PaymentList {
    pub items: Vec<PaymentView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are, and what they come to without the void ones; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
    #[oai(nullable)]
    pub total_amount: Option<Decimal>,
}

/// What of a payment is to go to one subscription.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewPaymentShare")]
pub struct ShareBody {
    subscription_id: Uuid,
    amount: Decimal,
}

/// Money that is taken.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewPayment")]
pub struct PaymentBody {
    /// At most two decimals.
    amount: Decimal,
    method: Method,
    /// The payment's own number where it was made. The same one twice is refused: 409 `reference_taken`.
    #[oai(nullable, validator(max_length = 100))]
    reference: Option<String>,
    #[oai(nullable, validator(max_length = 1000))]
    note: Option<String>,
    /// Now when absent; never in the future.
    #[oai(nullable)]
    received_at: Option<DateTime<Utc>>,
    /// Which subscriptions it pays. When absent: what is owed, oldest first. What is left over is the customer's credit.
    #[oai(nullable, validator(max_items = 50))]
    allocations: Option<Vec<ShareBody>>,
}

impl PaymentBody {
    pub fn parse(self, home: String, now: DateTime<Utc>) -> Result<NewPayment> {
        let shares = self.allocations.map(|list| {
            list.into_iter()
                .map(|share| Share {
                    subscription: SubscriptionId(share.subscription_id),
                    amount: share.amount,
                })
                .collect()
        });
        Typed {
            amount: self.amount,
            method: self.method,
            reference: self.reference.unwrap_or_default(),
            note: self.note.unwrap_or_default(),
            received_at: self.received_at,
            shares,
            home,
        }
        .parse(now, Check::new())
    }
}

/// Money to give back.
#[derive(Debug, Object)]
#[oai(rename = "NewRefund")]
pub struct RefundBody {
    /// Of this payment's credit.
    amount: Decimal,
    method: Method,
    #[oai(nullable, validator(max_length = 100))]
    reference: Option<String>,
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
}

impl RefundBody {
    pub fn parse(self) -> Result<NewRefund> {
        refund_of(self.amount, self.method, &self.reference.unwrap_or_default(), &self.reason)
    }
}

/// Checks money that is to be given back; names every wrong field.
pub fn refund_of(amount: Decimal, method: Method, reference: &str, reason: &str) -> Result<NewRefund> {
    let mut check = Check::new();
    let amount = check.field("amount", money::positive(amount));
    let reference = check.field("reference", optional_line(reference, super::model::REFERENCE_MAX));
    let reason = check.field("reason", line(reason, super::model::REASON_MAX));
    let whole = (|| Some(NewRefund { amount: amount?, method, reference: reference?, reason: reason? }))();
    check.finish(whole)
}

/// Why a payment does not count.
#[derive(Debug, Object)]
#[oai(rename = "VoidRequest")]
pub struct VoidBody {
    #[oai(validator(min_length = 1, max_length = 500))]
    pub reason: String,
}

/// How much of a customer's credit was used.
#[derive(Debug, Serialize, Object)]
pub struct CreditUsed {
    pub used: Decimal,
    /// What is left of it, and what is still owed.
    pub credit: Decimal,
    pub owed: Decimal,
}
