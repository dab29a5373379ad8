//! Who a cookie, a token or a key stands for. Answers are kept by the hash of the credential and believed only while nothing
//! of that tenant's access changed, so that a request costs no statement here.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use poem::{Request, http::header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    by::{By, Credential, Rights},
    gate::{Access, PageCaller},
    keys::{self, Networks},
    machines::{self, Admitted},
    profile_store::{language_of, zone_of},
    right::Catalogue,
    shell::Frame,
    store,
    support::{self, Kind as SupportKind, Stay},
};
use crate::{
    audit::{Actor, ActorKind},
    db::TenantTx,
    error::{Error, Result},
    tenancy::{Epoch, Tenant},
    types::{ApiKeyId, FileId, SessionId, StaffId, TenantId, TimeZone},
    web::{CallerNote, Origin},
    words::{Language, in_english},
};

/// Which of these hashes are those of keys, sessions or refresh tokens of the entered tenant, whether they count still or not.
pub async fn known_here(tx: &TenantTx, hashes: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    store::list_known(tx, hashes).await
}

/// What every API key begins with.
pub(super) const KEY_PREFIX: &str = "lm_live_";
/// A longer credential is not looked at: 8 KiB.
const TOKEN_MAX_BYTES: usize = 8_192;
/// How often the last use of a session is written down.
const TOUCH_SECONDS: i64 = 60;

/// The SHA-256 of a credential: what is stored and looked up in its place.
pub type TokenHash = [u8; 32];

/// The hash under which a credential is kept.
pub fn hash_of(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Session,
    AccessToken,
    ApiKey,
    MachineToken,
}

impl Kind {
    /// What comes in `Authorization`.
    fn of_bearer(token: &str) -> Self {
        if token.starts_with(KEY_PREFIX) {
            Self::ApiKey
        } else if machines::is_foreign(token) {
            Self::MachineToken
        } else {
            Self::AccessToken
        }
    }
}

/// A credential counts in one tenant only, and as one kind of thing only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    tenant: TenantId,
    kind: Kind,
    hash: TokenHash,
}

/// A credential that was found good, and what it stands for.
pub(super) struct Verified {
    /// None when it was loaded while nobody listened for changes: such an answer is not kept.
    epoch: Option<Epoch>,
    credential: Credential,
    actor: Actor,
    rights: Rights,
    /// From where a key counts.
    networks: Networks,
    /// A role asks for a second factor that the person has not set up.
    must_enrol: bool,
    /// Seconds since 1970; `i64::MAX` for a key without end.
    expires_at: i64,
    /// When the person showed last that it is them; None for a key.
    proved_at: Option<i64>,
    /// The sign-in that an access token is of.
    sign_in: Option<Uuid>,
    browser: Option<Browser>,
    /// When its last use was written down.
    written_at: AtomicI64,
}

struct Browser {
    session: SessionId,
    staff: StaffId,
    name: String,
    email: String,
    avatar: Option<FileId>,
    /// In which zone they read times; None for the tenant's.
    zone: Option<TimeZone>,
    /// In which language they read; None for the one that their browser asks for.
    language: Option<Language>,
    role: String,
    frame: Frame,
    seen_at: AtomicI64,
}

impl Verified {
    fn counts_at(&self, now: i64) -> bool {
        let idle = self.browser.as_ref().is_some_and(|browser| {
            now - browser.seen_at.load(Ordering::Relaxed) >= store::SESSION_IDLE_SECONDS
        });
        now < self.expires_at && !idle
    }

    fn by(&self, tenant: &Tenant, request: &Request) -> By {
        CallerNote::tell(request, self.actor.kind.as_str(), self.actor.id);
        self.by_from(tenant, request.extensions().get::<Origin>().cloned())
    }

    fn by_from(&self, tenant: &Tenant, origin: Option<Origin>) -> By {
        By {
            tenant: tenant.clone(),
            actor: self.actor.clone(),
            origin,
            rights: self.rights.clone(),
            credential: self.credential,
            proved_at: self.proved_at,
            sign_in: self.sign_in,
        }
    }
}

pub(super) fn now() -> i64 {
    Utc::now().timestamp()
}

fn seconds(at: Option<DateTime<Utc>>) -> i64 {
    at.map_or(i64::MAX, |at| at.timestamp())
}

/// The one credential in `Authorization`. The API takes no cookies.
fn bearer(request: &Request) -> Result<&str> {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    let value = given.next().ok_or_else(|| {
        Error::unauthenticated(
            "no_credential",
            "Send an access token or an API key in Authorization: Bearer.",
        )
    })?;
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    match (token, given.next()) {
        (Some(token), None) if token.len() > TOKEN_MAX_BYTES => {
            Err(Error::unauthenticated("token_too_large", "A credential has at most 8 KiB."))
        }
        (Some(token), None) => Ok(token),
        _ => Err(foreign()),
    }
}

