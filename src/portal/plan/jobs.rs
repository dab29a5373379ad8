//! The day's count, statements of months that are over, and words to staff when a limit comes near.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::usage::{Level, NEAR_PERCENT, count};
use crate::{
    db::{Db, TenantTx},
    error::Result,
    events,
    jobs::{Next, Runner},
    messaging::figures,
    tenancy::{
        Tenant,
        plans::{self, Metric, day_edges, month_edges},
    },
};

const KIND: &str = "plan.day";
/// Counted so long after midnight, and spread over the hour after: not every tenant at once.
const AFTER_MIDNIGHT: TimeDelta = TimeDelta::minutes(20);
const SPREAD_MINUTES: u8 = 60;

/// Gives the worker the standing job.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let db = db.clone();
    runner.stand(
        KIND,
        Arc::new(move |tenant, _| {
            let db = db.clone();
            Box::pin(async move { day(&db, &tenant, Utc::now()).await })
        }),
    );
}

async fn day(db: &Db, tenant: &Tenant, now: DateTime<Utc>) -> Result<Next> {
    let today = now.with_timezone(&tenant.time_zone.0).date_naive();
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let (used, sent) = db
        .read_tenant(tenant, async |tx| {
            let mut sent = Vec::new();
            for day in [yesterday, today] {
                let (from, until) = day_edges(day, tenant.time_zone);
                sent.push((day, figures::taken(tx, from, until).await?.0));
            }
            Ok((count(tx, tenant, now).await?, sent))
        })
        .await?;
    // Messages are a day's own; of what is there, a day keeps the most.
    let there: Vec<(Metric, i64)> =
        used.iter().filter(|(metric, _)| **metric != Metric::Messages).map(|(m, n)| (*m, *n)).collect();
    plans::record_usage(db, tenant, today, &there).await?;
    for (day, messages) in sent {
        plans::record_usage(db, tenant, day, &[(Metric::Messages, messages)]).await?;
    }
    for month in plans::unstated_months(db, tenant, today).await? {
        let used = used_in(db, tenant, month).await?;
        plans::state_month(db, tenant, month, &used).await?;
    }
    db.in_tenant(tenant, async |tx| warn(tx, tenant, &used, today).await).await?;
    Ok(crate::portal::night::next(tenant, now, AFTER_MIDNIGHT, SPREAD_MINUTES))
}

/// What a month came to: messages by what was counted as they were taken, the rest by the day on which there was most.
async fn used_in(db: &Db, tenant: &Tenant, month: NaiveDate) -> Result<BTreeMap<Metric, i64>> {
    let (from, until) = month_edges(month, tenant.time_zone);
    let last = plans::next_month(month).pred_opt().unwrap_or(month);
    let days = db.read_public(async |tx| plans::list_usage(tx, tenant.id(), (month, last)).await).await?;
    let mut used: BTreeMap<Metric, i64> = BTreeMap::new();
    for (_, metric, amount) in days {
        let most = used.entry(metric).or_default();
        *most = amount.max(*most);
    }
    let (taken, _) = db.read_tenant(tenant, async |tx| figures::taken(tx, from, until).await).await?;
    used.insert(Metric::Messages, taken);
    Ok(used)
}

/// Says once a month of each limit that it is near, and once that it is reached.
async fn warn(tx: &TenantTx, tenant: &Tenant, used: &BTreeMap<Metric, i64>, today: NaiveDate) -> Result<()> {
    for (metric, used) in used {
        let Some(max) = tenant.entitlements.max(*metric) else { continue };
        let (label, month) = (metric.label(), today.format("%B %Y"));
        let text = match Level::of(*used, max) {
            Level::Well => continue,
            Level::Near => format!("{NEAR_PERCENT} % of the plan is used: {label}, {max} allowed ({month})"),
            Level::Full => format!("The plan's limit is reached: {label}, {max} allowed ({month})"),
        };
        if !events::was_told(tx, &text).await? {
            events::tell_staff(tx, "settings.manage", &text, "/settings/plan").await?;
        }
    }
    Ok(())
}
