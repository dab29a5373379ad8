//! The one HTTP client for addresses that somebody else chose: a tenant's provider, a webhook.
//!
//! It resolves names itself and calls public addresses only, over TLS, at the hosts and ports that the settings list, unless they name a
//! network that may be called all the same. It follows no redirect, limits time and size, and puts neither an address nor a credential
//! into logs and errors: with some providers the credential is a part of the address. It tells apart what surely was not sent from what
//! may have arrived.

mod guard;
mod request;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::{Certificate, Client, ClientBuilder, Response, header::HeaderMap};
use serde_json::Value;
use tracing::Span;
use url::Url;

pub use guard::resolver;
pub use request::Request;

use self::guard::{Guard, NotAllowed, Reach};
use crate::{
    config::OutboundSettings,
    error::{OrInternal, Result},
};

/// An answer of more bytes than this is cut off.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
const IDLE_FOR: Duration = Duration::from_secs(60);
/// As many as a tenant may have under way: who sends many at once does not connect anew for each.
const IDLE_PER_HOST: usize = 128;
const DETAIL_MAX_CHARS: usize = 200;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const USER_AGENT: &str = concat!("Lastmile/", env!("CARGO_PKG_VERSION"));

/// Calls out. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Parts>);

struct Parts {
    /// Speaks TLS, to whatever address may be called.
    far: Client,
    /// Speaks plain HTTP, too, and to the networks of the settings only.
    near: Client,
    guard: Guard,
    connect_for: Duration,
}

/// What came back, whole.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no whole answer. The text never holds an address or a credential, so it may be shown to the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was sent, and never will be: this address may not be called.
    Forbidden(String),
    /// Nothing was sent: the name is unknown, nobody listens, TLS failed.
    NotSent(String),
    /// It may have arrived. `status` is what the answer's head said, where one came.
    Unanswered { status: Option<u16>, detail: String },
}

impl Failure {
    pub fn detail(&self) -> &str {
        match self {
            Self::Forbidden(detail) | Self::NotSent(detail) | Self::Unanswered { detail, .. } => detail,
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::NotSent(_) => "not_sent",
            Self::Unanswered { .. } => "unanswered",
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Unanswered { status, .. } => *status,
            Self::Forbidden(_) | Self::NotSent(_) => None,
        }
    }
}

impl Outbound {
    pub fn new(settings: &OutboundSettings) -> Result<Self> {
        Self::build(settings, Guard::new(settings)?, |client| client)
    }

    /// The same, for a server whose certificate may come from an authority of this PEM file as well.
    pub fn trusting(settings: &OutboundSettings, pem: &[u8]) -> Result<Self> {
        let roots = Certificate::from_pem_bundle(pem).internal()?;
        Self::build(settings, Guard::new(settings)?, |client| client.tls_certs_merge(roots.clone()))
    }

