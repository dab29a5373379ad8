//! Contacts out of a file or a pasted list: read, shown as they would come out, then brought in by a job, batch by batch.
//!
//! A batch and the progress that it made are one transaction, so a worker that dies leaves an import that another takes up exactly
//! where it stands. A file can be brought in twice: the second time nothing is new.

mod api;
mod batch;
mod mapping;
mod paste;
mod run;
mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::groups;
use crate::{
    access::By,
    audit::Event,
    db::{Db, TenantTx},
    error::{Error, OrInternal, Result},
    jobs,
    messaging::contacts::model::country_of,
    sheets::{self, Table},
    types::{ContactImportId, GroupId, Limit},
    web::choices::choices,
    words::say,
};

pub use api::ImportsApi;
pub use batch::{Fate, Told, preview};
pub use mapping::{Mapping, targets};
pub use run::handlers;

/// The kind of job that brings contacts in.
pub const JOB: &str = "import_contacts";
const OBJECT: &str = "contact_import";
const FILE_NAME_MAX: usize = 150;
const PASTE_MAX: usize = 50_000;
/// Wrong rows that are kept to be told.
pub const ERRORS_KEPT: usize = 500;
/// Rows of a preview.
pub const PREVIEW_ROWS: usize = 10;

/// A table in memory weighs many times its file, so only so many are read at once.
static READERS: Semaphore = Semaphore::const_new(2);

choices! {
    /// Where an import stands.
    State is "ContactImportState":
        /// Somebody is to look at it and to start it.
        Preview = "preview", "Not started";
        Running = "running", "Running";
        Done = "done", "Finished";
        Cancelled = "cancelled", "Stopped";
}

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub total: i32,
    pub done: i32,
    pub created: i32,
    pub updated: i32,
    pub unchanged: i32,
    /// Claims that wait for somebody to decide.
    pub conflicts: i32,
    pub failed: i32,
}

/// A row that was not brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, poem_openapi::Object)]
#[oai(rename = "ContactImportError")]
pub struct RowError {
    /// Where it stands in the file, from 1.
    pub row: u32,
    /// Which field is wrong: `name`, `sms`, `email`.
    pub field: String,
    pub detail: String,
}

/// A row of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line(pub u32, pub Vec<String>);

/// An import.
#[derive(Debug, Clone)]
pub struct Import {
    pub id: ContactImportId,
    pub file_name: String,
    pub header: Vec<String>,
    pub mapping: Mapping,
    pub group: Option<GroupId>,
    pub state: State,
    pub counts: Counts,
    pub errors: Vec<RowError>,
    pub staff_label: String,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    /// How much was worked through, 0-100.
    pub fn percent(&self) -> i64 {
        let (done, total) = (i64::from(self.counts.done), i64::from(self.counts.total));
        (done * 100).checked_div(total).unwrap_or(100)
    }
}

fn event<'a>(action: &'static str, import: &'a Import) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(import.id.0),
        object_label: &import.file_name,
        before: None,
        after: None,
    }
}

async fn on_table<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _reader = READERS.acquire().await.internal()?;
    tokio::task::spawn_blocking(work).await.internal()?
}

/// Takes a file in and guesses which column is which. Nothing is brought in yet.
pub async fn upload(db: &Db, by: &By, file_name: &str, content: Vec<u8>) -> Result<Import> {
    let name = plain_name(file_name);
    let shown = name.clone();
    let table = on_table(move || sheets::read(&shown, &content)).await?;
    let mapping = Mapping::guess(&table.header);
    keep(db, by, name, table, mapping).await
}

/// Takes a pasted list in: one contact a line, with a number or an e-mail address and, if there is one, a name.
pub async fn paste(db: &Db, by: &By, text: &str) -> Result<Import> {
    if text.chars().count() > PASTE_MAX {
        let detail = say!("At most {} characters at once. Upload a file instead.", PASTE_MAX);
        return Err(Error::invalid("text", "too_long", detail));
    }
    let text = text.to_owned();
    let (table, mapping) = on_table(move || Ok(paste::read(&text))).await?;
    keep(db, by, "Pasted list".to_owned(), table, mapping).await
}

