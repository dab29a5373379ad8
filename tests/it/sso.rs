//! Single sign-on against an issuer that speaks real HTTP: who comes in, who does not, and what an issuer can and cannot say.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    access_tokens::events,
    harness::{
        Answer, Browser, PASSWORD, Tenant,
        issuer::{CLIENT, Issuer, Key, SECRET, Twist},
        mailbox::letter_to,
        sql, tenant, text,
    },
};

const SETTINGS: &str = "/api/v1/settings/sso";

fn settings(acme: &Tenant, issuer: &Issuer) -> Value {
    json!({
        "preset": "other", "issuer": issuer.name, "client_id": CLIENT, "client_secret": SECRET,
        "domains": [format!("{}.example", acme.slug)], "is_on": true,
    })
}

/// A provider whose staff come by this issuer; with `more` besides.
async fn with_sso(more: Value) -> (Tenant, Issuer) {
    let (acme, issuer) = (tenant().await, Issuer::start().await);
    let mut body = settings(&acme, &issuer);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    put(&acme, body).await.expect(200);
    (acme, issuer)
}

async fn put(acme: &Tenant, body: Value) -> Answer {
    acme.api().await.json(reqwest::Method::PUT, SETTINGS, body).await
}

fn address(acme: &Tenant, name: &str) -> String {
    format!("{name}@{}.example", acme.slug)
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.get("/account").await.status == 200
}

