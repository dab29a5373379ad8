//! Signing a provider up: all of it or nothing, and the same answer to the same request.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    approvals::{self, Mode},
    captcha::Captcha,
};
use crate::{
    access::{self, Access, NewOwner},
    db::{Db, OnConstraint, OwnerTx},
    error::{Error, OrInternal, Result},
    mail::PlatformPost,
    secrets::{DataKey, Keyring},
    tenancy::{self, NewTenant, Registry, Resolver},
    types::{Check, Country, Currency, EmailAddress, Slug, StaffId, TenantId, TimeZone, line},
    web::Origin,
};

const NAME_MAX_CHARS: usize = 100;
const PROPOSALS_MAX: u32 = 20;
const DEFAULT_COUNTRY: &str = "PH";
const DEFAULT_CURRENCY: &str = "PHP";
const DEFAULT_TIME_ZONE: &str = "Asia/Manila";

/// What somebody who signs a provider up typed.
#[derive(Debug, Clone, Default)]
pub struct SignupInput {
    pub company_name: String,
    /// Proposed from the name when absent.
    pub slug: Option<String>,
    pub owner_name: String,
    pub owner_email: String,
    pub password: String,
    pub time_zone: Option<String>,
    pub currency: Option<String>,
    pub country: Option<String>,
}

/// The same, parsed. The fields of errors are named as the API names them.
#[derive(Debug, Clone)]
pub struct NewSignup {
    pub(super) company_name: String,
    slug: Option<Slug>,
    owner_name: String,
    owner_email: EmailAddress,
    password: String,
    pub(super) time_zone: TimeZone,
    pub(super) currency: Currency,
    pub(super) country: Country,
}

impl NewSignup {
    /// Every wrong field at once.
    pub fn parse(input: SignupInput) -> Result<Self> {
        let mut check = Check::new();
        let company_name = check.field("company_name", line(&input.company_name, NAME_MAX_CHARS));
        let slug = input.slug.as_deref().map(str::trim).filter(|slug| !slug.is_empty());
        // Some(None) is a slug that was given and is wrong.
        let slug = slug.map(|slug| check.field("slug", Slug::parse_field(slug)));
        let owner_name = check.field("owner.name", line(&input.owner_name, NAME_MAX_CHARS));
        let owner_email = check.field("owner.email", EmailAddress::parse(&input.owner_email));
        check.field(
            "owner.password",
            access::check_password(&input.password, &[&input.owner_email, &input.owner_name]),
        );
        let given = |value: &Option<String>, default: &str| {
            value.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(default).to_owned()
        };
        let time_zone =
            check.field("time_zone", TimeZone::parse(&given(&input.time_zone, DEFAULT_TIME_ZONE)));
        let currency = check.field("currency", Currency::parse(&given(&input.currency, DEFAULT_CURRENCY)));
        let country = check.field("country", Country::parse(&given(&input.country, DEFAULT_COUNTRY)));
        let whole = (|| {
            Some(Self {
                company_name: company_name?,
                slug: match slug {
                    Some(given) => Some(given?),
                    None => None,
                },
                owner_name: owner_name?,
                owner_email: owner_email?,
                password: input.password,
                time_zone: time_zone?,
                currency: currency?,
                country: country?,
            })
        })();
        check.finish(whole)
    }

    /// One that was parsed before and kept without its password.
    pub(super) fn kept(
        (company_name, slug): (String, String),
        (owner_name, owner_email): (String, EmailAddress),
        (time_zone, currency, country): (String, String, String),
    ) -> Result<Self> {
        let odd = |_wrong| Error::internal("a sign-up that was kept is odd");
        Ok(Self {
            company_name,
            slug: Some(Slug::parse_field(&slug).map_err(odd)?),
            owner_name,
            owner_email,
            password: String::new(),
            time_zone: TimeZone::parse(&time_zone).map_err(odd)?,
            currency: Currency::parse(&currency).map_err(odd)?,
            country: Country::parse(&country).map_err(odd)?,
        })
    }

