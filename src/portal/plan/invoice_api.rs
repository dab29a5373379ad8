//! The platform's invoices, and credit for messages, as programs see them.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Path};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::invoices;
use crate::{
    access::ApiUser,
    error::Result,
    invoicing::{Invoice, InvoiceStatus, Invoicing, Payment, PaymentStatus},
    portal::settings::ManageSettings,
    tenancy::Registry,
    web::{Body, Created, Json, Pdf},
};

#[derive(Tags)]
enum Tag {
    /// What the platform asks the provider for, and credit for messages.
    Invoices,
}

/// What was sold.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "InvoiceLine")]
struct LineView {
    text: String,
    /// As it is printed.
    amount: String,
}

/// An invoice of the platform's.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Invoice")]
struct InvoiceView {
    id: Uuid,
    /// As it is printed, such as INV-000042.
    number: String,
    status: InvoiceStatus,
    currency: String,
    total: Decimal,
    issued_on: NaiveDate,
    due_on: NaiveDate,
    lines: Vec<LineView>,
    #[oai(nullable)]
    settled_at: Option<DateTime<Utc>>,
    /// How it was paid, or why it is void. Empty while it is open.
    settled_note: String,
    /// Where whoever knows the address sees it and pays.
    pay_url: String,
}

/// The invoices, the newest first.
#[derive(Debug, Serialize, Object)]
struct InvoiceList {
    items: Vec<InvoiceView>,
}

fn invoice_view(invoice: Invoice, invoicing: &Invoicing) -> InvoiceView {
    let line = |line: crate::print::Line| LineView { text: line.text, amount: line.amount };
    InvoiceView {
        pay_url: invoicing.pay_url(&invoice.pay_token),
        id: invoice.id,
        number: invoice.label,
        status: invoice.status,
        currency: invoice.currency,
        total: invoice.total,
        issued_on: invoice.issued_on,
        due_on: invoice.due_on,
        lines: invoice.printed.lines.into_iter().map(line).collect(),
        settled_at: invoice.settled_at,
        settled_note: invoice.settled_note,
    }
}

/// A purchase of credit.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "CreditPayment")]
struct PaymentView {
    id: Uuid,
    status: PaymentStatus,
    currency: String,
    amount: Decimal,
    begun_at: DateTime<Utc>,
    /// Where one pays.
    pay_url: String,
}

fn payment_view(payment: &Payment, invoicing: &Invoicing) -> PaymentView {
    PaymentView {
        id: payment.id,
        status: payment.status,
        currency: payment.currency.clone(),
        amount: payment.amount,
        begun_at: payment.begun_at,
        pay_url: invoicing.pay_url(&payment.pay_token),
    }
}

/// Purchases of credit, the newest first; at most fifty.
#[derive(Debug, Serialize, Object)]
struct CreditPaymentList {
    items: Vec<PaymentView>,
    /// Whether credit can be bought online in the provider's currency.
    can_buy: bool,
}

/// How much is bought.
#[derive(Debug, Object)]
#[oai(rename = "CreditPurchase")]
struct PurchaseBody {
    /// From 10.00 to 1,000,000.00, in the provider's currency.
    amount: Decimal,
}

/// Operations on invoices and credit.
pub struct InvoicesApi {
    registry: Registry,
    invoicing: Invoicing,
}

impl InvoicesApi {
    pub fn new(registry: Registry, invoicing: Invoicing) -> Self {
        Self { registry, invoicing }
    }
}

#[OpenApi(tag = "Tag::Invoices")]
impl InvoicesApi {
    /// List the invoices
    ///
    /// Those that the platform issued to this provider, the newest first; at most 120.
    #[oai(path = "/settings/invoices", method = "get", operation_id = "list_invoices")]
    async fn list_invoices(&self, by: ApiUser<ManageSettings>) -> Result<Json<InvoiceList>> {
        let invoices = self.invoicing.of_tenant(&by.tenant).await?;
        Ok(Json(InvoiceList {
            items: invoices.into_iter().map(|one| invoice_view(one, &self.invoicing)).collect(),
        }))
    }

    /// Print an invoice
    #[oai(path = "/settings/invoices/:id/paper", method = "get", operation_id = "print_invoice")]
    async fn print_invoice(&self, by: ApiUser<ManageSettings>, id: Path<Uuid>) -> Result<Pdf> {
        let invoice = self.invoicing.one_of_tenant(&by.tenant, id.0).await?;
        self.invoicing.paper(&invoice)
    }

    /// List the purchases of credit
    #[oai(path = "/message-credit/payments", method = "get", operation_id = "list_credit_payments")]
    async fn list_credit_payments(&self, by: ApiUser<ManageSettings>) -> Result<Json<CreditPaymentList>> {
        let payments = self.invoicing.credit_payments(&by.tenant).await?;
        Ok(Json(CreditPaymentList {
            items: payments.iter().map(|one| payment_view(one, &self.invoicing)).collect(),
            can_buy: self.invoicing.can_pay_online(&by.tenant.currency),
        }))
    }

    /// Buy credit for messages
    ///
    /// Answers where to pay; the credit is there when the processor says that it was paid. 409 `not_online` where the provider's
    /// currency cannot be paid online, `payment_refused` when the processor does not take payments right now; 429 after twenty in an
    /// hour.
    #[oai(path = "/message-credit/payments", method = "post", operation_id = "buy_message_credit")]
    async fn buy_credit(
        &self,
        by: ApiUser<ManageSettings>,
        body: Body<PurchaseBody>,
    ) -> Result<Created<PaymentView>> {
        let payment = invoices::buy_credit(&self.registry, &self.invoicing, &by, body.0.amount).await?;
        Ok(Created(payment_view(&payment, &self.invoicing)))
    }
}
