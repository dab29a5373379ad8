//! A tenant's own mail server: aiosmtpd, which nobody here wrote.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "a test, with a program of its own"
)]

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use super::*;

/// What a test waits at most for a server that is started with it.
const PATIENCE: Duration = Duration::from_secs(30);

struct MailServer {
    child: Child,
    port: u16,
    said: Receiver<String>,
}

impl MailServer {
    fn start(args: &[&str]) -> Self {
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| PathBuf::from(env::var_os("HOME").expect("HOME")).join(".cache"), PathBuf::from);
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smtp_server.py");
        let mut child = Command::new(cache.join("lastmile/venv/bin/python"))
            .arg(script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run infra/python.sh");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let port = said.recv_timeout(PATIENCE).expect("run infra/python.sh").parse().unwrap();
        Self { child, port, said }
    }

    /// The next letter that arrived.
    fn letter(&self) -> Value {
        loop {
            let line: Value = serde_json::from_str(&self.said.recv_timeout(PATIENCE).unwrap()).unwrap();
            if line["event"] == "letter" {
                return line;
            }
        }
    }

    fn values(&self) -> BTreeMap<String, String> {
        [
            ("host", "localhost"),
            ("port", &self.port.to_string()),
            ("encryption", "if_offered"),
            ("from_email", "noc@acme.test"),
            ("from_name", "Acme, Net"),
            ("reply_to", "help@acme.test"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn open(&self) -> Arc<dyn Provider> {
        open_with("smtp", &self.values())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_whole_letter_arrives() {
    let server = MailServer::start(&[]);
    let mut outgoing = outgoing("smtp", "Grüße, Ama");
    outgoing.content.subject = Some("Bill\r\nBcc: x@y.test".into());
    outgoing.content.html = Some("<p>Grüße</p>".into());
    outgoing.reply_to = Some("<their@mail.test>\r\nBcc: x@y.test".into());
    outgoing.content.attachments.push(Attachment {
        name: "bill\r\n.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: Bytes::from_static(b"%PDF-1.7 fake"),
        link: None,
    });
    outgoing.content.unsubscribe =
        Some(Unsubscribe { url: Url::parse("https://acme.lastmile.test/u/abc").unwrap(), mail: None });
    let provider = server.open();
    let accepted = accepted(send(&*provider, &outbound(), &outgoing).await);
    assert_eq!(accepted.id, format!("<{}@acme.test>", outgoing.id));
    assert_eq!(accepted.state, State::Sent);
    let letter = server.letter();
    assert_eq!((&letter["to"], &letter["sender"]), (&"ama@example.test".into(), &"noc@acme.test".into()));
    assert_eq!(letter["recipients"].as_array().unwrap().len(), 1, "nobody was slipped in");
    let text = letter["message"].as_str().unwrap().replace("\r\n", "\n");
    for line in [
        "From: =?utf-8?b?QWNtZSwgTmV0?= <noc@acme.test>",
        "To: ama@example.test",
        "Reply-To: help@acme.test",
        "In-Reply-To: <their@mail.test>Bcc:x@y.test",
        "Subject: Bill Bcc: x@y.test",
        &format!("Message-ID: {}", accepted.id),
        "List-Unsubscribe: <https://acme.lastmile.test/u/abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Content-Type: application/pdf",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(text.lines().any(|one| one.trim() == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("multipart/mixed") && text.contains("multipart/alternative"));
    assert!(!text.lines().any(|line| line.starts_with("Bcc")));
}

#[tokio::test]
async fn what_a_server_says_becomes_a_class() {
    let server = MailServer::start(&[]);
    let provider = server.open();
    let outbound = outbound();
    let to = |name: &str| outgoing_to("smtp", &format!("{name}@example.test"), "Hello");
    for (name, class, code) in [
        ("refused", Class::Recipient(Reason::Invalid), "5.1.1"),
        ("later", Class::Transient, "4.3.0"),
        ("busy", Class::Transient, "4.3.2"),
        ("spam", Class::Content, "5.7.1"),
        ("gone", Class::Transient, "not_sent"),
    ] {
        let refusal = refused(send(&*provider, &outbound, &to(name)).await);
        assert_eq!((&refusal.class, &*refusal.code), (&class, code), "{name}: {refusal:?}");
    }
    let outcome = send(&*provider, &outbound, &to("lost")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    accepted(send(&*provider, &outbound, &to("ama")).await);
}

#[tokio::test]
async fn who_is_not_let_in_has_a_wrong_credential() {
    let server = MailServer::start(&["--user", "noc", "--password", "right"]);
    let outbound = outbound();
    let with = |password: &str| {
        let mut given = server.values();
        given.insert("username".into(), "noc".into());
        given.insert("password".into(), password.into());
        open_with("smtp", &given)
    };
    let refusal = with("secret-canary").check(&outbound).await.unwrap_err();
    assert_eq!(refusal.class, Class::Account, "{refusal:?}");
    assert!(!format!("{refusal:?}").contains("canary"));
    let refusal = refused(send(&*with("wrong"), &outbound, &outgoing("smtp", "Hello")).await);
    assert_eq!(refusal.class, Class::Account);
    let right = with("right");
    let account = format!("localhost:{}", server.port);
    assert_eq!(right.check(&outbound).await.unwrap().account.as_deref(), Some(account.as_str()));
    accepted(send(&*right, &outbound, &outgoing("smtp", "Hello")).await);
}

#[tokio::test]
async fn a_mail_server_in_a_private_network_is_not_called() {
    let server = MailServer::start(&[]);
    let strict = Outbound::new(&OutboundSettings::default()).unwrap();
    for host in ["localhost", "127.0.0.1", "::1", "169.254.169.254", "2130706433"] {
        let mut given = server.values();
        given.insert("host".into(), host.into());
        let provider = open_with("smtp", &given);
        let refusal = refused(send(&*provider, &strict, &outgoing("smtp", "Hello")).await);
        assert_eq!((&refusal.class, &*refusal.code), (&Class::Account, "not_sent"), "{host}: {refusal:?}");
    }
    assert!(server.said.try_recv().is_err(), "nobody was there");
}

#[tokio::test]
async fn without_encryption_where_it_is_needed_nothing_is_sent() {
    let server = MailServer::start(&[]);
    let mut given = server.values();
    given.insert("encryption".into(), "starttls".into());
    let refusal = refused(send(&*open_with("smtp", &given), &outbound(), &outgoing("smtp", "Hello")).await);
    assert_eq!(refusal.class, Class::Transient);
    assert!(server.said.try_recv().is_err());
}
