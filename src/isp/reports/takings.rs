//! What reports of money share: what was taken and given back, by day, method and cashier, and which periods it paid.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::range::Asked;
use crate::words::say;
use crate::{db::TenantTx, error::Result, types::StaffId};

/// How often and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub amount: Decimal,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.amount += other.amount;
    }
}

/// Payments and refunds beside each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InOut {
    pub taken: Sum,
    pub returned: Sum,
}

impl InOut {
    pub fn net(&self) -> Decimal {
        self.taken.amount - self.returned.amount
    }

    pub fn add(&mut self, other: Self) {
        self.taken.add(other.taken);
        self.returned.add(other.returned);
    }
}

/// What was taken and given back in a range.
#[derive(Debug, Clone, Default)]
pub struct Takings {
    pub days: BTreeMap<NaiveDate, InOut>,
    pub methods: BTreeMap<String, InOut>,
    /// By the name that is shown; programs stand under the name of their key.
    pub cashiers: BTreeMap<(String, Option<StaffId>), InOut>,
    pub all: InOut,
}

/// `cash` as people read it.
pub fn method_label(method: &str) -> &'static str {
    match method {
        "cash" => say("Cash"),
        "gcash" => "GCash",
        "maya" => say("Maya"),
        "bank" => say("Bank"),
        "card" => say("Card"),
        _ => say("Other"),
    }
}

/// Grouped three ways in one pass over the range; the bits of GROUPING say which way a row is grouped.
const PAYMENTS: &str = "SELECT GROUPING(t.day, t.method, t.who) AS way, t.day, t.method, t.who, \
     max(coalesce(s.name, t.label)) AS name, sum(t.n)::bigint AS count, sum(t.amount) AS amount FROM ( \
     SELECT width_bucket(p.received_at, $3::timestamptz[]) AS day, p.method, p.received_by AS who, \
     max(p.received_by_label) AS label, count(*) AS n, sum(p.amount) AS amount FROM payment p \
     WHERE p.received_at >= $1 AND p.received_at < $2 AND p.status = 'valid' \
     AND ($4::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $4)) \
     AND ($5::uuid IS NULL OR p.received_by = $5) GROUP BY 1, 2, 3) t LEFT JOIN staff s ON s.id = t.who \
     GROUP BY GROUPING SETS ((t.day), (t.method), (t.who)) LIMIT 20000";

const REFUNDS: &str = "SELECT GROUPING(t.day, t.method, t.who) AS way, t.day, t.method, t.who, \
     max(coalesce(s.name, t.label)) AS name, sum(t.n)::bigint AS count, sum(t.amount) AS amount FROM ( \
     SELECT width_bucket(r.refunded_at, $3::timestamptz[]) AS day, r.method, r.refunded_by AS who, \
     max(r.refunded_by_label) AS label, count(*) AS n, sum(r.amount) AS amount FROM refund r \
     WHERE r.refunded_at >= $1 AND r.refunded_at < $2 \
     AND ($4::uuid IS NULL OR r.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $4)) \
     AND ($5::uuid IS NULL OR r.refunded_by = $5) GROUP BY 1, 2, 3) t LEFT JOIN staff s ON s.id = t.who \
     GROUP BY GROUPING SETS ((t.day), (t.method), (t.who)) LIMIT 20000";

const BY_DAY: i32 = 0b011;
const BY_METHOD: i32 = 0b101;

/// What was taken and given back in the range.
pub async fn takings(tx: &TenantTx, asked: &Asked) -> Result<Takings> {
    let (start, end) = asked.instants();
    let bounds = asked.bounds();
    let mut takings = Takings::default();
    for (sql, is_refund) in [(PAYMENTS, false), (REFUNDS, true)] {
        for row in tx.query(sql, &[&start, &end, &bounds, &asked.area, &asked.staff]).await? {
            let sum = Sum { count: row.get("count"), amount: row.get("amount") };
            let both = if is_refund {
                InOut { returned: sum, ..InOut::default() }
            } else {
                InOut { taken: sum, ..InOut::default() }
            };
            match row.get("way") {
                BY_DAY => {
                    takings.all.add(both);
                    takings.days.entry(asked.day_at(row.get("day"))).or_default().add(both);
                }
                BY_METHOD => takings.methods.entry(row.get("method")).or_default().add(both),
                _by_cashier => {
                    let who = (row.get("name"), row.get("who"));
                    takings.cashiers.entry(who).or_default().add(both);
                }
            }
        }
    }
    Ok(takings)
}

