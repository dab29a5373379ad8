//! Hubtel: SMS in Ghana and beyond. What counts is the `status` in the answer, not the one of HTTP.
//!
//! Credentials travel in a header, never in the address as its older API has it. Its receipts are unsigned unless a secret was
//! agreed on, so a receipt is a hint to ask for the message.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, NaiveDateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Outcome, Outgoing, Prepared,
    Proof, Provider, Reason, Receipt, Refusal, Reply, State,
    answers::{ask, by_status_of, deliver, folded, price, refusal_by_status, short_text, unreadable, word},
    signature::is_hex_hmac_sha256,
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

pub static SMS: About = About {
    kind: "hubtel",
    label: "Hubtel",
    channel: Channel::Sms,
    fields: &[
        Field::required("client_id", "Client ID", FieldKind::Text, "Hubtel's page for developers shows it."),
        Field::required("client_secret", "Client secret", FieldKind::Text, "Shown with the client ID.")
            .secret(),
        Field::required("sender", "Sender", FieldKind::Text, "The approved sender name, or a number."),
        Field::optional(
            "webhook_secret",
            "Webhook secret",
            FieldKind::Text,
            "Only when what calls us signs the body with X-Hubtel-Signature.",
        )
        .secret(),
        Field::base_url("https://sms.hubtel.com"),
    ],
    carries_files: false,
    proof: Proof::AddressOnly,
    poll_after: &[
        Duration::from_secs(30),
        Duration::from_secs(120),
        Duration::from_secs(600),
        Duration::from_secs(3_600),
        Duration::from_secs(86_400),
    ],
    open: |values| {
        Ok(Arc::new(Hubtel {
            base: values.url("base_url")?,
            client_id: values.text("client_id").to_owned(),
            client_secret: values.secret("client_secret"),
            sender: values.text("sender").to_owned(),
            webhook_secret: values.some("webhook_secret").map(SecretString::from),
        }))
    },
};

struct Hubtel {
    base: Url,
    client_id: String,
    client_secret: SecretString,
    sender: String,
    webhook_secret: Option<SecretString>,
}

impl Hubtel {
    fn request(&self, segments: &[&str], new: fn(Url) -> Request) -> Request {
        let url = Request::url_below(
            &self.base,
            &["v1", "messages"].iter().chain(segments).copied().collect::<Vec<_>>(),
        );
        new(url).basic(&self.client_id, self.client_secret.expose_secret())
    }
}

