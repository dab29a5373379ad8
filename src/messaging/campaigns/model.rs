//! A campaign: what is prepared, and how it stands.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, FieldError, Result},
    messaging::{
        Channel,
        messages::{Ask, Attached, Lane, Place, Said, To},
    },
    types::{CampaignId, FileId, MessageId, RecipientListId, TemplateId, line},
    web::choices::choices,
    words::say,
};

pub const NAME_MAX: usize = 200;
const PER_MINUTE_MAX: i32 = 600_000;

choices! {
    /// How a campaign stands.
    State is "CampaignState":
        Draft = "draft", "Draft";
        Scheduled = "scheduled", "Scheduled";
        Running = "running", "Running";
        /// It runs, and its message is paused.
        Paused = "paused", "Paused";
        Done = "done", "Finished";
        Cancelled = "cancelled", "Cancelled";
        /// It could not be started.
        Failed = "failed", "Not started";
}

impl State {
    /// Whether it may still be changed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Draft | Self::Failed)
    }

    /// Whether its message is being sent.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What is prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub name: String,
    pub channels: Vec<Channel>,
    pub template: TemplateId,
    pub context: Map<String, Value>,
    pub to: To,
    pub is_frozen: bool,
    pub per_minute: Option<i32>,
    pub is_dry_run: bool,
    pub starts_at: Option<DateTime<Utc>>,
    /// Files that go along.
    pub attachments: Vec<FileId>,
}

impl Draft {
    /// Names every wrong part that can be seen without looking anything up. Nobody needs to be in the audience yet.
    pub fn checked(self) -> Result<Self> {
        let mut wrong = Vec::new();
        let name = match line(&self.name, NAME_MAX) {
            Ok(name) => name,
            Err(odd) => {
                wrong.push(odd.at("name"));
                String::new()
            }
        };
        if let Some(per_minute) = self.per_minute
            && !(1..=PER_MINUTE_MAX).contains(&per_minute)
        {
            let detail = say!("This must be between 1 and {}.", PER_MINUTE_MAX);
            wrong.push(FieldError::new("per_minute", "out_of_range", detail));
        }
        // Its time is checked as a message's is.
        let ask = Ask { scheduled_at: self.starts_at, ..self.ask() };
        match ask.check(Utc::now()) {
            Err(Error::Invalid(more)) => {
                wrong.extend(more.into_iter().filter(|one| one.code != "empty_audience").map(at_our_field))
            }
            other => other?,
        }
        if wrong.is_empty() { Ok(Self { name, ..self }) } else { Err(Error::Invalid(wrong)) }
    }

    /// The message that it sends, at once.
    pub fn ask(&self) -> Ask {
        Ask {
            channels: self.channels.clone(),
            said: Said::Template(self.template, None),
            context: self.context.clone(),
            to: self.to.clone(),
            lane: Lane::Bulk,
            scheduled_at: None,
            recurrence: None,
            expires_at: None,
            is_dry_run: self.is_dry_run,
            per_minute: self.per_minute,
            attachments: self.attachments.clone(),
        }
    }

    pub fn told(&self) -> Value {
        let channels: Vec<&str> = self.channels.iter().map(|channel| channel.as_str()).collect();
        json!({
            "name": self.name, "channels": channels, "template_id": self.template, "context": self.context,
            "to": self.to.told(), "is_frozen": self.is_frozen, "per_minute": self.per_minute,
            "is_dry_run": self.is_dry_run, "starts_at": self.starts_at, "attachments": self.attachments,
        })
    }
}

fn at_our_field(wrong: FieldError) -> FieldError {
    FieldError { field: wrong.field.replace("scheduled_at", "starts_at").into(), ..wrong }
}

/// A campaign as its table has it.
#[derive(Debug, Clone)]
pub struct Campaign {
    pub id: CampaignId,
    pub draft: Draft,
    pub state: State,
    pub template_name: String,
    pub frozen_list: Option<RecipientListId>,
    /// How far the settling of the audience has come; None when it has come to its end, or none is wanted.
    pub freezing: Option<Place>,
    pub message: Option<MessageId>,
    pub failure: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// What the files that go along are called.
    pub files: Vec<Attached>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::GroupId;

    fn draft() -> Draft {
        Draft {
            name: "Fiesta".into(),
            channels: vec![Channel::Sms],
            template: TemplateId::new(),
            context: Map::new(),
            to: To { groups: vec![GroupId::new()], ..To::default() },
            is_frozen: false,
            per_minute: None,
            is_dry_run: false,
            starts_at: None,
            attachments: Vec::new(),
        }
    }

    #[test]
    fn a_draft_may_have_nobody_yet() {
        assert!(Draft { to: To::default(), ..draft() }.checked().is_ok());
    }

    #[test]
    fn wrong_parts_are_named() {
        let wrong =
            Draft { name: " ".into(), per_minute: Some(0), channels: Vec::new(), ..draft() }.checked();
        let Err(Error::Invalid(wrong)) = wrong else { panic!("{wrong:?}") };
        let fields: Vec<&str> = wrong.iter().map(|one| one.field.as_ref()).collect();
        assert_eq!(fields, ["name", "per_minute", "channels"]);
    }
}
