//! Links by which a reader leaves: what they hold is sealed, so that nobody reads an address out of one, makes one up, or uses one at
//! another provider's. They do not run out: a mail may be old when its reader has had enough.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead, Payload},
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use crate::{
    error::{Error, OrInternal, Result},
    messaging::{Channel, providers::Unsubscribe},
    secrets::{SecretKey, SecretStore, deployment_key},
    tenancy::{Resolver, Tenant},
    types::{DeliveryId, TenantId},
};

const PURPOSE: &str = "unsubscribe";
const NONCE_LEN: usize = 12;
const ID_LEN: usize = 16;
/// A token of the longest address is shorter.
const TOKEN_MAX: usize = 8_192;

/// Makes and reads the links. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    key: SecretKey,
}

/// What a link holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The delivery that carried it, if one did.
    pub delivery: Option<DeliveryId>,
    pub channel: Channel,
    pub address: String,
}

impl Links {
    /// With the deployment's own key.
    pub async fn open(store: &dyn SecretStore) -> Result<Self> {
        Ok(Self { key: deployment_key(store, PURPOSE).await? })
    }

    #[cfg(test)]
    pub(super) fn with_key(key: SecretKey) -> Self {
        Self { key }
    }

    /// What goes along with a delivery, so that its reader can leave.
    pub fn link(
        &self,
        tenant: &Tenant,
        resolver: &Resolver,
        delivery: DeliveryId,
        channel: Channel,
        address: &str,
    ) -> Result<Unsubscribe> {
        Ok(Unsubscribe { url: self.url(tenant, resolver, Some(delivery), channel, address)?, mail: None })
    }

    /// The address of the page, for a delivery or for mails that are sent by other means.
    pub fn url(
        &self,
        tenant: &Tenant,
        resolver: &Resolver,
        delivery: Option<DeliveryId>,
        channel: Channel,
        address: &str,
    ) -> Result<Url> {
        let leaving = Leaving { delivery, channel, address: address.to_owned() };
        let token = self.token(tenant.id(), &leaving)?;
        Url::parse(&format!("{}/u/{token}", resolver.url_of(tenant))).internal()
    }

    /// A key for each tenant: what one of them was given opens nowhere else.
    fn cipher(&self, tenant: TenantId) -> Result<Aes256Gcm> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.key.expose()).internal()?;
        mac.update(b"unsubscribe:");
        mac.update(tenant.0.as_bytes());
        Aes256Gcm::new_from_slice(&mac.finalize().into_bytes()).internal()
    }

    pub(super) fn token(&self, tenant: TenantId, leaving: &Leaving) -> Result<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut plain = leaving.delivery.map_or(Uuid::nil(), |id| id.0).as_bytes().to_vec();
        plain.extend_from_slice(leaving.channel.as_str().as_bytes());
        plain.push(b':');
        plain.extend_from_slice(leaving.address.as_bytes());
        let sealed = self
            .cipher(tenant)?
            .encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: tenant.0.as_bytes() })
            .map_err(|_lost| Error::internal("an address too long for a link"))?;
        let mut whole = nonce.to_vec();
        whole.extend_from_slice(&sealed);
        Ok(BASE64URL_NOPAD.encode(&whole))
    }

    /// What a token holds, if this deployment made it for this tenant.
    pub(super) fn read(&self, tenant: TenantId, token: &str) -> Option<Leaving> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let whole = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (nonce, sealed) = whole.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg: sealed, aad: tenant.0.as_bytes() };
        let plain = self.cipher(tenant).ok()?.decrypt(&Nonce::from(*nonce), payload).ok()?;
        let (id, rest) = plain.split_first_chunk::<ID_LEN>()?;
        let (channel, address) = std::str::from_utf8(rest).ok()?.split_once(':')?;
        let id = Uuid::from_bytes(*id);
        Some(Leaving {
            delivery: (!id.is_nil()).then_some(DeliveryId(id)),
            channel: channel.parse().ok()?,
            address: address.to_owned(),
        })
    }
}
