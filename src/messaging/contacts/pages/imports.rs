//! Contacts from a file or a pasted list: upload, look, start, watch.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use super::may;
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    messaging::contacts::{
        EditContacts, groups,
        imports::{self, Fate, Import, Mapping, State, Told},
    },
    types::{ContactImportId, GroupId, Limit},
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView, Moment, file_body::FileBody},
    words::say,
};

const NEW: &str = "/contacts/import";
const PAST: Limit = Limit::of(10);
const LIMITS: &str =
    "CSV or Excel (.xlsx), at most 20 MiB and 50,000 rows, with the names of the columns in the first line.";
const ERRORS_SHOWN: usize = 20;

#[derive(Serialize)]
struct UploadPage {
    limits_text: &'static str,
    form: FormView,
    past: Vec<Past>,
}

#[derive(Serialize)]
struct Past {
    name: String,
    href: String,
    state: &'static str,
    rows: i32,
    created: Moment,
}

async fn upload_page(user: &PageUser, db: &Db, mend: Option<FormView>) -> Result<Response> {
    let (past, _more) = db.read_tenant(user.tenant(), async |tx| imports::list(tx, None, PAST).await).await?;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let zone = user.tenant().time_zone.0;
    let past = past
        .into_iter()
        .map(|one| Past {
            href: path_of(one.id),
            state: one.state.label(),
            rows: one.counts.total,
            created: Moment::at(one.created_at, zone),
            name: one.file_name,
        })
        .collect();
    let form = mend.unwrap_or_else(|| FormView::empty(NEW, &["file", "text"]));
    let view = UploadPage { limits_text: say(LIMITS), form, past };
    user.render_with(status, "contacts/import.html", say("Import contacts"), &view)
}

fn path_of(id: ContactImportId) -> String {
    format!("/contacts/imports/{id}")
}

#[handler]
pub async fn new(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    Ok(upload_page(&user, &db, None).await?)
}

#[handler]
pub async fn upload(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let text = form.get("text");
    let kept = if form.upload("file").is_none() && !text.trim().is_empty() {
        imports::paste(&db, &user.by, text).await
    } else {
        match <FileBody>::of(&form) {
            Ok(file) => imports::upload(&db, &user.by, &file.file_name, file.content).await,
            Err(error) => Err(error),
        }
    };
    match kept {
        Ok(import) => Ok(crate::web::see_other(path_of(import.id))),
        Err(error) => {
            let mend = FormView::empty(NEW, &["file", "text"]).typed(&form).failed(error)?;
            Ok(upload_page(&user, &db, Some(mend)).await?)
        }
    }
}

#[derive(Serialize)]
struct ImportPage {
    import: Shown,
    columns: Vec<Column>,
    targets: Vec<Choice>,
    rows: Vec<Preview>,
    groups: Vec<Choice>,
    form: FormView,
    can_edit: bool,
}

#[derive(Serialize)]
struct Shown {
    /// `preview`, `running`, `done`, `cancelled`.
    state: &'static str,
    state_label: &'static str,
    file_name: String,
    by: String,
    created: Moment,
    percent: i64,
    total: i32,
    done: i32,
    added: i32,
    changed: i32,
    unchanged: i32,
    conflicts: i32,
    failed: i32,
    errors: Vec<ShownError>,
    more_errors: bool,
    status_href: String,
    cancel_action: String,
    can_edit: bool,
}

#[derive(Serialize)]
struct ShownError {
    row: u32,
    text: String,
}

#[derive(Serialize)]
struct Column {
    index: usize,
    header: String,
    chosen: String,
    /// A word of the tenant's own, chosen already, which the list of choices does not have.
    own: Option<String>,
}

#[derive(Serialize)]
struct Preview {
    row: u32,
    fate: &'static str,
    tone: &'static str,
    name: String,
    addresses: String,
    detail: String,
}

impl From<Told> for Preview {
    fn from(told: Told) -> Self {
        Self {
            row: told.row,
            fate: told.fate.label(),
            tone: match told.fate {
                Fate::New => "success",
                Fate::Changed => "info",
                Fate::Same => "",
                Fate::Conflict => "warning",
                Fate::Wrong => "error",
            },
            name: told.name,
            addresses: told.addresses.join(", "),
            detail: told.detail,
        }
    }
}

