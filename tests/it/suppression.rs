//! Who is not written to: the list, what people said, and the links by which readers leave.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Tenant, between, sql, tenant, text};

const LIST: &str = "/api/v1/suppressions";
const CONSENTS: &str = "/api/v1/consents";
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

async fn reason_of(api: &Api, address: &str) -> Option<String> {
    let q: String = url::form_urlencoded::byte_serialize(address.as_bytes()).collect();
    let list = api.get(&format!("{LIST}?q={q}")).await.expect(200);
    list["items"].as_array().unwrap().first().map(|one| text(one, "/reason"))
}

async fn say(api: &Api, address: &str, status: &str) -> Value {
    let body = json!({"channel": "email", "address": address, "status": status});
    api.post(CONSENTS, body).await.expect(200)
}

/// The path of a link for an address.
async fn link(tenant: &Tenant, api: &Api, address: &str) -> String {
    let made = api
        .post("/api/v1/unsubscribe-links", json!({"channel": "email", "address": address}))
        .await
        .expect(200);
    let url = text(&made, "/url");
    let path =
        url.strip_prefix(&format!("https://{}", tenant.host)).expect("on the tenant's own host").to_owned();
    assert!(path.starts_with("/u/") && !path.contains("reader"), "{path}");
    path
}

async fn one_click(tenant: &Tenant, path: &str) -> Answer {
    // As a mail program sends it: no cookie, no origin, no token.
    let body = b"List-Unsubscribe=One-Click".to_vec();
    tenant.anonymous().send(Method::POST, path, FORM, body).await
}

#[tokio::test]
async fn an_address_is_suppressed_once_and_lifted() {
    let api = tenant().await.api().await;
    let new = json!({"channel": "email", "address": "Gone@X.example", "note": "Moved away"});
    let one = api.post(LIST, new).await.expect(201);
    assert_eq!(
        (text(&one, "/address"), text(&one, "/reason"), text(&one, "/source")),
        ("gone@x.example".into(), "manual".into(), "api".into())
    );
    let again = json!({"channel": "email", "address": "GONE@x.example", "reason": "bounced"});
    api.post(LIST, again).await.refused(409, "already_suppressed");
    assert_eq!(reason_of(&api, "gone@x").await.as_deref(), Some("manual"), "the first reason stays");
    let wrong = json!({"channel": "sms", "address": "nobody", "reason": "manual"});
    assert_eq!(api.post(LIST, wrong).await.wrong_fields(), ["address"]);
    let path = format!("{LIST}/{}", text(&one, "/id"));
    assert_eq!(api.get(&path).await.expect(200)["note"], "Moved away");
    api.delete(&path).await.expect(204);
    api.delete(&path).await.refused(404, "not_found");
    assert_eq!(reason_of(&api, "gone@x").await, None);
}

