//! Accounts at providers, against the fake ones; senders of the platform and credit.

use std::{path::Path, process::Output};

use serde_json::{Value, json};

use crate::{
    fake_providers::{BOT_TOKEN, CLIENT_ID, Fake, SECRET, SIGNING_SECRET},
    harness::{Api, Server, Settings, Tenant, mailbox::until, program, sql, tenant, tenant_on, text},
};

const PATH: &str = "/api/v1/message-accounts";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A server that may call the open internet only.
async fn strict_server() -> &'static Server {
    let settings = Settings::default().with("OUTBOUND__ALLOWED_NETWORKS", "[]").with("POOL__WARM_SCHEMAS", 1);
    Server::own("strict", settings).await
}

async fn with_fake() -> (Tenant, Api, Fake) {
    let tenant = tenant().await;
    let api = tenant.api().await;
    (tenant, api, Fake::start().await)
}

fn body(fake: &Fake, kind: &str, label: &str) -> Value {
    json!({"kind": kind, "label": label, "credential": fake.values(kind), "price": "0.035", "per_second": 20})
}

async fn connect(api: &Api, fake: &Fake, kind: &str, label: &str) -> Value {
    let answer = api.post(PATH, body(fake, kind, label)).await;
    for secret in [SECRET, SIGNING_SECRET, BOT_TOKEN] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    answer.expect(201)["account"].clone()
}

async fn put(api: &Api, path: &str, body: Value) -> crate::harness::Answer {
    api.json(poem::http::Method::PUT, path, body).await
}

