//! The second step of signing in: at every door, once per code, and before anything else for those whose role asks for it.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Browser, PASSWORD, Person, Tenant,
        authenticator::{Authenticator, shown_codes},
        mailbox::letter_to,
        sql, tenant, text,
    },
};

const STEP_COOKIE: &str = "__Host-lm_step";
const WRONG: &str = "000000";

async fn is_in(browser: &mut Browser) -> bool {
    browser.get("/account").await.status == 200
}

/// A browser of somebody whose password was right, and whose code is asked for.
async fn half_way(acme: &Tenant, email: &str, password: &str) -> Browser {
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/sign-in").await.expect_status(200);
    let fields = [("email", email), ("password", password), ("next", "/account")];
    let answer = browser.post("/sign-in", &fields).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in/code?next=%2Faccount"));
    assert!(!is_in(&mut browser).await, "the password alone lets nobody in");
    browser.get("/sign-in/code?next=%2Faccount").await.expect_status(200);
    browser
}

/// Somebody with a second factor, and the browser in which they set it up.
async fn enrolled(acme: &Tenant, permissions: &[&str]) -> (Person, Browser, Authenticator, Vec<String>) {
    let person = acme.person(permissions).await;
    let mut browser = acme.browser_as(&person.email, PASSWORD).await;
    let (app, codes) = browser.set_up_mfa(acme).await;
    (person, browser, app, codes)
}

async fn token(acme: &Tenant, email: &str, password: &str, otp: Option<&str>) -> crate::harness::Answer {
    let mut body = json!({"email": email, "password": password});
    if let Some(otp) = otp {
        body["otp"] = json!(otp);
    }
    acme.anonymous().post("/api/v1/auth/token", body).await
}

