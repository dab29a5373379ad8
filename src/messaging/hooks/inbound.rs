//! What people write: kept, with whom it is from, and what it means for being written to.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::model::{Keyword, clean, keyword, message_key};
use crate::{
    db::TenantTx,
    error::Result,
    messaging::{
        Address, Channel,
        accounts::Account,
        contacts, policy,
        providers::{Inbound, InboundKind},
        suppression,
    },
    tenancy::Tenant,
    types::{AccountId, Country, HookCallId, InboundId},
};

const MEDIA_MAX: usize = 20;

/// Keeps what came in, each once however often it is told, and does what a keyword asks for.
pub async fn keep(
    tx: &TenantTx,
    tenant: &Tenant,
    written: Vec<(&Account, HookCallId, Inbound)>,
) -> Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    // In one order for all who write at the same time.
    let written: BTreeMap<(AccountId, String), _> = written
        .into_iter()
        .map(|(account, call, one)| ((account.id, message_key(&one.id)), (account, call, one)))
        .collect();
    let policy = policy::get(tx).await?;
    for ((_, id), (account, call, one)) in written {
        let address = spelled(account.channel, &one.from, tenant);
        let word = match one.kind {
            InboundKind::Message | InboundKind::Button => {
                meant(&one.text, &policy.stop_words, &policy.start_words)
            }
            _ => None,
        };
        if insert(tx, account, call, &id, &one, &address, word).await? {
            mind(tx, account.channel, &address, one.kind, word).await?;
        }
    }
    Ok(())
}

/// The tenant's own words first, then those that everybody knows.
fn meant(text: &str, stop: &[String], start: &[String]) -> Option<Keyword> {
    keyword(text, stop, start).or_else(|| match suppression::keyword(text)? {
        suppression::Keyword::Stop => Some(Keyword::Stop),
        suppression::Keyword::Start => Some(Keyword::Start),
    })
}

/// The address in the spelling that its channel knows; as it came where that cannot be.
fn spelled(channel: Channel, from: &str, tenant: &Tenant) -> String {
    let country = Country::parse(&tenant.country);
    let parsed = country.ok().and_then(|country| Address::parse(channel, from, &country).ok());
    parsed.map_or_else(|| clean(from), |address| address.as_str().to_owned())
}

#[expect(clippy::too_many_arguments, reason = "what came in, and what was made out of it")]
async fn insert(
    tx: &TenantTx,
    account: &Account,
    call: HookCallId,
    id: &str,
    one: &Inbound,
    address: &str,
    word: Option<Keyword>,
) -> Result<bool> {
    let contact = contacts::who_has(tx, account.channel, address).await?.and_then(|person| person.contact);
    let media: Vec<Value> = one
        .media
        .iter()
        .take(MEDIA_MAX)
        .map(|file| json!({ "place": clean(&file.place), "content_type": file.content_type.as_deref().map(clean) }))
        .collect();
    let text = match one.kind {
        InboundKind::Blocked if one.text.is_empty() => "(blocked us)".into(),
        InboundKind::Unblocked if one.text.is_empty() => "(let us in again)".into(),
        _ => clean(&one.text),
    };
    let inserted = tx
        .execute(
            "INSERT INTO inbound_message (id, account_id, channel, address, to_address, name, text, media, provider_message_id, \
                keyword, contact_id, hook_call_id, said_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT (account_id, provider_message_id) DO NOTHING",
            &[
                &InboundId::new(),
                &account.id,
                &account.channel.as_str(),
                &address,
                &clean(one.to.as_deref().unwrap_or_default()),
                &clean(one.name.as_deref().unwrap_or_default()),
                &text,
                &Value::Array(media),
                &id,
                &word.map(Keyword::as_str),
                &contact,
                &call,
                &one.at.filter(|at| crate::web::parts::is_sane(*at)),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

/// What was said about being written to counts at once.
async fn mind(
    tx: &TenantTx,
    channel: Channel,
    address: &str,
    kind: InboundKind,
    word: Option<Keyword>,
) -> Result<()> {
    match (kind, word) {
        (InboundKind::Blocked, _) => {
            let (reason, source) = (suppression::Reason::Blocked, suppression::Source::Receipt);
            suppression::add(tx, channel, address, reason, source, "", None).await.map(drop)
        }
        // Only what they took back themselves: an address that does not exist stays one.
        (InboundKind::Unblocked, _) => {
            let known = suppression::of(tx, &[(channel, address)]).await?;
            let is_theirs = known.values().any(|reason| reason == suppression::Reason::Blocked.as_str());
            if is_theirs { suppression::lift(tx, channel, address).await.map(drop) } else { Ok(()) }
        }
        (_, Some(word)) => {
            let word = match word {
                Keyword::Stop => suppression::Keyword::Stop,
                Keyword::Start => suppression::Keyword::Start,
            };
            suppression::heard(tx, channel, address, word, suppression::Source::Keyword).await
        }
        _ => Ok(()),
    }
}

/// When each of these last wrote to us: some providers take free texts for a day after that.
pub async fn last_heard(
    tx: &TenantTx,
    addresses: &[(Channel, &str)],
) -> Result<HashMap<(Channel, String), DateTime<Utc>>> {
    let channels: Vec<&str> = addresses.iter().map(|one| one.0.as_str()).collect();
    let texts: Vec<&str> = addresses.iter().map(|one| one.1).collect();
    let rows = tx
        .query(
            "SELECT u.n, i.received_at FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS u (channel, address, n) \
             CROSS JOIN LATERAL (SELECT i.received_at FROM inbound_message i WHERE i.channel = u.channel \
                AND md5(lower(i.address)) = md5(lower(u.address)) ORDER BY i.received_at DESC LIMIT 1) i",
            &[&channels, &texts],
        )
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let n = usize::try_from(row.get::<_, i64>(0)).ok()?.checked_sub(1)?;
            let (channel, address) = addresses.get(n)?;
            Some(((*channel, (*address).to_owned()), row.get(1)))
        })
        .collect())
}
