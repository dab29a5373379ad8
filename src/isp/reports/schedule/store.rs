//! All SQL of schedules and of what was made.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Draft, Every, FileKind, Rhythm, Schedule};
use crate::{
    db::TenantTx,
    error::Result,
    isp::reports::{range::Range, rules},
    types::{FileId, Limit, ReportFileId, ReportScheduleId},
};

/// A provider has at most so many schedules.
pub const SCHEDULES: i64 = 100;

macro_rules! columns {
    () => {
        "id, report, format, area_id, every, at_hour, weekday, month_day, is_active, stands_since, made_on, failure, \
         created_by_label, created_at"
    };
}

/// A schedule of a report that is there no more is left out.
fn schedule_of(row: &Row) -> Option<Schedule> {
    let part = |name: &str| row.get::<_, Option<i16>>(name).map(|n| u32::from(n.unsigned_abs()));
    let rhythm = Rhythm {
        every: Every::from_column(row.get("every")),
        hour: u32::from(row.get::<_, i16>("at_hour").unsigned_abs()),
        weekday: part("weekday"),
        month_day: part("month_day"),
    };
    let draft = Draft {
        report: rules::get(row.get("report")).ok()?,
        kind: FileKind::from_column(row.get("format")),
        area: row.get("area_id"),
        rhythm,
        is_active: row.get("is_active"),
    };
    Some(Schedule {
        id: row.get("id"),
        draft,
        stands_since: row.get("stands_since"),
        made_on: row.get("made_on"),
        failure: row.get("failure"),
        created_by: row.get("created_by_label"),
        created_at: row.get("created_at"),
    })
}

pub async fn list(tx: &TenantTx) -> Result<Vec<Schedule>> {
    let sql = concat!("SELECT ", columns!(), " FROM report_schedule ORDER BY created_at, id LIMIT $1");
    Ok(tx.query(sql, &[&SCHEDULES]).await?.iter().filter_map(schedule_of).collect())
}

pub async fn find(tx: &TenantTx, id: ReportScheduleId) -> Result<Option<Schedule>> {
    let sql = concat!("SELECT ", columns!(), " FROM report_schedule WHERE id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().and_then(schedule_of))
}

pub async fn lock(tx: &TenantTx, id: ReportScheduleId) -> Result<Option<Schedule>> {
    let sql = concat!("SELECT ", columns!(), " FROM report_schedule WHERE id = $1 FOR UPDATE");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().and_then(schedule_of))
}

fn small(n: u32) -> i16 {
    i16::try_from(n).unwrap_or(i16::MAX)
}

pub async fn insert(tx: &TenantTx, id: ReportScheduleId, draft: &Draft, by: &str) -> Result<()> {
    let rhythm = draft.rhythm;
    tx.execute(
        "INSERT INTO report_schedule (id, report, format, area_id, every, at_hour, weekday, month_day, is_active, \
         created_by_label) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &id,
            &draft.report.name,
            &draft.kind.as_str(),
            &draft.area,
            &rhythm.every.as_str(),
            &small(rhythm.hour),
            &rhythm.weekday.map(small),
            &rhythm.month_day.map(small),
            &draft.is_active,
            &by,
        ],
    )
    .await?;
    Ok(())
}

/// From now on it stands as it is written.
pub async fn update(tx: &TenantTx, id: ReportScheduleId, draft: &Draft) -> Result<()> {
    let rhythm = draft.rhythm;
    tx.execute(
        "UPDATE report_schedule SET report = $2, format = $3, area_id = $4, every = $5, at_hour = $6, weekday = $7, \
         month_day = $8, is_active = $9, stands_since = now(), failure = NULL, updated_at = now() WHERE id = $1",
        &[
            &id,
            &draft.report.name,
            &draft.kind.as_str(),
            &draft.area,
            &rhythm.every.as_str(),
            &small(rhythm.hour),
            &rhythm.weekday.map(small),
            &rhythm.month_day.map(small),
            &draft.is_active,
        ],
    )
    .await?;
    Ok(())
}

pub async fn delete(tx: &TenantTx, id: ReportScheduleId) -> Result<()> {
    tx.execute("DELETE FROM report_schedule WHERE id = $1", &[&id]).await?;
    Ok(())
}

