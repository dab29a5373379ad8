//! Pages of routers.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    DeleteRouters, EditRouters, ViewRouters, import,
    model::{BRANDS, FIELDS, Move, NOTE_MAX, Router, RouterDraft, RouterFilter, State, next_states},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser, Right},
    db::Db,
    error::{Error, Result},
    sheets::Bom,
    types::{Cursor, Limit, RouterId, optional_line},
    web::file_body::{FileBody, UPLOAD_MAX_BYTES},
    web::parts::{Choice, Pager, Tab, address, grouped, id_of, shown, time_mark},
    web::sheet::Format,
    web::typed::Typed,
    web::{Download, Flash, FormView, Moment, RouteTable},
    words::{now_in_english, say},
};

const PATH: &str = "/routers";
const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;

/// Every page of routers.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewRouters>(Method::GET, PATH, list_routers);
    table.page::<EditRouters>(Method::GET, "/routers/new", new_router);
    table.page::<EditRouters>(Method::POST, PATH, add_router);
    table.page::<ViewRouters>(Method::GET, "/routers/export", export_routers);
    table.page::<EditRouters>(Method::GET, "/routers/import", show_import);
    table.upload::<EditRouters>("/routers/import", UPLOAD_MAX_BYTES, take_import);
    table.page::<EditRouters>(Method::GET, "/routers/import/template.csv", template);
    table.page::<ViewRouters>(Method::GET, "/routers/:id", show_router);
    table.page::<EditRouters>(Method::GET, "/routers/:id/edit", edit_router);
    table.page::<EditRouters>(Method::POST, "/routers/:id", change_router);
    table.page::<EditRouters>(Method::POST, "/routers/:id/state", set_state);
    table.page::<DeleteRouters>(Method::POST, "/routers/:id/delete", delete_router);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    state: String,
    cursor: String,
    from: i64,
    format: String,
}

impl Asked {
    fn words(&self) -> String {
        self.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect::<String>().trim().to_owned()
    }

    fn state(&self) -> Option<State> {
        State::parse(&self.state).ok()
    }

    fn filter(&self) -> RouterFilter {
        RouterFilter::parse(&self.words(), self.state())
    }

    fn href(&self, path: &str, state: Option<State>, more: &[(&str, &str)]) -> String {
        let q = self.words();
        let own = [("q", q.as_str()), ("state", state.map_or("", State::as_str))];
        let pairs = own.into_iter().chain(more.iter().copied());
        address(path, pairs.filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    state: &'static str,
    tabs: Vec<Tab>,
    routers: Vec<Row>,
    pager: Pager,
    filtered: bool,
    csv_href: String,
    xlsx_href: String,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    href: String,
    brand: String,
    model: String,
    serial_number: String,
    mac_address: String,
    state: &'static str,
    state_label: &'static str,
    holder: Option<Link>,
    created: Moment,
}

#[derive(Serialize)]
struct Link {
    name: String,
    href: String,
}

fn holder_link(router: &Router) -> Option<Link> {
    let holder = router.holder.as_ref()?;
    Some(Link { name: holder.name.clone(), href: format!("/installations/{}", holder.installation) })
}

fn row_of(router: Router, zone: chrono_tz::Tz) -> Row {
    Row {
        href: format!("{PATH}/{}", router.id),
        holder: holder_link(&router),
        brand: router.draft.brand,
        model: router.draft.model.unwrap_or_default(),
        serial_number: router.draft.serial_number,
        mac_address: router.draft.mac_address.to_string(),
        state: router.state.as_str(),
        state_label: router.state.label(),
        created: Moment::day(router.created_at, zone),
    }
}

#[handler]
async fn list_routers(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let filter = asked.filter();
    let after = match asked.cursor.as_str() {
        "" => None,
        text => Some(time_mark(text)?),
    };
    let ((found, more), counts) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::list(tx, &filter, after, PAGE), rules::count(tx, &filter))
        })
        .await?;
    let state = asked.state();
    let of = |state: Option<State>| -> i64 {
        counts.iter().filter(|(at, _)| state.is_none_or(|state| state == *at)).map(|(_, n)| n).sum()
    };
    let first = if after.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Cursor((last.created_at, last.id.0)).encode()?;
            let from = (first + PAGE.get()).to_string();
            Some(asked.href(PATH, state, &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let tab = |label, of_state: Option<State>| Tab {
        label,
        count: Some(grouped(of(of_state))),
        href: asked.href(PATH, of_state, &[]),
        active: of_state == state,
    };
    let view = ListPage {
        tabs: std::iter::once(tab(say("All"), None))
            .chain(State::ALL.iter().map(|state| tab(state.label(), Some(*state))))
            .collect(),
        pager: Pager {
            prev_href: after.is_some().then(|| asked.href(PATH, state, &[])),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(of(state))),
        },
        routers: found.into_iter().map(|router| row_of(router, user.tenant().time_zone.0)).collect(),
        filtered: !asked.words().is_empty() || state.is_some(),
        csv_href: asked.href("/routers/export", state, &[("format", "csv")]),
        xlsx_href: asked.href("/routers/export", state, &[("format", "xlsx")]),
        can_edit: may::<EditRouters>(&user),
        q: asked.words(),
        state: state.map_or("", State::as_str),
    };
    Ok(user.render("routers/list.html", say("Routers"), &view)?)
}

