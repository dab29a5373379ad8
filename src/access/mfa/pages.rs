//! Pages of the second step of signing in, and of one's own second factor.

use std::time::Duration;

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode},
    web::Query,
};
use serde::{Deserialize, Serialize};

use super::{
    STEP_MINUTES, Step, factor,
    rules::{Own, State},
    totp::Enrolment,
};
use crate::{
    access::{
        gate::Access,
        guard::{Bare, CheckedForm, Guarded, PageUser, Visitor},
        pages::{begun, local_path, old_session},
        passkeys::{Answer, PasskeyRow, RelyingParty, asked, rows},
        right::Enrolling,
        sign_in::AtDoor,
    },
    error::{Error, Result},
    web::{Flash, FormView, Host, RouteTable, failure_headers, see_other},
    words::say,
};

const SECOND_STEP: &str = "Whoever stands between password and code is not signed in yet.";
/// The cookie of those who stand there, before what `Access::cookie_name` puts in front of it.
const COOKIE: &str = "step";
const TOKEN_MAX_CHARS: usize = 100;
/// Where people set their second factor up.
pub const PATH: &str = "/account/mfa";

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/sign-in/code", SECOND_STEP, code_form)
        .open_page(Method::POST, "/sign-in/code", SECOND_STEP, take_code)
        .open_page(Method::POST, "/sign-in/code/passkey/begin", SECOND_STEP, ask_for_passkey)
        .open_page(Method::POST, "/sign-in/code/passkey", SECOND_STEP, take_passkey)
        .page::<Enrolling>(Method::GET, PATH, show)
        .page::<Enrolling>(Method::POST, "/account/mfa/begin", begin)
        .page::<Enrolling>(Method::POST, "/account/mfa/confirm", confirm)
        .page::<Enrolling>(Method::POST, "/account/mfa/off", turn_off)
        .page::<Enrolling>(Method::POST, "/account/mfa/recovery-codes", renew_codes);
}

#[derive(Deserialize)]
struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct CodePage {
    form: FormView,
    has_app: bool,
    /// There is a passkey of this host.
    has_passkey: bool,
    /// Hosts at which there are passkeys, when there is none of this one.
    elsewhere: Vec<String>,
}

fn with_next(path: &str, next: &str) -> String {
    match local_path(next) {
        "/" => path.to_owned(),
        next => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("{path}?next={next}")
        }
    }
}

/// Sends a browser whose password was right to the second step.
pub fn to_second_step(access: &Access, token: &str, next: &str) -> Response {
    let mut response = see_other(with_next("/sign-in/code", next));
    let mut cookie = access.cookie(COOKIE, token);
    cookie.set_max_age(Duration::from_secs(u64::try_from(STEP_MINUTES).unwrap_or_default() * 60));
    access.set_cookie(&mut response, &cookie);
    response
}

fn forget_step(access: &Access, response: &mut Response) {
    let mut cookie = access.cookie(COOKIE, "");
    cookie.set_max_age(Duration::ZERO);
    access.set_cookie(response, &cookie);
}

fn token_of(door: &AtDoor, request: &Request) -> Option<String> {
    let token = door.access.read_cookie(request, COOKIE)?;
    (!token.is_empty() && token.len() <= TOKEN_MAX_CHARS).then(|| token.to_owned())
}

/// The page of the second step, as far as somebody still stands there.
async fn show_code(
    visitor: &Visitor,
    (door, host): (&AtDoor, &Host),
    token: &str,
    (status, form): (StatusCode, FormView),
) -> Result<Response> {
    let Some(offers) = door.step_offers(token, host.as_str()).await? else {
        let next = form.values.get("next").cloned().unwrap_or_default();
        return Ok(from_the_start(door, local_path(&next), None));
    };
    let brand = door.access.brand(&door.tenant).await?;
    let bare = Bare { status, template: "access/sign_in_code.html", title: say("Second step") };
    let view = CodePage {
        form,
        has_app: offers.has_app,
        has_passkey: offers.has_passkey,
        elsewhere: offers.elsewhere,
    };
    visitor.render(&door.access, bare, Some(brand), &view)
}

fn code_view(next: &str) -> FormView {
    FormView::empty("/sign-in/code", &["code", "next"]).with("next", next)
}

