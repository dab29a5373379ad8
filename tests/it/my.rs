//! The subscriber portal at `/my`: in by an invitation of exactly this customer, and nothing there that is not theirs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cli::expect,
    harness::{Answer, Api, Browser, PASSWORD, Tenant, mailbox::letter_to, sql, tenant, text},
    outages::Field,
    shop::Shop,
};

const OTHER: &str = "seven quiet rivers bend north";

async fn customer(tenant: &Tenant, first: &str, email: Option<&str>) -> String {
    let new =
        json!({"first_name": first, "last_name": "Cruz", "email": email, "phone_primary": "09171234567"});
    text(&tenant.api().await.post("/api/v1/customers", new).await.expect(201), "/id")
}

fn code_of(link: &str) -> String {
    link.split("code=").nth(1).unwrap().to_owned()
}

fn name_of(customer: &str) -> String {
    format!("{customer}@my.example")
}

async fn sign_in(tenant: &Tenant, name: &str, password: &str) -> (Browser, Answer) {
    let mut browser = tenant.server.browser(&tenant.host);
    browser.get("/my/sign-in").await.expect_status(200);
    let answer = browser.post("/my/sign-in", &[("sign_in_name", name), ("password", password)]).await;
    (browser, answer)
}

fn is_sent_away(answer: &Answer) -> bool {
    answer.status == 303 && answer.header("location").starts_with("/my/sign-in")
}

async fn join(tenant: &Tenant, code: &str, name: &str, password: &str) -> (Browser, Answer) {
    let mut browser = tenant.server.browser(&tenant.host);
    browser.get(&format!("/my/join?code={code}")).await;
    let fields = [("token", code), ("sign_in_name", name), ("password", password)];
    let answer = browser.post("/my/join", &fields).await;
    (browser, answer)
}

async fn actions(tenant: &Tenant, customer: &str) -> Vec<String> {
    let path = format!("/api/v1/audit-events?object_type=customer&object_id={customer}&limit=200");
    let list: Value = tenant.api().await.get(&path).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|one| text(one, "/action")).collect()
}

