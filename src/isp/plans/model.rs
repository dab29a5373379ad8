//! A plan, and what may be written of one.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    types::amount as money,
    types::{Check, Cursor, PlanId, Wrong, line, optional_text},
    words::say,
};

pub const NAME_MAX: usize = 100;
pub const DESCRIPTION_MAX: usize = 2_000;
const MBPS_MAX: i32 = 100_000;
const DAYS_MAX: i16 = 366;

/// How a plan's price is taxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "PlanTax", rename_all = "snake_case")]
pub enum Tax {
    Vatable,
    Exempt,
    ZeroRated,
}

impl Tax {
    pub const ALL: [Self; 3] = [Self::Vatable, Self::Exempt, Self::ZeroRated];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL
            .into_iter()
            .find(|tax| tax.as_str() == text)
            .ok_or_else(|| Wrong::new("not_a_choice", "This must be one of vatable, exempt, zero_rated."))
    }

    pub fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Vatable)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vatable => "vatable",
            Self::Exempt => "exempt",
            Self::ZeroRated => "zero_rated",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Vatable => say("VATable"),
            Self::Exempt => say("VAT-exempt"),
            Self::ZeroRated => say("Zero-rated"),
        }
    }
}

/// What is sold: a speed for a number of days at a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub draft: PlanDraft,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Plan {
    pub fn name(&self) -> &str {
        &self.draft.name
    }

    pub fn price(&self) -> Decimal {
        self.draft.price
    }

    pub fn period_days(&self) -> i16 {
        self.draft.period_days
    }

    pub fn is_active(&self) -> bool {
        self.draft.is_active
    }

    pub fn tax(&self) -> Tax {
        self.draft.tax
    }

    /// "Monthly Basic, 25 Mbps".
    pub fn label(&self) -> String {
        format!("{}, {}", self.draft.name, self.draft.speed())
    }
}

/// What may be written of a plan, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDraft {
    pub name: String,
    pub description: String,
    pub download_mbps: i32,
    pub upload_mbps: i32,
    /// For `period_days` days.
    pub price: Decimal,
    pub period_days: i16,
    pub tax: Tax,
    /// Only active plans are sold.
    pub is_active: bool,
}

/// The same before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    pub name: String,
    pub description: String,
    pub download_mbps: i32,
    pub upload_mbps: i32,
    pub price: Decimal,
    pub period_days: i16,
    pub tax: Tax,
    pub is_active: bool,
}

fn within<T: PartialOrd + std::fmt::Display>(n: T, least: T, most: T) -> Result<T, Wrong> {
    if n < least || n > most {
        return Err(Wrong::new("out_of_range", say!("Between {} and {}.", least, most)));
    }
    Ok(n)
}

impl Typed {
    /// Checks it; names every wrong field.
    pub fn parse(&self) -> Result<PlanDraft> {
        self.parse_with(Check::new())
    }

    /// The same, going on with what was wrong already.
    pub fn parse_with(&self, mut check: Check) -> Result<PlanDraft> {
        let name = check.field("name", line(&self.name, NAME_MAX));
        let description = check.field("description", optional_text(&self.description, DESCRIPTION_MAX));
        let download = check.field("download_mbps", within(self.download_mbps, 1, MBPS_MAX));
        let upload = check.field("upload_mbps", within(self.upload_mbps, 1, MBPS_MAX));
        let price = check.field("price", money::amount(self.price));
        let days = check.field("period_days", within(self.period_days, 1, DAYS_MAX));
        let whole = (|| {
            Some(PlanDraft {
                name: name?,
                description: description?.unwrap_or_default(),
                download_mbps: download?,
                upload_mbps: upload?,
                price: price?,
                period_days: days?,
                tax: self.tax,
                is_active: self.is_active,
            })
        })();
        check.finish(whole)
    }
}

impl From<PlanDraft> for Typed {
    fn from(draft: PlanDraft) -> Self {
        Self {
            name: draft.name,
            description: draft.description,
            download_mbps: draft.download_mbps,
            upload_mbps: draft.upload_mbps,
            price: draft.price,
            period_days: draft.period_days,
            tax: draft.tax,
            is_active: draft.is_active,
        }
    }
}

impl PlanDraft {
    /// What a plan says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "name": self.name, "description": self.description, "download_mbps": self.download_mbps,
            "upload_mbps": self.upload_mbps, "price": self.price, "period_days": self.period_days,
            "tax": self.tax.as_str(), "is_active": self.is_active,
        })
    }

    /// `100/50 Mbps`, or one number when both ways are the same.
    pub fn speed(&self) -> String {
        if self.download_mbps == self.upload_mbps {
            format!("{} Mbps", self.download_mbps)
        } else {
            format!("{}/{} Mbps", self.download_mbps, self.upload_mbps)
        }
    }

    /// Whether what it costs changed.
    pub fn costs_as(&self, other: &Self) -> bool {
        self.price == other.price && self.period_days == other.period_days
    }
}

/// What it cost, and from when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPrice {
    pub price: Decimal,
    pub period_days: i16,
    pub valid_from: DateTime<Utc>,
    pub changed_by: String,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct PlanFilter {
    pub q: Option<String>,
    pub is_active: Option<bool>,
}

/// Where a list goes on: the cheapest come first, then by name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PlanMark {
    pub price: Decimal,
    pub name: String,
    pub id: uuid::Uuid,
}

impl PlanMark {
    pub fn of(plan: &Plan) -> Self {
        Self { price: plan.draft.price, name: plan.draft.name.to_lowercase(), id: plan.id.0 }
    }

    pub fn decode(text: &str) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if mark.name.contains('\0') {
            return Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."));
        }
        Ok(mark)
    }
}
