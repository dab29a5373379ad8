//! Plans as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    EditPlans, ViewPlans,
    model::{PastPrice, Plan, PlanDraft, PlanFilter, PlanMark, Tax, Typed},
    rules,
};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    types::{Cursor, Limit, PlanId},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// What is sold, and at which price.
    Plans,
}

/// A plan.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Plan")]
pub struct PlanView {
    id: Uuid,
    name: String,
    description: String,
    download_mbps: i32,
    upload_mbps: i32,
    /// For `period_days` days.
    price: Decimal,
    period_days: i16,
    tax: Tax,
    /// Only active plans are sold.
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let draft = plan.draft;
        Self {
            id: plan.id.0,
            name: draft.name,
            description: draft.description,
            download_mbps: draft.download_mbps,
            upload_mbps: draft.upload_mbps,
            price: draft.price,
            period_days: draft.period_days,
            tax: draft.tax,
            is_active: draft.is_active,
            created_at: plan.created_at,
            updated_at: plan.updated_at,
        }
    }
}

/// One page of plans.
#[derive(Debug, Serialize, Object)]
pub struct PlanList {
    items: Vec<PlanView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// What a plan cost from an instant on.
#[derive(Debug, Serialize, Object)]
pub struct PlanPrice {
    price: Decimal,
    period_days: i16,
    valid_from: DateTime<Utc>,
    changed_by: String,
}

impl From<PastPrice> for PlanPrice {
    fn from(past: PastPrice) -> Self {
        Self {
            price: past.price,
            period_days: past.period_days,
            valid_from: past.valid_from,
            changed_by: past.changed_by,
        }
    }
}

/// What a plan cost when, newest first.
#[derive(Debug, Serialize, Object)]
pub struct PlanPrices {
    items: Vec<PlanPrice>,
}

/// A new plan.
#[derive(Debug, Object)]
#[oai(rename = "NewPlan")]
pub struct NewPlanBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    #[oai(nullable, validator(max_length = 2000))]
    description: Option<String>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    download_mbps: i32,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    upload_mbps: i32,
    /// At most two decimals; 0.00 for a plan that is given away.
    price: Decimal,
    /// 30 when absent.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "366")))]
    period_days: Option<i16>,
    /// `vatable` when absent.
    #[oai(nullable)]
    tax: Option<Tax>,
    /// True unless said otherwise.
    #[oai(nullable)]
    is_active: Option<bool>,
}

impl NewPlanBody {
    fn parse(self) -> Result<PlanDraft> {
        Typed {
            name: self.name,
            description: self.description.unwrap_or_default(),
            download_mbps: self.download_mbps,
            upload_mbps: self.upload_mbps,
            price: self.price,
            period_days: self.period_days.unwrap_or(30),
            tax: self.tax.unwrap_or(Tax::Vatable),
            is_active: self.is_active.unwrap_or(true),
        }
        .parse()
    }
}

/// Changes of a plan; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PlanChanges")]
pub struct PlanChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    download_mbps: Option<i32>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    upload_mbps: Option<i32>,
    price: Option<Decimal>,
    #[oai(validator(minimum(value = "1"), maximum(value = "366")))]
    period_days: Option<i16>,
    tax: Option<Tax>,
    is_active: Option<bool>,
}

impl PlanChangesBody {
    fn over(self, was: Typed) -> Result<PlanDraft> {
        Typed {
            name: self.name.unwrap_or(was.name),
            description: self.description.unwrap_or(was.description),
            download_mbps: self.download_mbps.unwrap_or(was.download_mbps),
            upload_mbps: self.upload_mbps.unwrap_or(was.upload_mbps),
            price: self.price.unwrap_or(was.price),
            period_days: self.period_days.unwrap_or(was.period_days),
            tax: self.tax.unwrap_or(was.tax),
            is_active: self.is_active.unwrap_or(was.is_active),
        }
        .parse()
    }
}

/// The operations on plans.
pub struct PlansApi {
    db: Db,
}

impl PlansApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Plans")]
impl PlansApi {
    /// List plans.
    ///
    /// The cheapest come first.
    #[oai(path = "/plans", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_plans(
        &self,
        by: ApiUser<ViewPlans>,
        /// Found in names and descriptions.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        is_active: Query<Option<bool>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<PlanList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(PlanMark::decode).transpose()?;
        let q = q.0.map(|q| q.replace('\0', "").trim().to_owned()).filter(|q| !q.is_empty());
        let filter = PlanFilter { q, is_active: is_active.0 };
        let counted = total.0 == Some(true);
        let (items, more, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let (items, more) = rules::list(tx, &filter, mark.as_ref(), limit).await?;
                let total = if counted {
                    let (all, active) = rules::count(tx, filter.q.as_deref()).await?;
                    Some(filter.is_active.map_or(all, |yes| if yes { active } else { all - active }))
                } else {
                    None
                };
                Ok((items, more, total))
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(PlanMark::of(last)).encode()?),
            _ => None,
        };
        Ok(Json(PlanList { items: items.into_iter().map(PlanView::from).collect(), next_cursor, total }))
    }

    /// Add a plan.
    ///
    /// Names are unique in any case: 409 `name_taken`.
    #[oai(path = "/plans", method = "post")]
    async fn create_plan(
        &self,
        by: ApiUser<EditPlans>,
        body: Body<NewPlanBody>,
    ) -> Result<Created<PlanView>> {
        let draft = body.0.parse()?;
        let plan = self.db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &draft).await).await?;
        Ok(Created(plan.into()))
    }

    /// Show a plan.
    #[oai(path = "/plans/:id", method = "get")]
    async fn get_plan(&self, by: ApiUser<ViewPlans>, id: Path<Uuid>) -> Result<Json<PlanView>> {
        let plan = self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, PlanId(id.0)).await).await?;
        Ok(Json(plan.into()))
    }

    /// What a plan cost when.
    #[oai(path = "/plans/:id/prices", method = "get")]
    async fn list_plan_prices(&self, by: ApiUser<ViewPlans>, id: Path<Uuid>) -> Result<Json<PlanPrices>> {
        let id = PlanId(id.0);
        let prices = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::get(tx, id).await?;
                rules::prices(tx, id).await
            })
            .await?;
        Ok(Json(PlanPrices { items: prices.into_iter().map(PlanPrice::from).collect() }))
    }

    /// Change a plan.
    ///
    /// What was sold of it stays what it was sold as.
    #[oai(path = "/plans/:id", method = "patch")]
    async fn update_plan(
        &self,
        by: ApiUser<EditPlans>,
        id: Path<Uuid>,
        body: Body<PlanChangesBody>,
    ) -> Result<Json<PlanView>> {
        let (id, body) = (PlanId(id.0), &body.0);
        let plan = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::change(tx, &by, id, |was| body.clone().over(was)).await)
            .await?;
        Ok(Json(plan.into()))
    }

    /// Delete a plan.
    ///
    /// One that was sold is kept: 409 `in_use`. Switch it off instead.
    #[oai(path = "/plans/:id", method = "delete")]
    async fn delete_plan(&self, by: ApiUser<EditPlans>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, PlanId(id.0)).await).await?;
        Ok(NoContent)
    }
}
