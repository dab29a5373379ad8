//! Calls that providers make: receipts and incoming messages, signed as each of them does; and the server's own controls.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ACCOUNT, Fake, Fault, NUMBER_ID, SECRET, SIGNING_SECRET, State, keys,
    server::{Answer, Asked},
};

/// A call as a provider would make it.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    pub url: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Call {
    pub(super) fn new(url: &str, content_type: &str, body: Vec<u8>) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        Self { url: url.to_owned(), headers, body }
    }

    fn json(url: &str, body: &Value) -> Self {
        Self::new(url, "application/json", body.to_string().into())
    }

    fn form(url: &str, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::new(url, "application/x-www-form-urlencoded", body.into())
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// Makes the call.
    pub async fn post(&self) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(&self.url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.send().await.map_or(0, |response| response.status().as_u16())
    }
}

fn hmac(algorithm: hmac::Algorithm, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), &parts.concat()).as_ref().to_vec()
}

impl Fake {
    /// A receipt: `word` is the provider's own (`delivered`, `bounce`, `201`), `code` its error's.
    pub fn receipt(&self, kind: &str, url: &str, message_id: &str, word: &str, code: &str) -> Call {
        self.state.receipt(kind, url, message_id, word, code)
    }

    /// Somebody writes.
    pub fn inbound(&self, kind: &str, url: &str, from: &str, text: &str) -> Call {
        self.state.inbound(kind, url, from, text)
    }
}

impl State {
    fn receipt(&self, kind: &str, url: &str, message_id: &str, word: &str, code: &str) -> Call {
        match kind {
            "hubtel" => Call::json(url, &json!({"messageId": message_id, "status": word})),
            "clicksend" => clicksend(url, &clicksend_receipt(message_id, word, code)),
            "twilio" | "twilio_whatsapp" => twilio(
                url,
                &[
                    ("MessageSid", message_id),
                    ("MessageStatus", word),
                    ("ErrorCode", code),
                    ("AccountSid", ACCOUNT),
                    ("From", "+15005550006"),
                    ("To", "+233200000001"),
                    ("ApiVersion", "2010-04-01"),
                ],
            ),
            "sendgrid" => {
                let event = self.next();
                sendgrid(
                    url,
                    &json!([{
                        "event": word, "reason": code, "email": "ama@example.test", "timestamp": Utc::now().timestamp(),
                        "sg_event_id": format!("event-{event}"), "sg_message_id": format!("{message_id}.recvd-fake-1"),
                        "lastmile_delivery": self.reference_of(message_id),
                    }]),
                )
            }
            "whatsapp_cloud" => {
                let errors = if code.is_empty() {
                    json!([])
                } else {
                    json!([{"code": code.parse::<i64>().unwrap(), "title": "Refused", "message": "Refused"}])
                };
                let status = json!({"id": message_id, "status": word, "timestamp": Utc::now().timestamp().to_string(),
                                    "recipient_id": "233200000001", "errors": errors,
                                    "biz_opaque_callback_data": self.reference_of(message_id)});
                meta(url, &whatsapp("statuses", &status))
            }
            "instagram" => meta(
                url,
                &json!({"object": "instagram", "entry": [{"id": "1", "time": 1, "messaging": [
                {"sender": {"id": "9"}, "recipient": {"id": "1"}, "timestamp": Utc::now().timestamp_millis(),
                 "read": {"mid": message_id}}]}]}),
            ),
            "generic" => {
                let error = if code.is_empty() {
                    Value::Null
                } else {
                    json!({"class": code, "code": "fake", "detail": "No"})
                };
                standard(
                    url,
                    &format!("evt_{}", self.next()),
                    &json!({
                    "type": "message.status", "timestamp": Utc::now(),
                    "data": {"id": message_id, "status": word, "error": error}}),
                )
            }
            other => panic!("{other} sends no receipts"),
        }
    }

    fn inbound(&self, kind: &str, url: &str, from: &str, text: &str) -> Call {
        let id = self.next();
        match kind {
            "clicksend" => Call::form(
                url,
                &[
                    ("message_id", &format!("in-{id}")),
                    ("from", from),
                    ("to", "+61400000000"),
                    ("body", text),
                ],
            ),
            "twilio" => twilio(
                url,
                &[
                    ("MessageSid", &format!("SMin{id}")),
                    ("SmsStatus", "received"),
                    ("From", from),
                    ("To", "+15005550006"),
                    ("Body", text),
                    ("NumMedia", "0"),
                    ("AccountSid", ACCOUNT),
                ],
            ),
            "twilio_whatsapp" => twilio(
                url,
                &[
                    ("MessageSid", &format!("SMin{id}")),
                    ("SmsStatus", "received"),
                    ("From", &format!("whatsapp:{from}")),
                    ("To", "whatsapp:+14155238886"),
                    ("Body", text),
                    ("NumMedia", "0"),
                    ("ProfileName", "Ama"),
                    ("WaId", from.trim_start_matches('+')),
                ],
            ),
            "whatsapp_cloud" => {
                let digits = from.trim_start_matches('+');
                let message = json!({"from": digits, "id": format!("wamid.in{id}"), "type": "text",
                                     "timestamp": Utc::now().timestamp().to_string(), "text": {"body": text}});
                let mut body = whatsapp("messages", &message);
                body["entry"][0]["changes"][0]["value"]["contacts"] =
                    json!([{"wa_id": digits, "profile": {"name": "Ama"}}]);
                meta(url, &body)
            }
            "instagram" => meta(
                url,
                &json!({"object": "instagram", "entry": [{"id": "1", "time": 1, "messaging": [
                {"sender": {"id": from}, "recipient": {"id": "1"}, "timestamp": Utc::now().timestamp_millis(),
                 "message": {"mid": format!("mid-{id}"), "text": text}}]}]}),
            ),
            "telegram" => {
                let (_, secret) = self.inner().hooks.get("telegram").cloned().unwrap_or_default();
                let chat: i64 = from.parse().unwrap();
                Call::json(url, &json!({"update_id": id, "message": {"message_id": id, "date": Utc::now().timestamp(),
                    "chat": {"id": chat, "type": "private"}, "from": {"id": chat, "first_name": "Ama"}, "text": text}}))
                    .with("x-telegram-bot-api-secret-token", secret)
            }
            "generic" => standard(
                url,
                &format!("evt_{id}"),
                &json!({"type": "message.received", "timestamp": Utc::now(),
                "data": {"id": format!("in-{id}"), "from": from, "to": "+233300000000", "text": text}}),
            ),
            other => panic!("nobody writes by {other}"),
        }
    }

