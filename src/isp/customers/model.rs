//! A customer, what may be written of one, and the decisions that need nothing but it.

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    types::{
        AreaId, Check, Coordinates, CustomerId, EmailAddress, Phone, Wrong, line, optional_line,
        optional_text,
    },
    web::parts::Choice,
    words::say,
};

pub const NAME_MAX: usize = 100;
pub const STREET_MAX: usize = 255;
pub const NOTES_MAX: usize = 5_000;
pub const REFERENCE_MAX: usize = 50;
pub const LOCATION_NOTES_MAX: usize = 255;

/// How a customer stands with the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Enum)]
#[oai(rename = "CustomerStatus", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Is served.
    Active,
    /// Is not served at the moment, of his own will.
    Inactive,
    /// Is cut off, and comes back when the reason is gone.
    Suspended,
    /// Has left.
    Terminated,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Active, Self::Inactive, Self::Suspended, Self::Terminated];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Active => say("Active"),
            Self::Inactive => say("Inactive"),
            Self::Suspended => say("Suspended"),
            Self::Terminated => say("Terminated"),
        }
    }

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of active, inactive, suspended, terminated.")
        })
    }

    /// A column's text; the table's own check keeps every other text out.
    pub fn from_column(text: &str) -> Self {
        match text {
            "inactive" => Self::Inactive,
            "suspended" => Self::Suspended,
            "terminated" => Self::Terminated,
            _ => Self::Active,
        }
    }
}

/// A change of status that may be made, and what it is called in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: Status,
    pub to: Status,
    pub action: &'static str,
    /// In the past tense, after the customer's name.
    pub told: &'static str,
}

const fn step(from: Status, to: Status, action: &'static str, told: &'static str) -> Transition {
    Transition { from, to, action, told }
}

/// Every change of status that there is. One that is not here is refused.
pub const TRANSITIONS: &[Transition] = &[
    step(Status::Active, Status::Inactive, "customer.deactivated", "is inactive now"),
    step(Status::Active, Status::Suspended, "customer.suspended", "was suspended"),
    step(Status::Active, Status::Terminated, "customer.terminated", "was terminated"),
    step(Status::Inactive, Status::Active, "customer.activated", "is active again"),
    step(Status::Inactive, Status::Suspended, "customer.suspended", "was suspended"),
    step(Status::Inactive, Status::Terminated, "customer.terminated", "was terminated"),
    step(Status::Suspended, Status::Active, "customer.resumed", "is active again"),
    step(Status::Suspended, Status::Inactive, "customer.deactivated", "is inactive now"),
    step(Status::Suspended, Status::Terminated, "customer.terminated", "was terminated"),
    step(Status::Terminated, Status::Active, "customer.reinstated", "is active again"),
    step(Status::Terminated, Status::Inactive, "customer.deactivated", "is inactive now"),
    step(Status::Terminated, Status::Suspended, "customer.suspended", "was suspended"),
];

/// The change from one status to another: None when they are the same, 409 when it may not be made.
pub fn transition(from: Status, to: Status) -> Result<Option<&'static Transition>> {
    if from == to {
        return Ok(None);
    }
    TRANSITIONS.iter().find(|step| step.from == from && step.to == to).map(Some).ok_or_else(|| {
        Error::conflict(
            "transition_refused",
            say!("A customer who is {} cannot become {}.", from.as_str(), to.as_str()),
        )
    })
}

/// How a location was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "LocationAccuracy", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Accuracy {
    Exact,
    Approximate,
    Address,
    Manual,
}

