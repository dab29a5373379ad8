//! Who is this? Answers for cookies, tokens and keys, from caches that are believed only while nothing changed.

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    by::By,
    company::Company,
    credentials::{CacheKey, Verified},
    keys::Usage,
    machines::{Configured, MachineKeys},
    right::Catalogue,
    shell::{Frame, NavItem},
    signing::SigningKeys,
    sso::Issuers,
};
use crate::{
    config::Settings,
    db::{Db, TenantTx},
    error::Result,
    outbound::Outbound,
    secrets::{SecretKey, SecretStore, TenantKeys, deployment_key},
    tenancy::{News, Registry, Tenant},
    types::{FileId, SessionId, StaffId, TenantId, TimeZone},
    web::Pages,
    words::{Language, Reader, reader_language},
};

const CACHED_CREDENTIALS: u64 = 50_000;
const CACHED_COMPANIES: u64 = 5_000;

/// A browser's stay, as the guard of pages knows it.
#[derive(Debug, Clone)]
pub struct PageCaller {
    pub by: By,
    pub session: SessionId,
    pub staff: StaffId,
    pub name: String,
    pub email: String,
    pub avatar: Option<FileId>,
    /// In which zone they read times; None for the tenant's.
    pub zone: Option<TimeZone>,
    /// In which language they read; None for the one that their browser asks for.
    pub language: Option<Language>,
    /// The names of the person's roles, joined.
    pub role: String,
    /// A role asks for a second factor, and they have none: they set it up and do nothing else.
    pub must_enrol: bool,
    pub frame: Frame,
    /// The cookie's own value, for the form token that is bound to it.
    pub cookie: SecretString,
}

impl PageCaller {
    /// How their pages are made: in their own zone and language, or else the tenant's and the one that the browser asked for.
    pub fn reader(&self) -> Reader {
        Reader { zone: self.zone.map(|zone| zone.0), language: self.language.unwrap_or_else(reader_language) }
    }
}

/// Everything that decides who may. Cheap to clone.
#[derive(Clone)]
pub struct Access(pub(super) Arc<Parts>);

pub(super) struct Parts {
    pub registry: Registry,
    pub db: Db,
    pub news: Arc<News>,
    pub settings: Arc<Settings>,
    pub catalogue: Catalogue,
    pub nav: Vec<NavItem>,
    pub pages: Pages,
    pub keys: AccessKeys,
    /// Who vouches for people, where a tenant wants that.
    pub issuers: Issuers,
    pub verified: moka::future::Cache<CacheKey, Arc<Verified>>,
    pub companies: moka::future::Cache<TenantId, Arc<Company>>,
    /// Whose tokens machine clients may come with.
    pub machines: moka::future::Cache<TenantId, Arc<Configured>>,
    pub machine_keys: MachineKeys,
    /// How often keys were used, until it is written down.
    pub usage: Usage,
}

/// The deployment's keys that access works with.
#[derive(Clone)]
pub struct AccessKeys {
    /// Form tokens are made with it.
    pub(super) form: SecretKey,
    /// Access tokens are signed with them.
    pub(super) signing: Arc<SigningKeys>,
    /// What people sign in with besides a password is sealed with their tenant's.
    pub(super) tenants: TenantKeys,
}

impl AccessKeys {
    /// Reads the keys from the secret store; the first process of a new deployment makes them.
    pub async fn open(store: &Arc<dyn SecretStore>, tenants: TenantKeys) -> Result<Self> {
        Ok(Self {
            form: deployment_key(store.as_ref(), "forms").await?,
            signing: Arc::new(SigningKeys::open(store.clone()).await?),
            tenants,
        })
    }
}

impl Access {
    pub fn new(
        registry: &Registry,
        settings: Arc<Settings>,
        catalogue: Catalogue,
        (nav, pages): (Vec<NavItem>, Pages),
        keys: AccessKeys,
        outbound: Outbound,
    ) -> Self {
        Self(Arc::new(Parts {
            registry: registry.clone(),
            db: registry.db().clone(),
            news: registry.news().clone(),
            settings,
            catalogue,
            nav,
            pages,
            keys,
            issuers: Issuers::new(outbound.clone()),
            machine_keys: MachineKeys::new(outbound),
            machines: moka::future::Cache::new(CACHED_COMPANIES),
            verified: moka::future::Cache::new(CACHED_CREDENTIALS),
            companies: moka::future::Cache::new(CACHED_COMPANIES),
            usage: Usage::default(),
        }))
    }

    /// Counts a refused sign-in at a tenant's door for the platform's people.
    pub fn sign_in_refused(&self, tenant: &Tenant, account: &str, network: &str) {
        let account = account.trim().to_lowercase();
        self.0.registry.sightings().sign_in_refused(Some(tenant.id()), &account, network);
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    pub fn pages(&self) -> &Pages {
        &self.0.pages
    }

    /// What access tokens of this deployment name as their issuer.
    pub fn issuer(&self) -> String {
        self.0.settings.url_of(&self.0.settings.base_domain)
    }

    /// Changes staff, roles, keys or sessions: forgotten at once here, and within a second in every other process.
    pub async fn change<T, F>(&self, tenant: &Tenant, f: F) -> Result<T>
    where
        F: AsyncFnOnce(&TenantTx) -> Result<T> + Clone,
    {
        let done = self
            .0
            .db
            .in_tenant(tenant, async |tx| {
                let done = f(tx).await?;
                tx.execute("SELECT gate.tell_access_changed()", &[]).await?;
                Ok(done)
            })
            .await;
        // Also after a failure: whether the commit took place may be unknown.
        self.0.news.access_changed(tenant.id());
        done
    }
}
