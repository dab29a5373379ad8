//! All SQL of `retention`.

use crate::{db::TenantTx, error::Result};

/// What was said, where it is otherwise than the program has it.
pub async fn list(tx: &TenantTx) -> Result<Vec<(String, Option<i32>)>> {
    let rows = tx.query("SELECT kind, days FROM retention ORDER BY kind", &[]).await?;
    Ok(rows.iter().map(|row| (row.get("kind"), row.get("days"))).collect())
}

pub async fn upsert(tx: &TenantTx, days: &[(&str, Option<i32>)], by: &str) -> Result<()> {
    let (kinds, days): (Vec<&str>, Vec<Option<i32>>) = days.iter().copied().unzip();
    tx.execute(
        "INSERT INTO retention (kind, days, changed_by)
         SELECT n.kind, n.days, $3 FROM unnest($1::text[], $2::int[]) n (kind, days)
         ON CONFLICT (kind) DO UPDATE SET days = excluded.days, changed_by = excluded.changed_by, changed_at = now()",
        &[&kinds, &days, &by],
    )
    .await
    .map(drop)
}
