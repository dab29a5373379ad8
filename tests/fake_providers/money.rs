//! Those who take money: checkouts that are made, paid at, asked after, and told about by signed calls.

use aws_lc_rs::hmac;
use chrono::Utc;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Fake, SECRET, SIGNING_SECRET, State,
    calls::Call,
    server::{Answer, Asked, Verdict, refuse},
};

/// What somebody was asked to pay.
#[derive(Debug, Clone, Serialize)]
pub struct Checkout {
    pub kind: String,
    /// The processor's own name for it.
    pub id: String,
    pub reference: String,
    pub tenant: String,
    pub email: String,
    pub amount: i64,
    pub currency: String,
    pub return_url: String,
    /// What came, in hundredths, and in which currency.
    pub paid: Option<(i64, String)>,
    pub is_expired: bool,
}

impl Checkout {
    fn address(&self, base: &str) -> String {
        format!("{base}/checkout/{}/{}", self.kind, self.id)
    }

    /// As Paystack shows a transaction.
    fn transaction(&self) -> Value {
        let (amount, currency) = self.paid.clone().unwrap_or((self.amount, self.currency.clone()));
        json!({
            "id": 4_099_260_516_u64, "domain": "test", "reference": self.reference, "amount": amount, "currency": currency,
            "status": if self.paid.is_some() { "success" } else if self.is_expired { "failed" } else { "abandoned" },
            "gateway_response": if self.paid.is_some() { "Successful" } else { "Declined" },
            "metadata": {"tenant": self.tenant}, "customer": {"email": self.email},
        })
    }

    /// As `PayMongo` shows a session.
    fn session(&self, base: &str) -> Value {
        let payments: Vec<Value> = self
            .paid
            .iter()
            .map(|(amount, currency)| {
                json!({"id": "pay_fake", "type": "payment",
                    "attributes": {"amount": amount, "currency": currency, "status": "paid", "fee": 2_500}})
            })
            .collect();
        json!({"id": self.id, "type": "checkout_session", "attributes": {
            "checkout_url": self.address(base), "reference_number": self.reference, "livemode": false,
            "line_items": [{"amount": self.amount, "currency": self.currency, "quantity": 1}],
            "metadata": {"tenant": self.tenant}, "payments": payments,
            "status": if self.is_expired { "expired" } else { "active" },
        }})
    }
}

impl Fake {
    /// Every checkout that was asked for, the oldest first.
    pub fn checkouts(&self, kind: &str) -> Vec<Checkout> {
        self.state.inner().checkouts.iter().filter(|one| one.kind == kind).cloned().collect()
    }

    /// Somebody pays at a checkout: what was asked for, or something else.
    pub fn pay(&self, id: &str, other: Option<(i64, &str)>) {
        self.state.pay(id, other);
    }

    /// Nobody can pay at it any more.
    pub fn expire(&self, id: &str) {
        self.state.change(id, |one| one.is_expired = true);
    }

    /// The call that tells `url` of a payment.
    pub fn paid_event(&self, url: &str, id: &str) -> Call {
        let one = self.state.inner().checkouts.iter().find(|one| one.id == id).cloned().unwrap();
        match one.kind.as_str() {
            "paystack" => paystack_event(url, &json!({"event": "charge.success", "data": one.transaction()})),
            _ => paymongo_event(url, &one.session(&self.url)),
        }
    }
}

/// A call of Paystack's with this body.
pub fn paystack_event(url: &str, body: &Value) -> Call {
    let text = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
    let signature = HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref());
    Call::new(url, "application/json", text.into()).with("x-paystack-signature", signature)
}

/// A call of `PayMongo`'s about this session.
pub fn paymongo_event(url: &str, session: &Value) -> Call {
    let event = json!({"data": {"id": "evt_fake", "type": "event", "attributes": {
        "type": "checkout_session.payment.paid", "livemode": false, "data": session,
    }}});
    let (text, now) = (event.to_string(), Utc::now().timestamp());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
    let tag = hmac::sign(&key, format!("{now}.{text}").as_bytes());
    let signature = format!("t={now},te={},li=", HEXLOWER.encode(tag.as_ref()));
    Call::new(url, "application/json", text.into()).with("paymongo-signature", signature)
}

impl State {
    fn change(&self, id: &str, change: impl FnOnce(&mut Checkout)) {
        let mut inner = self.inner();
        let one = inner.checkouts.iter_mut().find(|one| one.id == id).unwrap();
        change(one);
    }

