//! Which tenant a request is for: every odd Host and X-Tenant-ID has a stated answer, and switching off is seen at once.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    Api, PASSWORD, Server, Settings, Tenant, program, shared, sql, tenant, tenant_on, text,
};

/// A request written by hand, for headers that no client would send. The status, and the code of the refusal.
fn raw(server: &Server, head: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
        .write_all(format!("GET /api/v1/me HTTP/1.1\r\n{head}Connection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    let code = answer
        .split_once("\"code\":\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(code, _)| code.to_owned())
        .unwrap_or_default();
    (status, code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_odd_host_has_its_answer() {
    let acme = tenant().await;
    let (server, slug) = (acme.server, &acme.slug);
    let known = format!("Host: {}\r\n", acme.host);
    // Nobody has signed in: a host that names the tenant is 401, which is one step further than the door.
    let table: Vec<(String, u16, &str)> = vec![
        (known.clone(), 401, "no_credential"),
        (format!("Host: {}:8443\r\n", acme.host), 401, "no_credential"),
        (format!("Host: {}.\r\n", acme.host), 401, "no_credential"),
        (format!("Host: {}\r\n", acme.host.to_uppercase()), 401, "no_credential"),
        (String::new(), 400, "bad_host"),
        (format!("{known}{known}"), 400, "bad_host"),
        (format!("{known}Host: isp.test\r\n"), 400, "bad_host"),
        ("Host: \r\n".into(), 400, "bad_host"),
        (format!("Host: {}.isp.test\r\n", "a".repeat(300)), 400, "bad_host"),
        (format!("Host: {}isp.test\r\n", "a.".repeat(150)), 400, "bad_host"),
        (format!("Host: {slug}.isp.test:99999999\r\n"), 400, "bad_host"),
        (format!("Host: {slug}.isp.test:port\r\n"), 400, "bad_host"),
        (format!("Host: {slug}.isp.test/x\r\n"), 400, "bad_host"),
        ("Host: xn--80ak6aa92e.isp.test\r\n".into(), 404, "not_found"),
        ("Host: xn--80ak6aa92e.com\r\n".into(), 404, "not_found"),
        ("Host: 127.0.0.1\r\n".into(), 404, "not_found"),
        ("Host: 127.0.0.1:8080\r\n".into(), 404, "not_found"),
        ("Host: [::1]\r\n".into(), 404, "not_found"),
        ("Host: 2130706433\r\n".into(), 404, "not_found"),
        (format!("Host: evil.{}\r\n", acme.host), 404, "not_found"),
        ("Host: evil.acme.localhost\r\n".into(), 404, "not_found"),
        ("Host: nobody-here.isp.test\r\n".into(), 404, "not_found"),
        (format!("Host: {slug}.isp.test.evil.example\r\n"), 404, "not_found"),
        (format!("Host: {slug}isp.test\r\n"), 404, "not_found"),
        // What proxies say of the host is nothing to us.
        (format!("Host: nobody-here.isp.test\r\nX-Forwarded-Host: {}\r\n", acme.host), 404, "not_found"),
        (format!("Host: nobody-here.isp.test\r\nForwarded: host={}\r\n", acme.host), 404, "not_found"),
    ];
    for (head, status, code) in table {
        assert_eq!(raw(server, &head), (status, code.to_owned()), "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_odd_tenant_header_has_its_answer() {
    let (acme, other) = (tenant().await, tenant().await);
    let server = acme.server;
    let api = "Host: api.isp.test\r\n";
    let table: Vec<(String, u16, &str)> = vec![
        (format!("{api}X-Tenant-ID: {}\r\n", acme.slug), 401, "no_credential"),
        (format!("{api}X-Tenant-ID: {}\r\n", acme.id), 401, "no_credential"),
        (format!("{api}X-Tenant-ID: {}\r\n", acme.slug.to_uppercase()), 401, "no_credential"),
        (api.into(), 400, "tenant_missing"),
        (format!("{api}X-Tenant-ID: \r\n"), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: a b\r\n"), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: ../{}\r\n", acme.slug), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: {}\r\n", "a".repeat(300)), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: {0}\r\nX-Tenant-ID: {0}\r\n", acme.slug), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: {}, {}\r\n", acme.slug, other.slug), 400, "bad_tenant_header"),
        (format!("{api}X-Tenant-ID: public\r\n"), 404, "not_found"),
        (format!("{api}X-Tenant-ID: 00000000-0000-7000-8000-000000000000\r\n"), 404, "not_found"),
        (format!("Host: {}\r\nX-Tenant-ID: {}\r\n", acme.host, acme.slug), 401, "no_credential"),
        (format!("Host: {}\r\nX-Tenant-ID: {}\r\n", acme.host, other.slug), 400, "tenant_mismatch"),
        (format!("Host: {}\r\nX-Tenant-ID: {}\r\n", acme.host, other.id), 400, "tenant_mismatch"),
        (format!("Host: {}\r\nX-Tenant-ID: nobody-here\r\n", acme.host), 400, "tenant_mismatch"),
        (format!("Host: {}\r\nX-Tenant-ID: ;;\r\n", acme.host), 400, "bad_tenant_header"),
    ];
    for (head, status, code) in table {
        assert_eq!(raw(server, &head), (status, code.to_owned()), "{head:?}");
    }
    // The header selects a tenant; it is no credential for it.
    let token = acme.token().await;
    let named = |slug: &str| server.api_host().header("x-tenant-id", slug).bearer(&token);
    named(&acme.slug).get("/api/v1/me").await.expect(200);
    named(&other.slug).get("/api/v1/me").await.expect_status(401);
    server.at(&other.host).bearer(&token).get("/api/v1/me").await.expect_status(401);
}

impl Tenant {
    async fn token(&self) -> String {
        let asked = json!({"email": self.owner_email, "password": PASSWORD});
        text(&self.anonymous().post("/api/v1/auth/token", asked).await.expect(200), "/access_token")
    }
}

fn command(server: &Server, args: &[&str]) {
    let output = program(&server.database, server.folder.path()).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How long until an answer has this status; fails after two seconds.
async fn time_until(api: &Api, path: &str, status: u16) -> Duration {
    let began = Instant::now();
    loop {
        let seen = api.get(path).await.status;
        if seen == status {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(2), "still {seen}, not {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_is_not_served_anywhere_within_a_second() {
    let acme = tenant().await;
    let (server, bystander) = (acme.server, tenant().await);
    let sibling = server.sibling(Settings::default());
    let token = acme.token().await;
    let doors = [
        server.at(&acme.host).bearer(&token),
        sibling.at(&acme.host).bearer(&token),
        sibling.api_host().header("x-tenant-id", &acme.slug).bearer(&token),
    ];
    for door in &doors {
        door.get("/api/v1/me").await.expect(200);
    }
    command(server, &["tenant", "suspend", &acme.slug, "--reason", "a test"]);
    for door in &doors {
        assert!(time_until(door, "/api/v1/me", 403).await < Duration::from_secs(1));
        door.get("/api/v1/me").await.refused(403, "tenant_suspended");
    }
    // People see a page that says so, and the neighbour sees nothing of it.
    let page = server.at(&acme.host).get("/sign-in").await;
    page.expect_status(403);
    assert!(page.text().to_lowercase().contains("suspended"), "{}", page.text());
    bystander.api().await.get("/api/v1/me").await.expect(200);
    command(server, &["tenant", "resume", &acme.slug]);
    for door in &doors {
        assert!(time_until(door, "/api/v1/me", 200).await < Duration::from_secs(1));
    }
    sibling.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_off_is_seen_while_nobody_can_listen() {
    let server = Server::own("deaf", Settings::default().with("POOL__WARM_SCHEMAS", 1)).await;
    let acme = tenant_on(server).await;
    let door = acme.api().await;
    let admin = sql(&server.database).await;
    for round in 0..4 {
        door.get("/api/v1/me").await.expect(200);
        // The connections that listen die at the very moment of the news, and again and again after it.
        let killing = tokio::spawn({
            let url = server.database.clone();
            async move {
                let client = sql(&url).await;
                for _ in 0..100 {
                    client
                        .execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE datname = current_database() AND usename LIKE '%\\_control'
                                AND query IN ('', 'LISTEN lastmile_news')",
                            &[],
                        )
                        .await
                        .unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        // Without NOTIFY: what a process misses while it is deaf.
        let status = if round % 2 == 0 { "suspended" } else { "active" };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let changed = admin
            .execute("UPDATE public.tenant SET status = $1 WHERE slug = $2", &[&status, &acme.slug])
            .await
            .unwrap();
        assert_eq!(changed, 1);
        let wanted = if round % 2 == 0 { 403 } else { 200 };
        assert!(time_until(&door, "/api/v1/me", wanted).await < Duration::from_secs(1));
        killing.await.unwrap();
        if wanted == 403 {
            admin
                .execute("UPDATE public.tenant SET status = 'active' WHERE slug = $1", &[&acme.slug])
                .await
                .unwrap();
            admin.execute("SELECT pg_notify('lastmile_news', 'tenant:test')", &[]).await.unwrap();
            time_until(&door, "/api/v1/me", 200).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_switched_off_lose_their_power_here_at_once_and_elsewhere_within_a_second() {
    let acme = tenant().await;
    let sibling = acme.server.sibling(Settings::default());
    let owner = acme.api().await;
    let (id, token) = member(&acme, &owner, "Admin").await;
    let here = acme.server.at(&acme.host).bearer(&token);
    let there = sibling.at(&acme.host).bearer(&token);
    for door in [&here, &there] {
        door.get("/api/v1/staff").await.expect(200);
    }
    owner.patch(&format!("/api/v1/staff/{id}"), json!({"is_active": false})).await.expect(200);
    here.get("/api/v1/staff").await.expect_status(401);
    assert!(time_until(&there, "/api/v1/staff", 401).await < Duration::from_secs(1));
    let none =
        owner.post("/api/v1/roles", json!({"name": "Nothing", "permissions": []})).await.expect(201)["id"]
            .clone();
    owner
        .patch(&format!("/api/v1/staff/{id}"), json!({"is_active": true, "role_ids": [none]}))
        .await
        .expect(200);
    let token = {
        let asked = json!({"email": format!("admin@{}.example", acme.slug), "password": PASSWORD});
        text(&acme.anonymous().post("/api/v1/auth/token", asked).await.expect(200), "/access_token")
    };
    // The token's own claims count for nothing.
    acme.anonymous().bearer(&token).get("/api/v1/staff").await.expect_status(403);
    sibling.terminate();
}

/// A member of staff with this role, and an access token.
async fn member(acme: &Tenant, owner: &Api, role: &str) -> (String, String) {
    let email = format!("{}@{}.example", role.to_lowercase(), acme.slug);
    let roles = owner.get("/api/v1/roles?limit=200").await.expect(200);
    let role_id =
        roles["items"].as_array().unwrap().iter().find(|r| r["name"] == role).unwrap()["id"].clone();
    let new = json!({"name": "Mel Member", "email": email, "role_ids": [role_id], "send_mail": false});
    let id = text(&owner.post("/api/v1/staff", new).await.expect(201), "/id");
    // The password is the owner's: copied behind the scenes, hash and all.
    let admin = sql(&acme.server.database).await;
    let schema = acme.schema().await;
    admin
        .execute(
            &format!(
                "UPDATE {schema}.staff SET password_hash = (SELECT password_hash FROM {schema}.staff WHERE email = $1) WHERE email = $2"
            ),
            &[&acme.owner_email, &email],
        )
        .await
        .unwrap();
    let asked = json!({"email": email, "password": PASSWORD});
    let token = text(&acme.anonymous().post("/api/v1/auth/token", asked).await.expect(200), "/access_token");
    (id, token)
}

#[tokio::test]
async fn no_answer_of_one_tenant_is_ever_given_to_another() {
    let (acme, other) = (tenant().await, tenant().await);
    let (a, b) = (acme.api().await, other.api().await);
    let row: Value = a.post("/api/v1/areas", json!({"name": "Carmen"})).await.expect(201);
    let path = format!("/api/v1/areas/{}", text(&row, "/id"));
    // The same paths in turn, so that any cache without the tenant in its key would give itself away.
    for _ in 0..5 {
        a.get(&path).await.expect(200);
        b.get(&path).await.refused(404, "not_found");
        assert_eq!(a.get("/api/v1/me").await.expect(200)["email"], json!(acme.owner_email));
        assert_eq!(b.get("/api/v1/me").await.expect(200)["email"], json!(other.owner_email));
        assert_eq!(a.get("/api/v1/areas").await.expect(200)["items"].as_array().unwrap().len(), 1);
        assert_eq!(b.get("/api/v1/areas").await.expect(200)["items"].as_array().unwrap().len(), 0);
        assert_eq!(a.get("/api/v1/me").await.header("x-tenant"), acme.slug);
        assert_eq!(b.get("/api/v1/me").await.header("x-tenant"), other.slug);
    }
    let (mut ours, mut theirs) = (acme.browser().await, other.browser().await);
    assert!(ours.get("/").await.text().contains(&format!("Company {}", acme.slug)));
    assert!(theirs.get("/").await.text().contains(&format!("Company {}", other.slug)));
    // A cookie of one at the other's door is nobody's.
    theirs.cookies = ours.cookies.clone();
    theirs.get("/").await.expect_status(303);
    shared().await;
}
