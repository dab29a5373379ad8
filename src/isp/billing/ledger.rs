//! The account of each customer: what raised what is owed, what lowered it, and what it came to.
//!
//! Owns `customer_account` and `ledger_entry`. Whoever moves money of a customer locks the account first and writes an entry for
//! it, in the transaction of the change. What is owed is positive, credit is negative.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    error::Result,
    types::{Cursor, CustomerId, LedgerEntryId, Limit, PaymentId, RefundId, SubscriptionId},
    words::say,
};

/// Why a balance moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "LedgerKind", rename_all = "snake_case")]
pub enum EntryKind {
    /// A period was sold.
    Charge,
    Payment,
    /// A payment was declared void.
    Void,
    /// Money was given back.
    Refund,
    /// A charge was taken back, in whole or in part.
    Credit,
}

impl EntryKind {
    const ALL: [Self; 5] = [Self::Charge, Self::Payment, Self::Void, Self::Refund, Self::Credit];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Payment => "payment",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Credit => "credit",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Charge => say("Charge"),
            Self::Payment => say("Payment"),
            Self::Void => say("Void"),
            Self::Refund => say("Refund"),
            Self::Credit => say("Credit"),
        }
    }

    fn from_column(text: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Charge)
    }
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    pub subscription: Option<SubscriptionId>,
    pub payment: Option<PaymentId>,
    pub refund: Option<RefundId>,
}

/// One line of an account.
#[derive(Debug, Clone)]
pub struct Entry {
    pub position: i64,
    pub id: LedgerEntryId,
    pub kind: EntryKind,
    /// Positive raises what is owed.
    pub amount: Decimal,
    pub balance: Decimal,
    pub about: About,
    pub description: String,
    pub occurred_at: DateTime<Utc>,
}

/// Locks the account of a customer until the transaction ends; answers what is owed.
pub async fn lock(tx: &TenantTx, customer: CustomerId) -> Result<Decimal> {
    let row = tx
        .query_one(
            "INSERT INTO customer_account (customer_id) VALUES ($1) \
             ON CONFLICT (customer_id) DO UPDATE SET entries = customer_account.entries RETURNING balance",
            &[&customer],
        )
        .await?;
    Ok(row.get(0))
}

/// Writes an entry, unless it is about nothing. The account is locked by then.
pub async fn enter(
    tx: &TenantTx,
    customer: CustomerId,
    kind: EntryKind,
    amount: Decimal,
    about: About,
    description: &str,
) -> Result<()> {
    if amount.is_zero() {
        return Ok(());
    }
    tx.execute(
        "WITH account AS (UPDATE customer_account SET balance = balance + $3, entries = entries + 1 \
            WHERE customer_id = $1 RETURNING balance, entries) \
         INSERT INTO ledger_entry (customer_id, position, id, kind, amount, balance, subscription_id, payment_id, refund_id, \
            description, occurred_at) \
         SELECT $1, account.entries, $2, $4, $3, account.balance, $5, $6, $7, left($8, 300), clock_timestamp() FROM account",
        &[
            &customer,
            &LedgerEntryId::new(),
            &amount,
            &kind.as_str(),
            &about.subscription,
            &about.payment,
            &about.refund,
            &description,
        ],
    )
    .await?;
    Ok(())
}

/// Notes which paid period is the first one of the customer that this one belongs to. Whoever moves what was paid for a period, or
/// when it starts, calls this afterwards.
pub async fn note_first_paid(tx: &TenantTx, period: SubscriptionId) -> Result<()> {
    tx.execute(
        "UPDATE customer_account a SET first_paid_id = f.id FROM (SELECT s.customer_id, (SELECT p.id FROM subscription p \
            WHERE p.customer_id = s.customer_id AND p.paid_amount > 0 ORDER BY p.starts_at, p.id LIMIT 1) AS id \
            FROM subscription s WHERE s.id = $1) f \
         WHERE a.customer_id = f.customer_id AND a.first_paid_id IS DISTINCT FROM f.id",
        &[&period],
    )
    .await?;
    Ok(())
}

/// What a customer owes; negative is credit.
pub async fn balance(tx: &TenantTx, customer: CustomerId) -> Result<Decimal> {
    let row =
        tx.query_opt("SELECT balance FROM customer_account WHERE customer_id = $1", &[&customer]).await?;
    Ok(row.map_or_else(|| Decimal::new(0, 2), |row| row.get(0)))
}

