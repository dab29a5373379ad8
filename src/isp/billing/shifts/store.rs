//! All SQL of cashiers' shifts.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{Limit, ShiftId, StaffId},
};

/// A cashier's stay at the drawer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    pub id: ShiftId,
    pub staff: StaffId,
    pub cashier: String,
    pub opened_at: DateTime<Utc>,
    pub opening_cash: Decimal,
    pub closed_at: Option<DateTime<Utc>>,
    /// What should have been there when it was closed, and what was counted.
    pub expected_cash: Option<Decimal>,
    pub counted_cash: Option<Decimal>,
    pub note: Option<String>,
    /// What came in and went out in cash, as it counts today.
    pub cash_in: Decimal,
    pub cash_out: Decimal,
    pub payments: i64,
}

impl Shift {
    /// What should be in the drawer by what counts today.
    pub fn should_hold(&self) -> Decimal {
        self.opening_cash + self.cash_in - self.cash_out
    }

    /// Counted minus expected, once it was counted.
    pub fn difference(&self) -> Option<Decimal> {
        Some(self.counted_cash? - self.expected_cash?)
    }

    /// What was declared void after the drawer was counted.
    pub fn voided_later(&self) -> Decimal {
        self.expected_cash.map_or(Decimal::ZERO, |expected| expected - self.should_hold())
    }
}

macro_rules! shift {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.staff_id, t.name, s.opened_at, s.opening_cash, s.closed_at, s.expected_cash, s.counted_cash, s.note, \
             p.total, r.total, p.n FROM cash_shift s JOIN staff t ON t.id = s.staff_id \
             CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0.00) AS total, count(*) AS n FROM payment \
                WHERE shift_id = s.id AND status = 'valid') p \
             CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0.00) AS total FROM refund WHERE shift_id = s.id) r ",
            $rest
        )
    };
}

fn shift_of(row: &Row) -> Shift {
    Shift {
        id: row.get(0),
        staff: row.get(1),
        cashier: row.get(2),
        opened_at: row.get(3),
        opening_cash: row.get(4),
        closed_at: row.get(5),
        expected_cash: row.get(6),
        counted_cash: row.get(7),
        note: row.get(8),
        cash_in: row.get(9),
        cash_out: row.get(10),
        payments: row.get(11),
    }
}

pub async fn find(tx: &TenantTx, id: ShiftId) -> Result<Option<Shift>> {
    Ok(tx.query_opt(shift!("WHERE s.id = $1"), &[&id]).await?.as_ref().map(shift_of))
}

pub async fn find_open(tx: &TenantTx, staff: StaffId) -> Result<Option<Shift>> {
    let sql = shift!("WHERE s.staff_id = $1 AND s.closed_at IS NULL");
    Ok(tx.query_opt(sql, &[&staff]).await?.as_ref().map(shift_of))
}

/// Waits for those who take money in it, and keeps others from it.
pub async fn lock(tx: &TenantTx, id: ShiftId) -> Result<bool> {
    let row = tx.query_opt("SELECT id FROM cash_shift WHERE id = $1 FOR UPDATE", &[&id]).await?;
    Ok(row.is_some())
}

/// Newest first, after the mark; those of one member of staff, or all.
pub async fn list(
    tx: &TenantTx,
    staff: Option<StaffId>,
    mark: Option<(DateTime<Utc>, Uuid)>,
    limit: Limit,
) -> Result<Vec<Shift>> {
    let sql = shift!(
        "WHERE ($1::uuid IS NULL OR s.staff_id = $1) \
         AND ($2::timestamptz IS NULL OR (s.opened_at, s.id) < ($2, $3::uuid)) \
         ORDER BY s.opened_at DESC, s.id DESC LIMIT $4"
    );
    let (at, id) = (mark.map(|mark| mark.0), mark.map(|mark| mark.1));
    Ok(tx.query(sql, &[&staff, &at, &id, &limit.and_one()]).await?.iter().map(shift_of).collect())
}

pub async fn insert(tx: &TenantTx, id: ShiftId, staff: StaffId, opening_cash: Decimal) -> Result<()> {
    tx.execute(
        "INSERT INTO cash_shift (id, staff_id, opening_cash) VALUES ($1, $2, $3)",
        &[&id, &staff, &opening_cash],
    )
    .await
    .map(drop)
    .on_constraint("cash_shift_open_key", || {
        Error::conflict("shift_open", "Your last shift is still open. Close it first.")
    })
}

pub async fn close(
    tx: &TenantTx,
    id: ShiftId,
    expected: Decimal,
    counted: Decimal,
    note: Option<&str>,
) -> Result<()> {
    tx.execute(
        "UPDATE cash_shift SET closed_at = clock_timestamp(), expected_cash = $2, counted_cash = $3, note = $4 WHERE id = $1",
        &[&id, &expected, &counted, &note],
    )
    .await?;
    Ok(())
}
