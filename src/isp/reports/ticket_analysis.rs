//! Ticket analysis: what customers need help with, how soon they get it, and who asks again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    ViewTicketAnalysis,
    definition::{Definition, Narrow, Shelf},
    model::{Chart, Column, Figure, Kind, Line, Report, Series, Shape, Table, Value, column, hours, share},
    range::{Asked, Usual},
};
use crate::{
    db::TenantTx,
    error::Result,
    isp::tickets::{Category, Priority, Status},
    types::{CustomerId, TicketId},
    words::say,
};

const TOP: i64 = 10;

pub const DEFINITION: Definition = Definition {
    name: "ticket-analysis",
    title: "Ticket analysis",
    shelf: Shelf::Operations,
    text: "What customers need help with, how soon it is resolved, and who asks again.",
    terms: &[
        (
            "Tickets",
            "Those opened on these days, as they stand now. Tickets merged into another one are not counted.",
        ),
        ("Resolved", "The share of these tickets that are resolved by now."),
        (
            "Overdue",
            "Open, and past what was promised; a ticket that waits for its customer is late only if it was late when the wait began.",
        ),
        ("Promise kept", "The share of the resolved ones that were resolved before their promise ran out."),
        ("Hours", "From opening to resolving, without the time a ticket waited for its customer."),
        ("Area", "The customer's."),
    ],
    permission: &ViewTicketAnalysis::PERMISSION,
    narrows: &[Narrow::Area, Narrow::Staff],
    staff_word: "Assigned to",
    usual: Usual::Last(30),
    make: |tx, asked| Box::pin(make(tx, asked)),
};

const BY_CATEGORY: &[Column] = &[
    column("category", "Category", Kind::Text),
    column("tickets", "Tickets", Kind::Int),
    column("share", "Share", Kind::Percent),
    column("resolved", "Resolved", Kind::Percent),
];
const BY_PRIORITY: &[Column] = &[
    column("priority", "Priority", Kind::Text),
    column("tickets", "Tickets", Kind::Int),
    column("resolved", "Resolved", Kind::Percent),
    column("hours", "Average time", Kind::Hours),
    column("kept", "Promise kept", Kind::Percent),
];
const BY_PERSON: &[Column] = &[
    column("technician", "Assigned to", Kind::Text),
    column("tickets", "Tickets", Kind::Int),
    column("resolved", "Resolved", Kind::Int),
    column("open", "Open", Kind::Int),
    column("rate", "Rate", Kind::Percent),
];
const BY_AREA: &[Column] = &[
    column("area", "Area", Kind::Text),
    column("tickets", "Tickets", Kind::Int),
    column("resolved", "Resolved", Kind::Percent),
];
const REPEATED: &[Column] = &[
    column("customer", "Customer", Kind::Text),
    column("phone", "Phone", Kind::Text),
    column("tickets", "Tickets", Kind::Int),
    column("open", "Open", Kind::Int),
];
const OVERDUE: &[Column] = &[
    column("number", "Ticket", Kind::Text),
    column("title", "Title", Kind::Text),
    column("customer", "Customer", Kind::Text),
    column("priority", "Priority", Kind::Text),
    column("due_at", "Due", Kind::Time),
    column("assigned_to", "Assigned to", Kind::Text),
];

/// Tickets of one group.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    all: i64,
    resolved: i64,
    open: i64,
    kept: i64,
    overdue: i64,
    seconds: Decimal,
}

impl Group {
    fn of(row: &Row) -> Self {
        Self {
            all: row.get("n"),
            resolved: row.get("resolved"),
            open: row.get("open"),
            kept: row.get("kept"),
            overdue: row.get("overdue"),
            seconds: row.get("seconds"),
        }
    }

    fn rate(&self) -> Value {
        share(self.resolved, self.all)
    }

    fn hours(&self) -> Value {
        if self.resolved == 0 { Value::Nothing } else { hours(self.seconds / Decimal::from(self.resolved)) }
    }
}

