//! Login roles of the application: SET ROLE slows with the number of memberships, so each holds at most 500 tenants.

use secrecy::ExposeSecret;

use crate::{
    db::{Db, OwnerTx},
    error::Result,
};

const TENANTS_PER_SHARD: i64 = 500;

/// A shard with room for one more tenant; a new login role is made when all are full.
pub(super) async fn shard_with_room(db: &Db) -> Result<i16> {
    db.as_owner(async |tx| {
        tx.execute("SELECT pg_advisory_xact_lock(hashtext('lastmile shards'))", &[]).await?;
        let row = tx
            .query_one(
                "SELECT coalesce(max(shard), 0)::smallint AS highest,
                        count(*) FILTER (WHERE shard = (SELECT max(shard) FROM
                            (SELECT shard FROM public.tenant UNION ALL SELECT shard FROM public.schema_pool) a)) AS taken
                 FROM (SELECT shard FROM public.tenant WHERE status <> 'closed'
                       UNION ALL SELECT shard FROM public.schema_pool) b",
                &[],
            )
            .await?;
        let (highest, taken): (i16, i64) = (row.get("highest"), row.get("taken"));
        let shard = if highest == 0 || taken >= TENANTS_PER_SHARD { highest + 1 } else { highest };
        ensure_shard(db, tx, shard).await?;
        Ok(shard)
    })
    .await
}

/// Makes a shard's login role: it owns nothing, inherits nothing and can only enter its tenants' roles.
pub(super) async fn ensure_shard(db: &Db, tx: &OwnerTx, shard: i16) -> Result<()> {
    let role = db.roles().app(shard);
    let known = tx.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role]).await?;
    if known.is_some() {
        return Ok(());
    }
    let password = (db.roles().password)(&role);
    tx.run(&format!(
        "CREATE ROLE {role} LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{}';
         ALTER ROLE {role} SET search_path = \"$user\", ext, pg_temp;
         ALTER ROLE {role} SET statement_timeout = '15s';
         ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';
         ALTER ROLE {role} SET lock_timeout = '10s';
         ALTER ROLE {role} SET jit = off;
         DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); END $$;",
        password.expose_secret()
    ))
    .await
}
