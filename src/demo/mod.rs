//! A believable provider for the first look: `CdeO Fiber` in Cagayan de Oro, made up from a seed. Data only, no
//! database; whoever seeds a tenant stores it through the same rules as everyone else.
//!
//! Nobody here exists: mail domains are reserved for examples (RFC 2606), and names are drawn from common ones.

mod names;
mod plant;
#[cfg(test)]
mod sheet;
#[cfg(test)]
mod tests;
mod year;

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use self::names::{FEMALE, MALE, NOTES, STREETS, SUBDIVISIONS, SURNAMES};
#[cfg(test)]
pub use self::sheet::customers_csv;
pub use self::{
    plant::{DemoDrop, DemoPlant, LCPS, SPLITTERS, plant},
    year::{DemoPlan, DemoSale, PLANS, year},
};

/// The demo provider's name.
pub const COMPANY: &str = "CdeO Fiber";
/// Its slug.
pub const SLUG: &str = "cdeo";
/// Where it works.
pub const TIME_ZONE: &str = "Asia/Manila";
/// What it is paid in.
pub const CURRENCY: &str = "PHP";
/// The country of its phone numbers.
pub const COUNTRY: &str = "PH";

/// What it calls an area.
pub const AREA_WORD: &str = "Barangay";

/// A barangay that the demo provider serves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DemoArea {
    pub name: &'static str,
    pub code: &'static str,
    pub description: &'static str,
    /// The middle of its built-up part, roughly.
    pub latitude: f64,
    pub longitude: f64,
    /// How far from the middle customers live, in metres.
    pub spread_m: f64,
    /// How many customers it has beside the others.
    pub weight: u32,
}

/// Twelve barangays of Cagayan de Oro.
pub const AREAS: [DemoArea; 12] = [
    area("Carmen", "CAR", "West bank, the city's largest barangay", (8.4748, 124.6297), 900.0, 16),
    area("Nazareth", "NAZ", "Subdivisions south of the centre", (8.4686, 124.6469), 450.0, 8),
    area("Lapasan", "LAP", "Along the highway to the port", (8.4811, 124.6653), 600.0, 9),
    area("Gusa", "GUS", "East side, highway and hills", (8.4768, 124.6834), 600.0, 8),
    area("Cugman", "CUG", "East side, around the bridge", (8.4685, 124.7025), 600.0, 6),
    area("Macasandig", "MAC", "Upstream on the east bank", (8.4579, 124.6508), 700.0, 10),
    area("Kauswagan", "KAU", "West side, towards the bay", (8.4975, 124.6363), 650.0, 12),
    area("Bulua", "BUL", "Western terminal and market", (8.5037, 124.6150), 600.0, 9),
    area("Balulang", "BAL", "Upstream on the west bank", (8.4539, 124.6308), 800.0, 9),
    area("Camaman-an", "CAM", "Hillside south-east of the centre", (8.4673, 124.6571), 600.0, 6),
    area("Lumbia", "LUM", "Uptown, around the old airport", (8.4090, 124.6060), 900.0, 4),
    area("Puerto", "PUE", "Eastern junction", (8.4980, 124.7540), 500.0, 3),
];

const fn area(
    name: &'static str,
    code: &'static str,
    description: &'static str,
    (latitude, longitude): (f64, f64),
    spread_m: f64,
    weight: u32,
) -> DemoArea {
    DemoArea { name, code, description, latitude, longitude, spread_m, weight }
}

/// Where a demo customer stands; the words are those of the customer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DemoStatus {
    Active,
    Inactive,
    Suspended,
    Terminated,
}

impl DemoStatus {
    /// The word in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
        }
    }
}

/// A customer of the demo provider.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoCustomer {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    /// E.164, `+639...`.
    pub phone: String,
    pub street_address: String,
    /// Index into [`AREAS`].
    pub area: usize,
    pub status: DemoStatus,
    /// Seven decimals, as the database keeps them.
    pub latitude: f64,
    pub longitude: f64,
    pub joined_on: NaiveDate,
    pub notes: Option<&'static str>,
}

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_320.0;
/// Customers joined in the last three years.
const JOINED_WITHIN_DAYS: u64 = 3 * 365;
/// Mobile prefixes of several networks. With the local part 555xxxx, which film and fiction use, they are valid in
/// form and look like nobody's.
const MOBILE_PREFIXES: [&str; 11] =
    ["905", "915", "917", "918", "920", "927", "939", "945", "956", "977", "998"];

/// `count` customers, the same for the same arguments. Phone numbers are distinct up to 110,000 customers, e-mail
/// addresses always.
pub fn customers(seed: u64, count: usize, today: NaiveDate) -> Vec<DemoCustomer> {
    let mut rng = StdRng::seed_from_u64(seed);
    let offset = rng.random_range(0..10_000);
    let mut emails = HashSet::with_capacity(count);
    (0..count).map(|index| customer(&mut rng, index, offset, &mut emails, today)).collect()
}

