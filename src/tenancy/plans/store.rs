//! All SQL of plans.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    bill::{Bill, Line},
    entitlements::{Feature, Metric},
};
use crate::{
    db::{ControlTx, OnConstraint, TenantTx},
    error::{Error, OrInternal, Result},
    types::TenantId,
};

/// What a provider can have.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub id: Uuid,
    pub code: String,
    pub name: String,
    pub summary: String,
    pub monthly_price: Decimal,
    pub currency: String,
    /// A metric that is absent is not limited.
    pub limits: BTreeMap<Metric, i64>,
    pub features: Vec<Feature>,
    pub is_offered: bool,
    pub is_default: bool,
    /// How many tenants have it now.
    pub tenants: i64,
}

fn limits_in(value: &Value) -> impl Iterator<Item = (Metric, Option<i64>)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(metric, amount)| Some((Metric::parse(metric)?, amount.as_i64())))
}

fn plan_of(row: &Row) -> Plan {
    let limits: Value = row.get("limits");
    let features: Vec<String> = row.get("features");
    Plan {
        id: row.get("id"),
        code: row.get("code"),
        name: row.get("name"),
        summary: row.get("summary"),
        monthly_price: row.get("monthly_price"),
        currency: row.get("currency"),
        limits: limits_in(&limits).filter_map(|(metric, amount)| Some((metric, amount?))).collect(),
        features: features.iter().filter_map(|text| Feature::parse(text)).collect(),
        is_offered: row.get("is_offered"),
        is_default: row.get("is_default"),
        tenants: row.get("tenants"),
    }
}

macro_rules! select_plan {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.code, p.name, p.summary, p.monthly_price, p.currency, p.features, p.is_offered, p.is_default, ",
            "coalesce((SELECT jsonb_object_agg(l.metric, l.amount) FROM public.plan_limit l WHERE l.plan_id = p.id), '{}') AS limits, ",
            "(SELECT count(*) FROM public.tenant_plan h JOIN public.tenant t ON t.id = h.tenant_id ",
            "WHERE h.plan_id = p.id AND h.until IS NULL AND t.status <> 'closed') AS tenants ",
            "FROM public.plan p ",
            $rest
        )
    };
}

/// Every plan, the cheapest first; there are never many.
pub async fn list_plans(tx: &ControlTx) -> Result<Vec<Plan>> {
    let rows = tx.query(select_plan!("ORDER BY p.currency, p.monthly_price, p.code LIMIT 200"), &[]).await?;
    Ok(rows.iter().map(plan_of).collect())
}

pub async fn find_plan(tx: &ControlTx, id: Uuid) -> Result<Option<Plan>> {
    Ok(tx.query_opt(select_plan!("WHERE p.id = $1"), &[&id]).await?.as_ref().map(plan_of))
}

/// Writes a plan as it is to be from now on. Its code and its default are not among what is changed.
pub(super) async fn save_plan(tx: &ControlTx, plan: &Plan) -> Result<()> {
    let features: Vec<&str> = plan.features.iter().map(|feature| feature.as_str()).collect();
    tx.execute(
        "INSERT INTO public.plan AS p (id, code, name, summary, monthly_price, currency, features, is_offered, is_default)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false)
         ON CONFLICT (id) DO UPDATE SET name = $3, summary = $4, monthly_price = $5, currency = $6, features = $7, is_offered = $8",
        &[
            &plan.id,
            &plan.code,
            &plan.name,
            &plan.summary,
            &plan.monthly_price,
            &plan.currency,
            &features,
            &plan.is_offered,
        ],
    )
    .await
    .on_constraint("plan_code_key", || Error::invalid("code", "taken", "There is a plan of this code."))?;
    if plan.is_default {
        tx.execute("UPDATE public.plan SET is_default = false WHERE is_default AND id <> $1", &[&plan.id])
            .await?;
    }
    tx.execute("UPDATE public.plan SET is_default = $2 WHERE id = $1", &[&plan.id, &plan.is_default]).await?;
    let metrics: Vec<&str> = plan.limits.keys().map(|metric| metric.as_str()).collect();
    let amounts: Vec<i64> = plan.limits.values().copied().collect();
    tx.execute("DELETE FROM public.plan_limit WHERE plan_id = $1", &[&plan.id]).await?;
    tx.execute(
        "INSERT INTO public.plan_limit (plan_id, metric, amount) SELECT $1, metric, amount
         FROM unnest($2::text[], $3::bigint[]) AS l (metric, amount)",
        &[&plan.id, &metrics, &amounts],
    )
    .await
    .map(drop)
}

