//! What the platform's people are told of by itself: credentials at the wrong door, passwords tried in crowds, things in numbers.

use serde_json::json;

use crate::harness::{
    Api, PASSWORD, Server, Settings, Tenant, between,
    console::Staff,
    mailbox::{letter_to, letters_to, until},
    program, sql, tenant_on, text,
};

const ME: &str = "/api/v1/me";

fn settings() -> Settings {
    Settings::default().with("ALERTS__LETTERS", true)
}

/// Alerts of a kind: how much of it, where, whose, and whether it is open.
async fn alerts(server: &Server, kind: &str) -> Vec<(i64, String, String, bool)> {
    let rows = sql(&server.database)
        .await
        .query(
            "SELECT amount, coalesce(tenant_id::text, ''), coalesce(other_id::text, ''), closed_at IS NULL
             FROM public.alert WHERE kind = $1 ORDER BY id",
            &[&kind],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

/// Waits until there is one alert of this kind that has counted so many.
async fn alert_of(server: &Server, kind: &str, amount: i64) -> (String, String) {
    until(&format!("an alert {kind} of {amount}"), async || {
        let all = alerts(server, kind).await;
        let open: Vec<_> = all.iter().filter(|alert| alert.3).collect();
        assert!(open.len() <= 1, "{all:?}");
        open.first().filter(|alert| alert.0 == amount).map(|alert| (alert.1.clone(), alert.2.clone()))
    })
    .await
}

/// Shows a credential of `of` at the door of `at` so many times, by turns in all these processes.
async fn show(token: &str, at: &Tenant, times: usize, servers: &[&Server]) {
    for server in servers.iter().cycle().take(times) {
        at.anonymous().to(server.address).bearer(token).get(ME).await.expect_status(401);
    }
}

async fn token_of(tenant: &Tenant) -> String {
    let who = json!({"email": tenant.owner_email, "password": PASSWORD});
    text(&tenant.anonymous().post("/api/v1/auth/token", who).await.expect(200), "/access_token")
}

async fn page(staff: &mut Staff, path: &str) -> String {
    let answer = staff.browser.get(path).await;
    answer.expect_status(200);
    answer.text()
}

#[tokio::test]
async fn a_token_at_another_door_raises_one_alert_over_two_processes() {
    let one = Server::own("alerts_foreign", settings()).await;
    let two = one.sibling(settings());
    let (mut helper, mut reader) = (one.staff("support_admin").await, one.staff("read_only").await);
    let (a, b, c) = (tenant_on(one).await, tenant_on(one).await, tenant_on(one).await);
    let token = token_of(&a).await;
    assert!(!page(&mut helper, "/console/people").await.contains("Open alerts"));
    show(&token, &c, 9, &[one, two]).await;
    show(&token, &b, 10, &[one, two]).await;
    let ids = alert_of(one, "foreign_credential", 10).await;
    assert_eq!(ids, (b.id.clone(), a.id.clone()));
    // Nine at another one were judged in the same look, and are none.
    assert_eq!(alerts(one, "foreign_credential").await.len(), 1);
    let letter = letter_to(one, &helper.email, 1).await;
    let title = format!("Credentials of Company {} were shown at Company {}", a.slug, b.slug);
    assert_eq!(letter.header("Subject"), format!("Alert: {title}"));
    assert!(letter.text.contains("10 times") && letter.text.contains("https://isp.test/console/alerts"));
    // More of it is the same alert, and no second letter.
    show(&token, &b, 5, &[two, one]).await;
    alert_of(one, "foreign_credential", 15).await;
    // The page and the frame say so; who only looks closes nothing.
    let shown = page(&mut reader, "/console/alerts").await;
    assert!(
        shown.contains(&title) && shown.contains("15 times") && !shown.contains("Acknowledge"),
        "{shown}"
    );
    assert!(shown.contains("Open alerts: 1") && shown.contains(&format!("/console/tenants/{}", b.id)));
    let shown = page(&mut helper, "/console/alerts").await;
    let action = between(&shown, "action=\"/console/alerts/", "\"").unwrap();
    let action = format!("/console/alerts/{action}");
    reader.browser.post(&action, &[("note", "x")]).await.expect_status(403);
    helper.browser.post(&action, &[("note", "Asked them & waiting")]).await.expect_status(303);
    let shown = page(&mut helper, "/console/alerts").await;
    assert!(shown.contains("Asked them &amp; waiting") && !shown.contains("Open alerts"), "{shown}");
    helper.browser.post(&action, &[]).await.expect_status(303);
    assert!(page(&mut helper, "/console/alerts").await.contains("closed already"));
    let log = page(&mut helper, "/console/log?kind=alert.").await;
    assert!(log.contains("Alert acknowledged") && log.contains("Asked them"), "{log}");
    // What was acknowledged opens no other; ten more do.
    show(&token, &b, 9, &[one, two]).await;
    show(&token, &c, 1, &[one]).await;
    let (at, _) = alert_of(one, "foreign_credential", 10).await;
    assert_eq!(at, c.id);
    show(&token, &b, 1, &[two]).await;
    until("a second one about the same pair", async || {
        let of_b = alerts(one, "foreign_credential").await.into_iter().filter(|alert| alert.1 == b.id);
        (of_b.map(|alert| (alert.0, alert.3)).collect::<Vec<_>>() == [(15, false), (10, true)]).then_some(())
    })
    .await;
    letter_to(one, &helper.email, 3).await;
    assert_eq!(letters_to(one, &helper.email).len(), 3);
    assert!(letters_to(one, &reader.email).is_empty());
}

#[tokio::test]
async fn a_key_and_a_session_are_traced_to_whom_they_belong() {
    let server = Server::own("alerts_traced", settings()).await;
    let (a, b) = (tenant_on(server).await, tenant_on(server).await);
    let fields = json!({"name": "Robot", "scopes": ["customers.read"]});
    let made = a.api().await.post("/api/v1/api-keys", fields).await;
    let key = text(&made.expect(201), "/key");
    let browser = a.browser().await;
    let session = &browser.cookies["__Host-lm_session"];
    let robot = a.anonymous().bearer(&key);
    robot.get("/api/v1/customers").await.expect_status(200);
    for _ in 0..5 {
        b.anonymous().bearer(&key).get(ME).await.expect_status(401);
        let there = b.anonymous().header("cookie", &format!("__Host-lm_session={session}"));
        there.get("/customers").await.expect_status(303);
    }
    // Nobody's: shown as often, and no alert.
    for _ in 0..20 {
        b.anonymous().bearer("lm_live_nobodys").get(ME).await.expect_status(401);
    }
    assert_eq!(alert_of(server, "foreign_credential", 10).await, (b.id.clone(), a.id.clone()));
    let client = sql(&server.database).await;
    let kept = client.query("SELECT encode(subject, 'escape') FROM public.sighting", &[]).await.unwrap();
    assert!(kept.iter().all(|row| !row.get::<_, String>(0).contains(&key)));
    robot.get("/api/v1/customers").await.expect_status(200);
}

#[tokio::test]
async fn passwords_tried_in_crowds_raise_an_alert_that_names_nobody() {
    let limits = settings().with("ALERTS__STUFFED_ACCOUNTS", 6).with("ALERTS__SIGN_INS_REFUSED", 8);
    let server = Server::own("alerts_stuffing", limits).await;
    let staff = server.staff("super_admin").await;
    let (a, b) = (tenant_on(server).await, tenant_on(server).await);
    let guess = async |tenant: &Tenant, name: &str| {
        let email = format!("{name}@people.example");
        let api = tenant.anonymous();
        let body = json!({"email": email, "password": "Tr0ub4dor&3"});
        api.post("/api/v1/auth/token", body).await.expect_status(401);
    };
    // One account many times is no crowd.
    for _ in 0..3 {
        guess(&a, "ann").await;
    }
    for name in ["bob", "carl", "dora", "emil"] {
        guess(&a, name).await;
    }
    alert_none(server, "stuffing", &a).await;
    guess(&a, "fred").await;
    let (at, _) = alert_of(server, "stuffing", 8).await;
    assert_eq!(at, a.id);
    guess(&b, "ann").await;
    let (at, _) = alert_of(server, "stuffing", 9).await;
    assert_eq!(at, "", "it is at more than one provider");
    // The door's own count, too.
    alert_of(server, "sign_in_refused", 9).await;
    let letter = until("the letter about it", async || {
        let all = letters_to(server, &staff.email);
        all.into_iter().find(|letter| letter.header("Subject").contains("Passwords of many accounts"))
    })
    .await;
    assert!(letter.text.contains("6 accounts from 1 address"), "{}", letter.text);
    assert!(!letter.text.contains("people.example") && !letter.text.contains("127.0.0.1"));
}

/// Nothing of this kind was raised, although what there is was looked at: another alert, begun later, is there.
async fn alert_none(server: &Server, kind: &str, at: &Tenant) {
    let before = alerts(server, "host_mismatch").await.len();
    let wrong = at.anonymous().header("x-tenant-id", "somebody-else");
    for _ in 0..10 {
        wrong.get(ME).await.refused(400, "tenant_mismatch");
    }
    until("the later alert", async || (alerts(server, "host_mismatch").await.len() > before).then_some(()))
        .await;
    assert!(alerts(server, kind).await.is_empty(), "{kind}");
    let client = sql(&server.database).await;
    client.execute("DELETE FROM public.alert WHERE kind = 'host_mismatch'", &[]).await.unwrap();
}

async fn many(api: &Api, path: &str, times: usize) -> u16 {
    let mut last = 0;
    for _ in 0..times {
        last = api.get(path).await.status;
    }
    last
}

#[tokio::test]
async fn what_comes_in_numbers_raises_alerts_and_what_is_usual_does_not() {
    let limits = settings()
        .with("ALERTS__UNKNOWN_IDS", 5)
        .with("ALERTS__SIGN_UPS", 3)
        .with("ALERTS__LIMITED", 4)
        .with("LIMITS__TENANT_PER_SECOND", 1)
        .with("LIMITS__BURST_SECONDS", 20);
    let server = Server::own("alerts_numbers", limits).await;
    let (a, b) = (tenant_on(server).await, tenant_on(server).await);
    let api = a.api().await;
    let strange = format!("/api/v1/customers/{}", uuid::Uuid::now_v7());
    assert_eq!(many(&api, &strange, 4).await, 404);
    assert_eq!(many(&api, "/api/v1/nothing-of-this-name", 3).await, 404);
    alert_none(server, "unknown_id", &b).await;
    assert!(alerts(server, "sign_up").await.is_empty());
    api.get(&strange).await.expect_status(404);
    assert_eq!(alert_of(server, "unknown_id", 5).await.0, a.id);
    tenant_on(server).await;
    alert_of(server, "sign_up", 3).await;
    // At most one of these a second is let through.
    many(&api, ME, 60).await;
    until("its alert", async || alerts(server, "limited").await.first().cloned()).await;
}

#[tokio::test]
async fn an_alert_closes_when_it_is_quiet_and_letters_go_to_those_who_want_them() {
    let server = Server::own("alerts_quiet", settings()).await;
    let (mut boss, mut reader) = (server.staff("super_admin").await, server.staff("read_only").await);
    for (staff, is_on) in [(&mut boss, true), (&mut reader, false)] {
        let shown = page(staff, "/console/account").await;
        let ticked = shown.contains("name=\"alert_letters\" value=\"true\" checked");
        assert_eq!(ticked, is_on, "{shown}");
        let fields: &[(&str, &str)] = if is_on { &[] } else { &[("alert_letters", "true")] };
        staff.browser.post("/console/account/alert-letters", fields).await.expect_status(303);
    }
    let (a, b) = (tenant_on(server).await, tenant_on(server).await);
    let wrong = a.anonymous().header("x-tenant-id", &b.slug);
    for _ in 0..10 {
        wrong.get(ME).await.refused(400, "tenant_mismatch");
    }
    assert_eq!(alert_of(server, "host_mismatch", 10).await, (a.id.clone(), b.id.clone()));
    letter_to(server, &reader.email, 1).await;
    assert!(letters_to(server, &boss.email).is_empty());
    // It goes on for an hour: one letter more. What is under way is counted first, so that nothing moves `over_at` later.
    wrong.get(ME).await.refused(400, "tenant_mismatch");
    alert_of(server, "host_mismatch", 11).await;
    let client = sql(&server.database).await;
    let back = "UPDATE public.alert SET told_at = told_at - interval '61 minutes'";
    client.execute(back, &[]).await.unwrap();
    letter_to(server, &reader.email, 2).await;
    // Half an hour without reaching the threshold.
    let back = "UPDATE public.alert SET over_at = now() - interval '31 minutes'";
    client.execute(back, &[]).await.unwrap();
    until("it closes", async || (!alerts(server, "host_mismatch").await[0].3).then_some(())).await;
    assert!(page(&mut reader, "/console/alerts").await.contains("Quiet again"));
    // What is left of a provider that is gone: nothing.
    let closed =
        |id: &str| format!("SELECT count(*) FROM public.alert WHERE '{id}' IN (tenant_id, other_id)");
    assert_eq!(client.query_one(&closed(&a.id), &[]).await.unwrap().get::<_, i64>(0), 1);
    let mut delete = program(&server.database, server.folder.path());
    let done = delete.args(["tenant", "delete", &a.slug, "--yes", "--now"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(client.query_one(&closed(&a.id), &[]).await.unwrap().get::<_, i64>(0), 0);
}
