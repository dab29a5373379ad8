//! All SQL of the accounts, stays and links of subscribers. A customer who was deleted has no account that counts.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_postgres::Row;

use crate::{
    access::TokenHash,
    db::{OnConstraint, TenantTx},
    error::{Error, Result},
    types::{CustomerId, SubscriberLoginId, SubscriberSessionId},
    web::Origin,
};

/// A stay that nobody used for so long is over: a week.
pub const SESSION_IDLE_SECONDS: i64 = 7 * 24 * 3_600;
/// However often it was used, a stay is over after 30 days.
pub const SESSION_MAX_SECONDS: i64 = 30 * 24 * 3_600;
const SESSIONS_MAX: i64 = 50;

/// What a customer signs in with.
#[derive(Debug, Clone)]
pub struct Login {
    pub id: SubscriberLoginId,
    pub customer: CustomerId,
    /// The customer's name.
    pub name: String,
    pub sign_in_name: String,
    pub hash: SecretString,
    pub proved_email: Option<String>,
    pub last_signed_in_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

macro_rules! login {
    ($where:literal) => {
        concat!(
            "SELECT l.id, l.customer_id, c.first_name || ' ' || c.last_name, l.sign_in_name, l.password_hash, l.proved_email, \
             l.last_signed_in_at, l.created_at FROM subscriber_login l \
             JOIN customer c ON c.id = l.customer_id AND c.deleted_at IS NULL WHERE ",
            $where
        )
    };
}

fn login_of(row: &Row) -> Login {
    Login {
        id: row.get(0),
        customer: row.get(1),
        name: row.get(2),
        sign_in_name: row.get(3),
        hash: SecretString::from(row.get::<_, String>(4)),
        proved_email: row.get(5),
        last_signed_in_at: row.get(6),
        created_at: row.get(7),
    }
}

pub async fn find_login(tx: &TenantTx, customer: CustomerId) -> Result<Option<Login>> {
    Ok(tx.query_opt(login!("l.customer_id = $1"), &[&customer]).await?.as_ref().map(login_of))
}

pub async fn find_by_name(tx: &TenantTx, name: &str) -> Result<Option<Login>> {
    Ok(tx.query_opt(login!("l.sign_in_name = $1"), &[&name]).await?.as_ref().map(login_of))
}

pub async fn find_by_session(tx: &TenantTx, session: SubscriberSessionId) -> Result<Option<Login>> {
    let sql = login!("l.id = (SELECT login_id FROM subscriber_session WHERE id = $1)");
    Ok(tx.query_opt(sql, &[&session]).await?.as_ref().map(login_of))
}

pub async fn insert_login(
    tx: &TenantTx,
    customer: CustomerId,
    name: &str,
    hash: &str,
    proved_email: Option<&str>,
) -> Result<SubscriberLoginId> {
    let id = SubscriberLoginId::new();
    tx.execute(
        "INSERT INTO subscriber_login (id, customer_id, sign_in_name, password_hash, proved_email, last_signed_in_at) \
         VALUES ($1, $2, $3, $4, $5, now())",
        &[&id, &customer, &name, &hash, &proved_email],
    )
    .await
    .on_constraint("subscriber_login_name_key", || {
        Error::invalid("sign_in_name", "taken", "Somebody else signs in with this. Choose another one.")
    })
    .on_constraint("subscriber_login_customer_id_key", || Error::not_found("link"))?;
    Ok(id)
}

/// Lets somebody in, unless the password changed since `seen` was read.
pub async fn sign_in(tx: &TenantTx, id: SubscriberLoginId, seen: &str, better: Option<&str>) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE subscriber_login l SET last_signed_in_at = now(), password_hash = coalesce($3, password_hash) \
             FROM customer c WHERE l.id = $1 AND l.password_hash = $2 AND c.id = l.customer_id AND c.deleted_at IS NULL",
            &[&id, &seen, &better],
        )
        .await?;
    Ok(touched == 1)
}

/// Writes another password over `seen`, or over whatever there is.
pub async fn set_password(
    tx: &TenantTx,
    id: SubscriberLoginId,
    seen: Option<&str>,
    hash: &str,
) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE subscriber_login SET password_hash = $3, updated_at = now() \
             WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2)",
            &[&id, &seen, &hash],
        )
        .await?;
    Ok(touched == 1)
}

pub async fn delete_login(tx: &TenantTx, customer: CustomerId) -> Result<bool> {
    Ok(tx.execute("DELETE FROM subscriber_login WHERE customer_id = $1", &[&customer]).await? > 0)
}

