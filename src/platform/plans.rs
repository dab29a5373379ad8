//! The console's pages of plans. The rules are those of `tenancy/plans`; what single tenants have is on their own page.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;
use uuid::Uuid;

use super::console::{ConsoleUser, Guarding, Look, Rule};
use crate::{
    access::CheckedForm,
    error::{Error, Result},
    tenancy::plans::{self, Feature, Metric, Plan, PlanForm},
    types::CURRENCIES,
    web::{
        Flash, Form, FormView, RouteTable,
        parts::{Choice, grouped, id_of, money},
    },
    words::say,
};

const PATH: &str = "/console/plans";
const FIELDS: [&str; 15] = [
    "code",
    "name",
    "summary",
    "monthly_price",
    "currency",
    "staff",
    "customers",
    "messages",
    "storage",
    "api_rate",
    "campaigns",
    "sso",
    "custom_domain",
    "is_offered",
    "is_default",
];

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Rule>(Method::GET, "/console/plans/new", new)
        .console::<Rule>(Method::POST, PATH, create)
        .console::<Rule>(Method::GET, "/console/plans/:id", edit)
        .console::<Rule>(Method::POST, "/console/plans/:id", change);
}

#[derive(Serialize)]
struct Row {
    href: String,
    name: String,
    code: String,
    price: String,
    limits: Vec<String>,
    features: Vec<&'static str>,
    tenants: String,
    is_offered: bool,
    is_default: bool,
}

fn row_of(plan: Plan) -> Row {
    let limit = |(metric, max): (&Metric, &i64)| format!("{}: {}", metric.label(), grouped(*max));
    Row {
        href: format!("{PATH}/{}", plan.id),
        price: money(plan.monthly_price, &plan.currency),
        limits: plan.limits.iter().map(limit).collect(),
        features: plan.features.iter().map(|feature| feature.label()).collect(),
        tenants: grouped(plan.tenants),
        name: plan.name,
        code: plan.code,
        is_offered: plan.is_offered,
        is_default: plan.is_default,
    }
}

#[derive(Serialize)]
struct ListPage {
    plans: Vec<Row>,
}

#[handler]
async fn list(user: ConsoleUser) -> Result<Response> {
    let plans = user.console.db.read_public(async |tx| plans::list_plans(tx).await).await?;
    let view = ListPage { plans: plans.into_iter().map(row_of).collect() };
    user.render("console/plans.html", say("Plans"), &view)
}

#[derive(Serialize)]
struct LimitField {
    name: &'static str,
    label: &'static str,
}

#[derive(Serialize)]
struct EditPage {
    /// Empty for a new one.
    name: String,
    limits: Vec<LimitField>,
    features: Vec<LimitField>,
    currencies: Vec<Choice>,
    form: FormView,
}

fn show_form(user: &ConsoleUser, status: StatusCode, name: &str, form: FormView) -> Result<Response> {
    let view = EditPage {
        name: name.to_owned(),
        limits: Metric::ALL.map(|metric| LimitField { name: metric.as_str(), label: metric.label() }).into(),
        features: Feature::ALL.map(|one| LimitField { name: one.as_str(), label: one.label() }).into(),
        currencies: CURRENCIES
            .iter()
            .map(|(code, name)| Choice::new(code, format!("{code}, {name}")))
            .collect(),
        form,
    };
    let title = if name.is_empty() { say("New plan") } else { name };
    user.render_with(status, "console/plan.html", title, &view)
}

fn empty(action: impl Into<String>) -> FormView {
    FormView::empty(action, &FIELDS)
}

#[handler]
async fn new(user: ConsoleUser) -> Result<Response> {
    let form = Feature::ALL.iter().fold(empty(PATH), |form, feature| form.with(feature.as_str(), "true"));
    let form = form.with("currency", "PHP").with("is_offered", "true");
    show_form(&user, StatusCode::OK, "", form)
}

/// What was typed, as the rules take it.
fn typed(form: &Form) -> PlanForm<'_> {
    let is_set = |name: &str| form.get(name) == "true";
    PlanForm {
        code: form.get("code"),
        name: form.get("name"),
        summary: form.get("summary"),
        monthly_price: form.get("monthly_price"),
        currency: form.get("currency"),
        limits: limits_in(form),
        features: Feature::ALL.iter().map(|one| one.as_str()).filter(|name| is_set(name)).collect(),
        is_offered: is_set("is_offered"),
        is_default: is_set("is_default"),
    }
}

/// The limits of a form, as they were typed.
pub fn limits_in(form: &Form) -> Vec<(Metric, &str)> {
    Metric::ALL.map(|metric| (metric, form.get(metric.as_str()))).into()
}

#[handler]
async fn create(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    match plans::create_plan(&user.console.registry, &user.operator(), &typed(&form)).await {
        Ok(_) => Ok(user.then(PATH, &Flash::success("The plan is there."))),
        Err(error) => {
            let shown = empty(PATH).typed(&form).failed(error)?;
            show_form(&user, StatusCode::UNPROCESSABLE_ENTITY, "", shown)
        }
    }
}

async fn get(user: &ConsoleUser, id: Uuid) -> Result<Plan> {
    let found = user.console.db.read_public(async |tx| plans::find_plan(tx, id).await).await?;
    found.ok_or(Error::not_found("plan"))
}

#[handler]
async fn edit(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let plan = get(&user, id_of(&id, "plan")?).await?;
    let on = |is: bool| if is { "true" } else { "" };
    let mut form = empty(format!("{PATH}/{}", plan.id))
        .with("code", &plan.code)
        .with("name", &plan.name)
        .with("summary", &plan.summary)
        .with("monthly_price", plan.monthly_price.to_string())
        .with("currency", &plan.currency)
        .with("is_offered", on(plan.is_offered))
        .with("is_default", on(plan.is_default));
    for (metric, max) in &plan.limits {
        form = form.with(metric.as_str(), max.to_string());
    }
    for feature in &plan.features {
        form = form.with(feature.as_str(), "true");
    }
    show_form(&user, StatusCode::OK, &plan.name, form)
}

#[handler]
async fn change(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, "plan")?;
    match plans::change_plan(&user.console.registry, &user.operator(), id, &typed(&form)).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Changed. What it allows counts at once."))),
        Err(error @ Error::Invalid(_)) => {
            let plan = get(&user, id).await?;
            let shown = empty(format!("{PATH}/{id}")).typed(&form).failed(error)?;
            show_form(&user, StatusCode::UNPROCESSABLE_ENTITY, &plan.name, shown)
        }
        Err(error) => Err(error),
    }
}
