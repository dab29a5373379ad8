//! What was asked for: what is said, to whom, on which channels, when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Lane;
use crate::{
    error::{Error, FieldError, Result},
    messaging::{Channel, audience::Segment, templates::Words},
    types::{ContactId, CustomerId, DeliveryId, FileId, GroupId, MessageId, RecipientListId, TemplateId},
    words::say,
};

/// So many recipients may be named one by one in one call.
pub const NAMED_MAX: usize = 10_000;
/// So many groups, segments and lists.
pub const PARTS_MAX: usize = 50;
/// Values for a template, as text, weigh at most so much.
const CONTEXT_MAX_BYTES: usize = 16 * 1024;

/// A recipient who was named by an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// None: the message's first channel that such an address can be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    pub address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

/// Whom a message is for. Nobody is nobody, never everybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct To {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Given>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<CustomerId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<RecipientListId>,
}

impl To {
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// How many were named one by one.
    pub fn named(&self) -> usize {
        self.addresses.len() + self.contacts.len() + self.customers.len()
    }

    /// As the audit trail has it: how many of those who were named one by one, and which parts.
    pub fn told(&self) -> Value {
        serde_json::json!({
            "named": self.named(), "groups": self.groups, "segments": self.segments, "lists": self.lists,
        })
    }

    /// Whether it names groups, segments or lists.
    pub fn has_parts(&self) -> bool {
        !(self.groups.is_empty() && self.segments.is_empty() && self.lists.is_empty())
    }

    /// Limits, and that there is anybody.
    pub fn check(&self) -> Result<()> {
        let wrong = if self.is_empty() {
            FieldError::new(
                "to",
                "empty_audience",
                "Name somebody: an address, a contact, a customer, a group, a segment or a list.",
            )
        } else if self.named() > NAMED_MAX {
            FieldError::new(
                "to",
                "too_many",
                say!("At most {} recipients can be named in one call.", NAMED_MAX),
            )
        } else if self.groups.len() + self.segments.len() + self.lists.len() > PARTS_MAX {
            FieldError::new("to", "too_many", say!("At most {} groups, segments and lists.", PARTS_MAX))
        } else {
            return Ok(());
        };
        Err(Error::Invalid(vec![wrong]))
    }
}

/// What is said: words of its own, or a template's.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Words(Words),
    /// The template that the first channel takes when none is named.
    Usual,
    /// None: the newest version that was approved.
    Template(TemplateId, Option<i32>),
}

/// A message as it was asked for, checked as far as that goes without looking anything up.
#[derive(Debug, Clone)]
pub struct Ask {
    pub channels: Vec<Channel>,
    pub said: Said,
    pub context: Map<String, Value>,
    pub to: To,
    pub lane: Lane,
    pub scheduled_at: Option<DateTime<Utc>>,
    /// In the tenant's zone, five fields as cron has them.
    pub recurrence: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub is_dry_run: bool,
    /// Deliveries are due so many a minute, from now on.
    pub per_minute: Option<i32>,
    /// Files that go along.
    pub attachments: Vec<FileId>,
}

impl Ask {
    /// Names every wrong part.
    pub fn check(&self, now: DateTime<Utc>) -> Result<()> {
        let mut wrong = Vec::new();
        if self.channels.is_empty() {
            wrong.push(FieldError::new("channels", "required", "Name a channel."));
        }
        let mut seen = self.channels.clone();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() != self.channels.len() {
            wrong.push(FieldError::new("channels", "twice", "A channel is named twice."));
        }
        let weight = serde_json::to_string(&self.context).map_or(usize::MAX, |text| text.len());
        if weight > CONTEXT_MAX_BYTES {
            wrong.push(FieldError::new("context", "too_long", "The values weigh more than 16 KiB."));
        }
        if let Some(at) = self.expires_at
            && at <= self.scheduled_at.unwrap_or(now)
        {
            wrong.push(FieldError::new(
                "expires_at",
                "too_early",
                "It would be of no use before it is sent.",
            ));
        }
        let latest = now + chrono::TimeDelta::days(366);
        for (field, at) in [("scheduled_at", self.scheduled_at), ("expires_at", self.expires_at)] {
            if at.is_some_and(|at| at > latest) {
                wrong.push(FieldError::new(field, "too_late", "At most a year from now."));
            }
        }
        if let Err(Error::Invalid(more)) = self.to.check() {
            wrong.extend(more);
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }
}

/// How far the writing out of recipients has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which part of the audience.
    pub part: usize,
    /// How far in a part that is counted.
    #[serde(default)]
    pub offset: usize,
    /// How far in a part that goes by id.
    #[serde(default)]
    pub after: Option<Uuid>,
    /// When the next one is due, where they are spread over time.
    #[serde(default)]
    pub due: Option<DateTime<Utc>>,
}

/// What was accepted.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: MessageId,
    pub is_waiting: bool,
    /// Whether more recipients are still being written out.
    pub is_expanding: bool,
    pub recipients: i32,
    pub skipped: i32,
    /// The deliveries that were written out at once.
    pub deliveries: Vec<DeliveryId>,
}
