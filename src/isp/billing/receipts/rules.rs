//! Issuing receipts, and finding them again.

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;

use super::{
    model::{Printed, Taxed, taxes},
    store::{self, Letterhead, NewReceipt, Paid, Payer, Receipt},
};
use crate::{
    access::By,
    db::TenantTx,
    error::{Error, Result},
    isp::{
        billing::{
            payments::Payment,
            policy::{self, Policy},
        },
        series,
    },
    print::{Fact, Line},
    types::ReceiptId,
    web::parts::money,
    words::in_english,
};

const LAYOUT: u8 = 1;
const NO_INPUT_TAX: &str = "This document is not valid for claim of input tax.";

fn day_and_time(at: DateTime<Utc>, by: &By) -> String {
    at.with_timezone(&by.tenant.time_zone.0).format("%-d %B %Y, %H:%M").to_string()
}

fn line_of(paid: &Paid, by: &By) -> Line {
    let days = paid.days.normalize();
    Line {
        text: format!("{}, {} Mbps", paid.plan_name, paid.download_mbps),
        detail: format!(
            "{} – {} ({days} days)",
            day_and_time(paid.starts_at, by),
            day_and_time(paid.ends_at, by)
        ),
        amount: money(paid.amount, &by.tenant.currency),
    }
}

fn customer_facts(payer: &Payer) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Received from", &payer.name)];
    let more = [("Address", &payer.address), ("Contact", &payer.phone), ("Account number", &payer.reference)];
    facts.extend(more.into_iter().filter_map(|(label, text)| Some(Fact::new(label, text.clone()?))));
    facts
}

fn payment_facts(payment: &Payment, by: &By) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Paid by", in_english(|| payment.method.label()))];
    if let Some(reference) = &payment.reference {
        facts.push(Fact::new("Reference", reference));
    }
    facts.push(Fact::new("Received", day_and_time(payment.received_at, by)));
    facts
}

fn notes_of(policy: &Policy) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(number) = &policy.registration_number {
        let on =
            policy.registered_on.map(|day| format!(" of {}", day.format("%-d %B %Y"))).unwrap_or_default();
        notes.push(format!("Registration no. {number}{on}"));
    } else {
        notes.push(NO_INPUT_TAX.to_owned());
    }
    notes.extend(policy.note.clone());
    notes
}

fn company_lines(head: &Letterhead, by: &By, policy: &Policy) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(legal) = head.legal_name.as_ref().filter(|legal| **legal != by.tenant.name) {
        lines.push(legal.clone());
    }
    lines.extend(head.lines.iter().cloned());
    if let Some(tin) = &head.tax_number {
        let word = if policy.is_vat_registered { "VAT Reg. TIN" } else { "TIN" };
        lines.push(format!("{word} {tin}"));
    }
    lines
}

/// Issues the receipt of a payment. The series' row stays locked until the transaction ends, so this is done last.
pub async fn issue(tx: &TenantTx, by: &By, payment: &Payment, home: &str) -> Result<(ReceiptId, String)> {
    let policy = policy::get(tx).await?;
    let head = store::letterhead(tx).await?;
    let payer = store::payer(tx, payment.customer).await?;
    let paid = store::paid_by(tx, payment.id).await?;
    let currency = &by.tenant.currency;
    let mut lines: Vec<Line> = paid.iter().map(|one| line_of(one, by)).collect();
    let mut parts: Vec<Taxed> =
        paid.iter().map(|one| Taxed { amount: one.amount, tax: Some(one.tax) }).collect();
    let credit = payment.amount - parts.iter().map(|part| part.amount).sum::<rust_decimal::Decimal>();
    if !credit.is_zero() {
        parts.push(Taxed { amount: credit, tax: None });
        lines.push(Line {
            text: "Credit to the account".into(),
            detail: String::new(),
            amount: money(credit, currency),
        });
    }
    let logo = match &head.logo {
        Some(content) => Some(store::keep_logo(tx, content).await?),
        None => None,
    };
    let code = BASE32_NOPAD.encode(&rand::random::<[u8; 15]>()).to_ascii_lowercase();
    let issued_at = Utc::now();
    let day = issued_at.with_timezone(&by.tenant.time_zone.0).date_naive();
    let series = policy.series.of(&policy.prefix, day);
    let number = series::next(tx, &format!("receipt {series}")).await?;
    let printed = Printed {
        layout: LAYOUT,
        title: policy.title.clone(),
        label: policy.series.label(&series, number),
        issued: day_and_time(issued_at, by),
        company: by.tenant.name.clone(),
        company_lines: company_lines(&head, by, &policy),
        customer: customer_facts(&payer),
        lines,
        total: money(payment.amount, currency),
        payment: payment_facts(payment, by),
        taxes: taxes(&parts, policy.is_vat_registered, policy.vat_rate, currency),
        issuer: payment.received_by_label.clone(),
        notes: notes_of(&policy),
        verify_url: format!("{home}/receipts/verify/{code}"),
    };
    let new = NewReceipt {
        id: ReceiptId::new(),
        series: &series,
        number,
        payment: payment.id,
        customer: payment.customer,
        issued_at,
        printed: &printed,
        logo: logo.as_deref(),
        code: &code,
    };
    store::insert(tx, &new).await?;
    Ok((new.id, printed.label))
}

pub async fn get(tx: &TenantTx, id: ReceiptId) -> Result<Receipt> {
    store::find(tx, id).await?.ok_or(Error::not_found("receipt"))
}

/// What the public may ask of a receipt by the code that its QR names.
pub async fn verify(tx: &TenantTx, code: &str) -> Result<Option<Receipt>> {
    let is_code = code.len() == 24 && code.bytes().all(|c| c.is_ascii_alphanumeric());
    if is_code { store::find_by_code(tx, &code.to_ascii_lowercase()).await } else { Ok(None) }
}

/// What it prints, with its logo.
pub async fn printed(tx: &TenantTx, id: ReceiptId) -> Result<(Printed, Option<Vec<u8>>)> {
    store::printed(tx, id).await?.ok_or(Error::not_found("receipt"))
}
