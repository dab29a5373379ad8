//! The tenants' data keys: read from the registry, unwrapped, remembered for minutes, and wrapped anew after a rotation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    envelope::{Aad, DataKey, derive, open, seal, sealed_version},
    keys::{Keyring, WrappedKey, rewrap},
};
use crate::{
    db::Db,
    error::{Error, OrInternal, Result},
    types::TenantId,
};

const REMEMBERED: u64 = 10_000;
/// How long an unwrapped key stays in memory.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
const REWRAP_BATCH: i64 = 200;
const KEYS_MAX: i64 = 100;

/// Every data key of one tenant, ready to seal and open inside a unit of work: nothing here waits for anything.
pub struct DataKeys {
    tenant: Uuid,
    current: DataKey,
    older: BTreeMap<i32, DataKey>,
}

impl DataKeys {
    /// Seals a value into one cell with the newest key.
    pub fn seal(&self, table: &str, column: &str, row: Uuid, plaintext: &[u8]) -> Result<Vec<u8>> {
        seal(&self.current, &Aad { tenant: self.tenant, table, column, row }, plaintext)
    }

    /// Opens what was sealed into this cell, with whichever key it names.
    pub fn open(&self, table: &str, column: &str, row: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let version = sealed_version(sealed)?;
        let key = self
            .find(version)
            .ok_or_else(|| Error::internal(format!("the tenant has no data key of version {version}")))?;
        open(key, &Aad { tenant: self.tenant, table, column, row }, sealed)
    }

    /// A code of these bytes that nobody makes or checks without the tenant's keys; each purpose has another. It stays the same
    /// through rotations and moves: the first key makes it, which none takes away.
    pub fn code(&self, purpose: &str, bytes: &[u8]) -> Result<[u8; 32]> {
        let first = self.older.values().next().unwrap_or(&self.current);
        let key = derive(first.key(), &format!("code:{purpose}"))?;
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).internal()?;
        mac.update(bytes);
        Ok(mac.finalize().into_bytes().into())
    }

    fn find(&self, version: i32) -> Option<&DataKey> {
        if version == self.current.version() { Some(&self.current) } else { self.older.get(&version) }
    }
}

/// Finds the data keys of tenants. Cheap to clone.
#[derive(Clone)]
pub struct TenantKeys {
    db: Db,
    keyring: Arc<Keyring>,
    known: moka::future::Cache<TenantId, Arc<DataKeys>>,
}

impl TenantKeys {
    pub fn new(db: Db, keyring: Arc<Keyring>) -> Self {
        let known =
            moka::future::Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { db, keyring, known }
    }

    /// The tenant's data keys. To be fetched before a unit of work begins: inside it no second connection may be asked for.
    pub async fn of(&self, tenant: TenantId) -> Result<Arc<DataKeys>> {
        if let Some(known) = self.known.get(&tenant).await {
            return Ok(known);
        }
        let loaded = Arc::new(self.load(tenant).await?);
        self.known.insert(tenant, loaded.clone()).await;
        Ok(loaded)
    }

    /// Opens a cell of this tenant. A key that was added after the others were remembered is looked for once.
    pub async fn open(
        &self,
        tenant: TenantId,
        table: &str,
        column: &str,
        row: Uuid,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let keys = self.of(tenant).await?;
        if keys.find(sealed_version(sealed)?).is_some() {
            return keys.open(table, column, row, sealed);
        }
        self.known.invalidate(&tenant).await;
        self.of(tenant).await?.open(table, column, row, sealed)
    }

    async fn load(&self, tenant: TenantId) -> Result<DataKeys> {
        let rows = self
            .db
            .read_public(async |tx| {
                tx.query(
                    "SELECT tenant_id, version, master_version, wrapped FROM public.tenant_key
                     WHERE tenant_id = $1 ORDER BY version LIMIT $2",
                    &[&tenant, &KEYS_MAX],
                )
                .await
            })
            .await?;
        let mut older = BTreeMap::new();
        for row in &rows {
            let wrapped = wrapped_of(row);
            older.insert(wrapped.version, self.keyring.unwrap(tenant.0, &wrapped).await?);
        }
        let (_, current) =
            older.pop_last().ok_or_else(|| Error::internal(format!("tenant {tenant} has no data key")))?;
        Ok(DataKeys { tenant: tenant.0, current, older })
    }
}

