//! All SQL of invoices and of their payments.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    model::{Invoice, InvoiceStatus, Payment, PaymentStatus, Printed},
    processors::Begun,
    terms::Terms,
};
use crate::{
    db::ControlTx,
    error::{Error, OrInternal, Result},
    tenancy::plans::Line as StatementLine,
    types::TenantId,
};

pub async fn get_terms(tx: &ControlTx) -> Result<Terms> {
    let row = tx
        .query_one(
            "SELECT seller, seller_address, seller_tax_number, prefix, tax_name, tax_percent, note, due_days, reminder_days,
                suspend_days, begun_at FROM public.invoicing",
            &[],
        )
        .await?;
    Ok(Terms {
        seller: row.get("seller"),
        seller_address: row.get("seller_address"),
        seller_tax_number: row.get("seller_tax_number"),
        prefix: row.get("prefix"),
        tax_name: row.get("tax_name"),
        tax_percent: row.get("tax_percent"),
        note: row.get("note"),
        due_days: row.get("due_days"),
        reminder_days: row.get("reminder_days"),
        suspend_days: row.get("suspend_days"),
        begun_at: row.get("begun_at"),
    })
}

pub async fn save_terms(tx: &ControlTx, terms: &Terms) -> Result<()> {
    tx.execute(
        "UPDATE public.invoicing SET seller = $1, seller_address = $2, seller_tax_number = $3, prefix = $4, tax_name = $5,
            tax_percent = $6, note = $7, due_days = $8, reminder_days = $9, suspend_days = $10,
            begun_at = CASE WHEN $1 = '' THEN begun_at ELSE coalesce(begun_at, now()) END",
        &[
            &terms.seller,
            &terms.seller_address,
            &terms.seller_tax_number,
            &terms.prefix,
            &terms.tax_name,
            &terms.tax_percent,
            &terms.note,
            &terms.due_days,
            &terms.reminder_days,
            &terms.suspend_days,
        ],
    )
    .await
    .map(drop)
}

/// The next number. The row stays locked until the transaction ends: a number that is not used is nobody's.
pub async fn next_number(tx: &ControlTx) -> Result<i64> {
    let sql = "UPDATE public.invoicing SET last_number = last_number + 1 RETURNING last_number";
    Ok(tx.query_one(sql, &[]).await?.get("last_number"))
}

/// A statement that is to be invoiced.
pub struct Due {
    pub statement: Uuid,
    pub tenant: TenantId,
    pub month: NaiveDate,
    pub currency: String,
    pub lines: Vec<StatementLine>,
    pub total: Decimal,
}

/// Statements that came to something and have no invoice, the oldest first. Of providers that are gone there is nobody to ask.
pub async fn list_due(tx: &ControlTx) -> Result<Vec<Due>> {
    let rows = tx
        .query(
            "SELECT s.id, s.tenant_id, s.month, s.currency, s.lines, s.total FROM public.statement s
             JOIN public.tenant t ON t.id = s.tenant_id AND t.status IN ('active', 'suspended')
             WHERE s.total > 0 AND s.made_at >= (SELECT i.begun_at FROM public.invoicing i WHERE i.seller <> '')
                AND NOT EXISTS (SELECT FROM public.invoice v WHERE v.statement_id = s.id)
             ORDER BY s.month, s.id LIMIT 200",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                statement: row.get("id"),
                tenant: row.get("tenant_id"),
                month: row.get("month"),
                currency: row.get("currency"),
                lines: serde_json::from_value(row.get("lines")).internal()?,
                total: row.get("total"),
            })
        })
        .collect()
}

pub async fn is_invoiced(tx: &ControlTx, statement: Uuid) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM public.invoice WHERE statement_id = $1) AS there";
    Ok(tx.query_one(sql, &[&statement]).await?.get("there"))
}

/// An invoice as it is issued.
pub struct NewInvoice<'a> {
    pub id: Uuid,
    pub number: i64,
    pub tenant: TenantId,
    pub statement: Option<Uuid>,
    pub printed: &'a Printed,
    pub currency: &'a str,
    pub total: Decimal,
    pub issued_on: NaiveDate,
    pub due_on: NaiveDate,
    pub pay_token: &'a str,
    /// How it was paid before it was issued, if it was.
    pub paid_by: Option<&'a str>,
}

