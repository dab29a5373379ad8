//! The dispatcher under kill -9, between tenants, and beside callers that do not commit. What the fake providers took is the truth.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    fake_providers::Fake,
    harness::{Server, Settings, Tenant, sql},
    sender::{Sender, number},
};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tenant whose server is killed and started again.
struct Survivor {
    url: String,
    folder: Arc<TempDir>,
    fake: Arc<Fake>,
    schema: String,
    slug: String,
    id: String,
    host: String,
    email: String,
}

impl Survivor {
    async fn open(name: &str) -> (Self, &'static Server) {
        let server = Server::own(name, Settings::default()).await;
        let sender = Sender::open_on(server).await;
        let Sender { tenant, schema, fake, .. } = sender;
        let survivor = Self {
            url: server.database.clone(),
            folder: server.folder.clone(),
            fake,
            schema,
            slug: tenant.slug,
            id: tenant.id,
            host: tenant.host,
            email: tenant.owner_email,
        };
        (survivor, server)
    }

    fn start(&self, settings: Settings) -> &'static Server {
        Server::start(&self.url, Some(self.folder.clone()), settings).for_this_test()
    }

    /// The tenant as this server serves it.
    fn on(&self, server: &'static Server) -> Tenant {
        Tenant {
            server,
            id: self.id.clone(),
            slug: self.slug.clone(),
            host: self.host.clone(),
            owner_id: String::new(),
            owner_email: self.email.clone(),
        }
    }

    async fn ask(&self, statement: &str) -> i64 {
        let db = sql(&self.url).await;
        db.batch_execute(&format!("SET search_path = {}, ext", self.schema)).await.unwrap();
        db.query_one(statement, &[]).await.unwrap().get(0)
    }

    /// Leases of the dead run out, as if their time had passed.
    async fn pass_time(&self) {
        let db = sql(&self.url).await;
        db.batch_execute(&format!(
            "UPDATE {}.delivery_queue SET due_at = now() - interval '1 second';
             UPDATE public.dispatch SET due_at = now(), leased_until = NULL, lease = NULL",
            self.schema
        ))
        .await
        .unwrap();
    }

    /// Waits until nothing is queued; leases of the dead run out at once.
    async fn until_settled(&self) {
        let end = Instant::now() + PATIENCE;
        // Whoever is at work now may finish first: what is not done in a while is the dead one's.
        while self.ask("SELECT count(*) FROM delivery_queue WHERE lease IS NULL").await > 0 {
            assert!(Instant::now() < end, "something stays queued");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut left = -1;
        loop {
            let now = self.ask("SELECT count(*) FROM delivery_queue").await;
            if now == 0 {
                return;
            }
            assert!(Instant::now() < end, "{now} deliveries are never settled");
            if now == left {
                self.pass_time().await;
            }
            left = now;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }

    /// Compares what is written down with what the provider took.
    async fn hold_against_the_provider(&self, messages: i64) {
        let mut taken: HashMap<String, usize> = HashMap::new();
        for one in self.fake.taken("generic") {
            *taken.entry(one.reference).or_default() += 1;
        }
        let db = sql(&self.url).await;
        let rows =
            db.query(&format!("SELECT id::text, status FROM {}.delivery", self.schema), &[]).await.unwrap();
        assert_eq!(i64::try_from(rows.len()).unwrap(), messages, "every accepted delivery is there");
        for row in &rows {
            let (id, status): (String, String) = (row.get(0), row.get(1));
            let times = taken.remove(&id).unwrap_or_default();
            match status.as_str() {
                "accepted" => assert_eq!(times, 1, "{id} is accepted and was taken {times} times"),
                "unknown" => assert!(times <= 1, "{id} is unknown and was taken {times} times"),
                other => panic!("{id} is {other}"),
            }
        }
        assert!(taken.is_empty(), "the provider took what nobody knows of: {taken:?}");
    }
}

async fn send(tenant: &Tenant, from: usize, amount: usize) {
    let addresses: Vec<Value> = (from..from + amount).map(|n| json!({"address": number(n)})).collect();
    let body = json!({"channels": ["sms"], "to": {"addresses": addresses}, "content": {"text": "Hi"}});
    let api = tenant.api().await;
    // The server may die while it answers: what it wrote down counts.
    let _ = api.try_post("/api/v1/messages", body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_anywhere_loses_nothing_and_sends_nothing_twice() {
    let (survivor, first) = Survivor::open("dispatch_points").await;
    first.terminate();
    let mut asked = 0;
    for point in ["after_claim", "before_send", "after_send:7", "before_record", "in_settle"] {
        let doomed = survivor.start(Settings::default().with("DEV__FAILPOINT", point));
        send(&survivor.on(doomed), asked, 20).await;
        let end = Instant::now() + PATIENCE;
        while doomed.is_running() {
            assert!(Instant::now() < end, "it never came by {point}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        asked += 20;
        let next = survivor.start(Settings::default());
        survivor.until_settled().await;
        survivor.hold_against_the_provider(i64::try_from(asked).unwrap()).await;
        next.terminate();
    }
    // Nothing that surely was not sent is given up.
    let unknown = survivor.ask("SELECT count(*) FROM delivery WHERE status = 'unknown'").await;
    assert!(unknown <= 80, "{unknown} of 100 are unknown");
}

/// As often as `TEST_KILLS` says; in the suite a few times.
fn kills() -> usize {
    std::env::var("TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_at_random_loses_nothing_and_sends_nothing_twice() {
    let (survivor, first) = Survivor::open("dispatch_kills").await;
    first.terminate();
    survivor.fake.take_time("generic", Duration::from_millis(5));
    let mut asked = 0;
    for _ in 0..kills() {
        let doomed = survivor.start(Settings::default());
        send(&survivor.on(doomed), asked, 200).await;
        asked += 200;
        let patience = Duration::from_millis(rand::rng().random_range(0..150));
        tokio::time::sleep(patience).await;
        doomed.kill();
    }
    let last = survivor.start(Settings::default());
    survivor.until_settled().await;
    let written = survivor.ask("SELECT count(*) FROM delivery").await;
    survivor.hold_against_the_provider(written).await;
    assert_eq!(written, i64::try_from(asked).unwrap(), "all calls were answered before the kill");
    last.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_work_and_send_nothing_twice() {
    let (survivor, first) = Survivor::open("dispatch_two").await;
    let second = first.sibling(Settings::default());
    survivor.fake.take_time("generic", Duration::from_millis(3));
    for round in 0..4 {
        send(&survivor.on(if round % 2 == 0 { first } else { second }), round * 300, 300).await;
    }
    survivor.until_settled().await;
    survivor.hold_against_the_provider(1_200).await;
    assert_eq!(survivor.ask("SELECT count(*) FROM delivery WHERE status = 'unknown'").await, 0);
    second.terminate();
    first.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_tenant_does_not_keep_a_small_one_waiting() {
    let server = Server::own("dispatch_fair", Settings::default()).await;
    let (large, small) = (Sender::open_on(server).await, Sender::open_on(server).await);
    large.fake.take_time("generic", Duration::from_millis(20));
    let addresses: Vec<Value> = (0..6_000).map(|n| json!({"address": number(n)})).collect();
    let body = json!({"channels": ["sms"], "to": {"addresses": addresses}, "content": {"text": "News"}});
    large.api.post("/api/v1/messages", body).await.expect(202);
    let end = Instant::now() + PATIENCE;
    while large.taken().len() < 100 {
        assert!(Instant::now() < end, "the large tenant never began");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for n in 0..5 {
        let before = large.taken().len();
        let message = small.send(&[&number(n)], "Code").await;
        while small.taken().len() <= n {
            assert!(Instant::now() < end, "the small tenant waits for ever");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let meanwhile = large.taken().len() - before;
        assert!(meanwhile < 1_500, "{meanwhile} of the large tenant's went before one of the small one's");
        small.until(&message, "accepted", 1).await;
    }
    assert!(large.taken().len() < 6_000, "the large tenant was still at it: otherwise this shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_do_not_wait_for_each_other() {
    let sender = Sender::open().await;
    let mut held = sql(&sender.tenant.server.database).await;
    let open = held.transaction().await.unwrap();
    open.batch_execute(&format!(
        "SET LOCAL ROLE {}; SELECT gate.call_lane(0::smallint, now())",
        sender.schema
    ))
    .await
    .unwrap();
    // A hundred others of the same tenant and lane, while that one is open.
    let calls = (0..100).map(|n| {
        let api = sender.api.clone();
        let to = number(n);
        async move {
            let body = json!({"channels": ["sms"], "to": {"addresses": [{"address": to}]}, "content": {"text": "Hi"}});
            api.post("/api/v1/messages", body).await.expect_status(202);
        }
    });
    tokio::time::timeout(PATIENCE, futures_util::future::join_all(calls)).await.expect("nobody waits");
    sender.until_sql("SELECT count(*) FROM delivery WHERE status = 'accepted'", "100").await;
    open.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_saw_a_lane_as_due_and_commits_late_is_not_forgotten() {
    let sender = Sender::open().await;
    let message = sender.send(&[&number(0)], "First").await;
    sender.until(&message, "accepted", 1).await;
    let lane = format!(
        "SELECT due_at = 'infinity' FROM public.dispatch WHERE tenant_id = '{}' AND lane = 0",
        sender.tenant.id
    );
    // Since before the transaction that comes: whoever is in it sees that nobody has to be called.
    let due = format!(
        "UPDATE public.dispatch SET due_at = now() - interval '1 minute', settling = NULL
         WHERE tenant_id = '{}' AND lane = 0",
        sender.tenant.id
    );
    let watcher = sql(&sender.tenant.server.database).await;
    // Looked at now: a turn that ended before what it sent was settled rests only when that lease would have ended.
    watcher.batch_execute(&due).await.unwrap();
    sender.until_sql(&lane, "true").await;
    // The lane is due; somebody sees that, queues without a call, and does not commit.
    let mut held = sql(&sender.tenant.server.database).await;
    let late = held.transaction().await.unwrap();
    late.batch_execute(&format!("SET LOCAL search_path = {}", sender.schema)).await.unwrap();
    let one = "INSERT INTO delivery (id, message_id, channel, address, lane, status)
               SELECT gen_random_uuid(), id, 'sms', '+639170000001', 0, 'queued' FROM message LIMIT 1 RETURNING id";
    let id: uuid::Uuid = late.query_one(one, &[]).await.unwrap().get(0);
    late.execute("INSERT INTO delivery_queue (delivery_id, lane, due_at) VALUES ($1, 0, now())", &[&id])
        .await
        .unwrap();
    let call = format!(
        "SAVEPOINT before; SET LOCAL ROLE {}; SELECT gate.call_lane(0::smallint, now()); RESET ROLE",
        sender.schema
    );
    let called =
        format!("SELECT count(*) FROM public.dispatch_call WHERE tenant_id = '{}'", sender.tenant.id);
    loop {
        watcher.batch_execute(&due).await.unwrap();
        late.batch_execute(&call).await.unwrap();
        if late.query_one(&called, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        // A worker was quicker and had put it to rest again, so this was a call.
        late.batch_execute("ROLLBACK TO before").await.unwrap();
    }
    // A worker looks, finds nothing, and puts the lane to rest.
    sender.until_sql(&lane, "true").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    late.commit().await.unwrap();
    sender
        .until_sql(
            "SELECT count(*) FROM delivery WHERE address = '+639170000001' AND status = 'accepted'",
            "1",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_under_load_costs_nothing() {
    let (survivor, server) = Survivor::open("dispatch_restart").await;
    survivor.fake.take_time("generic", Duration::from_millis(10));
    send(&survivor.on(server), 0, 600).await;
    // Every connection of the program goes, as in a restart.
    let admin = sql(&survivor.url).await;
    for _ in 0..3 {
        admin
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", &[])
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    survivor.until_settled().await;
    survivor.hold_against_the_provider(600).await;
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_in_order_finishes_what_is_under_way() {
    let (survivor, server) = Survivor::open("dispatch_stop").await;
    survivor.fake.take_time("generic", Duration::from_millis(200));
    send(&survivor.on(server), 0, 300).await;
    let end = Instant::now() + PATIENCE;
    while survivor.fake.calls("generic") < 20 {
        assert!(Instant::now() < end, "it never began");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(server.terminate());
    let taken = i64::try_from(survivor.fake.taken("generic").len()).unwrap();
    assert_eq!(survivor.ask("SELECT count(*) FROM delivery WHERE status = 'accepted'").await, taken);
    assert_eq!(survivor.ask("SELECT count(*) FROM delivery_queue WHERE lease IS NOT NULL").await, 0);
    let next = survivor.start(Settings::default());
    survivor.until_settled().await;
    survivor.hold_against_the_provider(300).await;
    next.terminate();
}
