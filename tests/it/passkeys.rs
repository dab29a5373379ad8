//! Passkeys: the only way in or the second step, at their own host, once for each question, and never without the person. And the
//! fresh proof that dangerous things ask for.

use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Browser, PASSWORD, Person, Tenant,
        mailbox::letter_to,
        passkey::{Device, Question},
        sql, tenant, text,
    },
};

const SIGN_IN: &str = "/sign-in/passkey";

async fn is_in(browser: &mut Browser) -> bool {
    browser.get("/account").await.status == 200
}

async fn visitor(acme: &Tenant) -> Browser {
    let mut browser = acme.server.browser(&acme.host);
    browser.get("/sign-in").await.expect_status(200);
    browser
}

/// Somebody with a passkey, and the browser in which they added it.
async fn with_passkey(acme: &Tenant) -> (Person, Browser, Device) {
    let pat = acme.person(&[]).await;
    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    let device = browser.add_passkey(&acme.host, "Laptop").await;
    (pat, browser, device)
}

async fn run(acme: &Tenant, statement: &str) {
    let statement = statement.replace("{schema}", &acme.schema().await);
    sql(&acme.server.database).await.batch_execute(&statement).await.unwrap();
    // Told as a change of access is, so that no cached answer is believed.
    let other = acme.browser().await;
    drop(other);
}

async fn last_sign_in(acme: &Tenant, person: &str) -> Value {
    let query = format!(
        "SELECT after FROM {}.audit_event WHERE action = 'staff.signed_in' AND actor_id = $1 ORDER BY id DESC LIMIT 1",
        acme.schema().await
    );
    let id: uuid::Uuid = person.parse().unwrap();
    sql(&acme.server.database).await.query_one(&query, &[&id]).await.unwrap().get(0)
}

/// Sends an answer to the sign-in's question, as its form does.
async fn answer(browser: &mut Browser, asked: &Question, json: &str) -> bool {
    let fields = [("challenge", asked.challenge.as_str()), ("answer", json), ("next", "/account")];
    let answered = browser.post(SIGN_IN, &fields).await;
    answered.expect_status(303);
    answered.header("location") == "/account"
}

#[tokio::test]
async fn a_passkey_alone_signs_in_and_counts_as_both_steps() {
    let acme = tenant().await;
    let (pat, mut here, mut device) = with_passkey(&acme).await;
    let mut browser = visitor(&acme).await;
    let done = browser.show_passkey(SIGN_IN, &mut device, "/account?x=1").await;
    assert_eq!((done.status, done.header("location")), (303, "/account?x=1"));
    assert!(is_in(&mut browser).await);
    assert_eq!(
        last_sign_in(&acme, &pat.id).await,
        json!({"to": "portal", "second_factor": {"by": "passkey"}})
    );
    let page = here.get("/account/mfa").await.text();
    assert!(page.contains("Laptop") && page.contains(&acme.host) && !page.contains("not used yet"), "{page}");
    // Elsewhere one is not led to.
    let mut led = visitor(&acme).await;
    let done = led.show_passkey(SIGN_IN, &mut device, "https://evil.example/").await;
    assert_eq!(done.header("location"), "/");
    // As programs see it: listed, renamed, removed.
    let api = acme.api_as(&acme.owner_email, PASSWORD).await;
    assert_eq!(api.get("/api/v1/me/passkeys").await.expect(200)["items"], json!([]));
    assert_eq!(events(&acme, "staff.passkey_added").await, 1);
}

