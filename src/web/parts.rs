//! The parts that pages of lists and forms share, as their templates read them.

use chrono::{DateTime, Offset, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    types::{Cursor, amount},
    words::{Language, reader_language, say},
};

pub use crate::types::amount::grouped_whole as grouped;

/// One option of a select box.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    pub value: String,
    pub label: String,
}

impl Choice {
    pub fn new(value: impl ToString, label: impl Into<String>) -> Self {
        Self { value: value.to_string(), label: label.into() }
    }
}

/// Every time zone with what it is off by now, for a select box.
pub fn zone_choices() -> Vec<Choice> {
    let now = Utc::now();
    let choice = |zone: &chrono_tz::Tz| {
        let seconds = now.with_timezone(zone).offset().fix().local_minus_utc();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        let rest = if minutes % 60 == 0 { String::new() } else { format!(":{:02}", minutes % 60) };
        Choice::new(zone.name(), format!("{} (UTC{sign}{}{rest})", zone.name(), minutes / 60))
    };
    chrono_tz::TZ_VARIANTS.iter().map(choice).collect()
}

/// One tab above a list.
#[derive(Debug, Clone, Serialize)]
pub struct Tab {
    pub label: &'static str,
    pub count: Option<String>,
    pub href: String,
    pub active: bool,
}

/// A filter that counts, and where it is taken away.
#[derive(Debug, Clone, Serialize)]
pub struct Chip {
    pub label: String,
    pub value: String,
    pub remove_href: String,
}

/// A column's head.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    pub label: String,
    /// Where it is sorted by it; empty where it cannot be.
    pub href: String,
    /// `ascending`, `descending` or nothing.
    pub sort: &'static str,
}

impl Column {
    /// A column that nothing is sorted by.
    pub fn plain(label: impl Into<String>) -> Self {
        Self { label: label.into(), href: String::new(), sort: "" }
    }
}

/// Where a list goes on and back.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pager {
    pub prev_href: Option<String>,
    pub next_href: Option<String>,
    pub shown: String,
    pub total: Option<String>,
}

/// `1–25`, of which the last is known by how many are shown.
pub fn shown(first: i64, rows: usize) -> String {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    if rows == 0 { "0".into() } else { format!("{}–{}", grouped(first), grouped(first + rows - 1)) }
}

/// An amount with its currency's sign: `₱1,234.50`, `-₱5.00`, `KES 20.00`.
pub fn money(sum: Decimal, currency: &str) -> String {
    let sign = amount::sign(currency);
    let space = if sign.chars().count() > 2 { "\u{a0}" } else { "" };
    let minus = if sum.is_sign_negative() && !sum.is_zero() { "-" } else { "" };
    format!("{minus}{sign}{space}{}", amount::grouped(sum.abs()))
}

/// "1 customer", "1,204 customers", in the reader's language; in French nothing is counted as one.
pub fn counted(n: i64, one: &'static str, many: &'static str) -> String {
    let is_one = n == 1 || n == 0 && reader_language() == Language::French;
    format!("{} {}", grouped(n), say(if is_one { one } else { many }))
}

/// "12 kB", "3 MB": how large a file is, roughly.
pub fn size_text(bytes: i64) -> String {
    if bytes < 1_048_576 {
        format!("{} kB", (bytes / 1_024).max(1))
    } else {
        format!("{} MB", bytes / 1_048_576)
    }
}

/// The id of a page's address, or 404.
pub fn id_of<T: From<Uuid>>(text: &str, what: &'static str) -> Result<T> {
    text.parse::<Uuid>().map(T::from).map_err(|_not_an_id| Error::not_found(what))
}

/// A path with a query, if there is anything to ask.
pub fn address<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Where a list in the order of an instant and an id goes on.
pub type TimeMark = (DateTime<Utc>, Uuid);

/// Reads the cursor of such a list; one that it never gave out is malformed (400).
pub fn time_mark(text: &str) -> Result<TimeMark> {
    let mark = Cursor::<TimeMark>::decode(text)?.0;
    if !is_sane(mark.0) {
        return Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."));
    }
    Ok(mark)
}

/// What PostgreSQL and chrono both keep: 1970 to 9999.
pub fn is_sane(at: DateTime<Utc>) -> bool {
    (0..=253_402_300_799).contains(&at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_its_sign() {
        let told = |code: &str, amount: &str| money(amount.parse().unwrap(), code);
        assert_eq!(told("PHP", "1234.5"), "₱1,234.50");
        assert_eq!(told("PHP", "-5"), "-₱5.00");
        assert_eq!(told("KES", "20"), "KES\u{a0}20.00");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567, -1_000].map(grouped),
            ["0", "999", "1,000", "1,234,567", "-1,000"]
        );
        assert_eq!(shown(26, 25), "26–50");
        assert_eq!(shown(1, 0), "0");
        assert_eq!(
            (counted(1, "customer", "customers"), counted(2, "customer", "customers")),
            ("1 customer".into(), "2 customers".into())
        );
    }
}
