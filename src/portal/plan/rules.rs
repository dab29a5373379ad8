//! Looking at the plan, and choosing another.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;

use super::usage;
use crate::{
    access::By,
    audit::Event,
    error::{Error, Result},
    tenancy::{
        Registry, Tenant,
        plans::{self, Cap, Had, Metric, Plan, Statement},
    },
};

/// Growth is measured over so many days.
const LOOK_BACK_DAYS: u64 = 30;

/// Everything that there is to say of a tenant's plan.
pub struct Standing {
    pub now: DateTime<Utc>,
    pub current: Option<Had>,
    pub used: BTreeMap<Metric, i64>,
    /// What there was some time ago, by metric, as far as it was written down.
    pub before: BTreeMap<Metric, (NaiveDate, i64)>,
    /// Plans that its owner may choose.
    pub offered: Vec<Plan>,
    pub statements: Vec<Statement>,
}

pub async fn look(registry: &Registry, tenant: &Tenant) -> Result<Standing> {
    let (db, now, id) = (registry.db(), Utc::now(), tenant.id());
    let today = now.with_timezone(&tenant.time_zone.0).date_naive();
    let since = today.checked_sub_days(Days::new(LOOK_BACK_DAYS)).unwrap_or(today);
    let used = db.read_tenant(tenant, async |tx| usage::count(tx, tenant, now).await).await?;
    db.read_public(async |tx| {
        let mut before = BTreeMap::new();
        for (day, metric, amount) in plans::list_usage(tx, id, (since, today)).await? {
            before.entry(metric).or_insert((day, amount));
        }
        let current = plans::current(tx, id).await?;
        let currency = current.as_ref().map(|had| had.currency.clone());
        let mut offered = plans::list_plans(tx).await?;
        offered.retain(|plan| plan.is_offered && currency.as_ref().is_none_or(|c| *c == plan.currency));
        let statements = plans::list_statements(tx, id).await?;
        Ok(Standing { now, current, used: used.clone(), before, offered, statements })
    })
    .await
}

/// Chooses a plan: 409 `plan_limit_reached` when more is used than it allows, `same_plan`, `other_currency`.
pub async fn choose(registry: &Registry, by: &By, code: &str) -> Result<Plan> {
    by.must_have_proved()?;
    let (db, tenant) = (registry.db(), &by.tenant);
    let (plans, agreed) = db
        .read_public(async |tx| Ok((plans::list_plans(tx).await?, plans::limits_of(tx, tenant.id()).await?)))
        .await?;
    let wanted = plans.into_iter().find(|plan| plan.is_offered && plan.code == code);
    let wanted =
        wanted.ok_or_else(|| Error::invalid("plan", "unknown", "There is no such plan to choose."))?;
    db.in_tenant(tenant, async |tx| {
        let used = usage::count(tx, tenant, Utc::now()).await?;
        // What was agreed with this tenant stays, whatever the plan.
        for (metric, max) in wanted.limits.iter().filter(|(metric, _)| !agreed.contains_key(metric)) {
            Cap::of(&wanted.name, *metric, *max).admit(used.get(metric).copied().unwrap_or_default(), 0)?;
        }
        plans::choose(tx, code, &by.actor.label).await?;
        let event = Event {
            action: "plan.chosen",
            object_type: "plan",
            object_id: None,
            object_label: &wanted.name,
            before: tenant.entitlements.plan.as_ref().map(|plan| json!({ "plan": plan })),
            after: Some(
                json!({ "plan": wanted.name, "price": wanted.monthly_price, "currency": wanted.currency }),
            ),
        };
        by.record(tx, event).await
    })
    .await?;
    registry.news().tenant_changed();
    Ok(wanted)
}
