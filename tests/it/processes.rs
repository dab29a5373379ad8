//! Several processes of one deployment: what a caller may do does not grow with their number, and what is decided counts in all.

use std::time::Instant;

use futures_util::future::join_all;

use crate::harness::{Api, Server, Settings, mailbox::until, tenant_on};

const PER_SECOND: u32 = 20;

fn small() -> Settings {
    Settings::default().with("LIMITS__TENANT_PER_SECOND", PER_SECOND).with("LIMITS__BURST_SECONDS", 1)
}

/// What a process says that is allowed at once.
async fn allowed(api: &Api) -> u32 {
    api.get("/api/v1/version").await.header("ratelimit-limit").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_let_through_what_one_would() {
    let one = Server::own("processes_limits", small()).await;
    let tenant = tenant_on(one).await;
    let here = tenant.anonymous();
    assert_eq!(allowed(&here).await, PER_SECOND);
    let two = one.sibling(small());
    let there = here.to(two.address);
    until("they share", async || (allowed(&here).await + allowed(&there).await == PER_SECOND).then_some(()))
        .await;
    let began = Instant::now();
    let both = (0..100).map(|n| {
        let api = if n % 2 == 0 { &here } else { &there };
        async move { api.get("/api/v1/version").await.status }
    });
    let statuses = join_all(both).await;
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(passed + refused, 100);
    // As much as there was, and what came back since.
    let most = f64::from(PER_SECOND) * (1.0 + began.elapsed().as_secs_f64()) + 2.0;
    assert!(
        u32::try_from(passed).is_ok_and(|passed| f64::from(passed) <= most),
        "{passed} of at most {most}"
    );
    // A process that only works takes no requests, and no share.
    let worker = Settings { args: vec!["--role".into(), "worker".into()], ..small() };
    let worker = one.sibling(worker);
    // One that ends well says so; one that is killed is missed after a while.
    assert!(two.terminate());
    until("it is alone", async || (allowed(&here).await == PER_SECOND).then_some(())).await;
    assert!(worker.is_running());
    let three = one.sibling(small());
    until("they share again", async || (allowed(&here).await < PER_SECOND).then_some(())).await;
    three.kill();
    until("the dead one is missed", async || (allowed(&here).await == PER_SECOND).then_some(())).await;
}
