//! Hubtel, ClickSend, Twilio, and a gateway of one's own.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ACCOUNT, CLIENT_ID, SECRET, State, Taken, calls,
    server::{Answer, Asked, Verdict, refuse},
};

#[expect(clippy::too_many_arguments, reason = "one for each thing that is kept")]
pub fn taken(
    provider: &str,
    id: impl ToString,
    to: &str,
    from: &str,
    text: &str,
    reference: &Value,
    body: Value,
) -> Taken {
    Taken {
        provider: provider.into(),
        id: id.to_string(),
        to: to.into(),
        from: from.into(),
        text: text.into(),
        reference: reference.as_str().unwrap_or_default().into(),
        was_answered: false,
        body,
    }
}

pub fn hubtel(state: &State, asked: &Asked) -> Verdict {
    if !asked.has_basic(CLIENT_ID, SECRET) || state.is_revoked("hubtel") {
        return refuse(401, json!({"message": "Unauthorized"}));
    }
    if asked.is("POST", &["v1", "messages", "send"]) {
        let body = asked.json();
        let get = |name: &str| body[name].as_str().or(body[name.to_lowercase()].as_str()).unwrap_or_default();
        if get("From").is_empty() {
            return Verdict::Answer(hubtel_refusal("2", 400));
        }
        if get("To").is_empty() || !get("To").bytes().all(|b| b.is_ascii_digit()) {
            return Verdict::Answer(hubtel_refusal("1", 400));
        }
        if get("Content").is_empty() {
            return Verdict::Answer(hubtel_refusal("8", 400));
        }
        let id = Uuid::new_v4();
        let answer = json!({
            "rate": 0.03, "messageId": id, "status": 0, "networkId": "62001",
            "clientReference": body["ClientReference"], "statusDescription": "request submitted successfully",
        });
        let taken = taken(
            "hubtel",
            id,
            get("To"),
            get("From"),
            get("Content"),
            &body["ClientReference"],
            body.clone(),
        );
        return Verdict::Accept(taken, Answer::json(201, answer));
    }
    match asked.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["v1", "messages", id] if asked.method == "GET" && state.has_taken("hubtel", id) => {
            let status = state.status_of(id).unwrap_or_else(|| "Sent".into());
            refuse(
                200,
                json!({"rate": 0.03, "batchId": null, "messageId": id, "content": "", "status": status,
                       "updateTime": "2026-11-21T12:00:00", "time": "2026-11-21T11:59:00", "to": "", "from": ""}),
            )
        }
        _ => refuse(404, json!({"message": "Message not found"})),
    }
}

pub fn hubtel_refusal(code: &str, status: u16) -> Answer {
    let status = if status == 0 { 400 } else { status };
    let code: i64 = code.parse().unwrap_or(100);
    Answer::json(
        status,
        json!({"rate": 0, "messageId": null, "status": code, "statusDescription": "refused"}),
    )
}

pub fn clicksend(state: &State, asked: &Asked) -> Verdict {
    let envelope = |status: u16, code: &str, data: Value| {
        refuse(
            status,
            json!({"http_code": status, "response_code": code, "response_msg": code, "data": data}),
        )
    };
    if !asked.has_basic(CLIENT_ID, SECRET) || state.is_revoked("clicksend") {
        return envelope(401, "UNAUTHORIZED", Value::Null);
    }
    if asked.is("POST", &["v3", "sms", "send"]) {
        let body = asked.json();
        let Some(message) = body["messages"].get(0) else {
            return envelope(400, "BAD_REQUEST", json!({"messages": "required"}));
        };
        let get = |name: &str| message[name].as_str().unwrap_or_default();
        if !get("to").starts_with('+') {
            return Verdict::Answer(clicksend_refusal("INVALID_RECIPIENT", 0));
        }
        if get("body").is_empty() {
            return Verdict::Answer(clicksend_refusal("EMPTY_MESSAGE", 0));
        }
        let id = Uuid::new_v4();
        let told = taken(
            "clicksend",
            id,
            get("to"),
            get("from"),
            get("body"),
            &message["custom_string"],
            body.clone(),
        );
        let answer = json!({
            "http_code": 200, "response_code": "SUCCESS", "response_msg": "Messages queued for delivery.",
            "data": {"total_price": 0.0415, "total_count": 1, "queued_count": 1, "blocked_count": 0,
                "_currency": {"currency_name_short": "USD", "currency_prefix_d": "$"},
                "messages": [{"direction": "out", "date": 1_795_000_000, "to": get("to"), "body": get("body"),
                    "from": get("from"), "message_id": id, "message_parts": 1, "message_price": "0.0415",
                    "custom_string": message["custom_string"], "status": "SUCCESS"}]},
        });
        return Verdict::Accept(told, Answer::json(200, answer));
    }
    if asked.is("GET", &["v3", "account"]) {
        let data =
            json!({"username": CLIENT_ID, "balance": "12.3400", "_currency": {"currency_name_short": "USD"}});
        return envelope(200, "SUCCESS", data);
    }
    match asked.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["v3", "sms", "receipts", id] if state.has_taken("clicksend", id) => match state.status_of(id) {
            Some(code) => envelope(200, "SUCCESS", calls::clicksend_receipt(id, &code, "")),
            None => envelope(404, "NOT_FOUND", Value::Null),
        },
        _ => envelope(404, "NOT_FOUND", Value::Null),
    }
}

