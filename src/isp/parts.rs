//! The parts that pages of lists and forms share, as their templates read them.

use serde::Serialize;

use crate::error::{Error, Result};

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

/// 1234567 as `1,234,567`.
pub fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 customer", "1,204 customers".
pub fn counted(n: i64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(n)) }
}

/// The id of a page's address, or 404.
pub fn id_of<T: From<uuid::Uuid>>(text: &str, what: &'static str) -> Result<T> {
    text.parse::<uuid::Uuid>().map(T::from).map_err(|_not_an_id| Error::not_found(what))
}

/// A path with a query, if there is anything to ask.
pub fn address<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
