//! Asking providers that do not tell, or that nobody can believe on their word. Each answer is a receipt like any other.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};

use super::{POLL, model::Kept, receipts};
use crate::{
    db::TenantTx,
    error::Result,
    jobs::{self, Next},
    messaging::{
        Messaging, Status,
        accounts::{self, Account, Opened},
        providers::{Receipt, Refusal},
    },
    tenancy::Tenant,
    types::{AccountId, DeliveryId},
};

const BATCH: i64 = 50;
const BATCHES: usize = 10;
const AT_ONCE: usize = 8;
/// Whoever asks has so long for it; then somebody else may.
const LEASE_SECONDS: f64 = 120.0;
/// The wait after a refusal that names none, and after one that needs somebody to mend the account.
const REFUSED_WAIT: TimeDelta = TimeDelta::minutes(10);

/// Deliveries that a provider has taken are asked after, where it is one that has to be asked. Called in the transaction that
/// writes the sending down.
pub async fn watch(tx: &TenantTx, sent: &[(&Account, &str, DeliveryId)]) -> Result<()> {
    let asked: Vec<(&(&Account, &str, DeliveryId), f64)> = sent
        .iter()
        .filter_map(|one| {
            let first = one.0.about()?.poll_after.first()?;
            (!one.1.is_empty()).then_some((one, first.as_secs_f64()))
        })
        .collect();
    let Some(soonest) = asked.iter().map(|one| one.1).min_by(f64::total_cmp) else { return Ok(()) };
    let deliveries: Vec<DeliveryId> = asked.iter().map(|(one, _)| one.2).collect();
    let accounts: Vec<AccountId> = asked.iter().map(|(one, _)| one.0.id).collect();
    let ids: Vec<&str> = asked.iter().map(|(one, _)| one.1).collect();
    let waits: Vec<f64> = asked.iter().map(|one| one.1).collect();
    tx.execute(
        "INSERT INTO delivery_poll (delivery_id, account_id, provider_message_id, due_at) \
         SELECT u.delivery_id, u.account_id, u.message_id, now() + make_interval(secs => u.wait) \
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::double precision[]) AS u (delivery_id, account_id, message_id, wait) \
         ON CONFLICT (delivery_id) DO UPDATE SET account_id = excluded.account_id, \
            provider_message_id = excluded.provider_message_id, due_at = excluded.due_at, polls = 0, polled_at = NULL",
        &[&deliveries, &accounts, &ids, &waits],
    )
    .await?;
    jobs::call_at(tx, POLL, Utc::now() + TimeDelta::milliseconds(millis(soonest))).await
}

fn millis(seconds: f64) -> i64 {
    i64::try_from(std::time::Duration::from_secs_f64(seconds.max(0.0)).as_millis()).unwrap_or(i64::MAX)
}

/// One delivery to be asked after.
struct Asked {
    delivery: DeliveryId,
    account: AccountId,
    message_id: String,
    accepted_at: DateTime<Utc>,
    status: Status,
}

/// What was answered.
struct Answered {
    asked: Asked,
    answer: Result<Option<Receipt>, Refusal>,
    /// The waits of its provider, from acceptance on.
    waits: &'static [std::time::Duration],
}

/// Asks after what is due.
pub async fn poll_due(messaging: &Messaging, tenant: &Tenant) -> Result<Next> {
    for _ in 0..BATCHES {
        let asked = messaging.db.in_tenant(tenant, async |tx| claim(tx).await).await?;
        if asked.is_empty() {
            break;
        }
        let answered = ask(messaging, tenant, asked).await?;
        messaging.db.in_tenant(tenant, async |tx| record(tx, &answered).await).await?;
    }
    let next: Option<DateTime<Utc>> = messaging
        .db
        .read_tenant(tenant, async |tx| {
            Ok(tx.last().query_one("SELECT min(due_at) FROM delivery_poll", &[]).await?.get(0))
        })
        .await?;
    Ok(next.map_or(Next::Done, Next::Again))
}

