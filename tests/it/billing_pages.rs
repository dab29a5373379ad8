//! The pages of billing, as a cashier walks them.

use crate::{
    harness::{between, text},
    shop::Shop,
};

#[tokio::test]
async fn a_cashier_sells_takes_money_and_prints() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    let mut browser = shop.tenant.browser().await;
    let found = browser.get("/subscriptions/new?q=cruz").await.text();
    assert!(found.contains(&installation), "{found}");
    let sell = format!("/subscriptions/new?installation={installation}&plan={plan}");
    assert!(browser.get(&sell).await.text().contains("What it comes to"));
    let preview = browser
        .get(&format!(
            "/subscriptions/preview?installation={installation}&plan={plan}&kind=custom&amount=150"
        ))
        .await
        .text();
    assert!(preview.contains("4 days, 12 hours") && preview.contains("₱150.00"), "{preview}");
    let none = browser
        .get(&format!("/subscriptions/preview?installation={installation}&plan={plan}&kind=custom"))
        .await;
    assert!(none.text().contains("Say how much is paid."));
    // What is wrong stands beside its field, and what was typed stays.
    let bad = [
        ("installation", installation.as_str()),
        ("plan", &plan),
        ("kind", "custom"),
        ("amount", "0"),
        ("pay_amount", "1.001"),
        ("pay_method", "cash"),
        ("notes", "Keep me"),
    ];
    let wrong = browser.post("/subscriptions", &bad).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("At most two decimals.") && wrong.text().contains("Keep me"));
    let without_scripts = [
        ("installation", installation.as_str()),
        ("plan", &plan),
        ("kind", "one_month"),
        ("pay_method", "cash"),
        ("show", "1"),
    ];
    assert!(browser.post("/subscriptions", &without_scripts).await.text().contains("₱1,000.00"));
    assert_eq!(shop.ask("SELECT count(*) FROM subscription").await, "0");
    let good = [
        ("installation", installation.as_str()),
        ("plan", &plan),
        ("kind", "one_month"),
        ("pay_amount", "1,200"),
        ("pay_method", "gcash"),
        ("pay_reference", "G1"),
    ];
    let sold = browser.post("/subscriptions", &good).await;
    sold.expect_status(303);
    let payment = sold.header("location").to_owned();
    let page = browser.get(&payment).await.text();
    assert!(page.contains("₱1,200.00") && page.contains("AR-20"));
    let a4 = between(&page, "href=\"/receipts/", "\"").unwrap();
    let pdf = browser.get(&format!("/receipts/{}", a4.replace("&#x3D;", "="))).await;
    assert!(pdf.body.starts_with(b"%PDF-"));
    let ledger = browser.get(&format!("/customers/{customer}/ledger")).await.text();
    assert!(ledger.contains("credit of") && ledger.contains("₱200.00"));
    assert!(browser.get(&format!("/customers/{customer}")).await.text().contains("/ledger"));
    let pay = [("pay_amount", "5"), ("pay_method", "gcash"), ("pay_reference", "g1")];
    let again = browser.post(&format!("/customers/{customer}/payments"), &pay).await;
    again.expect_status(422);
    assert!(again.text().contains("was recorded already"));
    shop.adds_up().await;
}

#[tokio::test]
async fn a_subscription_is_held_changed_and_cancelled_on_its_page() {
    let shop = Shop::open().await;
    let (_, installation) = shop.installation().await;
    let (plan, other) = (shop.plan("1000").await, shop.plan("2000").await);
    let id = text(&shop.sell(&installation, &plan).await, "/id");
    let path = format!("/subscriptions/{id}");
    let mut browser = shop.tenant.browser().await;
    assert!(browser.get("/subscriptions?status=active").await.text().contains(&path));
    assert!(browser.get(&path).await.text().contains("Still to pay"));
    browser.post(&format!("{path}/pause"), &[("reason", "Holiday")]).await.expect_status(303);
    assert!(browser.get(&path).await.text().contains("Holiday"));
    browser.post(&format!("{path}/resume"), &[]).await.expect_status(303);
    let shown = browser.get(&format!("{path}/change?plan={other}")).await.text();
    assert!(shown.contains("So it buys") && shown.contains("₱1,000.00"), "{shown}");
    let changed = browser.post(&format!("{path}/change"), &[("plan", &other)]).await;
    changed.expect_status(303);
    let new = changed.header("location").to_owned();
    let wrong = browser.post(&format!("{new}/cancel"), &[("reason", ""), ("credit", "unused")]).await;
    wrong.expect_status(422);
    browser
        .post(&format!("{new}/cancel"), &[("reason", "Moved"), ("credit", "unused")])
        .await
        .expect_status(303);
    assert!(browser.get(&new).await.text().contains("Cancelled"));
    shop.adds_up().await;
}

