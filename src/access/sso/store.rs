//! All SQL of single sign-on.

use tokio_postgres::Row;

use super::settings::{Offer, Preset, Sso};
use crate::{
    access::credentials::TokenHash,
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{EmailAddress, RoleId, StaffId},
};

/// A browser may be away for so long.
pub const ATTEMPT_MINUTES: i32 = 10;

macro_rules! select_sso {
    ($rest:literal) => {
        concat!(
            "SELECT id, preset, issuer, client_id, sealed_secret, domains, default_role_id, is_on, is_required, updated_at FROM sso ",
            $rest
        )
    };
}

fn sso_of(row: &Row) -> Result<Sso> {
    let preset = Preset::parse(row.get("preset")).map_err(|_odd| Error::internal("an unknown preset"))?;
    Ok(Sso {
        id: row.get("id"),
        preset,
        issuer: row.get("issuer"),
        client_id: row.get("client_id"),
        sealed_secret: row.get("sealed_secret"),
        domains: row.get("domains"),
        default_role: row.get("default_role_id"),
        is_on: row.get("is_on"),
        is_required: row.get("is_required"),
        updated_at: row.get("updated_at"),
    })
}

pub async fn find(tx: &TenantTx) -> Result<Option<Sso>> {
    tx.query_opt(select_sso!("WHERE is_only"), &[]).await?.as_ref().map(sso_of).transpose()
}

pub async fn lock(tx: &TenantTx) -> Result<Option<Sso>> {
    tx.query_opt(select_sso!("WHERE is_only FOR UPDATE"), &[]).await?.as_ref().map(sso_of).transpose()
}

pub async fn put(tx: &TenantTx, sso: &Sso) -> Result<()> {
    tx.execute(
        "INSERT INTO sso (id, preset, issuer, client_id, sealed_secret, domains, default_role_id, is_on, is_required)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET preset = $2, issuer = $3, client_id = $4, sealed_secret = $5, domains = $6,
            default_role_id = $7, is_on = $8, is_required = $9, updated_at = now()",
        &[
            &sso.id,
            &sso.preset.as_str(),
            &sso.issuer,
            &sso.client_id,
            &sso.sealed_secret,
            &sso.domains,
            &sso.default_role,
            &sso.is_on,
            &sso.is_required,
        ],
    )
    .await
    .on_constraint("sso_only_key", || {
        Error::conflict("changed_meanwhile", "Somebody else decided this a moment ago. Look again.")
    })?;
    Ok(())
}

/// What the page of signing in shows; None while it is off.
pub async fn offer(tx: &TenantTx) -> Result<Option<Offer>> {
    let row = tx.query_opt("SELECT preset, is_required FROM sso WHERE is_on", &[]).await?;
    let offer = |row: Row| {
        let label = match row.get("preset") {
            "google" => "Sign in with Google",
            "microsoft" => "Sign in with Microsoft",
            _ => "Sign in with your work account",
        };
        Offer { label, is_required: row.get("is_required") }
    };
    Ok(row.map(offer))
}

/// Whether every other door is closed to this person: single sign-on is the only one, and they are no owner.
pub async fn is_closed_to(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT 1 FROM sso WHERE is_on AND is_required AND NOT EXISTS (
                SELECT 1 FROM staff_role sr JOIN role r ON r.id = sr.role_id
                WHERE sr.staff_id = $1 AND r.is_owner AND r.is_active)",
            &[&staff],
        )
        .await?;
    Ok(row.is_some())
}

/// Whoever is no owner is signed out everywhere.
pub async fn end_stays_but_owners(tx: &TenantTx) -> Result<()> {
    tx.execute(
        "DELETE FROM portal_session p WHERE NOT EXISTS (
            SELECT 1 FROM staff_role sr JOIN role r ON r.id = sr.role_id WHERE sr.staff_id = p.staff_id AND r.is_owner)",
        &[],
    )
    .await?;
    tx.execute(
        "DELETE FROM sign_in_step p WHERE NOT EXISTS (
            SELECT 1 FROM staff_role sr JOIN role r ON r.id = sr.role_id WHERE sr.staff_id = p.staff_id AND r.is_owner)",
        &[],
    )
    .await?;
    tx.execute(
        "UPDATE refresh_token t SET revoked_at = now() WHERE revoked_at IS NULL AND used_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM staff_role sr JOIN role r ON r.id = sr.role_id WHERE sr.staff_id = t.staff_id AND r.is_owner)",
        &[],
    )
    .await?;
    Ok(())
}

