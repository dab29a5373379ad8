//! All SQL of the console's look at tenants.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{db::ControlTx, error::Result, types::TenantId, web::parts::TimeMark};

/// Attempts after which a job counts as failing.
const FAILING_FROM: i32 = 3;

/// What a list of tenants is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In name, address, domain; or a whole id.
    pub text: String,
    /// `open` (all but closed), a status, or `attention`.
    pub state: String,
    pub latest_version: i32,
    pub before: Option<TimeMark>,
}

/// A tenant in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub status: String,
    /// The plan's name, if it has one.
    pub plan: Option<String>,
    /// A copy with made-up people, of a provider of this deployment.
    pub is_sandbox: bool,
    pub created_at: DateTime<Utc>,
    pub version: Option<i32>,
    pub is_failed: bool,
    pub failing_jobs: i64,
    pub lost_domains: i64,
    pub figures: Option<Figures>,
}

/// What was measured of a tenant.
#[derive(Debug, Clone)]
pub struct Figures {
    pub bytes: i64,
    pub customers: i64,
    pub staff: i64,
    pub dead_letters: i64,
    pub active_at: Option<DateTime<Utc>>,
    pub measured_at: DateTime<Utc>,
}

fn listed_of(row: &Row) -> Listed {
    let measured_at: Option<DateTime<Utc>> = row.get("measured_at");
    Listed {
        id: row.get("id"),
        slug: row.get("slug"),
        name: row.get("name"),
        status: row.get("status"),
        plan: row.get("plan"),
        is_sandbox: row.get("is_sandbox"),
        created_at: row.get("created_at"),
        version: row.get("version"),
        is_failed: row.get("is_failed"),
        failing_jobs: row.get("failing_jobs"),
        lost_domains: row.get("lost_domains"),
        figures: measured_at.map(|measured_at| Figures {
            bytes: row.get("bytes"),
            customers: row.get("customers"),
            staff: row.get("staff"),
            dead_letters: row.get("dead_letters"),
            active_at: row.get("active_at"),
            measured_at,
        }),
    }
}

/// The newest first: one statement, however many there are.
pub async fn list(tx: &ControlTx, filter: &Filter, limit: i64) -> Result<Vec<Listed>> {
    let (at, id): (Option<DateTime<Utc>>, Option<Uuid>) = filter.before.unzip();
    let rows = tx
        .query(
            "SELECT t.id, t.slug, t.name, t.status, p.name AS plan, t.sandbox_of IS NOT NULL AS is_sandbox,
                t.created_at, s.version, coalesce(s.state = 'failed', false) AS is_failed,
                coalesce(j.failing, 0) AS failing_jobs, coalesce(d.lost, 0) AS lost_domains,
                f.bytes, f.customers, f.staff, f.dead_letters, f.active_at, f.measured_at
             FROM public.tenant t
             LEFT JOIN public.tenant_schema_state s USING (schema_name)
             LEFT JOIN public.tenant_plan h ON h.tenant_id = t.id AND h.until IS NULL
             LEFT JOIN public.plan p ON p.id = h.plan_id
             LEFT JOIN public.tenant_figure f ON f.tenant_id = t.id
             LEFT JOIN (SELECT tenant_id, count(*) AS failing FROM public.job WHERE attempts >= $6 GROUP BY tenant_id) j
                ON j.tenant_id = t.id
             LEFT JOIN (SELECT tenant_id, count(*) AS lost FROM public.tenant_domain WHERE status = 'lost' GROUP BY tenant_id) d
                ON d.tenant_id = t.id
             WHERE ($1 = '' OR strpos(lower(t.name), $1) > 0 OR strpos(t.slug, $1) > 0 OR t.id::text = $1
                    OR EXISTS (SELECT FROM public.tenant_domain x WHERE x.tenant_id = t.id AND strpos(x.domain, $1) > 0))
                AND CASE $2 WHEN 'open' THEN t.status <> 'closed'
                    WHEN 'attention' THEN t.status <> 'closed' AND (s.state = 'failed' OR s.version IS NULL OR s.version < $3
                        OR j.failing > 0 OR d.lost > 0)
                    ELSE t.status = $2 END
                AND ($4::timestamptz IS NULL OR (t.created_at, t.id) < ($4, $5))
             ORDER BY t.created_at DESC, t.id DESC LIMIT $7",
            &[&filter.text, &filter.state, &filter.latest_version, &at, &id, &FAILING_FROM, &limit],
        )
        .await?;
    Ok(rows.iter().map(listed_of).collect())
}

