//! The portal's own pages: the dashboard, the search, the bell, the trail of what happened, and how the company shows itself.

pub mod audit_trail;
pub mod dashboard;
mod night;
pub mod notices;
pub mod plan;
pub mod retention;
pub mod search;
pub mod settings;
