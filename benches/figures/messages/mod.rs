//! Messages: what one costs from the API to the provider and back into the tables, how fair the dispatcher is, what it does
//! when there is nothing to do, and whether it stays as it is over time.

mod campaign;
mod fairness;
mod gateway;
mod queues;
mod soak;
mod through;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::gateway::Gateway;
use super::{
    clock, process,
    table::{Line, Table},
    world::{Server, TENANTS, Tenant, World},
};

/// Of a core, with nothing to send.
const IDLE_SHARE: f64 = 0.01;
const IDLE_FOR: Duration = Duration::from_secs(60);
/// Every tenant's clock is looked at when a worker starts: that is not what is measured.
const PATIENCE: Duration = Duration::from_secs(600);
/// A provider on this machine is nothing that tenants may name, but for this.
const SET: [(&str, &str); 1] = [("LASTMILE_OUTBOUND__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]")];
/// Where the queues that ours is held against look for their provider.
const PEERS_GATEWAY: u16 = 5591;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The world, and the provider on this machine.
pub struct Bench<'a> {
    world: &'a World,
    gateway: Gateway,
}

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("messages");
    let peers = std::env::var("PEERS").ok();
    let port = if peers.is_some() { PEERS_GATEWAY } else { 0 };
    let gateway = Gateway::open(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let bench = Bench { world, gateway };
    bench.clear(world.read_tenants()).await;
    let asked =
        std::env::var("FIGURES_MESSAGES").unwrap_or_else(|_| "idle through post fair soak campaign".into());
    for part in asked.split_whitespace() {
        match part {
            "idle" => idle(&bench, table).await,
            "through" => through::measure(&bench, peers.as_deref(), table).await,
            "post" => through::post(&bench, table).await,
            "fair" => fairness::measure(&bench, table).await,
            "soak" => soak::measure(&bench, table).await,
            "campaign" => campaign::measure(&bench, table).await,
            other => panic!("FIGURES_MESSAGES knows no {other}"),
        }
        bench.clear(world.read_tenants()).await;
    }
}

