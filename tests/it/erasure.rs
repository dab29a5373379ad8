//! A person with everything attached is erased, and then looked for: in every column of every table, by the test itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Api, PASSWORD, Settings, Tenant, mailbox::until, program, tenant, text},
    imports::import,
    sender::Sender,
    shop::Shop,
};

const PATH: &str = "/api/v1/erasures";
const PHONE: &str = "+639178881234";
const EMAIL: &str = "marisol@quezada.example";
/// What may stand nowhere afterwards.
const TRACES: [&str; 6] = ["marisol", "quezada", "8881234", "888 1234", "sampaguita", "casita amarilla"];

async fn erase(api: &Api, customer: &str) -> String {
    let body = json!({"customer_id": customer, "reason": "Asked by letter"});
    text(&api.post(PATH, body).await.expect(201), "/id")
}

/// Waits until the books, the trail and the search are done.
async fn searched(api: &Api, id: &str) -> Value {
    until("the search after an erasure", async || {
        let erasure = api.get(&format!("{PATH}/{id}")).await.expect(200);
        (erasure["status"] != "removing").then_some(erasure)
    })
    .await
}

/// Every column of every table of the schema that has one of the words: `table.column`.
async fn places(shop: &Shop, words: &[&str]) -> Vec<String> {
    let like: Vec<String> = words.iter().map(|word| format!("'%{word}%'")).collect();
    let columns = shop
        .db
        .query(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2",
            &[&shop.schema],
        )
        .await
        .unwrap();
    assert!(columns.len() > 500, "the schema was not found");
    let mut found = Vec::new();
    for column in &columns {
        let (table, name, kind): (&str, &str, &str) = (column.get(0), column.get(1), column.get(2));
        let value =
            if kind == "bytea" { format!("encode({name}, 'escape')") } else { format!("{name}::text") };
        let sql =
            format!("SELECT count(*) FROM {table} WHERE {value} ILIKE ANY (ARRAY[{}])", like.join(", "));
        if shop.ask(&sql).await != "0" {
            found.push(format!("{table}.{name}"));
        }
    }
    found
}

async fn marisol(api: &Api) -> String {
    let new = json!({
        "first_name": "Marisol", "last_name": "Quezada", "phone_primary": PHONE, "email": EMAIL, "reference": "MQ-1",
        "street_address": "7 Sampaguita Street", "notes": "The casita amarilla", "latitude": 14.5, "longitude": 121.0,
    });
    text(&api.post("/api/v1/customers", new).await.expect(201), "/id")
}

/// What she bought and paid, and what broke.
async fn trade(shop: &Shop, customer: &str) {
    let plan = shop.plan("1500.00").await;
    let installation = shop.another(customer, "inactive").await;
    shop.run(&format!("UPDATE installation SET street_address = '7 Sampaguita Street', notes = 'Ask Marisol' WHERE id = '{installation}'"))
        .await;
    shop.sell(&installation, &plan).await;
    let payment = json!({"amount": "1500.00", "method": "gcash", "reference": "GC-77", "note": "Paid by Marisol Quezada"});
    let paying = shop.api.header("Idempotency-Key", "marisol pays");
    let path = format!("/api/v1/customers/{customer}/payments");
    paying.post(&path, payment).await.expect(201);
    let mut own = shop.tenant.subscriber(customer).await;
    own.get("/my/tickets/new").await.expect_status(200);
    let fields = [("title", "Marisol has no light"), ("category", "no_connection"), ("description", PHONE)];
    let opened = own
        .upload("/my/tickets", &fields, ("file", "x.pdf", b"%PDF-1.7\nof Marisol Quezada".as_slice()))
        .await;
    let ticket = opened.header("location").rsplit('/').next().unwrap().to_owned();
    let said = json!({"comment": "Called Marisol Quezada on 0917 888 1234"});
    shop.api.post(&format!("/api/v1/tickets/{ticket}/comments"), said).await.expect(201);
    own.get(&format!("/my/tickets/{ticket}")).await;
    own.post(&format!("/my/tickets/{ticket}/comments"), &[("comment", "It is the casita amarilla")]).await;
    let visit = json!({"kind": "repair", "customer_id": customer, "starts_at": "2031-01-02T09:00:00Z",
        "ends_at": "2031-01-02T10:00:00Z", "note": "Marisol is at home"});
    shop.api.post("/api/v1/visits", visit).await.expect(201);
}

