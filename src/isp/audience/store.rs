//! The SQL behind segments.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::segments::Part;
use crate::{
    db::{Params, TenantTx},
    error::Result,
    types::{AreaId, CustomerId, NapId, OutageId, PlanId, search::Words},
};

/// A customer with what a template may say of them.
pub struct Reached {
    pub id: CustomerId,
    pub first_name: String,
    pub last_name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub reference: Option<String>,
    pub street_address: Option<String>,
    pub area: Option<String>,
    /// Of the service that ends first: until when, and what was sold.
    pub paid_until: Option<DateTime<Utc>>,
    pub plan: Option<String>,
    pub owes: Decimal,
    pub credit: Decimal,
    pub has_login: bool,
}

/// Those of these customers who are there, in the order of their ids.
pub async fn reached(tx: &TenantTx, ids: &[CustomerId]) -> Result<Vec<Reached>> {
    let rows = tx
        .query(
            "SELECT c.id, c.first_name, c.last_name, c.email, c.phone_primary, c.reference, c.street_address, r.name, \
                i.paid_until, s.plan_name, greatest(coalesce(a.balance, 0.00), 0.00), greatest(-coalesce(a.balance, 0.00), 0.00), \
                EXISTS (SELECT FROM subscriber_login l WHERE l.customer_id = c.id) \
             FROM customer c LEFT JOIN area r ON r.id = c.area_id LEFT JOIN customer_account a ON a.customer_id = c.id \
             LEFT JOIN LATERAL (SELECT id, paid_until FROM installation WHERE customer_id = c.id \
                AND status IN ('active', 'inactive') ORDER BY status, paid_until NULLS LAST, id LIMIT 1) i ON true \
             LEFT JOIN LATERAL (SELECT plan_name FROM subscription WHERE installation_id = i.id \
                AND status IN ('active', 'paused', 'expired') ORDER BY ends_at DESC LIMIT 1) s ON true \
             WHERE c.id = ANY($1) AND c.deleted_at IS NULL ORDER BY c.id",
            &[&ids],
        )
        .await?;
    Ok(rows.iter().map(reached_of).collect())
}

fn reached_of(row: &Row) -> Reached {
    Reached {
        id: row.get(0),
        first_name: row.get(1),
        last_name: row.get(2),
        email: row.get(3),
        phone: row.get(4),
        reference: row.get(5),
        street_address: row.get(6),
        area: row.get(7),
        paid_until: row.get(8),
        plan: row.get(9),
        owes: row.get(10),
        credit: row.get(11),
        has_login: row.get(12),
    }
}

/// What a part is asked by: a page of ids, and how many there are.
struct Texts {
    page: &'static str,
    count: &'static str,
}

macro_rules! part {
    ($members:literal) => {
        Texts {
            page: concat!(
                "SELECT c.id FROM customer c WHERE c.deleted_at IS NULL AND ",
                $members,
                " AND ($1::uuid IS NULL OR c.id > $1) ORDER BY c.id LIMIT $2"
            ),
            count: concat!(
                "SELECT count(*) FROM customer c WHERE c.deleted_at IS NULL AND ",
                $members,
                " AND ($1::uuid IS NULL OR c.id > $1) AND $2::bigint IS NULL"
            ),
        }
    };
}

const ALL: Texts = part!("c.status <> 'terminated'");
// Whoever is named is meant, also after they left.
const CUSTOMER: Texts = part!("c.id = $3::uuid");
const AREA: Texts = part!(
    "c.status <> 'terminated' AND (c.area_id = $3::uuid OR c.id IN (SELECT customer_id FROM installation \
     WHERE area_id = $3 AND status <> 'terminated'))"
);
const PLAN: Texts = part!(
    "c.status <> 'terminated' AND c.id IN (SELECT customer_id FROM subscription WHERE plan_id = $3::uuid \
     AND status IN ('active', 'paused'))"
);
const NAP: Texts = part!(
    "c.status <> 'terminated' AND c.id IN (SELECT customer_id FROM installation WHERE nap_id = $3::uuid)"
);
const OUTAGE: Texts = part!(
    "c.status <> 'terminated' AND c.id IN (SELECT h.customer_id FROM outage_subscriber h \
     JOIN outage o ON o.id = h.outage_id WHERE h.outage_id = $3::uuid AND o.status IN ('down', 'restored'))"
);
const EXPIRING: Texts = part!(
    "c.status <> 'terminated' AND c.id IN (SELECT customer_id FROM installation WHERE status = 'active' \
     AND paid_until >= now() AND paid_until < (date_trunc('day', now() AT TIME ZONE $4::text) \
     + make_interval(days => $3::integer + 1)) AT TIME ZONE $4::text)"
);
const OVERDUE: Texts = part!(
    "c.status <> 'terminated' AND c.id IN (SELECT customer_id FROM customer_account WHERE balance > 0 \
     UNION ALL SELECT customer_id FROM installation i WHERE status IN ('active', 'inactive') AND paid_until < now() \
     AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = i.id AND p.status = 'paused'))"
);

