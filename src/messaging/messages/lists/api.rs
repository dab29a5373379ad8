//! Lists of recipients as programs keep them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{List, delete, find, list, upload, upload::RowProblem};
use crate::{
    access::ApiUser,
    error::{Error, Result},
    messaging::{
        Messaging,
        messages::{SendMessages, ViewMessages},
    },
    types::{Cursor, Limit, RecipientListId},
    web::{Created, Json, NoContent, file_body::FileBody},
};

#[derive(Tags)]
enum Tag {
    /// What is said to whom, and what became of it.
    Messages,
}

/// A list of recipients.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RecipientList")]
struct ListView {
    id: Uuid,
    /// The file's name.
    name: String,
    members: i32,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl From<List> for ListView {
    fn from(list: List) -> Self {
        Self {
            id: list.id.0,
            name: list.name,
            members: list.members,
            created_by: list.created_by,
            created_at: list.created_at,
        }
    }
}

/// One page of lists, newest first.
#[derive(Debug, Serialize, Object)]
struct RecipientLists {
    items: Vec<ListView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// What an uploaded file came to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RecipientListUploaded")]
struct UploadedView {
    list: ListView,
    /// Rows that nobody can be reached by.
    failed: i32,
    /// The first hundred of them.
    errors: Vec<RowProblem>,
}

/// The operations on lists of recipients.
pub struct ListsApi {
    messaging: Messaging,
}

impl ListsApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

#[OpenApi(tag = "Tag::Messages")]
impl ListsApi {
    /// Upload a list of recipients.
    ///
    /// A column `phone`, `email`, `whatsapp`, `telegram` or `instagram` holds the address; `name` and `language` are known, all other
    /// columns are values for templates. Name the list in a message's `to.lists`.
    #[oai(path = "/recipient-lists", method = "post")]
    async fn upload_recipient_list(
        &self,
        by: ApiUser<SendMessages>,
        file: FileBody,
    ) -> Result<Created<UploadedView>> {
        let done = upload(&self.messaging, &by, file).await?;
        let view = UploadedView { list: done.list.into(), failed: done.failed, errors: done.errors };
        Ok(Created(view))
    }

    /// List lists of recipients.
    #[oai(path = "/recipient-lists", method = "get")]
    async fn list_recipient_lists(
        &self,
        by: ApiUser<ViewMessages>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<RecipientLists>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<RecipientListId>::decode).transpose()?.map(|at| at.0);
        let db = &self.messaging.db;
        let (items, more) = db.read_tenant(&by.tenant, async |tx| list(tx, before, limit).await).await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        Ok(Json(RecipientLists { items: items.into_iter().map(ListView::from).collect(), next_cursor }))
    }

    /// Show a list of recipients.
    #[oai(path = "/recipient-lists/:id", method = "get")]
    async fn get_recipient_list(&self, by: ApiUser<ViewMessages>, id: Path<Uuid>) -> Result<Json<ListView>> {
        let db = &self.messaging.db;
        let list = db.read_tenant(&by.tenant, async |tx| find(tx, RecipientListId(id.0)).await).await?;
        Ok(Json(list.ok_or(Error::not_found("recipient list"))?.into()))
    }

    /// Delete a list of recipients.
    ///
    /// What is written out already stays; 409 `in_use` while a campaign goes by it.
    #[oai(path = "/recipient-lists/:id", method = "delete")]
    async fn delete_recipient_list(&self, by: ApiUser<SendMessages>, id: Path<Uuid>) -> Result<NoContent> {
        let db = &self.messaging.db;
        db.in_tenant(&by.tenant, async |tx| delete(tx, &by, RecipientListId(id.0)).await).await?;
        Ok(NoContent)
    }
}
