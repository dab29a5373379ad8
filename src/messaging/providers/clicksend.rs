//! ClickSend: SMS. The envelope says SUCCESS even when a message in it is refused, so each message's own status counts.
//!
//! Its receipts are unsigned: they are hints to ask for the receipt.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Inbound, InboundKind,
    Outcome, Outgoing, Prepared, Proof, Provider, Reason, Receipt, Refusal, Reply, State,
    answers::{
        ask, by_status_of, deliver, instant, price, refusal_by_status, short_text, text, unreadable, word,
    },
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

pub static SMS: About = About {
    kind: "clicksend",
    label: "ClickSend",
    channel: Channel::Sms,
    fields: &[
        Field::required(
            "username",
            "Username",
            FieldKind::Text,
            "The dashboard shows it under API credentials.",
        ),
        Field::required("api_key", "API key", FieldKind::Text, "Shown beside the username.").secret(),
        Field::optional(
            "sender",
            "Sender",
            FieldKind::Text,
            "A number or a name; a shared number when empty.",
        ),
        Field::base_url("https://rest.clicksend.com"),
    ],
    carries_files: false,
    proof: Proof::AddressOnly,
    poll_after: &[
        Duration::from_secs(60),
        Duration::from_secs(300),
        Duration::from_secs(1_800),
        Duration::from_secs(7_200),
        Duration::from_secs(86_400),
    ],
    open: |values| {
        Ok(Arc::new(ClickSend {
            base: values.url("base_url")?,
            username: values.text("username").to_owned(),
            api_key: values.secret("api_key"),
            sender: values.some("sender"),
        }))
    },
};

struct ClickSend {
    base: Url,
    username: String,
    api_key: SecretString,
    sender: Option<String>,
}

impl ClickSend {
    fn request(&self, segments: &[&str], new: fn(Url) -> Request) -> Request {
        let path: Vec<&str> = std::iter::once("v3").chain(segments.iter().copied()).collect();
        new(Request::url_below(&self.base, &path)).basic(&self.username, self.api_key.expose_secret())
    }
}

