//! Sign-ins of programs that act for a person: a short access token, and a refresh token that is replaced at every use.
//!
//! The tokens of one sign-in are a family. Who uses a refresh token that was used before holds a stolen one, or was robbed: the
//! family ends, and its access tokens with it.

use poem_openapi::Object;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    credentials::{TokenHash, hash_of, now},
    lockout,
    mfa::{self, Shown},
    sessions::random_token,
    sign_in::{AtDoor, Proven, admit},
    signing::{ACCESS_TOKEN_SECONDS, AUDIENCE, Claims},
    sso,
    store::{self, RefreshToken},
};
use crate::{
    audit::{self, Actor, ActorKind, Event},
    db::TenantTx,
    error::{Error, Result},
    secrets::DataKeys,
    types::StaffId,
};

/// So that scanners for leaked secrets know one when they see one.
const REFRESH_PREFIX: &str = "lm_refresh_";
const TOKEN_MAX_CHARS: usize = 200;

/// What a sign-in and a refresh answer with.
#[derive(Debug, Clone, Serialize, Object)]
pub struct TokensView {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// Good for one refresh.
    pub refresh_token: String,
    /// `Bearer`
    pub token_type: String,
    /// Seconds that the access token counts for.
    pub expires_in: i64,
}

/// A family with one token more.
struct Issued {
    staff: StaffId,
    family: Uuid,
    roles: Vec<String>,
    refresh_token: String,
}

/// How a sign-in went. A wrong code is remembered although it is refused.
enum SignIn {
    Issued(Issued),
    Refused(Error),
}

/// How a refresh went. A reuse is remembered although it is refused.
enum Refresh {
    Issued(Issued),
    Unknown,
    Reused,
}

fn dead_token() -> Error {
    Error::unauthenticated("bad_refresh_token", "This refresh token does not count here, or not any more.")
}

impl AtDoor {
    /// Signs a program in for a person.
    pub(super) async fn issue_tokens(
        &self,
        email: &str,
        password: &str,
        otp: Option<&str>,
    ) -> Result<TokensView> {
        let proven = self.prove(email, password).await?;
        let keys = self.access.0.keys.tenants.of(self.tenant.id()).await?;
        let sign_in = async |tx: &TenantTx| self.sign_program_in(tx, &keys, &proven, otp).await;
        match self.access.0.db.in_tenant(&self.tenant, sign_in).await? {
            SignIn::Issued(issued) => self.sign(issued).await,
            SignIn::Refused(refusal) => Err(refusal),
        }
    }

    async fn sign_program_in(
        &self,
        tx: &TenantTx,
        keys: &DataKeys,
        proven: &Proven,
        otp: Option<&str>,
    ) -> Result<SignIn> {
        let origin = self.origin.as_ref();
        if sso::is_closed_to(tx, proven.staff).await? {
            return self.refuse_right_password(tx, proven, sso::only()).await;
        }
        let passed = match otp {
            _ if !mfa::is_on(tx, proven.staff).await? => None,
            None => return self.refuse_right_password(tx, proven, mfa::missing()).await,
            Some(typed) => match mfa::check(tx, keys, (proven.staff, &proven.name), typed, origin).await? {
                Shown::Passed(passed) => Some(passed),
                Shown::Wrong => return self.refuse_right_password(tx, proven, mfa::wrong()).await,
                Shown::TooSoon(wait) => {
                    return self.refuse_right_password(tx, proven, mfa::too_soon(wait)).await;
                }
            },
        };
        admit(tx, proven, passed.as_ref(), origin, "api").await?;
        store::sweep_refresh_tokens(tx).await?;
        issue(tx, proven.staff, Uuid::now_v7()).await.map(SignIn::Issued)
    }

    /// The password was right, so that it counts as no failure.
    async fn refuse_right_password(&self, tx: &TenantTx, proven: &Proven, refusal: Error) -> Result<SignIn> {
        lockout::forgive(tx, &proven.charge).await?;
        Ok(SignIn::Refused(refusal))
    }

