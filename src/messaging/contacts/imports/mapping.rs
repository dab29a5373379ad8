//! Which column of a file is what of a contact.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Line;
use crate::{
    error::{Error, Result},
    messaging::{Channel, contacts::model},
    types::Wrong,
    words::say,
};

/// What a column can be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Name,
    FirstName,
    LastName,
    Address(Channel),
    Language,
    /// Parted by commas.
    Tags,
    /// Names of groups that are there, parted by commas. A name may have commas of its own.
    Groups,
    Note,
    /// A word of the tenant's own.
    Attribute(String),
    /// All of them as an export writes them: a JSON object of texts.
    Attributes,
}

/// What a row says, unchecked.
#[derive(Debug, Default)]
pub struct Said {
    pub asked: model::Asked,
    pub groups: Vec<String>,
    /// Attributes that are no JSON object.
    pub has_odd_attributes: bool,
}

const ATTRIBUTE: &str = "attribute:";

impl Target {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let unknown = || {
            Wrong::new(
                "not_a_choice",
                "A column is one of name, first_name, last_name, sms, email, whatsapp, telegram, instagram, language, tags, \
                 groups, note, attributes, or attribute:name.",
            )
        };
        if let Some(name) = text.strip_prefix(ATTRIBUTE) {
            return Ok(Self::Attribute(model::key(name)?));
        }
        Ok(match text {
            "name" => Self::Name,
            "first_name" => Self::FirstName,
            "last_name" => Self::LastName,
            "language" => Self::Language,
            "tags" => Self::Tags,
            "groups" => Self::Groups,
            "note" => Self::Note,
            "attributes" => Self::Attributes,
            "push" | "in_app" => return Err(unknown()),
            other => Self::Address(other.parse().map_err(|_odd| unknown())?),
        })
    }

    pub fn as_text(&self) -> String {
        match self {
            Self::Name => "name".into(),
            Self::FirstName => "first_name".into(),
            Self::LastName => "last_name".into(),
            Self::Address(channel) => channel.as_str().into(),
            Self::Language => "language".into(),
            Self::Tags => "tags".into(),
            Self::Groups => "groups".into(),
            Self::Note => "note".into(),
            Self::Attributes => "attributes".into(),
            Self::Attribute(name) => format!("{ATTRIBUTE}{name}"),
        }
    }

    fn may_stand_twice(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Tags | Self::Groups)
    }
}

/// What a column can be, for a select box: (value, label).
pub fn targets() -> Vec<(String, String)> {
    let plain = [
        (Target::Name, "Name"),
        (Target::FirstName, "First name"),
        (Target::LastName, "Last name"),
        (Target::Address(Channel::Sms), "Phone (SMS)"),
        (Target::Address(Channel::Whatsapp), "WhatsApp number"),
        (Target::Address(Channel::Email), "E-mail"),
        (Target::Address(Channel::Telegram), "Telegram chat"),
        (Target::Address(Channel::Instagram), "Instagram id"),
        (Target::Language, "Language"),
        (Target::Tags, "Tags"),
        (Target::Groups, "Groups"),
        (Target::Note, "Note"),
        (Target::Attributes, "Attributes, as exported"),
    ];
    plain.into_iter().map(|(target, label)| (target.as_text(), say(label).to_owned())).collect()
}

/// What each column of a file is; None is left out. Written as a list of texts, empty for what is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping(pub Vec<Option<Target>>);

