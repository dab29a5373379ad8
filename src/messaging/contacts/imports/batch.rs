//! What becomes of rows: decided row by row without a look into the database, from what was loaded for all of them.
//!
//! A row means the contact who has one of its addresses under the same name, or under any name when the row has none. Who has an
//! address under another name is somebody else: the claim waits for a person, and the row's other addresses make a new contact.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;

use super::{
    Line, RowError,
    mapping::{Mapping, Said, Target},
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::{
        Address, Channel,
        contacts::{
            groups,
            model::{ADDRESSES_MAX, ATTRIBUTES_MAX, Contact, Draft, Fields, TAGS_MAX},
            store::{self, key_of},
        },
    },
    types::{ContactId, Country, GroupId},
    web::choices::choices,
    words::say,
};

choices! {
    /// What becomes of a row.
    Fate is "ContactImportFate":
        New = "new", "New";
        Changed = "changed", "Changed";
        Same = "same", "Known already";
        /// Another contact has one of its addresses.
        Conflict = "conflict", "Conflict";
        Wrong = "wrong", "Wrong";
}

/// A row as it would come out.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "ContactImportRow")]
pub struct Told {
    /// Where it stands in the file, from 1.
    pub row: u32,
    pub fate: Fate,
    pub name: String,
    /// In the one spelling of their channels.
    pub addresses: Vec<String>,
    /// What is wrong, or whose an address is.
    pub detail: String,
}

/// A claim that a row makes.
#[derive(Debug, PartialEq, Eq)]
pub struct Claimed {
    pub address: Address,
    pub owner: ContactId,
    pub claimant: Option<ContactId>,
    pub name: String,
}

/// What becomes of a batch.
#[derive(Debug, Default)]
pub struct Plan {
    pub created: Vec<ContactId>,
    pub changed: BTreeSet<ContactId>,
    /// As they will be.
    pub drafts: BTreeMap<ContactId, Draft>,
    pub addresses: Vec<(ContactId, Address)>,
    pub claims: Vec<Claimed>,
    /// Whom rows mean.
    pub members: BTreeSet<ContactId>,
    /// Who comes into which group, being in it already or not.
    pub joins: BTreeSet<(GroupId, ContactId)>,
    pub errors: Vec<RowError>,
    pub told: Vec<Told>,
    owners: HashMap<(Channel, String), ContactId>,
    /// The groups that contacts were in before.
    were_in: BTreeSet<(GroupId, ContactId)>,
}

/// The groups that are there, by their names.
pub struct GroupNames {
    ids: HashMap<String, GroupId>,
    /// Into so many pieces its commas part a name at most.
    most_pieces: usize,
}

impl GroupNames {
    /// Reads them, if a column names any.
    pub async fn for_mapping(tx: &TenantTx, mapping: &Mapping) -> Result<Self> {
        let are_named = mapping.0.iter().flatten().any(|target| *target == Target::Groups);
        let groups = if are_named { groups::choices(tx).await? } else { Vec::new() };
        let named: Vec<(Vec<String>, GroupId)> =
            groups.into_iter().map(|group| (pieces_of(&group.name).collect(), group.id)).collect();
        let most_pieces = named.iter().map(|(pieces, _)| pieces.len()).max().unwrap_or_default();
        let ids = named.into_iter().map(|(pieces, id)| (group_key(&pieces), id)).collect();
        Ok(Self { ids, most_pieces })
    }

    /// Those that a list names, which was parted at its commas; or the first piece that begins no group's name. A name may have
    /// commas of its own: the longest one that is there is meant.
    fn ids<'a>(&self, mut pieces: &'a [String]) -> Result<Vec<GroupId>, &'a str> {
        let mut found = Vec::new();
        while let Some(first) = pieces.first() {
            let longest = pieces.len().min(self.most_pieces);
            let (id, rest) = (1..=longest)
                .rev()
                .filter_map(|n| pieces.split_at_checked(n))
                .find_map(|(name, rest)| Some((*self.ids.get(&group_key(name))?, rest)))
                .ok_or(first.as_str())?;
            found.push(id);
            pieces = rest;
        }
        Ok(found)
    }
}

/// What the commas of a name part.
fn pieces_of(name: &str) -> impl Iterator<Item = String> {
    name.split(',').map(str::trim).filter(|piece| !piece.is_empty()).map(str::to_owned)
}

fn group_key(pieces: &[String]) -> String {
    plain(&pieces.join(","))
}

/// A row that can be read.
struct Read {
    row: u32,
    draft: Draft,
    has_name: bool,
    groups: Vec<GroupId>,
}

