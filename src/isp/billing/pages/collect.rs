//! A collector's round, on a phone: by area, who is due and what they owe; money is taken in two taps.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{methods, payment_of, prefixed, required, shown};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        billing::{
            payments::{self, Filter, Method},
            round::{self, Stop},
        },
    },
    tenancy::Resolver,
    types::amount as money,
    types::search::plain,
    types::{AreaId, CustomerId, Limit},
    web::parts::{Choice, address},
    web::{Flash, FormView, Moment},
    words::say,
};

const PATH: &str = "/collect";
const PAGE: Limit = Limit::of(30);
const SKIP_MAX: i64 = 100_000;
const FIELDS: [&str; 6] = ["customer", "area", "pay_amount", "pay_method", "pay_reference", "pay_note"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    area: String,
    q: String,
    customer: String,
    skip: i64,
}

impl Asked {
    /// So many stops stand on the pages before this one.
    fn skip(&self) -> i64 {
        self.skip.clamp(0, SKIP_MAX)
    }

    /// The round's address with the same place and words, from after so many stops.
    fn href(&self, skip: i64) -> String {
        let skip = if skip > 0 { skip.to_string() } else { String::new() };
        let pairs = [("area", self.area.as_str()), ("q", &self.q), ("skip", &skip)];
        address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct RoundPage {
    area_word: String,
    areas: Vec<Choice>,
    area: String,
    q: String,
    skip: i64,
    stops: Vec<Row>,
    first_href: String,
    next_href: Option<String>,
    today: String,
    today_count: i64,
    methods: Vec<Choice>,
    currency_sign: String,
    form: FormView,
}

#[derive(Serialize)]
struct Row {
    id: String,
    name: String,
    phone: String,
    address: String,
    owes: Option<String>,
    owes_plain: String,
    ends: Option<Moment>,
    is_over: bool,
    href: String,
    sell_href: Option<String>,
    is_open: bool,
}

fn row_of(stop: Stop, asked: &Asked, user: &PageUser) -> Row {
    let id = stop.customer.to_string();
    Row {
        name: stop.name,
        phone: stop.phone.unwrap_or_default(),
        address: stop.address.unwrap_or_default(),
        owes: (!stop.owes.is_zero()).then(|| shown(stop.owes, user)),
        owes_plain: if stop.owes.is_zero() { String::new() } else { stop.owes.to_string() },
        is_over: stop.paid_until.is_none_or(|at| at <= chrono::Utc::now()),
        ends: stop.paid_until.map(|at| Moment::at(at, user.tenant().time_zone.0)),
        href: format!("/customers/{id}/ledger"),
        sell_href: stop
            .installation
            .map(|installation| format!("/subscriptions/new?installation={installation}")),
        is_open: asked.customer == id,
        id,
    }
}

async fn page(user: &PageUser, db: &Db, asked: &Asked, mend: (StatusCode, FormView)) -> Result<Response> {
    let area = asked.area.parse().ok().map(AreaId);
    let q = plain(&asked.q);
    let zone = user.tenant().time_zone.0;
    let today = chrono::Utc::now().with_timezone(&zone).date_naive();
    let mine = Filter { received_by: user.by.staff(), is_void: Some(false), ..Filter::default() };
    let mine = mine.on_days(Some(today), Some(today), zone);
    let skip = asked.skip();
    let (mut stops, areas, totals) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                round::stops(tx, area, q.as_deref(), skip, PAGE),
                areas::find_choices(tx),
                payments::totals(tx, &mine)
            )
        })
        .await?;
    let more = PAGE.cut(&mut stops);
    let stops: Vec<Row> = stops.into_iter().map(|stop| row_of(stop, asked, user)).collect();
    let is_shown = stops.iter().any(|stop| stop.is_open);
    let view = RoundPage {
        area_word: user.shell.brand.area_word.clone(),
        areas: areas.into_iter().map(|area| Choice::new(area.id, area.name)).collect(),
        area: asked.area.clone(),
        q: asked.q.clone(),
        skip,
        first_href: asked.href(0),
        next_href: more.then(|| asked.href(skip + PAGE.get())),
        stops,
        today: shown(totals.amount, user),
        today_count: totals.count,
        methods: methods(),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        form: if is_shown { mend.1 } else { above(mend.1) },
    };
    user.render_with(mend.0, "billing/collect.html", say("Collect"), &view)
}

/// Whoever it was about stands on the page no more: what was wrong is said above the list.
fn above(mut form: FormView) -> FormView {
    form.summary.extend(std::mem::take(&mut form.errors).into_values());
    form
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS).with("pay_method", Method::Cash.as_str())
}

#[handler]
pub async fn show_round(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    Ok(page(&user, &db, &asked, (StatusCode::OK, empty_form())).await?)
}

#[handler]
pub async fn take(
    user: PageUser,
    db: Data<&Db>,
    resolver: Data<&Resolver>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let customer = form.get("customer").parse::<uuid::Uuid>().map(CustomerId);
    let customer = customer.map_err(|_not_an_id| Error::Invalid(vec![required().at("customer")]));
    let new = payment_of(&form, &user, resolver.url_of(user.tenant()))
        .and_then(|new| new.ok_or_else(|| Error::Invalid(vec![required().at("pay_amount")])));
    let done = match (customer, new) {
        (Ok(customer), Ok(new)) => db
            .in_tenant(user.tenant(), async |tx| payments::record(tx, &user.by, customer, &new, None).await)
            .await
            .map_err(prefixed),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    let asked = Asked {
        area: form.get("area").to_owned(),
        q: form.get("q").to_owned(),
        customer: form.get("customer").to_owned(),
        skip: form.get("skip").parse().unwrap_or_default(),
    };
    match done {
        Ok(payment) => {
            let said = say!("{} from {} was recorded.", shown(payment.amount, &user), payment.customer_name);
            Ok(user.then(&asked.href(asked.skip()), &Flash::success(said)))
        }
        Err(error) => {
            let shown = empty_form().typed(&form).failed(error)?;
            Ok(page(&user, &db, &asked, (StatusCode::UNPROCESSABLE_ENTITY, shown)).await?)
        }
    }
}
