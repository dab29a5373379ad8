//! Periods that end, over all tenants: what a round of the clock costs when one in a hundred is due, and when none is.

use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::{
    process,
    table::{Line, Table},
    world::{Server, TENANTS, World},
};

const PERIODS: usize = 1_000;
/// One in a hundred.
const DUE: usize = 10;
const ROUND_S: f64 = 3.0;
const IDLE_S: f64 = 0.2;
/// A round is a minute: so often a period's end may be looked for.
const ROUND: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(300);

/// A plan, and so many installations with a period that runs for a year more: of the customers that the tenant has, and brought
/// from elsewhere, so that they cost nothing and the accounts stay as they are.
const FILL: &str = "INSERT INTO plan (id, name, download_mbps, upload_mbps, price)
        VALUES ('01a00000-0000-7000-8000-000000000000', 'The clock''s', 25, 25, 900) ON CONFLICT DO NOTHING;
    CREATE TEMP TABLE held AS SELECT g, ('01a10000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid AS installation,
        ('01a20000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid AS period,
        ('019000000000700080' || lpad(to_hex(1 + g % 20), 14, '0'))::uuid AS customer,
        date_trunc('minute', now()) - interval '20 days' AS starts_at FROM generate_series(1, 1000) g;
    INSERT INTO installation (id, customer_id, status, installed_on, paid_until)
        SELECT installation, customer, 'active', starts_at::date, starts_at + interval '400 days' FROM held ON CONFLICT DO NOTHING;
    INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, amount, starts_at,
        ends_at, sold_minutes, days_added, sold_by_label)
        SELECT period, installation, customer, '01a00000-0000-7000-8000-000000000000', 'The clock''s', 'opening', 900, 30, 'vatable', 0,
        starts_at, starts_at + interval '400 days', 576000, 400, 'figures' FROM held ON CONFLICT DO NOTHING;
    DROP TABLE held;";

/// Puts the periods back that an earlier round ended, and lets the next ones end a minute ago.
const MAKE_DUE: &str = "DELETE FROM subscription_reminder WHERE subscription_id >= '01a20000-0000-7000-8000-000000000000';
    DELETE FROM event WHERE customer_id IN (SELECT customer_id FROM installation WHERE id >= '01a10000-0000-7000-8000-000000000000');
    DELETE FROM notice WHERE href = '/my' AND text LIKE 'Your plan The clock%';
    UPDATE subscription SET status = 'active', starts_at = date_trunc('minute', now()) - interval '20 days',
        ends_at = date_trunc('minute', now()) + interval '380 days'
        WHERE id >= '01a20000-0000-7000-8000-000000000000' AND ends_at < now() + interval '100 days';
    UPDATE subscription SET starts_at = date_trunc('minute', now()) - interval '400 days' - interval '1 minute',
        ends_at = date_trunc('minute', now()) - interval '1 minute' WHERE id IN (SELECT ('01a20000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
        FROM generate_series(100, 1000, 100) n);
    UPDATE installation i SET status = 'active', paid_until = s.ends_at FROM subscription s
        WHERE s.installation_id = i.id AND s.id >= '01a20000-0000-7000-8000-000000000000' AND i.paid_until <> s.ends_at";

/// The rows that a round writes and nothing that finds out what to write, of one tenant in one statement: what they cost at least,
/// whatever program asks for them.
const BARE: &str = "WITH ended AS (UPDATE subscription SET status = 'expired', updated_at = now()
            WHERE status = 'active' AND ends_at <= now() RETURNING id, installation_id, customer_id, plan_name),
        off AS (UPDATE installation i SET status = 'inactive', updated_at = now() FROM ended e WHERE i.id = e.installation_id
            RETURNING i.id, i.customer_id),
        reminded AS (INSERT INTO subscription_reminder (subscription_id, days_before) SELECT id, 0 FROM ended),
        events AS (INSERT INTO event (id, kind, subject_id, customer_id, payload)
            SELECT gen_random_uuid(), k.kind, e.id, e.customer_id, jsonb_build_object('plan', e.plan_name) FROM ended e
            CROSS JOIN (VALUES ('subscription.expired'), ('subscription.reminder')) AS k (kind)
            UNION ALL SELECT gen_random_uuid(), 'installation.deactivated', id, customer_id, '{}' FROM off),
        trail AS (INSERT INTO audit_event (id, actor_kind, actor_label, action, object_type, object_id, salt)
            SELECT gen_random_uuid(), 'system', 'System', 'installation.deactivated', 'installation', id, '' FROM off)
        INSERT INTO notice (id, customer_id, text, href) SELECT gen_random_uuid(), customer_id, 'Your plan The clock''s ended.', '/my' FROM ended";

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("the clock over {TENANTS} tenants");
    fill(world).await;
    every_tenant(world, MAKE_DUE).await;
    // Its jobs stand from its first minute on; they are due when this run says so.
    let server = world.server("worker").await;
    let began = Instant::now();
    while standing(world).await < TENANTS {
        patience(began).await;
    }
    settle(world).await;
    every_tenant(world, MAKE_DUE).await;
    assert!(ended(world).await == 0, "what is due is due only now");

    put_off_others(world).await;
    world.sql.batch_execute("CHECKPOINT").await.expect("CHECKPOINT");
    let spent = quiet_minute(world, &server).await;
    let line = Line::new(
        "a minute in which nothing is due: CPU of the worker and of its connections to PostgreSQL",
        spent.shown(),
    );
    table.push(line.at_most(spent.s(), IDLE_S, format!("under {IDLE_S} s")));

    let (spent, lasted) = round(world, &server).await;
    let what = format!("a round over {TENANTS} tenants x {PERIODS} periods, {DUE} of each due");
    let shown = |spent: Spent, lasted: f64| format!("{} in {lasted:.1} s", spent.shown());
    table.push(Line::new(format!("{what}, the first since the worker's start: CPU"), shown(spent, lasted)));
    every_tenant(world, MAKE_DUE).await;
    let (spent, lasted) = round(world, &server).await;
    every_tenant(world, MAKE_DUE).await;
    let bare = bare(world, &server).await;
    let line = Line::new(format!("{what}: CPU"), shown(spent, lasted));
    let line = line.beside("the same rows by one statement a tenant", &bare.shown(), spent.s() / bare.s());
    table.push(line.at_most(spent.s(), ROUND_S, format!("under {ROUND_S} s")));

    let before = cpu(world, &server);
    call_all(world).await;
    settle(world).await;
    let spent = cpu(world, &server).minus(before);
    table.push(Line::new(
        format!("looking at all {TENANTS} tenants though nothing is due, as after a restart: CPU"),
        spent.shown(),
    ));
    server.stop().await;
}

