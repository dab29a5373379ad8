//! SendGrid: mail by HTTP. It takes a letter with 202 and an empty body; everything else comes as events, often more than once.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Outcome, Outgoing, Prepared,
    Proof, Provider, Reason, Receipt, Refusal, Reply, State, Unsubscribe,
    answers::{ask, by_status_of, deliver, folded, instant, refusal_by_status, text, word},
    mail::{self, Sender},
    signature::EcdsaKey,
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

/// Comes back with every event. It is an id and nothing else: what stands there is not treated as personal by the provider.
const REFERENCE: &str = "lastmile_delivery";
const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

pub static EMAIL: About = About {
    kind: "sendgrid",
    label: "SendGrid",
    channel: Channel::Email,
    fields: &[
        Field::required(
            "api_key",
            "API key",
            FieldKind::Text,
            "With the right Mail Send; it begins with SG.",
        )
        .secret(),
        mail::FROM_EMAIL,
        mail::FROM_NAME,
        mail::REPLY_TO,
        Field::optional(
            "webhook_key",
            "Verification key",
            FieldKind::PublicKey,
            "Shown where the event webhook's signature is switched on.",
        ),
        Field::optional("tracking", "Opens and clicks", FieldKind::Flag, "Changes the links in letters.")
            .or("off"),
        Field::base_url("https://api.sendgrid.com"),
    ],
    carries_files: true,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| {
        Ok(Arc::new(SendGrid {
            base: values.url("base_url")?,
            api_key: values.secret("api_key"),
            sender: Sender::of(values),
            webhook_key: values.some("webhook_key").and_then(|key| EcdsaKey::parse(&key)),
            tracks: values.is_on("tracking"),
        }))
    },
};

struct SendGrid {
    base: Url,
    api_key: SecretString,
    sender: Sender,
    webhook_key: Option<EcdsaKey>,
    tracks: bool,
}

impl Provider for SendGrid {
    fn about(&self) -> &'static About {
        &EMAIL
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let content = &outgoing.content;
        let subject = mail::checked(content)?;
        let mut from = json!({ "email": self.sender.email_of(outgoing)? });
        if let (Some(name), Some(fields)) = (&self.sender.name, from.as_object_mut()) {
            fields.insert("name".into(), json!(name));
        }
        // The plainest kind comes first.
        let kinds = [("text/plain", Some(&content.text)), ("text/html", content.html.as_ref())];
        let parts: Vec<Value> = kinds
            .into_iter()
            .filter_map(|(kind, text)| Some((kind, text.filter(|text| !text.is_empty())?)))
            .map(|(kind, text)| json!({ "type": kind, "value": text }))
            .collect();
        let tracking = json!({ "enable": self.tracks });
        let mut body = json!({
            "personalizations": [{
                "to": [{ "email": outgoing.to.as_str() }],
                "custom_args": { REFERENCE: outgoing.id },
            }],
            "from": from,
            "subject": subject,
            "content": parts,
            "tracking_settings": { "click_tracking": tracking, "open_tracking": tracking },
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(reply_to) = &self.sender.reply_to {
                fields.insert("reply_to".into(), json!({ "email": reply_to }));
            }
            let answered = mail::answered(outgoing);
            let answered =
                answered.iter().flat_map(|id| [("In-Reply-To", id.clone()), ("References", id.clone())]);
            let left = content.unsubscribe.iter().flat_map(Unsubscribe::headers);
            let headers: Map<String, Value> =
                left.chain(answered).map(|(name, value)| (name.to_owned(), json!(value))).collect();
            if !headers.is_empty() {
                fields.insert("headers".into(), Value::Object(headers));
            }
            if !content.attachments.is_empty() {
                let files = content.attachments.iter().map(|file| {
                    json!({
                        "content": STANDARD.encode(&file.bytes),
                        "type": file.content_type,
                        "filename": file.name,
                        "disposition": "attachment",
                    })
                });
                fields.insert("attachments".into(), files.collect());
            }
        }
        let url = Request::url_below(&self.base, &["v3", "mail", "send"]);
        Ok(Prepared::http(Request::post(url).bearer(self.api_key.expose_secret()).json(&body)))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get {
            return Err(HookRefusal::NotHere);
        }
        let key = self.webhook_key.as_ref().ok_or(HookRefusal::NotConfigured)?;
        let given = hook.header(SIGNATURE).ok_or(HookRefusal::Unsigned)?;
        let timestamp = hook.header(TIMESTAMP).ok_or(HookRefusal::Unsigned)?;
        if !key.verifies(&[timestamp.as_bytes(), hook.body], given) {
            return Err(HookRefusal::BadSignature);
        }
        if hook.is_fresh(timestamp) { Ok(Reply::ok()) } else { Err(HookRefusal::Stale) }
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let body = hook.json()?;
        let events = body.as_array().ok_or(HookRefusal::Malformed)?;
        Ok(Heard { receipts: events.iter().filter_map(receipt).collect(), inbound: Vec::new() })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let url = Request::url_below(&self.base, &["v3", "scopes"]);
            let answer = ask(outbound, Request::get(url).bearer(self.api_key.expose_secret())).await?;
            if !answer.is_success() {
                return Err(refusal_by_status(&answer));
            }
            let body = answer.json();
            let scopes = body.get("scopes").and_then(Value::as_array);
            match scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == "mail.send")) {
                true => Ok(Checked::default()),
                false => {
                    Err(Refusal::new(Class::Account, "no_mail_send", "The key lacks the right Mail Send."))
                }
            }
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let body = answer.json();
    if answer.is_success() && body.get("errors").is_none() {
        // The id is in a header that no document promises; our own reference comes back with each event anyway.
        let id = answer.header("x-message-id").unwrap_or_default();
        return Outcome::Accepted(Accepted::new(id, State::Queued));
    }
    let field = word(&body, "/errors/0/field").unwrap_or_default();
    let said = word(&body, "/errors/0/message").unwrap_or_default();
    let class = match answer.status {
        200..=299 | 400 if field.contains(".to") => Class::Recipient(Reason::Invalid),
        200..=299 | 400 if field.starts_with("from") => Class::Account,
        200..=299 | 400 | 413 | 422 => Class::Content,
        401 | 403 => Class::Account,
        429 => {
            let wait = answer.retry_after(Utc::now()).or_else(|| reset(answer));
            let said = if said.is_empty() { "The provider asks for a slower pace." } else { said.as_ref() };
            return Outcome::Refused(Refusal::new(Class::Rate, "http_429", said).after(wait));
        }
        _ => return by_status_of(answer),
    };
    let said = if said.is_empty() { "SendGrid gives no reason." } else { said.as_ref() };
    Outcome::Refused(Refusal::new(class, format!("http_{}", answer.status), said))
}

