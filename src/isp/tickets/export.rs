//! Exactly a list of tickets, as a file: read in batches, written row by row.

use chrono::Utc;
use chrono_tz::Tz;
use serde_json::json;

use super::{
    list,
    model::Ticket,
    query::{Filter, Mark, Sort},
    rules,
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, Result},
    sheets::{Bom, Cell},
    web::sheet::{Format, Sheet},
    words::say,
};

/// A file has at most so many tickets.
const MOST: i64 = 50_000;
const BATCH: i64 = 1_000;

const HEADER: [&str; 16] = [
    "number",
    "customer",
    "phone",
    "title",
    "category",
    "priority",
    "status",
    "source",
    "node",
    "assigned_to",
    "reported_by",
    "created_at",
    "due_at",
    "resolved_at",
    "resolution_notes",
    "outage",
];

/// Writes the list down, and in the trail that it left the house.
pub async fn export(
    db: &Db,
    by: &By,
    filter: &Filter,
    sort: Sort,
    (format, bom): (Format, Bom),
) -> Result<Sheet> {
    db.in_tenant(&by.tenant, async |tx| {
        rules::check_filter(tx, filter).await?;
        let total = list::count(tx, filter).await?.total();
        if total > MOST {
            let detail = say!("A file has at most {} tickets, and this list has {}. Narrow it.", MOST, total);
            return Err(Error::invalid("q", "too_many", detail));
        }
        let label = format!("{total} tickets");
        let told = Event {
            action: "ticket.exported",
            object_type: rules::OBJECT,
            object_id: None,
            object_label: &label,
            before: None,
            after: Some(json!({ "format": format.extension(), "tickets": total })),
        };
        by.record(tx, told).await
    })
    .await?;
    let rows = read_all(db, by, filter, sort).await?;
    Sheet::of_rows("tickets", format, by.tenant.time_zone, &HEADER, rows, bom).await
}

async fn read_all(db: &Db, by: &By, filter: &Filter, sort: Sort) -> Result<Vec<Vec<Cell>>> {
    let zone = by.tenant.time_zone.0;
    let (mut rows, mut mark): (Vec<Vec<Cell>>, Option<Mark>) = (Vec::new(), None);
    loop {
        let found = db
            .read_tenant(&by.tenant, async |tx| list(&tx.last(), filter, sort, mark.as_ref(), BATCH).await)
            .await?;
        mark = found.last().map(|last| Mark::of(last, sort));
        let is_last = i64::try_from(found.len()).unwrap_or_default() < BATCH;
        rows.extend(found.into_iter().map(|ticket| cells(ticket, zone)));
        if is_last || i64::try_from(rows.len()).unwrap_or(i64::MAX) >= MOST {
            return Ok(rows);
        }
    }
}

fn cells(ticket: Ticket, zone: Tz) -> Vec<Cell> {
    let local = |at: chrono::DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let due_at = local(ticket.clock().due_at());
    vec![
        ticket.number.into(),
        ticket.customer.name.into(),
        ticket.customer.phone.into(),
        ticket.title.into(),
        ticket.category.as_str().into(),
        ticket.priority.as_str().into(),
        ticket.status.as_str().into(),
        ticket.source.as_str().into(),
        ticket.node_label.into(),
        ticket.assignee.map(|assignee| assignee.name).into(),
        ticket.reported_by_label.into(),
        local(ticket.created_at).into(),
        due_at.into(),
        ticket.resolved_at.map(local).into(),
        ticket.resolution_notes.into(),
        ticket.outage.map(|(_, number)| number).into(),
    ]
}
