//! What one request costs: CPU time of the server's process and of PostgreSQL's, over many requests at random.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::{Rng, rngs::StdRng};

use super::{
    load, peer,
    pgbench::{self, Script},
    process,
    reads::Statements,
    table::{Line, Table, median},
    world::{CUSTOMERS, Server, World, customer_id},
};

const CONNECTIONS: usize = 16;
pub const ROUNDS: usize = 3;
const WARMING: Duration = Duration::from_millis(1_500);
/// Of the bare handler's time, and for authentication on top.
const FACTOR: f64 = 1.25;
const AUTHENTICATION_US: f64 = 15.0;

/// How long each load of each round lasts.
pub fn span() -> Duration {
    let asked = std::env::var("FIGURES_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(4))
}

/// The cost of one kind of request.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Of each round, in microseconds: the server's part, and PostgreSQL's.
    server_us: Vec<f64>,
    postgres_us: Vec<f64>,
    rate: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Cost {
    pub fn us(&self) -> f64 {
        let sums: Vec<f64> = self.server_us.iter().zip(&self.postgres_us).map(|(a, b)| a + b).collect();
        median(&sums)
    }

    pub fn shown(&self) -> String {
        format!("{:.0} us ({:.0} + {:.0})", self.us(), median(&self.server_us), median(&self.postgres_us))
    }
}

/// Who is measured: a server and its PostgreSQL.
#[derive(Clone)]
pub struct Subject {
    pub address: SocketAddr,
    pub server: u32,
    pub postmaster: u32,
}

impl Subject {
    /// One round.
    pub async fn round(&self, cost: &mut Cost, lasts: Duration, requests: &Arc<impl load::Requests>) {
        let (server, postgres) = (process::cpu_of(&[self.server]), process::cpu_of(&[self.postmaster]));
        let outcome = load::run(self.address, CONNECTIONS, lasts, requests.clone()).await;
        let server = process::cpu_of(&[self.server]) - server;
        let postgres = process::cpu_of(&[self.postmaster]) - postgres;
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
        let requests = outcome.requests as f64;
        cost.server_us.push(server.as_secs_f64() * 1e6 / requests);
        cost.postgres_us.push(postgres.as_secs_f64() * 1e6 / requests);
        cost.rate.push(outcome.rate());
        cost.p99_ms.push(outcome.percentile(0.99).as_secs_f64() * 1e3);
    }

    pub async fn warm(&self, requests: &Arc<impl load::Requests>) {
        load::run(self.address, CONNECTIONS, WARMING, requests.clone()).await;
    }
}

/// GET requests to tenants at random: a request's bytes before and behind the customer's id.
pub struct Gets {
    heads: Vec<String>,
    tails: Vec<String>,
    with_id: bool,
}

impl Gets {
    /// `headers` are those of each tenant besides Host.
    pub fn new(world: &World, path: &str, with_id: bool, headers: &[String]) -> Arc<Self> {
        let hosts = world.read_tenants().iter().map(|tenant| &tenant.host);
        let tails = hosts.zip(headers).map(|(host, own)| format!(" HTTP/1.1\r\nhost: {host}\r\n{own}\r\n"));
        Arc::new(Self { heads: vec![format!("GET {path}"); headers.len()], tails: tails.collect(), with_id })
    }
}

impl load::Requests for Gets {
    fn write(&self, rng: &mut StdRng, to: &mut Vec<u8>) {
        let tenant = rng.random_range(0..self.tails.len());
        to.extend_from_slice(self.heads[tenant].as_bytes());
        if self.with_id {
            to.extend_from_slice(customer_id(rng.random_range(1..=CUSTOMERS)).as_bytes());
        }
        to.extend_from_slice(self.tails[tenant].as_bytes());
    }
}

/// The kinds of reads.
pub const LIST: (&str, bool) = ("/api/v1/customers?limit=25", false);
const COUNTED: (&str, bool) = ("/api/v1/customers?limit=25&total=true", false);
const ONE: (&str, bool) = ("/api/v1/customers/", true);

/// What our own requests cost, for the comparison with a peer.
#[derive(Default)]
pub struct Ours {
    pub list: Cost,
    pub counted: Cost,
    pub one: Cost,
    pub page: Cost,
    pub post: Cost,
}

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("CPU time of requests");
    let statements = Statements::hear(world).await;
    let server = world.server("web").await;
    let ours = reads(world, &statements, &server, table).await;
    let page = page(world, &server, table).await;
    let post = post(world, &server, table).await;
    server.stop().await;
    let ours = Ours { page, post, ..ours };
    if let Ok(folder) = std::env::var("PEERS") {
        peer::measure(&folder, &ours, table).await;
    }
}

