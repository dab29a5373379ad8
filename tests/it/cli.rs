//! The command line: help, exit codes, what scripts read, and what must hold when processes start, die and start again at once.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PASSWORD, Server, Settings, Tenant, database, program, sql, tenant_on, text};

const NO_DATABASE: &str = "postgres://nobody:geheim-wort@127.0.0.1:1/none";

const COMMANDS: &[&[&str]] = &[
    &[],
    &["dev"],
    &["serve"],
    &["migrate"],
    &["tenant"],
    &["tenant", "create"],
    &["tenant", "list"],
    &["tenant", "show"],
    &["tenant", "suspend"],
    &["tenant", "resume"],
    &["tenant", "delete"],
    &["tenant", "export"],
    &["tenant", "import"],
    &["tenant", "verify-audit"],
    &["user", "create"],
    &["user", "reset-link"],
    &["sender", "add"],
    &["sender", "list"],
    &["sender", "assign"],
    &["sender", "unassign"],
    &["sender", "suspend"],
    &["sender", "resume"],
    &["credit", "add"],
    &["credit", "show"],
    &["keys", "rotate"],
    &["backup"],
    &["demo"],
    &["restore"],
    &["verify-isolation"],
    &["doctor"],
    &["config", "check"],
    &["config", "print-defaults"],
    &["openapi"],
    &["completions"],
    &["postgres"],
    &["version"],
];

/// Runs a command to its end.
pub fn run(url: &str, folder: &Path, args: &[&str]) -> Output {
    program(url, folder).args(args).stdin(Stdio::null()).output().unwrap()
}

/// The same, and it must end with this code; standard output is the answer.
#[track_caller]
pub fn expect(url: &str, folder: &Path, args: &[&str], code: i32) -> String {
    let output = run(url, folder, args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    out.into_owned()
}

/// Standard error of a command that must fail with 1.
#[track_caller]
fn refusal(url: &str, folder: &Path, args: &[&str]) -> String {
    let output = run(url, folder, args);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}\n{err}");
    err
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn every_command_has_help() {
    let folder = TempDir::new().unwrap();
    for command in COMMANDS {
        let mut args = command.to_vec();
        args.push("--help");
        let help = expect(NO_DATABASE, folder.path(), &args, 0);
        assert!(help.contains("Usage: lastmile"), "{command:?}: {help}");
        assert!(
            help.lines().next().unwrap_or_default().len() > 15,
            "{command:?} says nothing of itself: {help}"
        );
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "help leaves nothing behind");
}

#[tokio::test]
async fn exit_codes_tell_a_bad_command_line_from_a_failure() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    for wrong in [
        &["fly"][..],
        &["migrate", "--parallel", "0"],
        &["--set", "nonsense", "config", "check"],
        &["tenant"],
    ] {
        expect(NO_DATABASE, place, wrong, 2);
    }
    let refused = refusal(NO_DATABASE, place, &["--set", "log.colour=red", "config", "check"]);
    assert!(refused.contains("log") && refused.contains("colour"), "{refused}");
    std::fs::write(place.join("lastmile.toml"), "surprise = 1\n").unwrap();
    let refused = refusal(NO_DATABASE, place, &["config", "check"]);
    assert!(refused.contains("surprise"), "{refused}");
    std::fs::remove_file(place.join("lastmile.toml")).unwrap();
    for away in [&["migrate"][..], &["migrate", "--check"], &["tenant", "list"]] {
        let refused = refusal(NO_DATABASE, place, away);
        assert!(refused.contains("cannot be reached") && !refused.contains("geheim"), "{refused}");
    }
    let told = parsed(&expect(NO_DATABASE, place, &["doctor", "--json"], 1));
    assert!(
        told.as_array().unwrap().iter().any(|f| f["check"] == "database" && f["state"] == "problem"),
        "{told}"
    );
}

