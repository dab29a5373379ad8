//! All SQL of the plant, a file per noun.

pub mod lcps;
pub mod map;
pub mod naps;
pub mod nearest;
pub mod paths;
pub mod policy;
pub mod ports;
pub mod splitters;
pub mod tree;

use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::{fibre::Stretch, model::PortCounts};
use crate::{
    isp::{customers::Accuracy, site::Site},
    types::Coordinates,
};

/// The place that stands in seven columns from `at` on: fibre, connectors, splices, latitude, longitude, accuracy, notes.
fn ground_of(row: &Row, at: usize) -> (Stretch, Site) {
    let stretch = Stretch { fibre_m: row.get(at), connectors: row.get(at + 1), splices: row.get(at + 2) };
    let halves = (row.get::<_, Option<Decimal>>(at + 3), row.get::<_, Option<Decimal>>(at + 4));
    let place = match halves {
        (Some(latitude), Some(longitude)) => Some(Coordinates { latitude, longitude }),
        _ => None,
    };
    let accuracy = Accuracy::from_column(row.get(at + 5));
    (stretch, Site { place, accuracy, notes: row.get(at + 6) })
}

/// The counts that stand in five columns from `at` on.
fn counts_of(row: &Row, at: usize) -> PortCounts {
    PortCounts {
        total: row.get(at),
        used: row.get(at + 1),
        free: row.get(at + 2),
        reserved: row.get(at + 3),
        faulty: row.get(at + 4),
    }
}

/// Latitude and longitude of a place, each or nothing.
fn halves(site: &Site) -> (Option<Decimal>, Option<Decimal>) {
    (site.place.map(|place| place.latitude), site.place.map(|place| place.longitude))
}

/// Counts of ports `p` with their holders `i`, as five columns.
macro_rules! port_counts {
    () => {
        "count(p.number) AS total, count(i.id) AS used, \
         count(p.number) FILTER (WHERE i.id IS NULL AND NOT p.is_faulty \
             AND (p.reserved_until IS NULL OR p.reserved_until <= now())) AS free, \
         count(p.number) FILTER (WHERE i.id IS NULL AND NOT p.is_faulty AND p.reserved_until > now()) AS reserved, \
         count(p.number) FILTER (WHERE i.id IS NULL AND p.is_faulty) AS faulty"
    };
}

/// Ports with whoever holds them.
macro_rules! held_ports {
    () => {
        "nap_port p LEFT JOIN installation i ON i.nap_id = p.nap_id AND i.nap_port = p.number AND i.status <> 'terminated'"
    };
}
use {held_ports, port_counts};
