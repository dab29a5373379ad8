//! API keys: shown once, kept as a hash, bounded by scopes, and ended at once.

use serde_json::{Value, json};

use crate::{
    access_tokens::member,
    harness::{Api, PASSWORD, Tenant, between, sql, tenant, text},
};

const KEYS: &str = "/api/v1/api-keys";

async fn make(api: &Api, scopes: &[&str]) -> Value {
    api.post(KEYS, json!({"name": "Billing bridge", "scopes": scopes})).await.expect(201)
}

fn with(acme: &Tenant, minted: &Value) -> Api {
    acme.anonymous().bearer(&text(minted, "/key"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_its_scopes_say() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let made = make(&owner, &["staff.read"]).await;
    let secret = text(&made, "/key");
    assert!(secret.starts_with("lm_live_") && secret.len() >= 8 + 43, "{secret}");
    assert_eq!(text(&made, "/prefix"), secret[..12]);

    let key = with(&acme, &made);
    let me = key.get("/api/v1/me").await.expect(200);
    assert_eq!((&me["kind"], &me["name"]), (&json!("api_key"), &json!("Billing bridge")));
    assert_eq!((&me["email"], &me["is_owner"]), (&Value::Null, &json!(false)));
    assert_eq!(me["scopes"], json!(["staff.read"]));
    key.get("/api/v1/staff").await.expect(200);
    key.get(KEYS).await.refused(403, "forbidden");
    let by_header = acme.server.api_host().header("x-tenant-id", &acme.slug).bearer(&secret);
    by_header.get("/api/v1/staff").await.expect(200);
    tenant().await.anonymous().bearer(&secret).get("/api/v1/me").await.refused(401, "bad_credential");

    let id = text(&made, "/id");
    let listed = owner.get(&format!("{KEYS}?total=true")).await;
    assert_eq!(listed.expect(200)["total"], 1);
    assert!(!listed.text().contains(&secret));
    assert!(!owner.get(&format!("{KEYS}/{id}")).await.text().contains(&secret));
    let query =
        format!("SELECT count(*) FROM {}.api_key k WHERE k::text LIKE '%' || $1 || '%'", acme.schema().await);
    let kept: i64 = sql(&acme.server.database).await.query_one(&query, &[&secret]).await.unwrap().get(0);
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn its_last_use_is_written_down_without_anybody_waiting() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let made = make(&owner, &["staff.read"]).await;
    let path = format!("{KEYS}/{}", text(&made, "/id"));
    assert_eq!(owner.get(&path).await.expect(200)["last_used_at"], Value::Null);
    with(&acme, &made).get("/api/v1/me").await.expect(200);
    for _ in 0..500 {
        if owner.get(&path).await.expect(200)["last_used_at"].is_string() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never written down");
}

#[tokio::test]
async fn revoked_renewed_and_expired_keys_stop_at_once() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let made = make(&owner, &["staff.read"]).await;
    let path = format!("{KEYS}/{}", text(&made, "/id"));
    let first = with(&acme, &made);
    first.get("/api/v1/me").await.expect(200);
    let renewed = owner.post(&format!("{path}/regenerate"), json!({})).await.expect(200);
    first.get("/api/v1/me").await.refused(401, "bad_credential");
    let second = with(&acme, &renewed);
    second.get("/api/v1/me").await.expect(200);
    for _ in 0..2 {
        owner.delete(&path).await.expect_status(204);
    }
    second.get("/api/v1/me").await.refused(401, "bad_credential");
    assert_eq!(owner.get(&path).await.expect(200)["status"], "revoked");
    owner.post(&format!("{path}/regenerate"), json!({})).await.refused(409, "key_not_active");

    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).to_rfc3339();
    let body = json!({"name": "Short", "scopes": ["staff.read"], "expires_at": soon});
    let short = with(&acme, &owner.post(KEYS, body).await.expect(201));
    short.get("/api/v1/me").await.expect(200);
    for _ in 0..200 {
        if short.get("/api/v1/me").await.status == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a key outlived its end");
}

#[tokio::test]
async fn nobody_makes_or_renews_a_key_that_may_do_more_than_they() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let role =
        json!({"name": "Key keeper", "permissions": ["api_keys.view", "api_keys.manage", "staff.view"]});
    owner.post("/api/v1/roles", role).await.expect(201);
    let (_, email) = member(&acme, "kim", &["Key keeper"]).await;
    let kim = acme.api_as(&email, PASSWORD).await;
    make(&kim, &["staff.read"]).await;
    for scopes in [["staff.write"], ["roles.read"]] {
        kim.post(KEYS, json!({"name": "More", "scopes": scopes})).await.refused(403, "scope_exceeds_rights");
    }
    let strong = make(&owner, &["roles.write"]).await;
    let path = format!("{KEYS}/{}/regenerate", text(&strong, "/id"));
    kim.post(&path, json!({})).await.refused(403, "scope_exceeds_rights");
    with(&acme, &strong).get("/api/v1/roles").await.expect(200);
}

#[tokio::test]
async fn wrong_fields_are_named_and_foreign_keys_are_unknown() {
    let (acme, other) = (tenant().await, tenant().await);
    let owner = acme.api().await;
    let wrong = json!({"name": " ", "scopes": ["customers.fly"], "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(owner.post(KEYS, wrong).await.wrong_fields(), ["expires_at", "name", "scopes"]);
    assert_eq!(owner.post(KEYS, json!({"name": "x", "scopes": []})).await.wrong_fields(), ["scopes"]);
    let foreign = make(&other.api().await, &["staff.read"]).await;
    let path = format!("{KEYS}/{}", text(&foreign, "/id"));
    owner.get(&path).await.refused(404, "not_found");
    owner.delete(&path).await.refused(404, "not_found");
    owner.post(&format!("{path}/regenerate"), json!({})).await.refused(404, "not_found");
    owner.get(&format!("{KEYS}?cursor=made-up")).await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn the_list_is_paged_newest_first() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(text(&make(&owner, &["staff.read"]).await, "/id"));
    }
    made.reverse();
    let first = owner.get(&format!("{KEYS}?limit=2")).await.expect(200);
    assert_eq!(first["total"], Value::Null);
    let next =
        owner.get(&format!("{KEYS}?limit=2&cursor={}", text(&first, "/next_cursor"))).await.expect(200);
    let ids: Vec<String> = [&first, &next]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|key| text(key, "/id"))
        .collect();
    assert_eq!(ids, made);
    assert_eq!(next["next_cursor"], Value::Null);
}

#[tokio::test]
async fn the_page_makes_renews_and_revokes_keys() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    browser.get("/api-keys").await.expect_status(200);
    let wrong = browser.post("/api-keys", &[("name", ""), ("expires_on", "2020-01-01")]).await;
    wrong.expect_status(422);
    for said in ["This is needed.", "This day is past.", "Choose at least one scope."] {
        assert!(wrong.text().contains(said), "{said}");
    }
    let fields = [("name", "Report job"), ("scopes", "staff.read"), ("expires_on", "2099-12-31")];
    let made = browser.post("/api-keys", &fields).await;
    made.expect_status(200);
    let secret = format!("lm_live_{}", between(&made.text(), "lm_live_", "<").unwrap());
    let key = acme.anonymous().bearer(&secret);
    key.get("/api/v1/me").await.expect(200);
    let list = browser.get("/api-keys").await.text();
    assert!(!list.contains(&secret) && list.contains("Report job"));
    let id = between(&list, "href=\"/api-keys/", "\"").unwrap();
    browser.post(&format!("/api-keys/{id}/revoke"), &[]).await.expect_status(303);
    key.get("/api/v1/me").await.refused(401, "bad_credential");
    let dead = browser.post(&format!("/api-keys/{id}/rotate"), &[("overlap_hours", "1")]).await;
    dead.expect_status(303);
    browser.post("/api-keys/not-an-id/revoke", &[]).await.expect_status(404);
}

#[tokio::test]
async fn new_tenants_have_the_default_roles_with_their_rights() {
    let acme = tenant().await;
    let query = format!(
        "SELECT name, permissions, is_owner FROM {}.role WHERE is_default ORDER BY name",
        acme.schema().await
    );
    let rows = sql(&acme.server.database).await.query(&query, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    assert_eq!(names, ["Admin", "Cashier", "Manager", "Owner", "Support", "Technician", "Viewer"]);
    let holds = |role: &str, code: &str| {
        let row = rows.iter().find(|row| row.get::<_, String>("name") == role).unwrap();
        row.get::<_, Vec<String>>("permissions").iter().any(|held| held == code)
    };
    assert!(holds("Admin", "api_keys.manage") && holds("Manager", "api_keys.view"));
    assert!(!holds("Manager", "api_keys.manage") && !holds("Viewer", "api_keys.view"));
    for role in ["Cashier", "Technician", "Support", "Viewer"] {
        assert!(holds(role, "customers.view") && holds(role, "areas.view"), "{role}");
    }
    assert!(holds("Support", "customers.edit") && !holds("Viewer", "customers.edit"));
}
