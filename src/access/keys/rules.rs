//! What is done with keys: made, changed, revoked.

use serde_json::json;

use super::{
    expiry,
    model::{ApiKey, DayOfUse, KeyChanges, NewKey, USE_DAYS, whole_days},
    store::{self, KeptSecret},
};
use crate::{
    access::{
        by::By,
        credentials::{KEY_PREFIX, hash_of},
        gate::Access,
        sessions::random_token,
    },
    audit::{self, Event},
    db::TenantTx,
    error::{Error, Result},
    types::{ApiKeyId, Limit},
    words::say,
};

/// How much of a key is kept to recognise it by: the common beginning and four characters.
const SHOWN_CHARS: usize = 12;

/// A key and its secret, which nobody sees again.
pub struct Minted {
    pub key: ApiKey,
    pub secret: String,
}

pub fn no_key() -> Error {
    Error::not_found("API key")
}

impl Access {
    /// Nobody hands out, changes or gets hold of a key that may do more than they may themselves.
    pub(super) fn within_own_rights(&self, by: &By, scopes: &[String]) -> Result<()> {
        match self.catalogue().of_scopes(scopes).find(|permission| !by.may(permission)) {
            Some(missing) => Err(Error::forbidden(
                "scope_exceeds_rights",
                say!(
                    "A key with these scopes may do what you may not: {} ({}).",
                    missing.label,
                    missing.code
                ),
            )),
            None => Ok(()),
        }
    }

    /// One page of keys, the newest first, and how many there are when that is asked.
    pub(super) async fn list_keys(
        &self,
        by: &By,
        after: Option<ApiKeyId>,
        limit: Limit,
        with_total: bool,
    ) -> Result<(Vec<ApiKey>, Option<i64>)> {
        let look = async |tx: &TenantTx| {
            let total = if with_total { Some(store::count_keys(tx).await?) } else { None };
            Ok((store::list_keys(tx, after, limit).await?, total))
        };
        self.0.db.read_tenant(&by.tenant, look).await
    }

    pub(super) async fn get_key(&self, by: &By, id: ApiKeyId) -> Result<ApiKey> {
        let found = self.0.db.read_tenant(&by.tenant, async |tx| store::find_key(tx, id).await).await?;
        found.ok_or_else(no_key)
    }

    /// A key and the last thirty days of its use, by the tenant's days, as far as they are written down.
    pub(super) async fn key_use(&self, by: &By, id: ApiKeyId) -> Result<(ApiKey, Vec<DayOfUse>)> {
        let today = chrono::Utc::now().with_timezone(&by.tenant.time_zone.0).date_naive();
        let since = today - chrono::TimeDelta::days(USE_DAYS - 1);
        let look = async |tx: &TenantTx| {
            let key = store::find_key(tx, id).await?.ok_or_else(no_key)?;
            Ok((key, store::list_use(tx, id, since).await?))
        };
        let (key, known) = self.0.db.read_tenant(&by.tenant, look).await?;
        Ok((key, whole_days(&known, today)))
    }

    /// Makes a key.
    pub(super) async fn make_key(&self, by: &By, new: &NewKey) -> Result<Minted> {
        by.must_have_proved()?;
        self.within_own_rights(by, &new.scopes)?;
        let (secret, kept) = new_secret();
        let id = ApiKeyId::new();
        let key = self
            .0
            .db
            .in_tenant(&by.tenant, async |tx| {
                store::insert_key(tx, id, new, &kept, by.staff()).await?;
                let after = json!({
                    "name": new.name, "scopes": new.scopes, "allowed_networks": new.networks.texts(),
                    "expires_at": new.expires_at, "prefix": kept.prefix,
                });
                by.record(tx, about(id, "api_key.created", &new.name, None, Some(after))).await?;
                expiry::call(tx, new.expires_at).await?;
                store::find_key(tx, id).await
            })
            .await?
            .ok_or_else(|| Error::internal("a key was made and is not there"))?;
        Ok(Minted { key, secret })
    }

    /// Changes a key's name, networks or end. Another end needs the rights that making the key would need, and so do other
    /// networks: both make more of it than there was.
    pub(super) async fn change_key(&self, by: &By, id: ApiKeyId, changes: &KeyChanges) -> Result<ApiKey> {
        by.must_have_proved()?;
        self.change(&by.tenant, async |tx| {
            let was = store::lock_key(tx, id).await?.ok_or_else(no_key)?;
            self.within_own_rights(by, &was.scopes)?;
            was.must_be_active()?;
            let key = changes.over(&was);
            let (before, after) = audit::changes(&was.told(), &key.told());
            if after.is_none() {
                return Ok(was);
            }
            store::update_key(tx, &key).await?;
            by.record(tx, about(id, "api_key.updated", &key.name, before, after)).await?;
            expiry::call(tx, key.expires_at).await?;
            store::find_key(tx, id).await?.ok_or_else(no_key)
        })
        .await
    }

    /// Ends a key for good, with both its secrets. One that has ended stays as it is.
    pub(super) async fn revoke_key(&self, by: &By, id: ApiKeyId) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            let old = store::lock_key(tx, id).await?.ok_or_else(no_key)?;
            if old.revoked_at.is_some() {
                return Ok(());
            }
            store::revoke_key(tx, id).await?;
            by.record(tx, about(id, "api_key.revoked", &old.name, None, None)).await
        })
        .await
    }
}

pub fn new_secret() -> (String, KeptSecret) {
    let secret = format!("{KEY_PREFIX}{}", random_token());
    let prefix = secret.chars().take(SHOWN_CHARS).collect();
    let kept = KeptSecret { hash: hash_of(&secret), prefix };
    (secret, kept)
}

/// An event about a key.
pub fn about<'a>(
    id: ApiKeyId,
    action: &'static str,
    name: &'a str,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Event<'a> {
    Event { action, object_type: "api_key", object_id: Some(id.0), object_label: name, before, after }
}
