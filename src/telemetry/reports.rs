//! Error reports to a Sentry: what this program logs as an error, in the envelope protocol, scrubbed.
//!
//! Only fields that are named here leave the process, and what looks like an address, a number of somebody's or a secret is taken out
//! of their text. No body, header, query string or path is ever part of a report. Reports wait in a short queue; a Sentry that is
//! away loses them and holds nobody up.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};
use url::Url;
use uuid::Uuid;

use crate::{
    config::{OutboundSettings, Settings},
    error::{Error, Result},
    outbound::{Answer, Outbound, Request},
};

const WAITING_MAX: usize = 100;
const EACH_MINUTE: u32 = 60;
const TEXT_MAX_CHARS: usize = 500;
const CLIENT: &str = concat!("lastmile/", env!("CARGO_PKG_VERSION"));
/// What may be told of an error, besides what it says.
const TOLD: [&str; 9] =
    ["request_id", "tenant", "account", "work", "kind", "mail", "lost", "provider", "location"];

/// Where reports go: a DSN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dsn {
    url: Url,
    key: String,
}

impl Dsn {
    /// `https://KEY@sentry.example.net/7`
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid("errors.dsn", "bad_dsn", "errors.dsn is https://KEY@sentry.example.net/PROJECT.")
        };
        let mut url = Url::parse(text).map_err(|_odd| wrong())?;
        let key = url.username().to_owned();
        let (before, project) = url.path().trim_end_matches('/').rsplit_once('/').ok_or_else(wrong)?;
        let is_whole = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && !key.is_empty()
            && !project.is_empty()
            && project.bytes().all(|b| b.is_ascii_digit());
        if !is_whole {
            return Err(wrong());
        }
        let path = format!("{before}/api/{project}/envelope/");
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong())?;
        Ok(Self { url, key })
    }
}

/// One error, as it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    logger: String,
    text: String,
    tags: BTreeMap<&'static str, String>,
}

/// The layer that listens to errors.
pub(super) struct Listening {
    queue: mpsc::Sender<Report>,
}

/// Begins to report as the settings say; None where nobody wants reports. Inside a runtime.
pub(super) fn begin(settings: &Settings) -> Result<Option<(Listening, JoinHandle<()>)>> {
    let Some(dsn) = &settings.errors.dsn else { return Ok(None) };
    let dsn = Dsn::parse(secrecy::ExposeSecret::expose_secret(dsn))?;
    // The operator chose this address: it may lie in a network of their own.
    let everywhere: Vec<IpNet> = ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).collect();
    let outbound =
        Outbound::new(&OutboundSettings { allowed_networks: everywhere, ..settings.outbound.clone() })?;
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let sender = Sender {
        dsn,
        outbound,
        environment: settings.environment.clone(),
        resting_until: None,
        minute: (Instant::now(), 0),
    };
    Ok(Some((Listening { queue }, tokio::spawn(sender.run(waiting)))))
}

impl<S: Subscriber> Layer<S> for Listening {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || !is_ours(metadata) {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        // Whoever makes more errors than are taken makes the same ones again.
        drop(self.queue.try_send(said.report(metadata.target())));
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "lastmile" || metadata.target().starts_with("lastmile::")
}

/// The fields of an event that may be told.
#[derive(Default)]
struct Said {
    message: String,
    error: String,
    tags: BTreeMap<&'static str, String>,
}

impl Said {
    fn take(&mut self, name: &'static str, value: String) {
        match name {
            "message" => self.message = value,
            "error" => self.error = scrubbed(&value),
            name if TOLD.contains(&name) => {
                self.tags.insert(name, value.chars().take(TEXT_MAX_CHARS).collect());
            }
            _ => {}
        }
    }

    fn report(self, target: &str) -> Report {
        let message = scrubbed(&self.message);
        let text = if self.error.is_empty() { message } else { format!("{message}: {}", self.error) };
        Report { logger: target.to_owned(), text, tags: self.tags }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), format!("{value:?}"));
    }
}

/// The text without what may be somebody's: whatever stands in quotes or brackets (values of rows, mostly), mail addresses, numbers of
/// five digits and more, queries of addresses, and words that look like secrets.
fn scrubbed(text: &str) -> String {
    let plain = without_quoted(text.split("DETAIL").next().unwrap_or_default());
    let words = plain.split_whitespace().map(|word| match word {
        word if word.contains('@') => "[address]".to_owned(),
        word if word.bytes().filter(u8::is_ascii_digit).count() >= 5 => "[number]".to_owned(),
        word if is_secret(word) => "[secret]".to_owned(),
        word => word.split('?').next().unwrap_or_default().to_owned(),
    });
    words.collect::<Vec<_>>().join(" ").chars().take(TEXT_MAX_CHARS).collect()
}

fn is_secret(word: &str) -> bool {
    word.len() >= 24 && !word.contains('/') && !word.contains("::") && !word.contains('_')
        || word.starts_with("lm_")
}

/// Quoted pieces become `[..]`.
fn without_quoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut closes: Option<char> = None;
    for c in text.chars() {
        match (closes, c) {
            (Some(close), c) if c == close => {
                closes = None;
                plain.push_str("[..]");
            }
            (Some(_), _) => {}
            (None, '"' | '`') => closes = Some(c),
            (None, '(') => closes = Some(')'),
            (None, c) => plain.push(c),
        }
    }
    if closes.is_some() {
        plain.push_str("[..]");
    }
    plain
}

