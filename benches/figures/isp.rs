//! What a large provider's day costs: every list with each of its filters, pages, reports, the map and receipts, in CPU time of the
//! server and of PostgreSQL.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    books::{self, Kind, id},
    process,
    table::{Line, Table, median},
    world::{Server, Tenant, World},
};

const LIST_MS: f64 = 25.0;
const MONTH_MS: f64 = 150.0;
const YEAR_MS: f64 = 800.0;
const MAP_MS: f64 = 40.0;
const MAP_KB: f64 = 300.0;
const MAP_POINTS: usize = 2_000;
const RECEIPT_MS: f64 = 50.0;
/// Linux counts CPU time in steps of 10 ms: a batch goes on until it used this much, or had this many requests.
const BATCH_MS: f64 = 120.0;
const BATCH_MAX: u32 = 60;
const BATCHES: usize = 3;

/// The portal's pages of lists, as they open.
const PAGES: [&str; 12] = [
    "/",
    "/customers",
    "/installations",
    "/subscriptions",
    "/payments",
    "/collect",
    "/tickets",
    "/tickets/board",
    "/outages",
    "/routers",
    "/audit",
    "/plant",
];

/// One caller of the large provider.
struct Caller<'a> {
    world: &'a World,
    server: &'a Server,
    host: &'a str,
    /// `authorization` or `cookie`, and its value.
    credential: (&'static str, String),
}

impl Caller<'_> {
    async fn answer(&self, path: &str, compressed: bool) -> Vec<u8> {
        let mut request = self
            .server
            .http
            .get(format!("http://{}{path}", self.server.address))
            .header("host", self.host)
            .header(self.credential.0, &self.credential.1);
        if compressed {
            request = request.header("accept-encoding", "gzip, br");
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let body = answer.bytes().await.expect("an answer");
        assert!(status.is_success(), "GET {path}: {status} {}", String::from_utf8_lossy(&body));
        body.into()
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.answer(path, false).await).expect("JSON")
    }

    fn cpu(&self) -> (f64, f64) {
        let ms = |pid| process::cpu_of(&[pid]).as_secs_f64() * 1e3;
        (ms(self.server.pid), ms(self.world.postmaster))
    }

    /// What one request takes.
    async fn cost(&self, path: &str, compressed: bool) -> Cost {
        let (mut server_ms, mut postgres_ms) = (Vec::new(), Vec::new());
        for _ in 0..BATCHES {
            let (server, postgres) = self.cpu();
            let mut requests = 0;
            let (spent_server, spent_postgres) = loop {
                for _ in 0..if requests == 0 { 3 } else { requests.min(15) } {
                    self.answer(path, compressed).await;
                    requests += 1;
                }
                let now = self.cpu();
                let spent = (now.0 - server, now.1 - postgres);
                if spent.0 + spent.1 >= BATCH_MS || requests >= BATCH_MAX {
                    break spent;
                }
            };
            server_ms.push(spent_server / f64::from(requests));
            postgres_ms.push(spent_postgres / f64::from(requests));
        }
        Cost { server_ms: median(&server_ms), postgres_ms: median(&postgres_ms) }
    }

    /// The same, looked at again when it is above its bound: a neighbour's work or a vacuum may have been in between.
    async fn cost_under(&self, path: &str, compressed: bool, bound: f64) -> Cost {
        let cost = self.cost(path, compressed).await;
        if cost.ms() <= bound {
            return cost;
        }
        let again = self.cost(path, compressed).await;
        if again.ms() < cost.ms() { again } else { cost }
    }
}

#[derive(Clone, Copy)]
struct Cost {
    server_ms: f64,
    postgres_ms: f64,
}

impl Cost {
    fn ms(self) -> f64 {
        self.server_ms + self.postgres_ms
    }

    fn shown(self) -> String {
        format!("{:.1} ms ({:.1} + {:.1})", self.ms(), self.server_ms, self.postgres_ms)
    }
}

