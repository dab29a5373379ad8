//! Staff: the people who work for a tenant.
//!
//! Owns `staff` and `staff_role`. An owner is changed by owners alone; nobody takes over, switches off or lets in again a
//! person who may do more than they may themselves; the last owner stays. Whoever was added and has not chosen a password yet
//! is invited: their link counts once and for seven days, and can be sent anew or revoked.

mod api;
mod model;
mod ownership;
mod ownership_pages;
mod pages;
mod rules;
mod store;
mod why;
mod why_pages;

pub use api::StaffApi;
pub(super) use api::StaffSessions;
pub use model::{Member, NewStaff, StaffChanges, StaffCounts, StaffFilter, StaffMark};
pub(super) use ownership::{end_session_of, end_sessions_of, transfer_ownership};
pub use pages::pages;
pub(super) use pages::{id_of, path_of, refused};
pub(super) use rules::{change_staff, create_staff, lock_invited, lock_within_reach, revoke_invitation};
pub use store::{Colleague, colleagues, count_active as count_active_staff, find_colleague};
pub(super) use store::{count_by_state, count_members, find_by_email, get_member, list_page};

pub(super) use why::{Decided, decided};

use super::{right::rights, shell::NavItem};

rights! { "Staff and roles", STAFF:
    ViewStaff = "staff.view", "staff.read", "View staff", "See who works here and which roles they have.";
    ManageStaff = "staff.manage", "staff.write", "Manage staff", "Add staff, give and take roles, switch people off, make sign-in links.";
}

/// The portal's entry.
pub const STAFF_NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Staff",
    href: "/staff",
    icon: "staff",
    permission: Some("staff.view"),
}];
