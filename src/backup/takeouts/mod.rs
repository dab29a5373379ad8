//! What an owner takes along: all that is the provider's, as one file that stays for a week.
//!
//! Owns `takeout` and `takeout_part`, and the jobs `takeout.make` and `takeout.forget`. A *readable* one has every table as CSV and
//! as JSON, the files, and a manifest; an *archive* is what another deployment takes in, opened by a passphrase of the owner's. A
//! file is made beside the requests, and only then cut into parts: a worker that dies leaves parts of no whole, which the next
//! one throws away.

mod api;
mod make;
mod model;
mod pages;
mod rules;
mod store;

pub use api::TakeoutsApi;
pub use make::handlers;
pub use pages::pages;
pub use rules::Takeouts;
