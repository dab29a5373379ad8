//! The demo provider's plant: two cabinets, four splitters, twenty-eight NAPs, and who hangs on which port.

use super::{AREAS, DemoCustomer, DemoStatus};

/// A cabinet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DemoLcp {
    pub code: &'static str,
    pub name: &'static str,
    pub location: &'static str,
    /// Index into [`AREAS`].
    pub area: usize,
    pub latitude: f64,
    pub longitude: f64,
    /// From the OLT, in metres.
    pub fibre_m: i32,
}

/// A splitter in a cabinet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSplitter {
    pub code: &'static str,
    /// Index into [`LCPS`].
    pub lcp: usize,
    /// `1:8`
    pub kind: &'static str,
    pub outputs: i16,
    /// The most that a path loses at one output, in dB.
    pub loss_db: &'static str,
    /// How many NAPs it feeds.
    pub naps: usize,
}

/// A box at the street.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoNap {
    pub code: String,
    pub name: String,
    /// Index into [`SPLITTERS`], and the output it hangs on.
    pub splitter: usize,
    pub output: i16,
    pub ports: i16,
    pub latitude: f64,
    pub longitude: f64,
    /// From the splitter, in metres.
    pub fibre_m: i32,
}

/// Where a customer is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoDrop {
    /// Index into the NAPs; the port counts from 1.
    pub nap: usize,
    pub port: i16,
    pub drop_m: i32,
}

/// The plant, and each customer's place in it: none for those who left.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoPlant {
    pub naps: Vec<DemoNap>,
    pub drops: Vec<Option<DemoDrop>>,
}

/// West and east of the river.
pub const LCPS: [DemoLcp; 2] = [
    DemoLcp {
        code: "LCP-001",
        name: "Carmen cabinet",
        location: "Corner of Vamenta Boulevard, beside the market",
        area: 0,
        latitude: 8.476_2,
        longitude: 124.629_1,
        fibre_m: 1_850,
    },
    DemoLcp {
        code: "LCP-002",
        name: "Lapasan cabinet",
        location: "Highway, in front of the fire station",
        area: 2,
        latitude: 8.480_4,
        longitude: 124.663_8,
        fibre_m: 3_100,
    },
];

/// What hangs in the cabinets.
pub const SPLITTERS: [DemoSplitter; 4] = [
    DemoSplitter { code: "SPL-001", lcp: 0, kind: "1:8", outputs: 8, loss_db: "10.8", naps: 5 },
    DemoSplitter { code: "SPL-002", lcp: 0, kind: "1:16", outputs: 16, loss_db: "14.5", naps: 8 },
    DemoSplitter { code: "SPL-003", lcp: 1, kind: "1:32", outputs: 32, loss_db: "17.5", naps: 12 },
    DemoSplitter { code: "SPL-004", lcp: 1, kind: "1:8", outputs: 8, loss_db: "10.8", naps: 3 },
];

/// Ports of a NAP.
const PORTS: usize = 16;
const DEGREE_M: f64 = 111_320.0;

/// Builds the plant around the customers: neighbours share a NAP, which stands in the middle of them. Those for whom there is no
/// port are without one.
pub fn plant(customers: &[DemoCustomer]) -> DemoPlant {
    let mut connected: Vec<usize> = customers
        .iter()
        .enumerate()
        .filter(|(_, customer)| customer.status != DemoStatus::Terminated)
        .map(|(index, _)| index)
        .collect();
    connected.sort_by(|a, b| west_to_east(customers, *a).total_cmp(&west_to_east(customers, *b)));
    let outputs: Vec<(usize, i16)> = SPLITTERS
        .iter()
        .enumerate()
        .flat_map(|(index, splitter)| (1..).take(splitter.naps).map(move |output| (index, output)))
        .collect();
    let each = connected.len().div_ceil(outputs.len()).clamp(1, PORTS);
    let mut drops = vec![None; customers.len()];
    let mut naps = Vec::with_capacity(outputs.len());
    for (number, (splitter, output)) in outputs.into_iter().enumerate() {
        let around = connected.get(number * each..).unwrap_or_default();
        let around = around.get(..each.min(around.len())).unwrap_or_default();
        let nap = stand(customers, around, number, splitter, output);
        for (port, index) in (1..).zip(around) {
            if let (Some(slot), Some(customer)) = (drops.get_mut(*index), customers.get(*index)) {
                let away = metres((nap.latitude, nap.longitude), (customer.latitude, customer.longitude));
                *slot = Some(DemoDrop { nap: number, port, drop_m: whole(away * 1.3).clamp(15, 2_000) });
            }
        }
        naps.push(nap);
    }
    DemoPlant { naps, drops }
}

/// Whole areas stay together; within one, from west to east.
fn west_to_east(customers: &[DemoCustomer], index: usize) -> f64 {
    let Some(customer) = customers.get(index) else { return 0.0 };
    let middle = AREAS.get(customer.area).map_or(customer.longitude, |area| area.longitude);
    middle * 1_000.0 + (customer.longitude - middle) + (customer.latitude - 8.0) * 0.1
}

fn stand(
    customers: &[DemoCustomer],
    around: &[usize],
    number: usize,
    splitter: usize,
    output: i16,
) -> DemoNap {
    let lcp = SPLITTERS.get(splitter).and_then(|splitter| LCPS.get(splitter.lcp)).copied().unwrap_or(WEST);
    let served: Vec<&DemoCustomer> = around.iter().filter_map(|index| customers.get(*index)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a NAP serves at most sixteen")]
    let count = served.len() as f64;
    let (latitude, longitude) = if served.is_empty() {
        (lcp.latitude, lcp.longitude)
    } else {
        (
            served.iter().map(|customer| customer.latitude).sum::<f64>() / count,
            served.iter().map(|customer| customer.longitude).sum::<f64>() / count,
        )
    };
    let area = served.first().and_then(|customer| AREAS.get(customer.area)).map_or("Spare", |area| area.name);
    let seven = |degrees: f64| (degrees * 1e7).round() / 1e7;
    let away = metres((lcp.latitude, lcp.longitude), (latitude, longitude));
    DemoNap {
        code: format!("NAP-{:03}", number + 1),
        name: format!("{area} {}", number + 1),
        splitter,
        output,
        ports: 16,
        latitude: seven(latitude),
        longitude: seven(longitude),
        fibre_m: whole(away * 1.25).max(40),
    }
}

const WEST: DemoLcp = LCPS[0];

/// Good enough within a city.
fn metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let north = (to.0 - from.0) * DEGREE_M;
    let east = (to.1 - from.1) * DEGREE_M * from.0.to_radians().cos();
    north.hypot(east)
}

#[expect(clippy::cast_possible_truncation, reason = "metres within a city")]
fn whole(metres: f64) -> i32 {
    metres.round() as i32
}
