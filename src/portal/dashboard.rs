//! The first page: how the provider stands, what happened lately, and what a new provider does first.

mod checklist;
mod pages;

use crate::access::NavItem;

pub use pages::pages;

/// The navigation's entry.
pub const NAV: &[NavItem] =
    &[NavItem { group: "", label: "Dashboard", href: "/", icon: "dashboard", permission: None }];
