//! One installation.

use poem::{
    Response, handler,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, day_text, may};
use crate::{
    access::PageUser,
    db::{Db, TenantTx},
    error::Result,
    isp::{
        history::{self, Happening},
        installations::{
            EditInstallations, TerminateInstallations,
            model::{Act, Installation, Status},
            rules::{self, OBJECT},
        },
        plant::{self, LightView, NapPath},
        routers::{self, Stocked},
    },
    types::{InstallationId, degrees},
    web::Moment,
    web::parts::id_of,
    words::say,
};

/// Tabs of other features: label, the last part of the address, and the right that the page asks for. Each is a page of that
/// feature, whose template extends `installations/detail.html` and fills `tab`.
const MORE_TABS: &[(&str, &str, &str)] = &[("Visits", "visits", "visits.view")];

#[derive(Serialize)]
struct TabLink {
    label: &'static str,
    href: String,
    active: bool,
}

#[derive(Serialize)]
struct Link {
    text: String,
    href: String,
}

/// What stands around every tab of an installation.
#[derive(Serialize)]
pub struct Frame {
    one: Shown,
    tabs: Vec<TabLink>,
    can_edit: bool,
    can_complete: bool,
    can_suspend: bool,
    can_resume: bool,
    can_terminate: bool,
    in_stock: Vec<Stock>,
    today: String,
}

#[derive(Serialize)]
struct Stock {
    serial_number: String,
    label: String,
}

#[derive(Serialize)]
struct Shown {
    customer: String,
    customer_href: String,
    status: &'static str,
    status_label: &'static str,
    address: String,
    path: Vec<Link>,
    port: Option<i16>,
    held_port: String,
    router: Option<Link>,
    held_router: String,
    technician: String,
    installed_on: String,
    paid_until: Option<Moment>,
    terminated: Option<Moment>,
    termination_reason: String,
    drop: String,
    place: String,
    location_notes: String,
    directions_href: String,
    notes: String,
    created: Moment,
    updated: Moment,
    href: String,
}

/// The way to the port, each node with its page.
fn path_of(way: &NapPath) -> Vec<Link> {
    let trunk = &way.trunk;
    let lcp = Link { text: trunk.lcp_code.clone(), href: format!("/plant/lcps/{}", trunk.lcp) };
    let splitters = trunk.steps.iter().map(|step| {
        let text = match step.output {
            Some(output) => format!("{} ({output})", step.code),
            None => step.code.clone(),
        };
        Link { text, href: format!("/plant/splitters/{}", step.splitter) }
    });
    let nap = Link { text: way.code.clone(), href: format!("/plant/naps/{}", way.nap) };
    std::iter::once(lcp).chain(splitters).chain([nap]).collect()
}

