//! Erasing what sealed events say of a person, without breaking the chain.
//!
//! Label, before and after go, and the salt without which their digest says nothing. Who did what to which object, and when,
//! stays; so does an event of its own for each erasure, without which `verify` calls it tampering.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::json;
use uuid::Uuid;

use super::{
    chain::{AnchorKey, Stored},
    record::{Actor, Event, record, record_all},
    seal::seal,
    store::{self, Told},
};
use crate::{
    db::Db,
    error::{Error, Result},
    secrets::DataKeys,
    tenancy::Tenant,
    types::AuditEventId,
    web::Origin,
};

/// Who did it, once that was erased.
pub(super) const ERASED: &str = "Erased person";
const BATCH: i64 = 200;
/// A search goes through the whole trail.
const SEARCH_TIME: Duration = Duration::from_secs(300);

/// How a person shows in the trail.
pub struct Traces<'a> {
    /// What is the person's own: its row, its tickets, its installations.
    pub objects: &'a [Uuid],
    /// Under which ids it did something itself.
    pub actors: &'a [Uuid],
    /// Its names and addresses, in lower case.
    pub words: &'a [String],
}

/// The code that stands for what stays of an event whose actor was erased: without the tenant's keys nobody makes another one fit.
pub(super) fn rest_code(keys: &DataKeys, event: &Stored) -> Result<String> {
    Ok(HEXLOWER.encode(&keys.code("audit rest", &event.rest_digest())?))
}

/// What tells of each erasure, written down before it. Nothing is vouched for that is not as it was sealed.
fn records<'a>(keys: &DataKeys, found: &'a [Told], reason: &str) -> Result<Vec<Event<'a>>> {
    let record = |told: &'a Told| {
        let event = &told.event;
        if told.is_own && event.digest(&told.payload_digest).as_slice() != told.digest.as_slice() {
            let detail = "An event of this person is not as it was sealed.";
            return Err(Error::conflict("audit_tampered", detail));
        }
        let rest = if told.is_own { Some(rest_code(keys, event)?) } else { None };
        Ok(Event {
            action: "audit.erased",
            object_type: "audit_event",
            object_id: Some(event.id),
            object_label: &event.action,
            before: None,
            after: Some(json!({ "reason": reason, "rest": rest })),
        })
    };
    found.iter().map(record).collect()
}

/// Erases all that the trail says of a person, for the reason given, and who did it where it was the person; how many events.
/// Goes by batches: broken off, it goes on where it was.
pub async fn erase_person(
    db: &Db,
    key: &AnchorKey,
    keys: &DataKeys,
    tenant: &Tenant,
    person: &Traces<'_>,
    reason: &str,
) -> Result<i64> {
    let mut erased = 0;
    loop {
        seal(db, key, tenant).await?;
        let found = db
            .in_tenant_for(tenant, SEARCH_TIME, async |tx| {
                let found = store::list_of_person(tx, person, BATCH).await?;
                record_all(tx, &Actor::system(), None, records(keys, &found, reason)?).await?;
                Ok(found.iter().map(|told| (told.event.id, told.is_own)).collect::<Vec<_>>())
            })
            .await?;
        if found.is_empty() {
            return Ok(erased);
        }
        let of = |own: bool| -> Vec<Uuid> {
            found.iter().filter(|(_, is_own)| *is_own == own).map(|(id, _)| *id).collect()
        };
        let (own, about) = (of(true), of(false));
        let done = db
            .in_public(async |tx| {
                let people = store::erase_people(tx, tenant.id(), &own).await?;
                Ok(people + store::erase_payloads(tx, tenant.id(), &about).await?)
            })
            .await?;
        if done == 0 {
            return Err(Error::unavailable("unsealed", "Some events are not sealed yet."));
        }
        erased += done;
    }
}

/// Erases the payload of one event, for the reason given. Again without harm.
pub async fn erase(
    db: &Db,
    key: &AnchorKey,
    tenant: &Tenant,
    (actor, origin): (&Actor, Option<&Origin>),
    id: AuditEventId,
    reason: &str,
) -> Result<()> {
    // Only what is sealed can be erased: the seal keeps the digest.
    seal(db, key, tenant).await?;
    db.in_tenant(tenant, async |tx| {
        let entry = super::trail::find(tx, id).await?.ok_or(Error::not_found("audit event"))?;
        if entry.object_type == "audit_event" {
            let detail = "An erasure says nothing of a person, and is not erased itself.";
            return Err(Error::conflict("not_erasable", detail));
        }
        let erased = Event {
            action: "audit.erased",
            object_type: "audit_event",
            object_id: Some(id.0),
            object_label: &entry.action,
            before: None,
            after: Some(serde_json::json!({ "reason": reason })),
        };
        record(tx, actor, origin, erased).await
    })
    .await?;
    // The record comes first: an erasure without one would look like tampering, a record without one is made good by the next try.
    let events: Vec<Uuid> = vec![id.0];
    db.in_public(async |tx| store::erase_payloads(tx, tenant.id(), &events).await).await?;
    Ok(())
}
