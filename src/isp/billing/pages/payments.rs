//! Payments: the list, one of them, and what may become of it.

use chrono::NaiveDate;
use poem::{
    IntoResponse, Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{may, methods, required, shown};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    isp::billing::{
        PrintReceipts, RecordPayments, RefundPayments, SellSubscriptions, VoidPayments,
        mark::Mark,
        payments::{self, Filter, Method, Payment, Refund, refund_of},
        receipts::{self, Paper},
    },
    sheets::Bom,
    types::amount as money,
    types::{Check, Limit, PaymentId, ReceiptId, StaffId, line},
    web::parts::{Choice, Pager, address, grouped, id_of, shown as shown_range},
    web::sheet::Format as SheetFormat,
    web::{Flash, Form, FormView, Moment},
    words::{now_in_english, say},
};

const PATH: &str = "/payments";
const PAGE: Limit = Limit::of(25);
const FIELDS: [&str; 6] = ["void_reason", "amount", "method", "reference", "reason", "state"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    method: String,
    cashier: String,
    state: String,
    from: String,
    to: String,
    format: String,
    cursor: String,
    first: i64,
}

impl Asked {
    fn filter(&self, user: &PageUser) -> Filter {
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        Filter {
            method: Method::parse(&self.method).ok(),
            received_by: self.cashier.parse().ok().map(StaffId),
            is_void: match self.state.as_str() {
                "void" => Some(true),
                "valid" => Some(false),
                _ => None,
            },
            ..Filter::default()
        }
        .on_days(day(&self.from), day(&self.to), user.tenant().time_zone.0)
    }

