//! Traces: what belongs together is one trace across requests, units of work, jobs, the dispatcher and calls of providers; nobody
//! outside decides what belongs together; and nothing of what is said is somebody's.

use serde_json::json;

use crate::{
    fake_providers::{BOT_TOKEN, SECRET, SIGNING_SECRET},
    harness::{
        Server, Settings,
        collector::{CLIENT, Collector, SERVER, Span},
        mailbox::until,
        tenant_on, text,
    },
    sender::{Sender, number},
};

const MESSAGES: &str = "/api/v1/messages";

fn traced(collector: &Collector) -> Settings {
    Settings::default().with("OTLP__ENDPOINT", &collector.endpoint)
}

fn to(number: &str) -> serde_json::Value {
    json!({"channels": ["sms"], "to": {"addresses": [{"address": number}]}, "content": {"text": "Hello there"}})
}

fn in_days(days: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::days(days)).to_rfc3339()
}

fn children<'a>(spans: &'a [Span], of: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent == of.id).collect()
}

/// The try at a provider in this trace, and its call.
async fn call_of(collector: &Collector, trace: &str) -> (Span, Span) {
    let attempt =
        collector.wait("the try", |span| span.name == "dispatch.attempt" && span.trace == trace).await;
    let call = collector.wait("the call", |span| span.parent == attempt.id && span.kind == CLIENT).await;
    (attempt, call)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_trace_from_the_request_to_the_provider() {
    let collector = Collector::start().await;
    let server = Server::own("traces", traced(&collector)).await;
    let sender = Sender::open_on(server).await;
    let answer = sender.api.post(MESSAGES, to(&number(1))).await;
    answer.expect(202);
    let request = collector.request(answer.header("x-request-id")).await;
    assert_eq!((request.kind, request.parent.as_str()), (SERVER, ""), "{request:?}");
    assert_eq!((request.name.as_str(), request.attribute("http.route")), ("POST /api/v1/messages", MESSAGES));
    assert_eq!(request.attribute("http.response.status_code"), "202");
    assert_eq!(
        (request.attribute("tenant"), request.attribute("tenant.id")),
        (sender.tenant.slug.as_str(), sender.tenant.id.as_str())
    );

    let (attempt, call) = call_of(&collector, &request.trace).await;
    assert_eq!(attempt.parent, request.id);
    let of = ["lastmile.provider", "lastmile.channel", "lastmile.attempt", "lastmile.outcome"];
    assert_eq!(of.map(|name| attempt.attribute(name)), ["generic", "sms", "1", "accepted"], "{attempt:?}");
    let of = ["http.request.method", "server.address", "http.response.status_code"];
    assert_eq!(of.map(|name| call.attribute(name)), ["POST", "127.0.0.1", "202"], "{call:?}");
    assert_eq!(call.trace, request.trace);
    // What our trace is called is nobody else's business.
    let (headers, _) = sender.fake.last_request("generic");
    assert!(!headers.contains_key("traceparent") && headers.contains_key("content-type"), "{headers:?}");

    let spans = collector.spans();
    let units: Vec<&Span> =
        children(&spans, &request).into_iter().filter(|span| span.name.starts_with("db.")).collect();
    let wrote = units.iter().find(|span| span.name == "db.write tenant").unwrap();
    let of = ["db.system.name", "db.namespace", "tenant.id", "lastmile.db.runs", "lastmile.db.outcome"];
    let expected = ["postgresql", "tenant", sender.tenant.id.as_str(), "1", "committed"];
    assert_eq!(of.map(|name| wrote.attribute(name)), expected, "{wrote:?}");
    // What lent senders cost, the message with its delivery and place in the queue, and the trail.
    assert_eq!(wrote.attribute("lastmile.db.statements"), "3", "{wrote:?}");
    assert!(wrote.attribute("lastmile.db.wait_us").parse::<u64>().is_ok() && wrote.kind == CLIENT);
    // The turn that took it up is a trace of its own, with the claim in it.
    let turn = collector.wait("the turn", |span| span.name == "dispatch.turn").await;
    assert!(turn.trace != request.trace && attempt.links.contains(&turn.trace), "{attempt:?}");
    collector.wait("the claim", |span| span.parent == turn.id && span.name == "db.write tenant").await;

    let line = until("the line", async || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains(&request.trace) && line.contains("\"request\""));
        line.and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok())
    })
    .await;
    assert_eq!((&line["trace_id"], &line["status"]), (&request.trace.clone().into(), &202.into()), "{line}");
    assert!(server.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_tried_in_their_turn_and_name_who_asked() {
    let collector = Collector::start().await;
    let server = Server::own("tracesbulk", traced(&collector)).await;
    let sender = Sender::open_on(server).await;
    let mut body = to(&number(1));
    body["priority"] = "bulk".into();
    let answer = sender.api.post(MESSAGES, body).await;
    answer.expect(202);
    let request = collector.request(answer.header("x-request-id")).await;
    let attempt = collector.wait("the try", |span| span.name == "dispatch.attempt").await;
    let turn = collector.wait("the turn", |span| span.id == attempt.parent).await;
    assert_eq!((turn.name.as_str(), turn.attribute("lastmile.sent")), ("dispatch.turn", "1"), "{turn:?}");
    assert_eq!(attempt.links, [request.trace]);
    assert!(server.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_in_the_trace_of_its_request() {
    let collector = Collector::start().await;
    let server = Server::own("tracesjobs", traced(&collector)).await;
    let sender = Sender::open_on(server).await;
    let mut body = to(&number(1));
    body["scheduled_at"] = in_days(30).into();
    let answer = sender.api.post(MESSAGES, body).await;
    answer.expect(202);
    let of = format!("tenant_id = '{}' AND kind = 'expand_message'", sender.tenant.id);
    sender.run(&format!("UPDATE public.job SET due_at = now() WHERE {of}")).await;
    let request = collector.request(answer.header("x-request-id")).await;
    let job = collector
        .wait("the job", |span| span.name == "job expand_message" && span.trace == request.trace)
        .await;
    assert_eq!(job.parent, request.id);
    let of = ["lastmile.job.kind", "lastmile.job.attempt", "lastmile.outcome", "tenant.id"];
    assert_eq!(of.map(|name| job.attribute(name)), ["expand_message", "1", "done", &sender.tenant.id]);
    collector.wait("its unit", |span| span.parent == job.id && span.name == "db.write tenant").await;
    let (attempt, _) = call_of(&collector, &request.trace).await;
    assert_eq!(attempt.parent, request.id, "the message keeps the trace that asked for it");
    assert!(server.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standing_job_names_the_request_that_called_it() {
    let collector = Collector::start().await;
    let server = Server::own("tracescalls", traced(&collector)).await;
    let tenant = tenant_on(server).await;
    let client = crate::harness::sql(&server.database).await;
    let of = format!("tenant_id = '{}' AND kind = 'api_keys.expiry'", tenant.id);
    let idle = format!("SELECT due_at > now() AND leased_until IS NULL FROM public.job WHERE {of}");
    // One that is due already would only be held.
    until("the job to rest", async || client.query_opt(&idle, &[]).await.unwrap().filter(|row| row.get(0)))
        .await;
    let body = json!({"name": "Till", "scopes": ["staff.read"], "expires_at": in_days(5)});
    let answer = tenant.api().await.post("/api/v1/api-keys", body).await;
    answer.expect(201);
    let request = collector.request(answer.header("x-request-id")).await;
    let job =
        collector.wait("the job", |span| span.name == "job api_keys.expiry" && !span.links.is_empty()).await;
    assert_eq!(job.links, [request.trace.as_str()]);
    assert!(job.trace != request.trace && job.parent.is_empty(), "{job:?}");
    // It forgets who called when it has done what it was called for.
    let kept = format!("SELECT traceparent FROM public.job WHERE {of}");
    until("the call to be forgotten", async || {
        let row = client.query_one(&kept, &[]).await.unwrap();
        row.get::<_, Option<String>>(0).is_none().then_some(())
    })
    .await;
    assert!(server.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_trusted_proxy_says_which_trace_a_request_belongs_to() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    let begun = format!("00-{TRACE}-{SPAN}-01");
    let collector = Collector::start().await;
    let server = Server::own("traceparents", traced(&collector)).await;
    let tenant = tenant_on(server).await;
    let foreign = tenant.anonymous().header("traceparent", &begun);
    let answer = foreign.get("/api/v1/me").await;
    let span = collector.request(answer.header("x-request-id")).await;
    assert!(span.trace != TRACE && span.parent.is_empty(), "{span:?}");

    // Behind a proxy, with nothing sampled that does not come sampled.
    let settings = traced(&collector).with("TRUSTED_PROXIES", "[\"127.0.0.1/32\"]").with("OTLP__SAMPLE", "0");
    let behind = server.sibling(settings);
    let silent = tenant.anonymous().to(behind.address).get("/api/v1/me").await;
    let unwanted = begun.replace("-01", "-00");
    let declined = tenant.anonymous().to(behind.address).header("traceparent", &unwanted);
    let declined = declined.get("/api/v1/me").await;
    let garbled = tenant.anonymous().to(behind.address).header("traceparent", "00-1-2-01");
    let garbled = garbled.get("/api/v1/me").await;
    let answer = foreign.to(behind.address).get("/api/v1/me").await;
    let span = collector.request(answer.header("x-request-id")).await;
    assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, SPAN), "{span:?}");
    assert!(behind.terminate());
    // It has sent all that it had.
    for other in [&silent, &declined, &garbled] {
        let id = other.header("x-request-id");
        assert!(!collector.spans().iter().any(|span| span.attribute("request_id") == id), "{id}");
    }
    // Where nothing is collected, a line names its trace all the same.
    let line =
        behind.log().lines().find(|line| line.contains(declined.header("x-request-id"))).map(str::to_owned);
    assert!(line.unwrap().contains(TRACE));
    assert!(server.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_span_tells_what_is_somebodys() {
    let collector = Collector::start().await;
    let server = Server::own("tracesecrets", traced(&collector)).await;
    let sender = Sender::open_on(server).await;
    // A provider with its credential in the path of each call, and a defect with an address in it.
    sender.connect("telegram").await;
    let refused = number(2);
    sender.fake.refuse("generic", &refused, "recipient");
    let message = sender.send(&[&number(1), &refused], "Words of our own").await;
    sender.until(&message, "failed", 1).await;
    sender.until(&message, "accepted", 1).await;
    sender.api.get("/api/v1/customers?q=ann%40people.example").await.expect_status(200);
    sender.run("ALTER TABLE area RENAME TO elsewhere").await;
    let broken = sender.api.get("/api/v1/areas?q=ann%40people.example").await;
    broken.expect_status(500);
    let defect = collector.request(broken.header("x-request-id")).await;
    assert!(defect.has_failed);
    let failed = collector
        .wait("the refusal", |span| {
            span.name == "dispatch.attempt" && span.attribute("lastmile.outcome") == "refused"
        })
        .await;
    assert_eq!((failed.has_failed, failed.attribute("error.type")), (true, "recipient"), "{failed:?}");
    assert!(server.terminate());
    let spans = collector.spans();
    assert!(spans.iter().filter(|span| span.name == "POST" && span.kind == CLIENT).count() >= 3);
    assert!(spans.iter().all(|span| span.events == 0), "lines of the log are not for collectors");
    let told = format!("{spans:?}");
    let mine = [
        number(1),
        refused,
        SECRET.into(),
        SIGNING_SECRET.into(),
        BOT_TOKEN.into(),
        "/telegram".into(),
        "/generic".into(),
        "/bot".into(),
        "people.example".into(),
        "Words of our own".into(),
        "SELECT".into(),
        sender.schema.clone(),
        sender.tenant.owner_email.clone(),
    ];
    for hidden in mine {
        let at = spans.iter().find(|span| format!("{span:?}").contains(&hidden));
        assert!(!told.contains(&hidden), "{hidden}: {at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_while_nobody_collects() {
    let sender = Sender::open().await;
    let mut body = to(&number(1));
    body["scheduled_at"] = in_days(30).into();
    let answer = sender.api.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let message = text(&answer.post(MESSAGES, body).await.expect(202), "/id");
    let of = format!("SELECT count(*) || ' ' || count(traceparent) FROM message WHERE id = '{message}'");
    assert_eq!(sender.ask(&of).await, "1 0");
    let of = format!(
        "SELECT count(*) || ' ' || count(traceparent) FROM public.job WHERE subject_id = '{message}'"
    );
    assert_eq!(sender.ask(&of).await, "1 0");
}
