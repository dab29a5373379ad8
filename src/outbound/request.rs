//! A request as data: made without a connection, compared in tests, and silent about its secrets.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use tracing::{Span, field::Empty};
use url::Url;

use super::Failure;
use crate::trace::span;

/// One request. Only method and host are ever shown: a path or a header may be a credential.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    is_odd: bool,
}

impl Request {
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn head(url: Url) -> Self {
        Self::new(Method::HEAD, url)
    }

    pub fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), is_odd: false }
    }

    /// `base` with segments behind its path. Each becomes exactly one segment, whatever is in it.
    pub fn url_below(base: &Url, segments: &[&str]) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_not_a_header) => self.is_odd = true,
        }
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn basic(self, user: &str, password: &str) -> Self {
        let both = STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", &format!("Basic {both}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into())
    }

    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.bytes("application/x-www-form-urlencoded", body.into())
    }

    /// A span of this call: of the address it has the host alone.
    pub(super) fn span(&self) -> Span {
        span!(
            "http",
            otel.name = self.method.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = self.method.as_str(),
            server.address = self.url.host_str(),
            server.port = self.url.port_or_known_default().map(i64::from),
            http.response.status_code = Empty,
            error.type = Empty,
        )
    }

    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    pub fn bytes(mut self, content_type: &str, body: Bytes) -> Self {
        match HeaderValue::from_str(content_type) {
            Ok(value) => {
                self.headers.insert(CONTENT_TYPE, value);
            }
            Err(_not_a_header) => self.is_odd = true,
        }
        self.body = body;
        self
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The request as the client takes it. Names and passwords in the address itself are refused: they end up in places
    /// that do not know them for what they are.
    pub(super) fn checked(self) -> Result<reqwest::Request, Failure> {
        let forbidden = |detail: &str| Err(Failure::Forbidden(detail.to_owned()));
        if !matches!(self.url.scheme(), "https" | "http") || !self.url.has_host() {
            return forbidden("Only https addresses can be called.");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return forbidden("An address with a name or a password in it is not called.");
        }
        if self.is_odd {
            return forbidden("A credential holds a character that cannot be sent.");
        }
        let mut request = reqwest::Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        if !self.body.is_empty() || request.method() == Method::POST {
            *request.body_mut() = Some(self.body.into());
        }
        Ok(request)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.url.host_str().unwrap_or_default())
    }
}
