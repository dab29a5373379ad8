//! HTTP by hand, because most of what is tested is how it breaks.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{Fake, Fault, SECRET, State, Taken, calls, mobile, money, social, texting};

const HUGE_BYTES: usize = 10 * 1024 * 1024;

/// A request, read whole.
pub struct Asked {
    pub method: String,
    /// Behind the provider's name.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        if !self.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return BTreeMap::new();
        }
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub fn is(&self, method: &str, path: &[&str]) -> bool {
        self.method == method && self.path == path
    }

    pub fn has_basic(&self, user: &str, password: &str) -> bool {
        self.header("authorization") == format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    pub fn has_bearer(&self, token: &str) -> bool {
        self.header("authorization") == format!("Bearer {token}")
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string().into(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// What a provider makes of a call.
pub enum Verdict {
    Answer(Answer),
    /// A message that it would take, and what it would say.
    Accept(Taken, Answer),
}

pub fn refuse(status: u16, body: Value) -> Verdict {
    Verdict::Answer(Answer::json(status, body))
}

pub async fn start(address: &str) -> Fake {
    let listener = TcpListener::bind(address).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(State::default());
    state.url.lock().unwrap().clone_from(&url);
    let served = state.clone();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            while connections.try_join_next().is_some() {}
            let state = served.clone();
            connections.spawn(async move {
                let answer = service_fn(move |request| answer(state.clone(), request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                // A fault ends a connection with an error: that is its purpose.
                drop(connection.await);
            });
        }
    });
    Fake { url, state, task }
}

/// An error hangs up without an answer.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let asked = read(request).await;
    let Some((kind, path)) = asked.path.split_first().map(|(kind, path)| (kind.clone(), path.to_vec()))
    else {
        return respond(Answer::json(404, json!({})));
    };
    let asked = Asked { path, ..asked };
    if kind == "_" {
        return respond(calls::control(&state, &asked).await);
    }
    let is_token = kind == "fcm" && asked.path == ["token"];
    let counted = if is_token { "fcm_token".to_owned() } else { kind.clone() };
    *state.inner().calls.entry(counted).or_default() += 1;
    let seen = (asked.headers.clone(), String::from_utf8_lossy(&asked.body).into_owned());
    state.inner().last.insert(kind.clone(), seen);
    let verdict = match kind.as_str() {
        "hubtel" => texting::hubtel(&state, &asked),
        "clicksend" => texting::clicksend(&state, &asked),
        "twilio" | "twilio_whatsapp" => texting::twilio(&state, &kind, &asked),
        "generic" => texting::generic(&state, &asked),
        "paystack" => money::paystack(&state, &asked),
        "paymongo" => money::paymongo(&state, &asked),
        "captcha" => captcha(&state, &asked),
        "checkout" => money::checkout(&state, &asked),
        "sendgrid" => mobile::sendgrid(&state, &asked),
        "fcm" => mobile::fcm(&state, &asked),
        "telegram" => social::telegram(&state, &asked),
        "whatsapp_cloud" => social::whatsapp(&state, &asked),
        "instagram" => social::instagram(&state, &asked),
        _ => refuse(404, json!({"error": "no such provider here"})),
    };
    match verdict {
        Verdict::Answer(answer) => respond(answer),
        Verdict::Accept(taken, answer) => take(&state, &kind, taken, answer).await,
    }
}

/// A service that knows people: the token of one is `person`.
fn captcha(state: &State, asked: &Asked) -> Verdict {
    if state.is_revoked("captcha") {
        return refuse(500, json!({}));
    }
    let form = asked.form();
    let is_ours = form.get("secret").is_some_and(|secret| secret == SECRET);
    let is_person = is_ours && form.get("response").is_some_and(|token| token == "person");
    Verdict::Answer(Answer::json(200, json!({"success": is_person, "error-codes": []})))
}

/// Accepts a message, or lets it fare as was scripted.
async fn take(
    state: &State,
    kind: &str,
    mut taken: Taken,
    answer: Answer,
) -> Result<Response<Full<Bytes>>, Cut> {
    let delay = state.inner().delays.get(kind).copied();
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let fault = state.inner().faults.get_mut(kind).and_then(VecDeque::pop_front);
    let scripted = state.refusal_of(kind, &taken.to);
    let Some(fault) = fault.or(scripted.map(|code| Fault::Code { code })) else {
        taken.was_answered = true;
        state.inner().taken.push(taken);
        return respond(answer);
    };
    if fault.accepts() {
        state.inner().taken.push(taken);
    }
    match fault {
        Fault::ErrorBody => respond(Answer { status: answer.status, ..refusal(kind, "", answer.status) }),
        Fault::Status { status, retry_after } => {
            let refused = refusal(kind, "", status);
            respond(match retry_after {
                Some(seconds) => refused.with("retry-after", seconds),
                None => refused,
            })
        }
        Fault::Code { code } => respond(refusal(kind, &code, 0)),
        Fault::Hang => std::future::pending().await,
        Fault::Cut => Err(Cut),
        Fault::Garbage => respond(Answer {
            status: answer.status,
            headers: vec![("content-type", "text/html".into())],
            body: b"<html>\xff\xfe it works".to_vec(),
        }),
        Fault::Huge => {
            respond(Answer { status: answer.status, headers: Vec::new(), body: vec![b'x'; HUGE_BYTES] })
        }
        Fault::Redirect => {
            let there = "http://169.254.169.254/latest/meta-data/";
            respond(Answer::json(302, json!({})).with("location", there))
        }
    }
}

/// The provider's words for a refusal: by its own code, or for a status.
fn refusal(kind: &str, code: &str, status: u16) -> Answer {
    match kind {
        "hubtel" => texting::hubtel_refusal(code, status),
        "clicksend" => texting::clicksend_refusal(code, status),
        "twilio" | "twilio_whatsapp" => texting::twilio_refusal(code, status),
        "generic" => texting::generic_refusal(code, status),
        "sendgrid" => mobile::sendgrid_refusal(code, status),
        "fcm" => mobile::fcm_refusal(code, status),
        "telegram" => social::telegram_refusal(code, status),
        _ => social::meta_refusal(code, status),
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let path = head.uri.path().split('/').skip(1).filter(|part| !part.is_empty());
    let decoded = |part: &str| {
        let fixed = part.replace('+', "%2B");
        url::form_urlencoded::parse(format!("v={fixed}").as_bytes()).next().unwrap().1.into_owned()
    };
    Asked {
        method: head.method.to_string(),
        path: path.map(decoded).collect(),
        query: url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.collect().await.map(|whole| whole.to_bytes().to_vec()).unwrap_or_default(),
    }
}

fn respond(answer: Answer) -> Result<Response<Full<Bytes>>, Cut> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(answer.body.into())).unwrap())
}

/// Hangs up.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
