//! All SQL of visits.

use tokio_postgres::Row;

use super::model::{Kind, NewVisit, Span, Status, Visit, VisitFilter};
use crate::{
    db::TenantTx,
    error::Result,
    types::{CustomerId, InstallationId, StaffId, TicketId, VisitId},
};

const CLASHES_MAX: i64 = 5;

/// A visit `v` with the names of what it points at, as [`visit_of`] reads it.
macro_rules! select_visits {
    ($rest:literal) => {
        concat!(
            "SELECT v.id, v.kind, v.status, v.customer_id, c.first_name || ' ' || c.last_name, c.phone_primary, \
             concat_ws(', ', coalesce(i.street_address, c.street_address), a.name), v.installation_id, v.ticket_id, \
             v.technician_id, t.name, v.starts_at, v.ends_at, v.note, v.created_at, v.updated_at FROM visit v \
             JOIN customer c ON c.id = v.customer_id LEFT JOIN installation i ON i.id = v.installation_id \
             LEFT JOIN area a ON a.id = coalesce(i.area_id, c.area_id) LEFT JOIN staff t ON t.id = v.technician_id ",
            $rest
        )
    };
}

fn visit_of(row: &Row) -> Visit {
    Visit {
        id: row.get(0),
        kind: Kind::from_column(row.get(1)),
        status: Status::from_column(row.get(2)),
        customer: row.get(3),
        customer_name: row.get(4),
        phone: row.get(5),
        address: row.get(6),
        installation: row.get(7),
        ticket: row.get(8),
        technician: row.get(9),
        technician_name: row.get(10),
        span: Span { starts_at: row.get(11), ends_at: row.get(12) },
        note: row.get(13),
        created_at: row.get(14),
        updated_at: row.get(15),
    }
}

pub use crate::web::parts::TimeMark as After;

/// At most `rows` visits, the earliest first, after the mark.
pub async fn list(
    tx: &TenantTx,
    filter: &VisitFilter,
    after: Option<After>,
    rows: i64,
) -> Result<Vec<Visit>> {
    let sql = select_visits!(
        "WHERE ($1::uuid IS NULL OR v.technician_id = $1) AND ($2::uuid IS NULL OR v.customer_id = $2) \
         AND ($3::uuid IS NULL OR v.installation_id = $3) AND ($4::text IS NULL OR v.status = $4) \
         AND ($5::timestamptz IS NULL OR v.starts_at >= $5) AND ($6::timestamptz IS NULL OR v.starts_at < $6) \
         AND ($7::timestamptz IS NULL OR (v.starts_at, v.id) > ($7, $8::uuid)) \
         ORDER BY v.starts_at, v.id LIMIT $9"
    );
    let status = filter.status.map(Status::as_str);
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1));
    let found = tx
        .query(
            sql,
            &[
                &filter.technician,
                &filter.customer,
                &filter.installation,
                &status,
                &filter.from,
                &filter.until,
                &at,
                &id,
                &rows,
            ],
        )
        .await?;
    Ok(found.iter().map(visit_of).collect())
}

pub async fn find(tx: &TenantTx, id: VisitId) -> Result<Option<Visit>> {
    let row = tx.query_opt(select_visits!("WHERE v.id = $1"), &[&id]).await?;
    Ok(row.as_ref().map(visit_of))
}

/// Locks a visit against other changes.
pub async fn lock(tx: &TenantTx, id: VisitId) -> Result<Option<Visit>> {
    let row = tx.query_opt(select_visits!("WHERE v.id = $1 FOR UPDATE OF v"), &[&id]).await?;
    Ok(row.as_ref().map(visit_of))
}

/// Locks a technician's schedule: whoever plans for the same one waits, and then sees what was planned.
pub async fn hold_technician(tx: &TenantTx, id: StaffId) -> Result<()> {
    tx.query_opt("SELECT id FROM staff WHERE id = $1 FOR NO KEY UPDATE", &[&id]).await?;
    Ok(())
}

/// What a technician has planned at this time, but for one visit.
pub async fn clashes(
    tx: &TenantTx,
    technician: StaffId,
    span: Span,
    except: Option<VisitId>,
) -> Result<Vec<Visit>> {
    // No visit is longer than a day, so that the index gives all that may reach into the span.
    let sql = select_visits!(
        "WHERE v.technician_id = $1 AND v.status = 'planned' AND v.starts_at < $3 AND v.ends_at > $2 \
         AND v.starts_at > $2::timestamptz - interval '1 day' AND v.id IS DISTINCT FROM $4 \
         ORDER BY v.starts_at, v.id LIMIT $5"
    );
    let rows = tx.query(sql, &[&technician, &span.starts_at, &span.ends_at, &except, &CLASHES_MAX]).await?;
    Ok(rows.iter().map(visit_of).collect())
}

pub async fn insert(tx: &TenantTx, id: VisitId, new: &NewVisit) -> Result<()> {
    tx.execute(
        "INSERT INTO visit (id, kind, customer_id, installation_id, ticket_id, technician_id, starts_at, ends_at, note) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &id,
            &new.kind.as_str(),
            &new.customer,
            &new.installation,
            &new.ticket,
            &new.technician,
            &new.span.starts_at,
            &new.span.ends_at,
            &new.note,
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &TenantTx, visit: &Visit) -> Result<()> {
    tx.execute(
        "UPDATE visit SET kind = $2, status = $3, technician_id = $4, starts_at = $5, ends_at = $6, note = $7, \
         updated_at = now() WHERE id = $1",
        &[
            &visit.id,
            &visit.kind.as_str(),
            &visit.status.as_str(),
            &visit.technician,
            &visit.span.starts_at,
            &visit.span.ends_at,
            &visit.note,
        ],
    )
    .await?;
    Ok(())
}

/// Whose installation this is.
pub async fn owner_of(tx: &TenantTx, id: InstallationId) -> Result<Option<CustomerId>> {
    let row = tx.query_opt("SELECT customer_id FROM installation WHERE id = $1", &[&id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Whose ticket this is.
pub async fn owner_of_ticket(tx: &TenantTx, id: TicketId) -> Result<Option<CustomerId>> {
    let row = tx.query_opt("SELECT customer_id FROM ticket WHERE id = $1", &[&id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Holds a customer who is not deleted; false when there is none.
pub async fn hold_customer(tx: &TenantTx, id: CustomerId) -> Result<bool> {
    let row = tx
        .query_opt("SELECT id FROM customer WHERE id = $1 AND deleted_at IS NULL FOR SHARE", &[&id])
        .await?;
    Ok(row.is_some())
}

/// What a filter names that is not here.
pub async fn missing_of(tx: &TenantTx, filter: &VisitFilter) -> Result<Option<&'static str>> {
    let row = tx
        .query_one(
            "SELECT $1::uuid IS NULL OR EXISTS (SELECT FROM staff WHERE id = $1), \
             $2::uuid IS NULL OR EXISTS (SELECT FROM customer WHERE id = $2), \
             $3::uuid IS NULL OR EXISTS (SELECT FROM installation WHERE id = $3)",
            &[&filter.technician, &filter.customer, &filter.installation],
        )
        .await?;
    let whats = ["member of staff", "customer", "installation"];
    Ok(whats.into_iter().enumerate().find(|(at, _)| !row.get::<_, bool>(*at)).map(|(_, what)| what))
}
