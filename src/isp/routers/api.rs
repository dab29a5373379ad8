//! Routers as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    DeleteRouters, EditRouters, ViewRouters,
    import::{self, Report, WrongRow},
    model::{Holder, Move, NOTE_MAX, Router, RouterDraft, RouterFilter, State},
    rules,
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    sheets::Bom,
    types::{Cursor, Limit, RouterId, optional_line},
    web::file_body::FileBody,
    web::parts::time_mark,
    web::sheet::{Format, Sheet},
    web::typed::Typed,
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// The inventory of routers.
    Routers,
}

/// Who has a router.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "RouterHolder")]
pub struct HolderView {
    installation_id: Uuid,
    customer_id: Uuid,
    /// The customer's name.
    name: String,
}

impl From<Holder> for HolderView {
    fn from(holder: Holder) -> Self {
        Self { installation_id: holder.installation.0, customer_id: holder.customer.0, name: holder.name }
    }
}

/// A router.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Router")]
pub struct RouterView {
    id: Uuid,
    brand: String,
    #[oai(nullable)]
    model: Option<String>,
    serial_number: String,
    /// Upper case, with colons.
    mac_address: String,
    state: State,
    /// The installation that has it.
    #[oai(nullable)]
    holder: Option<HolderView>,
    #[oai(nullable)]
    notes: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Router> for RouterView {
    fn from(router: Router) -> Self {
        let draft = router.draft;
        Self {
            id: router.id.0,
            brand: draft.brand,
            model: draft.model,
            serial_number: draft.serial_number,
            mac_address: draft.mac_address.to_string(),
            state: router.state,
            holder: router.holder.map(HolderView::from),
            notes: draft.notes,
            created_at: router.created_at,
            updated_at: router.updated_at,
        }
    }
}

/// One page of routers, newest first.
#[derive(Debug, Serialize, Object)]
pub struct RouterList {
    items: Vec<RouterView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// One step of a router's life.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RouterMove")]
pub struct MoveView {
    /// Null when it came into stock for the first time.
    #[oai(nullable)]
    from: Option<State>,
    to: State,
    /// The installation that it went to or came from.
    #[oai(nullable)]
    holder: Option<HolderView>,
    #[oai(nullable)]
    note: Option<String>,
    moved_by: String,
    moved_at: DateTime<Utc>,
}

impl From<Move> for MoveView {
    fn from(step: Move) -> Self {
        Self {
            from: step.from,
            to: step.to,
            holder: step.holder.map(HolderView::from),
            note: step.note,
            moved_by: step.moved_by,
            moved_at: step.moved_at,
        }
    }
}

/// A router's life, the last step first.
#[derive(Debug, Serialize, Object)]
pub struct RouterMoves {
    items: Vec<MoveView>,
}

/// A new router. It comes into stock.
#[derive(Debug, Object)]
#[oai(rename = "NewRouter")]
pub struct NewRouterBody {
    #[oai(validator(min_length = 1, max_length = 50))]
    brand: String,
    #[oai(nullable, validator(max_length = 100))]
    model: Option<String>,
    #[oai(validator(min_length = 1, max_length = 100))]
    serial_number: String,
    /// In any of the usual spellings: `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff`, `aabbccddeeff`.
    #[oai(validator(
        max_length = 17,
        pattern = "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$|^([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}$|^([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}$|^[0-9A-Fa-f]{12}$"
    ))]
    mac_address: String,
    #[oai(nullable, validator(max_length = 5000))]
    notes: Option<String>,
}

impl From<NewRouterBody> for Typed {
    fn from(body: NewRouterBody) -> Self {
        Self::default()
            .with("brand", body.brand)
            .with_option("model", body.model)
            .with("serial_number", body.serial_number)
            .with("mac_address", body.mac_address)
            .with_option("notes", body.notes)
    }
}

