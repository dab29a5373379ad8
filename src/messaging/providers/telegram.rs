//! A Telegram bot. Its token is a part of every address, so no address of it is ever shown. It has no receipts: sent is the end.

use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use data_encoding::HEXLOWER;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    About, Accepted, Attachment, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Inbound,
    InboundKind, Media, Outcome, Outgoing, Prepared, Proof, Provider, Reason, Refusal, Reply, State,
    answers::{
        ask, by_status_of, deliver, instant, no_template, refusal_by_status, text, text_within, unreadable,
        utf16_units, word,
    },
    signature::{hmac_sha256, is_equal},
};
use crate::{
    error::Result,
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

const TEXT_MAX: usize = 4_096;
const CAPTION_MAX: usize = 1_024;
const FILE_MAX_BYTES: usize = 50 * 1024 * 1024;
/// What the hook's secret is made for, so that the same token made for something else would be another.
const HOOK_SECRET_FOR: &[u8] = b"lastmile telegram hook";

pub static TELEGRAM: About = About {
    kind: "telegram",
    label: "Telegram bot",
    channel: Channel::Telegram,
    fields: &[
        Field::required(
            "bot_token",
            "Bot token",
            FieldKind::Text,
            "@BotFather gives it when the bot is made.",
        )
        .secret(),
        Field::base_url("https://api.telegram.org"),
    ],
    carries_files: true,
    proof: Proof::SharedSecret,
    poll_after: &[],
    open: |values| {
        Ok(Arc::new(Telegram { base: values.url("base_url")?, token: values.secret("bot_token") }))
    },
};

struct Telegram {
    base: Url,
    token: SecretString,
}

impl Telegram {
    fn request(&self, method: &str) -> Request {
        let bot = format!("bot{}", self.token.expose_secret());
        Request::post(Request::url_below(&self.base, &[&bot, method]))
    }

    /// What Telegram shows us with every call. Made of the token, so there is nothing more to keep.
    fn hook_secret(&self) -> String {
        HEXLOWER.encode(&hmac_sha256(self.token.expose_secret().as_bytes(), &[HOOK_SECRET_FOR]))
    }
}

impl Provider for Telegram {
    fn about(&self) -> &'static About {
        &TELEGRAM
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let content = &outgoing.content;
        no_template(content)?;
        let answered = outgoing.reply_to.as_deref().and_then(|id| id.rsplit('/').next()?.parse::<i64>().ok());
        match content.attachments.as_slice() {
            [] => {
                text_within(&content.text, TEXT_MAX, utf16_units)?;
                let mut body = json!({ "chat_id": outgoing.to.as_str(), "text": content.text });
                if let (Some(id), Some(fields)) = (answered, body.as_object_mut()) {
                    let parameters = json!({ "message_id": id, "allow_sending_without_reply": true });
                    fields.insert("reply_parameters".into(), parameters);
                }
                Ok(Prepared::http(self.request("sendMessage").json(&body)))
            }
            [file] => {
                if utf16_units(&content.text) > CAPTION_MAX {
                    return Err(Refusal::content(
                        "too_long",
                        format!("Beside a file {CAPTION_MAX} characters fit."),
                    ));
                }
                if file.bytes.is_empty() || file.bytes.len() > FILE_MAX_BYTES {
                    return Err(Refusal::content(
                        "attachment_size",
                        "A file has at least one byte and at most 50 MB.",
                    ));
                }
                let (content_type, form) = form(outgoing, file);
                Ok(Prepared::http(self.request("sendDocument").bytes(&content_type, form)))
            }
            _ => Err(Refusal::content("one_attachment", "One Telegram message carries one file.")),
        }
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get {
            return Err(HookRefusal::NotHere);
        }
        let given = hook.header("x-telegram-bot-api-secret-token").ok_or(HookRefusal::Unsigned)?;
        if is_equal(&self.hook_secret(), given) { Ok(Reply::ok()) } else { Err(HookRefusal::BadSignature) }
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let update = hook.json()?;
        let id = word(&update, "/update_id").ok_or(HookRefusal::Malformed)?;
        Ok(Heard { receipts: Vec::new(), inbound: inbound(&id, &update).into_iter().collect() })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let answer = ask(outbound, self.request("getMe").json(&json!({}))).await?;
            let body = succeeded(&answer)?;
            let name = word(&body, "/result/username").map(|name| format!("@{name}"));
            Ok(Checked { account: name, balance: None })
        })
    }

    fn announce<'a>(&'a self, outbound: &'a Outbound, hook: &'a Url) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let body = json!({
                "url": hook.as_str(),
                "secret_token": self.hook_secret(),
                "allowed_updates": ["message", "edited_message", "callback_query", "my_chat_member"],
            });
            let answer = ask(outbound, self.request("setWebhook").json(&body)).await?;
            succeeded(&answer).map(|_body| ())
        })
    }
}

