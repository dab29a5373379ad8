//! A message, ready to be rendered for one recipient after the other.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    Attached,
    model::{Ask, Said},
};
use crate::{
    db::TenantTx,
    error::{OrInternal, Result},
    messaging::{
        Channel,
        providers::Content,
        templates::{self, ComposeError, Composer, Words},
    },
    trace::TraceParent,
    types::{MessageId, TemplateId},
};

/// What a message says. It never changes: a template's version is as it was when the message was asked for.
pub struct Spoken {
    pub template: Option<TemplateId>,
    pub expires_at: Option<DateTime<Utc>>,
    pub is_dry_run: bool,
    pub attachments: Vec<Attached>,
    /// What asked for it, where traces are collected.
    pub trace: Option<TraceParent>,
    context: Map<String, Value>,
    composer: Composer,
}

impl Spoken {
    /// A message that is being asked for.
    pub fn asked(ask: &Ask, composer: Composer, attachments: Vec<Attached>) -> Self {
        let template = match ask.said {
            Said::Template(id, _) => Some(id),
            Said::Words(_) | Said::Usual => None,
        };
        Self {
            template,
            expires_at: ask.expires_at,
            is_dry_run: ask.is_dry_run,
            attachments,
            trace: TraceParent::here(),
            context: ask.context.clone(),
            composer,
        }
    }

    /// The words for one recipient. What was given for it alone counts before what was given for all.
    pub fn compose(
        &self,
        channel: Channel,
        language: Option<&str>,
        default_language: &str,
        own: &Map<String, Value>,
    ) -> Result<Content, ComposeError> {
        if own.is_empty() {
            return self.composer.compose(channel, language, default_language, &self.context);
        }
        let mut context = self.context.clone();
        context.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.composer.compose(channel, language, default_language, &context)
    }
}

/// Those of these messages that are there.
pub async fn spoken(tx: &TenantTx, ids: &[MessageId]) -> Result<HashMap<MessageId, Spoken>> {
    let mut found = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let rows = tx
        .query(
            "SELECT id, content, template_id, template_version, context, is_dry_run, expires_at, attachments, traceparent
             FROM message WHERE id = ANY($1)",
            &[&ids],
        )
        .await?;
    for row in rows {
        let content: Option<Value> = row.get("content");
        let template: Option<TemplateId> = row.get("template_id");
        let composer = match (content, template) {
            (Some(words), _) => {
                let words: Words = serde_json::from_value(words).internal()?;
                Composer::new(&words, &[], "")?
            }
            (None, Some(id)) => {
                let version: i32 = row.get("template_version");
                templates::version(tx, id, version).await?.composer()?
            }
            (None, None) => continue,
        };
        let context: Value = row.get("context");
        let spoken = Spoken {
            template,
            expires_at: row.get("expires_at"),
            is_dry_run: row.get("is_dry_run"),
            attachments: serde_json::from_value(row.get("attachments")).internal()?,
            trace: TraceParent::kept(row.get("traceparent")),
            context: context.as_object().cloned().unwrap_or_default(),
            composer,
        };
        found.insert(row.get("id"), spoken);
    }
    Ok(found)
}
