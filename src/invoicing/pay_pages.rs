//! Where whoever knows an invoice's or a payment's token sees what is to be paid, and pays: on the base domain, so that it is there
//! when a portal is suspended.

use std::time::Duration;

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    Invoicing,
    model::{Invoice, InvoiceStatus, Payment, PaymentStatus},
    processors::name_of,
    store,
};
use crate::{
    access::{Bare, CheckedForm, Guarded, Visitor},
    error::{Error, Result},
    web::{Flash, RouteTable, parts::money, see_other},
    words::say,
};

const REASON: &str = "whoever knows the address may see the invoice and pay it";
const TOKEN_MAX_BYTES: usize = 100;
/// A page waits for so long for what a processor has to say.
const PATIENCE: Duration = Duration::from_secs(6);

pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/pay/:token", REASON, show)
        .open_page(Method::POST, "/pay/:token", REASON, pay)
        .open_page(Method::GET, "/pay/:token/invoice.pdf", REASON, paper);
}

/// What a token stands for.
enum Found {
    Invoice(Box<Invoice>, Option<Payment>),
    Credit(Payment),
}

impl Found {
    fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Invoice(_, payment) => payment.as_ref(),
            Self::Credit(payment) => Some(payment),
        }
    }
}

async fn find(invoicing: &Invoicing, token: &str) -> Result<Found> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Error::not_found("page"));
    }
    let found = invoicing
        .db
        .read_public(async |tx| {
            if let Some(invoice) = store::find_by_token(tx, token).await? {
                let payment = store::last_payment_of(tx, invoice.id).await?;
                return Ok(Some(Found::Invoice(Box::new(invoice), payment)));
            }
            Ok(store::find_payment_by_token(tx, token).await?.map(Found::Credit))
        })
        .await?;
    found.ok_or(Error::not_found("page"))
}

#[derive(Serialize)]
struct LineRow {
    text: String,
    amount: String,
}

#[derive(Serialize)]
struct PayPage {
    token: String,
    title: String,
    /// Empty for credit.
    seller: String,
    buyer: String,
    lines: Vec<LineRow>,
    total: String,
    due: String,
    /// `open`, `waiting`, `paid`, `void`, `failed` or `held`.
    state: &'static str,
    /// What stands beside the state: how it was paid, why it failed.
    detail: String,
    processor: &'static str,
    /// Where to go on paying, while that is possible.
    pay_url: String,
    can_pay: bool,
    pdf: String,
    notes: Vec<String>,
}

fn state_of(invoice: Option<&Invoice>, payment: Option<&Payment>) -> &'static str {
    match invoice.map(|invoice| invoice.status) {
        Some(InvoiceStatus::Paid) => return "paid",
        Some(InvoiceStatus::Void) => return "void",
        Some(InvoiceStatus::Open) | None => {}
    }
    match payment.map(|payment| payment.status) {
        Some(PaymentStatus::Begun) => "waiting",
        Some(PaymentStatus::Paid) => "paid",
        Some(PaymentStatus::Failed) => "failed",
        Some(PaymentStatus::Held) => "held",
        Some(PaymentStatus::Settled) if invoice.is_none() => "void",
        Some(PaymentStatus::Settled) | None => "open",
    }
}

/// Only an address of the web is linked to.
fn safe_url(payment: Option<&Payment>) -> String {
    let url = payment
        .filter(|payment| payment.status == PaymentStatus::Begun)
        .and_then(|payment| payment.pay_url.as_deref());
    url.filter(|url| url.starts_with("https://") || url.starts_with("http://")).unwrap_or_default().to_owned()
}

fn view(invoicing: &Invoicing, token: &str, found: &Found) -> PayPage {
    let payment = found.payment();
    let (invoice, currency) = match found {
        Found::Invoice(invoice, _) => (Some(invoice.as_ref()), &invoice.currency),
        Found::Credit(payment) => (None, &payment.currency),
    };
    let state = state_of(invoice, payment);
    let printed = invoice.map(|invoice| &invoice.printed);
    let detail = match (state, payment) {
        ("failed", Some(payment)) => payment.detail.clone(),
        _ => String::new(),
    };
    let buyer = printed.and_then(|printed| printed.buyer.first()).map(|fact| fact.text.clone());
    PayPage {
        token: token.to_owned(),
        title: invoice.map_or_else(
            || say("Credit for messages").to_owned(),
            |invoice| say!("Invoice {}", invoice.label),
        ),
        seller: printed.map(|printed| printed.seller.clone()).unwrap_or_default(),
        buyer: buyer.or_else(|| payment.map(|payment| payment.tenant_name.clone())).unwrap_or_default(),
        lines: printed
            .map(|printed| {
                let row = |line: &crate::print::Line| LineRow {
                    text: line.text.clone(),
                    amount: line.amount.clone(),
                };
                printed.lines.iter().map(row).collect()
            })
            .unwrap_or_default(),
        total: invoice
            .map(|invoice| money(invoice.total, &invoice.currency))
            .or_else(|| payment.map(|payment| money(payment.amount, &payment.currency)))
            .unwrap_or_default(),
        due: printed.map(|printed| printed.due.clone()).unwrap_or_default(),
        state,
        detail,
        processor: payment.map(|payment| name_of(&payment.processor)).unwrap_or_default(),
        pay_url: safe_url(payment),
        can_pay: invoice.is_some_and(|invoice| invoice.status == InvoiceStatus::Open)
            && invoicing.can_pay_online(currency),
        pdf: invoice.map(|_| format!("/pay/{token}/invoice.pdf")).unwrap_or_default(),
        notes: printed.map(|printed| printed.notes.clone()).unwrap_or_default(),
    }
}

/// The page. Whoever comes back from paying need not wait for the webhook: the processor is asked.
#[handler]
async fn show(visitor: Visitor, invoicing: Data<&Invoicing>, token: Path<String>) -> Result<Response> {
    let mut found = find(&invoicing, &token).await?;
    if let Some(payment) = found.payment().filter(|payment| payment.status == PaymentStatus::Begun) {
        invoicing.look_after(payment, PATIENCE).await?;
        found = find(&invoicing, &token).await?;
    }
    let view = view(&invoicing, &token, &found);
    let title = view.title.clone();
    let bare = Bare { status: StatusCode::OK, template: "public/pay.html", title: &title };
    visitor.render(&invoicing.access, bare, None, &view)
}

#[handler]
async fn pay(invoicing: Data<&Invoicing>, token: Path<String>, _form: CheckedForm) -> Result<Response> {
    let path = format!("/pay/{}", *token);
    let Found::Invoice(invoice, _) = find(&invoicing, &token).await? else { return Ok(see_other(path)) };
    let tenant = invoicing.registry.find_by_id(invoice.tenant).await?.ok_or(Error::not_found("page"))?;
    let done = invoicing.pay_invoice(&tenant, &invoice, say("by the invoice's address")).await;
    let mut response = see_other(path);
    match done {
        Ok(_) => {}
        Err(error @ (Error::Conflict { .. } | Error::TooMany { .. })) => {
            invoicing.access.flash(&mut response, &Flash::error(error.detail()));
        }
        Err(error) => return Err(error),
    }
    Ok(response)
}

#[handler]
async fn paper(invoicing: Data<&Invoicing>, token: Path<String>) -> Result<Response> {
    match find(&invoicing, &token).await? {
        Found::Invoice(invoice, _) => Ok(invoicing.paper(&invoice)?.into_response()),
        Found::Credit(_) => Err(Error::not_found("page")),
    }
}
