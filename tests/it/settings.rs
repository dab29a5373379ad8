//! The company's profile: seen and changed by pages and programs alike.

use serde_json::{Value, json};

use crate::harness::{Api, tenant, text};

fn fields(answer: &Value) -> Vec<String> {
    answer["errors"].as_array().unwrap().iter().map(|wrong| text(wrong, "/field")).collect()
}

async fn updates(api: &Api) -> Vec<Value> {
    let list = api.get("/api/v1/audit-events?action=company.updated").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_program_changes_what_it_names_and_nothing_else() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let before = api.get("/api/v1/company").await.expect(200);
    assert_eq!(text(&before, "/slug"), tenant.slug);
    let body = json!({
        "name": "Kagayan Fiber", "legal_name": "Kagayan Fiber Inc.", "phone": "0917 555 0142", "email": "Hello@Kagayan.example",
        "website": "https://kagayan.example", "tax_number": "123-456", "street_address": "12 Corrales\nCagayan de Oro",
        "time_zone": "Asia/Manila", "currency": "PHP", "country": "PH", "area_word": "Barangay",
    });
    let after = api.patch("/api/v1/company", body).await.expect(200);
    assert_eq!(text(&after, "/phone"), "+639175550142");
    assert_eq!(text(&after, "/email"), "hello@kagayan.example");
    let cleared = api.patch("/api/v1/company", json!({ "legal_name": null })).await.expect(200);
    assert!(cleared["legal_name"].is_null());
    assert_eq!(text(&cleared, "/name"), "Kagayan Fiber");
    assert_eq!(text(&cleared, "/area_word"), "Barangay");
    assert_eq!(api.get("/api/v1/company").await.expect(200), cleared);

    let told = updates(&api).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["before"], json!({ "legal_name": "Kagayan Fiber Inc." }));
    assert_eq!(told[0]["after"], json!({ "legal_name": null }));
    // Nothing changed: nothing is told.
    let same = api.patch("/api/v1/company", json!({ "name": "Kagayan Fiber" })).await.expect(200);
    assert_eq!(same["version"], cleared["version"]);
    assert_eq!(updates(&api).await.len(), 2);
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let body = json!({
        "name": " ", "email": "hello@", "website": "javascript:alert(1)", "time_zone": "Mars/Olympus", "currency": "XXX",
        "country": "XX", "cors_origins": ["http://plain.example"],
    });
    let refused = api.patch("/api/v1/company", body).await.expect(422);
    let mut named = fields(&refused);
    named.sort();
    assert_eq!(named, ["cors_origins", "country", "currency", "email", "name", "time_zone", "website"]);
    let unknown = api.patch("/api/v1/company", json!({ "slug": "another" })).await.expect(422);
    assert_eq!(fields(&unknown), ["slug"]);
    assert!(updates(&api).await.is_empty());
}

#[tokio::test]
async fn the_page_keeps_what_was_typed() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let mut browser = tenant.browser().await;
    let page = browser.get("/settings/company").await;
    page.expect_status(200);
    assert!(page.text().contains("Asia/Manila (UTC+8)"));
    let typed = [("name", "Kagayan Fiber"), ("email", "hello@"), ("area_word", "Barangay")];
    let refused = browser.post("/settings/company", &typed).await;
    refused.expect_status(422);
    assert!(
        refused.text().contains("value=\"hello@\"")
            && refused.text().contains("This is not an e-mail address.")
    );
    let saved = browser
        .post(
            "/settings/company",
            &[("name", "Kagayan Fiber"), ("email", "hello@kagayan.example"), ("area_word", "Barangay")],
        )
        .await;
    saved.expect_status(303);
    let shown = browser.get("/settings/company").await.text();
    assert!(
        shown.contains("Company saved.") && shown.contains("Kagayan Fiber") && shown.contains("Barangay")
    );
    assert_eq!(text(&api.get("/api/v1/company").await.expect(200), "/name"), "Kagayan Fiber");
}

/// Origins that the company named may call its API; no other, and none before.
#[tokio::test]
async fn only_named_origins_may_call_the_api() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let from = |origin: &str| {
        let api = api.header("origin", origin);
        async move { api.get("/api/v1/company").await.header("access-control-allow-origin").to_owned() }
    };
    assert_eq!(from("https://shop.example.com").await, "");
    api.patch("/api/v1/company", json!({ "cors_origins": ["https://shop.example.com"] })).await.expect(200);
    assert_eq!(from("https://shop.example.com").await, "https://shop.example.com");
    assert_eq!(from("https://evil.example.com").await, "");
    api.patch("/api/v1/company", json!({ "cors_origins": [] })).await.expect(200);
    assert_eq!(from("https://shop.example.com").await, "");
}
