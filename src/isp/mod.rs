//! The business of an internet provider.

pub mod areas;
pub mod customers;
mod parts;
mod search;
