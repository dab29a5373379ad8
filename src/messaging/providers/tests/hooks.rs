//! What providers tell us, signed by the fake: heard when it is true, refused when it is not, and never a reason to fall over.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const URL: &str = "https://acme.lastmile.test/hooks/x/opaque?a=1";

/// Those whose calls prove who makes them.
const SIGNED: [&str; 6] = ["twilio", "twilio_whatsapp", "sendgrid", "whatsapp_cloud", "instagram", "generic"];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn receipts_are_heard_in_our_words() {
    use Class::{Content as Words, Recipient, Transient, Window};
    let fake = Fake::start().await;
    for (kind, word, code, state, class) in [
        ("twilio", "sent", "", Some(State::Sent), None),
        ("twilio", "delivered", "", Some(State::Delivered), None),
        ("twilio", "undelivered", "30003", Some(State::Failed), Some(Transient)),
        ("twilio", "undelivered", "30006", Some(State::Failed), Some(Recipient(Reason::Invalid))),
        ("twilio", "failed", "30007", Some(State::Failed), Some(Words)),
        ("twilio", "beamed", "", None, None),
        ("twilio_whatsapp", "read", "", Some(State::Read), None),
        ("twilio_whatsapp", "failed", "63016", Some(State::Failed), Some(Window)),
        ("sendgrid", "processed", "", Some(State::Sent), None),
        ("sendgrid", "deferred", "421 later", Some(State::Sent), None),
        ("sendgrid", "delivered", "", Some(State::Delivered), None),
        ("sendgrid", "open", "", Some(State::Read), None),
        ("sendgrid", "click", "", Some(State::Read), None),
        ("sendgrid", "bounce", "550 no such", Some(State::Failed), Some(Recipient(Reason::Invalid))),
        ("sendgrid", "dropped", "Bounced Address", Some(State::Failed), Some(Recipient(Reason::Invalid))),
        (
            "sendgrid",
            "dropped",
            "Unsubscribed Address",
            Some(State::Failed),
            Some(Recipient(Reason::Unsubscribed)),
        ),
        (
            "sendgrid",
            "dropped",
            "Spam Reporting Address",
            Some(State::Failed),
            Some(Recipient(Reason::Complained)),
        ),
        ("sendgrid", "spamreport", "", None, Some(Recipient(Reason::Complained))),
        ("sendgrid", "unsubscribe", "", None, Some(Recipient(Reason::Unsubscribed))),
        ("sendgrid", "group_unsubscribe", "", None, Some(Recipient(Reason::Unsubscribed))),
        ("sendgrid", "account_status_change", "", None, None),
        ("whatsapp_cloud", "sent", "", Some(State::Sent), None),
        ("whatsapp_cloud", "delivered", "", Some(State::Delivered), None),
        ("whatsapp_cloud", "read", "", Some(State::Read), None),
        ("whatsapp_cloud", "played", "", Some(State::Read), None),
        ("whatsapp_cloud", "failed", "131026", Some(State::Failed), Some(Recipient(Reason::Unregistered))),
        ("whatsapp_cloud", "failed", "131047", Some(State::Failed), Some(Window)),
        ("whatsapp_cloud", "warned", "", None, None),
        ("instagram", "read", "", Some(State::Read), None),
        ("generic", "delivered", "", Some(State::Delivered), None),
        ("generic", "failed", "recipient", Some(State::Failed), Some(Recipient(Reason::Invalid))),
        ("hubtel", "Delivered", "", Some(State::Delivered), None),
        ("hubtel", "Undelivered", "", Some(State::Failed), Some(Transient)),
        ("clicksend", "201", "", Some(State::Delivered), None),
        ("clicksend", "301", "12", Some(State::Failed), Some(Transient)),
    ] {
        let call = fake.receipt(kind, URL, "message-7", word, code);
        let heard =
            open(&fake, kind).hear(&hook(&call)).unwrap_or_else(|error| panic!("{kind} {word}: {error:?}"));
        let [receipt] = heard.receipts.as_slice() else { panic!("{kind} {word}: {heard:?}") };
        assert_eq!(receipt.message_id, "message-7", "{kind} {word}");
        assert_eq!(receipt.state, state, "{kind} {word}");
        assert_eq!(
            receipt.refusal.as_ref().map(|refusal| &refusal.class),
            class.as_ref(),
            "{kind} {word} {code}"
        );
        assert!(receipt.word.contains(word), "{kind}: the provider's word is kept");
        assert_eq!(receipt.is_hint, matches!(kind, "hubtel" | "clicksend"), "{kind}");
        assert!(heard.inbound.is_empty());
    }
}

