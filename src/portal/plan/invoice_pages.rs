//! The page of the platform's invoices, and of credit for messages.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::invoices::{self, Account};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, Result},
    invoicing::{CREDIT_MAX, CREDIT_MIN, Invoice, InvoiceStatus, Invoicing, Payment, PaymentStatus},
    portal::settings::ManageSettings,
    tenancy::Registry,
    types::amount,
    web::{
        FormView, Moment, RouteTable,
        parts::{id_of, money},
        see_other,
    },
    words::say,
};

const PATH: &str = "/settings/invoices";
const CREDIT: &str = "/settings/invoices/credit";
const FIELDS: [&str; 1] = ["amount"];

pub fn pages(table: &mut RouteTable) {
    table
        .page::<ManageSettings>(Method::GET, PATH, show)
        .page::<ManageSettings>(Method::POST, CREDIT, buy)
        .page::<ManageSettings>(Method::GET, "/settings/invoices/:id/paper", paper);
}

#[derive(Serialize)]
struct InvoiceRow {
    label: String,
    text: String,
    total: String,
    issued: Moment,
    due: Moment,
    word: &'static str,
    tone: &'static str,
    is_open: bool,
    pay_url: String,
    paper: String,
}

#[derive(Serialize)]
struct PaymentRow {
    amount: String,
    begun: Moment,
    by: String,
    word: &'static str,
    tone: &'static str,
    /// Empty when there is nothing to go on with.
    pay_url: String,
}

#[derive(Serialize)]
struct InvoicesPage {
    settings_tab: &'static str,
    invoices: Vec<InvoiceRow>,
    credit: String,
    set_aside: String,
    spent: String,
    payments: Vec<PaymentRow>,
    can_buy: bool,
    currency: String,
    least: String,
    most: String,
    form: FormView,
}

fn invoice_row(
    invoice: &Invoice,
    invoicing: &Invoicing,
    account: &Account,
    zone: chrono_tz::Tz,
) -> InvoiceRow {
    let overdue = invoice.overdue_days(account.now.with_timezone(&zone).date_naive());
    let (word, tone) = match invoice.status {
        InvoiceStatus::Paid => (say("Paid"), "success"),
        InvoiceStatus::Void => (say("Void"), "neutral"),
        InvoiceStatus::Open if overdue > 0 => (say("Overdue"), "error"),
        InvoiceStatus::Open => (say("To be paid"), "warning"),
    };
    let day = |day: chrono::NaiveDate| {
        Moment::long_day(day.and_time(chrono::NaiveTime::MIN).and_utc(), chrono_tz::UTC)
    };
    InvoiceRow {
        label: invoice.label.clone(),
        text: invoice.printed.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("; "),
        total: money(invoice.total, &invoice.currency),
        issued: day(invoice.issued_on),
        due: day(invoice.due_on),
        word,
        tone,
        is_open: invoice.status == InvoiceStatus::Open,
        pay_url: invoicing.pay_url(&invoice.pay_token),
        paper: format!("{PATH}/{}/paper", invoice.id),
    }
}

fn payment_row(payment: &Payment, invoicing: &Invoicing, zone: chrono_tz::Tz) -> PaymentRow {
    let (word, tone) = match payment.status {
        PaymentStatus::Begun => (say("Not paid yet"), "warning"),
        PaymentStatus::Paid => (say("Paid"), "success"),
        PaymentStatus::Failed => (say("Failed"), "error"),
        PaymentStatus::Held => (say("Being looked at"), "info"),
        PaymentStatus::Settled => (say("Settled otherwise"), "neutral"),
    };
    let goes_on = payment.status == PaymentStatus::Begun && payment.pay_url.is_some();
    PaymentRow {
        amount: money(payment.amount, &payment.currency),
        begun: Moment::at(payment.begun_at, zone),
        by: payment.begun_by.clone(),
        word,
        tone,
        pay_url: if goes_on { invoicing.pay_url(&payment.pay_token) } else { String::new() },
    }
}

async fn render(
    user: &PageUser,
    registry: &Registry,
    invoicing: &Invoicing,
    (status, form): (StatusCode, FormView),
) -> Result<Response> {
    let tenant = user.tenant();
    let (zone, currency) = (tenant.time_zone.0, tenant.currency.as_str());
    let account = invoices::look(registry, invoicing, tenant).await?;
    let sum = |amount: Decimal| money(amount, currency);
    let view = InvoicesPage {
        settings_tab: "plan",
        invoices: account.invoices.iter().map(|one| invoice_row(one, invoicing, &account, zone)).collect(),
        credit: sum(account.credit.available),
        set_aside: sum(account.credit.reserved),
        spent: sum(account.credit.spent),
        payments: account.payments.iter().map(|one| payment_row(one, invoicing, zone)).collect(),
        can_buy: account.can_buy,
        currency: currency.to_owned(),
        least: sum(CREDIT_MIN),
        most: sum(CREDIT_MAX),
        form,
    };
    user.render_with(status, "portal/settings_invoices.html", say("Invoices and credit"), &view)
}

#[handler]
async fn show(user: PageUser, registry: Data<&Registry>, invoicing: Data<&Invoicing>) -> Result<Response> {
    render(&user, &registry, &invoicing, (StatusCode::OK, FormView::empty(CREDIT, &FIELDS))).await
}

/// After it was begun one goes on at the payment's own page.
#[handler]
async fn buy(
    user: PageUser,
    registry: Data<&Registry>,
    invoicing: Data<&Invoicing>,
    form: CheckedForm,
) -> Result<Response> {
    let sum = amount::typed(form.get("amount")).map_err(|wrong| Error::Invalid(vec![wrong.at("amount")]));
    let done = match sum {
        Ok(sum) => invoices::buy_credit(&registry, &invoicing, &user.by, sum.unwrap_or_default()).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(payment) => Ok(see_other(invoicing.pay_url(&payment.pay_token))),
        Err(error) => {
            let shown = FormView::empty(CREDIT, &FIELDS).typed(&form).failed(error)?;
            render(&user, &registry, &invoicing, (StatusCode::UNPROCESSABLE_ENTITY, shown)).await
        }
    }
}

#[handler]
async fn paper(user: PageUser, invoicing: Data<&Invoicing>, id: Path<String>) -> Result<Response> {
    let invoice = invoicing.one_of_tenant(user.tenant(), id_of::<Uuid>(&id, "invoice")?).await?;
    Ok(invoicing.paper(&invoice)?.into_response())
}
