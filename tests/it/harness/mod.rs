//! One PostgreSQL and one server for all tests; a tenant per test keeps them apart.

pub mod authenticator;
mod browser;
mod client;
pub mod collector;
pub mod console;
pub mod issuer;
pub mod mailbox;
pub mod passkey;
mod people;
mod postgres;
pub mod proxy_server;
mod server;

pub use browser::{Browser, between};
pub use client::{Answer, Api};
pub use people::Person;
pub use postgres::{database, sql};
pub use server::{Server, Settings, program, shared};

use serde_json::{Value, json};

/// The password of everybody whom the tests make.
pub const PASSWORD: &str = "lively otter paints 42 fences";

/// A tenant of the test's own, and its owner.
pub struct Tenant {
    pub server: &'static Server,
    pub id: String,
    pub slug: String,
    pub host: String,
    pub owner_id: String,
    pub owner_email: String,
}

/// Signs a new tenant up on the shared server.
pub async fn tenant() -> Tenant {
    tenant_on(shared().await).await
}

/// Signs a new tenant up on a server of the test's own.
pub async fn tenant_on(server: &'static Server) -> Tenant {
    let slug = format!("t{}", uuid::Uuid::new_v4().simple().to_string().split_at(12).0);
    let email = format!("owner@{slug}.example");
    let answer = server
        .platform()
        .post(
            "/api/platform/v1/signups",
            json!({
                "company_name": format!("Company {slug}"), "slug": slug,
                "owner": {"name": "Olive Owner", "email": email, "password": PASSWORD},
            }),
        )
        .await;
    let body = answer.expect(201);
    Tenant {
        server,
        id: text(&body, "/tenant/id"),
        slug: text(&body, "/tenant/slug"),
        host: text(&body, "/tenant/host"),
        owner_id: text(&body, "/owner/id"),
        owner_email: email,
    }
}

/// A text member of an answer.
pub fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {body}"))
        .to_owned()
}

impl Tenant {
    /// The API without a credential.
    pub fn anonymous(&self) -> Api {
        self.server.at(&self.host)
    }

    /// The API as the owner.
    pub async fn api(&self) -> Api {
        self.api_as(&self.owner_email, PASSWORD).await
    }

    /// The API as a member of staff.
    pub async fn api_as(&self, email: &str, password: &str) -> Api {
        let signed_in = self
            .anonymous()
            .post("/api/v1/auth/token", json!({"email": email, "password": password}))
            .await
            .expect(200);
        self.anonymous().bearer(&text(&signed_in, "/access_token"))
    }

    /// A browser that shows the portal to the owner, signed in.
    pub async fn browser(&self) -> Browser {
        self.browser_as(&self.owner_email, PASSWORD).await
    }

    pub async fn browser_as(&self, email: &str, password: &str) -> Browser {
        let mut browser = self.server.browser(&self.host);
        browser.get("/sign-in").await.expect_status(200);
        let answer = browser.post("/sign-in", &[("email", email), ("password", password)]).await;
        answer.expect_status(303);
        browser
    }

    /// The name of the tenant's schema and role.
    pub async fn schema(&self) -> String {
        let client = sql(&self.server.database).await;
        let row = client
            .query_one("SELECT schema_name FROM public.tenant WHERE slug = $1", &[&self.slug])
            .await
            .unwrap();
        row.get(0)
    }
}
