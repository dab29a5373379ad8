//! All SQL of the platform's people, their sessions, links and second steps.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_postgres::Row;
use uuid::Uuid;

use super::model::{Person, Role};
use crate::{
    access::TokenHash,
    db::{ControlTx, OnConstraint},
    error::{Error, Result},
    types::EmailAddress,
    web::Origin,
};

/// A session that nobody used for so long is over.
const IDLE_MINUTES: i32 = 60;
/// However often it was used.
pub const SESSION_HOURS: i32 = 12;
/// Between the password and the code.
pub const HALFWAY_MINUTES: i32 = 15;
const LIST_MAX: i64 = 1_000;

macro_rules! select_person {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.name, s.email, s.role, s.is_active, s.password_hash IS NOT NULL AS has_password, \
             EXISTS (SELECT 1 FROM public.platform_totp t WHERE t.staff_id = s.id AND t.confirmed_at IS NOT NULL) AS has_second_step, \
             s.last_signed_in_at, s.created_at, coalesce(s.alert_letters, s.role <> 'read_only') AS alert_letters \
             FROM public.platform_staff s ",
            $rest
        )
    };
}

fn person_of(row: &Row) -> Result<Person> {
    let role: String = row.get("role");
    Ok(Person {
        id: row.get("id"),
        name: row.get("name"),
        email: row.get("email"),
        role: Role::parse(&role).ok_or_else(|| Error::internal("a person of no role"))?,
        is_active: row.get("is_active"),
        has_password: row.get("has_password"),
        has_second_step: row.get("has_second_step"),
        last_signed_in_at: row.get("last_signed_in_at"),
        created_at: row.get("created_at"),
        alert_letters: row.get("alert_letters"),
    })
}

pub async fn list_people(tx: &ControlTx) -> Result<Vec<Person>> {
    let rows = tx
        .query(select_person!("ORDER BY s.is_active DESC, lower(s.name), s.id LIMIT $1"), &[&LIST_MAX])
        .await?;
    rows.iter().map(person_of).collect()
}

pub async fn find_person(tx: &ControlTx, id: Uuid) -> Result<Option<Person>> {
    let row = tx.query_opt(select_person!("WHERE s.id = $1"), &[&id]).await?;
    row.as_ref().map(person_of).transpose()
}

pub async fn find_by_email(tx: &ControlTx, email: &EmailAddress) -> Result<Option<Person>> {
    let row = tx.query_opt(select_person!("WHERE lower(s.email) = $1"), &[email]).await?;
    row.as_ref().map(person_of).transpose()
}

/// The person and every super admin, held until the end: two who take each other's role come one after the other.
pub async fn lock_with_super_admins(tx: &ControlTx, id: Uuid) -> Result<Person> {
    tx.query(
        "SELECT id FROM public.platform_staff WHERE id = $1 OR role = 'super_admin' ORDER BY id FOR UPDATE",
        &[&id],
    )
    .await?;
    find_person(tx, id).await?.ok_or(Error::not_found("person"))
}

/// How many others could do what a super admin may.
pub async fn count_other_super_admins(tx: &ControlTx, id: Uuid) -> Result<i64> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n FROM public.platform_staff s JOIN public.platform_totp t ON t.staff_id = s.id
             WHERE s.id <> $1 AND s.role = 'super_admin' AND s.is_active AND s.password_hash IS NOT NULL
                AND t.confirmed_at IS NOT NULL",
            &[&id],
        )
        .await?;
    Ok(row.get("n"))
}

pub async fn insert_person(
    tx: &ControlTx,
    id: Uuid,
    name: &str,
    email: &EmailAddress,
    role: Role,
) -> Result<()> {
    tx.execute(
        "INSERT INTO public.platform_staff (id, name, email, role) VALUES ($1, $2, $3, $4)",
        &[&id, &name, email, &role.as_str()],
    )
    .await
    .on_constraint("platform_staff_email_key", || {
        Error::conflict("email_taken", "There is a person of this address already.")
    })
    .map(drop)
}

pub async fn update_role(tx: &ControlTx, id: Uuid, role: Role) -> Result<()> {
    tx.execute("UPDATE public.platform_staff SET role = $2 WHERE id = $1", &[&id, &role.as_str()])
        .await
        .map(drop)
}

