//! Entering a tenant: no round trip of its own, nothing left behind by whoever went away, and no harm from a table that changed
//! or a database that was away.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::Rng;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    harness::{Api, Server, Settings, Tenant, database, sql, tenant_on, text},
    proxy::{Passed, Proxy},
};

/// A server of the test's own that reaches PostgreSQL through a proxy.
async fn behind_a_proxy(name: &str, settings: Settings) -> (&'static Server, Proxy) {
    let url = database(name).await;
    let proxy = Proxy::before(&url);
    let mut server = Server::start(&proxy.url(&url), None, settings);
    // Looks behind the scenes need not go through the proxy.
    server.database = url;
    (server.for_this_test(), proxy)
}

/// A server that only answers requests, with one connection into its tenants, through a proxy. A whole server beside it does the
/// background work: nothing but the test's own requests comes by.
async fn requests_behind_a_proxy(name: &str) -> (&'static Server, Api, Proxy) {
    let whole = Server::own(name, Settings::default().with("POOL__WARM_SCHEMAS", 1)).await;
    let proxy = Proxy::before(&whole.database);
    let mut settings = Settings::default().with("DATABASE__SHARD_CONNECTIONS", 1);
    settings.args = vec!["--role".into(), "web".into()];
    let web =
        Server::start(&proxy.url(&whole.database), Some(whole.folder.clone()), settings).for_this_test();
    let api = tenant_on(whole).await.api().await.to(web.address);
    (web, api, proxy)
}

async fn area(api: &Api, name: &str) -> String {
    text(&api.post("/api/v1/areas", json!({"name": name})).await.expect(201), "/id")
}

/// Waits for a condition that another process brings about.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_query_does_not_wait_for_the_entry() {
    let (_web, api, proxy) = requests_behind_a_proxy("entry").await;
    let path = format!("/api/v1/areas/{}", area(&api, "Carmen").await);
    // Prepared once, and whoever asks is known.
    api.get(&path).await.expect(200);
    api.get(&path).await.expect(200);
    until("the connection is idle", async || {
        let passed = proxy.passed();
        let last = passed.iter().rev().find(|message| message.role.contains("_app_"));
        last.is_some_and(|message| message.from_server && message.kind == 'Z' && message.text == "I")
    })
    .await;
    proxy.forget();
    proxy.hold("_app_");
    let asked = tokio::spawn(async move { api.get(&path).await });
    let arrived = proxy.wait_for(|message| message.kind == 'B' && message.role.contains("_app_"));
    let answered = proxy.passed().iter().any(|message| message.from_server && message.kind == 'D');
    proxy.release();
    asked.await.unwrap().expect(200);
    assert!(arrived, "the first query waits for the answer to the entry: {:?}", proxy.passed());
    let sent: Vec<Passed> =
        proxy.passed().into_iter().filter(|m| m.role.contains("_app_") && !m.from_server).collect();
    assert!(sent[0].text.starts_with("BEGIN READ ONLY; SET LOCAL ROLE t_"), "{sent:?}");
    assert_eq!(sent[1].kind, 'B', "what follows the entry is the query itself: {sent:?}");
    assert!(!answered || arrived);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_of_a_single_read_travels_with_it() {
    let (_web, api, proxy) = requests_behind_a_proxy("last").await;
    let made =
        api.post("/api/v1/customers", json!({"first_name": "Ana", "last_name": "Reyes"})).await.expect(201);
    let one = format!("/api/v1/customers/{}", text(&made, "/id"));
    for path in [one.as_str(), "/api/v1/customers?limit=5"] {
        // Prepared once, and whoever asks is known.
        api.get(path).await.expect(200);
        api.get(path).await.expect(200);
        proxy.forget();
        proxy.hold("_app_");
        let asked = tokio::spawn({
            let (api, path) = (api.clone(), path.to_owned());
            async move { api.get(&path).await }
        });
        let arrived =
            proxy.wait_for(|m| m.kind == 'Q' && m.text.starts_with("COMMIT") && m.role.contains("_app_"));
        proxy.release();
        asked.await.unwrap().expect(200);
        assert!(arrived, "{path}: the COMMIT waits for the answer: {:?}", proxy.passed());
    }
    // An unknown one ends its transaction, too: the one connection there is serves the next.
    api.get(&format!("/api/v1/customers/{}", uuid::Uuid::now_v7())).await.expect(404);
    api.get(&one).await.expect(200);
}

