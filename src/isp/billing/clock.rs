//! What time does by itself: periods end, grace runs out, reminders fall due, accounts are held against their entries.
//!
//! Two standing jobs of every tenant. `billing.clock` looks at what ends and answers when it must look next; every sale calls it.
//! `billing.day` runs once in a local morning. Whatever either does is one row in the transaction that does it, so that a run
//! that died and runs again does nothing twice, and one that comes late tells of each period once, by its nearest reminder.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ledger, periods,
    policy::{self, Policy},
};
use crate::{
    access::By,
    db::{Db, TenantTx},
    error::Result,
    events,
    jobs::{Next, Runner},
    tenancy::Tenant,
    types::{CustomerId, InstallationId, SubscriptionId},
};

/// The standing job that looks at what ends.
pub const KIND: &str = "billing.clock";
/// The standing job of each morning.
const DAY_KIND: &str = "billing.day";
/// One transaction works through so many periods.
const BATCH: i64 = 500;
/// Nothing is further off than this, so that a clock that was set wrong mends itself.
const LOOK_AT_LEAST_HOURS: i64 = 24;
const MORNING_HOUR: u32 = 7;

/// Gives the worker the standing jobs of billing.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let clock = db.clone();
    runner.stand(
        KIND,
        Arc::new(move |tenant, _| {
            let db = clock.clone();
            Box::pin(async move { tick(&db, &tenant).await })
        }),
    );
    let day = db.clone();
    runner.stand(
        DAY_KIND,
        Arc::new(move |tenant, _| {
            let db = day.clone();
            Box::pin(async move { begin_day(&db, &tenant).await })
        }),
    );
}

/// Does all that is due, and says when to look next. A batch is one transaction, from the look to the next: a connection that
/// comes to a tenant first learns its tables, which costs more than the work, and the next connection would learn them again.
async fn tick(db: &Db, tenant: &Tenant) -> Result<Next> {
    // One moment for all of it: what falls due meanwhile is what the next look is for.
    let now = Utc::now();
    loop {
        let (may_be_more, next) = db.in_tenant(tenant, async |tx| batch(tx, tenant, now).await).await?;
        if !may_be_more {
            return Ok(Next::Again(next));
        }
    }
}

/// Works through a batch of what is due, if anything is. Answers whether there may be more, and when something is next.
async fn batch(tx: &TenantTx, tenant: &Tenant, now: DateTime<Utc>) -> Result<(bool, DateTime<Utc>)> {
    let policy = policy::get(tx).await?;
    let seen = look(tx, &policy, tenant.time_zone.0, now).await?;
    let mut may_be_more = seen.ends && expire(tx, tenant, &policy, now).await?;
    may_be_more |= seen.lapses && lapse(tx, &policy, now).await?;
    may_be_more |= seen.reminds && remind(tx, tenant, &policy, now).await?;
    // What is done here makes nothing fall due sooner: a period that ends only takes from what is still to come.
    Ok((may_be_more, seen.next))
}

fn day_and_time(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%-d %b, %H:%M").to_string()
}

/// A period that ended or is about to.
struct Ending {
    id: SubscriptionId,
    installation: InstallationId,
    customer: CustomerId,
    plan_name: String,
    ends_at: DateTime<Utc>,
    /// Nothing is chained to it.
    is_last: bool,
    /// Its installation is neither suspended nor over: there is something to renew.
    is_wanted: bool,
}

fn ending_of(row: &tokio_postgres::Row) -> Ending {
    Ending {
        id: row.get(0),
        installation: row.get(1),
        customer: row.get(2),
        plan_name: row.get(3),
        ends_at: row.get(4),
        is_last: row.get(5),
        is_wanted: row.get(6),
    }
}