impl Mapping {
    /// Reads a list of texts, one for each column.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let target = |text: &String| match text.trim() {
            "" => Ok(None),
            text => Target::parse(text).map(Some),
        };
        let parsed: Result<Vec<_>, Wrong> = texts.iter().map(target).collect();
        parsed.map(Self).map_err(|wrong| Error::Invalid(vec![wrong.at("mapping")]))
    }

    pub fn as_texts(&self) -> Vec<String> {
        self.0.iter().map(|target| target.as_ref().map(Target::as_text).unwrap_or_default()).collect()
    }

    /// Whether it fits a file of so many columns, says where people are reached, and names nothing twice.
    pub fn check(&self, columns: usize) -> Result<()> {
        let wrong = |code, detail: &str| Err(Error::invalid("mapping", code, detail));
        if self.0.len() != columns {
            return wrong("wrong_length", &say!("The file has {} columns.", columns));
        }
        let targets: Vec<&Target> = self.0.iter().flatten().collect();
        if !targets.iter().any(|target| matches!(target, Target::Address(_))) {
            return wrong(
                "no_address",
                "Say which column is a phone number, an e-mail address or another address.",
            );
        }
        let mut seen = BTreeSet::new();
        if targets.iter().any(|target| !seen.insert(*target) && !target.may_stand_twice()) {
            return wrong("twice", "Two columns cannot both be the same.");
        }
        Ok(())
    }

    /// What the names of columns suggest.
    pub fn guess(header: &[String]) -> Self {
        let mut seen = BTreeSet::new();
        let guess = |name: &String| {
            let target = guessed(name)?;
            (seen.insert(target.clone()) || target.may_stand_twice()).then_some(target)
        };
        Self(header.iter().map(guess).collect())
    }

    /// What a row says, unchecked.
    pub fn said(&self, line: &Line) -> Said {
        let mut said = Said::default();
        let (mut first, mut last) = ("", "");
        let parts = |cell: &str| cell.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
        for (target, cell) in self.0.iter().zip(&line.1) {
            let cell = cell.trim();
            let Some(target) = target.as_ref().filter(|_| !cell.is_empty()) else { continue };
            let asked = &mut said.asked;
            match target {
                Target::Name => asked.name = cell.to_owned(),
                Target::FirstName => first = cell,
                Target::LastName => last = cell,
                Target::Address(channel) => asked.addresses.push((*channel, cell.to_owned())),
                Target::Language => asked.language = cell.to_owned(),
                Target::Tags => asked.tags.extend(parts(cell)),
                Target::Groups => said.groups.extend(parts(cell).into_iter().filter(|name| !name.is_empty())),
                Target::Note => asked.note = cell.to_owned(),
                Target::Attribute(name) => asked.attributes.push((name.clone(), cell.to_owned())),
                Target::Attributes => match attributes_of(cell) {
                    Some(attributes) => asked.attributes.extend(attributes),
                    None => said.has_odd_attributes = true,
                },
            }
        }
        if said.asked.name.is_empty() {
            said.asked.name = format!("{first} {last}").trim().to_owned();
        }
        said
    }
}

fn attributes_of(cell: &str) -> Option<Vec<(String, String)>> {
    let Ok(Value::Object(members)) = serde_json::from_str(cell) else { return None };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Some(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

fn guessed(name: &str) -> Option<Target> {
    let plain: String = name.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    Some(match plain.as_str() {
        "name" | "fullname" | "contactname" | "contact" | "customer" | "customername" => Target::Name,
        "firstname" | "givenname" | "forename" => Target::FirstName,
        "lastname" | "surname" | "familyname" => Target::LastName,
        "phone" | "phonenumber" | "mobile" | "mobilenumber" | "cell" | "cellphone" | "telephone" | "tel"
        | "number" | "sms" | "msisdn" | "contactnumber" | "phone2" | "phone3" => {
            Target::Address(Channel::Sms)
        }
        "whatsapp" | "whatsappnumber" => Target::Address(Channel::Whatsapp),
        "email" | "emailaddress" | "mail" | "email2" => Target::Address(Channel::Email),
        "telegram" | "telegramchat" | "telegramid" | "chatid" => Target::Address(Channel::Telegram),
        "instagram" | "instagramid" => Target::Address(Channel::Instagram),
        "language" | "locale" | "lang" => Target::Language,
        "tags" | "tag" | "labels" => Target::Tags,
        // As an export calls it: another's "group" means no group of ours.
        "groups" => Target::Groups,
        "attributes" => Target::Attributes,
        "note" | "notes" | "comment" | "comments" | "remarks" => Target::Note,
        _ => return None,
    })
}

impl Serialize for Mapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.as_texts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&texts).map_err(serde::de::Error::custom)
    }
}
