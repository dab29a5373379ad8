//! SQL of the ports of NAPs. Who holds one is read from `installation`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::held_ports;
use crate::{
    db::TenantTx,
    error::Result,
    isp::plant::model::{Holder, PortView},
    types::search::containing,
    types::{CustomerId, NapId},
};

macro_rules! ports {
    () => {
        concat!(
            "SELECT p.number, p.is_faulty, CASE WHEN p.reserved_until > now() THEN p.reserved_until END, r.id, ",
            "r.first_name || ' ' || r.last_name, p.note, i.id, c.id, c.first_name || ' ' || c.last_name, i.status, p.nap_id FROM ",
            held_ports!(),
            " LEFT JOIN customer c ON c.id = i.customer_id ",
            "LEFT JOIN customer r ON r.id = p.reserved_for AND p.reserved_until > now() "
        )
    };
}

fn port_of(row: &Row) -> PortView {
    let held_by = row.get::<_, Option<_>>(6).map(|installation| Holder {
        installation,
        customer: row.get(7),
        name: row.get(8),
        status: row.get(9),
    });
    PortView {
        number: row.get(0),
        held_by,
        is_faulty: row.get(1),
        reserved_until: row.get(2),
        reserved_for: row.get::<_, Option<CustomerId>>(3).zip(row.get::<_, Option<String>>(4)),
        note: row.get(5),
    }
}

/// The ports of a NAP, in order: at most 32.
pub async fn list(tx: &TenantTx, nap: NapId) -> Result<Vec<PortView>> {
    let sql = concat!(ports!(), "WHERE p.nap_id = $1 ORDER BY p.number");
    Ok(tx.query(sql, &[&nap]).await?.iter().map(port_of).collect())
}

/// Locks one port, so that whoever takes it next sees what became of it; false when there is none.
pub async fn lock(tx: &TenantTx, nap: NapId, number: i16) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT number FROM nap_port WHERE nap_id = $1 AND number = $2 FOR UPDATE",
            &[&nap, &number],
        )
        .await?;
    Ok(row.is_some())
}

/// One port as it stands. Read after [`lock`], it is what the one before has left.
pub async fn find(tx: &TenantTx, nap: NapId, number: i16) -> Result<Option<PortView>> {
    let sql = concat!(ports!(), "WHERE p.nap_id = $1 AND p.number = $2");
    Ok(tx.query_opt(sql, &[&nap, &number]).await?.as_ref().map(port_of))
}

/// The highest port of a NAP that an installation holds.
pub async fn highest_used(tx: &TenantTx, nap: NapId) -> Result<i16> {
    let row = tx
        .query_one(
            "SELECT max(nap_port) FROM installation WHERE nap_id = $1 AND status <> 'terminated'",
            &[&nap],
        )
        .await?;
    Ok(row.get::<_, Option<i16>>(0).unwrap_or(0))
}

/// What a port is kept for.
#[derive(Debug, Clone)]
pub struct Mark {
    pub is_faulty: bool,
    pub reserved_until: Option<DateTime<Utc>>,
    pub reserved_for: Option<CustomerId>,
    pub note: Option<String>,
}

pub async fn mark(tx: &TenantTx, nap: NapId, number: i16, mark: &Mark) -> Result<()> {
    tx.execute(
        "UPDATE nap_port SET is_faulty = $3, reserved_until = $4, reserved_for = $5, note = $6 \
         WHERE nap_id = $1 AND number = $2",
        &[&nap, &number, &mark.is_faulty, &mark.reserved_until, &mark.reserved_for, &mark.note],
    )
    .await?;
    Ok(())
}

/// The name of a customer who is not deleted.
pub async fn customer_name(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Customers in whose name, e-mail, telephone number or account number a text stands; at most two, to tell one from several.
pub async fn customers_like(tx: &TenantTx, text: &str) -> Result<Vec<CustomerId>> {
    let rows = tx
        .query(
            "SELECT id FROM customer WHERE deleted_at IS NULL AND search_text LIKE lower($1) \
             ORDER BY created_at DESC, id DESC LIMIT 2",
            &[&containing(text)],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The NAPs and the numbers of ports, each as an array.
fn arrays(ports: &[(NapId, i16)]) -> (Vec<NapId>, Vec<i16>) {
    ports.iter().copied().unzip()
}

/// Locks ports in one order for all, so that two who want several wait and never block each other.
pub async fn lock_many(tx: &TenantTx, ports: &[(NapId, i16)]) -> Result<()> {
    let (naps, numbers) = arrays(ports);
    tx.query(
        "SELECT p.number FROM nap_port p WHERE (p.nap_id, p.number) IN (SELECT w.nap_id, w.number \
         FROM unnest($1::uuid[], $2::smallint[]) AS w (nap_id, number)) ORDER BY p.nap_id, p.number FOR UPDATE",
        &[&naps, &numbers],
    )
    .await?;
    Ok(())
}

/// Ports as they stand, read after [`lock_many`].
pub async fn find_many(tx: &TenantTx, ports: &[(NapId, i16)]) -> Result<HashMap<(NapId, i16), PortView>> {
    let (naps, numbers) = arrays(ports);
    let sql = concat!(
        ports!(),
        "JOIN unnest($1::uuid[], $2::smallint[]) AS w (nap_id, number) ON p.nap_id = w.nap_id AND p.number = w.number"
    );
    let rows = tx.query(sql, &[&naps, &numbers]).await?;
    Ok(rows.iter().map(|row| ((row.get(10), row.get(0)), port_of(row))).collect())
}

/// Ports that are kept for nobody any more, because somebody has them now. What is said of a faulty one stays.
pub async fn release_many(tx: &TenantTx, ports: &[(NapId, i16)]) -> Result<()> {
    let (naps, numbers) = arrays(ports);
    tx.execute(
        "UPDATE nap_port p SET reserved_until = NULL, reserved_for = NULL, note = CASE WHEN p.is_faulty THEN p.note END \
         FROM unnest($1::uuid[], $2::smallint[]) AS w (nap_id, number) WHERE p.nap_id = w.nap_id AND p.number = w.number \
         AND (p.reserved_until IS NOT NULL OR p.note IS NOT NULL)",
        &[&naps, &numbers],
    )
    .await?;
    Ok(())
}

/// A free port of an active NAP, with the NAP's way: the codes from the LCP down.
pub async fn find_free(tx: &TenantTx) -> Result<Option<(String, i16)>> {
    let row = tx
        .query_opt(
            "SELECT l.code || '/' || s.code || '/' || n.code, p.number FROM nap n JOIN splitter s ON s.id = n.splitter_id \
             JOIN lcp l ON l.id = s.lcp_id JOIN nap_port p ON p.nap_id = n.id WHERE n.is_active AND NOT p.is_faulty \
             AND (p.reserved_until IS NULL OR p.reserved_until <= now()) \
             AND NOT EXISTS (SELECT FROM installation i WHERE i.nap_id = p.nap_id AND i.nap_port = p.number \
             AND i.status <> 'terminated') ORDER BY n.id, p.number LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
