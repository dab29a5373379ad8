//! Schedules and what was made of them, as programs see them.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    model::{Draft, Every, FileKind, Schedule},
    rules,
    store::{FileMark, Made},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::reports::{ExportReports, ScheduleReports},
    types::{Cursor, Limit, ReportFileId, ReportScheduleId},
    web::sheet::Format,
    web::typed::Typed,
    web::{Body, Created, Download, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// What the books say of any days.
    Reports,
}

/// A report that is made by itself.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportSchedule")]
pub struct ScheduleView {
    id: Uuid,
    report: String,
    format: FileKind,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    every: Every,
    /// On the provider's clocks.
    at_hour: u32,
    /// Monday is 1; of a weekly one.
    #[oai(nullable)]
    weekday: Option<u32>,
    /// Of a monthly one.
    #[oai(nullable)]
    month_day: Option<u32>,
    is_active: bool,
    /// Null while it is switched off.
    #[oai(nullable)]
    next_at: Option<DateTime<Utc>>,
    /// The day of the last occurrence that was made.
    #[oai(nullable)]
    made_on: Option<NaiveDate>,
    /// Why the last occurrence was not made.
    #[oai(nullable)]
    failure: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl ScheduleView {
    fn of(schedule: Schedule, zone: chrono_tz::Tz) -> Self {
        let Schedule { id, draft, made_on, failure, created_by, created_at, .. } = schedule;
        let next = draft.rhythm.next(Utc::now(), zone);
        Self {
            id: id.0,
            report: draft.report.name.to_owned(),
            format: draft.kind,
            area_id: draft.area.map(|area| area.0),
            every: draft.rhythm.every,
            at_hour: draft.rhythm.hour,
            weekday: draft.rhythm.weekday,
            month_day: draft.rhythm.month_day,
            is_active: draft.is_active,
            next_at: next.filter(|_| draft.is_active),
            made_on,
            failure,
            created_by,
            created_at,
        }
    }
}

/// The schedules of reports that the caller may see.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportScheduleList")]
pub struct ScheduleList {
    items: Vec<ScheduleView>,
}

/// A new schedule.
#[derive(Debug, Object)]
#[oai(rename = "NewReportSchedule")]
pub struct NewScheduleBody {
    /// The name of a report.
    #[oai(validator(min_length = 1, max_length = 60))]
    report: String,
    format: FileKind,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    every: Every,
    #[oai(validator(minimum(value = "0"), maximum(value = "23")))]
    at_hour: i32,
    /// Monday is 1; a weekly one needs it.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "7")))]
    weekday: Option<i32>,
    /// A monthly one needs it.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "28")))]
    month_day: Option<i32>,
    /// True unless said otherwise.
    #[oai(nullable)]
    is_active: Option<bool>,
}

fn ticked(is_active: bool) -> &'static str {
    if is_active { "true" } else { "" }
}

impl NewScheduleBody {
    fn typed(&self) -> Typed {
        Typed::default()
            .with("report", &self.report)
            .with("format", self.format.as_str())
            .with_option("area_id", self.area_id)
            .with("every", self.every.as_str())
            .with("at_hour", self.at_hour)
            .with_option("weekday", self.weekday)
            .with_option("month_day", self.month_day)
            .with("is_active", ticked(self.is_active.unwrap_or(true)))
    }
}

/// Changes of a schedule; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReportScheduleChanges")]
pub struct ScheduleChangesBody {
    format: Option<FileKind>,
    #[oai(nullable)]
    area_id: MaybeUndefined<Uuid>,
    every: Option<Every>,
    #[oai(validator(minimum(value = "0"), maximum(value = "23")))]
    at_hour: Option<i32>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "7")))]
    weekday: MaybeUndefined<i32>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "28")))]
    month_day: MaybeUndefined<i32>,
    is_active: Option<bool>,
}

impl ScheduleChangesBody {
    fn over(&self, was: &Draft) -> Typed {
        was.typed()
            .over_some("format", self.format.map(FileKind::as_str))
            .over("area_id", &self.area_id)
            .over_some("every", self.every.map(Every::as_str))
            .over_some("at_hour", self.at_hour)
            .over("weekday", &self.weekday)
            .over("month_day", &self.month_day)
            .over_some("is_active", self.is_active.map(ticked))
    }
}

/// Schedules over the API.
pub struct ReportSchedulesApi {
    db: Db,
}

impl ReportSchedulesApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Reports")]
impl ReportSchedulesApi {
    /// List schedules.
    #[oai(path = "/report-schedules", method = "get")]
    async fn list_report_schedules(&self, by: ApiUser<ScheduleReports>) -> Result<Json<ScheduleList>> {
        let zone = by.tenant.time_zone.0;
        let found = self.db.read_tenant(&by.tenant, async |tx| rules::list(tx, &by).await).await?;
        let items = found.into_iter().map(|one| ScheduleView::of(one, zone)).collect();
        Ok(Json(ScheduleList { items }))
    }

