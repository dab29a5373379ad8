//! An invoice on paper: A4.

use super::model::{Invoice, InvoiceStatus};
use crate::{
    error::Result,
    print::{Fact, MM, Page, Side, Style},
};

const WIDTH: f32 = 210.0 * MM;
const HEIGHT: f32 = 297.0 * MM;
const MARGIN: f32 = 22.0 * MM;
const QR_MM: f32 = 26.0;
const NAME: Style = Style::new(15.0).bold();
const BODY: Style = Style::new(10.5);
const SMALL: Style = Style::new(8.5);

/// How it stands, as the paper says it: the only part that changes after it was issued.
fn standing(invoice: &Invoice) -> Option<Fact> {
    let on = invoice.settled_at.map(|at| at.format("%-d %B %Y").to_string()).unwrap_or_default();
    match invoice.status {
        InvoiceStatus::Open => None,
        InvoiceStatus::Paid => Some(Fact::new("Paid", format!("{on}: {}", invoice.settled_note))),
        InvoiceStatus::Void => Some(Fact::new("Void", format!("{on}: {}", invoice.settled_note))),
    }
}

/// The bytes of an invoice. An open one has the address to pay at as a code.
pub fn render(invoice: &Invoice, pay_url: &str) -> Result<Vec<u8>> {
    let printed = &invoice.printed;
    let mut page = Page::new(WIDTH, MARGIN)?;
    let room = page.inner();
    page.lines(&printed.seller, NAME, Side::Left, room)?;
    for line in &printed.seller_lines {
        page.lines(line, SMALL.grey(), Side::Left, room)?;
    }
    page.gap(8.0);
    page.lines("INVOICE", BODY.bold(), Side::Left, room)?;
    page.lines(&format!("No. {}", printed.label), BODY, Side::Left, room)?;
    page.lines(&format!("Issued {}", printed.issued), SMALL.grey(), Side::Left, room)?;
    page.rule();
    page.facts(&printed.buyer, BODY)?;
    page.fact(&Fact::new("Due", printed.due.as_str()), BODY)?;
    if let Some(standing) = standing(invoice) {
        page.fact(&standing, BODY.bold())?;
    }
    page.rule();
    page.amounts(&printed.lines, &printed.total, (BODY, SMALL))?;
    page.facts(&printed.taxes, SMALL)?;
    for note in &printed.notes {
        page.gap(6.0);
        page.lines(note, SMALL.grey(), Side::Left, room)?;
    }
    if invoice.status == InvoiceStatus::Open {
        page.gap(10.0);
        page.code(pay_url, QR_MM * MM, Side::Left);
        page.lines("Scan to pay, or to see whether it is paid.", SMALL.grey(), Side::Left, room)?;
    }
    page.finish(&format!("Invoice {}", printed.label), HEIGHT)
}
