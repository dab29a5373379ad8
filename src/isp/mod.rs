//! The business of an internet provider.

pub mod areas;
pub mod audience;
pub mod billing;
pub mod customers;
pub mod erasure;
mod history;
pub mod imports;
pub mod installations;
pub mod outages;
pub mod plans;
pub mod plant;
pub mod reports;
pub mod routers;
mod series;
mod site;
pub mod subscribers;
pub mod tickets;
pub mod visits;
