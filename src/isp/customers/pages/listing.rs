//! The list of customers, as a page and as a file.

use std::collections::HashMap;

use poem::{IntoResponse, Request, Response, handler, web::Data};
use serde::Serialize;

use super::{
    PATH, area_choices,
    asked::{Asked, COLUMNS},
    may, statuses,
};
use crate::{
    access::{PageUser, Shell},
    db::Db,
    error::Result,
    isp::{
        areas::{self, AreaChoice},
        customers::{
            CreateCustomers, DeleteCustomers, EditCustomers, ExportCustomers, ImportCustomers,
            MergeCustomers,
            export::{self, Order},
            list::{self, Counts},
            model::{Customer, Status},
            query::{Mark, Sort},
            rules,
        },
    },
    sheets::Bom,
    types::{AreaId, Limit},
    web::Moment,
    web::parts::{Chip, Choice, Column, Pager, Tab, grouped, shown},
    web::sheet::Format,
    words::{now_in_english, say},
};

const PAGE: Limit = Limit::of(25);
/// What the counts of the tabs are remembered under.
const COUNTS: &str = "customers.counts";
const COLUMNS_COOKIE: &str = "columns";

#[derive(Serialize)]
struct ListPage {
    area_word: String,
    areas: Vec<Choice>,
    values: Values,
    tabs: Vec<Tab>,
    filters: Vec<Chip>,
    clear_href: &'static str,
    columns: HashMap<&'static str, Column>,
    show: Shown,
    column_choices: Vec<ColumnChoice>,
    carried: Vec<Carried>,
    customers: Vec<Row>,
    pager: Pager,
    list_total: i64,
    filtered: bool,
    map_href: String,
    export: ExportLinks,
    bulk: Bulk,
    can_create: bool,
    can_import: bool,
    can_export: bool,
}

#[derive(Serialize)]
struct Values {
    q: String,
    area: String,
    located: &'static str,
    status: &'static str,
    sort: &'static str,
}

#[derive(Serialize)]
struct ColumnChoice {
    key: &'static str,
    label: String,
    shown: bool,
}

#[derive(Serialize)]
struct Carried {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Row {
    id: String,
    name: String,
    href: String,
    edit_href: String,
    phone: String,
    email: String,
    area: String,
    address: String,
    status: &'static str,
    status_label: &'static str,
    /// None for a column that is not shown.
    created: Option<Moment>,
    updated: Option<Moment>,
}

#[derive(Serialize)]
struct ExportLinks {
    csv_href: String,
    xlsx_href: String,
}

#[derive(Serialize)]
struct Bulk {
    action: &'static str,
    merge_action: &'static str,
    filter: String,
    statuses: Vec<Choice>,
    areas: Vec<Choice>,
    can_edit: bool,
    can_merge: bool,
    can_delete: bool,
}

/// The fragment that htmx swaps: the table, and beside it what else on the page goes with its filter.
#[derive(Serialize)]
struct Fragment<'a> {
    shell: &'a Shell,
    #[serde(flatten)]
    view: &'a ListPage,
}

/// Each column, and whether it is shown.
type Shown = HashMap<&'static str, bool>;

/// What was read for one page.
struct Found {
    customers: Vec<Customer>,
    /// Whether there are more in the direction of reading.
    more: bool,
    counts: Counts,
    areas: Vec<AreaChoice>,
}

async fn read(user: &PageUser, db: &Db, asked: &Asked) -> Result<Found> {
    let filter = asked.filter()?;
    let (sort, any_status) = (asked.sort(), filter.of_any_status());
    let (order, cursor) = match &asked.before {
        Some(cursor) => (sort.turned(), Some(cursor)),
        None => (sort, asked.after.as_ref()),
    };
    let mark = cursor.map(|text| Mark::decode(text, sort)).transpose()?;
    db.read_tenant(user.tenant(), async |tx| {
        let (mut customers, counts, areas, ()) = futures_util::try_join!(
            list::list(tx, &filter, order, mark.as_ref(), PAGE.and_one()),
            tx.recently(COUNTS, asked.href("", "status", &[]), async || {
                list::count(tx, &any_status).await
            }),
            areas::find_choices(tx),
            rules::check_filter(tx, &filter)
        )?;
        let more = PAGE.cut(&mut customers);
        if asked.before.is_some() {
            customers.reverse();
        }
        Ok(Found { customers, more, counts, areas })
    })
    .await
}

fn total_of(counts: &Counts, status: Option<Status>) -> i64 {
    status.map_or_else(|| counts.total(), |status| counts.of(status))
}

