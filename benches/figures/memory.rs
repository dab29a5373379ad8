//! What the server and PostgreSQL's backends hold.

use std::{sync::Arc, time::Duration};

use rand::{Rng, rngs::StdRng};

use super::{
    calls::span,
    load, process,
    table::{Line, Table, median},
    world::{TENANTS, World, customer_id},
};

const IDLE_MIB: f64 = 40.0;
const SERVED_MIB: f64 = 120.0;
const SERVED_TENANTS: usize = 200;
const SERVED_CONNECTIONS: usize = 64;
const BACKENDS_MIB: f64 = 400.0;
const READY_S: f64 = 1.0;
const STARTS: usize = 3;
/// Warm schemas are looked after and caches are filled: what comes right after the start is over.
const SETTLING: Duration = Duration::from_secs(4);

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("starts and memory");
    // The first start makes the warm schemas that the measured ones find.
    let first = world.server("all").await;
    tokio::time::sleep(SETTLING).await;
    first.stop().await;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let server = world.server("all").await;
        starts.push(server.ready_after.as_secs_f64());
        server.stop().await;
    }
    let start = median(&starts);
    let line = Line::new(format!("from start to ready with {TENANTS} tenants"), format!("{start:.2} s"));
    table.push(line.at_most(start, READY_S, format!("{READY_S} s")));

    let server = world.server("all").await;
    tokio::time::sleep(SETTLING).await;
    let idle = process::memory_of(server.pid);
    let line = Line::new("the idle server's memory (PSS)", format!("{idle:.1} MiB"));
    table.push(line.at_most(idle, IDLE_MIB, format!("under {IDLE_MIB} MiB")));

    load::run(server.address, SERVED_CONNECTIONS, span() * 2, reads(world, SERVED_TENANTS)).await;
    let served = process::memory_of(server.pid);
    let line = Line::new(
        format!("the same after {SERVED_TENANTS} tenants at {SERVED_CONNECTIONS} connections"),
        format!("{served:.1} MiB"),
    );
    table.push(line.at_most(served, SERVED_MIB, format!("under {SERVED_MIB} MiB")));

    load::run(server.address, SERVED_CONNECTIONS, span() * 2, reads(world, TENANTS)).await;
    let (count, backends) = backends(world).await;
    let line = Line::new(
        format!("PostgreSQL's {count} backends together (PSS) after {TENANTS} tenants at random"),
        format!("{backends:.0} MiB"),
    );
    table.push(line.at_most(backends, BACKENDS_MIB, format!("under {BACKENDS_MIB} MiB")));
    server.stop().await;
}

/// Lists and single customers by turns, of the first `tenants` tenants at random.
fn reads(world: &World, tenants: usize) -> Arc<impl load::Requests> {
    let hosts: Vec<(String, String)> =
        world.tenants[..tenants].iter().map(|tenant| (tenant.host.clone(), tenant.key.clone())).collect();
    Arc::new(move |rng: &mut StdRng, to: &mut Vec<u8>| {
        let (host, key) = &hosts[rng.random_range(0..hosts.len())];
        let path = if rng.random() {
            "/api/v1/customers?limit=25&total=true".to_owned()
        } else {
            format!("/api/v1/customers/{}", customer_id(rng.random_range(1..=20)))
        };
        to.extend_from_slice(
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n").as_bytes(),
        );
    })
}

/// How many backends serve the program, and what they hold. Shared buffers count by each one's share of them.
async fn backends(world: &World) -> (usize, f64) {
    let rows = world
        .sql
        .query(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = 'lastmile'",
            &[],
        )
        .await
        .expect("PostgreSQL's activity");
    let pids: Vec<u32> = rows.iter().filter_map(|row| u32::try_from(row.get::<_, i32>(0)).ok()).collect();
    (pids.len(), pids.iter().map(|pid| process::memory_of(*pid)).sum())
}
