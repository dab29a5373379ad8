//! What is done with plans: by the platform's people, by a tenant's owner, and by the job that counts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    bill::{bills, month_of, next_month},
    entitlements::{Feature, Metric},
    store::{self, Plan},
};
use crate::{
    db::{Db, TenantTx},
    error::{Error, Result},
    tenancy::{Deed, Operator, Registry, Tenant, note},
    types::{Check, Currency, TimeZone, Wrong, amount, line, optional_line},
};

const CODE_MAX_CHARS: usize = 40;
const NAME_MAX_CHARS: usize = 60;
const SUMMARY_MAX_CHARS: usize = 200;
/// No limit is larger; a larger one is none.
const LIMIT_MAX: i64 = 1_000_000_000;

/// A plan as somebody typed it.
#[derive(Debug, Clone, Default)]
pub struct PlanForm<'a> {
    /// Counts when a plan is made.
    pub code: &'a str,
    pub name: &'a str,
    pub summary: &'a str,
    pub monthly_price: &'a str,
    pub currency: &'a str,
    /// By metric; empty: not limited.
    pub limits: Vec<(Metric, &'a str)>,
    pub features: Vec<&'a str>,
    pub is_offered: bool,
    pub is_default: bool,
}

fn code_of(text: &str) -> Result<String, Wrong> {
    let code = text.trim().to_ascii_lowercase();
    let is_good = code.len() >= 2
        && code.len() <= CODE_MAX_CHARS
        && code.split('-').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        });
    if is_good {
        Ok(code)
    } else {
        Err(Wrong::new("bad_code", "2 to 40 letters and digits, with single hyphens between them."))
    }
}

fn price_of(text: &str) -> Result<Decimal, Wrong> {
    match amount::typed(text)? {
        Some(price) => amount::amount(price),
        None => Err(Wrong::new("required", "This is needed; 0 for a plan that costs nothing.")),
    }
}

/// An empty limit is none.
fn limit_of(text: &str) -> Result<Option<i64>, Wrong> {
    let text: String = text.trim().chars().filter(|c| *c != ',').collect();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(Some(limit)),
        _ => Err(Wrong::new("bad_limit", "A whole number from 1 to 1,000,000,000, or nothing for no limit.")),
    }
}

impl PlanForm<'_> {
    /// The plan, or 422 with every wrong field.
    fn read(&self, id: Uuid, code: Result<String, Wrong>) -> Result<Plan> {
        let mut check = Check::new();
        let limits = read_limits(&mut check, &self.limits);
        let code = check.field("code", code);
        let name = check.field("name", line(self.name, NAME_MAX_CHARS));
        let summary = check.field("summary", optional_line(self.summary, SUMMARY_MAX_CHARS));
        let monthly_price = check.field("monthly_price", price_of(self.monthly_price));
        let currency = check.field("currency", Currency::parse(self.currency));
        let plan = (|| {
            Some(Plan {
                id,
                code: code?,
                name: name?,
                summary: summary?.unwrap_or_default(),
                monthly_price: monthly_price?,
                currency: currency?.as_str().to_owned(),
                limits,
                features: self.features.iter().filter_map(|text| Feature::parse(text)).collect(),
                is_offered: self.is_offered,
                is_default: self.is_default,
                tenants: 0,
            })
        })();
        check.finish(plan)
    }
}

/// The limits that were typed; an empty one is none.
fn read_limits(check: &mut Check, typed: &[(Metric, &str)]) -> BTreeMap<Metric, i64> {
    typed
        .iter()
        .filter_map(|(metric, text)| Some((*metric, check.field(metric.as_str(), limit_of(text))??)))
        .collect()
}

fn told(plan: &Plan) -> Value {
    let limits: Map<String, Value> =
        plan.limits.iter().map(|(metric, amount)| (metric.as_str().to_owned(), (*amount).into())).collect();
    let features: Vec<&str> = plan.features.iter().map(|feature| feature.as_str()).collect();
    json!({"price": plan.monthly_price, "currency": plan.currency, "limits": limits, "features": features,
        "is_offered": plan.is_offered, "is_default": plan.is_default})
}

