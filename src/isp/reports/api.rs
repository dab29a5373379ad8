//! Reports as programs see them.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ExportReports, ViewAcquisition,
    definition::Definition,
    model::{self, Kind, Shape, valued},
    range::Asked,
    rules::{self, Question},
    sheet, sign_ups,
};
use crate::{
    access::{ApiUser, SignedIn},
    db::Db,
    error::Result,
    sheets::Bom,
    tenancy::Tenant,
    web::sheet::Format,
    web::{Download, Json},
};

#[derive(Tags)]
enum Tag {
    /// What the books say of any days.
    Reports,
}

/// A report of the catalogue.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportSummary")]
struct SummaryView {
    /// In its address.
    name: String,
    title: String,
    /// What it answers.
    text: String,
    /// What its words mean.
    terms: Vec<TermView>,
    /// The right that it needs.
    permission: String,
    /// What it can be narrowed by: `area_id`, `plan_id`, `staff_id`.
    narrowed_by: Vec<String>,
}

/// A word of a report and what it means.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportTerm")]
struct TermView {
    word: String,
    meaning: String,
}

/// The reports that the caller may see.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportIndex")]
pub struct IndexView {
    items: Vec<SummaryView>,
}

/// A report. Values are texts: amounts with two decimals, percents, hours and days with one, days as `2026-11-21`, instants in UTC; an
/// empty text is none.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Report")]
pub struct ReportView {
    name: String,
    title: String,
    from: NaiveDate,
    to: NaiveDate,
    time_zone: String,
    currency: String,
    /// The books as they stood then.
    made_at: DateTime<Utc>,
    terms: Vec<TermView>,
    figures: Vec<FigureView>,
    charts: Vec<ChartView>,
    tables: Vec<TableView>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportFigure")]
struct FigureView {
    key: String,
    label: String,
    value: String,
    kind: Kind,
    changes: Vec<ChangeView>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportChange")]
struct ChangeView {
    /// With what it is compared, in words.
    against: String,
    /// Null when there was nothing to compare with.
    #[oai(nullable)]
    percent: Option<String>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportChart")]
struct ChartView {
    key: String,
    title: String,
    shape: Shape,
    kind: Kind,
    labels: Vec<String>,
    series: Vec<SeriesView>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportSeries")]
struct SeriesView {
    name: String,
    /// One for each label.
    values: Vec<String>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportTable")]
struct TableView {
    key: String,
    title: String,
    /// What must be known to read it, such as that it was cut.
    note: String,
    columns: Vec<ColumnView>,
    /// One value for each column.
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportColumn")]
struct ColumnView {
    key: String,
    label: String,
    kind: Kind,
}

fn terms(report: &Definition) -> Vec<TermView> {
    let term = |(word, meaning): &(&str, &str)| TermView {
        word: (*word).to_owned(),
        meaning: (*meaning).to_owned(),
    };
    report.terms.iter().map(term).collect()
}

fn kind_of(value: &model::Value) -> Kind {
    match value {
        model::Value::Money(_) => Kind::Money,
        model::Value::Int(_) => Kind::Int,
        model::Value::Percent(_) => Kind::Percent,
        model::Value::Hours(_) => Kind::Hours,
        model::Value::Days(_) => Kind::Days,
        model::Value::Time(_) => Kind::Time,
        model::Value::Text(_) | model::Value::Nothing => Kind::Text,
    }
}

impl From<model::Figure> for FigureView {
    fn from(figure: model::Figure) -> Self {
        let changes = figure.changes.into_iter().map(|change| ChangeView {
            against: change.against,
            percent: change.percent.map(|percent| percent.to_string()),
        });
        Self {
            key: figure.key.to_owned(),
            label: figure.label.to_owned(),
            value: figure.value.wire(),
            kind: kind_of(&figure.value),
            changes: changes.collect(),
        }
    }
}

impl From<model::Chart> for ChartView {
    fn from(chart: model::Chart) -> Self {
        let series = chart.series.into_iter().map(|series| SeriesView {
            name: series.name,
            values: series.values.into_iter().map(|n| valued(chart.kind, n).wire()).collect(),
        });
        Self {
            key: chart.key.to_owned(),
            title: chart.title.to_owned(),
            shape: chart.shape,
            kind: chart.kind,
            labels: chart.labels,
            series: series.collect(),
        }
    }
}

impl From<model::Table> for TableView {
    fn from(table: model::Table) -> Self {
        let columns = table.columns.iter().map(|column| ColumnView {
            key: column.key.to_owned(),
            label: column.label.to_owned(),
            kind: column.kind,
        });
        Self {
            key: table.key.to_owned(),
            title: table.title.to_owned(),
            note: table.note,
            columns: columns.collect(),
            rows: table.rows.iter().map(|line| line.cells.iter().map(model::Value::wire).collect()).collect(),
        }
    }
}

fn view(tenant: &Tenant, definition: &Definition, asked: &Asked, report: model::Report) -> ReportView {
    ReportView {
        name: definition.name.to_owned(),
        title: definition.title.to_owned(),
        from: asked.range.from,
        to: asked.range.to,
        time_zone: asked.zone.name().to_owned(),
        currency: tenant.currency.clone(),
        made_at: asked.now,
        terms: terms(definition),
        figures: report.figures.into_iter().map(Into::into).collect(),
        charts: report.charts.into_iter().map(Into::into).collect(),
        tables: report.tables.into_iter().map(Into::into).collect(),
    }
}

/// Who joined on one day.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "UserSignups")]
pub struct SignUpsView {
    date: NaiveDate,
    /// Staff and subscribers together.
    count: i64,
    staff: i64,
    subscribers: i64,
}

/// Reports over the API.
pub struct ReportsApi {
    db: Db,
}

impl ReportsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Reports")]
impl ReportsApi {
    /// List the reports that the caller may see.
    #[oai(path = "/reports", method = "get")]
    async fn list_reports(&self, by: ApiUser<SignedIn>) -> Result<Json<IndexView>> {
        let items = rules::visible(&by).map(|report| SummaryView {
            name: report.name.to_owned(),
            title: report.title.to_owned(),
            text: report.text.to_owned(),
            terms: terms(report),
            permission: report.permission.code.to_owned(),
            narrowed_by: report.narrows.iter().map(|narrow| narrow.field().to_owned()).collect(),
        });
        Ok(Json(IndexView { items: items.collect() }))
    }

