//! A customer's account: every line of it, and money taken at the desk.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{may, methods, payment_of, prefixed, required, shown};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        billing::{
            RecordPayments,
            ledger::{self, Entry},
            payments::{self, Method},
        },
        customers,
    },
    tenancy::Resolver,
    types::amount as money,
    types::{CustomerId, Limit},
    web::parts::{Choice, id_of},
    web::{Flash, FormView, Moment},
    words::say,
};

const PAGE: Limit = Limit::of(50);
const FIELDS: [&str; 5] = ["pay_amount", "pay_method", "pay_reference", "pay_note", "pay_received_at"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    cursor: String,
}

#[derive(Serialize)]
struct LedgerPage {
    customer: String,
    customer_href: String,
    balance: String,
    /// `owes`, `credit` or `even`.
    state: &'static str,
    credit: Option<String>,
    owed: Option<String>,
    entries: Vec<Row>,
    next_href: Option<String>,
    methods: Vec<Choice>,
    currency_sign: String,
    can_pay: bool,
    can_use_credit: bool,
    credit_action: String,
    form: FormView,
}

#[derive(Serialize)]
struct Row {
    at: Moment,
    kind: &'static str,
    text: String,
    href: Option<String>,
    raised: Option<String>,
    lowered: Option<String>,
    balance: String,
}

fn row_of(entry: Entry, user: &PageUser) -> Row {
    let is_raised = entry.amount > Decimal::ZERO;
    let amount = shown(entry.amount.abs(), user);
    let href = match (entry.about.payment, entry.about.subscription) {
        (Some(payment), _) => Some(format!("/payments/{payment}")),
        (None, Some(subscription)) => Some(format!("/subscriptions/{subscription}")),
        (None, None) => None,
    };
    Row {
        at: Moment::at(entry.occurred_at, user.tenant().time_zone.0),
        kind: entry.kind.label(),
        text: entry.description,
        href,
        raised: is_raised.then(|| amount.clone()),
        lowered: (!is_raised).then_some(amount),
        balance: shown(entry.balance, user),
    }
}

fn path(id: CustomerId) -> String {
    format!("/customers/{id}/ledger")
}

fn empty_form(id: CustomerId) -> FormView {
    FormView::empty(format!("/customers/{id}/payments"), &FIELDS).with("pay_method", Method::Cash.as_str())
}

async fn page(
    user: &PageUser,
    db: &Db,
    id: CustomerId,
    cursor: &str,
    mend: (StatusCode, FormView),
) -> Result<Response> {
    let before = match cursor {
        "" => None,
        text => Some(ledger::decode(text)?),
    };
    let (customer, mut entries, balance, credit, owed) = db
        .read_tenant(user.tenant(), async |tx| {
            let customer = customers::get_any(tx, id).await?;
            let entries = ledger::list(tx, id, before, PAGE).await?;
            let (credit, owed) = (payments::credit(tx, id).await?, payments::owed(tx, id).await?);
            Ok((customer, entries, ledger::balance(tx, id).await?, credit, owed))
        })
        .await?;
    let more = PAGE.cut(&mut entries);
    let next_href = match entries.last().filter(|_| more) {
        Some(last) => Some(format!("{}?cursor={}", path(id), ledger::encode(last.position)?)),
        None => None,
    };
    let some = |amount: Decimal| (!amount.is_zero()).then(|| shown(amount, user));
    let can_pay = may::<RecordPayments>(user) && !customer.is_deleted();
    let view = LedgerPage {
        customer_href: format!("/customers/{id}"),
        balance: shown(balance.abs(), user),
        state: if balance.is_zero() {
            "even"
        } else if balance > Decimal::ZERO {
            "owes"
        } else {
            "credit"
        },
        credit: some(credit),
        owed: some(owed),
        entries: entries.into_iter().map(|entry| row_of(entry, user)).collect(),
        next_href,
        methods: methods(),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        can_pay,
        can_use_credit: can_pay && !credit.is_zero() && !owed.is_zero(),
        credit_action: format!("/customers/{id}/credit"),
        customer: customer.name(),
        form: mend.1,
    };
    let title = say!("Account of {}", view.customer);
    user.render_with(mend.0, "billing/ledger.html", &title, &view)
}

#[handler]
pub async fn show_ledger(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    Ok(page(&user, &db, id, &asked.cursor, (StatusCode::OK, empty_form(id))).await?)
}

#[handler]
pub async fn pay(
    user: PageUser,
    db: Data<&Db>,
    resolver: Data<&Resolver>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let new = payment_of(&form, &user, resolver.url_of(user.tenant()))
        .and_then(|new| new.ok_or_else(|| Error::Invalid(vec![required().at("pay_amount")])));
    let done = match new {
        Ok(new) => {
            db.in_tenant(user.tenant(), async |tx| {
                customers::get(tx, id).await?;
                payments::record(tx, &user.by, id, &new, None).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(payment) => {
            let said = say!("{} was recorded.", shown(payment.amount, &user));
            Ok(user.then(&format!("/payments/{}", payment.id), &Flash::success(said)))
        }
        Err(error) => {
            let shown = empty_form(id).typed(&form).failed(prefixed(error))?;
            Ok(page(&user, &db, id, "", (StatusCode::UNPROCESSABLE_ENTITY, shown)).await?)
        }
    }
}

#[handler]
pub async fn use_credit(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: CustomerId = id_of(&id, "customer")?;
    let used = db
        .in_tenant(user.tenant(), async |tx| {
            customers::get(tx, id).await?;
            payments::use_credit(tx, &user.by, id, None).await
        })
        .await?;
    let said = say!("{} of credit was used.", shown(used, &user));
    Ok(user.then(&path(id), &Flash::success(said)))
}
