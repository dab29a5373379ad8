//! Pages of imports: upload, match the columns, watch, and the list of all.

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    api::{failed_file, template_file},
    mapping::{Field, Group, Mapping},
    model::{Choices, Import, MatchBy, OnMatch, State, sentences},
    preview::preview,
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser, Shell},
    db::Db,
    error::{Error, Result},
    isp::customers::{ImportCustomers, Status},
    types::{Check, Cursor, ImportId, Limit, Wrong},
    web::file_body::{FileBody, UPLOAD_MAX_BYTES},
    web::{Download, Flash, Form, FormView, Moment, RouteTable, see_other},
    words::say,
};

const PER_PAGE: Limit = Limit::DEFAULT;
/// Failed rows shown beside the progress; the file has them all.
const ERRORS_SHOWN: Limit = Limit::of(20);
/// Texts of a column shown beside its name.
const SAMPLES: usize = 3;
const SAMPLE_CHARS: usize = 60;
const LIMITS: &str =
    "Up to 20 MiB and 50,000 rows. Commas, semicolons or tabs; UTF-8 or Latin-1; or an Excel workbook.";

/// Registers the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<ImportCustomers>(Method::GET, "/customers/import", show_upload)
        .upload::<ImportCustomers>("/customers/import", UPLOAD_MAX_BYTES, take_upload)
        .page::<ImportCustomers>(Method::GET, "/customers/import/template.csv", template_csv)
        .page::<ImportCustomers>(Method::GET, "/customers/import/template.xlsx", template_xlsx)
        .page::<ImportCustomers>(Method::GET, "/customers/imports", show_list)
        .page::<ImportCustomers>(Method::GET, "/customers/imports/:id", show_import)
        .page::<ImportCustomers>(Method::GET, "/customers/imports/:id/mapping", show_mapping)
        .page::<ImportCustomers>(Method::POST, "/customers/imports/:id/mapping", take_mapping)
        .page::<ImportCustomers>(Method::POST, "/customers/imports/:id/run", run_for_real)
        .page::<ImportCustomers>(Method::GET, "/customers/imports/:id/status", show_status)
        .page::<ImportCustomers>(Method::POST, "/customers/imports/:id/cancel", cancel)
        .page::<ImportCustomers>(Method::GET, "/customers/imports/:id/errors.csv", errors_csv);
}

/// What is not an id names no import.
fn id_of(text: &str) -> Result<ImportId> {
    text.parse().map_err(|_not_an_id| Error::not_found("import"))
}

fn path_of(id: ImportId) -> String {
    format!("/customers/imports/{id}")
}

