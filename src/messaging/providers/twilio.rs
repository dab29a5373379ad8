//! Twilio: SMS and WhatsApp by one API.
//!
//! Its calls are signed over the public address and the form's fields; new fields come without notice and belong to the signature.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Heard, Hook, HookRefusal, Inbound, InboundKind, Media,
    Outcome, Outgoing, Prepared, Proof, Provider, Reason, Receipt, Refusal, Reply, State, Values,
    answers::{
        ask, by_status_of, characters, deliver, free_text_window, price, refusal_by_status, short_text, text,
        text_within, unreadable, word,
    },
    signature::{hmac_sha1, is_base64, is_equal, sha256_hex},
};
use crate::{
    error::{Error, Result},
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

const VERSION: &str = "2010-04-01";
const BODY_MAX: usize = 1_600;
const VALID_MAX_SECONDS: u64 = 36_000;
const MEDIA_MAX: usize = 10;
const WHATSAPP: &str = "whatsapp:";

const FIELDS: &[Field] = &[
    Field::required(
        "account_sid",
        "Account SID",
        FieldKind::Text,
        "The console's front page shows it; it begins with AC.",
    ),
    Field::required(
        "auth_token",
        "Auth token",
        FieldKind::Text,
        "Shown beside it. Calls to us are signed with it.",
    )
    .secret(),
    Field::optional(
        "api_key",
        "API key SID",
        FieldKind::Text,
        "To send with a key of its own instead of the token.",
    ),
    Field::optional("api_key_secret", "API key secret", FieldKind::Text, "The secret of that key.").secret(),
    Field::optional(
        "from",
        "Sender",
        FieldKind::Text,
        "A number of yours such as +15005550006, or a sender name.",
    ),
    Field::optional(
        "messaging_service_sid",
        "Messaging service SID",
        FieldKind::Text,
        "Instead of a sender; begins with MG.",
    ),
    Field::base_url("https://api.twilio.com"),
];

pub static SMS: About = About {
    kind: "twilio",
    label: "Twilio",
    channel: Channel::Sms,
    fields: FIELDS,
    carries_files: true,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| open(&SMS, values),
};

pub static WHATSAPP_ABOUT: About = About {
    kind: "twilio_whatsapp",
    label: "WhatsApp by Twilio",
    channel: Channel::Whatsapp,
    fields: FIELDS,
    carries_files: true,
    proof: Proof::Signed,
    poll_after: &[],
    open: |values| open(&WHATSAPP_ABOUT, values),
};

struct Twilio {
    about: &'static About,
    base: Url,
    account_sid: String,
    auth_token: SecretString,
    user: String,
    password: SecretString,
    from: Option<String>,
    service: Option<String>,
}

fn open(about: &'static About, values: &Values) -> Result<Arc<dyn Provider>> {
    let (from, service) = (values.some("from"), values.some("messaging_service_sid"));
    if from.is_none() && service.is_none() {
        return Err(Error::invalid("from", "required", "A sender or a messaging service is needed."));
    }
    let (user, password) = match (values.some("api_key"), values.some("api_key_secret")) {
        (Some(key), Some(_)) => (key, values.secret("api_key_secret")),
        (None, None) => (values.text("account_sid").to_owned(), values.secret("auth_token")),
        _ => return Err(Error::invalid("api_key", "incomplete", "An API key has both a SID and a secret.")),
    };
    Ok(Arc::new(Twilio {
        about,
        base: values.url("base_url")?,
        account_sid: values.text("account_sid").to_owned(),
        auth_token: values.secret("auth_token"),
        user,
        password,
        from,
        service,
    }))
}

impl Twilio {
    fn request(&self, last: &[&str], new: fn(Url) -> Request) -> Request {
        let path: Vec<&str> =
            [VERSION, "Accounts", &self.account_sid].into_iter().chain(last.iter().copied()).collect();
        new(Request::url_below(&self.base, &path)).basic(&self.user, self.password.expose_secret())
    }

    fn is_whatsapp(&self) -> bool {
        self.about.channel == Channel::Whatsapp
    }

    /// How the channel writes a number.
    fn spelled(&self, number: &str) -> String {
        if self.is_whatsapp() && !number.starts_with(WHATSAPP) {
            format!("{WHATSAPP}{number}")
        } else {
            number.to_owned()
        }
    }
}

impl Provider for Twilio {
    fn about(&self) -> &'static About {
        self.about
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let content = &outgoing.content;
        let links: Vec<&str> =
            content.attachments.iter().filter_map(|a| a.link.as_ref()).map(Url::as_str).collect();
        if links.len() < content.attachments.len() || links.len() > MEDIA_MAX {
            return Err(Refusal::content(
                "attachment_without_link",
                "Twilio fetches files, at most ten, from a public link.",
            ));
        }
        let mut fields = vec![("To", self.spelled(outgoing.to.as_str()))];
        match (&outgoing.from, &self.service, &self.from) {
            (Some(from), _, _) | (None, None, Some(from)) => fields.push(("From", self.spelled(from))),
            (None, Some(service), _) => fields.push(("MessagingServiceSid", service.clone())),
            (None, None, None) => {}
        }
        let mut segments = None;
        if let Some(template) = &content.template {
            let numbered: BTreeMap<String, &String> = template
                .parameters
                .iter()
                .enumerate()
                .map(|(i, value)| ((i + 1).to_string(), value))
                .collect();
            fields.push(("ContentSid", template.name.clone()));
            fields.push(("ContentVariables", serde_json::to_string(&numbered).unwrap_or_default()));
        } else {
            if links.is_empty() || !content.text.is_empty() {
                text_within(&content.text, BODY_MAX, characters)?;
                fields.push(("Body", content.text.clone()));
            }
            if self.is_whatsapp() {
                free_text_window(outgoing)?;
            } else if links.is_empty() {
                segments = Some(short_text(content)?);
            }
        }
        fields.extend(links.iter().map(|link| ("MediaUrl", (*link).to_owned())));
        if let Some(hook) = &outgoing.receipts_url {
            fields.push(("StatusCallback", hook.to_string()));
        }
        if let Some(valid_for) = outgoing.valid_for {
            fields.push(("ValidityPeriod", valid_for.as_secs().clamp(1, VALID_MAX_SECONDS).to_string()));
        }
        let request = self
            .request(&["Messages.json"], Request::post)
            .form(fields.iter().map(|(name, value)| (*name, value.as_str())));
        Ok(Prepared { segments, ..Prepared::http(request) })
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(deliver(outbound, prepared, outcome))
    }

    fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get {
            return Err(HookRefusal::NotHere);
        }
        let given = hook.header("x-twilio-signature").ok_or(HookRefusal::Unsigned)?;
        if !is_signed(hook, self.auth_token.expose_secret(), given) {
            return Err(HookRefusal::BadSignature);
        }
        Ok(Reply::xml(r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#))
    }

    fn hear(&self, hook: &Hook<'_>) -> Result<Heard, HookRefusal> {
        self.greet(hook)?;
        let fields: BTreeMap<String, String> = hook.form().into_iter().collect();
        let get = |name: &str| fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let id = get("MessageSid").or_else(|| get("SmsSid")).ok_or(HookRefusal::Malformed)?;
        let word = get("MessageStatus").or_else(|| get("SmsStatus")).unwrap_or_default();
        let mut heard = Heard::default();
        if get("MessageStatus").is_some() && word != "received" && word != "receiving" {
            let mut receipt = Receipt::new(id, word, state(word));
            receipt.at = get("RawDlrDoneDate").and_then(dlr_time);
            if receipt.state == Some(State::Failed) {
                receipt.refusal =
                    Some(refusal(get("ErrorCode").unwrap_or_default(), get("ErrorMessage").unwrap_or(word)));
            }
            heard.receipts.push(receipt);
        } else {
            heard.inbound.push(inbound(id, &fields).ok_or(HookRefusal::Malformed)?);
        }
        Ok(heard)
    }

    fn poll<'a>(
        &'a self,
        outbound: &'a Outbound,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Receipt>, Refusal>> {
        Box::pin(async move {
            let resource = format!("{message_id}.json");
            let answer = ask(outbound, self.request(&["Messages", &resource], Request::get)).await?;
            if answer.status == 404 {
                return Ok(None);
            }
            if !answer.is_success() {
                return Err(refusal_of(&answer).unwrap_or_else(|| refusal_by_status(&answer)));
            }
            let body = answer.json();
            let Some(word) = word(&body, "/status") else { return Ok(None) };
            let mut receipt = Receipt::new(message_id, &word, state(&word));
            if receipt.state == Some(State::Failed) {
                receipt.refusal = Some(refusal_in(&body));
            }
            receipt.price = price(&body, "/price", currency(&body));
            receipt.segments = count(&body);
            Ok(Some(receipt))
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            let answer = ask(outbound, self.request(&["Balance.json"], Request::get)).await?;
            if !answer.is_success() {
                return Err(refusal_of(&answer).unwrap_or_else(|| refusal_by_status(&answer)));
            }
            let body = answer.json();
            let currency = text(&body, "/currency");
            Ok(Checked {
                account: Some(self.account_sid.clone()),
                balance: price(&body, "/balance", currency),
            })
        })
    }
}

