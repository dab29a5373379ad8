//! A gateway of one's own: a phone in a drawer, a local operator without an API worth the name, a script.
//!
//! The contract is ours, and is signed in both directions as Standard Webhooks has it (`webhook-id`, `webhook-timestamp`,
//! `webhook-signature`), so that a gateway can use any library for that. docs/gateway.md tells it to those who write one.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Inbound, InboundKind,
    Outcome, Outgoing, Prepared, Proof, Provider, Reason, Receipt, Refusal, Reply, State,
    answers::{ask, by_status_of, deliver, price, refusal_by_status, short_text, text, unreadable, word},
    message::Wire,
    signature::{hmac_sha256, is_base64},
};
use crate::{
    error::{Error, Result},
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

pub static SMS: About = About {
    kind: "generic",
    label: "Gateway of your own",
    channel: Channel::Sms,
    fields: &[
        Field::required(
            "base_url",
            "Address",
            FieldKind::Url,
            "Messages are posted here, as docs/gateway.md describes.",
        ),
        Field::required("secret", "Signing secret", FieldKind::SigningSecret, "Both sides sign with it.")
            .secret(),
        Field::optional(
            "old_secret",
            "Former signing secret",
            FieldKind::SigningSecret,
            "Still accepted while the secret changes.",
        )
        .secret(),
        Field::optional("sender", "Sender", FieldKind::Text, "Goes along as `from`."),
    ],
    carries_files: false,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| {
        let key = |name: &'static str| {
            signing_key(values.text(name))
                .ok_or_else(|| Error::invalid(name, "not_a_signing_secret", "This is no secret."))
        };
        let mut keys = vec![key("secret")?];
        if values.some("old_secret").is_some() {
            keys.push(key("old_secret")?);
        }
        Ok(Arc::new(Gateway { url: values.url("base_url")?, keys, sender: values.some("sender") }))
    },
};

/// A secret's bytes: `whsec_` and base64 of 24 to 64 of them.
pub(super) fn signing_key(text: &str) -> Option<SecretString> {
    let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&bytes.len()).then(|| SecretString::from(STANDARD.encode(bytes)))
}

struct Gateway {
    url: Url,
    /// The one that signs, and another that is still believed.
    keys: Vec<SecretString>,
    sender: Option<String>,
}

