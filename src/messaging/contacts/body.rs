//! Contacts on the wire.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    bulk::Action,
    conflicts::{Conflict, Decision, Settled},
    groups::GroupChoice,
    model::{self, Asked, Contact, Draft, IfTaken},
};
use crate::{
    error::{Error, Result},
    messaging::{
        Channel,
        suppression::{Consent, Reason},
    },
};

/// Where a contact is reached.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactAddress")]
pub struct AddressView {
    channel: Channel,
    /// In the one spelling of its channel: `+233200000001`.
    address: String,
    /// What its owner said about being written to; null when nothing.
    #[oai(nullable)]
    consent: Option<Consent>,
    /// Why it is not written to; null when it is.
    #[oai(nullable)]
    suppressed: Option<Reason>,
}

/// A group that a contact is in.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "GroupOfContact")]
pub struct GroupView {
    id: Uuid,
    name: String,
    colour: String,
}

impl From<GroupChoice> for GroupView {
    fn from(group: GroupChoice) -> Self {
        Self { id: group.id.0, name: group.name, colour: group.colour }
    }
}

/// A contact.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Contact")]
pub struct ContactView {
    id: Uuid,
    name: String,
    /// BCP 47; null: the provider's own language.
    #[oai(nullable)]
    language: Option<String>,
    /// Words of the provider's own, for templates.
    attributes: BTreeMap<String, String>,
    tags: Vec<String>,
    note: String,
    /// The first of a channel is used.
    addresses: Vec<AddressView>,
    groups: Vec<GroupView>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What is known of addresses besides.
pub struct Known {
    pub consents: std::collections::HashMap<(Channel, String), Consent>,
    pub suppressed: std::collections::HashMap<(Channel, String), String>,
}

impl ContactView {
    pub fn of(contact: Contact, known: &Known) -> Self {
        let Draft { name, language, attributes, tags, note, addresses } = contact.draft;
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let addresses = addresses
            .into_iter()
            .map(|one| {
                let key = (one.channel(), one.as_str().to_lowercase());
                AddressView {
                    channel: one.channel(),
                    address: one.as_str().to_owned(),
                    consent: known.consents.get(&key).copied(),
                    suppressed: known.suppressed.get(&key).map(|reason| Reason::from_column(reason)),
                }
            })
            .collect();
        Self {
            id: contact.id.0,
            name,
            language,
            attributes: attributes.into_iter().map(|(key, value)| (key, text(value))).collect(),
            tags,
            note,
            addresses,
            groups: contact.groups.into_iter().map(GroupView::from).collect(),
            created_at: contact.created_at,
            updated_at: contact.updated_at,
        }
    }
}

/// One page of contacts.
#[derive(Debug, Serialize, Object)]
pub struct ContactList {
    pub items: Vec<ContactView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    pub total: Option<i64>,
}

/// An address in any spelling.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewContactAddress")]
pub struct AddressBody {
    channel: Channel,
    #[oai(validator(min_length = 1, max_length = 4096))]
    address: String,
}

/// What becomes of addresses that another contact has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "IfAddressTaken", rename_all = "snake_case")]
pub enum IfTakenBody {
    /// 409 `address_taken`, and nothing is written.
    Refuse,
    /// All but those addresses is written, and the claims wait as conflicts for somebody to decide.
    Record,
}

impl IfTakenBody {
    pub fn or_refuse(asked: Option<Self>) -> IfTaken {
        match asked {
            Some(Self::Record) => IfTaken::Record,
            Some(Self::Refuse) | None => IfTaken::Refuse,
        }
    }
}

/// A new contact.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewContact")]
pub struct NewContactBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    #[oai(nullable, validator(max_length = 35))]
    language: Option<String>,
    /// At most 50; names have small letters, digits and `_`, values at most 500 characters.
    attributes: Option<BTreeMap<String, String>>,
    #[oai(validator(max_items = 50))]
    tags: Option<Vec<String>>,
    #[oai(nullable, validator(max_length = 2000))]
    note: Option<String>,
    #[oai(validator(max_items = 20))]
    addresses: Option<Vec<AddressBody>>,
    #[oai(validator(max_items = 500))]
    pub group_ids: Option<Vec<Uuid>>,
    /// `refuse` unless said otherwise.
    pub if_address_taken: Option<IfTakenBody>,
}

impl NewContactBody {
    pub fn asked(&self) -> Asked {
        Asked {
            name: self.name.clone(),
            language: self.language.clone().unwrap_or_default(),
            attributes: self.attributes.clone().unwrap_or_default().into_iter().collect(),
            tags: self.tags.clone().unwrap_or_default(),
            note: self.note.clone().unwrap_or_default(),
            addresses: pairs(self.addresses.as_deref().unwrap_or_default()),
        }
    }
}

fn pairs(addresses: &[AddressBody]) -> Vec<(Channel, String)> {
    addresses.iter().map(|one| (one.channel, one.address.clone())).collect()
}

