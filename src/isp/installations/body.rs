//! What programs send about installations.

use chrono::NaiveDate;
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use crate::{
    isp::{customers::Accuracy, routers::Released},
    web::typed::Typed,
};

/// A new installation.
#[derive(Debug, Object)]
#[oai(rename = "NewInstallation")]
pub struct NewInstallationBody {
    pub customer_id: Uuid,
    /// The NAP and its port come together.
    #[oai(nullable)]
    pub nap_id: Option<Uuid>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "32")))]
    pub nap_port: Option<i16>,
    /// A router in stock.
    #[oai(nullable)]
    pub router_id: Option<Uuid>,
    #[oai(nullable)]
    technician_id: Option<Uuid>,
    /// The day on which it was set up; it is only scheduled without one. No day to come: that is what visits are for.
    #[oai(nullable)]
    installed_on: Option<NaiveDate>,
    /// The customer's own when absent.
    #[oai(nullable, validator(max_length = 255))]
    street_address: Option<String>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    #[oai(nullable, validator(minimum(value = "-90"), maximum(value = "90")))]
    latitude: Option<f64>,
    #[oai(nullable, validator(minimum(value = "-180"), maximum(value = "180")))]
    longitude: Option<f64>,
    #[oai(nullable)]
    location_accuracy: Option<Accuracy>,
    #[oai(nullable, validator(max_length = 255))]
    location_notes: Option<String>,
    /// Metres of fibre from the NAP to the house.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "10000")))]
    drop_m: Option<i32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "50")))]
    drop_connectors: Option<i16>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "200")))]
    drop_splices: Option<i16>,
    #[oai(nullable, validator(max_length = 5000))]
    notes: Option<String>,
}

impl NewInstallationBody {
    pub fn typed(&self) -> Typed {
        Typed::default()
            .with_option("technician_id", self.technician_id)
            .with_option("installed_on", self.installed_on)
            .with_option("street_address", self.street_address.as_ref())
            .with_option("area_id", self.area_id)
            .with_option("latitude", self.latitude)
            .with_option("longitude", self.longitude)
            .with_option("location_accuracy", self.location_accuracy.map(Accuracy::as_str))
            .with_option("location_notes", self.location_notes.as_ref())
            .with_option("drop_m", self.drop_m)
            .with_option("drop_connectors", self.drop_connectors)
            .with_option("drop_splices", self.drop_splices)
            .with_option("notes", self.notes.as_ref())
    }
}

/// Changes of an installation; what is absent stays. Port, router and status have operations of their own.
#[derive(Debug, Clone, Object)]
#[oai(rename = "InstallationChanges")]
pub struct InstallationChangesBody {
    #[oai(nullable)]
    technician_id: MaybeUndefined<Uuid>,
    installed_on: Option<NaiveDate>,
    #[oai(nullable, validator(max_length = 255))]
    street_address: MaybeUndefined<String>,
    #[oai(nullable)]
    area_id: MaybeUndefined<Uuid>,
    #[oai(nullable, validator(minimum(value = "-90"), maximum(value = "90")))]
    latitude: MaybeUndefined<f64>,
    #[oai(nullable, validator(minimum(value = "-180"), maximum(value = "180")))]
    longitude: MaybeUndefined<f64>,
    location_accuracy: Option<Accuracy>,
    #[oai(nullable, validator(max_length = 255))]
    location_notes: MaybeUndefined<String>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "10000")))]
    drop_m: MaybeUndefined<i32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "50")))]
    drop_connectors: MaybeUndefined<i16>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "200")))]
    drop_splices: MaybeUndefined<i16>,
    #[oai(nullable, validator(max_length = 5000))]
    notes: MaybeUndefined<String>,
}

impl InstallationChangesBody {
    pub fn over(&self, was: Typed) -> Typed {
        was.over("technician_id", &self.technician_id)
            .over_some("installed_on", self.installed_on)
            .over("street_address", &self.street_address)
            .over("area_id", &self.area_id)
            .over("latitude", &self.latitude)
            .over("longitude", &self.longitude)
            .over_some("location_accuracy", self.location_accuracy.map(Accuracy::as_str))
            .over("location_notes", &self.location_notes)
            .over("drop_m", &self.drop_m)
            .over("drop_connectors", &self.drop_connectors)
            .over("drop_splices", &self.drop_splices)
            .over("notes", &self.notes)
    }
}

/// When a scheduled installation was set up.
#[derive(Debug, Object)]
#[oai(rename = "InstallationCompletion")]
pub struct CompletionBody {
    /// Today when absent.
    #[oai(nullable)]
    pub installed_on: Option<NaiveDate>,
}

/// Where an installation goes on: both, or neither to take it off its port.
#[derive(Debug, Object)]
#[oai(rename = "InstallationPort")]
pub struct PortBody {
    #[oai(nullable)]
    pub nap_id: Option<Uuid>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "32")))]
    pub nap_port: Option<i16>,
}

/// How the old router comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename = "RouterReturn", rename_all = "snake_case")]
pub enum Return {
    #[default]
    Returned,
    Faulty,
}

impl From<Return> for Released {
    fn from(how: Return) -> Self {
        match how {
            Return::Returned => Self::Returned,
            Return::Faulty => Self::Faulty,
        }
    }
}

/// Which router an installation has from now on.
#[derive(Debug, Object)]
#[oai(rename = "InstallationRouter")]
pub struct RouterBody {
    /// One in stock; null takes the router away.
    #[oai(nullable)]
    pub router_id: Option<Uuid>,
    /// How the one that it had comes back; `returned` when absent.
    #[oai(nullable)]
    pub old_router: Option<Return>,
}

/// Why something is done.
#[derive(Debug, Object)]
#[oai(rename = "InstallationHold")]
pub struct HoldBody {
    #[oai(nullable, validator(max_length = 500))]
    pub reason: Option<String>,
}

/// How an installation ends.
#[derive(Debug, Object)]
#[oai(rename = "InstallationTermination")]
pub struct TerminationBody {
    #[oai(validator(min_length = 1, max_length = 500))]
    pub reason: String,
    /// Today when absent.
    #[oai(nullable)]
    pub terminated_on: Option<NaiveDate>,
    /// How its router comes back; `returned` when absent.
    #[oai(nullable)]
    pub router: Option<Return>,
}