    /// What makes two requests the same request. The password is left out: its hash must not lie about.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let slug = self.slug.as_ref().map_or("", Slug::as_str);
        let parts = [
            self.company_name.as_str(),
            slug,
            &self.owner_name,
            self.owner_email.as_str(),
            &self.time_zone.to_string(),
            self.currency.as_str(),
            self.country.as_str(),
        ];
        Sha256::digest(parts.join("\u{1f}")).to_vec()
    }
}

/// What a sign-up answers with.
#[derive(Debug, Clone, Serialize, Deserialize, poem_openapi::Object)]
pub struct SignedUp {
    pub tenant: SignedUpTenant,
    pub owner: SignedUpOwner,
}

#[derive(Debug, Clone, Serialize, Deserialize, poem_openapi::Object)]
pub struct SignedUpTenant {
    pub id: Uuid,
    pub slug: String,
    /// Where the provider's portal is.
    pub host: String,
    pub portal_url: String,
    /// `active`, or `pending` while somebody of the platform has to approve it.
    pub status: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, poem_openapi::Object)]
pub struct SignedUpOwner {
    /// None while the sign-up waits to be approved.
    pub id: Option<Uuid>,
    pub email: String,
}

impl SignedUp {
    /// One that waits to be approved.
    pub(super) fn pending(tenant: SignedUpTenant, email: String) -> Self {
        Self { tenant, owner: SignedUpOwner { id: None, email } }
    }

    pub fn is_pending(&self) -> bool {
        self.tenant.status == "pending"
    }
}

/// A sign-up that was done, now or before.
pub struct Done {
    pub answer: SignedUp,
    /// Signs the owner in on the new portal, once. None when the sign-up was done before.
    pub landing_code: Option<String>,
}

/// Signs providers up.
pub struct Signups {
    resolver: Resolver,
    keyring: Arc<Keyring>,
    access: Access,
    post: PlatformPost,
    door: SignupDoor,
}

/// What is asked of those who come to the door by themselves.
#[derive(Clone)]
pub struct SignupDoor {
    pub allow_disposable: bool,
    pub captcha: Option<Captcha>,
}

impl SignupDoor {
    /// Whether somebody with this address and this proof of being a person may go on.
    async fn admit(&self, email: &EmailAddress, token: &str, origin: Option<&Origin>) -> Result<()> {
        if !self.allow_disposable && is_disposable(email) {
            let detail = "Take an address that lasts: this one is thrown away after use.";
            return Err(Error::invalid("owner.email", "disposable", detail));
        }
        match &self.captcha {
            Some(captcha) => captcha.check(token, origin).await,
            None => Ok(()),
        }
    }
}

/// Domains of providers of throw-away mail.
static DISPOSABLE: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| mailchecker::blacklist().into_iter().collect());

/// Whether its domain is such a provider's, or lies below one.
fn is_disposable(email: &EmailAddress) -> bool {
    let domain = email.as_str().rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
    let above =
        std::iter::successors(Some(domain.as_str()), |domain| domain.split_once('.').map(|(_, rest)| rest));
    above.into_iter().any(|domain| DISPOSABLE.contains(domain))
}

impl Signups {
    pub fn new(
        resolver: Resolver,
        keyring: Arc<Keyring>,
        access: Access,
        post: PlatformPost,
        door: SignupDoor,
    ) -> Self {
        Self { resolver, keyring, access, post, door }
    }

    /// What a page has to show of the captcha.
    pub fn captcha(&self) -> Option<&Captcha> {
        self.door.captcha.as_ref()
    }

    pub(super) fn db(&self) -> &Db {
        self.resolver.registry().db()
    }

    pub(super) fn registry(&self) -> &Registry {
        self.resolver.registry()
    }

    pub(super) fn post(&self) -> &PlatformPost {
        &self.post
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether a slug can be had; the reason when not.
    pub async fn availability(&self, text: &str) -> Result<Option<&'static str>> {
        match Slug::parse(text) {
            Err(problem) => Ok(Some(problem.as_str())),
            Ok(slug) => Ok(self.is_taken(&slug).await?.then_some("taken")),
        }
    }

