//! The worker: leases due jobs of tenants that are active, runs them, and takes them away or puts them off.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{
    db::Db,
    error::Result,
    tenancy::{Registry, Tenant},
    trace::{TraceParent, root_span},
    types::{JobId, TenantId},
};

const LEASE_SECONDS: f64 = 60.0;
const RENEW: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 4;
/// How often it is looked whether every tenant has its standing jobs.
const STAND: Duration = Duration::from_secs(30);
/// When a standing job that says it is done looks again.
const STAND_AGAIN_HOURS: i64 = 24;
/// The wait before the nth attempt, in seconds; the last one repeats.
const BACKOFF_SECONDS: [i64; 6] = [5, 30, 120, 600, 1_800, 3_600];

/// A leased job.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub subject: Uuid,
    /// 1 at the first run.
    pub attempt: i32,
}

/// What becomes of a job that was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Done,
    /// There is more to do: run again, at once or later.
    Again(DateTime<Utc>),
}

/// What runs jobs of one kind.
pub type Handler = Arc<dyn Fn(Tenant, Job) -> BoxFuture<'static, Result<Next>> + Send + Sync>;

/// What runs a kind, and whether it takes long and much.
struct Kind {
    handler: Handler,
    is_heavy: bool,
}

/// Runs jobs of the kinds it was given.
pub struct Runner {
    db: Db,
    registry: Registry,
    kinds: HashMap<&'static str, Kind>,
    /// The one place for heavy work: the others stay free for what people wait for.
    heavy: Arc<Semaphore>,
    standing: Vec<&'static str>,
    wake: Arc<Notify>,
}

impl Runner {
    /// `bell` rings when something was enqueued in this process, so that nobody waits for the next poll.
    pub fn new(registry: Registry, bell: Arc<Notify>) -> Self {
        Self {
            db: registry.db().clone(),
            registry,
            kinds: HashMap::new(),
            heavy: Arc::new(Semaphore::new(1)),
            standing: Vec::new(),
            wake: bell,
        }
    }

    /// Names the handler of a kind.
    pub fn on(&mut self, kind: &'static str, handler: Handler) {
        self.kinds.insert(kind, Kind { handler, is_heavy: false });
    }

    /// Names the handler of a kind that takes minutes: of all such kinds, a process runs one job at a time.
    pub fn on_heavy(&mut self, kind: &'static str, handler: Handler) {
        self.kinds.insert(kind, Kind { handler, is_heavy: true });
    }

    /// Names the handler of a kind that stands: every active tenant has one such job, and it is never done.
    pub fn stand(&mut self, kind: &'static str, handler: Handler) {
        self.standing.push(kind);
        self.on(kind, handler);
    }

    /// Works until told to stop, then finishes what is running.
    pub async fn run(self, stop: CancellationToken) {
        let runner = Arc::new(self);
        let mut running = JoinSet::new();
        let mut stood: Option<tokio::time::Instant> = None;
        let mut was_quiet = false;
        loop {
            if stood.is_none_or(|at| at.elapsed() >= STAND) {
                stood = Some(tokio::time::Instant::now());
                if let Err(error) = runner.stand_up().await {
                    tracing::warn!(%error, "standing jobs cannot be put up");
                }
            }
            while running.len() < AT_ONCE && !stop.is_cancelled() {
                match runner.next(was_quiet).await {
                    Ok(Some(leased)) => {
                        was_quiet = false;
                        let runner = runner.clone();
                        running.spawn(async move { runner.run_one(leased).await });
                    }
                    Ok(None) => {
                        was_quiet = true;
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "jobs cannot be leased");
                        break;
                    }
                }
            }
            if stop.is_cancelled() {
                while running.join_next().await.is_some() {}
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = runner.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
    }

    /// Gives every active tenant the standing jobs that it has not got: a new one, or one that came back from a backup.
    async fn stand_up(&self) -> Result<()> {
        self.db
            .in_public(async |tx| {
                tx.execute(
                    "INSERT INTO public.job (id, tenant_id, kind, subject_id, is_standing)
                     SELECT gen_random_uuid(), t.id, k.kind, t.id, true
                     FROM public.tenant t CROSS JOIN unnest($1::text[]) AS k (kind)
                     WHERE t.status = 'active' AND NOT EXISTS (SELECT FROM public.job j
                        WHERE j.tenant_id = t.id AND j.kind = k.kind AND j.is_standing)
                     ON CONFLICT (tenant_id, kind) WHERE is_standing DO NOTHING",
                    &[&self.standing],
                )
                .await
            })
            .await?;
        Ok(())
    }

    /// The next job, if there is one. Who found none the last time looks first whether there may be any, which costs a fraction.
    async fn next(&self, was_quiet: bool) -> Result<Option<Leased>> {
        if was_quiet && !self.is_anything().await? {
            return Ok(None);
        }
        self.lease().await
    }

    async fn is_anything(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM public.job WHERE due_at <= now())";
        Ok(self.db.ask_public(sql, &[]).await?.get(0))
    }

