//! The plant in answers.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    isp::{
        customers::Accuracy,
        plant::{
            budget::{Budget, Grade, OltClass, Policy},
            fibre::Stretch,
            model::{PortCounts, PortState, PortView, SplitterType},
            paths::NapPath,
            store::{
                lcps::CountedLcp,
                naps::CountedNap,
                nearest::Near,
                splitters::{CountedSplitter, Output},
            },
        },
        site::Site,
    },
    types::degrees,
};

/// A decimal as a number of JSON; what is computed is decimal until here.
fn number(value: Decimal) -> f64 {
    degrees(value.normalize())
}

/// How ports stand.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PortCounts")]
pub struct CountsView {
    total: i64,
    used: i64,
    free: i64,
    reserved: i64,
    faulty: i64,
}

impl From<PortCounts> for CountsView {
    fn from(counts: PortCounts) -> Self {
        let PortCounts { total, used, free, reserved, faulty } = counts;
        Self { total, used, free, reserved, faulty }
    }
}

/// Fibre with what was counted on it.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "FibreStretch")]
pub struct StretchView {
    fibre_m: i32,
    /// Null when nobody counted.
    #[oai(nullable)]
    connectors: Option<i16>,
    #[oai(nullable)]
    splices: Option<i16>,
}

impl From<Stretch> for StretchView {
    fn from(stretch: Stretch) -> Self {
        Self { fibre_m: stretch.fibre_m, connectors: stretch.connectors, splices: stretch.splices }
    }
}

/// Where something stands.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PlantSite")]
pub struct SiteView {
    #[oai(nullable)]
    latitude: Option<f64>,
    #[oai(nullable)]
    longitude: Option<f64>,
    location_accuracy: Accuracy,
    #[oai(nullable)]
    location_notes: Option<String>,
}

impl From<Site> for SiteView {
    fn from(site: Site) -> Self {
        Self {
            latitude: site.place.map(|place| degrees(place.latitude)),
            longitude: site.place.map(|place| degrees(place.longitude)),
            location_accuracy: site.accuracy,
            location_notes: site.notes,
        }
    }
}

