//! Pages of installations.

mod acts;
mod detail;
mod form;
mod listing;
mod ports;

use chrono::NaiveDate;
use poem::http::Method;

pub use detail::{Frame, frame};

use super::{CreateInstallations, EditInstallations, TerminateInstallations, ViewInstallations};
use crate::{
    access::{Colleague, Guarded, PageUser, Right},
    isp::areas::AreaChoice,
    web::RouteTable,
    web::parts::Choice,
    words::locale,
};

const PATH: &str = "/installations";

/// Every page of installations.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewInstallations>(Method::GET, PATH, listing::list_installations);
    table.page::<ViewInstallations>(Method::GET, "/installations/export", listing::export_installations);
    table.page::<CreateInstallations>(Method::GET, "/installations/new", form::new_installation);
    table.page::<CreateInstallations>(Method::POST, PATH, form::add_installation);
    table.page::<ViewInstallations>(Method::GET, "/installations/ports", ports::show_ports);
    table.page::<ViewInstallations>(Method::GET, "/installations/:id", detail::show_installation);
    table.page::<EditInstallations>(Method::GET, "/installations/:id/edit", form::edit_installation);
    table.page::<EditInstallations>(Method::POST, "/installations/:id", form::save_installation);
    table.page::<EditInstallations>(Method::GET, "/installations/:id/port", ports::choose_port);
    table.page::<EditInstallations>(Method::POST, "/installations/:id/port", ports::move_port);
    table.page::<EditInstallations>(Method::POST, "/installations/:id/router", acts::exchange_router);
    table.page::<EditInstallations>(Method::POST, "/installations/:id/complete", acts::complete);
    table.page::<EditInstallations>(Method::POST, "/installations/:id/suspend", acts::suspend);
    table.page::<EditInstallations>(Method::POST, "/installations/:id/resume", acts::resume);
    table.page::<TerminateInstallations>(Method::POST, "/installations/:id/terminate", acts::terminate);
    table.page::<ViewInstallations>(Method::GET, "/customers/:id/installations", listing::of_customer);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// A day as people read it: `3 November 2026`.
fn day_text(day: NaiveDate) -> String {
    day.format_localized("%-d %B %Y", locale()).to_string()
}

/// Those who work here, and whoever was chosen before and left.
fn technicians(colleagues: Vec<Colleague>, chosen: Option<(String, String)>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = colleagues.into_iter().map(|one| Choice::new(one.id, one.name)).collect();
    if let Some((id, name)) = chosen
        && !choices.iter().any(|choice| choice.value == id)
    {
        choices.push(Choice::new(id, format!("{name} (left)")));
    }
    choices
}

/// Areas for a select box: the active ones, and the one that is chosen already.
fn area_choices(areas: &[AreaChoice], chosen: &str) -> Vec<Choice> {
    areas
        .iter()
        .filter(|area| area.is_active || area.id.to_string() == chosen)
        .map(|area| Choice::new(area.id, area.name.clone()))
        .collect()
}
