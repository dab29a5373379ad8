//! Contacts: people and companies that a tenant writes to and that are no customers; customers are reached through their own cards.
//!
//! Owns `contact`, `contact_address`, `contact_conflict`, `contact_group`, `contact_group_member` and `contact_import`, and the job
//! `import_contacts`. An address belongs to one contact. Whoever claims it too is not merged with the one who has it: the claim is
//! written down, and a person decides.

mod api;
mod body;
mod bulk;
mod conflicts;
mod export;
mod groups;
mod imports;
mod list;
mod model;
mod pages;
mod people;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use crate::access::{NavItem, rights};

pub use api::ContactsApi;
pub use groups::{GroupsApi, choices as groups};
pub use imports::{ImportsApi, handlers};
pub use pages::pages;
pub use people::{count_of_group, find, page_of_group, unknown_group, who_has};

rights! { "Messages", PERMISSIONS:
    ViewContacts = "contacts.view", "contacts.read", "View contacts", "See contacts and groups.", for [Support, Viewer, Cashier];
    EditContacts = "contacts.edit", "contacts.write", "Edit contacts", "Add, change and import contacts, put them into groups, and settle whose address is whose.", for [Support];
    DeleteContacts = "contacts.delete", "contacts.write", "Delete contacts", "Delete contacts and groups.";
}

/// The navigation's entries.
pub const NAV: &[NavItem] = &[
    NavItem {
        group: "Messages",
        label: "Contacts",
        href: "/contacts",
        icon: "user",
        permission: Some("contacts.view"),
    },
    NavItem {
        group: "Messages",
        label: "Groups",
        href: "/groups",
        icon: "tag",
        permission: Some("contacts.view"),
    },
];