impl Provider for Hubtel {
    fn about(&self) -> &'static About {
        &SMS
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let segments = short_text(&outgoing.content)?;
        let body = json!({
            "From": outgoing.from.as_deref().unwrap_or(&self.sender),
            "To": outgoing.to.digits(),
            "Content": outgoing.content.text,
            "ClientReference": outgoing.id,
        });
        Ok(Prepared::sms(self.request(&["send"], Request::post).json(&body), segments))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get {
            return Err(HookRefusal::NotHere);
        }
        if let Some(secret) = &self.webhook_secret {
            let given = hook.header("x-hubtel-signature").ok_or(HookRefusal::Unsigned)?;
            if !is_hex_hmac_sha256(secret.expose_secret(), hook.body, given) {
                return Err(HookRefusal::BadSignature);
            }
        }
        Ok(Reply::ok())
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let body = if hook.is_form() {
            Value::Object(hook.form().into_iter().map(|(name, value)| (name, Value::String(value))).collect())
        } else {
            hook.json()?
        };
        let events = match body {
            Value::Array(events) => events,
            one => vec![one],
        };
        let receipts = events.iter().filter_map(receipt).map(|mut receipt| {
            receipt.is_hint = self.webhook_secret.is_none();
            receipt
        });
        Ok(Heard { receipts: receipts.collect(), inbound: Vec::new() })
    }

    fn poll<'a>(
        &'a self,
        outbound: &'a Outbound,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, Refusal>> {
        Box::pin(async move {
            let answer = ask(outbound, self.request(&[message_id], Request::get)).await?;
            match answer.status {
                404 => Ok(None),
                200..=299 => {
                    let body = answer.json();
                    // Some answers wrap the message in `data`.
                    Ok(receipt(&body)
                        .or_else(|| receipt(body.get("data")?))
                        .map(|receipt| Receipt { message_id: message_id.to_owned(), ..receipt }))
                }
                _ => Err(refusal_by_status(&answer)),
            }
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            // No call for the balance is documented. Asking for a message that cannot be there tells whether we are let in.
            let nothing = self.request(&["00000000-0000-0000-0000-000000000000"], Request::get);
            let answer = ask(outbound, nothing).await?;
            match answer.status {
                200..=299 | 400 | 404 => Ok(Checked::default()),
                _ => Err(refusal_by_status(&answer)),
            }
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let body = answer.json();
    let code = word(&body, "/status").and_then(|status| status.parse::<i64>().ok());
    let said = word(&body, "/statusDescription").or_else(|| word(&body, "/message")).unwrap_or_default();
    if answer.is_success() {
        return match (code, word(&body, "/messageId")) {
            (Some(0), Some(id)) => {
                let mut accepted = Accepted::new(id, State::Queued);
                accepted.price = price(&body, "/rate", None);
                Outcome::Accepted(accepted)
            }
            (Some(0), None) | (None, _) => unreadable(),
            (Some(code), _) => Outcome::Refused(refusal(code, &said)),
        };
    }
    match (answer.status, code) {
        (400, Some(code)) => Outcome::Refused(refusal(code, &said)),
        (403, _) => {
            let detail = "The recipient has not agreed to be written to.";
            Outcome::Refused(Refusal::new(Class::Recipient(Reason::Blocked), "403", detail))
        }
        // Documented as "no gateway".
        (502, _) => {
            Outcome::Refused(Refusal::new(Class::Transient, "502", "No gateway reaches this recipient now."))
        }
        _ => by_status_of(answer),
    }
}

/// The codes in the body of a refusal.
fn refusal(code: i64, said: &str) -> Refusal {
    let (class, meaning) = match code {
        1 => (Class::Recipient(Reason::Invalid), "The recipient's number is wrong."),
        2 => (Class::Content, "The sender is wrong or not approved."),
        3 => (Class::Content, "The text is too long."),
        4 => (Class::Transient, "No route to this recipient."),
        5 => (Class::Content, "The delivery time is wrong."),
        6 => (Class::Content, "The text was rejected."),
        7 | 8 => (Class::Content, "A parameter was refused."),
        12 => (Class::Account, "The account has no credit."),
        _ => (Class::Content, "The message was refused."),
    };
    let detail = if said.is_empty() { meaning.to_owned() } else { format!("{meaning} ({said})") };
    Refusal::new(class, code.to_string(), detail)
}

/// A message as `GET` or a receipt describes it; several spellings are in use.
fn receipt(body: &Value) -> Option<Receipt> {
    let first = |names: &[&str]| names.iter().find_map(|name| word(body, &format!("/{name}")));
    let id = first(&["messageId", "MessageId", "message_id"])?;
    let said = first(&["status", "Status", "deliveryStatus", "statusDescription"])?;
    let state = state(&said);
    let mut receipt = Receipt::new(id, &said, state);
    receipt.reference = first(&["clientReference", "ClientReference"]).and_then(|text| text.parse().ok());
    receipt.price = price(body, "/rate", None);
    receipt.at = first(&["updateTime", "UpdateTime"]).and_then(|text| moment(&text));
    if state == Some(State::Failed) {
        receipt.refusal =
            Some(Refusal::new(Class::Transient, folded(&said), format!("Hubtel says: {said}.")));
    }
    Some(receipt)
}

/// Whole words only: "undelivered" holds "delivered".
fn state(said: &str) -> Option<State> {
    Some(match folded(said).as_str() {
        "delivered" | "deliveredtoterminal" | "deliveredtohandset" | "2" => State::Delivered,
        "undelivered" | "undeliverable" | "notdelivered" | "failed" | "deliveryfailed" | "rejected"
        | "expired" | "blacklisted" | "blocked" | "3" => State::Failed,
        "sent" | "submitted" | "messagesent" | "1" => State::Sent,
        "queued" | "pending" | "accepted" | "scheduled" | "processing" | "0" => State::Queued,
        _ => return None,
    })
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
    zoned.or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|at| at.and_utc()))
}
