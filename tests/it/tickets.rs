//! Tickets over the API and in the portal.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use image::{DynamicImage, ImageFormat};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Api, PASSWORD, Tenant, between, mailbox::until, sql, tenant, text},
    outages::Field,
};

const TICKETS: &str = "/api/v1/tickets";

async fn customer(api: &Api, first: &str, last: &str) -> String {
    let body = json!({"first_name": first, "last_name": last});
    text(&api.post("/api/v1/customers", body).await.expect(201), "/id")
}

async fn open(api: &Api, customer: &str, more: Value) -> Value {
    let mut body = json!({"customer_id": customer, "title": "No internet since this morning"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post(TICKETS, body).await.expect(201)
}

async fn step(api: &Api, id: &str, body: Value) -> Value {
    api.post(&format!("{TICKETS}/{id}/status"), body).await.expect(200)
}

async fn said(api: &Api, id: &str) -> Vec<String> {
    let comments = api.get(&format!("{TICKETS}/{id}/comments")).await.expect(200);
    comments["items"].as_array().unwrap().iter().map(|comment| text(comment, "/comment")).collect()
}

#[tokio::test]
async fn fifty_tickets_at_once_get_consecutive_numbers() {
    let api = tenant().await.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let opened = join_all((0..50).map(|_| open(&api, &customer, json!({})))).await;
    let numbers: BTreeSet<String> = opened.iter().map(|ticket| text(ticket, "/number")).collect();
    let year = &numbers.first().unwrap()[4..8];
    let expected: BTreeSet<String> = (1..=50).map(|n| format!("TKT-{year}-{n:04}")).collect();
    assert_eq!(numbers, expected);
    // What was refused took no number.
    api.post(TICKETS, json!({"customer_id": uuid::Uuid::now_v7(), "title": "x"})).await.expect(422);
    assert_eq!(open(&api, &customer, json!({})).await["number"], format!("TKT-{year}-0051"));
}

#[tokio::test]
async fn numbers_go_on_beyond_four_digits_and_each_tenant_has_its_own() {
    let (ours, theirs) = (tenant().await, tenant().await);
    let api = ours.api().await;
    let one = customer(&api, "Ana", "Cruz").await;
    let first = text(&open(&api, &one, json!({})).await, "/number");
    let (series, _) = first.rsplit_once('-').unwrap();
    let client = sql(&ours.server.database).await;
    let set = format!("UPDATE {}.number_series SET last = 9998 WHERE series = $1", ours.schema().await);
    assert_eq!(client.execute(&set, &[&series]).await.unwrap(), 1);
    for expected in ["9999", "10000", "10001"] {
        assert_eq!(open(&api, &one, json!({})).await["number"], format!("{series}-{expected}"));
    }
    let api = theirs.api().await;
    let two = customer(&api, "Ben", "Reyes").await;
    assert_eq!(open(&api, &two, json!({})).await["number"], first);
}

#[tokio::test]
async fn a_ticket_goes_its_way_and_its_steps_are_held_to_the_table() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let ticket = open(&api, &customer, json!({"priority": "urgent"})).await;
    let id = text(&ticket, "/id");
    assert_eq!(
        (&ticket["status"], &ticket["source"], &ticket["category"]),
        (&json!("pending"), &json!("phone"), &json!("other"))
    );
    let path = format!("{TICKETS}/{id}/status");
    // Working on it takes somebody; resolving it takes notes.
    assert_eq!(api.post(&path, json!({"status": "in_progress"})).await.wrong_fields(), ["assigned_to"]);
    assert_eq!(api.post(&path, json!({"status": "resolved"})).await.wrong_fields(), ["resolution_notes"]);
    assert_eq!(
        api.post(&path, json!({"status": "resolved", "resolution_notes": "  "})).await.wrong_fields(),
        ["resolution_notes"]
    );
    let assigned = api
        .post(&format!("{TICKETS}/{id}/assign"), json!({"assigned_to": tenant.owner_id}))
        .await
        .expect(200);
    assert_eq!(
        (&assigned["status"], &assigned["assigned_to_name"]),
        (&json!("assigned"), &json!("Olive Owner"))
    );
    step(&api, &id, json!({"status": "in_progress"})).await;
    let waiting = step(&api, &id, json!({"status": "waiting"})).await;
    assert!(waiting["waiting_since"].is_string());
    let done = step(&api, &id, json!({"status": "resolved", "resolution_notes": "New cable"})).await;
    assert!(done["resolved_at"].is_string() && done["waiting_since"].is_null());
    api.post(&path, json!({"status": "waiting"})).await.refused(409, "not_a_step");
    let again = step(&api, &id, json!({"status": "in_progress"})).await;
    assert_eq!((&again["resolved_at"], &again["resolution_notes"]), (&Value::Null, &Value::Null));
    assert_eq!(step(&api, &id, json!({"status": "pending"})).await["assigned_to"], Value::Null);
    step(&api, &id, json!({"status": "cancelled"})).await;
    for status in ["pending", "assigned", "resolved"] {
        let body = json!({"status": status, "resolution_notes": "x", "assigned_to": tenant.owner_id});
        api.post(&path, body).await.refused(409, "not_a_step");
    }
    let told = said(&api, &id).await;
    assert_eq!(told[0], "Assigned to Olive Owner");
    assert!(told.contains(&"Status changed from pending to assigned".to_owned()), "{told:?}");
    assert!(told.contains(&"Status changed from resolved to in progress".to_owned()), "{told:?}");
    api.get(&format!("{TICKETS}?status=new")).await.expect(422);
}

#[tokio::test]
async fn the_promise_follows_the_priority_and_stands_still_while_the_customer_is_to_answer() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let ticket = open(&api, &customer, json!({"priority": "urgent"})).await;
    let id = text(&ticket, "/id");
    let hours = |ticket: &Value| {
        let at = |name: &str| chrono::DateTime::parse_from_rfc3339(ticket[name].as_str().unwrap()).unwrap();
        (at("sla_due_at") - at("created_at")).num_minutes()
    };
    assert_eq!(hours(&ticket), 4 * 60);
    for (priority, promised) in [("high", 8), ("medium", 24), ("low", 48), ("urgent", 4)] {
        let changed = api.patch(&format!("{TICKETS}/{id}"), json!({"priority": priority})).await.expect(200);
        assert_eq!(hours(&changed), promised * 60, "{priority}");
    }
    // Five hours ago it was opened, and three of them the customer was to answer.
    let client = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let back = |column: &str, hours: i32| {
        format!("UPDATE {schema}.ticket SET {column} = {column} - interval '{hours} hours'")
    };
    client.batch_execute(&format!("{}; {}", back("created_at", 5), back("sla_due_at", 5))).await.unwrap();
    assert_eq!(api.get(&format!("{TICKETS}/{id}")).await.expect(200)["is_overdue"], true);
    let late = api.get(&format!("{TICKETS}?overdue=true&total=true")).await.expect(200);
    assert_eq!((&late["total"], &late["items"][0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(api.get(&format!("{TICKETS}/counts")).await.expect(200)["overdue"], 1);
    step(&api, &id, json!({"status": "waiting"})).await;
    client
        .batch_execute(&format!(
            "UPDATE {schema}.ticket SET waiting_since = waiting_since - interval '3 hours'"
        ))
        .await
        .unwrap();
    assert_eq!(api.get(&format!("{TICKETS}?overdue=true&total=true")).await.expect(200)["total"], 0);
    let on = step(&api, &id, json!({"status": "pending"})).await;
    assert_eq!((hours(&on), &on["is_overdue"]), (7 * 60, &json!(false)));
    assert!((3 * 3_600..3 * 3_600 + 60).contains(&on["waited_seconds"].as_i64().unwrap()), "{on}");
}

#[tokio::test]
async fn only_what_belongs_here_can_be_named() {
    let (tenant, other) = (tenant().await, tenant().await);
    let (api, foreign) = (tenant.api().await, other.api().await);
    let ana = customer(&api, "Ana", "Cruz").await;
    let theirs = customer(&foreign, "Not", "Ours").await;
    let wrong = api.post(TICKETS, json!({"customer_id": theirs, "title": "x"})).await;
    assert_eq!(wrong.wrong_fields(), ["customer_id"]);
    let wrong =
        api.post(TICKETS, json!({"customer_id": ana, "title": "x", "assigned_to": other.owner_id})).await;
    assert_eq!(wrong.wrong_fields(), ["assigned_to"]);
    // Ana's ticket is not about Ben's installation.
    let field = Field::new(&tenant).await;
    let nap = field.nap(1).await;
    let (_, place) = field.subscriber("Ben", &nap, 1).await;
    let wrong = api.post(TICKETS, json!({"customer_id": ana, "title": "x", "installation_id": place})).await;
    assert_eq!(wrong.wrong_fields(), ["installation_id"]);
    let body = json!({"customer_id": ana, "title": "x", "node_kind": "nap", "node_id": uuid::Uuid::now_v7()});
    assert_eq!(api.post(TICKETS, body).await.wrong_fields(), ["node_id"]);
    let id = text(&open(&api, &ana, json!({})).await, "/id");
    let path = format!("{TICKETS}/{id}");
    for body in [json!({"assigned_to": other.owner_id}), json!({"assigned_to": uuid::Uuid::now_v7()})] {
        assert_eq!(api.post(&format!("{path}/assign"), body).await.wrong_fields(), ["assigned_to"]);
    }
    // Somebody who was switched off gets no work.
    let gone = tenant.person(&["tickets.view"]).await;
    api.patch(&format!("/api/v1/staff/{}", gone.id), json!({"is_active": false})).await.expect(200);
    let wrong = api.post(&format!("{path}/assign"), json!({"assigned_to": gone.id})).await;
    assert_eq!(wrong.wrong_fields(), ["assigned_to"]);
    foreign.get(&path).await.refused(404, "not_found");
    foreign.post(&format!("{path}/comments"), json!({"comment": "x"})).await.refused(404, "not_found");
    api.get(&format!("{TICKETS}?customer_id={theirs}")).await.refused(404, "not_found");
}

#[tokio::test]
async fn two_hands_at_once_lose_nothing_of_each_other() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let id = text(&open(&api, &customer, json!({})).await, "/id");
    // Somebody assigns it, and has not committed when somebody else lets it wait.
    let hand = sql(&tenant.server.database).await;
    let assigns = format!(
        "SET search_path = {}, ext; BEGIN; UPDATE ticket SET assigned_to = '{}' WHERE id = '{id}'",
        tenant.schema().await,
        tenant.owner_id
    );
    hand.batch_execute(&assigns).await.unwrap();
    let (other, path) = (api.clone(), format!("{TICKETS}/{id}/status"));
    let asked =
        tokio::spawn(async move { other.post(&path, json!({"status": "waiting"})).await.expect(200) });
    let waits = sql(&tenant.server.database).await;
    let blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM ticket%'";
    until("the other to wait", async || {
        let row = waits.query_one(blocked, &[]).await.unwrap();
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    hand.batch_execute("COMMIT").await.unwrap();
    let is = asked.await.unwrap();
    assert_eq!((&is["status"], &is["assigned_to"]), (&json!("waiting"), &json!(tenant.owner_id)));
}

#[tokio::test]
async fn who_only_works_on_tickets_works_on_their_own() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let id = text(&open(&api, &customer, json!({})).await, "/id");
    let technician = tenant.person(&["tickets.view", "tickets.work"]).await;
    let theirs = tenant.api_of(&technician).await;
    let status = format!("{TICKETS}/{id}/status");
    theirs.get(&format!("{TICKETS}/{id}")).await.expect(200);
    theirs.post(&status, json!({"status": "waiting"})).await.refused(403, "not_assigned_to_you");
    theirs
        .post(&format!("{TICKETS}/{id}/comments"), json!({"comment": "x"}))
        .await
        .refused(403, "not_assigned_to_you");
    theirs.post(&format!("{TICKETS}/{id}/assign"), json!({"assigned_to": technician.id})).await.expect(403);
    api.post(&format!("{TICKETS}/{id}/assign"), json!({"assigned_to": technician.id})).await.expect(200);
    theirs.post(&status, json!({"status": "in_progress", "assigned_to": tenant.owner_id})).await.expect(403);
    theirs.post(&status, json!({"status": "in_progress"})).await.expect(200);
    theirs.post(&format!("{TICKETS}/{id}/comments"), json!({"comment": "On my way"})).await.expect(201);
    theirs.patch(&format!("{TICKETS}/{id}"), json!({"title": "Mine"})).await.expect(403);
    // The page offers only what may be done.
    let mut browser = tenant.browser_as(&technician.email, PASSWORD).await;
    let page = browser.get(&format!("/tickets/{id}")).await.text();
    assert!(page.contains("Next step") && !page.contains("/edit\""), "{page}");
}

#[tokio::test]
async fn lists_search_filter_page_and_leave_the_house() {
    let tenant = tenant().await;
    let api = tenant.api().await;
    let (ana, ben) = (customer(&api, "Ana", "Cruz").await, customer(&api, "Ben", "Reyes").await);
    for mark in 'b'..='h' {
        open(&api, &ana, json!({"title": format!("Slow in the evening {mark}"), "category": "slow_connection", "priority": "low"})).await;
    }
    let of_ben =
        open(&api, &ben, json!({"title": "Bill is wrong", "category": "billing", "priority": "high"})).await;
    for sort in ["created", "-created", "due", "-due"] {
        let (mut path, mut seen) = (format!("{TICKETS}?limit=3&sort={sort}"), Vec::new());
        loop {
            let page = api.get(&path).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/number")));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{TICKETS}?limit=3&sort={sort}&cursor={cursor}");
        }
        let different: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), different.len()), (8, 8), "{sort}");
    }
    let total = async |query: &str| {
        api.get(&format!("{TICKETS}?total=true&{query}")).await.expect(200)["total"].clone()
    };
    let number = text(&of_ben, "/number");
    for (query, n) in [
        ("q=slow", 7),
        ("q=slow%20evening%20c", 1),
        ("q=reyes", 1),
        ("q=ana%20cruz", 7),
        ("q=%25", 0),
        (&format!("q={number}"), 1),
        ("status=open", 8),
        ("status=resolved,cancelled", 0),
        ("priority=high", 1),
        ("category=billing", 1),
        ("assigned_to=none", 8),
        (&format!("assigned_to={}", tenant.owner_id), 0),
        (&format!("customer_id={ben}"), 1),
        ("overdue=false", 8),
    ] {
        assert_eq!(total(query).await, n, "{query}");
    }
    api.get(&format!("{TICKETS}?cursor=made-up")).await.refused(400, "bad_cursor");
    api.get(&format!("{TICKETS}?assigned_to=me")).await.expect(422);
    let file = api.get(&format!("{TICKETS}/export?format=csv&q=reyes")).await;
    assert!(file.expect_status(200).text().contains("Bill is wrong") && !file.text().contains("Slow"));
    let book = api.get(&format!("{TICKETS}/export?format=xlsx")).await;
    assert!(book.expect_status(200).body.starts_with(b"PK"));
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::new_rgb8(3_000, 40).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn upload(api: &Api, id: &str, name: &str, content: &[u8]) -> crate::harness::Answer {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let path = format!("{TICKETS}/{id}/attachments");
    api.send(Method::POST, &path, Some("multipart/form-data; boundary=b"), body).await
}