pub async fn measure(world: &World, table: &mut Table) {
    let server = world.server("web").await;
    let tenant = books::open(world, &server).await;
    add_group(world, &tenant).await;
    eprintln!("a large provider's lists, reports, map and receipts");
    let before = read_elsewhere(world, &tenant).await;
    let mut caller =
        Caller { world, server: &server, host: &tenant.host, credential: signed_in(&server, &tenant).await };
    lists(&caller, table).await;
    caller.credential = signed_in(&server, &tenant).await;
    reports(&caller, table).await;
    map(&caller, table).await;
    receipts(&caller, table).await;
    caller.credential = ("cookie", server.session(&tenant.host).await);
    pages(&caller, table).await;
    server.stop().await;
    let rows = read_elsewhere(world, &tenant).await - before;
    let line = Line::new("rows of other providers that full scans read meanwhile", rows.to_string());
    #[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^52")]
    table.push(line.at_most(rows as f64, 0.0, "none"));
}

/// A group, since contacts are asked for by one.
async fn add_group(world: &World, tenant: &Tenant) {
    let group = id(Kind::Group, 0);
    let add = format!(
        "INSERT INTO {}.contact_group (id, name) VALUES ('{group}', 'Figures') ON CONFLICT DO NOTHING",
        tenant.schema
    );
    world.sql.batch_execute(&add).await.expect("a group");
}

async fn signed_in(server: &Server, tenant: &Tenant) -> (&'static str, String) {
    let token = server.access_token(&server.http, &tenant.host).await;
    ("authorization", format!("Bearer {token}"))
}

/// Rows that sequential scans read of other tenants' tables. What a backend counted is
/// written down when it is idle for a second, or ends.
async fn read_elsewhere(world: &World, tenant: &Tenant) -> i64 {
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    world
        .sql
        .query_one(
            "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables \
             WHERE schemaname NOT IN ($1, 'public')",
            &[&tenant.schema],
        )
        .await
        .expect("PostgreSQL's counters")
        .get(0)
}

/// An operation that lists: its address, and each question that narrows or orders it.
struct List {
    path: String,
    questions: Vec<String>,
}

/// All lists of the API's own document. A filter that is not known here ends the run, so that none is left out.
fn lists_of(document: &Value) -> Vec<List> {
    let paths = document["paths"].as_object().expect("a document has paths");
    paths
        .iter()
        .filter_map(|(path, item)| {
            let parameters: Vec<&Map<String, Value>> =
                item["get"]["parameters"].as_array()?.iter().filter_map(Value::as_object).collect();
            let asks = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
            if !asks("limit") || !asks("cursor") {
                return None;
            }
            let mut questions = vec![String::new()];
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().expect("a parameter has a name");
                for value in values(document, path, name, parameter) {
                    let pair = url::form_urlencoded::Serializer::new(String::new())
                        .append_pair(name, &value)
                        .finish();
                    questions.push(pair);
                }
            }
            Some(List { path: of_one(path)?, questions })
        })
        .collect()
}

/// A list below one thing, of a thing that there is.
fn of_one(path: &str) -> Option<String> {
    let one = if path.contains("/customers/{id}/") {
        id(Kind::Customer, 8)
    } else if path.contains("/outages/{id}/") {
        id(Kind::Outage, 599)
    } else if path.contains('{') {
        // Of an upload's errors: there are no uploads.
        return None;
    } else {
        String::new()
    };
    Some(path.replace("{id}", &one))
}

