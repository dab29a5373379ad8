//! Calls as they are written, and words of processors as they are read. The signatures were worked out apart from this program.

use poem::http::{HeaderMap, HeaderValue};

use super::*;
use crate::config::{PaymongoSettings, PaystackSettings};

const REFERENCE: &str = "0190a1b2-0000-7000-8000-000000000001";
const TENANT: &str = "0190a1b2-0000-7000-8000-0000000000aa";
const CHARGED: &str = r#"{"event":"charge.success","data":{"reference":"0190a1b2-0000-7000-8000-000000000001","status":"success","amount":25050,"currency":"GHS","metadata":{"tenant":"0190a1b2-0000-7000-8000-0000000000aa"}}}"#;
const CHARGED_SIGNATURE: &str = "0e1244a28b6d35a23e295ad01bc800c88da25945f6e482b35bdcb6fbddc077fe10889c1957989a1e811900098dda2cee10bbda3f3f00db1731107a81f874e3b7";
const SESSION_PAID: &str = r#"{"data":{"id":"evt_1","type":"event","attributes":{"type":"checkout_session.payment.paid","livemode":false,"data":{"id":"cs_1","attributes":{"reference_number":"0190a1b2-0000-7000-8000-000000000001","metadata":{"tenant":"0190a1b2-0000-7000-8000-0000000000aa"},"payments":[{"attributes":{"amount":150000,"currency":"PHP","status":"paid"}}]}}}}}"#;
const SESSION_SIGNATURE: &str = "a03c121623c19d1686b1ef3f194a70a0f9cc746769ba08ba0a1d4dee763eb04e";

fn both() -> Processors {
    Processors::open(&PaymentSettings {
        paystack: Some(PaystackSettings {
            secret_key: "sk_test_1".into(),
            base_url: "https://api.paystack.co".into(),
        }),
        paymongo: Some(PaymongoSettings {
            secret_key: "sk_test_2".into(),
            webhook_secret: "whsk_1".into(),
            base_url: "https://api.paymongo.com".into(),
        }),
    })
    .unwrap()
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

fn paid(currency: &str, amount: &str) -> Option<Seen> {
    Some(Seen {
        reference: REFERENCE.parse().unwrap(),
        tenant: Some(TENANT.parse().unwrap()),
        currency: currency.into(),
        amount: amount.parse().unwrap(),
        state: State::Paid,
    })
}

#[test]
fn signed_words_are_read_and_others_are_not() {
    let all = both();
    let (paystack, paymongo) = (all.find("paystack").unwrap(), all.find("paymongo").unwrap());
    let heard = paystack.heard(&headers("x-paystack-signature", CHARGED_SIGNATURE), CHARGED.as_bytes());
    assert_eq!(heard, Ok(paid("GHS", "250.50")));
    let upper = CHARGED_SIGNATURE.to_uppercase();
    assert_eq!(
        paystack.heard(&headers("x-paystack-signature", &upper), CHARGED.as_bytes()),
        Ok(paid("GHS", "250.50"))
    );
    let signature = format!("t=1790000000,te={SESSION_SIGNATURE},li=");
    let heard = paymongo.heard(&headers("paymongo-signature", &signature), SESSION_PAID.as_bytes());
    assert_eq!(heard, Ok(paid("PHP", "1500.00")));
    // A signature of test mode says nothing about live money, nor one for another time.
    let live = SESSION_PAID.replace("\"livemode\":false", "\"livemode\":true");
    for (signature, body) in [
        (signature.clone(), live.as_str()),
        (format!("t=1790000001,te={SESSION_SIGNATURE},li="), SESSION_PAID),
        (format!("t=1790000000,te=,li={SESSION_SIGNATURE}"), SESSION_PAID),
        ("t=1790000000,te=,li=".to_owned(), SESSION_PAID),
        (String::new(), SESSION_PAID),
        (signature, "not json"),
    ] {
        assert_eq!(paymongo.heard(&headers("paymongo-signature", &signature), body.as_bytes()), Err(Forged));
    }
    for signature in ["", "zz", CHARGED_SIGNATURE.split_at(64).0] {
        assert_eq!(
            paystack.heard(&headers("x-paystack-signature", signature), CHARGED.as_bytes()),
            Err(Forged)
        );
    }
    assert_eq!(paystack.heard(&HeaderMap::new(), CHARGED.as_bytes()), Err(Forged));
}

#[test]
fn each_takes_its_own_currencies() {
    let all = both();
    let taker = |currency: &str| all.of_currency(currency).map(Processor::code);
    assert_eq!(
        ["PHP", "GHS", "NGN", "EUR"].map(taker),
        [Some("paymongo"), Some("paystack"), Some("paystack"), None]
    );
    assert!(Processors::default().of_currency("PHP").is_none());
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: Default::default(), body: body.to_owned().into() }
}