/// Changes of a router; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RouterChanges")]
pub struct RouterChangesBody {
    #[oai(validator(min_length = 1, max_length = 50))]
    brand: Option<String>,
    /// Null takes it away.
    #[oai(nullable, validator(max_length = 100))]
    model: MaybeUndefined<String>,
    #[oai(validator(min_length = 1, max_length = 100))]
    serial_number: Option<String>,
    #[oai(validator(
        max_length = 17,
        pattern = "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$|^([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}$|^([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}$|^[0-9A-Fa-f]{12}$"
    ))]
    mac_address: Option<String>,
    #[oai(nullable, validator(max_length = 5000))]
    notes: MaybeUndefined<String>,
}

impl RouterChangesBody {
    fn over(self, was: Typed) -> Typed {
        was.over_some("brand", self.brand)
            .over("model", &self.model)
            .over_some("serial_number", self.serial_number)
            .over_some("mac_address", self.mac_address)
            .over("notes", &self.notes)
    }
}

/// Where a router goes.
#[derive(Debug, Object)]
#[oai(rename = "RouterStateChange")]
pub struct StateBody {
    state: State,
    #[oai(nullable, validator(max_length = 500))]
    note: Option<String>,
}

/// What is wrong with one field of one row.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RouterImportFieldError")]
pub struct CellErrorView {
    field: String,
    code: String,
    detail: String,
}

/// What is wrong with one row of a file.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "RouterImportError")]
pub struct WrongRowView {
    /// Where the row begins in the file, from 1.
    line: u32,
    errors: Vec<CellErrorView>,
}

impl From<WrongRow> for WrongRowView {
    fn from(row: WrongRow) -> Self {
        let errors = row.errors.into_iter().map(|wrong| CellErrorView {
            field: wrong.field.into_owned(),
            code: wrong.code.to_owned(),
            detail: wrong.detail,
        });
        Self { line: row.line, errors: errors.collect() }
    }
}

/// What became of a file of routers.
#[derive(Debug, Serialize, Object)]
pub struct RouterImport {
    /// Whether it was only looked at.
    dry_run: bool,
    rows: u64,
    /// Rows that are right: their routers were added, unless it was a dry run.
    right: u64,
    /// Rows that are wrong and stayed out.
    wrong: u64,
    /// The first 200 of the wrong rows.
    errors: Vec<WrongRowView>,
}

impl RouterImport {
    fn of(report: Report, dry_run: bool) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self {
            dry_run,
            rows: count(report.rows),
            right: count(report.right),
            wrong: count(report.wrong),
            errors: report.errors.into_iter().map(WrongRowView::from).collect(),
        }
    }
}

/// The operations on routers.
pub struct RoutersApi {
    db: Db,
}

