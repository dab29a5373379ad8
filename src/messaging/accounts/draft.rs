//! What may be written of an account, and what pages and programs may see of one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::Account;
use crate::{
    error::{Error, Result},
    messaging::providers::{self, About, Values},
    types::{Check, Wrong, amount, line},
    web::typed::optional_whole,
    words::say,
};

pub const LABEL_MAX: usize = 100;
/// Accounts that one channel may have.
pub const PER_CHANNEL_MAX: i64 = 20;
const PER_SECOND: std::ops::RangeInclusive<i32> = 1..=10_000;

/// One setting of a credential as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masked {
    pub name: String,
    pub label: String,
    /// A secret by its last characters at most; None when it was left out.
    pub value: Option<String>,
}

/// What a credential looks like from outside.
pub fn masked(about: &About, values: &Values) -> Vec<Masked> {
    let shown = values.masked(about).into_iter();
    shown
        .map(|(field, value)| Masked { name: field.name.to_owned(), label: field.label.to_owned(), value })
        .collect()
}

/// An account with all that may be shown of it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub account: Account,
    pub masked: Vec<Masked>,
    pub checked_at: Option<DateTime<Utc>>,
    pub checked_ok: Option<bool>,
    pub checked_note: Option<String>,
    /// Until when the credential before the last rotation is still heard.
    pub before_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// The part of an account that is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDraft {
    pub label: String,
    pub price: Decimal,
    pub per_second: Option<i32>,
    pub is_active: bool,
}

impl AccountDraft {
    pub fn parse(label: &str, price: &str, per_second: &str, is_active: bool) -> Result<Self> {
        let mut check = Check::new();
        let label = check.field("label", line(label, LABEL_MAX));
        let price = check.field("price", parse_price(price));
        let per_second = check.field("per_second", optional_whole(per_second, PER_SECOND));
        let whole = (|| Some(Self { label: label?, price: price?, per_second: per_second?, is_active }))();
        check.finish(whole)
    }

    pub fn told(&self) -> Value {
        json!({
            "label": self.label, "price": self.price.to_string(), "per_second": self.per_second, "is_active": self.is_active,
        })
    }
}

impl From<&Account> for AccountDraft {
    fn from(account: &Account) -> Self {
        Self {
            label: account.label.clone(),
            price: account.price,
            per_second: account.per_second,
            is_active: account.is_active,
        }
    }
}

/// A price has four decimals: a text message costs less than a cent in some places. Nothing typed is nothing to pay.
pub fn parse_price(text: &str) -> Result<Decimal, Wrong> {
    let price = amount::typed(text)?.unwrap_or_default();
    if price.is_sign_negative() || price > Decimal::from(1_000_000) || price.normalize().scale() > 4 {
        let detail = "A price is 0 or more, at most 1,000,000, with at most four decimals.";
        return Err(Wrong::new("out_of_range", detail));
    }
    let mut price = price;
    price.rescale(4);
    Ok(price)
}

/// The provider of this kind, or which there are.
pub fn about_of(kind: &str) -> Result<&'static About> {
    providers::about(kind).ok_or_else(|| {
        let known: Vec<&str> = providers::REGISTRY.iter().map(|about| about.kind).collect();
        Error::invalid("kind", "not_a_choice", say!("A provider is one of {}.", known.join(", ")))
    })
}

/// Settings as they were typed, by name.
pub type Given = BTreeMap<String, String>;
