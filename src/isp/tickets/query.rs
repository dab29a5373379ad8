//! Which tickets, in which order, from where on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    choices::{Category, Priority, Status},
    model::Ticket,
};
use crate::{
    error::{Error, Result},
    types::search::Words,
    types::{AreaId, Check, Cursor, CustomerId, OutageId, StaffId, Wrong},
};

/// Whose work a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Nobodys,
    Of(StaffId),
}

/// What a list is narrowed to. The same for the list, its counts, its board and its export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub words: Option<Words>,
    /// Empty: any.
    pub statuses: Vec<Status>,
    pub priorities: Vec<Priority>,
    pub categories: Vec<Category>,
    pub whose: Option<Whose>,
    pub overdue: Option<bool>,
    pub customer: Option<CustomerId>,
    pub area: Option<AreaId>,
    pub outage: Option<OutageId>,
}

/// The texts of a query: each may be repeated, or stand between commas.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub q: String,
    pub statuses: Vec<String>,
    pub priorities: Vec<String>,
    pub categories: Vec<String>,
    /// An id, or `none`.
    pub assigned_to: String,
    pub overdue: Option<bool>,
    pub customer: Option<CustomerId>,
    pub area: Option<AreaId>,
    pub outage: Option<OutageId>,
}

/// What `open` stands for among the statuses.
const OPEN: &str = "open";

fn chosen<T: Copy + Ord>(
    check: &mut Check,
    field: &'static str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    let texts = texts.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty());
    let mut found: Vec<T> = texts.filter_map(|text| check.field(field, parse(text))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Filter {
    /// Checks the texts of a query. The status `open` stands for all but resolved and cancelled.
    pub fn parse(asked: &Asked) -> Result<Self> {
        let mut check = Check::new();
        let mut statuses: Vec<String> = Vec::new();
        for text in asked.statuses.iter().flat_map(|text| text.split(',')) {
            if text == OPEN {
                let open = Status::ALL.iter().filter(|status| status.is_open());
                statuses.extend(open.map(|status| status.as_str().to_owned()));
            } else {
                statuses.push(text.to_owned());
            }
        }
        let whose = match asked.assigned_to.as_str() {
            "" => None,
            "none" => Some(Whose::Nobodys),
            id => {
                let unknown = || Wrong::new("not_a_person", "This is a person's id, or none.");
                check.field("assigned_to", id.parse().map_err(|_no_id| unknown())).map(Whose::Of)
            }
        };
        let filter = Self {
            words: Words::parse(&asked.q),
            statuses: chosen(&mut check, "status", &statuses, Status::parse),
            priorities: chosen(&mut check, "priority", &asked.priorities, Priority::parse),
            categories: chosen(&mut check, "category", &asked.categories, Category::parse),
            whose,
            overdue: asked.overdue,
            customer: asked.customer,
            area: asked.area,
            outage: asked.outage,
        };
        check.finish(Some(filter))
    }

    /// The same without the statuses, for the counts beside them.
    pub fn of_any_status(&self) -> Self {
        Self { statuses: Vec::new(), ..self.clone() }
    }

    /// The same in one status, for a column of the board.
    pub fn of_status(&self, status: Status) -> Self {
        Self { statuses: vec![status], ..self.clone() }
    }
}

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

/// In which order a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    #[serde(rename = "c")]
    Created,
    /// Newest first: the order when none is asked for.
    #[serde(rename = "-c")]
    CreatedDown,
    /// What is due first, first.
    #[serde(rename = "d")]
    Due,
    #[serde(rename = "-d")]
    DueDown,
}

impl Sort {
    const ALL: [(&'static str, Self); 4] = [
        ("-created", Self::CreatedDown),
        ("created", Self::Created),
        ("due", Self::Due),
        ("-due", Self::DueDown),
    ];

    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::CreatedDown);
        }
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort).ok_or_else(|| {
            Error::invalid("sort", "not_a_choice", "Sort by created or due; a minus before it turns it.")
        })
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, sort)| *sort == self).map_or("-created", |(name, _)| name)
    }

    pub fn turned(self) -> Self {
        match self {
            Self::Created => Self::CreatedDown,
            Self::CreatedDown => Self::Created,
            Self::Due => Self::DueDown,
            Self::DueDown => Self::Due,
        }
    }
}

/// The sort key of one ticket: where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(Sort, i64, Uuid);

impl Mark {
    pub fn of(ticket: &Ticket, sort: Sort) -> Self {
        let at = match sort {
            Sort::Created | Sort::CreatedDown => ticket.created_at,
            Sort::Due | Sort::DueDown => ticket.clock().due_at(),
        };
        Self(sort, at.timestamp_micros(), ticket.id.0)
    }

    /// Reads a cursor of a list in this order; any other is malformed (400).
    pub fn decode(text: &str, sort: Sort) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if mark.0 == sort && MICROS.contains(&mark.1) {
            Ok(mark)
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }

    pub fn encode(self) -> Result<String> {
        Cursor(self).encode()
    }

    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.1).unwrap_or_default()
    }

    pub fn id(&self) -> Uuid {
        self.2
    }
}
