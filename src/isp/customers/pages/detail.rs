//! One customer.

use std::sync::Arc;

use poem::{
    Request, Response, handler,
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    MapView, PATH,
    activity::{self, Happening},
    form::Alike,
    may, statuses,
};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        areas,
        customers::{
            DeleteCustomers, EditCustomers, MergeCustomers,
            model::{Customer, Lookalike, Status, TRANSITIONS},
            rules,
        },
    },
    types::{Coordinates, CustomerId, degrees},
    web::parts::{Choice, grouped, id_of},
    web::{Flash, Moment, see_other},
    words::say,
};

/// Tabs of later features: label, the last part of the address, and the right that the page asks for. Each is a page of that
/// feature, whose template extends `customers/detail.html` and fills `tab`.
const MORE_TABS: &[(&str, &str, &str)] = &[
    ("Installations", "installations", "installations.view"),
    ("Account", "ledger", "payments.view"),
    ("Tickets", "tickets", "tickets.view"),
    ("Portal", "portal", "subscribers.invite"),
];

/// What stands around every tab of a customer.
#[derive(Serialize)]
pub struct Frame {
    area_word: String,
    statuses: Vec<Choice>,
    can_edit: bool,
    can_delete: bool,
    customer: Shown,
    tabs: Vec<DetailTab>,
}

impl Frame {
    /// The customer's name.
    pub fn name(&self) -> &str {
        &self.customer.name
    }

    fn new(user: &PageUser, known: Who, active: &str, happened: Option<i64>) -> Self {
        let Who { customer, area, deleted_by } = known;
        let is_live = customer.deleted_at.is_none();
        let href = format!("{PATH}/{}", customer.id);
        let tab = |label, href: String, part: &str, count: Option<String>| DetailTab {
            label,
            href,
            active: part == active,
            count,
        };
        let more = MORE_TABS
            .iter()
            .filter(|(.., right)| user.by.rights.holds(right))
            .map(|(label, part, _)| tab(say(label), format!("{href}/{part}"), part, None));
        let activity =
            tab(say("Activity"), format!("{href}?tab=activity"), "activity", happened.map(grouped));
        Self {
            area_word: user.shell.brand.area_word.clone(),
            statuses: statuses(),
            can_edit: is_live && may::<EditCustomers>(user),
            can_delete: may::<DeleteCustomers>(user),
            tabs: std::iter::once(tab(say("Overview"), href.clone(), "overview", None))
                .chain(more)
                .chain([activity])
                .collect(),
            customer: shown(&customer, area, deleted_by, user.tenant().time_zone.0),
        }
    }
}

/// A customer with what its head says of it.
struct Who {
    customer: Customer,
    area: Option<String>,
    deleted_by: Option<String>,
}

async fn who(tx: &TenantTx, id: CustomerId, zone: chrono_tz::Tz) -> Result<Who> {
    let customer = rules::get_any(tx, id).await?;
    let area = match customer.details.area_id {
        Some(area) => areas::find_name(tx, area).await?.map(|(name, _)| name),
        None => None,
    };
    let deleted_by =
        if customer.deleted_at.is_some() { activity::deleted_by(tx, id, zone).await? } else { None };
    Ok(Who { customer, area, deleted_by })
}

/// What stands around the tab `part` of a customer; one who was merged is not there any more.
pub async fn frame(tx: &TenantTx, user: &PageUser, id: CustomerId, part: &str) -> Result<Frame> {
    let known = who(tx, id, user.tenant().time_zone.0).await?;
    if known.customer.merged_into.is_some() {
        return Err(rules::unknown());
    }
    Ok(Frame::new(user, known, part, None))
}

#[derive(Serialize)]
struct DetailPage {
    #[serde(flatten)]
    frame: Frame,
    map: MapView,
    duplicates: Vec<Alike>,
    can_merge: bool,
    tab: &'static str,
    events: Vec<Happening>,
    events_more_href: Option<String>,
}

#[derive(Serialize)]
struct DetailTab {
    label: &'static str,
    href: String,
    active: bool,
    count: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    id: CustomerId,
    name: String,
    status: &'static str,
    status_label: &'static str,
    address: String,
    phone: String,
    phone_href: String,
    email: String,
    street_address: String,
    area: Option<String>,
    area_href: Option<String>,
    notes: String,
    reference: String,
    created: Moment,
    updated: Moment,
    deleted: Option<Moment>,
    deleted_by: Option<String>,
    location: Option<Location>,
    edit_href: String,
    status_action: String,
    delete_action: String,
    erase_href: String,
    restore_action: String,
}

#[derive(Serialize)]
struct Location {
    lat: f64,
    lng: f64,
    text: String,
    accuracy_label: &'static str,
    notes: String,
    directions_href: String,
}

/// A place as people read it: `8.477200, 124.645900`.
pub fn place_text(place: Coordinates) -> String {
    format!("{:.6}, {:.6}", degrees(place.latitude), degrees(place.longitude))
}

fn location_of(customer: &Customer) -> Option<Location> {
    let details = &customer.details;
    let place = details.place?;
    let (lat, lng) = (degrees(place.latitude), degrees(place.longitude));
    Some(Location {
        lat,
        lng,
        text: place_text(place),
        accuracy_label: details.location_accuracy.label(),
        notes: details.location_notes.clone().unwrap_or_default(),
        directions_href: format!("https://www.openstreetmap.org/?mlat={lat}&mlon={lng}#map=18/{lat}/{lng}"),
    })
}

