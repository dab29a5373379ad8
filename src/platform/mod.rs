//! The base domain: providers sign up here. Sees tenants as accounts, never their data.
//!
//! Owns `public.signup`.

mod api;
mod pages;
mod signup;

pub use api::SignupApi;
pub use pages::pages;
pub use signup::{NewSignup, SignupInput, Signups};
