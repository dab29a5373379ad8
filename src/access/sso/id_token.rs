//! What an identity token says, and whether it is to be believed. Pure.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::Jwk};
use serde::Deserialize;

use crate::access::key_sets::algorithm_of;

/// Clocks may differ by a minute.
const LEEWAY_SECONDS: u64 = 60;
const SUBJECT_MAX_CHARS: usize = 255;

/// Whom a token may be for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a token says of somebody.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    pub sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    iat: i64,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    pub person: Person,
}

/// What an issuer tells of a person, in the token or when it is asked.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Person {
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    pub email_verified: Option<bool>,
    #[serde(default)]
    pub name: Option<String>,
}

/// Some issuers write a truth as a word.
fn truth<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    let said = serde_json::Value::deserialize(from)?;
    Ok(said.as_bool().or_else(|| said.as_str().map(|word| word == "true")))
}

/// What a token has to say to be one of this attempt.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// The name of the key that a token says it was signed with. Nothing else of its head is looked at: no address in it, and no key.
pub fn kid_of(token: &str) -> Option<Option<String>> {
    decode_header(token).ok().map(|header| header.kid)
}

/// The claims, when the key signed them and they are of this attempt; else why not.
pub fn believed(token: &str, key: &Jwk, expected: Expected<'_>, now: i64) -> Result<Claims, &'static str> {
    let algorithm = algorithm_of(key).ok_or("its key is of a kind that is not used here")?;
    let decoding = DecodingKey::from_jwk(key).map_err(|_unsaid| "its key cannot be read")?;
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY_SECONDS;
    rules.set_issuer(&[expected.issuer]);
    rules.set_audience(&[expected.client_id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.validate_nbf = true;
    let claims = decode::<Claims>(token, &decoding, &rules).map_err(|error| reason(&error))?.claims;
    let is_shared = matches!(&claims.aud, Audience::Many(all) if all.len() > 1);
    let is_ours = claims.azp.as_deref().map_or(!is_shared, |azp| azp == expected.client_id);
    let latest = now + i64::try_from(LEEWAY_SECONDS).unwrap_or_default();
    match () {
        () if !is_ours => Err("it was made for another client"),
        () if matches!(&claims.aud, Audience::One(one) if one != expected.client_id) => {
            Err("it is for somebody else")
        }
        () if claims.nonce.as_deref() != Some(expected.nonce) => Err("it is of another sign-in"),
        () if claims.iat > latest => Err("it was made in the future"),
        () if claims.sub.is_empty() || claims.sub.chars().count() > SUBJECT_MAX_CHARS => {
            Err("it names nobody")
        }
        () => Ok(claims),
    }
}

fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAlgorithm => "it is signed in a way that is not used here",
        ErrorKind::ImmatureSignature => "it does not count yet",
        _ => "it cannot be read",
    }
}
