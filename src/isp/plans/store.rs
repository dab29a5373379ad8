//! All SQL of plans.

use tokio_postgres::Row;

use super::model::{PastPrice, Plan, PlanDraft, PlanFilter, PlanMark, Tax};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::search::containing,
    types::{Limit, PlanId},
};

/// A select box holds so many plans, a page so many prices.
const CHOICES_MAX: i64 = 500;
const PRICES_MAX: i64 = 100;

macro_rules! columns {
    () => {
        "id, name, description, download_mbps, upload_mbps, price, period_days, tax, is_active, created_at, updated_at"
    };
}

fn plan_of(row: &Row) -> Plan {
    Plan {
        id: row.get(0),
        draft: PlanDraft {
            name: row.get(1),
            description: row.get(2),
            download_mbps: row.get(3),
            upload_mbps: row.get(4),
            price: row.get(5),
            period_days: row.get(6),
            tax: Tax::from_column(row.get(7)),
            is_active: row.get(8),
        },
        created_at: row.get(9),
        updated_at: row.get(10),
    }
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("plan_name_key", || {
        Error::conflict("name_taken", "There is a plan of this name already.")
    })
}

/// One page, cheapest first; one row more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &PlanFilter,
    mark: Option<&PlanMark>,
    limit: Limit,
) -> Result<Vec<Plan>> {
    let q = filter.q.as_deref().map(containing);
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                columns!(),
                " FROM plan WHERE ($1::text IS NULL OR lower(name) LIKE lower($1) OR lower(description) LIKE lower($1)) ",
                "AND ($2::boolean IS NULL OR is_active = $2) ",
                "AND ($3::numeric IS NULL OR (price, lower(name), id) > ($3, lower($4::text), $5::uuid)) ",
                "ORDER BY price, lower(name), id LIMIT $6"
            ),
            &[
                &q,
                &filter.is_active,
                &mark.map(|mark| mark.price),
                &mark.map(|mark| mark.name.as_str()),
                &mark.map(|mark| mark.id),
                &limit.and_one(),
            ],
        )
        .await?;
    Ok(rows.iter().map(plan_of).collect())
}

/// How many match the search: all of them, and the active ones.
pub async fn count(tx: &TenantTx, q: Option<&str>) -> Result<(i64, i64)> {
    let q = q.map(containing);
    let row = tx
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE is_active) FROM plan \
             WHERE $1::text IS NULL OR lower(name) LIKE lower($1) OR lower(description) LIKE lower($1)",
            &[&q],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

pub async fn find(tx: &TenantTx, id: PlanId) -> Result<Option<Plan>> {
    let sql = concat!("SELECT ", columns!(), " FROM plan WHERE id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(plan_of))
}

/// Holds a plan as it is while something of it is sold; several sell at once.
pub async fn lock_for_sale(tx: &TenantTx, id: PlanId) -> Result<Option<Plan>> {
    let sql = concat!("SELECT ", columns!(), " FROM plan WHERE id = $1 FOR SHARE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(plan_of))
}

pub async fn lock(tx: &TenantTx, id: PlanId) -> Result<Option<Plan>> {
    let sql = concat!("SELECT ", columns!(), " FROM plan WHERE id = $1 FOR UPDATE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(plan_of))
}

pub async fn insert(tx: &TenantTx, id: PlanId, draft: &PlanDraft) -> Result<Plan> {
    let row = tx
        .query_one(
            concat!(
                "INSERT INTO plan (id, name, description, download_mbps, upload_mbps, price, period_days, tax, is_active) ",
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ",
                columns!()
            ),
            &[
                &id,
                &draft.name,
                &draft.description,
                &draft.download_mbps,
                &draft.upload_mbps,
                &draft.price,
                &draft.period_days,
                &draft.tax.as_str(),
                &draft.is_active,
            ],
        )
        .await;
    Ok(plan_of(&named(row)?))
}

pub async fn update(tx: &TenantTx, id: PlanId, draft: &PlanDraft) -> Result<Plan> {
    let row = tx
        .query_one(
            concat!(
                "UPDATE plan SET name = $2, description = $3, download_mbps = $4, upload_mbps = $5, price = $6, ",
                "period_days = $7, tax = $8, is_active = $9, updated_at = now() WHERE id = $1 RETURNING ",
                columns!()
            ),
            &[
                &id,
                &draft.name,
                &draft.description,
                &draft.download_mbps,
                &draft.upload_mbps,
                &draft.price,
                &draft.period_days,
                &draft.tax.as_str(),
                &draft.is_active,
            ],
        )
        .await;
    Ok(plan_of(&named(row)?))
}

/// Writes down what it costs from now on.
pub async fn insert_price(tx: &TenantTx, id: PlanId, draft: &PlanDraft, by: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO plan_price (plan_id, valid_from, price, period_days, changed_by) \
         VALUES ($1, clock_timestamp(), $2, $3, $4)",
        &[&id, &draft.price, &draft.period_days, &by],
    )
    .await?;
    Ok(())
}

/// What it cost, newest first.
pub async fn prices(tx: &TenantTx, id: PlanId) -> Result<Vec<PastPrice>> {
    let rows = tx
        .query(
            "SELECT price, period_days, valid_from, changed_by FROM plan_price WHERE plan_id = $1 \
             ORDER BY valid_from DESC LIMIT $2",
            &[&id, &PRICES_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| PastPrice {
            price: row.get(0),
            period_days: row.get(1),
            valid_from: row.get(2),
            changed_by: row.get(3),
        })
        .collect())
}

/// Deletes a plan that was never sold.
pub async fn delete(tx: &TenantTx, id: PlanId) -> Result<()> {
    tx.execute("DELETE FROM plan WHERE id = $1", &[&id])
        .await
        .map(drop)
        .on_constraint("subscription_plan_id_fkey", || {
            Error::conflict("in_use", "This plan was sold: switch it off instead of deleting it.")
        })
}

/// Whether anything of it was ever sold.
pub async fn was_sold(tx: &TenantTx, id: PlanId) -> Result<bool> {
    let row = tx.query_one("SELECT EXISTS (SELECT FROM subscription WHERE plan_id = $1)", &[&id]).await?;
    Ok(row.get(0))
}

/// The plans that are sold, cheapest first, at most five hundred.
pub async fn find_choices(tx: &TenantTx) -> Result<Vec<Plan>> {
    let sql =
        concat!("SELECT ", columns!(), " FROM plan WHERE is_active ORDER BY price, lower(name), id LIMIT $1");
    Ok(tx.query(sql, &[&CHOICES_MAX]).await?.iter().map(plan_of).collect())
}

/// The plans of these names, which are in lower case, held as they are while something of them is sold.
pub async fn lock_named(tx: &TenantTx, names: &[String]) -> Result<Vec<Plan>> {
    let sql = concat!("SELECT ", columns!(), " FROM plan WHERE lower(name) = ANY($1) ORDER BY id FOR SHARE");
    Ok(tx.query(sql, &[&names]).await?.iter().map(plan_of).collect())
}