fn pager(asked: &Asked, found: &Found) -> Result<Pager> {
    let backwards = asked.before.is_some();
    let rows = i64::try_from(found.customers.len()).unwrap_or_default();
    let is_first = if backwards { !found.more } else { asked.after.is_none() };
    let first = if is_first { 1 } else { asked.from.max(1) };
    let has_next = if backwards { true } else { found.more };
    let link = |customer: Option<&Customer>, way: &str, from: i64| -> Result<Option<String>> {
        let Some(customer) = customer else { return Ok(None) };
        let cursor = Mark::of(customer, asked.sort()).encode()?;
        Ok(Some(asked.href(PATH, "", &[(way, &cursor), ("from", &from.max(1).to_string())])))
    };
    let next_href = if has_next { link(found.customers.last(), "after", first + rows)? } else { None };
    let prev_href =
        if is_first { None } else { link(found.customers.first(), "before", first - PAGE.get())? };
    let total = total_of(&found.counts, asked.status);
    Ok(Pager {
        prev_href,
        next_href,
        shown: shown(first, found.customers.len()),
        total: Some(grouped(total)),
    })
}

fn tabs(asked: &Asked, counts: &Counts) -> Vec<Tab> {
    status_tabs(asked, Some(counts), PATH)
}

/// One tab per status, and one for all.
pub fn status_tabs(asked: &Asked, counts: Option<&Counts>, path: &str) -> Vec<Tab> {
    let tab = |label, status: Option<Status>| {
        let more = status.map(|status| ("status", status.as_str()));
        Tab {
            label,
            count: counts.map(|counts| grouped(total_of(counts, status))),
            href: asked.href(path, "status", more.as_slice()),
            active: asked.status == status,
        }
    };
    std::iter::once(tab(say("All"), None))
        .chain(Status::ALL.into_iter().map(|status| tab(status.label(), Some(status))))
        .collect()
}

/// The filters that count, as chips.
pub fn chips(asked: &Asked, areas: &[AreaChoice], area_word: &str, path: &str) -> Vec<Chip> {
    let chip = |label: &str, value: String, name: &str| Chip {
        label: label.to_owned(),
        value,
        remove_href: asked.href(path, name, &[]),
    };
    let mut chips = Vec::new();
    if !asked.q.is_empty() {
        chips.push(chip(say("Search"), asked.q.clone(), "q"));
    }
    if let Some(id) = asked.area {
        let name = areas.iter().find(|area| area.id == id).map(|area| area.name.clone());
        chips.push(chip(area_word, name.unwrap_or_else(|| say("chosen").into()), "area"));
    }
    if let Some(located) = asked.located {
        let value = if located { say("On the map") } else { say("No location yet") };
        chips.push(chip(say("Location"), value.into(), "located"));
    }
    chips
}

fn label(key: &str, area_word: &str) -> String {
    match key {
        "name" => say("Name"),
        "phone" => say("Phone"),
        "email" => say("E-mail"),
        "area" => area_word,
        "address" => say("Street"),
        "created" => say("Joined"),
        "updated" => say("Changed"),
        _ => say("Status"),
    }
    .to_owned()
}

fn columns(asked: &Asked, area_word: &str) -> HashMap<&'static str, Column> {
    let sorted = |key, up: Sort| {
        let (next, now) = match asked.sort() {
            sort if sort == up => (up.turned(), "ascending"),
            sort if sort == up.turned() => (up, "descending"),
            // Newest first is what people want of a time.
            _ if up.is_by_name() => (up, ""),
            _ => (up.turned(), ""),
        };
        let href = asked.href(PATH, "sort", &[("sort", next.as_str())]);
        (key, Column { label: label(key, area_word), href, sort: now })
    };
    let plain = |key| (key, Column::plain(label(key, area_word)));
    HashMap::from([
        sorted("name", Sort::Name),
        plain("phone"),
        plain("email"),
        plain("area"),
        plain("address"),
        sorted("created", Sort::Created),
        sorted("updated", Sort::Updated),
        plain("status"),
    ])
}

fn rows(found: &Found, names: &HashMap<AreaId, &str>, show: &Shown, zone: chrono_tz::Tz) -> Vec<Row> {
    let shown = |key: &str| show.get(key).copied().unwrap_or_default();
    let (with_created, with_updated) = (shown("created"), shown("updated"));
    found
        .customers
        .iter()
        .map(|customer| {
            let details = &customer.details;
            let area = details.area_id.and_then(|id| names.get(&id)).copied();
            Row {
                id: customer.id.to_string(),
                name: details.name(),
                href: format!("{PATH}/{}", customer.id),
                edit_href: format!("{PATH}/{}/edit", customer.id),
                phone: details.phone_primary.clone().map(String::from).unwrap_or_default(),
                email: details.email.clone().map(String::from).unwrap_or_default(),
                area: area.unwrap_or_default().to_owned(),
                address: details.street_address.clone().unwrap_or_default(),
                status: details.status.as_str(),
                status_label: details.status.label(),
                created: with_created.then(|| Moment::day(customer.created_at, zone)),
                updated: with_updated.then(|| Moment::at(customer.updated_at, zone)),
            }
        })
        .collect()
}

