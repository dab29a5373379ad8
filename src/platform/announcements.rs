//! The console's page of announcements. The rules are those of `tenancy`.

use chrono::Utc;
use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;
use uuid::Uuid;

use super::console::{ConsoleUser, Guarding, Look, Support};
use crate::{
    access::CheckedForm,
    error::Result,
    tenancy::{Announcement, AnnouncementForm, announce, end_announcement, list_announcements},
    web::{Flash, FormView, Moment, RouteTable, parts::id_of},
    words::say,
};

const PATH: &str = "/console/announcements";
const FIELDS: [&str; 4] = ["text", "is_warning", "begins_in_hours", "hours"];

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Support>(Method::POST, PATH, create)
        .console::<Support>(Method::POST, "/console/announcements/:id/end", end);
}

#[derive(Serialize)]
struct Row {
    text: String,
    is_warning: bool,
    word: &'static str,
    tone: &'static str,
    from: Moment,
    until: Moment,
    made_by: String,
    /// Empty when it has ended.
    end_action: String,
}

fn row_of(one: Announcement) -> Row {
    let now = Utc::now();
    let (word, tone) = match () {
        () if one.ends_at <= now => (say("Ended"), "neutral"),
        () if one.counts_at(now) => (say("Shown"), "success"),
        () => (say("To come"), "info"),
    };
    Row {
        end_action: if one.ends_at > now { format!("{PATH}/{}/end", one.id) } else { String::new() },
        from: Moment::at(one.starts_at, chrono_tz::UTC),
        until: Moment::at(one.ends_at, chrono_tz::UTC),
        text: one.text,
        is_warning: one.is_warning,
        made_by: one.made_by,
        word,
        tone,
    }
}

#[derive(Serialize)]
struct ListPage {
    rows: Vec<Row>,
    form: FormView,
}

async fn render(user: &ConsoleUser, status: StatusCode, form: FormView) -> Result<Response> {
    let rows = list_announcements(&user.console.db).await?.into_iter().map(row_of).collect();
    user.render_with(status, "console/announcements.html", say("Announcements"), &ListPage { rows, form })
}

#[handler]
async fn list(user: ConsoleUser) -> Result<Response> {
    render(&user, StatusCode::OK, FormView::empty(PATH, &FIELDS).with("hours", "24")).await
}

#[handler]
async fn create(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let typed = AnnouncementForm {
        text: form.get("text"),
        is_warning: form.get("is_warning") == "true",
        begins_in_hours: form.get("begins_in_hours"),
        hours: form.get("hours"),
    };
    match announce(&user.console.registry, &user.operator(), typed).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Everybody is told."))),
        Err(error) => {
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            render(&user, StatusCode::UNPROCESSABLE_ENTITY, shown).await
        }
    }
}

#[handler]
async fn end(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "announcement")?;
    let done = end_announcement(&user.console.registry, &user.operator(), id).await;
    user.or_said(PATH, done.map(|()| Flash::success("It is shown no more.")))
}