fn read(
    line: &Line,
    mapping: &Mapping,
    country: &Country,
    known_groups: &GroupNames,
) -> Result<Read, Vec<RowError>> {
    let wrong =
        |field: &str, detail: &str| RowError { row: line.0, field: field.into(), detail: detail.into() };
    let Said { mut asked, groups, has_odd_attributes } = mapping.said(line);
    if has_odd_attributes {
        return Err(vec![wrong("attributes", "These are not attributes as an export writes them.")]);
    }
    let groups = known_groups
        .ids(&groups)
        .map_err(|name| vec![wrong("groups", &format!("There is no group “{name}”. Add it first."))])?;
    let has_name = !asked.name.is_empty();
    let Some((_, first)) = asked.addresses.first() else {
        return Err(vec![wrong("addresses", "There is no address in this row.")]);
    };
    if !has_name {
        asked.name = first.chars().take(super::super::model::NAME_MAX).collect();
    }
    match Draft::parse(&asked, country, Fields::Form) {
        Ok(mut draft) => {
            if let Some(first) = draft.addresses.first().filter(|_| !has_name) {
                draft.name = first.as_str().chars().take(super::super::model::NAME_MAX).collect();
            }
            Ok(Read { row: line.0, draft, has_name, groups })
        }
        Err(Error::Invalid(fields)) => {
            Err(fields.iter().map(|field| wrong(&field.field, &field.detail)).collect())
        }
        Err(error) => Err(vec![wrong("row", &error.detail())]),
    }
}

/// Two spellings of one name are one name.
fn plain(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl Plan {
    /// Whom the rows may mean, as they are now.
    fn new(known: Vec<Contact>) -> Self {
        let mut plan = Self::default();
        for contact in known {
            for address in &contact.draft.addresses {
                plan.owners.insert(key_of(address), contact.id);
            }
            plan.were_in.extend(contact.groups.iter().map(|group| (group.id, contact.id)));
            plan.drafts.insert(contact.id, contact.draft);
        }
        plan
    }

    fn tell(&mut self, row: u32, fate: Fate, draft: &Draft, detail: String) {
        let addresses = draft.addresses.iter().map(|one| one.as_str().to_owned()).collect();
        self.told.push(Told { row, fate, name: draft.name.clone(), addresses, detail });
    }

    fn fail(&mut self, wrong: Vec<RowError>) {
        let row = wrong.first().map_or(0, |one| one.row);
        let detail = wrong.iter().map(|one| one.detail.as_str()).collect::<Vec<_>>().join(" ");
        self.told.push(Told { row, fate: Fate::Wrong, name: String::new(), addresses: Vec::new(), detail });
        self.errors.extend(wrong);
    }

    fn take(&mut self, read: Read) {
        let Read { row, draft, has_name, groups } = read;
        let (mut owned, mut free) = (Vec::new(), Vec::new());
        for address in &draft.addresses {
            match self.owners.get(&key_of(address)) {
                Some(owner) => owned.push((address.clone(), *owner)),
                None => free.push(address.clone()),
            }
        }
        let ids: BTreeSet<ContactId> = owned.iter().map(|(_, id)| *id).collect();
        let is_named = |id: &ContactId| {
            self.drafts.get(id).is_some_and(|known| !has_name || plain(&known.name) == plain(&draft.name))
        };
        let mut meant = ids.iter().copied().filter(is_named);
        let target = meant.next();
        if !has_name && meant.next().is_some() {
            let detail = "Its addresses belong to different contacts, and it says no name.".to_owned();
            return self.fail(vec![RowError { row, field: "addresses".into(), detail }]);
        }
        drop(meant);
        let others: Vec<(Address, ContactId)> =
            owned.into_iter().filter(|(_, owner)| Some(*owner) != target).collect();
        let (claimant, fate) = match target {
            Some(id) => {
                let joins = groups.iter().any(|group| !self.is_in(*group, id));
                let is_changed = self.fill(id, &draft, free) || joins;
                if is_changed && !self.created.contains(&id) {
                    self.changed.insert(id);
                }
                (Some(id), if is_changed { Fate::Changed } else { Fate::Same })
            }
            None if free.is_empty() => (None, Fate::Conflict),
            None => (Some(self.create(&draft, free)), Fate::New),
        };
        self.members.extend(claimant);
        self.joins.extend(claimant.iter().flat_map(|id| groups.iter().map(|group| (*group, *id))));
        let names: Vec<String> =
            others.iter().filter_map(|(address, owner)| self.belongs(address, *owner)).collect();
        let fate = if others.is_empty() { fate } else { Fate::Conflict };
        self.tell(row, fate, &draft, names.join(" "));
        self.claims.extend(others.into_iter().map(|(address, owner)| Claimed {
            address,
            owner,
            claimant,
            name: draft.name.clone(),
        }));
    }

    fn is_in(&self, group: GroupId, contact: ContactId) -> bool {
        self.were_in.contains(&(group, contact)) || self.joins.contains(&(group, contact))
    }

    fn belongs(&self, address: &Address, owner: ContactId) -> Option<String> {
        let owner = self.drafts.get(&owner)?;
        Some(say!("{} belongs to {}.", address.as_str(), owner.name))
    }

    fn give(&mut self, id: ContactId, addresses: Vec<Address>) {
        for address in addresses {
            self.owners.insert(key_of(&address), id);
            self.addresses.push((id, address));
        }
    }

    fn create(&mut self, draft: &Draft, free: Vec<Address>) -> ContactId {
        let id = ContactId::new();
        self.drafts.insert(id, Draft { addresses: free.clone(), ..draft.clone() });
        self.created.push(id);
        self.give(id, free);
        id
    }

    /// Gives a contact what the row has more. True when that is anything.
    fn fill(&mut self, id: ContactId, row: &Draft, free: Vec<Address>) -> bool {
        let Some(known) = self.drafts.get_mut(&id) else { return false };
        let was = known.clone();
        if known.language.is_none() {
            known.language.clone_from(&row.language);
        }
        for (key, value) in &row.attributes {
            if known.attributes.len() < ATTRIBUTES_MAX || known.attributes.contains_key(key) {
                known.attributes.insert(key.clone(), value.clone());
            }
        }
        for tag in &row.tags {
            let is_there = known.tags.iter().any(|one| one.to_lowercase() == tag.to_lowercase());
            if !is_there && known.tags.len() < TAGS_MAX {
                known.tags.push(tag.clone());
            }
        }
        if known.note.is_empty() {
            known.note.clone_from(&row.note);
        }
        let room = ADDRESSES_MAX.saturating_sub(known.addresses.len());
        let free: Vec<Address> = free.into_iter().take(room).collect();
        known.addresses.extend(free.iter().cloned());
        let is_changed = *known != was;
        self.give(id, free);
        is_changed
    }

    /// The groups that rows put a contact into.
    pub fn groups_of(&self, contact: ContactId) -> Vec<GroupId> {
        self.joins.iter().filter(|(_, one)| *one == contact).map(|(group, _)| *group).collect()
    }

    /// How many rows had this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.told.iter().filter(|told| told.fate == fate).count()
    }
}

