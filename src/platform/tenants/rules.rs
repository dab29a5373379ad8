//! What the console does to tenants. The rules of a tenant's life are tenancy's; here a reason is asked for.

use uuid::Uuid;

use super::store;
use crate::{
    access::{hash_of, random_token},
    error::{Error, Result},
    platform::console::Console,
    tenancy::{
        self, Deed, Operator, Status, Tenant, note,
        plans::{self, Metric, Plan},
    },
    types::{TenantId, line},
};

const REASON_MAX_CHARS: usize = 300;

/// A tenant as the registry has it, closed ones too.
pub async fn get(console: &Console, id: TenantId) -> Result<Tenant> {
    console.registry.find_by_id(id).await?.ok_or(Error::not_found("provider"))
}

fn reason_of(text: &str) -> Result<String> {
    line(text, REASON_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))
}

pub async fn suspend(console: &Console, who: &Operator, id: TenantId, reason: &str) -> Result<Tenant> {
    let (tenant, reason) = (get(console, id).await?, reason_of(reason)?);
    tenancy::suspend(&console.registry, &tenant, who, &reason).await?;
    Ok(tenant)
}

/// Serves a suspended tenant again, or takes the closing of one back.
pub async fn resume(console: &Console, who: &Operator, id: TenantId) -> Result<Tenant> {
    let tenant = get(console, id).await?;
    tenancy::resume(&console.registry, &tenant, who).await?;
    Ok(tenant)
}

/// Begins to close a tenant. Its address is typed to confirm it.
pub async fn close(
    console: &Console,
    who: &Operator,
    id: TenantId,
    (reason, typed): (&str, &str),
) -> Result<Tenant> {
    let (tenant, reason) = (get(console, id).await?, reason_of(reason)?);
    if typed.trim() != tenant.slug.as_str() {
        return Err(Error::conflict("not_confirmed", "That is not its address: nothing was done."));
    }
    let days = console.settings.tenants.closing_grace_days;
    tenancy::close(&console.registry, &tenant, who, &reason, days).await?;
    Ok(tenant)
}

/// Gives a tenant a plan from now on, at the price that the plan has.
pub async fn give_plan(console: &Console, who: &Operator, id: TenantId, plan: Uuid) -> Result<Plan> {
    let tenant = get(console, id).await?;
    must_be_there(&tenant)?;
    plans::give(&console.registry, who, &tenant, plan).await
}

/// Agrees on limits of this tenant's own.
pub async fn set_limits(
    console: &Console,
    who: &Operator,
    id: TenantId,
    typed: &[(Metric, &str)],
) -> Result<()> {
    let tenant = get(console, id).await?;
    must_be_there(&tenant)?;
    plans::set_limits(&console.registry, who, &tenant, typed).await
}

fn must_be_there(tenant: &Tenant) -> Result<()> {
    if tenant.status == Status::Closed {
        return Err(Error::conflict("wrong_status", "This provider is closed."));
    }
    Ok(())
}

/// Where somebody of the platform enters a tenant's portal under the grant that its owner opened: an address that counts once.
pub async fn enter(
    console: &Console,
    who: &Operator,
    staff: Uuid,
    id: TenantId,
    grant: Uuid,
) -> Result<String> {
    let tenant = get(console, id).await?;
    if tenant.status != Status::Active {
        return Err(Error::conflict("wrong_status", "This provider is not served right now."));
    }
    let code = random_token();
    console
        .db
        .in_public(async |tx| {
            if !store::insert_entry(tx, &hash_of(&code), (id, grant), staff).await? {
                return Err(Error::conflict(
                    "grant_ended",
                    "This grant has ended, or was never this provider's.",
                ));
            }
            let detail = serde_json::json!({"grant": grant});
            let deed = Deed { detail: Some(detail), ..Deed::to(&tenant, "support.code_made", "") };
            note(tx, who, deed).await
        })
        .await?;
    // Always the address of ours: the console's pages may send forms there and nowhere else.
    let host = format!("{}.{}", tenant.slug, console.settings.base_domain);
    Ok(format!("{}/support/enter?code={code}", console.settings.url_of(&host)))
}
