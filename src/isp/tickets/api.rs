//! The operations on tickets.

use futures_util::try_join;
use poem_openapi::{
    OpenApi, Tags,
    param::{Header, Path, Query},
};
use uuid::Uuid;

use super::{
    AssignTickets, CreateTickets, EditTickets, ViewTickets, WorkTickets,
    body::{AssignBody, CommentBody, MergeBody, NewTicketBody, StepBody, TicketChangesBody},
    export, list,
    model::{Step, Typed},
    query::{Asked, Filter, Mark, Sort},
    rules,
    talk::{self, Said},
    view::{CommentView, TicketComments, TicketCounts, TicketList, TicketView},
};
use crate::{
    access::{ApiUser, CreatedOnce, Fingerprint, IdempotencyKey, once},
    db::Db,
    error::Result,
    sheets::Bom,
    types::{AreaId, CustomerId, Limit, OutageId, StaffId, TicketId},
    web::sheet::{Format, Sheet},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// What customers need help with.
    Tickets,
}

/// The operations on tickets.
pub struct TicketsApi {
    db: Db,
}

impl TicketsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Tickets")]
impl TicketsApi {
    /// List tickets.
    #[oai(path = "/tickets", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_tickets(
        &self,
        by: ApiUser<ViewTickets>,
        /// Words, each of which is found in the number or title, or all in the customer's names and numbers.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// Repeated, or between commas; `open` stands for all but resolved and cancelled.
        status: Query<Option<Vec<String>>>,
        /// Repeated, or between commas.
        priority: Query<Option<Vec<String>>>,
        /// Repeated, or between commas.
        category: Query<Option<Vec<String>>>,
        /// A person's id, or `none`.
        assigned_to: Query<Option<String>>,
        /// Whether the promise was missed.
        overdue: Query<Option<bool>>,
        customer_id: Query<Option<Uuid>>,
        /// The customer's area.
        area_id: Query<Option<Uuid>>,
        outage_id: Query<Option<Uuid>>,
        /// `created` or `due`; a minus before it turns the order. Newest first when absent.
        sort: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter and order.
        cursor: Query<Option<String>>,
        /// Whether to count all that match; an exact count costs more than a page.
        total: Query<Option<bool>>,
    ) -> Result<Json<TicketList>> {
        let limit = Limit::parse(limit.0)?;
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let mark = cursor.0.as_deref().map(|text| Mark::decode(text, sort)).transpose()?;
        let filter = Filter::parse(&Asked {
            q: q.0.unwrap_or_default(),
            statuses: status.0.unwrap_or_default(),
            priorities: priority.0.unwrap_or_default(),
            categories: category.0.unwrap_or_default(),
            assigned_to: assigned_to.0.unwrap_or_default(),
            overdue: overdue.0,
            customer: customer_id.0.map(CustomerId),
            area: area_id.0.map(AreaId),
            outage: outage_id.0.map(OutageId),
        })?;
        let counted = total.0 == Some(true);
        let (mut found, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                let page = list(tx, &filter, sort, mark.as_ref(), limit.and_one());
                if counted {
                    let (found, counts) = try_join!(page, list::count(tx, &filter))?;
                    return Ok((found, Some(counts.total())));
                }
                Ok((page.await?, None))
            })
            .await?;
        let more = limit.cut(&mut found);
        let next_cursor = match found.last() {
            Some(last) if more => Some(Mark::of(last, sort).encode()?),
            _ => None,
        };
        Ok(Json(TicketList { items: found.into_iter().map(TicketView::from).collect(), next_cursor, total }))
    }

    /// Open a ticket.
    ///
    /// With an `Idempotency-Key` the same request again gets the same answer, and is done once.
    #[oai(path = "/tickets", method = "post")]
    async fn open_ticket(
        &self,
        by: ApiUser<CreateTickets>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Body<NewTicketBody>,
    ) -> Result<CreatedOnce<TicketView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of("open_ticket", &body.0);
        let draft = Typed::from(&body.0).parse()?;
        let (customer, assignee) = (CustomerId(body.0.customer_id), body.0.assigned_to.map(StaffId));
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let work = Box::pin(async {
                    rules::open(tx, &by, customer, &draft, assignee).await.map(TicketView::from)
                });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await
    }

    /// Count tickets by status.
    #[oai(path = "/tickets/counts", method = "get")]
    async fn count_tickets(
        &self,
        by: ApiUser<ViewTickets>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// A person's id, or `none`.
        assigned_to: Query<Option<String>>,
        customer_id: Query<Option<Uuid>>,
        area_id: Query<Option<Uuid>>,
    ) -> Result<Json<TicketCounts>> {
        let filter = Filter::parse(&Asked {
            q: q.0.unwrap_or_default(),
            assigned_to: assigned_to.0.unwrap_or_default(),
            customer: customer_id.0.map(CustomerId),
            area: area_id.0.map(AreaId),
            ..Asked::default()
        })?;
        let counts = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                list::count(tx, &filter).await
            })
            .await?;
        Ok(Json(counts.into()))
    }

    /// Download tickets as a file.
    ///
    /// All pages of the list of the same filter; at most 50,000 tickets.
    #[oai(path = "/tickets/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_tickets(
        &self,
        by: ApiUser<ViewTickets>,
        format: Query<Format>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// Repeated, or between commas.
        status: Query<Option<Vec<String>>>,
        /// Repeated, or between commas.
        priority: Query<Option<Vec<String>>>,
        /// Repeated, or between commas.
        category: Query<Option<Vec<String>>>,
        /// A person's id, or `none`.
        assigned_to: Query<Option<String>>,
        overdue: Query<Option<bool>>,
        customer_id: Query<Option<Uuid>>,
        area_id: Query<Option<Uuid>>,
        sort: Query<Option<String>>,
    ) -> Result<Sheet> {
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let filter = Filter::parse(&Asked {
            q: q.0.unwrap_or_default(),
            statuses: status.0.unwrap_or_default(),
            priorities: priority.0.unwrap_or_default(),
            categories: category.0.unwrap_or_default(),
            assigned_to: assigned_to.0.unwrap_or_default(),
            overdue: overdue.0,
            customer: customer_id.0.map(CustomerId),
            area: area_id.0.map(AreaId),
            outage: None,
        })?;
        export::export(&self.db, &by, &filter, sort, (format.0, Bom::Without)).await
    }

    /// Show a ticket.
    #[oai(path = "/tickets/:id", method = "get")]
    async fn get_ticket(&self, by: ApiUser<ViewTickets>, id: Path<Uuid>) -> Result<Json<TicketView>> {
        let ticket =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(&tx.last(), TicketId(id.0)).await).await?;
        Ok(Json(ticket.into()))
    }

    /// Change a ticket.
    ///
    /// One that was merged into another is 409 `merged`.
    #[oai(path = "/tickets/:id", method = "patch")]
    async fn update_ticket(
        &self,
        by: ApiUser<EditTickets>,
        id: Path<Uuid>,
        body: Body<TicketChangesBody>,
    ) -> Result<Json<TicketView>> {
        let (id, body) = (TicketId(id.0), &body.0);
        let ticket = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, |was| Ok(body.clone().over(was))).await
            })
            .await?;
        Ok(Json(ticket.into()))
    }

    /// Move a ticket to a status.
    ///
    /// A step that is not in the table of steps is 409 `not_a_step`. Who only works on tickets moves those assigned to them.
    #[oai(path = "/tickets/:id/status", method = "post")]
    async fn set_ticket_status(
        &self,
        by: ApiUser<WorkTickets>,
        id: Path<Uuid>,
        body: Body<StepBody>,
    ) -> Result<Json<TicketView>> {
        let StepBody { status, assigned_to, resolution_notes } = body.0;
        let step = Step::parse(assigned_to.map(StaffId), &resolution_notes.unwrap_or_default())?;
        let ticket = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::set_status(tx, &by, TicketId(id.0), status, &step).await)
            .await?;
        Ok(Json(ticket.into()))
    }

    /// Hand a ticket to somebody, or to nobody.
    #[oai(path = "/tickets/:id/assign", method = "post")]
    async fn assign_ticket(
        &self,
        by: ApiUser<AssignTickets>,
        id: Path<Uuid>,
        body: Body<AssignBody>,
    ) -> Result<Json<TicketView>> {
        let assigned_to = body.0.assigned_to.map(StaffId);
        let ticket = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::assign(tx, &by, TicketId(id.0), assigned_to).await)
            .await?;
        Ok(Json(ticket.into()))
    }

    /// Merge another ticket of the same customer into this one.
    ///
    /// What was said and attached there is here afterwards. The other is cancelled for good.
    #[oai(path = "/tickets/:id/merge", method = "post")]
    async fn merge_tickets(
        &self,
        by: ApiUser<EditTickets>,
        id: Path<Uuid>,
        body: Body<MergeBody>,
    ) -> Result<Json<TicketView>> {
        let (into, from) = (TicketId(id.0), TicketId(body.0.from));
        let ticket =
            self.db.in_tenant(&by.tenant, async |tx| rules::merge(tx, &by, into, from).await).await?;
        Ok(Json(ticket.into()))
    }

    /// What was said on a ticket.
    #[oai(path = "/tickets/:id/comments", method = "get")]
    async fn list_comments(&self, by: ApiUser<ViewTickets>, id: Path<Uuid>) -> Result<Json<TicketComments>> {
        let id = TicketId(id.0);
        let (_, comments) = self
            .db
            .read_tenant(&by.tenant, async |tx| try_join!(rules::get(tx, id), talk::find_comments(tx, id)))
            .await?;
        Ok(Json(TicketComments { items: comments.into_iter().map(CommentView::from).collect() }))
    }

    /// Say something on a ticket.
    #[oai(path = "/tickets/:id/comments", method = "post")]
    async fn add_comment(
        &self,
        by: ApiUser<WorkTickets>,
        id: Path<Uuid>,
        body: Body<CommentBody>,
    ) -> Result<Created<CommentView>> {
        let said = Said::parse(&body.0.comment, body.0.is_internal.unwrap_or_default())?;
        let id = TicketId(id.0);
        let comment = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let (_, comment) = talk::comment(tx, &by, id, &said).await?;
                talk::find_comment(tx, id, comment).await
            })
            .await?;
        Ok(Created(comment.into()))
    }
}
