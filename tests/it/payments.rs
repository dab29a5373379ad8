//! Payments: taken, shared out, void, given back; and the account that has it all.

use serde_json::{Value, json};

use crate::{
    harness::{tenant, text},
    shop::Shop,
};

impl Shop {
    async fn pay(&self, customer: &str, body: Value) -> Value {
        self.api.post(&format!("/api/v1/customers/{customer}/payments"), body).await.expect(201)
    }
}

fn cash(amount: &str) -> Value {
    json!({"amount": amount, "method": "cash"})
}

#[tokio::test]
async fn one_payment_pays_several_periods_oldest_first_and_the_rest_is_credit() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let first = shop.sell(&installation, &plan).await;
    let second = shop.sell(&installation, &plan).await;
    assert_eq!(shop.ledger(&customer).await["balance"], "2000.00");
    shop.pay(&customer, cash("300")).await;
    let payment = shop.pay(&customer, cash("1800.50")).await;
    assert_eq!(
        (&payment["allocated_amount"], &payment["credit_amount"]),
        (&json!("1700.00"), &json!("100.50"))
    );
    let shown = shop.api.get(&format!("/api/v1/payments/{}", text(&payment, "/id"))).await.expect(200);
    let mut shares: Vec<(String, String)> = shown["allocations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| (text(share, "/subscription_id"), text(share, "/amount")))
        .collect();
    shares.sort();
    let mut expected = vec![(text(&first, "/id"), "700.00".into()), (text(&second, "/id"), "1000.00".into())];
    expected.sort();
    assert_eq!(shares, expected);
    // The credit pays the next sale when it is asked to.
    let body = json!({"installation_id": installation, "plan_id": plan, "kind": "custom", "amount": "100", "use_credit": true});
    let third = shop.api.post("/api/v1/subscriptions", body).await.expect(201)["subscription"].clone();
    assert_eq!(third["due_amount"], "0.00");
    let ledger = shop.ledger(&customer).await;
    assert_eq!((&ledger["balance"], &ledger["credit"]), (&json!("-0.50"), &json!("0.50")));
    let kinds: Vec<&str> =
        ledger["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["charge", "payment", "payment", "charge", "charge"]);
    let balances: Vec<&str> =
        ledger["items"].as_array().unwrap().iter().map(|e| e["balance"].as_str().unwrap()).collect();
    assert_eq!(balances, ["-0.50", "-100.50", "1700.00", "2000.00", "1000.00"]);
    shop.adds_up().await;
}

#[tokio::test]
async fn a_payment_can_say_what_it_pays() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    shop.sell(&installation, &plan).await;
    let second = text(&shop.sell(&installation, &plan).await, "/id");
    let path = format!("/api/v1/customers/{customer}/payments");
    let body = |amount: &str, share: &str| json!({"amount": amount, "method": "cash", "allocations": [{"subscription_id": second, "amount": share}]});
    assert_eq!(shop.api.post(&path, body("100", "100.01")).await.wrong_fields(), ["allocations"]);
    assert_eq!(shop.api.post(&path, body("5000", "1000.01")).await.wrong_fields(), ["allocations"]);
    let payment = shop.pay(&customer, body("1200", "1000")).await;
    assert_eq!(payment["credit_amount"], "200.00");
    assert_eq!(shop.subscription(&second).await["due_amount"], "0.00");
    assert_eq!(
        shop.api.post(&path, body("1", "1")).await.wrong_fields(),
        ["allocations"],
        "nothing is due any more"
    );
    // What is of another customer is not this one's to pay.
    let (other, _) = shop.installation().await;
    let foreign = shop.api.post(&format!("/api/v1/customers/{other}/payments"), body("1", "1")).await;
    assert_eq!(foreign.wrong_fields(), ["allocations"]);
    shop.adds_up().await;
}

#[tokio::test]
async fn bad_amounts_and_double_references_are_refused() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let path = format!("/api/v1/customers/{customer}/payments");
    for amount in ["0", "-10", "10.001", "1000000000000", "nothing"] {
        assert_eq!(shop.api.post(&path, cash(amount)).await.wrong_fields(), ["amount"], "{amount}");
    }
    assert_eq!(
        shop.api.post(&path, json!({"amount": 5, "method": "shells"})).await.wrong_fields(),
        ["amount", "method"]
    );
    let late = json!({"amount": "5", "method": "cash", "received_at": "2100-01-01T00:00:00Z"});
    assert_eq!(shop.api.post(&path, late).await.wrong_fields(), ["received_at"]);
    let by_phone = |method: &str| json!({"amount": "5", "method": method, "reference": "Ref-77"});
    let first = shop.pay(&customer, by_phone("gcash")).await;
    let again = json!({"amount": "9", "method": "gcash", "reference": "REF-77"});
    shop.api.post(&path, again.clone()).await.refused(409, "reference_taken");
    shop.pay(&customer, by_phone("maya")).await;
    // A void payment's number may be used again.
    let void = format!("/api/v1/payments/{}/void", text(&first, "/id"));
    shop.api.post(&void, json!({"reason": "Typed twice"})).await.expect(200);
    shop.pay(&customer, again).await;
    // No such customer, and one of another tenant.
    let theirs = tenant().await.api().await;
    theirs.post(&path, cash("5")).await.refused(404, "not_found");
    shop.adds_up().await;
}