/// Marks a batch of periods that ended. Installations are locked first, as everybody does. Answers whether there may be more.
async fn expire(tx: &TenantTx, tenant: &Tenant, policy: &Policy, now: DateTime<Utc>) -> Result<bool> {
    let due = tx
        .query(
            "WITH due AS (SELECT s.id, s.installation_id FROM subscription s WHERE s.status = 'active' AND s.ends_at <= $2 \
             AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = s.installation_id AND p.status = 'paused') \
             ORDER BY s.ends_at, s.id LIMIT $1) \
             SELECT due.id, i.id FROM due JOIN installation i ON i.id = due.installation_id ORDER BY i.id FOR NO KEY UPDATE OF i",
            &[&BATCH, &now],
        )
        .await?;
    if due.is_empty() {
        return Ok(false);
    }
    let ids: Vec<SubscriptionId> = due.iter().map(|row| row.get(0)).collect();
    let installations: BTreeSet<InstallationId> = due.iter().map(|row| row.get(1)).collect();
    let installations: Vec<InstallationId> = installations.into_iter().collect();
    let ended = tx
        .query(
            "UPDATE subscription s SET status = 'expired', updated_at = now() WHERE s.id = ANY($1) AND s.status = 'active' \
             AND s.ends_at <= $2 AND NOT EXISTS (SELECT FROM subscription p \
             WHERE p.installation_id = s.installation_id AND p.status = 'paused') \
             RETURNING s.id, s.installation_id, s.customer_id, s.plan_name, s.ends_at, NOT EXISTS (SELECT FROM subscription n \
                WHERE n.installation_id = s.installation_id AND n.status = 'active' AND n.ends_at > $2), \
             (SELECT i.status IN ('scheduled', 'active', 'inactive') FROM installation i WHERE i.id = s.installation_id)",
            &[&ids, &now],
        )
        .await?;
    periods::catch_up(tx, &installations, now).await?;
    let tells_of_end = policy.reminder_days.contains(&0);
    let ended: Vec<Ending> = ended.iter().map(ending_of).collect();
    publish(tx, "subscription.expired", &ended, |ending| json!({ "is_renewed": !ending.is_last })).await?;
    if tells_of_end {
        let last: Vec<Ending> =
            ended.into_iter().filter(|ending| ending.is_last && ending.is_wanted).collect();
        tell(tx, last, 0, tenant.time_zone.0).await?;
    }
    Ok(i64::try_from(due.len()).is_ok_and(|n| n == BATCH))
}

/// Writes an event of each period down, with what the kind says besides.
async fn publish(
    tx: &TenantTx,
    kind: &'static str,
    endings: &[Ending],
    besides: impl Fn(&Ending) -> Value,
) -> Result<()> {
    let payloads: Vec<Value> = endings
        .iter()
        .map(|ending| {
            let mut payload = json!({
                "installation_id": ending.installation, "plan": ending.plan_name, "ends_at": ending.ends_at,
            });
            if let (Some(all), Value::Object(besides)) = (payload.as_object_mut(), besides(ending)) {
                all.extend(besides);
            }
            payload
        })
        .collect();
    let news: Vec<events::Event<'_>> = endings
        .iter()
        .zip(&payloads)
        .map(|(ending, payload)| events::Event {
            kind,
            subject: ending.id.0,
            customer: Some(ending.customer),
            payload,
        })
        .collect();
    if news.is_empty() { Ok(()) } else { events::publish_all(tx, &news).await }
}

/// Reminds of periods, of each once for each number of days: whoever writes the row tells of it.
async fn tell(tx: &TenantTx, mut endings: Vec<Ending>, days: i16, zone: Tz) -> Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let ids: Vec<SubscriptionId> = endings.iter().map(|ending| ending.id).collect();
    let first = tx
        .query(
            "INSERT INTO subscription_reminder (subscription_id, days_before) SELECT id, $2 FROM unnest($1::uuid[]) AS u (id) \
             ON CONFLICT DO NOTHING RETURNING subscription_id",
            &[&ids, &days],
        )
        .await?;
    let first: BTreeSet<SubscriptionId> = first.iter().map(|row| row.get(0)).collect();
    endings.retain(|ending| first.contains(&ending.id));
    if endings.is_empty() {
        return Ok(());
    }
    publish(tx, "subscription.reminder", &endings, |_| json!({ "days_before": days })).await?;
    let news: Vec<(CustomerId, String)> = endings
        .iter()
        .map(|ending| {
            let at = day_and_time(ending.ends_at, zone);
            let text = match days {
                0 => format!("Your plan {} ended on {at}. Renew it to go on.", ending.plan_name),
                _ => format!("Your plan {} ends on {at}.", ending.plan_name),
            };
            (ending.customer, text)
        })
        .collect();
    events::tell_each(tx, &news, "/my").await
}

