//! Every permission, and every place of the portal's navigation: what the features offer, in the order in which it is shown.

use crate::{
    access::{self, Catalogue, NavItem},
    isp::{
        areas, billing, customers, erasure, imports, installations, outages, plans, plant, reports, routers,
        subscribers, tickets, visits,
    },
    messaging::{accounts, campaigns, contacts, figures, hooks, messages, suppression, templates},
    portal::{audit_trail, dashboard, settings},
};

/// Every permission of the program.
pub fn catalogue() -> Catalogue {
    Catalogue::new(&[
        customers::PERMISSIONS,
        subscribers::PERMISSIONS,
        areas::PERMISSIONS,
        plant::PERMISSIONS,
        routers::PERMISSIONS,
        installations::PERMISSIONS,
        visits::PERMISSIONS,
        tickets::PERMISSIONS,
        outages::PERMISSIONS,
        plans::PERMISSIONS,
        billing::PERMISSIONS,
        reports::PERMISSIONS,
        messages::PERMISSIONS,
        campaigns::PERMISSIONS,
        contacts::PERMISSIONS,
        templates::PERMISSIONS,
        suppression::PERMISSIONS,
        hooks::PERMISSIONS,
        accounts::PERMISSIONS,
        figures::PERMISSIONS,
        access::STAFF,
        access::ROLES,
        access::API_KEY_PERMISSIONS,
        audit_trail::AUDIT,
        erasure::PERMISSIONS,
        settings::SETTINGS,
    ])
}

/// The portal's navigation, in order.
pub(super) fn navigation() -> Vec<NavItem> {
    [
        dashboard::NAV,
        customers::NAV,
        areas::NAV,
        plant::NAV,
        tickets::NAV,
        outages::NAV,
        imports::NAV,
        routers::NAV,
        installations::NAV,
        visits::NAV,
        plans::NAV,
        billing::NAV,
        reports::NAV,
        messages::NAV,
        campaigns::NAV,
        contacts::NAV,
        templates::NAV,
        hooks::NAV,
        suppression::NAV,
        figures::NAV,
        access::STAFF_NAV,
        access::ROLES_NAV,
        access::NAV,
        audit_trail::NAV,
        erasure::NAV,
        accounts::NAV,
        settings::NAV,
    ]
    .concat()
}
