//! API keys after they are made: from where they count, how their secrets change, how their use is counted, how their end is told.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Api, Server, Settings, Tenant,
        mailbox::{letters_to, until},
        sql, tenant, tenant_on, text,
    },
};

const KEYS: &str = "/api/v1/api-keys";
const ME: &str = "/api/v1/me";

async fn made(api: &Api, more: Value) -> (String, Value) {
    let mut body = json!({"name": "Bridge", "scopes": ["staff.read"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = api.post(KEYS, body).await.expect(201);
    (format!("{KEYS}/{}", text(&made, "/id")), made)
}

fn with(acme: &Tenant, minted: &Value) -> Api {
    acme.anonymous().bearer(&text(minted, "/key"))
}

/// All requests and refusals of thirty days, once there are so many requests.
async fn used(api: &Api, path: &str, requests: i64) -> (i64, i64) {
    until("the use to be written down", async || {
        let used = api.get(&format!("{path}/usage")).await.expect(200);
        let days = used["days"].as_array().unwrap();
        assert_eq!(days.len(), 30);
        let sum = |name: &str| days.iter().map(|day| day[name].as_i64().unwrap()).sum::<i64>();
        (sum("requests") >= requests).then(|| (sum("requests"), sum("refusals")))
    })
    .await
}

async fn execute(acme: &Tenant, statement: &str) {
    let statement = statement.replace("{schema}", &acme.schema().await);
    sql(&acme.server.database).await.batch_execute(&statement).await.unwrap();
}

#[tokio::test]
async fn a_key_of_other_networks_opens_nothing_from_here() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let (path, minted) = made(&owner, json!({"allowed_networks": ["203.0.113.7/24", "2001:db8::/32"]})).await;
    assert_eq!(minted["allowed_networks"], json!(["203.0.113.0/24", "2001:db8::/32"]));
    let key = with(&acme, &minted);
    for _ in 0..3 {
        key.get(ME).await.refused(403, "network_not_allowed");
    }
    // What a caller says of its own address is nothing.
    key.header("x-forwarded-for", "203.0.113.9").get(ME).await.refused(403, "network_not_allowed");
    let stream = key.get("/events").await;
    assert!(
        stream.status == 403 && stream.text().contains("does not count from this address"),
        "{}",
        stream.text()
    );
    let another = tenant().await;
    another.anonymous().bearer(&text(&minted, "/key")).get(ME).await.refused(401, "bad_credential");
    assert_eq!(used(&owner, &path, 5).await, (5, 5));
    assert_eq!(events(&acme, "api_key.network_refused").await, 1, "once a minute");
    // A minute later it is told again, by whichever process comes first.
    execute(&acme, "UPDATE {schema}.api_key SET network_refused_at = now() - interval '61 seconds'").await;
    let sibling = acme.server.sibling(Settings::default()).at(&acme.host).bearer(&text(&minted, "/key"));
    sibling.get(ME).await.refused(403, "network_not_allowed");
    assert_eq!(events(&acme, "api_key.network_refused").await, 2);

    let changed = owner.patch(&path, json!({"allowed_networks": ["127.0.0.1"]})).await.expect(200);
    assert_eq!(changed["allowed_networks"], json!(["127.0.0.1/32"]));
    key.get(ME).await.expect(200);
    key.get(KEYS).await.refused(403, "forbidden");
    assert_eq!(used(&owner, &path, 8).await, (8, 7), "a right that is missing is a refusal, too");
    let shown = owner.get(&path).await.expect(200);
    assert_eq!(shown["last_used_from"], "127.0.0.1");
    owner.patch(&path, json!({"allowed_networks": ["::1"]})).await.expect(200);
    key.get(ME).await.refused(403, "network_not_allowed");
    owner.patch(&path, json!({"allowed_networks": []})).await.expect(200);
    key.get(ME).await.expect(200);
    assert_eq!(events(&acme, "api_key.updated").await, 3);
}

#[tokio::test]
async fn networks_that_are_none_are_named() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let body = |networks: Value| json!({"name": "x", "scopes": ["staff.read"], "allowed_networks": networks});
    let wrong = owner.post(KEYS, body(json!(["10.0.0.0/8", "10.0.0.0/40", "here"]))).await;
    assert_eq!(wrong.wrong_fields(), ["allowed_networks[1]", "allowed_networks[2]"]);
    assert!(wrong.text().contains("10.0.0.0/40 is no network"));
    let many: Vec<String> = (0..21).map(|n| format!("10.0.{n}.0/24")).collect();
    assert_eq!(owner.post(KEYS, body(json!(many))).await.wrong_fields(), ["allowed_networks"]);
    let (path, _) = made(&owner, json!({})).await;
    let wrong = owner.patch(&path, json!({"allowed_networks": ["x"], "name": " "})).await;
    assert_eq!(wrong.wrong_fields(), ["allowed_networks[0]", "name"]);
    assert_eq!(
        owner.patch(&path, json!({"expires_at": "2020-01-01T00:00:00Z"})).await.wrong_fields(),
        ["expires_at"]
    );
    let mut browser = acme.browser().await;
    let page = path.replace("/api/v1", "");
    browser.get(&page).await.expect_status(200);
    let wrong = browser.post(&page, &[("name", "Bridge"), ("allowed_networks", "10.0.0.0/8\nnowhere")]).await;
    assert!(wrong.status == 422 && wrong.text().contains("nowhere is no network"), "{}", wrong.text());
    let fields =
        [("name", "Bridge two"), ("allowed_networks", "10.0.0.0/8, 192.0.2.1"), ("expires_on", "2099-12-31")];
    browser.post(&page, &fields).await.expect_status(303);
    let shown = owner.get(&path).await.expect(200);
    assert_eq!(
        (&shown["name"], &shown["allowed_networks"]),
        (&json!("Bridge two"), &json!(["10.0.0.0/8", "192.0.2.1/32"]))
    );
    let end = shown["expires_at"].clone();
    browser.post(&page, &[("name", "Bridge three"), ("expires_on", "2099-12-31")]).await.expect_status(303);
    assert_eq!(owner.get(&path).await.expect(200)["expires_at"], end, "a day that was not touched stays");
    owner.patch(&path, json!({"expires_at": null})).await.expect(200);
    assert_eq!(owner.get(&path).await.expect(200)["expires_at"], Value::Null);
}

#[tokio::test]
async fn both_secrets_count_until_the_overlap_is_over() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let (path, first) = made(&owner, json!({})).await;
    let rotate = format!("{path}/rotate");
    let second = owner.post(&rotate, json!({"overlap_hours": 24})).await.expect(200);
    let (one, two) = (with(&acme, &first), with(&acme, &second));
    one.get(ME).await.expect(200);
    two.get(ME).await.expect(200);
    let shown = owner.get(&path).await.expect(200);
    assert_eq!((&shown["old_prefix"], &shown["prefix"]), (&first["prefix"], &second["prefix"]));
    assert_eq!(shown["old_secret_until"], second["old_secret_until"]);
    let page = acme.browser().await.get(&path.replace("/api/v1", "")).await.text();
    assert!(page.contains("Two secrets count") && page.contains("End it now"), "{page}");
    // Ended early, once; the new one goes on.
    owner.delete(&format!("{path}/old-secret")).await.expect_status(204);
    one.get(ME).await.refused(401, "bad_credential");
    two.get(ME).await.expect(200);
    owner.delete(&format!("{path}/old-secret")).await.refused(409, "no_old_secret");
    // Of three, two count.
    let third = owner.post(&rotate, json!({"overlap_hours": 168})).await.expect(200);
    let fourth = owner.post(&rotate, json!({"overlap_hours": 1})).await.expect(200);
    two.get(ME).await.refused(401, "bad_credential");
    let (three, four) = (with(&acme, &third), with(&acme, &fourth));
    three.get(ME).await.expect(200);
    four.get(ME).await.expect(200);
    // None: the one before ends at once.
    let fifth = owner.post(&rotate, json!({"overlap_hours": 0})).await.expect(200);
    assert_eq!(fifth["old_secret_until"], Value::Null);
    three.get(ME).await.refused(401, "bad_credential");
    four.get(ME).await.refused(401, "bad_credential");
    let five = with(&acme, &fifth);
    five.get(ME).await.expect(200);
    for hours in [-1, 169] {
        assert_eq!(
            owner.post(&rotate, json!({"overlap_hours": hours})).await.wrong_fields(),
            ["overlap_hours"]
        );
    }
    // Over by itself, also for a process that has just seen it.
    let sixth = owner.post(&rotate, json!({"overlap_hours": 1})).await.expect(200);
    execute(&acme, "UPDATE {schema}.api_key SET old_until = now() + interval '3 seconds'").await;
    five.get(ME).await.expect(200);
    until("the overlap to be over", async || (five.get(ME).await.status == 401).then_some(())).await;
    with(&acme, &sixth).get(ME).await.expect(200);
    until("the key to say so", async || {
        owner.get(&path).await.expect(200)["old_secret_until"].is_null().then_some(())
    })
    .await;
    // Revoked are both.
    let seventh = owner.post(&rotate, json!({"overlap_hours": 1})).await.expect(200);
    owner.delete(&path).await.expect_status(204);
    with(&acme, &sixth).get(ME).await.refused(401, "bad_credential");
    with(&acme, &seventh).get(ME).await.refused(401, "bad_credential");
    owner.post(&rotate, json!({"overlap_hours": 1})).await.refused(409, "key_not_active");
    owner.patch(&path, json!({"name": "Dead"})).await.refused(409, "key_not_active");
}

