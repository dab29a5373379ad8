//! The console's pages of invoices: all of them, one of them, payments that somebody must look at, and the terms. The rules are those
//! of `invoicing`.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::console::{ConsoleUser, Guarding, Look, Rule};
use crate::{
    access::CheckedForm,
    error::Result,
    invoicing::{Invoice, InvoiceStatus, Payment, PaymentStatus, TermsForm, processor_name},
    types::Limit,
    web::{
        Flash, Form, FormView, Moment, RouteTable,
        parts::{Pager, Tab, address, counted, id_of, money},
    },
    words::say,
};

const PATH: &str = "/console/invoices";
const TERMS: &str = "/console/invoices/terms";
const PAGE: Limit = Limit::of(50);
const FIELDS: [&str; 10] = [
    "seller",
    "seller_address",
    "seller_tax_number",
    "prefix",
    "tax_name",
    "tax_percent",
    "note",
    "due_days",
    "reminder_days",
    "suspend_days",
];

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Rule>(Method::GET, TERMS, terms)
        .console::<Rule>(Method::POST, TERMS, change_terms)
        .console::<Look>(Method::GET, "/console/invoices/:id", show)
        .console::<Look>(Method::GET, "/console/invoices/:id/paper", paper)
        .console::<Rule>(Method::POST, "/console/invoices/:id/paid", record_paid)
        .console::<Rule>(Method::POST, "/console/invoices/:id/void", make_void)
        .console::<Rule>(Method::POST, "/console/payments/:id/settle", settle_held);
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
}

#[derive(Serialize)]
struct Row {
    href: String,
    label: String,
    tenant: String,
    tenant_href: String,
    total: String,
    issued: Moment,
    due: Moment,
    word: String,
    tone: &'static str,
}

fn day(day: chrono::NaiveDate) -> Moment {
    Moment::long_day(day.and_time(chrono::NaiveTime::MIN).and_utc(), chrono_tz::UTC)
}

fn row_of(invoice: &Invoice) -> Row {
    let overdue = invoice.overdue_days(chrono::Utc::now().date_naive());
    let (word, tone) = match invoice.status {
        InvoiceStatus::Paid => (say("Paid").to_owned(), "success"),
        InvoiceStatus::Void => (say("Void").to_owned(), "neutral"),
        InvoiceStatus::Open if overdue > 0 => (say!("Overdue {}", counted(overdue, "day", "days")), "error"),
        InvoiceStatus::Open => (say("Open").to_owned(), "warning"),
    };
    Row {
        href: format!("{PATH}/{}", invoice.id),
        label: invoice.label.clone(),
        tenant: invoice.tenant_name.clone(),
        tenant_href: format!("/console/tenants/{}", invoice.tenant),
        total: money(invoice.total, &invoice.currency),
        issued: day(invoice.issued_on),
        due: day(invoice.due_on),
        word,
        tone,
    }
}

#[derive(Serialize)]
struct PaymentRow {
    tenant: String,
    tenant_href: String,
    subject: String,
    amount: String,
    processor: &'static str,
    id: String,
    word: &'static str,
    tone: &'static str,
    detail: String,
    at: Moment,
    settle_action: String,
}

fn payment_row(payment: &Payment) -> PaymentRow {
    let (word, tone) = match payment.status {
        PaymentStatus::Begun => (say("Begun"), "warning"),
        PaymentStatus::Paid => (say("Paid"), "success"),
        PaymentStatus::Failed => (say("Failed"), "neutral"),
        PaymentStatus::Held => (say("To be looked at"), "error"),
        PaymentStatus::Settled => (say("Settled"), "neutral"),
    };
    PaymentRow {
        tenant: payment.tenant_name.clone(),
        tenant_href: format!("/console/tenants/{}", payment.tenant),
        subject: payment.invoice_label.clone().unwrap_or_else(|| say("Credit for messages").to_owned()),
        amount: money(payment.amount, &payment.currency),
        processor: processor_name(&payment.processor),
        id: payment.id.to_string(),
        word,
        tone,
        detail: payment.detail.clone(),
        at: Moment::at(payment.begun_at, chrono_tz::UTC),
        settle_action: format!("/console/payments/{}/settle", payment.id),
    }
}

#[derive(Serialize)]
struct ListPage {
    q: String,
    state: String,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    held: Vec<PaymentRow>,
    pager: Pager,
    has_seller: bool,
}

#[handler]
async fn list(user: ConsoleUser, asked: Query<Asked>) -> Result<Response> {
    let invoicing = &user.console.invoicing;
    let status = InvoiceStatus::parse(&asked.state);
    let state = status.map_or("", InvoiceStatus::as_str);
    let q: String = asked.q.trim().chars().take(100).collect();
    let before = Some(asked.before.as_str()).filter(|label| !label.is_empty() && label.len() <= 30);
    let mut found = invoicing.all(status, &q, before, PAGE.and_one()).await?;
    let more = PAGE.cut(&mut found);
    let next = found.last().filter(|_| more).map(|last| last.label.clone());
    let at = |state: &str, before: &str| {
        let all = [("q", q.as_str()), ("state", state), ("before", before)];
        address(PATH, all.into_iter().filter(|(_, value)| !value.is_empty()))
    };
    let tab = |label, of: &str| Tab { label, count: None, href: at(of, ""), active: state == of };
    let view = ListPage {
        tabs: vec![
            tab(say("All"), ""),
            tab(say("Open"), "open"),
            tab(say("Paid"), "paid"),
            tab(say("Void"), "void"),
        ],
        rows: found.iter().map(row_of).collect(),
        held: invoicing.held().await?.iter().map(payment_row).collect(),
        pager: Pager {
            prev_href: before.map(|_| at(state, "")),
            next_href: next.map(|next| at(state, &next)),
            shown: found.len().to_string(),
            total: None,
        },
        has_seller: !invoicing.terms().await?.seller.is_empty(),
        state: state.to_owned(),
        q,
    };
    user.render("console/invoices.html", say("Invoices"), &view)
}

