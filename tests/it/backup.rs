//! Archives: out and in again without a difference, and nothing of a changed one.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use poem::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::{
    cli::{expect, run},
    fake_providers::Fake,
    harness::{PASSWORD, Server, Settings, Tenant, database, program, sql, tenant_on, text},
};

/// What no copy takes along.
pub(crate) const LEFT_BEHIND: &[&str] = &[
    "idempotency",
    "one_time_link",
    "portal_session",
    "refresh_token",
    "sign_in_failure",
    "sign_in_step",
    "takeout",
    "takeout_part",
    "refinery_schema_history",
];

/// Everything in a schema, table by table, as text.
pub(crate) async fn contents(client: &Client, schema: &str) -> BTreeMap<String, String> {
    let rows = client
        .query("SELECT tablename::text FROM pg_tables WHERE schemaname = $1", &[&schema])
        .await
        .unwrap();
    let mut all = BTreeMap::new();
    for row in rows {
        let table: String = row.get(0);
        if LEFT_BEHIND.contains(&table.as_str()) {
            continue;
        }
        let sql = format!(
            "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {schema}.{table} t"
        );
        all.insert(table, client.query_one(&sql, &[]).await.unwrap().get(0));
    }
    all
}

async fn fill(client: &Client, schema: &str) {
    client
        .batch_execute(&format!(
            "INSERT INTO {schema}.area (id, name, code) SELECT gen_random_uuid(), 'Area ' || n, 'A' || n FROM generate_series(1, 12) n;
             INSERT INTO {schema}.customer (id, first_name, last_name, email, notes, area_id, latitude, longitude)
             SELECT gen_random_uuid(), 'Ñandú ' || n, E'O''Brien\\t' || n, 'c' || n || '@x.example', E'two\\nlines \\\\ ' || n,
                (SELECT id FROM {schema}.area ORDER BY name LIMIT 1), 8.4 + n / 10000.0, 124.6
             FROM generate_series(1, 3000) n;
             UPDATE {schema}.customer SET merged_into = (SELECT id FROM {schema}.customer ORDER BY email LIMIT 1) WHERE last_name LIKE '%77';
             INSERT INTO {schema}.file (id, purpose, name, media_type, size_bytes, sha256, content)
             VALUES (gen_random_uuid(), 'logo', 'x.png', 'image/png', 4, '\\x00', '\\x00ff0a5c');"
        ))
        .await
        .unwrap();
}

/// Waits until the trail is sealed, so that nothing moves while we compare.
async fn settled(client: &Client, schema: &str) {
    let began = Instant::now();
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.audit_event) - (SELECT count(*) FROM {schema}.audit_seal)"
    );
    while client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0) != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "never sealed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn schema_of(client: &Client, slug: &str) -> String {
    client.query_one("SELECT schema_name FROM public.tenant WHERE slug = $1", &[&slug]).await.unwrap().get(0)
}

async fn schemas(client: &Client) -> i64 {
    client
        .query_one("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'", &[])
        .await
        .unwrap()
        .get(0)
}

