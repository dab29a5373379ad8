//! What a machine client's token says, and whether it is to be believed. Pure.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::Jwk};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value};

use crate::{
    access::{credentials::now, key_sets::algorithm_of},
    error::Error,
};

/// Clocks may differ by a minute.
pub const LEEWAY_SECONDS: i64 = 60;
const SUBJECT_MAX_CHARS: usize = 255;
/// The head of a token that is longer is none.
const HEAD_MAX_CHARS: usize = 2_000;
/// So many values of the role claim are looked at.
const VALUES_MAX: usize = 200;

/// Why a token does not count: a code for programs, a sentence for people.
pub type Refusal = (&'static str, &'static str);

pub const MALFORMED: Refusal = ("token_malformed", "This token cannot be read.");
pub const ALGORITHM: Refusal =
    ("token_alg_refused", "This token is signed in a way that is not allowed here.");
pub const UNKNOWN_KEY: Refusal =
    ("token_key_unknown", "The issuer does not know the key that signed this token.");
const SIGNATURE: Refusal = ("token_signature_wrong", "This token's signature is wrong.");
const EXPIRED: Refusal = ("token_expired", "This token has expired.");
const NO_EXPIRY: Refusal = ("token_exp_missing", "This token does not say when it expires.");
const ODD_TIME: Refusal = ("token_time_invalid", "The times of this token cannot be read.");
const TOO_EARLY: Refusal = ("token_not_yet_valid", "This token does not count yet.");
const AUDIENCE: Refusal = ("token_audience_wrong", "This token is for somebody else.");
const ISSUER: Refusal = ("token_issuer_wrong", "This token is of another issuer.");
const TENANT: Refusal = ("token_tenant_wrong", "This token does not name this provider.");
const SUBJECT: Refusal = ("token_subject_missing", "This token names nobody.");

pub fn refused((code, detail): Refusal) -> Error {
    Error::unauthenticated(code, detail)
}

/// What of a token's head is looked at. Addresses and keys in it are nothing.
pub struct Head {
    /// None: a way of signing that is never allowed, such as none or a secret.
    pub algorithm: Option<Algorithm>,
    pub kid: Option<String>,
    /// It asks for something to be understood that is not.
    is_critical: bool,
}

fn head_json(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let head = parts.next().filter(|head| head.len() <= HEAD_MAX_CHARS)?;
    let is_whole = parts.next().is_some() && parts.next().is_some() && parts.next().is_none();
    let bytes = BASE64URL_NOPAD.decode(head.as_bytes()).ok().filter(|_| is_whole)?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether it is a token, and none of our own: those are signed by `EdDSA`.
pub fn is_foreign(token: &str) -> bool {
    head_json(token)
        .is_some_and(|head| head.get("alg").and_then(Value::as_str).is_some_and(|alg| alg != "EdDSA"))
}

impl Head {
    pub fn read(token: &str) -> Result<Self, Refusal> {
        let head = head_json(token).ok_or(MALFORMED)?;
        let text = |name: &str| head.get(name).and_then(Value::as_str);
        let algorithm = match text("alg") {
            Some("RS256") => Some(Algorithm::RS256),
            Some("ES256") => Some(Algorithm::ES256),
            _ => None,
        };
        let kid = match head.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(MALFORMED),
        };
        Ok(Self { algorithm, kid, is_critical: head.contains_key("crit") })
    }

    /// The one way of signing, when it is among those that are allowed.
    pub fn allowed(&self, among: &[Algorithm]) -> Result<Algorithm, Refusal> {
        if self.is_critical {
            return Err(MALFORMED);
        }
        self.algorithm.filter(|one| among.contains(one)).ok_or(ALGORITHM)
    }
}

/// What a token has to say to count here.
pub struct Expected<'a> {
    pub algorithm: Algorithm,
    pub issuer: &'a str,
    pub audience: &'a str,
    pub tenant_claim: &'a str,
    /// The tenant's id and its slug: one of them is what the claim says.
    pub tenant: [&'a str; 2],
    pub role_claim: &'a str,
}

/// Whom a token is of, and what it names.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    pub subject: String,
    /// The values of the role claim, which by themselves are no right to anything.
    pub values: Vec<String>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// The client, when the key signed the token and it counts here.
