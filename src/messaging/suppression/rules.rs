//! What may be done with suppressions and consents.

use super::{
    keywords::Keyword,
    model::{Consent, Filter, NOTE_MAX, New, OBJECT, Reason, Said, Source, Suppression},
    store,
};
use crate::{
    access::By,
    audit::{self, Actor, Event},
    db::TenantTx,
    error::{Error, Result},
    messaging::{Address, Channel},
    secrets::DataKeys,
    tenancy::Tenant,
    types::{Check, Country, DeliveryId, Limit, SuppressionId, optional_text},
    web::Origin,
};

/// Who changes something: a caller, or the tenant's own system user.
#[derive(Clone, Copy)]
pub struct Hand<'a> {
    pub actor: &'a Actor,
    pub origin: Option<&'a Origin>,
}

impl<'a> From<&'a By> for Hand<'a> {
    fn from(by: &'a By) -> Self {
        Self { actor: &by.actor, origin: by.origin.as_ref() }
    }
}

fn event<'a>(action: &'static str, one: &'a Suppression) -> Event<'a> {
    Event {
        action,
        object_type: OBJECT,
        object_id: Some(one.id.0),
        object_label: &one.address,
        before: None,
        after: None,
    }
}

/// The tenant's own country, for numbers without a prefix.
pub fn country_of(tenant: &Tenant) -> Result<Country> {
    Country::parse(&tenant.country).map_err(|_odd| Error::internal("a tenant of an odd country"))
}

/// Adds those that are not there yet; the answer is what was added. The first reason for an address stays.
pub async fn add_by(tx: &TenantTx, hand: Hand<'_>, new: &[New<'_>]) -> Result<Vec<Suppression>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let added = store::insert_many(tx, new).await?;
    let told: Vec<Event<'_>> = added
        .iter()
        .map(|one| Event { after: Some(one.told()), ..event("suppression.added", one) })
        .collect();
    audit::record_all(tx, hand.actor, hand.origin, told).await?;
    Ok(added)
}

/// What receipts and refusals tell, with one statement: how many addresses are new on the list.
pub async fn add_all(tx: &TenantTx, new: &[New<'_>]) -> Result<usize> {
    let actor = Actor::system();
    Ok(add_by(tx, Hand { actor: &actor, origin: None }, new).await?.len())
}

/// Adds one address, unless it is there; the first reason stays.
#[expect(clippy::too_many_arguments, reason = "what a suppression is made of, once each")]
pub async fn add(
    tx: &TenantTx,
    channel: Channel,
    address: &str,
    reason: Reason,
    source: Source,
    note: &str,
    delivery: Option<DeliveryId>,
) -> Result<bool> {
    Ok(add_all(tx, &[New { channel, address, reason, source, note, delivery }]).await? > 0)
}

/// Keeps the addresses of one who is erased from being written to, without keeping them: codes stand on the list in their place.
/// `number` is that of the erasure.
pub async fn forget(
    tx: &TenantTx,
    keys: &DataKeys,
    addresses: &[(Channel, String)],
    number: &str,
) -> Result<usize> {
    let codes: Vec<(Channel, String)> = addresses
        .iter()
        .map(|(channel, address)| Ok((*channel, store::code_of(keys, *channel, address)?)))
        .collect::<Result<_>>()?;
    let note = format!("Erasure {number}");
    let (reason, source) = (Reason::Erased, Source::Staff);
    let new: Vec<New<'_>> = codes
        .iter()
        .map(|(channel, code)| New {
            channel: *channel,
            address: code,
            reason,
            source,
            note: &note,
            delivery: None,
        })
        .collect();
    Ok(store::insert_many(tx, &new).await?.len())
}

/// Takes an address off the list, whatever put it there. False when it was not on it.
pub async fn lift(tx: &TenantTx, channel: Channel, address: &str) -> Result<bool> {
    let actor = Actor::system();
    lift_by(tx, Hand { actor: &actor, origin: None }, channel, address, None).await
}

async fn lift_by(
    tx: &TenantTx,
    hand: Hand<'_>,
    channel: Channel,
    address: &str,
    only: Option<Reason>,
) -> Result<bool> {
    let Some(gone) = store::delete(tx, channel, address, only).await? else { return Ok(false) };
    let told = Event { before: Some(gone.told()), ..event("suppression.lifted", &gone) };
    audit::record(tx, hand.actor, hand.origin, told).await?;
    keep_word(tx, hand, &gone).await?;
    Ok(true)
}

/// Who was on the list for another reason first, and asked to be left alone since, stays on it for that.
async fn keep_word(tx: &TenantTx, hand: Hand<'_>, gone: &Suppression) -> Result<()> {
    if gone.reason == Reason::Unsubscribed {
        return Ok(());
    }
    let said = store::consents_of(tx, &[(gone.channel, &gone.address)]).await?;
    if !said.values().any(|consent| *consent == Consent::Withdrawn) {
        return Ok(());
    }
    let new = New {
        channel: gone.channel,
        address: &gone.address,
        reason: Reason::Unsubscribed,
        source: gone.source,
        note: "",
        delivery: None,
    };
    add_by(tx, hand, &[new]).await.map(drop)
}

/// What a recipient's word changes: STOP withdraws consent and suppresses, START grants it and lifts an opt-out, nothing else.
pub async fn heard(
    tx: &TenantTx,
    channel: Channel,
    address: &str,
    keyword: Keyword,
    source: Source,
) -> Result<()> {
    let actor = Actor::system();
    let consent = match keyword {
        Keyword::Stop => Consent::Withdrawn,
        Keyword::Start => Consent::Granted,
    };
    let said = Word { channel, address, consent, source, delivery: None };
    say(tx, Hand { actor: &actor, origin: None }, &said).await.map(drop)
}

/// What somebody said, and what told us.
pub struct Word<'a> {
    pub channel: Channel,
    pub address: &'a str,
    pub consent: Consent,
    pub source: Source,
    pub delivery: Option<DeliveryId>,
}

