//! One's own passkeys, on the page of two-step sign-in.

use poem::{Response, handler, http::Method, web::Path};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ceremony::RelyingParty,
    own::OwnPasskeys,
    pages::{answer_of, asked},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        mfa::PATH,
        right::Enrolling,
    },
    error::{Error, Result},
    web::{Flash, Moment, RouteTable},
    words::say,
};

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<Enrolling>(Method::POST, "/account/passkeys/begin", begin)
        .page::<Enrolling>(Method::POST, "/account/passkeys", add)
        .page::<Enrolling>(Method::POST, "/account/passkeys/:id/rename", rename)
        .page::<Enrolling>(Method::POST, "/account/passkeys/:id/remove", remove);
}

/// A passkey as the page shows it.
#[derive(Serialize)]
pub struct PasskeyRow {
    name: String,
    host: String,
    created: Moment,
    last_used: Option<Moment>,
    suspected: Option<Moment>,
    rename_action: String,
    remove_action: String,
}

/// All of them.
pub fn rows(user: &PageUser, passkeys: OwnPasskeys) -> Vec<PasskeyRow> {
    let zone = user.tenant().time_zone.0;
    let row = |key: super::own::OwnPasskey| PasskeyRow {
        created: Moment::at(key.created_at, zone),
        last_used: key.last_used_at.map(|at| Moment::at(at, zone)),
        suspected: key.suspected_at.map(|at| Moment::at(at, zone)),
        rename_action: format!("/account/passkeys/{}/rename", key.id),
        remove_action: format!("/account/passkeys/{}/remove", key.id),
        name: key.name,
        host: key.host,
    };
    passkeys.into_iter().map(row).collect()
}

fn id_of(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_not_an_id| Error::not_found("passkey"))
}

/// What the person can mend is said on the page.
fn told(user: &PageUser, error: Error) -> Result<Response> {
    match error {
        Error::Invalid(wrongs) => {
            let said = wrongs.first().map(|wrong| wrong.detail.clone()).unwrap_or_default();
            Ok(user.then(PATH, &Flash::error(said)))
        }
        Error::Conflict { detail, .. } => Ok(user.then(PATH, &Flash::error(detail))),
        other => Err(other),
    }
}

#[handler]
async fn begin(user: PageUser, party: RelyingParty) -> Result<Response> {
    asked(&user.access.ask_for_new_passkey(&user.by, &party, &user.shell.user.email).await?)
}

#[handler]
async fn add(user: PageUser, party: RelyingParty, form: CheckedForm) -> Result<Response> {
    let (answer, name) = (answer_of(&form), form.get("name"));
    match user.access.add_passkey(&user.by, user.session, &party, answer, name).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("The passkey was added."))),
        Err(error) => told(&user, error),
    }
}

#[handler]
async fn rename(user: PageUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    match user.access.rename_passkey(&user.by, id_of(&id)?, form.get("name")).await {
        Ok(_) => Ok(user.then(PATH, &Flash::success("The passkey has a new name."))),
        Err(error) => told(&user, error),
    }
}

#[handler]
async fn remove(user: PageUser, id: Path<String>) -> Result<Response> {
    match user.access.remove_passkey(&user.by, id_of(&id)?).await {
        Ok(()) => {
            let said = say("The passkey counts no more. Remove it from the device as well.");
            Ok(user.then(PATH, &Flash::success(said)))
        }
        Err(error) => told(&user, error),
    }
}
