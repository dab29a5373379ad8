//! The list of installations, as a page, as a file, and as the tab of a customer.

use poem::{
    IntoResponse, Response, handler,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, area_choices, day_text, may, technicians};
use crate::{
    access::{PageUser, colleagues, find_colleague},
    db::Db,
    error::Result,
    isp::{
        areas,
        customers::{self, Frame},
        installations::{
            CreateInstallations, export,
            model::{Installation, Port, Status},
            query::{self, After, Filter},
        },
        plant,
    },
    sheets::Bom,
    types::{Cursor, CustomerId, Limit, NapId},
    web::Moment,
    web::parts::{Chip, Choice, Pager, Tab, address, grouped, id_of, shown, time_mark},
    web::sheet::Format,
    words::{now_in_english, say},
};

const PAGE: Limit = Limit::of(50);
/// A customer has seldom more than a few.
const OF_CUSTOMER: i64 = 100;
const Q_MAX: usize = 100;

/// What the address asks for. What cannot be read says nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    status: String,
    area: String,
    technician: String,
    nap: String,
    cursor: String,
    from: i64,
    format: String,
}

impl Asked {
    fn words(&self) -> String {
        self.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect::<String>().trim().to_owned()
    }

    fn status(&self) -> Option<Status> {
        Status::parse(&self.status).ok()
    }

    fn filter(&self) -> Filter {
        Filter {
            status: self.status(),
            area: self.area.parse().ok(),
            technician: self.technician.parse().ok(),
            nap: self.nap.parse().ok(),
            ..Filter::searching(&self.words())
        }
    }

