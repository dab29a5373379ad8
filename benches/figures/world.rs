//! What is measured: a private PostgreSQL of its own, kept in the target folder between runs, with 500 tenants in it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::{migrations, process};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lastmile");
pub const TENANTS: usize = 500;
/// The tenants whose customers are read, and how many customers each has.
pub const READ_TENANTS: usize = 50;
pub const CUSTOMERS: u64 = 2_000;
/// What the others have, so that no table that is read is empty.
const FEW_CUSTOMERS: u64 = 20;
pub const PASSWORD: &str = "lively otter paints 42 fences";
const SIGN_UPS_AT_ONCE: usize = 3;
pub const BASE_DOMAIN: &str = "isp.test";

/// A tenant, and a key to its API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tenant {
    pub slug: String,
    pub host: String,
    pub schema: String,
    pub key: String,
    pub customers: u64,
}

pub struct World {
    pub folder: PathBuf,
    /// Of the superuser.
    pub url: String,
    pub postmaster: u32,
    /// PostgreSQL's own programs.
    pub programs: PathBuf,
    /// The superuser's connection.
    pub sql: Client,
    pub tenants: Vec<Tenant>,
    /// The login role that enters the tenants whose customers are read.
    pub login_role: String,
}

impl World {
    /// Starts PostgreSQL, and makes whatever of the tenants is not there yet: minutes the first time, moments later.
    pub async fn open() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("figures");
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let url = start_postgres(&folder);
        let (sql, connection) = tokio_postgres::connect(&url, NoTls).await.expect("PostgreSQL answers");
        tokio::spawn(connection);
        // An earlier run may have been stopped half-way.
        migrations::undo(&sql).await;
        let backend: i32 = sql.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
        let postmaster =
            process::parent_of(u32::try_from(backend).expect("a pid")).expect("a backend has a parent");
        let exe = fs::read_link(format!("/proc/{postmaster}/exe")).expect("the postmaster's program");
        let programs = exe.parent().expect("a folder").to_owned();
        let mut world =
            Self { folder, url, postmaster, programs, sql, tenants: Vec::new(), login_role: String::new() };
        world.fill().await;
        world
    }

    pub fn read_tenants(&self) -> &[Tenant] {
        &self.tenants[..READ_TENANTS]
    }

    /// The superuser's URL by way of another port.
    pub fn url_by(&self, address: SocketAddr) -> String {
        let mut url = url::Url::parse(&self.url).expect("our own URL");
        url.set_port(Some(address.port())).expect("a URL with a host");
        url.into()
    }

    pub fn postgres_address(&self) -> SocketAddr {
        let url = url::Url::parse(&self.url).expect("our own URL");
        SocketAddr::from(([127, 0, 0, 1], url.port().expect("our own URL names its port")))
    }

    /// A server on this world's database.
    pub async fn server(&self, role: &str) -> Server {
        self.server_with(role, &self.url, &[]).await
    }

    pub async fn server_with(&self, role: &str, url: &str, set: &[(&str, &str)]) -> Server {
        Server::start(&self.folder, url, role, set).await
    }

    /// A command of the program with this world's settings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program(&self.folder, &self.url);
        command.args(args);
        command
    }

    pub fn stop(self) {
        let stopped = Command::new(PROGRAM)
            .args(["postgres", "--stop", "--dir"])
            .arg(self.folder.join("postgres"))
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("PostgreSQL in {} did not stop", self.folder.display());
        }
    }

    /// Tenants that an earlier version of the program made.
    fn migrate(&self) {
        let output =
            self.command(&["migrate", "--parallel", "2"]).output().expect("the program can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn fill(&mut self) {
        let mut known = self.read_known();
        if !known.is_empty() {
            self.migrate();
        }
        let server = self.server("web").await;
        let missing: Vec<String> =
            (0..TENANTS).map(slug_of).filter(|slug| !known.contains_key(slug)).collect();
        if !missing.is_empty() {
            eprintln!("making {} tenants; they are kept in {}", missing.len(), self.folder.display());
        }
        let mut made = stream::iter(missing)
            .map(|slug| {
                let http = server.http.clone();
                let server = &server;
                async move { make_tenant(server, &http, slug).await }
            })
            .buffer_unordered(SIGN_UPS_AT_ONCE);
        while let Some(tenant) = made.next().await {
            known.insert(tenant.slug.clone(), tenant);
            self.write_known(&known);
        }
        drop(made);
        server.stop().await;
        for (n, tenant) in known.values_mut().enumerate() {
            let wanted = if n < READ_TENANTS { CUSTOMERS } else { FEW_CUSTOMERS };
            if tenant.schema.is_empty() {
                let sql = "SELECT schema_name FROM public.tenant WHERE slug = $1";
                let found = self.sql.query_one(sql, &[&tenant.slug]).await;
                tenant.schema = found.expect("the tenant is there").get(0);
            }
            if tenant.customers != wanted {
                self.sql
                    .batch_execute(&customers(&tenant.schema, wanted))
                    .await
                    .expect("customers can be written");
                // Not in the same message: VACUUM wants to be alone.
                let vacuum = format!("VACUUM ANALYZE {}.customer", tenant.schema);
                self.sql.batch_execute(&vacuum).await.expect("VACUUM");
                tenant.customers = wanted;
            }
        }
        self.write_known(&known);
        self.tenants = known.into_values().collect();
        let shards = self
            .sql
            .query(
                "SELECT DISTINCT current_database() || '_app_' || lpad(shard::text, 2, '0') FROM public.tenant WHERE slug = ANY($1)",
                &[&self.read_tenants().iter().map(|tenant| tenant.slug.clone()).collect::<Vec<_>>()],
            )
            .await
            .expect("the registry can be read");
        assert!(shards.len() == 1, "the first tenants share a login role");
        self.login_role = shards[0].get(0);
    }

    fn read_known(&self) -> BTreeMap<String, Tenant> {
        let text = fs::read(self.folder.join("tenants.json")).unwrap_or_else(|_| b"{}".to_vec());
        serde_json::from_slice(&text).expect("our own file")
    }

    fn write_known(&self, known: &BTreeMap<String, Tenant>) {
        let text = serde_json::to_vec_pretty(known).expect("our own struct");
        fs::write(self.folder.join("tenants.json"), text).expect("the target folder can be written to");
    }
}

