//! Statements that a connection keeps prepared for one tenant each.
//!
//! PostgreSQL plans a prepared statement anew whenever the schema it works in is another than the last time, which costs several
//! times what running it does. So a tenant whose statement comes by again in another unit of work gets one of its own: the same
//! text, prepared inside its schema. Tenants that come by once share one, since preparing takes a round trip; within a unit the shared
//! one stays planned.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lru::LruCache;
use tokio_postgres::Statement;

use crate::types::TenantId;

/// A backend keeps some 20 KiB for each; the one that was not used for the longest time makes room.
const KEPT_MAX: NonZeroUsize = match NonZeroUsize::new(400) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};

/// Whose statement, and where its static text lies: an address is quicker to compare than a text.
type Key = (TenantId, usize, usize);

/// What a connection has for a tenant's statement.
pub(super) enum Plan {
    /// It comes by for the first time, or in the same unit as then: the one that all tenants share will do.
    Shared,
    /// It has come by in an earlier unit: worth a statement of its own.
    Wanted,
    Own(Statement),
}

/// What a connection keeps of a tenant's statement.
enum Kept {
    /// It came by once, in the unit of this number.
    Once(u64),
    Own(Statement),
}

/// The statements of one connection, apart by tenant.
pub(super) struct Plans {
    kept: Mutex<LruCache<Key, Kept>>,
    /// How many units of work the connection has begun.
    units: AtomicU64,
}

impl Plans {
    pub fn new() -> Self {
        Self { kept: Mutex::new(LruCache::new(KEPT_MAX)), units: AtomicU64::new(0) }
    }

    /// Counts a unit of work that begins.
    pub fn begin_unit(&self) {
        self.units.fetch_add(1, Ordering::Relaxed);
    }

    pub fn find(&self, tenant: TenantId, sql: &'static str) -> Plan {
        let unit = self.units.load(Ordering::Relaxed);
        let mut kept = self.kept();
        match kept.get(&key(tenant, sql)) {
            Some(Kept::Own(own)) => Plan::Own(own.clone()),
            Some(Kept::Once(then)) if *then != unit => Plan::Wanted,
            Some(Kept::Once(_)) => Plan::Shared,
            None => {
                kept.put(key(tenant, sql), Kept::Once(unit));
                Plan::Shared
            }
        }
    }

    pub fn keep(&self, tenant: TenantId, sql: &'static str, own: Statement) {
        self.kept().put(key(tenant, sql), Kept::Own(own));
    }

    pub fn forget(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<Key, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(tenant: TenantId, sql: &'static str) -> Key {
    (tenant, sql.as_ptr().addr(), sql.len())
}
