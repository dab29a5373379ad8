//! What providers are sent, and what their answers mean.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::{message::Approved, outcome::Price},
    *,
};

#[tokio::test]
async fn every_provider_sends_what_was_asked() {
    let (fake, outbound) = (Fake::start().await, outbound());
    for kind in KINDS {
        let provider = open(&fake, kind);
        let outgoing = outgoing(kind, "Ama & Kofi <3 \"ü\" 100%");
        let accepted = accepted(send(&*provider, &outbound, &outgoing).await);
        let taken = fake.taken(kind);
        let [taken] = taken.as_slice() else { panic!("{kind} took {} messages", taken.len()) };
        assert_eq!(accepted.id, taken.id, "{kind}");
        assert!(taken.was_answered);
        let to = somebody(kind);
        assert!(taken.to == to || format!("+{}", taken.to) == to, "{kind} wrote to {}", taken.to);
        let said = if kind == "sendgrid" {
            taken.body["content"][0]["value"].as_str().unwrap()
        } else {
            &taken.text
        };
        assert_eq!(said, outgoing.content.text, "{kind}");
        let gives_back = !matches!(kind, "twilio" | "twilio_whatsapp" | "telegram" | "instagram");
        let reference = if gives_back { outgoing.id.to_string() } else { String::new() };
        assert_eq!(taken.reference, reference, "{kind}");
        let is_final = matches!(kind, "telegram" | "instagram" | "fcm");
        assert_eq!(accepted.state, if is_final { State::Sent } else { State::Queued }, "{kind}");
    }
}

