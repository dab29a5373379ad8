//! Areas over the API and in the portal.

use serde_json::json;

use crate::harness::{tenant, text};

#[tokio::test]
async fn names_and_codes_are_unique_in_any_case() {
    let api = tenant().await.api().await;
    let area = api.post("/api/v1/areas", json!({"name": "Carmen", "code": "CAR"})).await.expect(201);
    assert_eq!((area["is_active"].clone(), area["description"].clone()), (json!(true), json!("")));
    api.post("/api/v1/areas", json!({"name": "CARMEN"})).await.refused(409, "name_taken");
    api.post("/api/v1/areas", json!({"name": "Other", "code": "car"})).await.refused(409, "code_taken");
    let other = text(&api.post("/api/v1/areas", json!({"name": "Other"})).await.expect(201), "/id");
    api.patch(&format!("/api/v1/areas/{other}"), json!({"code": "CAR"})).await.refused(409, "code_taken");
    let wrong = api.post("/api/v1/areas", json!({"name": "", "code": "c".repeat(21), "colour": 1})).await;
    assert_eq!(wrong.wrong_fields(), ["code", "colour", "name"]);
}

#[tokio::test]
async fn an_area_with_customers_is_switched_off_and_one_without_is_deleted() {
    let api = tenant().await.api().await;
    let used = text(&api.post("/api/v1/areas", json!({"name": "Used"})).await.expect(201), "/id");
    let free = text(&api.post("/api/v1/areas", json!({"name": "Free"})).await.expect(201), "/id");
    let body = json!({"first_name": "Ana", "last_name": "Cruz", "area_id": used, "status": "suspended"});
    api.post("/api/v1/customers", body.clone()).await.expect(201);
    let counted = api.get(&format!("/api/v1/areas/{used}")).await.expect(200);
    assert_eq!((&counted["active_customers"], &counted["total_customers"]), (&json!(0), &json!(1)));
    let outcome = api.delete(&format!("/api/v1/areas/{used}")).await.expect(200);
    assert_eq!(outcome, json!({"outcome": "switched_off"}));
    assert_eq!(api.get(&format!("/api/v1/areas/{used}")).await.expect(200)["is_active"], json!(false));
    assert_eq!(api.delete(&format!("/api/v1/areas/{free}")).await.expect(200), json!({"outcome": "deleted"}));
    api.get(&format!("/api/v1/areas/{free}")).await.refused(404, "not_found");
    // Nobody may go where it is switched off.
    assert_eq!(api.post("/api/v1/customers", body).await.wrong_fields(), ["area_id"]);
}

#[tokio::test]
async fn the_list_pages_in_every_order_and_counts_when_asked() {
    let api = tenant().await.api().await;
    for n in 0..7 {
        let body = json!({"name": format!("Area {n}"), "code": format!("C{}", 9 - n), "is_active": n != 3});
        api.post("/api/v1/areas", body).await.expect(201);
    }
    for sort in ["name", "-name", "code", "-code", "created", "-created"] {
        let mut path = format!("/api/v1/areas?limit=3&total=true&sort={sort}");
        let mut names: Vec<String> = Vec::new();
        loop {
            let page = api.get(&path).await.expect(200);
            assert_eq!(page["total"], 7);
            names.extend(page["items"].as_array().unwrap().iter().map(|area| text(area, "/name")));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/api/v1/areas?limit=3&total=true&sort={sort}&cursor={cursor}");
        }
        let mut expected: Vec<String> = (0..7).map(|n| format!("Area {n}")).collect();
        if ["-name", "code", "-created"].contains(&sort) {
            expected.reverse();
        }
        assert_eq!(names, expected, "{sort}");
    }
    assert_eq!(api.get("/api/v1/areas?is_active=false&total=true").await.expect(200)["total"], 1);
    assert_eq!(api.get("/api/v1/areas?q=c9").await.expect(200)["items"][0]["name"], "Area 0");
    api.get("/api/v1/areas?cursor=made-up").await.refused(400, "bad_cursor");
    api.get("/api/v1/areas?q=%00").await.expect(200);
}

#[tokio::test]
async fn another_tenants_area_is_not_there() {
    let (ours, theirs) = (tenant().await.api().await, tenant().await.api().await);
    let id = text(&theirs.post("/api/v1/areas", json!({"name": "Theirs"})).await.expect(201), "/id");
    let path = format!("/api/v1/areas/{id}");
    ours.get(&path).await.refused(404, "not_found");
    ours.patch(&path, json!({"name": "Ours"})).await.refused(404, "not_found");
    ours.delete(&path).await.refused(404, "not_found");
    ours.get(&format!("/api/v1/customers?area_id={id}")).await.refused(404, "not_found");
    assert_eq!(theirs.get(&path).await.expect(200)["name"], "Theirs");
}

#[tokio::test]
async fn the_portal_adds_mends_and_switches_off() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    browser.get("/areas/new").await.expect_status(200);
    browser.post("/areas", &[("name", "Carmen"), ("is_active", "true")]).await.expect_status(303);
    let again = browser.post("/areas", &[("name", "carmen"), ("code", "C1")]).await;
    again.expect_status(422);
    assert!(again.text().contains("There is an area of this name already."));
    assert!(again.text().contains("value=\"C1\""), "what was typed is kept");
    let list = browser.get("/areas?q=car").await;
    list.expect_status(200);
    let href = crate::harness::between(&list.text(), "class=\"row-link\" href=\"", "\"").unwrap();
    browser.get(&href).await.expect_status(200);
    browser.post(&href, &[("name", "Carmen"), ("code", "X")]).await.expect_status(303);
    let area = &tenant.api().await.get("/api/v1/areas").await.expect(200)["items"][0];
    assert_eq!((&area["code"], &area["is_active"]), (&json!("X"), &json!(false)));
}
