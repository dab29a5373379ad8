//! The keys that sign access tokens: a small set in the secret store, one of them current.
//!
//! A token names its key (`kid`); each key has one algorithm, `EdDSA` over Ed25519, whatever a token's header says. After a
//! rotation the old public keys stay in the JWKS until the last token that they signed has expired.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::credentials::now;
use crate::{
    error::{Error, OrInternal, Result},
    secrets::{SecretBytes, SecretName, SecretStore},
};

/// Who access tokens are for.
pub const AUDIENCE: &str = "lastmile-api";
/// How long an access token counts.
pub const ACCESS_TOKEN_SECONDS: i64 = 600;
/// A process looks for a newer key at least so often.
const RELOAD_AFTER: Duration = Duration::from_secs(60);
/// A key that is not known here is looked for, but not more often than this: made-up ones cost nothing.
const RELOAD_AT_MOST: Duration = Duration::from_secs(2);
/// How long a retired key may still have signed in a process that had not heard of it, and clocks that differ.
const RETIRED_SECONDS: i64 = ACCESS_TOKEN_SECONDS + 180;
const SECRET: &str = "deployment/token-keys";
const ROUNDS: usize = 5;

/// What an access token says. Only `sub`, `tid`, `fam` and `exp` are believed; roles are there for other programs to show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The member of staff.
    pub sub: Uuid,
    /// The tenant.
    pub tid: Uuid,
    /// The sign-in that this token belongs to; it ends with it.
    pub fam: Uuid,
    pub roles: Vec<String>,
    pub iat: i64,
    pub exp: i64,
    pub jti: Uuid,
}

/// The set as it lies in the store.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    current: String,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    created_at: i64,
    retired_at: Option<i64>,
    /// PKCS #8, base64.
    private: String,
}

struct Key {
    kid: String,
    created_at: i64,
    retired_at: Option<i64>,
    public: Vec<u8>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

struct Loaded {
    at: Instant,
    current: String,
    keys: Vec<Key>,
}

/// The keys as a running process holds them.
pub struct SigningKeys {
    store: Arc<dyn SecretStore>,
    loaded: RwLock<Arc<Loaded>>,
    reloading: tokio::sync::Mutex<()>,
}

/// The public half of the keys (RFC 7517).
#[derive(Debug, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
}

/// What `rotate` did, for people to read.
#[derive(Debug, Serialize)]
pub struct RotatedKey {
    pub kid: String,
    pub created_at: i64,
    /// Keys that are still accepted, the new one among them.
    pub accepted: usize,
}

fn new_key() -> Result<StoredKey> {
    let pair = Ed25519KeyPair::generate().map_err(|_unsaid| Error::internal("no key could be made"))?;
    let private = pair.to_pkcs8v1().map_err(|_unsaid| Error::internal("no key could be written"))?;
    Ok(StoredKey {
        kid: kid_of(pair.public_key().as_ref()),
        created_at: now(),
        retired_at: None,
        private: BASE64.encode(private.as_ref()),
    })
}

/// Derived from the public key: two keys never share a name.
fn kid_of(public: &[u8]) -> String {
    BASE64URL_NOPAD.encode(Sha256::digest(public).get(..12).unwrap_or_default())
}

impl Stored {
    fn read(bytes: &SecretBytes) -> Result<Self> {
        // The parser's own message quotes what it stumbled on, and that is a key.
        serde_json::from_slice(bytes.expose())
            .map_err(|_unsaid| Error::internal("the token keys are not readable"))
    }

    fn bytes(&self) -> Result<SecretBytes> {
        Ok(SecretBytes::new(serde_json::to_vec(self).internal()?))
    }

    /// A new current key; those whose last token has expired go.
    fn rotated(mut self) -> Result<Self> {
        let (now, fresh) = (now(), new_key()?);
        for key in self.keys.iter_mut().filter(|key| key.retired_at.is_none()) {
            key.retired_at = Some(now);
        }
        self.keys.retain(|key| key.retired_at.is_none_or(|at| now < at + RETIRED_SECONDS));
        self.current.clone_from(&fresh.kid);
        self.keys.push(fresh);
        Ok(self)
    }
}

