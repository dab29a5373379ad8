//! Selling a period: find the installation, choose, see what it comes to, take the money.

use poem::{
    Request, Response, handler,
    http::StatusCode,
    web::{Data, Query},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{may, methods, payment_of, prefixed, required, shown};
use crate::{
    access::{CheckedForm, PageUser, Shell},
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        billing::{
            RecordPayments,
            payments::Method,
            periods::{self, Kind, Order, Preview, Sellable, duration_text},
        },
        plans,
    },
    tenancy::Resolver,
    types::amount as money,
    types::search::plain,
    types::{Check, InstallationId, PlanId, optional_text},
    web::parts::Choice,
    web::{Flash, Form, FormView, Moment},
    words::reader_zone,
    words::{locale, say},
};

const PATH: &str = "/subscriptions";
const FOUND_MAX: i64 = 25;
const FIELDS: [&str; 11] = [
    "installation",
    "plan",
    "kind",
    "amount",
    "notes",
    "use_credit",
    "pay_amount",
    "pay_method",
    "pay_reference",
    "pay_note",
    "pay_received_at",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    installation: String,
    q: String,
    plan: String,
    kind: String,
    amount: String,
}

#[derive(Serialize)]
struct SellPage {
    place: Option<Place>,
    q: String,
    found: Vec<Found>,
    has_searched: bool,
    plans: Vec<Choice>,
    kinds: Vec<Choice>,
    methods: Vec<Choice>,
    currency_sign: String,
    can_pay: bool,
    preview: Option<Figures>,
    preview_error: String,
    form: FormView,
}

#[derive(Serialize)]
struct Place {
    customer: String,
    customer_href: String,
    credit: Option<String>,
    /// The plan that runs now.
    runs: Option<String>,
    runs_until: Option<Moment>,
}

#[derive(Serialize)]
struct Found {
    customer: String,
    address: String,
    status: String,
    paid_until: Option<Moment>,
    owes: Option<String>,
    href: String,
}

/// The figures of a sale as people read them.
#[derive(Serialize)]
struct Figures {
    amount: String,
    duration: String,
    days: String,
    starts: Moment,
    ends: Moment,
    is_chained: bool,
    is_held: bool,
}

#[derive(Serialize)]
struct Fragment<'a> {
    shell: &'a Shell,
    preview: Option<Figures>,
    preview_error: String,
}

fn figures(preview: &Preview, user: &PageUser) -> Figures {
    let zone = user.tenant().time_zone.0;
    Figures {
        amount: shown(preview.bought.amount, user),
        duration: duration_text(preview.bought.minutes),
        days: preview.bought.days.normalize().to_string(),
        starts: Moment::at(preview.span.starts_at, zone),
        ends: Moment::at(preview.span.ends_at, zone),
        is_chained: preview.is_chained,
        is_held: preview.is_held,
    }
}

fn found_of(one: Sellable, user: &PageUser) -> Found {
    Found {
        customer: one.customer_name,
        address: one.address,
        status: one.status,
        paid_until: one.paid_until.map(|at| Moment::at(at, user.tenant().time_zone.0)),
        owes: Some(one.owes).filter(|owes| !owes.is_zero()).map(|owes| shown(owes, user)),
        href: format!("{PATH}/new?installation={}", one.id),
    }
}

/// An order as it was typed.
fn order_of(form: &Form, user: &PageUser, home: Option<String>) -> Result<Order> {
    let mut check = Check::new();
    let id = |text: &str| text.parse::<uuid::Uuid>().map_err(|_not_an_id| required());
    let installation = check.field("installation", id(form.get("installation")));
    let plan = check.field("plan", id(form.get("plan")));
    let kind = check.field("kind", Kind::parse(form.get("kind")));
    let amount = check.field("amount", money::typed(form.get("amount")));
    let notes = check.field("notes", optional_text(form.get("notes"), 2_000));
    let whole = (|| {
        Some(Order {
            installation: InstallationId(installation?),
            plan: PlanId(plan?),
            kind: kind?,
            amount: amount?,
            notes: notes?,
            use_credit: form.has("use_credit") && may::<RecordPayments>(user),
            payment: None,
        })
    })();
    let mut order = check.finish(whole)?;
    if let Some(home) = home.filter(|_| may::<RecordPayments>(user)) {
        order.payment = payment_of(form, user, home)?;
    }
    Ok(order)
}

/// The fields of an order as its form names them.
fn on_form(error: Error) -> Error {
    match error {
        Error::Invalid(wrongs) if wrongs.iter().any(|wrong| wrong.field.starts_with("payment.")) => {
            prefixed(Error::Invalid(wrongs))
        }
        Error::Invalid(mut wrongs) => {
            for wrong in &mut wrongs {
                if let Some(name) = wrong.field.strip_suffix("_id") {
                    wrong.field = name.to_owned().into();
                }
            }
            Error::Invalid(wrongs)
        }
        other @ Error::Conflict { .. } => prefixed(other),
        other => other,
    }
}