#[tokio::test]
async fn files_are_pictures_drawn_anew_or_pdfs_that_are_only_saved() {
    let api = tenant().await.api().await;
    let customer = customer(&api, "Ana", "Cruz").await;
    let id = text(&open(&api, &customer, json!({})).await, "/id");
    let picture = upload(&api, &id, "modem.exe", &png()).await.expect(201);
    assert_eq!((&picture["name"], &picture["media_type"]), (&json!("modem.png"), &json!("image/png")));
    let file = api.get(&format!("{TICKETS}/{id}/attachments/{}", text(&picture, "/id"))).await;
    let drawn = image::load_from_memory(&file.body).unwrap();
    assert_eq!((drawn.width(), file.header("content-type")), (2_048, "image/png"));
    let pdf = upload(&api, &id, "bill.html", b"%PDF-1.7\n<script>").await.expect(201);
    let file = api.get(&format!("{TICKETS}/{id}/attachments/{}", text(&pdf, "/id"))).await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"bill.pdf\"");
    assert_eq!(
        (file.header("content-type"), file.header("x-content-type-options")),
        ("application/pdf", "nosniff")
    );
    for bad in [&b"<svg onload=alert(1)>"[..], b"MZ", b""] {
        assert_eq!(upload(&api, &id, "x.png", bad).await.wrong_fields(), ["file"]);
    }
    upload(&api, &id, "big.pdf", &vec![b'%'; 11 * 1_048_576]).await.expect_status(413);
    let gone = format!("{TICKETS}/{id}/attachments/{}", text(&pdf, "/id"));
    api.delete(&gone).await.expect_status(204);
    api.get(&gone).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_double_goes_into_the_other_with_all_that_was_said() {
    let api = tenant().await.api().await;
    let (ana, ben) = (customer(&api, "Ana", "Cruz").await, customer(&api, "Ben", "Reyes").await);
    let (into, from) = (open(&api, &ana, json!({})).await, open(&api, &ana, json!({"title": "Again"})).await);
    let (into, from) = (text(&into, "/id"), text(&from, "/id"));
    let of_ben = text(&open(&api, &ben, json!({})).await, "/id");
    api.post(&format!("{TICKETS}/{from}/comments"), json!({"comment": "It blinks red"})).await.expect(201);
    upload(&api, &from, "light.png", &png()).await.expect(201);
    let path = format!("{TICKETS}/{into}/merge");
    for wrong in [into.as_str(), of_ben.as_str(), &uuid::Uuid::now_v7().to_string()] {
        assert_eq!(api.post(&path, json!({"from": wrong})).await.wrong_fields(), ["from"]);
    }
    api.post(&path, json!({"from": from})).await.expect(200);
    assert!(said(&api, &into).await.contains(&"It blinks red".to_owned()));
    let files = api.get(&format!("{TICKETS}/{into}/attachments")).await.expect(200);
    assert_eq!(files["items"].as_array().unwrap().len(), 1);
    let gone = api.get(&format!("{TICKETS}/{from}")).await.expect(200);
    assert_eq!((&gone["status"], &gone["merged_into"]), (&json!("cancelled"), &json!(into)));
    api.post(&path, json!({"from": from})).await.refused(409, "merged");
    api.post(&format!("{TICKETS}/{from}/status"), json!({"status": "pending"})).await.refused(409, "merged");
    let trail = api.get("/api/v1/audit-events?limit=200").await.expect(200).to_string();
    assert!(trail.contains("ticket.merged_away") && trail.contains("\"ticket.merged\""));
}

