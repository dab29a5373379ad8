//! All SQL of the second factor.

use uuid::Uuid;

use crate::{
    access::{credentials::TokenHash, store::has_second_factor},
    db::TenantTx,
    error::Result,
    types::StaffId,
};

/// Between the password and the code there may be ten minutes.
pub const STEP_MINUTES: i32 = 10;
/// A secret that was shown and not confirmed counts for so long.
const PENDING_MINUTES: i32 = 15;

/// A person's app.
pub struct App {
    pub id: Uuid,
    pub sealed_secret: Vec<u8>,
    pub is_confirmed: bool,
    pub last_step: i64,
}

/// Whether this person signs in with a second factor.
pub async fn is_on(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_opt(concat!("SELECT 1 FROM staff s WHERE s.id = $1 AND ", has_second_factor!()), &[&staff])
        .await?;
    Ok(row.is_some())
}

/// Whether the person has an app whose first code was confirmed.
pub async fn has_app(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_opt("SELECT 1 FROM totp WHERE staff_id = $1 AND confirmed_at IS NOT NULL", &[&staff])
        .await?;
    Ok(row.is_some())
}

/// Whether a second factor is left that can be shown: an app, or a passkey that counts.
pub async fn has_usable(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM totp WHERE staff_id = $1 AND confirmed_at IS NOT NULL)
                OR EXISTS (SELECT 1 FROM passkey WHERE staff_id = $1 AND suspected_at IS NULL)",
            &[&staff],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether one of the person's roles asks for a second factor.
pub async fn is_required(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT 1 FROM staff_role sr JOIN role r ON r.id = sr.role_id
             WHERE sr.staff_id = $1 AND r.is_active AND r.requires_mfa LIMIT 1",
            &[&staff],
        )
        .await?;
    Ok(row.is_some())
}

fn app_of(row: &tokio_postgres::Row) -> App {
    App {
        id: row.get("id"),
        sealed_secret: row.get("sealed_secret"),
        is_confirmed: row.get("is_confirmed"),
        last_step: row.get("last_step"),
    }
}

/// The person's app; none that was begun too long ago.
pub async fn find_app(tx: &TenantTx, staff: StaffId) -> Result<Option<App>> {
    let row = tx
        .query_opt(
            "SELECT id, sealed_secret, confirmed_at IS NOT NULL AS is_confirmed, last_step FROM totp
             WHERE staff_id = $1 AND (confirmed_at IS NOT NULL OR created_at > now() - make_interval(mins => $2))",
            &[&staff, &PENDING_MINUTES],
        )
        .await?;
    Ok(row.as_ref().map(app_of))
}

/// The same, locked: of two that come with one code the second sees what the first left.
pub async fn lock_app(tx: &TenantTx, staff: StaffId) -> Result<Option<App>> {
    let row = tx
        .query_opt(
            "SELECT id, sealed_secret, confirmed_at IS NOT NULL AS is_confirmed, last_step FROM totp
             WHERE staff_id = $1 AND (confirmed_at IS NOT NULL OR created_at > now() - make_interval(mins => $2))
             FOR UPDATE",
            &[&staff, &PENDING_MINUTES],
        )
        .await?;
    Ok(row.as_ref().map(app_of))
}

pub async fn insert_app(tx: &TenantTx, id: Uuid, staff: StaffId, sealed_secret: &[u8]) -> Result<()> {
    tx.execute(
        "INSERT INTO totp (id, staff_id, sealed_secret) VALUES ($1, $2, $3)",
        &[&id, &staff, &sealed_secret],
    )
    .await?;
    Ok(())
}

pub async fn delete_app(tx: &TenantTx, staff: StaffId) -> Result<u64> {
    tx.execute("DELETE FROM totp WHERE staff_id = $1", &[&staff]).await
}

/// A code of this step was taken.
pub async fn take_step(tx: &TenantTx, app: Uuid, step: i64) -> Result<()> {
    tx.execute(
        "UPDATE totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, now()) WHERE id = $1",
        &[&app, &step],
    )
    .await?;
    Ok(())
}

