//! Where a person is reached: e-mail addresses and telephone numbers.

use std::{fmt, str::FromStr};

use postgres_types::{FromSql, ToSql};
use serde::Serialize;

use super::Wrong;
use crate::words::say;

const EMAIL_MAX_CHARS: usize = 254;
const PHONE_MAX_CHARS: usize = 20;

/// An e-mail address, lower-cased: two spellings of one address are one person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSql, FromSql)]
#[postgres(transparent)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim().to_lowercase();
        if text.is_empty() {
            return Err(Wrong::new("required", "This is needed."));
        }
        if text.len() > EMAIL_MAX_CHARS {
            return Err(Wrong::new("too_long", say!("At most {} characters.", EMAIL_MAX_CHARS)));
        }
        let plain = !text.contains(['"', '(', ')', ' ']) && !text.chars().any(char::is_control);
        if plain && email_address::EmailAddress::from_str(&text).is_ok() && text.contains('@') {
            Ok(Self(text))
        } else {
            Err(Wrong::new("not_an_email", "This is not an e-mail address."))
        }
    }

    pub fn parse_optional(text: &str) -> Result<Option<Self>, Wrong> {
        if text.trim().is_empty() { Ok(None) } else { Self::parse(text).map(Some) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> Self {
        email.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A telephone number: kept as E.164 when the country's numbering plan knows it, else as its digits.
/// Field crews meet numbers no plan knows, so a number that has 5-15 digits is never refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSql, FromSql)]
#[postgres(transparent)]
#[serde(transparent)]
pub struct Phone(String);

impl Phone {
    /// `country` is the ISO 3166 code that a number without a prefix belongs to.
    pub fn parse(text: &str, country: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let odd = text.chars().any(|c| !c.is_ascii_digit() && !"+-(). /".contains(c));
        if odd || !(5..=15).contains(&digits.len()) || text.len() > 2 * PHONE_MAX_CHARS {
            return Err(Wrong::new("not_a_phone_number", "A telephone number has 5 to 15 digits."));
        }
        let region = country.parse::<phonenumber::country::Id>().ok();
        match phonenumber::parse(region, text) {
            Ok(number) if phonenumber::is_valid(&number) => {
                Ok(Self(number.format().mode(phonenumber::Mode::E164).to_string()))
            }
            _ => Ok(Self(if text.starts_with('+') { format!("+{digits}") } else { digits })),
        }
    }

    pub fn parse_optional(text: &str, country: &str) -> Result<Option<Self>, Wrong> {
        if text.trim().is_empty() { Ok(None) } else { Self::parse(text, country).map(Some) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