#[tokio::test]
async fn an_invitation_opens_one_account_once() {
    let acme = tenant().await;
    let ana = customer(&acme, "Ana", None).await;
    let old = code_of(&acme.invitation(&ana).await);
    let code = code_of(&acme.invitation(&ana).await);
    // An older invitation counts no more, and neither does a made-up one; looking uses nothing up.
    for (code, status) in
        [(old.as_str(), 410), ("x", 410), (&"x".repeat(43), 410), (&code, 200), (&code, 200)]
    {
        acme.server.browser(&acme.host).get(&format!("/my/join?code={code}")).await.expect_status(status);
    }
    for (name, password, said) in [
        ("ana@x.example", "short", "At least 10 characters"),
        ("ana@x.example", "password1234", "first that others would try"),
        ("not a name", PASSWORD, "sign_in_name-error"),
    ] {
        let (_, answer) = join(&acme, &code, name, password).await;
        answer.expect_status(422);
        assert!(answer.text().contains(said), "{said}: {}", answer.text());
    }
    let (mut browser, answer) = join(&acme, &code, "Ana@X.example", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/my"));
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().unwrap())
        .find(|c| c.contains("lm_my="));
    let cookie = cookie.unwrap();
    for part in ["__Host-lm_my=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(browser.get("/my").await.text().contains("Hello Ana"));
    // The link is used up, and the customer cannot be invited while there is an account.
    join(&acme, &code, "other@x.example", OTHER).await.1.expect_status(410);
    let invite = format!("/api/v1/customers/{ana}/portal-invitation");
    acme.api().await.post(&invite, json!({})).await.refused(409, "has_access");
    // Another customer cannot sign in by the same name, and is told so before the link is gone.
    let ben = customer(&acme, "Ben", None).await;
    let code = code_of(&acme.invitation(&ben).await);
    let (_, answer) = join(&acme, &code, "ana@x.example", OTHER).await;
    answer.expect_status(422);
    join(&acme, &code, "0918 123 4567", OTHER).await.1.expect_status(303);
    sign_in(&acme, "+63 918 123 4567", OTHER).await.1.expect_status(303);
    let done = actions(&acme, &ana).await;
    for action in ["customer.portal_invited", "customer.portal_joined"] {
        assert!(done.iter().any(|one| one == action), "{action} is not in {done:?}");
    }
}

#[tokio::test]
async fn an_expired_invitation_and_one_of_another_tenant_open_nothing() {
    let (shop, other) = (Shop::open().await, tenant().await);
    let acme = &shop.tenant;
    let ana = customer(acme, "Ana", None).await;
    let code = code_of(&acme.invitation(&ana).await);
    join(&other, &code, "ana@x.example", PASSWORD).await.1.expect_status(410);
    shop.run("UPDATE subscriber_link SET expires_at = now() - interval '1 second'").await;
    join(acme, &code, "ana@x.example", PASSWORD).await.1.expect_status(410);
    let none = shop.ask("SELECT count(*) FROM subscriber_login").await;
    assert_eq!(none, "0");
    // Only hashes are kept.
    let kept = shop.ask("SELECT string_agg(l::text, '') FROM subscriber_link l").await;
    assert!(!kept.contains(&code));
    // Nobody but those with the right invites, and nobody at all another tenant's customer.
    let person = acme.person(&["customers.view", "customers.edit"]).await;
    let path = format!("/api/v1/customers/{ana}/portal-invitation");
    acme.api_of(&person).await.post(&path, json!({})).await.refused(403, "forbidden");
    other.api().await.post(&path, json!({})).await.refused(404, "not_found");
    acme.api().await.post(&path, json!({"send_mail": true})).await.expect(422);
}

#[tokio::test]
async fn a_forgotten_password_is_mended_by_a_mailbox_that_was_proved_and_no_other() {
    let acme = tenant().await;
    let api = acme.api().await;
    let email = format!("ana@{}.example", acme.slug);
    let ana = customer(&acme, "Ana", Some(&email)).await;
    let ben_email = format!("ben@{}.example", acme.slug);
    let ben = customer(&acme, "Ben", Some(&ben_email)).await;
    let invite = |id: &str| format!("/api/v1/customers/{id}/portal-invitation");
    let invited = api.post(&invite(&ana), json!({"send_mail": true})).await.expect(201);
    let mailed = letter_to(acme.server, &email, 1).await;
    assert_ne!(mailed.link(), text(&invited, "/link"), "the mailed link is one of its own");
    assert!(mailed.link().starts_with(&format!("https://{}/my/join?code=", acme.host)));
    let (mut browser, joined) = join(&acme, &mailed.code(), &email, PASSWORD).await;
    joined.expect_status(303);
    join(&acme, &code_of(&text(&invited, "/link")), "x@x.example", OTHER).await.1.expect_status(410);
    // Ben was handed his link: the address on his page proves nothing.
    let handed = text(&api.post(&invite(&ben), json!({"send_mail": true})).await.expect(201), "/link");
    letter_to(acme.server, &ben_email, 1).await;
    join(&acme, &code_of(&handed), &ben_email, PASSWORD).await.1.expect_status(303);
    let mut forgetful = acme.server.browser(&acme.host);
    let mut answers = Vec::new();
    for name in [ben_email.as_str(), "nobody@x.example", &email] {
        forgetful.get("/my/forgot").await;
        let answer = forgetful.post("/my/forgot", &[("sign_in_name", name)]).await;
        answer.expect_status(200);
        answers.push(answer.text().replace(&forgetful.csrf, ""));
    }
    let plain = |page: &String| page.split("<main").nth(1).unwrap().to_owned();
    assert!(plain(&answers[0]) == plain(&answers[1]) && plain(&answers[1]) == plain(&answers[2]));
    let letter = letter_to(acme.server, &email, 2).await;
    assert_eq!(crate::harness::mailbox::letters_to(acme.server, &ben_email).len(), 1, "Ben proved nothing");
    assert!(letter.text.contains("The link works once, for 10 minutes."), "{}", letter.text);
    let life = "SELECT extract(epoch FROM expires_at - created_at)::integer FROM {}.subscriber_link WHERE purpose = 'reset'";
    let (client, schema) = (sql(&acme.server.database).await, acme.schema().await);
    let life: i32 = client.query_one(&life.replace("{}", &schema), &[]).await.unwrap().get(0);
    assert_eq!(life, 10 * 60);
    forgetful.get(&format!("/my/reset?code={}", letter.code())).await.expect_status(200);
    let fields = [("token", letter.code()), ("password", OTHER.to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    forgetful.post("/my/reset", &fields).await.expect_status(303);
    forgetful.get("/my/sign-in").await;
    forgetful.post("/my/reset", &fields).await.expect_status(410);
    assert!(is_sent_away(&browser.get("/my").await), "the old session lives on");
    sign_in(&acme, &email, PASSWORD).await.1.expect_status(422);
    sign_in(&acme, &email, OTHER).await.1.expect_status(303);
}

#[tokio::test]
async fn guessing_is_slowed_and_forms_are_bound_to_their_page() {
    let acme = tenant().await;
    let ana = customer(&acme, "Ana", None).await;
    let mut browser = acme.subscriber(&ana).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(sign_in(&acme, &name_of(&ana), "wrong password here").await.1.status);
    }
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429]);
    // A name that nobody has waits as well: the answers tell nothing of who has an account.
    let mut unknown = Vec::new();
    for _ in 0..6 {
        unknown.push(sign_in(&acme, "nobody@my.example", "wrong password here").await.1.status);
    }
    assert_eq!(unknown, statuses);
    assert!(actions(&acme, &ana).await.contains(&"customer.portal_sign_in_refused".to_owned()));
    // The stay goes on meanwhile. Without its token, or from another site, its forms do nothing.
    browser.get("/my/profile").await.expect_status(200);
    let (good, origin) = (browser.csrf.clone(), browser.origin.clone());
    for (csrf, from, status) in [
        ("", origin.as_str(), 403),
        ("wrong", &origin, 403),
        (&good, "https://evil.example", 403),
        (&good, &origin, 303),
    ] {
        let body = format!("_csrf={csrf}&phone_primary=09181234567").into_bytes();
        let api = browser.with_cookies().header("origin", from);
        let kind = Some("application/x-www-form-urlencoded");
        api.send(Method::POST, "/my/profile", kind, body).await.expect_status(status);
    }
    let shown = acme.api().await.get(&format!("/api/v1/customers/{ana}")).await.expect(200);
    assert_eq!(shown["phone_primary"], "+639181234567");
}

