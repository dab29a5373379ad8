//! Ten thousand messages from the API to the provider and back into the tables, and one message alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, rngs::StdRng};

use super::{Bench, number, queues, real};
use crate::{
    calls::{Cost, Subject, span},
    clock::{self, Spent},
    process::{self, Peak},
    table::{Line, Table, median},
    world::{Server, Tenant},
};

const MESSAGES: usize = 10_000;
/// Recipients of one call.
const BATCH: usize = 1_000;
const WARMING: usize = 2_000;
const ROUNDS: usize = 3;
const MEMORY_MIB: f64 = 120.0;
const BACKENDS: i64 = 40;
const PER_SECOND: f64 = 5_000.0;
/// With more than this of the machine in other hands a rate says nothing.
const FOREIGN: f64 = 0.1;
const POST_US: f64 = 400.0;

/// What a message cost, by the rounds that were run.
#[derive(Default)]
pub struct Costs {
    server_us: Vec<f64>,
    postgres_us: Vec<f64>,
    per_second: Vec<f64>,
    foreign: Vec<f64>,
}

impl Costs {
    pub fn us(&self) -> f64 {
        let sums: Vec<f64> = self.server_us.iter().zip(&self.postgres_us).map(|(a, b)| a + b).collect();
        median(&sums)
    }

    pub fn shown(&self) -> String {
        format!("{:.0} us ({:.0} + {:.0})", self.us(), median(&self.server_us), median(&self.postgres_us))
    }

    pub fn rate(&self) -> f64 {
        median(&self.per_second)
    }

    pub fn push(&mut self, spent: Spent, lasted: Duration, foreign: f64) {
        self.server_us.push(spent.0 * 1e6 / real(MESSAGES));
        self.postgres_us.push(spent.1 * 1e6 / real(MESSAGES));
        self.per_second.push(real(MESSAGES) / lasted.as_secs_f64());
        self.foreign.push(foreign);
    }
}

pub async fn measure(bench: &Bench<'_>, peers: Option<&str>, table: &mut Table) {
    let server = bench.server("all").await;
    let tenants = bench.world.read_tenants();
    let (one, many) = (&tenants[..1], &tenants[1..]);
    for tenant in tenants {
        bench.connect(&server, tenant).await;
    }
    clock::settle(bench.world).await;
    let mut next = 0;
    round(bench, &server, one, &mut next, WARMING).await;
    let peak = Peak::watch(server.pid);
    let mut costs = Costs::default();
    for _ in 0..ROUNDS {
        let (spent, lasted, foreign) = round(bench, &server, one, &mut next, MESSAGES).await;
        costs.push(spent, lasted, foreign);
    }
    let most = peak.most().await;
    table.push(Line::new(
        format!("{MESSAGES} messages of one tenant, from the API to `accepted`: CPU of each"),
        costs.shown(),
    ));
    let busy = median(&costs.foreign);
    let line = Line::new(
        "the same: messages a second",
        format!("{:.0} ({:.0} % of the machine in other hands)", costs.rate(), busy * 100.0),
    );
    let bound = format!("{PER_SECOND} on an idle machine");
    table.push(if busy <= FOREIGN { line.bound(bound, costs.rate() >= PER_SECOND) } else { line });
    let line = Line::new("the same: the server's memory at most (PSS)", format!("{most:.1} MiB"));
    table.push(line.at_most(most, MEMORY_MIB, format!("under {MEMORY_MIB} MiB")));
    let backends = bench
        .number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = 'lastmile'")
        .await;
    let line = Line::new("the same: connections to PostgreSQL", format!("{backends}"));
    table.push(line.bound(format!("at most {BACKENDS}"), backends <= BACKENDS));

    let mut spread = Costs::default();
    round(bench, &server, many, &mut next, WARMING).await;
    for _ in 0..ROUNDS {
        let (spent, lasted, foreign) = round(bench, &server, many, &mut next, MESSAGES).await;
        spread.push(spent, lasted, foreign);
    }
    table.push(Line::new(
        format!("{MESSAGES} messages of {} tenants: CPU of each", many.len()),
        format!("{}, {:.0}/s", spread.shown(), spread.rate()),
    ));
    server.stop().await;
    if let Some(folder) = peers {
        queues::measure(bench, folder, &costs, table).await;
    }
}