/// What a list is asked for by one of its parameters.
fn values(document: &Value, path: &str, name: &str, parameter: &Map<String, Value>) -> Vec<String> {
    let schema = &parameter["schema"];
    let fixed = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    if let Some(reference) = schema["$ref"].as_str() {
        let choices = &document.pointer(reference.trim_start_matches('#')).expect("a schema")["enum"];
        let choices = choices.as_array().expect("choices").iter().filter_map(Value::as_str);
        return choices.map(str::to_owned).collect();
    }
    if schema["type"] == "boolean" {
        // An exact count is asked for apart from the page, and costs more than one.
        return if name == "total" { Vec::new() } else { fixed(&["true", "false"]) };
    }
    let days_ago = |days| (chrono::Utc::now() - chrono::TimeDelta::days(days)).date_naive().to_string();
    match (path.rsplit('/').next().unwrap_or_default(), name) {
        (_, "limit" | "cursor") => Vec::new(),
        // Many, few, none, and too short for an index.
        (_, "q" | "search") => fixed(&["reyes", "santos maria", "0917 0001234", "1234", "zzqx", "a"]),
        ("visits", "from") => vec![format!("{}T00:00:00Z", days_ago(300))],
        ("visits", "until") => vec![format!("{}T00:00:00Z", days_ago(300))],
        (_, "from" | "to") => vec![days_ago(300), days_ago(1)],
        ("customers", "status") => {
            fixed(&["active", "inactive", "suspended", "terminated", "inactive,suspended"])
        }
        ("outages", "status") => fixed(&["proposed", "down", "restored", "dismissed"]),
        ("tickets", "status") => {
            fixed(&["open", "pending", "assigned", "in_progress", "waiting", "resolved", "cancelled"])
        }
        ("tickets", "priority") => fixed(&["low", "medium", "high", "urgent"]),
        ("tickets", "category") => fixed(&["no_connection", "billing", "other", "upgrade,downgrade"]),
        ("tickets", "assigned_to") => vec!["none".to_owned(), id(Kind::Staff, 3), id(Kind::Staff, 29)],
        ("audit-events", "action") => fixed(&["payment.recorded", "recorded", "customer.deleted"]),
        ("audit-events", "object_type") => fixed(&["payment", "customer", "role"]),
        ("audit-events", "actor") => vec![id(Kind::Staff, 3), id(Kind::Staff, 29)],
        ("audit-events", "object_id") => vec![id(Kind::Payment, 390_000)],
        ("areas", "sort") => fixed(&["-name", "code", "-code", "created", "-created"]),
        ("lcps", "sort") => fixed(&["-code", "name", "-name"]),
        ("customers", "sort") => fixed(&["created", "name", "-name", "updated", "-updated"]),
        ("tickets", "sort") => fixed(&["created", "due", "-due"]),
        ("contacts", "sort") => fixed(&["name", "-created"]),
        ("messages", "status") => fixed(&["waiting", "expanding", "ready", "cancelled"]),
        (_, "channel") => fixed(&["sms", "email"]),
        (_, "tag") => fixed(&["vip"]),
        (_, "address") => fixed(&["+639170001234"]),
        (_, "group_id") => vec![id(Kind::Group, 0)],
        // This provider sends nothing: there is no message and no account to ask by.
        (_, "message_id" | "account_id") => Vec::new(),
        (_, "customer_id") => vec![id(Kind::Customer, 8)],
        (_, "area_id") => vec![id(Kind::Area, 9)],
        // One who has much to do, and one who has nothing.
        (_, "technician_id" | "received_by") => vec![id(Kind::Staff, 3), id(Kind::Staff, 29)],
        (_, "installation_id") => vec![id(Kind::Installation, 8)],
        (_, "plan_id") => vec![id(Kind::Plan, 2)],
        (_, "shift_id") => vec![id(Kind::Shift, 12 * 40 + 2)],
        (_, "outage_id") => vec![id(Kind::Outage, 100)],
        (_, "nap_id") => vec![id(Kind::Nap, 5)],
        (_, "lcp_id") => vec![id(Kind::Lcp, 3)],
        (_, "splitter_id") => vec![id(Kind::Splitter, 125)],
        _ => panic!("the list {path} has a filter {name} of which nothing is known here"),
    }
}

async fn lists(caller: &Caller<'_>, table: &mut Table) {
    let lists = lists_of(&caller.json("/api/openapi.json").await);
    // Whatever a connection has prepared by then, it has met every question: a plan that suits only some shows.
    for _ in 0..3 {
        for list in &lists {
            for question in &list.questions {
                caller.answer(&format!("{}?{question}", list.path), false).await;
            }
        }
    }
    for list in &lists {
        let mut costs = BTreeMap::new();
        for question in &list.questions {
            let path = format!("{}?{question}", list.path);
            costs.insert(question.as_str(), caller.cost_under(&path, false, LIST_MS).await);
        }
        for (question, cost) in costs.iter().filter(|(_, cost)| cost.ms() > LIST_MS) {
            eprintln!("    {}?{question}: {}", list.path, cost.shown());
        }
        let (slowest, cost) =
            costs.iter().max_by(|a, b| a.1.ms().total_cmp(&b.1.ms())).expect("a list is asked for");
        let of_which = if slowest.is_empty() { "without a filter" } else { slowest };
        let line = Line::new(
            format!("{}: the dearest of {} first pages ({of_which})", short(&list.path), costs.len()),
            cost.shown(),
        )
        .beside("without a filter", &format!("{:.1} ms", costs[""].ms()), cost.ms() / costs[""].ms());
        table.push(line.at_most(cost.ms(), LIST_MS, format!("under {LIST_MS} ms")));
    }
}

