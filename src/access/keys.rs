//! API keys: what machines show instead of a person. Shown once, kept as a hash.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    by::By,
    credentials::{KEY_PREFIX, hash_of},
    gate::Access,
    keys_store,
    right::rights,
    sessions::random_token,
};
use crate::{
    audit::Event,
    error::{Error, Result},
    types::{ApiKeyId, Check, StaffId, Wrong, line},
};

rights! { "API keys", API_KEY_PERMISSIONS:
    ViewApiKeys = "api_keys.view", "api_keys.read", "View API keys", "See which API keys there are and when each was last used.";
    ManageApiKeys = "api_keys.manage", "api_keys.write", "Manage API keys", "Make, renew and revoke API keys with scopes that one holds oneself.";
}

const NAME_MAX_CHARS: usize = 100;
const SCOPES_MAX: usize = 50;
/// How much of a key is kept to recognise it by: the common beginning and four characters.
const SHOWN_CHARS: usize = 12;

/// A key as it is kept.
#[derive(Debug, Clone)]
pub(super) struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<String>,
    pub created_by: Option<StaffId>,
    pub created_by_name: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// `active`, `expired` or `revoked`.
    pub fn status_at(&self, now: DateTime<Utc>) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|at| at <= now) {
            "expired"
        } else {
            "active"
        }
    }
}

/// A key that is to be.
#[derive(Debug, Clone)]
pub(super) struct NewKey {
    pub name: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key and its secret, which nobody sees again.
pub(super) struct Minted {
    pub key: ApiKey,
    pub secret: String,
}

impl Access {
    /// What somebody typed, with every wrong field named.
    pub(super) fn parse_key(
        &self,
        name: &str,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<NewKey> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX_CHARS));
        let scopes = check.field("scopes", self.parse_scopes(scopes));
        if expires_at.is_some_and(|at| at <= Utc::now()) {
            check.wrong("expires_at", "in_the_past", "This instant is past.");
        }
        check.finish(name.zip(scopes).map(|(name, scopes)| NewKey { name, scopes, expires_at }))
    }

    fn parse_scopes(&self, mut scopes: Vec<String>) -> std::result::Result<Vec<String>, Wrong> {
        let known = self.catalogue().scopes();
        scopes.sort_unstable();
        scopes.dedup();
        if let Some(unknown) = scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
            return Err(Wrong::new("unknown_scope", format!("There is no scope {unknown}.")));
        }
        match scopes.len() {
            0 => Err(Wrong::new("required", "Choose at least one scope.")),
            n if n > SCOPES_MAX => Err(Wrong::new("too_many", format!("At most {SCOPES_MAX} scopes."))),
            _ => Ok(scopes),
        }
    }

    /// Nobody hands out, or gets hold of, a key that may do more than they may themselves.
    fn within_own_rights(&self, by: &By, scopes: &[String]) -> Result<()> {
        match self.catalogue().of_scopes(scopes).find(|permission| !by.may(permission)) {
            Some(missing) => Err(Error::forbidden(
                "scope_exceeds_rights",
                format!(
                    "A key with these scopes may do what you may not: {} ({}).",
                    missing.label, missing.code
                ),
            )),
            None => Ok(()),
        }
    }

    /// Makes a key.
    pub(super) async fn make_key(&self, by: &By, new: &NewKey) -> Result<Minted> {
        by.must_have_proved()?;
        self.within_own_rights(by, &new.scopes)?;
        let (secret, prefix) = new_secret();
        let id = ApiKeyId::new();
        let key = self
            .0
            .db
            .in_tenant(&by.tenant, async |tx| {
                keys_store::insert_key(tx, id, new, &prefix, &hash_of(&secret), by.staff()).await?;
                let after = json!({"name": new.name, "scopes": new.scopes, "expires_at": new.expires_at, "prefix": prefix});
                by.record(tx, about(id, "api_key.created", &new.name, None, Some(after))).await?;
                keys_store::find_key(tx, id).await
            })
            .await?
            .ok_or_else(|| Error::internal("a key was made and is not there"))?;
        Ok(Minted { key, secret })
    }

    /// Gives a key a new secret; the old one stops counting at once.
    pub(super) async fn renew_key(&self, by: &By, id: ApiKeyId) -> Result<Minted> {
        by.must_have_proved()?;
        let (secret, prefix) = new_secret();
        let key = self
            .change(&by.tenant, async |tx| {
                let old = keys_store::lock_key(tx, id).await?.ok_or(Error::not_found("API key"))?;
                self.within_own_rights(by, &old.scopes)?;
                if old.status_at(Utc::now()) != "active" {
                    return Err(Error::conflict("key_not_active", "This key is revoked or has expired."));
                }
                keys_store::set_key_secret(tx, id, &prefix, &hash_of(&secret)).await?;
                let (before, after) = (json!({"prefix": old.prefix}), json!({"prefix": prefix}));
                by.record(tx, about(id, "api_key.renewed", &old.name, Some(before), Some(after))).await?;
                keys_store::find_key(tx, id).await
            })
            .await?
            .ok_or(Error::not_found("API key"))?;
        Ok(Minted { key, secret })
    }

    /// Ends a key for good. One that has ended stays as it is.
    pub(super) async fn revoke_key(&self, by: &By, id: ApiKeyId) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            let old = keys_store::lock_key(tx, id).await?.ok_or(Error::not_found("API key"))?;
            if old.revoked_at.is_some() {
                return Ok(());
            }
            keys_store::revoke_key(tx, id).await?;
            by.record(tx, about(id, "api_key.revoked", &old.name, None, None)).await
        })
        .await
    }
}

fn new_secret() -> (String, String) {
    let secret = format!("{KEY_PREFIX}{}", random_token());
    let prefix = secret.chars().take(SHOWN_CHARS).collect();
    (secret, prefix)
}

fn about<'a>(
    id: ApiKeyId,
    action: &'static str,
    name: &'a str,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Event<'a> {
    Event { action, object_type: "api_key", object_id: Some(id.0), object_label: name, before, after }
}
