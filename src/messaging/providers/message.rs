//! What is to be sent, and the request that it becomes.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;
use uuid::Uuid;

use super::super::{Address, segments::Segments};
use crate::{mail::Envelope, outbound::Request, types::EmailAddress};

/// One delivery: one recipient on one channel. The texts are rendered; nothing in them is looked up any more.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Goes along where a provider gives it back, so that a receipt finds its delivery.
    pub id: Uuid,
    pub to: Address,
    /// Instead of the credential's own sender.
    pub from: Option<String>,
    pub content: Content,
    /// The provider's id of the message that this one answers.
    pub reply_to: Option<String>,
    /// When the recipient last wrote to us on this channel, where that is known: some providers allow free texts for a day.
    pub last_heard_at: Option<DateTime<Utc>>,
    /// Where receipts are to be sent, for providers that are told with each message.
    pub receipts_url: Option<Url>,
    /// After this the message is of no use.
    pub valid_for: Option<Duration>,
    pub now: DateTime<Utc>,
}

/// What is said. A channel takes of it what it can carry and refuses what it would lose.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub subject: Option<String>,
    /// The heading of a push notification.
    pub title: Option<String>,
    pub text: String,
    pub html: Option<String>,
    /// For the app that a push notification wakes.
    pub data: BTreeMap<String, String>,
    /// A text that the provider keeps and has approved, instead of ours.
    pub template: Option<Approved>,
    pub attachments: Vec<Attachment>,
    pub unsubscribe: Option<Unsubscribe>,
}

/// A template at the provider: Meta's name and language, Twilio's content id.
#[derive(Debug, Clone)]
pub struct Approved {
    pub name: String,
    pub language: String,
    /// The values of its placeholders, in their order.
    pub parameters: Vec<String>,
}

/// A file that goes along. Mail and Telegram carry the bytes, the others fetch the link.
#[derive(Clone)]
pub struct Attachment {
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
    pub link: Option<Url>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

/// How a reader leaves a list with one click (RFC 8058): a POST to the address, or a mail.
#[derive(Debug, Clone)]
pub struct Unsubscribe {
    pub url: Url,
    pub mail: Option<EmailAddress>,
}

impl Unsubscribe {
    pub(super) fn headers(&self) -> [(&'static str, String); 2] {
        let mail = self.mail.as_ref().map(|mail| format!(", <mailto:{mail}>")).unwrap_or_default();
        [
            ("List-Unsubscribe", format!("<{}>{mail}", self.url)),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ]
    }
}

/// A delivery that is ready to go out.
#[derive(Debug)]
pub struct Prepared {
    /// For SMS: what the network will charge.
    pub segments: Option<Segments>,
    pub(super) wire: Wire,
}

pub(super) enum Wire {
    Http(Request),
    Mail(Envelope),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(request) => request.fmt(f),
            Self::Mail(envelope) => write!(f, "Mail({} bytes)", envelope.bytes.len()),
        }
    }
}

impl Prepared {
    /// How many bytes go over the wire, without headers.
    pub fn weight(&self) -> usize {
        match &self.wire {
            Wire::Http(request) => request.body_len(),
            Wire::Mail(envelope) => envelope.bytes.len(),
        }
    }

    pub(super) fn http(request: Request) -> Self {
        Self { segments: None, wire: Wire::Http(request) }
    }

    pub(super) fn sms(request: Request, segments: Segments) -> Self {
        Self { segments: Some(segments), wire: Wire::Http(request) }
    }
}
