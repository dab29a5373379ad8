//! Rate limits: per address, per credential, per tenant. They are of the deployment: every process that takes requests charges each
//! of them as many times as there are such processes, so that all together let through what one would.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use poem::{Response, http::HeaderValue};
use uuid::Uuid;

use crate::{
    config::LimitSettings,
    error::{Error, Result},
    types::TenantId,
    words::say,
};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// How a caller stands with the limit that is nearest to stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub limit: u32,
    pub remaining: u32,
    pub reset_seconds: u64,
}

impl Standing {
    pub fn tell(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(self.reset_seconds));
    }
}

/// The standing of one request, as the limits it passes write it down.
#[derive(Debug, Clone, Default)]
pub struct StandingNote(Arc<Mutex<Option<Standing>>>);

impl StandingNote {
    fn keep_nearest(&self, standing: Standing) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|kept| standing.remaining < kept.remaining) {
            *kept = Some(standing);
        }
    }

    pub fn get(&self) -> Option<Standing> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All limits, as far as they are this process's.
pub struct RateLimits {
    /// How many processes take requests.
    processes: AtomicU32,
    address: Limiter<IpAddr>,
    credential: Limiter<Uuid>,
    tenant: Limiter<TenantId>,
    /// For tenants whose plan says how much: one for each rate that is in use.
    by_rate: RwLock<HashMap<u32, Arc<Limiter<TenantId>>>>,
    burst_seconds: u32,
    signups: Limiter<IpAddr>,
    password_links: Limiter<IpAddr>,
}

fn quota(per_second: u32, burst_seconds: u32) -> Quota {
    let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    let burst = NonZeroU32::new(per_second.saturating_mul(burst_seconds)).unwrap_or(rate);
    Quota::per_second(rate).allow_burst(burst)
}

fn limiter<K: Hash + Eq + Clone>(quota: Quota) -> Limiter<K> {
    RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>()
}

impl RateLimits {
    pub fn new(limits: &LimitSettings) -> Self {
        let hourly = |n: u32| limiter(Quota::per_hour(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)));
        Self {
            processes: AtomicU32::new(1),
            address: limiter(quota(limits.address_per_second, limits.burst_seconds)),
            credential: limiter(quota(limits.credential_per_second, limits.burst_seconds)),
            tenant: limiter(quota(limits.tenant_per_second, limits.burst_seconds)),
            by_rate: RwLock::default(),
            burst_seconds: limits.burst_seconds,
            signups: hourly(limits.signups_per_hour),
            password_links: hourly(limits.password_links_per_hour),
        }
    }

    /// So many processes take requests from now on.
    pub fn share(&self, processes: u32) {
        self.processes.store(processes.max(1), Ordering::Relaxed);
    }

    fn check<K: Hash + Eq + Clone>(
        &self,
        limiter: &Limiter<K>,
        key: &K,
        note: &StandingNote,
        whom: &str,
    ) -> Result<()> {
        check(limiter, key, self.processes.load(Ordering::Relaxed), note, whom)
    }

    pub fn address(&self, address: IpAddr, note: &StandingNote) -> Result<()> {
        self.check(&self.address, &address, note, "this address")
    }

    pub fn credential(&self, credential: Uuid, note: &StandingNote) -> Result<()> {
        self.check(&self.credential, &credential, note, "this credential")
    }

    /// `per_second` is what the tenant's plan allows; None: what the deployment allows each.
    pub fn tenant(&self, tenant: TenantId, per_second: Option<u32>, note: &StandingNote) -> Result<()> {
        match per_second {
            None => self.check(&self.tenant, &tenant, note, "this provider"),
            Some(rate) => self.check(&self.of_rate(rate), &tenant, note, "this provider's plan"),
        }
    }

    fn of_rate(&self, rate: u32) -> Arc<Limiter<TenantId>> {
        if let Some(found) = self.by_rate.read().unwrap_or_else(PoisonError::into_inner).get(&rate) {
            return found.clone();
        }
        let mut all = self.by_rate.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(rate).or_insert_with(|| Arc::new(limiter(quota(rate, self.burst_seconds)))).clone()
    }

    pub fn signup(&self, address: IpAddr, note: &StandingNote) -> Result<()> {
        self.check(&self.signups, &address, note, "sign-ups from this address")
    }

    pub fn password_link(&self, address: IpAddr, note: &StandingNote) -> Result<()> {
        self.check(&self.password_links, &address, note, "links from this address")
    }

    /// Forgets callers that have been quiet. Called now and then by the server.
    pub fn sweep(&self) {
        self.address.retain_recent();
        self.credential.retain_recent();
        self.tenant.retain_recent();
        let mut by_rate = self.by_rate.write().unwrap_or_else(PoisonError::into_inner);
        by_rate.retain(|_, limiter| {
            limiter.retain_recent();
            !limiter.is_empty()
        });
        drop(by_rate);
        self.signups.retain_recent();
        self.password_links.retain_recent();
    }
}

fn check<K: Hash + Eq + Clone>(
    limiter: &Limiter<K>,
    key: &K,
    processes: u32,
    note: &StandingNote,
    whom: &str,
) -> Result<()> {
    let charged = |n: NonZeroU32| limiter.check_key_n(key, n);
    // More processes than a limit has requests: one a time in each is the least there is.
    let each = NonZeroU32::new(processes).unwrap_or(NonZeroU32::MIN);
    let (cost, checked) = match charged(each) {
        Ok(checked) => (each.get(), checked),
        Err(capacity) => {
            let all = NonZeroU32::new(capacity.0).unwrap_or(NonZeroU32::MIN);
            (all.get(), charged(all).map_err(|_less| Error::internal("a limit below one"))?)
        }
    };
    match checked {
        Ok(state) => {
            let burst = state.quota().burst_size().get();
            let remaining = state.remaining_burst_capacity();
            let used = f64::from(burst.saturating_sub(remaining));
            let reset = state.quota().replenish_interval().mul_f64(used);
            let standing = Standing {
                limit: burst / cost,
                remaining: remaining / cost,
                reset_seconds: whole_seconds(reset),
            };
            note.keep_nearest(standing);
            Ok(())
        }
        Err(not_until) => {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let limit = not_until.quota().burst_size().get() / cost;
            note.keep_nearest(Standing { limit, remaining: 0, reset_seconds: whole_seconds(wait) });
            Err(Error::too_many(wait, say!("Too many requests of {}. Try again later.", whom)))
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
