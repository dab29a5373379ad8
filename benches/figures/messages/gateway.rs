//! A provider on this machine: answers each message after five milliseconds, and notes when it came.
//!
//! Tenants reach it as a gateway of their own. To the queues that ours is held against it is the provider, too.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What a provider takes for an answer.
pub const ANSWERS_AFTER: Duration = Duration::from_millis(5);
/// Behind this mark a message says when it was asked for, in microseconds of the gateway's own clock.
const MARK: &[u8] = b"#t=";

/// It runs until its process ends.
pub struct Gateway {
    pub address: SocketAddr,
    heard: Arc<Heard>,
}

struct Heard {
    began: Instant,
    posts: AtomicU64,
    under_way: AtomicU64,
    most_under_way: AtomicU64,
    /// By path: from the moment that a message names to its arrival here.
    waits: Mutex<HashMap<String, Vec<Duration>>>,
}

impl Gateway {
    pub async fn open(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .unwrap_or_else(|error| panic!("no gateway at {address}: {error}"));
        let address = listener.local_addr().expect("a bound socket has an address");
        let heard = Arc::new(Heard {
            began: Instant::now(),
            posts: AtomicU64::default(),
            under_way: AtomicU64::default(),
            most_under_way: AtomicU64::default(),
            waits: Mutex::default(),
        });
        let served = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let heard = served.clone();
                let answer = service_fn(move |request| answer(heard.clone(), request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, heard }
    }

    pub fn url_of(&self, slug: &str) -> String {
        format!("http://{}/{slug}", self.address)
    }

    /// What a message says at its end, so that its way can be timed.
    pub fn mark(&self) -> String {
        format!("#t={}", self.heard.began.elapsed().as_micros())
    }

    pub fn posts(&self) -> u64 {
        self.heard.posts.load(Relaxed)
    }

    pub fn forget(&self) {
        self.heard.forget();
    }

    /// How many messages of each tenant came.
    pub fn counts(&self) -> HashMap<String, usize> {
        self.heard.waits().iter().map(|(path, waits)| (path.clone(), waits.len())).collect()
    }

    /// How long the tenant's messages took from being asked for until they were here.
    pub fn waits_of(&self, slug: &str) -> Vec<Duration> {
        self.heard.waits().get(slug).cloned().unwrap_or_default()
    }
}

impl Heard {
    fn waits(&self) -> MutexGuard<'_, HashMap<String, Vec<Duration>>> {
        self.waits.lock().expect("nobody panics with it")
    }

    fn forget(&self) {
        self.posts.store(0, Relaxed);
        self.most_under_way.store(0, Relaxed);
        self.waits().clear();
    }

    fn note(&self, path: &str, body: &[u8]) {
        let now = self.began.elapsed();
        let marked = body.windows(MARK.len()).position(|bytes| bytes == MARK).map(|at| at + MARK.len());
        let asked = marked
            .and_then(|at| {
                let digits: Vec<u8> = body[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
                String::from_utf8(digits).ok()?.parse().ok()
            })
            .map_or(now, Duration::from_micros);
        let name = path.trim_matches('/');
        let mut waits = self.waits();
        match waits.get_mut(name) {
            Some(known) => known.push(now.saturating_sub(asked)),
            None => drop(waits.insert(name.to_owned(), vec![now.saturating_sub(asked)])),
        }
    }
}

async fn answer(heard: Arc<Heard>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        if request.uri().path() == "/reset" {
            heard.forget();
        }
        return Ok(json(format!(
            "{{\"posts\":{},\"max_inflight\":{}}}",
            heard.posts.load(Relaxed),
            heard.most_under_way.load(Relaxed)
        )));
    }
    let now = heard.under_way.fetch_add(1, Relaxed) + 1;
    heard.most_under_way.fetch_max(now, Relaxed);
    let path = request.uri().path().to_owned();
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    heard.note(&path, &body);
    tokio::time::sleep(ANSWERS_AFTER).await;
    let n = heard.posts.fetch_add(1, Relaxed) + 1;
    heard.under_way.fetch_sub(1, Relaxed);
    Ok(json(format!("{{\"id\":\"gw-{n}\",\"status\":\"queued\"}}")))
}

fn json(body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("an answer of our own")
}
