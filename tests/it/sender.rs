//! What tests of messages begin with: a tenant that has connected a provider, and hands to move time with.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    fake_providers::{Fake, Taken},
    harness::{Api, Server, Tenant, sql, tenant, tenant_on, text},
};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(40);

/// A tenant that sends.
pub struct Sender {
    pub tenant: Tenant,
    pub api: Api,
    pub db: Arc<Client>,
    pub schema: String,
    pub fake: Arc<Fake>,
}

impl Sender {
    /// With a gateway of its own connected.
    pub async fn open() -> Self {
        let sender = Self::bare(tenant().await).await;
        sender.connect("generic").await;
        sender
    }

    pub async fn open_on(server: &'static Server) -> Self {
        let sender = Self::bare(tenant_on(server).await).await;
        sender.connect("generic").await;
        sender
    }

    pub async fn bare(tenant: Tenant) -> Self {
        let api = tenant.api().await;
        let schema = tenant.schema().await;
        let db = Arc::new(sql(&tenant.server.database).await);
        let fake = Arc::new(Fake::start().await);
        Self { tenant, api, db, schema, fake }
    }

    /// Connects a provider of the fake's; the account's id.
    pub async fn connect(&self, kind: &str) -> String {
        let body = json!({"kind": kind, "label": format!("Fake {kind}"), "credential": self.fake.values(kind), "price": "0.50"});
        text(&self.api.post("/api/v1/message-accounts", body).await.expect(201), "/account/id")
    }

    pub async fn run(&self, statement: &str) {
        let text = format!("SET search_path = {}, ext; {statement}", self.schema);
        self.db.batch_execute(&text).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    /// The one value of a statement, as text.
    pub async fn ask(&self, statement: &str) -> String {
        self.run("SELECT 1").await;
        let row = self.db.query_one(&format!("SELECT ({statement})::text"), &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// Sends a text by SMS to these numbers; the message's id.
    pub async fn send(&self, to: &[&str], words: &str) -> String {
        let addresses: Vec<Value> = to.iter().map(|to| json!({"address": to})).collect();
        let body = json!({"channels": ["sms"], "to": {"addresses": addresses}, "content": {"text": words}});
        text(&self.api.post("/api/v1/messages", body).await.expect(202), "/id")
    }

    pub async fn deliveries(&self, message: &str) -> Vec<Value> {
        let path = format!("/api/v1/deliveries?message_id={message}&limit=200");
        self.api.get(&path).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// How many deliveries of a message have this status.
    pub async fn count(&self, message: &str, status: &str) -> i64 {
        let counts = self.api.get(&format!("/api/v1/messages/{message}")).await.expect(200);
        counts["counts"][status].as_i64().unwrap()
    }

    /// Waits until so many deliveries of a message have this status.
    pub async fn until(&self, message: &str, status: &str, amount: i64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.count(message, status).await;
            if now == amount {
                return;
            }
            if Instant::now() > end {
                let all = self.api.get(&format!("/api/v1/messages/{message}")).await.expect(200);
                panic!(
                    "never {amount} {status}: {}\n{:?}",
                    all["counts"],
                    self.deliveries(message).await.first()
                );
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until a statement answers this.
    pub async fn until_sql(&self, statement: &str, expected: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.ask(statement).await;
            if now == expected {
                return;
            }
            assert!(Instant::now() < end, "{statement} is still {now}, not {expected}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Makes everything that waits in the queue due now. What a worker is at is left to it.
    pub async fn pass_time(&self) {
        self.run("UPDATE delivery_queue SET due_at = now() - interval '1 second' WHERE lease IS NULL").await;
        self.run(&format!(
            "UPDATE public.dispatch SET due_at = now() WHERE tenant_id = '{}'",
            self.tenant.id
        ))
        .await;
    }

    /// What the gateway took.
    pub fn taken(&self) -> Vec<Taken> {
        self.fake.taken("generic")
    }
}

/// The n-th number that a numbering plan knows.
pub fn number(n: usize) -> String {
    format!("+63917{:07}", 1_000_000 + n)
}