/// A stay that counts.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SubscriberSessionId,
    pub login: SubscriberLoginId,
    pub customer: CustomerId,
    pub name: String,
    pub is_stale: bool,
}

pub async fn find_session(tx: &TenantTx, hash: &TokenHash) -> Result<Option<Session>> {
    let row = tx
        .query_opt(
            "SELECT s.id, l.id, c.id, c.first_name || ' ' || c.last_name, s.last_seen_at < now() - interval '1 minute' \
             FROM subscriber_session s JOIN subscriber_login l ON l.id = s.login_id \
             JOIN customer c ON c.id = l.customer_id AND c.deleted_at IS NULL \
             WHERE s.token_hash = $1 AND s.expires_at > now() \
             AND s.last_seen_at > now() - $2::bigint * interval '1 second'",
            &[&hash.as_slice(), &SESSION_IDLE_SECONDS],
        )
        .await?;
    Ok(row.map(|row| Session {
        id: row.get(0),
        login: row.get(1),
        customer: row.get(2),
        name: row.get(3),
        is_stale: row.get(4),
    }))
}

pub async fn touch_session(tx: &TenantTx, id: SubscriberSessionId) -> Result<()> {
    tx.execute(
        "UPDATE subscriber_session SET last_seen_at = now() WHERE id = $1 AND last_seen_at < now() - interval '50 seconds'",
        &[&id],
    )
    .await?;
    Ok(())
}

/// Begins a stay under a fresh token, ends the one that this browser had, and takes some away that are over.
pub async fn begin_session(
    tx: &TenantTx,
    login: SubscriberLoginId,
    hash: &TokenHash,
    old: Option<&TokenHash>,
    origin: Option<&Origin>,
) -> Result<()> {
    if let Some(old) = old {
        tx.execute("DELETE FROM subscriber_session WHERE token_hash = $1", &[&old.as_slice()]).await?;
    }
    tx.execute(
        "DELETE FROM subscriber_session WHERE id IN (SELECT id FROM subscriber_session \
         WHERE expires_at <= now() LIMIT 50 FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    tx.execute(
        "INSERT INTO subscriber_session (id, token_hash, login_id, expires_at, address, user_agent) \
         VALUES ($1, $2, $3, now() + $4::bigint * interval '1 second', $5, $6)",
        &[
            &SubscriberSessionId::new(),
            &hash.as_slice(),
            &login,
            &SESSION_MAX_SECONDS,
            &origin.map(|origin| origin.address.to_string()),
            &origin.and_then(|origin| origin.user_agent.clone()),
        ],
    )
    .await?;
    Ok(())
}

/// Gives a stay another token: the old cookie counts no more.
pub async fn rotate_session(tx: &TenantTx, id: SubscriberSessionId, hash: &TokenHash) -> Result<()> {
    tx.execute("UPDATE subscriber_session SET token_hash = $2 WHERE id = $1", &[&id, &hash.as_slice()])
        .await?;
    Ok(())
}

pub async fn end_session(tx: &TenantTx, id: SubscriberSessionId) -> Result<()> {
    tx.execute("DELETE FROM subscriber_session WHERE id = $1", &[&id]).await?;
    Ok(())
}

/// Ends the stays of an account, but for one.
pub async fn end_sessions(
    tx: &TenantTx,
    login: SubscriberLoginId,
    except: Option<SubscriberSessionId>,
) -> Result<u64> {
    tx.execute(
        "DELETE FROM subscriber_session WHERE login_id = $1 AND id IS DISTINCT FROM $2",
        &[&login, &except],
    )
    .await
}

/// A stay, as its person sees it.
pub struct Stay {
    pub id: SubscriberSessionId,
    pub last_seen_at: DateTime<Utc>,
    pub user_agent: Option<String>,
}

pub async fn list_sessions(tx: &TenantTx, login: SubscriberLoginId) -> Result<Vec<Stay>> {
    let rows = tx
        .query(
            "SELECT id, last_seen_at, user_agent FROM subscriber_session WHERE login_id = $1 \
             AND expires_at > now() AND last_seen_at > now() - $2::bigint * interval '1 second' \
             ORDER BY last_seen_at DESC, id LIMIT $3",
            &[&login, &SESSION_IDLE_SECONDS, &SESSIONS_MAX],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Stay { id: row.get(0), last_seen_at: row.get(1), user_agent: row.get(2) })
        .collect())
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Invitation,
    Reset,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
        }
    }

    /// An invited customer may look into their mail tomorrow.
    fn minutes(self) -> i32 {
        match self {
            Self::Invitation => 72 * 60,
            // As for staff: ten minutes, as ASVS has it for what is sent another way.
            Self::Reset => 10,
        }
    }

    pub fn valid_for(self) -> &'static str {
        match self {
            Self::Invitation => "3 days",
            Self::Reset => "10 minutes",
        }
    }
}

