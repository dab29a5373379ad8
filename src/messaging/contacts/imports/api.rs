//! Imports of contacts as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{Import, Mapping, RowError, State, Told};
use crate::{
    access::ApiUser,
    db::Db,
    error::Result,
    messaging::contacts::{EditContacts, ViewContacts},
    types::{ContactImportId, Cursor, GroupId, Limit},
    web::{Body, Created, Json, file_body::FileBody},
};

#[derive(Tags)]
enum Tag {
    /// Contacts out of files and pasted lists.
    ContactImports,
}

/// An import of contacts.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactImport")]
pub struct ImportView {
    id: Uuid,
    file_name: String,
    /// The names of the file's columns.
    header: Vec<String>,
    /// What each column is, empty for what is left out: `name`, `first_name`, `last_name`, `sms`, `email`, `whatsapp`, `telegram`,
    /// `instagram`, `language`, `tags`, `groups` (names of groups that are there), `note`, `attribute:name`, or `attributes` (a JSON object,
    /// as an export writes them).
    mapping: Vec<String>,
    /// The group that everybody comes into.
    #[oai(nullable)]
    group_id: Option<Uuid>,
    state: State,
    rows_total: i32,
    rows_done: i32,
    created: i32,
    updated: i32,
    unchanged: i32,
    /// Rows with an address that another contact has; it waits under `/contact-conflicts`.
    conflicts: i32,
    failed: i32,
    /// The first 500 wrong fields.
    errors: Vec<RowError>,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    finished_at: Option<DateTime<Utc>>,
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        let counts = import.counts;
        Self {
            id: import.id.0,
            file_name: import.file_name,
            header: import.header,
            mapping: import.mapping.as_texts(),
            group_id: import.group.map(|id| id.0),
            state: import.state,
            rows_total: counts.total,
            rows_done: counts.done,
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            conflicts: counts.conflicts,
            failed: counts.failed,
            errors: import.errors,
            created_at: import.created_at,
            finished_at: import.finished_at,
        }
    }
}

/// One page of imports.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactImportList")]
pub struct ImportList {
    items: Vec<ImportView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// The first rows as they would come out.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ContactImportPreview")]
pub struct Preview {
    rows: Vec<Told>,
}

/// A pasted list.
#[derive(Debug, Object)]
#[oai(rename = "PastedContacts")]
pub struct PasteBody {
    /// One contact a line: a number or an e-mail address and, if there is one, a name, in any order.
    #[oai(validator(min_length = 1, max_length = 50000))]
    text: String,
}

/// How a file is brought in.
#[derive(Debug, Object)]
#[oai(rename = "ContactImportChoices")]
pub struct StartBody {
    /// One text for each column; as it was proposed when absent.
    #[oai(validator(max_items = 100))]
    mapping: Option<Vec<String>>,
    /// A group that everybody comes into.
    #[oai(nullable)]
    group_id: Option<Uuid>,
}

/// What each column is.
#[derive(Debug, Object)]
#[oai(rename = "ContactImportMapping")]
pub struct MappingBody {
    /// One text for each column.
    #[oai(validator(max_items = 100))]
    mapping: Vec<String>,
}

/// The operations on imports of contacts.
pub struct ImportsApi {
    db: Db,
}

impl ImportsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::ContactImports")]
impl ImportsApi {
    /// List imports of contacts.
    ///
    /// The newest first.
    #[oai(path = "/contact-imports", method = "get")]
    async fn list_contact_imports(
        &self,
        by: ApiUser<ViewContacts>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<ImportList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<ContactImportId>::decode).transpose()?.map(|c| c.0);
        let (items, more) =
            self.db.read_tenant(&by.tenant, async |tx| super::list(tx, before, limit).await).await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(last.id).encode()?),
            _ => None,
        };
        Ok(Json(ImportList { items: items.into_iter().map(ImportView::from).collect(), next_cursor }))
    }

    /// Upload a file of contacts.
    ///
    /// CSV or XLSX with a header line. Nothing is brought in before the import is started; an upload that nobody starts is forgotten
    /// after a week.
    #[oai(path = "/contact-imports", method = "post")]
    async fn upload_contacts(
        &self,
        by: ApiUser<EditContacts>,
        file: FileBody,
    ) -> Result<Created<ImportView>> {
        let import = super::upload(&self.db, &by, &file.file_name, file.content).await?;
        Ok(Created(import.into()))
    }

    /// Paste a list of contacts.
    ///
    /// The same as a file with the columns that the lines are found to have.
    #[oai(path = "/contact-imports/paste", method = "post")]
    async fn paste_contacts(
        &self,
        by: ApiUser<EditContacts>,
        body: Body<PasteBody>,
    ) -> Result<Created<ImportView>> {
        Ok(Created(super::paste(&self.db, &by, &body.0.text).await?.into()))
    }

    /// Show an import.
    #[oai(path = "/contact-imports/:id", method = "get")]
    async fn get_contact_import(
        &self,
        by: ApiUser<ViewContacts>,
        id: Path<Uuid>,
    ) -> Result<Json<ImportView>> {
        let id = ContactImportId(id.0);
        let import = self.db.read_tenant(&by.tenant, async |tx| super::get(tx, id).await).await?;
        Ok(Json(import.into()))
    }

    /// Preview an import.
    ///
    /// The first ten rows as they would come out with its columns as they are chosen now; nothing of an import that has ended.
    #[oai(path = "/contact-imports/:id/preview", method = "get")]
    async fn preview_contact_import(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
    ) -> Result<Json<Preview>> {
        let rows = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let import = super::get(tx, ContactImportId(id.0)).await?;
                super::look(tx, &by, &import).await
            })
            .await?;
        Ok(Json(Preview { rows }))
    }

    /// Choose the columns of an import.
    ///
    /// 409 `import_started` once it was started.
    #[oai(path = "/contact-imports/:id/mapping", method = "post")]
    async fn map_contact_import(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
        body: Body<MappingBody>,
    ) -> Result<Json<ImportView>> {
        let (id, texts) = (ContactImportId(id.0), &body.0.mapping);
        let import = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                // Whose import it is counts before what was chosen.
                super::get(tx, id).await?;
                super::map(tx, id, Mapping::parse(texts)?).await
            })
            .await?;
        Ok(Json(import.into()))
    }

    /// Start an import.
    ///
    /// It goes on by itself; ask for it again to see how far it is. 409 `import_started` when it was started before.
    #[oai(path = "/contact-imports/:id/start", method = "post")]
    async fn start_contact_import(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
        body: Body<StartBody>,
    ) -> Result<Json<ImportView>> {
        let (id, texts) = (ContactImportId(id.0), body.0.mapping.as_deref());
        let group = body.0.group_id.map(GroupId);
        let import = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                super::get(tx, id).await?;
                super::start(tx, &by, id, texts.map(Mapping::parse).transpose()?, group).await
            })
            .await?;
        Ok(Json(import.into()))
    }

    /// Stop an import.
    ///
    /// What was brought in stays. 409 `import_ended` when it has ended.
    #[oai(path = "/contact-imports/:id/cancel", method = "post")]
    async fn cancel_contact_import(
        &self,
        by: ApiUser<EditContacts>,
        id: Path<Uuid>,
    ) -> Result<Json<ImportView>> {
        let id = ContactImportId(id.0);
        let import = self.db.in_tenant(&by.tenant, async |tx| super::cancel(tx, &by, id).await).await?;
        Ok(Json(import.into()))
    }
}
