//! One action on many contacts.

use std::time::Duration;

use serde_json::json;

use super::{
    groups,
    list::{self, Filter, Sort},
    model::{Contact, Draft, TAGS_MAX},
    rules::event,
    store,
};
use crate::{
    access::By,
    audit::{self, Event},
    db::TenantTx,
    error::{Error, Result},
    types::{ContactId, GroupId},
    words::say,
};

/// At most so many at once.
pub const MOST: i64 = 10_000;
/// An action on all of them may take so long.
pub const AT_MOST: Duration = Duration::from_secs(60);

/// Whom it is done to.
#[derive(Debug, Clone)]
pub enum Chosen {
    Ids(Vec<ContactId>),
    /// All that a list shows, on all its pages.
    Matching(Filter),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    AddToGroup(GroupId),
    RemoveFromGroup(GroupId),
    AddTag(String),
    RemoveTag(String),
    Delete,
}

async fn locked(tx: &TenantTx, chosen: &Chosen) -> Result<Vec<Contact>> {
    let mut ids = match chosen {
        Chosen::Ids(ids) => ids.clone(),
        Chosen::Matching(filter) => {
            if list::count(tx, filter).await? > MOST {
                let detail = say!("At most {} contacts at once. Narrow the list.", MOST);
                return Err(Error::invalid("contact_ids", "too_many", detail));
            }
            let found = list::list(tx, filter, Sort::Newest, None, MOST).await?;
            found.into_iter().map(|one| one.id).collect()
        }
    };
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Error::invalid("contact_ids", "required", "No contact was selected."));
    }
    let contacts = store::lock_many(tx, &ids).await?;
    if contacts.len() < ids.len() {
        return Err(Error::invalid("contact_ids", "unknown", "There is no such contact."));
    }
    Ok(contacts)
}

/// Does it to all of them, or to none. How many it changed.
pub async fn act(tx: &TenantTx, by: &By, chosen: &Chosen, action: &Action) -> Result<u64> {
    let contacts = locked(tx, chosen).await?;
    let ids: Vec<ContactId> = contacts.iter().map(|one| one.id).collect();
    match action {
        Action::AddToGroup(group) | Action::RemoveFromGroup(group) => {
            let is_in = matches!(action, Action::AddToGroup(_));
            let Some(group) = groups::find(tx, *group).await? else {
                return Err(Error::invalid("group_id", "unknown", "There is no such group."));
            };
            let touched: Vec<&Contact> =
                contacts.iter().filter(|one| one.groups.iter().any(|g| g.id == group.id) != is_in).collect();
            if is_in {
                groups::add_members(tx, group.id, &ids).await?;
            } else {
                groups::remove_members(tx, group.id, &ids).await?;
            }
            let action = if is_in { "contact.added_to_group" } else { "contact.removed_from_group" };
            let told = touched
                .iter()
                .map(|one| Event {
                    after: Some(json!({ "group": group.name })),
                    ..event(action, one.id, &one.draft.name)
                })
                .collect();
            record(tx, by, told).await?;
            Ok(len(&touched))
        }
        Action::AddTag(tag) => retag(tx, by, &contacts, |draft| add_tag(draft, tag)).await,
        Action::RemoveTag(tag) => {
            let lower = tag.to_lowercase();
            retag(tx, by, &contacts, |draft| {
                draft.tags.retain(|known| known.to_lowercase() != lower);
                Ok(())
            })
            .await
        }
        Action::Delete => {
            store::delete_many(tx, &ids).await?;
            let told = contacts
                .iter()
                .map(|one| Event {
                    before: Some(one.draft.told()),
                    ..event("contact.deleted", one.id, &one.draft.name)
                })
                .collect();
            record(tx, by, told).await?;
            Ok(len(&contacts))
        }
    }
}

fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

async fn record(tx: &TenantTx, by: &By, told: Vec<Event<'_>>) -> Result<()> {
    audit::record_all(tx, &by.actor, by.origin.as_ref(), told).await
}

fn add_tag(draft: &mut Draft, tag: &str) -> Result<()> {
    let lower = tag.to_lowercase();
    if draft.tags.iter().any(|known| known.to_lowercase() == lower) {
        return Ok(());
    }
    if draft.tags.len() >= TAGS_MAX {
        let detail = say!("{} has {} tags already.", draft.name, TAGS_MAX);
        return Err(Error::invalid("tag", "too_many", detail));
    }
    draft.tags.push(tag.to_owned());
    Ok(())
}

async fn retag(
    tx: &TenantTx,
    by: &By,
    contacts: &[Contact],
    change: impl Fn(&mut Draft) -> Result<()>,
) -> Result<u64> {
    let mut changed: Vec<(&Contact, Draft)> = Vec::new();
    for contact in contacts {
        let mut draft = contact.draft.clone();
        change(&mut draft)?;
        if draft.tags != contact.draft.tags {
            changed.push((contact, draft));
        }
    }
    let rows: Vec<(ContactId, &Draft)> = changed.iter().map(|(one, draft)| (one.id, draft)).collect();
    store::update_many(tx, &rows).await?;
    let told = changed
        .iter()
        .map(|(one, draft)| Event {
            before: Some(json!({ "tags": one.draft.tags })),
            after: Some(json!({ "tags": draft.tags })),
            ..event("contact.updated", one.id, &one.draft.name)
        })
        .collect();
    record(tx, by, told).await?;
    Ok(len(&changed))
}