/// A cabinet that a fibre from the OLT ends in.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Lcp")]
pub struct LcpView {
    id: Uuid,
    code: String,
    name: String,
    #[oai(nullable)]
    location: Option<String>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    #[oai(nullable)]
    area: Option<String>,
    is_active: bool,
    #[oai(nullable)]
    notes: Option<String>,
    coverage_radius_m: i32,
    #[oai(nullable)]
    olt_name: Option<String>,
    olt_class: OltClass,
    olt_tx_dbm: f64,
    /// From the OLT to here.
    fibre: StretchView,
    site: SiteView,
    splitters: i64,
    naps: i64,
    ports: CountsView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<CountedLcp> for LcpView {
    fn from(counted: CountedLcp) -> Self {
        let draft = counted.lcp.draft;
        Self {
            id: counted.lcp.id.0,
            code: draft.code,
            name: draft.name,
            location: draft.location,
            area_id: draft.area_id.map(|area| area.0),
            area: counted.area,
            is_active: draft.is_active,
            notes: draft.notes,
            coverage_radius_m: draft.coverage_radius_m,
            olt_name: draft.olt_name,
            olt_class: draft.olt_class,
            olt_tx_dbm: number(draft.olt_tx_dbm),
            fibre: draft.stretch.into(),
            site: draft.site.into(),
            splitters: counted.splitters,
            naps: counted.naps,
            ports: counted.ports.into(),
            created_at: counted.lcp.created_at,
            updated_at: counted.lcp.updated_at,
        }
    }
}

/// What divides the light.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Splitter")]
pub struct SplitterView {
    id: Uuid,
    lcp_id: Uuid,
    lcp_code: String,
    /// The splitter that it hangs on; null when it hangs on the LCP itself.
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    #[oai(nullable)]
    parent_output: Option<i16>,
    /// 1 on the LCP itself; at most 4.
    depth: i16,
    code: String,
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: SplitterType,
    /// What each output loses in dB, from the first on.
    losses: Vec<f64>,
    used_outputs: i64,
    naps: i64,
    #[oai(nullable)]
    location: Option<String>,
    is_active: bool,
    /// From what it hangs on to here.
    fibre: StretchView,
    site: SiteView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<CountedSplitter> for SplitterView {
    fn from(counted: CountedSplitter) -> Self {
        let splitter = counted.splitter;
        let draft = splitter.draft;
        Self {
            id: splitter.id.0,
            lcp_id: splitter.lcp_id.0,
            lcp_code: counted.lcp_code,
            parent_id: splitter.parent.map(|(parent, _)| parent.0),
            parent_output: splitter.parent.map(|(_, output)| output),
            depth: splitter.depth,
            code: draft.code,
            kind: draft.kind,
            losses: draft.losses.into_iter().map(number).collect(),
            used_outputs: counted.used_outputs,
            naps: counted.naps,
            location: draft.location,
            is_active: draft.is_active,
            fibre: draft.stretch.into(),
            site: draft.site.into(),
            created_at: splitter.created_at,
            updated_at: splitter.updated_at,
        }
    }
}

/// Something that hangs on an output.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PlantReference")]
pub struct Reference {
    id: Uuid,
    code: String,
}

/// One output of a splitter.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "SplitterOutput")]
pub struct OutputView {
    number: i16,
    loss_db: f64,
    /// The splitter that hangs on it.
    #[oai(nullable)]
    splitter: Option<Reference>,
    /// The NAPs that share it.
    naps: Vec<Reference>,
    /// The light that leaves it.
    light: BudgetView,
}

impl OutputView {
    pub fn new(output: Output, light: Budget) -> Self {
        Self {
            number: output.number,
            loss_db: number(output.loss_db),
            splitter: output.splitter.map(|(id, code)| Reference { id: id.0, code }),
            naps: output.naps.into_iter().map(|(id, code)| Reference { id: id.0, code }).collect(),
            light: light.into(),
        }
    }
}

/// A splitter with its outputs.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "SplitterOutputs")]
pub struct OutputList {
    pub items: Vec<OutputView>,
}

/// A box at the street.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Nap")]
pub struct NapView {
    id: Uuid,
    lcp_id: Uuid,
    lcp_code: String,
    splitter_id: Uuid,
    splitter_code: String,
    splitter_output: i16,
    code: String,
    name: String,
    #[oai(nullable)]
    location: Option<String>,
    port_capacity: i16,
    is_active: bool,
    #[oai(nullable)]
    notes: Option<String>,
    max_distance_m: i32,
    /// From the splitter to here.
    fibre: StretchView,
    site: SiteView,
    ports: CountsView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<CountedNap> for NapView {
    fn from(counted: CountedNap) -> Self {
        let nap = counted.nap;
        let draft = nap.draft;
        Self {
            id: nap.id.0,
            lcp_id: counted.lcp_id.0,
            lcp_code: counted.lcp_code,
            splitter_id: nap.splitter_id.0,
            splitter_code: counted.splitter_code,
            splitter_output: nap.splitter_output,
            code: draft.code,
            name: draft.name,
            location: draft.location,
            port_capacity: draft.port_capacity,
            is_active: draft.is_active,
            notes: draft.notes,
            max_distance_m: draft.max_distance_m,
            fibre: draft.stretch.into(),
            site: draft.site.into(),
            ports: counted.ports.into(),
            created_at: nap.created_at,
            updated_at: nap.updated_at,
        }
    }
}

/// A customer on a port, or for whom one is kept.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PortCustomer")]
pub struct PortCustomer {
    id: Uuid,
    name: String,
}

/// A port of a NAP.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Port")]
pub struct PortAnswer {
    number: i16,
    state: PortState,
    /// Also of a used one.
    is_faulty: bool,
    /// The installation that holds it.
    #[oai(nullable)]
    installation_id: Option<Uuid>,
    /// Whose installation it is; null too when the caller may not see customers.
    #[oai(nullable)]
    customer: Option<PortCustomer>,
    #[oai(nullable)]
    reserved_until: Option<DateTime<Utc>>,
    #[oai(nullable)]
    reserved_for: Option<PortCustomer>,
    #[oai(nullable)]
    note: Option<String>,
}

impl PortAnswer {
    pub fn new(port: PortView, sees_customers: bool) -> Self {
        let state = port.state();
        let shown = |id: Uuid, name: String| sees_customers.then_some(PortCustomer { id, name });
        let installation_id = port.held_by.as_ref().map(|holder| holder.installation.0);
        Self {
            number: port.number,
            state,
            is_faulty: port.is_faulty,
            installation_id,
            customer: port.held_by.and_then(|holder| shown(holder.customer.0, holder.name)),
            reserved_until: port.reserved_until,
            reserved_for: port.reserved_for.and_then(|(id, name)| shown(id.0, name)),
            note: port.note,
        }
    }
}

/// The ports of a NAP, in order.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PortList")]
pub struct PortList {
    pub items: Vec<PortAnswer>,
}

/// How much light arrives.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "OpticalBudget")]
pub struct BudgetView {
    olt_class: OltClass,
    olt_tx_dbm: f64,
    /// Fibre of the whole way, in metres.
    fibre_m: i64,
    connectors: i64,
    splices: i64,
    /// What the splitters alone lose.
    split_db: f64,
    loss_1310_db: f64,
    loss_1490_db: f64,
    loss_1550_db: f64,
    /// What the class stands.
    budget_db: f64,
    /// What is left at 1310 nm.
    margin_db: f64,
    /// What an ONT should read at 1490 nm.
    ont_dbm: f64,
    grade: Grade,
    /// Less is lost than the receivers stand.
    too_hot: bool,
}

impl From<Budget> for BudgetView {
    fn from(budget: Budget) -> Self {
        Self {
            olt_class: budget.class,
            olt_tx_dbm: number(budget.tx_dbm),
            fibre_m: budget.fibre_m,
            connectors: budget.connectors,
            splices: budget.splices,
            split_db: number(budget.split_db),
            loss_1310_db: number(budget.loss_1310_db),
            loss_1490_db: number(budget.loss_1490_db),
            loss_1550_db: number(budget.loss_1550_db),
            budget_db: number(budget.class.budget_db()),
            margin_db: number(budget.margin_db),
            ont_dbm: number(budget.ont_dbm),
            grade: budget.grade,
            too_hot: budget.too_hot,
        }
    }
}

/// A NAP with a free port that is near a place.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "NearNap")]
pub struct NearView {
    id: Uuid,
    code: String,
    name: String,
    /// `LCP-001 › SP-1 port 3 › NAP-003`.
    path: String,
    latitude: f64,
    longitude: f64,
    /// Along the earth's surface.
    distance_m: f64,
    /// Whether a drop may go so far from there.
    is_inside: bool,
    max_distance_m: i32,
    free_ports: i64,
    /// The light that a straight drop would bring.
    light: BudgetView,
}

impl From<(Near, NapPath, Budget)> for NearView {
    fn from((near, path, light): (Near, NapPath, Budget)) -> Self {
        Self {
            id: near.id.0,
            path: path.label(),
            latitude: near.latitude,
            longitude: near.longitude,
            distance_m: (near.distance_m * 10.0).round() / 10.0,
            is_inside: near.is_inside(),
            max_distance_m: near.max_distance_m,
            free_ports: near.free,
            code: near.code,
            name: near.name,
            light: light.into(),
        }
    }
}

/// NAPs, nearest first.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "NearNaps")]
pub struct NearList {
    pub items: Vec<NearView>,
}

/// How light is counted.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PlantPolicy")]
pub struct PolicyView {
    fibre_1310_db_km: f64,
    fibre_1490_db_km: f64,
    fibre_1550_db_km: f64,
    connector_db: f64,
    splice_db: f64,
    /// What a way has when nobody counted.
    usual_connectors: i16,
    usual_splices: i16,
    /// A margin from here on is green.
    green_margin_db: f64,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            fibre_1310_db_km: number(policy.fibre_1310_db_km),
            fibre_1490_db_km: number(policy.fibre_1490_db_km),
            fibre_1550_db_km: number(policy.fibre_1550_db_km),
            connector_db: number(policy.connector_db),
            splice_db: number(policy.splice_db),
            usual_connectors: policy.usual_connectors,
            usual_splices: policy.usual_splices,
            green_margin_db: number(policy.green_margin_db),
        }
    }
}
