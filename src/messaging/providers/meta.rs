//! What WhatsApp's and Instagram's own interfaces share: one Graph API, one error body, one signature, one challenge.

use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    Class, Hook, HookRefusal, Outcome, Reason, Refusal, Reply,
    answers::{by_status_of, refusal_by_status, word},
    signature::{is_equal, is_hex_hmac_sha256},
};
use crate::outbound::Answer;

/// A challenge is answered with itself, so it may not be anything else than one.
const CHALLENGE_MAX: usize = 256;

/// What proves Meta's calls: an app's secret, and the word that was entered on its web page.
pub(super) struct Proofs {
    pub app_secret: Option<SecretString>,
    pub verify_token: Option<SecretString>,
}

impl Proofs {
    pub fn greet(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        if hook.is_get { self.challenge(hook) } else { self.signed(hook) }
    }

    fn challenge(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        let expected = self.verify_token.as_ref().ok_or(HookRefusal::NotConfigured)?;
        let given = hook.query("hub.verify_token").ok_or(HookRefusal::Unsigned)?;
        if hook.query("hub.mode").as_deref() != Some("subscribe")
            || !is_equal(expected.expose_secret(), &given)
        {
            return Err(HookRefusal::BadSignature);
        }
        let challenge = hook.query("hub.challenge").unwrap_or_default();
        let is_plain = !challenge.is_empty()
            && challenge.len() <= CHALLENGE_MAX
            && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if is_plain { Ok(Reply::text(challenge)) } else { Err(HookRefusal::Malformed) }
    }

    fn signed(&self, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
        let secret = self.app_secret.as_ref().ok_or(HookRefusal::NotConfigured)?;
        let given = hook.header("x-hub-signature-256").ok_or(HookRefusal::Unsigned)?;
        let is_named = given.starts_with("sha256=");
        if is_named && is_hex_hmac_sha256(secret.expose_secret(), hook.body, given) {
            Ok(Reply::ok())
        } else {
            Err(HookRefusal::BadSignature)
        }
    }
}

/// What an answer of the Graph API that is no success means.
pub(super) fn refused(answer: &Answer) -> Outcome {
    match refusal_of(&answer.json()) {
        Some(refusal) => Outcome::Refused(refusal.after(answer.retry_after(Utc::now()))),
        None => by_status_of(answer),
    }
}

pub(super) fn refused_ask(answer: &Answer) -> Refusal {
    refusal_of(&answer.json()).unwrap_or_else(|| refusal_by_status(answer))
}

fn refusal_of(body: &Value) -> Option<Refusal> {
    let error = body.get("error")?;
    let code = word(error, "/code")?;
    let subcode = word(error, "/error_subcode").unwrap_or_default();
    let said = word(error, "/error_data/details").or_else(|| word(error, "/message")).unwrap_or_default();
    Some(refusal(&code, &subcode, &said))
}

/// The codes of both channels; most are not in one list anywhere, so an unknown one is only a refusal of the message.
pub(super) fn refusal(code: &str, subcode: &str, said: &str) -> Refusal {
    let class = match (code, subcode) {
        ("131047", _) | ("10", "2018278") => Class::Window,
        ("131026" | "131030", _) => Class::Recipient(Reason::Unregistered),
        ("131050", _) => Class::Recipient(Reason::Unsubscribed),
        ("551", _) | ("10", "2018065") | ("100", "2018001") => Class::Recipient(Reason::Blocked),
        ("4" | "17" | "32" | "613" | "80007" | "130429" | "131048" | "131049" | "131056" | "133016", _) => {
            Class::Rate
        }
        (
            "0" | "3" | "10" | "102" | "190" | "368" | "131005" | "131031" | "131042" | "131045" | "133010",
            _,
        ) => Class::Account,
        ("1" | "2" | "131000" | "131016" | "131057" | "133004", _) => Class::Transient,
        (permission, _) if permission.len() == 3 && permission.starts_with('2') => Class::Account,
        _ => Class::Content,
    };
    let said = if said.is_empty() { "Meta gives no reason." } else { said };
    Refusal::new(class, code.to_owned(), said)
}

/// A list inside of a webhook's body; empty when there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
