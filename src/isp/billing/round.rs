//! Whom a collector visits: customers who owe, and those whose service ended or ends soon.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::{
    db::TenantTx,
    error::Result,
    types::search::containing,
    types::{AreaId, CustomerId, InstallationId, Limit},
};

/// One customer of a round.
#[derive(Debug, Clone)]
pub struct Stop {
    pub customer: CustomerId,
    pub name: String,
    pub phone: Option<String>,
    pub address: Option<String>,
    pub owes: Decimal,
    /// Of the installation that ends first, and which that is.
    pub paid_until: Option<DateTime<Utc>>,
    pub installation: Option<InstallationId>,
}

/// The stops of an area, or of all: who owes most first, then who was longest without service. One more than the limit when there
/// are more.
pub async fn stops(
    tx: &TenantTx,
    area: Option<AreaId>,
    q: Option<&str>,
    skip: i64,
    limit: Limit,
) -> Result<Vec<Stop>> {
    let q = q.map(containing);
    let rows = tx
        .query(
            "SELECT c.id, c.first_name || ' ' || c.last_name, c.phone_primary, c.street_address, \
                greatest(coalesce(a.balance, 0.00), 0.00), i.paid_until, i.id \
             FROM customer c LEFT JOIN customer_account a ON a.customer_id = c.id \
             LEFT JOIN LATERAL (SELECT id, paid_until FROM installation WHERE customer_id = c.id \
                AND status IN ('scheduled', 'active', 'inactive') ORDER BY paid_until NULLS FIRST, id LIMIT 1) i ON true \
             WHERE c.deleted_at IS NULL AND ($1::uuid IS NULL OR c.area_id = $1) \
             AND ($2::text IS NULL OR c.search_text LIKE lower($2)) \
             AND ($2::text IS NOT NULL OR c.id IN (SELECT customer_id FROM customer_account WHERE balance > 0 \
                UNION ALL SELECT customer_id FROM installation i WHERE status IN ('active', 'inactive') \
                    AND paid_until < now() + interval '3 days' \
                    AND NOT EXISTS (SELECT FROM subscription p WHERE p.installation_id = i.id AND p.status = 'paused') \
                UNION ALL SELECT customer_id FROM installation WHERE status IN ('active', 'inactive') AND paid_until IS NULL \
                UNION ALL SELECT customer_id FROM installation WHERE status = 'scheduled' \
                    AND (paid_until IS NULL OR paid_until < now() + interval '3 days'))) \
             ORDER BY greatest(coalesce(a.balance, 0), 0) DESC, i.paid_until, c.id OFFSET $3 LIMIT $4",
            &[&area, &q, &skip, &limit.and_one()],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Stop {
            customer: row.get(0),
            name: row.get(1),
            phone: row.get(2),
            address: row.get(3),
            owes: row.get(4),
            paid_until: row.get(5),
            installation: row.get(6),
        })
        .collect())
}
