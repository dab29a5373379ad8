//! What a receipt prints. It is written once, when money is taken, and never again: a reprint reads what is here.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    isp::plans::Tax,
    print::{Fact, Line},
    types::amount::tax_inside,
};

/// Everything on the paper, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// How it is laid out; a later layout has a higher number, and receipts keep theirs.
    pub layout: u8,
    pub title: String,
    pub label: String,
    pub issued: String,
    pub company: String,
    pub company_lines: Vec<String>,
    pub customer: Vec<Fact>,
    pub lines: Vec<Line>,
    pub total: String,
    pub payment: Vec<Fact>,
    pub taxes: Vec<Fact>,
    pub issuer: String,
    pub notes: Vec<String>,
    pub verify_url: String,
}

/// What of a payment went to what, with its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxed {
    pub amount: Decimal,
    /// None for what is kept as credit: it is taxed when it pays for something.
    pub tax: Option<Tax>,
}

/// The tax lines of a receipt: sales by their tax, and the tax that the prices contain. None where the seller is not registered.
pub fn taxes(parts: &[Taxed], is_registered: bool, rate: Decimal, currency: &str) -> Vec<Fact> {
    if !is_registered {
        return Vec::new();
    }
    let sum = |tax| -> Decimal { parts.iter().filter(|part| part.tax == tax).map(|part| part.amount).sum() };
    let shown = |label: &str, amount: Decimal| Fact::new(label, crate::web::parts::money(amount, currency));
    let vatable = sum(Some(Tax::Vatable));
    let vat = tax_inside(vatable, rate);
    let mut lines = vec![
        shown("VATable sales", vatable - vat),
        shown(&format!("VAT ({}%)", rate.normalize()), vat),
        shown("VAT-exempt sales", sum(Some(Tax::Exempt))),
        shown("Zero-rated sales", sum(Some(Tax::ZeroRated))),
    ];
    let advance = sum(None);
    if !advance.is_zero() {
        lines.push(shown("Advance, not yet a sale", advance));
    }
    lines
}

/// "Maria Clara Santos" as "M. C. S.": all that the public may see of a name.
pub fn initials(name: &str) -> String {
    let letters: Vec<String> = name
        .split_whitespace()
        .filter_map(|word| word.chars().next())
        .map(|first| format!("{}.", first.to_uppercase()))
        .collect();
    letters.join(" ")
}
