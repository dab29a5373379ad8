//! Payment behaviour: how much people pay at once, when in the week, and how soon they renew.

use chrono::{Datelike, Weekday};
use rust_decimal::Decimal;

use super::{
    ViewPaymentBehaviour,
    collection::by_method,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Report, Series, Shape, Table, Value, average, column, mean, share},
    range::{Asked, Usual},
    takings::{Sum, kind_label, takings},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result, web::parts::grouped};

pub const DEFINITION: Definition = Definition {
    name: "payment-behaviour",
    title: "Payment behaviour",
    shelf: Shelf::Business,
    text: "How much customers pay at once, on which days of the week, and how early or late they renew.",
    terms: &[
        ("Payments", "Those received on these days that are not void."),
        (
            "Bands",
            "Four steps and what lies above; a band holds its lower end. A step is the first of 1, 2, 5, 10, 20, 50 and so on that is at least half of the average payment.",
        ),
        ("Periods", "Those sold on these days, except the rest of a changed plan, with their price."),
        (
            "Renewals",
            "Periods sold on these days to an installation that had one before which was not cancelled.",
        ),
        (
            "Early, on time, late",
            "A renewal is on time when it is sold within a day before or after the end of the period before it; the average gap is negative when people renew early.",
        ),
        ("Cashier", "Narrows payments and periods alike to what one person took and sold."),
    ],
    permission: &ViewPaymentBehaviour::PERMISSION,
    narrows: &[Narrow::Area, Narrow::Staff],
    staff_word: "Cashier",
    usual: Usual::Last(90),
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const BY_METHOD: &[Column] = &[
    column("method", "Method", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("collected", "Collected", Kind::Money),
    column("refunded", "Refunded", Kind::Money),
    column("net", "Net", Kind::Money),
];
const BY_BAND: &[Column] = &[
    column("band", "Amount", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("share", "Share", Kind::Percent),
    column("amount", "Collected", Kind::Money),
];
const BY_WEEKDAY: &[Column] = &[
    column("weekday", "Weekday", Kind::Text),
    column("payments", "Payments", Kind::Int),
    column("share", "Share", Kind::Percent),
    column("amount", "Collected", Kind::Money),
];
const BY_KIND: &[Column] = &[
    column("kind", "Kind of period", Kind::Text),
    column("periods", "Periods", Kind::Int),
    column("share", "Share", Kind::Percent),
    column("amount", "Price", Kind::Money),
    column("least", "Least", Kind::Money),
    column("average", "Average", Kind::Money),
    column("most", "Most", Kind::Money),
];
const RENEWALS: &[Column] = &[
    column("when", "Renewed", Kind::Text),
    column("periods", "Periods", Kind::Int),
    column("share", "Share", Kind::Percent),
];

const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Mon, "Monday"),
    (Weekday::Tue, "Tuesday"),
    (Weekday::Wed, "Wednesday"),
    (Weekday::Thu, "Thursday"),
    (Weekday::Fri, "Friday"),
    (Weekday::Sat, "Saturday"),
    (Weekday::Sun, "Sunday"),
];

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let taken = takings(tx, asked).await?;
    let all = taken.all.taken;
    let mean = average(all.amount, all.count);
    let renewals = renewals(tx, asked).await?;
    let kinds = kinds(tx, asked).await?;
    let bands = bands(tx, asked, step_of(mean.unwrap_or_default()), all).await?;
    let week: Vec<(&str, Sum)> = WEEK
        .iter()
        .map(|(weekday, name)| {
            let mut sum = Sum::default();
            for (_, sums) in taken.days.iter().filter(|(day, _)| day.weekday() == *weekday) {
                sum.add(sums.taken);
            }
            (say(name), sum)
        })
        .collect();
    let figures = vec![
        Figure::new("payments", say("Payments"), Value::Int(all.count)),
        Figure::new("collected", say("Collected"), Value::Money(all.amount)),
        Figure::new("average", say("Average payment"), mean.map_or(Value::Nothing, Value::Money)),
        Figure::new("renewals", say("Renewals"), Value::Int(renewals.all())),
        Figure::new(
            "on_time",
            say("Early or on time"),
            share(renewals.early + renewals.on_time, renewals.all()),
        ),
        Figure::new("gap", say("Average gap"), renewals.gap()),
    ];
    let chart = Chart {
        key: "weekdays",
        title: say("Payments by weekday"),
        shape: Shape::Bar,
        kind: Kind::Int,
        of: say("Weekday"),
        labels: week.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: vec![Series::new(say("Payments"), week.iter().map(|(_, sum)| sum.count.into()).collect())],
    };
    let weekdays = week.iter().map(|(name, sum)| of_all(*name, *sum, all));
    let tables = vec![
        Table::new("by_band", say("By amount"), BY_BAND, bands),
        Table::new("by_weekday", say("By weekday"), BY_WEEKDAY, weekdays),
        Table::new("by_kind", say("Periods sold"), BY_KIND, kinds),
        Table::new("renewals", say("Renewals"), RENEWALS, renewals.rows()),
        Table::new("by_method", say("By method"), BY_METHOD, by_method(&taken)),
    ];
    Ok(Report { figures, charts: vec![chart], tables })
}

fn of_all(name: impl Into<String>, sum: Sum, all: Sum) -> Vec<Value> {
    vec![Value::text(name), Value::Int(sum.count), share(sum.count, all.count), Value::Money(sum.amount)]
}

