//! All SQL of payments, allocations and refunds, but for the lists.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Method, NewPayment, Payment, Refund, Void};
use crate::{
    access::By,
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::billing::ledger,
    types::{CustomerId, PaymentId, RefundId, ShiftId, SubscriptionId},
};

macro_rules! columns {
    () => {
        "p.id, p.customer_id, c.first_name || ' ' || c.last_name, p.amount, p.allocated_amount, p.refunded_amount, p.method, \
         p.reference, p.received_by, p.received_by_label, p.received_at, p.shift_id, p.note, p.voided_at, p.voided_by, \
         p.void_reason, r.id, r.label, p.created_at"
    };
}
pub(super) use columns;

pub(super) fn payment_of(row: &Row) -> Payment {
    let void = row.get::<_, Option<_>>(13).map(|at| Void {
        at,
        by: row.get::<_, Option<String>>(14).unwrap_or_default(),
        reason: row.get::<_, Option<String>>(15).unwrap_or_default(),
    });
    let receipt = row.get::<_, Option<_>>(16).map(|id| (id, row.get(17)));
    Payment {
        id: row.get(0),
        customer: row.get(1),
        customer_name: row.get(2),
        amount: row.get(3),
        allocated: row.get(4),
        refunded: row.get(5),
        method: Method::from_column(row.get(6)),
        reference: row.get(7),
        received_by: row.get(8),
        received_by_label: row.get(9),
        received_at: row.get(10),
        shift: row.get(11),
        note: row.get(12),
        void,
        receipt,
        created_at: row.get(18),
    }
}

pub async fn find(tx: &TenantTx, id: PaymentId) -> Result<Option<Payment>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM payment p JOIN customer c ON c.id = p.customer_id LEFT JOIN receipt r ON r.payment_id = p.id WHERE p.id = $1"
    );
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(payment_of))
}

/// The open shift of a cashier, held open until this transaction ends; several may take money in it at once.
pub async fn hold_open_shift(tx: &TenantTx, by: &By) -> Result<Option<ShiftId>> {
    let Some(staff) = by.staff() else { return Ok(None) };
    let row = tx
        .query_opt("SELECT id FROM cash_shift WHERE staff_id = $1 AND closed_at IS NULL FOR SHARE", &[&staff])
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Whether there is such a shift, whoever's it is.
pub async fn has_shift(tx: &TenantTx, id: ShiftId) -> Result<bool> {
    Ok(tx.query_opt("SELECT 1 FROM cash_shift WHERE id = $1", &[&id]).await?.is_some())
}

/// Whether a shift was closed; held as it is until this transaction ends.
pub async fn is_shift_closed(tx: &TenantTx, id: ShiftId) -> Result<bool> {
    let row =
        tx.query_opt("SELECT closed_at IS NOT NULL FROM cash_shift WHERE id = $1 FOR SHARE", &[&id]).await?;
    Ok(row.is_some_and(|row| row.get(0)))
}

pub async fn insert(
    tx: &TenantTx,
    by: &By,
    id: PaymentId,
    customer: CustomerId,
    new: &NewPayment,
    shift: Option<ShiftId>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO payment (id, customer_id, amount, method, reference, received_by, received_by_label, received_at, \
         shift_id, note) VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, clock_timestamp()), $9, $10)",
        &[
            &id,
            &customer,
            &new.amount,
            &new.method.as_str(),
            &new.reference,
            &by.staff(),
            &by.actor.label,
            &new.received_at,
            &shift,
            &new.note,
        ],
    )
    .await
    .map(drop)
    .on_constraint("payment_reference_key", || {
        Error::conflict("reference_taken", "A payment of this method with this reference was recorded already.")
    })
}

/// Gives an amount of a payment to a period, or takes it back when it is negative. The tables refuse more than there is.
pub async fn allocate(
    tx: &TenantTx,
    payment: PaymentId,
    subscription: SubscriptionId,
    amount: Decimal,
) -> Result<()> {
    tx.execute(
        "INSERT INTO payment_allocation (id, payment_id, subscription_id, amount) VALUES ($1, $2, $3, $4)",
        &[&Uuid::now_v7(), &payment, &subscription, &amount],
    )
    .await?;
    tx.execute(
        "UPDATE payment SET allocated_amount = allocated_amount + $2 WHERE id = $1",
        &[&payment, &amount],
    )
    .await?;
    tx.execute(
        "UPDATE subscription SET paid_amount = paid_amount + $2 WHERE id = $1",
        &[&subscription, &amount],
    )
    .await?;
    ledger::note_first_paid(tx, subscription).await
}