fn from_the_start(door: &AtDoor, next: &str, flash: Option<&Flash>) -> Response {
    let mut response = see_other(with_next("/sign-in", next));
    forget_step(&door.access, &mut response);
    if let Some(flash) = flash {
        door.access.flash(&mut response, flash);
    }
    response
}

#[handler]
async fn code_form(
    request: &Request,
    visitor: Visitor,
    door: AtDoor,
    query: Query<NextQuery>,
) -> Result<Response> {
    let (next, host) = (local_path(&query.next), Host::of(request)?);
    match token_of(&door, request) {
        Some(token) => show_code(&visitor, (&door, &host), &token, (StatusCode::OK, code_view(next))).await,
        None => Ok(from_the_start(&door, next, None)),
    }
}

#[handler]
async fn take_code(request: &Request, visitor: Visitor, door: AtDoor, form: CheckedForm) -> Result<Response> {
    let token = token_of(&door, request).unwrap_or_default();
    let step = match token.as_str() {
        "" => Step::Gone,
        token => door.take_step(token, form.get("code"), old_session(&door, request).as_ref()).await?,
    };
    answered(&visitor, (&door, &Host::of(request)?), &token, (step, local_path(form.get("next")))).await
}

#[handler]
async fn ask_for_passkey(request: &Request, door: AtDoor, party: RelyingParty) -> Result<Response> {
    let token = token_of(&door, request).ok_or(Error::not_found("page"))?;
    asked(&door.ask_for_step(&token, &party).await?)
}

#[handler]
async fn take_passkey(
    request: &Request,
    visitor: Visitor,
    door: AtDoor,
    party: RelyingParty,
    form: CheckedForm,
) -> Result<Response> {
    let token = token_of(&door, request).unwrap_or_default();
    let answer = Answer { challenge: form.get("challenge"), json: form.get("answer") };
    let step = match token.as_str() {
        "" => Step::Gone,
        token => {
            let old = old_session(&door, request);
            door.take_step_by_passkey(token, &party, answer, old.as_ref()).await?
        }
    };
    answered(&visitor, (&door, &Host::of(request)?), &token, (step, local_path(form.get("next")))).await
}

async fn answered(
    visitor: &Visitor,
    at: (&AtDoor, &Host),
    token: &str,
    (step, next): (Step, &str),
) -> Result<Response> {
    let door = at.0;
    match step {
        Step::Begun(stay) => {
            let mut response = begun(door, &stay, next);
            forget_step(&door.access, &mut response);
            Ok(response)
        }
        Step::Wrong => {
            let shown = code_view(next).said(factor::wrong().detail());
            show_code(visitor, at, token, (StatusCode::UNPROCESSABLE_ENTITY, shown)).await
        }
        Step::Refused(error) => {
            let shown = code_view(next).said(error.detail());
            show_code(visitor, at, token, (StatusCode::UNPROCESSABLE_ENTITY, shown)).await
        }
        Step::TooSoon(wait) => {
            let error = factor::too_soon(wait);
            let shown = code_view(next).said(error.detail());
            let mut response = show_code(visitor, at, token, (StatusCode::TOO_MANY_REQUESTS, shown)).await?;
            failure_headers(&error, &mut response);
            Ok(response)
        }
        Step::Gone => {
            let flash = Flash::error("That took too long, or your password was changed. Sign in again.");
            Ok(from_the_start(door, next, Some(&flash)))
        }
    }
}

#[derive(Serialize)]
struct MfaPage {
    state: &'static str,
    is_required: bool,
    /// Nothing else is shown before it is set up.
    must_enrol: bool,
    enrolment: Option<Enrolment>,
    codes_left: i64,
    has_password: bool,
    passkeys: Vec<PasskeyRow>,
    /// Who they are was shown a short while ago; else it is asked for before anything of passkeys is changed.
    is_proved: bool,
    begin_form: FormView,
    confirm_form: FormView,
    codes_form: FormView,
    off_form: FormView,
}

#[derive(Serialize)]
struct CodesPage {
    codes: Vec<String>,
    done_href: &'static str,
}

/// Which of the page's forms was sent, and how it is shown again.
enum Sent {
    None,
    Begin(FormView),
    Confirm(FormView),
    Codes(FormView),
    Off(FormView),
}