    /// The next due job of an active tenant; the tenant with the longest wait first. A lost lease is taken over.
    async fn lease(&self) -> Result<Option<Leased>> {
        let place = self.heavy.clone().try_acquire_owned().ok();
        let free = self.kinds.iter().filter(|(_, kind)| !kind.is_heavy || place.is_some());
        let kinds: Vec<&str> = free.map(|(name, _)| *name).collect();
        let lease = Uuid::new_v4();
        let leased = self
            .db
            .in_public(async |tx| {
                let row = tx
                    .query_opt(
                        "UPDATE public.job SET lease = $1, attempts = attempts + 1,
                            leased_until = now() + make_interval(secs => $2)
                         WHERE id = (
                            SELECT j.id FROM public.job j JOIN public.tenant t ON t.id = j.tenant_id
                            WHERE j.due_at <= now() AND (j.leased_until IS NULL OR j.leased_until < now())
                                AND j.kind = ANY($3) AND t.status = 'active'
                            ORDER BY j.due_at FOR UPDATE OF j SKIP LOCKED LIMIT 1)
                         RETURNING id, tenant_id, kind, subject_id, attempts, is_standing, called, traceparent",
                        &[&lease, &LEASE_SECONDS, &kinds],
                    )
                    .await?;
                Ok(row.map(|row| Leased {
                    tenant: row.get("tenant_id"),
                    kind: row.get("kind"),
                    lease,
                    is_standing: row.get("is_standing"),
                    called: row.get("called"),
                    trace: TraceParent::kept(row.get("traceparent")),
                    job: Job {
                        id: row.get("id"),
                        subject: row.get("subject_id"),
                        attempt: row.get("attempts"),
                    },
                    _place: None,
                }))
            })
            .await?;
        Ok(leased.map(|leased| Leased { _place: place.filter(|_| self.is_heavy(&leased.kind)), ..leased }))
    }

    fn is_heavy(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_some_and(|kind| kind.is_heavy)
    }

    async fn run_one(&self, leased: Leased) {
        let span = leased.span();
        self.run_traced(&leased, &span).instrument(span.clone()).await;
    }

    async fn run_traced(&self, leased: &Leased, span: &Span) {
        let ended = tokio::select! {
            ended = self.work(leased) => ended,
            error = self.keep_lease(leased) => Err(error),
        };
        span.record("lastmile.outcome", outcome_of(&ended));
        if let Err(error) = &ended {
            span.record("error.type", error.code()).record("otel.status_code", "ERROR");
        }
        let settled = match ended {
            Ok(Next::Done) if leased.is_standing => {
                let due = Utc::now() + chrono::Duration::hours(STAND_AGAIN_HOURS);
                self.settle(leased, Some((due, 0))).await
            }
            Ok(Next::Done) => self.settle(leased, None).await,
            Ok(Next::Again(due)) => self.settle(leased, Some((due, 0))).await,
            Err(error) => {
                tracing::error!(kind = leased.kind, tenant = %leased.tenant, %error, "a job failed");
                let step = usize::try_from(leased.job.attempt - 1)
                    .unwrap_or_default()
                    .min(BACKOFF_SECONDS.len() - 1);
                let wait = BACKOFF_SECONDS.get(step).copied().unwrap_or(3_600);
                let due = Utc::now() + chrono::Duration::seconds(wait);
                self.settle(leased, Some((due, leased.job.attempt))).await
            }
        };
        if let Err(error) = settled {
            tracing::warn!(kind = leased.kind, %error, "a job's end could not be recorded: it will run again");
        }
    }

