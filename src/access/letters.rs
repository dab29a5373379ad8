//! The letters of access: a link for a forgotten password, a welcome with a link for a first one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::shell::Brand;
use crate::{
    db::TenantTx,
    error::{Error, Result},
    mail::{self, Body, Letter},
    secrets::DataKeys,
    types::EmailAddress,
    web::Pages,
};

/// Everything that writing to a tenant's people takes, fetched before the unit of work that queues the letter.
#[derive(Clone)]
pub(super) struct Desk {
    pub pages: Pages,
    pub keys: Arc<DataKeys>,
    pub brand: Brand,
    /// The portal's own address, out of the registry; never out of a request.
    pub portal_url: String,
}

/// A letter with a link in it.
pub(super) struct LinkLetter<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub link: &'a str,
    pub valid_for: &'a str,
    pub send_before: DateTime<Utc>,
    /// Who added the person; None for a forgotten password.
    pub invited_by: Option<&'a str>,
}

#[derive(Serialize)]
struct LetterView<'a> {
    name: &'a str,
    email: &'a str,
    link: &'a str,
    valid_for: &'a str,
    invited_by: &'a str,
    brand_name: &'a str,
    brand_color: &'a str,
    brand_content: &'static str,
    portal_url: &'a str,
}

impl Desk {
    /// Where a code is redeemed.
    pub fn link_of(&self, code: &str) -> String {
        format!("{}/reset?code={code}", self.portal_url)
    }

    /// Queues the letter in the transaction that makes its link.
    pub async fn queue(&self, tx: &TenantTx, letter: &LinkLetter<'_>) -> Result<()> {
        let view = LetterView {
            name: letter.name,
            email: letter.email,
            link: letter.link,
            valid_for: letter.valid_for,
            invited_by: letter.invited_by.unwrap_or_default(),
            brand_name: &self.brand.name,
            brand_color: &self.brand.accent,
            brand_content: self.ink(),
            portal_url: &self.portal_url,
        };
        let (text, html, subject) = match letter.invited_by {
            Some(_) => ("mail/welcome.txt", "mail/welcome.html", format!("Welcome to {}", self.brand.name)),
            None => {
                ("mail/reset.txt", "mail/reset.html", format!("Set a new password at {}", self.brand.name))
            }
        };
        self.queue_letter(tx, letter.email, &subject, (text, html, &view), letter.send_before).await
    }

    /// Queues any letter to somebody of the staff: its templates, of text and of html, and what they show.
    pub async fn queue_letter(
        &self,
        tx: &TenantTx,
        email: &str,
        subject: &str,
        (text, html, view): (&str, &str, &impl Serialize),
        send_before: DateTime<Utc>,
    ) -> Result<()> {
        let body = Body { text: self.pages.text(text, view)?, html: self.pages.text(html, view)? };
        let to = EmailAddress::parse(email)
            .map_err(|wrong| Error::internal(format!("an address of staff: {}", wrong.detail)))?;
        mail::queue(tx, &self.keys, &Letter::new(to, subject, body, send_before)).await?;
        Ok(())
    }

    /// What is written on the tenant's colour.
    pub fn ink(&self) -> &'static str {
        ink_on(&self.brand.accent)
    }
}

/// Black or white, whichever is easier to read on this colour (WCAG's relative luminance).
pub fn ink_on(colour: &str) -> &'static str {
    let channel = |range: std::ops::Range<usize>| {
        let value = colour.get(range).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1..3) + 0.7152 * channel(3..5) + 0.0722 * channel(5..7);
    // Where black and white contrast alike.
    if luminance > 0.179 { "#000000" } else { "#ffffff" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ink_is_the_one_that_can_be_read() {
        assert_eq!(ink_on("#ffffff"), "#000000");
        assert_eq!(ink_on("#ffd400"), "#000000");
        assert_eq!(ink_on("#000000"), "#ffffff");
        assert_eq!(ink_on("#2563eb"), "#ffffff");
        assert_eq!(ink_on("nonsense"), "#ffffff");
    }
}
