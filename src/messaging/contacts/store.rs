//! SQL of `contact` and `contact_address`.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    groups::GroupChoice,
    model::{Contact, Draft, Owner},
};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    messaging::{Address, Channel},
    types::ContactId,
};

/// The columns of a contact `c`, in the order in which [`contact_of`] reads them.
macro_rules! columns {
    () => {
        "c.id, c.name, c.language, c.attributes, c.tags, c.note, c.created_at, c.updated_at, \
         (SELECT array_agg(a.channel || ':' || a.address ORDER BY a.channel, a.position, a.id) \
            FROM contact_address a WHERE a.contact_id = c.id), \
         (SELECT array_agg(g.id::text || ':' || g.colour || ':' || g.name ORDER BY lower(g.name), g.id) \
            FROM contact_group_member m JOIN contact_group g ON g.id = m.group_id WHERE m.contact_id = c.id)"
    };
}
pub(super) use columns;

pub(super) fn contact_of(row: &Row) -> Result<Contact> {
    Ok(Contact {
        id: row.get(0),
        draft: Draft {
            name: row.get(1),
            language: row.get(2),
            attributes: attributes_of(row.get(3)),
            tags: row.get(4),
            note: row.get(5),
            addresses: addresses_of(row.get(8))?,
        },
        groups: groups_of(row.get(9))?,
        created_at: row.get(6),
        updated_at: row.get(7),
    })
}

pub(super) fn attributes_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Addresses that came as `channel:address`.
pub(super) fn addresses_of(texts: Option<Vec<String>>) -> Result<Vec<Address>> {
    let odd = || Error::internal("an address of an odd channel");
    let parse = |text: String| {
        let (channel, address) = text.split_once(':').ok_or_else(odd)?;
        let channel: Channel = channel.parse().map_err(|_odd| odd())?;
        Ok(Address::stored(channel, address.to_owned()))
    };
    texts.unwrap_or_default().into_iter().map(parse).collect()
}

fn groups_of(texts: Option<Vec<String>>) -> Result<Vec<GroupChoice>> {
    let odd = || Error::internal("an odd group of a contact");
    let parse = |text: String| {
        let (id, rest) = text.split_once(':').ok_or_else(odd)?;
        let (colour, name) = rest.split_once(':').ok_or_else(odd)?;
        let id: Uuid = id.parse().map_err(|_odd| odd())?;
        Ok(GroupChoice { id: id.into(), name: name.to_owned(), colour: colour.to_owned() })
    };
    texts.unwrap_or_default().into_iter().map(parse).collect()
}

pub async fn find(tx: &TenantTx, id: ContactId) -> Result<Option<Contact>> {
    let sql = concat!("SELECT ", columns!(), " FROM contact c WHERE c.id = $1");
    tx.query_opt(sql, &[&id]).await?.as_ref().map(contact_of).transpose()
}

/// Those of these contacts who are there.
pub async fn find_many(tx: &TenantTx, ids: &[ContactId]) -> Result<Vec<Contact>> {
    let sql = concat!("SELECT ", columns!(), " FROM contact c WHERE c.id = ANY($1) ORDER BY c.id");
    tx.query(sql, &[&ids]).await?.iter().map(contact_of).collect()
}

/// Locks those of these contacts who are there, in the order of their ids.
pub async fn lock_many(tx: &TenantTx, ids: &[ContactId]) -> Result<Vec<Contact>> {
    let sql =
        concat!("SELECT ", columns!(), " FROM contact c WHERE c.id = ANY($1) ORDER BY c.id FOR UPDATE OF c");
    tx.query(sql, &[&ids]).await?.iter().map(contact_of).collect()
}

pub async fn lock(tx: &TenantTx, id: ContactId) -> Result<Option<Contact>> {
    Ok(lock_many(tx, &[id]).await?.pop())
}

/// Who has these addresses, by channel and address in lower case.
pub async fn owners(tx: &TenantTx, addresses: &[Address]) -> Result<HashMap<(Channel, String), Owner>> {
    if addresses.is_empty() {
        return Ok(HashMap::new());
    }
    let (channels, texts): (Vec<&str>, Vec<&str>) =
        addresses.iter().map(|one| (one.channel().as_str(), one.as_str())).unzip();
    let rows = tx
        .query(
            "SELECT n.position, c.id, c.name FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (channel, address, position) \
             JOIN contact_address a ON a.channel = n.channel AND md5(lower(a.address)) = md5(lower(n.address)) \
             JOIN contact c ON c.id = a.contact_id",
            &[&channels, &texts],
        )
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let position = usize::try_from(row.get::<_, i64>(0)).ok()?.checked_sub(1)?;
            let address = addresses.get(position)?;
            Some((key_of(address), Owner { id: row.get(1), name: row.get(2) }))
        })
        .collect())
}

/// What an address is known by: its channel, and itself in lower case.
pub fn key_of(address: &Address) -> (Channel, String) {
    (address.channel(), address.as_str().to_lowercase())
}

fn named<T>(answer: Result<T>) -> Result<T> {
    answer.on_constraint("contact_address_key", || {
        Error::conflict("address_taken", "One of these addresses was taken by another contact just now.")
    })
}

