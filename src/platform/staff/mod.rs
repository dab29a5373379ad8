//! The people who run the deployment, and how they sign in: a password, and a second step that nobody goes around.
//!
//! Owns `platform_staff`, `platform_session`, `platform_link`, `platform_totp`, `platform_recovery_code` and
//! `platform_sign_in_failure`, all in the control plane: no tenant's role can see them.

mod door;
mod lockout;
mod model;
pub mod rules;
mod store;

pub use door::{Begun, Door, Step};
pub use model::{Person, Role};
pub use store::{SESSION_HOURS, Session, Stay};
