//! Plans: what an internet provider sells, and what it cost when.
//!
//! Owns `plan` and `plan_price`. Reads `subscription` for whether a plan was sold, which its deletion is refused by.

mod api;
mod model;
mod pages;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use crate::access::{NavItem, rights};

pub use api::PlansApi;
pub use model::{Plan, Tax};
pub use pages::pages;
pub use rules::{choices, find, for_sale, inactive, named};

rights! { "Plans", PERMISSIONS:
    ViewPlans = "plans.view", "plans.read", "View plans", "See the plans that are sold, and what they cost when.", for [Cashier, Technician, Support, Viewer];
    EditPlans = "plans.edit", "plans.write", "Edit plans", "Add, change, switch off and delete plans.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Billing",
    label: "Plans",
    href: "/plans",
    icon: "plans",
    permission: Some("plans.view"),
}];