    /// Have a report made by itself.
    ///
    /// Daily it tells of the day before, weekly of the seven days before, monthly of the month before; subscription expiry keeps
    /// its own days. Needs the report's own right.
    #[oai(path = "/report-schedules", method = "post")]
    async fn create_report_schedule(
        &self,
        by: ApiUser<ScheduleReports>,
        body: Body<NewScheduleBody>,
    ) -> Result<Created<ScheduleView>> {
        let draft = Draft::parse(&body.0.typed())?;
        let made = self.db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &draft).await).await?;
        Ok(Created(ScheduleView::of(made, by.tenant.time_zone.0)))
    }

    /// Show a schedule.
    #[oai(path = "/report-schedules/:id", method = "get")]
    async fn get_report_schedule(
        &self,
        by: ApiUser<ScheduleReports>,
        id: Path<Uuid>,
    ) -> Result<Json<ScheduleView>> {
        let id = ReportScheduleId(id.0);
        let found = self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, &by, id).await).await?;
        Ok(Json(ScheduleView::of(found, by.tenant.time_zone.0)))
    }

    /// Change a schedule.
    ///
    /// From now on it stands so: what would have been due before is not made.
    #[oai(path = "/report-schedules/:id", method = "patch")]
    async fn update_report_schedule(
        &self,
        by: ApiUser<ScheduleReports>,
        id: Path<Uuid>,
        body: Body<ScheduleChangesBody>,
    ) -> Result<Json<ScheduleView>> {
        let (id, body) = (ReportScheduleId(id.0), &body.0);
        let changed = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, |was| Draft::parse(&body.over(was))).await
            })
            .await?;
        Ok(Json(ScheduleView::of(changed, by.tenant.time_zone.0)))
    }

    /// Delete a schedule.
    ///
    /// The files that were made stay until they are 90 days old.
    #[oai(path = "/report-schedules/:id", method = "delete")]
    async fn delete_report_schedule(
        &self,
        by: ApiUser<ScheduleReports>,
        id: Path<Uuid>,
    ) -> Result<NoContent> {
        let id = ReportScheduleId(id.0);
        self.db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, id).await).await?;
        Ok(NoContent)
    }
}

/// A report that was made on a schedule.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportFile")]
pub struct FileView {
    id: Uuid,
    report: String,
    from: NaiveDate,
    to: NaiveDate,
    file_name: String,
    size_bytes: i64,
    made_at: DateTime<Utc>,
}

impl From<Made> for FileView {
    fn from(made: Made) -> Self {
        Self {
            id: made.id.0,
            report: made.report,
            from: made.range.from,
            to: made.range.to,
            file_name: made.name,
            size_bytes: made.size,
            made_at: made.made_at,
        }
    }
}

/// One page of files.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ReportFileList")]
pub struct FileList {
    items: Vec<FileView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// Files over the API.
pub struct ReportFilesApi {
    db: Db,
}

impl ReportFilesApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Reports")]
impl ReportFilesApi {
    /// List the files that were made, the newest first.
    #[oai(path = "/report-files", method = "get")]
    async fn list_report_files(
        &self,
        by: ApiUser<ExportReports>,
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<FileList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(mark_of).transpose()?;
        let (made, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| rules::list_files(tx, &by, mark.as_ref(), limit).await)
            .await?;
        let next_cursor = made.last().filter(|_| more).map(next_of).transpose()?;
        Ok(Json(FileList { items: made.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Download a file that was made.
    #[oai(path = "/report-files/:id/content", method = "get")]
    async fn get_report_file_content(&self, by: ApiUser<ExportReports>, id: Path<Uuid>) -> Result<Download> {
        let id = ReportFileId(id.0);
        download(&self.db, &by, id).await
    }
}

/// A file as it is sent.
pub async fn download(db: &Db, by: &crate::access::By, id: ReportFileId) -> Result<Download> {
    let file = db.read_tenant(&by.tenant, async |tx| rules::file(tx, by, id).await).await?;
    let format = if file.name.ends_with(".xlsx") { Format::Xlsx } else { Format::Csv };
    Ok(Download { media_type: format.media_type(), file_name: file.name, content: file.content })
}

/// What PostgreSQL and chrono both keep: 1970 to 9999.
const MICROS: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999_999;

pub fn mark_of(cursor: &str) -> Result<FileMark> {
    let mark = Cursor::<FileMark>::decode(cursor)?.0;
    if MICROS.contains(&mark.micros) {
        return Ok(mark);
    }
    Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
}

pub fn next_of(made: &Made) -> Result<String> {
    Cursor(FileMark { micros: made.made_at.timestamp_micros(), id: made.id.0 }).encode()
}
