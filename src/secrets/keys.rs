//! The keys over the data keys: a versioned set in the secret store, what they wrap, and how they are exchanged.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::RwLock;
use uuid::Uuid;

use super::{
    envelope::{DataKey, SecretKey, decrypt, does_not_open, encrypt},
    store::{SecretBytes, SecretName, SecretStore},
};
use crate::error::{Error, OrInternal, Result};

/// The secret that holds the set.
const NAME: &str = "master-keys";

/// Below this lie the deployment's keys, one for each purpose.
const DEPLOYMENT: &str = "deployment";

/// Two operators who rotate at the same instant: one of them goes again.
const ROUNDS: usize = 5;

/// All master keys, old ones too: what an old one wrapped stays readable until it is re-wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKeys {
    current: i32,
    keys: BTreeMap<i32, SecretKey>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys")
            .field("current", &self.current)
            .field("versions", &self.keys.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The set as it lies in the store: `{"current":2,"keys":{"1":"...","2":"..."}}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    current: i32,
    keys: BTreeMap<i32, KeyText>,
}

/// A key in base64, wiped when dropped.
struct KeyText(Zeroizing<String>);

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl MasterKeys {
    /// The deployment's set. The first process of a new deployment makes it; of five that start at once, all get the same.
    pub async fn load_or_create(store: &dyn SecretStore) -> Result<Self> {
        if let Some(known) = Self::load(store).await? {
            return Ok(known);
        }
        let name = SecretName::parse(NAME)?;
        let first = Self { current: 1, keys: BTreeMap::from([(1, SecretKey::generate()?)]) };
        Self::parse(&store.put_if_absent(&name, &first.bytes()?).await?)
    }

    async fn load(store: &dyn SecretStore) -> Result<Option<Self>> {
        store.get(&SecretName::parse(NAME)?).await?.as_ref().map(Self::parse).transpose()
    }

    /// Adds a version and makes it the current one. What older versions wrapped stays readable; see [`rewrap`].
    pub async fn rotate(store: &dyn SecretStore) -> Result<Self> {
        let name = SecretName::parse(NAME)?;
        for _ in 0..ROUNDS {
            let Some(before) = store.get(&name).await? else {
                return Err(Error::not_found("set of master keys"));
            };
            let rotated = Self::parse(&before)?.with_next()?;
            // Never a plain put: it could drop a version that another rotation has just added and used.
            if store.replace(&name, &before, &rotated.bytes()?).await? {
                tracing::info!(version = rotated.current, "the master key was rotated");
                return Ok(rotated);
            }
        }
        Err(Error::conflict("rotation_in_progress", "Another rotation of the master key is going on."))
    }

    /// The version that wraps from now on.
    pub fn current(&self) -> i32 {
        self.current
    }

    /// Whether what this version wrapped can be read.
    pub fn knows(&self, version: i32) -> bool {
        self.keys.contains_key(&version)
    }

    fn with_next(mut self) -> Result<Self> {
        let newest = self.keys.keys().next_back().copied().unwrap_or(0);
        let next =
            newest.checked_add(1).ok_or_else(|| Error::internal("no version of the master key is left"))?;
        self.keys.insert(next, SecretKey::generate()?);
        self.current = next;
        Ok(self)
    }

    fn get(&self, version: i32) -> Result<&SecretKey> {
        self.keys
            .get(&version)
            .ok_or_else(|| Error::internal(format!("there is no master key of version {version}")))
    }

    fn parse(bytes: &SecretBytes) -> Result<Self> {
        // The parser's own message quotes what it stumbled on, and that is a key.
        let stored: Stored = serde_json::from_slice(bytes.expose())
            .map_err(|_lost| Error::internal("the master keys are not readable"))?;
        let mut keys = BTreeMap::new();
        for (version, text) in &stored.keys {
            let key = Zeroizing::new(
                STANDARD
                    .decode(text.0.as_bytes())
                    .map_err(|_lost| Error::internal("a master key is not base64"))?,
            );
            keys.insert(*version, SecretKey::from_slice(&key)?);
        }
        if !keys.contains_key(&stored.current) || keys.keys().any(|version| *version < 1) {
            return Err(Error::internal("the master keys lack the current version, or have one below 1"));
        }
        Ok(Self { current: stored.current, keys })
    }

    fn bytes(&self) -> Result<SecretBytes> {
        let keys = self
            .keys
            .iter()
            .map(|(v, key)| (*v, KeyText(Zeroizing::new(STANDARD.encode(key.expose())))))
            .collect();
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut out = Vec::with_capacity(self.keys.len().saturating_mul(64).saturating_add(64));
        serde_json::to_writer(&mut out, &Stored { current: self.current, keys }).internal()?;
        Ok(SecretBytes::new(out))
    }
}

/// A data key as it lies in `public.tenant_key`, column for column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which of the tenant's data keys this is.
    pub version: i32,
    /// Which master key wraps it.
    pub master_version: i32,
    pub bytes: Vec<u8>,
}

/// What a wrapped key is bound to: its tenant, its own version and that of the master key. The first words keep it from
/// ever being taken for a sealed cell.
fn wrap_aad(tenant: Uuid, version: i32, master_version: i32) -> Vec<u8> {
    let mut out = b"lastmile:data-key:v1:".to_vec();
    out.extend_from_slice(tenant.as_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&master_version.to_be_bytes());
    out
}

/// Wraps a tenant's data key with the current master key.
pub fn wrap(masters: &MasterKeys, tenant: Uuid, key: &DataKey) -> Result<WrappedKey> {
    let (version, master_version) = (key.version(), masters.current);
    let aad = wrap_aad(tenant, version, master_version);
    let bytes = encrypt(masters.get(master_version)?, &aad, key.key().expose())?;
    Ok(WrappedKey { version, master_version, bytes })
}

/// Unwraps a tenant's data key. Another tenant's, a changed one, or one under another master key is an error.
pub fn unwrap(masters: &MasterKeys, tenant: Uuid, wrapped: &WrappedKey) -> Result<DataKey> {
    let aad = wrap_aad(tenant, wrapped.version, wrapped.master_version);
    let plain = decrypt(masters.get(wrapped.master_version)?, &aad, &wrapped.bytes)?;
    let key = SecretKey::from_slice(&plain).map_err(|_lost| does_not_open())?;
    Ok(DataKey::new(wrapped.version, key))
}

/// The same data key under the current master key; None when it already is.
///
/// What it seals is untouched, and either wrapping opens it: a row is exchanged by one update, with nobody waiting.
pub fn rewrap(masters: &MasterKeys, wrapped: &WrappedKey, tenant: Uuid) -> Result<Option<WrappedKey>> {
    if wrapped.master_version == masters.current {
        return Ok(None);
    }
    wrap(masters, tenant, &unwrap(masters, tenant, wrapped)?).map(Some)
}

/// The master keys as a running process holds them: read once, and again when a row names a version that another
/// process has made since. So a rotation needs no restart anywhere.
pub struct Keyring {
    store: Arc<dyn SecretStore>,
    masters: RwLock<Arc<MasterKeys>>,
}

impl Keyring {
    /// Loads the master keys, or makes them in a new deployment.
    pub async fn open(store: Arc<dyn SecretStore>) -> Result<Self> {
        let masters = MasterKeys::load_or_create(store.as_ref()).await?;
        Ok(Self { store, masters: RwLock::new(Arc::new(masters)) })
    }

    /// The set as it is known now.
    pub async fn masters(&self) -> Arc<MasterKeys> {
        Arc::clone(&*self.masters.read().await)
    }

    pub async fn wrap(&self, tenant: Uuid, key: &DataKey) -> Result<WrappedKey> {
        wrap(&*self.masters().await, tenant, key)
    }

    /// Reads the store only when the row names a master key that is not known here yet.
    pub async fn unwrap(&self, tenant: Uuid, wrapped: &WrappedKey) -> Result<DataKey> {
        let mut masters = self.masters().await;
        if !masters.knows(wrapped.master_version) {
            masters = self.reload_for(wrapped.master_version).await?;
        }
        unwrap(&masters, tenant, wrapped)
    }

    /// Adds a master key; from now on this process wraps with it. Then every row of `public.tenant_key` is given to
    /// [`rewrap`].
    pub async fn rotate(&self) -> Result<Arc<MasterKeys>> {
        let mut slot = self.masters.write().await;
        *slot = Arc::new(MasterKeys::rotate(self.store.as_ref()).await?);
        Ok(Arc::clone(&slot))
    }

    async fn reload_for(&self, version: i32) -> Result<Arc<MasterKeys>> {
        let mut slot = self.masters.write().await;
        // Whoever held the lock before may have been here for the same reason.
        if !slot.knows(version)
            && let Some(masters) = MasterKeys::load(self.store.as_ref()).await?
        {
            *slot = Arc::new(masters);
        }
        Ok(Arc::clone(&slot))
    }
}

/// One of the deployment's own keys, made at the first call of the first process: `role-passwords`, `csrf`,
/// `audit-anchor`, `cursor`.
pub async fn deployment_key(store: &dyn SecretStore, purpose: &str) -> Result<SecretKey> {
    let name = SecretName::parse(&format!("{DEPLOYMENT}/{purpose}"))?;
    let bytes = match store.get(&name).await? {
        Some(bytes) => bytes,
        None => {
            store.put_if_absent(&name, &SecretBytes::new(SecretKey::generate()?.expose().to_vec())).await?
        }
    };
    SecretKey::from_slice(bytes.expose())
}
