//! The public keys of an issuer elsewhere, as they are kept here. Only the address of the settings, or of the issuer's own document, is
//! asked, never one of a token, and only by the guarded client.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::outbound::{Answer, Failure, Outbound, Request};
use crate::words::say;

/// Keys are believed for an hour, then asked for again.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// While the issuer does not answer, the keys that are known go on for a day in all.
const STALE_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Whatever is asked for, it is not asked for more often than this: made-up names cost nothing.
const ASKED_AT_MOST: Duration = Duration::from_secs(60);
const KEYS_MAX: usize = 50;

/// Why an issuer is of no use, in words for people.
pub type Told<T> = Result<T, String>;

/// Why there is no key of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKey {
    /// The issuer's keys are known, and it is none of them.
    Unknown,
    /// No keys are known, because the issuer could not be asked; in words for people.
    Unreachable(String),
}

/// Where the keys are.
enum Source {
    At(Url),
    /// Where the document of the issuer of this name says.
    Of(String),
}

/// The keys of one issuer.
pub struct KeySet {
    source: Source,
    kept: RwLock<Arc<Kept>>,
    asking: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    loaded_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// What the last question came to, when it came to nothing.
    failure: Option<String>,
    all: Vec<Jwk>,
}

impl KeySet {
    pub fn at(url: Url) -> Self {
        Self::from(Source::At(url))
    }

    /// Of an issuer whose own document names the address.
    pub fn of(issuer: &str) -> Self {
        Self::from(Source::Of(issuer.to_owned()))
    }

    fn from(source: Source) -> Self {
        Self { source, kept: RwLock::default(), asking: Mutex::new(()) }
    }

    fn kept(&self) -> Arc<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key of this name, or the only one when a token names none. Whoever has a key that is only too old does not wait for the
    /// one that asks for news.
    pub async fn key(&self, outbound: &Outbound, kid: Option<&str>) -> Result<Jwk, NoKey> {
        let now = Instant::now();
        let kept = self.kept();
        let found = kept.find(kid, now);
        if let Some(found) = found {
            if kept.is_fresh(now) || !kept.may_ask(now) {
                return Ok(found);
            }
            let Ok(_turn) = self.asking.try_lock() else { return Ok(found) };
            self.ask(outbound).await;
        } else if kept.may_ask(now) {
            let _turn = self.asking.lock().await;
            if self.kept().may_ask(now) {
                self.ask(outbound).await;
            }
        }
        let kept = self.kept();
        kept.find(kid, Instant::now()).ok_or_else(|| kept.refusal())
    }

    /// Whether the issuer answers with keys that can be used, asked now.
    pub async fn probe(&self, outbound: &Outbound) -> Told<()> {
        let _turn = self.asking.lock().await;
        self.ask(outbound).await;
        let kept = self.kept();
        match &kept.failure {
            Some(failure) => Err(failure.clone()),
            None if kept.all.is_empty() => Err("The issuer has no key that can be used here.".to_owned()),
            None => Ok(()),
        }
    }

    async fn ask(&self, outbound: &Outbound) {
        let loaded = self.load(outbound).await;
        let now = Instant::now();
        let was = self.kept();
        let next = match loaded {
            Ok(all) => Kept { loaded_at: Some(now), asked_at: Some(now), failure: None, all },
            Err(failure) => {
                tracing::warn!(failure, "the keys of an issuer could not be asked for");
                Kept {
                    loaded_at: was.loaded_at,
                    asked_at: Some(now),
                    failure: Some(failure),
                    all: was.all.clone(),
                }
            }
        };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    async fn load(&self, outbound: &Outbound) -> Told<Vec<Jwk>> {
        let url = match &self.source {
            Source::At(url) => url.clone(),
            Source::Of(issuer) => {
                let document = document_of(outbound, issuer).await?;
                let named =
                    document.get("jwks_uri").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
                named.ok_or_else(|| "The issuer's document does not say where its keys are.".to_owned())?
            }
        };
        let answer = outbound.send(Request::get(url)).await.map_err(|failure| failed(&failure))?;
        Ok(keys_of(&read(&answer, "its keys")?))
    }
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        self.loaded_at.is_some_and(|at| now.saturating_duration_since(at) < KEPT_FOR)
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= ASKED_AT_MOST)
    }

    fn find(&self, kid: Option<&str>, now: Instant) -> Option<Jwk> {
        self.loaded_at.filter(|at| now.saturating_duration_since(*at) < STALE_FOR)?;
        match kid {
            Some(kid) => self.all.iter().find(|key| key.common.key_id.as_deref() == Some(kid)).cloned(),
            None => match self.all.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
        }
    }

    fn refusal(&self) -> NoKey {
        let is_known = self.loaded_at.is_some_and(|at| at.elapsed() < STALE_FOR);
        match &self.failure {
            Some(failure) if !is_known => NoKey::Unreachable(failure.clone()),
            _ => NoKey::Unknown,
        }
    }
}

