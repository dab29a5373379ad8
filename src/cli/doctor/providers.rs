//! Whether what is sealed can be opened: every provider's data key, and the credentials of their accounts.

use super::Findings;
use crate::{
    app::Parts,
    error::Result,
    messaging::accounts::{self, Opener, senders::SenderKey},
    secrets::TenantKeys,
    tenancy,
};

const CHECK: &str = "providers";
const TENANTS_MAX: i64 = 100_000;

/// What could not be opened, with how it is mended, and how much was.
#[derive(Default)]
struct Tried {
    opened: usize,
    shut: Vec<(String, String)>,
}

pub(super) async fn look(findings: &mut Findings, parts: &Parts) {
    match try_all(parts).await {
        Ok(tried) if tried.shut.is_empty() => {
            findings.ok(CHECK, format!("{} credentials of accounts can be opened", tried.opened));
        }
        Ok(tried) => findings.problems(
            CHECK,
            &tried.shut,
            "When it is all of them, this secret store is not the one that they were sealed with.",
        ),
        Err(error) => findings.problem(CHECK, error.to_string(), "See what else was found; then try again."),
    }
}

async fn try_all(parts: &Parts) -> Result<Tried> {
    let keys = TenantKeys::new(parts.db.clone(), parts.keyring.clone());
    let senders = SenderKey::open(parts.store.as_ref()).await?;
    let opener = Opener::new(parts.db.clone(), keys.clone(), senders);
    let mut tried = Tried::default();
    let tenants = tenancy::list(&parts.db, false, TENANTS_MAX).await?;
    for tenant in tenants.iter().filter(|tenant| tenant.is_active() && tenant.is_current) {
        if let Err(error) = keys.of(tenant.id()).await {
            tried.shut.push((
                format!("the data key of {} cannot be opened: {error}", tenant.slug),
                "Use the secret store that it was wrapped with, or restore its master key from a backup."
                    .into(),
            ));
            continue;
        }
        let accounts = parts.db.read_tenant(tenant, async |tx| accounts::list_active(tx).await).await?;
        for account in &accounts {
            match opener.open(tenant, account).await {
                Ok(_provider) => tried.opened += 1,
                Err(error) => tried.shut.push((
                    format!(
                        "the credential of {} ({}) of {} cannot be opened: {error}",
                        account.id, account.kind, tenant.slug
                    ),
                    "Have the provider enter it again under Channels.".into(),
                )),
            }
        }
    }
    Ok(tried)
}
