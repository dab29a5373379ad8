//! Two processes behind the real proxy, as in a deployment: what is decided counts in both, whoever of them is asked.

use futures_util::future::join_all;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use serde_json::json;

use crate::{
    cli::expect,
    domains::Zone,
    harness::{
        Server, Settings,
        mailbox::until,
        proxy_server::{Proxy, Visitor},
        tenant_on, text,
    },
};

/// More than the processes that take turns.
const ASKED: usize = 6;

struct World {
    one: &'static Server,
    zone: Zone,
    proxy: Proxy,
}

impl World {
    async fn new(name: &str, settings: Settings) -> Self {
        let zone = Zone::default();
        let settings = settings
            .with("TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")
            .with("TENANTS__DNS_SERVER", zone.serve().await);
        let one = Server::own(name, settings.clone()).await;
        let two = one.sibling(settings);
        let mut proxy = Proxy::new();
        proxy.start(&[one, two]).await;
        Self { one, zone, proxy }
    }
}

/// Waits until every process answers so.
async fn all_answer(visitor: &Visitor, path: &str, credential: &str, status: u16) {
    until(&format!("{status} for {path}"), async || {
        for _ in 0..ASKED {
            let request = visitor.client.get(visitor.url(path)).bearer_auth(credential);
            if request.send().await.unwrap().status() != status {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_counts_in_both_processes() {
    const DOMAIN: &str = "desk.kagayan.example";
    let world = World::new("behind_proxy", Settings::default()).await;
    let tenant = tenant_on(world.one).await;
    let api = tenant.api().await;
    let person = tenant.person(&["customers.view"]).await;
    let signed_in = tenant
        .anonymous()
        .post("/api/v1/auth/token", json!({"email": person.email, "password": crate::harness::PASSWORD}))
        .await
        .expect(200);
    let credential = text(&signed_in, "/access_token");
    let portal = world.proxy.client(&tenant.host, &[]);

    // A right that goes.
    all_answer(&portal, "/api/v1/customers", &credential, 200).await;
    let role = format!("/api/v1/roles/{}", person.role_id);
    api.patch(&role, json!({"permissions": ["areas.view"]})).await.expect_status(200);
    all_answer(&portal, "/api/v1/customers", &credential, 403).await;
    all_answer(&portal, "/api/v1/areas", &credential, 200).await;

    // A domain that goes.
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([DOMAIN.to_owned()]).unwrap();
    let own = world.proxy.tls().join(DOMAIN);
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("fullchain.pem"), cert.pem()).unwrap();
    std::fs::write(own.join("privkey.pem"), signing_key.serialize_pem()).unwrap();
    let desk = world.proxy.client(DOMAIN, &[Certificate::from_pem(cert.pem().as_bytes()).unwrap()]);
    let added = api.post("/api/v1/domains", json!({ "domain": DOMAIN })).await.expect(201);
    let domain = format!("/api/v1/domains/{}", text(&added, "/id"));
    world.zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
    all_answer(&desk, "/sign-in", &credential, 404).await;
    api.post(&format!("{domain}/activate"), json!({})).await.expect_status(200);
    all_answer(&desk, "/sign-in", &credential, 200).await;
    api.delete(&domain).await.expect_status(204);
    all_answer(&desk, "/sign-in", &credential, 404).await;

    // A tenant that is suspended, and is not any more.
    let cli = |args: &[&str]| expect(&world.one.database, world.one.folder.path(), args, 0);
    cli(&["tenant", "suspend", &tenant.slug, "--reason", "unpaid"]);
    all_answer(&portal, "/api/v1/areas", &credential, 403).await;
    cli(&["tenant", "resume", &tenant.slug]);
    all_answer(&portal, "/api/v1/areas", &credential, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_let_through_what_one_would() {
    const PER_SECOND: usize = 20;
    let small =
        Settings::default().with("LIMITS__TENANT_PER_SECOND", PER_SECOND).with("LIMITS__BURST_SECONDS", 1);
    let world = World::new("behind_proxy_limits", small).await;
    let tenant = tenant_on(world.one).await;
    let portal = world.proxy.client(&tenant.host, &[]);
    let path = "/api/v1/version";
    until("they share", async || {
        let told = portal.get(path).await.unwrap();
        let limit: usize = told.headers()["ratelimit-limit"].to_str().unwrap().parse().unwrap();
        (limit * 2 == PER_SECOND).then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    let statuses = join_all((0..100).map(async |_| portal.get(path).await.unwrap().status().as_u16())).await;
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(passed + refused, 100);
    // As much as there was, and what came back since.
    let back = began.elapsed().as_millis() * 20 / 1_000;
    assert!(passed as u128 <= PER_SECOND as u128 + back + 2, "{passed} passed, {back} came back meanwhile");
}
