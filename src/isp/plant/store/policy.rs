//! SQL of the plant's policy: one row.

use crate::{db::TenantTx, error::Result, isp::plant::budget::Policy};

pub async fn find(tx: &TenantTx) -> Result<Policy> {
    let row = tx
        .query_one(
            "SELECT fibre_1310_db_km, fibre_1490_db_km, fibre_1550_db_km, connector_db, splice_db, usual_connectors, \
             usual_splices, green_margin_db FROM plant_policy",
            &[],
        )
        .await?;
    Ok(Policy {
        fibre_1310_db_km: row.get(0),
        fibre_1490_db_km: row.get(1),
        fibre_1550_db_km: row.get(2),
        connector_db: row.get(3),
        splice_db: row.get(4),
        usual_connectors: row.get(5),
        usual_splices: row.get(6),
        green_margin_db: row.get(7),
    })
}

pub async fn update(tx: &TenantTx, policy: &Policy) -> Result<()> {
    tx.execute(
        "UPDATE plant_policy SET fibre_1310_db_km = $1, fibre_1490_db_km = $2, fibre_1550_db_km = $3, connector_db = $4, \
         splice_db = $5, usual_connectors = $6, usual_splices = $7, green_margin_db = $8, updated_at = now()",
        &[
            &policy.fibre_1310_db_km,
            &policy.fibre_1490_db_km,
            &policy.fibre_1550_db_km,
            &policy.connector_db,
            &policy.splice_db,
            &policy.usual_connectors,
            &policy.usual_splices,
            &policy.green_margin_db,
        ],
    )
    .await?;
    Ok(())
}
