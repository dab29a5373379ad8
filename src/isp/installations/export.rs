//! Exactly a list of installations, as a file.

use serde_json::json;

use super::{
    model::{Installation, Port},
    query::{self, Filter},
    rules::OBJECT,
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

const BATCH: i64 = 1_000;
const MOST: usize = 50_000;
const HEADER: [&str; 14] = [
    "customer",
    "status",
    "installed_on",
    "street_address",
    "area",
    "nap",
    "port",
    "router",
    "technician",
    "paid_until",
    "terminated_at",
    "termination_reason",
    "notes",
    "created_at",
];

fn cells(one: Installation, zone: chrono_tz::Tz) -> Vec<Cell> {
    let local = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&zone).naive_local();
    let port = one.port.as_ref();
    let ending = one.ending.as_ref();
    vec![
        one.customer.name.into(),
        one.status.as_str().into(),
        one.draft.installed_on.into(),
        one.street.into(),
        one.area.map(|area| area.name).into(),
        port.map(|port| port.nap_code.clone()).into(),
        port.map(|port: &Port| i64::from(port.number)).into(),
        one.router.map(|router| router.name).into(),
        one.technician.into(),
        one.paid_until.map(local).into(),
        ending.map(|ending| local(ending.at)).into(),
        ending.and_then(|ending| ending.reason.clone()).into(),
        one.draft.notes.into(),
        local(one.created_at).into(),
    ]
}

/// Writes the list down, and in the trail that it left the house.
pub async fn export(db: &Db, by: &By, filter: &Filter, format: Format, bom: Bom) -> Result<Sheet> {
    let zone = by.tenant.time_zone.0;
    let rows = db
        .in_tenant(&by.tenant, async |tx| {
            let mut rows: Vec<Vec<Cell>> = Vec::new();
            let mut after = None;
            loop {
                let found = query::list(tx, filter, after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after = Some((last.created_at, last.id.0));
                rows.extend(found.into_iter().map(|one| cells(one, zone)));
                if rows.len() > MOST {
                    let detail = say!("A file has at most {} installations. Narrow the list.", MOST);
                    return Err(Error::invalid("q", "too_many", detail));
                }
            }
            let label = format!("{} installations", rows.len());
            let told = Event {
                action: "installation.exported",
                object_type: OBJECT,
                object_id: None,
                object_label: &label,
                before: None,
                after: Some(json!({ "format": format.extension(), "installations": rows.len() })),
            };
            by.record(tx, told).await?;
            Ok(rows)
        })
        .await?;
    Sheet::of_rows("installations", format, by.tenant.time_zone, &HEADER, rows, bom).await
}
