//! Where most customers live, for the dashboard.

use crate::{db::TenantTx, error::Result, types::AreaId};

/// An area and how many customers it has.
#[derive(Debug, Clone)]
pub struct Busy {
    pub id: AreaId,
    pub name: String,
    pub customers: i64,
}

/// The areas with most customers, most first.
pub async fn busiest(tx: &TenantTx, limit: i64) -> Result<Vec<Busy>> {
    let rows = tx
        .query(
            "SELECT a.id, a.name, c.customers FROM (
                 SELECT area_id, count(*) AS customers FROM customer WHERE deleted_at IS NULL AND area_id IS NOT NULL
                 GROUP BY area_id ORDER BY count(*) DESC LIMIT $1) c
             JOIN area a ON a.id = c.area_id ORDER BY c.customers DESC, a.name",
            &[&limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Busy { id: row.get("id"), name: row.get("name"), customers: row.get("customers") })
        .collect())
}
