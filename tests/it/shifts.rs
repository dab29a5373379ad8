//! The cashier's drawer.

use serde_json::json;

use crate::{harness::text, shop::Shop};

#[tokio::test]
async fn a_drawer_is_opened_filled_and_counted() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let cashier = shop
        .tenant
        .person(&["shifts.work", "payments.record", "payments.view", "payments.refund", "payments.void"])
        .await;
    let api = shop.tenant.api_of(&cashier).await;
    let pay = format!("/api/v1/customers/{customer}/payments");
    let shift = api.post("/api/v1/shifts", json!({"opening_cash": "500"})).await.expect(201);
    api.post("/api/v1/shifts", json!({"opening_cash": "0"})).await.refused(409, "shift_open");
    let first = api.post(&pay, json!({"amount": "1000", "method": "cash"})).await.expect(201);
    assert_eq!(first["shift_id"], shift["id"]);
    let wired = api.post(&pay, json!({"amount": "70", "method": "bank"})).await.expect(201);
    assert!(wired["shift_id"].is_null(), "only cash lies in the drawer");
    // Another's cash is in another's drawer.
    let owners = shop.api.post(&pay, json!({"amount": "33", "method": "cash"})).await.expect(201);
    assert!(owners["shift_id"].is_null());
    let refund = json!({"amount": "150", "method": "cash", "reason": "Too much"});
    api.post(&format!("/api/v1/payments/{}/refunds", text(&first, "/id")), refund).await.expect(201);
    let path = format!("/api/v1/shifts/{}", text(&shift, "/id"));
    let second = api.post(&pay, json!({"amount": "20", "method": "cash"})).await.expect(201);
    assert_eq!(
        api.post(&format!("{path}/close"), json!({"counted_cash": "-1"})).await.wrong_fields(),
        ["counted_cash"]
    );
    let closed = api
        .post(&format!("{path}/close"), json!({"counted_cash": "1360.00", "note": "Ten short"}))
        .await
        .expect(200);
    assert_eq!((&closed["expected_cash"], &closed["difference"]), (&json!("1370.00"), &json!("-10.00")));
    api.post(&format!("{path}/close"), json!({"counted_cash": "1"})).await.refused(409, "shift_closed");
    // Counted money is not unsaid by who counted it.
    let void = format!("/api/v1/payments/{}/void", text(&second, "/id"));
    api.post(&void, json!({"reason": "Oops"})).await.refused(409, "shift_closed");
    shop.api.post(&void, json!({"reason": "Seen by the owner"})).await.expect(200);
    let after = shop.api.get(&path).await.expect(200);
    assert_eq!(
        (&after["expected_cash"], &after["cash_in"]),
        (&json!("1370.00"), &json!("1000.00")),
        "what was counted stays"
    );
    // Others do not see it without the right to.
    let other = shop.tenant.person(&["shifts.work"]).await;
    shop.tenant.api_of(&other).await.get(&path).await.refused(404, "not_found");
    shop.adds_up().await;
}

#[tokio::test]
async fn a_close_and_a_payment_at_once_agree() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let shift = shop.api.post("/api/v1/shifts", json!({"opening_cash": "0"})).await.expect(201);
    let close = format!("/api/v1/shifts/{}/close", text(&shift, "/id"));
    let pay = format!("/api/v1/customers/{customer}/payments");
    let payments = futures_util::future::join_all(
        (0..10).map(|_| shop.api.post(&pay, json!({"amount": "10", "method": "cash"}))),
    );
    let (closed, _) =
        futures_util::future::join(shop.api.post(&close, json!({"counted_cash": "0"})), payments).await;
    let closed = closed.expect(200);
    assert_eq!(
        closed["expected_cash"],
        shop.api.get(close.trim_end_matches("/close")).await.expect(200)["cash_in"]
    );
}