pub async fn update_active(tx: &ControlTx, id: Uuid, is_active: bool) -> Result<()> {
    tx.execute("UPDATE public.platform_staff SET is_active = $2 WHERE id = $1", &[&id, &is_active])
        .await
        .map(drop)
}

pub async fn update_password(tx: &ControlTx, id: Uuid, hash: &str) -> Result<()> {
    tx.execute("UPDATE public.platform_staff SET password_hash = $2 WHERE id = $1", &[&id, &hash])
        .await
        .map(drop)
}

/// What signing in needs of an account.
pub struct Account {
    pub id: Uuid,
    /// None for those who may not come in, or have no password.
    pub hash: Option<SecretString>,
}

pub async fn find_account(tx: &ControlTx, email: &EmailAddress) -> Result<Option<Account>> {
    let row = tx
        .query_opt(
            "SELECT id, CASE WHEN is_active THEN password_hash END AS hash FROM public.platform_staff
             WHERE lower(email) = $1",
            &[email],
        )
        .await?;
    Ok(row.map(|row| Account {
        id: row.get("id"),
        hash: row.get::<_, Option<String>>("hash").map(SecretString::from),
    }))
}

/// False when the person was switched off, or has another password, since the hash was read.
pub async fn is_still(tx: &ControlTx, id: Uuid, seen_hash: &str) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT 1 FROM public.platform_staff WHERE id = $1 AND is_active AND password_hash = $2 FOR UPDATE",
            &[&id, &seen_hash],
        )
        .await?;
    Ok(row.is_some())
}

pub async fn mark_signed_in(tx: &ControlTx, id: Uuid) -> Result<()> {
    tx.execute("UPDATE public.platform_staff SET last_signed_in_at = now() WHERE id = $1", &[&id])
        .await
        .map(drop)
}

/// A browser's stay in the console, and whose it is.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: Uuid,
    pub person: Person,
    pub is_whole: bool,
    /// How many alerts are open now, for the frame of every page.
    pub open_alerts: i64,
    is_stale: bool,
}

impl Session {
    /// Its last use was written down too long ago.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }
}

pub async fn find_session(tx: &ControlTx, token: &TokenHash) -> Result<Option<Session>> {
    let row = tx
        .query_opt(
            "SELECT p.id AS session_id, p.is_whole, p.last_seen_at < now() - interval '1 minute' AS is_stale,
                s.id, s.name, s.email, s.role, s.is_active, s.password_hash IS NOT NULL AS has_password,
                EXISTS (SELECT 1 FROM public.platform_totp t WHERE t.staff_id = s.id AND t.confirmed_at IS NOT NULL)
                    AS has_second_step, s.last_signed_in_at, s.created_at,
                coalesce(s.alert_letters, s.role <> 'read_only') AS alert_letters,
                (SELECT count(*) FROM public.alert a WHERE a.closed_at IS NULL) AS open_alerts
             FROM public.platform_session p JOIN public.platform_staff s ON s.id = p.staff_id
             WHERE p.token_hash = $1 AND s.is_active AND p.expires_at > now()
                AND p.last_seen_at > now() - make_interval(mins => $2)",
            &[&token.as_slice(), &IDLE_MINUTES],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Session {
        id: row.get("session_id"),
        person: person_of(&row)?,
        is_whole: row.get("is_whole"),
        open_alerts: row.get("open_alerts"),
        is_stale: row.get("is_stale"),
    }))
}

pub async fn touch_session(tx: &ControlTx, id: Uuid) -> Result<()> {
    tx.execute("UPDATE public.platform_session SET last_seen_at = now() WHERE id = $1", &[&id])
        .await
        .map(drop)
}