#[tokio::test]
async fn canned_replies_are_kept_apart_by_their_titles() {
    let api = tenant().await.api().await;
    let path = "/api/v1/canned-replies";
    let id = text(
        &api.post(path, json!({"title": "Restart", "text": "Please restart it."})).await.expect(201),
        "/id",
    );
    api.post(path, json!({"title": "RESTART", "text": "x"})).await.refused(409, "title_taken");
    assert_eq!(api.post(path, json!({"title": " ", "text": " "})).await.wrong_fields(), ["text", "title"]);
    let changed = api.patch(&format!("{path}/{id}"), json!({"text": "Off and on."})).await.expect(200);
    assert_eq!((&changed["title"], &changed["text"]), (&json!("Restart"), &json!("Off and on.")));
    api.delete(&format!("{path}/{id}")).await.expect_status(204);
    assert_eq!(api.get(path).await.expect(200)["items"], json!([]));
}

/// What the next page says of the action before it.
async fn flash(browser: &mut crate::harness::Browser, path: &str) -> String {
    between(&browser.get(path).await.text(), "<span data-text>", "</span>").unwrap_or_default()
}

#[tokio::test]
async fn the_board_keeps_its_filter() {
    let (tenant, ana, mut browser) = portal().await;
    let ticket = open(&tenant.api().await, &ana, json!({"title": "No light", "priority": "medium"})).await;
    let board = browser.get("/tickets/board?q=light&priority=medium").await.text();
    let kept = between(&board, "name=\"filter\" value=\"", "\"").unwrap();
    let kept = kept.replace("&amp;", "&").replace("&#x3D;", "=");
    let path = format!("/tickets/{}/status", text(&ticket, "/id"));
    let mut step = [("status", "waiting"), ("from", "board"), ("filter", kept.as_str())];
    let back = browser.post(&path, &step).await;
    assert_eq!(back.expect_status(303).header("location"), "/tickets/board?q=light&priority=medium");
    // It is read as a filter of the board, and as nothing else.
    for (status, wrong) in [("pending", "https://elsewhere.example/"), ("waiting", "//elsewhere.example")] {
        step[0].1 = status;
        step[2].1 = wrong;
        let back = browser.post(&path, &step).await;
        assert_eq!(back.expect_status(303).header("location"), "/tickets/board");
    }
}

