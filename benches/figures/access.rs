//! Getting in: what knowing a credential costs a request, what many log-ins at once cost everybody else, and the console's
//! list of all tenants.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, rngs::StdRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    calls::{Cost, Gets, LIST, ROUNDS, Subject, bearers, span, subject},
    load, process,
    table::{Line, Table, median},
    world::{BASE_DOMAIN, PASSWORD, Server, World, owner_email},
};

const CREDENTIAL_US: f64 = 15.0;
const LOG_INS: usize = 200;
/// Connections that read meanwhile: fewer than would keep both cores busy by themselves.
const READERS: usize = 2;
const LATER_MS: f64 = 150.0;
const LISTED: usize = 2_000;
const LIST_MS: f64 = 50.0;
const LISTS: usize = 60;
/// Begins the slugs of the tenants that are there to be listed and have no schema.
const LISTED_ONLY: &str = "listed-";

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("access");
    let server = world.server("web").await;
    credentials(world, &server, table).await;
    log_ins(world, &server, table).await;
    console(world, &server, table).await;
    server.stop().await;
}

/// Requests that are refused, of tenants at random.
struct Refused {
    requests: Vec<String>,
    status: u16,
}

impl Refused {
    fn new(status: u16, requests: impl Iterator<Item = String>) -> Arc<Self> {
        Arc::new(Self { requests: requests.collect(), status })
    }
}

impl load::Requests for Refused {
    fn write(&self, rng: &mut StdRng, to: &mut Vec<u8>) {
        to.extend_from_slice(self.requests[rng.random_range(0..self.requests.len())].as_bytes());
    }

    fn is_good(&self, status: u16) -> bool {
        status == self.status
    }
}

/// Two refusals by turns, neither of which asks the database anything: one of somebody whose credential was looked at, one of
/// somebody who needs none or showed none. What lies between them is the credential.
async fn credentials(world: &World, server: &Server, table: &mut Table) {
    let hosts: Vec<&String> = world.read_tenants().iter().map(|tenant| &tenant.host).collect();
    let get = |headers: &[String]| -> Vec<String> {
        let both = hosts.iter().zip(headers);
        both.map(|(host, own)| {
            format!("GET /api/v1/customers?limit=none HTTP/1.1\r\nhost: {host}\r\n{own}\r\n")
        })
        .collect()
    };
    let keys = bearers(world.read_tenants().iter().map(|tenant| tenant.key.clone()));
    let (mut tokens, mut cookies) = (Vec::new(), Vec::new());
    for host in &hosts {
        tokens.push(server.access_token(&server.http, host).await);
        cookies.push(format!("cookie: {}\r\n", server.session(host).await));
    }
    let tokens = bearers(tokens.into_iter());
    let nothing = get(&vec![String::new(); hosts.len()]);
    // The same form without its Origin: sent to a page for anyone, and to one for those who are signed in.
    let post = |path: &str| -> Vec<String> {
        let both = hosts.iter().zip(&cookies);
        both.map(|(host, own)| {
            format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n{own}content-length: 0\r\n\r\n")
        })
        .collect()
    };
    for (name, with, without) in [
        (
            "an API key",
            Refused::new(422, get(&keys).into_iter()),
            Refused::new(401, nothing.clone().into_iter()),
        ),
        (
            "an access token",
            Refused::new(422, get(&tokens).into_iter()),
            Refused::new(401, nothing.into_iter()),
        ),
        (
            "a session",
            Refused::new(403, post("/sign-out").into_iter()),
            Refused::new(403, post("/sign-in").into_iter()),
        ),
    ] {
        let (with, without) = by_turns(&subject(world, server), &with, &without).await;
        let us = with.us() - without.us();
        let line = Line::new(format!("{name} that is known: CPU of the check"), format!("{us:.1} us"))
            .beside("a request that is refused without it", &without.shown(), with.us() / without.us())
            .at_most(us, CREDENTIAL_US, format!("{CREDENTIAL_US} us"));
        table.push(line);
    }
}

async fn by_turns(subject: &Subject, with: &Arc<Refused>, without: &Arc<Refused>) -> (Cost, Cost) {
    subject.warm(with).await;
    subject.warm(without).await;
    let (mut one, mut other) = (Cost::default(), Cost::default());
    for _ in 0..ROUNDS {
        subject.round(&mut one, span(), with).await;
        subject.round(&mut other, span(), without).await;
    }
    (one, other)
}

/// Reads by themselves, and the same while 200 people log in at every moment.
async fn log_ins(world: &World, server: &Server, table: &mut Table) {
    let keys = bearers(world.read_tenants().iter().map(|tenant| tenant.key.clone()));
    let reads = Gets::new(world, LIST.0, LIST.1, &keys);
    load::run(server.address, READERS, span(), reads.clone()).await;
    let idle = load::run(server.address, READERS, span() * 2, reads.clone()).await;
    let stop = CancellationToken::new();
    let mut people = JoinSet::new();
    for tenant in &world.tenants[..LOG_INS] {
        people.spawn(log_in_again_and_again(
            server.http.clone(),
            format!("http://{}/api/v1/auth/token", server.address),
            tenant.host.clone(),
            owner_email(&tenant.slug),
            stop.clone(),
        ));
    }
    let peak = process::Peak::watch(server.pid);
    let busy = load::run(server.address, READERS, span() * 2, reads).await;
    stop.cancel();
    let mut took: Vec<Duration> = people.join_all().await.into_iter().flatten().collect();
    took.sort_unstable();
    let p99 = |outcome: &load::Outcome| outcome.percentile(0.99).as_secs_f64() * 1e3;
    let most = p99(&idle) + LATER_MS;
    table.push(
        Line::new(
            format!("25 customers while {LOG_INS} people log in: p99"),
            format!("{:.1} ms", p99(&busy)),
        )
        .beside("without them", &format!("{:.1} ms", p99(&idle)), p99(&busy) / p99(&idle))
        .at_most(p99(&busy), most, format!("idle + {LATER_MS} ms = {most:.0} ms")),
    );
    table.push(Line::new(
        format!("those {LOG_INS} meanwhile"),
        format!(
            "{} log-ins, {:.1} s in the middle, {:.1} s at most, {:.0} MiB",
            took.len(),
            took.get(took.len() / 2).map_or(0.0, Duration::as_secs_f64),
            took.last().map_or(0.0, Duration::as_secs_f64),
            peak.most().await,
        ),
    ));
}

