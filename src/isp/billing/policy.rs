//! How money and time are treated, for the whole tenant.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    types::amount as money,
    types::{Check, Wrong, line, optional_line, optional_text},
};

const GRACE_MAX: i16 = 60;
const REMINDER_MAX: i16 = 60;
const REMINDERS_MAX: usize = 10;

/// How receipts are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "ReceiptSeries", rename_all = "snake_case")]
pub enum Series {
    /// AR-2026-11-21-0001
    Daily,
    /// AR-2026-000001
    Yearly,
    /// AR-000001
    Continuous,
}

impl Series {
    pub const ALL: [Self; 3] = [Self::Daily, Self::Yearly, Self::Continuous];

    pub fn parse(text: &str) -> Result<Self, Wrong> {
        Self::ALL
            .into_iter()
            .find(|series| series.as_str() == text)
            .ok_or_else(|| Wrong::new("not_a_choice", "This must be one of daily, yearly, continuous."))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Yearly => "yearly",
            Self::Continuous => "continuous",
        }
    }

    /// The series that a receipt of this day belongs to.
    pub fn of(self, prefix: &str, day: NaiveDate) -> String {
        match self {
            Self::Daily => format!("{prefix}-{}", day.format("%Y-%m-%d")),
            Self::Yearly => format!("{prefix}-{}", day.format("%Y")),
            Self::Continuous => prefix.to_owned(),
        }
    }

    /// A number of that series as it is printed.
    pub fn label(self, series: &str, number: i64) -> String {
        match self {
            Self::Daily => format!("{series}-{number:04}"),
            Self::Yearly | Self::Continuous => format!("{series}-{number:06}"),
        }
    }
}

/// The tenant's choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Service goes on for so long after the end of a period.
    pub grace_days: i16,
    /// Days before the end on which a reminder is due, most first; 0 is the end itself.
    pub reminder_days: Vec<i16>,
    pub is_vat_registered: bool,
    /// Percent; prices contain it.
    pub vat_rate: Decimal,
    pub series: Series,
    pub prefix: String,
    pub title: String,
    pub note: Option<String>,
    pub registration_number: Option<String>,
    pub registered_on: Option<NaiveDate>,
}

impl Policy {
    /// When a period that ends then must be looked at next: at a reminder, or at its end.
    pub fn next_look(
        &self,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        now: DateTime<Utc>,
        zone: Tz,
    ) -> DateTime<Utc> {
        self.reminder_days
            .iter()
            .map(|days| before(ends_at, *days, zone))
            .filter(|at| *at > now && *at > starts_at)
            .min()
            .map_or(ends_at, |at| at.min(ends_at))
    }

    fn told(&self) -> Value {
        json!({
            "grace_days": self.grace_days, "reminder_days": self.reminder_days,
            "is_vat_registered": self.is_vat_registered, "vat_rate": self.vat_rate,
            "receipt_series": self.series.as_str(), "receipt_prefix": self.prefix, "receipt_title": self.title,
            "receipt_note": self.note, "registration_number": self.registration_number,
            "registered_on": self.registered_on,
        })
    }
}

/// The same time of the day so many local days before.
pub fn before(at: DateTime<Utc>, days: i16, zone: Tz) -> DateTime<Utc> {
    let local = at.with_timezone(&zone);
    let plain = TimeDelta::days(i64::from(days));
    // A time of day that the zone leaves out has no earlier self; then so many times 24 hours count.
    local
        .checked_sub_days(chrono::Days::new(u64::try_from(days).unwrap_or_default()))
        .map_or(at - plain, |earlier| earlier.with_timezone(&Utc))
}

/// The same as it was typed or sent.
#[derive(Debug, Clone)]
pub struct Typed {
    pub grace_days: i16,
    pub reminder_days: Vec<i16>,
    pub is_vat_registered: bool,
    pub vat_rate: Decimal,
    pub series: Series,
    pub prefix: String,
    pub title: String,
    pub note: String,
    pub registration_number: String,
    pub registered_on: Option<NaiveDate>,
}

fn prefix(text: &str) -> Result<String, Wrong> {
    let text = line(text, 8)?;
    if text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(Wrong::new("bad_prefix", "Capital letters and digits only, such as AR."))
    }
}

fn days(mut days: Vec<i16>) -> Result<Vec<i16>, Wrong> {
    days.sort_unstable_by(|a, b| b.cmp(a));
    days.dedup();
    if days.len() > REMINDERS_MAX || days.iter().any(|day| !(0..=REMINDER_MAX).contains(day)) {
        return Err(Wrong::new("out_of_range", "At most ten reminders, each 0 to 60 days before."));
    }
    Ok(days)
}

