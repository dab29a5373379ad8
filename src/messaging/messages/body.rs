//! What programs send: messages as JSON.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Lane,
    model::{Ask, Given, Said, To},
};
use crate::{
    error::{Error, FieldError, Result},
    messaging::{
        Channel,
        audience::Segment,
        templates::{Text, Words},
    },
    types::{ContactId, CustomerId, FileId, GroupId, RecipientListId, TemplateId},
};

/// A part of the provider's customers.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AudienceSegment")]
pub struct SegmentBody {
    /// One of `customer`, `customers`, `area`, `plan`, `nap`, `expiring`, `overdue`, `outage`.
    #[oai(validator(max_length = 40))]
    kind: String,
    /// Of what, for those that are of something.
    id: Option<Uuid>,
    /// For `expiring`: within so many days.
    #[oai(validator(minimum(value = "0"), maximum(value = "365")))]
    days: Option<i32>,
}

/// A recipient by address.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Recipient")]
pub struct RecipientBody {
    /// One of the message's channels; the first that the address can be of when absent.
    channel: Option<String>,
    #[oai(validator(min_length = 1, max_length = 4096))]
    address: String,
    #[oai(validator(max_length = 200))]
    name: Option<String>,
    /// BCP 47: which variant of a template.
    #[oai(validator(max_length = 35))]
    language: Option<String>,
    /// Values for this recipient alone.
    context: Option<HashMap<String, Value>>,
}

/// Whom it is for. Each address is written to once, however often it occurs.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "Recipients")]
pub struct ToBody {
    #[oai(validator(max_items = 10000))]
    addresses: Option<Vec<RecipientBody>>,
    #[oai(validator(max_items = 10000))]
    contacts: Option<Vec<Uuid>>,
    #[oai(validator(max_items = 10000))]
    customers: Option<Vec<Uuid>>,
    #[oai(validator(max_items = 50))]
    groups: Option<Vec<Uuid>>,
    #[oai(validator(max_items = 50))]
    segments: Option<Vec<SegmentBody>>,
    /// Uploaded files: `POST /recipient-lists`.
    #[oai(validator(max_items = 50))]
    lists: Option<Vec<Uuid>>,
}

/// Words of the message's own; variables stand in double braces.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MessageContent")]
pub struct ContentBody {
    /// Of a letter.
    #[oai(validator(max_length = 500))]
    subject: Option<String>,
    /// Of a push notification or a line in the bell.
    #[oai(validator(max_length = 500))]
    title: Option<String>,
    text: Option<String>,
    /// Of a letter, which only shows: elements, attributes and links that act are refused by name.
    html: Option<String>,
    /// For the app that a push notification wakes.
    data: Option<HashMap<String, String>>,
}

/// A message.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewMessage")]
pub struct MessageBody {
    /// In the order in which they are tried for each recipient: `sms`, `email`, `whatsapp`, `telegram`, `instagram`, `push`, `in_app`.
    #[oai(validator(min_items = 1, max_items = 7))]
    channels: Vec<String>,
    to: ToBody,
    /// Either this or `template_id`; without both, the template that is the first channel's default.
    content: Option<ContentBody>,
    template_id: Option<Uuid>,
    /// The newest that was approved when absent.
    template_version: Option<i32>,
    /// Values for the variables, for all recipients.
    context: Option<HashMap<String, Value>>,
    /// `transactional` when absent.
    priority: Option<Lane>,
    /// Not before; at most a year from now.
    scheduled_at: Option<DateTime<Utc>>,
    /// Again and again: a cron expression of five fields in the provider's time zone.
    #[oai(validator(max_length = 100))]
    recurrence: Option<String>,
    /// Not after: then it is of no use.
    expires_at: Option<DateTime<Utc>>,
    /// So many recipients a minute at most; as fast as it goes when absent.
    #[oai(validator(minimum(value = "1"), maximum(value = "600000")))]
    per_minute: Option<i32>,
    /// Everything is done but the sending.
    dry_run: Option<bool>,
    /// Uploaded files: `POST /attachments`. At most 18 MB together; every channel must be able to carry files.
    #[oai(validator(max_items = 10))]
    attachments: Option<Vec<Uuid>>,
}

fn map_of(context: Option<HashMap<String, Value>>) -> Map<String, Value> {
    context.unwrap_or_default().into_iter().collect()
}

impl RecipientBody {
    fn parse(self, n: usize, wrong: &mut Vec<FieldError>) -> Option<Given> {
        let channel = match self.channel.as_deref().map(str::parse::<Channel>) {
            None => None,
            Some(Ok(channel)) => Some(channel),
            Some(Err(odd)) => {
                wrong.push(FieldError::new(format!("to.addresses[{n}].channel"), odd.code, odd.detail));
                return None;
            }
        };
        Some(Given {
            channel,
            address: self.address,
            name: self.name.unwrap_or_default(),
            language: self.language,
            context: map_of(self.context),
        })
    }
}

impl ToBody {
    pub fn parse(self, wrong: &mut Vec<FieldError>) -> To {
        let addresses = self.addresses.unwrap_or_default().into_iter().enumerate();
        To {
            addresses: addresses.filter_map(|(n, given)| given.parse(n, wrong)).collect(),
            contacts: self.contacts.unwrap_or_default().into_iter().map(ContactId).collect(),
            customers: self.customers.unwrap_or_default().into_iter().map(CustomerId).collect(),
            groups: self.groups.unwrap_or_default().into_iter().map(GroupId).collect(),
            segments: self
                .segments
                .unwrap_or_default()
                .into_iter()
                .map(|one| Segment { kind: one.kind, id: one.id, days: one.days })
                .collect(),
            lists: self.lists.unwrap_or_default().into_iter().map(RecipientListId).collect(),
        }
    }
}

impl ContentBody {
    fn into_text(self) -> Text {
        Text {
            subject: self.subject,
            title: self.title,
            text: self.text.unwrap_or_default(),
            html: self.html,
            data: self.data.unwrap_or_default().into_iter().collect(),
            provider: None,
        }
    }
}

impl MessageBody {
    /// The message, or every part of it that is wrong.
    pub fn parse(self) -> Result<Ask> {
        let mut wrong = Vec::new();
        let mut channels = Vec::new();
        for (n, text) in self.channels.iter().enumerate() {
            match text.parse::<Channel>() {
                Ok(channel) => channels.push(channel),
                Err(odd) => wrong.push(FieldError::new(format!("channels[{n}]"), odd.code, odd.detail)),
            }
        }
        let to = self.to.parse(&mut wrong);
        let said = match (self.content, self.template_id) {
            (Some(content), None) => Some(Said::Words(Words::inline(&channels, "en", &content.into_text()))),
            (None, Some(id)) => Some(Said::Template(TemplateId(id), self.template_version)),
            (Some(_), Some(_)) => {
                wrong.push(FieldError::new("content", "twice", "Either words or a template, not both."));
                None
            }
            (None, None) => Some(Said::Usual),
        };
        match said {
            Some(said) if wrong.is_empty() => Ok(Ask {
                channels,
                said,
                context: map_of(self.context),
                to,
                lane: self.priority.unwrap_or(Lane::Transactional),
                scheduled_at: self.scheduled_at,
                recurrence: self.recurrence,
                expires_at: self.expires_at,
                is_dry_run: self.dry_run.unwrap_or(false),
                per_minute: self.per_minute,
                attachments: self.attachments.unwrap_or_default().into_iter().map(FileId).collect(),
            }),
            _ => Err(Error::Invalid(wrong)),
        }
    }
}
