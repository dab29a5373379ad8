//! Roles: what a group of staff may do.
//!
//! Owns `role`. The owner's role holds everything and cannot be changed; the other default roles may be changed and switched
//! off, not deleted. Nobody who is not an owner can make, change or give a role that holds more than they hold themselves.

mod api;
mod compare;
mod compare_pages;
mod model;
mod pages;
mod rules;
mod store;

pub use api::RolesApi;
pub(super) use model::may_grant;
pub use model::{NewRole, Role, RoleChanges};
pub use pages::pages;
pub(super) use rules::{change_role, copy_role, create_role, delete_role, list_roles};
pub(super) use store::{get_role, list_all, lock_owner_role};

use super::{right::rights, shell::NavItem};

rights! { "Staff and roles", ROLES:
    ViewRoles = "roles.view", "roles.read", "View roles", "See the roles and what each of them may do.";
    ManageRoles = "roles.manage", "roles.write", "Manage roles", "Make, change, copy and delete roles, within one's own rights.";
}

/// The portal's entry.
pub const ROLES_NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "Roles",
    href: "/roles",
    icon: "roles",
    permission: Some("roles.view"),
}];
