//! What one bought and paid, and the receipts of it.

use poem::{
    IntoResponse, Response, handler,
    web::{Path, Query},
};
use serde::{Deserialize, Serialize};

use crate::{
    isp::{
        billing::{self, OwnAccount, Paper},
        subscribers::guard::Subscriber,
    },
    types::{Limit, ReceiptId},
    web::Moment,
    web::parts::{id_of, money},
    words::say,
};

const ROWS: Limit = Limit::of(100);

#[derive(Serialize)]
struct HistoryPage {
    payments: Vec<PaymentRow>,
    periods: Vec<PeriodRow>,
    more: bool,
}

#[derive(Serialize)]
struct PaymentRow {
    at: Moment,
    amount: String,
    method: &'static str,
    reference: Option<String>,
    is_void: bool,
    receipt: Option<ReceiptLink>,
}

#[derive(Serialize)]
struct ReceiptLink {
    label: String,
    href: String,
}

#[derive(Serialize)]
struct PeriodRow {
    plan: String,
    amount: String,
    starts: Moment,
    ends: Moment,
    status: &'static str,
    tone: &'static str,
    due: Option<String>,
}

fn view(account: OwnAccount, user: &Subscriber) -> HistoryPage {
    let (zone, currency) = (user.tenant().time_zone.0, &user.tenant().currency);
    let payments = account.payments.into_iter().map(|payment| PaymentRow {
        at: Moment::at(payment.received_at, zone),
        amount: money(payment.amount, currency),
        method: payment.method.label(),
        reference: payment.reference,
        is_void: payment.void.is_some(),
        receipt: payment.receipt.map(|(id, label)| ReceiptLink { label, href: format!("/my/receipts/{id}") }),
    });
    let periods = account.periods.into_iter().map(|period| PeriodRow {
        amount: money(period.amount, currency),
        starts: Moment::long_day(period.span.starts_at, zone),
        ends: Moment::long_day(period.span.ends_at, zone),
        status: period.status.label(),
        tone: match period.status.as_str() {
            "active" => "success",
            "paused" => "warning",
            _ => "",
        },
        due: (!period.due().is_zero()).then(|| money(period.due(), currency)),
        plan: period.plan_name,
    });
    HistoryPage {
        more: account.more_payments || account.more_periods,
        payments: payments.collect(),
        periods: periods.collect(),
    }
}

#[handler]
pub async fn show_history(user: Subscriber) -> poem::Result<Response> {
    let account = user
        .office
        .db
        .read_tenant(user.tenant(), async |tx| billing::own_account(tx, user.customer, ROWS).await)
        .await?;
    Ok(user.render("my/history.html", say("Payments"), &view(account, &user))?)
}

#[derive(Deserialize)]
pub struct PaperQuery {
    #[serde(default)]
    paper: String,
}

/// The receipt as it was issued, the same bytes as the provider's own copy.
#[handler]
pub async fn print_receipt(
    user: Subscriber,
    Path(id): Path<String>,
    Query(query): Query<PaperQuery>,
) -> poem::Result<Response> {
    let id: ReceiptId = id_of(&id, "receipt")?;
    let paper = if query.paper == "80mm" { Paper::Roll } else { Paper::A4 };
    let pdf = billing::own_receipt(&user.office.db, &user.by, user.customer, id, paper).await?;
    Ok(pdf.into_response())
}