/// Lets installations go whose grace ran out. Answers whether there may be more. Whoever holds one says what it is when done:
/// nobody is waited for, since others are locked by now and not in this order.
async fn lapse(tx: &TenantTx, policy: &Policy, now: DateTime<Utc>) -> Result<bool> {
    let rows = tx
        .query(
            "SELECT id FROM installation WHERE status = 'active' AND paid_until <= $3::timestamptz - make_interval(days => $1) \
             ORDER BY paid_until, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
            &[&i32::from(policy.grace_days), &BATCH, &now],
        )
        .await?;
    let ids: Vec<InstallationId> = rows.iter().map(|row| row.get(0)).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let gone = periods::catch_up(tx, &ids, now).await?;
    // What is left as it was is held by something else, and would be found for ever.
    Ok(gone > 0 && i64::try_from(ids.len()).is_ok_and(|n| n == BATCH))
}

/// The stretches of time in which the end of a period calls for a reminder: so many days before, after `floor`, up to `reach`.
/// Most days first; each reaches down to the next one.
fn windows(policy: &Policy, now: DateTime<Utc>, zone: Tz) -> Vec<(i16, DateTime<Utc>, DateTime<Utc>)> {
    let days: Vec<i16> = policy.reminder_days.iter().copied().filter(|days| *days > 0).collect();
    let floors = days.iter().skip(1).map(|next| after(now, *next, zone)).chain([now]);
    days.iter().zip(floors).map(|(day, floor)| (*day, floor, after(now, *day, zone))).collect()
}

/// Periods `s` of installations `i` that a reminder of a window is due of.
macro_rules! reminded {
    ($floor:literal, $reach:literal, $days:literal) => {
        concat!(
            "FROM subscription s JOIN installation i ON i.id = s.installation_id WHERE s.status = 'active' AND s.ends_at > ",
            $floor,
            " AND s.ends_at <= ",
            $reach,
            " AND s.ends_at = i.paid_until AND i.status IN ('active', 'scheduled') \
             AND s.ends_at - s.starts_at > make_interval(days => ",
            $days,
            "::int) AND NOT EXISTS (SELECT FROM subscription_reminder r WHERE r.subscription_id = s.id AND r.days_before <= ",
            $days,
            ")"
        )
    };
}

/// Sends the nearest reminder of each period that has one due: those that were missed on the way are not made up for.
async fn remind(tx: &TenantTx, tenant: &Tenant, policy: &Policy, now: DateTime<Utc>) -> Result<bool> {
    let zone = tenant.time_zone.0;
    let mut may_be_more = false;
    for (day, floor, reach) in windows(policy, now, zone) {
        let rows = tx
            .query(
                concat!(
                    "SELECT s.id, s.installation_id, s.customer_id, s.plan_name, s.ends_at, true, true ",
                    reminded!("$1", "$2", "$3::smallint"),
                    " ORDER BY s.ends_at, s.id LIMIT $4 FOR NO KEY UPDATE OF s SKIP LOCKED"
                ),
                &[&floor, &reach, &day, &BATCH],
            )
            .await?;
        tell(tx, rows.iter().map(ending_of).collect(), day, zone).await?;
        may_be_more |= i64::try_from(rows.len()).is_ok_and(|n| n == BATCH);
    }
    Ok(may_be_more)
}

