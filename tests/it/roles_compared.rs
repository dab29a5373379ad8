//! Two roles side by side, and why somebody may do something or may not.

use serde_json::{Value, json};

use crate::harness::{Tenant, sql, tenant, text};

async fn role(acme: &Tenant, name: &str, permissions: &[&str]) -> String {
    let body = json!({"name": name, "permissions": permissions});
    text(&acme.api().await.post("/api/v1/roles", body).await.expect(201), "/id")
}

async fn why(acme: &Tenant, person: &str, right: &str) -> Value {
    acme.api().await.get(&format!("/api/v1/staff/{person}/rights/{right}")).await.expect(200)
}

#[tokio::test]
async fn what_two_roles_hold_stands_side_by_side() {
    let (acme, other) = (tenant().await, tenant().await);
    let a = role(&acme, "Desk", &["customers.view", "customers.edit"]).await;
    let b = role(&acme, "Field", &["customers.view", "areas.view"]).await;
    let api = acme.api().await;
    let compared = api.get(&format!("/api/v1/roles/compare?a={a}&b={b}")).await.expect(200);
    assert_eq!((&compared["a"]["name"], &compared["b"]["name"]), (&json!("Desk"), &json!("Field")));
    assert_eq!(compared["differing"], 2);
    let rights: Vec<&Value> = compared["categories"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|category| category["rights"].as_array().unwrap())
        .collect();
    let all = api.get("/api/v1/permissions").await.expect(200);
    let all: usize =
        all["items"].as_array().unwrap().iter().map(|c| c["permissions"].as_array().unwrap().len()).sum();
    assert_eq!(rights.len(), all, "each right stands there once");
    let of = |code: &str| {
        let one = rights.iter().find(|right| right["code"] == code).unwrap();
        (one["in_a"] == true, one["in_b"] == true, one["differs"] == true)
    };
    assert_eq!(of("customers.view"), (true, true, false));
    assert_eq!(of("customers.edit"), (true, false, true));
    assert_eq!(of("areas.view"), (false, true, true));
    assert_eq!(of("roles.manage"), (false, false, false));
    let owner = acme.role("Owner").await;
    let compared = api.get(&format!("/api/v1/roles/compare?a={owner}&b={owner}")).await.expect(200);
    assert_eq!(compared["differing"], 0);
    let foreign = role(&other, "Theirs", &[]).await;
    api.get(&format!("/api/v1/roles/compare?a={a}&b={foreign}")).await.refused(404, "not_found");
    api.get(&format!("/api/v1/roles/compare?a={foreign}&b={a}")).await.refused(404, "not_found");

    let mut browser = acme.browser().await;
    browser.get("/roles/compare").await.expect_status(200);
    let page = browser.get(&format!("/roles/compare?a={a}&b={b}")).await.text();
    assert!(page.contains("2 rights differ") && page.contains("View customers"), "{page}");
    let only = browser.get(&format!("/roles/compare?a={a}&b={b}&only=differences")).await.text();
    assert!(only.contains("Edit customers") && !only.contains(">View customers"), "{only}");
    browser.get(&format!("/roles/compare?a={a}&b={foreign}")).await.expect_status(404);
    browser.get(&format!("/roles/compare?a={foreign}")).await.expect_status(404);
    browser.get("/roles/compare?a=odd").await.expect_status(404);
}

