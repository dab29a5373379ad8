//! Outages: a node of the plant is down, whom it hits, what they are told, and what they get for it.
//!
//! Owns `outage`, `outage_subscriber`, `outage_policy`. Reads the plant's tree (`tree`), `installation`, `customer`, `subscription`
//! and `audit_event` (who hung where while it lasted), and open tickets (`store::find_off_tickets`).
//! Sends nothing itself: a message to those whom an outage hits is kept with it, and sent by messaging to the segment `outage`.

mod api;
mod body;
mod giving;
mod infer;
mod model;
mod pages;
mod restore;
mod rules;
mod spans;
mod store;
mod subscribers;
mod suspect;
#[cfg(test)]
mod tests;
mod tree;
mod view;

use crate::access::{NavItem, rights};

pub use api::OutagesApi;
pub use pages::{Banner, banner, pages};
pub use suspect::handlers;

rights! { "Outages", PERMISSIONS:
    ViewOutages = "outages.view", "outages.read", "View outages", "See what is down, whom it hits and what they got for it.", for [Support, Technician, Viewer];
    ManageOutages = "outages.manage", "outages.write", "Manage outages", "Mark nodes as down and restored, and decide what subscribers get.", for [Manager, Support];
    SetOutagePolicy = "outages.settings", "outages.write", "Outage settings", "Say when an outage is proposed, and what is given back for it.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Network",
    label: "Outages",
    href: "/outages",
    icon: "wifi-off",
    permission: Some("outages.view"),
}];
