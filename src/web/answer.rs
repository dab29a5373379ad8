//! Answers of the API, and the few that pages share.

use poem::{
    Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Response,
    http::{StatusCode, header},
    middleware::Compression,
    web::{CompressionAlgo, CompressionLevel},
};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

const JSON: &str = "application/json; charset=utf-8";

/// 200 with a JSON body. Serialised by serde; the document's schema comes from the same type.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

/// 201 with a JSON body.
#[derive(Debug, Clone)]
pub struct Created<T>(pub T);

/// 204.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

/// A file to keep: media type, name and bytes.
#[derive(Debug, Clone)]
pub struct Download {
    pub media_type: &'static str,
    pub file_name: String,
    pub content: Vec<u8>,
}

/// The same endpoint, whose answers are gzipped for callers who take that. Only for answers that are long and hold no secret: how
/// well one packs tells what it holds.
pub fn compressed(endpoint: impl IntoEndpoint<Endpoint: 'static>) -> impl Endpoint<Output = Response> {
    let gzip = Compression::new().algorithms([CompressionAlgo::GZIP]).with_quality(CompressionLevel::Fastest);
    endpoint.into_endpoint().with(gzip)
}

fn json_bytes(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => Response::builder().status(status).content_type(JSON).body(bytes),
        Err(error) => super::problem(&crate::error::Error::internal(error), None),
    }
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_bytes(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize + Send> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        json_bytes(StatusCode::CREATED, &self.0)
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    }
}

/// A file's name of letters, digits, dots, hyphens and underscores: safe in a header and in any file system.
pub fn plain_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect()
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let plain = plain_name(&self.file_name);
        Response::builder()
            .content_type(self.media_type)
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{plain}\""))
            .header(header::CACHE_CONTROL, "private, no-store")
            .body(self.content)
    }
}

fn meta(status: u16, content: Option<(&'static str, MetaSchemaRef)>) -> MetaResponses {
    let content = content.map(|(content_type, schema)| MetaMediaType { content_type, schema });
    MetaResponses {
        responses: vec![MetaResponse {
            description: match status {
                201 => "Made",
                204 => "Done",
                _ => "Here it is",
            },
            status: Some(status),
            status_range: None,
            content: content.into_iter().collect(),
            headers: Vec::new(),
        }],
    }
}

impl<T: Type + Send> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Send> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        meta(200, Some((JSON, T::schema_ref())))
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Send> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        meta(201, Some((JSON, T::schema_ref())))
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        meta(204, None)
    }

    fn register(_registry: &mut Registry) {}
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        let schema = poem_openapi::registry::MetaSchema::new_with_format("string", "binary");
        let mut one = meta(200, None);
        if let Some(answer) = one.responses.first_mut() {
            for content_type in
                ["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
            {
                answer.content.push(MetaMediaType {
                    content_type,
                    schema: MetaSchemaRef::Inline(Box::new(schema.clone())),
                });
            }
        }
        one
    }

    fn register(_registry: &mut Registry) {}
}

/// A paper, shown by the browser rather than saved.
pub struct Pdf {
    name: String,
    content: Vec<u8>,
}

impl Pdf {
    /// `name` is the file's, without its ending.
    pub fn new(name: impl Into<String>, content: Vec<u8>) -> Self {
        Self { name: name.into(), content }
    }
}

impl IntoResponse for Pdf {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("application/pdf")
            .header(header::CONTENT_DISPOSITION, format!("inline; filename=\"{}.pdf\"", self.name))
            .header(header::CACHE_CONTROL, "private, no-store")
            .body(self.content)
    }
}

/// 200 with bytes of this type.
fn binary(content_type: &'static str) -> MetaResponses {
    let schema = poem_openapi::registry::MetaSchema::new_with_format("string", "binary");
    meta(200, Some((content_type, MetaSchemaRef::Inline(Box::new(schema)))))
}

impl ApiResponse for Pdf {
    fn meta() -> MetaResponses {
        binary("application/pdf")
    }

    fn register(_registry: &mut Registry) {}
}

/// A packed file that is sent as it is read.
pub struct Zip {
    /// With its ending.
    pub file_name: String,
    /// In bytes.
    pub size: i64,
    pub body: poem::Body,
}

impl IntoResponse for Zip {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("application/zip")
            .header(
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}\"", plain_name(&self.file_name)),
            )
            .header(header::CONTENT_LENGTH, self.size)
            .header(header::CACHE_CONTROL, "private, no-store")
            .body(self.body)
    }
}

impl ApiResponse for Zip {
    fn meta() -> MetaResponses {
        binary("application/zip")
    }

    fn register(_registry: &mut Registry) {}
}

/// 303: after a POST the browser GETs another page.
pub fn see_other(path: impl AsRef<str>) -> Response {
    redirect(StatusCode::SEE_OTHER, path.as_ref())
}

/// A redirect to a path of this host, or to a URL of ours.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    Response::builder().status(status).header(header::LOCATION, to).finish()
}
