//! The financial dashboard: what comes in every month, who leaves, what is owed and what is held.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{
    ViewFinance,
    collection::{by_method, per_step},
    definition::{Definition, Narrow, Shelf},
    model::{Column, Figure, Kind, Report, Table, Value, average, column, share},
    range::{Asked, Usual, begin_of, day_of},
    revenue::Origins,
    takings::{net, paid_for, payers, takings},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result};

pub const DEFINITION: Definition = Definition {
    name: "finance",
    title: "Financial dashboard",
    shelf: Shelf::Business,
    text: "Recurring revenue, revenue per customer, churn, what is owed and since when, and what is held for customers.",
    terms: &[
        ("At the end", "At the end of the last of these days, or now if that lies ahead."),
        (
            "MRR",
            "Monthly recurring revenue: of each period that runs at the end, its plan's price times 30 divided by the plan's days, rounded to cents and added up. Paused periods do not run now; when a past pause began is not looked at.",
        ),
        ("Per paying customer", "Collected on these days less refunded, divided by the customers who paid."),
        (
            "Churn",
            "Of the customers with a running period at the beginning of the first day, the share that has none at the end.",
        ),
        (
            "New and renewal",
            "What payments of these days lie on: customers' first paid periods, later ones, or none.",
        ),
        (
            "Owed",
            "What is unpaid of periods now, less what was credited, by the whole days since the period began; before it began it is not due.",
        ),
        ("Credit held", "What of payments that are not void lies on no period and was not given back, now."),
    ],
    permission: &ViewFinance::PERMISSION,
    narrows: &[Narrow::Area],
    staff_word: "",
    usual: Usual::ThisMonth,
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const AGING: &[Column] = &[
    column("age", "Owed for", Kind::Text),
    column("customers", "Customers", Kind::Int),
    column("amount", "Amount", Kind::Money),
    column("share", "Share", Kind::Percent),
];
const BY_METHOD: &[Column] = &[
    column("method", "Method", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("collected", "Collected", Kind::Money),
    column("refunded", "Refunded", Kind::Money),
    column("net", "Net", Kind::Money),
];
const CHURN: &[Column] = &[
    column("what", "Customers with a running period", Kind::Text),
    column("customers", "Customers", Kind::Int),
];

/// Who was served at the beginning and at the end.
struct Served {
    at_start: i64,
    at_end: i64,
    left: i64,
    recurring: Decimal,
    recurring_before: Decimal,
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let served = served(tx, asked).await?;
    let taken = takings(tx, asked).await?;
    let customers = payers(tx, asked).await?;
    let paid = paid_for(tx, asked).await?;
    let before = asked.range.before();
    let was = net(tx, &asked.over(before)).await?.net();
    let origins = Origins::of(&paid, taken.all.taken.amount);
    let owed = owed(tx, asked).await?;
    let revenue = taken.all.net();
    let mrr = Figure::new("mrr", "MRR", Value::Money(served.recurring));
    let mut figures = vec![
        mrr.against(say("the beginning"), served.recurring_before, served.recurring),
        Figure::new("revenue", say("Revenue"), Value::Money(revenue)).against(before, was, revenue),
        Figure::new("refunded", say("Refunded"), Value::Money(taken.all.returned.amount)),
        Figure::new(
            "per_customer",
            say("Per paying customer"),
            average(revenue, customers).map_or(Value::Nothing, Value::Money),
        ),
        Figure::new("churn", say("Churn"), share(served.left, served.at_start)),
        Figure::new("owed", say("Owed"), Value::Money(owed.iter().map(|(_, _, amount)| *amount).sum())),
        Figure::new("credit", say("Credit held"), Value::Money(credit(tx, asked).await?)),
    ];
    figures.extend(origins.figures());
    let all: Decimal = owed.iter().map(|(_, _, amount)| *amount).sum();
    let aging = owed.iter().map(|(age, customers, amount)| {
        vec![Value::text(*age), Value::Int(*customers), Value::Money(*amount), share(*amount, all)]
    });
    let came = served.at_end - (served.at_start - served.left);
    let churn = [
        (say("At the beginning"), served.at_start),
        (say("Left"), served.left),
        (say("Came or came back"), came),
        (say("At the end"), served.at_end),
    ];
    let tables = vec![
        Table::new("aging", say("Owed, by age"), AGING, aging),
        Table::new("by_method", say("Collected by method"), BY_METHOD, by_method(&taken)),
        Table::new(
            "churn",
            say("Who is served"),
            CHURN,
            churn.map(|(what, n)| vec![Value::text(what), Value::Int(n)]),
        ),
    ];
    Ok(Report { figures, charts: vec![per_step(asked, &taken), origins.chart()], tables })
}

/// The last instant that is looked at: that of the range, or now.
fn at_end(asked: &Asked) -> DateTime<Utc> {
    asked.instants().1.min(asked.now)
}

async fn served(tx: &TenantTx, asked: &Asked) -> Result<Served> {
    let (start, _) = asked.instants();
    let end = at_end(asked);
    let row = tx
        .query_one(
            "SELECT count(*) FILTER (WHERE t.is_before) AS at_start, count(*) FILTER (WHERE t.is_after) AS at_end, \
             count(*) FILTER (WHERE t.is_before AND NOT t.is_after) AS gone, \
             coalesce(sum(t.recurring), 0) AS recurring, coalesce(sum(t.recurring_before), 0) AS recurring_before FROM ( \
             SELECT bool_or(s.starts_at <= $1 AND s.ends_at > $1) AS is_before, \
             bool_or(s.starts_at < $2 AND s.ends_at >= $2 AND s.status <> 'paused') AS is_after, \
             sum(round(s.price * 30 / s.period_days, 2)) FILTER (WHERE s.starts_at < $2 AND s.ends_at >= $2 \
             AND s.status <> 'paused') AS recurring, \
             sum(round(s.price * 30 / s.period_days, 2)) FILTER (WHERE s.starts_at <= $1 AND s.ends_at > $1) \
             AS recurring_before FROM subscription s \
             WHERE (s.starts_at <= $1 AND s.ends_at > $1 OR s.starts_at < $2 AND s.ends_at >= $2) \
             AND ($3::uuid IS NULL OR s.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             GROUP BY s.customer_id) t",
            &[&start, &end, &asked.area],
        )
        .await?;
    Ok(Served {
        at_start: row.get("at_start"),
        at_end: row.get("at_end"),
        left: row.get("gone"),
        recurring: row.get("recurring"),
        recurring_before: row.get("recurring_before"),
    })
}

const AGES: [&str; 5] = ["More than 90 days", "61–90 days", "31–60 days", "Up to 30 days", "Not due yet"];

/// What is owed, the youngest first: an age in words, whose it is, how much.
async fn owed(tx: &TenantTx, asked: &Asked) -> Result<Vec<(&'static str, i64, Decimal)>> {
    let today = day_of(asked.now, asked.zone);
    // A period that began on the day 30 days ago is owed for 30 days: each bound is the first instant of a younger age.
    let mut bounds: Vec<DateTime<Utc>> = [90u64, 60, 30]
        .into_iter()
        .map(|days| begin_of(today - chrono::Days::new(days), asked.zone))
        .collect();
    bounds.push(asked.now);
    let rows = tx
        .query(
            "SELECT width_bucket(s.starts_at, $1::timestamptz[]), count(DISTINCT s.customer_id), \
             sum(s.amount - s.credited_amount - s.paid_amount) FROM subscription s \
             WHERE s.paid_amount < s.amount - s.credited_amount \
             AND ($2::uuid IS NULL OR s.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $2)) \
             GROUP BY 1 LIMIT 10",
            &[&bounds, &asked.area],
        )
        .await?;
    Ok(AGES
        .iter()
        .zip([0i32, 1, 2, 3, 4])
        .rev()
        .map(|(age, bucket)| {
            let found = rows.iter().find(|row| row.get::<_, i32>(0) == bucket);
            found.map_or((say(age), 0, Decimal::ZERO), |row| (say(age), row.get(1), row.get(2)))
        })
        .collect())
}

async fn credit(tx: &TenantTx, asked: &Asked) -> Result<Decimal> {
    let row = tx
        .query_one(
            "SELECT coalesce(sum(p.amount - p.allocated_amount - p.refunded_amount), 0) FROM payment p \
             WHERE p.status = 'valid' AND p.allocated_amount + p.refunded_amount < p.amount \
             AND ($1::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $1))",
            &[&asked.area],
        )
        .await?;
    Ok(row.get(0))
}
