//! Operations on LCPs.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Mark, Tag,
    bodies::{LcpChangesBody, NewLcpBody},
    searched,
    views::LcpView,
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        plant::{
            DeletePlant, EditPlant, ViewPlant,
            model::LcpDraft,
            rules,
            store::lcps::{self, LcpFilter, LcpSort},
        },
    },
    types::{AreaId, LcpId, Limit},
    web::{Body, Created, Json, NoContent},
};

/// One page of LCPs.
#[derive(Debug, Serialize, Object)]
pub struct LcpList {
    items: Vec<LcpView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

pub struct LcpsApi {
    db: Db,
}

impl LcpsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

fn sort_of(text: &str) -> Result<(LcpSort, &'static str)> {
    match text {
        "" | "code" => Ok((LcpSort::Code, "code")),
        "-code" => Ok((LcpSort::CodeDown, "-code")),
        "name" => Ok((LcpSort::Name, "name")),
        "-name" => Ok((LcpSort::NameDown, "-name")),
        _ => Err(Error::invalid("sort", "not_a_choice", "Sort by code or name; a minus before it turns it.")),
    }
}

#[OpenApi(tag = "Tag::Plant")]
impl LcpsApi {
    /// List LCPs.
    ///
    /// With how much hangs below each, and how the ports stand.
    #[oai(path = "/lcps", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_lcps(
        &self,
        by: ApiUser<ViewPlant>,
        /// Found in codes, names and locations.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        is_active: Query<Option<bool>>,
        area_id: Query<Option<Uuid>>,
        /// `code` (as it is without), `name`; a minus before it turns the order.
        sort: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<LcpList>> {
        let limit = Limit::parse(limit.0)?;
        let (sort, order) = sort_of(sort.0.as_deref().unwrap_or_default())?;
        let mark = Mark::decode(cursor.0.as_deref(), order)?;
        let mark = mark.as_ref().map(|(text, id)| (text.as_str(), LcpId(*id)));
        let filter =
            LcpFilter { q: searched(q.0.as_deref()), is_active: is_active.0, area: area_id.0.map(AreaId) };
        let counted = total.0 == Some(true);
        let (mut items, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                if let Some(area) = filter.area {
                    areas::find_name(tx, area).await?.ok_or(Error::not_found("area"))?;
                }
                let items = lcps::list(tx, &filter, sort, mark, limit).await?;
                if !counted {
                    return Ok((items, None));
                }
                let (all, active) = lcps::count(tx, &filter).await?;
                let total = filter.is_active.map_or(all, |is| if is { active } else { all - active });
                Ok((items, Some(total)))
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => {
                let draft = &last.lcp.draft;
                let text = if order.ends_with("name") { &draft.name } else { &draft.code };
                Some(Mark::encode(order, text, last.lcp.id.0)?)
            }
            None => None,
        };
        Ok(Json(LcpList { items: items.into_iter().map(LcpView::from).collect(), next_cursor, total }))
    }

    /// Add an LCP.
    #[oai(path = "/lcps", method = "post")]
    async fn create_lcp(&self, by: ApiUser<EditPlant>, body: Body<NewLcpBody>) -> Result<Created<LcpView>> {
        let draft = LcpDraft::parse(&body.0.typed())?;
        let lcp = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let id = rules::create_lcp(tx, &by, &draft).await?;
                rules::get_lcp(tx, id).await
            })
            .await?;
        Ok(Created(lcp.into()))
    }

    /// Show an LCP.
    #[oai(path = "/lcps/:id", method = "get")]
    async fn get_lcp(&self, by: ApiUser<ViewPlant>, id: Path<Uuid>) -> Result<Json<LcpView>> {
        let lcp = self.db.read_tenant(&by.tenant, async |tx| rules::get_lcp(tx, LcpId(id.0)).await).await?;
        Ok(Json(lcp.into()))
    }

    /// Change an LCP.
    #[oai(path = "/lcps/:id", method = "patch")]
    async fn update_lcp(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        body: Body<LcpChangesBody>,
    ) -> Result<Json<LcpView>> {
        let (id, body) = (LcpId(id.0), &body.0);
        let lcp = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change_lcp(tx, &by, id, |was| LcpDraft::parse(&body.over(was.typed()))).await?;
                rules::get_lcp(tx, id).await
            })
            .await?;
        Ok(Json(lcp.into()))
    }

    /// Delete an LCP.
    ///
    /// Refused while anything hangs on it: 409 `in_use`, which says what.
    #[oai(path = "/lcps/:id", method = "delete")]
    async fn delete_lcp(&self, by: ApiUser<DeletePlant>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::delete_lcp(tx, &by, LcpId(id.0)).await).await?;
        Ok(NoContent)
    }
}
