//! The operations on outages.

use chrono::{DateTime, Utc};
use futures_util::try_join;
use poem_openapi::{
    OpenApi, Tags,
    param::{Path, Query},
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::{
    ManageOutages, SetOutagePolicy, ViewOutages,
    body::{
        ConfirmBody, DecideBody, DecisionBody, EndBody, MessageBody, NewOutageBody, OutageChangesBody,
        PolicyBody,
    },
    model::{Cause, Draft, Policy, Status},
    restore::{self, Decision, End},
    rules::{self, Changes, Filter},
    store::Mark,
    subscribers,
    view::{
        OutageDecided, OutageList, OutagePolicy, OutagePreview, OutageSubscribers, OutageView, SubscriberView,
    },
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::{customers, plant::node::Node},
    types::{Check, CustomerId, InstallationId, Limit, OutageId, optional_text},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// Nodes of the plant that are down.
    Outages,
}

/// The operations on outages.
pub struct OutagesApi {
    db: Db,
}

impl OutagesApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

fn statuses(texts: &[String]) -> Result<Vec<Status>> {
    let mut check = Check::new();
    let texts = texts.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty());
    let mut found: Vec<Status> =
        texts.filter_map(|text| check.field("status", Status::parse(text))).collect();
    found.sort_unstable();
    found.dedup();
    check.finish(Some(found))
}

fn draft(cause: Option<Cause>, note: Option<&str>, started_at: Option<DateTime<Utc>>) -> Result<Draft> {
    let cause = cause.unwrap_or(Cause::Unknown);
    Draft::parse(cause.as_str(), note.unwrap_or_default(), started_at, Utc::now())
}

