//! What of old tickets goes: what was said. That there was one, about what, and how long it took, stays for the reports.

use chrono::{DateTime, Utc};

use crate::{
    db::TenantTx,
    error::Result,
    files,
    types::{FileId, TicketId},
};

/// Closed before `$1`, and not emptied yet. Comments and files go before the words, so that a ticket with words is to be done.
macro_rules! old {
    () => {
        "FROM ticket WHERE status IN ('resolved', 'cancelled') AND coalesce(resolved_at, updated_at) < $1 \
         AND title <> 'Removed'"
    };
}

/// How many tickets are older, counted to `at_most`.
pub async fn count_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = concat!("SELECT count(*) FROM (SELECT ", old!(), " LIMIT $2) old");
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

/// Empties at most so many tickets that were closed before.
pub async fn empty_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let sql = concat!("SELECT id ", old!(), " ORDER BY id LIMIT $2 FOR UPDATE");
    let ids: Vec<TicketId> =
        tx.query(sql, &[&before, &at_most]).await?.iter().map(|row| row.get(0)).collect();
    let gone = tx
        .query("DELETE FROM ticket_attachment WHERE ticket_id = ANY($1) RETURNING file_id", &[&ids])
        .await?;
    for row in &gone {
        files::forget(tx, row.get::<_, FileId>(0)).await?;
    }
    tx.execute(
        "UPDATE ticket_comment SET comment = 'Removed' WHERE ticket_id = ANY($1) AND NOT is_automatic",
        &[&ids],
    )
    .await?;
    // Not `updated_at`: nobody did anything about it.
    tx.execute(
        "UPDATE ticket SET title = 'Removed', description = '', resolution_notes = NULL WHERE id = ANY($1)",
        &[&ids],
    )
    .await
}
