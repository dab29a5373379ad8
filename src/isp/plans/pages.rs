//! Pages of plans.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    EditPlans, ViewPlans,
    model::{Plan, PlanDraft, PlanFilter, PlanMark, Tax, Typed},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    db::Db,
    error::{Error, Result},
    types::amount as money,
    types::{Check, Cursor, Limit, PlanId, Wrong},
    web::parts::{Choice, Pager, Tab, address, counted, grouped, id_of, money as shown_money, shown},
    web::{Flash, Form, FormView, Moment, RouteTable},
    words::say,
};

const PATH: &str = "/plans";
const PAGE: Limit = Limit::of(50);
const Q_MAX: usize = 100;
const FIELDS: [&str; 8] =
    ["name", "description", "download_mbps", "upload_mbps", "price", "period_days", "tax", "is_active"];

/// Every page of plans.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewPlans>(Method::GET, PATH, list_plans);
    table.page::<EditPlans>(Method::GET, "/plans/new", new_plan);
    table.page::<EditPlans>(Method::POST, PATH, add_plan);
    table.page::<ViewPlans>(Method::GET, "/plans/:id", show_plan);
    table.page::<EditPlans>(Method::POST, "/plans/:id", change_plan);
    table.page::<EditPlans>(Method::POST, "/plans/:id/delete", delete_plan);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    state: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    q: String,
    state: &'static str,
    plans: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    description: String,
    speed: String,
    price: String,
    period: String,
    tax: &'static str,
    is_active: bool,
    href: String,
}

#[derive(Serialize)]
struct FormPage {
    plan: Option<Shown>,
    taxes: Vec<Choice>,
    currency_sign: String,
    can_edit: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    delete_action: String,
    was_sold: bool,
    prices: Vec<PriceRow>,
}

#[derive(Serialize)]
struct PriceRow {
    price: String,
    period: String,
    since: Moment,
    by: String,
}

fn period(days: i16) -> String {
    counted(i64::from(days), "day", "days")
}

fn may_edit(user: &PageUser) -> bool {
    user.by.require::<EditPlans>().is_ok()
}

fn row_of(plan: Plan, currency: &str) -> Row {
    Row {
        href: format!("{PATH}/{}", plan.id),
        speed: plan.draft.speed(),
        price: shown_money(plan.draft.price, currency),
        period: period(plan.draft.period_days),
        tax: plan.draft.tax.label(),
        is_active: plan.draft.is_active,
        name: plan.draft.name,
        description: plan.draft.description,
    }
}

fn href(q: &str, state: &str) -> String {
    address(PATH, [("q", q), ("state", state)].into_iter().filter(|(_, value)| !value.is_empty()))
}

#[handler]
async fn list_plans(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let q: String = asked.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect();
    let q = q.trim().to_owned();
    let (state, is_active) = match asked.state.as_str() {
        "active" => ("active", Some(true)),
        "inactive" => ("inactive", Some(false)),
        _ => ("", None),
    };
    let mark = match asked.cursor.as_str() {
        "" => None,
        text => Some(PlanMark::decode(text)?),
    };
    let filter = PlanFilter { q: Some(q.clone()).filter(|q| !q.is_empty()), is_active };
    let ((found, more), (all, active)) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                rules::list(tx, &filter, mark.as_ref(), PAGE),
                rules::count(tx, filter.q.as_deref())
            )
        })
        .await?;
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Cursor(PlanMark::of(last)).encode()?;
            let from = (first + PAGE.get()).to_string();
            let pairs = [("q", q.as_str()), ("state", state), ("cursor", &cursor), ("from", &from)];
            Some(address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty())))
        }
        None => None,
    };
    let total = is_active.map_or(all, |yes| if yes { active } else { all - active });
    let tab = |label, key: &'static str, n: i64| Tab {
        label,
        count: Some(grouped(n)),
        href: href(&q, key),
        active: key == state,
    };
    let currency = &user.tenant().currency;
    let view = ListPage {
        tabs: vec![
            tab(say("All"), "", all),
            tab(say("On sale"), "active", active),
            tab(say("Switched off"), "inactive", all - active),
        ],
        pager: Pager {
            prev_href: mark.is_some().then(|| href(&q, state)),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        plans: found.into_iter().map(|plan| row_of(plan, currency)).collect(),
        filtered: !q.is_empty() || is_active.is_some(),
        can_edit: may_edit(&user),
        state,
        q,
    };
    Ok(user.render("plans/list.html", say("Plans"), &view)?)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS)
        .with("period_days", "30")
        .with("tax", Tax::Vatable.as_str())
        .with("is_active", "true")
}

fn taxes() -> Vec<Choice> {
    Tax::ALL.into_iter().map(|tax| Choice::new(tax.as_str(), tax.label())).collect()
}

