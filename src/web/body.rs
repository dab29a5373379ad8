//! Reading a request's body: with a limit, with a time-out, and as what the document says.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
    time::Duration,
};

use poem::{Request, RequestBody, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::{ParseFromJSON, Type},
};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::schema::Schema;
use crate::error::{Error, Result};
use crate::words::say;

/// A JSON body may have so many bytes. The settings may lower what the front door lets in, not raise this.
const JSON_MAX_BYTES: u64 = 1_048_576;
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body of type `T`: 415 when it is something else, 400 when it is cut, 422 with every wrong field at once.
pub struct Body<T>(pub T);

static SCHEMAS: LazyLock<RwLock<HashMap<TypeId, Arc<Schema>>>> = LazyLock::new(RwLock::default);

/// Schemas are made once per type.
fn schema_of<T: Type + Any>() -> Arc<Schema> {
    let id = TypeId::of::<T>();
    if let Some(schema) = SCHEMAS.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return schema.clone();
    }
    let schema = Arc::new(Schema::of::<T>());
    SCHEMAS.write().unwrap_or_else(PoisonError::into_inner).insert(id, schema.clone());
    schema
}

/// The whole body, or 413 as soon as it is over `limit_bytes`; a sender that dawdles is cut off.
pub async fn read_body(body: &mut RequestBody, limit_bytes: u64) -> Result<Vec<u8>> {
    let taken = body.take().map_err(|_taken| Error::malformed("no_body", "There is no body."))?;
    let mut bytes = Vec::new();
    let mut limited = taken.into_async_read().take(limit_bytes + 1);
    match tokio::time::timeout(READ_TIMEOUT, limited.read_to_end(&mut bytes)).await {
        Err(_) => return Err(Error::malformed("slow_body", "The body did not arrive in time.")),
        Ok(Err(_)) => return Err(Error::malformed("cut_body", "The body was cut off.")),
        Ok(Ok(_)) => {}
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit_bytes {
        return Err(Error::TooLarge { limit_bytes });
    }
    Ok(bytes)
}

/// The media type of a request, without its parameters, in lower case.
pub fn media_type(request: &Request) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

impl<T: Type + ParseFromJSON + Any> Body<T> {
    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self> {
        if media_type(request).as_deref() != Some("application/json") {
            return Err(Error::Unsupported { expected: "application/json" });
        }
        let bytes = read_body(body, JSON_MAX_BYTES).await?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::malformed("bad_json", say!("The body is not JSON: {}.", error)))?;
        let wrongs = schema_of::<T>().wrongs(&value);
        if !wrongs.is_empty() {
            return Err(Error::Invalid(wrongs));
        }
        T::parse_from_json(Some(value))
            .map(Self)
            .map_err(|error| Error::invalid("body", "invalid", error.into_message()))
    }
}

impl<'a, T: Type + ParseFromJSON + Any> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }],
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
