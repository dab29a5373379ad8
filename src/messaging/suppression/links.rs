//! Links by which a reader leaves: what they hold is sealed, so that nobody reads an address out of one, makes one up, or uses one at
//! another provider's. They do not run out: a mail may be old when its reader has had enough.

use url::Url;
use uuid::Uuid;

use crate::{
    error::{OrInternal, Result},
    messaging::{Channel, providers::Unsubscribe, sealed_links::SealedLinks},
    secrets::SecretStore,
    tenancy::{Resolver, Tenant},
    types::{DeliveryId, TenantId},
};

const PURPOSE: &str = "unsubscribe";
const ID_LEN: usize = 16;

/// Makes and reads the links. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    sealed: SealedLinks,
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
        Ok(Self { sealed: SealedLinks::open(store, PURPOSE).await? })
    }

    #[cfg(test)]
    pub(super) fn with_key(key: crate::secrets::SecretKey) -> Self {
        Self { sealed: SealedLinks::with_key(key, PURPOSE) }
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

    pub(super) fn token(&self, tenant: TenantId, leaving: &Leaving) -> Result<String> {
        let mut plain = leaving.delivery.map_or(Uuid::nil(), |id| id.0).as_bytes().to_vec();
        plain.extend_from_slice(leaving.channel.as_str().as_bytes());
        plain.push(b':');
        plain.extend_from_slice(leaving.address.as_bytes());
        self.sealed.seal(tenant, &plain)
    }

    /// What a token holds, if this deployment made it for this tenant.
    pub(super) fn read(&self, tenant: TenantId, token: &str) -> Option<Leaving> {
        let plain = self.sealed.unseal(tenant, token)?;
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
