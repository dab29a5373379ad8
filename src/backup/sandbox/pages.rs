//! The page of the sandbox.

use poem::{Response, handler, http::Method, web::Data};
use serde::Serialize;

use super::rules::{Sandboxes, Standing};
use crate::{
    access::{CheckedForm, Guarded, Owner, PageUser},
    error::{Error, Result},
    tenancy::Resolver,
    web::{Flash, Moment, RouteTable},
};

const PATH: &str = "/settings/sandbox";

pub fn pages(table: &mut RouteTable) {
    table.page::<Owner>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, ask).page::<Owner>(
        Method::POST,
        "/settings/sandbox/remove",
        remove,
    );
}

#[derive(Serialize)]
struct SandboxPage {
    settings_tab: &'static str,
    /// `none`, `making`, `ready`, or `inside` when this is one.
    state: &'static str,
    url: String,
    made: Option<Moment>,
    is_proved: bool,
}

#[handler]
async fn show(user: PageUser, sandboxes: Data<&Sandboxes>, resolver: Data<&Resolver>) -> Result<Response> {
    let standing = sandboxes.standing(user.tenant()).await?;
    let (state, url, made) = match &standing {
        _ if user.tenant().is_sandbox => ("inside", String::new(), None),
        Standing::None => ("none", String::new(), None),
        Standing::Making => ("making", String::new(), None),
        Standing::Ready(sandbox) => (
            "ready",
            resolver.url_of(sandbox),
            Some(Moment::at(sandbox.created_at, user.tenant().time_zone.0)),
        ),
    };
    let is_proved = user.by.must_have_proved().is_ok();
    let view = SandboxPage { settings_tab: "takeouts", state, url, made, is_proved };
    user.render("portal/settings_sandbox.html", "Sandbox", &view)
}

/// Back to the page, with what was done or why not.
fn back(user: &PageUser, done: Result<()>, said: &str) -> Result<Response> {
    match done {
        Ok(()) => Ok(user.then(PATH, &Flash::success(said))),
        Err(Error::Conflict { detail, .. }) => Ok(user.then(PATH, &Flash::error(&detail))),
        Err(other) => Err(other),
    }
}

#[handler]
async fn ask(user: PageUser, sandboxes: Data<&Sandboxes>, _form: CheckedForm) -> Result<Response> {
    let done = sandboxes.ask(&user.by).await;
    back(&user, done, "The sandbox is being made. This page says when it is there.")
}

#[handler]
async fn remove(user: PageUser, sandboxes: Data<&Sandboxes>, _form: CheckedForm) -> Result<Response> {
    let done = sandboxes.remove(&user.by).await;
    back(&user, done, "The sandbox is gone, with all that was in it.")
}
