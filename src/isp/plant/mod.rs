//! The fibre plant: cabinets (LCP), splitters in a tree below them, boxes at the street (NAP) with their ports, and the light that
//! arrives there.
//!
//! Owns `plant_policy`, `lcp`, `splitter`, `splitter_output`, `nap`, `nap_port`. Reads `installation` for who holds a port, how long
//! a drop is and what stands on the map; `outage` for what is down; `customer` and `area` for names and places. Whoever changes
//! the tree below an LCP holds that LCP's row.

mod api;
mod budget;
mod export;
mod features;
mod fibre;
mod model;
pub mod node;
mod pages;
mod paths;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod tree;

use crate::access::{NavItem, rights};

pub use api::api;
pub use model::PortView;
pub use pages::{LightView, pages};
pub use paths::NapPath;
pub use rules::{
    NamedNap, Ports, any_free_port, check_port, chosen_port, hold_ports, labels, light_of_installation,
    naps_called, nearest, port_refusal, ports, release_reservation, release_reservations,
};

rights! { "Plant", PERMISSIONS:
    ViewPlant = "plant.view", "plant.read", "View the plant", "See cabinets, splitters, NAPs, their ports and light, the tree and the network map.", for [Technician, Support, Viewer];
    EditPlant = "plant.edit", "plant.write", "Edit the plant", "Add, change and move cabinets, splitters and NAPs, reserve ports and mark them faulty, and set how light is counted.";
    DeletePlant = "plant.delete", "plant.write", "Delete from the plant", "Delete cabinets, splitters and NAPs that nothing hangs on.";
}

/// The navigation's entries.
pub const NAV: &[NavItem] = &[
    NavItem {
        group: "Network",
        label: "Plant",
        href: "/plant",
        icon: "network",
        permission: Some("plant.view"),
    },
    NavItem {
        group: "Network",
        label: "Tree",
        href: "/plant/tree",
        icon: "tree",
        permission: Some("plant.view"),
    },
    NavItem {
        group: "Network",
        label: "Network map",
        href: "/plant/map",
        icon: "map",
        permission: Some("plant.view"),
    },
];
