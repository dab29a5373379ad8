//! What people do with imports: upload, look, start, stop, and take the failed rows home.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    draft::Draft,
    mapping::{self, Field, Group},
    model::{Choices, Counts, FailedRow, Import, SampleRow, State, sentences},
    places::Naps,
    store,
    template::Own,
};
use crate::{
    access::By,
    audit::{self, Actor, Event},
    db::{Db, TenantTx},
    error::{Error, FieldError, OrInternal, Result},
    files,
    isp::{areas, billing::SellSubscriptions, installations::CreateInstallations, plans, plant},
    jobs,
    sheets::{self, Bom, Cell, CsvWriter, Table},
    tenancy::Tenant,
    types::{ImportId, Limit},
    words::say,
};

/// The kind of job that works an import through.
pub const JOB: &str = "import_customers";
/// What files of imports are kept as.
const PURPOSE: &str = "customer_import";
/// Rows kept for the page on which columns are matched.
const SAMPLE_ROWS: usize = 10;
const FILE_NAME_MAX: usize = 150;
/// The column that the failed rows have more than the file.
const ERROR_COLUMN: &str = "Import error";

/// A table in memory weighs many times its file, so only so many are read at once.
static READERS: Semaphore = Semaphore::const_new(2);

/// Runs work on a whole table beside the requests.
pub(super) async fn on_table<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let _reader = READERS.acquire().await.internal()?;
    tokio::task::spawn_blocking(work).await.internal()?
}

/// Takes a file in: reads it, keeps it, and guesses which column is which. Nothing is imported yet.
pub async fn upload(db: &Db, by: &By, file_name: &str, content: Vec<u8>) -> Result<Import> {
    let name = plain_name(file_name);
    let content = Arc::new(content);
    let read = {
        let (name, content) = (name.clone(), content.clone());
        on_table(move || first_look(&name, &content)).await?
    };
    let media_type = match read.written.delimiter {
        Some(_) => "text/csv",
        None => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };
    let import = Import {
        id: ImportId::new(),
        file: None,
        file_name: name,
        encoding: read.written.encoding.to_owned(),
        delimiter: read.written.delimiter.map(str::to_owned),
        choices: Choices::proposed(mapping::guess(&read.header)),
        header: read.header,
        sample: read.sample,
        state: State::Mapping,
        is_dry_run: false,
        counts: Counts { total: read.rows, ..Counts::default() },
        failure: None,
        created_by_label: by.actor.label.clone(),
        created_at: Utc::now(),
        started_at: None,
        finished_at: None,
    };
    db.in_tenant(&by.tenant, async |tx| {
        let mut import = import.clone();
        import.file =
            Some(files::keep(tx, &by.tenant, PURPOSE, &import.file_name, media_type, &content).await?);
        store::insert_import(tx, &import, by.staff()).await?;
        let after = json!({ "rows": import.counts.total, "bytes": content.len() });
        by.record(tx, event("customer_import.uploaded", &import, Some(after))).await?;
        Ok(import)
    })
    .await
}

struct FirstLook {
    header: Vec<String>,
    sample: Vec<SampleRow>,
    rows: i32,
    written: sheets::Written,
}

fn first_look(name: &str, content: &[u8]) -> Result<FirstLook> {
    let Table { header, rows } = sheets::read(name, content)?;
    if rows.is_empty() {
        return Err(Error::invalid("file", "empty", "The file has no rows under its heading."));
    }
    let sample =
        rows.iter().take(SAMPLE_ROWS).map(|row| SampleRow { line: row.line, cells: row.cells.clone() });
    Ok(FirstLook {
        sample: sample.collect(),
        rows: i32::try_from(rows.len()).unwrap_or(i32::MAX),
        header,
        written: sheets::written(content),
    })
}

/// A file's name without its folders and without anything that does not show.
fn plain_name(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(FILE_NAME_MAX).collect();
    if name.trim().is_empty() { "customers".into() } else { name.trim().to_owned() }
}

fn event<'a>(action: &'static str, import: &'a Import, after: Option<serde_json::Value>) -> Event<'a> {
    Event {
        action,
        object_type: "customer_import",
        object_id: Some(import.id.0),
        object_label: &import.file_name,
        before: None,
        after,
    }
}

/// Who an import's job is: the tenant's own system user, on somebody's behalf.
pub(super) fn system(tenant: &Tenant, import: &Import) -> By {
    let actor = Actor { label: format!("Import by {}", import.created_by_label), ..Actor::system() };
    By { actor, ..By::system(tenant.clone()) }
}