    /// A path with these filters, but for one of them, and with something more.
    fn href(&self, path: &str, without: &str, more: &[(&str, &str)]) -> String {
        let q = self.words();
        let status = self.status().map_or("", Status::as_str);
        let own = [
            ("q", q.as_str()),
            ("status", status),
            ("area", &self.area),
            ("technician", &self.technician),
            ("nap", &self.nap),
        ];
        let kept = own.into_iter().filter(|(name, _)| *name != without);
        address(path, kept.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ListPage {
    area_word: String,
    q: String,
    status: &'static str,
    area: String,
    technician: String,
    nap: String,
    areas: Vec<Choice>,
    technicians: Vec<Choice>,
    tabs: Vec<Tab>,
    filters: Vec<Chip>,
    installations: Vec<Row>,
    pager: Pager,
    filtered: bool,
    csv_href: String,
    xlsx_href: String,
    can_create: bool,
}

#[derive(Serialize)]
struct Row {
    href: String,
    customer: String,
    address: String,
    port: String,
    router: String,
    technician: String,
    installed: String,
    paid_until: Option<Moment>,
    status: &'static str,
    status_label: &'static str,
}

fn row_of(one: Installation, zone: chrono_tz::Tz) -> Row {
    let place = [one.street, one.area.map(|area| area.name)];
    let held = one.ending.and_then(|ending| ending.held_port);
    Row {
        href: format!("{PATH}/{}", one.id),
        customer: one.customer.name,
        address: place.into_iter().flatten().collect::<Vec<_>>().join(", "),
        port: one.port.as_ref().map(Port::label).or(held).unwrap_or_default(),
        router: one.router.map(|router| router.name).unwrap_or_default(),
        technician: one.technician.unwrap_or_default(),
        installed: one.draft.installed_on.map(day_text).unwrap_or_default(),
        paid_until: one.paid_until.map(|at| Moment::at(at, zone)),
        status: one.status.as_str(),
        status_label: one.status.label(),
    }
}

/// What was read for one page.
struct Found {
    installations: Vec<Installation>,
    more: bool,
    counts: Vec<(Status, i64)>,
    areas: Vec<areas::AreaChoice>,
    technicians: Vec<Choice>,
    nap: Option<String>,
}

async fn read(user: &PageUser, db: &Db, filter: &Filter, after: Option<After>) -> Result<Found> {
    db.read_tenant(user.tenant(), async |tx| {
        query::check(tx, filter).await?;
        let (mut installations, counts, areas, people) = futures_util::try_join!(
            query::list(tx, filter, after, PAGE.and_one()),
            query::count(tx, filter),
            areas::find_choices(tx),
            colleagues(tx)
        )?;
        let more = PAGE.cut(&mut installations);
        let chosen = match filter.technician {
            Some(id) => find_colleague(tx, id).await?.map(|one| (one.id.to_string(), one.name)),
            None => None,
        };
        let nap = match filter.nap {
            Some(nap) => nap_code(tx, nap).await?,
            None => None,
        };
        Ok(Found { installations, more, counts, areas, technicians: technicians(people, chosen), nap })
    })
    .await
}

async fn nap_code(tx: &crate::db::TenantTx, nap: NapId) -> Result<Option<String>> {
    Ok(plant::labels(tx, &[nap]).await?.remove(&nap).map(|way| way.code))
}

fn chips(asked: &Asked, found: &Found, area_word: &str) -> Vec<Chip> {
    let named = |choices: &[Choice], value: &str| {
        choices.iter().find(|choice| choice.value == value).map(|choice| choice.label.clone())
    };
    let areas = area_choices(&found.areas, &asked.area);
    let filter = asked.filter();
    [
        (say("Search"), "q", filter.words.as_ref().map(|_| asked.words())),
        (area_word, "area", filter.area.and_then(|_| named(&areas, &asked.area))),
        (
            say("Technician"),
            "technician",
            filter.technician.and_then(|_| named(&found.technicians, &asked.technician)),
        ),
        ("NAP", "nap", found.nap.clone()),
    ]
    .into_iter()
    .filter_map(|(label, name, value)| {
        Some(Chip { label: label.to_owned(), value: value?, remove_href: asked.href(PATH, name, &[]) })
    })
    .collect()
}

#[handler]
pub async fn list_installations(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let filter = asked.filter();
    let after = match asked.cursor.as_str() {
        "" => None,
        text => Some(time_mark(text)?),
    };
    let found = read(&user, &db, &filter, after).await?;
    let status = asked.status();
    let of = |status: Option<Status>| -> i64 {
        found.counts.iter().filter(|(at, _)| status.is_none_or(|status| status == *at)).map(|(_, n)| n).sum()
    };
    let first = if after.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.installations.last().filter(|_| found.more) {
        Some(last) => {
            let cursor = Cursor((last.created_at, last.id.0)).encode()?;
            let from = (first + PAGE.get()).to_string();
            Some(asked.href(PATH, "", &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let tab = |label, of_status: Option<Status>| Tab {
        label,
        count: Some(grouped(of(of_status))),
        href: asked.href(PATH, "status", &[("status", of_status.map_or("", Status::as_str))]),
        active: of_status == status,
    };
    let area_word = user.shell.brand.area_word.clone();
    let filters = chips(&asked, &found, &area_word);
    let zone = user.tenant().time_zone.0;
    let view = ListPage {
        tabs: std::iter::once(tab(say("All"), None))
            .chain(Status::ALL.iter().map(|status| tab(status.label(), Some(*status))))
            .collect(),
        filtered: !filters.is_empty() || status.is_some(),
        filters,
        pager: Pager {
            prev_href: after.is_some().then(|| asked.href(PATH, "", &[])),
            next_href,
            shown: shown(first, found.installations.len()),
            total: Some(grouped(of(status))),
        },
        areas: area_choices(&found.areas, &asked.area),
        technicians: found.technicians,
        installations: found.installations.into_iter().map(|one| row_of(one, zone)).collect(),
        csv_href: asked.href("/installations/export", "", &[("format", "csv")]),
        xlsx_href: asked.href("/installations/export", "", &[("format", "xlsx")]),
        can_create: may::<CreateInstallations>(&user),
        q: asked.words(),
        status: status.map_or("", Status::as_str),
        area: asked.area,
        technician: asked.technician,
        nap: asked.nap,
        area_word,
    };
    Ok(user.render("installations/list.html", say("Installations"), &view)?)
}

#[handler]
pub async fn export_installations(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    now_in_english();
    let format = Format::of_page(&asked.format);
    Ok(export::export(&db, &user.by, &asked.filter(), format, Bom::With).await?.into_response())
}

#[derive(Serialize)]
struct CustomerTab {
    #[serde(flatten)]
    frame: Frame,
    installations: Vec<Row>,
    new_href: String,
    can_create: bool,
}

/// The tab of a customer.
#[handler]
pub async fn of_customer(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let filter = Filter { customer: Some(id), ..Filter::default() };
    let (frame, found) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                customers::frame(tx, &user, id, "installations"),
                query::list(tx, &filter, None, OF_CUSTOMER)
            )
        })
        .await?;
    let zone = user.tenant().time_zone.0;
    let title = frame.name().to_owned();
    let view = CustomerTab {
        frame,
        installations: found.into_iter().map(|one| row_of(one, zone)).collect(),
        new_href: format!("{PATH}/new?customer={id}"),
        can_create: may::<CreateInstallations>(&user),
    };
    Ok(user.render("installations/customer_tab.html", &title, &view)?)
}
