//! Erasing a person, and finding out later whether somebody was.

use std::time::Duration;

use chrono::{Datelike, Utc};
use serde_json::json;

use super::{
    Eraser, job,
    model::{self, Erasure, OBJECT, Subject, canonical, identity_code},
    person,
    store::{self, New},
};
use crate::{
    access::By,
    audit::Event,
    db::TenantTx,
    error::{Error, OrInternal, Result},
    isp::{customers, series},
    jobs,
    messaging::{messages, suppression},
    secrets::DataKeys,
    types::{ErasureId, Limit, line},
    words::say,
};

/// It looks through whole tables.
const AT_MOST: Duration = Duration::from_secs(300);
const COLUMN: (&str, &str) = ("erasure", "sealed_words");
const SOUGHT_MAX: usize = 254;

/// Erases somebody for good: everything that a tenant's role can reach with this call, the books, the trail and the search right after
/// it. 409 names what still goes on; whoever was erased is `already_erased`.
pub async fn erase(eraser: &Eraser, by: &By, subject: Subject, reason: &str) -> Result<Erasure> {
    by.must_have_proved()?;
    let keys = eraser.keys.of(by.tenant.id()).await?;
    eraser
        .db
        .in_tenant_for(&by.tenant, AT_MOST, async |tx| erase_in(tx, by, &keys, subject, reason).await)
        .await
}

async fn erase_in(
    tx: &TenantTx,
    by: &By,
    keys: &DataKeys,
    subject: Subject,
    reason: &str,
) -> Result<Erasure> {
    if let Some(known) = store::find_of(tx, subject.id()).await? {
        let detail = say!("This person was erased already: {}.", known.number);
        return Err(Error::conflict("already_erased", detail));
    }
    let person = person::load(tx, subject).await?;
    let words = person.words();
    let reason = model::reason(reason, &words)?;
    person::must_be_at_rest(tx, &person).await?;
    messages::withdraw(tx, &person::queued(tx, &person).await?).await?;
    let year = Utc::now().with_timezone(&by.tenant.time_zone.0).year();
    let number = format!("ERA-{year}-{:04}", series::next(tx, &format!("ERA-{year}")).await?);
    let removed = store::remove(tx, &person, &format!("Erased person {number}")).await?;
    suppression::forget(tx, keys, &person.addresses, &number).await?;
    let id = ErasureId::new();
    let new = New {
        id,
        number: &number,
        kind: subject.kind(),
        subject: subject.id(),
        people: &person.people(),
        reason: &reason,
        asked_by: &by.actor.label,
        removed: &removed,
        identity: &person.identity(keys)?,
        sealed_words: &keys.seal(COLUMN.0, COLUMN.1, id.0, &serde_json::to_vec(&words).internal()?)?,
    };
    store::insert(tx, &new).await?;
    let rows: i64 = removed.iter().map(|one| one.rows).sum();
    let after = json!({ "kind": subject.kind().as_str(), "reason": reason, "rows": rows });
    by.record(tx, event("person.erased", id, &number, after)).await?;
    jobs::enqueue(tx, job::KIND, id.0, Utc::now()).await?;
    get(tx, id).await
}

pub(super) fn event<'a>(
    action: &'static str,
    id: ErasureId,
    number: &'a str,
    after: serde_json::Value,
) -> Event<'a> {
    let (object_type, object_id) = (OBJECT, Some(id.0));
    Event { action, object_type, object_id, object_label: number, before: None, after: Some(after) }
}

/// What was searched for, opened again.
pub(super) fn opened_words(keys: &DataKeys, id: ErasureId, sealed: &[u8]) -> Result<Vec<String>> {
    serde_json::from_slice(&keys.open(COLUMN.0, COLUMN.1, id.0, sealed)?).internal()
}

pub async fn get(tx: &TenantTx, id: ErasureId) -> Result<Erasure> {
    store::find(tx, id).await?.ok_or(Error::not_found("erasure"))
}

/// One page, and whether there are more.
pub async fn list(tx: &TenantTx, before: Option<ErasureId>, limit: Limit) -> Result<(Vec<Erasure>, bool)> {
    let mut items = store::list(tx, before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// Whether somebody of this name, number or address was erased, and when.
pub async fn find_person(eraser: &Eraser, by: &By, sought: &str) -> Result<Vec<Erasure>> {
    let sought = line(sought, SOUGHT_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("identity")]))?;
    let keys = eraser.keys.of(by.tenant.id()).await?;
    let code = identity_code(&keys, &canonical(&sought))?;
    eraser.db.read_tenant(&by.tenant, async |tx| store::list_matching(tx, &code).await).await
}

/// What the one is called who would be erased.
pub async fn name_of(tx: &TenantTx, subject: Subject) -> Result<String> {
    if let Some(known) = store::find_of(tx, subject.id()).await? {
        let detail = say!("This person was erased already: {}.", known.number);
        return Err(Error::conflict("already_erased", detail));
    }
    match subject {
        Subject::Customer(id) => Ok(customers::get_any(tx, id).await?.details.name()),
        Subject::Contact(id) => person::contact_name(tx, id).await,
    }
}