#[tokio::test]
async fn a_round_a_drawer_and_the_settings() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    let plan = shop.plan("1000").await;
    shop.sell(&installation, &plan).await;
    let mut browser = shop.tenant.browser().await;
    browser.get("/shifts").await.expect_status(200);
    browser.post("/shifts", &[("opening_cash", "x")]).await.expect_status(422);
    browser.post("/shifts", &[("opening_cash", "500")]).await.expect_status(303);
    let round = browser.get("/collect").await.text();
    assert!(round.contains("Ana Cruz") && round.contains("value=\"1000.00\""), "{round}");
    let wrong = browser
        .post("/collect", &[("customer", &customer), ("pay_amount", "0"), ("pay_method", "cash")])
        .await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This must be more than nothing."));
    browser
        .post("/collect", &[("customer", &customer), ("pay_amount", "1000"), ("pay_method", "cash")])
        .await
        .expect_status(303);
    let after = browser.get("/collect").await.text();
    assert!(after.contains("₱1,000.00") && after.contains("Nobody here"), "{after}");
    let drawer = browser.get("/shifts").await.text();
    assert!(drawer.contains("₱1,500.00"), "{drawer}");
    let href = between(&drawer, "btn btn-primary\" href=\"", "\"").unwrap();
    browser.get(&href).await.expect_status(200);
    browser.post(&format!("{href}/close"), &[("counted_cash", "1500")]).await.expect_status(303);
    assert!(browser.get(&href).await.text().contains("It adds up"));
    let listed = browser.get("/payments?method=cash&state=valid").await.text();
    assert!(listed.contains("Ana Cruz") && listed.contains("₱1,000.00"));
    assert!(browser.get("/payments?method=bank").await.text().contains("Nothing found"));
    let csv = browser.get("/payments/export?format=csv").await;
    assert!(csv.text().contains("Ana Cruz"));
    let settings = browser.get("/settings/billing").await.text();
    assert!(settings.contains("7, 3, 1, 0"));
    let form = [
        ("grace_days", "2"),
        ("reminder_days", "5 1"),
        ("vat_rate", "12"),
        ("receipt_series", "yearly"),
        ("receipt_prefix", "or"),
        ("receipt_title", "Receipt"),
    ];
    browser.post("/settings/billing", &form).await.expect_status(422);
    let form: Vec<(&str, &str)> =
        form.iter().map(|(k, v)| (*k, if *k == "receipt_prefix" { "OR" } else { *v })).collect();
    browser.post("/settings/billing", &form).await.expect_status(303);
    assert!(browser.get("/settings/billing").await.text().contains("5, 1"));
}

#[tokio::test]
async fn a_refusal_on_a_round_is_told_wherever_the_collector_stands() {
    let shop = Shop::open().await;
    let customer = shop.customer("Ana").await;
    let mut browser = shop.tenant.browser().await;
    // Found by her name alone: she owes nothing.
    let found = browser.get("/collect?q=ana").await.text();
    assert!(
        found.contains("name=\"q\" value=\"ana\"") && found.contains("name=\"skip\" value=\"0\""),
        "{found}"
    );
    let pay = |amount: &'static str, q: &'static str, skip: &'static str| {
        [
            ("customer", customer.as_str()),
            ("pay_amount", amount),
            ("pay_method", "cash"),
            ("q", q),
            ("skip", skip),
        ]
    };
    let refused = browser.post("/collect", &pay("0", "ana", "0")).await.expect_status(422).text();
    assert!(refused.contains("Ana Cruz") && refused.contains("This must be more than nothing."), "{refused}");
    assert!(!refused.contains("This could not be saved"), "beside the stop, and there alone");
    // On a page where she does not stand.
    let refused = browser.post("/collect", &pay("0", "", "30")).await.expect_status(422).text();
    assert!(!refused.contains("Ana Cruz") && refused.contains("This could not be saved"), "{refused}");
    assert!(refused.contains("This must be more than nothing."), "{refused}");
    assert!(refused.contains("Nobody more"), "the round has a beginning: {refused}");
    let taken = browser.post("/collect", &pay("50", "ana", "0")).await;
    assert_eq!(taken.expect_status(303).header("location"), "/collect?q=ana");
    let taken = browser.post("/collect", &pay("60", "ana", "30")).await;
    assert_eq!(taken.expect_status(303).header("location"), "/collect?q=ana&skip=30");
    shop.adds_up().await;
}

#[tokio::test]
async fn anyone_with_a_receipt_sees_that_it_is_genuine_and_nothing_else() {
    let shop = Shop::open().await;
    let (customer, _) = shop.installation().await;
    let body = serde_json::json!({"amount": "250", "method": "cash"});
    let payment = shop.api.post(&format!("/api/v1/customers/{customer}/payments"), body).await.expect(201);
    let receipt =
        shop.api.get(&format!("/api/v1/receipts/{}", text(&payment, "/receipt_id"))).await.expect(200);
    let path = format!("/receipts/verify/{}", text(&receipt, "/verification_code"));
    let printed = shop.ask("SELECT printed ->> 'verify_url' FROM receipt").await;
    assert!(printed.ends_with(&path) && printed.contains(&shop.tenant.host), "{printed}");
    let anyone = shop.tenant.anonymous();
    let page = anyone.get(&path).await;
    page.expect_status(200);
    let page = page.text();
    assert!(page.contains("genuine") && page.contains("₱250.00") && page.contains("A. C."));
    assert!(!page.contains("Cruz") && !page.contains("Ana"), "no name");
    let void = format!("/api/v1/payments/{}/void", text(&payment, "/id"));
    shop.api.post(&void, serde_json::json!({"reason": "Bounced"})).await.expect(200);
    assert!(anyone.get(&path).await.text().contains("void"));
    anyone.get("/receipts/verify/aaaaaaaaaaaaaaaaaaaaaaaa").await.expect_status(404);
    anyone.get("/receipts/verify/%00").await.expect_status(404);
}
