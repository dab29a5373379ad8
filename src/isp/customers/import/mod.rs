//! Customers from a file that the provider already has.
//!
//! Owns `customer_import`, `customer_import_error` and `customer_import_match`, and the jobs `import_customers` and `forget_import_file`.

mod api;
mod candidates;
mod draft;
mod file_body;
mod mapping;
mod matching;
mod model;
mod pages;
mod rules;
mod run;
mod store;
mod template;

use crate::access::NavItem;

pub use api::ImportsApi;
pub use pages::pages;
pub use run::handlers;

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Customers",
    label: "Imports",
    href: "/customers/imports",
    icon: "import",
    permission: Some("customers.import"),
}];