fn below(url: &url::Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// A browser that was sent to the issuer, and where it was sent.
async fn sent(acme: &Tenant, next: &str) -> (Browser, String) {
    let mut browser = acme.server.browser(&acme.host);
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let away = browser.get(&format!("/sign-in/sso?next={next}")).await;
    away.expect_status(303);
    (browser, away.header("location").to_owned())
}

/// There and back, with what the browser is answered.
async fn comes(acme: &Tenant, issuer: &Issuer, next: &str) -> (Browser, Answer) {
    let (mut browser, to) = sent(acme, next).await;
    let back = issuer.approve(&to);
    let answer = browser.get(&below(&back)).await;
    (browser, answer)
}

/// There and back, and not in; with the sentence that the page of signing in shows.
async fn refused(acme: &Tenant, issuer: &Issuer) -> String {
    let (mut browser, answer) = comes(acme, issuer, "/account").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
    let page = browser.get("/sign-in").await.text();
    assert!(!is_in(&mut browser).await);
    let said = page.split("note-error").nth(1).unwrap_or_else(|| panic!("nothing is said in {page}"));
    said.split("</p>").next().unwrap().split("<p>").nth(1).unwrap().to_owned()
}

async fn staff_of(acme: &Tenant, email: &str) -> Option<Value> {
    let found = acme.api().await.get("/api/v1/staff?limit=200").await.expect(200);
    found["items"].as_array().unwrap().iter().find(|person| person["email"] == email).cloned()
}

#[tokio::test]
async fn somebody_new_comes_in_with_the_default_role_and_to_the_page_they_asked_for() {
    let acme = tenant().await;
    let issuer = Issuer::start().await;
    let mut body = settings(&acme, &issuer);
    body["default_role_id"] = json!(acme.role("Viewer").await);
    let shown = put(&acme, body).await.expect(200);
    assert_eq!((&shown["has_secret"], &shown["is_required"]), (&json!(true), &json!(false)));
    assert!(!shown.to_string().contains(SECRET));
    let mut browser = acme.server.browser(&acme.host);
    assert!(browser.get("/sign-in").await.text().contains("Sign in with your work account"));
    issuer.is("sam-1", &address(&acme, "sam"));
    let (mut browser, answer) = comes(&acme, &issuer, "/customers?status=active").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/customers?status=active"));
    browser.get("/customers").await.expect_status(200);
    let sam = staff_of(&acme, &address(&acme, "sam")).await.unwrap();
    assert_eq!((&sam["name"], &sam["roles"][0]["name"]), (&json!("Sam Single"), &json!("Viewer")));
    assert_eq!(
        (&sam["has_password"], &sam["has_sso"], &sam["invited_until"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    // Known by the issuer's name for them from now on, whatever becomes of the address there.
    issuer.is("sam-1", "elsewhere@gone.example");
    let (mut again, _) = comes(&acme, &issuer, "/").await;
    assert!(is_in(&mut again).await);
    // No page elsewhere is gone to.
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
        let (_, answer) = comes(&acme, &issuer, next).await;
        assert_eq!(answer.header("location"), "/", "{next}");
    }
    assert_eq!((events(&acme, "staff.sso_linked").await, events(&acme, "sso.changed").await), (1, 1));
}

#[tokio::test]
async fn an_address_introduces_once_when_it_is_proved_and_of_a_domain_that_is_believed() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    for (person, why) in [
        (json!({"sub": "p", "email": pat.email}), "is proved"),
        (json!({"sub": "p", "email": pat.email, "email_verified": false}), "is proved"),
        (json!({"sub": "p", "email_verified": true}), "told no e-mail"),
        (json!({"sub": "p", "email": "pat@evil.example", "email_verified": true}), "your domain"),
        (
            json!({"sub": "p", "email": format!("pat@x.{}.example", acme.slug), "email_verified": true}),
            "your domain",
        ),
        (
            json!({"sub": "p", "email": address(&acme, "nobody"), "email_verified": true}),
            "Nobody here has your address",
        ),
    ] {
        issuer.says(person.clone());
        let said = refused(&acme, &issuer).await;
        assert!(said.contains(why), "{person}: {said}");
    }
    issuer.is("pat-1", &pat.email.to_uppercase());
    let (mut browser, _) = comes(&acme, &issuer, "/").await;
    assert!(is_in(&mut browser).await);
    // Another account there with the same address is not the same person.
    issuer.is("pat-2", &pat.email);
    assert!(refused(&acme, &issuer).await.contains("known here by another account"));
    // Nor is one of another issuer, until whoever manages staff forgets the first.
    let other = Issuer::start().await;
    put(&acme, settings(&acme, &other)).await.expect(200);
    other.is("pat-1", &pat.email);
    assert!(refused(&acme, &other).await.contains("known here by another account"));
    let path = format!("/api/v1/staff/{}/sso", pat.id);
    acme.api().await.delete(&path).await.expect(204);
    acme.api().await.delete(&path).await.refused(409, "no_sso_identity");
    let (mut browser, _) = comes(&acme, &other, "/").await;
    assert!(is_in(&mut browser).await);
    // Whoever is switched off stays out.
    let path = format!("/api/v1/staff/{}", pat.id);
    acme.api().await.patch(&path, json!({"is_active": false})).await.expect(200);
    assert!(refused(&acme, &other).await.contains("switched off"));
    assert_eq!(events(&acme, "staff.sso_refused").await, 9);
}

#[tokio::test]
async fn a_token_that_is_not_of_this_sign_in_is_not_believed() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    issuer.is("pat", &pat.email);
    let now = chrono::Utc::now().timestamp();
    let wrong: Vec<(&str, Twist)> = vec![
        ("nonce", Box::new(|_, claims| claims["nonce"] = json!("another"))),
        ("no nonce", Box::new(|_, claims| drop(claims.as_object_mut().unwrap().remove("nonce")))),
        ("iss", Box::new(|_, claims| claims["iss"] = json!("https://evil.example"))),
        ("aud", Box::new(|_, claims| claims["aud"] = json!("another-client"))),
        ("shared aud", Box::new(|_, claims| claims["aud"] = json!([CLIENT, "another-client"]))),
        ("azp", Box::new(|_, claims| claims["azp"] = json!("another-client"))),
        ("expired", Box::new(move |_, claims| claims["exp"] = json!(now - 120))),
        ("exp of text", Box::new(move |_, claims| claims["exp"] = json!((now + 300).to_string()))),
        ("no exp", Box::new(|_, claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("no sub", Box::new(|_, claims| drop(claims.as_object_mut().unwrap().remove("sub")))),
        ("empty sub", Box::new(|_, claims| claims["sub"] = json!(""))),
        ("iat", Box::new(move |_, claims| claims["iat"] = json!(now + 600))),
        ("nbf", Box::new(move |_, claims| claims["nbf"] = json!(now + 600))),
        ("kid", Box::new(|header, _| header.kid = Some("unknown".into()))),
    ];
    for (what, twist) in wrong {
        issuer.twists(twist);
        let said = refused(&acme, &issuer).await;
        assert!(said.contains("does not count"), "{what}: {said}");
    }
    issuer.is_honest_again();
    // Signed by another's key under the known name; by nobody; by the public key as if it were a secret; or no token at all.
    issuer.signs_with(Arc::new(Key::new("first")), false);
    assert!(refused(&acme, &issuer).await.contains("signature"));
    issuer.is_honest_again();
    let claims = json!({"iss": issuer.name, "aud": CLIENT, "sub": "pat", "exp": now + 300, "iat": now, "email": pat.email});
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": "first"})), part(&claims));
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some("first".into());
    let hmac = encode(&head, &claims, &EncodingKey::from_secret(issuer.key.modulus())).unwrap();
    for token in [none, hmac, "not.a.token".to_owned(), String::new()] {
        issuer.gives(token.clone());
        assert!(refused(&acme, &issuer).await.contains("does not count"), "{token}");
    }
    issuer.is_honest_again();
    let (mut browser, _) = comes(&acme, &issuer, "/").await;
    assert!(is_in(&mut browser).await, "it was a good issuer all the time");
}

#[tokio::test]
async fn a_browser_comes_back_once_and_only_where_it_was_sent_from() {
    let (acme, issuer) = with_sso(json!({})).await;
    let (other, elsewhere) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    issuer.is("pat", &pat.email);
    elsewhere.is("pat", &pat.email);
    // Somebody else's browser with this address: the attacker's own account is not put under a victim.
    let (mut mine, to) = sent(&acme, "/").await;
    let back = below(&issuer.approve(&to));
    let mut victim = acme.server.browser(&acme.host);
    assert_eq!(victim.get(&back).await.header("location"), "/sign-in");
    let (mut victim, _) = sent(&acme, "/").await;
    assert_eq!(victim.get(&back).await.header("location"), "/sign-in");
    // Another state, none, or another code.
    for (name, value) in [("state", "made-up"), ("state", ""), ("code", "made-up"), ("code", "")] {
        let (mut browser, to) = sent(&acme, "/").await;
        let mut back = issuer.approve(&to);
        let pairs: Vec<(String, String)> = back
            .query_pairs()
            .map(|(key, old)| (key.to_string(), if key == name { value.to_owned() } else { old.to_string() }))
            .collect();
        back.query_pairs_mut().clear().extend_pairs(pairs);
        assert_eq!(browser.get(&below(&back)).await.header("location"), "/sign-in", "{name}={value}");
        assert!(!is_in(&mut browser).await);
    }
    // The right one still counts, once.
    assert_eq!(mine.get(&back).await.header("location"), "/");
    assert!(is_in(&mut mine).await);
    let mut again = acme.server.browser(&acme.host);
    again.cookies = mine.cookies.clone();
    again.cookies.remove("__Host-lm_session");
    assert_eq!(again.get(&back).await.header("location"), "/sign-in");
    // At another provider's door it is nothing, and neither is the issuer's word for another issuer.
    let (browser, to) = sent(&acme, "/").await;
    let back = below(&issuer.approve(&to));
    let mut there = other.server.browser(&other.host);
    there.cookies = browser.cookies.clone();
    assert_eq!(there.get(&back).await.header("location"), "/sign-in");
    let (mut browser, to) = sent(&acme, "/").await;
    let mixed = format!("{}&iss=https%3A%2F%2Fevil.example", below(&issuer.approve(&to)));
    assert_eq!(browser.get(&mixed).await.header("location"), "/sign-in");
    // Too late.
    let (mut browser, to) = sent(&acme, "/").await;
    let back = below(&issuer.approve(&to));
    let late = format!("UPDATE {}.sso_attempt SET expires_at = now()", acme.schema().await);
    sql(&acme.server.database).await.batch_execute(&late).await.unwrap();
    assert_eq!(browser.get(&back).await.header("location"), "/sign-in");
    // The issuer says no.
    let refused = browser.get("/sign-in/sso/callback?error=access_denied&state=x").await;
    assert_eq!(refused.header("location"), "/sign-in");
}

#[tokio::test]
async fn a_new_key_is_looked_for_and_made_up_ones_cost_nothing() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    issuer.is("pat", &pat.email);
    let (mut browser, _) = comes(&acme, &issuer, "/").await;
    assert!(is_in(&mut browser).await);
    assert_eq!(issuer.keys_asked(), 1);
    // Names that nobody knows, soon after: not one question more.
    for n in 0..5 {
        issuer.twists(move |header, _| header.kid = Some(format!("made-up-{n}")));
        refused(&acme, &issuer).await;
    }
    assert_eq!(issuer.keys_asked(), 1);
}

#[tokio::test]
async fn an_issuer_that_tells_of_people_only_when_asked_is_asked() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    issuer.is("pat", &pat.email);
    issuer.tells_apart();
    let (mut browser, _) = comes(&acme, &issuer, "/").await;
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn a_role_s_second_step_holds_at_this_door_too() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    let mut here = acme.browser_as(&pat.email, PASSWORD).await;
    let (app, _) = here.set_up_mfa(&acme).await;
    issuer.is("pat", &pat.email);
    let (mut browser, answer) = comes(&acme, &issuer, "/account").await;
    assert_eq!(answer.header("location"), "/sign-in/code?next=%2Faccount");
    assert!(!is_in(&mut browser).await);
    browser.get("/sign-in/code?next=%2Faccount").await.expect_status(200);
    let done = browser.post("/sign-in/code", &[("code", &app.code()), ("next", "/account")]).await;
    assert_eq!(done.header("location"), "/account");
    assert!(is_in(&mut browser).await);
    // Whose role asks for one that is not there sets it up first; without a password to be asked for.
    let role = json!({"name": "Till", "permissions": ["customers.view"], "requires_mfa": true});
    let role = text(&acme.api().await.post("/api/v1/roles", role).await.expect(201), "/id");
    let mut body = settings(&acme, &issuer);
    body["default_role_id"] = json!(role);
    put(&acme, body).await.expect(200);
    issuer.is("new", &address(&acme, "new"));
    let (mut browser, _) = comes(&acme, &issuer, "/").await;
    assert_eq!(browser.get("/customers").await.header("location"), "/account/mfa");
    browser.add_passkey(&acme.host, "Phone").await;
    browser.get("/customers").await.expect_status(200);
    // From now on it is asked for after the issuer's word as well.
    let (_, answer) = comes(&acme, &issuer, "/").await;
    assert_eq!(answer.header("location"), "/sign-in/code");
}

#[tokio::test]
async fn as_the_only_way_in_it_closes_the_others_to_all_but_owners() {
    let (acme, issuer) = with_sso(json!({})).await;
    let pat = acme.person(&[]).await;
    let kim = acme.person(&[]).await;
    let mut old = acme.browser_as(&pat.email, PASSWORD).await;
    let mut device = acme.browser_as(&kim.email, PASSWORD).await.add_passkey(&acme.host, "Phone").await;
    let api = acme.api_of(&pat).await;
    let invited = json!({"name": "Ivy", "email": address(&acme, "ivy"), "role_ids": [pat.role_id]});
    acme.api().await.post("/api/v1/staff", invited).await.expect(201);
    let code = letter_to(acme.server, &address(&acme, "ivy"), 1).await.code();
    let mut body = settings(&acme, &issuer);
    body["is_required"] = json!(true);
    put(&acme, body).await.expect(200);
    // Who came otherwise is out, but not the owner.
    assert!(!is_in(&mut old).await);
    api.get("/api/v1/me").await.refused(401, "bad_credential");
    // Passwords, programs, passkeys, mailed links.
    let mut browser = acme.server.browser(&acme.host);
    assert!(browser.get("/sign-in").await.text().contains("opens to owners only"));
    let typed = [("email", pat.email.as_str()), ("password", PASSWORD)];
    assert!(browser.post("/sign-in", &typed).await.expect_status(422).text().contains("single sign-on"));
    let asked = json!({"email": pat.email, "password": PASSWORD});
    acme.anonymous().post("/api/v1/auth/token", asked).await.refused(401, "sso_only");
    browser.get("/sign-in").await.expect_status(200);
    let shown = browser.show_passkey("/sign-in/passkey", &mut device, "/account").await;
    assert!(shown.header("location").starts_with("/sign-in"), "{}", shown.header("location"));
    let page = browser.get(&format!("/reset?code={code}")).await.text();
    assert!(page.contains("/sign-in/sso") && !page.contains("name=\"password\""), "{page}");
    let chosen = browser.post("/reset", &[("token", &code), ("password", PASSWORD)]).await;
    assert!(chosen.status == 401 || chosen.status == 403, "{}", chosen.status);
    browser.get(&format!("/reset?code={code}")).await.expect_status(200);
    browser.post("/reset/passkey/begin", &[("token", &code)]).await.expect_status(404);
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &pat.email)]).await.expect_status(200);
    let mails = format!(
        "SELECT count(*) FROM {}.one_time_link WHERE staff_id = $1 AND used_at IS NULL",
        acme.schema().await
    );
    let id: uuid::Uuid = pat.id.parse().unwrap();
    let waiting: i64 = sql(&acme.server.database).await.query_one(&mails, &[&id]).await.unwrap().get(0);
    assert_eq!(waiting, 0, "nobody is mailed a link to a closed door");
    // By the issuer everybody comes in, the invited too; and the owner by the password, when the issuer is away.
    for (subject, email) in [("pat", pat.email.clone()), ("ivy", address(&acme, "ivy"))] {
        issuer.is(subject, &email);
        let (mut browser, _) = comes(&acme, &issuer, "/").await;
        assert!(is_in(&mut browser).await, "{email}");
    }
    let ivy = staff_of(&acme, &address(&acme, "ivy")).await.unwrap();
    assert_eq!((&ivy["invited_until"], &ivy["has_sso"]), (&Value::Null, &json!(true)));
    let mut owner = acme.browser().await;
    assert!(is_in(&mut owner).await);
    acme.api().await.get(SETTINGS).await.expect(200);
}

