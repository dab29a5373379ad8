//! Making tenants: schemas are made ahead, and a sign-up takes a ready one in a single transaction.

use super::{
    bootstrap::group_of,
    migrations::{OwnerConnection, latest_tenant_version, migrate_schema},
    registry::{Registry, Tenant, select_tenant, tenant_of},
    shards::shard_with_room,
};
use crate::{
    db::{Db, OnConstraint, OwnerTx, Room, TenantTx},
    error::{Error, OrInternal, Result},
    types::{Country, Currency, SchemaName, Slug, TenantId, TimeZone},
};

const TRIES: usize = 5;

/// A tenant that is to be.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    pub time_zone: TimeZone,
    pub currency: Currency,
    pub country: Country,
    /// The tenant's first data key, wrapped: (master version, bytes).
    pub wrapped_key: (i32, Vec<u8>),
    /// Who asked, for the platform's own log.
    pub asked_by: String,
}

/// Makes a tenant. Registry entry, keys and whatever `seed` writes into the new schema are one transaction: after a crash at
/// any line there is either the whole tenant or none. A taken slug is 409 `slug_taken`.
pub async fn provision<T>(
    registry: &Registry,
    new: &NewTenant,
    seed: impl AsyncFnOnce(&OwnerTx, &TenantTx) -> Result<T> + Clone,
) -> Result<(Tenant, T)> {
    let db = registry.db();
    for _ in 0..TRIES {
        let made = db.as_owner(async |tx| take_and_fill(tx, new, seed.clone()).await).await?;
        if let Some(made) = made {
            registry.news().tenant_changed();
            return Ok(made);
        }
        make_schema(db).await?;
    }
    Err(Error::unavailable("no_schema_ready", "New providers are queueing. Try again in a moment."))
}

async fn take_and_fill<T>(
    tx: &OwnerTx,
    new: &NewTenant,
    seed: impl AsyncFnOnce(&OwnerTx, &TenantTx) -> Result<T>,
) -> Result<Option<(Tenant, T)>> {
    let taken = tx
        .query_opt(
            "DELETE FROM public.schema_pool WHERE schema_name = (
                 SELECT p.schema_name FROM public.schema_pool p JOIN public.tenant_schema_state s USING (schema_name)
                 WHERE p.state = 'ready' AND s.state = 'current' AND s.version >= $1
                 ORDER BY p.created_at FOR UPDATE OF p SKIP LOCKED LIMIT 1)
             RETURNING schema_name, shard",
            &[&latest_tenant_version()],
        )
        .await?;
    let Some(taken) = taken else { return Ok(None) };
    let schema = SchemaName::parse(taken.get("schema_name"))
        .map_err(|_odd| Error::internal("an odd schema in the pool"))?;
    let room = Room::from_registry(new.id, schema, taken.get("shard"));
    insert_tenant(tx, new, &room).await?;
    let seeded = tx.inside(&room, async |inside| seed(tx, inside).await).await?;
    let row = tx.query_one(select_tenant!("WHERE t.id = $1"), &[&new.id]).await?;
    tx.execute("SELECT pg_notify('lastmile_news', $1)", &[&format!("tenant:{}", new.id)]).await?;
    Ok(Some((tenant_of(&row)?, seeded)))
}

async fn insert_tenant(tx: &OwnerTx, new: &NewTenant, room: &Room) -> Result<()> {
    tx.execute(
        "INSERT INTO public.tenant (id, slug, name, schema_name, shard, status, time_zone, currency, country)
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8)",
        &[
            &new.id,
            &new.slug.as_str(),
            &new.name,
            &room.schema().as_str(),
            &room.shard(),
            &new.time_zone.to_string(),
            &new.currency.as_str(),
            &new.country.as_str(),
        ],
    )
    .await
    .on_constraint("tenant_slug_key", || Error::conflict("slug_taken", "This web address is taken."))?;
    tx.execute(
        "INSERT INTO public.tenant_key (tenant_id, version, master_version, wrapped) VALUES ($1, 1, $2, $3)",
        &[&new.id, &new.wrapped_key.0, &new.wrapped_key.1],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.tenant_plan (tenant_id, plan_id, plan_name, monthly_price, currency, chosen_by)
         SELECT $1, id, name, monthly_price, currency, 'sign-up' FROM public.plan WHERE is_default",
        &[&new.id],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.platform_event (id, actor, action, tenant_id) VALUES ($1, $2, 'tenant.created', $3)",
        &[&uuid::Uuid::now_v7(), &new.asked_by, &new.id],
    )
    .await?;
    Ok(())
}

