//! What the rest works with: invoices, payments, and what an invoice prints.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    print::{Fact, Line},
    types::TenantId,
};

/// Everything on the paper, as text: written once, when the invoice is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    pub seller: String,
    pub seller_lines: Vec<String>,
    pub label: String,
    pub issued: String,
    pub due: String,
    pub buyer: Vec<Fact>,
    pub lines: Vec<Line>,
    pub total: String,
    pub taxes: Vec<Fact>,
    pub notes: Vec<String>,
}

/// How an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, poem_openapi::Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename = "InvoiceStatus", rename_all = "lowercase")]
pub enum InvoiceStatus {
    Open,
    Paid,
    Void,
}

impl InvoiceStatus {
    pub const ALL: [Self; 3] = [Self::Open, Self::Paid, Self::Void];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

/// An invoice of the platform's to a tenant.
#[derive(Debug, Clone)]
pub struct Invoice {
    pub id: Uuid,
    pub label: String,
    pub tenant: TenantId,
    pub tenant_name: String,
    pub printed: Printed,
    pub currency: String,
    pub total: Decimal,
    pub issued_on: NaiveDate,
    pub due_on: NaiveDate,
    pub status: InvoiceStatus,
    pub settled_at: Option<DateTime<Utc>>,
    /// How it was paid, or why it is void.
    pub settled_note: String,
    pub settled_by: String,
    pub pay_token: String,
    /// How many reminders went out.
    pub reminded: i16,
    pub suspended_at: Option<DateTime<Utc>>,
}

impl Invoice {
    /// Days since it was due; none on the day itself.
    pub fn overdue_days(&self, today: NaiveDate) -> i64 {
        match self.status {
            InvoiceStatus::Open => (today - self.due_on).num_days().max(0),
            InvoiceStatus::Paid | InvoiceStatus::Void => 0,
        }
    }
}

/// How an attempt to pay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, poem_openapi::Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename = "OnlinePaymentStatus", rename_all = "lowercase")]
pub enum PaymentStatus {
    /// The payer was sent to the processor.
    Begun,
    Paid,
    /// Nothing was taken.
    Failed,
    /// The processor has money that was not what we asked for, or came twice: somebody of the platform looks.
    Held,
    /// It was held, and somebody has refunded or settled it at the processor.
    Settled,
}

impl PaymentStatus {
    pub const ALL: [Self; 5] = [Self::Begun, Self::Paid, Self::Failed, Self::Held, Self::Settled];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Settled => "settled",
        }
    }
}

/// An attempt to pay online.
#[derive(Debug, Clone)]
pub struct Payment {
    pub id: Uuid,
    pub tenant: TenantId,
    pub tenant_name: String,
    /// None: it is for credit for messages.
    pub invoice: Option<Uuid>,
    /// What that invoice is called.
    pub invoice_label: Option<String>,
    pub processor: String,
    pub currency: String,
    pub amount: Decimal,
    pub status: PaymentStatus,
    pub outside_id: Option<String>,
    pub pay_url: Option<String>,
    pub detail: String,
    pub begun_by: String,
    pub pay_token: String,
    pub begun_at: DateTime<Utc>,
}
