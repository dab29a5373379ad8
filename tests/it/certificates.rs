//! Certificates of tenants' own domains: ordered from a real authority, shown by the real proxy, renewed, taken away.

use std::{fs, net::Ipv4Addr};

use serde_json::{Value, json};

use crate::{
    domains::Zone,
    harness::{
        Api, Server, Settings, Tenant, between, database,
        mailbox::until,
        proxy_server::{Authority, Proxy, Visitor},
        sql, tenant_on, text,
    },
};

/// Two processes, as in a deployment: one orders, the other serves and lays down, and the proxy stands before it.
struct World {
    web: &'static Server,
    zone: Zone,
    authority: Authority,
    proxy: Proxy,
}

impl World {
    async fn new(name: &str) -> Self {
        let zone = Zone::default();
        let names = zone.serve().await;
        let mut proxy = Proxy::new();
        let authority = Authority::start(names, proxy.http).await;
        let settings = |role: &str| {
            let settings = Settings::default()
                .with("TENANTS__DNS_SERVER", names)
                .with("TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")
                .with("ACME__DIRECTORY", authority.directory())
                .with("ACME__CONTACT", "ops@isp.test")
                .with("ACME__CA_CERTIFICATES", authority.own_certificate().display());
            Settings { args: vec!["--role".into(), role.into()], ..settings }
        };
        let url = database(name).await;
        let web = settings("web").with("ACME__FOLDER", proxy.tls().display());
        let web = Server::start(&url, None, web).for_this_test();
        web.sibling(settings("worker"));
        proxy.start(&[web]).await;
        Self { web, zone, authority, proxy }
    }

    /// Somebody who believes this authority alone.
    async fn visitor(&self, host: &str) -> Visitor {
        self.proxy.client(host, &[self.authority.root().await])
    }

    /// Adds a domain, proves and activates it; answers its id.
    async fn activate(&self, tenant: &Tenant, domain: &str) -> String {
        let api = tenant.api().await;
        let added = api.post("/api/v1/domains", json!({ "domain": domain })).await.expect(201);
        let id = text(&added, "/id");
        self.zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
        api.post(&format!("/api/v1/domains/{id}/activate"), json!({})).await.expect(200);
        id
    }

    async fn run(&self, statement: &str) {
        sql(&self.web.database).await.batch_execute(statement).await.unwrap();
    }
}

