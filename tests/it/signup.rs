//! An ISP signs up: all of it or nothing, and the same answer to the same request.

use serde_json::json;

use crate::{
    fake_providers::{Fake, SECRET},
    harness::{PASSWORD, Server, Settings, shared, sql, tenant, text},
};

fn body(slug: Option<&str>, email: &str) -> serde_json::Value {
    let mut body = json!({
        "company_name": "Acme Fiber", "owner": {"name": "Ada", "email": email, "password": PASSWORD},
    });
    if let Some(slug) = slug {
        body["slug"] = json!(slug);
    }
    body
}

fn fresh_slug() -> String {
    format!("s{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

#[tokio::test]
async fn a_sign_up_answers_with_the_tenant_and_its_owner() {
    let platform = shared().await.platform();
    let slug = fresh_slug();
    let made =
        platform.post("/api/platform/v1/signups", body(Some(&slug), "ada@acme.example")).await.expect(201);
    assert_eq!(text(&made, "/tenant/slug"), slug);
    assert_eq!(text(&made, "/tenant/host"), format!("{slug}.isp.test"));
    assert_eq!(text(&made, "/tenant/portal_url"), format!("https://{slug}.isp.test"));
    assert_eq!(text(&made, "/tenant/status"), "active");
    assert_eq!(text(&made, "/owner/email"), "ada@acme.example");
}

#[tokio::test]
async fn a_slug_is_proposed_from_the_name() {
    let platform = shared().await.platform();
    let name = format!("Zeta {} & Sons", fresh_slug());
    let mut asked = body(None, "z@zeta.example");
    asked["company_name"] = json!(name);
    let first = platform.post("/api/platform/v1/signups", asked.clone()).await.expect(201);
    let second = platform.post("/api/platform/v1/signups", asked).await.expect(201);
    assert!(text(&first, "/tenant/slug").starts_with("zeta-s"));
    assert_eq!(text(&second, "/tenant/slug"), format!("{}-2", text(&first, "/tenant/slug")));
}

#[tokio::test]
async fn a_taken_slug_is_taken_in_any_case() {
    let acme = tenant().await;
    let platform = acme.server.platform();
    let shouted = acme.slug.to_uppercase();
    platform
        .post("/api/platform/v1/signups", body(Some(&shouted), "b@b.example"))
        .await
        .refused(409, "slug_taken");
    let answer = platform.get(&format!("/api/platform/v1/slugs/{}", acme.slug)).await.expect(200);
    assert_eq!(answer, json!({"available": false, "reason": "taken"}));
}

#[tokio::test]
async fn of_two_sign_ups_at_the_same_instant_one_wins() {
    let platform = shared().await.platform();
    for _ in 0..5 {
        let slug = fresh_slug();
        let (one, other) = tokio::join!(
            platform.post("/api/platform/v1/signups", body(Some(&slug), "one@a.example")),
            platform.post("/api/platform/v1/signups", body(Some(&slug), "other@a.example")),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text(), other.text());
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let platform = shared().await.platform();
    let answer = platform
        .post(
            "/api/platform/v1/signups",
            json!({"company_name": "", "slug": "-x", "owner": {"email": "nobody", "password": "short"}, "colour": 1}),
        )
        .await;
    assert_eq!(answer.wrong_fields(), ["colour", "company_name", "owner.name", "owner.password", "slug"]);
    let answer = platform
        .post(
            "/api/platform/v1/signups",
            json!({
                "company_name": "A", "slug": "admin", "time_zone": "Mars/Olympus", "currency": "XXX", "country": "ZZ",
                "owner": {"name": " ", "email": "nobody at all", "password": "password123456"},
            }),
        )
        .await;
    assert_eq!(
        answer.wrong_fields(),
        ["country", "currency", "owner.email", "owner.name", "owner.password", "slug", "time_zone"]
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_one_tenant() {
    let server = shared().await;
    let key = uuid::Uuid::new_v4().to_string();
    let platform = server.platform().header("idempotency-key", &key);
    let asked = body(Some(&fresh_slug()), "k@k.example");
    let answers = futures_util::future::join_all(
        (0..8).map(|_| platform.post("/api/platform/v1/signups", asked.clone())),
    )
    .await;
    let first = answers[0].expect(201);
    for answer in &answers {
        assert_eq!(answer.expect(201), first);
    }
    let rows = sql(&server.database)
        .await
        .query("SELECT 1 FROM public.tenant WHERE slug = $1", &[&text(&first, "/tenant/slug")])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let mut other = asked;
    other["company_name"] = json!("Another");
    platform.post("/api/platform/v1/signups", other).await.expect_status(422);
}

#[tokio::test]
async fn slugs_say_why_they_cannot_be_had() {
    let platform = shared().await.platform();
    for (slug, reason) in [
        ("ab", "too_short"),
        ("admin", "reserved"),
        ("a--b", "hyphens"),
        ("xn--abc", "punycode"),
        ("a_b", "characters"),
        (&"a".repeat(41) as &str, "too_long"),
    ] {
        let answer = platform.get(&format!("/api/platform/v1/slugs/{slug}")).await.expect(200);
        assert_eq!(answer, json!({"available": false, "reason": reason}), "{slug}");
    }
    let free = platform.get(&format!("/api/platform/v1/slugs/{}", fresh_slug())).await.expect(200);
    assert_eq!(free, json!({"available": true, "reason": null}));
}

#[tokio::test]
async fn an_address_that_is_thrown_away_is_refused() {
    let server = shared().await;
    for email in ["ada@mailinator.com", "ada@MAILINATOR.com", "ada@inbox.mailinator.com"] {
        let refused =
            server.platform().post("/api/platform/v1/signups", body(Some(&fresh_slug()), email)).await;
        assert_eq!(refused.wrong_fields(), ["owner.email"], "{email}");
    }
    let mut browser = server.browser("isp.test");
    browser.get("/signup").await.expect_status(200);
    let fields = [
        ("company_name", "Acme Fiber"),
        ("owner_name", "Ada"),
        ("owner_email", "ada@mailinator.com"),
        ("password", PASSWORD),
    ];
    let page = browser.post("/signup", &fields).await;
    page.expect_status(422);
    assert!(page.text().contains("Take an address that lasts"), "{}", page.text());
}

#[tokio::test]
async fn where_a_captcha_is_asked_for_nobody_signs_up_without() {
    let fake = Fake::start().await;
    let settings = Settings::default()
        .with("SIGNUPS__ALLOW_DISPOSABLE", "true")
        .with("SIGNUPS__CAPTCHA__KIND", "turnstile")
        .with("SIGNUPS__CAPTCHA__SITE_KEY", "site-1")
        .with("SIGNUPS__CAPTCHA__SECRET", SECRET)
        .with("SIGNUPS__CAPTCHA__VERIFY_URL", format!("{}/captcha/siteverify", fake.url));
    let server = Server::own("signup_captcha", settings).await;
    let asked = async |token: Option<&str>| {
        let mut body = body(Some(&fresh_slug()), "ada@mailinator.com");
        if let Some(token) = token {
            body["captcha_token"] = json!(token);
        }
        server.platform().post("/api/platform/v1/signups", body).await
    };
    for token in [None, Some(""), Some("robot")] {
        assert_eq!(asked(token).await.wrong_fields(), ["captcha_token"], "{token:?}");
    }
    asked(Some("person")).await.expect_status(201);
    let mut browser = server.browser("isp.test");
    let page = browser.get("/signup").await;
    assert!(page.text().contains("class=\"cf-turnstile\" data-sitekey=\"site-1\""), "{}", page.text());
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self' https://challenges.cloudflare.com;"), "{policy}");
    assert!(!server.platform().get("/").await.header("content-security-policy").contains("cloudflare"));
    let fields = [
        ("company_name", "Acme Fiber"),
        ("owner_name", "Ada"),
        ("owner_email", "ada@acme.example"),
        ("password", PASSWORD),
    ];
    let refused = browser.post("/signup", &fields).await;
    refused.expect_status(422);
    assert!(refused.text().contains("Show that you are a person"), "{}", refused.text());
    let with_token = [fields.as_slice(), &[("cf-turnstile-response", "person")]].concat();
    browser.post("/signup", &with_token).await.expect_status(303);
    // The same request again has its answer, though a token counts once.
    let again = async |token: &str, slug: &str| {
        let mut body = body(Some(slug), "ada@acme.example");
        body["captcha_token"] = json!(token);
        let platform = server.platform().header("idempotency-key", slug);
        platform.post("/api/platform/v1/signups", body).await.expect(201)
    };
    let slug = fresh_slug();
    assert_eq!(again("person", &slug).await, again("used up", &slug).await);
    // While the service says nothing nobody is let in, and nobody is called a robot.
    fake.revoke("captcha");
    asked(Some("person")).await.refused(503, "captcha_unavailable");
}