/// What a customer owes for which period, oldest first.
pub async fn dues(tx: &TenantTx, customer: CustomerId) -> Result<Vec<(SubscriptionId, Decimal)>> {
    let rows = tx
        .query(
            "SELECT id, amount - credited_amount - paid_amount FROM subscription \
             WHERE customer_id = $1 AND paid_amount < amount - credited_amount ORDER BY starts_at, id LIMIT 500",
            &[&customer],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What a customer has to use, and of which payment, oldest first.
pub async fn credits(tx: &TenantTx, customer: CustomerId) -> Result<Vec<(PaymentId, Decimal)>> {
    let rows = tx
        .query(
            "SELECT id, amount - allocated_amount - refunded_amount FROM payment WHERE customer_id = $1 \
             AND status = 'valid' AND allocated_amount + refunded_amount < amount ORDER BY received_at, id LIMIT 500",
            &[&customer],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What of a payment lies on which period.
pub async fn shares_of(tx: &TenantTx, payment: PaymentId) -> Result<Vec<(SubscriptionId, Decimal)>> {
    let rows = tx
        .query(
            "SELECT subscription_id, sum(amount) FROM payment_allocation WHERE payment_id = $1 \
             GROUP BY subscription_id HAVING sum(amount) <> 0 ORDER BY subscription_id LIMIT 500",
            &[&payment],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A period that a payment paid, as its page names it.
#[derive(Debug, Clone)]
pub struct Covered {
    pub subscription: SubscriptionId,
    pub plan_name: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub amount: Decimal,
}

/// What of a payment lies on which period, with what that is.
pub async fn covered_by(tx: &TenantTx, payment: PaymentId) -> Result<Vec<Covered>> {
    let rows = tx
        .query(
            "SELECT s.id, s.plan_name, s.starts_at, s.ends_at, a.amount FROM (SELECT subscription_id, sum(amount) AS amount \
             FROM payment_allocation WHERE payment_id = $1 GROUP BY subscription_id HAVING sum(amount) <> 0) a \
             JOIN subscription s ON s.id = a.subscription_id ORDER BY s.starts_at, s.id LIMIT 500",
            &[&payment],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Covered {
            subscription: row.get(0),
            plan_name: row.get(1),
            starts_at: row.get(2),
            ends_at: row.get(3),
            amount: row.get(4),
        })
        .collect())
}

/// Which payments lie on a period, the newest first.
pub async fn payers_of(tx: &TenantTx, subscription: SubscriptionId) -> Result<Vec<(PaymentId, Decimal)>> {
    let rows = tx
        .query(
            "SELECT payment_id, sum(amount) FROM payment_allocation WHERE subscription_id = $1 \
             GROUP BY payment_id HAVING sum(amount) <> 0 ORDER BY payment_id DESC LIMIT 500",
            &[&subscription],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub async fn void(tx: &TenantTx, id: PaymentId, by: &str, reason: &str) -> Result<()> {
    tx.execute(
        "UPDATE payment SET status = 'void', voided_at = clock_timestamp(), voided_by = $2, void_reason = $3 WHERE id = $1",
        &[&id, &by, &reason],
    )
    .await?;
    Ok(())
}

pub async fn insert_refund(
    tx: &TenantTx,
    by: &By,
    customer: CustomerId,
    refund: &Refund,
    shift: Option<ShiftId>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO refund (id, payment_id, customer_id, amount, method, reference, reason, refunded_by, refunded_by_label, \
         shift_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &refund.id,
            &refund.payment,
            &customer,
            &refund.amount,
            &refund.method.as_str(),
            &refund.reference,
            &refund.reason,
            &by.staff(),
            &refund.refunded_by_label,
            &shift,
        ],
    )
    .await?;
    tx.execute(
        "UPDATE payment SET refunded_amount = refunded_amount + $2 WHERE id = $1",
        &[&refund.payment, &refund.amount],
    )
    .await?;
    Ok(())
}

fn refund_of(row: &Row) -> Refund {
    Refund {
        id: row.get(0),
        payment: row.get(1),
        amount: row.get(2),
        method: Method::from_column(row.get(3)),
        reference: row.get(4),
        reason: row.get(5),
        refunded_by_label: row.get(6),
        refunded_at: row.get(7),
    }
}

pub async fn refunds_of(tx: &TenantTx, payment: PaymentId) -> Result<Vec<Refund>> {
    let rows = tx
        .query(
            "SELECT id, payment_id, amount, method, reference, reason, refunded_by_label, refunded_at FROM refund \
             WHERE payment_id = $1 ORDER BY refunded_at, id LIMIT 100",
            &[&payment],
        )
        .await?;
    Ok(rows.iter().map(refund_of).collect())
}

pub async fn find_refund(tx: &TenantTx, id: RefundId) -> Result<Option<Refund>> {
    let row = tx
        .query_opt(
            "SELECT id, payment_id, amount, method, reference, reason, refunded_by_label, refunded_at FROM refund WHERE id = $1",
            &[&id],
        )
        .await?;
    Ok(row.as_ref().map(refund_of))
}

/// The name of a customer who is not deleted, and is neither deleted nor merged until this unit of work ends.
pub async fn hold_customer(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL FOR KEY SHARE",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}
