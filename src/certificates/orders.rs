//! The round that orders what is due. No connection is held while the authority thinks.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use instant_acme::Account;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    authority::{Authority, Obtained, Trouble},
    store::{self, Due},
};
use crate::{
    config::{AcmeSettings, OutboundSettings},
    db::Db,
    error::Result,
    secrets::{Aad, DataKey, SecretStore, TenantKeys, deployment_key, open, seal},
};

pub(super) const TABLE: &str = "tenant_certificate";
pub(super) const COLUMN: &str = "private_key";
const PURPOSE: &str = "acme-account";
const AT_ONCE: usize = 4;
/// Less than the lease.
const ORDER_FOR: Duration = Duration::from_secs(240);

/// Orders certificates. Cheap to clone.
#[derive(Clone)]
pub struct Orders(Arc<Parts>);

struct Parts {
    db: Db,
    keys: TenantKeys,
    authority: Authority,
    account_key: DataKey,
    account: OnceCell<Account>,
}

impl Orders {
    /// None where the settings name no authority.
    pub async fn open(
        settings: &AcmeSettings,
        outbound: &OutboundSettings,
        db: Db,
        keys: TenantKeys,
        secrets: &dyn SecretStore,
    ) -> Result<Option<Self>> {
        let Some(authority) = Authority::open(settings, outbound)? else { return Ok(None) };
        let account_key = DataKey::of_deployment(deployment_key(secrets, PURPOSE).await?);
        Ok(Some(Self(Arc::new(Parts { db, keys, authority, account_key, account: OnceCell::new() }))))
    }

    /// Orders what is due, a few at a time. One that is refused is not in the way of the others.
    pub async fn round(&self) -> Result<()> {
        let due = store::take_due(&self.0.db, i64::try_from(AT_ONCE).unwrap_or(1)).await?;
        stream::iter(due).for_each_concurrent(AT_ONCE, |due| self.order(due)).await;
        Ok(())
    }

    async fn order(&self, due: Due) {
        let ended = tokio::time::timeout(ORDER_FOR, self.obtain(&due)).await;
        let late =
            |_elapsed| Trouble { code: "authority_away", detail: "The authority took too long.".into() };
        let recorded = match ended.map_err(late).flatten() {
            Ok(obtained) => self.keep(&due, &obtained).await,
            Err(trouble) => {
                tracing::warn!(tenant = %due.tenant, domain = due.name, code = trouble.code, "no certificate");
                store::put_off(&self.0.db, &due, &trouble).await
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(%error, domain = due.name, "an order's end could not be recorded: it will be made again");
        }
    }

    async fn obtain(&self, due: &Due) -> Result<Obtained, Trouble> {
        let account = self.0.account.get_or_try_init(|| self.account()).await?;
        self.0.authority.obtain(account, &self.0.db, due).await
    }

    async fn keep(&self, due: &Due, obtained: &Obtained) -> Result<()> {
        let keys = self.0.keys.of(due.tenant).await?;
        let sealed = keys.seal(TABLE, COLUMN, due.domain.0, obtained.private_key.as_bytes())?;
        store::keep(&self.0.db, due, obtained, &sealed).await?;
        tracing::info!(tenant = %due.tenant, domain = due.name, ends_at = %obtained.ends_at, "a certificate came");
        Ok(())
    }

    /// Our account: the one that was made before, or a new one where there is none that can be opened.
    async fn account(&self) -> Result<Account, Trouble> {
        let Parts { db, authority, account_key, .. } = &*self.0;
        let internal = |error| Trouble::internal(&error);
        let cell =
            Aad { tenant: Uuid::nil(), table: "acme_account", column: "credentials", row: Uuid::nil() };
        let known = store::find_account(db, &authority.directory).await.map_err(internal)?;
        if let Some(credentials) = known.and_then(|sealed| open(account_key, &cell, &sealed).ok()) {
            return authority.open_account(&credentials).await;
        }
        let (account, credentials) = authority.make_account().await?;
        let sealed = seal(account_key, &cell, &credentials).map_err(internal)?;
        store::save_account(db, &authority.directory, &sealed).await.map_err(internal)?;
        Ok(account)
    }
}
