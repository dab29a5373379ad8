//! Sending, and gathering outcomes: they are written down many at once, some hundredths of a second later.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::{
    Dispatcher, Told,
    failpoint::Point,
    fate::{self, Failure, Fate, Known},
    plan::Going,
    settle::{Settled, Tried, settle},
    traced,
};
use crate::{
    messaging::providers::{Outcome, State},
    tenancy::Tenant,
    types::TenantId,
};

/// Outcomes wait so long for others of the same tenant, and so many are written at once.
const GATHER: Duration = Duration::from_millis(20);
const AT_ONCE: usize = 200;
/// What cannot be written down is tried again for so long; then its lease is over and it counts as unknown.
const TRIES: u32 = 8;

/// Takes outcomes in. Cheap to clone; when the last one is dropped, what is left is written and the settler ends.
#[derive(Clone)]
pub struct Outcomes(Told);

impl Outcomes {
    pub fn start(dispatcher: Arc<Dispatcher>) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), tokio::spawn(gather(dispatcher, receiver)))
    }
}

impl Dispatcher {
    /// Sends one delivery, once, and hands on what came of it.
    #[expect(clippy::too_many_lines, reason = "one record, put together")]
    pub(super) async fn send(
        self: Arc<Self>,
        tenant: Tenant,
        going: Going,
        lease: Uuid,
        outcomes: Outcomes,
        span: &Span,
    ) {
        let (started_at, clock) = (Utc::now(), Instant::now());
        let about = going.provider.about();
        let outcome = match going.prepared {
            Some(prepared) => Some(going.provider.send(&self.messaging.outbound, prepared).await),
            None => None,
        };
        self.failpoint.pass(Point::AfterSend);
        drop(going.room);
        let took = clock.elapsed();
        metrics::histogram!("lastmile_send_seconds", "provider" => about.kind).record(took.as_secs_f64());
        let one = going.claimed;
        let now = Utc::now();
        let known = Known {
            account: going.account.id,
            has_fallback: going.has_fallback,
            retries: one.retries,
            retries_max: going.retries_max,
            queued_at: one.queued_at,
            now,
            jitter: rand::random(),
        };
        let (fate, word, theirs, note) = match &outcome {
            None => (Fate::Accepted { state: State::Queued, price: None }, "dry_run", None, None),
            Some(outcome) => {
                let (word, theirs) = match outcome {
                    Outcome::Accepted(accepted) => ("accepted", Some(accepted.id.clone())),
                    Outcome::Refused(_) => ("refused", None),
                    Outcome::Unknown { .. } => ("unknown", None),
                };
                let note = fate::note(outcome).map(|note| (going.account.id, note));
                (fate::decide(outcome, &known), word, theirs, note)
            }
        };
        metrics::counter!("lastmile_sends_total", "provider" => about.kind, "outcome" => word).increment(1);
        let failure = match &fate {
            Fate::Accepted { .. } => None,
            Fate::Again { failure, .. } | Fate::Ended { failure, .. } => Some(Failure::clone(failure)),
        };
        traced::tried(span, word, failure.as_ref());
        let tried = Tried {
            account: going.account,
            provider: about.kind,
            provider_message_id: theirs,
            started_at,
            ms: i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
            outcome: word,
            failure,
        };
        let own_price = if outcome.is_none() { rust_decimal::Decimal::ZERO } else { going.own_price };
        let settled = Settled {
            id: one.id,
            lease,
            message: one.message,
            lane: one.lane,
            template: going.template,
            channel: one.channel,
            address: one.address,
            attempts: one.attempts,
            retries: one.retries,
            queued_at: one.queued_at,
            segments: going.segments,
            reserved: one.reserved,
            own_price,
            tried: Some(tried),
            fate,
            at: now,
            note,
        };
        let id = tenant.id();
        if outcomes.0.send((tenant, settled)).is_err() {
            tracing::error!("an outcome came after the settler had ended");
        }
        self.discount(id);
    }

    /// Writes a tenant's outcomes down. What fails for a while is tried again: the outcome is all that there is of it.
    async fn write(&self, tenant: &Tenant, batch: &[Settled]) {
        self.failpoint.pass(Point::BeforeRecord);
        for n in 0..TRIES {
            let written = self
                .messaging
                .db
                .in_tenant(tenant, async |tx| {
                    settle(tx, tenant, batch).await?;
                    self.failpoint.pass(Point::InSettle);
                    Ok(())
                })
                .await;
            match written {
                Ok(()) => {
                    let failed = batch.iter().filter(|one| one.fate.is_failure()).count();
                    self.registry.sightings().messages_failed(tenant.id(), failed);
                    return;
                }
                Err(error) => {
                    tracing::warn!(tenant = %tenant.slug, %error, "outcomes cannot be written down yet")
                }
            }
            tokio::time::sleep(Duration::from_millis(250 << n.min(5))).await;
        }
        tracing::error!(tenant = %tenant.slug, lost = batch.len(), "outcomes were not written: they count as unknown");
    }
}

/// Gathers outcomes by tenant and writes them: several tenants side by side, the batches of one after each other.
async fn gather(dispatcher: Arc<Dispatcher>, mut told: mpsc::UnboundedReceiver<(Tenant, Settled)>) {
    let mut waiting: HashMap<TenantId, (Tenant, Vec<Settled>)> = HashMap::new();
    let mut writing: JoinSet<TenantId> = JoinSet::new();
    let mut busy: HashSet<TenantId> = HashSet::new();
    let mut due = Instant::now();
    let mut is_open = true;
    while is_open || !waiting.is_empty() || !writing.is_empty() {
        let may_write = waiting.keys().any(|id| !busy.contains(id));
        tokio::select! {
            one = told.recv(), if is_open => match one {
                Some((tenant, settled)) => {
                    if waiting.is_empty() {
                        due = Instant::now() + GATHER;
                    }
                    let (_, batch) = waiting.entry(tenant.id()).or_insert_with(|| (tenant, Vec::new()));
                    batch.push(settled);
                    if batch.len() >= AT_ONCE {
                        due = Instant::now();
                    }
                }
                None => {
                    is_open = false;
                    due = Instant::now();
                }
            },
            () = tokio::time::sleep_until(due), if may_write => {
                write_ready(&dispatcher, &mut waiting, &mut writing, &mut busy);
            }
            Some(done) = writing.join_next(), if !writing.is_empty() => {
                if let Ok(id) = done {
                    busy.remove(&id);
                }
            }
        }
    }
}

/// Writes what waits of every tenant who is not being written for.
fn write_ready(
    dispatcher: &Arc<Dispatcher>,
    waiting: &mut HashMap<TenantId, (Tenant, Vec<Settled>)>,
    writing: &mut JoinSet<TenantId>,
    busy: &mut HashSet<TenantId>,
) {
    let ready: Vec<TenantId> = waiting.keys().copied().filter(|id| !busy.contains(id)).collect();
    for id in ready {
        let Some((tenant, batch)) = waiting.remove(&id) else { continue };
        busy.insert(id);
        let dispatcher = dispatcher.clone();
        writing.spawn(async move {
            let span = traced::settling(&tenant, batch.len());
            dispatcher.write(&tenant, &batch).instrument(span).await;
            id
        });
    }
}
