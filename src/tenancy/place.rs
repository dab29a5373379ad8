//! Which tenant a request is for.

use std::sync::Arc;

use poem::Request;
use uuid::Uuid;

use super::registry::{Registry, Status, Tenant};
use crate::{
    config::Settings,
    error::{Error, Result},
    types::{Slug, TenantId},
    web::Host,
};

const TENANT_HEADER: &str = "x-tenant-id";

/// Where a request arrived.
#[derive(Debug, Clone)]
pub enum Place {
    /// `BASE_DOMAIN` itself.
    Platform,
    /// `api.BASE_DOMAIN` without naming a tenant: documents only.
    Api,
    /// A tenant, by its host or by `X-Tenant-ID` on the API host.
    Tenant { tenant: Tenant, by_header: bool },
}

/// Finds the place of a request.
#[derive(Clone)]
pub struct Resolver {
    registry: Registry,
    settings: Arc<Settings>,
}

impl Resolver {
    pub fn new(registry: Registry, settings: Arc<Settings>) -> Self {
        Self { registry, settings }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether this deployment orders certificates for tenants' own domains.
    pub fn orders_certificates(&self) -> bool {
        self.settings.acme.directory.is_some()
    }

    /// BASE_DOMAIN and below first, then custom domains. Whatever names no tenant is 404.
    pub async fn place_of(&self, request: &Request) -> Result<Place> {
        let host = Host::of(request)?;
        let named = self.named_by_header(request)?;
        let base = self.settings.base_domain.as_str();
        if host.as_str() == base {
            return Ok(Place::Platform);
        }
        let tenant = match host.label_under(base) {
            Some("api") => return self.on_api_host(named).await,
            Some(label) if !label.contains('.') => self.registry.find_by_slug(label).await?,
            Some(_) => None,
            None if host.as_str().parse::<std::net::IpAddr>().is_ok() => None,
            None => self.registry.find_by_domain(host.as_str()).await?,
        };
        let tenant =
            tenant.filter(|tenant| tenant.status != Status::Closed).ok_or(Error::not_found("provider"))?;
        if let Some(named) = named.filter(|named| !named.names(&tenant)) {
            let of = self.find(&named).await?.map(|of| of.id());
            self.registry.sightings().host_mismatch(tenant.id(), of);
            return Err(Error::malformed(
                "tenant_mismatch",
                "The host and X-Tenant-ID name different tenants.",
            ));
        }
        Ok(Place::Tenant { tenant, by_header: false })
    }

    async fn on_api_host(&self, named: Option<Named>) -> Result<Place> {
        let Some(named) = named else { return Ok(Place::Api) };
        let found = self.find(&named).await?;
        let tenant =
            found.filter(|tenant| tenant.status != Status::Closed).ok_or(Error::not_found("provider"))?;
        Ok(Place::Tenant { tenant, by_header: true })
    }

    async fn find(&self, named: &Named) -> Result<Option<Tenant>> {
        match named {
            Named::Id(id) => self.registry.find_by_id(*id).await,
            Named::Slug(slug) => self.registry.find_by_slug(slug).await,
        }
    }

    /// Where somebody is led who asked at a web address that the tenant has given up.
    pub fn moved(&self, request: &Request, tenant: &Tenant) -> Result<Option<String>> {
        let host = Host::of(request)?;
        let is_former =
            host.label_under(&self.settings.base_domain).is_some_and(|label| label != tenant.slug.as_str());
        Ok(is_former.then(|| {
            let way = request.uri().path_and_query().map_or("/", |way| way.as_str());
            format!("{}{way}", self.url(&self.host_under_base(&tenant.slug)))
        }))
    }

    fn named_by_header(&self, request: &Request) -> Result<Option<Named>> {
        let mut given = request.headers().get_all(TENANT_HEADER).iter();
        let Some(value) = given.next() else { return Ok(None) };
        let bad = || Error::malformed("bad_tenant_header", "X-Tenant-ID must be one slug or one id.");
        if given.next().is_some() {
            return Err(bad());
        }
        let text = value.to_str().map_err(|_odd| bad())?.trim();
        if let Ok(id) = text.parse::<Uuid>() {
            return Ok(Some(Named::Id(TenantId(id))));
        }
        let plain =
            (3..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if plain { Ok(Some(Named::Slug(text.to_ascii_lowercase()))) } else { Err(bad()) }
    }

    /// Whether a proxy may ask for a certificate for this name: an active domain, or a host of ours that exists.
    pub async fn is_ours(&self, domain: &str) -> Result<bool> {
        let Ok(host) = Host::parse(domain) else { return Ok(false) };
        let base = self.settings.base_domain.as_str();
        if host.as_str() == base {
            return Ok(true);
        }
        let tenant = match host.label_under(base) {
            Some("api") => return Ok(true),
            Some(label) if !label.contains('.') => self.registry.find_by_slug(label).await?,
            Some(_) => None,
            None => self.registry.find_by_domain(host.as_str()).await?,
        };
        Ok(tenant.is_some_and(|tenant| tenant.status != Status::Closed))
    }

    /// The host that a tenant's people use.
    pub fn host_of(&self, tenant: &Tenant) -> String {
        match &tenant.domain {
            Some(domain) => domain.clone(),
            None => self.host_under_base(&tenant.slug),
        }
    }

    /// The host that a slug has under BASE_DOMAIN.
    pub fn host_under_base(&self, slug: &Slug) -> String {
        format!("{slug}.{}", self.settings.base_domain)
    }

    /// The URL of a host of this deployment.
    pub fn url(&self, host: &str) -> String {
        self.settings.url_of(host)
    }

    pub fn base_domain(&self) -> &str {
        &self.settings.base_domain
    }

    /// The same as a URL.
    pub fn url_of(&self, tenant: &Tenant) -> String {
        self.settings.url_of(&self.host_of(tenant))
    }
}

impl Place {
    /// The tenant that may be served: a suspended one is 403, one whose schema is behind the code 503.
    pub fn open_tenant(&self) -> Result<Option<&Tenant>> {
        let Self::Tenant { tenant, .. } = self else { return Ok(None) };
        match tenant.status {
            Status::Active if tenant.is_current => Ok(Some(tenant)),
            Status::Active | Status::Provisioning => Err(Error::unavailable(
                "schema_behind",
                "This provider is being brought up to date. Try again in a moment.",
            )),
            Status::Suspended => Err(Error::forbidden("tenant_suspended", "This provider is suspended.")),
            Status::Closing => Err(Error::forbidden("tenant_closing", "This provider is closing.")),
            Status::Closed => Err(Error::not_found("provider")),
        }
    }
}

enum Named {
    Id(TenantId),
    Slug(String),
}

impl Named {
    fn names(&self, tenant: &Tenant) -> bool {
        match self {
            Self::Id(id) => *id == tenant.id(),
            Self::Slug(slug) => slug == tenant.slug.as_str(),
        }
    }
}
