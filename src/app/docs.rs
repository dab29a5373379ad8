//! The API's documents and the pages that show them.

use std::sync::Arc;

use poem::{
    Endpoint, Request, Response,
    http::{Method, StatusCode},
};
use poem_openapi::OpenApi;
use serde::Serialize;
use serde_json::Value;

use crate::{
    access::{Access, Bare, Guarded, Visitor},
    error::{Error, Result},
    web::{Authority, ContentPolicy, Json, RouteTable},
};

const REASON: &str = "The document of the API holds no data.";

/// Operations that belong to no feature.
pub struct DocsApi;

#[OpenApi]
impl DocsApi {
    /// Say that the API is here, and which version of it.
    #[oai(path = "/version", method = "get")]
    async fn get_version(&self) -> Result<Json<VersionView>> {
        Ok(Json(VersionView { version: env!("CARGO_PKG_VERSION").to_owned() }))
    }
}

#[derive(Debug, Serialize, poem_openapi::Object)]
struct VersionView {
    /// The program's version.
    version: String,
}

/// Serves a document that was made once.
struct Spec(Arc<str>);

impl Endpoint for Spec {
    type Output = Response;

    async fn call(&self, _request: Request) -> poem::Result<Response> {
        Ok(Response::builder().content_type("application/json").body(self.0.to_string()))
    }
}

fn serve_spec(table: &mut RouteTable, path: &str, document: &Value) {
    table.at(Method::GET, path, Authority::Anyone(REASON.into()), Spec(document.to_string().into()));
}

pub fn spec(table: &mut RouteTable, document: &Value) {
    serve_spec(table, "/api/openapi.json", document);
}

pub fn platform_spec(table: &mut RouteTable, document: &Value) {
    serve_spec(table, "/api/platform/openapi.json", document);
}

/// Swagger UI and Redoc over the document at `openapi_url`.
pub fn pages(table: &mut RouteTable, openapi_url: &'static str) {
    table.open_page(Method::GET, "/api/docs", REASON, Viewer { template: "docs/swagger.html", openapi_url });
    table.open_page(Method::GET, "/api/redoc", REASON, Viewer { template: "docs/redoc.html", openapi_url });
}

struct Viewer {
    template: &'static str,
    openapi_url: &'static str,
}

#[derive(Serialize)]
struct ViewerPage {
    openapi_url: &'static str,
}

impl Endpoint for Viewer {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let access = request.extensions().get::<Access>().ok_or_else(|| Error::internal("no access"))?;
        let visitor = request.extensions().get::<Visitor>().ok_or_else(|| Error::internal("no visitor"))?;
        let view = ViewerPage { openapi_url: self.openapi_url };
        let bare = Bare { status: StatusCode::OK, template: self.template, title: "API" };
        let mut shown = visitor.render(access, bare, None, &view)?;
        // Both viewers write style elements of their own; nothing else of theirs needs more than the portal's policy allows.
        let policy = ContentPolicy {
            styles: "'self' 'unsafe-inline'",
            workers: "'self' blob:",
            ..ContentPolicy::default()
        }
        .header();
        shown.headers_mut().insert("content-security-policy", policy);
        Ok(shown)
    }
}
