//! Installations: where a customer is connected, over which port and router, and how that place stands.
//!
//! Owns `installation`. Reads `customer`, `area`, `staff`, `router`, `lcp`, `splitter`, `nap` and `nap_port` for lists and pickers, and
//! `subscription` and `billing_policy` for whether a period runs. A port or a router is held by one installation at a time: its
//! row is locked while somebody takes it, and the unique indexes are the last word.

mod api;
mod body;
mod connect;
mod derived;
mod export;
mod model;
mod pages;
mod picker;
mod query;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use crate::access::{NavItem, rights};

pub use api::InstallationsApi;
pub use connect::{Connected, Connection, connect_many, hold_many, of_customers};
pub use derived::derive_held;
pub use model::Status;
pub use pages::{Frame, frame, pages};
pub use query::choices;
pub use rules::get;

rights! { "Installations", PERMISSIONS:
    ViewInstallations = "installations.view", "installations.read", "View installations", "See installations: the list, details, ports and what happened to them, and download the list.", for [Cashier, Technician, Support, Viewer];
    CreateInstallations = "installations.create", "installations.write", "Add installations", "Schedule and set up installations for customers.", for [Technician];
    EditInstallations = "installations.edit", "installations.write", "Edit installations", "Change installations, complete, suspend and resume them, and move them to other ports and routers.", for [Technician];
    TerminateInstallations = "installations.terminate", "installations.write", "Terminate installations", "End installations for good, which frees their ports and routers.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Service",
    label: "Installations",
    href: "/installations",
    icon: "home",
    permission: Some("installations.view"),
}];
