//! The console's page of alerts.

use poem::{Response, handler, http::Method, web::Path};
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Alert, Named},
    rules,
};
use crate::{
    access::CheckedForm,
    error::Result,
    platform::console::{ConsoleUser, Guarding, Look, Support},
    web::{Flash, Moment, RouteTable, parts::id_of},
    words::say,
};

const PATH: &str = "/console/alerts";

pub fn pages(table: &mut RouteTable) {
    table.console::<Look>(Method::GET, PATH, show).console::<Support>(
        Method::POST,
        "/console/alerts/:id/acknowledge",
        acknowledge,
    );
}

#[derive(Serialize)]
struct Provider {
    name: String,
    href: String,
}

#[derive(Serialize)]
struct Row {
    title: String,
    extent: String,
    advice: &'static str,
    providers: Vec<Provider>,
    opened: Moment,
    last_seen: Moment,
    closed: Option<Moment>,
    /// Who closed it; empty when it closed by itself.
    acknowledged_by: String,
    note: String,
    field: String,
    action: String,
}

fn row_of(alert: Alert) -> Row {
    let moment = |at| Moment::at(at, chrono_tz::UTC);
    let (title, extent) = (alert.title(), alert.extent());
    let provider =
        |named: Named| Provider { href: format!("/console/tenants/{}", named.id), name: named.name };
    Row {
        title,
        extent,
        advice: alert.kind.advice(),
        providers: [alert.at, alert.of].into_iter().flatten().map(provider).collect(),
        opened: moment(alert.opened_at),
        last_seen: moment(alert.last_seen_at),
        closed: alert.closed_at.map(moment),
        acknowledged_by: alert.acknowledged_by.unwrap_or_default(),
        note: alert.note,
        field: format!("note-{}", alert.id),
        action: format!("{PATH}/{}/acknowledge", alert.id),
    }
}

#[derive(Serialize)]
struct AlertsPage {
    open: Vec<Row>,
    closed: Vec<Row>,
}

#[handler]
async fn show(user: ConsoleUser) -> Result<Response> {
    let alerts = rules::list(&user.console.db).await?;
    let (open, closed) = alerts.into_iter().map(row_of).partition(|row| row.closed.is_none());
    user.render("console/alerts.html", say("Alerts"), &AlertsPage { open, closed })
}

#[handler]
async fn acknowledge(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let id: Uuid = id_of(&id, "alert")?;
    let done = rules::acknowledge(&user.console.db, &user.operator(), id, form.get("note")).await;
    user.or_said(PATH, done.map(|()| Flash::success("The alert is closed.")))
}
