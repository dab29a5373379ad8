//! All SQL that changes installations, and how one is read.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::model::{Ending, Installation, InstallationDraft, Named, Port, Status};
use crate::{
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    isp::{customers::Accuracy, site::Site},
    types::{AreaId, Coordinates, CustomerId, InstallationId, NapId, RouterId},
};

/// An installation `i` with the names of what it points at, as [`installation_of`] reads it.
macro_rules! select_installations {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT i.id, i.customer_id, c.first_name || ' ' || c.last_name, i.status, i.technician_id, i.installed_on, \
             i.street_address, i.area_id, i.latitude, i.longitude, i.location_accuracy, i.location_notes, i.drop_m, \
             i.drop_connectors, i.drop_splices, i.notes, i.nap_id, i.nap_port, n.code, i.router_id, \
             concat_ws(' ', r.brand, r.model, r.serial_number), t.name, coalesce(i.street_address, c.street_address), \
             a.id, a.name, i.paid_until, i.terminated_at, i.termination_reason, i.held_port, i.held_router, i.created_at, \
             i.updated_at FROM ",
            $from,
            " JOIN customer c ON c.id = i.customer_id LEFT JOIN nap n ON n.id = i.nap_id \
             LEFT JOIN router r ON r.id = i.router_id LEFT JOIN staff t ON t.id = i.technician_id \
             LEFT JOIN area a ON a.id = coalesce(i.area_id, c.area_id) ",
            $rest
        )
    };
}
pub(super) use select_installations;

pub(super) fn installation_of(row: &Row) -> Installation {
    let place = match (row.get::<_, Option<Decimal>>(8), row.get::<_, Option<Decimal>>(9)) {
        (Some(latitude), Some(longitude)) => Some(Coordinates { latitude, longitude }),
        _ => None,
    };
    let draft = InstallationDraft {
        technician_id: row.get(4),
        installed_on: row.get(5),
        street_address: row.get(6),
        area_id: row.get(7),
        site: Site { place, accuracy: Accuracy::from_column(row.get(10)), notes: row.get(11) },
        drop_m: row.get(12),
        drop_connectors: row.get(13),
        drop_splices: row.get(14),
        notes: row.get(15),
    };
    let port = row.get::<_, Option<NapId>>(16).zip(row.get::<_, Option<i16>>(17));
    let ending = row.get::<_, Option<DateTime<Utc>>>(26).map(|at| Ending {
        at,
        reason: row.get(27),
        held_port: row.get(28),
        held_router: row.get(29),
    });
    Installation {
        id: row.get(0),
        customer: Named { id: row.get(1), name: row.get(2) },
        status: Status::from_column(row.get(3)),
        draft,
        port: port.map(|(nap, number)| Port { nap, number, nap_code: row.get(18) }),
        router: row.get::<_, Option<RouterId>>(19).map(|id| Named { id, name: row.get(20) }),
        technician: row.get(21),
        street: row.get(22),
        area: row.get::<_, Option<AreaId>>(23).map(|id| Named { id, name: row.get(24) }),
        paid_until: row.get(25),
        ending,
        created_at: row.get(30),
        updated_at: row.get(31),
    }
}

/// The keys and indexes that hold the table together, as refusals. The rules say the same before, with a name.
fn refused<T>(answer: Result<T>) -> Result<T> {
    answer
        .on_constraint("installation_port_key", || {
            Error::conflict("port_taken", "This port is already occupied.")
        })
        .on_constraint("installation_router_key", || {
            Error::conflict("router_taken", "Another installation has this router.")
        })
        .on_constraint("installation_nap_port_fkey", || {
            Error::invalid("nap_port", "unknown", "There is no such port.")
        })
}

pub async fn find(tx: &TenantTx, id: InstallationId) -> Result<Option<Installation>> {
    let row = tx.query_opt(select_installations!("installation i", "WHERE i.id = $1"), &[&id]).await?;
    Ok(row.as_ref().map(installation_of))
}

/// Locks an installation against other changes.
pub async fn lock(tx: &TenantTx, id: InstallationId) -> Result<Option<Installation>> {
    let locked = tx.query_opt("SELECT id FROM installation WHERE id = $1 FOR UPDATE", &[&id]).await?;
    if locked.is_none() {
        return Ok(None);
    }
    find(tx, id).await
}