#[derive(Serialize)]
struct LineRow {
    text: String,
    amount: String,
}

#[derive(Serialize)]
struct ShowPage {
    invoice: Row,
    base: String,
    lines: Vec<LineRow>,
    taxes: Vec<LineRow>,
    buyer: Vec<LineRow>,
    is_open: bool,
    settled: Option<Moment>,
    settled_by: String,
    settled_note: String,
    reminded: i16,
    suspended: Option<Moment>,
    pay_url: String,
    payments: Vec<PaymentRow>,
}

#[handler]
async fn show(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let (invoice, payments) = user.console.invoicing.one(id_of::<Uuid>(&id, "invoice")?).await?;
    let line = |text: &str, amount: &str| LineRow { text: text.to_owned(), amount: amount.to_owned() };
    let facts =
        |facts: &[crate::print::Fact]| facts.iter().map(|fact| line(&fact.label, &fact.text)).collect();
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    let view = ShowPage {
        base: format!("{PATH}/{}", invoice.id),
        lines: invoice.printed.lines.iter().map(|one| line(&one.text, &one.amount)).collect(),
        taxes: facts(&invoice.printed.taxes),
        buyer: facts(&invoice.printed.buyer),
        is_open: invoice.status == InvoiceStatus::Open,
        settled: invoice.settled_at.map(moment),
        settled_by: invoice.settled_by.clone(),
        settled_note: invoice.settled_note.clone(),
        reminded: invoice.reminded,
        suspended: invoice.suspended_at.map(moment),
        pay_url: user.console.invoicing.pay_url(&invoice.pay_token),
        payments: payments.iter().map(payment_row).collect(),
        invoice: row_of(&invoice),
    };
    let title = invoice.label.clone();
    user.render("console/invoice.html", &title, &view)
}

#[handler]
async fn paper(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let invoicing = &user.console.invoicing;
    let (invoice, _) = invoicing.one(id_of::<Uuid>(&id, "invoice")?).await?;
    Ok(invoicing.paper(&invoice)?.into_response())
}

#[handler]
async fn record_paid(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, "invoice")?;
    let done = user.console.invoicing.record_paid(&user.operator(), id, form.get("how")).await;
    user.or_said(&format!("{PATH}/{id}"), done.map(|()| Flash::success("The invoice is paid.")))
}

#[handler]
async fn make_void(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, "invoice")?;
    let done = user.console.invoicing.make_void(&user.operator(), id, form.get("reason")).await;
    user.or_said(&format!("{PATH}/{id}"), done.map(|()| Flash::success("The invoice is void.")))
}

/// Back to the list: there the others are that somebody must look at.
#[handler]
async fn settle_held(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, "payment")?;
    let done = user.console.invoicing.settle_held(&user.operator(), id, form.get("how")).await;
    user.or_said(PATH, done.map(|()| Flash::success("It is settled.")))
}

#[derive(Serialize)]
struct TermsPage {
    form: FormView,
    hooks: String,
}

fn show_terms(user: &ConsoleUser, status: StatusCode, form: FormView) -> Result<Response> {
    let hooks = user.console.link("/hooks/payments/");
    user.render_with(
        status,
        "console/invoice_terms.html",
        say("Terms of invoices"),
        &TermsPage { form, hooks },
    )
}

#[handler]
async fn terms(user: ConsoleUser) -> Result<Response> {
    let terms = user.console.invoicing.terms().await?;
    let reminders: Vec<String> = terms.reminder_days.iter().map(ToString::to_string).collect();
    let form = FormView::empty(TERMS, &FIELDS)
        .with("seller", terms.seller)
        .with("seller_address", terms.seller_address)
        .with("seller_tax_number", terms.seller_tax_number)
        .with("prefix", terms.prefix)
        .with("tax_name", terms.tax_name)
        .with("tax_percent", terms.tax_percent.normalize().to_string())
        .with("note", terms.note)
        .with("due_days", terms.due_days.to_string())
        .with("reminder_days", reminders.join(", "))
        .with("suspend_days", terms.suspend_days.map(|days| days.to_string()).unwrap_or_default());
    show_terms(&user, StatusCode::OK, form)
}

fn typed(form: &Form) -> TermsForm<'_> {
    TermsForm {
        seller: form.get("seller"),
        seller_address: form.get("seller_address"),
        seller_tax_number: form.get("seller_tax_number"),
        prefix: form.get("prefix"),
        tax_name: form.get("tax_name"),
        tax_percent: form.get("tax_percent"),
        note: form.get("note"),
        due_days: form.get("due_days"),
        reminder_days: form.get("reminder_days"),
        suspend_days: form.get("suspend_days"),
    }
}

#[handler]
async fn change_terms(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    match user.console.invoicing.change_terms(&user.operator(), &typed(&form)).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Changed. It counts for what is issued from now on."))),
        Err(error) => {
            let shown = FormView::empty(TERMS, &FIELDS).typed(&form).failed(error)?;
            show_terms(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)
        }
    }
}