    fn reference_of(&self, message_id: &str) -> String {
        let inner = self.inner();
        inner
            .taken
            .iter()
            .find(|taken| taken.id == message_id)
            .map(|taken| taken.reference.clone())
            .unwrap_or_default()
    }
}

fn clicksend(url: &str, fields: &Value) -> Call {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<(&String, String)> =
        fields.as_object().unwrap().iter().map(|(name, value)| (name, text(value))).collect();
    Call::form(url, &pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
}

fn twilio(url: &str, fields: &[(&str, &str)]) -> Call {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let text: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let signature =
        hmac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes(), &[url.as_bytes(), text.as_bytes()]);
    Call::form(url, fields).with("x-twilio-signature", STANDARD.encode(signature))
}

fn sendgrid(url: &str, events: &Value) -> Call {
    let timestamp = Utc::now().timestamp().to_string();
    let call = Call::json(url, events);
    let signature = keys::events().sign(&[timestamp.as_bytes(), &call.body].concat());
    call.with("x-twilio-email-event-webhook-signature", signature)
        .with("x-twilio-email-event-webhook-timestamp", timestamp)
}

fn meta(url: &str, body: &Value) -> Call {
    let call = Call::json(url, body);
    let signature = HEXLOWER.encode(&hmac(hmac::HMAC_SHA256, SECRET.as_bytes(), &[&call.body]));
    call.with("x-hub-signature-256", format!("sha256={signature}"))
}

fn whatsapp(what: &str, one: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "7", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "233200000000", "phone_number_id": NUMBER_ID},
        what: [one]}}]}]})
}

fn standard_signature(id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(SIGNING_SECRET.trim_start_matches("whsec_")).unwrap();
    let parts: &[&[u8]] = &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(hmac(hmac::HMAC_SHA256, &key, parts)))
}

fn standard(url: &str, id: &str, body: &Value) -> Call {
    let timestamp = Utc::now().timestamp().to_string();
    let call = Call::json(url, body);
    let signature = standard_signature(id, &timestamp, &call.body);
    call.with("webhook-id", id).with("webhook-timestamp", timestamp).with("webhook-signature", signature)
}

pub fn is_signed_by_standard(asked: &Asked) -> bool {
    let (id, timestamp) = (asked.header("webhook-id"), asked.header("webhook-timestamp"));
    let age = Utc::now().timestamp() - timestamp.parse::<i64>().unwrap_or_default();
    let expected = standard_signature(id, timestamp, &asked.body);
    age.abs() <= 300 && asked.header("webhook-signature").split(' ').any(|one| one == expected)
}

pub fn clicksend_receipt(id: &str, code: &str, error: &str) -> Value {
    let text = match code {
        "201" => "Success: Message received on handset.",
        "301" => "Failed: Message delivery failed.",
        _ => "Temporary",
    };
    json!({"message_id": id, "status_code": code, "status_text": text, "error_code": error, "error_text": error,
           "custom_string": "", "timestamp": 1_795_000_000, "timestamp_send": 1_794_999_990, "message_type": "sms"})
}

/// What tests in another process ask for: `POST /_/fail`, `/_/refuse`, `/_/becomes`, `/_/tell`, `/_/say`, `GET /_/taken`.
pub async fn control(state: &State, asked: &Asked) -> Answer {
    let body = asked.json();
    let get = |name: &str| body[name].as_str().unwrap_or_default();
    match asked.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["taken"] => return Answer::json(200, json!(state.inner().taken)),
        ["fail"] => {
            let Ok(fault) = serde_json::from_value::<Fault>(body["fault"].clone()) else {
                return Answer::json(400, json!({"error": "no such fault"}));
            };
            let times = usize::try_from(body["times"].as_u64().unwrap_or(1)).unwrap();
            state.fail_next(get("provider"), times, fault);
        }
        ["refuse"] => {
            let recipient = (get("provider").to_owned(), get("to").to_owned());
            state.inner().refused.insert(recipient, get("code").to_owned());
        }
        ["revoke"] => state.inner().revoked.push(get("provider").to_owned()),
        ["becomes"] => {
            state.inner().statuses.insert(get("message_id").to_owned(), get("status").to_owned());
        }
        ["tell"] => {
            let call =
                state.receipt(get("provider"), get("url"), get("message_id"), get("status"), get("code"));
            return Answer::json(200, json!({"status": call.post().await}));
        }
        ["say"] => {
            let call = state.inbound(get("provider"), get("url"), get("from"), get("text"));
            return Answer::json(200, json!({"status": call.post().await}));
        }
        _ => return Answer::json(404, json!({"error": "no such control"})),
    }
    Answer::json(200, json!({"ok": true}))
}