#[tokio::test]
async fn two_cashiers_never_give_a_period_more_than_it_costs() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    let payments = futures_util::future::join_all((0..8).map(|_| shop.pay(&customer, cash("300")))).await;
    let allocated: rust_decimal::Decimal =
        payments.iter().map(|p| text(p, "/allocated_amount").parse::<rust_decimal::Decimal>().unwrap()).sum();
    assert_eq!(allocated.to_string(), "1000.00");
    assert_eq!(shop.subscription(&one).await["paid_amount"], "1000.00");
    assert_eq!(shop.ledger(&customer).await["balance"], "-1400.00");
    shop.adds_up().await;
}

#[tokio::test]
async fn a_void_payment_is_kept_and_what_it_paid_is_owed_again() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    let payment = text(&shop.pay(&customer, cash("1000")).await, "/id");
    let path = format!("/api/v1/payments/{payment}");
    assert_eq!(
        shop.api.post(&format!("{path}/void"), json!({"reason": "  "})).await.wrong_fields(),
        ["reason"]
    );
    let void = shop.api.post(&format!("{path}/void"), json!({"reason": "Bounced"})).await.expect(200);
    assert_eq!(
        (&void["is_void"], &void["void_reason"], &void["credit_amount"]),
        (&json!(true), &json!("Bounced"), &json!("0.00"))
    );
    shop.api.post(&format!("{path}/void"), json!({"reason": "Again"})).await.refused(409, "void");
    let refund = json!({"amount": "1", "method": "cash", "reason": "No"});
    assert_eq!(shop.api.post(&format!("{path}/refunds"), refund).await.wrong_fields(), ["amount"]);
    assert_eq!(shop.subscription(&one).await["due_amount"], "1000.00");
    assert_eq!(shop.ledger(&customer).await["balance"], "1000.00");
    assert_eq!(shop.api.get("/api/v1/payments?is_void=true&total=true").await.expect(200)["total"], 1);
    // It cannot be deleted, not even by hand.
    let right =
        shop.ask(&format!("SELECT has_table_privilege('{0}', '{0}.payment', 'DELETE')", shop.schema)).await;
    assert_eq!(right, "false");
    shop.adds_up().await;
}

#[tokio::test]
async fn only_credit_is_given_back() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let one = text(&shop.sell(&installation, &plan).await, "/id");
    let payment = text(&shop.pay(&customer, cash("1200")).await, "/id");
    let path = format!("/api/v1/payments/{payment}/refunds");
    let refund = |amount: &str| json!({"amount": amount, "method": "gcash", "reason": "Moved away"});
    assert_eq!(shop.api.post(&path, refund("200.01")).await.wrong_fields(), ["amount"]);
    shop.api.post(&path, refund("200")).await.expect(201);
    shop.api
        .post(&format!("/api/v1/payments/{payment}/void"), json!({"reason": "x"}))
        .await
        .refused(409, "refunded");
    // What lies on a period comes free by cancelling it.
    let cancel = json!({"reason": "Moved away", "credit": "all"});
    shop.api.post(&format!("/api/v1/subscriptions/{one}/cancel"), cancel).await.expect(200);
    let api = shop.api.header("Idempotency-Key", "refund-1");
    let (first, again) = (api.post(&path, refund("1000")).await, api.post(&path, refund("1000")).await);
    assert_eq!(first.expect(201), again.expect(201));
    let ledger = shop.ledger(&customer).await;
    assert_eq!((&ledger["balance"], &ledger["credit"]), (&json!("0.00"), &json!("0")));
    shop.adds_up().await;
}