#[tokio::test]
async fn who_changes_a_key_has_its_rights_and_a_fresh_proof() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let (strong, _) =
        made(&owner, json!({"scopes": ["roles.write"], "allowed_networks": ["127.0.0.1"]})).await;
    let (weak, _) = made(&owner, json!({})).await;
    let kim = acme.person(&["api_keys.view", "api_keys.manage", "staff.view"]).await;
    let kim = acme.api_of(&kim).await;
    kim.patch(&strong, json!({"allowed_networks": []})).await.refused(403, "scope_exceeds_rights");
    kim.post(&format!("{strong}/rotate"), json!({"overlap_hours": 1}))
        .await
        .refused(403, "scope_exceeds_rights");
    kim.patch(&weak, json!({"name": "Kim's"})).await.expect(200);
    execute(&acme, "UPDATE {schema}.refresh_token SET created_at = now() - interval '16 minutes'").await;
    // Whatever changes makes what is known of sign-ins be read again.
    owner.delete(&format!("{weak}/old-secret")).await.refused(409, "no_old_secret");
    owner.post("/api/v1/roles", json!({"name": "News", "permissions": []})).await.expect(201);
    owner.patch(&weak, json!({"name": "Late"})).await.refused(403, "proof_needed");
    owner.post(&format!("{weak}/rotate"), json!({"overlap_hours": 1})).await.refused(403, "proof_needed");
    owner.post(&format!("{weak}/regenerate"), json!({})).await.refused(403, "proof_needed");
    assert_eq!(owner.get(&weak).await.expect(200)["name"], "Kim's");
}

