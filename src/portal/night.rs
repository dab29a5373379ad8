//! When the portal's own jobs of each night run.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    jobs::Next,
    tenancy::{Tenant, plans::day_edges},
};

/// The next night of a tenant: so long after its midnight, and by so many minutes later for some than for others, so that not every tenant
/// has its turn at once.
pub fn next(tenant: &Tenant, now: DateTime<Utc>, after_midnight: TimeDelta, spread_minutes: u8) -> Next {
    let spread = tenant.id().0.as_u128() % u128::from(spread_minutes.max(1));
    let today = now.with_timezone(&tenant.time_zone.0).date_naive();
    let midnight = day_edges(today, tenant.time_zone).1;
    Next::Again(midnight + after_midnight + TimeDelta::minutes(i64::try_from(spread).unwrap_or_default()))
}
