//! What runs later: a row names the tenant and a row in the tenant's schema, a worker leases it and runs its kind's handler.
//!
//! Owns `public.job`. A job is visible only once the transaction that enqueued it has committed. A worker that dies loses its
//! lease, and the job runs again: handlers must be safe to run twice.
//!
//! A standing job is there once for every active tenant, and answers each time when it is due next. Whoever changes what it looks
//! after [calls](call_at) it: a call is never lost, not even one that comes while the job runs.
//!
//! Where traces are collected, a job is a part of the trace of whoever enqueued it. A standing job has traces of its own, and names the
//! one that called it.

mod runner;

pub use runner::{Job, Next, Runner};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{ControlTx, TenantTx},
    error::Result,
    trace::TraceParent,
    types::{JobId, TenantId},
};

/// Enqueues work on `subject` (a row of the entered tenant's schema), in the same transaction as that row.
pub async fn enqueue(
    tx: &TenantTx,
    kind: &'static str,
    subject: Uuid,
    due_at: DateTime<Utc>,
) -> Result<JobId> {
    let id = JobId::new();
    match TraceParent::here() {
        None => {
            tx.execute("SELECT gate.enqueue_job($1, $2, $3, $4)", &[&id, &kind, &subject, &due_at]).await?
        }
        Some(trace) => {
            let trace = trace.to_text();
            let sql = "SELECT gate.enqueue_job($1, $2, $3, $4, $5)";
            tx.execute(sql, &[&id, &kind, &subject, &due_at, &trace]).await?
        }
    };
    Ok(id)
}

/// Whether a tenant has work of this kind before it.
pub async fn is_waiting(tx: &ControlTx, tenant: TenantId, kind: &'static str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM public.job WHERE tenant_id = $1 AND kind = $2) AS waits";
    Ok(tx.query_one(sql, &[&tenant, &kind]).await?.get("waits"))
}

/// Makes the entered tenant's standing job of this kind run at `at`, unless it is due earlier anyway.
pub async fn call_at(tx: &TenantTx, kind: &'static str, at: DateTime<Utc>) -> Result<()> {
    match TraceParent::here() {
        None => tx.execute("SELECT gate.call_at($1, $2)", &[&kind, &at]).await?,
        Some(trace) => tx.execute("SELECT gate.call_at($1, $2, $3)", &[&kind, &at, &trace.to_text()]).await?,
    };
    Ok(())
}