/// The ids of one page, in order. `zone` says which days are the tenant's.
pub async fn page(
    tx: &TenantTx,
    part: Part,
    zone: &str,
    after: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<CustomerId>> {
    let rows = ask(tx, part, zone, |texts| texts.page, (after, Some(limit))).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub async fn count(tx: &TenantTx, part: Part, zone: &str) -> Result<i64> {
    let rows = ask(tx, part, zone, |texts| texts.count, (None, None)).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

async fn ask(
    tx: &TenantTx,
    part: Part,
    zone: &str,
    text: impl Fn(&Texts) -> &'static str,
    (after, limit): (Option<CustomerId>, Option<i64>),
) -> Result<Vec<Row>> {
    let by_id = async |texts: &Texts, id: Uuid| {
        let params: Params<'_> = &[&after, &limit, &id];
        tx.query(text(texts), params).await
    };
    match part {
        Part::All => tx.query(text(&ALL), &[&after, &limit]).await,
        Part::Overdue => tx.query(text(&OVERDUE), &[&after, &limit]).await,
        Part::Expiring(days) => tx.query(text(&EXPIRING), &[&after, &limit, &days, &zone]).await,
        Part::Customer(id) => by_id(&CUSTOMER, id.0).await,
        Part::Area(id) => by_id(&AREA, id.0).await,
        Part::Plan(id) => by_id(&PLAN, id.0).await,
        Part::Nap(id) => by_id(&NAP, id.0).await,
        Part::Outage(id) => by_id(&OUTAGE, id.0).await,
    }
}

/// Customers whom typed words find, the newest first, at most `limit`.
pub async fn search(tx: &TenantTx, text: &str, limit: i64) -> Result<Vec<CustomerId>> {
    let Some(words) = Words::parse(text) else { return Ok(Vec::new()) };
    let [first, second, third, fourth, fifth, sixth] = &words.patterns;
    let rows = tx
        .query(
            "SELECT id FROM customer WHERE deleted_at IS NULL AND ((search_text LIKE lower($1::text) \
             AND ($2::text IS NULL OR search_text LIKE lower($2)) AND ($3::text IS NULL OR search_text LIKE lower($3)) \
             AND ($4::text IS NULL OR search_text LIKE lower($4)) AND ($5::text IS NULL OR search_text LIKE lower($5)) \
             AND ($6::text IS NULL OR search_text LIKE lower($6))) OR search_text LIKE $7::text) \
             ORDER BY created_at DESC, id DESC LIMIT $8",
            &[first, second, third, fourth, fifth, sixth, &words.phone, &limit],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

type Named = Vec<(Uuid, String)>;

fn named(rows: &[Row]) -> Named {
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub async fn areas(tx: &TenantTx) -> Result<Named> {
    Ok(named(&tx.query("SELECT id, name FROM area ORDER BY lower(name), id LIMIT 1000", &[]).await?))
}

pub async fn plans(tx: &TenantTx) -> Result<Named> {
    Ok(named(&tx.query("SELECT id, name FROM plan ORDER BY lower(name), id LIMIT 1000", &[]).await?))
}

pub async fn naps(tx: &TenantTx) -> Result<Named> {
    let sql = "SELECT id, code || ' · ' || name FROM nap ORDER BY lower(code), id LIMIT 1000";
    Ok(named(&tx.query(sql, &[]).await?))
}

/// What is down or was so within a month, the latest first. An outage's page leads here for as long.
pub async fn outages(tx: &TenantTx) -> Result<Named> {
    let sql = "SELECT id, number || ' · ' || node_label FROM outage WHERE status = 'down' \
               OR (status = 'restored' AND restored_at > now() - interval '31 days') \
               ORDER BY started_at DESC, id DESC LIMIT 50";
    Ok(named(&tx.query(sql, &[]).await?))
}

pub async fn customers(tx: &TenantTx) -> Result<Named> {
    let sql = "SELECT id, first_name || ' ' || last_name FROM customer WHERE deleted_at IS NULL \
               ORDER BY lower(last_name), lower(first_name), id LIMIT 1000";
    Ok(named(&tx.query(sql, &[]).await?))
}

async fn name_of(tx: &TenantTx, sql: &'static str, id: Uuid) -> Result<Option<String>> {
    Ok(tx.query_opt(sql, &[&id]).await?.map(|row| row.get(0)))
}

pub async fn area_name(tx: &TenantTx, id: AreaId) -> Result<Option<String>> {
    name_of(tx, "SELECT name FROM area WHERE id = $1", id.0).await
}

pub async fn plan_name(tx: &TenantTx, id: PlanId) -> Result<Option<String>> {
    name_of(tx, "SELECT name FROM plan WHERE id = $1", id.0).await
}

pub async fn nap_name(tx: &TenantTx, id: NapId) -> Result<Option<String>> {
    name_of(tx, "SELECT code || ' · ' || name FROM nap WHERE id = $1", id.0).await
}

pub async fn outage_number(tx: &TenantTx, id: OutageId) -> Result<Option<String>> {
    name_of(tx, "SELECT number FROM outage WHERE id = $1 AND status IN ('down', 'restored')", id.0).await
}

pub async fn customer_name(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let sql = "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL";
    name_of(tx, sql, id.0).await
}
