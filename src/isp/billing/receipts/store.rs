//! All SQL of receipts.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::model::Printed;
use crate::{
    db::TenantTx,
    error::{OrInternal, Result},
    isp::plans::Tax,
    types::{CustomerId, PaymentId, ReceiptId},
};

/// How a company shows itself on paper.
#[derive(Debug, Clone, Default)]
pub struct Letterhead {
    pub legal_name: Option<String>,
    pub lines: Vec<String>,
    pub tax_number: Option<String>,
    pub logo: Option<Vec<u8>>,
}

pub async fn letterhead(tx: &TenantTx) -> Result<Letterhead> {
    let row = tx
        .query_one(
            "SELECT legal_name, street_address, phone, email, website, tax_number, f.content FROM company \
             LEFT JOIN file f ON f.id = logo_file_id",
            &[],
        )
        .await?;
    let text = |index: usize| row.get::<_, Option<String>>(index).filter(|text| !text.trim().is_empty());
    let contact: Vec<String> = [text(2), text(3), text(4)].into_iter().flatten().collect();
    let lines = text(1).into_iter().chain((!contact.is_empty()).then(|| contact.join(" · "))).collect();
    Ok(Letterhead { legal_name: text(0), lines, tax_number: text(5), logo: row.get(6) })
}

/// Whom a receipt is made out to.
#[derive(Debug, Clone)]
pub struct Payer {
    pub name: String,
    pub address: Option<String>,
    pub phone: Option<String>,
    pub reference: Option<String>,
}

pub async fn payer(tx: &TenantTx, id: CustomerId) -> Result<Payer> {
    let row = tx
        .query_one(
            "SELECT c.first_name || ' ' || c.last_name, nullif(concat_ws(', ', c.street_address, a.name), ''), \
             c.phone_primary, c.reference FROM customer c LEFT JOIN area a ON a.id = c.area_id WHERE c.id = $1",
            &[&id],
        )
        .await?;
    Ok(Payer { name: row.get(0), address: row.get(1), phone: row.get(2), reference: row.get(3) })
}

/// A period that a payment paid, as a receipt tells of it.
#[derive(Debug, Clone)]
pub struct Paid {
    pub amount: Decimal,
    pub plan_name: String,
    pub tax: Tax,
    pub days: Decimal,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub download_mbps: i32,
}

pub async fn paid_by(tx: &TenantTx, payment: PaymentId) -> Result<Vec<Paid>> {
    let rows = tx
        .query(
            "SELECT a.amount, s.plan_name, s.tax, s.days_added, s.starts_at, s.ends_at, p.download_mbps \
             FROM payment_allocation a JOIN subscription s ON s.id = a.subscription_id JOIN plan p ON p.id = s.plan_id \
             WHERE a.payment_id = $1 ORDER BY s.starts_at, s.id LIMIT 500",
            &[&payment],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Paid {
            amount: row.get(0),
            plan_name: row.get(1),
            tax: Tax::from_column(row.get(2)),
            days: row.get(3),
            starts_at: row.get(4),
            ends_at: row.get(5),
            download_mbps: row.get(6),
        })
        .collect())
}

/// Keeps a logo as it is now; answers its digest.
pub async fn keep_logo(tx: &TenantTx, content: &[u8]) -> Result<Vec<u8>> {
    let digest = Sha256::digest(content).to_vec();
    tx.execute(
        "INSERT INTO receipt_logo (digest, content) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        &[&digest, &content],
    )
    .await?;
    Ok(digest)
}

/// A receipt as it is issued.
pub struct NewReceipt<'a> {
    pub id: ReceiptId,
    pub series: &'a str,
    pub number: i64,
    pub payment: PaymentId,
    pub customer: CustomerId,
    pub issued_at: DateTime<Utc>,
    pub printed: &'a Printed,
    pub logo: Option<&'a [u8]>,
    pub code: &'a str,
}

pub async fn insert(tx: &TenantTx, new: &NewReceipt<'_>) -> Result<()> {
    let printed = serde_json::to_value(new.printed).internal()?;
    tx.execute(
        "INSERT INTO receipt (id, series, number, label, payment_id, customer_id, issued_at, printed, logo, \
         verification_code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &new.id,
            &new.series,
            &new.number,
            &new.printed.label,
            &new.payment,
            &new.customer,
            &new.issued_at,
            &printed,
            &new.logo,
            &new.code,
        ],
    )
    .await?;
    Ok(())
}

/// A receipt that was issued, and whether what it is of still counts.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub id: ReceiptId,
    pub label: String,
    pub payment: PaymentId,
    pub customer: CustomerId,
    pub customer_name: String,
    pub amount: Decimal,
    pub issued_at: DateTime<Utc>,
    pub code: String,
    pub is_void: bool,
    pub void_reason: Option<String>,
}

macro_rules! receipt {
    ($where:literal) => {
        concat!(
            "SELECT r.id, r.label, r.payment_id, r.customer_id, c.first_name || ' ' || c.last_name, p.amount, r.issued_at, \
             r.verification_code, p.status = 'void', p.void_reason FROM receipt r \
             JOIN payment p ON p.id = r.payment_id JOIN customer c ON c.id = r.customer_id WHERE ",
            $where
        )
    };
}

fn receipt_of(row: &Row) -> Receipt {
    Receipt {
        id: row.get(0),
        label: row.get(1),
        payment: row.get(2),
        customer: row.get(3),
        customer_name: row.get(4),
        amount: row.get(5),
        issued_at: row.get(6),
        code: row.get(7),
        is_void: row.get(8),
        void_reason: row.get(9),
    }
}

pub async fn find(tx: &TenantTx, id: ReceiptId) -> Result<Option<Receipt>> {
    Ok(tx.query_opt(receipt!("r.id = $1"), &[&id]).await?.as_ref().map(receipt_of))
}

pub async fn find_by_code(tx: &TenantTx, code: &str) -> Result<Option<Receipt>> {
    Ok(tx.query_opt(receipt!("r.verification_code = $1"), &[&code]).await?.as_ref().map(receipt_of))
}

/// What a receipt prints, and the logo it was issued with.
pub async fn printed(tx: &TenantTx, id: ReceiptId) -> Result<Option<(Printed, Option<Vec<u8>>)>> {
    let row = tx
        .query_opt(
            "SELECT r.printed, l.content FROM receipt r LEFT JOIN receipt_logo l ON l.digest = r.logo WHERE r.id = $1",
            &[&id],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let printed = serde_json::from_value(row.get(0)).internal()?;
    Ok(Some((printed, row.get(1))))
}
