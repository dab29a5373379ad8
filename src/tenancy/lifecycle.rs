//! Suspending, resuming and closing tenants.

use chrono::{DateTime, Utc};

use super::{
    log::{Deed, Operator, note},
    migrations::OwnerConnection,
    provisioning::drop_statements,
    registry::{Registry, Status, Tenant, select_tenant, tenant_of},
};
use crate::{
    db::{ControlTx, Db, TenantTx},
    error::{Error, OrInternal, Result},
    types::{SchemaName, Slug, TenantId},
};

/// All tenants, newest first, at most `limit`; closed ones too when asked for.
pub async fn list(db: &Db, with_closed: bool, limit: i64) -> Result<Vec<Tenant>> {
    let rows = db
        .read_public(async |tx| {
            let sql = select_tenant!("WHERE $1 OR t.status <> 'closed' ORDER BY t.created_at DESC LIMIT $2");
            tx.query(sql, &[&with_closed, &limit]).await
        })
        .await?;
    rows.iter().map(tenant_of).collect()
}

/// What the registry knows of one tenant beyond its entry.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Account {
    pub status_reason: Option<String>,
    pub closes_at: Option<DateTime<Utc>>,
    pub schema_version: Option<i32>,
    pub schema_error: Option<String>,
    pub domains: Vec<AccountDomain>,
    /// The plan's name, if it has one.
    pub plan: Option<String>,
}

/// A custom domain and how far it is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AccountDomain {
    pub domain: String,
    pub status: String,
}

/// Looks a tenant up as an account, for those who run the deployment.
pub async fn account_of(db: &Db, tenant: &Tenant) -> Result<Account> {
    let id = tenant.id();
    db.read_public(async |tx| {
        let row = tx
            .query_one(
                "SELECT t.status_reason, t.closes_at, s.version, s.error FROM public.tenant t
                 LEFT JOIN public.tenant_schema_state s USING (schema_name) WHERE t.id = $1",
                &[&id],
            )
            .await?;
        let domains = tx
            .query(
                "SELECT domain, status FROM public.tenant_domain WHERE tenant_id = $1 ORDER BY domain",
                &[&id],
            )
            .await?;
        Ok(Account {
            status_reason: row.get("status_reason"),
            closes_at: row.get("closes_at"),
            schema_version: row.get("version"),
            schema_error: row.get("error"),
            domains: domains
                .iter()
                .map(|row| AccountDomain { domain: row.get("domain"), status: row.get("status") })
                .collect(),
            plan: tenant.entitlements.plan.clone(),
        })
    })
    .await
}

/// How many tenants there are of each status.
pub async fn count_by_status(db: &Db) -> Result<Vec<(String, i64)>> {
    let rows = db
        .read_public(async |tx| {
            tx.query(
                "SELECT status, count(*) AS tenants FROM public.tenant GROUP BY status ORDER BY status",
                &[],
            )
            .await
        })
        .await?;
    Ok(rows.iter().map(|row| (row.get("status"), row.get("tenants"))).collect())
}

/// Stops serving a tenant, at once in every process. Nothing of it changes.
pub async fn suspend(registry: &Registry, tenant: &Tenant, actor: &Operator, reason: &str) -> Result<()> {
    change(registry, tenant, Status::Active, Status::Suspended, actor, reason).await
}

/// Serves a suspended or closing tenant again.
pub async fn resume(registry: &Registry, tenant: &Tenant, actor: &Operator) -> Result<()> {
    let from = if tenant.status == Status::Closing { Status::Closing } else { Status::Suspended };
    change(registry, tenant, from, Status::Active, actor, "").await
}

async fn change(
    registry: &Registry,
    tenant: &Tenant,
    from: Status,
    to: Status,
    actor: &Operator,
    reason: &str,
) -> Result<()> {
    let changed = registry
        .db()
        .in_public(async |tx| change_within(tx, tenant, (from, to), actor, reason).await)
        .await?;
    registry.news().tenant_changed();
    if !changed {
        let detail = format!("The provider is not {}.", from.as_str());
        return Err(Error::conflict("wrong_status", detail));
    }
    Ok(())
}

