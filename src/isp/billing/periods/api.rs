//! The operations on periods.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Header, Path, Query},
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    model::{Credit, Kind, Status},
    rules::{self, Order},
    store::{self, Filter},
    view::{ChangeView, ListedView, PreviewView, SaleView, SubscriptionList, SubscriptionView},
};
use crate::{
    access::{ApiUser, CreatedOnce, Fingerprint, IdempotencyKey, once},
    db::Db,
    error::{Error, Result},
    isp::billing::{
        CancelSubscriptions, ChangeSubscriptions, RecordPayments, SellSubscriptions, ViewSubscriptions,
        mark::Mark,
        payments::{PaymentBody, PaymentView, nested},
    },
    tenancy::Resolver,
    types::{
        Check, CustomerId, InstallationId, Limit, PlanId, SubscriptionId, line, optional_line, optional_text,
    },
    web::{Body, Json},
};

pub const NOTES_MAX: usize = 2_000;
pub const REASON_MAX: usize = 500;

#[derive(Tags)]
enum Tag {
    /// Periods of service that were sold.
    Subscriptions,
}

/// What is to be sold.
#[derive(Debug, Object)]
#[oai(rename = "NewSubscription")]
pub struct SaleBody {
    installation_id: Uuid,
    plan_id: Uuid,
    kind: Kind,
    /// What is paid, for `custom`; ignored for the others.
    #[oai(nullable)]
    amount: Option<Decimal>,
    #[oai(nullable, validator(max_length = 2000))]
    notes: Option<String>,
    /// Whether the customer's credit pays for it. False when absent.
    #[oai(nullable)]
    use_credit: Option<bool>,
    /// Money that is taken with it. It pays for this first, then what is owed, oldest first; the rest is credit.
    #[oai(nullable)]
    payment: Option<PaymentBody>,
}

impl SaleBody {
    fn parse(self, home: String, now: DateTime<Utc>) -> Result<Order> {
        let payment = match self.payment {
            Some(payment) => Some(payment.parse(home, now).map_err(nested)?),
            None => None,
        };
        let mut check = Check::new();
        let notes = check.field("notes", optional_text(&self.notes.unwrap_or_default(), NOTES_MAX));
        check.finish(notes.map(|notes| Order {
            installation: InstallationId(self.installation_id),
            plan: PlanId(self.plan_id),
            kind: self.kind,
            amount: self.amount,
            notes,
            use_credit: self.use_credit.unwrap_or_default(),
            payment,
        }))
    }
}

/// What would be sold.
#[derive(Debug, Object)]
#[oai(rename = "SalePreviewRequest")]
pub struct PreviewBody {
    installation_id: Uuid,
    plan_id: Uuid,
    kind: Kind,
    /// What is paid, for `custom`; ignored for the others.
    #[oai(nullable)]
    amount: Option<Decimal>,
}

/// Why a period is called off.
#[derive(Debug, Object)]
#[oai(rename = "Cancellation")]
pub struct CancelBody {
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
    /// What becomes of the value that it has left.
    credit: Credit,
}

/// Why a period is held.
#[derive(Debug, Object)]
#[oai(rename = "PauseRequest")]
pub struct PauseBody {
    #[oai(nullable, validator(max_length = 500))]
    reason: Option<String>,
}

/// What is given on top.
#[derive(Debug, Object)]
#[oai(rename = "Extension")]
pub struct ExtendBody {
    /// At most a year.
    #[oai(validator(minimum(value = "1"), maximum(value = "527040")))]
    minutes: i64,
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
}

/// Which plan it becomes.
#[derive(Debug, Object)]
#[oai(rename = "PlanChange")]
pub struct ChangeBody {
    plan_id: Uuid,
}

/// The operations on periods.
pub struct SubscriptionsApi {
    db: Db,
    resolver: Resolver,
}

