//! Operations on splitters.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Mark, Tag,
    bodies::{HangBody, NewSplitterBody, SplitterChangesBody},
    searched,
    views::{OutputList, OutputView, SplitterView},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    isp::plant::{DeletePlant, EditPlant, ViewPlant, model::SplitterDraft, rules, store::splitters},
    types::{LcpId, Limit, SplitterId},
    web::{Body, Created, Json, NoContent},
};

/// One page of splitters.
#[derive(Debug, Serialize, Object)]
pub struct SplitterList {
    items: Vec<SplitterView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

pub struct SplittersApi {
    db: Db,
}

impl SplittersApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Plant")]
impl SplittersApi {
    /// List splitters by code.
    #[oai(path = "/splitters", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_splitters(
        &self,
        by: ApiUser<ViewPlant>,
        /// Those below this LCP, cascaded ones included.
        lcp_id: Query<Option<Uuid>>,
        /// Found in codes.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<SplitterList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = Mark::decode(cursor.0.as_deref(), "splitter")?;
        let mark = mark.as_ref().map(|(text, id)| (text.as_str(), SplitterId(*id)));
        let (lcp, q) = (lcp_id.0.map(LcpId), searched(q.0.as_deref()));
        let counted = total.0 == Some(true);
        let (mut items, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                if let Some(lcp) = lcp {
                    rules::get_lcp(tx, lcp).await?;
                }
                let items = splitters::list(tx, lcp, q.as_deref(), mark, limit).await?;
                let total = if counted { Some(splitters::count(tx, lcp, q.as_deref()).await?) } else { None };
                Ok((items, total))
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Mark::encode("splitter", &last.splitter.draft.code, last.splitter.id.0)?),
            None => None,
        };
        let items = items.into_iter().map(SplitterView::from).collect();
        Ok(Json(SplitterList { items, next_cursor, total }))
    }

    /// Add a splitter.
    ///
    /// On an LCP, or on an output of another splitter of the same LCP, at most four deep. An output that feeds a splitter feeds
    /// nothing else: 409 `output_taken`.
    #[oai(path = "/splitters", method = "post")]
    async fn create_splitter(
        &self,
        by: ApiUser<EditPlant>,
        body: Body<NewSplitterBody>,
    ) -> Result<Created<SplitterView>> {
        let draft = SplitterDraft::parse(&body.0.typed())?;
        let hang = body.0.hang()?;
        let splitter = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let id = rules::create_splitter(tx, &by, hang, &draft).await?;
                rules::get_splitter(tx, id).await
            })
            .await?;
        Ok(Created(splitter.into()))
    }

    /// Show a splitter.
    #[oai(path = "/splitters/:id", method = "get")]
    async fn get_splitter(&self, by: ApiUser<ViewPlant>, id: Path<Uuid>) -> Result<Json<SplitterView>> {
        let id = SplitterId(id.0);
        let found = self.db.read_tenant(&by.tenant, async |tx| rules::get_splitter(tx, id).await).await?;
        Ok(Json(found.into()))
    }

    /// List a splitter's outputs.
    ///
    /// With what hangs on each, and the light that leaves it.
    #[oai(path = "/splitters/:id/outputs", method = "get")]
    async fn list_splitter_outputs(
        &self,
        by: ApiUser<ViewPlant>,
        id: Path<Uuid>,
    ) -> Result<Json<OutputList>> {
        let id = SplitterId(id.0);
        let (outputs, light) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let splitter = rules::get_splitter(tx, id).await?.splitter;
                let light = rules::light_of_splitter(tx, id, &splitter.draft.losses).await?;
                Ok((splitters::outputs(tx, id).await?, light))
            })
            .await?;
        let items =
            outputs.into_iter().zip(light).map(|(output, light)| OutputView::new(output, light)).collect();
        Ok(Json(OutputList { items }))
    }

    /// Change a splitter where it hangs.
    ///
    /// Outputs that something hangs on cannot go: 409 `in_use`.
    #[oai(path = "/splitters/:id", method = "patch")]
    async fn update_splitter(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        body: Body<SplitterChangesBody>,
    ) -> Result<Json<SplitterView>> {
        let (id, body) = (SplitterId(id.0), &body.0);
        let splitter = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = |was: &SplitterDraft| SplitterDraft::parse(&body.over_splitter(was.typed()));
                rules::change_splitter(tx, &by, id, wanted).await?;
                rules::get_splitter(tx, id).await
            })
            .await?;
        Ok(Json(splitter.into()))
    }

    /// Move a splitter with everything below it.
    ///
    /// To another output, or to an LCP, also another one. Never below itself: 422 `cycle`.
    #[oai(path = "/splitters/:id/move", method = "post")]
    async fn move_splitter(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        body: Body<HangBody>,
    ) -> Result<Json<SplitterView>> {
        let (id, hang) = (SplitterId(id.0), body.0.parse()?);
        let splitter = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::move_splitter(tx, &by, id, hang).await?;
                rules::get_splitter(tx, id).await
            })
            .await?;
        Ok(Json(splitter.into()))
    }

    /// Delete a splitter.
    ///
    /// Refused while anything hangs on it: 409 `in_use`, which says what.
    #[oai(path = "/splitters/:id", method = "delete")]
    async fn delete_splitter(&self, by: ApiUser<DeletePlant>, id: Path<Uuid>) -> Result<NoContent> {
        let id = SplitterId(id.0);
        self.db.in_tenant(&by.tenant, async |tx| rules::delete_splitter(tx, &by, id).await).await?;
        Ok(NoContent)
    }
}
