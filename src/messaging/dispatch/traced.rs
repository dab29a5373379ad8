//! The dispatcher in traces: a turn, each try at a provider, and what is written down afterwards.
//!
//! A try belongs to the trace of the request that asked for the message, and names the turn that it was taken up in. Where people in
//! large numbers are written to, nobody waits for one of them: there tries belong to their turn and name the request, so that no
//! trace has ten thousand parts.

use tracing::{Span, field::Empty};

use super::{fate::Failure, lanes::Turn, plan::Going, turn::Turned};
use crate::{
    messaging::messages::Lane,
    tenancy::Tenant,
    trace::{self, TraceParent, root_span},
};

/// A turn of a lane.
pub fn turn(tenant: &Tenant, turn: &Turn) -> Span {
    root_span!(
        parent: None,
        "dispatch.turn",
        tenant = tenant.slug.as_str(),
        tenant.id = %tenant.id(),
        lastmile.lane = turn.lane.as_str(),
        lastmile.claimed = Empty,
        lastmile.sent = Empty,
    )
}

/// What the turn that we are in came to.
pub fn taken(turned: &Turned) {
    if trace::is_on() {
        Span::current()
            .record("lastmile.claimed", trace::number(turned.claimed))
            .record("lastmile.sent", trace::number(turned.going.len()));
    }
}

/// One try at a provider. Begun inside the turn.
pub fn attempt(tenant: &Tenant, going: &Going) -> Span {
    let span = root_span!(
        "dispatch.attempt",
        otel.status_code = Empty,
        tenant = tenant.slug.as_str(),
        tenant.id = %tenant.id(),
        lastmile.provider = going.provider.about().kind,
        lastmile.channel = going.claimed.channel.as_str(),
        lastmile.lane = going.claimed.lane.as_str(),
        lastmile.delivery.id = %going.claimed.id,
        lastmile.attempt = going.claimed.attempts + 1,
        lastmile.outcome = Empty,
        error.type = Empty,
    );
    match &going.trace {
        Some(asked) if going.claimed.lane == Lane::Bulk => asked.link_to(&span),
        Some(asked) => {
            if let Some(turn) = TraceParent::here() {
                turn.link_to(&span);
            }
            asked.continue_with(&span);
        }
        None => {}
    }
    span
}

/// What came of a try. The words of a failure are the provider's, and may hold an address: only its class is told.
pub fn tried(span: &Span, outcome: &str, failure: Option<&Failure>) {
    span.record("lastmile.outcome", outcome);
    if let Some(failure) = failure {
        span.record("error.type", failure.class).record("otel.status_code", "ERROR");
    }
}

/// Outcomes of a tenant, written down together.
pub fn settling(tenant: &Tenant, amount: usize) -> Span {
    root_span!(
        parent: None,
        "dispatch.settle",
        tenant = tenant.slug.as_str(),
        tenant.id = %tenant.id(),
        lastmile.deliveries = trace::number(amount),
    )
}
