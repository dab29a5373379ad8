//! The card of a tenant's plan on its page in the console: what it has, what it used of it, and what was agreed.

use chrono::{Days, Utc};
use serde::Serialize;

use crate::{
    error::Result,
    platform::console::ConsoleUser,
    tenancy::{
        Tenant,
        plans::{self, Metric, Statement},
    },
    web::{
        FormView, Moment,
        parts::{Choice, grouped, money},
    },
    words::locale,
};

const STATEMENTS_SHOWN: usize = 12;

#[derive(Serialize)]
struct LimitRow {
    name: &'static str,
    label: &'static str,
    /// What was written down last; empty: nothing yet.
    used: String,
    /// Empty: no limit.
    max: String,
    is_agreed: bool,
}

#[derive(Serialize)]
struct StatementRow {
    month: String,
    total: String,
}

/// What there is to say of a tenant's plan.
#[derive(Serialize)]
pub struct PlanCard {
    name: String,
    price: String,
    since: Option<Moment>,
    chosen_by: String,
    rows: Vec<LimitRow>,
    statements: Vec<StatementRow>,
    plans: Vec<Choice>,
    form: FormView,
}

/// The form of limits, with nothing in it.
pub fn empty_limits(base: &str) -> FormView {
    FormView::empty(format!("{base}/limits"), &Metric::ALL.map(Metric::as_str))
}

fn statement_of(one: Statement) -> StatementRow {
    StatementRow {
        month: one.month.format_localized("%B %Y", locale()).to_string(),
        total: money(one.total, &one.currency),
    }
}

/// Looks it up without entering the tenant: what is used is what the day's count wrote down.
pub async fn plan_card(user: &ConsoleUser, tenant: &Tenant, form: FormView) -> Result<PlanCard> {
    let today = Utc::now().with_timezone(&tenant.time_zone.0).date_naive();
    let days = (today.checked_sub_days(Days::new(2)).unwrap_or(today), today);
    let id = tenant.id();
    let (current, agreed, all, usage, statements) = user
        .console
        .db
        .read_public(async |tx| {
            Ok((
                plans::current(tx, id).await?,
                plans::limits_of(tx, id).await?,
                plans::list_plans(tx).await?,
                plans::list_usage(tx, id, days).await?,
                plans::list_statements(tx, id).await?,
            ))
        })
        .await?;
    let is_refused = !form.errors.is_empty();
    let form = agreed.iter().filter(|_| !is_refused).fold(form, |form, (metric, max)| {
        form.with(metric.as_str(), max.map_or_else(|| "none".to_owned(), |max| max.to_string()))
    });
    let used =
        |metric| usage.iter().rev().find(|(_, of, _)| *of == metric).map(|(_, _, amount)| grouped(*amount));
    let row = |metric: Metric| LimitRow {
        name: metric.as_str(),
        label: metric.label(),
        used: used(metric).unwrap_or_default(),
        max: tenant.entitlements.max(metric).map(grouped).unwrap_or_default(),
        is_agreed: agreed.contains_key(&metric),
    };
    let current = current.as_ref();
    Ok(PlanCard {
        name: current.map(|had| had.plan_name.clone()).unwrap_or_default(),
        price: current.map(|had| money(had.monthly_price, &had.currency)).unwrap_or_default(),
        since: current.map(|had| Moment::day(had.since, chrono_tz::UTC)),
        chosen_by: current.map(|had| had.chosen_by.clone()).unwrap_or_default(),
        rows: Metric::ALL.into_iter().map(row).collect(),
        statements: statements.into_iter().take(STATEMENTS_SHOWN).map(statement_of).collect(),
        plans: all
            .into_iter()
            .filter(|plan| current.is_none_or(|had| had.plan_id != plan.id))
            .map(|plan| {
                let price = money(plan.monthly_price, &plan.currency);
                Choice::new(plan.id, format!("{}, {price}", plan.name))
            })
            .collect(),
        form,
    })
}