fn succeeded(answer: &Answer) -> Result<Value, Refusal> {
    let body = answer.json();
    if body.get("ok") == Some(&Value::Bool(true)) {
        return Ok(body);
    }
    match outcome(answer) {
        Outcome::Refused(refusal) => Err(refusal),
        _ => Err(refusal_by_status(answer)),
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let body = answer.json();
    match body.get("ok") {
        Some(Value::Bool(true)) if answer.is_success() => {
            match (word(&body, "/result/message_id"), word(&body, "/result/chat/id")) {
                // Messages are numbered by chat: both together are one message.
                (Some(id), Some(chat)) => {
                    Outcome::Accepted(Accepted::new(format!("{chat}/{id}"), State::Sent))
                }
                _ => unreadable(),
            }
        }
        Some(Value::Bool(false)) => Outcome::Refused(
            refusal(&body).after(
                body.pointer("/parameters/retry_after")
                    .and_then(Value::as_u64)
                    .map(std::time::Duration::from_secs)
                    .or_else(|| answer.retry_after(Utc::now())),
            ),
        ),
        _ => by_status_of(answer),
    }
}

fn refusal(body: &Value) -> Refusal {
    let code = body.get("error_code").and_then(Value::as_u64).unwrap_or_default();
    let said = word(body, "/description").unwrap_or_default();
    let lower = said.to_lowercase();
    if let Some(chat) = word(body, "/parameters/migrate_to_chat_id") {
        return Refusal::new(Class::Recipient(Reason::Moved { to: chat.into_owned() }), "moved", said);
    }
    let class = match code {
        401 | 404 => Class::Account,
        403 if lower.contains("deactivated") => Class::Recipient(Reason::Unregistered),
        403 => Class::Recipient(Reason::Blocked),
        400 if lower.contains("chat not found") || lower.contains("peer_id_invalid") => {
            Class::Recipient(Reason::Invalid)
        }
        400 if lower.contains("not enough rights") || lower.contains("have no rights") => Class::Account,
        409 | 429 => Class::Rate,
        500.. => Class::Transient,
        _ => Class::Content,
    };
    Refusal::new(class, code.to_string(), said)
}

/// A form of several parts with the file in it.
fn form(outgoing: &Outgoing, file: &Attachment) -> (String, Bytes) {
    let boundary = format!("lastmile-{}", Uuid::new_v4().simple());
    let mut form = Vec::with_capacity(file.bytes.len() + 1_024);
    let mut field = |name: &str, value: &str| {
        form.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    };
    field("chat_id", outgoing.to.as_str());
    if !outgoing.content.text.is_empty() {
        field("caption", &outgoing.content.text);
    }
    // Nothing of a name may end the header that it stands in.
    let name: String =
        file.name.chars().map(|c| if c.is_control() || "\"\\/".contains(c) { '_' } else { c }).collect();
    let kind: String = file.content_type.chars().filter(char::is_ascii_graphic).collect();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"document\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(&file.bytes);
    form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), form.into())
}

fn inbound(update_id: &str, update: &Value) -> Option<Inbound> {
    let text_of = |value: &Value, pointer: &str| text(value, pointer);
    if let Some(change) = update.get("my_chat_member") {
        let kind = match word(change, "/new_chat_member/status")?.as_ref() {
            "kicked" | "left" => InboundKind::Blocked,
            "member" | "administrator" => InboundKind::Unblocked,
            _ => InboundKind::Other,
        };
        let mut inbound = Inbound::new(update_id, text_of(change, "/chat/id")?, kind);
        inbound.at = instant(change, "/date");
        return Some(inbound);
    }
    if let Some(pressed) = update.get("callback_query") {
        let chat = text_of(pressed, "/message/chat/id").or_else(|| text_of(pressed, "/from/id"))?;
        let mut inbound = Inbound::new(update_id, chat, InboundKind::Button);
        inbound.text = text_of(pressed, "/data").unwrap_or_default();
        inbound.name = name_of(pressed);
        return Some(inbound);
    }
    let message = update.get("message").or_else(|| update.get("edited_message"))?;
    let chat = text_of(message, "/chat/id")?;
    let text = text_of(message, "/text").or_else(|| text_of(message, "/caption"));
    let media = media(message);
    let kind = if text.is_some() || media.is_some() { InboundKind::Message } else { InboundKind::Other };
    let answered = text_of(message, "/reply_to_message/message_id").map(|id| format!("{chat}/{id}"));
    let mut inbound = Inbound::new(update_id, chat, kind);
    inbound.text = text.unwrap_or_default();
    inbound.name = name_of(message);
    inbound.media.extend(media);
    inbound.reply_to = answered;
    inbound.at = instant(message, "/date");
    Some(inbound)
}

fn name_of(value: &Value) -> Option<String> {
    let parts: Vec<_> =
        ["/from/first_name", "/from/last_name"].iter().filter_map(|p| word(value, p)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn media(message: &Value) -> Option<Media> {
    if let Some(photo) = message.get("photo").and_then(Value::as_array).and_then(|sizes| sizes.last()) {
        let place = word(photo, "/file_id")?.into_owned();
        return Some(Media { place, content_type: Some("image/jpeg".into()) });
    }
    ["document", "video", "audio", "voice", "sticker", "animation"].iter().find_map(|kind| {
        let file = message.get(*kind)?;
        let place = word(file, "/file_id")?.into_owned();
        Some(Media { place, content_type: text(file, "/mime_type") })
    })
}
