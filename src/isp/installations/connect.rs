//! Many installations at once, as another system has them already.

use std::collections::HashMap;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{model::Status, rules::event};
use crate::{
    access::By,
    audit::{self, Event},
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    events,
    isp::plant,
    types::{CustomerId, InstallationId, NapId},
};

/// An installation that is to be.
#[derive(Debug, Clone)]
pub struct Connection {
    pub customer: CustomerId,
    /// The NAP, its code and the port's number.
    pub port: Option<(NapId, String, i16)>,
    /// None while it is scheduled.
    pub installed_on: Option<NaiveDate>,
}

impl Connection {
    fn status(&self) -> Status {
        if self.installed_on.is_some() { Status::Inactive } else { Status::Scheduled }
    }

    fn port_label(&self) -> Option<String> {
        self.port.as_ref().map(|(_, code, number)| format!("{code} port {number}"))
    }
}

/// Sets installations up, all or none. Their customers are held, and so are their ports, which are free for them.
pub async fn connect_many(tx: &TenantTx, by: &By, new: &[Connection]) -> Result<Vec<InstallationId>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let ports: Vec<(NapId, i16)> =
        new.iter().filter_map(|one| one.port.as_ref().map(|(nap, _, number)| (*nap, *number))).collect();
    plant::release_reservations(tx, &ports).await?;
    let ids: Vec<InstallationId> = new.iter().map(|_| InstallationId::new()).collect();
    let names = insert(tx, &ids, new).await?;
    let told = |one: &Connection| json!({ "status": one.status(), "port": one.port_label(), "installed_on": one.installed_on });
    let labels: Vec<String> = new
        .iter()
        .zip(&ids)
        .map(|(one, id)| match (names.get(id), one.port_label()) {
            (Some(name), Some(port)) => format!("{name}, {port}"),
            (Some(name), None) => name.clone(),
            (None, port) => port.unwrap_or_default(),
        })
        .collect();
    let entries = new
        .iter()
        .zip(ids.iter().zip(&labels))
        .map(|(one, (id, label))| Event {
            after: Some(told(one)),
            ..event("installation.created", *id, label)
        })
        .collect();
    audit::record_all(tx, &by.actor, by.origin.as_ref(), entries).await?;
    let payloads: Vec<Value> = new.iter().map(|one| json!({ "status": one.status() })).collect();
    let kind = "installation.created";
    let news: Vec<events::Event<'_>> = new
        .iter()
        .zip(ids.iter().zip(&payloads))
        .map(|(one, (id, payload))| events::Event {
            kind,
            subject: id.0,
            customer: Some(one.customer),
            payload,
        })
        .collect();
    events::publish_all(tx, &news).await?;
    Ok(ids)
}

/// Writes the rows; answers their customers' names.
async fn insert(
    tx: &TenantTx,
    ids: &[InstallationId],
    new: &[Connection],
) -> Result<HashMap<InstallationId, String>> {
    let customers: Vec<CustomerId> = new.iter().map(|one| one.customer).collect();
    let statuses: Vec<&str> = new.iter().map(|one| one.status().as_str()).collect();
    let naps: Vec<Option<NapId>> = new.iter().map(|one| one.port.as_ref().map(|port| port.0)).collect();
    let numbers: Vec<Option<i16>> = new.iter().map(|one| one.port.as_ref().map(|port| port.2)).collect();
    let days: Vec<Option<NaiveDate>> = new.iter().map(|one| one.installed_on).collect();
    let rows = tx
        .query(
            "WITH made AS (INSERT INTO installation (id, customer_id, status, nap_id, nap_port, installed_on) \
             SELECT n.id, n.customer_id, n.status, n.nap_id, n.nap_port, n.installed_on \
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::smallint[], $6::date[]) \
             AS n (id, customer_id, status, nap_id, nap_port, installed_on) RETURNING id, customer_id) \
             SELECT m.id, c.first_name || ' ' || c.last_name FROM made m JOIN customer c ON c.id = m.customer_id",
            &[&ids, &customers, &statuses, &naps, &numbers, &days],
        )
        .await
        .on_constraint("installation_port_key", || {
            Error::conflict("port_taken", "A port is already occupied.")
        })?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// An installation of a customer, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    pub id: InstallationId,
    pub status: Status,
    pub port: Option<(NapId, i16)>,
    /// "NAP-003 port 4".
    pub port_label: Option<String>,
}

/// All that these customers have and had.
pub async fn of_customers(
    tx: &TenantTx,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<Connected>>> {
    let rows = tx
        .query(
            "SELECT i.customer_id, i.id, i.status, i.nap_id, i.nap_port, n.code || ' port ' || i.nap_port \
             FROM installation i LEFT JOIN nap n ON n.id = i.nap_id WHERE i.customer_id = ANY($1) \
             ORDER BY i.customer_id, i.id",
            &[&customers],
        )
        .await?;
    let mut found: HashMap<CustomerId, Vec<Connected>> = HashMap::new();
    for row in &rows {
        let port = row.get::<_, Option<NapId>>(3).zip(row.get::<_, Option<i16>>(4));
        found.entry(row.get(0)).or_default().push(Connected {
            id: row.get(1),
            status: Status::from_column(row.get(2)),
            port,
            port_label: row.get(5),
        });
    }
    Ok(found)
}

/// Locks installations, in one order for all, while their periods are written.
pub async fn hold_many(tx: &TenantTx, ids: &[InstallationId]) -> Result<()> {
    tx.query("SELECT id FROM installation WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &[&ids]).await?;
    Ok(())
}
