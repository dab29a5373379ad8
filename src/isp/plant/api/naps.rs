//! Operations on NAPs and their ports.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Mark, Tag,
    bodies::{NapChangesBody, NapPlaceBody, NewNapBody, PortBody},
    searched,
    views::{NapView, PortAnswer, PortList},
};
use crate::{
    access::{ApiUser, By},
    db::{Db, TenantTx},
    error::Result,
    isp::plant::{
        DeletePlant, EditPlant, ViewPlant, export,
        model::NapDraft,
        rules,
        store::naps::{self, NapFilter},
    },
    sheets::Bom,
    types::{LcpId, Limit, NapId, SplitterId},
    web::sheet::{Format, Sheet},
    web::{Body, Created, Json, NoContent},
};

/// One page of NAPs.
#[derive(Debug, Serialize, Object)]
pub struct NapList {
    items: Vec<NapView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

pub struct NapsApi {
    db: Db,
}

impl NapsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// What a list is narrowed to must be here.
async fn check_filter(tx: &TenantTx, filter: &NapFilter) -> Result<()> {
    if let Some(lcp) = filter.lcp {
        rules::get_lcp(tx, lcp).await?;
    }
    if let Some(splitter) = filter.splitter {
        rules::get_splitter(tx, splitter).await?;
    }
    Ok(())
}

/// Whether a caller sees who customers are.
fn sees_customers(by: &By) -> bool {
    by.rights.holds("customers.view")
}

#[OpenApi(tag = "Tag::Plant")]
impl NapsApi {
    /// List NAPs by code.
    #[oai(path = "/naps", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_naps(
        &self,
        by: ApiUser<ViewPlant>,
        /// Found in codes, names and locations.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        lcp_id: Query<Option<Uuid>>,
        splitter_id: Query<Option<Uuid>>,
        is_active: Query<Option<bool>>,
        /// Whether a port of theirs is free.
        has_free: Query<Option<bool>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<NapList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = Mark::decode(cursor.0.as_deref(), "nap")?;
        let mark = mark.as_ref().map(|(text, id)| (text.as_str(), NapId(*id)));
        let filter = NapFilter {
            q: searched(q.0.as_deref()),
            lcp: lcp_id.0.map(LcpId),
            splitter: splitter_id.0.map(SplitterId),
            is_active: is_active.0,
            has_free: has_free.0,
        };
        let counted = total.0 == Some(true);
        let (mut items, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                check_filter(tx, &filter).await?;
                let items = naps::list(tx, &filter, mark, limit).await?;
                let total = if counted { Some(naps::count(tx, &filter).await?) } else { None };
                Ok((items, total))
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Mark::encode("nap", &last.nap.draft.code, last.nap.id.0)?),
            None => None,
        };
        Ok(Json(NapList { items: items.into_iter().map(NapView::from).collect(), next_cursor, total }))
    }

    /// Download NAPs as a file.
    ///
    /// With how their ports stand, and the light that arrives there.
    #[oai(path = "/naps/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_naps(
        &self,
        by: ApiUser<ViewPlant>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        lcp_id: Query<Option<Uuid>>,
        splitter_id: Query<Option<Uuid>>,
        is_active: Query<Option<bool>>,
        has_free: Query<Option<bool>>,
        /// `csv` when absent.
        format: Query<Option<Format>>,
    ) -> Result<Sheet> {
        let filter = NapFilter {
            q: searched(q.0.as_deref()),
            lcp: lcp_id.0.map(LcpId),
            splitter: splitter_id.0.map(SplitterId),
            is_active: is_active.0,
            has_free: has_free.0,
        };
        self.db.read_tenant(&by.tenant, async |tx| check_filter(tx, &filter).await).await?;
        export::naps(&self.db, &by, filter, format.0.unwrap_or(Format::Csv), Bom::Without).await
    }

    /// Add a NAP.
    #[oai(path = "/naps", method = "post")]
    async fn create_nap(&self, by: ApiUser<EditPlant>, body: Body<NewNapBody>) -> Result<Created<NapView>> {
        let draft = NapDraft::parse(&body.0.typed())?;
        let place = body.0.place();
        let nap = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let id = rules::create_nap(tx, &by, place, &draft).await?;
                rules::get_nap(tx, id).await
            })
            .await?;
        Ok(Created(nap.into()))
    }

    /// Show a NAP.
    #[oai(path = "/naps/:id", method = "get")]
    async fn get_nap(&self, by: ApiUser<ViewPlant>, id: Path<Uuid>) -> Result<Json<NapView>> {
        let nap = self.db.read_tenant(&by.tenant, async |tx| rules::get_nap(tx, NapId(id.0)).await).await?;
        Ok(Json(nap.into()))
    }

    /// Change a NAP where it hangs.
    ///
    /// It cannot get smaller than its highest used port: 409 `in_use`.
    #[oai(path = "/naps/:id", method = "patch")]
    async fn update_nap(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        body: Body<NapChangesBody>,
    ) -> Result<Json<NapView>> {
        let (id, body) = (NapId(id.0), &body.0);
        let nap = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change_nap(tx, &by, id, |was| NapDraft::parse(&body.over(was.typed()))).await?;
                rules::get_nap(tx, id).await
            })
            .await?;
        Ok(Json(nap.into()))
    }

    /// Move a NAP with everybody on it.
    #[oai(path = "/naps/:id/move", method = "post")]
    async fn move_nap(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        body: Body<NapPlaceBody>,
    ) -> Result<Json<NapView>> {
        let (id, place) = (NapId(id.0), body.0.place());
        let nap = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::move_nap(tx, &by, id, place).await?;
                rules::get_nap(tx, id).await
            })
            .await?;
        Ok(Json(nap.into()))
    }

    /// Delete a NAP.
    ///
    /// Refused while somebody is on it: 409 `in_use`, which says how many.
    #[oai(path = "/naps/:id", method = "delete")]
    async fn delete_nap(&self, by: ApiUser<DeletePlant>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::delete_nap(tx, &by, NapId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// List a NAP's ports.
    #[oai(path = "/naps/:id/ports", method = "get")]
    async fn list_nap_ports(&self, by: ApiUser<ViewPlant>, id: Path<Uuid>) -> Result<Json<PortList>> {
        let id = NapId(id.0);
        let ports = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::get_nap(tx, id).await?;
                rules::ports(tx, id).await
            })
            .await?;
        let sees = sees_customers(&by);
        Ok(Json(PortList { items: ports.into_iter().map(|port| PortAnswer::new(port, sees)).collect() }))
    }

    /// Reserve a port, free it, or mark it faulty.
    ///
    /// Who is on it stays on it; a used port cannot be reserved: 409 `port_taken`.
    #[oai(path = "/naps/:id/ports/:number", method = "patch")]
    async fn update_nap_port(
        &self,
        by: ApiUser<EditPlant>,
        id: Path<Uuid>,
        number: Path<i16>,
        body: Body<PortBody>,
    ) -> Result<Json<PortAnswer>> {
        let (place, change) = ((NapId(id.0), number.0), body.0.parse()?);
        let port = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::change_port(tx, &by, place, change.clone()).await)
            .await?;
        Ok(Json(PortAnswer::new(port, sees_customers(&by))))
    }
}
