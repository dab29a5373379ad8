//! Support access: the owner's door for the platform's people, and what happens behind it.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::{
    harness::{
        Answer, Browser, PASSWORD, Tenant,
        console::{HOST, Staff},
        sql, tenant,
    },
    refusals::{ask, registry},
};

const OWNER_PAGE: &str = "/settings/support";

impl Tenant {
    /// The owner turns support access on and opens a grant; its id.
    async fn lets_support_in(&self, owner: &mut Browser, kind: &str) -> String {
        owner.get(OWNER_PAGE).await.expect_status(200);
        owner.post("/settings/support/allowed", &[("allowed", "true")]).await.expect_status(303);
        let fields = [("kind", kind), ("hours", "4"), ("reason", "A receipt is missing")];
        owner.post(OWNER_PAGE, &fields).await.expect_status(303);
        self.grant().await
    }

    /// The id of the newest grant.
    async fn grant(&self) -> String {
        let row = sql(&self.server.database)
            .await
            .query_one(
                "SELECT id::text FROM public.support_grant WHERE tenant_id = $1::text::uuid ORDER BY opened_at DESC LIMIT 1",
                &[&self.id],
            )
            .await
            .unwrap();
        row.get(0)
    }

    async fn events(&self, action: &str, kind: &str) -> i64 {
        let schema = self.schema().await;
        let statement =
            format!("SELECT count(*) FROM {schema}.audit_event WHERE action = $1 AND actor_kind = $2");
        let client = sql(&self.server.database).await;
        client.query_one(&statement, &[&action, &kind]).await.unwrap().get(0)
    }

    async fn platform_events(&self, action: &str) -> i64 {
        let client = sql(&self.server.database).await;
        let row = client
            .query_one(
                "SELECT count(*) FROM public.platform_event WHERE action = $1 AND tenant_id = $2::text::uuid",
                &[&action, &self.id],
            )
            .await
            .unwrap();
        row.get(0)
    }
}

/// The address that the console leads to.
async fn code_for(staff: &mut Staff, tenant: &Tenant, grant: &str) -> Answer {
    let path = format!("/console/tenants/{}", tenant.id);
    staff.browser.get(&path).await.expect_status(200);
    staff.browser.post(&format!("{path}/support/{grant}/enter"), &[]).await
}

/// A browser of the platform's person inside the portal.
async fn inside(staff: &mut Staff, tenant: &Tenant, grant: &str) -> Browser {
    let led = code_for(staff, tenant, grant).await;
    led.expect_status(303);
    let url = led.header("location").to_owned();
    let path = url.strip_prefix(&format!("https://{}", tenant.host)).unwrap().to_owned();
    let mut browser = tenant.server.browser(&tenant.host);
    browser.get(&path).await.expect_status(200);
    let code = path.split("code=").nth(1).unwrap();
    browser.post("/support/enter", &[("code", code)]).await.expect_status(303);
    browser.get("/").await.expect_status(200);
    browser
}

async fn is_out_within_a_second(browser: &mut Browser) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        if browser.get("/customers").await.status == 303 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn it_is_off_until_the_owner_turns_it_on_and_only_the_owner_does() {
    let acme = tenant().await;
    let mut owner = acme.browser().await;
    owner.get(OWNER_PAGE).await.expect_status(200);
    let fields = [("kind", "read"), ("hours", "4"), ("reason", "Look")];
    owner.post(OWNER_PAGE, &fields).await.expect_status(422);
    let admin = acme.person_with(&acme.role("Admin").await).await;
    let mut browser = acme.browser_as(&admin.email, PASSWORD).await;
    browser.get("/account").await.expect_status(200);
    browser.get(OWNER_PAGE).await.expect_status(403);
    browser.post("/settings/support/allowed", &[("allowed", "true")]).await.expect_status(403);
    owner.post("/settings/support/allowed", &[("allowed", "true")]).await.expect_status(303);
    for (kind, hours, reason) in
        [("owner", "4", "x"), ("read", "0", "x"), ("read", "73", "x"), ("read", "4", "")]
    {
        let fields = [("kind", kind), ("hours", hours), ("reason", reason)];
        owner.post(OWNER_PAGE, &fields).await.expect_status(422);
    }
    owner.post(OWNER_PAGE, &fields).await.expect_status(303);
    // One at a time.
    owner.post(OWNER_PAGE, &fields).await.expect_status(422);
    assert_eq!(acme.events("support.opened", "staff").await, 1);
    assert_eq!(acme.platform_events("support.opened").await, 1);
}

