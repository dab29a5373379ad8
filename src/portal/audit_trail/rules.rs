//! Use cases around the trail.

use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    access::By,
    audit::{self, AnchorKey, Entry, Event, Filter},
    db::{Db, TenantTx},
    error::{Error, OrInternal, Result},
    sheets::{Bom, Cell, CsvWriter, XlsxWriter},
    types::{AuditEventId, Limit},
    web::Download,
};

/// An export holds the newest events that fit, so many at most.
pub const EXPORT_MAX: usize = 50_000;
const EXPORT_PAGE: Limit = Limit::of(2_000);
const EXPORT_TIME: std::time::Duration = std::time::Duration::from_secs(120);
const HEADER: [&str; 13] = [
    "Time",
    "Actor",
    "Actor kind",
    "Action",
    "Object type",
    "Object",
    "Object id",
    "Before",
    "After",
    "Request",
    "Address",
    "User agent",
    "Event id",
];

/// What kind of file a list becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    Csv,
    Xlsx,
}

/// The newest events that fit as a file, times in the tenant's zone. The export is an event itself.
pub async fn export(db: &Db, by: &By, filter: &Filter, sheet: Sheet) -> Result<Download> {
    let (writer, is_cut) = db
        .in_tenant_for(&by.tenant, EXPORT_TIME, async |tx| write_sheet(tx, by, filter, sheet).await)
        .await?;
    let day = Utc::now().with_timezone(&by.tenant.time_zone.0).format("%Y-%m-%d");
    let stem = if is_cut { format!("audit-{day}-newest-{EXPORT_MAX}") } else { format!("audit-{day}") };
    Ok(match writer {
        Writer::Csv(mut writer) => Download {
            media_type: "text/csv; charset=utf-8",
            file_name: format!("{stem}.csv"),
            content: writer.take(),
        },
        Writer::Xlsx(writer) => Download {
            media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            file_name: format!("{stem}.xlsx"),
            content: tokio::task::spawn_blocking(move || writer.finish()).await.internal()??,
        },
    })
}

enum Writer {
    Csv(CsvWriter),
    Xlsx(Box<XlsxWriter>),
}

async fn write_sheet(tx: &TenantTx, by: &By, filter: &Filter, sheet: Sheet) -> Result<(Writer, bool)> {
    let zone = by.tenant.time_zone.0;
    let mut writer = match sheet {
        Sheet::Csv => Writer::Csv(CsvWriter::new(&HEADER, Bom::With)),
        Sheet::Xlsx => Writer::Xlsx(Box::new(XlsxWriter::new("Audit trail", &HEADER)?)),
    };
    let (mut after, mut rows, mut is_cut) = (None, 0, false);
    loop {
        let mut page = audit::list(tx, filter, zone, after, EXPORT_PAGE).await?;
        let more = EXPORT_PAGE.cut(&mut page);
        for entry in &page {
            if rows == EXPORT_MAX {
                is_cut = true;
                break;
            }
            let cells = cells_of(entry, zone);
            match &mut writer {
                Writer::Csv(writer) => writer.row(&cells),
                Writer::Xlsx(writer) => writer.row(&cells)?,
            }
            rows += 1;
        }
        after = page.last().map(|entry| entry.id);
        if !more || is_cut {
            break;
        }
    }
    let exported = Event {
        action: "audit.exported",
        object_type: "audit",
        object_id: None,
        object_label: "Audit trail",
        before: None,
        after: Some(json!({
            "rows": rows,
            "is_cut": is_cut,
            "format": if sheet == Sheet::Csv { "csv" } else { "xlsx" },
            "filters": described(filter),
        })),
    };
    by.record(tx, exported).await?;
    Ok((writer, is_cut))
}

/// The filters that were set, as they are written into the trail.
fn described(filter: &Filter) -> Value {
    let mut set = serde_json::Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            set.insert(name.to_owned(), value.into());
        }
    };
    put(
        "actor",
        filter.who.as_ref().map(|who| match who {
            audit::Who::Id(id) => id.to_string(),
            audit::Who::Kind(kind) => kind.as_str().to_owned(),
        }),
    );
    put("action", filter.action.clone());
    put("object_type", filter.object_type.clone());
    put("object_id", filter.object_id.map(|id| id.to_string()));
    put("from", filter.from.map(|day| day.to_string()));
    put("to", filter.to.map(|day| day.to_string()));
    put("q", filter.text.clone());
    Value::Object(set)
}

fn cells_of(entry: &Entry, zone: chrono_tz::Tz) -> Vec<Cell> {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    vec![
        entry.occurred_at.with_timezone(&zone).naive_local().into(),
        entry.actor_label.clone().into(),
        entry.actor_kind.clone().into(),
        entry.action.clone().into(),
        entry.object_type.clone().into(),
        entry.object_label.clone().into(),
        entry.object_id.map(|id| id.to_string()).into(),
        json(&entry.before).into(),
        json(&entry.after).into(),
        entry.request_id.map(|id| id.to_string()).into(),
        entry.address.clone().into(),
        entry.user_agent.clone().into(),
        entry.id.to_string().into(),
    ]
}

/// Erases what an event says of a person, for the reason given; see [`audit::erase`].
pub async fn erase_payload(
    db: &Db,
    key: &AnchorKey,
    by: &By,
    id: AuditEventId,
    reason: &str,
) -> Result<Entry> {
    audit::erase(db, key, &by.tenant, (&by.actor, by.origin.as_ref()), id, reason).await?;
    db.read_tenant(&by.tenant, async |tx| audit::find(tx, id).await?.ok_or(Error::not_found("audit event")))
        .await
}
