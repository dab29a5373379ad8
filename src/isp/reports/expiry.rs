//! Subscription expiry: whose service ends, and whose has ended.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::{
    ViewExpiry,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Line, Report, Series, Shape, Table, Value, column},
    range::{Asked, Usual, begin_of, day_of},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result, types::CustomerId};

/// Rows of each list.
const LISTED: i64 = 500;

pub const DEFINITION: Definition = Definition {
    name: "subscription-expiry",
    title: "Subscription expiry",
    shelf: Shelf::Operations,
    text: "Whose service ends soon, and whose has ended and was not renewed.",
    terms: &[
        (
            "Ends",
            "When the last period of an installation that was sold and not cancelled ends, on the chosen days. Who has renewed stands under the new end.",
        ),
        ("Groups", "Counted in whole days from today: a period that ends today at any hour is 0 days away."),
        ("To be disconnected", "Ended 2 to 30 days ago and not renewed."),
        (
            "Not in it",
            "Installations that a person suspended, that are terminated or that were never sold a period.",
        ),
    ],
    permission: &ViewExpiry::PERMISSION,
    narrows: &[Narrow::Area, Narrow::Plan],
    staff_word: "",
    usual: Usual::Around(30, 7),
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const COLUMNS: &[Column] = &[
    column("customer", "Customer", Kind::Text),
    column("phone", "Phone", Kind::Text),
    column("area", "Area", Kind::Text),
    column("nap", "NAP", Kind::Text),
    column("plan", "Plan", Kind::Text),
    column("price", "Price", Kind::Money),
    column("ends_at", "Ends", Kind::Time),
    column("days", "Days from today", Kind::Int),
    column("group", "Group", Kind::Text),
];

/// How far a day lies from today, as people put it.
fn group(days: i64) -> &'static str {
    match days {
        i64::MIN..-30 => say("Ended more than 30 days ago"),
        -30..-1 => say("To be disconnected"),
        -1 => say("Ended yesterday"),
        0 => say("Ends today"),
        1..=3 => say("Ends in 1–3 days"),
        4..=7 => say("Ends in 4–7 days"),
        _ => say("Ends later"),
    }
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let today = asked.today();
    let counts = counts(tx, asked).await?;
    let within = |from: i64, to: i64| -> i64 {
        counts
            .iter()
            .filter(|(day, _)| (from..=to).contains(&(*day - today).num_days()))
            .map(|(_, n)| *n)
            .sum()
    };
    let figure = |key, label, n: i64| Figure::new(key, label, Value::Int(n));
    let figures = vec![
        figure("ends_today", say("Ends today"), within(0, 0)),
        figure("ends_in_3", say("Ends in 1–3 days"), within(1, 3)),
        figure("ends_in_7", say("Ends in 4–7 days"), within(4, 7)),
        figure("ended_yesterday", say("Ended yesterday"), within(-1, -1)),
        figure("to_disconnect", say("To be disconnected"), within(-30, -2)),
    ];
    let (start, end) = asked.instants();
    let now = begin_of(today, asked.zone);
    let ending = list(tx, asked, (start.max(now), end), true).await?;
    let ended = list(tx, asked, (start, end.min(now)), false).await?;
    let steps = asked.steps();
    let chart = Chart {
        key: "ends",
        title: say("Periods that end"),
        shape: Shape::Bar,
        kind: Kind::Int,
        of: steps.of_what(),
        labels: steps.labels(),
        series: vec![Series::new(
            say("Installations"),
            steps.add_up(counts.iter().map(|(day, n)| (*day, Decimal::from(*n)))),
        )],
    };
    let tables = vec![
        Table::new("ending", say("Ending"), COLUMNS, ending).cut_at(LISTED, within(0, i64::MAX)),
        Table::new("ended", say("Ended and not renewed"), COLUMNS, ended)
            .cut_at(LISTED, within(i64::MIN, -1)),
    ];
    Ok(Report { figures, charts: vec![chart], tables })
}

/// How many installations' service ends on each day.
async fn counts(tx: &TenantTx, asked: &Asked) -> Result<Vec<(NaiveDate, i64)>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT width_bucket(i.paid_until, $3::timestamptz[]), count(*) FROM installation i \
             JOIN customer c ON c.id = i.customer_id \
             WHERE i.paid_until >= $1 AND i.paid_until < $2 AND i.status IN ('active', 'inactive') \
             AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = i.id AND p.status = 'paused') \
             AND ($4::uuid IS NULL OR coalesce(i.area_id, c.area_id) = $4) \
             AND ($5::uuid IS NULL OR $5 = (SELECT s.plan_id FROM subscription s WHERE s.installation_id = i.id \
             AND s.status <> 'cancelled' ORDER BY s.ends_at DESC LIMIT 1)) GROUP BY 1 LIMIT 2000",
            &[&start, &end, &asked.bounds(), &asked.area, &asked.plan],
        )
        .await?;
    Ok(rows.iter().map(|row| (asked.day_at(row.get(0)), row.get(1))).collect())
}

macro_rules! list {
    ($order:literal) => {
        concat!(
            "SELECT i.customer_id, c.first_name || ' ' || c.last_name AS customer, c.phone_primary, r.name AS area, \
             n.code || ' port ' || i.nap_port AS nap, s.plan_name, s.price, i.paid_until FROM installation i \
             JOIN customer c ON c.id = i.customer_id LEFT JOIN area r ON r.id = coalesce(i.area_id, c.area_id) \
             LEFT JOIN nap n ON n.id = i.nap_id LEFT JOIN LATERAL (SELECT s.plan_id, s.plan_name, s.price FROM subscription s \
             WHERE s.installation_id = i.id AND s.status <> 'cancelled' ORDER BY s.ends_at DESC LIMIT 1) s ON true \
             WHERE i.paid_until >= $1 AND i.paid_until < $2 AND i.status IN ('active', 'inactive') \
             AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = i.id AND p.status = 'paused') \
             AND ($3::uuid IS NULL OR coalesce(i.area_id, c.area_id) = $3) AND ($4::uuid IS NULL OR s.plan_id = $4) \
             ORDER BY i.paid_until ",
            $order,
            ", i.id LIMIT $5"
        )
    };
}

async fn list(
    tx: &TenantTx,
    asked: &Asked,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
    soonest_first: bool,
) -> Result<Vec<Line>> {
    let sql = if soonest_first { list!("ASC") } else { list!("DESC") };
    let rows = tx.query(sql, &[&start, &end, &asked.area, &asked.plan, &LISTED]).await?;
    let text = |text: Option<String>| Value::Text(text.unwrap_or_default());
    Ok(rows
        .iter()
        .map(|row| {
            let ends_at: DateTime<Utc> = row.get("paid_until");
            let days = (day_of(ends_at, asked.zone) - asked.today()).num_days();
            Line {
                href: Some(format!("/customers/{}", row.get::<_, CustomerId>("customer_id"))),
                cells: vec![
                    Value::Text(row.get("customer")),
                    text(row.get("phone_primary")),
                    text(row.get("area")),
                    text(row.get("nap")),
                    text(row.get("plan_name")),
                    row.get::<_, Option<Decimal>>("price").map_or(Value::Nothing, Value::Money),
                    Value::Time(ends_at),
                    Value::Int(days),
                    Value::text(group(days)),
                ],
            }
        })
        .collect())
}
