//! Ports of NAPs: who may have which, in the words of the trade.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{event, sheets::port_refusal, unknown_in};
use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    isp::plant::{
        model::PortView,
        store::{
            naps,
            ports::{self as store, Mark},
        },
    },
    types::{CustomerId, NapId},
    words::say,
};

/// A port may be kept for so long at most.
const RESERVED_DAYS_MAX: i64 = 366;

/// The ports of a NAP, in order.
pub async fn ports(tx: &TenantTx, nap: NapId) -> Result<Vec<PortView>> {
    store::list(tx, nap).await
}

/// A NAP and a port, which come together or not at all.
pub fn chosen_port(nap: Option<NapId>, port: Option<i16>) -> Result<Option<(NapId, i16)>> {
    match (nap, port) {
        (None, None) => Ok(None),
        (Some(nap), Some(port)) => Ok(Some((nap, port))),
        (Some(_), None) => {
            Err(Error::invalid("nap_port", "required", "Port number is required when NAP is selected"))
        }
        (None, Some(_)) => {
            Err(Error::invalid("nap_id", "required", "NAP is required when port number is specified"))
        }
    }
}

/// Holds a port that somebody wants to take, and refuses one that is not there, faulty, taken, or kept for somebody else.
/// Whoever asks second waits here, and then sees what the first has done.
pub async fn check_port(tx: &TenantTx, nap: NapId, port: i16, wanted_by: Option<CustomerId>) -> Result<()> {
    let found = naps::find(tx, nap).await?.ok_or_else(|| unknown_in("nap_id", "NAP"))?;
    if !found.nap.draft.is_active {
        return Err(Error::invalid("nap_id", "switched_off", "This NAP is switched off."));
    }
    let capacity = found.nap.draft.port_capacity;
    let out_of_range =
        || Error::invalid("nap_port", "out_of_range", say!("Port must be between 1 and {}", capacity));
    if !(1..=capacity).contains(&port) || !store::lock(tx, nap, port).await? {
        return Err(out_of_range());
    }
    let seen = store::find(tx, nap, port).await?.ok_or_else(out_of_range)?;
    match port_refusal(&seen, wanted_by) {
        None => Ok(()),
        Some(wrong) if seen.held_by.is_some() => Err(Error::conflict(wrong.code, wrong.detail)),
        Some(wrong) => Err(Error::Invalid(vec![wrong.at("nap_port")])),
    }
}

/// The refusal of a port that somebody else is on.
fn taken(port: i16, name: &str) -> Error {
    Error::conflict("port_taken", say!("Port {} is already occupied by {}", port, name))
}

/// Whoever a port was kept for has it now.
pub async fn release_reservation(tx: &TenantTx, nap: NapId, port: i16) -> Result<()> {
    let Some(seen) = store::find(tx, nap, port).await? else { return Ok(()) };
    let note = seen.note.filter(|_| seen.is_faulty);
    let mark = Mark { is_faulty: seen.is_faulty, reserved_until: None, reserved_for: None, note };
    store::mark(tx, nap, port, &mark).await
}

/// What is to become of a port.
#[derive(Debug, Clone)]
pub enum PortChange {
    /// Kept until a moment, for a customer or for nobody in particular.
    Reserve {
        until: DateTime<Utc>,
        customer: Option<CustomerId>,
        note: Option<String>,
    },
    /// No longer kept for anybody, no longer faulty.
    Free,
    Faulty {
        note: Option<String>,
    },
}

fn told(port: &PortView) -> Value {
    json!({
        "is_faulty": port.is_faulty,
        "reserved_until": port.reserved_until,
        "reserved_for": port.reserved_for.as_ref().map(|(_, name)| name),
        "note": port.note,
    })
}

/// The port with what is to become of it.
async fn mark_of(tx: &TenantTx, seen: &PortView, change: PortChange) -> Result<Mark> {
    let free = Mark { is_faulty: false, reserved_until: None, reserved_for: None, note: None };
    match change {
        PortChange::Free => Ok(free),
        PortChange::Faulty { note } => Ok(Mark { is_faulty: true, note, ..free }),
        PortChange::Reserve { until, customer, note } => {
            if let Some(holder) = &seen.held_by {
                return Err(taken(seen.number, &holder.name));
            }
            if seen.is_faulty {
                return Err(Error::conflict("port_faulty", say!("Port {} is faulty", seen.number)));
            }
            if let Some(customer) = customer {
                store::customer_name(tx, customer)
                    .await?
                    .ok_or_else(|| unknown_in("reserved_for", "customer"))?;
            }
            let now = Utc::now();
            if until <= now || until > now + chrono::Duration::days(RESERVED_DAYS_MAX) {
                let detail =
                    say!("A port is reserved until a moment in the next {} days.", RESERVED_DAYS_MAX);
                return Err(Error::invalid("reserved_until", "out_of_range", detail));
            }
            Ok(Mark { reserved_until: Some(until), reserved_for: customer, note, ..free })
        }
    }
}

/// Reserves a port, frees it, or marks it faulty. Who is on it stays on it.
pub async fn change_port(
    tx: &TenantTx,
    by: &By,
    (nap, port): (NapId, i16),
    change: PortChange,
) -> Result<PortView> {
    let found = naps::find(tx, nap).await?.ok_or(Error::not_found("NAP"))?;
    if !store::lock(tx, nap, port).await? {
        return Err(Error::not_found("port"));
    }
    let seen = store::find(tx, nap, port).await?.ok_or(Error::not_found("port"))?;
    let mark = mark_of(tx, &seen, change).await?;
    store::mark(tx, nap, port, &mark).await?;
    let is = store::find(tx, nap, port).await?.ok_or(Error::not_found("port"))?;
    let (before, after) = changes(&told(&seen), &told(&is));
    if after.is_some() {
        let label = format!("{} port {port}", found.nap.draft.code);
        by.record(tx, Event { before, after, ..event("nap.port_changed", "nap", nap.0, &label) }).await?;
    }
    Ok(is)
}
