//! The list as a file.

use serde_json::json;

use super::{
    model::{Filter, OBJECT, Suppression},
    store,
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, Result},
    sheets::{Bom, Cell},
    types::SuppressionId,
    web::sheet::{Format, Sheet},
};

const BATCH: i64 = 5_000;
/// A file has at most so many.
const MOST: usize = 100_000;
const HEADER: [&str; 6] = ["channel", "address", "reason", "source", "note", "created_at"];

/// Writes the list down, and in the trail that it left the house.
pub async fn export(db: &Db, by: &By, filter: &Filter, format: Format, bom: Bom) -> Result<Sheet> {
    let zone = by.tenant.time_zone;
    let cells = |one: Suppression| -> Vec<Cell> {
        vec![
            one.channel.as_str().into(),
            one.address.into(),
            one.reason.as_str().into(),
            one.source.as_str().into(),
            one.note.into(),
            one.created_at.with_timezone(&zone.0).naive_local().into(),
        ]
    };
    let rows = db
        .in_tenant(&by.tenant, async |tx| {
            let mut rows: Vec<Vec<Cell>> = Vec::new();
            let mut before: Option<SuppressionId> = None;
            loop {
                let found = store::list(tx, filter, before, BATCH).await?;
                let Some(last) = found.last() else { break };
                before = Some(last.id);
                rows.extend(found.into_iter().map(cells));
                if rows.len() > MOST {
                    let detail = format!("A file has at most {MOST} addresses. Narrow the list.");
                    return Err(Error::invalid("q", "too_many", detail));
                }
            }
            let label = format!("{} suppressions", rows.len());
            let told = Event {
                action: "suppression.exported",
                object_type: OBJECT,
                object_id: None,
                object_label: &label,
                before: None,
                after: Some(json!({ "format": format.extension(), "addresses": rows.len() })),
            };
            by.record(tx, told).await?;
            Ok(rows)
        })
        .await?;
    Sheet::of_rows("suppressions", format, zone, &HEADER, rows, bom).await
}
