//! A NAP's page: its ports, who is on them, the light that arrives.

use std::sync::Arc;

use chrono::{Duration, Utc};
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    Crumb, LightView, PortsView, SiteView, crumbs,
    lcps::counted_on,
    may, metres,
    naps::{place_of, splitter_choices},
};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        customers::MapView,
        plant::{
            DeletePlant, EditPlant,
            budget::Budget,
            model::{Nap, PortView},
            node::Node,
            paths::NodePath,
            rules::{self, PortChange},
            store::{map, naps::CountedNap, ports as store},
        },
    },
    types::{CustomerId, NapId, optional_line},
    web::parts::{Choice, id_of},
    web::{Flash, Form, FormView, Moment},
    words::say,
};

/// For how many days a port may be kept from its page.
const DAYS: [i64; 5] = [1, 3, 7, 14, 30];
const NOTE_MAX: usize = 255;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    port: String,
}

#[derive(Serialize)]
struct DetailPage {
    crumbs: Vec<Crumb>,
    nap: Shown,
    counts: PortsView,
    ports: Vec<Cell>,
    chosen: Option<Chosen>,
    light: LightView,
    site: Option<SiteView>,
    map: MapView,
    splitters: Vec<Choice>,
    days: Vec<Choice>,
    form: FormView,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Shown {
    id: NapId,
    code: String,
    name: String,
    is_active: bool,
    is_down: bool,
    location: String,
    notes: String,
    capacity: i16,
    max_distance: String,
    hangs_on: Crumb,
    output: i16,
    fibre: String,
    counted: String,
}

/// A port in the grid.
#[derive(Serialize)]
struct Cell {
    number: i16,
    state: &'static str,
    label: &'static str,
    who: String,
    href: String,
    is_chosen: bool,
    is_faulty: bool,
}

/// The port whose page is open.
#[derive(Serialize)]
struct Chosen {
    number: i16,
    state: &'static str,
    label: &'static str,
    is_faulty: bool,
    customer: Option<Crumb>,
    installation_href: Option<String>,
    reserved_until: Option<Moment>,
    reserved_for: Option<Crumb>,
    note: String,
    action: String,
}

/// Who customers are is told to those who may see customers.
struct Eyes {
    sees_customers: bool,
    sees_installations: bool,
    zone: chrono_tz::Tz,
}

impl Eyes {
    fn of(user: &PageUser) -> Self {
        Self {
            sees_customers: user.by.rights.holds("customers.view"),
            sees_installations: user.by.rights.holds("installations.view"),
            zone: user.tenant().time_zone.0,
        }
    }

    fn customer(&self, id: CustomerId, name: &str) -> Option<Crumb> {
        self.sees_customers.then(|| Crumb::new(name, format!("/customers/{id}")))
    }

    fn cell(&self, nap: NapId, port: &PortView, chosen: Option<i16>) -> Cell {
        let state = port.state();
        let holder = port.held_by.as_ref().map(|holder| holder.name.as_str());
        let kept = port.reserved_for.as_ref().map(|(_, name)| name.as_str());
        let who = holder.or(kept).filter(|_| self.sees_customers).unwrap_or_default();
        Cell {
            number: port.number,
            state: state.as_str(),
            label: state.label(),
            who: who.to_owned(),
            href: format!("/plant/naps/{nap}?port={}#port", port.number),
            is_chosen: chosen == Some(port.number),
            is_faulty: port.is_faulty,
        }
    }