fn drop_text(one: &Installation) -> String {
    let draft = &one.draft;
    let some = |n: Option<String>, noun: &str| n.map(|n| format!("{n} {noun}"));
    [
        some(draft.drop_m.map(|n| n.to_string()), "m"),
        some(draft.drop_connectors.map(|n| n.to_string()), "connectors"),
        some(draft.drop_splices.map(|n| n.to_string()), "splices"),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

fn shown(one: &Installation, way: Option<&NapPath>, zone: chrono_tz::Tz) -> Shown {
    let draft = &one.draft;
    let ending = one.ending.as_ref();
    let area = one.area.as_ref().map(|area| area.name.clone());
    let place = draft.site.place.map(|place| (degrees(place.latitude), degrees(place.longitude)));
    Shown {
        customer: one.customer.name.clone(),
        customer_href: format!("/customers/{}", one.customer.id),
        status: one.status.as_str(),
        status_label: one.status.label(),
        address: [one.street.clone(), area].into_iter().flatten().collect::<Vec<_>>().join(", "),
        path: way.map(path_of).unwrap_or_default(),
        port: one.port.as_ref().map(|port| port.number),
        held_port: ending.and_then(|ending| ending.held_port.clone()).unwrap_or_default(),
        router: one
            .router
            .as_ref()
            .map(|router| Link { text: router.name.clone(), href: format!("/routers/{}", router.id) }),
        held_router: ending.and_then(|ending| ending.held_router.clone()).unwrap_or_default(),
        technician: one.technician.clone().unwrap_or_default(),
        installed_on: draft.installed_on.map(day_text).unwrap_or_default(),
        paid_until: one.paid_until.map(|at| Moment::at(at, zone)),
        terminated: ending.map(|ending| Moment::long_day(ending.at, zone)),
        termination_reason: ending.and_then(|ending| ending.reason.clone()).unwrap_or_default(),
        drop: drop_text(one),
        place: place.map(|(lat, lng)| format!("{lat:.6}, {lng:.6}")).unwrap_or_default(),
        location_notes: draft.site.notes.clone().unwrap_or_default(),
        directions_href: place
            .map(|(lat, lng)| {
                format!("https://www.openstreetmap.org/?mlat={lat}&mlon={lng}#map=18/{lat}/{lng}")
            })
            .unwrap_or_default(),
        notes: draft.notes.clone().unwrap_or_default(),
        created: Moment::at(one.created_at, zone),
        updated: Moment::at(one.updated_at, zone),
        href: format!("{PATH}/{}", one.id),
    }
}

/// What stands around the tab `part` of an installation.
pub async fn frame(tx: &TenantTx, user: &PageUser, id: InstallationId, part: &str) -> Result<Frame> {
    let one = rules::get(tx, id).await?;
    let way = match &one.port {
        Some(port) => plant::labels(tx, &[port.nap]).await?.remove(&port.nap),
        None => None,
    };
    let is_live = one.status != Status::Terminated;
    let can_edit = is_live && may::<EditInstallations>(user);
    let stock = if can_edit { routers::in_stock(tx).await? } else { Vec::new() };
    let href = format!("{PATH}/{id}");
    let tab = |label, href: String, own: &str| TabLink { label, href, active: own == part };
    let more = MORE_TABS
        .iter()
        .filter(|(.., right)| user.by.rights.holds(right))
        .map(|(label, own, _)| tab(say(label), format!("{href}/{own}"), own));
    Ok(Frame {
        tabs: std::iter::once(tab(say("Overview"), href.clone(), "overview"))
            .chain(more)
            .chain([tab(say("Activity"), format!("{href}?tab=activity"), "activity")])
            .collect(),
        can_edit,
        can_complete: can_edit && one.status.after(Act::Complete).is_some(),
        can_suspend: can_edit && one.status.after(Act::Suspend).is_some(),
        can_resume: can_edit && one.status.after(Act::Resume).is_some(),
        can_terminate: is_live && may::<TerminateInstallations>(user),
        in_stock: stock
            .into_iter()
            .map(|Stocked { serial_number, label, .. }| Stock { serial_number, label })
            .collect(),
        today: rules::today(&user.by, chrono::Utc::now()).to_string(),
        one: shown(&one, way.as_ref(), user.tenant().time_zone.0),
    })
}

impl Frame {
    /// The customer's name.
    pub fn name(&self) -> &str {
        &self.one.customer
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tab: String,
    cursor: String,
}

#[derive(Serialize)]
struct DetailPage {
    #[serde(flatten)]
    frame: Frame,
    tab: &'static str,
    /// What should arrive in the house, for those who see the plant.
    light: Option<LightView>,
    events: Vec<Happening>,
    events_more_href: Option<String>,
}

#[handler]
pub async fn show_installation(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: InstallationId = id_of(&id, "installation")?;
    let tab = if asked.tab == "activity" { "activity" } else { "overview" };
    let zone = user.tenant().time_zone.0;
    let cursor = Some(asked.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let sees_light = tab == "overview" && user.by.rights.holds("plant.view");
    let (frame, (events, next), light) = db
        .read_tenant(user.tenant(), async |tx| {
            let frame = frame(tx, &user, id, tab).await?;
            let happened = if tab == "activity" {
                history::list(tx, OBJECT, id.0, zone, cursor).await?
            } else {
                (Vec::new(), None)
            };
            let light = if sees_light { plant::light_of_installation(tx, id).await? } else { None };
            Ok((frame, happened, light))
        })
        .await?;
    let title = say!("Installation of {}", frame.name());
    let view = DetailPage {
        frame,
        tab,
        light: light.as_ref().map(LightView::from),
        events,
        events_more_href: next.map(|cursor| format!("{PATH}/{id}?tab=activity&cursor={cursor}")),
    };
    Ok(user.render("installations/detail.html", &title, &view)?)
}