fn shown(import: &Import, user: &PageUser) -> Shown {
    let counts = import.counts;
    Shown {
        state: import.state.as_str(),
        state_label: import.state.label(),
        file_name: import.file_name.clone(),
        by: import.staff_label.clone(),
        created: Moment::at(import.created_at, user.tenant().time_zone.0),
        percent: import.percent(),
        total: counts.total,
        done: counts.done,
        added: counts.created,
        changed: counts.updated,
        unchanged: counts.unchanged,
        conflicts: counts.conflicts,
        failed: counts.failed,
        errors: import
            .errors
            .iter()
            .take(ERRORS_SHOWN)
            .map(|wrong| ShownError { row: wrong.row, text: format!("{}: {}", wrong.field, wrong.detail) })
            .collect(),
        more_errors: import.errors.len() > ERRORS_SHOWN,
        status_href: format!("{}/status", path_of(import.id)),
        cancel_action: format!("{}/cancel", path_of(import.id)),
        can_edit: may::<EditContacts>(user),
    }
}

fn columns(import: &Import) -> Vec<Column> {
    let known = imports::targets();
    import
        .header
        .iter()
        .zip(import.mapping.as_texts())
        .enumerate()
        .map(|(index, (header, chosen))| {
            let is_known = chosen.is_empty() || known.iter().any(|(value, _)| *value == chosen);
            let header = if header.is_empty() { say!("Column {}", index + 1) } else { header.clone() };
            Column { index, header, own: (!is_known).then(|| chosen.clone()), chosen }
        })
        .collect()
}

async fn page_of(user: &PageUser, db: &Db, id: ContactImportId, mend: Option<FormView>) -> Result<Response> {
    let (import, rows, groups) = db
        .read_tenant(user.tenant(), async |tx| {
            let import = imports::get(tx, id).await?;
            let rows = match import.state {
                State::Preview => imports::look(tx, &user.by, &import).await?,
                _ => Vec::new(),
            };
            Ok((import, rows, groups::choices(tx).await?))
        })
        .await?;
    let status = if mend.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let title = say!("Import of {}", import.file_name);
    let view = ImportPage {
        columns: columns(&import),
        targets: imports::targets().into_iter().map(|(value, label)| Choice::new(value, label)).collect(),
        rows: rows.into_iter().map(Preview::from).collect(),
        groups: groups.into_iter().map(|one| Choice::new(one.id, one.name)).collect(),
        form: mend.unwrap_or_else(|| FormView::empty(path_of(id), &["group_id"])),
        can_edit: may::<EditContacts>(user),
        import: shown(&import, user),
    };
    user.render_with(status, "contacts/import_one.html", &title, &view)
}

#[handler]
pub async fn show(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "import")?, None).await?)
}

#[derive(Serialize)]
struct StatusPart {
    import: Shown,
}

/// The part that changes while an import runs.
#[handler]
pub async fn show_status(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id = id_of(&id, "import")?;
    let import = db.read_tenant(user.tenant(), async |tx| imports::get(tx, id).await).await?;
    let view = StatusPart { import: shown(&import, &user) };
    Ok(user.render("contacts/_import_status.html", say("Import"), &view)?)
}

/// The columns that a form chooses, in the order of the file.
fn mapping_of(form: &Form, columns: usize) -> Result<Mapping> {
    let texts: Vec<String> =
        (0..columns).map(|index| form.get(&format!("column_{index}")).to_owned()).collect();
    Mapping::parse(&texts)
}

#[handler]
pub async fn start(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: ContactImportId = id_of(&id, "import")?;
    let import = db.read_tenant(user.tenant(), async |tx| imports::get(tx, id).await).await?;
    let done = async {
        let mapping = mapping_of(&form, import.header.len())?;
        let group = match form.get("group_id") {
            "" => None,
            text => Some(
                text.parse::<GroupId>()
                    .map_err(|_odd| Error::invalid("group_id", "unknown", "There is no such group."))?,
            ),
        };
        db.in_tenant(user.tenant(), async |tx| match form.get("step") {
            "preview" => imports::map(tx, id, mapping.clone()).await,
            _ => imports::start(tx, &user.by, id, Some(mapping.clone()), group).await,
        })
        .await
    }
    .await;
    match done {
        Ok(_import) => Ok(crate::web::see_other(path_of(id))),
        Err(error) => {
            let mend = FormView::empty(path_of(id), &["group_id"]).typed(&form).failed(error)?;
            Ok(page_of(&user, &db, id, Some(mend)).await?)
        }
    }
}

#[handler]
pub async fn cancel(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ContactImportId = id_of(&id, "import")?;
    let stopped = db.in_tenant(user.tenant(), async |tx| imports::cancel(tx, &user.by, id).await).await;
    let flash = match stopped {
        Ok(_import) => Flash::success("The import was stopped. What was brought in stays."),
        Err(error @ Error::Conflict { .. }) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&path_of(id), &flash))
}