/// Exchanges the recovery codes for these.
pub async fn put_recovery_codes(tx: &TenantTx, app: Uuid, hashes: &[Vec<u8>]) -> Result<()> {
    tx.execute("DELETE FROM recovery_code WHERE totp_id = $1", &[&app]).await?;
    tx.execute(
        "INSERT INTO recovery_code (totp_id, code_hash) SELECT $1, unnest($2::bytea[])",
        &[&app, &hashes],
    )
    .await?;
    Ok(())
}

/// False when there is no such code, or it was used.
pub async fn use_recovery_code(tx: &TenantTx, app: Uuid, hash: &[u8]) -> Result<bool> {
    let used = tx
        .execute(
            "UPDATE recovery_code SET used_at = now() WHERE totp_id = $1 AND code_hash = $2 AND used_at IS NULL",
            &[&app, &hash],
        )
        .await?;
    Ok(used == 1)
}

pub async fn count_recovery_codes(tx: &TenantTx, app: Uuid) -> Result<i64> {
    let row = tx
        .query_one("SELECT count(*) AS n FROM recovery_code WHERE totp_id = $1 AND used_at IS NULL", &[&app])
        .await?;
    Ok(row.get("n"))
}

/// Keeps a browser whose person had the right password a moment ago; false when it is another password by now. A better hash of
/// the same password takes the old one's place.
pub async fn insert_step(
    tx: &TenantTx,
    token: &TokenHash,
    staff: StaffId,
    (seen_hash, better_hash): (&str, Option<&str>),
) -> Result<bool> {
    tx.execute(
        "DELETE FROM sign_in_step WHERE token_hash IN (
            SELECT token_hash FROM sign_in_step WHERE expires_at <= now() LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    let kept = tx
        .execute(
            "WITH person AS (
                UPDATE staff SET password_hash = coalesce($4, password_hash)
                WHERE id = $2 AND is_active AND password_hash = $3 RETURNING id, password_hash)
             INSERT INTO sign_in_step (token_hash, staff_id, seen_password, expires_at)
             SELECT $1, id, sha256(convert_to(password_hash, 'UTF8')), now() + make_interval(mins => $5) FROM person",
            &[&token.as_slice(), &staff, &seen_hash, &better_hash, &STEP_MINUTES],
        )
        .await?;
    Ok(kept == 1)
}

/// The same for somebody whom an issuer vouched for, and who may have no password.
pub async fn insert_vouched_step(tx: &TenantTx, token: &TokenHash, staff: StaffId) -> Result<()> {
    tx.execute(
        "INSERT INTO sign_in_step (token_hash, staff_id, seen_password, expires_at)
         SELECT $1, id, sha256(convert_to(coalesce(password_hash, ''), 'UTF8')), now() + make_interval(mins => $3)
         FROM staff WHERE id = $2",
        &[&token.as_slice(), &staff, &STEP_MINUTES],
    )
    .await?;
    Ok(())
}

/// Whom a browser between password and code belongs to.
pub struct Waiting {
    pub staff: StaffId,
    pub name: String,
}

/// None when it is too late, or the person was switched off or has another password since.
pub async fn find_step(tx: &TenantTx, token: &TokenHash) -> Result<Option<Waiting>> {
    let row = tx
        .query_opt(
            "SELECT s.id, s.name FROM sign_in_step p JOIN staff s ON s.id = p.staff_id
             WHERE p.token_hash = $1 AND p.expires_at > now() AND s.is_active
                AND sha256(convert_to(coalesce(s.password_hash, ''), 'UTF8')) = p.seen_password",
            &[&token.as_slice()],
        )
        .await?;
    Ok(row.map(|row| Waiting { staff: row.get("id"), name: row.get("name") }))
}

/// The step was taken, and the person is in. False when somebody else took it, or it does not count any more.
pub async fn take_sign_in_step(tx: &TenantTx, token: &TokenHash) -> Result<bool> {
    let taken = tx
        .execute(
            "WITH step AS (DELETE FROM sign_in_step WHERE token_hash = $1 AND expires_at > now()
                RETURNING staff_id, seen_password)
             UPDATE staff s SET last_signed_in_at = now() FROM step
             WHERE s.id = step.staff_id AND s.is_active
                AND sha256(convert_to(coalesce(s.password_hash, ''), 'UTF8')) = step.seen_password",
            &[&token.as_slice()],
        )
        .await?;
    Ok(taken == 1)
}
