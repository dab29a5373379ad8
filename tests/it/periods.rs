//! Periods: sold, chained, paused, changed, called off.

use serde_json::json;

use crate::{
    harness::{tenant, text},
    shop::Shop,
};

const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";

#[tokio::test]
async fn a_preview_shows_what_a_sale_does() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let body = json!({"installation_id": installation, "plan_id": plan, "kind": "custom", "amount": "150"});
    let preview = shop.api.post("/api/v1/subscriptions/preview", body.clone()).await.expect(200);
    assert_eq!(
        (&preview["amount"], &preview["days_added"], &preview["minutes"]),
        (&json!("150.00"), &json!("4.50"), &json!(6480))
    );
    let sold = shop.api.post(SUBSCRIPTIONS, body).await.expect(201)["subscription"].clone();
    for field in ["amount", "days_added"] {
        assert_eq!(sold[field], preview[field], "{field}");
    }
    assert_eq!((&sold["status"], &sold["due_amount"]), (&json!("active"), &json!("150.00")));
    // The next one begins where this one ends.
    let body =
        json!({"installation_id": installation, "plan_id": plan, "kind": "fifteen_days", "amount": "1"});
    let next = shop.api.post("/api/v1/subscriptions/preview", body).await.expect(200);
    assert_eq!(
        (&next["starts_at"], &next["amount"], &next["is_chained"]),
        (&sold["ends_at"], &json!("500.00"), &json!(true))
    );
    assert_eq!(
        shop.ask(&format!("SELECT status FROM installation WHERE id = '{installation}'")).await,
        "active"
    );
    shop.adds_up().await;
}

#[tokio::test]
async fn what_cannot_be_sold_is_refused() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let free = shop.plan("0").await;
    let sale = |installation: &str, plan: &str, kind: &str, amount: &str| json!({"installation_id": installation, "plan_id": plan, "kind": kind, "amount": amount});
    for amount in ["0", "-1", "0.001", "1000000000000", "99999999.999", "0.01"] {
        let answer = shop.api.post(SUBSCRIPTIONS, sale(&installation, &plan, "custom", amount)).await;
        if amount == "0.01" {
            // A hundredth of a peso at 1000 for 30 days is less than a minute.
            let body = answer.expect(422);
            assert_eq!(body["errors"][0]["code"], "too_small");
        } else {
            assert_eq!(answer.wrong_fields(), ["amount"], "{amount}");
        }
    }
    assert_eq!(
        shop.api.post(SUBSCRIPTIONS, sale(&installation, &free, "custom", "10")).await.wrong_fields(),
        ["amount"]
    );
    shop.api.post(SUBSCRIPTIONS, sale(&installation, &free, "one_period", "0")).await.expect(201);
    assert_eq!(
        shop.api.post(SUBSCRIPTIONS, sale(&installation, &plan, "change", "10")).await.wrong_fields(),
        ["kind"]
    );
    shop.api.patch(&format!("/api/v1/plans/{plan}"), json!({"is_active": false})).await.expect(200);
    assert_eq!(
        shop.api.post(SUBSCRIPTIONS, sale(&installation, &plan, "one_month", "0")).await.wrong_fields(),
        ["plan_id"]
    );
    shop.api.delete(&format!("/api/v1/plans/{free}")).await.refused(409, "in_use");
    shop.api.patch(&format!("/api/v1/plans/{plan}"), json!({"is_active": true})).await.expect(200);
    for (status, code) in [("suspended", "installation_suspended"), ("terminated", "installation_terminated")]
    {
        let id = shop.another(&customer, status).await;
        shop.api.post(SUBSCRIPTIONS, sale(&id, &plan, "one_month", "0")).await.refused(409, code);
    }
    let scheduled = shop.another(&customer, "scheduled").await;
    shop.sell(&scheduled, &plan).await;
    // Another tenant's are not there.
    let theirs = tenant().await.api().await;
    let foreign = theirs.post(SUBSCRIPTIONS, sale(&installation, &plan, "one_month", "0")).await;
    assert_eq!(foreign.wrong_fields(), ["installation_id"]);
    theirs.get(&format!("{SUBSCRIPTIONS}?customer_id={customer}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_lapsed_customer_renews_from_now_on() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let first = shop.sell(&installation, &plan).await;
    shop.pass(&installation, 40 * 1440).await;
    let again = shop.sell(&installation, &plan).await;
    let starts: chrono::DateTime<chrono::Utc> = text(&again, "/starts_at").parse().unwrap();
    assert!((chrono::Utc::now() - starts).num_seconds().abs() < 60, "{starts}");
    assert_ne!(first["id"], again["id"]);
    assert_eq!(
        shop.ask(&format!("SELECT status FROM installation WHERE id = '{installation}'")).await,
        "active"
    );
}

#[tokio::test]
async fn two_cashiers_at_one_installation_sell_one_after_the_other() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let body = json!({"installation_id": installation, "plan_id": plan, "kind": "one_month"});
    let sales = (0..8).map(|_| shop.api.post(SUBSCRIPTIONS, body.clone()));
    let mut sold: Vec<(String, String)> = futures_util::future::join_all(sales)
        .await
        .iter()
        .map(|answer| answer.expect(201)["subscription"].clone())
        .map(|one| (text(&one, "/starts_at"), text(&one, "/ends_at")))
        .collect();
    sold.sort();
    for pair in sold.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "chained, and never overlapping");
    }
    shop.adds_up().await;
}