    fn chosen(&self, nap: NapId, port: PortView) -> Chosen {
        let state = port.state();
        let holder = port.held_by.as_ref();
        Chosen {
            number: port.number,
            state: state.as_str(),
            label: state.label(),
            is_faulty: port.is_faulty,
            customer: holder.and_then(|holder| self.customer(holder.customer, &holder.name)),
            installation_href: holder
                .filter(|_| self.sees_installations)
                .map(|holder| format!("/installations/{}", holder.installation)),
            reserved_until: port.reserved_until.map(|until| Moment::at(until, self.zone)),
            reserved_for: port.reserved_for.as_ref().and_then(|(id, name)| self.customer(*id, name)),
            note: port.note.unwrap_or_default(),
            action: format!("/plant/naps/{nap}/ports/{}", port.number),
        }
    }
}

/// Everything that the page tells.
struct Known {
    counted: CountedNap,
    path: NodePath,
    ports: Vec<PortView>,
    light: Budget,
    splitters: Vec<Choice>,
    is_down: bool,
}

async fn read(tx: &TenantTx, id: NapId) -> Result<Known> {
    let counted = rules::get_nap(tx, id).await?;
    Ok(Known {
        path: rules::node_path(tx, Node::Nap(id)).await?,
        ports: rules::ports(tx, id).await?,
        light: rules::light_of_nap(tx, id).await?,
        splitters: splitter_choices(tx).await?,
        is_down: map::down(tx).await?.contains(&id.0),
        counted,
    })
}

fn move_form(nap: &Nap) -> FormView {
    FormView::empty(format!("/plant/naps/{}/move", nap.id), &[])
        .with("splitter_id", nap.splitter_id.to_string())
        .with("splitter_output", nap.splitter_output.to_string())
}

fn shown_nap(counted: CountedNap, is_down: bool) -> Shown {
    let CountedNap { nap, splitter_code, .. } = counted;
    let draft = nap.draft;
    Shown {
        id: nap.id,
        is_active: draft.is_active,
        is_down,
        location: draft.location.unwrap_or_default(),
        notes: draft.notes.unwrap_or_default(),
        capacity: draft.port_capacity,
        max_distance: metres(draft.max_distance_m.into()),
        hangs_on: Crumb::new(splitter_code, Node::Splitter(nap.splitter_id).href()),
        output: nap.splitter_output,
        fibre: metres(draft.stretch.fibre_m.into()),
        counted: counted_on(draft.stretch),
        code: draft.code,
        name: draft.name,
    }
}

/// A NAP's page, with what was typed when there is something to mend.
async fn page_of(
    (user, db, settings): (&PageUser, &Db, &Settings),
    id: NapId,
    port: Option<i16>,
    mend: Option<(StatusCode, FormView)>,
) -> Result<Response> {
    let known = db.read_tenant(user.tenant(), async |tx| read(tx, id).await).await?;
    let eyes = Eyes::of(user);
    let (status, form) = mend.unwrap_or_else(|| (StatusCode::OK, move_form(&known.counted.nap)));
    let title = format!("{} – {}", known.counted.nap.draft.code, known.counted.nap.draft.name);
    let view = DetailPage {
        crumbs: crumbs(&known.path),
        counts: known.counted.ports.into(),
        ports: known.ports.iter().map(|one| eyes.cell(id, one, port)).collect(),
        chosen: known.ports.into_iter().find(|one| Some(one.number) == port).map(|one| eyes.chosen(id, one)),
        light: (&known.light).into(),
        site: SiteView::of(&known.counted.nap.draft.site),
        map: MapView::around(settings, None),
        splitters: known.splitters,
        days: DAYS
            .iter()
            .map(|days| {
                Choice::new(days, if *days == 1 { "1 day".to_owned() } else { format!("{days} days") })
            })
            .collect(),
        nap: shown_nap(known.counted, known.is_down),
        form,
        can_edit: may::<EditPlant>(user),
        can_delete: may::<DeletePlant>(user),
    };
    user.render_with(status, "plant/nap.html", &title, &view)
}

#[handler]
pub async fn show_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    Ok(page_of((&user, &db, &settings), id, asked.port.parse().ok(), None).await?)
}

#[handler]
pub async fn move_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    let href = Node::Nap(id).href();
    let moved = match place_of(&form) {
        Ok(place) => {
            db.in_tenant(user.tenant(), async |tx| rules::move_nap(tx, &user.by, id, place).await).await
        }
        Err(error) => Err(error),
    };
    match moved {
        Ok(()) => Ok(user.then(&href, &Flash::success("The NAP was moved, with everybody on it."))),
        Err(error) => {
            let names = ["splitter_id", "splitter_output"];
            let shown = FormView::empty(format!("{href}/move"), &names).typed(&form).failed(error)?;
            let mend = Some((StatusCode::UNPROCESSABLE_ENTITY, shown));
            Ok(page_of((&user, &db, &settings), id, None, mend).await?)
        }
    }
}

/// What a port's form asks for.
async fn change_of(tx: &TenantTx, form: &Form) -> Result<PortChange> {
    let note =
        optional_line(form.get("note"), NOTE_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))?;
    match form.get("state") {
        "free" => Ok(PortChange::Free),
        "faulty" => Ok(PortChange::Faulty { note }),
        "reserved" => {
            let days = form.get("days").parse().ok().filter(|days| DAYS.contains(days)).unwrap_or(7);
            let customer = match form.get("customer").trim() {
                "" => None,
                typed => Some(the_one(tx, typed).await?),
            };
            Ok(PortChange::Reserve { until: Utc::now() + Duration::days(days), customer, note })
        }
        _ => Err(Error::invalid("state", "not_a_choice", "A port is made free, reserved or faulty.")),
    }
}

/// The one customer who is found by what was typed.
async fn the_one(tx: &TenantTx, typed: &str) -> Result<CustomerId> {
    match store::customers_like(tx, typed).await?.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::invalid("customer", "unknown", say!("No customer is found by \"{}\".", typed))),
        _ => Err(Error::invalid(
            "customer",
            "ambiguous",
            say!(
                "Several customers are found by \"{}\". Type an account number, an e-mail or the whole name.",
                typed
            ),
        )),
    }
}

#[handler]
pub async fn change_port(
    user: PageUser,
    db: Data<&Db>,
    Path((id, number)): Path<(String, String)>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    let number: i16 = number.parse().map_err(|_no_number| Error::not_found("port"))?;
    let changed = db
        .in_tenant(user.tenant(), async |tx| {
            let change = change_of(tx, &form).await?;
            rules::change_port(tx, &user.by, (id, number), change).await
        })
        .await;
    let flash = match changed {
        Ok(port) if port.is_faulty => Flash::success(say!("Port {} was marked faulty.", number)),
        Ok(port) if port.reserved_until.is_some() => Flash::success(say!("Port {} was reserved.", number)),
        Ok(_) => Flash::success(say!("Port {} was freed.", number)),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("/plant/naps/{id}?port={number}#port"), &flash))
}