async fn keep(db: &Db, by: &By, file_name: String, table: Table, mapping: Mapping) -> Result<Import> {
    if table.rows.is_empty() {
        return Err(Error::invalid("file", "empty", "There are no rows in it."));
    }
    let rows: Vec<Line> = table.rows.into_iter().map(|row| Line(row.line, row.cells)).collect();
    let import = Import {
        id: ContactImportId::new(),
        file_name,
        header: table.header,
        mapping,
        group: None,
        state: State::Preview,
        counts: Counts { total: i32::try_from(rows.len()).internal()?, ..Counts::default() },
        errors: Vec::new(),
        staff_label: by.actor.label.clone(),
        created_at: Utc::now(),
        finished_at: None,
    };
    let rows = on_table(move || serde_json::to_value(rows).internal()).await?;
    db.in_tenant_for(&by.tenant, run::BATCH_TIMEOUT, async |tx| {
        store::forget_old(tx).await?;
        store::insert(tx, &import, &rows).await?;
        let told = Event {
            after: Some(json!({ "rows": import.counts.total })),
            ..event("contact_import.uploaded", &import)
        };
        by.record(tx, told).await
    })
    .await?;
    Ok(import)
}

/// A file's name without its folders and without anything that does not show.
fn plain_name(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(FILE_NAME_MAX).collect();
    if name.trim().is_empty() { "contacts".into() } else { name.trim().to_owned() }
}

pub async fn get(tx: &TenantTx, id: ContactImportId) -> Result<Import> {
    store::find(tx, id).await?.ok_or(Error::not_found("import"))
}

/// One page, the newest first, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    before: Option<ContactImportId>,
    limit: Limit,
) -> Result<(Vec<Import>, bool)> {
    let mut items = store::list(tx, before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// The first rows as they would come out.
pub async fn look(tx: &TenantTx, by: &By, import: &Import) -> Result<Vec<Told>> {
    let rows = store::first_rows(tx, import.id, PREVIEW_ROWS).await?;
    preview(tx, &rows, &import.mapping, &country_of(&by.tenant)?).await
}

/// Starts an import: 409 `import_started` when somebody did before.
pub async fn start(
    tx: &TenantTx,
    by: &By,
    id: ContactImportId,
    mapping: Option<Mapping>,
    group: Option<GroupId>,
) -> Result<Import> {
    let mut import = store::lock(tx, id).await?.ok_or(Error::not_found("import"))?;
    if import.state != State::Preview {
        return Err(Error::conflict("import_started", "This import was started already."));
    }
    import.mapping = mapping.unwrap_or(import.mapping);
    import.mapping.check(import.header.len())?;
    if let Some(group) = group {
        groups::check(tx, &[group], "group_id").await?;
    }
    import.group = group;
    import.state = State::Running;
    store::update(tx, &import).await?;
    jobs::enqueue(tx, JOB, id.0, Utc::now()).await?;
    let told = Event {
        after: Some(json!({ "mapping": import.mapping, "group_id": group })),
        ..event("contact_import.started", &import)
    };
    by.record(tx, told).await?;
    Ok(import)
}

/// Chooses other columns for an import that was not started.
pub async fn map(tx: &TenantTx, id: ContactImportId, mapping: Mapping) -> Result<Import> {
    let mut import = store::lock(tx, id).await?.ok_or(Error::not_found("import"))?;
    if import.state != State::Preview {
        return Err(Error::conflict("import_started", "This import was started already."));
    }
    mapping.check(import.header.len())?;
    import.mapping = mapping;
    store::update(tx, &import).await?;
    Ok(import)
}

/// Stops an import. What was brought in stays.
pub async fn cancel(tx: &TenantTx, by: &By, id: ContactImportId) -> Result<Import> {
    let mut import = store::lock(tx, id).await?.ok_or(Error::not_found("import"))?;
    if !matches!(import.state, State::Preview | State::Running) {
        return Err(Error::conflict("import_ended", "This import has ended already."));
    }
    import.state = State::Cancelled;
    store::finish(tx, &import).await?;
    let told = Event {
        after: Some(json!({ "done": import.counts.done, "rows": import.counts.total })),
        ..event("contact_import.cancelled", &import)
    };
    by.record(tx, told).await?;
    get(tx, id).await
}
