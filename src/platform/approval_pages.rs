//! The console's pages of sign-ups: those that wait, those that were decided on, and who may sign up.

use std::sync::Arc;

use poem::{
    Response, handler,
    http::Method,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    approvals::{self, Mode, Request},
    console::{ConsoleUser, Guarding, Look, Rule, Support},
    signup::Signups,
};
use crate::{
    access::CheckedForm,
    error::Result,
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Choice, Tab, id_of},
    },
    words::say,
};

const PATH: &str = "/console/signups";
const SETTINGS: &str = "/console/settings";
const SHOWN: i64 = 200;

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Support>(Method::POST, "/console/signups/:id/approve", approve)
        .console::<Support>(Method::POST, "/console/signups/:id/reject", reject)
        .console::<Look>(Method::GET, SETTINGS, settings)
        .console::<Rule>(Method::POST, SETTINGS, save_settings);
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    state: String,
}

#[derive(Serialize)]
struct Row {
    company: String,
    slug: String,
    owner: String,
    email: String,
    region: String,
    address: String,
    at: Moment,
    status: String,
    reason: String,
    decided_by: String,
    decided: Option<Moment>,
    tenant_href: Option<String>,
    approve_action: String,
    reject_action: String,
}

fn row_of(request: Request) -> Row {
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    let base = format!("{PATH}/{}", request.id);
    Row {
        tenant_href: (request.status == "approved").then(|| format!("/console/tenants/{}", request.id)),
        approve_action: format!("{base}/approve"),
        reject_action: format!("{base}/reject"),
        company: request.company_name,
        slug: request.slug,
        owner: request.owner_name,
        email: request.owner_email,
        region: request.region,
        address: request.address.unwrap_or_default(),
        at: moment(request.created_at),
        status: request.status,
        reason: request.reason,
        decided_by: request.decided_by.unwrap_or_default(),
        decided: request.decided_at.map(moment),
    }
}

#[derive(Serialize)]
struct ListPage {
    tabs: Vec<Tab>,
    is_pending: bool,
    mode: &'static str,
    rows: Vec<Row>,
}

#[handler]
async fn list(user: ConsoleUser, asked: Query<Asked>) -> Result<Response> {
    let is_pending = asked.state != "decided";
    let db = &user.console.db;
    let tab = |label, state: &str, active| Tab {
        label,
        count: None,
        href: format!("{PATH}?state={state}"),
        active,
    };
    let view = ListPage {
        tabs: vec![tab(say("Waiting"), "pending", is_pending), tab(say("Decided"), "decided", !is_pending)],
        is_pending,
        mode: approvals::mode(db).await?.as_str(),
        rows: approvals::list(db, is_pending, SHOWN).await?.into_iter().map(row_of).collect(),
    };
    user.render("console/signups.html", say("Sign-ups"), &view)
}

#[handler]
async fn approve(user: ConsoleUser, id: Path<String>, signups: Data<&Arc<Signups>>) -> Result<Response> {
    let id: Uuid = id_of(&id, "sign-up")?;
    let done = signups.approve(&user.operator(), id).await;
    user.or_said(PATH, done.map(|name| Flash::success(say!("{} has a portal, and was told.", name))))
}

#[handler]
async fn reject(
    user: ConsoleUser,
    id: Path<String>,
    form: CheckedForm,
    signups: Data<&Arc<Signups>>,
) -> Result<Response> {
    let id: Uuid = id_of(&id, "sign-up")?;
    let done = signups.reject(&user.operator(), id, form.get("reason")).await;
    user.or_said(PATH, done.map(|name| Flash::success(say!("{} was refused, and told why.", name))))
}

#[derive(Serialize)]
struct SettingsPage {
    modes: Vec<Choice>,
    form: FormView,
}

#[handler]
async fn settings(user: ConsoleUser) -> Result<Response> {
    let mode = approvals::mode(&user.console.db).await?;
    let view = SettingsPage {
        modes: vec![
            Choice::new(Mode::Open.as_str(), say("Open – whoever signs up has a portal at once")),
            Choice::new(Mode::Approval.as_str(), say("After approval – somebody here decides first")),
            Choice::new(Mode::Closed.as_str(), say("Closed – providers are made at the command line")),
        ],
        form: FormView::empty(SETTINGS, &["signups"]).with("signups", mode.as_str()),
    };
    user.render("console/settings.html", say("Settings"), &view)
}

#[handler]
async fn save_settings(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let done = approvals::set_mode(&user.console.db, &user.operator(), form.get("signups")).await;
    user.or_said(SETTINGS, done.map(|()| Flash::success("Settings saved.")))
}