/// When the pace is counted anew: `X-RateLimit-Reset`, in seconds since 1970.
fn reset(answer: &Answer) -> Option<std::time::Duration> {
    let at: i64 = answer.header("x-ratelimit-reset")?.parse().ok()?;
    u64::try_from(at - Utc::now().timestamp())
        .ok()
        .map(|seconds| std::time::Duration::from_secs(seconds.min(3_600)))
}

pub(super) fn receipt(event: &Value) -> Option<Receipt> {
    let what = word(event, "/event")?;
    let whole_id = word(event, "/sg_message_id").unwrap_or_default();
    // The id that sending gave stands before the first dot; the rest tells which machine and which recipient.
    let id = whole_id.split('.').next().unwrap_or_default();
    let reference = word(event, &format!("/{REFERENCE}")).and_then(|text| text.parse().ok());
    if id.is_empty() && reference.is_none() {
        return None;
    }
    let reason = word(event, "/reason").or_else(|| word(event, "/response")).unwrap_or_default();
    let is_machine = event.get("sg_machine_open").and_then(Value::as_bool).unwrap_or(false);
    let refuse = |class, code: &'static str| Some(Refusal::new(class, code, &reason));
    let (state, refusal) = match what.as_ref() {
        "processed" | "deferred" => (Some(State::Sent), None),
        "delivered" => (Some(State::Delivered), None),
        // A machine that opens every letter has not read it.
        "open" if is_machine => (None, None),
        "open" | "click" => (Some(State::Read), None),
        "bounce" if word(event, "/type").as_deref() == Some("blocked") => {
            (Some(State::Failed), refuse(Class::Transient, "blocked"))
        }
        "bounce" => (Some(State::Failed), refuse(Class::Recipient(Reason::Invalid), "bounce")),
        "dropped" => (Some(State::Failed), Some(dropped(&reason))),
        "spamreport" => (None, refuse(Class::Recipient(Reason::Complained), "spamreport")),
        "unsubscribe" | "group_unsubscribe" => {
            (None, refuse(Class::Recipient(Reason::Unsubscribed), "unsubscribe"))
        }
        _ => (None, None),
    };
    let mut receipt = Receipt::new(id, &what, state);
    receipt.reference = reference;
    receipt.refusal = refusal;
    receipt.at = instant(event, "/timestamp");
    receipt.event_id = text(event, "/sg_event_id");
    Some(receipt)
}

/// The provider's own list kept it from sending.
fn dropped(reason: &str) -> Refusal {
    let class = match folded(reason).as_str() {
        "bouncedaddress" | "invalid" | "invalidemailaddress" => Class::Recipient(Reason::Invalid),
        "unsubscribedaddress" => Class::Recipient(Reason::Unsubscribed),
        "spamreportingaddress" => Class::Recipient(Reason::Complained),
        "spamcontent" | "spamcontentifspamcheckerappenabled" | "invalidsmtpapiheader" => Class::Content,
        "recipientlistoverpackagequota" => Class::Account,
        _ => Class::Transient,
    };
    Refusal::new(class, "dropped", reason)
}
