//! What a tenant decides about machine clients, and who decides it: owners, with a fresh proof. Whoever chooses the issuer chooses which
//! programs come in.

use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::store;
use crate::{
    access::{by::By, gate::Access, sso},
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, FieldError, Result},
    types::{Check, RoleId, Wrong, line},
    words::say,
};

/// Where a token names the tenant, unless the settings say otherwise.
pub const TENANT_CLAIM: &str = "tenant_unique_id";
/// The ways of signing that can be allowed.
pub const ALGORITHMS: [&str; 2] = ["RS256", "ES256"];
const AUDIENCE_MAX_CHARS: usize = 255;
const CLAIM_MAX_CHARS: usize = 100;
const VALUE_MAX_CHARS: usize = 200;
const URL_MAX_CHARS: usize = 500;
const ROLES_MAX: usize = 50;

/// What is decided.
#[derive(Debug, Clone)]
pub struct MachineIssuer {
    pub id: Uuid,
    pub is_on: bool,
    pub issuer: String,
    /// None: the issuer's own document says where its keys are.
    pub jwks_url: Option<String>,
    pub audience: String,
    pub algorithms: Vec<String>,
    pub tenant_claim: String,
    pub role_claim: String,
    pub roles: Vec<MappedRole>,
    pub updated_at: DateTime<Utc>,
}

/// A value of the role claim, and the role that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRole {
    pub value: String,
    pub role: RoleId,
    pub role_name: String,
}

impl MachineIssuer {
    pub fn allowed(&self) -> Vec<Algorithm> {
        let known = |name: &String| match name.as_str() {
            "RS256" => Some(Algorithm::RS256),
            "ES256" => Some(Algorithm::ES256),
            _ => None,
        };
        self.algorithms.iter().filter_map(known).collect()
    }

    fn told(&self) -> Value {
        let roles: Vec<String> =
            self.roles.iter().map(|one| format!("{} → {}", one.value, one.role_name)).collect();
        json!({
            "is_on": self.is_on, "issuer": self.issuer, "jwks_url": self.jwks_url, "audience": self.audience,
            "algorithms": self.algorithms, "tenant_claim": self.tenant_claim, "role_claim": self.role_claim,
            "roles": roles,
        })
    }
}

/// What somebody typed.
#[derive(Debug, Default)]
pub struct Typed<'a> {
    pub is_on: bool,
    pub issuer: &'a str,
    /// Empty: discovered.
    pub jwks_url: &'a str,
    pub audience: &'a str,
    pub algorithms: Vec<String>,
    /// Empty: `tenant_unique_id`.
    pub tenant_claim: &'a str,
    pub role_claim: &'a str,
    pub roles: Vec<(String, RoleId)>,
}

/// What is to be, checked but for its roles.
pub struct NewIssuer {
    is_on: bool,
    issuer: String,
    jwks_url: Option<String>,
    audience: String,
    algorithms: Vec<String>,
    tenant_claim: String,
    role_claim: String,
    roles: Vec<(String, RoleId)>,
}

impl NewIssuer {
    pub fn parse(typed: &Typed<'_>) -> Result<Self> {
        let mut check = Check::new();
        let issuer = check.field("issuer", sso::issuer_address(typed.issuer.trim()));
        let jwks_url = check.field("jwks_url", jwks_url(typed.jwks_url.trim()));
        let audience = check.field("audience", line(typed.audience, AUDIENCE_MAX_CHARS));
        let algorithms = check.field("algorithms", algorithms(&typed.algorithms));
        let tenant_claim = match typed.tenant_claim.trim() {
            "" => TENANT_CLAIM,
            named => named,
        };
        let tenant_claim = check.field("tenant_claim", line(tenant_claim, CLAIM_MAX_CHARS));
        let role_claim = check.field("role_claim", line(typed.role_claim, CLAIM_MAX_CHARS));
        let roles = check.fields(mapped(&typed.roles));
        let whole = (|| {
            Some(Self {
                is_on: typed.is_on,
                issuer: issuer?,
                jwks_url: jwks_url?,
                audience: audience?,
                algorithms: algorithms?,
                tenant_claim: tenant_claim?,
                role_claim: role_claim?,
                roles: roles?,
            })
        })();
        check.finish(whole)
    }
}

fn jwks_url(typed: &str) -> std::result::Result<Option<String>, Wrong> {
    if typed.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(typed).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    match url {
        Some(url) if url.username().is_empty() && typed.chars().count() <= URL_MAX_CHARS => {
            Ok(Some(typed.to_owned()))
        }
        _ => Err(Wrong::new("no_address", "This is the https address of the issuer's keys.")),
    }
}