    /// Make a report.
    ///
    /// For the days from `from` to `to`, both in it, of the provider's zone: at most five years. Each report needs a right of its
    /// own; the list of reports names it, and what a report can be narrowed by.
    #[oai(path = "/reports/:name", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn get_report(
        &self,
        by: ApiUser<SignedIn>,
        name: Path<String>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
        area_id: Query<Option<Uuid>>,
        plan_id: Query<Option<Uuid>>,
        /// The cashier or technician.
        staff_id: Query<Option<Uuid>>,
    ) -> Result<Json<ReportView>> {
        let definition = rules::get(&name)?;
        rules::check_right(&by, definition)?;
        let question =
            Question { from: from.0, to: to.0, area: area_id.0, plan: plan_id.0, staff: staff_id.0 };
        let asked = rules::asked(&by.tenant, definition, &question)?;
        let report = rules::make(&self.db, &by.tenant, definition, &asked).await?;
        Ok(Json(view(&by.tenant, definition, &asked, report)))
    }

    /// Download a report as a file.
    ///
    /// Exactly what the report of the same question says. Needs the report's own right too.
    #[oai(path = "/reports/:name/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_report(
        &self,
        by: ApiUser<ExportReports>,
        name: Path<String>,
        format: Query<Format>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
        area_id: Query<Option<Uuid>>,
        plan_id: Query<Option<Uuid>>,
        staff_id: Query<Option<Uuid>>,
    ) -> Result<Download> {
        let definition = rules::get(&name)?;
        rules::check_right(&by, definition)?;
        let question =
            Question { from: from.0, to: to.0, area: area_id.0, plan: plan_id.0, staff: staff_id.0 };
        let asked = rules::asked(&by.tenant, definition, &question)?;
        sheet::export(&self.db, &by, definition, &asked, (format.0, Bom::Without)).await
    }

    /// Count who joined, day by day.
    ///
    /// Members of staff and subscribers that were added on each of the last `days` days and are still there, the oldest day first.
    #[oai(path = "/dashboard/user-signups", method = "get")]
    async fn list_user_signups(
        &self,
        by: ApiUser<ViewAcquisition>,
        /// 90 when it is left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "1826")))]
        days: Query<Option<i64>>,
    ) -> Result<Json<Vec<SignUpsView>>> {
        let days = sign_ups::days(days.0)?;
        let found =
            self.db.read_tenant(&by.tenant, async |tx| sign_ups::list(tx, &by.tenant, days).await).await?;
        let views = found.into_iter().map(|day| SignUpsView {
            date: day.date,
            count: day.staff + day.subscribers,
            staff: day.staff,
            subscribers: day.subscribers,
        });
        Ok(Json(views.collect()))
    }
}