/// A role that somebody new may be given: switched on, and not the owner's.
pub async fn is_giveable(tx: &TenantTx, role: RoleId) -> Result<bool> {
    let row = tx
        .query_opt("SELECT 1 FROM role WHERE id = $1 AND is_active AND NOT is_owner FOR SHARE", &[&role])
        .await?;
    Ok(row.is_some())
}

/// A browser that was sent to the issuer.
pub struct Attempt {
    pub issuer: String,
    pub nonce: String,
    pub verifier: String,
    pub next: String,
}

/// By what a browser is known when it comes back.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    pub state: &'a TokenHash,
    pub browser: &'a TokenHash,
    pub host: &'a str,
}

pub async fn insert_attempt(tx: &TenantTx, mark: Mark<'_>, attempt: &Attempt) -> Result<()> {
    tx.execute(
        "DELETE FROM sso_attempt WHERE state_hash IN (
            SELECT state_hash FROM sso_attempt WHERE expires_at <= now()
            ORDER BY expires_at LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    tx.execute(
        "INSERT INTO sso_attempt (state_hash, browser_hash, host, issuer, nonce, verifier, next, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(mins => $8))",
        &[
            &mark.state.as_slice(),
            &mark.browser.as_slice(),
            &mark.host,
            &attempt.issuer,
            &attempt.nonce,
            &attempt.verifier,
            &attempt.next,
            &ATTEMPT_MINUTES,
        ],
    )
    .await?;
    Ok(())
}

/// It counts no more. None for a browser that was not sent, or by another host, or too long ago.
pub async fn take_attempt(tx: &TenantTx, mark: Mark<'_>) -> Result<Option<Attempt>> {
    let row = tx
        .query_opt(
            "DELETE FROM sso_attempt WHERE state_hash = $1 AND browser_hash = $2 AND host = $3 AND expires_at > now()
             RETURNING issuer, nonce, verifier, next",
            &[&mark.state.as_slice(), &mark.browser.as_slice(), &mark.host],
        )
        .await?;
    Ok(row.map(|row| Attempt {
        issuer: row.get("issuer"),
        nonce: row.get("nonce"),
        verifier: row.get("verifier"),
        next: row.get("next"),
    }))
}

/// A member of staff who came by the issuer.
pub struct Known {
    pub staff: StaffId,
    pub name: String,
    pub is_active: bool,
}

fn known_of(row: &Row) -> Known {
    Known { staff: row.get("id"), name: row.get("name"), is_active: row.get("is_active") }
}

/// Whom an issuer means by this name.
pub async fn find_by_identity(tx: &TenantTx, issuer: &str, subject: &str) -> Result<Option<Known>> {
    let row = tx
        .query_opt(
            "UPDATE sso_identity i SET last_used_at = now() FROM staff s
             WHERE i.issuer = $1 AND i.subject = $2 AND s.id = i.staff_id RETURNING s.id, s.name, s.is_active",
            &[&issuer, &subject],
        )
        .await?;
    Ok(row.as_ref().map(known_of))
}

/// Whose address this is, locked, and whether they are known to an issuer already, by whatever name.
pub async fn lock_by_email(tx: &TenantTx, email: &EmailAddress) -> Result<Option<(Known, bool)>> {
    let row = tx
        .query_opt(
            "SELECT s.id, s.name, s.is_active,
                EXISTS (SELECT 1 FROM sso_identity i WHERE i.staff_id = s.id) AS is_known
             FROM staff s WHERE lower(s.email) = $1 FOR UPDATE OF s",
            &[email],
        )
        .await?;
    Ok(row.map(|row| (known_of(&row), row.get("is_known"))))
}

pub async fn insert_identity(tx: &TenantTx, staff: StaffId, issuer: &str, subject: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO sso_identity (staff_id, issuer, subject) VALUES ($1, $2, $3)",
        &[&staff, &issuer, &subject],
    )
    .await
    .on_constraint("sso_identity_subject_key", || {
        Error::conflict("identity_taken", "Somebody else came with this account a moment ago.")
    })?;
    Ok(())
}

/// The issuer that knew the person, when one did.
pub async fn delete_identity(tx: &TenantTx, staff: StaffId) -> Result<Option<String>> {
    let row =
        tx.query_opt("DELETE FROM sso_identity WHERE staff_id = $1 RETURNING issuer", &[&staff]).await?;
    Ok(row.map(|row| row.get("issuer")))
}

/// Whether an issuer knows this person.
pub async fn has_identity(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx.query_opt("SELECT 1 FROM sso_identity WHERE staff_id = $1", &[&staff]).await?;
    Ok(row.is_some())
}