/// What was said to her and by her.
async fn talk(shop: &Shop, customer: &str) {
    let contact = json!({"name": "Sol Quezada", "note": "Marisol's other card", "attributes": {"pet": "Sampaguita"},
        "addresses": [{"channel": "email", "address": EMAIL}]});
    shop.api.post("/api/v1/contacts", contact).await.expect(201);
    let hello = json!({"channels": ["sms"], "to": {"customers": [customer]}, "content": {"text": "Hello Marisol Quezada"}});
    shop.api.post("/api/v1/messages", hello).await.expect(202);
    let both = json!({"channels": ["sms"], "content": {"text": "We are off tonight"},
        "to": {"addresses": [{"address": PHONE, "name": "Marisol"}, {"address": "+639171112222", "name": "Ben"}]}});
    shop.api.post("/api/v1/messages", both).await.expect(202);
    let later = json!({"channels": ["sms"], "content": {"text": "Soon, Marisol Quezada"}, "scheduled_at": "2026-12-24T09:00:00Z",
        "to": {"addresses": [{"address": PHONE, "name": "Marisol"}]}});
    shop.api.post("/api/v1/messages", later).await;
    let gone = json!({"channel": "email", "address": EMAIL, "status": "withdrawn"});
    shop.api.post("/api/v1/consents", gone).await.expect(200);
    let calls = "INSERT INTO hook_call (id, account_id, url, headers, body, status) VALUES \
        (gen_random_uuid(), gen_random_uuid(), '/hooks/x', '{}', convert_to('{\"from\": \"+639178881234\"}', 'UTF8'), 'done'); \
        INSERT INTO inbound_message (id, account_id, channel, address, name, text, provider_message_id) VALUES \
        (gen_random_uuid(), gen_random_uuid(), 'sms', '+639178881234', 'Marisol', 'Marisol here', 'm-1')";
    shop.run(calls).await;
    until("what was sent to Marisol", async || {
        (shop.ask("SELECT count(*) FROM delivery_queue").await == "0").then_some(())
    })
    .await;
    let table = "First name,Last name,Phone,Email\nMarisol,Quezada,0917 888 1234,marisol@quezada.example\n\
        Marisol,Quezada,0917 888 1234,not an address\n";
    import(&shop.api, "people.csv", table.as_bytes(), json!({})).await;
}

/// Lets what goes on come to its end.
async fn end_all(shop: &Shop, customer: &str) {
    shop.run(&format!(
        "UPDATE subscription SET status = 'expired', starts_at = starts_at - interval '90 days', \
            ends_at = ends_at - interval '90 days' WHERE customer_id = '{customer}'; \
         UPDATE installation SET status = 'terminated', terminated_at = now(), nap_id = NULL, nap_port = NULL \
            WHERE customer_id = '{customer}'; \
         UPDATE ticket SET status = 'resolved', resolved_at = now(), resolution_notes = 'Marisol is glad', waiting_since = NULL \
            WHERE customer_id = '{customer}'; UPDATE visit SET status = 'done' WHERE customer_id = '{customer}'"
    ))
    .await;
}

async fn refused(api: &Api, customer: &str, code: &str) {
    let body = json!({"customer_id": customer, "reason": "Asked by letter"});
    api.post(PATH, body).await.refused(409, code);
}