pub async fn is_area(tx: &TenantTx, draft: &Draft) -> Result<bool> {
    let row = tx
        .query_one("SELECT $1::uuid IS NULL OR EXISTS (SELECT FROM area WHERE id = $1)", &[&draft.area])
        .await?;
    Ok(row.get(0))
}

pub async fn count(tx: &TenantTx) -> Result<i64> {
    Ok(tx.query_one("SELECT count(*) FROM report_schedule", &[]).await?.get(0))
}

pub async fn write_failure(tx: &TenantTx, id: ReportScheduleId, failure: &str) -> Result<()> {
    tx.execute("UPDATE report_schedule SET failure = $2 WHERE id = $1", &[&id, &failure]).await?;
    Ok(())
}

/// What was made, before it is kept.
pub struct NewFile<'a> {
    pub schedule: &'a Schedule,
    pub due_on: NaiveDate,
    pub range: Range,
    pub file: FileId,
    pub name: &'a str,
    pub size: i64,
}

/// Writes down that an occurrence was made.
pub async fn insert_file(tx: &TenantTx, new: &NewFile<'_>) -> Result<()> {
    let report = new.schedule.draft.report.name;
    tx.execute(
        "INSERT INTO report_file (id, schedule_id, due_on, report, from_on, to_on, file_id, file_name, size_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &ReportFileId::new(),
            &new.schedule.id,
            &new.due_on,
            &report,
            &new.range.from,
            &new.range.to,
            &new.file,
            &new.name,
            &new.size,
        ],
    )
    .await?;
    tx.execute(
        "UPDATE report_schedule SET made_on = $2, failure = NULL WHERE id = $1",
        &[&new.schedule.id, &new.due_on],
    )
    .await?;
    Ok(())
}

/// A file that was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub id: ReportFileId,
    pub report: String,
    pub range: Range,
    pub file: FileId,
    pub name: String,
    pub size: i64,
    pub made_at: DateTime<Utc>,
}

fn made_of(row: &Row) -> Made {
    Made {
        id: row.get(0),
        report: row.get(1),
        range: Range { from: row.get(2), to: row.get(3) },
        file: row.get(4),
        name: row.get(5),
        size: row.get(6),
        made_at: row.get(7),
    }
}

/// Where a list of files goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    pub micros: i64,
    pub id: Uuid,
}

/// What was made of these reports, the newest first.
pub async fn list_files(
    tx: &TenantTx,
    reports: &[&str],
    mark: Option<&FileMark>,
    limit: Limit,
) -> Result<Vec<Made>> {
    let at = mark.map(|mark| DateTime::from_timestamp_micros(mark.micros).unwrap_or_default());
    let id = mark.map(|mark| mark.id);
    let rows = tx
        .query(
            "SELECT id, report, from_on, to_on, file_id, file_name, size_bytes, made_at FROM report_file \
             WHERE report = ANY($1) AND ($3::uuid IS NULL OR (made_at, id) < ($2, $3)) \
             ORDER BY made_at DESC, id DESC LIMIT $4",
            &[&reports, &at, &id, &limit.and_one()],
        )
        .await?;
    Ok(rows.iter().map(made_of).collect())
}

pub async fn find_file(tx: &TenantTx, id: ReportFileId) -> Result<Option<Made>> {
    let row = tx
        .query_opt(
            "SELECT id, report, from_on, to_on, file_id, file_name, size_bytes, made_at FROM report_file WHERE id = $1",
            &[&id],
        )
        .await?;
    Ok(row.as_ref().map(made_of))
}

/// How much was made before, counted to `at_most`.
pub async fn count_files(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM (SELECT FROM report_file WHERE made_at < $1 LIMIT $2) old";
    Ok(tx.query_one(sql, &[&before, &at_most]).await?.get(0))
}

/// Forgets what was made before; their files are still to go.
pub async fn delete_files(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<Vec<FileId>> {
    let rows = tx
        .query(
            "DELETE FROM report_file WHERE id IN (SELECT id FROM report_file WHERE made_at < $1 ORDER BY made_at LIMIT $2) \
             RETURNING file_id",
            &[&before, &at_most],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
