//! Lists of recipients that nobody keeps as contacts: the rows of a file, or who was the audience of a campaign at one moment.
//!
//! Who is known already stands in a list by id alone and is read anew when something is sent: an erased contact is not written to.

mod api;
mod upload;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_postgres::Row;

use crate::{
    access::By,
    audit::Event,
    db::{OnConstraint, TenantTx},
    error::{Error, OrInternal, Result},
    messaging::{
        Channel, Messaging,
        audience::{Directory, Person},
        contacts,
    },
    tenancy::Tenant,
    types::{ContactId, CustomerId, Limit, RecipientListId},
};

pub use api::ListsApi;
pub use upload::{Uploaded, upload};

/// A list.
#[derive(Debug, Clone)]
pub struct List {
    pub id: RecipientListId,
    pub name: String,
    pub members: i32,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// Somebody out of a file, as the table has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stranger {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    addresses: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    context: Map<String, Value>,
}

impl From<&Person> for Stranger {
    fn from(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            language: person.language.clone(),
            addresses: person.addresses.iter().map(|(on, text)| (on.to_string(), text.clone())).collect(),
            context: person.context.clone(),
        }
    }
}

impl From<Stranger> for Person {
    fn from(stranger: Stranger) -> Self {
        let addresses = stranger
            .addresses
            .into_iter()
            .filter_map(|(on, text)| on.parse::<Channel>().ok().map(|on| (on, text)))
            .collect();
        Self {
            contact: None,
            customer: None,
            name: stranger.name,
            language: stranger.language,
            addresses,
            context: stranger.context,
        }
    }
}

/// Makes an empty list.
pub async fn create(tx: &TenantTx, name: &str, by: &str) -> Result<RecipientListId> {
    let id = RecipientListId::new();
    tx.execute(
        "INSERT INTO recipient_list (id, name, created_by) VALUES ($1, left($2, 200), $3)",
        &[&id, &name, &by],
    )
    .await?;
    Ok(id)
}

/// Appends people, in their order. The list is held until the unit ends: two who append do so one after the other.
pub async fn append(tx: &TenantTx, list: RecipientListId, people: &[Person]) -> Result<()> {
    let count = i32::try_from(people.len()).internal()?;
    let row = tx
        .query_opt(
            "UPDATE recipient_list SET members = members + $2 WHERE id = $1 RETURNING members - $2",
            &[&list, &count],
        )
        .await?
        .ok_or(Error::not_found("recipient list"))?;
    let before: i32 = row.get(0);
    let numbers: Vec<i32> = (1..=count).map(|n| before + n).collect();
    let contacts: Vec<Option<ContactId>> = people.iter().map(|person| person.contact).collect();
    let customers: Vec<Option<CustomerId>> =
        people.iter().map(|person| person.customer.filter(|_| person.contact.is_none())).collect();
    let strangers: Vec<Option<Value>> = people
        .iter()
        .map(|person| match (person.contact, person.customer) {
            (None, None) => serde_json::to_value(Stranger::from(person)).map(Some),
            _ => Ok(None),
        })
        .collect::<std::result::Result<_, _>>()
        .internal()?;
    tx.execute(
        "INSERT INTO recipient_list_member (list_id, n, contact_id, customer_id, person)
         SELECT $1, n, contact_id, customer_id, person
         FROM unnest($2::integer[], $3::uuid[], $4::uuid[], $5::jsonb[]) AS t (n, contact_id, customer_id, person)",
        &[&list, &numbers, &contacts, &customers, &strangers],
    )
    .await
    .map(drop)
}

