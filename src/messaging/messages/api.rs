//! Messages as programs send and watch them.

use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Header, Path, Query},
};
use uuid::Uuid;

use super::{
    Lane, SendMessages, ViewMessages,
    body::MessageBody,
    deliveries::{self, DeliveryFilter},
    estimate::estimate,
    rules,
    store::{self, MessageFilter},
    view::{
        DeliveriesChanged, DeliveryList, DeliveryStory, DeliveryView, EstimateView, MessageList, MessageView,
        SentView, StepView,
    },
};
use crate::{
    access::{AcceptedOnce, ApiUser, Fingerprint, IdempotencyKey, once},
    db::TenantTx,
    error::{Error, Result},
    messaging::{Channel, Messaging, Status, figures},
    types::{Cursor, DeliveryId, Limit, MessageId, search::plain},
    web::{Body, Json},
};

const Q_MAX: usize = 100;

#[derive(Tags)]
enum Tag {
    /// What is said to whom, and what became of it.
    Messages,
}

/// What is tried again.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "Retry")]
pub struct RetryBody {
    /// Those of unknown fate, too: they may arrive twice. False when absent.
    with_unknown: Option<bool>,
}

/// The operations on messages.
pub struct MessagesApi {
    messaging: Messaging,
}

impl MessagesApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

/// A query that names a channel.
pub(super) fn channel_of(text: Option<&str>) -> Result<Option<Channel>> {
    let parsed = text.filter(|text| !text.is_empty()).map(str::parse::<Channel>).transpose();
    parsed.map_err(|odd| Error::Invalid(vec![odd.at("channel")]))
}

/// A message as it is now.
async fn shown(tx: &TenantTx, id: MessageId) -> Result<MessageView> {
    Ok(MessageView::new(rules::get(tx, id).await?, &figures::counts(tx, &[id]).await?))
}