pub fn believed(token: &str, key: &Jwk, expected: &Expected<'_>) -> Result<Client, Refusal> {
    if algorithm_of(key) != Some(expected.algorithm) {
        return Err(ALGORITHM);
    }
    let decoding = DecodingKey::from_jwk(key).map_err(|_unsaid| UNKNOWN_KEY)?;
    let mut rules = Validation::new(expected.algorithm);
    rules.leeway = LEEWAY_SECONDS.unsigned_abs();
    rules.validate_nbf = true;
    rules.set_issuer(&[expected.issuer]);
    rules.set_audience(&[expected.audience]);
    // What stands in `exp` and is no number would be told as missing: it is looked at below.
    rules.set_required_spec_claims(&["iss", "aud", "sub"]);
    let claims = decode::<Map<String, Value>>(token, &decoding, &rules).map_err(|error| why(&error))?.claims;
    let time = |name: &str| claims.get(name).map(|value| seconds(value).ok_or(ODD_TIME)).transpose();
    let expires_at = time("exp")?.ok_or(NO_EXPIRY)?;
    if expires_at.saturating_add(LEEWAY_SECONDS) <= now() {
        return Err(EXPIRED);
    }
    if time("nbf")?.max(time("iat")?).is_some_and(|at| at > now() + LEEWAY_SECONDS) {
        return Err(TOO_EARLY);
    }
    // One issuer, as the settings write it; a list that has it among others is of nobody.
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(ISSUER);
    }
    let subject = claims.get("sub").and_then(Value::as_str).map(str::trim);
    let is_name = |text: &&str| {
        !text.is_empty() && text.chars().count() <= SUBJECT_MAX_CHARS && !text.chars().any(char::is_control)
    };
    let subject = subject.filter(is_name).ok_or(SUBJECT)?.to_owned();
    let named = claim(&claims, expected.tenant_claim).and_then(Value::as_str);
    if !named.is_some_and(|named| expected.tenant.iter().any(|own| own.eq_ignore_ascii_case(named))) {
        return Err(TENANT);
    }
    let values = claim(&claims, expected.role_claim).map(values).unwrap_or_default();
    Ok(Client { subject, values, expires_at })
}

/// Seconds since 1970, which may be written with a part of a second.
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().and_then(|number| number.to_i64()))
}

/// A claim by its name, or, where there is none of that name, by a path through objects: `realm_access.roles`.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

/// A list of texts, or one text: as it is, and each of its words, as scopes are written.
fn values(value: &Value) -> Vec<String> {
    let mut all: Vec<String> = match value {
        Value::String(text) => {
            text.split_whitespace().map(str::to_owned).chain([text.trim().to_owned()]).collect()
        }
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    all.truncate(VALUES_MAX);
    all.sort_unstable();
    all.dedup();
    all
}

fn why(error: &jsonwebtoken::errors::Error) -> Refusal {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => EXPIRED,
        ErrorKind::ImmatureSignature => TOO_EARLY,
        ErrorKind::InvalidIssuer => ISSUER,
        ErrorKind::InvalidAudience => AUDIENCE,
        ErrorKind::InvalidSignature => SIGNATURE,
        ErrorKind::InvalidAlgorithm => ALGORITHM,
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => match name.as_str() {
            "exp" | "nbf" => ODD_TIME,
            "iss" => ISSUER,
            "aud" => AUDIENCE,
            "sub" => SUBJECT,
            _ => MALFORMED,
        },
        _ => MALFORMED,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_claim_is_found_by_its_name_first_and_then_by_its_path() {
        let claims = object(json!({"a.b": 1, "a": {"b": 2, "c": {"d": 3}}, "https://x.example/roles": 4}));
        assert_eq!(claim(&claims, "a.b"), Some(&json!(1)));
        assert_eq!(claim(&claims, "a.c.d"), Some(&json!(3)));
        assert_eq!(claim(&claims, "https://x.example/roles"), Some(&json!(4)));
        assert_eq!(claim(&claims, "a.x"), None);
        assert_eq!(claim(&claims, "a.b.c"), None);
    }

    #[test]
    fn values_are_texts_and_nothing_else() {
        assert_eq!(values(&json!(["b", "a", 7, null, {"c": 1}, "a"])), ["a", "b"]);
        assert_eq!(values(&json!("read write")), ["read", "read write", "write"]);
        assert!(values(&json!({"a": true})).is_empty() && values(&json!(true)).is_empty());
    }

    #[test]
    fn of_a_head_only_algorithm_and_kid_are_looked_at() {
        let token = |head: &Value| format!("{}.e30.x", BASE64URL_NOPAD.encode(head.to_string().as_bytes()));
        for alg in ["none", "HS256", "RS512", "PS256", "EdDSA", "rs256"] {
            let head = Head::read(&token(&json!({"alg": alg, "kid": "a"}))).unwrap();
            assert_eq!(head.allowed(&[Algorithm::RS256, Algorithm::ES256]), Err(ALGORITHM), "{alg}");
        }
        let odd = json!({"alg": "RS256", "kid": "a", "jku": "https://evil.example", "x5u": 7, "jwk": "odd"});
        let head = Head::read(&token(&odd)).unwrap();
        assert_eq!(
            (head.allowed(&[Algorithm::RS256]), head.kid.as_deref()),
            (Ok(Algorithm::RS256), Some("a"))
        );
        assert_eq!(head.allowed(&[Algorithm::ES256]), Err(ALGORITHM));
        let critical = Head::read(&token(&json!({"alg": "RS256", "crit": ["b64"]}))).unwrap();
        assert_eq!(critical.allowed(&[Algorithm::RS256]), Err(MALFORMED));
        assert!(Head::read("a.b").is_err() && Head::read("").is_err());
        assert!(is_foreign(&token(&json!({"alg": "none"}))) && !is_foreign(&token(&json!({"alg": "EdDSA"}))));
        assert!(!is_foreign("lm_live_x.y.z") && !is_foreign("x"));
    }
}