impl SubscriptionsApi {
    pub fn new(db: Db, resolver: Resolver) -> Self {
        Self { db, resolver }
    }
}

#[OpenApi(tag = "Tag::Subscriptions")]
impl SubscriptionsApi {
    /// List subscriptions.
    ///
    /// The newest come first.
    #[oai(path = "/subscriptions", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_subscriptions(
        &self,
        by: ApiUser<ViewSubscriptions>,
        status: Query<Option<Status>>,
        customer_id: Query<Option<Uuid>>,
        installation_id: Query<Option<Uuid>>,
        plan_id: Query<Option<Uuid>>,
        /// Found in the names, numbers and addresses of customers.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<SubscriptionList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(Mark::decode).transpose()?;
        let filter = Filter {
            status: status.0,
            customer: customer_id.0.map(CustomerId),
            installation: installation_id.0.map(InstallationId),
            plan: plan_id.0.map(PlanId),
            q: q.0.as_deref().and_then(crate::types::search::plain),
        };
        let counted = total.0 == Some(true);
        let (mut items, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                let items = store::list(tx, &filter, mark.map(Mark::pair), limit).await?;
                let total = if counted { Some(store::count(tx, &filter).await?) } else { None };
                Ok((items, total))
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last() {
            Some(last) if more => {
                Some(Mark::new(last.subscription.created_at, last.subscription.id.0).encode()?)
            }
            _ => None,
        };
        let items = items.into_iter().map(ListedView::from).collect();
        Ok(Json(SubscriptionList { items, next_cursor, total }))
    }

