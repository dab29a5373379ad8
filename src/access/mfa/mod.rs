//! The second factor of staff: codes of an authenticator app, recovery codes, and the second step of signing in.
//!
//! Owns `totp`, `recovery_code` and `sign_in_step`. No door lets somebody in who has a second factor and has not shown it: see
//! `sign_in::admit`. A passkey counts as one (see passkeys/). Who has a role that asks for one (`role.requires_mfa`) and has none can do nothing but set it up.

mod door;
mod factor;
mod pages;
pub mod recovery;
mod rules;
mod store;
pub mod totp;

pub(super) use door::{Entered, Step, wait_for_step};
pub(super) use factor::{Passed, Shown, check, missing, too_soon, wrong};
pub(super) use pages::{PATH, pages, to_second_step};
pub(super) use rules::{keep_one, remove_of};
pub(super) use store::{STEP_MINUTES, has_app, is_on};