#[handler]
async fn export_routers(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    now_in_english();
    let format = Format::of_page(&asked.format);
    Ok(import::export(&db, &user.by, &asked.filter(), format, Bom::With).await?.into_response())
}

#[derive(Serialize)]
struct FormPage {
    router: Option<Link>,
    brands: [&'static str; 10],
    form: FormView,
}

fn form_page(user: &PageUser, status: StatusCode, form: FormView, router: Option<Link>) -> Result<Response> {
    let title = match &router {
        Some(router) => say!("Edit {}", router.name),
        None => say("New router").to_owned(),
    };
    let view = FormPage { router, brands: BRANDS, form };
    user.render_with(status, "routers/form.html", &title, &view)
}

#[handler]
fn new_router(user: PageUser) -> poem::Result<Response> {
    Ok(form_page(&user, StatusCode::OK, FormView::empty(PATH, &FIELDS), None)?)
}

#[handler]
async fn add_router(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = match RouterDraft::parse(&Typed::of_form(&form, &FIELDS)) {
        Ok(draft) => db.in_tenant(user.tenant(), async |tx| rules::create(tx, &user.by, &draft).await).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(router) => {
            let flash = Flash::success(say!("{} is in stock.", router.draft.label()));
            Ok(user.then(&format!("{PATH}/{}", router.id), &flash))
        }
        Err(error) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            Ok(form_page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown, None)?)
        }
    }
}

fn link_of(router: &Router) -> Link {
    Link { name: router.draft.label(), href: format!("{PATH}/{}", router.id) }
}

#[handler]
async fn edit_router(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id = id_of(&id, "router")?;
    let router = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
    let form = router.draft.typed().into_form(format!("{PATH}/{id}"));
    Ok(form_page(&user, StatusCode::OK, form, Some(link_of(&router)))?)
}

#[handler]
async fn change_router(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: RouterId = id_of(&id, "router")?;
    let href = format!("{PATH}/{id}");
    let typed = Typed::of_form(&form, &FIELDS);
    let changed = db
        .in_tenant(user.tenant(), async |tx| rules::change(tx, &user.by, id, |_| typed.clone()).await)
        .await;
    match changed {
        Ok(router) => Ok(user.then(&href, &Flash::success(say!("{} was saved.", router.draft.label())))),
        Err(error) => {
            let shown = FormView::empty(&href, &FIELDS).typed(&form).failed(error)?;
            let router = db.read_tenant(user.tenant(), async |tx| rules::get(tx, id).await).await?;
            Ok(form_page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown, Some(link_of(&router)))?)
        }
    }
}

