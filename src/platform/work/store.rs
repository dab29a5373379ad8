//! All SQL of the look at work across tenants.

use chrono::{DateTime, Utc};

use crate::{db::ControlTx, error::Result, types::TenantId};

const FAILING_FROM: i32 = 3;
const LIST_MAX: i64 = 100;

/// Jobs of one kind.
pub struct Kind {
    pub kind: String,
    pub waiting: i64,
    pub running: i64,
    pub failing: i64,
    pub oldest_due_at: Option<DateTime<Utc>>,
}

pub async fn list_kinds(tx: &ControlTx) -> Result<Vec<Kind>> {
    let rows = tx
        .query(
            "SELECT j.kind, count(*) FILTER (WHERE j.due_at <= now() AND j.leased_until IS NULL) AS waiting,
                count(*) FILTER (WHERE j.leased_until > now()) AS running, count(*) FILTER (WHERE j.attempts >= $1) AS failing,
                min(j.due_at) FILTER (WHERE j.due_at <= now() AND j.leased_until IS NULL) AS oldest
             FROM public.job j JOIN public.tenant t ON t.id = j.tenant_id WHERE t.status = 'active'
             GROUP BY j.kind ORDER BY j.kind LIMIT $2",
            &[&FAILING_FROM, &LIST_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Kind {
            kind: row.get("kind"),
            waiting: row.get("waiting"),
            running: row.get("running"),
            failing: row.get("failing"),
            oldest_due_at: row.get("oldest"),
        })
        .collect())
}

/// A tenant whose jobs fail, or that keeps dead letters.
pub struct Troubled {
    pub id: TenantId,
    pub name: String,
    pub failing: i64,
    pub dead_letters: i64,
}

/// Those with most first.
pub async fn list_troubled(tx: &ControlTx) -> Result<Vec<Troubled>> {
    let rows = tx
        .query(
            "SELECT t.id, t.name, coalesce(j.failing, 0) AS failing, coalesce(f.dead_letters, 0) AS dead_letters
             FROM public.tenant t LEFT JOIN public.tenant_figure f ON f.tenant_id = t.id
             LEFT JOIN (SELECT tenant_id, count(*) AS failing FROM public.job WHERE attempts >= $1 GROUP BY tenant_id) j
                ON j.tenant_id = t.id
             WHERE t.status <> 'closed' AND (j.failing > 0 OR f.dead_letters > 0)
             ORDER BY coalesce(j.failing, 0) DESC, coalesce(f.dead_letters, 0) DESC, t.id LIMIT $2",
            &[&FAILING_FROM, &LIST_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Troubled {
            id: row.get("id"),
            name: row.get("name"),
            failing: row.get("failing"),
            dead_letters: row.get("dead_letters"),
        })
        .collect())
}

/// How many tenants are at a version of the schema.
pub struct Wave {
    pub version: i32,
    pub tenants: i64,
}

pub async fn list_waves(tx: &ControlTx) -> Result<Vec<Wave>> {
    let rows = tx
        .query(
            "SELECT coalesce(s.version, 0) AS version, count(*) AS tenants
             FROM public.tenant t LEFT JOIN public.tenant_schema_state s USING (schema_name)
             WHERE t.status <> 'closed' GROUP BY 1 ORDER BY 1 DESC LIMIT $1",
            &[&LIST_MAX],
        )
        .await?;
    Ok(rows.iter().map(|row| Wave { version: row.get("version"), tenants: row.get("tenants") }).collect())
}

/// A tenant whose schema is not what this program needs.
pub struct Behind {
    pub id: TenantId,
    pub name: String,
    pub slug: String,
    pub version: i32,
    pub error: Option<String>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// Those that failed first.
pub async fn list_behind(tx: &ControlTx, latest: i32) -> Result<Vec<Behind>> {
    let rows = tx
        .query(
            "SELECT t.id, t.name, t.slug, coalesce(s.version, 0) AS version, s.error, s.updated_at
             FROM public.tenant t LEFT JOIN public.tenant_schema_state s USING (schema_name)
             WHERE t.status <> 'closed' AND (s.version IS NULL OR s.version < $1 OR s.state <> 'current')
             ORDER BY s.state = 'failed' DESC NULLS LAST, t.created_at LIMIT $2",
            &[&latest, &LIST_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Behind {
            id: row.get("id"),
            name: row.get("name"),
            slug: row.get("slug"),
            version: row.get("version"),
            error: row.get("error"),
            updated_at: row.get("updated_at"),
        })
        .collect())
}
