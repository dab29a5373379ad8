//! The dispatcher: brings deliveries to providers, fairly between tenants, each once, and writes down what came of it.
//!
//! Any number of workers share the work without a coordinator. A worker takes the turn of a lane ([`lanes`]), claims some of its
//! deliveries ([`turn`]), sends them side by side, and settles outcomes by batches ([`settle`]). From the commit of a claim until
//! its settling a delivery may have been sent: when a worker dies in between, the delivery is `unknown` once its lease is over, and is
//! never sent again by itself.

mod claim;
mod failpoint;
mod fate;
mod files;
mod lanes;
mod plan;
mod quiet;
mod rate;
mod send;
mod settle;
mod traced;
mod turn;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use self::{failpoint::Failpoint, files::FileRoom, lanes::Turn, send::Outcomes};
use super::{
    Messaging,
    messages::{Lane, Spoken},
};
use crate::{
    error::Result,
    tenancy::{Registry, Tenant},
    types::{MessageId, TenantId},
};

/// How long nobody looks when nobody rings, while there is something to do; then twice as long after every look in vain, and at most
/// [`LONGEST_POLL`]: what another process queued waits so long at most.
const POLL: Duration = Duration::from_millis(100);
const LONGEST_POLL: Duration = Duration::from_secs(1);
/// How often lanes that were put to rest are stamped for their last look.
const STAMP: Duration = Duration::from_millis(500);
/// So many messages of a worker are under way at once; bulk leaves some of them to what is more urgent.
const UNDER_WAY: usize = 512;
const BULK_UNDER_WAY: usize = 384;
/// So many of one tenant: a slow provider holds up nobody else.
const TENANT_UNDER_WAY: usize = 192;
/// With more than this under way a tenant rests a little between its turns, and the worker takes nothing up with less room than this:
/// a turn costs the same for one delivery as for a hundred.
const TENANT_RESTS_ABOVE: usize = 92;
const LEAST_ROOM: usize = 32;
const REST: Duration = Duration::from_millis(20);
/// So many are claimed at once. The smaller, the fairer; the larger, the cheaper.
const QUANTUM: usize = 100;
/// For the next turns of the same message: what is sent to one person is not needed again, and each has an environment of its own.
const SPOKEN_REMEMBERED: u64 = 256;

/// Brings deliveries to providers.
pub struct Dispatcher {
    messaging: Messaging,
    registry: Registry,
    failpoint: Failpoint,
    /// Messages that are ready to be rendered. They never change.
    spoken: moka::sync::Cache<(TenantId, MessageId), Arc<Spoken>>,
    files: FileRoom,
    under_way: Mutex<UnderWay>,
}

/// What is being sent.
#[derive(Default)]
struct UnderWay {
    all: usize,
    /// By tenant: how many, and since when.
    of: HashMap<TenantId, (usize, Instant)>,
}

/// What may be taken up.
struct Room {
    /// Tenants who have enough under way.
    full: Vec<TenantId>,
    /// Whether some of them may have a turn after a rest.
    is_resting: bool,
    free: usize,
}