/// Begins a stay, in the place of the one that this browser had.
pub async fn insert_session(
    tx: &ControlTx,
    token: &TokenHash,
    old: Option<&TokenHash>,
    staff: Uuid,
    is_whole: bool,
    origin: Option<&Origin>,
) -> Result<()> {
    if let Some(old) = old {
        tx.execute("DELETE FROM public.platform_session WHERE token_hash = $1", &[&old.as_slice()]).await?;
    }
    tx.execute("DELETE FROM public.platform_session WHERE expires_at < now()", &[]).await?;
    let minutes = if is_whole { SESSION_HOURS * 60 } else { HALFWAY_MINUTES };
    tx.execute(
        "INSERT INTO public.platform_session (id, token_hash, staff_id, is_whole, expires_at, address, user_agent)
         VALUES ($1, $2, $3, $4, now() + make_interval(mins => $5), $6, $7)",
        &[
            &Uuid::now_v7(),
            &token.as_slice(),
            &staff,
            &is_whole,
            &minutes,
            &origin.map(|origin| origin.address.to_string()),
            &origin.and_then(|origin| origin.user_agent.as_deref()),
        ],
    )
    .await
    .map(drop)
}

pub async fn delete_session(tx: &ControlTx, id: Uuid) -> Result<()> {
    tx.execute("DELETE FROM public.platform_session WHERE id = $1", &[&id]).await.map(drop)
}

/// Every stay of a person but the one named.
pub async fn delete_sessions(tx: &ControlTx, staff: Uuid, except: Option<Uuid>) -> Result<u64> {
    tx.execute(
        "DELETE FROM public.platform_session WHERE staff_id = $1 AND ($2::uuid IS NULL OR id <> $2)",
        &[&staff, &except],
    )
    .await
}

/// Ends a person's stays in portals, and tells every process of it.
pub async fn end_support_stays(tx: &ControlTx, staff: Uuid) -> Result<()> {
    tx.execute(
        "SELECT pg_notify('lastmile_news', 'access:' || g.tenant_id) FROM public.support_session s
         JOIN public.support_grant g ON g.id = s.grant_id
         WHERE s.staff_id = $1 AND s.ended_at IS NULL AND g.ended_at IS NULL AND g.expires_at > now()",
        &[&staff],
    )
    .await?;
    tx.execute(
        "UPDATE public.support_session SET ended_at = now() WHERE staff_id = $1 AND ended_at IS NULL",
        &[&staff],
    )
    .await?;
    tx.execute("DELETE FROM public.support_entry WHERE staff_id = $1", &[&staff]).await.map(drop)
}

/// Where somebody is signed in.
pub struct Stay {
    pub id: Uuid,
    pub last_seen_at: DateTime<Utc>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

pub async fn list_stays(tx: &ControlTx, staff: Uuid) -> Result<Vec<Stay>> {
    let rows = tx
        .query(
            "SELECT id, last_seen_at, address, user_agent FROM public.platform_session
             WHERE staff_id = $1 AND is_whole AND expires_at > now() AND last_seen_at > now() - make_interval(mins => $2)
             ORDER BY last_seen_at DESC LIMIT 50",
            &[&staff, &IDLE_MINUTES],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Stay {
            id: row.get("id"),
            last_seen_at: row.get("last_seen_at"),
            address: row.get("address"),
            user_agent: row.get("user_agent"),
        })
        .collect())
}

/// Makes a link; those that were made before count no more.
pub async fn insert_link(tx: &ControlTx, token: &TokenHash, staff: Uuid, hours: i32) -> Result<()> {
    tx.execute(
        "DELETE FROM public.platform_link WHERE staff_id = $1 OR expires_at < now() - interval '30 days'",
        &[&staff],
    )
    .await?;
    tx.execute(
        "INSERT INTO public.platform_link (token_hash, staff_id, expires_at)
         VALUES ($1, $2, now() + make_interval(hours => $3))",
        &[&token.as_slice(), &staff, &hours],
    )
    .await
    .map(drop)
}

pub async fn delete_links(tx: &ControlTx, staff: Uuid) -> Result<()> {
    tx.execute("DELETE FROM public.platform_link WHERE staff_id = $1", &[&staff]).await.map(drop)
}

/// Whom a link is for that still counts. Changes nothing.
pub async fn find_link(tx: &ControlTx, token: &TokenHash) -> Result<Option<Person>> {
    let row = tx
        .query_opt(
            select_person!(
                "JOIN public.platform_link l ON l.staff_id = s.id \
                 WHERE l.token_hash = $1 AND l.used_at IS NULL AND l.expires_at > now() AND s.is_active"
            ),
            &[&token.as_slice()],
        )
        .await?;
    row.as_ref().map(person_of).transpose()
}