/// The same time of the day so many local days later.
fn after(at: DateTime<Utc>, days: i16, zone: Tz) -> DateTime<Utc> {
    at.with_timezone(&zone)
        .checked_add_days(chrono::Days::new(u64::try_from(days).unwrap_or_default()))
        .map_or(at + TimeDelta::days(i64::from(days)), |later| later.with_timezone(&Utc))
}

/// What is due, and when something is next.
struct Seen {
    ends: bool,
    lapses: bool,
    reminds: bool,
    next: DateTime<Utc>,
}

/// Looks whether anything is due, and when the next period ends, the next grace runs out, or the next reminder falls due. Each is
/// one step down an index, and all of them are one statement: most of the time this is the whole round of a tenant.
async fn look(tx: &TenantTx, policy: &Policy, zone: Tz, now: DateTime<Utc>) -> Result<Seen> {
    let windows = windows(policy, now, zone);
    let days: Vec<i16> = windows.iter().map(|window| window.0).collect();
    let floors: Vec<DateTime<Utc>> = windows.iter().map(|window| window.1).collect();
    let reaches: Vec<DateTime<Utc>> = windows.iter().map(|window| window.2).collect();
    let row = tx
        .query_one(
            concat!(
                "SELECT EXISTS (SELECT FROM subscription s WHERE s.status = 'active' AND s.ends_at <= $1 \
                    AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = s.installation_id AND p.status = 'paused')), \
                 EXISTS (SELECT FROM installation WHERE status = 'active' \
                    AND paid_until <= $1::timestamptz - make_interval(days => $2)), \
                 (SELECT min(paid_until) + make_interval(days => $2) FROM installation WHERE status = 'active' \
                    AND paid_until > $1::timestamptz - make_interval(days => $2)), \
                 (SELECT min(ends_at) FROM subscription WHERE status = 'active' AND ends_at > $1), \
                 ARRAY(SELECT EXISTS (SELECT ",
                reminded!("w.floor", "w.reach", "w.days"),
                ") FROM unnest($3::smallint[], $4::timestamptz[], $5::timestamptz[]) AS w (days, floor, reach)), \
                 ARRAY(SELECT (SELECT min(n.ends_at) FROM subscription n WHERE n.status = 'active' AND n.ends_at > w.reach) \
                    FROM unnest($5::timestamptz[]) WITH ORDINALITY AS w (reach, n) ORDER BY w.n)"
            ),
            &[&now, &i32::from(policy.grace_days), &days, &floors, &reaches],
        )
        .await?;
    let reminds: Vec<bool> = row.get(4);
    // Of each window, the end of the period that its reminder will be about next.
    let reminded: Vec<Option<DateTime<Utc>>> = row.get(5);
    // Where a zone turns its clocks, days before the one are not always days after the other: what seems to be due by the one and is
    // not by the other is looked at again in a minute, not at once.
    let soon = now + TimeDelta::minutes(1);
    let reminders = reminded
        .into_iter()
        .zip(&days)
        .filter_map(|(ends_at, days)| ends_at.map(|at| policy::before(at, *days, zone).max(soon)));
    let next = [row.get::<_, Option<DateTime<Utc>>>(2), row.get(3)]
        .into_iter()
        .flatten()
        .chain(reminders)
        .fold(now + TimeDelta::hours(LOOK_AT_LEAST_HOURS), Ord::min);
    Ok(Seen { ends: row.get(0), lapses: row.get(1), reminds: reminds.contains(&true), next: next.max(now) })
}

