//! One's own account in the console: the password, the recovery codes, where one is signed in.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
};
use serde::Serialize;

use super::{
    entry_pages::CodesPage,
    guard::{ConsoleUser, Guarding, Look, forget_cookie},
};
use crate::{
    access::{CheckedForm, device_of},
    error::{Error, Result},
    platform::{
        alerts::set_letters,
        staff::{Stay, rules},
    },
    web::{Flash, FormView, Moment, RouteTable, see_other},
    words::say,
};

const PATH: &str = "/console/account";

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::POST, "/console/sign-out", sign_out)
        .console::<Look>(Method::GET, PATH, show)
        .console::<Look>(Method::POST, "/console/account/password", change_password)
        .console::<Look>(Method::POST, "/console/account/recovery-codes", renew_codes)
        .console::<Look>(Method::POST, "/console/account/alert-letters", set_alert_letters)
        .console::<Look>(Method::POST, "/console/account/sessions/end-others", end_others);
}

/// Where somebody is signed in, as a page shows it.
#[derive(Serialize)]
pub struct StayRow {
    device: String,
    address: String,
    last_seen: Moment,
    is_this: bool,
}

/// Instants in the console are told in UTC: its people may sit anywhere.
pub fn stay_rows(stays: Vec<Stay>, this: Option<uuid::Uuid>) -> Vec<StayRow> {
    stays
        .into_iter()
        .map(|stay| StayRow {
            device: device_of(stay.user_agent.as_deref().unwrap_or_default()),
            address: stay.address.unwrap_or_default(),
            last_seen: Moment::at(stay.last_seen_at, chrono_tz::UTC),
            is_this: Some(stay.id) == this,
        })
        .collect()
}

#[derive(Serialize)]
struct AccountPage {
    codes_left: i64,
    stays: Vec<StayRow>,
    password_form: FormView,
    codes_form: FormView,
    letters_form: FormView,
}

fn password_view() -> FormView {
    FormView::empty("/console/account/password", &["current_password", "password"])
}

fn codes_view() -> FormView {
    FormView::empty("/console/account/recovery-codes", &["current_password"])
}

async fn page(
    user: &ConsoleUser,
    status: StatusCode,
    password: FormView,
    codes: FormView,
) -> Result<Response> {
    let (db, id) = (&user.console.db, user.session.person.id);
    let view = AccountPage {
        codes_left: rules::codes_left(db, id).await?,
        stays: stay_rows(rules::stays(db, id).await?, Some(user.session.id)),
        password_form: password,
        codes_form: codes,
        letters_form: FormView::empty("/console/account/alert-letters", &[])
            .with("alert_letters", user.session.person.alert_letters.to_string()),
    };
    user.render_with(status, "console/account.html", say("Your account"), &view)
}

#[handler]
async fn show(user: ConsoleUser) -> Result<Response> {
    page(&user, StatusCode::OK, password_view(), codes_view()).await
}

#[handler]
async fn change_password(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let typed = (form.get("current_password"), form.get("password"));
    let (door, who, session) = (&user.console.door, user.operator(), &user.session);
    match rules::change_password(door, &who, &session.person, session.id, typed).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Password changed. Your other sessions have ended."))),
        Err(error) => {
            let shown = password_view().failed(error)?;
            page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown, codes_view()).await
        }
    }
}

#[handler]
async fn renew_codes(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let person = &user.session.person;
    match user.console.door.renew_codes(person, form.get("current_password"), &user.operator()).await {
        Ok(codes) => {
            let view = CodesPage { codes, done_href: PATH };
            user.render("console/recovery_codes.html", say("New recovery codes"), &view)
        }
        Err(error @ Error::Conflict { .. }) => user.or_said(PATH, Err(error)),
        Err(error) => {
            let shown = codes_view().failed(error)?;
            page(&user, StatusCode::UNPROCESSABLE_ENTITY, password_view(), shown).await
        }
    }
}

#[handler]
async fn set_alert_letters(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let wants = form.get("alert_letters") == "true";
    set_letters(&user.console.db, &user.operator(), &user.session.person, wants).await?;
    Ok(user.then(
        PATH,
        &Flash::success(if wants {
            "You are written to about alerts."
        } else {
            "No letters about alerts any more."
        }),
    ))
}

#[handler]
async fn end_others(user: ConsoleUser) -> Result<Response> {
    let (id, session) = (user.session.person.id, user.session.id);
    rules::end_sessions(&user.console.db, &user.operator(), id, Some(session)).await?;
    Ok(user.then(PATH, &Flash::success("Your other sessions have ended.")))
}

#[handler]
async fn sign_out(user: ConsoleUser) -> Result<Response> {
    let person = &user.session.person;
    rules::sign_out(&user.console.db, &user.operator(), user.session.id, &person.email).await?;
    let mut response = see_other("/console/sign-in");
    forget_cookie(&user.console.access, &mut response);
    Ok(response)
}
