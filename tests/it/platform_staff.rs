//! The platform's own people: joining, the second step, roles, and the doors that stay shut.

use reqwest::Method;
use serde_json::Value;

use crate::{
    harness::{
        Browser, PASSWORD, Server, Settings,
        console::{HOST, Staff, enrolled},
        shared, sql, tenant, text,
    },
    refusals::{Registered, ask, registry},
};

const COOKIE: &str = "__Host-lm_console";

async fn events(server: &Server, action: &str, object: &str) -> i64 {
    let client = sql(&server.database).await;
    let row = client
        .query_one(
            "SELECT count(*) FROM public.platform_event WHERE action = $1 AND object_label = $2",
            &[&action, &object],
        )
        .await
        .unwrap();
    row.get(0)
}

/// Routes of the console by the least role that they ask for.
async fn routes(of: &[&str]) -> Vec<Registered> {
    let mut all = registry().await;
    all.retain(|route| {
        route.authority.get("console").and_then(Value::as_str).is_some_and(|c| of.contains(&c))
    });
    all
}

fn with_token(browser: &Browser) -> crate::harness::Api {
    browser.with_cookies().header("origin", &browser.origin).header("x-csrf-token", &browser.csrf)
}

#[tokio::test]
async fn somebody_is_invited_joins_and_signs_in_again() {
    let server = shared().await;
    let mut staff = server.staff("super_admin").await;
    assert_eq!(staff.codes.len(), 10);
    staff.browser.get("/console").await;
    // The link counted once.
    let mut second = staff.halfway(server).await;
    second.get("/console/people").await.expect_status(303);
    let page = second.get("/console/code").await;
    page.expect_status(200);
    let wrong = second.post("/console/code", &[("code", "000000")]).await;
    wrong.expect_status(422);
    let code = staff.app.code();
    let before = second.cookies[COOKIE].clone();
    second.post("/console/code", &[("code", &code)]).await.expect_status(303);
    assert_ne!(before, second.cookies[COOKIE], "becoming whole is another token");
    second.get("/console/people").await.expect_status(200);
    // The same code is used up, and so is a recovery code after once.
    let mut third = staff.halfway(server).await;
    third.get("/console/code").await;
    third.post("/console/code", &[("code", &code)]).await.expect_status(422);
    third.post("/console/code", &[("code", &staff.codes[0])]).await.expect_status(303);
    let mut fourth = staff.halfway(server).await;
    fourth.get("/console/code").await;
    fourth.post("/console/code", &[("code", &staff.codes[0])]).await.expect_status(422);
    assert_eq!(events(server, "console.signed_in", &staff.email).await, 2);
    assert_eq!(events(server, "console.second_step_refused", &staff.email).await, 3);
    // Signing out ends this stay and no other.
    third.get("/console/people").await.expect_status(200);
    let stale = third.cookies[COOKIE].clone();
    third.post("/console/sign-out", &[]).await.expect_status(303);
    third.cookies.insert(COOKIE.into(), stale);
    third.get("/console/people").await.expect_status(303);
    second.get("/console/people").await.expect_status(200);
}

#[tokio::test]
async fn an_invitation_counts_once_and_shows_nothing_to_others() {
    let server = shared().await;
    let email = format!("once-{}@platform.example", uuid::Uuid::new_v4().simple());
    let code = server.invited(&email, "read-only");
    let mut browser = server.browser(HOST);
    browser.get("/console/join?code=nonsense").await.expect_status(404);
    let page = browser.get(&format!("/console/join?code={code}")).await;
    assert_eq!(page.header("referrer-policy"), "strict-origin");
    // Too weak a password does not use it up.
    let weak = browser.post("/console/join", &[("code", &code), ("password", "password12")]).await;
    weak.expect_status(422);
    let mut other = server.browser(HOST);
    other.get(&format!("/console/join?code={code}")).await.expect_status(200);
    let fields = [("code", code.as_str()), ("password", PASSWORD)];
    let (one, two) =
        tokio::join!(browser.post("/console/join", &fields), other.post("/console/join", &fields));
    let mut led = [one.header("location"), two.header("location")];
    led.sort_unstable();
    assert_eq!(led, ["/console/enrol", "/console/sign-in"], "of two at once one joins");
    // Another link of the command line takes the place of this one, for a new password.
    let (said, is_done) = server.platform_command(&["invite", "--email", &email]);
    assert!(is_done && said.contains("code="), "{said}");
    let (said, is_done) = server.platform_command(&["invite", "--email", &email, "--role", "read-only"]);
    assert!(!is_done && said.contains("already"), "{said}");
    let (said, is_done) = server.platform_command(&["invite", "--email", "x@y.example", "--role", "king"]);
    assert!(!is_done && said.contains("super_admin, support_admin or read_only"), "{said}");
}

