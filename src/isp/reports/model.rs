//! The one shape that every report has: figures, charts and tables of typed values. Page, API, CSV and XLSX are made of it, so that
//! they cannot say different things.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::{
    sheets::Cell,
    web::choices::choices,
    web::parts::{grouped, money},
    words::{locale, say},
};

choices! {
    /// What a value of a report is.
    Kind is "ReportValueKind":
    /// An amount in the provider's currency, with two decimals.
    Money = "money", "Money";
    Int = "int", "Number";
    /// One decimal.
    Percent = "percent", "Percent";
    /// One decimal.
    Hours = "hours", "Hours";
    /// One decimal.
    Days = "days", "Days";
    /// A day of the provider's zone.
    /// An instant.
    Time = "time", "Time";
    Text = "text", "Text";
}

choices! {
    /// How a chart is drawn.
    Shape is "ReportChartShape":
    Line = "line", "Line";
    Bar = "bar", "Bar";
    Stacked = "stacked", "Stacked bar";
    Doughnut = "doughnut", "Doughnut";
}

/// One typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// There is none: a share of nothing, an average of no one.
    Nothing,
    Money(Decimal),
    Int(i64),
    Percent(Decimal),
    Hours(Decimal),
    Days(Decimal),
    Time(DateTime<Utc>),
    Text(String),
}

/// How the provider reads money and time.
#[derive(Debug, Clone)]
pub struct Told {
    pub currency: String,
    pub zone: Tz,
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// As programs read it: digits with a point, `2026-11-21`, RFC 3339; nothing is an empty text.
    pub fn wire(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Money(amount) => scaled(*amount, 2).to_string(),
            Self::Int(n) => n.to_string(),
            Self::Percent(n) | Self::Hours(n) | Self::Days(n) => scaled(*n, 1).to_string(),
            Self::Time(at) => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// As people read it.
    pub fn shown(&self, told: &Told) -> String {
        match self {
            Self::Nothing => "–".to_owned(),
            Self::Money(amount) => money(*amount, &told.currency),
            Self::Int(n) => grouped(*n),
            Self::Percent(n) => format!("{} %", scaled(*n, 1)),
            Self::Hours(n) => format!("{} h", scaled(*n, 1)),
            Self::Days(n) => format!("{} days", scaled(*n, 1)),
            Self::Time(at) => {
                at.with_timezone(&told.zone).format_localized("%-d %b %Y, %H:%M", locale()).to_string()
            }
            Self::Text(text) => text.clone(),
        }
    }

    /// As a sheet keeps it, times on the provider's clock.
    pub fn cell(&self, zone: Tz) -> Cell {
        match self {
            Self::Nothing => Cell::Empty,
            Self::Money(amount) => scaled(*amount, 2).into(),
            Self::Int(n) => (*n).into(),
            Self::Percent(n) | Self::Hours(n) | Self::Days(n) => scaled(*n, 1).into(),
            Self::Time(at) => at.with_timezone(&zone).naive_local().into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

fn scaled(n: Decimal, scale: u32) -> Decimal {
    let mut n = n.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    n.rescale(scale);
    n
}

/// A figure at the top, and how it compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub key: &'static str,
    pub label: &'static str,
    pub value: Value,
    pub changes: Vec<Change>,
}

/// How a figure compares with that of other days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `1 Oct – 31 Oct 2026`
    pub against: String,
    /// None when there was nothing to compare with.
    pub percent: Option<Decimal>,
}

impl Figure {
    pub fn new(key: &'static str, label: &'static str, value: Value) -> Self {
        Self { key, label, value, changes: Vec::new() }
    }

    /// Compares with what it was on other days.
    pub fn against(mut self, days: impl ToString, was: Decimal, is: Decimal) -> Self {
        self.changes.push(Change { against: days.to_string(), percent: change(was, is) });
        self
    }
}

/// A chart: one value of each series for each label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    pub key: &'static str,
    pub title: &'static str,
    pub shape: Shape,
    /// What the values are.
    pub kind: Kind,
    /// What the labels are: `Day`.
    pub of: &'static str,
    pub labels: Vec<String>,
    pub series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    pub values: Vec<Decimal>,
}

impl Series {
    pub fn new(name: impl Into<String>, values: Vec<Decimal>) -> Self {
        Self { name: name.into(), values }
    }
}

/// A value of a chart as the kind of value that it is.
pub fn valued(kind: Kind, n: Decimal) -> Value {
    match kind {
        Kind::Money => Value::Money(n),
        Kind::Percent => Value::Percent(n),
        Kind::Hours => Value::Hours(n),
        Kind::Days => Value::Days(n),
        Kind::Int | Kind::Time | Kind::Text => Value::Int(n.try_into().unwrap_or(i64::MAX)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub key: &'static str,
    pub label: &'static str,
    pub kind: Kind,
}

/// `("amount", "Amount", Money)`
pub const fn column(key: &'static str, label: &'static str, kind: Kind) -> Column {
    Column { key, label, kind }
}

/// One row, and where it leads to in the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub href: Option<String>,
    pub cells: Vec<Value>,
}

impl From<Vec<Value>> for Line {
    fn from(cells: Vec<Value>) -> Self {
        Self { href: None, cells }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub key: &'static str,
    pub title: &'static str,
    /// What must be known to read it, such as that it was cut.
    pub note: String,
    pub columns: &'static [Column],
    pub rows: Vec<Line>,
}

impl Table {
    pub fn new(
        key: &'static str,
        title: &'static str,
        columns: &'static [Column],
        rows: impl IntoIterator<Item = impl Into<Line>>,
    ) -> Self {
        Self { key, title, note: String::new(), columns, rows: rows.into_iter().map(Into::into).collect() }
    }

    /// Says that only `most` rows are shown when there are more.
    pub fn cut_at(mut self, most: i64, all: i64) -> Self {
        if all > most {
            self.note = say!("The first {} of {}.", grouped(most), grouped(all));
        }
        self
    }
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub figures: Vec<Figure>,
    pub charts: Vec<Chart>,
    pub tables: Vec<Table>,
}

/// `part` of `whole` in percent, rounded half-up to one decimal; of nothing there is no share.
pub fn share(part: impl Into<Decimal>, whole: impl Into<Decimal>) -> Value {
    ratio(part.into() * Decimal::ONE_HUNDRED, whole.into()).map_or(Value::Nothing, Value::Percent)
}

/// An average amount, rounded half-up to two decimals.
pub fn average(sum: Decimal, of: i64) -> Option<Decimal> {
    mean(sum, of).map(|mean| scaled(mean, 2))
}

/// An average as it is: rounded once, where it is written.
pub fn mean(sum: Decimal, of: i64) -> Option<Decimal> {
    (of != 0).then(|| sum / Decimal::from(of))
}

/// By how much percent `is` differs from `was`.
pub fn change(was: Decimal, is: Decimal) -> Option<Decimal> {
    ratio((is - was) * Decimal::ONE_HUNDRED, was.abs())
}

fn ratio(part: Decimal, whole: Decimal) -> Option<Decimal> {
    (!whole.is_zero()).then(|| scaled(part / whole, 1))
}

/// Seconds as hours.
pub fn hours(seconds: Decimal) -> Value {
    Value::Hours(seconds / Decimal::from(3_600))
}
