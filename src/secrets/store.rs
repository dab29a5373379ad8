//! Where the deployment's own secrets are kept: one trait, three places.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use secrecy::zeroize::Zeroizing;
use subtle::ConstantTimeEq;

use super::{aws::AwsStore, file::FileStore, traced::Traced, vault::VaultStore};
use crate::{
    config::SecretStoreSettings,
    error::{Error, Result},
};

/// The value of a secret: wiped when dropped, compared in constant time, never shown.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Do not log, format or keep a copy of them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(hidden)")
    }
}

/// The name of a secret: `master-keys`, `deployment/csrf`.
///
/// Lower-case words of `a-z 0-9 . _ -` that begin with a letter or digit, joined by single slashes. So no name climbs out
/// of a folder, needs escaping in a URL, or collides with another one on a file system that ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// So that a name in which every second character is a slash still fits a file name after escaping.
    const MAX_LEN: usize = 120;

    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > Self::MAX_LEN || !text.split('/').all(is_word) {
            return Err(Error::invalid(
                "name",
                "not_a_secret_name",
                format!(
                    "A secret's name has at most {} characters: words of a-z, 0-9, '.', '_' and '-', joined by '/'.",
                    Self::MAX_LEN
                ),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name below the prefix of a shared store; an empty prefix adds nothing.
    pub(super) fn below(&self, prefix: &str) -> String {
        if prefix.is_empty() { self.0.clone() } else { format!("{prefix}/{}", self.0) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
}

/// A place that keeps secrets. All methods may be called by many processes at the same time.
pub trait SecretStore: Send + Sync {
    /// The newest value, or None where there is none (never made, or deleted).
    fn get<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Option<SecretBytes>>>;

    /// Makes the secret, or gives it a new newest value.
    fn put<'a>(&'a self, name: &'a SecretName, value: &'a SecretBytes) -> BoxFuture<'a, Result<()>>;

    /// Makes the secret if there is none, and returns what it holds afterwards: of any number of callers at the same
    /// instant one wins, and all get the winner's value.
    ///
    /// Where a deleted secret can still be brought back (AWS, Vault) this is a conflict, `secret_deleted`: to make new
    /// master keys beside restorable ones would lock everybody out of their data.
    fn put_if_absent<'a>(
        &'a self,
        name: &'a SecretName,
        value: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SecretBytes>>;

    /// Writes `new` only while the newest value is still `expected`; false when it is another one. What is read,
    /// changed and written back goes through this, so that two writers never lose each other's change.
    fn replace<'a>(
        &'a self,
        name: &'a SecretName,
        expected: &'a SecretBytes,
        new: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Takes the secret away; nothing happens where there is none. Vault keeps the versions for `vault kv undelete` and
    /// AWS keeps them for seven days; a file is gone.
    fn delete<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<()>>;

    /// Which store this is, for the log at start-up. Contains no secret.
    fn describe(&self) -> String;
}

/// Opens the store. Settings that cannot be right are refused here; whether a remote store answers shows at the first call.
pub async fn open(settings: &SecretStoreSettings) -> Result<Arc<dyn SecretStore>> {
    Ok(match settings {
        SecretStoreSettings::File { path } => Arc::new(FileStore::open(path).await?),
        SecretStoreSettings::Aws { region, endpoint, prefix } => {
            let store = AwsStore::open(region.as_deref(), endpoint.as_deref(), prefix).await?;
            Arc::new(Traced::new("aws", store))
        }
        SecretStoreSettings::Vault { address, mount, prefix, token, namespace, ca_file } => {
            let store =
                VaultStore::open(address, mount, prefix, token, namespace.as_deref(), ca_file.as_deref())?;
            Arc::new(Traced::new("vault", store))
        }
    })
}

/// A prefix or mount from the settings: empty, or shaped like a name.
pub(super) fn parse_prefix(field: &'static str, text: &str) -> Result<String> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() || SecretName::parse(trimmed).is_ok() {
        return Ok(trimmed.to_owned());
    }
    Err(Error::invalid(
        field,
        "not_a_secret_prefix",
        format!("{field} must be words of a-z, 0-9, '.', '_' and '-', joined by '/'."),
    ))
}

/// The store cannot be reached or does not answer in time. The reason goes to the log, never to a caller.
pub(super) fn unreachable_store(store: &str, name: &SecretName, reason: &str) -> Error {
    tracing::warn!(store, secret = name.as_str(), reason, "the secret store did not answer");
    Error::unavailable("secret_store_unavailable", "The secret store cannot be reached right now.")
}

/// The store answers, and does not let us in: a credential or policy that an operator has to mend.
pub(super) fn refused_by_store(store: &str, name: &SecretName, reason: &str) -> Error {
    tracing::error!(store, secret = name.as_str(), reason, "the secret store refused our credential");
    Error::unavailable("secret_store_denied", "The secret store refused this program's credential.")
}

/// A secret that was deleted and can still be brought back.
pub(super) fn deleted_secret(name: &SecretName) -> Error {
    Error::conflict(
        "secret_deleted",
        format!(
            "The secret {name} was deleted and can still be restored in its store: restore it, or destroy it for good."
        ),
    )
}