fn page(user: &PageUser, status: StatusCode, plan: Option<Shown>, form: FormView) -> Result<Response> {
    let title = plan.as_ref().map_or_else(|| say("New plan").to_owned(), |plan| plan.name.clone());
    let view = FormPage {
        plan,
        taxes: taxes(),
        currency_sign: money::sign(&user.tenant().currency).to_owned(),
        can_edit: may_edit(user),
        form,
    };
    user.render_with(status, "plans/form.html", &title, &view)
}

#[handler]
fn new_plan(user: PageUser) -> poem::Result<Response> {
    Ok(page(&user, StatusCode::OK, None, empty_form())?)
}

/// A whole number as it was typed.
fn number<T: std::str::FromStr>(text: &str) -> Result<T, Wrong> {
    match text.trim() {
        "" => Err(Wrong::new("required", "This is needed.")),
        text => text.parse().map_err(|_not_whole| Wrong::new("not_a_number", "This must be a whole number.")),
    }
}

fn draft_of(form: &Form) -> Result<PlanDraft> {
    let mut check = Check::new();
    let download = check.field("download_mbps", number(form.get("download_mbps")));
    let upload = check.field("upload_mbps", number(form.get("upload_mbps")));
    let days = check.field("period_days", number(form.get("period_days")));
    let tax = check.field("tax", Tax::parse(form.get("tax")));
    let price = check.field(
        "price",
        money::typed(form.get("price"))
            .and_then(|price| price.ok_or_else(|| Wrong::new("required", "This is needed."))),
    );
    // What could not be read stands in for itself, so that the other fields are checked, too.
    Typed {
        name: form.get("name").to_owned(),
        description: form.get("description").to_owned(),
        download_mbps: download.unwrap_or(1),
        upload_mbps: upload.unwrap_or(1),
        price: price.unwrap_or_default(),
        period_days: days.unwrap_or(1),
        tax: tax.unwrap_or(Tax::Vatable),
        is_active: form.has("is_active"),
    }
    .parse_with(check)
}

fn typed(view: FormView, form: &Form) -> FormView {
    let ticked = if form.has("is_active") { "true" } else { "" };
    view.typed(form).with("is_active", ticked)
}

#[handler]
async fn add_plan(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let added = match draft_of(&form) {
        Ok(draft) => db.in_tenant(user.tenant(), async |tx| rules::create(tx, &user.by, &draft).await).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(plan) => Ok(user.then(PATH, &Flash::success(say!("{} was added.", plan.draft.name)))),
        Err(error) => {
            let shown = typed(empty_form(), &form).failed(error)?;
            Ok(page(&user, StatusCode::UNPROCESSABLE_ENTITY, None, shown)?)
        }
    }
}

/// A plan's page, with what was typed when there is something to mend.
async fn page_of(
    user: &PageUser,
    db: &Db,
    id: PlanId,
    mend: Option<(StatusCode, FormView)>,
) -> Result<Response> {
    let (plan, prices, was_sold) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(rules::get(tx, id), rules::prices(tx, id), rules::was_sold(tx, id))
        })
        .await?;
    let (zone, currency) = (user.tenant().time_zone.0, &user.tenant().currency);
    let draft = plan.draft;
    let (status, form) = mend.unwrap_or_else(|| {
        let form = FormView::empty(format!("{PATH}/{id}"), &FIELDS)
            .with("name", &draft.name)
            .with("description", &draft.description)
            .with("download_mbps", draft.download_mbps.to_string())
            .with("upload_mbps", draft.upload_mbps.to_string())
            .with("price", draft.price.to_string())
            .with("period_days", draft.period_days.to_string())
            .with("tax", draft.tax.as_str())
            .with("is_active", if draft.is_active { "true" } else { "" });
        (StatusCode::OK, form)
    });
    let prices = prices
        .into_iter()
        .map(|past| PriceRow {
            price: shown_money(past.price, currency),
            period: period(past.period_days),
            since: Moment::at(past.valid_from, zone),
            by: past.changed_by,
        })
        .collect();
    let shown = Shown { name: draft.name, delete_action: format!("{PATH}/{id}/delete"), was_sold, prices };
    page(user, status, Some(shown), form)
}

#[handler]
async fn show_plan(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    Ok(page_of(&user, &db, id_of(&id, "plan")?, None).await?)
}

#[handler]
async fn change_plan(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "plan")?;
    let changed = match draft_of(&form) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| {
                rules::change(tx, &user.by, id, |_| Ok(draft.clone())).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(plan) => Ok(user.then(PATH, &Flash::success(say!("{} was saved.", plan.draft.name)))),
        Err(error) => {
            let shown = typed(FormView::empty(format!("{PATH}/{id}"), &FIELDS), &form).failed(error)?;
            Ok(page_of(&user, &db, id, Some((StatusCode::UNPROCESSABLE_ENTITY, shown))).await?)
        }
    }
}

#[handler]
async fn delete_plan(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: PlanId = id_of(&id, "plan")?;
    match db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await {
        Ok(plan) => Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", plan.draft.name)))),
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&format!("{PATH}/{id}"), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}
