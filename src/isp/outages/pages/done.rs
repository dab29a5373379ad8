//! What is done on an outage's page: confirming, dismissing, telling, restoring, deciding.

use chrono::Utc;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use super::{PATH, detail::Shown, instant, is_told, local, sending};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::outages::{
        model::{Draft, Giving, Outage, Status, minutes_text},
        restore::{self, Decision, End},
        rules::{self, Changes},
    },
    types::{InstallationId, OutageId, optional_text},
    web::parts::{counted, grouped, id_of},
    web::{Flash, Form, FormView},
    words::say,
};

fn page(id: OutageId) -> String {
    format!("{PATH}/{id}")
}

/// What a person can mend is said on the outage's page; everything else is handed on.
fn said(user: &PageUser, id: OutageId, done: Result<String>) -> poem::Result<Response> {
    match done {
        Ok(text) => Ok(user.then(&page(id), &Flash::success(text))),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            Ok(user.then(&page(id), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}

#[handler]
pub async fn save_outage(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let zone = user.tenant().time_zone.0;
    let saved = async {
        db.in_tenant(user.tenant(), async |tx| {
            let was = rules::get(tx, id).await?.outage;
            let wanted = Changes {
                cause: Some(form.get("cause").to_owned()),
                note: Some(form.get("note").to_owned()),
                started_at: instant(form.get("started_at"), "started_at", zone, Some(was.started_at))?,
                message: None,
            };
            rules::change(tx, &user.by, id, &wanted).await
        })
        .await
        .map(|outage| say!("{} was saved.", outage.number))
    }
    .await;
    said(&user, id, saved)
}

#[handler]
pub async fn confirm_outage(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let cause = if form.get("cause").is_empty() { "unknown" } else { form.get("cause") };
    let done = async {
        let draft = Draft::parse(cause, form.get("note"), None, Utc::now())?;
        let outage =
            db.in_tenant(user.tenant(), async |tx| rules::confirm(tx, &user.by, id, &draft).await).await?;
        Ok(say!("{} is marked as down.", outage.node_label))
    }
    .await;
    said(&user, id, done)
}

#[handler]
pub async fn dismiss_outage(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let done = db
        .in_tenant(user.tenant(), async |tx| rules::dismiss(tx, &user.by, id).await)
        .await
        .map(|outage| say!("{} was dismissed.", outage.number));
    said(&user, id, done)
}

/// On to where messages are written, for whoever may send them: nothing goes out from here.
fn go_on(user: &PageUser, outage: &Outage) -> Response {
    let on = sending(user, outage);
    let text = match &on {
        Some(on) if on.has_text => {
            say("The message is kept with the outage. Nothing has gone out yet: look at it and send it.")
        }
        Some(_) => say(
            "The message is kept with the outage. Its text is too long to come along: copy it from there.",
        ),
        None if !is_told(outage) => {
            say("The message is kept with the outage. It was over too long ago to be told of.")
        }
        None => say("The message is kept with the outage. Somebody who may send messages can send it."),
    };
    let href = on.map_or_else(|| page(outage.id), |on| on.href);
    user.then(&href, &Flash::success(text))
}

/// Keeps the message, and leads on to where it is sent.
#[handler]
pub async fn send_message(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let kept = db
        .in_tenant(user.tenant(), async |tx| {
            rules::prepare_message(tx, &user.by, id, form.get("message")).await
        })
        .await;
    match kept {
        Ok(outage) => Ok(go_on(&user, &outage)),
        Err(error) => said(&user, id, Err(error)),
    }
}

#[derive(Serialize)]
struct EndPage {
    outage: Shown,
    lasted: String,
    affected: String,
    losing: String,
    gaining: i64,
    gain_text: String,
    each_text: String,
    giving: &'static str,
    is_too_short: bool,
    minimum_text: String,
    open_tickets: i64,
    form: FormView,
}

/// What restoring comes to, computed before it is confirmed.
async fn end_page(
    user: &PageUser,
    db: &Db,
    id: OutageId,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let (outage, at, outcome) = db
        .read_tenant(user.tenant(), async |tx| {
            let counted = rules::get(tx, id).await?;
            if counted.outage.status != Status::Down {
                return Err(Error::conflict("not_down", "Only an outage that is down can be restored."));
            }
            let now = Utc::now();
            let typed = form.values.get("restored_at").map(String::as_str).unwrap_or_default();
            // While the time cannot be read, it is shown what now would come to.
            let asked = instant(typed, "restored_at", zone, Some(now)).ok().flatten();
            let at = restore::check_end(&counted.outage, asked, now).unwrap_or(now);
            let outcome = restore::preview(tx, &user.by, &counted.outage, at).await?;
            Ok((counted, at, outcome))
        })
        .await?;
    let (gaining, minutes) = outcome.gains();
    let losing = outcome.losses.iter().filter(|loss| loss.span.is_some()).count();
    let lasted = at - outage.outage.started_at;
    let policy = outcome.policy;
    let most = outcome.losses.iter().map(|loss| loss.gain).max().unwrap_or_default();
    let view = EndPage {
        lasted: minutes_text(lasted.num_minutes()),
        affected: counted(outage.affected, "subscriber", "subscribers"),
        losing: grouped(i64::try_from(losing).unwrap_or_default()),
        gaining,
        gain_text: minutes_text(minutes),
        each_text: minutes_text(most),
        giving: policy.giving.as_str(),
        is_too_short: policy.giving != Giving::Off && !outcome.gives,
        minimum_text: minutes_text(i64::from(policy.minimum_minutes)),
        open_tickets: outage.tickets,
        form: FormView { action: format!("{PATH}/{id}/restore"), ..form },
        outage: Shown::of(&outage.outage, zone),
    };
    let title = say!("Restore {}", view.outage.node);
    user.render_with(status, "outages/restore.html", &title, &view)
}

const END_FIELDS: [&str; 3] = ["restored_at", "resolve", "note"];

#[handler]
pub async fn show_end(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let now = local(Utc::now(), user.tenant().time_zone.0);
    let form = FormView::empty("", &END_FIELDS)
        .with("restored_at", now)
        .with("resolve", "true")
        .with("note", "The outage is over.");
    match end_page(&user, &db, id, StatusCode::OK, form).await {
        Err(error @ Error::Conflict { .. }) => Ok(user.then(&page(id), &Flash::error(error.detail()))),
        other => Ok(other?),
    }
}

async fn end(user: &PageUser, db: &Db, id: OutageId, form: &Form) -> Result<String> {
    let zone = user.tenant().time_zone.0;
    let at = instant(form.get("restored_at"), "restored_at", zone, Some(Utc::now()))?;
    let resolve_tickets = if form.has("resolve") {
        let note =
            optional_text(form.get("note"), 5_000).map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))?;
        Some(note.ok_or_else(|| Error::invalid("note", "required", "Write down what solved them."))?)
    } else {
        None
    };
    let end = End { at, resolve_tickets };
    let outage = db
        .in_tenant_for(user.tenant(), restore::AT_MOST, async |tx| {
            restore::restore(tx, &user.by, id, &end).await
        })
        .await?;
    Ok(say!("{} is restored.", outage.node_label))
}

#[handler]
pub async fn end_outage(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    match end(&user, &db, id, &form).await {
        Err(error @ Error::Invalid(_)) => {
            let ticked = if form.has("resolve") { "true" } else { "" };
            let shown =
                FormView::empty("", &END_FIELDS).typed(&form).with("resolve", ticked).failed(error)?;
            Ok(end_page(&user, &db, id, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
        done => said(&user, id, done),
    }
}

#[handler]
pub async fn decide(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: OutageId = id_of(&id, "outage")?;
    let done = async {
        let decision = match form.get("decision") {
            "extend" => Decision::Extend,
            "decline" => Decision::Decline,
            _ => return Err(Error::invalid("decision", "not_a_choice", "Extend, or decline.")),
        };
        let chosen: Vec<InstallationId> = form.all("ids").filter_map(|id| id.parse().ok()).collect();
        let is_all = form.get("scope") == "all";
        if chosen.is_empty() && !is_all {
            return Err(Error::invalid("ids", "required", "Choose at least one subscriber."));
        }
        let only = (!is_all).then_some(chosen.as_slice());
        let done = db
            .in_tenant_for(user.tenant(), restore::AT_MOST, async |tx| {
                restore::decide(tx, &user.by, id, decision, only).await
            })
            .await?;
        let n = |n: usize| i64::try_from(n).unwrap_or_default();
        Ok(match decision {
            Decision::Extend => say!(
                "{} extended, {} altogether.",
                counted(n(done.extended), "period was", "periods were"),
                minutes_text(done.minutes)
            ),
            Decision::Decline => {
                say!("{} declined.", counted(n(done.decided), "extension was", "extensions were"))
            }
        })
    }
    .await;
    said(&user, id, done)
}
