//! What is done with an installation from its page, each by a form of its own.

use chrono::Utc;
use poem::{
    Response, handler,
    web::{Data, Path},
};

use super::PATH;
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        installations::{
            model::{Installation, REASON_MAX, Status},
            rules::{self, Hold, Termination},
        },
        routers::{self, Released},
    },
    types::{InstallationId, RouterId, optional_line},
    web::parts::id_of,
    web::{Flash, Form},
    words::say,
};

/// Back to the installation with what became of it.
fn told(
    user: &PageUser,
    id: InstallationId,
    done: Result<Installation>,
    said: impl FnOnce(&Installation) -> String,
) -> poem::Result<Response> {
    let flash = match done {
        Ok(one) => Flash::success(said(&one)),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(&format!("{PATH}/{id}"), &flash))
}

fn reason(form: &Form) -> Result<Option<String>> {
    optional_line(form.get("reason"), REASON_MAX).map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))
}

fn released(form: &Form) -> Released {
    if form.has("is_faulty") { Released::Faulty } else { Released::Returned }
}

fn standing(one: &Installation) -> String {
    let how = match one.status {
        Status::Active => say("is active"),
        Status::Inactive => say("is set up; it becomes active with its first period"),
        _ => say("was saved"),
    };
    say!("The installation of {} {}.", one.customer.name, how)
}

#[handler]
pub async fn complete(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "installation")?;
    let (day, now) = (form.get("installed_on"), Utc::now());
    let done =
        db.in_tenant(user.tenant(), async |tx| rules::complete(tx, &user.by, id, Some(day), now).await).await;
    told(&user, id, done, standing)
}

async fn hold(user: &PageUser, db: &Db, id: InstallationId, hold: Hold, form: &Form) -> Result<Installation> {
    let reason = reason(form)?;
    db.in_tenant(user.tenant(), async |tx| {
        rules::hold_status(tx, &user.by, id, hold, reason.as_deref()).await
    })
    .await
}

#[handler]
pub async fn suspend(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "installation")?;
    let done = hold(&user, &db, id, Hold::Suspend, &form).await;
    told(&user, id, done, |one| say!("The installation of {} is suspended.", one.customer.name))
}

#[handler]
pub async fn resume(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "installation")?;
    let done = hold(&user, &db, id, Hold::Resume, &form).await;
    told(&user, id, done, standing)
}

#[handler]
pub async fn exchange_router(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "installation")?;
    let (typed, old) = (form.get("router").trim(), released(&form));
    let done = db
        .in_tenant(user.tenant(), async |tx| {
            let router: Option<RouterId> = match typed {
                "" => None,
                typed => Some(routers::find_in_stock(tx, typed).await?.ok_or_else(|| {
                    Error::invalid("router", "unknown", "No router has this serial number or MAC address.")
                })?),
            };
            rules::exchange_router(tx, &user.by, id, router, old).await
        })
        .await;
    told(&user, id, done, |one| match &one.router {
        Some(router) => format!("{} has {} now.", one.customer.name, router.name),
        None => say!("{} has no router of ours now.", one.customer.name),
    })
}

#[handler]
pub async fn terminate(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "installation")?;
    let now = Utc::now();
    let done = async {
        let reason = reason(&form)?;
        if reason.is_none() {
            return Err(Error::invalid("reason", "required", "Say why it is terminated."));
        }
        let on = match form.get("terminated_on") {
            "" => None,
            text => Some(text.parse().map_err(|_no_day| {
                Error::invalid("terminated_on", "not_a_day", "A day is written 2026-11-21.")
            })?),
        };
        let how = Termination { on, reason, router: released(&form) };
        db.in_tenant(user.tenant(), async |tx| rules::terminate(tx, &user.by, id, &how, now).await).await
    }
    .await;
    told(&user, id, done, |one| {
        say!("The installation of {} was terminated. Its port is free.", one.customer.name)
    })
}