#[tokio::test]
async fn consent_lifts_an_opt_out_and_nothing_else() {
    let api = tenant().await.api().await;
    assert_eq!(
        say(&api, "a@x.example", "withdrawn").await,
        json!({"changed": true, "suppressed": "unsubscribed"})
    );
    assert_eq!(
        say(&api, "A@x.example", "withdrawn").await,
        json!({"changed": false, "suppressed": "unsubscribed"})
    );
    assert_eq!(say(&api, "a@x.example", "granted").await, json!({"changed": true, "suppressed": null}));
    for reason in ["bounced", "blocked", "complained", "invalid", "manual"] {
        let address = format!("{reason}@x.example");
        api.post(LIST, json!({"channel": "email", "address": address, "reason": reason})).await.expect(201);
        let answer = say(&api, &address, "granted").await;
        assert_eq!(answer["suppressed"], reason, "START does not lift it");
        say(&api, &address, "withdrawn").await;
        assert_eq!(reason_of(&api, &address).await.as_deref(), Some(reason));
    }
    // Who asked to be left alone stays on the list when the first reason goes.
    let list = api.get(&format!("{LIST}?q=blocked")).await.expect(200);
    let blocked = format!("{LIST}/{}", text(&list, "/items/0/id"));
    api.delete(&blocked).await.expect(204);
    assert_eq!(reason_of(&api, "blocked@x.example").await.as_deref(), Some("unsubscribed"));
    say(&api, "blocked@x.example", "granted").await;
    assert_eq!(reason_of(&api, "blocked@x.example").await, None);
    say(&api, "blocked@x.example", "withdrawn").await;
    let list = api.get(&format!("{CONSENTS}?limit=4")).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    let cursor = text(&list, "/next_cursor");
    let rest = api.get(&format!("{CONSENTS}?limit=4&cursor={cursor}")).await.expect(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
}

#[tokio::test]
async fn a_contact_shows_what_its_owner_said() {
    let api = tenant().await.api().await;
    let new = json!({"name": "Ana", "addresses": [{"channel": "email", "address": "ana@x.example"}]});
    let id = text(&api.post("/api/v1/contacts", new).await.expect(201), "/id");
    let address =
        async || api.get(&format!("/api/v1/contacts/{id}")).await.expect(200)["addresses"][0].clone();
    assert_eq!(
        address().await,
        json!({"channel": "email", "address": "ana@x.example", "consent": null, "suppressed": null})
    );
    say(&api, "ana@x.example", "withdrawn").await;
    let now = address().await;
    assert_eq!((&now["consent"], &now["suppressed"]), (&json!("withdrawn"), &json!("unsubscribed")));
    // It is the address that said so: it stays said when the contact goes.
    api.delete(&format!("/api/v1/contacts/{id}")).await.expect(204);
    assert_eq!(reason_of(&api, "ana@x.example").await.as_deref(), Some("unsubscribed"));
}

#[tokio::test]
async fn looking_at_a_link_changes_nothing_and_one_click_does() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let path = link(&tenant, &api, "reader@x.example").await;
    let anonymous = tenant.anonymous();
    for _ in 0..2 {
        let page = anonymous.get(&path).await;
        page.expect_status(200);
        assert!(page.text().contains("Unsubscribe?"));
        assert!(!page.text().contains("reader@"), "the page shows no more of the address than it must");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    anonymous.send(Method::HEAD, &path, None, Vec::new()).await.expect_status(200);
    assert_eq!(reason_of(&api, "reader@x.example").await, None);
    // A POST that does not ask for it changes nothing, either.
    anonymous.send(Method::POST, &path, FORM, b"x=y".to_vec()).await.expect_status(422);
    assert_eq!(reason_of(&api, "reader@x.example").await, None);
    let left = one_click(&tenant, &path).await;
    left.expect_status(200);
    assert!(left.text().contains("You are unsubscribed"));
    assert_eq!(left.header("set-cookie"), "", "a mail program is given nothing to remember");
    one_click(&tenant, &path).await.expect_status(200);
    let only = api.get(&format!("{LIST}?total=true")).await.expect(200);
    assert_eq!((&only["total"], text(&only, "/items/0/source")), (&json!(1), "link".to_owned()));
    // The way back lifts what the link did.
    let back = anonymous.send(Method::POST, &path, FORM, b"action=subscribe".to_vec()).await;
    assert!(back.text().contains("You are subscribed again"));
    assert_eq!(reason_of(&api, "reader@x.example").await, None);
}

#[tokio::test]
async fn a_multipart_one_click_counts_too() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let path = link(&tenant, &api, "reader@x.example").await;
    let body =
        b"--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"
            .to_vec();
    let kind = Some("multipart/form-data; boundary=b");
    tenant.anonymous().send(Method::POST, &path, kind, body).await.expect_status(200);
    assert_eq!(reason_of(&api, "reader@x.example").await.as_deref(), Some("unsubscribed"));
}

#[tokio::test]
async fn the_way_back_does_not_lift_a_bounce() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let path = link(&tenant, &api, "reader@x.example").await;
    let bounced = json!({"channel": "email", "address": "reader@x.example", "reason": "bounced"});
    api.post(LIST, bounced).await.expect(201);
    let back = tenant.anonymous().send(Method::POST, &path, FORM, b"action=subscribe".to_vec()).await;
    assert!(back.text().contains("You are not written to"));
    assert_eq!(reason_of(&api, "reader@x.example").await.as_deref(), Some("bounced"));
}

#[tokio::test]
async fn a_forged_or_foreign_link_opens_nothing() {
    let (a, b) = (tenant().await, tenant().await);
    let (ours, theirs) = (a.api().await, b.api().await);
    let path = link(&a, &ours, "reader@x.example").await;
    // Ours at another provider's door.
    one_click(&b, &path).await.expect_status(404);
    let mut forged = path.clone().into_bytes();
    for at in [3, 20, forged.len() - 1] {
        let was = forged[at];
        forged[at] = if was == b'A' { b'B' } else { b'A' };
        let shown = String::from_utf8(forged.clone()).unwrap();
        one_click(&a, &shown).await.expect_status(404);
        a.anonymous().get(&shown).await.expect_status(404);
        forged[at] = was;
    }
    for odd in ["/u/x", "/u/AAAA", "/u/%00", "/u/%F0%9F%98%80", &format!("/u/{}", "A".repeat(4_000))] {
        one_click(&a, odd).await.expect_status(404);
    }
    for api in [&ours, &theirs] {
        assert_eq!(api.get(&format!("{LIST}?total=true")).await.expect(200)["total"], 0);
    }
}

