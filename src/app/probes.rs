//! Probes and the proxy's question: answered on any host, before a tenant is looked for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use poem::{Response, http::StatusCode};
use serde_json::json;

use super::Parts;
use crate::{
    certificates,
    error::{Error, Result},
    tenancy,
    web::{Authority, Host, Origin, Routed, Surface},
};

/// Set when the server has been told to stop: it finishes what runs and says that it is not ready for more.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What this file serves, for the registry of routes.
pub fn listed() -> Vec<Routed> {
    let one = |path: &str, authority| Routed {
        surface: Surface::Anywhere,
        method: "GET".into(),
        path: path.into(),
        authority,
    };
    vec![
        one("/livez", Authority::Anyone("a probe without data".into())),
        one("/readyz", Authority::Anyone("a probe without data".into())),
        one("/static/{path}", Authority::Anyone("the same files for everybody".into())),
        one("/.well-known/jwks.json", Authority::Anyone("public keys".into())),
        one("/internal/tls-allowed", Authority::Loopback),
        one(
            "/.well-known/acme-challenge/{token}",
            Authority::Anyone("what an authority looks for, public by its nature".into()),
        ),
    ]
}

/// The process runs.
pub fn livez() -> Response {
    Response::builder().content_type("application/json").body(r#"{"status":"live"}"#)
}

/// Requests will be served: the database answers, the schemas are current, the server is not stopping.
pub async fn readyz(parts: &Parts, draining: &Draining) -> Response {
    let (database, behind) = match tenancy::standing(&parts.db).await {
        Ok(standing) => ("ok", Some(standing.behind)),
        Err(_) => ("away", None),
    };
    let draining = draining.has_begun();
    let ready = database == "ok" && behind == Some(0) && !draining;
    let body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "database": database, "schemas_behind": behind, "draining": draining,
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}

/// Whether a proxy may obtain a certificate for a name. For programs of this machine only; any doubt is a no.
pub async fn tls_allowed(parts: &Parts, origin: &Origin, query: Option<&str>) -> Result<Response> {
    if !origin.is_loopback {
        return Err(Error::not_found("page"));
    }
    let domain = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "domain")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    if parts.resolver.is_ours(&domain).await? {
        Ok(Response::builder().status(StatusCode::OK).finish())
    } else {
        Err(Error::not_found("domain"))
    }
}

/// What a certificate authority is to find at a domain while an order is open (RFC 8555, 8.3).
pub async fn acme_challenge(parts: &Parts, host: &str, token: &str) -> Result<Response> {
    let missing = || Error::not_found("page");
    let host = Host::parse(host).map_err(|_odd| missing())?;
    let answer = certificates::answer_to(&parts.db, host.as_str(), token).await?.ok_or_else(missing)?;
    Ok(Response::builder()
        .content_type("application/octet-stream")
        .header("cache-control", "no-store")
        .body(answer))
}
