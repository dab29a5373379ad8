//! The company and its domains as programs see them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, OpenApi, Tags, param::Path, types::MaybeUndefined};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageSettings, domains,
    model::{Company, Typed},
    rules,
};
use crate::{
    access::{Access, ApiUser, By},
    certificates::Certificate,
    config::Settings,
    error::{Error, Result},
    tenancy::{Dns, Domain, Registry},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// The company profile, its branding and its domains.
    Settings,
}

/// The company behind the portal.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Company")]
struct CompanyView {
    name: String,
    /// Its part of the portal's address. It never changes.
    slug: String,
    #[oai(nullable)]
    legal_name: Option<String>,
    #[oai(nullable)]
    street_address: Option<String>,
    #[oai(nullable)]
    phone: Option<String>,
    #[oai(nullable)]
    email: Option<String>,
    #[oai(nullable)]
    website: Option<String>,
    #[oai(nullable)]
    tax_number: Option<String>,
    /// IANA time zone: where a day begins.
    time_zone: String,
    /// ISO 4217.
    currency: String,
    /// ISO 3166-1, two letters.
    country: String,
    /// What the company calls an area.
    area_word: String,
    /// The accent colour, `#rrggbb`.
    accent: String,
    has_logo: bool,
    /// Origins whose scripts may call this API.
    cors_origins: Vec<String>,
    version: i32,
    updated_at: DateTime<Utc>,
}

impl CompanyView {
    fn of(by: &By, company: Company) -> Self {
        let Company { region, profile } = company;
        Self {
            name: region.name,
            slug: by.tenant.slug.to_string(),
            legal_name: profile.legal_name,
            street_address: profile.street_address,
            phone: profile.phone,
            email: profile.email,
            website: profile.website,
            tax_number: profile.tax_number,
            time_zone: region.time_zone,
            currency: region.currency,
            country: region.country,
            area_word: profile.area_word,
            accent: profile.accent,
            has_logo: profile.logo.is_some(),
            cors_origins: profile.cors_origins,
            version: profile.version,
            updated_at: profile.updated_at,
        }
    }
}

/// What is to change; what is left out stays, null empties.
#[derive(Debug, Object)]
struct CompanyBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    legal_name: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 500))]
    street_address: MaybeUndefined<String>,
    /// Kept as E.164 where the country's plan knows the number.
    #[oai(nullable, validator(max_length = 40))]
    phone: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 254))]
    email: MaybeUndefined<String>,
    /// An http or https address.
    #[oai(nullable, validator(max_length = 200))]
    website: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 50))]
    tax_number: MaybeUndefined<String>,
    /// IANA time zone, such as `Asia/Manila`.
    #[oai(validator(max_length = 64))]
    time_zone: Option<String>,
    /// ISO 4217, such as `PHP`.
    #[oai(validator(min_length = 3, max_length = 3))]
    currency: Option<String>,
    /// ISO 3166-1, such as `PH`.
    #[oai(validator(min_length = 2, max_length = 2))]
    country: Option<String>,
    #[oai(validator(min_length = 1, max_length = 30))]
    area_word: Option<String>,
    /// Exact https origins, such as `https://shop.example.com`.
    #[oai(validator(max_items = 20))]
    cors_origins: Option<Vec<String>>,
}

impl From<CompanyBody> for Typed {
    fn from(body: CompanyBody) -> Self {
        fn text(sent: MaybeUndefined<String>) -> Option<String> {
            match sent {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(String::new()),
                MaybeUndefined::Value(text) => Some(text),
            }
        }
        Self {
            name: body.name,
            legal_name: text(body.legal_name),
            street_address: text(body.street_address),
            phone: text(body.phone),
            email: text(body.email),
            website: text(body.website),
            tax_number: text(body.tax_number),
            time_zone: body.time_zone,
            currency: body.currency,
            country: body.country,
            area_word: body.area_word,
            cors_origins: body.cors_origins,
        }
    }
}

