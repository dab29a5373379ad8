//! Outages as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Cause, Extension, Giving, Outage, Policy, Status},
    restore::{Decided, Outcome},
    store::Counted,
    subscribers::{Loss, Subscriber},
};
use crate::isp::plant::node::{Node, NodeKind};

/// A node of the plant that is down, was, or may be.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Outage")]
pub struct OutageView {
    id: Uuid,
    /// Such as `OUT-2026-0001`.
    number: String,
    status: Status,
    node_kind: NodeKind,
    /// Null when the node is gone.
    #[oai(nullable)]
    node_id: Option<Uuid>,
    node_label: String,
    cause: Cause,
    #[oai(nullable)]
    note: Option<String>,
    /// What subscribers are to be told.
    #[oai(nullable)]
    message: Option<String>,
    started_at: DateTime<Utc>,
    #[oai(nullable)]
    restored_at: Option<DateTime<Utc>>,
    /// Whole minutes that it lasted, or lasts.
    minutes: i64,
    opened_by: String,
    #[oai(nullable)]
    restored_by: Option<String>,
    /// Installations that it hits, or would.
    affected: i64,
    /// Tickets that it explains.
    tickets: i64,
    /// Installations of which it must be decided what they get.
    to_decide: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Counted> for OutageView {
    fn from(counted: Counted) -> Self {
        let Counted { outage, affected, tickets, to_decide } = counted;
        let minutes = outage.lasted(Utc::now()).num_minutes().max(0);
        let Outage { node, .. } = outage;
        Self {
            id: outage.id.0,
            number: outage.number,
            status: outage.status,
            node_kind: outage.node_kind,
            node_id: node.map(Node::id),
            node_label: outage.node_label,
            cause: outage.cause,
            note: outage.note,
            message: outage.message,
            started_at: outage.started_at,
            restored_at: outage.restored_at,
            minutes,
            opened_by: outage.opened_by,
            restored_by: outage.restored_by,
            affected,
            tickets,
            to_decide,
            created_at: outage.created_at,
            updated_at: outage.updated_at,
        }
    }
}

/// One page of outages, the latest first.
#[derive(Debug, Serialize, Object)]
pub struct OutageList {
    pub items: Vec<OutageView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
}

/// Somebody whom an outage hits, and what came of it.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "OutageSubscriber")]
pub struct SubscriberView {
    installation_id: Uuid,
    customer_id: Uuid,
    customer_name: String,
    #[oai(nullable)]
    phone: Option<String>,
    /// How the installation stands.
    status: String,
    #[oai(nullable)]
    nap: Option<String>,
    #[oai(nullable)]
    nap_port: Option<i16>,
    #[oai(nullable)]
    ticket_id: Option<Uuid>,
    /// Whole minutes that service was out for them; null until it is over.
    #[oai(nullable)]
    minutes: Option<i64>,
    extension: Extension,
    extended_minutes: i64,
}

impl From<Subscriber> for SubscriberView {
    fn from(one: Subscriber) -> Self {
        Self {
            installation_id: one.installation.0,
            customer_id: one.customer.0,
            customer_name: one.name(),
            phone: one.phone,
            status: one.status,
            nap: one.nap,
            nap_port: one.port,
            ticket_id: one.ticket.map(|(id, _)| id.0),
            minutes: one.minutes,
            extension: one.extension,
            extended_minutes: one.extended_minutes,
        }
    }
}

/// One page of those whom an outage hits, by name.
#[derive(Debug, Serialize, Object)]
pub struct OutageSubscribers {
    pub items: Vec<SubscriberView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// What one would lose and gain.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "OutageLoss")]
pub struct LossView {
    installation_id: Uuid,
    customer_id: Uuid,
    /// Whole minutes without service.
    minutes: i64,
    /// Minutes that could be given for them.
    gain_minutes: i64,
}

impl From<&Loss> for LossView {
    fn from(loss: &Loss) -> Self {
        Self {
            installation_id: loss.installation.0,
            customer_id: loss.customer.0,
            minutes: loss.minutes(),
            gain_minutes: loss.gain,
        }
    }
}

/// What the end of an outage would come to now.
#[derive(Debug, Serialize, Object)]
pub struct OutagePreview {
    restored_at: DateTime<Utc>,
    /// What becomes of the minutes by the policy.
    extension: Giving,
    /// Installations that would gain something.
    gaining: i64,
    gain_minutes: i64,
    losses: Vec<LossView>,
}

impl OutagePreview {
    pub fn new(at: DateTime<Utc>, outcome: &Outcome) -> Self {
        let (gaining, gain_minutes) = outcome.gains();
        Self {
            restored_at: at,
            extension: outcome.policy.giving,
            gaining,
            gain_minutes,
            losses: outcome.losses.iter().map(LossView::from).collect(),
        }
    }
}

/// How a decision ended.
#[derive(Debug, Serialize, Object)]
pub struct OutageDecided {
    /// Installations that were decided of.
    decided: u64,
    /// Those whose period is longer now.
    extended: u64,
    extended_minutes: i64,
}

impl From<Decided> for OutageDecided {
    fn from(done: Decided) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self { decided: count(done.decided), extended: count(done.extended), extended_minutes: done.minutes }
    }
}

/// How outages are treated.
#[derive(Debug, Serialize, Object)]
pub struct OutagePolicy {
    /// What becomes of the minutes that subscribers lost.
    extension: Giving,
    /// Shorter outages give nothing back.
    minimum_minutes: i32,
    /// So many open tickets under one node propose an outage,
    propose_tickets: i16,
    /// when they came within so many hours.
    propose_hours: i16,
}

impl From<Policy> for OutagePolicy {
    fn from(policy: Policy) -> Self {
        Self {
            extension: policy.giving,
            minimum_minutes: policy.minimum_minutes,
            propose_tickets: policy.propose_tickets,
            propose_hours: policy.propose_hours,
        }
    }
}
