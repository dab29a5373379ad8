use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    letter::{self, Body, one_line},
    smtp::Smtp,
};

fn body() -> Body {
    Body { text: "Hello".into(), html: "<p>Hello</p>".into() }
}

fn written(recipient: &str, subject: &str) -> crate::error::Result<String> {
    let from = "Lastmile <no-reply@isp.example>".parse().unwrap();
    let at = Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap();
    let envelope = letter::write(Uuid::nil(), at, &from, recipient, subject, body())?;
    Ok(String::from_utf8(envelope.bytes).unwrap())
}

/// The header lines, continuation lines joined to the line they belong to.
fn headers(message: &str) -> Vec<String> {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
}

#[test]
fn a_letter_names_its_row_and_who_sent_it() {
    let message = written("ana@isp.example", "Set a new password").unwrap();
    let headers = headers(&message);
    for expected in [
        "From: Lastmile <no-reply@isp.example>",
        "To: ana@isp.example",
        "Subject: Set a new password",
        "Message-ID: <00000000-0000-0000-0000-000000000000@isp.example>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.iter().any(|line| line == expected), "{expected} in {headers:?}");
    }
    assert!(message.contains("text/plain") && message.contains("text/html"), "{message}");
}

#[test]
fn no_subject_makes_a_header() {
    for subject in
        ["Hi\r\nBcc: all@evil.example", "Hi\nBcc: all@evil.example", "Hi\u{2028}Bcc: x", "\u{85}Bcc: y"]
    {
        let message = written("ana@isp.example", subject).unwrap();
        assert!(!headers(&message).iter().any(|line| line.to_lowercase().starts_with("bcc")), "{message}");
    }
}

#[test]
fn no_recipient_makes_a_header_or_a_second_recipient() {
    for recipient in [
        "ana@isp.example\r\nBcc: all@evil.example",
        "ana@isp.example\nRCPT TO:<b@evil.example>",
        "ana@isp.example, b@evil.example",
        "a b@isp.example",
        "ana@isp.example>",
        "@isp.example",
        "ana",
    ] {
        assert!(written(recipient, "Hi").is_err(), "{recipient}");
    }
    assert!(written("ana@größe.example", "Hi").unwrap().contains("To: ana@xn--gre-6ka8i.example"));
}

proptest! {
    #[test]
    fn any_subject_is_one_header_line(subject in "(\\PC|[\r\n\t\0\u{85}\u{2028}]){0,300}") {
        prop_assert!(!one_line(&subject).contains(|c: char| c.is_control()));
        let plain = headers(&written("ana@isp.example", "Hi").unwrap()).len();
        prop_assert_eq!(headers(&written("ana@isp.example", &subject).unwrap()).len(), plain);
    }
}

#[test]
fn a_password_never_travels_in_the_clear() {
    let open = |url: &str| Smtp::from_url(&SecretString::from(url));
    for good in [
        "smtps://user:p%40ss@mail.isp.example",
        "smtp://user:pass@mail.isp.example:587",
        "smtp://user:pass@mail.isp.example?tls=required",
        "smtp://mail.isp.example",
        "smtp://127.0.0.1:2525?tls=none",
        "smtp://user:pass@127.0.0.1:2525?tls=none",
    ] {
        assert!(open(good).is_ok(), "{good}");
    }
    for bad in [
        "smtp://user:pass@mail.isp.example?tls=none",
        "smtp://user@mail.isp.example",
        "https://mail.isp.example",
        "smtps://mail.isp.example?tls=none",
        "mail.isp.example",
    ] {
        let error = open(bad).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains("pass@"), "{error}");
    }
}