#[tokio::test]
async fn receipts_find_their_delivery_and_are_the_same_when_told_again() {
    let (fake, outbound) = (Fake::start().await, outbound());
    for kind in ["sendgrid", "whatsapp_cloud"] {
        let provider = open(&fake, kind);
        let outgoing = outgoing(kind, "Hello");
        let id = accepted(send(&*provider, &outbound, &outgoing).await).id;
        let call = fake.receipt(kind, URL, &id, "delivered", "");
        let first = provider.hear(&hook(&call)).unwrap().receipts.remove(0);
        let again = provider.hear(&hook(&call)).unwrap().receipts.remove(0);
        assert_eq!((first.reference, &*first.message_id), (Some(outgoing.id), &*id), "{kind}");
        assert_eq!(first.key(), again.key());
        let other = fake.receipt(kind, URL, &id, "processed", "");
        assert_ne!(provider.hear(&hook(&other)).unwrap().receipts[0].key(), first.key(), "{kind}");
    }
}

#[tokio::test]
async fn what_people_write_is_heard() {
    let fake = Fake::start().await;
    let telegram_hook = Url::parse(URL).unwrap();
    open(&fake, "telegram").announce(&outbound(), &telegram_hook).await.unwrap();
    for kind in
        ["clicksend", "twilio", "twilio_whatsapp", "whatsapp_cloud", "instagram", "telegram", "generic"]
    {
        let from = somebody(kind);
        let call = fake.inbound(kind, URL, from, "STOP ü");
        let heard = open(&fake, kind).hear(&hook(&call)).unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        let [inbound] = heard.inbound.as_slice() else { panic!("{kind}: {heard:?}") };
        assert_eq!(
            (&*inbound.from, &*inbound.text, inbound.kind),
            (from, "STOP ü", InboundKind::Message),
            "{kind}"
        );
        assert!(heard.receipts.is_empty() && !inbound.id.is_empty(), "{kind}");
        let has_name = matches!(kind, "twilio_whatsapp" | "whatsapp_cloud" | "telegram");
        assert_eq!(inbound.name.as_deref(), has_name.then_some("Ama"), "{kind}");
        let channel = about(kind).unwrap().channel;
        let country = crate::types::Country::parse("GH").unwrap();
        assert_eq!(Address::parse(channel, &inbound.from, &country).unwrap().as_str(), from, "{kind}");
    }
}

#[tokio::test]
async fn a_forged_call_is_not_heard() {
    let fake = Fake::start().await;
    for kind in SIGNED {
        let provider = open(&fake, kind);
        let word = if kind == "instagram" { "read" } else { "delivered" };
        let call = fake.receipt(kind, URL, "message-7", word, "");
        assert!(provider.greet(&hook(&call)).is_ok(), "{kind}");
        let mut forged = call.clone();
        let at = forged.body.iter().position(|b| *b == b'7').unwrap();
        forged.body[at] = b'8';
        assert_eq!(provider.hear(&hook(&forged)), Err(HookRefusal::BadSignature), "{kind}: one bit");
        let mut longer = call.clone();
        longer.body.extend_from_slice(if kind.starts_with("twilio") { b"&Evil=1" } else { b" " });
        assert_eq!(provider.hear(&hook(&longer)), Err(HookRefusal::BadSignature), "{kind}: one byte more");
        let header = call.headers.keys().find(|name| name.contains("signature")).unwrap().clone();
        let mut unsigned = call.clone();
        unsigned.headers.remove(&header);
        assert_eq!(provider.hear(&hook(&unsigned)), Err(HookRefusal::Unsigned), "{kind}");
        let mut empty = call.clone();
        empty.headers.insert(header, String::new());
        assert!(provider.hear(&hook(&empty)).is_err(), "{kind}: an empty signature");
        let got = Hook { is_get: true, ..hook(&call) };
        assert!(provider.hear(&got).is_err(), "{kind}: GET is no receipt");
    }
}

#[tokio::test]
async fn a_kept_call_grows_stale_where_its_time_is_signed() {
    let fake = Fake::start().await;
    for kind in ["sendgrid", "generic"] {
        let provider = open(&fake, kind);
        let call = fake.receipt(kind, URL, "message-7", "delivered", "");
        for (age, expected) in
            [(299, None), (303, Some(HookRefusal::Stale)), (-303, Some(HookRefusal::Stale))]
        {
            let hook = Hook { received_at: Utc::now() + TimeDelta::seconds(age), ..hook(&call) };
            assert_eq!(provider.greet(&hook).err(), expected, "{kind} {age}");
        }
        // The time belongs to what is signed: it cannot be renewed.
        let mut renewed = call.clone();
        let name = renewed.headers.keys().find(|name| name.ends_with("timestamp")).unwrap().clone();
        renewed.headers.insert(name, (Utc::now().timestamp() + 1).to_string());
        assert_eq!(provider.greet(&hook(&renewed)), Err(HookRefusal::BadSignature), "{kind}");
    }
}

