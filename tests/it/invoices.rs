//! What the platform asks providers for: numbers without a gap, money that counts once and only where it is what was asked for, and
//! what follows when nobody pays.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    fake_providers::{
        Fake, SECRET, SIGNING_SECRET,
        calls::Call,
        money::{paymongo_event, paystack_event},
    },
    harness::{
        Api, Browser, Server, Settings, Tenant,
        console::Staff,
        mailbox::{letter_to, letters_to, until},
        sql, tenant_on, text,
    },
};

const TERMS: [(&str, &str); 10] = [
    ("seller", "Lastmile Operations Inc."),
    ("seller_address", "1 Ayala Ave, Makati"),
    ("seller_tax_number", "009-111-222-000"),
    ("prefix", "INV"),
    ("tax_name", "VAT"),
    ("tax_percent", "12"),
    ("note", "Bank transfers: name the number."),
    ("due_days", "14"),
    ("reminder_days", "1, 7"),
    ("suspend_days", "20"),
];

/// Settings with which payments go to the fake processors.
pub fn paying_at(fake: &Fake) -> Settings {
    Settings::default()
        .with("PAYMENTS__PAYMONGO__SECRET_KEY", SECRET)
        .with("PAYMENTS__PAYMONGO__WEBHOOK_SECRET", SIGNING_SECRET)
        .with("PAYMENTS__PAYMONGO__BASE_URL", format!("{}/paymongo", fake.url))
        .with("PAYMENTS__PAYSTACK__SECRET_KEY", SECRET)
        .with("PAYMENTS__PAYSTACK__BASE_URL", format!("{}/paystack", fake.url))
}

/// An invoice as if it had been issued to this tenant.
pub async fn given(client: &tokio_postgres::Client, tenant: &str) {
    let printed = json!({"seller": "S", "seller_lines": [], "label": "X", "issued": "today", "due": "today", "buyer": [], "lines": [],
        "total": "₱1.00", "taxes": [], "notes": []});
    let insert = format!(
        "INSERT INTO public.invoice (id, number, label, tenant_id, printed, currency, total, issued_on, due_on, pay_token, status)
         SELECT id, (random() * 1e15)::bigint + 1, id::text, '{tenant}', '{printed}', 'PHP', 1, current_date, current_date, id::text, 'open'
         FROM (SELECT gen_random_uuid() AS id) new"
    );
    client.batch_execute(&insert).await.unwrap();
}

async fn deployment(name: &str, settings: Settings) -> (&'static Server, Staff) {
    let server = Server::own(name, settings).await;
    let mut boss = server.staff("super_admin").await;
    boss.browser.get("/console/invoices/terms").await.expect_status(200);
    boss.browser.post("/console/invoices/terms", &TERMS).await.expect_status(303);
    (server, boss)
}

/// What is done every minute, now.
fn round(server: &Server) {
    let (said, is_done) = server.platform_command(&["invoices"]);
    assert!(is_done, "{said}");
}

/// A month of this tenant's came to so much: its invoice.
async fn invoice_of(server: &Server, tenant: &Tenant, total: &str) -> Value {
    let api = tenant.api().await;
    let before = invoices(&api).await.len();
    let month = 24 - i32::try_from(before).unwrap();
    let client = sql(&server.database).await;
    let insert = format!(
        "INSERT INTO public.statement (id, tenant_id, month, currency, lines, used, total)
         SELECT gen_random_uuid(), t.id, date_trunc('month', now())::date - interval '{month} months', t.currency,
            '[{{\"text\": \"Starter, 1 Feb to 28 Feb 2026\", \"days\": 28, \"amount\": \"{total}\"}}]', '{{}}', {total}
         FROM public.tenant t WHERE t.id = '{}'",
        tenant.id
    );
    client.batch_execute(&insert).await.unwrap();
    round(server);
    let mut after = invoices(&api).await;
    assert_eq!(after.len(), before + 1);
    after.remove(0)
}

async fn invoices(api: &Api) -> Vec<Value> {
    api.get("/api/v1/settings/invoices").await.expect(200)["items"].as_array().unwrap().clone()
}

