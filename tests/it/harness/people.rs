//! People with few rights, for tests of what they may not do.

use serde_json::json;

use super::{Api, Browser, PASSWORD, Tenant, mailbox::letter_to, text};

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

    /// The link by which a customer opens their account.
    pub async fn invitation(&self, customer: &str) -> String {
        let path = format!("/api/v1/customers/{customer}/portal-invitation");
        text(&self.api().await.post(&path, json!({})).await.expect(201), "/link")
    }

    /// A browser in which this customer is signed in to the subscriber portal, with a name of their own and the usual password.
    pub async fn subscriber(&self, customer: &str) -> Browser {
        let link = self.invitation(customer).await;
        let code = link.split("code=").nth(1).unwrap();
        let mut browser = self.server.browser(&self.host);
        browser.get(&format!("/my/join?code={code}")).await.expect_status(200);
        let name = format!("{customer}@my.example");
        let fields = [("token", code), ("sign_in_name", &name), ("password", PASSWORD)];
        browser.post("/my/join", &fields).await.expect_status(303);
        browser
    }

    /// The API as this person.
    pub async fn api_of(&self, person: &Person) -> Api {
        self.api_as(&person.email, PASSWORD).await
    }
}
