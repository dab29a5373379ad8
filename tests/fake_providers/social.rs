//! Telegram, and Meta's WhatsApp and Instagram.

use serde_json::{Value, json};

use super::{
    BOT_TOKEN, NUMBER_ID, SECRET, State,
    server::{Answer, Asked, Verdict, refuse},
    texting::taken,
};

pub fn telegram(state: &State, asked: &Asked) -> Verdict {
    let [bot, method] = asked.path.as_slice() else { return Verdict::Answer(telegram_refusal("404", 404)) };
    if *bot != format!("bot{BOT_TOKEN}") || state.is_revoked("telegram") {
        return Verdict::Answer(telegram_refusal("401", 401));
    }
    let body = match asked.header("content-type") {
        kind if kind.starts_with("multipart/form-data") => parts(kind, &asked.body),
        _ => asked.json(),
    };
    match method.as_str() {
        "getMe" => refuse(
            200,
            json!({"ok": true, "result": {"id": 123_456_789, "is_bot": true, "username": "acme_bot"}}),
        ),
        "setWebhook" => {
            let get = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            state.inner().hooks.insert("telegram".into(), (get("url"), get("secret_token")));
            refuse(200, json!({"ok": true, "result": true, "description": "Webhook was set"}))
        }
        "sendMessage" | "sendDocument" => {
            let to = body["chat_id"].as_str().map_or_else(|| body["chat_id"].to_string(), str::to_owned);
            let text = body["text"].as_str().or(body["caption"].as_str()).unwrap_or_default();
            if method == "sendMessage" && text.is_empty() {
                return Verdict::Answer(telegram_refusal("message text is empty", 400));
            }
            if text.encode_utf16().count() > 4096 {
                return Verdict::Answer(telegram_refusal("message is too long", 400));
            }
            let Ok(chat) = to.parse::<i64>() else {
                return Verdict::Answer(telegram_refusal("chat not found", 400));
            };
            let id = state.next();
            let taken = taken("telegram", format!("{chat}/{id}"), &to, "", text, &Value::Null, body.clone());
            let result = json!({"message_id": id, "date": 1_795_000_000, "chat": {"id": chat, "type": "private"}, "text": text});
            Verdict::Accept(taken, Answer::json(200, json!({"ok": true, "result": result})))
        }
        _ => Verdict::Answer(telegram_refusal("404", 404)),
    }
}

/// The fields of a form of several parts; of a file its length and name.
fn parts(kind: &str, body: &[u8]) -> Value {
    let boundary = format!("--{}", kind.split("boundary=").nth(1).unwrap_or_default());
    let text = String::from_utf8_lossy(body);
    let mut fields = serde_json::Map::new();
    for part in
        text.split(&boundary).filter_map(|part| part.trim_start_matches("\r\n").split_once("\r\n\r\n"))
    {
        let (head, value) = part;
        let value = value.strip_suffix("\r\n").unwrap_or(value);
        let after =
            |mark: &str| head.split(mark).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        let Some(name) = after(" name=\"") else { continue };
        let kept = match after("filename=\"") {
            Some(file) => json!({"filename": file, "content": value}),
            None => json!(value),
        };
        fields.insert(name, kept);
    }
    Value::Object(fields)
}

/// `code` is a number, `migrate:<chat>`, or a description of a 400.
pub fn telegram_refusal(code: &str, status: u16) -> Answer {
    let mut parameters = Value::Null;
    let (status, description) = match (code, status) {
        (code, _) if code.starts_with("migrate:") => {
            let chat = code.trim_start_matches("migrate:").parse::<i64>().unwrap();
            parameters = json!({ "migrate_to_chat_id": chat });
            (400, "Bad Request: group chat was upgraded to a supergroup chat".to_owned())
        }
        ("401", _) => (401, "Unauthorized".to_owned()),
        ("403", _) => (403, "Forbidden: bot was blocked by the user".to_owned()),
        ("404", _) => (404, "Not Found".to_owned()),
        ("429", _) | ("", 429) => {
            parameters = json!({"retry_after": 7});
            (429, "Too Many Requests: retry after 7".to_owned())
        }
        ("", 200 | 0) => (400, "Bad Request".to_owned()),
        ("", status) => (status, "Internal Server Error".to_owned()),
        (text, _) => (400, format!("Bad Request: {text}")),
    };
    let mut body = json!({"ok": false, "error_code": status, "description": description});
    if !parameters.is_null() {
        body["parameters"] = parameters;
    }
    // An error body with 200 is what proxies of it make.
    Answer::json(status, body)
}