/// The path of an invoice's or a payment's page on the base domain.
fn pay_path(of: &Value) -> String {
    text(of, "/pay_url").strip_prefix("https://isp.test").unwrap().to_owned()
}

/// Begins to pay an invoice, as somebody who has its address; what the processor calls the checkout.
async fn begun(server: &Server, fake: &Fake, invoice: &Value) -> String {
    let mut browser = server.browser("isp.test");
    let path = pay_path(invoice);
    browser.get(&path).await.expect_status(200);
    browser.post(&path, &[]).await.expect_status(303);
    let page = browser.get(&path).await.text();
    let last = fake.checkouts("paymongo").pop().unwrap();
    assert!(page.contains(&format!("href=\"{}/checkout/paymongo/{}\"", fake.url, last.id)), "{page}");
    last.id
}

fn hook(server: &Server, processor: &str) -> String {
    format!("http://{}/hooks/payments/{processor}", server.address)
}

/// A processor's call, to the base domain.
async fn told(call: &Call) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(&call.url).header("host", "isp.test").body(call.body.clone());
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn status_of(api: &Api, invoice: &Value) -> String {
    let all = invoices(api).await;
    text(all.iter().find(|one| one["id"] == invoice["id"]).unwrap(), "/status")
}

#[tokio::test]
async fn statements_become_invoices_with_numbers_that_have_no_gap() {
    let (server, _boss) = deployment("invoices_numbers", Settings::default()).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let profile = json!({"legal_name": "Company One Corp.", "street_address": "12 Ilaya St", "tax_number": "123-456-789-000"});
    tenant.api().await.patch("/api/v1/company", profile).await.expect(200);
    let invoice = invoice_of(server, &tenant, "1120.00").await;
    let client = sql(&server.database).await;
    // Three processes at once, and thirty statements.
    let many = format!(
        "INSERT INTO public.statement (id, tenant_id, month, currency, lines, used, total)
         SELECT gen_random_uuid(), t.id, (date '2020-01-01' + n * interval '1 month')::date, 'PHP', '[]', '{{}}', 5
         FROM public.tenant t, generate_series(0, 14) n WHERE t.id IN ('{}', '{}')",
        tenant.id, other.id
    );
    client.batch_execute(&many).await.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| round(server));
        }
    });
    let count = async || {
        let row = client
            .query_one("SELECT count(*) AS n, max(number) AS last FROM public.invoice", &[])
            .await
            .unwrap();
        (row.get::<_, i64>("n"), row.get::<_, Option<i64>>("last"))
    };
    until("all invoices", async || (count().await.0 == 31).then_some(())).await;
    assert_eq!(count().await, (31, Some(31)), "no gap");

    assert_eq!(
        (text(&invoice, "/number"), text(&invoice, "/total")),
        ("INV-000001".into(), "1120.00".into())
    );
    assert_eq!(invoice["status"], "open");
    let letter = letter_to(server, &tenant.owner_email, 1).await;
    assert!(letter.text.contains("INV-000001") && letter.text.contains("₱1,120.00"), "{}", letter.text);
    assert_eq!(letter.link(), text(&invoice, "/pay_url"));
    // The page, for whoever has the address: not signed in, on the base domain.
    let page = server.platform().get(&pay_path(&invoice)).await;
    page.expect_status(200);
    let page = page.text();
    for shown in [
        "INV-000001",
        "Company One Corp.",
        "Lastmile Operations Inc.",
        "It cannot be paid online here",
        "name the number",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let api = tenant.api().await;
    let paper = format!("/api/v1/settings/invoices/{}/paper", text(&invoice, "/id"));
    let (once, again) = (api.get(&paper).await, api.get(&paper).await);
    assert!(once.body.starts_with(b"%PDF-") && once.body == again.body);
    assert_eq!(server.platform().get(&format!("{}/invoice.pdf", pay_path(&invoice))).await.body, once.body);
    other.api().await.get(&paper).await.expect_status(404);
    server.platform().get("/pay/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await.expect_status(404);
}

#[tokio::test]
async fn what_was_issued_stays_as_it_is() {
    let (server, mut boss) = deployment("invoices_kept", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let invoice = invoice_of(server, &tenant, "1120.00").await;
    let (api, client) = (tenant.api().await, sql(&server.database).await);
    // What was issued is not changed, by nobody.
    for change in ["SET total = 1", "SET printed = '{}'", "SET number = 99", "SET due_on = due_on + 1"] {
        let done = client.batch_execute(&format!("UPDATE public.invoice {change} WHERE number = 1")).await;
        assert!(done.is_err(), "{change}");
    }
    assert!(client.batch_execute("DELETE FROM public.invoice WHERE number = 1").await.is_err());
    // Void, and it stays: number and all.
    let path = format!("/console/invoices/{}", text(&invoice, "/id"));
    let shown = boss.browser.get(&path).await;
    shown.expect_status(200);
    boss.browser.post(&format!("{path}/void"), &[("reason", "Billed twice")]).await.expect_status(303);
    assert_eq!(status_of(&api, &invoice).await, "void");
    assert!(
        client
            .batch_execute("UPDATE public.invoice SET status = 'open', settled_at = NULL WHERE number = 1")
            .await
            .is_err()
    );
    boss.browser.get(&path).await;
    boss.browser.post(&format!("{path}/paid"), &[("how", "Cash")]).await.expect_status(303);
    assert!(boss.browser.get(&path).await.text().contains("is not open any more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_counts_once() {
    let fake = Fake::start().await;
    let (server, _boss) = deployment("invoices_paid", paying_at(&fake)).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    let url = hook(server, "paymongo");

    // Told ten times at once, and once more by Paystack's door: paid once.
    let invoice = invoice_of(server, &tenant, "1500.00").await;
    let id = begun(server, &fake, &invoice).await;
    assert_eq!(begun(server, &fake, &invoice).await, id, "the same checkout, not a second one");
    let order = fake.checkouts("paymongo").pop().unwrap();
    assert_eq!((order.amount, order.currency.as_str(), &order.tenant), (150_000, "PHP", &tenant.id));
    assert_eq!((order.email, order.return_url), (tenant.owner_email.clone(), text(&invoice, "/pay_url")));
    fake.pay(&id, None);
    let call = fake.paid_event(&url, &id);
    // Not signed, signed with something else, and changed after it was signed.
    let mut forged = call.clone();
    forged.headers.remove("paymongo-signature");
    assert_eq!(told(&forged).await, 401);
    forged.headers.insert("paymongo-signature".into(), format!("t=1,te={},li=", "0".repeat(64)));
    assert_eq!(told(&forged).await, 401);
    let mut changed = call.clone();
    changed.body.push(b' ');
    assert_eq!(told(&changed).await, 401);
    let mut wrong_door = call.clone();
    wrong_door.url = hook(server, "paystack");
    assert_eq!(told(&wrong_door).await, 401);
    wrong_door.url = hook(server, "nobody");
    assert_eq!(told(&wrong_door).await, 404);
    assert_eq!(status_of(&api, &invoice).await, "open", "nothing of it counted");
    let codes = join_all((0..10).map(|_| told(&call))).await;
    assert_eq!(codes.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([200]));
    assert_eq!(status_of(&api, &invoice).await, "paid");
    assert!(server.platform().get(&pay_path(&invoice)).await.text().contains("There is nothing more to do"));
    let client = sql(&server.database).await;
    let received = "SELECT count(*) AS n FROM public.platform_event WHERE action = 'payment.received'";
    assert_eq!(client.query_one(received, &[]).await.unwrap().get::<_, i64>("n"), 1);
}

/// What somebody does to the words of a processor.
type Change = fn(&mut Value, &str);

#[tokio::test]
async fn money_that_is_not_what_was_asked_for_is_held() {
    let fake = Fake::start().await;
    let (server, mut boss) = deployment("invoices_held", paying_at(&fake)).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let (api, url) = (tenant.api().await, hook(server, "paymongo"));
    // A person of the platform sees it.
    let odd: [(&str, Change); 3] = [
        ("smaller", |session, _| {
            session["attributes"]["payments"][0]["attributes"]["amount"] = json!(149_999)
        }),
        ("currency", |session, _| {
            session["attributes"]["payments"][0]["attributes"]["currency"] = json!("USD")
        }),
        ("tenant", |session, other| session["attributes"]["metadata"]["tenant"] = json!(other)),
    ];
    for (name, change) in odd {
        let invoice = invoice_of(server, &tenant, "1500.00").await;
        let id = begun(server, &fake, &invoice).await;
        let mut session = json!({"id": id, "attributes": {
            "reference_number": fake.checkouts("paymongo").pop().unwrap().reference, "metadata": {"tenant": tenant.id},
            "payments": [{"attributes": {"amount": 150_000, "currency": "PHP", "status": "paid"}}],
        }});
        change(&mut session, &other.id);
        assert_eq!(told(&paymongo_event(&url, &session)).await, 200, "{name}");
        assert_eq!(status_of(&api, &invoice).await, "open", "{name}");
        let page = server.platform().get(&pay_path(&invoice)).await.text();
        assert!(page.contains("We are looking at your payment"), "{name}: {page}");
    }
    let shown = boss.browser.get("/console/invoices").await.text();
    for said in [
        "1499.99 came, 1500.00 was asked for.",
        "It came in USD, not in PHP.",
        "It was made for another provider.",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    // Nobody is suspended for what lies there; once it is settled nothing more that is told of it counts.
    let client = sql(&server.database).await;
    let aged = async |days: i32| {
        let age = format!(
            "SET session_replication_role = replica; UPDATE public.invoice SET issued_on = current_date - 200,
             due_on = current_date - {days} WHERE status = 'open'; SET session_replication_role = origin"
        );
        client.batch_execute(&age).await.unwrap();
    };
    aged(85).await;
    round(server);
    aged(-9).await;
    for left in (0..3).rev() {
        let page = boss.browser.get("/console/invoices").await.text();
        let settle = page.split("action=\"").filter_map(|rest| rest.split('"').next());
        let settle: Vec<&str> = settle.filter(|path| path.ends_with("/settle")).collect();
        assert_eq!(settle.len(), left + 1);
        boss.browser.post(settle[0], &[("how", "Refunded")]).await.expect_status(303);
    }
    let late = fake.checkouts("paymongo").pop().unwrap();
    fake.pay(&late.id, None);
    assert_eq!(told(&fake.paid_event(&url, &late.id)).await, 200);
    assert!(invoices(&api).await.iter().all(|one| one["status"] == "open"), "settled outside, and for good");
    // A reference that nobody knows is nobody's, and no error.
    let stranger = json!({"id": "cs_x", "attributes": {"reference_number": uuid::Uuid::now_v7().to_string(),
        "payments": [{"attributes": {"amount": 1, "currency": "PHP", "status": "paid"}}]}});
    assert_eq!(told(&paymongo_event(&url, &stranger)).await, 200);
}

#[tokio::test]
async fn a_processor_tells_of_its_own_payments_and_what_comes_on_top_is_held() {
    let fake = Fake::start().await;
    let (server, mut boss) = deployment("invoices_on_top", paying_at(&fake)).await;
    let tenant = tenant_on(server).await;
    let (api, url) = (tenant.api().await, hook(server, "paymongo"));
    let invoice = invoice_of(server, &tenant, "70.00").await;
    begun(server, &fake, &invoice).await;
    let reference = fake.checkouts("paymongo").pop().unwrap().reference;
    let foreign = json!({"event": "charge.success", "data": {"reference": reference, "status": "success",
        "amount": 7_000, "currency": "PHP", "metadata": {"tenant": tenant.id}}});
    assert_eq!(told(&paystack_event(&hook(server, "paystack"), &foreign)).await, 200);
    assert_eq!(status_of(&api, &invoice).await, "open");
    // Paid by hand in the meantime: what comes on top is held.
    let path = format!("/console/invoices/{}", text(&invoice, "/id"));
    boss.browser.get(&path).await;
    boss.browser.post(&format!("{path}/paid"), &[("how", "Cash")]).await.expect_status(303);
    let id = fake.checkouts("paymongo").pop().unwrap().id;
    fake.pay(&id, None);
    assert_eq!(told(&fake.paid_event(&url, &id)).await, 200);
    assert!(boss.browser.get(&path).await.text().contains("this came on top"));
}

#[tokio::test]
async fn a_webhook_that_is_lost_is_made_up_for() {
    let fake = Fake::start().await;
    let (server, _boss) = deployment("invoices_lost", paying_at(&fake)).await;
    let tenant = tenant_on(server).await;
    let api = tenant.api().await;
    let client = sql(&server.database).await;
    // Whoever comes back from paying sees it at once.
    let first = invoice_of(server, &tenant, "100.00").await;
    let id = begun(server, &fake, &first).await;
    fake.pay(&id, None);
    client
        .batch_execute("UPDATE public.platform_payment SET asked_at = now() - interval '1 minute'")
        .await
        .unwrap();
    assert!(server.platform().get(&pay_path(&first)).await.text().contains("There is nothing more to do"));
    // Whoever does not is asked after.
    let second = invoice_of(server, &tenant, "200.00").await;
    let id = begun(server, &fake, &second).await;
    fake.pay(&id, None);
    let aged = "UPDATE public.platform_payment SET asked_at = now() - interval '1 hour', begun_at = now() - interval '2 hours'
        WHERE status = 'begun'";
    client.batch_execute(aged).await.unwrap();
    until("it is asked after", async || (status_of(&api, &second).await == "paid").then_some(())).await;
    // Nobody pays: it is over after a day, and one can begin again.
    let third = invoice_of(server, &tenant, "300.00").await;
    begun(server, &fake, &third).await;
    let old = "UPDATE public.platform_payment SET asked_at = NULL, begun_at = now() - interval '25 hours' WHERE status = 'begun'";
    client.batch_execute(old).await.unwrap();
    let page = async || server.platform().get(&pay_path(&third)).await.text();
    until("it is given up", async || page().await.contains("Nobody paid within a day").then_some(())).await;
    let late = fake.checkouts("paymongo").pop().unwrap().id;
    begun(server, &fake, &third).await;
    // And money that comes after all still counts.
    fake.pay(&late, None);
    assert_eq!(told(&fake.paid_event(&hook(server, "paymongo"), &late)).await, 200);
    assert_eq!(status_of(&api, &third).await, "paid");
    // A processor that refuses says so, and nothing is left hanging.
    let fourth = invoice_of(server, &tenant, "400.00").await;
    fake.revoke("paymongo");
    let mut browser = server.browser("isp.test");
    browser.get(&pay_path(&fourth)).await;
    browser.post(&pay_path(&fourth), &[]).await.expect_status(303);
    let page = browser.get(&pay_path(&fourth)).await.text();
    assert!(
        page.contains("PayMongo does not take payments right now") && page.contains("Try again"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_is_there_when_it_is_paid_and_invoiced() {
    let fake = Fake::start().await;
    let (server, _boss) = deployment("invoices_credit", paying_at(&fake)).await;
    let tenant = tenant_on(server).await;
    let client = sql(&server.database).await;
    let ghana = format!(
        "UPDATE public.tenant SET currency = 'GHS' WHERE id = '{0}'; SELECT pg_notify('lastmile_news', 'tenant:{0}')",
        tenant.id
    );
    client.batch_execute(&ghana).await.unwrap();
    let api = tenant.api().await;
    let credit = async || api.get("/api/v1/message-credit").await.expect(200);
    let purchases = async || api.get("/api/v1/message-credit/payments").await.expect(200);
    until("the currency", async || {
        let page = tenant.browser().await.with_cookies().get("/settings/invoices").await.text();
        page.contains("GHS").then_some(())
    })
    .await;
    assert_eq!(purchases().await["can_buy"], true);
    let buy =
        async |amount: Value| api.post("/api/v1/message-credit/payments", json!({"amount": amount})).await;
    for wrong in ["9.99", "1000000.01", "50.001", "-10", "0"] {
        assert_eq!(buy(json!(wrong)).await.wrong_fields(), ["amount"], "{wrong}");
    }
    let payment = buy(json!("250.50")).await.expect(201);
    let order = fake.checkouts("paystack").pop().unwrap();
    assert_eq!((order.amount, order.currency.as_str()), (25_050, "GHS"));
    assert_eq!(credit().await["available"], "0", "nothing before it is paid");
    fake.pay(&order.id, None);
    // By webhook, by whoever comes back and by the asker, all at once.
    client
        .batch_execute(
            "UPDATE public.platform_payment SET asked_at = NULL, begun_at = now() - interval '2 minutes'",
        )
        .await
        .unwrap();
    let call = fake.paid_event(&hook(server, "paystack"), &order.id);
    let path = pay_path(&payment);
    let anybody = server.platform();
    let page = async || anybody.get(&path).await.status;
    let (codes, pages) =
        tokio::join!(join_all((0..8).map(|_| told(&call))), join_all((0..8).map(|_| page())),);
    assert!(codes.iter().chain(&pages).all(|code| *code == 200), "{codes:?} {pages:?}");
    let there = credit().await;
    assert_eq!(there["available"], "250.5000", "{there}");
    assert_eq!(purchases().await["items"][0]["status"], "paid");
    let issued = invoices(&api).await;
    assert_eq!(issued.len(), 1);
    assert_eq!((&issued[0]["status"], &issued[0]["total"]), (&json!("paid"), &json!("250.50")));
    // Through the portal, as a person does.
    let mut browser: Browser = tenant.browser().await;
    browser.get("/settings/invoices").await.expect_status(200);
    browser.post("/settings/invoices/credit", &[("amount", "ten")]).await.expect_status(422);
    let to = browser.post("/settings/invoices/credit", &[("amount", "1,000")]).await;
    to.expect_status(303);
    assert!(to.header("location").starts_with("https://isp.test/pay/"), "{}", to.header("location"));
    assert_eq!(fake.checkouts("paystack").pop().unwrap().amount, 100_000);
    // The trail has it; who may not manage settings may not.
    let trail = api.get("/api/v1/audit-events?action=credit.payment_begun").await.expect(200);
    assert_eq!(trail["items"].as_array().unwrap().len(), 2, "{trail}");
    let colleague = tenant.person(&["customers.view"]).await;
    let colleague = tenant.api_of(&colleague).await;
    colleague.get("/api/v1/settings/invoices").await.refused(403, "forbidden");
    colleague
        .post("/api/v1/message-credit/payments", json!({"amount": "20"}))
        .await
        .refused(403, "forbidden");
}

#[tokio::test]
async fn who_does_not_pay_is_reminded_suspended_and_goes_on_by_paying() {
    let fake = Fake::start().await;
    let (server, mut boss) = deployment("invoices_dunning", paying_at(&fake)).await;
    let (tenant, other) = (tenant_on(server).await, tenant_on(server).await);
    let invoice = invoice_of(server, &tenant, "100.00").await;
    let spared = invoice_of(server, &other, "100.00").await;
    let client = sql(&server.database).await;
    // Days pass: as nobody can who must respect what was issued.
    let days_ago = async |days: i32| {
        let sql = format!(
            "SET session_replication_role = replica;
             UPDATE public.invoice SET issued_on = current_date - {days} - 14, due_on = current_date - {days} WHERE status = 'open';
             SET session_replication_role = origin"
        );
        client.batch_execute(&sql).await.unwrap();
        round(server);
    };
    let letters = |tenant: &Tenant| letters_to(server, &tenant.owner_email).len();
    letter_to(server, &tenant.owner_email, 1).await;
    days_ago(0).await;
    days_ago(2).await;
    let first = letter_to(server, &tenant.owner_email, 2).await;
    assert!(
        first.text.contains("was due 2 days ago") && first.text.contains("suspended in 18 days"),
        "{}",
        first.text
    );
    // Nobody looked for weeks: one letter, not one for each day that was missed.
    days_ago(9).await;
    letter_to(server, &tenant.owner_email, 3).await;
    // The other is let off: paid another way.
    let path = format!("/console/invoices/{}", text(&spared, "/id"));
    boss.browser.get(&path).await;
    boss.browser.post(&format!("{path}/paid"), &[("how", "Transfer 4711")]).await.expect_status(303);
    days_ago(20).await;
    until("the portal is suspended", async || {
        (tenant.anonymous().get("/api/v1/auth/token").await.status == 403).then_some(())
    })
    .await;
    let last = letter_to(server, &tenant.owner_email, 4).await;
    assert!(last.header("Subject").contains("suspended"), "{:?}", last.headers);
    assert_eq!((letters(&tenant), letters(&other)), (4, 3));
    other.api().await.get("/api/v1/settings/invoices").await.expect_status(200);
    // Somebody lets it go on: it is not suspended for the same invoice again.
    let page = format!("/console/tenants/{}", tenant.id);
    boss.browser.get(&page).await;
    boss.browser.post(&format!("{page}/resume"), &[]).await.expect_status(303);
    let api = tenant.api().await;
    days_ago(30).await;
    let row = "SELECT reminded::int4 AS n FROM public.invoice WHERE number = 1";
    assert_eq!(client.query_one(row, &[]).await.unwrap().get::<_, i32>("n"), 2);
    assert_eq!(status_of(&api, &invoice).await, "open");
    // Suspended for a second one: what it was suspended for before must be paid as well.
    let second = invoice_of(server, &tenant, "50.00").await;
    days_ago(21).await;
    until("suspended again", async || {
        (tenant.anonymous().get("/api/v1/auth/token").await.status == 403).then_some(())
    })
    .await;
    // A portal that is suspended does not keep its owner from paying.
    for one in [&second, &invoice] {
        let id = begun(server, &fake, one).await;
        assert_eq!(tenant.anonymous().get("/api/v1/auth/token").await.status, 403);
        fake.pay(&id, None);
        assert_eq!(told(&fake.paid_event(&hook(server, "paymongo"), &id)).await, 200);
    }
    let api = tenant.api().await;
    assert!(invoices(&api).await.iter().all(|one| one["status"] == "paid"));
    // Whom a person suspended for something else does not go on by paying.
    let third = invoice_of(server, &tenant, "60.00").await;
    boss.browser.get(&page).await;
    boss.browser.post(&format!("{page}/suspend"), &[("reason", "Spam")]).await.expect_status(303);
    let id = begun(server, &fake, &third).await;
    fake.pay(&id, None);
    assert_eq!(told(&fake.paid_event(&hook(server, "paymongo"), &id)).await, 200);
    assert_eq!(tenant.anonymous().get("/api/v1/auth/token").await.status, 403);
}

#[tokio::test]
async fn who_only_looks_at_the_console_settles_nothing() {
    let (server, mut boss) = deployment("invoices_roles", Settings::default()).await;
    let tenant = tenant_on(server).await;
    let invoice = invoice_of(server, &tenant, "10.00").await;
    let path = format!("/console/invoices/{}", text(&invoice, "/id"));
    for role in ["read_only", "support_admin"] {
        let mut staff = server.staff(role).await;
        staff.browser.get("/console/invoices").await.expect_status(200);
        staff.browser.get(&path).await.expect_status(200);
        staff.browser.get("/console/invoices/terms").await.expect_status(403);
        staff.browser.post(&format!("{path}/paid"), &[("how", "Cash")]).await.expect_status(403);
        staff.browser.post(&format!("{path}/void"), &[("reason", "x")]).await.expect_status(403);
        staff.browser.post("/console/invoices/terms", &TERMS).await.expect_status(403);
    }
    boss.browser.get("/console/invoices/terms").await;
    let wrong = boss
        .browser
        .post("/console/invoices/terms", &[("prefix", "a b"), ("due_days", "x"), ("tax_percent", "99")])
        .await;
    wrong.expect_status(422);
    boss.browser.get(&path).await;
    boss.browser.post(&format!("{path}/paid"), &[("how", " ")]).await.expect_status(303);
    assert_eq!(status_of(&tenant.api().await, &invoice).await, "open", "how is needed");
    boss.browser.get("/console/invoices?q=inv-000001").await.expect_status(200);
    assert!(boss.browser.get("/console/invoices?state=open&q=Company").await.text().contains("INV-000001"));
    assert!(!boss.browser.get("/console/invoices?state=paid").await.text().contains("INV-000001"));
    boss.browser.get("/console/invoices/not-an-id").await.expect_status(404);
}