async fn change_within(
    tx: &ControlTx,
    tenant: &Tenant,
    (from, to): (Status, Status),
    actor: &Operator,
    reason: &str,
) -> Result<bool> {
    let id = tenant.id();
    let changed = tx
        .execute(
            "UPDATE public.tenant SET status = $3, status_reason = nullif($4, ''), status_changed_at = now(),
                closes_at = NULL
             WHERE id = $1 AND status = $2",
            &[&id, &from.as_str(), &to.as_str(), &reason],
        )
        .await?;
    if changed > 0 {
        let action = format!("tenant.{}", to.as_str());
        tell(tx, actor, Deed::to(tenant, &action, reason)).await?;
    }
    Ok(changed > 0)
}

/// Suspends an active tenant in a transaction of the caller's; false when it was not active. The caller forgets what its process
/// knows of tenants once that is committed.
pub async fn suspend_within(tx: &ControlTx, tenant: &Tenant, actor: &Operator, reason: &str) -> Result<bool> {
    change_within(tx, tenant, (Status::Active, Status::Suspended), actor, reason).await
}

/// Gives the entered tenant another web address; the one that it had leads there, and is nobody else's.
pub async fn change_slug(tx: &TenantTx, slug: &Slug, by: &str) -> Result<()> {
    let row = tx.query_one("SELECT gate.change_slug($1, $2) AS outcome", &[&slug.as_str(), &by]).await?;
    let refused = |code, detail: &str| Err(Error::conflict(code, detail));
    match row.get("outcome") {
        "changed" => Ok(()),
        "same" => refused("same_address", "This is the address that you have."),
        "too_many" => {
            refused("too_many_addresses", "Ten addresses that you had lead here. Go back to one of them.")
        }
        _ => refused("slug_taken", "This web address is taken."),
    }
}

/// Begins to close a tenant: it is no longer served, and after the grace period its data goes.
pub async fn close(
    registry: &Registry,
    tenant: &Tenant,
    actor: &Operator,
    reason: &str,
    grace_days: u32,
) -> Result<DateTime<Utc>> {
    let id = tenant.id();
    let closes_at = Utc::now() + chrono::Duration::days(i64::from(grace_days));
    let changed = registry
        .db()
        .in_public(async |tx| {
            let changed = tx
                .execute(
                    "UPDATE public.tenant SET status = 'closing', closes_at = $2, status_reason = nullif($3, ''),
                        status_changed_at = now()
                     WHERE id = $1 AND status IN ('active', 'suspended')",
                    &[&id, &closes_at, &reason],
                )
                .await?;
            if changed > 0 {
                tell(tx, actor, Deed::to(tenant, "tenant.closing", reason)).await?;
            }
            Ok(changed)
        })
        .await?;
    registry.news().tenant_changed();
    if changed == 0 {
        return Err(Error::conflict("wrong_status", "The provider is closing or closed already."));
    }
    Ok(closes_at)
}

/// Ends a tenant's grace period, or never lets it begin, and removes what it has.
pub async fn close_now(registry: &Registry, tenant: &Tenant, actor: &Operator) -> Result<()> {
    if tenant.status == Status::Closing {
        let id = tenant.id();
        registry
            .db()
            .in_public(async |tx| {
                tx.execute(
                    "UPDATE public.tenant SET closes_at = now() WHERE id = $1 AND status = 'closing'",
                    &[&id],
                )
                .await?;
                tell(tx, actor, Deed::to(tenant, "tenant.grace_ended", "")).await
            })
            .await?;
    } else {
        close(registry, tenant, actor, "", 0).await?;
    }
    finish_closing(registry).await?;
    Ok(())
}

async fn tell(tx: &ControlTx, actor: &Operator, deed: Deed<'_>) -> Result<()> {
    let news = deed.tenant.map(|id| format!("tenant:{id}"));
    note(tx, actor, deed).await?;
    tx.execute("SELECT pg_notify('lastmile_news', $1)", &[&news]).await?;
    Ok(())
}