impl Dispatcher {
    pub fn new(messaging: Messaging, registry: Registry, failpoint: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            messaging,
            registry,
            failpoint: Failpoint::new(failpoint),
            spoken: moka::sync::Cache::new(SPOKEN_REMEMBERED),
            files: FileRoom::new(),
            under_way: Mutex::default(),
        })
    }

    /// Works until told to stop, then waits for what is under way and writes it down.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (outcomes, settler) = Outcomes::start(self.clone());
        let mut sends = JoinSet::new();
        let mut stamped = Instant::now();
        let mut in_vain = 0;
        while !stop.is_cancelled() {
            while sends.try_join_next().is_some() {}
            match self.round(in_vain > 0, &mut stamped, &mut sends, &outcomes).await {
                Ok(true) => {
                    in_vain = 0;
                    continue;
                }
                Ok(false) => in_vain += 1,
                Err(error) => tracing::warn!(%error, "messages cannot be dispatched"),
            }
            let pause = if self.room().is_resting { REST } else { pause_after(in_vain) };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.messaging.bell.notified() => in_vain = 0,
                () = tokio::time::sleep(pause) => {}
            }
        }
        while sends.join_next().await.is_some() {}
        drop(outcomes);
        if let Err(error) = settler.await {
            tracing::error!(%error, "outcomes were not settled");
        }
    }

    /// One look at everything. False when there was nothing to be done.
    async fn round(
        self: &Arc<Self>,
        was_quiet: bool,
        stamped: &mut Instant,
        sends: &mut JoinSet<()>,
        outcomes: &Outcomes,
    ) -> Result<bool> {
        let db = &self.messaging.db;
        if was_quiet && !lanes::is_anything(db).await? {
            return Ok(false);
        }
        if stamped.elapsed() >= STAMP {
            *stamped = Instant::now();
            if let Err(error) = lanes::stamp(db).await {
                tracing::warn!(%error, "lanes cannot be stamped");
            }
        }
        self.look(sends, outcomes).await
    }

    /// Takes one turn. False when there is none to be taken.
    async fn look(self: &Arc<Self>, sends: &mut JoinSet<()>, outcomes: &Outcomes) -> Result<bool> {
        let db = &self.messaging.db;
        let Room { full, free, .. } = self.room();
        if free < LEAST_ROOM {
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
        let span = traced::turn(&tenant, &turn);
        let taken = self.take(&tenant, &turn, rows, sends, outcomes).instrument(span).await;
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
        traced::taken(&turned);
        let cost: f64 = turned.going.iter().map(|going| f64::from(going.segments.unwrap_or(1))).sum();
        self.count(turn.tenant, turned.going.len());
        for going in turned.going {
            let span = traced::attempt(tenant, &going);
            let (dispatcher, tenant, outcomes) = (self.clone(), tenant.clone(), outcomes.clone());
            let sent = span.clone();
            sends.spawn(
                async move { dispatcher.send(tenant, going, lease, outcomes, &sent).await }.instrument(span),
            );
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

    fn held(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Room {
        let under_way = self.held();
        let mut room =
            Room { full: Vec::new(), is_resting: false, free: UNDER_WAY.saturating_sub(under_way.all) };
        for (id, (n, since)) in &under_way.of {
            let rests = *n > TENANT_RESTS_ABOVE && since.elapsed() < REST;
            if rests || *n >= TENANT_UNDER_WAY {
                room.full.push(*id);
            }
            room.is_resting |= *n > TENANT_RESTS_ABOVE && *n < TENANT_UNDER_WAY;
        }
        room
    }

    fn of(&self, tenant: TenantId) -> usize {
        self.held().of.get(&tenant).map_or(0, |(n, _)| *n)
    }

    fn count(&self, tenant: TenantId, n: usize) {
        if n == 0 {
            return;
        }
        let mut under_way = self.held();
        under_way.all += n;
        let (of, since) = under_way.of.entry(tenant).or_insert((0, Instant::now()));
        *of += n;
        *since = Instant::now();
    }

    /// One less; whoever waits for room is told when there is enough for a turn.
    fn discount(&self, tenant: TenantId) {
        let mut under_way = self.held();
        let mut left = 0;
        if let Some((n, _)) = under_way.of.get_mut(&tenant) {
            *n = n.saturating_sub(1);
            left = *n;
            if left == 0 {
                under_way.of.remove(&tenant);
            }
        }
        under_way.all = under_way.all.saturating_sub(1);
        let all = under_way.all;
        drop(under_way);
        let has_room = all == UNDER_WAY - LEAST_ROOM || all + 1 == BULK_UNDER_WAY;
        if has_room || left == TENANT_RESTS_ABOVE {
            self.messaging.bell.notify_one();
        }
    }
}

/// How long to wait after so many looks in vain.
fn pause_after(in_vain: u32) -> Duration {
    POLL.saturating_mul(2_u32.saturating_pow(in_vain.saturating_sub(1))).min(LONGEST_POLL)
}

/// What a turn may come to, in messages: it is taken before, so that two workers do not serve the same tenant twice over.
fn quantum_cost() -> f64 {
    f64::from(u32::try_from(QUANTUM).unwrap_or(u32::MAX))
}

/// Where outcomes go.
type Told = mpsc::UnboundedSender<(Tenant, settle::Settled)>;
