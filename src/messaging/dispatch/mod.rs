//! The dispatcher: brings deliveries to providers, fairly between tenants, each once, and writes down what came of it.
//!
//! Any number of workers share the work without a coordinator. A worker takes the turn of a lane ([`lanes`]), claims some of its
//! deliveries ([`turn`]), sends them side by side, and settles outcomes by batches ([`settle`]). From the commit of a claim until
//! its settling a delivery may have been sent: when a worker dies in between, the delivery is `unknown` once its lease is over, and is
//! never sent again by itself.

mod claim;
mod failpoint;
mod fate;
mod lanes;
mod plan;
mod quiet;
mod rate;
mod send;
mod settle;
mod turn;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{failpoint::Failpoint, lanes::Turn, send::Outcomes};
use super::{
    Messaging,
    messages::{Lane, Spoken},
};
use crate::{
    error::Result,
    tenancy::{Registry, Tenant},
    types::{MessageId, TenantId},
};

/// How long nobody looks when nobody rings: what another process queued waits so long at most.
const POLL: Duration = Duration::from_millis(100);
/// How often lanes that were put to rest are stamped for their last look.
const STAMP: Duration = Duration::from_millis(500);
/// So many messages of a worker are under way at once; bulk leaves some of them to what is more urgent.
const UNDER_WAY: usize = 512;
const BULK_UNDER_WAY: usize = 384;
/// So many of one tenant: a slow provider holds up nobody else.
const TENANT_UNDER_WAY: usize = 128;
/// So many are claimed at once. The smaller, the fairer; the larger, the cheaper.
const QUANTUM: usize = 100;
const SPOKEN_REMEMBERED: u64 = 2_000;

/// Brings deliveries to providers.
pub struct Dispatcher {
    messaging: Messaging,
    registry: Registry,
    failpoint: Failpoint,
    /// Messages that are ready to be rendered. They never change.
    spoken: moka::sync::Cache<(TenantId, MessageId), Arc<Spoken>>,
    under_way: Mutex<HashMap<TenantId, usize>>,
}

impl Dispatcher {
    pub fn new(messaging: Messaging, registry: Registry, failpoint: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            messaging,
            registry,
            failpoint: Failpoint::new(failpoint),
            spoken: moka::sync::Cache::new(SPOKEN_REMEMBERED),
            under_way: Mutex::default(),
        })
    }

    /// Works until told to stop, then waits for what is under way and writes it down.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (outcomes, settler) = Outcomes::start(self.clone());
        let mut sends = JoinSet::new();
        let mut stamped = Instant::now();
        while !stop.is_cancelled() {
            if stamped.elapsed() >= STAMP {
                stamped = Instant::now();
                if let Err(error) = lanes::stamp(&self.messaging.db).await {
                    tracing::warn!(%error, "lanes cannot be stamped");
                }
            }
            match self.look(&mut sends, &outcomes).await {
                Ok(true) => {
                    while sends.try_join_next().is_some() {}
                    continue;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "messages cannot be dispatched"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.messaging.bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(_) = sends.join_next(), if sends.len() >= BULK_UNDER_WAY => {}
            }
        }
        while sends.join_next().await.is_some() {}
        drop(outcomes);
        if let Err(error) = settler.await {
            tracing::error!(%error, "outcomes were not settled");
        }
    }

    /// Takes one turn. False when there is none to be taken.
    async fn look(self: &Arc<Self>, sends: &mut JoinSet<()>, outcomes: &Outcomes) -> Result<bool> {
        let db = &self.messaging.db;
        let (full, free) = self.room();
        if free == 0 {
            return Ok(false);
        }
        lanes::fold_calls(db).await?;
        let lowest = if free > UNDER_WAY - BULK_UNDER_WAY { Lane::Bulk } else { Lane::Conversation };
        let Some(turn) = lanes::take_turn(db, &full, lowest, quantum_cost()).await? else { return Ok(false) };
        let Some(tenant) = self.registry.find_by_id(turn.tenant).await? else {
            lanes::give_back(db, &turn, None, 0.0).await?;
            return Ok(true);
        };
        let rows = QUANTUM.min(free).min(TENANT_UNDER_WAY.saturating_sub(self.of(turn.tenant)).max(1));
        let taken = self.take(&tenant, &turn, rows, sends, outcomes).await;
        if let Err(error) = taken {
            // The tenant's schema may be away: the lane stays due, and is not looked at before its lease is over.
            tracing::warn!(tenant = %tenant.slug, %error, "a tenant's messages cannot be dispatched");
        }
        Ok(true)
    }

    async fn take(
        self: &Arc<Self>,
        tenant: &Tenant,
        turn: &Turn,
        rows: usize,
        sends: &mut JoinSet<()>,
        outcomes: &Outcomes,
    ) -> Result<()> {
        let lease = Uuid::new_v4();
        let turned = self.turn(tenant, turn, i64::try_from(rows).unwrap_or(1), lease).await?;
        if !turned.going.is_empty() {
            self.failpoint.pass(failpoint::Point::BeforeSend);
        }
        let cost: f64 = turned.going.iter().map(|going| f64::from(going.segments.unwrap_or(1))).sum();
        for going in turned.going {
            self.count(turn.tenant, 1);
            let (dispatcher, tenant, outcomes) = (self.clone(), tenant.clone(), outcomes.clone());
            sends.spawn(async move { dispatcher.send(tenant, going, lease, outcomes).await });
        }
        for account in &turned.to_open {
            if let Err(error) = self.messaging.accounts.open(tenant, account).await {
                self.cannot_open(tenant, account, &error).await?;
            }
        }
        let next = if turned.to_open.is_empty() { turned.next } else { Some(chrono::Utc::now()) };
        metrics::counter!("lastmile_deliveries_claimed_total")
            .increment(u64::try_from(turned.claimed).unwrap_or_default());
        lanes::give_back(&self.messaging.db, turn, next, quantum_cost() - cost).await
    }

    /// An account whose credential cannot be read is as good as one that refuses: its breaker opens.
    async fn cannot_open(
        &self,
        tenant: &Tenant,
        account: &super::accounts::Account,
        error: &crate::error::Error,
    ) -> Result<()> {
        tracing::error!(tenant = %tenant.slug, account = %account.id, %error, "a credential cannot be opened");
        let note = super::accounts::breaker::Note::Refuses("Its credential cannot be read.".into());
        let notes = [(account.id, note)];
        self.messaging.db.in_tenant(tenant, async |tx| super::accounts::breaker::note(tx, &notes).await).await
    }

    /// Tenants who have enough under way, and how many more may be taken up.
    fn room(&self) -> (Vec<TenantId>, usize) {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = under_way.values().sum();
        let full = under_way.iter().filter(|(_, n)| **n >= TENANT_UNDER_WAY).map(|(id, _)| *id).collect();
        (full, UNDER_WAY.saturating_sub(all))
    }

    fn of(&self, tenant: TenantId) -> usize {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(&tenant).copied().unwrap_or_default()
    }

    fn count(&self, tenant: TenantId, n: usize) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        *under_way.entry(tenant).or_default() += n;
    }

    fn discount(&self, tenant: TenantId) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = under_way.get_mut(&tenant) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                under_way.remove(&tenant);
            }
        }
        drop(under_way);
        self.messaging.bell.notify_one();
    }
}

/// What a turn may come to, in messages: it is taken before, so that two workers do not serve the same tenant twice over.
fn quantum_cost() -> f64 {
    f64::from(u32::try_from(QUANTUM).unwrap_or(u32::MAX))
}

/// Where outcomes go.
type Told = mpsc::UnboundedSender<(Tenant, settle::Settled)>;
