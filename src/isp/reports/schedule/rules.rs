//! What may be done with schedules and with what was made.

use chrono::{DateTime, Utc};

use super::{
    job,
    model::{Draft, Schedule},
    store::{self, FileMark, Made},
};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    files::{self, File},
    isp::reports::{ScheduleReports, rules},
    jobs,
    types::{Limit, ReportFileId, ReportScheduleId},
};

/// The schedules of reports that the caller may see.
pub async fn list(tx: &TenantTx, by: &By) -> Result<Vec<Schedule>> {
    let mut schedules = store::list(tx).await?;
    schedules.retain(|schedule| by.may(schedule.draft.report.permission));
    Ok(schedules)
}

/// A schedule of a report that the caller may not see is not there for the caller.
pub async fn get(tx: &TenantTx, by: &By, id: ReportScheduleId) -> Result<Schedule> {
    let found = store::find(tx, id).await?.filter(|one| by.may(one.draft.report.permission));
    found.ok_or(Error::not_found("schedule"))
}

async fn lock(tx: &TenantTx, by: &By, id: ReportScheduleId) -> Result<Schedule> {
    let found = store::lock(tx, id).await?.filter(|one| by.may(one.draft.report.permission));
    found.ok_or(Error::not_found("schedule"))
}

fn event<'a>(action: &'static str, id: ReportScheduleId, label: &'a str) -> Event<'a> {
    Event {
        action,
        object_type: "report_schedule",
        object_id: Some(id.0),
        object_label: label,
        before: None,
        after: None,
    }
}

async fn check(tx: &TenantTx, by: &By, draft: &Draft) -> Result<()> {
    by.require::<ScheduleReports>()?;
    rules::check_right(by, draft.report)?;
    if store::is_area(tx, draft).await? {
        return Ok(());
    }
    Err(Error::invalid("area_id", "unknown", "There is no such area."))
}

/// Wakes the job in time for the next occurrence.
async fn call(tx: &TenantTx, by: &By, draft: &Draft) -> Result<()> {
    match draft.rhythm.next(Utc::now(), by.tenant.time_zone.0) {
        Some(next) if draft.is_active => jobs::call_at(tx, job::KIND, next).await,
        _ => Ok(()),
    }
}

/// Adds a schedule: its first occurrence is the next one.
pub async fn create(tx: &TenantTx, by: &By, draft: &Draft) -> Result<Schedule> {
    check(tx, by, draft).await?;
    if store::count(tx).await? >= store::SCHEDULES {
        return Err(Error::conflict("too_many", "There are 100 schedules already."));
    }
    let id = ReportScheduleId::new();
    store::insert(tx, id, draft, &by.actor.label).await?;
    let told =
        Event { after: Some(draft.said()), ..event("report_schedule.created", id, draft.report.title) };
    by.record(tx, told).await?;
    call(tx, by, draft).await?;
    get(tx, by, id).await
}

/// Changes a schedule; from now on it stands so.
pub async fn change(
    tx: &TenantTx,
    by: &By,
    id: ReportScheduleId,
    wanted: impl FnOnce(&Draft) -> Result<Draft>,
) -> Result<Schedule> {
    let was = lock(tx, by, id).await?;
    let draft = wanted(&was.draft)?;
    check(tx, by, &draft).await?;
    let (before, after) = changes(&was.draft.said(), &draft.said());
    if after.is_none() {
        return Ok(was);
    }
    store::update(tx, id, &draft).await?;
    by.record(tx, Event { before, after, ..event("report_schedule.updated", id, draft.report.title) })
        .await?;
    call(tx, by, &draft).await?;
    get(tx, by, id).await
}

/// Deletes a schedule. What was made of it stays until its time is over.
pub async fn remove(tx: &TenantTx, by: &By, id: ReportScheduleId) -> Result<()> {
    let was = lock(tx, by, id).await?;
    store::delete(tx, id).await?;
    let before = Some(was.draft.said());
    by.record(tx, Event { before, ..event("report_schedule.deleted", id, was.draft.report.title) }).await
}

/// What was made of the reports that the caller may see, and whether there is more.
pub async fn list_files(
    tx: &TenantTx,
    by: &By,
    mark: Option<&FileMark>,
    limit: Limit,
) -> Result<(Vec<Made>, bool)> {
    let reports: Vec<&str> = rules::visible(by).map(|report| report.name).collect();
    let mut made = store::list_files(tx, &reports, mark, limit).await?;
    let more = limit.cut(&mut made);
    Ok((made, more))
}

/// A file that was made, with its bytes.
pub async fn file(tx: &TenantTx, by: &By, id: ReportFileId) -> Result<File> {
    let made = store::find_file(tx, id)
        .await?
        .filter(|made| rules::get(&made.report).is_ok_and(|report| by.may(report.permission)));
    let made = made.ok_or(Error::not_found("file"))?;
    files::get(tx, made.file).await
}

/// How many files were made before, counted to `at_most`.
pub async fn count_files_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<i64> {
    store::count_files(tx, before, at_most).await
}

/// Forgets at most so many files that were made before.
pub async fn forget_files_before(tx: &TenantTx, before: DateTime<Utc>, at_most: i64) -> Result<u64> {
    let gone = store::delete_files(tx, before, at_most).await?;
    for file in &gone {
        files::forget(tx, *file).await?;
    }
    Ok(u64::try_from(gone.len()).unwrap_or_default())
}
