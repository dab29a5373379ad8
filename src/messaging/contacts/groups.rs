//! Groups of contacts. Nothing of a group's members is lost when it goes.

mod api;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::{
    access::By,
    audit::{Event, changes},
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{Check, ContactId, Cursor, GroupId, Limit, line, optional_text, search::containing},
    web::choices::choices,
    words::say,
};

pub use api::GroupsApi;

pub const NAME_MAX: usize = 100;
pub const DESCRIPTION_MAX: usize = 500;
const OBJECT: &str = "contact_group";
/// A tenant has at most so many groups: they are ticked on a form, one box each.
const MOST: i64 = 500;

choices! {
    /// The colour that a group is shown in.
    Colour is "GroupColour":
        Slate = "slate", "Slate";
        Red = "red", "Red";
        Orange = "orange", "Orange";
        Amber = "amber", "Amber";
        Green = "green", "Green";
        Teal = "teal", "Teal";
        Blue = "blue", "Blue";
        Violet = "violet", "Violet";
        Pink = "pink", "Pink";
}

/// A group as a select box or a chip shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupChoice {
    pub id: GroupId,
    pub name: String,
    pub colour: String,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    pub colour: Colour,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub members: i64,
}

/// What may be written of a group, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDraft {
    pub name: String,
    pub colour: Colour,
    pub description: String,
}

impl GroupDraft {
    pub fn parse(name: &str, colour: &str, description: &str) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(name, NAME_MAX));
        let colour = if colour.trim().is_empty() {
            Some(Colour::Slate)
        } else {
            check.field("colour", Colour::parse(colour))
        };
        let description = check.field("description", optional_text(description, DESCRIPTION_MAX));
        let whole =
            (|| Some(Self { name: name?, colour: colour?, description: description?.unwrap_or_default() }))();
        check.finish(whole)
    }

    fn told(&self) -> Value {
        json!({ "name": self.name, "colour": self.colour.as_str(), "description": self.description })
    }
}

impl From<&Group> for GroupDraft {
    fn from(group: &Group) -> Self {
        Self { name: group.name.clone(), colour: group.colour, description: group.description.clone() }
    }
}

fn group_of(row: &Row) -> Group {
    Group {
        id: row.get(0),
        name: row.get(1),
        colour: Colour::from_column(row.get(2)),
        description: row.get(3),
        created_at: row.get(4),
        updated_at: row.get(5),
        members: row.get(6),
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT g.id, g.name, g.colour, g.description, g.created_at, g.updated_at, \
             (SELECT count(*) FROM contact_group_member m WHERE m.group_id = g.id) FROM contact_group g ",
            $rest
        )
    };
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("contact_group_name_key", || {
        Error::conflict("name_taken", "There is a group of this name already.")
    })
}

fn event<'a>(action: &'static str, id: GroupId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

/// Where the list goes on: after this name and id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    name: String,
    id: GroupId,
}

impl Mark {
    pub fn of(group: &Group) -> Self {
        Self { name: group.name.clone(), id: group.id }
    }

    pub fn decode(text: &str) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        if mark.name.contains('\0') {
            return Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."));
        }
        Ok(mark)
    }
}

/// One page in the order of names, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    q: Option<&str>,
    mark: Option<&Mark>,
    limit: Limit,
) -> Result<(Vec<Group>, bool)> {
    let q = q.map(containing);
    let (name, id) = (mark.map(|mark| mark.name.as_str()), mark.map(|mark| mark.id));
    let sql = select!(
        "WHERE ($1::text IS NULL OR lower(g.name) LIKE lower($1)) \
         AND ($3::uuid IS NULL OR (lower(g.name), g.id) > (lower($2::text), $3)) ORDER BY lower(g.name), g.id LIMIT $4"
    );
    let rows = tx.query(sql, &[&q, &name, &id, &limit.and_one()]).await?;
    let mut items: Vec<Group> = rows.iter().map(group_of).collect();
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// All groups, in the order of names.
pub async fn choices(tx: &TenantTx) -> Result<Vec<GroupChoice>> {
    let sql = "SELECT id, name, colour FROM contact_group ORDER BY lower(name), id LIMIT 500";
    let choice = |row: &Row| GroupChoice { id: row.get(0), name: row.get(1), colour: row.get(2) };
    Ok(tx.query(sql, &[]).await?.iter().map(choice).collect())
}

pub async fn find(tx: &TenantTx, id: GroupId) -> Result<Option<Group>> {
    Ok(tx.query_opt(select!("WHERE g.id = $1"), &[&id]).await?.as_ref().map(group_of))
}

pub async fn get(tx: &TenantTx, id: GroupId) -> Result<Group> {
    find(tx, id).await?.ok_or(Error::not_found("group"))
}

/// Adds a group: 409 `name_taken`.
pub async fn create(tx: &TenantTx, by: &By, draft: &GroupDraft) -> Result<Group> {
    let count: i64 = tx.query_one("SELECT count(*) FROM contact_group", &[]).await?.get(0);
    if count >= MOST {
        return Err(Error::conflict("too_many", say!("There are {} groups already.", MOST)));
    }
    let id = GroupId::new();
    let done = tx
        .execute(
            "INSERT INTO contact_group (id, name, colour, description) VALUES ($1, $2, $3, $4)",
            &[&id, &draft.name, &draft.colour.as_str(), &draft.description],
        )
        .await;
    named(done)?;
    by.record(tx, Event { after: Some(draft.told()), ..event("contact_group.created", id, &draft.name) })
        .await?;
    get(tx, id).await
}

/// Changes a group; what stays the same is not written.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: GroupId,
    wanted: impl FnOnce(GroupDraft) -> Result<GroupDraft>,
) -> Result<Group> {
    let was = lock(tx, id).await?;
    let draft = wanted(GroupDraft::from(&was))?;
    let (before, after) = changes(&GroupDraft::from(&was).told(), &draft.told());
    if after.is_none() {
        return Ok(was);
    }
    let done = tx
        .execute(
            "UPDATE contact_group SET name = $2, colour = $3, description = $4, updated_at = now() WHERE id = $1",
            &[&id, &draft.name, &draft.colour.as_str(), &draft.description],
        )
        .await;
    named(done)?;
    by.record(tx, Event { before, after, ..event("contact_group.updated", id, &draft.name) }).await?;
    get(tx, id).await
}

