//! All SQL of sessions, tokens, keys and sign-ins.

use secrecy::SecretString;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{company::Company, credentials::TokenHash, sessions::Stay};
use crate::{
    db::TenantTx,
    error::Result,
    types::{EmailAddress, SessionId, StaffId},
    web::Origin,
};

/// Whether the person `s` of a query has a second factor: an app, or a passkey (also one that is refused: it does not make room for
/// the password alone).
macro_rules! has_second_factor {
    () => {
        "(EXISTS (SELECT 1 FROM totp t WHERE t.staff_id = s.id AND t.confirmed_at IS NOT NULL) \
          OR EXISTS (SELECT 1 FROM passkey k WHERE k.staff_id = s.id))"
    };
}
pub(super) use has_second_factor;

/// A session that nobody used for so long is over: 12 hours.
pub(super) const SESSION_IDLE_SECONDS: i64 = 12 * 3_600;
/// However often it was used, a session is over after 7 days; as its insertion says.
pub(super) const SESSION_MAX_SECONDS: u64 = 7 * 24 * 3_600;

/// The session's person, one row for each role that is switched on (one row with a null role when there is none).
pub(super) async fn list_session_roles(tx: &TenantTx, hash: &TokenHash) -> Result<Vec<Row>> {
    tx.query(
        concat!(
            "SELECT p.id AS session_id, p.expires_at, p.last_seen_at, coalesce(p.proved_at, p.created_at) AS proved_at,
            s.id AS staff_id, s.name, s.email, s.avatar_file_id, s.time_zone, s.language, r.name AS role_name, r.permissions, r.is_owner, r.requires_mfa, ",
            has_second_factor!(),
            " AS has_mfa
         FROM portal_session p
         JOIN staff s ON s.id = p.staff_id
         LEFT JOIN (staff_role sr JOIN role r ON r.id = sr.role_id AND r.is_active) ON sr.staff_id = s.id
         WHERE p.token_hash = $1 AND s.is_active AND p.expires_at > now()
            AND p.last_seen_at > now() - $2::bigint * interval '1 second'
         ORDER BY r.name LIMIT 200"
        ),
        &[&hash.as_slice(), &SESSION_IDLE_SECONDS],
    )
    .await
}

/// The same for an API sign-in: nothing when its family was ended.
pub(super) async fn list_family_roles(tx: &TenantTx, family: Uuid, staff: StaffId) -> Result<Vec<Row>> {
    tx.query(
        concat!(
            "SELECT s.id AS staff_id, s.name, r.name AS role_name, r.permissions, r.is_owner, r.requires_mfa,
            coalesce((SELECT min(f.created_at) FROM refresh_token f WHERE f.family_id = $1), now()) AS proved_at, ",
            has_second_factor!(),
            " AS has_mfa
         FROM staff s
         LEFT JOIN (staff_role sr JOIN role r ON r.id = sr.role_id AND r.is_active) ON sr.staff_id = s.id
         WHERE s.id = $2 AND s.is_active AND EXISTS (
            SELECT 1 FROM refresh_token t WHERE t.family_id = $1 AND t.staff_id = s.id
                AND t.used_at IS NULL AND t.revoked_at IS NULL AND t.expires_at > now())
         ORDER BY r.name LIMIT 200"
        ),
        &[&family, &staff],
    )
    .await
}

/// Another process may have written it a moment ago: then this one does not.
pub(super) async fn touch_session(tx: &TenantTx, session: SessionId) -> Result<()> {
    tx.execute(
        "UPDATE portal_session SET last_seen_at = now() WHERE id = $1 AND last_seen_at < now() - interval '50 seconds'",
        &[&session],
    )
    .await?;
    Ok(())
}

pub(super) async fn get_company(tx: &TenantTx) -> Result<Company> {
    let row = tx
        .query_one(
            "SELECT accent, area_word, logo_file_id, version, cors_origins FROM company WHERE is_only",
            &[],
        )
        .await?;
    Ok(Company {
        epoch: None,
        accent: row.get("accent"),
        area_word: row.get("area_word"),
        logo: row.get("logo_file_id"),
        version: row.get("version"),
        cors_origins: row.get("cors_origins"),
        support: None,
    })
}

/// A member of staff as signing in needs it.
pub(super) struct Account {
    pub id: StaffId,
    pub name: String,
    pub is_active: bool,
    pub hash: Option<SecretString>,
}

pub(super) async fn find_account(tx: &TenantTx, email: &EmailAddress) -> Result<Option<Account>> {
    let row = tx
        .query_opt("SELECT id, name, is_active, password_hash FROM staff WHERE lower(email) = $1", &[email])
        .await?;
    Ok(row.map(|row| Account {
        id: row.get("id"),
        name: row.get("name"),
        is_active: row.get("is_active"),
        hash: row.get::<_, Option<String>>("password_hash").map(SecretString::from),
    }))
}