#[tokio::test]
async fn what_was_accepted_says_what_it_costs() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let price = |amount: &str, currency: Option<&str>| {
        Some(Price { amount: amount.parse().unwrap(), currency: currency.map(str::to_owned) })
    };
    for (kind, segments, expected) in [
        ("hubtel", None, price("0.03", None)),
        ("clicksend", Some(1), price("0.0415", Some("USD"))),
        ("twilio", Some(1), None),
        ("generic", Some(1), price("0.02", Some("GHS"))),
    ] {
        let accepted = accepted(send(&*open(&fake, kind), &outbound, &outgoing(kind, "Hello")).await);
        assert_eq!((accepted.segments, accepted.price), (segments, expected), "{kind}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn refusals_are_classed_by_what_comes_next() {
    use Class::{Account, Content as Words, Rate, Recipient, Transient, Window};
    use Reason::{Blocked, Invalid, Unregistered, Unsubscribed};
    let (fake, outbound) = (Fake::start().await, outbound());
    for (kind, code, class) in [
        ("hubtel", "1", Recipient(Invalid)),
        ("hubtel", "2", Words),
        ("hubtel", "3", Words),
        ("hubtel", "4", Transient),
        ("hubtel", "5", Words),
        ("hubtel", "6", Words),
        ("hubtel", "7", Words),
        ("hubtel", "8", Words),
        ("hubtel", "12", Account),
        ("hubtel", "100", Words),
        ("clicksend", "INVALID_RECIPIENT", Recipient(Invalid)),
        ("clicksend", "INSUFFICIENT_CREDIT", Account),
        ("clicksend", "ACCOUNT_NOT_ACTIVATED", Account),
        ("clicksend", "INVALID_SENDER_ID", Account),
        ("clicksend", "COUNTRY_NOT_ENABLED", Account),
        ("clicksend", "REGISTRATION_NEEDED", Account),
        ("clicksend", "THROTTLED", Words),
        ("clicksend", "INTERNAL_ERROR", Transient),
        ("clicksend", "SOMETHING_NEW", Words),
        ("twilio", "21211", Recipient(Invalid)),
        ("twilio", "21614", Recipient(Invalid)),
        ("twilio", "21610", Recipient(Unsubscribed)),
        ("twilio", "20429", Rate),
        ("twilio", "21606", Account),
        ("twilio", "30007", Words),
        ("twilio_whatsapp", "63016", Window),
        ("twilio_whatsapp", "63003", Recipient(Unregistered)),
        ("generic", "recipient", Recipient(Invalid)),
        ("generic", "account", Account),
        ("generic", "rate", Rate),
        ("generic", "transient", Transient),
        ("generic", "content", Words),
        ("sendgrid", "personalizations.0.to.0.email", Recipient(Invalid)),
        ("sendgrid", "from.email", Account),
        ("sendgrid", "content", Words),
        ("whatsapp_cloud", "190", Account),
        ("whatsapp_cloud", "130429", Rate),
        ("whatsapp_cloud", "131056", Rate),
        ("whatsapp_cloud", "80007", Rate),
        ("whatsapp_cloud", "4", Rate),
        ("whatsapp_cloud", "131026", Recipient(Unregistered)),
        ("whatsapp_cloud", "131047", Window),
        ("whatsapp_cloud", "131050", Recipient(Unsubscribed)),
        ("whatsapp_cloud", "132001", Words),
        ("whatsapp_cloud", "131051", Words),
        ("whatsapp_cloud", "131016", Transient),
        ("whatsapp_cloud", "200", Account),
        ("instagram", "10/2018278", Window),
        ("instagram", "551", Recipient(Blocked)),
        ("instagram", "190", Account),
        ("instagram", "613", Rate),
        ("telegram", "401", Account),
        ("telegram", "403", Recipient(Blocked)),
        ("telegram", "chat not found", Recipient(Invalid)),
        ("telegram", "message is too long", Words),
        ("telegram", "migrate:-1001234567890", Recipient(Reason::Moved { to: "-1001234567890".into() })),
        ("fcm", "UNREGISTERED", Recipient(Unregistered)),
        ("fcm", "SENDER_ID_MISMATCH", Recipient(Invalid)),
        ("fcm", "INVALID_ARGUMENT", Recipient(Invalid)),
        ("fcm", "QUOTA_EXCEEDED", Rate),
        ("fcm", "UNAVAILABLE", Transient),
        ("fcm", "INTERNAL", Transient),
        ("fcm", "THIRD_PARTY_AUTH_ERROR", Account),
    ] {
        fake.refuse(kind, somebody(kind), code);
        fake.refuse(kind, somebody(kind).trim_start_matches('+'), code);
        let refusal = refused(send(&*open(&fake, kind), &outbound, &outgoing(kind, "Hello")).await);
        assert_eq!(refusal.class, class, "{kind} {code}: {refusal:?}");
        assert!(!refusal.detail.is_empty() && !refusal.code.is_empty(), "{kind} {code}");
        assert_eq!(fake.taken(kind).len(), 0, "{kind} {code}");
    }
}

#[tokio::test]
async fn a_message_that_failed_at_once_was_not_accepted() {
    let (fake, outbound) = (Fake::start().await, outbound());
    for (kind, class) in [
        ("twilio", Class::Recipient(Reason::Unsubscribed)),
        ("clicksend", Class::Account),
        ("hubtel", Class::Content),
        ("generic", Class::Content),
    ] {
        fake.fail_next(kind, 1, fake_providers::Fault::ErrorBody);
        let refusal = refused(send(&*open(&fake, kind), &outbound, &outgoing(kind, "Hello")).await);
        assert_eq!(refusal.class, class, "{kind}: 2xx with a body that says no");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_any_call() {
    let fake = Fake::start().await;
    let long = |count: usize| "a".repeat(count);
    for (kind, text, code) in [
        ("hubtel", String::new(), "empty"),
        ("hubtel", " \n ".into(), "empty"),
        ("hubtel", long(1_531), "too_long"),
        ("clicksend", "ü₵".repeat(400), "too_long"),
        ("twilio", long(1_601), "too_long"),
        ("twilio_whatsapp", long(1_601), "too_long"),
        ("generic", String::new(), "empty"),
        ("whatsapp_cloud", long(4_097), "too_long"),
        ("telegram", "😀".repeat(2_049), "too_long"),
        ("telegram", String::new(), "empty"),
        ("instagram", "ü".repeat(501), "too_long"),
        ("fcm", long(4_097), "too_long"),
    ] {
        let refusal = open(&fake, kind).prepare(&outgoing(kind, &text)).unwrap_err();
        assert_eq!((&*refusal.code, &refusal.class), (code, &Class::Content), "{kind} {}", text.len());
    }
    for (kind, text) in [
        ("hubtel", long(1_530)),
        ("twilio", long(1_530)),
        ("whatsapp_cloud", long(4_096)),
        ("telegram", "😀".repeat(2_048)),
        ("instagram", "ü".repeat(500)),
        ("fcm", long(3_500)),
    ] {
        assert!(open(&fake, kind).prepare(&outgoing(kind, &text)).is_ok(), "{kind} {}", text.len());
    }
    let mut with_file = outgoing("hubtel", "Look");
    with_file.content.attachments.push(file());
    for kind in ["hubtel", "clicksend", "generic", "fcm", "twilio", "whatsapp_cloud"] {
        let refusal = open(&fake, kind).prepare(&with_file).unwrap_err();
        assert!(
            refusal.code.contains("attachment"),
            "{kind}: a file without a link is not lost: {refusal:?}"
        );
    }
    let mut without_subject = outgoing("sendgrid", "Hello");
    without_subject.content.subject = Some("\r\n".into());
    assert_eq!(open(&fake, "sendgrid").prepare(&without_subject).unwrap_err().code, "no_subject");
    let mut reserved = outgoing("fcm", "Hello");
    reserved.content.data.insert("google.x".into(), "1".into());
    assert_eq!(open(&fake, "fcm").prepare(&reserved).unwrap_err().code, "reserved_key");
    for kind in KINDS {
        assert_eq!(fake.calls(kind), 0, "{kind}");
    }
}

#[tokio::test]
async fn an_sms_says_its_segments() {
    let fake = Fake::start().await;
    for kind in ["hubtel", "clicksend", "twilio", "generic"] {
        let prepared = open(&fake, kind).prepare(&outgoing(kind, &"a".repeat(161))).unwrap();
        assert_eq!(prepared.segments.unwrap().count, 2, "{kind}");
    }
}

fn file() -> Attachment {
    Attachment {
        name: "bill \"1\"\r\n.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: Bytes::from_static(b"%PDF-1.7 fake"),
        link: None,
    }
}

fn linked(content_type: &str) -> Attachment {
    let link = Url::parse("https://acme.lastmile.test/files/abc?x=1&y=2").unwrap();
    Attachment {
        content_type: content_type.into(),
        link: Some(link),
        name: "map.pdf".into(),
        bytes: Bytes::new(),
    }
}

#[tokio::test]
async fn files_go_the_way_that_the_channel_has() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let link = "https://acme.lastmile.test/files/abc?x=1&y=2";
    for (kind, file, text, pointer, expected) in [
        ("twilio_whatsapp", linked("image/png"), "Look", "/MediaUrl", json!(link)),
        ("whatsapp_cloud", linked("image/png"), "Look", "/image", json!({"link": link, "caption": "Look"})),
        ("whatsapp_cloud", linked("audio/ogg"), "", "/audio", json!({"link": link})),
        (
            "whatsapp_cloud",
            linked("application/pdf"),
            "",
            "/document",
            json!({"link": link, "filename": "map.pdf"}),
        ),
        ("instagram", linked("image/png"), "", "/message/attachment/type", json!("image")),
        (
            "telegram",
            file(),
            "Your bill",
            "/document",
            json!({"filename": "bill _1___.pdf", "content": "%PDF-1.7 fake"}),
        ),
        ("telegram", file(), "Your bill", "/caption", json!("Your bill")),
        ("sendgrid", file(), "Your bill", "/attachments/0/content", json!(STANDARD.encode("%PDF-1.7 fake"))),
    ] {
        let mut outgoing = outgoing(kind, text);
        outgoing.content.attachments.push(file);
        accepted(send(&*open(&fake, kind), &outbound, &outgoing).await);
        let taken = fake.taken(kind);
        assert_eq!(taken.last().unwrap().body.pointer(pointer), Some(&expected), "{kind}");
    }
    let mut audio = outgoing("whatsapp_cloud", "With words");
    audio.content.attachments.push(linked("audio/ogg"));
    assert_eq!(open(&fake, "whatsapp_cloud").prepare(&audio).unwrap_err().code, "no_caption");
}

#[tokio::test]
async fn approved_templates_pass_a_closed_window() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let template = Approved {
        name: "HX0123".into(),
        language: "en_GB".into(),
        parameters: vec!["Ama \"A\"".into(), "7".into()],
    };
    for (kind, pointer, expected) in [
        ("twilio_whatsapp", "/ContentVariables", json!(r#"{"1":"Ama \"A\"","2":"7"}"#)),
        (
            "whatsapp_cloud",
            "/template",
            json!({"name": "HX0123", "language": {"code": "en_GB"}, "components": [{"type": "body", "parameters": [
                {"type": "text", "text": "Ama \"A\""}, {"type": "text", "text": "7"}]}]}),
        ),
    ] {
        let provider = open(&fake, kind);
        let mut outgoing = outgoing(kind, "Hello");
        outgoing.last_heard_at = Some(outgoing.now - chrono::TimeDelta::hours(24));
        assert_eq!(provider.prepare(&outgoing).unwrap_err().class, Class::Window, "{kind}");
        outgoing.last_heard_at = None;
        assert!(provider.prepare(&outgoing).is_ok(), "{kind}: the provider judges what we do not know");
        outgoing.last_heard_at = Some(outgoing.now - chrono::TimeDelta::days(40));
        outgoing.content.template = Some(template.clone());
        accepted(send(&*provider, &outbound, &outgoing).await);
        assert_eq!(fake.taken(kind)[0].body.pointer(pointer), Some(&expected), "{kind}");
    }
    let mut outgoing = outgoing("telegram", "Hello");
    outgoing.content.template = Some(template);
    for kind in ["telegram", "hubtel", "instagram", "sendgrid", "fcm", "generic", "clicksend", "twilio"] {
        let prepared = open(&fake, kind).prepare(&outgoing);
        assert!(prepared.is_err() || kind == "twilio", "{kind} has no templates of its own");
    }
}

#[tokio::test]
async fn instagram_answers_late_only_where_people_may() {
    let fake = Fake::start().await;
    let mut given = fake.values("instagram");
    let mut late = outgoing("instagram", "Sorry for the wait");
    late.last_heard_at = Some(late.now - chrono::TimeDelta::hours(30));
    let without = open_with("instagram", &given);
    assert_eq!(without.prepare(&late).unwrap_err().class, Class::Window);
    given.insert("human_agent".into(), "on".into());
    let with = open_with("instagram", &given);
    accepted(send(&*with, &outbound(), &late).await);
    assert_eq!(fake.taken("instagram")[0].body["tag"], "HUMAN_AGENT");
    late.last_heard_at = Some(late.now - chrono::TimeDelta::days(7));
    assert_eq!(with.prepare(&late).unwrap_err().class, Class::Window);
}

#[tokio::test]
async fn twilio_is_told_where_receipts_go_and_how_long_a_message_is_good() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let mut given = fake.values("twilio");
    given.insert("messaging_service_sid".into(), "MG1".into());
    let mut outgoing = outgoing("twilio", "Code 1234");
    outgoing.valid_for = Some(Duration::from_secs(99_999));
    accepted(send(&*open_with("twilio", &given), &outbound, &outgoing).await);
    outgoing.from = Some("+15005550099".into());
    accepted(send(&*open_with("twilio", &given), &outbound, &outgoing).await);
    let taken = fake.taken("twilio");
    assert_eq!(taken[0].body["MessagingServiceSid"], "MG1");
    assert!(taken[0].body["From"].is_null());
    assert_eq!(taken[0].body["StatusCallback"], "https://acme.lastmile.test/hooks/x/opaque");
    assert_eq!(taken[0].body["ValidityPeriod"], "36000");
    assert_eq!(taken[1].body["From"], "+15005550099");
}

#[tokio::test]
async fn mail_can_be_left_with_one_click_and_keeps_its_links() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let mut outgoing = outgoing("sendgrid", "Hello");
    outgoing.content.subject = Some("News\r\nBcc: x@y.test".into());
    outgoing.content.html = Some("<p>Hello</p>".into());
    outgoing.reply_to = Some("<their@mail.test>\r\nBcc: x".into());
    outgoing.content.unsubscribe = Some(Unsubscribe {
        url: Url::parse("https://acme.lastmile.test/u/abc").unwrap(),
        mail: Some(crate::types::EmailAddress::parse("leave@acme.test").unwrap()),
    });
    accepted(send(&*open(&fake, "sendgrid"), &outbound, &outgoing).await);
    let body = &fake.taken("sendgrid")[0].body;
    assert_eq!(
        body["headers"],
        json!({"List-Unsubscribe": "<https://acme.lastmile.test/u/abc>, <mailto:leave@acme.test>",
               "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
               "In-Reply-To": "<their@mail.test>Bcc:x", "References": "<their@mail.test>Bcc:x"})
    );
    assert_eq!(body["subject"], "News Bcc: x@y.test");
    assert_eq!(body["content"][1], json!({"type": "text/html", "value": "<p>Hello</p>"}));
    assert_eq!(body["tracking_settings"]["click_tracking"]["enable"], false);
    assert_eq!(body["from"], json!({"email": "noc@acme.test", "name": "Acme Net"}));
}

#[tokio::test]
async fn a_message_can_be_asked_for() {
    let (fake, outbound) = (Fake::start().await, outbound());
    for (kind, word, state) in [
        ("hubtel", "Delivered", Some(State::Delivered)),
        ("hubtel", "Undelivered", Some(State::Failed)),
        ("hubtel", "Delivery Failed", Some(State::Failed)),
        ("hubtel", "Rejected", Some(State::Failed)),
        ("hubtel", "Expired", Some(State::Failed)),
        ("hubtel", "Teleported", None),
        ("clicksend", "201", Some(State::Delivered)),
        ("clicksend", "301", Some(State::Failed)),
        ("clicksend", "999", None),
        ("twilio", "delivered", Some(State::Delivered)),
        ("twilio", "undelivered", Some(State::Failed)),
        ("twilio_whatsapp", "read", Some(State::Read)),
        ("generic", "delivered", Some(State::Delivered)),
        ("generic", "melted", None),
    ] {
        let provider = open(&fake, kind);
        let id = accepted(send(&*provider, &outbound, &outgoing(kind, "Hello")).await).id;
        fake.becomes(&id, word);
        let receipt = provider.poll(&outbound, &id).await.unwrap().unwrap();
        assert_eq!((receipt.state, &*receipt.message_id), (state, &*id), "{kind} {word}");
        assert_eq!(receipt.refusal.is_some(), state == Some(State::Failed), "{kind} {word}");
        assert!(!receipt.is_hint, "{kind}: an answer to a question is no hint");
        assert_eq!(provider.poll(&outbound, "no-such-message").await.unwrap(), None, "{kind}");
    }
    let twilio = open(&fake, "twilio");
    let id = fake.taken("twilio")[0].id.clone();
    let receipt = twilio.poll(&outbound, &id).await.unwrap().unwrap();
    assert_eq!(
        receipt.price,
        Some(Price { amount: "0.00750".parse().unwrap(), currency: Some("USD".into()) })
    );
    assert_eq!(receipt.segments, Some(2));
    fake.revoke("hubtel");
    let refusal = open(&fake, "hubtel").poll(&outbound, "x").await.unwrap_err();
    assert_eq!(refusal.class, Class::Account);
}

#[tokio::test]
async fn a_credential_can_be_checked_without_sending() {
    let (fake, outbound) = (Fake::start().await, outbound());
    for kind in KINDS {
        let checked =
            open(&fake, kind).check(&outbound).await.unwrap_or_else(|refusal| panic!("{kind}: {refusal:?}"));
        let account = match kind {
            "clicksend" => Some("fake-client"),
            "fcm" => Some("fake-project"),
            "generic" => Some("Phone in a drawer"),
            "instagram" => Some("Acme Net"),
            "telegram" => Some("@acme_bot"),
            "twilio" | "twilio_whatsapp" => Some(fake_providers::ACCOUNT),
            "whatsapp_cloud" => Some("Acme Net +233 20 000 0000"),
            _ => None,
        };
        assert_eq!(checked.account.as_deref(), account, "{kind}");
        assert_eq!(
            checked.balance.is_some(),
            matches!(kind, "clicksend" | "generic" | "twilio" | "twilio_whatsapp")
        );
        assert_eq!(fake.taken(kind).len(), 0, "{kind}");
        fake.revoke(kind);
        let refusal = open(&fake, kind).check(&outbound).await.unwrap_err();
        assert_eq!(refusal.class, Class::Account, "{kind}: {refusal:?}");
    }
}

#[tokio::test]
async fn a_bot_tells_telegram_its_hook_and_a_secret() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let url = Url::parse("https://acme.lastmile.test/hooks/telegram/opaque").unwrap();
    open(&fake, "telegram").announce(&outbound, &url).await.unwrap();
    let (told, secret) = fake.hook_of("telegram").unwrap();
    assert_eq!(told, url.as_str());
    assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(!secret.contains("AAfake"));
}

