//! Oneself: how the provider reaches one, the password, where one is signed in.

use poem::{FromRequest, Request, Response, handler, http::StatusCode};
use serde::Serialize;

use crate::{
    access::{CheckedForm, device_of},
    error::Result,
    isp::{
        customers,
        subscribers::{
            door::AtMyDoor,
            guard::{Subscriber, forget_cookie, session_cookie},
            own, store,
        },
    },
    web::{Flash, FormView, Moment},
    words::say,
};

const PATH: &str = "/my/profile";

#[derive(Serialize)]
struct ProfilePage {
    name: String,
    email: Option<String>,
    reference: Option<String>,
    sign_in_name: String,
    can_reset_by_mail: bool,
    phone_form: FormView,
    password_form: FormView,
    sessions: Vec<SessionRow>,
}

#[derive(Serialize)]
struct SessionRow {
    device: String,
    last_seen: Moment,
    is_current: bool,
}

fn password_form() -> FormView {
    FormView::empty("/my/password", &["current_password", "new_password"])
}

async fn show(user: &Subscriber, phone: Option<FormView>, password: FormView) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let (customer, login, stays) = user
        .office
        .db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                customers::get(tx, user.customer),
                store::find_login(tx, user.customer),
                store::list_sessions(tx, user.login)
            )
        })
        .await?;
    let is_wrong = phone.is_some() || !password.errors.is_empty() || !password.summary.is_empty();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let name = customer.name();
    let details = customer.details;
    let stored = details.phone_primary.map(String::from).unwrap_or_default();
    let view = ProfilePage {
        name,
        email: details.email.map(String::from),
        reference: details.reference,
        can_reset_by_mail: login.as_ref().is_some_and(|login| login.proved_email.is_some()),
        sign_in_name: login.map(|login| login.sign_in_name).unwrap_or_default(),
        phone_form: phone
            .unwrap_or_else(|| FormView::empty(PATH, &["phone_primary"]).with("phone_primary", stored)),
        password_form: password,
        sessions: stays
            .into_iter()
            .map(|stay| SessionRow {
                device: device_of(stay.user_agent.as_deref().unwrap_or_default()),
                last_seen: Moment::at(stay.last_seen_at, zone),
                is_current: stay.id == user.session,
            })
            .collect(),
    };
    user.render_with(status, "my/profile.html", say("Profile"), &view)
}

#[handler]
pub async fn show_profile(user: Subscriber) -> poem::Result<Response> {
    Ok(show(&user, None, password_form()).await?)
}

#[handler]
pub async fn save_profile(user: Subscriber, form: CheckedForm) -> poem::Result<Response> {
    match own::change_phone(&user, form.get("phone_primary")).await {
        Ok(_) => Ok(user.then(PATH, &Flash::success("Your number was saved."))),
        Err(error) => {
            let shown = FormView::empty(PATH, &["phone_primary"]).typed(&form).failed(error)?;
            Ok(show(&user, Some(shown), password_form()).await?)
        }
    }
}

#[handler]
pub async fn change_password(
    request: &Request,
    user: Subscriber,
    form: CheckedForm,
) -> poem::Result<Response> {
    let door = AtMyDoor::from_request_without_body(request).await?;
    let typed = (form.get("current_password"), form.get("new_password"));
    match door.change_password(user.session, typed).await {
        Ok(token) => {
            let flash = Flash::success("Password changed. Your other sessions have ended.");
            let mut response = user.then(PATH, &flash);
            let access = &user.office.access;
            access.set_cookie(&mut response, &session_cookie(access, &token));
            Ok(response)
        }
        Err(error) => Ok(show(&user, None, password_form().failed(error)?).await?),
    }
}

#[handler]
pub async fn end_others(user: Subscriber) -> poem::Result<Response> {
    own::end_others(&user).await?;
    Ok(user.then(PATH, &Flash::success("All other sessions have ended.")))
}

#[handler]
pub async fn sign_out(user: Subscriber) -> poem::Result<Response> {
    own::sign_out(&user).await?;
    let mut response = user.then("/my/sign-in", &Flash::success("You are signed out."));
    forget_cookie(&user.office.access, &mut response);
    Ok(response)
}
