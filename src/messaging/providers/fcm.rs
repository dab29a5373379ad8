//! Push by Firebase Cloud Messaging, HTTP v1. It takes an access token that lives an hour, made with the key of a service account.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::{
    About, Accepted, Checked, Class, Field, FieldKind, Outcome, Outgoing, Prepared, Proof, Provider, Reason,
    Refusal, State, Values,
    answers::{ask, by_status_of, deliver, nothing_else, refusal_by_status, word},
    message::Wire,
};
use crate::{
    error::{Error, OrInternal, Result},
    messaging::Channel,
    outbound::{Answer, Outbound, Request},
};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_SECONDS: i64 = 3_600;
/// A token is not used in its last ten minutes.
const MARGIN: Duration = Duration::from_secs(600);
const TOKEN_MAX_AGE: Duration = Duration::from_secs(3_000);
const PAYLOAD_MAX_BYTES: usize = 4_096;
/// After a refusal nobody asks for a token for so long: a thousand pushes would make a thousand such calls.
const REFUSED_FOR: Duration = Duration::from_secs(10);

pub static PUSH: About = About {
    kind: "fcm",
    label: "Firebase Cloud Messaging",
    channel: Channel::Push,
    fields: &[
        Field::required(
            "key_file",
            "Service account key",
            FieldKind::KeyFile,
            "The JSON file from the project's settings, Service accounts.",
        )
        .secret(),
        Field::base_url("https://fcm.googleapis.com"),
    ],
    carries_files: false,
    proof: Proof::None,
    poll_after: &[],
    open: |values| Fcm::open(values).map(|fcm| Arc::new(fcm) as Arc<dyn Provider>),
};

/// What is needed of a service account's key file.
#[derive(Deserialize)]
pub(super) struct KeyFile {
    project_id: String,
    client_email: String,
    private_key: SecretString,
    #[serde(default)]
    private_key_id: Option<String>,
    token_uri: String,
}

impl KeyFile {
    /// Says what is wrong with it, without a word of what is in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let file: Self = serde_json::from_str(text).map_err(|_odd| {
            "This is not a service account's key: project_id, client_email, private_key and token_uri are needed."
        })?;
        let is_plain = file.project_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if file.project_id.is_empty() || !is_plain {
            return Err("The project_id in this key is none.");
        }
        if Url::parse(&file.token_uri).is_err() {
            return Err("The token_uri in this key is no address.");
        }
        EncodingKey::from_rsa_pem(file.private_key.expose_secret().as_bytes())
            .map_err(|_odd| "The private key in this file cannot be read.")?;
        Ok(file)
    }
}

struct Fcm {
    base: Url,
    token_url: Url,
    file: KeyFile,
    key: EncodingKey,
    /// Held while a new one is asked for, so that a thousand pushes ask once.
    token: Mutex<Kept>,
}

enum Kept {
    Nothing,
    Token { token: SecretString, until: Instant },
    Refused { refusal: Refusal, until: Instant },
}

impl Fcm {
    fn open(values: &Values) -> Result<Self> {
        let file = KeyFile::parse(values.text("key_file"))
            .map_err(|detail| Error::invalid("key_file", "not_a_key_file", detail))?;
        let key = EncodingKey::from_rsa_pem(file.private_key.expose_secret().as_bytes()).internal()?;
        let token_url = Url::parse(&file.token_uri).internal()?;
        Ok(Self { base: values.url("base_url")?, token_url, file, key, token: Mutex::new(Kept::Nothing) })
    }

    /// A token that is good for a while: the kept one, or a new one.
    async fn token(&self, outbound: &Outbound) -> Result<SecretString, Refusal> {
        let mut kept = self.token.lock().await;
        match &*kept {
            Kept::Token { token, until } if *until > Instant::now() => return Ok(token.clone()),
            Kept::Refused { refusal, until } if *until > Instant::now() => return Err(refusal.clone()),
            _ => {}
        }
        match self.new_token(outbound).await {
            Ok((token, lives_for)) => {
                let until = Instant::now() + lives_for.saturating_sub(MARGIN).min(TOKEN_MAX_AGE);
                *kept = Kept::Token { token: token.clone(), until };
                Ok(token)
            }
            Err(refusal) => {
                *kept = Kept::Refused { refusal: refusal.clone(), until: Instant::now() + REFUSED_FOR };
                Err(refusal)
            }
        }
    }

