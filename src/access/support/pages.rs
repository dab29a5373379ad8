//! The portal's own side of support access: the owner's page, and the door for those who come from the console.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rules::{Grant, GrantId, HOURS_MAX, Kind, NewGrant, Standing, Visit};
use crate::{
    access::{
        guard::{Bare, CheckedForm, Guarded, PageUser, Visitor},
        right::{Leaving, Owner},
        sign_in::AtDoor,
    },
    error::{Error, Result},
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Choice, id_of},
        see_other,
    },
    words::say,
};

const PATH: &str = "/settings/support";
const ENTRY: &str = "The code from the console is the credential, and counts while the owner's grant does.";
const CODE_MAX_CHARS: usize = 100;

pub fn pages(table: &mut RouteTable) {
    table
        .page::<Owner>(Method::GET, PATH, show)
        .page::<Owner>(Method::POST, PATH, open_grant)
        .page::<Owner>(Method::POST, "/settings/support/allowed", allow)
        .page::<Owner>(Method::POST, "/settings/support/:id/end", end)
        .page::<Leaving>(Method::POST, "/support/leave", leave)
        .open_page(Method::GET, "/support/enter", ENTRY, entry_form)
        .open_page(Method::POST, "/support/enter", ENTRY, enter);
}

#[derive(Serialize)]
struct GrantRow {
    kind: &'static str,
    reason: String,
    opened_by: String,
    opened: Moment,
    until: Moment,
    end_action: String,
    /// `open`, `ended` or `expired`.
    state: &'static str,
    ended: Option<Moment>,
    ended_by: String,
    visitors: Vec<String>,
}

fn row_of(grant: Grant, zone: chrono_tz::Tz) -> GrantRow {
    let is_open = grant.expires_at > chrono::Utc::now();
    GrantRow {
        kind: grant.kind.label(),
        reason: grant.reason,
        opened_by: grant.opened_by,
        opened: Moment::at(grant.opened_at, zone),
        until: Moment::at(grant.expires_at, zone),
        end_action: format!("{PATH}/{}/end", grant.id.0),
        state: if is_open { "open" } else { "expired" },
        ended: None,
        ended_by: String::new(),
        visitors: Vec::new(),
    }
}

fn visit_of(visit: Visit, zone: chrono_tz::Tz) -> GrantRow {
    let row = row_of(visit.grant, zone);
    GrantRow {
        state: if visit.ended_at.is_some() { "ended" } else { row.state },
        ended: visit.ended_at.map(|at| Moment::at(at, zone)),
        ended_by: visit.ended_by.unwrap_or_default(),
        visitors: visit.visitors,
        ..row
    }
}

#[derive(Serialize)]
struct SupportPage {
    settings_tab: &'static str,
    is_allowed: bool,
    open: Option<GrantRow>,
    visits: Vec<GrantRow>,
    kinds: Vec<Choice>,
    hours_max: i32,
    form: FormView,
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &["kind", "hours", "reason"]).with("kind", Kind::Read.as_str()).with("hours", "4")
}

async fn page(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let Standing { is_allowed, open } = user.access.support_standing(user.tenant()).await?;
    let visits = user.access.support_visits(user.tenant()).await?;
    let open_id = open.as_ref().map(|grant| grant.id);
    let view = SupportPage {
        settings_tab: "support",
        is_allowed,
        open: open.map(|grant| row_of(grant, zone)),
        visits: visits
            .into_iter()
            .filter(|visit| Some(visit.grant.id) != open_id)
            .map(|visit| visit_of(visit, zone))
            .collect(),
        kinds: vec![
            Choice::new("read", say("Read-only – they look and change nothing")),
            Choice::new("full", say("Full – they may change things, but not people, roles and keys")),
        ],
        hours_max: HOURS_MAX,
        form,
    };
    user.render_with(status, "portal/settings_support.html", say("Support access"), &view)
}

#[handler]
async fn show(user: PageUser) -> Result<Response> {
    page(&user, StatusCode::OK, empty_form()).await
}

#[handler]
async fn allow(user: PageUser, form: CheckedForm) -> Result<Response> {
    let is_allowed = form.get("allowed") == "true";
    user.access.allow_support(&user.by, is_allowed).await?;
    let said = match is_allowed {
        true => say("Support access is on. Nobody is let in before you open a grant."),
        false => say("Support access is off. Whoever was in is out."),
    };
    Ok(user.then(PATH, &Flash::success(said)))
}

#[handler]
async fn open_grant(user: PageUser, form: CheckedForm) -> Result<Response> {
    let attempt = async {
        let new = NewGrant::parse(form.get("kind"), form.get("hours"), form.get("reason"))?;
        user.access.open_support(&user.by, &new).await
    };
    match attempt.await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Support may come in. You can end it at any time."))),
        Err(error) => {
            let shown = empty_form().typed(&form).failed(error)?;
            page(&user, StatusCode::UNPROCESSABLE_ENTITY, shown).await
        }
    }
}

#[handler]
async fn end(user: PageUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "grant")?;
    user.access.end_support(&user.by, GrantId(id)).await?;
    Ok(user.then(PATH, &Flash::success("Support access has ended.")))
}

#[derive(Deserialize)]
struct EntryQuery {
    #[serde(default)]
    code: String,
}

#[derive(Serialize)]
struct EntryPage {
    form: FormView,
}

async fn show_entry(
    visitor: &Visitor,
    door: &AtDoor,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let brand = door.access.brand(&door.tenant).await?;
    let bare = Bare { status, template: "access/support_enter.html", title: say("Support") };
    visitor.render(&door.access, bare, Some(brand), &EntryPage { form })
}

/// Looking uses nothing up: the code is redeemed by the form.
#[handler]
async fn entry_form(visitor: Visitor, door: AtDoor, query: Query<EntryQuery>) -> Result<Response> {
    let code: String = query.code.chars().take(CODE_MAX_CHARS).collect();
    let form = FormView::empty("/support/enter", &["code"]).with("code", code);
    show_entry(&visitor, &door, StatusCode::OK, form).await
}

#[handler]
async fn enter(visitor: Visitor, door: AtDoor, form: CheckedForm) -> Result<Response> {
    let code = form.get("code");
    let begun = match code.len() <= CODE_MAX_CHARS && !code.is_empty() {
        true => door.enter_for_support(code).await?,
        false => None,
    };
    let Some(token) = begun else {
        let form = FormView::empty("/support/enter", &["code"])
            .said("This code was used, is too old, or the grant has ended. Go back to the console.");
        return show_entry(&visitor, &door, StatusCode::UNPROCESSABLE_ENTITY, form).await;
    };
    let mut response = see_other("/");
    let cookie = door.access.cookie(crate::access::sessions::COOKIE, token);
    door.access.set_cookie(&mut response, &cookie);
    Ok(response)
}

#[handler]
async fn leave(user: PageUser) -> Result<Response> {
    if !user.by.is_support() {
        return Err(Error::not_found("page"));
    }
    user.access.leave_support(&user.by, user.session.0).await?;
    let mut response = see_other("/sign-in");
    user.access.forget_session(&mut response);
    Ok(response)
}