/// How many warm schemas are ready to be taken.
pub async fn warm_count(db: &Db) -> Result<i64> {
    let row = db
        .read_public(async |tx| {
            tx.query_one("SELECT count(*) AS n FROM public.schema_pool WHERE state = 'ready'", &[]).await
        })
        .await?;
    Ok(row.get("n"))
}

/// Sweeps what dead makers left and makes schemas until `wanted` are ready.
pub async fn keep_warm(db: &Db, wanted: u32) -> Result<()> {
    let (is_unfinished, ready) = look_at_pool(db).await?;
    if is_unfinished {
        sweep_unfinished(db).await?;
    }
    if ready >= i64::from(wanted) {
        return Ok(());
    }
    while warm_count(db).await? < i64::from(wanted) {
        make_schema(db).await?;
    }
    Ok(())
}

/// Whether any schema is being made or was left half made, and how many are ready. Asked all the time.
async fn look_at_pool(db: &Db) -> Result<(bool, i64)> {
    let sql = "SELECT EXISTS (SELECT FROM public.schema_pool WHERE state = 'making'),
        (SELECT count(*) FROM public.schema_pool WHERE state = 'ready')";
    let row = db.ask_public(sql, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Makes one schema with its role, migrates it and puts it into the pool.
async fn make_schema(db: &Db) -> Result<()> {
    let mut site = begin_schema(db).await?;
    migrate_schema(&mut site.owner, &site.schema).await?;
    site.owner
        .client
        .execute(
            "UPDATE public.schema_pool SET state = 'ready' WHERE schema_name = $1",
            &[&site.schema.as_str()],
        )
        .await
        .internal()?;
    Ok(())
}

/// A schema that is being made, and the connection whose lock says that its maker lives.
pub(super) struct Site {
    pub owner: OwnerConnection,
    pub schema: SchemaName,
    pub shard: i16,
}

/// Makes an empty schema with its role. Until its row in the pool changes, whoever finds the lock free may sweep it.
pub(super) async fn begin_schema(db: &Db) -> Result<Site> {
    let shard = shard_with_room(db).await?;
    let schema = SchemaName::random();
    let owner = OwnerConnection::open(db).await?;
    // Held while this schema is being made: whoever gets it knows that the maker is dead.
    owner
        .client
        .execute("SELECT pg_advisory_lock(hashtext($1))", &[&format!("lastmile make {schema}")])
        .await
        .internal()?;
    owner
        .client
        .execute(
            "INSERT INTO public.schema_pool (schema_name, shard, state) VALUES ($1, $2, 'making')",
            &[&schema.as_str(), &shard],
        )
        .await
        .internal()?;
    let (app, group, control) = (db.roles().app(shard), group_of(db), db.roles().control());
    owner
        .client
        .batch_execute(&format!(
            "BEGIN;
             CREATE ROLE {schema} NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE;
             CREATE SCHEMA {schema};
             REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {control};
             GRANT {group} TO {schema};
             GRANT {schema} TO {app};
             COMMIT"
        ))
        .await
        .internal()?;
    Ok(Site { owner, schema, shard })
}

/// Drops schemas whose maker died half-way.
async fn sweep_unfinished(db: &Db) -> Result<()> {
    let rows = db
        .read_public(async |tx| {
            tx.query("SELECT schema_name FROM public.schema_pool WHERE state = 'making' LIMIT 100", &[]).await
        })
        .await?;
    for row in rows {
        let Ok(schema) = SchemaName::parse(row.get("schema_name")) else { continue };
        drop_if_abandoned(db, &schema).await?;
    }
    Ok(())
}

async fn drop_if_abandoned(db: &Db, schema: &SchemaName) -> Result<()> {
    let client = OwnerConnection::open(db).await?.client;
    let lock = format!("lastmile make {schema}");
    let free: bool =
        client.query_one("SELECT pg_try_advisory_lock(hashtext($1))", &[&lock]).await.internal()?.get(0);
    if !free {
        return Ok(());
    }
    let still: Option<_> = client
        .query_opt(
            "SELECT 1 FROM public.schema_pool WHERE schema_name = $1 AND state = 'making'",
            &[&schema.as_str()],
        )
        .await
        .internal()?;
    if still.is_some() {
        tracing::warn!(%schema, "dropping a schema whose maker died");
        client.batch_execute(&format!("BEGIN; {} COMMIT", drop_statements(schema))).await.internal()?;
    }
    Ok(())
}

/// Everything that removes a schema, its role and its traces; to be run as one transaction.
pub(super) fn drop_statements(schema: &SchemaName) -> String {
    format!(
        "DROP SCHEMA IF EXISTS {schema} CASCADE;
         DROP ROLE IF EXISTS {schema};
         DELETE FROM public.tenant_schema_state WHERE schema_name = '{schema}';
         DELETE FROM public.schema_pool WHERE schema_name = '{schema}';"
    )
}