/// Inserts contacts without their addresses.
pub async fn insert_many(tx: &TenantTx, new: &[(ContactId, &Draft)]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let rows = Columns::of(new);
    tx.execute(
        "INSERT INTO contact (id, name, language, attributes, tags, note) \
         SELECT id, name, language, attributes, coalesce(string_to_array(tags, ','), '{}'), note \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[]) \
         AS new (id, name, language, attributes, tags, note)",
        &[&rows.ids, &rows.names, &rows.languages, &rows.attributes, &rows.tags, &rows.notes],
    )
    .await?;
    Ok(())
}

/// Writes contacts anew, all but their addresses.
pub async fn update_many(tx: &TenantTx, changed: &[(ContactId, &Draft)]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows = Columns::of(changed);
    tx.execute(
        "UPDATE contact SET name = new.name, language = new.language, attributes = new.attributes, \
         tags = coalesce(string_to_array(new.tags, ','), '{}'), note = new.note, updated_at = now() \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[]) \
         AS new (id, name, language, attributes, tags, note) WHERE contact.id = new.id",
        &[&rows.ids, &rows.names, &rows.languages, &rows.attributes, &rows.tags, &rows.notes],
    )
    .await?;
    Ok(())
}

struct Columns<'a> {
    ids: Vec<ContactId>,
    names: Vec<&'a str>,
    languages: Vec<Option<&'a str>>,
    attributes: Vec<Value>,
    /// With commas, which no tag has; an array of arrays would need all to be of one length.
    tags: Vec<Option<String>>,
    notes: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[(ContactId, &'a Draft)]) -> Self {
        Self {
            ids: rows.iter().map(|(id, _)| *id).collect(),
            names: rows.iter().map(|(_, draft)| draft.name.as_str()).collect(),
            languages: rows.iter().map(|(_, draft)| draft.language.as_deref()).collect(),
            attributes: rows.iter().map(|(_, draft)| Value::Object(draft.attributes.clone())).collect(),
            tags: rows
                .iter()
                .map(|(_, draft)| (!draft.tags.is_empty()).then(|| draft.tags.join(",")))
                .collect(),
            notes: rows.iter().map(|(_, draft)| draft.note.as_str()).collect(),
        }
    }
}

/// Gives contacts addresses that nobody has; 409 when somebody has one by now.
pub async fn insert_addresses(tx: &TenantTx, new: &[(ContactId, &Address)]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = new.iter().map(|_| Uuid::now_v7()).collect();
    let contacts: Vec<ContactId> = new.iter().map(|(id, _)| *id).collect();
    let channels: Vec<&str> = new.iter().map(|(_, one)| one.channel().as_str()).collect();
    let texts: Vec<&str> = new.iter().map(|(_, one)| one.as_str()).collect();
    // Behind those that are there: the first of a channel stays the first.
    let done = tx
        .execute(
            "INSERT INTO contact_address (id, contact_id, channel, address, position) \
             SELECT new.id, new.contact_id, new.channel, new.address, coalesce((SELECT max(a.position) + 1 \
                FROM contact_address a WHERE a.contact_id = new.contact_id AND a.channel = new.channel), 0) \
                + (row_number() OVER (PARTITION BY new.contact_id, new.channel ORDER BY new.id) - 1)::smallint \
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS new (id, contact_id, channel, address)",
            &[&ids, &contacts, &channels, &texts],
        )
        .await;
    named(done).map(drop)
}

/// Takes a contact's addresses away, all of them.
pub async fn delete_addresses(tx: &TenantTx, id: ContactId) -> Result<()> {
    tx.execute("DELETE FROM contact_address WHERE contact_id = $1", &[&id]).await.map(drop)
}

/// Gives an address that another has to this contact.
pub async fn move_address(tx: &TenantTx, channel: Channel, address: &str, to: ContactId) -> Result<bool> {
    let moved = tx
        .execute(
            "UPDATE contact_address SET contact_id = $3, position = coalesce((SELECT max(a.position) + 1 \
                FROM contact_address a WHERE a.contact_id = $3 AND a.channel = $1), 0) \
             WHERE channel = $1 AND md5(lower(address)) = md5(lower($2))",
            &[&channel.as_str(), &address, &to],
        )
        .await?;
    Ok(moved > 0)
}

/// Gives all that one contact has, and all groups that it is in, to another.
pub async fn move_all(tx: &TenantTx, from: ContactId, to: ContactId) -> Result<()> {
    tx.execute(
        "UPDATE contact_address a SET contact_id = $2, position = a.position + coalesce((SELECT max(b.position) + 1 \
            FROM contact_address b WHERE b.contact_id = $2 AND b.channel = a.channel), 0) WHERE a.contact_id = $1",
        &[&from, &to],
    )
    .await?;
    tx.execute(
        "INSERT INTO contact_group_member (group_id, contact_id) SELECT group_id, $2 FROM contact_group_member \
         WHERE contact_id = $1 ON CONFLICT DO NOTHING",
        &[&from, &to],
    )
    .await
    .map(drop)
}

pub async fn delete_many(tx: &TenantTx, ids: &[ContactId]) -> Result<()> {
    tx.execute("DELETE FROM contact WHERE id = ANY($1)", &[&ids]).await.map(drop)
}

/// They were changed just now.
pub async fn touch(tx: &TenantTx, ids: &[ContactId]) -> Result<()> {
    tx.execute("UPDATE contact SET updated_at = now() WHERE id = ANY($1)", &[&ids]).await.map(drop)
}
