//! Customers in the portal, without scripts.

use serde_json::json;

use crate::harness::{Browser, Tenant, between, tenant, text};

const PLAIN: [(&str, &str); 6] = [
    ("first_name", "Ana"),
    ("last_name", "Cruz"),
    ("phone_primary", "0917 555 0101"),
    ("email", "ana@x.example"),
    ("status", "active"),
    ("location_accuracy", "manual"),
];

async fn customer(tenant: &Tenant, first: &str, last: &str) -> String {
    let body = json!({"first_name": first, "last_name": last});
    text(&tenant.api().await.post("/api/v1/customers", body).await.expect(201), "/id")
}

/// What the next page says of the action before it.
async fn said(browser: &mut Browser, path: &str) -> String {
    between(&browser.get(path).await.text(), "<span data-text>", "</span>").unwrap_or_default()
}

#[tokio::test]
async fn a_customer_is_added_seen_changed_and_kept_from_being_overwritten() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    browser.get("/customers/new").await.expect_status(200);
    let wrong =
        browser.post("/customers", &[("first_name", "Ana"), ("email", "x"), ("latitude", "91")]).await;
    wrong.expect_status(422);
    for field in ["last_name-error", "email-error", "longitude-error"] {
        assert!(wrong.text().contains(field), "{field} is not named");
    }
    let added = browser.post("/customers", &PLAIN).await;
    added.expect_status(303);
    let page = added.header("location").to_owned();
    assert_eq!(said(&mut browser, &page).await, "Ana Cruz was added.");
    let edit = browser.get(&format!("{page}/edit")).await;
    let version = between(&edit.text(), "name=\"version\" value=\"", "\"").unwrap();
    let mut form = PLAIN.to_vec();
    form.extend([("version", version.as_str()), ("notes", "First")]);
    browser.post(&page, &form).await.expect_status(303);
    form.pop();
    form.push(("notes", "Second"));
    let late = browser.post(&page, &form).await;
    late.expect_status(422);
    assert!(late.text().contains("changed this customer meanwhile"));
    let activity = browser.get(&format!("{page}?tab=activity")).await;
    assert!(activity.text().contains("First") && !activity.text().contains("Second"));
}

#[tokio::test]
async fn somebody_who_looks_alike_is_shown_before_it_is_saved_twice() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    browser.get("/customers/new").await;
    browser.post("/customers", &PLAIN).await.expect_status(303);
    let mut twin = PLAIN.to_vec();
    twin[3] = ("email", "");
    let asked = browser.post("/customers", &twin).await;
    asked.expect_status(422);
    assert!(asked.text().contains("Save anyway"));
    twin.push(("allow_duplicate", "true"));
    let saved = browser.post("/customers", &twin).await;
    saved.expect_status(303);
    let detail = browser.get(saved.header("location")).await;
    assert!(detail.text().contains("Possible doubles"));
}

#[tokio::test]
async fn deleting_can_be_undone_for_one_and_for_all_that_match() {
    let tenant = tenant().await;
    let one = customer(&tenant, "Ana", "Cruz").await;
    for n in 0..3 {
        customer(&tenant, &format!("Ben{n}"), "Reyes").await;
    }
    let mut browser = tenant.browser().await;
    browser.get("/customers").await;
    browser.post(&format!("/customers/{one}/delete"), &[]).await.expect_status(303);
    let list = browser.get("/customers").await.text();
    let undo = format!("/customers/{one}/restore");
    assert!(list.contains(&format!("action=\"{undo}\"")), "{list}");
    assert!(browser.get(&format!("/customers/{one}")).await.text().contains("This customer was deleted"));
    browser.post(&undo, &[]).await.expect_status(303);
    let all = [("filter", "q=reyes"), ("scope", "all"), ("action", "delete")];
    browser.post("/customers/bulk", &all).await.expect_status(303);
    let list = browser.get("/customers").await.text();
    assert!(list.contains("3 customers were deleted."), "{list}");
    let undo = between(&list, "action=\"/customers/undo/", "\"").unwrap();
    browser.post(&format!("/customers/undo/{undo}"), &[]).await.expect_status(303);
    assert_eq!(said(&mut browser, "/customers").await, "3 customers are back.");
    let total = tenant.api().await.get("/api/v1/customers?total=true").await.expect(200)["total"].clone();
    assert_eq!(total, 4);
}

