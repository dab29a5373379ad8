//! Billing settings as programs see them.

use chrono::NaiveDate;
use poem_openapi::{Object, OpenApi, Tags, types::MaybeUndefined};
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    ManageBilling,
    policy::{self, Policy, Series, Typed},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    types::Check,
    web::{Body, Json},
};

#[derive(Tags)]
enum Tag {
    /// How receipts are numbered, taxed and reminded of.
    BillingSettings,
}

/// How money and time are treated.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "BillingSettings")]
pub struct PolicyView {
    /// Service goes on for so many days after the end of a period.
    grace_days: i16,
    /// Days before the end on which a reminder is due; 0 is the end itself.
    reminder_days: Vec<i16>,
    is_vat_registered: bool,
    /// Percent; prices contain it.
    vat_rate: Decimal,
    receipt_series: Series,
    receipt_prefix: String,
    receipt_title: String,
    #[oai(nullable)]
    receipt_note: Option<String>,
    /// The authority that the numbers were registered with, if any.
    #[oai(nullable)]
    registration_number: Option<String>,
    #[oai(nullable)]
    registered_on: Option<NaiveDate>,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            grace_days: policy.grace_days,
            reminder_days: policy.reminder_days,
            is_vat_registered: policy.is_vat_registered,
            vat_rate: policy.vat_rate,
            receipt_series: policy.series,
            receipt_prefix: policy.prefix,
            receipt_title: policy.title,
            receipt_note: policy.note,
            registration_number: policy.registration_number,
            registered_on: policy.registered_on,
        }
    }
}

/// Changes of the billing settings; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "BillingSettingsChanges")]
pub struct PolicyBody {
    #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
    grace_days: Option<i16>,
    #[oai(validator(max_items = 10))]
    reminder_days: Option<Vec<i16>>,
    is_vat_registered: Option<bool>,
    vat_rate: Option<Decimal>,
    receipt_series: Option<Series>,
    #[oai(validator(min_length = 1, max_length = 8))]
    receipt_prefix: Option<String>,
    #[oai(validator(min_length = 1, max_length = 60))]
    receipt_title: Option<String>,
    /// Null takes it away.
    #[oai(nullable, validator(max_length = 500))]
    receipt_note: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 60))]
    registration_number: MaybeUndefined<String>,
    #[oai(nullable)]
    registered_on: MaybeUndefined<NaiveDate>,
}

fn text(sent: MaybeUndefined<String>, was: String) -> String {
    match sent {
        MaybeUndefined::Undefined => was,
        MaybeUndefined::Null => String::new(),
        MaybeUndefined::Value(text) => text,
    }
}

impl PolicyBody {
    fn over(self, was: Typed) -> Result<Policy> {
        Typed {
            grace_days: self.grace_days.unwrap_or(was.grace_days),
            reminder_days: self.reminder_days.unwrap_or(was.reminder_days),
            is_vat_registered: self.is_vat_registered.unwrap_or(was.is_vat_registered),
            vat_rate: self.vat_rate.unwrap_or(was.vat_rate),
            series: self.receipt_series.unwrap_or(was.series),
            prefix: self.receipt_prefix.unwrap_or(was.prefix),
            title: self.receipt_title.unwrap_or(was.title),
            note: text(self.receipt_note, was.note),
            registration_number: text(self.registration_number, was.registration_number),
            registered_on: match self.registered_on {
                MaybeUndefined::Undefined => was.registered_on,
                MaybeUndefined::Null => None,
                MaybeUndefined::Value(day) => Some(day),
            },
        }
        .parse(Check::new())
    }
}

/// The operations on billing settings.
pub struct BillingSettingsApi {
    db: Db,
}

impl BillingSettingsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::BillingSettings")]
impl BillingSettingsApi {
    /// Show the billing settings.
    #[oai(path = "/settings/billing", method = "get")]
    async fn get_billing_settings(&self, by: ApiUser<ManageBilling>) -> Result<Json<PolicyView>> {
        let policy = self.db.read_tenant(&by.tenant, async |tx| policy::get(tx).await).await?;
        Ok(Json(policy.into()))
    }

    /// Change the billing settings.
    ///
    /// What was issued and sold before stays as it is.
    #[oai(path = "/settings/billing", method = "patch")]
    async fn update_billing_settings(
        &self,
        by: ApiUser<ManageBilling>,
        body: Body<PolicyBody>,
    ) -> Result<Json<PolicyView>> {
        let body = &body.0;
        let policy = self
            .db
            .in_tenant(&by.tenant, async |tx| policy::change(tx, &by, |was| body.clone().over(was)).await)
            .await?;
        Ok(Json(policy.into()))
    }
}