fn customer(
    rng: &mut StdRng,
    index: usize,
    offset: usize,
    emails: &mut HashSet<String>,
    today: NaiveDate,
) -> DemoCustomer {
    let (first_name, last_name) = person(rng);
    let (area, place) = home(rng);
    let (latitude, longitude) = nearby(rng, place);
    let status = match rng.random_range(0..100) {
        0..82 => DemoStatus::Active,
        82..90 => DemoStatus::Suspended,
        90..96 => DemoStatus::Inactive,
        _ => DemoStatus::Terminated,
    };
    // More joined lately than long ago: a provider that grows.
    let age: f64 = rng.random::<f64>().powf(1.4);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0..=1095"
    )]
    let days_ago = (age * JOINED_WITHIN_DAYS as f64) as u64;
    let notes = rng.random_bool(0.18).then(|| NOTES.choose(rng).copied()).flatten();
    DemoCustomer {
        email: email(rng, &first_name, &last_name, emails),
        first_name,
        last_name,
        phone: phone(index, offset),
        street_address: street_address(rng),
        area,
        status,
        latitude,
        longitude,
        joined_on: today.checked_sub_days(Days::new(days_ago)).unwrap_or(today),
        notes,
    }
}

fn person(rng: &mut StdRng) -> (String, String) {
    let given = if rng.random_bool(0.5) { FEMALE } else { MALE };
    let mut first = pick(rng, given).to_owned();
    if rng.random_bool(0.2) {
        let second = pick(rng, given);
        if second != first {
            first = format!("{first} {second}");
        }
    }
    let mut last = pick(rng, SURNAMES).to_owned();
    if given == MALE && rng.random_bool(0.04) {
        last.push_str(" Jr.");
    }
    (first, last)
}

fn home(rng: &mut StdRng) -> (usize, &'static DemoArea) {
    let total: u32 = AREAS.iter().map(|area| area.weight).sum();
    let mut ticket = rng.random_range(0..total);
    for (index, area) in AREAS.iter().enumerate() {
        if ticket < area.weight {
            return (index, area);
        }
        ticket -= area.weight;
    }
    // Unreachable: a ticket is below the sum of the weights.
    (0, &FIRST)
}

const FIRST: DemoArea = AREAS[0];

/// A point around the middle of an area, evenly over the disc.
fn nearby(rng: &mut StdRng, area: &DemoArea) -> (f64, f64) {
    let distance = area.spread_m * rng.random::<f64>().sqrt();
    let bearing = rng.random_range(0.0..std::f64::consts::TAU);
    let latitude = area.latitude + distance * bearing.cos() / DEGREE_M;
    let longitude = area.longitude + distance * bearing.sin() / (DEGREE_M * area.latitude.to_radians().cos());
    let seven = |degrees: f64| (degrees * 1e7).round() / 1e7;
    (seven(latitude), seven(longitude))
}

fn street_address(rng: &mut StdRng) -> String {
    let street = pick(rng, STREETS);
    match rng.random_range(0..10) {
        0..4 => format!("{} {street}", rng.random_range(1..250)),
        4..7 => {
            let (block, lot) = (rng.random_range(1..30), rng.random_range(1..40));
            format!("Block {block} Lot {lot}, {}", pick(rng, SUBDIVISIONS))
        }
        7..9 => format!("Zone {}, {street}", rng.random_range(1..13)),
        _ => format!("{} {street}, {}", rng.random_range(1..250), pick(rng, SUBDIVISIONS)),
    }
}

/// Distinct for every index below 110,000: prefixes and local numbers turn at periods without a common divisor.
fn phone(index: usize, offset: usize) -> String {
    let prefix = MOBILE_PREFIXES.iter().cycle().nth(index % MOBILE_PREFIXES.len()).unwrap_or(&"917");
    format!("+63{prefix}555{:04}", (index.wrapping_mul(7919) + offset) % 10_000)
}

fn email(rng: &mut StdRng, first: &str, last: &str, taken: &mut HashSet<String>) -> String {
    const DOMAINS: &[&str] = &["example.com", "example.com", "example.org", "example.net"];
    let plain = |name: &str| -> String {
        let name = name.to_lowercase().replace('ñ', "n");
        name.chars().filter(char::is_ascii_lowercase).collect()
    };
    let first = plain(first.split(' ').next().unwrap_or(first));
    let last = plain(last.trim_end_matches(" Jr."));
    let initial = first.get(..1).unwrap_or("x");
    let local = match rng.random_range(0..4) {
        0 => format!("{first}{last}"),
        1 => format!("{initial}{last}"),
        2 => format!("{first}_{last}"),
        _ => format!("{first}.{last}"),
    };
    let domain = pick(rng, DOMAINS);
    let mut address = format!("{local}@{domain}");
    let mut number = rng.random_range(2..90u32);
    while !taken.insert(address.clone()) {
        address = format!("{local}{number}@{domain}");
        number += 1;
    }
    address
}

/// One of a list that is never empty.
fn pick(rng: &mut StdRng, list: &'static [&'static str]) -> &'static str {
    list.choose(rng).copied().unwrap_or("")
}