#[derive(Serialize)]
struct DetailPage {
    label: String,
    brand: String,
    model: String,
    serial_number: String,
    mac_address: String,
    notes: String,
    state: &'static str,
    state_label: &'static str,
    holder: Option<Link>,
    created: Moment,
    updated: Moment,
    next_states: Vec<Choice>,
    moves: Vec<Step>,
    edit_href: String,
    state_action: String,
    delete_action: String,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Step {
    text: String,
    holder: Option<Link>,
    note: String,
    actor: String,
    at: Moment,
}

fn step_of(step: Move, zone: chrono_tz::Tz) -> Step {
    let text = match (step.from, step.to) {
        (None, _) => say("Came into stock").to_owned(),
        (_, State::Assigned) => say("Went to").to_owned(),
        (Some(State::Assigned), State::Returned) => say("Came back from").to_owned(),
        (Some(State::Assigned), State::Faulty) => say("Came back faulty from").to_owned(),
        (_, State::InStock) => say("Back in stock").to_owned(),
        (_, to) => to.label().to_owned(),
    };
    Step {
        text,
        holder: step.holder.map(|holder| Link {
            href: format!("/installations/{}", holder.installation),
            name: holder.name,
        }),
        note: step.note.unwrap_or_default(),
        actor: step.moved_by,
        at: Moment::at(step.moved_at, zone),
    }
}

#[handler]
async fn show_router(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: RouterId = id_of(&id, "router")?;
    let (router, moves) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::get(tx, id), rules::moves(tx, id))
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let label = router.draft.label();
    let view = DetailPage {
        holder: holder_link(&router),
        label: label.clone(),
        state: router.state.as_str(),
        state_label: router.state.label(),
        created: Moment::at(router.created_at, zone),
        updated: Moment::at(router.updated_at, zone),
        next_states: next_states(router.state).map(|to| Choice::new(to.as_str(), to.label())).collect(),
        moves: moves.into_iter().map(|step| step_of(step, zone)).collect(),
        edit_href: format!("{PATH}/{id}/edit"),
        state_action: format!("{PATH}/{id}/state"),
        delete_action: format!("{PATH}/{id}/delete"),
        can_edit: may::<EditRouters>(&user),
        can_delete: may::<DeleteRouters>(&user),
        brand: router.draft.brand,
        model: router.draft.model.unwrap_or_default(),
        serial_number: router.draft.serial_number,
        mac_address: router.draft.mac_address.to_string(),
        notes: router.draft.notes.unwrap_or_default(),
    };
    Ok(user.render("routers/detail.html", &label, &view)?)
}

#[handler]
async fn set_state(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: RouterId = id_of(&id, "router")?;
    let moved = async {
        let state =
            State::parse(form.get("state")).map_err(|wrong| Error::Invalid(vec![wrong.at("state")]))?;
        let note = optional_line(form.get("note"), NOTE_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))?;
        db.in_tenant(user.tenant(), async |tx| {
            rules::set_state(tx, &user.by, id, state, note.as_deref()).await
        })
        .await
    }
    .await;
    let flash = match moved {
        Ok(router) => Flash::success(format!("{} is {} now.", router.draft.label(), router.state.word())),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

#[handler]
async fn delete_router(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: RouterId = id_of(&id, "router")?;
    match db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await {
        Ok(router) => Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", router.draft.label())))),
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Serialize)]
struct ImportPage {
    form: FormView,
    report: Option<Told>,
}

/// What became of a file.
#[derive(Serialize)]
struct Told {
    is_dry_run: bool,
    rows: usize,
    right: usize,
    wrong: usize,
    hidden: usize,
    errors: Vec<Wrong>,
}

#[derive(Serialize)]
struct Wrong {
    line: u32,
    text: String,
}

const IMPORT: (&str, &str) = ("routers/import.html", "Import routers");

fn import_form() -> FormView {
    FormView::empty("/routers/import", &["file"])
}

#[handler]
fn show_import(user: PageUser) -> poem::Result<Response> {
    Ok(user.render(IMPORT.0, say(IMPORT.1), &ImportPage { form: import_form(), report: None })?)
}

fn told(report: import::Report, is_dry_run: bool) -> Told {
    let sentence = |wrong: import::WrongRow| Wrong {
        line: wrong.line,
        text: wrong
            .errors
            .iter()
            .map(|error| format!("{}: {}", error.field.replace('_', " "), error.detail))
            .collect::<Vec<_>>()
            .join(" "),
    };
    Told {
        is_dry_run,
        rows: report.rows,
        right: report.right,
        wrong: report.wrong,
        hidden: report.wrong - report.errors.len(),
        errors: report.errors.into_iter().map(sentence).collect(),
    }
}

#[handler]
async fn take_import(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let is_dry_run = form.has("dry_run");
    let done = match <FileBody>::of(&form) {
        Ok(file) => import::import(&db, &user.by, file.file_name, file.content, is_dry_run).await,
        Err(error) => Err(error),
    };
    let (status, page) = match done {
        Ok(report) => {
            let report = Some(told(report, is_dry_run));
            (StatusCode::OK, ImportPage { form: import_form(), report })
        }
        Err(error) => {
            let form = import_form().failed(error)?;
            (StatusCode::UNPROCESSABLE_ENTITY, ImportPage { form, report: None })
        }
    };
    Ok(user.render_with(status, IMPORT.0, say(IMPORT.1), &page)?)
}

#[handler]
fn template(_user: PageUser) -> Download {
    Download { media_type: "text/csv", file_name: "routers.csv".into(), content: import::template() }
}
