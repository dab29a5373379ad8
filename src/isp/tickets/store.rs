//! All SQL of tickets, but for the lists and what is said on them.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{
    choices::{Category, Priority, Source, Status},
    clock::Clock,
    model::{Assignee, Concerned, Draft, Ticket},
};
use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::node::Node,
    types::{AreaId, CustomerId, InstallationId, NapId, OutageId, StaffId, TicketId, VisitId},
};

/// A select box holds so many people.
const STAFF_MAX: i64 = 500;
/// A customer has few installations; so many are read.
const INSTALLATIONS_MAX: i64 = 50;

/// The columns of a ticket, in the order in which [`ticket_of`] reads them.
macro_rules! columns {
    () => {
        "t.id, t.number, t.customer_id, c.first_name || ' ' || c.last_name, c.phone_primary, c.area_id, t.installation_id, \
         t.title, t.description, t.category, t.priority, t.status, t.source, t.lcp_id, t.splitter_id, t.nap_id, \
         coalesce(n.code, s.code, l.code), t.outage_id, o.number, t.reported_by, t.reported_by_label, t.assigned_to, a.name, \
         t.waited_seconds, t.waiting_since, t.resolved_at, t.resolution_notes, t.merged_into, t.created_at, t.updated_at"
    };
}
macro_rules! joined {
    () => {
        " FROM ticket t JOIN customer c ON c.id = t.customer_id LEFT JOIN staff a ON a.id = t.assigned_to \
         LEFT JOIN outage o ON o.id = t.outage_id LEFT JOIN lcp l ON l.id = t.lcp_id \
         LEFT JOIN splitter s ON s.id = t.splitter_id LEFT JOIN nap n ON n.id = t.nap_id "
    };
}
pub(super) use {columns, joined};

pub(super) fn ticket_of(row: &Row) -> Ticket {
    let assignee = row.get::<_, Option<StaffId>>(21).zip(row.get::<_, Option<String>>(22));
    Ticket {
        id: row.get(0),
        number: row.get(1),
        customer: Concerned { id: row.get(2), name: row.get(3), phone: row.get(4), area_id: row.get(5) },
        installation_id: row.get(6),
        title: row.get(7),
        description: row.get(8),
        category: Category::from_column(row.get(9)),
        priority: Priority::from_column(row.get(10)),
        status: Status::from_column(row.get(11)),
        source: Source::from_column(row.get(12)),
        node: Node::of_columns(row.get(13), row.get(14), row.get(15)),
        node_label: row.get(16),
        outage: row.get::<_, Option<OutageId>>(17).zip(row.get::<_, Option<String>>(18)),
        reported_by: row.get(19),
        reported_by_label: row.get(20),
        assignee: assignee.map(|(id, name)| Assignee { id, name }),
        waited_seconds: row.get(23),
        waiting_since: row.get(24),
        resolved_at: row.get(25),
        resolution_notes: row.get(26),
        merged_into: row.get(27),
        created_at: row.get(28),
        updated_at: row.get(29),
    }
}

pub async fn find(tx: &TenantTx, id: TicketId) -> Result<Option<Ticket>> {
    let sql = concat!("SELECT ", columns!(), joined!(), "WHERE t.id = $1");
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(ticket_of))
}

/// Locks a ticket against other changes.
pub async fn lock(tx: &TenantTx, id: TicketId) -> Result<Option<Ticket>> {
    Ok(lock_many(tx, &[id]).await?.pop())
}

/// Locks these tickets, in the order of their ids. They are read after that: what a statement that waited for a lock has joined
/// is from before it waited.
pub async fn lock_many(tx: &TenantTx, ids: &[TicketId]) -> Result<Vec<Ticket>> {
    tx.query("SELECT id FROM ticket WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    let sql = concat!("SELECT ", columns!(), joined!(), "WHERE t.id = ANY($1) ORDER BY t.id");
    Ok(tx.query(sql, &[&ids]).await?.iter().map(ticket_of).collect())
}

/// A ticket that is about to be.
pub struct New<'a> {
    pub id: TicketId,
    pub number: &'a str,
    pub customer: CustomerId,
    pub draft: &'a Draft,
    pub status: Status,
    pub assigned_to: Option<StaffId>,
    pub outage: Option<OutageId>,
    pub reported_by: Option<StaffId>,
    pub reported_by_label: &'a str,
    pub clock: Clock,
}

