//! The business of an internet provider.

pub mod areas;
pub mod billing;
mod choices;
pub mod customers;
mod file_body;
mod history;
pub mod imports;
pub mod installations;
mod money;
pub mod outages;
mod parts;
pub mod plans;
pub mod plant;
pub mod reports;
pub mod routers;
mod search;
mod series;
mod sheet;
pub mod subscribers;
pub mod tickets;
mod typed;
pub mod visits;

pub use parts::money as shown_money;
