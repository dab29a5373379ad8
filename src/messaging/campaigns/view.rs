//! Campaigns as programs see them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::MaybeUndefined};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::model::{Campaign, Draft, State};
use crate::{
    error::{Error, FieldError, Result},
    messaging::{
        Channel,
        messages::{Attached, MessageCounts, To, ToBody},
    },
    types::{FileId, TemplateId},
};

/// A campaign that is prepared.
#[derive(Debug, Object)]
#[oai(rename = "NewCampaign")]
pub struct NewCampaignBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// In the order in which they are tried for each recipient.
    #[oai(validator(min_items = 1, max_items = 7))]
    channels: Vec<String>,
    /// Its newest approved version is sent.
    template_id: Uuid,
    /// Values for the template's variables, for all recipients.
    context: Option<HashMap<String, Value>>,
    /// May be nobody as long as it is not started.
    to: Option<ToBody>,
    /// Who is in the audience is settled when the campaign is scheduled; else when it starts.
    is_frozen: Option<bool>,
    /// So many recipients a minute at most.
    #[oai(validator(minimum(value = "1"), maximum(value = "600000")))]
    per_minute: Option<i32>,
    dry_run: Option<bool>,
    /// When it starts once it was scheduled; at once when absent.
    starts_at: Option<DateTime<Utc>>,
    /// Uploaded files that go along: `POST /attachments`.
    #[oai(validator(max_items = 10))]
    attachments: Option<Vec<Uuid>>,
}

/// What of a campaign changes; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "CampaignChanges")]
pub struct CampaignChanges {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[oai(validator(min_items = 1, max_items = 7))]
    channels: Option<Vec<String>>,
    template_id: Option<Uuid>,
    context: Option<HashMap<String, Value>>,
    to: Option<ToBody>,
    is_frozen: Option<bool>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "600000")))]
    per_minute: MaybeUndefined<i32>,
    dry_run: Option<bool>,
    #[oai(nullable)]
    starts_at: MaybeUndefined<DateTime<Utc>>,
    #[oai(validator(max_items = 10))]
    attachments: Option<Vec<Uuid>>,
}

fn files_of(ids: Vec<Uuid>) -> Vec<FileId> {
    ids.into_iter().map(FileId).collect()
}

fn channels_of(texts: &[String], wrong: &mut Vec<FieldError>) -> Vec<Channel> {
    let mut channels = Vec::with_capacity(texts.len().min(7));
    for (n, text) in texts.iter().enumerate() {
        match text.parse::<Channel>() {
            Ok(channel) => channels.push(channel),
            Err(odd) => wrong.push(FieldError::new(format!("channels[{n}]"), odd.code, odd.detail)),
        }
    }
    channels
}

fn checked<T>(wrong: Vec<FieldError>, whole: T) -> Result<T> {
    if wrong.is_empty() { Ok(whole) } else { Err(Error::Invalid(wrong)) }
}

impl NewCampaignBody {
    pub fn parse(self) -> Result<Draft> {
        let mut wrong = Vec::new();
        let draft = Draft {
            name: self.name,
            channels: channels_of(&self.channels, &mut wrong),
            template: TemplateId(self.template_id),
            context: self.context.unwrap_or_default().into_iter().collect(),
            to: self.to.map_or_else(To::default, |to| to.parse(&mut wrong)),
            is_frozen: self.is_frozen.unwrap_or(false),
            per_minute: self.per_minute,
            is_dry_run: self.dry_run.unwrap_or(false),
            starts_at: self.starts_at,
            attachments: files_of(self.attachments.unwrap_or_default()),
        };
        checked(wrong, draft)
    }
}

impl CampaignChanges {
    pub fn over(&self, was: Draft) -> Result<Draft> {
        let mut wrong = Vec::new();
        let draft = Draft {
            name: self.name.clone().unwrap_or(was.name),
            channels: self.channels.as_ref().map_or(was.channels, |texts| channels_of(texts, &mut wrong)),
            template: self.template_id.map_or(was.template, TemplateId),
            context: self.context.clone().map_or(was.context, |context| context.into_iter().collect()),
            to: self.to.clone().map_or(was.to, |to| to.parse(&mut wrong)),
            is_frozen: self.is_frozen.unwrap_or(was.is_frozen),
            per_minute: over(&self.per_minute, was.per_minute),
            is_dry_run: self.dry_run.unwrap_or(was.is_dry_run),
            starts_at: over(&self.starts_at, was.starts_at),
            attachments: self.attachments.clone().map_or(was.attachments, files_of),
        };
        checked(wrong, draft)
    }
}

fn over<T: Copy>(value: &MaybeUndefined<T>, was: Option<T>) -> Option<T> {
    match value {
        MaybeUndefined::Undefined => was,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(value) => Some(*value),
    }
}

/// A campaign.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Campaign")]
pub struct CampaignView {
    id: Uuid,
    name: String,
    state: State,
    channels: Vec<String>,
    template_id: Uuid,
    template_name: String,
    context: HashMap<String, Value>,
    /// How many are named one by one.
    named: i64,
    groups: Vec<Uuid>,
    /// How many segments it goes to.
    segments: i64,
    lists: Vec<Uuid>,
    is_frozen: bool,
    #[oai(nullable)]
    per_minute: Option<i32>,
    dry_run: bool,
    #[oai(nullable)]
    starts_at: Option<DateTime<Utc>>,
    attachments: Vec<Attached>,
    /// What it sends; its recipients are `GET /deliveries?message_id=`.
    #[oai(nullable)]
    message_id: Option<Uuid>,
    /// Written out so far.
    recipients: i32,
    counts: MessageCounts,
    cost: Decimal,
    /// Why it could not be started.
    #[oai(nullable)]
    failure: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[oai(nullable)]
    started_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    ended_at: Option<DateTime<Utc>>,
}

impl CampaignView {
    pub fn new(campaign: Campaign, sent: Option<(i32, MessageCounts, Decimal)>) -> Self {
        let (recipients, counts, cost) = sent.unwrap_or_default();
        let draft = campaign.draft;
        let amount = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            id: campaign.id.0,
            name: draft.name,
            state: campaign.state,
            channels: draft.channels.iter().map(ToString::to_string).collect(),
            template_id: draft.template.0,
            template_name: campaign.template_name,
            context: draft.context.into_iter().collect(),
            named: amount(draft.to.named()),
            groups: draft.to.groups.iter().map(|id| id.0).collect(),
            segments: amount(draft.to.segments.len()),
            lists: draft.to.lists.iter().map(|id| id.0).collect(),
            is_frozen: draft.is_frozen,
            per_minute: draft.per_minute,
            dry_run: draft.is_dry_run,
            starts_at: draft.starts_at,
            attachments: campaign.files,
            message_id: campaign.message.map(|id| id.0),
            recipients,
            counts,
            cost,
            failure: campaign.failure,
            created_by: campaign.created_by,
            created_at: campaign.created_at,
            updated_at: campaign.updated_at,
            started_at: campaign.started_at,
            ended_at: campaign.ended_at,
        }
    }
}

/// One page of campaigns, newest first.
#[derive(Debug, Serialize, Object)]
pub struct CampaignList {
    pub items: Vec<CampaignView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}
