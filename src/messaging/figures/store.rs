//! Reading the sums.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use chrono::{DateTime, Utc};

use super::model::{Asked, Cut, Figures, Latency, Part, Sums};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{Channel, providers},
};

/// A cut has at most so many rows: those with most messages.
const PARTS_MAX: usize = 500;

macro_rules! matching {
    () => {
        " FROM message_hour h WHERE h.hour >= $1 AND h.hour < $2 AND ($3::text IS NULL OR h.channel = $3) \
         AND ($4::text IS NULL OR h.provider = $4) AND ($5::uuid IS NULL OR h.template_id = $5) "
    };
}

/// How many messages providers took between two instants (whole hours, dry runs too), and how many wait to be sent: one look, so that
/// one that goes out meanwhile counts once.
pub async fn taken(tx: &TenantTx, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<(i64, i64)> {
    let row = tx
        .query_one(
            "SELECT (SELECT coalesce(sum(amount), 0)::bigint FROM message_hour
                WHERE hour >= $1 AND hour < $2 AND outcome = 'accepted') AS taken,
                (SELECT count(*) FROM delivery_queue) AS queued",
            &[&from, &until],
        )
        .await?;
    Ok((row.get("taken"), row.get("queued")))
}

/// Everything of a range.
pub async fn figures(tx: &TenantTx, asked: &Asked) -> Result<Figures> {
    let (total, parts) = parts(tx, asked).await?;
    let (to_accept, to_deliver) = latencies(tx, asked).await?;
    Ok(Figures { total, parts, to_accept, to_deliver, heat: heat(tx, asked).await? })
}

async fn parts(tx: &TenantTx, asked: &Asked) -> Result<(Sums, Vec<Part>)> {
    let channel = asked.channel.map(Channel::as_str);
    let zone = asked.zone.name();
    let rows = tx
        .query(
            concat!(
                "SELECT g.key, t.name, g.outcome, g.amount, g.segments, g.price FROM (SELECT CASE $6::text \
                    WHEN 'channel' THEN h.channel WHEN 'provider' THEN h.provider WHEN 'class' THEN h.class \
                    WHEN 'day' THEN to_char(h.hour AT TIME ZONE $7::text, 'YYYY-MM-DD') \
                    ELSE coalesce(h.template_id::text, '') END AS key, h.outcome, sum(h.amount)::bigint AS amount, \
                    sum(h.segments)::bigint AS segments, sum(h.price) AS price",
                matching!(),
                "GROUP BY 1, 2) g LEFT JOIN message_template t ON $6 = 'template' AND t.id::text = g.key"
            ),
            &[
                &asked.from,
                &asked.until,
                &channel,
                &asked.provider,
                &asked.template,
                &asked.by.as_str(),
                &zone,
            ],
        )
        .await?;
    let (mut total, mut parts) = (Sums::default(), BTreeMap::<String, Part>::new());
    for row in &rows {
        let (key, name): (String, Option<String>) = (row.get(0), row.get(1));
        let (outcome, amount, segments, cost): (&str, i64, i64, Decimal) =
            (row.get(2), row.get(3), row.get(4), row.get(5));
        total.add(outcome, amount, segments, cost);
        let label = label(asked.by, &key, name);
        let part = parts.entry(key.clone()).or_insert_with(|| Part { key, label, sums: Sums::default() });
        part.sums.add(outcome, amount, segments, cost);
    }
    // Why messages failed is asked of those that failed.
    let mut parts: Vec<Part> =
        parts.into_values().filter(|part| asked.by != Cut::Class || !part.key.is_empty()).collect();
    if asked.by != Cut::Day {
        parts.sort_by(|a, b| {
            (b.sums.sent + b.sums.failed, &a.label).cmp(&(a.sums.sent + a.sums.failed, &b.label))
        });
        parts.truncate(PARTS_MAX);
    }
    Ok((total, parts))
}

fn label(by: Cut, key: &str, name: Option<String>) -> String {
    match by {
        Cut::Channel => {
            key.parse::<Channel>().map_or_else(|_odd| key.to_owned(), |one| one.label().to_owned())
        }
        Cut::Provider if key.is_empty() => "No provider".into(),
        Cut::Provider => providers::about(key).map_or_else(|| key.to_owned(), |about| about.label.to_owned()),
        Cut::Template if key.is_empty() => "Without a template".into(),
        Cut::Template => name.unwrap_or_else(|| "A template that is gone".into()),
        Cut::Class | Cut::Day => key.to_owned(),
    }
}

async fn latencies(tx: &TenantTx, asked: &Asked) -> Result<(Latency, Latency)> {
    let channel = asked.channel.map(Channel::as_str);
    let rows = tx
        .query(
            concat!(
                "SELECT g.outcome, b.n - 1, sum(b.count)::bigint FROM (SELECT h.outcome, h.buckets",
                matching!(),
                "AND h.outcome IN ('accepted', 'delivered')) g \
                 CROSS JOIN LATERAL unnest(g.buckets) WITH ORDINALITY AS b (count, n) WHERE b.count > 0 GROUP BY 1, 2"
            ),
            &[&asked.from, &asked.until, &channel, &asked.provider, &asked.template],
        )
        .await?;
    let (mut accept, mut deliver) = (BTreeMap::new(), BTreeMap::new());
    for row in &rows {
        let into = if row.get::<_, &str>(0) == "accepted" { &mut accept } else { &mut deliver };
        let n: i64 = row.get(1);
        into.insert(usize::try_from(n).unwrap_or_default(), row.get(2));
    }
    Ok((Latency::of(&accept), Latency::of(&deliver)))
}

async fn heat(tx: &TenantTx, asked: &Asked) -> Result<BTreeMap<(i32, i32), i64>> {
    let channel = asked.channel.map(Channel::as_str);
    let zone = asked.zone.name();
    let rows = tx
        .query(
            concat!(
                "SELECT extract(isodow FROM h.hour AT TIME ZONE $6::text)::integer, \
                 extract(hour FROM h.hour AT TIME ZONE $6::text)::integer, sum(h.amount)::bigint",
                matching!(),
                "AND h.outcome = 'accepted' GROUP BY 1, 2"
            ),
            &[&asked.from, &asked.until, &channel, &asked.provider, &asked.template, &zone],
        )
        .await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}