/// The tickets of a range, grouped each way in one pass.
#[derive(Default)]
struct Groups {
    all: Group,
    days: Vec<(chrono::NaiveDate, Decimal)>,
    statuses: HashMap<String, Group>,
    categories: HashMap<String, Group>,
    priorities: HashMap<String, Group>,
    people: Vec<(String, Group)>,
    areas: Vec<(String, Group)>,
}

/// The bits of GROUPING: what a row is not grouped by.
const BY_DAY: i32 = 0b01_1111;
const BY_STATUS: i32 = 0b10_1111;
const IN_CATEGORY: i32 = 0b11_0111;
const IN_PRIORITY: i32 = 0b11_1011;
const OF_PERSON: i32 = 0b11_1101;
const IN_AREA: i32 = 0b11_1110;

async fn groups(tx: &TenantTx, asked: &Asked) -> Result<Groups> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT GROUPING(t.day, t.status, t.category, t.priority, t.who, t.area) AS way, t.day, t.status, t.category, \
             t.priority, t.who, t.area, max(s.name) AS person, max(r.name) AS area_name, count(*) AS n, \
             count(*) FILTER (WHERE t.status = 'resolved') AS resolved, \
             count(*) FILTER (WHERE t.status NOT IN ('resolved', 'cancelled')) AS open, \
             count(*) FILTER (WHERE t.is_kept) AS kept, count(*) FILTER (WHERE t.is_overdue) AS overdue, \
             coalesce(sum(t.seconds), 0)::numeric AS seconds FROM ( \
             SELECT width_bucket(t.created_at, $3::timestamptz[]) AS day, t.status, t.category, t.priority, \
             t.assigned_to AS who, c.area_id AS area, t.status = 'resolved' AND t.resolved_at <= t.sla_due_at AS is_kept, \
             t.status NOT IN ('resolved', 'cancelled') AND coalesce(t.waiting_since, $6) > t.sla_due_at AS is_overdue, \
             extract(epoch FROM t.resolved_at - t.created_at) - t.waited_seconds AS seconds \
             FROM ticket t JOIN customer c ON c.id = t.customer_id WHERE t.created_at >= $1 AND t.created_at < $2 \
             AND t.merged_into IS NULL AND ($4::uuid IS NULL OR c.area_id = $4) \
             AND ($5::uuid IS NULL OR t.assigned_to = $5)) t LEFT JOIN staff s ON s.id = t.who LEFT JOIN area r ON r.id = t.area \
             GROUP BY GROUPING SETS ((t.day), (t.status), (t.category), (t.priority), (t.who), (t.area), ()) LIMIT 10000",
            &[&start, &end, &asked.bounds(), &asked.area, &asked.staff, &asked.now],
        )
        .await?;
    let mut groups = Groups::default();
    for row in &rows {
        let group = Group::of(row);
        match row.get("way") {
            BY_DAY => groups.days.push((asked.day_at(row.get("day")), Decimal::from(group.all))),
            BY_STATUS => {
                groups.statuses.insert(row.get("status"), group);
            }
            IN_CATEGORY => {
                groups.categories.insert(row.get("category"), group);
            }
            IN_PRIORITY => {
                groups.priorities.insert(row.get("priority"), group);
            }
            OF_PERSON => {
                let name: Option<String> = row.get("person");
                groups.people.push((name.unwrap_or_else(|| say("Nobody").to_owned()), group));
            }
            IN_AREA => {
                let name: Option<String> = row.get("area_name");
                groups.areas.push((name.unwrap_or_else(|| say("No area").to_owned()), group));
            }
            _all => groups.all = group,
        }
    }
    for list in [&mut groups.people, &mut groups.areas] {
        list.sort_by(|a, b| b.1.all.cmp(&a.1.all).then_with(|| a.0.cmp(&b.0)));
    }
    groups.areas.truncate(usize::try_from(TOP).unwrap_or(usize::MAX));
    Ok(groups)
}

