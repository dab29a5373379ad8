//! An issuer, as it is asked over the network: what it says of itself, its keys, a code's token. Only addresses of its own document
//! are called, never one of a token, and only by the guarded client.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::jwk::Jwk;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::id_token::Person;
use crate::{
    access::key_sets::{KeySet, NoKey, Told, document_of, failed, read, unreadable},
    outbound::{Outbound, Request},
};

/// What an issuer says of itself is believed for an hour.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
const ISSUERS_KEPT: u64 = 5_000;

/// The issuers that this process has spoken with. Cheap to clone.
#[derive(Clone)]
pub struct Issuers {
    outbound: Outbound,
    known: moka::future::Cache<String, Arc<Issuer>>,
}

/// An issuer's own document (`OpenID` Connect Discovery 1.0), as far as it is used.
#[derive(Debug, Deserialize)]
struct Document {
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
    keys: KeySet,
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
        let document = document_of(&self.outbound, name).await?;
        let document: Document = serde_json::from_value(document).map_err(|_odd| unreadable("itself"))?;
        let keys = KeySet::at(document.jwks_uri.clone());
        Ok(Issuer { document, keys })
    }

    /// The key of this name, or the only one when a token names none. One that is not known is looked for once a minute at most.
    pub async fn key(&self, issuer: &Issuer, kid: Option<&str>) -> Told<Jwk> {
        issuer.keys.key(&self.outbound, kid).await.map_err(|missing| match missing {
            NoKey::Unknown => "The issuer does not know the key that signed this.".to_owned(),
            NoKey::Unreachable(told) => told,
        })
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

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
