//! Periods that another system has sold, brought forward.
//!
//! Such a period is of the kind `opening`. It was paid for where it was sold: here it costs nothing, no money came in for it and no
//! account knows of it, so that what is charged and what is paid add up as if it were not there. Its minutes are those that it was
//! to last, so that days sold are days given; it ends, is paused, extended, called off and changed as any other.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::json;

use super::{
    model::{Kind, Span, Status, Subscription, Terms},
    rules, store,
};
use crate::{
    access::By,
    audit,
    db::TenantTx,
    error::Result,
    events,
    isp::{
        billing::{clock, policy},
        installations,
        plans::Plan,
    },
    jobs,
    types::{CustomerId, InstallationId, PlanId, SubscriptionId},
};

/// A period that was sold elsewhere, at an installation that has none.
#[derive(Debug, Clone)]
pub struct Opening {
    pub installation: InstallationId,
    pub customer: CustomerId,
    pub plan: Plan,
    pub span: Span,
}

/// What was left of a period of a plan that is paid until `until`, see [`Span::brought`].
pub fn opening_span(
    plan: &Plan,
    until: DateTime<Utc>,
    earliest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Span> {
    Span::brought(until, Terms::from(plan), earliest, now)
}

/// What an installation has been served by so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// A period that was brought forward: of which plan, and until when it was said to last.
    Brought { plan: PlanId, until: DateTime<Utc> },
    /// Periods that were sold here.
    Sold,
}

/// What these installations have been served by. Those without any period are left out.
pub async fn served(tx: &TenantTx, ids: &[InstallationId]) -> Result<HashMap<InstallationId, Served>> {
    let rows = tx
        .query(
            "SELECT DISTINCT ON (installation_id) installation_id, kind, plan_id, starts_at, sold_minutes FROM subscription \
             WHERE installation_id = ANY($1) ORDER BY installation_id, created_at, starts_at, id",
            &[&ids],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let served = match Kind::from_column(row.get(1)) {
                Kind::Opening => {
                    let minutes = TimeDelta::minutes(row.get(4));
                    Served::Brought { plan: row.get(2), until: row.get::<_, DateTime<Utc>>(3) + minutes }
                }
                _ => Served::Sold,
            };
            (row.get(0), served)
        })
        .collect())
}

fn period(opening: &Opening, by: &By, now: DateTime<Utc>) -> Subscription {
    let none = Decimal::new(0, 2);
    Subscription {
        id: SubscriptionId::new(),
        installation: opening.installation,
        customer: opening.customer,
        plan: opening.plan.id,
        plan_name: opening.plan.name().to_owned(),
        kind: Kind::Opening,
        terms: Terms::from(&opening.plan),
        tax: opening.plan.tax(),
        amount: none,
        credited: none,
        paid: none,
        days: opening.span.days(),
        span: opening.span,
        // What ended before it came here is told to nobody.
        status: if opening.span.ends_at <= now { Status::Expired } else { Status::Active },
        paused_at: None,
        cancelled_at: None,
        cancel_reason: None,
        notes: None,
        sold_by: by.staff(),
        sold_by_label: by.actor.label.clone(),
        created_at: now,
        updated_at: now,
    }
}

/// Brings periods forward, all or none, each to an installation without any. Its status follows.
pub async fn bring_forward(tx: &TenantTx, by: &By, openings: &[Opening]) -> Result<()> {
    if openings.is_empty() {
        return Ok(());
    }
    let ids: Vec<InstallationId> = openings.iter().map(|one| one.installation).collect();
    installations::hold_many(tx, &ids).await?;
    let now = Utc::now().trunc_subsecs(6);
    let periods: Vec<Subscription> = openings.iter().map(|one| period(one, by, now)).collect();
    store::insert_many(tx, &periods).await?;
    rules::catch_up(tx, &ids, now).await?;
    tell(tx, by, &periods).await?;
    let policy = policy::get(tx).await?;
    let zone = by.tenant.time_zone.0;
    let next = periods
        .iter()
        .filter(|one| one.status == Status::Active)
        .map(|one| policy.next_look(one.span.starts_at, one.span.ends_at, now, zone))
        .min();
    match next {
        Some(at) => jobs::call_at(tx, clock::KIND, at).await,
        None => Ok(()),
    }
}

async fn tell(tx: &TenantTx, by: &By, periods: &[Subscription]) -> Result<()> {
    let told: Vec<_> = periods
        .iter()
        .map(|one| {
            json!({
                "installation_id": one.installation, "plan_id": one.plan, "plan": one.plan_name,
                "starts_at": one.span.starts_at, "ends_at": one.span.ends_at, "status": one.status.as_str(),
            })
        })
        .collect();
    let entries = periods
        .iter()
        .zip(&told)
        .map(|(one, told)| audit::Event {
            action: "subscription.brought_forward",
            object_type: "subscription",
            object_id: Some(one.id.0),
            object_label: &one.plan_name,
            before: None,
            after: Some(told.clone()),
        })
        .collect();
    audit::record_all(tx, &by.actor, by.origin.as_ref(), entries).await?;
    let kind = "subscription.brought_forward";
    let news: Vec<events::Event<'_>> = periods
        .iter()
        .zip(&told)
        .map(|(one, payload)| events::Event {
            kind,
            subject: one.id.0,
            customer: Some(one.customer),
            payload,
        })
        .collect();
    events::publish_all(tx, &news).await
}
