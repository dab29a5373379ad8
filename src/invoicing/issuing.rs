//! From statements to invoices, and from paid credit to its invoice. The number is taken in the transaction that writes the invoice:
//! what fails leaves no gap.

use chrono::{Days, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    Invoicing, letters,
    model::Printed,
    store::{self, Due, NewInvoice},
    terms::Terms,
};
use crate::{
    access::{self, Registered, random_token},
    db::ControlTx,
    error::Result,
    print::{Fact, Line},
    tenancy::Tenant,
    types::amount::tax_inside,
    web::parts::money,
};

/// Whom an invoice is for: what is fetched out of the tenant's own schema before it is written.
pub(super) struct Buyer {
    pub registered: Registered,
    pub owners: Vec<access::Addressee>,
}

/// What is invoiced.
pub(super) struct Sale<'a> {
    pub statement: Option<Uuid>,
    pub lines: Vec<Line>,
    pub currency: &'a str,
    pub total: Decimal,
    /// How it was paid already, if it was.
    pub paid_by: Option<&'a str>,
}

/// An invoice that was just written.
pub(super) struct Issued {
    pub label: String,
    pub due_on: NaiveDate,
    pub pay_token: String,
}

pub(super) fn day_text(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

fn buyer_facts(tenant: &Tenant, registered: &Registered) -> Vec<Fact> {
    let name = registered.legal_name.clone().unwrap_or_else(|| tenant.name.clone());
    let mut facts = vec![Fact::new("Billed to", name)];
    let more = [("Address", &registered.address), ("Tax number", &registered.tax_number)];
    facts.extend(more.into_iter().filter_map(|(label, text)| Some(Fact::new(label, text.clone()?))));
    facts
}

fn tax_facts(terms: &Terms, total: Decimal, currency: &str) -> Vec<Fact> {
    if terms.tax_name.is_empty() {
        return Vec::new();
    }
    let tax = tax_inside(total, terms.tax_percent);
    let label = format!("{} ({}%)", terms.tax_name, terms.tax_percent.normalize());
    vec![
        Fact::new(format!("Without {}", terms.tax_name), money(total - tax, currency)),
        Fact::new(label, money(tax, currency)),
    ]
}

fn seller_lines(terms: &Terms) -> Vec<String> {
    let number = Some(&terms.seller_tax_number).filter(|text| !text.is_empty());
    let address = Some(terms.seller_address.clone()).filter(|text| !text.is_empty());
    address.into_iter().chain(number.map(|number| format!("Tax number {number}"))).collect()
}

/// Writes an invoice. The numbers' row stays locked until the transaction ends, so this is done last.
pub(super) async fn issue(
    tx: &ControlTx,
    terms: &Terms,
    tenant: &Tenant,
    buyer: &Buyer,
    sale: Sale<'_>,
) -> Result<Issued> {
    let issued_on = Utc::now().with_timezone(&tenant.time_zone.0).date_naive();
    let days = if sale.paid_by.is_some() { 0 } else { u64::try_from(terms.due_days).unwrap_or_default() };
    let due_on = issued_on.checked_add_days(Days::new(days)).unwrap_or(issued_on);
    let number = store::next_number(tx).await?;
    let printed = Printed {
        seller: terms.seller.clone(),
        seller_lines: seller_lines(terms),
        label: format!("{}-{number:06}", terms.prefix),
        issued: day_text(issued_on),
        due: day_text(due_on),
        buyer: buyer_facts(tenant, &buyer.registered),
        lines: sale.lines,
        total: money(sale.total, sale.currency),
        taxes: tax_facts(terms, sale.total, sale.currency),
        notes: Some(terms.note.clone()).filter(|note| !note.is_empty()).into_iter().collect(),
    };
    let pay_token = random_token();
    let new = NewInvoice {
        id: Uuid::now_v7(),
        number,
        tenant: tenant.id(),
        statement: sale.statement,
        printed: &printed,
        currency: sale.currency,
        total: sale.total,
        issued_on,
        due_on,
        pay_token: &pay_token,
        paid_by: sale.paid_by,
    };
    store::insert_invoice(tx, &new).await?;
    Ok(Issued { label: printed.label, due_on, pay_token })
}

impl Invoicing {
    pub(super) async fn buyer(&self, tenant: &Tenant) -> Result<Buyer> {
        self.db
            .read_tenant(tenant, async |tx| {
                Ok(Buyer {
                    registered: access::registered(tx).await?,
                    owners: access::list_owners(tx).await?,
                })
            })
            .await
    }

    /// Invoices every statement that came to something. One that fails is tried again at the next round, and does not hold up the
    /// others.
    pub(super) async fn issue_due(&self) -> Result<()> {
        for due in self.db.read_public(async |tx| store::list_due(tx).await).await? {
            if let Err(error) = self.invoice(&due).await {
                tracing::error!(statement = %due.statement, %error, "a statement could not be invoiced");
            }
        }
        Ok(())
    }

    async fn invoice(&self, due: &Due) -> Result<()> {
        let Some(tenant) = self.registry.find_by_id(due.tenant).await? else { return Ok(()) };
        let buyer = self.buyer(&tenant).await?;
        let sale = || Sale {
            statement: Some(due.statement),
            lines: due
                .lines
                .iter()
                .map(|line| Line {
                    text: line.text.clone(),
                    detail: String::new(),
                    amount: money(line.amount, &due.currency),
                })
                .collect(),
            currency: &due.currency,
            total: due.total,
            paid_by: None,
        };
        self.db
            .in_public(async |tx| {
                if store::is_invoiced(tx, due.statement).await? {
                    return Ok(());
                }
                let terms = store::get_terms(tx).await?;
                let issued = issue(tx, &terms, &tenant, &buyer, sale()).await?;
                let month = due.month.format("%B %Y").to_string();
                let told =
                    letters::Told::issued(&tenant.name, &month, &issued, money(due.total, &due.currency));
                self.write_to(tx, &buyer.owners, &terms, &told).await
            })
            .await
    }
}
