//! Customer acquisition: who came, who was connected, who pays, and what they chose.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{
    ViewAcquisition,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Report, Series, Shape, Table, Value, column, mean, share},
    range::{Asked, Usual},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result};

const TOP: i64 = 10;

pub const DEFINITION: Definition = Definition {
    name: "customer-acquisition",
    title: "Customer acquisition",
    shelf: Shelf::Strategy,
    text: "New customers, installations and paying customers over time, where they are and what they chose.",
    terms: &[
        ("New customers", "Customers added on these days that were not deleted or merged since."),
        ("Installations", "Those whose day of installation is one of these days."),
        ("Paying customers", "Customers with at least one payment that is not void in the day or month."),
        ("In all", "New customers added up from the first of these days."),
        (
            "To the first payment",
            "Days from the installation to the customer's first payment, for installations of these days whose customer has paid; who paid before counts as 0.",
        ),
        ("Plan", "Of the new customer's first period."),
        ("Average a month", "New customers divided by the days, times 365.25 / 12."),
    ],
    permission: &ViewAcquisition::PERMISSION,
    narrows: &[Narrow::Area],
    staff_word: "",
    usual: Usual::ThisYear,
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const BY_STEP: &[Column] = &[
    column("period", "Period", Kind::Text),
    column("customers", "New customers", Kind::Int),
    column("installations", "Installations", Kind::Int),
    column("paying", "Paying customers", Kind::Int),
    column("in_all", "In all", Kind::Int),
];
const BY_AREA: &[Column] = &[
    column("area", "Area", Kind::Text),
    column("customers", "New customers", Kind::Int),
    column("share", "Share", Kind::Percent),
];
const BY_PLAN: &[Column] = &[
    column("plan", "Plan", Kind::Text),
    column("customers", "New customers", Kind::Int),
    column("share", "Share", Kind::Percent),
];

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let steps = asked.steps();
    let added = steps.add_up(added(tx, asked).await?);
    let installed = steps.add_up(installed(tx, asked).await?);
    let paying = paying(tx, asked).await?;
    let labels = steps.labels();
    let in_all: Vec<Decimal> = added
        .iter()
        .scan(Decimal::ZERO, |sum, n| {
            *sum += *n;
            Some(*sum)
        })
        .collect();
    let total = in_all.last().copied().unwrap_or_default();
    let (before, year) = (asked.range.before(), asked.range.year_before());
    let was = count(tx, &asked.over(before)).await?;
    let was_last_year = count(tx, &asked.over(year)).await?;
    // 365.25 / 12 is 30.4375.
    let a_month = mean(total * Decimal::new(304_375, 4), asked.range.days());
    let figures = vec![
        Figure::new("customers", say("New customers"), whole(total)).against(before, was, total).against(
            year,
            was_last_year,
            total,
        ),
        Figure::new("installations", say("Installations"), whole(installed.iter().sum())),
        Figure::new("a_month", say("Average a month"), a_month.map_or(Value::Nothing, whole)),
        Figure::new("to_payment", say("To the first payment"), days_to_payment(tx, asked).await?),
    ];
    let rows: Vec<Vec<Value>> = labels
        .iter()
        .zip(&added)
        .zip(&installed)
        .zip(&paying)
        .zip(&in_all)
        .map(|((((label, added), installed), paying), in_all)| {
            vec![Value::text(label), whole(*added), whole(*installed), whole(*paying), whole(*in_all)]
        })
        .collect();
    let line = |key, title, series| Chart {
        key,
        title,
        shape: Shape::Line,
        kind: Kind::Int,
        of: steps.of_what(),
        labels: labels.clone(),
        series,
    };
    let charts = vec![
        line(
            "growth",
            say("New customers and installations"),
            vec![
                Series::new(say("New customers"), added.clone()),
                Series::new(say("Installations"), installed.clone()),
            ],
        ),
        line("in_all", say("New customers in all"), vec![Series::new(say("In all"), in_all.clone())]),
    ];
    let tables = vec![
        Table::new("by_period", say("Over time"), BY_STEP, rows),
        Table::new("by_area", say("Top areas"), BY_AREA, by_area(tx, asked, total).await?),
        Table::new("by_plan", say("First plans"), BY_PLAN, by_plan(tx, asked, total).await?),
    ];
    Ok(Report { figures, charts, tables })
}

fn whole(n: Decimal) -> Value {
    use rust_decimal::{RoundingStrategy::MidpointAwayFromZero, prelude::ToPrimitive};
    Value::Int(n.round_dp_with_strategy(0, MidpointAwayFromZero).to_i64().unwrap_or_default())
}

async fn added(tx: &TenantTx, asked: &Asked) -> Result<Vec<(NaiveDate, Decimal)>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT width_bucket(c.created_at, $3::timestamptz[]), count(*) FROM customer c \
             WHERE c.created_at >= $1 AND c.created_at < $2 AND c.deleted_at IS NULL \
             AND ($4::uuid IS NULL OR c.area_id = $4) GROUP BY 1 LIMIT 2000",
            &[&start, &end, &asked.bounds(), &asked.area],
        )
        .await?;
    Ok(rows.iter().map(|row| (asked.day_at(row.get(0)), Decimal::from(row.get::<_, i64>(1)))).collect())
}