    pub(super) fn pay(&self, id: &str, other: Option<(i64, &str)>) {
        self.change(id, |one| {
            let asked = (one.amount, one.currency.clone());
            one.paid = Some(other.map_or(asked, |(amount, currency)| (amount, currency.to_owned())));
        });
    }

    fn find(&self, id: &str) -> Option<Checkout> {
        self.inner().checkouts.iter().find(|one| one.id == id).cloned()
    }

    fn add(&self, checkout: Checkout) {
        self.inner().checkouts.push(checkout);
    }

    fn base(&self) -> String {
        self.url.lock().unwrap().clone()
    }
}

pub(super) fn paystack(state: &State, asked: &Asked) -> Verdict {
    if !asked.has_bearer(SECRET) || state.is_revoked("paystack") {
        return refuse(401, json!({"status": false, "message": "Invalid key"}));
    }
    if asked.is("POST", &["transaction", "initialize"]) {
        let body = asked.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (Some(amount), true) = (body["amount"].as_i64(), text("email").contains('@')) else {
            return refuse(400, json!({"status": false, "message": "Invalid Amount Sent"}));
        };
        let one = Checkout {
            kind: "paystack".into(),
            id: text("reference"),
            reference: text("reference"),
            tenant: body["metadata"]["tenant"].as_str().unwrap_or_default().to_owned(),
            email: text("email"),
            amount,
            currency: text("currency"),
            return_url: text("callback_url"),
            paid: None,
            is_expired: false,
        };
        let data = json!({"authorization_url": one.address(&state.base()), "access_code": "fake", "reference": one.reference});
        state.add(one);
        return Verdict::Answer(Answer::json(
            200,
            json!({"status": true, "message": "Authorization URL created", "data": data}),
        ));
    }
    let found = match asked.path.as_slice() {
        [what, verify, reference] if what == "transaction" && verify == "verify" => state.find(reference),
        _ => None,
    };
    match found {
        Some(one) => Verdict::Answer(Answer::json(
            200,
            json!({"status": true, "message": "Verification successful", "data": one.transaction()}),
        )),
        None => refuse(404, json!({"status": false, "message": "Transaction reference not found"})),
    }
}

pub(super) fn paymongo(state: &State, asked: &Asked) -> Verdict {
    if !asked.has_basic(SECRET, "") || state.is_revoked("paymongo") {
        return refuse(
            401,
            json!({"errors": [{"code": "api_key_invalid", "detail": "API key is invalid."}]}),
        );
    }
    if asked.is("POST", &["v1", "checkout_sessions"]) {
        let body = asked.json();
        let of = &body["data"]["attributes"];
        let item = &of["line_items"][0];
        let (Some(amount), Some("PHP")) = (item["amount"].as_i64(), item["currency"].as_str()) else {
            return refuse(
                400,
                json!({"errors": [{"code": "parameter_invalid", "detail": "amount is invalid"}]}),
            );
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let one = Checkout {
            kind: "paymongo".into(),
            id: format!("cs_{}", state.next()),
            reference: text(&of["reference_number"]),
            tenant: text(&of["metadata"]["tenant"]),
            email: text(&of["billing"]["email"]),
            amount,
            currency: "PHP".into(),
            return_url: text(&of["success_url"]),
            paid: None,
            is_expired: false,
        };
        let session = one.session(&state.base());
        state.add(one);
        return Verdict::Answer(Answer::json(200, json!({"data": session})));
    }
    let found = match asked.path.as_slice() {
        [version, what, id] if version == "v1" && what == "checkout_sessions" => state.find(id),
        _ => None,
    };
    match found {
        Some(one) => Verdict::Answer(Answer::json(200, json!({"data": one.session(&state.base())}))),
        None => {
            refuse(404, json!({"errors": [{"code": "resource_not_found", "detail": "No such checkout"}]}))
        }
    }
}

/// The page at which a person pays.
pub(super) fn checkout(state: &State, asked: &Asked) -> Verdict {
    let [_, id] = asked.path.as_slice() else { return refuse(404, json!({})) };
    let Some(one) = state.find(id) else { return refuse(404, json!({})) };
    if asked.method == "POST" {
        state.pay(id, None);
        return Verdict::Answer(Answer::json(303, json!({})).with("location", one.return_url));
    }
    let page = format!(
        "<!doctype html><html lang=en><title>Checkout</title><h1>Pay {} {}.{:02}</h1><form method=post><button>Pay</button></form>",
        one.currency,
        one.amount / 100,
        one.amount % 100
    );
    Verdict::Answer(Answer {
        status: 200,
        headers: vec![("content-type", "text/html".into())],
        body: page.into(),
    })
}