#[tokio::test]
async fn a_new_password_and_signing_out_end_what_they_should() {
    let acme = tenant().await;
    let ana = customer(&acme, "Ana", None).await;
    let mut here = acme.subscriber(&ana).await;
    let (mut there, answer) = sign_in(&acme, &name_of(&ana), PASSWORD).await;
    answer.expect_status(303);
    here.get("/my/profile").await.expect_status(200);
    let change = |current, new| [("current_password", current), ("new_password", new)];
    here.post("/my/password", &change("wrong password here", OTHER)).await.expect_status(422);
    here.post("/my/password", &change(PASSWORD, "short")).await.expect_status(422);
    let before = here.cookies.clone();
    here.post("/my/password", &change(PASSWORD, OTHER)).await.expect_status(303);
    here.get("/my").await.expect_status(200);
    assert!(is_sent_away(&there.get("/my").await), "the other browser is still in");
    let mut old = acme.server.browser(&acme.host);
    old.cookies = before;
    assert!(is_sent_away(&old.get("/my").await), "the old cookie still counts");
    let (mut third, answer) = sign_in(&acme, &name_of(&ana), OTHER).await;
    answer.expect_status(303);
    here.get("/my/profile").await;
    here.post("/my/sessions/end-others", &[]).await.expect_status(303);
    assert!(is_sent_away(&third.get("/my").await));
    let kept = here.cookies.clone();
    here.get("/my/profile").await;
    here.post("/my/sign-out", &[]).await.expect_status(303);
    here.cookies = kept;
    assert!(is_sent_away(&here.get("/my").await), "signing out is only a matter of the cookie");
    let done = actions(&acme, &ana).await;
    for action in ["signed_in", "password_changed", "sessions_ended", "signed_out"] {
        assert!(done.contains(&format!("customer.portal_{action}")), "{action} is not in {done:?}");
    }
}

