//! Pages of billing.

mod account;
mod collect;
mod payments;
mod sell;
mod settings;
mod shifts;
mod subscription;
mod subscriptions;
mod verify;

use poem::http::Method as Verb;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    CancelSubscriptions, ChangeSubscriptions, ManageBilling, PrintReceipts, RecordPayments, RefundPayments,
    SellSubscriptions, ViewPayments, ViewSubscriptions, VoidPayments, WorkShifts,
    payments::{Method, NewPayment, Typed},
    periods::Status,
};
use crate::{
    access::{Guarded, PageUser, Right},
    error::Result,
    types::amount as money,
    types::{Check, Wrong},
    web::parts::{Choice, money as shown_money},
    web::{Form, RouteTable},
    words::say,
};

/// Every page of billing.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewSubscriptions>(Verb::GET, "/subscriptions", subscriptions::list_subscriptions);
    table.page::<SellSubscriptions>(Verb::GET, "/subscriptions/new", sell::new_sale);
    table.page::<SellSubscriptions>(Verb::GET, "/subscriptions/preview", sell::show_preview);
    table.page::<SellSubscriptions>(Verb::POST, "/subscriptions", sell::sell);
    table.page::<ViewSubscriptions>(Verb::GET, "/subscriptions/:id", subscription::show_subscription);
    table.page::<CancelSubscriptions>(
        Verb::POST,
        "/subscriptions/:id/cancel",
        subscription::cancel_subscription,
    );
    table.page::<ChangeSubscriptions>(
        Verb::POST,
        "/subscriptions/:id/pause",
        subscription::pause_subscription,
    );
    table.page::<ChangeSubscriptions>(
        Verb::POST,
        "/subscriptions/:id/resume",
        subscription::resume_subscription,
    );
    table.page::<ChangeSubscriptions>(Verb::GET, "/subscriptions/:id/change", subscription::show_change);
    table.page::<ChangeSubscriptions>(Verb::POST, "/subscriptions/:id/change", subscription::change_plan);
    table.page::<ViewPayments>(Verb::GET, "/payments", payments::list_payments);
    table.page::<ViewPayments>(Verb::GET, "/payments/export", payments::export_payments);
    table.page::<ViewPayments>(Verb::GET, "/payments/:id", payments::show_payment);
    table.page::<VoidPayments>(Verb::POST, "/payments/:id/void", payments::void_payment);
    table.page::<RefundPayments>(Verb::POST, "/payments/:id/refund", payments::refund_payment);
    table.page::<PrintReceipts>(Verb::GET, "/receipts/:id/pdf", payments::print_receipt);
    table.page::<ViewPayments>(Verb::GET, "/customers/:id/ledger", account::show_ledger);
    table.page::<RecordPayments>(Verb::POST, "/customers/:id/payments", account::pay);
    table.page::<RecordPayments>(Verb::POST, "/customers/:id/credit", account::use_credit);
    table.page::<WorkShifts>(Verb::GET, "/shifts", shifts::list_shifts);
    table.page::<WorkShifts>(Verb::POST, "/shifts", shifts::open_shift);
    table.page::<WorkShifts>(Verb::GET, "/shifts/:id", shifts::show_shift);
    table.page::<WorkShifts>(Verb::POST, "/shifts/:id/close", shifts::close_shift);
    table.page::<RecordPayments>(Verb::GET, "/collect", collect::show_round);
    table.page::<RecordPayments>(Verb::POST, "/collect", collect::take);
    table.page::<ManageBilling>(Verb::GET, "/settings/billing", settings::show_settings);
    table.page::<ManageBilling>(Verb::POST, "/settings/billing", settings::save_settings);
    table.open_page(
        Verb::GET,
        "/receipts/verify/:code",
        "Whoever holds a receipt may see that it is genuine; it shows no more than the receipt's number, day and amount.",
        verify::verify_receipt,
    );
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// An amount as pages show it.
fn shown(amount: Decimal, user: &PageUser) -> String {
    shown_money(amount, &user.tenant().currency)
}

fn methods() -> Vec<Choice> {
    Method::ALL.into_iter().map(|method| Choice::new(method.as_str(), method.label())).collect()
}

/// A state and how it looks.
#[derive(Serialize)]
struct Badge {
    label: &'static str,
    tone: &'static str,
}

impl Badge {
    fn of(status: Status) -> Self {
        let tone = match status {
            Status::Active => "success",
            Status::Paused => "warning",
            Status::Expired | Status::Changed => "",
            Status::Cancelled => "error",
        };
        Self { label: status.label(), tone }
    }
}

fn required() -> Wrong {
    Wrong::new("required", "This is needed.")
}

/// Money that a form says was taken, in fields whose names begin with `pay_`; none when no amount was typed.
fn payment_of(form: &Form, user: &PageUser, home: String) -> Result<Option<NewPayment>> {
    let mut check = Check::new();
    let amount = check.field("amount", money::typed(form.get("pay_amount")));
    let method = check.field("method", Method::parse(form.get("pay_method")));
    if amount == Some(None) {
        return Ok(None);
    }
    let zone = user.tenant().time_zone.0;
    let received_at = match form.get("pay_received_at") {
        "" => None,
        text => {
            let at = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
                .ok()
                .and_then(|local| local.and_local_timezone(zone).earliest());
            if at.is_none() {
                check.wrong("received_at", "not_an_instant", say("This must be a day and a time."));
            }
            at.map(|at| at.to_utc())
        }
    };
    let typed = Typed {
        amount: amount.flatten().unwrap_or(Decimal::ONE),
        method: method.unwrap_or(Method::Other),
        reference: form.get("pay_reference").to_owned(),
        note: form.get("pay_note").to_owned(),
        received_at,
        shares: None,
        home,
    };
    typed.parse(chrono::Utc::now(), check).map(Some).map_err(prefixed)
}

/// The failures of a payment beside the fields of its form.
fn prefixed(error: crate::error::Error) -> crate::error::Error {
    use crate::error::{Error, FieldError};
    match error {
        Error::Invalid(wrongs) => Error::Invalid(
            wrongs
                .into_iter()
                .map(|wrong| {
                    let field = wrong.field.rsplit('.').next().unwrap_or_default();
                    FieldError::new(format!("pay_{field}"), wrong.code, wrong.detail)
                })
                .collect(),
        ),
        Error::Conflict { code: "reference_taken", detail } => {
            Error::Invalid(vec![FieldError::new("pay_reference", "reference_taken", detail)])
        }
        other => other,
    }
}
