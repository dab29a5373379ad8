//! The figures of tenants, measured now and then from PostgreSQL's own statistics: no schema is entered, and no request waits.
//!
//! Sizes are what the last VACUUM or ANALYZE of each table saw: asking for the size of a table opens it, and a backend that has opened
//! every table of every tenant holds hundreds of megabytes from then on.

use uuid::Uuid;

use crate::{db::Db, error::Result};

/// So many tenants with one statement.
const BATCH: i64 = 100;

/// Measures every tenant that is not closed. Answers how many.
pub async fn measure(db: &Db) -> Result<u64> {
    let mut measured = 0;
    let mut after = Uuid::nil();
    loop {
        let ids: Vec<Uuid> = db
            .read_public(async |tx| {
                let rows = tx
                    .query(
                        "SELECT id FROM public.tenant WHERE status <> 'closed' AND id > $1 ORDER BY id LIMIT $2",
                        &[&after, &BATCH],
                    )
                    .await?;
                Ok(rows.iter().map(|row| row.get("id")).collect())
            })
            .await?;
        let Some(last) = ids.last() else { return Ok(measured) };
        after = *last;
        measured += db
            .in_public(async |tx| {
                tx.execute(
                    "INSERT INTO public.tenant_figure AS f (tenant_id, bytes, customers, staff, dead_letters, events, active_at)
                     SELECT t.id, sum((c.relpages + coalesce(toast.relpages, 0))::bigint)
                            * current_setting('block_size')::bigint,
                        coalesce(max(pg_stat_get_live_tuples(c.oid)) FILTER (WHERE c.relname = 'customer'), 0),
                        coalesce(max(pg_stat_get_live_tuples(c.oid)) FILTER (WHERE c.relname = 'staff'), 0),
                        coalesce(max(pg_stat_get_live_tuples(c.oid)) FILTER (WHERE c.relname = 'dead_letter'), 0),
                        coalesce(max(pg_stat_get_tuples_inserted(c.oid)) FILTER (WHERE c.relname = 'audit_event'), 0),
                        t.created_at
                     FROM public.tenant t JOIN pg_namespace n ON n.nspname = t.schema_name
                     JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'i')
                     LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
                     WHERE t.id = ANY($1) AND t.status <> 'closed' GROUP BY t.id
                     ON CONFLICT (tenant_id) DO UPDATE SET bytes = excluded.bytes, customers = excluded.customers,
                        staff = excluded.staff, dead_letters = excluded.dead_letters, events = excluded.events,
                        active_at = CASE WHEN excluded.events <> f.events THEN now() ELSE f.active_at END,
                        measured_at = now()",
                    &[&ids],
                )
                .await
            })
            .await?;
    }
}