fn archive(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

async fn signs_in(server: &Server, tenant: &Tenant, host: &str) -> u16 {
    let body = json!({"email": tenant.owner_email, "password": PASSWORD});
    server.at(host).post("/api/v1/auth/token", body).await.status
}

#[tokio::test]
async fn a_tenant_comes_back_as_it_was() {
    let server = Server::own("roundtrip", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let client = sql(&server.database).await;
    let schema = tenant.schema().await;
    fill(&client, &schema).await;
    settled(&client, &schema).await;
    let before = contents(&client, &schema).await;
    let files = TempDir::new().unwrap();
    let out = archive(files.path(), "tenant.zip");
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    let told: Value =
        serde_json::from_str(&cli(&["tenant", "export", &tenant.slug, "--out", &out, "--json"], 0)).unwrap();
    assert!(told["rows"].as_u64().unwrap() > 3_000, "{told}");
    assert_eq!(files.path().read_dir().unwrap().count(), 1, "nothing half-made is left");
    cli(&["tenant", "import", &out], 1);
    cli(&["tenant", "delete", &tenant.slug, "--yes", "--now"], 0);
    let told: Value = serde_json::from_str(&cli(&["tenant", "import", &out, "--json"], 0)).unwrap();
    assert_eq!((&told["is_same_id"], told["id"].as_str().unwrap()), (&json!(true), tenant.id.as_str()));
    let new_schema = schema_of(&client, &tenant.slug).await;
    assert_ne!(new_schema, schema);
    let after = contents(&client, &new_schema).await;
    for (table, rows) in &before {
        assert_eq!(Some(rows), after.get(table), "{table}");
    }
    assert_eq!(before.len(), after.len());
    cli(&["tenant", "verify-audit", &tenant.slug], 0);
    assert_eq!(signs_in(server, &tenant, &tenant.host).await, 200);
    let walls = run(&server.database, server.folder.path(), &["verify-isolation", "--json"]);
    let walls = String::from_utf8_lossy(&walls.stdout).into_owned();
    assert!(walls.contains("\"findings\"") && !walls.contains(&new_schema), "{walls}");
    assert!(server.terminate());
}

/// A provider's account whose credential was replaced: both lie there sealed.
async fn connected_twice(tenant: &Tenant, fake: &Fake) -> String {
    let api = tenant.api().await;
    let credential = fake.values("hubtel");
    let body = json!({"kind": "hubtel", "label": "Hubtel", "credential": credential});
    let made = api.post("/api/v1/message-accounts", body).await.expect(201);
    let path = format!("/api/v1/message-accounts/{}", text(&made, "/account/id"));
    api.json(Method::PUT, &format!("{path}/credential"), json!({"credential": credential})).await.expect(200);
    text(&made, "/account/id")
}

#[tokio::test]
async fn a_copy_lives_beside_its_original() {
    let fake = Fake::start().await;
    // Without a worker letters stay queued, and sealed.
    let settings = Settings { args: vec!["--role".into(), "web".into()], ..Settings::default() };
    let server = Server::own("copies", settings).await;
    let tenant = tenant_on(server).await;
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    let mut browser = server.browser(&tenant.host);
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &tenant.owner_email)]).await;
    let account = connected_twice(&tenant, &fake).await;
    let files = TempDir::new().unwrap();
    let (first, second) = (archive(files.path(), "1.zip"), archive(files.path(), "2.zip"));
    let told: Value =
        serde_json::from_str(&cli(&["tenant", "export", &tenant.slug, "--out", &first, "--json"], 0))
            .unwrap();
    assert!(told["sealed_values"].as_u64().unwrap() > 0, "{told}");
    cli(&["tenant", "import", &first, "--slug", "first-copy"], 0);
    assert_eq!(signs_in(server, &tenant, "first-copy.isp.test").await, 200);
    assert_eq!(signs_in(server, &tenant, &tenant.host).await, 200);
    cli(&["tenant", "verify-audit", "first-copy"], 0);
    // Copying the copy opens what was sealed anew for it.
    cli(&["tenant", "export", "first-copy", "--out", &second], 0);
    cli(&["tenant", "import", &second, "--slug", "second-copy"], 0);
    let at = server.at("second-copy.isp.test");
    let body = json!({"email": tenant.owner_email, "password": PASSWORD});
    let copy = at.bearer(&text(&at.post("/api/v1/auth/token", body).await.expect(200), "/access_token"));
    let tested = copy.post(&format!("/api/v1/message-accounts/{account}/test"), json!({})).await.expect(200);
    assert_eq!(tested["is_ok"], true, "a credential travels: {tested}");

    // Another deployment opens it with the passphrase alone.
    let url = database("copies_elsewhere").await;
    let elsewhere = TempDir::new().unwrap();
    let away = |args: &[&str]| run(&url, elsewhere.path(), args);
    assert!(away(&["migrate"]).status.success());
    let refused = away(&["tenant", "import", &first]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("passphrase"), "{refused:?}");
    let (right, wrong) = (files.path().join("right"), files.path().join("wrong"));
    std::fs::write(&right, "correct horse battery staple\n").unwrap();
    std::fs::write(&wrong, "incorrect horse battery staple\n").unwrap();
    let third = archive(files.path(), "3.zip");
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    cli(&["tenant", "export", &tenant.slug, "--out", &third, "--passphrase-file", right], 0);
    assert_eq!(away(&["tenant", "import", &third, "--passphrase-file", wrong]).status.code(), Some(1));
    let taken = away(&["tenant", "import", &third, "--passphrase-file", right]);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    assert!(away(&["tenant", "verify-audit", &tenant.slug]).status.success());
    assert!(server.terminate());
}

/// Bytes that carry content: one in the middle of the manifest and of every fourth table, and one of a table's name. A container
/// has other bytes too, times of files among them, that say nothing about what is in it.
fn places(archive: &str) -> Vec<usize> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let mut places = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).unwrap();
        if entry.compressed_size() == 0 || (index % 4 > 0 && entry.name().unwrap() != "manifest.json") {
            continue;
        }
        let start = usize::try_from(entry.data_start().unwrap()).unwrap();
        if places.is_empty() {
            places.push(usize::try_from(entry.central_header_start()).unwrap() + 46);
        }
        places.push(start + usize::try_from(entry.compressed_size() / 2).unwrap());
    }
    assert!(places.len() > 10, "{places:?}");
    places
}

