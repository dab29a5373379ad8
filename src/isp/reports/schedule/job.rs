//! The standing job that makes what is due.

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::{
    model::{FileKind, Schedule},
    store::{self, NewFile},
};
use crate::{
    db::Db,
    error::Result,
    files,
    isp::reports::{range::Asked, rules, sheet},
    jobs::{Job, Next, Runner},
    sheets::Bom,
    tenancy::Tenant,
    web::sheet::Format,
};

pub const KIND: &str = "reports.schedule";
const PURPOSE: &str = "report";
/// What was made is kept so long.
/// While there are schedules the job looks at least so often: the provider's zone may change.
const LOOKS: Duration = Duration::hours(1);

/// Mounts the job.
pub fn handlers(runner: &mut Runner, db: &Db) {
    let db = db.clone();
    runner.stand(
        KIND,
        Arc::new(move |tenant: Tenant, _job: Job| {
            let db = db.clone();
            Box::pin(async move { run(&db, &tenant).await })
        }),
    );
}

async fn run(db: &Db, tenant: &Tenant) -> Result<Next> {
    let zone = tenant.time_zone.0;
    let schedules = db.read_tenant(tenant, async |tx| store::list(tx).await).await?;
    for schedule in &schedules {
        let Some(day) = schedule.due(Utc::now(), zone) else { continue };
        if let Err(error) = make(db, tenant, schedule, day).await {
            tracing::error!(tenant = %tenant.id(), report = schedule.draft.report.name, %error, "a report was not made");
            let said = error.detail();
            db.in_tenant(tenant, async |tx| store::write_failure(tx, schedule.id, &said).await).await?;
        }
    }
    let now = Utc::now();
    let active = schedules.iter().filter(|schedule| schedule.draft.is_active);
    let next = active.filter_map(|schedule| schedule.draft.rhythm.next(now, zone)).min();
    Ok(next.map_or(Next::Done, |next: DateTime<Utc>| Next::Again(next.min(now + LOOKS))))
}

/// Makes one occurrence. Who comes second finds it made.
async fn make(db: &Db, tenant: &Tenant, schedule: &Schedule, day: NaiveDate) -> Result<()> {
    let draft = &schedule.draft;
    let asked = Asked {
        range: draft.rhythm.range(day, draft.report.usual),
        zone: tenant.time_zone.0,
        now: Utc::now(),
        area: draft.area,
        plan: None,
        staff: None,
    };
    let (format, bom) = match draft.kind {
        FileKind::Csv => (Format::Csv, Bom::With),
        FileKind::Xlsx => (Format::Xlsx, Bom::Without),
    };
    let report = rules::make(db, tenant, draft.report, &asked).await?;
    let content = sheet::written(draft.report, &report, &asked, &rules::told(tenant), (format, bom)).await?;
    let name = sheet::file_name(draft.report, &asked, format);
    db.in_tenant(tenant, async |tx| {
        let Some(locked) = store::lock(tx, schedule.id).await? else { return Ok(()) };
        if locked.due(asked.now, asked.zone) != Some(day) || locked.stands_since != schedule.stands_since {
            return Ok(());
        }
        let file = files::keep(tx, tenant, PURPOSE, &name, format.media_type(), &content).await?;
        let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
        let new = NewFile { schedule: &locked, due_on: day, range: asked.range, file, name: &name, size };
        store::insert_file(tx, &new).await
    })
    .await
}
