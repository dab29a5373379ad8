//! Entering a tenant takes no round trip of its own: with every reply of PostgreSQL held back, a read takes one such delay.

use std::time::{Duration, Instant};

use super::{
    relay::Relay,
    table::{Line, Table, median},
    world::{World, customer_id},
};

const DELAY: Duration = Duration::from_millis(5);
const READS: usize = 60;
/// Every connection of the pool has to have prepared the statement once.
const WARMING: usize = 40;

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("round trips");
    let relay = Relay::open(world.postgres_address(), DELAY).await;
    let server = world.server_with("web", &world.url_by(relay.address), &[]).await;
    let tenant = &world.tenants[0];
    let paths = [
        ("25 customers", "/api/v1/customers?limit=25".to_owned()),
        ("one customer", format!("/api/v1/customers/{}", customer_id(1))),
    ];
    for (name, path) in paths {
        let mut times = Vec::new();
        for n in 0..WARMING + READS {
            let sent = Instant::now();
            server.get(&tenant.host, &path, &tenant.key).await;
            if n >= WARMING {
                times.push(sent.elapsed().as_secs_f64() * 1e3);
            }
        }
        let time = median(&times);
        let delay = DELAY.as_secs_f64() * 1e3;
        let line = Line::new(
            format!("{name}, each reply of PostgreSQL {delay:.0} ms late: p50"),
            format!("{time:.1} ms"),
        )
        .beside("delay", &format!("{delay:.1} ms"), time / delay)
        .at_most(time, 2.0 * delay, format!("under two delays = {:.0} ms", 2.0 * delay));
        table.push(line);
    }
    server.stop().await;
}
