//! What the traces are told of a unit of work: one span from asking for a connection to the end of the transaction. Never a
//! statement, never a value.
//!
//! The span is a leaf: the unit's closure does not run inside it, so that what the unit enqueues belongs to whoever began the unit.

use std::time::{Duration, Instant};

use tracing::{Span, field::Empty};

use crate::{
    error::{Error, Result},
    trace::{number, span},
    types::TenantId,
};

/// What is known of a unit. Told when it is dropped, also when nobody waits for the unit any more.
pub(super) struct Traced {
    span: Span,
    waited: Duration,
    statements: u32,
    runs: u32,
    outcome: Option<&'static str>,
}

impl Traced {
    /// `name` begins with `db.read` or `db.write` and ends with whose tables they are.
    pub(super) fn begin(name: &'static str, tenant: Option<TenantId>) -> Self {
        let span = span!(
            "db",
            otel.name = name,
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.namespace = name.rsplit(' ').next(),
            tenant.id = tenant.map(tracing::field::display),
            lastmile.db.wait_us = Empty,
            lastmile.db.statements = Empty,
            lastmile.db.runs = Empty,
            lastmile.db.outcome = Empty,
            error.type = Empty,
        );
        Self { span, waited: Duration::ZERO, statements: 0, runs: 0, outcome: None }
    }

    /// Waits for a connection.
    pub(super) async fn waiting<T>(&mut self, taken: impl Future<Output = T>) -> T {
        if self.span.is_none() {
            return taken.await;
        }
        let began = Instant::now();
        let taken = taken.await;
        self.waited += began.elapsed();
        taken
    }

    /// One run of the unit has come to its end.
    pub(super) fn ran(&mut self, statements: u32) {
        self.statements += statements;
        self.runs += 1;
    }

    pub(super) fn ended(&mut self, outcome: &'static str) {
        self.outcome = Some(outcome);
    }

    /// Notes what the unit failed with, if that was the database's doing or ours; that something was refused is no failure of it.
    pub(super) fn with<T>(self, done: Result<T>) -> Result<T> {
        if let Err(error @ (Error::Internal { .. } | Error::Unavailable { .. })) = &done {
            self.span.record("error.type", error.code()).record("otel.status_code", "ERROR");
        }
        done
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.span.is_none() {
            return;
        }
        self.span
            .record("lastmile.db.wait_us", number(self.waited.as_micros()))
            .record("lastmile.db.statements", number(self.statements))
            .record("lastmile.db.runs", number(self.runs))
            .record("lastmile.db.outcome", self.outcome.unwrap_or("abandoned"));
    }
}