#[tokio::test]
async fn before_the_second_step_nothing_opens() {
    let server = shared().await;
    let staff = server.staff("super_admin").await;
    let mut halfway = staff.halfway(server).await;
    halfway.get("/console/code").await.expect_status(200);
    let api = with_token(&halfway);
    let mut served = Vec::new();
    for route in routes(&["read_only", "support_admin", "super_admin"]).await {
        let answer = ask(&api, &route).await;
        if answer.status != 303 || answer.header("location") != "/console/code" {
            served.push(format!("{} answered {}", route.name(), answer.status));
        }
    }
    assert!(served.is_empty(), "{served:#?}");
    // Somebody whose second step was taken away sets up another before anything else.
    let mut boss = server.staff("super_admin").await;
    let path = format!("/console/people/{}", staff.id);
    boss.browser.get(&path).await.expect_status(200);
    boss.browser.post(&format!("{path}/second-step/reset"), &[]).await.expect_status(303);
    let mut again = staff.halfway(server).await;
    again.get("/console/people").await.expect_status(303);
    assert_eq!(again.get("/console/people").await.header("location"), "/console/enrol");
    enrolled(&mut again).await;
    again.get("/console/people").await.expect_status(200);
}

#[tokio::test]
async fn without_a_cookie_or_with_a_forged_token_the_console_refuses() {
    let server = shared().await;
    let all = ["read_only", "support_admin", "super_admin", "halfway"];
    let anonymous = server.at(HOST).header("origin", "https://isp.test");
    let mut staff = server.staff("super_admin").await;
    staff.browser.get("/console/people").await;
    let forged =
        staff.browser.with_cookies().header("origin", "https://isp.test").header("x-csrf-token", "forged");
    let foreign = staff
        .browser
        .with_cookies()
        .header("origin", "https://evil.example")
        .header("x-csrf-token", &staff.browser.csrf);
    let mut served = Vec::new();
    for route in routes(&all).await {
        let answer = ask(&anonymous, &route).await;
        if answer.status != 303 || !answer.header("location").starts_with("/console/sign-in") {
            served.push(format!("without a cookie: {} answered {}", route.name(), answer.status));
        }
        if route.method == Method::GET || route.authority["console"] == "halfway" {
            continue;
        }
        for (how, api) in [("forged token", &forged), ("foreign origin", &foreign)] {
            let answer = ask(api, &route).await;
            if answer.status != 403 {
                served.push(format!("{how}: {} answered {}", route.name(), answer.status));
            }
        }
    }
    assert!(served.is_empty(), "{served:#?}");
    let mut browser = server.browser(HOST);
    browser.get("/console/sign-in").await;
    browser.csrf = "forged".into();
    let fields = [("email", staff.email.as_str()), ("password", PASSWORD)];
    browser.post("/console/sign-in", &fields).await.expect_status(403);
}