#[test]
fn what_became_of_a_payment_is_read_with_care() {
    let all = both();
    let (paystack, reference) = (all.find("paystack").unwrap(), REFERENCE.parse().unwrap());
    let said = |word: &str| {
        format!(
            r#"{{"status":true,"data":{{"reference":"{REFERENCE}","status":"{word}","amount":100,"currency":"GHS","gateway_response":"Declined"}}}}"#
        )
    };
    let state =
        |status, body: &str| paystack.answered(reference, &answer(status, body)).map(|seen| seen.state);
    assert_eq!(state(200, &said("success")), Some(State::Paid));
    assert_eq!(state(200, &said("failed")), Some(State::Failed("Declined".into())));
    assert_eq!(state(200, &said("abandoned")), Some(State::Open));
    // An error, somebody else's payment, and no answer at all.
    assert_eq!(state(500, &said("success")), None);
    assert_eq!(state(200, &said("success").replace("true", "false")), None);
    assert_eq!(paystack.answered(Uuid::nil(), &answer(200, &said("success"))), None);
    assert_eq!(state(200, "<html>"), None);

    let paymongo = all.find("paymongo").unwrap();
    let session = |payments: &str, status: &str| {
        format!(
            r#"{{"data":{{"id":"cs_1","attributes":{{"reference_number":"{REFERENCE}","status":"{status}","payments":[{payments}],
                "line_items":[{{"amount":500,"currency":"PHP"}}]}}}}}}"#
        )
    };
    let seen = |body: String| paymongo.answered(reference, &answer(200, &body)).unwrap();
    let failed = r#"{"attributes":{"amount":500,"currency":"PHP","status":"failed"}}"#;
    let done = r#"{"attributes":{"amount":499,"currency":"PHP","status":"paid"}}"#;
    assert_eq!(seen(session("", "active")).state, State::Open);
    assert_eq!(seen(session(failed, "active")).state, State::Open);
    assert!(matches!(seen(session(failed, "expired")).state, State::Failed(_)));
    let both_tries = seen(session(&format!("{failed},{done}"), "active"));
    assert_eq!((both_tries.state, both_tries.amount), (State::Paid, "4.99".parse().unwrap()));
}

#[test]
fn a_checkout_is_asked_for_in_hundredths() {
    let all = both();
    let order = Order {
        reference: REFERENCE.parse().unwrap(),
        tenant: TENANT.parse().unwrap(),
        currency: "PHP".into(),
        amount: "1234.5".parse().unwrap(),
        text: "Invoice INV-000001".into(),
        email: "owner@acme.example".into(),
        return_url: "https://isp.example/pay/x".into(),
    };
    for processor in ["paystack", "paymongo"] {
        let processor = all.find(processor).unwrap();
        let request = processor.begin(&order);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let text = body.to_string();
        assert!(text.contains("123450") && text.contains(REFERENCE) && text.contains(TENANT), "{text}");
        assert!(!format!("{request:?}").contains("sk_test"));
        assert!(processor.begun(&order, &answer(401, "{}")).is_err());
        assert!(processor.begun(&order, &answer(200, "{}")).is_err());
    }
}
