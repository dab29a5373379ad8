//! The list of tickets: as a page, as a file, and as a tab of a customer.

use chrono::Utc;
use chrono_tz::Tz;
use poem::{
    IntoResponse, Request, Response, handler,
    web::{Data, Path},
};
use serde::Serialize;

use super::{BOARD_PATH, PATH, asked::Asked, may, people, priority_tone, status_tone};
use crate::{
    access::{PageUser, Shell},
    db::Db,
    error::Result,
    isp::{
        areas::{self, AreaChoice},
        customers,
        tickets::{
            CreateTickets, EditTickets,
            choices::{Category, Priority, Status},
            export,
            list::{self, Counts},
            model::{Assignee, Ticket},
            query::{Filter, Mark, Sort},
            rules, store,
        },
    },
    sheets::Bom,
    types::{CustomerId, Limit},
    web::Moment,
    web::parts::{Chip, Choice, Column, Pager, Tab, counted, grouped, id_of, shown},
    web::sheet::Format,
    words::{now_in_english, say},
};

const PAGE: Limit = Limit::of(25);

#[derive(Serialize)]
struct ListPage {
    area_word: String,
    tabs: Vec<Tab>,
    values: Values,
    priorities: Vec<Choice>,
    categories: Vec<Choice>,
    staff: Vec<Choice>,
    areas: Vec<Choice>,
    filters: Vec<Chip>,
    clear_href: &'static str,
    created: Column,
    due: Column,
    tickets: Vec<Row>,
    pager: Pager,
    filtered: bool,
    board_href: String,
    counts_href: String,
    csv_href: String,
    xlsx_href: String,
    can_create: bool,
    can_edit: bool,
}

#[derive(Serialize)]
pub struct Values {
    q: String,
    status: String,
    priority: &'static str,
    category: &'static str,
    assignee: String,
    overdue: bool,
    area: String,
    customer: String,
    outage: String,
    sort: &'static str,
}

impl Values {
    pub fn of(asked: &Asked) -> Self {
        Self {
            q: asked.q.clone(),
            status: asked.status.clone(),
            priority: asked.priority.map_or("", Priority::as_str),
            category: asked.category.map_or("", Category::as_str),
            assignee: asked.assignee.clone(),
            overdue: asked.overdue,
            area: asked.area.map(|id| id.to_string()).unwrap_or_default(),
            customer: asked.customer.map(|id| id.to_string()).unwrap_or_default(),
            outage: asked.outage.map(|id| id.to_string()).unwrap_or_default(),
            sort: asked.sort.map_or("", Sort::as_str),
        }
    }
}

/// A ticket in a list, on the board, or in a tab.
#[derive(Serialize)]
pub struct Row {
    pub id: String,
    pub number: String,
    pub href: String,
    pub title: String,
    pub customer: String,
    pub customer_href: String,
    pub node: String,
    pub category: &'static str,
    pub status_key: &'static str,
    pub status: &'static str,
    pub status_tone: &'static str,
    pub priority: &'static str,
    pub priority_tone: &'static str,
    pub assignee: String,
    pub outage: Option<OutageLink>,
    pub created: Moment,
    pub due: Option<Moment>,
    pub overdue: bool,
    pub next: Vec<Choice>,
}

#[derive(Serialize)]
pub struct OutageLink {
    pub number: String,
    pub href: String,
}

impl Row {
    pub fn of(ticket: &Ticket, zone: Tz) -> Self {
        let now = Utc::now();
        let outage = ticket.outage.as_ref();
        Self {
            id: ticket.id.to_string(),
            number: ticket.number.clone(),
            href: format!("{PATH}/{}", ticket.id),
            title: ticket.title.clone(),
            customer: ticket.customer.name.clone(),
            customer_href: format!("/customers/{}", ticket.customer.id),
            node: ticket.node_label.clone().unwrap_or_default(),
            category: ticket.category.label(),
            status_key: ticket.status.as_str(),
            status: ticket.status.label(),
            status_tone: status_tone(ticket.status),
            priority: ticket.priority.label(),
            priority_tone: priority_tone(ticket.priority),
            assignee: ticket.assignee.as_ref().map(|one| one.name.clone()).unwrap_or_default(),
            outage: outage
                .map(|(id, number)| OutageLink { number: number.clone(), href: format!("/outages/{id}") }),
            created: Moment::at(ticket.created_at, zone),
            due: ticket.status.is_open().then(|| Moment::at(ticket.clock().due_at(), zone)),
            overdue: ticket.is_overdue(now),
            next: ticket.status.next().map(|to| Choice::new(to.as_str(), to.label())).collect(),
        }
    }
}

/// What was read for one page.
struct Found {
    tickets: Vec<Ticket>,
    more: bool,
    areas: Vec<AreaChoice>,
    staff: Vec<Assignee>,
}

