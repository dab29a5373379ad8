//! A body that carries a file: `multipart/form-data` with one part named `file`.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};

use super::Form;
use crate::{
    error::{Error, Result},
    sheets,
};

/// What a form around a sheet may weigh: the file and its wrapping.
pub const UPLOAD_MAX_BYTES: u64 = sheets::MAX_BYTES as u64 + 64 * 1024;

/// What kind of file an operation takes.
pub trait FileKind: Send + Sync + 'static {
    /// What may be sent, for people.
    const HELP: &'static str;
    /// What is said when there is no file.
    const ASKED: &'static str;
    /// What a form around the file may weigh.
    const UPLOAD_MAX_BYTES: u64;
}

/// A table: CSV or Excel.
pub struct Sheet;

impl FileKind for Sheet {
    const HELP: &'static str = "A CSV or XLSX file of at most 20 MiB and 50,000 rows, with a header line.";
    const ASKED: &'static str = "Choose a CSV or Excel file.";
    const UPLOAD_MAX_BYTES: u64 = UPLOAD_MAX_BYTES;
}

/// An uploaded file: 415 when the body is something else, 413 as soon as it is over the limit, 422 without a file.
pub struct FileBody<K = Sheet> {
    pub file_name: String,
    pub content: Vec<u8>,
    kind: PhantomData<fn() -> K>,
}

impl<K: FileKind> FileBody<K> {
    pub fn new(file_name: impl Into<String>, content: Vec<u8>) -> Self {
        Self { file_name: file_name.into(), content, kind: PhantomData }
    }

    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let kind = request.content_type().unwrap_or_default().trim().to_ascii_lowercase();
        if kind.split(';').next().map(str::trim) != Some("multipart/form-data") {
            return Err(Error::Unsupported { expected: "multipart/form-data" });
        }
        let announced = request.header("content-length").and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > K::UPLOAD_MAX_BYTES) {
            return Err(Error::TooLarge { limit_bytes: K::UPLOAD_MAX_BYTES });
        }
        let form = Form::read(request, body, K::UPLOAD_MAX_BYTES).await?;
        Self::of(&form)
    }

    /// The file in a form.
    pub fn of(form: &Form) -> Result<Self> {
        let upload = form.upload("file").ok_or_else(|| Error::invalid("file", "required", K::ASKED))?;
        Ok(Self::new(upload.file_name.clone(), upload.content.clone()))
    }
}

impl<'a, K: FileKind> ApiExtractor<'a> for FileBody<K> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn register(_registry: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let mut schema = MetaSchema::new("object");
        let mut file = MetaSchema::new_with_format("string", "binary");
        file.description = Some(K::HELP);
        schema.properties.push(("file", MetaSchemaRef::Inline(Box::new(file))));
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
