//! What may be done with the plant, a file per noun.

mod lcps;
mod light;
mod naps;
mod nodes;
mod ports;
mod sheets;
mod splitters;

use uuid::Uuid;

use super::store::naps::Burden;
use crate::{
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    isp::areas,
    types::AreaId,
    web::{parts::counted, typed::unknown},
    words::say,
};

pub use lcps::{change_lcp, create_lcp, delete_lcp, get_lcp};
pub use light::{
    WhatIf, change_policy, light_of_installation, light_of_nap, light_of_naps, light_of_splitter,
    light_what_if, nearest, policy,
};
pub use naps::{change_nap, create_nap, delete_nap, get_nap, move_nap};
pub use nodes::{labels, node_path};
pub use ports::{PortChange, change_port, check_port, chosen_port, ports, release_reservation};
pub use sheets::{
    NamedNap, Ports, any_free_port, hold_ports, naps_called, port_refusal, release_reservations,
};
pub use splitters::{change_splitter, create_splitter, delete_splitter, get_splitter, move_splitter};

fn event<'a>(action: &'static str, object_type: &'static str, id: Uuid, label: &'a str) -> Event<'a> {
    Event { action, object_type, object_id: Some(id), object_label: label, before: None, after: None }
}

/// An id in a body that is of nothing here.
fn unknown_in(field: &'static str, what: &str) -> Error {
    Error::Invalid(vec![unknown(what).at(field)])
}

/// Refuses an area that is not here. One that was switched off may stay where it is.
async fn check_area(tx: &TenantTx, area: Option<AreaId>, was: Option<AreaId>) -> Result<()> {
    let Some(area) = area.filter(|area| Some(*area) != was) else { return Ok(()) };
    match areas::find_name(tx, area).await? {
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(Error::invalid("area_id", "switched_off", "This area is switched off.")),
        None => Err(unknown_in("area_id", "area")),
    }
}

/// Refuses to delete what is in use, and says by what.
fn refuse_in_use(label: &str, burden: Burden) -> Result<()> {
    let by: Vec<String> = [
        (burden.splitters, "splitter", "splitters"),
        (burden.naps, "NAP", "NAPs"),
        (burden.installations, "installation", "installations"),
        (burden.outages, "open outage", "open outages"),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, one, many)| counted(n, one, many))
    .collect();
    if by.is_empty() {
        return Ok(());
    }
    Err(Error::conflict("in_use", say!("{} is in use by {}.", label, by.join(", "))))
}
