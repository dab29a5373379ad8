//! Pages of the plant.

mod lcps;
mod map;
mod naps;
mod nearest;
mod policy;
mod ports;
mod splitters;
mod tree;

use poem::http::Method;
use serde::Serialize;

use super::{
    DeletePlant, EditPlant, ViewPlant,
    budget::{Budget, Grade},
    model::PortCounts,
    node::Node,
    paths::NodePath,
    tree::Fill,
};
use crate::{
    access::{Guarded, PageUser, Right},
    error::{Error, FieldError},
    isp::{
        customers::{Accuracy, MapView},
        site::Site,
    },
    types::degrees,
    web::parts::{Choice, grouped},
    web::{RouteTable, compressed},
    words::say,
};

const PATH: &str = "/plant";

/// Every page of the plant.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewPlant>(Method::GET, PATH, lcps::list_lcps);
    table.page::<EditPlant>(Method::GET, "/plant/lcps/new", lcps::new_lcp);
    table.page::<EditPlant>(Method::POST, "/plant/lcps", lcps::add_lcp);
    table.page::<ViewPlant>(Method::GET, "/plant/lcps/:id", lcps::show_lcp);
    table.page::<EditPlant>(Method::GET, "/plant/lcps/:id/edit", lcps::edit_lcp);
    table.page::<EditPlant>(Method::POST, "/plant/lcps/:id", lcps::save_lcp);
    table.page::<DeletePlant>(Method::POST, "/plant/lcps/:id/delete", lcps::delete_lcp);
    table.page::<EditPlant>(Method::GET, "/plant/splitters/new", splitters::new_splitter);
    table.page::<EditPlant>(Method::POST, "/plant/splitters", splitters::add_splitter);
    table.page::<ViewPlant>(Method::GET, "/plant/splitters/:id", splitters::show_splitter);
    table.page::<EditPlant>(Method::GET, "/plant/splitters/:id/edit", splitters::edit_splitter);
    table.page::<EditPlant>(Method::POST, "/plant/splitters/:id", splitters::save_splitter);
    table.page::<EditPlant>(Method::POST, "/plant/splitters/:id/move", splitters::move_splitter);
    table.page::<DeletePlant>(Method::POST, "/plant/splitters/:id/delete", splitters::delete_splitter);
    table.page::<ViewPlant>(Method::GET, "/plant/naps", naps::list_naps);
    table.page::<ViewPlant>(Method::GET, "/plant/naps/export", naps::export_naps);
    table.page::<EditPlant>(Method::GET, "/plant/naps/new", naps::new_nap);
    table.page::<EditPlant>(Method::POST, "/plant/naps", naps::add_nap);
    table.page::<ViewPlant>(Method::GET, "/plant/naps/:id", ports::show_nap);
    table.page::<EditPlant>(Method::GET, "/plant/naps/:id/edit", naps::edit_nap);
    table.page::<EditPlant>(Method::POST, "/plant/naps/:id", naps::save_nap);
    table.page::<EditPlant>(Method::POST, "/plant/naps/:id/move", ports::move_nap);
    table.page::<EditPlant>(Method::POST, "/plant/naps/:id/ports/:number", ports::change_port);
    table.page::<DeletePlant>(Method::POST, "/plant/naps/:id/delete", naps::delete_nap);
    table.page::<ViewPlant>(Method::GET, "/plant/map", map::show_map);
    table.page::<ViewPlant>(Method::GET, "/plant/map/data", compressed(map::map_data));
    table.page::<ViewPlant>(Method::GET, "/plant/map/found/data", map::found_data);
    table.page::<ViewPlant>(Method::GET, "/plant/tree", tree::show_tree);
    table.page::<ViewPlant>(Method::GET, "/plant/nearest", nearest::show_nearest);
    table.page::<EditPlant>(Method::GET, "/settings/plant", policy::show_policy);
    table.page::<EditPlant>(Method::POST, "/settings/plant", policy::save_policy);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// A link above the title.
#[derive(Debug, Clone, Serialize)]
struct Crumb {
    label: String,
    href: String,
}

impl Crumb {
    fn new(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self { label: label.into(), href: href.into() }
    }

    fn plant() -> Self {
        Self::new(say("Plant"), PATH)
    }
}

