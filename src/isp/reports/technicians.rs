//! Technician performance: who installed and resolved how much, how soon, and where.

use std::collections::HashMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{
    ViewTechnicians,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Report, Series, Shape, Table, Value, column, hours, share},
    range::{Asked, Usual},
};
use crate::words::say;
use crate::{db::TenantTx, error::Result, types::StaffId};

/// So many people are listed.
const LISTED: i64 = 200;
/// Who resolved fewer is not called the best or the fastest.
const ENOUGH: i64 = 3;

pub const DEFINITION: Definition = Definition {
    name: "technician-performance",
    title: "Technician performance",
    shelf: Shelf::Operations,
    text: "Installations and tickets of each member of staff, how soon tickets were resolved, and in which areas.",
    terms: &[
        (
            "Installations",
            "Those whose day of installation is one of these days, by the technician they are written to.",
        ),
        ("Assigned", "Tickets opened on these days that are now assigned to the person."),
        (
            "Resolved",
            "Tickets of the person that were resolved on these days, whenever they had been opened.",
        ),
        ("Open", "Assigned ones that are neither resolved nor cancelled now."),
        ("Rate", "The share of the assigned ones that are resolved by now."),
        ("Average time", "From opening to resolving, without the time a ticket waited for its customer."),
        ("Score", "Installations plus resolved tickets."),
        (
            "Best rate, fastest",
            "Among those who resolved at least three; for the rate, of at least three that were assigned.",
        ),
    ],
    permission: &ViewTechnicians::PERMISSION,
    narrows: &[Narrow::Area, Narrow::Staff],
    staff_word: "Technician",
    usual: Usual::Last(30),
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const COLUMNS: &[Column] = &[
    column("technician", "Technician", Kind::Text),
    column("score", "Score", Kind::Int),
    column("installations", "Installations", Kind::Int),
    column("assigned", "Assigned", Kind::Int),
    column("resolved", "Resolved", Kind::Int),
    column("open", "Open", Kind::Int),
    column("rate", "Rate", Kind::Percent),
    column("hours", "Average time", Kind::Hours),
    column("areas", "Areas", Kind::Text),
];

struct Person {
    name: String,
    installations: i64,
    assigned: i64,
    done: i64,
    open: i64,
    resolved: i64,
    seconds: Decimal,
    areas: String,
}

impl Person {
    fn score(&self) -> i64 {
        self.installations + self.resolved
    }

    fn pace(&self) -> Option<Decimal> {
        (self.resolved > 0).then(|| self.seconds / Decimal::from(self.resolved))
    }

    fn rate(&self) -> Option<Decimal> {
        (self.assigned > 0).then(|| Decimal::from(self.done) / Decimal::from(self.assigned))
    }
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let people = people(tx, asked).await?;
    let days = days(tx, asked).await?;
    let steps = asked.steps();
    let name = |person: Option<&Person>| person.map_or(Value::Nothing, |person| Value::text(&person.name));
    let seasoned = || people.iter().filter(|person| person.resolved >= ENOUGH);
    let best = seasoned().filter(|person| person.assigned >= ENOUGH).max_by_key(|person| person.rate());
    let fastest = seasoned().min_by_key(|person| person.pace());
    let total = |part: fn(&Person) -> i64| Value::Int(people.iter().map(part).sum());
    let figures = vec![
        Figure::new("installations", say("Installations"), total(|person| person.installations)),
        Figure::new("assigned", say("Tickets assigned"), total(|person| person.assigned)),
        Figure::new("resolved", say("Tickets resolved"), total(|person| person.resolved)),
        Figure::new("top", say("Highest score"), name(people.first())),
        Figure::new("best_rate", say("Best rate"), name(best)),
        Figure::new("fastest", say("Fastest"), name(fastest)),
    ];
    let chart = Chart {
        key: "work",
        title: say("Installations and resolved tickets"),
        shape: Shape::Stacked,
        kind: Kind::Int,
        of: steps.of_what(),
        labels: steps.labels(),
        series: vec![
            Series::new(say("Installations"), steps.add_up(days.iter().map(|(day, n, _)| (*day, *n)))),
            Series::new(say("Resolved tickets"), steps.add_up(days.iter().map(|(day, _, n)| (*day, *n)))),
        ],
    };
    let rows = people.iter().map(|person| {
        vec![
            Value::text(&person.name),
            Value::Int(person.score()),
            Value::Int(person.installations),
            Value::Int(person.assigned),
            Value::Int(person.resolved),
            Value::Int(person.open),
            share(person.done, person.assigned),
            person.pace().map_or(Value::Nothing, hours),
            Value::text(&person.areas),
        ]
    });
    let table = Table::new("technicians", say("Technicians"), COLUMNS, rows);
    Ok(Report { figures, charts: vec![chart], tables: vec![table] })
}

/// Everybody who has something to show, the highest score first.
async fn people(tx: &TenantTx, asked: &Asked) -> Result<Vec<Person>> {
    let (start, end) = asked.instants();
    let (from, to) = (asked.range.from, asked.range.to);
    let rows = tx
        .query(
            "WITH work AS ( \
             SELECT i.technician_id AS who, coalesce(i.area_id, c.area_id) AS area, 1 AS installed, 0 AS assigned, 0 AS done, \
             0 AS open, 0 AS resolved, 0::numeric AS seconds FROM installation i JOIN customer c ON c.id = i.customer_id \
             WHERE i.installed_on BETWEEN $3 AND $4 AND i.technician_id IS NOT NULL AND i.status <> 'scheduled' \
             UNION ALL SELECT t.assigned_to, c.area_id, 0, 1, (t.status = 'resolved')::int, \
             (t.status NOT IN ('resolved', 'cancelled'))::int, 0, 0 FROM ticket t JOIN customer c ON c.id = t.customer_id \
             WHERE t.created_at >= $1 AND t.created_at < $2 AND t.assigned_to IS NOT NULL AND t.merged_into IS NULL \
             UNION ALL SELECT t.assigned_to, c.area_id, 0, 0, 0, 0, 1, \
             extract(epoch FROM t.resolved_at - t.created_at) - t.waited_seconds FROM ticket t \
             JOIN customer c ON c.id = t.customer_id WHERE t.resolved_at >= $1 AND t.resolved_at < $2 \
             AND t.assigned_to IS NOT NULL AND t.merged_into IS NULL) \
             SELECT s.id, s.name, sum(w.installed) AS installed, sum(w.assigned) AS assigned, sum(w.done) AS done, \
             sum(w.open) AS open, sum(w.resolved) AS resolved, sum(w.seconds) AS seconds, \
             coalesce(string_agg(DISTINCT r.name, ', ') FILTER (WHERE w.installed + w.resolved > 0), '') AS areas \
             FROM work w JOIN staff s ON s.id = w.who LEFT JOIN area r ON r.id = w.area \
             WHERE ($5::uuid IS NULL OR w.area = $5) AND ($6::uuid IS NULL OR w.who = $6) \
             GROUP BY s.id ORDER BY sum(w.installed) + sum(w.resolved) DESC, s.name, s.id LIMIT $7",
            &[&start, &end, &from, &to, &asked.area, &asked.staff, &LISTED],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Person {
            name: row.get("name"),
            installations: row.get("installed"),
            assigned: row.get("assigned"),
            done: row.get("done"),
            open: row.get("open"),
            resolved: row.get("resolved"),
            seconds: row.get("seconds"),
            areas: row.get("areas"),
        })
        .collect())
}