/// Lets every clock look, and waits until all that was due is done: what it cost, and for how many seconds it lasted.
async fn round(world: &World, server: &Server) -> (Spent, f64) {
    let (before, began) = (cpu(world, server), Instant::now());
    call_all(world).await;
    settle(world).await;
    let (spent, lasted) = (cpu(world, server).minus(before), began.elapsed().as_secs_f64());
    let found = ended(world).await;
    assert!(found == TENANTS * DUE, "{found} periods were marked as ended");
    (spent, lasted)
}

/// What the rows of a round cost when nothing else is done.
async fn bare(world: &World, server: &Server) -> Spent {
    // A connection that knows no tenant yet, as the worker's have forgotten them by their next round.
    let (client, connection) = tokio_postgres::connect(&world.url, NoTls).await.expect("PostgreSQL answers");
    tokio::spawn(connection);
    let before = cpu(world, server);
    for tenant in &world.tenants {
        let text = format!("SET search_path = {}, ext; {BARE}", tenant.schema);
        client.batch_execute(&text).await.unwrap_or_else(|error| panic!("{}: {error:?}", tenant.slug));
    }
    let spent = cpu(world, server).minus(before);
    assert_eq!(ended(world).await, TENANTS * DUE, "the same rows");
    spent
}

/// What the worker and the connections that serve it use in a minute. What PostgreSQL does for itself meanwhile, above all vacuuming
/// what this run has just written into every tenant, is left out.
async fn quiet_minute(world: &World, server: &Server) -> Spent {
    let used = |connections: &[u32]| {
        let s = |pids: &[u32]| process::cpu_of(pids).as_secs_f64();
        Spent(s(&[server.pid]), s(connections))
    };
    loop {
        let open = connections(world).await;
        let before = used(&open);
        tokio::time::sleep(ROUND).await;
        let still = connections(world).await;
        // One that was closed meanwhile took what it had used along.
        if open.iter().all(|pid| still.contains(pid)) {
            return used(&still).minus(before);
        }
    }
}

/// The processes of PostgreSQL that serve the worker.
async fn connections(world: &World) -> Vec<u32> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let rows = world.sql.query(sql, &[]).await.expect("PostgreSQL's own list");
    rows.iter().filter_map(|row| u32::try_from(row.get::<_, i32>(0)).ok()).collect()
}

/// Seconds of the server and of PostgreSQL.
#[derive(Clone, Copy)]
pub struct Spent(pub f64, pub f64);

impl Spent {
    pub fn s(self) -> f64 {
        self.0 + self.1
    }

    pub fn minus(self, before: Self) -> Self {
        Self(self.0 - before.0, self.1 - before.1)
    }

