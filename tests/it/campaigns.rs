//! Campaigns through the API: whom they reach, and what pausing, cancelling and waiting do; and how a tenant sends.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, program, text},
    sender::{Sender, number},
};

const PATH: &str = "/api/v1/campaigns";

/// An approved template.
async fn template(sender: &Sender, words: &str) -> String {
    let variables = json!([{"name": "amount", "fallback": "nothing"}]);
    let contents = json!({"sms": {"en": {"text": words}}});
    let body = json!({"name": "Notice", "contents": contents, "variables": variables});
    let id = text(&sender.api.post("/api/v1/templates", body).await.expect(201), "/id");
    sender.api.post(&format!("/api/v1/templates/{id}/submit"), json!({})).await.expect(200);
    sender.api.post(&format!("/api/v1/templates/{id}/approve"), json!({"version": 1})).await.expect(200);
    id
}

async fn upload(sender: &Sender, csv: &str) -> Answer {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"people.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n{csv}\r\n--b--\r\n"
    );
    let kind = Some("multipart/form-data; boundary=b");
    sender.api.send(Method::POST, "/api/v1/recipient-lists", kind, body.into_bytes()).await
}

async fn list_of(sender: &Sender, count: usize) -> String {
    let rows: Vec<String> = (0..count).map(|n| format!("Person {n},{}", number(n))).collect();
    let csv = format!("Name,Phone\n{}\n", rows.join("\n"));
    text(&upload(sender, &csv).await.expect(201), "/list/id")
}

async fn prepare(sender: &Sender, more: Value) -> String {
    let template = template(sender, "Hello {{ first_name }}").await;
    let mut body = json!({"name": "Fiesta", "channels": ["sms"], "template_id": template});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    text(&sender.api.post(PATH, body).await.expect(201), "/id")
}

async fn act(sender: &Sender, id: &str, act: &str) -> Answer {
    sender.api.post(&format!("{PATH}/{id}/{act}"), json!({})).await
}

/// A campaign's time has come, and its job runs.
async fn now_due(sender: &Sender) {
    sender.run("UPDATE campaign SET starts_at = now()").await;
    sender
        .run(&format!(
            "UPDATE public.job SET due_at = now() WHERE tenant_id = '{}' AND kind = 'campaign'",
            sender.tenant.id
        ))
        .await;
}

/// A contact in a group.
async fn member(sender: &Sender, group: &str, name: &str, n: usize) -> String {
    let body = json!({
        "name": name, "addresses": [{"channel": "sms", "address": number(n)}], "group_ids": [group],
    });
    text(&sender.api.post("/api/v1/contacts", body).await.expect(201), "/id")
}