pub fn whatsapp(state: &State, asked: &Asked) -> Verdict {
    if !asked.has_bearer(SECRET) || state.is_revoked("whatsapp_cloud") {
        return Verdict::Answer(meta_refusal("190", 401));
    }
    if asked.is("GET", &["v23.0", NUMBER_ID]) {
        return refuse(
            200,
            json!({"display_phone_number": "+233 20 000 0000", "verified_name": "Acme Net", "id": NUMBER_ID}),
        );
    }
    if !asked.is("POST", &["v23.0", NUMBER_ID, "messages"]) {
        return Verdict::Answer(meta_refusal("100", 404));
    }
    let body = asked.json();
    let kind = body["type"].as_str().unwrap_or_default();
    let to = body["to"].as_str().unwrap_or_default();
    let is_whole = match kind {
        "text" => body["text"]["body"].as_str().is_some_and(|text| !text.is_empty()),
        "template" => {
            body["template"]["name"].is_string() && body["template"]["language"]["code"].is_string()
        }
        "image" | "document" | "video" | "audio" => body[kind]["link"].is_string(),
        _ => false,
    };
    if body["messaging_product"] != "whatsapp" || to.is_empty() || !is_whole {
        return Verdict::Answer(meta_refusal("100", 400));
    }
    let id = format!("wamid.fake{}", state.next());
    let text = body["text"]["body"].as_str().unwrap_or_default();
    let taken = taken("whatsapp_cloud", &id, to, "", text, &body["biz_opaque_callback_data"], body.clone());
    let answer = json!({"messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to}],
                        "messages": [{"id": id, "message_status": "accepted"}]});
    Verdict::Accept(taken, Answer::json(200, answer))
}

pub fn instagram(state: &State, asked: &Asked) -> Verdict {
    if !asked.has_bearer(SECRET) || state.is_revoked("instagram") {
        return Verdict::Answer(meta_refusal("190", 401));
    }
    if asked.is("GET", &["v23.0", "me"]) {
        return refuse(200, json!({"id": "17841400000000001", "name": "Acme Net"}));
    }
    if !asked.is("POST", &["v23.0", "me", "messages"]) {
        return Verdict::Answer(meta_refusal("100", 404));
    }
    let body = asked.json();
    let to = body["recipient"]["id"].as_str().unwrap_or_default();
    let text = body["message"]["text"].as_str().unwrap_or_default();
    let has_file = body["message"]["attachment"]["payload"]["url"].is_string();
    if to.is_empty() || (text.is_empty() != has_file) || text.len() > 1000 {
        return Verdict::Answer(meta_refusal("100", 400));
    }
    let id = format!("aWdfZAfake{}", state.next());
    let taken = taken("instagram", &id, to, "", text, &Value::Null, body.clone());
    Verdict::Accept(taken, Answer::json(200, json!({"recipient_id": to, "message_id": id})))
}

/// `code` may hold a subcode behind a slash.
pub fn meta_refusal(code: &str, status: u16) -> Answer {
    let (code, subcode) = code.split_once('/').unwrap_or((code, ""));
    let status = if status == 0 { 400 } else { status };
    let number: i64 = code.parse().unwrap_or(match status {
        429 => 130_429,
        500.. => 131_016,
        _ => 131_026,
    });
    let mut error = json!({"message": format!("(#{number}) The fake refuses."), "type": "OAuthException",
                           "code": number, "fbtrace_id": "Fake"});
    if !subcode.is_empty() {
        error["error_subcode"] = json!(subcode.parse::<i64>().unwrap());
    }
    Answer::json(status, json!({ "error": error }))
}
