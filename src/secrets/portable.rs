//! Data keys on a journey: under a key made from a passphrase, for an archive that another deployment is to open.

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::envelope::{DataKey, SecretKey, decrypt, derive, encrypt};
use crate::{
    error::{Error, OrInternal, Result},
    types::Wrong,
};

const SHORTEST: usize = 12;
const LONGEST: usize = 200;
/// An archive says how its key was made; nobody may make us spend more than this on one.
const MEMORY_KIB_MAX: u32 = 1_048_576;
const ROUNDS_MAX: u32 = 64;

/// What a person keeps beside the archive.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The first line of a file.
    pub fn read(path: &std::path::Path) -> Result<Self> {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| {
            Error::invalid("passphrase-file", "unreadable_file", format!("{}: {error}.", path.display()))
        })?);
        Self::parse(text.lines().next().unwrap_or_default())
    }

    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_field(text).map_err(|wrong| Error::Invalid(vec![wrong.at("passphrase-file")]))
    }

    /// One line of 12 to 200 characters.
    pub fn parse_field(text: &str) -> std::result::Result<Self, Wrong> {
        let chars = text.chars().count();
        if chars < SHORTEST {
            let detail = format!("The passphrase must have at least {SHORTEST} characters.");
            return Err(Wrong::new("too_short", detail));
        }
        if chars > LONGEST {
            let detail = format!("The passphrase must have at most {LONGEST} characters.");
            return Err(Wrong::new("too_long", detail));
        }
        // A file of it is read up to its first line's end.
        if text.contains(['\n', '\r']) {
            return Err(Wrong::new("not_one_line", "The passphrase must be one line."));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// To be sealed until it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// How a passphrase becomes a key; lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TravelParams {
    /// In hexadecimal.
    pub salt: String,
    pub memory_kib: u32,
    pub rounds: u32,
}

impl TravelParams {
    pub fn fresh() -> Self {
        Self {
            salt: data_encoding::HEXLOWER.encode(&rand::random::<[u8; 16]>()),
            memory_kib: 65_536,
            rounds: 3,
        }
    }
}

/// The key of one archive: it wraps data keys, and vouches for the archive's manifest.
pub struct TravelKey {
    wrapping: SecretKey,
    vouching: SecretKey,
}

impl TravelKey {
    /// Takes a moment on purpose.
    pub fn derive(passphrase: &Passphrase, params: &TravelParams) -> Result<Self> {
        if params.memory_kib > MEMORY_KIB_MAX || params.rounds > ROUNDS_MAX {
            return Err(Error::invalid(
                "archive",
                "odd_parameters",
                "The archive's key would take too much to make.",
            ));
        }
        let salt = data_encoding::HEXLOWER.decode(params.salt.as_bytes()).internal()?;
        let argon_params = Params::new(params.memory_kib, params.rounds, 1, Some(32))
            .map_err(|e| Error::internal(e.to_string()))?;
        let mut key = Zeroizing::new([0_u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, argon_params)
            .hash_password_into(passphrase.0.as_bytes(), &salt, &mut *key)
            .map_err(|error| Error::internal(error.to_string()))?;
        let key = SecretKey::from_slice(&*key)?;
        Ok(Self { wrapping: derive(&key, "archive wrapping")?, vouching: derive(&key, "archive vouching")? })
    }

    pub fn wrap(&self, tenant: Uuid, key: &DataKey) -> Result<Vec<u8>> {
        encrypt(&self.wrapping, &aad(tenant, key.version()), key.key().expose())
    }

    pub fn unwrap(&self, tenant: Uuid, version: i32, wrapped: &[u8]) -> Result<DataKey> {
        let plain = decrypt(&self.wrapping, &aad(tenant, version), wrapped)?;
        Ok(DataKey::new(version, SecretKey::from_slice(&plain)?))
    }

    /// Proof that whoever wrote these bytes knew the passphrase.
    pub fn vouch(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(self.mac(bytes)?.finalize().into_bytes().to_vec())
    }

    /// Whether that proof holds.
    pub fn vouches_for(&self, bytes: &[u8], proof: &[u8]) -> Result<bool> {
        Ok(self.mac(bytes)?.verify_slice(proof).is_ok())
    }

    fn mac(&self, bytes: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.vouching.expose()).internal()?;
        mac.update(bytes);
        Ok(mac)
    }
}

fn aad(tenant: Uuid, version: i32) -> Vec<u8> {
    let mut out = b"lastmile:archive-key:v1:".to_vec();
    out.extend_from_slice(tenant.as_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_with_its_passphrase_and_with_no_other() {
        let params = TravelParams { memory_kib: 64, rounds: 1, ..TravelParams::fresh() };
        let right = TravelKey::derive(&Passphrase::parse("correct horse battery").unwrap(), &params).unwrap();
        let wrong =
            TravelKey::derive(&Passphrase::parse("incorrect horse battery").unwrap(), &params).unwrap();
        let (tenant, key) = (Uuid::now_v7(), DataKey::generate(3).unwrap());
        let wrapped = right.wrap(tenant, &key).unwrap();
        assert_eq!(right.unwrap(tenant, 3, &wrapped).unwrap(), key);
        assert!(wrong.unwrap(tenant, 3, &wrapped).is_err());
        assert!(right.unwrap(tenant, 2, &wrapped).is_err());
        assert!(right.unwrap(Uuid::now_v7(), 3, &wrapped).is_err());
        let proof = right.vouch(b"manifest").unwrap();
        assert!(right.vouches_for(b"manifest", &proof).unwrap());
        assert!(!right.vouches_for(b"manifesto", &proof).unwrap());
        assert!(!wrong.vouches_for(b"manifest", &proof).unwrap());
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        assert!(Passphrase::parse("short").is_err());
    }
}