/// False when the person was switched off, or the password changed, since `seen_hash` was read.
pub(super) async fn sign_staff_in(
    tx: &TenantTx,
    staff: StaffId,
    seen_hash: &str,
    better_hash: Option<&str>,
) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE staff SET last_signed_in_at = now(), password_hash = coalesce($3, password_hash)
             WHERE id = $1 AND is_active AND password_hash = $2",
            &[&staff, &seen_hash, &better_hash],
        )
        .await?;
    Ok(touched == 1)
}

/// Every process forgets what it cached of the entered tenant's access.
pub(super) async fn tell_access_changed(tx: &TenantTx) -> Result<()> {
    tx.execute("SELECT gate.tell_access_changed()", &[]).await?;
    Ok(())
}

/// A refresh token that is or was known here.
pub(super) struct RefreshToken {
    pub family: Uuid,
    pub staff: StaffId,
    pub staff_name: String,
    pub is_used: bool,
    pub is_revoked: bool,
    pub is_expired: bool,
}

pub(super) async fn lock_refresh_token(tx: &TenantTx, hash: &TokenHash) -> Result<Option<RefreshToken>> {
    let row = tx
        .query_opt(
            "SELECT t.family_id, t.staff_id, s.name, t.used_at IS NOT NULL AS is_used,
                t.revoked_at IS NOT NULL AS is_revoked, t.expires_at <= now() AS is_expired
             FROM refresh_token t JOIN staff s ON s.id = t.staff_id
             WHERE t.token_hash = $1 FOR UPDATE OF t",
            &[&hash.as_slice()],
        )
        .await?;
    Ok(row.map(|row| RefreshToken {
        family: row.get("family_id"),
        staff: row.get("staff_id"),
        staff_name: row.get("name"),
        is_used: row.get("is_used"),
        is_revoked: row.get("is_revoked"),
        is_expired: row.get("is_expired"),
    }))
}

/// A token counts for 30 days without use, and its family for 90 in all.
pub(super) async fn insert_refresh_token(
    tx: &TenantTx,
    hash: &TokenHash,
    staff: StaffId,
    family: Uuid,
) -> Result<()> {
    tx.execute(
        "INSERT INTO refresh_token (id, family_id, token_hash, staff_id, expires_at)
         SELECT $1, $2, $3, $4, least(
            now() + interval '30 days',
            coalesce(min(t.created_at), now()) + interval '90 days')
         FROM refresh_token t WHERE t.family_id = $2",
        &[&Uuid::now_v7(), &family, &hash.as_slice(), &staff],
    )
    .await?;
    Ok(())
}

pub(super) async fn use_refresh_token(tx: &TenantTx, hash: &TokenHash) -> Result<()> {
    tx.execute("UPDATE refresh_token SET used_at = now() WHERE token_hash = $1", &[&hash.as_slice()]).await?;
    Ok(())
}

/// How many tokens of the family counted until now.
pub(super) async fn end_family(tx: &TenantTx, family: Uuid) -> Result<u64> {
    tx.execute(
        "UPDATE refresh_token SET revoked_at = now() WHERE family_id = $1 AND revoked_at IS NULL",
        &[&family],
    )
    .await
}

