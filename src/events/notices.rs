//! The lines in people's bells, as they are read.

use chrono::{DateTime, Utc};

use crate::{
    db::TenantTx,
    error::Result,
    types::{NoticeId, StaffId},
};

/// More unread than this are not counted.
pub const UNREAD_MAX: i64 = 100;

/// A line of a bell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: NoticeId,
    pub text: String,
    /// Where it leads, a path of the portal.
    pub href: Option<String>,
    pub created_at: DateTime<Utc>,
    pub is_read: bool,
}

/// At most `rows` lines that are meant for whoever holds these permissions (none: all of them), newest first, older than `before`.
pub async fn list(
    tx: &TenantTx,
    staff: StaffId,
    permissions: Option<&[String]>,
    before: Option<NoticeId>,
    rows: i64,
) -> Result<Vec<Notice>> {
    let found = tx
        .query(
            "SELECT n.id, n.text, n.href, n.created_at, n.id <= s.notice_id FROM notice n \
             LEFT JOIN notice_seen s ON s.staff_id = $1 WHERE n.permission IS NOT NULL \
             AND ($2::text[] IS NULL OR n.permission = ANY($2)) AND ($3::uuid IS NULL OR n.id < $3) \
             ORDER BY n.id DESC LIMIT $4",
            &[&staff, &permissions, &before, &rows],
        )
        .await?;
    Ok(found
        .iter()
        .map(|row| Notice {
            id: row.get(0),
            text: row.get(1),
            href: row.get(2),
            created_at: row.get(3),
            is_read: row.get::<_, Option<bool>>(4).unwrap_or(false),
        })
        .collect())
}

/// How many of them this person has not been shown; counted up to [`UNREAD_MAX`], from the index alone.
pub async fn unread(tx: &TenantTx, staff: StaffId, permissions: Option<&[String]>) -> Result<i64> {
    let row = match permissions {
        None => {
            tx.query_one(
                "SELECT count(*) FROM (SELECT FROM notice WHERE permission IS NOT NULL AND id > coalesce((SELECT notice_id \
                 FROM notice_seen WHERE staff_id = $1), '00000000-0000-0000-0000-000000000000') LIMIT $2) AS unread",
                &[&staff, &UNREAD_MAX],
            )
            .await?
        }
        Some(permissions) => {
            tx.query_one(
                "SELECT count(*) FROM (SELECT FROM notice WHERE permission = ANY($3) AND id > coalesce((SELECT notice_id \
                 FROM notice_seen WHERE staff_id = $1), '00000000-0000-0000-0000-000000000000') LIMIT $2) AS unread",
                &[&staff, &UNREAD_MAX, &permissions],
            )
            .await?
        }
    };
    Ok(row.get(0))
}

/// This person has been shown everything up to `newest`; never goes back. False when there is no such line.
pub async fn mark_seen(tx: &TenantTx, staff: StaffId, newest: NoticeId) -> Result<bool> {
    let marked = tx
        .execute(
            "INSERT INTO notice_seen (staff_id, notice_id) SELECT $1, id FROM notice WHERE id = $2 \
             AND permission IS NOT NULL ON CONFLICT (staff_id) DO UPDATE \
             SET notice_id = greatest(notice_seen.notice_id, excluded.notice_id)",
            &[&staff, &newest],
        )
        .await?;
    Ok(marked > 0)
}
