//! The API held against its own documents: schemathesis sends what they allow and what they forbid, with all of its checks;
//! and every operation answers an owner with a 2xx at least once.
//!
//! What is sent and what is checked is in `tests/schemathesis.toml`.

mod isp;
pub mod walk;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use walk::Walk;

use crate::{
    domains,
    fake_providers::Fake,
    harness::{PASSWORD, Server, sql, tenant_on, text},
    invoices::paying_at,
};

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    let program = cache.join("lastmile/venv/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run infra/python.sh", program.display());
    program
}

/// What schemathesis does, in two runs: a run of everything would outlive an access token on a slow machine.
const RUNS: [&str; 2] = ["examples,coverage", "fuzzing,stateful"];

/// Has the document at `path` of `host` tried; the operations that were answered with a 2xx.
fn try_all(
    server: &Server,
    (host, path): (&str, &str),
    phases: &str,
    credential: Option<&str>,
) -> BTreeSet<String> {
    let report = server.folder.path().join(format!("{host}.ndjson"));
    let mut command = Command::new(program());
    command
        .current_dir(server.folder.path())
        .arg("--config-file")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml"))
        .args(["run", &format!("http://{}{path}", server.address), "--no-color"])
        .args(["--phases", phases, "--checks", "all"])
        .args(["-H", &format!("Host: {host}")])
        .args(["--report", "ndjson", "--report-ndjson-path"])
        .arg(&report);
    if let Some(credential) = credential {
        command.args(["-H", &format!("Authorization: {credential}")]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let defects: String = server.log().lines().filter(|line| line.contains("a defect")).collect();
    assert!(output.status.success(), "{said}\n{}\n{defects}", String::from_utf8_lossy(&output.stderr));
    answered_well(&std::fs::read_to_string(report).unwrap())
}

/// The operations that a report shows with a 2xx: each line is an event, and a finished scenario holds its cases and answers.
fn answered_well(report: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for line in report.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let Some(interactions) = recorder["interactions"].as_object() else { continue };
        for (case, interaction) in interactions {
            let status = interaction["response"]["status_code"].as_u64().unwrap_or_default();
            let case = &recorder["cases"][case]["value"];
            if let (200..300, Some(method), Some(path)) =
                (status, case["method"].as_str(), case["path"].as_str())
            {
                reached.insert(format!("{method} {path}"));
            }
        }
    }
    reached
}

/// Every operation of a document, as `POST /api/v1/areas`.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<String> {
        item.as_object().unwrap().keys().map(|verb| format!("{} {path}", verb.to_uppercase())).collect()
    };
    paths.iter().flat_map(of_path).collect()
}

fn credential_in(tokens: &Value) -> String {
    format!("Bearer {}", text(tokens, "/access_token"))
}

#[tokio::test]
async fn a_tenants_api_is_what_its_document_says() {
    let fake = Fake::start().await;
    // An authority that nobody answers at: certificates are ordered, and refused.
    let settings = paying_at(&fake).with("ACME__DIRECTORY", "https://127.0.0.1:1/directory");
    let (server, zone) = domains::server_with("schemathesis", settings).await;
    let tenant = tenant_on(server).await;
    let signed_in = json!({"email": tenant.owner_email, "password": PASSWORD});
    let mut tokens = tenant.anonymous().post("/api/v1/auth/token", signed_in).await.expect(200);
    let api = tenant.anonymous().header("authorization", &credential_in(&tokens));
    let mut walk = Walk::new(&api, &tenant.owner_id);
    walk.areas_and_customers().await;
    walk.imports().await;
    walk.contacts().await;
    walk.erasures().await;
    walk.people().await;
    walk.domains(&zone, &sql(&server.database).await).await;
    walk.a_stay(&tenant.owner_email).await;
    let schema = tenant.schema().await;
    walk.second_step(&sql(&server.database).await, &schema).await;
    walk.isp(&sql(&server.database).await, &schema).await;
    walk.messaging().await;
    walk.messages(&sql(&server.database).await, &schema).await;
    walk.plan(&sql(&server.database).await, &tenant.id).await;
    let takeout = walk.takeout().await;
    walk.see("GET /takeouts/{id}/content", &takeout).await;
    walk.see("DELETE /takeouts/{id}", &takeout).await;
    walk.see("GET /takeouts", "").await;
    walk.sandbox().await;
    walk.retention().await;
    walk.library(&sql(&server.database).await).await;
    walk.trail().await;
    walk.call("PATCH /company", "", json!({"area_word": "Barangay"})).await;

    let mut reached = std::mem::take(&mut walk.reached);
    for phases in RUNS {
        let refreshed = json!({"refresh_token": text(&tokens, "/refresh_token")});
        tokens = tenant.anonymous().post("/api/v1/auth/refresh", refreshed).await.expect(200);
        let credential = credential_in(&tokens);
        let at = (tenant.host.as_str(), "/api/openapi.json");
        reached.append(&mut try_all(server, at, phases, Some(&credential)));
        // Had the run ended its own credential, what came after would have been tried as a stranger.
        let same = tenant.anonymous().header("authorization", &credential);
        same.get("/api/v1/me").await.expect_status(200);
    }
    let document = tenant.anonymous().get("/api/openapi.json").await.expect(200);
    let missed: Vec<String> = operations(&document).difference(&reached).cloned().collect();
    assert!(missed.is_empty(), "never answered with a 2xx: {missed:?}");
}

#[tokio::test]
async fn the_platforms_api_is_what_its_document_says() {
    let server = Server::own("schemathesis_platform", Default::default()).await;
    let tenant = tenant_on(server).await;
    let at = ("isp.test", "/api/platform/openapi.json");
    let mut reached: BTreeSet<String> =
        RUNS.iter().flat_map(|phases| try_all(server, at, phases, None)).collect();
    // The sign-up that made the tenant was answered with 201.
    reached.insert("POST /api/platform/v1/signups".into());
    let slug = server.platform().get(&format!("/api/platform/v1/slugs/{}", tenant.slug)).await;
    assert_eq!(slug.expect(200)["available"], false);
    reached.insert("GET /api/platform/v1/slugs/{slug}".into());
    let document = server.platform().get("/api/platform/openapi.json").await.expect(200);
    let missed: Vec<String> = operations(&document).difference(&reached).cloned().collect();
    assert!(missed.is_empty(), "never answered with a 2xx: {missed:?}");
}
