//! The audit trail as staff and programs read it: filters, paging, export, and the erasure of what an event says of a person.
//!
//! Owns no table: the trail itself lies in `audit/`.

mod api;
mod pages;
mod rules;
pub mod words;

pub use api::AuditApi;
pub use pages::pages;

use crate::access::{NavItem, rights};

rights! { "Audit trail", AUDIT:
    ViewAudit = "audit.view", "audit.read", "View the audit trail", "See who did what, and the values before and after.";
    ExportAudit = "audit.export", "audit.read", "Export the audit trail", "Download the trail as a file. The download is itself an event.";
}

/// The trail's entry in the navigation.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Audit trail",
    href: "/audit",
    icon: "audit",
    permission: Some("audit.view"),
}];
