//! Currencies. Amounts are `rust_decimal` with two places, rounded half-up.

use std::fmt;

use serde::Serialize;

use super::Wrong;

/// ISO 4217 code of a currency that an ISP may keep its books in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Currency(String);

/// Code and name, in the order that the settings page offers them.
pub const CURRENCIES: &[(&str, &str)] = &[
    ("PHP", "Philippine peso"),
    ("USD", "US dollar"),
    ("EUR", "Euro"),
    ("GBP", "Pound sterling"),
    ("GHS", "Ghanaian cedi"),
    ("NGN", "Nigerian naira"),
    ("KES", "Kenyan shilling"),
    ("ZAR", "South African rand"),
    ("TZS", "Tanzanian shilling"),
    ("UGX", "Ugandan shilling"),
    ("IDR", "Indonesian rupiah"),
    ("MYR", "Malaysian ringgit"),
    ("SGD", "Singapore dollar"),
    ("THB", "Thai baht"),
    ("VND", "Vietnamese dong"),
    ("INR", "Indian rupee"),
    ("BDT", "Bangladeshi taka"),
    ("PKR", "Pakistani rupee"),
    ("LKR", "Sri Lankan rupee"),
    ("NPR", "Nepalese rupee"),
    ("BRL", "Brazilian real"),
    ("MXN", "Mexican peso"),
    ("COP", "Colombian peso"),
    ("ARS", "Argentine peso"),
    ("PEN", "Peruvian sol"),
    ("CLP", "Chilean peso"),
    ("AUD", "Australian dollar"),
    ("NZD", "New Zealand dollar"),
    ("CAD", "Canadian dollar"),
    ("JPY", "Japanese yen"),
    ("KRW", "South Korean won"),
    ("CNY", "Chinese yuan"),
    ("HKD", "Hong Kong dollar"),
    ("TWD", "New Taiwan dollar"),
    ("AED", "UAE dirham"),
    ("SAR", "Saudi riyal"),
    ("TRY", "Turkish lira"),
    ("PLN", "Polish zloty"),
    ("CZK", "Czech koruna"),
    ("HUF", "Hungarian forint"),
    ("RON", "Romanian leu"),
    ("SEK", "Swedish krona"),
    ("NOK", "Norwegian krone"),
    ("DKK", "Danish krone"),
    ("CHF", "Swiss franc"),
    ("EGP", "Egyptian pound"),
    ("MAD", "Moroccan dirham"),
    ("XOF", "CFA franc BCEAO"),
    ("XAF", "CFA franc BEAC"),
];

impl Currency {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let code = text.trim().to_ascii_uppercase();
        if CURRENCIES.iter().any(|(known, _)| *known == code) {
            Ok(Self(code))
        } else {
            Err(Wrong::new("unknown_currency", "This is not a currency code that we keep books in."))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
