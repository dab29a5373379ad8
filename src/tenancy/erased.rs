//! Whether a tenant that was closed is gone: every place of the control plane that could hold something of it is looked at.

use serde::Serialize;

use super::registry::{Status, Tenant};
use crate::{
    db::Db,
    error::{Error, Result},
};

/// What stays of a tenant on purpose, and why.
const KEPT: [(&str, &str); 6] = [
    ("audit_anchor", "what its trail was sealed with: a count and a code"),
    ("invoice", "accounts"),
    ("platform_event", "the platform's own log"),
    ("platform_payment", "accounts"),
    ("statement", "accounts"),
    ("tenant_slug", "nobody may take over another's links"),
];

/// A place that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// `schema`, `role`, or a table of the control plane.
    pub what: String,
    /// How much of the tenant's is there.
    pub amount: i64,
    /// Why it may be there; null where nothing may.
    pub kept_for: Option<&'static str>,
}

impl Place {
    /// Whether something is there that should be gone.
    pub fn is_left_over(&self) -> bool {
        self.amount > 0 && self.kept_for.is_none()
    }
}

/// Looks everywhere. 409 `wrong_status` while the tenant is not closed. Backups that were taken before are files of the operator's.
pub async fn verify_erased(db: &Db, tenant: &Tenant) -> Result<Vec<Place>> {
    if tenant.status != Status::Closed {
        let detail = format!("{} is {}, not closed.", tenant.slug, tenant.status.as_str());
        return Err(Error::conflict("wrong_status", detail));
    }
    let id = tenant.id();
    let rows = db
        .as_owner(async |tx| tx.query("SELECT what, amount FROM public.holds_of_tenant($1)", &[&id]).await)
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let what: String = row.get("what");
            let kept_for = KEPT.iter().find(|(table, _)| *table == what).map(|(_, why)| *why);
            Place { what, amount: row.get("amount"), kept_for }
        })
        .collect())
}
