//! What people do with their own passkeys. Each begins with a fresh proof of who they are: an open browser is not enough.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    ceremony::RelyingParty,
    rules::{Answer, Asked, Purpose, keep},
    store::{self, NewPasskey},
};
use crate::{
    access::{
        by::By,
        credentials::hash_of,
        gate::Access,
        mfa,
        sessions::{about, end_stays},
        sso, store as access_store,
    },
    db::TenantTx,
    error::{Error, OrInternal, Result},
    types::{SessionId, StaffId, line},
    words::say,
};

/// So many passkeys one person has at most.
const MOST: i64 = 20;
const NAME_MAX_CHARS: usize = 60;

/// A passkey, as its person sees it.
#[derive(Debug, Clone)]
pub struct OwnPasskey {
    pub id: Uuid,
    pub name: String,
    /// The host that it was made for, and counts at.
    pub host: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused, because there may be a copy of it.
    pub suspected_at: Option<DateTime<Utc>>,
}

/// All of one's own.
pub type OwnPasskeys = Vec<OwnPasskey>;

fn person(by: &By) -> Result<StaffId> {
    by.staff().ok_or(Error::not_found("person"))
}

/// What a passkey is called.
pub(super) fn name_of(typed: &str) -> Result<String> {
    line(typed, NAME_MAX_CHARS).map_err(|wrong| Error::Invalid(vec![wrong.at("name")]))
}

/// The answer to a device that did not make a key as it was asked to.
pub(super) fn not_made() -> Error {
    Error::conflict(
        "bad_passkey",
        "This passkey could not be added: the answer is wrong, or came too late. Try again.",
    )
}

impl Access {
    pub(in crate::access) async fn own_passkeys(&self, by: &By) -> Result<OwnPasskeys> {
        let staff = person(by)?;
        self.0.db.read_tenant(&by.tenant, async |tx| store::list_of(tx, staff).await).await
    }

    /// Asks the device for a new key of the caller's.
    pub(in crate::access) async fn ask_for_new_passkey(
        &self,
        by: &By,
        party: &RelyingParty,
        email: &str,
    ) -> Result<Asked> {
        let staff = person(by)?;
        by.must_have_proved()?;
        let begin = async |tx: &TenantTx| {
            if store::count_of(tx, staff).await?.0 >= MOST {
                let detail = say!("Nobody has more than {} passkeys: remove one first.", MOST);
                return Err(Error::conflict("too_many_passkeys", detail));
            }
            let has = store::credential_ids(tx, staff, party.host()).await?;
            let question = party.ask_for_new(staff.0, (email, &by.actor.label), has)?;
            keep(tx, party, (Purpose::Add, Some(staff)), question).await
        };
        self.0.db.in_tenant(&by.tenant, begin).await
    }

    /// Keeps a new passkey. When it is the first second factor, every other stay, which began without one, ends.
    pub(in crate::access) async fn add_passkey(
        &self,
        by: &By,
        session: SessionId,
        party: &RelyingParty,
        answer: Answer<'_>,
        name: &str,
    ) -> Result<()> {
        let (staff, name) = (person(by)?, name_of(name)?);
        by.must_have_proved()?;
        let add = async |tx: &TenantTx| {
            let taken =
                store::take_challenge(tx, &hash_of(answer.challenge), Purpose::Add, party.host()).await?;
            let asked = taken.filter(|(of, _)| *of == Some(staff)).map(|(_, state)| state);
            let Some(key) = asked.and_then(|state| party.new_key(answer.json, state)) else {
                return Ok(Err(not_made()));
            };
            let was_on = mfa::is_on(tx, staff).await?;
            let credential = serde_json::to_value(&key).internal()?;
            let new = NewPasskey {
                id: Uuid::now_v7(),
                staff,
                credential_id: key.cred_id(),
                host: party.host(),
                name: &name,
                credential: &credential,
            };
            store::insert_passkey(tx, &new).await?;
            if !was_on {
                end_stays(tx, staff, Some(session)).await?;
            }
            let told = json!({"passkey": name, "host": party.host()});
            by.record(tx, about(by, "staff.passkey_added", Some(told))).await?;
            Ok(Ok(()))
        };
        self.change(&by.tenant, add).await?
    }

    pub(in crate::access) async fn rename_passkey(
        &self,
        by: &By,
        id: Uuid,
        name: &str,
    ) -> Result<OwnPasskey> {
        let (staff, name) = (person(by)?, name_of(name)?);
        let rename = async |tx: &TenantTx| {
            let was = store::lock_own(tx, staff, id).await?.ok_or(Error::not_found("passkey"))?;
            if was.name != name {
                store::rename(tx, id, &name).await?;
                let told = json!({"passkey": name, "before": was.name});
                by.record(tx, about(by, "staff.passkey_renamed", Some(told))).await?;
            }
            Ok(OwnPasskey { name: name.clone(), ..was })
        };
        self.0.db.in_tenant(&by.tenant, rename).await
    }

    /// Takes one of one's own away, unless it is the last second factor under a role that asks for one, or the last way in.
    pub(in crate::access) async fn remove_passkey(&self, by: &By, id: Uuid) -> Result<()> {
        let staff = person(by)?;
        by.must_have_proved()?;
        self.change(&by.tenant, async |tx| {
            let was = store::lock_own(tx, staff, id).await?.ok_or(Error::not_found("passkey"))?;
            store::delete(tx, id).await?;
            let (_, good) = store::count_of(tx, staff).await?;
            let other_ways =
                access_store::has_password(tx, staff).await? || sso::has_identity(tx, staff).await?;
            if good == 0 && !other_ways {
                return Err(Error::conflict(
                    "last_way_in",
                    "You have no password: this is your only way in. Add another passkey, or choose a password, first.",
                ));
            }
            mfa::keep_one(tx, staff).await?;
            by.record(tx, about(by, "staff.passkey_removed", Some(json!({"passkey": was.name})))).await
        })
        .await
    }
}