async fn make(tx: &TenantTx, asked: &Asked) -> Result<Report> {
    let groups = groups(tx, asked).await?;
    let all = &groups.all;
    let status = |status: Status| groups.statuses.get(status.as_str()).map_or(0, |group| group.all);
    let count = |key, label, n: i64| Figure::new(key, label, Value::Int(n));
    let most = Category::ALL
        .iter()
        .filter_map(|category| Some((groups.categories.get(category.as_str())?.all, category)))
        .max_by_key(|(n, category)| (*n, std::cmp::Reverse(**category)));
    let urgent = groups.priorities.get(Priority::Urgent.as_str()).copied().unwrap_or_default();
    let figures = vec![
        count("tickets", say("Tickets"), all.all),
        count("resolved", say("Resolved"), all.resolved),
        Figure::new("rate", say("Resolved, share"), all.rate()),
        count("pending", say("Pending"), status(Status::Pending)),
        count("in_progress", say("In progress"), status(Status::Assigned) + status(Status::InProgress)),
        count("waiting", say("Waiting for customer"), status(Status::Waiting)),
        count("cancelled", say("Cancelled"), status(Status::Cancelled)),
        count("overdue", say("Overdue"), all.overdue),
        Figure::new("kept", say("Promise kept"), share(all.kept, all.resolved)),
        Figure::new("urgent_hours", say("Urgent ones take"), urgent.hours()),
        Figure::new(
            "most_common",
            say("Most common"),
            most.map_or(Value::Nothing, |(_, category)| Value::text(category.label())),
        ),
    ];
    let resolved = resolved_per_day(tx, asked).await?;
    let steps = asked.steps();
    let chart = Chart {
        key: "tickets",
        title: say("Opened and resolved"),
        shape: Shape::Line,
        kind: Kind::Int,
        of: steps.of_what(),
        labels: steps.labels(),
        series: vec![
            Series::new(say("Opened"), steps.add_up(groups.days.iter().copied())),
            Series::new(say("Resolved"), steps.add_up(resolved)),
        ],
    };
    let mut tables = tables(&groups);
    tables.push(Table::new(
        "repeated",
        say("Customers with several tickets"),
        REPEATED,
        repeated(tx, asked).await?,
    ));
    tables.push(
        Table::new("overdue", say("Overdue the longest"), OVERDUE, overdue(tx, asked).await?)
            .cut_at(TOP, all.overdue),
    );
    Ok(Report { figures, charts: vec![chart], tables })
}

fn tables(groups: &Groups) -> Vec<Table> {
    let mut categories: Vec<_> = Category::ALL
        .iter()
        .filter_map(|category| Some((category, groups.categories.get(category.as_str())?)))
        .collect();
    categories.sort_by_key(|(_, group)| std::cmp::Reverse(group.all));
    let categories = categories.into_iter().map(|(category, group)| {
        vec![
            Value::text(category.label()),
            Value::Int(group.all),
            share(group.all, groups.all.all),
            group.rate(),
        ]
    });
    let priorities = Priority::ALL.iter().rev().filter_map(|priority| {
        let group = groups.priorities.get(priority.as_str())?;
        Some(vec![
            Value::text(priority.label()),
            Value::Int(group.all),
            group.rate(),
            group.hours(),
            share(group.kept, group.resolved),
        ])
    });
    let people = groups.people.iter().map(|(name, group)| {
        vec![
            Value::text(name),
            Value::Int(group.all),
            Value::Int(group.resolved),
            Value::Int(group.open),
            group.rate(),
        ]
    });
    let areas =
        groups.areas.iter().map(|(name, group)| vec![Value::text(name), Value::Int(group.all), group.rate()]);
    vec![
        Table::new("by_category", say("By category"), BY_CATEGORY, categories),
        Table::new("by_priority", say("By priority"), BY_PRIORITY, priorities),
        Table::new("by_person", say("By person"), BY_PERSON, people),
        Table::new("by_area", say("Top areas"), BY_AREA, areas),
    ]
}

