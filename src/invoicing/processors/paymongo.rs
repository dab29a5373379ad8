//! `PayMongo`: a checkout session, whose `checkout_session.payment.paid` or whose own payments tell the end. Amounts are in centavos;
//! webhooks are signed with HMAC-SHA256 of time and body under the webhook's secret, apart for test and live mode.

use aws_lc_rs::hmac;
use poem::http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Begun, Forged, Order, Processor, Seen, State, at, header, hundredths, is_signed, sum_in, text_in, uuid_in,
};
use crate::{
    config::PaymongoSettings,
    outbound::{Answer, Request},
};

const METHODS: [&str; 5] = ["gcash", "paymaya", "grab_pay", "qrph", "card"];

pub struct Paymongo {
    secret: SecretString,
    webhook_secret: SecretString,
    base: Url,
}

impl Paymongo {
    pub fn new(settings: &PaymongoSettings, base: Url) -> Self {
        Self { secret: settings.secret_key.clone(), webhook_secret: settings.webhook_secret.clone(), base }
    }

    fn signed(&self, request: Request) -> Request {
        request.basic(self.secret.expose_secret(), "")
    }
}

/// A session counts as paid by what was paid in it: whatever it was made for is not what came.
fn seen_in(session: &Value) -> Option<Seen> {
    let attributes = at(session, "/attributes");
    let payments = at(attributes, "/payments").as_array().map(Vec::as_slice).unwrap_or_default();
    let paid =
        payments.iter().map(|payment| at(payment, "/attributes")).find(|one| *at(one, "/status") == "paid");
    let asked = at(attributes, "/line_items/0");
    let state = match (paid, at(attributes, "/status").as_str()) {
        (Some(_), _) => State::Paid,
        (None, Some("expired")) => State::Failed("The checkout has expired.".into()),
        _ => State::Open,
    };
    let told = paid.unwrap_or(asked);
    Some(Seen {
        reference: uuid_in(at(attributes, "/reference_number"))?,
        tenant: uuid_in(at(attributes, "/metadata/tenant")),
        currency: text_in(at(told, "/currency")),
        amount: sum_in(at(told, "/amount"))?,
        state,
    })
}

impl Processor for Paymongo {
    fn code(&self) -> &'static str {
        "paymongo"
    }

    fn name(&self) -> &'static str {
        "PayMongo"
    }

    fn takes(&self, currency: &str) -> bool {
        currency == "PHP"
    }

    fn begin(&self, order: &Order) -> Request {
        let amount = hundredths(order.amount);
        let body = json!({ "data": { "attributes": {
            "line_items": [{ "name": order.text, "amount": amount, "currency": order.currency, "quantity": 1 }],
            "payment_method_types": METHODS,
            "reference_number": order.reference.to_string(),
            "description": order.text,
            "billing": { "email": order.email },
            "send_email_receipt": false,
            "success_url": order.return_url,
            "cancel_url": order.return_url,
            "metadata": { "tenant": order.tenant.to_string() },
        } } });
        let url = Request::url_below(&self.base, &["v1", "checkout_sessions"]);
        self.signed(Request::post(url)).json(&body)
    }

    fn begun(&self, _order: &Order, answer: &Answer) -> Result<Begun, String> {
        let body = answer.json();
        let data = at(&body, "/data");
        match (at(data, "/id").as_str(), at(data, "/attributes/checkout_url").as_str()) {
            (Some(id), Some(url)) if answer.is_success() => {
                Ok(Begun { outside_id: id.to_owned(), pay_url: url.to_owned() })
            }
            _ => Err(text_in(at(&body, "/errors/0/detail"))),
        }
    }

    fn ask(&self, _reference: Uuid, outside_id: &str) -> Request {
        self.signed(Request::get(Request::url_below(&self.base, &["v1", "checkout_sessions", outside_id])))
    }

    fn answered(&self, reference: Uuid, answer: &Answer) -> Option<Seen> {
        let seen = seen_in(at(&answer.json(), "/data")).filter(|_| answer.is_success())?;
        (seen.reference == reference).then_some(seen)
    }

    fn heard(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<Seen>, Forged> {
        let parts: Vec<(&str, &str)> = header(headers, "paymongo-signature")?
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .collect();
        let part = |name: &str| parts.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
        let event: Value = serde_json::from_slice(body).map_err(|_not_json| Forged)?;
        let attributes = at(&event, "/data/attributes");
        // The mode decides which signature counts: one of test mode says nothing about live money.
        let signature = part(if *at(attributes, "/livemode") == true { "li" } else { "te" });
        let signed: [&[u8]; 3] = [part("t").as_bytes(), b".", body];
        let secret = self.webhook_secret.expose_secret().as_bytes();
        if signature.is_empty() || !is_signed(hmac::HMAC_SHA256, secret, &signed, signature) {
            return Err(Forged);
        }
        let is_ours = *at(attributes, "/type") == "checkout_session.payment.paid";
        Ok(if is_ours { seen_in(at(attributes, "/data")) } else { None })
    }
}