    async fn new_token(&self, outbound: &Outbound) -> Result<(SecretString, Duration), Refusal> {
        let now = Utc::now().timestamp();
        let claims = json!({
            "iss": self.file.client_email,
            "scope": SCOPE,
            "aud": self.file.token_uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        });
        let header = Header { kid: self.file.private_key_id.clone(), ..Header::new(Algorithm::RS256) };
        let assertion = jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_odd| {
            Refusal::new(Class::Account, "key_unusable", "The service account's key cannot sign.")
        })?;
        let request = Request::post(self.token_url.clone())
            .form([("grant_type", GRANT), ("assertion", assertion.as_str())]);
        let answer = ask(outbound, request).await?;
        let body = answer.json();
        if !answer.is_success() {
            // invalid_grant, invalid_client, unauthorized_client: the key is revoked, or our clock is wrong.
            return Err(match word(&body, "/error") {
                Some(code) if answer.status < 500 && answer.status != 429 => {
                    let said = word(&body, "/error_description").unwrap_or_default();
                    Refusal::new(
                        Class::Account,
                        code.clone().into_owned(),
                        format!("Google gives no token: {code} {said}"),
                    )
                }
                _ => refusal_by_status(&answer),
            });
        }
        let lives_for =
            body.get("expires_in").and_then(Value::as_u64).unwrap_or(ASSERTION_SECONDS.unsigned_abs());
        match word(&body, "/access_token") {
            Some(token) => Ok((SecretString::from(token.into_owned()), Duration::from_secs(lives_for))),
            None => Err(Refusal::new(Class::Transient, "no_token", "Google's answer holds no token.")),
        }
    }

    /// After Google no longer takes it. A newer one, that somebody else has asked for meanwhile, stays.
    async fn forget(&self, old: &SecretString) {
        let mut kept = self.token.lock().await;
        if matches!(&*kept, Kept::Token { token, .. } if token.expose_secret() == old.expose_secret()) {
            *kept = Kept::Nothing;
        }
    }
}

impl Provider for Fcm {
    fn about(&self) -> &'static About {
        &PUSH
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let content = &outgoing.content;
        nothing_else(content)?;
        let title = content.title.as_deref().or(content.subject.as_deref()).unwrap_or_default();
        if title.is_empty() && content.text.trim().is_empty() && content.data.is_empty() {
            return Err(Refusal::content("empty", "The message has no text."));
        }
        let mut data = content.data.clone();
        if let Some(odd) = data.keys().find(|key| is_reserved(key)) {
            return Err(Refusal::content(
                "reserved_key",
                format!("{odd} is a name that Google keeps for itself."),
            ));
        }
        data.insert("delivery_id".into(), outgoing.id.to_string());
        let mut message = json!({ "token": outgoing.to.as_str(), "data": data });
        if let Some(fields) = message.as_object_mut() {
            if !title.is_empty() || !content.text.is_empty() {
                fields.insert("notification".into(), json!({ "title": title, "body": content.text }));
            }
            let mut android = json!({ "priority": "HIGH" });
            if let (Some(valid_for), Some(fields)) = (outgoing.valid_for, android.as_object_mut()) {
                fields.insert("ttl".into(), json!(format!("{}s", valid_for.as_secs())));
            }
            fields.insert("android".into(), android);
        }
        let size = message.to_string().len().saturating_sub(outgoing.to.as_str().len());
        if size > PAYLOAD_MAX_BYTES {
            return Err(Refusal::content(
                "too_long",
                format!("A push carries at most {PAYLOAD_MAX_BYTES} bytes."),
            ));
        }
        let path = ["v1", "projects", &self.file.project_id, "messages:send"];
        let request =
            Request::post(Request::url_below(&self.base, &path)).json(&json!({ "message": message }));
        Ok(Prepared::http(request))
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let token = match self.token(outbound).await {
                Ok(token) => token,
                Err(refusal) => return Outcome::Refused(refusal),
            };
            let prepared = match prepared.wire {
                Wire::Http(request) => Prepared::http(request.bearer(token.expose_secret())),
                wire @ Wire::Mail(_) => Prepared { segments: None, wire },
            };
            let outcome = deliver(outbound, prepared, outcome).await;
            if matches!(&outcome, Outcome::Refused(refusal) if refusal.code == "UNAUTHENTICATED") {
                self.forget(&token).await;
            }
            outcome
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            self.token(outbound).await?;
            Ok(Checked { account: Some(self.file.project_id.clone()), balance: None })
        })
    }
}

fn is_reserved(key: &str) -> bool {
    matches!(key, "from" | "message_type" | "delivery_id")
        || key.starts_with("google")
        || key.starts_with("gcm")
}

fn outcome(answer: &Answer) -> Outcome {
    let body = answer.json();
    let Some(error) = body.get("error") else {
        return match word(&body, "/name") {
            // No receipt will ever come.
            Some(name) if answer.is_success() => Outcome::Accepted(Accepted::new(name, State::Sent)),
            _ => by_status_of(answer),
        };
    };
    let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has_violations = details.iter().any(|detail| detail.get("fieldViolations").is_some());
    let code = details
        .iter()
        .find_map(|detail| word(detail, "/errorCode"))
        .or_else(|| word(error, "/status"))
        .unwrap_or_default();
    let class = match code.as_ref() {
        "UNREGISTERED" => Class::Recipient(Reason::Unregistered),
        "SENDER_ID_MISMATCH" => Class::Recipient(Reason::Invalid),
        // The same word for a bad token and for a payload of ours that is wrong.
        "INVALID_ARGUMENT" if has_violations => Class::Content,
        "INVALID_ARGUMENT" if !details.is_empty() => Class::Recipient(Reason::Invalid),
        "INVALID_ARGUMENT" => Class::Content,
        "QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED" => Class::Rate,
        "UNAVAILABLE" | "INTERNAL" => Class::Transient,
        "UNAUTHENTICATED" => Class::Transient,
        "THIRD_PARTY_AUTH_ERROR" | "PERMISSION_DENIED" | "NOT_FOUND" => Class::Account,
        _ => return by_status_of(answer),
    };
    let said = word(error, "/message").unwrap_or_default();
    Outcome::Refused(Refusal::new(class, code.into_owned(), said).after(answer.retry_after(Utc::now())))
}
