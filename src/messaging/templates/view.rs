//! Templates as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::MaybeUndefined};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    model::{Draft, State, Template, Variable, Written},
    words::Words,
};
use crate::{
    error::{Error, Result},
    messaging::Channel,
    types::Wrong,
    words::say,
};

/// Something that is filled in for each recipient.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "TemplateVariable")]
pub struct VariableBody {
    /// Letters, digits and underscores, beginning with a letter.
    #[oai(validator(min_length = 1, max_length = 40))]
    pub name: String,
    /// What stands in its place for whom there is none.
    #[oai(nullable, validator(max_length = 200))]
    pub fallback: Option<String>,
    /// Without a value and a fallback nothing is sent; else nothing stands there.
    #[oai(default)]
    pub is_required: bool,
}

impl From<VariableBody> for Variable {
    fn from(body: VariableBody) -> Self {
        Self { name: body.name, fallback: body.fallback, is_required: body.is_required }
    }
}

impl From<Variable> for VariableBody {
    fn from(variable: Variable) -> Self {
        Self { name: variable.name, fallback: variable.fallback, is_required: variable.is_required }
    }
}

/// A template, with where its newest version stands.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Template")]
pub struct TemplateView {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    /// The newest version.
    pub latest_version: i32,
    /// Of the newest version.
    pub state: State,
    /// The newest version that may be sent.
    #[oai(nullable)]
    pub approved_version: Option<i32>,
    pub is_archived: bool,
    /// `sms`, `email`, `whatsapp`, `telegram`, `instagram`, `push`, `in_app`
    pub channels: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<Template> for TemplateView {
    fn from(template: Template) -> Self {
        Self {
            id: template.id.0,
            name: template.name,
            description: template.description,
            latest_version: template.latest,
            state: template.state,
            approved_version: template.approved,
            is_archived: template.is_archived,
            channels: template.channels.iter().map(ToString::to_string).collect(),
            created_at: template.created_at,
            updated_at: template.updated_at,
        }
    }
}

/// What a template said at one time.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "TemplateVersion")]
pub struct VersionView {
    pub version: i32,
    pub state: State,
    /// By channel, then by language: `{"sms": {"en": {"text": "Hi {{ first_name }}"}}}`. A text has `subject` (e-mail), `title` (push,
    /// `in_app`), `text`, `html` (e-mail), `data` (push) and `provider` (WhatsApp: `name`, `language`, `parameters`).
    pub contents: Value,
    pub variables: Vec<VariableBody>,
    pub footer: String,
    /// Every variable that is asked for.
    pub asked: Vec<String>,
    /// Asked for, and neither declared nor known of everybody.
    pub unknown: Vec<String>,
    /// Declared, and asked for nowhere.
    pub unused: Vec<String>,
    pub written_by: String,
    #[oai(nullable)]
    pub decided_by: Option<String>,
    #[oai(nullable)]
    pub decided_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    pub decision_note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl VersionView {
    pub fn of(written: Written) -> Result<Self> {
        let names = written.version.names()?;
        let version = written.version;
        Ok(Self {
            version: version.version,
            state: written.state,
            contents: serde_json::to_value(&version.words).map_err(Error::internal)?,
            variables: version.variables.into_iter().map(VariableBody::from).collect(),
            footer: version.footer,
            asked: names.asked,
            unknown: names.unknown,
            unused: names.unused,
            written_by: written.written_by,
            decided_by: written.decided_by,
            decided_at: written.decided_at,
            decision_note: written.decision_note,
            created_at: written.created_at,
            updated_at: written.updated_at,
        })
    }
}

/// One page of templates.
#[derive(Debug, Serialize, Object)]
pub struct TemplateList {
    pub items: Vec<TemplateView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// One page of a template's versions.
#[derive(Debug, Serialize, Object)]
pub struct TemplateVersionList {
    pub items: Vec<VersionView>,
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// A new template.
#[derive(Debug, Object)]
#[oai(rename = "NewTemplate")]
pub struct NewTemplateBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    #[oai(nullable, validator(max_length = 500))]
    pub description: Option<String>,
    /// By channel, then by language; see `TemplateVersion`.
    pub contents: Value,
    #[oai(nullable, validator(max_items = 50))]
    pub variables: Option<Vec<VariableBody>>,
    /// Said below the text on channels that have room for it.
    #[oai(nullable, validator(max_length = 2000))]
    pub footer: Option<String>,
}

/// Changes of a template; what is absent stays. `contents` and `variables` are replaced as a whole.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TemplateChanges")]
pub struct TemplateChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: Option<String>,
    #[oai(nullable, validator(max_length = 500))]
    pub description: MaybeUndefined<String>,
    pub contents: Option<Value>,
    #[oai(validator(max_items = 50))]
    pub variables: Option<Vec<VariableBody>>,
    #[oai(nullable, validator(max_length = 2000))]
    pub footer: MaybeUndefined<String>,
}

/// A decision on the version that was looked at.
#[derive(Debug, Object)]
#[oai(rename = "TemplateDecision")]
pub struct DecisionBody {
    pub version: i32,
    #[oai(nullable, validator(max_length = 500))]
    pub note: Option<String>,
}

/// Which version to go back to.
#[derive(Debug, Object)]
#[oai(rename = "TemplateRestore")]
pub struct RestoreBody {
    pub version: i32,
}

/// The template that a channel takes when none is named.
#[derive(Debug, Serialize, Object)]
pub struct TemplateDefault {
    pub channel: String,
    pub template_id: Uuid,
    pub name: String,
}

/// The defaults there are.
#[derive(Debug, Serialize, Object)]
pub struct TemplateDefaults {
    pub items: Vec<TemplateDefault>,
}

/// Another default; null takes it away.
#[derive(Debug, Object)]
#[oai(rename = "TemplateDefaultChange")]
pub struct DefaultBody {
    #[oai(nullable)]
    pub template_id: Option<Uuid>,
}

/// What is to be looked at: words of its own, or a template's newest version.
#[derive(Debug, Object)]
#[oai(rename = "TemplatePreviewRequest")]
pub struct PreviewBody {
    #[oai(nullable)]
    pub template_id: Option<Uuid>,
    /// A version of it; the newest without.
    #[oai(nullable)]
    pub version: Option<i32>,
    pub contents: Option<Value>,
    #[oai(nullable, validator(max_items = 50))]
    pub variables: Option<Vec<VariableBody>>,
    #[oai(nullable, validator(max_length = 2000))]
    pub footer: Option<String>,
    /// `sms`, `email`, `whatsapp`, `telegram`, `instagram`, `push`, `in_app`
    pub channel: String,
    #[oai(nullable, validator(max_length = 35))]
    pub language: Option<String>,
    /// Values for variables; they win over what is known of the person.
    pub context: Option<Value>,
    /// Whose values are used. Without anybody, samples are.
    #[oai(nullable)]
    pub contact_id: Option<Uuid>,
    #[oai(nullable)]
    pub customer_id: Option<Uuid>,
}

/// What a text message costs the network.
#[derive(Debug, Serialize, Object)]
pub struct SegmentsView {
    /// `gsm7` or `ucs2`
    pub encoding: String,
    /// Septets, or UTF-16 units.
    pub units: u64,
    pub segments: u32,
    /// Units that fit into the last segment yet.
    pub left: u64,
    /// The first character that GSM-7 does not have.
    #[oai(nullable)]
    pub odd_character: Option<String>,
}

/// A message as somebody would be sent it.
#[derive(Debug, Serialize, Object)]
pub struct TemplatePreview {
    #[oai(nullable)]
    pub subject: Option<String>,
    #[oai(nullable)]
    pub title: Option<String>,
    pub text: String,
    #[oai(nullable)]
    pub html: Option<String>,
    /// Of a text message.
    #[oai(nullable)]
    pub sms: Option<SegmentsView>,
    /// Variables that had no value: samples stand in their place.
    pub missing: Vec<String>,
}

/// Reads `contents`; what is no such object is a wrong field, not a bad body.
pub fn words_of(contents: Value) -> Result<Words> {
    serde_json::from_value(contents).map_err(|error| {
        let detail: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Error::invalid("contents", "not_contents", say!("This cannot be read: {}.", detail))
    })
}

pub fn variables_of(bodies: Vec<VariableBody>) -> Vec<Variable> {
    bodies.into_iter().map(Variable::from).collect()
}

pub fn channel_of(text: &str) -> Result<Channel> {
    text.parse().map_err(|odd: Wrong| Error::Invalid(vec![odd.at("channel")]))
}

impl TemplateChangesBody {
    pub fn over(self, was: Draft) -> Result<Draft> {
        let text = |change: MaybeUndefined<String>, was: String| match change {
            MaybeUndefined::Undefined => was,
            MaybeUndefined::Null => String::new(),
            MaybeUndefined::Value(text) => text,
        };
        let draft = Draft {
            name: self.name.unwrap_or(was.name),
            description: text(self.description, was.description),
            words: self.contents.map(words_of).transpose()?.unwrap_or(was.words),
            variables: self.variables.map(variables_of).unwrap_or(was.variables),
            footer: text(self.footer, was.footer),
        };
        draft.checked()
    }
}
