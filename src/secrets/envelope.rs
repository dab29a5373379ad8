//! The envelope: keys that are wiped, values that are sealed into the cell they belong to, keys derived from keys.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{SecretString, zeroize::Zeroizing};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error::{Error, OrInternal, Result};

/// The first byte of everything sealed here, so that another cipher can follow.
const FORMAT: u8 = 1;

/// Format byte and version of the data key.
const HEADER_LEN: usize = 5;

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// 32 secret bytes: wiped when dropped, compared in constant time, never shown.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// A new one from the operating system's randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        OsRng.try_fill_bytes(&mut *bytes).internal()?;
        Ok(Self(bytes))
    }

    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        let mut key = Zeroizing::new([0_u8; 32]);
        if bytes.len() != key.len() {
            return Err(Error::internal(format!("a key must have 32 bytes, not {}", bytes.len())));
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// The bytes themselves. Do not log, format or keep a copy of them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// A tenant's key: what its columns are sealed with. Kept wrapped in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    version: i32,
    key: SecretKey,
}

impl DataKey {
    /// A new key. Its version says which of a tenant's keys it is: the first is 1.
    pub fn generate(version: i32) -> Result<Self> {
        Ok(Self::new(version, SecretKey::generate()?))
    }

    /// The deployment's own key, for what belongs to no tenant.
    pub fn of_deployment(key: SecretKey) -> Self {
        Self::new(1, key)
    }

    pub(super) fn new(version: i32, key: SecretKey) -> Self {
        Self { version, key }
    }

    pub fn version(&self) -> i32 {
        self.version
    }

    pub(super) fn key(&self) -> &SecretKey {
        &self.key
    }
}

/// The one cell that a sealed value belongs to. Moved to another row, column, table or tenant it does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aad<'a> {
    pub tenant: Uuid,
    pub table: &'a str,
    pub column: &'a str,
    pub row: Uuid,
}

impl Aad<'_> {
    /// Lengths before texts, so that no two cells are written alike.
    fn bytes(&self, header: &[u8]) -> Vec<u8> {
        let mut out = b"lastmile:cell:".to_vec();
        out.extend_from_slice(header);
        out.extend_from_slice(self.tenant.as_bytes());
        for text in [self.table, self.column] {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(self.row.as_bytes());
        out
    }
}

/// Seals a value into its cell: format byte, version of the data key, nonce, ciphertext and tag.
pub fn seal(key: &DataKey, aad: &Aad<'_>, plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = vec![FORMAT];
    sealed.extend_from_slice(&key.version.to_be_bytes());
    let aad = aad.bytes(&sealed);
    sealed.extend(encrypt(&key.key, &aad, plaintext)?);
    Ok(sealed)
}

/// Which version of the tenant's data key opens this value.
pub fn sealed_version(sealed: &[u8]) -> Result<i32> {
    split_header(sealed).map(|(_, version, _)| version)
}

/// Opens a sealed value. Any changed bit, another cell or another key is an error, and never says which.
pub fn open(key: &DataKey, aad: &Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (header, version, body) = split_header(sealed)?;
    if version != key.version {
        return Err(does_not_open());
    }
    decrypt(&key.key, &aad.bytes(header), body)
}

fn split_header(sealed: &[u8]) -> Result<(&[u8], i32, &[u8])> {
    match sealed.split_first_chunk::<HEADER_LEN>() {
        Some((header @ [FORMAT, a, b, c, d], body)) => {
            Ok((header, i32::from_be_bytes([*a, *b, *c, *d]), body))
        }
        _ => Err(does_not_open()),
    }
}

/// A key for one purpose from a key for many: knowing one of them tells nothing about the others.
pub fn derive(key: &SecretKey, info: &str) -> Result<SecretKey> {
    let mut out = Zeroizing::new([0_u8; 32]);
    Hkdf::<Sha256>::new(Some(b"lastmile:derive:v1"), key.expose())
        .expand(info.as_bytes(), &mut *out)
        .internal()?;
    Ok(SecretKey(out))
}

/// The password of a database role: always the same for one key and role, so that nobody has to keep it.
pub fn role_password(key: &SecretKey, role: &str) -> Result<SecretString> {
    let derived = derive(key, &format!("database role password:{role}"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(derived.expose())))
}

/// Nonce, then ciphertext and tag. The nonce is random: one key seals far fewer than the 2^32 values that this allows.
pub(super) fn encrypt(key: &SecretKey, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0_u8; NONCE_LEN];
    OsRng.try_fill_bytes(&mut nonce).internal()?;
    let ciphertext = Aes256Gcm::new(key.expose().into())
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad })
        .map_err(|_lost| Error::internal("a value too long to be sealed"))?;
    let mut out = Vec::with_capacity(NONCE_LEN.saturating_add(ciphertext.len()));
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&ciphertext);
    Ok(out)
}

pub(super) fn decrypt(key: &SecretKey, aad: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = body.split_first_chunk::<NONCE_LEN>().ok_or_else(does_not_open)?;
    if ciphertext.len() < TAG_LEN {
        return Err(does_not_open());
    }
    Aes256Gcm::new(key.expose().into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_lost| does_not_open())
}

/// One sentence for every reason: to tell them apart helps only whoever tampers.
#[track_caller]
pub(super) fn does_not_open() -> Error {
    Error::internal("a sealed value does not open: it was changed, moved, or sealed with another key")
}