#[tokio::test]
async fn a_person_with_everything_is_erased_and_found_nowhere() {
    let sender = Sender::open().await;
    let _gateway = sender.fake.clone();
    let shop = Shop { tenant: sender.tenant, api: sender.api, db: sender.db, schema: sender.schema };
    let customer = marisol(&shop.api).await;
    trade(&shop, &customer).await;
    refused(&shop.api, &customer, "subscription_running").await;
    talk(&shop, &customer).await;
    end_all(&shop, &customer).await;
    let naming = json!({"customer_id": customer, "reason": "Ms Marisol Quezada wrote"});
    assert_eq!(shop.api.post(PATH, naming).await.wrong_fields(), ["reason"]);
    let receipt = shop.ask("SELECT id FROM receipt").await;
    let before = places(&shop, &TRACES).await;
    for place in [
        "customer.phone_primary",
        "delivery.address",
        "ticket_comment.comment",
        "receipt.printed",
        "audit_event.after",
        "audit_event.actor_label",
        "contact.name",
        "hook_call.body",
        "file.content",
        "customer_import.sample",
        "customer_import_error.cells",
        "idempotency.answer",
        "suppression.address",
    ] {
        assert!(before.iter().any(|one| one == place), "{place} never had her: {before:?}");
    }

    let id = erase(&shop.api, &customer).await;
    let erasure = searched(&shop.api, &id).await;
    assert_eq!((&erasure["status"], &erasure["found"]), (&json!("clean"), &json!([])), "{erasure}");
    assert_eq!(places(&shop, &TRACES).await, Vec::<String>::new());
    refused(&shop.api, &customer, "already_erased").await;
    stays(&shop, &customer, &receipt, &text(&erasure, "/number")).await;
    proves(&shop, &id, &text(&erasure, "/number")).await;
    is_not_written_to(&shop).await;
}

/// The money adds up, under another name; the trail is whole.
async fn stays(shop: &Shop, customer: &str, receipt: &str, number: &str) {
    shop.adds_up().await;
    let shown = shop.api.get(&format!("/api/v1/customers/{customer}")).await.expect(200);
    assert_eq!(text(&shown, "/last_name"), format!("person {number}"));
    assert_eq!(shop.ask("SELECT sum(amount) FROM payment").await, "1500.00");
    let printed = shop.ask("SELECT printed -> 'customer' FROM receipt").await;
    assert!(printed.contains(&format!("Erased person {number}")), "{printed}");
    let paper = shop.api.get(&format!("/api/v1/receipts/{receipt}/pdf")).await;
    assert!(paper.status == 200 && paper.body.starts_with(b"%PDF"), "{}", paper.status);
    until("a trail that is whole", async || {
        let verified = program(&shop.tenant.server.database, shop.tenant.server.folder.path())
            .args(["tenant", "verify-audit", &shop.tenant.slug])
            .output()
            .unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
        Some(())
    })
    .await;
    // Somebody who changes what stays of an event that she did is found out, although its actor is gone.
    shop.run(
        "UPDATE audit_event SET action = 'ticket.deleted' WHERE id = (SELECT id FROM audit_event \
        WHERE actor_label = 'Erased person' LIMIT 1)",
    )
    .await;
    let forged = program(&shop.tenant.server.database, shop.tenant.server.folder.path())
        .args(["tenant", "verify-audit", &shop.tenant.slug])
        .output()
        .unwrap();
    assert!(!forged.status.success(), "a changed event of an erased person passes");
}

/// That she was erased can be shown to whoever knows who she was; and to nobody else.
async fn proves(shop: &Shop, id: &str, number: &str) {
    let search = async |identity: &str| {
        let found =
            shop.api.post(&format!("{PATH}/search"), json!({ "identity": identity })).await.expect(200);
        found["items"].as_array().unwrap().iter().map(|one| text(one, "/number")).collect::<Vec<_>>()
    };
    for identity in ["0917 888 1234", "Marisol  QUEZADA", "Marisol@Quezada.example", "Sol Quezada"] {
        assert_eq!(search(identity).await, [number], "{identity}");
    }
    assert!(search("Marisol").await.is_empty());
    let paper = shop.api.get(&format!("{PATH}/{id}/certificate")).await;
    assert!(paper.status == 200 && paper.body.starts_with(b"%PDF"), "{}", paper.status);
    let mut browser = shop.tenant.browser().await;
    for page in ["/erasures".to_owned(), format!("/erasures/{id}")] {
        let page = browser.get(&page).await;
        assert!(page.status == 200 && page.text().contains(number), "{}", page.text());
    }
    let found = browser.post("/erasures/search", &[("identity", PHONE)]).await;
    assert!(found.text().contains(number));
    browser.get(&format!("/erasures/{id}/certificate")).await.expect_status(200);
}

