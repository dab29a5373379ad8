//! Pages of the way in: the password, the second step, and the link of an invitation.

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    Console,
    guard::{COOKIE, ConsoleUser, Guarding, HOME, Halfway, forget_cookie, session_cookie},
};
use crate::{
    access::{Bare, CheckedForm, Guarded, Visitor, local_path, totp::Enrolment},
    error::{Error, Result},
    platform::staff::{Begun, Step, rules},
    web::{Flash, FormView, Origin, RateLimits, RouteTable, StandingNote, failure_headers, see_other},
    words::say,
};

const SIGN_IN: &str = "People of the platform sign in here.";
const JOIN: &str = "The code in the link is the credential.";
const CODE_MAX_CHARS: usize = 100;

pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/console/sign-in", SIGN_IN, sign_in_form)
        .open_page(Method::POST, "/console/sign-in", SIGN_IN, sign_in)
        .open_page(Method::GET, "/console/join", JOIN, join_form)
        .open_page(Method::POST, "/console/join", JOIN, join)
        .console::<Halfway>(Method::GET, "/console/code", code_form)
        .console::<Halfway>(Method::POST, "/console/code", take_code)
        .console::<Halfway>(Method::GET, "/console/enrol", enrol_form)
        .console::<Halfway>(Method::POST, "/console/enrol", enrol)
        .console::<Halfway>(Method::POST, "/console/leave", leave);
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
    #[serde(default)]
    code: String,
}

#[derive(Serialize)]
struct EntryPage {
    form: FormView,
}

/// A page of the console's own, or its start.
fn next_of(text: &str) -> &str {
    let next = local_path(text);
    if next == HOME || next.starts_with("/console/") { next } else { HOME }
}

fn with_next(path: &str, next: &str) -> String {
    if next == HOME {
        return path.to_owned();
    }
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

fn sign_in_view() -> FormView {
    FormView::empty("/console/sign-in", &["email", "next"])
}

fn show_sign_in(
    visitor: &Visitor,
    console: &Console,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let bare = Bare { status, template: "console/sign_in.html", title: say("Console") };
    visitor.render(&console.access, bare, None, &EntryPage { form })
}

#[handler]
async fn sign_in_form(visitor: Visitor, console: Data<&Console>, query: Query<Asked>) -> Result<Response> {
    let form = sign_in_view().with("next", next_of(&query.next));
    show_sign_in(&visitor, &console, StatusCode::OK, form)
}

fn begun(console: &Console, begun: &Begun, next: &str) -> Response {
    let path = if begun.must_enrol { "/console/enrol" } else { "/console/code" };
    let mut response = see_other(with_next(path, next));
    console.access.set_cookie(&mut response, &session_cookie(&console.access, &begun.token));
    response
}

/// The page again, with what was wrong; other failures are handed on.
fn wrong_or(error: Error, form: FormView) -> Result<(StatusCode, FormView, Error)> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    match error {
        Error::Unauthenticated { .. } => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, form.said(error.detail()), error))
        }
        Error::TooMany { .. } => Ok((status, form.said(error.detail()), error)),
        other => Err(other),
    }
}

#[handler]
async fn sign_in(
    request: &Request,
    visitor: Visitor,
    form: CheckedForm,
    console: Data<&Console>,
    origin: Data<&Origin>,
) -> Result<Response> {
    let next = next_of(form.get("next")).to_owned();
    let old = console.access.read_cookie(request, COOKIE);
    let typed = (form.get("email"), form.get("password"));
    match console.door.sign_in(typed, old, Some(&origin)).await {
        Ok(stay) => Ok(begun(&console, &stay, &next)),
        Err(error) => {
            let (status, shown, error) = wrong_or(error, sign_in_view().typed(&form))?;
            let mut response = show_sign_in(&visitor, &console, status, shown)?;
            failure_headers(&error, &mut response);
            Ok(response)
        }
    }
}

#[derive(Serialize)]
struct StepPage {
    email: String,
    form: FormView,
    enrolment: Option<Enrolment>,
}

fn step_view(action: &str, next: &str) -> FormView {
    FormView::empty(action, &["code", "next"]).with("next", next)
}

fn show_code(user: &ConsoleUser, status: StatusCode, form: FormView) -> Result<Response> {
    let view = StepPage { email: user.session.person.email.clone(), form, enrolment: None };
    user.render_with(status, "console/code.html", say("Second step"), &view)
}

/// The way in for somebody whose cookie has just become another.
fn entered(user: &ConsoleUser, token: &str, mut response: Response) -> Response {
    let access = &user.console.access;
    access.set_cookie(&mut response, &session_cookie(access, token));
    response
}

#[handler]
async fn code_form(user: ConsoleUser, query: Query<Asked>) -> Result<Response> {
    if !user.session.person.has_second_step {
        return Ok(see_other("/console/enrol"));
    }
    show_code(&user, StatusCode::OK, step_view("/console/code", next_of(&query.next)))
}