/// What becomes of rows when these are the contacts that they may mean.
pub fn plan(
    lines: &[Line],
    mapping: &Mapping,
    country: &Country,
    known: Vec<Contact>,
    groups: &GroupNames,
) -> Plan {
    let mut plan = Plan::new(known);
    for line in lines {
        match read(line, mapping, country, groups) {
            Ok(read) => plan.take(read),
            Err(wrong) => plan.fail(wrong),
        }
    }
    plan
}

/// The contacts who have one of the addresses of these rows.
pub async fn meant(
    tx: &TenantTx,
    lines: &[Line],
    mapping: &Mapping,
    country: &Country,
    groups: &GroupNames,
) -> Result<Vec<ContactId>> {
    let addresses: Vec<Address> = lines
        .iter()
        .filter_map(|line| read(line, mapping, country, groups).ok())
        .flat_map(|read| read.draft.addresses)
        .collect();
    let owners: BTreeSet<ContactId> =
        store::owners(tx, &addresses).await?.into_values().map(|owner| owner.id).collect();
    Ok(owners.into_iter().collect())
}

/// Rows as they would come out; nothing is written.
pub async fn preview(
    tx: &TenantTx,
    lines: &[Line],
    mapping: &Mapping,
    country: &Country,
) -> Result<Vec<Told>> {
    let groups = GroupNames::for_mapping(tx, mapping).await?;
    let ids = meant(tx, lines, mapping, country, &groups).await?;
    let known = store::find_many(tx, &ids).await?;
    Ok(plan(lines, mapping, country, known, &groups).told)
}

/// What a contact was before, for the trail.
pub fn told_before(known: &[Contact]) -> HashMap<ContactId, Value> {
    known.iter().map(|one| (one.id, one.draft.told())).collect()
}