fn outcome(answer: &Answer) -> Outcome {
    if !answer.is_success() {
        let refused = refusal_of(answer).filter(|_| answer.status < 500);
        return refused.map_or_else(|| by_status_of(answer), Outcome::Refused);
    }
    let body = answer.json();
    let Some(id) = word(&body, "/sid") else { return unreadable() };
    let state = word(&body, "/status").and_then(|word| state(&word)).unwrap_or(State::Queued);
    if state == State::Failed {
        return Outcome::Refused(refusal_in(&body));
    }
    let mut accepted = Accepted::new(id, state);
    accepted.segments = count(&body);
    accepted.price = price(&body, "/price", currency(&body));
    Outcome::Accepted(accepted)
}

fn currency(body: &Value) -> Option<String> {
    word(body, "/price_unit").map(|code| code.to_uppercase())
}

fn count(body: &Value) -> Option<u32> {
    word(body, "/num_segments")?.parse().ok().filter(|count| *count > 0)
}

fn refusal_in(body: &Value) -> Refusal {
    let code = word(body, "/error_code").unwrap_or_default();
    refusal(&code, &word(body, "/error_message").unwrap_or_default())
}

/// The refusal that an error body describes.
fn refusal_of(answer: &Answer) -> Option<Refusal> {
    let body = answer.json();
    let code = word(&body, "/code")?;
    let said = word(&body, "/message").unwrap_or_default();
    Some(refusal(&code, &said).after(answer.retry_after(Utc::now())))
}