impl Loaded {
    fn of(stored: Stored) -> Result<Self> {
        let mut keys = Vec::with_capacity(stored.keys.len());
        for key in stored.keys {
            let private = BASE64
                .decode(key.private.as_bytes())
                .map_err(|_unsaid| Error::internal("a token key is not base64"))?;
            let pair = Ed25519KeyPair::from_pkcs8(&private)
                .map_err(|_unsaid| Error::internal("a token key is not an Ed25519 key"))?;
            let public = pair.public_key().as_ref().to_vec();
            keys.push(Key {
                kid: key.kid,
                created_at: key.created_at,
                retired_at: key.retired_at,
                encoding: EncodingKey::from_ed_der(&private),
                decoding: DecodingKey::from_ed_der(&public),
                public,
            });
        }
        Ok(Self { at: Instant::now(), current: stored.current, keys })
    }

    fn accepted(&self) -> impl Iterator<Item = &Key> {
        let now = now();
        self.keys.iter().filter(move |key| key.retired_at.is_none_or(|at| now < at + RETIRED_SECONDS))
    }

    fn find(&self, kid: &str) -> Option<&Key> {
        self.accepted().find(|key| key.kid == kid)
    }
}

impl SigningKeys {
    /// Loads the keys; the first process of a new deployment makes the first one.
    pub async fn open(store: Arc<dyn SecretStore>) -> Result<Self> {
        let name = SecretName::parse(SECRET)?;
        let bytes = match store.get(&name).await? {
            Some(bytes) => bytes,
            None => {
                let first = new_key()?;
                let first = Stored { current: first.kid.clone(), keys: vec![first] };
                store.put_if_absent(&name, &first.bytes()?).await?
            }
        };
        let loaded = RwLock::new(Arc::new(Loaded::of(Stored::read(&bytes)?)?));
        Ok(Self { store, loaded, reloading: tokio::sync::Mutex::new(()) })
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the store again when what is known here is older than `age`.
    async fn not_older_than(&self, age: Duration) -> Result<Arc<Loaded>> {
        if self.loaded().at.elapsed() < age {
            return Ok(self.loaded());
        }
        let _turn = self.reloading.lock().await;
        if self.loaded().at.elapsed() < age {
            return Ok(self.loaded());
        }
        let bytes = self.store.get(&SecretName::parse(SECRET)?).await?;
        let bytes = bytes.ok_or_else(|| Error::internal("the token keys are gone from the secret store"))?;
        let fresh = Arc::new(Loaded::of(Stored::read(&bytes)?)?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(fresh)
    }

    /// Adds a key and signs with it from now on. Other processes follow within a minute, and accept its tokens at once.
    /// None where no process has made a first key yet.
    pub async fn rotate(store: &dyn SecretStore) -> Result<Option<RotatedKey>> {
        let name = SecretName::parse(SECRET)?;
        for _ in 0..ROUNDS {
            let Some(before) = store.get(&name).await? else {
                return Ok(None);
            };
            let rotated = Stored::read(&before)?.rotated()?;
            if store.replace(&name, &before, &rotated.bytes()?).await? {
                tracing::info!(kid = rotated.current, "the token key was rotated");
                return Ok(Some(RotatedKey {
                    kid: rotated.current.clone(),
                    created_at: now(),
                    accepted: rotated.keys.len(),
                }));
            }
        }
        Err(Error::conflict("rotation_in_progress", "Another rotation of the token key is going on."))
    }

    /// Signs with the current key.
    pub async fn sign(&self, claims: &Claims) -> Result<String> {
        let loaded = match self.not_older_than(RELOAD_AFTER).await {
            Ok(loaded) => loaded,
            // The store is away: the key that is known here is still good.
            Err(error) => {
                tracing::warn!(%error, "the token keys could not be looked at again");
                self.loaded()
            }
        };
        let key = loaded.find(&loaded.current).ok_or_else(|| Error::internal("no token key is current"))?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.kid.clone());
        encode(&header, claims, &key.encoding).internal()
    }

    /// The claims of a token that one of our keys signed for this deployment and that has not expired.
    pub async fn verify(&self, token: &str, issuer: &str) -> Result<Option<Claims>> {
        let Ok(header) = decode_header(token) else { return Ok(None) };
        let Some(kid) = header.kid.filter(|_| header.alg == Algorithm::EdDSA) else { return Ok(None) };
        let mut loaded = self.loaded();
        if loaded.find(&kid).is_none() {
            loaded = self.not_older_than(RELOAD_AT_MOST).await.unwrap_or(loaded);
        }
        let Some(key) = loaded.find(&kid) else { return Ok(None) };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(decode::<Claims>(token, &key.decoding, &validation).ok().map(|data| data.claims))
    }

    /// Every public key whose tokens are accepted, the newest first.
    pub async fn jwks(&self) -> Jwks {
        let loaded = self.not_older_than(RELOAD_AFTER).await.unwrap_or_else(|_away| self.loaded());
        let mut accepted: Vec<&Key> = loaded.accepted().collect();
        accepted.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        let keys = accepted
            .into_iter()
            .map(|key| Jwk {
                kty: "OKP",
                crv: "Ed25519",
                purpose: "sig",
                alg: "EdDSA",
                kid: key.kid.clone(),
                x: BASE64URL_NOPAD.encode(&key.public),
            })
            .collect();
        Jwks { keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::SecretStoreSettings, secrets::open_store};

    const ISSUER: &str = "https://isp.test";

    async fn store(folder: &tempfile::TempDir) -> Arc<dyn SecretStore> {
        open_store(&SecretStoreSettings::File { path: folder.path().join("secrets") }).await.unwrap()
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: Uuid::now_v7(),
            tid: Uuid::now_v7(),
            fam: Uuid::now_v7(),
            roles: Vec::new(),
            iat: now(),
            exp: now() + ACCESS_TOKEN_SECONDS,
            jti: Uuid::now_v7(),
        }
    }

    fn kid(token: &str) -> String {
        decode_header(token).unwrap().kid.unwrap()
    }

    #[tokio::test]
    async fn processes_that_start_at_once_get_the_same_key() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = store(&folder).await;
        let opened = futures_util::future::join_all((0..5).map(|_| SigningKeys::open(store.clone()))).await;
        let mut kids = Vec::new();
        for keys in opened {
            kids.push(kid(&keys.unwrap().sign(&claims()).await.unwrap()));
        }
        kids.dedup();
        assert_eq!(kids.len(), 1);
    }

