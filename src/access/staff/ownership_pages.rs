//! Handing the ownership over, and signing a colleague out, in the portal.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    ManageStaff,
    model::Member,
    pages::{id_of, path_of, refused},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        people::People,
        right::Owner,
    },
    error::{Error, Result},
    types::{RoleId, SessionId},
    web::{Flash, FormView, RouteTable, parts},
    words::say,
};

/// Mounts them.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<ManageStaff>(Method::POST, "/staff/:id/sessions/end", end_sessions)
        .page::<ManageStaff>(Method::POST, "/staff/:id/sessions/:session/end", end_session)
        .page::<Owner>(Method::GET, "/staff/:id/ownership", ask)
        .page::<Owner>(Method::POST, "/staff/:id/ownership", transfer);
}

#[derive(Serialize)]
struct OwnershipPage<'a> {
    name: &'a str,
    back_href: String,
    roles: Vec<RoleOption>,
    form: FormView,
}

#[derive(Serialize)]
struct RoleOption {
    value: String,
    label: String,
}

async fn page(
    user: &PageUser,
    people: &People,
    member: &Member,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let roles = people.all_roles(&user.by).await?.into_iter().filter(|role| !role.is_owner && role.is_active);
    let view = OwnershipPage {
        name: &member.name,
        back_href: path_of(member.id),
        roles: roles.map(|role| RoleOption { value: role.id.to_string(), label: role.name }).collect(),
        form,
    };
    user.render_with(status, "access/staff_ownership.html", say("Hand the ownership over"), &view)
}

fn blank(member: &Member) -> FormView {
    FormView::empty(format!("{}/ownership", path_of(member.id)), &["role_id", "current_password"])
}

#[handler]
async fn ask(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let member = people.get_staff(&user.by, id_of(&id)?).await?;
    Ok(page(&user, &people, &member, StatusCode::OK, blank(&member)).await?)
}

#[handler]
async fn transfer(
    user: PageUser,
    id: Path<String>,
    form: CheckedForm,
    people: Data<&People>,
) -> poem::Result<Response> {
    let member = people.get_staff(&user.by, id_of(&id)?).await?;
    let made = async {
        let role: RoleId = form.get("role_id").parse().map_err(|_no_id| {
            Error::invalid("role_id", "unknown_role", "Choose the role that you are to have.")
        })?;
        people.transfer_ownership(&user.by, member.id, role, form.get("current_password")).await
    };
    match made.await {
        Ok(heir) => Ok(user.then("/account", &Flash::success(say!("{} is the owner now.", heir.name)))),
        Err(error @ (Error::Invalid(_) | Error::TooMany { .. })) => {
            let role = form.get("role_id").to_owned();
            let shown = blank(&member).with("role_id", role).failed(error)?;
            Ok(page(&user, &people, &member, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
        Err(error) => refused(&user, &path_of(member.id), error),
    }
}

#[handler]
async fn end_session(
    user: PageUser,
    path: Path<(String, String)>,
    people: Data<&People>,
) -> poem::Result<Response> {
    let (id, session) = (id_of(&path.0.0)?, parts::id_of::<SessionId>(&path.0.1, "session")?);
    match people.end_session_of(&user.by, id, session).await {
        Ok(member) => {
            Ok(user.then(&path_of(id), &Flash::success(say!("{} was signed out there.", member.name))))
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}

#[handler]
async fn end_sessions(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.end_sessions_of(&user.by, id).await {
        Ok(member) => {
            Ok(user.then(&path_of(id), &Flash::success(say!("{} was signed out everywhere.", member.name))))
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}
