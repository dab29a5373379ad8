//! What is entered for a credential.

use std::collections::HashSet;

use super::*;
use crate::error::Error;

fn wrong(kind: &str, given: &BTreeMap<String, String>) -> Vec<(String, &'static str)> {
    match Values::parse(about(kind).unwrap(), given) {
        Err(Error::Invalid(fields)) => {
            fields.into_iter().map(|field| (field.field.into_owned(), field.code)).collect()
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => Vec::new(),
    }
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_registry_is_in_order() {
    let kinds: Vec<&str> = REGISTRY.iter().map(|about| about.kind).collect();
    assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
    assert!(kinds.is_sorted());
    for about in REGISTRY {
        let names: HashSet<&str> = about.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), about.fields.len(), "{}", about.kind);
        assert!(about.fields.iter().any(|field| field.is_secret), "{}", about.kind);
        for field in about.fields {
            assert!(!field.label.is_empty() && !field.hint.is_empty(), "{} {}", about.kind, field.name);
            assert!(!(field.is_required && field.default.is_some()), "{} {}", about.kind, field.name);
            assert!(!(field.is_secret && field.default.is_some()), "{} {}", about.kind, field.name);
        }
        assert!(about.poll_after.is_sorted(), "{}", about.kind);
        let asks = !about.poll_after.is_empty();
        assert_eq!(asks, about.proof == Proof::AddressOnly, "{}: what proves nothing is asked", about.kind);
    }
    for channel in Channel::ALL.into_iter().filter(|channel| *channel != Channel::InApp) {
        assert!(REGISTRY.iter().any(|about| about.channel == channel), "nobody carries {channel}");
    }
    assert!(about("carrier_pigeon").is_none());
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let entered =
        given(&[("client_id", "x"), ("sender", "two\nlines"), ("base_url", "nowhere"), ("colour", "red")]);
    assert_eq!(
        wrong("hubtel", &entered),
        [
            ("colour".into(), "unknown_field"),
            ("client_secret".into(), "required"),
            ("sender".into(), "control_characters"),
            ("base_url".into(), "not_a_url"),
        ]
    );
}

#[test]
fn each_kind_of_field_has_its_check() {
    let fake_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    for (kind, field, value, code) in [
        ("hubtel", "base_url", "ftp://x.test", "not_a_url"),
        ("hubtel", "base_url", "https://user:pass@x.test", "not_a_url"),
        ("hubtel", "base_url", "https://x.test/?key=1", "not_a_url"),
        ("hubtel", "base_url", "https://x.test/#a", "not_a_url"),
        ("hubtel", "client_secret", &"x".repeat(501), "too_long"),
        ("sendgrid", "from_email", "nobody", "not_an_email"),
        ("sendgrid", "webhook_key", fake_key, "not_a_public_key"),
        ("sendgrid", "tracking", "yes", "not_a_flag"),
        ("smtp", "host", "https://mail.test", "not_a_host"),
        ("smtp", "host", "mail.test:25", "not_a_host"),
        ("smtp", "host", "user@mail.test", "not_a_host"),
        ("smtp", "port", "0", "not_a_port"),
        ("smtp", "port", "70000", "not_a_port"),
        ("smtp", "encryption", "maybe", "unknown_choice"),
        ("generic", "secret", "short", "not_a_signing_secret"),
        ("generic", "secret", "whsec_AAAA", "not_a_signing_secret"),
        ("fcm", "key_file", "{}", "not_a_key_file"),
        ("fcm", "key_file", "not json", "not_a_key_file"),
    ] {
        let mut entered = given(&[(field, value)]);
        for other in
            about(kind).unwrap().fields.iter().filter(|other| other.is_required && other.name != field)
        {
            let good = match other.kind {
                FieldKind::Email => "noc@acme.test",
                FieldKind::Url => "https://x.test",
                FieldKind::SigningSecret => fake_providers::SIGNING_SECRET,
                _ => "x.test",
            };
            entered.insert(other.name.into(), good.into());
        }
        assert_eq!(wrong(kind, &entered), [(field.to_owned(), code)], "{kind} {field} {value}");
    }
    for host in ["mail.example.com", "127.0.0.1", "::1", "localhost"] {
        let entered = given(&[("host", host), ("from_email", "noc@acme.test")]);
        assert_eq!(wrong("smtp", &entered), [], "{host}");
    }
}