/// The way to a node, without the node itself, as links.
fn crumbs(path: &NodePath) -> Vec<Crumb> {
    let above = path.steps.iter().filter(|(node, _)| *node != path.node);
    std::iter::once(Crumb::plant())
        .chain(above.map(|(node, name)| Crumb::new(name.clone(), node.href())))
        .collect()
}

/// How ports stand, as a line and a bar.
#[derive(Debug, Clone, Serialize)]
struct PortsView {
    total: String,
    used: String,
    free: String,
    reserved: i64,
    faulty: i64,
    fill: &'static str,
    /// `5 of 8 used`.
    text: String,
}

impl From<PortCounts> for PortsView {
    fn from(ports: PortCounts) -> Self {
        Self {
            total: grouped(ports.total),
            used: grouped(ports.used),
            free: grouped(ports.free),
            reserved: ports.reserved,
            faulty: ports.faulty,
            fill: Fill::of(ports).as_str(),
            text: say!("{} of {} used", grouped(ports.used), grouped(ports.total)),
        }
    }
}

/// How much light arrives, in words.
#[derive(Debug, Clone, Serialize)]
pub struct LightView {
    grade: &'static str,
    label: &'static str,
    tone: &'static str,
    class: &'static str,
    tx: String,
    fibre: String,
    connectors: i64,
    splices: i64,
    split: String,
    loss_1310: String,
    loss_1490: String,
    loss_1550: String,
    margin: String,
    ont: String,
    too_hot: bool,
}

impl From<&Budget> for LightView {
    fn from(budget: &Budget) -> Self {
        let grade: Grade = budget.grade;
        let db = |value: rust_decimal::Decimal| format!("{value} dB");
        Self {
            grade: grade.as_str(),
            label: grade.label(),
            tone: grade.tone(),
            class: budget.class.label(),
            tx: format!("{} dBm", budget.tx_dbm),
            fibre: metres(budget.fibre_m),
            connectors: budget.connectors,
            splices: budget.splices,
            split: db(budget.split_db),
            loss_1310: db(budget.loss_1310_db),
            loss_1490: db(budget.loss_1490_db),
            loss_1550: db(budget.loss_1550_db),
            margin: db(budget.margin_db),
            ont: format!("{} dBm", budget.ont_dbm),
            too_hot: budget.too_hot,
        }
    }
}

/// `850 m`, `2.35 km`.
fn metres(m: i64) -> String {
    if m < 1_000 { format!("{m} m") } else { format!("{} km", rust_decimal::Decimal::new(m, 3).normalize()) }
}

/// Where something stands, on its page.
#[derive(Debug, Clone, Serialize)]
struct SiteView {
    lat: f64,
    lng: f64,
    text: String,
    accuracy: &'static str,
    notes: String,
}

impl SiteView {
    fn of(site: &Site) -> Option<Self> {
        let place = site.place?;
        let (lat, lng) = (degrees(place.latitude), degrees(place.longitude));
        Some(Self {
            lat,
            lng,
            text: format!("{lat:.6}, {lng:.6}"),
            accuracy: site.accuracy.label(),
            notes: site.notes.clone().unwrap_or_default(),
        })
    }
}

/// What every form with a place has.
#[derive(Debug, Clone, Serialize)]
struct PlaceForm {
    accuracies: Vec<Choice>,
    map: MapView,
}

impl PlaceForm {
    fn new(map: MapView) -> Self {
        let accuracies = Accuracy::ALL.iter().map(|one| Choice::new(one.as_str(), one.label())).collect();
        Self { accuracies, map }
    }
}

/// A kind of node as its form calls the fields: those that a select box stands for are its own.
fn renamed(error: Error, from: &[&str], to: &'static str) -> Error {
    match error {
        Error::Invalid(wrongs) => Error::Invalid(
            wrongs
                .into_iter()
                .map(|wrong| {
                    if from.contains(&wrong.field.as_ref()) {
                        FieldError { field: to.into(), ..wrong }
                    } else {
                        wrong
                    }
                })
                .collect(),
        ),
        other => other,
    }
}

/// A choice of a select box that names a node: `splitter:0189…`.
fn node_value(node: Node) -> String {
    format!("{}:{}", node.kind().as_str(), node.id())
}