fn foreign() -> Error {
    Error::unauthenticated("bad_credential", "This credential does not count here, or not any more.")
}

impl Access {
    /// The caller of the API: an access token, an API key or a token of an outside issuer in `Authorization: Bearer`. 401 without
    /// one that counts here.
    pub async fn api_caller(&self, request: &Request, tenant: &Tenant) -> Result<By> {
        let token = bearer(request)?;
        let kind = Kind::of_bearer(token);
        let known = self.verified(tenant, kind, token).await?.ok_or_else(foreign)?;
        let by = known.by(tenant, request);
        self.must_count_from_there(&known, &by).await?;
        if known.must_enrol {
            return Err(Error::forbidden(
                "mfa_enrolment_required",
                "Your role asks for two-step sign-in. Set it up in the portal, on your account's page, then sign in again.",
            ));
        }
        Ok(by)
    }

    /// 403 for a key that came from where it does not count: counted, and written down now and then.
    async fn must_count_from_there(&self, known: &Verified, by: &By) -> Result<()> {
        if known.networks.allow(by.origin.as_ref().map(|origin| origin.address)) {
            return Ok(());
        }
        self.count_use(by, true);
        self.tell_of_network(by).await;
        Err(Error::forbidden("network_not_allowed", "This key does not count from this address."))
    }

    /// The person behind the session cookie, or None when there is none that counts here.
    pub async fn page_caller(&self, request: &Request, tenant: &Tenant) -> Result<Option<PageCaller>> {
        let Some(cookie) = self.read_cookie(request, super::sessions::COOKIE) else { return Ok(None) };
        if cookie.is_empty() || cookie.len() > TOKEN_MAX_BYTES {
            return Ok(None);
        }
        let Some(known) = self.verified(tenant, Kind::Session, cookie).await? else { return Ok(None) };
        let Some(browser) = &known.browser else { return Ok(None) };
        Ok(Some(PageCaller {
            by: known.by(tenant, request),
            session: browser.session,
            staff: browser.staff,
            name: browser.name.clone(),
            email: browser.email.clone(),
            avatar: browser.avatar,
            zone: browser.zone,
            language: browser.language,
            role: browser.role.clone(),
            must_enrol: known.must_enrol,
            frame: browser.frame.clone(),
            cookie: SecretString::from(cookie),
        }))
    }

    async fn verified(&self, tenant: &Tenant, kind: Kind, token: &str) -> Result<Option<Arc<Verified>>> {
        let found = self.looked_up(tenant, kind, token).await?;
        if let Some(found) = &found {
            self.touch(tenant, found, now());
        }
        Ok(found)
    }

    /// The same without counting as a use of the credential.
    async fn looked_up(&self, tenant: &Tenant, kind: Kind, token: &str) -> Result<Option<Arc<Verified>>> {
        let parts = &self.0;
        let key = CacheKey { tenant: tenant.id(), kind, hash: hash_of(token) };
        let epoch = parts.news.access_epoch(tenant.id());
        let now = now();
        if epoch.is_some()
            && let Some(known) = parts.verified.get(&key).await
            && known.epoch == epoch
            && known.counts_at(now)
        {
            return Ok(Some(known));
        }
        let found = match kind {
            Kind::Session if token.starts_with(support::PREFIX) => {
                self.load_support(tenant, &key.hash).await?
            }
            Kind::Session => self.load_session(tenant, &key.hash).await?,
            Kind::AccessToken => self.load_access_token(tenant, token).await?,
            Kind::ApiKey => self.load_key(tenant, &key.hash).await?,
            Kind::MachineToken => self.load_machine(tenant, token).await?,
        };
        if found.is_none() && matches!(kind, Kind::Session | Kind::ApiKey) {
            parts.registry.sightings().unknown_credential(tenant.id(), &key.hash);
        }
        let Some(mut found) = found.filter(|found| found.counts_at(now)) else { return Ok(None) };
        found.epoch = epoch;
        let found = Arc::new(found);
        if epoch.is_some() {
            parts.verified.insert(key, found.clone()).await;
        }
        Ok(Some(found))
    }