fn wrapped_of(row: &Row) -> WrappedKey {
    WrappedKey {
        version: row.get("version"),
        master_version: row.get("master_version"),
        bytes: row.get("wrapped"),
    }
}

/// Wraps every tenant's data keys with the current master key; how many were exchanged.
///
/// Nobody waits for it and nothing stops: what the keys seal is untouched, and either wrapping opens. It goes by batches and
/// may be broken off at any line: run again, it goes on with what is left. A key that cannot be read is left as it is, the
/// others are done, and the whole ends as a failure that names how many.
pub async fn rewrap_all(db: &Db, keyring: &Keyring) -> Result<u64> {
    let (mut exchanged, mut unreadable) = (0_u64, 0_u64);
    let mut after = (Uuid::nil(), 0_i32);
    loop {
        let current = keyring.masters().await.current();
        let rows = db
            .read_public(async |tx| {
                tx.query(
                    "SELECT tenant_id, version, master_version, wrapped FROM public.tenant_key
                     WHERE master_version <> $1 AND (tenant_id, version) > ($2, $3)
                     ORDER BY tenant_id, version LIMIT $4",
                    &[&current, &after.0, &after.1, &REWRAP_BATCH],
                )
                .await
            })
            .await?;
        let Some(last) = rows.last() else { break };
        after = (last.get("tenant_id"), last.get("version"));
        let mut batch = Batch::default();
        for row in &rows {
            let (tenant, old) = (row.get::<_, Uuid>("tenant_id"), wrapped_of(row));
            match wrapped_anew(keyring, tenant, &old).await {
                Ok(Some(new)) => batch.push(tenant, &old, new),
                Ok(None) => {}
                // A store that is away is no fault of the key: stop here, the next run goes on.
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                Err(error) => {
                    tracing::error!(%tenant, version = old.version, %error, "a data key cannot be re-wrapped");
                    unreadable += 1;
                }
            }
        }
        exchanged += batch.store(db).await?;
    }
    if unreadable > 0 {
        return Err(Error::internal(format!(
            "{exchanged} data keys were re-wrapped, {unreadable} cannot be read"
        )));
    }
    Ok(exchanged)
}

async fn wrapped_anew(keyring: &Keyring, tenant: Uuid, old: &WrappedKey) -> Result<Option<WrappedKey>> {
    if !keyring.masters().await.knows(old.master_version) {
        // Another process rotated meanwhile: this makes the keyring read the store again.
        keyring.unwrap(tenant, old).await?;
    }
    rewrap(&*keyring.masters().await, old, tenant)
}

/// One statement's worth of exchanged keys.
#[derive(Default)]
struct Batch {
    tenants: Vec<Uuid>,
    versions: Vec<i32>,
    was: Vec<i32>,
    masters: Vec<i32>,
    wrapped: Vec<Vec<u8>>,
}

impl Batch {
    fn push(&mut self, tenant: Uuid, old: &WrappedKey, new: WrappedKey) {
        self.tenants.push(tenant);
        self.versions.push(new.version);
        self.was.push(old.master_version);
        self.masters.push(new.master_version);
        self.wrapped.push(new.bytes);
    }

    /// Only rows that are still as they were read: two rotations at once never undo each other.
    async fn store(&self, db: &Db) -> Result<u64> {
        db.in_public(async |tx| {
            tx.execute(
                "UPDATE public.tenant_key k SET master_version = n.master_version, wrapped = n.wrapped
                 FROM unnest($1::uuid[], $2::int4[], $3::int4[], $4::int4[], $5::bytea[])
                    AS n (tenant_id, version, was, master_version, wrapped)
                 WHERE k.tenant_id = n.tenant_id AND k.version = n.version AND k.master_version = n.was",
                &[&self.tenants, &self.versions, &self.was, &self.masters, &self.wrapped],
            )
            .await
        })
        .await
    }
}
