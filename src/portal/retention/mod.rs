//! How long what is kept: a rule for each kind, and the nightly job that lets go of what is older.
//!
//! Owns `retention` and the standing job `retention.night`. Each room says what of its own is old and how it goes ([`kinds`]); what a
//! law wants kept, the books and the trail, is of no kind.

mod api;
mod job;
mod kinds;
mod pages;
mod rules;
mod store;

pub use api::RetentionApi;
pub use job::handlers;
pub use pages::pages;
