//! A payment: what came in, what of it went where. Nothing here reads a clock or a database.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::{
    error::{Error, FieldError, Result},
    types::amount as money,
    types::{
        Check, CustomerId, PaymentId, RefundId, ShiftId, StaffId, SubscriptionId, Wrong, optional_line,
        optional_text,
    },
    words::say,
};

pub const REFERENCE_MAX: usize = 100;
pub const NOTE_MAX: usize = 1_000;
pub const REASON_MAX: usize = 500;
/// One payment goes to so many periods at most.
pub const SHARES_MAX: usize = 50;

/// How money changed hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "PaymentMethod", rename_all = "snake_case")]
pub enum Method {
    Cash,
    Gcash,
    Maya,
    Bank,
    Card,
    Other,
}

impl Method {
    pub const ALL: [Self; 6] = [Self::Cash, Self::Gcash, Self::Maya, Self::Bank, Self::Card, Self::Other];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            Wrong::new("not_a_choice", "This must be one of cash, gcash, maya, bank, card, other.")
        })
    }

    pub fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Other)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Gcash => "gcash",
            Self::Maya => "maya",
            Self::Bank => "bank",
            Self::Card => "card",
            Self::Other => "other",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Cash => say("Cash"),
            Self::Gcash => "GCash",
            Self::Maya => say("Maya"),
            Self::Bank => say("Bank transfer"),
            Self::Card => say("Card"),
            Self::Other => say("Other"),
        }
    }
}

/// What of a payment is to go to one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub subscription: SubscriptionId,
    pub amount: Decimal,
}

/// Money that was taken, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    pub amount: Decimal,
    pub method: Method,
    pub reference: Option<String>,
    pub note: Option<String>,
    /// Now when nothing is said.
    pub received_at: Option<DateTime<Utc>>,
    /// Which periods it pays; none: what is owed, oldest first.
    pub shares: Option<Vec<Share>>,
    /// The tenant's own address on the web, which its receipt names.
    pub home: String,
}

/// The same before it is checked.
#[derive(Debug, Clone)]
pub struct Typed {
    pub amount: Decimal,
    pub method: Method,
    pub reference: String,
    pub note: String,
    pub received_at: Option<DateTime<Utc>>,
    pub shares: Option<Vec<Share>>,
    pub home: String,
}

fn shares(shares: Vec<Share>, amount: Decimal) -> Result<Vec<Share>, Wrong> {
    if shares.len() > SHARES_MAX {
        return Err(Wrong::new("too_many", say!("At most {} periods.", SHARES_MAX)));
    }
    let mut left = amount;
    let mut checked: Vec<Share> = Vec::with_capacity(shares.len());
    for share in shares {
        let amount = money::positive(share.amount)?;
        left -= amount;
        if checked.iter().any(|known| known.subscription == share.subscription) {
            return Err(Wrong::new("twice", "A period stands here twice."));
        }
        checked.push(Share { amount, ..share });
    }
    if left.is_sign_negative() && !left.is_zero() {
        return Err(Wrong::new("too_large", "This is more than the payment."));
    }
    Ok(checked)
}

impl Typed {
    /// Checks it at `now`; names every wrong field.
    pub fn parse(self, now: DateTime<Utc>, mut check: Check) -> Result<NewPayment> {
        let amount = check.field("amount", money::positive(self.amount));
        let reference = check.field("reference", optional_line(&self.reference, REFERENCE_MAX));
        let note = check.field("note", optional_text(&self.note, NOTE_MAX));
        if self.received_at.is_some_and(|at| at > now + chrono::TimeDelta::minutes(5)) {
            check.wrong("received_at", "in_the_future", "Money cannot be received in the future.");
        }
        if self.received_at.is_some_and(|at| at < now - chrono::TimeDelta::days(3_660)) {
            check.wrong("received_at", "too_old", "At most ten years ago.");
        }
        let shares = match self.shares {
            Some(list) => check.field("allocations", shares(list, amount.unwrap_or(money::MOST))).map(Some),
            None => Some(None),
        };
        let whole = (|| {
            Some(NewPayment {
                amount: amount?,
                method: self.method,
                reference: reference?,
                note: note?,
                received_at: self.received_at,
                shares: shares?,
                home: self.home,
            })
        })();
        check.finish(whole)
    }
}

/// The same failures, of a payment inside another body.
pub fn nested(error: Error) -> Error {
    match error {
        Error::Invalid(wrongs) => Error::Invalid(
            wrongs
                .into_iter()
                .map(|wrong| FieldError::new(format!("payment.{}", wrong.field), wrong.code, wrong.detail))
                .collect(),
        ),
        other => other,
    }
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentId,
    pub customer: CustomerId,
    pub customer_name: String,
    pub amount: Decimal,
    pub allocated: Decimal,
    pub refunded: Decimal,
    pub method: Method,
    pub reference: Option<String>,
    pub received_by: Option<StaffId>,
    pub received_by_label: String,
    pub received_at: DateTime<Utc>,
    pub shift: Option<ShiftId>,
    pub note: Option<String>,
    pub void: Option<Void>,
    pub receipt: Option<(crate::types::ReceiptId, String)>,
    pub created_at: DateTime<Utc>,
}

/// Why a payment does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    pub at: DateTime<Utc>,
    pub by: String,
    pub reason: String,
}

impl Payment {
    /// What of it is the customer's to use.
    pub fn credit(&self) -> Decimal {
        if self.void.is_some() { Decimal::new(0, 2) } else { self.amount - self.allocated - self.refunded }
    }
}

/// Money that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub id: RefundId,
    pub payment: PaymentId,
    pub amount: Decimal,
    pub method: Method,
    pub reference: Option<String>,
    pub reason: String,
    pub refunded_by_label: String,
    pub refunded_at: DateTime<Utc>,
}

/// Gives `available` to what is owed, in its order, until it is used up. Nobody gets more than is owed.
pub fn spread<K: Copy>(mut available: Decimal, owed: &[(K, Decimal)]) -> Vec<(K, Decimal)> {
    let mut given = Vec::new();
    for (key, due) in owed {
        let amount = available.min(*due);
        if amount > Decimal::ZERO {
            available -= amount;
            given.push((*key, amount));
        }
    }
    given
}

/// Pairs what is available with what is owed, both in their order: who gives how much to whom.
pub fn pair<A: Copy, B: Copy>(available: &[(A, Decimal)], owed: &[(B, Decimal)]) -> Vec<(A, B, Decimal)> {
    let mut owed: Vec<(B, Decimal)> = owed.to_vec();
    let mut pairs = Vec::new();
    for (giver, amount) in available {
        for (taker, given) in
            spread(*amount, &owed.iter().enumerate().map(|(i, (_, due))| (i, *due)).collect::<Vec<_>>())
        {
            if let Some((key, due)) = owed.get_mut(taker) {
                *due -= given;
                pairs.push((*giver, *key, given));
            }
        }
    }
    pairs
}
