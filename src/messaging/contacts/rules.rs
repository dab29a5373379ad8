//! What may be done with a contact.

use super::{
    conflicts::{self, Claim},
    groups,
    model::{Contact, Draft, IfTaken, OBJECT, Owner, taken},
    store::{self, key_of},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    messaging::Address,
    types::{ContactId, GroupId},
};

pub fn event<'a>(action: &'static str, id: ContactId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

pub async fn get(tx: &TenantTx, id: ContactId) -> Result<Contact> {
    store::find(tx, id).await?.ok_or(Error::not_found("contact"))
}

/// Those of these addresses that others than `id` have.
async fn claimed(tx: &TenantTx, id: ContactId, addresses: &[Address]) -> Result<Vec<(Address, Owner)>> {
    let owners = store::owners(tx, addresses).await?;
    Ok(addresses
        .iter()
        .filter_map(|address| {
            let owner = owners.get(&key_of(address)).filter(|owner| owner.id != id)?;
            Some((address.clone(), owner.clone()))
        })
        .collect())
}

/// What a caller wants of a contact.
pub struct Wanted {
    pub draft: Draft,
    /// None: as they are.
    pub groups: Option<Vec<GroupId>>,
    pub if_taken: IfTaken,
    /// Where it came from: `api`, `page`.
    pub source: &'static str,
}

/// Parts the addresses that others have from those that are free, or refuses.
fn part(draft: &mut Draft, others: &[(Address, Owner)], if_taken: IfTaken) -> Result<()> {
    if let Some((address, owner)) = others.first().filter(|_| if_taken == IfTaken::Refuse) {
        return Err(taken(address, owner));
    }
    draft.addresses.retain(|address| !others.iter().any(|(other, _)| other == address));
    Ok(())
}

/// Adds a contact. Addresses that others have are refused, or go onto the list of conflicts.
pub async fn create(tx: &TenantTx, by: &By, wanted: Wanted) -> Result<Contact> {
    let Wanted { mut draft, groups, if_taken, source } = wanted;
    let id = ContactId::new();
    let others = claimed(tx, id, &draft.addresses).await?;
    part(&mut draft, &others, if_taken)?;
    store::insert_many(tx, &[(id, &draft)]).await?;
    let addresses: Vec<_> = draft.addresses.iter().map(|address| (id, address)).collect();
    store::insert_addresses(tx, &addresses).await?;
    groups::set_of(tx, id, &groups.unwrap_or_default()).await?;
    by.record(tx, Event { after: Some(draft.told()), ..event("contact.created", id, &draft.name) }).await?;
    conflicts::claim(tx, &claims(&others, id, &draft.name, source)).await?;
    get(tx, id).await
}

fn claims<'a>(
    others: &'a [(Address, Owner)],
    id: ContactId,
    name: &'a str,
    source: &'static str,
) -> Vec<Claim<'a>> {
    let claim = |(address, owner): &'a (Address, Owner)| Claim {
        address,
        owner: owner.id,
        claimant: Some(id),
        name,
        source,
    };
    others.iter().map(claim).collect()
}

/// Changes a contact; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: ContactId,
    wanted: impl FnOnce(&Contact) -> Result<Wanted>,
) -> Result<Contact> {
    let was = store::lock(tx, id).await?.ok_or(Error::not_found("contact"))?;
    let Wanted { mut draft, groups, if_taken, source } = wanted(&was)?;
    let others = claimed(tx, id, &draft.addresses).await?;
    part(&mut draft, &others, if_taken)?;
    let (mut before, mut after) = changes(&was.draft.told(), &draft.told());
    if after.is_some() {
        store::update_many(tx, &[(id, &draft)]).await?;
    }
    if was.draft.addresses != draft.addresses {
        store::delete_addresses(tx, id).await?;
        let addresses: Vec<_> = draft.addresses.iter().map(|address| (id, address)).collect();
        store::insert_addresses(tx, &addresses).await?;
    }
    if let Some(groups) = groups {
        let moved = groups::set_of(tx, id, &groups).await?;
        if moved && after.is_none() {
            let names: Vec<&str> = was.groups.iter().map(|group| group.name.as_str()).collect();
            before = Some(serde_json::json!({ "groups": names }));
            after = Some(serde_json::json!({ "groups": groups }));
            store::touch(tx, &[id]).await?;
        }
    }
    if after.is_some() {
        by.record(tx, Event { before, after, ..event("contact.updated", id, &draft.name) }).await?;
    }
    conflicts::claim(tx, &claims(&others, id, &draft.name, source)).await?;
    get(tx, id).await
}

/// Deletes a contact. What was sent to them stays, without them; suppressions of their addresses stay, too.
pub async fn remove(tx: &TenantTx, by: &By, id: ContactId) -> Result<Contact> {
    let was = store::lock(tx, id).await?.ok_or(Error::not_found("contact"))?;
    store::delete_many(tx, &[id]).await?;
    let told = Event { before: Some(was.draft.told()), ..event("contact.deleted", id, &was.draft.name) };
    by.record(tx, told).await?;
    Ok(was)
}
