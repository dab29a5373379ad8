//! Campaigns as programs prepare and watch them.

use std::collections::HashMap;

use poem_openapi::{
    OpenApi, Tags,
    param::{Path, Query},
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    RunCampaigns, ViewCampaigns,
    model::{Campaign, State},
    rules,
    view::{CampaignChanges, CampaignList, CampaignView, NewCampaignBody},
};
use crate::{
    access::ApiUser,
    db::TenantTx,
    error::Result,
    messaging::{
        Messaging,
        messages::{self, EstimateView, MessageCounts, estimate},
    },
    types::{CampaignId, Cursor, Limit, MessageId, search::plain},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// Messages to many, prepared and watched.
    Campaigns,
}

/// The operations on campaigns.
pub struct CampaignsApi {
    messaging: Messaging,
}

impl CampaignsApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

type Sent = (i32, MessageCounts, Decimal);

/// What became of the recipients of each campaign that was started.
pub(super) async fn sent_by(tx: &TenantTx, campaigns: &[Campaign]) -> Result<HashMap<MessageId, Sent>> {
    let ids: Vec<MessageId> = campaigns.iter().filter_map(|campaign| campaign.message).collect();
    let found = messages::find_all(tx, &ids).await?;
    Ok(found
        .into_iter()
        .map(|(message, counts, price)| (message.id, (message.recipients, counts, price)))
        .collect())
}

async fn shown(tx: &TenantTx, campaign: Campaign) -> Result<CampaignView> {
    let mut sent = sent_by(tx, std::slice::from_ref(&campaign)).await?;
    let sent = campaign.message.and_then(|id| sent.remove(&id));
    Ok(CampaignView::new(campaign, sent))
}

#[OpenApi(tag = "Tag::Campaigns")]
impl CampaignsApi {
    /// List campaigns.
    #[oai(path = "/campaigns", method = "get")]
    async fn list_campaigns(
        &self,
        by: ApiUser<ViewCampaigns>,
        /// Part of its name.
        #[oai(validator(max_length = 100))]
        q: Query<Option<String>>,
        state: Query<Option<State>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<CampaignList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<CampaignId>::decode).transpose()?.map(|at| at.0);
        let q = q.0.as_deref().and_then(plain);
        let (items, more, mut sent) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let (items, more) = rules::list(tx, q.as_deref(), state.0, before, limit).await?;
                let sent = sent_by(tx, &items).await?;
                Ok((items, more, sent))
            })
            .await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        let items = items
            .into_iter()
            .map(|campaign| {
                let sent = campaign.message.and_then(|id| sent.remove(&id));
                CampaignView::new(campaign, sent)
            })
            .collect();
        Ok(Json(CampaignList { items, next_cursor }))
    }

    /// Prepare a campaign.
    #[oai(path = "/campaigns", method = "post")]
    async fn create_campaign(
        &self,
        by: ApiUser<RunCampaigns>,
        body: Body<NewCampaignBody>,
    ) -> Result<Created<CampaignView>> {
        let draft = body.0.parse()?;
        let messaging = &self.messaging;
        let view = messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                shown(tx, rules::create(tx, messaging, &by, draft).await?).await
            })
            .await?;
        Ok(Created(view))
    }

    /// Show a campaign.
    #[oai(path = "/campaigns/:id", method = "get")]
    async fn get_campaign(&self, by: ApiUser<ViewCampaigns>, id: Path<Uuid>) -> Result<Json<CampaignView>> {
        let view = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| shown(tx, rules::get(tx, CampaignId(id.0)).await?).await)
            .await?;
        Ok(Json(view))
    }

    /// Change a campaign that was not started.
    #[oai(path = "/campaigns/:id", method = "patch")]
    async fn update_campaign(
        &self,
        by: ApiUser<RunCampaigns>,
        id: Path<Uuid>,
        body: Body<CampaignChanges>,
    ) -> Result<Json<CampaignView>> {
        let (messaging, body, id) = (&self.messaging, &body.0, CampaignId(id.0));
        let view = messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                let changed = rules::change(tx, messaging, &by, id, |was| body.over(was)).await?;
                shown(tx, changed).await
            })
            .await?;
        Ok(Json(view))
    }

    /// Delete a campaign that was never started.
    #[oai(path = "/campaigns/:id", method = "delete")]
    async fn delete_campaign(&self, by: ApiUser<RunCampaigns>, id: Path<Uuid>) -> Result<NoContent> {
        let db = &self.messaging.db;
        db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, CampaignId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// Estimate a campaign.
    ///
    /// How many it names, what it says to the first of them, and what it would cost. 409 `template_not_approved` when its template may
    /// not be sent.
    #[oai(path = "/campaigns/:id/estimate", method = "get")]
    async fn estimate_campaign(
        &self,
        by: ApiUser<ViewCampaigns>,
        id: Path<Uuid>,
    ) -> Result<Json<EstimateView>> {
        let messaging = &self.messaging;
        let found = messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let ask = rules::get(tx, CampaignId(id.0)).await?.draft.ask();
                estimate(tx, messaging, &by.tenant, &ask).await
            })
            .await?;
        Ok(Json(found.into()))
    }

    /// Start a campaign, or schedule it.
    ///
    /// With `starts_at` in the future it waits until then. 422 names what is missing, 409 `campaign_started` when it was started before.
    #[oai(path = "/campaigns/:id/start", method = "post")]
    async fn start_campaign(&self, by: ApiUser<RunCampaigns>, id: Path<Uuid>) -> Result<Json<CampaignView>> {
        let (messaging, id) = (&self.messaging, CampaignId(id.0));
        let view = messaging
            .db
            .in_tenant(&by.tenant, async |tx| shown(tx, rules::start(tx, messaging, &by, id).await?).await)
            .await?;
        messaging.bell.notify_one();
        Ok(Json(view))
    }

    /// Pause a campaign.
    ///
    /// Nothing of it goes out until it is resumed, but what a provider is being given right now.
    #[oai(path = "/campaigns/:id/pause", method = "post")]
    async fn pause_campaign(&self, by: ApiUser<RunCampaigns>, id: Path<Uuid>) -> Result<Json<CampaignView>> {
        let (db, id) = (&self.messaging.db, CampaignId(id.0));
        let view =
            db.in_tenant(&by.tenant, async |tx| shown(tx, rules::pause(tx, &by, id).await?).await).await?;
        Ok(Json(view))
    }

    /// Resume a campaign.
    #[oai(path = "/campaigns/:id/resume", method = "post")]
    async fn resume_campaign(&self, by: ApiUser<RunCampaigns>, id: Path<Uuid>) -> Result<Json<CampaignView>> {
        let (db, id) = (&self.messaging.db, CampaignId(id.0));
        let view =
            db.in_tenant(&by.tenant, async |tx| shown(tx, rules::resume(tx, &by, id).await?).await).await?;
        self.messaging.bell.notify_one();
        Ok(Json(view))
    }

    /// Cancel a campaign.
    ///
    /// What nobody has begun to send is taken back, for good.
    #[oai(path = "/campaigns/:id/cancel", method = "post")]
    async fn cancel_campaign(&self, by: ApiUser<RunCampaigns>, id: Path<Uuid>) -> Result<Json<CampaignView>> {
        let (db, id) = (&self.messaging.db, CampaignId(id.0));
        let view =
            db.in_tenant(&by.tenant, async |tx| shown(tx, rules::cancel(tx, &by, id).await?).await).await?;
        Ok(Json(view))
    }
}