    async fn load_session(&self, tenant: &Tenant, hash: &TokenHash) -> Result<Option<Verified>> {
        let rows =
            self.0.db.read_tenant(tenant, async |tx| store::list_session_roles(tx, hash).await).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let person = Person::of(&rows, row, &self.0.catalogue);
        let seen_at: DateTime<Utc> = row.get("last_seen_at");
        let browser = Browser {
            session: row.get("session_id"),
            staff: person.id,
            name: person.name.clone(),
            email: row.get("email"),
            avatar: row.get("avatar_file_id"),
            zone: zone_of(row),
            language: language_of(row),
            role: person.roles.join(", "),
            frame: match person.must_enrol {
                // Nothing of it would open.
                true => Frame::of(&self.0.catalogue, &[], &Rights::default()),
                false => Frame::of(&self.0.catalogue, &self.0.nav, &person.rights),
            },
            seen_at: AtomicI64::new(seen_at.timestamp()),
        };
        let expires_at = seconds(row.get("expires_at"));
        Ok(Some(person.verified(expires_at, Some(browser), seen_at.timestamp())))
    }

    /// A stay of the platform's support: no staff of the tenant's, and over with its grant.
    async fn load_support(&self, tenant: &Tenant, hash: &TokenHash) -> Result<Option<Verified>> {
        let stay = self.0.db.read_tenant(tenant, async |tx| support::find_stay(tx, hash).await).await?;
        let Some(Stay { session, grant, name, email, kind, expires_at }) = stay else { return Ok(None) };
        let rights = support::rights_of(&self.0.catalogue, kind);
        let browser = Browser {
            session: SessionId(session),
            staff: StaffId(Uuid::nil()),
            name: name.clone(),
            email,
            avatar: None,
            zone: None,
            language: None,
            role: format!("Support, {}", in_english(|| kind.label()).to_lowercase()),
            frame: Frame::of(&self.0.catalogue, &self.0.nav, &rights),
            seen_at: AtomicI64::new(now()),
        };
        Ok(Some(Verified {
            epoch: None,
            credential: Credential::Support { grant, is_read_only: kind == SupportKind::Read },
            actor: Actor { kind: ActorKind::Support, id: Some(grant.0), label: name },
            rights,
            networks: Networks::default(),
            must_enrol: false,
            expires_at: expires_at.timestamp(),
            browser: Some(browser),
            proved_at: None,
            sign_in: None,
            // Its last use is in the trail.
            written_at: AtomicI64::new(i64::MAX),
        }))
    }

    async fn load_access_token(&self, tenant: &Tenant, token: &str) -> Result<Option<Verified>> {
        let Some(claims) = self.0.keys.signing.verify(token, &self.issuer()).await? else { return Ok(None) };
        if claims.tid != tenant.id().0 {
            self.0.registry.sightings().foreign_credential(tenant.id(), TenantId(claims.tid));
            return Ok(None);
        }
        let rows = self
            .0
            .db
            .read_tenant(tenant, async |tx| store::list_family_roles(tx, claims.fam, claims.sub.into()).await)
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let person = Person::of(&rows, row, &self.0.catalogue);
        let verified = person.verified(claims.exp, None, i64::MAX);
        Ok(Some(Verified { sign_in: Some(claims.fam), ..verified }))
    }

    async fn load_key(&self, tenant: &Tenant, hash: &TokenHash) -> Result<Option<Verified>> {
        let row = self.0.db.read_tenant(tenant, async |tx| keys::find_live_key(tx, hash).await).await?;
        let Some(row) = row else { return Ok(None) };
        let id: ApiKeyId = row.get("id");
        let scopes: Vec<String> = row.get("scopes");
        let permissions = self.0.catalogue.of_scopes(&scopes).map(|p| p.code.to_owned()).collect();
        let networks: Vec<String> = row.get("networks");
        Ok(Some(Verified {
            epoch: None,
            credential: Credential::ApiKey(id),
            actor: Actor { kind: ActorKind::ApiKey, id: Some(id.0), label: row.get("name") },
            rights: Rights { is_owner: false, permissions: Arc::new(permissions) },
            must_enrol: false,
            networks: Networks::kept(&networks)?,
            expires_at: seconds(row.get("counts_until")),
            proved_at: None,
            sign_in: None,
            browser: None,
            // Its use is counted, and written down with that.
            written_at: AtomicI64::new(i64::MAX),
        }))
    }

    /// A program that comes with a token of the tenant's outside issuer. 401 that says why for one that does not count.
    async fn load_machine(&self, tenant: &Tenant, token: &str) -> Result<Option<Verified>> {
        let admitted = self.admit_machine(tenant, token).await?;
        Ok(admitted.map(|Admitted { id, actor, rights, expires_at }| Verified {
            epoch: None,
            credential: Credential::Machine(id),
            actor,
            rights,
            networks: Networks::default(),
            must_enrol: false,
            expires_at,
            proved_at: None,
            sign_in: None,
            browser: None,
            written_at: AtomicI64::new(i64::MAX),
        }))
    }

