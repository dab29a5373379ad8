//! Single sign-on: staff sign in on the word of an `OpenID` Connect issuer that their provider chose.
//!
//! Owns `sso`, `sso_identity` and `sso_attempt`. Nothing is believed but an identity token that the issuer's own key signed, for this
//! client, for this browser's attempt. Somebody is known by the issuer's name and its name for them; an address only introduces them,
//! once, and only within the domains of the settings. The second step of a role is asked for after it as after a password.

mod api;
mod door;
mod id_token;
mod issuer;
mod pages;
mod settings;
mod settings_pages;
mod store;

pub use api::SsoApi;
pub(super) use issuer::Issuers;
pub(super) use pages::pages;
pub(super) use settings::{forget_identity, issuer_address, only, owners_only};
pub use settings_pages::pages as settings_pages;
pub(super) use store::{has_identity, is_closed_to, offer};