#[tokio::test]
async fn the_whole_way_in_is_seen_by_everybody_and_ends_within_a_second() {
    let acme = tenant().await;
    let mut owner = acme.browser().await;
    let grant = acme.lets_support_in(&mut owner, "full").await;
    let mut staff = acme.server.staff("support_admin").await;
    let mut support = inside(&mut staff, &acme, &grant).await;
    let page = support.get("/customers").await;
    page.expect_status(200);
    assert!(page.text().contains("You are here for support"));
    // Everybody here sees it, and the owner can end it from any page.
    let viewer = acme.person_with(&acme.role("Viewer").await).await;
    let mut colleague = acme.browser_as(&viewer.email, PASSWORD).await;
    let seen = colleague.get("/customers").await.text();
    assert!(seen.contains("Support is let in") && !seen.contains("End it now"));
    assert!(owner.get("/customers").await.text().contains("End it now"));
    // What is done is told as such, on both sides.
    support.get("/areas/new").await.expect_status(200);
    let area = [("name", "Centro"), ("code", "CEN")];
    support.post("/areas", &area).await.expect_status(303);
    assert_eq!(acme.events("area.created", "support").await, 1);
    assert_eq!(acme.platform_events("support.area.created").await, 1);
    assert_eq!(acme.events("support.entered", "support").await, 1);
    assert!(acme.events("support.looked", "support").await >= 3);
    let schema = acme.schema().await;
    let row = sql(&acme.server.database)
        .await
        .query_one(
            &format!(
                "SELECT actor_id::text, actor_label FROM {schema}.audit_event WHERE action = 'area.created'"
            ),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), grant, "the grant is named");
    assert!(row.get::<_, String>(1).starts_with("support_admin"), "and the person");
    // Nothing by which access would outlast the grant, and nothing of the owner's.
    for path in ["/staff/new", "/roles/new", OWNER_PAGE] {
        support.get(path).await.expect_status(403);
    }
    support.post("/settings/support/allowed", &[("allowed", "true")]).await.expect_status(403);
    owner.get(OWNER_PAGE).await.expect_status(200);
    owner.post(&format!("{OWNER_PAGE}/{grant}/end"), &[]).await.expect_status(303);
    assert!(is_out_within_a_second(&mut support).await);
    assert!(!owner.get("/customers").await.text().contains("Support is let in"));
    owner.post(&format!("{OWNER_PAGE}/{grant}/end"), &[]).await.expect_status(404);
    code_for(&mut staff, &acme, &grant).await.expect_status(303);
    assert!(staff.browser.get(&format!("/console/tenants/{}", acme.id)).await.text().contains("has ended"));
}

#[tokio::test]
async fn a_read_only_grant_refuses_every_write() {
    let acme = tenant().await;
    let mut owner = acme.browser().await;
    let grant = acme.lets_support_in(&mut owner, "read").await;
    let mut staff = acme.server.staff("support_admin").await;
    let mut support = inside(&mut staff, &acme, &grant).await;
    support.get("/customers").await.expect_status(200);
    let api = support.with_cookies().header("origin", &support.origin).header("x-csrf-token", &support.csrf);
    let mut written = Vec::new();
    for route in registry().await.iter().filter(|route| {
        route.surface == "tenant" && !route.is_open() && !route.is_api() && route.method != Method::GET
    }) {
        if route.path == "/support/leave" {
            continue;
        }
        let answer = ask(&api, route).await;
        let is_refused = match route.authority == "subscriber" {
            true => answer.status == 303 && answer.header("location").starts_with("/my/sign-in"),
            false => answer.status == 403,
        };
        if !is_refused {
            written.push(format!("{} answered {}", route.name(), answer.status));
        }
    }
    assert!(written.is_empty(), "{written:#?}");
    // What is for everybody who is signed in is refused by the same place.
    let answer = support.post("/account/profile", &[("name", "Mine")]).await;
    assert!(answer.text().contains("read-only"), "{}", answer.text());
    // The API knows no cookie, and the token is no bearer.
    let token = support.cookies["__Host-lm_session"].clone();
    acme.anonymous().bearer(&token).get("/api/v1/customers").await.expect_status(401);
    support.get("/customers").await;
    support.post("/support/leave", &[]).await.expect_status(303);
    support.cookies.insert("__Host-lm_session".into(), token);
    support.get("/customers").await.expect_status(303);
}

