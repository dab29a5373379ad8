//! By whom messages go out: the tenant's accounts at providers, in order, and senders of the platform that were assigned to it.
//!
//! Owns `provider_account`; of the control plane `platform_sender`, `platform_sender_assignment` and the credit of tenants.

mod api;
pub mod breaker;
mod draft;
mod model;
mod opener;
mod pages;
mod rules;
pub mod senders;
mod store;

use crate::access::{NavItem, rights};

pub use api::AccountsApi;
pub use model::{Account, Readiness};
pub use opener::{Opened, Opener};
pub use pages::pages;
pub use store::{find, find_by_hook, list_active, prices_of_lent, usable};

rights! { "Channels", PERMISSIONS:
    ManageChannels = "channels.manage", "channels.write", "Manage channels", "Connect providers, test them, change their credentials and their order.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Channels",
    href: "/settings/channels",
    icon: "send",
    permission: Some("channels.manage"),
}];