fn slug_of(n: usize) -> String {
    format!("t{n:03}")
}

/// The id of a customer of any tenant: the same numbers everywhere, so that a program without a list of ids can name one.
pub fn customer_id(n: u64) -> String {
    format!("01900000-0000-7000-8000-{n:012x}")
}

/// The same in SQL, for a number that the caller puts in.
pub fn customer_id_in_sql(number: &str) -> String {
    format!("('01900000000070008000' || lpad(to_hex({number}), 12, '0'))::uuid")
}

fn customers(schema: &str, wanted: u64) -> String {
    let id = customer_id_in_sql("g");
    format!(
        "DELETE FROM {schema}.customer; DELETE FROM {schema}.area;
         INSERT INTO {schema}.area (id, name, code)
         SELECT gen_random_uuid(), 'Barangay ' || g, 'B' || g FROM generate_series(1, 12) g;
         INSERT INTO {schema}.customer (id, first_name, last_name, email, phone_primary, street_address, area_id, status,
             notes, latitude, longitude, location_accuracy, created_at, updated_at)
         SELECT {id}, (ARRAY['Maria','Jose','Ana','Juan','Rosa','Pedro','Liza','Ramon'])[1 + g % 8],
             (ARRAY['Santos','Reyes','Cruz','Bautista','Ocampo','Garcia'])[1 + g % 6] || ' ' || substr(md5(g::text), 1, 4),
             'c' || g || '@mail.example', '+63917' || lpad(g::text, 7, '0'), (g % 90 + 1) || ' Rizal Street',
             (SELECT id FROM {schema}.area ORDER BY name OFFSET g % 12 LIMIT 1),
             (ARRAY['active','active','active','inactive','suspended','terminated'])[1 + g % 6],
             CASE WHEN g % 2 = 0 THEN repeat('note ', (g % 8)::int) || g END,
             8.4 + (g % 100) / 1000.0, 124.6 + (g % 70) / 1000.0, 'exact',
             now() - make_interval(mins => g::int), now() - make_interval(secs => g::int)
         FROM generate_series(1, {wanted}) g"
    )
}

fn start_postgres(folder: &Path) -> String {
    let output = Command::new(PROGRAM)
        .args(["postgres", "--durable", "--max-connections", "200", "--database", "figures", "--dir"])
        .arg(folder.join("postgres"))
        .output()
        .expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a URL").trim().to_owned()
}

pub async fn make_tenant(server: &Server, http: &reqwest::Client, slug: String) -> Tenant {
    let host = format!("{slug}.{BASE_DOMAIN}");
    server.sign_up(http, &slug).await;
    let token = server.access_token(http, &host).await;
    let body = json!({"name": "figures", "scopes": ["customers.read", "customers.write"]});
    let made = server.post(http, &host, "/api/v1/api-keys", Some(&token), &body).await;
    Tenant { slug, host, schema: String::new(), key: text(&made, "/key"), customers: 0 }
}

/// A text member of an answer.
pub fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {body}"))
        .to_owned()
}

pub fn owner_email(slug: &str) -> String {
    format!("owner@{slug}.example")
}

/// The program, with the settings of every process that is measured: its own defaults but for where things are, and limits
/// that one address with a load to make does not meet.
fn program(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).envs([
        ("LASTMILE_DATABASE_URL", url),
        ("LASTMILE_LISTEN", "127.0.0.1:0"),
        ("LASTMILE_METRICS_LISTEN", "127.0.0.1:0"),
        ("LASTMILE_BASE_DOMAIN", BASE_DOMAIN),
        ("LASTMILE_LIMITS__ADDRESS_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__CREDENTIAL_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__TENANT_PER_SECOND", "1000000"),
        ("LASTMILE_LIMITS__SIGNUPS_PER_HOUR", "1000000"),
    ]);
    command
}

