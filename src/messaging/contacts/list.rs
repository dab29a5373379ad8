//! The list of contacts: what it is narrowed to, and its orders.

use serde::{Deserialize, Serialize};

use super::{
    model::Contact,
    store::{columns, contact_of},
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::Channel,
    types::{ContactId, Cursor, GroupId, Limit, search::Words},
};

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Found in names and addresses.
    pub words: Option<Words>,
    pub group: Option<GroupId>,
    pub tag: Option<String>,
    /// Who can be reached by it.
    pub channel: Option<Channel>,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Name,
    Newest,
}

impl Sort {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "" | "name" => Ok(Self::Name),
            "-created" => Ok(Self::Newest),
            _ => Err(Error::invalid("sort", "not_a_choice", "Sort by name or -created.")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Newest => "-created",
        }
    }
}

/// Where a list goes on: after this contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    name: Option<String>,
    id: ContactId,
}

impl Mark {
    pub fn of(contact: &Contact, sort: Sort) -> Self {
        let name = (sort == Sort::Name).then(|| contact.draft.name.clone());
        Self { name, id: contact.id }
    }

    /// Reads a cursor of a list in this order.
    pub fn decode(text: &str, sort: Sort) -> Result<Self> {
        let mark = Cursor::<Self>::decode(text)?.0;
        let fits = mark.name.is_some() == (sort == Sort::Name)
            && mark.name.as_deref().is_none_or(|name| !name.contains('\0'));
        if fits {
            Ok(mark)
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }
}

/// The filter's conditions, `$1` to `$10`.
macro_rules! matching {
    () => {
        "($1::uuid IS NULL OR c.id IN (SELECT contact_id FROM contact_group_member WHERE group_id = $1)) \
         AND ($2::text IS NULL OR EXISTS (SELECT FROM unnest(c.tags) t WHERE lower(t) = lower($2))) \
         AND ($3::text IS NULL OR EXISTS (SELECT FROM contact_address a WHERE a.contact_id = c.id AND a.channel = $3)) \
         AND ($4::text IS NULL OR (lower(c.name) LIKE lower($4) AND ($5::text IS NULL OR lower(c.name) LIKE lower($5)) \
            AND ($6::text IS NULL OR lower(c.name) LIKE lower($6)) AND ($7::text IS NULL OR lower(c.name) LIKE lower($7)) \
            AND ($8::text IS NULL OR lower(c.name) LIKE lower($8)) AND ($9::text IS NULL OR lower(c.name) LIKE lower($9))) \
            OR c.id IN (SELECT contact_id FROM contact_address WHERE ($5::text IS NULL AND lower(address) LIKE lower($4)) \
                OR lower(address) LIKE $10::text))"
    };
}

/// One page; one more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    sort: Sort,
    mark: Option<&Mark>,
    limit: i64,
) -> Result<Vec<Contact>> {
    let words = filter.words.clone().unwrap_or_default();
    let [first, second, third, fourth, fifth, sixth] = &words.patterns;
    let channel = filter.channel.map(Channel::as_str);
    let (name, id) = (mark.and_then(|mark| mark.name.as_deref()), mark.map(|mark| mark.id));
    let rows = match sort {
        Sort::Name => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM contact c WHERE ",
                matching!(),
                " AND ($12::uuid IS NULL OR (lower(c.name), c.id) > (lower($11::text), $12)) \
                 ORDER BY lower(c.name), c.id LIMIT $13"
            );
            tx.query(
                sql,
                &[
                    &filter.group,
                    &filter.tag,
                    &channel,
                    first,
                    second,
                    third,
                    fourth,
                    fifth,
                    sixth,
                    &words.phone,
                    &name,
                    &id,
                    &limit,
                ],
            )
            .await?
        }
        Sort::Newest => {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM contact c WHERE ",
                matching!(),
                " AND ($11::uuid IS NULL OR c.id < $11) ORDER BY c.id DESC LIMIT $12"
            );
            tx.query(
                sql,
                &[
                    &filter.group,
                    &filter.tag,
                    &channel,
                    first,
                    second,
                    third,
                    fourth,
                    fifth,
                    sixth,
                    &words.phone,
                    &id,
                    &limit,
                ],
            )
            .await?
        }
    };
    rows.iter().map(contact_of).collect()
}

/// One page, and whether there are more.
pub async fn page(
    tx: &TenantTx,
    filter: &Filter,
    sort: Sort,
    mark: Option<&Mark>,
    limit: Limit,
) -> Result<(Vec<Contact>, bool)> {
    let mut items = list(tx, filter, sort, mark, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<i64> {
    let words = filter.words.clone().unwrap_or_default();
    let [first, second, third, fourth, fifth, sixth] = &words.patterns;
    let channel = filter.channel.map(Channel::as_str);
    let row = tx
        .query_one(
            concat!("SELECT count(*) FROM contact c WHERE ", matching!()),
            &[&filter.group, &filter.tag, &channel, first, second, third, fourth, fifth, sixth, &words.phone],
        )
        .await?;
    Ok(row.get(0))
}

/// The tags that are in use, the most used first, at most a hundred.
pub async fn known_tags(tx: &TenantTx) -> Result<Vec<String>> {
    let sql = "SELECT min(t) FROM contact c CROSS JOIN unnest(c.tags) t GROUP BY lower(t) ORDER BY count(*) DESC, lower(t) LIMIT 100";
    Ok(tx.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}
