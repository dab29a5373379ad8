//! The providers: how one delivery becomes a request, and how answers, receipts and incoming messages become our words.
//!
//! A provider is one file with an [`About`], and one line in [`REGISTRY`]; forms, the API's schema and masked views are made of
//! its fields. It knows no tenant and no table: it is opened with one credential, and keeps only what belongs to that credential
//! (a short-lived token, idle connections). The contracts are the vendors'; what a vendor calls success counts, not the status.

mod answers;
mod clicksend;
mod fcm;
mod fields;
mod generic;
mod hook;
mod hubtel;
mod instagram;
mod mail;
mod message;
mod meta;
mod outcome;
mod sendgrid;
mod signature;
mod smtp;
mod telegram;
#[cfg(test)]
mod tests;
mod twilio;
mod whatsapp_cloud;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use url::Url;

pub use fields::{Field, FieldKind, Values};
pub use hook::{Heard, Hook, HookRefusal, Inbound, InboundKind, Media, Proof, Reply};
pub use message::{Approved, Attachment, Content, Outgoing, Prepared, Unsubscribe};
pub use outcome::{Accepted, Checked, Class, Outcome, Reason, Receipt, Refusal, State};

use super::Channel;
use crate::{error::Result, outbound::Outbound};

/// Every provider there is. To add one: its file, its `mod` line, its line here.
pub const REGISTRY: &[&About] = &[
    &clicksend::SMS,
    &fcm::PUSH,
    &generic::SMS,
    &hubtel::SMS,
    &instagram::INSTAGRAM,
    &sendgrid::EMAIL,
    &smtp::EMAIL,
    &telegram::TELEGRAM,
    &twilio::SMS,
    &twilio::WHATSAPP_ABOUT,
    &whatsapp_cloud::WHATSAPP,
];

/// What is known of a provider without a credential.
pub struct About {
    /// The stable word for it, in tables and addresses.
    pub kind: &'static str,
    pub label: &'static str,
    pub channel: Channel,
    pub fields: &'static [Field],
    /// Whether files can go along.
    pub carries_files: bool,
    /// How its calls to us prove who makes them.
    pub proof: Proof,
    /// When to ask what became of a message, counted from its acceptance. Empty: it tells us, or never knows.
    pub poll_after: &'static [Duration],
    /// Makes it ready with a credential that the fields have checked.
    pub open: fn(&Values) -> Result<Arc<dyn Provider>>,
}

/// The provider of this kind.
pub fn about(kind: &str) -> Option<&'static About> {
    REGISTRY.iter().copied().find(|about| about.kind == kind)
}

/// A provider, opened with one credential.
pub trait Provider: Send + Sync {
    fn about(&self) -> &'static About;

    /// Checks the limits of the channel and makes the request, without sending anything.
    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal>;

    /// Sends once. Never repeats anything by itself.
    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome>;

    /// Proves who calls, on the raw bytes, and says what to answer: a challenge's response, or that we have it.
    fn greet(&self, _hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        Err(HookRefusal::NotHere)
    }

    /// What a call tells. It is proved again here, so that nothing unproved can be read by mistake.
    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook).map(|_reply| Heard::default())
    }

    /// Asks what became of a message. None when the provider does not know it, or cannot be asked.
    fn poll<'a>(
        &'a self,
        _outbound: &'a Outbound,
        _message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, Refusal>> {
        Box::pin(async { Ok(None) })
    }

    /// Whether the credential works, by a call that sends nothing; with the account's name and balance where they are told.
    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>>;

    /// Tells the provider where our hook is, where that is done by a call and not on its web pages.
    fn announce<'a>(&'a self, _outbound: &'a Outbound, _hook: &'a Url) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }
}
