//! What programs send about outages.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use super::model::{Cause, Giving};
use crate::isp::plant::node::NodeKind;

/// A node that is down.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewOutage")]
pub struct NewOutageBody {
    pub node_kind: NodeKind,
    pub node_id: Uuid,
    /// `unknown` when absent.
    #[oai(nullable)]
    pub cause: Option<Cause>,
    #[oai(nullable, validator(max_length = 2000))]
    pub note: Option<String>,
    /// Now when absent; at most 31 days ago.
    #[oai(nullable)]
    pub started_at: Option<DateTime<Utc>>,
}

/// What is known of a proposed outage when it is confirmed.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutageConfirmation")]
pub struct ConfirmBody {
    /// `unknown` when absent.
    #[oai(nullable)]
    pub cause: Option<Cause>,
    #[oai(nullable, validator(max_length = 2000))]
    pub note: Option<String>,
    /// When the first ticket came when absent.
    #[oai(nullable)]
    pub started_at: Option<DateTime<Utc>>,
}

/// Changes of an outage; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutageChanges")]
pub struct OutageChangesBody {
    pub cause: Option<Cause>,
    /// Null takes it away.
    #[oai(nullable, validator(max_length = 2000))]
    pub note: MaybeUndefined<String>,
    /// Until it is over.
    pub started_at: Option<DateTime<Utc>>,
    #[oai(validator(min_length = 1, max_length = 1000))]
    pub message: Option<String>,
}

/// What all whom an outage hits are to be told.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutageMessage")]
pub struct MessageBody {
    #[oai(validator(min_length = 1, max_length = 1000))]
    pub message: String,
}

/// The end of an outage.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutageEnd")]
pub struct EndBody {
    /// Now when absent.
    #[oai(nullable)]
    pub restored_at: Option<DateTime<Utc>>,
    /// Resolves the open tickets that it explains, with this note.
    #[oai(nullable, validator(min_length = 1, max_length = 5000))]
    pub resolve_tickets_note: Option<String>,
}

/// What becomes of what subscribers lost.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "OutageDecision", rename_all = "snake_case")]
pub enum DecisionBody {
    /// Their periods are extended.
    Extend,
    /// They get nothing.
    Decline,
}

/// A decision on what waits for one.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutageExtensions")]
pub struct DecideBody {
    pub decision: DecisionBody,
    /// All that wait when absent.
    #[oai(nullable, validator(max_items = 1000))]
    pub installation_ids: Option<Vec<Uuid>>,
}

/// Changes of how outages are treated; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OutagePolicyChanges")]
pub struct PolicyBody {
    pub extension: Option<Giving>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10080")))]
    pub minimum_minutes: Option<i32>,
    #[oai(validator(minimum(value = "2"), maximum(value = "50")))]
    pub propose_tickets: Option<i16>,
    #[oai(validator(minimum(value = "1"), maximum(value = "72")))]
    pub propose_hours: Option<i16>,
}