#[tokio::test]
async fn after_the_password_it_is_the_second_step() {
    let acme = tenant().await;
    let (pat, _, mut device) = with_passkey(&acme).await;
    let mut browser = visitor(&acme).await;
    let fields = [("email", pat.email.as_str()), ("password", PASSWORD), ("next", "/account")];
    let half = browser.post("/sign-in", &fields).await;
    assert_eq!((half.status, half.header("location")), (303, "/sign-in/code?next=%2Faccount"));
    assert!(!is_in(&mut browser).await, "the password alone lets nobody in");
    let page = browser.get("/sign-in/code?next=%2Faccount").await.text();
    assert!(page.contains("Use a passkey") && !page.contains("name=\"code\""), "{page}");
    browser.post("/sign-in/code", &[("code", "000000")]).await.expect_status(422);
    let done = browser.show_passkey("/sign-in/code/passkey", &mut device, "/account").await;
    assert_eq!((done.status, done.header("location")), (303, "/account"));
    assert!(is_in(&mut browser).await);
    // A program has no device.
    let asked = json!({"email": pat.email, "password": PASSWORD});
    acme.anonymous().post("/api/v1/auth/token", asked).await.refused(401, "mfa_required");
    // Somebody else's passkey is not this person's second step.
    let (_, _, mut others) = with_passkey(&acme).await;
    let mut thief = visitor(&acme).await;
    thief.post("/sign-in", &fields).await.expect_status(303);
    thief.get("/sign-in/code").await.expect_status(200);
    let done = thief.show_passkey("/sign-in/code/passkey", &mut others, "/account").await;
    done.expect_status(422);
    assert!(!is_in(&mut thief).await);
}

#[tokio::test]
async fn an_answer_counts_once_in_time_and_for_what_was_asked() {
    let acme = tenant().await;
    let (_, mut here, mut device) = with_passkey(&acme).await;
    let mut browser = visitor(&acme).await;
    let asked = browser.asks("/sign-in/passkey/begin", &[]).await;
    let json = device.shown(&asked.options);
    assert!(answer(&mut browser, &asked, &json).await);
    // Replayed: the very same, and under a question of its own.
    let mut thief = visitor(&acme).await;
    assert!(!answer(&mut thief, &asked, &json).await);
    let fresh = thief.asks("/sign-in/passkey/begin", &[]).await;
    assert!(!answer(&mut thief, &fresh, &json).await);
    assert!(!is_in(&mut thief).await);
    // A question that was put for something else is none here.
    here.get("/account/prove").await.expect_status(200);
    let proof = here.asks("/account/prove/passkey/begin", &[]).await;
    let json = device.shown(&proof.options);
    assert!(!answer(&mut thief, &proof, &json).await);
    // Nor one that is too old.
    let late = thief.asks("/sign-in/passkey/begin", &[]).await;
    let json = device.shown(&late.options);
    run(&acme, "UPDATE {schema}.passkey_challenge SET expires_at = now() - interval '1 second'").await;
    assert!(!answer(&mut thief, &late, &json).await);
    // Nor what is no answer.
    for odd in ["", "{}", "null", "[1]", &"x".repeat(20_000)] {
        let asked = thief.asks("/sign-in/passkey/begin", &[]).await;
        assert!(!answer(&mut thief, &asked, odd).await);
    }
    assert!(!is_in(&mut thief).await);
}

#[tokio::test]
async fn of_two_at_once_with_one_answer_one_is_let_in() {
    let acme = tenant().await;
    let pat = acme.person(&[]).await;
    // One without a counter, which would give the second away.
    let mut device = Device::new(&acme.host);
    (device.counter, device.counts) = (0, false);
    let mut here = acme.browser_as(&pat.email, PASSWORD).await;
    let mut device = here.add_device(device, "Cloud").await;
    let mut browser = visitor(&acme).await;
    let asked = browser.asks("/sign-in/passkey/begin", &[]).await;
    let json = device.shown(&asked.options);
    let (mut one, mut two) = (visitor(&acme).await, visitor(&acme).await);
    let (first, second) = tokio::join!(answer(&mut one, &asked, &json), answer(&mut two, &asked, &json));
    assert!(first ^ second, "{first} {second}");
}

