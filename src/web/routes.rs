//! The registry of routes: every path of the program, with the authority that it asks for.
//!
//! A page, a fragment or a probe enters here with its authority, or it is not served. Operations of the API are read out of
//! their document, where the extractor that guards them wrote its permission down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use poem::{Endpoint, EndpointExt, IntoEndpoint, Request, Route, RouteMethod, http::Method};
use serde::Serialize;
use uuid::Uuid;

use super::openapi::Authority;

/// Where a path is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// Every host, without a tenant: probes and assets.
    Anywhere,
    /// `BASE_DOMAIN`.
    Platform,
    /// A tenant's own host.
    Tenant,
    /// A tenant's host, and the API host with `X-Tenant-ID`.
    TenantApi,
}

/// One path with one verb, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routed {
    pub surface: Surface,
    pub method: String,
    pub path: String,
    pub authority: Authority,
}

/// The pattern that a request matched, for metrics and logs; written by the router that matched it.
#[derive(Debug, Clone, Default)]
pub struct RouteNote(Arc<OnceLock<Arc<str>>>);

impl RouteNote {
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(AsRef::as_ref)
    }

    pub fn set(&self, pattern: Arc<str>) {
        // The outermost router that matched has the whole pattern; a second word changes nothing.
        let _first_word_stands = self.0.set(pattern);
    }
}

/// Who a request turned out to be by, for the log: what kind of caller, and their id. Written by whoever finds it out.
#[derive(Debug, Clone, Default)]
pub struct CallerNote(Arc<OnceLock<(&'static str, Option<Uuid>)>>);

impl CallerNote {
    /// Writes it down on a request that carries a note.
    pub fn tell(request: &Request, kind: &'static str, id: Option<Uuid>) {
        if let Some(note) = request.extensions().get::<Self>() {
            let _first_word_stands = note.0.set((kind, id));
        }
    }

    pub fn kind(&self) -> Option<&'static str> {
        self.0.get().map(|(kind, _)| *kind)
    }

    pub fn id(&self) -> Option<Uuid> {
        self.0.get().and_then(|(_, id)| *id)
    }
}

/// An endpoint that notes the pattern under which it was reached.
struct Noted<E> {
    inner: E,
    pattern: Arc<str>,
}

impl<E: Endpoint> Endpoint for Noted<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> poem::Result<Self::Output> {
        if let Some(note) = request.extensions().get::<RouteNote>() {
            note.set(self.pattern.clone());
        }
        self.inner.call(request).await
    }
}

/// Collects the routes of one surface.
pub struct RouteTable {
    surface: Surface,
    paths: BTreeMap<String, RouteMethod>,
    listed: Vec<Routed>,
}

impl RouteTable {
    pub fn new(surface: Surface) -> Self {
        Self { surface, paths: BTreeMap::new(), listed: Vec::new() }
    }

    /// Serves `method path` with `endpoint`. The endpoint must enforce `authority`: `access::Guarded` makes such endpoints.
    pub fn at<E>(&mut self, method: Method, path: &str, authority: Authority, endpoint: E) -> &mut Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let methods = self.paths.remove(path).unwrap_or_default();
        let verb = method.to_string();
        let inner = endpoint.into_endpoint().map_to_response();
        let endpoint = Noted { inner, pattern: path.into() };
        self.paths.insert(path.to_owned(), methods.method(method, endpoint));
        self.listed.push(Routed { surface: self.surface, method: verb, path: path.to_owned(), authority });
        self
    }

    /// The router, and the list of what it serves.
    pub fn finish(self) -> (Route, Vec<Routed>) {
        let mut route = Route::new();
        for (path, methods) in self.paths {
            route = route.at(path, methods);
        }
        (route, self.listed)
    }
}

/// What `Allow` says of a path: the verbs of the routes that lead there. The router prefers literal parts to named ones, and
/// answers HEAD wherever it answers GET.
pub fn allowed_methods(listed: &[Routed], path: &str) -> String {
    let leading: Vec<&Routed> = listed.iter().filter(|route| leads_to(&route.path, path)).collect();
    let chosen = leading.iter().map(|route| named_parts(&route.path)).min();
    let mut verbs: BTreeSet<&str> = leading
        .into_iter()
        .filter(|route| chosen.as_ref() == Some(&named_parts(&route.path)))
        .map(|route| route.method.as_str())
        .collect();
    if verbs.contains("GET") {
        verbs.insert("HEAD");
    }
    verbs.into_iter().collect::<Vec<_>>().join(", ")
}

/// Which parts of a pattern are named rather than literal: the smaller, the sooner the router takes it.
fn named_parts(pattern: &str) -> Vec<bool> {
    pattern.split('/').map(|part| part.starts_with(['{', ':', '*'])).collect()
}

/// Whether a pattern of the registry, `/areas/{id}` or `/areas/:id`, fits a path.
fn leads_to(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.starts_with('*') => return true,
            (Some(part), Some(value)) if part == value => {}
            (Some(part), Some(value)) if part.starts_with(['{', ':']) && !value.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Routed {
        let authority = Authority::Anyone("a test".into());
        Routed { surface: Surface::Tenant, method: method.into(), path: path.into(), authority }
    }

    #[test]
    fn a_path_says_which_methods_it_takes() {
        let listed = [
            route("GET", "/areas"),
            route("POST", "/areas"),
            route("PATCH", "/areas/{id}"),
            route("DELETE", "/areas/:id"),
            route("POST", "/areas/:id/merge"),
            route("POST", "/areas/bulk"),
        ];
        assert_eq!(allowed_methods(&listed, "/areas"), "GET, HEAD, POST");
        assert_eq!(allowed_methods(&listed, "/areas/7"), "DELETE, PATCH");
        assert_eq!(allowed_methods(&listed, "/areas/bulk"), "POST");
        assert_eq!(allowed_methods(&listed, "/areas/"), "");
        assert_eq!(allowed_methods(&listed, "/areas/7/merge"), "POST");
    }
}
