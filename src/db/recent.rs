//! What reads found a moment ago: for figures that stand on many pages and cost more than the rest of them, such as the counts
//! of a list's tabs while somebody pages through it.
//!
//! A finding is believed for three seconds, and only while this process has written nothing for the tenant since. Whoever
//! changes something sees it at once; a process beside this one within those three seconds.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::types::TenantId;

const BELIEVED: Duration = Duration::from_secs(3);
const KEPT: u64 = 10_000;
/// Tenants share counters of writes: two that fall on one only forget more than they need.
const COUNTERS: usize = 1_024;

/// Which finding, of which tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub tenant: TenantId,
    pub what: &'static str,
    /// The filter or the choice that it was asked with.
    pub which: String,
}

#[derive(Clone)]
struct Found {
    value: Arc<dyn Any + Send + Sync>,
    writes: u64,
}

/// How many writes of the tenant had ended when a question was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked(u64);

pub(super) struct Recent {
    found: moka::sync::Cache<Question, Found>,
    writes: Box<[AtomicU64]>,
}

impl Recent {
    pub fn new() -> Self {
        Self {
            found: moka::sync::Cache::builder().max_capacity(KEPT).time_to_live(BELIEVED).build(),
            writes: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn counter(&self, tenant: TenantId) -> Option<&AtomicU64> {
        // The last bytes of an id are random.
        let bytes = tenant.0.as_bytes();
        let place = u16::from_be_bytes([*bytes.get(14)?, *bytes.get(15)?]);
        self.writes.get(usize::from(place) % COUNTERS)
    }

    /// Forgets what was found for the tenant. Also after a failed write: whether its COMMIT took place may be unknown.
    pub fn wrote(&self, tenant: TenantId) {
        if let Some(counter) = self.counter(tenant) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Before a question is put to the database: a write that ends while it is answered makes the answer too old to keep.
    pub fn ask(&self, tenant: TenantId) -> Asked {
        Asked(self.counter(tenant).map_or(0, |counter| counter.load(Ordering::Acquire)))
    }

    pub fn find<T: Clone + 'static>(&self, question: &Question, asked: Asked) -> Option<T> {
        let found = self.found.get(question).filter(|found| found.writes == asked.0)?;
        found.value.downcast_ref::<T>().cloned()
    }

    pub fn keep<T: Clone + Send + Sync + 'static>(&self, question: Question, asked: Asked, value: &T) {
        self.found.insert(question, Found { value: Arc::new(value.clone()), writes: asked.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(tenant: TenantId) -> Question {
        Question { tenant, what: "counts", which: String::new() }
    }

    #[test]
    fn a_finding_is_the_tenants_own_and_ends_with_its_next_write() {
        let recent = Recent::new();
        let (one, other) = (TenantId(uuid::Uuid::now_v7()), TenantId(uuid::Uuid::now_v7()));
        let asked = recent.ask(one);
        recent.keep(question(one), asked, &7_i64);
        assert_eq!(recent.find::<i64>(&question(one), recent.ask(one)), Some(7));
        assert_eq!(recent.find::<i64>(&question(other), recent.ask(other)), None);
        recent.wrote(one);
        assert_eq!(recent.find::<i64>(&question(one), recent.ask(one)), None);
    }

    #[test]
    fn what_was_asked_before_a_write_is_not_believed_after_it() {
        let recent = Recent::new();
        let tenant = TenantId(uuid::Uuid::now_v7());
        let asked = recent.ask(tenant);
        recent.wrote(tenant);
        recent.keep(question(tenant), asked, &7_i64);
        assert_eq!(recent.find::<i64>(&question(tenant), recent.ask(tenant)), None);
    }
}
