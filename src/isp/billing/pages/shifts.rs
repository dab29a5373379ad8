//! The cashier's drawer.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{required, shown};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    isp::billing::{
        mark::Mark,
        shifts::{self, NOTE_MAX, Shift},
    },
    types::amount as money,
    types::{Check, Limit, ShiftId, optional_text},
    web::parts::{Pager, id_of, shown as shown_range},
    web::{Flash, FormView, Moment},
    words::say,
};

const PATH: &str = "/shifts";
const PAGE: Limit = Limit::of(25);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    open: Option<Row>,
    shifts: Vec<Row>,
    pager: Pager,
    currency_sign: String,
    form: FormView,
}

#[derive(Serialize)]
struct Row {
    href: String,
    cashier: String,
    opened: Moment,
    closed: Option<Moment>,
    opening: String,
    cash_in: String,
    cash_out: String,
    payments: i64,
    should_hold: String,
    expected: Option<String>,
    counted: Option<String>,
    difference: Option<String>,
    /// `even`, `short` or `over`.
    verdict: &'static str,
    voided_later: Option<String>,
    note: String,
}

fn row_of(shift: &Shift, user: &PageUser) -> Row {
    let zone = user.tenant().time_zone.0;
    let difference = shift.difference();
    let later = shift.voided_later();
    Row {
        href: format!("{PATH}/{}", shift.id),
        cashier: shift.cashier.clone(),
        opened: Moment::at(shift.opened_at, zone),
        closed: shift.closed_at.map(|at| Moment::at(at, zone)),
        opening: shown(shift.opening_cash, user),
        cash_in: shown(shift.cash_in, user),
        cash_out: shown(shift.cash_out, user),
        payments: shift.payments,
        should_hold: shown(shift.should_hold(), user),
        expected: shift.expected_cash.map(|amount| shown(amount, user)),
        counted: shift.counted_cash.map(|amount| shown(amount, user)),
        difference: difference.map(|amount| shown(amount, user)),
        verdict: match difference {
            Some(amount) if amount < Decimal::ZERO => "short",
            Some(amount) if amount > Decimal::ZERO => "over",
            _ => "even",
        },
        voided_later: (!later.is_zero()).then(|| shown(later, user)),
        note: shift.note.clone().unwrap_or_default(),
    }
}

async fn list(user: &PageUser, db: &Db, asked: &Asked, mend: (StatusCode, FormView)) -> Result<Response> {
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(Mark::decode(text)?),
    };
    let (open, (found, more)) = db
        .read_tenant(user.tenant(), async |tx| {
            let open = shifts::open_one(tx, &user.by).await?;
            Ok((open, shifts::list(tx, &user.by, mark.map(Mark::pair), PAGE).await?))
        })
        .await?;
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Mark::new(last.opened_at, last.id.0).encode()?;
            Some(format!("{PATH}?cursor={cursor}&from={}", first + PAGE.get()))
        }
        None => None,
    };
    let view = ListPage {
        open: open.as_ref().map(|shift| row_of(shift, user)),
        pager: Pager {
            prev_href: mark.is_some().then(|| PATH.to_owned()),
            next_href,
            shown: shown_range(first, found.len()),
            total: None,
        },
        shifts: found.iter().map(|shift| row_of(shift, user)).collect(),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        form: mend.1,
    };
    user.render_with(mend.0, "billing/shifts.html", say("Shifts"), &view)
}

fn open_form() -> FormView {
    FormView::empty(PATH, &["opening_cash"])
}

#[handler]
pub async fn list_shifts(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    Ok(list(&user, &db, &asked, (StatusCode::OK, open_form())).await?)
}

/// An amount that may be nothing, but must be said.
fn cash(text: &str) -> Result<Decimal, crate::types::Wrong> {
    money::typed(text)?.ok_or_else(required).and_then(money::amount)
}

#[handler]
pub async fn open_shift(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let mut check = Check::new();
    let opening = check.field("opening_cash", cash(form.get("opening_cash")));
    let done = match check.finish(opening) {
        Ok(opening) => {
            db.in_tenant(user.tenant(), async |tx| shifts::open(tx, &user.by, opening).await).await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(user.then(PATH, &Flash::success("Your shift is open."))),
        Err(error) => {
            let shown = open_form().typed(&form).failed(error)?;
            Ok(list(&user, &db, &Asked::default(), (StatusCode::UNPROCESSABLE_ENTITY, shown)).await?)
        }
    }
}

#[derive(Serialize)]
struct DetailPage {
    shift: Row,
    is_own: bool,
    currency_sign: String,
    payments_href: String,
    form: FormView,
}

async fn page(user: &PageUser, db: &Db, id: ShiftId, mend: (StatusCode, FormView)) -> Result<Response> {
    let shift = db.read_tenant(user.tenant(), async |tx| shifts::get(tx, &user.by, id).await).await?;
    let title = say!("Shift of {}", shift.cashier);
    let view = DetailPage {
        shift: row_of(&shift, user),
        is_own: user.by.staff() == Some(shift.staff),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        payments_href: format!("/payments?cashier={}", shift.staff),
        form: mend.1,
    };
    user.render_with(mend.0, "billing/shift.html", &title, &view)
}

fn close_form(id: ShiftId) -> FormView {
    FormView::empty(format!("{PATH}/{id}/close"), &["counted_cash", "note"])
}

#[handler]
pub async fn show_shift(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ShiftId = id_of(&id, "shift")?;
    Ok(page(&user, &db, id, (StatusCode::OK, close_form(id))).await?)
}

#[handler]
pub async fn close_shift(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: ShiftId = id_of(&id, "shift")?;
    let mut check = Check::new();
    let counted = check.field("counted_cash", cash(form.get("counted_cash")));
    let note = check.field("note", optional_text(form.get("note"), NOTE_MAX));
    let done = match check.finish(counted.zip(note)) {
        Ok((counted, note)) => {
            db.in_tenant(user.tenant(), async |tx| {
                shifts::close(tx, &user.by, id, counted, note.as_deref()).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(user.then(&format!("{PATH}/{id}"), &Flash::success("The shift is closed."))),
        Err(error) => {
            let shown = close_form(id).typed(&form).failed(error)?;
            Ok(page(&user, &db, id, (StatusCode::UNPROCESSABLE_ENTITY, shown)).await?)
        }
    }
}