#[OpenApi(tag = "Tag::Outages")]
impl OutagesApi {
    /// List outages.
    ///
    /// The latest first.
    #[oai(path = "/outages", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_outages(
        &self,
        by: ApiUser<ViewOutages>,
        /// One or more of proposed, down, restored, dismissed: repeated, or between commas.
        status: Query<Option<Vec<String>>>,
        /// Those that hit this customer.
        customer_id: Query<Option<Uuid>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter.
        cursor: Query<Option<String>>,
        /// Whether to count all that match.
        total: Query<Option<bool>>,
    ) -> Result<Json<OutageList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(Mark::decode).transpose()?;
        let filter = Filter {
            statuses: statuses(&status.0.unwrap_or_default())?,
            customer: customer_id.0.map(CustomerId),
        };
        let counted = total.0 == Some(true);
        let (mut found, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                if let Some(customer) = filter.customer {
                    customers::get_any(tx, customer).await?;
                }
                let page = rules::list(tx, &filter, mark.as_ref(), limit.and_one());
                if counted {
                    let (found, total) = try_join!(page, rules::count(tx, &filter))?;
                    return Ok((found, Some(total)));
                }
                Ok((page.await?, None))
            })
            .await?;
        let more = limit.cut(&mut found);
        let next_cursor = match found.last() {
            Some(last) if more => Some(Mark::of(&last.outage).encode()?),
            _ => None,
        };
        Ok(Json(OutageList { items: found.into_iter().map(OutageView::from).collect(), next_cursor, total }))
    }

    /// Mark a node as down.
    ///
    /// Whom it hits is written down at once, and their open tickets belong to it. A node that is marked already is 409
    /// `already_down`; one that is proposed is confirmed.
    #[oai(path = "/outages", method = "post")]
    async fn report_outage(
        &self,
        by: ApiUser<ManageOutages>,
        body: Body<NewOutageBody>,
    ) -> Result<Created<OutageView>> {
        let body = body.0;
        let draft = draft(body.cause, body.note.as_deref(), body.started_at)?;
        let node = Node::new(body.node_kind, body.node_id);
        let outage = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let outage = rules::report(tx, &by, node, &draft).await?;
                rules::get(tx, outage.id).await
            })
            .await?;
        Ok(Created(outage.into()))
    }

    /// Show an outage.
    #[oai(path = "/outages/:id", method = "get")]
    async fn get_outage(&self, by: ApiUser<ViewOutages>, id: Path<Uuid>) -> Result<Json<OutageView>> {
        let outage =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(&tx.last(), OutageId(id.0)).await).await?;
        Ok(Json(outage.into()))
    }

    /// Change an outage.
    #[oai(path = "/outages/:id", method = "patch")]
    async fn update_outage(
        &self,
        by: ApiUser<ManageOutages>,
        id: Path<Uuid>,
        body: Body<OutageChangesBody>,
    ) -> Result<Json<OutageView>> {
        let OutageChangesBody { cause, note, started_at, message } = body.0;
        let wanted = Changes {
            cause: cause.map(|cause| cause.as_str().to_owned()),
            note: match note {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(String::new()),
                MaybeUndefined::Value(note) => Some(note),
            },
            started_at,
            message,
        };
        let id = OutageId(id.0);
        let outage = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, &wanted).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(outage.into()))
    }

    /// Whom an outage hits.
    #[oai(path = "/outages/:id/subscribers", method = "get")]
    async fn list_outage_subscribers(
        &self,
        by: ApiUser<ViewOutages>,
        id: Path<Uuid>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<OutageSubscribers>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(subscribers::Mark::decode).transpose()?;
        let id = OutageId(id.0);
        let (_, mut found) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                try_join!(rules::get(tx, id), subscribers::list(tx, id, mark.as_ref(), limit.and_one()))
            })
            .await?;
        let more = limit.cut(&mut found);
        let next_cursor = match found.last() {
            Some(last) if more => Some(subscribers::Mark::of(last).encode()?),
            _ => None,
        };
        let items = found.into_iter().map(SubscriberView::from).collect();
        Ok(Json(OutageSubscribers { items, next_cursor }))
    }

    /// Confirm a proposed outage.
    ///
    /// One that is down already stays as it is.
    #[oai(path = "/outages/:id/confirm", method = "post")]
    async fn confirm_outage(
        &self,
        by: ApiUser<ManageOutages>,
        id: Path<Uuid>,
        body: Body<ConfirmBody>,
    ) -> Result<Json<OutageView>> {
        let body = body.0;
        let draft = draft(body.cause, body.note.as_deref(), body.started_at)?;
        let id = OutageId(id.0);
        let outage = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::confirm(tx, &by, id, &draft).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(outage.into()))
    }

    /// Say that an outage is none.
    ///
    /// Nobody gets anything for it.
    #[oai(path = "/outages/:id/dismiss", method = "post")]
    async fn dismiss_outage(&self, by: ApiUser<ManageOutages>, id: Path<Uuid>) -> Result<Json<OutageView>> {
        let id = OutageId(id.0);
        let outage = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::dismiss(tx, &by, id).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(outage.into()))
    }

    /// Keep a message to all whom an outage hits.
    ///
    /// Nothing goes out by it: it is sent as a message to the segment `outage` with the id of this outage.
    #[oai(path = "/outages/:id/message", method = "post")]
    async fn prepare_outage_message(
        &self,
        by: ApiUser<ManageOutages>,
        id: Path<Uuid>,
        body: Body<MessageBody>,
    ) -> Result<Json<OutageView>> {
        let (id, message) = (OutageId(id.0), &body.0.message);
        let outage = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::prepare_message(tx, &by, id, message).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(outage.into()))
    }

    /// What the end of an outage would come to.
    ///
    /// Nothing is written.
    #[oai(path = "/outages/:id/preview", method = "get")]
    async fn preview_restore(
        &self,
        by: ApiUser<ViewOutages>,
        id: Path<Uuid>,
        /// Now when absent.
        restored_at: Query<Option<DateTime<Utc>>>,
    ) -> Result<Json<OutagePreview>> {
        let (id, asked, now) = (OutageId(id.0), restored_at.0, Utc::now());
        let preview = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let outage = rules::get(tx, id).await?.outage;
                if outage.status != Status::Down {
                    let said = "Only an outage that is down can be restored.";
                    return Err(Error::invalid("restored_at", "not_down", said));
                }
                let at = restore::check_end(&outage, asked, now)?;
                Ok(OutagePreview::new(at, &restore::preview(tx, &by, &outage, at).await?))
            })
            .await?;
        Ok(Json(preview))
    }

    /// Restore an outage.
    ///
    /// What each subscriber lost is written down, and given back as the policy says. One that is over already stays as it is.
    #[oai(path = "/outages/:id/restore", method = "post")]
    async fn restore_outage(
        &self,
        by: ApiUser<ManageOutages>,
        id: Path<Uuid>,
        body: Body<EndBody>,
    ) -> Result<Json<OutageView>> {
        let note = optional_text(&body.0.resolve_tickets_note.unwrap_or_default(), 5_000)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("resolve_tickets_note")]))?;
        let end = End { at: body.0.restored_at, resolve_tickets: note };
        let id = OutageId(id.0);
        let outage = self
            .db
            .in_tenant_for(&by.tenant, restore::AT_MOST, async |tx| {
                restore::restore(tx, &by, id, &end).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(outage.into()))
    }

    /// Decide what subscribers get for an outage.
    ///
    /// Of all that wait, or of some. What was decided already stays.
    #[oai(path = "/outages/:id/extensions", method = "post")]
    async fn decide_extensions(
        &self,
        by: ApiUser<ManageOutages>,
        id: Path<Uuid>,
        body: Body<DecideBody>,
    ) -> Result<Json<OutageDecided>> {
        let decision = match body.0.decision {
            DecisionBody::Extend => Decision::Extend,
            DecisionBody::Decline => Decision::Decline,
        };
        let only: Option<Vec<InstallationId>> =
            body.0.installation_ids.map(|ids| ids.into_iter().map(InstallationId).collect());
        let id = OutageId(id.0);
        let done = self
            .db
            .in_tenant_for(&by.tenant, restore::AT_MOST, async |tx| {
                restore::decide(tx, &by, id, decision, only.as_deref()).await
            })
            .await?;
        Ok(Json(done.into()))
    }

    /// How outages are treated.
    #[oai(path = "/outage-policy", method = "get")]
    async fn get_outage_policy(&self, by: ApiUser<ViewOutages>) -> Result<Json<OutagePolicy>> {
        let policy = self.db.read_tenant(&by.tenant, async |tx| rules::get_policy(&tx.last()).await).await?;
        Ok(Json(policy.into()))
    }

    /// Change how outages are treated.
    #[oai(path = "/outage-policy", method = "patch")]
    async fn update_outage_policy(
        &self,
        by: ApiUser<SetOutagePolicy>,
        body: Body<PolicyBody>,
    ) -> Result<Json<OutagePolicy>> {
        let body = body.0;
        let policy = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change_policy(tx, &by, |was| {
                    Ok(Policy {
                        giving: body.extension.unwrap_or(was.giving),
                        minimum_minutes: body.minimum_minutes.unwrap_or(was.minimum_minutes),
                        propose_tickets: body.propose_tickets.unwrap_or(was.propose_tickets),
                        propose_hours: body.propose_hours.unwrap_or(was.propose_hours),
                    })
                })
                .await
            })
            .await?;
        Ok(Json(policy.into()))
    }
}
