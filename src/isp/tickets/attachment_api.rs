//! The operations on the files of tickets.

use futures_util::try_join;
use poem::{IntoResponse, Request, RequestBody, Response, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi, Tags,
    param::Path,
    registry::{
        MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
    },
};
use uuid::Uuid;

use super::{
    ViewTickets, WorkTickets, rules,
    talk::{self, FILE_HELP, FILE_MAX_BYTES, Opened, Ready},
    view::{AttachmentView, TicketAttachments},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    types::TicketId,
    web::{Created, Form, Json, NoContent},
};

/// What a form around a file may weigh: the file and its wrapping.
pub const UPLOAD_MAX_BYTES: u64 = FILE_MAX_BYTES as u64 + 64 * 1024;

#[derive(Tags)]
enum Tag {
    /// What customers need help with.
    Tickets,
}

/// The operations on files of tickets.
pub struct AttachmentsApi {
    db: Db,
}

impl AttachmentsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// An uploaded file: 415 when the body is something else, 413 as soon as it is over the limit, 422 without a file.
pub struct AttachmentBody {
    file_name: String,
    content: Vec<u8>,
    is_internal: bool,
}

impl AttachmentBody {
    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let kind = request.content_type().unwrap_or_default().trim().to_ascii_lowercase();
        if kind.split(';').next().map(str::trim) != Some("multipart/form-data") {
            return Err(Error::Unsupported { expected: "multipart/form-data" });
        }
        let form = Form::read(request, body, UPLOAD_MAX_BYTES).await?;
        let file = form.upload("file").ok_or_else(|| Error::invalid("file", "required", FILE_HELP))?;
        let is_internal = match form.get("is_internal") {
            "" | "false" => false,
            "true" => true,
            _ => return Err(Error::invalid("is_internal", "not_a_choice", "This is true or false.")),
        };
        Ok(Self { file_name: file.file_name.clone(), content: file.content.clone(), is_internal })
    }
}

impl<'a> ApiExtractor<'a> for AttachmentBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn register(_registry: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let mut schema = MetaSchema::new("object");
        let mut file = MetaSchema::new_with_format("string", "binary");
        file.description = Some(FILE_HELP);
        schema.properties.push(("file", MetaSchemaRef::Inline(Box::new(file))));
        let mut is_internal = MetaSchema::new("boolean");
        is_internal.description = Some("For staff alone. False when absent: the customer sees it.");
        schema.properties.push(("is_internal", MetaSchemaRef::Inline(Box::new(is_internal))));
        schema.required.push("file");
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "multipart/form-data",
                schema: MetaSchemaRef::Inline(Box::new(schema)),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        Ok(Self::read(request, body).await?)
    }
}

impl IntoResponse for Opened {
    /// A picture was drawn anew and may be shown; anything else is only ever saved.
    fn into_response(self) -> Response {
        let plain: String = self
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' })
            .collect();
        let way = if self.media_type.starts_with("image/") { "inline" } else { "attachment" };
        Response::builder()
            .content_type(self.media_type)
            .header(header::CONTENT_DISPOSITION, format!("{way}; filename=\"{plain}\""))
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::CACHE_CONTROL, "private, max-age=3600, immutable")
            .body(self.content)
    }
}

impl ApiResponse for Opened {
    fn meta() -> MetaResponses {
        let content = ["image/png", "image/jpeg", "application/pdf"].map(|content_type| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary"))),
        });
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Here it is",
                status: Some(200),
                status_range: None,
                content: content.into(),
                headers: Vec::new(),
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

#[OpenApi(tag = "Tag::Tickets")]
impl AttachmentsApi {
    /// The files of a ticket.
    #[oai(path = "/tickets/:id/attachments", method = "get")]
    async fn list_attachments(
        &self,
        by: ApiUser<ViewTickets>,
        id: Path<Uuid>,
    ) -> Result<Json<TicketAttachments>> {
        let id = TicketId(id.0);
        let (_, files) = self
            .db
            .read_tenant(&by.tenant, async |tx| try_join!(rules::get(tx, id), talk::find_attachments(tx, id)))
            .await?;
        Ok(Json(TicketAttachments { items: files.into_iter().map(AttachmentView::from).collect() }))
    }

    /// Attach a file to a ticket.
    ///
    /// A picture is drawn anew, at most 2,048 pixels a side, without what the file said of itself. A PDF is kept as it is. A
    /// ticket has at most 50 files: 409 `too_many`; all files of a provider weigh at most 1 GiB: 409 `quota_used_up`.
    #[oai(path = "/tickets/:id/attachments", method = "post")]
    async fn attach_file(
        &self,
        by: ApiUser<WorkTickets>,
        id: Path<Uuid>,
        body: AttachmentBody,
    ) -> Result<Created<AttachmentView>> {
        let ready = Ready::look(&body.file_name, body.content).await?;
        let (id, is_internal) = (TicketId(id.0), body.is_internal);
        let attachment = self
            .db
            .in_tenant(&by.tenant, async |tx| talk::attach(tx, &by, id, None, &ready, is_internal).await)
            .await?;
        Ok(Created(attachment.into()))
    }

    /// Download a file of a ticket.
    #[oai(path = "/tickets/:id/attachments/:attachment_id", method = "get")]
    async fn get_attachment(
        &self,
        by: ApiUser<ViewTickets>,
        id: Path<Uuid>,
        attachment_id: Path<Uuid>,
    ) -> Result<Opened> {
        let (id, attachment) = (TicketId(id.0), attachment_id.0);
        self.db.read_tenant(&by.tenant, async |tx| talk::open_attachment(tx, id, attachment).await).await
    }

    /// Take a file off a ticket, for good.
    #[oai(path = "/tickets/:id/attachments/:attachment_id", method = "delete")]
    async fn remove_attachment(
        &self,
        by: ApiUser<WorkTickets>,
        id: Path<Uuid>,
        attachment_id: Path<Uuid>,
    ) -> Result<NoContent> {
        let (id, attachment) = (TicketId(id.0), attachment_id.0);
        self.db.in_tenant(&by.tenant, async |tx| talk::detach(tx, &by, id, attachment).await).await?;
        Ok(NoContent)
    }
}
