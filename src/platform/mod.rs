//! The base domain: providers sign up here, and the people who run the deployment have their console. Sees tenants as accounts,
//! never their data.
//!
//! Owns `public.signup`, and what its parts name.

mod alerts;
mod announcements;
mod api;
mod approval_pages;
mod approvals;
mod captcha;
mod console;
mod invoices;
mod lending;
mod library;
mod pages;
mod plans;
mod signup;
pub mod staff;
mod tenants;
mod work;

pub use alerts::{Alerts, pages as alert_pages};
pub use announcements::pages as announcement_pages;
pub use api::SignupApi;
pub use approval_pages::pages as approval_pages;
pub use captcha::Captcha;
pub use console::{Console, pages as console_pages};
pub use invoices::pages as invoice_pages;
pub use lending::pages as sender_pages;
pub use library::pages as library_pages;
pub use pages::pages;
pub use plans::pages as plan_pages;
pub use signup::{NewSignup, SignupDoor, SignupInput, Signups};
pub use tenants::{measure, pages as tenant_pages};
pub use work::pages as work_pages;