impl RoutersApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Routers")]
impl RoutersApi {
    /// List routers.
    ///
    /// Newest first.
    #[oai(path = "/routers", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_routers(
        &self,
        by: ApiUser<ViewRouters>,
        /// Words of brand, model or serial number, or a piece of a MAC address in any spelling.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        state: Query<Option<State>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter.
        cursor: Query<Option<String>>,
        /// Whether to count all who match.
        total: Query<Option<bool>>,
    ) -> Result<Json<RouterList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(time_mark).transpose()?;
        let filter = RouterFilter::parse(q.0.as_deref().unwrap_or_default(), state.0);
        let counted = total.0 == Some(true);
        let ((items, more), counts) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let page = rules::list(tx, &filter, after, limit).await?;
                let counts = if counted { Some(rules::count(tx, &filter).await?) } else { None };
                Ok((page, counts))
            })
            .await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor((last.created_at, last.id.0)).encode()?),
            None => None,
        };
        let total = counts.map(|counts| {
            counts.iter().filter(|(of, _)| state.0.is_none_or(|wanted| wanted == *of)).map(|(_, n)| n).sum()
        });
        Ok(Json(RouterList { items: items.into_iter().map(RouterView::from).collect(), next_cursor, total }))
    }

    /// Add a router.
    ///
    /// Serial numbers and MAC addresses are unique, however they are spelled: 409 `serial_number_taken`, `mac_address_taken`.
    #[oai(path = "/routers", method = "post")]
    async fn create_router(
        &self,
        by: ApiUser<EditRouters>,
        body: Body<NewRouterBody>,
    ) -> Result<Created<RouterView>> {
        let draft = RouterDraft::parse(&Typed::from(body.0))?;
        let router = self.db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &draft).await).await?;
        Ok(Created(router.into()))
    }

    /// Add routers from a file.
    ///
    /// CSV or XLSX with a header line: brand, model, `serial_number`, `mac_address`, notes. At most 5,000 rows. Rows that are wrong stay
    /// out and are told of.
    #[oai(path = "/routers/import", method = "post")]
    async fn import_routers(
        &self,
        by: ApiUser<EditRouters>,
        /// Whether to look only, and add nothing.
        dry_run: Query<Option<bool>>,
        file: FileBody,
    ) -> Result<Json<RouterImport>> {
        let dry_run = dry_run.0 == Some(true);
        let report = import::import(&self.db, &by, file.file_name, file.content, dry_run).await?;
        Ok(Json(RouterImport::of(report, dry_run)))
    }

    /// Download routers as a file.
    ///
    /// Exactly the list of the same filter, all pages of it; at most 50,000 routers.
    #[oai(path = "/routers/export", method = "get")]
    async fn export_routers(
        &self,
        by: ApiUser<ViewRouters>,
        format: Query<Format>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        state: Query<Option<State>>,
    ) -> Result<Sheet> {
        let filter = RouterFilter::parse(q.0.as_deref().unwrap_or_default(), state.0);
        import::export(&self.db, &by, &filter, format.0, Bom::Without).await
    }

    /// Show a router.
    #[oai(path = "/routers/:id", method = "get")]
    async fn get_router(&self, by: ApiUser<ViewRouters>, id: Path<Uuid>) -> Result<Json<RouterView>> {
        let router = self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, RouterId(id.0)).await).await?;
        Ok(Json(router.into()))
    }

    /// Change a router.
    #[oai(path = "/routers/:id", method = "patch")]
    async fn update_router(
        &self,
        by: ApiUser<EditRouters>,
        id: Path<Uuid>,
        body: Body<RouterChangesBody>,
    ) -> Result<Json<RouterView>> {
        let (id, body) = (RouterId(id.0), &body.0);
        let router = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::change(tx, &by, id, |was| body.clone().over(was)).await)
            .await?;
        Ok(Json(router.into()))
    }

    /// Delete a router.
    ///
    /// One that an installation has stays: 409 `in_use`.
    #[oai(path = "/routers/:id", method = "delete")]
    async fn delete_router(&self, by: ApiUser<DeleteRouters>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, RouterId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// Put a router into another state.
    ///
    /// Installations assign routers and give them back; 409 `transition_refused` for what only they may do.
    #[oai(path = "/routers/:id/state", method = "post")]
    async fn set_router_state(
        &self,
        by: ApiUser<EditRouters>,
        id: Path<Uuid>,
        body: Body<StateBody>,
    ) -> Result<Json<RouterView>> {
        let StateBody { state, note } = body.0;
        let note = optional_line(&note.unwrap_or_default(), NOTE_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("note")]))?;
        let router = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::set_state(tx, &by, RouterId(id.0), state, note.as_deref()).await
            })
            .await?;
        Ok(Json(router.into()))
    }

    /// Where a router was.
    #[oai(path = "/routers/:id/moves", method = "get")]
    async fn list_router_moves(&self, by: ApiUser<ViewRouters>, id: Path<Uuid>) -> Result<Json<RouterMoves>> {
        let id = RouterId(id.0);
        let moves = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::get(tx, id).await?;
                rules::moves(tx, id).await
            })
            .await?;
        Ok(Json(RouterMoves { items: moves.into_iter().map(MoveView::from).collect() }))
    }
}
