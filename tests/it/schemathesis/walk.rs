//! What an owner does through the API, operation by operation: each is answered with a 2xx, and leaves rows for the run to find.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    domains,
    harness::{Answer, Api, PASSWORD, mailbox::until, text},
};

/// Calls operations by their names in the document, and remembers those that were answered with a 2xx.
pub struct Walk {
    pub api: Api,
    pub reached: BTreeSet<String>,
    /// Somebody who works there.
    pub owner: String,
}

impl Walk {
    pub fn new(api: &Api, owner: &str) -> Self {
        Self { api: api.clone(), reached: BTreeSet::new(), owner: owner.to_owned() }
    }

    /// `operation` is `POST /areas/{id}`, as in the document but for the prefix.
    pub async fn call(&mut self, operation: &str, id: &str, body: Value) -> Value {
        self.at(operation, &[("id", id)], "", body).await
    }

    pub async fn see(&mut self, operation: &str, id: &str) -> Value {
        self.call(operation, id, Value::Null).await
    }

    /// With more names in the path than one, or a query.
    pub async fn at(&mut self, operation: &str, names: &[(&str, &str)], query: &str, body: Value) -> Value {
        let (method, path) = operation.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let fill = |path: String, (name, value): &(&str, &str)| path.replace(&format!("{{{name}}}"), value);
        let actual = format!("/api/v1{}{query}", names.iter().fold(path.to_owned(), fill));
        let answer = if body.is_null() {
            self.api.send(method, &actual, None, Vec::new()).await
        } else {
            self.api.json(method, &actual, body).await
        };
        self.learn(operation, &answer)
    }

    /// A form with one file.
    pub async fn send_file(&mut self, operation: &str, id: &str, name: &str, content: &[u8]) -> Value {
        let mut form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n--b--\r\n");
        let (_, path) = operation.split_once(' ').unwrap();
        let path = format!("/api/v1{}", path.replace("{id}", id));
        let kind = Some("multipart/form-data; boundary=b");
        let answer = self.api.send(Method::POST, &path, kind, form).await;
        self.learn(operation, &answer)
    }

    pub fn learn(&mut self, operation: &str, answer: &Answer) -> Value {
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

    pub async fn make(&mut self, operation: &str, body: Value) -> String {
        text(&self.call(operation, "", body).await, "/id")
    }

    pub async fn areas_and_customers(&mut self) {
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

    pub async fn upload(&mut self) -> String {
        let file = b"First name,Last name,E-mail\nEve,Diaz,eve@x.example\n,,no\n";
        text(&self.send_file("POST /customers/imports", "", "c.csv", file).await, "/id")
    }

    pub async fn imports(&mut self) {
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

    pub async fn people(&mut self) {
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

    pub async fn domains(&mut self, zone: &domains::Zone) {
        let added = self.call("POST /domains", "", json!({"domain": "desk.kagayan.example"})).await;
        let id = text(&added, "/id");
        zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
        self.call("POST /domains/{id}/check", &id, Value::Null).await;
        self.call("POST /domains/{id}/activate", &id, Value::Null).await;
        let spare = self.make("POST /domains", json!({"domain": "spare.kagayan.example"})).await;
        self.call("DELETE /domains/{id}", &spare, Value::Null).await;
    }

    /// A stay of its own: a refresh spends its token and a revocation ends it.
    pub async fn a_stay(&mut self, email: &str) {
        let credential = json!({"email": email, "password": PASSWORD});
        let tokens = self.call("POST /auth/token", "", credential).await;
        let refresh = json!({"refresh_token": text(&tokens, "/refresh_token")});
        let tokens = self.call("POST /auth/refresh", "", refresh).await;
        let revoke = json!({"refresh_token": text(&tokens, "/refresh_token")});
        self.call("POST /auth/revoke", "", revoke).await;
    }

    pub async fn trail(&mut self) {
        let trail = self.call("GET /audit-events", "", Value::Null).await;
        let event = text(&trail, "/items/0/id");
        self.call("GET /audit-events/{id}", &event, Value::Null).await;
        self.call("POST /audit-events/{id}/erase", &event, json!({"reason": "Asked for"})).await;
    }
}
