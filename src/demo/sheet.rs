//! The demo customers as the file that a provider would bring along, for the tests of the import.

use super::{AREAS, DemoCustomer};
use crate::sheets::{self, Bom, Cell};

/// Headers that the import recognises by itself.
const HEADER: [&str; 10] = [
    "Account number",
    "First name",
    "Last name",
    "E-mail",
    "Phone",
    "Street address",
    "Barangay",
    "Status",
    "Latitude",
    "Longitude",
];

/// These customers as a CSV file; account numbers count from 1.
pub fn customers_csv(customers: &[DemoCustomer]) -> Vec<u8> {
    let rows = customers.iter().enumerate().map(|(index, customer)| {
        let area = AREAS.get(customer.area).map(|area| area.name);
        vec![
            Cell::Text(format!("CDO-{:05}", index + 1)),
            customer.first_name.as_str().into(),
            customer.last_name.as_str().into(),
            customer.email.as_str().into(),
            customer.phone.as_str().into(),
            customer.street_address.as_str().into(),
            area.into(),
            customer.status.as_str().into(),
            format!("{:.7}", customer.latitude).into(),
            format!("{:.7}", customer.longitude).into(),
        ]
    });
    sheets::csv(&HEADER, rows, Bom::With)
}
