//! Passkeys: keys that a device keeps for one host and uses after a finger, a face or a PIN. One is both steps of signing in at once,
//! and may be somebody's only way in.
//!
//! Owns `passkey` and `passkey_challenge`. What a device is asked to sign lies here, counts once, for five minutes, at one host and
//! for one thing; the browser holds a token for it. A passkey whose counter goes back opens nothing any more.

mod accept;
mod api;
mod ceremony;
mod own;
mod own_pages;
mod pages;
mod rules;
mod store;

pub use api::PasskeyApi;
pub(super) use ceremony::RelyingParty;
pub(super) use own_pages::{PasskeyRow, pages as own_pages, rows};
pub(super) use pages::{asked, pages};
pub(super) use rules::{Answer, Asked, Judged, Purpose, ask, judge};
pub(super) use store::{delete_all, hosts_of};