/// Changes of a contact; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ContactChanges")]
pub struct ContactChangesBody {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// Null: the provider's own.
    #[oai(nullable, validator(max_length = 35))]
    language: MaybeUndefined<String>,
    /// All of them, from then on.
    attributes: Option<BTreeMap<String, String>>,
    #[oai(validator(max_items = 50))]
    tags: Option<Vec<String>>,
    #[oai(validator(max_length = 2000))]
    note: Option<String>,
    /// All of them, from then on; the first of a channel is used.
    #[oai(validator(max_items = 20))]
    addresses: Option<Vec<AddressBody>>,
    #[oai(validator(max_items = 500))]
    pub group_ids: Option<Vec<Uuid>>,
    /// `refuse` unless said otherwise.
    pub if_address_taken: Option<IfTakenBody>,
}

impl ContactChangesBody {
    pub fn over(&self, was: &Draft) -> Asked {
        let language = match &self.language {
            MaybeUndefined::Undefined => was.language.clone().unwrap_or_default(),
            MaybeUndefined::Null => String::new(),
            MaybeUndefined::Value(language) => language.clone(),
        };
        let kept = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attributes = match &self.attributes {
            Some(attributes) => attributes.clone().into_iter().collect(),
            None => was.attributes.iter().map(|(key, value)| (key.clone(), kept(value))).collect(),
        };
        let addresses = match &self.addresses {
            Some(addresses) => pairs(addresses),
            None => was.addresses.iter().map(|one| (one.channel(), one.as_str().to_owned())).collect(),
        };
        Asked {
            name: self.name.clone().unwrap_or_else(|| was.name.clone()),
            language,
            attributes,
            tags: self.tags.clone().unwrap_or_else(|| was.tags.clone()),
            note: self.note.clone().unwrap_or_else(|| was.note.clone()),
            addresses,
        }
    }
}

/// What is done to many contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ContactAction", rename_all = "snake_case")]
pub enum BulkAction {
    /// With `group_id`.
    AddToGroup,
    /// With `group_id`.
    RemoveFromGroup,
    /// With `tag`.
    AddTag,
    /// With `tag`.
    RemoveTag,
    /// Asks for the right to delete contacts.
    Delete,
}

/// One action on many contacts: all of them change, or none.
#[derive(Debug, Object)]
#[oai(rename = "ContactBulk")]
pub struct BulkBody {
    pub action: BulkAction,
    #[oai(validator(min_items = 1, max_items = 10000))]
    pub contact_ids: Vec<Uuid>,
    #[oai(nullable)]
    pub group_id: Option<Uuid>,
    #[oai(nullable, validator(max_length = 50))]
    pub tag: Option<String>,
}

/// What an action needs besides its name.
pub fn action(action: BulkAction, group: Option<Uuid>, tag: Option<&str>) -> Result<Action> {
    let group = || {
        let wrong = || Error::invalid("group_id", "required", "Say which group.");
        group.map(Into::into).ok_or_else(wrong)
    };
    let tag = || {
        let wrong = || Error::invalid("tag", "required", "Say which tag.");
        model::tag(tag.unwrap_or_default())
            .map_err(|wrong| Error::Invalid(vec![wrong.at("tag")]))?
            .ok_or_else(wrong)
    };
    Ok(match action {
        BulkAction::AddToGroup => Action::AddToGroup(group()?),
        BulkAction::RemoveFromGroup => Action::RemoveFromGroup(group()?),
        BulkAction::AddTag => Action::AddTag(tag()?),
        BulkAction::RemoveTag => Action::RemoveTag(tag()?),
        BulkAction::Delete => Action::Delete,
    })
}

/// How many contacts are other than before.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactBulkOutcome")]
pub struct BulkOutcome {
    pub changed: u64,
}

/// An address that somebody claims and another contact has.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactConflict")]
pub struct ConflictView {
    id: Uuid,
    channel: Channel,
    address: String,
    /// The contact that has it.
    owner_id: Uuid,
    owner_name: String,
    /// The contact that claims it; null when only a name came in.
    #[oai(nullable)]
    claimant_id: Option<Uuid>,
    claimed_name: String,
    /// `api`, `page`, `import`, `inbound`
    source: String,
    created_at: DateTime<Utc>,
    /// Null while it waits.
    #[oai(nullable)]
    outcome: Option<Settled>,
    #[oai(nullable)]
    settled_at: Option<DateTime<Utc>>,
}

impl From<Conflict> for ConflictView {
    fn from(one: Conflict) -> Self {
        Self {
            id: one.id.0,
            channel: one.channel,
            address: one.address,
            owner_id: one.owner.0,
            owner_name: one.owner_name,
            claimant_id: one.claimant.map(|id| id.0),
            claimed_name: one.claimed_name,
            source: one.source,
            created_at: one.created_at,
            outcome: one.settled,
            settled_at: one.settled_at,
        }
    }
}

/// One page of conflicts.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactConflictList")]
pub struct ConflictList {
    pub items: Vec<ConflictView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// What was decided.
#[derive(Debug, Object)]
#[oai(rename = "ConflictSettlement")]
pub struct SettleBody {
    pub decision: Decision,
}
