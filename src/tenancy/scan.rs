//! Looks through every column of every table of the entered tenant's schema.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::rights::TABLE_RIGHTS;
use crate::{db::TenantTx, error::Result};

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub table: String,
    pub column: String,
    pub rows: i64,
}

/// Each table, and what searches it. The columns are those that a row has, whatever a migration added.
static SEARCHES: LazyLock<Vec<(&'static str, String)>> =
    LazyLock::new(|| TABLE_RIGHTS.iter().map(|(table, _)| (*table, search(table))).collect());

/// What of a table is searched: bytes that are texts as texts, pictures not at all.
fn source(table: &str) -> &str {
    match table {
        "file" => {
            "(SELECT id, purpose, name, media_type,
                CASE WHEN media_type LIKE 'text/%' THEN encode(content, 'escape') END AS content FROM file)"
        }
        "hook_call" => "(SELECT id, url, headers, detail, encode(body, 'escape') AS body FROM hook_call)",
        "receipt_logo" => "(SELECT encode(digest, 'hex') AS digest FROM receipt_logo)",
        all => all,
    }
}

fn search(table: &str) -> String {
    let source = source(table);
    format!(
        "SELECT v.key, count(*) FROM {source} t CROSS JOIN LATERAL jsonb_each_text(to_jsonb(t)) v
         WHERE EXISTS (SELECT FROM unnest($1::text[]) w
            WHERE position(w IN lower(v.value)) > 0 OR position(w IN translate(v.value, ' ().-', '')) > 0)
         GROUP BY v.key ORDER BY v.key"
    )
}

/// How many tables there are to look through.
pub fn tables() -> usize {
    SEARCHES.len()
}

/// Where in the table at this place of the list any of the words stands, as a part of a longer text too. Words are in lower case;
/// numbers are found however they are written.
pub async fn look_for(tx: &TenantTx, place: usize, words: &[String]) -> Result<Vec<Found>> {
    let Some((table, sql)) = SEARCHES.get(place) else { return Ok(Vec::new()) };
    let rows = tx.query(sql, &[&words]).await?;
    Ok(rows
        .iter()
        .map(|row| Found { table: (*table).to_owned(), column: row.get(0), rows: row.get(1) })
        .collect())
}
