//! The operations on canned replies.

use poem_openapi::{Object, OpenApi, Tags, param::Path};
use uuid::Uuid;

use super::{
    EditTickets, ViewTickets,
    talk::{self, CannedDraft},
    view::{CannedReplies, CannedReplyView},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    types::CannedReplyId,
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// What customers need help with.
    Tickets,
}

/// The operations on canned replies.
pub struct CannedRepliesApi {
    db: Db,
}

impl CannedRepliesApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// A new canned reply.
#[derive(Debug, Object)]
#[oai(rename = "NewCannedReply")]
pub struct NewCannedBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    title: String,
    #[oai(validator(min_length = 1, max_length = 5000))]
    text: String,
}

/// Changes of a canned reply; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "CannedReplyChanges")]
pub struct CannedChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    title: Option<String>,
    #[oai(validator(min_length = 1, max_length = 5000))]
    text: Option<String>,
}

#[OpenApi(tag = "Tag::Tickets")]
impl CannedRepliesApi {
    /// List canned replies.
    ///
    /// All of them, by title; there are at most 200.
    #[oai(path = "/canned-replies", method = "get")]
    async fn list_canned_replies(&self, by: ApiUser<ViewTickets>) -> Result<Json<CannedReplies>> {
        let found = self.db.read_tenant(&by.tenant, async |tx| talk::find_canned(&tx.last()).await).await?;
        Ok(Json(CannedReplies { items: found.into_iter().map(CannedReplyView::from).collect() }))
    }

    /// Add a canned reply.
    ///
    /// Titles are unique in any case: 409 `title_taken`.
    #[oai(path = "/canned-replies", method = "post")]
    async fn create_canned_reply(
        &self,
        by: ApiUser<EditTickets>,
        body: Body<NewCannedBody>,
    ) -> Result<Created<CannedReplyView>> {
        let draft = CannedDraft::parse(&body.0.title, &body.0.text)?;
        let reply = self.db.in_tenant(&by.tenant, async |tx| talk::add_canned(tx, &by, &draft).await).await?;
        Ok(Created(reply.into()))
    }

    /// Change a canned reply.
    #[oai(path = "/canned-replies/:id", method = "patch")]
    async fn update_canned_reply(
        &self,
        by: ApiUser<EditTickets>,
        id: Path<Uuid>,
        body: Body<CannedChangesBody>,
    ) -> Result<Json<CannedReplyView>> {
        let (id, body) = (CannedReplyId(id.0), &body.0);
        let reply = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                talk::change_canned(tx, &by, id, |was| {
                    let title = body.title.as_deref().unwrap_or(&was.title);
                    CannedDraft::parse(title, body.text.as_deref().unwrap_or(&was.text))
                })
                .await
            })
            .await?;
        Ok(Json(reply.into()))
    }

    /// Delete a canned reply.
    #[oai(path = "/canned-replies/:id", method = "delete")]
    async fn delete_canned_reply(&self, by: ApiUser<EditTickets>, id: Path<Uuid>) -> Result<NoContent> {
        let id = CannedReplyId(id.0);
        self.db.in_tenant(&by.tenant, async |tx| talk::remove_canned(tx, &by, id).await).await?;
        Ok(NoContent)
    }
}
