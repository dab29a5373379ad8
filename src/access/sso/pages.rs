//! The door of single sign-on: away to the issuer, and back.

use std::time::Duration;

use poem::{
    Request, Response, handler,
    http::Method,
    web::{Data, Path, Query},
};
use serde::Deserialize;

use super::door::{Back, Came};
use crate::{
    access::{
        guard::{Guarded, PageUser},
        mfa::{self, Entered},
        pages::{begun, local_path, old_session},
        people::People,
        sign_in::AtDoor,
        staff::{ManageStaff, id_of, path_of, refused},
    },
    error::{Error, Result},
    web::{Flash, Host, RouteTable, see_other},
    words::say,
};

const SIGN_IN: &str = "People sign in here.";
/// Where the issuer sends browsers back to.
pub const BACK: &str = "/sign-in/sso/callback";
/// The cookie of a browser that is away.
const COOKIE: &str = "sso";
const AWAY: Duration = Duration::from_secs(600);
const VALUE_MAX_CHARS: usize = 4_000;

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/sign-in/sso", SIGN_IN, go)
        .open_page(Method::GET, BACK, SIGN_IN, come)
        .page::<ManageStaff>(Method::POST, "/staff/:id/sso/forget", forget);
}

#[derive(Deserialize)]
struct GoQuery {
    #[serde(default)]
    next: String,
}

/// What an issuer adds to the address. Others' parameters are nothing to us.
#[derive(Deserialize)]
struct BackQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    iss: String,
}

fn to_sign_in(door: &AtDoor, said: &str) -> Response {
    let mut response = see_other("/sign-in");
    door.access.flash(&mut response, &Flash::error(said));
    response
}

fn address_of(door: &AtDoor, host: &Host) -> String {
    format!("{}{BACK}", door.access.0.settings.url_of(host.as_str()))
}

#[handler]
async fn go(request: &Request, door: AtDoor, query: Query<GoQuery>) -> Result<Response> {
    let host = Host::of(request)?;
    let next = local_path(&query.next);
    match door.send_to_issuer(host.as_str(), &address_of(&door, &host), next).await {
        Ok(sent) => {
            let mut response = see_other(sent.to.as_str());
            let mut cookie = door.access.cookie(COOKIE, sent.cookie);
            cookie.set_max_age(AWAY);
            door.access.set_cookie(&mut response, &cookie);
            Ok(response)
        }
        Err(Error::Unauthenticated { detail, .. }) => Ok(to_sign_in(&door, &detail)),
        Err(other) => Err(other),
    }
}

#[handler]
async fn come(request: &Request, door: AtDoor, query: Query<BackQuery>) -> Result<Response> {
    let host = Host::of(request)?;
    let fits = [&query.state, &query.code, &query.iss].iter().all(|value| value.len() <= VALUE_MAX_CHARS);
    let cookie = door.access.read_cookie(request, COOKIE).unwrap_or_default();
    let mut response = if !query.error.is_empty() || !fits {
        to_sign_in(&door, say("The issuer did not sign you in."))
    } else {
        let redirect_uri = address_of(&door, &host);
        let back = Back {
            state: &query.state,
            code: &query.code,
            iss: &query.iss,
            cookie,
            host: host.as_str(),
            redirect_uri: &redirect_uri,
        };
        match door.come_from_issuer(back, old_session(&door, request).as_ref()).await {
            Ok(Came { entered: Entered::Begun(stay), next }) => begun(&door, &stay, local_path(&next)),
            Ok(Came { entered: Entered::SecondStep(token), next }) => {
                mfa::to_second_step(&door.access, &token, local_path(&next))
            }
            Err(Error::Unauthenticated { detail, .. } | Error::Conflict { detail, .. }) => {
                to_sign_in(&door, &detail)
            }
            Err(other) => return Err(other),
        }
    };
    let mut cookie = door.access.cookie(COOKIE, "");
    cookie.set_max_age(Duration::ZERO);
    door.access.set_cookie(&mut response, &cookie);
    Ok(response)
}

#[handler]
async fn forget(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.forget_sso(&user.by, id).await {
        Ok(member) => {
            let said = say!("Single sign-on knows {} no more.", member.name);
            Ok(user.then(&path_of(id), &Flash::success(said)))
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}
