//! Accounts made ready: the credential is opened once and remembered for as long as the account stays as it is.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{model::Account, senders::SenderKey, store};
use crate::{
    db::{Db, TenantTx},
    error::{Error, Result},
    messaging::providers::{About, Provider, Values},
    secrets::{DataKeys, TenantKeys},
    tenancy::Tenant,
    types::{AccountId, SenderId, TenantId},
};

pub(super) const TABLE: &str = "provider_account";
pub(super) const COLUMN: &str = "sealed";
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// A sender that the platform takes back is used no longer than this.
const LENT_FOR: Duration = Duration::from_secs(5);

/// An account's provider, with its present credential, and with the one before while that still counts.
#[derive(Clone)]
pub struct Opened {
    pub now: Arc<dyn Provider>,
    pub before: Option<Arc<dyn Provider>>,
}

/// Opens accounts. Cheap to clone.
#[derive(Clone)]
pub struct Opener {
    db: Db,
    keys: TenantKeys,
    senders: SenderKey,
    known: moka::future::Cache<(TenantId, AccountId, DateTime<Utc>), Opened>,
    /// Senders of the platform that were lent a moment ago.
    lent: moka::future::Cache<(TenantId, AccountId, DateTime<Utc>), Opened>,
}

impl Opener {
    pub fn new(db: Db, keys: TenantKeys, senders: SenderKey) -> Self {
        let known =
            moka::future::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let lent = moka::future::Cache::builder().max_capacity(REMEMBERED).time_to_live(LENT_FOR).build();
        Self { db, keys, senders, known, lent }
    }

    /// The account's provider if it was opened before. Asks the database for nothing, so that a unit of work may call it.
    pub async fn opened(&self, tenant: &Tenant, account: &Account) -> Option<Opened> {
        let remembered = if account.sender.is_some() { &self.lent } else { &self.known };
        remembered.get(&(tenant.id(), account.id, account.updated_at)).await
    }

    /// The account's provider, ready to send. Asks for a connection of its own: not to be called inside a unit of work.
    pub async fn open(&self, tenant: &Tenant, account: &Account) -> Result<Opened> {
        if let Some(sender) = account.sender {
            // Looked at every time: the platform may take it back at any moment.
            let opened = self.open_sender(tenant, account, sender).await?;
            let key = (tenant.id(), account.id, account.updated_at);
            self.lent.insert(key, opened.clone()).await;
            return Ok(opened);
        }
        if let Some(known) = self.opened(tenant, account).await {
            return Ok(known);
        }
        let keys = self.keys.of(tenant.id()).await?;
        let sealed =
            self.db.read_tenant(tenant, async |tx: &TenantTx| store::sealed(tx, account.id).await).await?;
        let opened = opened(account, &keys, sealed)?;
        self.known.insert((tenant.id(), account.id, account.updated_at), opened.clone()).await;
        Ok(opened)
    }
}

impl Opener {
    async fn open_sender(&self, tenant: &Tenant, account: &Account, sender: SenderId) -> Result<Opened> {
        let sealed = self
            .db
            .read_tenant(tenant, async |tx: &TenantTx| store::sender_sealed(tx, sender).await)
            .await?
            .ok_or_else(|| {
                Error::conflict("sender_unavailable", "The platform does not lend this sender any more.")
            })?;
        // What was sealed says which credential it is: another one is opened anew.
        let mark = DateTime::from_timestamp_micros(mark_of(&sealed)).unwrap_or(account.updated_at);
        let key = (tenant.id(), account.id, mark);
        if let Some(known) = self.known.get(&key).await {
            return Ok(known);
        }
        let about = about_of(account)?;
        let values = self.senders.open_values(about, sender, &sealed)?;
        let opened = Opened { now: (about.open)(&values)?, before: None };
        self.known.insert(key, opened.clone()).await;
        Ok(opened)
    }
}

/// A number that stands for these bytes.
fn mark_of(sealed: &[u8]) -> i64 {
    let mut hasher = DefaultHasher::new();
    sealed.hash(&mut hasher);
    i64::try_from(hasher.finish() >> 20).unwrap_or_default()
}

fn about_of(account: &Account) -> Result<&'static About> {
    account.about().ok_or_else(|| Error::internal(format!("no provider is called {}", account.kind)))
}

fn opened(account: &Account, keys: &DataKeys, sealed: (Option<Vec<u8>>, Option<Vec<u8>>)) -> Result<Opened> {
    let about = about_of(account)?;
    let open = |sealed: &[u8]| {
        let plain = keys.open(TABLE, COLUMN, account.cell(), sealed)?;
        (about.open)(&Values::from_bytes(about, &plain)?)
    };
    let (now, before) = sealed;
    let now = now.ok_or_else(|| Error::internal("an account without a credential"))?;
    Ok(Opened { now: open(&now)?, before: before.as_deref().map(open).transpose()? })
}