/// Takes what is due, so that nobody else asks for it meanwhile.
async fn claim(tx: &TenantTx) -> Result<Vec<Asked>> {
    let rows = tx
        .query(
            "UPDATE delivery_poll p SET due_at = now() + make_interval(secs => $2), polled_at = now(), \
                polls = least(p.polls + 1, 30000)::smallint \
             FROM delivery d WHERE d.id = p.delivery_id AND p.delivery_id IN (SELECT delivery_id FROM delivery_poll \
                WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) \
             RETURNING p.delivery_id, p.account_id, p.provider_message_id, coalesce(d.accepted_at, d.created_at), d.status",
            &[&BATCH, &LEASE_SECONDS],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Asked {
            delivery: row.get(0),
            account: row.get(1),
            message_id: row.get(2),
            accepted_at: row.get(3),
            status: Status::from_column(row.get(4)),
        })
        .collect())
}

async fn ask(messaging: &Messaging, tenant: &Tenant, asked: Vec<Asked>) -> Result<Vec<Answered>> {
    let mut open: HashMap<AccountId, Option<Opened>> = HashMap::new();
    for one in &asked {
        if open.contains_key(&one.account) {
            continue;
        }
        let id = one.account;
        let found = messaging.db.read_tenant(tenant, async |tx| accounts::find(&tx.last(), id).await).await?;
        let opened = match found.filter(|account| account.about().is_some()) {
            Some(account) => messaging.accounts.open(tenant, &account).await.ok(),
            None => None,
        };
        open.insert(id, opened);
    }
    let (open, outbound) = (&open, &messaging.outbound);
    let answered = stream::iter(asked).map(|one| async move {
        let opened = open.get(&one.account).and_then(Option::as_ref);
        let (answer, waits) = match opened {
            Some(opened) => (opened.now.poll(outbound, &one.message_id).await, opened.now.about().poll_after),
            None => (Ok(None), [].as_slice()),
        };
        Answered { asked: one, answer, waits }
    });
    Ok(answered.buffer_unordered(AT_ONCE).collect().await)
}

async fn record(tx: &TenantTx, answered: &[Answered]) -> Result<()> {
    let mut kept: HashMap<AccountId, Vec<Kept>> = HashMap::new();
    let (mut over, mut later, mut at) = (Vec::new(), Vec::new(), Vec::new());
    for one in answered {
        if let Ok(Some(receipt)) = &one.answer {
            kept.entry(one.asked.account).or_default().push(Kept::of(receipt, None));
        }
        match next(one, Utc::now()) {
            Some(due) => {
                later.push(one.asked.delivery);
                at.push(due);
            }
            None => over.push(one.asked.delivery),
        }
    }
    tx.execute(
        "UPDATE delivery_poll p SET due_at = u.due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, due_at) \
         WHERE p.delivery_id = u.id",
        &[&later, &at],
    )
    .await?;
    tx.execute("DELETE FROM delivery_poll WHERE delivery_id = ANY($1)", &[&over]).await?;
    let mut kept: Vec<_> = kept.into_iter().collect();
    kept.sort_by_key(|one| one.0);
    for (account, kept) in kept {
        receipts::keep(tx, account, kept).await?;
    }
    Ok(())
}

/// When it is asked after next: the gaps grow, and after the last one nobody asks any more.
fn next(one: &Answered, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if matches!(one.asked.status, Status::Delivered | Status::Read | Status::Cancelled | Status::Suppressed) {
        return None;
    }
    let planned = one
        .waits
        .iter()
        .filter_map(|wait| one.asked.accepted_at.checked_add_signed(TimeDelta::from_std(*wait).ok()?))
        .find(|at| *at > now);
    match &one.answer {
        Err(refusal) if refusal.class.may_pass_later() => {
            let wait = refusal.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok());
            Some((now + wait.unwrap_or(REFUSED_WAIT)).max(planned.unwrap_or(now)))
                .filter(|at| planned.is_some() || *at < one.asked.accepted_at + TimeDelta::days(2))
        }
        _ => planned,
    }
}
