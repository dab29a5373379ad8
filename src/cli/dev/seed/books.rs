//! The demo's plans, and a year of periods, payments, receipts and accounts: what the rules would have written, at the times at
//! which it happened.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use data_encoding::BASE32_NOPAD;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SEED, Seeded};
use crate::{
    db::TenantTx,
    demo::{self, DemoSale, PLANS},
    error::Result,
    isp::billing::{self, Printed},
    jobs,
    print::{Fact, Line},
    types::StaffId,
    web::parts::money as shown_money,
};

/// Who stands at the counter.
pub(super) struct Cashier {
    pub id: StaffId,
    pub name: String,
}

/// Writes everything that has to do with money. `installations` are those of the customers, in their order.
pub(super) async fn write(
    tx: &TenantTx,
    seeded: &Seeded<'_>,
    installations: &[Uuid],
    cashier: Option<&Cashier>,
) -> Result<usize> {
    let plans = plans(tx, seeded.now).await?;
    let sales = demo::year(SEED, seeded.customers, seeded.zone, seeded.now);
    let mut books = Books::new(seeded, cashier);
    for sale in &sales {
        books.enter(sale, &plans, installations);
    }
    periods(tx, &books).await?;
    payments(tx, &books).await?;
    accounts(tx, &books).await?;
    settle(tx, seeded.now).await?;
    jobs::call_at(tx, billing::CLOCK, seeded.now).await?;
    Ok(sales.len())
}

async fn plans(tx: &TenantTx, now: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = PLANS.iter().map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Value> = PLANS
        .iter()
        .zip(&ids)
        .map(|(plan, id)| {
            json!({ "id": id, "name": plan.name, "description": plan.description, "mbps": plan.mbps, "price": plan.price,
                "days": plan.days, "is_active": plan.is_active })
        })
        .collect();
    let since = now - chrono::Duration::days(3 * 365);
    tx.execute(
        "WITH new AS (
            INSERT INTO plan (id, name, description, download_mbps, upload_mbps, price, period_days, is_active, created_at, updated_at)
            SELECT id, name, description, mbps, mbps, price, days, is_active, $2, $2
            FROM jsonb_to_recordset($1) AS x (id uuid, name text, description text, mbps int, price numeric, days smallint,
                is_active boolean)
            RETURNING id, price, period_days)
         INSERT INTO plan_price (plan_id, valid_from, price, period_days, changed_by)
         SELECT id, $2, price, period_days, 'lastmile dev' FROM new",
        &[&Value::from(rows), &since],
    )
    .await?;
    Ok(ids)
}

/// The rows of every table of money.
struct Books<'a> {
    seeded: &'a Seeded<'a>,
    cashier: Option<&'a Cashier>,
    periods: Vec<Value>,
    payments: Vec<Value>,
    receipts: Vec<Value>,
    entries: Vec<Value>,
    /// Balance and number of entries, by customer.
    accounts: HashMap<usize, (i64, i64)>,
    /// The last number of each day's receipts.
    receipt_numbers: HashMap<NaiveDate, i64>,
}

impl<'a> Books<'a> {
    fn new(seeded: &'a Seeded<'a>, cashier: Option<&'a Cashier>) -> Self {
        Self {
            seeded,
            cashier,
            periods: Vec::new(),
            payments: Vec::new(),
            receipts: Vec::new(),
            entries: Vec::new(),
            accounts: HashMap::new(),
            receipt_numbers: HashMap::new(),
        }
    }

    fn enter(&mut self, sale: &DemoSale, plans: &[Uuid], installations: &[Uuid]) {
        let (Some(plan), Some(plan_id)) = (PLANS.get(sale.plan), plans.get(sale.plan)) else { return };
        let (Some(customer), Some(installation)) =
            (self.seeded.ids.get(sale.customer).copied(), installations.get(sale.customer))
        else {
            return;
        };
        let id = Uuid::now_v7();
        let days = (Decimal::from(sale.amount) * Decimal::from(plan.days) / Decimal::from(plan.price))
            .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let kind = match plan.days {
            _ if sale.amount != plan.price => "custom",
            30 => "one_month",
            _ => "one_period",
        };
        self.periods.push(json!({
            "id": id, "installation_id": installation, "customer_id": customer, "plan_id": plan_id, "plan_name": plan.name,
            "kind": kind, "price": plan.price, "days": plan.days, "amount": sale.amount,
            "paid": if sale.paid_by.is_some() { sale.amount } else { 0 }, "starts_at": sale.starts_at,
            "ends_at": sale.ends_at(), "minutes": sale.minutes, "days_added": days, "sold_at": sale.sold_at,
            "status": if sale.ends_at() > self.seeded.now { "active" } else { "expired" },
            "staff": self.cashier.map(|cashier| cashier.id), "label": self.cashier_name(),
        }));
        let text = format!("{}, {} days", plan.name, days.normalize());
        self.post(sale, "charge", sale.amount, (customer, Some(id), None), &text);
        self.take(sale, (id, customer), plan, days);
    }

