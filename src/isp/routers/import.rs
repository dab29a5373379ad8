//! Routers from a file, and the list of routers as one.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{
    model::{FIELDS, Router, RouterDraft, RouterFilter},
    rules::{OBJECT, event},
    store,
};
use crate::{
    access::By,
    audit::{self, Event},
    db::{Db, TenantTx},
    error::{Error, FieldError, OrInternal, Result},
    sheets::{self, Bom, Cell, Table},
    types::RouterId,
    web::sheet::{Format, Sheet},
    web::typed::Typed,
    words::say,
};

/// A file has at most so many routers.
pub const MOST: usize = 5_000;
/// So many wrong rows are told of; all of them are counted.
const TOLD: usize = 200;
const BATCH: i64 = 1_000;
/// An export has at most so many routers.
const EXPORT_MOST: i64 = 50_000;

/// A column's name as files write it, in lower case without spaces and marks, and the field that it is.
const NAMES: [(&str, &str); 15] = [
    ("brand", "brand"),
    ("make", "brand"),
    ("manufacturer", "brand"),
    ("vendor", "brand"),
    ("model", "model"),
    ("serialnumber", "serial_number"),
    ("serial", "serial_number"),
    ("serialno", "serial_number"),
    ("sn", "serial_number"),
    ("macaddress", "mac_address"),
    ("mac", "mac_address"),
    ("macid", "mac_address"),
    ("notes", "notes"),
    ("note", "notes"),
    ("remarks", "notes"),
];

/// What is wrong with one row of a file.
#[derive(Debug, Clone)]
pub struct WrongRow {
    /// Where the row begins in the file, from 1.
    pub line: u32,
    pub errors: Vec<FieldError>,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: usize,
    /// Those that are right: added, unless it was a dry run.
    pub right: usize,
    pub wrong: usize,
    /// The first of the wrong ones.
    pub errors: Vec<WrongRow>,
}

impl Report {
    fn refuse(&mut self, line: u32, errors: Vec<FieldError>) {
        self.wrong += 1;
        if self.errors.len() < TOLD {
            self.errors.push(WrongRow { line, errors });
        }
    }
}

/// Reads a file and adds its routers; the rows that are wrong stay out and are told of. A dry run adds nothing.
pub async fn import(
    db: &Db,
    by: &By,
    file_name: String,
    content: Vec<u8>,
    is_dry_run: bool,
) -> Result<Report> {
    let table =
        tokio::task::spawn_blocking(move || sheets::read(&file_name, &content)).await.internal()??;
    let columns = columns(&table)?;
    db.in_tenant(&by.tenant, async |tx| add_rows(tx, by, &table, &columns, is_dry_run).await).await
}

/// Which field each column is.
fn columns(table: &Table) -> Result<Vec<Option<&'static str>>> {
    if table.rows.len() > MOST {
        let detail = say!("A file has at most {} routers, and this one has {}.", MOST, table.rows.len());
        return Err(Error::invalid("file", "too_many_rows", detail));
    }
    let mut seen = HashSet::new();
    let columns: Vec<Option<&'static str>> = table
        .header
        .iter()
        .map(|name| {
            let plain: String =
                name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            let field = NAMES.iter().find(|(known, _)| *known == plain).map(|(_, field)| *field)?;
            seen.insert(field).then_some(field)
        })
        .collect();
    let missing: Vec<&str> =
        ["brand", "serial_number", "mac_address"].into_iter().filter(|name| !seen.contains(name)).collect();
    if missing.is_empty() {
        return Ok(columns);
    }
    let detail = say!("The file has no column {}.", missing.join(", none "));
    Err(Error::invalid("file", "missing_columns", detail))
}