#[tokio::test]
async fn receipts_periods_and_balance_are_ones_own() {
    let shop = Shop::open().await;
    let (ana, installation) = shop.installation().await;
    let ben = shop.customer("Ben").await;
    let plan = shop.plan("1000").await;
    shop.sell(&installation, &plan).await;
    let pay = json!({"amount": "400", "method": "gcash", "reference": "G-77"});
    let payment = shop.api.post(&format!("/api/v1/customers/{ana}/payments"), pay).await.expect(201);
    let receipt = text(&payment, "/receipt_id");
    let (mut as_ana, mut as_ben) = (shop.tenant.subscriber(&ana).await, shop.tenant.subscriber(&ben).await);
    let home = as_ana.get("/my").await.text();
    for shown in ["29 days left", "You owe", "₱600.00", "50 Mbps down", "Active"] {
        assert!(home.contains(shown), "{shown}: {home}");
    }
    let history = as_ana.get("/my/history").await.text();
    for shown in ["₱400.00", "GCash", "G-77", &text(&payment, "/receipt_number"), "₱600.00 still to pay"]
    {
        assert!(history.contains(shown), "{shown}: {history}");
    }
    let paper = as_ana.get(&format!("/my/receipts/{receipt}")).await;
    paper.expect_status(200);
    let own = shop.api.get(&format!("/api/v1/receipts/{receipt}/pdf")).await;
    assert!(paper.body == own.body && paper.header("content-type") == "application/pdf");
    as_ben.get(&format!("/my/receipts/{receipt}")).await.expect_status(404);
    as_ben.get("/my/receipts/nonsense").await.expect_status(404);
    let bens = as_ben.get("/my/history").await.text();
    assert!(!bens.contains("400.00") && !bens.contains("G-77") && bens.contains("No payments yet"));
    // The period lapses.
    shop.pass(&installation, 31 * 1_440).await;
    let home = as_ana.get("/my").await.text();
    assert!(home.contains("Was paid until") && !home.contains("left</p>"), "{home}");
}

#[tokio::test]
async fn tickets_are_ones_own_and_what_staff_say_among_themselves_is_not_shown() {
    let acme = tenant().await;
    let (ana, ben) = (customer(&acme, "Ana", None).await, customer(&acme, "Ben", None).await);
    let (mut as_ana, mut as_ben) = (acme.subscriber(&ana).await, acme.subscriber(&ben).await);
    let api = acme.api().await;
    as_ana.get("/my/tickets/new").await.expect_status(200);
    let wrong =
        as_ana.post("/my/tickets", &[("title", ""), ("category", "nonsense"), ("description", "Kept")]).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains(">Kept<"), "what was typed is lost");
    let fields =
        [("title", "The light is red"), ("category", "no_connection"), ("description", "Since noon")];
    let pdf = ("file", "router.html", b"%PDF-1.7\nx".as_slice());
    let opened = as_ana.upload("/my/tickets", &fields, pdf).await;
    opened.expect_status(303);
    let page = opened.header("location").to_owned();
    let id = page.rsplit('/').next().unwrap().to_owned();
    let ticket = api.get(&format!("/api/v1/tickets/{id}")).await.expect(200);
    assert_eq!((&ticket["source"], &ticket["customer_id"]), (&json!("portal"), &json!(ana)));
    let say = async |text: &str, is_internal: bool| {
        let body = json!({"comment": text, "is_internal": is_internal});
        api.post(&format!("/api/v1/tickets/{id}/comments"), body).await.expect(201);
    };
    say("She never pays on time", true).await;
    say("Please restart the router", false).await;
    let mut staff = acme.browser().await;
    staff.get(&format!("/tickets/{id}")).await;
    let note = [("comment", "See this map"), ("is_internal", "true")];
    staff
        .upload(&format!("/tickets/{id}/comments"), &note, ("file", "map.pdf", b"%PDF-1.7\nmap"))
        .await
        .expect_status(303);
    let shown = as_ana.get(&page).await.text();
    for (part, is_there) in [
        ("Please restart the router", true),
        ("router.pdf", true),
        ("She never pays", false),
        ("See this map", false),
        ("map.pdf", false),
        (acme.owner_email.as_str(), false),
        ("Olive Owner", false),
        (&acme.owner_id, false),
    ] {
        assert_eq!(shown.contains(part), is_there, "{part}: {shown}");
    }
    let files = api.get(&format!("/api/v1/tickets/{id}/attachments")).await.expect(200);
    let file = |name: &str| {
        let found = files["items"].as_array().unwrap().iter().find(|file| file["name"] == name).unwrap();
        format!("{page}/files/{}", text(found, "/id"))
    };
    as_ana.get(&file("router.pdf")).await.expect_status(200);
    as_ana.get(&file("map.pdf")).await.expect_status(404);
    // Ben finds nothing of it, and can say nothing there.
    for path in [&page, &file("router.pdf"), &file("map.pdf")] {
        as_ben.get(path).await.expect_status(404);
    }
    as_ben.get("/my/tickets").await.expect_status(200);
    as_ben.post(&format!("{page}/comments"), &[("comment", "Mine?")]).await.expect_status(404);
    let said = api.get(&format!("/api/v1/tickets/{id}/comments")).await.expect(200).to_string();
    assert!(!said.contains("Mine?"));
    an_answer_opens_it_again(&api, &mut as_ana, &page).await;
    api.post(&format!("/api/v1/tickets/{id}/status"), json!({"status": "cancelled"})).await.expect(200);
    as_ana.get(&page).await;
    as_ana.post(&format!("{page}/comments"), &[("comment", "Hello?")]).await.expect_status(422);
    as_ben.post(&format!("{page}/comments"), &[("comment", "Hello?")]).await.expect_status(404);
}

