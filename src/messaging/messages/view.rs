//! Messages and deliveries as programs see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Attached, Lane,
    deliveries::{Delivery, Step},
    estimate::Estimate,
    model::Sent,
    store::Message,
};
use crate::{messaging::Status, types::MessageId};

/// A message that was accepted.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "MessageAccepted")]
pub struct SentView {
    id: Uuid,
    /// `waiting` for its time, `expanding` while recipients are being written out, `ready` when all are.
    status: String,
    /// Written out so far.
    recipients: i32,
    /// Left out so far: named twice, or without an address on these channels.
    skipped: i32,
    /// The deliveries that were written out at once, at most 10,000.
    deliveries: Vec<Uuid>,
}

impl From<Sent> for SentView {
    fn from(sent: Sent) -> Self {
        let status = match (sent.is_waiting, sent.is_expanding) {
            (true, _) => "waiting",
            (_, true) => "expanding",
            _ => "ready",
        };
        Self {
            id: sent.id.0,
            status: status.to_owned(),
            recipients: sent.recipients,
            skipped: sent.skipped,
            deliveries: sent.deliveries.into_iter().map(|id| id.0).collect(),
        }
    }
}

/// How many deliveries of a message are where.
#[derive(Debug, Clone, Default, Serialize, Object)]
pub struct MessageCounts {
    pub queued: i64,
    pub accepted: i64,
    pub sent: i64,
    pub delivered: i64,
    pub read: i64,
    pub failed: i64,
    pub unknown: i64,
    pub cancelled: i64,
    pub suppressed: i64,
    pub expired: i64,
}

impl MessageCounts {
    /// Those of one message out of the counts of many.
    pub fn of(message: &Message, counts: &BTreeMap<(MessageId, Status), (i64, Decimal)>) -> Self {
        let of = |status| counts.get(&(message.id, status)).map_or(0, |(amount, _)| *amount);
        let mut found = Self {
            queued: 0,
            accepted: of(Status::Accepted),
            sent: of(Status::Sent),
            delivered: of(Status::Delivered),
            read: of(Status::Read),
            failed: of(Status::Failed),
            unknown: of(Status::Unknown),
            cancelled: of(Status::Cancelled),
            suppressed: of(Status::Suppressed),
            expired: of(Status::Expired),
        };
        found.queued = (i64::from(message.recipients) - found.settled()).max(0);
        found
    }

    /// What a provider took.
    pub fn taken(&self) -> i64 {
        self.accepted + self.sent + self.delivered + self.read
    }

    /// What did not go through, or may not have.
    pub fn lost(&self) -> i64 {
        self.failed + self.unknown + self.expired
    }

    /// What is not queued any more.
    pub fn settled(&self) -> i64 {
        self.accepted
            + self.sent
            + self.delivered
            + self.read
            + self.failed
            + self.unknown
            + self.cancelled
            + self.suppressed
            + self.expired
    }
}

/// A message.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Message")]
pub struct MessageView {
    id: Uuid,
    channels: Vec<String>,
    priority: Lane,
    /// One line of what it says.
    summary: String,
    #[oai(nullable)]
    template_id: Option<Uuid>,
    #[oai(nullable)]
    template_version: Option<i32>,
    /// Deliveries are due so many a minute.
    #[oai(nullable)]
    per_minute: Option<i32>,
    /// `waiting`, `expanding`, `ready`, `cancelled`.
    status: String,
    is_dry_run: bool,
    #[oai(nullable)]
    scheduled_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    recurrence: Option<String>,
    /// The recurring message that this is one time of.
    #[oai(nullable)]
    recurs_of: Option<Uuid>,
    #[oai(nullable)]
    expires_at: Option<DateTime<Utc>>,
    /// Since when nothing of it goes out.
    #[oai(nullable)]
    paused_at: Option<DateTime<Utc>>,
    attachments: Vec<Attached>,
    recipients: i32,
    skipped: i32,
    counts: MessageCounts,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl MessageView {
    pub fn new(message: Message, counts: &BTreeMap<(MessageId, Status), (i64, Decimal)>) -> Self {
        let counts = MessageCounts::of(&message, counts);
        Self {
            id: message.id.0,
            channels: message.channels.iter().map(ToString::to_string).collect(),
            priority: message.lane,
            summary: message.summary,
            template_id: message.template.map(|id| id.0),
            template_version: message.template_version,
            per_minute: message.per_minute,
            status: message.status,
            is_dry_run: message.is_dry_run,
            scheduled_at: message.scheduled_at,
            recurrence: message.recurrence,
            recurs_of: message.recurs_of.map(|id| id.0),
            expires_at: message.expires_at,
            paused_at: message.paused_at,
            attachments: message.attachments,
            recipients: message.recipients,
            skipped: message.skipped,
            counts,
            created_by: message.created_by,
            created_at: message.created_at,
        }
    }
}

/// One page of messages, newest first.
#[derive(Debug, Serialize, Object)]
pub struct MessageList {
    pub items: Vec<MessageView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// One recipient on one channel.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Delivery")]
pub struct DeliveryView {
    id: Uuid,
    message_id: Uuid,
    #[oai(nullable)]
    contact_id: Option<Uuid>,
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    name: String,
    channel: String,
    address: String,
    priority: Lane,
    status: Status,
    attempts: i16,
    /// The account that it was last given to.
    #[oai(nullable)]
    account: Option<String>,
    #[oai(nullable)]
    segments: Option<i16>,
    #[oai(nullable)]
    price: Option<Decimal>,
    /// `recipient`, `content`, `account`, `rate`, `transient`, `window`, `unknown`, `suppressed`, `expired`.
    #[oai(nullable)]
    failure_class: Option<String>,
    #[oai(nullable)]
    failure_code: Option<String>,
    #[oai(nullable)]
    failure: Option<String>,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    accepted_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    delivered_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    read_at: Option<DateTime<Utc>>,
    /// When it came to its end without being delivered.
    #[oai(nullable)]
    ended_at: Option<DateTime<Utc>>,
    /// When it is tried next.
    #[oai(nullable)]
    due_at: Option<DateTime<Utc>>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.0,
            message_id: delivery.message.0,
            contact_id: delivery.contact.map(|id| id.0),
            customer_id: delivery.customer.map(|id| id.0),
            name: delivery.name,
            channel: delivery.channel.to_string(),
            address: delivery.address,
            priority: delivery.lane,
            status: delivery.status,
            attempts: delivery.attempts,
            account: delivery.account_label,
            segments: delivery.segments,
            price: delivery.price,
            failure_class: delivery.failure_class,
            failure_code: delivery.failure_code,
            failure: delivery.failure,
            created_at: delivery.created_at,
            accepted_at: delivery.accepted_at,
            delivered_at: delivery.delivered_at,
            read_at: delivery.read_at,
            ended_at: delivery.ended_at,
            due_at: delivery.due_at,
        }
    }
}