#[tokio::test]
async fn signing_in_takes_two_steps_and_a_code_counts_once() {
    let acme = tenant().await;
    let (pat, _, app, _) = enrolled(&acme, &[]).await;
    let mut browser = half_way(&acme, &pat.email, PASSWORD).await;
    let wrong = browser.post("/sign-in/code", &[("code", WRONG), ("next", "/account")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This code is wrong, too old, or was used before."), "{}", wrong.text());
    assert!(!is_in(&mut browser).await);
    let waiting = browser.cookies[STEP_COOKIE].clone();
    browser.get("/sign-in/code").await.expect_status(200);
    let code = app.code();
    let right = browser.post("/sign-in/code", &[("code", &code), ("next", "/account")]).await;
    assert_eq!((right.status, right.header("location")), (303, "/account"));
    assert!(is_in(&mut browser).await);
    assert!(!browser.cookies.contains_key(STEP_COOKIE));

    // The same code while it lives is none: whoever looked over a shoulder comes too late.
    let mut thief = half_way(&acme, &pat.email, PASSWORD).await;
    thief.post("/sign-in/code", &[("code", &code)]).await.expect_status(422);
    assert!(!is_in(&mut thief).await);
    thief.get("/sign-in/code").await.expect_status(200);
    // When time has passed it is one again, for the step of now: one of long before or of later is none.
    for _ in 0..3 {
        acme.a_step_passes().await;
    }
    for other in [app.code_of(-2), app.code_of(2)] {
        thief.post("/sign-in/code", &[("code", &other)]).await.expect_status(422);
        thief.get("/sign-in/code").await.expect_status(200);
    }
    thief.post("/sign-in/code", &[("code", &app.code())]).await.expect_status(303);
    assert!(is_in(&mut thief).await);
    // And a step is taken once.
    let mut late = acme.server.browser(&acme.host);
    late.cookies.insert(STEP_COOKIE.into(), waiting);
    assert_eq!(late.get("/sign-in/code").await.header("location"), "/sign-in");
    assert_eq!(events(&acme, "staff.second_step_refused").await, 4);
    let query = format!(
        "SELECT after FROM {}.audit_event WHERE action = 'staff.signed_in' AND actor_id = $1 ORDER BY id DESC LIMIT 1",
        acme.schema().await
    );
    let id: uuid::Uuid = pat.id.parse().unwrap();
    let after: Value = sql(&acme.server.database).await.query_one(&query, &[&id]).await.unwrap().get(0);
    assert_eq!(after, json!({"to": "portal", "second_factor": {"by": "totp"}}));
}

#[tokio::test]
async fn two_at_once_with_one_code_are_not_both_let_in() {
    let acme = tenant().await;
    let (pat, _, app, codes) = enrolled(&acme, &[]).await;
    for typed in [app.code(), codes[0].clone()] {
        let asked = json!({"email": pat.email, "password": PASSWORD, "otp": typed});
        let api = acme.anonymous();
        let (one, two, three) = tokio::join!(
            api.post("/api/v1/auth/token", asked.clone()),
            api.post("/api/v1/auth/token", asked.clone()),
            api.post("/api/v1/auth/token", asked)
        );
        let mut answers = [one.status, two.status, three.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 401, 401], "{}", one.text());
    }
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_new_ones_end_the_old() {
    let acme = tenant().await;
    let (pat, mut here, _, codes) = enrolled(&acme, &[]).await;
    assert_eq!(codes.len(), 10);
    let mut browser = half_way(&acme, &pat.email, PASSWORD).await;
    browser.post("/sign-in/code", &[("code", &codes[0].to_uppercase())]).await.expect_status(303);
    assert!(is_in(&mut browser).await);
    token(&acme, &pat.email, PASSWORD, Some(&codes[0])).await.refused(401, "bad_otp");
    token(&acme, &pat.email, PASSWORD, Some(&codes[1])).await.expect(200);
    assert!(here.get("/account/mfa").await.text().contains("8 of 10 recovery codes are left"));
    let wrong = here.post("/account/mfa/recovery-codes", &[("current_password", "not it at all")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("This is not your current password."), "{}", wrong.text());
    let renewed = here.post("/account/mfa/recovery-codes", &[("current_password", PASSWORD)]).await;
    let new = shown_codes(&renewed.expect_status(200).text());
    assert!(new.len() == 10 && new.iter().all(|code| !codes.contains(code)));
    token(&acme, &pat.email, PASSWORD, Some(&codes[2])).await.refused(401, "bad_otp");
    token(&acme, &pat.email, PASSWORD, Some(&new[0])).await.expect(200);
    // Nothing of them is in the rows.
    let schema = acme.schema().await;
    let query = format!("SELECT string_agg(encode(code_hash, 'escape'), ' ') FROM {schema}.recovery_code");
    let rows: String = sql(&acme.server.database).await.query_one(&query, &[]).await.unwrap().get(0);
    assert!(new.iter().all(|code| !rows.contains(code.as_str())));
}

#[tokio::test]
async fn the_api_asks_for_the_code_after_the_password_and_not_before() {
    let acme = tenant().await;
    let (pat, _, app, _) = enrolled(&acme, &["customers.view"]).await;
    token(&acme, &pat.email, "wrong wrong wrong", None).await.refused(401, "bad_sign_in");
    token(&acme, &pat.email, "wrong wrong wrong", Some(&app.code())).await.refused(401, "bad_sign_in");
    token(&acme, &pat.email, PASSWORD, None).await.refused(401, "mfa_required");
    token(&acme, &pat.email, PASSWORD, Some(WRONG)).await.refused(401, "bad_otp");
    let tokens = token(&acme, &pat.email, PASSWORD, Some(&app.code())).await.expect(200);
    let api = acme.anonymous().bearer(&text(&tokens, "/access_token"));
    api.get("/api/v1/customers").await.expect(200);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    acme.anonymous().post("/api/v1/auth/refresh", refresh).await.expect(200);
    // Who has no second step is not asked, and may send what they like.
    let (plain, otp) = (acme.person(&[]).await, Some("123456"));
    token(&acme, &plain.email, PASSWORD, otp).await.expect(200);
    assert_eq!(token(&acme, &plain.email, PASSWORD, Some(&"1".repeat(21))).await.wrong_fields(), ["otp"]);
}

#[tokio::test]
async fn wrong_codes_make_the_next_one_wait_whatever_the_password_does() {
    let acme = tenant().await;
    let (pat, _, app, _) = enrolled(&acme, &[]).await;
    let mut slowed = None;
    for _ in 0..12 {
        let answer = token(&acme, &pat.email, PASSWORD, Some(WRONG)).await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
        answer.refused(401, "bad_otp");
    }
    let slowed = slowed.expect("nobody was slowed down");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1);
    let (schema, client) = (acme.schema().await, sql(&acme.server.database).await);
    let subject = format!("account:second-step:{}", pat.id);
    // For a quarter of an hour, so that the rest does not race with the clock.
    let wait = format!(
        "UPDATE {schema}.sign_in_failure SET blocked_until = now() + interval '15 minutes' WHERE subject = $1"
    );
    assert_eq!(client.execute(&wait, &[&subject]).await.unwrap(), 1);
    assert_eq!(
        token(&acme, &pat.email, PASSWORD, Some(&app.code())).await.status,
        429,
        "a right one waits too"
    );
    let mut browser = half_way(&acme, &pat.email, PASSWORD).await;
    let page = browser.post("/sign-in/code", &[("code", &app.code())]).await;
    assert_eq!((page.status, page.header("retry-after").is_empty()), (429, false));
    // A new password by mail begins the password's count anew, not the codes'.
    reset(&acme, &pat, "quiet rivers bend 17 times").await;
    let otp = app.code();
    assert_eq!(token(&acme, &pat.email, "quiet rivers bend 17 times", Some(&otp)).await.status, 429);
}

async fn reset(acme: &Tenant, pat: &Person, password: &str) {
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &pat.email)]).await.expect_status(200);
    acme.choose_password(&letter_to(acme.server, &pat.email, 2).await.code(), password).await;
}

