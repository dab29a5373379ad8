//! Pages of reports.

use chrono::{Datelike, Days, Months, NaiveDate, Utc};
use poem::{
    Request, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ExportReports, ScheduleReports, ViewAcquisition, ViewAreaPerformance, ViewCollection, ViewExpiry,
    ViewFinance, ViewPaymentBehaviour, ViewRevenue, ViewTechnicians, ViewTicketAnalysis, acquisition,
    area_performance, behaviour, collection,
    definition::{Definition, Shelf},
    draw::{Drawing, drawing},
    expiry, finance,
    model::{Figure, Kind, Report, Table, Told},
    range::{Asked, Range, day_of, first_of_month, last_of_month},
    revenue,
    rules::{self, Choices, Question},
    schedule, sheet, sign_ups, technicians, ticket_analysis,
};
use crate::{
    access::{Guarded, PageUser, Right, SignedIn},
    db::Db,
    error::{Error, FieldError, Result},
    sheets::Bom,
    web::parts::{Choice, address},
    web::sheet::Format,
    web::{Moment, RouteTable},
    words::{now_in_english, say},
};

const PATH: &str = "/reports";

/// Every page of reports.
pub fn pages(table: &mut RouteTable) {
    table.page::<SignedIn>(Method::GET, PATH, index);
    report::<ViewCollection>(table, &collection::DEFINITION);
    report::<ViewExpiry>(table, &expiry::DEFINITION);
    report::<ViewTicketAnalysis>(table, &ticket_analysis::DEFINITION);
    report::<ViewTechnicians>(table, &technicians::DEFINITION);
    report::<ViewRevenue>(table, &revenue::DEFINITION);
    report::<ViewFinance>(table, &finance::DEFINITION);
    report::<ViewPaymentBehaviour>(table, &behaviour::DEFINITION);
    report::<ViewAcquisition>(table, &acquisition::DEFINITION);
    report::<ViewAreaPerformance>(table, &area_performance::DEFINITION);
    table.page::<ExportReports>(Method::GET, "/reports/:name/export", export);
    schedule::pages(table);
}

fn report<R: Right>(table: &mut RouteTable, definition: &Definition) {
    table.page::<R>(Method::GET, &format!("{PATH}/{}", definition.name), show);
}

#[derive(Serialize)]
struct IndexPage {
    shelves: Vec<ShelfView>,
    drawings: Vec<Drawing>,
    can_export: bool,
    can_schedule: bool,
}

#[derive(Serialize)]
struct ShelfView {
    label: &'static str,
    reports: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    title: &'static str,
    text: &'static str,
    href: String,
}

#[handler]
async fn index(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let shelves = Shelf::ALL.into_iter().map(|shelf| ShelfView {
        label: shelf.label(),
        reports: rules::visible(&user.by)
            .filter(|report| report.shelf == shelf)
            .map(|report| Entry {
                title: report.title,
                text: report.text,
                href: format!("{PATH}/{}", report.name),
            })
            .collect(),
    });
    let told = rules::told(user.tenant());
    let drawings = if user.by.require::<ViewAcquisition>().is_ok() {
        let days = sign_ups::days(None)?;
        let found =
            db.read_tenant(user.tenant(), async |tx| sign_ups::list(tx, user.tenant(), days).await).await?;
        sign_ups::charts(&found).iter().map(|chart| drawing(chart, &told)).collect()
    } else {
        Vec::new()
    };
    let view = IndexPage {
        shelves: shelves.filter(|shelf| !shelf.reports.is_empty()).collect(),
        drawings,
        can_export: user.by.require::<ExportReports>().is_ok(),
        can_schedule: user.by.require::<ScheduleReports>().is_ok(),
    };
    Ok(user.render("reports/index.html", say("Reports"), &view)?)
}

/// What a page's address asks for, as texts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    from: String,
    to: String,
    area_id: String,
    plan_id: String,
    staff_id: String,
    format: String,
}