/// 1,234,567
fn grouped(n: i64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[derive(Serialize)]
struct UploadPage {
    import_step: &'static str,
    limits_text: &'static str,
    template_csv_href: &'static str,
    template_xlsx_href: &'static str,
    form: FormView,
}

impl UploadPage {
    fn new() -> Self {
        Self {
            import_step: "upload",
            limits_text: say(LIMITS),
            template_csv_href: "/customers/import/template.csv",
            template_xlsx_href: "/customers/import/template.xlsx",
            form: FormView::empty("/customers/import", &["file"]),
        }
    }
}

const UPLOAD: (&str, &str) = ("customers/import_upload.html", "Import customers");

#[handler]
async fn show_upload(user: PageUser) -> poem::Result<Response> {
    Ok(user.render(UPLOAD.0, say(UPLOAD.1), &UploadPage::new())?)
}

#[handler]
async fn take_upload(user: PageUser, form: CheckedForm, db: Data<&Db>) -> poem::Result<Response> {
    let uploaded = match <FileBody>::of(&form) {
        Ok(file) => rules::upload(&db, &user.by, &file.file_name, file.content).await,
        Err(error) => Err(error),
    };
    match uploaded {
        Ok(import) => Ok(see_other(path_of(import.id))),
        Err(error) => {
            let mut page = UploadPage::new();
            page.form = page.form.failed(error)?;
            Ok(user.render_with(StatusCode::UNPROCESSABLE_ENTITY, UPLOAD.0, say(UPLOAD.1), &page)?)
        }
    }
}

#[handler]
async fn template_csv(user: PageUser, db: Data<&Db>) -> poem::Result<Download> {
    Ok(template_file(&db, user.tenant(), false).await?)
}

#[handler]
async fn template_xlsx(user: PageUser, db: Data<&Db>) -> poem::Result<Download> {
    Ok(template_file(&db, user.tenant(), true).await?)
}

#[handler]
async fn errors_csv(user: PageUser, id: Path<String>, db: Data<&Db>) -> poem::Result<Download> {
    Ok(failed_file(&db, user.tenant(), id_of(&id)?).await?)
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: String,
}

fn choice(value: &'static str, label: impl Into<String>) -> Choice {
    Choice { value, label: label.into() }
}

/// Fields about one thing.
#[derive(Serialize)]
struct Targets {
    label: &'static str,
    choices: Vec<Choice>,
}

#[derive(Serialize)]
struct FileShown {
    name: String,
    rows: String,
    encoding: String,
    delimiter: Option<String>,
}

#[derive(Serialize)]
struct ColumnShown {
    index: usize,
    header: String,
    samples: Vec<String>,
    chosen: &'static str,
}

#[derive(Serialize)]
struct PreviewShown {
    headers: Vec<String>,
    rows: Vec<PreviewLine>,
}

#[derive(Serialize)]
struct PreviewLine {
    number: u32,
    cells: Vec<String>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct MappingPage {
    import_step: &'static str,
    area_word_lower: String,
    file: FileShown,
    targets: Vec<Targets>,
    matches: Vec<Choice>,
    on_matches: Vec<Choice>,
    statuses: Vec<Choice>,
    columns: Vec<ColumnShown>,
    preview: PreviewShown,
    form: FormView,
}

impl MappingPage {
    async fn new(db: &Db, user: &PageUser, import: &Import, choices: &Choices) -> Result<Self> {
        let area_word = &user.shell.brand.area_word;
        let label = |field: Field| match field {
            Field::Area => area_word.clone(),
            other => other.label().to_owned(),
        };
        let mapped: Vec<(usize, Field)> = (0..import.header.len())
            .filter_map(|column| Some((column, choices.mapping.field(column)?)))
            .collect();
        let rows = preview(db, &user.by, import, choices).await?.into_iter().map(|row| PreviewLine {
            number: row.line,
            cells: mapped
                .iter()
                .map(|(column, _)| row.cells.get(*column).cloned().unwrap_or_default())
                .collect(),
            problem: (!row.problems.is_empty()).then(|| sentences(&row.problems)),
        });
        let preview = PreviewShown {
            headers: mapped.iter().map(|(_, field)| label(*field)).collect(),
            rows: rows.collect(),
        };
        Ok(Self {
            import_step: "mapping",
            area_word_lower: area_word.to_lowercase(),
            file: FileShown {
                name: import.file_name.clone(),
                rows: grouped(import.counts.total.into()),
                encoding: import.encoding.clone(),
                delimiter: import.delimiter.clone(),
            },
            targets: Group::ALL
                .into_iter()
                .map(|group| Targets {
                    label: group.label(),
                    choices: Field::ALL
                        .into_iter()
                        .filter(|field| field.group() == group)
                        .map(|field| choice(field.as_str(), label(field)))
                        .collect(),
                })
                .collect(),
            matches: MatchBy::ALL.iter().map(|by| choice(by.as_str(), by.label())).collect(),
            on_matches: OnMatch::ALL.iter().map(|on| choice(on.as_str(), on.label())).collect(),
            statuses: Status::ALL.iter().map(|status| choice(status.as_str(), status.label())).collect(),
            columns: columns_of(import, choices),
            preview,
            form: FormView::empty(format!("{}/mapping", path_of(import.id)), &[])
                .with("match_by", choices.match_by.as_str())
                .with("on_match", choices.on_match.as_str())
                .with("default_status", choices.default_status.as_str())
                .with("create_areas", if choices.creates_areas { "true" } else { "" }),
        })
    }

    fn render(&self, user: &PageUser, status: StatusCode) -> Result<Response> {
        user.render_with(status, "customers/import_mapping.html", say("Match the columns"), self)
    }
}

fn columns_of(import: &Import, choices: &Choices) -> Vec<ColumnShown> {
    (0..import.header.len())
        .map(|column| ColumnShown {
            index: column,
            header: import.column_name(column),
            samples: import
                .sample
                .iter()
                .filter_map(|row| row.cells.get(column))
                .filter(|cell| !cell.is_empty())
                .take(SAMPLES)
                .map(|cell| cell.chars().take(SAMPLE_CHARS).collect())
                .collect(),
            chosen: choices.mapping.field(column).map_or("", Field::as_str),
        })
        .collect()
}

#[handler]
async fn show_mapping(user: PageUser, id: Path<String>, db: Data<&Db>) -> poem::Result<Response> {
    let import = rules::get(&db, user.tenant(), id_of(&id)?).await?;
    if !import.is_startable() {
        return Ok(see_other(path_of(import.id)));
    }
    let page = MappingPage::new(&db, &user, &import, &import.choices).await?;
    Ok(page.render(&user, StatusCode::OK)?)
}

/// The choices of a form; those that cannot be read stay as they were, beside the reason why.
fn choices_of(form: &Form, import: &Import) -> (Choices, Result<()>) {
    let texts: Vec<&str> = (0..import.header.len()).map(|column| column_text(form, column)).collect();
    let strict = Mapping::from_choices(&texts);
    let loose = || {
        let fields = texts.iter().enumerate();
        // Of two columns for one field the first counts.
        let pairs: Vec<(Field, usize)> =
            fields.filter_map(|(column, text)| Some((Field::parse(text)?, column))).collect();
        pairs.into_iter().rev().collect()
    };
    let mut check = Check::new();
    let unknown = |_: &str| Wrong::new("not_a_choice", "Choose one of the list.");
    let was = &import.choices;
    let pick = |name| form.get(name);
    let match_by = check.field("match_by", MatchBy::parse(pick("match_by")).ok_or_else(|| unknown("")));
    let on_match = check.field("on_match", OnMatch::parse(pick("on_match")).ok_or_else(|| unknown("")));
    let status = check.field("default_status", Status::parse(pick("default_status")));
    let (mapping, mut wrongs) = match strict {
        Ok(mapping) => (mapping, Vec::new()),
        Err(Error::Invalid(wrongs)) => (loose(), wrongs),
        Err(_) => (loose(), Vec::new()),
    };
    if let Err(Error::Invalid(found)) = check.finish(Some(())) {
        wrongs.extend(found);
    }
    let choices = Choices {
        mapping,
        match_by: match_by.unwrap_or(was.match_by),
        on_match: on_match.unwrap_or(was.on_match),
        default_status: status.unwrap_or(was.default_status),
        creates_areas: form.get("create_areas") == "true",
    };
    (choices, if wrongs.is_empty() { Ok(()) } else { Err(Error::Invalid(wrongs)) })
}

fn column_text(form: &Form, column: usize) -> &str {
    form.get(&format!("column_{column}"))
}

#[handler]
async fn take_mapping(
    user: PageUser,
    form: CheckedForm,
    id: Path<String>,
    db: Data<&Db>,
) -> poem::Result<Response> {
    let import = rules::get(&db, user.tenant(), id_of(&id)?).await?;
    let (choices, read) = choices_of(&form, &import);
    let is_preview = form.get("step") == "preview";
    let started = match read {
        Err(error) => Err(error),
        Ok(()) if is_preview => Ok(None),
        Ok(()) => {
            let is_dry_run = form.get("step") == "dry_run";
            rules::start(&db, &user.by, import.id, &choices, is_dry_run).await.map(Some)
        }
    };
    match started {
        Ok(Some(import)) => Ok(see_other(path_of(import.id))),
        Ok(None) => {
            let page = MappingPage::new(&db, &user, &import, &choices).await?;
            Ok(page.render(&user, StatusCode::OK)?)
        }
        Err(Error::Conflict { detail, .. }) => Ok(user.then(&path_of(import.id), &Flash::error(detail))),
        Err(error) => {
            let mut page = MappingPage::new(&db, &user, &import, &choices).await?;
            page.form = page.form.failed(error)?;
            Ok(page.render(&user, StatusCode::UNPROCESSABLE_ENTITY)?)
        }
    }
}

#[handler]
async fn run_for_real(user: PageUser, id: Path<String>, db: Data<&Db>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match rules::start_for_real(&db, &user.by, id).await {
        Ok(_) => Ok(see_other(path_of(id))),
        Err(Error::Conflict { detail, .. }) => Ok(user.then(&path_of(id), &Flash::error(detail))),
        Err(error) => Err(error.into()),
    }
}

#[handler]
async fn cancel(user: PageUser, id: Path<String>, db: Data<&Db>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match rules::cancel(&db, &user.by, id).await {
        Ok(_) => Ok(user.then(&path_of(id), &Flash::success("Import stopped."))),
        Err(Error::Conflict { detail, .. }) => Ok(user.then(&path_of(id), &Flash::error(detail))),
        Err(error) => Err(error.into()),
    }
}

#[derive(Serialize)]
struct StatusShown {
    state: &'static str,
    dry_run: bool,
    file_name: String,
    percent: u32,
    done: String,
    total: String,
    created: String,
    updated: String,
    skipped: String,
    failed: String,
    /// Installations and periods; none where the file says nothing of them.
    connected: Option<String>,
    brought: Option<String>,
    started: Option<Moment>,
    finished: Option<Moment>,
    by: String,
    poll_href: String,
    cancel_action: String,
    run_action: String,
    mapping_href: String,
    error_file_href: Option<String>,
    list_href: &'static str,
    problem: Option<String>,
    errors: Vec<ErrorShown>,
}

#[derive(Serialize)]
struct ErrorShown {
    row: String,
    text: String,
}

/// The templates' words for where an import stands.
fn state_shown(state: State) -> &'static str {
    match state {
        State::Mapping | State::Queued => "waiting",
        State::Running => "running",
        State::Finished => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

fn error_file(import: &Import) -> Option<String> {
    (!import.is_busy() && import.counts.failed > 0 && import.file.is_some())
        .then(|| format!("{}/errors.csv", path_of(import.id)))
}

impl StatusShown {
    async fn new(db: &Db, user: &PageUser, import: Import) -> Result<Self> {
        let (failed, _) = rules::list_failed(db, user.tenant(), import.id, -1, ERRORS_SHOWN).await?;
        let zone = user.tenant().time_zone.0;
        let (path, counts) = (path_of(import.id), import.counts);
        let shown = |n: i32| grouped(n.into());
        let brings = |one, other| {
            let mut groups = import.choices.mapping.pairs().map(|(field, _)| field.group());
            groups.any(|group| group == one || group == other)
        };
        Ok(Self {
            state: state_shown(import.state),
            dry_run: import.is_dry_run,
            percent: counts.percent(),
            done: shown(counts.done),
            total: shown(counts.total),
            created: shown(counts.created),
            updated: shown(counts.updated),
            skipped: shown(counts.unchanged),
            failed: shown(counts.failed),
            connected: brings(Group::Installation, Group::Paid).then(|| shown(counts.connected)),
            brought: brings(Group::Paid, Group::Paid).then(|| shown(counts.brought)),
            started: import.started_at.map(|at| Moment::at(at, zone)),
            finished: import.finished_at.map(|at| Moment::at(at, zone)),
            poll_href: format!("{path}/status"),
            cancel_action: format!("{path}/cancel"),
            run_action: format!("{path}/run"),
            mapping_href: format!("{path}/mapping"),
            error_file_href: error_file(&import),
            list_href: "/customers",
            file_name: import.file_name,
            by: import.created_by_label,
            problem: import.failure,
            errors: failed
                .iter()
                .map(|row| ErrorShown { row: row.line.to_string(), text: sentences(&row.errors) })
                .collect(),
        })
    }
}

#[derive(Serialize)]
struct ProgressPage {
    import_step: &'static str,
    import: StatusShown,
}

/// The columns to be matched, or how far it came.
#[handler]
async fn show_import(user: PageUser, id: Path<String>, db: Data<&Db>) -> poem::Result<Response> {
    let import = rules::get(&db, user.tenant(), id_of(&id)?).await?;
    if import.state == State::Mapping {
        let page = MappingPage::new(&db, &user, &import, &import.choices).await?;
        return Ok(page.render(&user, StatusCode::OK)?);
    }
    let page = ProgressPage { import_step: "run", import: StatusShown::new(&db, &user, import).await? };
    Ok(user.render("customers/import_progress.html", say("Import"), &page)?)
}

#[derive(Serialize)]
struct StatusPart<'a> {
    shell: &'a Shell,
    import: StatusShown,
}

/// The part of the page that asks for itself again; without htmx, the page.
#[handler]
async fn show_status(
    user: PageUser,
    request: &Request,
    id: Path<String>,
    db: Data<&Db>,
) -> poem::Result<Response> {
    let import = rules::get(&db, user.tenant(), id_of(&id)?).await?;
    if request.header("hx-request").is_none() || import.state == State::Mapping {
        return Ok(see_other(path_of(import.id)));
    }
    let part = StatusPart { shell: &user.shell, import: StatusShown::new(&db, &user, import).await? };
    Ok(user.access.pages().page("customers/_import_status.html", &part)?)
}

#[derive(Serialize)]
struct ImportLine {
    href: String,
    file_name: String,
    dry_run: bool,
    state: &'static str,
    by: String,
    started: Moment,
    total: String,
    created: String,
    updated: String,
    failed: String,
    error_file_href: Option<String>,
}

#[derive(Serialize)]
struct Pager {
    prev_href: Option<String>,
    next_href: Option<String>,
    shown: String,
    total: Option<String>,
}

#[derive(Serialize)]
struct ListPage {
    imports: Vec<ImportLine>,
    pager: Pager,
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
}

#[handler]
async fn show_list(user: PageUser, query: Query<ListQuery>, db: Data<&Db>) -> poem::Result<Response> {
    let after = query.cursor.as_deref().map(Cursor::<Uuid>::decode).transpose()?.map(|cursor| cursor.0);
    let found = rules::list(&db, user.tenant(), after, PER_PAGE, true).await?;
    let before = match found.imports.first() {
        Some(first) => rules::before(&db, user.tenant(), first.id.0, PER_PAGE).await?,
        None => rules::Before::default(),
    };
    let href = |id: Uuid| Ok::<_, Error>(format!("/customers/imports?cursor={}", Cursor(id).encode()?));
    let prev_href = match (before.count, before.cursor) {
        (0, _) => None,
        (_, None) => Some("/customers/imports".to_owned()),
        (_, Some(id)) => Some(href(id)?),
    };
    let last = before.count + i64::try_from(found.imports.len()).unwrap_or_default();
    let pager = Pager {
        prev_href,
        next_href: found.next.map(href).transpose()?,
        shown: match found.imports.len() {
            0 => "0".into(),
            _ => format!("{}–{}", grouped(before.count + 1), grouped(last)),
        },
        total: found.total.filter(|total| *total > 0).map(grouped),
    };
    let zone = user.tenant().time_zone.0;
    let line = |import: Import| ImportLine {
        href: path_of(import.id),
        error_file_href: error_file(&import),
        dry_run: import.is_dry_run,
        state: state_shown(import.state),
        by: import.created_by_label,
        started: Moment::at(import.started_at.unwrap_or(import.created_at), zone),
        total: grouped(import.counts.total.into()),
        created: grouped(import.counts.created.into()),
        updated: grouped(import.counts.updated.into()),
        failed: grouped(import.counts.failed.into()),
        file_name: import.file_name,
    };
    let page = ListPage { imports: found.imports.into_iter().map(line).collect(), pager };
    Ok(user.render("customers/import_list.html", say("Imports"), &page)?)
}
