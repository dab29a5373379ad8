//! All of a provider's data as one file: whole, readable, without what opens doors, and for nobody else.

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use poem::http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::ZipArchive;

use crate::{
    cli::{expect, run},
    fake_providers::{Fake, SECRET},
    foreign_ids::furnished,
    harness::{
        Api, PASSWORD, Server, Settings, database,
        mailbox::{letter_to, until},
        sql, tenant, tenant_on, text,
    },
};

const PATH: &str = "/api/v1/takeouts";
const PASSPHRASE: &str = "correct horse battery staple";

async fn made(api: &Api, body: Value) -> String {
    let id = text(&api.post(PATH, body).await.expect(201), "/id");
    ready(api, &id).await;
    id
}

async fn ready(api: &Api, id: &str) {
    until("the takeout", async || {
        let takeout = api.get(&format!("{PATH}/{id}")).await.expect(200);
        assert_ne!(takeout["status"], "failed", "{takeout}");
        (takeout["status"] == "made").then_some(())
    })
    .await;
}

async fn fetched(api: &Api, id: &str) -> Vec<u8> {
    let answer = api.get(&format!("{PATH}/{id}/content")).await;
    answer.expect_status(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let said = api.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!(said["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(&answer.body)));
    assert_eq!(said["size_bytes"], answer.body.len());
    answer.body.to_vec()
}

type Opened = ZipArchive<Cursor<Vec<u8>>>;

fn entry(zip: &mut Opened, path: &str) -> Vec<u8> {
    let mut content = Vec::new();
    zip.by_name(path).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// Every table of the manifest, held against both of its files.
fn held_to_its_manifest(zip: &mut Opened) -> Value {
    let manifest: Value = serde_json::from_slice(&entry(zip, "manifest.json")).unwrap();
    for table in manifest["tables"].as_array().unwrap() {
        let (name, rows) = (text(table, "/table"), table["rows"].as_u64().unwrap());
        for form in ["csv", "json"] {
            let content = entry(zip, &text(table, &format!("/{form}/path")));
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&content));
            assert_eq!(text(table, &format!("/{form}/sha256")), digest, "{name}");
        }
        let json = String::from_utf8(entry(zip, &format!("json/{name}.jsonl"))).unwrap();
        let parsed: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed.len() as u64, rows, "{name}");
        let csv = entry(zip, &format!("csv/{name}.csv"));
        let mut csv = csv::Reader::from_reader(&csv[..]);
        let header: Vec<String> = csv
            .headers()
            .unwrap()
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let columns = table["columns"].as_array().unwrap().iter().map(|column| text(column, "/name"));
        assert!(columns.eq(header), "{name}");
        assert_eq!(csv.records().map(Result::unwrap).count() as u64, rows, "{name}");
    }
    manifest
}

#[tokio::test]
async fn a_readable_takeout_holds_everything_but_what_opens_doors() {
    let (tenant, api) = furnished().await;
    let fake = Fake::start().await;
    let account = json!({"kind": "hubtel", "label": "Hubtel", "credential": fake.values("hubtel")});
    api.post("/api/v1/message-accounts", account).await.expect(201);
    let odd =
        json!({"first_name": "=cmd|' /C calc'!A0", "last_name": "Ñandú \"x\", y", "notes": "two\nlines"});
    api.post("/api/v1/customers", odd).await.expect(201);
    let id = made(&api, json!({"kind": "readable"})).await;
    let bytes = fetched(&api, &id).await;
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let manifest = held_to_its_manifest(&mut zip);
    assert_eq!(manifest["provider"]["slug"], tenant.slug);
    assert!(manifest["tables"].as_array().unwrap().len() > 60);
    // A spreadsheet runs nothing, and JSON has it as it is.
    let csv = String::from_utf8(entry(&mut zip, "csv/customer.csv")).unwrap();
    assert!(csv.contains("'=cmd|") && csv.contains("\"Ñandú \"\"x\"\", y\""), "{csv}");
    let json = String::from_utf8(entry(&mut zip, "json/customer.jsonl")).unwrap();
    assert!(json.contains("\"first_name\":\"=cmd|") && json.contains("two\\nlines"), "{json}");
    // Money stays as it was written.
    let payments = String::from_utf8(entry(&mut zip, "json/payment.jsonl")).unwrap();
    assert!(payments.contains(".00,"), "{payments}");
    // Every file, with its bytes.
    let files = manifest["files"].as_array().unwrap();
    assert!(!files.is_empty());
    for file in files {
        let content = entry(&mut zip, &text(file, "/path"));
        assert_eq!(text(file, "/sha256"), data_encoding::HEXLOWER.encode(&Sha256::digest(content)));
    }
    // Nothing of it opens a door.
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    for name in names {
        let content = String::from_utf8_lossy(&entry(&mut zip, &name)).into_owned();
        for secret in ["$argon2", SECRET, PASSWORD] {
            assert!(!content.contains(secret), "{secret} in {name}");
        }
    }
    let left_out = manifest["left_out"].to_string();
    for one in ["staff.password_hash", "provider_account.sealed", "\"refresh_token\"", "\"totp\""] {
        assert!(left_out.contains(one), "{one}: {left_out}");
    }
    let trail = api.get("/api/v1/audit-events?limit=200").await.text();
    for action in ["takeout.asked", "takeout.made", "takeout.fetched"] {
        assert!(trail.contains(action), "{action}");
    }
}

#[tokio::test]
async fn an_archive_of_the_owner_s_lives_elsewhere() {
    let (tenant, api) = furnished().await;
    let asked = json!({"kind": "archive", "passphrase": PASSPHRASE});
    let id = made(&api, asked).await;
    let files = TempDir::new().unwrap();
    let (archive, key) = (files.path().join("a.zip"), files.path().join("key"));
    std::fs::write(&archive, fetched(&api, &id).await).unwrap();
    std::fs::write(&key, PASSPHRASE).unwrap();
    let kept = format!("SELECT count(sealed_passphrase) FROM {}.takeout", tenant.schema().await);
    let client = sql(&tenant.server.database).await;
    assert_eq!(
        client.query_one(&kept, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "nobody keeps the passphrase"
    );
    let url = database("takeout_elsewhere").await;
    let elsewhere = Arc::new(TempDir::new().unwrap());
    let (archive, key) = (archive.to_str().unwrap(), key.to_str().unwrap());
    expect(&url, elsewhere.path(), &["migrate"], 0);
    assert!(!run(&url, elsewhere.path(), &["tenant", "import", archive]).status.success());
    expect(&url, elsewhere.path(), &["tenant", "import", archive, "--passphrase-file", key], 0);
    let there = Server::start(&url, Some(elsewhere.clone()), Settings::default()).for_this_test();
    let body = json!({"email": tenant.owner_email, "password": PASSWORD});
    let at = there.at(&tenant.host);
    let token = at.post("/api/v1/auth/token", body).await.expect(200);
    let copy = at.bearer(&text(&token, "/access_token"));
    for path in
        ["/api/v1/customers?total=true", "/api/v1/payments?total=true", "/api/v1/subscriptions?total=true"]
    {
        let (ours, theirs) = (api.get(path).await.expect(200), copy.get(path).await.expect(200));
        assert_eq!(ours, theirs, "{path}");
    }
    assert_eq!(copy.get(PATH).await.expect(200)["items"], json!([]), "takeouts do not travel");
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_named() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    for (body, field) in [
        (json!({"kind": "archive"}), "passphrase"),
        (json!({"kind": "archive", "passphrase": "short"}), "passphrase"),
        (json!({"kind": "archive", "passphrase": "two lines\nof a passphrase"}), "passphrase"),
        (json!({"kind": "archive", "passphrase": "x".repeat(201)}), "passphrase"),
        (json!({"kind": "readable", "passphrase": PASSPHRASE}), "passphrase"),
        (json!({"kind": "paper"}), "kind"),
        (json!({}), "kind"),
    ] {
        assert_eq!(api.post(PATH, body.clone()).await.wrong_fields(), [field], "{body}");
    }
    let nobody = uuid::Uuid::now_v7();
    api.get(&format!("{PATH}/{nobody}/content")).await.refused(404, "not_found");
    // One at a time; on the page as well.
    let client = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let waiting = format!(
        "INSERT INTO {schema}.takeout (id, kind, asked_by) VALUES ('{nobody}', 'readable', 'nobody''s job')"
    );
    client.batch_execute(&waiting).await.unwrap();
    api.post(PATH, json!({"kind": "readable"})).await.refused(409, "takeout_under_way");
    api.get(&format!("{PATH}/{nobody}/content")).await.refused(404, "not_found");
    api.delete(&format!("{PATH}/{nobody}")).await.refused(409, "takeout_not_there");
    let mut browser = tenant.browser().await;
    browser.get("/settings/takeouts").await.expect_status(200);
    let page = browser.post("/settings/takeouts", &[("kind", "archive"), ("passphrase", "short")]).await;
    page.expect_status(422);
    assert!(page.text().contains("at least 12 characters") && !page.text().contains("value=\"short\""));
    browser.post("/settings/takeouts", &[("kind", "readable")]).await.expect_status(422);
}

#[tokio::test]
async fn only_owners_who_just_proved_it_and_nobody_of_another_provider() {
    let (one, other) = (tenant().await, tenant().await);
    let (api, theirs) = (one.api().await, other.api().await);
    let id = made(&api, json!({"kind": "readable"})).await;
    for path in [format!("{PATH}/{id}"), format!("{PATH}/{id}/content")] {
        theirs.get(&path).await.refused(404, "not_found");
    }
    theirs.delete(&format!("{PATH}/{id}")).await.refused(404, "not_found");
    let person = one.person(&["settings.manage", "customers.view"]).await;
    let colleague = one.api_of(&person).await;
    colleague.get(PATH).await.expect_status(403);
    colleague.get(&format!("{PATH}/{id}/content")).await.expect_status(403);
    // A proof that is old leads to the page of proofs, and the trail has nobody who fetched.
    let client = sql(&one.server.database).await;
    let mut browser = one.browser().await;
    let age =
        format!("UPDATE {}.portal_session SET proved_at = now() - interval '1 hour'", one.schema().await);
    client.batch_execute(&age).await.unwrap();
    let led = browser.get(&format!("/settings/takeouts/{id}/file")).await;
    assert_eq!(led.status, 303);
    assert!(led.header("location").starts_with("/account/prove"), "{}", led.header("location"));
    let trail = api.get("/api/v1/audit-events?action=takeout.fetched").await.expect(200);
    assert_eq!(trail["items"], json!([]));
    api.delete(&format!("{PATH}/{id}")).await.expect_status(204);
    api.get(&format!("{PATH}/{id}/content")).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_maker_that_died_is_followed_and_old_files_go() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let client = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    // Half a file of a worker that is no more, whose job comes back.
    let id = uuid::Uuid::now_v7();
    let half = format!(
        "INSERT INTO {schema}.takeout (id, kind, asked_by) VALUES ('{id}', 'readable', 'Ann');
         INSERT INTO {schema}.takeout_part VALUES ('{id}', 0, '\\x00'), ('{id}', 7, '\\x00');
         INSERT INTO public.job (id, tenant_id, kind, subject_id, due_at)
         VALUES (gen_random_uuid(), '{}', 'takeout.make', '{id}', now())",
        tenant.id
    );
    client.batch_execute(&half).await.unwrap();
    ready(&api, &id.to_string()).await;
    let bytes = fetched(&api, &id.to_string()).await;
    held_to_its_manifest(&mut ZipArchive::new(Cursor::new(bytes)).unwrap());
    // Three are kept; the oldest goes with one more.
    for _ in 0..3 {
        made(&api, json!({"kind": "readable"})).await;
    }
    let gone = api.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!(gone["status"], "gone");
    // Their week is over.
    let over = format!(
        "UPDATE {schema}.takeout SET expires_at = now() - interval '1 minute' WHERE status = 'made';
         UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'takeout.forget'",
        tenant.id
    );
    client.batch_execute(&over).await.unwrap();
    let kept = format!(
        "SELECT (SELECT count(*) FROM {schema}.takeout_part) + count(*) FROM {schema}.takeout WHERE status = 'made'"
    );
    until("an empty shelf", async || {
        let left: i64 = client.query_one(&kept, &[]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn heavy_work_leaves_room_for_what_people_wait_for() {
    let server = Server::own("heavy", Settings::default()).await;
    let (one, two, three) = (tenant_on(server).await, tenant_on(server).await, tenant_on(server).await);
    let mut holder = sql(&server.database).await;
    let held = holder.transaction().await.unwrap();
    let tables = format!("{}.takeout_part, {}.takeout_part", one.schema().await, two.schema().await);
    held.batch_execute(&format!("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    for tenant in [&one, &two] {
        tenant.api().await.post(PATH, json!({"kind": "readable"})).await.expect(201);
    }
    let client = sql(&server.database).await;
    let jobs = async || {
        let sql = "SELECT count(*), count(*) FILTER (WHERE leased_until > now()) FROM public.job WHERE kind = 'takeout.make'";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    until("one that is being made", async || (jobs().await.1 > 0).then_some(())).await;
    let mut browser = three.server.browser(&three.host);
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &three.owner_email)]).await;
    letter_to(server, &three.owner_email, 1).await;
    let (all, made_now) = jobs().await;
    assert_eq!((all, made_now.max(1)), (2, 1));
    held.rollback().await.unwrap();
    until("both", async || (jobs().await.0 == 0).then_some(())).await;
    assert!(server.terminate());
}

#[tokio::test]
async fn the_command_line_writes_the_same_file() {
    let server = Server::own("takeout_cli", Settings::default()).await;
    let tenant = tenant_on(server).await;
    tenant.api().await.json(Method::POST, "/api/v1/areas", json!({"name": "Carmen"})).await.expect(201);
    let files = TempDir::new().unwrap();
    let out = files.path().join("data.zip").display().to_string();
    let args = ["tenant", "export", &tenant.slug, "--readable", "--out", &out, "--json"];
    let told: Value =
        serde_json::from_str(&expect(&server.database, server.folder.path(), &args, 0)).unwrap();
    let content = std::fs::read(&out).unwrap();
    let manifest = held_to_its_manifest(&mut ZipArchive::new(Cursor::new(content)).unwrap());
    let rows: u64 = manifest["tables"].as_array().unwrap().iter().map(|t| t["rows"].as_u64().unwrap()).sum();
    assert_eq!(told["rows"], rows);
    assert!(server.terminate());
}