#[tokio::test]
async fn a_forgotten_password_does_not_lead_around_the_second_step() {
    let acme = tenant().await;
    let (pat, mut here, app, _) = enrolled(&acme, &[]).await;
    let new = "quiet rivers bend 17 times";
    reset(&acme, &pat, new).await;
    assert!(!is_in(&mut here).await, "what began under the old password ended");
    token(&acme, &pat.email, new, None).await.refused(401, "mfa_required");
    let mut browser = half_way(&acme, &pat.email, new).await;
    browser.post("/sign-in/code", &[("code", &app.code())]).await.expect_status(303);
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn between_the_steps_the_password_must_stay_what_it_was() {
    let (acme, other) = (tenant().await, tenant().await);
    let (pat, _, app, _) = enrolled(&acme, &[]).await;
    let mut waiting = half_way(&acme, &pat.email, PASSWORD).await;
    // At another provider's door the cookie is nothing.
    let mut elsewhere = other.server.browser(&other.host);
    elsewhere.cookies = waiting.cookies.clone();
    assert_eq!(elsewhere.get("/sign-in/code").await.header("location"), "/sign-in");
    reset(&acme, &pat, "quiet rivers bend 17 times").await;
    let answer = waiting.post("/sign-in/code", &[("code", &app.code())]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
    assert!(!is_in(&mut waiting).await);
    // Nor does it count for ever.
    let mut slow = half_way(&acme, &pat.email, "quiet rivers bend 17 times").await;
    let schema = acme.schema().await;
    let late = format!("UPDATE {schema}.sign_in_step SET expires_at = now() - interval '1 second'");
    sql(&acme.server.database).await.batch_execute(&late).await.unwrap();
    let answer = slow.post("/sign-in/code", &[("code", &app.code())]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
}

#[tokio::test]
async fn setting_up_asks_for_the_password_and_ends_what_began_without_it() {
    let acme = tenant().await;
    let pat = acme.person(&[]).await;
    let (mut here, mut there) =
        (acme.browser_as(&pat.email, PASSWORD).await, acme.browser_as(&pat.email, PASSWORD).await);
    let api = acme.api_of(&pat).await;
    here.get("/account/mfa").await.expect_status(200);
    for password in ["", "not it at all"] {
        let wrong = here.post("/account/mfa/begin", &[("current_password", password)]).await;
        wrong.expect_status(422);
        assert!(wrong.text().contains("This is not your current password."), "{}", wrong.text());
    }
    here.post("/account/mfa/confirm", &[("code", WRONG)]).await.expect_status(303);
    here.post("/account/mfa/begin", &[("current_password", PASSWORD)]).await.expect_status(303);
    here.get("/account/mfa").await.expect_status(200);
    let wrong = here.post("/account/mfa/confirm", &[("code", WRONG)]).await;
    wrong.expect_status(422);
    assert!(
        wrong.text().contains("This is not the app&#39;s code of this moment.")
            || wrong.text().contains("This is not the app"),
        "{}",
        wrong.text()
    );
    // Until it is confirmed nothing is asked for.
    assert!(is_in(&mut there).await);
    token(&acme, &pat.email, PASSWORD, None).await.expect(200);
    let (_, _) = here.set_up_mfa(&acme).await;
    assert!(is_in(&mut here).await);
    assert!(!is_in(&mut there).await);
    api.get("/api/v1/me").await.refused(401, "bad_credential");
    // The key is not shown again.
    assert!(!here.get("/account/mfa").await.text().contains("Key for the app"));
    here.post("/account/mfa/off", &[("current_password", "not it at all")]).await.expect_status(422);
    token(&acme, &pat.email, PASSWORD, None).await.refused(401, "mfa_required");
    here.post("/account/mfa/off", &[("current_password", PASSWORD)]).await.expect_status(303);
    token(&acme, &pat.email, PASSWORD, None).await.expect(200);
    for action in ["staff.mfa_turned_on", "staff.mfa_turned_off"] {
        assert_eq!(events(&acme, action).await, 1, "{action}");
    }
}

#[tokio::test]
async fn whose_role_asks_for_it_sets_it_up_before_anything_else() {
    let acme = tenant().await;
    let owner = acme.api().await;
    let pat = acme.person(&["customers.view", "customers.create"]).await;
    let (mut browser, api) = (acme.browser_as(&pat.email, PASSWORD).await, acme.api_of(&pat).await);
    browser.get("/customers").await.expect_status(200);
    let role = format!("/api/v1/roles/{}", pat.role_id);
    let now = owner.patch(&role, json!({"requires_mfa": true})).await.expect(200);
    assert_eq!(now["requires_mfa"], json!(true));

    for path in ["/", "/customers", "/account", "/search?q=a"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/account/mfa"), "{path}");
    }
    let partial = browser.with_cookies().header("hx-request", "true").get("/customers").await;
    assert_eq!((partial.status, partial.header("hx-redirect")), (401, "/account/mfa"));
    // What the frame of the page itself asks for is not led there once more.
    let there = format!("https://{}/account/mfa", acme.host);
    let of_frame = browser.with_cookies().header("hx-request", "true").header("hx-current-url", &there);
    assert_eq!(of_frame.get("/notices/unread").await.status, 204);
    let page = browser.get("/account/mfa").await;
    page.expect_status(200);
    assert!(page.text().contains("Your role asks for it") && !page.text().contains("href=\"/customers\""));
    let answer = browser.post("/customers", &[("first_name", "Ana"), ("last_name", "Cruz")]).await;
    assert_eq!(answer.header("location"), "/account/mfa");
    browser.post("/account/profile", &[("name", "Mallory")]).await;
    assert_eq!(owner.get("/api/v1/customers?total=true").await.expect(200)["total"], json!(0));
    for path in ["/api/v1/customers", "/api/v1/me"] {
        api.get(path).await.refused(403, "mfa_enrolment_required");
    }
    // Signing in anew does not lead around it.
    acme.api_of(&pat).await.get("/api/v1/me").await.refused(403, "mfa_enrolment_required");

    let (app, _) = browser.set_up_mfa(&acme).await;
    browser.get("/customers").await.expect_status(200);
    assert!(browser.get("/account").await.text().contains(&pat.email));
    let tokens = token(&acme, &pat.email, PASSWORD, Some(&app.code())).await.expect(200);
    acme.anonymous().bearer(&text(&tokens, "/access_token")).get("/api/v1/customers").await.expect(200);
    // What the role asks for cannot be turned off by those who have it.
    browser.get("/account/mfa").await.expect_status(200);
    let answer = browser.post("/account/mfa/off", &[("current_password", PASSWORD)]).await;
    assert_eq!(answer.header("location"), "/account/mfa");
    assert!(browser.get("/account/mfa").await.text().contains("Your role asks for two-step sign-in."));
    token(&acme, &pat.email, PASSWORD, None).await.refused(401, "mfa_required");
    // A role that is switched off asks for nothing.
    owner.patch(&role, json!({"requires_mfa": false})).await.expect(200);
    browser.get("/account/mfa").await.expect_status(200);
    let answer = browser.post("/account/mfa/off", &[("current_password", PASSWORD)]).await;
    assert_eq!(answer.header("location"), "/account");
}

#[tokio::test]
async fn who_asks_it_of_others_and_of_themselves_has_it_first() {
    let acme = tenant().await;
    let (api, mut browser) = (acme.api().await, acme.browser().await);
    let owner_role = format!("/api/v1/roles/{}", acme.role("Owner").await);
    api.patch(&owner_role, json!({"requires_mfa": true})).await.refused(409, "own_mfa_first");
    api.patch(&owner_role, json!({"requires_mfa": true, "name": "Boss"})).await.refused(409, "owner_role");
    let admin = acme.person_with(&acme.role("Admin").await).await;
    let as_admin = acme.api_of(&admin).await;
    as_admin.patch(&owner_role, json!({"requires_mfa": true})).await.refused(409, "owner_role");
    browser.get("/roles").await.expect_status(200);
    let path = format!("/roles/{}/mfa", acme.role("Owner").await);
    browser.post(&path, &[("requires_mfa", "true")]).await.expect_status(303);
    assert!(browser.get("/roles").await.text().contains("set up your own two-step sign-in first"));
    browser.set_up_mfa(&acme).await;
    browser.get("/roles").await.expect_status(200);
    browser.post(&path, &[("requires_mfa", "true")]).await.expect_status(303);
    assert!(browser.get("/roles").await.text().contains("Owners sign in with a second step now."));
    // The form of any other role has the box.
    let role = text(
        &as_admin.post("/api/v1/roles", json!({"name": "Till", "permissions": []})).await.expect(201),
        "/id",
    );
    let fields = [("name", "Till"), ("description", ""), ("requires_mfa", "true")];
    browser.get(&format!("/roles/{role}")).await.expect_status(200);
    browser.post(&format!("/roles/{role}"), &fields).await.expect_status(303);
    let read =
        async || as_admin.get(&format!("/api/v1/roles/{role}")).await.expect(200)["requires_mfa"].clone();
    assert_eq!(read().await, json!(true));
    let copy =
        as_admin.post(&format!("/api/v1/roles/{role}/copy"), json!({"name": "Till 2"})).await.expect(201);
    assert_eq!(copy["requires_mfa"], json!(true));
    browser.post(&format!("/roles/{role}"), &fields[..2]).await.expect_status(303);
    assert_eq!(read().await, json!(false));
}

#[tokio::test]
async fn a_lost_app_is_taken_away_by_those_who_reach_its_person() {
    let (acme, other) = (tenant().await, tenant().await);
    let owner = acme.api().await;
    let (pat, mut browser, _, _) = enrolled(&acme, &["customers.view"]).await;
    let path = format!("/api/v1/staff/{}/mfa", pat.id);
    assert_eq!(owner.get(&format!("/api/v1/staff/{}", pat.id)).await.expect(200)["has_mfa"], json!(true));
    other.api().await.delete(&path).await.refused(404, "not_found");
    let clerk = acme.person(&["staff.view", "staff.manage"]).await;
    acme.api_of(&clerk).await.delete(&path).await.refused(403, "beyond_own_rights");
    owner.delete(&format!("/api/v1/staff/{}/mfa", acme.owner_id)).await.refused(409, "own_account");
    token(&acme, &pat.email, PASSWORD, None).await.refused(401, "mfa_required");
    owner.delete(&path).await.expect(204);
    assert!(!is_in(&mut browser).await, "they are signed out");
    token(&acme, &pat.email, PASSWORD, None).await.expect(200);
    owner.delete(&path).await.refused(409, "mfa_off");
    assert_eq!(events(&acme, "staff.mfa_removed").await, 1);
    // The portal does the same.
    let mut again = acme.browser_as(&pat.email, PASSWORD).await;
    again.set_up_mfa(&acme).await;
    let mut desk = acme.browser().await;
    let person = format!("/staff/{}", pat.id);
    assert!(desk.get(&person).await.text().contains("Take the second step away"));
    desk.post(&format!("{person}/mfa/remove"), &[]).await.expect_status(303);
    assert!(desk.get(&person).await.text().contains("signs in with the password alone now"));
}
