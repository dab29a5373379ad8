//! Writing down what became of deliveries: many at once, with a handful of statements, and only for those that are still ours.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::fate::{Failure, Fate};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Channel, Status,
        accounts::{
            Account,
            breaker::{self, Note},
        },
        figures::{self, Move},
        hooks, live,
        messages::{self, Lane},
        providers::State,
        suppression,
    },
    tenancy::Tenant,
    types::{AccountId, DeliveryId, MessageId, TemplateId},
};

/// One try at a provider, as it is written down.
#[derive(Debug, Clone)]
pub struct Tried {
    pub account: Account,
    /// The provider's kind.
    pub provider: &'static str,
    pub provider_message_id: Option<String>,
    pub started_at: DateTime<Utc>,
    pub ms: i32,
    /// accepted, refused, unknown, `dry_run`
    pub outcome: &'static str,
    pub failure: Option<Failure>,
}

/// What became of one delivery, and what is needed to write it down.
#[derive(Debug, Clone)]
pub struct Settled {
    pub id: DeliveryId,
    pub lease: Uuid,
    pub message: MessageId,
    pub lane: Lane,
    pub template: Option<TemplateId>,
    pub channel: Channel,
    pub address: String,
    /// How often it was tried before.
    pub attempts: i16,
    pub retries: i16,
    pub queued_at: DateTime<Utc>,
    pub segments: Option<i16>,
    /// What was set aside for it.
    pub reserved: Decimal,
    /// What the tenant pays for it by its own price list; nothing where it keeps none.
    pub own_price: Decimal,
    /// None when it came to its end before it was tried.
    pub tried: Option<Tried>,
    pub fate: Fate,
    pub at: DateTime<Utc>,
    /// What it says of the account.
    pub note: Option<(AccountId, Note)>,
}

impl Settled {
    fn price(&self) -> Option<Decimal> {
        match &self.fate {
            // The tenant's own price counts before what the provider says, in whatever currency.
            Fate::Accepted { price, .. } if self.own_price.is_zero() => Some(price.unwrap_or_default()),
            Fate::Accepted { .. } => Some(self.own_price),
            _ => None,
        }
    }

    /// Whether it went by a sender of the platform's own, or may have.
    fn is_lent(&self) -> bool {
        self.tried.as_ref().is_none_or(|tried| tried.account.sender.is_some())
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.fate {
            Fate::Accepted { .. } => None,
            Fate::Again { failure, .. } | Fate::Ended { failure, .. } => Some(failure),
        }
    }

    /// The status that a delivery of status `was` comes to. A receipt may have been quicker than we are.
    fn status_after(&self, was: Status) -> Status {
        match &self.fate {
            Fate::Accepted { state, .. } => {
                let told = was.after(*state);
                if told == Status::Queued { Status::Accepted } else { told }
            }
            Fate::Again { .. } => was,
            Fate::Ended { status, .. } if was == Status::Queued => *status,
            Fate::Ended { .. } => was,
        }
    }
}

/// Writes all of it down, in one unit of work.
pub async fn settle(tx: &TenantTx, tenant: &Tenant, batch: &[Settled]) -> Result<()> {
    let held = release(tx, batch).await?;
    call_again(tx, batch).await?;
    let was = lock(tx, batch).await?;
    // Who lost its lease has been given up for unknown. That it was taken after all is worth knowing, all else is not.
    let counts = |one: &&Settled| match was.get(&one.id) {
        Some(status) => {
            held.contains(&one.id)
                || (*status == Status::Unknown && matches!(one.fate, Fate::Accepted { .. }))
        }
        None => false,
    };
    let mut ours: Vec<(&Settled, Status)> =
        batch.iter().filter(counts).filter_map(|one| Some((one, *was.get(&one.id)?))).collect();
    ours.sort_by_key(|(one, _)| one.id);
    write_deliveries(tx, &ours).await?;
    write_attempts(tx, &ours).await?;
    bury(tx, &ours).await?;
    figures::moved(tx, &moves(&ours)).await?;
    suppress(tx, &ours).await?;
    credit(tx, &ours).await?;
    let notes: Vec<(AccountId, Note)> = batch.iter().filter_map(|one| one.note.clone()).collect();
    breaker::note(tx, &notes).await?;
    listen(tx, tenant, &ours).await?;
    live::moved(tx, &ours.iter().map(|(one, _)| one.message).collect()).await
}

