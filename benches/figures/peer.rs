//! Beside what an operator would otherwise run: the same data in a Django application with a schema per tenant, when the
//! variable PEERS names a folder that holds one ready to start. Nothing here needs it.
//!
//! The folder holds `pg_start.sh`, `pg_stop.sh` and `django/serve.sh start|stop`; PostgreSQL then runs in `pg/` on port 5498
//! with database `bench`, gunicorn answers on port 5500, and its pid is in `django/gunicorn.pid`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use rand::{Rng, rngs::StdRng};
use tokio_postgres::NoTls;

use super::{
    calls::{Cost, Ours, Subject, span},
    table::{Line, Table},
};

const POSTGRES: &str = "postgres://postgres@127.0.0.1:5498/bench";
const GUNICORN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5500);
const TENANTS: usize = 50;
const CUSTOMERS: u32 = 2_000;
const STATUSES: [&str; 4] = ["active", "lead", "inactive", "blocked"];
const ROUNDS: usize = 3;

/// A running peer.
struct Peer {
    folder: PathBuf,
    subject: Subject,
}

impl Peer {
    fn start(folder: &Path) -> Self {
        script(folder, "pg_start.sh", &[]);
        script(folder, "django/serve.sh", &["start"]);
        let subject = Subject {
            address: GUNICORN,
            server: first_number(&folder.join("django/gunicorn.pid")),
            postmaster: first_number(&folder.join("pg/postmaster.pid")),
        };
        Self { folder: folder.to_owned(), subject }
    }

    async fn cost(&self, requests: impl Fn(&mut StdRng, &mut Vec<u8>) + Send + Sync + 'static) -> Cost {
        let requests = Arc::new(requests);
        self.subject.warm(&requests).await;
        let mut cost = Cost::default();
        for _ in 0..ROUNDS {
            self.subject.round(&mut cost, span(), &requests).await;
        }
        cost
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        script(&self.folder, "django/serve.sh", &["stop"]);
        script(&self.folder, "pg_stop.sh", &[]);
    }
}

/// `sync` workers with Django's own settings tuned: the fastest of its ways.
pub fn script(folder: &Path, name: &str, args: &[&str]) {
    let done = Command::new(folder.join(name))
        .args(args)
        .current_dir(folder)
        .envs([("CLASS", "sync"), ("TUNED", "1")])
        .env("PEERS", folder)
        .stdout(Stdio::null())
        .status();
    if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
        eprintln!("{name} of the peers: {done:?}");
    }
}

pub fn first_number(file: &Path) -> u32 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or_else(|| panic!("no pid: {text}"))
}

fn get(path: &str, rng: &mut StdRng, to: &mut Vec<u8>) {
    let tenant = rng.random_range(0..TENANTS);
    to.extend_from_slice(
        format!("GET {path} HTTP/1.1\r\nHost: t{tenant:02}.bench.local\r\nAccept: */*\r\n\r\n").as_bytes(),
    );
}

fn status(rng: &mut StdRng) -> &'static str {
    STATUSES[rng.random_range(0..STATUSES.len())]
}

pub async fn measure(folder: &str, ours: &Ours, table: &mut Table) {
    eprintln!("the Django peer");
    let peer = Peer::start(Path::new(folder));
    let list = peer
        .cost(|rng, to| {
            let path = format!("/api/customers?limit=25&status={}", status(rng));
            get(&path, rng, to);
        })
        .await;
    let one = peer
        .cost(|rng, to| {
            let path = format!("/api/customers/{}", rng.random_range(1..=CUSTOMERS));
            get(&path, rng, to);
        })
        .await;
    let page = peer
        .cost(|rng, to| {
            let path = format!("/customers?status={}", status(rng));
            get(&path, rng, to);
        })
        .await;
    let posted = peer.cost(post).await;
    drop_posted().await;
    drop(peer);
    let mut push = |name: &str, ours: &Cost, theirs: &Cost, least: Option<f64>| {
        let times = theirs.us() / ours.us();
        let line = Line::new(name, ours.shown()).beside("Django peer", &theirs.shown(), times);
        table.push(match least {
            Some(least) => line.bound(format!("at least {least} x less"), times >= least),
            None => line,
        });
    };
    push("25 customers, API key (the peer counts and asks for no credential)", &ours.list, &list, Some(14.0));
    push("25 customers, API key (both count)", &ours.counted, &list, None);
    push("one customer, API key", &ours.one, &one, Some(17.0));
    push("the page of customers, signed in", &ours.page, &page, Some(20.0));
    push("POST a customer (ours with audit)", &ours.post, &posted, Some(7.0));
}

fn post(rng: &mut StdRng, to: &mut Vec<u8>) {
    let (tenant, n) = (rng.random_range(0..TENANTS), rng.random_range(0..10_000_000_u32));
    let body = format!(
        r#"{{"name":"New Customer {n}","email":"n{n}@example.com","phone":"+44790{n:07}","status":"lead","city":"Leeds","notes":"measured","balance":"12.50"}}"#
    );
    to.extend_from_slice(
        format!(
            "POST /api/customers HTTP/1.1\r\nHost: t{tenant:02}.bench.local\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
}

async fn drop_posted() {
    let (sql, connection) = tokio_postgres::connect(POSTGRES, NoTls).await.expect("the peer's PostgreSQL");
    tokio::spawn(connection);
    for tenant in 0..TENANTS {
        let text = format!("DELETE FROM t{tenant:02}.customers_customer WHERE id > {CUSTOMERS}");
        sql.batch_execute(&text).await.expect("what was posted can go");
    }
}
