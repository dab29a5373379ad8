//! Forgotten passwords: the same answer to everybody, and a link that counts once, for a while, for one person.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    PASSWORD, Server, Settings, Tenant,
    mailbox::{letter_to, letters_to, until},
    sql, tenant, tenant_on,
};

const NEW_PASSWORD: &str = "seven quiet herons at dusk";

async fn ask(acme: &Tenant, email: &str) -> crate::harness::Answer {
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", email)]).await
}

/// Runs a statement on one table of the tenant.
async fn run(acme: &Tenant, statement: &str) -> u64 {
    let sql = sql(&acme.server.database).await;
    let schema = acme.schema().await;
    sql.execute(&statement.replace("{}", &format!("{schema}.")), &[]).await.unwrap()
}

#[tokio::test]
async fn a_forgotten_password_is_chosen_anew_and_everything_under_the_old_one_ends() {
    let acme = tenant().await;
    let api = acme.api().await;
    let mut portal = acme.browser().await;
    ask(&acme, &acme.owner_email.to_uppercase()).await.expect_status(200);
    let letter = letter_to(acme.server, &acme.owner_email, 1).await;
    assert_eq!(letter.header("Subject"), format!("Set a new password at Company {}", acme.slug));
    assert!(letter.link().starts_with(&format!("https://{}/reset?code=", acme.host)), "{}", letter.link());
    let code = letter.code();
    let mut browser = acme.server.browser(&acme.host);
    // Programs that look at links do not use them up.
    for _ in 0..3 {
        let page = browser.get(&format!("/reset?code={code}")).await;
        page.expect_status(200);
        assert!(page.text().contains(&acme.owner_email), "{}", page.text());
        // The origin alone, never the code; without even that, browsers would send the form as if from nowhere.
        assert_eq!(page.header("referrer-policy"), "strict-origin");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    api.get("/api/v1/me").await.expect(200);
    let weak = browser.post("/reset", &[("token", &code), ("password", "password123")]).await;
    weak.expect_status(422);
    assert!(!weak.text().contains("password123"), "a password is not sent back");
    let done = browser.post("/reset", &[("token", &code), ("password", NEW_PASSWORD)]).await;
    assert_eq!((done.status, done.header("location")), (303, "/sign-in"));
    assert_eq!(api.get("/api/v1/me").await.status, 401, "tokens end");
    assert!(portal.get("/staff").await.header("location").starts_with("/sign-in"), "sessions end");
    let old = json!({"email": acme.owner_email, "password": PASSWORD});
    assert_eq!(acme.anonymous().post("/api/v1/auth/token", old).await.status, 401);
    acme.api_as(&acme.owner_email, NEW_PASSWORD).await;
    // Once is once.
    let again = browser.get(&format!("/reset?code={code}")).await;
    again.expect_status(410);
    let again = browser.post("/reset", &[("token", &code), ("password", "another good long one")]).await;
    again.expect_status(410);
    acme.api_as(&acme.owner_email, NEW_PASSWORD).await;
    assert!(!acme.server.log().contains(&code), "the code is in the log");
    assert_eq!(
        run(&acme, "UPDATE {}mail SET subject = subject WHERE sealed_body IS NULL AND status = 'sent'").await,
        1
    );
    let events =
        "UPDATE {}one_time_link SET used_at = used_at WHERE used_at IS NOT NULL AND purpose = 'set_password'";
    assert_eq!(run(&acme, events).await, 1);
}

#[tokio::test]
async fn known_and_unknown_addresses_get_one_answer_after_the_same_time() {
    let acme = tenant().await;
    let unknown = format!("nobody@{}.example", acme.slug);
    let mut seen = Vec::new();
    for email in [&acme.owner_email, &unknown] {
        let begun = Instant::now();
        let answer = ask(&acme, email).await;
        assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
        answer.expect_status(200);
        let plain = answer.text().replace(email.as_str(), "EMAIL");
        let without = |text: &str, before: &str| {
            text.split(before)
                .enumerate()
                .map(
                    |(i, part)| if i == 0 { part } else { part.split_once('"').map_or("", |(_, rest)| rest) },
                )
                .collect::<String>()
        };
        seen.push(without(&without(&plain, "name=\"csrf\" content=\""), "name=\"_csrf\" value=\""));
    }
    assert_eq!(seen[0].replace(char::is_numeric, ""), seen[1].replace(char::is_numeric, ""));
    letter_to(acme.server, &acme.owner_email, 1).await;
    assert!(letters_to(acme.server, &unknown).is_empty());
    let asked = "UPDATE {}company SET version = version WHERE (SELECT count(*) FROM {}audit_event WHERE action = 'staff.link_asked') = 2";
    assert_eq!(run(&acme, asked).await, 1, "both are written down");
    ask(&acme, "not an address").await.expect_status(422);
}

#[tokio::test]
async fn a_link_counts_for_ten_minutes_and_says_so() {
    let acme = tenant().await;
    let page = ask(&acme, &acme.owner_email).await;
    assert!(page.text().contains("It works once, for 10 minutes."), "{}", page.text());
    let letter = letter_to(acme.server, &acme.owner_email, 1).await;
    assert!(letter.text.contains("It works once, for 10 minutes."), "{}", letter.text);
    let code = letter.code();
    let mut browser = acme.server.browser(&acme.host);
    let aged = "UPDATE {}one_time_link SET expires_at = expires_at - interval '9 minutes' WHERE purpose = 'set_password'";
    assert_eq!(run(&acme, aged).await, 1);
    browser.get(&format!("/reset?code={code}")).await.expect_status(200);
    assert_eq!(run(&acme, &aged.replace("'9 ", "'1 ")).await, 1);
    browser.get(&format!("/reset?code={code}")).await.expect_status(410);
    browser.post("/reset", &[("token", &code), ("password", NEW_PASSWORD)]).await.expect_status(410);
    for made_up in ["", "x", &"A".repeat(43), &"A".repeat(4_000)] {
        browser.get(&format!("/reset?code={made_up}")).await.expect_status(410);
        browser.post("/reset", &[("token", made_up), ("password", NEW_PASSWORD)]).await.expect_status(410);
    }
    acme.api().await;
}

#[tokio::test]
async fn of_two_who_redeem_at_the_same_instant_one_does() {
    let acme = tenant().await;
    ask(&acme, &acme.owner_email).await.expect_status(200);
    let code = letter_to(acme.server, &acme.owner_email, 1).await.code();
    let redeem = async |password: &str| {
        let mut browser = acme.server.browser(&acme.host);
        browser.get(&format!("/reset?code={code}")).await;
        browser.post("/reset", &[("token", &code), ("password", password)]).await.status
    };
    let (one, other) = tokio::join!(redeem("first good long password"), redeem("second good long password"));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    let winner = if one == 303 { "first good long password" } else { "second good long password" };
    acme.api_as(&acme.owner_email, winner).await;
}

#[tokio::test]
async fn a_link_is_of_its_tenant_and_built_from_the_registry() {
    let (acme, globex) = (tenant().await, tenant().await);
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/forgot").await.expect_status(200);
    let body = format!("_csrf={}&email={}", browser.csrf, acme.owner_email);
    let poisoned = browser
        .with_cookies()
        .header("origin", &browser.origin)
        .header("x-forwarded-host", "evil.example")
        .header("x-host", "evil.example")
        .header("forwarded", "host=evil.example");
    let form = Some("application/x-www-form-urlencoded");
    poisoned.send(reqwest::Method::POST, "/forgot", form, body.into_bytes()).await.expect_status(200);
    let letter = letter_to(acme.server, &acme.owner_email, 1).await;
    assert!(!letter.html.contains("evil") && !letter.text.contains("evil"), "{letter:?}");
    assert!(letter.link().starts_with(&format!("https://{}/reset", acme.host)));
    let mut elsewhere = acme.server.browser(&globex.host);
    elsewhere.get(&format!("/reset?code={}", letter.code())).await.expect_status(410);
    elsewhere.get("/forgot").await;
    elsewhere
        .post("/reset", &[("token", &letter.code()), ("password", NEW_PASSWORD)])
        .await
        .expect_status(410);
    acme.choose_password(&letter.code(), NEW_PASSWORD).await;
}

#[tokio::test]
async fn another_site_cannot_send_these_forms() {
    let acme = tenant().await;
    ask(&acme, &acme.owner_email).await.expect_status(200);
    let code = letter_to(acme.server, &acme.owner_email, 1).await.code();
    let mut browser = acme.server.browser(&acme.host);
    browser.get(&format!("/reset?code={code}")).await.expect_status(200);
    let fields = [("token", code.as_str()), ("password", NEW_PASSWORD)];
    let own = browser.origin.clone();
    for foreign in ["https://evil.example", "https://isp.test", "null"] {
        browser.origin = foreign.to_owned();
        browser.post("/reset", &fields).await.expect_status(403);
        browser.post("/forgot", &[("email", "a@b.example")]).await.expect_status(403);
    }
    browser.origin = own;
    let token = std::mem::take(&mut browser.csrf);
    browser.post("/reset", &fields).await.expect_status(403);
    browser.csrf = token;
    browser.post("/reset", &fields).await.expect_status(303);
}

#[tokio::test]
async fn nobody_fills_a_mailbox() {
    let acme = tenant().await;
    for _ in 0..5 {
        ask(&acme, &acme.owner_email).await.expect_status(200);
    }
    let queued =
        "UPDATE {}company SET version = version WHERE (SELECT count(*) FROM {}mail WHERE status = 'sent') = 3
        AND (SELECT count(*) FROM {}mail) = 3";
    until("three letters", async || (run(&acme, queued).await == 1).then_some(())).await;
}

#[tokio::test]
async fn one_address_cannot_ask_for_ever() {
    let server = Server::own("reset", Settings::default().with("LIMITS__PASSWORD_LINKS_PER_HOUR", 2)).await;
    let acme = tenant_on(server).await;
    for email in ["a@a.example", "b@b.example"] {
        ask(&acme, email).await.expect_status(200);
    }
    let refused = ask(&acme, "c@c.example").await;
    refused.expect_status(429);
    assert!(refused.text().contains("Too many requests"), "{}", refused.text());
    server.terminate();
}

#[tokio::test]
async fn a_link_dies_with_the_address_or_the_person_it_was_for() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let mut browser = acme.server.browser(&acme.host);
    for change in [json!({"email": format!("moved@{}.example", acme.slug)}), json!({"is_active": false})] {
        let pat = acme.person(&[]).await;
        ask(&acme, &pat.email).await.expect_status(200);
        let code = letter_to(acme.server, &pat.email, 2).await.code();
        browser.get(&format!("/reset?code={code}")).await.expect_status(200);
        owner.patch(&format!("/api/v1/staff/{}", pat.id), change).await.expect(200);
        browser.get(&format!("/reset?code={code}")).await.expect_status(410);
    }
}

#[tokio::test]
async fn somebody_who_is_switched_off_gets_no_letter() {
    let acme = tenant().await;
    let pat = acme.person(&[]).await;
    acme.api()
        .await
        .patch(&format!("/api/v1/staff/{}", pat.id), json!({"is_active": false}))
        .await
        .expect(200);
    ask(&acme, &pat.email).await.expect_status(200);
    // A letter asked for afterwards is there: so the other would be.
    ask(&acme, &acme.owner_email).await.expect_status(200);
    letter_to(acme.server, &acme.owner_email, 1).await;
    assert_eq!(letters_to(acme.server, &pat.email).len(), 1, "only the invitation");
}