/// How many tickets were resolved on each day, whenever they had been opened.
async fn resolved_per_day(tx: &TenantTx, asked: &Asked) -> Result<Vec<(chrono::NaiveDate, Decimal)>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT width_bucket(t.resolved_at, $3::timestamptz[]), count(*) FROM ticket t \
             JOIN customer c ON c.id = t.customer_id WHERE t.resolved_at >= $1 AND t.resolved_at < $2 \
             AND t.merged_into IS NULL AND ($4::uuid IS NULL OR c.area_id = $4) \
             AND ($5::uuid IS NULL OR t.assigned_to = $5) GROUP BY 1 LIMIT 2000",
            &[&start, &end, &asked.bounds(), &asked.area, &asked.staff],
        )
        .await?;
    Ok(rows.iter().map(|row| (asked.day_at(row.get(0)), Decimal::from(row.get::<_, i64>(1)))).collect())
}

async fn repeated(tx: &TenantTx, asked: &Asked) -> Result<Vec<Line>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT c.id, c.first_name || ' ' || c.last_name AS customer, c.phone_primary, count(*) AS n, \
             count(*) FILTER (WHERE t.status NOT IN ('resolved', 'cancelled')) AS open FROM ticket t \
             JOIN customer c ON c.id = t.customer_id WHERE t.created_at >= $1 AND t.created_at < $2 \
             AND t.merged_into IS NULL AND ($3::uuid IS NULL OR c.area_id = $3) \
             AND ($4::uuid IS NULL OR t.assigned_to = $4) GROUP BY c.id HAVING count(*) > 1 \
             ORDER BY n DESC, customer, c.id LIMIT $5",
            &[&start, &end, &asked.area, &asked.staff, &TOP],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Line {
            href: Some(format!("/customers/{}", row.get::<_, CustomerId>("id"))),
            cells: vec![
                Value::Text(row.get("customer")),
                Value::Text(row.get::<_, Option<String>>("phone_primary").unwrap_or_default()),
                Value::Int(row.get("n")),
                Value::Int(row.get("open")),
            ],
        })
        .collect())
}

async fn overdue(tx: &TenantTx, asked: &Asked) -> Result<Vec<Line>> {
    let (start, end) = asked.instants();
    let rows = tx
        .query(
            "SELECT t.id, t.number, t.title, c.first_name || ' ' || c.last_name AS customer, t.priority, t.sla_due_at, \
             s.name AS person FROM ticket t JOIN customer c ON c.id = t.customer_id LEFT JOIN staff s ON s.id = t.assigned_to \
             WHERE t.status NOT IN ('resolved', 'cancelled') AND coalesce(t.waiting_since, $6) > t.sla_due_at \
             AND t.created_at >= $1 AND t.created_at < $2 AND t.merged_into IS NULL \
             AND ($3::uuid IS NULL OR c.area_id = $3) AND ($4::uuid IS NULL OR t.assigned_to = $4) \
             ORDER BY t.sla_due_at, t.id LIMIT $5",
            &[&start, &end, &asked.area, &asked.staff, &TOP, &asked.now],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Line {
            href: Some(format!("/tickets/{}", TicketId(row.get::<_, Uuid>("id")))),
            cells: vec![
                Value::Text(row.get("number")),
                Value::Text(row.get("title")),
                Value::Text(row.get("customer")),
                Value::text(Priority::from_column(row.get("priority")).label()),
                Value::Time(row.get::<_, DateTime<Utc>>("sla_due_at")),
                Value::Text(row.get::<_, Option<String>>("person").unwrap_or_default()),
            ],
        })
        .collect())
}