/// What was taken less what was given back.
pub async fn net(tx: &TenantTx, asked: &Asked) -> Result<InOut> {
    let (start, end) = asked.instants();
    let row = tx
        .query_one(
            "SELECT (SELECT count(*) FROM refund r WHERE r.refunded_at >= $1 AND r.refunded_at < $2 \
             AND ($3::uuid IS NULL OR r.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR r.refunded_by = $4)) AS returned_count, \
             coalesce((SELECT sum(r.amount) FROM refund r WHERE r.refunded_at >= $1 AND r.refunded_at < $2 \
             AND ($3::uuid IS NULL OR r.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR r.refunded_by = $4)), 0) AS returned, \
             count(*) AS taken_count, coalesce(sum(p.amount), 0) AS taken FROM payment p \
             WHERE p.received_at >= $1 AND p.received_at < $2 AND p.status = 'valid' \
             AND ($3::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR p.received_by = $4)",
            &[&start, &end, &asked.area, &asked.staff],
        )
        .await?;
    Ok(InOut {
        taken: Sum { count: row.get("taken_count"), amount: row.get("taken") },
        returned: Sum { count: row.get("returned_count"), amount: row.get("returned") },
    })
}

/// How many customers paid in the range.
pub async fn payers(tx: &TenantTx, asked: &Asked) -> Result<i64> {
    let (start, end) = asked.instants();
    let row = tx
        .query_one(
            "SELECT count(*) FROM (SELECT p.customer_id FROM payment p WHERE p.received_at >= $1 AND p.received_at < $2 \
             AND p.status = 'valid' AND ($3::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c \
             WHERE c.area_id = $3)) GROUP BY p.customer_id) payer",
            &[&start, &end, &asked.area],
        )
        .await?;
    Ok(row.get(0))
}

/// What the payments of a range paid for: one kind of periods of one plan, first ones or later ones.
#[derive(Debug, Clone)]
pub struct Paid {
    pub plan_name: String,
    pub kind: String,
    /// Whether it paid customers' first paid periods.
    pub is_first: bool,
    /// How often money was put on them, and how much lies there.
    pub sum: Sum,
}

/// `one_month` as people read it.
pub fn kind_label(kind: &str) -> &'static str {
    match kind {
        "one_period" => say("Plan's own period"),
        "one_month" => "1 month",
        "fifteen_days" => "15 days",
        "custom" => say("Custom amount"),
        "opening" => say("Brought forward"),
        _ => say("Change of plan"),
    }
}

/// What the payments of the range lie on, now. What does not lie on a period is credit, or was given back.
pub async fn paid_for(tx: &TenantTx, asked: &Asked) -> Result<Vec<Paid>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "WITH shares AS (SELECT s.plan_id, s.kind, f.first_paid_id IS NOT NULL AS is_first, \
             count(*) FILTER (WHERE a.amount > 0) AS n, sum(a.amount) AS amount FROM payment p \
             JOIN payment_allocation a ON a.payment_id = p.id JOIN subscription s ON s.id = a.subscription_id \
             LEFT JOIN customer_account f ON f.first_paid_id = s.id \
             WHERE p.received_at >= $1 AND p.received_at < $2 AND p.status = 'valid' \
             AND ($3::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR p.received_by = $4) GROUP BY 1, 2, 3 HAVING sum(a.amount) <> 0) \
             SELECT s.plan_id, l.name, s.kind, s.is_first, s.n, s.amount FROM shares s JOIN plan l ON l.id = s.plan_id LIMIT 5000",
            &[&start, &end, &asked.area, &asked.staff],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Paid {
            plan_name: row.get(1),
            kind: row.get(2),
            is_first: row.get(3),
            sum: Sum { count: row.get(4), amount: row.get(5) },
        })
        .collect())
}

/// Adds sums up by a name, the greatest amount first.
pub fn greatest_first<'a>(sums: impl IntoIterator<Item = (&'a str, Sum)>) -> Vec<(&'a str, Sum)> {
    let mut by_name: BTreeMap<&str, Sum> = BTreeMap::new();
    for (name, sum) in sums {
        by_name.entry(name).or_default().add(sum);
    }
    let mut sorted: Vec<(&str, Sum)> = by_name.into_iter().collect();
    sorted.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.amount));
    sorted
}