async fn reads(world: &World, statements: &Statements, server: &Server, table: &mut Table) -> Ours {
    let bare = statements.bare(world, server).await;
    let ours = subject(world, server);
    let floor = Subject { address: bare.address, server: bare.pid, postmaster: world.postmaster };
    let keys: Vec<String> = bearers(world.read_tenants().iter().map(|tenant| tenant.key.clone()));
    let mut tokens = Vec::new();
    for tenant in world.read_tenants() {
        tokens.push(server.access_token(&server.http, &tenant.host).await);
    }
    let tokens = bearers(tokens.into_iter());
    let none = vec![String::new(); keys.len()];
    let mut kept = Ours::default();
    for (name, (path, with_id)) in
        [("25 customers", LIST), ("one customer", ONE), ("25 customers, counted", COUNTED)]
    {
        let by_key = Gets::new(world, path, with_id, &keys);
        let by_token = Gets::new(world, path, with_id, &tokens);
        let bare = Gets::new(world, path, with_id, &none);
        for (subject, requests) in [(&ours, &by_key), (&ours, &by_token), (&floor, &bare)] {
            subject.warm(requests).await;
        }
        let (mut key, mut token, mut least) = (Cost::default(), Cost::default(), Cost::default());
        for _ in 0..ROUNDS {
            floor.round(&mut least, span(), &bare).await;
            ours.round(&mut key, span(), &by_key).await;
            ours.round(&mut token, span(), &by_token).await;
        }
        for (credential, cost) in [("API key", &key), ("JWT", &token)] {
            let most = least.us() * FACTOR + AUTHENTICATION_US;
            let line = Line::new(format!("{name}, {credential}: CPU (server + PostgreSQL)"), cost.shown())
                .beside("bare handler", &least.shown(), cost.us() / least.us())
                .at_most(cost.us(), most, format!("{FACTOR} x bare + {AUTHENTICATION_US} us = {most:.0} us"));
            table.push(line);
        }
        table.push(beside_pgbench(world, statements, name, path, with_id, &key).await);
        table.push(
            Line::new(
                format!("{name}, API key: rate and p99 at {CONNECTIONS} connections"),
                format!("{:.0}/s, {:.1} ms", median(&key.rate), median(&key.p99_ms)),
            )
            .beside(
                "bare handler",
                &format!("{:.0}/s, {:.1} ms", median(&least.rate), median(&least.p99_ms)),
                median(&key.rate) / median(&least.rate),
            ),
        );
        match path {
            _ if with_id => kept.one = key,
            path if path == LIST.0 => kept.list = key,
            _ => kept.counted = key,
        }
    }
    kept
}

/// The same statements in the same transactions, sent by pgbench: what PostgreSQL itself takes.
async fn beside_pgbench(
    world: &World,
    statements: &Statements,
    name: &str,
    path: &str,
    with_id: bool,
    ours: &Cost,
) -> Line {
    let bodies: Vec<&str> = match path {
        _ if with_id => vec![&statements.one],
        path if path == LIST.0 => vec![&statements.list],
        _ => vec![&statements.list, &statements.count],
    };
    let script = Script { statements, bodies, with_id };
    let us = pgbench::measure(world, &script, span()).await;
    Line::new(format!("{name}: PostgreSQL's part"), format!("{:.0} us", median(&ours.postgres_us))).beside(
        "pgbench, which plans once per tenant",
        &format!("{us:.0} us"),
        median(&ours.postgres_us) / us,
    )
}

async fn page(world: &World, server: &Server, table: &mut Table) -> Cost {
    let mut cookies = Vec::new();
    for tenant in world.read_tenants() {
        cookies.push(format!("cookie: {}\r\n", server.session(&tenant.host).await));
    }
    let requests = Gets::new(world, "/customers", false, &cookies);
    let cost = rounds(&subject(world, server), &requests).await;
    table.push(Line::new("the page of 25 customers, counted: CPU (server + PostgreSQL)", cost.shown()));
    cost
}

async fn post(world: &World, server: &Server, table: &mut Table) -> Cost {
    let heads: Vec<String> = world
        .read_tenants()
        .iter()
        .map(|tenant| {
            format!(
                "POST /api/v1/customers HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
                tenant.host, tenant.key
            )
        })
        .collect();
    let requests = Arc::new(move |rng: &mut StdRng, to: &mut Vec<u8>| {
        // Not of `rng`, which says the same in every round: no two customers may have one address.
        let n: u64 = rand::random();
        let body = format!(
            r#"{{"first_name":"New","last_name":"Customer {n:x}","email":"n{n:x}@mail.example","phone_primary":"+63917{:07}","street_address":"12 Rizal Street","notes":"measured"}}"#,
            n % 10_000_000
        );
        to.extend_from_slice(heads[rng.random_range(0..heads.len())].as_bytes());
        to.extend_from_slice(format!("content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    });
    let cost = rounds(&subject(world, server), &requests).await;
    for tenant in world.read_tenants() {
        let sql = format!(
            "DELETE FROM {0}.customer WHERE notes = 'measured'; DELETE FROM {0}.audit_event e WHERE action = 'customer.created'
             AND NOT EXISTS (SELECT 1 FROM {0}.audit_seal s WHERE s.event_id = e.id)",
            tenant.schema
        );
        world.sql.batch_execute(&sql).await.expect("what was posted can go");
        let vacuum = format!("VACUUM ANALYZE {}.customer", tenant.schema);
        world.sql.batch_execute(&vacuum).await.expect("VACUUM");
    }
    table.push(Line::new("POST a customer, with audit: CPU (server + PostgreSQL)", cost.shown()));
    cost
}

async fn rounds(subject: &Subject, requests: &Arc<impl load::Requests>) -> Cost {
    subject.warm(requests).await;
    let mut cost = Cost::default();
    for _ in 0..ROUNDS {
        subject.round(&mut cost, span(), requests).await;
    }
    cost
}

pub fn subject(world: &World, server: &Server) -> Subject {
    Subject { address: server.address, server: server.pid, postmaster: world.postmaster }
}

pub fn bearers(credentials: impl Iterator<Item = String>) -> Vec<String> {
    credentials.map(|credential| format!("authorization: Bearer {credential}\r\n")).collect()
}
