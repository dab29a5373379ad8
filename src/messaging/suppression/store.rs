//! All SQL of `suppression` and `consent`.

use data_encoding::HEXLOWER;
use tokio_postgres::Row;

use super::model::{ByAddress, Consent, Filter, New, Reason, Said, Source, Suppression};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::Channel,
    secrets::DataKeys,
    types::{DeliveryId, Limit, SuppressionId, search::containing},
};

fn suppression_of(row: &Row) -> Result<Suppression> {
    Ok(Suppression {
        id: row.get(0),
        channel: channel_of(row.get(1))?,
        address: row.get(2),
        reason: Reason::from_column(row.get(3)),
        source: Source::from_column(row.get(4)),
        note: row.get(5),
        delivery: row.get(6),
        created_at: row.get(7),
    })
}

fn channel_of(text: &str) -> Result<Channel> {
    text.parse().map_err(|_odd| Error::internal(format!("an address on the channel {text}")))
}

/// Which of these addresses are not to be used, and why, with one statement. The answer's addresses are in lower case.
pub async fn of(tx: &TenantTx, addresses: &[(Channel, &str)]) -> Result<ByAddress<String>> {
    if addresses.is_empty() {
        return Ok(ByAddress::new());
    }
    let (channels, texts) = columns(addresses);
    let rows = tx
        .query(
            "SELECT a.position, s.reason FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (channel, address, position) \
             JOIN suppression s ON s.channel = a.channel AND md5(lower(s.address)) = md5(lower(a.address))",
            &[&channels, &texts],
        )
        .await?;
    Ok(keyed(addresses, &rows, |row| row.get(1)))
}

/// What stands on the list for an address whose owner was erased: a code that only the tenant's keys make.
pub fn code_of(keys: &DataKeys, channel: Channel, address: &str) -> Result<String> {
    let text = format!("{} {}", channel.as_str(), address.to_lowercase());
    Ok(format!("erased:{}", HEXLOWER.encode(&keys.code("suppression", text.as_bytes())?)))
}

/// The same as [`of`], with those who were erased.
pub async fn of_all(
    tx: &TenantTx,
    keys: &DataKeys,
    addresses: &[(Channel, &str)],
) -> Result<ByAddress<String>> {
    if addresses.is_empty() {
        return Ok(ByAddress::new());
    }
    let codes: Vec<String> =
        addresses.iter().map(|(channel, text)| code_of(keys, *channel, text)).collect::<Result<_>>()?;
    let (channels, texts) = columns(addresses);
    let rows = tx
        .query(
            "SELECT a.position, min(s.reason) FROM unnest($1::text[], $2::text[], $3::text[])
                WITH ORDINALITY AS a (channel, address, code, position) \
             JOIN suppression s ON s.channel = a.channel AND md5(lower(s.address)) IN (md5(lower(a.address)), md5(a.code)) \
             GROUP BY a.position",
            &[&channels, &texts, &codes],
        )
        .await?;
    Ok(keyed(addresses, &rows, |row| row.get(1)))
}

/// What was said of these addresses.
pub async fn consents_of(tx: &TenantTx, addresses: &[(Channel, &str)]) -> Result<ByAddress<Consent>> {
    if addresses.is_empty() {
        return Ok(ByAddress::new());
    }
    let (channels, texts) = columns(addresses);
    let rows = tx
        .query(
            "SELECT a.position, c.status FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (channel, address, position) \
             JOIN consent c ON c.channel = a.channel AND md5(lower(c.address)) = md5(lower(a.address))",
            &[&channels, &texts],
        )
        .await?;
    Ok(keyed(addresses, &rows, |row| Consent::from_column(row.get(1))))
}

fn columns<'a>(addresses: &[(Channel, &'a str)]) -> (Vec<&'static str>, Vec<&'a str>) {
    addresses.iter().map(|(channel, address)| (channel.as_str(), *address)).unzip()
}

fn keyed<T>(addresses: &[(Channel, &str)], rows: &[Row], value: impl Fn(&Row) -> T) -> ByAddress<T> {
    rows.iter()
        .filter_map(|row| {
            let position = usize::try_from(row.get::<_, i64>(0)).ok()?.checked_sub(1)?;
            let (channel, address) = addresses.get(position)?;
            Some(((*channel, address.to_lowercase()), value(row)))
        })
        .collect()
}