async fn save(registry: &Registry, who: &Operator, action: &str, plan: &Plan) -> Result<()> {
    registry
        .db()
        .in_public(async |tx| {
            store::save_plan(tx, plan).await?;
            store::tell_all(tx).await?;
            note(tx, who, Deed { detail: Some(told(plan)), ..Deed::on(action, &plan.name) }).await
        })
        .await?;
    registry.news().tenant_changed();
    Ok(())
}

/// Makes a plan.
pub async fn create_plan(registry: &Registry, who: &Operator, form: &PlanForm<'_>) -> Result<Uuid> {
    let plan = form.read(Uuid::now_v7(), code_of(form.code))?;
    save(registry, who, "plan.created", &plan).await?;
    Ok(plan.id)
}

/// Changes a plan. Limits and features count at once for everybody who has it; what tenants pay stays as it was agreed.
pub async fn change_plan(registry: &Registry, who: &Operator, id: Uuid, form: &PlanForm<'_>) -> Result<()> {
    let was = registry.db().read_public(async |tx| store::find_plan(tx, id).await).await?;
    let was = was.ok_or(Error::not_found("plan"))?;
    let plan = form.read(id, Ok(was.code))?;
    save(registry, who, "plan.changed", &plan).await
}

/// Gives a tenant a plan, at the price that the plan has now.
pub async fn give(registry: &Registry, who: &Operator, tenant: &Tenant, plan: Uuid) -> Result<Plan> {
    let given = registry
        .db()
        .in_public(async |tx| {
            let plan = store::find_plan(tx, plan).await?.ok_or(Error::not_found("plan"))?;
            store::give_plan(tx, tenant.id(), plan.id, who.label()).await?;
            let detail = json!({"plan": plan.name, "price": plan.monthly_price, "currency": plan.currency});
            note(tx, who, Deed { detail: Some(detail), ..Deed::to(tenant, "tenant.plan_given", "") }).await?;
            Ok(plan)
        })
        .await?;
    registry.news().tenant_changed();
    Ok(given)
}

/// Agrees on limits of one tenant's own: by metric, empty for the plan's own, `none` for no limit.
pub async fn set_limits(
    registry: &Registry,
    who: &Operator,
    tenant: &Tenant,
    typed: &[(Metric, &str)],
) -> Result<()> {
    let mut check = Check::new();
    let (lifted, other): (Vec<_>, Vec<_>) =
        typed.iter().copied().partition(|(_, text)| text.trim().eq_ignore_ascii_case("none"));
    let agreed = read_limits(&mut check, &other);
    check.finish(Some(()))?;
    let lifted = lifted.into_iter().map(|(metric, _)| (metric, None));
    let limits: BTreeMap<Metric, Option<i64>> =
        agreed.into_iter().map(|(metric, amount)| (metric, Some(amount))).chain(lifted).collect();
    let detail: Map<String, Value> =
        limits.iter().map(|(metric, amount)| (metric.as_str().to_owned(), json!(amount))).collect();
    registry
        .db()
        .in_public(async |tx| {
            store::save_limits(tx, tenant.id(), &limits).await?;
            store::tell_all(tx).await?;
            let detail = Some(Value::Object(detail.clone()));
            note(tx, who, Deed { detail, ..Deed::to(tenant, "tenant.limits_agreed", "") }).await
        })
        .await?;
    registry.news().tenant_changed();
    Ok(())
}

/// The tenant's owner chooses a plan; in the owner's unit. Whether what is used fits into it was looked at before.
pub async fn choose(tx: &TenantTx, code: &str, by: &str) -> Result<()> {
    match store::choose(tx, code, by).await?.as_str() {
        "chosen" => Ok(()),
        "same" => Err(Error::conflict("same_plan", "This is the plan that you have.")),
        "currency" => Err(Error::conflict(
            "other_currency",
            "This plan is priced in another currency. Ask the people who run the platform.",
        )),
        _ => Err(Error::invalid("plan", "unknown", "There is no such plan to choose.")),
    }
}

