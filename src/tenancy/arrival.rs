//! Tenants that come out of an archive: a schema is made for them at the archive's version, filled, and brought up to date.
//!
//! Until the last transaction the schema is one that is "being made": nobody is served from it, and should its maker die it is
//! swept like any other half-made schema.

use chrono::{DateTime, Utc};

use super::{
    migrations::{latest_tenant_version, migrate_schema, migrate_schema_to},
    provisioning::{Site, begin_schema, drop_statements},
    registry::{Registry, Tenant, select_tenant, tenant_of},
};
use crate::{
    db::{Db, OnConstraint, OwnerTx, Room, TenantTx},
    error::{Error, OrInternal, Result},
    types::{DomainId, Slug, TenantId},
    words::say,
};

/// A tenant as an archive has it.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    pub is_suspended: bool,
    pub time_zone: String,
    pub currency: String,
    pub country: String,
    pub created_at: DateTime<Utc>,
    pub keys: Vec<ArrivingKey>,
    pub domains: Vec<ArrivingDomain>,
    pub asked_by: String,
}

/// A data key, wrapped by this deployment's own master key.
#[derive(Debug, Clone)]
pub struct ArrivingKey {
    pub version: i32,
    pub master_version: i32,
    pub wrapped: Vec<u8>,
}

/// A custom domain that comes along.
#[derive(Debug, Clone)]
pub struct ArrivingDomain {
    pub domain: String,
    pub proof_token: String,
    pub status: String,
}

/// Takes a tenant in. `fill` writes the schema, which is at `version`; `settle` writes what belongs to the tenant elsewhere, in
/// the one transaction that makes the tenant exist. If anything fails, nothing is left.
pub async fn receive(
    registry: &Registry,
    arrival: &Arrival,
    version: i32,
    fill: impl AsyncFnOnce(&OwnerTx, &TenantTx) -> Result<()>,
    settle: impl AsyncFnOnce(&OwnerTx) -> Result<()>,
) -> Result<Tenant> {
    let db = registry.db();
    if version > latest_tenant_version() {
        return Err(Error::conflict(
            "archive_too_new",
            say!(
                "The archive's schema is of version {}, this program knows up to {}: use a newer program.",
                version,
                latest_tenant_version()
            ),
        ));
    }
    let mut site = begin_schema(db).await?;
    let received = build(db, &mut site, arrival, version, fill, settle).await;
    match received {
        Ok(tenant) => {
            registry.news().tenant_changed();
            Ok(tenant)
        }
        Err(error) => {
            let sql = format!("BEGIN; {} COMMIT", drop_statements(&site.schema));
            if let Err(left) = site.owner.client.batch_execute(&format!("ROLLBACK; {sql}")).await {
                tracing::warn!(schema = %site.schema, error = %left, "a half-made schema is left for the sweep");
            }
            Err(error)
        }
    }
}

async fn build(
    db: &Db,
    site: &mut Site,
    arrival: &Arrival,
    version: i32,
    fill: impl AsyncFnOnce(&OwnerTx, &TenantTx) -> Result<()>,
    settle: impl AsyncFnOnce(&OwnerTx) -> Result<()>,
) -> Result<Tenant> {
    migrate_schema_to(&mut site.owner, &site.schema, version).await?;
    let room = Room::from_registry(arrival.id, site.schema.clone(), site.shard);
    db.as_owner(async |tx| tx.inside(&room, async |inside| fill(tx, inside).await).await).await?;
    migrate_schema(&mut site.owner, &site.schema).await?;
    site.owner
        .client
        .batch_execute(&format!("ANALYZE {}", tables_of(&site.owner, &room).await?))
        .await
        .internal()?;
    db.as_owner(async |tx| {
        tx.execute("DELETE FROM public.schema_pool WHERE schema_name = $1", &[&room.schema().as_str()])
            .await?;
        enter(tx, arrival, &room).await?;
        settle(tx).await?;
        let row = tx.query_one(select_tenant!("WHERE t.id = $1"), &[&arrival.id]).await?;
        tx.execute("SELECT pg_notify('lastmile_news', $1)", &[&format!("tenant:{}", arrival.id)]).await?;
        tenant_of(&row)
    })
    .await
}

/// What ANALYZE is to look at, so that the first questions are planned with the new rows in mind.
async fn tables_of(owner: &super::migrations::OwnerConnection, room: &Room) -> Result<String> {
    let row = owner
        .client
        .query_one(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') AS tables FROM pg_tables WHERE schemaname = $1",
            &[&room.schema().as_str()],
        )
        .await
        .internal()?;
    Ok(row.get("tables"))
}

/// The registry's entry. The tombstone of the same tenant comes alive again; anybody else's id or slug is refused.
async fn enter(tx: &OwnerTx, arrival: &Arrival, room: &Room) -> Result<()> {
    let status = if arrival.is_suspended { "suspended" } else { "active" };
    let entered = tx
        .execute(
            "INSERT INTO public.tenant AS t
                (id, slug, name, schema_name, shard, status, time_zone, currency, country, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (id) DO UPDATE SET slug = $2, name = $3, schema_name = $4, shard = $5, status = $6,
                time_zone = $7, currency = $8, country = $9, status_changed_at = now(), status_reason = NULL, closes_at = NULL
             WHERE t.status = 'closed'",
            &[
                &arrival.id,
                &arrival.slug.as_str(),
                &arrival.name,
                &room.schema().as_str(),
                &room.shard(),
                &status,
                &arrival.time_zone,
                &arrival.currency,
                &arrival.country,
                &arrival.created_at,
            ],
        )
        .await
        .on_constraint("tenant_slug_key", || {
            Error::conflict("slug_taken", say!("The web address {} is taken.", arrival.slug))
        })?;
    if entered == 0 {
        return Err(Error::conflict("tenant_exists", "A provider of this id is here already."));
    }
    for key in &arrival.keys {
        tx.execute(
            "INSERT INTO public.tenant_key (tenant_id, version, master_version, wrapped) VALUES ($1, $2, $3, $4)",
            &[&arrival.id, &key.version, &key.master_version, &key.wrapped],
        )
        .await?;
    }
    for domain in &arrival.domains {
        // One that is active elsewhere by now has to be proved again.
        tx.execute(
            "INSERT INTO public.tenant_domain (id, tenant_id, domain, status, proof_token)
             SELECT $1, $2, $3, CASE WHEN $4 = 'active'
                AND EXISTS (SELECT 1 FROM public.tenant_domain d WHERE d.domain = $3 AND d.status = 'active')
                THEN 'pending' ELSE $4 END, $5",
            &[&DomainId::new(), &arrival.id, &domain.domain, &domain.status, &domain.proof_token],
        )
        .await?;
    }
    tx.execute(
        "INSERT INTO public.platform_event (id, actor, action, tenant_id) VALUES ($1, $2, 'tenant.imported', $3)",
        &[&uuid::Uuid::now_v7(), &arrival.asked_by, &arrival.id],
    )
    .await?;
    Ok(())
}
