//! Lists of payments: narrowed, summed, page by page.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    model::{Method, Payment},
    store::{columns, payment_of},
};
use crate::{
    db::TenantTx,
    error::Result,
    types::{CustomerId, Limit, ShiftId, StaffId},
};

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub method: Option<Method>,
    pub received_by: Option<StaffId>,
    pub customer: Option<CustomerId>,
    pub shift: Option<ShiftId>,
    pub is_void: Option<bool>,
    /// From this instant on, and before that one.
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// When a local day begins. Where a zone leaves midnight out, at its first moment.
pub fn day_start(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..4)
        .find_map(|hours| (midnight + chrono::TimeDelta::hours(hours)).and_local_timezone(zone).earliest())
        .map_or_else(|| midnight.and_utc(), |at| at.with_timezone(&Utc))
}

impl Filter {
    /// Local days, the last one included.
    pub fn on_days(mut self, from: Option<NaiveDate>, to: Option<NaiveDate>, zone: Tz) -> Self {
        self.from = from.map(|day| day_start(day, zone));
        self.until = to.and_then(|day| day.checked_add_days(Days::new(1))).map(|day| day_start(day, zone));
        self
    }
}

macro_rules! matching {
    () => {
        "($1::text IS NULL OR p.method = $1) AND ($2::uuid IS NULL OR p.received_by = $2) \
         AND ($3::uuid IS NULL OR p.customer_id = $3) AND ($4::uuid IS NULL OR p.shift_id = $4) \
         AND ($5::boolean IS NULL OR (p.status = 'void') = $5) AND ($6::timestamptz IS NULL OR p.received_at >= $6) \
         AND ($7::timestamptz IS NULL OR p.received_at < $7)"
    };
}

/// Newest first, after the mark; at most so many.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    mark: Option<(DateTime<Utc>, Uuid)>,
    rows: i64,
) -> Result<Vec<Payment>> {
    let found = tx
        .query(
            concat!(
                "SELECT ",
                columns!(),
                " FROM payment p JOIN customer c ON c.id = p.customer_id LEFT JOIN receipt r ON r.payment_id = p.id WHERE ",
                matching!(),
                " AND ($8::timestamptz IS NULL OR (p.received_at, p.id) < ($8, $9::uuid)) \
                 ORDER BY p.received_at DESC, p.id DESC LIMIT $10"
            ),
            &[
                &filter.method.map(Method::as_str),
                &filter.received_by,
                &filter.customer,
                &filter.shift,
                &filter.is_void,
                &filter.from,
                &filter.until,
                &mark.map(|mark| mark.0),
                &mark.map(|mark| mark.1),
                &rows,
            ],
        )
        .await?;
    Ok(found.iter().map(payment_of).collect())
}

/// One page, and whether there are more.
pub async fn page(
    tx: &TenantTx,
    filter: &Filter,
    mark: Option<(DateTime<Utc>, Uuid)>,
    limit: Limit,
) -> Result<(Vec<Payment>, bool)> {
    let mut items = list(tx, filter, mark, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// How many match, and what those come to that count.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    pub count: i64,
    pub amount: Decimal,
}

pub async fn totals(tx: &TenantTx, filter: &Filter) -> Result<Totals> {
    let row = tx
        .query_one(
            concat!(
                "SELECT count(*), coalesce(sum(p.amount) FILTER (WHERE p.status = 'valid'), 0.00) FROM payment p WHERE ",
                matching!()
            ),
            &[
                &filter.method.map(Method::as_str),
                &filter.received_by,
                &filter.customer,
                &filter.shift,
                &filter.is_void,
                &filter.from,
                &filter.until,
            ],
        )
        .await?;
    Ok(Totals { count: row.get(0), amount: row.get(1) })
}

/// Who took money here, by name.
pub async fn cashiers(tx: &TenantTx) -> Result<Vec<(StaffId, String)>> {
    let rows = tx
        .query(
            "SELECT s.id, s.name FROM staff s WHERE EXISTS (SELECT FROM payment p WHERE p.received_by = s.id) \
             ORDER BY lower(s.name), s.id LIMIT 500",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