impl Accuracy {
    pub const ALL: [Self; 4] = [Self::Exact, Self::Approximate, Self::Address, Self::Manual];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate => "approximate",
            Self::Address => "address",
            Self::Manual => "manual",
        }
    }

    /// As the options of a select box.
    pub fn options() -> Vec<Choice> {
        Self::ALL.iter().map(|accuracy| Choice::new(accuracy.as_str(), accuracy.label())).collect()
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Exact => say("Exact GPS"),
            Self::Approximate => say("Approximate"),
            Self::Address => say("From the address"),
            Self::Manual => say("Set by hand"),
        }
    }

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of exact, approximate, address, manual.")
        })
    }

    pub fn from_column(text: &str) -> Self {
        match text {
            "exact" => Self::Exact,
            "approximate" => Self::Approximate,
            "address" => Self::Address,
            _ => Self::Manual,
        }
    }
}

/// What may be written of a customer, checked: everything but the id and the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub reference: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub email: Option<EmailAddress>,
    pub phone_primary: Option<Phone>,
    pub street_address: Option<String>,
    pub area_id: Option<AreaId>,
    pub status: Status,
    pub notes: Option<String>,
    pub place: Option<Coordinates>,
    pub location_accuracy: Accuracy,
    pub location_notes: Option<String>,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub details: Details,
    pub merged_into: Option<CustomerId>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Customer {
    pub fn name(&self) -> String {
        self.details.name()
    }

    pub fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// The same as texts, as forms, bodies and sheets bring them. An empty text is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    pub reference: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone_primary: String,
    pub street_address: String,
    pub area_id: Option<AreaId>,
    /// Empty: active.
    pub status: String,
    pub notes: String,
    pub latitude: String,
    pub longitude: String,
    /// Empty: set by hand.
    pub location_accuracy: String,
    pub location_notes: String,
}

impl Typed {
    /// Checks everything at once. `country` is the one that telephone numbers without a prefix belong to.
    pub fn parse(&self, country: &str) -> Result<Details> {
        let mut check = Check::new();
        let reference = check.field("reference", optional_line(&self.reference, REFERENCE_MAX));
        let first_name = check.field("first_name", line(&self.first_name, NAME_MAX));
        let last_name = check.field("last_name", line(&self.last_name, NAME_MAX));
        let email = check.field("email", EmailAddress::parse_optional(&self.email));
        let phone = check.field("phone_primary", Phone::parse_optional(&self.phone_primary, country));
        let street = check.field("street_address", optional_line(&self.street_address, STREET_MAX));
        let status = check.field("status", or(&self.status, Status::Active, Status::parse));
        let notes = check.field("notes", optional_text(&self.notes, NOTES_MAX));
        let place = self.place(&mut check);
        let accuracy =
            check.field("location_accuracy", or(&self.location_accuracy, Accuracy::Manual, Accuracy::parse));
        let hints = check.field("location_notes", optional_line(&self.location_notes, LOCATION_NOTES_MAX));
        let whole = (|| {
            Some(Details {
                reference: reference?,
                first_name: first_name?,
                last_name: last_name?,
                email: email?,
                phone_primary: phone?,
                street_address: street?,
                area_id: self.area_id,
                status: status?,
                notes: notes?,
                place: place?,
                location_accuracy: accuracy?,
                location_notes: hints?,
            })
        })();
        check.finish(whole)
    }

    fn place(&self, check: &mut Check) -> Option<Option<Coordinates>> {
        let latitude = check.field("latitude", optional_degrees(&self.latitude))?;
        let longitude = check.field("longitude", optional_degrees(&self.longitude))?;
        match Coordinates::from_halves(latitude, longitude) {
            Ok(place) => Some(place),
            Err((field, wrong)) => {
                check.wrong(field, wrong.code, wrong.detail);
                None
            }
        }
    }
}

fn or<T>(text: &str, otherwise: T, parse: impl Fn(&str) -> Result<T, Wrong>) -> Result<T, Wrong> {
    if text.trim().is_empty() { Ok(otherwise) } else { parse(text) }
}

/// Degrees as people type them; a single comma counts as the decimal point.
fn optional_degrees(text: &str) -> Result<Option<Decimal>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Wrong::new("not_a_number", "Degrees are a number such as 8.4772.");
    let plain = text.replacen(',', ".", 1);
    plain.parse::<Decimal>().map(Some).map_err(|_not_a_number| wrong())
}

