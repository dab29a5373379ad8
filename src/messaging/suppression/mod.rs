//! Who is not to be written to: addresses that are not to be used, what people said about being written to, the words and links by
//! which they say it.
//!
//! Owns `suppression` and `consent`. An address counts, whoever has it. The first reason for leaving an address alone stays until it
//! is lifted: a person may lift each, the word START and the link back lift nothing but an opt-out.

mod api;
mod export;
mod import;
mod keywords;
mod links;
mod model;
mod page;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod unsubscribe;

use crate::access::{NavItem, rights};

pub use api::SuppressionsApi;
pub use keywords::{Keyword, keyword};
pub use links::Links;
pub use model::{Consent, New, Reason, Source};
pub use page::{channels, pages};
pub use rules::{add, add_all, forget, heard, lift};
pub use store::{consents_of, of, of_all};

rights! { "Messages", PERMISSIONS:
    ViewSuppressions = "suppressions.view", "suppressions.read", "View suppressions", "See which addresses are not written to, and why.", for [Support, Viewer];
    EditSuppressions = "suppressions.edit", "suppressions.write", "Edit suppressions", "Add addresses that are not to be written to, and lift them.", for [Support];
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Suppressions",
    href: "/suppressions",
    icon: "stop",
    permission: Some("suppressions.view"),
}];
