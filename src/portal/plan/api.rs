//! The plan as programs see it.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{Object, OpenApi, Tags};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    rules::{self, Standing},
    usage::by_month_end,
};
use crate::{
    access::{ApiUser, Owner},
    error::Result,
    portal::settings::ManageSettings,
    tenancy::{
        Registry, Tenant,
        plans::{Feature, Metric, Statement, month_around},
    },
    web::{Body, Json},
};

#[derive(Tags)]
enum Tag {
    /// What the provider's plan allows, and what is used of it.
    Plan,
}

/// One limit and what is used of it.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "PlanUsage")]
struct UsageView {
    /// `staff`, `customers`, `messages` (of this calendar month, with those that wait), `storage` (MiB) or `api_rate` (a second).
    metric: String,
    /// Null for `api_rate`, which is not counted.
    #[oai(nullable)]
    used: Option<i64>,
    /// Null: not limited.
    #[oai(nullable)]
    max: Option<i64>,
    /// What the month comes to if it goes on like this; of `messages`, from its second day on.
    #[oai(nullable)]
    forecast: Option<i64>,
}

/// A plan that can be chosen.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "OfferedPlan")]
struct OfferView {
    code: String,
    name: String,
    summary: String,
    monthly_price: Decimal,
    currency: String,
}

/// The plan, and how it stands.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "PlanStanding")]
struct PlanView {
    /// Null: none, and nothing is limited.
    #[oai(nullable)]
    name: Option<String>,
    #[oai(nullable)]
    monthly_price: Option<Decimal>,
    #[oai(nullable)]
    currency: Option<String>,
    #[oai(nullable)]
    since: Option<DateTime<Utc>>,
    /// Which of the features that plans differ in there are: `campaigns`, `sso`, `custom_domain`.
    features: Vec<String>,
    usage: Vec<UsageView>,
    offered: Vec<OfferView>,
}

fn view(tenant: &Tenant, standing: Standing) -> PlanView {
    let month = month_around(standing.now, tenant.time_zone);
    let usage = |metric: Metric| {
        let used = standing.used.get(&metric).copied();
        let forecast = used.filter(|_| metric == Metric::Messages);
        UsageView {
            metric: metric.as_str().to_owned(),
            used,
            max: tenant.entitlements.max(metric),
            forecast: forecast.and_then(|used| by_month_end(used, standing.now, month)),
        }
    };
    let current = standing.current.as_ref();
    PlanView {
        name: current.map(|had| had.plan_name.clone()),
        monthly_price: current.map(|had| had.monthly_price),
        currency: current.map(|had| had.currency.clone()),
        since: current.map(|had| had.since),
        features: Feature::ALL
            .into_iter()
            .filter(|feature| tenant.entitlements.has(*feature))
            .map(|feature| feature.as_str().to_owned())
            .collect(),
        usage: Metric::ALL.into_iter().map(usage).collect(),
        offered: standing
            .offered
            .into_iter()
            .map(|plan| OfferView {
                code: plan.code,
                name: plan.name,
                summary: plan.summary,
                monthly_price: plan.monthly_price,
                currency: plan.currency,
            })
            .collect(),
    }
}

/// A stretch of a month under one plan.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "StatementLine")]
struct LineView {
    text: String,
    days: i64,
    amount: Decimal,
}

/// What a month came to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Statement")]
struct StatementView {
    id: Uuid,
    /// Its first day.
    month: NaiveDate,
    currency: String,
    lines: Vec<LineView>,
    total: Decimal,
    made_at: DateTime<Utc>,
}

impl From<Statement> for StatementView {
    fn from(one: Statement) -> Self {
        let line = |line: crate::tenancy::plans::Line| LineView {
            text: line.text,
            days: line.days,
            amount: line.amount,
        };
        Self {
            id: one.id,
            month: one.month,
            currency: one.currency,
            lines: one.lines.into_iter().map(line).collect(),
            total: one.total,
            made_at: one.made_at,
        }
    }
}

/// The statements, the newest first.
#[derive(Debug, Serialize, Object)]
struct StatementList {
    items: Vec<StatementView>,
}

/// Which plan is wanted.
#[derive(Debug, Object)]
#[oai(rename = "PlanChoice")]
struct ChoiceBody {
    /// The code of a plan that is offered.
    #[oai(validator(min_length = 2, max_length = 40))]
    plan: String,
}

/// Operations on the provider's own plan.
pub struct PlanApi {
    registry: Registry,
}

impl PlanApi {
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }
}

#[OpenApi(tag = "Tag::Plan")]
impl PlanApi {
    /// Read the plan
    ///
    /// What it allows, what is used of it, and what could be chosen instead.
    #[oai(path = "/settings/plan", method = "get", operation_id = "get_plan_standing")]
    async fn get_plan(&self, by: ApiUser<ManageSettings>) -> Result<Json<PlanView>> {
        let standing = rules::look(&self.registry, &by.tenant).await?;
        Ok(Json(view(&by.tenant, standing)))
    }

    /// Choose a plan
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). 409 `plan_limit_reached` when more is used
    /// than it allows, `same_plan`, and `other_currency` when it is priced in another one than the plan of now.
    #[oai(path = "/settings/plan", method = "put", operation_id = "choose_plan")]
    async fn choose_plan(&self, by: ApiUser<Owner>, body: Body<ChoiceBody>) -> Result<Json<PlanView>> {
        rules::choose(&self.registry, &by, &body.0.plan).await?;
        let tenant = self.registry.find_by_id(by.tenant.id()).await?.unwrap_or_else(|| by.tenant.clone());
        let standing = rules::look(&self.registry, &tenant).await?;
        Ok(Json(view(&tenant, standing)))
    }

    /// List the statements
    ///
    /// One for each month that is over and currency, the newest first; at most sixty.
    #[oai(path = "/settings/plan/statements", method = "get", operation_id = "list_statements")]
    async fn list_statements(&self, by: ApiUser<ManageSettings>) -> Result<Json<StatementList>> {
        let statements = rules::look(&self.registry, &by.tenant).await?.statements;
        Ok(Json(StatementList { items: statements.into_iter().map(StatementView::from).collect() }))
    }
}
