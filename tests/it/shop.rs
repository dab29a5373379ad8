//! What tests of billing begin with: a plan, a customer, an installation, and hands to move time with.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::harness::{Api, Tenant, sql, tenant, text};

/// A tenant that sells.
pub struct Shop {
    pub tenant: Tenant,
    pub api: Api,
    pub db: Arc<Client>,
    pub schema: String,
}

impl Shop {
    pub async fn open() -> Self {
        let tenant = tenant().await;
        let api = tenant.api().await;
        let schema = tenant.schema().await;
        let db = Arc::new(sql(&tenant.server.database).await);
        Self { tenant, api, db, schema }
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

    pub async fn plan(&self, price: &str) -> String {
        let name = format!("Plan {}", Uuid::new_v4().simple());
        let body = json!({"name": name, "download_mbps": 50, "upload_mbps": 50, "price": price});
        text(&self.api.post("/api/v1/plans", body).await.expect(201), "/id")
    }

    pub async fn customer(&self, name: &str) -> String {
        let body = json!({"first_name": name, "last_name": "Cruz"});
        text(&self.api.post("/api/v1/customers", body).await.expect(201), "/id")
    }

    /// An installation that is there, of a new customer: (customer, installation).
    pub async fn installation(&self) -> (String, String) {
        let customer = self.customer("Ana").await;
        let id = self.another(&customer, "inactive").await;
        (customer, id)
    }

    pub async fn another(&self, customer: &str, status: &str) -> String {
        let id = Uuid::now_v7();
        let at = if status == "terminated" { "now()" } else { "NULL" };
        self.run(&format!(
            "INSERT INTO installation (id, customer_id, status, installed_on, terminated_at) \
             VALUES ('{id}', '{customer}', '{status}', current_date, {at})"
        ))
        .await;
        id.to_string()
    }

    pub async fn sell(&self, installation: &str, plan: &str) -> Value {
        let body = json!({"installation_id": installation, "plan_id": plan, "kind": "one_month"});
        self.api.post("/api/v1/subscriptions", body).await.expect(201)["subscription"].clone()
    }

    /// Moves all periods of an installation into the past by so many minutes.
    pub async fn pass(&self, installation: &str, minutes: i64) {
        self.run(&format!(
            "UPDATE subscription SET starts_at = starts_at - interval '{minutes} minutes', \
             ends_at = ends_at - interval '{minutes} minutes', paused_at = paused_at - interval '{minutes} minutes' \
             WHERE installation_id = '{installation}'; \
             UPDATE installation SET paid_until = paid_until - interval '{minutes} minutes' WHERE id = '{installation}'"
        ))
        .await;
    }

    pub async fn subscription(&self, id: &str) -> Value {
        self.api.get(&format!("/api/v1/subscriptions/{id}")).await.expect(200)
    }

    pub async fn ledger(&self, customer: &str) -> Value {
        self.api.get(&format!("/api/v1/customers/{customer}/ledger?limit=200")).await.expect(200)
    }

    /// Money in is money accounted: what the records come to is what the account says.
    pub async fn adds_up(&self) {
        let wrong = self
            .ask(
                "SELECT count(*) FROM customer c LEFT JOIN customer_account a ON a.customer_id = c.id WHERE \
                 coalesce(a.balance, 0) <> (SELECT coalesce(sum(amount - credited_amount), 0) FROM subscription s WHERE s.customer_id = c.id) \
                 - (SELECT coalesce(sum(amount - refunded_amount), 0) FROM payment p WHERE p.customer_id = c.id AND p.status = 'valid') \
                 OR coalesce(a.balance, 0) <> (SELECT coalesce(sum(amount), 0) FROM ledger_entry e WHERE e.customer_id = c.id)",
            )
            .await;
        assert_eq!(wrong, "0", "accounts that do not add up");
        let shares = self
            .ask(
                "SELECT (SELECT count(*) FROM subscription s WHERE s.paid_amount <> (SELECT coalesce(sum(amount), 0) \
                 FROM payment_allocation a WHERE a.subscription_id = s.id)) + (SELECT count(*) FROM payment p \
                 WHERE p.allocated_amount <> (SELECT coalesce(sum(amount), 0) FROM payment_allocation a WHERE a.payment_id = p.id))",
            )
            .await;
        assert_eq!(shares, "0", "shares that do not add up");
    }
}
