//! Tenants as accounts: what the platform's people see of them and do to them. Counts and states; never their data.
//!
//! Owns `tenant_figure`, which a job measures without entering any schema, and `support_entry`.

mod figures;
mod pages;
mod plan;
mod rules;
mod store;

pub use figures::measure;
pub use pages::pages;