#[tokio::test]
async fn the_same_request_again_sells_once() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("900").await;
    let api = shop.api.header("Idempotency-Key", "sale-1");
    let payment = json!({"amount": "900", "method": "gcash", "reference": "G-1"});
    let body =
        json!({"installation_id": installation, "plan_id": plan, "kind": "one_month", "payment": payment});
    let first = api.post(SUBSCRIPTIONS, body.clone()).await;
    let again = api.post(SUBSCRIPTIONS, body).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(shop.ask("SELECT count(*) FROM subscription").await, "1");
    assert_eq!(shop.ask("SELECT count(*) FROM payment").await, "1");
    let other = json!({"installation_id": installation, "plan_id": plan, "kind": "fifteen_days"});
    assert_eq!(api.post(SUBSCRIPTIONS, other).await.wrong_fields(), ["Idempotency-Key"]);
}

#[tokio::test]
async fn a_cancelled_period_frees_its_time_and_its_money() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let payment = json!({"amount": "1000", "method": "cash"});
    let body =
        json!({"installation_id": installation, "plan_id": plan, "kind": "one_month", "payment": payment});
    let first = shop.api.post(SUBSCRIPTIONS, body.clone()).await.expect(201)["subscription"].clone();
    let second = shop.api.post(SUBSCRIPTIONS, body.clone()).await.expect(201)["subscription"].clone();
    let third = shop.sell(&installation, &plan).await;
    let cancel = |id: String, credit: &str| {
        let body = json!({"reason": "Moved away", "credit": credit});
        let path = format!("{SUBSCRIPTIONS}/{id}/cancel");
        let api = shop.api.clone();
        async move { api.post(&path, body).await }
    };
    let gone = cancel(text(&second, "/id"), "unused").await.expect(200);
    assert_eq!(
        (&gone["status"], &gone["credited_amount"], &gone["paid_amount"]),
        (&json!("cancelled"), &json!("1000.00"), &json!("0.00"))
    );
    let moved = shop.subscription(&text(&third, "/id")).await;
    assert_eq!(moved["starts_at"], first["ends_at"], "the later one moved up");
    cancel(text(&second, "/id"), "all").await.refused(409, "over");
    // A third of it went by: two thirds are worth something.
    shop.pass(&installation, 10 * 1440).await;
    let cut = cancel(text(&first, "/id"), "unused").await.expect(200);
    assert_eq!((&cut["credited_amount"], &cut["paid_amount"]), (&json!("666.67"), &json!("333.33")));
    let ledger = shop.ledger(&customer).await;
    // Three charges, two payments, two credits; the third period is owed and 1,666.67 lie ready.
    assert_eq!((&ledger["balance"], &ledger["credit"]), (&json!("-666.67"), &json!("1666.67")));
    let used =
        shop.api.post(&format!("/api/v1/customers/{customer}/credit/use"), json!({})).await.expect(200);
    assert_eq!(
        (&used["used"], &used["credit"], &used["owed"]),
        (&json!("1000.00"), &json!("666.67"), &json!("0"))
    );
    shop.adds_up().await;
    let wrong = shop
        .api
        .post(
            &format!("{SUBSCRIPTIONS}/{}/cancel", text(&third, "/id")),
            json!({"reason": " ", "credit": "unused"}),
        )
        .await;
    assert_eq!(wrong.wrong_fields(), ["reason"]);
}

