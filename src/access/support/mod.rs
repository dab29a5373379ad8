//! Support access: the tenant's owner lets the platform's support in, for a while, and may end it at any time.
//!
//! The grants lie in the control plane (`public.support_grant`, `support_entry`, `support_session`) and are reached through the gate
//! alone, which takes the tenant from the role that was entered. A stay under a grant is a session like any other at the portal's
//! door, but holds no staff of the tenant's, none of what is the owner's alone, and nothing by which access would outlast the grant.

mod pages;
mod rules;
mod store;

pub use pages::pages;
pub use rules::{Banner, Grant, GrantId, Kind};
pub(super) use rules::{PREFIX, rights_of};
pub(super) use store::{Stay, find_stay, standing};
