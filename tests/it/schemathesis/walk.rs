//! What an owner does through the API, operation by operation: each is answered with a 2xx, and leaves rows for the run to find.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::Client;

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
        let (method, path) = operation.split_once(' ').unwrap();
        let path = format!("/api/v1{}", path.replace("{id}", id));
        let kind = Some("multipart/form-data; boundary=b");
        let answer = self.api.send(method.parse().unwrap(), &path, kind, form).await;
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

    /// Contacts with their groups, claims and files, and who is not written to. Leaves an import that nobody started.
    pub async fn contacts(&mut self) {
        let group = self.make("POST /contact-groups", json!({"name": "Market"})).await;
        let spare = self.make("POST /contact-groups", json!({"name": "Spare"})).await;
        self.call("PATCH /contact-groups/{id}", &group, json!({"colour": "teal"})).await;
        self.see("GET /contact-groups/{id}", &group).await;
        self.see("DELETE /contact-groups/{id}", &spare).await;
        let new = |name: &str| {
            let address = json!({"channel": "email", "address": "ana@x.example"});
            json!({"name": name, "addresses": [address], "if_address_taken": "record"})
        };
        let ana = self.make("POST /contacts", new("Ana")).await;
        for name in ["Ben", "Cat"] {
            self.make("POST /contacts", new(name)).await;
        }
        let gone = self.make("POST /contacts", json!({"name": "Gone"})).await;
        self.see("DELETE /contacts/{id}", &gone).await;
        self.call("PATCH /contacts/{id}", &ana, json!({"language": "en", "group_ids": [group]})).await;
        self.see("GET /contacts/{id}", &ana).await;
        let bulk = json!({"action": "add_tag", "contact_ids": [ana], "tag": "walk"});
        self.call("POST /contacts/bulk", "", bulk).await;
        self.at("GET /contacts/export", &[], "?format=csv", Value::Null).await;
        let waiting = self.see("GET /contact-conflicts", "").await;
        let first = text(&waiting, "/items/0/id");
        self.call("POST /contact-conflicts/{id}/settle", &first, json!({"decision": "keep"})).await;
        let file = b"Name,E-mail\nEve,eve@x.example\n";
        let upload = "POST /contact-imports";
        let stopped = text(&self.send_file(upload, "", "c.csv", file).await, "/id");
        self.see("POST /contact-imports/{id}/cancel", &stopped).await;
        let run = text(&self.send_file(upload, "", "c.csv", file).await, "/id");
        self.call("POST /contact-imports/{id}/mapping", &run, json!({"mapping": ["name", "email"]})).await;
        self.see("GET /contact-imports/{id}/preview", &run).await;
        self.call("POST /contact-imports/{id}/start", &run, json!({})).await;
        self.see("GET /contact-imports/{id}", &run).await;
        self.call("POST /contact-imports/paste", "", json!({"text": "Fay fay@x.example"})).await;
        let one = json!({"channel": "email", "address": "one@x.example"});
        let lifted = self.make("POST /suppressions", one.clone()).await;
        self.see("GET /suppressions/{id}", &lifted).await;
        self.see("DELETE /suppressions/{id}", &lifted).await;
        self.make("POST /suppressions", json!({"channel": "email", "address": "two@x.example"})).await;
        self.send_file("POST /suppressions/import", "", "s.csv", b"email\nthree@x.example\n").await;
        self.at("GET /suppressions/export", &[], "?format=csv", Value::Null).await;
        self.call("POST /unsubscribe-links", "", one).await;
        let said = json!({"channel": "email", "address": "two@x.example", "status": "withdrawn"});
        self.call("POST /consents", "", said).await;
    }

    /// Somebody who has lost the app of their second step, set up behind the scenes.
    pub async fn second_step(&mut self, client: &Client, schema: &str) {
        let role =
            self.make("POST /roles", json!({"name": "Till", "permissions": [], "requires_mfa": true})).await;
        let new = json!({"name": "Lia", "email": "lia@x.example", "role_ids": [role]});
        let person = self.make("POST /staff", new).await;
        let app = format!(
            "INSERT INTO {schema}.totp (id, staff_id, sealed_secret, confirmed_at)
             VALUES (gen_random_uuid(), $1, 'x', now())"
        );
        client.execute(&app, &[&person.parse::<uuid::Uuid>().unwrap()]).await.unwrap();
        self.call("DELETE /staff/{id}/mfa", &person, Value::Null).await;
        self.see("GET /staff/{id}/sessions", &person).await;
        let stay = format!(
            "INSERT INTO {schema}.portal_session (id, token_hash, staff_id, expires_at)
             VALUES (gen_random_uuid(), 'x', $1, now() + interval '1 day') RETURNING id"
        );
        let row = client.query_one(&stay, &[&person.parse::<uuid::Uuid>().unwrap()]).await.unwrap();
        let stay = row.get::<_, uuid::Uuid>(0).to_string();
        let names = [("id", person.as_str()), ("session_id", stay.as_str())];
        self.at("DELETE /staff/{id}/sessions/{session_id}", &names, "", Value::Null).await;
        let names = [("id", person.as_str()), ("right", "customers.view")];
        self.at("GET /staff/{id}/rights/{right}", &names, "", Value::Null).await;
        self.own_profile().await;
        self.own_sessions(client, schema).await;
        self.see("DELETE /staff/{id}/sessions", &person).await;
        self.own_passkeys(client, schema).await;
        self.sso(client, schema).await;
        self.there_and_back(client, schema).await;
    }

    /// Single sign-on that is decided and not on, and somebody who came by it.
    async fn sso(&mut self, client: &Client, schema: &str) {
        let settings =
            json!({"preset": "google", "client_id": "x", "domains": ["x.example"], "is_on": false});
        self.call("PUT /settings/sso", "", settings).await;
        self.call("GET /settings/sso", "", Value::Null).await;
        let machines = json!({"is_on": false, "issuer": "https://id.x.example", "audience": "x",
            "algorithms": ["RS256"], "role_claim": "roles", "roles": []});
        self.call("PUT /settings/machine-clients", "", machines).await;
        self.call("GET /settings/machine-clients", "", Value::Null).await;
        let came =
            format!("INSERT INTO {schema}.sso_identity (staff_id, issuer, subject) VALUES ($1, 'x', 'x')");
        let owner: uuid::Uuid = self.owner.parse().unwrap();
        client.execute(&came, &[&owner]).await.unwrap();
        let owner = self.owner.clone();
        self.call("DELETE /staff/{id}/sso", &owner, Value::Null).await;
    }

    /// What the owner shows of themselves.
    async fn own_profile(&mut self) {
        self.call("GET /me/profile", "", Value::Null).await;
        let shown = json!({"phone": "+639171234567", "time_zone": "Europe/Berlin"});
        self.call("PATCH /me/profile", "", shown).await;
        let dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let dot = data_encoding::BASE64.decode(dot.as_bytes()).unwrap();
        self.send_file("PUT /me/avatar", "", "dot.png", &dot).await;
        self.call("DELETE /me/avatar", "", Value::Null).await;
    }

    /// Browsers that the owner left signed in.
    async fn own_sessions(&mut self, client: &Client, schema: &str) {
        let stay = format!(
            "INSERT INTO {schema}.portal_session (id, token_hash, staff_id, expires_at)
             VALUES (gen_random_uuid(), 'y', $1, now() + interval '1 day') RETURNING id"
        );
        let owner: uuid::Uuid = self.owner.parse().unwrap();
        let stay: uuid::Uuid = client.query_one(&stay, &[&owner]).await.unwrap().get(0);
        self.call("GET /me/sessions", "", Value::Null).await;
        self.call("DELETE /me/sessions/{id}", &stay.to_string(), Value::Null).await;
        self.call("DELETE /me/sessions", "", Value::Null).await;
    }

    /// A passkey that the owner made in a browser.
    async fn own_passkeys(&mut self, client: &Client, schema: &str) {
        let made = format!(
            "INSERT INTO {schema}.passkey (id, staff_id, credential_id, host, name, credential)
             VALUES (gen_random_uuid(), $1, 'x', 'x.example', 'Laptop', '{{}}') RETURNING id"
        );
        let owner: uuid::Uuid = self.owner.parse().unwrap();
        let id: uuid::Uuid = client.query_one(&made, &[&owner]).await.unwrap().get(0);
        self.call("GET /me/passkeys", "", Value::Null).await;
        self.call("PATCH /me/passkeys/{id}", &id.to_string(), json!({"name": "Old laptop"})).await;
        self.call("DELETE /me/passkeys/{id}", &id.to_string(), Value::Null).await;
    }

    /// The ownership goes to somebody with the owner's password, and comes back.
    async fn there_and_back(&mut self, client: &Client, schema: &str) {
        let role = self.make("POST /roles", json!({"name": "Former owner", "permissions": []})).await;
        let new = json!({"name": "Hal", "email": "hal@x.example", "role_ids": [role]});
        let heir = self.make("POST /staff", new).await;
        let owner: uuid::Uuid = self.owner.parse().unwrap();
        let password = format!(
            "UPDATE {schema}.staff SET password_hash = (SELECT password_hash FROM {schema}.staff WHERE id = $1) WHERE id = $2"
        );
        client.execute(&password, &[&owner, &heir.parse::<uuid::Uuid>().unwrap()]).await.unwrap();
        let given = json!({"current_password": PASSWORD, "role_id": role});
        self.call("POST /staff/{id}/ownership", &heir, given.clone()).await;
        let asked = json!({"email": "hal@x.example", "password": PASSWORD});
        let tokens = self.api.post("/api/v1/auth/token", asked).await.expect(200);
        let hal = self.api.only_bearer(&text(&tokens, "/access_token"));
        hal.post(&format!("/api/v1/staff/{}/ownership", self.owner), given).await.expect(200);
    }

    pub async fn people(&mut self) {
        let role =
            self.make("POST /roles", json!({"name": "Clerk", "permissions": ["customers.view"]})).await;
        self.call("PATCH /roles/{id}", &role, json!({"description": "Looks things up"})).await;
        let copy =
            text(&self.call("POST /roles/{id}/copy", &role, json!({"name": "Clerk too"})).await, "/id");
        self.at("GET /roles/compare", &[], &format!("?a={role}&b={copy}"), Value::Null).await;
        self.call("DELETE /roles/{id}", &copy, Value::Null).await;
        let new = json!({"name": "Pat", "email": "pat@x.example", "role_ids": [role]});
        let person = self.make("POST /staff", new).await;
        self.call("PATCH /staff/{id}", &person, json!({"name": "Pat Clerk"})).await;
        self.call("POST /staff/{id}/invitation", &person, json!({"send_mail": false})).await;
        self.call("POST /staff/{id}/reset-link", &person, json!({"send_mail": false})).await;
        let new = json!({"name": "Ina", "email": "ina@x.example", "role_ids": [role]});
        let invited = self.make("POST /staff", new).await;
        self.call("DELETE /staff/{id}/invitation", &invited, Value::Null).await;
        let new = json!({"name": "Billing bridge", "scopes": ["customers.read"]});
        let key = self.call("POST /api-keys", "", new.clone()).await;
        let key = text(&key, if key.get("id").is_some() { "/id" } else { "/key/id" });
        self.call("GET /api-keys/{id}", &key, Value::Null).await;
        let changed = json!({"name": "Billing bridge two", "allowed_networks": ["10.0.0.0/8"]});
        self.call("PATCH /api-keys/{id}", &key, changed).await;
        self.call("POST /api-keys/{id}/rotate", &key, json!({"overlap_hours": 1})).await;
        self.call("DELETE /api-keys/{id}/old-secret", &key, Value::Null).await;
        self.see("GET /api-keys/{id}/usage", &key).await;
        let renewed = self.call("POST /api-keys/{id}/regenerate", &key, Value::Null).await;
        let renewed = text(&renewed, if renewed.get("id").is_some() { "/id" } else { "/key/id" });
        self.call("DELETE /api-keys/{id}", &renewed, Value::Null).await;
        // One that lives: there is something to find during the run.
        self.call("POST /api-keys", "", new).await;
    }

    pub async fn domains(&mut self, zone: &domains::Zone, database: &Client) {
        let added = self.call("POST /domains", "", json!({"domain": "desk.kagayan.example"})).await;
        let id = text(&added, "/id");
        zone.set(&text(&added, "/proof_name"), &text(&added, "/proof_value"));
        self.call("POST /domains/{id}/check", &id, Value::Null).await;
        self.call("POST /domains/{id}/activate", &id, Value::Null).await;
        // As if the refusal were a while ago.
        let earlier = "UPDATE public.tenant_certificate SET tried_at = now() - interval '1 hour' WHERE problem IS NOT NULL";
        until("the order was refused", async || {
            (database.execute(earlier, &[]).await.unwrap() == 1).then_some(())
        })
        .await;
        self.see("GET /domains/{id}/certificate", &id).await;
        self.see("POST /domains/{id}/certificate", &id).await;
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

    /// The provider's plan: one that the platform offers.
    pub async fn plan(&mut self, client: &Client, tenant: &str) {
        let offered = "INSERT INTO public.plan (id, code, name, monthly_price, currency, features, is_offered, is_default)
             VALUES (gen_random_uuid(), 'walk', 'Walk', 100, 'PHP', '{campaigns,sso,custom_domain}', true, false)";
        client.batch_execute(offered).await.unwrap();
        crate::invoices::given(client, tenant).await;
        self.call("PUT /settings/plan", "", json!({"plan": "walk"})).await;
        self.call("GET /settings/plan", "", Value::Null).await;
        self.call("GET /settings/plan/statements", "", Value::Null).await;
        self.call("POST /message-credit/payments", "", json!({"amount": "100"})).await;
        self.call("GET /message-credit/payments", "", Value::Null).await;
        self.call("PUT /settings/address", "", json!({"slug": "walk-elsewhere"})).await;
        let invoices = self.call("GET /settings/invoices", "", Value::Null).await;
        let invoice = text(&invoices, "/items/0/id");
        self.call("GET /settings/invoices/{id}/paper", &invoice, Value::Null).await;
    }

    /// All of the provider's data, made and waiting to be fetched.
    pub async fn takeout(&mut self) -> String {
        let id = self.make("POST /takeouts", json!({"kind": "readable"})).await;
        let api = self.api.clone();
        until("a takeout", async || {
            let takeout = api.get(&format!("/api/v1/takeouts/{id}")).await.expect(200);
            (takeout["status"] == "made").then_some(())
        })
        .await;
        self.see("GET /takeouts/{id}", &id).await;
        id
    }

    /// A copy with made-up people, made and removed.
    pub async fn sandbox(&mut self) {
        self.see("POST /sandbox", "").await;
        let api = self.api.clone();
        until("a sandbox", async || {
            let sandbox = api.get("/api/v1/sandbox").await.expect(200);
            (sandbox["state"] == "ready").then_some(())
        })
        .await;
        self.see("GET /sandbox", "").await;
        self.see("DELETE /sandbox", "").await;
    }

    /// What the platform offers, and a copy of it.
    pub async fn library(&mut self, client: &Client) {
        let offered = "INSERT INTO public.library_template (id, name, channels, language, text, is_offered, changed_by)
             VALUES (gen_random_uuid(), 'Offered', '{sms}', 'en', 'Hi {{ first_name }}', true, 'Test') RETURNING id";
        let id: uuid::Uuid = client.query_one(offered, &[]).await.unwrap().get(0);
        self.see("GET /template-library", "").await;
        self.see("POST /template-library/{id}/copies", &id.to_string()).await;
    }

    /// How long what is kept: longer than ever, so that nothing of the walk goes.
    pub async fn retention(&mut self) {
        self.see("GET /retention", "").await;
        self.call("PATCH /retention", "", json!({"letters": 700, "messages": null})).await;
    }

    pub async fn trail(&mut self) {
        let trail = self.call("GET /audit-events", "", Value::Null).await;
        let event = text(&trail, "/items/0/id");
        self.call("GET /audit-events/{id}", &event, Value::Null).await;
        self.call("POST /audit-events/{id}/erase", &event, json!({"reason": "Asked for"})).await;
    }

    /// Somebody is erased, and looked for until nothing of it is under way any more.
    pub async fn erasures(&mut self) {
        let new = json!({"name": "Teo Walker", "addresses": [{"channel": "email", "address": "teo@walker.example"}]});
        let contact = self.make("POST /contacts", new).await;
        // Nobody is erased while an import runs that may bring them.
        let api = self.api.clone();
        let answer = until("the end of imports", async || {
            let asked = json!({"contact_id": contact, "reason": "By letter"});
            Some(api.post("/api/v1/erasures", asked).await).filter(|answer| answer.status != 409)
        })
        .await;
        let erased = text(&self.learn("POST /erasures", &answer), "/id");
        loop {
            let shown = self.call("GET /erasures/{id}", &erased, Value::Null).await;
            if shown["status"] != "removing" {
                break;
            }
        }
        self.call("POST /erasures/search", "", json!({"identity": "Teo Walker"})).await;
        self.call("GET /erasures", "", Value::Null).await;
        self.see("GET /erasures/{id}/certificate", &erased).await;
    }

    /// Templates and accounts. The gateway is nowhere: what is asked of it fails, and that is an answer.
    pub async fn messaging(&mut self) {
        let contents = json!({"sms": {"en": {"text": "Hi {{ first_name }}"}}});
        let id = self.make("POST /templates", json!({"name": "Walk", "contents": contents})).await;
        self.call("PATCH /templates/{id}", &id, json!({"description": "Of the walk"})).await;
        self.call("POST /templates/{id}/submit", &id, Value::Null).await;
        self.call("POST /templates/{id}/withdraw", &id, Value::Null).await;
        self.call("POST /templates/{id}/submit", &id, Value::Null).await;
        self.call("POST /templates/{id}/reject", &id, json!({"version": 1, "note": "Once more"})).await;
        self.call("POST /templates/{id}/restore", &id, json!({"version": 1})).await;
        self.call("PATCH /templates/{id}", &id, json!({"footer": "Bye"})).await;
        self.call("POST /templates/{id}/submit", &id, Value::Null).await;
        self.call("POST /templates/{id}/approve", &id, json!({"version": 2})).await;
        self.call("POST /templates/{id}/archive", &id, Value::Null).await;
        self.call("POST /templates/{id}/unarchive", &id, Value::Null).await;
        self.see("GET /templates/{id}", &id).await;
        self.see("GET /templates/{id}/versions", &id).await;
        let names = [("id", id.as_str()), ("version", "1")];
        self.at("GET /templates/{id}/versions/{version}", &names, "", Value::Null).await;
        self.call("POST /templates/preview", "", json!({"template_id": id, "channel": "sms"})).await;
        let default = json!({ "template_id": id });
        self.at("PUT /template-defaults/{channel}", &[("channel", "sms")], "", default).await;
        let credential =
            json!({"base_url": "https://8.8.8.8", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
        let mut ids = Vec::new();
        for label in ["First", "Second"] {
            let body =
                json!({"kind": "generic", "label": label, "credential": credential, "is_active": false});
            ids.push(text(&self.call("POST /message-accounts", "", body).await, "/account/id"));
        }
        self.call("PUT /message-accounts/order", "", json!({"channel": "sms", "account_ids": ids})).await;
        self.call("PATCH /message-accounts/{id}", &ids[0], json!({"price": "0.5"})).await;
        self.call("PUT /message-accounts/{id}/credential", &ids[0], json!({ "credential": credential }))
            .await;
        self.call("POST /message-accounts/{id}/test", &ids[0], json!({})).await;
        self.call("POST /message-accounts/{id}/retry", &ids[0], Value::Null).await;
        self.see("GET /message-accounts/{id}", &ids[0]).await;
        self.call("DELETE /message-accounts/{id}", &ids[1], Value::Null).await;
        for list in
            ["/templates", "/template-defaults", "/message-providers", "/message-accounts", "/message-credit"]
        {
            self.see(&format!("GET {list}"), "").await;
        }
    }

    /// Messages of which none goes anywhere: no account is in use. One fails, one waits for its time, one is spread over minutes; and
    /// what came in.
    pub async fn messages(&mut self, db: &Client, schema: &str) {
        let say = |more: Value| {
            let to = json!({"addresses": [{"address": "+639171234567"}, {"address": "+639171234568"}]});
            let mut body = json!({"channels": ["sms"], "to": to, "content": {"text": "Hi"}});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        self.call("POST /messages/estimate", "", say(json!({}))).await;
        let lost = text(&self.call("POST /messages", "", say(json!({}))).await, "/id");
        self.until_failed(&lost).await;
        self.call("POST /messages/{id}/retry", &lost, json!({})).await;
        self.until_failed(&lost).await;
        let failed = self.see("GET /deliveries", "").await;
        let delivery = text(&failed, "/items/0/id");
        self.call("POST /deliveries/{id}/retry", &delivery, json!({})).await;
        self.see("GET /deliveries/{id}", &delivery).await;
        let slow = text(&self.call("POST /messages", "", say(json!({"per_minute": 1}))).await, "/id");
        let names = [("id", slow.as_str())];
        self.call("POST /messages/{id}/pause", &slow, Value::Null).await;
        self.call("POST /messages/{id}/resume", &slow, Value::Null).await;
        let query = format!("?message_id={slow}&status=queued");
        let waiting = self.at("GET /deliveries", &names, &query, Value::Null).await;
        let last =
            waiting["items"].as_array().unwrap().iter().max_by_key(|one| one["due_at"].to_string()).unwrap();
        self.call("POST /deliveries/{id}/cancel", &text(last, "/id"), Value::Null).await;
        let later = say(json!({"scheduled_at": "2027-01-01T00:00:00Z"}));
        let later = text(&self.call("POST /messages", "", later).await, "/id");
        self.call("POST /messages/{id}/cancel", &later, Value::Null).await;
        self.see("GET /messages", "").await;
        self.came_in(db, schema).await;
        self.campaigns().await;
    }

    /// A campaign that is cancelled, and one that stays a draft; the list that they go to, and how messages are sent.
    async fn campaigns(&mut self) {
        let templates = self.api.get("/api/v1/templates").await.expect(200);
        let template = text(&templates, "/items/0/id");
        let upload = "POST /recipient-lists";
        let people = b"Name,Phone\nAna,+639171234567\nBen,+639171234568\n";
        let list = text(&self.send_file(upload, "", "people.csv", people).await, "/list/id");
        let spare = text(&self.send_file(upload, "", "spare.csv", people).await, "/list/id");
        let bill = text(&self.send_file("POST /attachments", "", "bill.txt", b"So much").await, "/id");
        let unused = text(&self.send_file("POST /attachments", "", "spare.txt", b"Nothing").await, "/id");
        self.see("GET /attachments", "").await;
        self.see("GET /attachments/{id}", &bill).await;
        self.call("DELETE /attachments/{id}", &unused, Value::Null).await;
        self.see("GET /recipient-lists", "").await;
        self.see("GET /recipient-lists/{id}", &list).await;
        self.call("DELETE /recipient-lists/{id}", &spare, Value::Null).await;
        let new = |name: &str| json!({"name": name, "channels": ["sms"], "template_id": template, "to": {"lists": [list]}, "per_minute": 1});
        let sent = self.make("POST /campaigns", new("Walk")).await;
        self.call("PATCH /campaigns/{id}", &sent, json!({"context": {"town": "Danao"}})).await;
        self.see("GET /campaigns/{id}/estimate", &sent).await;
        for act in ["start", "pause", "resume", "cancel"] {
            self.call(&format!("POST /campaigns/{{id}}/{act}"), &sent, Value::Null).await;
        }
        let gone = self.make("POST /campaigns", new("Gone")).await;
        self.call("DELETE /campaigns/{id}", &gone, Value::Null).await;
        let draft = self.make("POST /campaigns", new("Draft")).await;
        self.see("GET /campaigns/{id}", &draft).await;
        self.see("GET /campaigns", "").await;
        self.see("GET /messaging-policy", "").await;
        self.call("PATCH /messaging-policy", "", json!({"retries": 2})).await;
    }

    async fn until_failed(&mut self, message: &str) {
        until("the message has failed", async || {
            let found = self.api.get(&format!("/api/v1/messages/{message}")).await.expect(200);
            (found["counts"]["failed"] == 2).then_some(())
        })
        .await;
        self.see("GET /messages/{id}", message).await;
    }

    /// A call of a provider and what somebody wrote: no provider is here that could sign them.
    async fn came_in(&mut self, db: &Client, schema: &str) {
        let account = format!("(SELECT id FROM {schema}.provider_account LIMIT 1)");
        db.batch_execute(&format!(
            "INSERT INTO {schema}.hook_call (id, account_id, url, headers, body, status)
             VALUES (gen_random_uuid(), {account}, 'https://walk.example/hooks/generic/x', '{{}}', '{{}}', 'refused');
             INSERT INTO {schema}.inbound_message (id, account_id, channel, address, text, provider_message_id)
             VALUES (gen_random_uuid(), {account}, 'sms', '+639171234567', 'Hello', 'walk-1')"
        ))
        .await
        .unwrap();
        let calls = self.see("GET /hook-calls", "").await;
        let call = text(&calls, "/items/0/id");
        self.see("GET /hook-calls/{id}", &call).await;
        self.call("POST /hook-calls/{id}/replay", &call, Value::Null).await;
        let written = self.see("GET /inbound-messages", "").await;
        self.see("GET /inbound-messages/{id}", &text(&written, "/items/0/id")).await;
        for list in ["/unmatched-receipts", "/message-figures", "/message-figures/export"] {
            self.see(&format!("GET {list}"), "").await;
        }
    }
}