/// The members after the first `offset`, at most `limit`, and how many places that was: who was erased is not among them.
pub async fn page(
    tx: &TenantTx,
    tenant: &Tenant,
    directory: &dyn Directory,
    list: RecipientListId,
    offset: usize,
    limit: i64,
) -> Result<(Vec<Person>, usize)> {
    let offset = i32::try_from(offset).internal()?;
    let rows = tx
        .query(
            "SELECT contact_id, customer_id, person FROM recipient_list_member
             WHERE list_id = $1 AND n > $2 ORDER BY n LIMIT $3",
            &[&list, &offset, &limit],
        )
        .await?;
    let known: Vec<ContactId> = rows.iter().filter_map(|row| row.get(0)).collect();
    let customers: Vec<CustomerId> = rows.iter().filter_map(|row| row.get(1)).collect();
    let mut people = contacts::find(tx, &known).await?;
    if !customers.is_empty() {
        people.extend(directory.find(tx, tenant, &customers).await?);
    }
    for stranger in rows.iter().filter_map(|row| row.get::<_, Option<Value>>(2)) {
        let stranger: Stranger = serde_json::from_value(stranger).internal()?;
        people.push(stranger.into());
    }
    Ok((people, rows.len()))
}

/// How many members each of these lists has; a list that is not there is not among them.
pub async fn sizes(tx: &TenantTx, lists: &[RecipientListId]) -> Result<Vec<(RecipientListId, i32)>> {
    let rows = tx.query("SELECT id, members FROM recipient_list WHERE id = ANY($1)", &[&lists]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The first of these lists that is not there.
pub async fn unknown(tx: &TenantTx, lists: &[RecipientListId]) -> Result<Option<usize>> {
    let known: HashSet<RecipientListId> = sizes(tx, lists).await?.into_iter().map(|(id, _)| id).collect();
    Ok(lists.iter().position(|list| !known.contains(list)))
}

/// Newest first.
pub async fn list(tx: &TenantTx, before: Option<RecipientListId>, limit: Limit) -> Result<(Vec<List>, bool)> {
    let rows = tx
        .query(
            "SELECT id, name, members, created_by, created_at FROM recipient_list
             WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2",
            &[&before, &limit.and_one()],
        )
        .await?;
    let mut items: Vec<List> = rows.iter().map(list_of).collect();
    let more = limit.cut(&mut items);
    Ok((items, more))
}

fn list_of(row: &Row) -> List {
    List {
        id: row.get(0),
        name: row.get(1),
        members: row.get(2),
        created_by: row.get(3),
        created_at: row.get(4),
    }
}

pub async fn find(tx: &TenantTx, id: RecipientListId) -> Result<Option<List>> {
    let row = tx
        .query_opt(
            "SELECT id, name, members, created_by, created_at FROM recipient_list WHERE id = $1",
            &[&id],
        )
        .await?;
    Ok(row.as_ref().map(list_of))
}

/// Deletes a list with its members. 409 `in_use` while a campaign goes by it.
pub async fn delete(tx: &TenantTx, by: &By, id: RecipientListId) -> Result<()> {
    let list = find(tx, id).await?.ok_or(Error::not_found("recipient list"))?;
    tx.execute("DELETE FROM recipient_list WHERE id = $1", &[&id])
        .await
        .on_constraint("campaign_frozen_list_id_fkey", || {
            Error::conflict("in_use", "A campaign goes by this list.")
        })?;
    by.record(tx, event("recipient_list.deleted", &list, None)).await
}

fn event<'a>(action: &'static str, list: &'a List, after: Option<Value>) -> Event<'a> {
    Event {
        action,
        object_type: "recipient_list",
        object_id: Some(list.id.0),
        object_label: &list.name,
        before: None,
        after,
    }
}

/// How many people these lists have together.
pub async fn count(tx: &TenantTx, lists: &[RecipientListId]) -> Result<i64> {
    if lists.is_empty() {
        return Ok(0);
    }
    Ok(sizes(tx, lists).await?.into_iter().map(|(_, members)| i64::from(members)).sum())
}

/// A file's rows as a list of its own.
pub async fn keep(messaging: &Messaging, by: &By, name: &str, people: &[Person]) -> Result<List> {
    messaging
        .db
        .in_tenant_for(&by.tenant, upload::AT_MOST, async |tx| {
            let id = create(tx, name, &by.actor.label).await?;
            for some in people.chunks(upload::CHUNK) {
                append(tx, id, some).await?;
            }
            let list = find(tx, id).await?.ok_or(Error::not_found("recipient list"))?;
            let after = serde_json::json!({"members": list.members});
            by.record(tx, event("recipient_list.created", &list, Some(after))).await?;
            Ok(list)
        })
        .await
}
