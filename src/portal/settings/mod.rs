//! How the company shows itself: profile, region, logo and colour, its own domains, and which origins may call its API.
//!
//! Owns `company` (access reads it for the frame of pages) and files of purpose `logo`; domains and what the registry knows of
//! the company lie in `tenancy/`.

mod accent;
mod address;
mod api;
mod branding_pages;
mod company_page;
mod domain_pages;
mod domains;
mod logo;
mod model;
mod rules;
mod store;

pub use address::{AddressApi, pages as address_pages};
pub use api::SettingsApi;

use crate::{
    access::{NavItem, rights},
    web::RouteTable,
};

rights! { "Settings", SETTINGS:
    ManageSettings = "settings.manage", "settings.write", "Manage settings", "Change the company profile, the branding and the domains.";
}

/// The settings' entry in the navigation.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Settings",
    href: "/settings/company",
    icon: "settings",
    permission: Some("settings.manage"),
}];

/// Registers the pages, and the style sheet and the logo that every page of the tenant shows. `logo_bytes` is the most that a
/// logo may weigh.
pub fn pages(table: &mut RouteTable, logo_bytes: u64) {
    company_page::pages(table);
    branding_pages::pages(table, logo_bytes);
    domain_pages::pages(table);
}
