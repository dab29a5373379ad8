//! All SQL of periods.

use chrono::{DateTime, Utc};
use postgres_types::ToSql;
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Kind, Span, Status, Subscription, Terms};
use crate::{
    db::TenantTx,
    error::Result,
    isp::plans::Tax,
    types::{CustomerId, InstallationId, Limit, PlanId, SubscriptionId},
};

macro_rules! columns {
    () => {
        "s.id, s.installation_id, s.customer_id, s.plan_id, s.plan_name, s.kind, s.price, s.period_days, s.tax, s.amount, \
         s.credited_amount, s.paid_amount, s.days_added, s.starts_at, s.ends_at, s.sold_minutes, s.extended_minutes, \
         s.returned_minutes, s.paused_minutes, s.status, s.paused_at, s.cancelled_at, s.cancel_reason, s.notes, s.sold_by, \
         s.sold_by_label, s.created_at, s.updated_at"
    };
}

fn subscription_of(row: &Row) -> Subscription {
    Subscription {
        id: row.get(0),
        installation: row.get(1),
        customer: row.get(2),
        plan: row.get(3),
        plan_name: row.get(4),
        kind: Kind::from_column(row.get(5)),
        terms: Terms { price: row.get(6), period_days: row.get(7) },
        tax: Tax::from_column(row.get(8)),
        amount: row.get(9),
        credited: row.get(10),
        paid: row.get(11),
        days: row.get(12),
        span: Span {
            starts_at: row.get(13),
            ends_at: row.get(14),
            sold: row.get(15),
            extended: row.get(16),
            returned: row.get(17),
            paused: row.get(18),
        },
        status: Status::from_column(row.get(19)),
        paused_at: row.get(20),
        cancelled_at: row.get(21),
        cancel_reason: row.get(22),
        notes: row.get(23),
        sold_by: row.get(24),
        sold_by_label: row.get(25),
        created_at: row.get(26),
        updated_at: row.get(27),
    }
}

/// An installation as the sale of a period needs it.
#[derive(Debug, Clone)]
pub struct Place {
    pub id: InstallationId,
    pub customer: CustomerId,
    pub customer_name: String,
    pub status: String,
    pub is_customer_deleted: bool,
    /// The clock of the database, when this was read.
    pub now: DateTime<Utc>,
}

fn place_of(row: &Row) -> Place {
    Place {
        id: row.get(0),
        customer: row.get(1),
        customer_name: row.get(2),
        status: row.get(3),
        is_customer_deleted: row.get(4),
        now: row.get(5),
    }
}

macro_rules! place {
    () => {
        "SELECT i.id, i.customer_id, c.first_name || ' ' || c.last_name, i.status, c.deleted_at IS NOT NULL, \
         clock_timestamp() FROM installation i JOIN customer c ON c.id = i.customer_id WHERE i.id = $1"
    };
}

pub async fn find_place(tx: &TenantTx, id: InstallationId) -> Result<Option<Place>> {
    Ok(tx.query_opt(place!(), &[&id]).await?.as_ref().map(place_of))
}

/// Locks an installation: its periods change under this lock alone.
pub async fn lock_place(tx: &TenantTx, id: InstallationId) -> Result<Option<Place>> {
    let locked = tx.query_opt("SELECT id FROM installation WHERE id = $1 FOR NO KEY UPDATE", &[&id]).await?;
    // Asked after the wait, so that the clock is that of the one whose turn it is.
    if locked.is_some() { find_place(tx, id).await } else { Ok(None) }
}

/// What is active or paused of an installation. What ended long ago is marked by the clock, and few are not yet.
pub async fn open_periods(tx: &TenantTx, id: InstallationId) -> Result<Vec<Subscription>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM subscription s WHERE s.installation_id = $1 AND s.status IN ('active', 'paused') \
         ORDER BY s.starts_at, s.id LIMIT 1000"
    );
    Ok(tx.query(sql, &[&id]).await?.iter().map(subscription_of).collect())
}

/// Until when an installation is served by what was sold, if it is.
pub async fn open_until(tx: &TenantTx, id: InstallationId) -> Result<Option<DateTime<Utc>>> {
    let row = tx
        .query_one(
            "SELECT max(ends_at) FROM subscription WHERE installation_id = $1 \
             AND (status = 'paused' OR (status = 'active' AND ends_at > now()))",
            &[&id],
        )
        .await?;
    Ok(row.get(0))
}

