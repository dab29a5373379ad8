//! People with few rights, for tests of what they may not do.

use serde_json::json;

use super::{Api, PASSWORD, Tenant, mailbox::letter_to, text};

/// A member of staff who has chosen a password.
pub struct Person {
    pub id: String,
    pub email: String,
    /// The one role that the person has.
    pub role_id: String,
}

impl Tenant {
    /// The id of a role by its name.
    pub async fn role(&self, name: &str) -> String {
        let roles = self.api().await.get("/api/v1/roles?limit=200").await.expect(200);
        let role = roles["items"].as_array().unwrap().iter().find(|role| role["name"] == name);
        text(role.unwrap_or_else(|| panic!("no role {name} in {roles}")), "/id")
    }

    /// A person with exactly these permissions.
    pub async fn person(&self, permissions: &[&str]) -> Person {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let role = json!({"name": format!("Role {mark}"), "permissions": permissions});
        let role_id = text(&self.api().await.post("/api/v1/roles", role).await.expect(201), "/id");
        self.person_with(&role_id).await
    }

    /// A person with one role.
    pub async fn person_with(&self, role_id: &str) -> Person {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let email = format!("p{mark}@{}.example", self.slug);
        let new = json!({"name": format!("Pat {}", &mark[..6]), "email": email, "role_ids": [role_id]});
        let id = text(&self.api().await.post("/api/v1/staff", new).await.expect(201), "/id");
        self.choose_password(&letter_to(self.server, &email, 1).await.code(), PASSWORD).await;
        Person { id, email, role_id: role_id.to_owned() }
    }

    /// Redeems a link as its page's form does.
    pub async fn choose_password(&self, code: &str, password: &str) {
        let mut browser = self.server.browser(&self.host);
        browser.get(&format!("/reset?code={code}")).await.expect_status(200);
        browser.post("/reset", &[("token", code), ("password", password)]).await.expect_status(303);
    }

    /// The API as this person.
    pub async fn api_of(&self, person: &Person) -> Api {
        self.api_as(&person.email, PASSWORD).await
    }
}
