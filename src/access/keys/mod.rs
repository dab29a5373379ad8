//! API keys: what machines show instead of a person. A secret is shown once and kept as a hash.
//!
//! Owns `api_key`, `api_key_day` and `api_key_warning`. A key may be bound to networks; its secret may be changed with an overlap, in
//! which the one before counts on; how often it is used is counted in memory and written down every other second; before it ends
//! its maker and the owners are told.

mod api;
mod expiry;
mod key_page;
mod model;
mod networks;
mod pages;
mod rotation;
mod rules;
mod store;
mod usage;

pub use api::ApiKeyApi;
pub use expiry::handlers;
pub(super) use model::ApiKey;
pub(super) use networks::Networks;
pub use pages::NAV;
pub(super) use pages::pages;
pub(super) use store::{find_live_key, find_scopes, list_keys_of};
pub(super) use usage::Usage;

use super::right::rights;

rights! { "API keys", API_KEY_PERMISSIONS:
    ViewApiKeys = "api_keys.view", "api_keys.read", "View API keys", "See which API keys there are and when each was last used.";
    ManageApiKeys = "api_keys.manage", "api_keys.write", "Manage API keys", "Make, renew and revoke API keys with scopes that one holds oneself.";
}
