//! Which tenant's turn it is. All SQL of `public.dispatch` and `public.dispatch_call`.
//!
//! Who queues a message calls its lane, unless the lane is known to be due: nobody waits for anybody. A worker folds calls into the
//! lanes, takes the lane that is most urgent and was served least, and afterwards says when the lane is due next.
//!
//! A lane that was found empty could lose somebody who saw it as due a moment ago, did not call, and has not committed yet. So
//! it is looked at once more when everybody who was at work by then has ended: `settling` is stamped with the next transaction's number
//! after the lane was put to rest, and has passed when no older transaction is open.

use uuid::Uuid;

use crate::{db::Db, error::Result, messaging::messages::Lane, types::TenantId};

/// A lane that is being looked at is nobody else's for so long.
const LOOK_SECONDS: f64 = 15.0;

/// A lane whose turn it is.
#[derive(Debug, Clone)]
pub struct Turn {
    pub tenant: TenantId,
    pub lane: Lane,
    /// Whether anything is limited for all tenants together.
    pub is_limited: bool,
    lease: Uuid,
}

/// Whether there may be anything to do: a call, a lane that is due, or one that was put to rest a moment ago. For those who ask all the
/// time: it costs a fraction of looking.
pub async fn is_anything(db: &Db) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM public.dispatch_call)
        OR EXISTS (SELECT FROM public.dispatch WHERE due_at <= now())
        OR EXISTS (SELECT FROM public.dispatch WHERE settling IS NOT NULL)";
    Ok(db.ask_public(sql, &[]).await?.get(0))
}

/// Takes calls in. True when there were any.
pub async fn fold_calls(db: &Db) -> Result<bool> {
    let folded = db
        .in_public(async |tx| {
            tx.execute(
                "WITH calls AS (
                    DELETE FROM public.dispatch_call WHERE id IN (
                        SELECT id FROM public.dispatch_call ORDER BY id LIMIT 2000 FOR UPDATE SKIP LOCKED)
                    RETURNING tenant_id, lane, due_at),
                 folded AS (SELECT tenant_id, lane, min(due_at) AS due_at FROM calls GROUP BY tenant_id, lane)
                 INSERT INTO public.dispatch AS d (tenant_id, lane, due_at, spent)
                 SELECT f.tenant_id, f.lane, f.due_at, coalesce((SELECT min(o.spent) FROM public.dispatch o
                    WHERE o.lane = f.lane AND o.due_at <= now()), 0)
                 FROM folded f ORDER BY f.tenant_id, f.lane
                 ON CONFLICT (tenant_id, lane) DO UPDATE SET due_at = least(d.due_at, excluded.due_at),
                    spent = CASE WHEN d.due_at > now() THEN greatest(d.spent, excluded.spent) ELSE d.spent END",
                &[],
            )
            .await
        })
        .await?;
    Ok(folded > 0)
}

/// Takes the turn of the lane that is next: the most urgent lane, in it the tenant on whom least was spent. `full` are tenants who
/// have enough under way. `cost` is what the turn may come to; see [`give_back`].
pub async fn take_turn(db: &Db, full: &[TenantId], lowest: Lane, cost: f64) -> Result<Option<Turn>> {
    let lease = Uuid::new_v4();
    db.in_public(async |tx| {
        let row = tx
            .query_opt(
                "UPDATE public.dispatch SET lease = $1, leased_until = now() + make_interval(secs => $2),
                    spent = spent + $5
                 WHERE (tenant_id, lane) = (
                    SELECT d.tenant_id, d.lane FROM public.dispatch d JOIN public.tenant t ON t.id = d.tenant_id
                    WHERE (d.due_at <= now() OR d.settling <= pg_snapshot_xmin(pg_current_snapshot()))
                        AND (d.leased_until IS NULL OR d.leased_until < now())
                        AND t.status = 'active' AND d.lane <= $4 AND NOT d.tenant_id = ANY($3)
                    ORDER BY d.lane, d.spent, d.tenant_id FOR UPDATE OF d SKIP LOCKED LIMIT 1)
                 RETURNING tenant_id, lane, EXISTS (SELECT FROM public.message_rate) AS is_limited",
                &[&lease, &LOOK_SECONDS, &full, &lowest.number(), &cost],
            )
            .await?;
        Ok(row.map(|row| Turn {
            tenant: row.get("tenant_id"),
            lane: Lane::from_number(row.get("lane")),
            is_limited: row.get("is_limited"),
            lease,
        }))
    })
    .await
}

/// Ends a turn: what was not used of its cost is given back, and the lane is due when its queue says so. A lane whose queue is empty
/// rests, and is looked at once more when nobody can be left who took it for due.
pub async fn give_back(
    db: &Db,
    turn: &Turn,
    next: Option<chrono::DateTime<chrono::Utc>>,
    unused: f64,
) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "UPDATE public.dispatch SET lease = NULL, leased_until = NULL, due_at = coalesce($4::timestamptz, 'infinity'),
                spent = greatest(spent - $5, 0),
                settling = CASE WHEN due_at > now() AND coalesce($4::timestamptz, 'infinity') > now() THEN NULL
                    ELSE '18446744073709551615'::xid8 END
             WHERE tenant_id = $1 AND lane = $2 AND lease = $3",
            &[&turn.tenant, &turn.lane.number(), &turn.lease, &next, &unused],
        )
        .await
    })
    .await
    .map(drop)
}

/// Stamps lanes that were put to rest. A look of its own, so that whoever saw them as due is older than the stamp.
pub async fn stamp(db: &Db) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "UPDATE public.dispatch SET settling = pg_snapshot_xmax(pg_current_snapshot())
             WHERE settling = '18446744073709551615'::xid8",
            &[],
        )
        .await
    })
    .await
    .map(drop)
}
