//! The vendors' own libraries, from npm: they sign what we believe, they believe what the fake signs. What we send is taken by a Telegram
//! server that nobody here wrote, and fits the vendors' own documents of their APIs.

#![expect(clippy::let_underscore_must_use, reason = "a program that is ended twice is ended")]

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{super::message::Approved, *};

const URL: &str = "https://acme.lastmile.test/hooks/x/opaque?b=2&a=1";

struct Vendors {
    child: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Vendors {
    fn start() -> Self {
        let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vendors");
        for (needed, how) in
            [("node_modules/twilio", "npm ci"), ("documents/twilio.com", "node documents.mjs")]
        {
            assert!(folder.join(needed).exists(), "run {how} in {}", folder.display());
        }
        let mut child = Command::new("node")
            .arg(folder.join("vendors.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let (asks, says) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asks, says }
    }

    fn ask(&mut self, what: &str, mut given: Value) -> Result<Value, Value> {
        given["ask"] = what.into();
        writeln!(self.asks, "{given}").unwrap();
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        if answer["error"].is_null() { Ok(answer["said"].clone()) } else { Err(answer["error"].clone()) }
    }

    fn say(&mut self, what: &str, given: Value) -> Value {
        self.ask(what, given).unwrap()
    }
}

impl Drop for Vendors {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn twilios_library_agrees() {
    let (fake, mut vendors) = (Fake::start().await, Vendors::start());
    let provider = open(&fake, "twilio");
    let greet = |url: &str, headers: &BTreeMap<String, String>, body: &[u8]| {
        provider.greet(&Hook { is_get: false, url, headers, body, received_at: Utc::now() })
    };
    for (url, fields) in [
        (URL, json!({"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+233200000001"})),
        (
            "https://acme.lastmile.test/h",
            json!({"Body": "Grüße & <b> ü=1+2 😀", "a": "1", "A": "2", "_": ""}),
        ),
        ("https://acme.lastmile.test/h?x=%20y", json!({"Z": "a b", "MediaUrl0": "https://x.test/?q=1&r=2"})),
        ("http://acme.lastmile.test:8080/h", json!({})),
    ] {
        let given = json!({"token": fake_providers::SECRET, "url": url, "fields": fields});
        let signature = text(&vendors.say("twilio_sign", given));
        let pairs = fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value)));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = BTreeMap::from([("x-twilio-signature".to_owned(), signature)]);
        assert!(greet(url, &headers, body.as_bytes()).is_ok(), "{url} {fields}");
        assert_eq!(greet(url, &headers, format!("{body}&x=1").as_bytes()), Err(HookRefusal::BadSignature));
    }
    // A field that is given twice, and an address that Twilio signs with its port.
    let given = json!({"token": fake_providers::SECRET, "url": "https://acme.lastmile.test:443/h", "fields": {"a": ["2", "1", "2"]}});
    let signature = text(&vendors.say("twilio_sign", given));
    let headers = BTreeMap::from([("x-twilio-signature".to_owned(), signature)]);
    assert!(greet("https://acme.lastmile.test/h", &headers, b"a=2&a=1&a=2").is_ok());
    // A body of JSON.
    let body = r#"{"MessageSid":"SM1"}"#;
    let hash = text(&vendors.say("twilio_body_hash", json!({ "body": body })));
    let url = format!("{URL}&bodySHA256={hash}");
    let signature =
        text(&vendors.say("twilio_sign", json!({"token": fake_providers::SECRET, "url": url, "fields": {}})));
    let headers = BTreeMap::from([("x-twilio-signature".to_owned(), signature)]);
    assert!(greet(&url, &headers, body.as_bytes()).is_ok());
    // And it believes the fake.
    let call = fake.receipt("twilio", URL, "SM1", "delivered", "");
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let given = json!({"token": fake_providers::SECRET, "url": URL, "fields": fields,
                       "signature": call.headers["x-twilio-signature"]});
    assert_eq!(vendors.say("twilio_accepts", given), true);
}

#[tokio::test]
async fn sendgrids_library_agrees() {
    let (fake, mut vendors) = (Fake::start().await, Vendors::start());
    let timestamp = Utc::now().timestamp().to_string();
    let body =
        r#"[{"event":"delivered","sg_message_id":"m1.x","sg_event_id":"e1","email":"grüße@example.test"}]"#;
    let signed = vendors.say("sendgrid_sign", json!({ "timestamp": timestamp, "body": body }));
    let mut given = fake.values("sendgrid");
    given.insert("webhook_key".into(), text(&signed["key"]));
    let headers = BTreeMap::from([
        ("x-twilio-email-event-webhook-signature".to_owned(), text(&signed["signature"])),
        ("x-twilio-email-event-webhook-timestamp".to_owned(), timestamp),
    ]);
    let provider = open_with("sendgrid", &given);
    let hook = |body| Hook { is_get: false, url: URL, headers: &headers, body, received_at: Utc::now() };
    assert_eq!(provider.hear(&hook(body.as_bytes())).unwrap().receipts[0].message_id, "m1");
    assert_eq!(provider.hear(&hook(format!("{body}\n").as_bytes())), Err(HookRefusal::BadSignature));
    let call = fake.receipt("sendgrid", URL, "m1", "bounce", "550");
    let given = json!({
        "key": fake.values("sendgrid")["webhook_key"],
        "body": String::from_utf8(call.body).unwrap(),
        "signature": call.headers["x-twilio-email-event-webhook-signature"],
        "timestamp": call.headers["x-twilio-email-event-webhook-timestamp"],
    });
    assert_eq!(vendors.say("sendgrid_accepts", given), true);
}

#[tokio::test]
async fn standard_webhooks_library_agrees() {
    let (fake, mut vendors) = (Fake::start().await, Vendors::start());
    let seconds = Utc::now().timestamp();
    let body = r#"{"type":"message.status","data":{"id":"gw-1","status":"delivered"}}"#;
    let given =
        json!({"secret": fake_providers::SIGNING_SECRET, "id": "evt_1", "seconds": seconds, "body": body});
    let signature = text(&vendors.say("standard_sign", given));
    let headers = BTreeMap::from([
        ("webhook-id".to_owned(), "evt_1".to_owned()),
        ("webhook-timestamp".to_owned(), seconds.to_string()),
        ("webhook-signature".to_owned(), signature),
    ]);
    let hook =
        Hook { is_get: false, url: URL, headers: &headers, body: body.as_bytes(), received_at: Utc::now() };
    let heard = open(&fake, "generic").hear(&hook).unwrap();
    assert_eq!(
        (heard.receipts[0].state, heard.receipts[0].key()),
        (Some(State::Delivered), "evt_1".to_owned())
    );
    // What we send is believed by the library, too, also by one that knows only the new secret or only the former one.
    let mut values = fake.values("generic");
    let new = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw==";
    values.insert("old_secret".into(), fake_providers::SIGNING_SECRET.into());
    values.insert("secret".into(), new.into());
    let outgoing = outgoing("generic", "Grüße");
    accepted(send(&*open_with("generic", &values), &outbound(), &outgoing).await);
    let (headers, body) = fake.last_request("generic");
    for (secret, is_good) in [
        (new, true),
        (fake_providers::SIGNING_SECRET, true),
        ("whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==", false),
    ] {
        let asked = json!({"secret": secret, "headers": headers, "body": body});
        assert_eq!(vendors.ask("standard_accepts", asked).is_ok(), is_good, "{secret}");
    }
}

#[tokio::test]
async fn a_telegram_server_of_others_takes_what_we_send() {
    let mut vendors = Vendors::start();
    let base = text(&vendors.say("telegram_start", json!({})));
    let given = BTreeMap::from([
        ("bot_token".to_owned(), fake_providers::BOT_TOKEN.to_owned()),
        ("base_url".to_owned(), base),
    ]);
    let (provider, outbound) = (open_with("telegram", &given), outbound());
    assert!(provider.check(&outbound).await.unwrap().account.is_some());
    provider.announce(&outbound, &Url::parse(URL).unwrap()).await.unwrap();
    let accepted = accepted(send(&*provider, &outbound, &outgoing("telegram", "Grüße <b>Ama</b>")).await);
    assert!(accepted.id.starts_with("5550001/"), "{}", accepted.id);
    let taken = vendors.say("telegram_taken", json!({}));
    assert_eq!(taken[0]["message"]["text"], "Grüße <b>Ama</b>");
    assert_eq!(taken[0]["botToken"], fake_providers::BOT_TOKEN);
}

/// Every member that a message to this provider may have, so that each is held against the vendor's document.
fn everything(kind: &str) -> Outgoing {
    let mut outgoing = outgoing(kind, "Grüße & <b> 😀");
    outgoing.valid_for = Some(Duration::from_secs(600));
    match kind {
        "sendgrid" => {
            outgoing.reply_to = Some("desk@acme.test".into());
            outgoing.content.html = Some("<p>Grüße</p>".into());
            outgoing.content.unsubscribe = Some(Unsubscribe {
                url: Url::parse("https://acme.lastmile.test/u/abc").unwrap(),
                mail: Some(crate::types::EmailAddress::parse("leave@acme.test").unwrap()),
            });
            outgoing.content.attachments.push(Attachment {
                name: "bill.pdf".into(),
                content_type: "application/pdf".into(),
                bytes: Bytes::from_static(b"%PDF-1.7 fake"),
                link: None,
            });
        }
        "fcm" => {
            outgoing.content.title = Some("News".into());
            outgoing.content.data.insert("ticket".into(), "7".into());
        }
        "twilio_whatsapp" => {
            outgoing.content.template = Some(Approved {
                name: "HX0123456789abcdef0123456789abcdef".into(),
                language: "en".into(),
                parameters: vec!["Ama".into()],
            });
        }
        _ => {}
    }
    outgoing
}

#[tokio::test]
async fn what_we_send_fits_the_vendors_documents() {
    let (fake, outbound, mut vendors) = (Fake::start().await, outbound(), Vendors::start());
    for (kind, vendor, path) in [
        ("clicksend", "clicksend", "/v3/sms/send"),
        ("fcm", "fcm", "/v1/projects/acme/messages:send"),
        ("sendgrid", "sendgrid", "/v3/mail/send"),
        ("twilio", "twilio", "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json"),
        (
            "twilio_whatsapp",
            "twilio",
            "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json",
        ),
    ] {
        let base = text(&vendors.say("prism_start", json!({ "vendor": vendor })));
        let mut values = fake.values(kind);
        values.insert("base_url".into(), base.clone());
        let provider = open_with(kind, &values);
        accepted(send(&*provider, &outbound, &outgoing(kind, "Hello")).await);
        accepted(send(&*provider, &outbound, &everything(kind)).await);
        // It does not take just anything.
        let url = Url::parse(&format!("{base}{path}")).unwrap();
        let nonsense =
            crate::outbound::Request::post(url).basic("a", "b").json(&json!({"message": 7, "messages": 7}));
        let answer = outbound.send(nonsense).await.unwrap();
        assert!(matches!(answer.status, 400 | 401 | 415 | 422), "{kind}: {}", answer.status);
    }
}
