//! An area, and what may be written of one.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    types::{AreaId, Check, Cursor, line, optional_line, optional_text},
};

pub const NAME_MAX: usize = 100;
pub const CODE_MAX: usize = 20;
pub const DESCRIPTION_MAX: usize = 1_000;

/// A place that groups customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    pub id: AreaId,
    pub name: String,
    pub code: Option<String>,
    pub description: String,
    /// Customers can be put into active areas only.
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An area in a list, with how many customers it has.
#[derive(Debug, Clone)]
pub struct CountedArea {
    pub area: Area,
    pub active_customers: i64,
    pub total_customers: i64,
}

/// What may be written of an area, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaDraft {
    pub name: String,
    pub code: Option<String>,
    pub description: String,
    pub is_active: bool,
}

impl AreaDraft {
    /// Checks what was typed or sent; names every wrong field.
    pub fn parse(name: &str, code: &str, description: &str, is_active: bool) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX));
        let code = check.field("code", optional_line(code, CODE_MAX));
        let description = check.field("description", optional_text(description, DESCRIPTION_MAX));
        let whole = (|| {
            Some(Self { name: name?, code: code?, description: description?.unwrap_or_default(), is_active })
        })();
        check.finish(whole)
    }

    /// What an area says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "name": self.name, "code": self.code, "description": self.description, "is_active": self.is_active,
        })
    }
}

impl From<&Area> for AreaDraft {
    fn from(area: &Area) -> Self {
        Self {
            name: area.name.clone(),
            code: area.code.clone(),
            description: area.description.clone(),
            is_active: area.is_active,
        }
    }
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Deleted,
    /// Customers belong to it: it was switched off instead.
    SwitchedOff,
}

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

/// In which order a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AreaSort {
    #[serde(rename = "n")]
    Name,
    #[serde(rename = "-n")]
    NameDown,
    #[serde(rename = "c")]
    Code,
    #[serde(rename = "-c")]
    CodeDown,
    #[serde(rename = "d")]
    Created,
    #[serde(rename = "-d")]
    CreatedDown,
}

impl AreaSort {
    const ALL: [(&'static str, Self); 6] = [
        ("name", Self::Name),
        ("-name", Self::NameDown),
        ("code", Self::Code),
        ("-code", Self::CodeDown),
        ("created", Self::Created),
        ("-created", Self::CreatedDown),
    ];

    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Name);
        }
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort).ok_or_else(|| {
            Error::invalid(
                "sort",
                "not_a_choice",
                "Sort by name, code or created; a minus before it turns it.",
            )
        })
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, sort)| *sort == self).map_or("name", |(name, _)| name)
    }

    /// The same column from the other end.
    pub fn turned(self) -> Self {
        match self {
            Self::Name => Self::NameDown,
            Self::NameDown => Self::Name,
            Self::Code => Self::CodeDown,
            Self::CodeDown => Self::Code,
            Self::Created => Self::CreatedDown,
            Self::CreatedDown => Self::Created,
        }
    }

    /// Where a list in this order goes on after `area`: a text or an instant, and the id.
    pub fn mark(self, area: &Area) -> AreaMark {
        let text = match self {
            Self::Name | Self::NameDown => area.name.clone(),
            Self::Code | Self::CodeDown => area.code.clone().unwrap_or_default(),
            Self::Created | Self::CreatedDown => String::new(),
        };
        AreaMark { sort: self, text, micros: area.created_at.timestamp_micros(), id: area.id.0 }
    }
}

/// The sort key of one area.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AreaMark {
    sort: AreaSort,
    pub text: String,
    micros: i64,
    pub id: Uuid,
}

impl AreaMark {
    /// Reads a cursor of a list in this order.
    pub fn decode(text: &str, sort: AreaSort) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if mark.sort == sort && !mark.text.contains('\0') && MICROS.contains(&mark.micros) {
            Ok(mark)
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }

    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros).unwrap_or_default()
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct AreaFilter {
    pub q: Option<String>,
    pub is_active: Option<bool>,
}

/// What was typed into a search box, without what no name holds; None when nothing is left.
pub fn searched(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}