#[tokio::test]
async fn the_list_keeps_its_filters_and_pages_both_ways() {
    let tenant = tenant().await;
    for n in 0..30 {
        customer(&tenant, &format!("Ana{n:02}"), "Cruz").await;
    }
    customer(&tenant, "Ben", "Reyes").await;
    let mut browser = tenant.browser().await;
    let first = browser.get("/customers?q=cruz&sort=name").await.text();
    assert!(first.contains("1–25 of 30 customers"), "{first}");
    assert!(first.contains("Search: cruz"), "the filter is a chip");
    let next = between(&first, "rel=\"next\" href=\"", "\"").unwrap().replace("&amp;", "&");
    let second = browser.get(&next).await.text();
    assert!(second.contains("26–30 of 30 customers"));
    let back = between(&second, "rel=\"prev\" href=\"", "\"").unwrap().replace("&amp;", "&");
    let again = browser.get(&back).await.text();
    assert!(again.contains("1–25 of 30 customers") && again.contains("Ana00 Cruz"));
    let table = browser.with_cookies().header("hx-request", "true").header("hx-target", "customers");
    let table = table.get("/customers?q=reyes").await.text();
    assert!(table.contains("Ben Reyes") && !table.contains("<html"), "htmx gets the table alone");
    assert!(table.contains("hx-swap-oob") && table.contains("/customers/export?q=reyes"), "and its links");
    let chosen = browser.get("/customers?col=name&col=updated").await.text();
    assert!(chosen.contains(">Changed<") || chosen.contains("Changed"));
    assert!(
        !browser.get("/customers").await.text().contains("data-label=\"Phone\""),
        "columns are remembered"
    );
}

#[tokio::test]
async fn two_are_merged_and_the_old_page_leads_to_the_survivor() {
    let tenant = tenant().await;
    let (one, two) = (customer(&tenant, "Ana", "Cruz").await, customer(&tenant, "Anna", "Cruz").await);
    let mut browser = tenant.browser().await;
    browser.get("/customers").await;
    let chosen = browser.post("/customers/merge/chosen", &[("ids", &one), ("ids", &two)]).await;
    let page = chosen.expect_status(303).header("location").to_owned();
    browser.get(&page).await.expect_status(200);
    browser.post("/customers/merge", &[("ids", &one), ("ids", &two)]).await.expect_status(422);
    let form = [("ids", one.as_str()), ("ids", &two), ("survivor", &one), ("keep_first_name", &two)];
    browser.post("/customers/merge", &form).await.expect_status(303);
    let old = browser.get(&format!("/customers/{two}")).await;
    assert_eq!(old.expect_status(303).header("location"), format!("/customers/{one}"));
    assert!(browser.get(&format!("/customers/{one}")).await.text().contains("Anna Cruz"));
}

#[tokio::test]
async fn every_page_opens_and_foreign_ones_are_not_there() {
    let (other, tenant) = (tenant().await, tenant().await);
    let (own, foreign) = (customer(&tenant, "Ana", "Cruz").await, customer(&other, "Not", "Ours").await);
    let mut browser = tenant.browser().await;
    let own = format!("/customers/{own}");
    for page in [
        "/customers/map",
        "/customers/map/data?bbox=124,8,125,9",
        "/customers/export?format=xlsx",
        &own,
        &format!("{own}/edit"),
    ] {
        browser.get(page).await.expect_status(200);
    }
    for page in
        [format!("/customers/{foreign}"), format!("/customers/{foreign}/edit"), "/customers/not-an-id".into()]
    {
        browser.get(&page).await.expect_status(404);
    }
    for action in ["delete", "restore", "status"] {
        let path = format!("/customers/{foreign}/{action}");
        browser.post(&path, &[("status", "active")]).await.expect_status(404);
    }
    assert_eq!(browser.get(&format!("/customers/merge?ids={foreign}&ids={foreign}")).await.status, 303);
}