/// A number that can be asked for by a variable of this name.
fn asked_for(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn real(n: usize) -> f64 {
    n as f64
}

/// The value below which this part of them lies, in milliseconds.
fn percentile_ms(waits: &[Duration], part: f64) -> f64 {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (real(sorted.len().saturating_sub(1)) * part).ceil() as usize;
    sorted.get(place).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
}

impl Bench<'_> {
    async fn server(&self, role: &str) -> Server {
        self.world.server_with(role, &self.world.url, &SET).await
    }

    async fn run(&self, tenant: &Tenant, statements: &str) {
        let text = format!("SET search_path = {}, ext; {statements}; RESET search_path", tenant.schema);
        self.world
            .sql
            .batch_execute(&text)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", tenant.slug));
    }

    async fn number(&self, statement: &str) -> i64 {
        let row = self.world.sql.query_one(statement, &[]).await;
        row.unwrap_or_else(|error| panic!("{statement}: {error:?}")).get(0)
    }

    /// Takes all messages and accounts of these tenants away, and lets their keys send. No server may run meanwhile.
    async fn clear(&self, tenants: &[Tenant]) {
        for tenant in tenants {
            self.run(
                tenant,
                "TRUNCATE message, delivery, message_count, message_hour, send_rate, provider_account CASCADE;
                 UPDATE api_key SET scopes = '{customers.read,customers.write,messages.read,messages.write,channels.write}'",
            )
            .await;
        }
        let slugs: Vec<String> = tenants.iter().map(|tenant| tenant.slug.clone()).collect();
        for table in ["dispatch", "dispatch_call"] {
            let sql = format!(
                "DELETE FROM public.{table} d USING public.tenant t WHERE t.id = d.tenant_id AND t.slug = ANY($1)"
            );
            self.world.sql.execute(&sql, &[&slugs]).await.expect("lanes can be cleared");
        }
        let jobs = "DELETE FROM public.job j USING public.tenant t
            WHERE t.id = j.tenant_id AND t.slug = ANY($1) AND j.kind LIKE 'message%' AND NOT j.is_standing";
        self.world.sql.execute(jobs, &[&slugs]).await.expect("jobs can be cleared");
    }

    /// Connects the provider on this machine as a gateway of the tenant's own.
    async fn connect(&self, server: &Server, tenant: &Tenant) {
        let body = json!({
            "kind": "generic", "label": "Here",
            "credential": {"base_url": self.gateway.url_of(&tenant.slug), "secret": SECRET, "sender": "Acme"},
        });
        server.post(&server.http, &tenant.host, "/api/v1/message-accounts", Some(&tenant.key), &body).await;
    }

    async fn send(&self, server: &Server, tenant: &Tenant, body: &Value) -> Value {
        server.post(&server.http, &tenant.host, "/api/v1/messages", Some(&tenant.key), body).await
    }

    /// A message to these recipients by number, each with a word of its own.
    fn message(&self, numbers: std::ops::Range<usize>) -> Value {
        let addresses: Vec<Value> = numbers
            .map(|n| json!({"address": number(n), "context": {"name": format!("customer {n}")}}))
            .collect();
        let text = format!(
            "Hello {{{{ name }}}}, your appointment is tomorrow at 10:00. Reply STOP to opt out. {}",
            self.gateway.mark()
        );
        json!({"channels": ["sms"], "to": {"addresses": addresses}, "content": {"text": text}})
    }

    /// Waits until the provider has so many messages, and until all of these tenants' deliveries have been written down.
    async fn until_done(&self, tenants: &[Tenant], messages: usize) {
        let began = Instant::now();
        let wanted = u64::try_from(messages).expect("a count");
        while self.gateway.posts() < wanted {
            patience(began, Duration::from_millis(10)).await;
        }
        for tenant in tenants {
            let left = format!("SELECT count(*) FROM {}.delivery_queue", tenant.schema);
            while self.number(&left).await > 0 {
                patience(began, Duration::from_millis(20)).await;
            }
        }
    }

    /// That so many deliveries of these tenants were accepted, and none fared otherwise.
    async fn assert_accepted(&self, tenants: &[Tenant], messages: usize) {
        let (mut accepted, mut others) = (0, 0);
        for tenant in tenants {
            let schema = &tenant.schema;
            let by =
                |word: &str| format!("SELECT count(*) FROM {schema}.delivery WHERE status {word} 'accepted'");
            accepted += self.number(&by("=")).await;
            others += self.number(&by("<>")).await;
        }
        assert!(
            usize::try_from(accepted).is_ok_and(|n| n == messages) && others == 0,
            "{accepted} of {messages} were accepted, {others} fared otherwise"
        );
    }
}

/// The n-th number of a numbering plan.
fn number(n: usize) -> String {
    format!("+63917{:07}", 1_000_000 + n % 9_000_000)
}

async fn patience(began: Instant, pause: Duration) {
    assert!(began.elapsed() < PATIENCE, "the messages do not come to an end");
    tokio::time::sleep(pause).await;
}

/// A worker with 500 tenants and nothing to do.
async fn idle(bench: &Bench<'_>, table: &mut Table) {
    let server = bench.server("worker").await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    clock::settle(bench.world).await;
    let commits =
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    bench.world.sql.batch_execute("CHECKPOINT").await.expect("CHECKPOINT");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, began, commits_before) =
        (clock::cpu(bench.world, &server), Instant::now(), bench.number(commits).await);
    tokio::time::sleep(IDLE_FOR).await;
    let spent = clock::cpu(bench.world, &server).minus(before);
    let lasted = began.elapsed().as_secs_f64();
    // Backends report what they did once in a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let units = bench.number(commits).await - commits_before;
    server.stop().await;
    let alone = alone(bench.world).await;
    let share = spent.s() / lasted - alone;
    let line = Line::new(
        format!(
            "a worker with {TENANTS} tenants and nothing to send: CPU of a core, without what PostgreSQL uses alone"
        ),
        format!(
            "{:.2} %: {} a minute, {units} transactions; PostgreSQL alone {:.2} %",
            share * 100.0,
            spent.shown(),
            alone * 100.0
        ),
    );
    table.push(line.at_most(share, IDLE_SHARE, "under 1 %"));
}

/// What PostgreSQL uses of a core when nobody asks it anything: autovacuum looks at every table of every tenant.
async fn alone(world: &World) -> f64 {
    let cpu = || process::cpu_of(&[world.postmaster]);
    let (before, began) = (cpu(), Instant::now());
    tokio::time::sleep(IDLE_FOR).await;
    cpu().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64()
}