/// What waits for the customer, or was resolved, goes on with their answer.
async fn an_answer_opens_it_again(api: &Api, as_ana: &mut Browser, page: &str) {
    let id = page.rsplit('/').next().unwrap();
    for status in
        [json!({"status": "waiting"}), json!({"status": "resolved", "resolution_notes": "Wire swapped"})]
    {
        api.post(&format!("/api/v1/tickets/{id}/status"), status).await.expect(200);
        as_ana.get(page).await.expect_status(200);
        as_ana.post(&format!("{page}/comments"), &[("comment", " ")]).await.expect_status(422);
        as_ana.post(&format!("{page}/comments"), &[("comment", "Still red")]).await.expect_status(303);
        let ticket = api.get(&format!("/api/v1/tickets/{id}")).await.expect(200);
        assert_eq!(ticket["status"], "pending");
    }
}

#[tokio::test]
async fn nobody_floods_the_list_of_tickets() {
    let acme = tenant().await;
    let ben = customer(&acme, "Ben", None).await;
    let mut as_ben = acme.subscriber(&ben).await;
    let fields = [("title", "Slow"), ("category", "slow_connection"), ("description", "")];
    let mut statuses = Vec::new();
    for _ in 0..21 {
        as_ben.get("/my/tickets").await;
        statuses.push(as_ben.post("/my/tickets", &fields).await.status);
    }
    assert_eq!((statuses[19], statuses[20]), (303, 422));
}

#[tokio::test]
async fn an_outage_is_told_to_those_whom_it_hits() {
    let acme = tenant().await;
    let field = Field::new(&acme).await;
    let nap = field.nap(1).await;
    let (ana, _) = field.subscriber("Ana", &nap, 1).await;
    let ben = customer(&acme, "Ben", None).await;
    let (mut as_ana, mut as_ben) = (acme.subscriber(&ana).await, acme.subscriber(&ben).await);
    let down = json!({"node_kind": "nap", "node_id": nap, "cause": "fibre_cut"});
    let outage = text(&field.api.post("/api/v1/outages", down).await.expect(201), "/id");
    let home = as_ana.get("/my").await.text();
    assert!(home.contains("There is an outage where you are") && !home.contains("NAP-001"), "{home}");
    assert!(!as_ben.get("/my").await.text().contains("There is an outage"));
    field.api.post(&format!("/api/v1/outages/{outage}/restore"), json!({})).await.expect(200);
    assert!(!as_ana.get("/my").await.text().contains("There is an outage"));
}

