//! Erasing a person on request, with proof: a customer, or somebody who is only a contact.
//!
//! Owns `erasure`. It cuts across the tables of all rooms on purpose: what is done to each table is one list ([`steps`]), held
//! against the list of all tables, so that whoever adds a table says what becomes of a person in it. What a tenant's role cannot
//! change, the words of the books and of the trail, goes by the control plane after the commit ([`job`]), which at last searches every
//! column of the schema for the person and writes down what it found.

mod api;
mod certificate;
mod former;
mod job;
mod model;
mod pages;
mod person;
mod rules;
mod steps;
mod store;
#[cfg(test)]
mod tests;

use crate::{
    access::{NavItem, rights},
    audit::AnchorKey,
    db::Db,
    secrets::TenantKeys,
};

pub use api::ErasuresApi;
pub use former::{count_before, erase_before};
pub use job::handlers;
pub use pages::pages;

rights! { "Privacy", PERMISSIONS:
    ViewErasures = "erasures.view", "erasures.read", "View erasures", "See who was erased when, by number, and print the certificate.";
    ErasePeople = "erasures.manage", "erasures.write", "Erase people", "Erase a customer or contact for good on their request.";
}

/// What people are erased with. Cheap to clone.
#[derive(Clone)]
pub struct Eraser {
    pub db: Db,
    pub keys: TenantKeys,
    pub anchor: AnchorKey,
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Erasures",
    href: "/erasures",
    icon: "trash",
    permission: Some("erasures.view"),
}];
