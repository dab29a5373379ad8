//! Which customers, in which order, from where on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{Customer, Status};
use crate::{
    error::{Error, Result},
    types::search::Words,
    types::{AreaId, Check, Cursor},
};

/// What a list is narrowed to. The same for the list, its counts, its export, its map and its bulk actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub words: Option<Words>,
    /// Empty: any.
    pub statuses: Vec<Status>,
    pub area: Option<AreaId>,
    pub located: Option<bool>,
}

impl Filter {
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the texts of a query: statuses may be repeated or stand between commas.
    pub fn parse<'a>(
        q: &str,
        statuses: impl IntoIterator<Item = &'a str>,
        area: Option<AreaId>,
        located: Option<bool>,
    ) -> Result<Self> {
        let mut check = Check::new();
        let mut wanted = Vec::new();
        for text in statuses.into_iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()) {
            wanted.extend(check.field("status", Status::parse(text)));
        }
        wanted.sort_unstable();
        wanted.dedup();
        check.finish(Some(Self { words: Words::parse(q), statuses: wanted, area, located }))
    }

    /// The same without the statuses, for the counts beside them.
    pub fn of_any_status(&self) -> Self {
        Self { statuses: Vec::new(), ..self.clone() }
    }
}

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

/// In which order a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    #[serde(rename = "d")]
    Created,
    /// Newest first: the order when none is asked for.
    #[serde(rename = "-d")]
    CreatedDown,
    #[serde(rename = "n")]
    Name,
    #[serde(rename = "-n")]
    NameDown,
    #[serde(rename = "u")]
    Updated,
    #[serde(rename = "-u")]
    UpdatedDown,
}

impl Sort {
    const ALL: [(&'static str, Self); 6] = [
        ("-created", Self::CreatedDown),
        ("created", Self::Created),
        ("name", Self::Name),
        ("-name", Self::NameDown),
        ("updated", Self::Updated),
        ("-updated", Self::UpdatedDown),
    ];

    /// An empty text is the order when none is asked for.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::CreatedDown);
        }
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort).ok_or_else(|| {
            Error::invalid(
                "sort",
                "not_a_choice",
                "Sort by created, name or updated; a minus before it turns it.",
            )
        })
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, sort)| *sort == self).map_or("-created", |(name, _)| name)
    }

    /// The same column from the other end.
    pub fn turned(self) -> Self {
        match self {
            Self::Created => Self::CreatedDown,
            Self::CreatedDown => Self::Created,
            Self::Name => Self::NameDown,
            Self::NameDown => Self::Name,
            Self::Updated => Self::UpdatedDown,
            Self::UpdatedDown => Self::Updated,
        }
    }
}

/// The sort key of one customer: where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    #[serde(rename = "t")]
    Time(Sort, i64, Uuid),
    #[serde(rename = "n")]
    Name(Sort, String, String, Uuid),
}

impl Mark {
    pub fn of(customer: &Customer, sort: Sort) -> Self {
        let id = customer.id.0;
        match sort {
            Sort::Created | Sort::CreatedDown => Self::Time(sort, customer.created_at.timestamp_micros(), id),
            Sort::Updated | Sort::UpdatedDown => Self::Time(sort, customer.updated_at.timestamp_micros(), id),
            Sort::Name | Sort::NameDown => {
                Self::Name(sort, customer.details.last_name.clone(), customer.details.first_name.clone(), id)
            }
        }
    }

    /// Reads a cursor of a list in this order; any other is malformed (400).
    pub fn decode(text: &str, sort: Sort) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        let fits = match &mark {
            Self::Time(of, micros, _) => *of == sort && !sort.is_by_name() && MICROS.contains(micros),
            // PostgreSQL keeps no NUL in a text.
            Self::Name(of, last, first, _) => {
                *of == sort && sort.is_by_name() && !last.contains('\0') && !first.contains('\0')
            }
        };
        if fits { Ok(mark) } else { Err(bad_cursor()) }
    }

    pub fn encode(self) -> Result<String> {
        Cursor(self).encode()
    }
}

impl Sort {
    pub fn is_by_name(self) -> bool {
        matches!(self, Self::Name | Self::NameDown)
    }
}

fn bad_cursor() -> Error {
    Error::malformed("bad_cursor", "The cursor was not given out by this list.")
}

/// An instant of a mark; `decode` has let only real ones in.
pub fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
