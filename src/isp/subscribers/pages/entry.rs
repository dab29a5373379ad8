//! The portal's door: sign in, join by an invitation, forgotten passwords.

use std::{sync::Arc, time::Duration};

use poem::{
    Response, handler,
    http::{HeaderValue, StatusCode, header},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    access::{Bare, CheckedForm, Visitor, local_path},
    error::{Error, Result},
    isp::subscribers::{
        HOME,
        door::{AtMyDoor, sign_in_name},
        guard::session_cookie,
        store::{LinkOwner, Purpose},
    },
    web::{Flash, FormView, RateLimits, StandingNote, failure_headers, see_other},
    words::say,
};

/// The answer to a known and to an unknown name comes after the same time: longer than either takes.
const ANSWER_AFTER: Duration = Duration::from_millis(400);

async fn show(
    visitor: &Visitor,
    door: &AtMyDoor,
    status: StatusCode,
    (template, title): (&str, &'static str),
    view: &impl Serialize,
) -> Result<Response> {
    let access = &door.office.access;
    let brand = access.brand(&door.tenant).await?;
    let mut response =
        visitor.render(access, Bare { status, template, title: say(title) }, Some(brand), view)?;
    // The address of the page may hold a code, which goes nowhere from here. Not `no-referrer`: under it a browser sends
    // `Origin: null` with the form, and the guard refuses that.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

/// Where to go after signing in: a page of the portal, never one of staff.
fn next_of(next: &str) -> &str {
    let path = local_path(next);
    let is_ours = path == HOME || path.starts_with("/my/") || path.starts_with("/my?");
    if is_ours { path } else { HOME }
}

fn let_in(door: &AtMyDoor, token: &str, next: &str) -> Response {
    let mut response = see_other(next);
    door.office.access.set_cookie(&mut response, &session_cookie(&door.office.access, token));
    response
}

#[derive(Deserialize)]
pub struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct FormPage {
    form: FormView,
}

const SIGN_IN: (&str, &str) = ("my/sign_in.html", "Sign in");

fn sign_in_view() -> FormView {
    FormView::empty("/my/sign-in", &["sign_in_name", "next"])
}

#[handler]
pub async fn sign_in_form(
    visitor: Visitor,
    door: AtMyDoor,
    Query(query): Query<NextQuery>,
) -> poem::Result<Response> {
    let next = next_of(&query.next);
    let form = sign_in_view().with("next", if next == HOME { "" } else { next });
    Ok(show(&visitor, &door, StatusCode::OK, SIGN_IN, &FormPage { form }).await?)
}

#[handler]
pub async fn sign_in(visitor: Visitor, door: AtMyDoor, form: CheckedForm) -> poem::Result<Response> {
    match door.sign_in(form.get("sign_in_name"), form.get("password")).await {
        Ok(token) => Ok(let_in(&door, &token, next_of(form.get("next")))),
        Err(error @ (Error::Unauthenticated { .. } | Error::TooMany { .. })) => {
            let status = match error {
                Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let page = FormPage { form: sign_in_view().typed(&form).said(error.detail()) };
            let mut response = show(&visitor, &door, status, SIGN_IN, &page).await?;
            if status == StatusCode::TOO_MANY_REQUESTS {
                failure_headers(&error, &mut response);
            }
            Ok(response)
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Deserialize)]
pub struct CodeQuery {
    #[serde(default)]
    code: String,
}

/// The page of a link: `link_ok` is false when it was used, is too old or made up.
#[derive(Serialize)]
struct LinkPage {
    link_ok: bool,
    is_new: bool,
    name: String,
    /// What they sign in with, where it is known already.
    sign_in_name: String,
    form: FormView,
}

fn link_page(owner: &LinkOwner, code: &str) -> LinkPage {
    let known = owner.login.as_ref().map(|(_, name)| name.clone());
    let suggested = owner.email.clone().or_else(|| owner.phone.clone()).unwrap_or_default();
    let action = if known.is_some() { "/my/reset" } else { "/my/join" };
    LinkPage {
        link_ok: true,
        is_new: known.is_none(),
        name: owner.name.clone(),
        form: FormView::empty(action, &["token", "sign_in_name", "password"])
            .with("token", code)
            .with("sign_in_name", known.clone().unwrap_or(suggested)),
        sign_in_name: known.unwrap_or_default(),
    }
}

fn title_of(page: &LinkPage) -> &'static str {
    match (page.link_ok, page.is_new) {
        (false, _) => say("Link no longer works"),
        (true, true) => say("Open your account"),
        (true, false) => say("Set a new password"),
    }
}

async fn show_link(visitor: &Visitor, door: &AtMyDoor, page: &LinkPage) -> Result<Response> {
    let is_wrong = !page.form.errors.is_empty() || !page.form.summary.is_empty();
    let status = match (page.link_ok, is_wrong) {
        (false, _) => StatusCode::GONE,
        (true, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (true, false) => StatusCode::OK,
    };
    show(visitor, door, status, ("my/link.html", title_of(page)), page).await
}

async fn dead_link(visitor: &Visitor, door: &AtMyDoor, purpose: Purpose) -> Result<Response> {
    let page = LinkPage {
        link_ok: false,
        is_new: purpose == Purpose::Invitation,
        name: String::new(),
        sign_in_name: String::new(),
        form: FormView::default(),
    };
    show_link(visitor, door, &page).await
}

/// Shows the form, and leaves the link as it is: programs look at links before people do.
async fn look(visitor: &Visitor, door: &AtMyDoor, code: &str, purpose: Purpose) -> Result<Response> {
    match door.look(code, purpose).await? {
        Some(owner) => show_link(visitor, door, &link_page(&owner, code)).await,
        None => dead_link(visitor, door, purpose).await,
    }
}

/// Shows what is wrong with what was typed, as long as the link counts.
async fn mend(
    visitor: &Visitor,
    door: &AtMyDoor,
    (form, purpose): (&CheckedForm, Purpose),
    wrong: Error,
) -> Result<Response> {
    let code = form.get("token");
    let Some(owner) = door.look(code, purpose).await? else {
        return dead_link(visitor, door, purpose).await;
    };
    let mut page = link_page(&owner, code);
    page.form = page.form.typed(form).failed(wrong)?;
    show_link(visitor, door, &page).await
}

#[handler]
pub async fn join_form(
    visitor: Visitor,
    door: AtMyDoor,
    Query(query): Query<CodeQuery>,
) -> poem::Result<Response> {
    Ok(look(&visitor, &door, &query.code, Purpose::Invitation).await?)
}

#[handler]
pub async fn join(visitor: Visitor, door: AtMyDoor, form: CheckedForm) -> poem::Result<Response> {
    let joined = door.join(form.get("token"), form.get("sign_in_name"), form.get("password")).await;
    Ok(match joined {
        Ok(Some(token)) => let_in(&door, &token, HOME),
        Ok(None) => dead_link(&visitor, &door, Purpose::Invitation).await?,
        Err(wrong @ Error::Invalid(_)) => mend(&visitor, &door, (&form, Purpose::Invitation), wrong).await?,
        Err(other) => return Err(other.into()),
    })
}

const FORGOT: (&str, &str) = ("my/forgot.html", "Forgot your password?");

#[derive(Serialize)]
struct ForgotPage {
    is_sent: bool,
    valid_for: &'static str,
    form: FormView,
}

impl ForgotPage {
    fn new(is_sent: bool) -> Self {
        let form = FormView::empty("/my/forgot", &["sign_in_name"]);
        Self { is_sent, valid_for: Purpose::Reset.valid_for(), form }
    }
}

#[handler]
pub async fn forgot_form(visitor: Visitor, door: AtMyDoor) -> poem::Result<Response> {
    Ok(show(&visitor, &door, StatusCode::OK, FORGOT, &ForgotPage::new(false)).await?)
}

#[handler]
pub async fn forgot(
    visitor: Visitor,
    door: AtMyDoor,
    form: CheckedForm,
    limits: Data<&Arc<RateLimits>>,
    note: Data<&StandingNote>,
) -> poem::Result<Response> {
    let begun = Instant::now();
    let asked = async {
        let origin = door.origin.as_ref().ok_or_else(|| Error::internal("a request from nowhere"))?;
        limits.password_link(origin.address, &note)?;
        let name = sign_in_name(form.get("sign_in_name"), &door.tenant.country)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("sign_in_name")]))?;
        door.office.ask_for_link(&door.nobody(&name), &name).await
    };
    match asked.await {
        Ok(()) => {
            tokio::time::sleep_until(begun + ANSWER_AFTER).await;
            let template = (FORGOT.0, say("Check your e-mail"));
            Ok(show(&visitor, &door, StatusCode::OK, template, &ForgotPage::new(true)).await?)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            let mut page = ForgotPage::new(false);
            page.form = page.form.typed(&form).failed(error)?;
            Ok(show(&visitor, &door, status, FORGOT, &page).await?)
        }
    }
}

#[handler]
pub async fn reset_form(
    visitor: Visitor,
    door: AtMyDoor,
    Query(query): Query<CodeQuery>,
) -> poem::Result<Response> {
    Ok(look(&visitor, &door, &query.code, Purpose::Reset).await?)
}

#[handler]
pub async fn reset(visitor: Visitor, door: AtMyDoor, form: CheckedForm) -> poem::Result<Response> {
    Ok(match door.reset(form.get("token"), form.get("password")).await {
        Ok(true) => {
            let mut response = see_other("/my/sign-in");
            let flash = Flash::success("Your password is set. Sign in with it.");
            door.office.access.flash(&mut response, &flash);
            response
        }
        Ok(false) => dead_link(&visitor, &door, Purpose::Reset).await?,
        Err(wrong @ Error::Invalid(_)) => mend(&visitor, &door, (&form, Purpose::Reset), wrong).await?,
        Err(other) => return Err(other.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_stays_in_the_portal() {
        for good in ["/my", "/my/tickets/7", "/my/history?x=1"] {
            assert_eq!(next_of(good), good);
        }
        for bad in ["", "/", "/customers", "/mystery", "//evil.example", "https://evil.example", "/my\\evil"]
        {
            assert_eq!(next_of(bad), HOME, "{bad:?}");
        }
    }
}
