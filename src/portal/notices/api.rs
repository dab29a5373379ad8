//! The bell as programs see it.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Query};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    access::{ApiUser, SignedIn},
    db::Db,
    error::{Error, Result},
    events::notices::{self, Notice},
    types::{Cursor, Limit, NoticeId, StaffId},
    web::{Body, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// What staff are told inside the product.
    Notices,
}

/// A line of the bell.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Notice")]
pub struct NoticeView {
    id: Uuid,
    text: String,
    /// Where it leads in the portal.
    #[oai(nullable)]
    href: Option<String>,
    is_read: bool,
    created_at: DateTime<Utc>,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self {
            id: notice.id.0,
            text: notice.text,
            href: notice.href,
            is_read: notice.is_read,
            created_at: notice.created_at,
        }
    }
}

/// One page of the bell, newest first.
#[derive(Debug, Serialize, Object)]
pub struct NoticeList {
    items: Vec<NoticeView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many are unread, counted up to 100.
    unread: i64,
}

/// How far somebody has read.
#[derive(Debug, Object)]
#[oai(rename = "NoticesRead")]
pub struct ReadBody {
    /// The newest notice that was shown.
    newest: Uuid,
}

/// The operations on the bell.
pub struct NoticesApi {
    db: Db,
}

impl NoticesApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// A bell is a person's: a key has none.
fn person(by: &ApiUser<SignedIn>) -> Result<StaffId> {
    by.staff().ok_or_else(|| Error::forbidden("forbidden", "Only a person has a bell; a key has none."))
}

#[OpenApi(tag = "Tag::Notices")]
impl NoticesApi {
    /// List one's notices.
    ///
    /// The lines of the permissions that one holds, newest first, kept as `/retention` says.
    #[oai(path = "/notices", method = "get")]
    async fn list_notices(
        &self,
        by: ApiUser<SignedIn>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<NoticeList>> {
        let (staff, limit) = (person(&by)?, Limit::parse(limit.0)?);
        let before = cursor.0.as_deref().map(Cursor::<NoticeId>::decode).transpose()?.map(|at| at.0);
        let ((items, more), unread) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let page = super::list(tx, &by, staff, before, limit).await?;
                Ok((page, super::unread(tx, &by, staff).await?))
            })
            .await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        let items = items.into_iter().map(NoticeView::from).collect();
        Ok(Json(NoticeList { items, next_cursor, unread }))
    }

    /// Mark notices as read.
    ///
    /// All up to the newest one that was shown.
    #[oai(path = "/notices/read", method = "post")]
    async fn mark_notices_read(&self, by: ApiUser<SignedIn>, body: Body<ReadBody>) -> Result<NoContent> {
        let (staff, newest) = (person(&by)?, NoticeId(body.0.newest));
        let known =
            self.db.in_tenant(&by.tenant, async |tx| notices::mark_seen(tx, staff, newest).await).await?;
        if known {
            Ok(NoContent)
        } else {
            Err(Error::invalid("newest", "unknown", "There is no such notice."))
        }
    }
}
