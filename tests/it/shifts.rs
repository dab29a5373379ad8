//! The cashier's drawer.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{
    harness::{Server, Settings, Tenant, mailbox::until, sql, tenant_on, text},
    shop::Shop,
};

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

async fn shop_of(tenant: Tenant) -> Shop {
    let (api, schema) = (tenant.api().await, tenant.schema().await);
    let db = Arc::new(sql(&tenant.server.database).await);
    Shop { tenant, api, db, schema }
}

/// What there is of a close: when, expected, counted and the entry of the trail, in one text.
async fn closed(shop: &Shop) -> String {
    shop.ask(
        "SELECT (SELECT concat_ws(' ', closed_at IS NOT NULL, expected_cash, counted_cash, note) FROM cash_shift) || ' ' || \
         (SELECT count(*) FROM audit_event WHERE action = 'shift.closed')",
    )
    .await
}

/// Holds a table against writing, as somebody who looks behind the scenes.
async fn held(shop: &Shop, table: &str) -> Client {
    let holder = sql(&shop.tenant.server.database).await;
    holder.batch_execute(&format!("BEGIN; LOCK TABLE {}.{table} IN SHARE MODE", shop.schema)).await.unwrap();
    holder
}

/// Sends a close that waits at a held table, kills the server meanwhile, and lets the table go when nobody waits any more.
async fn killed_at(shop: &Shop, server: &Server, table: &str, close: &str) {
    let holder = held(shop, table).await;
    let (api, path) = (shop.api.clone(), close.to_owned());
    let asked =
        tokio::spawn(
            async move { api.try_post(&path, json!({"counted_cash": "90", "note": "Ten short"})).await },
        );
    let waits = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = '{}' AND c.relname = '{table}' AND NOT l.granted",
        shop.schema
    );
    until("the close to wait", async || (shop.ask(&waits).await == "1").then_some(())).await;
    server.kill();
    assert_eq!(asked.await.unwrap(), None, "nobody was answered");
    holder.batch_execute("ROLLBACK").await.unwrap();
    let busy = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = '{}' AND c.relname = 'cash_shift'",
        shop.schema
    );
    until("its connection to be gone", async || (shop.ask(&busy).await == "0").then_some(())).await;
}

#[tokio::test]
async fn a_close_that_is_killed_leaves_the_drawer_open_and_whole() {
    let server = Server::own("shifts_killed", Settings::default()).await;
    let mut shop = shop_of(tenant_on(server).await).await;
    let (customer, _) = shop.installation().await;
    let shift = shop.api.post("/api/v1/shifts", json!({"opening_cash": "0"})).await.expect(201);
    let pay = format!("/api/v1/customers/{customer}/payments");
    shop.api.post(&pay, json!({"amount": "100", "method": "cash"})).await.expect(201);
    let path = format!("/api/v1/shifts/{}", text(&shift, "/id"));
    let close = format!("{path}/close");
    let open = closed(&shop).await;
    assert_eq!(open, "f 0");
    // Before anything of it is written, and with the count written but not the trail.
    let mut server = server;
    for (table, taken) in [("cash_shift", "100.00"), ("audit_event", "105.00")] {
        killed_at(&shop, server, table, &close).await;
        assert_eq!(closed(&shop).await, open, "killed at {table}: half of a close was left");
        server = server.sibling(Settings::default());
        shop = shop_of(Tenant { server, ..shop.tenant }).await;
        let still = shop.api.get(&path).await.expect(200);
        assert_eq!((&still["closed_at"], &still["cash_in"]), (&Value::Null, &json!(taken)), "{still}");
        // The drawer still takes money.
        shop.api.post(&pay, json!({"amount": "5", "method": "cash"})).await.expect(201);
        shop.api.post("/api/v1/shifts", json!({"opening_cash": "0"})).await.refused(409, "shift_open");
    }
    let body = json!({"counted_cash": "90", "note": "Twenty short"});
    let done = shop.api.post(&close, body).await.expect(200);
    assert_eq!((&done["expected_cash"], &done["difference"]), (&json!("110.00"), &json!("-20.00")), "{done}");
    assert_eq!(closed(&shop).await, "t 110.00 90.00 Twenty short 1");
    shop.api.post(&close, json!({"counted_cash": "1"})).await.refused(409, "shift_closed");
    shop.adds_up().await;
    assert!(server.terminate());
}
