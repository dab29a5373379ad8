//! A new secret for a key, with or without a time in which the one before counts on.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::{
    rules::{Minted, about, new_secret, no_key},
    store,
};
use crate::{
    access::{by::By, gate::Access},
    error::{Error, Result},
    types::ApiKeyId,
};

impl Access {
    /// Gives a key a new secret, which counts at once; the one before counts on for `overlap`, and with none ends at once. Two
    /// count at most: a secret that an earlier overlap left ends now.
    pub(super) async fn rotate_key(&self, by: &By, id: ApiKeyId, overlap: TimeDelta) -> Result<Minted> {
        by.must_have_proved()?;
        let (secret, kept) = new_secret();
        let old_until = (overlap > TimeDelta::zero()).then(|| Utc::now() + overlap);
        let key = self
            .change(&by.tenant, async |tx| {
                let was = store::lock_key(tx, id).await?.ok_or_else(no_key)?;
                self.within_own_rights(by, &was.scopes)?;
                was.must_be_active()?;
                store::set_key_secret(tx, id, &kept, old_until).await?;
                let before = json!({"prefix": was.prefix});
                let after = json!({"prefix": kept.prefix, "old_counts_until": old_until});
                by.record(tx, about(id, "api_key.renewed", &was.name, Some(before), Some(after))).await?;
                store::find_key(tx, id).await
            })
            .await?
            .ok_or_else(no_key)?;
        Ok(Minted { key, secret })
    }

    /// Ends the overlap now: only the newest secret counts.
    pub(super) async fn end_old_secret(&self, by: &By, id: ApiKeyId) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            let key = store::lock_key(tx, id).await?.ok_or_else(no_key)?;
            let Some(old) = key.old else {
                return Err(Error::conflict("no_old_secret", "Only the newest secret of this key counts."));
            };
            store::end_old_secret(tx, id).await?;
            let before = json!({"prefix": old.prefix, "old_counts_until": old.until});
            by.record(tx, about(id, "api_key.old_secret_ended", &key.name, Some(before), None)).await
        })
        .await
    }
}
