//! Letters: into a folder, and to a real mail server, whatever that server does with them.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    Api, Server, Settings, Tenant,
    mailbox::{Received, letter_to, until},
    sql, tenant, tenant_on,
};

/// A mail server of the test's own.
struct Smtp {
    child: Child,
    port: u16,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Smtp {
    fn start(args: &[&str]) -> Self {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache")
        });
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smtp_server.py");
        let mut child = Command::new(cache.join("lastmile/venv/bin/python"))
            .arg(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run infra/python.sh");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (said, heard) = mpsc::channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = events.clone();
        std::thread::spawn(move || {
            if let Some(Ok(port)) = lines.next() {
                let _ = said.send(port.parse().unwrap());
            }
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let port = heard.recv_timeout(Duration::from_secs(30)).expect("run infra/python.sh");
        Self { child, port, events }
    }

    fn events(&self, event: &str, to: &str) -> Vec<Value> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|e| e["event"] == event && (e["to"] == to || to.is_empty())).cloned().collect()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(url: &str) -> Settings {
    Settings::default()
        .with("MAIL__KIND", "smtp")
        .with("MAIL__URL", url)
        .with("MAIL__FROM", "\"Lastmile Ops\" <no-reply@isp.test>")
}

/// Invites somebody: a letter is queued.
async fn invite(acme: &Tenant, api: &Api, email: &str) {
    let role = acme.role("Viewer").await;
    api.post("/api/v1/staff", json!({"name": "Nina", "email": email, "role_ids": [role]})).await.expect(201);
}

/// How the letter to this address stands: status, failure, whether its body is still there.
async fn standing(acme: &Tenant, email: &str) -> (String, Option<String>, bool) {
    let sql = sql(&acme.server.database).await;
    let query = format!(
        "SELECT status, failure, sealed_body IS NOT NULL FROM {}.mail WHERE recipient = $1",
        acme.schema().await
    );
    let row = sql.query_one(&query, &[&email]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

async fn ends_as(acme: &Tenant, email: &str, status: &str) -> Option<String> {
    let what = format!("a letter to {email} that is {status}");
    until(&what, async || {
        let (now, failure, has_body) = standing(acme, email).await;
        (now == status && !has_body).then_some(failure)
    })
    .await
}

/// Waits for a failed try, and lets the next one begin at once.
async fn hurry(acme: &Tenant, email: &str, failure: &str) {
    until(&format!("a letter to {email} that waits"), async || {
        let (status, said, has_body) = standing(acme, email).await;
        (status == "queued" && has_body && said.is_some_and(|said| said.contains(failure))).then_some(())
    })
    .await;
    let sql = sql(&acme.server.database).await;
    // The failure is told apart from the next one's.
    let forget = format!("UPDATE {}.mail SET failure = NULL WHERE status = 'queued'", acme.schema().await);
    sql.execute(&forget, &[]).await.unwrap();
    until("a job that waits", async || {
        let id: uuid::Uuid = acme.id.parse().unwrap();
        let statement = "UPDATE public.job SET due_at = now() WHERE tenant_id = $1 AND kind = 'send_mail' AND lease IS NULL";
        (sql.execute(statement, &[&id]).await.unwrap() > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn in_development_a_letter_is_a_file_that_nobody_else_may_read() {
    let acme = tenant().await;
    let email = format!("nina@{}.example", acme.slug);
    invite(&acme, &acme.api().await, &email).await;
    let letter = letter_to(acme.server, &email, 1).await;
    assert_eq!(std::fs::metadata(&letter.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(letter.path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(letter.header("From"), "Lastmile <no-reply@localhost>");
    assert!(letter.html.contains("<a href=") && !letter.html.contains("&amp;amp;"), "{}", letter.html);
    assert_eq!(ends_as(&acme, &email, "sent").await, None);
}

#[tokio::test]
async fn no_name_makes_a_header() {
    let acme = tenant().await;
    let sql = sql(&acme.server.database).await;
    let name = "Evil\r\nBcc: all@evil.example\r\n\r\n<script>";
    sql.execute("UPDATE public.tenant SET name = $1 WHERE slug = $2", &[&name, &acme.slug]).await.unwrap();
    let staff = format!("UPDATE {}.staff SET name = E'Ann\\r\\nCc: x@evil.example'", acme.schema().await);
    sql.execute(&staff, &[]).await.unwrap();
    sql.batch_execute("SELECT pg_notify('lastmile_news', 'tenant:changed')").await.unwrap();
    let mut browser = acme.server.browser(&acme.host);
    until("the new name", async || {
        let page = acme.anonymous().get("/forgot").await.text();
        page.contains("Evil").then_some(())
    })
    .await;
    browser.get("/forgot").await.expect_status(200);
    browser.post("/forgot", &[("email", &acme.owner_email)]).await.expect_status(200);
    let letter = letter_to(acme.server, &acme.owner_email, 1).await;
    let names: Vec<&str> = letter.headers.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert!(!names.iter().any(|name| matches!(name.to_lowercase().as_str(), "bcc" | "cc")), "{names:?}");
    assert_eq!(letter.header("Subject"), "Set a new password at Evil Bcc: all@evil.example <script>");
    assert!(!letter.html.contains("<script>"), "{}", letter.html);
}

#[tokio::test]
async fn a_mail_server_s_word_decides_what_becomes_of_a_letter() {
    let smtp = Smtp::start(&["--user", "lastmile", "--password", "p@ss:word"]);
    let url = format!("smtp://lastmile:p%40ss%3Aword@127.0.0.1:{}", smtp.port);
    let acme = tenant_on(Server::own("smtp", settings(&url)).await).await;
    let api = acme.api().await;

    invite(&acme, &api, "good@a.example").await;
    assert_eq!(ends_as(&acme, "good@a.example", "sent").await, None);
    let taken = smtp.events("letter", "good@a.example");
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0]["sender"], "no-reply@isp.test");
    assert_eq!(taken[0]["recipients"], json!(["good@a.example"]));
    let letter = Received::parse(PathBuf::new(), taken[0]["message"].as_str().unwrap());
    assert_eq!(letter.header("From"), "\"Lastmile Ops\" <no-reply@isp.test>");
    assert!(letter.header("Message-ID").ends_with("@isp.test>"), "{:?}", letter.headers);
    assert!(letter.link().starts_with(&format!("https://{}/reset?code=", acme.host)), "{}", letter.text);

    // The connection is kept for the next one.
    invite(&acme, &api, "next@a.example").await;
    ends_as(&acme, "next@a.example", "sent").await;
    assert_eq!(smtp.events("letter", "next@a.example")[0]["peer"], taken[0]["peer"]);
    assert_eq!(smtp.events("auth", "").len(), 1);

    for email in ["refused@a.example", "spam@a.example"] {
        invite(&acme, &api, email).await;
        let failure = ends_as(&acme, email, "refused").await.unwrap();
        assert!(failure.contains("no such person") || failure.contains("do not want"), "{failure}");
    }
    smtp_tries_again(&acme, &api, &smtp).await;

    // Whether the server took this one nobody knows: it is not sent again, not even when its job runs again.
    invite(&acme, &api, "lost@a.example").await;
    ends_as(&acme, "lost@a.example", "unknown").await;
    run_again(&acme, "lost@a.example").await;
    invite(&acme, &api, "after@a.example").await;
    ends_as(&acme, "after@a.example", "sent").await;
    assert_eq!(smtp.events("letter", "lost@a.example").len(), 1);
    assert!(!acme.server.log().contains("p@ss:word"), "the password is in the log");
    assert!(acme.server.terminate());
}

/// What the server surely has not taken, it is offered again.
async fn smtp_tries_again(acme: &Tenant, api: &Api, smtp: &Smtp) {
    invite(acme, api, "later@a.example").await;
    hurry(acme, "later@a.example", "Come back later").await;
    hurry(acme, "later@a.example", "Come back later").await;
    ends_as(acme, "later@a.example", "sent").await;
    assert_eq!(smtp.events("rcpt", "later@a.example").len(), 3);
    assert_eq!(smtp.events("letter", "later@a.example").len(), 1);

    invite(acme, api, "busy@a.example").await;
    hurry(acme, "busy@a.example", "Come back later").await;
    ends_as(acme, "busy@a.example", "sent").await;

    // A connection that goes before the letter was given away.
    invite(acme, api, "gone@a.example").await;
    hurry(acme, "gone@a.example", "").await;
    ends_as(acme, "gone@a.example", "sent").await;
    assert_eq!(smtp.events("letter", "gone@a.example").len(), 1);
}

/// As after the death of a worker that had recorded nothing but that it was sending.
async fn run_again(acme: &Tenant, email: &str) {
    let sql = sql(&acme.server.database).await;
    let schema = acme.schema().await;
    let left = format!("UPDATE {schema}.mail SET sealed_body = '\\x00' WHERE recipient = $1 RETURNING id");
    let id: uuid::Uuid = sql.query_one(&left, &[&email]).await.unwrap().get(0);
    sql.execute(
        "INSERT INTO public.job (id, tenant_id, kind, subject_id) SELECT gen_random_uuid(), id, 'send_mail', $1
         FROM public.tenant WHERE slug = $2",
        &[&id, &acme.slug],
    )
    .await
    .unwrap();
    ends_as(acme, email, "unknown").await;
}

#[tokio::test]
async fn a_letter_waits_for_a_mail_server_that_is_away_until_it_is_too_late() {
    // A port on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::own("smtp_away", settings(&format!("smtp://127.0.0.1:{port}"))).await;
    let acme = tenant_on(server).await;
    let api = acme.api().await;
    invite(&acme, &api, "patient@a.example").await;
    hurry(&acme, "patient@a.example", "").await;
    let sql = sql(&server.database).await;
    let late = format!("UPDATE {}.mail SET send_before = now()", acme.schema().await);
    sql.execute(&late, &[]).await.unwrap();
    until("a letter that is too late", async || {
        let id: uuid::Uuid = acme.id.parse().unwrap();
        sql.execute("UPDATE public.job SET due_at = now() WHERE tenant_id = $1 AND kind = 'send_mail' AND lease IS NULL", &[&id])
            .await
            .unwrap();
        (standing(&acme, "patient@a.example").await.0 == "refused").then_some(())
    })
    .await;
    let failure = ends_as(&acme, "patient@a.example", "refused").await;
    assert_eq!(failure.as_deref(), Some("It could not be sent in time."));
    server.terminate();
}