#[tokio::test]
async fn merged_deleted_and_ended_accounts_let_nobody_into_what_is_not_theirs() {
    let acme = tenant().await;
    let api = acme.api().await;
    let (ana, ben) = (customer(&acme, "Ana", None).await, customer(&acme, "Ben", None).await);
    let (mut as_ana, mut as_ben) = (acme.subscriber(&ana).await, acme.subscriber(&ben).await);
    // Two accounts become the survivor's one.
    api.post(&format!("/api/v1/customers/{ana}/merge"), json!({"from": ben})).await.expect(200);
    assert!(is_sent_away(&as_ben.get("/my").await));
    sign_in(&acme, &name_of(&ben), PASSWORD).await.1.expect_status(422);
    as_ana.get("/my").await.expect_status(200);
    // The only account of the two goes on as the survivor's, after signing in again.
    let cora = customer(&acme, "Cora", None).await;
    let link = acme.invitation(&cora).await;
    api.post(&format!("/api/v1/customers/{cora}/merge"), json!({"from": ana})).await.expect(200);
    assert!(is_sent_away(&as_ana.get("/my").await));
    let (mut as_cora, answer) = sign_in(&acme, &name_of(&ana), PASSWORD).await;
    answer.expect_status(303);
    assert!(as_cora.get("/my").await.text().contains("Hello Cora"));
    join(&acme, &code_of(&link), "x@x.example", OTHER).await.1.expect_status(410);
    // Deleted: out at once; back: in again by signing in.
    api.delete(&format!("/api/v1/customers/{cora}")).await.expect_status(204);
    assert!(is_sent_away(&as_cora.get("/my").await));
    sign_in(&acme, &name_of(&ana), PASSWORD).await.1.expect_status(422);
    api.post(&format!("/api/v1/customers/{cora}/restore"), json!({})).await.expect(200);
    let (mut as_cora, answer) = sign_in(&acme, &name_of(&ana), PASSWORD).await;
    answer.expect_status(303);
    // Ended by staff, and again: the same.
    for _ in 0..2 {
        api.delete(&format!("/api/v1/customers/{cora}/portal-access")).await.expect_status(204);
    }
    assert!(is_sent_away(&as_cora.get("/my").await));
    let ended = actions(&acme, &cora).await.iter().filter(|one| *one == "customer.portal_ended").count();
    assert_eq!(ended, 1);
    acme.subscriber(&cora).await.get("/my").await.expect_status(200);
}

#[tokio::test]
async fn a_suspended_provider_has_no_portal_and_idle_stays_end() {
    let shop = Shop::open().await;
    let acme = &shop.tenant;
    let ana = customer(acme, "Ana", None).await;
    let mut browser = acme.subscriber(&ana).await;
    for column in ["last_seen_at = now() - interval '8 days'", "expires_at = now()"] {
        let (mut idle, answer) = sign_in(acme, &name_of(&ana), PASSWORD).await;
        answer.expect_status(303);
        idle.get("/my").await.expect_status(200);
        shop.run(&format!("UPDATE subscriber_session SET {column}")).await;
        assert!(is_sent_away(&idle.get("/my").await), "{column}");
        shop.run("UPDATE subscriber_session SET last_seen_at = now(), expires_at = now() + interval '1 day'")
            .await;
    }
    browser.get("/my").await.expect_status(200);
    let server = acme.server;
    expect(&server.database, server.folder.path(), &["tenant", "suspend", &acme.slug], 0);
    let suspended = crate::harness::mailbox::until("the suspension", async || {
        (browser.with_cookies().get("/my").await.status == 403).then_some(())
    });
    suspended.await;
    browser.get("/my/sign-in").await.expect_status(403);
}

#[tokio::test]
async fn staff_invite_and_end_on_the_customers_page() {
    let acme = tenant().await;
    let email = format!("ana@{}.example", acme.slug);
    let ana = customer(&acme, "Ana", Some(&email)).await;
    let mut staff = acme.browser().await;
    let tab = format!("/customers/{ana}/portal");
    assert!(staff.get(&tab).await.text().contains("No access"));
    let invited = staff.post(&format!("{tab}/invite"), &[("send_mail", "true")]).await;
    invited.expect_status(200);
    let page = invited.text();
    assert!(page.contains("/my/join?code=") && page.contains(&email), "{page}");
    let again = staff.get(&tab).await.text();
    assert!(!again.contains("/my/join?code="), "the link is shown twice");
    join(&acme, &letter_to(acme.server, &email, 1).await.code(), &email, PASSWORD).await.1.expect_status(303);
    assert!(staff.get(&tab).await.text().contains("Has access"));
    staff.post(&format!("{tab}/invite"), &[]).await.expect_status(422);
    staff.get(&tab).await;
    staff.post(&format!("{tab}/end"), &[]).await.expect_status(303);
    sign_in(&acme, &email, PASSWORD).await.1.expect_status(422);
    // Somebody without the right sees neither the tab nor the page.
    let person = acme.person(&["customers.view"]).await;
    let mut viewer = acme.browser_as(&person.email, PASSWORD).await;
    assert!(!viewer.get(&format!("/customers/{ana}")).await.text().contains(&tab));
    viewer.get(&tab).await.expect_status(403);
}
