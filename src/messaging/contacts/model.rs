//! A contact, and what may be written of one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::groups::GroupChoice;
use crate::{
    error::{Error, Result},
    messaging::{Address, Channel},
    tenancy::Tenant,
    types::{Check, ContactId, Country, Wrong, line, optional_line, optional_text},
    words::say,
};

pub const NAME_MAX: usize = 200;
pub const NOTE_MAX: usize = 2_000;
pub const TAGS_MAX: usize = 50;
pub const TAG_MAX: usize = 50;
pub const ATTRIBUTES_MAX: usize = 50;
pub const VALUE_MAX: usize = 500;
pub const ADDRESSES_MAX: usize = 20;
const KEY_MAX: usize = 50;
const LANGUAGE_MAX: usize = 35;
pub const OBJECT: &str = "contact";

/// Somebody who can be written to.
#[derive(Debug, Clone)]
pub struct Contact {
    pub id: ContactId,
    pub draft: Draft,
    pub groups: Vec<GroupChoice>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What may be written of a contact, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    /// BCP 47; None: the tenant's own.
    pub language: Option<String>,
    /// Words of the tenant's own for templates. Texts by names.
    pub attributes: Map<String, Value>,
    pub tags: Vec<String>,
    pub note: String,
    /// The first of a channel is used.
    pub addresses: Vec<Address>,
}

/// What was sent or typed, unchecked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub name: String,
    pub language: String,
    pub attributes: Vec<(String, String)>,
    pub tags: Vec<String>,
    pub note: String,
    pub addresses: Vec<(Channel, String)>,
}

/// The name of the field that an address stands in: the API has one list, a form a field for each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    Api,
    Form,
}

impl Fields {
    fn of(self, channel: Channel) -> &'static str {
        match self {
            Self::Api => "addresses",
            Self::Form => channel.as_str(),
        }
    }
}

impl Draft {
    /// Checks everything and names every wrong field.
    pub fn parse(asked: &Asked, country: &Country, fields: Fields) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(&asked.name, NAME_MAX));
        let language = check.field("language", language(&asked.language));
        let tags = check.field("tags", tags(asked.tags.iter().map(String::as_str)));
        let attributes = check.field("attributes", attributes(&asked.attributes));
        let note = check.field("note", optional_text(&asked.note, NOTE_MAX));
        let mut addresses: Vec<Address> = Vec::new();
        for (channel, text) in &asked.addresses {
            let parsed = check.field(fields.of(*channel), Address::parse(*channel, text, country));
            addresses.extend(parsed.filter(|address| !addresses.contains(address)));
        }
        if asked.addresses.len() > ADDRESSES_MAX {
            check.wrong("addresses", "too_many", say!("At most {} addresses.", ADDRESSES_MAX));
        }
        let whole = (|| {
            let note = note?.unwrap_or_default();
            Some(Self {
                name: name?,
                language: language?,
                attributes: attributes?,
                tags: tags?,
                note,
                addresses,
            })
        })();
        check.finish(whole)
    }

    /// What a contact says of itself in the audit trail.
    pub fn told(&self) -> Value {
        let addresses: Vec<String> =
            self.addresses.iter().map(|one| format!("{}:{}", one.channel(), one.as_str())).collect();
        json!({
            "name": self.name, "language": self.language, "attributes": self.attributes, "tags": self.tags,
            "note": self.note, "addresses": addresses,
        })
    }

    /// The first address of a channel.
    pub fn first(&self, channel: Channel) -> Option<&str> {
        self.addresses.iter().find(|one| one.channel() == channel).map(Address::as_str)
    }
}

/// The tenant's own country, for numbers without a prefix.
pub fn country_of(tenant: &Tenant) -> Result<Country> {
    Country::parse(&tenant.country).map_err(|_odd| Error::internal("a tenant of an odd country"))
}

/// A language's tag, or nothing: `en`, `pt-BR`.
pub fn language(text: &str) -> Result<Option<String>, Wrong> {
    let Some(text) = optional_line(text, LANGUAGE_MAX)? else { return Ok(None) };
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut parts = text.split('-');
    let is_tag = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic())
    }) && parts.all(part);
    let wrong = || Wrong::new("not_a_language", "This must be a language's code, such as en or fil.");
    if is_tag { Ok(Some(text)) } else { Err(wrong()) }
}

/// Tags, each once in any case; the first spelling stays.
pub fn tags<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Wrong> {
    let (mut kept, mut seen) = (Vec::new(), BTreeSet::new());
    for text in texts {
        if let Some(tag) = tag(text)?.filter(|tag| seen.insert(tag.to_lowercase())) {
            kept.push(tag);
        }
    }
    if kept.len() > TAGS_MAX {
        return Err(Wrong::new("too_many", say!("At most {} tags.", TAGS_MAX)));
    }
    Ok(kept)
}

/// One tag, or nothing. A comma parts tags, so none has one.
pub fn tag(text: &str) -> Result<Option<String>, Wrong> {
    let tag = optional_line(text, TAG_MAX)?;
    if tag.as_deref().is_some_and(|tag| tag.contains(',')) {
        return Err(Wrong::new("comma", "A tag has no comma."));
    }
    Ok(tag)
}

/// The name of an attribute, as templates use it.
pub fn key(text: &str) -> Result<String, Wrong> {
    let key = text.trim();
    let fits = key.len() <= KEY_MAX
        && key.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let wrong = || {
        Wrong::new(
            "not_a_name",
            say!(
                "The name of an attribute has small letters, digits and _, at most {}: not “{}”.",
                KEY_MAX,
                key
            ),
        )
    };
    if fits { Ok(key.to_owned()) } else { Err(wrong()) }
}

fn attributes(asked: &[(String, String)]) -> Result<Map<String, Value>, Wrong> {
    let mut kept = Map::new();
    for (name, value) in asked {
        let name = key(name)?;
        if let Some(value) = optional_text(value, VALUE_MAX)? {
            kept.insert(name, Value::String(value));
        }
    }
    if kept.len() > ATTRIBUTES_MAX {
        return Err(Wrong::new("too_many", say!("At most {} attributes.", ATTRIBUTES_MAX)));
    }
    Ok(kept)
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub id: ContactId,
    pub name: String,
}

/// What becomes of an address that another contact has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfTaken {
    /// Nothing is written: 409.
    Refuse,
    /// The rest is written; the claim goes onto the list of conflicts.
    Record,
}

/// What is said of an address that another has.
pub fn taken(address: &Address, owner: &Owner) -> Error {
    let detail = say!("{} belongs to {} already.", address.as_str(), owner.name);
    Error::conflict("address_taken", detail)
}