#[tokio::test]
async fn a_thousand_pushes_ask_for_one_token() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let provider: Arc<dyn Provider> = open(&fake, "fcm");
    let sent = join_all((0..50).map(|_| {
        let (provider, outbound) = (provider.clone(), outbound.clone());
        async move { send(&*provider, &outbound, &outgoing("fcm", "Hello")).await }
    }))
    .await;
    assert!(sent.into_iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
    assert_eq!((fake.calls("fcm_token"), fake.taken("fcm").len()), (1, 50));
    // Google forgets the token: one push is refused, and the next one has a new token.
    fake.expire_tokens();
    assert_eq!(refused(send(&*provider, &outbound, &outgoing("fcm", "Hello")).await).class, Class::Transient);
    accepted(send(&*provider, &outbound, &outgoing("fcm", "Hello")).await);
    assert_eq!(fake.calls("fcm_token"), 2);
}

#[tokio::test]
async fn a_revoked_key_is_the_tenants_matter_and_is_not_asked_for_again_at_once() {
    let (fake, outbound) = (Fake::start().await, outbound());
    fake.fail_next("fcm_token", 1, fake_providers::Fault::Cut);
    let unlucky = refused(send(&*open(&fake, "fcm"), &outbound, &outgoing("fcm", "Hello")).await);
    assert_eq!(unlucky.class, Class::Transient, "{unlucky:?}");
    fake.revoke("fcm");
    let provider = open(&fake, "fcm");
    for _ in 0..20 {
        let refusal = refused(send(&*provider, &outbound, &outgoing("fcm", "Hello")).await);
        assert_eq!((&refusal.class, &*refusal.code), (&Class::Account, "invalid_grant"));
    }
    assert_eq!(fake.calls("fcm_token"), 2);
}

