//! What a row of the file says of a customer, checked value by value. Pure.

use std::collections::BTreeSet;

use super::{
    connection::{Clock, Service},
    mapping::{Field, ImportRow},
};
use crate::{
    error::{Error, FieldError},
    isp::customers::{Accuracy, Details, Status, Typed},
    types::{AreaId, optional_line},
};

const AREA_MAX: usize = 100;

/// A row whose every value can be stored. Its area is still a name: which areas exist is for the database to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub line: u32,
    pub details: Details,
    /// The area as the row names it.
    pub area: Option<String>,
    /// Fields that have a column: an empty cell clears such a field, one without a column is left alone.
    said: BTreeSet<Field>,
    says_status: bool,
    /// What it says beside the customer.
    pub service: Service,
}

impl Draft {
    /// The values of a row, or everything that is wrong with them. `country` is where a number without a prefix belongs,
    /// `clock` whose days its days are.
    pub fn parse(row: &ImportRow, country: &str, clock: Clock) -> Result<Self, Vec<FieldError>> {
        let text = |field| row.get(field).unwrap_or_default().to_owned();
        // An address over several lines is usual in sheets, and one line in the books.
        let one_line = |field| text(field).split_whitespace().collect::<Vec<_>>().join(" ");
        let typed = Typed {
            reference: one_line(Field::Reference),
            first_name: one_line(Field::FirstName),
            last_name: one_line(Field::LastName),
            email: text(Field::Email),
            phone_primary: text(Field::PhonePrimary),
            street_address: one_line(Field::StreetAddress),
            status: text(Field::Status),
            notes: text(Field::Notes),
            latitude: degrees(&text(Field::Latitude)),
            longitude: degrees(&text(Field::Longitude)),
            ..Typed::default()
        };
        let mut wrong = Vec::new();
        let area = optional_line(&one_line(Field::Area), AREA_MAX)
            .map_err(|why| wrong.push(why.at(Field::Area.as_str())))
            .unwrap_or_default();
        let service = Service::parse(row, clock).map_err(|found| wrong.extend(found)).unwrap_or_default();
        match typed.parse(country) {
            Ok(details) if wrong.is_empty() => Ok(Self {
                line: row.line,
                details,
                area,
                said: Field::ALL.into_iter().filter(|field| row.get(*field).is_some()).collect(),
                says_status: row.filled(Field::Status).is_some(),
                service,
            }),
            Ok(_) => Err(wrong),
            Err(Error::Invalid(mut found)) => {
                found.extend(wrong);
                Err(found)
            }
            Err(other) => Err(vec![FieldError::new("row", "invalid", other.detail())]),
        }
    }

    /// A new customer out of the row.
    pub fn fresh(&self, area: Option<AreaId>, default_status: Status) -> Details {
        let mut details = self.details.clone();
        details.area_id = area;
        if !self.says_status {
            details.status = default_status;
        }
        details
    }

    /// What the row makes of a customer. An account number is never cleared: it is what the customer is found by.
    pub fn over(&self, was: &Details, area: Option<AreaId>) -> Details {
        let new = &self.details;
        let says = |field| self.said.contains(&field);
        let mut is = was.clone();
        is.first_name.clone_from(&new.first_name);
        is.last_name.clone_from(&new.last_name);
        if new.reference.is_some() {
            is.reference.clone_from(&new.reference);
        }
        if says(Field::Email) {
            is.email.clone_from(&new.email);
        }
        if says(Field::PhonePrimary) {
            is.phone_primary.clone_from(&new.phone_primary);
        }
        if says(Field::StreetAddress) {
            is.street_address.clone_from(&new.street_address);
        }
        if says(Field::Notes) {
            is.notes.clone_from(&new.notes);
        }
        if says(Field::Area) {
            is.area_id = area;
        }
        if self.says_status {
            is.status = new.status;
        }
        if (says(Field::Latitude) || says(Field::Longitude)) && is.place != new.place {
            is.place = new.place;
            is.location_accuracy = Accuracy::Manual;
        }
        is
    }
}

/// Degrees as sheets write them: with a typographic minus, a degree sign behind.
fn degrees(text: &str) -> String {
    text.trim().trim_end_matches('°').trim().replace('−', "-")
}