#[tokio::test]
async fn a_passkey_of_another_domain_or_provider_does_not_count() {
    let (acme, other) = (tenant().await, tenant().await);
    let (_, _, mut device) = with_passkey(&acme).await;
    let honest = (device.origin.clone(), device.host.clone());
    for (origin, host) in [
        ("https://evil.example".to_owned(), honest.1.clone()),
        (honest.0.clone(), "evil.example".to_owned()),
        (format!("https://{}", other.host), other.host.clone()),
        (format!("https://x.{}", acme.host), honest.1.clone()),
        (format!("http://{}", acme.host), honest.1.clone()),
    ] {
        (device.origin, device.host) = (origin.clone(), host);
        let mut browser = visitor(&acme).await;
        let asked = browser.asks("/sign-in/passkey/begin", &[]).await;
        let json = device.shown(&asked.options);
        assert!(!answer(&mut browser, &asked, &json).await, "{origin}");
        assert!(!is_in(&mut browser).await);
    }
    // At another provider's door, with an honest browser there, it is nothing; nor is that door's question one of ours.
    (device.origin, device.host) = (format!("https://{}", other.host), other.host.clone());
    let mut there = visitor(&other).await;
    let asked = there.asks("/sign-in/passkey/begin", &[]).await;
    let json = device.shown(&asked.options);
    assert!(!answer(&mut there, &asked, &json).await);
    (device.origin, device.host) = honest;
    let json = device.shown(&asked.options);
    let mut here = visitor(&acme).await;
    assert!(!answer(&mut here, &asked, &json).await);
    // And it was a good one all the time.
    let done = here.show_passkey(SIGN_IN, &mut device, "/account").await;
    assert_eq!(done.header("location"), "/account");
}