/// Adds those that are not there yet; the answer is what was added. The first reason stays.
pub async fn insert_many(tx: &TenantTx, new: &[New<'_>]) -> Result<Vec<Suppression>> {
    let ids: Vec<SuppressionId> = new.iter().map(|_| SuppressionId::new()).collect();
    let channels: Vec<&str> = new.iter().map(|one| one.channel.as_str()).collect();
    let addresses: Vec<&str> = new.iter().map(|one| one.address).collect();
    let reasons: Vec<&str> = new.iter().map(|one| one.reason.as_str()).collect();
    let sources: Vec<&str> = new.iter().map(|one| one.source.as_str()).collect();
    let notes: Vec<&str> = new.iter().map(|one| one.note).collect();
    let deliveries: Vec<Option<DeliveryId>> = new.iter().map(|one| one.delivery).collect();
    let rows = tx
        .query(
            "INSERT INTO suppression (id, channel, address, reason, source, note, delivery_id) \
             SELECT id, channel, address, reason, source, left(note, 500), delivery_id \
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[]) \
             AS new (id, channel, address, reason, source, note, delivery_id) \
             ON CONFLICT (channel, md5(lower(address))) DO NOTHING \
             RETURNING id, channel, address, reason, source, note, delivery_id, created_at",
            &[&ids, &channels, &addresses, &reasons, &sources, &notes, &deliveries],
        )
        .await?;
    rows.iter().map(suppression_of).collect()
}

/// Takes an address off the list; with `only`, if that is its reason.
pub async fn delete(
    tx: &TenantTx,
    channel: Channel,
    address: &str,
    only: Option<Reason>,
) -> Result<Option<Suppression>> {
    let row = tx
        .query_opt(
            "DELETE FROM suppression WHERE channel = $1 AND md5(lower(address)) = md5(lower($2)) \
             AND ($3::text IS NULL OR reason = $3) \
             RETURNING id, channel, address, reason, source, note, delivery_id, created_at",
            &[&channel.as_str(), &address, &only.map(Reason::as_str)],
        )
        .await?;
    row.as_ref().map(suppression_of).transpose()
}

pub async fn delete_by_id(tx: &TenantTx, id: SuppressionId) -> Result<Option<Suppression>> {
    let row = tx
        .query_opt(
            "DELETE FROM suppression WHERE id = $1 \
             RETURNING id, channel, address, reason, source, note, delivery_id, created_at",
            &[&id],
        )
        .await?;
    row.as_ref().map(suppression_of).transpose()
}

pub async fn find(tx: &TenantTx, channel: Channel, address: &str) -> Result<Option<Suppression>> {
    let row = tx
        .query_opt(
            "SELECT id, channel, address, reason, source, note, delivery_id, created_at FROM suppression \
             WHERE channel = $1 AND md5(lower(address)) = md5(lower($2))",
            &[&channel.as_str(), &address],
        )
        .await?;
    row.as_ref().map(suppression_of).transpose()
}

pub async fn find_by_id(tx: &TenantTx, id: SuppressionId) -> Result<Option<Suppression>> {
    let row = tx
        .query_opt(
            "SELECT id, channel, address, reason, source, note, delivery_id, created_at FROM suppression WHERE id = $1",
            &[&id],
        )
        .await?;
    row.as_ref().map(suppression_of).transpose()
}

/// One page, the newest first; one more than the limit when there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    before: Option<SuppressionId>,
    limit: i64,
) -> Result<Vec<Suppression>> {
    let q = filter.q.as_deref().map(containing);
    let rows = tx
        .query(
            "SELECT id, channel, address, reason, source, note, delivery_id, created_at FROM suppression \
             WHERE ($1::text IS NULL OR lower(address) LIKE lower($1)) AND ($2::text IS NULL OR channel = $2) \
             AND ($3::text IS NULL OR reason = $3) AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
            &[&q, &filter.channel.map(Channel::as_str), &filter.reason.map(Reason::as_str), &before, &limit],
        )
        .await?;
    rows.iter().map(suppression_of).collect()
}

pub async fn count(tx: &TenantTx, filter: &Filter) -> Result<i64> {
    let q = filter.q.as_deref().map(containing);
    let row = tx
        .query_one(
            "SELECT count(*) FROM suppression WHERE ($1::text IS NULL OR lower(address) LIKE lower($1)) \
             AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR reason = $3)",
            &[&q, &filter.channel.map(Channel::as_str), &filter.reason.map(Reason::as_str)],
        )
        .await?;
    Ok(row.get(0))
}

/// Writes down what somebody said; false when they had said so before.
pub async fn say(
    tx: &TenantTx,
    channel: Channel,
    address: &str,
    consent: Consent,
    source: Source,
) -> Result<bool> {
    let row = tx
        .query_one(
            "WITH was AS (SELECT status FROM consent WHERE channel = $1 AND md5(lower(address)) = md5(lower($2))), \
             said AS (INSERT INTO consent (channel, address, status, source) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (channel, md5(lower(address))) DO UPDATE SET status = excluded.status, \
                source = excluded.source, said_at = excluded.said_at WHERE consent.status <> excluded.status) \
             SELECT coalesce((SELECT status FROM was), '') <> $3",
            &[&channel.as_str(), &address, &consent.as_str(), &source.as_str()],
        )
        .await?;
    Ok(row.get(0))
}

/// One page of consents by channel and address; one more than the limit when there are more.
pub async fn list_consents(
    tx: &TenantTx,
    channel: Option<Channel>,
    q: Option<&str>,
    after: Option<&(String, String)>,
    limit: Limit,
) -> Result<Vec<Said>> {
    let q = q.map(containing);
    let (channel_after, key_after) = match after {
        Some((channel, key)) => (Some(channel), Some(key)),
        None => (None, None),
    };
    let rows = tx
        .query(
            "SELECT channel, address, status, source, said_at FROM consent \
             WHERE ($1::text IS NULL OR channel = $1) AND ($2::text IS NULL OR lower(address) LIKE lower($2)) \
             AND ($3::text IS NULL OR (channel, md5(lower(address))) > ($3, md5(lower($4::text)))) \
             ORDER BY channel, md5(lower(address)) LIMIT $5",
            &[&channel.map(Channel::as_str), &q, &channel_after, &key_after, &limit.and_one()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Said {
                channel: channel_of(row.get(0))?,
                address: row.get(1),
                consent: Consent::from_column(row.get(2)),
                source: row.get(3),
                said_at: row.get(4),
            })
        })
        .collect()
}
