//! Pages of areas.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    CreateAreas, DeleteAreas, EditAreas, ViewAreas,
    model::{AreaDraft, AreaFilter, AreaMark, AreaSort, CountedArea, Removal, searched},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser, Right},
    db::Db,
    error::Result,
    types::{AreaId, Cursor, Limit},
    web::parts::{Column, Pager, Tab, address, counted, grouped, id_of, shown},
    web::{Flash, Form, FormView, Moment, RouteTable},
    words::say,
};

const PATH: &str = "/areas";
const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;
const FIELDS: [&str; 4] = ["name", "code", "description", "is_active"];

/// Every page of areas.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewAreas>(Method::GET, PATH, list_areas);
    table.page::<CreateAreas>(Method::GET, "/areas/new", new_area);
    table.page::<CreateAreas>(Method::POST, PATH, add_area);
    table.page::<ViewAreas>(Method::GET, "/areas/:id", show_area);
    table.page::<EditAreas>(Method::POST, "/areas/:id", change_area);
    table.page::<DeleteAreas>(Method::POST, "/areas/:id/delete", delete_area);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    state: String,
    sort: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    word: String,
    word_plural: String,
    tabs: Vec<Tab>,
    q: String,
    state: &'static str,
    columns: Columns,
    areas: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_create: bool,
}

#[derive(Serialize)]
struct Columns {
    name: Column,
    code: Column,
    active: Column,
    total: Column,
    created: Column,
    status: Column,
}

#[derive(Serialize)]
struct Row {
    name: String,
    code: String,
    is_active: bool,
    active_customers: String,
    total_customers: String,
    customers_href: String,
    created: Moment,
    href: String,
}

#[derive(Serialize)]
struct FormPage {
    word: String,
    word_plural: String,
    area: Option<Shown>,
    can_edit: bool,
    can_delete: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Shown {
    id: AreaId,
    name: String,
    code: String,
    active_customers: i64,
    total_customers: i64,
    customers_href: String,
    delete_action: String,
    newest: Vec<Newest>,
}

#[derive(Serialize)]
struct Newest {
    name: String,
    href: String,
    status: String,
    status_label: String,
}

/// "Barangay" becomes "Barangays", "City" becomes "Cities".
fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{word}s"),
    }
}

fn words(user: &PageUser) -> (String, String) {
    let word = user.shell.brand.area_word.clone();
    let many = plural(&word);
    (word, many)
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

fn row_of(counted: CountedArea, zone: chrono_tz::Tz) -> Row {
    let area = counted.area;
    Row {
        href: format!("{PATH}/{}", area.id),
        customers_href: format!("/customers?area={}", area.id),
        name: area.name,
        code: area.code.unwrap_or_default(),
        is_active: area.is_active,
        active_customers: grouped(counted.active_customers),
        total_customers: grouped(counted.total_customers),
        created: Moment::day(area.created_at, zone),
    }
}

/// The list's address with another state or order.
fn href(q: &str, state: &str, sort: &str) -> String {
    let pairs = [("q", q), ("state", state), ("sort", sort)];
    address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty()))
}

fn columns(q: &str, state: &str, sort: AreaSort) -> Columns {
    let sorted = |label: &str, up: AreaSort| {
        let (next, now) = if sort == up {
            (up.turned(), "ascending")
        } else if sort == up.turned() {
            (up, "descending")
        } else {
            (up, "")
        };
        Column { label: label.to_owned(), href: href(q, state, next.as_str()), sort: now }
    };
    Columns {
        name: sorted(say("Name"), AreaSort::Name),
        code: sorted(say("Code"), AreaSort::Code),
        active: Column::plain(say("Active customers")),
        total: Column::plain(say("Customers")),
        created: sorted(say("Created"), AreaSort::Created),
        status: Column::plain(say("Status")),
    }
}

#[handler]
async fn list_areas(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let q: String = searched(&asked.q).unwrap_or_default().chars().take(Q_MAX).collect();
    let sort = AreaSort::parse(&asked.sort).unwrap_or(AreaSort::Name);
    let (state, is_active) = match asked.state.as_str() {
        "active" => ("active", Some(true)),
        "inactive" => ("inactive", Some(false)),
        _ => ("", None),
    };
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(AreaMark::decode(text, sort)?),
    };
    let filter = AreaFilter { q: Some(q.clone()).filter(|q| !q.is_empty()), is_active };
    let ((found, more), (all, active)) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                rules::list(tx, &filter, sort, mark.as_ref(), PAGE),
                rules::count(tx, filter.q.as_deref())
            )
        })
        .await?;
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let sorted = if asked.sort.is_empty() { "" } else { sort.as_str() };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Cursor(sort.mark(&last.area)).encode()?;
            let from = (first + PAGE.get()).to_string();
            let pairs =
                [("q", q.as_str()), ("state", state), ("sort", sorted), ("cursor", &cursor), ("from", &from)];
            Some(address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty())))
        }
        None => None,
    };
    let total = match is_active {
        None => all,
        Some(true) => active,
        Some(false) => all - active,
    };
    let tab = |label, key: &'static str, n: i64| Tab {
        label,
        count: Some(grouped(n)),
        href: href(&q, key, sorted),
        active: key == state,
    };
    let (word, word_plural) = words(&user);
    let view = ListPage {
        tabs: vec![
            tab(say("All"), "", all),
            tab(say("Active"), "active", active),
            tab(say("Inactive"), "inactive", all - active),
        ],
        columns: columns(&q, state, sort),
        pager: Pager {
            prev_href: mark.is_some().then(|| href(&q, state, sorted)),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        areas: found.into_iter().map(|area| row_of(area, user.tenant().time_zone.0)).collect(),
        filtered: !q.is_empty() || is_active.is_some(),
        can_create: may::<CreateAreas>(&user),
        state,
        q,
        word,
        word_plural: word_plural.clone(),
    };
    Ok(user.render("areas/list.html", &word_plural, &view)?)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS).with("is_active", "true")
}

