//! Imports as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Enum, Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    mapping::{Field, Mapping},
    model::{Choices, FailedRow, Import, MatchBy, OnMatch, RowError, State},
    preview::{PreviewRow, preview},
    rules, template,
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::customers::{ImportCustomers, Status},
    tenancy::Tenant,
    types::{Cursor, ImportId, Limit},
    web::file_body::FileBody,
    web::{Body, Created, Download, Json},
};

#[derive(Tags)]
enum Tag {
    /// Customers out of CSV and Excel files.
    Imports,
}

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Which column of the file holds which field, counted from 0. First and last name are needed, or the full name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "ImportMapping")]
pub struct MappingBody {
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    first_name: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    last_name: Option<u32>,
    /// Instead of first and last name.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    full_name: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    email: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    phone_primary: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    street_address: Option<u32>,
    /// The area's name or code.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    area: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    status: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    notes: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    latitude: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    longitude: Option<u32>,
    /// The customer's number in the provider's own books.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    reference: Option<u32>,
    /// The code of a NAP, or its way such as `LCP-001/SP-1/NAP-003`. Makes an installation, with the port.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    nap: Option<u32>,
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    nap_port: Option<u32>,
    /// A day, such as 2026-11-30.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    installed_on: Option<u32>,
    /// A plan's name. Brings a period forward, with `paid_until`.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    plan: Option<u32>,
    /// A day, which is paid to its end, or an instant.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "99")))]
    paid_until: Option<u32>,
}

impl MappingBody {
    fn slot(&mut self, field: Field) -> &mut Option<u32> {
        match field {
            Field::FirstName => &mut self.first_name,
            Field::LastName => &mut self.last_name,
            Field::FullName => &mut self.full_name,
            Field::Email => &mut self.email,
            Field::PhonePrimary => &mut self.phone_primary,
            Field::StreetAddress => &mut self.street_address,
            Field::Area => &mut self.area,
            Field::Status => &mut self.status,
            Field::Notes => &mut self.notes,
            Field::Latitude => &mut self.latitude,
            Field::Longitude => &mut self.longitude,
            Field::Reference => &mut self.reference,
            Field::Nap => &mut self.nap,
            Field::NapPort => &mut self.nap_port,
            Field::InstalledOn => &mut self.installed_on,
            Field::Plan => &mut self.plan,
            Field::PaidUntil => &mut self.paid_until,
        }
    }

    fn parse(mut self) -> Mapping {
        Field::ALL
            .into_iter()
            .filter_map(|field| Some((field, usize::try_from((*self.slot(field))?).ok()?)))
            .collect()
    }
}

impl From<&Mapping> for MappingBody {
    fn from(mapping: &Mapping) -> Self {
        let mut body = Self::default();
        for (field, column) in mapping.pairs() {
            *body.slot(field) = u32::try_from(column).ok();
        }
        body
    }
}

/// How a file is to be imported. What is left out stays as the import shows it.
#[derive(Debug, Object)]
#[oai(rename = "ImportStart")]
pub struct StartBody {
    /// The one that was guessed from the headers, unless another is given.
    #[oai(nullable)]
    mapping: Option<MappingBody>,
    /// What makes a row the same customer as one who is already here.
    #[oai(nullable)]
    match_by: Option<MatchBy>,
    /// What becomes of a customer that a row was matched with.
    #[oai(nullable)]
    on_match: Option<OnMatch>,
    /// The status of a new customer whose row names none.
    #[oai(nullable)]
    default_status: Option<Status>,
    /// Whether areas that do not exist are made; else their rows are refused.
    #[oai(nullable)]
    create_areas: Option<bool>,
    /// Count and check everything, and change nothing.
    #[oai(nullable)]
    dry_run: Option<bool>,
}

