//! Signing in with a passkey, and accepting an invitation with one. The asking is done by a script; its answer is a form.

use poem::{
    Request, Response, handler,
    http::{Method, header},
};

use super::{
    ceremony::RelyingParty,
    rules::{Answer, Asked},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded},
        pages::{begun, local_path, old_session},
        sign_in::AtDoor,
    },
    error::{Error, OrInternal, Result},
    web::{Flash, Form, RouteTable, see_other},
};

const SIGN_IN: &str = "People sign in here.";
const INVITED: &str =
    "Whoever is invited has nothing to sign in with yet: the link's code is the credential.";
/// What the first passkey of somebody who is invited is called, until they call it something else.
const FIRST_NAME: &str = "My first passkey";

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::POST, "/sign-in/passkey/begin", SIGN_IN, begin_sign_in)
        .open_page(Method::POST, "/sign-in/passkey", SIGN_IN, sign_in)
        .open_page(Method::POST, "/reset/passkey/begin", INVITED, begin_accept)
        .open_page(Method::POST, "/reset/passkey", INVITED, accept);
}

/// What the script hands to the device. Nobody keeps it.
pub fn asked(asked: &Asked) -> Result<Response> {
    Ok(Response::builder()
        .content_type("application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .body(serde_json::to_vec(asked).internal()?))
}

pub(super) fn answer_of(form: &Form) -> Answer<'_> {
    Answer { challenge: form.get("challenge"), json: form.get("answer") }
}

#[handler]
async fn begin_sign_in(door: AtDoor, party: RelyingParty) -> Result<Response> {
    asked(&door.ask_for_passkey(&party).await?)
}

#[handler]
async fn sign_in(
    request: &Request,
    door: AtDoor,
    party: RelyingParty,
    form: CheckedForm,
) -> Result<Response> {
    let next = local_path(form.get("next"));
    match door.enter_by_passkey(&party, answer_of(&form), old_session(&door, request).as_ref()).await {
        Ok(stay) => Ok(begun(&door, &stay, next)),
        Err(error @ Error::Unauthenticated { .. }) => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            let mut response = see_other(format!("/sign-in?next={next}"));
            door.access.flash(&mut response, &Flash::error(error.detail()));
            Ok(response)
        }
        Err(other) => Err(other),
    }
}

fn dead_link() -> Error {
    Error::not_found("link")
}

#[handler]
async fn begin_accept(door: AtDoor, party: RelyingParty, form: CheckedForm) -> Result<Response> {
    asked(&door.ask_to_accept(&party, form.get("token")).await?.ok_or_else(dead_link)?)
}

#[handler]
async fn accept(request: &Request, door: AtDoor, party: RelyingParty, form: CheckedForm) -> Result<Response> {
    let old = old_session(&door, request);
    let code = form.get("token");
    match door.accept_by_passkey(&party, code, answer_of(&form), (FIRST_NAME, old.as_ref())).await {
        Ok(Some(stay)) => Ok(begun(&door, &stay, "/")),
        Ok(None) => Err(dead_link()),
        Err(Error::Conflict { detail, .. }) => {
            let code: String = url::form_urlencoded::byte_serialize(code.as_bytes()).collect();
            let mut response = see_other(format!("/reset?code={code}"));
            door.access.flash(&mut response, &Flash::error(detail));
            Ok(response)
        }
        Err(other) => Err(other),
    }
}
