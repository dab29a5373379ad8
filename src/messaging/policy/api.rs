//! How a tenant sends, as programs see and change it.

use poem_openapi::{Object, OpenApi, Tags, types::MaybeUndefined};
use serde::Serialize;

use super::{Policy, change, get};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    messaging::accounts::ManageChannels,
    web::{Body, Json, typed::Typed},
};

#[derive(Tags)]
enum Tag {
    /// How messages are sent.
    Messages,
}

/// How messages are sent.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessagingPolicy")]
struct PolicyView {
    /// Everything is done but the sending.
    is_dry_run: bool,
    /// `HH:MM:SS` in the provider's zone: bulk waits until `quiet_to`. May go over midnight.
    #[oai(nullable)]
    quiet_from: Option<String>,
    #[oai(nullable)]
    quiet_to: Option<String>,
    /// How often a message that may pass later is tried again.
    retries: i16,
    /// So many a second over all channels; null: as fast as it goes.
    #[oai(nullable)]
    per_second: Option<i32>,
    /// BCP 47.
    default_language: String,
    /// Whole messages that mean stop, besides those that everybody knows.
    stop_words: Vec<String>,
    start_words: Vec<String>,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            is_dry_run: policy.is_dry_run,
            quiet_from: policy.quiet.map(|(from, _)| from.to_string()),
            quiet_to: policy.quiet.map(|(_, to)| to.to_string()),
            retries: policy.retries,
            per_second: policy.per_second,
            default_language: policy.default_language,
            stop_words: policy.stop_words,
            start_words: policy.start_words,
        }
    }
}

/// What of it changes; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "MessagingPolicyChanges")]
struct PolicyChanges {
    is_dry_run: Option<bool>,
    /// `HH:MM`. Both or neither; null: no quiet hours.
    #[oai(nullable, validator(max_length = 10))]
    quiet_from: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 10))]
    quiet_to: MaybeUndefined<String>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10")))]
    retries: Option<i32>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "10000")))]
    per_second: MaybeUndefined<i32>,
    #[oai(validator(min_length = 2, max_length = 35))]
    default_language: Option<String>,
    #[oai(validator(max_items = 50))]
    stop_words: Option<Vec<String>>,
    #[oai(validator(max_items = 50))]
    start_words: Option<Vec<String>>,
}

impl PolicyChanges {
    fn over(&self, typed: Typed) -> Typed {
        let ticked = self.is_dry_run.map(|is_on| if is_on { "true" } else { "" });
        let lines = |words: &Option<Vec<String>>| words.as_ref().map(|words| words.join("\n"));
        typed
            .over_some("is_dry_run", ticked)
            .over("quiet_from", &self.quiet_from)
            .over("quiet_to", &self.quiet_to)
            .over_some("retries", self.retries)
            .over("per_second", &self.per_second)
            .over_some("default_language", self.default_language.as_deref())
            .over_some("stop_words", lines(&self.stop_words))
            .over_some("start_words", lines(&self.start_words))
    }
}

/// The operations on how messages are sent.
pub struct PolicyApi {
    db: Db,
}

impl PolicyApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Messages")]
impl PolicyApi {
    /// Show how messages are sent.
    #[oai(path = "/messaging-policy", method = "get")]
    async fn get_messaging_policy(&self, by: ApiUser<ManageChannels>) -> Result<Json<PolicyView>> {
        let policy = self.db.read_tenant(&by.tenant, async |tx| get(tx).await).await?;
        Ok(Json(policy.into()))
    }

    /// Change how messages are sent.
    #[oai(path = "/messaging-policy", method = "patch")]
    async fn update_messaging_policy(
        &self,
        by: ApiUser<ManageChannels>,
        body: Body<PolicyChanges>,
    ) -> Result<Json<PolicyView>> {
        let body = &body.0;
        let policy = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = Policy::parse(&body.over(get(tx).await?.typed()))?;
                change(tx, &by, &wanted).await?;
                Ok(wanted)
            })
            .await?;
        Ok(Json(policy.into()))
    }
}
