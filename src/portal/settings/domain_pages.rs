//! The page of the company's own domains.

use chrono::Utc;
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
    certificates::Certificate,
    error::{Error, Result},
    tenancy::{Dns, Domain, Resolver},
    types::DomainId,
    web::{Flash, FormView, Moment, RouteTable},
    words::say,
};

const PATH: &str = "/settings/domains";
const TEMPLATE: &str = "portal/settings_domains.html";

/// Registers the page and its forms' targets.
pub fn pages(table: &mut RouteTable) {
    table.page::<ManageSettings>(Method::GET, PATH, show_domains);
    table.page::<ManageSettings>(Method::POST, PATH, add_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/check", check_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/activate", activate_domain);
    table.page::<ManageSettings>(Method::POST, "/settings/domains/:id/certificate", order_certificate);
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
    /// Of a domain that is served, where this deployment orders certificates.
    certificate: Option<CertificateRow>,
    verify_action: String,
    activate_action: String,
    remove_action: String,
}

#[derive(Serialize)]
struct CertificateRow {
    is_held: bool,
    /// How bad the problem is: with a certificate at hand there is time.
    tone: &'static str,
    ends: Option<Moment>,
    /// What came of the last order, and what to do.
    problem: Option<String>,
    detail: String,
    next_order: Option<Moment>,
    order_action: String,
}

fn certificate_of(
    id: DomainId,
    known: Option<Certificate>,
    portal: &str,
    zone: chrono_tz::Tz,
) -> CertificateRow {
    let order_action = format!("{PATH}/{id}/certificate");
    let is_held = known.as_ref().is_some_and(|known| known.is_good(Utc::now()));
    let moment = |at| Moment::at(at, zone);
    let problem = known.as_ref().and_then(|known| known.problem.as_ref());
    CertificateRow {
        is_held,
        tone: if is_held { "warning" } else { "error" },
        ends: known.as_ref().and_then(|known| known.ends_at).map(moment),
        problem: problem.map(|(code, _)| words_for(code, portal)),
        detail: problem.map(|(_, detail)| detail.clone()).unwrap_or_default(),
        next_order: known.as_ref().map(|known| moment(known.due_at)),
        order_action,
    }
}

fn words_for(problem: &str, portal: &str) -> String {
    match problem {
        "not_reached" => say!(
            "The certificate authority did not find this portal under that name. Point it at {}, and nowhere else.",
            portal
        ),
        "not_allowed" => {
            say("A CAA record of this domain lets only other authorities issue certificates for it.")
                .to_owned()
        }
        "rate_limited" => {
            say("The certificate authority takes no more orders for this domain for now.").to_owned()
        }
        "refused" => say("The certificate authority refused the order.").to_owned(),
        _ => say("The certificate could not be ordered just now. You need not do anything.").to_owned(),
    }
}

fn row_of(domain: Domain, certificate: Option<CertificateRow>, zone: chrono_tz::Tz) -> DomainRow {
    let (state, problem) = match domain.status.as_str() {
        "active" => ("active", None),
        "proved" => ("verified", None),
        "lost" => {
            ("failed", Some(say("The TXT record is gone, so visitors no longer reach the portal here.")))
        }
        _ if domain.checked_at.is_some() => ("failed", Some(say("No TXT record with this value was found."))),
        _ => ("pending", None),
    };
    let action = |verb: &str| format!("{PATH}/{}/{verb}", domain.id);
    DomainRow {
        state,
        problem,
        certificate,
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
    let registry = resolver.registry();
    let cname_target = format!("{}.{}", user.tenant().slug, user.shell.base_domain);
    let listed = domains::list(registry, &user.by).await?;
    let known = domains::certificates(registry, &user.by).await?;
    let row = |domain: Domain| {
        let known = known.iter().find(|certificate| certificate.domain == domain.id).cloned();
        let is_shown = resolver.orders_certificates() && domain.status == "active";
        let certificate = is_shown.then(|| certificate_of(domain.id, known, &cname_target, zone));
        row_of(domain, certificate, zone)
    };
    let domains = listed.into_iter().map(row).collect();
    let view = DomainsPage { settings_tab: "domains", cname_target, form, domains };
    user.render_with(status, TEMPLATE, say("Domains"), &view)
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
            let told = say!("{} added. Now prove that it is yours.", domain.domain);
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
            "proved" | "active" => Flash::success(say!("{} is proved.", domain.domain)),
            _ => Flash::error(say!("{} is not proved: the TXT record was not found.", domain.domain)),
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
    told(&user, active.map(|domain| Flash::success(say!("{} is active.", domain.domain))))
}

#[handler]
async fn order_certificate(
    user: PageUser,
    Path(id): Path<Uuid>,
    Data(resolver): Data<&Resolver>,
) -> poem::Result<Response> {
    let ordered = domains::order_certificate_again(resolver.registry(), &user.by, id.into()).await;
    told(
        &user,
        ordered.map(|domain| Flash::success(say!("A certificate for {} is being ordered.", domain.domain))),
    )
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