/// The name of a customer who is not deleted, and stays so until the transaction ends.
pub async fn hold_customer(tx: &TenantTx, id: CustomerId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE id = $1 AND deleted_at IS NULL FOR SHARE",
            &[&id],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// A new installation.
pub struct Insert<'a> {
    pub id: InstallationId,
    pub customer: CustomerId,
    pub status: Status,
    pub draft: &'a InstallationDraft,
    pub port: Option<(NapId, i16)>,
    pub router: Option<RouterId>,
}

pub async fn insert(tx: &TenantTx, new: &Insert<'_>) -> Result<()> {
    let draft = new.draft;
    let (nap, number) = (new.port.map(|port| port.0), new.port.map(|port| port.1));
    let (latitude, longitude) =
        (draft.site.place.map(|at| at.latitude), draft.site.place.map(|at| at.longitude));
    let done = tx
        .execute(
            "INSERT INTO installation (id, customer_id, status, nap_id, nap_port, router_id, technician_id, installed_on, \
             street_address, area_id, latitude, longitude, location_accuracy, location_notes, drop_m, drop_connectors, \
             drop_splices, notes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            &[
                &new.id,
                &new.customer,
                &new.status.as_str(),
                &nap,
                &number,
                &new.router,
                &draft.technician_id,
                &draft.installed_on,
                &draft.street_address,
                &draft.area_id,
                &latitude,
                &longitude,
                &draft.site.accuracy.as_str(),
                &draft.site.notes,
                &draft.drop_m,
                &draft.drop_connectors,
                &draft.drop_splices,
                &draft.notes,
            ],
        )
        .await;
    refused(done).map(drop)
}

pub async fn update(
    tx: &TenantTx,
    id: InstallationId,
    status: Status,
    draft: &InstallationDraft,
) -> Result<()> {
    let (latitude, longitude) =
        (draft.site.place.map(|at| at.latitude), draft.site.place.map(|at| at.longitude));
    let done = tx
        .execute(
            "UPDATE installation SET status = $2, technician_id = $3, installed_on = $4, street_address = $5, area_id = $6, \
             latitude = $7, longitude = $8, location_accuracy = $9, location_notes = $10, drop_m = $11, \
             drop_connectors = $12, drop_splices = $13, notes = $14, updated_at = now() WHERE id = $1",
            &[
                &id,
                &status.as_str(),
                &draft.technician_id,
                &draft.installed_on,
                &draft.street_address,
                &draft.area_id,
                &latitude,
                &longitude,
                &draft.site.accuracy.as_str(),
                &draft.site.notes,
                &draft.drop_m,
                &draft.drop_connectors,
                &draft.drop_splices,
                &draft.notes,
            ],
        )
        .await;
    refused(done).map(drop)
}

pub async fn set_status(tx: &TenantTx, id: InstallationId, status: Status) -> Result<()> {
    tx.execute(
        "UPDATE installation SET status = $2, updated_at = now() WHERE id = $1",
        &[&id, &status.as_str()],
    )
    .await?;
    Ok(())
}

pub async fn set_port(tx: &TenantTx, id: InstallationId, port: Option<(NapId, i16)>) -> Result<()> {
    let (nap, number) = (port.map(|port| port.0), port.map(|port| port.1));
    let done = tx
        .execute(
            "UPDATE installation SET nap_id = $2, nap_port = $3, updated_at = now() WHERE id = $1",
            &[&id, &nap, &number],
        )
        .await;
    refused(done).map(drop)
}

pub async fn set_router(tx: &TenantTx, id: InstallationId, router: Option<RouterId>) -> Result<()> {
    let done = tx
        .execute("UPDATE installation SET router_id = $2, updated_at = now() WHERE id = $1", &[&id, &router])
        .await;
    refused(done).map(drop)
}

/// Ends an installation: from here on it holds nothing, and says in words what it held.
pub async fn terminate(tx: &TenantTx, id: InstallationId, ending: &Ending) -> Result<()> {
    tx.execute(
        "UPDATE installation SET status = 'terminated', nap_id = NULL, nap_port = NULL, router_id = NULL, \
         terminated_at = $2, termination_reason = $3, held_port = left($4, 300), held_router = left($5, 300), \
         updated_at = now() WHERE id = $1",
        &[&id, &ending.at, &ending.reason, &ending.held_port, &ending.held_router],
    )
    .await?;
    Ok(())
}
