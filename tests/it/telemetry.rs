//! What those who run it are told: metrics without tenants, log lines with them, traces.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Server, Settings, tenant_on};

/// The log line whose message is this.
fn logged(server: &Server, message: &str) -> Vec<Value> {
    let log = server.log();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["message"] == message)
        .collect()
}

#[tokio::test]
async fn metrics_count_by_route_and_never_name_a_tenant() {
    let server = Server::own("metrics", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    for _ in 0..3 {
        api.get("/api/v1/me").await.expect_status(200);
    }
    tenant.anonymous().get("/api/v1/me").await.expect_status(401);
    let address = logged(server, "metrics are served")[0]["address"].as_str().unwrap().to_owned();
    let text = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    let value = |name: &str, labels: &[&str]| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let me = |status: &str| {
        let all =
            text.lines().filter(|l| l.starts_with("lastmile_http_requests_total") && l.contains(status));
        all.filter(|l| l.contains("method=\"GET\"")).count()
    };
    assert!(me("status=\"200\"") >= 1 && me("status=\"401\"") >= 1, "{text}");
    assert!(text.contains("lastmile_http_request_duration_seconds_bucket"), "{text}");
    assert_eq!(value("lastmile_tenants", &["status=\"active\""]), Some(1.0), "{text}");
    assert_eq!(value("lastmile_migrations_behind", &[]), Some(0.0), "{text}");
    assert!(value("lastmile_schema_pool_ready", &[]).is_some(), "{text}");
    assert!(value("lastmile_db_pool_size", &["pool=", "_control"]).is_some_and(|n| n >= 1.0), "{text}");
    for secret in [&tenant.slug, &tenant.id, &tenant.schema().await] {
        assert!(!text.contains(secret.as_str()), "{secret} is in the metrics");
    }
    // The main port has no metrics.
    tenant.anonymous().get("/metrics").await.expect_status(404);
    assert!(server.terminate());
}

#[tokio::test]
async fn a_request_is_one_line_with_its_id_and_its_tenant() {
    let server = Server::own("loglines", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let answer =
        tenant.anonymous().header("user-agent", "x\u{9b}31mfoo").get("/api/v1/me?secret=hunter2").await;
    let id = answer.header("x-request-id").to_owned();
    let began = Instant::now();
    let line = loop {
        if let Some(line) = logged(server, "request").into_iter().find(|line| line["request_id"] == id) {
            break line;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "no line of request {id}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        (&line["tenant"], &line["status"], &line["method"]),
        (&tenant.slug.clone().into(), &401.into(), &"GET".into())
    );
    assert!(line["micros"].as_u64().unwrap() > 0);
    assert!(!server.log().contains("hunter2"));
    // Whoever is known is in the line, too, by kind and id alone.
    let answer = tenant.api().await.get("/api/v1/me").await;
    let line = crate::harness::mailbox::until("the owner's line", async || {
        logged(server, "request").into_iter().find(|line| line["request_id"] == answer.header("x-request-id"))
    })
    .await;
    assert_eq!(
        (&line["actor"], &line["actor_id"]),
        (&"staff".into(), &tenant.owner_id.clone().into()),
        "{line}"
    );
    assert!(server.terminate());
}

#[tokio::test]
async fn lines_go_into_a_daily_file_when_there_is_a_folder() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = crate::harness::database("logdir").await;
    let mut child = crate::harness::program(&url, folder.path())
        .env("LASTMILE_LOG__DIR", folder.path())
        .arg("serve")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let text = loop {
        let file = folder
            .path()
            .read_dir()
            .unwrap()
            .filter_map(Result::ok)
            .find(|f| f.file_name().to_string_lossy().ends_with(".log"));
        let text = file.and_then(|file| std::fs::read_to_string(file.path()).ok()).unwrap_or_default();
        if text.contains("\"message\":\"ready\"") {
            break text;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not ready: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(out.is_empty() && text.contains("\"message\":\"starting\""), "{out}");
}

#[tokio::test]
async fn spans_reach_a_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = collector.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    // Enough of HTTP/2 to be sent a request: our SETTINGS, and the confirmation of theirs.
    std::thread::spawn(move || {
        for stream in collector.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]);
            let kept = kept.clone();
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut chunk) {
                    kept.lock().unwrap().extend_from_slice(&chunk[..n]);
                }
            });
        }
    });
    let server =
        Server::own("otlp", Settings::default().with("OTLP__ENDPOINT", format!("http://{address}"))).await;
    let tenant = tenant_on(server).await;
    tenant.anonymous().get("/api/v1/me").await.expect_status(401);
    let began = Instant::now();
    loop {
        let text = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        if text.contains("service.name")
            && text.contains("http.response.status_code")
            && text.contains(&tenant.slug)
        {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no span came: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.kill();
}

/// Somebody who takes error reports: head and body of each request.
fn sentry() -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut text, mut chunk) = (String::new(), [0; 4096]);
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                text.push_str(&String::from_utf8_lossy(&chunk[..n]));
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap()) {
                    break;
                }
            }
            kept.lock().unwrap().push(text);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
    });
    (address, heard)
}

#[tokio::test]
async fn errors_are_reported_without_what_is_somebodys() {
    let (address, heard) = sentry();
    let dsn = format!("http://publickey@{address}/7");
    let server = Server::own("sentry", Settings::default().with("ERRORS__DSN", &dsn)).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    api.get("/api/v1/areas").await.expect_status(200);
    // A defect of ours: a table that the program needs is gone.
    let client = crate::harness::sql(&server.database).await;
    let schema = tenant.schema().await;
    client.batch_execute(&format!("ALTER TABLE {schema}.area RENAME TO elsewhere")).await.unwrap();
    let answer = api.get("/api/v1/areas?q=ann%40people.example").await;
    answer.expect_status(500);
    let report =
        crate::harness::mailbox::until("the report", async || heard.lock().unwrap().first().cloned()).await;
    let (head, body) = report.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/7/envelope/ "), "{head}");
    assert!(
        head.contains("sentry_key=publickey") && head.contains("application/x-sentry-envelope"),
        "{head}"
    );
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["type"]), (3, &"event".into()), "{body}");
    assert_eq!(lines[1]["length"].as_u64().unwrap(), body.lines().nth(2).unwrap().len() as u64);
    let event = &lines[2];
    assert_eq!(event["tags"]["request_id"], answer.header("x-request-id"));
    assert_eq!(
        (&event["tags"]["tenant"], &event["environment"]),
        (&tenant.slug.clone().into(), &"test".into())
    );
    let said = event["message"]["formatted"].as_str().unwrap();
    assert!(said.starts_with("a defect: "), "{said}");
    for hidden in ["people.example", "Bearer", "authorization", "/api/v1/areas", &tenant.owner_email, &schema]
    {
        assert!(!report.contains(hidden), "{hidden}: {report}");
    }
    // Refusals are nobody's error.
    let before = heard.lock().unwrap().len();
    tenant.anonymous().get("/api/v1/me").await.expect_status(401);
    assert_eq!(heard.lock().unwrap().len(), before);
    assert!(!server.log().contains("publickey"));
    server.kill();
}
