//! A person to be erased, and what is kept of the erasure. No I/O.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    messaging::Channel,
    secrets::DataKeys,
    tenancy::scan::Found,
    types::{ContactId, CustomerId, ErasureId, line},
    web::choices::choices,
};

pub const REASON_MAX: usize = 500;
pub const OBJECT: &str = "erasure";
/// Fewer digits stand in too many numbers.
const DIGITS_MIN: usize = 7;
/// A number without its country: it is the same in `+63 917 123 4567` and `0917-123-4567`.
const DIGITS_KEPT: usize = 9;
const WORD_MIN: usize = 5;

choices! {
    /// What was erased.
    Kind is "ErasureKind":
        Customer = "customer", "Customer";
        Contact = "contact", "Contact";
}

choices! {
    /// How an erasure stands.
    Status is "ErasureStatus":
        /// The books, the trail and the search are still to come.
        Removing = "removing", "Under way";
        /// Nothing of the person was found.
        Clean = "clean", "Nothing left";
        /// Some places still name the person.
        Found = "found", "Places to look at";
}

/// Whom a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Customer(CustomerId),
    Contact(ContactId),
}

impl Subject {
    pub fn kind(self) -> Kind {
        match self {
            Self::Customer(_) => Kind::Customer,
            Self::Contact(_) => Kind::Contact,
        }
    }

    pub fn id(self) -> Uuid {
        match self {
            Self::Customer(id) => id.0,
            Self::Contact(id) => id.0,
        }
    }

    /// Exactly one of both.
    pub fn parse(customer: Option<Uuid>, contact: Option<Uuid>) -> Result<Self> {
        match (customer, contact) {
            (Some(id), None) => Ok(Self::Customer(CustomerId(id))),
            (None, Some(id)) => Ok(Self::Contact(ContactId(id))),
            (Some(_), Some(_)) => {
                Err(Error::invalid("contact_id", "one_of_two", "Name a customer or a contact, not both."))
            }
            (None, None) => Err(Error::invalid("customer_id", "required", "Name a customer or a contact.")),
        }
    }
}

/// A name as it was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub first: String,
    pub last: String,
}

impl Name {
    /// As texts, lists, JSON and tables have it.
    fn spellings(&self) -> Vec<String> {
        let (first, last) = (self.first.to_lowercase(), self.last.to_lowercase());
        if last.is_empty() {
            return vec![first];
        }
        vec![
            format!("{first} {last}"),
            format!("{last}, {first}"),
            format!("{last} {first}"),
            format!("{first},{last}"),
            format!("{first}\", \"{last}"),
        ]
    }
}

/// All that is known of who is to be erased.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Their rows: the customer, and those who were merged into it.
    pub customers: Vec<Uuid>,
    pub contacts: Vec<Uuid>,
    pub names: Vec<Name>,
    pub addresses: Vec<(Channel, String)>,
    /// Names they sign in with.
    pub sign_ins: Vec<String>,
}

/// The digits by which a number is found, however it is written; None where it is no number, or too short a one.
pub fn digits_of(text: &str) -> Option<String> {
    if !text.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c)) {
        return None;
    }
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().saturating_sub(DIGITS_KEPT);
    (digits.len() >= DIGITS_MIN).then(|| digits.iter().skip(from).collect())
}

impl Person {
    /// What another living customer is called or reached by, too, says nothing of this person alone.
    pub fn without_shared(mut self, shared: &[String]) -> Self {
        let is_shared = |text: &str| shared.contains(&text.to_lowercase());
        self.addresses.retain(|(_, address)| !is_shared(address));
        self.sign_ins.retain(|name| !is_shared(name));
        self.names.retain(|name| !is_shared(&format!("{} {}", name.first, name.last)));
        self
    }

    /// The addresses as they are compared.
    pub fn lowered(&self) -> Vec<String> {
        let all = self.addresses.iter().map(|(_, address)| address).chain(&self.sign_ins);
        all.map(|text| text.to_lowercase()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What names this person in any text, in lower case.
    pub fn words(&self) -> Vec<String> {
        let mut words: BTreeSet<String> = self.names.iter().flat_map(Name::spellings).collect();
        for text in self.lowered() {
            words.insert(digits_of(&text).unwrap_or(text));
        }
        words.into_iter().filter(|word| word.chars().count() >= WORD_MIN).collect()
    }

    /// Every row of theirs.
    pub fn people(&self) -> Vec<Uuid> {
        self.customers.iter().chain(&self.contacts).copied().collect()
    }

    /// The codes by which it can be told later that this person was erased.
    pub fn identity(&self, keys: &DataKeys) -> Result<Vec<Vec<u8>>> {
        let names = self.names.iter().map(|name| format!("{} {}", name.first, name.last));
        let all: BTreeSet<String> = names.chain(self.lowered()).map(|text| canonical(&text)).collect();
        all.iter().map(|text| identity_code(keys, text)).collect()
    }
}

/// One spelling of a name, a number or an address.
pub fn canonical(text: &str) -> String {
    let text = text.trim();
    digits_of(text).unwrap_or_else(|| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "))
}

pub fn identity_code(keys: &DataKeys, canonical: &str) -> Result<Vec<u8>> {
    keys.code("erasure identity", canonical.as_bytes()).map(|code| code.to_vec())
}

/// Why somebody is erased. It is kept, so it must not name the person.
pub fn reason(text: &str, words: &[String]) -> Result<String> {
    let reason = line(text, REASON_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
    let (lower, joined) = (reason.to_lowercase(), reason.replace([' ', '(', ')', '.', '-'], ""));
    if words.iter().any(|word| lower.contains(word) || joined.contains(word)) {
        let detail = "The reason is kept. Write it without the person's name, number or address.";
        return Err(Error::invalid("reason", "names_the_person", detail));
    }
    Ok(reason)
}

/// What was done to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(rename = "ErasedRows")]
pub struct Removed {
    pub table: String,
    /// `deleted` or `emptied`.
    pub what: String,
    pub rows: i64,
}

/// An erasure as it is kept.
#[derive(Debug, Clone)]
pub struct Erasure {
    pub id: ErasureId,
    pub number: String,
    pub kind: Kind,
    pub subject: Uuid,
    pub people: Vec<Uuid>,
    pub reason: String,
    pub asked_by: String,
    pub asked_at: DateTime<Utc>,
    pub status: Status,
    pub removed: Vec<Removed>,
    pub found: Vec<Found>,
    pub tables_searched: i32,
    pub searched_at: Option<DateTime<Utc>>,
}

impl Erasure {
    /// What stands in the place of the name.
    pub fn label(&self) -> String {
        format!("Erased person {}", self.number)
    }
}