#[tokio::test]
async fn what_decides_is_named_and_is_what_happens() {
    let acme = tenant().await;
    let api = acme.api().await;
    let pat = acme.person(&["customers.view"]).await;
    let pats = acme.api_of(&pat).await;
    let customers = async || pats.get("/api/v1/customers").await.status;
    let told = async |right: &str| {
        let told = why(&acme, &pat.id, right).await;
        (told["is_allowed"] == true, told["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!((told("customers.view").await, customers().await), ((true, "role".into()), 200));
    assert_eq!(told("customers.edit").await, (false, "no_role".into()));
    assert_eq!(told("customers.fly").await, (false, "unknown_right".into()));
    let path = format!("/api/v1/roles/{}", pat.role_id);
    api.patch(&path, json!({"is_active": false})).await.expect(200);
    assert_eq!((told("customers.view").await, customers().await), ((false, "role_off".into()), 403));
    api.patch(&path, json!({"is_active": true, "requires_mfa": true})).await.expect(200);
    assert_eq!(
        (told("customers.view").await, customers().await),
        ((false, "second_step_missing".into()), 403)
    );
    assert_eq!(told("customers.edit").await, (false, "no_role".into()));
    api.patch(&path, json!({"requires_mfa": false})).await.expect(200);
    assert_eq!((told("customers.view").await, customers().await), ((true, "role".into()), 200));
    api.patch(&format!("/api/v1/staff/{}", pat.id), json!({"is_active": false})).await.expect(200);
    assert_eq!((told("customers.view").await, customers().await), ((false, "staff_disabled".into()), 401));
    let new =
        json!({"name": "Ivy", "email": format!("ivy@{}.example", acme.slug), "role_ids": [pat.role_id]});
    let ivy = text(&api.post("/api/v1/staff", new).await.expect(201), "/id");
    assert_eq!(why(&acme, &ivy, "customers.view").await["reason"], "invitation_open");
    assert_eq!(why(&acme, &acme.owner_id, "customers.view").await["reason"], "owner");
    // On the page.
    let mut browser = acme.browser().await;
    let page = browser.get(&format!("/staff/{}?right=customers.view", pat.id)).await.text();
    assert!(page.contains("is switched off."), "{page}");
    let page = browser.get(&format!("/staff/{}?right=customers.fly", ivy)).await.text();
    assert!(page.contains("There is no such right."), "{page}");
    // Whoever may not see what roles hold is not told.
    let kim = acme.api_of(&acme.person(&["staff.view"]).await).await;
    kim.get(&format!("/api/v1/staff/{}/rights/customers.view", ivy)).await.refused(403, "forbidden");
    let other = tenant().await.api().await;
    other.get(&format!("/api/v1/staff/{}/rights/customers.view", ivy)).await.refused(404, "not_found");
}

#[tokio::test]
async fn one_session_of_a_colleague_ends_and_the_others_go_on() {
    let acme = tenant().await;
    let api = acme.api().await;
    let pat = acme.person(&["customers.view"]).await;
    let mut first = acme.browser_as(&pat.email, crate::harness::PASSWORD).await;
    let mut second = acme.browser_as(&pat.email, crate::harness::PASSWORD).await;
    first.get("/customers").await.expect_status(200);
    second.get("/customers").await.expect_status(200);
    let stays = api.get(&format!("/api/v1/staff/{}/sessions", pat.id)).await.expect(200);
    let ids: Vec<String> = stays["items"].as_array().unwrap().iter().map(|stay| text(stay, "/id")).collect();
    assert_eq!(ids.len(), 2);
    let path = format!("/api/v1/staff/{}/sessions/{}", pat.id, ids[0]);
    // Whoever may do less ends nobody's, and another's session is not this person's.
    let clerk = acme.api_of(&acme.person(&["staff.manage", "staff.view"]).await).await;
    clerk.delete(&path).await.refused(403, "beyond_own_rights");
    let wrong = format!("/api/v1/staff/{}/sessions/{}", acme.owner_id, ids[0]);
    api.delete(&wrong).await.refused(404, "not_found");
    api.delete(&path).await.expect_status(204);
    api.delete(&path).await.refused(404, "not_found");
    let open = [first.get("/customers").await.status, second.get("/customers").await.status];
    assert!(open == [200, 303] || open == [303, 200], "{open:?}");
    let mut owner = acme.browser().await;
    let page = owner.get(&format!("/staff/{}", pat.id)).await.text();
    let action = format!("/staff/{}/sessions/{}/end", pat.id, ids[1]);
    assert!(page.contains(&action), "{page}");
    owner.post(&action, &[]).await.expect_status(303);
    for browser in [&mut first, &mut second] {
        browser.get("/customers").await.expect_status(303);
    }
    // One's own go another way.
    let own = api.get(&format!("/api/v1/staff/{}/sessions", acme.owner_id)).await.expect(200);
    let own = format!("/api/v1/staff/{}/sessions/{}", acme.owner_id, text(&own, "/items/0/id"));
    api.delete(&own).await.refused(409, "own_account");
    owner.get("/account").await.expect_status(200);
    let query = format!(
        "SELECT count(*) FROM {}.audit_event WHERE action = 'staff.session_ended'",
        acme.schema().await
    );
    assert_eq!(sql(&acme.server.database).await.query_one(&query, &[]).await.unwrap().get::<_, i64>(0), 2);
}