impl Gateway {
    fn mac(key: &SecretString, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        let key = STANDARD.decode(key.expose_secret()).unwrap_or_default();
        hmac_sha256(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
    }

    /// The signatures of all keys, so that a gateway may hold the former or the new one.
    fn signed(&self, request: Request, id: &str, at: DateTime<Utc>) -> Request {
        let timestamp = at.timestamp().to_string();
        let all: Vec<String> = self
            .keys
            .iter()
            .map(|key| format!("v1,{}", STANDARD.encode(Self::mac(key, id, &timestamp, request.body()))))
            .collect();
        request
            .header("webhook-id", id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", &all.join(" "))
    }
}

impl Provider for Gateway {
    fn about(&self) -> &'static About {
        &SMS
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let segments = short_text(&outgoing.content)?;
        let body = json!({
            "type": "message.send",
            "timestamp": outgoing.now,
            "data": {
                "id": outgoing.id,
                "to": outgoing.to.as_str(),
                "from": outgoing.from.as_ref().or(self.sender.as_ref()),
                "text": outgoing.content.text,
                "segments": segments.count,
            },
        });
        let request =
            Request::post(self.url.clone()).json(&body).header("idempotency-key", &outgoing.id.to_string());
        Ok(Prepared::sms(request, segments))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        // Signed when it goes out: a prepared message may have waited longer than a signature is good for.
        let Prepared { segments, wire } = prepared;
        let wire = match wire {
            Wire::Http(request) => {
                let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
                Wire::Http(self.signed(request, &id, Utc::now()))
            }
            wire @ Wire::Mail(_) => wire,
        };
        Box::pin(deliver(outbound, Prepared { segments, wire }, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get {
            return Err(HookRefusal::NotHere);
        }
        let get = |name| hook.header(name).filter(|text| !text.is_empty()).ok_or(HookRefusal::Unsigned);
        let (id, timestamp, given) =
            (get("webhook-id")?, get("webhook-timestamp")?, get("webhook-signature")?);
        let is_good = given
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .any(|one| self.keys.iter().any(|key| is_base64(&Self::mac(key, id, timestamp, hook.body), one)));
        match (is_good, hook.is_fresh(timestamp)) {
            (false, _) => Err(HookRefusal::BadSignature),
            (true, false) => Err(HookRefusal::Stale),
            (true, true) => Ok(Reply::ok()),
        }
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let body = hook.json()?;
        let data = body.get("data").ok_or(HookRefusal::Malformed)?;
        let event_id = hook.header("webhook-id").map(str::to_owned);
        let at = word(&body, "/timestamp")
            .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
            .map(|at| at.to_utc());
        let mut heard = Heard::default();
        match word(&body, "/type").as_deref() {
            Some("message.status") => {
                let mut receipt = receipt(data).ok_or(HookRefusal::Malformed)?;
                receipt.at = at;
                receipt.event_id = event_id;
                heard.receipts.push(receipt);
            }
            Some("message.received") => {
                let text_of = |pointer: &str| text(data, pointer);
                let (id, from) = (text_of("/id"), text_of("/from"));
                let (Some(id), Some(from)) = (id.or(event_id), from) else {
                    return Err(HookRefusal::Malformed);
                };
                let mut inbound = Inbound::new(id, from, InboundKind::Message);
                inbound.to = text_of("/to");
                inbound.text = text_of("/text").unwrap_or_default();
                inbound.at = at;
                heard.inbound.push(inbound);
            }
            _ => {}
        }
        Ok(heard)
    }

    fn poll<'a>(
        &'a self,
        outbound: &'a Outbound,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, Refusal>> {
        Box::pin(async move {
            let request = Request::get(Request::url_below(&self.url, &[message_id]));
            let answer = ask(outbound, self.signed(request, message_id, Utc::now())).await?;
            match answer.status {
                404 | 405 | 501 => Ok(None),
                200..=299 => Ok(receipt(&answer.json()).filter(|receipt| receipt.message_id == message_id)),
                _ => Err(refusal_by_status(&answer)),
            }
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let body = json!({ "type": "ping", "timestamp": Utc::now(), "data": {} });
            let request = Request::post(self.url.clone()).json(&body);
            let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
            let answer = ask(outbound, self.signed(request, &id, Utc::now())).await?;
            if !answer.is_success() {
                return Err(refused(&answer).unwrap_or_else(|| refusal_by_status(&answer)));
            }
            let body = answer.json();
            let account = text(&body, "/name");
            let currency = text(&body, "/currency");
            Ok(Checked { account, balance: price(&body, "/balance", currency) })
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    if let Some(refusal) = refused(answer) {
        return Outcome::Refused(refusal);
    }
    if !answer.is_success() {
        return by_status_of(answer);
    }
    let body = answer.json();
    let Some(id) = word(&body, "/id") else { return unreadable() };
    let state = word(&body, "/status").and_then(|word| state(&word)).unwrap_or(State::Queued);
    let currency = text(&body, "/currency");
    let mut accepted = Accepted::new(id, state);
    accepted.segments = body.get("segments").and_then(Value::as_u64).and_then(|count| count.try_into().ok());
    accepted.price = price(&body, "/price", currency);
    Outcome::Accepted(accepted)
}

/// An answer with an `error` is a refusal, whatever its status.
fn refused(answer: &Answer) -> Option<Refusal> {
    let body = answer.json();
    let error = body.get("error")?;
    Some(refusal(error)?.after(answer.retry_after(Utc::now())))
}

fn refusal(error: &Value) -> Option<Refusal> {
    let reason = || match word(error, "/reason").as_deref() {
        Some("unregistered") => Reason::Unregistered,
        Some("blocked") => Reason::Blocked,
        Some("unsubscribed") => Reason::Unsubscribed,
        _ => Reason::Invalid,
    };
    let class = match word(error, "/class")?.as_ref() {
        "recipient" => Class::Recipient(reason()),
        "account" => Class::Account,
        "rate" => Class::Rate,
        "transient" => Class::Transient,
        _ => Class::Content,
    };
    let code = word(error, "/code").unwrap_or("refused".into()).into_owned();
    let detail = word(error, "/detail").unwrap_or("The gateway gives no reason.".into());
    Some(Refusal::new(class, code, detail))
}

fn receipt(data: &Value) -> Option<Receipt> {
    let said = word(data, "/status")?;
    let mut receipt = Receipt::new(word(data, "/id")?, &said, state(&said));
    receipt.reference = word(data, "/delivery_id").and_then(|text| text.parse().ok());
    receipt.refusal = data.get("error").and_then(refusal);
    receipt.price = price(data, "/price", text(data, "/currency"));
    Some(receipt)
}

fn state(word: &str) -> Option<State> {
    [State::Queued, State::Sent, State::Failed, State::Delivered, State::Read]
        .into_iter()
        .find(|state| state.as_str() == word)
}