#[handler]
async fn take_code(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let next = next_of(form.get("next"));
    let door = &user.console.door;
    match door.take_code(&user.session, &user.cookie, form.get("code"), user.origin.as_ref()).await? {
        Step::Whole(token) => Ok(entered(&user, &token, see_other(next))),
        Step::Wrong => {
            let shown =
                step_view("/console/code", next).said("This code is wrong, too old, or was used before.");
            show_code(&user, StatusCode::UNPROCESSABLE_ENTITY, shown)
        }
        Step::TooSoon(wait) => {
            let error = Error::too_many(wait, "Too many wrong codes. Wait a little before the next one.");
            let shown = step_view("/console/code", next).said(error.detail());
            let mut response = show_code(&user, StatusCode::TOO_MANY_REQUESTS, shown)?;
            failure_headers(&error, &mut response);
            Ok(response)
        }
    }
}

async fn show_enrolment(user: &ConsoleUser, status: StatusCode, form: FormView) -> Result<Response> {
    let Some(enrolment) = user.console.door.enrolment(&user.session.person).await? else {
        return Ok(see_other("/console/code"));
    };
    let email = user.session.person.email.clone();
    let view = StepPage { email, form, enrolment: Some(enrolment) };
    user.render_with(status, "console/enrol.html", say("Set up the second step"), &view)
}

#[handler]
async fn enrol_form(user: ConsoleUser) -> Result<Response> {
    show_enrolment(&user, StatusCode::OK, step_view("/console/enrol", HOME)).await
}

/// The codes, shown once.
#[derive(Serialize)]
pub struct CodesPage {
    pub codes: Vec<String>,
    pub done_href: &'static str,
}

#[handler]
async fn enrol(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let door = &user.console.door;
    match door.confirm(&user.session, &user.cookie, form.get("code"), user.origin.as_ref()).await {
        Ok((token, codes)) => {
            let view = CodesPage { codes, done_href: HOME };
            let page = user.render("console/recovery_codes.html", say("The second step is set up"), &view)?;
            Ok(entered(&user, &token, page))
        }
        Err(Error::Conflict { .. }) => Ok(see_other("/console/code")),
        Err(error) => {
            let shown = step_view("/console/enrol", HOME).failed(error)?;
            show_enrolment(&user, StatusCode::UNPROCESSABLE_ENTITY, shown).await
        }
    }
}

/// Back to the start, from between the two steps.
#[handler]
async fn leave(user: ConsoleUser) -> Result<Response> {
    let person = &user.session.person;
    rules::sign_out(&user.console.db, &user.operator(), user.session.id, &person.email).await?;
    let mut response = see_other("/console/sign-in");
    forget_cookie(&user.console.access, &mut response);
    Ok(response)
}

#[derive(Serialize)]
struct JoinPage {
    name: String,
    email: String,
    role: &'static str,
    is_new: bool,
    form: FormView,
}

async fn show_join(
    visitor: &Visitor,
    console: &Console,
    status: StatusCode,
    code: &str,
    form: FormView,
) -> Result<Response> {
    let owner = if code.len() <= CODE_MAX_CHARS { console.door.link_owner(code).await? } else { None };
    let Some(person) = owner else {
        let form = FormView::empty("/console/sign-in", &["email", "next"])
            .said("This link was used, or is too old. Ask whoever invited you for another.");
        return show_sign_in(visitor, console, StatusCode::NOT_FOUND, form);
    };
    let view = JoinPage {
        name: person.name,
        email: person.email,
        role: person.role.label(),
        is_new: !person.has_password,
        form,
    };
    let bare = Bare { status, template: "console/join.html", title: say("Choose a password") };
    visitor.render(&console.access, bare, None, &view)
}

fn join_view(code: &str) -> FormView {
    FormView::empty("/console/join", &["code", "password"]).with("code", code)
}

#[handler]
async fn join_form(visitor: Visitor, console: Data<&Console>, query: Query<Asked>) -> Result<Response> {
    let mut page = show_join(&visitor, &console, StatusCode::OK, &query.code, join_view(&query.code)).await?;
    // The code in the address goes nowhere else. Not `no-referrer`: under it a browser sends `Origin: null` with the form.
    page.headers_mut().insert("referrer-policy", poem::http::HeaderValue::from_static("strict-origin"));
    Ok(page)
}

#[handler]
async fn join(
    request: &Request,
    visitor: Visitor,
    form: CheckedForm,
    console: Data<&Console>,
    origin: Data<&Origin>,
) -> Result<Response> {
    let extensions = request.extensions();
    if let (Some(limits), Some(note)) =
        (extensions.get::<std::sync::Arc<RateLimits>>(), extensions.get::<StandingNote>())
    {
        limits.password_link(origin.address, note)?;
    }
    let code = form.get("code");
    let old = console.access.read_cookie(request, COOKIE);
    match console.door.join(code, form.get("password"), old, Some(&origin)).await {
        Ok(stay) => Ok(begun(&console, &stay, HOME)),
        Err(Error::Conflict { detail, .. }) => {
            let mut response = see_other("/console/sign-in");
            console.access.flash(&mut response, &Flash::error(detail));
            Ok(response)
        }
        Err(error) => {
            let shown = join_view(code).failed(error)?;
            show_join(&visitor, &console, StatusCode::UNPROCESSABLE_ENTITY, code, shown).await
        }
    }
}