/// How far a domain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
enum DomainStatus {
    /// Waiting for its proof.
    Pending,
    /// The proof was there: it can be activated.
    Proved,
    /// Served.
    Active,
    /// The proof of a served domain went away.
    Lost,
}

/// A domain of the company's own.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Domain")]
struct DomainView {
    id: Uuid,
    domain: String,
    status: DomainStatus,
    /// The name of the TXT record that proves the domain.
    proof_name: String,
    /// The value of that record.
    proof_value: String,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    proved_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    checked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Domain> for DomainView {
    type Error = Error;

    fn try_from(domain: Domain) -> Result<Self> {
        Ok(Self {
            id: domain.id.0,
            status: match domain.status.as_str() {
                "pending" => DomainStatus::Pending,
                "proved" => DomainStatus::Proved,
                "active" => DomainStatus::Active,
                "lost" => DomainStatus::Lost,
                other => return Err(Error::internal(format!("a domain of status {other}"))),
            },
            domain: domain.domain,
            proof_name: domain.proof_name,
            proof_value: domain.proof_value,
            created_at: domain.created_at,
            proved_at: domain.proved_at,
            checked_at: domain.checked_at,
        })
    }
}

/// All domains of the company; there are never many.
#[derive(Debug, Serialize, Object)]
struct DomainList {
    items: Vec<DomainView>,
    /// Always null.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
enum CertificateStatus {
    /// Ordered, or about to be.
    Waiting,
    /// There, and good. It is renewed by itself.
    Held,
    /// The authority refused the order. It is made again by itself, ever more seldom.
    Refused,
}

/// What the certificate authority found wrong at the last order.
#[derive(Debug, Serialize, Object)]
struct CertificateProblem {
    /// `not_reached`, `not_allowed`, `refused`, `rate_limited`, `authority_away` or `internal`.
    code: String,
    /// In the authority's own words.
    detail: String,
}

/// The certificate that browsers are shown at a domain.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Certificate")]
struct CertificateView {
    status: CertificateStatus,
    /// Until when the one that is held is good.
    #[oai(nullable)]
    ends_at: Option<DateTime<Utc>>,
    /// When it was ordered last.
    #[oai(nullable)]
    tried_at: Option<DateTime<Utc>>,
    /// When it is ordered next.
    #[oai(nullable)]
    next_order_at: Option<DateTime<Utc>>,
    /// Of the last order; one that is held may have such a one when its renewal was refused.
    #[oai(nullable)]
    problem: Option<CertificateProblem>,
}

impl From<Option<Certificate>> for CertificateView {
    fn from(known: Option<Certificate>) -> Self {
        let Some(known) = known else {
            let status = CertificateStatus::Waiting;
            return Self { status, ends_at: None, tried_at: None, next_order_at: None, problem: None };
        };
        Self {
            status: match &known.problem {
                _ if known.is_good(Utc::now()) => CertificateStatus::Held,
                Some(_) => CertificateStatus::Refused,
                None => CertificateStatus::Waiting,
            },
            ends_at: known.ends_at,
            tried_at: known.tried_at,
            next_order_at: Some(known.due_at),
            problem: known.problem.map(|(code, detail)| CertificateProblem { code, detail }),
        }
    }
}

/// A domain to add.
#[derive(Debug, Object)]
struct NewDomainBody {
    /// A domain name, such as `portal.example.com`.
    #[oai(validator(min_length = 4, max_length = 253))]
    domain: String,
}

/// Operations on the settings.
pub struct SettingsApi {
    access: Access,
    registry: Registry,
    settings: Arc<Settings>,
    dns: Dns,
}

impl SettingsApi {
    pub fn new(access: Access, registry: Registry, settings: Arc<Settings>, dns: Dns) -> Self {
        Self { access, registry, settings, dns }
    }