#[tokio::test]
async fn without_what_proves_it_nothing_is_believed() {
    let fake = Fake::start().await;
    for (kind, field) in
        [("sendgrid", "webhook_key"), ("whatsapp_cloud", "app_secret"), ("instagram", "app_secret")]
    {
        let mut given = fake.values(kind);
        given.remove(field);
        let word = if kind == "instagram" { "read" } else { "delivered" };
        let call = fake.receipt(kind, URL, "message-7", word, "");
        assert_eq!(open_with(kind, &given).hear(&hook(&call)), Err(HookRefusal::NotConfigured), "{kind}");
    }
    let call = fake.receipt("hubtel", URL, "message-7", "Delivered", "");
    assert_eq!(open(&fake, "fcm").hear(&hook(&call)), Err(HookRefusal::NotHere), "Firebase never calls");
}

#[tokio::test]
async fn telegrams_secret_is_looked_at() {
    let fake = Fake::start().await;
    let provider = open(&fake, "telegram");
    let call = fake.inbound("telegram", URL, "5550001", "Hi");
    assert_eq!(provider.hear(&hook(&call)), Err(HookRefusal::BadSignature), "before it was announced");
    let url = Url::parse(URL).unwrap();
    provider.announce(&outbound(), &url).await.unwrap();
    let mut call = fake.inbound("telegram", URL, "5550001", "Hi");
    assert!(provider.hear(&hook(&call)).is_ok());
    let name = "x-telegram-bot-api-secret-token";
    for wrong in
        [call.headers[name].replace(|c: char| c.is_ascii_digit(), "x"), "secret".into(), String::new()]
    {
        let headers = BTreeMap::from([(name.to_owned(), wrong)]);
        assert_eq!(provider.hear(&Hook { headers: &headers, ..hook(&call) }), Err(HookRefusal::BadSignature));
    }
    call.headers.remove(name);
    assert_eq!(provider.hear(&hook(&call)), Err(HookRefusal::Unsigned));
}

#[tokio::test]
async fn hubtels_signature_is_asked_for_where_a_secret_was_agreed_on() {
    let fake = Fake::start().await;
    let mut given = fake.values("hubtel");
    given.insert("webhook_secret".into(), "secret".into());
    let provider = open_with("hubtel", &given);
    let mut call = fake.receipt("hubtel", URL, "message-7", "Delivered", "");
    assert_eq!(provider.hear(&hook(&call)), Err(HookRefusal::Unsigned));
    call.body = br#"{"messageId":"message-7","status":"Delivered"}"#.to_vec();
    // printf '%s' BODY | openssl dgst -sha256 -hmac secret
    let mac = data_encoding::HEXLOWER.encode(&signature::hmac_sha256(b"secret", &[&call.body]));
    for spelling in [mac.clone(), mac.to_uppercase(), format!("sha256={mac}")] {
        call.headers.insert("x-hubtel-signature".into(), spelling);
        let heard = provider.hear(&hook(&call)).unwrap();
        assert!(!heard.receipts[0].is_hint);
    }
    // Forms and lists of receipts come, too.
    call.body = b"messageId=message-8&status=Delivery+Failed".to_vec();
    call.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    let open_one = open(&fake, "hubtel");
    assert_eq!(open_one.hear(&hook(&call)).unwrap().receipts[0].state, Some(State::Failed));
    call.body = br#"[{"messageId":"a","status":"Sent"},{"messageId":"b","status":"Delivered"},7]"#.to_vec();
    call.headers.insert("content-type".into(), "application/json".into());
    assert_eq!(open_one.hear(&hook(&call)).unwrap().receipts.len(), 2);
}

/// A body as Meta would sign it.
fn meta(body: &serde_json::Value) -> Call {
    let bytes = body.to_string().into_bytes();
    let mac = signature::hmac_sha256(fake_providers::SECRET.as_bytes(), &[&bytes]);
    let headers = BTreeMap::from([(
        "x-hub-signature-256".to_owned(),
        format!("sha256={}", data_encoding::HEXLOWER.encode(&mac)),
    )]);
    Call { url: URL.into(), headers, body: bytes }
}

