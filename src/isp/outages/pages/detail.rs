//! One outage: since when, whom it hits, what they are told, what they got.

use std::sync::Arc;

use chrono::Utc;
use poem::{
    IntoResponse, Response, handler,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PATH, is_told, local, may, sending, tone};
use crate::{
    access::PageUser,
    config::Settings,
    db::{Db, TenantTx},
    error::Result,
    isp::{
        customers::MapView,
        outages::{
            ManageOutages,
            model::{Cause, Extension, Outage, Policy, Status, minutes_text},
            restore, rules,
            store::{self, Counted},
            subscribers::{self, Mark, Subscriber, Sums},
            tree,
        },
        tickets,
    },
    types::OutageId,
    web::parts::{Choice, grouped, id_of},
    web::{Json, Moment},
    words::say,
};

/// A page names so many of those whom it hits.
const PAGE: i64 = 100;
const TICKETS: i64 = 50;
const SPOTS: i64 = 2_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: String,
}

#[derive(Serialize)]
struct DetailPage {
    outage: Shown,
    sums: Figures,
    subscribers: Vec<Line>,
    more_href: Option<String>,
    first_href: Option<String>,
    tickets: Vec<TicketLine>,
    open_tickets: usize,
    tickets_href: String,
    causes: Vec<Choice>,
    would: Option<Would>,
    map: MapView,
    map_data: String,
    has_map: bool,
    gives: &'static str,
    /// Where the message is sent, for whoever may.
    send_href: Option<String>,
    /// Whether those whom it hits can still be written to.
    is_told: bool,
    can_manage: bool,
}

#[derive(Serialize)]
pub struct Shown {
    pub id: OutageId,
    pub number: String,
    pub node: String,
    pub kind: &'static str,
    pub node_href: Option<String>,
    pub status_key: &'static str,
    pub status: &'static str,
    pub tone: &'static str,
    pub cause_key: &'static str,
    pub cause: &'static str,
    pub note: String,
    pub message: String,
    pub started: Moment,
    pub started_local: String,
    pub restored: Option<Moment>,
    pub lasted: String,
    pub opened_by: String,
    pub restored_by: String,
    pub href: String,
}

impl Shown {
    pub fn of(outage: &Outage, zone: chrono_tz::Tz) -> Self {
        let kind = outage.node_kind.as_str();
        Self {
            id: outage.id,
            number: outage.number.clone(),
            node: outage.node_label.clone(),
            kind: outage.node_kind.label(),
            node_href: outage.node.map(|node| format!("/plant/{kind}s/{}", node.id())),
            status_key: outage.status.as_str(),
            status: outage.status.label(),
            tone: tone(outage.status),
            cause_key: outage.cause.as_str(),
            cause: outage.cause.label(),
            note: outage.note.clone().unwrap_or_default(),
            message: outage.message.clone().unwrap_or_default(),
            started: Moment::at(outage.started_at, zone),
            started_local: local(outage.started_at, zone),
            restored: outage.restored_at.map(|at| Moment::at(at, zone)),
            lasted: minutes_text(outage.lasted(Utc::now()).num_minutes().max(0)),
            opened_by: outage.opened_by.clone(),
            restored_by: outage.restored_by.clone().unwrap_or_default(),
            href: format!("{PATH}/{}", outage.id),
        }
    }
}

#[derive(Serialize)]
struct Figures {
    affected: String,
    tickets: String,
    lost: String,
    to_decide: i64,
    extended: i64,
    given: String,
}

/// What restoring it right now would come to.
#[derive(Serialize)]
struct Would {
    gaining: i64,
    text: String,
}

#[derive(Serialize)]
struct Line {
    installation: String,
    installation_href: String,
    name: String,
    href: String,
    phone: String,
    address: String,
    place: String,
    status: String,
    ticket: Option<TicketLink>,
    minutes: String,
    extension_key: &'static str,
    extension: String,
    extension_tone: &'static str,
}

#[derive(Serialize)]
struct TicketLink {
    number: String,
    href: String,
}

#[derive(Serialize)]
struct TicketLine {
    number: String,
    href: String,
    title: String,
    customer: String,
    status: &'static str,
    is_open: bool,
}

fn line_of(one: &Subscriber) -> Line {
    let place = match (&one.nap, one.port) {
        (Some(nap), Some(port)) => format!("{nap}, port {port}"),
        _ => String::new(),
    };
    let (extension, extension_tone) = match one.extension {
        Extension::Extended => (format!("{} added", minutes_text(one.extended_minutes)), "success"),
        Extension::Proposed => (say("To decide").to_owned(), "warning"),
        Extension::Declined => (say("Declined").to_owned(), ""),
        Extension::None => (String::new(), ""),
    };
    Line {
        installation: one.installation.to_string(),
        installation_href: format!("/installations/{}", one.installation),
        name: one.name(),
        href: format!("/customers/{}", one.customer),
        phone: one.phone.clone().unwrap_or_default(),
        address: one.address.clone().unwrap_or_default(),
        place,
        status: one.status.clone(),
        ticket: one
            .ticket
            .as_ref()
            .map(|(id, number)| TicketLink { number: number.clone(), href: format!("/tickets/{id}") }),
        minutes: one.minutes.filter(|minutes| *minutes > 0).map(minutes_text).unwrap_or_default(),
        extension_key: one.extension.as_str(),
        extension,
        extension_tone,
    }
}

