//! The arithmetic of the chain: what is digested, in which order, and how a head is anchored. No I/O.
//!
//! ```text
//! payload digest = SHA-256("payload" | salt | label | before | after)
//! digest         = SHA-256("event" | the event's other fields | payload digest)
//! chain          = SHA-256("chain" | previous chain | position | event id | digest)
//! anchor         = HMAC-SHA-256(key, "anchor" | tenant | position | chain)
//! rest digest    = SHA-256("rest" | the event's other fields, but for who did it and from where)
//! ```
//! Every part is written with its length, so that no two different rows have one encoding. JSON is taken as PostgreSQL's own
//! canonical text of `jsonb`, so that no number is rounded on the way.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::types::TenantId;

/// SHA-256.
pub type Digest = [u8; 32];

/// What the first link is chained to.
pub const GENESIS: Digest = [0; 32];

/// The deployment's key that anchors are made with. It never enters the database.
#[derive(Clone)]
pub struct AnchorKey(SecretSlice<u8>);

impl AnchorKey {
    /// From the deployment key `audit-anchor`.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec().into())
    }

    /// The MAC of a chain's head.
    pub fn mac(&self, tenant: TenantId, position: i64, chain: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length: this cannot fail.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.expose_secret()) else {
            return Vec::new();
        };
        mac.update(b"lastmile audit anchor 1");
        mac.update(tenant.0.as_bytes());
        mac.update(&position.to_be_bytes());
        mac.update(chain);
        mac.finalize().into_bytes().to_vec()
    }

    /// Whether `mac` anchors this head. In constant time.
    pub fn anchors(&self, tenant: TenantId, position: i64, chain: &[u8], mac: &[u8]) -> bool {
        let expected = self.mac(tenant, position, chain);
        !expected.is_empty() && bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_slice(), mac))
    }
}

/// An event as it lies in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_label: String,
    pub action: String,
    pub object_type: String,
    pub object_id: Option<Uuid>,
    pub object_label: String,
    /// `jsonb` as text.
    pub before: Option<String>,
    pub after: Option<String>,
    pub request_id: Option<Uuid>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub salt: Vec<u8>,
    pub erased_at: Option<DateTime<Utc>>,
}

/// A link of the chain as it lies in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub position: i64,
    pub event: Uuid,
    pub payload_digest: Vec<u8>,
    pub digest: Vec<u8>,
    pub chain: Vec<u8>,
}

/// Digests parts that cannot run into each other.
struct Parts(Sha256);

impl Parts {
    fn new(domain: &str) -> Self {
        let mut parts = Self(Sha256::new());
        parts.some(b"lastmile audit 1");
        parts.some(domain.as_bytes());
        parts
    }

    fn some(&mut self, bytes: &[u8]) {
        self.0.update([1]);
        self.0.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.some(bytes),
            None => self.0.update([0]),
        }
    }

    fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

impl Stored {
    /// Of what is said about a person, with the salt. Means nothing once that was erased.
    pub fn payload_digest(&self) -> Digest {
        let mut parts = Parts::new("payload");
        parts.some(&self.salt);
        parts.some(self.object_label.as_bytes());
        parts.maybe(self.before.as_deref().map(str::as_bytes));
        parts.maybe(self.after.as_deref().map(str::as_bytes));
        parts.finish()
    }

    /// Of everything else, and of the payload's digest.
    pub fn digest(&self, payload_digest: &[u8]) -> Digest {
        let mut parts = Parts::new("event");
        parts.some(self.id.as_bytes());
        parts.some(&self.occurred_at.timestamp_micros().to_be_bytes());
        parts.some(self.actor_kind.as_bytes());
        parts.maybe(self.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.some(self.actor_label.as_bytes());
        parts.some(self.action.as_bytes());
        parts.some(self.object_type.as_bytes());
        parts.maybe(self.object_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.maybe(self.request_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.maybe(self.address.as_deref().map(str::as_bytes));
        parts.maybe(self.user_agent.as_deref().map(str::as_bytes));
        parts.some(payload_digest);
        parts.finish()
    }
}

impl Stored {
    /// Of what stays when also who did it was erased: what it was, to which object, and when.
    pub fn rest_digest(&self) -> Digest {
        let mut parts = Parts::new("rest");
        parts.some(self.id.as_bytes());
        parts.some(&self.occurred_at.timestamp_micros().to_be_bytes());
        parts.some(self.actor_kind.as_bytes());
        parts.maybe(self.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.some(self.action.as_bytes());
        parts.some(self.object_type.as_bytes());
        parts.maybe(self.object_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.maybe(self.request_id.as_ref().map(|id| id.as_bytes().as_slice()));
        parts.finish()
    }
}

/// The link that follows `previous`.
pub fn link(previous: &[u8], position: i64, event: Uuid, digest: &[u8]) -> Digest {
    let mut parts = Parts::new("chain");
    parts.some(previous);
    parts.some(&position.to_be_bytes());
    parts.some(event.as_bytes());
    parts.some(digest);
    parts.finish()
}

/// Seals events after the head of a chain: their links, in order.
pub fn seal_after(head_position: i64, head: &[u8], events: &[Stored]) -> Vec<Link> {
    let mut previous = head.to_vec();
    let mut position = head_position;
    events
        .iter()
        .map(|event| {
            position += 1;
            let payload_digest = event.payload_digest();
            let digest = event.digest(&payload_digest);
            let chain = link(&previous, position, event.id, &digest);
            previous = chain.to_vec();
            Link {
                position,
                event: event.id,
                payload_digest: payload_digest.to_vec(),
                digest: digest.to_vec(),
                chain: chain.to_vec(),
            }
        })
        .collect()
}
