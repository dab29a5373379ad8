//! Use cases of the company's settings.

use serde_json::json;

use super::{
    accent::Accent,
    model::{Company, Region, Typed},
    store,
};
use crate::{
    access::{Access, By},
    audit::{self, Event},
    db::{Db, TenantTx},
    error::Result,
    files::{self, Picture},
    tenancy::Registry,
};

/// The company as it is.
pub async fn company(db: &Db, by: &By) -> Result<Company> {
    let profile = db.read_tenant(&by.tenant, async |tx| store::get_profile(tx).await).await?;
    Ok(Company { region: Region::of(&by.tenant), profile })
}

/// Changes the company's profile. Every process shows it within a second, this one at once.
pub async fn change_company(access: &Access, registry: &Registry, by: &By, typed: &Typed) -> Result<Company> {
    let change = typed.parse(&by.tenant.country)?;
    let changed = access
        .change(&by.tenant, async |tx| {
            let before = Company { region: Region::of(&by.tenant), profile: store::lock_profile(tx).await? };
            let after = change.applied_to(&before);
            let (was, is) = audit::changes(&before.traced(), &after.traced());
            if is.is_none() {
                return Ok(before);
            }
            store::update_profile(tx, &after.profile).await?;
            if before.region != after.region {
                store::update_region(tx, &before.region, &after.region).await?;
            }
            record(tx, by, was, is).await?;
            Ok(Company { region: after.region, profile: store::get_profile(tx).await? })
        })
        .await;
    // Also after a failure: whether the commit took place may be unknown.
    registry.news().tenant_changed();
    changed
}

/// Gives the portal another accent colour.
pub async fn change_accent(access: &Access, by: &By, accent: &Accent) -> Result<()> {
    access
        .change(&by.tenant, async |tx| {
            let before = store::lock_profile(tx).await?;
            if before.accent == accent.as_str() {
                return Ok(());
            }
            store::update_accent(tx, accent.as_str()).await?;
            let (was, is) = (json!({ "accent": before.accent }), json!({ "accent": accent.as_str() }));
            record(tx, by, Some(was), Some(is)).await
        })
        .await
}

/// Shows another logo, or none.
pub async fn change_logo(access: &Access, by: &By, logo: Option<&Picture>) -> Result<()> {
    access
        .change(&by.tenant, async |tx| {
            let before = store::lock_profile(tx).await?;
            if before.logo.is_none() && logo.is_none() {
                return Ok(());
            }
            let kept = match logo {
                Some(logo) => Some(
                    files::keep(tx, &by.tenant, "logo", "logo.png", logo.media_type, &logo.content).await?,
                ),
                None => None,
            };
            store::update_logo(tx, kept).await?;
            if let Some(old) = before.logo {
                files::forget(tx, old).await?;
            }
            let size = logo.map(|logo| format!("{} by {} pixels", logo.width, logo.height));
            let was = json!({ "logo": before.logo.map(|_| "another") });
            record(tx, by, Some(was), Some(json!({ "logo": size }))).await
        })
        .await
}

async fn record(
    tx: &TenantTx,
    by: &By,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    let changed = Event {
        action: "company.updated",
        object_type: "company",
        object_id: None,
        object_label: &by.tenant.name,
        before,
        after,
    };
    by.record(tx, changed).await
}
