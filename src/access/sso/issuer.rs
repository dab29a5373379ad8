//! An issuer, as it is asked over the network: what it says of itself, its keys, a code's token. Only addresses of its own document
//! are called, never one of a token, and only by the guarded client.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::Jwk;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::id_token::{self, Person};
use crate::outbound::{Answer, Failure, Outbound, Request};

/// What an issuer says of itself, and its keys, are believed for an hour.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// A key that is not known is asked for, but not more often than this: made-up names cost nothing.
const ASKED_AT_MOST: Duration = Duration::from_secs(60);
const ISSUERS_KEPT: u64 = 5_000;
const KEYS_MAX: usize = 50;

/// Why an issuer is of no use, in words for people.
pub type Told<T> = Result<T, String>;

/// The issuers that this process has spoken with. Cheap to clone.
#[derive(Clone)]
pub struct Issuers {
    outbound: Outbound,
    known: moka::future::Cache<String, Arc<Issuer>>,
}

/// An issuer's own document (`OpenID` Connect Discovery 1.0), as far as it is used.
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default)]
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// One issuer that has told of itself.
pub struct Issuer {
    document: Document,
    keys: Mutex<Option<Keys>>,
}

struct Keys {
    at: Instant,
    all: Vec<Jwk>,
}

/// What a code is exchanged with.
pub struct Exchange<'a> {
    pub client_id: &'a str,
    pub secret: Option<&'a SecretString>,
    pub code: &'a str,
    pub redirect_uri: &'a str,
    pub verifier: &'a str,
}

/// What it is exchanged for.
#[derive(Deserialize)]
pub struct Tokens {
    pub id_token: String,
    #[serde(default)]
    access_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Userinfo {
    sub: String,
    #[serde(flatten)]
    person: Person,
}

fn failed(failure: &Failure) -> String {
    format!("The issuer could not be asked. {}", failure.detail())
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer, what: &str) -> Told<T> {
    if !answer.is_success() {
        return Err(format!("The issuer answered {} when it was asked for {what}.", answer.status));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_odd| format!("The issuer's answer about {what} cannot be read."))
}

impl Issuers {
    pub fn new(outbound: Outbound) -> Self {
        let known = moka::future::Cache::builder().max_capacity(ISSUERS_KEPT).time_to_live(KEPT_FOR).build();
        Self { outbound, known }
    }

    /// The issuer of this name; asked once for all who want to know at the same time.
    pub async fn get(&self, name: &str) -> Told<Arc<Issuer>> {
        let ask = async { self.discover(name).await.map(Arc::new) };
        self.known.try_get_with(name.to_owned(), ask).await.map_err(|told: Arc<String>| (*told).clone())
    }

    async fn discover(&self, name: &str) -> Told<Issuer> {
        let address = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let url = Url::parse(&address).map_err(|_odd| "The issuer is no address.".to_owned())?;
        let answer = self.outbound.send(Request::get(url)).await.map_err(|failure| failed(&failure))?;
        let document: Document = read(&answer, "itself")?;
        if document.issuer != name {
            return Err(format!("The issuer calls itself {}, and not {name}.", shortened(&document.issuer)));
        }
        Ok(Issuer { document, keys: Mutex::new(None) })
    }

    /// The key of this name, or the only one when a token names none. One that is not known is looked for once a minute at most.
    pub async fn key(&self, issuer: &Issuer, kid: Option<&str>) -> Told<Jwk> {
        let mut kept = issuer.keys.lock().await;
        let found = kept.as_ref().filter(|keys| keys.at.elapsed() < KEPT_FOR).and_then(|keys| keys.find(kid));
        if let Some(key) = found {
            return Ok(key);
        }
        if kept.as_ref().is_none_or(|keys| keys.at.elapsed() >= ASKED_AT_MOST) {
            let request = Request::get(issuer.document.jwks_uri.clone());
            let answer = self.outbound.send(request).await.map_err(|failure| failed(&failure))?;
            *kept = Some(Keys { at: Instant::now(), all: keys_of(&read(&answer, "its keys")?) });
        }
        let found = kept.as_ref().and_then(|keys| keys.find(kid));
        found.ok_or_else(|| "The issuer does not know the key that signed this.".to_owned())
    }

    /// Exchanges a code for tokens.
    pub async fn exchange(&self, issuer: &Issuer, with: &Exchange<'_>) -> Told<Tokens> {
        let document = &issuer.document;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", with.code),
            ("redirect_uri", with.redirect_uri),
            ("client_id", with.client_id),
            ("code_verifier", with.verifier),
        ];
        let request = Request::post(document.token_endpoint.clone()).header("accept", "application/json");
        let methods = document.token_endpoint_auth_methods_supported.as_deref();
        let by_post =
            methods.is_some_and(|all| all.iter().all(|one| one != "client_secret_basic") && !all.is_empty());
        let request = match with.secret.map(ExposeSecret::expose_secret) {
            None => request.form(fields),
            Some(secret) if by_post => {
                fields.push(("client_secret", secret));
                request.form(fields)
            }
            // RFC 6749, 2.3.1: both are encoded as a form's fields are.
            Some(secret) => request.basic(&encoded(with.client_id), &encoded(secret)).form(fields),
        };
        let answer = self.outbound.send(request).await.map_err(|failure| failed(&failure))?;
        read(&answer, "a token")
    }

    /// What the issuer says of the person of a token, where the token itself does not.
    pub async fn person(&self, issuer: &Issuer, tokens: &Tokens, subject: &str) -> Told<Option<Person>> {
        let (Some(address), Some(token)) = (&issuer.document.userinfo_endpoint, &tokens.access_token) else {
            return Ok(None);
        };
        let request = Request::get(address.clone()).bearer(token.expose_secret());
        let answer = self.outbound.send(request).await.map_err(|failure| failed(&failure))?;
        let told: Userinfo = read(&answer, "the person")?;
        // Another's answer would be a substituted token (OpenID Connect Core 1.0, 5.3.2).
        if told.sub == subject {
            Ok(Some(told.person))
        } else {
            Err("The issuer told of somebody else.".to_owned())
        }
    }
}

impl Issuer {
    /// Where a browser is sent to, with these parameters besides those that stand in it.
    pub fn authorization(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.document.authorization_endpoint.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }
}

impl Keys {
    fn find(&self, kid: Option<&str>) -> Option<Jwk> {
        match kid {
            Some(kid) => self.all.iter().find(|key| key.common.key_id.as_deref() == Some(kid)).cloned(),
            None => match self.all.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
        }
    }
}

/// Those that can be used here; an issuer may have others beside them.
fn keys_of(set: &serde_json::Value) -> Vec<Jwk> {
    let all = set.get("keys").and_then(serde_json::Value::as_array).into_iter().flatten();
    let read = all.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    read.filter(|key| id_token::algorithm_of(key).is_some()).take(KEYS_MAX).collect()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