fn rate(rate: Decimal) -> Result<Decimal, Wrong> {
    let rate = money::amount(rate)?;
    if rate > Decimal::ONE_HUNDRED {
        return Err(Wrong::new("out_of_range", "Between 0 and 100 percent."));
    }
    Ok(rate)
}

impl Typed {
    /// Checks it; names every wrong field.
    pub fn parse(self, mut check: Check) -> Result<Policy> {
        if !(0..=GRACE_MAX).contains(&self.grace_days) {
            check.wrong("grace_days", "out_of_range", "Between 0 and 60 days.");
        }
        let reminder_days = check.field("reminder_days", days(self.reminder_days));
        let vat_rate = check.field("vat_rate", rate(self.vat_rate));
        let prefix = check.field("receipt_prefix", prefix(&self.prefix));
        let title = check.field("receipt_title", line(&self.title, 60));
        let note = check.field("receipt_note", optional_text(&self.note, 500));
        let number = check.field("registration_number", optional_line(&self.registration_number, 60));
        let whole = (|| {
            Some(Policy {
                grace_days: self.grace_days,
                reminder_days: reminder_days?,
                is_vat_registered: self.is_vat_registered,
                vat_rate: vat_rate?,
                series: self.series,
                prefix: prefix?,
                title: title?,
                note: note?,
                registration_number: number?,
                registered_on: self.registered_on,
            })
        })();
        check.finish(whole)
    }
}

impl From<Policy> for Typed {
    fn from(policy: Policy) -> Self {
        Self {
            grace_days: policy.grace_days,
            reminder_days: policy.reminder_days,
            is_vat_registered: policy.is_vat_registered,
            vat_rate: policy.vat_rate,
            series: policy.series,
            prefix: policy.prefix,
            title: policy.title,
            note: policy.note.unwrap_or_default(),
            registration_number: policy.registration_number.unwrap_or_default(),
            registered_on: policy.registered_on,
        }
    }
}

/// The tenant's billing policy.
pub async fn get(tx: &TenantTx) -> Result<Policy> {
    let row = tx
        .query_one(
            "SELECT grace_days, reminder_days, is_vat_registered, vat_rate, receipt_series, receipt_prefix, receipt_title, \
             receipt_note, registration_number, registered_on FROM billing_policy",
            &[],
        )
        .await?;
    let mut reminder_days: Vec<i16> = row.get(1);
    reminder_days.sort_unstable_by(|a, b| b.cmp(a));
    Ok(Policy {
        grace_days: row.get(0),
        reminder_days,
        is_vat_registered: row.get(2),
        vat_rate: row.get(3),
        series: Series::parse(row.get(4)).map_err(|wrong| Error::internal(wrong.detail))?,
        prefix: row.get(5),
        title: row.get(6),
        note: row.get(7),
        registration_number: row.get(8),
        registered_on: row.get(9),
    })
}

/// Changes it. What was issued and sold before stays as it is; the clock looks at everything again.
pub async fn change(tx: &TenantTx, by: &By, wanted: impl FnOnce(Typed) -> Result<Policy>) -> Result<Policy> {
    tx.execute("SELECT is_only FROM billing_policy FOR UPDATE", &[]).await?;
    let was = get(tx).await?;
    let is = wanted(was.clone().into())?;
    let (before, after) = changes(&was.told(), &is.told());
    if after.is_none() {
        return Ok(was);
    }
    tx.execute(
        "UPDATE billing_policy SET grace_days = $1, reminder_days = $2, is_vat_registered = $3, vat_rate = $4, \
         receipt_series = $5, receipt_prefix = $6, receipt_title = $7, receipt_note = $8, registration_number = $9, \
         registered_on = $10, updated_at = now()",
        &[
            &is.grace_days,
            &is.reminder_days,
            &is.is_vat_registered,
            &is.vat_rate,
            &is.series.as_str(),
            &is.prefix,
            &is.title,
            &is.note,
            &is.registration_number,
            &is.registered_on,
        ],
    )
    .await?;
    let told = Event {
        action: "billing_policy.updated",
        object_type: "billing_policy",
        object_id: None,
        object_label: "Billing settings",
        before,
        after,
    };
    by.record(tx, told).await?;
    crate::jobs::call_at(tx, super::clock::KIND, Utc::now()).await?;
    Ok(is)
}
