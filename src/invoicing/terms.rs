//! What invoices say of who sends them, and what follows when they are not paid: one set for the deployment.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;

use super::store;
use crate::{
    db::Db,
    error::Result,
    tenancy::{Deed, Operator, note},
    types::{Check, Wrong, amount, optional_line, optional_text},
    words::say,
};

const REMINDERS_MAX: usize = 5;
const DAYS_MAX: i16 = 180;

/// The terms as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The registered name. Empty: no invoices are issued.
    pub seller: String,
    pub seller_address: String,
    pub seller_tax_number: String,
    pub prefix: String,
    /// Empty: no tax is charged.
    pub tax_name: String,
    /// Prices contain it.
    pub tax_percent: Decimal,
    /// How to pay otherwise than online, and whatever else stands below.
    pub note: String,
    pub due_days: i16,
    /// Days after the due date on which a reminder goes out, the first one first.
    pub reminder_days: Vec<i16>,
    /// Days after the due date on which the provider is suspended; None: never.
    pub suspend_days: Option<i16>,
    /// Since when invoices are issued.
    pub begun_at: Option<DateTime<Utc>>,
}

/// The same as they were typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct TermsForm<'a> {
    pub seller: &'a str,
    pub seller_address: &'a str,
    pub seller_tax_number: &'a str,
    pub prefix: &'a str,
    pub tax_name: &'a str,
    pub tax_percent: &'a str,
    pub note: &'a str,
    pub due_days: &'a str,
    pub reminder_days: &'a str,
    pub suspend_days: &'a str,
}

fn days(text: &str, from: i16, to: i16) -> Result<i16, Wrong> {
    let parsed = text.trim().parse().ok().filter(|days| (from..=to).contains(days));
    parsed.ok_or_else(|| Wrong::new("out_of_range", say!("A whole number of days from {} to {}.", from, to)))
}

fn reminders(text: &str) -> Result<Vec<i16>, Wrong> {
    let mut all = text
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| days(part, 0, DAYS_MAX))
        .collect::<Result<Vec<i16>, Wrong>>()?;
    all.sort_unstable();
    all.dedup();
    if all.len() > REMINDERS_MAX {
        return Err(Wrong::new("too_many", say!("At most {} reminders.", REMINDERS_MAX)));
    }
    Ok(all)
}

fn prefix(text: &str) -> Result<String, Wrong> {
    let text = text.trim().to_uppercase();
    let is_plain = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain {
        Ok(text)
    } else {
        Err(Wrong::new("not_plain", "One to ten letters and digits, such as INV."))
    }
}

fn percent(text: &str) -> Result<Decimal, Wrong> {
    let typed = amount::typed(text.trim_end_matches(['%', ' ']))?.unwrap_or_default();
    let percent = amount::amount(typed)?;
    if percent > Decimal::from(50) {
        Err(Wrong::new("out_of_range", "At most 50 percent."))
    } else {
        Ok(percent)
    }
}

fn plain(text: &str, most: usize) -> Result<String, Wrong> {
    Ok(optional_line(text, most)?.unwrap_or_default())
}

impl TermsForm<'_> {
    fn read(&self) -> Result<Terms> {
        let mut check = Check::new();
        let seller = check.field("seller", plain(self.seller, 200));
        let seller_address = check.field("seller_address", plain(self.seller_address, 300));
        let seller_tax_number = check.field("seller_tax_number", plain(self.seller_tax_number, 40));
        let prefix = check.field("prefix", prefix(self.prefix));
        let tax_name = check.field("tax_name", plain(self.tax_name, 20));
        let tax_percent = check.field("tax_percent", percent(self.tax_percent));
        let note = check.field("note", optional_text(self.note, 500).map(Option::unwrap_or_default));
        let due_days = check.field("due_days", days(self.due_days, 0, 90));
        let reminder_days = check.field("reminder_days", reminders(self.reminder_days));
        let suspend_days = match self.suspend_days.trim() {
            "" => Some(None),
            text => check.field("suspend_days", days(text, 1, DAYS_MAX)).map(Some),
        };
        if tax_name.as_deref() == Some("") && tax_percent.is_some_and(|percent| !percent.is_zero()) {
            check.wrong("tax_name", "required", "Say what the tax is called, such as VAT.");
        }
        let whole = (|| {
            Some(Terms {
                seller: seller?,
                seller_address: seller_address?,
                seller_tax_number: seller_tax_number?,
                prefix: prefix?,
                tax_name: tax_name?,
                tax_percent: tax_percent?,
                note: note?,
                due_days: due_days?,
                reminder_days: reminder_days?,
                suspend_days: suspend_days?,
                begun_at: None,
            })
        })();
        check.finish(whole)
    }
}

pub async fn get(db: &Db) -> Result<Terms> {
    db.read_public(async |tx| store::get_terms(tx).await).await
}

/// Changes the terms. What was issued stays as it is; from the first time that a seller is named, statements are invoiced.
pub async fn change(db: &Db, who: &Operator, typed: &TermsForm<'_>) -> Result<()> {
    let terms = typed.read()?;
    db.in_public(async |tx| {
        store::save_terms(tx, &terms).await?;
        let detail = json!({
            "seller": terms.seller, "due_days": terms.due_days, "reminder_days": terms.reminder_days,
            "suspend_days": terms.suspend_days, "tax": terms.tax_name, "tax_percent": terms.tax_percent,
        });
        note(tx, who, Deed { detail: Some(detail), ..Deed::on("invoicing.changed", "Invoices") }).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn typed() -> TermsForm<'static> {
        TermsForm {
            seller: "Lastmile Operations Inc.",
            prefix: "inv",
            tax_name: "VAT",
            tax_percent: "12 %",
            due_days: "14",
            reminder_days: "7, 1 7",
            ..TermsForm::default()
        }
    }

    #[test]
    fn terms_are_read_as_they_were_typed() {
        let terms = typed().read().unwrap();
        assert_eq!((terms.prefix.as_str(), terms.tax_percent), ("INV", Decimal::new(1200, 2)));
        assert_eq!((terms.reminder_days, terms.suspend_days), (vec![1, 7], None));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = TermsForm {
            prefix: "IN-V",
            tax_name: "",
            due_days: "91",
            reminder_days: "1,x",
            suspend_days: "0",
            ..typed()
        };
        let Err(Error::Invalid(wrong)) = wrong.read() else { panic!("it was taken") };
        let fields: Vec<&str> = wrong.iter().map(|one| one.field.as_ref()).collect();
        assert_eq!(fields, ["prefix", "due_days", "reminder_days", "suspend_days", "tax_name"]);
        let Err(Error::Invalid(wrong)) = (TermsForm { tax_percent: "51", ..typed() }).read() else {
            panic!("it was taken")
        };
        assert_eq!(wrong[0].field, "tax_percent");
    }
}