    /// The list's address with the same filter and something more.
    fn href(&self, path: &str, more: &[(&str, &str)]) -> String {
        let own = [
            ("method", self.method.as_str()),
            ("cashier", &self.cashier),
            ("state", &self.state),
            ("from", &self.from),
            ("to", &self.to),
        ];
        address(path, own.into_iter().chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ListPage {
    values: Values,
    methods: Vec<Choice>,
    cashiers: Vec<Choice>,
    payments: Vec<Row>,
    total: String,
    total_amount: String,
    pager: Pager,
    filtered: bool,
    csv_href: String,
    xlsx_href: String,
    can_sell: bool,
    can_collect: bool,
}

#[derive(Serialize)]
struct Values {
    method: String,
    cashier: String,
    state: String,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Row {
    customer: String,
    href: String,
    amount: String,
    method: &'static str,
    reference: String,
    receipt: String,
    received: Moment,
    received_by: String,
    is_void: bool,
}

fn row_of(payment: Payment, user: &PageUser) -> Row {
    Row {
        href: format!("{PATH}/{}", payment.id),
        amount: shown(payment.amount, user),
        method: payment.method.label(),
        receipt: payment.receipt.map(|(_, label)| label).unwrap_or_default(),
        received: Moment::at(payment.received_at, user.tenant().time_zone.0),
        is_void: payment.void.is_some(),
        customer: payment.customer_name,
        reference: payment.reference.unwrap_or_default(),
        received_by: payment.received_by_label,
    }
}

#[handler]
pub async fn list_payments(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let filter = asked.filter(&user);
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(Mark::decode(text)?),
    };
    let ((found, more), totals, cashiers) = db
        .read_tenant(user.tenant(), async |tx| {
            payments::check_filter(tx, &filter).await?;
            futures_util::try_join!(
                payments::page(tx, &filter, mark.map(Mark::pair), PAGE),
                payments::totals(tx, &filter),
                payments::cashiers(tx)
            )
        })
        .await?;
    let first = if mark.is_some() { asked.first.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Mark::new(last.received_at, last.id.0).encode()?;
            let from = (first + PAGE.get()).to_string();
            Some(asked.href(PATH, &[("cursor", &cursor), ("first", &from)]))
        }
        None => None,
    };
    let view = ListPage {
        methods: methods(),
        cashiers: cashiers.into_iter().map(|(id, name)| Choice::new(id, name)).collect(),
        total: grouped(totals.count),
        total_amount: shown(totals.amount, &user),
        pager: Pager {
            prev_href: mark.is_some().then(|| asked.href(PATH, &[])),
            next_href,
            shown: shown_range(first, found.len()),
            total: Some(grouped(totals.count)),
        },
        payments: found.into_iter().map(|payment| row_of(payment, &user)).collect(),
        filtered: asked.href(PATH, &[]) != PATH,
        csv_href: asked.href("/payments/export", &[("format", "csv")]),
        xlsx_href: asked.href("/payments/export", &[("format", "xlsx")]),
        can_sell: may::<SellSubscriptions>(&user),
        can_collect: may::<RecordPayments>(&user),
        values: Values {
            method: asked.method,
            cashier: asked.cashier,
            state: asked.state,
            from: asked.from,
            to: asked.to,
        },
    };
    Ok(user.render("billing/payments.html", say("Payments"), &view)?)
}

#[handler]
pub async fn export_payments(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    now_in_english();
    let format = if asked.format == "xlsx" { SheetFormat::Xlsx } else { SheetFormat::Csv };
    let file = payments::export(&db, &user.by, &asked.filter(&user), format, Bom::With).await?;
    Ok(file.into_response())
}

#[derive(Serialize)]
struct DetailPage {
    payment: Shown,
    shares: Vec<ShareRow>,
    refunds: Vec<RefundRow>,
    methods: Vec<Choice>,
    currency_sign: String,
    can_void: bool,
    can_refund: bool,
    can_print: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Shown {
    customer: String,
    customer_href: String,
    ledger_href: String,
    amount: String,
    allocated: String,
    refunded: Option<String>,
    credit: Option<String>,
    method: &'static str,
    reference: String,
    received: Moment,
    received_by: String,
    note: String,
    receipt: String,
    a4_href: String,
    roll_href: String,
    voided: Option<Moment>,
    voided_by: String,
    void_reason: String,
    void_action: String,
    refund_action: String,
}

#[derive(Serialize)]
struct ShareRow {
    href: String,
    plan: String,
    from: Moment,
    to: Moment,
    amount: String,
}

#[derive(Serialize)]
struct RefundRow {
    amount: String,
    method: &'static str,
    reason: String,
    by: String,
    at: Moment,
}

fn shown_of(payment: &Payment, user: &PageUser) -> Shown {
    let zone = user.tenant().time_zone.0;
    let some = |amount: rust_decimal::Decimal| (!amount.is_zero()).then(|| shown(amount, user));
    let pdf = |paper: &str| match &payment.receipt {
        Some((id, _)) => format!("/receipts/{id}/pdf?paper={paper}"),
        None => String::new(),
    };
    let void = payment.void.as_ref();
    Shown {
        customer: payment.customer_name.clone(),
        customer_href: format!("/customers/{}", payment.customer),
        ledger_href: format!("/customers/{}/ledger", payment.customer),
        amount: shown(payment.amount, user),
        allocated: shown(payment.allocated, user),
        refunded: some(payment.refunded),
        credit: some(payment.credit()),
        method: payment.method.label(),
        reference: payment.reference.clone().unwrap_or_default(),
        received: Moment::at(payment.received_at, zone),
        received_by: payment.received_by_label.clone(),
        note: payment.note.clone().unwrap_or_default(),
        receipt: payment.receipt.as_ref().map(|(_, label)| label.clone()).unwrap_or_default(),
        a4_href: pdf("a4"),
        roll_href: pdf("80mm"),
        voided: void.map(|void| Moment::at(void.at, zone)),
        voided_by: void.map(|void| void.by.clone()).unwrap_or_default(),
        void_reason: void.map(|void| void.reason.clone()).unwrap_or_default(),
        void_action: format!("{PATH}/{}/void", payment.id),
        refund_action: format!("{PATH}/{}/refund", payment.id),
    }
}

fn refund_row(refund: Refund, user: &PageUser) -> RefundRow {
    RefundRow {
        amount: shown(refund.amount, user),
        method: refund.method.label(),
        reason: refund.reason,
        by: refund.refunded_by_label,
        at: Moment::at(refund.refunded_at, user.tenant().time_zone.0),
    }
}

async fn page(
    user: &PageUser,
    db: &Db,
    id: PaymentId,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let (payment, shares, refunds) = db
        .read_tenant(user.tenant(), async |tx| {
            Ok((
                payments::get(tx, id).await?,
                payments::covered_by(tx, id).await?,
                payments::refunds(tx, id).await?,
            ))
        })
        .await?;
    let (is_valid, zone) = (payment.void.is_none(), user.tenant().time_zone.0);
    let view = DetailPage {
        can_void: is_valid && payment.refunded.is_zero() && may::<VoidPayments>(user),
        can_refund: !payment.credit().is_zero() && may::<RefundPayments>(user),
        can_print: payment.receipt.is_some() && may::<PrintReceipts>(user),
        methods: methods(),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        shares: shares
            .into_iter()
            .map(|one| ShareRow {
                href: format!("/subscriptions/{}", one.subscription),
                plan: one.plan_name,
                from: Moment::day(one.starts_at, zone),
                to: Moment::day(one.ends_at, zone),
                amount: shown(one.amount, user),
            })
            .collect(),
        refunds: refunds.into_iter().map(|refund| refund_row(refund, user)).collect(),
        payment: shown_of(&payment, user),
        form,
    };
    let title = format!("{} from {}", shown(payment.amount, user), payment.customer_name);
    user.render_with(status, "billing/payment.html", &title, &view)
}

fn empty_form() -> FormView {
    FormView::empty("", &FIELDS).with("method", Method::Cash.as_str())
}

#[handler]
pub async fn show_payment(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page(&user, &db, id_of(&id, "payment")?, StatusCode::OK, empty_form()).await?)
}

async fn mended(
    user: &PageUser,
    db: &Db,
    id: PaymentId,
    form: &Form,
    done: Result<String>,
) -> poem::Result<Response> {
    match done {
        Ok(said) => Ok(user.then(&format!("{PATH}/{id}"), &Flash::success(said))),
        Err(error) => {
            let shown = empty_form().typed(form).failed(error)?;
            Ok(page(user, db, id, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
    }
}

#[handler]
pub async fn void_payment(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: PaymentId = id_of(&id, "payment")?;
    let mut check = Check::new();
    let reason = check.field("void_reason", line(form.get("void_reason"), 500));
    let done = match check.finish(reason) {
        Ok(reason) => {
            db.in_tenant(user.tenant(), async |tx| payments::void(tx, &user.by, id, &reason).await).await
        }
        Err(error) => Err(error),
    };
    let said = done.map(|_| "The payment is void. What it paid is owed again.".to_owned());
    mended(&user, &db, id, &form, said).await
}

#[handler]
pub async fn refund_payment(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: PaymentId = id_of(&id, "payment")?;
    let mut check = Check::new();
    let amount = check
        .field("amount", money::typed(form.get("amount")).and_then(|amount| amount.ok_or_else(required)));
    let method = check.field("method", Method::parse(form.get("method")));
    let new = check
        .finish(amount.zip(method))
        .and_then(|(amount, method)| refund_of(amount, method, form.get("reference"), form.get("reason")));
    let done = match new {
        Ok(new) => {
            db.in_tenant(user.tenant(), async |tx| payments::refund(tx, &user.by, id, &new).await).await
        }
        Err(error) => Err(error),
    };
    let said = done.map(|refund| say!("{} was given back.", shown(refund.amount, &user)));
    mended(&user, &db, id, &form, said).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PaperAsked {
    paper: String,
}

#[handler]
pub async fn print_receipt(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    Query(asked): Query<PaperAsked>,
) -> poem::Result<Response> {
    let id: ReceiptId = id_of(&id, "receipt")?;
    let paper = if asked.paper == "80mm" { Paper::Roll } else { Paper::A4 };
    Ok(receipts::paper(&db, &user.by, id, paper).await?.into_response())
}
