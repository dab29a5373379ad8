//! Areas: the places that group an internet provider's customers. A tenant may call them otherwise, such as "Barangay".
//!
//! Owns `area`. Reads `customer` for how many live where, and for what may be deleted.

mod api;
mod busiest;
mod model;
mod pages;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use crate::access::{NavItem, rights};

pub use api::AreasApi;
pub use busiest::busiest;
pub use pages::pages;
pub use rules::{AreaChoice, create_missing, find_choices, find_name, names};

rights! { "Areas", PERMISSIONS:
    ViewAreas = "areas.view", "areas.read", "View areas", "See the list of areas and how many customers each has.", for [Cashier, Technician, Support, Viewer];
    CreateAreas = "areas.create", "areas.write", "Add areas", "Add areas, also by an import of customers.";
    EditAreas = "areas.edit", "areas.write", "Edit areas", "Change areas, and switch them on and off.";
    DeleteAreas = "areas.delete", "areas.write", "Delete areas", "Delete areas that have no customers.";
}

/// The navigation's entry. The shell puts the tenant's own word in place of the label.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Customers",
    label: "Areas",
    href: "/areas",
    icon: "areas",
    permission: Some("areas.view"),
}];
