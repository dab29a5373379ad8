//! An empty file with the columns that need no matching, and one row that shows how they are filled.

use super::mapping::Field;
use crate::{
    error::Result,
    sheets::{self, Bom, Cell},
};

/// Every column, in the order in which people think of a customer, with an example. The example's e-mail domain is reserved.
const COLUMNS: [(Field, &str); 11] = [
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
    (Field::Notes, "Delete this row before you upload the file"),
];

fn header() -> Vec<&'static str> {
    COLUMNS.iter().map(|(field, _)| field.as_str()).collect()
}

fn example() -> Vec<Cell> {
    COLUMNS.iter().map(|(_, example)| Cell::from(*example)).collect()
}

/// The template as CSV.
pub fn csv() -> Vec<u8> {
    sheets::csv(&header(), [example()], Bom::With)
}

/// The template as an Excel workbook.
pub fn xlsx() -> Result<Vec<u8>> {
    sheets::xlsx("Customers", &header(), [example()])
}
