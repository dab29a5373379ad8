//! The door for processors: what comes is proved on its raw bytes, then counted. An answer other than 200 makes them tell it again.

use std::sync::Arc;

use poem::{
    Endpoint, IntoResponse, Request, RequestBody, Response,
    http::{Method, StatusCode},
    web::Json,
};
use serde_json::json;

use super::{Invoicing, processors::Forged};
use crate::{
    error::{Error, Result},
    web::{self, Authority, Origin, RateLimits, RouteTable, StandingNote, read_body},
};

const BODY_MAX_BYTES: u64 = 262_144;
const REASON: &str = "a payment processor calls; it proves itself by its signature";

/// Mounts the door.
pub fn mount(table: &mut RouteTable, invoicing: &Invoicing) {
    let authority = Authority::Anyone(REASON.into());
    table.at(Method::POST, "/hooks/payments/:processor", authority, Door { invoicing: invoicing.clone() });
}

struct Door {
    invoicing: Invoicing,
}

impl Endpoint for Door {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.extensions().get::<Origin>().map(|origin| origin.request_id);
        Ok(self.take(request).await.unwrap_or_else(|error| {
            if let Error::Internal { .. } = &error {
                tracing::error!(%error, "a processor's call could not be taken");
            }
            let mut response = web::problem(&error, request_id);
            web::failure_headers(&error, &mut response);
            response
        }))
    }
}

fn count_against(request: &Request) -> Result<()> {
    let extensions = request.extensions();
    match (extensions.get::<Arc<RateLimits>>(), extensions.get::<StandingNote>(), extensions.get::<Origin>())
    {
        (Some(limits), Some(note), Some(origin)) => limits.address(origin.address, note),
        _ => Ok(()),
    }
}

impl Door {
    async fn take(&self, mut request: Request) -> Result<Response> {
        let code = request.raw_path_param("processor").unwrap_or_default().to_owned();
        let mut body = RequestBody::new(request.take_body());
        let processor = self.invoicing.processors.find(&code).ok_or(Error::not_found("hook"))?;
        let body = read_body(&mut body, BODY_MAX_BYTES).await?;
        let seen = match processor.heard(request.headers(), &body) {
            Ok(seen) => seen,
            Err(Forged) => {
                // Good calls come in crowds from few machines; only what is no processor's counts against its sender.
                count_against(&request)?;
                tracing::warn!(processor = code, "a webhook's signature is not good");
                return Err(Error::unauthenticated("bad_signature", "The signature is not good."));
            }
        };
        if let Some(seen) = seen {
            self.invoicing.settle(processor, &seen).await?;
        }
        Ok(Json(json!({ "received": true })).with_status(StatusCode::OK).into_response())
    }
}
