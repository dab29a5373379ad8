//! Files that go along with messages, and limits that hold for all tenants together.

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem::http::Method;
use serde_json::{Value, json};

use crate::{
    fake_providers::Fake,
    harness::{Answer, Api, Server, Settings, program, text},
    sender::{Sender, number},
};

const PATH: &str = "/api/v1/attachments";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and what a picture holds";
const PDF: &[u8] = b"%PDF-1.7\nand what a letter holds";

async fn send_file(api: &Api, name: &str, content: &[u8]) -> Answer {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/html\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b--\r\n");
    api.send(Method::POST, PATH, Some("multipart/form-data; boundary=b"), body).await
}

async fn file(sender: &Sender, name: &str, content: &[u8]) -> String {
    text(&send_file(&sender.api, name, content).await.expect(201), "/id")
}

fn to(address: &str, channel: &str, files: &[&str]) -> Value {
    json!({
        "channels": [channel], "to": {"addresses": [{"address": address}]}, "attachments": files,
        "content": {"subject": "Your bill", "text": "It is attached."},
    })
}

async fn say(sender: &Sender, body: Value) -> String {
    text(&sender.api.post("/api/v1/messages", body).await.expect(202), "/id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_along_by_their_bytes_or_by_a_link() {
    let sender = Sender::open().await;
    for kind in ["sendgrid", "whatsapp_cloud", "telegram"] {
        sender.connect(kind).await;
    }
    let bill = file(&sender, "bill.html", PDF).await;
    let picture = file(&sender, "Our town.png", PNG).await;

    let letter = say(&sender, to("ana@example.com", "email", &[&bill, &picture])).await;
    sender.until(&letter, "accepted", 1).await;
    let sent = sender.fake.taken("sendgrid").pop().unwrap().body;
    let of = |n: usize, name: &str| sent["attachments"][n][name].as_str().unwrap().to_owned();
    assert_eq!((of(0, "filename"), of(0, "type")), ("bill.pdf".into(), "application/pdf".into()));
    assert_eq!(STANDARD.decode(of(1, "content")).unwrap(), PNG);
    let shown = sender.api.get(&format!("/api/v1/messages/{letter}")).await.expect(200);
    assert_eq!(shown["attachments"][1]["name"], "Our town.png");

    let chat = say(&sender, to("770001", "telegram", &[&picture])).await;
    sender.until(&chat, "sent", 1).await;
    assert_eq!(sender.fake.taken("telegram").pop().unwrap().text, "It is attached.");

    let link = say(&sender, to("+639171234567", "whatsapp", &[&picture])).await;
    sender.until(&link, "accepted", 1).await;
    let link = text(&sender.fake.taken("whatsapp_cloud").pop().unwrap().body, "/image/link");
    let path = &link[link.find("/a/").unwrap()..];
    let fetched = sender.tenant.anonymous().get(path).await;
    fetched.expect_status(200);
    assert_eq!(fetched.body.as_slice(), PNG);
    assert_eq!(fetched.header("content-type"), "image/png");
    assert_eq!(fetched.header("x-content-type-options"), "nosniff");
    assert!(fetched.header("content-disposition").starts_with("attachment"));
    // It opens nothing at another provider's, and nobody makes one up.
    let other = Sender::open().await;
    other.tenant.anonymous().get(path).await.expect_status(404);
    let (head, tail) = path.split_at(path.len() - 4);
    let changed = format!("{head}{}", if tail == "AAAA" { "BBBB" } else { "AAAA" });
    sender.tenant.anonymous().get(&changed).await.expect_status(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_go_along_is_refused_by_name() {
    let (sender, other) = (Sender::open().await, Sender::open().await);
    sender.connect("sendgrid").await;
    let bill = file(&sender, "bill.pdf", PDF).await;
    let theirs = file(&other, "theirs.pdf", PDF).await;
    let refused = async |body: Value| sender.api.post("/api/v1/messages", body).await.wrong_fields();
    assert_eq!(refused(to("+639171234567", "sms", &[&bill])).await, ["attachments"]);
    assert_eq!(refused(to(&uuid::Uuid::new_v4().to_string(), "in_app", &[&bill])).await, ["attachments"]);
    assert_eq!(refused(to("ana@example.com", "email", &[&bill, &theirs])).await, ["attachments[1]"]);
    assert_eq!(refused(to("ana@example.com", "email", &[&bill, &bill])).await, ["attachments[1]"]);
    sender.api.get(&format!("{PATH}/{theirs}")).await.refused(404, "not_found");
    sender.api.delete(&format!("{PATH}/{theirs}")).await.refused(404, "not_found");
    other.api.get(&format!("{PATH}/{theirs}")).await.expect(200);
    for odd in [b"MZ\x90\0\x03\0\0\0".as_slice(), b"<!DOCTYPE html><html>", b"\xff\xfe\x00\x01"] {
        assert_eq!(send_file(&sender.api, "bill.pdf", odd).await.wrong_fields(), ["file"]);
    }
    let heavy = vec![b'a'; 11 * 1024 * 1024];
    send_file(&sender.api, "heavy.txt", &heavy).await.expect_status(413);
    // Ten of a size that is allowed weigh too much together.
    let some = vec![b'a'; 9 * 1024 * 1024];
    let (one, two) = (file(&sender, "one.txt", &some).await, file(&sender, "two.txt", &some).await);
    assert_eq!(refused(to("ana@example.com", "email", &[&one, &two])).await, ["attachments"]);
    assert_eq!(sender.ask("SELECT count(*) FROM message").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_stays_as_long_as_it_is_needed() {
    let sender = Sender::open().await;
    sender.connect("sendgrid").await;
    let (kept, spare) = (file(&sender, "kept.pdf", PDF).await, file(&sender, "spare.pdf", PDF).await);
    let mut later = to("ana@example.com", "email", &[&kept]);
    later["scheduled_at"] = json!(chrono::Utc::now() + chrono::TimeDelta::days(2));
    let message = say(&sender, later).await;
    let path = format!("{PATH}/{kept}");
    sender.api.delete(&path).await.refused(409, "in_use");
    // A day later what nothing names is forgotten, and nothing else.
    let due = format!(
        "UPDATE public.job SET due_at = now() WHERE kind = 'forget_attachment' AND tenant_id = '{}'",
        sender.tenant.id
    );
    sender.run(&due).await;
    sender
        .until_sql("SELECT string_agg(name, ' ') FROM file WHERE purpose LIKE '%attachment'", "kept.pdf")
        .await;
    sender.api.get(&format!("{PATH}/{spare}")).await.refused(404, "not_found");
    sender.api.post(&format!("/api/v1/messages/{message}/cancel"), json!({})).await.expect(200);
    sender.api.delete(&path).await.expect_status(204);
    let shown = sender.api.get(&format!("/api/v1/messages/{message}")).await.expect(200);
    assert_eq!(shown["attachments"][0]["name"], "kept.pdf", "a message remembers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_chosen_in_the_portal() {
    let sender = Sender::open().await;
    sender.connect("sendgrid").await;
    let mut browser = sender.tenant.browser().await;
    browser.get("/messages/new").await.expect_status(200);
    let fields =
        [("channel", "email"), ("addresses", "ana@example.com"), ("subject", "Bill"), ("text", "Here")];
    let odd = browser.upload("/messages", &fields, ("attach", "bill.pdf", b"MZ\x90\0\x03\0\0\0")).await;
    odd.expect_status(422);
    assert!(odd.text().contains("bill.pdf: A picture"), "the file is named");
    let preview = browser.upload("/messages", &fields, ("attach", "bill.pdf", PDF)).await;
    preview.expect_status(200);
    let page = preview.text().to_owned();
    let at = page.find("name=\"attachment\" value=\"").unwrap() + 25;
    let id = &page[at..at + 36];
    let mut all = fields.to_vec();
    all.extend([("attachment", id), ("act", "send")]);
    let sent = browser.post("/messages", &all).await;
    sent.expect_status(303);
    let href = sent.header("location").to_owned();
    let message = href.rsplit('/').next().unwrap().to_owned();
    sender.until(&message, "accepted", 1).await;
    assert!(browser.get(&href).await.text().contains("bill.pdf"));
    assert_eq!(sender.fake.taken("sendgrid").pop().unwrap().body["attachments"][0]["filename"], "bill.pdf");
}

/// An approved template for letters.
async fn news(sender: &Sender) -> String {
    let content = json!({"email": {"en": {"subject": "News", "text": "News for {{ first_name }}"}}});
    let body = json!({"name": "News", "contents": content});
    let template = text(&sender.api.post("/api/v1/templates", body).await.expect(201), "/id");
    sender.api.post(&format!("/api/v1/templates/{template}/submit"), json!({})).await.expect(200);
    sender
        .api
        .post(&format!("/api/v1/templates/{template}/approve"), json!({"version": 1}))
        .await
        .expect(200);
    template
}

/// A campaign that carries these files; where it is.
async fn campaign(sender: &Sender, name: &str, template: &str, files: &[&str]) -> String {
    let body = json!({
        "name": name, "channels": ["email"], "template_id": template, "attachments": files,
        "to": {"addresses": [{"address": "ana@example.com", "name": "Ana"}]},
    });
    let id = text(&sender.api.post("/api/v1/campaigns", body).await.expect(201), "/id");
    format!("/api/v1/campaigns/{id}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_campaign_carries_any_more_is_forgotten() {
    let sender = Sender::open().await;
    sender.connect("sendgrid").await;
    let template = news(&sender).await;
    let (kept, shared) = (file(&sender, "kept.pdf", PDF).await, file(&sender, "shared.pdf", PDF).await);
    let (swapped, gone) = (file(&sender, "swapped.pdf", PDF).await, file(&sender, "gone.pdf", PDF).await);
    let changed = campaign(&sender, "Changed", &template, &[&swapped, &shared]).await;
    let removed = campaign(&sender, "Removed", &template, &[&gone, &shared]).await;
    sender.api.patch(&changed, json!({"attachments": [kept, shared]})).await.expect(200);
    sender.api.delete(&removed).await.expect_status(204);
    let due = format!(
        "UPDATE public.job SET due_at = now() WHERE kind = 'forget_attachment' AND tenant_id = '{}'",
        sender.tenant.id
    );
    sender.run(&due).await;
    let names = "SELECT string_agg(name, ' ' ORDER BY name) FROM file WHERE purpose LIKE '%attachment'";
    sender.until_sql(names, "kept.pdf shared.pdf").await;
    sender.api.delete(&format!("{PATH}/{shared}")).await.refused(409, "in_use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_sends_its_files() {
    let sender = Sender::open().await;
    sender.connect("sendgrid").await;
    let bill = file(&sender, "bill.pdf", PDF).await;
    let path = campaign(&sender, "News", &news(&sender).await, &[&bill]).await;
    sender.api.delete(&format!("{PATH}/{bill}")).await.refused(409, "in_use");
    let wrong = sender.api.patch(&path, json!({"attachments": [uuid::Uuid::new_v4()]})).await;
    assert_eq!(wrong.wrong_fields(), ["attachments[0]"]);
    sender.api.post(&format!("{path}/start"), json!({})).await.expect(200);
    let message = text(&sender.api.get(&path).await.expect(200), "/message_id");
    sender.until(&message, "accepted", 1).await;
    assert_eq!(sender.fake.taken("sendgrid").pop().unwrap().body["attachments"][0]["filename"], "bill.pdf");
}

fn limit(server: &Server, args: &[&str]) {
    let output =
        program(&server.database, server.folder.path()).args(["sender", "limit"]).args(args).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_send_together_is_limited_and_all_of_it_goes() {
    const EACH: usize = 4;
    let settings = Settings::default().with("OUTBOUND__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");
    let server = Server::own("limited", settings).await;
    let senders = [Sender::open_on(server).await, Sender::open_on(server).await];
    limit(server, &["--per-second", "2"]);
    let began = Instant::now();
    let numbers: Vec<String> = (0..EACH).map(number).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut messages = Vec::new();
    for sender in &senders {
        messages.push(sender.send(&to, "Hello").await);
    }
    let sent = || senders.iter().map(|sender| sender.taken().len()).sum::<usize>();
    loop {
        let now = sent();
        // Two a second, the first at once, and a tenth of a second ahead.
        let most = began.elapsed().as_secs_f64() * 2.0 + 1.2;
        assert!(f64::from(u32::try_from(now).unwrap()) <= most.ceil(), "{now} after {:?}", began.elapsed());
        if now == 2 * EACH {
            break;
        }
        assert!(began.elapsed().as_secs() < 40, "only {now} went");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    limit(server, &["--none"]);
    let more = senders[0].send(&to, "Again").await;
    senders[0].until(&more, "accepted", i64::try_from(EACH).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lent_sender_is_limited_for_all_who_have_it_and_changes_its_credential() {
    let settings = Settings::default().with("OUTBOUND__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");
    let server = Server::own("lent", settings).await;
    let fake = Fake::start().await;
    let file = server.folder.path().join("credential.json");
    std::fs::write(&file, serde_json::to_string(&fake.values("hubtel")).unwrap()).unwrap();
    let run = |args: &[&str]| {
        let output = program(&server.database, server.folder.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let path = file.display().to_string();
    run(&["sender", "add", "Pool", "--kind", "hubtel", "--credential-file", &path]);
    let mut senders = Vec::new();
    for _ in 0..2 {
        let sender = Sender::bare(crate::harness::tenant_on(server).await).await;
        run(&["sender", "assign", "Pool", &sender.tenant.slug]);
        senders.push(sender);
    }
    limit(server, &["--name", "Pool", "--per-second", "2"]);
    assert!(run(&["sender", "list"]).contains("2/s"));
    let began = Instant::now();
    let numbers: Vec<String> = (0..3).map(number).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    for sender in &senders {
        sender.send(&to, "Hello").await;
    }
    loop {
        let now = fake.taken("hubtel").len();
        let most = began.elapsed().as_secs_f64() * 2.0 + 1.2;
        assert!(f64::from(u32::try_from(now).unwrap()) <= most.ceil(), "{now} after {:?}", began.elapsed());
        if now == 6 {
            break;
        }
        assert!(began.elapsed().as_secs() < 40, "only {now} went");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Another credential is used within seconds, without anybody doing anything.
    let other = Fake::start().await;
    std::fs::write(&file, serde_json::to_string(&other.values("hubtel")).unwrap()).unwrap();
    run(&["sender", "rotate", "Pool", "--credential-file", &path]);
    limit(server, &["--name", "Pool", "--none"]);
    crate::harness::mailbox::until("the other credential to be used", async || {
        senders[0].send(&[number(9).as_str()], "By the other").await;
        (!other.taken("hubtel").is_empty()).then_some(())
    })
    .await;
}
