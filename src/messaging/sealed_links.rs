//! Tokens in addresses that leave our hands: what they hold is sealed, so that nobody reads anything out of one, makes one up, or uses
//! one at another tenant's.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead, Payload},
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    error::{Error, OrInternal, Result},
    secrets::{SecretKey, SecretStore, deployment_key},
    types::TenantId,
};

const NONCE_LEN: usize = 12;
/// A token of the longest mail address is shorter.
const TOKEN_MAX: usize = 8_192;

/// Seals and opens the tokens of one purpose. Cheap to clone.
#[derive(Clone)]
pub struct SealedLinks {
    key: SecretKey,
    purpose: &'static str,
}

impl SealedLinks {
    /// With the deployment's own key for that purpose.
    pub async fn open(store: &dyn SecretStore, purpose: &'static str) -> Result<Self> {
        Ok(Self { key: deployment_key(store, purpose).await?, purpose })
    }

    #[cfg(test)]
    pub fn with_key(key: SecretKey, purpose: &'static str) -> Self {
        Self { key, purpose }
    }

    /// A key for each tenant: what one of them was given opens nowhere else.
    fn cipher(&self, tenant: TenantId) -> Result<Aes256Gcm> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.key.expose()).internal()?;
        mac.update(self.purpose.as_bytes());
        mac.update(b":");
        mac.update(tenant.0.as_bytes());
        Aes256Gcm::new_from_slice(&mac.finalize().into_bytes()).internal()
    }

    /// A token that fits into a path.
    pub fn seal(&self, tenant: TenantId, plain: &[u8]) -> Result<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let sealed = self
            .cipher(tenant)?
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: tenant.0.as_bytes() })
            .map_err(|_lost| Error::internal("too long for a link"))?;
        let mut whole = nonce.to_vec();
        whole.extend_from_slice(&sealed);
        Ok(BASE64URL_NOPAD.encode(&whole))
    }

    /// What a token holds, if this deployment made it for this tenant and this purpose.
    pub fn unseal(&self, tenant: TenantId, token: &str) -> Option<Vec<u8>> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let whole = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (nonce, sealed) = whole.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg: sealed, aad: tenant.0.as_bytes() };
        self.cipher(tenant).ok()?.decrypt(&Nonce::from(*nonce), payload).ok()
    }
}
