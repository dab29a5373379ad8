//! Who takes the money: each processor is a file that says how its calls are written and read. Nothing here connects to anything.
//!
//! What a processor tells, by its webhook or when it is asked, is a [`Seen`]: what to make of it is decided in one place, whichever
//! way it came.

mod paymongo;
mod paystack;

use std::sync::Arc;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use data_encoding::HEXLOWER_PERMISSIVE;
use poem::http::HeaderMap;
use rust_decimal::Decimal;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::{
    config::PaymentSettings,
    error::{Error, Result},
    outbound::{Answer, Request},
    types::amount,
    words::say,
};

/// What is to be paid, and where the payer comes back to.
#[derive(Debug, Clone)]
pub struct Order {
    /// Our payment's id: what the processor calls our reference.
    pub reference: Uuid,
    pub tenant: Uuid,
    pub currency: String,
    pub amount: Decimal,
    pub text: String,
    pub email: String,
    pub return_url: String,
}

/// A checkout that waits for its payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub outside_id: String,
    pub pay_url: String,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Open,
    Paid,
    /// Why, in the processor's words.
    Failed(String),
}

/// What a processor tells of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub reference: Uuid,
    /// The tenant that the checkout was made for, as the processor gives it back.
    pub tenant: Option<Uuid>,
    pub currency: String,
    pub amount: Decimal,
    pub state: State,
}

/// Why a webhook's call is not listened to.
#[derive(Debug, PartialEq, Eq)]
pub struct Forged;

/// A company that takes money.
pub trait Processor: Send + Sync {
    /// What the database and addresses call it.
    fn code(&self) -> &'static str;
    /// What people call it.
    fn name(&self) -> &'static str;
    fn takes(&self, currency: &str) -> bool;
    /// Asks for a checkout.
    fn begin(&self, order: &Order) -> Request;
    /// Reads the answer to that; the processor's words where it refused.
    fn begun(&self, order: &Order, answer: &Answer) -> Result<Begun, String>;
    /// Asks what became of a payment.
    fn ask(&self, reference: Uuid, outside_id: &str) -> Request;
    /// Reads the answer to that. None: it says nothing.
    fn answered(&self, reference: Uuid, answer: &Answer) -> Option<Seen>;
    /// Reads a webhook's call, once its signature was found good. None: it tells of nothing that concerns us.
    fn heard(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<Seen>, Forged>;
}

/// Those that this deployment has an account with.
#[derive(Clone, Default)]
pub struct Processors(Arc<Vec<Box<dyn Processor>>>);

impl Processors {
    pub fn open(settings: &PaymentSettings) -> Result<Self> {
        let mut all: Vec<Box<dyn Processor>> = Vec::new();
        if let Some(settings) = &settings.paymongo {
            let base = base_of("payments.paymongo.base_url", &settings.base_url)?;
            all.push(Box::new(paymongo::Paymongo::new(settings, base)));
        }
        if let Some(settings) = &settings.paystack {
            let base = base_of("payments.paystack.base_url", &settings.base_url)?;
            all.push(Box::new(paystack::Paystack::new(settings, base)));
        }
        Ok(Self(Arc::new(all)))
    }

    pub fn find(&self, code: &str) -> Option<&dyn Processor> {
        self.0.iter().map(AsRef::as_ref).find(|one| one.code() == code)
    }

    /// The one that takes payments in a currency.
    pub fn of_currency(&self, currency: &str) -> Option<&dyn Processor> {
        self.0.iter().map(AsRef::as_ref).find(|one| one.takes(currency))
    }
}

/// What people call a processor, whether this deployment still has an account with it or not.
pub fn name_of(code: &str) -> &'static str {
    if code == "paymongo" { "PayMongo" } else { "Paystack" }
}

fn base_of(key: &'static str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|_odd| Error::invalid(key, "not_an_address", say!("{} is not an address.", key)))
}

/// Hundredths, as both count.
fn hundredths(sum: Decimal) -> i64 {
    i64::try_from(amount::cents(sum)).unwrap_or(i64::MAX)
}

/// The amount of a number of hundredths that somebody sent.
fn sum_in(value: &Value) -> Option<Decimal> {
    value.as_i64().map(|cents| amount::of_cents(i128::from(cents)))
}

/// What stands at a path of somebody's words; null where nothing does.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn uuid_in(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

fn text_in(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether `hex` is this algorithm's signature of the parts, compared in constant time.
fn is_signed(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]], hex: &str) -> bool {
    let Ok(given) = HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()) else { return false };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret));
    parts.iter().for_each(|part| context.update(part));
    verify_slices_are_equal(context.sign().as_ref(), &given).is_ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Forged> {
    headers.get(name).and_then(|value| value.to_str().ok()).ok_or(Forged)
}

#[cfg(test)]
mod tests;