fn shown(
    customer: &Customer,
    area: Option<String>,
    deleted_by: Option<String>,
    zone: chrono_tz::Tz,
) -> Shown {
    let (id, details) = (customer.id, &customer.details);
    let phone = details.phone_primary.clone().map(String::from).unwrap_or_default();
    let address: Vec<&str> =
        [details.street_address.as_deref(), area.as_deref()].into_iter().flatten().collect();
    let action = |name: &str| format!("{PATH}/{id}/{name}");
    Shown {
        id,
        name: details.name(),
        status: details.status.as_str(),
        status_label: details.status.label(),
        address: address.join(", "),
        phone_href: phone.clone(),
        phone,
        email: details.email.clone().map(String::from).unwrap_or_default(),
        street_address: details.street_address.clone().unwrap_or_default(),
        area_href: details.area_id.map(|area| format!("/areas/{area}")),
        area,
        notes: details.notes.clone().unwrap_or_default(),
        reference: details.reference.clone().unwrap_or_default(),
        created: Moment::long_day(customer.created_at, zone),
        updated: Moment::at(customer.updated_at, zone),
        deleted: customer.deleted_at.map(|at| Moment::at(at, zone)),
        deleted_by: customer.deleted_at.map(|_| deleted_by.unwrap_or_else(|| say("somebody").into())),
        location: location_of(customer),
        edit_href: action("edit"),
        status_action: action("status"),
        delete_action: action("delete"),
        erase_href: format!("/erasures/new?customer={}", customer.id),
        restore_action: action("restore"),
    }
}

/// Everything that the page tells.
struct Known {
    who: Who,
    alike: Vec<Lookalike>,
    happened: i64,
    events: Vec<Happening>,
    next: Option<String>,
}

/// What the address asks for beside the customer.
struct Tab<'a> {
    is_activity: bool,
    cursor: Option<&'a str>,
}

async fn read(tx: &TenantTx, id: CustomerId, zone: chrono_tz::Tz, tab: &Tab<'_>) -> Result<Known> {
    let who = who(tx, id, zone).await?;
    let happened = activity::count(tx, id, zone).await?;
    let (mut alike, mut events, mut next) = (Vec::new(), Vec::new(), None);
    if tab.is_activity {
        (events, next) = activity::list(tx, id, zone, tab.cursor).await?;
    } else {
        alike = rules::find_lookalikes(tx, Some(id), &who.customer.details).await?;
    }
    Ok(Known { who, alike, happened, events, next })
}

#[handler]
pub async fn show_customer(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    request: &Request,
) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let tab = Tab { is_activity: asked("tab") == Some("activity"), cursor: asked("cursor") };
    let zone = user.tenant().time_zone.0;
    let known = db.read_tenant(user.tenant(), async |tx| read(tx, id, zone, &tab).await).await?;
    // One who was merged lives on in another.
    if let Some(survivor) = known.who.customer.merged_into {
        return Ok(see_other(format!("{PATH}/{survivor}")));
    }
    let href = format!("{PATH}/{id}");
    let is_live = known.who.customer.deleted_at.is_none();
    let title = known.who.customer.details.name();
    let part = if tab.is_activity { "activity" } else { "overview" };
    let view = DetailPage {
        frame: Frame::new(&user, known.who, part, Some(known.happened)),
        map: MapView::around(&settings, None),
        duplicates: known.alike.iter().map(|one| Alike::of(one, Some(id))).collect(),
        can_merge: is_live && may::<MergeCustomers>(&user),
        tab: part,
        events_more_href: known.next.map(|cursor| format!("{href}?tab=activity&cursor={cursor}")),
        events: known.events,
    };
    Ok(user.render("customers/detail.html", &title, &view)?)
}

#[handler]
pub async fn set_status(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "customer")?;
    let href = format!("{PATH}/{id}");
    let changed = async {
        let status =
            Status::parse(form.get("status")).map_err(|wrong| Error::Invalid(vec![wrong.at("status")]))?;
        db.in_tenant(user.tenant(), async |tx| {
            let was = rules::get(tx, id).await?;
            let is = rules::set_status(tx, &user.by, id, status, None).await?;
            Ok((was.details.status, is))
        })
        .await
    }
    .await;
    let flash = match changed {
        Ok((was, is)) => {
            let told = TRANSITIONS.iter().find(|step| step.from == was && step.to == is.details.status);
            let told = told.map_or(say("stays as it was"), |step| say(step.told));
            Flash::success(format!("{} {told}.", is.details.name()))
        }
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&href, &flash))
}

#[handler]
pub async fn delete_customer(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let gone = match db.in_tenant(user.tenant(), async |tx| rules::delete(tx, &user.by, id).await).await {
        Ok(gone) => gone,
        Err(error @ Error::Conflict { .. }) => {
            return Ok(user.then(&format!("{PATH}/{id}"), &Flash::error(error.detail())));
        }
        Err(error) => return Err(error.into()),
    };
    let flash = Flash::success(say!("{} was deleted.", gone.details.name()))
        .with_undo(format!("{PATH}/{id}/restore"));
    Ok(user.then(PATH, &flash))
}

#[handler]
pub async fn restore_customer(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id = id_of(&id, "customer")?;
    let href = format!("{PATH}/{id}");
    let back = db.in_tenant(user.tenant(), async |tx| rules::restore(tx, &user.by, id).await).await;
    let flash = match back {
        Ok(customer) => Flash::success(say!("{} is back.", customer.details.name())),
        Err(error @ Error::Conflict { .. }) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&href, &flash))
}