/// A running server. Its log goes to a file, as it would under a supervisor.
pub struct Server {
    pub address: SocketAddr,
    pub pid: u32,
    /// From its start until it took requests and said that it is ready.
    pub ready_after: Duration,
    pub http: reqwest::Client,
    log: PathBuf,
    child: Child,
}

impl Server {
    async fn start(folder: &Path, url: &str, role: &str, set: &[(&str, &str)]) -> Self {
        let log = folder.join("server.log");
        let file = File::create(&log).expect("the target folder can be written to");
        let mut command = program(folder, url);
        command.args(["serve", "--role", role]).envs(set.iter().copied());
        let began = Instant::now();
        let child = command.stdout(file).stderr(Stdio::null()).spawn().expect("the program can be started");
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        let pid = child.id();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address, pid, ready_after: Duration::ZERO, http, log, child };
        server.address = server.wait_for_address(began).await;
        let url = format!("http://{}/readyz", server.address);
        while server.http.get(&url).send().await.map_or(true, |answer| !answer.status().is_success()) {
            server.wait_a_little(began).await;
        }
        server.ready_after = began.elapsed();
        server
    }

    async fn wait_for_address(&mut self, began: Instant) -> SocketAddr {
        loop {
            let said = self.log_lines().into_iter().find(|line| line["message"] == "ready");
            if let Some(line) = said {
                return line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
            }
            self.wait_a_little(began).await;
        }
    }

    async fn wait_a_little(&mut self, began: Instant) {
        let ended = self.child.try_wait().expect("a child of ours");
        assert!(
            ended.is_none() && began.elapsed() < Duration::from_secs(120),
            "the server did not start; its log is {}",
            self.log.display()
        );
        tokio::time::sleep(Duration::from_millis(3)).await;
    }

    /// What it has logged so far.
    pub fn log_lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub async fn stop(mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status();
        let began = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none())
            && began.elapsed() < Duration::from_secs(30)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn sign_up(&self, http: &reqwest::Client, slug: &str) {
        let body = json!({
            "company_name": format!("Provider {slug}"), "slug": slug,
            "owner": {"name": "Olive Owner", "email": owner_email(slug), "password": PASSWORD},
        });
        self.post(http, BASE_DOMAIN, "/api/platform/v1/signups", None, &body).await;
    }

    /// An access token of the owner.
    pub async fn access_token(&self, http: &reqwest::Client, host: &str) -> String {
        let slug = host.split('.').next().expect("a host has a first label");
        let body = json!({"email": owner_email(slug), "password": PASSWORD});
        let tokens = self.post(http, host, "/api/v1/auth/token", None, &body).await;
        text(&tokens, "/access_token")
    }

    pub async fn post(
        &self,
        http: &reqwest::Client,
        host: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Value {
        let request = http
            .post(format!("http://{}{path}", self.address))
            .header("host", host)
            .header("content-type", "application/json")
            .body(body.to_string());
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let answered: Value = answer.json().await.unwrap_or_default();
        assert!(status.is_success(), "POST {path} at {host}: {status} {answered}");
        answered
    }

    pub async fn get(&self, host: &str, path: &str, token: &str) -> Value {
        let answer = self
            .http
            .get(format!("http://{}{path}", self.address))
            .header("host", host)
            .header("authorization", format!("Bearer {token}"))
            .send()
            .await
            .expect("the server answers");
        let status = answer.status();
        let answered: Value = answer.json().await.unwrap_or_default();
        assert!(status.is_success(), "GET {path} at {host}: {status} {answered}");
        answered
    }

    /// The session cookie of an owner who signed in by the page, as a browser would send it.
    pub async fn session(&self, host: &str) -> String {
        let url = format!("http://{}/sign-in", self.address);
        let page = self.http.get(&url).header("host", host).send().await.expect("the server answers");
        let mut cookies = cookies_of(&page);
        let html = page.text().await.expect("a page");
        let token = html
            .split_once("<meta name=\"csrf\" content=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(token, _)| token.to_owned())
            .expect("the page holds a form token");
        let slug = host.split('.').next().expect("a host has a first label");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("_csrf", &token)
            .append_pair("email", &owner_email(slug))
            .append_pair("password", PASSWORD)
            .finish();
        let answer = self
            .http
            .post(&url)
            .header("host", host)
            .header("origin", format!("https://{host}"))
            .header("cookie", joined(&cookies))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .expect("the server answers");
        assert!(answer.status().as_u16() == 303, "signing in at {host}: {}", answer.status());
        cookies.extend(cookies_of(&answer));
        joined(&cookies)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cookies_of(answer: &reqwest::Response) -> BTreeMap<String, String> {
    answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|line| line.to_str().ok()?.split(';').next()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn joined(cookies: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}
