//! Billing settings.

use chrono::NaiveDate;
use poem::{Response, handler, http::StatusCode, web::Data};
use serde::Serialize;

use super::required;
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    isp::billing::policy::{self, Policy, Series, Typed},
    types::amount as money,
    types::{Check, Wrong},
    web::parts::Choice,
    web::{Flash, Form, FormView},
    words::say,
};

const PATH: &str = "/settings/billing";
const FIELDS: [&str; 10] = [
    "grace_days",
    "reminder_days",
    "is_vat_registered",
    "vat_rate",
    "receipt_series",
    "receipt_prefix",
    "receipt_title",
    "receipt_note",
    "registration_number",
    "registered_on",
];

#[derive(Serialize)]
struct SettingsPage {
    settings_tab: &'static str,
    series: Vec<Choice>,
    form: FormView,
}

fn page(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    let series = vec![
        Choice::new("daily", say("Anew each day: AR-2026-11-21-0001")),
        Choice::new("yearly", say("Anew each year: AR-2026-000001")),
        Choice::new("continuous", say("Always on: AR-000001")),
    ];
    user.render_with(
        status,
        "billing/settings.html",
        say("Billing settings"),
        &SettingsPage { settings_tab: "billing", series, form },
    )
}

fn form_of(policy: &Policy) -> FormView {
    let days: Vec<String> = policy.reminder_days.iter().map(ToString::to_string).collect();
    FormView::empty(PATH, &FIELDS)
        .with("grace_days", policy.grace_days.to_string())
        .with("reminder_days", days.join(", "))
        .with("is_vat_registered", if policy.is_vat_registered { "true" } else { "" })
        .with("vat_rate", policy.vat_rate.normalize().to_string())
        .with("receipt_series", policy.series.as_str())
        .with("receipt_prefix", &policy.prefix)
        .with("receipt_title", &policy.title)
        .with("receipt_note", policy.note.clone().unwrap_or_default())
        .with("registration_number", policy.registration_number.clone().unwrap_or_default())
        .with("registered_on", policy.registered_on.map(|day| day.to_string()).unwrap_or_default())
}

fn whole(text: &str) -> Result<i16, Wrong> {
    text.trim().parse().map_err(|_not_whole| Wrong::new("not_a_number", "This must be a whole number."))
}

fn days(text: &str) -> Result<Vec<i16>, Wrong> {
    text.split([',', ' ']).filter(|part| !part.is_empty()).map(whole).collect()
}

fn typed_of(form: &Form) -> Result<Policy> {
    let mut check = Check::new();
    let grace = check.field("grace_days", whole(form.get("grace_days")));
    let reminders = check.field("reminder_days", days(form.get("reminder_days")));
    let series = check.field("receipt_series", Series::parse(form.get("receipt_series")));
    let rate = check
        .field("vat_rate", money::typed(form.get("vat_rate")).and_then(|rate| rate.ok_or_else(required)));
    let on = match form.get("registered_on") {
        "" => None,
        text => check.field(
            "registered_on",
            text.parse::<NaiveDate>().map_err(|_not_a_day| Wrong::new("not_a_day", "This must be a day.")),
        ),
    };
    // What could not be read stands in for itself, so that the other fields are checked, too.
    Typed {
        grace_days: grace.unwrap_or_default(),
        reminder_days: reminders.unwrap_or_default(),
        is_vat_registered: form.has("is_vat_registered"),
        vat_rate: rate.unwrap_or_default(),
        series: series.unwrap_or(Series::Daily),
        prefix: form.get("receipt_prefix").to_owned(),
        title: form.get("receipt_title").to_owned(),
        note: form.get("receipt_note").to_owned(),
        registration_number: form.get("registration_number").to_owned(),
        registered_on: on,
    }
    .parse(check)
}

#[handler]
pub async fn show_settings(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let policy = db.read_tenant(user.tenant(), async |tx| policy::get(tx).await).await?;
    Ok(page(&user, StatusCode::OK, form_of(&policy))?)
}

#[handler]
pub async fn save_settings(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let done = match typed_of(&form) {
        Ok(policy) => {
            db.in_tenant(user.tenant(), async |tx| policy::change(tx, &user.by, |_| Ok(policy.clone())).await)
                .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(user.then(PATH, &Flash::success("Billing settings were saved."))),
        Err(error) => {
            let ticked = if form.has("is_vat_registered") { "true" } else { "" };
            let shown = FormView::empty(PATH, &FIELDS)
                .typed(&form)
                .with("is_vat_registered", ticked)
                .failed(error)?;
            Ok(page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)?)
        }
    }
}