/// An import: an uploaded file and how far it came.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "CustomerImport")]
pub struct ImportView {
    id: Uuid,
    file_name: String,
    state: State,
    dry_run: bool,
    /// The names of the file's columns.
    columns: Vec<String>,
    mapping: MappingBody,
    match_by: MatchBy,
    on_match: OnMatch,
    default_status: Status,
    create_areas: bool,
    rows_total: i32,
    rows_done: i32,
    rows_created: i32,
    rows_updated: i32,
    rows_unchanged: i32,
    rows_failed: i32,
    /// Installations that were made.
    rows_connected: i32,
    /// Periods that were brought forward.
    rows_brought: i32,
    /// Why an import failed as a whole.
    #[oai(nullable)]
    failure: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
    #[oai(nullable)]
    started_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    finished_at: Option<DateTime<Utc>>,
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        Self {
            id: import.id.0,
            columns: (0..import.header.len()).map(|column| import.column_name(column)).collect(),
            mapping: (&import.choices.mapping).into(),
            file_name: import.file_name,
            state: import.state,
            dry_run: import.is_dry_run,
            match_by: import.choices.match_by,
            on_match: import.choices.on_match,
            default_status: import.choices.default_status,
            create_areas: import.choices.creates_areas,
            rows_total: import.counts.total,
            rows_done: import.counts.done,
            rows_created: import.counts.created,
            rows_updated: import.counts.updated,
            rows_unchanged: import.counts.unchanged,
            rows_failed: import.counts.failed,
            rows_connected: import.counts.connected,
            rows_brought: import.counts.brought,
            failure: import.failure,
            created_by: import.created_by_label,
            created_at: import.created_at,
            started_at: import.started_at,
            finished_at: import.finished_at,
        }
    }
}

/// One of the first rows, and what is wrong with it under the import's mapping.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ImportPreviewRow")]
pub struct PreviewView {
    /// Where the row stands in the file, from 1.
    line: u32,
    cells: Vec<String>,
    problems: Vec<RowError>,
}

impl From<PreviewRow> for PreviewView {
    fn from(row: PreviewRow) -> Self {
        Self { line: row.line, cells: row.cells, problems: row.problems }
    }
}

/// An import with its first rows.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "CustomerImportWithPreview")]
pub struct ImportDetail {
    #[oai(flatten)]
    #[serde(flatten)]
    import: ImportView,
    preview: Vec<PreviewView>,
}

/// One page of imports, newest first.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "CustomerImportList")]
pub struct ImportList {
    items: Vec<ImportView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// A row that was not imported.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ImportFailedRow")]
pub struct FailedRowView {
    /// Where the row stands in the file, from 1.
    line: i32,
    errors: Vec<RowError>,
    /// As they stand in the file.
    cells: Vec<String>,
}

impl From<FailedRow> for FailedRowView {
    fn from(row: FailedRow) -> Self {
        Self { line: row.line, errors: row.errors, cells: row.cells }
    }
}

/// One page of failed rows, in the order of the file.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ImportFailedRowList")]
pub struct FailedRowList {
    items: Vec<FailedRowView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// The kinds of file in which the template comes.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "ImportTemplateFormat", rename_all = "snake_case")]
pub enum TemplateFormat {
    Csv,
    Xlsx,
}

/// The operations on imports.
pub struct ImportsApi {
    db: Db,
}

impl ImportsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    async fn detail(&self, by: &crate::access::By, import: Import) -> Result<ImportDetail> {
        let preview = preview(&self.db, by, &import, &import.choices).await?;
        Ok(ImportDetail { import: import.into(), preview: preview.into_iter().map(Into::into).collect() })
    }
}

#[OpenApi(tag = "Tag::Imports")]
impl ImportsApi {
    /// Upload a file of customers, with their installations and plans if it has them.
    ///
    /// The file is read and kept, and its columns are matched with fields as far as their headers say. Nothing is imported
    /// before the import is started. The file is forgotten some days after the import has ended: 30, unless `/retention` says otherwise.
    #[oai(path = "/customers/imports", method = "post")]
    async fn upload_customer_import(
        &self,
        by: ApiUser<ImportCustomers>,
        body: FileBody,
    ) -> Result<Created<ImportDetail>> {
        let import = rules::upload(&self.db, &by, &body.file_name, body.content).await?;
        Ok(Created(self.detail(&by, import).await?))
    }

    /// List imports, newest first.
    #[oai(path = "/customers/imports", method = "get")]
    async fn list_customer_imports(
        &self,
        by: ApiUser<ImportCustomers>,
        /// How many items, 1-200.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// Where the last page ended.
        cursor: Query<Option<String>>,
        /// Whether to count them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<ImportList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::<Uuid>::decode).transpose()?.map(|cursor| cursor.0);
        let page = rules::list(&self.db, &by.tenant, after, limit, total.0.unwrap_or(false)).await?;
        Ok(Json(ImportList {
            next_cursor: page.next.map(|id| Cursor(id).encode()).transpose()?,
            total: page.total,
            items: page.imports.into_iter().map(Into::into).collect(),
        }))
    }

    /// Download an empty file with the columns that need no matching.
    #[oai(path = "/customers/imports/template", method = "get")]
    async fn get_customer_import_template(
        &self,
        by: ApiUser<ImportCustomers>,
        /// CSV unless said otherwise.
        format: Query<Option<TemplateFormat>>,
    ) -> Result<Download> {
        template_file(&self.db, &by.tenant, matches!(format.0, Some(TemplateFormat::Xlsx))).await
    }