async fn group(sender: &Sender) -> String {
    text(&sender.api.post("/api/v1/contact-groups", json!({"name": "Danao"})).await.expect(201), "/id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_reaches_each_once_and_says_when_it_is_finished() {
    let sender = Sender::open().await;
    let group = group(&sender).await;
    member(&sender, &group, "Ana Cruz", 0).await;
    // Who is in the group and in the file is written to once; the contact's own name counts.
    let csv = format!("Full name,Mobile\nNobody Twice,{}\nBen Reyes,{}\nNo Number,\n", number(0), number(1));
    let uploaded = upload(&sender, &csv).await.expect(201);
    assert_eq!((&uploaded["list"]["members"], &uploaded["failed"]), (&json!(2), &json!(1)));
    assert_eq!(uploaded["errors"][0]["row"], 4);
    let to = json!({"groups": [group], "lists": [uploaded["list"]["id"]]});
    let id = prepare(&sender, json!({ "to": to })).await;
    let estimate = sender.api.get(&format!("{PATH}/{id}/estimate")).await.expect(200);
    assert_eq!((&estimate["people"], &estimate["sample_text"]), (&json!(3), &json!("Hello Ana")));
    let started = act(&sender, &id, "start").await.expect(200);
    assert_eq!(started["state"], "running");
    act(&sender, &id, "start").await.refused(409, "campaign_started");
    sender.until_sql("SELECT status FROM campaign", "done").await;
    let mut said: Vec<String> = sender.taken().into_iter().map(|taken| taken.text).collect();
    said.sort();
    assert_eq!(said, ["Hello Ana", "Hello Ben"]);
    let done = sender.api.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!((&done["recipients"], &done["counts"]["accepted"]), (&json!(2), &json!(2)));
    let notice = sender.ask("SELECT text FROM notice WHERE permission = 'campaigns.run'").await;
    assert_eq!(notice, "Fiesta is finished: 2 sent, 0 failed.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_out_while_it_is_paused_and_all_of_it_afterwards() {
    let sender = Sender::open().await;
    let list = list_of(&sender, 5).await;
    let id = prepare(&sender, json!({"to": {"lists": [list]}, "per_minute": 1})).await;
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT count(*) FROM delivery WHERE status = 'accepted'", "1").await;
    assert_eq!(act(&sender, &id, "pause").await.expect(200)["state"], "paused");
    act(&sender, &id, "pause").await.refused(409, "paused");
    // Their time comes while it is paused.
    sender.pass_time().await;
    sender.until_sql("SELECT count(*) FROM delivery_queue WHERE lane >= 10", "4").await;
    assert_eq!(sender.taken().len(), 1, "it went out although it was paused");
    assert_eq!(act(&sender, &id, "resume").await.expect(200)["state"], "running");
    sender.until_sql("SELECT count(*) FROM delivery_queue", "0").await;
    sender.until_sql("SELECT status FROM campaign", "done").await;
    assert_eq!(sender.taken().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_later_is_due_as_much_later_as_the_pause_was_long() {
    let sender = Sender::open().await;
    let list = list_of(&sender, 2).await;
    let id = prepare(&sender, json!({"to": {"lists": [list]}, "per_minute": 1})).await;
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT count(*) FROM delivery_queue", "1").await;
    act(&sender, &id, "pause").await.expect(200);
    sender.run("UPDATE message SET paused_at = paused_at - interval '1 hour'").await;
    act(&sender, &id, "resume").await.expect(200);
    let later = "SELECT due_at > now() + interval '55 minutes' FROM delivery_queue";
    assert_eq!(sender.ask(later).await, "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_takes_back_what_nobody_has_begun_to_send() {
    let sender = Sender::open().await;
    let list = list_of(&sender, 5).await;
    let id = prepare(&sender, json!({"to": {"lists": [list]}, "per_minute": 1})).await;
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT count(*) FROM delivery WHERE status = 'accepted'", "1").await;
    let ended = act(&sender, &id, "cancel").await.expect(200);
    assert_eq!((&ended["state"], &ended["counts"]["cancelled"]), (&json!("cancelled"), &json!(4)));
    act(&sender, &id, "resume").await.refused(409, "not_running");
    assert_eq!(sender.ask("SELECT count(*) FROM delivery_queue").await, "0");
    assert_eq!(sender.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audience_is_settled_when_it_is_scheduled_or_when_it_starts() {
    for (is_frozen, reached) in [(true, 2), (false, 3)] {
        let sender = Sender::open().await;
        let group = group(&sender).await;
        member(&sender, &group, "Ana Cruz", 0).await;
        // Whoever is named by an address alone is there from the beginning; on which channel, the campaign says.
        let to = json!({"groups": [group], "addresses": [{"address": number(7), "name": "Gil Ramos"}]});
        let more = json!({"to": to, "is_frozen": is_frozen, "starts_at": in_a_month()});
        let id = prepare(&sender, more).await;
        assert_eq!(act(&sender, &id, "start").await.expect(200)["state"], "scheduled");
        sender.until_sql("SELECT freezing IS NULL FROM campaign", "true").await;
        member(&sender, &group, "Ben Reyes", 1).await;
        now_due(&sender).await;
        sender.until_sql("SELECT status FROM campaign", "done").await;
        assert_eq!(sender.taken().len(), reached, "frozen: {is_frozen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_in_between_is_not_written_to() {
    let sender = Sender::open().await;
    let group = group(&sender).await;
    let ana = member(&sender, &group, "Ana Cruz", 0).await;
    member(&sender, &group, "Ben Reyes", 1).await;
    let more = json!({"to": {"groups": [group]}, "is_frozen": true, "starts_at": in_a_month()});
    let id = prepare(&sender, more).await;
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT freezing IS NULL FROM campaign", "true").await;
    assert_eq!(sender.ask("SELECT count(*) FROM recipient_list_member").await, "2");
    sender.api.delete(&format!("/api/v1/contacts/{ana}")).await.expect_status(204);
    now_due(&sender).await;
    sender.until_sql("SELECT status FROM campaign", "done").await;
    let reached: Vec<String> = sender.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!(reached, [number(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_says_why_and_sends_nothing() {
    let sender = Sender::open().await;
    let group = group(&sender).await;
    let id = prepare(&sender, json!({"to": {"groups": [group]}})).await;
    act(&sender, &id, "start").await.refused(422, "invalid");
    let unapproved = json!({"name": "Draft", "contents": {"sms": {"en": {"text": "Hi"}}}});
    let unapproved = text(&sender.api.post("/api/v1/templates", unapproved).await.expect(201), "/id");
    sender.api.patch(&format!("{PATH}/{id}"), json!({ "template_id": unapproved })).await.expect(200);
    let ana = member(&sender, &group, "Ana Cruz", 0).await;
    act(&sender, &id, "start").await.refused(409, "template_not_approved");
    // Whom it was for is gone when its time comes.
    let approved = sender.api.get("/api/v1/templates?q=Notice").await.expect(200);
    let changes = json!({"template_id": approved["items"][0]["id"], "starts_at": in_a_month()});
    sender.api.patch(&format!("{PATH}/{id}"), changes).await.expect(200);
    act(&sender, &id, "start").await.expect(200);
    sender.api.delete(&format!("/api/v1/contacts/{ana}")).await.expect_status(204);
    now_due(&sender).await;
    sender.until_sql("SELECT status FROM campaign", "failed").await;
    let failed = sender.api.get(&format!("{PATH}/{id}")).await.expect(200);
    assert!(text(&failed, "/failure").contains("nobody among them"), "{failed}");
    assert!(
        sender
            .ask("SELECT text FROM notice WHERE permission = 'campaigns.run'")
            .await
            .contains("could not be started")
    );
    assert_eq!(sender.ask("SELECT count(*) FROM message").await, "0");
    // Mended, it starts.
    member(&sender, &group, "Ben Reyes", 1).await;
    sender.api.patch(&format!("{PATH}/{id}"), json!({"starts_at": null})).await.expect(200);
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT status FROM campaign", "done").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_audience_is_written_out_as_it_is_sent() {
    let sender = Sender::open().await;
    let list = list_of(&sender, 6_500).await;
    let id = prepare(&sender, json!({"to": {"lists": [list]}, "dry_run": true})).await;
    act(&sender, &id, "start").await.expect(200);
    sender.until_sql("SELECT status FROM campaign", "done").await;
    let done = sender.api.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!((&done["recipients"], &done["counts"]["accepted"]), (&json!(6_500), &json!(6_500)));
    assert!(sender.taken().is_empty(), "a dry run sends nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_tenant_sends_is_kept_and_obeyed() {
    let sender = Sender::open().await;
    let path = "/api/v1/messaging-policy";
    let refused = sender.api.patch(path, json!({"quiet_from": "21:00"})).await.expect(422);
    assert_eq!(refused["errors"][0]["field"], "quiet_to");
    let all_day =
        json!({"quiet_from": "00:00", "quiet_to": "23:59", "stop_words": ["AYOKO NA"], "is_dry_run": true});
    let changed = sender.api.patch(path, all_day).await.expect(200);
    assert_eq!(changed["stop_words"], json!(["ayoko na"]));
    assert_eq!(sender.api.get(path).await.expect(200), changed);
    let message = sender.send(&[&number(0)], "A code").await;
    sender.until(&message, "accepted", 1).await;
    assert!(sender.taken().is_empty(), "a dry run sends nothing");
    assert_eq!(
        sender.ask("SELECT count(*) FROM audit_event WHERE action = 'messaging_policy.updated'").await,
        "1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_portal_prepares_starts_and_shows_a_campaign() {
    let sender = Sender::open().await;
    let template = template(&sender, "Hello {{ first_name }}, {{ amount }}").await;
    let mut browser = sender.tenant.browser().await;
    let csv = format!("Name,Phone\nAna Cruz,{}\n", number(0));
    let fields = [
        ("name", "Fiesta"),
        ("channel", "sms"),
        ("template", template.as_str()),
        ("context", "amount = 500 pesos"),
    ];
    browser.get("/campaigns/new").await.expect_status(200);
    let wrong = browser.upload("/campaigns", &fields[1..], ("file", "p.csv", csv.as_bytes())).await;
    wrong.expect_status(422);
    let saved = browser.upload("/campaigns", &fields, ("file", "people.csv", csv.as_bytes())).await;
    let path = saved.header("location").to_owned();
    let shown = browser.get(&path).await.text();
    assert!(shown.contains("people.csv, 1 recipient"), "{shown}");
    assert!(shown.contains("Hello Ana, 500 pesos"), "what it says to the first of them");
    browser.get(&format!("{path}/edit")).await.expect_status(200);
    browser.post(&format!("{path}/start"), &[]).await.expect_status(303);
    sender.until_sql("SELECT status FROM campaign", "done").await;
    let shown = browser.get(&path).await.text();
    assert!(shown.contains("Finished") && shown.contains("Ana Cruz"), "{shown}");
    assert!(browser.get("/campaigns").await.text().contains("Fiesta"));
    assert_eq!(sender.taken()[0].text, "Hello Ana, 500 pesos");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_sends_and_asks() {
    let sender = Sender::open().await;
    let server = sender.tenant.server;
    let run = |args: &[&str]| {
        let output =
            program(&server.database, server.folder.path()).arg("message").args(args).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let slug = sender.tenant.slug.as_str();
    let (done, said) = run(&["send", slug, "--to", &number(0), "--text", "From a script", "--json"]);
    assert!(done, "{said}");
    let id = text(&serde_json::from_str(&said).unwrap(), "/id");
    sender.until(&id, "accepted", 1).await;
    assert_eq!(run(&["status", slug, &id]).1.trim(), "ready: 0 queued, 1 sent, 0 failed or unknown");
    assert!(!run(&["send", slug, "--text", "To nobody"]).0, "nobody is never everybody");
}

fn in_a_month() -> String {
    (chrono::Utc::now() + chrono::TimeDelta::days(30)).to_rfc3339()
}