    fn cashier_name(&self) -> &str {
        self.cashier.map_or("lastmile dev", |cashier| cashier.name.as_str())
    }

    /// The money for a period, and its receipt.
    fn take(
        &mut self,
        sale: &DemoSale,
        (period, customer): (Uuid, Uuid),
        plan: &demo::DemoPlan,
        days: Decimal,
    ) {
        let Some(paid) = sale.paid_by else { return };
        let id = Uuid::now_v7();
        let reference = paid.reference.map(|number| number.to_string());
        let method = method_label(paid.method);
        let text =
            reference.as_ref().map_or_else(|| method.to_owned(), |reference| format!("{method} {reference}"));
        self.payments.push(json!({
            "id": id, "customer_id": customer, "amount": sale.amount, "method": paid.method, "reference": reference,
            "staff": self.cashier.map(|cashier| cashier.id), "label": self.cashier_name(), "received_at": sale.sold_at,
            "period": period, "allocation": Uuid::now_v7(),
        }));
        self.post(sale, "payment", -sale.amount, (customer, None, Some(id)), &text);
        let day = sale.sold_at.with_timezone(&self.seeded.zone).date_naive();
        let number = self.receipt_numbers.entry(day).or_default();
        *number += 1;
        let series = format!("AR-{}", day.format("%Y-%m-%d"));
        let label = format!("{series}-{number:04}");
        let number = *number;
        let code = BASE32_NOPAD.encode(&rand::random::<[u8; 15]>()).to_ascii_lowercase();
        let printed = self.printed(sale, (&label, &code), plan, days, &reference);
        self.receipts.push(json!({
            "id": Uuid::now_v7(), "series": series, "number": number, "label": label, "payment_id": id,
            "customer_id": customer, "issued_at": sale.sold_at, "printed": printed, "code": code,
        }));
    }

    fn printed(
        &self,
        sale: &DemoSale,
        (label, code): (&str, &str),
        plan: &demo::DemoPlan,
        days: Decimal,
        reference: &Option<String>,
    ) -> Printed {
        let zone = self.seeded.zone;
        let at = |at: DateTime<Utc>| at.with_timezone(&zone).format("%-d %B %Y, %H:%M").to_string();
        let amount = shown_money(Decimal::from(sale.amount), &self.seeded.currency);
        let mut payment =
            vec![Fact::new("Paid by", method_label(sale.paid_by.map_or("cash", |paid| paid.method)))];
        payment.extend(reference.iter().map(|reference| Fact::new("Reference", reference)));
        payment.push(Fact::new("Received", at(sale.sold_at)));
        let customer = self.seeded.customers.get(sale.customer);
        let name = customer.map(|one| format!("{} {}", one.first_name, one.last_name)).unwrap_or_default();
        let mut facts = vec![Fact::new("Received from", name)];
        facts.extend(customer.map(|one| Fact::new("Address", &one.street_address)));
        facts.extend(customer.map(|one| Fact::new("Contact", &one.phone)));
        Printed {
            layout: 1,
            title: "Acknowledgement Receipt".into(),
            label: label.to_owned(),
            issued: at(sale.sold_at),
            company: self.seeded.company.clone(),
            company_lines: Vec::new(),
            customer: facts,
            lines: vec![Line {
                text: format!("{}, {} Mbps", plan.name, plan.mbps),
                detail: format!(
                    "{} – {} ({} days)",
                    at(sale.starts_at),
                    at(sale.ends_at()),
                    days.normalize()
                ),
                amount: amount.clone(),
            }],
            total: amount,
            payment,
            taxes: Vec::new(),
            issuer: self.cashier_name().to_owned(),
            notes: vec!["This document is not valid for claim of input tax.".into()],
            verify_url: format!("{}/receipts/verify/{code}", self.seeded.home),
        }
    }

    /// One line of an account.
    fn post(
        &mut self,
        sale: &DemoSale,
        kind: &str,
        amount: i64,
        (customer, period, payment): (Uuid, Option<Uuid>, Option<Uuid>),
        text: &str,
    ) {
        let (balance, entries) = self.accounts.entry(sale.customer).or_default();
        *balance += amount;
        *entries += 1;
        self.entries.push(json!({
            "customer_id": customer, "position": *entries, "id": Uuid::now_v7(), "kind": kind, "amount": amount,
            "balance": *balance, "period": period, "payment": payment, "text": text, "at": sale.sold_at,
        }));
    }
}