fn new_page(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    let (word, word_plural) = words(user);
    let title = say!("New {}", word.to_lowercase());
    let view = FormPage { word, word_plural, area: None, can_edit: true, can_delete: false, form };
    user.render_with(status, "areas/form.html", &title, &view)
}

#[handler]
fn new_area(user: PageUser) -> poem::Result<Response> {
    Ok(new_page(&user, StatusCode::OK, empty_form())?)
}

/// What was typed; a box that is not ticked is not sent.
fn typed(view: FormView, form: &Form) -> FormView {
    let ticked = if form.has("is_active") { "true" } else { "" };
    view.typed(form).with("is_active", ticked)
}

fn draft_of(form: &Form) -> Result<AreaDraft> {
    AreaDraft::parse(form.get("name"), form.get("code"), form.get("description"), form.has("is_active"))
}

#[handler]
async fn add_area(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = match draft_of(&form) {
        Ok(draft) => db.in_tenant(user.tenant(), async |tx| rules::create(tx, &user.by, &draft).await).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(area) => Ok(user.then(PATH, &Flash::success(say!("{} was added.", area.name)))),
        Err(error) => {
            let shown = typed(empty_form(), &form).failed(error)?;
            Ok(new_page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)?)
        }
    }
}

/// An area's page, with what was typed when there is something to mend.
async fn page_of(
    user: &PageUser,
    db: &Db,
    id: AreaId,
    mend: Option<(StatusCode, FormView)>,
) -> Result<Response> {
    let (found, newest) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::get(tx, id), rules::newest_customers(tx, id))
        })
        .await?;
    let CountedArea { area, active_customers, total_customers } = found;
    let (status, form) = mend.unwrap_or_else(|| {
        let form = FormView::empty(format!("{PATH}/{id}"), &FIELDS)
            .with("name", &area.name)
            .with("code", area.code.clone().unwrap_or_default())
            .with("description", &area.description)
            .with("is_active", if area.is_active { "true" } else { "" });
        (StatusCode::OK, form)
    });
    let (word, word_plural) = words(user);
    let newest = newest
        .into_iter()
        .map(|one| Newest {
            name: one.name,
            href: format!("/customers/{}", one.id),
            status_label: capitalised(&one.status),
            status: one.status,
        })
        .collect();
    let title = area.name.clone();
    let view = FormPage {
        word,
        word_plural,
        area: Some(Shown {
            id,
            name: area.name,
            code: area.code.unwrap_or_default(),
            active_customers,
            total_customers,
            customers_href: format!("/customers?area={id}"),
            delete_action: format!("{PATH}/{id}/delete"),
            newest,
        }),
        can_edit: may::<EditAreas>(user),
        can_delete: may::<DeleteAreas>(user),
        form,
    };
    user.render_with(status, "areas/form.html", &title, &view)
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[handler]
async fn show_area(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "area")?, None).await?)
}

#[handler]
async fn change_area(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "area")?;
    let changed = match draft_of(&form) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| {
                rules::change(tx, &user.by, id, |_| Ok(draft.clone())).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(area) => Ok(user.then(PATH, &Flash::success(say!("{} was saved.", area.name)))),
        Err(error) => {
            let shown = typed(FormView::empty(format!("{PATH}/{id}"), &FIELDS), &form).failed(error)?;
            Ok(page_of(&user, &db, id, Some((StatusCode::UNPROCESSABLE_ENTITY, shown))).await?)
        }
    }
}

#[handler]
async fn delete_area(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id = id_of(&id, "area")?;
    let ((removal, name), kept) = db
        .in_tenant(user.tenant(), async |tx| {
            let removed = rules::remove(tx, &user.by, id).await?;
            let kept = match removed.0 {
                Removal::Deleted => 0,
                Removal::SwitchedOff => rules::get(tx, id).await?.total_customers,
            };
            Ok((removed, kept))
        })
        .await?;
    let said = match (removal, kept) {
        (Removal::Deleted, _) => say!("{} was deleted.", name),
        (Removal::SwitchedOff, 0) => {
            say!("{} was switched off, not deleted: deleted customers belong to it and may come back.", name)
        }
        (Removal::SwitchedOff, n) => {
            say!("{} was switched off, not deleted: it has {}.", name, counted(n, "customer", "customers"))
        }
    };
    Ok(user.then(PATH, &Flash::success(said)))
}
