//! Plans: what is sold, at which price, since when.

use serde_json::json;

use crate::harness::{tenant, text};

#[tokio::test]
async fn a_plan_keeps_the_history_of_its_price() {
    let api = tenant().await.api().await;
    let body = json!({"name": "Basic", "download_mbps": 25, "upload_mbps": 10, "price": "900"});
    let plan = api.post("/api/v1/plans", body).await.expect(201);
    assert_eq!(
        (&plan["price"], &plan["period_days"], &plan["tax"]),
        (&json!("900.00"), &json!(30), &json!("vatable"))
    );
    let path = format!("/api/v1/plans/{}", text(&plan, "/id"));
    api.patch(&path, json!({"description": "No change of the price."})).await.expect(200);
    api.patch(&path, json!({"price": "950.50"})).await.expect(200);
    api.patch(&path, json!({"price": "950.50"})).await.expect(200);
    let prices = api.get(&format!("{path}/prices")).await.expect(200);
    let told: Vec<&str> =
        prices["items"].as_array().unwrap().iter().map(|p| p["price"].as_str().unwrap()).collect();
    assert_eq!(told, ["950.50", "900.00"]);
    api.delete(&path).await.expect_status(204);
    api.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn names_are_unique_and_bad_figures_are_named() {
    let api = tenant().await.api().await;
    let body = json!({"name": "Basic", "download_mbps": 25, "upload_mbps": 10, "price": "900.00"});
    api.post("/api/v1/plans", body).await.expect(201);
    let again = json!({"name": "BASIC", "download_mbps": 25, "upload_mbps": 10, "price": "900.00"});
    api.post("/api/v1/plans", again).await.refused(409, "name_taken");
    for price in ["-1", "1.001", "1000000000000"] {
        let body = json!({"name": price, "download_mbps": 1, "upload_mbps": 1, "price": price});
        assert_eq!(api.post("/api/v1/plans", body).await.wrong_fields(), ["price"], "{price}");
    }
    let body = json!({"name": "", "download_mbps": 0, "upload_mbps": 0, "price": "x", "period_days": 0, "tax": "none"});
    assert_eq!(
        api.post("/api/v1/plans", body).await.wrong_fields(),
        ["download_mbps", "name", "period_days", "price", "tax", "upload_mbps"]
    );
}

#[tokio::test]
async fn the_list_is_by_price_and_pages() {
    let api = tenant().await.api().await;
    for (name, price) in [("C", "300"), ("A", "100"), ("B", "100"), ("D", "0")] {
        let body = json!({"name": name, "download_mbps": 1, "upload_mbps": 1, "price": price, "is_active": name != "C"});
        api.post("/api/v1/plans", body).await.expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/plans?limit=1&total=true".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        assert_eq!(page["total"], 4);
        names.push(text(&page, "/items/0/name"));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/plans?limit=1&total=true&cursor={cursor}");
    }
    assert_eq!(names, ["D", "A", "B", "C"]);
    assert_eq!(api.get("/api/v1/plans?is_active=false&total=true").await.expect(200)["total"], 1);
    api.get("/api/v1/plans?cursor=made-up").await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn the_portal_adds_and_mends_plans() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    browser.get("/plans").await.expect_status(200);
    browser.get("/plans/new").await.expect_status(200);
    let wrong = browser
        .post(
            "/plans",
            &[
                ("name", "Fast"),
                ("download_mbps", "x"),
                ("upload_mbps", ""),
                ("price", "1,2a"),
                ("period_days", "400"),
                ("tax", "vatable"),
            ],
        )
        .await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This must be a whole number.") && wrong.text().contains("value=\"Fast\""));
    assert!(wrong.text().contains("Between 1 and 366."));
    let good = [
        ("name", "Fast"),
        ("download_mbps", "100"),
        ("upload_mbps", "50"),
        ("price", "1,800.00"),
        ("period_days", "30"),
        ("tax", "exempt"),
        ("is_active", "true"),
    ];
    browser.post("/plans", &good).await.expect_status(303);
    let list = browser.get("/plans").await.text();
    assert!(list.contains("100/50 Mbps") && list.contains("₱1,800.00") && list.contains("VAT-exempt"));
    let href = crate::harness::between(&list, "class=\"row-link\" href=\"", "\"").unwrap();
    assert!(browser.get(&href).await.text().contains("Price history"));
    browser.post(&format!("{href}/delete"), &[]).await.expect_status(303);
    assert!(browser.get("/plans").await.text().contains("No plans yet"));
}
