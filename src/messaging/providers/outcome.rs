//! What became of a message, in one set of words for all providers.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const DETAIL_MAX_CHARS: usize = 300;

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The provider took it upon itself.
    Accepted(Accepted),
    /// It was surely not sent.
    Refused(Refusal),
    /// It may have been sent. Whoever sends it again may send it twice.
    Unknown { detail: String },
}

/// What a provider says when it takes a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The provider's id of the message, by which receipts name it.
    pub id: String,
    pub state: State,
    pub segments: Option<u32>,
    pub price: Option<Price>,
}

impl Accepted {
    pub(super) fn new(id: impl Into<String>, state: State) -> Self {
        Self { id: id.into(), state, segments: None, price: None }
    }
}

/// What a message cost, as the provider counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub amount: Decimal,
    /// ISO 4217, where the provider says it.
    pub currency: Option<String>,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub class: Class,
    /// The provider's own code, or one of ours where it has none.
    pub code: Cow<'static, str>,
    /// One sentence for the tenant; no credential and no address of ours in it.
    pub detail: String,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(class: Class, code: impl Into<Cow<'static, str>>, detail: impl AsRef<str>) -> Self {
        let is_odd =
            |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let plain: String = detail.as_ref().chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
        let detail = plain.trim().chars().take(DETAIL_MAX_CHARS).collect();
        Self { class, code: code.into(), detail, retry_after: None }
    }

    pub(super) fn content(code: &'static str, detail: impl AsRef<str>) -> Self {
        Self::new(Class::Content, code, detail)
    }

    pub(super) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// What a refusal means for what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// This recipient, for ever: the address is suppressed.
    Recipient(Reason),
    /// This message, for ever.
    Content,
    /// The tenant's account or its settings: nothing gets through until somebody mends it.
    Account,
    /// Too many. Later, not before `retry_after`.
    Rate,
    /// Not now.
    Transient,
    /// Free texts are closed until the recipient writes; an approved template would pass.
    Window,
}

impl Class {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recipient(_) => "recipient",
            Self::Content => "content",
            Self::Account => "account",
            Self::Rate => "rate",
            Self::Transient => "transient",
            Self::Window => "window",
        }
    }

    /// Whether the same message may go through by itself later.
    pub fn may_pass_later(&self) -> bool {
        matches!(self, Self::Rate | Self::Transient | Self::Account)
    }
}

/// Why an address is not to be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no such address.
    Invalid,
    /// There was one: an app that was removed, a number without WhatsApp.
    Unregistered,
    /// The recipient does not want us.
    Blocked,
    Unsubscribed,
    /// The recipient called it spam.
    Complained,
    /// The chat lives on under another address.
    Moved {
        to: String,
    },
}

impl Reason {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unregistered => "unregistered",
            Self::Blocked => "blocked",
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::Moved { .. } => "moved",
        }
    }
}

/// How far a message came. The order is the rank: receipts come late and out of order, and a message never goes back.
/// A failure outranks `sent` and not `delivered`: who has seen it delivered is not wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Sent,
    Failed,
    Delivered,
    Read,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }

    /// The state after this one is told, too.
    pub fn and(self, told: Self) -> Self {
        self.max(told)
    }
}

/// What a provider said later about a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The provider's id of the message.
    pub message_id: String,
    /// Our own id of the delivery, where the provider gives it back.
    pub reference: Option<Uuid>,
    /// None when its word is not known here: it is kept, and changes nothing.
    pub state: Option<State>,
    /// The provider's word.
    pub word: String,
    /// Why it failed; or, without a failure, why the address is not to be used again.
    pub refusal: Option<Refusal>,
    pub at: Option<DateTime<Utc>>,
    pub price: Option<Price>,
    pub segments: Option<u32>,
    /// The provider's id of the event itself.
    pub event_id: Option<String>,
    /// Nobody signed it: ask the provider before believing it.
    pub is_hint: bool,
}

impl Receipt {
    pub(super) fn new(message_id: impl Into<String>, word: impl AsRef<str>, state: Option<State>) -> Self {
        Self {
            message_id: message_id.into(),
            reference: None,
            state,
            word: word.as_ref().chars().filter(|c| !c.is_control()).take(DETAIL_MAX_CHARS).collect(),
            refusal: None,
            at: None,
            price: None,
            segments: None,
            event_id: None,
            is_hint: false,
        }
    }

    /// The same for the same event, however often it is told.
    pub fn key(&self) -> String {
        match &self.event_id {
            Some(id) => id.clone(),
            None => {
                let at = self.at.map(|at| at.timestamp_millis()).unwrap_or_default();
                format!("{}/{}/{at}", self.message_id, self.word)
            }
        }
    }
}

/// What a credential's check brought to light.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// How the account is called at the provider.
    pub account: Option<String>,
    pub balance: Option<Price>,
}
