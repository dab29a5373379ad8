//! Single-use links that let a person choose a password, and what ends when they do.
//!
//! The code stands in a URL, so only its hash is kept, it counts once and not for long, looking at it changes nothing, and a
//! POST redeems it.

use chrono::{DateTime, Utc};

use super::{credentials::hash_of, sessions::random_token};
use crate::{db::TenantTx, error::Result, types::StaffId};

const PURPOSE: &str = "set_password";
/// 32 random bytes in base64.
const CODE_CHARS: usize = 43;
/// So many links a person may be mailed in an hour by asking for them.
const ASKED_PER_HOUR: i64 = 3;

/// How long a link counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// For a password that was forgotten.
    Reset,
    /// For somebody who never had one: they may be away for a while.
    Welcome,
}

impl Validity {
    fn minutes(self) -> i32 {
        match self {
            // No longer than ten minutes, as ASVS has it for what is sent another way.
            Self::Reset => 10,
            Self::Welcome => 7 * 24 * 60,
        }
    }

    /// As letters and pages say it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Reset => "10 minutes",
            Self::Welcome => "7 days",
        }
    }
}

/// Makes a link; the code is in no table.
pub(super) async fn issue(
    tx: &TenantTx,
    staff: StaffId,
    validity: Validity,
) -> Result<(String, DateTime<Utc>)> {
    // Those that say nothing any more, not even how often somebody asked.
    tx.execute(
        "DELETE FROM one_time_link WHERE staff_id = $1 AND expires_at < now() AND created_at < now() - interval '1 day'",
        &[&staff],
    )
    .await?;
    let code = random_token();
    let row = tx
        .query_one(
            "INSERT INTO one_time_link (token_hash, purpose, staff_id, expires_at)
             VALUES ($1, $2, $3, now() + make_interval(mins => $4)) RETURNING expires_at",
            &[&hash_of(&code).as_slice(), &PURPOSE, &staff, &validity.minutes()],
        )
        .await?;
    Ok((code, row.get("expires_at")))
}

/// Whether this person may be mailed another link: nobody's mailbox is filled by those who type their address.
pub(super) async fn may_ask_again(tx: &TenantTx, staff: StaffId) -> Result<bool> {
    let row = tx
        .query_one(
            "SELECT count(*) AS n FROM one_time_link
             WHERE staff_id = $1 AND purpose = $2 AND created_at > now() - interval '1 hour'",
            &[&staff, &PURPOSE],
        )
        .await?;
    Ok(row.get::<_, i64>("n") < ASKED_PER_HOUR)
}

/// Whom a link is for.
#[derive(Debug, Clone)]
pub struct LinkOwner {
    pub id: StaffId,
    pub name: String,
    pub email: String,
    /// They have not accepted their invitation yet.
    pub is_new: bool,
}

/// Whom a link that still counts is for. Changes nothing.
pub(super) async fn find_live(tx: &TenantTx, code: &str) -> Result<Option<LinkOwner>> {
    if code.len() != CODE_CHARS {
        return Ok(None);
    }
    let row = tx
        .query_opt(
            "SELECT s.id, s.name, s.email, s.password_hash IS NULL AND s.accepted_at IS NULL AS is_new
             FROM one_time_link l JOIN staff s ON s.id = l.staff_id
             WHERE l.token_hash = $1 AND l.purpose = $2 AND l.used_at IS NULL AND l.expires_at > now() AND s.is_active",
            &[&hash_of(code).as_slice(), &PURPOSE],
        )
        .await?;
    Ok(row.map(|row| LinkOwner {
        id: row.get("id"),
        name: row.get("name"),
        email: row.get("email"),
        is_new: row.get("is_new"),
    }))
}

/// Uses the link up; None when somebody else has, or it is too old. Of two at the same instant one gets it.
pub(super) async fn use_up(tx: &TenantTx, code: &str) -> Result<Option<StaffId>> {
    let row = tx
        .query_opt(
            "UPDATE one_time_link l SET used_at = now() FROM staff s
             WHERE l.token_hash = $1 AND l.purpose = $2 AND l.used_at IS NULL AND l.expires_at > now()
                AND s.id = l.staff_id AND s.is_active
             RETURNING l.staff_id",
            &[&hash_of(code).as_slice(), &PURPOSE],
        )
        .await?;
    Ok(row.map(|row| row.get("staff_id")))
}

pub(super) async fn set_password(tx: &TenantTx, staff: StaffId, password_hash: &str) -> Result<()> {
    tx.execute(
        "UPDATE staff SET password_hash = $2, updated_at = now() WHERE id = $1",
        &[&staff, &password_hash],
    )
    .await?;
    Ok(())
}

/// Every link of this person that still counts leads nowhere from now on.
pub(super) async fn forget_links(tx: &TenantTx, staff: StaffId) -> Result<()> {
    tx.execute("UPDATE one_time_link SET used_at = now() WHERE staff_id = $1 AND used_at IS NULL", &[&staff])
        .await?;
    Ok(())
}