    async fn is_taken(&self, slug: &Slug) -> Result<bool> {
        let found = self
            .resolver
            .registry()
            .db()
            .read_public(async |tx| {
                let found = tx
                    .query_opt("SELECT 1 FROM public.tenant_slug WHERE slug = $1", &[&slug.as_str()])
                    .await?;
                Ok(found.is_some() || approvals::is_waited_for(tx, slug).await?)
            })
            .await?;
        Ok(found)
    }

    /// A free slug made from a company's name.
    pub async fn propose(&self, company_name: &str) -> Result<Slug> {
        let first = Slug::propose(company_name);
        if !self.is_taken(&first).await? {
            return Ok(first);
        }
        for n in 2..PROPOSALS_MAX {
            let next = first.numbered(n);
            if !self.is_taken(&next).await? {
                return Ok(next);
            }
        }
        let random: u32 = rand::random();
        Ok(first.numbered(10_000 + random % 90_000))
    }

    /// The same for somebody who comes to the door: as the platform's settings have it, at once, after an approval, or not at all.
    /// `captcha` is what the captcha's script gave, where there is one.
    pub async fn ask(
        &self,
        new: NewSignup,
        key: Option<&str>,
        captcha: &str,
        origin: Option<&Origin>,
    ) -> Result<Done> {
        // The same request again is not asked again: a captcha's token counts once.
        let key_hash = key.map(|key| Sha256::digest(key).to_vec());
        if let Some(hash) = &key_hash
            && let Some(answer) = self.done_before(hash, &new).await?
        {
            return Ok(Done { answer, landing_code: None });
        }
        let mode = approvals::mode(self.db()).await?;
        if mode == Mode::Closed {
            return Err(Error::forbidden("signups_closed", "Nobody can sign up here right now."));
        }
        self.door.admit(&new.owner_email, captcha, origin).await?;
        self.registry().sightings().signed_up();
        if mode == Mode::Open {
            return self.sign_up(new, key, origin).await;
        }
        let password_hash = access::hash_password(&new.password).await?;
        let owner = NewOwner { name: new.owner_name.clone(), email: new.owner_email.clone(), password_hash };
        self.hold(&new, &owner, key_hash.as_deref(), origin).await
    }

    /// The slug that was asked for, or one made from the name.
    pub(super) async fn slug_for(&self, new: &NewSignup) -> Result<Slug> {
        match &new.slug {
            Some(slug) => Ok(slug.clone()),
            None => self.propose(&new.company_name).await,
        }
    }

    /// Makes the tenant, its owner and its default roles in one transaction. The same key with the same request answers what
    /// it answered before; with another request it is 422.
    pub async fn sign_up(&self, new: NewSignup, key: Option<&str>, origin: Option<&Origin>) -> Result<Done> {
        let key_hash = key.map(|key| Sha256::digest(key).to_vec());
        if let Some(hash) = &key_hash
            && let Some(answer) = self.done_before(hash, &new).await?
        {
            return Ok(Done { answer, landing_code: None });
        }
        let password_hash = access::hash_password(&new.password).await?;
        let owner = NewOwner { name: new.owner_name.clone(), email: new.owner_email.clone(), password_hash };
        match self.make(&new, &owner, key_hash.as_deref(), origin).await {
            // The same request may have been served at this very moment: then it took the key, or the slug, first.
            Err(Error::Conflict { code, detail }) => {
                let done = match &key_hash {
                    Some(hash) => self.done_before(hash, &new).await?,
                    None => None,
                };
                done.map(|answer| Done { answer, landing_code: None }).ok_or(Error::Conflict { code, detail })
            }
            other => other,
        }
    }

    async fn make(
        &self,
        new: &NewSignup,
        owner: &NewOwner,
        key_hash: Option<&[u8]>,
        origin: Option<&Origin>,
    ) -> Result<Done> {
        self.provide(new, owner, (TenantId::new(), key_hash), origin, async |_tx| Ok(())).await
    }