#[tokio::test]
async fn the_cookies_of_console_and_tenants_open_nothing_at_each_other() {
    let acme = tenant().await;
    let server = acme.server;
    let owner = acme.browser().await;
    let staff = server.staff("super_admin").await;
    // Under its own name, and under the other door's.
    let session = owner.cookies.iter().find(|(name, _)| name.ends_with("lm_session")).unwrap().1.clone();
    let mut at_console = server.browser(HOST);
    at_console.cookies = owner.cookies.clone();
    at_console.get("/console/people").await.expect_status(303);
    at_console.cookies.insert(COOKIE.into(), session);
    at_console.get("/console/people").await.expect_status(303);
    let mut at_tenant = server.browser(&acme.host);
    at_tenant.cookies = staff.browser.cookies.clone();
    at_tenant.get("/customers").await.expect_status(303);
    at_tenant.cookies.insert("__Host-lm_session".into(), staff.browser.cookies[COOKIE].clone());
    at_tenant.get("/customers").await.expect_status(303);
    // The console is on the base domain alone.
    at_tenant.get("/console/sign-in").await.expect_status(404);
    at_tenant.get("/console/people").await.expect_status(404);
}

#[tokio::test]
async fn a_role_reaches_as_far_as_it_says() {
    let server = shared().await;
    for (role, refused, allowed) in [
        ("read_only", &["support_admin", "super_admin"][..], &["read_only"][..]),
        ("support_admin", &["super_admin"][..], &["read_only", "support_admin"][..]),
    ] {
        let mut staff = server.staff(role).await;
        staff.browser.get("/console/people").await.expect_status(200);
        let api = with_token(&staff.browser);
        let mut wrong = Vec::new();
        for route in routes(refused).await {
            let answer = ask(&api, &route).await;
            if answer.status != 403 {
                wrong.push(format!("{role}: {} answered {}", route.name(), answer.status));
            }
        }
        for route in routes(allowed).await.iter().filter(|route| route.method == Method::GET) {
            let answer = ask(&api, route).await;
            if answer.status == 403 || answer.status >= 500 {
                wrong.push(format!("{role}: {} answered {}", route.name(), answer.status));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    // Whoever may only look has no other write than those of their own account.
    let writes = routes(&["read_only"]).await;
    let foreign: Vec<String> = writes
        .iter()
        .filter(|route| route.method != Method::GET)
        .map(|route| route.path.clone())
        .filter(|path| !path.starts_with("/console/account/") && path != "/console/sign-out")
        .collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

/// A deployment of a test's own, and its only super admin.
async fn founded(name: &str) -> (&'static Server, Staff) {
    let server = Server::own(name, Settings::default()).await;
    let staff = server.staff("super_admin").await;
    (server, staff)
}

#[tokio::test]
async fn the_last_super_admin_stays_one() {
    let (server, mut first) = founded("last_super_admin").await;
    // Somebody who was invited and has never come in does not count.
    server.invited("invited@platform.example", "super_admin");
    let own = format!("/console/people/{}", first.id);
    first.browser.get(&own).await.expect_status(200);
    for (path, fields) in [("role", vec![("role", "read_only")]), ("disable", vec![])] {
        first.browser.post(&format!("{own}/{path}"), &fields).await.expect_status(303);
        let page = first.browser.get(&own).await;
        page.expect_status(200);
        assert!(page.text().contains("Nobody else could do"), "{path}");
    }
    let mut second = server.staff("super_admin").await;
    // With two of them nobody takes their own role, but each may take the other's: one of both succeeds.
    first.browser.get(&own).await;
    first.browser.post(&format!("{own}/disable"), &[]).await;
    assert!(first.browser.get(&own).await.text().contains("your own account"));
    let (of_first, of_second) = (own.clone(), format!("/console/people/{}", second.id));
    second.browser.get(&of_first).await.expect_status(200);
    first.browser.get(&of_second).await.expect_status(200);
    let (take_first, take_second) = (format!("{of_first}/disable"), format!("{of_second}/disable"));
    tokio::join!(second.browser.post(&take_first, &[]), first.browser.post(&take_second, &[]),);
    let client = sql(&server.database).await;
    let row = client
        .query_one(
            "SELECT count(*) FROM public.platform_staff s JOIN public.platform_totp t ON t.staff_id = s.id
             WHERE s.role = 'super_admin' AND s.is_active AND t.confirmed_at IS NOT NULL",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 1, "exactly one is left");
}

#[tokio::test]
async fn whoever_is_switched_off_or_demoted_is_so_at_once() {
    let server = shared().await;
    let mut boss = server.staff("super_admin").await;
    let mut staff = server.staff("super_admin").await;
    staff.browser.get("/console/people/new").await.expect_status(200);
    let path = format!("/console/people/{}", staff.id);
    boss.browser.get(&path).await.expect_status(200);
    boss.browser.post(&format!("{path}/role"), &[("role", "read_only")]).await.expect_status(303);
    staff.browser.get("/console/people/new").await.expect_status(403);
    staff.browser.get("/console/people").await.expect_status(200);
    boss.browser.post(&format!("{path}/disable"), &[]).await.expect_status(303);
    staff.browser.get("/console/people").await.expect_status(303);
    let mut door = server.browser(HOST);
    door.get("/console/sign-in").await;
    let fields = [("email", staff.email.as_str()), ("password", PASSWORD)];
    door.post("/console/sign-in", &fields).await.expect_status(422);
    boss.browser.post(&format!("{path}/enable"), &[]).await.expect_status(303);
    staff.halfway(server).await;
    for action in ["role_changed", "disabled", "enabled"] {
        assert_eq!(events(server, &format!("platform_staff.{action}"), &staff.email).await, 1, "{action}");
    }
}

#[tokio::test]
async fn those_who_guess_wait_and_the_wait_holds_for_the_right_password_too() {
    let server = shared().await;
    let staff = server.staff("read_only").await;
    let mut door = server.browser(HOST);
    door.get("/console/sign-in").await;
    let wrong = [("email", staff.email.as_str()), ("password", "not the password")];
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(door.post("/console/sign-in", &wrong).await.status);
    }
    assert_eq!(statuses[..5], [422; 5]);
    assert_eq!(statuses[5], 429);
    let right = [("email", staff.email.as_str()), ("password", PASSWORD)];
    let answer = door.post("/console/sign-in", &right).await;
    answer.expect_status(429);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(events(server, "console.sign_in_refused", &staff.email).await, 5);
    // An unknown address is answered alike.
    let unknown = [("email", "nobody@platform.example"), ("password", "not the password")];
    door.post("/console/sign-in", &unknown).await.expect_status(422);
}

#[tokio::test]
async fn the_log_is_sealed_and_shows_what_was_changed_in_it() {
    let (server, staff) = founded("platform_log").await;
    let client = sql(&server.database).await;
    let unsealed = "SELECT count(*) FROM public.platform_event e
        WHERE NOT EXISTS (SELECT 1 FROM public.platform_seal s WHERE s.event_id = e.id)";
    for _ in 0..200 {
        if client.query_one(unsealed, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (said, is_whole) = server.platform_command(&["verify-log", "--json"]);
    assert!(is_whole, "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert!(report["sealed"].as_i64().unwrap() >= 3, "{report}");
    // A word of who it was, the tail, a seal: each shows.
    for (breaking, mending, finding) in [
        (
            "UPDATE public.platform_event SET reason = 'x' || reason WHERE action = 'platform_staff.invited'",
            "UPDATE public.platform_event SET reason = substr(reason, 2) WHERE action = 'platform_staff.invited'",
            "changed_payload",
        ),
        (
            "UPDATE public.platform_event SET actor = actor || 'x' WHERE action = 'platform_staff.invited'",
            "UPDATE public.platform_event SET actor = left(actor, -1) WHERE action = 'platform_staff.invited'",
            "changed_event",
        ),
    ] {
        client.batch_execute(breaking).await.unwrap();
        let (said, is_whole) = server.platform_command(&["verify-log", "--json"]);
        assert!(!is_whole && said.contains(finding), "{said}");
        client.batch_execute(mending).await.unwrap();
    }
    client
        .batch_execute("DELETE FROM public.platform_seal WHERE position = (SELECT max(position) FROM public.platform_seal)")
        .await
        .unwrap();
    let (said, is_whole) = server.platform_command(&["verify-log", "--json"]);
    assert!(!is_whole && said.contains("cut_tail"), "{said}");
    let listed: Value = serde_json::from_str(&server.platform_command(&["list", "--json"]).0).unwrap();
    assert_eq!(text(&listed, "/0/email"), staff.email);
}