/// One tenant's row of the list.
pub async fn find(tx: &ControlTx, id: TenantId, latest_version: i32) -> Result<Option<Listed>> {
    let mut found = Vec::new();
    for state in ["open", "closed"] {
        let filter = Filter { text: id.to_string(), state: state.into(), latest_version, before: None };
        found.extend(list(tx, &filter, 1).await?);
    }
    Ok(found.pop())
}

/// Jobs of one kind that wait for a tenant.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub kind: String,
    pub jobs: i64,
    pub failing: i64,
    pub oldest_due_at: DateTime<Utc>,
}

/// Counts alone: what a job is about lies in the tenant's schema.
pub async fn list_jobs(tx: &ControlTx, tenant: TenantId) -> Result<Vec<Waiting>> {
    let rows = tx
        .query(
            "SELECT kind, count(*) AS jobs, count(*) FILTER (WHERE attempts >= $2) AS failing, min(due_at) AS oldest
             FROM public.job WHERE tenant_id = $1 AND (due_at <= now() OR attempts >= $2 OR NOT is_standing)
             GROUP BY kind ORDER BY kind LIMIT 100",
            &[&tenant, &FAILING_FROM],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Waiting {
            kind: row.get("kind"),
            jobs: row.get("jobs"),
            failing: row.get("failing"),
            oldest_due_at: row.get("oldest"),
        })
        .collect())
}

/// A door that the tenant's owner opened.
#[derive(Debug, Clone)]
pub struct OpenGrant {
    pub id: Uuid,
    pub access: String,
    pub reason: String,
    pub opened_by: String,
    pub expires_at: DateTime<Utc>,
}

/// Whether the owner lets support be let in, and the grant that is open.
pub async fn find_support(tx: &ControlTx, tenant: TenantId) -> Result<(bool, Option<OpenGrant>)> {
    let row = tx
        .query_one(
            "SELECT t.support_allowed, g.id, g.access, g.reason, g.opened_by, g.expires_at
             FROM public.tenant t LEFT JOIN LATERAL (
                SELECT o.id, o.access, o.reason, o.opened_by, o.expires_at FROM public.support_grant o
                WHERE o.tenant_id = t.id AND o.ended_at IS NULL AND o.expires_at > now()
                ORDER BY o.opened_at DESC LIMIT 1) g ON true
             WHERE t.id = $1",
            &[&tenant],
        )
        .await?;
    let grant = row.get::<_, Option<Uuid>>("id").map(|id| OpenGrant {
        id,
        access: row.get("access"),
        reason: row.get("reason"),
        opened_by: row.get("opened_by"),
        expires_at: row.get("expires_at"),
    });
    Ok((row.get("support_allowed"), grant))
}

/// Keeps a code for a minute, if the grant is this tenant's and open.
pub async fn insert_entry(
    tx: &ControlTx,
    code: &[u8],
    (tenant, grant): (TenantId, Uuid),
    staff: Uuid,
) -> Result<bool> {
    tx.execute("DELETE FROM public.support_entry WHERE expires_at < now()", &[]).await?;
    let kept = tx
        .execute(
            "INSERT INTO public.support_entry (code_hash, grant_id, staff_id, expires_at)
             SELECT $1, g.id, $4, now() + interval '1 minute' FROM public.support_grant g
             JOIN public.tenant t ON t.id = g.tenant_id
             WHERE g.id = $3 AND g.tenant_id = $2 AND t.support_allowed AND g.ended_at IS NULL AND g.expires_at > now()",
            &[&code, &tenant, &grant, &staff],
        )
        .await?;
    Ok(kept == 1)
}
