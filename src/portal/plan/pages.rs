//! The page of the provider's plan.

use poem::{Response, handler, http::Method, web::Data};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    rules::{self, Standing},
    usage::{Level, by_month_end, days_left, percent},
};
use crate::{
    access::{CheckedForm, Guarded, Owner, PageUser},
    error::{Error, Result},
    portal::settings::ManageSettings,
    tenancy::{
        Registry, Tenant,
        plans::{Feature, Metric, Plan, Statement, month_around},
    },
    web::{
        Flash, Moment, RouteTable,
        parts::{counted, grouped, money},
    },
    words::{locale, say},
};

const PATH: &str = "/settings/plan";

pub fn pages(table: &mut RouteTable) {
    table.page::<ManageSettings>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, choose);
}

#[derive(Serialize)]
struct UsageRow {
    label: &'static str,
    used: String,
    /// Empty: not limited.
    max: String,
    percent: i64,
    /// `success`, `warning` or `error`.
    tone: &'static str,
    word: &'static str,
    outlook: String,
}

#[derive(Serialize)]
struct FeatureRow {
    label: &'static str,
    has: bool,
}

#[derive(Serialize)]
struct Offer {
    code: String,
    name: String,
    summary: String,
    price: String,
    is_current: bool,
    limits: Vec<String>,
    features: Vec<&'static str>,
}

#[derive(Serialize)]
struct LineRow {
    text: String,
    amount: String,
}

#[derive(Serialize)]
struct StatementRow {
    month: String,
    total: String,
    lines: Vec<LineRow>,
    used: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct PlanPage {
    settings_tab: &'static str,
    name: String,
    price: String,
    since: Option<Moment>,
    usage: Vec<UsageRow>,
    features: Vec<FeatureRow>,
    offers: Vec<Offer>,
    statements: Vec<StatementRow>,
    is_owner: bool,
}

/// `₱1,500.00 a month`, `Free`.
fn price_of(price: Decimal, currency: &str) -> String {
    if price.is_zero() { say("Free").into() } else { say!("{} a month", money(price, currency)) }
}

fn outlook(metric: Metric, used: i64, max: Option<i64>, standing: &Standing, tenant: &Tenant) -> String {
    let now = standing.now;
    if metric == Metric::Messages {
        let month = month_around(now, tenant.time_zone);
        return by_month_end(used, now, month)
            .filter(|sum| *sum > used)
            .map(|sum| say!("About {} by the end of the month", grouped(sum)))
            .unwrap_or_default();
    }
    let today = now.with_timezone(&tenant.time_zone.0).date_naive();
    let Some((then, max)) = standing.before.get(&metric).zip(max) else { return String::new() };
    days_left(*then, (today, used), max)
        .map(|days| say!("Full in about {}", counted(days, "day", "days")))
        .unwrap_or_default()
}

fn usage_row(metric: Metric, used: i64, standing: &Standing, tenant: &Tenant) -> UsageRow {
    let max = tenant.entitlements.max(metric);
    let level = max.map_or(Level::Well, |max| Level::of(used, max));
    let (tone, word) = match level {
        Level::Well => ("success", ""),
        Level::Near => ("warning", say("Nearly full")),
        Level::Full => ("error", say("Full")),
    };
    UsageRow {
        label: metric.label(),
        used: grouped(used),
        max: max.map(grouped).unwrap_or_default(),
        percent: max.map_or(0, |max| percent(used, max)),
        tone,
        word,
        outlook: outlook(metric, used, max, standing, tenant),
    }
}

fn offer_of(plan: Plan, standing: &Standing) -> Offer {
    let limit = |metric: Metric| match plan.limits.get(&metric) {
        Some(max) => format!("{}: {}", metric.label(), grouped(*max)),
        None => say!("{}: no limit", metric.label()),
    };
    Offer {
        price: price_of(plan.monthly_price, &plan.currency),
        is_current: standing.current.as_ref().is_some_and(|had| had.plan_id == plan.id),
        limits: Metric::ALL.into_iter().filter(|metric| *metric != Metric::ApiRate).map(limit).collect(),
        features: plan.features.iter().map(|feature| feature.label()).collect(),
        code: plan.code,
        name: plan.name,
        summary: plan.summary,
    }
}

fn statement_of(one: Statement) -> StatementRow {
    StatementRow {
        month: one.month.format_localized("%B %Y", locale()).to_string(),
        total: money(one.total, &one.currency),
        lines: one
            .lines
            .into_iter()
            .map(|line| LineRow { amount: money(line.amount, &one.currency), text: line.text })
            .collect(),
        used: one.used.into_iter().map(|(metric, amount)| (metric.label(), grouped(amount))).collect(),
    }
}

#[handler]
async fn show(user: PageUser, registry: Data<&Registry>) -> Result<Response> {
    let tenant = user.tenant();
    let mut standing = rules::look(&registry, tenant).await?;
    let (offered, statements) =
        (std::mem::take(&mut standing.offered), std::mem::take(&mut standing.statements));
    let current = standing.current.as_ref();
    let view = PlanPage {
        settings_tab: "plan",
        name: current.map(|had| had.plan_name.clone()).unwrap_or_default(),
        price: current.map(|had| price_of(had.monthly_price, &had.currency)).unwrap_or_default(),
        since: current.map(|had| Moment::long_day(had.since, tenant.time_zone.0)),
        usage: standing
            .used
            .iter()
            .map(|(metric, used)| usage_row(*metric, *used, &standing, tenant))
            .collect(),
        features: Feature::ALL
            .into_iter()
            .map(|feature| FeatureRow { label: feature.label(), has: tenant.entitlements.has(feature) })
            .collect(),
        offers: offered.into_iter().map(|plan| offer_of(plan, &standing)).collect(),
        statements: statements.into_iter().map(statement_of).collect(),
        is_owner: user.by.rights.is_owner,
    };
    user.render("portal/settings_plan.html", say("Plan"), &view)
}

#[handler]
async fn choose(user: PageUser, registry: Data<&Registry>, form: CheckedForm) -> Result<Response> {
    match rules::choose(&registry, &user.by, form.get("plan")).await {
        Ok(plan) => Ok(user.then(PATH, &Flash::success(say!("Your plan is {} now.", plan.name)))),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => {
            Ok(user.then(PATH, &Flash::error(error.detail())))
        }
        Err(error) => Err(error),
    }
}
