//! A receipt on paper: A4, or a roll of 80 mm.

use super::model::Printed;
use crate::{
    error::Result,
    print::{Fact, MM, Page, Side, Style},
};

/// The paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename = "PaperSize", rename_all = "lowercase")]
pub enum Paper {
    A4,
    /// A roll of a small printer.
    #[oai(rename = "80mm")]
    Roll,
}

const QR_MM: f32 = 26.0;

fn head(page: &mut Page, printed: &Printed, logo: Option<&[u8]>, paper: Paper) -> Result<()> {
    let (side, name) = match paper {
        Paper::A4 => (Side::Left, Style::new(15.0).bold()),
        Paper::Roll => (Side::Middle, Style::new(10.5).bold()),
    };
    let small = small(paper);
    if let Some(content) = logo {
        page.logo(content, side);
    }
    page.lines(&printed.company, name, side, page.inner())?;
    for line in &printed.company_lines {
        page.lines(line, small.grey(), side, page.inner())?;
    }
    page.gap(8.0);
    page.lines(&printed.title.to_uppercase(), body(paper).bold(), side, page.inner())?;
    page.lines(&format!("No. {}", printed.label), body(paper), side, page.inner())?;
    page.lines(&format!("Issued {}", printed.issued), small.grey(), side, page.inner())?;
    page.rule();
    Ok(())
}

fn body(paper: Paper) -> Style {
    Style::new(match paper {
        Paper::A4 => 10.5,
        Paper::Roll => 8.0,
    })
}

fn small(paper: Paper) -> Style {
    Style::new(match paper {
        Paper::A4 => 8.5,
        Paper::Roll => 6.8,
    })
}

fn foot(page: &mut Page, printed: &Printed, paper: Paper) -> Result<()> {
    let small = small(paper);
    page.gap(6.0);
    let issuer = Fact::new("Issued by", &printed.issuer);
    page.fact(&issuer, body(paper))?;
    for note in &printed.notes {
        page.gap(3.0);
        page.lines(note, small.grey(), Side::Left, page.inner())?;
    }
    page.gap(10.0);
    let place = if paper == Paper::Roll { Side::Middle } else { Side::Left };
    page.code(&printed.verify_url, QR_MM * MM, place);
    page.lines("Scan to see that this receipt is genuine.", small.grey(), place, page.inner())
}

/// The bytes of a receipt.
pub fn render(printed: &Printed, logo: Option<&[u8]>, paper: Paper) -> Result<Vec<u8>> {
    let (width, height, margin) = match paper {
        Paper::A4 => (210.0 * MM, 297.0 * MM, 22.0 * MM),
        Paper::Roll => (80.0 * MM, 0.0, 5.0 * MM),
    };
    let (body, small) = (body(paper), small(paper));
    let mut page = Page::new(width, margin)?;
    head(&mut page, printed, logo, paper)?;
    page.facts(&printed.customer, body)?;
    page.facts(&printed.payment, body)?;
    page.rule();
    page.amounts(&printed.lines, &printed.total, (body, small))?;
    page.facts(&printed.taxes, small)?;
    foot(&mut page, printed, paper)?;
    page.finish(&format!("{} {}", printed.title, printed.label), height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::Line;

    fn printed() -> Printed {
        Printed {
            layout: 1,
            title: "Acknowledgement Receipt".into(),
            label: "AR-2026-11-21-0001".into(),
            issued: "21 November 2026, 14:02".into(),
            company: "Santos Fiber".into(),
            company_lines: vec!["Purok 5, Carmen, Cagayan de Oro".into(), "TIN 000-123-456-000".into()],
            customer: vec![
                Fact::new("Received from", "María Niña Cruz"),
                Fact::new("Address", "12 Ilaya St, Carmen"),
            ],
            lines: vec![Line {
                text: "Monthly Basic, 25 Mbps".into(),
                detail: "21 November 2026, 14:02 – 21 December 2026, 14:02 (30 days)".into(),
                amount: "₱900.00".into(),
            }],
            total: "₱900.00".into(),
            payment: vec![Fact::new("Paid by", "GCash"), Fact::new("Reference", "G-123")],
            taxes: vec![Fact::new("VATable sales", "₱803.57"), Fact::new("VAT (12%)", "₱96.43")],
            issuer: "Ana Reyes".into(),
            notes: vec!["This document is not valid for claim of input tax.".into()],
            verify_url: "https://santos.example.net/receipts/verify/abcdefghijklmnopqrstuvwx".into(),
        }
    }

    #[test]
    fn a_reprint_is_the_same_to_the_byte_and_quick() {
        for paper in [Paper::A4, Paper::Roll] {
            let first = render(&printed(), None, paper).unwrap();
            let began = std::time::Instant::now();
            let again = render(&printed(), None, paper).unwrap();
            let took = began.elapsed();
            assert!(first.starts_with(b"%PDF-") && first.len() < 200_000, "{} bytes", first.len());
            assert!(first == again, "{paper:?} differs");
            assert!(took < std::time::Duration::from_secs(2), "{took:?}");
            let other = render(&Printed { total: "₱901.00".into(), ..printed() }, None, paper).unwrap();
            assert!(first != other);
        }
    }
}