/// Writes down what was used on a day; of several counts of one day, the largest stays.
pub async fn record_usage(db: &Db, tenant: &Tenant, day: NaiveDate, amounts: &[(Metric, i64)]) -> Result<()> {
    db.in_public(async |tx| store::save_usage(tx, tenant.id(), day, amounts).await).await
}

fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let start = day.and_time(NaiveTime::MIN);
    // A midnight that a clock jumps over begins an hour later.
    let local = zone.from_local_datetime(&start).earliest();
    local.map_or_else(|| start.and_utc(), |at| at.with_timezone(&Utc))
}

/// When a day begins and ends where the tenant is.
pub fn day_edges(day: NaiveDate, zone: TimeZone) -> (DateTime<Utc>, DateTime<Utc>) {
    (midnight(day, zone.0), midnight(day.succ_opt().unwrap_or(day), zone.0))
}

/// When a month begins and ends where the tenant is.
pub fn month_edges(month: NaiveDate, zone: TimeZone) -> (DateTime<Utc>, DateTime<Utc>) {
    let month = month_of(month);
    (midnight(month, zone.0), midnight(next_month(month), zone.0))
}

/// The same of the month that an instant lies in.
pub fn month_around(now: DateTime<Utc>, zone: TimeZone) -> (DateTime<Utc>, DateTime<Utc>) {
    month_edges(now.with_timezone(&zone.0).date_naive(), zone)
}

/// Months that are over, in which the tenant had a plan and of which there is no statement; at most two years of them, the oldest
/// first.
pub async fn unstated_months(db: &Db, tenant: &Tenant, today: NaiveDate) -> Result<Vec<NaiveDate>> {
    let zone = tenant.time_zone.to_string();
    db.read_public(async |tx| store::list_unstated(tx, tenant.id(), month_of(today), &zone).await).await
}

/// Makes the statements of a month that is over; those that are there stay as they are. `used` is what was counted of it.
pub async fn state_month(
    db: &Db,
    tenant: &Tenant,
    month: NaiveDate,
    used: &BTreeMap<Metric, i64>,
) -> Result<()> {
    let (id, zone, month) = (tenant.id(), tenant.time_zone.0, month_of(month));
    let edges = month_edges(month, tenant.time_zone);
    db.in_public(async |tx| {
        for bill in bills(&store::list_had(tx, id, edges).await?, month, zone) {
            store::insert_statement(tx, id, month, &bill, used).await?;
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> PlanForm<'static> {
        PlanForm {
            code: "starter",
            name: "Starter",
            monthly_price: "1,500",
            currency: "php",
            limits: vec![(Metric::Staff, "3"), (Metric::Customers, "")],
            features: vec!["campaigns", "nonsense"],
            ..PlanForm::default()
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_typed() {
        let plan = form().read(Uuid::nil(), code_of("Starter")).unwrap();
        assert_eq!((plan.code.as_str(), plan.currency.as_str()), ("starter", "PHP"));
        assert_eq!(plan.monthly_price, "1500".parse().unwrap());
        assert_eq!(plan.limits, BTreeMap::from([(Metric::Staff, 3)]));
        assert_eq!(plan.features, [Feature::Campaigns]);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let typed = PlanForm {
            name: " ",
            monthly_price: "-1",
            currency: "pesos",
            limits: vec![(Metric::Staff, "0"), (Metric::Messages, "many")],
            ..form()
        };
        let Err(Error::Invalid(wrong)) = typed.read(Uuid::nil(), code_of("a--b")) else {
            panic!("it was taken")
        };
        let fields: Vec<&str> = wrong.iter().map(|one| one.field.as_ref()).collect();
        assert_eq!(fields, ["staff", "messages", "code", "name", "monthly_price", "currency"]);
    }
}
