//! Machine clients' issuer as programs see it.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use uuid::Uuid;

use super::settings::{MachineIssuer, NewIssuer, Typed};
use crate::{
    access::{extract::ApiUser, gate::Access, right::Owner},
    error::{Error, Result},
    web::{Body, Json},
};

/// A value of the issuer's role claim, and the role that it stands for.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MachineRole")]
struct MappedRoleView {
    value: String,
    role_id: Uuid,
    role_name: String,
}

/// Whose tokens machine clients may come with.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MachineIssuer")]
struct IssuerView {
    is_on: bool,
    issuer: String,
    /// Where its keys are; null: its own document says so.
    #[oai(nullable)]
    jwks_url: Option<String>,
    /// What a token's `aud` must hold.
    audience: String,
    /// `RS256`, `ES256` or both.
    algorithms: Vec<String>,
    /// The claim that must be this provider's id or slug.
    tenant_claim: String,
    /// The claim whose values stand for roles.
    role_claim: String,
    roles: Vec<MappedRoleView>,
    updated_at: DateTime<Utc>,
}

impl From<MachineIssuer> for IssuerView {
    fn from(issuer: MachineIssuer) -> Self {
        let role = |one: super::settings::MappedRole| MappedRoleView {
            value: one.value,
            role_id: one.role.0,
            role_name: one.role_name,
        };
        Self {
            is_on: issuer.is_on,
            issuer: issuer.issuer,
            jwks_url: issuer.jwks_url,
            audience: issuer.audience,
            algorithms: issuer.algorithms,
            tenant_claim: issuer.tenant_claim,
            role_claim: issuer.role_claim,
            roles: issuer.roles.into_iter().map(role).collect(),
            updated_at: issuer.updated_at,
        }
    }
}

#[derive(Debug, Object)]
#[oai(rename = "NewMachineRole")]
struct MappedRoleBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    value: String,
    /// A role that is switched on, is not the owner's, and asks for no second step.
    role_id: Uuid,
}

/// What is to be decided: all of it.
#[derive(Debug, Object)]
#[oai(rename = "NewMachineIssuer")]
struct IssuerBody {
    is_on: bool,
    /// The issuer's address, exactly as its tokens' `iss` writes it.
    #[oai(validator(min_length = 1, max_length = 255))]
    issuer: String,
    /// Absent: found by the issuer's own document.
    #[oai(nullable, validator(max_length = 500))]
    jwks_url: Option<String>,
    #[oai(validator(min_length = 1, max_length = 255))]
    audience: String,
    /// `RS256`, `ES256` or both.
    #[oai(validator(min_items = 1, max_items = 2))]
    algorithms: Vec<String>,
    /// `tenant_unique_id` when absent. With dots, a path through objects, where there is no claim of that very name.
    #[oai(nullable, validator(max_length = 100))]
    tenant_claim: Option<String>,
    /// Its values are a list of texts, or one text of words. With dots, a path, as above.
    #[oai(validator(min_length = 1, max_length = 100))]
    role_claim: String,
    #[oai(validator(max_items = 50))]
    roles: Vec<MappedRoleBody>,
}

/// Operations of machine clients.
pub struct MachinesApi {
    access: Access,
}

impl MachinesApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl MachinesApi {
    /// Read whose tokens machine clients may come with
    ///
    /// Owners only. 404 until something is decided.
    #[oai(path = "/settings/machine-clients", method = "get", operation_id = "get_machine_issuer")]
    async fn get_machine_issuer(&self, by: ApiUser<Owner>) -> Result<Json<IssuerView>> {
        let found = self.access.machine_issuer(&by).await?;
        Ok(Json(found.ok_or(Error::not_found("issuer of machine clients"))?.into()))
    }

    /// Decide whose tokens machine clients may come with
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). What is to be on is asked for its keys first: 422
    /// `issuer_unreachable` on `issuer` or `jwks_url`. A token that does not count is 401 with a code that says why: `token_too_large`,
    /// `token_malformed`, `token_alg_refused`, `token_key_unknown`, `token_signature_wrong`, `token_expired`, `token_exp_missing`,
    /// `token_time_invalid`, `token_not_yet_valid`, `token_audience_wrong`, `token_issuer_wrong`, `token_subject_missing`, `token_tenant_wrong`. While the issuer's keys
    /// are not known, and cannot be asked for, it is 503 `issuer_unreachable`.
    #[oai(path = "/settings/machine-clients", method = "put", operation_id = "put_machine_issuer")]
    async fn put_machine_issuer(
        &self,
        by: ApiUser<Owner>,
        body: Body<IssuerBody>,
    ) -> Result<Json<IssuerView>> {
        let body = body.0;
        let new = NewIssuer::parse(&Typed {
            is_on: body.is_on,
            issuer: &body.issuer,
            jwks_url: body.jwks_url.as_deref().unwrap_or_default(),
            audience: &body.audience,
            algorithms: body.algorithms,
            tenant_claim: body.tenant_claim.as_deref().unwrap_or_default(),
            role_claim: &body.role_claim,
            roles: body.roles.into_iter().map(|one| (one.value, one.role_id.into())).collect(),
        })?;
        Ok(Json(self.access.decide_machine_issuer(&by, &new).await?.into()))
    }
}