#[tokio::test]
async fn what_scripts_read_can_be_read() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    assert_eq!(parsed(&expect(NO_DATABASE, place, &["version", "--json"], 0))["name"], "lastmile");
    let shown = expect(NO_DATABASE, place, &["config", "check", "--json"], 0);
    assert_eq!(parsed(&shown)["base_domain"], "isp.test");
    assert!(!shown.contains("geheim"), "{shown}");
    for args in [&["openapi"][..], &["openapi", "--platform"]] {
        let document = parsed(&expect(NO_DATABASE, place, args, 0));
        assert!(document["openapi"].as_str().unwrap().starts_with('3'), "{document}");
    }
    assert_eq!(place.read_dir().unwrap().count(), 0, "a document leaves nothing behind");
    // The printed defaults are a settings file that is taken.
    let defaults = expect(NO_DATABASE, place, &["config", "print-defaults"], 0);
    std::fs::write(place.join("defaults.toml"), &defaults).unwrap();
    let mut bare = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    bare.current_dir(place).env("LASTMILE_DATABASE_URL", NO_DATABASE);
    let again = bare.args(["--config", "defaults.toml", "config", "check"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(expect(NO_DATABASE, place, &["completions", "bash"], 0).contains("verify-isolation"));
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    std::fs::write(place.join("lastmile.toml"), "shutdown_grace_ms = 1\n[log]\nlevel = \"error\"\n").unwrap();
    let read = |args: &[&str], environment: Option<&str>| {
        let mut command = program(NO_DATABASE, place);
        if let Some(value) = environment {
            command.env("LASTMILE_SHUTDOWN_GRACE_MS", value);
        }
        let output = command.args(args).args(["config", "check", "--json"]).output().unwrap();
        parsed(&String::from_utf8_lossy(&output.stdout))
    };
    assert_eq!(read(&[], None)["shutdown_grace_ms"], 1);
    assert_eq!(read(&[], Some("2"))["shutdown_grace_ms"], 2);
    assert_eq!(read(&["--set", "shutdown_grace_ms=3"], Some("2"))["shutdown_grace_ms"], 3);
    assert_eq!(read(&[], None)["log"]["level"], "error");
    assert_eq!(read(&["--log-level", "debug"], None)["log"]["level"], "debug");
}

#[tokio::test]
async fn five_servers_start_at_once_on_an_empty_database() {
    let url = database("five").await;
    let folder = Arc::new(TempDir::new().unwrap());
    let starting: Vec<_> = (0..5)
        .map(|_| {
            let (url, folder) = (url.clone(), folder.clone());
            std::thread::spawn(move || Server::start(&url, Some(folder), Settings::default()))
        })
        .collect();
    let servers: Vec<&'static Server> =
        starting.into_iter().map(|server| server.join().unwrap().for_this_test()).collect();
    for server in &servers {
        tenant_on(server).await;
    }
    let listed = parsed(&expect(&url, folder.path(), &["tenant", "list", "--json"], 0));
    assert_eq!(listed.as_array().unwrap().len(), 5);
    for server in &servers {
        assert!(server.terminate());
    }
}

async fn status_of(tenant: &Tenant) -> u16 {
    tenant.anonymous().get("/api/v1/me").await.status
}

/// Other processes have a second.
async fn becomes(tenant: &Tenant, status: u16) {
    let began = Instant::now();
    while status_of(tenant).await != status {
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "still {} and not {status}",
            status_of(tenant).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn suspending_resuming_and_closing_reach_running_servers() {
    let server = Server::own("lifecycle", Settings::default()).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    assert_eq!(status_of(&tenant).await, 401);
    cli(&["tenant", "suspend", &tenant.slug, "--reason", "unpaid"], 0);
    becomes(&tenant, 403).await;
    assert_eq!(parsed(&cli(&["tenant", "show", &tenant.slug, "--json"], 0))["status_reason"], "unpaid");
    cli(&["tenant", "suspend", &tenant.slug], 1);
    cli(&["tenant", "resume", &tenant.slug], 0);
    becomes(&tenant, 401).await;
    cli(&["tenant", "delete", &tenant.slug], 1);
    assert_eq!(status_of(&tenant).await, 401, "nobody was there to type the slug");
    cli(&["tenant", "delete", &tenant.slug, "--yes"], 0);
    becomes(&tenant, 403).await;
    let schema = tenant.schema().await;
    cli(&["tenant", "delete", &tenant.slug, "--yes", "--now"], 0);
    becomes(&tenant, 404).await;
    let client = sql(&server.database).await;
    let left = client
        .query_one(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1) + (SELECT count(*) FROM pg_roles WHERE rolname = $1)",
            &[&schema],
        )
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "schema and role are gone");
    let all = parsed(&cli(&["tenant", "list", "--closed", "--json"], 0));
    assert!(
        all.as_array().unwrap().iter().any(|t| t["slug"] == *tenant.slug && t["status"] == "closed"),
        "{all}"
    );
    assert_eq!(status_of(&other).await, 401, "the other one never noticed");
    cli(&["tenant", "show", "nobody-here"], 1);
}

#[tokio::test]
async fn people_are_let_in_from_the_command_line() {
    let server = Server::own("people_cli", Settings::default()).await;
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    let made = parsed(&cli(
        &[
            "tenant",
            "create",
            "Bukidnon Net",
            "--owner-name",
            "Bea",
            "--owner-email",
            "bea@bukidnon.example",
            "--json",
        ],
        0,
    ));
    let slug = text(&made, "/tenant/slug");
    assert!(text(&made, "/landing_url").contains("/landing?code="), "{made}");
    let args = ["user", "create", "cora@bukidnon.example", "--tenant", &slug, "--name", "Cora", "--role"];
    let refused = refusal(&server.database, server.folder.path(), &[&args[..], &["Astronaut"]].concat());
    assert!(refused.contains("Cashier"), "{refused}");
    let added = parsed(&cli(&[&args[..], &["cashier", "--json"]].concat(), 0));
    let link = url::Url::parse(&text(&added, "/link")).unwrap();
    let page = server.at(link.host_str().unwrap()).get(&link[url::Position::BeforePath..]).await;
    page.expect_status(200);
    let again = parsed(&cli(&["user", "reset-link", "Cora@Bukidnon.example", "--json"], 0));
    assert_ne!(again["link"], added["link"]);
    cli(&["user", "reset-link", "nobody@bukidnon.example"], 1);
}

#[tokio::test]
async fn rotating_keys_and_looking_at_everything_ends_well() {
    let server = Server::own("keys_cli", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let cli = |args: &[&str], code| expect(&server.database, server.folder.path(), args, code);
    let rotated = parsed(&cli(&["keys", "rotate", "--json"], 0));
    assert_eq!((&rotated["master_version"], &rotated["wrapped"]), (&json!(2), &json!(1)));
    assert_eq!(parsed(&cli(&["keys", "rotate", "--resume", "--json"], 0))["wrapped"], 0);
    tenant.api().await.get("/api/v1/me").await.expect_status(200);
    let findings = parsed(&cli(&["doctor", "--json"], 0));
    let state = |check: &str| {
        let all = findings.as_array().unwrap();
        all.iter().find(|f| f["check"] == check).map(|f| f["state"].clone()).unwrap_or_default()
    };
    for check in ["settings", "database", "clock", "roles", "migrations", "secret store"] {
        assert_eq!(state(check), "ok", "{check}: {findings}");
    }
    let walls = run(&server.database, server.folder.path(), &["verify-isolation", "--json"]);
    assert!(parsed(&String::from_utf8_lossy(&walls.stdout))["checks"].as_i64().unwrap() > 10);
    assert_eq!(parsed(&cli(&["migrate", "--check", "--json"], 0))["behind"], 0);
    parsed(&cli(&["tenant", "verify-audit", &tenant.slug, "--json"], 0));
}

#[tokio::test]
async fn a_new_provider_is_filled_with_the_demo_once() {
    let server = Server::own("demo_cli", Settings::default()).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let args = ["demo", "--tenant", &tenant.slug, "--customers", "60", "--json"];
    let filled = parsed(&expect(&server.database, server.folder.path(), &args, 0));
    assert_eq!((&filled["customers"], &filled["areas"]), (&json!(60), &json!(12)), "{filled}");
    assert!(filled["periods"].as_u64().unwrap() > 100, "{filled}");
    let api = tenant.api().await;
    for (path, least) in
        [("customers", 60), ("installations", 50), ("payments", 100), ("tickets", 1), ("outages", 1)]
    {
        let list = api.get(&format!("/api/v1/{path}?total=true")).await.expect(200);
        assert!(list["total"].as_u64().unwrap() >= least, "{path}: {}", list["total"]);
    }
    // What is there is never mixed with a demo.
    let refused = refusal(&server.database, server.folder.path(), &args);
    assert!(refused.contains("customers") && refused.contains("nothing was written"), "{refused}");
    assert_eq!(api.get("/api/v1/customers?total=true").await.expect(200)["total"], 60);
    let api = other.api().await;
    assert_eq!(api.get("/api/v1/customers?total=true").await.expect(200)["total"], 0);
    api.post("/api/v1/customers", json!({"first_name": "Ana", "last_name": "Cruz"})).await.expect(201);
    let args = ["demo", "--tenant", &other.slug];
    let refused = refusal(&server.database, server.folder.path(), &args);
    assert!(refused.contains("has customers of its own"), "{refused}");
    assert_eq!(api.get("/api/v1/plans").await.expect(200)["items"], json!([]));
    assert!(
        refusal(&server.database, server.folder.path(), &["demo", "--tenant", "nobody-here"])
            .contains("nobody-here")
    );
}

/// What came after version 1 and is begun with `CREATE {what} `, as the migrations' own files name it, in the tenant's schema.
fn later(what: &str, schema: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations_tenant");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let begin = format!("CREATE {what} ");
    let mut names = Vec::new();
    for path in files.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("V1__")) {
        let sql = std::fs::read_to_string(path).unwrap();
        let named = sql.lines().filter_map(|line| line.strip_prefix(&begin));
        names.extend(named.map(|rest| format!("{schema}.{}", rest.split_whitespace().next().unwrap())));
    }
    names.join(", ")
}

/// Puts a tenant's schema back to what version 1 made.
async fn set_back(client: &tokio_postgres::Client, schema: &str) {
    client
        .batch_execute(&format!(
            "BEGIN;
             DROP TABLE {} CASCADE;
             DROP INDEX IF EXISTS {};
             ALTER TABLE {schema}.role DROP COLUMN requires_mfa;
             ALTER TABLE {schema}.staff DROP COLUMN accepted_at, DROP COLUMN phone, DROP COLUMN avatar_file_id, DROP COLUMN time_zone, DROP COLUMN language;
             ALTER TABLE {schema}.api_key DROP COLUMN networks, DROP COLUMN last_used_from, DROP COLUMN network_refused_at,
                DROP COLUMN old_key_hash, DROP COLUMN old_prefix, DROP COLUMN old_until;
             ALTER TABLE {schema}.portal_session DROP COLUMN proved_at;
             DELETE FROM {schema}.refinery_schema_history WHERE version > 1;
             UPDATE public.tenant_schema_state SET version = 1 WHERE schema_name = '{schema}';
             COMMIT",
            later("TABLE", schema),
            later("INDEX", schema),
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_migration_that_is_killed_goes_on_where_it_was() {
    let server = Server::own("killed", Settings::default()).await;
    let mut schemas = Vec::new();
    for _ in 0..6 {
        schemas.push(tenant_on(server).await.schema().await);
    }
    assert!(server.terminate());
    let client = sql(&server.database).await;
    for schema in &schemas {
        set_back(&client, schema).await;
    }
    // Whoever migrates the fourth has to wait for us.
    let blocked = &schemas[3];
    let lock = format!("lastmile migrate {blocked}");
    client.execute("SELECT pg_advisory_lock(hashtext($1))", &[&lock]).await.unwrap();
    let mut migrating =
        program(&server.database, server.folder.path()).args(["migrate", "--parallel", "1"]).spawn().unwrap();
    let began = Instant::now();
    // Locks of every database of the server are listed, and other tests wait for theirs.
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    loop {
        let waits = client.query_one(waiting, &[]).await.unwrap();
        if waits.get::<_, i64>(0) > 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never came to the fourth");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    migrating.kill().unwrap();
    migrating.wait().unwrap();
    client.execute("SELECT pg_advisory_unlock(hashtext($1))", &[&lock]).await.unwrap();
    let check = |code| {
        parsed(&expect(&server.database, server.folder.path(), &["migrate", "--check", "--json"], code))
    };
    let half = check(1);
    assert!(half["current"].as_i64().unwrap() >= 3 && half["behind"].as_i64().unwrap() >= 1, "{half}");
    let done = parsed(&expect(&server.database, server.folder.path(), &["migrate", "--json"], 0));
    assert_eq!(done["failed"], json!([]));
    assert_eq!(check(0)["current"], 6);
    for schema in &schemas {
        let owners = client.query_one(&format!("SELECT count(*) FROM {schema}.staff"), &[]).await.unwrap();
        assert_eq!(owners.get::<_, i64>(0), 1, "what was there is there");
    }
}

#[tokio::test]
async fn one_tenants_failed_migration_stops_nobody_else() {
    let server = Server::own("failed", Settings::default()).await;
    let (good, bad) = (tenant_on(server).await, tenant_on(server).await);
    let client = sql(&server.database).await;
    for schema in [good.schema().await, bad.schema().await] {
        set_back(&client, &schema).await;
    }
    let schema = bad.schema().await;
    client.batch_execute(&format!("CREATE TABLE {schema}.customer (in_the_way int)")).await.unwrap();
    let told = parsed(&expect(&server.database, server.folder.path(), &["migrate", "--json"], 1));
    assert_eq!(told["failed"][0]["slug"], *bad.slug, "{told}");
    assert_eq!(told["failed"].as_array().unwrap().len(), 1, "{told}");
    becomes(&bad, 503).await;
    becomes(&good, 401).await;
    client.batch_execute(&format!("DROP TABLE {schema}.customer")).await.unwrap();
    expect(&server.database, server.folder.path(), &["migrate", "--tenant", &bad.slug], 0);
    becomes(&bad, 401).await;
    assert!(!PASSWORD.is_empty() && server.terminate());
}

/// What a tenant's role may do with which table: table, right, and whether it may hand it on.
async fn rights_of(client: &tokio_postgres::Client, schema: &str) -> BTreeSet<(String, String, bool)> {
    let sql =
        "SELECT c.relname::text, x.privilege_type, x.is_grantable FROM pg_class c, aclexplode(c.relacl) x
               WHERE c.relnamespace = $1::text::regnamespace AND x.grantee = $1::text::regrole
               UNION ALL SELECT c.relname || '.' || a.attname, a.attacl::text, false
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = $1::text::regnamespace AND a.attacl IS NOT NULL";
    let rows = client.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// What somebody gave or took by hand is undone; where rights are right, nothing is written.
#[tokio::test]
async fn a_migration_leaves_exactly_the_rights_of_the_list() {
    let server = Server::own("rights", Settings::default()).await;
    let (tenant, client) = (tenant_on(server).await, sql(&server.database).await);
    let schema = tenant.schema().await;
    let right = rights_of(&client, &schema).await;
    assert!(right.len() > 200, "{right:?}");
    let plan = format!("SELECT xmin::text FROM pg_class WHERE oid = '{schema}.plan'::regclass");
    let written: String = client.query_one(&plan, &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!(
            "GRANT DELETE, TRUNCATE ON {schema}.audit_event TO {schema};
             GRANT UPDATE (amount) ON {schema}.payment_allocation TO {schema};
             GRANT SELECT ON {schema}.area TO {schema} WITH GRANT OPTION;
             GRANT SELECT ON {schema}.refinery_schema_history TO {schema};
             REVOKE UPDATE ON {schema}.customer FROM {schema};
             REVOKE ALL ON {schema}.ticket FROM {schema};
             UPDATE public.tenant_schema_state SET version = 1 WHERE schema_name = '{schema}'"
        ))
        .await
        .unwrap();
    let wrong = rights_of(&client, &schema).await;
    assert_eq!(wrong.symmetric_difference(&right).count(), 10, "{wrong:?}");
    expect(&server.database, server.folder.path(), &["migrate"], 0);
    assert_eq!(rights_of(&client, &schema).await, right);
    assert_eq!(client.query_one(&plan, &[]).await.unwrap().get::<_, String>(0), written);
}

/// As on a server that somebody looks after: what they measure with lies where the control plane goes.
#[tokio::test]
async fn an_extension_in_the_way_is_named_before_anything_is_made() {
    let (url, folder) = (database("in_the_way").await, TempDir::new().unwrap());
    let client = sql(&url).await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements SCHEMA public").await.unwrap();
    let said = refusal(&url, folder.path(), &["migrate"]);
    assert!(said.contains("pg_stat_statements") && said.contains("SET SCHEMA"), "{said}");
    let made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    client
        .batch_execute("CREATE SCHEMA monitoring; ALTER EXTENSION pg_stat_statements SET SCHEMA monitoring")
        .await
        .unwrap();
    expect(&url, folder.path(), &["migrate"], 0);
}