    /// Show an import and its first rows.
    #[oai(path = "/customers/imports/:id", method = "get")]
    async fn get_customer_import(
        &self,
        by: ApiUser<ImportCustomers>,
        id: Path<Uuid>,
    ) -> Result<Json<ImportDetail>> {
        let import = rules::get(&self.db, &by.tenant, ImportId(id.0)).await?;
        Ok(Json(self.detail(&by, import).await?))
    }

    /// Start an import, or try it without changing anything.
    ///
    /// Columns of NAPs, ports and days of installation ask for `installations.create`, plans for `subscriptions.sell`.
    /// An import can be started once, and after each trial. It runs in the background: ask for it to see how far it is.
    /// Importing the same file again changes nothing.
    #[oai(path = "/customers/imports/:id/start", method = "post")]
    async fn start_customer_import(
        &self,
        by: ApiUser<ImportCustomers>,
        id: Path<Uuid>,
        body: Body<StartBody>,
    ) -> Result<Json<ImportView>> {
        let id = ImportId(id.0);
        let was = rules::get(&self.db, &by.tenant, id).await?;
        let body = body.0;
        let choices = Choices {
            mapping: body.mapping.map_or(was.choices.mapping, MappingBody::parse),
            match_by: body.match_by.unwrap_or(was.choices.match_by),
            on_match: body.on_match.unwrap_or(was.choices.on_match),
            default_status: body.default_status.unwrap_or(was.choices.default_status),
            creates_areas: body.create_areas.unwrap_or(was.choices.creates_areas),
        };
        let dry_run = body.dry_run.unwrap_or(false);
        let started =
            rules::start(&self.db, &by, id, &choices, dry_run).await.map_err(as_fields_of_mapping)?;
        Ok(Json(started.into()))
    }

    /// Stop an import. Rows that were worked through stay.
    #[oai(path = "/customers/imports/:id/cancel", method = "post")]
    async fn cancel_customer_import(
        &self,
        by: ApiUser<ImportCustomers>,
        id: Path<Uuid>,
    ) -> Result<Json<ImportView>> {
        Ok(Json(rules::cancel(&self.db, &by, ImportId(id.0)).await?.into()))
    }

    /// List the rows that were not imported, and why.
    #[oai(path = "/customers/imports/:id/errors", method = "get")]
    async fn list_customer_import_errors(
        &self,
        by: ApiUser<ImportCustomers>,
        id: Path<Uuid>,
        /// How many items, 1-200.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// Where the last page ended.
        cursor: Query<Option<String>>,
    ) -> Result<Json<FailedRowList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::<i32>::decode).transpose()?.map_or(-1, |cursor| cursor.0);
        let (failed, next) = rules::list_failed(&self.db, &by.tenant, ImportId(id.0), after, limit).await?;
        Ok(Json(FailedRowList {
            items: failed.into_iter().map(Into::into).collect(),
            next_cursor: next.map(|line| Cursor(line).encode()).transpose()?,
        }))
    }

    /// Download the rows that were not imported, to be mended and uploaded again.
    #[oai(path = "/customers/imports/:id/errors.csv", method = "get")]
    async fn download_customer_import_errors(
        &self,
        by: ApiUser<ImportCustomers>,
        id: Path<Uuid>,
    ) -> Result<Download> {
        failed_file(&self.db, &by.tenant, ImportId(id.0)).await
    }
}

/// The mapping's own errors name columns of the file; in a body they stand in `mapping`.
fn as_fields_of_mapping(error: Error) -> Error {
    match error {
        Error::Invalid(mut wrongs) => {
            for wrong in &mut wrongs {
                wrong.field = wrong.field.replacen("columns", "mapping", 1).into();
            }
            Error::Invalid(wrongs)
        }
        other => other,
    }
}

/// The template as a download.
pub async fn template_file(db: &Db, tenant: &Tenant, is_workbook: bool) -> Result<Download> {
    let own = rules::own_example(db, tenant).await?;
    let (media_type, ending, content) =
        if is_workbook { (XLSX, "xlsx", template::xlsx(&own)?) } else { (CSV, "csv", template::csv(&own)) };
    Ok(Download { media_type, file_name: format!("customers-template.{ending}"), content })
}

/// The failed rows as a download.
pub async fn failed_file(db: &Db, tenant: &Tenant, id: ImportId) -> Result<Download> {
    let file = rules::failed_csv(db, tenant, id).await?;
    Ok(Download { media_type: CSV, file_name: file.name, content: file.content })
}