    /// Remembers that the session was used, at most once a minute, without keeping the request waiting.
    fn touch(&self, tenant: &Tenant, known: &Verified, now: i64) {
        if let Some(browser) = &known.browser {
            browser.seen_at.store(now, Ordering::Relaxed);
        }
        let written = known.written_at.load(Ordering::Relaxed);
        if now.saturating_sub(written) < TOUCH_SECONDS
            || known.written_at.compare_exchange(written, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let (db, tenant) = (self.0.db.clone(), tenant.clone());
        let Some(session) = known.browser.as_ref().map(|browser| browser.session) else { return };
        tokio::spawn(async move {
            let touch = async |tx: &TenantTx| store::touch_session(tx, session).await;
            if let Err(error) = db.in_tenant(&tenant, touch).await {
                tracing::warn!(%error, "the last use of a session was not written down");
            }
        });
    }
}

/// A credential that outlives its request, as that of an open socket does: looked up again and again, because it may end or lose
/// rights meanwhile. Looking does not count as using it, so that a forgotten window does not keep a session alive.
#[derive(Clone)]
pub struct Held {
    access: Access,
    tenant: Tenant,
    kind: Kind,
    token: SecretString,
    origin: Option<Origin>,
}

impl Held {
    /// The credential of a request: the session's cookie, or else what stands in `Authorization`.
    pub fn of(access: &Access, tenant: &Tenant, request: &Request) -> Option<Self> {
        let origin = request.extensions().get::<Origin>().cloned();
        let cookie = access.read_cookie(request, super::sessions::COOKIE).filter(|cookie| !cookie.is_empty());
        match (cookie, bearer(request)) {
            (_, Ok(token)) => Some(Self::token(access, tenant, token, origin)),
            (Some(cookie), Err(_)) if cookie.len() <= TOKEN_MAX_BYTES => Some(Self {
                access: access.clone(),
                tenant: tenant.clone(),
                kind: Kind::Session,
                token: SecretString::from(cookie),
                origin,
            }),
            _ => None,
        }
    }

    /// An access token or an API key.
    pub fn token(access: &Access, tenant: &Tenant, token: &str, origin: Option<Origin>) -> Self {
        let kind = Kind::of_bearer(token);
        let token: String = token.chars().take(TOKEN_MAX_BYTES).collect();
        Self { access: access.clone(), tenant: tenant.clone(), kind, token: token.into(), origin }
    }

    /// Whether a browser sent it by itself.
    pub fn is_cookie(&self) -> bool {
        self.kind == Kind::Session
    }

    /// Whom it stands for at this moment, if it still counts. 403 for a key that came from where it does not count.
    pub async fn by(&self) -> Result<Option<By>> {
        let found = self.access.looked_up(&self.tenant, self.kind, self.token.expose_secret()).await?;
        let Some(found) = found.filter(|found| !found.must_enrol) else { return Ok(None) };
        let by = found.by_from(&self.tenant, self.origin.clone());
        self.access.must_count_from_there(&found, &by).await?;
        Ok(Some(by))
    }
}

/// A member of staff with the rights of all roles that are switched on.
struct Person {
    id: StaffId,
    name: String,
    roles: Vec<String>,
    rights: Rights,
    must_enrol: bool,
    proved_at: i64,
}

impl Person {
    fn of(rows: &[Row], row: &Row, catalogue: &Catalogue) -> Self {
        let mut roles = Vec::new();
        let mut permissions = BTreeSet::new();
        let mut is_owner = false;
        let mut must_enrol = false;
        for row in rows {
            let Some(role) = row.get::<_, Option<String>>("role_name") else { continue };
            roles.push(role);
            is_owner |= row.get::<_, bool>("is_owner");
            must_enrol |= row.get::<_, bool>("requires_mfa") && !row.get::<_, bool>("has_mfa");
            let codes: Vec<String> = row.get("permissions");
            permissions.extend(codes.into_iter().filter(|code| catalogue.find(code).is_some()));
        }
        let rights = Rights { is_owner, permissions: Arc::new(permissions) };
        let proved_at = row.get::<_, DateTime<Utc>>("proved_at").timestamp();
        Self { id: row.get("staff_id"), name: row.get("name"), roles, rights, must_enrol, proved_at }
    }

    fn verified(self, expires_at: i64, browser: Option<Browser>, written_at: i64) -> Verified {
        Verified {
            epoch: None,
            credential: Credential::Staff(self.id),
            actor: Actor { kind: ActorKind::Staff, id: Some(self.id.0), label: self.name },
            rights: self.rights,
            networks: Networks::default(),
            must_enrol: self.must_enrol,
            expires_at,
            proved_at: Some(self.proved_at),
            sign_in: None,
            browser,
            written_at: AtomicI64::new(written_at),
        }
    }
}
