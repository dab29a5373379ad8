//! Area performance: customers, money, trouble and ports by area.

use rust_decimal::Decimal;

use super::{
    ViewAreaPerformance,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Line, Report, Series, Shape, Table, Value, column, share},
    range::{Asked, Usual},
    takings::{greatest_first, paid_for, takings},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result, types::AreaId};

/// So many areas are listed, and so many drawn.
const LISTED: i64 = 500;
const DRAWN: usize = 10;
const TOP_PLANS: usize = 5;

pub const DEFINITION: Definition = Definition {
    name: "area-performance",
    title: "Area performance",
    shelf: Shelf::Strategy,
    text: "Customers, growth, revenue, tickets and ports of each area, or of one area over time.",
    terms: &[
        (
            "Customers, active",
            "Those of the area now who were added by the last of these days, and those of them whose state is active.",
        ),
        (
            "New, growth",
            "Customers added on these days, and their share of those who were there before and still are.",
        ),
        (
            "Revenue",
            "Payments received on these days that are not void, less what was given back on these days, of the area's customers.",
        ),
        ("Tickets", "Opened on these days, without those merged into another one."),
        (
            "Ports",
            "Of active NAPs below the LCPs of the area: how many an installation holds, of how many there are.",
        ),
        (
            "No penetration",
            "How many households an area has is not known here, and is not guessed: growth and free ports say where there is room.",
        ),
    ],
    permission: &ViewAreaPerformance::PERMISSION,
    narrows: &[Narrow::Area],
    staff_word: "",
    usual: Usual::Last(90),
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const COLUMNS: &[Column] = &[
    column("area", "Area", Kind::Text),
    column("customers", "Customers", Kind::Int),
    column("active", "Active", Kind::Int),
    column("new", "New", Kind::Int),
    column("growth", "Growth", Kind::Percent),
    column("revenue", "Revenue", Kind::Money),
    column("tickets", "Tickets", Kind::Int),
    column("ports_used", "Ports used", Kind::Int),
    column("ports", "Ports", Kind::Int),
    column("used", "Used", Kind::Percent),
];
const BY_PLAN: &[Column] = &[
    column("plan", "Plan", Kind::Text),
    column("payments", "Times paid", Kind::Int),
    column("amount", "Amount", Kind::Money),
];

struct Area {
    id: Option<AreaId>,
    name: String,
    customers: i64,
    active: i64,
    new: i64,
    revenue: Decimal,
    tickets: i64,
    ports: i64,
    used: i64,
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let areas = areas(tx, asked).await?;
    let sum = |part: fn(&Area) -> i64| areas.iter().map(part).sum::<i64>();
    let int = |key, label, part: fn(&Area) -> i64| Figure::new(key, label, Value::Int(sum(part)));
    let (new, customers) = (sum(|area| area.new), sum(|area| area.customers));
    let figures = vec![
        int("customers", say("Customers"), |area| area.customers),
        int("active", say("Active"), |area| area.active),
        int("new", say("New"), |area| area.new),
        Figure::new("growth", say("Growth"), share(new, customers - new)),
        Figure::new("revenue", say("Revenue"), Value::Money(areas.iter().map(|area| area.revenue).sum())),
        int("tickets", say("Tickets"), |area| area.tickets),
        Figure::new("used", say("Ports used"), share(sum(|area| area.used), sum(|area| area.ports))),
    ];
    let rows = areas.iter().map(|area| Line {
        href: area.id.map(|id| format!("/areas/{id}")),
        cells: vec![
            Value::text(&area.name),
            Value::Int(area.customers),
            Value::Int(area.active),
            Value::Int(area.new),
            share(area.new, area.customers - area.new),
            Value::Money(area.revenue),
            Value::Int(area.tickets),
            Value::Int(area.used),
            Value::Int(area.ports),
            share(area.used, area.ports),
        ],
    });
    let mut tables = vec![Table::new("areas", say("Areas"), COLUMNS, rows)];
    let chart = if asked.area.is_some() {
        tables.push(Table::new("plans", say("Top plans"), BY_PLAN, plans(tx, asked).await?));
        over_time(tx, asked).await?
    } else {
        by_revenue(&areas)
    };
    Ok(Report { figures, charts: vec![chart], tables })
}

fn by_revenue(areas: &[Area]) -> Chart {
    let top = || areas.iter().take(DRAWN);
    Chart {
        key: "revenue",
        title: say("Revenue of the top areas"),
        shape: Shape::Bar,
        kind: Kind::Money,
        of: say("Area"),
        labels: top().map(|area| area.name.clone()).collect(),
        series: vec![Series::new(say("Revenue"), top().map(|area| area.revenue).collect())],
    }
}

async fn over_time(tx: &TenantTx, asked: &Asked) -> Result<Chart> {
    let taken = takings(tx, asked).await?;
    let steps = asked.steps();
    let revenue = steps.add_up(taken.days.iter().map(|(day, sums)| (*day, sums.net())));
    Ok(Chart {
        key: "revenue",
        title: say("Revenue"),
        shape: Shape::Line,
        kind: Kind::Money,
        of: steps.of_what(),
        labels: steps.labels(),
        series: vec![Series::new(say("Revenue"), revenue)],
    })
}

async fn plans(tx: &TenantTx, asked: &Asked) -> Result<Vec<Vec<Value>>> {
    let paid = paid_for(tx, asked).await?;
    let plans = greatest_first(paid.iter().map(|one| (one.plan_name.as_str(), one.sum)));
    Ok(plans
        .into_iter()
        .take(TOP_PLANS)
        .map(|(name, sum)| vec![Value::text(name), Value::Int(sum.count), Value::Money(sum.amount)])
        .collect())
}

/// Each area, and what belongs to none, by revenue.
async fn areas(tx: &TenantTx, asked: &Asked) -> Result<Vec<Area>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "WITH people AS (SELECT c.area_id, count(*) AS customers, count(*) FILTER (WHERE c.status = 'active') AS active, \
             count(*) FILTER (WHERE c.created_at >= $1 AND c.created_at < $2) AS new FROM customer c \
             WHERE c.deleted_at IS NULL AND c.created_at < $2 GROUP BY c.area_id), \
             money AS (SELECT c.area_id, sum(m.amount) AS amount FROM (SELECT m.customer_id, sum(m.amount) AS amount FROM ( \
             SELECT p.customer_id, p.amount FROM payment p WHERE p.received_at >= $1 AND p.received_at < $2 \
             AND p.status = 'valid' UNION ALL SELECT r.customer_id, -r.amount FROM refund r \
             WHERE r.refunded_at >= $1 AND r.refunded_at < $2) m GROUP BY m.customer_id) m \
             JOIN customer c ON c.id = m.customer_id GROUP BY c.area_id), \
             trouble AS (SELECT c.area_id, count(*) AS n FROM ticket t JOIN customer c ON c.id = t.customer_id \
             WHERE t.created_at >= $1 AND t.created_at < $2 AND t.merged_into IS NULL GROUP BY c.area_id), \
             room AS (SELECT l.area_id, sum(n.port_capacity) AS ports, sum(u.n) AS used FROM nap n \
             JOIN splitter s ON s.id = n.splitter_id JOIN lcp l ON l.id = s.lcp_id \
             CROSS JOIN LATERAL (SELECT count(*) AS n FROM installation i WHERE i.nap_id = n.id) u \
             WHERE n.is_active GROUP BY l.area_id), \
             every AS (SELECT id, name FROM area UNION ALL SELECT NULL, $5::text) \
             SELECT e.id, e.name, coalesce(p.customers, 0) AS customers, coalesce(p.active, 0) AS active, \
             coalesce(p.new, 0) AS new, coalesce(m.amount, 0) AS revenue, coalesce(t.n, 0) AS tickets, \
             coalesce(o.ports, 0)::bigint AS ports, coalesce(o.used, 0)::bigint AS used FROM every e \
             LEFT JOIN people p ON p.area_id IS NOT DISTINCT FROM e.id LEFT JOIN money m ON m.area_id IS NOT DISTINCT FROM e.id \
             LEFT JOIN trouble t ON t.area_id IS NOT DISTINCT FROM e.id LEFT JOIN room o ON o.area_id IS NOT DISTINCT FROM e.id \
             WHERE ($3::uuid IS NULL OR e.id = $3) AND (e.id IS NOT NULL OR num_nonnulls(p.customers, m.amount, t.n, o.ports) > 0) \
             ORDER BY revenue DESC, customers DESC, e.name LIMIT $4",
            &[&start, &end, &asked.area, &LISTED, &say("No area")],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Area {
            id: row.get("id"),
            name: row.get("name"),
            customers: row.get("customers"),
            active: row.get("active"),
            new: row.get("new"),
            revenue: row.get("revenue"),
            tickets: row.get("tickets"),
            ports: row.get("ports"),
            used: row.get("used"),
        })
        .collect())
}
