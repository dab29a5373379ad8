//! Machine clients that come with a token of an outside issuer which the tenant's owner named.
//!
//! Owns `machine_issuer` and `machine_role`. A token is believed when a key of the issuer's signed it, in a way that is allowed, for the
//! audience and the tenant that the settings name. What its bearer may do comes from this tenant's roles: the token only names
//! values, and the settings say which roles those stand for.

mod api;
mod door;
mod pages;
mod settings;
mod store;
mod token;

pub use api::MachinesApi;
pub(super) use door::{Admitted, Configured, MachineKeys};
pub use pages::pages;
pub(super) use token::is_foreign;
