//! The page of the company's profile.

use chrono::Utc;
use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use serde::Serialize;

use super::{
    ManageSettings,
    model::{Company, Typed},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    tenancy::Resolver,
    types::{COUNTRIES, CURRENCIES},
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Choice, zone_choices},
    },
    words::{locale, say},
};

const PATH: &str = "/settings/company";
const TEMPLATE: &str = "portal/settings_company.html";
const FIELDS: [&str; 11] = [
    "name",
    "legal_name",
    "email",
    "phone",
    "website",
    "tax_number",
    "address",
    "country",
    "currency",
    "time_zone",
    "area_word",
];

/// Registers the page and its form's target.
pub fn pages(table: &mut RouteTable) {
    table.page::<ManageSettings>(Method::GET, PATH, show_company);
    table.page::<ManageSettings>(Method::POST, PATH, save_company);
}

#[derive(Serialize)]
struct CompanyPage {
    settings_tab: &'static str,
    countries: Vec<Choice>,
    currencies: Vec<Choice>,
    time_zones: Vec<Choice>,
    local_time: String,
    created: Moment,
    form: FormView,
}

fn page_of(user: &PageUser, form: FormView) -> CompanyPage {
    let (tenant, now) = (user.tenant(), Utc::now());
    let zone = tenant.time_zone.0;
    let mut countries: Vec<Choice> =
        COUNTRIES.iter().map(|(code, name)| Choice::new(code, say(name))).collect();
    if !COUNTRIES.iter().any(|(code, _)| *code == tenant.country) {
        countries.push(Choice::new(&tenant.country, &tenant.country));
    }
    CompanyPage {
        settings_tab: "company",
        countries,
        currencies: CURRENCIES
            .iter()
            .map(|(code, name)| Choice::new(code, format!("{} ({code})", say(name))))
            .collect(),
        time_zones: zone_choices(),
        local_time: now.with_timezone(&zone).format_localized("%A %H:%M", locale()).to_string(),
        created: Moment::long_day(tenant.created_at, zone),
        form,
    }
}

fn form_of(company: &Company) -> FormView {
    let (region, profile) = (&company.region, &company.profile);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    FormView::empty(PATH, &FIELDS)
        .with("name", &region.name)
        .with("legal_name", text(&profile.legal_name))
        .with("email", text(&profile.email))
        .with("phone", text(&profile.phone))
        .with("website", text(&profile.website))
        .with("tax_number", text(&profile.tax_number))
        .with("address", text(&profile.street_address))
        .with("country", &region.country)
        .with("currency", &region.currency)
        .with("time_zone", &region.time_zone)
        .with("area_word", &profile.area_word)
}

#[handler]
async fn show_company(user: PageUser, resolver: Data<&Resolver>) -> poem::Result<Response> {
    let company = rules::company(resolver.registry().db(), &user.by).await?;
    Ok(user.render(TEMPLATE, say("Company"), &page_of(&user, form_of(&company)))?)
}

#[handler]
async fn save_company(
    user: PageUser,
    form: CheckedForm,
    resolver: Data<&Resolver>,
) -> poem::Result<Response> {
    let text = |name: &str| form.has(name).then(|| form.get(name).to_owned());
    let typed = Typed {
        name: text("name"),
        legal_name: text("legal_name"),
        street_address: text("address"),
        phone: text("phone"),
        email: text("email"),
        website: text("website"),
        tax_number: text("tax_number"),
        time_zone: text("time_zone"),
        currency: text("currency"),
        country: text("country"),
        area_word: text("area_word"),
        cors_origins: None,
    };
    match rules::change_company(&user.access, resolver.registry(), &user.by, &typed).await {
        Ok(_) => Ok(user.then(PATH, &Flash::success("Company saved."))),
        Err(error) => {
            let company = rules::company(resolver.registry().db(), &user.by).await?;
            let shown = form_of(&company).typed(&form).failed(error)?;
            Ok(user.render_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                TEMPLATE,
                say("Company"),
                &page_of(&user, shown),
            )?)
        }
    }
}
