//! The trail as programs see it.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    ExportAudit, ViewAudit,
    rules::{self, Sheet},
};
use crate::{
    access::{ApiUser, Owner},
    audit::{self, AnchorKey, Entry, Filter, Who},
    db::Db,
    error::{Error, Result},
    types::{AuditEventId, Check, Cursor, Limit, line, optional_line},
    web::{Body, Download, Json},
};

const TEXT_MAX: usize = 100;

#[derive(Tags)]
enum Tag {
    /// Who did what, and what changed.
    Audit,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "AuditEvent")]
pub struct AuditEventView {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    /// `staff`, `api_key`, `system`, `platform`, `subscriber`, `anonymous`, `support` or `machine`.
    actor_kind: String,
    #[oai(nullable)]
    actor_id: Option<Uuid>,
    /// The actor's name as it was then.
    actor_label: String,
    /// Object and past tense: `customer.created`.
    action: String,
    object_type: String,
    #[oai(nullable)]
    object_id: Option<Uuid>,
    object_label: String,
    /// The changed fields as they were. Secrets are masked.
    #[oai(nullable)]
    before: Option<Value>,
    /// The changed fields as they became.
    #[oai(nullable)]
    after: Option<Value>,
    #[oai(nullable)]
    request_id: Option<Uuid>,
    #[oai(nullable)]
    address: Option<String>,
    #[oai(nullable)]
    user_agent: Option<String>,
    /// When label, before and after were erased on a person's request.
    #[oai(nullable)]
    erased_at: Option<DateTime<Utc>>,
    /// Its place in the sealed chain; null for the seconds until it is sealed.
    #[oai(nullable)]
    position: Option<i64>,
}

impl From<Entry> for AuditEventView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.0,
            occurred_at: entry.occurred_at,
            actor_kind: entry.actor_kind,
            actor_id: entry.actor_id,
            actor_label: entry.actor_label,
            action: entry.action,
            object_type: entry.object_type,
            object_id: entry.object_id,
            object_label: entry.object_label,
            before: entry.before,
            after: entry.after,
            request_id: entry.request_id,
            address: entry.address,
            user_agent: entry.user_agent,
            erased_at: entry.erased_at,
            position: entry.position,
        }
    }
}

/// One page of the trail, newest first.
#[derive(Debug, Serialize, Object)]
pub struct AuditEventList {
    items: Vec<AuditEventView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many fit; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// What kind of file.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum ExportFormat {
    Csv,
    Xlsx,
}

/// Why a payload is erased.
#[derive(Debug, Object)]
struct EraseBody {
    /// It becomes part of the trail: name no person in it.
    #[oai(validator(min_length = 1, max_length = 200))]
    reason: String,
}

/// The filters as they stand in the address.
struct Asked {
    actor: Option<Uuid>,
    action: Option<String>,
    object_type: Option<String>,
    object_id: Option<Uuid>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    q: Option<String>,
}

impl Asked {
    fn filter(self) -> Result<Filter> {
        let mut check = Check::new();
        let mut part = |name: &'static str, text: Option<String>| {
            check.field(name, optional_line(text.as_deref().unwrap_or_default(), TEXT_MAX)).flatten()
        };
        let filter = Filter {
            who: self.actor.map(Who::Id),
            action: part("action", self.action),
            object_type: part("object_type", self.object_type),
            object_id: self.object_id,
            from: self.from,
            to: self.to,
            text: part("q", self.q),
        };
        check.finish(Some(filter))
    }
}

/// Operations on the trail.
pub struct AuditApi {
    db: Db,
    key: AnchorKey,
}

impl AuditApi {
    pub fn new(db: Db, key: AnchorKey) -> Self {
        Self { db, key }
    }
}

