//! Over time: 500 messages a second, and nothing that grows but what is kept.

use std::time::{Duration, Instant};

use super::{Bench, asked_for, percentile_ms, real};
use crate::{
    clock, process,
    table::{Line, Table},
    world::{Server, Tenant},
};

/// `FIGURES_SOAK=1800` for the long version.
const SECONDS: usize = 60;
const PER_SECOND: usize = 500;
const CALLS_PER_SECOND: usize = 5;
const TENANTS: usize = 5;
/// The whole time is looked at in so many parts; the first one warms up.
const PARTS: usize = 6;
const MORE_MIB: f64 = 20.0;
const MORE_TABLES_MIB: f64 = 4.0;
const LATER_MS: f64 = 50.0;

/// What one part of the time came to.
struct Part {
    p50_ms: f64,
    p99_ms: f64,
    memory: f64,
    /// Of the tables that messages only pass through, in MiB.
    tables: f64,
}

pub async fn measure(bench: &Bench<'_>, table: &mut Table) {
    let seconds = asked_for("FIGURES_SOAK", SECONDS).max(PARTS);
    eprintln!("{seconds} seconds at {PER_SECOND} a second");
    let tenants = &bench.world.tenants[..TENANTS];
    let server = bench.server("all").await;
    for tenant in tenants {
        bench.connect(&server, tenant).await;
    }
    clock::settle(bench.world).await;
    let (before, began) = (clock::cpu(bench.world, &server), Instant::now());
    let mut parts = Vec::new();
    let (mut next, mut late) = (0, Duration::ZERO);
    let mut tick =
        tokio::time::interval(Duration::from_secs(1) / u32::try_from(CALLS_PER_SECOND).expect("few"));
    for _ in 0..PARTS {
        bench.gateway.forget();
        for call in 0..seconds / PARTS * CALLS_PER_SECOND {
            let due = tick.tick().await;
            late = late.max(due.elapsed());
            let some = PER_SECOND / CALLS_PER_SECOND;
            bench.send(&server, &tenants[call % TENANTS], &bench.message(next..next + some)).await;
            next += some;
        }
        parts.push(part(bench, &server, tenants).await);
    }
    let lasted = began.elapsed().as_secs_f64();
    let spent = clock::cpu(bench.world, &server).minus(before);
    let left = Instant::now();
    for tenant in tenants {
        while bench.number(&format!("SELECT count(*) FROM {}.delivery_queue", tenant.schema)).await > 0 {
            super::patience(left, Duration::from_millis(50)).await;
        }
    }
    bench.assert_accepted(tenants, next).await;
    show(table, &parts, &format!("{seconds} s at {:.0} messages a second", real(next) / lasted));
    table.push(Line::new(
        "the same: CPU of each message, calls of 100 recipients",
        format!(
            "{:.0} us ({:.0} + {:.0})",
            spent.s() * 1e6 / real(next),
            spent.0 * 1e6 / real(next),
            spent.1 * 1e6 / real(next)
        ),
    ));
    table.push(Line::new(
        "the same: what of the deliveries' updates took no new index entries (HOT); dead rows for each live one",
        hot(bench, tenants).await,
    ));
    server.stop().await;
}

async fn part(bench: &Bench<'_>, server: &Server, tenants: &[Tenant]) -> Part {
    let waits: Vec<Duration> =
        tenants.iter().flat_map(|tenant| bench.gateway.waits_of(&tenant.slug)).collect();
    let mut bytes = 0;
    for tenant in tenants {
        for name in ["delivery_queue", "send_rate", "message_count", "message_hour", "provider_account"] {
            bytes +=
                bench.number(&format!("SELECT pg_total_relation_size('{}.{name}')", tenant.schema)).await;
        }
    }
    for name in ["dispatch", "dispatch_call", "job"] {
        bytes += bench.number(&format!("SELECT pg_total_relation_size('public.{name}')")).await;
    }
    Part {
        p50_ms: percentile_ms(&waits, 0.5),
        p99_ms: percentile_ms(&waits, 0.99),
        memory: process::memory_of(server.pid),
        tables: real(usize::try_from(bytes).unwrap_or_default()) / 1_048_576.0,
    }
}

fn show(table: &mut Table, parts: &[Part], what: &str) {
    let (Some(first), Some(last)) = (parts.get(1), parts.last()) else { return };
    let line = Line::new(
        format!("{what}: p99 from the API to the provider, in the second and the last sixth"),
        format!(
            "{:.0} and {:.0} ms (p50 {:.0} and {:.0})",
            first.p99_ms, last.p99_ms, first.p50_ms, last.p50_ms
        ),
    );
    table.push(line.at_most(last.p99_ms, first.p99_ms + LATER_MS, format!("at most {LATER_MS} ms later")));
    let line = Line::new(
        "the same: the server's memory (PSS)",
        format!("{:.1} and {:.1} MiB", first.memory, last.memory),
    );
    table.push(line.at_most(last.memory, first.memory + MORE_MIB, format!("at most {MORE_MIB} MiB more")));
    let line = Line::new(
        "the same: tables that messages only pass through",
        format!("{:.1} and {:.1} MiB", first.tables, last.tables),
    );
    table.push(line.at_most(
        last.tables,
        first.tables + MORE_TABLES_MIB,
        format!("at most {MORE_TABLES_MIB} MiB more"),
    ));
}

async fn hot(bench: &Bench<'_>, tenants: &[Tenant]) -> String {
    // Backends report what they did once in a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut hot, mut all, mut dead, mut live) = (0, 0, 0, 0);
    for tenant in tenants {
        let of = |column: &str| {
            format!(
                "SELECT {column} FROM pg_stat_user_tables WHERE schemaname = '{}' AND relname = 'delivery'",
                tenant.schema
            )
        };
        hot += bench.number(&of("n_tup_hot_upd")).await;
        all += bench.number(&of("n_tup_upd")).await;
        dead += bench.number(&of("n_dead_tup")).await;
        live += bench.number(&of("n_live_tup")).await;
    }
    format!("{} %; {dead} for {live}", hot * 100 / all.max(1))
}