/// The first of 1, 2, 5, 10, 20, 50, ... that is at least half of `average`.
fn step_of(average: Decimal) -> i64 {
    let mut decade = 1;
    loop {
        for n in [decade, 2 * decade, 5 * decade] {
            if Decimal::from(2 * n) >= average || decade >= 100_000_000 {
                return n;
            }
        }
        decade *= 10;
    }
}

async fn bands(tx: &TenantTx, asked: &Asked, step: i64, all: Sum) -> Result<Vec<Vec<Value>>> {
    let (start, end) = asked.instants();
    let ends: Vec<Decimal> = (1..=4).map(|n| Decimal::from(n * step)).collect();
    let rows = tx
        .query(
            "SELECT width_bucket(p.amount, $3::numeric[]), count(*), sum(p.amount) FROM payment p \
             WHERE p.received_at >= $1 AND p.received_at < $2 AND p.status = 'valid' \
             AND ($4::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $4)) \
             AND ($5::uuid IS NULL OR p.received_by = $5) GROUP BY 1 LIMIT 10",
            &[&start, &end, &ends, &asked.area, &asked.staff],
        )
        .await?;
    Ok((0..=4i64)
        .map(|band| {
            let sum = rows
                .iter()
                .find(|row| i64::from(row.get::<_, i32>(0)) == band)
                .map_or_else(Sum::default, |row| Sum { count: row.get(1), amount: row.get(2) });
            let from = grouped(band * step);
            let name = if band < 4 {
                say!("{} to under {}", from, grouped((band + 1) * step))
            } else {
                say!("{} and more", from)
            };
            of_all(name, sum, all)
        })
        .collect())
}

async fn kinds(tx: &TenantTx, asked: &Asked) -> Result<Vec<Vec<Value>>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT s.kind, count(*) AS n, sum(s.amount) AS amount, min(s.amount), max(s.amount) FROM subscription s \
             WHERE s.created_at >= $1 AND s.created_at < $2 AND s.kind NOT IN ('change', 'opening') \
             AND ($3::uuid IS NULL OR s.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR s.sold_by = $4) GROUP BY s.kind ORDER BY n DESC, s.kind LIMIT 10",
            &[&start, &end, &asked.area, &asked.staff],
        )
        .await?;
    let all: i64 = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
    Ok(rows
        .iter()
        .map(|row| {
            let (n, amount): (i64, Decimal) = (row.get(1), row.get(2));
            vec![
                Value::text(kind_label(row.get(0))),
                Value::Int(n),
                share(n, all),
                Value::Money(amount),
                Value::Money(row.get(3)),
                average(amount, n).map_or(Value::Nothing, Value::Money),
                Value::Money(row.get(4)),
            ]
        })
        .collect())
}

struct Renewals {
    early: i64,
    on_time: i64,
    late: i64,
    seconds: Decimal,
}

impl Renewals {
    fn all(&self) -> i64 {
        self.early + self.on_time + self.late
    }

    fn gap(&self) -> Value {
        mean(self.seconds / Decimal::from(86_400), self.all()).map_or(Value::Nothing, Value::Days)
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        [(say("Early"), self.early), (say("On time"), self.on_time), (say("Late"), self.late)]
            .into_iter()
            .map(|(name, n)| vec![Value::text(name), Value::Int(n), share(n, self.all())])
            .collect()
    }
}

/// A period that was sold ahead begins where the one before it ends; only for the others that one is looked up.
async fn renewals(tx: &TenantTx, asked: &Asked) -> Result<Renewals> {
    let (start, end) = asked.instants();
    let row = tx
        .query_one(
            "SELECT count(*) FILTER (WHERE t.gap < interval '-1 day') AS early, \
             count(*) FILTER (WHERE t.gap BETWEEN interval '-1 day' AND interval '1 day') AS on_time, \
             count(*) FILTER (WHERE t.gap > interval '1 day') AS late, \
             coalesce(extract(epoch FROM sum(t.gap)), 0)::numeric AS seconds FROM ( \
             SELECT s.created_at - CASE WHEN s.starts_at > s.created_at THEN s.starts_at ELSE b.ends_at END AS gap \
             FROM subscription s LEFT JOIN LATERAL ( \
             SELECT p.ends_at FROM subscription p WHERE s.starts_at <= s.created_at \
             AND p.installation_id = s.installation_id AND p.starts_at < s.starts_at \
             AND p.status <> 'cancelled' ORDER BY p.ends_at DESC LIMIT 1) b ON true \
             WHERE s.created_at >= $1 AND s.created_at < $2 AND s.kind NOT IN ('change', 'opening') \
             AND ($3::uuid IS NULL OR s.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $3)) \
             AND ($4::uuid IS NULL OR s.sold_by = $4)) t WHERE t.gap IS NOT NULL",
            &[&start, &end, &asked.area, &asked.staff],
        )
        .await?;
    Ok(Renewals {
        early: row.get("early"),
        on_time: row.get("on_time"),
        late: row.get("late"),
        seconds: row.get("seconds"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_about_half_of_the_average() {
        for (average, step) in
            [("0", 1), ("2", 1), ("2.01", 2), ("25", 20), ("39.99", 20), ("1000", 500), ("1001", 1000)]
        {
            assert_eq!(step_of(average.parse().unwrap()), step, "{average}");
        }
    }
}