pub async fn insert_invoice(tx: &ControlTx, new: &NewInvoice<'_>) -> Result<()> {
    let printed = serde_json::to_value(new.printed).internal()?;
    tx.execute(
        "INSERT INTO public.invoice (id, number, label, tenant_id, statement_id, printed, currency, total, issued_on, due_on,
            pay_token, status, settled_at, settled_note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12::text IS NULL THEN 'open' ELSE 'paid' END,
            CASE WHEN $12::text IS NOT NULL THEN now() END, coalesce($12, ''))",
        &[
            &new.id,
            &new.number,
            &new.printed.label,
            &new.tenant,
            &new.statement,
            &printed,
            &new.currency,
            &new.total,
            &new.issued_on,
            &new.due_on,
            &new.pay_token,
            &new.paid_by,
        ],
    )
    .await
    .map(drop)
}

macro_rules! select_invoice {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.label, i.tenant_id, t.name AS tenant_name, i.printed, i.currency, i.total, i.issued_on, i.due_on, i.status, ",
            "i.settled_at, i.settled_note, i.settled_by, i.pay_token, i.reminded, i.suspended_at ",
            "FROM public.invoice i JOIN public.tenant t ON t.id = i.tenant_id ",
            $rest
        )
    };
}

fn invoice_of(row: &Row) -> Result<Invoice> {
    let status: String = row.get("status");
    Ok(Invoice {
        id: row.get("id"),
        label: row.get("label"),
        tenant: row.get("tenant_id"),
        tenant_name: row.get("tenant_name"),
        printed: serde_json::from_value(row.get("printed")).internal()?,
        currency: row.get("currency"),
        total: row.get("total"),
        issued_on: row.get("issued_on"),
        due_on: row.get("due_on"),
        status: InvoiceStatus::parse(&status).ok_or_else(|| Error::internal("an odd invoice"))?,
        settled_at: row.get("settled_at"),
        settled_note: row.get("settled_note"),
        settled_by: row.get("settled_by"),
        pay_token: row.get("pay_token"),
        reminded: row.get("reminded"),
        suspended_at: row.get("suspended_at"),
    })
}

/// A tenant's invoices, the newest first; at most 120 of them.
pub async fn list_of_tenant(tx: &ControlTx, tenant: TenantId) -> Result<Vec<Invoice>> {
    let sql = select_invoice!("WHERE i.tenant_id = $1 ORDER BY i.number DESC LIMIT 120");
    tx.query(sql, &[&tenant]).await?.iter().map(invoice_of).collect()
}