#[tokio::test]
async fn an_account_is_connected_tested_and_never_shown_again() {
    let (_tenant, api, fake) = with_fake().await;
    let account = connect(&api, &fake, "hubtel", "Hubtel Accra").await;
    let id = text(&account, "/id");
    assert_eq!((&account["channel"], &account["per_second"]), (&json!("sms"), &json!(20)));
    let shown = account["credential"].as_array().unwrap();
    let of = |name: &str| shown.iter().find(|one| one["name"] == name).unwrap()["value"].clone();
    assert_eq!(of("client_id"), CLIENT_ID);
    assert_eq!(of("client_secret"), format!("••••{}", &SECRET[SECRET.len() - 4..]));
    assert!(text(&account, "/hook_url").contains("/hooks/hubtel/"));
    let tested = api.post(&format!("{PATH}/{id}/test"), json!({})).await.expect(200);
    assert_eq!(tested["is_ok"], true, "{tested}");
    let to = json!({"to": "+233200000001"});
    let tested = api.post(&format!("{PATH}/{id}/test"), to).await.expect(200);
    assert_eq!(tested["message"], "accepted", "{tested}");
    assert_eq!(fake.taken("hubtel").len(), 1);
    let nobody = api.post(&format!("{PATH}/{id}/test"), json!({"to": "12"})).await;
    assert_eq!(nobody.wrong_fields(), ["to"]);
    fake.revoke("hubtel");
    let tested = api.post(&format!("{PATH}/{id}/test"), json!({})).await.expect(200);
    assert_eq!(tested["is_ok"], false, "{tested}");
    let everything = [
        api.get(PATH).await.text(),
        api.get(&format!("{PATH}/{id}")).await.text(),
        api.get("/api/v1/audit-events?limit=200").await.text(),
    ];
    assert!(everything.iter().all(|text| !text.contains(SECRET)));
    assert!(everything[2].contains("message_account.connected"));
    api.delete(&format!("{PATH}/{id}")).await.expect_status(204);
    api.get(&format!("{PATH}/{id}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_a_credential_is_named() {
    let (_tenant, api, fake) = with_fake().await;
    let kinds = api.get("/api/v1/message-providers").await.expect(200);
    assert!(kinds["items"].as_array().unwrap().len() >= 11);
    let wrong = json!({"kind": "hubtel", "label": "x", "credential": {"client_id": "a", "colour": "red"}});
    let refused = api.post(PATH, wrong).await;
    assert_eq!(
        refused.wrong_fields(),
        ["credential.client_secret", "credential.colour", "credential.sender"]
    );
    let unknown = json!({"kind": "pigeon", "label": "x", "credential": {}});
    assert_eq!(api.post(PATH, unknown).await.wrong_fields(), ["kind"]);
    let mut priced = body(&fake, "hubtel", "x");
    priced["price"] = json!("-1");
    assert_eq!(api.post(PATH, priced).await.wrong_fields(), ["price"]);
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    let (_tenant, api, fake) = with_fake().await;
    for address in ["http://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "http://1.1.1.1/"]
    {
        let mut wanted = body(&fake, "hubtel", "x");
        wanted["credential"]["base_url"] = json!(address);
        let refused = api.post(PATH, wanted).await;
        assert_eq!(refused.wrong_fields(), ["credential.base_url"], "{address}");
    }
    let smtp = json!({"host": "10.0.0.1", "from_email": "a@acme.test"});
    let refused = api.post(PATH, json!({"kind": "smtp", "label": "x", "credential": smtp})).await;
    assert_eq!(refused.wrong_fields(), ["credential.host"]);
    // Another server allows nothing of its own.
    let strict = tenant_on(strict_server().await).await.api().await;
    let refused = strict.post(PATH, body(&fake, "hubtel", "x")).await;
    assert_eq!(refused.wrong_fields(), ["credential.base_url"]);
    let url = fake.url.replace("127.0.0.1", "localhost");
    let mut wanted = body(&fake, "hubtel", "x");
    wanted["credential"]["base_url"] = json!(format!("{url}/hubtel"));
    assert_eq!(strict.post(PATH, wanted).await.wrong_fields(), ["credential.base_url"]);
    assert_eq!(fake.calls("hubtel"), 0);
}

#[tokio::test]
async fn a_credential_changes_without_a_gap() {
    let (tenant, api, fake) = with_fake().await;
    let account = connect(&api, &fake, "generic", "Own gateway").await;
    let id = text(&account, "/id");
    let path = format!("{PATH}/{id}/credential");
    let base = fake.values("generic")["base_url"].clone();
    // An empty secret keeps the old one.
    let kept =
        put(&api, &path, json!({"credential": {"base_url": base, "sender": "Other", "secret": ""}})).await;
    let kept = kept.expect(200)["account"].clone();
    let value = |account: &Value, name: &str| {
        let all = account["credential"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((value(&kept, "sender"), value(&kept, "secret")), (json!("Other"), value(&account, "secret")));
    assert_eq!(api.post(&format!("{PATH}/{id}/test"), json!({})).await.expect(200)["is_ok"], true);
    let changed = put(&api, &path, json!({"credential": {"base_url": base, "secret": OTHER_SECRET}})).await;
    assert!(!changed.text().contains(OTHER_SECRET));
    let changed = changed.expect(200)["account"].clone();
    assert!(changed["former_credential_until"].is_string());
    assert_ne!(value(&changed, "secret"), value(&account, "secret"));
    let wrong = put(&api, &path, json!({"credential": {"base_url": base, "secret": "whsec_short"}})).await;
    assert_eq!(wrong.wrong_fields(), ["credential.secret"]);
    // A call that is signed with the former one is still heard; one that is signed by nobody is not.
    let hook = text(&account, "/hook_url");
    let hook = &hook[hook.find("/hooks/").unwrap()..];
    let payload = json!({"type": "message.delivered", "data": {"id": "g-1"}}).to_string();
    let statuses = [SIGNING_SECRET, OTHER_SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
    let mut answers = Vec::new();
    for secret in statuses {
        let signed = signed(&tenant, secret, &payload);
        answers.push(
            signed
                .send(poem::http::Method::POST, hook, Some("application/json"), payload.clone().into_bytes())
                .await,
        );
    }
    let status: Vec<bool> = answers.iter().map(|answer| answer.status < 300).collect();
    assert_eq!(status, [true, true, false]);
}

/// As Standard Webhooks signs: id, time and body.
fn signed(tenant: &Tenant, secret: &str, payload: &str) -> Api {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit, Mac};
    let engine = base64::engine::general_purpose::STANDARD;
    let key = engine.decode(secret.trim_start_matches("whsec_")).unwrap();
    let (id, at) = (uuid::Uuid::new_v4().to_string(), chrono::Utc::now().timestamp().to_string());
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.{payload}").as_bytes());
    let signature = format!("v1,{}", engine.encode(mac.finalize().into_bytes()));
    tenant
        .anonymous()
        .header("webhook-id", &id)
        .header("webhook-timestamp", &at)
        .header("webhook-signature", &signature)
}

#[tokio::test]
async fn a_bot_is_told_where_to_call() {
    let (_tenant, api, fake) = with_fake().await;
    let account = connect(&api, &fake, "telegram", "Bot").await;
    let (url, _secret) = fake.hook_of("telegram").unwrap();
    assert_eq!(json!(url), account["hook_url"]);
}

#[tokio::test]
async fn accounts_stand_in_an_order() {
    let (_tenant, api, fake) = with_fake().await;
    let mut ids = Vec::new();
    for kind in ["hubtel", "clicksend", "twilio"] {
        ids.push(text(&connect(&api, &fake, kind, kind).await, "/id"));
    }
    let order = async |api: &Api| -> Vec<String> {
        let all = api.get(PATH).await.expect(200);
        all["items"].as_array().unwrap().iter().map(|one| text(one, "/id")).collect()
    };
    assert_eq!(order(&api).await, ids);
    ids.rotate_left(1);
    put(&api, &format!("{PATH}/order"), json!({"channel": "sms", "account_ids": ids})).await.expect(200);
    assert_eq!(order(&api).await, ids);
    for odd in [json!([ids[0]]), json!([ids[0], ids[0], ids[1]]), json!([])] {
        let refused =
            put(&api, &format!("{PATH}/order"), json!({"channel": "sms", "account_ids": odd})).await;
        assert_eq!(refused.wrong_fields(), ["account_ids"]);
    }
    let off = api.patch(&format!("{PATH}/{}", ids[0]), json!({"is_active": false, "price": "0.02"})).await;
    let off = off.expect(200);
    assert_eq!((&off["is_active"], &off["per_second"]), (&json!(false), &json!(20)));
}

#[tokio::test]
async fn an_account_that_is_waited_for_stays() {
    let (tenant, api, fake) = with_fake().await;
    let id = text(&connect(&api, &fake, "hubtel", "Hubtel").await, "/id");
    let schema = tenant.schema().await;
    let client = sql(&tenant.server.database).await;
    client
        .batch_execute(&format!(
            "SET search_path = {schema};
             INSERT INTO message (id, channels, lane, content, status) VALUES
                ('01900000-0000-7000-8000-000000000001', '{{sms}}', 0, '{{}}', 'ready');
             INSERT INTO delivery (id, message_id, channel, address, lane, status, account_id) VALUES
                ('01900000-0000-7000-8000-000000000002', '01900000-0000-7000-8000-000000000001', 'sms', '+233200000001', 0,
                 'accepted', '{id}');
             INSERT INTO delivery_poll (delivery_id, account_id, provider_message_id, due_at) VALUES
                ('01900000-0000-7000-8000-000000000002', '{id}', 'x', 'infinity');"
        ))
        .await
        .unwrap();
    api.delete(&format!("{PATH}/{id}")).await.refused(409, "deliveries_waiting");
    client.batch_execute("DELETE FROM delivery_poll").await.unwrap();
    client
        .batch_execute(&format!(
            "UPDATE provider_account SET breaker = 'open', breaker_until = now() + interval '1 hour', failures = 5,
             breaker_reason = 'No balance' WHERE id = '{id}'"
        ))
        .await
        .unwrap();
    assert_eq!(api.get(&format!("{PATH}/{id}")).await.expect(200)["breaker"], "open");
    let tried = api.post(&format!("{PATH}/{id}/retry"), json!({})).await.expect(200);
    let until: chrono::DateTime<chrono::Utc> = text(&tried, "/breaker_until").parse().unwrap();
    assert!(until <= chrono::Utc::now() + chrono::TimeDelta::seconds(5));
    api.delete(&format!("{PATH}/{id}")).await.expect_status(204);
}

#[tokio::test]
async fn another_tenants_account_is_not_there() {
    let (_tenant, theirs, fake) = with_fake().await;
    let ours = tenant().await.api().await;
    let id = text(&connect(&theirs, &fake, "hubtel", "Hubtel").await, "/id");
    let path = format!("{PATH}/{id}");
    ours.get(&path).await.refused(404, "not_found");
    ours.patch(&path, json!({"label": "Ours"})).await.refused(404, "not_found");
    ours.post(&format!("{path}/test"), json!({})).await.refused(404, "not_found");
    ours.post(&format!("{path}/retry"), json!({})).await.refused(404, "not_found");
    put(&ours, &format!("{path}/credential"), json!({"credential": {}})).await.refused(404, "not_found");
    ours.delete(&path).await.refused(404, "not_found");
    let refused = put(&ours, &format!("{PATH}/order"), json!({"channel": "sms", "account_ids": [id]})).await;
    assert_eq!(refused.wrong_fields(), ["account_ids"]);
    theirs.get(&path).await.expect(200);
}

#[tokio::test]
async fn the_portal_connects_and_never_shows_a_secret() {
    let (tenant, _api, fake) = with_fake().await;
    let mut browser = tenant.browser().await;
    browser.get("/settings/channels").await.expect_status(200);
    browser.get("/settings/channels/new?kind=hubtel").await.expect_status(200);
    browser.get("/settings/channels/new?kind=pigeon").await.expect_status(404);
    let values = fake.values("hubtel");
    let own: Vec<(String, &str)> =
        values.iter().map(|(name, value)| (format!("cred_{name}"), value.as_str())).collect();
    let mut fields: Vec<(&str, &str)> = own.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    fields.extend([("kind", "hubtel"), ("label", ""), ("price", "0.03"), ("is_active", "true")]);
    let refused = browser.post("/settings/channels", &fields).await;
    refused.expect_status(422);
    assert!(!refused.text().contains(SECRET), "a secret is not sent back");
    assert!(refused.text().contains(CLIENT_ID), "what is no secret is");
    fields.retain(|(name, _)| *name != "label");
    fields.push(("label", "Hubtel Accra"));
    let answer = browser.post("/settings/channels", &fields).await;
    answer.expect_status(303);
    let href = answer.header("location").to_owned();
    let page = browser.get(&href).await;
    page.expect_status(200);
    assert!(page.text().contains("Hubtel Accra") && page.text().contains("/hooks/hubtel/"));
    assert!(!page.text().contains(SECRET));
    browser.post(&format!("{href}/test"), &[("to", "+233200000001")]).await.expect_status(303);
    assert_eq!(fake.taken("hubtel").len(), 1);
    let changes = [("label", "Hubtel"), ("price", "0.0351"), ("per_second", "")];
    browser.post(&href, &changes).await.expect_status(303);
    assert!(browser.get("/settings/channels").await.text().contains("Switched off"));
    let rotated: Vec<(&str, &str)> = fields
        .iter()
        .copied()
        .filter(|(name, _)| name.starts_with("cred_") && *name != "cred_client_secret")
        .collect();
    browser.post(&format!("{href}/credential"), &rotated).await.expect_status(303);
    let missing = browser.post(&format!("{href}/credential"), &[("cred_sender", "")]).await;
    missing.expect_status(422);
    browser.post(&format!("{href}/move"), &[("direction", "up")]).await.expect_status(303);
    browser.post(&format!("{href}/delete"), &[]).await.expect_status(303);
    browser.get(&href).await.expect_status(404);
}

fn run(tenant: &Tenant, args: &[&str]) -> Output {
    program(&tenant.server.database, tenant.server.folder.path()).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn credential_file(folder: &Path, fake: &Fake) -> String {
    let file = folder.join(format!("{}.json", uuid::Uuid::new_v4()));
    std::fs::write(&file, serde_json::to_string(&fake.values("hubtel")).unwrap()).unwrap();
    file.display().to_string()
}

/// Adds a sender of the platform, at 0.05 a message, and lends it to the tenant; its name.
fn lend(tenant: &Tenant, fake: &Fake) -> String {
    let name = format!("Pool {}", uuid::Uuid::new_v4().simple());
    let file = credential_file(tenant.server.folder.path(), fake);
    let add = ["sender", "add", &name, "--kind", "hubtel", "--price", "0.05", "--credential-file", &file];
    let added = run(tenant, &add);
    assert!(added.status.success(), "{}", said(&added));
    assert!(!run(tenant, &add).status.success(), "a name is taken once");
    let assigned = run(tenant, &["sender", "assign", &name, &tenant.slug]);
    assert!(assigned.status.success(), "{}", said(&assigned));
    name
}

/// Waits until so much of the tenant's credit was spent and nothing is set aside.
async fn credit_settles(api: &Api, spent: &str) {
    until("the credit to be settled", async || {
        let credit = api.get("/api/v1/message-credit").await.expect(200);
        (credit["spent"] == spent && credit["reserved"] == "0.0000").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recurring_message_by_a_lent_sender_is_paid_for_each_time() {
    let (tenant, api, fake) = with_fake().await;
    lend(&tenant, &fake);
    assert!(run(&tenant, &["credit", "add", &tenant.slug, "1"]).status.success());
    let message = json!({
        "channels": ["sms"], "to": {"addresses": [{"address": "+639171234567"}, {"address": "+639171234568"}]},
        "content": {"text": "Weekly"}, "recurrence": "0 9 * * 1",
    });
    api.post("/api/v1/messages", message).await.expect(202);
    let (db, schema) = (sql(&tenant.server.database).await, tenant.schema().await);
    for times in 1..=2 {
        let time_comes = format!(
            "UPDATE {schema}.message SET scheduled_at = now() WHERE recurrence IS NOT NULL;
             UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'expand_message'",
            tenant.id
        );
        db.batch_execute(&time_comes).await.unwrap();
        credit_settles(&api, &format!("0.{times}000")).await;
        assert_eq!(fake.taken("hubtel").len(), times * 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_of_the_platform_is_lent_and_taken_back() {
    let (tenant, api, fake) = with_fake().await;
    let name = lend(&tenant, &fake);
    let listed = said(&run(&tenant, &["sender", "list", "--json"]));
    assert!(listed.contains(&tenant.slug) && !listed.contains(SECRET));
    let account = api.get(PATH).await.expect(200)["items"][0].clone();
    let id = text(&account, "/id");
    assert_eq!((&account["is_platform_sender"], &account["label"]), (&json!(true), &json!(name)));
    assert_eq!(account["credential"], json!([]));
    let tested = api.post(&format!("{PATH}/{id}/test"), json!({"to": "+233200000001"})).await.expect(200);
    assert_eq!(tested["message"], "accepted", "{tested}");
    api.delete(&format!("{PATH}/{id}")).await.refused(409, "platform_sender");
    let rotated = put(&api, &format!("{PATH}/{id}/credential"), json!({"credential": {}})).await;
    rotated.refused(409, "platform_sender");
    let cheaper = api.patch(&format!("{PATH}/{id}"), json!({"price": "0"})).await;
    assert_eq!(cheaper.wrong_fields(), ["price"]);
    // A message goes out by it, once there is credit, which it is paid from.
    assert!(run(&tenant, &["credit", "add", &tenant.slug, "1"]).status.success());
    let message = json!({
        "channels": ["sms"], "to": {"addresses": [{"address": "+639171234567"}]}, "content": {"text": "Lent"},
    });
    api.post("/api/v1/messages", message).await.expect(202);
    until("the message at the provider", async || {
        fake.taken("hubtel").iter().any(|taken| taken.text == "Lent").then_some(())
    })
    .await;
    credit_settles(&api, "0.0500").await;
    let schema = tenant.schema().await;
    let polls = format!("DELETE FROM {schema}.delivery_poll");
    sql(&tenant.server.database).await.batch_execute(&polls).await.unwrap();
    assert!(run(&tenant, &["sender", "suspend", &name]).status.success());
    api.post(&format!("{PATH}/{id}/test"), json!({})).await.refused(409, "sender_unavailable");
    assert!(run(&tenant, &["sender", "resume", &name]).status.success());
    assert!(run(&tenant, &["sender", "unassign", &name, &tenant.slug]).status.success());
    assert_eq!(api.get(PATH).await.expect(200)["items"], json!([]));
    assert!(!run(&tenant, &["sender", "unassign", &name, &tenant.slug]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_is_never_below_nothing() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let nothing = api.get("/api/v1/message-credit").await.expect(200);
    assert_eq!(nothing["available"], "0");
    let added = run(&tenant, &["credit", "add", &tenant.slug, "100", "--note", "Bank"]);
    assert!(said(&added).contains("100.0000 available"), "{}", said(&added));
    assert!(!run(&tenant, &["credit", "add", &tenant.slug, "-200"]).status.success());
    let schema = tenant.schema().await;
    let mut tasks = Vec::new();
    for _ in 0..25 {
        let (url, schema) = (tenant.server.database.clone(), schema.clone());
        tasks.push(tokio::spawn(async move {
            let mut client = sql(&url).await;
            let mut granted = 0;
            for _ in 0..2 {
                let tx = client.transaction().await.unwrap();
                tx.batch_execute(&format!("SET LOCAL ROLE {schema}")).await.unwrap();
                let row = tx.query_one("SELECT gate.reserve_credit(3)", &[]).await.unwrap();
                granted += i32::from(row.get::<_, bool>(0));
                tx.commit().await.unwrap();
            }
            granted
        }));
    }
    let mut granted = 0;
    for task in tasks {
        granted += task.await.unwrap();
    }
    assert_eq!(granted, 33, "33 times 3 of 100");
    let left = api.get("/api/v1/message-credit").await.expect(200);
    assert_eq!((&left["available"], &left["reserved"]), (&json!("1.0000"), &json!("99.0000")));
    let mut client = sql(&tenant.server.database).await;
    for (call, is_good) in [
        ("SELECT gate.settle_credit(50, 40)", true),
        ("SELECT gate.settle_credit(10, 0)", false),
        ("SELECT gate.settle_credit(-1, 1)", false),
        ("SELECT gate.reserve_credit(-5)", false),
        ("SELECT gate.settle_credit(0, 9)", true),
    ] {
        let tx = client.transaction().await.unwrap();
        tx.batch_execute(&format!("SET LOCAL ROLE {schema}")).await.unwrap();
        assert_eq!(tx.execute(call, &[]).await.is_ok(), is_good, "{call}");
        if is_good {
            tx.commit().await.unwrap();
        }
    }
    let shown = said(&run(&tenant, &["credit", "show", &tenant.slug]));
    assert!(shown.contains("50.0000 available, 0.0000 set aside, 50.0000 spent"), "{shown}");
}