pub async fn find(tx: &TenantTx, id: SubscriptionId) -> Result<Option<Subscription>> {
    let sql = concat!("SELECT ", columns!(), " FROM subscription s WHERE s.id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(subscription_of))
}

pub async fn insert(tx: &TenantTx, new: &Subscription) -> Result<()> {
    tx.execute(
        "INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, \
         amount, starts_at, ends_at, sold_minutes, days_added, notes, sold_by, sold_by_label, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        &[
            &new.id,
            &new.installation,
            &new.customer,
            &new.plan,
            &new.plan_name,
            &new.kind.as_str(),
            &new.terms.price,
            &new.terms.period_days,
            &new.tax.as_str(),
            &new.amount,
            &new.span.starts_at,
            &new.span.ends_at,
            &new.span.sold,
            &new.days,
            &new.notes,
            &new.sold_by,
            &new.sold_by_label,
            &new.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// Writes what an operation on the chain changed of one period.
pub async fn update(tx: &TenantTx, one: &Subscription) -> Result<()> {
    tx.execute(
        "UPDATE subscription SET starts_at = $2, ends_at = $3, extended_minutes = $4, returned_minutes = $5, \
         paused_minutes = $6, status = $7, paused_at = $8, cancelled_at = $9, cancel_reason = $10, credited_amount = $11, \
         updated_at = now() WHERE id = $1",
        &[
            &one.id,
            &one.span.starts_at,
            &one.span.ends_at,
            &one.span.extended,
            &one.span.returned,
            &one.span.paused,
            &one.status.as_str(),
            &one.paused_at,
            &one.cancelled_at,
            &one.cancel_reason,
            &one.credited,
        ],
    )
    .await?;
    Ok(())
}

/// Writes down that a period stands still.
pub async fn open_pause(
    tx: &TenantTx,
    id: SubscriptionId,
    at: DateTime<Utc>,
    told: (Option<&str>, &str),
) -> Result<()> {
    tx.execute(
        "INSERT INTO subscription_pause (id, subscription_id, paused_at, reason, paused_by) VALUES ($1, $2, $3, $4, $5)",
        &[&Uuid::now_v7(), &id, &at, &told.0, &told.1],
    )
    .await?;
    Ok(())
}

pub async fn close_pause(tx: &TenantTx, id: SubscriptionId, at: DateTime<Utc>) -> Result<()> {
    tx.execute(
        "UPDATE subscription_pause SET resumed_at = $2 WHERE subscription_id = $1 AND resumed_at IS NULL",
        &[&id, &at],
    )
    .await?;
    Ok(())
}

/// A stay on hold.
#[derive(Debug, Clone)]
pub struct Pause {
    pub paused_at: DateTime<Utc>,
    pub resumed_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    pub by: String,
}

pub async fn pauses(tx: &TenantTx, id: SubscriptionId) -> Result<Vec<Pause>> {
    let rows = tx
        .query(
            "SELECT paused_at, resumed_at, reason, paused_by FROM subscription_pause WHERE subscription_id = $1 \
             ORDER BY paused_at DESC LIMIT 50",
            &[&id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Pause {
            paused_at: row.get(0),
            resumed_at: row.get(1),
            reason: row.get(2),
            by: row.get(3),
        })
        .collect())
}

/// What runs at these installations now.
pub async fn running(tx: &TenantTx, ids: &[InstallationId]) -> Result<Vec<Subscription>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM subscription s WHERE s.installation_id = ANY($1) AND s.status = 'active' AND s.ends_at > now() \
         AND s.starts_at <= now() AND NOT EXISTS (SELECT FROM subscription p \
         WHERE p.installation_id = s.installation_id AND p.status = 'paused')"
    );
    Ok(tx.query(sql, &[&ids]).await?.iter().map(subscription_of).collect())
}

/// Writes `paid_until`: the end of the last period that was not called off.
pub async fn write_paid_until(tx: &TenantTx, ids: &[InstallationId]) -> Result<()> {
    tx.execute(
        "UPDATE installation i SET paid_until = p.until, updated_at = now() \
         FROM (SELECT a.id, (SELECT max(s.ends_at) FROM subscription s \
            WHERE s.installation_id = a.id AND s.status <> 'cancelled') AS until FROM unnest($1::uuid[]) AS a (id)) p \
         WHERE i.id = p.id AND i.paid_until IS DISTINCT FROM p.until",
        &[&ids],
    )
    .await?;
    Ok(())
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub status: Option<Status>,
    pub customer: Option<CustomerId>,
    pub installation: Option<InstallationId>,
    pub plan: Option<PlanId>,
    /// Found in the names of customers.
    pub q: Option<String>,
}

/// A period in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    pub subscription: Subscription,
    pub customer_name: String,
}