/// Without what all have in common, and without ids.
fn short(path: &str) -> String {
    let path = path.trim_start_matches("/api/v1");
    path.split('/').map(|part| if part.len() == 36 { "{id}" } else { part }).collect::<Vec<_>>().join("/")
}

async fn reports(caller: &Caller<'_>, table: &mut Table) {
    let index = caller.json("/api/v1/reports").await;
    let today = chrono::Utc::now().date_naive();
    let names: Vec<String> = index["items"]
        .as_array()
        .expect("reports")
        .iter()
        .filter_map(|report| report["name"].as_str().map(str::to_owned))
        .collect();
    for (span, days, bound) in [("month", 30, MONTH_MS), ("year", 365, YEAR_MS)] {
        for name in &names {
            let from = today - chrono::Days::new(days);
            let path = format!("/api/v1/reports/{name}?from={from}&to={today}");
            caller.answer(&path, false).await;
            let cost = caller.cost_under(&path, false, bound).await;
            let line = Line::new(format!("report {name} of a {span}"), cost.shown());
            table.push(line.at_most(cost.ms(), bound, format!("under {bound} ms")));
        }
    }
    let path = "/api/v1/dashboard/user-signups?days=365";
    let cost = caller.cost_under(path, false, YEAR_MS).await;
    let line = Line::new("sign-ups per day of a year", cost.shown());
    table.push(line.at_most(cost.ms(), YEAR_MS, format!("under {YEAR_MS} ms")));
}

/// The first box around the middle that shows as many points one by one as are promised.
async fn map(caller: &Caller<'_>, table: &mut Table) {
    let mut found = None;
    for step in 1..100 {
        let half = f64::from(step) * 0.002;
        let (lat, lng) = (8.5, 124.7);
        let path = format!(
            "/api/v1/plant/map?bbox={:.4},{:.4},{:.4},{:.4}",
            lng - half,
            lat - half,
            lng + half,
            lat + half
        );
        let answer = caller.json(&path).await;
        let features = answer["features"].as_array().expect("features");
        // What is gathered into cells stands apart from them.
        let points = features.len();
        if points >= MAP_POINTS {
            found = Some((path, points));
            break;
        }
    }
    let (path, points) = found.expect("the map shows so many points");
    let bytes = caller.answer(&path, true).await.len();
    let cost = caller.cost_under(&path, true, MAP_MS).await;
    let line = Line::new(format!("a box of the map with {points} points, compressed"), cost.shown());
    table.push(line.at_most(cost.ms(), MAP_MS, format!("under {MAP_MS} ms")));
    #[expect(clippy::cast_precision_loss, reason = "far fewer bytes than 2^52")]
    let kb = bytes as f64 / 1e3;
    let line = Line::new("the same on the wire", format!("{kb:.0} kB"));
    table.push(line.at_most(kb, MAP_KB, format!("under {MAP_KB} kB")));
}

async fn receipts(caller: &Caller<'_>, table: &mut Table) {
    let receipt = id(Kind::Receipt, 390_000);
    for paper in ["a4", "80mm"] {
        let path = format!("/api/v1/receipts/{receipt}/pdf?paper={paper}");
        assert!(caller.answer(&path, false).await.starts_with(b"%PDF-"), "a receipt is a PDF");
        let cost = caller.cost_under(&path, false, RECEIPT_MS).await;
        let line = Line::new(format!("a receipt as PDF, {paper}"), cost.shown());
        table.push(line.at_most(cost.ms(), RECEIPT_MS, format!("under {RECEIPT_MS} ms")));
    }
}

/// Pages count what stands on their tabs, which lists of the API do only when asked: they are shown, without a bound.
async fn pages(caller: &Caller<'_>, table: &mut Table) {
    for path in PAGES {
        caller.answer(path, false).await;
        let cost = caller.cost(path, false).await;
        table.push(Line::new(format!("the page {path} as it opens"), cost.shown()));
    }
}