fn method_label(method: &str) -> &'static str {
    match method {
        "gcash" => "GCash",
        "maya" => "Maya",
        "bank" => "Bank transfer",
        "card" => "Card",
        _ => "Cash",
    }
}

async fn periods(tx: &TenantTx, books: &Books<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, amount,
            paid_amount, starts_at, ends_at, sold_minutes, days_added, status, sold_by, sold_by_label, created_at, updated_at)
         SELECT id, installation_id, customer_id, plan_id, plan_name, kind, price, days, 'vatable', amount, paid, starts_at, ends_at,
            minutes, days_added, status, staff, label, sold_at, sold_at
         FROM jsonb_to_recordset($1) AS x (id uuid, installation_id uuid, customer_id uuid, plan_id uuid, plan_name text, kind text,
            price numeric, days smallint, amount numeric, paid numeric, starts_at timestamptz, ends_at timestamptz, minutes bigint,
            days_added numeric, status text, staff uuid, label text, sold_at timestamptz)",
        &[&Value::from(books.periods.clone())],
    )
    .await?;
    Ok(())
}

async fn payments(tx: &TenantTx, books: &Books<'_>) -> Result<()> {
    let rows = Value::from(books.payments.clone());
    tx.execute(
        "INSERT INTO payment (id, customer_id, amount, allocated_amount, method, reference, received_by, received_by_label,
            received_at, created_at)
         SELECT id, customer_id, amount, amount, method, reference, staff, label, received_at, received_at
         FROM jsonb_to_recordset($1) AS x (id uuid, customer_id uuid, amount numeric, method text, reference text, staff uuid,
            label text, received_at timestamptz)",
        &[&rows],
    )
    .await?;
    tx.execute(
        "INSERT INTO payment_allocation (id, payment_id, subscription_id, amount, created_at)
         SELECT allocation, id, period, amount, received_at
         FROM jsonb_to_recordset($1) AS x (id uuid, allocation uuid, period uuid, amount numeric, received_at timestamptz)",
        &[&rows],
    )
    .await?;
    tx.execute(
        "INSERT INTO receipt (id, series, number, label, payment_id, customer_id, issued_at, printed, verification_code)
         SELECT id, series, number, label, payment_id, customer_id, issued_at, printed, code
         FROM jsonb_to_recordset($1) AS x (id uuid, series text, number bigint, label text, payment_id uuid, customer_id uuid,
            issued_at timestamptz, printed jsonb, code text)",
        &[&Value::from(books.receipts.clone())],
    )
    .await?;
    tx.execute(
        "INSERT INTO number_series (series, last) SELECT 'receipt ' || series, max(number) FROM receipt GROUP BY series",
        &[],
    )
    .await?;
    Ok(())
}

async fn accounts(tx: &TenantTx, books: &Books<'_>) -> Result<()> {
    let accounts: Vec<Value> = books
        .accounts
        .iter()
        .map(|(customer, (balance, entries))| {
            json!({ "customer_id": books.seeded.ids.get(*customer), "balance": balance, "entries": entries })
        })
        .collect();
    tx.execute(
        "INSERT INTO customer_account (customer_id, balance, entries)
         SELECT customer_id, balance, entries
         FROM jsonb_to_recordset($1) AS x (customer_id uuid, balance numeric, entries bigint)",
        &[&Value::from(accounts)],
    )
    .await?;
    tx.execute(
        "UPDATE customer_account a SET first_paid_id = (SELECT s.id FROM subscription s \
            WHERE s.customer_id = a.customer_id AND s.paid_amount > 0 ORDER BY s.starts_at, s.id LIMIT 1)",
        &[],
    )
    .await?;
    tx.execute(
        "INSERT INTO ledger_entry (customer_id, position, id, kind, amount, balance, subscription_id, payment_id, description,
            occurred_at)
         SELECT customer_id, position, id, kind, amount, balance, period, payment, text, at
         FROM jsonb_to_recordset($1) AS x (customer_id uuid, position bigint, id uuid, kind text, amount numeric, balance numeric,
            period uuid, payment uuid, text text, at timestamptz)",
        &[&Value::from(books.entries.clone())],
    )
    .await?;
    Ok(())
}

/// Until when each installation is paid, and whether its service runs.
async fn settle(tx: &TenantTx, now: DateTime<Utc>) -> Result<()> {
    tx.execute(
        "UPDATE installation i SET paid_until = s.ends_at,
            status = CASE WHEN i.status = 'inactive' AND s.ends_at > $1 THEN 'active' ELSE i.status END
         FROM (SELECT installation_id, max(ends_at) AS ends_at FROM subscription GROUP BY installation_id) s
         WHERE s.installation_id = i.id",
        &[&now],
    )
    .await?;
    Ok(())
}