/// A message is refused inside of an envelope that says SUCCESS.
pub fn clicksend_refusal(code: &str, status: u16) -> Answer {
    if status > 0 && status != 200 {
        return Answer::json(
            status,
            json!({"http_code": status, "response_code": "ERROR", "response_msg": "", "data": null}),
        );
    }
    let code = if code.is_empty() { "INSUFFICIENT_CREDIT" } else { code };
    Answer::json(
        200,
        json!({"http_code": 200, "response_code": "SUCCESS", "response_msg": "Messages queued for delivery.",
               "data": {"total_count": 1, "queued_count": 0, "blocked_count": 1,
                        "messages": [{"message_id": Uuid::new_v4(), "status": code}]}}),
    )
}

pub fn twilio(state: &State, kind: &str, asked: &Asked) -> Verdict {
    if !asked.has_basic(ACCOUNT, SECRET) || state.is_revoked(kind) {
        return Verdict::Answer(twilio_refusal("20003", 401));
    }
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let ["2010-04-01", "Accounts", ACCOUNT, rest @ ..] = path.as_slice() else {
        return Verdict::Answer(twilio_refusal("20404", 404));
    };
    match (asked.method.as_str(), rest) {
        ("POST", ["Messages.json"]) => {
            let form = asked.form();
            let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
            let is_whatsapp = kind == "twilio_whatsapp";
            let is_number = |text: &str| text.starts_with('+') && text.len() > 7;
            let to = get("To").strip_prefix("whatsapp:").unwrap_or(get("To"));
            if !is_number(to) || get("To").starts_with("whatsapp:") != is_whatsapp {
                return Verdict::Answer(twilio_refusal("21211", 400));
            }
            if get("From").is_empty() && get("MessagingServiceSid").is_empty() {
                return Verdict::Answer(twilio_refusal("21603", 400));
            }
            if ["Body", "MediaUrl", "ContentSid"].iter().all(|name| get(name).is_empty()) {
                return Verdict::Answer(twilio_refusal("21602", 400));
            }
            if get("Body").chars().count() > 1600 {
                return Verdict::Answer(twilio_refusal("21617", 400));
            }
            let sid = format!("SM{:032x}", state.next());
            let taken = taken(kind, &sid, to, get("From"), get("Body"), &Value::Null, json!(form));
            let answer = json!({
                "sid": sid, "status": "queued", "num_segments": "1", "error_code": null, "error_message": null,
                "price": null, "price_unit": "USD", "account_sid": ACCOUNT, "messaging_service_sid": null,
                "to": get("To"), "from": get("From"), "body": get("Body"), "direction": "outbound-api",
            });
            Verdict::Accept(taken, Answer::json(201, answer))
        }
        ("GET", ["Balance.json"]) => {
            refuse(200, json!({"currency": "USD", "balance": "-1.5", "account_sid": ACCOUNT}))
        }
        ("GET", ["Messages", file]) => {
            let sid = file.trim_end_matches(".json");
            if !state.has_taken(kind, sid) {
                return Verdict::Answer(twilio_refusal("20404", 404));
            }
            let status = state.status_of(sid).unwrap_or_else(|| "sent".into());
            let failed = status == "failed" || status == "undelivered";
            refuse(
                200,
                json!({"sid": sid, "status": status, "price": "-0.00750", "price_unit": "usd", "num_segments": "2",
                       "error_code": failed.then_some(30006), "error_message": failed.then_some("Landline")}),
            )
        }
        _ => Verdict::Answer(twilio_refusal("20404", 404)),
    }
}

pub fn twilio_refusal(code: &str, status: u16) -> Answer {
    let status = if status == 0 { 400 } else { status };
    let number: i64 = code.parse().unwrap_or(if status == 429 { 20429 } else { 20500 });
    if status == 200 || status == 201 {
        // What it says when a message fails at once.
        return Answer::json(
            status,
            json!({"sid": "SMfailed", "status": "failed", "error_code": 21610, "error_message": "No"}),
        );
    }
    Answer::json(
        status,
        json!({"code": number, "message": "The fake refuses.", "status": status,
               "more_info": format!("https://www.twilio.com/docs/errors/{number}")}),
    )
}

pub fn generic(state: &State, asked: &Asked) -> Verdict {
    if !calls::is_signed_by_standard(asked) || state.is_revoked("generic") {
        return Verdict::Answer(Answer::json(
            401,
            json!({"error": {"class": "account", "code": "signature", "detail": "Bad signature"}}),
        ));
    }
    let body = asked.json();
    match (asked.method.as_str(), body["type"].as_str(), asked.path.as_slice()) {
        ("POST", Some("ping"), []) => {
            refuse(200, json!({"name": "Phone in a drawer", "balance": 100, "currency": "GHS"}))
        }
        ("POST", Some("message.send"), []) => {
            let data = &body["data"];
            let get = |name: &str| data[name].as_str().unwrap_or_default();
            if get("to").is_empty() || get("text").is_empty() || get("id").is_empty() {
                return Verdict::Answer(generic_refusal("content", 422));
            }
            let id = format!("gw-{}", state.next());
            let taken = taken("generic", &id, get("to"), get("from"), get("text"), &data["id"], body.clone());
            let answer = json!({"id": id, "status": "queued", "segments": data["segments"], "price": "0.02", "currency": "GHS"});
            Verdict::Accept(taken, Answer::json(202, answer))
        }
        ("GET", _, [id]) if state.has_taken("generic", id) => {
            refuse(200, json!({"id": id, "status": state.status_of(id).unwrap_or_else(|| "sent".into())}))
        }
        _ => refuse(404, json!({})),
    }
}

pub fn generic_refusal(code: &str, status: u16) -> Answer {
    let status = if status == 0 { 422 } else { status };
    let class = match (code, status) {
        ("", 429) => "rate",
        ("", 500..) => "transient",
        ("", _) => "content",
        (code, _) => code,
    };
    Answer::json(status, json!({"error": {"class": class, "code": "fake", "detail": "The fake refuses."}}))
}
