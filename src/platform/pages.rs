//! The base domain's pages: what this is, and signing up.

use std::sync::Arc;

use poem::{
    FromRequest, Request, RequestBody, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::signup::{NewSignup, SignupInput, Signups};
use super::{
    approvals,
    captcha::{Captcha, Widget},
};
use crate::{
    access::{Bare, CheckedForm, Guarded, Visitor},
    error::Result,
    tenancy::Resolver,
    types::{COUNTRIES, CURRENCIES, Slug, time_zones},
    web::{ContentPolicy, FormView, Origin, RateLimits, RouteTable, StandingNote, see_other},
    words::say,
};

const REASON: &str = "Anybody may sign a provider up.";
const FIELDS: [&str; 7] =
    ["company_name", "slug", "owner_name", "owner_email", "country", "currency", "time_zone"];

/// Mounts the base domain's pages.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/", REASON, landing)
        .open_page(Method::GET, "/find", REASON, find_portal)
        .open_page(Method::GET, "/signup", REASON, signup_form)
        .open_page(Method::POST, "/signup", REASON, sign_up)
        .open_page(Method::GET, "/signup/slug", REASON, slug_state);
}

#[derive(Serialize)]
struct LandingPage<'a> {
    base_domain: &'a str,
    signup_open: bool,
    find: Find,
}

#[derive(Serialize, Default)]
struct Find {
    slug: String,
    error: Option<String>,
}

#[handler]
async fn landing(
    visitor: Visitor,
    signups: Data<&Arc<Signups>>,
    resolver: Data<&Resolver>,
) -> Result<Response> {
    show_landing(&visitor, &signups, &resolver, Find::default()).await
}

async fn show_landing(
    visitor: &Visitor,
    signups: &Signups,
    resolver: &Resolver,
    find: Find,
) -> Result<Response> {
    let status = if find.error.is_some() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let view = LandingPage {
        base_domain: resolver.base_domain(),
        signup_open: approvals::mode(resolver.registry().db()).await? != approvals::Mode::Closed,
        find,
    };
    let bare = Bare { status, template: "public/landing.html", title: say("Lastmile") };
    visitor.render(signups.access(), bare, None, &view)
}

#[derive(Deserialize)]
struct FindQuery {
    #[serde(default)]
    slug: String,
}

/// Sends somebody who knows their portal's address there.
#[handler]
async fn find_portal(
    visitor: Visitor,
    query: Query<FindQuery>,
    signups: Data<&Arc<Signups>>,
    resolver: Data<&Resolver>,
) -> Result<Response> {
    let found = match Slug::parse(&query.slug) {
        Ok(slug) => resolver.registry().find_by_slug(slug.as_str()).await?,
        Err(_) => None,
    };
    match found {
        Some(tenant) => Ok(see_other(format!("{}/sign-in", resolver.url_of(&tenant)))),
        None => {
            let find = Find {
                slug: query.slug.clone(),
                error: Some(say("There is no portal at this address.").to_owned()),
            };
            show_landing(&visitor, &signups, &resolver, find).await
        }
    }
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct SlugState {
    available: bool,
    slug: String,
    reason: Option<String>,
}

#[derive(Serialize)]
struct SignupPage<'a> {
    base_domain: &'a str,
    countries: Vec<Choice>,
    currencies: Vec<Choice>,
    time_zones: Vec<Choice>,
    idempotency_key: String,
    slug_state: Option<SlugState>,
    captcha: Option<Widget>,
    form: FormView,
}

fn show_form(
    visitor: &Visitor,
    signups: &Signups,
    resolver: &Resolver,
    form: FormView,
    idempotency_key: String,
) -> Result<Response> {
    let status = if form.errors.is_empty() && form.summary.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let choice =
        |(value, label): &(&str, &'static str)| Choice { value: (*value).into(), label: say(label).into() };
    let view = SignupPage {
        base_domain: resolver.base_domain(),
        countries: COUNTRIES.iter().map(choice).collect(),
        currencies: CURRENCIES
            .iter()
            .map(|(code, name)| Choice { value: (*code).into(), label: format!("{name} ({code})") })
            .collect(),
        time_zones: time_zones().map(|zone| Choice { value: zone.into(), label: zone.into() }).collect(),
        idempotency_key,
        slug_state: None,
        captcha: signups.captcha().map(Captcha::widget),
        form,
    };
    let bare = Bare { status, template: "public/signup.html", title: say("Set up your portal") };
    let mut shown = visitor.render(signups.access(), bare, None, &view)?;
    if let Some(captcha) = signups.captcha() {
        let forms = format!("'self' {}", resolver.url(&format!("*.{}", resolver.base_domain())));
        let policy = captcha.policy(ContentPolicy { forms: &forms, ..ContentPolicy::default() });
        shown.headers_mut().insert("content-security-policy", policy);
    }
    Ok(shown)
}

fn empty_form() -> FormView {
    FormView::empty("/signup", &FIELDS)
        .with("country", "PH")
        .with("currency", "PHP")
        .with("time_zone", "Asia/Manila")
        .with("password", "")
}

#[handler]
async fn signup_form(
    visitor: Visitor,
    signups: Data<&Arc<Signups>>,
    resolver: Data<&Resolver>,
) -> Result<Response> {
    let key = uuid::Uuid::new_v4().to_string();
    show_form(&visitor, &signups, &resolver, empty_form(), key)
}

/// What keeps an address from signing up without end.
struct Brake<'a> {
    limits: Data<&'a Arc<RateLimits>>,
    note: Data<&'a StandingNote>,
}

