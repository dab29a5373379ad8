//! Counting deliveries as they move from one status to another.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    messaging::{Channel, Status},
    types::{MessageId, TemplateId},
};

/// Latencies are counted by powers of two of milliseconds, up to some twelve days.
const BUCKETS: usize = 31;
/// Counters of one message lie in so many rows, so that those who count do not wait for each other.
const SHARDS: u16 = 4;

/// A delivery that moved.
#[derive(Debug, Clone)]
pub struct Move {
    pub message: MessageId,
    pub template: Option<TemplateId>,
    pub channel: Channel,
    /// The provider's kind; empty when it never came to one.
    pub provider: String,
    pub from: Status,
    pub to: Status,
    /// Why it failed; empty otherwise.
    pub class: String,
    pub segments: i64,
    /// What it cost, counted once: with the move that knows it.
    pub price: Decimal,
    /// When it was queued, and when it moved.
    pub queued_at: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

/// The index of the bucket that so many milliseconds belong to.
fn bucket(ms: i64) -> usize {
    usize::try_from(64 - ms.max(1).leading_zeros() - 1).unwrap_or_default().min(BUCKETS - 1)
}

/// What a move adds to the sums of its hour: what it came to, and what it must have come to on the way, so that each delivery counts
/// once as accepted, and once as delivered.
fn outcomes(one: &Move) -> impl Iterator<Item = Status> + use<> {
    use Status::{Accepted, Delivered, Failed, Queued, Read, Sent, Unknown};
    let (from, to) = (one.from, one.to);
    let was_taken = matches!(from, Queued | Unknown) && matches!(to, Sent | Delivered | Read);
    let has_arrived = matches!(from, Queued | Unknown | Accepted | Sent | Failed) && to == Read;
    [was_taken.then_some(Accepted), has_arrived.then_some(Delivered), (to != Queued).then_some(to)]
        .into_iter()
        .flatten()
}

#[derive(Default)]
struct Sum {
    amount: i64,
    segments: i64,
    price: Decimal,
    buckets: Vec<i64>,
}

type HourKey = (DateTime<Utc>, &'static str, String, Option<Uuid>, &'static str, String);

/// Counts moves, in the transaction that makes them. Rows are written in the order of their keys: two who count never wait for each
/// other in a ring.
pub async fn moved(tx: &TenantTx, moves: &[Move]) -> Result<()> {
    let moves: Vec<&Move> = moves.iter().filter(|one| one.from != one.to).collect();
    if moves.is_empty() {
        return Ok(());
    }
    count_messages(tx, &moves).await?;
    count_hours(tx, &moves).await
}

async fn count_messages(tx: &TenantTx, moves: &[&Move]) -> Result<()> {
    let mut sums: BTreeMap<(Uuid, &'static str), (i64, Decimal)> = BTreeMap::new();
    for one in moves {
        // What is queued is what is left: counting it would make two writes out of one.
        if one.from != Status::Queued {
            sums.entry((one.message.0, one.from.as_str())).or_default().0 -= 1;
        }
        if one.to != Status::Queued {
            let sum = sums.entry((one.message.0, one.to.as_str())).or_default();
            sum.0 += 1;
            sum.1 += one.price;
        }
    }
    let shard = i16::try_from(rand::random::<u16>() % SHARDS).unwrap_or_default();
    let mut columns: (Vec<Uuid>, Vec<&str>, Vec<i64>, Vec<Decimal>) = Default::default();
    for ((message, status), (amount, price)) in sums {
        columns.0.push(message);
        columns.1.push(status);
        columns.2.push(amount);
        columns.3.push(price);
    }
    tx.execute(
        "INSERT INTO message_count AS c (message_id, status, shard, amount, price)
         SELECT message_id, status, $5, amount, price
         FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::numeric[]) AS n (message_id, status, amount, price)
         ON CONFLICT (message_id, status, shard) DO UPDATE SET amount = c.amount + excluded.amount,
            price = c.price + excluded.price",
        &[&columns.0, &columns.1, &columns.2, &columns.3, &shard],
    )
    .await
    .map(drop)
}

async fn count_hours(tx: &TenantTx, moves: &[&Move]) -> Result<()> {
    let mut sums: BTreeMap<HourKey, Sum> = BTreeMap::new();
    for (one, outcome) in moves.iter().flat_map(|one| outcomes(one).map(move |outcome| (one, outcome))) {
        let hour = one.at.duration_trunc(TimeDelta::hours(1)).unwrap_or(one.at);
        let template = one.template.map(|id| id.0);
        let key =
            (hour, one.channel.as_str(), one.provider.clone(), template, outcome.as_str(), one.class.clone());
        let sum = sums.entry(key).or_default();
        sum.amount += 1;
        sum.segments += one.segments;
        sum.price += if outcome == one.to { one.price } else { Decimal::ZERO };
        sum.buckets.resize(BUCKETS, 0);
        let at = bucket((one.at - one.queued_at).num_milliseconds());
        if let Some(count) = sum.buckets.get_mut(at) {
            *count += 1;
        }
    }
    for ((hour, channel, provider, template, outcome, class), sum) in sums {
        tx.execute(
            "INSERT INTO message_hour AS h (hour, channel, provider, template_id, outcome, class, amount, segments, price,
                buckets)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (hour, channel, provider, outcome, class,
                (coalesce(template_id, '00000000-0000-0000-0000-000000000000'::uuid)))
             DO UPDATE SET amount = h.amount + excluded.amount, segments = h.segments + excluded.segments,
                price = h.price + excluded.price, buckets = (SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY i)
                    FROM unnest(h.buckets, excluded.buckets) WITH ORDINALITY AS both_of (a, b, i))",
            &[
                &hour,
                &channel,
                &provider,
                &template,
                &outcome,
                &class,
                &sum.amount,
                &sum.segments,
                &sum.price,
                &sum.buckets,
            ],
        )
        .await?;
    }
    Ok(())
}

/// What became of each message's recipients: (status, how many, what they cost), without those that are queued.
pub async fn counts(
    tx: &TenantTx,
    messages: &[MessageId],
) -> Result<BTreeMap<(MessageId, Status), (i64, Decimal)>> {
    let rows = tx
        .query(
            "SELECT message_id, status, sum(amount)::bigint, sum(price) FROM message_count
             WHERE message_id = ANY($1) GROUP BY message_id, status",
            &[&messages],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| ((row.get(0), Status::from_column(row.get(1))), (row.get(2), row.get(3))))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_power_of_two() {
        assert_eq!([0, 1, 2, 3, 4, 1_023, 1_024].map(bucket), [0, 0, 1, 1, 2, 9, 10]);
        assert_eq!(bucket(i64::MAX), BUCKETS - 1);
    }
}