/// Writes down what somebody said. A withdrawal suppresses the address, an agreement lifts an opt-out and never a bounce, a block
/// or a complaint. True when anything changed.
pub async fn say(tx: &TenantTx, hand: Hand<'_>, word: &Word<'_>) -> Result<bool> {
    let Word { channel, address, consent, source, delivery } = *word;
    let is_new = store::say(tx, channel, address, consent, source).await?;
    if is_new {
        let told = serde_json::json!({
            "channel": channel.as_str(), "address": address, "status": consent.as_str(), "source": source.as_str(),
        });
        let action = match consent {
            Consent::Granted => "consent.granted",
            Consent::Withdrawn => "consent.withdrawn",
        };
        let event = Event {
            action,
            object_type: "consent",
            object_id: None,
            object_label: address,
            before: None,
            after: Some(told),
        };
        audit::record(tx, hand.actor, hand.origin, event).await?;
    }
    let moved = match consent {
        Consent::Withdrawn => {
            let new = New { channel, address, reason: Reason::Unsubscribed, source, note: "", delivery };
            !add_by(tx, hand, &[new]).await?.is_empty()
        }
        Consent::Granted => lift_by(tx, hand, channel, address, Some(Reason::Unsubscribed)).await?,
    };
    Ok(is_new || moved)
}

/// What somebody types: a channel, an address in any spelling, a reason, a note.
pub struct Draft {
    pub address: Address,
    pub reason: Reason,
    pub note: String,
}

impl Draft {
    /// Names every wrong field. An empty reason is `manual`.
    pub fn parse(tenant: &Tenant, channel: &str, address: &str, reason: &str, note: &str) -> Result<Self> {
        let country = country_of(tenant)?;
        let mut check = Check::new();
        let channel = check.field("channel", channel.trim().parse::<Channel>());
        let address =
            channel.and_then(|channel| check.field("address", Address::parse(channel, address, &country)));
        let reason = if reason.trim().is_empty() {
            Some(Reason::Manual)
        } else {
            check.field("reason", Reason::parse(reason))
        };
        let note = check.field("note", optional_text(note, NOTE_MAX));
        let whole = (|| Some(Self { address: address?, reason: reason?, note: note?.unwrap_or_default() }))();
        check.finish(whole)
    }
}

/// Suppresses an address: 409 `already_suppressed` when it is.
pub async fn suppress(tx: &TenantTx, by: &By, draft: &Draft, source: Source) -> Result<Suppression> {
    let new = New {
        channel: draft.address.channel(),
        address: draft.address.as_str(),
        reason: draft.reason,
        source,
        note: &draft.note,
        delivery: None,
    };
    add_by(tx, by.into(), &[new])
        .await?
        .pop()
        .ok_or_else(|| Error::conflict("already_suppressed", "This address is on the list already."))
}

/// Takes one off the list by a person's decision.
pub async fn unsuppress(tx: &TenantTx, by: &By, id: SuppressionId) -> Result<Suppression> {
    let gone = store::delete_by_id(tx, id).await?.ok_or(Error::not_found("suppression"))?;
    by.record(tx, Event { before: Some(gone.told()), ..event("suppression.lifted", &gone) }).await?;
    keep_word(tx, by.into(), &gone).await?;
    Ok(gone)
}

pub async fn get(tx: &TenantTx, id: SuppressionId) -> Result<Suppression> {
    store::find_by_id(tx, id).await?.ok_or(Error::not_found("suppression"))
}

/// One page, and whether there are more.
pub async fn list(
    tx: &TenantTx,
    filter: &Filter,
    before: Option<SuppressionId>,
    limit: Limit,
) -> Result<(Vec<Suppression>, bool)> {
    let mut items = store::list(tx, filter, before, limit.and_one()).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}

/// One page of what people said, and whether there is more.
pub async fn list_consents(
    tx: &TenantTx,
    channel: Option<Channel>,
    q: Option<&str>,
    after: Option<&(String, String)>,
    limit: Limit,
) -> Result<(Vec<Said>, bool)> {
    let mut items = store::list_consents(tx, channel, q, after, limit).await?;
    let more = limit.cut(&mut items);
    Ok((items, more))
}
