//! What messages say: words per channel and language, put together for each recipient, and kept as versions that are approved.
//!
//! Owns `message_template`, `template_version` and `template_default`, and `public.library_template` ([`library`]). The tenant's own
//! language is `policy`'s.

mod api;
mod composer;
mod editor;
mod harmless;
mod language;
pub mod library;
mod library_api;
mod library_pages;
mod model;
mod pages;
mod preview;
mod rules;
mod shown;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod words;

use crate::access::{NavItem, rights};

pub use api::TemplatesApi;
pub use composer::{ComposeError, Composer};
pub use library_api::LibraryApi;
pub use model::{KNOWN, Version, is_name};
pub use pages::pages;
pub use rules::{approved, default_for, version};
pub use store::choices;
pub use store::exists;
pub use words::{Text, Words};

rights! { "Templates", PERMISSIONS:
    ViewTemplates = "templates.view", "templates.read", "View templates", "See what messages say, and try it out.", for [Support, Viewer];
    EditTemplates = "templates.edit", "templates.write", "Edit templates", "Write templates and hand them in for approval.", for [Support];
    ApproveTemplates = "templates.approve", "templates.write", "Approve templates", "Approve or reject templates, and choose the channels' defaults.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Templates",
    href: "/templates",
    icon: "document",
    permission: Some("templates.view"),
}];
