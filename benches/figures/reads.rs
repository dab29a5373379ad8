//! The statements of the reads that are measured, as the program was heard to send them.

use std::time::Duration;

use super::{
    bare::{Bare, Plan},
    relay::Relay,
    world::{Server, Tenant, World, customer_id},
};

/// What a connection pool of the program holds when nobody sets it.
const CONNECTIONS: usize = 8;

/// The texts of a read.
pub struct Statements {
    /// `BEGIN ..` with `{schema}` where the schema stood.
    pub entry: String,
    pub list: String,
    pub count: String,
    pub one: String,
}

impl Statements {
    /// Asks a server for each read once, and listens to what it sends.
    pub async fn hear(world: &World) -> Self {
        let relay = Relay::open(world.postgres_address(), Duration::ZERO).await;
        let server = world.server_with("web", &world.url_by(relay.address), &[]).await;
        let tenant = &world.tenants[0];
        server.get(&tenant.host, "/api/v1/customers?limit=25", &tenant.key).await;
        let list = only_new(&relay, &[]);
        server.get(&tenant.host, "/api/v1/customers?limit=25&total=true", &tenant.key).await;
        let count = only_new(&relay, &[&list]);
        server.get(&tenant.host, &format!("/api/v1/customers/{}", customer_id(1)), &tenant.key).await;
        let one = only_new(&relay, &[&list, &count]);
        let entry = relay
            .heard()
            .into_iter()
            .find(|text| text.starts_with("BEGIN READ ONLY") && text.contains(&tenant.schema))
            .expect("a read begins a transaction")
            .replace(&tenant.schema, "{schema}");
        server.stop().await;
        Self { entry, list, count, one }
    }

    pub fn entry_of(&self, tenant: &Tenant) -> String {
        self.entry.replace("{schema}", &tenant.schema)
    }

    /// Starts the bare handler on these statements, and holds its answers against the program's.
    pub async fn bare(&self, world: &World, server: &Server) -> Bare {
        let entries =
            world.read_tenants().iter().map(|tenant| (tenant.host.clone(), self.entry_of(tenant))).collect();
        let bare = Bare::start(&Plan {
            url: world.url.clone(),
            login_role: world.login_role.clone(),
            connections: CONNECTIONS,
            entries,
            list: self.list.clone(),
            count: self.count.clone(),
            one: self.one.clone(),
        });
        let tenant = &world.tenants[READ_AT_RANDOM];
        for path in [
            "/api/v1/customers?limit=25".to_owned(),
            "/api/v1/customers?limit=25&total=true".to_owned(),
            format!("/api/v1/customers/{}", customer_id(7)),
        ] {
            let url = format!("http://{}{path}", bare.address);
            let answer = server.http.get(url).header("host", &tenant.host).send().await.expect("an answer");
            let mut theirs: serde_json::Value = answer.json().await.expect("JSON");
            let mut ours = server.get(&tenant.host, &path, &tenant.key).await;
            for answer in [&mut ours, &mut theirs] {
                // Made by nobody but the program.
                answer.as_object_mut().expect("an object").remove("next_cursor");
            }
            assert!(ours == theirs, "the bare handler answers something else than the program at {path}");
        }
        bare
    }
}

/// Any of the tenants whose customers are read.
const READ_AT_RANDOM: usize = 17;

/// The one statement on customers that is not among the `known`.
fn only_new(relay: &Relay, known: &[&String]) -> String {
    let mut new: Vec<String> = relay
        .heard()
        .into_iter()
        .filter(|text| text.contains("FROM customer ") && !known.contains(&text))
        .collect();
    new.dedup();
    assert!(new.len() == 1, "a read of customers is one statement, and these were sent: {new:?}");
    new.remove(0)
}
