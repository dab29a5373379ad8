//! Billing: prepaid periods, the money that pays them, the account of each customer, receipts, the cashier's drawer, and what time
//! does to all of it.
//!
//! Owns `billing_policy`, `subscription`, `subscription_pause`, `subscription_reminder`, `payment`, `payment_allocation`,
//! `refund`, `customer_account`, `ledger_entry`, `receipt`, `receipt_logo`, `cash_shift`. Reads `customer`, `area`, `company`
//! and `installation`; of `installation` it writes `paid_until`, and has `installations::derive_held` make the status of it.
//!
//! Locks are taken in one order: the plan, the installation, the customer's account, the shift, the series of receipts.

mod clock;
mod ledger;
mod mark;
mod pages;
mod payments;
mod periods;
mod policy;
mod policy_api;
mod receipts;
mod round;
mod shifts;
mod subscriber;

use crate::access::{NavItem, rights};

pub use clock::{KIND as CLOCK, handlers};
pub use pages::pages;
pub use payments::PaymentsApi;
pub use periods::{Opening, Served, Span, SubscriptionsApi, bring_forward, extend, opening_span, served};
pub use policy_api::BillingSettingsApi;
pub use receipts::{Paper, Printed, ReceiptsApi};
pub use shifts::ShiftsApi;
pub use subscriber::{OwnAccount, own_account, own_receipt};

rights! { "Billing", PERMISSIONS:
    ViewSubscriptions = "subscriptions.view", "subscriptions.read", "View subscriptions", "See the periods that were sold.", for [Cashier, Support, Viewer];
    SellSubscriptions = "subscriptions.sell", "subscriptions.write", "Sell subscriptions", "Sell periods of service.", for [Cashier];
    CancelSubscriptions = "subscriptions.cancel", "subscriptions.write", "Cancel subscriptions", "Call periods off, and say what becomes of their value.";
    ChangeSubscriptions = "subscriptions.change", "subscriptions.write", "Change subscriptions", "Pause periods, let them go on, and change their plan.";
    ViewPayments = "payments.view", "payments.read", "View payments", "See payments, accounts and receipts.", for [Cashier, Viewer];
    RecordPayments = "payments.record", "payments.write", "Record payments", "Take money, and use a customer's credit.", for [Cashier];
    VoidPayments = "payments.void", "payments.write", "Void payments", "Declare payments void; what they paid is owed again.";
    RefundPayments = "payments.refund", "payments.write", "Refund payments", "Give credit back as money.";
    PrintReceipts = "receipts.print", "receipts.read", "Print receipts", "Download receipts.", for [Cashier];
    WorkShifts = "shifts.work", "shifts.write", "Work shifts", "Open and close a cashier's own shift.", for [Cashier];
    ReviewShifts = "shifts.review", "shifts.write", "Review shifts", "See everybody's shifts, and mend what was counted.";
    ManageBilling = "billing.settings", "billing.write", "Billing settings", "Say how receipts are numbered, taxed and reminded of.";
}

/// The navigation's entries.
pub const NAV: &[NavItem] = &[
    NavItem {
        group: "Billing",
        label: "Subscriptions",
        href: "/subscriptions",
        icon: "subscriptions",
        permission: Some("subscriptions.view"),
    },
    NavItem {
        group: "Billing",
        label: "Payments",
        href: "/payments",
        icon: "payments",
        permission: Some("payments.view"),
    },
    NavItem {
        group: "Billing",
        label: "Collect",
        href: "/collect",
        icon: "phone",
        permission: Some("payments.record"),
    },
    NavItem {
        group: "Billing",
        label: "Shifts",
        href: "/shifts",
        icon: "billing",
        permission: Some("shifts.work"),
    },
    NavItem {
        group: "Billing",
        label: "Billing settings",
        href: "/settings/billing",
        icon: "settings",
        permission: Some("billing.settings"),
    },
];