/// Uses a link up. Of two at the same instant one gets it.
pub async fn use_link(tx: &ControlTx, token: &TokenHash) -> Result<Option<Uuid>> {
    let row = tx
        .query_opt(
            "UPDATE public.platform_link l SET used_at = now() FROM public.platform_staff s
             WHERE l.token_hash = $1 AND l.used_at IS NULL AND l.expires_at > now() AND s.id = l.staff_id AND s.is_active
             RETURNING l.staff_id",
            &[&token.as_slice()],
        )
        .await?;
    Ok(row.map(|row| row.get("staff_id")))
}

/// A person's authenticator app.
pub struct App {
    pub sealed_secret: Vec<u8>,
    pub is_confirmed: bool,
    pub last_step: i64,
}

/// Held until the end: of two that come with one code the second sees what the first left.
pub async fn lock_app(tx: &ControlTx, staff: Uuid) -> Result<Option<App>> {
    let row = tx
        .query_opt(
            "SELECT sealed_secret, confirmed_at IS NOT NULL AS is_confirmed, last_step FROM public.platform_totp
             WHERE staff_id = $1 FOR UPDATE",
            &[&staff],
        )
        .await?;
    Ok(row.as_ref().map(app_of))
}

pub async fn find_app(tx: &ControlTx, staff: Uuid) -> Result<Option<App>> {
    let row = tx
        .query_opt(
            "SELECT sealed_secret, confirmed_at IS NOT NULL AS is_confirmed, last_step FROM public.platform_totp
             WHERE staff_id = $1",
            &[&staff],
        )
        .await?;
    Ok(row.as_ref().map(app_of))
}

fn app_of(row: &Row) -> App {
    App {
        sealed_secret: row.get("sealed_secret"),
        is_confirmed: row.get("is_confirmed"),
        last_step: row.get("last_step"),
    }
}

/// A secret that waits for its first code. One that was confirmed stays what it is.
pub async fn put_pending_app(tx: &ControlTx, staff: Uuid, sealed_secret: &[u8]) -> Result<()> {
    tx.execute(
        "INSERT INTO public.platform_totp AS t (staff_id, sealed_secret) VALUES ($1, $2)
         ON CONFLICT (staff_id) DO UPDATE SET sealed_secret = excluded.sealed_secret, last_step = 0, created_at = now()
         WHERE t.confirmed_at IS NULL",
        &[&staff, &sealed_secret],
    )
    .await
    .map(drop)
}

/// A code of this step was taken.
pub async fn take_step(tx: &ControlTx, staff: Uuid, step: i64) -> Result<()> {
    tx.execute(
        "UPDATE public.platform_totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, now()) WHERE staff_id = $1",
        &[&staff, &step],
    )
    .await
    .map(drop)
}

pub async fn delete_app(tx: &ControlTx, staff: Uuid) -> Result<bool> {
    Ok(tx.execute("DELETE FROM public.platform_totp WHERE staff_id = $1", &[&staff]).await? > 0)
}

/// Exchanges the recovery codes for these.
pub async fn put_recovery_codes(tx: &ControlTx, staff: Uuid, hashes: &[Vec<u8>]) -> Result<()> {
    tx.execute("DELETE FROM public.platform_recovery_code WHERE staff_id = $1", &[&staff]).await?;
    tx.execute(
        "INSERT INTO public.platform_recovery_code (staff_id, code_hash) SELECT $1, unnest($2::bytea[])",
        &[&staff, &hashes],
    )
    .await
    .map(drop)
}

/// False when there is no such code, or it was used.
pub async fn use_recovery_code(tx: &ControlTx, staff: Uuid, hash: &[u8]) -> Result<bool> {
    let used = tx
        .execute(
            "UPDATE public.platform_recovery_code SET used_at = now()
             WHERE staff_id = $1 AND code_hash = $2 AND used_at IS NULL",
            &[&staff, &hash],
        )
        .await?;
    Ok(used == 1)
}

pub async fn count_recovery_codes(tx: &ControlTx, staff: Uuid) -> Result<i64> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n FROM public.platform_recovery_code WHERE staff_id = $1 AND used_at IS NULL",
            &[&staff],
        )
        .await?;
    Ok(row.get("n"))
}