/// Which columns are shown: what the address chooses, else what this browser chose last, else ours.
fn shown_columns(user: &PageUser, request: &Request, asked: &Asked) -> Shown {
    let kept = user.access.read_cookie(request, COLUMNS_COOKIE);
    let chosen: Option<Vec<&str>> = match (&asked.columns, kept) {
        (Some(columns), _) => Some(columns.iter().map(String::as_str).collect()),
        (None, Some(kept)) => Some(kept.split('.').collect()),
        (None, None) => None,
    };
    COLUMNS
        .into_iter()
        .map(|(key, usual)| (key, chosen.as_ref().map_or(usual, |chosen| chosen.contains(&key))))
        .collect()
}

fn page_of(user: &PageUser, asked: &Asked, found: &Found, show: Shown) -> Result<ListPage> {
    let area_word = user.shell.brand.area_word.clone();
    let chosen = asked.area.map(|id| id.to_string()).unwrap_or_default();
    let names = found.areas.iter().map(|area| (area.id, area.name.as_str())).collect();
    let column_choices = COLUMNS
        .into_iter()
        .map(|(key, _)| ColumnChoice {
            key,
            label: label(key, &area_word),
            shown: show.get(key).copied().unwrap_or_default(),
        })
        .collect();
    // The name is always shown; naming it says that columns were chosen, even when no other is.
    let carried = asked.pairs().into_iter().chain([("col", "name".to_owned())]);
    let export = |format| asked.href("/customers/export", "", &[("format", format)]);
    Ok(ListPage {
        areas: area_choices(&found.areas, &chosen),
        tabs: tabs(asked, &found.counts),
        filters: chips(asked, &found.areas, &area_word, PATH),
        clear_href: PATH,
        columns: columns(asked, &area_word),
        column_choices,
        customers: rows(found, &names, &show, user.tenant().time_zone.0),
        show,
        carried: carried.map(|(name, value)| Carried { name, value }).collect(),
        pager: pager(asked, found)?,
        list_total: total_of(&found.counts, asked.status),
        filtered: asked.is_filtered(),
        map_href: asked.href("/customers/map", "located", &[]),
        export: ExportLinks { csv_href: export("csv"), xlsx_href: export("xlsx") },
        bulk: Bulk {
            action: "/customers/bulk",
            merge_action: "/customers/merge/chosen",
            filter: asked.query(),
            statuses: statuses(),
            areas: area_choices(&found.areas, ""),
            can_edit: may::<EditCustomers>(user),
            can_merge: may::<MergeCustomers>(user),
            can_delete: may::<DeleteCustomers>(user),
        },
        values: Values {
            q: asked.q.clone(),
            area: chosen,
            located: asked.located.map_or("", |yes| if yes { "yes" } else { "no" }),
            status: asked.status.map_or("", Status::as_str),
            sort: asked.sort.map_or("", Sort::as_str),
        },
        can_create: may::<CreateCustomers>(user),
        can_import: may::<ImportCustomers>(user),
        can_export: may::<ExportCustomers>(user),
        area_word,
    })
}

#[handler]
pub async fn list_customers(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let asked = Asked::parse(request.uri().query().unwrap_or_default());
    let found = read(&user, &db, &asked).await?;
    let show = shown_columns(&user, request, &asked);
    let view = page_of(&user, &asked, &found, show)?;
    // htmx asks for the table alone, unless it restores a page of the browser's history.
    let wants_table = request.header("hx-target") == Some("customers")
        && request.header("hx-history-restore-request").is_none();
    let mut response = if wants_table {
        user.access.pages().page("customers/_swap.html", &Fragment { shell: &user.shell, view: &view })?
    } else {
        user.render("customers/list.html", say("Customers"), &view)?
    };
    if asked.columns.is_some() {
        let kept: Vec<&str> = COLUMNS
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| view.show.get(key).copied().unwrap_or_default())
            .collect();
        let mut cookie = user.access.cookie(COLUMNS_COOKIE, format!("name.{}", kept.join(".")));
        cookie.set_max_age(std::time::Duration::from_secs(365 * 86_400));
        user.access.set_cookie(&mut response, &cookie);
    }
    Ok(response)
}

#[handler]
pub async fn export_customers(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    now_in_english();
    let query = request.uri().query().unwrap_or_default();
    let asked = Asked::parse(query);
    let is_xlsx = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "format" && value == "xlsx");
    let format = if is_xlsx { Format::Xlsx } else { Format::Csv };
    let order = Order { filter: asked.filter()?, sort: asked.sort(), format, bom: Bom::With };
    Ok(export::export(&db, &user.by, order).await?.into_response())
}