#[tokio::test]
async fn a_wrong_key_file_tells_nothing_of_itself() {
    let fake = Fake::start().await;
    let whole = fake.values("fcm")["key_file"].clone();
    let mut file: serde_json::Value = serde_json::from_str(&whole).unwrap();
    file["private_key"] = "-----BEGIN PRIVATE KEY-----\nsecret-canary\n-----END PRIVATE KEY-----\n".into();
    let mut entered = fake.values("fcm");
    entered.insert("key_file".into(), file.to_string());
    let error = Values::parse(about("fcm").unwrap(), &entered).unwrap_err();
    assert!(error.to_string().contains("private key") && !error.to_string().contains("canary"), "{error}");
    file["private_key"] = serde_json::from_str::<serde_json::Value>(&whole).unwrap()["private_key"].clone();
    file["project_id"] = "../other".into();
    entered.insert("key_file".into(), file.to_string());
    assert_eq!(wrong("fcm", &entered), [("key_file".to_owned(), "not_a_key_file")]);
}

#[test]
fn some_settings_only_make_sense_together() {
    for (kind, pairs, field) in [
        ("twilio", &[("account_sid", "AC1"), ("auth_token", "t")][..], "from"),
        (
            "twilio",
            &[("account_sid", "AC1"), ("auth_token", "t"), ("from", "+1"), ("api_key", "SK1")],
            "api_key",
        ),
        ("smtp", &[("host", "mail.test"), ("from_email", "a@b.test"), ("username", "u")], "password"),
        (
            "smtp",
            &[
                ("host", "mail.test"),
                ("from_email", "a@b.test"),
                ("username", "u"),
                ("password", "p"),
                ("encryption", "none"),
            ],
            "encryption",
        ),
    ] {
        let about = about(kind).unwrap();
        let Err(Error::Invalid(fields)) = (about.open)(&values(kind, &given(pairs))) else {
            panic!("{kind} {field}")
        };
        assert_eq!(fields[0].field, field, "{kind}");
    }
}

#[tokio::test]
async fn secrets_are_kept_and_not_shown() {
    let fake = Fake::start().await;
    for kind in KINDS {
        let about = about(kind).unwrap();
        let entered = fake.values(kind);
        let kept = values(kind, &entered);
        let again = Values::from_bytes(about, &kept.to_bytes().unwrap()).unwrap();
        for (field, shown) in again.masked(about) {
            let Some(shown) = shown else { continue };
            let whole = entered.get(field.name).map(String::as_str).or(field.default).unwrap();
            if field.is_secret {
                assert!(
                    shown.starts_with("••••") && shown.chars().count() <= 8,
                    "{kind} {}: {shown}",
                    field.name
                );
                assert!(whole.ends_with(shown.trim_start_matches('•')), "{kind} {}", field.name);
            } else {
                assert_eq!(shown, whole, "{kind} {}", field.name);
            }
        }
        assert_eq!(format!("{again:?}"), "Values(hidden)");
        // A change that leaves the secrets empty keeps them.
        let mut change = entered.clone();
        for field in about.fields.iter().filter(|field| field.is_secret) {
            change.insert(field.name.into(), " ".into());
        }
        let changed = kept.changed(about, &change).unwrap();
        assert_eq!(changed.to_bytes().unwrap(), kept.to_bytes().unwrap(), "{kind}");
        // What a later version no longer knows is left behind.
        let mut old: BTreeMap<String, String> = serde_json::from_slice(&kept.to_bytes().unwrap()).unwrap();
        old.insert("gone".into(), "x".into());
        assert!(Values::from_bytes(about, &serde_json::to_vec(&old).unwrap()).is_ok(), "{kind}");
    }
}