fn algorithms(typed: &[String]) -> std::result::Result<Vec<String>, Wrong> {
    if typed.iter().any(|one| !ALGORITHMS.contains(&one.as_str())) {
        return Err(Wrong::new("unknown_algorithm", "Only RS256 and ES256 can be allowed."));
    }
    let chosen = ALGORITHMS.iter().filter(|one| typed.iter().any(|typed| typed == **one));
    let chosen: Vec<String> = chosen.map(|one| (*one).to_owned()).collect();
    if chosen.is_empty() { Err(Wrong::new("required", "Choose at least one.")) } else { Ok(chosen) }
}

fn mapped(typed: &[(String, RoleId)]) -> std::result::Result<Vec<(String, RoleId)>, Vec<FieldError>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (at, (value, role)) in typed.iter().enumerate() {
        match line(value, VALUE_MAX_CHARS) {
            Ok(value) => all.push((value, *role)),
            Err(Wrong { code, detail }) => {
                wrong.push(FieldError::new(format!("roles[{at}].value"), code, detail));
            }
        }
    }
    if all.len() > ROLES_MAX {
        wrong.push(FieldError::new("roles", "too_many", say!("At most {}.", ROLES_MAX)));
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// The roles, when each of them is one that a program may have.
async fn known_roles(tx: &TenantTx, typed: &[(String, RoleId)]) -> Result<Vec<MappedRole>> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (at, (value, role)) in typed.iter().enumerate() {
        let mut refuse = |code, detail: &str| {
            wrong.push(FieldError::new(format!("roles[{at}].role_id"), code, detail));
        };
        match store::hold_role(tx, *role).await? {
            Some(found) if found.is_active && !found.is_owner && !found.requires_mfa => {
                all.push(MappedRole { value: value.clone(), role: *role, role_name: found.name });
            }
            Some(found) if found.is_active && !found.is_owner => {
                refuse("role_asks_for_mfa", "This role asks for a second step, which no program has.");
            }
            _ => refuse("unknown_role", "There is no such role."),
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(Error::Invalid(wrong)) }
}

impl Access {
    pub(super) async fn machine_issuer(&self, by: &By) -> Result<Option<MachineIssuer>> {
        sso::owners_only(by)?;
        self.0.db.read_tenant(&by.tenant, async |tx| store::find(tx).await).await
    }

    /// Decides it. What is to be on is asked first whether it tells of keys that can be used.
    pub(super) async fn decide_machine_issuer(&self, by: &By, new: &NewIssuer) -> Result<MachineIssuer> {
        sso::owners_only(by)?;
        by.must_have_proved()?;
        self.0.db.in_tenant(&by.tenant, async |tx| known_roles(tx, &new.roles).await.map(drop)).await?;
        if new.is_on {
            let keys = self.0.machine_keys.set(by.tenant.id(), &new.issuer, new.jwks_url.as_deref()).await?;
            let field = if new.jwks_url.is_some() { "jwks_url" } else { "issuer" };
            let found = self.0.machine_keys.probe(&keys).await;
            found.map_err(|told| Error::invalid(field, "issuer_unreachable", told))?;
        }
        self.change(&by.tenant, async |tx| store_issuer(tx, by, new).await).await
    }
}

async fn store_issuer(tx: &TenantTx, by: &By, new: &NewIssuer) -> Result<MachineIssuer> {
    let was = store::lock(tx).await?;
    let issuer = MachineIssuer {
        id: was.as_ref().map_or_else(Uuid::now_v7, |was| was.id),
        is_on: new.is_on,
        issuer: new.issuer.clone(),
        jwks_url: new.jwks_url.clone(),
        audience: new.audience.clone(),
        algorithms: new.algorithms.clone(),
        tenant_claim: new.tenant_claim.clone(),
        role_claim: new.role_claim.clone(),
        roles: known_roles(tx, &new.roles).await?,
        updated_at: Utc::now(),
    };
    store::put(tx, &issuer).await?;
    let stored = store::find(tx).await?.ok_or_else(|| Error::internal("what was decided is not there"))?;
    let before = was.as_ref().map_or(Value::Null, MachineIssuer::told);
    let (before, after) = changes(&before, &stored.told());
    let event = Event {
        action: "machine_issuer.changed",
        object_type: "machine_issuer",
        object_id: Some(stored.id),
        object_label: &stored.issuer,
        before,
        after,
    };
    by.record(tx, event).await?;
    Ok(stored)
}
