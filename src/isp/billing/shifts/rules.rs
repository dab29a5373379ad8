//! Opening and closing the drawer. All of a close is one transaction: a shift is open or closed, never between.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::store::{self, Shift};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, Result},
    isp::billing::ReviewShifts,
    types::{Limit, ShiftId, StaffId},
};

fn person(by: &By) -> Result<StaffId> {
    by.staff()
        .ok_or_else(|| Error::forbidden("no_drawer", "Only a member of staff has a drawer of their own."))
}

/// Who reviews shifts sees everybody's, others their own.
fn reach(by: &By) -> Result<Option<StaffId>> {
    if by.require::<ReviewShifts>().is_ok() { Ok(None) } else { person(by).map(Some) }
}

/// A shift that the caller may see; another's is not there.
pub async fn get(tx: &TenantTx, by: &By, id: ShiftId) -> Result<Shift> {
    let whose = reach(by)?;
    let shift = store::find(tx, id).await?.filter(|shift| whose.is_none_or(|staff| staff == shift.staff));
    shift.ok_or(Error::not_found("shift"))
}

/// The caller's own open shift.
pub async fn open_one(tx: &TenantTx, by: &By) -> Result<Option<Shift>> {
    match by.staff() {
        Some(staff) => store::find_open(tx, staff).await,
        None => Ok(None),
    }
}

/// One page of the shifts that the caller may see, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    by: &By,
    mark: Option<(DateTime<Utc>, Uuid)>,
    limit: Limit,
) -> Result<(Vec<Shift>, bool)> {
    let mut shifts = store::list(tx, reach(by)?, mark, limit).await?;
    let more = limit.cut(&mut shifts);
    Ok((shifts, more))
}

fn event<'a>(action: &'static str, shift: &'a Shift, after: serde_json::Value) -> Event<'a> {
    Event {
        action,
        object_type: "shift",
        object_id: Some(shift.id.0),
        object_label: &shift.cashier,
        before: None,
        after: Some(after),
    }
}

/// Opens the caller's drawer with what is in it. One at a time: 409 `shift_open`.
pub async fn open(tx: &TenantTx, by: &By, opening_cash: Decimal) -> Result<Shift> {
    let (staff, id) = (person(by)?, ShiftId::new());
    store::insert(tx, id, staff, opening_cash).await?;
    let shift =
        store::find(tx, id).await?.ok_or_else(|| Error::internal("a shift that was opened is gone"))?;
    by.record(tx, event("shift.opened", &shift, json!({ "opening_cash": opening_cash }))).await?;
    Ok(shift)
}

/// Closes a drawer that was counted. What comes in meanwhile waits, and belongs to no shift then.
pub async fn close(
    tx: &TenantTx,
    by: &By,
    id: ShiftId,
    counted: Decimal,
    note: Option<&str>,
) -> Result<Shift> {
    get(tx, by, id).await?;
    store::lock(tx, id).await?;
    let shift = get(tx, by, id).await?;
    if shift.closed_at.is_some() {
        return Err(Error::conflict("shift_closed", "This shift is closed already."));
    }
    let expected = shift.should_hold();
    store::close(tx, id, expected, counted, note).await?;
    let told =
        json!({ "expected_cash": expected, "counted_cash": counted, "difference": counted - expected });
    by.record(tx, event("shift.closed", &shift, told)).await?;
    get(tx, by, id).await
}
