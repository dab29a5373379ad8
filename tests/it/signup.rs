//! An ISP signs up: all of it or nothing, and the same answer to the same request.

use serde_json::json;

use crate::harness::{PASSWORD, shared, sql, tenant, text};

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
