//! Texts that the platform offers to all providers.

use serde_json::json;

use crate::harness::{Server, Settings, tenant_on, text};

const PATH: &str = "/api/v1/template-library";
const GOOD: [(&str, &str); 6] = [
    ("name", "Due"),
    ("language", "en"),
    ("channels", "sms"),
    ("channels", "email"),
    ("subject", "Your bill"),
    ("text", "Hi {{ first_name }}, {{ amount }} is due."),
];

#[tokio::test]
async fn a_text_is_offered_taken_and_from_then_on_the_providers_own() {
    let server = Server::own("library", Settings::default()).await;
    let mut staff = server.staff("support_admin").await;
    let (one, two) = (tenant_on(server).await, tenant_on(server).await);
    let (api, theirs) = (one.api().await, two.api().await);
    let console = &mut staff.browser;
    console.get("/console/library/new").await.expect_status(200);
    let made = console.post("/console/library", &GOOD).await;
    made.expect_status(303);
    let page = made.header("location").to_owned();
    console.post("/console/library", &GOOD).await.expect_status(422);
    // Nobody sees a draft.
    assert_eq!(api.get(PATH).await.expect(200)["items"], json!([]));
    let id = page.rsplit('/').next().unwrap().to_owned();
    let copies = format!("{PATH}/{id}/copies");
    api.post(&copies, json!({})).await.refused(404, "not_found");
    console.get(&page).await.expect_status(200);
    console.post(&format!("{page}/offer"), &[]).await.expect_status(303);
    assert_eq!(text(&theirs.get(PATH).await.expect(200), "/items/0/id"), id);
    let taken = api.post(&copies, json!({})).await.expect(201);
    assert_eq!((&taken["name"], &taken["state"]), (&json!("Due"), &json!("draft")));
    assert_eq!(taken["channels"], json!(["sms", "email"]));
    assert_eq!(api.post(&copies, json!({})).await.expect(201)["name"], "Due 2");
    let own = format!("/api/v1/templates/{}", text(&taken, "/id"));
    let version = api.get(&format!("{own}/versions/1")).await.expect(200);
    assert_eq!(
        version["contents"]["sms"]["en"],
        json!({"text": "Hi {{ first_name }}, {{ amount }} is due."})
    );
    assert_eq!(version["contents"]["email"]["en"]["subject"], "Your bill");
    assert_eq!(version["variables"][0]["name"], "amount");
    assert_eq!(theirs.get("/api/v1/templates").await.expect(200)["items"], json!([]), "nobody else's");
    // What becomes of the original changes nothing of a copy.
    let changed = [("name", "Due"), ("language", "en"), ("channels", "sms"), ("text", "Changed")];
    console.post(&page, &changed).await.expect_status(303);
    console.get(&page).await.expect_status(200);
    console.post(&format!("{page}/withdraw"), &[]).await.expect_status(303);
    api.post(&copies, json!({})).await.refused(404, "not_found");
    assert_eq!(api.get(&format!("{own}/versions/1")).await.expect(200)["contents"], version["contents"]);
    console.post(&format!("{page}/offer"), &[]).await.expect_status(303);
    let mut browser = two.browser().await;
    let shown = browser.get("/templates/library").await.text();
    assert!(shown.contains("Changed") && shown.contains(&format!("/templates/library/{id}/take")), "{shown}");
    let led = browser.post(&format!("/templates/library/{id}/take"), &[]).await;
    led.expect_status(303);
    assert!(browser.get(led.header("location")).await.text().contains("Changed"));
    console.post(&format!("{page}/delete"), &[]).await.expect_status(303);
    console.get(&page).await.expect_status(404);
    let log = console.get("/console/log").await.text();
    for said in
        ["Library created", "Library offered", "Library changed", "Library withdrawn", "Library deleted"]
    {
        assert!(log.contains(said), "{said}");
    }
    assert!(server.terminate());
}

#[tokio::test]
async fn what_is_wrong_with_a_text_is_named_and_who_only_looks_writes_none() {
    let server = Server::own("library_wrong", Settings::default()).await;
    let mut staff = server.staff("support_admin").await;
    let console = &mut staff.browser;
    console.get("/console/library/new").await.expect_status(200);
    let wrong = [("name", ""), ("language", "xx-"), ("channels", "sms"), ("text", "Hi")];
    assert!(console.post("/console/library", &wrong).await.text().contains("A language is a tag"));
    let odd = [
        ("name", "Due"),
        ("language", "en"),
        ("channels", "email"),
        ("channels", "sms"),
        ("text", "{{ first_name"),
    ];
    let refused = console.post("/console/library", &odd).await;
    refused.expect_status(422);
    assert_eq!(refused.text().matches("class=\"field-error\"").count(), 1, "{}", refused.text());
    console
        .post("/console/library", &[("name", "Due"), ("language", "en"), ("text", "Hi")])
        .await
        .expect_status(422);
    let mut reader = server.staff("read_only").await;
    reader.browser.get("/console/library").await.expect_status(200);
    reader.browser.get("/console/library/new").await.expect_status(403);
    reader.browser.post("/console/library", &GOOD).await.expect_status(403);
    assert!(server.terminate());
}
