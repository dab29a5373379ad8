//! Receipts: numbered without a gap, printed the same for ever, proved to anyone who holds one.

use serde_json::json;

use crate::{harness::text, shop::Shop};

#[tokio::test]
async fn numbers_have_no_gap_however_many_take_money() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let path = format!("/api/v1/customers/{customer}/payments");
    let gcash = |n: usize| json!({"amount": "5", "method": "gcash", "reference": format!("R{}", n / 2)});
    // Every second one is refused: its number goes back.
    let answers = futures_util::future::join_all((0..16).map(|n| shop.api.post(&path, gcash(n)))).await;
    let mut numbers: Vec<String> =
        answers.iter().filter(|a| a.status == 201).map(|a| text(&a.json(), "/receipt_number")).collect();
    numbers.sort();
    assert_eq!(numbers.len(), 8);
    for (n, label) in numbers.iter().enumerate() {
        assert!(label.starts_with("AR-20") && label.ends_with(&format!("-{:04}", n + 1)), "{label}");
    }
}

#[tokio::test]
async fn a_reprint_is_the_same_whatever_changed() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1120").await;
    shop.api
        .patch(
            "/api/v1/settings/billing",
            json!({"is_vat_registered": true, "receipt_title": "Payment Receipt"}),
        )
        .await
        .expect(200);
    shop.sell(&installation, &plan).await;
    let path = format!("/api/v1/customers/{customer}/payments");
    let payment = shop.api.post(&path, json!({"amount": "1120", "method": "cash"})).await.expect(201);
    let receipt = text(&payment, "/receipt_id");
    let vat = shop
        .ask(&format!("SELECT printed -> 'taxes' -> 1 ->> 'text' FROM receipt WHERE id = '{receipt}'"))
        .await;
    assert_eq!(vat, "₱120.00");
    let a4 = shop.api.get(&format!("/api/v1/receipts/{receipt}/pdf")).await;
    a4.expect_status(200);
    assert!(a4.body.starts_with(b"%PDF-") && a4.header("content-type") == "application/pdf");
    let roll = shop.api.get(&format!("/api/v1/receipts/{receipt}/pdf?paper=80mm")).await;
    roll.expect_status(200);
    assert_ne!(roll.body, a4.body);
    // The customer, the company and the plan change, and the payment is void.
    shop.api.patch(&format!("/api/v1/customers/{customer}"), json!({"last_name": "Reyes"})).await.expect(200);
    shop.api.patch("/api/v1/company", json!({"name": "Other Name"})).await.expect(200);
    shop.api.patch(&format!("/api/v1/plans/{plan}"), json!({"name": "Renamed"})).await.expect(200);
    shop.api
        .post(&format!("/api/v1/payments/{}/void", text(&payment, "/id")), json!({"reason": "Bounced"}))
        .await
        .expect(200);
    let again = shop.api.get(&format!("/api/v1/receipts/{receipt}/pdf")).await;
    assert!(again.body == a4.body, "a reprint differs");
    let shown = shop.api.get(&format!("/api/v1/receipts/{receipt}")).await.expect(200);
    assert_eq!((&shown["is_void"], &shown["number"]), (&json!(true), &payment["receipt_number"]));
}

#[tokio::test]
async fn series_are_numbered_as_the_settings_say() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let path = format!("/api/v1/customers/{customer}/payments");
    let pay = async || {
        text(
            &shop.api.post(&path, json!({"amount": "5", "method": "cash"})).await.expect(201),
            "/receipt_number",
        )
    };
    for (series, prefix, expected) in [
        ("continuous", "OR", "OR-000001"),
        ("continuous", "OR", "OR-000002"),
        ("continuous", "TKT", "TKT-000001"),
    ] {
        shop.api
            .patch("/api/v1/settings/billing", json!({"receipt_series": series, "receipt_prefix": prefix}))
            .await
            .expect(200);
        assert_eq!(pay().await, expected);
    }
    shop.api.patch("/api/v1/settings/billing", json!({"receipt_series": "yearly"})).await.expect(200);
    assert!(pay().await.ends_with("-000001"));
    let wrong = json!({"receipt_prefix": "a b", "vat_rate": "101", "reminder_days": [61], "grace_days": 61});
    let wrong = shop.api.patch("/api/v1/settings/billing", wrong).await;
    assert_eq!(wrong.wrong_fields(), ["grace_days"], "the schema speaks first");
    let wrong = json!({"receipt_prefix": "a b", "vat_rate": "101", "reminder_days": [61]});
    assert_eq!(
        shop.api.patch("/api/v1/settings/billing", wrong).await.wrong_fields(),
        ["receipt_prefix", "reminder_days", "vat_rate"]
    );
}
