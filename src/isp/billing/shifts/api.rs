//! The operations on cashiers' shifts.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{rules, store::Shift};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    isp::billing::{WorkShifts, mark::Mark},
    types::amount as money,
    types::{Check, Limit, ShiftId, optional_text},
    web::{Body, Created, Json},
};

pub const NOTE_MAX: usize = 1_000;

#[derive(Tags)]
enum Tag {
    /// Cashiers' stays at the drawer.
    Shifts,
}

/// A cashier's stay at the drawer.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Shift")]
pub struct ShiftView {
    id: Uuid,
    staff_id: Uuid,
    cashier: String,
    opened_at: DateTime<Utc>,
    opening_cash: Decimal,
    /// Payments in cash and refunds in cash, as they count today.
    cash_in: Decimal,
    cash_out: Decimal,
    payments: i64,
    #[oai(nullable)]
    closed_at: Option<DateTime<Utc>>,
    /// What should have been there when it was closed.
    #[oai(nullable)]
    expected_cash: Option<Decimal>,
    #[oai(nullable)]
    counted_cash: Option<Decimal>,
    /// Counted minus expected.
    #[oai(nullable)]
    difference: Option<Decimal>,
    #[oai(nullable)]
    note: Option<String>,
}

impl From<Shift> for ShiftView {
    fn from(shift: Shift) -> Self {
        Self {
            difference: shift.difference(),
            id: shift.id.0,
            staff_id: shift.staff.0,
            cashier: shift.cashier,
            opened_at: shift.opened_at,
            opening_cash: shift.opening_cash,
            cash_in: shift.cash_in,
            cash_out: shift.cash_out,
            payments: shift.payments,
            closed_at: shift.closed_at,
            expected_cash: shift.expected_cash,
            counted_cash: shift.counted_cash,
            note: shift.note,
        }
    }
}

/// One page of shifts, newest first.
#[derive(Debug, Serialize, Object)]
pub struct ShiftList {
    items: Vec<ShiftView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// What is in the drawer at the beginning.
#[derive(Debug, Object)]
#[oai(rename = "NewShift")]
pub struct OpenBody {
    opening_cash: Decimal,
}

/// What was counted at the end.
#[derive(Debug, Object)]
#[oai(rename = "ShiftCount")]
pub struct CloseBody {
    counted_cash: Decimal,
    #[oai(nullable, validator(max_length = 1000))]
    note: Option<String>,
}

/// The operations on shifts.
pub struct ShiftsApi {
    db: Db,
}

impl ShiftsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Shifts")]
impl ShiftsApi {
    /// List shifts.
    ///
    /// One's own; everybody's with the right to review shifts.
    #[oai(path = "/shifts", method = "get")]
    async fn list_shifts(
        &self,
        by: ApiUser<WorkShifts>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<ShiftList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(Mark::decode).transpose()?;
        let (items, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| rules::list(tx, &by, mark.map(Mark::pair), limit).await)
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Mark::new(last.opened_at, last.id.0).encode()?),
            _ => None,
        };
        Ok(Json(ShiftList { items: items.into_iter().map(ShiftView::from).collect(), next_cursor }))
    }

    /// Open a shift.
    ///
    /// Payments in cash that one takes belong to it until it is closed. One at a time: 409 `shift_open`.
    #[oai(path = "/shifts", method = "post")]
    async fn open_shift(&self, by: ApiUser<WorkShifts>, body: Body<OpenBody>) -> Result<Created<ShiftView>> {
        let mut check = Check::new();
        let cash = check.field("opening_cash", money::amount(body.0.opening_cash));
        let cash = check.finish(cash)?;
        let shift = self.db.in_tenant(&by.tenant, async |tx| rules::open(tx, &by, cash).await).await?;
        Ok(Created(shift.into()))
    }

    /// Show a shift.
    #[oai(path = "/shifts/:id", method = "get")]
    async fn get_shift(&self, by: ApiUser<WorkShifts>, id: Path<Uuid>) -> Result<Json<ShiftView>> {
        let shift =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, &by, ShiftId(id.0)).await).await?;
        Ok(Json(shift.into()))
    }

    /// Close a shift.
    ///
    /// With what was counted. What should be there is the opening cash, plus payments and minus refunds in cash.
    #[oai(path = "/shifts/:id/close", method = "post")]
    async fn close_shift(
        &self,
        by: ApiUser<WorkShifts>,
        id: Path<Uuid>,
        body: Body<CloseBody>,
    ) -> Result<Json<ShiftView>> {
        let mut check = Check::new();
        let cash = check.field("counted_cash", money::amount(body.0.counted_cash));
        let note = check.field("note", optional_text(&body.0.note.unwrap_or_default(), NOTE_MAX));
        let (cash, note) = check.finish(cash.zip(note))?;
        let shift = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::close(tx, &by, ShiftId(id.0), cash, note.as_deref()).await
            })
            .await?;
        Ok(Json(shift.into()))
    }
}