#[tokio::test]
async fn who_says_to_be_somebody_else_or_was_not_made_sure_of_is_refused() {
    let acme = tenant().await;
    let (pat, _, mut device) = with_passkey(&acme).await;
    let (mallory, _, _) = with_passkey(&acme).await;
    let mut browser = visitor(&acme).await;
    device.verifies = false;
    let done = browser.show_passkey(SIGN_IN, &mut device, "/account").await;
    assert!(done.header("location").starts_with("/sign-in"), "{}", done.header("location"));
    device.verifies = true;
    device.person = mallory.id.parse::<uuid::Uuid>().unwrap().as_bytes().to_vec();
    let done = browser.show_passkey(SIGN_IN, &mut device, "/account").await;
    assert!(done.header("location").starts_with("/sign-in"), "{}", done.header("location"));
    assert_eq!(events(&acme, "staff.passkey_refused").await, 2);
    // Who is switched off is not let in either.
    device.person = pat.id.parse::<uuid::Uuid>().unwrap().as_bytes().to_vec();
    let path = format!("/api/v1/staff/{}", pat.id);
    acme.api().await.patch(&path, json!({"is_active": false})).await.expect(200);
    let done = browser.show_passkey(SIGN_IN, &mut device, "/account").await;
    assert!(done.header("location").starts_with("/sign-in"), "{}", done.header("location"));
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_told_and_stays_so() {
    let acme = tenant().await;
    let (pat, mut here, mut device) = with_passkey(&acme).await;
    let mut browser = visitor(&acme).await;
    device.counter = 9;
    browser.show_passkey(SIGN_IN, &mut device, "/account").await.expect_status(303);
    assert!(is_in(&mut browser).await);
    // A copy, which was made before.
    device.counter = 4;
    let mut thief = visitor(&acme).await;
    let done = thief.show_passkey(SIGN_IN, &mut device, "/account").await;
    assert!(done.header("location").starts_with("/sign-in"), "{}", done.header("location"));
    assert!(thief.get("/sign-in").await.text().contains("its counter went back"));
    // From now on not even the right counter helps, and the password alone does not either.
    device.counter = 50;
    thief.show_passkey(SIGN_IN, &mut device, "/account").await.expect_status(303);
    assert!(!is_in(&mut thief).await);
    let fields = [("email", pat.email.as_str()), ("password", PASSWORD)];
    assert_eq!(thief.post("/sign-in", &fields).await.header("location"), "/sign-in/code");
    assert!(here.get("/account/mfa").await.text().contains("there may be a copy of it"));
    assert_eq!(events(&acme, "staff.passkey_suspected").await, 1);
    // Whoever manages staff takes it away.
    let path = format!("/api/v1/staff/{}/mfa", pat.id);
    acme.api().await.delete(&path).await.expect(204);
    thief.get("/sign-in").await.expect_status(200);
    thief.post("/sign-in", &fields).await.expect_status(303);
    assert!(is_in(&mut thief).await);
}

fn first_path(page: &str, end: &str) -> String {
    let at = page.find(&format!("/{end}\"")).unwrap_or_else(|| panic!("no {end} in {page}"));
    let begin = page[..at].rfind("/account/passkeys/").unwrap();
    format!("{}/{end}", &page[begin..at])
}

#[tokio::test]
async fn ones_own_are_renamed_and_removed_but_not_the_last_that_is_needed() {
    let acme = tenant().await;
    let role = json!({"name": "Till", "permissions": ["customers.view"], "requires_mfa": true});
    let role = text(&acme.api().await.post("/api/v1/roles", role).await.expect(201), "/id");
    let pat = acme.person_with(&role).await;
    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    assert_eq!(browser.get("/customers").await.header("location"), "/account/mfa");
    browser.add_passkey(&acme.host, "Phone").await;
    browser.get("/customers").await.expect_status(200);
    let page = browser.get("/account/mfa").await.text();
    let (rename, remove) = (first_path(&page, "rename"), first_path(&page, "remove"));
    browser.post(&rename, &[("name", "Old phone")]).await.expect_status(303);
    browser.post(&rename, &[("name", "  ")]).await.expect_status(303);
    let page = browser.get("/account/mfa").await.text();
    assert!(page.contains("Old phone"), "{page}");
    browser.post(&remove, &[]).await.expect_status(303);
    let page = browser.get("/account/mfa").await.text();
    assert!(page.contains("Your role asks for two-step sign-in") && page.contains("Old phone"), "{page}");
    // With another there, it may go; somebody else's may not.
    browser.add_passkey(&acme.host, "New phone").await;
    let (_, mut stranger, _) = with_passkey(&acme).await;
    stranger.post(&remove, &[]).await.expect_status(404);
    stranger.post(&rename, &[("name", "Mine")]).await.expect_status(404);
    browser.post(&remove, &[]).await.expect_status(303);
    let page = browser.get("/account/mfa").await.text();
    assert!(!page.contains("Old phone") && page.contains("New phone"), "{page}");
}

async fn invited(acme: &Tenant, name: &str) -> (String, String, String) {
    let role = acme.role("Cashier").await;
    let email = format!("{name}@{}.example", acme.slug);
    let new = json!({"name": name, "email": email, "role_ids": [role]});
    let id = text(&acme.api().await.post("/api/v1/staff", new).await.expect(201), "/id");
    let code = letter_to(acme.server, &email, 1).await.code();
    (id, email, code)
}

#[tokio::test]
async fn an_invitation_is_accepted_without_a_password() {
    let acme = tenant().await;
    let (id, email, code) = invited(&acme, "kim").await;
    let mut browser = acme.server.browser(&acme.host);
    assert!(browser.get(&format!("/reset?code={code}")).await.text().contains("Use a passkey instead"));
    let asked = browser.asks("/reset/passkey/begin", &[("token", &code)]).await;
    let mut device = Device::new(&acme.host);
    let json = device.created(&asked.options);
    // A key that was made for another page is none.
    let lie = {
        let mut other = Device::new(&acme.host);
        other.origin = "https://evil.example".into();
        other.created(&asked.options)
    };
    let fields = [("token", code.as_str()), ("challenge", &asked.challenge), ("answer", &lie)];
    let refused = browser.post("/reset/passkey", &fields).await;
    assert!(refused.header("location").starts_with("/reset?code="), "{}", refused.header("location"));
    // The question is used up by that.
    let fields = [("token", code.as_str()), ("challenge", &asked.challenge), ("answer", &json)];
    let refused = browser.post("/reset/passkey", &fields).await;
    assert!(refused.header("location").starts_with("/reset?code="), "{}", refused.header("location"));
    let asked = browser.asks("/reset/passkey/begin", &[("token", &code)]).await;
    let json = device.created(&asked.options);
    let fields = [("token", code.as_str()), ("challenge", &asked.challenge), ("answer", &json)];
    let done = browser.post("/reset/passkey", &fields).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
    assert!(is_in(&mut browser).await);
    let person = acme.api().await.get(&format!("/api/v1/staff/{id}")).await.expect(200);
    assert_eq!(
        (&person["has_password"], &person["has_mfa"], &person["invited_until"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    let invited = acme.api().await.get("/api/v1/staff?is_invited=true").await.expect(200);
    assert_eq!(invited["items"], json!([]));
    // The link is used up: not a second passkey by it, nor a password.
    let mut thief = acme.server.browser(&acme.host);
    thief.get(&format!("/reset?code={code}")).await.expect_status(410);
    thief.post("/reset/passkey/begin", &[("token", &code)]).await.expect_status(404);
    let path = format!("/api/v1/staff/{id}/invitation");
    acme.api().await.post(&path, json!({})).await.refused(409, "already_accepted");
    // The only way in cannot be thrown away; a password by mail can be had, and is then but one of two steps.
    let page = browser.get("/account/mfa").await.text();
    browser.post(&first_path(&page, "remove"), &[]).await.expect_status(303);
    assert!(browser.get("/account/mfa").await.text().contains("this is your only way in"));
    let mut asking = acme.server.browser(&acme.host);
    asking.get("/forgot").await.expect_status(200);
    asking.post("/forgot", &[("email", &email)]).await.expect_status(200);
    acme.choose_password(&letter_to(acme.server, &email, 2).await.code(), PASSWORD).await;
    asking.get("/sign-in").await.expect_status(200);
    let half = asking.post("/sign-in", &[("email", &email), ("password", PASSWORD)]).await;
    assert_eq!(half.header("location"), "/sign-in/code");
    let mut again = visitor(&acme).await;
    again.show_passkey(SIGN_IN, &mut device, "/account").await.expect_status(303);
    assert!(is_in(&mut again).await);
}

/// Every sign-in of the tenant began an hour ago.
async fn an_hour_later(acme: &Tenant) {
    let statement =
        "UPDATE {schema}.portal_session SET created_at = created_at - interval '1 hour', proved_at = NULL;
        UPDATE {schema}.refresh_token SET created_at = created_at - interval '1 hour'";
    let schema = acme.schema().await;
    let client = sql(&acme.server.database).await;
    client.batch_execute(&statement.replace("{schema}", &schema)).await.unwrap();
    // A change of access, which makes what is cached be looked up again.
    let role = json!({"name": format!("Role {}", uuid::Uuid::new_v4()), "permissions": []});
    acme.api().await.post("/api/v1/roles", role).await.expect(201);
}

#[tokio::test]
async fn an_open_browser_is_not_enough_for_what_is_dangerous() {
    let acme = tenant().await;
    let (pat, _, _) = with_passkey(&acme).await;
    let mut owner = acme.browser().await;
    let api = acme.api().await;
    an_hour_later(&acme).await;
    let taken = format!("/staff/{}/mfa/remove", pat.id);
    owner.get("/staff").await.expect_status(200);
    let led = owner.post(&taken, &[]).await;
    assert_eq!((led.status, led.header("location")), (303, "/account/prove?next=%2F"));
    let new = [("name", "Till"), ("scopes", "customers.read")];
    assert!(owner.post("/api-keys", &new).await.header("location").starts_with("/account/prove"));
    assert!(owner.get("/customers/export").await.header("location").starts_with("/account/prove"));
    assert!(
        owner.post("/account/passkeys/begin", &[]).await.header("location").starts_with("/account/prove")
    );
    let page = owner.get("/account/mfa").await.text();
    assert!(page.contains("Show that it is you, to add or remove one"), "{page}");
    api.delete(&format!("/api/v1/staff/{}/mfa", pat.id)).await.refused(403, "proof_needed");
    let key = json!({"name": "Till", "scopes": ["customers.read"]});
    api.post("/api/v1/api-keys", key.clone()).await.refused(403, "proof_needed");
    api.get("/api/v1/customers/export?format=csv").await.refused(403, "proof_needed");
    // Whoever has the address, or a link for a password, is in.
    let person = format!("/api/v1/staff/{}", pat.id);
    api.patch(&person, json!({"email": "mallory@x.example"})).await.refused(403, "proof_needed");
    api.post(&format!("{person}/reset-link"), json!({})).await.refused(403, "proof_needed");
    let link = owner.post(&format!("/staff/{}/reset-link", pat.id), &[]).await;
    assert!(link.header("location").starts_with("/account/prove"), "{}", link.header("location"));
    // What is not dangerous goes on.
    api.get("/api/v1/staff").await.expect(200);
    api.patch(&person, json!({"name": "Pat Cruz"})).await.expect(200);
    // The password again, and a quarter of an hour.
    owner.get("/account/prove?next=%2Fstaff").await.expect_status(200);
    let wrong =
        owner.post("/account/prove", &[("current_password", "not it at all"), ("next", "/staff")]).await;
    wrong.expect_status(422);
    let done = owner.post("/account/prove", &[("current_password", PASSWORD), ("next", "/staff")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/staff"));
    owner.get("/staff").await.expect_status(200);
    let done = owner.post(&taken, &[]).await;
    assert!(!done.header("location").starts_with("/account/prove"), "{}", done.header("location"));
    let person = api.get(&format!("/api/v1/staff/{}", pat.id)).await.expect(200);
    assert_eq!(person["has_mfa"], json!(false));
    // A program signs in again.
    acme.api().await.post("/api/v1/api-keys", key).await.expect(201);
    assert_eq!(events(&acme, "staff.proved").await, 1);
}

#[tokio::test]
async fn a_passkey_and_a_code_prove_as_well() {
    let acme = tenant().await;
    let pat = acme.person(&[]).await;
    let mut browser = acme.browser_as(&pat.email, PASSWORD).await;
    let (app, _) = browser.set_up_mfa(&acme).await;
    let mut device = browser.add_passkey(&acme.host, "Laptop").await;
    an_hour_later(&acme).await;
    browser.get("/account/prove").await.expect_status(200);
    browser.post("/account/prove", &[("code", "000000")]).await.expect_status(422);
    assert!(browser.post("/account/passkeys/begin", &[]).await.status == 303);
    browser.get("/account/prove").await.expect_status(200);
    let done = browser.show_passkey("/account/prove/passkey", &mut device, "/account/mfa").await;
    assert_eq!((done.status, done.header("location")), (303, "/account/mfa"));
    browser.get("/account/mfa").await.expect_status(200);
    browser.asks("/account/passkeys/begin", &[]).await;
    an_hour_later(&acme).await;
    browser.get("/account/prove").await.expect_status(200);
    assert_eq!(browser.post("/account/prove", &[("code", &app.code())]).await.header("location"), "/");
    browser.get("/account/mfa").await.expect_status(200);
    browser.asks("/account/passkeys/begin", &[]).await;
    // Another's passkey proves nothing of this person.
    let (_, _, mut others) = with_passkey(&acme).await;
    browser.get("/account/prove").await.expect_status(200);
    browser.show_passkey("/account/prove/passkey", &mut others, "/").await.expect_status(422);
}
