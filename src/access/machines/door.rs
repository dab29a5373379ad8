//! From a token to a caller.

use std::{collections::BTreeSet, sync::Arc};

use jsonwebtoken::jwk::Jwk;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use super::{
    settings::MachineIssuer,
    store,
    token::{Client, Expected, Head, LEEWAY_SECONDS, UNKNOWN_KEY, believed, refused},
};
use crate::{
    access::{
        by::Rights,
        credentials::now,
        gate::Access,
        key_sets::{KeySet, NoKey, Told},
    },
    audit::{Actor, ActorKind},
    db::TenantTx,
    error::{Error, OrInternal, Result},
    outbound::Outbound,
    tenancy::{Epoch, Tenant},
    types::TenantId,
};

const SETS_KEPT: u64 = 5_000;
/// A token is looked at anew at least so often: a key that the issuer has withdrawn counts no longer than it is kept, and this.
const LOOK_AGAIN_SECONDS: i64 = 300;

/// The keys of outside issuers, by tenant: what one tenant's callers ask for is nothing to another's.
pub struct MachineKeys {
    outbound: Outbound,
    sets: moka::future::Cache<(TenantId, String), Arc<KeySet>>,
}

impl MachineKeys {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, sets: moka::future::Cache::new(SETS_KEPT) }
    }

    /// The keys of an issuer, at the address of the settings, or where its own document says.
    pub async fn set(&self, tenant: TenantId, issuer: &str, jwks_url: Option<&str>) -> Result<Arc<KeySet>> {
        let url = jwks_url.map(Url::parse).transpose().internal()?;
        let name = format!("{issuer} {}", jwks_url.unwrap_or_default());
        let made = async { Arc::new(url.map_or_else(|| KeySet::of(issuer), KeySet::at)) };
        Ok(self.sets.get_with((tenant, name), made).await)
    }

    pub async fn probe(&self, keys: &KeySet) -> Told<()> {
        keys.probe(&self.outbound).await
    }

    async fn key(&self, tenant: TenantId, issuer: &MachineIssuer, kid: Option<&str>) -> Result<Jwk> {
        let keys = self.set(tenant, &issuer.issuer, issuer.jwks_url.as_deref()).await?;
        keys.key(&self.outbound, kid).await.map_err(|missing| match missing {
            NoKey::Unknown => refused(UNKNOWN_KEY),
            NoKey::Unreachable(_) => Error::unavailable(
                "issuer_unreachable",
                "The keys of the token's issuer cannot be asked for at the moment.",
            ),
        })
    }
}

/// What a tenant has decided, as it is remembered.
pub struct Configured {
    epoch: Option<Epoch>,
    issuer: Option<MachineIssuer>,
}

/// A machine client that was let in.
pub struct Admitted {
    /// The same for one issuer's name for somebody, in one tenant, for ever.
    pub id: Uuid,
    pub actor: Actor,
    pub rights: Rights,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl Access {
    async fn machine_settings(&self, tenant: &Tenant) -> Result<Arc<Configured>> {
        let epoch = self.0.news.access_epoch(tenant.id());
        if epoch.is_some()
            && let Some(known) = self.0.machines.get(&tenant.id()).await
            && known.epoch == epoch
        {
            return Ok(known);
        }
        let issuer = self.0.db.read_tenant(tenant, async |tx| store::find(tx).await).await?;
        let issuer = issuer.filter(|issuer| issuer.is_on);
        let configured = Arc::new(Configured { epoch, issuer });
        if epoch.is_some() {
            self.0.machines.insert(tenant.id(), configured.clone()).await;
        }
        Ok(configured)
    }

    /// Whom a token of an outside issuer stands for. None where the tenant has named no issuer; 401 that says why for a token that does
    /// not count, 503 while there are no keys to hold it against.
    pub(in crate::access) async fn admit_machine(
        &self,
        tenant: &Tenant,
        token: &str,
    ) -> Result<Option<Admitted>> {
        let configured = self.machine_settings(tenant).await?;
        let Some(issuer) = &configured.issuer else { return Ok(None) };
        let head = Head::read(token).map_err(refused)?;
        let algorithm = head.allowed(&issuer.allowed()).map_err(refused)?;
        let key = self.0.machine_keys.key(tenant.id(), issuer, head.kid.as_deref()).await?;
        let id = tenant.id().to_string();
        let expected = Expected {
            algorithm,
            issuer: &issuer.issuer,
            audience: &issuer.audience,
            tenant_claim: &issuer.tenant_claim,
            tenant: [&id, tenant.slug.as_str()],
            role_claim: &issuer.role_claim,
        };
        let client = believed(token, &key, &expected).map_err(refused)?;
        let look = async |tx: &TenantTx| store::list_permissions(tx, issuer.id, &client.values).await;
        let codes = self.0.db.read_tenant(tenant, look).await?;
        let known = codes.into_iter().filter(|code| self.catalogue().find(code).is_some());
        Ok(Some(admitted(tenant, issuer, &client, known.collect())))
    }
}

fn admitted(
    tenant: &Tenant,
    issuer: &MachineIssuer,
    client: &Client,
    permissions: BTreeSet<String>,
) -> Admitted {
    let id = id_of(tenant.id(), &issuer.issuer, &client.subject);
    let label = format!("{} ({})", client.subject, issuer.issuer);
    Admitted {
        id,
        actor: Actor { kind: ActorKind::Machine, id: Some(id), label },
        rights: Rights { is_owner: false, permissions: Arc::new(permissions) },
        expires_at: client.expires_at.saturating_add(LEEWAY_SECONDS).min(now() + LOOK_AGAIN_SECONDS),
    }
}

fn id_of(tenant: TenantId, issuer: &str, subject: &str) -> Uuid {
    let mut digest = Sha256::new();
    for part in [tenant.0.as_bytes().as_slice(), issuer.as_bytes(), subject.as_bytes()] {
        digest.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
        digest.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
