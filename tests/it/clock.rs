//! What time does by itself. Time passes by moving the rows, and the clock is called as a sale calls it.

use serde_json::json;

use crate::{
    harness::{mailbox::until, text},
    shop::Shop,
};

impl Shop {
    /// Makes the clock look now.
    async fn call(&self) {
        let of = format!("tenant_id = '{}' AND kind = 'billing.clock'", self.tenant.id);
        until("the clock to be there", async || {
            (self.ask(&format!("SELECT count(*) FROM public.job WHERE {of}")).await == "1").then_some(())
        })
        .await;
        self.db
            .batch_execute(&format!("UPDATE public.job SET due_at = now(), called = called + 1 WHERE {of}"))
            .await
            .unwrap();
        let idle = format!("SELECT due_at > now() AND leased_until IS NULL FROM public.job WHERE {of}");
        until("the clock to have looked", async || (self.ask(&idle).await == "true").then_some(())).await;
    }

    async fn events(&self, kind: &str) -> String {
        self.ask(&format!("SELECT count(*) FROM event WHERE kind = '{kind}'")).await
    }

    async fn status(&self, installation: &str) -> String {
        self.ask(&format!("SELECT status FROM installation WHERE id = '{installation}'")).await
    }
}

const DAY: i64 = 1440;

#[tokio::test]
async fn what_ends_is_marked_and_told_once() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let (_, other) = shop.installation().await;
    let plan = shop.plan("900").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    let runs = text(&shop.sell(&other, &plan).await, "/id");
    shop.pass(&installation, 30 * DAY).await;
    shop.call().await;
    assert_eq!(shop.subscription(&one).await["status"], "expired");
    assert_eq!(shop.subscription(&runs).await["status"], "active");
    assert_eq!(
        (shop.status(&installation).await, shop.status(&other).await),
        ("inactive".into(), "active".into())
    );
    shop.call().await;
    assert_eq!(
        (shop.events("subscription.expired").await, shop.events("subscription.reminder").await),
        ("1".into(), "1".into())
    );
    assert_eq!(
        shop.ask("SELECT text FROM notice WHERE customer_id IS NOT NULL").await.split(" ended on").count(),
        2
    );
    // It is renewed after it lapsed.
    shop.sell(&installation, &plan).await;
    assert_eq!(shop.status(&installation).await, "active");
}

#[tokio::test]
async fn a_period_that_another_follows_ends_quietly() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    shop.sell(&installation, &plan).await;
    shop.sell(&installation, &plan).await;
    shop.pass(&installation, 31 * DAY).await;
    shop.call().await;
    assert_eq!(shop.status(&installation).await, "active");
    assert_eq!(
        (shop.events("subscription.expired").await, shop.events("subscription.reminder").await),
        ("1".into(), "0".into())
    );
}

#[tokio::test]
async fn after_a_standstill_only_the_nearest_reminder_goes_out() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    shop.call().await;
    assert_eq!(shop.events("subscription.reminder").await, "0", "nothing is near");
    let sent = format!(
        "SELECT string_agg(days_before::text, ',' ORDER BY reminded_at) FROM subscription_reminder WHERE subscription_id = '{one}'"
    );
    // Six days before the end: the one of seven days is due, a little late.
    shop.pass(&installation, 24 * DAY).await;
    shop.call().await;
    shop.call().await;
    assert_eq!(shop.ask(&sent).await, "7");
    // The worker was away for the third day: the first day's goes out alone.
    shop.pass(&installation, 5 * DAY + 600).await;
    shop.call().await;
    assert_eq!(shop.ask(&sent).await, "7,1");
    shop.pass(&installation, DAY).await;
    shop.call().await;
    shop.call().await;
    assert_eq!(
        (shop.ask(&sent).await, shop.events("subscription.reminder").await),
        ("7,1,0".into(), "3".into())
    );
}

#[tokio::test]
async fn grace_days_keep_service_on() {
    let shop = Shop::open().await;
    shop.api.patch("/api/v1/settings/billing", json!({"grace_days": 3})).await.expect(200);
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    shop.pass(&installation, 31 * DAY).await;
    shop.call().await;
    assert_eq!(shop.subscription(&one).await["status"], "expired");
    assert_eq!(shop.status(&installation).await, "active");
    shop.pass(&installation, 3 * DAY).await;
    shop.call().await;
    assert_eq!(shop.status(&installation).await, "inactive");
}