#[OpenApi(tag = "Tag::Messages")]
impl MessagesApi {
    /// Send a message.
    ///
    /// It is accepted when it is written down; what becomes of each delivery is told by receipts, events and `GET /deliveries/{id}`.
    /// An empty audience is refused. With an `Idempotency-Key` the same request again gets the same answer, and is sent once.
    #[oai(path = "/messages", method = "post")]
    async fn send_message(
        &self,
        by: ApiUser<SendMessages>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Body<MessageBody>,
    ) -> Result<AcceptedOnce<SentView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of("send_message", &body.0);
        let ask = body.0.parse()?;
        let messaging = &self.messaging;
        let sent = messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                let work =
                    Box::pin(async { rules::send(tx, messaging, &by, &ask).await.map(SentView::from) });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await?;
        messaging.bell.notify_one();
        Ok(AcceptedOnce(sent))
    }

    /// Estimate a message.
    ///
    /// How many it names, what it says to the first of them, and what it would cost. Nothing is sent or kept.
    #[oai(path = "/messages/estimate", method = "post")]
    async fn estimate_message(
        &self,
        by: ApiUser<SendMessages>,
        body: Body<MessageBody>,
    ) -> Result<Json<EstimateView>> {
        let ask = body.0.parse()?;
        let messaging = &self.messaging;
        let found = messaging
            .db
            .read_tenant(&by.tenant, async |tx| estimate(tx, messaging, &by.tenant, &ask).await)
            .await?;
        Ok(Json(found.into()))
    }

    /// List messages.
    #[oai(path = "/messages", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list_messages(
        &self,
        by: ApiUser<ViewMessages>,
        /// Part of what it says.
        #[oai(validator(max_length = 100))]
        q: Query<Option<String>>,
        /// `waiting`, `expanding`, `ready`, `cancelled`.
        status: Query<Option<String>>,
        channel: Query<Option<String>>,
        priority: Query<Option<Lane>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<MessageList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<MessageId>::decode).transpose()?.map(|at| at.0);
        let filter = MessageFilter {
            q: q.0.as_deref().and_then(plain).filter(|q| q.len() <= 4 * Q_MAX),
            status: status.0,
            channel: channel_of(channel.0.as_deref())?,
            lane: priority.0,
        };
        let (mut items, counts) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let items = store::list(tx, &filter, before, limit.and_one()).await?;
                let ids: Vec<MessageId> = items.iter().map(|message| message.id).collect();
                Ok((items, figures::counts(tx, &ids).await?))
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        let items = items.into_iter().map(|message| MessageView::new(message, &counts)).collect();
        Ok(Json(MessageList { items, next_cursor }))
    }

    /// Show a message.
    #[oai(path = "/messages/:id", method = "get")]
    async fn get_message(&self, by: ApiUser<ViewMessages>, id: Path<Uuid>) -> Result<Json<MessageView>> {
        let id = MessageId(id.0);
        let view = self.messaging.db.read_tenant(&by.tenant, async |tx| shown(tx, id).await).await?;
        Ok(Json(view))
    }

    /// Cancel a message.
    ///
    /// What nobody has begun to send is taken back; 409 `nothing_queued` when there is nothing of the kind.
    #[oai(path = "/messages/:id/cancel", method = "post")]
    async fn cancel_message(
        &self,
        by: ApiUser<SendMessages>,
        id: Path<Uuid>,
    ) -> Result<Json<DeliveriesChanged>> {
        let taken = self
            .messaging
            .db
            .in_tenant(&by.tenant, async |tx| rules::cancel(tx, &by, MessageId(id.0)).await)
            .await?;
        Ok(Json(DeliveriesChanged { deliveries: i64::try_from(taken).unwrap_or(i64::MAX) }))
    }

    /// Pause a message.
    ///
    /// Nothing of it goes out until it is resumed, but what a provider is being given right now. 409 `nothing_queued` when nothing of
    /// it is left to be sent.
    #[oai(path = "/messages/:id/pause", method = "post")]
    async fn pause_message(&self, by: ApiUser<SendMessages>, id: Path<Uuid>) -> Result<Json<MessageView>> {
        let id = MessageId(id.0);
        let view = self
            .messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::pause(tx, &by, id).await?;
                shown(tx, id).await
            })
            .await?;
        Ok(Json(view))
    }

    /// Resume a message.
    #[oai(path = "/messages/:id/resume", method = "post")]
    async fn resume_message(&self, by: ApiUser<SendMessages>, id: Path<Uuid>) -> Result<Json<MessageView>> {
        let id = MessageId(id.0);
        let view = self
            .messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::resume(tx, &by, id).await?;
                shown(tx, id).await
            })
            .await?;
        self.messaging.bell.notify_one();
        Ok(Json(view))
    }

    /// Try a message's failed deliveries again.
    ///
    /// 409 `nothing_failed` when there are none, `message_cancelled` when it was cancelled.
    #[oai(path = "/messages/:id/retry", method = "post")]
    async fn retry_message(
        &self,
        by: ApiUser<SendMessages>,
        id: Path<Uuid>,
        body: Body<RetryBody>,
    ) -> Result<Json<DeliveriesChanged>> {
        let with_unknown = body.0.with_unknown.unwrap_or(false);
        let risen = self
            .messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::retry(tx, &by, MessageId(id.0), None, with_unknown).await
            })
            .await?;
        self.messaging.bell.notify_one();
        Ok(Json(DeliveriesChanged { deliveries: i64::try_from(risen).unwrap_or(i64::MAX) }))
    }

    /// List deliveries.
    #[oai(path = "/deliveries", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list_deliveries(
        &self,
        by: ApiUser<ViewMessages>,
        message_id: Query<Option<Uuid>>,
        status: Query<Option<Status>>,
        channel: Query<Option<String>>,
        /// A whole address, as its channel spells it: `+639171234567`.
        #[oai(validator(max_length = 4096))]
        address: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<DeliveryList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<DeliveryId>::decode).transpose()?.map(|at| at.0);
        let filter = DeliveryFilter {
            message: message_id.0.map(MessageId),
            status: status.0,
            channel: channel_of(channel.0.as_deref())?,
            address: address.0.as_deref().and_then(plain),
        };
        let mut items = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                if let Some(message) = filter.message {
                    rules::get(tx, message).await?;
                }
                deliveries::list(tx, &filter, before, limit.and_one()).await
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        Ok(Json(DeliveryList { items: items.into_iter().map(DeliveryView::from).collect(), next_cursor }))
    }

    /// Show a delivery and its story.
    #[oai(path = "/deliveries/:id", method = "get")]
    async fn get_delivery(&self, by: ApiUser<ViewMessages>, id: Path<Uuid>) -> Result<Json<DeliveryStory>> {
        let id = DeliveryId(id.0);
        let (delivery, steps) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
                let steps = deliveries::story(tx, &delivery).await?;
                Ok((delivery, steps))
            })
            .await?;
        let steps = steps.into_iter().map(StepView::from).collect();
        Ok(Json(DeliveryStory { delivery: delivery.into(), steps }))
    }

    /// Cancel a delivery.
    #[oai(path = "/deliveries/:id/cancel", method = "post")]
    async fn cancel_delivery(
        &self,
        by: ApiUser<SendMessages>,
        id: Path<Uuid>,
    ) -> Result<Json<DeliveriesChanged>> {
        let id = DeliveryId(id.0);
        self.messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
                rules::cancel_one(tx, &by, delivery.message, id).await
            })
            .await?;
        Ok(Json(DeliveriesChanged { deliveries: 1 }))
    }

    /// Try a failed delivery again.
    ///
    /// One of unknown fate only with `with_unknown`: it may arrive twice.
    #[oai(path = "/deliveries/:id/retry", method = "post")]
    async fn retry_delivery(
        &self,
        by: ApiUser<SendMessages>,
        id: Path<Uuid>,
        body: Body<RetryBody>,
    ) -> Result<Json<DeliveriesChanged>> {
        let (id, with_unknown) = (DeliveryId(id.0), body.0.with_unknown.unwrap_or(false));
        self.messaging
            .db
            .in_tenant(&by.tenant, async |tx| {
                let delivery = deliveries::find(tx, id).await?.ok_or(Error::not_found("delivery"))?;
                rules::retry(tx, &by, delivery.message, Some(id), with_unknown).await
            })
            .await?;
        self.messaging.bell.notify_one();
        Ok(Json(DeliveriesChanged { deliveries: 1 }))
    }
}
