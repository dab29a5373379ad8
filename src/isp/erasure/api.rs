//! Erasures as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ErasePeople, Eraser, ViewErasures, certificate,
    model::{Erasure, Kind, Removed, Status, Subject},
    rules,
};
use crate::{
    access::ApiUser,
    error::Result,
    types::{Cursor, ErasureId, Limit},
    web::{Body, Created, Json, Pdf},
};

#[derive(Tags)]
enum Tag {
    /// People who were erased on request.
    Erasures,
}

/// A place that still names the person.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ErasureFinding")]
struct FoundView {
    table: String,
    column: String,
    rows: i64,
}

/// That somebody was erased; not who.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Erasure")]
pub struct ErasureView {
    id: Uuid,
    /// What stands in the place of the name, such as ERA-2026-0001.
    number: String,
    kind: Kind,
    /// The customer, whose row stays without the person; of a contact nothing stays.
    subject_id: Uuid,
    reason: String,
    asked_by: String,
    asked_at: DateTime<Utc>,
    /// `removing` until the books, the trail and the search are done; then `clean`, or `found` where places still name the person.
    status: Status,
    /// What was done to each table.
    removed: Vec<Removed>,
    found: Vec<FoundView>,
    tables_searched: i32,
    #[oai(nullable)]
    searched_at: Option<DateTime<Utc>>,
}

impl From<Erasure> for ErasureView {
    fn from(one: Erasure) -> Self {
        let found = one.found.into_iter();
        let found = found.map(|one| FoundView { table: one.table, column: one.column, rows: one.rows });
        Self {
            id: one.id.0,
            number: one.number,
            kind: one.kind,
            subject_id: one.subject,
            reason: one.reason,
            asked_by: one.asked_by,
            asked_at: one.asked_at,
            status: one.status,
            removed: one.removed,
            found: found.collect(),
            tables_searched: one.tables_searched,
            searched_at: one.searched_at,
        }
    }
}

/// One page of erasures.
#[derive(Debug, Serialize, Object)]
struct ErasureList {
    items: Vec<ErasureView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// Who is to be erased, and why. Exactly one of both ids.
#[derive(Debug, Object)]
#[oai(rename = "NewErasure")]
struct NewErasureBody {
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    #[oai(nullable)]
    contact_id: Option<Uuid>,
    /// It is kept, so it must not name the person.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
}

/// Who is looked for.
#[derive(Debug, Object)]
#[oai(rename = "ErasureSearch")]
struct SearchBody {
    /// A whole name, number or e-mail address, as it was.
    #[oai(validator(min_length = 1, max_length = 254))]
    identity: String,
}

/// The operations on erasures.
pub struct ErasuresApi {
    eraser: Eraser,
}

impl ErasuresApi {
    pub fn new(eraser: Eraser) -> Self {
        Self { eraser }
    }
}

#[OpenApi(tag = "Tag::Erasures")]
impl ErasuresApi {
    /// List erasures.
    ///
    /// The newest first.
    #[oai(path = "/erasures", method = "get")]
    async fn list_erasures(
        &self,
        by: ApiUser<ViewErasures>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<ErasureList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<ErasureId>::decode).transpose()?.map(|c| c.0);
        let db = &self.eraser.db;
        let (items, more) =
            db.read_tenant(&by.tenant, async |tx| rules::list(tx, before, limit).await).await?;
        let last = items.last().filter(|_| more).map(|one| one.id);
        let next_cursor = last.map(|id| Cursor(id).encode()).transpose()?;
        Ok(Json(ErasureList { items: items.into_iter().map(ErasureView::from).collect(), next_cursor }))
    }

    /// Erase a person.
    ///
    /// For good. What keeps it from being done is a 409 with its code, and a detail that names all of it: `subscription_running`,
    /// `has_installation`, `balance_open`, `ticket_open`, `visit_planned`, `outage_open`, `import_under_way`, `message_under_way`;
    /// `already_erased`, `merged`, and `is_customer` for a contact whose address a customer has. Staff must have signed in, or proved
    /// who they are, within the last quarter of an hour (403 `proof_needed`). The books, the trail and the search follow at once:
    /// `status` says how far it is.
    #[oai(path = "/erasures", method = "post")]
    async fn create_erasure(
        &self,
        by: ApiUser<ErasePeople>,
        body: Body<NewErasureBody>,
    ) -> Result<Created<ErasureView>> {
        let subject = Subject::parse(body.0.customer_id, body.0.contact_id)?;
        let erasure = rules::erase(&self.eraser, &by, subject, &body.0.reason).await?;
        Ok(Created(erasure.into()))
    }

    /// Find erasures by identity.
    ///
    /// Whether somebody of this name, number or address was erased, and when. Codes are compared: the name is kept nowhere.
    #[oai(path = "/erasures/search", method = "post")]
    async fn search_erasures(
        &self,
        by: ApiUser<ViewErasures>,
        body: Body<SearchBody>,
    ) -> Result<Json<ErasureList>> {
        let items = rules::find_person(&self.eraser, &by, &body.0.identity).await?;
        let items = items.into_iter().map(ErasureView::from).collect();
        Ok(Json(ErasureList { items, next_cursor: None }))
    }

    /// Show an erasure.
    #[oai(path = "/erasures/:id", method = "get")]
    async fn get_erasure(&self, by: ApiUser<ViewErasures>, id: Path<Uuid>) -> Result<Json<ErasureView>> {
        let db = &self.eraser.db;
        let one = db.read_tenant(&by.tenant, async |tx| rules::get(tx, ErasureId(id.0)).await).await?;
        Ok(Json(one.into()))
    }

    /// Print the certificate of an erasure.
    #[oai(path = "/erasures/:id/certificate", method = "get")]
    async fn print_erasure(&self, by: ApiUser<ViewErasures>, id: Path<Uuid>) -> Result<Pdf> {
        let db = &self.eraser.db;
        let one = db.read_tenant(&by.tenant, async |tx| rules::get(tx, ErasureId(id.0)).await).await?;
        certificate::paper(&by.tenant, &one)
    }
}
