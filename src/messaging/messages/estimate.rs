//! What a message would come to: how many it reaches, what it says to the first of them, and what it costs by the tenant's prices.

use rust_decimal::Decimal;
use serde_json::Map;

use super::{
    attachments,
    expand::{self, Audience, Recipient},
    model::{Ask, Place, Said},
    rules,
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::{
        Channel, Messaging, accounts, policy,
        providers::Content,
        segments::{Encoding, segments},
        templates::Composer,
    },
    tenancy::Tenant,
    types::MessageId,
};

/// What a message would come to.
#[derive(Debug)]
pub struct Estimate {
    /// How many are named, in groups and in segments; doubles are not found out.
    pub people: i64,
    /// Of the first of them, who is written to.
    pub sample: Option<Sample>,
    /// By the price of the channel's primary account, for all of them as long as the first.
    pub cost: Decimal,
    pub segments: Option<u32>,
    pub encoding: Option<Encoding>,
}

/// The message as the first recipient gets it.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub channel: Channel,
    pub address: String,
    pub content: Content,
}

/// Looks it up without writing anything.
pub async fn estimate(tx: &TenantTx, messaging: &Messaging, tenant: &Tenant, ask: &Ask) -> Result<Estimate> {
    ask.check(chrono::Utc::now())?;
    let ask = &rules::usual(tx, ask).await?;
    let composer = match &ask.said {
        Said::Usual => return Err(Error::internal("a message that says nothing")),
        Said::Words(words) => Composer::new(&words.clone().checked()?, &[], "")?,
        Said::Template(id, version) => rules::template(tx, *id, *version).await?.composer()?,
    };
    rules::known_parts(tx, messaging, tenant, &ask.to).await?;
    attachments::check(tx, &ask.channels, &ask.attachments).await?;
    let people = rules::count_of(tx, messaging, tenant, &ask.to).await?;
    let of = Audience {
        tenant,
        id: MessageId::new(),
        channels: &ask.channels,
        lane: ask.lane,
        to: &ask.to,
        per_minute: None,
        now: chrono::Utc::now(),
        said: None,
    };
    let first = expand::first(tx, messaging, &of, Place::default()).await?;
    let mut estimate = Estimate { people, sample: None, cost: Decimal::ZERO, segments: None, encoding: None };
    let Some(first) = first else { return Ok(estimate) };
    let language = policy::get(tx).await?.default_language;
    let sample = sample(&composer, ask, first, &language)?;
    let mut each = 1;
    if sample.channel == Channel::Sms {
        let counted = segments(&sample.content.text);
        (estimate.segments, estimate.encoding) = (Some(counted.count), Some(counted.encoding));
        each = counted.count;
    }
    let account = accounts::usable(tx, sample.channel).await?.into_iter().next();
    let price = account.map(|account| account.price).unwrap_or_default();
    estimate.cost = price * Decimal::from(each) * Decimal::from(people);
    estimate.sample = Some(sample);
    Ok(estimate)
}

fn sample(composer: &Composer, ask: &Ask, first: Recipient, default_language: &str) -> Result<Sample> {
    let mut context: Map<String, serde_json::Value> = ask.context.clone();
    context.extend(first.context);
    let content = composer
        .compose(first.channel, first.language.as_deref(), default_language, &context)
        .map_err(|odd| Error::invalid("content", odd.code(), odd.to_string()))?;
    Ok(Sample { name: first.name, channel: first.channel, address: first.address, content })
}
