//! The operations on visits.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    PlanVisits, ViewVisits,
    model::{Kind, NewVisit, Span, Status, Visit, VisitFilter, note},
    rules::{self, Overlap, VisitChanges},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    types::{Cursor, CustomerId, InstallationId, Limit, StaffId, TicketId, VisitId},
    web::parts::{is_sane, time_mark},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// Who goes where, and when.
    Visits,
}

/// A visit.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Visit")]
pub struct VisitView {
    id: Uuid,
    kind: Kind,
    status: Status,
    customer_id: Uuid,
    customer_name: String,
    #[oai(nullable)]
    phone: Option<String>,
    /// Street and area, of the installation or of the customer.
    address: String,
    #[oai(nullable)]
    installation_id: Option<Uuid>,
    #[oai(nullable)]
    ticket_id: Option<Uuid>,
    #[oai(nullable)]
    technician_id: Option<Uuid>,
    #[oai(nullable)]
    technician: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    #[oai(nullable)]
    note: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Visit> for VisitView {
    fn from(visit: Visit) -> Self {
        Self {
            id: visit.id.0,
            kind: visit.kind,
            status: visit.status,
            customer_id: visit.customer.0,
            customer_name: visit.customer_name,
            phone: visit.phone,
            address: visit.address,
            installation_id: visit.installation.map(|id| id.0),
            ticket_id: visit.ticket.map(|id| id.0),
            technician_id: visit.technician.map(|id| id.0),
            technician: visit.technician_name,
            starts_at: visit.span.starts_at,
            ends_at: visit.span.ends_at,
            note: visit.note,
            created_at: visit.created_at,
            updated_at: visit.updated_at,
        }
    }
}

/// One page of visits, the earliest first.
#[derive(Debug, Serialize, Object)]
pub struct VisitList {
    items: Vec<VisitView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// A new visit.
#[derive(Debug, Object)]
#[oai(rename = "NewVisit")]
pub struct NewVisitBody {
    kind: Kind,
    customer_id: Uuid,
    /// One of the customer's.
    #[oai(nullable)]
    installation_id: Option<Uuid>,
    /// One of the customer's: what the visit is for.
    #[oai(nullable)]
    ticket_id: Option<Uuid>,
    #[oai(nullable)]
    technician_id: Option<Uuid>,
    starts_at: DateTime<Utc>,
    /// A day later at most.
    ends_at: DateTime<Utc>,
    #[oai(nullable, validator(max_length = 2000))]
    note: Option<String>,
    /// Whether another visit of the same technician at this time is meant: else 409 `technician_busy`.
    #[oai(nullable)]
    allow_overlap: Option<bool>,
}

/// Changes of a visit; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "VisitChanges")]
pub struct VisitChangesBody {
    kind: Option<Kind>,
    /// Null: nobody yet.
    #[oai(nullable)]
    technician_id: MaybeUndefined<Uuid>,
    /// When it moves without an end, it takes as long as before.
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    #[oai(nullable, validator(max_length = 2000))]
    note: MaybeUndefined<String>,
    #[oai(nullable)]
    allow_overlap: Option<bool>,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "VisitOutcome", rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Missed,
    Cancelled,
}

/// What became of a visit, and a note about it.
#[derive(Debug, Object)]
#[oai(rename = "VisitSettlement")]
pub struct SettlementBody {
    status: Outcome,
    #[oai(nullable, validator(max_length = 2000))]
    note: Option<String>,
}

fn overlap(allowed: Option<bool>) -> Overlap {
    if allowed == Some(true) { Overlap::Allow } else { Overlap::Ask }
}

/// The operations on visits.
pub struct VisitsApi {
    db: Db,
}

impl VisitsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Visits")]
impl VisitsApi {
    /// List visits.
    ///
    /// The earliest first. Without the right to see all visits: one's own.
    #[oai(path = "/visits", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_visits(
        &self,
        by: ApiUser<ViewVisits>,
        technician_id: Query<Option<Uuid>>,
        customer_id: Query<Option<Uuid>>,
        installation_id: Query<Option<Uuid>>,
        status: Query<Option<Status>>,
        /// Those that begin then or later.
        from: Query<Option<DateTime<Utc>>>,
        /// Those that begin before then.
        until: Query<Option<DateTime<Utc>>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter.
        cursor: Query<Option<String>>,
    ) -> Result<Json<VisitList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(time_mark).transpose()?;
        for (name, at) in [("from", from.0), ("until", until.0)] {
            if at.is_some_and(|at| !is_sane(at)) {
                return Err(Error::invalid(name, "out_of_range", "A moment lies between 1970 and 9999."));
            }
        }
        let asked = VisitFilter {
            technician: technician_id.0.map(StaffId),
            customer: customer_id.0.map(CustomerId),
            installation: installation_id.0.map(InstallationId),
            status: status.0,
            from: from.0,
            until: until.0,
        };
        let filter = rules::seen_by(&by, asked)?;
        let (items, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                rules::list(tx, &filter, after, limit).await
            })
            .await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor((last.span.starts_at, last.id.0)).encode()?),
            None => None,
        };
        Ok(Json(VisitList { items: items.into_iter().map(VisitView::from).collect(), next_cursor }))
    }

    /// Plan a visit.
    #[oai(path = "/visits", method = "post")]
    async fn plan_visit(
        &self,
        by: ApiUser<PlanVisits>,
        body: Body<NewVisitBody>,
    ) -> Result<Created<VisitView>> {
        let body = body.0;
        let new = NewVisit {
            kind: body.kind,
            customer: CustomerId(body.customer_id),
            installation: body.installation_id.map(InstallationId),
            ticket: body.ticket_id.map(TicketId),
            technician: body.technician_id.map(StaffId),
            span: Span::parse(body.starts_at, body.ends_at, Utc::now())?,
            note: note(&body.note.unwrap_or_default())?,
        };
        let how = overlap(body.allow_overlap);
        let visit = self.db.in_tenant(&by.tenant, async |tx| rules::plan(tx, &by, &new, how).await).await?;
        Ok(Created(visit.into()))
    }

    /// Show a visit.
    #[oai(path = "/visits/:id", method = "get")]
    async fn get_visit(&self, by: ApiUser<ViewVisits>, id: Path<Uuid>) -> Result<Json<VisitView>> {
        let visit =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, &by, VisitId(id.0)).await).await?;
        Ok(Json(visit.into()))
    }

    /// Change a visit.
    ///
    /// Move it, give it to somebody else. What is done or cancelled stays: 409 `settled`.
    #[oai(path = "/visits/:id", method = "patch")]
    async fn update_visit(
        &self,
        by: ApiUser<PlanVisits>,
        id: Path<Uuid>,
        body: Body<VisitChangesBody>,
    ) -> Result<Json<VisitView>> {
        let (id, body, now) = (VisitId(id.0), &body.0, Utc::now());
        let noted = match &body.note {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(note(text)?),
        };
        let technician = match body.technician_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(Some(StaffId(id))),
        };
        let visit = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let span = match (body.starts_at, body.ends_at) {
                    (None, None) => None,
                    (starts_at, ends_at) => {
                        let was = rules::get(tx, &by, id).await?.span;
                        let starts_at = starts_at.unwrap_or(was.starts_at);
                        let as_long = starts_at.checked_add_signed(was.ends_at - was.starts_at);
                        Some(Span::parse(starts_at, ends_at.or(as_long).unwrap_or(starts_at), now)?)
                    }
                };
                let wanted = VisitChanges { kind: body.kind, span, technician, note: noted.clone() };
                rules::change(tx, &by, id, &wanted, overlap(body.allow_overlap)).await
            })
            .await?;
        Ok(Json(visit.into()))
    }

    /// Say what became of a visit.
    ///
    /// Technicians settle their own; whoever may plan settles all.
    #[oai(path = "/visits/:id/status", method = "post")]
    async fn settle_visit(
        &self,
        by: ApiUser<ViewVisits>,
        id: Path<Uuid>,
        body: Body<SettlementBody>,
    ) -> Result<Json<VisitView>> {
        let to = match body.0.status {
            Outcome::Done => Status::Done,
            Outcome::Missed => Status::Missed,
            Outcome::Cancelled => Status::Cancelled,
        };
        let noted = note(&body.0.note.unwrap_or_default())?;
        let visit = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::settle(tx, &by, VisitId(id.0), to, noted.clone()).await)
            .await?;
        Ok(Json(visit.into()))
    }
}
