//! One presenter of failure: `application/problem+json` for programs.

use poem::{
    Response,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError, ResponseError},
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use crate::{
    error::{Error, FieldError},
    types::RequestId,
};

const PROBLEM_JSON: &str = "application/problem+json";

/// What every failed call answers with (RFC 9457).
#[derive(Debug, Clone, Serialize, Object)]
pub struct Problem {
    /// Identifies the kind of problem.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// One sentence for a person.
    detail: String,
    /// Stable machine name.
    code: String,
    /// Quote it when you ask for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
    /// Every wrong field, when fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(skip_serializing_if_is_empty, default)]
    errors: Vec<WrongField>,
}

/// One wrong field.
#[derive(Debug, Clone, Serialize, Object)]
pub struct WrongField {
    field: String,
    code: String,
    detail: String,
}

impl From<&FieldError> for WrongField {
    fn from(wrong: &FieldError) -> Self {
        Self { field: wrong.field.to_string(), code: wrong.code.to_owned(), detail: wrong.detail.clone() }
    }
}

/// The failure as a response.
pub fn problem(error: &Error, request_id: Option<RequestId>) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let errors = match error {
        Error::Invalid(fields) => fields.iter().map(WrongField::from).collect(),
        _ => Vec::new(),
    };
    let body = Problem {
        kind: format!("urn:lastmile:problem:{}", error.code()),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: error.detail(),
        code: error.code().to_owned(),
        request_id: request_id.map(|id| id.to_string()),
        errors,
    };
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::builder().status(status).content_type(PROBLEM_JSON).body(bytes);
    failure_headers(error, &mut response);
    response
}

/// Headers that a failure carries whatever its body is.
pub fn failure_headers(error: &Error, response: &mut Response) {
    let retry_after = match error {
        Error::TooMany { retry_after, .. } | Error::Unavailable { retry_after, .. } => Some(*retry_after),
        _ => None,
    };
    if let Some(wait) = retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds.max(1)));
    }
    if matches!(error, Error::TooLarge { .. }) {
        // The rest of the body is not read, so nothing else can come on this connection: its sender must know.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    if matches!(error, Error::Unauthenticated { .. }) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"lastmile\""));
    }
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(Error::status(self)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response
    where
        Self: std::error::Error + Send + Sync + 'static,
    {
        problem(self, None)
    }
}

/// What a failure of the framework's own extractors and routers means.
pub fn from_poem(error: poem::Error) -> Error {
    if error.is::<Error>() {
        return error.downcast::<Error>().unwrap_or_else(|other| Error::internal(other.to_string()));
    }
    if error.is::<NotFoundError>() || error.is::<poem_openapi::error::ParsePathError>() {
        return Error::not_found("page");
    }
    if error.is::<MethodNotAllowedError>() {
        return Error::MethodNotAllowed;
    }
    if let Some(wrong) = error.downcast_ref::<poem_openapi::error::ParseParamError>() {
        return Error::invalid(wrong.name, "invalid", "This parameter is missing or cannot be read.");
    }
    if error.is::<poem_openapi::error::ContentTypeError>() {
        return Error::Unsupported { expected: "application/json" };
    }
    if let Some(ReadBodyError::PayloadTooLarge) = error.downcast_ref::<ReadBodyError>() {
        return Error::TooLarge { limit_bytes: 0 };
    }
    match error.status() {
        StatusCode::NOT_FOUND => Error::not_found("page"),
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::Unsupported { expected: "application/json" },
        status if status.is_client_error() => Error::malformed("malformed", "The request cannot be read."),
        _ => Error::internal(error.to_string()),
    }
}

/// Statuses that any operation may answer with; `web::document` drops those that a verb can never meet.
const DOCUMENTED: &[(u16, &str)] = &[
    (400, "The request cannot be read."),
    (401, "No credential, or one that does not count here."),
    (403, "The credential lacks the right, or the tenant is switched off."),
    (404, "There is no such thing in this tenant."),
    (409, "The state of the world says no."),
    (413, "The body is too large."),
    (415, "The body is of a kind that is not understood."),
    (422, "Fields are wrong: all of them are named."),
    (429, "Too many requests."),
    (503, "Not now: try again after `Retry-After`."),
];

impl ApiResponse for Error {
    fn meta() -> MetaResponses {
        let responses = DOCUMENTED
            .iter()
            .map(|(status, description)| MetaResponse {
                description,
                status: Some(*status),
                status_range: None,
                content: vec![MetaMediaType { content_type: PROBLEM_JSON, schema: Problem::schema_ref() }],
                headers: Vec::new(),
            })
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}
