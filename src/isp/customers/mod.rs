//! Customers: the people and firms that an internet provider connects.
//!
//! Owns `customer`. Reads the trail of a customer by `audit`. What other rooms keep of a
//! customer is listed in `belongings`: what a merge moves, and what keeps a customer from being deleted.

mod api;
mod belongings;
mod body;
mod candidates;
mod export;
mod list;
mod many;
mod model;
mod pages;
mod query;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod view;

use crate::access::{NavItem, rights};

pub use api::CustomersApi;
pub use candidates::lock_candidates;
pub use list::{count, middle, search};
pub use many::{create_many, update_many};
pub use model::{Accuracy, Customer, Details, Status, Typed};
pub use pages::{Frame, MapView, frame, pages};
pub use query::Filter;
pub use rules::{change, get, get_any};
pub use store::count_live;

rights! { "Customers", PERMISSIONS:
    ViewCustomers = "customers.view", "customers.read", "View customers", "See customers: the list, the map, details and what happened to them.", for [Cashier, Technician, Support, Viewer];
    CreateCustomers = "customers.create", "customers.write", "Add customers", "Add customers one by one.", for [Support];
    EditCustomers = "customers.edit", "customers.write", "Edit customers", "Change customers and their status, also many at once.", for [Support];
    DeleteCustomers = "customers.delete", "customers.write", "Delete customers", "Delete customers, and bring deleted ones back.";
    ExportCustomers = "customers.export", "customers.read", "Export customers", "Download the list of customers as a file.";
    ImportCustomers = "customers.import", "customers.write", "Import customers", "Add and change customers from a file.";
    MergeCustomers = "customers.merge", "customers.write", "Merge customers", "Make one customer out of two.";
}

/// The navigation's entries.
pub const NAV: &[NavItem] = &[
    NavItem {
        group: "Customers",
        label: "Customers",
        href: "/customers",
        icon: "customers",
        permission: Some("customers.view"),
    },
    NavItem {
        group: "Customers",
        label: "Map",
        href: "/customers/map",
        icon: "map",
        permission: Some("customers.view"),
    },
];