/// Sends a request and goes away before, while or after it is answered.
fn ask_and_leave(address: SocketAddr, request: &str, patience: Duration) {
    let Ok(mut socket) = TcpStream::connect(address) else { return };
    socket.write_all(request.as_bytes()).unwrap();
    socket.set_read_timeout(Some(patience.max(Duration::from_micros(1)))).unwrap();
    let _ = socket.read(&mut [0; 1]);
    // Dropped with data unread or unanswered: the server sees a reset or an end.
}

fn request_of(tenant: &Tenant, token: &str, name: Option<&str>) -> String {
    let head = |verb: &str, rest: &str| {
        format!(
            "{verb} /api/v1/areas HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{rest}",
            tenant.host
        )
    };
    match name {
        None => head("GET", "\r\n"),
        Some(name) => {
            let body = json!({"name": name}).to_string();
            head(
                "POST",
                &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            )
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_in_mid_request_leaves_nothing_behind() {
    let settings = Settings::default().with("DATABASE__SHARD_CONNECTIONS", 3).with("POOL__WARM_SCHEMAS", 2);
    let (server, proxy) = behind_a_proxy("leavers", settings).await;
    let mut tenants = HashMap::new();
    for letter in ["a", "b"] {
        let tenant = tenant_on(server).await;
        let signed_in = tenant
            .anonymous()
            .post(
                "/api/v1/auth/token",
                json!({"email": tenant.owner_email, "password": crate::harness::PASSWORD}),
            )
            .await
            .expect(200);
        tenants.insert(letter, (tenant, text(&signed_in, "/access_token")));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let leavers: Vec<_> = (0..4)
        .map(|lane| {
            let letter = ["a", "b"][lane % 2];
            let (tenant, token) = &tenants[letter];
            let address = server.address;
            let read = request_of(tenant, token, None);
            let host_and_token = (tenant.host.clone(), token.clone());
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut rng = rand::rng();
                for n in 0..120 {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let patience = Duration::from_micros(rng.random_range(0..6_000));
                    let request = if n % 2 == 0 {
                        read.clone()
                    } else {
                        let body = json!({"name": format!("{letter} {lane} {n}")}).to_string();
                        format!(
                            "POST /api/v1/areas HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
                             Content-Length: {}\r\n\r\n{body}",
                            host_and_token.0,
                            host_and_token.1,
                            body.len()
                        )
                    };
                    ask_and_leave(address, &request, patience);
                }
            })
        })
        .collect();
    // Others are served meanwhile, each with its own rows alone.
    for _ in 0..60 {
        for (letter, (tenant, token)) in &tenants {
            let answer = tenant.anonymous().bearer(token).get("/api/v1/areas?limit=200").await;
            if answer.status == 503 {
                continue;
            }
            for item in answer.expect(200)["items"].as_array().unwrap() {
                assert!(
                    item["name"].as_str().unwrap().starts_with(letter),
                    "a row of the other tenant: {item}"
                );
            }
        }
    }
    for leaver in leavers {
        leaver.join().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    assert_clean(server, &proxy, &tenants).await;
}

async fn assert_clean(server: &Server, proxy: &Proxy, tenants: &HashMap<&str, (Tenant, String)>) {
    let admin = sql(&server.database).await;
    until("no transaction is left open", async || {
        let row = admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE '%\\_app\\_%'
                 AND state LIKE 'idle in transaction%'",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, i64>(0) == 0
    })
    .await;
    // A unit only ever began on a connection whose last transaction was over, and entered exactly one tenant.
    let mut states: HashMap<usize, String> = HashMap::new();
    for message in proxy.passed().iter().filter(|message| message.role.contains("_app_")) {
        if message.from_server && message.kind == 'Z' {
            states.insert(message.connection, message.text.clone());
        }
        if !message.from_server && message.kind == 'Q' && message.text.starts_with("BEGIN") {
            let state = states.get(&message.connection).map_or("?", String::as_str);
            assert_eq!(state, "I", "a unit began inside another's transaction: {message:?}");
            assert_eq!(message.text.matches("SET LOCAL ROLE t_").count(), 1, "{message:?}");
        }
    }
    for (letter, (tenant, _)) in tenants {
        let schema = tenant.schema().await;
        let foreign: i64 = admin
            .query_one(
                &format!("SELECT count(*) FROM {schema}.area WHERE name NOT LIKE $1"),
                &[&format!("{letter} %")],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(foreign, 0, "rows of another tenant");
        // Each area came with its line in the audit trail, or not at all.
        let row = admin
            .query_one(
                &format!(
                    "SELECT (SELECT count(*) FROM {schema}.area) AS areas,
                        (SELECT count(*) FROM {schema}.audit_event WHERE action = 'area.created') AS events"
                ),
                &[],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>("areas"), row.get::<_, i64>("events"));
    }
}

#[tokio::test]
async fn a_migration_under_a_prepared_statement_is_not_noticed() {
    let settings = Settings::default().with("DATABASE__SHARD_CONNECTIONS", 1).with("POOL__WARM_SCHEMAS", 1);
    let server = Server::own("stale", settings).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    let path = format!("/api/v1/areas/{}", area(&api, "Carmen").await);
    let before = api.get(&path).await.expect(200);
    let schema = tenant.schema().await;
    let admin = sql(&server.database).await;
    admin
        .batch_execute(&format!("ALTER TABLE {schema}.area ALTER COLUMN description TYPE varchar(2000)"))
        .await
        .unwrap();
    assert_eq!(api.get(&path).await.expect(200), before);
    admin.batch_execute(&format!("ALTER TABLE {schema}.area ADD COLUMN colour text")).await.unwrap();
    assert_eq!(api.get(&path).await.expect(200), before);
    admin
        .batch_execute(&format!("ALTER TABLE {schema}.area ALTER COLUMN description TYPE text"))
        .await
        .unwrap();
    // A write as well, and only once.
    api.patch(&path, json!({"description": "By the river"})).await.expect(200);
    let times: i64 = admin
        .query_one(&format!("SELECT count(*) FROM {schema}.audit_event WHERE action = 'area.changed' OR action = 'area.updated'"), &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(times, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_503_and_comes_back_by_itself() {
    let settings = Settings::default().with("POOL__WARM_SCHEMAS", 1).with("DATABASE__WAIT_MS", 1500);
    let (server, proxy) = behind_a_proxy("away", settings).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    area(&api, "Carmen").await;
    let stop = Arc::new(AtomicBool::new(false));
    // Requests go on all the time: some are in the middle when the database goes.
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (api, stop) = (api.clone(), stop.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let answer = api.get("/api/v1/areas").await;
                    if answer.status == 503 {
                        assert!(!answer.header("retry-after").is_empty());
                    }
                    seen.push(answer.status);
                }
                seen
            })
        })
        .collect();
    for _ in 0..3 {
        until("requests are served", async || api.get("/api/v1/areas").await.status == 200).await;
        proxy.go_down();
        api.get("/api/v1/areas").await.refused(503, "database_unavailable");
        api.post("/api/v1/areas", json!({"name": "Lost"})).await.expect_status(503);
        server.at(&tenant.host).get("/readyz").await.expect_status(503);
        proxy.come_back();
    }
    until("requests are served again", async || api.get("/api/v1/areas").await.status == 200).await;
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        let seen = caller.await.unwrap();
        assert!(seen.iter().all(|status| matches!(status, 200 | 503)), "{seen:?}");
        assert!(seen.contains(&200));
    }
    let areas = api.get("/api/v1/areas").await.expect(200);
    assert_eq!(areas["items"].as_array().unwrap().len(), 1, "a refused write was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_is_found_again() {
    let around = TempDir::new().unwrap();
    let program = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lastmile"))
            .args(["postgres", "--database", "restarted", "--dir"])
            .arg(around.path().join("pg"))
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let stop = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lastmile"))
            .args(["postgres", "--stop", "--dir"])
            .arg(around.path().join("pg"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let url = program(&[]);
    let server: &'static Server =
        Server::start(&url, None, Settings::default().with("POOL__WARM_SCHEMAS", 1)).for_this_test();
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    let name = area(&api, "Carmen").await;
    stop();
    let down = api.get("/api/v1/areas").await;
    let again = program(&[]);
    assert_eq!(again, url, "the same port, or the server could not find it");
    until("requests are served again", async || api.get("/api/v1/areas").await.status == 200).await;
    let found = api.get(&format!("/api/v1/areas/{name}")).await;
    server.terminate();
    stop();
    down.refused(503, "database_unavailable");
    assert!(!down.header("retry-after").is_empty());
    found.expect(200);
}