/// What expired long ago is no trace of anything.
pub(super) async fn sweep_refresh_tokens(tx: &TenantTx) -> Result<()> {
    tx.execute(
        "DELETE FROM refresh_token WHERE id IN (
            SELECT id FROM refresh_token WHERE created_at < now() - interval '100 days'
            ORDER BY created_at LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    Ok(())
}

pub(super) async fn find_email(tx: &TenantTx, staff: StaffId) -> Result<Option<String>> {
    Ok(tx.query_opt("SELECT email FROM staff WHERE id = $1", &[&staff]).await?.map(|row| row.get("email")))
}

pub(super) async fn insert_session(
    tx: &TenantTx,
    hash: &TokenHash,
    staff: StaffId,
    origin: Option<&Origin>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO portal_session (id, token_hash, staff_id, expires_at, address, user_agent)
         VALUES ($1, $2, $3, now() + interval '7 days', $4, $5)",
        &[
            &SessionId::new(),
            &hash.as_slice(),
            &staff,
            &origin.map(|origin| origin.address.to_string()),
            &origin.and_then(|origin| origin.user_agent.as_deref()),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn list_sessions(tx: &TenantTx, staff: StaffId) -> Result<Vec<Stay>> {
    let rows = tx
        .query(
            "SELECT id, created_at, last_seen_at, address, user_agent FROM portal_session
             WHERE staff_id = $1 AND expires_at > now() AND last_seen_at > now() - $2::bigint * interval '1 second'
             ORDER BY last_seen_at DESC, id LIMIT 50",
            &[&staff, &SESSION_IDLE_SECONDS],
        )
        .await?;
    let stay = |row: &Row| Stay {
        id: row.get("id"),
        created_at: row.get("created_at"),
        last_seen_at: row.get("last_seen_at"),
        address: row.get("address"),
        user_agent: row.get("user_agent"),
    };
    Ok(rows.iter().map(stay).collect())
}

pub(super) async fn delete_session(tx: &TenantTx, staff: StaffId, session: SessionId) -> Result<u64> {
    tx.execute("DELETE FROM portal_session WHERE id = $1 AND staff_id = $2", &[&session, &staff]).await
}

pub(super) async fn delete_session_by_hash(tx: &TenantTx, hash: &TokenHash) -> Result<u64> {
    tx.execute("DELETE FROM portal_session WHERE token_hash = $1", &[&hash.as_slice()]).await
}

pub(super) async fn delete_sessions(tx: &TenantTx, staff: StaffId, except: Option<SessionId>) -> Result<u64> {
    tx.execute(
        "DELETE FROM portal_session WHERE staff_id = $1 AND id IS DISTINCT FROM $2",
        &[&staff, &except],
    )
    .await
}

/// Gives a stay another token: the old cookie counts no more.
pub(super) async fn rotate_session(tx: &TenantTx, session: SessionId, hash: &TokenHash) -> Result<()> {
    tx.execute("UPDATE portal_session SET token_hash = $2 WHERE id = $1", &[&session, &hash.as_slice()])
        .await?;
    Ok(())
}

pub(super) async fn sweep_sessions(tx: &TenantTx) -> Result<()> {
    tx.execute(
        "DELETE FROM portal_session WHERE id IN (
            SELECT id FROM portal_session
            WHERE expires_at <= now() OR last_seen_at <= now() - $1::bigint * interval '1 second'
            LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[&SESSION_IDLE_SECONDS],
    )
    .await?;
    Ok(())
}

/// Ends every API sign-in of a person but the one named.
pub(super) async fn end_families(tx: &TenantTx, staff: StaffId, except: Option<Uuid>) -> Result<u64> {
    tx.execute(
        "UPDATE refresh_token SET revoked_at = now()
         WHERE staff_id = $1 AND revoked_at IS NULL AND used_at IS NULL AND family_id IS DISTINCT FROM $2",
        &[&staff, &except],
    )
    .await
}

/// The person has accepted the invitation, or came unasked, without a password.
pub(super) async fn accept(tx: &TenantTx, staff: StaffId) -> Result<()> {
    tx.execute("UPDATE staff SET accepted_at = coalesce(accepted_at, now()) WHERE id = $1", &[&staff])
        .await?;
    tx.execute("UPDATE one_time_link SET used_at = now() WHERE staff_id = $1 AND used_at IS NULL", &[&staff])
        .await?;
    Ok(())
}

/// The person has signed in, by another door than a password's.
pub(super) async fn note_sign_in(tx: &TenantTx, staff: StaffId) -> Result<()> {
    tx.execute("UPDATE staff SET last_signed_in_at = now() WHERE id = $1", &[&staff]).await?;
    Ok(())
}

/// Whether the person has a password.
pub(super) async fn has_password(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row =
        tx.query_opt("SELECT 1 FROM staff WHERE id = $1 AND password_hash IS NOT NULL", &[&staff]).await?;
    Ok(row.is_some())
}

/// The person of this stay has just shown that it is them.
pub(super) async fn prove_session(tx: &TenantTx, session: SessionId) -> Result<()> {
    tx.execute("UPDATE portal_session SET proved_at = now() WHERE id = $1", &[&session]).await?;
    Ok(())
}

pub(super) async fn set_own_password(
    tx: &TenantTx,
    staff: StaffId,
    seen_hash: &str,
    new_hash: &str,
) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE staff SET password_hash = $3, updated_at = now() WHERE id = $1 AND is_active AND password_hash = $2",
            &[&staff, &seen_hash, &new_hash],
        )
        .await?;
    Ok(touched == 1)
}

/// Whom a landing code is for; it counts no more. It is of no use to somebody who has set up a second factor since.
pub(super) async fn redeem_landing(tx: &TenantTx, hash: &TokenHash) -> Result<Option<(StaffId, String)>> {
    let row = tx
        .query_opt(
            concat!(
                "UPDATE one_time_link l SET used_at = now() FROM staff s
             WHERE l.token_hash = $1 AND l.purpose = 'landing' AND l.used_at IS NULL AND l.expires_at > now()
                AND s.id = l.staff_id AND s.is_active AND NOT ",
                has_second_factor!(),
                " RETURNING s.id, s.name"
            ),
            &[&hash.as_slice()],
        )
        .await?;
    Ok(row.map(|row| (row.get("id"), row.get("name"))))
}

/// Which of these are hashes of credentials of this tenant, also of those that count no more.
pub async fn list_known(tx: &TenantTx, hashes: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let rows = tx
        .query(
            "SELECT h.hash FROM unnest($1::bytea[]) AS h (hash)
             WHERE EXISTS (SELECT FROM api_key k WHERE k.key_hash = h.hash OR k.old_key_hash = h.hash)
                OR EXISTS (SELECT FROM portal_session p WHERE p.token_hash = h.hash)
                OR EXISTS (SELECT FROM refresh_token r WHERE r.token_hash = h.hash)",
            &[&hashes],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("hash")).collect())
}