/// Sends what waits.
struct Sender {
    dsn: Dsn,
    outbound: Outbound,
    environment: String,
    /// Set when the other side asked to be left alone.
    resting_until: Option<Instant>,
    /// How many were sent in the minute that began then.
    minute: (Instant, u32),
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Report>) {
        while let Some(report) = waiting.recv().await {
            if self.may_send() {
                self.send(&report).await;
            }
        }
    }

    fn may_send(&mut self) -> bool {
        let now = Instant::now();
        if self.resting_until.is_some_and(|until| now < until) {
            return false;
        }
        if self.minute.0.elapsed() >= Duration::from_secs(60) {
            self.minute = (now, 0);
        }
        self.minute.1 += 1;
        self.minute.1 <= EACH_MINUTE
    }

    async fn send(&mut self, report: &Report) {
        let auth = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={}", self.dsn.key);
        let request = Request::post(self.dsn.url.clone())
            .header("x-sentry-auth", &auth)
            .bytes("application/x-sentry-envelope", envelope(report, &self.environment));
        match self.outbound.send(request).await {
            Ok(answer) if answer.is_success() => {}
            Ok(answer) => {
                self.resting_until = rest_of(&answer);
                tracing::warn!(status = answer.status, "an error report was refused");
            }
            Err(failure) => tracing::warn!(reason = failure.detail(), "an error report was not sent"),
        }
    }
}

fn rest_of(answer: &Answer) -> Option<Instant> {
    let asked = answer.retry_after(Utc::now());
    let wait = if answer.status == 429 { asked.or(Some(Duration::from_secs(60))) } else { asked };
    wait.map(|wait| Instant::now() + wait)
}

/// Three lines: of the envelope, of its one item, and the item.
fn envelope(report: &Report, environment: &str) -> Bytes {
    let id = Uuid::new_v4().simple().to_string();
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let event: Value = json!({
        "event_id": id,
        "timestamp": now,
        "platform": "other",
        "level": "error",
        "logger": report.logger,
        "release": CLIENT.replace('/', "@"),
        "environment": environment,
        "message": {"formatted": report.text},
        "tags": report.tags,
        "sdk": {"name": "lastmile", "version": env!("CARGO_PKG_VERSION")},
    });
    let item = event.to_string();
    let head = json!({"event_id": id, "sent_at": now});
    let of_item = json!({"type": "event", "length": item.len(), "content_type": "application/json"});
    format!("{head}\n{of_item}\n{item}\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_says_where_and_as_whom() {
        let dsn = Dsn::parse("https://abc123@sentry.example.net/sub/7").unwrap();
        assert_eq!(dsn.url.as_str(), "https://sentry.example.net/sub/api/7/envelope/");
        assert_eq!(dsn.key, "abc123");
        assert_eq!(Dsn::parse("http://k@127.0.0.1:9/1").unwrap().url.port(), Some(9));
        for wrong in [
            "",
            "sentry",
            "https://sentry.example.net/7",
            "https://k@host/",
            "ftp://k@host/7",
            "https://k@h/x",
        ] {
            assert!(Dsn::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_be_somebodys_is_taken_out() {
        for (text, left) in [
            (
                "duplicate key value violates unique constraint \"customer_email_key\"",
                "duplicate key value violates unique constraint [..]",
            ),
            ("db error: ERROR: x DETAIL: Key (email)=(ann@isp.example) exists", "db error: ERROR: x"),
            ("no letter to ann@isp.example now", "no letter to [address] now"),
            ("called +639171234567 twice", "called [number] twice"),
            ("GET /pay?token=abc failed", "GET /pay failed"),
            ("token eyJhbGciOiJSUzI1NiJ9XeyJzdWIi refused", "token [secret] refused"),
            ("lm_live_short refused", "[secret] refused"),
            ("invalid digit (Ann Cruz", "invalid digit [..]"),
        ] {
            assert_eq!(scrubbed(text), left, "{text}");
        }
        assert!(scrubbed(&"word ".repeat(500)).chars().count() <= TEXT_MAX_CHARS);
    }

    #[test]
    fn fields_that_nobody_named_stay_here() {
        let mut said = Said::default();
        for (name, value) in [
            ("message", "a defect"),
            ("error", "relation \"x\" does not exist"),
            ("request_id", "019a"),
            ("path", "/my/join"),
            ("authorization", "Bearer x"),
            ("body", "{}"),
        ] {
            said.take(name, value.to_owned());
        }
        let report = said.report("lastmile::app::front");
        assert_eq!(report.text, "a defect: relation [..] does not exist");
        assert_eq!(report.tags.keys().copied().collect::<Vec<_>>(), ["request_id"]);
    }

    #[test]
    fn an_envelope_is_three_lines_and_says_how_long_the_last_is() {
        let report = Report { logger: "lastmile".into(), text: "x".into(), tags: BTreeMap::new() };
        let bytes = envelope(&report, "test");
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let of = |n: usize| serde_json::from_str::<Value>(lines[n]).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(of(1)["length"].as_u64().unwrap(), lines[2].len() as u64);
        assert_eq!(of(0)["event_id"], of(2)["event_id"]);
        assert_eq!(of(2)["message"]["formatted"], "x");
    }
}