pub async fn insert(tx: &TenantTx, new: &New<'_>) -> Result<()> {
    let draft = new.draft;
    tx.execute(
        "INSERT INTO ticket (id, number, customer_id, installation_id, title, description, category, priority, status, \
         source, lcp_id, splitter_id, nap_id, outage_id, reported_by, reported_by_label, assigned_to, sla_due_at, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)",
        &[
            &new.id,
            &new.number,
            &new.customer,
            &draft.installation_id,
            &draft.title,
            &draft.description,
            &draft.category.as_str(),
            &draft.priority.as_str(),
            &new.status.as_str(),
            &draft.source.as_str(),
            &draft.node.and_then(Node::lcp),
            &draft.node.and_then(Node::splitter),
            &draft.node.and_then(Node::nap),
            &new.outage,
            &new.reported_by,
            &new.reported_by_label,
            &new.assigned_to,
            &new.clock.due_at(),
            &new.clock.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// Writes what can be edited, and the promise that goes with the priority.
pub async fn update(tx: &TenantTx, id: TicketId, draft: &Draft, due_at: DateTime<Utc>) -> Result<()> {
    tx.execute(
        "UPDATE ticket SET title = $2, description = $3, category = $4, priority = $5, source = $6, installation_id = $7, \
         lcp_id = $8, splitter_id = $9, nap_id = $10, sla_due_at = $11, updated_at = now() WHERE id = $1",
        &[
            &id,
            &draft.title,
            &draft.description,
            &draft.category.as_str(),
            &draft.priority.as_str(),
            &draft.source.as_str(),
            &draft.installation_id,
            &draft.node.and_then(Node::lcp),
            &draft.node.and_then(Node::splitter),
            &draft.node.and_then(Node::nap),
            &due_at,
        ],
    )
    .await?;
    Ok(())
}

/// How a ticket stands.
pub struct Standing<'a> {
    pub status: Status,
    pub assigned_to: Option<StaffId>,
    pub clock: Clock,
    pub resolution_notes: Option<&'a str>,
    pub merged_into: Option<TicketId>,
}

pub async fn update_standing(tx: &TenantTx, id: TicketId, standing: &Standing<'_>) -> Result<()> {
    let since = standing.clock.standing_since;
    let waiting_since = since.filter(|_| standing.status == Status::Waiting);
    let resolved_at = since.filter(|_| standing.status == Status::Resolved);
    tx.execute(
        "UPDATE ticket SET status = $2, assigned_to = $3, sla_due_at = $4, waited_seconds = $5, waiting_since = $6, \
         resolved_at = $7, resolution_notes = $8, merged_into = $9, updated_at = now() WHERE id = $1",
        &[
            &id,
            &standing.status.as_str(),
            &standing.assigned_to,
            &standing.clock.due_at(),
            &standing.clock.waited_seconds,
            &waiting_since,
            &resolved_at,
            &standing.resolution_notes,
            &standing.merged_into,
        ],
    )
    .await?;
    Ok(())
}

/// Those who were merged into `from` now lead to `to`.
pub async fn redirect_merged(tx: &TenantTx, from: TicketId, to: TicketId) -> Result<()> {
    tx.execute("UPDATE ticket SET merged_into = $2 WHERE merged_into = $1", &[&from, &to]).await?;
    Ok(())
}

/// The same for what is about to be written of them: they are neither deleted nor merged meanwhile.
pub async fn hold_customer(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL FOR KEY SHARE",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// The name of a customer who is not deleted.
pub async fn find_customer(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// An installation as a ticket's form offers it.
#[derive(Debug, Clone)]
pub struct Place {
    pub id: InstallationId,
    pub status: String,
    pub nap: Option<(NapId, String)>,
    pub port: Option<i16>,
    pub address: Option<String>,
}

/// The installations of a customer, newest first.
pub async fn find_places(tx: &TenantTx, customer: CustomerId) -> Result<Vec<Place>> {
    let rows = tx
        .query(
            "SELECT i.id, i.status, i.nap_id, n.code, i.nap_port, i.street_address FROM installation i \
             LEFT JOIN nap n ON n.id = i.nap_id WHERE i.customer_id = $1 ORDER BY i.created_at DESC, i.id DESC LIMIT $2",
            &[&customer, &INSTALLATIONS_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Place {
            id: row.get(0),
            status: row.get(1),
            nap: row.get::<_, Option<NapId>>(2).zip(row.get::<_, Option<String>>(3)),
            port: row.get(4),
            address: row.get(5),
        })
        .collect())
}

/// The outage that hits this installation, or any of the customer's, right now.
pub async fn find_outage(
    tx: &TenantTx,
    customer: CustomerId,
    installation: Option<InstallationId>,
) -> Result<Option<OutageId>> {
    let row = tx
        .query_opt(
            "SELECT o.id FROM outage_subscriber h JOIN outage o ON o.id = h.outage_id WHERE h.customer_id = $1 \
             AND ($2::uuid IS NULL OR h.installation_id = $2) AND o.status = 'down' ORDER BY o.started_at, o.id LIMIT 1",
            &[&customer, &installation],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// The name of a member of staff who is active.
pub async fn find_active_staff(tx: &TenantTx, id: StaffId) -> Result<Option<String>> {
    let row = tx.query_opt("SELECT name FROM staff WHERE id = $1 AND is_active", &[&id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Active staff by name, for select boxes.
pub async fn find_staff(tx: &TenantTx) -> Result<Vec<Assignee>> {
    let rows = tx
        .query("SELECT id, name FROM staff WHERE is_active ORDER BY lower(name), id LIMIT $1", &[&STAFF_MAX])
        .await?;
    Ok(rows.iter().map(|row| Assignee { id: row.get(0), name: row.get(1) }).collect())
}

/// Whether there is such an area.
pub async fn has_area(tx: &TenantTx, id: AreaId) -> Result<bool> {
    Ok(tx.query_opt("SELECT 1 FROM area WHERE id = $1", &[&id]).await?.is_some())
}

/// Whether there is such an outage.
pub async fn has_outage(tx: &TenantTx, id: OutageId) -> Result<bool> {
    Ok(tx.query_opt("SELECT 1 FROM outage WHERE id = $1", &[&id]).await?.is_some())
}

/// Attaches the open tickets about service of these installations, or of customers whose ticket names none of them, to an outage.
/// Those of an outage that still counts stay with it.
pub async fn attach_to_outage(
    tx: &TenantTx,
    outage: OutageId,
    installations: &[InstallationId],
) -> Result<Vec<TicketId>> {
    let rows = tx
        .query(
            "UPDATE ticket t SET outage_id = $1, updated_at = now() WHERE t.status NOT IN ('resolved', 'cancelled') \
             AND t.category IN ('no_connection', 'slow_connection', 'intermittent', 'router_issue', 'other') \
             AND (t.installation_id = ANY($2) OR (t.installation_id IS NULL \
             AND t.customer_id IN (SELECT i.customer_id FROM installation i WHERE i.id = ANY($2)))) \
             AND NOT EXISTS (SELECT 1 FROM outage o WHERE o.id = t.outage_id AND o.status = 'down') RETURNING t.id",
            &[&outage, &installations],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The open tickets of an outage, in the order of their ids.
pub async fn find_open_of_outage(tx: &TenantTx, outage: OutageId, most: i64) -> Result<Vec<TicketId>> {
    let rows = tx
        .query(
            "SELECT id FROM ticket WHERE outage_id = $1 AND status NOT IN ('resolved', 'cancelled') ORDER BY id LIMIT $2",
            &[&outage, &most],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A period of service, as a ticket's page tells of it.
#[derive(Debug, Clone)]
pub struct Period {
    pub plan: String,
    pub ends_at: DateTime<Utc>,
}

/// The last period that was sold and not called off, of this installation or of any of the customer's.
pub async fn find_period(
    tx: &TenantTx,
    customer: CustomerId,
    installation: Option<InstallationId>,
) -> Result<Option<Period>> {
    let row = tx
        .query_opt(
            "SELECT plan_name, ends_at FROM subscription WHERE customer_id = $1 AND ($2::uuid IS NULL OR installation_id = $2) \
             AND status NOT IN ('cancelled', 'changed') ORDER BY ends_at DESC, id DESC LIMIT 1",
            &[&customer, &installation],
        )
        .await?;
    Ok(row.map(|row| Period { plan: row.get(0), ends_at: row.get(1) }))
}

/// Somebody goes there.
#[derive(Debug, Clone)]
pub struct Visit {
    pub id: VisitId,
    pub kind: String,
    pub status: String,
    pub starts_at: DateTime<Utc>,
}

/// The visits that a ticket, or one merged into it, asked for.
pub async fn find_visits(tx: &TenantTx, ticket: TicketId) -> Result<Vec<Visit>> {
    let rows = tx
        .query(
            "SELECT v.id, v.kind, v.status, v.starts_at FROM visit v WHERE v.ticket_id = $1 \
             OR v.ticket_id IN (SELECT m.id FROM ticket m WHERE m.merged_into = $1) ORDER BY v.starts_at DESC, v.id LIMIT 10",
            &[&ticket],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Visit { id: row.get(0), kind: row.get(1), status: row.get(2), starts_at: row.get(3) })
        .collect())
}

/// A ticket by its number.
pub async fn find_by_number(tx: &TenantTx, number: &str) -> Result<Option<TicketId>> {
    let row = tx.query_opt("SELECT id FROM ticket WHERE number = $1", &[&number]).await?;
    Ok(row.map(|row| row.get(0)))
}
