//! What the platform's people are told of by itself: credentials of one provider at another, passwords tried in crowds, and what
//! suddenly comes in numbers. Counts alone, and names of providers; never what is theirs.
//!
//! Owns `public.alert`, and judges `public.sighting`, which `tenancy::Sightings` of every process writes.

mod letters;
mod model;
mod pages;
mod rules;
mod store;

pub use pages::pages;
pub use rules::{Alerts, set_letters};
