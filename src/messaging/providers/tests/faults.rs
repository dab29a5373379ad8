//! Everything that can go wrong between us and a provider: each ends in the right one of three outcomes, and nothing is sent twice.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::{fake_providers::Fault, *};

/// The outcome of one message under one fault, and what the provider's ledger says.
async fn suffer(outbound: &Outbound, kind: &str, fault: Fault) -> (Outcome, usize) {
    let fake = Fake::start().await;
    let provider = open(&fake, kind);
    fake.fail_next(kind, 1, fault);
    let outcome = send(&*provider, outbound, &outgoing(kind, "Hello")).await;
    assert_eq!(fake.calls(kind), 1, "{kind}: sent once, whatever comes");
    (outcome, fake.taken(kind).len())
}

#[tokio::test]
async fn a_refusal_is_surely_not_sent() {
    let outbound = outbound();
    for kind in KINDS {
        let (outcome, taken) = suffer(&outbound, kind, Fault::ErrorBody).await;
        refused(outcome);
        assert_eq!(taken, 0, "{kind}");
        for status in [500, 502, 503] {
            let (outcome, taken) = suffer(&outbound, kind, Fault::Status { status, retry_after: None }).await;
            assert_eq!((refused(outcome).class, taken), (Class::Transient, 0), "{kind} {status}");
        }
        let (outcome, taken) = suffer(&outbound, kind, Fault::Redirect).await;
        assert_eq!((refused(outcome).class, taken), (Class::Account, 0), "{kind}");
    }
}

#[tokio::test]
async fn too_fast_says_when_to_come_back() {
    let outbound = outbound();
    for kind in KINDS {
        let (outcome, _) = suffer(&outbound, kind, Fault::Status { status: 429, retry_after: Some(9) }).await;
        let refusal = refused(outcome);
        assert_eq!(refusal.class, Class::Rate, "{kind} {refusal:?}");
        // Telegram's own word goes first.
        let seconds = if kind == "telegram" { 7 } else { 9 };
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(seconds)), "{kind}");
        let (outcome, _) = suffer(&outbound, kind, Fault::Status { status: 429, retry_after: None }).await;
        let refusal = refused(outcome);
        assert_eq!(refusal.class, Class::Rate, "{kind}");
        assert_eq!(refusal.retry_after.is_some(), kind == "telegram", "{kind}");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_unknown() {
    let outbound = outbound();
    for fault in [Fault::Hang, Fault::Cut, Fault::Huge, Fault::Garbage] {
        // All providers at once: one that never answers takes as long as we wait for it.
        join_all(KINDS.map(async |kind| {
            let (outcome, taken) = suffer(&outbound, kind, fault.clone()).await;
            assert_eq!(taken, 1, "{kind} {fault:?}: the provider has it");
            // With SendGrid the status is the whole answer.
            if kind == "sendgrid" && fault == Fault::Garbage {
                accepted(outcome);
            } else {
                assert!(matches!(outcome, Outcome::Unknown { .. }), "{kind} {fault:?}: {outcome:?}");
            }
        }))
        .await;
    }
}

#[tokio::test]
async fn a_gateway_that_gave_up_knows_nothing() {
    let outbound = outbound();
    for kind in ["hubtel", "sendgrid", "clicksend"] {
        let (outcome, _) = suffer(&outbound, kind, Fault::Status { status: 504, retry_after: None }).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{kind}: {outcome:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_surely_not_sent() {
    let fake = Fake::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    for kind in KINDS.into_iter().filter(|kind| *kind != "fcm") {
        let mut given = fake.values(kind);
        given.insert("base_url".into(), format!("http://{address}/{kind}"));
        let refusal = refused(send(&*open_with(kind, &given), &outbound(), &outgoing(kind, "Hello")).await);
        assert_eq!((&refusal.class, &*refusal.code), (&Class::Transient, "not_sent"), "{kind}");
    }
}

#[tokio::test]
async fn a_private_address_in_a_credential_is_never_called() {
    let fake = Fake::start().await;
    let strict = Outbound::new(&OutboundSettings::default()).unwrap();
    for kind in KINDS {
        for base in [fake.url.as_str(), "https://169.254.169.254", "https://[::1]", "http://10.0.0.1:8080"] {
            let mut given = fake.values(kind);
            given.insert("base_url".into(), format!("{base}/{kind}"));
            let provider = open_with(kind, &given);
            let refusal = refused(send(&*provider, &strict, &outgoing(kind, "Hello")).await);
            assert_eq!(
                (&refusal.class, &*refusal.code),
                (&Class::Account, "address_not_allowed"),
                "{kind} {base}"
            );
            assert_eq!(
                provider.check(&strict).await.unwrap_err().code,
                "address_not_allowed",
                "{kind} {base}"
            );
        }
        assert_eq!(fake.calls(kind), 0, "{kind}");
    }
    assert_eq!(fake.calls("fcm_token"), 0, "a key file's token_uri is guarded, too");
}

#[tokio::test]
async fn a_wrong_credential_is_the_accounts_matter_and_is_shown_nowhere() {
    for kind in KINDS.into_iter().filter(|kind| *kind != "fcm") {
        let fake = Fake::start().await;
        let mut given = fake.values(kind);
        let canary = match kind {
            "generic" => "whsec_d3JvbmctYW5kLXdyb25nLWFuZC13cm9uZw==",
            _ => "secret-canary-0123456789",
        };
        for field in about(kind).unwrap().fields.iter().filter(|field| field.is_secret && field.is_required) {
            given.insert(field.name.into(), canary.into());
        }
        let refusal = refused(send(&*open_with(kind, &given), &outbound(), &outgoing(kind, "Hello")).await);
        assert_eq!(refusal.class, Class::Account, "{kind}: {refusal:?}");
        assert!(!format!("{refusal:?}").contains(canary), "{kind}");
        assert_eq!(fake.taken(kind).len(), 0);
    }
}

#[tokio::test]
async fn a_prepared_message_of_another_provider_is_not_sent() {
    let fake = Fake::start().await;
    let smtp = BTreeMap::from([
        ("host".to_owned(), "127.0.0.1".to_owned()),
        ("encryption".to_owned(), "none".to_owned()),
        ("from_email".to_owned(), "noc@acme.test".to_owned()),
    ]);
    let letter = open_with("smtp", &smtp).prepare(&outgoing("smtp", "Hello")).unwrap();
    let refusal = refused(open(&fake, "hubtel").send(&outbound(), letter).await);
    assert_eq!(refusal.code, "not_for_this_provider");
}
