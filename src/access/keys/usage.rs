//! How often keys are used, counted without a statement: in this process's memory, written down in batches by a task beside the
//! requests, and once more when the process ends. What a process that is killed had counted since its last batch is lost: two
//! seconds of use, as a rule. Nothing is counted twice, unless a connection breaks at the very commit of a batch.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    model::{DayOfUse, USE_DAYS},
    rules::about,
    store::{self, LastUse},
};
use crate::{
    access::{
        by::{By, Credential},
        gate::Access,
    },
    db::TenantTx,
    error::Result,
    tenancy::Tenant,
    types::{ApiKeyId, TenantId},
};

/// That a key came from elsewhere is written down once in so long.
const TOLD_AT_MOST: Duration = Duration::from_secs(60);
/// A batch that cannot be written is given up after so many turns: its tenant is gone, or its schema away for minutes.
const TURNS_MAX: u32 = 150;
/// Days are kept longer than they are shown, so that a tenant's change of zone takes none away.
const KEPT_DAYS: i64 = 2 * USE_DAYS;

/// What this process has counted and not written down.
#[derive(Default)]
pub struct Usage {
    pending: Mutex<HashMap<TenantId, Pending>>,
    /// When it was last written down that a key came from elsewhere.
    told: Mutex<HashMap<ApiKeyId, Instant>>,
}

struct Pending {
    tenant: Tenant,
    turns: u32,
    keys: BTreeMap<ApiKeyId, Counted>,
}

struct Counted {
    at: DateTime<Utc>,
    from: Option<IpAddr>,
    /// Requests and refusals.
    days: BTreeMap<NaiveDate, (i64, i64)>,
}

impl Usage {
    /// Counts a call by a key.
    fn count(&self, tenant: &Tenant, key: ApiKeyId, from: Option<IpAddr>, is_refused: bool) {
        let now = Utc::now();
        let day = now.with_timezone(&tenant.time_zone.0).date_naive();
        let one = Counted { at: now, from, days: BTreeMap::from([(day, (1, i64::from(is_refused)))]) };
        self.add(tenant, key, one);
    }

    fn add(&self, tenant: &Tenant, key: ApiKeyId, counted: Counted) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Pending { tenant: tenant.clone(), turns: 0, keys: BTreeMap::new() };
        let keys = &mut pending.entry(tenant.id()).or_insert_with(fresh).keys;
        match keys.get_mut(&key) {
            None => drop(keys.insert(key, counted)),
            Some(known) => known.take_in(counted),
        }
    }

    fn take(&self) -> Vec<Pending> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.drain().map(|(_, one)| one).collect()
    }

    /// Puts back what could not be written, beside what was counted meanwhile.
    fn put_back(&self, back: Pending) {
        let turns = back.turns + 1;
        if turns >= TURNS_MAX {
            tracing::warn!(tenant = %back.tenant.id(), "the use of API keys could not be written down and is lost");
            return;
        }
        for (key, counted) in back.keys {
            self.add(&back.tenant, key, counted);
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pending.get_mut(&back.tenant.id()) {
            known.turns = turns;
        }
    }

    /// Whether it may be time to write down that this key came from elsewhere; the row decides, for all processes.
    fn may_tell(&self, key: ApiKeyId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < TOLD_AT_MOST);
        told.insert(key, Instant::now()).is_none_or(|at| at.elapsed() >= TOLD_AT_MOST)
    }
}

impl Counted {
    fn take_in(&mut self, other: Self) {
        if other.at >= self.at {
            (self.at, self.from) = (other.at, other.from);
        }
        for (day, (requests, refusals)) in other.days {
            let known = self.days.entry(day).or_default();
            *known = (known.0 + requests, known.1 + refusals);
        }
    }
}

impl Access {
    /// Counts a call of the API by a key; others are not counted.
    pub fn count_use(&self, by: &By, is_refused: bool) {
        if let Credential::ApiKey(key) = by.credential {
            let from = by.origin.as_ref().map(|origin| origin.address);
            self.0.usage.count(&by.tenant, key, from, is_refused);
        }
    }

    /// Writes down that a key came from where it does not count, at most once a minute for each key. The refusal stands, whatever
    /// becomes of this.
    pub(in crate::access) async fn tell_of_network(&self, by: &By) {
        let Credential::ApiKey(key) = by.credential else { return };
        if !self.0.usage.may_tell(key) {
            return;
        }
        let tell = async |tx: &TenantTx| {
            if !store::may_tell_of_network(tx, key).await? {
                return Ok(());
            }
            by.record(tx, about(key, "api_key.network_refused", &by.actor.label, None, None)).await
        };
        if let Err(error) = self.0.db.in_tenant(&by.tenant, tell).await {
            tracing::warn!(%error, "a key from elsewhere was refused, and it was not written down");
        }
    }

    /// Writes down what was counted. What fails is kept for the next turn.
    pub async fn write_use(&self) {
        for pending in self.0.usage.take() {
            if let Err(error) = self.write_use_of(&pending).await {
                tracing::warn!(%error, "the use of API keys was not written down");
                self.0.usage.put_back(pending);
            }
        }
    }

    async fn write_use_of(&self, pending: &Pending) -> Result<()> {
        let last = |(key, one): (&ApiKeyId, &Counted)| LastUse {
            key: *key,
            at: one.at,
            from: one.from.map(|from| from.to_canonical().to_string()),
        };
        let last: Vec<LastUse> = pending.keys.iter().map(last).collect();
        let mut days = Vec::new();
        for (key, counted) in &pending.keys {
            for (day, (requests, refusals)) in &counted.days {
                days.push((*key, DayOfUse { day: *day, requests: *requests, refusals: *refusals }));
            }
        }
        let write = async |tx: &TenantTx| {
            store::note_last_uses(tx, &last).await?;
            store::add_use(tx, &days).await
        };
        self.0.db.in_tenant(&pending.tenant, write).await
    }
}

/// Before which day nothing is kept.
pub fn kept_since(today: NaiveDate) -> NaiveDate {
    today - TimeDelta::days(KEPT_DAYS)
}