#[tokio::test]
async fn a_pause_uses_up_no_days() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let first = shop.sell(&installation, &plan).await;
    let next = shop.sell(&installation, &plan).await;
    let path = format!("{SUBSCRIPTIONS}/{}", text(&first, "/id"));
    shop.api
        .post(&format!("{SUBSCRIPTIONS}/{}/pause", text(&next, "/id")), json!({}))
        .await
        .refused(409, "not_running");
    let held = shop.api.post(&format!("{path}/pause"), json!({"reason": "On holiday"})).await.expect(200);
    assert_eq!(held["status"], "paused");
    assert_eq!(
        shop.ask(&format!("SELECT status FROM installation WHERE id = '{installation}'")).await,
        "inactive"
    );
    shop.pass(&installation, 45 * 1440).await;
    let ended = shop.subscription(&text(&first, "/id")).await;
    // Sold while it is held: it begins behind what is chained.
    let third = shop.sell(&installation, &plan).await;
    assert_eq!(third["starts_at"], shop.subscription(&text(&next, "/id")).await["ends_at"]);
    let goes = shop.api.post(&format!("{path}/resume"), json!({})).await.expect(200);
    let paused = goes["paused_minutes"].as_i64().unwrap();
    assert!((45 * 1440..=45 * 1440 + 1).contains(&paused), "{paused}");
    let minutes = |one: &serde_json::Value| {
        let at = |field: &str| text(one, field).parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        (at("/ends_at") - at("/starts_at")).num_minutes()
    };
    assert_eq!(minutes(&goes), minutes(&ended) + paused);
    let next = shop.subscription(&text(&next, "/id")).await;
    assert_eq!((&next["starts_at"], minutes(&next)), (&goes["ends_at"], 43_200));
    assert_eq!(shop.subscription(&text(&third, "/id")).await["starts_at"], next["ends_at"]);
    assert_eq!(
        shop.ask(&format!("SELECT status FROM installation WHERE id = '{installation}'")).await,
        "active"
    );
    shop.api.post(&format!("{path}/resume"), json!({})).await.refused(409, "not_paused");
}