pub async fn insert_link(
    tx: &TenantTx,
    hash: &TokenHash,
    purpose: Purpose,
    customer: CustomerId,
    mailed_to: Option<&str>,
) -> Result<DateTime<Utc>> {
    // Those that say nothing any more, not even how often somebody asked.
    tx.execute(
        "DELETE FROM subscriber_link WHERE customer_id = $1 AND expires_at < now() AND created_at < now() - interval '1 day'",
        &[&customer],
    )
    .await?;
    let row = tx
        .query_one(
            "INSERT INTO subscriber_link (token_hash, purpose, customer_id, mailed_to, expires_at) \
             VALUES ($1, $2, $3, $4, now() + make_interval(mins => $5)) RETURNING expires_at",
            &[&hash.as_slice(), &purpose.as_str(), &customer, &mailed_to, &purpose.minutes()],
        )
        .await?;
    Ok(row.get(0))
}

/// Whom a link is for.
#[derive(Debug, Clone)]
pub struct LinkOwner {
    pub customer: CustomerId,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub mailed_to: Option<String>,
    pub login: Option<(SubscriberLoginId, String)>,
}

/// Whom a link that still counts is for; an invitation counts while there is no account, a reset while there is one.
pub async fn find_link(tx: &TenantTx, hash: &TokenHash, purpose: Purpose) -> Result<Option<LinkOwner>> {
    let row = tx
        .query_opt(
            "SELECT c.id, c.first_name || ' ' || c.last_name, c.email, c.phone_primary, k.mailed_to, l.id, l.sign_in_name \
             FROM subscriber_link k JOIN customer c ON c.id = k.customer_id AND c.deleted_at IS NULL \
             LEFT JOIN subscriber_login l ON l.customer_id = c.id \
             WHERE k.token_hash = $1 AND k.purpose = $2 AND k.used_at IS NULL AND k.expires_at > now() \
             AND (l.id IS NULL) = ($2 = 'invitation')",
            &[&hash.as_slice(), &purpose.as_str()],
        )
        .await?;
    Ok(row.map(|row| LinkOwner {
        customer: row.get(0),
        name: row.get(1),
        email: row.get(2),
        phone: row.get(3),
        mailed_to: row.get(4),
        login: row.get::<_, Option<SubscriberLoginId>>(5).zip(row.get::<_, Option<String>>(6)),
    }))
}

/// Uses a link up; false when somebody else has. Of two at the same instant one gets it.
pub async fn use_link(tx: &TenantTx, hash: &TokenHash) -> Result<bool> {
    let used = tx
        .execute(
            "UPDATE subscriber_link SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now()",
            &[&hash.as_slice()],
        )
        .await?;
    Ok(used == 1)
}

/// Every link of this customer leads nowhere from now on.
pub async fn forget_links(tx: &TenantTx, customer: CustomerId) -> Result<u64> {
    tx.execute(
        "UPDATE subscriber_link SET used_at = now() WHERE customer_id = $1 AND used_at IS NULL AND expires_at > now()",
        &[&customer],
    )
    .await
}

/// How many links this customer was sent within the hour.
pub async fn links_of_last_hour(tx: &TenantTx, customer: CustomerId) -> Result<i64> {
    let row = tx
        .query_one(
            "SELECT count(*) FROM subscriber_link WHERE customer_id = $1 AND purpose = 'reset' \
             AND created_at > now() - interval '1 hour'",
            &[&customer],
        )
        .await?;
    Ok(row.get(0))
}

/// Until when an invitation of this customer counts.
pub async fn invited_until(tx: &TenantTx, customer: CustomerId) -> Result<Option<DateTime<Utc>>> {
    let row = tx
        .query_opt(
            "SELECT max(expires_at) FROM subscriber_link WHERE customer_id = $1 AND purpose = 'invitation' \
             AND used_at IS NULL AND expires_at > now()",
            &[&customer],
        )
        .await?;
    Ok(row.and_then(|row| row.get(0)))
}
