//! Browsers: sessions, forms, and the account's own page.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    access_tokens::events,
    harness::{Browser, PASSWORD, Tenant, between, sql, tenant, text},
};

const COOKIE: &str = "__Host-lm_session";

async fn is_signed_in(browser: &mut Browser) -> bool {
    let answer = browser.get("/account").await;
    match answer.status {
        200 => true,
        303 => {
            assert_eq!(answer.header("location"), "/sign-in?next=%2Faccount");
            false
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

/// Changes the tenant's rows behind the program's back, and tells it so.
async fn meddle(acme: &Tenant, statement: &str) {
    let client = sql(&acme.server.database).await;
    client.batch_execute(&statement.replace("TENANT", &acme.schema().await)).await.unwrap();
    client.batch_execute(&format!("NOTIFY lastmile_news, 'access:{}'", acme.id)).await.unwrap();
}

async fn soon_signed_out(browser: &mut Browser) {
    for _ in 0..75 {
        if !is_signed_in(browser).await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("still signed in");
}

#[tokio::test]
async fn signing_in_sets_a_cookie_that_scripts_and_other_hosts_never_see() {
    let acme = tenant().await;
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/sign-in?next=%2Faccount").await.expect_status(200);
    let fields = [("email", acme.owner_email.as_str()), ("password", PASSWORD), ("next", "/account")];
    let answer = browser.post("/sign-in", &fields).await;
    answer.expect_status(303);
    assert_eq!(answer.header("location"), "/account");
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap())
        .find(|line| line.starts_with(COOKIE))
        .unwrap()
        .to_owned();
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert!(is_signed_in(&mut browser).await);
    // The API takes no cookies.
    browser.with_cookies().get("/api/v1/me").await.refused(401, "no_credential");
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_without_the_password() {
    let acme = tenant().await;
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/sign-in").await.expect_status(200);
    let answer =
        browser.post("/sign-in", &[("email", &acme.owner_email), ("password", "hunter2hunter2")]).await;
    answer.expect_status(422);
    assert!(answer.text().contains("E-mail or password is wrong."));
    assert!(answer.text().contains(&acme.owner_email));
    assert!(!answer.text().contains("hunter2hunter2"));
    assert!(!browser.cookies.contains_key(COOKIE));
    assert_eq!(events(&acme, "staff.sign_in_refused").await, 1);
}

#[tokio::test]
async fn where_one_goes_after_signing_in_is_this_host() {
    let acme = tenant().await;
    for next in ["//evil.example", "https://evil.example/", "/\\evil.example"] {
        let mut browser = acme.server.browser(&acme.host);
        browser.get("/sign-in").await.expect_status(200);
        let fields = [("email", acme.owner_email.as_str()), ("password", PASSWORD), ("next", next)];
        assert_eq!(browser.post("/sign-in", &fields).await.header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn a_cookie_that_was_there_before_is_never_taken_over() {
    let acme = tenant().await;
    let mut browser = acme.server.browser(&acme.host);
    browser.cookies.insert(COOKIE.into(), "a-value-that-an-attacker-planted".into());
    browser.get("/sign-in").await.expect_status(200);
    browser
        .post("/sign-in", &[("email", &acme.owner_email), ("password", PASSWORD)])
        .await
        .expect_status(303);
    assert_ne!(browser.cookies[COOKIE], "a-value-that-an-attacker-planted");

    // Signing in again in the same browser ends the stay before.
    let mut old = acme.server.browser(&acme.host);
    old.cookies = browser.cookies.clone();
    assert!(is_signed_in(&mut old).await);
    let mut again = acme.server.browser(&acme.host);
    again.get("/sign-in").await.expect_status(200);
    again.cookies.insert(COOKIE.into(), old.cookies[COOKIE].clone());
    again.post("/sign-in", &[("email", &acme.owner_email), ("password", PASSWORD)]).await.expect_status(303);
    assert_ne!(again.cookies[COOKIE], old.cookies[COOKIE]);
    assert!(is_signed_in(&mut again).await);
    assert!(!is_signed_in(&mut old).await);
}

#[tokio::test]
async fn a_cookie_of_one_tenant_is_none_at_another() {
    let (acme, other) = (tenant().await, tenant().await);
    let browser = acme.browser().await;
    let mut stray = acme.server.browser(&other.host);
    stray.cookies = browser.cookies.clone();
    assert!(!is_signed_in(&mut stray).await);
}

#[tokio::test]
async fn forms_of_other_sites_and_forms_without_a_token_are_refused() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    browser.get("/account").await.expect_status(200);
    let form = [("name", "Mallory")];
    let good = (browser.csrf.clone(), browser.origin.clone());
    for origin in ["https://evil.example", "null", "http://elsewhere.isp.test", "https://isp.test"] {
        browser.origin = origin.to_owned();
        browser.post("/account/profile", &form).await.expect_status(403);
    }
    browser.origin = good.1;
    for token in ["", "made-up"] {
        browser.csrf = token.to_owned();
        browser.post("/account/profile", &form).await.expect_status(403);
    }
    browser.csrf = good.0;
    browser.post("/account/profile", &form).await.expect_status(303);
    // A token of another browser's is none either.
    let mut other = acme.browser().await;
    other.get("/account").await;
    other.csrf = browser.csrf.clone();
    other.post("/account/profile", &form).await.expect_status(403);
    // Signing in is a form like any other.
    let mut visitor = acme.server.browser(&acme.host);
    visitor.get("/sign-in").await;
    visitor.origin = "https://evil.example".into();
    let fields = [("email", acme.owner_email.as_str()), ("password", PASSWORD)];
    visitor.post("/sign-in", &fields).await.expect_status(403);
}

#[tokio::test]
async fn signing_out_ends_the_stay_and_not_only_the_cookie() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    let mut replayed = acme.server.browser(&acme.host);
    replayed.cookies = browser.cookies.clone();
    browser.get("/account").await.expect_status(200);
    let answer = browser.post("/sign-out", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
    assert!(!browser.cookies.contains_key(COOKIE));
    assert!(!is_signed_in(&mut replayed).await);
    assert_eq!(events(&acme, "staff.signed_out").await, 1);
}

#[tokio::test]
async fn a_stay_ends_after_half_a_day_unused_and_after_a_week_in_any_case() {
    let acme = tenant().await;
    let (mut idle, mut old) = (acme.browser().await, acme.browser().await);
    assert!(is_signed_in(&mut idle).await && is_signed_in(&mut old).await);
    meddle(&acme, "UPDATE TENANT.portal_session SET last_seen_at = now() - interval '11 hours 59 minutes'")
        .await;
    assert!(is_signed_in(&mut idle).await);
    meddle(&acme, "UPDATE TENANT.portal_session SET last_seen_at = now() - interval '12 hours 1 second'")
        .await;
    soon_signed_out(&mut idle).await;
    meddle(
        &acme,
        "UPDATE TENANT.portal_session SET last_seen_at = now(), expires_at = now() - interval '1 second'",
    )
    .await;
    soon_signed_out(&mut old).await;
}

#[tokio::test]
async fn one_sees_and_ends_one_s_own_stays() {
    let acme = tenant().await;
    let (mut here, mut there, mut third) = (acme.browser().await, acme.browser().await, acme.browser().await);
    let page = here.get("/account").await.text();
    assert_eq!(page.matches("/end\"").count(), 2, "the others can be ended, this one not");
    let path = between(&page, "action=\"/account/sessions/", "\"").unwrap();
    here.post(&format!("/account/sessions/{path}"), &[]).await.expect_status(303);
    let still = [is_signed_in(&mut there).await, is_signed_in(&mut third).await];
    assert_eq!(still.iter().filter(|signed_in| **signed_in).count(), 1);
    here.post("/account/sessions/end-others", &[]).await.expect_status(303);
    assert!(!is_signed_in(&mut there).await && !is_signed_in(&mut third).await);
    assert!(is_signed_in(&mut here).await);
    here.post("/account/sessions/not-an-id/end", &[]).await.expect_status(404);
}

#[tokio::test]
async fn programs_see_and_end_one_s_own_stays_too() {
    const SESSIONS: &str = "/api/v1/me/sessions";
    let acme = tenant().await;
    let pat = acme.person(&[]).await;
    let mut owners = acme.browser().await;
    let mut here = acme.browser_as(&pat.email, PASSWORD).await;
    let mut there = acme.browser_as(&pat.email, PASSWORD).await;
    let signed_in = json!({"email": pat.email, "password": PASSWORD});
    let tokens = acme.anonymous().post("/api/v1/auth/token", signed_in).await.expect(200);
    let api = acme.anonymous().bearer(&text(&tokens, "/access_token"));
    let elsewhere = acme.api_of(&pat).await;
    let mine = api.get(SESSIONS).await.expect(200);
    let items = mine["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{mine}");
    for one in items {
        let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["address", "created_at", "device", "id", "last_seen_at"]);
    }
    // Those of others are nobody's.
    let not_mine = text(&acme.api().await.get(SESSIONS).await.expect(200), "/items/0/id");
    api.delete(&format!("{SESSIONS}/{not_mine}")).await.refused(404, "not_found");
    let ended = format!("{SESSIONS}/{}", text(&mine, "/items/0/id"));
    api.delete(&ended).await.expect(204);
    api.delete(&ended).await.refused(404, "not_found");
    let still = [is_signed_in(&mut here).await, is_signed_in(&mut there).await];
    assert_eq!(still.iter().filter(|signed_in| **signed_in).count(), 1);
    // All others: every browser and every other program; whoever asks goes on.
    elsewhere.get(SESSIONS).await.expect(200);
    api.delete(SESSIONS).await.expect(204);
    assert!(!is_signed_in(&mut here).await && !is_signed_in(&mut there).await);
    elsewhere.get(SESSIONS).await.refused(401, "bad_credential");
    assert_eq!(api.get(SESSIONS).await.expect(200)["items"], json!([]));
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    acme.anonymous().post("/api/v1/auth/refresh", refresh).await.expect(200);
    assert!(is_signed_in(&mut owners).await);
    assert_eq!(events(&acme, "staff.session_ended").await, 1);
    assert_eq!(events(&acme, "staff.sessions_ended").await, 1);
    // The page's button ends what programs are signed in to as well.
    let api = acme.api_of(&pat).await;
    let mut here = acme.browser_as(&pat.email, PASSWORD).await;
    here.get("/account").await.expect_status(200);
    here.post("/account/sessions/end-others", &[]).await.expect_status(303);
    assert!(is_signed_in(&mut here).await);
    api.get(SESSIONS).await.refused(401, "bad_credential");
    // A program is nobody.
    let key = json!({"name": "x", "scopes": ["customers.read"]});
    let key = text(&acme.api().await.post("/api/v1/api-keys", key).await.expect(201), "/key");
    let program = acme.anonymous().bearer(&key);
    program.get(SESSIONS).await.refused(403, "forbidden");
    program.delete(SESSIONS).await.refused(403, "forbidden");
    program.delete(&format!("{SESSIONS}/{not_mine}")).await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_new_password_asks_for_the_old_one_and_ends_everything_else() {
    let acme = tenant().await;
    let (mut here, mut there) = (acme.browser().await, acme.browser().await);
    let api = acme.api().await;
    api.get("/api/v1/me").await.expect(200);
    here.get("/account").await.expect_status(200);
    let new = "quiet rivers bend 17 times";
    let wrong = here.post("/account/password", &[("current_password", "nope"), ("new_password", new)]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This is not your current password."));
    let weak = here
        .post("/account/password", &[("current_password", PASSWORD), ("new_password", "password1234")])
        .await;
    weak.expect_status(422);

    let old_cookie = here.cookies[COOKIE].clone();
    here.post("/account/password", &[("current_password", PASSWORD), ("new_password", new)])
        .await
        .expect_status(303);
    assert_ne!(here.cookies[COOKIE], old_cookie);
    assert!(is_signed_in(&mut here).await);
    assert!(!is_signed_in(&mut there).await);
    api.get("/api/v1/me").await.refused(401, "bad_credential");
    let mut replayed = acme.server.browser(&acme.host);
    replayed.cookies.insert(COOKIE.into(), old_cookie);
    assert!(!is_signed_in(&mut replayed).await);
    let old = json!({"email": acme.owner_email, "password": PASSWORD});
    acme.anonymous().post("/api/v1/auth/token", old).await.refused(401, "bad_sign_in");
    acme.api_as(&acme.owner_email, new).await.get("/api/v1/me").await.expect(200);
}

async fn landing_code(acme: &Tenant, code: &str, minutes: i32) {
    let insert = format!(
        "INSERT INTO {}.one_time_link (token_hash, purpose, staff_id, expires_at)
         VALUES ($1, 'landing', $2, now() + $3::integer * interval '1 minute')",
        acme.schema().await
    );
    let hash = Sha256::digest(code.as_bytes()).to_vec();
    let staff: uuid::Uuid = acme.owner_id.parse().unwrap();
    sql(&acme.server.database).await.execute(&insert, &[&hash, &staff, &minutes]).await.unwrap();
}

#[tokio::test]
async fn a_landing_link_signs_in_once_by_a_form_and_not_by_being_looked_at() {
    let acme = tenant().await;
    let (good, late) = ("a-code-for-the-landing", "a-code-that-is-too-late");
    landing_code(&acme, good, 5).await;
    landing_code(&acme, late, -1).await;
    let mut browser = acme.server.browser(&acme.host);
    for _ in 0..2 {
        let page = browser.get(&format!("/landing?code={good}")).await;
        page.expect_status(200);
        assert_eq!(page.header("referrer-policy"), "strict-origin");
    }
    browser.post("/landing", &[("code", late)]).await.expect_status(404);
    browser.post("/landing", &[("code", "made-up")]).await.expect_status(404);
    let landed = browser.post("/landing", &[("code", good)]).await;
    assert_eq!((landed.status, landed.header("location")), (303, "/"));
    assert!(is_signed_in(&mut browser).await);
    let mut second = acme.server.browser(&acme.host);
    second.get("/sign-in").await;
    second.post("/landing", &[("code", good)]).await.expect_status(404);
    assert!(!is_signed_in(&mut second).await);
}
