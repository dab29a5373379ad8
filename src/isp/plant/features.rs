//! The network map as GeoJSON: points of five layers with the lines that lead to them, and cells where there are too many.

use std::collections::HashSet;

use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use super::store::map as store;
use crate::{
    access::By,
    db::TenantTx,
    error::{Error, Result},
    types::BoundingBox,
    words::say,
};

/// A layer of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Enum)]
#[oai(rename = "MapLayer", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Lcps,
    Splitters,
    Naps,
    Customers,
    Installations,
}

impl Layer {
    pub const ALL: [Self; 5] =
        [Self::Lcps, Self::Splitters, Self::Naps, Self::Customers, Self::Installations];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lcps => "lcps",
            Self::Splitters => "splitters",
            Self::Naps => "naps",
            Self::Customers => "customers",
            Self::Installations => "installations",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Lcps => say("LCPs"),
            Self::Splitters => say("Splitters"),
            Self::Naps => say("NAPs"),
            Self::Customers => say("Customers"),
            Self::Installations => say("Installations"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.as_str() == text)
    }

    /// Whether a caller who sees the plant sees this layer too.
    pub fn is_seen_by(self, by: &By) -> bool {
        match self {
            Self::Lcps | Self::Splitters | Self::Naps => true,
            Self::Customers => by.rights.holds("customers.view"),
            Self::Installations => by.rights.holds("installations.view") && by.rights.holds("customers.view"),
        }
    }

    /// The page of something on this layer.
    pub fn href(self, id: Uuid) -> String {
        match self {
            Self::Lcps => format!("/plant/lcps/{id}"),
            Self::Splitters => format!("/plant/splitters/{id}"),
            Self::Naps => format!("/plant/naps/{id}"),
            Self::Customers => format!("/customers/{id}"),
            Self::Installations => format!("/installations/{id}"),
        }
    }
}

/// Something on the map. Places are longitude and latitude.
#[derive(Debug, Clone)]
pub struct Point {
    pub id: Uuid,
    pub layer: Layer,
    pub at: (f64, f64),
    /// Where the fibre comes from.
    pub from: Option<(f64, f64)>,
    pub title: String,
    pub status: Option<String>,
    pub radius_m: Option<i32>,
    pub used: Option<i64>,
    pub capacity: Option<i64>,
    /// An outage has reached it.
    pub is_down: bool,
    /// What its popup says.
    pub lines: Vec<String>,
}

/// Many of one layer, gathered.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub layer: Layer,
    pub at: (f64, f64),
    pub count: i64,
}

/// What of the map is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub inside: BoundingBox,
    pub layers: Vec<Layer>,
    /// Of customers and installations.
    pub statuses: Vec<String>,
}

impl Asked {
    /// Reads a box, layers and statuses parted by commas. No layers are all of them.
    pub fn parse(inside: &str, layers: &str, statuses: &str) -> Result<Self> {
        let inside = BoundingBox::parse(inside).map_err(|wrong| Error::Invalid(vec![wrong.at("bbox")]))?;
        let parted = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let layers = match layers.trim() {
            "" => Layer::ALL.to_vec(),
            text => parted(text)
                .iter()
                .map(|name| Layer::parse(name))
                .collect::<Option<_>>()
                .ok_or_else(unknown_layer)?,
        };
        let statuses = parted(statuses);
        let known = ["scheduled", "active", "inactive", "suspended", "terminated"];
        if statuses.iter().any(|status| !known.contains(&status.as_str())) {
            return Err(Error::invalid(
                "status",
                "not_a_choice",
                "A status is scheduled, active, inactive, suspended or terminated.",
            ));
        }
        Ok(Self { inside, layers, statuses })
    }
}

fn unknown_layer() -> Error {
    Error::invalid(
        "layers",
        "not_a_choice",
        "Layers are lcps, splitters, naps, customers, installations, parted by commas.",
    )
}