    fn build(
        settings: &OutboundSettings,
        guard: Guard,
        adapt: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self> {
        let connect_for = Duration::from_millis(settings.connect_ms);
        let client = |guard: Guard| {
            let client = Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                // A request goes out once; who may send it again is not decided here.
                .retry(reqwest::retry::never())
                .user_agent(USER_AGENT)
                .connect_timeout(connect_for)
                .timeout(Duration::from_millis(settings.timeout_ms))
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(IDLE_PER_HOST)
                .dns_resolver(Arc::new(guard));
            adapt(client)
        };
        Ok(Self(Arc::new(Parts {
            far: client(guard.clone()).https_only(true).build().internal()?,
            near: client(guard.within(Reach::Plain)).build().internal()?,
            guard,
            connect_for,
        })))
    }

    /// Sends the request once and reads the whole answer. A redirect is an answer like any other. Our trace is not told to others.
    pub async fn send(&self, request: Request) -> std::result::Result<Answer, Failure> {
        let span = request.span();
        let answered = self.send_once(request).await;
        tell(&span, &answered);
        answered
    }

    async fn send_once(&self, request: Request) -> std::result::Result<Answer, Failure> {
        let request = request.checked()?;
        let guard = &self.0.guard;
        guard.check_literal(request.url())?;
        let reach = guard.reach_of(request.url());
        let client = if reach == Reach::Far { &self.0.far } else { &self.0.near };
        let sent = client.execute(request).await;
        let response = sent.map_err(|error| reach.named(failure_of(error, None)))?;
        read(response).await
    }

    /// Whether a server may be called at this address, before anybody relies on it. Looked at again with every call.
    pub async fn may_call(&self, url: &Url) -> std::result::Result<(), Failure> {
        let guard = &self.0.guard;
        guard.check_literal(url)?;
        let Some(url::Host::Domain(name)) = url.host() else { return Ok(()) };
        self.looked_up(&guard.within(guard.reach_of(url)), name, 0).await.map(drop)
    }

    /// The addresses of a host that may be called, for what is not HTTP. Connect to these, never to the name.
    pub async fn addresses(&self, host: &str, port: u16) -> std::result::Result<Vec<SocketAddr>, Failure> {
        let guard = &self.0.guard;
        self.looked_up(&guard.within(guard.reach_to(host, port)), host, port).await
    }

    async fn looked_up(
        &self,
        guard: &Guard,
        host: &str,
        port: u16,
    ) -> std::result::Result<Vec<SocketAddr>, Failure> {
        let looked_up = tokio::time::timeout(self.0.connect_for, guard.addresses(host)).await;
        let late = |_elapsed| Failure::NotSent("The name servers did not answer in time.".into());
        match looked_up.map_err(late)? {
            Ok(addresses) => {
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
            }
            Err(error) => Err(match error.downcast::<NotAllowed>() {
                Ok(not_allowed) => Failure::Forbidden(not_allowed.to_string()),
                Err(other) => Failure::NotSent(plain_words(&*other)),
            }),
        }
    }
}

fn tell(span: &Span, answered: &std::result::Result<Answer, Failure>) {
    if span.is_none() {
        return;
    }
    let (status, failure) = match answered {
        Ok(answer) => (Some(answer.status), (answer.status >= 400).then_some("status")),
        Err(failure) => (failure.status(), Some(failure.class())),
    };
    span.record("http.response.status_code", status.map(i64::from));
    if let Some(failure) = failure {
        span.record("error.type", failure).record("otel.status_code", "ERROR");
    }
}

/// Reads the body up to the limit. From the head on the request has surely arrived.
async fn read(mut response: Response) -> std::result::Result<Answer, Failure> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(error, Some(status)))? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            let detail = format!("The answer has more than {ANSWER_MAX_BYTES} bytes.");
            return Err(Failure::Unanswered { status: Some(status), detail });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

fn failure_of(error: reqwest::Error, status: Option<u16>) -> Failure {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(not_allowed) = inner.downcast_ref::<NotAllowed>() {
            return Failure::Forbidden(not_allowed.to_string());
        }
        cause = inner.source();
    }
    match (error.is_connect() || error.is_builder(), error.is_timeout()) {
        (true, true) => Failure::NotSent("No connection in time.".into()),
        (true, false) => Failure::NotSent(plain_words(&error)),
        (false, true) => Failure::Unanswered { status, detail: "No answer in time.".into() },
        (false, false) => Failure::Unanswered { status, detail: plain_words(&error) },
    }
}

/// The innermost cause: the outer ones only say that there is one.
fn plain_words(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text: String = cause.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.chars().take(DETAIL_MAX_CHARS).collect()
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null when it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the other side asks to be left alone: `Retry-After` in seconds or as a date, a day at most.
    pub fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_not_seconds) => {
                let until = DateTime::parse_from_rfc2822(text).ok()?;
                (until.with_timezone(&Utc) - now).to_std().unwrap_or_default()
            }
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}