    /// Sell a subscription.
    ///
    /// It begins at the end of the latest one of the installation that is not cancelled and still runs, else now. Suspended and
    /// terminated installations are refused: 409. With an `Idempotency-Key` the same request again gets the same answer.
    #[oai(path = "/subscriptions", method = "post")]
    async fn create_subscription(
        &self,
        by: ApiUser<SellSubscriptions>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Body<SaleBody>,
    ) -> Result<CreatedOnce<SaleView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of("create_subscription", &body.0);
        if body.0.payment.is_some() || body.0.use_credit == Some(true) {
            by.require::<RecordPayments>()?;
        }
        let order = body.0.parse(self.resolver.url_of(&by.tenant), Utc::now())?;
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let work = Box::pin(async {
                    let sold = rules::sell(tx, &by, &order).await?;
                    Ok(SaleView {
                        subscription: sold.subscription.into(),
                        payment: sold.payment.map(PaymentView::from),
                    })
                });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await
    }

    /// Preview a sale.
    ///
    /// The figures of a sale, without selling anything.
    #[oai(path = "/subscriptions/preview", method = "post")]
    async fn preview_subscription(
        &self,
        by: ApiUser<SellSubscriptions>,
        body: Body<PreviewBody>,
    ) -> Result<Json<PreviewView>> {
        let PreviewBody { installation_id, plan_id, kind, amount } = body.0;
        let order = Order {
            installation: InstallationId(installation_id),
            plan: PlanId(plan_id),
            kind,
            amount,
            notes: None,
            use_credit: false,
            payment: None,
        };
        let preview = self.db.read_tenant(&by.tenant, async |tx| rules::preview(tx, &order).await).await?;
        Ok(Json(preview.into()))
    }

    /// Show a subscription.
    #[oai(path = "/subscriptions/:id", method = "get")]
    async fn get_subscription(
        &self,
        by: ApiUser<ViewSubscriptions>,
        id: Path<Uuid>,
    ) -> Result<Json<SubscriptionView>> {
        let one =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, SubscriptionId(id.0)).await).await?;
        Ok(Json(one.into()))
    }

    /// Cancel a subscription.
    ///
    /// Later ones of the installation move up. What is credited lowers what is owed; what was paid of it becomes the customer's
    /// credit, which can be used or refunded.
    #[oai(path = "/subscriptions/:id/cancel", method = "post")]
    async fn cancel_subscription(
        &self,
        by: ApiUser<CancelSubscriptions>,
        id: Path<Uuid>,
        body: Body<CancelBody>,
    ) -> Result<Json<SubscriptionView>> {
        let CancelBody { reason, credit } = body.0;
        let reason = line(&reason, REASON_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::cancel(tx, &by, SubscriptionId(id.0), &reason, credit).await
            })
            .await?;
        Ok(Json(one.into()))
    }

    /// Pause a subscription.
    ///
    /// It uses up no days until it is resumed.
    #[oai(path = "/subscriptions/:id/pause", method = "post")]
    async fn pause_subscription(
        &self,
        by: ApiUser<ChangeSubscriptions>,
        id: Path<Uuid>,
        body: Body<PauseBody>,
    ) -> Result<Json<SubscriptionView>> {
        let reason = optional_line(&body.0.reason.unwrap_or_default(), REASON_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::pause(tx, &by, SubscriptionId(id.0), reason.as_deref()).await
            })
            .await?;
        Ok(Json(one.into()))
    }

    /// Resume a subscription.
    ///
    /// It and all later ones end later by the minutes that it stood still.
    #[oai(path = "/subscriptions/:id/resume", method = "post")]
    async fn resume_subscription(
        &self,
        by: ApiUser<ChangeSubscriptions>,
        id: Path<Uuid>,
    ) -> Result<Json<SubscriptionView>> {
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::resume(tx, &by, SubscriptionId(id.0)).await)
            .await?;
        Ok(Json(one.into()))
    }

    /// Extend a subscription.
    ///
    /// Gives minutes on top of one that runs, for nothing; later ones of the installation move.
    #[oai(path = "/subscriptions/:id/extend", method = "post")]
    async fn extend_subscription(
        &self,
        by: ApiUser<ChangeSubscriptions>,
        id: Path<Uuid>,
        body: Body<ExtendBody>,
    ) -> Result<Json<SubscriptionView>> {
        let (id, ExtendBody { minutes, reason }) = (SubscriptionId(id.0), body.0);
        let reason = line(&reason, REASON_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let installation = rules::get(tx, id).await?.installation;
                let extended = rules::extend(tx, &by, installation, minutes, &reason).await?;
                // What runs there must be this one; else nothing is kept of it.
                if extended.is_none_or(|extended| extended.subscription != id) {
                    return Err(Error::conflict("not_running", "Only a period that runs can be extended."));
                }
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(one.into()))
    }

    /// Preview a change of plan.
    ///
    /// What is unused of the running subscription, what that is worth, and what it buys of the other plan.
    #[oai(path = "/subscriptions/:id/change/preview", method = "post")]
    async fn preview_plan_change(
        &self,
        by: ApiUser<ChangeSubscriptions>,
        id: Path<Uuid>,
        body: Body<ChangeBody>,
    ) -> Result<Json<ChangeView>> {
        let (id, plan) = (SubscriptionId(id.0), PlanId(body.0.plan_id));
        let changed =
            self.db.read_tenant(&by.tenant, async |tx| rules::preview_change(tx, id, plan).await).await?;
        Ok(Json(changed.into()))
    }

    /// Change the plan of a subscription.
    ///
    /// The running one ends, and a new one of the other plan begins with what its unused value buys. Answers the new one.
    #[oai(path = "/subscriptions/:id/change", method = "post")]
    async fn change_subscription_plan(
        &self,
        by: ApiUser<ChangeSubscriptions>,
        id: Path<Uuid>,
        body: Body<ChangeBody>,
    ) -> Result<Json<SubscriptionView>> {
        let (id, plan) = (SubscriptionId(id.0), PlanId(body.0.plan_id));
        let one =
            self.db.in_tenant(&by.tenant, async |tx| rules::change_plan(tx, &by, id, plan).await).await?;
        Ok(Json(one.into()))
    }
}
