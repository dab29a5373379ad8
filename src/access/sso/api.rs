//! Single sign-on as programs see it.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Serialize;
use uuid::Uuid;

use super::settings::{NewSso, Sso, Typed};
use crate::{
    access::{extract::ApiUser, gate::Access, people::People, right::Owner, staff::ManageStaff},
    error::{Error, Result},
    web::{Body, Json, NoContent},
};

/// What is decided about single sign-on.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "SsoSettings")]
struct SsoView {
    /// `google`, `microsoft` or `other`.
    preset: String,
    issuer: String,
    client_id: String,
    /// The secret itself is never shown.
    has_secret: bool,
    /// Whose addresses are believed.
    domains: Vec<String>,
    /// What somebody becomes who comes for the first time; null: nobody comes unknown.
    #[oai(nullable)]
    default_role_id: Option<Uuid>,
    is_on: bool,
    /// No other door is open, but to owners.
    is_required: bool,
    updated_at: DateTime<Utc>,
}

impl From<Sso> for SsoView {
    fn from(sso: Sso) -> Self {
        Self {
            preset: sso.preset.as_str().to_owned(),
            has_secret: sso.sealed_secret.is_some(),
            issuer: sso.issuer,
            client_id: sso.client_id,
            domains: sso.domains,
            default_role_id: sso.default_role.map(|role| role.0),
            is_on: sso.is_on,
            is_required: sso.is_required,
            updated_at: sso.updated_at,
        }
    }
}

/// What is to be decided: all of it.
#[derive(Debug, Object)]
#[oai(rename = "NewSsoSettings")]
struct SsoBody {
    /// `google`, `microsoft` or `other`.
    #[oai(validator(max_length = 20))]
    preset: String,
    /// The issuer's address as its own document writes it; of Microsoft, the ID of the directory; of Google it is known.
    #[oai(nullable, validator(max_length = 255))]
    issuer: Option<String>,
    #[oai(validator(min_length = 1, max_length = 255))]
    client_id: String,
    /// Absent: the one that is there stays, as long as issuer and client do.
    #[oai(nullable, validator(max_length = 1000))]
    client_secret: Option<String>,
    #[oai(validator(min_items = 1, max_items = 20))]
    domains: Vec<String>,
    #[oai(nullable)]
    default_role_id: Option<Uuid>,
    is_on: bool,
    #[oai(nullable)]
    is_required: Option<bool>,
}

/// Operations of single sign-on.
pub struct SsoApi {
    access: Access,
    people: People,
}

impl SsoApi {
    pub fn new(access: Access, people: People) -> Self {
        Self { access, people }
    }
}

#[OpenApi]
impl SsoApi {
    /// Read what is decided about single sign-on
    ///
    /// Owners only. 404 until something is decided.
    #[oai(path = "/settings/sso", method = "get", operation_id = "get_sso")]
    async fn get_sso(&self, by: ApiUser<Owner>) -> Result<Json<SsoView>> {
        let sso = self.access.sso(&by).await?.ok_or(Error::not_found("single sign-on"))?;
        Ok(Json(sso.into()))
    }

    /// Decide about single sign-on
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). What is to be on is asked first: 422 on
    /// `issuer` when it does not answer, or calls itself otherwise. When it becomes the only way in, everybody but owners is signed
    /// out.
    #[oai(path = "/settings/sso", method = "put", operation_id = "put_sso")]
    async fn put_sso(&self, by: ApiUser<Owner>, body: Body<SsoBody>) -> Result<Json<SsoView>> {
        let body = body.0;
        let new = NewSso::parse(&Typed {
            preset: &body.preset,
            issuer: body.issuer.as_deref().unwrap_or_default(),
            client_id: &body.client_id,
            secret: body.client_secret.as_deref().unwrap_or_default(),
            domains: body.domains,
            default_role: body.default_role_id.map(Into::into),
            is_on: body.is_on,
            is_required: body.is_required == Some(true),
        })?;
        Ok(Json(self.access.decide_sso(&by, &new).await?.into()))
    }

    /// Forget who a person is to the issuer
    ///
    /// The next time their address introduces them anew: after a change of issuer, or of their account there. 403 for a person who
    /// may do more than the caller; 409 `no_sso_identity` when there is nothing to forget.
    #[oai(path = "/staff/:id/sso", method = "delete", operation_id = "forget_staff_sso")]
    async fn forget_staff_sso(&self, by: ApiUser<ManageStaff>, id: Path<Uuid>) -> Result<NoContent> {
        self.people.forget_sso(&by, id.0.into()).await?;
        Ok(NoContent)
    }
}
