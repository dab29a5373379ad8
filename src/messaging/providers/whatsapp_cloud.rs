//! WhatsApp by Meta's own Cloud API.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{
    About, Accepted, Attachment, Checked, Field, FieldKind, Heard, Hook, HookRefusal, Inbound, InboundKind,
    Media, Outcome, Outgoing, Prepared, Proof, Provider, Receipt, Refusal, Reply, State,
    answers::{ask, characters, deliver, free_text_window, instant, text, text_within, unreadable, word},
    meta::{self, Proofs, list},
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

const TEXT_MAX: usize = 4_096;
const CAPTION_MAX: usize = 1_024;

pub static WHATSAPP: About = About {
    kind: "whatsapp_cloud",
    label: "WhatsApp Cloud API",
    channel: Channel::Whatsapp,
    fields: &[
        Field::required(
            "phone_number_id",
            "Phone number ID",
            FieldKind::Text,
            "Meta's page for the API set-up shows it.",
        ),
        Field::required(
            "access_token",
            "Access token",
            FieldKind::Text,
            "Of a system user, so that it does not expire.",
        )
        .secret(),
        Field::optional(
            "app_secret",
            "App secret",
            FieldKind::Text,
            "Receipts and incoming messages are signed with it.",
        )
        .secret(),
        Field::optional(
            "verify_token",
            "Verify token",
            FieldKind::Text,
            "A word of yours, entered at Meta with the webhook.",
        )
        .secret(),
        Field::optional("api_version", "API version", FieldKind::Text, "Of the Graph API.").or("v23.0"),
        Field::base_url("https://graph.facebook.com"),
    ],
    carries_files: true,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| {
        Ok(Arc::new(WhatsApp {
            base: values.url("base_url")?,
            version: values.text("api_version").to_owned(),
            number_id: values.text("phone_number_id").to_owned(),
            token: values.secret("access_token"),
            proofs: Proofs {
                app_secret: values.some("app_secret").map(SecretString::from),
                verify_token: values.some("verify_token").map(SecretString::from),
            },
        }))
    },
};

struct WhatsApp {
    base: Url,
    version: String,
    number_id: String,
    token: SecretString,
    proofs: Proofs,
}

impl WhatsApp {
    fn url(&self, last: &[&str]) -> Url {
        let path: Vec<&str> =
            [self.version.as_str(), &self.number_id].into_iter().chain(last.iter().copied()).collect();
        Request::url_below(&self.base, &path)
    }
}

impl Provider for WhatsApp {
    fn about(&self) -> &'static About {
        &WHATSAPP
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let (kind, what) = said(outgoing)?;
        let mut body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": outgoing.to.digits(),
            "type": kind,
            kind: what,
            "biz_opaque_callback_data": outgoing.id,
        });
        if let (Some(answered), Some(fields)) = (&outgoing.reply_to, body.as_object_mut()) {
            fields.insert("context".into(), json!({ "message_id": answered }));
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
        for value in list(&body, "entry")
            .iter()
            .flat_map(|entry| list(entry, "changes"))
            .filter_map(|c| c.get("value"))
        {
            heard.receipts.extend(list(value, "statuses").iter().filter_map(receipt));
            heard
                .inbound
                .extend(list(value, "messages").iter().filter_map(|message| inbound(message, value)));
        }
        Ok(heard)
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let mut url = self.url(&[]);
            url.query_pairs_mut().append_pair("fields", "display_phone_number,verified_name");
            let answer = ask(outbound, Request::get(url).bearer(self.token.expose_secret())).await?;
            if !answer.is_success() {
                return Err(meta::refused_ask(&answer));
            }
            let body = answer.json();
            let both: Vec<_> =
                ["/verified_name", "/display_phone_number"].iter().filter_map(|p| word(&body, p)).collect();
            Ok(Checked { account: (!both.is_empty()).then(|| both.join(" ")), balance: None })
        })
    }
}

/// The kind of message, and the object of that name.
fn said(outgoing: &Outgoing) -> Result<(&'static str, Value), Refusal> {
    let content = &outgoing.content;
    if let Some(template) = &content.template {
        let parameters: Vec<Value> =
            template.parameters.iter().map(|text| json!({ "type": "text", "text": text })).collect();
        let components = if parameters.is_empty() {
            json!([])
        } else {
            json!([{ "type": "body", "parameters": parameters }])
        };
        let language = json!({ "code": template.language });
        return Ok((
            "template",
            json!({ "name": template.name, "language": language, "components": components }),
        ));
    }
    free_text_window(outgoing)?;
    match content.attachments.as_slice() {
        [] => {
            text_within(&content.text, TEXT_MAX, characters)?;
            Ok(("text", json!({ "body": content.text, "preview_url": false })))
        }
        [file] => media(file, &content.text),
        _ => Err(Refusal::content("one_attachment", "One WhatsApp message carries one file.")),
    }
}