impl Provider for ClickSend {
    fn about(&self) -> &'static About {
        &SMS
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let segments = short_text(&outgoing.content)?;
        let mut message = json!({
            "source": "lastmile",
            "to": outgoing.to.as_str(),
            "body": outgoing.content.text,
            "custom_string": outgoing.id,
        });
        if let (Some(from), Some(fields)) =
            (outgoing.from.as_ref().or(self.sender.as_ref()), message.as_object_mut())
        {
            fields.insert("from".into(), json!(from));
        }
        let request = self.request(&["sms", "send"], Request::post).json(&json!({ "messages": [message] }));
        Ok(Prepared::sms(request, segments))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get { Err(HookRefusal::NotHere) } else { Ok(Reply::ok()) }
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let event = if hook.is_form() {
            Value::Object(hook.form().into_iter().map(|(name, value)| (name, Value::String(value))).collect())
        } else {
            hook.json()?
        };
        let is_inbound = word(&event, "/status_code").is_none() && word(&event, "/from").is_some();
        let mut heard = Heard::default();
        if is_inbound {
            heard.inbound.extend(inbound(&event));
        } else if let Some(mut receipt) = receipt(&event) {
            receipt.is_hint = true;
            heard.receipts.push(receipt);
        }
        Ok(heard)
    }

    fn poll<'a>(
        &'a self,
        outbound: &'a Outbound,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, Refusal>> {
        Box::pin(async move {
            let answer = ask(outbound, self.request(&["sms", "receipts", message_id], Request::get)).await?;
            match answer.status {
                404 => Ok(None),
                200..=299 => {
                    let body = answer.json();
                    let told = body.get("data").and_then(receipt);
                    Ok(told.filter(|receipt| receipt.message_id == message_id))
                }
                _ => Err(refusal_by_status(&answer)),
            }
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let answer = ask(outbound, self.request(&["account"], Request::get)).await?;
            if !answer.is_success() {
                return Err(refusal_by_status(&answer));
            }
            let body = answer.json();
            let currency = text(&body, "/data/_currency/currency_name_short");
            let account = text(&body, "/data/username");
            Ok(Checked { account, balance: price(&body, "/data/balance", currency) })
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    if !answer.is_success() {
        return by_status_of(answer);
    }
    let body = answer.json();
    let Some(message) = body.pointer("/data/messages/0") else {
        // Without messages the envelope's own word is all there is.
        return match word(&body, "/response_code") {
            Some(code) if code != "SUCCESS" => Outcome::Refused(refusal(&code)),
            _ => unreadable(),
        };
    };
    match (word(message, "/status").as_deref(), word(message, "/message_id")) {
        (Some("SUCCESS"), Some(id)) => {
            let currency = text(&body, "/data/_currency/currency_name_short");
            let mut accepted = Accepted::new(id, State::Queued);
            accepted.segments = word(message, "/message_parts")
                .and_then(|parts| parts.parse::<f64>().ok())
                .filter(|parts| (1.0..1_000.0).contains(parts))
                .and_then(|parts| format!("{parts:.0}").parse().ok());
            accepted.price = price(message, "/message_price", currency);
            Outcome::Accepted(accepted)
        }
        (Some("SUCCESS"), None) | (None, _) => unreadable(),
        (Some(code), _) => Outcome::Refused(refusal(code)),
    }
}

fn refusal(code: &str) -> Refusal {
    let (class, meaning) = match code {
        "INVALID_RECIPIENT" => (Class::Recipient(Reason::Invalid), "The recipient's number is wrong."),
        "THROTTLED" => (Class::Content, "The same text went to this number a moment ago."),
        "INSUFFICIENT_CREDIT" => (Class::Account, "The account has no credit."),
        "MISSING_CREDENTIALS" | "INVALID_CREDENTIALS" => (Class::Account, "The credential is wrong."),
        "ACCOUNT_NOT_ACTIVATED" => (Class::Account, "The account is not activated."),
        "INVALID_SENDER_ID" => (Class::Account, "The sender is not allowed."),
        "COUNTRY_NOT_ENABLED" => (Class::Account, "The recipient's country is not enabled for this account."),
        "REGISTRATION_NEEDED" => (Class::Account, "The sender must be registered for this country."),
        "NOT_ENOUGH_PERMISSION_TO_LIST_ID" => (Class::Account, "The credential lacks a right."),
        "EMPTY_MESSAGE" => (Class::Content, "The message has no text."),
        "ALREADY_EXISTS" | "TOO_MANY_RECIPIENTS" | "MISSING_REQUIRED_FIELDS" | "INVALID_SCHEDULE" => {
            (Class::Content, "The message was refused.")
        }
        "TOO_MANY_REQUESTS" => (Class::Rate, "The provider asks for a slower pace."),
        "INTERNAL_ERROR" | "SOMETHING_IS_WRONG" => (Class::Transient, "The provider is out of order."),
        _ => (Class::Content, "The message was refused."),
    };
    Refusal::new(class, code.to_owned(), meaning)
}

fn receipt(event: &Value) -> Option<Receipt> {
    let id = word(event, "/message_id")?;
    let code = word(event, "/status_code")?;
    let text = word(event, "/status_text").unwrap_or_else(|| code.clone());
    let state = match code.as_ref() {
        "200" => Some(State::Sent),
        "201" => Some(State::Delivered),
        "300" => Some(State::Sent),
        "301" => Some(State::Failed),
        _ => None,
    };
    let mut receipt = Receipt::new(id, format!("{code} {text}"), state);
    receipt.reference = word(event, "/custom_string").and_then(|text| text.parse().ok());
    receipt.at = instant(event, "/timestamp");
    if state == Some(State::Failed) {
        let why = word(event, "/error_text").unwrap_or(text);
        let code = word(event, "/error_code").unwrap_or(code).into_owned();
        receipt.refusal = Some(Refusal::new(Class::Transient, code, why));
    }
    Some(receipt)
}

fn inbound(event: &Value) -> Option<Inbound> {
    let text_of = |pointer| text(event, pointer);
    let id = text_of("/message_id")?;
    let mut inbound = Inbound::new(id, text_of("/from")?, InboundKind::Message);
    inbound.to = text_of("/to");
    inbound.text = text_of("/body").unwrap_or_default();
    inbound.reply_to = text_of("/original_message_id");
    inbound.at = instant(event, "/timestamp");
    Some(inbound)
}