#[tokio::test]
async fn who_left_or_is_suspended_is_not_asked_to_renew() {
    let shop = Shop::open().await;
    for (status, more) in [("terminated", ", terminated_at = now()"), ("suspended", "")] {
        let (_, installation) = shop.installation().await;
        let plan = shop.plan("900").await;
        let one = text(&shop.sell(&installation, &plan).await, "/id");
        let ends = format!("UPDATE installation SET status = '{status}'{more} WHERE id = '{installation}'");
        shop.run(&ends).await;
        shop.pass(&installation, 31 * DAY).await;
        shop.call().await;
        assert_eq!(shop.subscription(&one).await["status"], "expired");
    }
    assert_eq!(
        (shop.events("subscription.expired").await, shop.events("subscription.reminder").await),
        ("2".into(), "0".into())
    );
}

#[tokio::test]
async fn what_is_paused_does_not_end() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let first = text(&shop.sell(&installation, &plan).await, "/id");
    let next = text(&shop.sell(&installation, &plan).await, "/id");
    shop.api.post(&format!("/api/v1/subscriptions/{first}/pause"), json!({})).await.expect(200);
    shop.pass(&installation, 100 * DAY).await;
    shop.call().await;
    assert_eq!(shop.subscription(&first).await["status"], "paused");
    assert_eq!(shop.subscription(&next).await["status"], "active");
    assert_eq!(shop.events("subscription.expired").await, "0");
}

#[tokio::test]
async fn a_sale_lowers_the_time_that_the_clock_looks_at() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    shop.call().await;
    let due = format!(
        "SELECT due_at < now() + interval '2 hours' FROM public.job WHERE tenant_id = '{}' AND kind = 'billing.clock'",
        shop.tenant.id
    );
    assert_eq!(shop.ask(&due).await, "false");
    // An hour of service: 1000 / 720.
    let body = json!({"installation_id": installation, "plan_id": plan, "kind": "custom", "amount": "1.40"});
    shop.api.post("/api/v1/subscriptions", body).await.expect(201);
    assert_eq!(shop.ask(&due).await, "true");
}

#[tokio::test]
async fn a_call_while_the_job_runs_is_not_lost() {
    let shop = Shop::open().await;
    shop.call().await;
    let of = format!("tenant_id = '{}' AND kind = 'billing.clock'", shop.tenant.id);
    // A worker has it and is about to say that nothing is due for long.
    let leased: (i64, uuid::Uuid) = {
        let lease = uuid::Uuid::new_v4();
        let row = shop
            .db
            .query_one(&format!("UPDATE public.job SET lease = '{lease}', leased_until = now() + interval '1 hour' WHERE {of} RETURNING called"), &[])
            .await
            .unwrap();
        (row.get(0), lease)
    };
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    shop.sell(&installation, &plan).await;
    let called: i64 = shop.ask(&format!("SELECT called FROM public.job WHERE {of}")).await.parse().unwrap();
    assert_eq!(called, leased.0 + 1, "the call is counted although the job was due early enough");
}

#[tokio::test]
async fn an_account_that_does_not_add_up_is_told_to_staff() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    shop.sell(&installation, &plan).await;
    shop.run(&format!("UPDATE customer_account SET balance = balance + 1 WHERE customer_id = '{customer}'"))
        .await;
    let of = format!("tenant_id = '{}' AND kind = 'billing.day'", shop.tenant.id);
    until("the day to be there", async || {
        (shop.ask(&format!("SELECT count(*) FROM public.job WHERE {of}")).await == "1").then_some(())
    })
    .await;
    shop.db
        .batch_execute(&format!("UPDATE public.job SET due_at = now(), called = called + 1 WHERE {of}"))
        .await
        .unwrap();
    let told = "SELECT count(*) FROM notice WHERE text LIKE 'An account does not add up%'";
    until("staff to be told", async || (shop.ask(told).await == "1").then_some(())).await;
}