fn refusal(code: &str, said: &str) -> Refusal {
    let class = match code {
        "21211" | "21214" | "21217" | "21219" | "21401" | "21407" | "21614" | "30005" | "30006" => {
            Class::Recipient(Reason::Invalid)
        }
        "63003" | "63024" => Class::Recipient(Reason::Unregistered),
        "30004" | "63032" => Class::Recipient(Reason::Blocked),
        "21610" => Class::Recipient(Reason::Unsubscribed),
        "63016" => Class::Window,
        "20429" | "429" | "14107" | "63018" | "63038" => Class::Rate,
        "20003" | "20005" | "20008" | "20404" | "21212" | "21408" | "21603" | "21606" | "21611" | "21612"
        | "21659" | "21660" | "21703" | "21705" | "30002" | "30034" | "63007" => Class::Account,
        "20500" | "20503" | "30001" | "30003" | "30008" | "30009" | "30017" | "" | "0" => Class::Transient,
        _ => Class::Content,
    };
    let code = if code.is_empty() { "failed" } else { code };
    let said = if said.is_empty() { "Twilio gives no reason." } else { said };
    Refusal::new(class, code.to_owned(), said)
}

fn state(word: &str) -> Option<State> {
    Some(match word {
        "queued" | "accepted" | "scheduled" | "sending" => State::Queued,
        "sent" | "partially_delivered" => State::Sent,
        "delivered" => State::Delivered,
        "read" => State::Read,
        "failed" | "undelivered" | "canceled" => State::Failed,
        _ => return None,
    })
}

/// `2611211205`: year, month, day, hour and minute.
fn dlr_time(text: &str) -> Option<DateTime<Utc>> {
    chrono::NaiveDateTime::parse_from_str(text, "%y%m%d%H%M").ok().map(|at| at.and_utc())
}

fn inbound(id: &str, fields: &BTreeMap<String, String>) -> Option<Inbound> {
    let get = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let bare = |number: &String| number.strip_prefix(WHATSAPP).unwrap_or(number).to_owned();
    let button = get("ButtonPayload").or_else(|| get("ButtonText"));
    let kind = if button.is_some() { InboundKind::Button } else { InboundKind::Message };
    let mut inbound = Inbound::new(id, bare(get("From")?), kind);
    inbound.to = get("To").map(bare);
    inbound.name = get("ProfileName").cloned();
    inbound.text = button.or_else(|| get("Body")).cloned().unwrap_or_default();
    inbound.reply_to = get("OriginalRepliedMessageSid").cloned();
    let count = get("NumMedia").and_then(|count| count.parse().ok()).unwrap_or(0).min(MEDIA_MAX);
    inbound.media = (0..count)
        .filter_map(|i| {
            let place = get(&format!("MediaUrl{i}"))?.clone();
            Some(Media { place, content_type: get(&format!("MediaContentType{i}")).cloned() })
        })
        .collect();
    Some(inbound)
}

/// HMAC-SHA1 over the address and the form's fields, sorted; of a JSON body its hash stands in the address.
fn is_signed(hook: &Hook<'_>, token: &str, given: &str) -> bool {
    let mut pairs = Vec::new();
    if let Some(hash) = hook.query("bodySHA256") {
        if !is_equal(&sha256_hex(hook.body), &hash) {
            return false;
        }
    } else {
        pairs = hook.form();
        pairs.sort();
        pairs.dedup();
    }
    let fields: String = pairs.into_iter().flat_map(|(name, value)| [name, value]).collect();
    spellings(hook.url)
        .iter()
        .any(|url| is_base64(&hmac_sha1(token.as_bytes(), &[url.as_bytes(), fields.as_bytes()]), given))
}

/// The address as given, with its default port spelled out, and without: Twilio signs either.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return all };
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return all,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match host.strip_suffix(port) {
        Some(bare) => all.push(format!("{scheme}://{bare}{tail}")),
        None if !host.rsplit(']').next().unwrap_or_default().contains(':') => {
            all.push(format!("{scheme}://{host}{port}{tail}"));
        }
        None => {}
    }
    all
}