    async fn work(&self, leased: &Leased) -> Result<Next> {
        let Some(tenant) = self.registry.find_by_id(leased.tenant).await? else { return Ok(Next::Done) };
        match self.kinds.get(leased.kind.as_str()) {
            Some(kind) => (kind.handler)(tenant, leased.job.clone()).await,
            None => Ok(Next::Again(Utc::now() + chrono::Duration::minutes(1))),
        }
    }

    /// Renews the lease for as long as the work goes on; ends when the lease is lost.
    async fn keep_lease(&self, leased: &Leased) -> crate::error::Error {
        loop {
            tokio::time::sleep(RENEW).await;
            let renewed = self
                .db
                .in_public(async |tx| {
                    tx.execute(
                        "UPDATE public.job SET leased_until = now() + make_interval(secs => $3) WHERE id = $1 AND lease = $2",
                        &[&leased.job.id, &leased.lease, &LEASE_SECONDS],
                    )
                    .await
                })
                .await;
            match renewed {
                Ok(0) => return crate::error::Error::internal("the lease was lost"),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    }

    /// Takes the job away, or puts it off; fenced by the lease, so that a worker that lost it changes nothing. One that was
    /// called while it ran is due at once.
    async fn settle(&self, leased: &Leased, again: Option<(DateTime<Utc>, i32)>) -> Result<()> {
        self.db
            .in_public(async |tx| match again {
                None => {
                    tx.execute(
                        "DELETE FROM public.job WHERE id = $1 AND lease = $2",
                        &[&leased.job.id, &leased.lease],
                    )
                    .await
                }
                Some((due, attempts)) => {
                    tx.execute(
                        "UPDATE public.job SET due_at = CASE WHEN called = $5 THEN $3 ELSE least($3, now()) END,
                            attempts = $4, lease = NULL, leased_until = NULL,
                            traceparent = CASE WHEN is_standing AND called = $5 THEN NULL ELSE traceparent END
                         WHERE id = $1 AND lease = $2",
                        &[&leased.job.id, &leased.lease, &due, &attempts, &leased.called],
                    )
                    .await
                }
            })
            .await?;
        Ok(())
    }
}

struct Leased {
    tenant: TenantId,
    kind: String,
    lease: Uuid,
    is_standing: bool,
    called: i64,
    /// What it was enqueued or called by.
    trace: Option<TraceParent>,
    job: Job,
    /// Held until the end, if the work is heavy.
    _place: Option<OwnedSemaphorePermit>,
}

impl Leased {
    /// A run: in the trace of what enqueued the job. What calls a standing job is not the one reason that it runs.
    fn span(&self) -> Span {
        let span = root_span!(
            parent: None,
            "job",
            otel.name = %format_args!("job {}", self.kind),
            otel.kind = "consumer",
            otel.status_code = Empty,
            lastmile.job.kind = self.kind,
            lastmile.job.attempt = self.job.attempt,
            lastmile.outcome = Empty,
            tenant.id = %self.tenant,
            error.type = Empty,
        );
        match &self.trace {
            Some(trace) if self.is_standing => trace.link_to(&span),
            Some(trace) => trace.continue_with(&span),
            None => {}
        }
        span
    }
}

fn outcome_of(ended: &Result<Next>) -> &'static str {
    match ended {
        Ok(Next::Done) => "done",
        Ok(Next::Again(_)) => "again",
        Err(_) => "failed",
    }
}