    pub fn shown(self) -> String {
        format!("{:.2} s ({:.2} + {:.2})", self.s(), self.0, self.1)
    }
}

pub fn cpu(world: &World, server: &Server) -> Spent {
    let s = |pid| process::cpu_of(&[pid]).as_secs_f64();
    Spent(s(server.pid), s(world.postmaster))
}

async fn patience(began: Instant) {
    assert!(began.elapsed() < PATIENCE, "the clock does not come to an end");
    tokio::time::sleep(Duration::from_millis(500)).await;
}

async fn fill(world: &World) {
    let mut made = 0;
    for tenant in &world.tenants {
        let found =
            format!("SELECT count(*) FROM {}.subscription WHERE sold_by_label = 'figures'", tenant.schema);
        let found: i64 = world.sql.query_one(&found, &[]).await.expect("a tenant's periods").get(0);
        if usize::try_from(found).is_ok_and(|found| found == PERIODS) {
            continue;
        }
        let text = format!("SET search_path = {}, ext; {FILL} RESET search_path", tenant.schema);
        world.sql.batch_execute(&text).await.unwrap_or_else(|error| panic!("periods: {error:?}"));
        for name in ["installation", "subscription"] {
            let vacuum = format!("VACUUM ANALYZE {}.{name}", tenant.schema);
            world.sql.batch_execute(&vacuum).await.expect("VACUUM");
        }
        made += 1;
    }
    if made > 0 {
        eprintln!("  {made} tenants were given {PERIODS} periods each");
    }
}

async fn every_tenant(world: &World, text: &str) {
    for tenant in &world.tenants {
        let text = format!("SET search_path = {}, ext; {text}", tenant.schema);
        world.sql.batch_execute(&text).await.unwrap_or_else(|error| panic!("{}: {error:?}", tenant.slug));
    }
    world.sql.batch_execute("RESET search_path; CHECKPOINT").await.expect("a setting");
}

fn slugs(world: &World) -> Vec<String> {
    world.tenants.iter().map(|tenant| tenant.slug.clone()).collect()
}

async fn one_number(world: &World, sql: &str) -> usize {
    let n: i64 = world.sql.query_one(sql, &[&slugs(world)]).await.expect("the registry can be read").get(0);
    usize::try_from(n).expect("a count")
}

/// How many tenants have a clock.
async fn standing(world: &World) -> usize {
    let sql = "SELECT count(*) FROM public.job j JOIN public.tenant t ON t.id = j.tenant_id
        WHERE t.slug = ANY($1) AND j.kind = 'billing.clock'";
    one_number(world, sql).await
}

/// Makes every tenant's clock due.
async fn call_all(world: &World) {
    world
        .sql
        .execute(
            "UPDATE public.job j SET due_at = now() FROM public.tenant t
             WHERE t.id = j.tenant_id AND t.slug = ANY($1) AND j.kind = 'billing.clock'",
            &[&slugs(world)],
        )
        .await
        .expect("jobs can be called");
}

/// Other tenants' clocks go on as time passes, and are not what is measured.
async fn put_off_others(world: &World) {
    world
        .sql
        .execute(
            "UPDATE public.job j SET due_at = now() + interval '1 hour' FROM public.tenant t
             WHERE t.id = j.tenant_id AND t.slug <> ALL($1) AND j.kind = 'billing.clock'",
            &[&slugs(world)],
        )
        .await
        .expect("jobs can be put off");
}

/// Waits until no job of anybody is due or being done.
pub async fn settle(world: &World) {
    let began = Instant::now();
    let sql = "SELECT count(*) FROM public.job j WHERE (j.due_at <= now() OR j.leased_until > now()) AND cardinality($1::text[]) > 0";
    while one_number(world, sql).await > 0 {
        patience(began).await;
    }
}

/// How many periods of this run are marked as ended, in all tenants.
async fn ended(world: &World) -> usize {
    let parts: Vec<String> = world
        .tenants
        .iter()
        .map(|tenant| {
            format!(
                "SELECT count(*) FROM {}.subscription WHERE status = 'expired' AND ends_at > now() - interval '1 hour'
                 AND sold_by_label = 'figures'",
                tenant.schema
            )
        })
        .collect();
    let mut sum = 0;
    // Not all at once: a statement over 500 tables takes long to plan.
    for some in parts.chunks(50) {
        let text = format!("SELECT sum(n)::bigint FROM ({}) x (n)", some.join(" UNION ALL "));
        let n: i64 = world.sql.query_one(&text, &[]).await.expect("periods can be counted").get(0);
        sum += usize::try_from(n).expect("a count");
    }
    sum
}