/// Removes what closing tenants whose grace is over still have: schema, role, keys, domains, jobs. A tombstone stays; a sandbox
/// goes with the one that it was made of. Answers how many were closed. One transaction each: a crash leaves a tenant closing,
/// never half gone.
pub async fn finish_closing(registry: &Registry) -> Result<usize> {
    let mut closed = 0;
    loop {
        close_orphans(registry.db()).await?;
        match finish_some(registry).await? {
            0 => return Ok(closed),
            some => closed += some,
        }
    }
}

/// Lets sandboxes go whose original closes: there is nobody left to whom they belong.
async fn close_orphans(db: &Db) -> Result<()> {
    db.in_public(async |tx| {
        tx.execute(
            "WITH gone AS (UPDATE public.tenant s SET status = 'closing', closes_at = now(), status_changed_at = now(),
                    status_reason = 'Its original closes.'
                FROM public.tenant o WHERE o.id = s.sandbox_of AND o.status IN ('closing', 'closed')
                    AND s.status IN ('active', 'suspended')
                RETURNING s.id, s.name)
             INSERT INTO public.platform_event (id, actor, action, tenant_id, object_label)
             SELECT gen_random_uuid(), 'system', 'tenant.closing', id, name FROM gone",
            &[],
        )
        .await
    })
    .await
    .map(drop)
}

async fn finish_some(registry: &Registry) -> Result<usize> {
    let db = registry.db();
    let rows = db
        .read_public(async |tx| {
            tx.query(
                "SELECT id, schema_name FROM public.tenant WHERE status = 'closing' AND closes_at <= now() LIMIT 50",
                &[],
            )
            .await
        })
        .await?;
    for row in &rows {
        let schema = SchemaName::parse(row.get("schema_name"))
            .map_err(|_odd| Error::internal("an odd schema name"))?;
        remove(db, row.get("id"), &schema).await?;
        registry.news().tenant_changed();
    }
    Ok(rows.len())
}

async fn remove(db: &Db, id: TenantId, schema: &SchemaName) -> Result<()> {
    let owner = OwnerConnection::open(db).await?;
    let sql = format!(
        "BEGIN;
         SELECT 1 FROM public.tenant WHERE id = '{id}' AND status = 'closing' FOR UPDATE;
         {}
         DELETE FROM public.tenant_key WHERE tenant_id = '{id}';
         DELETE FROM public.tenant_certificate WHERE tenant_id = '{id}';
         DELETE FROM public.tenant_domain WHERE tenant_id = '{id}';
         DELETE FROM public.job WHERE tenant_id = '{id}';
         DELETE FROM public.signup WHERE tenant_id = '{id}';
         DELETE FROM public.usage WHERE tenant_id = '{id}';
         DELETE FROM public.tenant_plan WHERE tenant_id = '{id}';
         DELETE FROM public.tenant_limit WHERE tenant_id = '{id}';
         UPDATE public.platform_payment SET begun_by = '' WHERE tenant_id = '{id}';
         DELETE FROM public.tenant_figure WHERE tenant_id = '{id}';
         DELETE FROM public.signup_request WHERE id = '{id}';
         DELETE FROM public.support_grant WHERE tenant_id = '{id}';
         DELETE FROM public.dispatch WHERE tenant_id = '{id}';
         DELETE FROM public.dispatch_call WHERE tenant_id = '{id}';
         DELETE FROM public.platform_sender_assignment WHERE tenant_id = '{id}';
         DELETE FROM public.message_credit WHERE tenant_id = '{id}';
         DELETE FROM public.message_credit_entry WHERE tenant_id = '{id}';
         DELETE FROM public.sighting WHERE '{id}' IN (tenant_id, other_id, found_in);
         DELETE FROM public.alert WHERE '{id}' IN (tenant_id, other_id);
         UPDATE public.tenant SET status = 'closed', status_changed_at = now() WHERE id = '{id}';
         INSERT INTO public.platform_event (id, actor, action, tenant_id)
         VALUES ('{}', 'system', 'tenant.closed', '{id}');
         SELECT pg_notify('lastmile_news', 'tenant:{id}');
         COMMIT",
        drop_statements(schema),
        uuid::Uuid::now_v7()
    );
    owner.client.batch_execute(&sql).await.internal()
}
