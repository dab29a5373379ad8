//! The vendors' own examples of signatures.

use super::{super::signature::EcdsaKey, *};

const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==";
const SENDGRID_SIGNATURE: &str =
    "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=";

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    headers(pairs)
}

#[test]
fn twilio() {
    let provider = open_with(
        "twilio",
        &given(&[("account_sid", "AC1"), ("auth_token", "12345"), ("from", "+15005550006")]),
    );
    let body =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
    let form = "application/x-www-form-urlencoded";
    let greet = |url: &str, body: &str, signature: &str| {
        let headers = headers(&[("content-type", form), ("x-twilio-signature", signature)]);
        let hook =
            Hook { is_get: false, url, headers: &headers, body: body.as_bytes(), received_at: Utc::now() };
        provider.greet(&hook)
    };
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let reply = greet(url, body, signature).unwrap();
    assert_eq!((reply.status, reply.content_type), (200, "text/xml; charset=utf-8"));
    assert!(reply.body.ends_with("<Response/>"));
    // With its default port spelled out it is the same address.
    assert!(greet("https://mycompany.com:443/myapp.php?foo=1&bar=2", body, signature).is_ok());
    for (url, body, signature) in [
        ("https://mycompany.com/myapp.php?foo=1&bar=3", body, signature),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", body, signature),
        ("https://mycompany.com:444/myapp.php?foo=1&bar=2", body, signature),
        (
            url,
            "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1235&From=%2B14158675309&To=%2B18005551212",
            signature,
        ),
        (url, body, "RSOYDt4T1cUTdK1PDd93/VVr8B9="),
        (url, body, "not base64"),
        (url, body, ""),
    ] {
        assert_eq!(greet(url, body, signature), Err(HookRefusal::BadSignature), "{url} {signature}");
    }
    // The order of fields is not signed, their repetition is not either.
    let shuffled = "To=%2B18005551212&From=%2B14158675309&Digits=1234&Digits=1234&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
    assert!(greet(url, shuffled, signature).is_ok());
}

#[test]
fn sendgrid() {
    let body = r#"{"category":"example_payload","event":"test_event","message_id":"message_id"}"#;
    let key = EcdsaKey::parse(SENDGRID_KEY).unwrap();
    assert!(key.verifies(&[b"1588788367", body.as_bytes()], SENDGRID_SIGNATURE));
    assert!(!key.verifies(&[b"1588788367", format!("{body}\r\n").as_bytes()], SENDGRID_SIGNATURE));
    assert!(!key.verifies(&[b"1588788368", body.as_bytes()], SENDGRID_SIGNATURE));
    assert!(!key.verifies(&[b"1588788367", body.as_bytes()], "AAAA"));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{SENDGRID_KEY}\n-----END PUBLIC KEY-----\n");
    assert!(EcdsaKey::parse(&pem).unwrap().verifies(&[b"1588788367", body.as_bytes()], SENDGRID_SIGNATURE));
    for odd in ["", "AAAA", SENDGRID_KEY.split_at(40).0, &SENDGRID_KEY.replace("MFkw", "MFkx")] {
        assert!(EcdsaKey::parse(odd).is_none(), "{odd}");
    }
    // The same by the door: good when it came, stale years later.
    let provider = open_with(
        "sendgrid",
        &given(&[("api_key", "SG.x"), ("from_email", "noc@acme.test"), ("webhook_key", SENDGRID_KEY)]),
    );
    let headers = headers(&[
        ("x-twilio-email-event-webhook-signature", SENDGRID_SIGNATURE),
        ("x-twilio-email-event-webhook-timestamp", "1588788367"),
    ]);
    let greet = |received_at| {
        provider.greet(&Hook {
            is_get: false,
            url: "https://x.test/h",
            headers: &headers,
            body: body.as_bytes(),
            received_at,
        })
    };
    assert!(greet(at("2020-05-06T18:06:07Z")).is_ok());
    assert!(greet(at("2020-05-06T18:11:07Z")).is_ok());
    assert_eq!(greet(at("2020-05-06T18:11:08Z")), Err(HookRefusal::Stale));
    assert_eq!(greet(at("2020-05-06T18:01:00Z")), Err(HookRefusal::Stale));
}

