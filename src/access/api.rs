//! The API of signing in, and of oneself.

use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use uuid::Uuid;

use super::{
    by::Credential, extract::ApiUser, gate::Access, keys, right::SignedIn, sign_in::AtDoor, store,
    tokens::TokensView,
};
use crate::{
    error::Result,
    web::{Body, Json, NoContent},
};

/// Who signs in.
#[derive(Debug, Clone, Object)]
struct SignInBody {
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    #[oai(validator(min_length = 1, max_length = 200))]
    password: String,
    /// The app's code, or a recovery code, of an account with two-step sign-in.
    #[oai(nullable, validator(min_length = 1, max_length = 20))]
    otp: Option<String>,
}

#[derive(Debug, Clone, Object)]
struct RefreshBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    refresh_token: String,
}

/// The caller, as this tenant knows it.
#[derive(Debug, Clone, Serialize, Object)]
struct MeView {
    /// `staff`, `api_key`, or `machine` for a token of an outside issuer.
    kind: String,
    id: Uuid,
    name: String,
    /// Of a member of staff.
    #[oai(nullable)]
    email: Option<String>,
    /// The owner may do everything, whatever permissions are named.
    is_owner: bool,
    /// What the caller may do now.
    permissions: Vec<String>,
    /// Of an API key.
    #[oai(nullable)]
    scopes: Option<Vec<String>>,
    tenant: MyTenantView,
}

/// The tenant that the caller belongs to.
#[derive(Debug, Clone, Serialize, Object)]
struct MyTenantView {
    id: Uuid,
    slug: String,
    name: String,
    /// IANA name.
    time_zone: String,
    /// ISO 4217 code.
    currency: String,
}

/// Operations of access.
pub struct AccessApi {
    access: Access,
}

impl AccessApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl AccessApi {
    /// Sign in with e-mail and password.
    ///
    /// An unknown account, a wrong password and a disabled account get the same answer. After a few failures the next attempt has
    /// to wait: 429 with `Retry-After`.
    ///
    /// 401 `mfa_required`: the password was right, and the account has two-step sign-in; ask again with `otp`. 401 `bad_otp`: that
    /// code is wrong, too old, or was used before.
    #[oai(path = "/auth/token", method = "post")]
    async fn sign_in(&self, door: AtDoor, body: Body<SignInBody>) -> Result<Json<TokensView>> {
        let SignInBody { email, password, otp } = &body.0;
        door.issue_tokens(email, password, otp.as_deref()).await.map(Json)
    }

    /// Replace a refresh token by a new one, and get a new access token.
    ///
    /// A refresh token counts once. Using it again ends the sign-in that it belongs to.
    #[oai(path = "/auth/refresh", method = "post")]
    async fn refresh_tokens(&self, door: AtDoor, body: Body<RefreshBody>) -> Result<Json<TokensView>> {
        door.refresh_tokens(&body.0.refresh_token).await.map(Json)
    }

    /// Sign out: the refresh token's sign-in ends, its access tokens with it.
    #[oai(path = "/auth/revoke", method = "post")]
    async fn revoke_tokens(&self, door: AtDoor, body: Body<RefreshBody>) -> Result<NoContent> {
        door.revoke_tokens(&body.0.refresh_token).await?;
        Ok(NoContent)
    }

    /// Who am I, and what may I do?
    #[oai(path = "/me", method = "get")]
    async fn get_me(&self, by: ApiUser<SignedIn>) -> Result<Json<MeView>> {
        let access = &self.access;
        let (email, scopes) = match by.credential {
            Credential::Staff(id) => {
                (access.0.db.read_tenant(&by.tenant, async |tx| store::find_email(tx, id).await).await?, None)
            }
            Credential::ApiKey(id) => {
                (None, access.0.db.read_tenant(&by.tenant, async |tx| keys::find_scopes(tx, id).await).await?)
            }
            Credential::Machine(_) => (None, None),
            // None of them comes with a bearer.
            Credential::Subscriber(_) | Credential::Support { .. } | Credential::None => (None, None),
        };
        let held = access.catalogue().all().iter().filter(|permission| by.may(permission));
        Ok(Json(MeView {
            kind: by.actor.kind.as_str().to_owned(),
            id: by.credential_id(),
            name: by.actor.label.clone(),
            email,
            is_owner: by.rights.is_owner,
            permissions: held.map(|permission| permission.code.to_owned()).collect(),
            scopes,
            tenant: MyTenantView {
                id: by.tenant.id().0,
                slug: by.tenant.slug.to_string(),
                name: by.tenant.name.clone(),
                time_zone: by.tenant.time_zone.to_string(),
                currency: by.tenant.currency.clone(),
            },
        }))
    }
}