fn typed(cells: &[String], columns: &[Option<&'static str>]) -> Typed {
    cells.iter().zip(columns).fold(Typed::default(), |typed, (cell, field)| match field {
        Some(field) => typed.with(field, cell),
        None => typed,
    })
}

fn taken(field: &'static str, detail: String) -> FieldError {
    FieldError::new(field, "taken", detail)
}

async fn add_rows(
    tx: &TenantTx,
    by: &By,
    table: &Table,
    columns: &[Option<&'static str>],
    is_dry_run: bool,
) -> Result<Report> {
    let mut report = Report { rows: table.rows.len(), ..Report::default() };
    let mut drafts = Vec::new();
    let (mut serials, mut macs) = (HashMap::new(), HashMap::new());
    for row in &table.rows {
        let draft = match RouterDraft::parse(&typed(&row.cells, columns)) {
            Ok(draft) => draft,
            Err(Error::Invalid(errors)) => {
                report.refuse(row.line, errors);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut doubled = Vec::new();
        let same = |line: &u32| say!("Line {} has the same.", line);
        if let Some(line) = serials.get(&draft.serial_number.to_lowercase()) {
            doubled.push(taken("serial_number", same(line)));
        }
        if let Some(line) = macs.get(&draft.mac_address) {
            doubled.push(taken("mac_address", same(line)));
        }
        if doubled.is_empty() {
            serials.insert(draft.serial_number.to_lowercase(), row.line);
            macs.insert(draft.mac_address.clone(), row.line);
            drafts.push((row.line, RouterId::new(), draft));
        } else {
            report.refuse(row.line, doubled);
        }
    }
    refuse_taken(tx, &mut drafts, &mut report).await?;
    report.right = drafts.len();
    if !is_dry_run {
        add(tx, by, &drafts, &mut report).await?;
    }
    report.errors.sort_by_key(|row| row.line);
    Ok(report)
}

type Drafts = Vec<(u32, RouterId, RouterDraft)>;

/// Takes those out whose serial number or address a router of the inventory has.
async fn refuse_taken(tx: &TenantTx, drafts: &mut Drafts, report: &mut Report) -> Result<()> {
    let serials: Vec<String> = drafts.iter().map(|(.., draft)| draft.serial_number.to_lowercase()).collect();
    let macs: Vec<&str> = drafts.iter().map(|(.., draft)| draft.mac_address.as_str()).collect();
    let (known_serials, known_macs): (HashSet<String>, HashSet<String>) =
        store::taken(tx, &serials, &macs).await?.into_iter().unzip();
    drafts.retain(|(line, _, draft)| {
        let mut errors = Vec::new();
        if known_serials.contains(&draft.serial_number.to_lowercase()) {
            errors.push(taken("serial_number", "There is a router with this serial number already.".into()));
        }
        if known_macs.contains(draft.mac_address.as_str()) {
            errors.push(taken("mac_address", "There is a router with this MAC address already.".into()));
        }
        let is_free = errors.is_empty();
        if !is_free {
            report.refuse(*line, errors);
        }
        is_free
    });
    Ok(())
}

async fn add(tx: &TenantTx, by: &By, drafts: &Drafts, report: &mut Report) -> Result<()> {
    let rows: Vec<(RouterId, &RouterDraft)> = drafts.iter().map(|(_, id, draft)| (*id, draft)).collect();
    let added: HashSet<RouterId> =
        store::insert_many(tx, &rows, &by.actor.label).await?.into_iter().collect();
    // Somebody else added the same router meanwhile.
    for (line, ..) in drafts.iter().filter(|(_, id, _)| !added.contains(id)) {
        report.refuse(*line, vec![taken("serial_number", "This router was added meanwhile.".into())]);
    }
    report.right = added.len();
    let labels: Vec<(RouterId, &RouterDraft, String)> = rows
        .into_iter()
        .filter(|(id, _)| added.contains(id))
        .map(|(id, draft)| (id, draft, draft.label()))
        .collect();
    for batch in labels.chunks(1_000) {
        let events = batch
            .iter()
            .map(|(id, draft, label)| Event {
                after: Some(draft.told()),
                ..event("router.imported", *id, label)
            })
            .collect();
        audit::record_all(tx, &by.actor, by.origin.as_ref(), events).await?;
    }
    Ok(())
}

/// An empty file with the columns that an import reads.
pub fn template() -> Vec<u8> {
    let example = ["MikroTik", "hAP ax2", "HF409ABCDEF", "48:A9:8A:01:02:03", "Delete this row"];
    sheets::csv(&FIELDS, [example.map(Cell::from).to_vec()], Bom::With)
}

const HEADER: [&str; 9] = [
    "brand",
    "model",
    "serial_number",
    "mac_address",
    "state",
    "customer",
    "notes",
    "created_at",
    "updated_at",
];

/// Writes the list down, and in the trail that it left the house.
pub async fn export(db: &Db, by: &By, filter: &RouterFilter, format: Format, bom: Bom) -> Result<Sheet> {
    let zone = by.tenant.time_zone.0;
    let cells = |router: Router| -> Vec<Cell> {
        let draft = router.draft;
        vec![
            draft.brand.into(),
            draft.model.into(),
            draft.serial_number.into(),
            draft.mac_address.as_str().into(),
            router.state.as_str().into(),
            router.holder.map(|holder| holder.name).into(),
            draft.notes.into(),
            router.created_at.with_timezone(&zone).naive_local().into(),
            router.updated_at.with_timezone(&zone).naive_local().into(),
        ]
    };
    let rows = db
        .in_tenant(&by.tenant, async |tx| {
            let mut rows: Vec<Vec<Cell>> = Vec::new();
            let mut after = None;
            loop {
                let found = store::list(tx, filter, after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after = Some((last.created_at, last.id.0));
                rows.extend(found.into_iter().map(cells));
                if i64::try_from(rows.len()).unwrap_or(i64::MAX) > EXPORT_MOST {
                    let detail = say!("A file has at most {} routers. Narrow the list.", EXPORT_MOST);
                    return Err(Error::invalid("q", "too_many", detail));
                }
            }
            let label = format!("{} routers", rows.len());
            let told = Event {
                action: "router.exported",
                object_type: OBJECT,
                object_id: None,
                object_label: &label,
                before: None,
                after: Some(json!({ "format": format.extension(), "routers": rows.len() })),
            };
            by.record(tx, told).await?;
            Ok(rows)
        })
        .await?;
    Sheet::of_rows("routers", format, by.tenant.time_zone, &HEADER, rows, bom).await
}
