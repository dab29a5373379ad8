//! A call, a receipt as it is kept, and what a person wrote.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    messaging::{
        Channel,
        providers::{Class, Receipt, State},
    },
    types::{AccountId, ContactId, DeliveryId, HookCallId, InboundId},
    web::choices::choices,
};

/// A key or an id of more bytes than this is kept by its digest: it stands in an index.
const KEY_MAX_BYTES: usize = 200;
const TEXT_MAX_CHARS: usize = 4_000;
/// Whoever says that something took place longer ago than this has a wrong clock.
const BELIEVED_BACK: TimeDelta = TimeDelta::days(30);

choices! {
    /// How far a provider's call has come.
    CallStatus is "HookCallStatus":
    /// It is still to be read.
    Stored = "stored", "Waiting";
    Done = "done", "Heard";
    /// Nobody proved it, or it is no sense.
    Refused = "refused", "Refused";
    /// It is read again later.
    Failed = "failed", "Failed";
}

choices! {
    /// What a whole message means.
    Keyword is "InboundKeyword":
    Stop = "stop", "Stop";
    Start = "start", "Start";
}

/// A call of a provider, as it was stored.
#[derive(Debug, Clone)]
pub struct HookCall {
    pub id: HookCallId,
    pub account: AccountId,
    /// The account's own name; None when it is gone.
    pub label: Option<String>,
    pub kind: Option<String>,
    pub received_at: DateTime<Utc>,
    pub is_get: bool,
    pub url: String,
    pub size: i32,
    pub status: CallStatus,
    pub detail: Option<String>,
    pub receipts: i32,
    pub inbound: i32,
    pub replays: i32,
    pub done_at: Option<DateTime<Utc>>,
}

/// The part that only its own page shows.
#[derive(Debug, Clone)]
pub struct Letter {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// A call on its way in.
pub struct NewCall {
    pub id: HookCallId,
    pub is_get: bool,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
}

/// Headers whose values prove something by themselves: kept, because a call must be provable again, and never shown.
const SECRET_HEADERS: [&str; 4] =
    ["authorization", "cookie", "proxy-authorization", "x-telegram-bot-api-secret-token"];

/// A header as a person may see it.
pub fn shown_header<'a>(name: &str, value: &'a str) -> &'a str {
    if SECRET_HEADERS.contains(&name) { "(not shown)" } else { value }
}

/// An address without what was asked of it: a challenge carries a secret there.
pub fn shown_url(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// What somebody said about one message, as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub key: String,
    pub message_id: String,
    pub reference: Option<Uuid>,
    pub state: Option<&'static str>,
    pub word: String,
    pub class: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub price: Option<Decimal>,
    pub said_at: Option<DateTime<Utc>>,
    pub is_hint: bool,
    pub call: Option<HookCallId>,
}

/// A text that a column takes.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(TEXT_MAX_CHARS).collect()
}

fn short_key(text: String) -> String {
    if text.len() <= KEY_MAX_BYTES { text } else { HEXLOWER.encode(&Sha256::digest(text.as_bytes())) }
}

/// A provider's id as it stands in an index. `dispatch` writes ids down as they are; longer ones than this nobody gives out.
pub fn message_key(id: &str) -> String {
    short_key(clean(id))
}

impl Kept {
    pub fn of(receipt: &Receipt, call: Option<HookCallId>) -> Self {
        let refusal = receipt.refusal.as_ref();
        let reason = refusal.and_then(|refusal| match &refusal.class {
            Class::Recipient(reason) => Some(reason.as_str()),
            _ => None,
        });
        // What nobody signed must not take the place of what somebody signs later.
        let mark = if receipt.is_hint { "hint/" } else { "" };
        Self {
            key: short_key(format!("{mark}{}", clean(&receipt.key()))),
            message_id: message_key(&receipt.message_id),
            reference: receipt.reference,
            state: receipt.state.map(State::as_str),
            word: clean(&receipt.word),
            class: refusal.map(|refusal| refusal.class.as_str()),
            reason,
            code: refusal.map(|refusal| clean(&refusal.code)),
            detail: refusal.map(|refusal| clean(&refusal.detail)),
            price: receipt.price.as_ref().and_then(|price| kept_price(price.amount)),
            said_at: receipt.at.filter(|at| crate::web::parts::is_sane(*at)),
            is_hint: receipt.is_hint,
            call,
        }
    }
}

fn kept_price(amount: Decimal) -> Option<Decimal> {
    let amount = amount.abs().round_dp(4);
    (amount < Decimal::from(100_000_000)).then_some(amount)
}

/// When it happened: as the provider says, unless its clock is plainly wrong.
pub fn happened_at(said_at: Option<DateTime<Utc>>, received_at: DateTime<Utc>) -> DateTime<Utc> {
    said_at
        .filter(|said| *said > received_at - BELIEVED_BACK)
        .map_or(received_at, |said| said.min(received_at))
}

/// What a whole message means, in the tenant's own words for it.
pub fn keyword(text: &str, stop: &[String], start: &[String]) -> Option<Keyword> {
    let plain = text.trim().trim_matches(|c: char| c.is_ascii_punctuation()).trim().to_lowercase();
    let is_one = |words: &[String]| words.contains(&plain);
    if is_one(stop) {
        Some(Keyword::Stop)
    } else if is_one(start) {
        Some(Keyword::Start)
    } else {
        None
    }
}

/// What a person wrote.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    pub id: InboundId,
    pub account: AccountId,
    pub label: Option<String>,
    pub channel: Channel,
    pub address: String,
    pub to: String,
    pub name: String,
    pub text: String,
    pub media: Vec<Cow<'static, str>>,
    pub keyword: Option<Keyword>,
    pub contact: Option<ContactId>,
    pub received_at: DateTime<Utc>,
}

/// A receipt of which nobody knows what it is about.
#[derive(Debug, Clone)]
pub struct Unmatched {
    pub id: Uuid,
    pub account: AccountId,
    pub label: Option<String>,
    pub message_id: String,
    pub state: Option<String>,
    pub word: String,
    pub detail: Option<String>,
    pub is_hint: bool,
    pub call: Option<HookCallId>,
    pub received_at: DateTime<Utc>,
}

/// One row that was just found out to be about a delivery.
#[derive(Debug, Clone)]
pub struct Linked {
    pub delivery: DeliveryId,
    pub account: AccountId,
    pub message_id: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub is_hint: bool,
}