#[tokio::test]
async fn what_else_is_on_the_page_goes_with_the_filter_of_the_list() {
    let (tenant, _, browser) = portal().await;
    let list = browser.with_cookies().header("hx-request", "true").header("hx-target", "tickets");
    let swapped = list.get("/tickets?q=light&status=open").await.expect_status(200).text();
    for href in ["/tickets/board?q=light", "/tickets/export?q=light", "/tickets/counts?q=light"] {
        assert!(swapped.contains(href), "{href}: {swapped}");
    }
    assert_eq!(swapped.matches("hx-swap-oob").count(), 2, "{swapped}");
    // A tab of the same list leaves the counts as they are.
    let seen = list.header("hx-current-url", &format!("https://{}/tickets?q=light", tenant.host));
    let swapped = seen.get("/tickets?q=light&status=open").await.expect_status(200).text();
    assert!(swapped.contains("id=\"tickets-links\"") && !swapped.contains("tickets-counts"), "{swapped}");
}

async fn portal() -> (Tenant, String, crate::harness::Browser) {
    let tenant = tenant().await;
    let ana = customer(&tenant.api().await, "Ana", "Cruz").await;
    let mut browser = tenant.browser().await;
    browser.get("/tickets").await.expect_status(200);
    (tenant, ana, browser)
}