impl From<&Details> for Typed {
    fn from(details: &Details) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            reference: text(&details.reference),
            first_name: details.first_name.clone(),
            last_name: details.last_name.clone(),
            email: details.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            phone_primary: details.phone_primary.as_ref().map(ToString::to_string).unwrap_or_default(),
            street_address: text(&details.street_address),
            area_id: details.area_id,
            status: details.status.as_str().to_owned(),
            notes: text(&details.notes),
            latitude: details.place.map(|place| place.latitude.to_string()).unwrap_or_default(),
            longitude: details.place.map(|place| place.longitude.to_string()).unwrap_or_default(),
            location_accuracy: details.location_accuracy.as_str().to_owned(),
            location_notes: text(&details.location_notes),
        }
    }
}

impl Details {
    /// First and last name.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// What a customer says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "reference": self.reference,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "phone_primary": self.phone_primary,
            "street_address": self.street_address,
            "area_id": self.area_id,
            "status": self.status,
            "notes": self.notes,
            "latitude": self.place.map(|place| place.latitude.normalize().to_string()),
            "longitude": self.place.map(|place| place.longitude.normalize().to_string()),
            "location_accuracy": self.location_accuracy,
            "location_notes": self.location_notes,
        })
    }
}

/// A field that a merge may take from the customer who goes. Coordinates go with how they were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Enum)]
#[oai(rename = "MergeField", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MergeField {
    Reference,
    FirstName,
    LastName,
    Email,
    PhonePrimary,
    StreetAddress,
    Area,
    Status,
    Notes,
    Location,
}

impl MergeField {
    pub const ALL: [Self; 10] = [
        Self::FirstName,
        Self::LastName,
        Self::PhonePrimary,
        Self::Email,
        Self::StreetAddress,
        Self::Area,
        Self::Status,
        Self::Reference,
        Self::Location,
        Self::Notes,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::PhonePrimary => "phone_primary",
            Self::StreetAddress => "street_address",
            Self::Area => "area",
            Self::Status => "status",
            Self::Notes => "notes",
            Self::Location => "location",
        }
    }
}

/// What the survivor of a merge is: its own values, but for the fields that are taken from the other.
pub fn merged(survivor: &Details, other: &Details, take: &[MergeField]) -> Details {
    let mut whole = survivor.clone();
    for field in take {
        match field {
            MergeField::Reference => whole.reference.clone_from(&other.reference),
            MergeField::FirstName => whole.first_name.clone_from(&other.first_name),
            MergeField::LastName => whole.last_name.clone_from(&other.last_name),
            MergeField::Email => whole.email.clone_from(&other.email),
            MergeField::PhonePrimary => whole.phone_primary.clone_from(&other.phone_primary),
            MergeField::StreetAddress => whole.street_address.clone_from(&other.street_address),
            MergeField::Area => whole.area_id = other.area_id,
            MergeField::Status => whole.status = other.status,
            MergeField::Notes => whole.notes.clone_from(&other.notes),
            MergeField::Location => {
                whole.place = other.place;
                whole.location_accuracy = other.location_accuracy;
                whole.location_notes.clone_from(&other.location_notes);
            }
        }
    }
    whole
}

/// Why two customers may be one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[oai(rename = "DuplicateReason", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    SamePhone,
    SameEmail,
    /// A similar name in the same area.
    SimilarName,
}

impl Likeness {
    pub fn label(self) -> &'static str {
        match self {
            Self::SamePhone => say("Same phone number"),
            Self::SameEmail => say("Same e-mail address"),
            Self::SimilarName => say("Similar name in the same area"),
        }
    }
}

/// A customer who looks like another one.
#[derive(Debug, Clone)]
pub struct Lookalike {
    pub customer: Customer,
    pub reasons: Vec<Likeness>,
}