async fn place(tx: &TenantTx, id: InstallationId, user: &PageUser) -> Result<Place> {
    let place = periods::find_place(tx, id).await?.ok_or(Error::not_found("installation"))?;
    let credit = crate::isp::billing::payments::credit(tx, place.customer).await?;
    let runs = periods::running(tx, &[id]).await?.remove(&id);
    let runs_until = periods::open_until(tx, id).await?;
    Ok(Place {
        customer: place.customer_name,
        customer_href: format!("/customers/{}", place.customer),
        credit: (credit > Decimal::ZERO).then(|| shown(credit, user)),
        runs: runs.map(|one| one.plan_name),
        runs_until: runs_until.map(|at| Moment::at(at, user.tenant().time_zone.0)),
    })
}

async fn page(
    user: &PageUser,
    db: &Db,
    status: StatusCode,
    q: &str,
    form: FormView,
    preview: Result<Option<Preview>>,
) -> Result<Response> {
    let id = form.values.get("installation").and_then(|text| text.parse().ok()).map(InstallationId);
    let (place, found, plans) = db
        .read_tenant(user.tenant(), async |tx| {
            let place = match id {
                Some(id) => Some(place(tx, id, user).await?),
                None => None,
            };
            let found = match plain(q) {
                Some(q) if place.is_none() => periods::find_sellable(tx, &q, FOUND_MAX).await?,
                _ => Vec::new(),
            };
            Ok((place, found, plans::choices(tx).await?))
        })
        .await?;
    let (preview, preview_error) = match preview {
        Ok(preview) => (preview.map(|preview| figures(&preview, user)), String::new()),
        Err(error) => (None, error.detail()),
    };
    let currency = &user.tenant().currency;
    let view = SellPage {
        place,
        has_searched: !q.trim().is_empty(),
        q: q.to_owned(),
        found: found.into_iter().map(|one| found_of(one, user)).collect(),
        plans: plans
            .iter()
            .map(|plan| {
                let price = crate::web::parts::money(plan.price(), currency);
                Choice::new(plan.id, format!("{} – {price} for {} days", plan.label(), plan.period_days()))
            })
            .collect(),
        kinds: Kind::SOLD.into_iter().map(|kind| Choice::new(kind.as_str(), kind.label())).collect(),
        methods: methods(),
        currency_sign: money::sign(currency).to_owned(),
        can_pay: may::<RecordPayments>(user),
        preview,
        preview_error,
        form,
    };
    user.render_with(status, "billing/sell.html", say("Sell a subscription"), &view)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("kind", Kind::OnePeriod.as_str())
        .with("pay_method", Method::Cash.as_str())
}

#[handler]
pub async fn new_sale(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let mut form = empty_form();
    for (name, value) in
        [("installation", &asked.installation), ("plan", &asked.plan), ("amount", &asked.amount)]
    {
        form = form.with(name, value);
    }
    if !asked.kind.is_empty() {
        form = form.with("kind", &asked.kind);
    }
    Ok(page(&user, &db, StatusCode::OK, &asked.q, form, Ok(None)).await?)
}

/// What a sale of these choices would be: a fragment that htmx puts beside the form.
#[handler]
pub async fn show_preview(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let form = Form::of_query(request.uri().query().unwrap_or_default());
    let preview = match order_of(&form, &user, None) {
        Ok(order) => db.read_tenant(user.tenant(), async |tx| periods::preview(tx, &order).await).await,
        Err(error) => Err(error),
    };
    let (preview, preview_error) = match preview {
        Ok(preview) => (Some(figures(&preview, &user)), String::new()),
        Err(error) if error.status() < 500 => (None, error.detail()),
        Err(error) => return Err(error.into()),
    };
    let view = Fragment { shell: &user.shell, preview, preview_error };
    Ok(user.access.pages().page("billing/_preview.html", &view)?)
}

fn typed(form: &Form) -> FormView {
    let ticked = if form.has("use_credit") { "true" } else { "" };
    empty_form().typed(form).with("use_credit", ticked)
}

#[handler]
pub async fn sell(
    user: PageUser,
    db: Data<&Db>,
    resolver: Data<&Resolver>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let order = order_of(&form, &user, Some(resolver.url_of(user.tenant())));
    if form.has("show") {
        // Without scripts, the figures are asked for by a button.
        let preview = match order {
            Ok(order) => {
                db.read_tenant(user.tenant(), async |tx| periods::preview(tx, &order).await).await.map(Some)
            }
            Err(error) => Err(error),
        };
        return Ok(page(&user, &db, StatusCode::OK, "", typed(&form), preview).await?);
    }
    let sold = match order {
        Ok(order) => db.in_tenant(user.tenant(), async |tx| periods::sell(tx, &user.by, &order).await).await,
        Err(error) => Err(error),
    };
    match sold {
        Ok(sold) => {
            let until = sold.subscription.span.ends_at.with_timezone(&reader_zone(user.tenant().time_zone.0));
            let said = say!(
                "{} was sold until {}.",
                sold.subscription.plan_name,
                until.format_localized("%-d %B %Y, %H:%M", locale())
            );
            let path = match &sold.payment {
                Some(payment) => format!("/payments/{}", payment.id),
                None => format!("{PATH}/{}", sold.subscription.id),
            };
            Ok(user.then(&path, &Flash::success(said)))
        }
        Err(error) => {
            let shown = typed(&form).failed(on_form(error))?;
            Ok(page(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, "", shown, Ok(None)).await?)
        }
    }
}