fn password_form(action: &str) -> FormView {
    FormView::empty(action, &["current_password"])
}

fn begin_form() -> FormView {
    password_form("/account/mfa/begin")
}

fn confirm_form() -> FormView {
    FormView::empty("/account/mfa/confirm", &["code"])
}

fn codes_form() -> FormView {
    password_form("/account/mfa/recovery-codes")
}

fn off_form() -> FormView {
    password_form("/account/mfa/off")
}

async fn mfa_page(user: &PageUser, sent: Sent) -> Result<Response> {
    let Own { state, is_required, has_password } =
        user.access.own_mfa(&user.by, &user.shell.user.email).await?;
    let passkeys = rows(user, user.access.own_passkeys(&user.by).await?);
    let (word, enrolment, codes_left) = match state {
        State::Off => ("off", None, 0),
        State::Begun(enrolment) => ("begun", Some(enrolment), 0),
        State::On { codes_left } => ("on", None, codes_left),
    };
    let status = if matches!(sent, Sent::None) { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut view = MfaPage {
        state: word,
        is_required,
        must_enrol: user.must_enrol,
        enrolment,
        codes_left,
        has_password,
        passkeys,
        is_proved: user.by.must_have_proved().is_ok(),
        begin_form: begin_form(),
        confirm_form: confirm_form(),
        codes_form: codes_form(),
        off_form: off_form(),
    };
    match sent {
        Sent::None => {}
        Sent::Begin(form) => view.begin_form = form,
        Sent::Confirm(form) => view.confirm_form = form,
        Sent::Codes(form) => view.codes_form = form,
        Sent::Off(form) => view.off_form = form,
    }
    user.render_with(status, "access/account_mfa.html", say("Two-step sign-in"), &view)
}

/// The page again with what was wrong; what another window changed meanwhile is said on the page as it is now.
async fn failed(
    user: &PageUser,
    error: Error,
    form: FormView,
    sent: fn(FormView) -> Sent,
) -> Result<Response> {
    if let Error::Conflict { detail, .. } = error {
        return Ok(user.then(PATH, &Flash::error(detail)));
    }
    let form = form.failed(error)?;
    mfa_page(user, sent(form)).await
}

#[handler]
async fn show(user: PageUser) -> Result<Response> {
    mfa_page(&user, Sent::None).await
}

#[handler]
async fn begin(user: PageUser, form: CheckedForm) -> Result<Response> {
    let (email, password) = (&user.shell.user.email, form.get("current_password"));
    match user.access.begin_mfa(&user.by, email, password).await {
        Ok(()) => Ok(see_other(PATH)),
        Err(error) => failed(&user, error, begin_form(), Sent::Begin).await,
    }
}

#[handler]
async fn confirm(user: PageUser, form: CheckedForm) -> Result<Response> {
    match user.access.confirm_mfa(&user.by, user.session, form.get("code")).await {
        Ok(codes) => show_codes(&user, codes, say("Two-step sign-in is on")),
        Err(error) => failed(&user, error, confirm_form(), Sent::Confirm).await,
    }
}

fn show_codes(user: &PageUser, codes: Vec<String>, title: &str) -> Result<Response> {
    let done_href = if user.must_enrol { "/" } else { PATH };
    user.render("access/recovery_codes.html", title, &CodesPage { codes, done_href })
}

#[handler]
async fn renew_codes(user: PageUser, form: CheckedForm) -> Result<Response> {
    let (email, password) = (&user.shell.user.email, form.get("current_password"));
    match user.access.renew_recovery_codes(&user.by, email, password).await {
        Ok(codes) => show_codes(&user, codes, say("New recovery codes")),
        Err(error) => failed(&user, error, codes_form(), Sent::Codes).await,
    }
}

#[handler]
async fn turn_off(user: PageUser, form: CheckedForm) -> Result<Response> {
    let (email, password) = (&user.shell.user.email, form.get("current_password"));
    match user.access.turn_off_mfa(&user.by, email, password).await {
        Ok(()) => Ok(user.then("/account", &Flash::success("Two-step sign-in is off."))),
        Err(error) => failed(&user, error, off_form(), Sent::Off).await,
    }
}
