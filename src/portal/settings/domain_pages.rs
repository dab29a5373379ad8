//! The page of the company's own domains.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use serde::Serialize;
use uuid::Uuid;

use super::{ManageSettings, domains};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    error::{Error, Result},
    tenancy::{Dns, Domain, Resolver},
    types::DomainId,
    web::{Flash, FormView, Moment, RouteTable},
};

const PATH: &str = "/settings/domains";
const TEMPLATE: &str = "portal/settings_domains.html";

/// Registers the page and its forms' targets.
pub fn pages(table: &mut RouteTable) {
    table.page::<ManageSettings>(Method::GET, PATH, show_domains);
    table.page::<ManageSettings>(Method::POST, PATH, add_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/check", check_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/activate", activate_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/remove", remove_domain);
}

#[derive(Serialize)]
struct DomainsPage {
    settings_tab: &'static str,
    cname_target: String,
    form: FormView,
    domains: Vec<DomainRow>,
}

#[derive(Serialize)]
struct DomainRow {
    id: DomainId,
    host: String,
    /// `pending`, `verified`, `active` or `failed`.
    state: &'static str,
    txt_name: String,
    txt_value: String,
    checked: Option<Moment>,
    problem: Option<&'static str>,
    verify_action: String,
    activate_action: String,
    remove_action: String,
}

fn row_of(domain: Domain, zone: chrono_tz::Tz) -> DomainRow {
    let (state, problem) = match domain.status.as_str() {
        "active" => ("active", None),
        "proved" => ("verified", None),
        "lost" => ("failed", Some("The TXT record is gone, so visitors no longer reach the portal here.")),
        _ if domain.checked_at.is_some() => ("failed", Some("No TXT record with this value was found.")),
        _ => ("pending", None),
    };
    let action = |verb: &str| format!("{PATH}/{}/{verb}", domain.id);
    DomainRow {
        state,
        problem,
        checked: domain.checked_at.map(|at| Moment::at(at, zone)),
        verify_action: action("check"),
        activate_action: action("activate"),
        remove_action: action("remove"),
        id: domain.id,
        host: domain.domain,
        txt_name: domain.proof_name,
        txt_value: domain.proof_value,
    }
}

async fn render(
    user: &PageUser,
    resolver: &Resolver,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let listed = domains::list(resolver.registry(), &user.by).await?;
    let view = DomainsPage {
        settings_tab: "domains",
        cname_target: format!("{}.{}", user.tenant().slug, user.shell.base_domain),
        form,
        domains: listed.into_iter().map(|domain| row_of(domain, zone)).collect(),
    };
    user.render_with(status, TEMPLATE, "Domains", &view)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &["host"])
}

#[handler]
async fn show_domains(user: PageUser, Data(resolver): Data<&Resolver>) -> poem::Result<Response> {
    Ok(render(&user, resolver, StatusCode::OK, empty_form()).await?)
}

#[handler]
async fn add_domain(
    user: PageUser,
    form: CheckedForm,
    Data(resolver): Data<&Resolver>,
) -> poem::Result<Response> {
    let base_domain = user.shell.base_domain.as_str();
    match domains::add(resolver.registry(), base_domain, &user.by, form.get("host")).await {
        Ok(domain) => {
            let told = format!("{} added. Now prove that it is yours.", domain.domain);
            Ok(user.then(PATH, &Flash::success(told)))
        }
        Err(error) => {
            let shown = empty_form().typed(&form).failed(as_host(error))?;
            Ok(render(&user, resolver, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
    }
}

/// What is wrong with the domain, beside the form's one field.
fn as_host(error: Error) -> Error {
    match error {
        Error::Invalid(mut wrongs) => {
            for wrong in &mut wrongs {
                wrong.field = "host".into();
            }
            Error::Invalid(wrongs)
        }
        Error::Conflict { detail, code } => Error::invalid("host", code, detail),
        other => other,
    }
}

/// A refusal that the page itself shows is a sentence; anything else is an error page.
fn told(user: &PageUser, done: Result<Flash>) -> poem::Result<Response> {
    match done {
        Ok(flash) => Ok(user.then(PATH, &flash)),
        Err(error @ (Error::Conflict { .. } | Error::Unavailable { code: "dns_unavailable", .. })) => {
            Ok(user.then(PATH, &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}

#[handler]
async fn check_domain(
    user: PageUser,
    Path(id): Path<Uuid>,
    Data(resolver): Data<&Resolver>,
    Data(dns): Data<&Dns>,
) -> poem::Result<Response> {
    let checked = domains::check(resolver.registry(), dns, &user.by, id.into()).await;
    told(
        &user,
        checked.map(|domain| match domain.status.as_str() {
            "proved" | "active" => Flash::success(format!("{} is proved.", domain.domain)),
            _ => Flash::error(format!("{} is not proved: the TXT record was not found.", domain.domain)),
        }),
    )
}

#[handler]
async fn activate_domain(
    user: PageUser,
    Path(id): Path<Uuid>,
    Data(resolver): Data<&Resolver>,
    Data(dns): Data<&Dns>,
) -> poem::Result<Response> {
    let active = domains::activate(resolver.registry(), dns, &user.by, id.into()).await;
    told(&user, active.map(|domain| Flash::success(format!("{} is active.", domain.domain))))
}

#[handler]
async fn remove_domain(
    user: PageUser,
    Path(id): Path<Uuid>,
    Data(resolver): Data<&Resolver>,
) -> poem::Result<Response> {
    let removed = domains::remove(resolver.registry(), &user.by, id.into()).await;
    told(&user, removed.map(|domain| Flash::success(format!("{} removed.", domain.domain))))
}