/// How long each took. None may be refused: they wait in line.
async fn log_in_again_and_again(
    http: reqwest::Client,
    url: String,
    host: String,
    email: String,
    stop: CancellationToken,
) -> Vec<Duration> {
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let mut took = Vec::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let request = http.post(&url).header("host", &host).header("content-type", "application/json");
        let answer = request.body(body.clone()).send().await.expect("the server answers");
        assert!(answer.status().is_success(), "logging in at {host}: {}", answer.status());
        took.push(began.elapsed());
    }
    took
}

/// The console's first page of tenants, with as many of them as a large deployment has.
async fn console(world: &World, server: &Server, table: &mut Table) {
    forget(world).await;
    // Rows alone: the list reads nothing of a tenant's own schema. No worker runs that would look for one.
    let rows = format!(
        "WITH one AS (SELECT id, schema_name, shard, time_zone, currency, country FROM public.tenant
            WHERE status = 'active' ORDER BY slug LIMIT 1),
         made AS (
            INSERT INTO public.tenant (id, slug, name, schema_name, shard, status, time_zone, currency, country, created_at)
            SELECT gen_random_uuid(), '{LISTED_ONLY}' || g, 'Listed ' || g,
                't_' || translate(lpad(g::text, 12, 'z'), '0189', 'abcd'), shard, 'active', time_zone, currency, country,
                now() - make_interval(mins => g)
            FROM one, generate_series(1, {}) g RETURNING id, schema_name, created_at),
         states AS (
            INSERT INTO public.tenant_schema_state (schema_name, version, state)
            SELECT made.schema_name, s.version, 'current' FROM made, one JOIN public.tenant_schema_state s USING (schema_name)),
         plans AS (
            INSERT INTO public.tenant_plan (tenant_id, plan_id, plan_name, monthly_price, currency, chosen_by)
            SELECT made.id, h.plan_id, h.plan_name, h.monthly_price, h.currency, h.chosen_by
            FROM made, one JOIN public.tenant_plan h ON h.tenant_id = one.id AND h.until IS NULL)
         INSERT INTO public.tenant_figure (tenant_id, bytes, customers, staff, dead_letters, events, active_at)
         SELECT id, 3000000, 400, 5, 0, 1000, created_at FROM made",
        LISTED - world.tenants.len()
    );
    world.sql.batch_execute(&rows).await.expect("the registry can be written");
    let token = "the-token-of-a-person-who-measures";
    let person = format!(
        "INSERT INTO public.platform_staff (id, email, name, role) VALUES ('{MEASURER}', 'm@figures.example', 'M', 'read_only');
         INSERT INTO public.platform_totp (staff_id, sealed_secret, confirmed_at) VALUES ('{MEASURER}', '', now());
         INSERT INTO public.platform_session (id, token_hash, staff_id, is_whole, expires_at)
         VALUES (gen_random_uuid(), sha256('{token}'::bytea), '{MEASURER}', true, now() + interval '1 hour');
         ANALYZE public.tenant, public.tenant_schema_state, public.tenant_plan, public.tenant_figure"
    );
    world.sql.batch_execute(&person).await.expect("the control plane can be written");
    let mut times = Vec::new();
    let mut html = String::new();
    for _ in 0..LISTS {
        let request = server
            .http
            .get(format!("http://{}/console/tenants", server.address))
            .header("host", BASE_DOMAIN)
            .header("cookie", format!("__Host-lm_console={token}"));
        let began = Instant::now();
        let answer = request.send().await.expect("the server answers");
        assert!(answer.status().is_success(), "the console: {}", answer.status());
        html = answer.text().await.expect("a page");
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    assert!(
        html.contains(LISTED_ONLY) || html.contains(&world.tenants[0].slug),
        "the list has tenants in it"
    );
    forget(world).await;
    let time = median(&times);
    let line = Line::new(format!("the console's list, {LISTED} tenants: p50"), format!("{time:.1} ms"))
        .at_most(time, LIST_MS, format!("{LIST_MS} ms"));
    table.push(line);
}

const MEASURER: &str = "00000000-0000-4000-8000-0000000f19e5";

/// Takes away what an earlier run may have left.
async fn forget(world: &World) {
    let sql = format!(
        "DELETE FROM public.platform_session WHERE staff_id = '{MEASURER}';
         DELETE FROM public.platform_totp WHERE staff_id = '{MEASURER}';
         DELETE FROM public.platform_staff WHERE id = '{MEASURER}';
         DELETE FROM public.tenant_schema_state WHERE schema_name IN
            (SELECT schema_name FROM public.tenant WHERE slug LIKE '{LISTED_ONLY}%');
         DELETE FROM public.tenant_slug WHERE slug LIKE '{LISTED_ONLY}%';
         DELETE FROM public.tenant WHERE slug LIKE '{LISTED_ONLY}%'"
    );
    world.sql.batch_execute(&sql).await.expect("the control plane can be written");
}
