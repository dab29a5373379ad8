//! Roles: made, changed, copied, deleted; and what those with few rights cannot do with them.

use serde_json::{Value, json};

use crate::harness::{Api, sql, tenant, text};

async fn make(api: &Api, name: &str, permissions: &[&str]) -> String {
    let role = json!({"name": name, "permissions": permissions});
    text(&api.post("/api/v1/roles", role).await.expect(201), "/id")
}

#[tokio::test]
async fn a_role_is_made_changed_copied_and_deleted_and_all_of_it_is_written_down() {
    let acme = tenant().await;
    let api = acme.api().await;
    let new = json!({"name": " Night shift ", "description": "After ten", "permissions": ["staff.view", "roles.view", "staff.view"]});
    let made = api.post("/api/v1/roles", new).await.expect(201);
    assert_eq!(made["name"], "Night shift");
    assert_eq!(made["permissions"], json!(["roles.view", "staff.view"]));
    let path = format!("/api/v1/roles/{}", text(&made, "/id"));
    let changed =
        api.patch(&path, json!({"permissions": ["staff.view"], "name": "Late shift"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Late shift"), &json!("After ten")));
    let copy = api.post(&format!("{path}/copy"), json!({"name": "Later shift"})).await.expect(201);
    assert_eq!((&copy["permissions"], &copy["is_default"]), (&json!(["staff.view"]), &json!(false)));
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404, "not_found");
    let sql = sql(&acme.server.database).await;
    let events = sql
        .query(
            &format!(
                "SELECT action, actor_label, before, after FROM {}.audit_event WHERE object_type = 'role' ORDER BY id",
                acme.schema().await
            ),
            &[],
        )
        .await
        .unwrap();
    let told: Vec<(String, Value, Value)> = events
        .iter()
        .map(|row| {
            assert_eq!(row.get::<_, String>("actor_label"), "Olive Owner");
            let json = |column| row.get::<_, Option<Value>>(column).unwrap_or(Value::Null);
            (row.get("action"), json("before"), json("after"))
        })
        .collect();
    let actions: Vec<&str> = told.iter().map(|(action, _, _)| action.as_str()).collect();
    assert_eq!(actions, ["role.created", "role.updated", "role.created", "role.deleted"]);
    assert_eq!(told[1].1, json!({"name": "Night shift", "permissions": ["roles.view", "staff.view"]}));
    assert_eq!(told[1].2, json!({"name": "Late shift", "permissions": ["staff.view"]}));
    assert_eq!((&told[3].1["name"], &told[3].2), (&json!("Late shift"), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (owner, viewer) = (acme.role("Owner").await, acme.role("Viewer").await);
    let answer =
        api.post("/api/v1/roles", json!({"name": "", "permissions": ["no.such"], "colour": 1})).await;
    assert_eq!(answer.wrong_fields(), ["colour", "name"]);
    let answer = api
        .post("/api/v1/roles", json!({"name": "x", "permissions": ["no.such", "staff.view", "nor.this"]}))
        .await;
    assert_eq!(answer.wrong_fields(), ["permissions", "permissions"]);
    api.post("/api/v1/roles", json!({"name": "vIEWER", "permissions": []})).await.refused(409, "name_taken");
    let role = |id: &str| format!("/api/v1/roles/{id}");
    api.patch(&role(&owner), json!({"name": "Boss"})).await.refused(409, "owner_role");
    api.patch(&role(&owner), json!({"is_active": false})).await.refused(409, "owner_role");
    api.delete(&role(&owner)).await.refused(409, "owner_role");
    api.post(&format!("{}/copy", role(&owner)), json!({"name": "Copy"})).await.refused(409, "owner_role");
    api.delete(&role(&viewer)).await.refused(409, "default_role");
    let used = acme.person(&[]).await;
    api.delete(&role(&used.role_id)).await.refused(409, "role_in_use");
    let foreign = tenant().await;
    let elsewhere = foreign.api().await;
    elsewhere.get(&role(&viewer)).await.refused(404, "not_found");
    elsewhere.patch(&role(&viewer), json!({"name": "Mine"})).await.refused(404, "not_found");
    elsewhere.delete(&role(&used.role_id)).await.refused(404, "not_found");
    elsewhere.post(&format!("{}/copy", role(&viewer)), json!({"name": "C"})).await.refused(404, "not_found");
}

#[tokio::test]
async fn lists_are_paged_by_name() {
    let acme = tenant().await;
    let api = acme.api().await;
    let mut found = Vec::new();
    let mut path = "/api/v1/roles?limit=2&total=true".to_owned();
    loop {
        let list = api.get(&path).await.expect(200);
        assert_eq!(list["total"], json!(7));
        found.extend(list["items"].as_array().unwrap().iter().map(|role| text(role, "/name")));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        path = format!("/api/v1/roles?limit=2&total=true&cursor={cursor}");
    }
    assert_eq!(found, ["Admin", "Cashier", "Manager", "Owner", "Support", "Technician", "Viewer"]);
    api.get("/api/v1/roles?cursor=made-up").await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn the_catalogue_is_listed_by_category() {
    let acme = tenant().await;
    let list = acme.api().await.get("/api/v1/permissions").await.expect(200);
    let groups = list["items"].as_array().unwrap();
    let staff = groups.iter().find(|group| group["category"] == "Staff and roles").unwrap();
    let codes: Vec<&str> =
        staff["permissions"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["staff.view", "staff.manage", "roles.view", "roles.manage"]);
    let pat = acme.person(&["staff.view"]).await;
    acme.api_of(&pat).await.get("/api/v1/permissions").await.refused(403, "forbidden");
}

#[tokio::test]
async fn nobody_makes_or_changes_a_role_beyond_their_own_rights() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let clerk = acme.person(&["roles.view", "roles.manage"]).await;
    let api = acme.api_of(&clerk).await;
    let admin = format!("/api/v1/roles/{}", acme.role("Admin").await);
    let own = format!("/api/v1/roles/{}", clerk.role_id);
    let bigger = format!("/api/v1/roles/{}", make(&owner, "Bigger", &["roles.view", "staff.manage"]).await);
    let beyond = |answer: crate::harness::Answer| {
        answer.refused(403, "beyond_own_rights");
    };
    beyond(api.post("/api/v1/roles", json!({"name": "R", "permissions": ["staff.manage"]})).await);
    beyond(api.patch(&own, json!({"permissions": ["roles.view", "roles.manage", "staff.manage"]})).await);
    for role in [&admin, &bigger] {
        beyond(api.patch(role, json!({"permissions": []})).await);
        beyond(api.patch(role, json!({"name": "Harmless"})).await);
        beyond(api.patch(role, json!({"is_active": false})).await);
        beyond(api.post(&format!("{role}/copy"), json!({"name": "Mine"})).await);
    }
    beyond(api.delete(&bigger).await);
    assert_eq!(owner.get(&bigger).await.expect(200)["name"], "Bigger");
    // Within one's own rights, all of it goes.
    let mine =
        api.post("/api/v1/roles", json!({"name": "R", "permissions": ["roles.view"]})).await.expect(201);
    let mine = format!("/api/v1/roles/{}", text(&mine, "/id"));
    api.patch(&mine, json!({"permissions": ["roles.manage"], "is_active": false})).await.expect(200);
    api.delete(&mine).await.expect(204);
}

#[tokio::test]
async fn looking_is_not_changing() {
    let acme = tenant().await;
    let viewer = acme.person(&["roles.view", "staff.view"]).await;
    let api = acme.api_of(&viewer).await;
    let role = format!("/api/v1/roles/{}", viewer.role_id);
    let staff = format!("/api/v1/staff/{}", viewer.id);
    api.get(&role).await.expect(200);
    api.get(&staff).await.expect(200);
    for answer in [
        api.post("/api/v1/roles", json!({"name": "R", "permissions": []})).await,
        api.patch(&role, json!({"name": "R"})).await,
        api.delete(&role).await,
        api.post(&format!("{role}/copy"), json!({"name": "R"})).await,
        api.post("/api/v1/staff", json!({"name": "N", "email": "n@n.example", "role_ids": [viewer.role_id]}))
            .await,
        api.patch(&staff, json!({"name": "N"})).await,
        api.post(&format!("{staff}/reset-link"), json!({})).await,
    ] {
        answer.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn a_role_that_is_switched_off_gives_nothing_at_once() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let pat = acme.person(&["staff.view"]).await;
    let api = acme.api_of(&pat).await;
    let role = format!("/api/v1/roles/{}", pat.role_id);
    for _ in 0..3 {
        api.get("/api/v1/staff").await.expect(200);
        owner.patch(&role, json!({"is_active": false})).await.expect(200);
        api.get("/api/v1/staff").await.refused(403, "forbidden");
        owner.patch(&role, json!({"is_active": true})).await.expect(200);
    }
    owner.patch(&role, json!({"permissions": []})).await.expect(200);
    api.get("/api/v1/staff").await.refused(403, "forbidden");
}

#[tokio::test]
async fn the_portal_makes_changes_and_copies_roles() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    let list = browser.get("/roles").await;
    list.expect_status(200);
    assert!(
        list.text().contains("Technician")
            && !list.text().contains(&format!("href=\"/roles/{}\"", acme.role("Owner").await)),
        "{}",
        list.text()
    );
    browser.get("/roles/new").await.expect_status(200);
    let wrong = browser
        .post("/roles", &[("name", ""), ("description", "After <ten>"), ("permissions", "staff.view")])
        .await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("After &lt;ten&gt;"), "{}", wrong.text());
    let made = browser
        .post("/roles", &[("name", "Night shift"), ("description", ""), ("permissions", "staff.view")])
        .await;
    assert_eq!((made.status, made.header("location")), (303, "/roles"));
    let id = acme.role("Night shift").await;
    let path = format!("/roles/{id}");
    browser.get(&path).await.expect_status(200);
    let copied = browser.post(&format!("{path}/copy"), &[]).await;
    copied.expect_status(303);
    let copied = copied.header("location").to_owned();
    let page = browser.get(&copied).await.text();
    assert!(page.contains("Copy of Night shift"), "{page}");
    browser.post(&format!("{path}/copy"), &[]).await.expect_status(303);
    acme.role("Copy of Night shift 2").await;
    browser.post(&format!("{copied}/delete"), &[]).await.expect_status(303);
    assert_eq!(browser.get(&copied).await.status, 404);
    browser.post(&format!("{path}/disable"), &[]).await.expect_status(303);
    let role = acme.api().await.get(&format!("/api/v1/roles/{id}")).await.expect(200);
    assert_eq!(role["is_active"], json!(false));
    let refused = browser.post(&format!("/roles/{}/delete", acme.role("Viewer").await), &[]).await;
    refused.expect_status(303);
    let told = browser.get("/roles").await.text();
    assert!(told.contains("it can be switched off, not deleted"), "{told}");
}
