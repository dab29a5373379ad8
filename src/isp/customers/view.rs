//! Customers as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use super::{
    list::{Counts, Spot},
    many::Outcome,
    model::{Accuracy, Customer, Likeness, Lookalike, Status},
};
use crate::types::degrees;

/// A customer.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Customer")]
pub struct CustomerView {
    id: Uuid,
    /// What the provider's own books call this customer.
    #[oai(nullable)]
    reference: Option<String>,
    first_name: String,
    last_name: String,
    #[oai(nullable)]
    email: Option<String>,
    /// E.164 where the numbering plan knows the number, else its digits.
    #[oai(nullable)]
    phone_primary: Option<String>,
    #[oai(nullable)]
    street_address: Option<String>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    status: Status,
    #[oai(nullable)]
    notes: Option<String>,
    #[oai(nullable)]
    latitude: Option<f64>,
    #[oai(nullable)]
    longitude: Option<f64>,
    location_accuracy: Accuracy,
    #[oai(nullable)]
    location_notes: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        let details = customer.details;
        Self {
            id: customer.id.0,
            reference: details.reference,
            first_name: details.first_name,
            last_name: details.last_name,
            email: details.email.map(String::from),
            phone_primary: details.phone_primary.map(String::from),
            street_address: details.street_address,
            area_id: details.area_id.map(|id| id.0),
            status: details.status,
            notes: details.notes,
            latitude: details.place.map(|place| degrees(place.latitude)),
            longitude: details.place.map(|place| degrees(place.longitude)),
            location_accuracy: details.location_accuracy,
            location_notes: details.location_notes,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

/// One page of customers.
#[derive(Debug, Serialize, Object)]
pub struct CustomerList {
    pub items: Vec<CustomerView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
}

/// How many customers there are.
#[derive(Debug, Serialize, Object)]
pub struct CustomerCounts {
    total: i64,
    active: i64,
    inactive: i64,
    suspended: i64,
    terminated: i64,
    /// How many of them are on the map.
    located: i64,
}

impl From<Counts> for CustomerCounts {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total(),
            active: counts.active,
            inactive: counts.inactive,
            suspended: counts.suspended,
            terminated: counts.terminated,
            located: counts.located,
        }
    }
}

/// A customer who may be the same as another one.
#[derive(Debug, Serialize, Object)]
pub struct CustomerDuplicate {
    customer: CustomerView,
    reasons: Vec<Likeness>,
}

impl From<Lookalike> for CustomerDuplicate {
    fn from(alike: Lookalike) -> Self {
        Self { customer: alike.customer.into(), reasons: alike.reasons }
    }
}

/// Customers who may be the same as the one asked about.
#[derive(Debug, Serialize, Object)]
pub struct CustomerDuplicates {
    pub items: Vec<CustomerDuplicate>,
}

/// What became of a change of many.
#[derive(Debug, Serialize, Object)]
pub struct BulkOutcome {
    /// How many were found.
    matched: u64,
    /// How many of them are different now.
    changed: u64,
}

impl From<Outcome> for BulkOutcome {
    fn from(outcome: Outcome) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self { matched: count(outcome.matched), changed: count(outcome.changed) }
    }
}

/// What GeoJSON calls this kind of object.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
pub enum FeatureCollectionType {
    FeatureCollection,
}

/// What GeoJSON calls this kind of object.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
pub enum FeatureType {
    Feature,
}

/// What GeoJSON calls this kind of object.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
pub enum PointType {
    Point,
}

/// Customers on the map, as GeoJSON (RFC 7946).
#[derive(Debug, Serialize, Object)]
pub struct CustomerFeatures {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: FeatureCollectionType,
    features: Vec<CustomerFeature>,
    /// Whether there are more than were sent: ask for a smaller box.
    truncated: bool,
}

/// One customer on the map.
#[derive(Debug, Serialize, Object)]
pub struct CustomerFeature {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: FeatureType,
    id: Uuid,
    geometry: CustomerPoint,
    properties: CustomerProperties,
}

/// Where a customer is.
#[derive(Debug, Serialize, Object)]
pub struct CustomerPoint {
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: PointType,
    /// Longitude, latitude.
    coordinates: Vec<f64>,
}

/// Who a customer on the map is.
#[derive(Debug, Serialize, Object)]
pub struct CustomerProperties {
    name: String,
    status: Status,
    status_label: String,
    #[oai(nullable)]
    address: Option<String>,
    #[oai(nullable)]
    area: Option<String>,
    /// The page in the portal.
    href: String,
}

impl CustomerFeatures {
    pub fn new(spots: Vec<Spot>, truncated: bool) -> Self {
        Self {
            kind: FeatureCollectionType::FeatureCollection,
            features: spots.into_iter().map(CustomerFeature::from).collect(),
            truncated,
        }
    }
}

impl From<Spot> for CustomerFeature {
    fn from(spot: Spot) -> Self {
        Self {
            kind: FeatureType::Feature,
            id: spot.id.0,
            geometry: CustomerPoint {
                kind: PointType::Point,
                coordinates: vec![degrees(spot.longitude), degrees(spot.latitude)],
            },
            properties: CustomerProperties {
                name: spot.name,
                status: spot.status,
                status_label: spot.status.label().to_owned(),
                address: spot.address,
                area: spot.area,
                href: format!("/customers/{}", spot.id),
            },
        }
    }
}