/// One page of deliveries, newest first.
#[derive(Debug, Serialize, Object)]
pub struct DeliveryList {
    pub items: Vec<DeliveryView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// Something that happened to a delivery.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "DeliveryStep")]
pub struct StepView {
    at: DateTime<Utc>,
    /// `queued`, `attempt`, `receipt`.
    kind: String,
    /// For an attempt what came of it (`accepted`, `refused`, `unknown`, `dry_run`), for a receipt what it told.
    what: String,
    #[oai(nullable)]
    provider: Option<String>,
    /// How long the provider took.
    #[oai(nullable)]
    ms: Option<i32>,
    #[oai(nullable)]
    provider_message_id: Option<String>,
    #[oai(nullable)]
    class: Option<String>,
    #[oai(nullable)]
    code: Option<String>,
    #[oai(nullable)]
    detail: Option<String>,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self {
            at: step.at,
            kind: step.kind.to_owned(),
            what: step.what,
            provider: step.provider,
            ms: step.ms,
            provider_message_id: step.provider_message_id,
            class: step.class,
            code: step.code,
            detail: step.detail,
        }
    }
}

/// A delivery with its whole story.
#[derive(Debug, Clone, Serialize, Object)]
pub struct DeliveryStory {
    pub delivery: DeliveryView,
    pub steps: Vec<StepView>,
}

/// What a message would come to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageEstimate")]
pub struct EstimateView {
    /// How many are named, in groups and in segments; who is in two of them counts twice.
    people: i64,
    /// What it costs all of them by the price of the channel's primary account, each as long as the first.
    cost: Decimal,
    /// SMS that each takes.
    #[oai(nullable)]
    segments: Option<i32>,
    /// `gsm7` or `ucs2`.
    #[oai(nullable)]
    encoding: Option<String>,
    /// Who gets it first.
    #[oai(nullable)]
    sample_name: Option<String>,
    #[oai(nullable)]
    sample_address: Option<String>,
    #[oai(nullable)]
    sample_subject: Option<String>,
    #[oai(nullable)]
    sample_text: Option<String>,
}

impl From<Estimate> for EstimateView {
    fn from(estimate: Estimate) -> Self {
        let sample = estimate.sample;
        Self {
            people: estimate.people,
            cost: estimate.cost,
            segments: estimate.segments.and_then(|count| i32::try_from(count).ok()),
            encoding: estimate.encoding.map(|encoding| encoding.as_str().to_owned()),
            sample_name: sample.as_ref().map(|sample| sample.name.clone()),
            sample_address: sample.as_ref().map(|sample| sample.address.clone()),
            sample_subject: sample.as_ref().and_then(|sample| sample.content.subject.clone()),
            sample_text: sample.map(|sample| sample.content.text),
        }
    }
}

/// What was tried again, or taken back.
#[derive(Debug, Serialize, Object)]
pub struct DeliveriesChanged {
    pub deliveries: i64,
}
