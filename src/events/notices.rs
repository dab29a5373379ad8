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
             LEFT JOIN notice_seen s ON s.staff_id = $1 WHERE (n.staff_id = $1 \
             OR n.permission IS NOT NULL AND ($2::text[] IS NULL OR n.permission = ANY($2))) AND ($3::uuid IS NULL OR n.id < $3) \
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
                "SELECT count(*) FROM (SELECT FROM notice WHERE (permission IS NOT NULL OR staff_id = $1) AND id > coalesce((SELECT notice_id \
                 FROM notice_seen WHERE staff_id = $1), '00000000-0000-0000-0000-000000000000') LIMIT $2) AS unread",
                &[&staff, &UNREAD_MAX],
            )
            .await?
        }
        Some(permissions) => {
            tx.query_one(
                "SELECT count(*) FROM (SELECT FROM notice WHERE (permission = ANY($3) OR staff_id = $1) AND id > coalesce((SELECT notice_id \
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
             AND (permission IS NOT NULL OR staff_id = $1) ON CONFLICT (staff_id) DO UPDATE \
             SET notice_id = greatest(notice_seen.notice_id, excluded.notice_id)",
            &[&staff, &newest],
        )
        .await?;
    Ok(marked > 0)
}

/// The lines of a bell that came since another moment, and how it stands now.
#[derive(Debug, Clone)]
pub struct News {
    pub fresh: Vec<Notice>,
    /// This moment: hand it back, and what comes after it is told, each line once.
    pub moment: Moment,
}

/// A moment of the database, as PostgreSQL writes snapshots: which transactions it could see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment(String);

impl Moment {
    const MAX_CHARS: usize = 8_000;

    /// Reads what [`Moment::as_str`] gave out. A made-up one only shows other lines of one's own bell.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_CHARS {
            return None;
        }
        let mut parts = text.split(':');
        let number = |text: Option<&str>| text?.parse::<u64>().ok().filter(|n| *n > 0 && *n < 1 << 62);
        let (low, high) = (number(parts.next())?, number(parts.next())?);
        let open = parts.next()?;
        if parts.next().is_some() || low > high {
            return None;
        }
        let mut last = low;
        for one in open.split(',').filter(|_| !open.is_empty()) {
            let one = number(Some(one))?;
            if one < last || one >= high {
                return None;
            }
            last = one;
        }
        Some(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// More lines than this are not told one by one: the page has them.
pub const FRESH_MAX: i64 = 100;

/// What came into a person's bell since `moment` (None: nothing, only the moment itself is asked for). Lines count by when they
/// became visible, not by their ids: a transaction that took long is not passed over.
pub async fn since(
    tx: &TenantTx,
    staff: StaffId,
    permissions: Option<&[String]>,
    moment: Option<&Moment>,
) -> Result<News> {
    let moment = moment.map(Moment::as_str);
    let rows = tx
        .query(
            "WITH fresh AS MATERIALIZED (SELECT n.id, n.text, n.href, n.created_at FROM notice n \
                WHERE $3::text IS NOT NULL AND n.xid >= pg_snapshot_xmin($3::text::pg_snapshot) \
                AND n.xid < pg_snapshot_xmax(pg_current_snapshot()) \
                AND NOT pg_visible_in_snapshot(n.xid, $3::text::pg_snapshot) AND n.created_at > now() - interval '1 day' \
                AND (n.staff_id = $1 OR n.permission IS NOT NULL AND ($2::text[] IS NULL OR n.permission = ANY($2))) \
                ORDER BY n.id DESC LIMIT $4) \
             SELECT pg_current_snapshot()::text, f.id, f.text, f.href, f.created_at FROM (SELECT 1) AS one \
             LEFT JOIN fresh f ON true ORDER BY f.id",
            &[&staff, &permissions, &moment, &FRESH_MAX],
        )
        .await?;
    let now = rows.first().map(|row| row.get(0)).unwrap_or_default();
    let fresh = rows
        .iter()
        .filter(|row| row.get::<_, Option<NoticeId>>(1).is_some())
        .map(|row| Notice {
            id: row.get(1),
            text: row.get(2),
            href: row.get(3),
            created_at: row.get(4),
            is_read: false,
        })
        .collect();
    Ok(News { fresh, moment: Moment(now) })
}