#[tokio::test]
async fn use_is_counted_exactly_and_by_few_statements() {
    let server = Server::own("keyuse", Settings::default()).await;
    let acme = tenant_on(server).await;
    let owner = acme.api().await;
    let (path, minted) = made(&owner, json!({})).await;
    let key = with(&acme, &minted);
    let calls = futures_util::future::join_all((0..200).map(|n| {
        let key = key.clone();
        async move { key.get(if n % 4 == 0 { KEYS } else { ME }).await.status }
    }));
    assert_eq!(calls.await.iter().filter(|status| **status == 403).count(), 50);
    assert_eq!(used(&owner, &path, 200).await, (200, 50));
    let client = sql(&server.database).await;
    let schema = acme.schema().await;
    let written = format!(
        "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_all_tables
         WHERE schemaname = '{schema}' AND relname = 'api_key_day'"
    );
    // What two processes count is added up.
    let sibling = server.sibling(Settings::default()).at(&acme.host).bearer(&text(&minted, "/key"));
    for _ in 0..20 {
        sibling.get(ME).await.expect(200);
        key.get(ME).await.expect(200);
    }
    assert_eq!(used(&owner, &path, 240).await, (240, 50));
    assert!(client.query_one(&written, &[]).await.unwrap().get::<_, i64>(0) < 100, "not one by one");
    // A process that ends in peace writes down what it had counted last.
    for _ in 0..7 {
        key.get(ME).await.expect(200);
    }
    assert!(server.terminate());
    let sum = format!("SELECT sum(requests)::bigint, sum(refusals)::bigint FROM {schema}.api_key_day");
    let row = client.query_one(&sum, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (247, 50));
}

