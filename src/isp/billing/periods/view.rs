//! Periods as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Kind, Status, Subscription},
    rules::{Changed, Preview},
    store::Listed,
};
use crate::isp::{billing::payments::PaymentView, plans::Tax};

/// A period of service that was sold.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Subscription")]
pub struct SubscriptionView {
    id: Uuid,
    installation_id: Uuid,
    customer_id: Uuid,
    plan_id: Uuid,
    /// As it was when it was sold.
    plan_name: String,
    kind: Kind,
    /// What the plan cost then, for `period_days` days.
    price: Decimal,
    period_days: i16,
    tax: Tax,
    /// What it cost the customer.
    amount: Decimal,
    /// What of that was taken off again.
    credited_amount: Decimal,
    paid_amount: Decimal,
    due_amount: Decimal,
    /// Rounded half-up to two places.
    days_added: Decimal,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    sold_minutes: i64,
    /// Given on top.
    extended_minutes: i64,
    /// Taken back, when it was cancelled or changed to another plan.
    returned_minutes: i64,
    /// How long it stood still.
    paused_minutes: i64,
    status: Status,
    #[oai(nullable)]
    paused_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    cancelled_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    cancel_reason: Option<String>,
    #[oai(nullable)]
    notes: Option<String>,
    sold_by: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Subscription> for SubscriptionView {
    fn from(one: Subscription) -> Self {
        Self {
            due_amount: one.due(),
            id: one.id.0,
            installation_id: one.installation.0,
            customer_id: one.customer.0,
            plan_id: one.plan.0,
            plan_name: one.plan_name,
            kind: one.kind,
            price: one.terms.price,
            period_days: one.terms.period_days,
            tax: one.tax,
            amount: one.amount,
            credited_amount: one.credited,
            paid_amount: one.paid,
            days_added: one.days,
            starts_at: one.span.starts_at,
            ends_at: one.span.ends_at,
            sold_minutes: one.span.sold,
            extended_minutes: one.span.extended,
            returned_minutes: one.span.returned,
            paused_minutes: one.span.paused,
            status: one.status,
            paused_at: one.paused_at,
            cancelled_at: one.cancelled_at,
            cancel_reason: one.cancel_reason,
            notes: one.notes,
            sold_by: one.sold_by_label,
            created_at: one.created_at,
            updated_at: one.updated_at,
        }
    }
}

/// A period in a list.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "ListedSubscription")]
pub struct ListedView {
    customer_name: String,
    subscription: SubscriptionView,
}

impl From<Listed> for ListedView {
    fn from(listed: Listed) -> Self {
        Self { customer_name: listed.customer_name, subscription: listed.subscription.into() }
    }
}

/// One page of periods, newest first.
#[derive(Debug, Serialize, Object)]
pub struct SubscriptionList {
    pub items: Vec<ListedView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
}

/// What was sold, and the payment that was taken with it.
#[derive(Debug, Serialize, Object)]
pub struct SaleView {
    pub subscription: SubscriptionView,
    #[oai(nullable)]
    pub payment: Option<PaymentView>,
}

/// What a sale would be.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "SalePreview")]
pub struct PreviewView {
    plan_id: Uuid,
    plan_name: String,
    customer_id: Uuid,
    amount: Decimal,
    days_added: Decimal,
    minutes: i64,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// It begins where another period ends.
    is_chained: bool,
    /// That period stands still, so that this one begins later than it says here.
    is_held: bool,
    /// What the customer could pay with.
    credit: Decimal,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        Self {
            plan_id: preview.plan.id.0,
            plan_name: preview.plan.name().to_owned(),
            customer_id: preview.customer.0,
            amount: preview.bought.amount,
            days_added: preview.bought.days,
            minutes: preview.bought.minutes,
            starts_at: preview.span.starts_at,
            ends_at: preview.span.ends_at,
            is_chained: preview.is_chained,
            is_held: preview.is_held,
            credit: preview.credit,
        }
    }
}

/// What a change of plan comes to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "PlanChangePreview")]
pub struct ChangeView {
    plan_id: Uuid,
    plan_name: String,
    /// Minutes that are unused of what runs.
    unused_minutes: i64,
    /// Their share of what it cost, half-up to the cent.
    unused_value: Decimal,
    /// Minutes of the new plan that this buys.
    minutes: i64,
    days_added: Decimal,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

impl From<Changed> for ChangeView {
    fn from(changed: Changed) -> Self {
        let change = changed.change;
        Self {
            plan_id: changed.plan.id.0,
            plan_name: changed.plan.name().to_owned(),
            unused_minutes: change.unused_minutes,
            unused_value: change.unused_value,
            minutes: change.bought.minutes,
            days_added: change.bought.days,
            starts_at: change.span.starts_at,
            ends_at: change.span.ends_at,
        }
    }
}
