//! Contacts as those whom messages reach.

use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::store::{addresses_of, attributes_of};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{Address, Channel, audience::Person},
    types::{ContactId, GroupId},
};

/// The columns of a contact `c` that make a person of it.
macro_rules! person {
    () => {
        "c.id, c.name, c.language, c.attributes, (SELECT array_agg(a.channel || ':' || a.address \
            ORDER BY a.channel, a.position, a.id) FROM contact_address a WHERE a.contact_id = c.id)"
    };
}

fn person_of(row: &Row) -> Result<Person> {
    let name: String = row.get(1);
    let addresses = addresses_of(row.get(4))?;
    let context = context(&name, attributes_of(row.get(3)), &addresses);
    Ok(Person {
        contact: Some(row.get(0)),
        customer: None,
        name,
        language: row.get(2),
        addresses: addresses.into_iter().map(|one| (one.channel(), one.as_str().to_owned())).collect(),
        context,
    })
}

/// What a template may say of a contact: the tenant's own words, and those that everybody has.
pub fn context(name: &str, attributes: Map<String, Value>, addresses: &[Address]) -> Map<String, Value> {
    let mut context = attributes;
    let (first, last) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            context.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    };
    put("name", name);
    put("first_name", first);
    put("last_name", last.trim());
    for (key, channel) in [("phone", Channel::Sms), ("email", Channel::Email)] {
        if let Some(address) = addresses.iter().find(|one| one.channel() == channel) {
            put(key, address.as_str());
        }
    }
    context
}

/// Those of these contacts who are there, in the order of their ids.
pub async fn find(tx: &TenantTx, ids: &[ContactId]) -> Result<Vec<Person>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = concat!("SELECT ", person!(), " FROM contact c WHERE c.id = ANY($1) ORDER BY c.id");
    tx.query(sql, &[&ids]).await?.iter().map(person_of).collect()
}

/// One page of a group in the order of contacts' ids, after `after`.
pub async fn page_of_group(
    tx: &TenantTx,
    group: GroupId,
    after: Option<ContactId>,
    limit: i64,
) -> Result<Vec<Person>> {
    let sql = concat!(
        "SELECT ",
        person!(),
        " FROM contact_group_member m JOIN contact c ON c.id = m.contact_id WHERE m.group_id = $1 \
         AND ($2::uuid IS NULL OR m.contact_id > $2) ORDER BY m.contact_id LIMIT $3"
    );
    tx.query(sql, &[&group, &after, &limit]).await?.iter().map(person_of).collect()
}

pub async fn count_of_group(tx: &TenantTx, group: GroupId) -> Result<i64> {
    let sql = "SELECT count(*) FROM contact_group_member WHERE group_id = $1";
    Ok(tx.query_one(sql, &[&group]).await?.get(0))
}

/// The first of these groups that is not there.
pub async fn unknown_group(tx: &TenantTx, groups: &[GroupId]) -> Result<Option<usize>> {
    let rows = tx.query("SELECT id FROM contact_group WHERE id = ANY($1)", &[&groups]).await?;
    let known: Vec<GroupId> = rows.iter().map(|row| row.get(0)).collect();
    Ok(groups.iter().position(|group| !known.contains(group)))
}

/// Who has this address.
pub async fn who_has(tx: &TenantTx, channel: Channel, address: &str) -> Result<Option<Person>> {
    let sql = concat!(
        "SELECT ",
        person!(),
        " FROM contact c WHERE c.id = (SELECT o.contact_id FROM contact_address o WHERE o.channel = $1 \
         AND md5(lower(o.address)) = md5(lower($2)))"
    );
    tx.query_opt(sql, &[&channel.as_str(), &address]).await?.as_ref().map(person_of).transpose()
}
