//! The providers against the fake ones, against the vendors' own vectors, and against whatever a call may hold.

#[path = "../../../tests/fake_providers/mod.rs"]
mod fake_providers;

mod faults;
mod fields;
mod hooks;
mod letters;
mod sending;
mod vectors;
mod vendors;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use url::Url;
use uuid::Uuid;

use self::fake_providers::{Fake, calls::Call};
use super::*;
use crate::{config::OutboundSettings, messaging::Address};

/// Those that the fake speaks: all but SMTP, which is no HTTP.
const KINDS: [&str; 10] = [
    "clicksend",
    "fcm",
    "generic",
    "hubtel",
    "instagram",
    "sendgrid",
    "telegram",
    "twilio",
    "twilio_whatsapp",
    "whatsapp_cloud",
];

/// Patient enough for a busy machine; who never answers costs a test this long.
fn outbound() -> Outbound {
    Outbound::new(&OutboundSettings { timeout_ms: 4_000, ..OutboundSettings::on_this_machine() }).unwrap()
}

fn values(kind: &str, given: &BTreeMap<String, String>) -> Values {
    Values::parse(about(kind).unwrap(), given).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

fn open_with(kind: &str, given: &BTreeMap<String, String>) -> Arc<dyn Provider> {
    (about(kind).unwrap().open)(&values(kind, given)).unwrap()
}

fn open(fake: &Fake, kind: &str) -> Arc<dyn Provider> {
    open_with(kind, &fake.values(kind))
}

/// An address of the provider's channel.
fn somebody(kind: &str) -> &'static str {
    match about(kind).unwrap().channel {
        Channel::Sms | Channel::Whatsapp => "+233200000001",
        Channel::Email => "ama@example.test",
        Channel::Telegram => "5550001",
        Channel::Instagram => "17840000000009",
        Channel::Push => "device-token:APA91b",
        Channel::InApp => unreachable!(),
    }
}

fn outgoing(kind: &str, text: &str) -> Outgoing {
    outgoing_to(kind, somebody(kind), text)
}

fn outgoing_to(kind: &str, to: &str, text: &str) -> Outgoing {
    Outgoing {
        id: Uuid::now_v7(),
        to: Address::stored(about(kind).unwrap().channel, to.to_owned()),
        from: None,
        content: Content { subject: Some("News".into()), text: text.into(), ..Content::default() },
        reply_to: None,
        last_heard_at: Some(Utc::now()),
        receipts_url: Some(Url::parse("https://acme.lastmile.test/hooks/x/opaque").unwrap()),
        valid_for: None,
        now: Utc::now(),
    }
}

async fn send(provider: &dyn Provider, outbound: &Outbound, outgoing: &Outgoing) -> Outcome {
    match provider.prepare(outgoing) {
        Ok(prepared) => provider.send(outbound, prepared).await,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

fn accepted(outcome: Outcome) -> Accepted {
    match outcome {
        Outcome::Accepted(accepted) => accepted,
        other => panic!("accepted was expected, not {other:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("refused was expected, not {other:?}"),
    }
}

/// A fake's call as our hook stores it.
fn hook(call: &Call) -> Hook<'_> {
    Hook { is_get: false, url: &call.url, headers: &call.headers, body: &call.body, received_at: Utc::now() }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
