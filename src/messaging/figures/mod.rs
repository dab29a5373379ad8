//! What all messages came to, as sums that stay quick at millions of rows.
//!
//! Owns `message_count` and `message_hour`.

mod api;
mod model;
mod pages;
mod record;
mod store;

use crate::access::{NavItem, rights};

pub use api::FiguresApi;
pub use pages::pages;
pub use record::{Move, counts, moved};
pub use store::taken;

rights! { "Messages", PERMISSIONS:
    ViewFigures = "message_figures.view", "message_figures.read", "View message figures", "See how many messages arrived, how quickly, and what they cost.", for [Support, Viewer];
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Figures",
    href: "/messages/figures",
    icon: "reports",
    permission: Some("message_figures.view"),
}];
