//! A provider's whole business from a file that it already has: customers, and for each the installation, the port, the plan and
//! until when it is paid.
//!
//! A file connects customers who were never connected here, and brings a period to an installation that has none; what is here
//! stays as it is, so that a file can be run twice. It lies above customers, plant, installations, plans and billing, and changes
//! them by their rules alone.
//!
//! Owns `customer_import`, `customer_import_error` and `customer_import_match`, and the job `import_customers`.

mod api;
mod batch;
mod connection;
mod draft;
mod mapping;
mod matching;
mod model;
mod pages;
mod places;
mod preview;
mod rules;
mod run;

mod store;
mod template;

use crate::access::NavItem;

pub use api::ImportsApi;
pub use pages::pages;
pub use rules::{count_files_before, forget_files_before};
pub use run::handlers;

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Customers",
    label: "Imports",
    href: "/customers/imports",
    icon: "import",
    permission: Some("customers.import"),
}];
