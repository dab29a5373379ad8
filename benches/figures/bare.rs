//! What the same answers cost at least with the same crates: poem, tokio-postgres, serde and nothing else. No credentials, no
//! limits, no log, no checks, no errors worth the name. Run as a process of its own.
//!
//! Its statements are the ones that the program was heard to send, its columns are read into a struct of the same members, and
//! its answers were compared with the program's before anything was measured.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use deadpool_postgres::{Hook, HookError, ManagerConfig, Pool, RecyclingMethod};
use poem::{
    EndpointExt, Request, Response, Route, Server, get, handler,
    http::{StatusCode, header},
    listener::{Acceptor, Listener, TcpListener},
    web::{Data, Path, Query},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use tokio_postgres::{NoTls, Row, types::ToSql};
use uuid::Uuid;

const PLAN_VARIABLE: &str = "LASTMILE_FIGURES_BARE";

/// What the process is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub url: String,
    /// The program's own login role: how long SET ROLE takes depends on it.
    pub login_role: String,
    pub connections: usize,
    /// Host and the text that enters its tenant.
    pub entries: HashMap<String, String>,
    pub list: String,
    pub count: String,
    pub one: String,
}

/// The running process.
pub struct Bare {
    pub address: SocketAddr,
    pub pid: u32,
    child: Child,
}

impl Bare {
    pub fn start(plan: &Plan) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg("bare")
            .env(PLAN_VARIABLE, serde_json::to_string(plan).expect("our own struct"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.trim().parse().expect("an address");
        Self { address, pid: child.id(), child }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Serialize)]
struct Customer {
    id: Uuid,
    reference: Option<String>,
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone_primary: Option<String>,
    street_address: Option<String>,
    area_id: Option<Uuid>,
    status: String,
    notes: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    location_accuracy: String,
    location_notes: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Customer {
    /// By place, as the program reads them: its columns stand in this order.
    fn of(row: &Row) -> Self {
        let degrees = |column: usize| row.get::<_, Option<Decimal>>(column).and_then(|value| value.to_f64());
        Self {
            id: row.get(0),
            reference: row.get(1),
            first_name: row.get(2),
            last_name: row.get(3),
            email: row.get(4),
            phone_primary: row.get(5),
            street_address: row.get(6),
            area_id: row.get(7),
            status: row.get(8),
            notes: row.get(9),
            latitude: degrees(10),
            longitude: degrees(11),
            location_accuracy: row.get(12),
            location_notes: row.get(13),
            created_at: row.get(16),
            updated_at: row.get(17),
        }
    }
}

#[derive(Serialize)]
struct Customers {
    items: Vec<Customer>,
    total: Option<i64>,
}

struct State {
    pool: Pool,
    plan: Plan,
}

#[derive(Deserialize)]
struct Asked {
    limit: i64,
    total: Option<bool>,
}

fn json(body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("our own struct");
    Response::builder().content_type("application/json; charset=utf-8").body(bytes)
}

/// The entry, the statements and the COMMIT are sent in one go.
#[handler]
async fn list(request: &Request, Query(asked): Query<Asked>, state: Data<&Arc<State>>) -> Response {
    let host = request.header(header::HOST).unwrap_or_default();
    let Some(entry) = state.plan.entries.get(host) else { return StatusCode::NOT_FOUND.into() };
    let client = state.pool.get().await.expect("a connection");
    let statement = client.prepare_cached(&state.plan.list).await.expect("a statement");
    let limit = asked.limit + 1;
    let params: &[&(dyn ToSql + Sync)] = if statement.params().is_empty() { &[] } else { &[&limit] };
    let (rows, total) = if asked.total == Some(true) {
        let count = client.prepare_cached(&state.plan.count).await.expect("a statement");
        let (entered, rows, counts, ended) = tokio::join!(
            client.batch_execute(entry),
            client.query(&statement, params),
            client.query(&count, &[]),
            client.batch_execute("COMMIT")
        );
        entered.and(ended).expect("a transaction");
        let counts = counts.expect("a count");
        (rows, Some(counts.iter().map(|row| row.get::<_, i64>(1)).sum()))
    } else {
        let (entered, rows, ended) = tokio::join!(
            client.batch_execute(entry),
            client.query(&statement, params),
            client.batch_execute("COMMIT")
        );
        entered.and(ended).expect("a transaction");
        (rows, None)
    };
    drop(client);
    let rows = rows.expect("rows");
    let shown = usize::try_from(asked.limit).unwrap_or_default();
    json(&Customers { items: rows.iter().take(shown).map(Customer::of).collect(), total })
}

#[handler]
async fn one(request: &Request, Path(id): Path<Uuid>, state: Data<&Arc<State>>) -> Response {
    let host = request.header(header::HOST).unwrap_or_default();
    let Some(entry) = state.plan.entries.get(host) else { return StatusCode::NOT_FOUND.into() };
    let client = state.pool.get().await.expect("a connection");
    let statement = client.prepare_cached(&state.plan.one).await.expect("a statement");
    let params: [&(dyn ToSql + Sync); 1] = [&id];
    let (entered, row, ended) = tokio::join!(
        client.batch_execute(entry),
        client.query_opt(&statement, &params),
        client.batch_execute("COMMIT")
    );
    entered.and(ended).expect("a transaction");
    drop(client);
    match row.expect("an answer") {
        Some(row) => json(&Customer::of(&row)),
        None => StatusCode::NOT_FOUND.into(),
    }
}

/// The child process.
pub async fn serve() {
    let plan = std::env::var(PLAN_VARIABLE).expect("only the figures start this");
    let plan: Plan = serde_json::from_str(&plan).expect("a plan");
    let config: tokio_postgres::Config = plan.url.parse().expect("a URL");
    let manager = deadpool_postgres::Manager::from_config(
        config,
        NoTls,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let role = plan.login_role.clone();
    let any_entry = plan.entries.values().next().expect("a tenant").clone();
    let statements = [plan.list.clone(), plan.count.clone(), plan.one.clone()];
    let pool = Pool::builder(manager)
        .max_size(plan.connections)
        .post_create(Hook::async_fn(move |client, _| {
            let become_role = format!(
                "SELECT set_config(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1), false)
                 FROM pg_roles, unnest(rolconfig) c WHERE rolname = '{role}';
                 SET SESSION AUTHORIZATION \"{role}\""
            );
            // Outside of a tenant there is no table to prepare a statement for.
            let prepared = [vec![become_role, any_entry.clone()], statements.to_vec()];
            Box::pin(async move {
                let [before, statements] = prepared;
                for sql in before {
                    client.batch_execute(&sql).await.map_err(HookError::Backend)?;
                }
                for sql in statements {
                    client.prepare_cached(&sql).await.map_err(HookError::Backend)?;
                }
                client.batch_execute("COMMIT").await.map_err(HookError::Backend)
            })
        }))
        .build()
        .expect("a pool");
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a free port");
    let address = acceptor.local_addr().remove(0);
    println!("{}", address.as_socket_addr().expect("a TCP address"));
    let state = Arc::new(State { pool, plan });
    let routes =
        Route::new().at("/api/v1/customers", get(list)).at("/api/v1/customers/:id", get(one)).data(state);
    Server::new_with_acceptor(acceptor).run(routes).await.expect("the server runs");
}