impl Typed {
    fn pairs(&self) -> [(&'static str, &str); 5] {
        [
            ("from", &self.from),
            ("to", &self.to),
            ("area_id", &self.area_id),
            ("plan_id", &self.plan_id),
            ("staff_id", &self.staff_id),
        ]
    }

    fn question(&self) -> Result<Question> {
        let mut wrong = Vec::new();
        let mut day = |field: &'static str, text: &str| -> Option<NaiveDate> {
            if text.is_empty() {
                return None;
            }
            let parsed = text.parse().ok();
            if parsed.is_none() {
                wrong.push(FieldError::new(field, "not_a_date", "A day is written 2026-11-21."));
            }
            parsed
        };
        let (from, to) = (day("from", &self.from), day("to", &self.to));
        let mut id = |field: &'static str, text: &str| -> Option<Uuid> {
            if text.is_empty() {
                return None;
            }
            let parsed = text.parse().ok();
            if parsed.is_none() {
                wrong.push(FieldError::new(field, "unknown", "There is no such thing."));
            }
            parsed
        };
        let (area, plan, staff) =
            (id("area_id", &self.area_id), id("plan_id", &self.plan_id), id("staff_id", &self.staff_id));
        if wrong.is_empty() {
            Ok(Question { from, to, area, plan, staff })
        } else {
            Err(Error::Invalid(wrong))
        }
    }

    fn href(&self, path: &str, more: &[(&'static str, &str)]) -> String {
        let pairs = self.pairs().into_iter().chain(more.iter().copied());
        address(path, pairs.filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ReportPage {
    title: &'static str,
    text: &'static str,
    path: String,
    terms: Vec<Term>,
    from: String,
    to: String,
    days: String,
    zone: String,
    made: Moment,
    errors: Vec<String>,
    boxes: Vec<SelectBox>,
    presets: Vec<Preset>,
    csv_href: Option<String>,
    xlsx_href: Option<String>,
    schedule_href: Option<String>,
    report: Option<Shown>,
}

#[derive(Serialize)]
struct Term {
    word: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
struct SelectBox {
    name: &'static str,
    label: String,
    all: &'static str,
    value: String,
    options: Vec<Choice>,
}

#[derive(Serialize)]
struct Preset {
    label: &'static str,
    href: String,
    active: bool,
}

#[derive(Serialize)]
struct Shown {
    figures: Vec<FigureShown>,
    drawings: Vec<Drawing>,
    tables: Vec<TableShown>,
}

#[derive(Serialize)]
struct FigureShown {
    label: &'static str,
    value: String,
    changes: Vec<ChangeShown>,
}

#[derive(Serialize)]
struct ChangeShown {
    text: String,
    against: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct TableShown {
    key: &'static str,
    title: &'static str,
    note: String,
    columns: Vec<ColumnShown>,
    rows: Vec<RowShown>,
}

#[derive(Serialize)]
struct ColumnShown {
    label: &'static str,
    is_number: bool,
}

#[derive(Serialize)]
struct RowShown {
    href: Option<String>,
    cells: Vec<CellShown>,
}

#[derive(Serialize)]
struct CellShown {
    label: &'static str,
    text: String,
    is_number: bool,
}

impl FigureShown {
    fn of(figure: Figure, told: &Told) -> Self {
        let changes = figure.changes.into_iter().map(|change| match change.percent {
            None => ChangeShown { text: "–".into(), against: change.against, tone: "" },
            Some(percent) => {
                let (sign, tone) = match percent {
                    p if p.is_zero() => ("", ""),
                    p if p.is_sign_negative() => ("", "down"),
                    _ => ("+", "up"),
                };
                ChangeShown { text: format!("{sign}{percent} %"), against: change.against, tone }
            }
        });
        Self { label: figure.label, value: figure.value.shown(told), changes: changes.collect() }
    }
}

impl TableShown {
    fn of(table: Table, told: &Told) -> Self {
        let is_number = |kind: Kind| !matches!(kind, Kind::Text | Kind::Time);
        let rows = table.rows.iter().map(|line| RowShown {
            href: line.href.clone(),
            cells: line
                .cells
                .iter()
                .zip(table.columns)
                .map(|(value, column)| CellShown {
                    label: column.label,
                    text: value.shown(told),
                    is_number: is_number(column.kind),
                })
                .collect(),
        });
        Self {
            key: table.key,
            title: table.title,
            rows: rows.collect(),
            columns: table
                .columns
                .iter()
                .map(|column| ColumnShown { label: column.label, is_number: is_number(column.kind) })
                .collect(),
            note: table.note,
        }
    }
}

impl Shown {
    fn of(report: Report, told: &Told) -> Self {
        Self {
            figures: report.figures.into_iter().map(|figure| FigureShown::of(figure, told)).collect(),
            drawings: report.charts.iter().map(|chart| drawing(chart, told)).collect(),
            tables: report.tables.into_iter().map(|table| TableShown::of(table, told)).collect(),
        }
    }
}

fn presets(today: NaiveDate) -> [(&'static str, Range); 7] {
    let month = first_of_month(today);
    let last_month = month.checked_sub_months(Months::new(1)).unwrap_or(month);
    let new_year = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(today);
    let end_of_year = |year: i32| NaiveDate::from_ymd_opt(year, 12, 31).unwrap_or(today);
    let year = today.year();
    [
        (say("Today"), Range::day(today)),
        (say("Yesterday"), Range::day(today - Days::new(1))),
        ("30 days", Range { from: today - Days::new(29), to: today }),
        (say("This month"), Range { from: month, to: last_of_month(today) }),
        (say("Last month"), Range { from: last_month, to: last_of_month(last_month) }),
        (say("This year"), Range { from: new_year(year), to: end_of_year(year) }),
        (say("Last year"), Range { from: new_year(year - 1), to: end_of_year(year - 1) }),
    ]
}

fn boxes(user: &PageUser, definition: &Definition, typed: &Typed, choices: Choices) -> Vec<SelectBox> {
    let area_word = user.shell.brand.area_word.clone();
    let staff_word = definition.staff_word.to_owned();
    [
        ("area_id", area_word, say("All"), &typed.area_id, choices.areas),
        ("plan_id", say("Plan").to_owned(), say("All"), &typed.plan_id, choices.plans),
        ("staff_id", staff_word, say("Everybody"), &typed.staff_id, choices.staff),
    ]
    .into_iter()
    .filter(|(name, ..)| definition.narrows.iter().any(|narrow| narrow.field() == *name))
    .map(|(name, label, all, value, options)| SelectBox { name, label, all, value: value.clone(), options })
    .collect()
}

/// The question of an address, checked, and its report.
async fn answered(
    db: &Db,
    user: &PageUser,
    definition: &'static Definition,
    typed: &Typed,
) -> Result<(Asked, Report)> {
    let asked = rules::asked(user.tenant(), definition, &typed.question()?)?;
    let report = rules::make(db, user.tenant(), definition, &asked).await?;
    Ok((asked, report))
}

#[handler]
async fn show(
    user: PageUser,
    db: Data<&Db>,
    request: &Request,
    Query(typed): Query<Typed>,
) -> poem::Result<Response> {
    let path = request.original_uri().path();
    let definition = rules::get(path.rsplit('/').next().unwrap_or_default())?;
    let choices = db.read_tenant(user.tenant(), async |tx| rules::choices(tx, definition).await).await?;
    let told = rules::told(user.tenant());
    let now = Utc::now();
    let today = day_of(now, told.zone);
    let usual = definition.usual.range(today);
    let (status, errors, range, shown) = match answered(&db, &user, definition, &typed).await {
        Ok((asked, report)) => {
            (StatusCode::OK, Vec::new(), Some(asked.range), Some(Shown::of(report, &told)))
        }
        Err(Error::Invalid(wrong)) => {
            let errors = wrong.into_iter().map(|wrong| wrong.detail).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, errors, None, None)
        }
        Err(error) => return Err(error.into()),
    };
    let shown_range = range.unwrap_or(usual);
    let dated =
        |range: Range| Typed { from: range.from.to_string(), to: range.to.to_string(), ..typed.clone() };
    let file_href = |format: &str| dated(shown_range).href(&format!("{path}/export"), &[("format", format)]);
    let can_export = shown.is_some() && user.by.require::<ExportReports>().is_ok();
    let view = ReportPage {
        title: definition.title,
        text: definition.text,
        path: path.to_owned(),
        terms: definition.terms.iter().map(|(word, meaning)| Term { word, meaning }).collect(),
        from: range.map_or_else(|| typed.from.clone(), |range| range.from.to_string()),
        to: range.map_or_else(|| typed.to.clone(), |range| range.to.to_string()),
        days: shown_range.to_string(),
        zone: told.zone.name().to_owned(),
        made: Moment::at(now, told.zone),
        errors,
        boxes: boxes(&user, definition, &typed, choices),
        presets: presets(today)
            .into_iter()
            .map(|(label, range)| Preset {
                label,
                href: dated(range).href(path, &[]),
                active: range == shown_range,
            })
            .collect(),
        csv_href: can_export.then(|| file_href("csv")),
        xlsx_href: can_export.then(|| file_href("xlsx")),
        schedule_href: user
            .by
            .require::<ScheduleReports>()
            .is_ok()
            .then(|| address("/reports/schedules/new", [("report", definition.name)])),
        report: shown,
    };
    Ok(user.render_with(status, "reports/report.html", definition.title, &view)?)
}

#[handler]
async fn export(
    user: PageUser,
    db: Data<&Db>,
    Path(name): Path<String>,
    Query(typed): Query<Typed>,
) -> poem::Result<Response> {
    use poem::IntoResponse;
    let definition = rules::get(&name)?;
    rules::check_right(&user.by, definition)?;
    let asked = rules::asked(user.tenant(), definition, &typed.question()?)?;
    now_in_english();
    let as_file = (Format::of_page(&typed.format), Bom::With);
    let file = sheet::export(&db, &user.by, definition, &asked, as_file).await?;
    Ok(file.into_response())
}
