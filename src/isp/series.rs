//! Numbers that are allocated once and without a gap: of receipts, tickets, outages.
//!
//! Owns `number_series`. The series' row stays locked until the transaction that takes a number ends, so that a number goes
//! back with what it was for: two writers of one series wait for each other, and no number is lost.

use crate::{db::TenantTx, error::Result};

/// The next number of a series, such as `TKT-2026`; the first is 1.
pub async fn next(tx: &TenantTx, series: &str) -> Result<i64> {
    let row = tx
        .query_one(
            "INSERT INTO number_series (series, last) VALUES ($1, 1) \
             ON CONFLICT (series) DO UPDATE SET last = number_series.last + 1 RETURNING last",
            &[&series],
        )
        .await?;
    Ok(row.get(0))
}
