//! Paystack: a transaction is initialized, its payer goes to the address that comes back, and `charge.success` or verifying it
//! tells the end. Amounts are in hundredths; webhooks are signed with HMAC-SHA512 under the secret key.

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
    config::PaystackSettings,
    outbound::{Answer, Request},
};

const CURRENCIES: [&str; 6] = ["GHS", "KES", "NGN", "USD", "XOF", "ZAR"];

pub struct Paystack {
    secret: SecretString,
    base: Url,
}

impl Paystack {
    pub fn new(settings: &PaystackSettings, base: Url) -> Self {
        Self { secret: settings.secret_key.clone(), base }
    }

    fn signed(&self, request: Request) -> Request {
        request.bearer(self.secret.expose_secret())
    }
}

fn seen_in(data: &Value) -> Option<Seen> {
    let state = match at(data, "/status").as_str()? {
        "success" => State::Paid,
        "failed" | "reversed" => State::Failed(text_in(at(data, "/gateway_response"))),
        // `abandoned` is a payer who has not come back yet.
        _ => State::Open,
    };
    Some(Seen {
        reference: uuid_in(at(data, "/reference"))?,
        tenant: uuid_in(at(data, "/metadata/tenant")),
        currency: text_in(at(data, "/currency")),
        amount: sum_in(at(data, "/amount"))?,
        state,
    })
}

impl Processor for Paystack {
    fn code(&self) -> &'static str {
        "paystack"
    }

    fn name(&self) -> &'static str {
        "Paystack"
    }

    fn takes(&self, currency: &str) -> bool {
        CURRENCIES.contains(&currency)
    }

    fn begin(&self, order: &Order) -> Request {
        let body = json!({
            "email": order.email,
            "amount": hundredths(order.amount),
            "currency": order.currency,
            "reference": order.reference.to_string(),
            "callback_url": order.return_url,
            "metadata": { "tenant": order.tenant.to_string() },
        });
        let url = Request::url_below(&self.base, &["transaction", "initialize"]);
        self.signed(Request::post(url)).json(&body)
    }

    fn begun(&self, order: &Order, answer: &Answer) -> Result<Begun, String> {
        let body = answer.json();
        match at(&body, "/data/authorization_url").as_str() {
            Some(url) if answer.is_success() && *at(&body, "/status") == true => {
                Ok(Begun { outside_id: order.reference.to_string(), pay_url: url.to_owned() })
            }
            _ => Err(text_in(at(&body, "/message"))),
        }
    }

    fn ask(&self, reference: Uuid, _outside_id: &str) -> Request {
        let reference = reference.to_string();
        self.signed(Request::get(Request::url_below(&self.base, &["transaction", "verify", &reference])))
    }

    fn answered(&self, reference: Uuid, answer: &Answer) -> Option<Seen> {
        let body = answer.json();
        let seen =
            seen_in(at(&body, "/data")).filter(|_| answer.is_success() && *at(&body, "/status") == true)?;
        (seen.reference == reference).then_some(seen)
    }

    fn heard(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<Seen>, Forged> {
        let signature = header(headers, "x-paystack-signature")?;
        if !is_signed(hmac::HMAC_SHA512, self.secret.expose_secret().as_bytes(), &[body], signature) {
            return Err(Forged);
        }
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        Ok(if *at(&event, "/event") == "charge.success" { seen_in(at(&event, "/data")) } else { None })
    }
}