    fn must_order_certificates(&self) -> Result<()> {
        self.settings.acme.directory.as_ref().map(drop).ok_or(Error::not_found("certificate"))
    }
}

#[OpenApi(tag = "Tag::Settings")]
impl SettingsApi {
    /// Show the company.
    #[oai(path = "/company", method = "get")]
    async fn get_company(&self, by: ApiUser<ManageSettings>) -> Result<Json<CompanyView>> {
        let company = rules::company(self.registry.db(), &by).await?;
        Ok(Json(CompanyView::of(&by, company)))
    }

    /// Change the company.
    #[oai(path = "/company", method = "patch")]
    async fn change_company(
        &self,
        by: ApiUser<ManageSettings>,
        body: Body<CompanyBody>,
    ) -> Result<Json<CompanyView>> {
        let company = rules::change_company(&self.access, &self.registry, &by, &body.0.into()).await?;
        Ok(Json(CompanyView::of(&by, company)))
    }

    /// List the company's own domains.
    #[oai(path = "/domains", method = "get")]
    async fn list_domains(&self, by: ApiUser<ManageSettings>) -> Result<Json<DomainList>> {
        let found = domains::list(&self.registry, &by).await?;
        let items = found.into_iter().map(DomainView::try_from).collect::<Result<_>>()?;
        Ok(Json(DomainList { items, next_cursor: None }))
    }

    /// Add a domain. It is served once its TXT record proves it and it was activated.
    #[oai(path = "/domains", method = "post")]
    async fn add_domain(
        &self,
        by: ApiUser<ManageSettings>,
        body: Body<NewDomainBody>,
    ) -> Result<Created<DomainView>> {
        let added = domains::add(&self.registry, &self.settings.base_domain, &by, &body.0.domain).await?;
        Ok(Created(added.try_into()?))
    }

    /// Look up a domain's proof now.
    #[oai(path = "/domains/:id/check", method = "post")]
    async fn check_domain(&self, by: ApiUser<ManageSettings>, id: Path<Uuid>) -> Result<Json<DomainView>> {
        let checked = domains::check(&self.registry, &self.dns, &by, id.0.into()).await?;
        Ok(Json(checked.try_into()?))
    }

    /// Serve a domain whose proof can be seen now.
    #[oai(path = "/domains/:id/activate", method = "post")]
    async fn activate_domain(&self, by: ApiUser<ManageSettings>, id: Path<Uuid>) -> Result<Json<DomainView>> {
        let active = domains::activate(&self.registry, &self.dns, &by, id.0.into()).await?;
        Ok(Json(active.try_into()?))
    }

    /// Show the certificate of a domain that is served. 404 where certificates are not ordered by this deployment.
    #[oai(path = "/domains/:id/certificate", method = "get")]
    async fn get_certificate(
        &self,
        by: ApiUser<ManageSettings>,
        id: Path<Uuid>,
    ) -> Result<Json<CertificateView>> {
        self.must_order_certificates()?;
        let known = domains::certificate(&self.registry, &by, id.0.into()).await?;
        Ok(Json(known.into()))
    }

    /// Order the certificate of a served domain again at once, five minutes after a refusal at the earliest.
    #[oai(path = "/domains/:id/certificate", method = "post")]
    async fn order_certificate(
        &self,
        by: ApiUser<ManageSettings>,
        id: Path<Uuid>,
    ) -> Result<Json<CertificateView>> {
        self.must_order_certificates()?;
        domains::order_certificate_again(&self.registry, &by, id.0.into()).await?;
        let known = domains::certificate(&self.registry, &by, id.0.into()).await?;
        Ok(Json(known.into()))
    }

    /// Remove a domain. Visitors of it no longer reach the portal.
    #[oai(path = "/domains/:id", method = "delete")]
    async fn remove_domain(&self, by: ApiUser<ManageSettings>, id: Path<Uuid>) -> Result<NoContent> {
        domains::remove(&self.registry, &by, id.0.into()).await?;
        Ok(NoContent)
    }
}
