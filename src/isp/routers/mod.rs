//! Routers as inventory: what there is of them, where each one is, and where it was.
//!
//! Owns `router` and `router_move`. Reads `installation` and `customer` for who has a router, and for what may be deleted.

mod api;
mod import;
mod model;
mod pages;
mod rules;
mod store;
#[cfg(test)]
mod tests;

use crate::access::{NavItem, rights};

pub use api::RoutersApi;
pub use pages::pages;
pub use rules::{Released, Stocked, assign, find_in_stock, in_stock, release};

rights! { "Routers", PERMISSIONS:
    ViewRouters = "routers.view", "routers.read", "View routers", "See the inventory of routers, where each one is and was, and download it.", for [Technician, Support, Viewer];
    EditRouters = "routers.edit", "routers.write", "Edit routers", "Add and change routers, also by an import, and say what state they are in.", for [Technician];
    DeleteRouters = "routers.delete", "routers.write", "Delete routers", "Delete routers that nobody has.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Network",
    label: "Routers",
    href: "/routers",
    icon: "router",
    permission: Some("routers.view"),
}];
