//! The platform's own log: what its people and programs did to tenants as accounts, and to each other.
//!
//! Append-only by grant: the control role may insert and read. `audit/` seals it.

use serde_json::Value;
use uuid::Uuid;

use super::registry::Tenant;
use crate::{db::ControlTx, error::Result, types::TenantId, web::Origin};

/// Who acts for the platform.
#[derive(Debug, Clone)]
pub struct Operator {
    kind: &'static str,
    id: Option<Uuid>,
    label: String,
    address: Option<String>,
    request: Option<Uuid>,
}

impl Operator {
    fn plain(kind: &'static str, label: impl Into<String>) -> Self {
        Self { kind, id: None, label: label.into(), address: None, request: None }
    }

    /// Somebody at the command line of the machine.
    pub fn command_line() -> Self {
        Self::plain("command_line", "command line")
    }

    /// The deployment itself, by its own rules.
    pub fn system() -> Self {
        Self::plain("system", "system")
    }

    /// Somebody at the console's door who has not proved who they are.
    pub fn anonymous(label: impl Into<String>) -> Self {
        Self::plain("anonymous", label)
    }

    /// A person of the platform, signed in.
    pub fn staff(id: Uuid, name: impl Into<String>) -> Self {
        Self { id: Some(id), ..Self::plain("staff", name) }
    }

    /// By this request.
    pub fn by(mut self, origin: Option<&Origin>) -> Self {
        self.address = origin.map(|origin| origin.address.to_string());
        self.request = origin.map(|origin| origin.request_id.0);
        self
    }

    /// A name, as it was then.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// One thing that was done.
#[derive(Debug, Clone, Default)]
pub struct Deed<'a> {
    /// `tenant.suspended`: object and past tense.
    pub action: &'a str,
    pub tenant: Option<TenantId>,
    /// What a person calls the object; a tenant is named by its id.
    pub object_label: &'a str,
    pub reason: &'a str,
    pub detail: Option<Value>,
}

impl<'a> Deed<'a> {
    /// Something done to a tenant as an account.
    pub fn to(tenant: &'a Tenant, action: &'a str, reason: &'a str) -> Self {
        Self { action, tenant: Some(tenant.id()), object_label: &tenant.name, reason, detail: None }
    }

    /// Something else, named.
    pub fn on(action: &'a str, object_label: &'a str) -> Self {
        Self { action, object_label, ..Self::default() }
    }
}

/// Writes it down, in the transaction of what was done.
pub async fn note(tx: &ControlTx, who: &Operator, deed: Deed<'_>) -> Result<()> {
    let detail = deed.detail.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    tx.execute(
        "INSERT INTO public.platform_event (id, actor, actor_kind, actor_id, action, tenant_id, object_label, reason, detail,
            address, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            &Uuid::now_v7(),
            &who.label,
            &who.kind,
            &who.id,
            &deed.action,
            &deed.tenant,
            &deed.object_label,
            &deed.reason,
            &detail,
            &who.address,
            &who.request,
        ],
    )
    .await
    .map(drop)
}