/// The lines of an account, newest first, before a position; one more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    customer: CustomerId,
    before: Option<i64>,
    limit: Limit,
) -> Result<Vec<Entry>> {
    let rows = tx
        .query(
            "SELECT position, id, kind, amount, balance, subscription_id, payment_id, refund_id, description, occurred_at \
             FROM ledger_entry WHERE customer_id = $1 AND ($2::bigint IS NULL OR position < $2) \
             ORDER BY position DESC LIMIT $3",
            &[&customer, &before, &limit.and_one()],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Entry {
            position: row.get(0),
            id: row.get(1),
            kind: EntryKind::from_column(row.get(2)),
            amount: row.get(3),
            balance: row.get(4),
            about: About { subscription: row.get(5), payment: row.get(6), refund: row.get(7) },
            description: row.get(8),
            occurred_at: row.get(9),
        })
        .collect())
}

/// An account that does not add up.
#[derive(Debug, Clone)]
pub struct Discrepancy {
    pub customer: CustomerId,
    /// What the account says, what its entries sum up to, and what charges, payments and refunds come to.
    pub balance: Decimal,
    pub entries: Decimal,
    pub records: Decimal,
}

/// A check works through so many accounts at once.
pub const CHECKED_AT_ONCE: i64 = 500;

/// Holds the accounts after `after` against their entries and against the records themselves. Answers the last account that was
/// looked at, none at the end, and those that do not add up.
pub async fn check(tx: &TenantTx, after: Option<Uuid>) -> Result<(Option<Uuid>, Vec<Discrepancy>)> {
    let rows = tx
        .query(
            "SELECT a.customer_id, a.balance, l.total, s.charged - p.received + r.returned AS records \
             FROM (SELECT customer_id, balance FROM customer_account WHERE $1::uuid IS NULL OR customer_id > $1 \
                ORDER BY customer_id LIMIT $2) a \
             CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM ledger_entry e \
                WHERE e.customer_id = a.customer_id) l \
             CROSS JOIN LATERAL (SELECT coalesce(sum(amount - credited_amount), 0) AS charged FROM subscription s \
                WHERE s.customer_id = a.customer_id) s \
             CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS received FROM payment p \
                WHERE p.customer_id = a.customer_id AND p.status = 'valid') p \
             CROSS JOIN LATERAL (SELECT coalesce(sum(f.amount), 0) AS returned FROM payment p \
                JOIN refund f ON f.payment_id = p.id WHERE p.customer_id = a.customer_id) r \
             ORDER BY a.customer_id",
            &[&after, &CHECKED_AT_ONCE],
        )
        .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|n| n == CHECKED_AT_ONCE);
    let last = rows.last().filter(|_| is_full).map(|row| row.get(0));
    let wrong = rows
        .iter()
        .map(|row| Discrepancy {
            customer: row.get(0),
            balance: row.get(1),
            entries: row.get(2),
            records: row.get(3),
        })
        .filter(|one| one.balance != one.entries || one.balance != one.records)
        .collect();
    Ok((last, wrong))
}

/// One line of an account.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "LedgerEntry")]
pub struct EntryView {
    id: Uuid,
    position: i64,
    kind: EntryKind,
    /// Positive raises what is owed.
    amount: Decimal,
    /// What was owed after it; negative is credit.
    balance: Decimal,
    #[oai(nullable)]
    subscription_id: Option<Uuid>,
    #[oai(nullable)]
    payment_id: Option<Uuid>,
    #[oai(nullable)]
    refund_id: Option<Uuid>,
    description: String,
    occurred_at: DateTime<Utc>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.0,
            position: entry.position,
            kind: entry.kind,
            amount: entry.amount,
            balance: entry.balance,
            subscription_id: entry.about.subscription.map(|id| id.0),
            payment_id: entry.about.payment.map(|id| id.0),
            refund_id: entry.about.refund.map(|id| id.0),
            description: entry.description,
            occurred_at: entry.occurred_at,
        }
    }
}

/// A customer's account.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Ledger")]
pub struct LedgerView {
    /// What is owed; negative is credit.
    pub balance: Decimal,
    /// What of the payments is to be used; more than the balance says while something is owed, too.
    pub credit: Decimal,
    pub items: Vec<EntryView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// Where an account goes on, as a text that is handed back.
pub fn encode(position: i64) -> Result<String> {
    Cursor(position).encode()
}

pub fn decode(text: &str) -> Result<i64> {
    Cursor::<i64>::decode(text).map(|cursor| cursor.0)
}
