//! Forgotten passwords: ask for a link, and choose a new password by it.

use std::time::Duration;

use poem::{
    Response, handler,
    http::{HeaderValue, Method, StatusCode, header},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    guard::{Bare, CheckedForm, Guarded, Visitor},
    links::{LinkOwner, Validity},
    people::People,
    sign_in::AtDoor,
};
use crate::{
    error::{Error, Result},
    tenancy::Tenant,
    types::EmailAddress,
    web::{Flash, FormView, Origin, RateLimits, RouteTable, StandingNote, see_other},
    words::say,
};

const REASON: &str = "Whoever forgot their password cannot sign in.";
/// The answer to a known and to an unknown address comes after the same time: longer than either takes.
const ANSWER_AFTER: Duration = Duration::from_millis(400);

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/forgot", REASON, ask_form)
        .open_page(Method::POST, "/forgot", REASON, ask)
        .open_page(Method::GET, "/reset", REASON, reset_form)
        .open_page(Method::POST, "/reset", REASON, reset);
}

#[derive(Serialize)]
struct AskPage {
    form: FormView,
}

#[derive(Serialize)]
struct SentPage<'a> {
    email: &'a str,
    valid_for: &'static str,
}

#[derive(Serialize)]
struct ResetPage {
    purpose: &'static str,
    link_ok: bool,
    /// They come by single sign-on, or not at all.
    sso_only: bool,
    email: String,
    form: FormView,
}

async fn show(
    visitor: &Visitor,
    people: &People,
    tenant: &Tenant,
    status: StatusCode,
    (template, title): (&str, &'static str),
    view: &impl Serialize,
) -> Result<Response> {
    let brand = people.access().brand(tenant).await?;
    let mut response =
        visitor.render(people.access(), Bare { status, template, title: say(title) }, Some(brand), view)?;
    // The address of the page may hold a code, which goes nowhere from here. Not `no-referrer`: under it a browser sends
    // `Origin: null` with the form, and the guard refuses that.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

const ASK: (&str, &str) = ("access/forgot.html", "Forgot your password?");

#[handler]
async fn ask_form(visitor: Visitor, people: Data<&People>, tenant: Data<&Tenant>) -> poem::Result<Response> {
    let page = AskPage { form: FormView::empty("/forgot", &["email"]) };
    Ok(show(&visitor, &people, &tenant, StatusCode::OK, ASK, &page).await?)
}

#[handler]
async fn ask(
    visitor: Visitor,
    form: CheckedForm,
    people: Data<&People>,
    door: AtDoor,
    limits: Data<&std::sync::Arc<RateLimits>>,
    note: Data<&StandingNote>,
) -> poem::Result<Response> {
    let begun = Instant::now();
    let tenant = &door.tenant;
    let asked = async {
        let origin = door.origin.as_ref().ok_or_else(|| Error::internal("a request from nowhere"))?;
        limits.password_link(origin.address, &note)?;
        let email = EmailAddress::parse(form.get("email"))
            .map_err(|wrong| Error::Invalid(vec![wrong.at("email")]))?;
        people.ask_for_link(tenant, Some(origin), &email).await?;
        Ok::<_, Error>(email)
    };
    match asked.await {
        Ok(email) => {
            tokio::time::sleep_until(begun + ANSWER_AFTER).await;
            let page = SentPage { email: email.as_str(), valid_for: Validity::Reset.text() };
            let template = ("access/forgot_sent.html", say("Check your e-mail"));
            Ok(show(&visitor, &people, tenant, StatusCode::OK, template, &page).await?)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            let form = FormView::empty("/forgot", &["email"]).typed(&form).failed(error)?;
            Ok(show(&visitor, &people, tenant, status, ASK, &AskPage { form }).await?)
        }
    }
}

#[derive(Deserialize)]
struct CodeQuery {
    #[serde(default)]
    code: String,
}

fn live_page(owner: &LinkOwner, code: &str) -> (ResetPage, (&'static str, &'static str)) {
    let title = if owner.is_new { say("Choose your password") } else { say("Set a new password") };
    let page = ResetPage {
        purpose: if owner.is_new { "welcome" } else { "reset" },
        link_ok: true,
        sso_only: false,
        email: owner.email.clone(),
        form: FormView::empty("/reset", &["token", "password"]).with("token", code),
    };
    (page, ("access/reset.html", title))
}

async fn dead_link(visitor: &Visitor, people: &People, tenant: &Tenant) -> Result<Response> {
    let page = ResetPage {
        purpose: "reset",
        link_ok: false,
        sso_only: false,
        email: String::new(),
        form: FormView::empty("/reset", &["token"]),
    };
    let template = ("access/reset.html", say("Link no longer works"));
    show(visitor, people, tenant, StatusCode::GONE, template, &page).await
}

/// Shows the form, and leaves the link as it is: programs look at links before people do.
#[handler]
async fn reset_form(
    visitor: Visitor,
    query: Query<CodeQuery>,
    people: Data<&People>,
    tenant: Data<&Tenant>,
) -> poem::Result<Response> {
    let Some(owner) = people.look_at_link(&tenant, &query.code).await? else {
        return Ok(dead_link(&visitor, &people, &tenant).await?);
    };
    let (mut page, template) = live_page(&owner, &query.code);
    page.sso_only = people.must_come_by_sso(&tenant, &owner).await?;
    Ok(show(&visitor, &people, &tenant, StatusCode::OK, template, &page).await?)
}

#[handler]
async fn reset(
    visitor: Visitor,
    form: CheckedForm,
    people: Data<&People>,
    tenant: Data<&Tenant>,
    origin: Data<&Origin>,
) -> poem::Result<Response> {
    let code = form.get("token");
    let redeemed = people.redeem_link(&tenant, Some(&origin), code, form.get("password")).await;
    let wrong = match redeemed {
        Ok(true) => {
            let mut response = see_other("/sign-in");
            let flash = Flash::success("Your password is set. Sign in with it.");
            people.access().flash(&mut response, &flash);
            response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            return Ok(response);
        }
        Ok(false) => return Ok(dead_link(&visitor, &people, &tenant).await?),
        Err(wrong @ Error::Invalid(_)) => wrong,
        Err(other) => return Err(other.into()),
    };
    let Some(owner) = people.look_at_link(&tenant, code).await? else {
        return Ok(dead_link(&visitor, &people, &tenant).await?);
    };
    let (mut page, template) = live_page(&owner, code);
    page.form = page.form.failed(wrong)?;
    Ok(show(&visitor, &people, &tenant, StatusCode::UNPROCESSABLE_ENTITY, template, &page).await?)
}
