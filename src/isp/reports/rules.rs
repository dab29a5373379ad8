//! Which reports there are, who may see them, and how one is made.

use chrono::{NaiveDate, Utc};
use uuid::Uuid;

use super::{
    acquisition, area_performance, behaviour, collection,
    definition::{Definition, Narrow},
    expiry, finance,
    model::{Report, Told},
    range::{Asked, Range, day_of},
    revenue, technicians, ticket_analysis,
};
use crate::{
    access::By,
    audit::Event,
    db::{Db, TenantTx},
    error::{Error, FieldError, Result},
    tenancy::Tenant,
    types::{AreaId, PlanId, StaffId},
    web::parts::Choice,
    words::say,
};

/// Every report, in the order of the index.
pub static CATALOGUE: [&Definition; 9] = [
    &collection::DEFINITION,
    &expiry::DEFINITION,
    &ticket_analysis::DEFINITION,
    &technicians::DEFINITION,
    &revenue::DEFINITION,
    &finance::DEFINITION,
    &behaviour::DEFINITION,
    &acquisition::DEFINITION,
    &area_performance::DEFINITION,
];

/// A select box holds so many.
const CHOICES: i64 = 1_000;

/// The report of this name, or 404.
pub fn get(name: &str) -> Result<&'static Definition> {
    CATALOGUE.into_iter().find(|report| report.name == name).ok_or(Error::not_found("report"))
}

/// Those that the caller may see.
pub fn visible(by: &By) -> impl Iterator<Item = &'static Definition> {
    CATALOGUE.into_iter().filter(|report| by.may(report.permission))
}

/// 403 unless the caller may see this report.
pub fn check_right(by: &By, report: &Definition) -> Result<()> {
    if by.may(report.permission) {
        return Ok(());
    }
    let right = report.permission;
    Err(Error::forbidden("forbidden", say!("This needs the right \"{}\" ({}).", right.label, right.code)))
}

/// What was asked for, before it is checked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub area: Option<Uuid>,
    pub plan: Option<Uuid>,
    pub staff: Option<Uuid>,
}

/// The question, with the days and what it is narrowed to. Names what the report cannot be narrowed by.
pub fn asked(tenant: &Tenant, report: &Definition, question: &Question) -> Result<Asked> {
    let zone = tenant.time_zone.0;
    let now = Utc::now();
    let range = Range::parse(question.from, question.to, report.usual.range(day_of(now, zone)))?;
    let narrowed = [
        ("area_id", Narrow::Area, question.area),
        ("plan_id", Narrow::Plan, question.plan),
        ("staff_id", Narrow::Staff, question.staff),
    ];
    let wrong: Vec<FieldError> = narrowed
        .iter()
        .filter(|(_, narrow, id)| id.is_some() && !report.narrows_by(*narrow))
        .map(|(field, _, _)| FieldError::new(*field, "not_used", "This report is not narrowed by that."))
        .collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    Ok(Asked {
        range,
        zone,
        now,
        area: question.area.map(AreaId),
        plan: question.plan.map(PlanId),
        staff: question.staff.map(StaffId),
    })
}

/// 422 on what is not of this tenant.
pub async fn check_narrowed(tx: &TenantTx, asked: &Asked) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT $1::uuid IS NULL OR EXISTS (SELECT FROM area WHERE id = $1), \
             $2::uuid IS NULL OR EXISTS (SELECT FROM plan WHERE id = $2), \
             $3::uuid IS NULL OR EXISTS (SELECT FROM staff WHERE id = $3)",
            &[&asked.area, &asked.plan, &asked.staff],
        )
        .await?;
    let known: [(bool, &'static str, &'static str); 3] = [
        (row.get(0), "area_id", "There is no such area."),
        (row.get(1), "plan_id", "There is no such plan."),
        (row.get(2), "staff_id", "There is no such person."),
    ];
    let wrong: Vec<FieldError> = known
        .into_iter()
        .filter(|(is_known, _, _)| !is_known)
        .map(|(_, field, detail)| FieldError::new(field, "unknown", detail))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// Makes a report, all of it as the books stood at one instant.
pub async fn make(db: &Db, tenant: &Tenant, report: &'static Definition, asked: &Asked) -> Result<Report> {
    db.read_tenant(tenant, async |tx| {
        tx.plan_for_each().await?;
        check_narrowed(tx, asked).await?;
        (report.make)(tx, asked).await
    })
    .await
}

/// Writes down that a report left the house.
pub async fn record_export(
    tx: &TenantTx,
    by: &By,
    report: &Definition,
    asked: &Asked,
    format: &str,
) -> Result<()> {
    let after = serde_json::json!({
        "report": report.name, "from": asked.range.from, "to": asked.range.to, "format": format,
        "area_id": asked.area, "plan_id": asked.plan, "staff_id": asked.staff,
    });
    let event = Event {
        action: "report.exported",
        object_type: "report",
        object_id: None,
        object_label: report.title,
        before: None,
        after: Some(after),
    };
    by.record(tx, event).await
}

pub fn told(tenant: &Tenant) -> Told {
    Told { currency: tenant.currency.clone(), zone: tenant.time_zone.0 }
}

/// What the select boxes of a report's filter hold.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    pub areas: Vec<Choice>,
    pub plans: Vec<Choice>,
    pub staff: Vec<Choice>,
}

pub async fn choices(tx: &TenantTx, report: &Definition) -> Result<Choices> {
    let mut choices = Choices::default();
    for narrow in report.narrows {
        let (sql, list) = match narrow {
            Narrow::Area => {
                ("SELECT id, name FROM area ORDER BY lower(name), id LIMIT $1", &mut choices.areas)
            }
            Narrow::Plan => {
                ("SELECT id, name FROM plan ORDER BY lower(name), id LIMIT $1", &mut choices.plans)
            }
            Narrow::Staff => {
                ("SELECT id, name FROM staff ORDER BY lower(name), id LIMIT $1", &mut choices.staff)
            }
        };
        let rows = tx.query(sql, &[&CHOICES]).await?;
        *list = rows.iter().map(|row| Choice::new(row.get::<_, Uuid>(0), row.get::<_, String>(1))).collect();
    }
    Ok(choices)
}