#[OpenApi(tag = "Tag::Audit")]
#[expect(clippy::too_many_arguments, reason = "each is one documented query parameter")]
impl AuditApi {
    /// List what happened, newest first.
    #[oai(path = "/audit-events", method = "get")]
    async fn list_audit_events(
        &self,
        by: ApiUser<ViewAudit>,
        /// Staff member or API key.
        actor: Query<Option<Uuid>>,
        /// `customer.created`, or `created` of anything.
        #[oai(validator(max_length = 100))]
        action: Query<Option<String>>,
        #[oai(validator(max_length = 100))] object_type: Query<Option<String>>,
        object_id: Query<Option<Uuid>>,
        /// The first day, in the provider's time zone.
        from: Query<Option<NaiveDate>>,
        /// The last day.
        to: Query<Option<NaiveDate>>,
        /// A part of a name; or a whole address, or the id of a request or an object.
        #[oai(validator(max_length = 100))]
        q: Query<Option<String>>,
        /// How many at most.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// Where the page before ended.
        cursor: Query<Option<String>>,
        /// Count all that fit.
        #[oai(default)]
        total: Query<bool>,
    ) -> Result<Json<AuditEventList>> {
        let limit = Limit::parse(limit.0)?;
        let after =
            cursor.0.as_deref().map(Cursor::<AuditEventId>::decode).transpose()?.map(|cursor| cursor.0);
        let filter = Asked {
            actor: actor.0,
            action: action.0,
            object_type: object_type.0,
            object_id: object_id.0,
            from: from.0,
            to: to.0,
            q: q.0,
        }
        .filter()?;
        let zone = by.tenant.time_zone.0;
        let (mut entries, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let entries = audit::list(tx, &filter, zone, after, limit).await?;
                let total = if total.0 { Some(audit::count(tx, &filter, zone).await?) } else { None };
                Ok((entries, total))
            })
            .await?;
        let more = limit.cut(&mut entries);
        let last = entries.last().filter(|_| more).map(|entry| entry.id);
        let next_cursor = last.map(|id| Cursor(id).encode()).transpose()?;
        let items = entries.into_iter().map(AuditEventView::from).collect();
        Ok(Json(AuditEventList { items, next_cursor, total }))
    }

    /// Download what happened: the newest 50,000 events that fit. The download is itself an event.
    #[oai(path = "/audit-events/export", method = "get")]
    async fn export_audit_events(
        &self,
        by: ApiUser<ExportAudit>,
        /// `csv` unless asked otherwise.
        format: Query<Option<ExportFormat>>,
        /// Staff member or API key.
        actor: Query<Option<Uuid>>,
        /// `customer.created`, or `created` of anything.
        #[oai(validator(max_length = 100))]
        action: Query<Option<String>>,
        #[oai(validator(max_length = 100))] object_type: Query<Option<String>>,
        object_id: Query<Option<Uuid>>,
        /// The first day, in the provider's time zone.
        from: Query<Option<NaiveDate>>,
        /// The last day.
        to: Query<Option<NaiveDate>>,
        /// A part of a name; or a whole address, or the id of a request or an object.
        #[oai(validator(max_length = 100))]
        q: Query<Option<String>>,
    ) -> Result<Download> {
        let filter = Asked {
            actor: actor.0,
            action: action.0,
            object_type: object_type.0,
            object_id: object_id.0,
            from: from.0,
            to: to.0,
            q: q.0,
        }
        .filter()?;
        let sheet = match format.0 {
            None | Some(ExportFormat::Csv) => Sheet::Csv,
            Some(ExportFormat::Xlsx) => Sheet::Xlsx,
        };
        rules::export(&self.db, &by, &filter, sheet).await
    }

    /// Show one event.
    #[oai(path = "/audit-events/:id", method = "get")]
    async fn get_audit_event(&self, by: ApiUser<ViewAudit>, id: Path<Uuid>) -> Result<Json<AuditEventView>> {
        let entry = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                audit::find(tx, id.0.into()).await?.ok_or(Error::not_found("audit event"))
            })
            .await?;
        Ok(Json(entry.into()))
    }

    /// Erase what an event says of a person: its label, before and after. That it happened stays, and the erasure is an event.
    #[oai(path = "/audit-events/:id/erase", method = "post")]
    async fn erase_audit_event(
        &self,
        by: ApiUser<Owner>,
        id: Path<Uuid>,
        body: Body<EraseBody>,
    ) -> Result<Json<AuditEventView>> {
        let mut check = Check::new();
        let reason = check.field("reason", line(&body.0.reason, 200));
        let reason = check.finish(reason)?;
        let entry = rules::erase_payload(&self.db, &self.key, &by, id.0.into(), &reason).await?;
        Ok(Json(entry.into()))
    }
}