#[test]
fn meta() {
    let provider = open_with(
        "whatsapp_cloud",
        &given(&[
            ("phone_number_id", "1"),
            ("access_token", "t"),
            ("app_secret", "secret"),
            ("verify_token", "hello"),
        ]),
    );
    let greet = |signature: &str| {
        let headers = headers(&[("x-hub-signature-256", signature)]);
        let hook = Hook {
            is_get: false,
            url: "https://x.test/h",
            headers: &headers,
            body: b"test",
            received_at: Utc::now(),
        };
        provider.greet(&hook)
    };
    let good = "0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914";
    assert!(greet(&format!("sha256={good}")).is_ok());
    assert!(greet(&format!("sha256={}", good.to_uppercase())).is_ok());
    for odd in [good, "sha256=", "sha256=03", "sha1=abc", &format!("sha256={}", good.replace('0', "1"))] {
        assert_eq!(greet(odd), Err(HookRefusal::BadSignature), "{odd}");
    }
}

#[test]
fn a_challenge_is_answered_with_itself_and_nothing_else_is() {
    for kind in ["whatsapp_cloud", "instagram"] {
        let mut with = given(&[("access_token", "t"), ("app_secret", "s"), ("verify_token", "hello")]);
        if kind == "whatsapp_cloud" {
            with.insert("phone_number_id".into(), "1".into());
        }
        let provider = open_with(kind, &with);
        let headers = BTreeMap::new();
        let greet = |query: &str| {
            let url = format!("https://x.test/hooks/meta/opaque?{query}");
            provider.greet(&Hook {
                is_get: true,
                url: &url,
                headers: &headers,
                body: b"",
                received_at: Utc::now(),
            })
        };
        let reply = greet("hub.mode=subscribe&hub.verify_token=hello&hub.challenge=1158201444").unwrap();
        assert_eq!(
            (reply.status, &*reply.body, reply.content_type),
            (200, "1158201444", "text/plain; charset=utf-8")
        );
        for (query, refusal) in [
            ("hub.mode=subscribe&hub.verify_token=hellO&hub.challenge=1", HookRefusal::BadSignature),
            ("hub.mode=unsubscribe&hub.verify_token=hello&hub.challenge=1", HookRefusal::BadSignature),
            ("hub.mode=subscribe&hub.challenge=1", HookRefusal::Unsigned),
            ("hub.mode=subscribe&hub.verify_token=hello", HookRefusal::Malformed),
            ("hub.mode=subscribe&hub.verify_token=hello&hub.challenge=%3Cscript%3E", HookRefusal::Malformed),
        ] {
            assert_eq!(greet(query), Err(refusal), "{query}");
        }
        with.remove("verify_token");
        let without = open_with(kind, &with);
        let url = "https://x.test/h?hub.mode=subscribe&hub.verify_token=&hub.challenge=1";
        let hook = Hook { is_get: true, url, headers: &headers, body: b"", received_at: Utc::now() };
        assert_eq!(without.greet(&hook), Err(HookRefusal::NotConfigured), "an empty token is no token");
    }
}

#[test]
fn standard_webhooks() {
    let provider = open_with(
        "generic",
        &given(&[
            ("base_url", "https://gateway.test/sms"),
            ("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ]),
    );
    let headers = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,whatever"),
    ]);
    let greet = |body: &str, received_at| {
        provider.greet(&Hook {
            is_get: false,
            url: "https://x.test/h",
            headers: &headers,
            body: body.as_bytes(),
            received_at,
        })
    };
    let body = r#"{"test": 2432232314}"#;
    assert!(greet(body, at("2021-02-25T15:02:10Z")).is_ok());
    assert_eq!(greet(body, at("2021-02-25T15:10:00Z")), Err(HookRefusal::Stale));
    assert_eq!(greet(r#"{"test":2432232314}"#, at("2021-02-25T15:02:10Z")), Err(HookRefusal::BadSignature));
}
