//! Accepting an invitation with a passkey in the place of a password.

use serde_json::json;
use uuid::Uuid;

use super::{
    ceremony::RelyingParty,
    own::{name_of, not_made},
    rules::{Answer, Asked, Purpose, keep},
    store::{self, NewPasskey},
};
use crate::{
    access::{
        credentials::{TokenHash, hash_of},
        links::{self, LinkOwner},
        mfa::Passed,
        sessions::{self, Begun},
        sign_in::{AtDoor, record_sign_in},
        sso, store as access_store,
    },
    audit::{self, Actor, ActorKind, Event},
    db::TenantTx,
    error::{OrInternal, Result},
    types::StaffId,
};

/// Who is invited by a link that counts, unless single sign-on is the only way in.
async fn invited(tx: &TenantTx, code: &str) -> Result<Option<LinkOwner>> {
    let Some(owner) = links::find_live(tx, code).await?.filter(|owner| owner.is_new) else { return Ok(None) };
    let is_closed = sso::is_closed_to(tx, owner.id).await?;
    Ok((!is_closed).then_some(owner))
}

impl AtDoor {
    /// Asks the device of somebody who is invited for a key; None when the link does not count, or was for somebody else than a new
    /// person.
    pub(super) async fn ask_to_accept(&self, party: &RelyingParty, code: &str) -> Result<Option<Asked>> {
        let begin = async |tx: &TenantTx| {
            let Some(owner) = invited(tx, code).await? else { return Ok(None) };
            let question = party.ask_for_new(owner.id.0, (&owner.email, &owner.name), Vec::new())?;
            keep(tx, party, (Purpose::Accept, Some(owner.id)), question).await.map(Some)
        };
        self.access.0.db.in_tenant(&self.tenant, begin).await
    }

    /// The invitation is accepted, and the person is in: the device has made sure of them. None when the link does not count.
    pub(super) async fn accept_by_passkey(
        &self,
        party: &RelyingParty,
        code: &str,
        answer: Answer<'_>,
        (name, old): (&str, Option<&TokenHash>),
    ) -> Result<Option<Begun>> {
        let name = name_of(name)?;
        let accept = async |tx: &TenantTx| {
            let taken =
                store::take_challenge(tx, &hash_of(answer.challenge), Purpose::Accept, party.host()).await?;
            let Some(owner) = invited(tx, code).await? else { return Ok(Ok(None)) };
            let asked = taken.filter(|(of, _)| *of == Some(owner.id)).map(|(_, state)| state);
            let Some(key) = asked.and_then(|state| party.new_key(answer.json, state)) else {
                return Ok(Err(not_made()));
            };
            if links::use_up(tx, code).await?.is_none() {
                return Ok(Ok(None));
            }
            let credential = serde_json::to_value(&key).internal()?;
            let new = NewPasskey {
                id: Uuid::now_v7(),
                staff: owner.id,
                credential_id: key.cred_id(),
                host: party.host(),
                name: &name,
                credential: &credential,
            };
            store::insert_passkey(tx, &new).await?;
            self.begin_accepted(tx, (owner.id, &owner.name), &name, old).await.map(|begun| Ok(Some(begun)))
        };
        self.access.change(&self.tenant, accept).await?
    }

    async fn begin_accepted(
        &self,
        tx: &TenantTx,
        (staff, person): (StaffId, &str),
        passkey: &str,
        old: Option<&TokenHash>,
    ) -> Result<Begun> {
        access_store::accept(tx, staff).await?;
        access_store::note_sign_in(tx, staff).await?;
        links::forget_links(tx, staff).await?;
        let origin = self.origin.as_ref();
        let actor = Actor { kind: ActorKind::Staff, id: Some(staff.0), label: person.to_owned() };
        let event = Event {
            action: "staff.invitation_accepted",
            object_type: "staff",
            object_id: Some(staff.0),
            object_label: person,
            before: None,
            after: Some(json!({"passkey": passkey})),
        };
        audit::record(tx, &actor, origin, event).await?;
        record_sign_in(tx, (staff, person), origin, "portal", Some(&Passed::by_passkey())).await?;
        sessions::begin(tx, staff, origin, old).await
    }
}