#[tokio::test]
async fn a_push_carries_data_and_how_long_it_is_good() {
    let (fake, outbound) = (Fake::start().await, outbound());
    let mut outgoing = outgoing("fcm", "Your line is back");
    outgoing.content.title = Some("Acme".into());
    outgoing.content.data = BTreeMap::from([("ticket".into(), "17".into())]);
    outgoing.valid_for = Some(Duration::from_secs(3_600));
    accepted(send(&*open(&fake, "fcm"), &outbound, &outgoing).await);
    assert_eq!(
        fake.taken("fcm")[0].body["message"],
        json!({"token": "device-token:APA91b", "notification": {"title": "Acme", "body": "Your line is back"},
               "data": {"ticket": "17", "delivery_id": outgoing.id}, "android": {"priority": "HIGH", "ttl": "3600s"}})
    );
}

#[test]
fn nothing_that_is_prepared_shows_itself() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start());
    for kind in KINDS {
        let prepared = open(&fake, kind).prepare(&outgoing(kind, "text-canary")).unwrap();
        let shown = format!("{prepared:?} {:?}", values(kind, &fake.values(kind)));
        for canary in ["text-canary", fake_providers::SECRET, "AAfake", somebody(kind)] {
            assert!(!shown.contains(canary), "{kind} shows {canary}: {shown}");
        }
    }
}