#[tokio::test]
async fn a_list_comes_in_and_goes_out_again() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let csv = "Email,Reason,Note\nA@x.example,bounced,=cmd\na@x.example,,twice\nnobody,,\nb@x.example,silly,\nc@x.example,,\n";
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"s.csv\"\r\n\r\n{csv}\r\n--b--\r\n"
    );
    let kind = Some("multipart/form-data; boundary=b");
    let path = format!("{LIST}/import");
    let done = api.send(Method::POST, &path, kind, body.clone().into_bytes()).await.expect(200);
    let n = |name: &str| done[name].as_i64().unwrap();
    assert_eq!([n("rows"), n("added"), n("known"), n("failed")], [5, 2, 1, 2], "{done}");
    let rows: Vec<i64> =
        done["errors"].as_array().unwrap().iter().map(|one| one["row"].as_i64().unwrap()).collect();
    assert_eq!(rows, [4, 5]);
    assert_eq!(reason_of(&api, "a@x.example").await.as_deref(), Some("bounced"));
    let file = api.get(&format!("{LIST}/export?format=csv")).await;
    file.expect_status(200);
    assert!(!file.text().contains(",=cmd"), "a formula stays a text: {}", file.text());
    let back = body.replace(csv, &file.text());
    let again = api.send(Method::POST, &path, kind, back.into_bytes()).await.expect(200);
    assert_eq!((&again["added"], &again["failed"]), (&json!(0), &json!(0)), "{again}");
    let none = body.replace("Email", "Colour");
    assert_eq!(api.send(Method::POST, &path, kind, none.into_bytes()).await.wrong_fields(), ["file"]);
}

#[tokio::test]
async fn the_list_pages_and_filters() {
    let api = tenant().await.api().await;
    for n in 0..5 {
        let reason = if n % 2 == 0 { "bounced" } else { "manual" };
        let new = json!({"channel": "email", "address": format!("n{n}@x.example"), "reason": reason});
        api.post(LIST, new).await.expect(201);
    }
    let mut path = format!("{LIST}?limit=2&total=true");
    let mut found = Vec::new();
    loop {
        let page = api.get(&path).await.expect(200);
        assert_eq!(page["total"], 5);
        found.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/address")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{LIST}?limit=2&total=true&cursor={cursor}");
    }
    let expected: Vec<String> = (0..5).rev().map(|n| format!("n{n}@x.example")).collect();
    assert_eq!(found, expected);
    assert_eq!(api.get(&format!("{LIST}?reason=bounced&total=true")).await.expect(200)["total"], 3);
    assert_eq!(api.get(&format!("{LIST}?channel=sms&total=true")).await.expect(200)["total"], 0);
    api.get(&format!("{LIST}?cursor=made-up")).await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn another_tenants_suppression_is_not_there() {
    let (a, b) = (tenant().await, tenant().await);
    let (ours, theirs) = (a.api().await, b.api().await);
    let new = json!({"channel": "email", "address": "x@x.example"});
    let id = text(&theirs.post(LIST, new.clone()).await.expect(201), "/id");
    let path = format!("{LIST}/{id}");
    ours.get(&path).await.refused(404, "not_found");
    ours.delete(&path).await.refused(404, "not_found");
    ours.post(LIST, new).await.expect(201);
    theirs.get(&path).await.expect(200);
}

#[tokio::test]
async fn the_page_suppresses_and_lifts_and_everything_is_told() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    browser.get("/suppressions").await.expect_status(200);
    let fields = [("channel", "email"), ("address", "Gone@x.example"), ("reason", "manual")];
    browser.post("/suppressions", &fields).await.expect_status(303);
    let again = browser.post("/suppressions", &fields).await;
    again.expect_status(422);
    assert!(again.text().contains("on the list already"));
    let wrong =
        browser.post("/suppressions", &[("channel", "sms"), ("address", "x"), ("reason", "manual")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("address-error") && wrong.text().contains("value=\"x\""));
    let file = ("file", "s.csv", &b"phone\n09171234567\nodd\n"[..]);
    browser.upload("/suppressions/import", &[], file).await.expect_status(303);
    let list = browser.get("/suppressions?q=gone").await;
    assert!(list.text().contains("gone@x.example") && !list.text().contains("639171234567"));
    let action = between(&list.text(), "method=\"post\" action=\"/suppressions/", "\"").unwrap();
    browser.post(&format!("/suppressions/{action}"), &[]).await.expect_status(303);
    assert!(!browser.get("/suppressions?q=gone").await.text().contains("gone@x.example</span>"));
    browser.get("/suppressions/export?format=csv").await.expect_status(200);
    let db = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let told =
        format!("SELECT action FROM {schema}.audit_event WHERE object_type = 'suppression' ORDER BY id");
    let told: Vec<String> = db.query(&told, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected =
        ["suppression.added", "suppression.imported", "suppression.lifted", "suppression.exported"];
    assert_eq!(told, expected);
}
