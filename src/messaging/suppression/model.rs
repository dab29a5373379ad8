//! A suppression and a consent.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde_json::{Value, json};

use crate::{
    messaging::{Channel, providers},
    types::{DeliveryId, SuppressionId},
    web::choices::choices,
};

pub const NOTE_MAX: usize = 500;
pub const OBJECT: &str = "suppression";

choices! {
    /// Why an address is not to be used.
    Reason is "SuppressionReason":
        /// Somebody here decided so.
        Manual = "manual", "By hand";
        /// There is no such address.
        Invalid = "invalid", "No such address";
        /// There was one: an app that was removed, a number without WhatsApp.
        Unregistered = "unregistered", "No longer registered";
        /// The recipient or their network does not let us through.
        Blocked = "blocked", "Blocked";
        /// The recipient asked us to stop.
        Unsubscribed = "unsubscribed", "Unsubscribed";
        /// The recipient called it spam.
        Complained = "complained", "Complained";
        /// The chat lives on under another address.
        Moved = "moved", "Moved";
        /// What was sent came back.
        Bounced = "bounced", "Bounced";
        /// Its owner was erased on request. What stands for the address is a code.
        Erased = "erased", "Erased on request";
}

impl From<&providers::Reason> for Reason {
    fn from(reason: &providers::Reason) -> Self {
        match reason {
            providers::Reason::Invalid => Self::Invalid,
            providers::Reason::Unregistered => Self::Unregistered,
            providers::Reason::Blocked => Self::Blocked,
            providers::Reason::Unsubscribed => Self::Unsubscribed,
            providers::Reason::Complained => Self::Complained,
            providers::Reason::Moved { .. } => Self::Moved,
        }
    }
}

choices! {
    /// How we came to know.
    Source is "SuppressionSource":
        Staff = "staff", "Staff";
        Api = "api", "API";
        /// The provider refused the address at once.
        Refusal = "refusal", "Refused";
        /// The provider told us later.
        Receipt = "receipt", "Receipt";
        /// STOP or START, by message.
        Keyword = "keyword", "Keyword";
        /// The link in a message.
        Link = "link", "Link";
        Import = "import", "Import";
}

choices! {
    /// What somebody said about being written to.
    Consent is "ConsentStatus":
        Granted = "granted", "Agreed";
        Withdrawn = "withdrawn", "Withdrawn";
}

/// An address that is not to be used.
#[derive(Debug, Clone)]
pub struct Suppression {
    pub id: SuppressionId,
    pub channel: Channel,
    pub address: String,
    pub reason: Reason,
    pub source: Source,
    pub note: String,
    pub delivery: Option<DeliveryId>,
    pub created_at: DateTime<Utc>,
}

impl Suppression {
    /// What it says of itself in the audit trail.
    pub fn told(&self) -> Value {
        json!({
            "channel": self.channel.as_str(), "address": self.address, "reason": self.reason.as_str(),
            "source": self.source.as_str(), "note": self.note,
        })
    }
}

/// One that is to be.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub channel: Channel,
    /// In its channel's one spelling.
    pub address: &'a str,
    pub reason: Reason,
    pub source: Source,
    pub note: &'a str,
    /// What told us.
    pub delivery: Option<DeliveryId>,
}

/// What somebody said, and when.
#[derive(Debug, Clone)]
pub struct Said {
    pub channel: Channel,
    pub address: String,
    pub consent: Consent,
    pub source: String,
    pub said_at: DateTime<Utc>,
}

/// By channel and address in lower case.
pub type ByAddress<T> = HashMap<(Channel, String), T>;

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Found in addresses.
    pub q: Option<String>,
    pub channel: Option<Channel>,
    pub reason: Option<Reason>,
}

/// What became of a file.
#[derive(Debug, Clone, Default, serde::Serialize, Object)]
#[oai(rename = "SuppressionImport")]
pub struct Imported {
    /// Rows with something in them.
    pub rows: i64,
    pub added: i64,
    /// Addresses that were suppressed before.
    pub known: i64,
    pub failed: i64,
    /// The first hundred wrong rows.
    pub errors: Vec<RowProblem>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, serde::Serialize, Object)]
#[oai(rename = "SuppressionImportError")]
pub struct RowProblem {
    /// Where it stands in the file, from 1.
    pub row: u32,
    pub detail: String,
}
