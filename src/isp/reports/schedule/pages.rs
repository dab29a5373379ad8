//! Pages of schedules and of what was made.

use chrono::Utc;
use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    api::{download, mark_of, next_of},
    model::{Draft, Every, FIELDS, FileKind, Schedule},
    rules,
};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    db::Db,
    error::Result,
    isp::{
        areas,
        reports::{ExportReports, ScheduleReports, rules as catalogue},
    },
    types::{Limit, ReportFileId, ReportScheduleId},
    web::parts::{Choice, Pager, address, grouped, id_of, shown},
    web::typed::Typed,
    web::{Flash, FormView, Moment, RouteTable},
    words::say,
};

const PATH: &str = "/reports/schedules";
const FILES: &str = "/reports/files";
const PAGE: Limit = Limit::of(50);

/// Every page of schedules and files.
pub fn pages(table: &mut RouteTable) {
    table.page::<ScheduleReports>(Method::GET, PATH, list);
    table.page::<ScheduleReports>(Method::GET, "/reports/schedules/new", new);
    table.page::<ScheduleReports>(Method::POST, PATH, add);
    table.page::<ScheduleReports>(Method::GET, "/reports/schedules/:id", show);
    table.page::<ScheduleReports>(Method::POST, "/reports/schedules/:id", change);
    table.page::<ScheduleReports>(Method::POST, "/reports/schedules/:id/delete", delete);
    table.page::<ExportReports>(Method::GET, FILES, files);
    table.page::<ExportReports>(Method::GET, "/reports/files/:id/export", content);
}

#[derive(Serialize)]
struct ListPage {
    schedules: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    title: &'static str,
    href: String,
    when: String,
    format: &'static str,
    is_active: bool,
    next: Option<Moment>,
    failure: String,
}

fn row_of(schedule: Schedule, zone: chrono_tz::Tz) -> Row {
    let draft = schedule.draft;
    Row {
        title: draft.report.title,
        href: format!("{PATH}/{}", schedule.id),
        when: draft.rhythm.told(),
        format: draft.kind.label(),
        is_active: draft.is_active,
        next: draft.rhythm.next(Utc::now(), zone).filter(|_| draft.is_active).map(|at| Moment::at(at, zone)),
        failure: schedule.failure.unwrap_or_default(),
    }
}

#[handler]
async fn list(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let found = db.read_tenant(user.tenant(), async |tx| rules::list(tx, &user.by).await).await?;
    let zone = user.tenant().time_zone.0;
    let view = ListPage { schedules: found.into_iter().map(|one| row_of(one, zone)).collect() };
    Ok(user.render("reports/schedules.html", say("Scheduled reports"), &view)?)
}

#[derive(Serialize)]
struct FormPage {
    title: String,
    area_word: String,
    zone: String,
    delete_action: Option<String>,
    reports: Vec<Choice>,
    formats: Vec<Choice>,
    areas: Vec<Choice>,
    rhythms: Vec<Choice>,
    hours: Vec<Choice>,
    weekdays: Vec<Choice>,
    month_days: Vec<Choice>,
    form: FormView,
}

async fn form_page(
    db: &Db,
    user: &PageUser,
    status: StatusCode,
    id: Option<ReportScheduleId>,
    form: FormView,
) -> Result<Response> {
    let areas = db.read_tenant(user.tenant(), async |tx| areas::find_choices(tx).await).await?;
    let title = if id.is_some() { say("Scheduled report") } else { say("Schedule a report") };
    let week = [
        say("Monday"),
        say("Tuesday"),
        say("Wednesday"),
        say("Thursday"),
        say("Friday"),
        say("Saturday"),
        say("Sunday"),
    ];
    let view = FormPage {
        title: title.to_owned(),
        area_word: user.shell.brand.area_word.clone(),
        zone: user.tenant().time_zone.to_string(),
        delete_action: id.map(|id| format!("{PATH}/{id}/delete")),
        reports: catalogue::visible(&user.by)
            .map(|report| Choice::new(report.name, say(report.title)))
            .collect(),
        formats: FileKind::options(),
        areas: areas.into_iter().map(|area| Choice::new(area.id, area.name)).collect(),
        rhythms: Every::options(),
        hours: (0..24).map(|hour| Choice::new(hour, format!("{hour:02}:00"))).collect(),
        weekdays: week.iter().zip(1..).map(|(day, n)| Choice::new(n, *day)).collect(),
        month_days: (1..=28).map(|day| Choice::new(day, day.to_string())).collect(),
        form,
    };
    user.render_with(status, "reports/schedule.html", title, &view)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    report: String,
}