async fn read(user: &PageUser, db: &Db, asked: &Asked, filter: &Filter) -> Result<Found> {
    let sort = asked.sort();
    let mark = asked.cursor.as_ref().map(|text| Mark::decode(text, sort)).transpose()?;
    db.read_tenant(user.tenant(), async |tx| {
        let (mut tickets, areas, staff, ()) = futures_util::try_join!(
            list::list(tx, filter, sort, mark.as_ref(), PAGE.and_one()),
            areas::find_choices(tx),
            store::find_staff(tx),
            rules::check_filter(tx, filter)
        )?;
        let more = PAGE.cut(&mut tickets);
        Ok(Found { tickets, more, areas, staff })
    })
    .await
}

fn tabs(asked: &Asked) -> Vec<Tab> {
    let tab = |label, status: &'static str| {
        let more = [("status", status)];
        let more = if status.is_empty() { &[][..] } else { &more[..] };
        Tab { label, count: None, href: asked.href(PATH, "status", more), active: asked.status == status }
    };
    [tab(say("All"), ""), tab(say("Open"), "open")]
        .into_iter()
        .chain(Status::ALL.iter().map(|status| tab(status.label(), status.as_str())))
        .collect()
}

/// The filters that count, as chips.
fn chips(asked: &Asked, found: &Found, area_word: &str) -> Vec<Chip> {
    let chip = |label: &str, value: String, name: &str| Chip {
        label: label.to_owned(),
        value,
        remove_href: asked.href(PATH, name, &[]),
    };
    let name_of = |id: &str| {
        let known = found.staff.iter().find(|one| one.id.to_string() == id);
        known.map_or_else(|| say("chosen").to_owned(), |one| one.name.clone())
    };
    let area = asked.area.map(|id| {
        let known = found.areas.iter().find(|area| area.id == id);
        chip(area_word, known.map_or_else(|| say("chosen").to_owned(), |area| area.name.clone()), "area")
    });
    let assignee = match asked.assignee.as_str() {
        "" => None,
        "none" => Some(chip(say("Assigned to"), "nobody".into(), "assignee")),
        id => Some(chip(say("Assigned to"), name_of(id), "assignee")),
    };
    [
        (!asked.q.is_empty()).then(|| chip(say("Search"), asked.q.clone(), "q")),
        asked.priority.map(|one| chip(say("Priority"), one.label().into(), "priority")),
        asked.category.map(|one| chip(say("Category"), one.label().into(), "category")),
        assignee,
        asked.overdue.then(|| chip(say("Due"), "overdue".into(), "overdue")),
        area,
        asked.customer.map(|_| chip(say("Customer"), "one".into(), "customer")),
        asked.outage.map(|_| chip(say("Outage"), "one".into(), "outage")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn column(asked: &Asked, label: &str, up: Sort, first: Sort) -> Column {
    let (next, now) = match asked.sort() {
        sort if sort == up => (up.turned(), "ascending"),
        sort if sort == up.turned() => (up, "descending"),
        _ => (first, ""),
    };
    Column { label: label.to_owned(), href: asked.href(PATH, "sort", &[("sort", next.as_str())]), sort: now }
}

fn pager(asked: &Asked, found: &Found) -> Result<Pager> {
    let rows = i64::try_from(found.tickets.len()).unwrap_or_default();
    let first = if asked.cursor.is_some() { asked.from } else { 1 };
    let next_href = match found.tickets.last().filter(|_| found.more) {
        Some(last) => {
            let cursor = Mark::of(last, asked.sort()).encode()?;
            let from = (first + rows).to_string();
            Some(asked.href(PATH, "", &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let prev_href = asked.cursor.as_ref().map(|_| asked.href(PATH, "", &[]));
    Ok(Pager { prev_href, next_href, shown: shown(first, found.tickets.len()), total: None })
}

fn page_of(user: &PageUser, asked: &Asked, found: &Found) -> Result<ListPage> {
    let area_word = user.shell.brand.area_word.clone();
    let zone = user.tenant().time_zone.0;
    let mut staff = vec![Choice::new("none", say("Nobody"))];
    staff.extend(people(&found.staff, None));
    Ok(ListPage {
        tabs: tabs(asked),
        values: Values::of(asked),
        priorities: Priority::options(),
        categories: Category::options(),
        staff,
        areas: found.areas.iter().map(|area| Choice::new(area.id, area.name.clone())).collect(),
        filters: chips(asked, found, &area_word),
        clear_href: PATH,
        created: column(asked, say("Opened"), Sort::Created, Sort::CreatedDown),
        due: column(asked, say("Due"), Sort::Due, Sort::Due),
        tickets: found.tickets.iter().map(|ticket| Row::of(ticket, zone)).collect(),
        pager: pager(asked, found)?,
        filtered: asked.is_filtered(),
        board_href: asked.href(BOARD_PATH, "status", &[]),
        counts_href: asked.href("/tickets/counts", "status", &[]),
        csv_href: asked.href("/tickets/export", "", &[("format", "csv")]),
        xlsx_href: asked.href("/tickets/export", "", &[("format", "xlsx")]),
        can_create: may::<CreateTickets>(user),
        can_edit: may::<EditTickets>(user),
        area_word,
    })
}

/// The fragment that htmx swaps: the table, and beside it what else on the page goes with its filter.
#[derive(Serialize)]
struct Fragment<'a> {
    shell: &'a Shell,
    counts_too: bool,
    #[serde(flatten)]
    view: &'a ListPage,
}

/// Whether the counts that stand on the page are those of another filter: a tab or the next page leaves them as they are.
fn counts_are_others(request: &Request, asked: &Asked) -> bool {
    let counts = |asked: &Asked| asked.href("", "status", &[]);
    let seen = request.header("hx-current-url").and_then(|url| url::Url::parse(url).ok());
    seen.is_none_or(|url| counts(&Asked::parse(url.query().unwrap_or_default())) != counts(asked))
}

#[handler]
pub async fn list_tickets(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let asked = Asked::parse(request.uri().query().unwrap_or_default());
    let filter = asked.filter()?;
    let found = read(&user, &db, &asked, &filter).await?;
    let view = page_of(&user, &asked, &found)?;
    // htmx asks for the table alone, unless it restores a page of the browser's history.
    let wants_table = request.header("hx-target") == Some("tickets")
        && request.header("hx-history-restore-request").is_none();
    if wants_table {
        let fragment =
            Fragment { shell: &user.shell, counts_too: counts_are_others(request, &asked), view: &view };
        return Ok(user.access.pages().page("tickets/_swap.html", &fragment)?);
    }
    Ok(user.render("tickets/list.html", say("Tickets"), &view)?)
}

#[derive(Serialize)]
struct CountsPage {
    cards: Vec<Card>,
}

#[derive(Serialize)]
struct Card {
    label: &'static str,
    value: String,
    note: String,
    href: String,
}

fn cards(asked: &Asked, counts: &Counts) -> Vec<Card> {
    let card = |label, n: i64, note: String, more: &[(&str, &str)]| Card {
        label,
        value: grouped(n),
        note,
        href: asked.href(PATH, "status", more),
    };
    let working = counts.of(Status::Assigned) + counts.of(Status::InProgress);
    let late = match counts.overdue {
        0 => say("none overdue").to_owned(),
        some => counted(some, "is overdue", "are overdue"),
    };
    vec![
        card(say("Open"), counts.open(), late, &[("status", "open")]),
        card(
            say("Pending"),
            counts.of(Status::Pending),
            say("nobody's yet").into(),
            &[("status", "pending")],
        ),
        card(
            say("Being worked on"),
            working,
            say("assigned or in progress").into(),
            &[("status", "in_progress")],
        ),
        card(say("Resolved"), counts.of(Status::Resolved), String::new(), &[("status", "resolved")]),
    ]
}

#[handler]
pub async fn show_counts(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let asked = Asked::parse(request.uri().query().unwrap_or_default());
    let filter = asked.filter()?.of_any_status();
    let counts = db
        .read_tenant(user.tenant(), async |tx| {
            rules::check_filter(tx, &filter).await?;
            list::count(tx, &filter).await
        })
        .await?;
    let view = CountsPage { cards: cards(&asked, &counts) };
    Ok(user.access.pages().page("tickets/_counts.html", &view)?)
}

#[handler]
pub async fn export_tickets(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    now_in_english();
    let query = request.uri().query().unwrap_or_default();
    let asked = Asked::parse(query);
    let format = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "format")
        .map_or(Format::Csv, |(_, value)| Format::of_page(&value));
    let file = export::export(&db, &user.by, &asked.filter()?, asked.sort(), (format, Bom::With)).await?;
    Ok(file.into_response())
}

#[derive(Serialize)]
struct CustomerTab {
    #[serde(flatten)]
    frame: customers::Frame,
    tickets: Vec<Row>,
    all_href: String,
    new_href: Option<String>,
}

/// The newest tickets of one customer.
#[handler]
pub async fn tickets_of_customer(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let filter = Filter { customer: Some(id), ..Filter::default() };
    let (frame, tickets) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                customers::frame(tx, &user, id, "tickets"),
                list::list(tx, &filter, Sort::CreatedDown, None, PAGE.get())
            )
        })
        .await?;
    let title = frame.name().to_owned();
    let zone = user.tenant().time_zone.0;
    let view = CustomerTab {
        frame,
        tickets: tickets.iter().map(|ticket| Row::of(ticket, zone)).collect(),
        all_href: format!("{PATH}?customer={id}"),
        new_href: may::<CreateTickets>(&user).then(|| format!("{PATH}/new?customer={id}")),
    };
    Ok(user.render("tickets/customer_tab.html", &title, &view)?)
}