fn media(file: &Attachment, caption: &str) -> Result<(&'static str, Value), Refusal> {
    let Some(link) = &file.link else {
        return Err(Refusal::content(
            "attachment_without_link",
            "WhatsApp fetches a file from a public link.",
        ));
    };
    let kind = match file.content_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        _ => "document",
    };
    if characters(caption) > CAPTION_MAX {
        return Err(Refusal::content("too_long", format!("Beside a file {CAPTION_MAX} characters fit.")));
    }
    if kind == "audio" && !caption.is_empty() {
        return Err(Refusal::content("no_caption", "A recording goes without a text."));
    }
    let mut what = json!({ "link": link.as_str() });
    if let Some(fields) = what.as_object_mut() {
        if !caption.is_empty() {
            fields.insert("caption".into(), json!(caption));
        }
        if kind == "document" {
            fields.insert("filename".into(), json!(file.name));
        }
    }
    Ok((kind, what))
}

fn outcome(answer: &Answer) -> Outcome {
    if !answer.is_success() {
        return meta::refused(answer);
    }
    let body = answer.json();
    if body.get("error").is_some() {
        return meta::refused(answer);
    }
    match word(&body, "/messages/0/id") {
        Some(id) => Outcome::Accepted(Accepted::new(id, State::Queued)),
        None => unreadable(),
    }
}

fn receipt(status: &Value) -> Option<Receipt> {
    let word_of_it = word(status, "/status")?;
    let state = match word_of_it.as_ref() {
        "sent" => Some(State::Sent),
        "delivered" => Some(State::Delivered),
        "read" | "played" => Some(State::Read),
        "failed" => Some(State::Failed),
        _ => None,
    };
    let mut receipt = Receipt::new(word(status, "/id")?, &word_of_it, state);
    receipt.reference = word(status, "/biz_opaque_callback_data").and_then(|text| text.parse().ok());
    receipt.at = instant(status, "/timestamp");
    if let Some(error) = status.pointer("/errors/0") {
        let said = ["/error_data/details", "/message", "/title"]
            .iter()
            .find_map(|p| word(error, p))
            .unwrap_or_default();
        receipt.refusal = Some(meta::refusal(&word(error, "/code").unwrap_or_default(), "", &said));
    }
    Some(receipt)
}

fn inbound(message: &Value, value: &Value) -> Option<Inbound> {
    let text_of = |pointer: &str| text(message, pointer);
    let from = text_of("/from")?;
    let kind_word = text_of("/type").unwrap_or_default();
    let (kind, words) = match kind_word.as_str() {
        "text" => (InboundKind::Message, text_of("/text/body")),
        "button" => (InboundKind::Button, text_of("/button/payload").or_else(|| text_of("/button/text"))),
        "interactive" => (
            InboundKind::Button,
            text_of("/interactive/button_reply/id").or_else(|| text_of("/interactive/list_reply/id")),
        ),
        "reaction" => (InboundKind::Reaction, text_of("/reaction/emoji")),
        "image" | "video" | "audio" | "document" | "sticker" | "voice" => {
            (InboundKind::Message, text_of(&format!("/{kind_word}/caption")))
        }
        _ => (InboundKind::Other, None),
    };
    let name = list(value, "contacts").iter().find(|c| word(c, "/wa_id").as_deref() == Some(&from));
    // It writes numbers without the plus that addresses have.
    let mut inbound = Inbound::new(text_of("/id")?, format!("+{}", from.trim_start_matches('+')), kind);
    inbound.to = text(value, "/metadata/phone_number_id");
    inbound.name = name.and_then(|c| text(c, "/profile/name"));
    inbound.text = words.unwrap_or_default();
    inbound.reply_to = text_of("/context/id").or_else(|| text_of("/reaction/message_id"));
    inbound.at = instant(message, "/timestamp");
    inbound.media.extend(
        text_of(&format!("/{kind_word}/id"))
            .map(|place| Media { place, content_type: text_of(&format!("/{kind_word}/mime_type")) }),
    );
    Some(inbound)
}