/// An issuer's own document (`OpenID` Connect Discovery 1.0). It must call itself as it was asked.
pub async fn document_of(outbound: &Outbound, issuer: &str) -> Told<Value> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let url = Url::parse(&address).map_err(|_odd| "The issuer is no address.".to_owned())?;
    let answer = outbound.send(Request::get(url)).await.map_err(|failure| failed(&failure))?;
    let document: Value = read(&answer, "itself")?;
    match document.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => Ok(document),
        Some(named) => Err(say!("The issuer calls itself {}, and not {}.", shortened(named), issuer)),
        None => Err(unreadable("itself")),
    }
}

pub fn failed(failure: &Failure) -> String {
    say!("The issuer could not be asked. {}", failure.detail())
}

pub fn unreadable(what: &str) -> String {
    say!("The issuer's answer about {} cannot be read.", what)
}

/// An answer's JSON; `what` was asked for.
pub fn read<T: serde::de::DeserializeOwned>(answer: &Answer, what: &str) -> Told<T> {
    if !answer.is_success() {
        return Err(say!("The issuer answered {} when it was asked for {}.", answer.status, what));
    }
    serde_json::from_slice(&answer.body).map_err(|_odd| unreadable(what))
}

/// The one algorithm that a key is for, whatever a token says.
pub fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    if matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        _ => None,
    }
}

/// Those that can be used here; an issuer may have others beside them.
fn keys_of(set: &Value) -> Vec<Jwk> {
    let all = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let read = all.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    read.filter(|key| algorithm_of(key).is_some()).take(KEYS_MAX).collect()
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kid: &str) -> Jwk {
        serde_json::from_value(json!({"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"})).unwrap()
    }

    #[test]
    fn a_dead_issuer_s_keys_go_on_for_a_day_and_no_longer() {
        let at = Instant::now();
        let kept = Kept {
            loaded_at: Some(at),
            asked_at: Some(at),
            failure: Some("away".into()),
            all: vec![key("a"), key("b")],
        };
        assert!(kept.is_fresh(at) && !kept.may_ask(at));
        let later = at + KEPT_FOR;
        assert!(!kept.is_fresh(later) && kept.may_ask(later));
        assert!(kept.find(Some("a"), at + STALE_FOR - Duration::from_secs(1)).is_some());
        assert!(kept.find(Some("a"), at + STALE_FOR).is_none());
        assert!(kept.find(Some("c"), at).is_none() && kept.find(None, at).is_none());
        assert_eq!(kept.refusal(), NoKey::Unknown);
        let never = Kept { failure: Some("away".into()), ..Kept::default() };
        assert_eq!(never.refusal(), NoKey::Unreachable("away".into()));
        assert!(never.may_ask(at));
    }

    #[test]
    fn keys_that_are_no_use_are_left_out() {
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "AQAB"},
            {"kty": "of the future"},
        ]});
        let kids: Vec<_> = keys_of(&set).into_iter().filter_map(|key| key.common.key_id).collect();
        assert_eq!(kids, ["a"]);
    }
}