#[tokio::test]
async fn owners_decide_it_with_a_fresh_proof_and_an_issuer_that_is_there() {
    let (acme, issuer) = (tenant().await, Issuer::start().await);
    let good = settings(&acme, &issuer);
    acme.api().await.get(SETTINGS).await.expect(404);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("preset", json!("okta")), "preset"),
        (with("issuer", json!("not an address")), "issuer"),
        (with("issuer", json!("http://127.0.0.1:1")), "issuer"),
        (with("issuer", json!("http://10.1.2.3")), "issuer"),
        (with("domains", json!(["no domain"])), "domains"),
        (with("default_role_id", json!(uuid::Uuid::new_v4())), "default_role_id"),
        (with("default_role_id", json!(acme.role("Owner").await)), "default_role_id"),
    ] {
        assert_eq!(put(&acme, body.clone()).await.wrong_fields(), [field], "{body}");
    }
    let mut off = with("is_on", json!(false));
    off["is_required"] = json!(true);
    assert_eq!(put(&acme, off).await.wrong_fields(), ["is_required"]);
    // One that calls itself otherwise could speak for another.
    issuer.calls_itself("https://accounts.google.com");
    assert_eq!(put(&acme, good.clone()).await.wrong_fields(), ["issuer"]);
    issuer.calls_itself(&issuer.name);
    put(&acme, good.clone()).await.expect(200);
    // The secret stays while issuer and client do, and is nobody else's.
    let mut kept = good.clone();
    kept.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(put(&acme, kept.clone()).await.expect(200)["has_secret"], json!(true));
    kept["client_id"] = json!("another");
    assert_eq!(put(&acme, kept).await.expect(200)["has_secret"], json!(false));
    // An administrator is no owner.
    let admin = acme.person_with(&acme.role("Admin").await).await;
    let api = acme.api_of(&admin).await;
    api.json(reqwest::Method::PUT, SETTINGS, good.clone()).await.expect(403);
    api.get(SETTINGS).await.expect(403);
    // An open browser is not enough, nor an old sign-in.
    let mut owner = acme.browser().await;
    let api = acme.api().await;
    let old = "UPDATE {schema}.portal_session SET created_at = created_at - interval '1 hour';
        UPDATE {schema}.refresh_token SET created_at = created_at - interval '1 hour'";
    let old = old.replace("{schema}", &acme.schema().await);
    sql(&acme.server.database).await.batch_execute(&old).await.unwrap();
    acme.api().await.post("/api/v1/roles", json!({"name": "New", "permissions": []})).await.expect(201);
    api.json(reqwest::Method::PUT, SETTINGS, good).await.refused(403, "proof_needed");
    let page = owner.get("/settings/sso").await.text();
    assert!(page.contains("Show that it is you first") && page.contains("/sign-in/sso/callback"), "{page}");
    let fields = [("preset", "google"), ("client_id", "x"), ("domains", "acme.example")];
    assert!(owner.post("/settings/sso", &fields).await.header("location").starts_with("/account/prove"));
    owner.get("/account/prove").await.expect_status(200);
    owner.post("/account/prove", &[("current_password", PASSWORD)]).await.expect_status(303);
    owner.get("/settings/sso").await.expect_status(200);
    assert_eq!(owner.post("/settings/sso", &fields).await.header("location"), "/settings/sso");
    let wrong = owner.get("/settings/sso").await;
    wrong.expect_status(200);
    owner.post("/settings/sso", &[("preset", "microsoft"), ("issuer", "common")]).await.expect_status(422);
    let shown = acme.api().await.get(SETTINGS).await.expect(200);
    assert_eq!((&shown["issuer"], &shown["is_on"]), (&json!("https://accounts.google.com"), &json!(false)));
}
