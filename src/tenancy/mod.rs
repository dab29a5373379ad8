//! Who the tenants are, which one a request is for, and how a tenant's schema is made, migrated and closed.
//!
//! Owns every table of schema `public` but `job` and `audit_anchor`, and all schemas and roles of tenants.

mod announcements;
mod arrival;
mod bootstrap;
mod domains;
mod dump;
mod erased;
mod isolation;
mod lifecycle;
mod log;
mod migrations;
mod news;
mod place;
pub mod plans;
mod provisioning;
mod registry;
mod rights;
pub mod scan;
mod shards;
mod sightings;

pub use announcements::{Announcement, AnnouncementForm, announce, end_announcement, list_announcements};
pub use arrival::{Arrival, ArrivingDomain, ArrivingKey, receive};
pub use bootstrap::{ROLE_KEY, bootstrap, is_set_up};
pub use domains::{
    Dns, Domain, activate_domain, add_domain, get_domain, list_domains, recheck_domains, record_domain_check,
    remove_domain,
};
pub use dump::{Column, Filling, Reading, Table, fill_control_plane, read_control_plane, read_schema};
pub use erased::verify_erased;
pub use isolation::{Report, Visitor, Weight, verify, walk};
pub use lifecycle::{
    account_of, change_slug, close, close_now, count_by_status, finish_closing, list, resume, suspend,
    suspend_within,
};
pub use log::{Deed, Operator, note};
pub use migrations::{Outcome, latest_tenant_version, migrate_public, migrate_tenants, standing};
pub use news::{Epoch, News};
pub use place::{Place, Resolver};
pub use provisioning::{NewTenant, keep_warm, provision, warm_count};
pub use registry::{Registry, Status, Tenant};
#[cfg(test)]
pub use rights::TABLE_RIGHTS;
pub use sightings::{SightingKind, Sightings};