/// Newest first, after the mark; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    mark: Option<(DateTime<Utc>, Uuid)>,
    limit: Limit,
) -> Result<Vec<Listed>> {
    let q = filter.q.as_deref().map(crate::types::search::containing);
    let (status, at, id) =
        (filter.status.map(Status::as_str), mark.map(|mark| mark.0), mark.map(|mark| mark.1));
    let more = limit.and_one();
    let params: [&(dyn ToSql + Sync); 8] =
        [&status, &filter.customer, &filter.installation, &filter.plan, &q, &at, &id, &more];
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                columns!(),
                ", c.first_name || ' ' || c.last_name FROM subscription s JOIN customer c ON c.id = s.customer_id \
                 WHERE ($1::text IS NULL OR s.status = $1) AND ($2::uuid IS NULL OR s.customer_id = $2) \
                 AND ($3::uuid IS NULL OR s.installation_id = $3) AND ($4::uuid IS NULL OR s.plan_id = $4) \
                 AND ($5::text IS NULL OR c.search_text LIKE lower($5)) \
                 AND ($6::timestamptz IS NULL OR (s.created_at, s.id) < ($6, $7)) \
                 ORDER BY s.created_at DESC, s.id DESC LIMIT $8"
            ),
            &params,
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Listed { subscription: subscription_of(row), customer_name: row.get(28) })
        .collect())
}

/// How many match.
pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<i64> {
    let q = filter.q.as_deref().map(crate::types::search::containing);
    let row = tx
        .query_one(
            "SELECT count(*) FROM subscription s WHERE ($1::text IS NULL OR s.status = $1) \
             AND ($2::uuid IS NULL OR s.customer_id = $2) AND ($3::uuid IS NULL OR s.installation_id = $3) \
             AND ($4::uuid IS NULL OR s.plan_id = $4) AND ($5::text IS NULL OR s.customer_id IN \
             (SELECT id FROM customer WHERE search_text LIKE lower($5)))",
            &[&filter.status.map(Status::as_str), &filter.customer, &filter.installation, &filter.plan, &q],
        )
        .await?;
    Ok(row.get(0))
}

/// An installation that something may be sold to, as a picker shows it.
#[derive(Debug, Clone)]
pub struct Sellable {
    pub id: InstallationId,
    pub customer_name: String,
    pub address: String,
    pub status: String,
    pub paid_until: Option<DateTime<Utc>>,
    pub owes: Decimal,
}

/// Installations of customers whose name, number or address holds the text.
pub async fn find_sellable(tx: &TenantTx, q: &str, limit: i64) -> Result<Vec<Sellable>> {
    let rows = tx
        .query(
            "SELECT i.id, c.first_name || ' ' || c.last_name, coalesce(i.street_address, c.street_address, ''), \
             i.status, i.paid_until, greatest(coalesce(a.balance, 0), 0) FROM customer c \
             JOIN installation i ON i.customer_id = c.id LEFT JOIN customer_account a ON a.customer_id = c.id \
             WHERE c.deleted_at IS NULL AND i.status IN ('scheduled', 'active', 'inactive') \
             AND c.search_text LIKE lower($1) ORDER BY c.last_name, c.first_name, i.id LIMIT $2",
            &[&crate::types::search::containing(q), &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Sellable {
            id: row.get(0),
            customer_name: row.get(1),
            address: row.get(2),
            status: row.get(3),
            paid_until: row.get(4),
            owes: row.get(5),
        })
        .collect())
}

/// Writes new periods, whichever way they stand.
pub async fn insert_many(tx: &TenantTx, new: &[Subscription]) -> Result<()> {
    macro_rules! all {
        ($one:ident => $of:expr) => {
            new.iter().map(|$one| $of).collect::<Vec<_>>()
        };
    }
    tx.execute(
        "INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, \
         amount, starts_at, ends_at, sold_minutes, days_added, status, sold_by, sold_by_label) \
         SELECT n.id, n.installation, n.customer, n.plan, n.plan_name, n.kind, n.price, n.period_days, n.tax, n.amount, \
         n.starts_at, n.ends_at, n.minutes, n.days, n.status, n.sold_by, n.sold_by_label \
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::numeric[], $8::smallint[], \
         $9::text[], $10::numeric[], $11::timestamptz[], $12::timestamptz[], $13::bigint[], $14::numeric[], $15::text[], \
         $16::uuid[], $17::text[]) AS n (id, installation, customer, plan, plan_name, kind, price, period_days, tax, amount, \
         starts_at, ends_at, minutes, days, status, sold_by, sold_by_label)",
        &[
            &all!(one => one.id),
            &all!(one => one.installation),
            &all!(one => one.customer),
            &all!(one => one.plan),
            &all!(one => one.plan_name.as_str()),
            &all!(one => one.kind.as_str()),
            &all!(one => one.terms.price),
            &all!(one => one.terms.period_days),
            &all!(one => one.tax.as_str()),
            &all!(one => one.amount),
            &all!(one => one.span.starts_at),
            &all!(one => one.span.ends_at),
            &all!(one => one.span.sold),
            &all!(one => one.days),
            &all!(one => one.status.as_str()),
            &all!(one => one.sold_by),
            &all!(one => one.sold_by_label.as_str()),
        ],
    )
    .await?;
    Ok(())
}