/// Everything that the page tells.
struct Known {
    counted: Counted,
    sums: Sums,
    subscribers: Vec<Subscriber>,
    tickets: Vec<tickets::Ticket>,
    policy: Policy,
    would: Option<(i64, i64)>,
    middle: Option<(f64, f64)>,
}

async fn read(tx: &TenantTx, user: &PageUser, id: OutageId, mark: Option<&Mark>) -> Result<Known> {
    let counted = rules::get(tx, id).await?;
    let filter = tickets::Filter { outage: Some(id), ..tickets::Filter::default() };
    let (sums, subscribers, tickets, policy) = futures_util::try_join!(
        subscribers::sum(tx, id),
        subscribers::list(tx, id, mark, PAGE + 1),
        tickets::list(tx, &filter, tickets::Sort::CreatedDown, None, TICKETS),
        store::get_policy(tx),
    )?;
    let outage = &counted.outage;
    let would = match outage.status {
        Status::Down => Some(restore::preview(tx, &user.by, outage, Utc::now()).await?.gains()),
        _ => None,
    };
    let own = match outage.node {
        Some(node) => tree::find_place(tx, node).await?,
        None => None,
    };
    let middle = own.or_else(|| subscribers.iter().find_map(|one| one.place));
    Ok(Known { counted, sums, subscribers, tickets, policy, would, middle })
}

#[handler]
pub async fn show_outage(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let mark = if asked.cursor.is_empty() { None } else { Some(Mark::decode(&asked.cursor)?) };
    let mut known =
        db.read_tenant(user.tenant(), async |tx| read(tx, &user, id, mark.as_ref()).await).await?;
    let page = usize::try_from(PAGE).unwrap_or_default();
    let more = known.subscribers.len() > page;
    known.subscribers.truncate(page);
    let href = format!("{PATH}/{id}");
    let more_href = match known.subscribers.last().filter(|_| more) {
        Some(last) => Some(format!("{href}?cursor={}#affected", Mark::of(last).encode()?)),
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let (counted, sums) = (&known.counted, &known.sums);
    let view = DetailPage {
        outage: Shown::of(&counted.outage, zone),
        sums: Figures {
            affected: grouped(sums.affected),
            tickets: grouped(counted.tickets),
            lost: minutes_text(sums.lost_minutes),
            to_decide: sums.to_decide,
            extended: sums.extended,
            given: minutes_text(sums.extended_minutes),
        },
        subscribers: known.subscribers.iter().map(line_of).collect(),
        more_href,
        first_href: mark.is_some().then(|| href.clone()),
        open_tickets: known.tickets.iter().filter(|ticket| ticket.status.is_open()).count(),
        tickets: known.tickets.iter().map(ticket_line).collect(),
        tickets_href: format!("/tickets?outage={id}"),
        causes: Cause::options(),
        would: known.would.map(|(gaining, minutes)| Would { gaining, text: minutes_text(minutes) }),
        map: MapView::around(&settings, known.middle),
        map_data: format!("{href}/map/data"),
        has_map: known.middle.is_some(),
        gives: known.policy.giving.as_str(),
        send_href: sending(&user, &counted.outage).map(|on| on.href),
        is_told: is_told(&counted.outage),
        can_manage: may::<ManageOutages>(&user),
    };
    let title = format!("{} {}", counted.outage.number, counted.outage.node_label);
    Ok(user.render("outages/detail.html", &title, &view)?)
}

fn ticket_line(ticket: &tickets::Ticket) -> TicketLine {
    TicketLine {
        number: ticket.number.clone(),
        href: format!("/tickets/{}", ticket.id),
        title: ticket.title.clone(),
        customer: ticket.customer.name.clone(),
        status: ticket.status.label(),
        is_open: ticket.status.is_open(),
    }
}

fn feature((lat, lng): (f64, f64), properties: &Value) -> Value {
    json!({
        "type": "Feature",
        "geometry": { "type": "Point", "coordinates": [lng, lat] },
        "properties": properties,
    })
}

/// The node and those whom it hits, as GeoJSON for the map.
#[handler]
pub async fn map_data(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let (outage, own, hit) = db
        .read_tenant(user.tenant(), async |tx| {
            let outage = rules::get(tx, id).await?.outage;
            let own = match outage.node {
                Some(node) => tree::find_place(tx, node).await?,
                None => None,
            };
            Ok((outage, own, subscribers::list(tx, id, None, SPOTS).await?))
        })
        .await?;
    let shown = Shown::of(&outage, user.tenant().time_zone.0);
    let node = own.map(|place| {
        let words = json!({
            "name": shown.node, "href": shown.href, "status": "down", "status_label": shown.status,
            "address": shown.kind, "area": null,
        });
        feature(place, &words)
    });
    let spots = hit.iter().filter_map(|one| {
        let line = line_of(one);
        let words = json!({
            "name": line.name, "href": line.href, "status": "affected", "status_label": line.status,
            "address": line.address, "area": line.place,
        });
        Some(feature(one.place?, &words))
    });
    let features: Vec<Value> = node.into_iter().chain(spots).collect();
    Ok(Json(json!({ "type": "FeatureCollection", "features": features })).into_response())
}