/// What a caller may see of the map inside a box.
pub async fn map(tx: &TenantTx, by: &By, asked: &Asked) -> Result<PlantFeatures> {
    tx.plan_for_each().await?;
    let down = store::down(tx).await?;
    let statuses = Some(asked.statuses.as_slice()).filter(|statuses| !statuses.is_empty());
    let seen: HashSet<Layer> = asked.layers.iter().copied().filter(|layer| layer.is_seen_by(by)).collect();
    let mut all =
        PlantFeatures { kind: CollectionType::FeatureCollection, features: Vec::new(), clusters: Vec::new() };
    for layer in Layer::ALL.into_iter().filter(|layer| seen.contains(layer)) {
        let found = store::layer(tx, layer, asked.inside, statuses, &down).await?;
        all.features.extend(found.points.into_iter().map(PlantFeature::from));
        all.clusters.extend(found.clusters.into_iter().map(|cluster| PlantCluster {
            layer: cluster.layer,
            coordinates: vec![rounded(cluster.at.0), rounded(cluster.at.1)],
            count: cluster.count,
        }));
    }
    Ok(all)
}

/// A metre is a hundred-thousandth of a degree: more would only make the answer longer.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[oai(rename = "PlantCollectionType")]
enum CollectionType {
    FeatureCollection,
}

#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[oai(rename = "PlantFeatureType")]
enum FeatureType {
    Feature,
}

#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[oai(rename = "PlantPointType")]
enum PointType {
    Point,
}

/// The plant inside a box, as GeoJSON (RFC 7946).
#[derive(Debug, Serialize, Object)]
pub struct PlantFeatures {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: CollectionType,
    features: Vec<PlantFeature>,
    /// Layers of which there are too many inside the box, gathered. Their points come with a smaller box.
    clusters: Vec<PlantCluster>,
}

/// One point of the plant.
#[derive(Debug, Serialize, Object)]
pub struct PlantFeature {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: FeatureType,
    id: Uuid,
    geometry: PlantPoint,
    properties: PlantProperties,
}

/// Where it is.
#[derive(Debug, Serialize, Object)]
pub struct PlantPoint {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: PointType,
    /// Longitude, latitude.
    coordinates: Vec<f64>,
}

/// What it is.
#[derive(Debug, Serialize, Object)]
pub struct PlantProperties {
    layer: Layer,
    title: String,
    /// What there is to say of it.
    lines: Vec<String>,
    /// The page in the portal.
    href: String,
    /// Of customers and installations.
    #[oai(nullable)]
    status: Option<String>,
    /// An outage has reached it.
    is_down: bool,
    /// Longitude and latitude of what its fibre comes from.
    #[oai(nullable)]
    from: Option<Vec<f64>>,
    /// How far an LCP reaches, in metres.
    #[oai(nullable)]
    radius_m: Option<i32>,
    #[oai(nullable)]
    used: Option<i64>,
    #[oai(nullable)]
    capacity: Option<i64>,
}

/// Many points of one layer that stand close together.
#[derive(Debug, Serialize, Object)]
pub struct PlantCluster {
    layer: Layer,
    /// Longitude, latitude.
    coordinates: Vec<f64>,
    count: i64,
}

impl From<Point> for PlantFeature {
    fn from(point: Point) -> Self {
        let pair = |(lng, lat): (f64, f64)| vec![rounded(lng), rounded(lat)];
        Self {
            kind: FeatureType::Feature,
            id: point.id,
            geometry: PlantPoint { kind: PointType::Point, coordinates: pair(point.at) },
            properties: PlantProperties {
                layer: point.layer,
                title: point.title,
                lines: point.lines,
                href: point.layer.href(point.id),
                status: point.status,
                is_down: point.is_down,
                from: point.from.map(pair),
                radius_m: point.radius_m,
                used: point.used,
                capacity: point.capacity,
            },
        }
    }
}
