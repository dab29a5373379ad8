//! Calls of a provider to us: receipts, incoming messages, challenges.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::outcome::Receipt;

/// How old, or how far ahead of our clock, a signed call may be where its time is signed, too.
const TOLERANCE: TimeDelta = TimeDelta::seconds(300);

/// How a provider's calls to us prove who makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a signature over the raw body.
    Signed,
    /// By a secret that both sides know, in a header.
    SharedSecret,
    /// By nothing but the address, which nobody else knows: what it says is a hint to be asked after.
    AddressOnly,
    /// It never calls.
    None,
}

/// One call, as it was stored: it can be heard again later with the same result.
#[derive(Debug, Clone)]
pub struct Hook<'a> {
    pub is_get: bool,
    /// The whole address that the provider was given, as the outside knows it, with the query of this call.
    pub url: &'a str,
    /// Names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    pub body: &'a [u8],
    pub received_at: DateTime<Utc>,
}

impl Hook<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.trim())
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.url.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(super) fn json(&self) -> Result<Value, HookRefusal> {
        serde_json::from_slice(self.body).map_err(|_not_json| HookRefusal::Malformed)
    }

    /// The body's fields, when it is a form.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    }

    pub(super) fn is_form(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
    }

    /// Whether a signed time is near enough to when the call came.
    pub(super) fn is_fresh(&self, seconds: &str) -> bool {
        let signed_at = seconds.parse().ok().and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
        signed_at.is_some_and(|at| (self.received_at - at).abs() <= TOLERANCE)
    }
}

/// Why a call is not listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookRefusal {
    /// This provider never calls, or not in this way.
    NotHere,
    /// The credential lacks what the proof is made with, so nothing can be proved.
    NotConfigured,
    Unsigned,
    BadSignature,
    /// The signature is good and too old: somebody may have kept it.
    Stale,
    Malformed,
}

impl HookRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotHere => "not_found",
            Self::NotConfigured => "hook_not_configured",
            Self::Unsigned => "signature_missing",
            Self::BadSignature => "signature_wrong",
            Self::Stale => "signature_stale",
            Self::Malformed => "malformed_hook",
        }
    }
}

/// What is answered to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self { status: 200, content_type: "application/json", body: r#"{"status":"ok"}"#.into() }
    }

    /// A challenge's response, as text: what came from outside is never shown as a page.
    pub(super) fn text(body: String) -> Self {
        Self { status: 200, content_type: "text/plain; charset=utf-8", body }
    }

    pub(super) fn xml(body: &str) -> Self {
        Self { status: 200, content_type: "text/xml; charset=utf-8", body: body.into() }
    }
}

/// What a call told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    pub receipts: Vec<Receipt>,
    pub inbound: Vec<Inbound>,
}

/// Something that a person did on a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// The provider's id of it; the same however often it is told.
    pub id: String,
    /// Who, as the channel writes addresses; not parsed yet.
    pub from: String,
    /// Which of our numbers, pages or bots was written to.
    pub to: Option<String>,
    /// How the channel calls the person.
    pub name: Option<String>,
    pub kind: InboundKind,
    pub text: String,
    pub media: Vec<Media>,
    /// The provider's id of the message that this answers.
    pub reply_to: Option<String>,
    pub at: Option<DateTime<Utc>>,
}

impl Inbound {
    pub(super) fn new(id: impl Into<String>, from: impl Into<String>, kind: InboundKind) -> Self {
        Self {
            id: id.into(),
            from: from.into(),
            to: None,
            name: None,
            kind,
            text: String::new(),
            media: Vec::new(),
            reply_to: None,
            at: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundKind {
    Message,
    /// A button of ours was pressed; the text is its value.
    Button,
    Reaction,
    /// The person shut us out, or let us in again.
    Blocked,
    Unblocked,
    /// Of a kind that is not known here: it is kept.
    Other,
}

/// A file that a person sent. It is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// An address or a provider's id.
    pub place: String,
    pub content_type: Option<String>,
}
