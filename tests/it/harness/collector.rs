//! A collector of traces: takes spans by OTLP over gRPC and keeps them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::Span as Told,
};
use prost::Message;
use tokio::net::TcpListener;

use super::mailbox::until;

/// The kinds of spans.
pub const SERVER: i32 = 2;
pub const CLIENT: i32 = 3;

/// A span that came.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty: it begins its trace.
    pub parent: String,
    pub name: String,
    pub kind: i32,
    pub attributes: BTreeMap<String, String>,
    /// The traces that it names as its causes.
    pub links: Vec<String>,
    pub events: usize,
    pub has_failed: bool,
}

impl Span {
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// It ends when this is dropped.
pub struct Collector {
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let kept = kept.clone();
                tokio::spawn(async move {
                    let take = service_fn(move |request| take(kept.clone(), request));
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // Whoever exports hangs up when it ends.
                    drop(http2.serve_connection(TokioIo::new(stream), take).await);
                });
            }
        });
        Self { endpoint, spans, task }
    }

    /// All that came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// The span of a request.
    pub async fn request(&self, id: &str) -> Span {
        until("the span of a request", async || {
            self.spans().into_iter().find(|span| span.attribute("request_id") == id)
        })
        .await
    }

    /// The first span that fits.
    pub async fn wait(&self, what: &str, fits: impl Fn(&Span) -> bool) -> Span {
        until(what, async || self.spans().into_iter().find(|span| fits(span))).await
    }
}

async fn take(
    kept: Arc<Mutex<Vec<Span>>>,
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    // Each message has one byte of flags and four of its length in front.
    let told = ExportTraceServiceRequest::decode(body.slice(5..)).unwrap();
    let spans = told.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
    kept.lock().unwrap().extend(spans.map(span_of));
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let answer = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
    Ok(Response::builder().header("content-type", "application/grpc").body(answer).unwrap())
}

fn span_of(told: Told) -> Span {
    let attributes = told.attributes.into_iter().map(|pair| (pair.key, text_of(pair.value)));
    Span {
        trace: hex(&told.trace_id),
        id: hex(&told.span_id),
        parent: hex(&told.parent_span_id),
        name: told.name,
        kind: told.kind,
        attributes: attributes.collect(),
        links: told.links.iter().map(|link| hex(&link.trace_id)).collect(),
        events: told.events.len(),
        has_failed: told.status.is_some_and(|status| status.code == 2),
    }
}

fn text_of(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        // A number that is told as text is no number to a collector.
        Some(Value::StringValue(text)) if text.parse::<i64>().is_ok() => format!("text {text}"),
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(n)) => n.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        Some(Value::DoubleValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
