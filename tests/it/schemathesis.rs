//! The API held against its own documents: schemathesis sends what they allow and what they forbid, with all of its checks;
//! and every operation answers an owner with a 2xx at least once.
//!
//! What is sent and what is checked is in `tests/schemathesis.toml`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    domains,
    harness::{Answer, Api, PASSWORD, Server, mailbox::until, tenant_on, text},
};

/// Calls operations by their names in the document, and remembers those that were answered with a 2xx.
struct Walk {
    api: Api,
    reached: BTreeSet<String>,
}

impl Walk {
    /// `operation` is `POST /areas/{id}`, as in the document but for the prefix.
    async fn call(&mut self, operation: &str, id: &str, body: Value) -> Value {
        let (method, path) = operation.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let actual = format!("/api/v1{}", path.replace("{id}", id));
        let answer = if body.is_null() {
            self.api.send(method, &actual, None, Vec::new()).await
        } else {
            self.api.json(method, &actual, body).await
        };
        self.learn(operation, &answer)
    }

    fn learn(&mut self, operation: &str, answer: &Answer) -> Value {
        assert!(
            (200..300).contains(&answer.status),
            "{operation} answered {} {}",
            answer.status,
            answer.text()
        );
        let (method, path) = operation.split_once(' ').unwrap();
        self.reached.insert(format!("{method} /api/v1{path}"));
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    async fn make(&mut self, operation: &str, body: Value) -> String {
        text(&self.call(operation, "", body).await, "/id")
    }

    async fn areas_and_customers(&mut self) {
        let area = self.make("POST /areas", json!({"name": "Carmen", "code": "CAR"})).await;
        let spare = self.make("POST /areas", json!({"name": "Spare"})).await;
        self.call("PATCH /areas/{id}", &area, json!({"description": "By the river"})).await;
        self.call("DELETE /areas/{id}", &spare, Value::Null).await;
        let mut customers = Vec::new();
        for name in ["Ana", "Anna", "Ben"] {
            let new = json!({"first_name": name, "last_name": "Cruz", "area_id": area, "phone_primary": "09171234567"});
            customers.push(self.make("POST /customers", new).await);
        }
        self.call("PATCH /customers/{id}", &customers[0], json!({"notes": "Pays late"})).await;
        self.call("POST /customers/{id}/status", &customers[0], json!({"status": "suspended"})).await;
        self.call("GET /customers/{id}/duplicates", &customers[0], Value::Null).await;
        self.call("POST /customers/{id}/merge", &customers[0], json!({"from": customers[1], "fields": []}))
            .await;
        self.call("DELETE /customers/{id}", &customers[2], Value::Null).await;
        self.call("POST /customers/{id}/restore", &customers[2], Value::Null).await;
        let bulk = json!({"action": "set_status", "ids": [customers[2]], "value": "inactive"});
        self.call("POST /customers/bulk", "", bulk).await;
    }

    async fn upload(&mut self) -> String {
        let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"c.csv\"\r\n\
                    Content-Type: text/csv\r\n\r\nFirst name,Last name,E-mail\nEve,Diaz,eve@x.example\n,,no\n\r\n--b--\r\n";
        let kind = Some("multipart/form-data; boundary=b");
        let path = "/api/v1/customers/imports";
        let answer = self.api.send(Method::POST, path, kind, file.as_bytes().to_vec()).await;
        text(&self.learn("POST /customers/imports", &answer), "/id")
    }

    async fn imports(&mut self) {
        let stopped = self.upload().await;
        self.call("POST /customers/imports/{id}/cancel", &stopped, Value::Null).await;
        let run = self.upload().await;
        self.call("POST /customers/imports/{id}/start", &run, json!({})).await;
        let api = self.api.clone();
        until("the end of the import", async || {
            let import = api.get(&format!("/api/v1/customers/imports/{run}")).await.expect(200);
            (import["state"] == "finished").then_some(())
        })
        .await;
        self.call("GET /customers/imports/{id}", &run, Value::Null).await;
        self.call("GET /customers/imports/{id}/errors", &run, Value::Null).await;
        self.call("GET /customers/imports/{id}/errors.csv", &run, Value::Null).await;
    }

    async fn people(&mut self) {
        let role =
            self.make("POST /roles", json!({"name": "Clerk", "permissions": ["customers.view"]})).await;
        self.call("PATCH /roles/{id}", &role, json!({"description": "Looks things up"})).await;
        let copy =
            text(&self.call("POST /roles/{id}/copy", &role, json!({"name": "Clerk too"})).await, "/id");
        self.call("DELETE /roles/{id}", &copy, Value::Null).await;
        let new = json!({"name": "Pat", "email": "pat@x.example", "role_ids": [role]});
        let person = self.make("POST /staff", new).await;
        self.call("PATCH /staff/{id}", &person, json!({"name": "Pat Clerk"})).await;
        self.call("POST /staff/{id}/reset-link", &person, json!({"send_mail": false})).await;
        let new = json!({"name": "Billing bridge", "scopes": ["customers.read"]});
        let key = self.call("POST /api-keys", "", new.clone()).await;
        let key = text(&key, if key.get("id").is_some() { "/id" } else { "/key/id" });
        self.call("GET /api-keys/{id}", &key, Value::Null).await;
        let renewed = self.call("POST /api-keys/{id}/regenerate", &key, Value::Null).await;
        let renewed = text(&renewed, if renewed.get("id").is_some() { "/id" } else { "/key/id" });
        self.call("DELETE /api-keys/{id}", &renewed, Value::Null).await;
        // One that lives: there is something to find during the run.
        self.call("POST /api-keys", "", new).await;
    }

    async fn domains(&mut self, zone: &domains::Zone) {
        let added = self.call("POST /domains", "", json!({"domain": "desk.kagayan.example"})).await;
        let id = text(&added, "/id");
        zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
        self.call("POST /domains/{id}/check", &id, Value::Null).await;
        self.call("POST /domains/{id}/activate", &id, Value::Null).await;
        let spare = self.make("POST /domains", json!({"domain": "spare.kagayan.example"})).await;
        self.call("DELETE /domains/{id}", &spare, Value::Null).await;
    }

    /// A stay of its own: a refresh spends its token and a revocation ends it.
    async fn a_stay(&mut self, email: &str) {
        let credential = json!({"email": email, "password": PASSWORD});
        let tokens = self.call("POST /auth/token", "", credential).await;
        let refresh = json!({"refresh_token": text(&tokens, "/refresh_token")});
        let tokens = self.call("POST /auth/refresh", "", refresh).await;
        let revoke = json!({"refresh_token": text(&tokens, "/refresh_token")});
        self.call("POST /auth/revoke", "", revoke).await;
    }

    async fn trail(&mut self) {
        let trail = self.call("GET /audit-events", "", Value::Null).await;
        let event = text(&trail, "/items/0/id");
        self.call("GET /audit-events/{id}", &event, Value::Null).await;
        self.call("POST /audit-events/{id}/erase", &event, json!({"reason": "Asked for"})).await;
    }
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    let program = cache.join("lastmile/venv/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run infra/python.sh", program.display());
    program
}

/// Has the document at `path` of `host` tried; the operations that were answered with a 2xx.
fn try_all(server: &Server, host: &str, path: &str, credential: Option<&str>) -> BTreeSet<String> {
    let report = server.folder.path().join(format!("{host}.ndjson"));
    let mut command = Command::new(program());
    command
        .current_dir(server.folder.path())
        .arg("--config-file")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml"))
        .args(["run", &format!("http://{}{path}", server.address), "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--checks", "all"])
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

#[tokio::test]
async fn a_tenants_api_is_what_its_document_says() {
    let (server, zone) = domains::server("schemathesis").await;
    let tenant = tenant_on(server).await;
    let signed_in = json!({"email": tenant.owner_email, "password": PASSWORD});
    let tokens = tenant.anonymous().post("/api/v1/auth/token", signed_in).await.expect(200);
    let credential = format!("Bearer {}", text(&tokens, "/access_token"));
    let api = tenant.anonymous().header("authorization", &credential);
    let mut walk = Walk { api: api.clone(), reached: BTreeSet::new() };
    walk.areas_and_customers().await;
    walk.imports().await;
    walk.people().await;
    walk.domains(&zone).await;
    walk.a_stay(&tenant.owner_email).await;
    walk.trail().await;
    walk.call("PATCH /company", "", json!({"area_word": "Barangay"})).await;

    let mut reached = try_all(server, &tenant.host, "/api/openapi.json", Some(&credential));
    // Had the run ended its own credential, what came after would have been tried as a stranger.
    api.get("/api/v1/me").await.expect_status(200);
    reached.append(&mut walk.reached);
    let document = api.get("/api/openapi.json").await.expect(200);
    let missed: Vec<String> = operations(&document).difference(&reached).cloned().collect();
    assert!(missed.is_empty(), "never answered with a 2xx: {missed:?}");
}

#[tokio::test]
async fn the_platforms_api_is_what_its_document_says() {
    let server = Server::own("schemathesis_platform", Default::default()).await;
    let tenant = tenant_on(server).await;
    let mut reached = try_all(server, "isp.test", "/api/platform/openapi.json", None);
    // The sign-up that made the tenant was answered with 201.
    reached.insert("POST /api/platform/v1/signups".into());
    let slug = server.platform().get(&format!("/api/platform/v1/slugs/{}", tenant.slug)).await;
    assert_eq!(slug.expect(200)["available"], false);
    reached.insert("GET /api/platform/v1/slugs/{slug}".into());
    let document = server.platform().get("/api/platform/openapi.json").await.expect(200);
    let missed: Vec<String> = operations(&document).difference(&reached).cloned().collect();
    assert!(missed.is_empty(), "never answered with a 2xx: {missed:?}");
}