#[tokio::test]
async fn the_list_narrows_by_local_days_and_is_downloaded() {
    let never = tenant().await.api().await.get("/api/v1/payments?from=-9999-01-01").await;
    assert_eq!(never.wrong_fields(), ["date"], "a day that the calendar has and nobody keeps");
    let shop = Shop::open().await;
    shop.api.patch("/api/v1/company", json!({"time_zone": "Asia/Manila"})).await.expect(200);
    let (customer, _) = shop.installation().await;
    // 23:59:59 on the last day of February in Manila, and one second later.
    for at in ["2026-02-28T15:59:59Z", "2026-02-28T16:00:00Z"] {
        shop.pay(&customer, json!({"amount": "10", "method": "bank", "received_at": at})).await;
    }
    let listed = |query: &str| {
        let (api, path) = (shop.api.clone(), format!("/api/v1/payments?total=true&{query}"));
        async move { api.get(&path).await.expect(200) }
    };
    let february = listed("from=2026-02-28&to=2026-02-28").await;
    assert_eq!(
        (&february["total"], &february["items"][0]["received_at"]),
        (&json!(1), &json!("2026-02-28T15:59:59Z"))
    );
    assert_eq!(listed("from=2026-03-01&to=2026-03-01").await["total"], 1);
    assert_eq!(listed("method=cash").await["total"], 0);
    let all = listed(&format!("customer_id={customer}")).await;
    assert_eq!((&all["total"], &all["total_amount"]), (&json!(2), &json!("20.00")));
    let csv = shop.api.get("/api/v1/payments/export?format=csv&method=bank").await;
    csv.expect_status(200);
    assert_eq!(csv.text().lines().count(), 3, "{}", csv.text());
    assert!(csv.text().contains("2026-02-28") && csv.text().contains("2026-03-01"));
    shop.api.get("/api/v1/payments/export?format=xlsx").await.expect_status(200);
}

#[tokio::test]
async fn a_random_history_adds_up() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plans = [shop.plan("999.99").await, shop.plan("1300").await, shop.plan("333.33").await];
    let mut seed: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut dice = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    let (mut subscriptions, mut payments) = (Vec::new(), Vec::new());
    for step in 0..60 {
        let plan = &plans[usize::try_from(dice(3)).unwrap()];
        let pick =
            |list: &[String], n: u64| list.get(usize::try_from(n).unwrap() % list.len().max(1)).cloned();
        match dice(8) {
            0 | 1 => {
                let body = json!({"installation_id": installation, "plan_id": plan, "kind": "custom", "amount": format!("{}.{:02}", dice(900) + 1, dice(100)), "use_credit": dice(2) == 0});
                subscriptions.push(text(
                    &shop.api.post("/api/v1/subscriptions", body).await.expect(201),
                    "/subscription/id",
                ));
            }
            2 | 3 => payments.push(text(
                &shop.pay(&customer, cash(&format!("{}.{:02}", dice(900) + 1, dice(100)))).await,
                "/id",
            )),
            4 => {
                let Some(id) = pick(&payments, dice(50)) else { continue };
                let answer =
                    shop.api.post(&format!("/api/v1/payments/{id}/void"), json!({"reason": "x"})).await;
                assert!([200, 409].contains(&answer.status), "{}", answer.text());
            }
            5 => {
                let Some(id) = pick(&subscriptions, dice(50)) else { continue };
                let credit = ["nothing", "unused", "all"][usize::try_from(dice(3)).unwrap()];
                let answer = shop
                    .api
                    .post(
                        &format!("/api/v1/subscriptions/{id}/cancel"),
                        json!({"reason": "x", "credit": credit}),
                    )
                    .await;
                assert!([200, 409].contains(&answer.status), "{}", answer.text());
            }
            6 => {
                let Some(id) = pick(&subscriptions, dice(50)) else { continue };
                let what = ["pause", "resume", "change"][usize::try_from(dice(3)).unwrap()];
                let body = if what == "change" { json!({"plan_id": plan}) } else { json!({}) };
                let answer = shop.api.post(&format!("/api/v1/subscriptions/{id}/{what}"), body).await;
                assert!([200, 409, 422].contains(&answer.status), "{}", answer.text());
            }
            _ => {
                let Some(id) = pick(&payments, dice(50)) else { continue };
                let body = json!({"amount": format!("{}", dice(200) + 1), "method": "cash", "reason": "x"});
                let answer = shop.api.post(&format!("/api/v1/payments/{id}/refunds"), body).await;
                assert!([201, 422].contains(&answer.status), "{}", answer.text());
                shop.pass(&installation, i64::try_from(dice(20_000)).unwrap()).await;
            }
        }
        if step % 5 == 0 {
            shop.adds_up().await;
        }
    }
    shop.adds_up().await;
    assert!(subscriptions.len() > 5 && payments.len() > 5);
}