async fn is_not_written_to(shop: &Shop) {
    let again = json!({"channels": ["sms"], "to": {"addresses": [{"address": PHONE}]}, "content": {"text": "Come back"}});
    let sent = text(&shop.api.post("/api/v1/messages", again).await.expect(202), "/id");
    until("a message that is not sent", async || {
        let shown = shop.api.get(&format!("/api/v1/messages/{sent}")).await.expect(200);
        (shown["counts"]["suppressed"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_keeps_a_person_here_is_named() {
    let shop = Shop::open().await;
    let (customer, installation) = shop.installation().await;
    refused(&shop.api, &customer, "has_installation").await;
    shop.run("UPDATE installation SET status = 'terminated', terminated_at = now()").await;
    let ticket = json!({"customer_id": customer, "title": "No light", "category": "no_connection"});
    let ticket = text(&shop.api.post("/api/v1/tickets", ticket).await.expect(201), "/id");
    refused(&shop.api, &customer, "ticket_open").await;
    shop.run(&format!("UPDATE ticket SET status = 'cancelled' WHERE id = '{ticket}'")).await;
    shop.run(&format!(
        "INSERT INTO customer_account (customer_id, balance) VALUES ('{customer}', -5) \
        ON CONFLICT (customer_id) DO UPDATE SET balance = -5"
    ))
    .await;
    refused(&shop.api, &customer, "balance_open").await;
    shop.run("UPDATE customer_account SET balance = 0").await;
    let mut browser = shop.tenant.browser().await;
    let asked = browser.get(&format!("/erasures/new?customer={customer}")).await;
    assert!(asked.status == 200 && asked.text().contains("Erase Ana Cruz"));
    let fields = [("customer_id", customer.as_str()), ("contact_id", ""), ("reason", "")];
    browser.post("/erasures", &fields).await.expect_status(422);
    let fields = [("customer_id", customer.as_str()), ("contact_id", ""), ("reason", "By letter")];
    let done = browser.post("/erasures", &fields).await;
    done.expect_status(303);
    browser.get(done.header("location")).await.expect_status(200);
    browser.get(&format!("/erasures/new?customer={customer}")).await.expect_status(409);
    assert_eq!(
        shop.ask("SELECT first_name || ' ' || (status = 'terminated') FROM customer").await,
        "Erased true"
    );
    let _ended = installation;
}

#[tokio::test]
async fn only_who_may_erases_and_only_here() {
    let (shop, other) = (Shop::open().await, tenant().await);
    let customer = shop.customer("Ana").await;
    let body = json!({"customer_id": customer, "reason": "By letter"});
    let person = shop.tenant.person(&["customers.view", "customers.delete", "erasures.view"]).await;
    let weak = shop.tenant.api_of(&person).await;
    weak.post(PATH, body.clone()).await.refused(403, "forbidden");
    assert_eq!(other.api().await.post(PATH, body.clone()).await.wrong_fields(), ["customer_id"]);
    assert_eq!(shop.api.post(PATH, json!({"reason": "x"})).await.wrong_fields(), ["customer_id"]);
    shop.tenant.anonymous().post(PATH, body).await.expect_status(401);
    let id = erase(&shop.api, &customer).await;
    other.api().await.get(&format!("{PATH}/{id}")).await.refused(404, "not_found");
    weak.get(&format!("{PATH}/{id}")).await.expect(200);
    // A sign-in of an hour ago is not enough.
    let late = shop.customer("Ben").await;
    let mut browser = shop.tenant.browser().await;
    shop.run("UPDATE portal_session SET created_at = created_at - interval '1 hour', proved_at = NULL").await;
    browser.get(&format!("/erasures/new?customer={late}")).await;
    let fields = [("customer_id", late.as_str()), ("contact_id", ""), ("reason", "By letter")];
    let sent_away = browser.post("/erasures", &fields).await;
    assert!(sent_away.status == 303 && sent_away.header("location").starts_with("/account/prove"));
    // A proof leads back to the very form that it was for, with whom it is about.
    let form = format!("/erasures/new?customer={late}");
    let body = format!("_csrf={}&customer_id={late}&contact_id=&reason=By+letter", browser.csrf);
    let sent_away = browser
        .with_cookies()
        .header("origin", &browser.origin)
        .header("referer", &format!("{}{form}", browser.origin))
        .send(Method::POST, "/erasures", Some("application/x-www-form-urlencoded"), body.into_bytes())
        .await;
    let back = format!("/account/prove?next=%2Ferasures%2Fnew%3Fcustomer%3D{late}");
    assert_eq!((sent_away.status, sent_away.header("location")), (303, back.as_str()));
    let done = browser.post("/account/prove", &[("current_password", PASSWORD), ("next", &form)]).await;
    assert_eq!((done.status, done.header("location")), (303, form.as_str()));
    browser.get(&form).await.expect_status(200);
}

/// A household's number and a common name are not this person's alone.
#[tokio::test]
async fn what_others_share_stays_theirs() {
    let shop = Shop::open().await;
    let (ana, ben) = (
        json!({"first_name": "Ana", "last_name": "Cruz", "phone_primary": PHONE}),
        json!({"first_name": "Ben", "last_name": "Cruz", "phone_primary": PHONE}),
    );
    let ana = text(&shop.api.post("/api/v1/customers", ana).await.expect(201), "/id");
    let ben = text(&shop.api.post("/api/v1/customers", ben).await.expect(201), "/id");
    let erasure = searched(&shop.api, &erase(&shop.api, &ana).await).await;
    assert_eq!(erasure["status"], "clean", "{erasure}");
    let shown = shop.api.get(&format!("/api/v1/customers/{ben}")).await.expect(200);
    assert_eq!(shown["phone_primary"], PHONE);
    assert_eq!(shop.ask("SELECT count(*) FROM suppression").await, "0", "Ben is written to");
    let kept = shop
        .ask(&format!("SELECT count(*) FROM audit_event WHERE object_id = '{ben}' AND erased_at IS NOT NULL"))
        .await;
    assert_eq!(kept, "0");
}

#[tokio::test]
async fn a_contact_is_erased_as_what_they_are() {
    let shop = Shop::open().await;
    let contact = async |name: &str, address: &str| {
        let new = json!({"name": name, "addresses": [{"channel": "email", "address": address}]});
        text(&shop.api.post("/api/v1/contacts", new).await.expect(201), "/id")
    };
    let customer = marisol(&shop.api).await;
    let (hers, other) = (contact("Sol", EMAIL).await, contact("Teo Reyes", "teo@reyes.example").await);
    let body = |id: &str| json!({"contact_id": id, "reason": "By letter"});
    shop.api.post(PATH, body(&hers)).await.refused(409, "is_customer");
    let id = text(&shop.api.post(PATH, body(&other)).await.expect(201), "/id");
    assert_eq!(searched(&shop.api, &id).await["status"], "clean");
    assert_eq!(places(&shop, &["teo reyes", "teo@reyes"]).await, Vec::<String>::new());
    shop.api.get(&format!("/api/v1/contacts/{other}")).await.expect_status(404);
    shop.api.post(PATH, body(&other)).await.refused(409, "already_erased");
    // What staff wrote elsewhere is found, and told.
    shop.run("INSERT INTO canned_reply (id, title, text) VALUES (gen_random_uuid(), 'Hi', 'Hello Marisol Quezada')").await;
    let left = searched(&shop.api, &erase(&shop.api, &customer).await).await;
    assert_eq!(left["status"], "found");
    assert_eq!(left["found"], json!([{"table": "canned_reply", "column": "text", "rows": 1}]));
}

/// A worker that dies leaves the rest to the next one.
#[tokio::test]
async fn an_erasure_whose_worker_died_is_ended_by_the_next() {
    let server = crate::harness::Server::own("erasure_worker", Settings::default()).await;
    let tenant: Tenant = crate::harness::tenant_on(server).await;
    let api = tenant.api().await;
    let customer = marisol(&api).await;
    let id = erase(&api, &customer).await;
    server.kill();
    let next = server.sibling(Settings::default());
    let signed_in = next.at(&tenant.host);
    let token = signed_in
        .post("/api/v1/auth/token", json!({"email": tenant.owner_email, "password": PASSWORD}))
        .await
        .expect(200);
    let api = signed_in.bearer(&text(&token, "/access_token"));
    assert_eq!(searched(&api, &id).await["status"], "clean");
}