/// Makes the tenant's job look at the ends of keys.
async fn look(acme: &Tenant) {
    let client = sql(&acme.server.database).await;
    let of = format!("tenant_id = '{}' AND kind = 'api_keys.expiry'", acme.id);
    client
        .batch_execute(&format!("UPDATE public.job SET due_at = now(), called = called + 1 WHERE {of}"))
        .await
        .unwrap();
    let idle = format!("SELECT due_at > now() AND leased_until IS NULL FROM public.job WHERE {of}");
    until("the job to have looked", async || {
        client.query_one(&idle, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
}

async fn bell(api: &Api) -> Vec<String> {
    let lines = api.get("/api/v1/notices").await.expect(200);
    let lines = lines["items"].as_array().unwrap().iter().map(|line| text(line, "/text"));
    lines.filter(|line| line.contains("API key")).collect()
}

#[tokio::test]
async fn the_end_of_a_key_is_told_fourteen_and_three_days_before_and_when_it_has_come_once_each() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let kim = acme.person(&["api_keys.manage", "staff.view"]).await;
    let kims = acme.api_of(&kim).await;
    let bystander = acme.api_of(&acme.person(&["api_keys.manage", "api_keys.view"]).await).await;
    let letters_before = letters_to(acme.server, &kim.email).len();
    let far = (chrono::Utc::now() + chrono::TimeDelta::days(40)).to_rfc3339();
    let (path, _) = made(&kims, json!({"expires_at": far, "name": "Till bridge"})).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::days(5)).to_rfc3339();
    made(&kims, json!({"expires_at": soon, "name": "Short one"})).await;
    look(&acme).await;
    assert_eq!(
        bell(&owner).await,
        Vec::<String>::new(),
        "none of it is near enough, or was news when it was made"
    );
    let id = path.rsplit('/').next().unwrap();
    for (left, count) in [
        ("13 days", 1),
        ("13 days", 1),
        ("4 days", 1),
        ("2 days", 2),
        ("1 day", 2),
        ("-1 hour", 3),
        ("-2 days", 3),
    ] {
        // Time passes: the end comes nearer, and what was told of it was told of the same end.
        execute(
            &acme,
            &format!(
                "BEGIN; UPDATE {{schema}}.api_key SET created_at = now() - interval '60 days', expires_at = now() + interval '{left}'
                    WHERE id = '{id}';
                 UPDATE {{schema}}.api_key_warning w SET expires_at = k.expires_at FROM {{schema}}.api_key k WHERE k.id = w.key_id; COMMIT"
            ),
        )
        .await;
        look(&acme).await;
        assert_eq!(bell(&owner).await.len(), count, "{left}: {:?}", bell(&owner).await);
    }
    let lines = bell(&kims).await;
    assert_eq!(lines.len(), 3, "who made it is told, too");
    assert!(
        lines[0].contains("Till bridge has expired") && lines[2].contains("Till bridge expires on"),
        "{lines:?}"
    );
    assert_eq!(bell(&bystander).await, Vec::<String>::new());
    until("the letters", async || {
        (letters_to(acme.server, &kim.email).len() == letters_before + 3).then_some(())
    })
    .await;
    // Another end is told of anew; a key that was revoked is not.
    execute(
        &acme,
        &format!("UPDATE {{schema}}.api_key SET expires_at = now() + interval '12 days' WHERE id = '{id}'"),
    )
    .await;
    look(&acme).await;
    assert_eq!(bell(&owner).await.len(), 4);
    owner.delete(&path).await.expect_status(204);
    execute(
        &acme,
        &format!("UPDATE {{schema}}.api_key SET expires_at = now() + interval '1 day' WHERE id = '{id}'"),
    )
    .await;
    look(&acme).await;
    assert_eq!(bell(&owner).await.len(), 4);
}
