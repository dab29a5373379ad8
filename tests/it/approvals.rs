//! Sign-ups that wait for somebody of the platform.

use serde_json::json;

use crate::harness::{
    Browser, PASSWORD, Server, Settings,
    console::{HOST, Staff},
    mailbox::letter_to,
    sql,
};

/// A deployment where sign-ups wait, and the people who decide.
async fn careful(name: &str) -> (&'static Server, Staff) {
    let server = Server::own(name, Settings::default()).await;
    let mut boss = server.staff("super_admin").await;
    boss.browser.get("/console/settings").await.expect_status(200);
    boss.browser.post("/console/settings", &[("signups", "approval")]).await.expect_status(303);
    (server, boss)
}

fn asked(slug: &str) -> serde_json::Value {
    json!({
        "company_name": format!("Company {slug}"), "slug": slug,
        "owner": {"name": "Olive Owner", "email": format!("owner@{slug}.example"), "password": PASSWORD},
    })
}

async fn request_id(server: &Server, slug: &str) -> String {
    let row = sql(&server.database)
        .await
        .query_one("SELECT id::text FROM public.signup_request WHERE slug = $1", &[&slug])
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_sign_up_waits_is_approved_and_its_owner_told() {
    let (server, boss) = careful("approved").await;
    let mut support = server.staff("support_admin").await;
    let api = server.platform().header("idempotency-key", "one");
    let answer = api.post("/api/platform/v1/signups", asked("waiting")).await.expect(201);
    assert_eq!((&answer["tenant"]["status"], &answer["owner"]["id"]), (&json!("pending"), &json!(null)));
    // The same request again is the same answer; the address is taken for others; nothing is served yet.
    assert_eq!(api.post("/api/platform/v1/signups", asked("waiting")).await.expect(201), answer);
    let other = server.platform().post("/api/platform/v1/signups", asked("Waiting")).await;
    other.refused(409, "slug_taken");
    let state = server.platform().get("/api/platform/v1/slugs/waiting").await.expect(200);
    assert_eq!(state["available"], false);
    server.at("waiting.isp.test").get("/sign-in").await.expect_status(404);
    let page = support.browser.get("/console/signups").await;
    assert!(page.text().contains("Company waiting"));
    let id = request_id(server, "waiting").await;
    // Two who decide at once: one does.
    let mut second = boss;
    second.browser.get("/console/signups").await.expect_status(200);
    let approve = format!("/console/signups/{id}/approve");
    let reject = format!("/console/signups/{id}/reject");
    tokio::join!(support.browser.post(&approve, &[]), second.browser.post(&reject, &[("reason", "Not now")]),);
    let client = sql(&server.database).await;
    let row = client
        .query_one("SELECT status, password_hash IS NULL FROM public.signup_request", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(1), "the password's hash is gone");
    let tenants: i64 = client.query_one("SELECT count(*) FROM public.tenant", &[]).await.unwrap().get(0);
    let status: String = row.get(0);
    assert_eq!(tenants, i64::from(status == "approved"));
    let letter = letter_to(server, "owner@waiting.example", 1).await;
    if status == "approved" {
        assert_eq!(letter.link(), "https://waiting.isp.test/sign-in");
        let mut owner = server.browser("waiting.isp.test");
        owner.get("/sign-in").await.expect_status(200);
        let fields = [("email", "owner@waiting.example"), ("password", PASSWORD)];
        owner.post("/sign-in", &fields).await.expect_status(303);
    } else {
        assert!(letter.text.contains("Not now"), "{}", letter.text);
    }
    // Decided is decided.
    support.browser.get("/console/signups").await;
    support.browser.post(&approve, &[]).await.expect_status(303);
    assert!(support.browser.get("/console/signups").await.text().contains("decided on this sign-up already"));
}

#[tokio::test]
async fn a_refusal_has_a_reason_and_frees_the_address() {
    let (server, mut boss) = careful("refused").await;
    let mut visitor: Browser = server.browser(HOST);
    visitor.get("/signup").await.expect_status(200);
    let fields = [
        ("company_name", "Spam & Co"),
        ("slug", "spam-co"),
        ("owner_name", "Sam"),
        ("owner_email", "sam@spam.example"),
        ("password", PASSWORD),
        ("country", "PH"),
        ("currency", "PHP"),
        ("time_zone", "Asia/Manila"),
    ];
    let thanks = visitor.post("/signup", &fields).await;
    thanks.expect_status(200);
    assert!(thanks.text().contains("We look at the sign-up of Spam &amp; Co"));
    let id = request_id(server, "spam-co").await;
    boss.browser.get("/console/signups").await.expect_status(200);
    let reject = format!("/console/signups/{id}/reject");
    boss.browser.post(&reject, &[("reason", " ")]).await.expect_status(303);
    boss.browser.get("/console/signups").await;
    boss.browser.post(&reject, &[("reason", "We serve internet providers alone")]).await.expect_status(303);
    let letter = letter_to(server, "sam@spam.example", 1).await;
    assert!(letter.text.contains("We serve internet providers alone"));
    assert!(boss.browser.get("/console/signups?state=decided").await.text().contains("Spam &amp; Co"));
    // Approved afterwards it cannot be; the address is free again.
    boss.browser.post(&format!("/console/signups/{id}/approve"), &[]).await.expect_status(303);
    assert!(boss.browser.get("/console/signups").await.text().contains("decided on this sign-up already"));
    server.platform().post("/api/platform/v1/signups", asked("spam-co")).await.expect(201);
    boss.browser.get("/console/signups").await;
    let approve = format!("/console/signups/{}/approve", {
        let row = sql(&server.database)
            .await
            .query_one("SELECT id::text FROM public.signup_request WHERE status = 'pending'", &[])
            .await
            .unwrap();
        row.get::<_, String>(0)
    });
    boss.browser.post(&approve, &[]).await.expect_status(303);
    server.at("spam-co.isp.test").get("/sign-in").await.expect_status(200);
    assert!(letter_to(server, "owner@spam-co.example", 1).await.text.contains("is ready"));
    // Closed is closed, for those at the door.
    boss.browser.get("/console/settings").await;
    boss.browser.post("/console/settings", &[("signups", "closed")]).await.expect_status(303);
    server.platform().post("/api/platform/v1/signups", asked("late")).await.refused(403, "signups_closed");
    assert!(!server.platform().get("/").await.text().contains("href=\"/signup\""));
    boss.browser.get("/console/settings").await;
    boss.browser.post("/console/settings", &[("signups", "all")]).await.expect_status(303);
    assert!(boss.browser.get("/console/settings").await.text().contains("Choose open"));
}
