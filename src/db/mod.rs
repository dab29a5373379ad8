//! The one road to PostgreSQL: pools by role, and the unit of work.
//!
//! Three roles log in, each with pools of its own: `owner` (only `tenancy/` asks for it), `control` (schema `public`) and the
//! `app` shards, which own nothing and enter one tenant's schema for the length of one transaction.

mod ask;
pub mod embedded;
mod errors;
mod plans;
mod pool;
mod recent;
mod server;
mod traced;
mod unit;

pub use errors::OnConstraint;
pub use pool::{Db, LoginRoles, PoolSettings, Room};
pub use server::{Driver, Server};
pub use unit::{ControlTx, OwnerTx, Snapshot, TenantTx};

/// What a statement's parameters are given as.
pub type Params<'a> = &'a [&'a (dyn tokio_postgres::types::ToSql + Sync)];