#[tokio::test]
async fn a_change_of_plan_is_what_was_shown() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let (slow, fast) = (shop.plan("1000").await, shop.plan("2000").await);
    let payment = json!({"amount": "800", "method": "cash"});
    let body =
        json!({"installation_id": installation, "plan_id": slow, "kind": "one_month", "payment": payment});
    let first = shop.api.post(SUBSCRIPTIONS, body).await.expect(201)["subscription"].clone();
    let later = shop.sell(&installation, &slow).await;
    shop.pass(&installation, 15 * 1440).await;
    let path = format!("{SUBSCRIPTIONS}/{}", text(&first, "/id"));
    let shown = shop.api.post(&format!("{path}/change/preview"), json!({"plan_id": fast})).await.expect(200);
    assert_eq!(
        (&shown["unused_minutes"], &shown["unused_value"], &shown["minutes"]),
        (&json!(21_600), &json!("500.00"), &json!(10_800))
    );
    let same = shop.api.post(&format!("{path}/change"), json!({"plan_id": slow})).await;
    assert_eq!(same.wrong_fields(), ["plan_id"]);
    let new = shop.api.post(&format!("{path}/change"), json!({"plan_id": fast})).await.expect(200);
    assert_eq!(
        (&new["kind"], &new["amount"], &new["paid_amount"]),
        (&json!("change"), &json!("500.00"), &json!("300.00"))
    );
    let old = shop.subscription(&text(&first, "/id")).await;
    assert_eq!(
        (&old["status"], &old["credited_amount"], &old["paid_amount"]),
        (&json!("changed"), &json!("500.00"), &json!("500.00"))
    );
    let later = shop.subscription(&text(&later, "/id")).await;
    assert_eq!(later["starts_at"], new["ends_at"], "what is chained begins when the new one ends");
    // 2,000 were charged and 800 paid; the change itself moved nothing.
    assert_eq!(shop.ledger(&customer).await["balance"], "1200.00");
    shop.adds_up().await;
}

#[tokio::test]
async fn what_is_given_on_top_moves_what_follows() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let first = shop.sell(&installation, &plan).await;
    let next = shop.sell(&installation, &plan).await;
    let path = format!("{SUBSCRIPTIONS}/{}/extend", text(&first, "/id"));
    let body = |minutes: i64| json!({"minutes": minutes, "reason": "Cable cut"});
    let longer = shop.api.post(&path, body(90)).await.expect(200);
    assert_eq!((&longer["extended_minutes"], &longer["amount"]), (&json!(90), &json!("1000.00")));
    assert_eq!(shop.subscription(&text(&next, "/id")).await["starts_at"], longer["ends_at"]);
    assert_eq!(shop.api.post(&path, body(0)).await.wrong_fields(), ["minutes"]);
    let path = format!("{SUBSCRIPTIONS}/{}/extend", text(&next, "/id"));
    shop.api.post(&path, body(90)).await.refused(409, "not_running");
    assert_eq!(
        shop.subscription(&text(&first, "/id")).await["extended_minutes"],
        90,
        "and nothing was given to another"
    );
    shop.adds_up().await;
}

#[tokio::test]
async fn the_table_itself_refuses_minutes_that_do_not_add_up() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let one = shop.sell(&installation, &plan).await;
    let id = text(&one, "/id");
    shop.run("SELECT 1").await;
    for change in ["ends_at = ends_at + interval '1 minute'", "sold_minutes = 1", "paid_amount = 1000.01"] {
        let refused =
            shop.db.batch_execute(&format!("UPDATE subscription SET {change} WHERE id = '{id}'")).await;
        assert!(refused.is_err(), "{change}");
    }
}

#[tokio::test]
async fn the_list_pages_and_narrows() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    for _ in 0..5 {
        shop.sell(&installation, &plan).await;
    }
    let (_, other) = shop.installation().await;
    shop.sell(&other, &plan).await;
    let mut path = format!("{SUBSCRIPTIONS}?limit=2&total=true&customer_id={customer}");
    let mut seen = Vec::new();
    loop {
        let page = shop.api.get(&path).await.expect(200);
        assert_eq!(page["total"], 5);
        seen.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/subscription/id")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{SUBSCRIPTIONS}?limit=2&total=true&customer_id={customer}&cursor={cursor}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!((seen.len(), &seen), (5, &sorted));
    assert_eq!(
        shop.api.get(&format!("{SUBSCRIPTIONS}?status=cancelled&total=true")).await.expect(200)["total"],
        0
    );
    assert_eq!(
        shop.api.get(&format!("{SUBSCRIPTIONS}?q=cruz&plan_id={plan}&total=true")).await.expect(200)["total"],
        6
    );
    shop.api.get(&format!("{SUBSCRIPTIONS}?cursor=made-up")).await.refused(400, "bad_cursor");
}
