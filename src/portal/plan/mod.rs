//! The provider's own plan: what it allows, what is used of it and where that leads, choosing another, the statements, the platform's
//! invoices, and credit for messages.
//!
//! What is used is counted from the features' own tables; what a day came to is written down by the standing job `plan.day`, which
//! also makes the statements and tells staff when a limit comes near. Plans themselves are `tenancy/plans`.

mod api;
mod invoice_api;
mod invoice_pages;
mod invoices;
mod jobs;
mod pages;
mod rules;
mod usage;

pub use api::PlanApi;
pub use invoice_api::InvoicesApi;
pub use invoice_pages::pages as invoice_pages;
pub use jobs::handlers;
pub use pages::pages;