#[handler]
async fn new(user: PageUser, db: Data<&Db>, Query(wanted): Query<Wanted>) -> poem::Result<Response> {
    let form = Typed::default()
        .with("report", wanted.report)
        .with("format", "xlsx")
        .with("area_id", "")
        .with("every", "day")
        .with("at_hour", 6)
        .with("weekday", 1)
        .with("month_day", 1)
        .with("is_active", "true")
        .into_form(PATH);
    Ok(form_page(&db, &user, StatusCode::OK, None, form).await?)
}

#[handler]
async fn add(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let typed = Typed::of_form(&form, &FIELDS);
    let added = match Draft::parse(&typed) {
        Ok(draft) => db.in_tenant(user.tenant(), async |tx| rules::create(tx, &user.by, &draft).await).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(made) => {
            let said = say!("{} is made by itself from now on.", made.draft.report.title);
            Ok(user.then(PATH, &Flash::success(said)))
        }
        Err(error) => {
            let form = typed.into_form(PATH).failed(error)?;
            Ok(form_page(&db, &user, StatusCode::UNPROCESSABLE_ENTITY, None, form).await?)
        }
    }
}

#[handler]
async fn show(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ReportScheduleId = id_of(&id, "schedule")?;
    let found = db.read_tenant(user.tenant(), async |tx| rules::get(tx, &user.by, id).await).await?;
    let form = found.draft.typed().into_form(format!("{PATH}/{id}"));
    Ok(form_page(&db, &user, StatusCode::OK, Some(id), form).await?)
}

#[handler]
async fn change(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: ReportScheduleId = id_of(&id, "schedule")?;
    let typed = Typed::of_form(&form, &FIELDS);
    let changed = match Draft::parse(&typed) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| {
                rules::change(tx, &user.by, id, |_| Ok(draft.clone())).await
            })
            .await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Ok(user.then(PATH, &Flash::success("The schedule was saved."))),
        Err(error) => {
            let form = typed.into_form(format!("{PATH}/{id}")).failed(error)?;
            Ok(form_page(&db, &user, StatusCode::UNPROCESSABLE_ENTITY, Some(id), form).await?)
        }
    }
}

#[handler]
async fn delete(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ReportScheduleId = id_of(&id, "schedule")?;
    db.in_tenant(user.tenant(), async |tx| rules::remove(tx, &user.by, id).await).await?;
    Ok(user.then(PATH, &Flash::success("The schedule was deleted.")))
}

#[derive(Serialize)]
struct FilesPage {
    files: Vec<FileRow>,
    pager: Pager,
    can_schedule: bool,
}

#[derive(Serialize)]
struct FileRow {
    title: &'static str,
    days: String,
    name: String,
    size: String,
    made: Moment,
    href: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    cursor: String,
    from: i64,
}

#[handler]
async fn files(user: PageUser, db: Data<&Db>, Query(place): Query<Place>) -> poem::Result<Response> {
    let mark = if place.cursor.is_empty() { None } else { Some(mark_of(&place.cursor)?) };
    let (made, more) = db
        .read_tenant(user.tenant(), async |tx| rules::list_files(tx, &user.by, mark.as_ref(), PAGE).await)
        .await?;
    let first = if mark.is_some() { place.from.max(1) } else { 1 };
    let next_href = match made.last().filter(|_| more) {
        Some(last) => {
            let (cursor, from) = (next_of(last)?, (first + PAGE.get()).to_string());
            Some(address(FILES, [("cursor", cursor.as_str()), ("from", &from)]))
        }
        None => None,
    };
    let zone = user.tenant().time_zone.0;
    let pager = Pager {
        prev_href: mark.is_some().then(|| FILES.to_owned()),
        next_href,
        shown: shown(first, made.len()),
        total: None,
    };
    let rows = made.into_iter().filter_map(|made| {
        Some(FileRow {
            title: catalogue::get(&made.report).ok()?.title,
            days: made.range.to_string(),
            size: format!("{} kB", grouped((made.size + 999) / 1_000)),
            made: Moment::at(made.made_at, zone),
            href: format!("{FILES}/{}/export", made.id),
            name: made.name,
        })
    });
    let view = FilesPage {
        files: rows.collect(),
        pager,
        can_schedule: user.by.require::<ScheduleReports>().is_ok(),
    };
    Ok(user.render("reports/files.html", say("Made reports"), &view)?)
}

#[handler]
async fn content(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: ReportFileId = id_of(&id, "file")?;
    Ok(download(&db, &user.by, id).await?.into_response())
}