    /// The tenant of a sign-up that was approved, with what `decide` writes down.
    pub(super) async fn make_decided(
        &self,
        new: &NewSignup,
        owner: &NewOwner,
        id: TenantId,
        key_hash: Option<&[u8]>,
        decide: impl AsyncFnOnce(&OwnerTx) -> Result<()> + Clone,
    ) -> Result<()> {
        self.provide(new, owner, (id, key_hash), None, decide).await.map(drop)
    }

    async fn provide(
        &self,
        new: &NewSignup,
        owner: &NewOwner,
        (id, key_hash): (TenantId, Option<&[u8]>),
        origin: Option<&Origin>,
        decide: impl AsyncFnOnce(&OwnerTx) -> Result<()> + Clone,
    ) -> Result<Done> {
        let slug = self.slug_for(new).await?;
        let wrapped = self.keyring.wrap(id.0, &DataKey::generate(1)?).await?;
        let tenant = NewTenant {
            id,
            slug,
            name: new.company_name.clone(),
            time_zone: new.time_zone,
            currency: new.currency.clone(),
            country: new.country.clone(),
            wrapped_key: (wrapped.master_version, wrapped.bytes),
            asked_by: format!("sign-up of {}", owner.email),
        };
        let answer = self.answer_of(&tenant, owner);
        let fingerprint = new.fingerprint();
        let (_, (staff, landing_code)) = tenancy::provision(self.resolver.registry(), &tenant, async |owner_tx, tx| {
            decide(owner_tx).await?;
            let staff = access::seed_tenant(tx, self.access.catalogue(), owner, origin).await?;
            let landing_code = access::issue_landing(tx, staff).await?;
            if let Some(hash) = key_hash {
                let body = serde_json::to_value(answer(staff)).internal()?;
                owner_tx
                    .execute(
                        "INSERT INTO public.signup (key_hash, request_hash, tenant_id, answer) VALUES ($1, $2, $3, $4)",
                        &[&hash, &fingerprint, &id, &body],
                    )
                    .await
                    .on_constraint("signup_pkey", || {
                        Error::conflict("signup_in_flight", "The same sign-up was done at this moment.")
                    })?;
            }
            Ok((staff, landing_code))
        })
        .await?;
        Ok(Done { answer: answer(staff), landing_code: Some(landing_code) })
    }

    fn answer_of(
        &self,
        tenant: &NewTenant,
        owner: &NewOwner,
    ) -> impl Fn(StaffId) -> SignedUp + Clone + use<> {
        let email = owner.email.to_string();
        let tenant_view = self.view_of(tenant.id, &tenant.slug, "active");
        move |staff| SignedUp {
            tenant: tenant_view.clone(),
            owner: SignedUpOwner { id: Some(staff.0), email: email.clone() },
        }
    }

    pub(super) fn view_of(&self, id: TenantId, slug: &Slug, status: &str) -> SignedUpTenant {
        let host = self.resolver.host_under_base(slug);
        SignedUpTenant {
            id: id.0,
            slug: slug.to_string(),
            portal_url: self.resolver.url(&host),
            host,
            status: status.into(),
        }
    }

    async fn done_before(&self, key_hash: &[u8], new: &NewSignup) -> Result<Option<SignedUp>> {
        let found = self
            .db()
            .read_public(async |tx| {
                let row = tx
                    .query_opt(
                        "SELECT request_hash, answer FROM public.signup WHERE key_hash = $1",
                        &[&key_hash],
                    )
                    .await?;
                match row {
                    Some(row) => Ok(Some((row.get("request_hash"), row.get("answer")))),
                    None => approvals::find_answer(tx, key_hash).await,
                }
            })
            .await?;
        let Some((known, answer)): Option<(Vec<u8>, serde_json::Value)> = found else { return Ok(None) };
        if known != new.fingerprint() {
            return Err(Error::invalid(
                "Idempotency-Key",
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request.",
            ));
        }
        serde_json::from_value(answer).internal().map(Some)
    }
}
