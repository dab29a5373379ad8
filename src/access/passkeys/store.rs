//! All SQL of passkeys.

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{ceremony::ANSWER_WITHIN, own::OwnPasskey, rules::Purpose};
use crate::{
    access::credentials::TokenHash,
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::StaffId,
};

/// Keeps what was asked of a device. A few that nobody answered go.
pub async fn insert_challenge(
    tx: &TenantTx,
    token: &TokenHash,
    (purpose, staff): (Purpose, Option<StaffId>),
    host: &str,
    state: &Value,
) -> Result<()> {
    tx.execute(
        "DELETE FROM passkey_challenge WHERE token_hash IN (
            SELECT token_hash FROM passkey_challenge WHERE expires_at <= now()
            ORDER BY expires_at LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    let seconds = ANSWER_WITHIN.as_secs_f64();
    tx.execute(
        "INSERT INTO passkey_challenge (token_hash, purpose, staff_id, host, state, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))",
        &[&token.as_slice(), &purpose.as_str(), &staff, &host, &state, &seconds],
    )
    .await?;
    Ok(())
}

/// Whose it is, and what was asked. It counts no more.
pub async fn take_challenge(
    tx: &TenantTx,
    token: &TokenHash,
    purpose: Purpose,
    host: &str,
) -> Result<Option<(Option<StaffId>, Value)>> {
    let row = tx
        .query_opt(
            "DELETE FROM passkey_challenge WHERE token_hash = $1 AND purpose = $2 AND host = $3 AND expires_at > now()
             RETURNING staff_id, state",
            &[&token.as_slice(), &purpose.as_str(), &host],
        )
        .await?;
    Ok(row.map(|row| (row.get("staff_id"), row.get("state"))))
}

/// A passkey that somebody shows, and whose it is.
pub struct Kept {
    pub id: Uuid,
    pub staff: StaffId,
    pub person: String,
    pub name: String,
    pub credential: Value,
    pub is_suspected: bool,
}

/// The passkey of this host, locked; none of somebody who is switched off.
pub async fn lock_shown(tx: &TenantTx, credential_id: &[u8], host: &str) -> Result<Option<Kept>> {
    let row = tx
        .query_opt(
            "SELECT k.id, k.staff_id, s.name AS person, k.name, k.credential, k.suspected_at IS NOT NULL AS is_suspected
             FROM passkey k JOIN staff s ON s.id = k.staff_id
             WHERE k.credential_id = $1 AND k.host = $2 AND s.is_active FOR UPDATE OF k",
            &[&credential_id, &host],
        )
        .await?;
    Ok(row.map(|row| Kept {
        id: row.get("id"),
        staff: row.get("staff_id"),
        person: row.get("person"),
        name: row.get("name"),
        credential: row.get("credential"),
        is_suspected: row.get("is_suspected"),
    }))
}

pub async fn use_passkey(tx: &TenantTx, id: Uuid, credential: &Value) -> Result<()> {
    tx.execute("UPDATE passkey SET credential = $2, last_used_at = now() WHERE id = $1", &[&id, &credential])
        .await?;
    Ok(())
}

pub async fn suspect(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute("UPDATE passkey SET suspected_at = now() WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// What is kept of a new passkey.
pub struct NewPasskey<'a> {
    pub id: Uuid,
    pub staff: StaffId,
    pub credential_id: &'a [u8],
    pub host: &'a str,
    pub name: &'a str,
    pub credential: &'a Value,
}

pub async fn insert_passkey(tx: &TenantTx, new: &NewPasskey<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO passkey (id, staff_id, credential_id, host, name, credential) VALUES ($1, $2, $3, $4, $5, $6)",
        &[&new.id, &new.staff, &new.credential_id, &new.host, &new.name, &new.credential],
    )
    .await
    .on_constraint("passkey_credential_key", || {
        Error::conflict("passkey_known", "This passkey is known here already.")
    })?;
    Ok(())
}

fn own_of(row: &Row) -> OwnPasskey {
    OwnPasskey {
        id: row.get("id"),
        name: row.get("name"),
        host: row.get("host"),
        created_at: row.get("created_at"),
        last_used_at: row.get::<_, Option<DateTime<Utc>>>("last_used_at"),
        suspected_at: row.get::<_, Option<DateTime<Utc>>>("suspected_at"),
    }
}

/// The passkeys of a person, the oldest first.
pub async fn list_of(tx: &TenantTx, staff: StaffId) -> Result<Vec<OwnPasskey>> {
    let rows = tx
        .query(
            "SELECT id, name, host, created_at, last_used_at, suspected_at FROM passkey
             WHERE staff_id = $1 ORDER BY created_at, id LIMIT 100",
            &[&staff],
        )
        .await?;
    Ok(rows.iter().map(own_of).collect())
}

/// One's own, locked. The person is locked as well: of two removals at once the second sees what the first left.
pub async fn lock_own(tx: &TenantTx, staff: StaffId, id: Uuid) -> Result<Option<OwnPasskey>> {
    tx.query_opt("SELECT 1 FROM staff WHERE id = $1 FOR UPDATE", &[&staff]).await?;
    let row = tx
        .query_opt(
            "SELECT id, name, host, created_at, last_used_at, suspected_at FROM passkey
             WHERE staff_id = $1 AND id = $2 FOR UPDATE",
            &[&staff, &id],
        )
        .await?;
    Ok(row.as_ref().map(own_of))
}

/// What their devices know the person's keys of a host by; those that count.
pub async fn credential_ids(tx: &TenantTx, staff: StaffId, host: &str) -> Result<Vec<Vec<u8>>> {
    let rows = tx
        .query(
            "SELECT credential_id FROM passkey WHERE staff_id = $1 AND host = $2 AND suspected_at IS NULL
             ORDER BY created_at LIMIT 100",
            &[&staff, &host],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("credential_id")).collect())
}

/// The hosts at which this person has passkeys that count.
pub async fn hosts_of(tx: &TenantTx, staff: StaffId) -> Result<Vec<String>> {
    let rows = tx
        .query(
            "SELECT DISTINCT host FROM passkey WHERE staff_id = $1 AND suspected_at IS NULL ORDER BY host LIMIT 20",
            &[&staff],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("host")).collect())
}

/// How many there are, and how many of them count.
pub async fn count_of(tx: &TenantTx, staff: StaffId) -> Result<(i64, i64)> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n, count(*) FILTER (WHERE suspected_at IS NULL) AS good FROM passkey WHERE staff_id = $1",
            &[&staff],
        )
        .await?;
    Ok((row.get("n"), row.get("good")))
}

pub async fn rename(tx: &TenantTx, id: Uuid, name: &str) -> Result<()> {
    tx.execute("UPDATE passkey SET name = $2 WHERE id = $1", &[&id, &name]).await?;
    Ok(())
}

pub async fn delete(tx: &TenantTx, id: Uuid) -> Result<()> {
    tx.execute("DELETE FROM passkey WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// All of a person's; how many there were.
pub async fn delete_all(tx: &TenantTx, staff: StaffId) -> Result<u64> {
    tx.execute("DELETE FROM passkey WHERE staff_id = $1", &[&staff]).await
}

/// False when the person was switched off.
pub async fn sign_in(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let touched = tx
        .execute("UPDATE staff SET last_signed_in_at = now() WHERE id = $1 AND is_active", &[&staff])
        .await?;
    Ok(touched == 1)
}