/// Invoices of all tenants, the newest first, from the one before `before` on.
pub async fn list_all(
    tx: &ControlTx,
    status: Option<InvoiceStatus>,
    q: &str,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Invoice>> {
    let sql = select_invoice!(
        "WHERE ($1::text IS NULL OR i.status = $1) AND ($2 = '' OR strpos(lower(t.name), lower($2)) > 0 OR i.label = upper($2))
         AND ($3::text IS NULL OR i.number < (SELECT b.number FROM public.invoice b WHERE b.label = $3))
         ORDER BY i.number DESC LIMIT $4"
    );
    let status = status.map(InvoiceStatus::as_str);
    tx.query(sql, &[&status, &q, &before, &limit]).await?.iter().map(invoice_of).collect()
}

pub async fn find_invoice(tx: &ControlTx, id: Uuid) -> Result<Option<Invoice>> {
    tx.query_opt(select_invoice!("WHERE i.id = $1"), &[&id]).await?.as_ref().map(invoice_of).transpose()
}

pub async fn find_by_token(tx: &ControlTx, token: &str) -> Result<Option<Invoice>> {
    tx.query_opt(select_invoice!("WHERE i.pay_token = $1"), &[&token])
        .await?
        .as_ref()
        .map(invoice_of)
        .transpose()
}

/// Open invoices whose due date has come, after the one with the id `after`. Where money came that somebody has yet to look at,
/// nobody is pressed.
pub async fn list_overdue(tx: &ControlTx, today: NaiveDate, after: Uuid) -> Result<Vec<Invoice>> {
    let sql = select_invoice!(
        "WHERE i.status = 'open' AND i.due_on <= $1 AND i.id > $2 AND t.status IN ('active', 'suspended')
            AND NOT EXISTS (SELECT FROM public.platform_payment p WHERE p.invoice_id = i.id AND p.status = 'held')
         ORDER BY i.id LIMIT 200"
    );
    tx.query(sql, &[&today, &after]).await?.iter().map(invoice_of).collect()
}

/// Paid, or void: false when it was not open any more.
pub async fn settle_invoice(
    tx: &ControlTx,
    id: Uuid,
    to: InvoiceStatus,
    note: &str,
    by: &str,
) -> Result<bool> {
    let done = tx
        .execute(
            "UPDATE public.invoice SET status = $2, settled_at = now(), settled_note = $3, settled_by = $4
             WHERE id = $1 AND status = 'open'",
            &[&id, &to.as_str(), &note, &by],
        )
        .await?;
    Ok(done > 0)
}

/// Counts reminders up to `reminded`: false when somebody else did.
pub async fn count_reminders(tx: &ControlTx, id: Uuid, reminded: i16) -> Result<bool> {
    let sql = "UPDATE public.invoice SET reminded = $2 WHERE id = $1 AND reminded < $2 AND status = 'open'";
    Ok(tx.execute(sql, &[&id, &reminded]).await? > 0)
}

/// Notes that the tenant is suspended for it: false when it was before.
pub async fn mark_suspended(tx: &ControlTx, id: Uuid) -> Result<bool> {
    let sql = "UPDATE public.invoice SET suspended_at = now() WHERE id = $1 AND suspended_at IS NULL AND status = 'open'";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// Tenants that are suspended for this reason, and for whose invoices nobody was suspended that are still open.
pub async fn list_cleared(tx: &ControlTx, reason: &str) -> Result<Vec<TenantId>> {
    let rows = tx
        .query(
            "SELECT t.id FROM public.tenant t WHERE t.status = 'suspended' AND t.status_reason = $1
                AND NOT EXISTS (SELECT FROM public.invoice i WHERE i.tenant_id = t.id AND i.status = 'open' AND i.suspended_at IS NOT NULL)
             LIMIT 200",
            &[&reason],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

macro_rules! select_payment {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.tenant_id, t.name AS tenant_name, p.invoice_id, i.label AS invoice_label, p.processor, p.currency, p.amount, ",
            "p.status, p.outside_id, p.pay_url, p.detail, p.begun_by, p.pay_token, p.begun_at FROM public.platform_payment p ",
            "JOIN public.tenant t ON t.id = p.tenant_id LEFT JOIN public.invoice i ON i.id = p.invoice_id ",
            $rest
        )
    };
}

fn payment_of(row: &Row) -> Result<Payment> {
    let status: String = row.get("status");
    Ok(Payment {
        id: row.get("id"),
        tenant: row.get("tenant_id"),
        tenant_name: row.get("tenant_name"),
        invoice: row.get("invoice_id"),
        invoice_label: row.get("invoice_label"),
        processor: row.get("processor"),
        currency: row.get("currency"),
        amount: row.get("amount"),
        status: PaymentStatus::parse(&status).ok_or_else(|| Error::internal("an odd payment"))?,
        outside_id: row.get("outside_id"),
        pay_url: row.get("pay_url"),
        detail: row.get("detail"),
        begun_by: row.get("begun_by"),
        pay_token: row.get("pay_token"),
        begun_at: row.get("begun_at"),
    })
}

pub async fn insert_payment(tx: &ControlTx, new: &Payment) -> Result<()> {
    tx.execute(
        "INSERT INTO public.platform_payment (id, tenant_id, invoice_id, processor, currency, amount, begun_by, pay_token)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &new.id,
            &new.tenant,
            &new.invoice,
            &new.processor,
            &new.currency,
            &new.amount,
            &new.begun_by,
            &new.pay_token,
        ],
    )
    .await
    .map(drop)
}

/// Locks an invoice, so that one payment of it is begun at a time; how it stands.
pub async fn lock_invoice(tx: &ControlTx, id: Uuid) -> Result<Option<InvoiceStatus>> {
    let row = tx.query_opt("SELECT status FROM public.invoice WHERE id = $1 FOR UPDATE", &[&id]).await?;
    Ok(row.and_then(|row| InvoiceStatus::parse(row.get("status"))))
}

/// The last attempt to pay an invoice.
pub async fn last_payment_of(tx: &ControlTx, invoice: Uuid) -> Result<Option<Payment>> {
    let sql = select_payment!("WHERE p.invoice_id = $1 ORDER BY p.begun_at DESC LIMIT 1");
    tx.query_opt(sql, &[&invoice]).await?.as_ref().map(payment_of).transpose()
}

pub async fn list_payments_of(tx: &ControlTx, invoice: Uuid) -> Result<Vec<Payment>> {
    let sql = select_payment!("WHERE p.invoice_id = $1 ORDER BY p.begun_at DESC LIMIT 50");
    tx.query(sql, &[&invoice]).await?.iter().map(payment_of).collect()
}

/// Payments for credit, the newest first; at most fifty.
pub async fn list_credit_payments(tx: &ControlTx, tenant: TenantId) -> Result<Vec<Payment>> {
    let sql =
        select_payment!("WHERE p.tenant_id = $1 AND p.invoice_id IS NULL ORDER BY p.begun_at DESC LIMIT 50");
    tx.query(sql, &[&tenant]).await?.iter().map(payment_of).collect()
}

/// How many payments a tenant began since.
pub async fn count_begun(tx: &ControlTx, tenant: TenantId, since: DateTime<Utc>) -> Result<i64> {
    let sql = "SELECT count(*) AS begun FROM public.platform_payment WHERE tenant_id = $1 AND begun_at >= $2";
    Ok(tx.query_one(sql, &[&tenant, &since]).await?.get("begun"))
}

/// Payments that somebody must look at, the oldest first.
pub async fn list_held(tx: &ControlTx) -> Result<Vec<Payment>> {
    let sql = select_payment!("WHERE p.status = 'held' ORDER BY p.begun_at LIMIT 200");
    tx.query(sql, &[]).await?.iter().map(payment_of).collect()
}

pub async fn find_payment_by_token(tx: &ControlTx, token: &str) -> Result<Option<Payment>> {
    let sql = select_payment!("WHERE p.pay_token = $1");
    tx.query_opt(sql, &[&token]).await?.as_ref().map(payment_of).transpose()
}

/// A payment of this processor.
pub async fn find_payment(tx: &ControlTx, id: Uuid, processor: &str) -> Result<Option<Payment>> {
    let sql = select_payment!("WHERE p.id = $1 AND p.processor = $2");
    tx.query_opt(sql, &[&id, &processor]).await?.as_ref().map(payment_of).transpose()
}

/// The same, locked until the transaction ends.
pub async fn lock_payment(tx: &ControlTx, id: Uuid, processor: &str) -> Result<Option<Payment>> {
    let sql = select_payment!("WHERE p.id = $1 AND p.processor = $2 FOR UPDATE OF p");
    tx.query_opt(sql, &[&id, &processor]).await?.as_ref().map(payment_of).transpose()
}

/// The processor's checkout is there.
pub async fn keep_checkout(tx: &ControlTx, id: Uuid, begun: &Begun) -> Result<()> {
    tx.execute(
        "UPDATE public.platform_payment SET outside_id = $2, pay_url = $3 WHERE id = $1",
        &[&id, &begun.outside_id, &begun.pay_url],
    )
    .await
    .map(drop)
}

pub async fn settle_payment(tx: &ControlTx, id: Uuid, to: PaymentStatus, detail: &str) -> Result<()> {
    tx.execute(
        "UPDATE public.platform_payment SET status = $2, detail = left($3, 300), settled_at = now() WHERE id = $1",
        &[&id, &to.as_str(), &detail],
    )
    .await
    .map(drop)
}

/// A held payment is settled outside; None when it is not held.
pub async fn settle_held(tx: &ControlTx, id: Uuid, how: &str) -> Result<Option<Payment>> {
    let sql = select_payment!("WHERE p.id = $1 AND p.status = 'held' FOR UPDATE OF p");
    let found = tx.query_opt(sql, &[&id]).await?.as_ref().map(payment_of).transpose()?;
    if let Some(payment) = &found {
        let detail = format!("{} {how}", payment.detail);
        settle_payment(tx, id, PaymentStatus::Settled, &detail).await?;
    }
    Ok(found)
}

/// Takes the turn to ask what became of a payment: one asker in five seconds, over all processes.
pub async fn take_turn_to_ask(tx: &ControlTx, id: Uuid) -> Result<bool> {
    let done = tx
        .execute(
            "UPDATE public.platform_payment SET asked_at = now() WHERE id = $1 AND status = 'begun' AND outside_id IS NOT NULL
                AND (asked_at IS NULL OR asked_at < now() - interval '5 seconds')",
            &[&id],
        )
        .await?;
    Ok(done > 0)
}

/// Begun payments to be asked after: often at first, every hour later, once more after a day. Of a processor that told us nothing
/// within a minute nobody has the address: there is nothing to ask.
pub async fn list_to_ask(tx: &ControlTx) -> Result<Vec<Payment>> {
    let sql = select_payment!(
        "WHERE p.status = 'begun' AND p.begun_at < now() - interval '1 minute' AND (p.asked_at IS NULL OR p.asked_at < now() - CASE
            WHEN p.begun_at > now() - interval '20 minutes' THEN interval '30 seconds'
            WHEN p.begun_at > now() - interval '3 hours' THEN interval '5 minutes' ELSE interval '1 hour' END
            OR p.begun_at < now() - interval '1 day')
         ORDER BY p.asked_at NULLS FIRST LIMIT 100"
    );
    tx.query(sql, &[]).await?.iter().map(payment_of).collect()
}
