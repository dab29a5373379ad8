//! Instagram's direct messages. They answer people who wrote first, within a day; our own messages come back as echoes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Inbound, InboundKind, Media,
    Outcome, Outgoing, Prepared, Proof, Provider, Receipt, Refusal, Reply, State,
    answers::{ask, deliver, instant, no_template, text, text_within, unreadable, word},
    meta::{self, Proofs, list},
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

/// Bytes, not characters.
const TEXT_MAX: usize = 1_000;
const DAY: chrono::TimeDelta = chrono::TimeDelta::hours(24);
const HUMAN_AGENT_DAYS: chrono::TimeDelta = chrono::TimeDelta::days(7);

pub static INSTAGRAM: About = About {
    kind: "instagram",
    label: "Instagram",
    channel: Channel::Instagram,
    fields: &[
        Field::optional(
            "account_id",
            "Page or account ID",
            FieldKind::Text,
            "Whose inbox it is; `me` is the token's own.",
        )
        .or("me"),
        Field::required(
            "access_token",
            "Access token",
            FieldKind::Text,
            "Of the page that the account belongs to.",
        )
        .secret(),
        Field::optional("app_secret", "App secret", FieldKind::Text, "Incoming messages are signed with it.")
            .secret(),
        Field::optional(
            "verify_token",
            "Verify token",
            FieldKind::Text,
            "A word of yours, entered at Meta with the webhook.",
        )
        .secret(),
        Field::optional(
            "human_agent",
            "Answers by people",
            FieldKind::Flag,
            "Where Meta granted it: people may answer for seven days.",
        )
        .or("off"),
        Field::optional("api_version", "API version", FieldKind::Text, "Of the Graph API.").or("v23.0"),
        Field::base_url("https://graph.facebook.com"),
    ],
    carries_files: true,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| {
        Ok(Arc::new(Instagram {
            base: values.url("base_url")?,
            version: values.text("api_version").to_owned(),
            account_id: values.text("account_id").to_owned(),
            token: values.secret("access_token"),
            answers_late: values.is_on("human_agent"),
            proofs: Proofs {
                app_secret: values.some("app_secret").map(SecretString::from),
                verify_token: values.some("verify_token").map(SecretString::from),
            },
        }))
    },
};

struct Instagram {
    base: Url,
    version: String,
    account_id: String,
    token: SecretString,
    answers_late: bool,
    proofs: Proofs,
}

impl Instagram {
    fn url(&self, last: &[&str]) -> Url {
        let path: Vec<&str> =
            [self.version.as_str(), &self.account_id].into_iter().chain(last.iter().copied()).collect();
        Request::url_below(&self.base, &path)
    }

    /// Whether the tag for late answers is needed. Where nothing is known, the provider judges.
    fn is_late(&self, outgoing: &Outgoing) -> Result<bool, Refusal> {
        let Some(heard) = outgoing.last_heard_at else { return Ok(false) };
        let age = outgoing.now - heard;
        if age < DAY {
            Ok(false)
        } else if self.answers_late && age < HUMAN_AGENT_DAYS {
            Ok(true)
        } else {
            Err(Refusal::new(
                Class::Window,
                "window_closed",
                "The recipient wrote too long ago to be answered.",
            ))
        }
    }
}

impl Provider for Instagram {
    fn about(&self) -> &'static About {
        &INSTAGRAM
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let content = &outgoing.content;
        no_template(content)?;
        let message = match content.attachments.as_slice() {
            [] => {
                text_within(&content.text, TEXT_MAX, str::len)?;
                json!({ "text": content.text })
            }
            [file] if content.text.is_empty() => {
                let Some(link) = &file.link else {
                    return Err(Refusal::content(
                        "attachment_without_link",
                        "Instagram fetches a file from a public link.",
                    ));
                };
                let kind = match file.content_type.split('/').next() {
                    Some("image") => "image",
                    Some("video") => "video",
                    Some("audio") => "audio",
                    _ => "file",
                };
                json!({ "attachment": { "type": kind, "payload": { "url": link.as_str() } } })
            }
            _ => {
                return Err(Refusal::content(
                    "one_attachment",
                    "An Instagram message is a text, or one file.",
                ));
            }
        };
        let mut body = json!({ "recipient": { "id": outgoing.to.as_str() }, "message": message });
        if self.is_late(outgoing)?
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("messaging_type".into(), json!("MESSAGE_TAG"));
            fields.insert("tag".into(), json!("HUMAN_AGENT"));
        }
        Ok(Prepared::http(
            Request::post(self.url(&["messages"])).bearer(self.token.expose_secret()).json(&body),
        ))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        self.proofs.greet(hook)
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let mut heard = Heard::default();
        if hook.is_get {
            return Ok(heard);
        }
        let body = hook.json()?;
        for event in list(&body, "entry").iter().flat_map(|entry| list(entry, "messaging")) {
            if let Some(id) = word(event, "/read/mid") {
                let mut receipt = Receipt::new(id, "read", Some(State::Read));
                receipt.at = instant(event, "/timestamp");
                heard.receipts.push(receipt);
            } else if event.pointer("/message/is_echo") != Some(&Value::Bool(true)) {
                heard.inbound.extend(inbound(event));
            }
        }
        Ok(heard)
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let mut url = self.url(&[]);
            url.query_pairs_mut().append_pair("fields", "id,name");
            let answer = ask(outbound, Request::get(url).bearer(self.token.expose_secret())).await?;
            if !answer.is_success() {
                return Err(meta::refused_ask(&answer));
            }
            let body = answer.json();
            Ok(Checked { account: text(&body, "/name").or_else(|| text(&body, "/id")), balance: None })
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let body = answer.json();
    if !answer.is_success() || body.get("error").is_some() {
        return meta::refused(answer);
    }
    match word(&body, "/message_id") {
        // Nothing tells of its delivery; only that it was read may still come.
        Some(id) => Outcome::Accepted(Accepted::new(id, State::Sent)),
        None => unreadable(),
    }
}

fn inbound(event: &Value) -> Option<Inbound> {
    let text_of = |pointer: &str| text(event, pointer);
    let from = text_of("/sender/id")?;
    let stamp = text_of("/timestamp").unwrap_or_default();
    let (id, kind, words) = if event.get("message").is_some() {
        let is_known =
            event.pointer("/message/text").is_some() || event.pointer("/message/attachments").is_some();
        let kind = if is_known { InboundKind::Message } else { InboundKind::Other };
        (text_of("/message/mid")?, kind, text_of("/message/text"))
    } else if event.get("postback").is_some() {
        let id = text_of("/postback/mid").unwrap_or_else(|| format!("postback/{from}/{stamp}"));
        (id, InboundKind::Button, text_of("/postback/payload"))
    } else if event.get("reaction").is_some() {
        let id = format!("reaction/{from}/{stamp}");
        (id, InboundKind::Reaction, text_of("/reaction/emoji").or_else(|| text_of("/reaction/reaction")))
    } else {
        (format!("other/{from}/{stamp}"), InboundKind::Other, None)
    };
    let mut inbound = Inbound::new(id, from, kind);
    inbound.to = text_of("/recipient/id");
    inbound.text = words.unwrap_or_default();
    inbound.reply_to = text_of("/message/reply_to/mid").or_else(|| text_of("/reaction/mid"));
    inbound.at = instant(event, "/timestamp");
    let files = event
        .pointer("/message/attachments")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    inbound.media = files
        .iter()
        .filter_map(|file| {
            let place = word(file, "/payload/url")?.into_owned();
            Some(Media { place, content_type: text(file, "/type") })
        })
        .collect();
    Some(inbound)
}
