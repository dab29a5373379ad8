//! The large provider: 20,000 customers, 400,000 payments and 40,000 tickets, written by SQL in the program's own tables and kept
//! between runs. What is written is held against the rules that the program keeps: every account adds up.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::world::{Server, Tenant, World, make_tenant};

const SLUG: &str = "books";
const FILL: &str = include_str!("books.sql");
/// Reports are of the days before today: older books are written anew.
const FRESH_DAYS: i64 = 10;
/// What an account says is what its entries come to, and what its periods and payments come to; shares add up as well.
const WRONG: &str = "SELECT (SELECT count(*) FROM customer_account a WHERE a.balance <> (SELECT coalesce(sum(amount), 0) \
    FROM ledger_entry e WHERE e.customer_id = a.customer_id) OR a.balance <> (SELECT coalesce(sum(amount - credited_amount), 0) \
    FROM subscription s WHERE s.customer_id = a.customer_id) - (SELECT coalesce(sum(amount - refunded_amount), 0) FROM payment p \
    WHERE p.customer_id = a.customer_id AND p.status = 'valid')) \
    + (SELECT count(*) FROM payment p LEFT JOIN (SELECT payment_id, sum(amount) AS n FROM payment_allocation GROUP BY 1) s \
    ON s.payment_id = p.id WHERE p.allocated_amount <> coalesce(s.n, 0)) \
    + (SELECT count(*) FROM subscription p LEFT JOIN (SELECT subscription_id, sum(amount) AS n FROM payment_allocation GROUP BY 1) s \
    ON s.subscription_id = p.id WHERE p.paid_amount <> coalesce(s.n, 0)) \
    + (SELECT count(*) FROM installation i WHERE i.paid_until IS DISTINCT FROM (SELECT max(ends_at) FROM subscription s \
    WHERE s.installation_id = i.id AND s.status <> 'cancelled'))";

/// The kinds of things whose ids the books number, as `pg_temp.id` of books.sql has them.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Customer = 0,
    Staff = 1,
    Area = 2,
    Plan = 3,
    Lcp = 4,
    Splitter = 5,
    Nap = 6,
    Installation = 8,
    Shift = 17,
    Payment = 18,
    Receipt = 22,
    Outage = 23,
    Group = 90,
}

pub fn id(kind: Kind, n: u64) -> String {
    format!("019{:05x}-0000-7000-8000-{n:012x}", kind as u32)
}

/// What is remembered between runs.
#[derive(Serialize, Deserialize)]
struct Kept {
    tenant: Tenant,
    filled_on: chrono::NaiveDate,
    /// How long what was written is: another text is written anew.
    text: usize,
}

/// The provider, made and filled when it is not there or its books are old.
pub async fn open(world: &World, server: &Server) -> Tenant {
    let file = world.folder.join("books.json");
    let kept: Option<Kept> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let today = chrono::Utc::now().date_naive();
    if let Some(kept) = &kept
        && kept.text == FILL.len()
        && (today - kept.filled_on).num_days() < FRESH_DAYS
    {
        return kept.tenant.clone();
    }
    let mut tenant = match kept {
        Some(kept) => kept.tenant,
        None => make_tenant(server, &server.http, SLUG.to_owned()).await,
    };
    let found = world
        .sql
        .query_one("SELECT schema_name FROM public.tenant WHERE slug = $1", &[&SLUG])
        .await
        .expect("the provider is there");
    tenant.schema = found.get(0);
    write(&file, &Kept { tenant: tenant.clone(), filled_on: today, text: 0 });
    fill(world, &tenant.schema).await;
    seal(world, &tenant.schema).await;
    write(&file, &Kept { tenant: tenant.clone(), filled_on: today, text: FILL.len() });
    tenant
}

fn write(file: &Path, kept: &Kept) {
    let text = serde_json::to_vec_pretty(kept).expect("our own struct");
    fs::write(file, text).expect("the target folder can be written to");
}

/// The program seals the trail, as it would have all along.
async fn seal(world: &World, schema: &str) {
    let worker = world.server("worker").await;
    let began = Instant::now();
    let unsealed = format!(
        "SELECT (SELECT count(*) FROM {schema}.audit_event) - (SELECT count(*) FROM {schema}.audit_seal)"
    );
    while world.sql.query_one(&unsealed, &[]).await.expect("the trail").get::<_, i64>(0) > 0 {
        assert!(began.elapsed() < Duration::from_secs(600), "the trail of the books is not sealed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    worker.stop().await;
    for table in ["audit_event", "audit_seal"] {
        let vacuum = format!("VACUUM ANALYZE {schema}.{table}");
        world.sql.batch_execute(&vacuum).await.expect("VACUUM");
    }
}

async fn fill(world: &World, schema: &str) {
    eprintln!("writing the books of a large provider: some minutes, this once");
    // The rows refer to each other by construction, and what they come to is looked at below.
    let text = format!(
        "BEGIN; SET LOCAL search_path = {schema}, ext; SET LOCAL work_mem = '256MB'; SET LOCAL synchronous_commit = off;
         SET LOCAL client_min_messages = warning; SET LOCAL session_replication_role = replica; {FILL} COMMIT;"
    );
    world.sql.batch_execute(&text).await.unwrap_or_else(|error| panic!("the books: {error:?}"));
    let tables = world
        .sql
        .query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = $1",
            &[&schema],
        )
        .await
        .expect("the catalogue");
    for table in tables {
        let vacuum = format!("VACUUM (FREEZE, ANALYZE) {}", table.get::<_, String>(0));
        world.sql.batch_execute(&vacuum).await.expect("VACUUM");
    }
    world
        .sql
        .batch_execute(&format!("CHECKPOINT; SET search_path = {schema}, ext"))
        .await
        .expect("the books can be read");
    let wrong: i64 = world.sql.query_one(WRONG, &[]).await.expect("the books can be read").get(0);
    world.sql.batch_execute("RESET search_path").await.expect("a setting");
    assert!(wrong == 0, "{wrong} accounts, payments and periods of the books do not add up");
}
