//! A client of the API: speaks to the server's address and names the host itself.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

/// An answer that takes longer is none: the test fails and says of what.
const LONGEST: Duration = Duration::from_secs(180);

/// Requests to one host with one credential.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    address: SocketAddr,
    host: String,
    headers: Vec<(String, String)>,
}

/// An answer, read whole; of a stream, which has no end, only its head.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// `GET /path`, for messages.
    pub of: String,
}

impl Api {
    pub fn new(address: SocketAddr, host: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Well before the server lets go of a connection that nobody uses.
            .pool_idle_timeout(Duration::from_secs(20))
            .timeout(LONGEST)
            .build()
            .unwrap();
        Self { http, address, host: host.to_owned(), headers: Vec::new() }
    }

    pub fn header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same requests to another server.
    pub fn to(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    pub fn bearer(&self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// The same requests with this credential in the place of whatever they had.
    pub fn only_bearer(&self, credential: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(name, _)| name != "authorization");
        other.bearer(credential)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None::<&str>, Vec::new()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None::<&str>, Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    pub async fn json(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(method, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// The status alone, or none when the server went away before it answered.
    pub async fn try_post(&self, path: &str, body: Value) -> Option<u16> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.post(url).header("host", &self.host).json(&body);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.request(method.clone(), url).header("host", &self.host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type).body(body);
        }
        let of = format!("{method} {path}");
        let response = sent(request).await.unwrap_or_else(|error| panic!("{of}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream { Vec::new() } else { response.bytes().await.unwrap().to_vec() };
        Answer { status, headers, body, of }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} answered {}", self.of, self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} answered {}", self.of, self.text());
        self
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        self.expect_status(status);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// A refusal with this status and this code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{} answered {body}", self.of);
        assert_eq!(self.header("content-type"), "application/problem+json");
        body
    }

    /// The fields that a 422 names, sorted.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        let body = self.expect(422);
        let mut fields: Vec<String> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|wrong| wrong["field"].as_str().unwrap().to_owned())
            .collect();
        fields.sort();
        fields
    }
}

/// Sends a request. A server that refuses a large body answers before it has read it all, and hangs up: on a busy machine the client
/// may meet the closed connection before it has seen the answer, and asks again.
async fn sent(request: reqwest::RequestBuilder) -> reqwest::Result<reqwest::Response> {
    let is_hung_up = |error: &reqwest::Error| format!("{error:?}").contains("BrokenPipe");
    for _ in 0..5 {
        match request.try_clone().unwrap().send().await {
            Err(error) if is_hung_up(&error) => {}
            other => return other,
        }
    }
    request.send().await
}
