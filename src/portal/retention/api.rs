//! How long what is kept, as programs see and change it.

use poem_openapi::{Object, OpenApi, Tags, types::MaybeUndefined};
use serde::Serialize;

use super::rules::{Policy, change, count_due, get};
use crate::{
    access::{ApiUser, Owner},
    db::{Db, TenantTx},
    error::Result,
    web::{Body, Json, typed::Typed},
};

#[derive(Tags)]
enum Tag {
    /// How long what is kept.
    Retention,
}

/// How long one kind is kept.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RetentionRule")]
struct RuleView {
    kind: String,
    label: String,
    /// What goes, and what stays of it.
    about: String,
    /// Null: until somebody deletes it.
    #[oai(nullable)]
    days: Option<i32>,
    least_days: i32,
    most_days: i32,
    /// Whether `days` may be null.
    may_stay: bool,
    /// How much is older, counted to 10,000: it goes in the next night.
    older: i64,
}

/// How long what is kept.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Retention")]
struct View {
    rules: Vec<RuleView>,
}

async fn view_of(tx: &TenantTx, policy: &Policy) -> Result<View> {
    let due = count_due(tx, policy).await?;
    let rules = policy.iter().map(|(kind, days)| RuleView {
        kind: kind.name.to_owned(),
        label: kind.label.to_owned(),
        about: kind.help.to_owned(),
        days,
        least_days: kind.least,
        most_days: kind.most,
        may_stay: kind.may_stay(),
        older: due.get(kind.name).copied().unwrap_or_default(),
    });
    Ok(View { rules: rules.collect() })
}

/// What of it changes, in days; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "RetentionChanges")]
struct Changes {
    /// 30 to 3650, or null.
    #[oai(nullable, validator(minimum(value = "30"), maximum(value = "3650")))]
    messages: MaybeUndefined<i32>,
    /// 30 to 3650, or null.
    #[oai(nullable, validator(minimum(value = "30"), maximum(value = "3650")))]
    inbound: MaybeUndefined<i32>,
    /// 90 to 3650, or null.
    #[oai(nullable, validator(minimum(value = "90"), maximum(value = "3650")))]
    tickets: MaybeUndefined<i32>,
    /// 90 to 3650, or null.
    #[oai(nullable, validator(minimum(value = "90"), maximum(value = "3650")))]
    former_customers: MaybeUndefined<i32>,
    #[oai(validator(minimum(value = "7"), maximum(value = "3650")))]
    report_files: Option<i32>,
    #[oai(validator(minimum(value = "1"), maximum(value = "365")))]
    import_files: Option<i32>,
    #[oai(validator(minimum(value = "7"), maximum(value = "730")))]
    letters: Option<i32>,
    #[oai(validator(minimum(value = "7"), maximum(value = "365")))]
    notices: Option<i32>,
    #[oai(validator(minimum(value = "7"), maximum(value = "365")))]
    hook_calls: Option<i32>,
}

impl Changes {
    fn over(&self, typed: Typed) -> Typed {
        typed
            .over("messages", &self.messages)
            .over("inbound", &self.inbound)
            .over("tickets", &self.tickets)
            .over("former_customers", &self.former_customers)
            .over_some("report_files", self.report_files)
            .over_some("import_files", self.import_files)
            .over_some("letters", self.letters)
            .over_some("notices", self.notices)
            .over_some("hook_calls", self.hook_calls)
    }
}

/// The operations on how long what is kept.
pub struct RetentionApi {
    db: Db,
}

impl RetentionApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Retention")]
impl RetentionApi {
    /// Show how long what is kept
    #[oai(path = "/retention", method = "get", operation_id = "get_retention")]
    async fn get(&self, by: ApiUser<Owner>) -> Result<Json<View>> {
        let view = self.db.read_tenant(&by.tenant, async |tx| view_of(tx, &get(tx).await?).await).await?;
        Ok(Json(view))
    }

    /// Change how long what is kept
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). What is older goes in the next night, for
    /// good.
    #[oai(path = "/retention", method = "patch", operation_id = "update_retention")]
    async fn update(&self, by: ApiUser<Owner>, body: Body<Changes>) -> Result<Json<View>> {
        let view = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = Policy::parse(&body.0.over(get(tx).await?.typed()))?;
                change(tx, &by, &wanted).await?;
                view_of(tx, &wanted).await
            })
            .await?;
        Ok(Json(view))
    }
}