impl<'a> FromRequest<'a> for Brake<'a> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self {
            limits: Data::from_request(request, body).await?,
            note: Data::from_request(request, body).await?,
        })
    }
}

#[derive(Serialize)]
struct WaitsPage<'a> {
    company: &'a str,
    email: &'a str,
}

/// Signs up and lands the owner, signed in, in the new portal.
#[handler]
async fn sign_up(
    visitor: Visitor,
    form: CheckedForm,
    origin: Data<&Origin>,
    brake: Brake<'_>,
    signups: Data<&Arc<Signups>>,
    resolver: Data<&Resolver>,
) -> Result<Response> {
    let text = |name: &str| form.get(name).to_owned();
    let input = SignupInput {
        company_name: text("company_name"),
        slug: Some(text("slug")),
        owner_name: text("owner_name"),
        owner_email: text("owner_email"),
        password: text("password"),
        time_zone: Some(text("time_zone")),
        currency: Some(text("currency")),
        country: Some(text("country")),
    };
    let key = text("idempotency_key");
    let attempt = async {
        let new = NewSignup::parse(input)?;
        brake.limits.signup(origin.address, &brake.note)?;
        let captcha = signups.captcha().map_or("", |captcha| form.get(captcha.field()));
        signups.ask(new, Some(key.as_str()).filter(|key| !key.is_empty()), captcha, Some(&origin)).await
    };
    match attempt.await {
        Ok(done) if done.answer.is_pending() => {
            let view = WaitsPage { company: form.get("company_name"), email: &done.answer.owner.email };
            let bare = Bare {
                status: StatusCode::OK,
                template: "public/signup_waits.html",
                title: say("Thank you"),
            };
            visitor.render(signups.access(), bare, None, &view)
        }
        Ok(done) => {
            let portal = done.answer.tenant.portal_url;
            Ok(see_other(match done.landing_code {
                Some(code) => format!("{portal}/landing?code={code}"),
                None => format!("{portal}/sign-in"),
            }))
        }
        Err(error) => {
            let shown = empty_form().typed(&form).failed(renamed(error))?;
            show_form(&visitor, &signups, &resolver, shown, key)
        }
    }
}

/// The form's fields have no dots: `owner.email` stands beside `owner_email`.
fn renamed(error: crate::error::Error) -> crate::error::Error {
    use crate::error::Error;
    let Error::Invalid(mut wrongs) = error else { return error };
    for wrong in &mut wrongs {
        wrong.field = match wrong.field.as_ref() {
            "owner.name" => "owner_name".into(),
            "owner.email" => "owner_email".into(),
            "owner.password" => "password".into(),
            "captcha_token" => "captcha".into(),
            other => other.to_owned().into(),
        };
    }
    Error::Invalid(wrongs)
}

#[derive(Deserialize)]
struct SlugQuery {
    #[serde(default)]
    slug: String,
    #[serde(default)]
    company_name: String,
}

#[derive(Serialize)]
struct SlugFragment<'a> {
    base_domain: &'a str,
    slug_state: Option<SlugState>,
}

/// The fragment under the address field: whether it can be had, or what would be proposed.
#[handler]
async fn slug_state(
    query: Query<SlugQuery>,
    signups: Data<&Arc<Signups>>,
    resolver: Data<&Resolver>,
) -> Result<Response> {
    let typed = query.slug.trim();
    let state = if typed.is_empty() && query.company_name.trim().is_empty() {
        None
    } else if typed.is_empty() {
        let slug = signups.propose(&query.company_name).await?;
        Some(SlugState { available: true, slug: slug.to_string(), reason: None })
    } else {
        let reason = match Slug::parse(typed) {
            Err(problem) => Some(problem.detail().to_owned()),
            Ok(_) => signups.availability(typed).await?.map(|_| "This address is taken.".to_owned()),
        };
        Some(SlugState { available: reason.is_none(), slug: typed.to_lowercase(), reason })
    };
    let view = SlugFragment { base_domain: resolver.base_domain(), slug_state: state };
    signups.access().pages().page("public/_slug_state.html", &view)
}
