//! Signing up while a schema is ready: the server's own time, without that of hashing the owner's password.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

use super::{
    table::{Line, Table, median},
    world::World,
};

const SIGN_UPS: usize = 24;
const MOST_MS: f64 = 30.0;
const PATIENCE: Duration = Duration::from_secs(300);
/// Begins the slugs of those who sign up here, so that the next run finds them and lets them go.
const NEWCOMER: &str = "newcomer-";

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("sign-ups");
    make_schemas_ready(world).await;
    let server = world.server("web").await;
    let run = std::process::id();
    let mut hashing = Vec::new();
    for n in 0..SIGN_UPS {
        server.sign_up(&server.http, &format!("{NEWCOMER}{run}-{n}")).await;
        hashing.push(hash_ms());
    }
    let times: Vec<f64> = server
        .log_lines()
        .iter()
        .filter(|line| line["method"] == "POST" && line["status"] == 201)
        .filter_map(|line| Some(line["micros"].as_f64()? / 1e3))
        .collect();
    assert!(times.len() == SIGN_UPS, "every sign-up is in the log");
    server.stop().await;
    let (all, hash) = (median(&times), median(&hashing));
    let line =
        Line::new("a sign-up from the warm pool: p50 of the server's time", format!("{:.1} ms", all - hash))
            .beside(
                "hashing, measured beside it and taken off",
                &format!("{hash:.1} ms"),
                (all - hash) / hash,
            )
            .at_most(all - hash, MOST_MS, format!("under {MOST_MS} ms"));
    table.push(line);
}

/// Lets those of the last run go, and has the program itself make as many schemas as will be taken.
async fn make_schemas_ready(world: &World) {
    world
        .sql
        .execute(
            "UPDATE public.tenant SET status = 'closing', closes_at = now() - interval '1 minute'
             WHERE slug LIKE $1 || '%' AND status = 'active'",
            &[&NEWCOMER],
        )
        .await
        .expect("the registry can be written");
    let wanted = SIGN_UPS.to_string();
    let worker = world.server_with("worker", &world.url, &[("LASTMILE_POOL__WARM_SCHEMAS", &wanted)]).await;
    let began = Instant::now();
    loop {
        let row = world
            .sql
            .query_one(
                "SELECT (SELECT count(*) FROM public.schema_pool WHERE state = 'ready'),
                        (SELECT count(*) FROM public.tenant WHERE status = 'closing')",
                &[],
            )
            .await
            .expect("the registry can be read");
        let (ready, closing): (i64, i64) = (row.get(0), row.get(1));
        if ready >= i64::try_from(SIGN_UPS).expect("a small number") && closing == 0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{ready} schemas are ready and {closing} tenants are closing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    worker.stop().await;
}

/// One hash with the program's parameters.
fn hash_ms() -> f64 {
    let params = Params::new(19_456, 2, 1, None).expect("good parameters");
    let began = Instant::now();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(b"lively otter paints 42 fences")
        .expect("a hash");
    began.elapsed().as_secs_f64() * 1e3
}