/// What each morning brings: the accounts are held against their entries, and staff hear what ends.
async fn begin_day(db: &Db, tenant: &Tenant) -> Result<Next> {
    let mut after: Option<Uuid> = None;
    loop {
        let (last, wrong) = db.read_tenant(tenant, async |tx| ledger::check(tx, after).await).await?;
        if !wrong.is_empty() {
            tracing::error!(tenant = %tenant.id(), accounts = wrong.len(), "accounts do not add up");
            db.in_tenant(tenant, async |tx| report(tx, tenant, &wrong).await).await?;
        }
        match last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    db.in_tenant(tenant, async |tx| summarise(tx, tenant.time_zone.0).await).await?;
    Ok(Next::Again(next_morning(Utc::now(), tenant.time_zone.0)))
}

/// Tells staff of accounts that do not add up, and writes each down.
async fn report(tx: &TenantTx, tenant: &Tenant, wrong: &[ledger::Discrepancy]) -> Result<()> {
    let by = By::system(tenant.clone());
    for one in wrong.iter().take(20) {
        let text = format!(
            "An account does not add up: it says {}, its entries come to {}, its charges and payments to {}.",
            one.balance, one.entries, one.records
        );
        let href = format!("/customers/{}/ledger", one.customer);
        events::tell_staff(tx, "payments.void", &text, &href).await?;
        let told = crate::audit::Event {
            action: "ledger.discrepancy_found",
            object_type: "customer",
            object_id: Some(one.customer.0),
            object_label: "Account",
            before: None,
            after: Some(json!({ "balance": one.balance, "entries": one.entries, "records": one.records })),
        };
        by.record(tx, told).await?;
    }
    Ok(())
}

/// One line for staff: how many ended since yesterday, and how many end within a week.
async fn summarise(tx: &TenantTx, zone: Tz) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT (SELECT count(*) FROM subscription s JOIN installation i ON i.id = s.installation_id \
                WHERE s.status = 'active' AND s.ends_at > now() AND s.ends_at <= $1 AND s.ends_at = i.paid_until), \
             (SELECT count(*) FROM subscription s JOIN installation i ON i.id = s.installation_id \
                WHERE s.status = 'expired' AND s.ends_at > $2 AND s.ends_at = i.paid_until)",
            &[&after(Utc::now(), 7, zone), &policy::before(Utc::now(), 1, zone)],
        )
        .await?;
    let (ending, ended): (i64, i64) = (row.get(0), row.get(1));
    if ending == 0 && ended == 0 {
        return Ok(());
    }
    let text = format!("{ended} subscriptions ended since yesterday, {ending} end within 7 days.");
    events::tell_staff(tx, "subscriptions.view", &text, "/collect").await
}

/// The next local morning. Where the zone leaves that hour out, a day later counts.
fn next_morning(now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    let hour = NaiveTime::from_hms_opt(MORNING_HOUR, 0, 0).unwrap_or(NaiveTime::MIN);
    (0..3)
        .filter_map(|days| today.checked_add_days(chrono::Days::new(days)))
        .filter_map(|day| day.and_time(hour).and_local_timezone(zone).earliest())
        .map(|at| at.with_timezone(&Utc))
        .find(|at| *at > now)
        .unwrap_or(now + TimeDelta::hours(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_reminder_is_due_at_the_local_time_of_the_end() {
        let (manila, berlin) = (chrono_tz::Asia::Manila, chrono_tz::Europe::Berlin);
        // The last second of February in Manila.
        let end = instant("2026-02-28T15:59:59Z");
        assert_eq!(policy::before(end, 1, manila), instant("2026-02-27T15:59:59Z"));
        assert_eq!(after(instant("2026-02-27T15:59:59Z"), 1, manila), end);
        // Across the change to summer time the day has 23 hours.
        let end = instant("2026-03-29T10:00:00Z");
        assert_eq!(policy::before(end, 1, berlin), instant("2026-03-28T11:00:00Z"));
    }

    #[test]
    fn the_morning_is_the_tenants_own() {
        let manila = chrono_tz::Asia::Manila;
        assert_eq!(next_morning(instant("2026-02-28T15:59:59Z"), manila), instant("2026-02-28T23:00:00Z"));
        assert_eq!(next_morning(instant("2026-02-28T23:00:00Z"), manila), instant("2026-03-01T23:00:00Z"));
    }
}