#[tokio::test]
async fn nothing_of_a_changed_archive_is_written() {
    let server = Server::own("tampered", Settings::default().with("POOL__WARM_SCHEMAS", 0)).await;
    let tenant = tenant_on(server).await;
    let client = sql(&server.database).await;
    fill(&client, &tenant.schema().await).await;
    let files = TempDir::new().unwrap();
    let out = archive(files.path(), "tenant.zip");
    expect(&server.database, server.folder.path(), &["tenant", "export", &tenant.slug, "--out", &out], 0);
    assert!(server.terminate());
    let whole = std::fs::read(&out).unwrap();
    let before = schemas(&client).await;
    let changed = archive(files.path(), "changed.zip");
    for place in places(&out) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x41;
        std::fs::write(&changed, &bytes).unwrap();
        let output = run(
            &server.database,
            server.folder.path(),
            &["tenant", "import", &changed, "--slug", "tampered-copy"],
        );
        assert_eq!(output.status.code(), Some(1), "byte {place}: {output:?}");
    }
    std::fs::write(&changed, &whole[..whole.len() / 2]).unwrap();
    expect(
        &server.database,
        server.folder.path(),
        &["tenant", "import", &changed, "--slug", "tampered-copy"],
        1,
    );
    assert_eq!(schemas(&client).await, before);
    let rows = client.query("SELECT 1 FROM public.tenant WHERE slug = 'tampered-copy'", &[]).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn a_whole_deployment_is_restored_into_an_empty_one() {
    let server = Server::own("whole", Settings::default()).await;
    let (one, two, gone) = (tenant_on(server).await, tenant_on(server).await, tenant_on(server).await);
    let client = sql(&server.database).await;
    fill(&client, &one.schema().await).await;
    let place = server.folder.path();
    crate::invoices::given(&client, &one.id).await;
    let former =
        format!("INSERT INTO public.tenant_slug (slug, tenant_id) VALUES ('had-before', '{}')", one.id);
    client.batch_execute(&former).await.unwrap();
    expect(&server.database, place, &["tenant", "delete", &gone.slug, "--yes", "--now"], 0);
    expect(&server.database, place, &["tenant", "suspend", &two.slug], 0);
    settled(&client, &one.schema().await).await;
    let files = TempDir::new().unwrap();
    let dir = archive(files.path(), "backup");
    let told: Value =
        serde_json::from_str(&expect(&server.database, place, &["backup", "--dir", &dir, "--json"], 0))
            .unwrap();
    assert_eq!(told["tenants"], 2, "{told}");
    expect(&server.database, place, &["backup", "--dir", &dir], 1);
    let before = contents(&client, &one.schema().await).await;
    assert!(server.terminate());

    let url = database("whole_again").await;
    expect(&url, place, &["restore", "--dir", &dir], 0);
    let restored = sql(&url).await;
    let after = contents(&restored, &schema_of(&restored, &one.slug).await).await;
    assert_eq!(before, after);
    let rows = restored.query("SELECT slug, status FROM public.tenant ORDER BY status", &[]).await.unwrap();
    let states: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(states[&one.slug], "active");
    assert_eq!(states[&two.slug], "suspended");
    assert_eq!(states[&gone.slug], "closed");
    let kept = "SELECT (SELECT count(*) FROM public.invoice) AS invoices, (SELECT count(*) FROM public.tenant_slug) AS slugs";
    let kept = restored.query_one(kept, &[]).await.unwrap();
    assert_eq!((kept.get::<_, i64>("invoices"), kept.get::<_, i64>("slugs")), (1, 4));
    // Run again it changes nothing.
    expect(&url, place, &["restore", "--dir", &dir], 0);
    expect(&url, place, &["tenant", "verify-audit", &one.slug], 0);
    let again = Server::start(&url, Some(server.folder.clone()), Settings::default()).for_this_test();
    assert_eq!(signs_in(again, &one, &one.host).await, 200);
    assert!(again.terminate());
    // A file that was changed is told before anything is written.
    let file = files.path().join("backup/control-plane.zip");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let empty = database("whole_refused").await;
    let refused = program(&empty, place).args(["restore", "--dir", &dir]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("control-plane.zip"), "{refused:?}");
}
