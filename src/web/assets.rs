//! Style sheets, scripts and pictures: built by npm into `static/`, named by their content, carried inside the program.

use std::{borrow::Cow, collections::HashMap};

use poem::{
    Response,
    http::{StatusCode, header},
};
use rust_embed::RustEmbed;

use crate::error::{Error, OrInternal, Result};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Built;

/// The built assets and the names they go by.
#[derive(Debug, Clone)]
pub struct Assets {
    manifest: HashMap<String, String>,
}

impl Assets {
    /// Fails when the assets were not built.
    pub fn load() -> Result<Self> {
        let manifest = Built::get("manifest.json")
            .ok_or_else(|| Error::internal("static/manifest.json is missing: run `make assets`"))?;
        Ok(Self { manifest: serde_json::from_slice(&manifest.data).internal()? })
    }

    /// The path of an asset by its plain name: `app.css` is at `/static/app.3fa2c1.css`.
    pub fn path(&self, name: &str) -> Option<String> {
        self.manifest.get(name).map(|hashed| format!("/static/{hashed}"))
    }

    /// Serves what lies under `/static/`.
    pub fn serve(&self, path: &str) -> Result<Response> {
        let file = Built::get(path).ok_or(Error::not_found("file"))?;
        let immutable = self.manifest.values().any(|hashed| hashed == path);
        let cache = if immutable { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
        let content = match file.data {
            Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes::Bytes::from(bytes),
        };
        Ok(Response::builder()
            .status(StatusCode::OK)
            .content_type(media_type(path))
            .header(header::CACHE_CONTROL, cache)
            .body(content))
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