#[tokio::test]
async fn meta_batches_are_heard_whole_and_our_own_echo_is_not() {
    let fake = Fake::start().await;
    let whatsapp = open(&fake, "whatsapp_cloud");
    let value = |statuses: serde_json::Value, messages: serde_json::Value| {
        json!({"changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": "77"},
               "statuses": statuses, "messages": messages}}]})
    };
    let call = meta(&json!({"object": "whatsapp_business_account", "entry": [
        value(json!([{"id": "a", "status": "sent"}, {"id": "b", "status": "read"}]), json!([])),
        value(json!([{"id": "c", "status": "delivered"}, {"no": "id"}]), json!([
            {"from": "233200000001", "id": "m1", "type": "image", "timestamp": "1795000000",
             "image": {"id": "media-1", "mime_type": "image/jpeg", "caption": "My modem"}},
            {"from": "233200000001", "id": "m2", "type": "interactive",
             "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}},
            {"from": "233200000001", "id": "m3", "type": "hologram"}]))]}));
    let heard = whatsapp.hear(&hook(&call)).unwrap();
    let ids: Vec<&str> = heard.receipts.iter().map(|receipt| &*receipt.message_id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let kinds: Vec<InboundKind> = heard.inbound.iter().map(|inbound| inbound.kind).collect();
    assert_eq!(kinds, [InboundKind::Message, InboundKind::Button, InboundKind::Other]);
    let image = &heard.inbound[0];
    assert_eq!(
        (&*image.text, &*image.media[0].place, image.to.as_deref()),
        ("My modem", "media-1", Some("77"))
    );
    assert_eq!(heard.inbound[1].text, "yes");
    let instagram = open(&fake, "instagram");
    let event = |inner: serde_json::Value| {
        let mut event =
            json!({"sender": {"id": "9"}, "recipient": {"id": "1"}, "timestamp": 1_795_000_000_000_i64});
        event.as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
        event
    };
    let call = meta(&json!({"object": "instagram", "entry": [{"id": "1", "messaging": [
        event(json!({"message": {"mid": "e", "text": "Our own", "is_echo": true}})),
        event(json!({"message": {"mid": "i", "text": "Hi", "reply_to": {"mid": "ours"}}})),
        event(json!({"message": {"mid": "p", "attachments": [{"type": "image", "payload": {"url": "https://x.test/1"}}]}})),
        event(json!({"postback": {"mid": "b", "payload": "MENU"}})),
        event(json!({"reaction": {"mid": "ours", "emoji": "❤"}}))]}]}));
    let heard = instagram.hear(&hook(&call)).unwrap();
    let seen: Vec<(&str, &str)> =
        heard.inbound.iter().map(|inbound| (&*inbound.id, &*inbound.text)).collect();
    assert_eq!(seen, [("i", "Hi"), ("p", ""), ("b", "MENU"), ("reaction/9/1795000000000", "❤")]);
    assert_eq!(heard.inbound[0].reply_to.as_deref(), Some("ours"));
    assert_eq!(heard.inbound[0].at, Some(at("2026-11-18T11:06:40Z")));
}

#[tokio::test]
async fn telegrams_other_updates_are_understood() {
    let fake = Fake::start().await;
    let provider = open(&fake, "telegram");
    provider.announce(&outbound(), &Url::parse(URL).unwrap()).await.unwrap();
    let hear = |update: serde_json::Value| {
        let mut call = fake.inbound("telegram", URL, "1", "x");
        call.body = update.to_string().into_bytes();
        provider.hear(&hook(&call)).map(|heard| heard.inbound)
    };
    let one = |update| hear(update).unwrap().remove(0);
    let kicked = one(
        json!({"update_id": 1, "my_chat_member": {"chat": {"id": 5}, "date": 1, "new_chat_member": {"status": "kicked"}}}),
    );
    assert_eq!((kicked.kind, &*kicked.from), (InboundKind::Blocked, "5"));
    let back = one(
        json!({"update_id": 2, "my_chat_member": {"chat": {"id": 5}, "new_chat_member": {"status": "member"}}}),
    );
    assert_eq!(back.kind, InboundKind::Unblocked);
    let pressed = one(
        json!({"update_id": 3, "callback_query": {"id": "1", "data": "yes", "from": {"id": 5}, "message": {"chat": {"id": -7}}}}),
    );
    assert_eq!((pressed.kind, &*pressed.from, &*pressed.text), (InboundKind::Button, "-7", "yes"));
    let photo = one(json!({"update_id": 4, "message": {"message_id": 9, "chat": {"id": 5}, "caption": "See",
        "photo": [{"file_id": "small"}, {"file_id": "big"}], "reply_to_message": {"message_id": 8}}}));
    assert_eq!(
        (&*photo.text, &*photo.media[0].place, photo.reply_to.as_deref()),
        ("See", "big", Some("5/8"))
    );
    assert!(hear(json!({"update_id": 5, "poll": {}})).unwrap().is_empty());
    assert_eq!(hear(json!({"no": "id"})), Err(HookRefusal::Malformed));
}

#[tokio::test]
async fn twilio_signs_json_by_its_hash() {
    let fake = Fake::start().await;
    let provider = open(&fake, "twilio");
    let body = br#"{"MessageSid":"SM1"}"#;
    let hash = signature::sha256_hex(body);
    let url = format!("https://acme.lastmile.test/hooks/x/opaque?bodySHA256={hash}");
    let mac = signature::hmac_sha1(fake_providers::SECRET.as_bytes(), &[url.as_bytes()]);
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac);
    let headers = BTreeMap::from([("x-twilio-signature".to_owned(), signature)]);
    let greet = |body: &[u8]| {
        provider.greet(&Hook { is_get: false, url: &url, headers: &headers, body, received_at: Utc::now() })
    };
    assert!(greet(body).is_ok());
    assert_eq!(greet(br#"{"MessageSid":"SM2"}"#), Err(HookRefusal::BadSignature));
}

#[test]
fn a_machine_that_opens_letters_has_not_read_them() {
    let runtime = runtime();
    let fake = runtime.block_on(Fake::start());
    let mut call = fake.receipt("sendgrid", URL, "m", "open", "");
    let mut events: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    events[0]["sg_machine_open"] = json!(true);
    call.body = events.to_string().into_bytes();
    let provider = open(&fake, "sendgrid");
    assert_eq!(provider.hear(&hook(&call)), Err(HookRefusal::BadSignature));
    events[0]["type"] = json!("blocked");
    for (event, state, has_refusal) in [("open", None, false), ("bounce", Some(State::Failed), true)] {
        events[0]["event"] = json!(event);
        let receipt = sendgrid::receipt(&events[0]).unwrap();
        assert_eq!((receipt.state, receipt.refusal.is_some()), (state, has_refusal));
        let class = receipt.refusal.map(|refusal| refusal.class);
        assert!(class.is_none() || class == Some(Class::Transient), "a block is not the address's fault");
    }
}

#[test]
fn what_was_seen_delivered_is_not_failed() {
    use State::{Delivered, Failed, Queued, Read, Sent};
    for (known, told, state) in [
        (Queued, Sent, Sent),
        (Sent, Queued, Sent),
        (Sent, Failed, Failed),
        (Failed, Sent, Failed),
        (Failed, Delivered, Delivered),
        (Delivered, Failed, Delivered),
        (Read, Delivered, Read),
        (Delivered, Read, Read),
    ] {
        assert_eq!(known.and(told), state, "{known:?}, then {told:?}");
    }
}

proptest! {
    /// However receipts are ordered or doubled, the end is the same and no step goes back.
    #[test]
    fn a_state_never_goes_backwards(told in proptest::collection::vec(0_usize..5, 1..12), seed in any::<u64>()) {
        let all = [State::Queued, State::Sent, State::Failed, State::Delivered, State::Read];
        let mut state = State::Queued;
        for turn in &told {
            let next = state.and(all[*turn]);
            prop_assert!(next >= state);
            state = next;
        }
        let mut other = told.clone();
        let middle = usize::try_from(seed % (other.len() as u64)).unwrap();
        other.rotate_left(middle);
        other.extend_from_slice(&told);
        let again = other.iter().fold(State::Queued, |state, turn| state.and(all[*turn]));
        prop_assert_eq!(state, again);
    }
}

/// JSON with the names that our readers look for, in all the wrong places.
fn odd_json() -> impl Strategy<Value = serde_json::Value> {
    let names = "(entry|changes|value|statuses|messages|id|status|errors|messaging|message|event|data|type|text|from|update_id|chat|date|timestamp|code)";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "\\PC{0,12}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            proptest::collection::btree_map(names, inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_that_is_signed_makes_a_reader_fall(body in odd_json()) {
        let fake = runtime().block_on(Fake::start());
        let call = meta(&body);
        for kind in ["whatsapp_cloud", "instagram", "hubtel", "clicksend"] {
            drop(open(&fake, kind).hear(&hook(&call)));
        }
        drop(sendgrid::receipt(&body));
    }
}