/// Installations and resolved tickets of each day.
async fn days(tx: &TenantTx, asked: &Asked) -> Result<Vec<(NaiveDate, Decimal, Decimal)>> {
    let (start, end) = asked.instants();
    let (from, to) = (asked.range.from, asked.range.to);
    let mut days: HashMap<NaiveDate, (i64, i64)> = HashMap::new();
    let staff: Option<StaffId> = asked.staff;
    let installed = tx
        .query(
            "SELECT i.installed_on, count(*) FROM installation i JOIN customer c ON c.id = i.customer_id \
             WHERE i.installed_on BETWEEN $1 AND $2 AND i.technician_id IS NOT NULL AND i.status <> 'scheduled' \
             AND ($3::uuid IS NULL OR coalesce(i.area_id, c.area_id) = $3) AND ($4::uuid IS NULL OR i.technician_id = $4) \
             GROUP BY 1 LIMIT 2000",
            &[&from, &to, &asked.area, &staff],
        )
        .await?;
    for row in &installed {
        days.entry(row.get(0)).or_default().0 += row.get::<_, i64>(1);
    }
    let resolved = tx
        .query(
            "SELECT width_bucket(t.resolved_at, $3::timestamptz[]), count(*) FROM ticket t \
             JOIN customer c ON c.id = t.customer_id WHERE t.resolved_at >= $1 AND t.resolved_at < $2 \
             AND t.assigned_to IS NOT NULL AND t.merged_into IS NULL AND ($4::uuid IS NULL OR c.area_id = $4) \
             AND ($5::uuid IS NULL OR t.assigned_to = $5) GROUP BY 1 LIMIT 2000",
            &[&start, &end, &asked.bounds(), &asked.area, &staff],
        )
        .await?;
    for row in &resolved {
        days.entry(asked.day_at(row.get(0))).or_default().1 += row.get::<_, i64>(1);
    }
    Ok(days.into_iter().map(|(day, (a, b))| (day, Decimal::from(a), Decimal::from(b))).collect())
}