/// Takes deliveries out of the queue, or puts them back for later: those alone whose lease is still ours.
async fn release(tx: &TenantTx, batch: &[Settled]) -> Result<HashSet<DeliveryId>> {
    let ids: Vec<DeliveryId> = batch.iter().map(|one| one.id).collect();
    let leases: Vec<Uuid> = batch.iter().map(|one| one.lease).collect();
    let again: Vec<Option<DateTime<Utc>>> = batch
        .iter()
        .map(|one| match &one.fate {
            Fate::Again { due, .. } => Some(*due),
            _ => None,
        })
        .collect();
    let rows = tx
        .query(
            "WITH told AS (SELECT id, lease, again FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
                AS t (id, lease, again)),
             gone AS (DELETE FROM delivery_queue q USING told t
                WHERE q.delivery_id = t.id AND q.lease = t.lease AND t.again IS NULL RETURNING q.delivery_id),
             later AS (UPDATE delivery_queue q SET lease = NULL, due_at = t.again FROM told t
                WHERE q.delivery_id = t.id AND q.lease = t.lease AND t.again IS NOT NULL RETURNING q.delivery_id)
             SELECT delivery_id FROM gone UNION ALL SELECT delivery_id FROM later",
            &[&ids, &leases, &again],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is tried again may be due before its lane is looked at next.
async fn call_again(tx: &TenantTx, batch: &[Settled]) -> Result<()> {
    for lane in Lane::ALL {
        let due = batch.iter().filter(|one| one.lane == *lane).filter_map(|one| match &one.fate {
            Fate::Again { due, .. } => Some(*due),
            _ => None,
        });
        if let Some(earliest) = due.min() {
            messages::call_lane(tx, *lane, earliest).await?;
        }
    }
    Ok(())
}

/// Holds the deliveries in the order of their ids, so that receipts wait, and says how far they are.
async fn lock(tx: &TenantTx, batch: &[Settled]) -> Result<HashMap<DeliveryId, Status>> {
    let ids: Vec<DeliveryId> = batch.iter().map(|one| one.id).collect();
    let rows = tx
        .query("SELECT id, status FROM delivery WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &[&ids])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), Status::from_column(row.get(1)))).collect())
}

async fn write_deliveries(tx: &TenantTx, ours: &[(&Settled, Status)]) -> Result<()> {
    let mut ids = Vec::with_capacity(ours.len());
    let mut statuses: Vec<&str> = Vec::with_capacity(ours.len());
    let mut attempts: Vec<i16> = Vec::with_capacity(ours.len());
    let mut retries: Vec<i16> = Vec::with_capacity(ours.len());
    let mut accounts: Vec<Option<AccountId>> = Vec::with_capacity(ours.len());
    let mut without: Vec<Option<AccountId>> = Vec::with_capacity(ours.len());
    let mut forgets: Vec<bool> = Vec::with_capacity(ours.len());
    let mut segments: Vec<Option<i16>> = Vec::with_capacity(ours.len());
    let mut prices: Vec<Option<Decimal>> = Vec::with_capacity(ours.len());
    let mut classes: Vec<Option<&str>> = Vec::with_capacity(ours.len());
    let mut codes: Vec<Option<&str>> = Vec::with_capacity(ours.len());
    let mut details: Vec<Option<&str>> = Vec::with_capacity(ours.len());
    let mut instants: Vec<DateTime<Utc>> = Vec::with_capacity(ours.len());
    for (one, was) in ours {
        ids.push(one.id);
        statuses.push(one.status_after(*was).as_str());
        attempts.push(one.attempts + i16::from(one.tried.is_some()));
        let (left_out, counts, forget) = match &one.fate {
            Fate::Again { without, counts, .. } => (*without, *counts, without.is_none()),
            _ => (None, false, false),
        };
        retries.push(one.retries + i16::from(counts));
        accounts.push(one.tried.as_ref().map(|tried| tried.account.id));
        without.push(left_out);
        forgets.push(forget);
        segments.push(one.segments);
        prices.push(one.price());
        classes.push(one.failure().map(|failure| failure.class));
        codes.push(one.failure().map(|failure| failure.code.as_str()));
        details.push(one.failure().map(|failure| failure.detail.as_str()));
        instants.push(one.at);
    }
    tx.execute(
        "UPDATE delivery d SET status = t.status, attempts = t.attempts, retries = t.retries,
            account_id = coalesce(t.account_id, d.account_id),
            refused_by = CASE WHEN t.forgets THEN '{}' WHEN t.without IS NULL THEN d.refused_by
                ELSE array_append(d.refused_by, t.without) END,
            segments = coalesce(t.segments, d.segments), price = coalesce(t.price, d.price),
            failure_class = t.class, failure_code = t.code, failure = t.detail,
            reserved = CASE WHEN t.status = 'queued' THEN d.reserved ELSE 0 END,
            accepted_at = CASE WHEN t.status IN ('accepted', 'sent', 'delivered', 'read')
                THEN coalesce(d.accepted_at, t.at) ELSE d.accepted_at END,
            delivered_at = CASE WHEN t.status = 'delivered' THEN coalesce(d.delivered_at, t.at) ELSE d.delivered_at END,
            ended_at = CASE WHEN t.status IN ('failed', 'unknown', 'suppressed', 'expired') THEN t.at END
         FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::smallint[], $5::uuid[], $6::uuid[], $7::boolean[],
            $8::smallint[], $9::numeric[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
            AS t (id, status, attempts, retries, account_id, without, forgets, segments, price, class, code, detail, at)
         WHERE d.id = t.id",
        &[
            &ids, &statuses, &attempts, &retries, &accounts, &without, &forgets, &segments, &prices, &classes, &codes,
            &details, &instants,
        ],
    )
    .await
    .map(drop)
}

async fn write_attempts(tx: &TenantTx, ours: &[(&Settled, Status)]) -> Result<()> {
    let tries: Vec<(&Settled, &Tried)> =
        ours.iter().filter_map(|(one, _)| Some((*one, one.tried.as_ref()?))).collect();
    if tries.is_empty() {
        return Ok(());
    }
    let ids: Vec<DeliveryId> = tries.iter().map(|(one, _)| one.id).collect();
    let numbers: Vec<i16> = tries.iter().map(|(one, _)| one.attempts + 1).collect();
    let accounts: Vec<AccountId> = tries.iter().map(|(_, tried)| tried.account.id).collect();
    let providers: Vec<&str> = tries.iter().map(|(_, tried)| tried.provider).collect();
    let theirs: Vec<Option<&str>> =
        tries.iter().map(|(_, tried)| tried.provider_message_id.as_deref()).collect();
    let started: Vec<DateTime<Utc>> = tries.iter().map(|(_, tried)| tried.started_at).collect();
    let took: Vec<i32> = tries.iter().map(|(_, tried)| tried.ms).collect();
    let outcomes: Vec<&str> = tries.iter().map(|(_, tried)| tried.outcome).collect();
    let failures: Vec<Option<&Failure>> = tries.iter().map(|(_, tried)| tried.failure.as_ref()).collect();
    let classes: Vec<Option<&str>> = failures.iter().map(|failure| failure.map(|f| f.class)).collect();
    let codes: Vec<Option<&str>> = failures.iter().map(|failure| failure.map(|f| f.code.as_str())).collect();
    let details: Vec<Option<&str>> =
        failures.iter().map(|failure| failure.map(|f| f.detail.as_str())).collect();
    tx.execute(
        "INSERT INTO delivery_attempt (delivery_id, n, account_id, provider, provider_message_id, started_at, ms, outcome,
            class, code, detail)
         SELECT delivery_id, n, account_id, provider, provider_message_id, started_at, ms, outcome, class, code, detail
         FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::integer[],
            $8::text[], $9::text[], $10::text[], $11::text[])
            AS t (delivery_id, n, account_id, provider, provider_message_id, started_at, ms, outcome, class, code, detail)
         ON CONFLICT (delivery_id, n) DO NOTHING",
        &[
            &ids, &numbers, &accounts, &providers, &theirs, &started, &took, &outcomes, &classes, &codes, &details,
        ],
    )
    .await
    .map(drop)
}

/// Deliveries that came to a bad end are listed; one that was given up for unknown and was taken after all is not.
async fn bury(tx: &TenantTx, ours: &[(&Settled, Status)]) -> Result<()> {
    let dead: Vec<(DeliveryId, &str)> = ours
        .iter()
        .filter(|(one, was)| one.status_after(*was) != *was)
        .map(|(one, was)| (one.id, one.status_after(*was)))
        .filter(|(_, status)| matches!(status, Status::Failed | Status::Unknown | Status::Expired))
        .map(|(id, status)| (id, status.as_str()))
        .collect();
    let (ids, statuses): (Vec<DeliveryId>, Vec<&str>) = dead.into_iter().unzip();
    if !ids.is_empty() {
        tx.execute(
            "INSERT INTO dead_letter (delivery_id, status) SELECT id, status
             FROM unnest($1::uuid[], $2::text[]) AS t (id, status) ON CONFLICT (delivery_id) DO UPDATE
             SET status = excluded.status",
            &[&ids, &statuses],
        )
        .await?;
    }
    let risen: Vec<DeliveryId> = ours
        .iter()
        .filter(|(one, was)| *was == Status::Unknown && one.status_after(*was) != Status::Unknown)
        .map(|(one, _)| one.id)
        .collect();
    if !risen.is_empty() {
        tx.execute("DELETE FROM dead_letter WHERE delivery_id = ANY($1)", &[&risen]).await?;
    }
    Ok(())
}

fn moves(ours: &[(&Settled, Status)]) -> Vec<Move> {
    ours.iter()
        .map(|(one, was)| Move {
            message: one.message,
            template: one.template,
            channel: one.channel,
            provider: one.tried.as_ref().map(|tried| tried.provider.to_owned()).unwrap_or_default(),
            from: *was,
            to: one.status_after(*was),
            class: one.failure().map(|failure| failure.class.to_owned()).unwrap_or_default(),
            segments: i64::from(one.segments.unwrap_or_default()),
            price: one.price().unwrap_or_default(),
            queued_at: one.queued_at,
            at: one.at,
        })
        .collect()
}

/// Addresses that are not to be used again add themselves.
async fn suppress(tx: &TenantTx, ours: &[(&Settled, Status)]) -> Result<()> {
    let mut new = Vec::new();
    for (one, _) in ours {
        if let Fate::Ended { suppress: Some(reason), failure, .. } = &one.fate {
            new.push(suppression::New {
                channel: one.channel,
                address: &one.address,
                reason: reason.into(),
                source: suppression::Source::Refusal,
                note: &failure.detail,
                delivery: Some(one.id),
            });
        }
    }
    if new.is_empty() { Ok(()) } else { suppression::add_all(tx, &new).await.map(drop) }
}

/// What was set aside is spent when a sender of the platform took the message, and given back when surely none did. Of a message of unknown fate
/// it is spent: the provider may charge for it. What had come to its end before we heard was settled then.
async fn credit(tx: &TenantTx, ours: &[(&Settled, Status)]) -> Result<()> {
    let (mut spent, mut released) = (Decimal::ZERO, Decimal::ZERO);
    for (one, _) in ours.iter().filter(|(_, was)| *was == Status::Queued) {
        match &one.fate {
            Fate::Accepted { .. } | Fate::Ended { status: Status::Unknown, .. } if one.is_lent() => {
                spent += one.reserved;
            }
            Fate::Accepted { .. } => released += one.reserved,
            Fate::Ended { .. } => released += one.reserved,
            Fate::Again { .. } => {}
        }
    }
    if spent.is_zero() && released.is_zero() {
        return Ok(());
    }
    tx.execute("SELECT gate.settle_credit($1, $2)", &[&spent, &released]).await.map(drop)
}

/// Receipts that came before this was written down are heard now, and providers that tell nothing will be asked.
async fn listen(tx: &TenantTx, tenant: &Tenant, ours: &[(&Settled, Status)]) -> Result<()> {
    let mut sent: Vec<(AccountId, String, DeliveryId)> = Vec::new();
    let mut watched: Vec<(&Account, &str, DeliveryId)> = Vec::new();
    for (one, _) in ours {
        let Some(tried) = one.tried.as_ref().filter(|tried| matches!(tried.outcome, "accepted" | "unknown"))
        else {
            continue;
        };
        let theirs = tried.provider_message_id.as_deref().unwrap_or_default();
        sent.push((tried.account.id, theirs.to_owned(), one.id));
        if matches!(&one.fate, Fate::Accepted { state, .. } if *state < State::Failed) {
            watched.push((&tried.account, theirs, one.id));
        }
    }
    hooks::meet(tx, tenant, &sent).await?;
    hooks::watch(tx, &watched).await
}