/// A plan that a tenant has or had, and what was agreed then.
#[derive(Debug, Clone)]
pub struct Had {
    pub plan_id: Uuid,
    pub plan_name: String,
    pub monthly_price: Decimal,
    pub currency: String,
    pub since: DateTime<Utc>,
    /// None: it has it.
    pub until: Option<DateTime<Utc>>,
    pub chosen_by: String,
}

fn had_of(row: &Row) -> Had {
    Had {
        plan_id: row.get("plan_id"),
        plan_name: row.get("plan_name"),
        monthly_price: row.get("monthly_price"),
        currency: row.get("currency"),
        since: row.get("since"),
        until: row.get("until"),
        chosen_by: row.get("chosen_by"),
    }
}

/// What a tenant had between two instants, in the order of time.
pub(super) async fn list_had(
    tx: &ControlTx,
    tenant: TenantId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<Had>> {
    let rows = tx
        .query(
            "SELECT plan_id, plan_name, monthly_price, currency, since, until, chosen_by FROM public.tenant_plan
             WHERE tenant_id = $1 AND since < $3 AND (until IS NULL OR until > $2) ORDER BY since LIMIT 1000",
            &[&tenant, &from, &to],
        )
        .await?;
    Ok(rows.iter().map(had_of).collect())
}

/// What a tenant has now.
pub async fn current(tx: &ControlTx, tenant: TenantId) -> Result<Option<Had>> {
    let row = tx
        .query_opt(
            "SELECT plan_id, plan_name, monthly_price, currency, since, until, chosen_by FROM public.tenant_plan
             WHERE tenant_id = $1 AND until IS NULL",
            &[&tenant],
        )
        .await?;
    Ok(row.as_ref().map(had_of))
}

/// What was agreed with one tenant; None: no limit.
pub async fn limits_of(tx: &ControlTx, tenant: TenantId) -> Result<BTreeMap<Metric, Option<i64>>> {
    let row = tx
        .query_one(
            "SELECT coalesce(jsonb_object_agg(metric, amount), '{}') AS limits FROM public.tenant_limit WHERE tenant_id = $1",
            &[&tenant],
        )
        .await?;
    Ok(limits_in(&row.get("limits")).collect())
}

pub(super) async fn save_limits(
    tx: &ControlTx,
    tenant: TenantId,
    limits: &BTreeMap<Metric, Option<i64>>,
) -> Result<()> {
    let metrics: Vec<&str> = limits.keys().map(|metric| metric.as_str()).collect();
    let amounts: Vec<Option<i64>> = limits.values().copied().collect();
    tx.execute("DELETE FROM public.tenant_limit WHERE tenant_id = $1", &[&tenant]).await?;
    tx.execute(
        "INSERT INTO public.tenant_limit (tenant_id, metric, amount) SELECT $1, metric, amount
         FROM unnest($2::text[], $3::bigint[]) AS l (metric, amount)",
        &[&tenant, &metrics, &amounts],
    )
    .await
    .map(drop)
}

pub(super) async fn give_plan(tx: &ControlTx, tenant: TenantId, plan: Uuid, by: &str) -> Result<()> {
    tx.execute("SELECT FROM public.tenant WHERE id = $1 FOR UPDATE", &[&tenant]).await?;
    tx.execute("SELECT public.give_plan($1, $2, $3)", &[&tenant, &plan, &by]).await.map(drop)
}

/// In the owner's own unit: `chosen`, or why not (see the migration).
pub(super) async fn choose(tx: &TenantTx, code: &str, by: &str) -> Result<String> {
    Ok(tx.query_one("SELECT gate.choose_plan($1, $2) AS outcome", &[&code, &by]).await?.get("outcome"))
}

/// Every process forgets what it knows of tenants.
pub(super) async fn tell_all(tx: &ControlTx) -> Result<()> {
    tx.execute("SELECT pg_notify('lastmile_news', 'tenant:' || gen_random_uuid())", &[]).await.map(drop)
}

/// The largest amount of a day, or the last that was counted for it.
pub(super) async fn save_usage(
    tx: &ControlTx,
    tenant: TenantId,
    day: NaiveDate,
    amounts: &[(Metric, i64)],
) -> Result<()> {
    let metrics: Vec<&str> = amounts.iter().map(|(metric, _)| metric.as_str()).collect();
    let amounts: Vec<i64> = amounts.iter().map(|(_, amount)| *amount).collect();
    tx.execute(
        "INSERT INTO public.usage AS u (tenant_id, used_on, metric, amount) SELECT $1, $2, metric, amount
         FROM unnest($3::text[], $4::bigint[]) AS l (metric, amount)
         ON CONFLICT (tenant_id, used_on, metric) DO UPDATE SET amount = greatest(u.amount, excluded.amount)",
        &[&tenant, &day, &metrics, &amounts],
    )
    .await
    .map(drop)
}

/// What was written down of a tenant's days from `from` to `to`, both included, in the order of time.
pub async fn list_usage(
    tx: &ControlTx,
    tenant: TenantId,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<(NaiveDate, Metric, i64)>> {
    let rows = tx
        .query(
            "SELECT used_on, metric, amount FROM public.usage
             WHERE tenant_id = $1 AND used_on BETWEEN $2 AND $3 ORDER BY used_on, metric LIMIT 2000",
            &[&tenant, &from, &to],
        )
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let metric: String = row.get("metric");
            Some((row.get("used_on"), Metric::parse(&metric)?, row.get("amount")))
        })
        .collect())
}

