//! Customers who left so long ago that they are to be erased by themselves.

use chrono::{DateTime, Utc};

use super::{Eraser, model::Subject, rules};
use crate::{access::By, db::TenantTx, error::Result, tenancy::Tenant, types::CustomerId};

/// Each is searched for in everything afterwards: so many a night,
const A_NIGHT: u64 = 20;
/// of so many that are tried, so that who is not at rest is in nobody's way.
const TRIED: i64 = 200;
const REASON: &str = "Left longer ago than customers are kept (retention).";

/// Terminated with every installation, or deleted, before `$1`; nothing was paid or ran since, and nothing is owed.
macro_rules! former {
    () => {
        "FROM customer c WHERE (c.status = 'terminated' OR c.deleted_at IS NOT NULL) AND c.merged_into IS NULL \
         AND coalesce(c.deleted_at, c.updated_at) < $1 \
         AND NOT EXISTS (SELECT FROM installation i WHERE i.customer_id = c.id \
            AND (i.terminated_at IS NULL OR i.terminated_at >= $1)) \
         AND NOT EXISTS (SELECT FROM payment p WHERE p.customer_id = c.id AND p.created_at >= $1) \
         AND NOT EXISTS (SELECT FROM subscription s WHERE s.customer_id = c.id AND s.ends_at >= $1) \
         AND NOT EXISTS (SELECT FROM customer_account a WHERE a.customer_id = c.id AND a.balance <> 0) \
         AND NOT EXISTS (SELECT FROM erasure e WHERE e.subject_id = c.id)"
    };
}

/// How many customers left before and are still here, counted to `at_most`.
pub async fn count_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = concat!("SELECT count(*) FROM (SELECT ", former!(), " LIMIT $2) old");
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

/// Erases customers who left before, at most twenty; who is not at rest is left alone. How many it were.
pub async fn erase_before(eraser: &Eraser, tenant: &Tenant, before: DateTime<Utc>) -> Result<u64> {
    let sql = concat!("SELECT c.id ", former!(), " ORDER BY c.updated_at, c.id LIMIT $2");
    let ids: Vec<CustomerId> = eraser
        .db
        .read_tenant(tenant, async |tx| {
            Ok(tx.query(sql, &[&before, &TRIED]).await?.iter().map(|row| row.get(0)).collect())
        })
        .await?;
    let by = By::system(tenant.clone());
    let mut erased = 0;
    for id in ids {
        if erased == A_NIGHT {
            break;
        }
        match rules::erase(eraser, &by, Subject::Customer(id), REASON).await {
            Ok(_) => erased += 1,
            // Not at rest, mostly. Whatever it is, it is not in the way of the others, and is tried again the next night.
            Err(error) => {
                tracing::warn!(tenant = %tenant.id(), code = error.code(), "a customer who left was not erased");
            }
        }
    }
    Ok(erased)
}
