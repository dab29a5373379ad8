//! Visits: somebody goes to a customer at a stated time, and the schedule of who goes where.
//!
//! Owns `visit`. Reads `customer`, `area` and `staff` for names and places, `installation` and `ticket` for whose they are. Two visits of one technician at the same time are not
//! forbidden, but must be meant: see [`rules`].

mod api;
mod model;
mod pages;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod week;

use crate::access::{NavItem, rights};

pub use api::VisitsApi;
pub use pages::pages;

rights! { "Visits", PERMISSIONS:
    ViewVisits = "visits.view", "visits.read", "Work on visits", "See one's own visits, and say what became of them.", for [Technician, Support];
    ViewAllVisits = "visits.view_all", "visits.read", "View all visits", "See the visits of everybody.", for [Support];
    PlanVisits = "visits.plan", "visits.write", "Plan visits", "Plan, move and give out visits, and settle those of everybody.", for [Support];
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Service",
    label: "Schedule",
    href: "/schedule",
    icon: "calendar",
    permission: Some("visits.view"),
}];