async fn count(tx: &TenantTx, asked: &Asked) -> Result<Decimal> {
    let (start, end) = asked.instants();
    let row = tx
        .query_one(
            "SELECT count(*) FROM customer c WHERE c.created_at >= $1 AND c.created_at < $2 AND c.deleted_at IS NULL \
             AND ($3::uuid IS NULL OR c.area_id = $3)",
            &[&start, &end, &asked.area],
        )
        .await?;
    Ok(Decimal::from(row.get::<_, i64>(0)))
}

async fn installed(tx: &TenantTx, asked: &Asked) -> Result<Vec<(NaiveDate, Decimal)>> {
    let rows = tx
        .query(
            "SELECT i.installed_on, count(*) FROM installation i JOIN customer c ON c.id = i.customer_id \
             WHERE i.installed_on BETWEEN $1 AND $2 AND i.status <> 'scheduled' \
             AND ($3::uuid IS NULL OR coalesce(i.area_id, c.area_id) = $3) GROUP BY 1 LIMIT 2000",
            &[&asked.range.from, &asked.range.to, &asked.area],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), Decimal::from(row.get::<_, i64>(1)))).collect())
}

/// Who pays in several days or months counts in each of them, so that these do not add up.
async fn paying(tx: &TenantTx, asked: &Asked) -> Result<Vec<Decimal>> {
    let (start, end) = asked.instants();
    let steps = asked.steps();
    let rows = tx
        .query(
            "SELECT t.step, count(*) FROM (SELECT width_bucket(p.received_at, $3::timestamptz[]) AS step, p.customer_id \
             FROM payment p WHERE p.received_at >= $1 AND p.received_at < $2 AND p.status = 'valid' \
             AND ($4::uuid IS NULL OR p.customer_id IN (SELECT c.id FROM customer c WHERE c.area_id = $4)) GROUP BY 1, 2) t \
             GROUP BY t.step LIMIT 2000",
            &[&start, &end, &steps.bounds(asked.zone), &asked.area],
        )
        .await?;
    let mut counts = vec![Decimal::ZERO; steps.len()];
    for row in &rows {
        let at = usize::try_from(row.get::<_, i32>(0) - 1).unwrap_or(usize::MAX);
        if let Some(n) = counts.get_mut(at) {
            *n = Decimal::from(row.get::<_, i64>(1));
        }
    }
    Ok(counts)
}

/// The average of the days from installation to first payment. The day of a payment is told by the zone in the select list, where no
/// index is asked for.
async fn days_to_payment(tx: &TenantTx, asked: &Asked) -> Result<Value> {
    let row = tx
        .query_one(
            "SELECT count(*), coalesce(sum(greatest((f.paid_at AT TIME ZONE $4::text)::date - i.installed_on, 0)), 0)::bigint \
             FROM installation i JOIN customer c ON c.id = i.customer_id CROSS JOIN LATERAL ( \
             SELECT p.received_at AS paid_at FROM payment p WHERE p.customer_id = i.customer_id AND p.status = 'valid' \
             ORDER BY p.received_at, p.id LIMIT 1) f WHERE i.installed_on BETWEEN $1 AND $2 AND i.status <> 'scheduled' \
             AND ($3::uuid IS NULL OR coalesce(i.area_id, c.area_id) = $3)",
            &[&asked.range.from, &asked.range.to, &asked.area, &asked.zone.name()],
        )
        .await?;
    let (n, days): (i64, i64) = (row.get(0), row.get(1));
    Ok(mean(Decimal::from(days), n).map_or(Value::Nothing, Value::Days))
}

async fn by_area(tx: &TenantTx, asked: &Asked, total: Decimal) -> Result<Vec<Vec<Value>>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT coalesce(r.name, $5::text), count(*) AS n FROM customer c LEFT JOIN area r ON r.id = c.area_id \
             WHERE c.created_at >= $1 AND c.created_at < $2 AND c.deleted_at IS NULL AND ($3::uuid IS NULL OR c.area_id = $3) \
             GROUP BY r.id, r.name ORDER BY n DESC, 1 LIMIT $4",
            &[&start, &end, &asked.area, &TOP, &say("No area")],
        )
        .await?;
    Ok(rows.iter().map(|row| counted(row.get(0), row.get(1), total)).collect())
}

async fn by_plan(tx: &TenantTx, asked: &Asked, total: Decimal) -> Result<Vec<Vec<Value>>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT coalesce(l.name, $4::text), count(*) AS n FROM customer c LEFT JOIN LATERAL (SELECT s.plan_id \
             FROM subscription s WHERE s.customer_id = c.id ORDER BY s.starts_at, s.id LIMIT 1) f ON true \
             LEFT JOIN plan l ON l.id = f.plan_id \
             WHERE c.created_at >= $1 AND c.created_at < $2 AND c.deleted_at IS NULL AND ($3::uuid IS NULL OR c.area_id = $3) \
             GROUP BY l.id, l.name ORDER BY n DESC, 1 LIMIT 200",
            &[&start, &end, &asked.area, &say("None yet")],
        )
        .await?;
    Ok(rows.iter().map(|row| counted(row.get(0), row.get(1), total)).collect())
}

fn counted(name: String, n: i64, total: Decimal) -> Vec<Value> {
    vec![Value::Text(name), Value::Int(n), share(n, total)]
}