/// Waits until a certificate has come as far.
async fn standing(api: &Api, id: &str, status: &str) -> Value {
    let path = format!("/api/v1/domains/{id}/certificate");
    until(status, async || {
        Some(api.get(&path).await.expect(200)).filter(|view| text(view, "/status") == status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_has_a_certificate_for_as_long_as_it_is_served() {
    const DOMAIN: &str = "portal.kagayan.example";
    let world = World::new("certificates").await;
    let tenant = tenant_on(world.web).await;
    let api = tenant.api().await;
    let visitor = world.visitor(DOMAIN).await;
    world.zone.point(DOMAIN, Ipv4Addr::LOCALHOST);
    // What somebody else laid down is nobody's to take away.
    let others = world.proxy.tls().join("other.example");
    fs::create_dir(&others).unwrap();
    assert_eq!(visitor.certificate().await, None, "a certificate before the domain is served");

    let id = world.activate(&tenant, DOMAIN).await;
    let held = standing(&api, &id, "held").await;
    assert!(held["problem"].is_null() && !held["ends_at"].is_null());
    let first = until("the proxy shows it", async || visitor.certificate().await).await;
    let page = visitor.get("/sign-in").await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["strict-transport-security"], "max-age=63072000");
    let direct = world.web.at(DOMAIN).get("/sign-in").await;
    assert_eq!(direct.header("strict-transport-security"), "max-age=31536000");
    let plain = visitor.get_plain("/sign-in?next=%2Fcustomers").await.unwrap();
    assert_eq!(plain.status(), 308);
    assert_eq!(plain.headers()["location"], format!("https://{DOMAIN}/sign-in?next=%2Fcustomers"));
    let shown = tenant.browser().await.get("/settings/domains").await.text();
    assert!(shown.contains("The certificate is good until"), "{shown}");

    // Renewed: nobody is refused meanwhile, and nothing is reloaded.
    world.run("UPDATE public.tenant_certificate SET due_at = now()").await;
    let second = until("the next one is shown", async || {
        let shown = visitor.certificate().await.expect("refused in the middle of a renewal");
        Some(shown).filter(|shown| *shown != first)
    })
    .await;

    // Somebody clears the folder away: it comes back.
    fs::remove_dir_all(fs::canonicalize(world.proxy.tls().join(DOMAIN)).unwrap()).unwrap();
    let again = until("it is laid down again", async || visitor.certificate().await).await;
    assert_eq!(again, second);

    // Lost: not shown any more, though it is kept; proved again, it needs no new order.
    world.zone.clear();
    api.post(&format!("/api/v1/domains/{id}/check"), json!({})).await.expect(200);
    until("the lost one is taken away", async || visitor.certificate().await.is_none().then_some(())).await;
    api.get(&format!("/api/v1/domains/{id}/certificate")).await.expect_status(404);
    let listed = api.get("/api/v1/domains").await.expect(200);
    world.zone.set(&text(&listed, "/items/0/proof_name"), &text(&listed, "/items/0/proof_value"));
    api.post(&format!("/api/v1/domains/{id}/activate"), json!({})).await.expect(200);
    assert_eq!(until("it is back", async || visitor.certificate().await).await, second);

    api.delete(&format!("/api/v1/domains/{id}")).await.expect_status(204);
    until("it is gone", async || visitor.certificate().await.is_none().then_some(())).await;
    until("its key is gone from the disk", async || {
        let left = fs::read_dir(world.proxy.tls().join(".held")).unwrap().count();
        (left == 0).then_some(())
    })
    .await;
    let left =
        sql(&world.web.database).await.query_one("SELECT count(*) FROM public.tenant_certificate", &[]).await;
    assert_eq!(left.unwrap().get::<_, i64>(0), 0);
    assert!(others.is_dir() && world.proxy.tls().join("isp.test").is_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_authority_refuses_is_said_and_ordered_again() {
    const DOMAIN: &str = "astray.kagayan.example";
    let world = World::new("certificates_refused").await;
    let (tenant, rival) = (tenant_on(world.web).await, tenant_on(world.web).await);
    let api = tenant.api().await;
    let id = world.activate(&tenant, DOMAIN).await;
    let path = format!("/api/v1/domains/{id}/certificate");

    let refused = standing(&api, &id, "refused").await;
    assert_eq!(text(&refused, "/problem/code"), "not_reached", "{refused}");
    assert!(text(&refused, "/problem/detail").contains(DOMAIN), "{refused}");
    assert!(!refused["next_order_at"].is_null() && refused["ends_at"].is_null());
    let mut browser = tenant.browser().await;
    let page = browser.get("/settings/domains").await.text();
    assert!(page.contains("did not find this portal under that name"), "{page}");
    let again = between(&page, "action=\"/settings/domains/", "/certificate\"")
        .map(|of| of.rsplit('/').next().unwrap().to_owned());
    assert_eq!(again.as_deref().map(|of| of.ends_with(&id)), Some(true), "{page}");

    // Authorities count refusals: nobody burns what all have together.
    let soon = api.post(&path, json!({})).await.expect(409);
    assert_eq!(text(&soon, "/code"), "too_soon");
    rival.api().await.get(&path).await.expect_status(404);
    rival.api().await.post(&path, json!({})).await.expect_status(404);

    world.run("UPDATE public.tenant_certificate SET tried_at = now() - interval '6 minutes'").await;
    world.zone.point(DOMAIN, Ipv4Addr::LOCALHOST);
    let form = format!("/settings/domains/{id}/certificate");
    browser.post(&form, &[]).await.expect_status(303);
    let held = standing(&api, &id, "held").await;
    assert!(held["problem"].is_null(), "{held}");
    let trail = api.get("/api/v1/audit-events?action=domain.certificate_ordered").await.expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_the_authority_is_found_at_its_own_domain_alone() {
    let (server, zone) = crate::domains::server("certificates_answers").await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    let added = api.post("/api/v1/domains", json!({ "domain": "desk.kagayan.example" })).await.expect(201);
    let id = text(&added, "/id");
    zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
    api.post(&format!("/api/v1/domains/{id}/activate"), json!({})).await.expect(200);
    let token = "a-token-of-some-length_1";
    sql(&server.database)
        .await
        .execute(
            "INSERT INTO public.acme_challenge (token, domain_id, answer) VALUES ($1, $2, 'a.thumb')",
            &[&token, &id.parse::<uuid::Uuid>().unwrap()],
        )
        .await
        .unwrap();
    let path = format!("/.well-known/acme-challenge/{token}");
    let found = server.at("desk.kagayan.example").get(&path).await;
    found.expect_status(200);
    assert_eq!(found.text(), "a.thumb");
    for host in ["isp.test", "api.isp.test", "other.example", tenant.host.as_str()] {
        server.at(host).get(&path).await.expect_status(404);
    }
    for odd in ["", "short", "a-token-of-some-length_2", "..%2f..%2fetc", &"x".repeat(300)] {
        let at = format!("/.well-known/acme-challenge/{odd}");
        server.at("desk.kagayan.example").get(&at).await.expect_status(404);
    }
    // Where no authority is named, nobody is promised a certificate.
    api.get(&format!("/api/v1/domains/{id}/certificate")).await.expect_status(404);
    api.post(&format!("/api/v1/domains/{id}/certificate"), json!({})).await.expect_status(404);
    let page = tenant.browser().await.get("/settings/domains").await.text();
    assert!(page.contains("Visitors reach the portal here.") && !page.contains("certificate is"), "{page}");
}