    /// Replaces a refresh token. The old one counts no more; using it again ends the whole sign-in.
    pub(super) async fn refresh_tokens(&self, refresh_token: &str) -> Result<TokensView> {
        let hash = short_hash(refresh_token).ok_or_else(dead_token)?;
        let outcome =
            self.access.0.db.in_tenant(&self.tenant, async |tx| self.replace(tx, &hash).await).await;
        if !matches!(outcome, Ok(Refresh::Issued(_) | Refresh::Unknown)) {
            self.access.0.news.access_changed(self.tenant.id());
        }
        match outcome? {
            Refresh::Issued(issued) => self.sign(issued).await,
            Refresh::Unknown | Refresh::Reused => Err(dead_token()),
        }
    }

    async fn replace(&self, tx: &TenantTx, hash: &TokenHash) -> Result<Refresh> {
        let Some(known) = store::lock_refresh_token(tx, hash).await? else {
            self.access.0.registry.sightings().unknown_credential(self.tenant.id(), hash);
            return Ok(Refresh::Unknown);
        };
        if known.is_used && !known.is_revoked {
            store::end_family(tx, known.family).await?;
            self.record(tx, &known, "staff.token_reused").await?;
            store::tell_access_changed(tx).await?;
            return Ok(Refresh::Reused);
        }
        if known.is_used || known.is_revoked || known.is_expired {
            return Ok(Refresh::Unknown);
        }
        store::use_refresh_token(tx, hash).await?;
        match issue(tx, known.staff, known.family).await {
            Err(Error::Unauthenticated { .. }) => Err(dead_token()),
            issued => issued.map(Refresh::Issued),
        }
    }

    /// Ends the sign-in that a refresh token belongs to. Says the same whether there was one.
    pub(super) async fn revoke_tokens(&self, refresh_token: &str) -> Result<()> {
        let Some(hash) = short_hash(refresh_token) else { return Ok(()) };
        let ended = self
            .access
            .0
            .db
            .in_tenant(&self.tenant, async |tx| {
                let Some(known) = store::lock_refresh_token(tx, &hash).await? else { return Ok(false) };
                let ended = store::end_family(tx, known.family).await? > 0;
                if ended {
                    self.record(tx, &known, "staff.signed_out").await?;
                    store::tell_access_changed(tx).await?;
                }
                Ok(ended)
            })
            .await;
        self.access.0.news.access_changed(self.tenant.id());
        ended.map(drop)
    }

    async fn record(&self, tx: &TenantTx, known: &RefreshToken, action: &'static str) -> Result<()> {
        let actor =
            Actor { kind: ActorKind::Staff, id: Some(known.staff.0), label: known.staff_name.clone() };
        let event = Event {
            action,
            object_type: "staff",
            object_id: Some(known.staff.0),
            object_label: &known.staff_name,
            before: None,
            after: Some(json!({"to": "api"})),
        };
        audit::record(tx, &actor, self.origin.as_ref(), event).await
    }

    async fn sign(&self, issued: Issued) -> Result<TokensView> {
        let now = now();
        let claims = Claims {
            iss: self.access.issuer(),
            aud: AUDIENCE.to_owned(),
            sub: issued.staff.0,
            tid: self.tenant.id().0,
            fam: issued.family,
            roles: issued.roles,
            iat: now,
            exp: now + ACCESS_TOKEN_SECONDS,
            jti: Uuid::now_v7(),
        };
        Ok(TokensView {
            access_token: self.access.0.keys.signing.sign(&claims).await?,
            refresh_token: issued.refresh_token,
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_TOKEN_SECONDS,
        })
    }
}

fn short_hash(token: &str) -> Option<TokenHash> {
    (token.chars().count() <= TOKEN_MAX_CHARS).then(|| hash_of(token))
}

/// A new refresh token of a family; refused when the person was switched off.
async fn issue(tx: &TenantTx, staff: StaffId, family: Uuid) -> Result<Issued> {
    let refresh_token = format!("{REFRESH_PREFIX}{}", random_token());
    store::insert_refresh_token(tx, &hash_of(&refresh_token), staff, family).await?;
    let rows = store::list_family_roles(tx, family, staff).await?;
    if rows.is_empty() {
        return Err(dead_token());
    }
    let roles = rows.iter().filter_map(|row| row.get("role_name")).collect();
    Ok(Issued { staff, family, roles, refresh_token })
}
