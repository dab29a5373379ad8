//! What runs later: a row names the tenant and a row in the tenant's schema, a worker leases it and runs its kind's handler.
//!
//! Owns `public.job`. A job is visible only once the transaction that enqueued it has committed. A worker that dies loses its
//! lease, and the job runs again: handlers must be safe to run twice.

mod runner;

pub use runner::{Job, Next, Runner};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{db::TenantTx, error::Result, types::JobId};

/// Enqueues work on `subject` (a row of the entered tenant's schema), in the same transaction as that row.
pub async fn enqueue(
    tx: &TenantTx,
    kind: &'static str,
    subject: Uuid,
    due_at: DateTime<Utc>,
) -> Result<JobId> {
    let id = JobId::new();
    tx.execute("SELECT gate.enqueue_job($1, $2, $3, $4)", &[&id, &kind, &subject, &due_at]).await?;
    Ok(id)
}
