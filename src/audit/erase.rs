//! Erasing what sealed events say of a person, without breaking the chain.
//!
//! Label, before and after go, and the salt without which their digest says nothing. Who did what to which object, and when,
//! stays; so does an event of its own for each erasure, without which `verify` calls it tampering.

use uuid::Uuid;

use super::{
    chain::AnchorKey,
    record::{Actor, Event, record},
    seal::seal,
    store,
};
use crate::{
    db::Db,
    error::{Error, Result},
    tenancy::Tenant,
    types::AuditEventId,
    web::Origin,
};

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
