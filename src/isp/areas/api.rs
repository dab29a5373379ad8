//! Areas as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    CreateAreas, DeleteAreas, EditAreas, ViewAreas,
    model::{Area, AreaDraft, AreaFilter, AreaMark, AreaSort, CountedArea, Removal, searched},
    rules,
};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    types::{AreaId, Cursor, Limit},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// Places that group customers.
    Areas,
}

/// An area.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Area")]
pub struct AreaView {
    id: Uuid,
    name: String,
    /// A short name of the provider's own.
    #[oai(nullable)]
    code: Option<String>,
    description: String,
    /// Customers can be put into active areas only.
    is_active: bool,
    /// Customers of status `active`.
    active_customers: i64,
    total_customers: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<CountedArea> for AreaView {
    fn from(counted: CountedArea) -> Self {
        let CountedArea { area, active_customers, total_customers } = counted;
        Self {
            id: area.id.0,
            name: area.name,
            code: area.code,
            description: area.description,
            is_active: area.is_active,
            active_customers,
            total_customers,
            created_at: area.created_at,
            updated_at: area.updated_at,
        }
    }
}

impl From<Area> for AreaView {
    fn from(area: Area) -> Self {
        CountedArea { area, active_customers: 0, total_customers: 0 }.into()
    }
}

/// One page of areas.
#[derive(Debug, Serialize, Object)]
pub struct AreaList {
    items: Vec<AreaView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// A new area.
#[derive(Debug, Object)]
#[oai(rename = "NewArea")]
pub struct NewAreaBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    #[oai(nullable, validator(max_length = 20))]
    code: Option<String>,
    #[oai(nullable, validator(max_length = 1000))]
    description: Option<String>,
    /// True unless said otherwise.
    #[oai(nullable)]
    is_active: Option<bool>,
}

/// Changes of an area; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AreaChanges")]
pub struct AreaChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// Null takes it away.
    #[oai(nullable, validator(max_length = 20))]
    code: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 1000))]
    description: MaybeUndefined<String>,
    is_active: Option<bool>,
}

impl AreaChangesBody {
    fn over(self, was: AreaDraft) -> Result<AreaDraft> {
        let code = match self.code {
            MaybeUndefined::Undefined => was.code.unwrap_or_default(),
            MaybeUndefined::Null => String::new(),
            MaybeUndefined::Value(code) => code,
        };
        let description = match self.description {
            MaybeUndefined::Undefined => was.description,
            MaybeUndefined::Null => String::new(),
            MaybeUndefined::Value(description) => description,
        };
        let name = self.name.unwrap_or(was.name);
        AreaDraft::parse(&name, &code, &description, self.is_active.unwrap_or(was.is_active))
    }
}

/// What became of an area that was to be deleted.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AreaOutcome {
    /// It had no customers and is gone.
    Deleted,
    /// Customers belong to it, also deleted ones: it was switched off instead.
    SwitchedOff,
}

/// How a deletion ended.
#[derive(Debug, Serialize, Object)]
pub struct AreaRemoval {
    outcome: AreaOutcome,
}

/// The operations on areas.
pub struct AreasApi {
    db: Db,
}

impl AreasApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Areas")]
impl AreasApi {
    /// List areas.
    ///
    /// With how many customers each has.
    #[oai(path = "/areas", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_areas(
        &self,
        by: ApiUser<ViewAreas>,
        /// Found in names and codes.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        is_active: Query<Option<bool>>,
        /// `name` (as it is without), `code`, `created`; a minus before it turns the order.
        sort: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<AreaList>> {
        let limit = Limit::parse(limit.0)?;
        let sort = AreaSort::parse(sort.0.as_deref().unwrap_or_default())?;
        let mark = cursor.0.as_deref().map(|text| AreaMark::decode(text, sort)).transpose()?;
        let q = q.0.as_deref().and_then(searched);
        let filter = AreaFilter { q, is_active: is_active.0 };
        let counted = total.0 == Some(true);
        let (items, more, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let (items, more) = rules::list(tx, &filter, sort, mark.as_ref(), limit).await?;
                let total = match (counted, filter.is_active) {
                    (false, _) => None,
                    (true, only) => {
                        let (all, active) = rules::count(tx, filter.q.as_deref()).await?;
                        Some(match only {
                            None => all,
                            Some(true) => active,
                            Some(false) => all - active,
                        })
                    }
                };
                Ok((items, more, total))
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(sort.mark(&last.area)).encode()?),
            _ => None,
        };
        Ok(Json(AreaList { items: items.into_iter().map(AreaView::from).collect(), next_cursor, total }))
    }

    /// Add an area.
    ///
    /// Names and codes are unique in any case: 409 `name_taken`, `code_taken`.
    #[oai(path = "/areas", method = "post")]
    async fn create_area(
        &self,
        by: ApiUser<CreateAreas>,
        body: Body<NewAreaBody>,
    ) -> Result<Created<AreaView>> {
        let NewAreaBody { name, code, description, is_active } = body.0;
        let draft = AreaDraft::parse(
            &name,
            &code.unwrap_or_default(),
            &description.unwrap_or_default(),
            is_active.unwrap_or(true),
        )?;
        let area = self.db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &draft).await).await?;
        Ok(Created(area.into()))
    }

    /// Show an area.
    #[oai(path = "/areas/:id", method = "get")]
    async fn get_area(&self, by: ApiUser<ViewAreas>, id: Path<Uuid>) -> Result<Json<AreaView>> {
        let area = self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, AreaId(id.0)).await).await?;
        Ok(Json(area.into()))
    }

    /// Change an area.
    #[oai(path = "/areas/:id", method = "patch")]
    async fn update_area(
        &self,
        by: ApiUser<EditAreas>,
        id: Path<Uuid>,
        body: Body<AreaChangesBody>,
    ) -> Result<Json<AreaView>> {
        let (id, body) = (AreaId(id.0), &body.0);
        let area = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, |was| body.clone().over(was)).await?;
                rules::get(tx, id).await
            })
            .await?;
        Ok(Json(area.into()))
    }

    /// Delete an area.
    ///
    /// One that customers belong to is switched off instead; the answer says which of the two happened.
    #[oai(path = "/areas/:id", method = "delete")]
    async fn delete_area(&self, by: ApiUser<DeleteAreas>, id: Path<Uuid>) -> Result<Json<AreaRemoval>> {
        let (removal, _) =
            self.db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, AreaId(id.0)).await).await?;
        let outcome = match removal {
            Removal::Deleted => AreaOutcome::Deleted,
            Removal::SwitchedOff => AreaOutcome::SwitchedOff,
        };
        Ok(Json(AreaRemoval { outcome }))
    }
}