/// What a month came to.
#[derive(Debug, Clone)]
pub struct Statement {
    pub id: Uuid,
    pub month: NaiveDate,
    pub currency: String,
    pub lines: Vec<Line>,
    pub used: BTreeMap<Metric, i64>,
    pub total: Decimal,
    pub made_at: DateTime<Utc>,
}

/// A tenant's statements, the newest first; at most five years of them.
pub async fn list_statements(tx: &ControlTx, tenant: TenantId) -> Result<Vec<Statement>> {
    let rows = tx
        .query(
            "SELECT id, month, currency, lines, used, total, made_at FROM public.statement
             WHERE tenant_id = $1 ORDER BY month DESC, currency LIMIT 60",
            &[&tenant],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let used: Value = row.get("used");
            Ok(Statement {
                id: row.get("id"),
                month: row.get("month"),
                currency: row.get("currency"),
                lines: serde_json::from_value(row.get("lines")).internal()?,
                used: limits_in(&used).filter_map(|(metric, amount)| Some((metric, amount?))).collect(),
                total: row.get("total"),
                made_at: row.get("made_at"),
            })
        })
        .collect()
}

/// The first days of months before `month` without a statement, from the month in which the tenant first had a plan.
pub(super) async fn list_unstated(
    tx: &ControlTx,
    tenant: TenantId,
    month: NaiveDate,
    zone: &str,
) -> Result<Vec<NaiveDate>> {
    let rows = tx
        .query(
            "SELECT m::date AS month FROM generate_series(
                (SELECT date_trunc('month', min(since) AT TIME ZONE $3) FROM public.tenant_plan WHERE tenant_id = $1),
                $2::date - interval '1 month', interval '1 month') m
             WHERE NOT EXISTS (SELECT FROM public.statement s WHERE s.tenant_id = $1 AND s.month = m::date)
             ORDER BY m LIMIT 24",
            &[&tenant, &month, &zone],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("month")).collect())
}

/// Keeps a statement; one that is there stays as it is.
pub(super) async fn insert_statement(
    tx: &ControlTx,
    tenant: TenantId,
    month: NaiveDate,
    bill: &Bill,
    used: &BTreeMap<Metric, i64>,
) -> Result<()> {
    let lines = serde_json::to_value(&bill.lines).internal()?;
    let used: Map<String, Value> =
        used.iter().map(|(metric, amount)| (metric.as_str().to_owned(), (*amount).into())).collect();
    tx.execute(
        "INSERT INTO public.statement (id, tenant_id, month, currency, lines, used, total) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, month, currency) DO NOTHING",
        &[&Uuid::now_v7(), &tenant, &month, &bill.currency, &lines, &Value::Object(used), &bill.total()],
    )
    .await
    .map(drop)
}