/// Writes down how an import ended.
pub(super) async fn record_end(tx: &TenantTx, by: &By, import: &Import, action: &'static str) -> Result<()> {
    let counts = import.counts;
    let after = json!({
        "is_dry_run": import.is_dry_run, "rows": counts.total, "done": counts.done, "created": counts.created,
        "updated": counts.updated, "unchanged": counts.unchanged, "failed": counts.failed,
        "connected": counts.connected, "brought": counts.brought,
    });
    by.record(tx, event(action, import, Some(after))).await
}

/// One import.
pub async fn get(db: &Db, tenant: &Tenant, id: ImportId) -> Result<Import> {
    db.read_tenant(tenant, async |tx| store::get_import(tx, id).await).await
}

/// A page of imports, newest first.
pub struct ImportPage {
    pub imports: Vec<Import>,
    /// The last one's id, if more follow.
    pub next: Option<Uuid>,
    pub total: Option<i64>,
}

/// Imports from the newest on.
pub async fn list(
    db: &Db,
    tenant: &Tenant,
    after: Option<Uuid>,
    limit: Limit,
    counted: bool,
) -> Result<ImportPage> {
    db.read_tenant(tenant, async |tx| {
        let mut imports = store::list_imports(tx, after, limit).await?;
        let total = if counted { Some(store::count_imports(tx).await?) } else { None };
        let more = limit.cut(&mut imports);
        let next = imports.last().filter(|_| more).map(|import| import.id.0);
        Ok(ImportPage { imports, next, total })
    })
    .await
}

/// What lies before a page of the list.
#[derive(Debug, Default)]
pub struct Before {
    pub count: i64,
    /// Where the page before begins; None when it is the first.
    pub cursor: Option<Uuid>,
}

/// What lies before the page that begins with `first`.
pub async fn before(db: &Db, tenant: &Tenant, first: Uuid, limit: Limit) -> Result<Before> {
    db.read_tenant(tenant, async |tx| {
        let newer = store::list_newer(tx, first, limit).await?;
        let full = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        Ok(Before { count: store::count_newer(tx, first).await?, cursor: newer.get(full).copied() })
    })
    .await
}

/// Starts an import, or a trial of it.
pub async fn start(db: &Db, by: &By, id: ImportId, choices: &Choices, is_dry_run: bool) -> Result<Import> {
    if choices.creates_areas {
        by.require::<areas::CreateAreas>()?;
    }
    let brings = |group| choices.mapping.pairs().any(|(field, _)| field.group() == group);
    if brings(Group::Installation) || brings(Group::Paid) {
        by.require::<CreateInstallations>()?;
    }
    if brings(Group::Paid) {
        by.require::<SellSubscriptions>()?;
    }
    db.in_tenant(&by.tenant, async |tx| {
        let import = store::lock_import(tx, id).await?.ok_or(Error::not_found("import"))?;
        import.check_start()?;
        choices.mapping.check(import.header.len())?;
        store::update_choices(tx, id, choices).await?;
        store::update_queued(tx, id, is_dry_run).await?;
        jobs::enqueue(tx, JOB, id.0, Utc::now()).await?;
        let after = json!({
            "is_dry_run": is_dry_run, "mapping": choices.mapping, "match_by": choices.match_by.as_str(),
            "on_match": choices.on_match.as_str(), "default_status": choices.default_status.as_str(),
            "creates_areas": choices.creates_areas,
        });
        by.record(tx, event("customer_import.started", &import, Some(after))).await?;
        store::get_import(tx, id).await
    })
    .await
}

/// Imports for real what a trial has tried, with the same choices.
pub async fn start_for_real(db: &Db, by: &By, id: ImportId) -> Result<Import> {
    let import = get(db, &by.tenant, id).await?;
    if import.state == State::Mapping {
        return Err(Error::conflict("not_tried", "Match the columns first."));
    }
    start(db, by, id, &import.choices, false).await
}

/// Stops an import. Rows that were worked through stay.
pub async fn cancel(db: &Db, by: &By, id: ImportId) -> Result<Import> {
    db.in_tenant(&by.tenant, async |tx| {
        let import = store::lock_import(tx, id).await?.ok_or(Error::not_found("import"))?;
        if !import.is_busy() && import.state != State::Mapping {
            return Err(Error::conflict("import_ended", "This import has ended already."));
        }
        store::update_ended(tx, id, State::Cancelled, None).await?;
        let after = json!({ "done": import.counts.done, "rows": import.counts.total });
        by.record(tx, event("customer_import.cancelled", &import, Some(after))).await?;
        store::get_import(tx, id).await
    })
    .await
}