/// So many messages by these tenants; what they cost, how long it took, and how much of the machine was in other hands.
async fn round(
    bench: &Bench<'_>,
    server: &Server,
    tenants: &[Tenant],
    next: &mut usize,
    messages: usize,
) -> (Spent, Duration, f64) {
    bench.gateway.forget();
    for tenant in tenants {
        bench.run(tenant, "TRUNCATE message, delivery, message_count, message_hour CASCADE").await;
    }
    let each = messages.div_ceil(tenants.len());
    let (foreign, before, began) =
        (Foreign::watch(bench, server), clock::cpu(bench.world, server), Instant::now());
    let mut left = messages;
    while left > 0 {
        for tenant in tenants {
            let some = each.min(BATCH).min(left);
            if some > 0 {
                bench.send(server, tenant, &bench.message(*next..*next + some)).await;
            }
            *next += some;
            left -= some;
        }
    }
    bench.until_done(tenants, messages).await;
    let (spent, lasted) = (clock::cpu(bench.world, server).minus(before), began.elapsed());
    let foreign = foreign.share(bench, server);
    bench.assert_accepted(tenants, messages).await;
    (spent, lasted, foreign)
}

/// What of the machine is used by others than this run.
pub struct Foreign {
    began: Instant,
    machine: Duration,
    ours: Duration,
}

impl Foreign {
    pub fn watch(bench: &Bench<'_>, server: &Server) -> Self {
        Self { began: Instant::now(), machine: process::machine(), ours: Self::ours(bench, server) }
    }

    fn ours(bench: &Bench<'_>, server: &Server) -> Duration {
        // The server is a child of this process.
        let _ = server.pid;
        process::cpu_of(&[std::process::id(), bench.world.postmaster])
    }

    pub fn share(&self, bench: &Bench<'_>, server: &Server) -> f64 {
        let ours = Self::ours(bench, server).saturating_sub(self.ours);
        let others = (process::machine() - self.machine).saturating_sub(ours);
        let cores = real(std::thread::available_parallelism().map_or(1, usize::from));
        others.as_secs_f64() / self.began.elapsed().as_secs_f64() / cores
    }
}

/// One message to one recipient, by a server that does nothing else: who sends it is another process.
pub async fn post(bench: &Bench<'_>, table: &mut Table) {
    let server = bench.server("web").await;
    let tenants = bench.world.read_tenants();
    for tenant in tenants {
        bench.connect(&server, tenant).await;
    }
    let subject = Subject { address: server.address, server: server.pid, postmaster: bench.world.postmaster };
    let hosts: Vec<(String, String)> =
        tenants.iter().map(|tenant| (tenant.host.clone(), tenant.key.clone())).collect();
    for (name, with_key) in [("", false), (", with an idempotency key", true)] {
        let hosts = hosts.clone();
        let requests = Arc::new(move |rng: &mut StdRng, to: &mut Vec<u8>| {
            let (host, key) = &hosts[rng.random_range(0..hosts.len())];
            // `rng` says the same in every round, and a key that was used is answered from what is kept.
            let (n, once) = (rng.random_range(0..9_000_000), rand::random::<u64>());
            let body = format!(
                r#"{{"channels":["sms"],"to":{{"addresses":[{{"address":"{}","context":{{"name":"customer {n}"}}}}]}},"content":{{"text":"Hello {{{{ name }}}}, your appointment is tomorrow at 10:00. Reply STOP to opt out."}}}}"#,
                number(n)
            );
            let once = if with_key { format!("idempotency-key: {once}\r\n") } else { String::new() };
            to.extend_from_slice(
                format!(
                    "POST /api/v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n{once}\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
        });
        subject.warm(&requests).await;
        let mut cost = Cost::default();
        for _ in 0..ROUNDS {
            subject.round(&mut cost, span(), &requests).await;
        }
        let line = Line::new(format!("POST /api/v1/messages for one recipient{name}: CPU"), cost.shown());
        table.push(if with_key {
            line
        } else {
            line.at_most(cost.us(), POST_US, format!("under {POST_US} us"))
        });
    }
    server.stop().await;
}
