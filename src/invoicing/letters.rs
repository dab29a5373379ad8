//! Letters about invoices, to the owners of the provider: it is there, it is due, the portal is suspended for it.

use chrono::{Duration, Utc};
use serde::Serialize;

use super::{
    Invoicing,
    issuing::{Issued, day_text},
    model::Invoice,
    terms::Terms,
};
use crate::{
    access::Addressee,
    db::ControlTx,
    error::Result,
    mail::{Body, Letter},
    types::EmailAddress,
    web::parts::{counted, money},
};

const LETTER_DAYS: i64 = 5;

/// What is told of an invoice.
pub(super) struct Told {
    title: String,
    text: String,
    label: String,
    total: String,
    due: String,
    pay_token: String,
}

impl Told {
    pub fn issued(company: &str, month: &str, issued: &Issued, total: String) -> Self {
        Self {
            title: format!("Invoice {} for {month}", issued.label),
            text: format!("This is the invoice of {company} for {month}."),
            label: issued.label.clone(),
            total,
            due: day_text(issued.due_on),
            pay_token: issued.pay_token.clone(),
        }
    }

    fn of(invoice: &Invoice, title: String, text: String) -> Self {
        Self {
            title,
            text,
            label: invoice.label.clone(),
            total: money(invoice.total, &invoice.currency),
            due: day_text(invoice.due_on),
            pay_token: invoice.pay_token.clone(),
        }
    }

    /// `suspended_in`: after so many days more the portal is suspended.
    pub fn reminder(invoice: &Invoice, overdue_days: i64, suspended_in: Option<i64>) -> Self {
        let mut text = match overdue_days {
            0 => format!("Invoice {} is due today.", invoice.label),
            days => format!(
                "Invoice {} was due {} ago, and we have not seen its payment.",
                invoice.label,
                counted(days, "day", "days")
            ),
        };
        if let Some(days) = suspended_in.filter(|days| *days > 0) {
            text.push_str(&format!(
                " If it is not paid, the portal is suspended in {}.",
                counted(days, "day", "days")
            ));
        }
        Self::of(invoice, format!("Reminder of invoice {}", invoice.label), text)
    }

    pub fn suspended(invoice: &Invoice) -> Self {
        let text = format!(
            "The portal of {} is suspended, because invoice {} is not paid. Nothing was deleted. It is open again as soon as the invoice is paid.",
            invoice.tenant_name, invoice.label
        );
        Self::of(invoice, format!("The portal of {} is suspended", invoice.tenant_name), text)
    }
}

#[derive(Serialize)]
struct LetterView<'a> {
    name: &'a str,
    title: &'a str,
    text: &'a str,
    label: &'a str,
    total: &'a str,
    due: &'a str,
    link: String,
    note: &'a str,
    seller: &'a str,
}

impl Invoicing {
    /// Queues a letter to each owner, in the transaction of what it tells about.
    pub(super) async fn write_to(
        &self,
        tx: &ControlTx,
        owners: &[Addressee],
        terms: &Terms,
        told: &Told,
    ) -> Result<()> {
        let until = Utc::now() + Duration::days(LETTER_DAYS);
        for owner in owners {
            let Ok(to) = EmailAddress::parse(&owner.email) else { continue };
            let view = LetterView {
                name: &owner.name,
                title: &told.title,
                text: &told.text,
                label: &told.label,
                total: &told.total,
                due: &told.due,
                link: self.pay_url(&told.pay_token),
                note: &terms.note,
                seller: &terms.seller,
            };
            let pages = self.access.pages();
            let body = Body {
                text: pages.text("mail/invoice.txt", &view)?,
                html: pages.text("mail/invoice.html", &view)?,
            };
            self.post.queue(tx, &Letter::new(to, &told.title, body, until)).await?;
        }
        Ok(())
    }
}