#[tokio::test]
async fn a_grant_opens_its_own_tenant_once_and_nobody_elses() {
    let (acme, other) = (tenant().await, tenant().await);
    let mut owner = acme.browser().await;
    let grant = acme.lets_support_in(&mut owner, "full").await;
    let mut other_owner = other.browser().await;
    other.lets_support_in(&mut other_owner, "read").await;
    let mut staff = acme.server.staff("support_admin").await;
    // At the other's page of the console it is nobody's.
    let led = code_for(&mut staff, &other, &grant).await;
    assert_eq!(led.header("location"), format!("/console/tenants/{}", other.id));
    // Its code at the other's door opens nothing, and is not used up by that.
    let url = code_for(&mut staff, &acme, &grant).await.header("location").to_owned();
    let code = url.split("code=").nth(1).unwrap().to_owned();
    let mut at_other = acme.server.browser(&other.host);
    at_other.get(&format!("/support/enter?code={code}")).await.expect_status(200);
    at_other.post("/support/enter", &[("code", &code)]).await.expect_status(422);
    let mut at_acme = acme.server.browser(&acme.host);
    at_acme.get(&format!("/support/enter?code={code}")).await.expect_status(200);
    at_acme.post("/support/enter", &[("code", &code)]).await.expect_status(303);
    at_acme.get("/customers").await.expect_status(200);
    // It counted once, and its cookie counts here alone.
    at_acme.get(&format!("/support/enter?code={code}")).await.expect_status(200);
    at_acme.post("/support/enter", &[("code", &code)]).await.expect_status(422);
    at_other.cookies = at_acme.cookies.clone();
    at_other.get("/customers").await.expect_status(303);
    // Who may only look at the console lets nobody in.
    let mut reader = acme.server.staff("read_only").await;
    code_for(&mut reader, &acme, &grant).await.expect_status(403);
}

#[tokio::test]
async fn who_is_switched_off_or_runs_out_of_time_is_out_within_a_second() {
    let acme = tenant().await;
    let mut owner = acme.browser().await;
    let grant = acme.lets_support_in(&mut owner, "read").await;
    let mut staff = acme.server.staff("support_admin").await;
    let mut boss = acme.server.staff("super_admin").await;
    let mut support = inside(&mut staff, &acme, &grant).await;
    let mut of_boss = inside(&mut boss, &acme, &grant).await;
    let path = format!("/console/people/{}", staff.id);
    boss.browser.get(&path).await.expect_status(200);
    boss.browser.post(&format!("{path}/role"), &[("role", "read_only")]).await.expect_status(303);
    assert!(is_out_within_a_second(&mut support).await, "demoted");
    of_boss.get("/customers").await.expect_status(200);
    // The owner turns all of it off.
    owner.get(OWNER_PAGE).await.expect_status(200);
    owner.post("/settings/support/allowed", &[("allowed", "false")]).await.expect_status(303);
    assert!(is_out_within_a_second(&mut of_boss).await, "switched off");
    // Time runs out while the stay is believed from memory.
    let grant = acme.lets_support_in(&mut owner, "read").await;
    sql(&acme.server.database)
        .await
        .execute(
            "UPDATE public.support_grant SET expires_at = now() + interval '3 seconds' WHERE id = $1::text::uuid",
            &[&grant],
        )
        .await
        .unwrap();
    let mut short = inside(&mut boss, &acme, &grant).await;
    short.get("/customers").await.expect_status(200);
    let since = Instant::now();
    while short.get("/customers").await.status == 200 {
        assert!(since.elapsed() < Duration::from_secs(5), "still in");
    }
    let mut door = acme.server.browser(HOST);
    door.get("/console/tenants").await.expect_status(303);
}