/// The NAPs that rows name.
pub(super) async fn naps_of<'a>(tx: &TenantTx, drafts: impl Iterator<Item = &'a Draft>) -> Result<Naps> {
    let texts: BTreeSet<&str> =
        drafts.filter_map(|draft| Some(draft.service.port.as_ref()?.0.as_str())).collect();
    if texts.is_empty() {
        return Ok(Naps::new());
    }
    plant::naps_called(tx, &texts.into_iter().collect::<Vec<_>>()).await
}

/// What the template's example names of the provider's own.
pub async fn own_example(db: &Db, tenant: &Tenant) -> Result<Own> {
    db.read_tenant(tenant, async |tx| {
        Ok(Own {
            today: Utc::now().with_timezone(&tenant.time_zone.0).date_naive(),
            port: plant::any_free_port(tx).await?,
            plan: plans::choices(tx).await?.first().map(|plan| plan.name().to_owned()),
        })
    })
    .await
}

/// The areas that rows name, each spelling once.
pub(super) fn area_names<'a>(drafts: impl Iterator<Item = &'a Draft>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = drafts.filter_map(|draft| draft.area.as_deref()).collect();
    names.into_iter().collect()
}

/// A row whose area does not exist.
pub(super) fn unknown_area(draft: &Draft) -> FieldError {
    let name = draft.area.as_deref().unwrap_or_default();
    FieldError::new(Field::Area.as_str(), "unknown_area", say!("There is no “{}”.", name))
}

/// Failed rows after line `after`; the last line, if more follow.
pub async fn list_failed(
    db: &Db,
    tenant: &Tenant,
    id: ImportId,
    after: i32,
    limit: Limit,
) -> Result<(Vec<FailedRow>, Option<i32>)> {
    db.read_tenant(tenant, async |tx| {
        store::get_import(tx, id).await?;
        let mut failed = store::list_failed(tx, id, after, limit).await?;
        let more = limit.cut(&mut failed);
        let next = failed.last().filter(|_| more).map(|row| row.line);
        Ok((failed, next))
    })
    .await
}

/// A file to download: its name and its bytes.
pub struct NamedFile {
    pub name: String,
    pub content: Vec<u8>,
}

/// The failed rows as they stand in the file, and why: to be mended and uploaded again.
pub async fn failed_csv(db: &Db, tenant: &Tenant, id: ImportId) -> Result<NamedFile> {
    const AT_ONCE: Limit = Limit::of(500);
    db.read_tenant(tenant, async |tx| {
        let import = store::get_import(tx, id).await?;
        // A file that came out of here before has the column already.
        let kept: Vec<usize> = (0..import.header.len())
            .filter(|column| import.header.get(*column).is_none_or(|name| name != ERROR_COLUMN))
            .collect();
        let mut header: Vec<String> = kept.iter().map(|column| import.column_name(*column)).collect();
        header.push(ERROR_COLUMN.to_owned());
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut csv = CsvWriter::new(&header, Bom::With);
        let mut content = csv.take();
        let mut after = -1;
        loop {
            let mut failed = store::list_failed(tx, id, after, AT_ONCE).await?;
            let more = AT_ONCE.cut(&mut failed);
            for row in &failed {
                after = row.line;
                let cell = |column: &usize| Cell::from(row.cells.get(*column).map_or("", String::as_str));
                let mut cells: Vec<Cell> = kept.iter().map(cell).collect();
                cells.push(sentences(&row.errors).into());
                csv.row(&cells);
            }
            content.extend(csv.take());
            if !more {
                break;
            }
        }
        let stem = import.file_name.rsplit_once('.').map_or(import.file_name.as_str(), |(stem, _)| stem);
        Ok(NamedFile { name: format!("{stem}-errors.csv"), content })
    })
    .await
}

/// How many files of imports are older, counted to `at_most`.
pub async fn count_files_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    store::count_with_file(tx, before, at_most).await
}

/// Forgets at most so many files of imports that ended (or were left lying) before, with the rows kept of them; the counts stay.
pub async fn forget_files_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let ids = store::list_with_file(tx, before, at_most).await?;
    let mut forgotten = 0;
    for id in ids {
        let Some(import) = store::lock_import(tx, id).await?.filter(|import| !import.is_busy()) else {
            continue;
        };
        let Some(file) = import.file else { continue };
        store::update_forgotten(tx, id).await?;
        files::forget(tx, file).await?;
        let gone = event("customer_import.file_forgotten", &import, None);
        audit::record(tx, &Actor::system(), None, gone).await?;
        forgotten += 1;
    }
    Ok(forgotten)
}
