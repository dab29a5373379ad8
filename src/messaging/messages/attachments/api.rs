//! Files that go along with messages, as programs keep them.

use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{Attached, FILE_MAX_BYTES, HELP, delete, find, list, upload};
use crate::{
    access::ApiUser,
    error::Result,
    messaging::{
        Messaging,
        messages::{SendMessages, ViewMessages},
    },
    types::{Cursor, FileId, Limit},
    web::{
        Created, Json, NoContent,
        file_body::{FileBody, FileKind},
    },
};

#[derive(Tags)]
enum Tag {
    /// What is said to whom, and what became of it.
    Messages,
}

/// A file that goes along with a message.
struct Sendable;

impl FileKind for Sendable {
    const HELP: &'static str = HELP;
    const ASKED: &'static str = "Choose a file.";
    const UPLOAD_MAX_BYTES: u64 = FILE_MAX_BYTES as u64 + 64 * 1024;
}

/// One page of files, newest first.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageAttachments")]
struct Attachments {
    items: Vec<Attached>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// The operations on files of messages.
pub struct AttachmentsApi {
    messaging: Messaging,
}

impl AttachmentsApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }
}

#[OpenApi(tag = "Tag::Messages")]
impl AttachmentsApi {
    /// Upload a file for messages.
    ///
    /// Name its id in a message's or a campaign's `attachments`; what nothing names is forgotten after a day. A file is what its bytes
    /// are: pictures, PDF, texts, Word, Excel, ZIP, MP3, OGG and MP4 can be sent. All files of a provider weigh at most 1 GiB: 409
    /// `quota_used_up`.
    #[oai(path = "/attachments", method = "post")]
    async fn upload_attachment(
        &self,
        by: ApiUser<SendMessages>,
        file: FileBody<Sendable>,
    ) -> Result<Created<Attached>> {
        let db = &self.messaging.db;
        let kept = db
            .in_tenant(&by.tenant, async |tx| upload(tx, &by, &file.file_name, &file.content).await)
            .await?;
        Ok(Created(kept))
    }

    /// List files of messages.
    #[oai(path = "/attachments", method = "get")]
    async fn list_attachments(
        &self,
        by: ApiUser<ViewMessages>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Attachments>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<FileId>::decode).transpose()?.map(|at| at.0);
        let db = &self.messaging.db;
        let (items, more) = db.read_tenant(&by.tenant, async |tx| list(tx, before, limit).await).await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.file()).encode()?),
            None => None,
        };
        Ok(Json(Attachments { items, next_cursor }))
    }

    /// Show a file of messages.
    #[oai(path = "/attachments/:id", method = "get")]
    async fn get_attachment(&self, by: ApiUser<ViewMessages>, id: Path<Uuid>) -> Result<Json<Attached>> {
        let db = &self.messaging.db;
        let found = db.read_tenant(&by.tenant, async |tx| find(tx, FileId(id.0)).await).await?;
        Ok(Json(found))
    }

    /// Delete a file of messages.
    ///
    /// Messages that were sent remember its name. 409 `in_use` while something carries it that is still to be sent.
    #[oai(path = "/attachments/:id", method = "delete")]
    async fn delete_attachment(&self, by: ApiUser<SendMessages>, id: Path<Uuid>) -> Result<NoContent> {
        let db = &self.messaging.db;
        db.in_tenant(&by.tenant, async |tx| delete(tx, &by, FileId(id.0)).await).await?;
        Ok(NoContent)
    }
}
