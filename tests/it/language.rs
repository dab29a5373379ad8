//! The language that somebody reads the portal in: their own, or else their browser's; and what stays in English whoever reads.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{Browser, PASSWORD, between, mailbox::letter_to, tenant, text},
};

const PROFILE: &str = "/api/v1/me/profile";

fn language(page: &str) -> String {
    between(page, "<html lang=\"", "\"").unwrap()
}

async fn choose(browser: &mut Browser, name: &str, code: &str) -> u16 {
    browser.get("/account").await.expect_status(200);
    browser.post("/account/profile", &[("name", name), ("language", code)]).await.status
}

#[tokio::test]
async fn everybody_reads_in_their_own_language_or_their_browsers() {
    let acme = tenant().await;
    let pat = acme.person(&["customers.view"]).await;
    let (api, mut browser) = (acme.api_of(&pat).await, acme.browser_as(&pat.email, PASSWORD).await);
    assert_eq!(language(&browser.get("/account").await.text()), "en");
    assert_eq!(api.get(PROFILE).await.expect(200)["language"], Value::Null);
    let asks =
        |browser: &Browser| browser.with_cookies().header("accept-language", "fr-CI,fr;q=0.9,en;q=0.4");
    let page = asks(&browser).get("/account").await.text();
    assert!(language(&page) == "fr" && page.contains("<h1>Votre compte</h1>"), "{page}");
    // Before anybody is known, too.
    let stranger = acme.server.browser(&acme.host);
    let page = asks(&stranger).get("/sign-in").await.text();
    assert!(language(&page) == "fr" && page.contains("Se connecter"), "{page}");
    for unknown in ["de", "FR", "french", &"f".repeat(35)] {
        assert_eq!(api.patch(PROFILE, json!({"language": unknown})).await.wrong_fields(), ["language"]);
        assert_eq!(choose(&mut browser, "Pat", unknown).await, 422);
    }
    let before = events(&acme, "staff.updated").await;
    assert_eq!(choose(&mut browser, "Pat", "fr").await, 303);
    assert_eq!(events(&acme, "staff.updated").await, before + 1);
    assert_eq!(api.get(PROFILE).await.expect(200)["language"], "fr");
    // At once, in what a form answers and where nothing is found as well; nobody else's.
    let page = browser.get("/account").await.text();
    assert!(language(&page) == "fr" && page.contains("Profil enregistré."), "{page}");
    assert!(page.contains("<option value=\"fr\" selected>"), "{page}");
    let wrong = browser.post("/account/profile", &[("name", "")]).await;
    assert!(wrong.status == 422 && language(&wrong.text()) == "fr", "{}", wrong.text());
    assert!(!wrong.text().contains("This is needed"), "{}", wrong.text());
    let gone = browser.get("/customers/00000000-0000-7000-8000-000000000000").await;
    assert!(gone.status == 404 && language(&gone.text()) == "fr", "{}", gone.text());
    assert_eq!(language(&acme.browser().await.get("/account").await.text()), "en");
    // The browser's wish does not go against it, and counts again without it.
    assert_eq!(api.patch(PROFILE, json!({"language": "en"})).await.expect(200)["language"], "en");
    assert_eq!(language(&asks(&browser).get("/account").await.text()), "en");
    assert_eq!(api.patch(PROFILE, json!({"name": "Patricia"})).await.expect(200)["language"], "en");
    assert_eq!(api.patch(PROFILE, json!({"language": null})).await.expect(200)["language"], Value::Null);
    assert_eq!(language(&asks(&browser).get("/account").await.text()), "fr");
}

/// What people typed is theirs, what is kept is in English, and programs are answered in English.
#[tokio::test]
async fn only_the_programs_own_words_are_translated() {
    let acme = tenant().await;
    let (api, mut browser) = (acme.api().await, acme.browser().await);
    assert_eq!(choose(&mut browser, "Olive Owner", "fr").await, 303);
    // An area and a customer that are called as the portal calls things of its own.
    let area = text(&api.post("/api/v1/areas", json!({"name": "Customers"})).await.expect(201), "/id");
    let named = json!({"first_name": "Active", "last_name": "Settings", "area_id": area});
    let customer = text(&api.post("/api/v1/customers", named).await.expect(201), "/id");
    let list = browser.get("/customers").await.text();
    assert!(list.contains("<h1>Clients</h1>") && list.contains("Active Settings"), "{list}");
    assert!(list.contains(&format!("<option value=\"{area}\">Customers</option>")), "{list}");
    let page = browser.get(&format!("/customers/{customer}")).await.text();
    assert!(page.contains("<h1>Active Settings</h1>"), "{page}");
    // What a French reader did is told to everybody in the same words.
    let form = [
        ("customer", customer.as_str()),
        ("title", "Open"),
        ("category", "no_connection"),
        ("priority", "urgent"),
        ("source", "walk_in"),
        ("assigned_to", &acme.owner_id),
    ];
    let ticket = browser.post("/tickets", &form).await.expect_status(303).header("location").to_owned();
    browser.get(&ticket).await.expect_status(200);
    browser.post(&format!("{ticket}/status"), &[("status", "in_progress")]).await.expect_status(303);
    let said = browser.get(&ticket).await.text();
    assert!(said.contains("Status changed from assigned to in progress"), "{said}");
    assert!(said.contains("<h1>Open</h1>"), "{said}");
    // Programs and letters speak English, whatever language they are asked in.
    let french = api.header("accept-language", "fr");
    let refused = french.post("/api/v1/areas", json!({"name": "Customers"})).await.refused(409, "name_taken");
    assert!(text(&refused, "/detail").contains("There is an area"), "{refused}");
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &acme.owner_email)]).await;
    let letter = letter_to(acme.server, &acme.owner_email, 1).await;
    assert!(letter.header("Subject").contains("password"), "{}", letter.header("Subject"));
}