async fn lock(tx: &TenantTx, id: GroupId) -> Result<Group> {
    tx.query_opt("SELECT id FROM contact_group WHERE id = $1 FOR UPDATE", &[&id]).await?;
    get(tx, id).await
}

/// Deletes a group; its members stay contacts.
pub async fn remove(tx: &TenantTx, by: &By, id: GroupId) -> Result<Group> {
    let was = lock(tx, id).await?;
    tx.execute("DELETE FROM contact_group WHERE id = $1", &[&id]).await?;
    let mut told = GroupDraft::from(&was).told();
    if let Value::Object(fields) = &mut told {
        fields.insert("members".into(), was.members.into());
    }
    by.record(tx, Event { before: Some(told), ..event("contact_group.deleted", id, &was.name) }).await?;
    Ok(was)
}

/// 422 on `field` unless all of these groups are there.
pub async fn check(tx: &TenantTx, ids: &[GroupId], field: &'static str) -> Result<()> {
    let mut wanted = ids.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let row = tx.query_one("SELECT count(*) FROM contact_group WHERE id = ANY($1)", &[&wanted]).await?;
    if usize::try_from(row.get::<_, i64>(0)).ok() == Some(wanted.len()) {
        return Ok(());
    }
    Err(Error::invalid(field, "unknown", "There is no such group."))
}

/// Makes these the groups of a contact; true when that changed anything.
pub async fn set_of(tx: &TenantTx, contact: ContactId, ids: &[GroupId]) -> Result<bool> {
    if !ids.is_empty() {
        check(tx, ids, "group_ids").await?;
    }
    let gone = tx
        .execute(
            "DELETE FROM contact_group_member WHERE contact_id = $1 AND NOT group_id = ANY($2)",
            &[&contact, &ids],
        )
        .await?;
    let added = tx
        .execute(
            "INSERT INTO contact_group_member (group_id, contact_id) SELECT DISTINCT g, $1::uuid FROM unnest($2::uuid[]) g \
             ON CONFLICT DO NOTHING",
            &[&contact, &ids],
        )
        .await?;
    Ok(gone + added > 0)
}

/// Puts contacts into a group; how many were not in it.
pub async fn add_members(tx: &TenantTx, group: GroupId, contacts: &[ContactId]) -> Result<u64> {
    tx.execute(
        "INSERT INTO contact_group_member (group_id, contact_id) SELECT $1::uuid, c FROM unnest($2::uuid[]) c \
         ON CONFLICT DO NOTHING",
        &[&group, &contacts],
    )
    .await
}

/// Puts each contact into the group beside it.
pub async fn join(tx: &TenantTx, joins: &BTreeSet<(GroupId, ContactId)>) -> Result<()> {
    if joins.is_empty() {
        return Ok(());
    }
    let (groups, contacts): (Vec<GroupId>, Vec<ContactId>) = joins.iter().copied().unzip();
    tx.execute(
        "INSERT INTO contact_group_member (group_id, contact_id) SELECT g, c FROM unnest($1::uuid[], $2::uuid[]) u (g, c) \
         ON CONFLICT DO NOTHING",
        &[&groups, &contacts],
    )
    .await
    .map(drop)
}

/// Takes contacts out of a group; how many were in it.
pub async fn remove_members(tx: &TenantTx, group: GroupId, contacts: &[ContactId]) -> Result<u64> {
    let sql = "DELETE FROM contact_group_member WHERE group_id = $1 AND contact_id = ANY($2)";
    tx.execute(sql, &[&group, &contacts]).await
}