#[tokio::test]
async fn the_portal_opens_answers_and_resolves_without_scripts() {
    let (tenant, ana, mut browser) = portal().await;
    let found = browser.get("/tickets/new?q=cruz").await.text();
    assert!(found.contains(&format!("/tickets/new?customer={ana}")), "{found}");
    browser.get(&format!("/tickets/new?customer={ana}")).await.expect_status(200);
    let wrong = browser
        .post(
            "/tickets",
            &[
                ("customer", &ana),
                ("title", ""),
                ("category", "billing"),
                ("priority", "low"),
                ("source", "sms"),
                ("description", "Keep me"),
            ],
        )
        .await;
    assert!(wrong.expect_status(422).text().contains("title-error") && wrong.text().contains("Keep me"));
    let form = [
        ("customer", ana.as_str()),
        ("title", "No light"),
        ("category", "no_connection"),
        ("priority", "urgent"),
        ("source", "walk_in"),
        ("assigned_to", &tenant.owner_id),
    ];
    let page = browser.post("/tickets", &form).await.expect_status(303).header("location").to_owned();
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("Assigned to Olive Owner") && shown.contains("Ana Cruz"), "{shown}");
    let file = ("file", "light.png", png());
    browser
        .upload(
            &format!("{page}/comments"),
            &[("comment", "Look"), ("is_internal", "true")],
            (file.0, file.1, &file.2),
        )
        .await
        .expect_status(303);
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("Staff only") && shown.contains("light.png"), "{shown}");
    let src = between(&shown, "<img src=\"", "\"").unwrap();
    assert_eq!(browser.get(&src).await.expect_status(200).header("content-type"), "image/png");
    // From the board, a step that takes more leads to the ticket.
    let back = browser.post(&format!("{page}/status"), &[("status", "resolved"), ("from", "board")]).await;
    assert_eq!(back.expect_status(303).header("location"), format!("{page}?to=resolved#step"));
    assert_eq!(flash(&mut browser, &page).await, "Write down what solved it.");
    browser
        .post(&format!("{page}/status"), &[("status", "resolved"), ("resolution_notes", "Spliced")])
        .await
        .expect_status(303);
    assert!(browser.get(&page).await.text().contains("Spliced"));
    for page in [
        "/tickets?overdue=yes",
        "/tickets/board",
        "/tickets/counts",
        "/tickets/replies",
        "/tickets/export?format=xlsx",
        &format!("/customers/{ana}/tickets"),
        &format!("{page}/edit"),
    ] {
        browser.get(page).await.expect_status(200);
    }
    let table = browser.with_cookies().header("hx-request", "true").header("hx-target", "tickets");
    let table = table.get("/tickets?q=light").await.text();
    assert!(table.contains("No light") && !table.contains("<html"), "htmx gets the table alone");
}
