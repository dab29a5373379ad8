//! Pages of customers.

mod activity;
mod asked;
mod bulk;
mod detail;
mod form;
mod listing;
mod map;
mod merging;

use poem::http::Method;

pub use detail::{Frame, frame};

use super::{
    CreateCustomers, DeleteCustomers, EditCustomers, ExportCustomers, MergeCustomers, ViewCustomers,
    model::{Accuracy, Status},
};
use crate::{
    access::{Guarded, PageUser, Right},
    config::Settings,
    isp::areas::AreaChoice,
    web::RouteTable,
    web::parts::{Choice, grouped},
    words::say,
};

const PATH: &str = "/customers";

/// Every page of customers.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewCustomers>(Method::GET, PATH, listing::list_customers);
    table.page::<CreateCustomers>(Method::GET, "/customers/new", form::new_customer);
    table.page::<CreateCustomers>(Method::POST, PATH, form::add_customer);
    table.page::<ViewCustomers>(Method::GET, "/customers/map", map::show_map);
    table.page::<ViewCustomers>(Method::GET, "/customers/map/data", map::map_data);
    table.page::<ExportCustomers>(Method::GET, "/customers/export", listing::export_customers);
    table.page::<ViewCustomers>(Method::POST, "/customers/bulk", bulk::change_many);
    table.page::<DeleteCustomers>(Method::POST, "/customers/undo/:at", bulk::undo_deletion);
    table.page::<MergeCustomers>(Method::POST, "/customers/merge/chosen", merging::choose_two);
    table.page::<MergeCustomers>(Method::GET, "/customers/merge", merging::show_merge);
    table.page::<MergeCustomers>(Method::POST, "/customers/merge", merging::merge_two);
    table.page::<ViewCustomers>(Method::GET, "/customers/:id", detail::show_customer);
    table.page::<EditCustomers>(Method::GET, "/customers/:id/edit", form::edit_customer);
    table.page::<EditCustomers>(Method::POST, "/customers/:id", form::save_customer);
    table.page::<EditCustomers>(Method::POST, "/customers/:id/status", detail::set_status);
    table.page::<DeleteCustomers>(Method::POST, "/customers/:id/delete", detail::delete_customer);
    table.page::<DeleteCustomers>(Method::POST, "/customers/:id/restore", detail::restore_customer);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

fn statuses() -> Vec<Choice> {
    Status::ALL.iter().map(|status| Choice::new(status.as_str(), status.label())).collect()
}

fn accuracies() -> Vec<Choice> {
    Accuracy::options()
}

/// Areas for a select box: the active ones, and the one that is chosen already.
fn area_choices(areas: &[AreaChoice], chosen: &str) -> Vec<Choice> {
    areas
        .iter()
        .filter(|area| area.is_active || area.id.to_string() == chosen)
        .map(|area| Choice::new(area.id, area.name.clone()))
        .collect()
}

/// A map's tiles and where it begins.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MapView {
    tile_url: String,
    attribution: String,
    lat: f64,
    lng: f64,
    zoom: u8,
}

impl MapView {
    /// Around `middle`, or the whole world when nothing is known yet.
    pub fn around(settings: &Settings, middle: Option<(f64, f64)>) -> Self {
        let (lat, lng, zoom) = middle.map_or((10.0, 0.0, 2), |(lat, lng)| (lat, lng, 13));
        Self {
            tile_url: settings.map.tile_url.clone(),
            attribution: match settings.map.attribution.as_str() {
                "© OpenStreetMap contributors" => say("© OpenStreetMap contributors").to_owned(),
                own => own.to_owned(),
            },
            lat,
            lng,
            zoom,
        }
    }
}

fn people(n: i64) -> String {
    if n == 1 { "1 customer".into() } else { format!("{} customers", grouped(n)) }
}
