//! Fairness: who sends little does not wait for who sends much, and equals are served alike.

use std::time::{Duration, Instant};

use super::{Bench, asked_for, patience, percentile_ms, real};
use crate::{
    clock,
    table::{Line, Table},
    world::{Server, Tenant},
};

/// What the busy tenant queues; `FIGURES_QUEUED=200000` for the long version.
const QUEUED: usize = 40_000;
const LONG: usize = 200_000;
/// Recipients of one call, at most.
const CALL: usize = 10_000;
/// How often the other one sends: once a second while there is much to wait for, else more often, so that there is something to count.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_SHORT: Duration = Duration::from_millis(200);
const IDLE_SAMPLES: usize = 40;
const LATER_MS: f64 = 100.0;
const EQUALS: usize = 8;
const EACH: usize = 4_000;
const JAIN: f64 = 0.95;

pub async fn measure(bench: &Bench<'_>, table: &mut Table) {
    eprintln!("fairness");
    beside_a_busy_one(bench, table).await;
    bench.clear(bench.world.read_tenants()).await;
    equals(bench, table).await;
}

async fn beside_a_busy_one(bench: &Bench<'_>, table: &mut Table) {
    let queued = asked_for("FIGURES_QUEUED", QUEUED);
    let every = if queued >= LONG { EVERY } else { EVERY_SHORT };
    let (busy, other) = (&bench.world.tenants[0], &bench.world.tenants[1]);
    let server = bench.server("all").await;
    for tenant in [busy, other] {
        bench.connect(&server, tenant).await;
    }
    clock::settle(bench.world).await;
    bench.gateway.forget();
    let mut next = 0;
    for n in 0..IDLE_SAMPLES + 5 {
        // The first ones meet statements that nobody has prepared yet.
        if n == 5 {
            until_heard(bench, other, n).await;
            bench.gateway.forget();
        }
        one(bench, &server, other, &mut next).await;
        tokio::time::sleep(EVERY_SHORT).await;
    }
    until_heard(bench, other, IDLE_SAMPLES).await;
    let idle = bench.gateway.waits_of(&other.slug);

    bench.gateway.forget();
    let began = Instant::now();
    let mut left = queued;
    while left > 0 {
        let some = left.min(CALL);
        bench.send(&server, busy, &bench.message(next..next + some)).await;
        next += some;
        left -= some;
    }
    let taken_before = bench.gateway.counts().get(&busy.slug).copied().unwrap_or_default();
    let mut samples = 0;
    // The last of them find an emptier queue: they are not asked for.
    while bench.gateway.counts().get(&busy.slug).copied().unwrap_or_default() < queued * 95 / 100 {
        one(bench, &server, other, &mut next).await;
        samples += 1;
        patience(began, every).await;
    }
    until_heard(bench, other, samples).await;
    let beside = bench.gateway.waits_of(&other.slug);
    let (idle_p99, beside_p99) = (percentile_ms(&idle, 0.99), percentile_ms(&beside, 0.99));
    let line = Line::new(
        format!(
            "one message at a time beside a tenant with {} queued: p99 from the API to the provider",
            queued - taken_before
        ),
        format!("{beside_p99:.0} ms (p50 {:.0}, {samples} of them)", percentile_ms(&beside, 0.5)),
    )
    .beside(
        "alone",
        &format!("{idle_p99:.0} ms (p50 {:.0})", percentile_ms(&idle, 0.5)),
        beside_p99 / idle_p99,
    );
    table.push(line.at_most(
        beside_p99,
        idle_p99 + LATER_MS,
        format!("at most {LATER_MS} ms later = {:.0} ms", idle_p99 + LATER_MS),
    ));
    server.stop().await;
}

async fn one(bench: &Bench<'_>, server: &Server, tenant: &Tenant, next: &mut usize) {
    bench.send(server, tenant, &bench.message(*next..*next + 1)).await;
    *next += 1;
}

async fn until_heard(bench: &Bench<'_>, tenant: &Tenant, messages: usize) {
    let began = Instant::now();
    while bench.gateway.waits_of(&tenant.slug).len() < messages {
        patience(began, Duration::from_millis(20)).await;
    }
}

/// All have queued the same before anybody is served; it is looked at when the first of them has nothing left.
async fn equals(bench: &Bench<'_>, table: &mut Table) {
    let tenants = &bench.world.tenants[..EQUALS];
    let web = bench.server("web").await;
    bench.gateway.forget();
    for (n, tenant) in tenants.iter().enumerate() {
        bench.connect(&web, tenant).await;
        bench.send(&web, tenant, &bench.message(n * EACH..(n + 1) * EACH)).await;
    }
    web.stop().await;
    let worker = bench.server("worker").await;
    let began = Instant::now();
    let served = loop {
        let counts = bench.gateway.counts();
        let served: Vec<usize> =
            tenants.iter().map(|tenant| counts.get(&tenant.slug).copied().unwrap_or_default()).collect();
        if served.iter().any(|n| *n >= EACH * 9 / 10) {
            break served;
        }
        patience(began, Duration::from_millis(5)).await;
    };
    let (sum, squares) = served.iter().fold((0.0, 0.0), |(sum, squares), n| {
        let n = real(*n);
        (sum + n, squares + n * n)
    });
    let jain = sum * sum / (real(EQUALS) * squares);
    let line = Line::new(
        format!("{EQUALS} equal tenants with {EACH} queued each: Jain's index"),
        format!(
            "{jain:.3} ({} to {})",
            served.iter().min().expect("some"),
            served.iter().max().expect("some")
        ),
    );
    table.push(line.bound(format!("at least {JAIN}"), jain >= JAIN));
    bench.until_done(tenants, EQUALS * EACH).await;
    worker.stop().await;
}
