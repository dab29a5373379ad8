//! An empty file with the columns that need no matching, and one row that shows how they are filled.

use chrono::{Days, NaiveDate};

use super::mapping::Field;
use crate::{
    error::Result,
    sheets::{self, Bom, Cell},
};

/// Every column, in the order in which people think of a customer, with an example. The example's e-mail domain is reserved. What
/// must be here already, an area, a NAP, a plan, is filled with the provider's own.
const COLUMNS: [(Field, &str); 16] = [
    (Field::Reference, "A-0001"),
    (Field::FirstName, "Juan"),
    (Field::LastName, "dela Cruz"),
    (Field::Email, "juan@example.com"),
    (Field::PhonePrimary, "0917 555 0101"),
    (Field::StreetAddress, "12 Mabini Street"),
    (Field::Area, ""),
    (Field::Status, "active"),
    (Field::Latitude, "8.4542"),
    (Field::Longitude, "124.6319"),
    (Field::Nap, ""),
    (Field::NapPort, ""),
    (Field::InstalledOn, ""),
    (Field::Plan, ""),
    (Field::PaidUntil, ""),
    (Field::Notes, "Delete this row before you upload the file"),
];

/// What of the provider's own the example names.
pub struct Own {
    pub today: NaiveDate,
    /// A NAP and one of its free ports.
    pub port: Option<(String, i16)>,
    pub plan: Option<String>,
}

impl Own {
    fn example(&self, field: Field) -> Option<Cell> {
        let in_days = |days| self.today.checked_add_days(Days::new(days)).unwrap_or(self.today);
        match field {
            Field::Nap => Some(self.port.as_ref()?.0.as_str().into()),
            Field::NapPort => Some(i64::from(self.port.as_ref()?.1).into()),
            Field::InstalledOn => Some(self.today.into()),
            Field::Plan => Some(self.plan.as_deref()?.into()),
            Field::PaidUntil => self.plan.as_ref().map(|_| in_days(30).into()),
            _ => None,
        }
    }

    fn row(&self) -> Vec<Cell> {
        let cell = |(field, example): &(Field, &'static str)| {
            self.example(*field).unwrap_or_else(|| Cell::from(*example))
        };
        COLUMNS.iter().map(cell).collect()
    }
}

fn header() -> Vec<&'static str> {
    COLUMNS.iter().map(|(field, _)| field.as_str()).collect()
}

/// The template as CSV.
pub fn csv(own: &Own) -> Vec<u8> {
    sheets::csv(&header(), [own.row()], Bom::With)
}

/// The template as an Excel workbook.
pub fn xlsx(own: &Own) -> Result<Vec<u8>> {
    sheets::xlsx("Customers", &header(), [own.row()])
}
