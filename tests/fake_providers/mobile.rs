//! SendGrid's mail and Google's push.

use std::collections::VecDeque;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{
    PROJECT, SECRET, State, keys,
    server::{Answer, Asked, Verdict, refuse},
    texting::taken,
};

pub fn sendgrid(state: &State, asked: &Asked) -> Verdict {
    let wrong = |status: u16, field: Option<&str>, message: &str| {
        refuse(status, json!({"errors": [{"message": message, "field": field, "help": null}]}))
    };
    if !asked.has_bearer(&format!("SG.{SECRET}")) || state.is_revoked("sendgrid") {
        return wrong(401, None, "The provided authorization grant is invalid, expired, or revoked");
    }
    if asked.is("GET", &["v3", "scopes"]) {
        return refuse(200, json!({"scopes": ["mail.send", "alerts.read"]}));
    }
    if !asked.is("POST", &["v3", "mail", "send"]) {
        return wrong(404, None, "Not found");
    }
    let body = asked.json();
    for field in ["personalizations", "from", "subject", "content"] {
        if body[field].is_null() {
            return wrong(400, Some(field), "is required");
        }
    }
    let to = body["personalizations"][0]["to"][0]["email"].as_str().unwrap_or_default();
    if !to.contains('@') {
        return wrong(400, Some("personalizations.0.to.0.email"), "Does not contain a valid address.");
    }
    let parts = body["content"].as_array().cloned().unwrap_or_default();
    let kinds: Vec<&str> = parts.iter().filter_map(|part| part["type"].as_str()).collect();
    if parts.iter().any(|part| part["value"].as_str().unwrap_or_default().is_empty())
        || kinds.iter().position(|kind| *kind == "text/plain").is_some_and(|at| at > 0)
    {
        return wrong(400, Some("content"), "text/plain comes first, and no value is empty");
    }
    let id = format!("fake{:018}", state.next());
    let from = body["from"]["email"].as_str().unwrap_or_default();
    let subject = body["subject"].as_str().unwrap_or_default();
    let reference = &body["personalizations"][0]["custom_args"]["lastmile_delivery"];
    let taken = taken("sendgrid", &id, to, from, subject, reference, body.clone());
    let answer = Answer { status: 202, headers: vec![("x-message-id", id)], body: Vec::new() };
    Verdict::Accept(taken, answer)
}

pub fn sendgrid_refusal(code: &str, status: u16) -> Answer {
    let status = if status == 0 { 400 } else { status };
    let field = Some(code).filter(|code| !code.is_empty());
    if status == 202 || status == 200 {
        return Answer::json(
            status,
            json!({"errors": [{"message": "The from address does not match a verified sender", "field": "from"}]}),
        );
    }
    let answer = Answer::json(status, json!({"errors": [{"message": "The fake refuses.", "field": field}]}));
    if status == 429 { answer.with("x-ratelimit-remaining", 0) } else { answer }
}

pub fn fcm(state: &State, asked: &Asked) -> Verdict {
    if asked.is("POST", &["token"]) {
        return token(state, asked);
    }
    let is_let_in = state.inner().tokens.iter().any(|token| asked.has_bearer(token));
    if !is_let_in {
        return Verdict::Answer(fcm_refusal("UNAUTHENTICATED", 401));
    }
    if !asked.is("POST", &["v1", "projects", PROJECT, "messages:send"]) {
        return Verdict::Answer(fcm_refusal("NOT_FOUND", 404));
    }
    let body = asked.json();
    let message = &body["message"];
    let to = message["token"].as_str().unwrap_or_default();
    let is_flat = message["data"].as_object().is_none_or(|data| data.values().all(Value::is_string));
    if to.is_empty() || !is_flat {
        return refuse(
            400,
            json!({"error": {"code": 400, "message": "Invalid JSON payload", "status": "INVALID_ARGUMENT", "details": [
                {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "message.data"}]}]}}),
        );
    }
    let name = format!("projects/{PROJECT}/messages/0:{}", state.next());
    let text = message["notification"]["body"].as_str().unwrap_or_default();
    let taken = taken("fcm", &name, to, "", text, &message["data"]["delivery_id"], body.clone());
    Verdict::Accept(taken, Answer::json(200, json!({ "name": name })))
}

/// Gives an access token for a signed assertion.
fn token(state: &State, asked: &Asked) -> Verdict {
    let refuse_grant =
        |detail: &str| refuse(400, json!({"error": "invalid_grant", "error_description": detail}));
    if state.is_revoked("fcm") {
        return refuse_grant("Invalid JWT Signature.");
    }
    if state.inner().faults.get_mut("fcm_token").and_then(VecDeque::pop_front).is_some() {
        return refuse(503, json!({"error": "temporarily_unavailable"}));
    }
    let form = asked.form();
    if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return refuse(400, json!({"error": "unsupported_grant_type"}));
    }
    let mut checks = Validation::new(Algorithm::RS256);
    checks.set_audience(&[format!("{}/fcm/token", state.url.lock().unwrap())]);
    checks.set_issuer(&[format!("push@{PROJECT}.iam.gserviceaccount.com")]);
    checks.set_required_spec_claims(&["exp", "aud", "iss"]);
    let key = DecodingKey::from_rsa_der(&keys::service_account().public_der);
    let assertion = form.get("assertion").map(String::as_str).unwrap_or_default();
    let claims = match jsonwebtoken::decode::<Value>(assertion, &key, &checks) {
        Ok(decoded) => decoded.claims,
        Err(error) => return refuse_grant(&error.to_string()),
    };
    let lives_for = claims["exp"].as_i64().unwrap_or(i64::MAX) - claims["iat"].as_i64().unwrap_or_default();
    if claims["scope"] != "https://www.googleapis.com/auth/firebase.messaging" || lives_for > 3600 {
        return refuse_grant("scope or lifetime");
    }
    let token = format!("ya29.fake-{}", state.next());
    state.inner().tokens.push(token.clone());
    refuse(200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}))
}

pub fn fcm_refusal(code: &str, status: u16) -> Answer {
    let by_code = match code {
        "UNREGISTERED" | "NOT_FOUND" => (404, "NOT_FOUND"),
        "SENDER_ID_MISMATCH" => (403, "PERMISSION_DENIED"),
        "QUOTA_EXCEEDED" => (429, "RESOURCE_EXHAUSTED"),
        "UNAVAILABLE" => (503, "UNAVAILABLE"),
        "INTERNAL" => (500, "INTERNAL"),
        "THIRD_PARTY_AUTH_ERROR" | "UNAUTHENTICATED" => (401, "UNAUTHENTICATED"),
        _ => (400, "INVALID_ARGUMENT"),
    };
    let (status, word) = match status {
        0 | 200 => by_code,
        429 => (429, "RESOURCE_EXHAUSTED"),
        500.. => (status, "UNAVAILABLE"),
        _ => (status, by_code.1),
    };
    let details = match code {
        "" | "UNAUTHENTICATED" | "NOT_FOUND" => json!([]),
        code => json!([{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]),
    };
    Answer::json(
        status,
        json!({"error": {"code": status, "message": "The fake refuses.", "status": word, "details": details}}),
    )
}