    #[tokio::test]
    async fn after_a_rotation_old_tokens_count_on_and_new_ones_are_understood_elsewhere() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = store(&folder).await;
        let before = SigningKeys::open(store.clone()).await.unwrap();
        let old = before.sign(&claims()).await.unwrap();
        let rotated = SigningKeys::rotate(store.as_ref()).await.unwrap().unwrap();
        assert_eq!(rotated.accepted, 2);
        let after = SigningKeys::open(store.clone()).await.unwrap();
        let new = after.sign(&claims()).await.unwrap();
        assert_eq!(kid(&new), rotated.kid);
        assert_ne!(kid(&old), kid(&new));
        assert!(after.verify(&old, ISSUER).await.unwrap().is_some());
        assert_eq!(after.jwks().await.keys.len(), 2);
        // A process that has not heard of the new key looks for it, unless it has just looked.
        let stale = Loaded { at: Instant::now().checked_sub(RELOAD_AT_MOST).unwrap(), ..copy(&before) };
        *before.loaded.write().unwrap() = Arc::new(stale);
        assert!(before.verify(&new, ISSUER).await.unwrap().is_some());
    }

    fn copy(keys: &SigningKeys) -> Loaded {
        let loaded = keys.loaded();
        let keys = loaded.keys.iter().map(|key| Key {
            kid: key.kid.clone(),
            created_at: key.created_at,
            retired_at: key.retired_at,
            public: key.public.clone(),
            encoding: key.encoding.clone(),
            decoding: key.decoding.clone(),
        });
        Loaded { at: loaded.at, current: loaded.current.clone(), keys: keys.collect() }
    }

    #[test]
    fn a_key_goes_once_its_last_token_has_expired() {
        let first = new_key().unwrap();
        let mut stored = Stored { current: first.kid.clone(), keys: vec![first] }.rotated().unwrap();
        assert_eq!(stored.keys.len(), 2);
        stored.keys[0].retired_at = Some(now() - RETIRED_SECONDS);
        let gone = stored.keys[0].kid.clone();
        let loaded = Loaded::of(Stored::read(&stored.bytes().unwrap()).unwrap()).unwrap();
        assert!(loaded.find(&gone).is_none(), "it is not believed although it still lies in the store");
        let stored = stored.rotated().unwrap();
        assert!(stored.keys.iter().all(|key| key.kid != gone));
        assert_eq!(stored.keys.len(), 2);
    }

    #[tokio::test]
    async fn a_token_for_another_issuer_or_time_is_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let keys = SigningKeys::open(store(&folder).await).await.unwrap();
        let good = keys.sign(&claims()).await.unwrap();
        assert!(keys.verify(&good, ISSUER).await.unwrap().is_some());
        assert!(keys.verify(&good, "https://another.test").await.unwrap().is_none());
        let late = keys.sign(&Claims { exp: now() - 1, ..claims() }).await.unwrap();
        assert!(keys.verify(&late, ISSUER).await.unwrap().is_none());
    }
}
