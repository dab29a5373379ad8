//! The front door: every request passes here once. Id, address, limits, tenant, then the surface's own router; and on the way
//! back failures become bytes, and every answer gets its headers, its log line and its place in the metrics.

use std::time::{Duration, Instant};

use poem::{
    Endpoint, PathPattern, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use serde::Serialize;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use super::{
    App, METHODS,
    probes::{self, Draining},
};
use crate::{
    config::Settings,
    error::{Error, Result},
    tenancy::{Place, Tenant, plans::Metric},
    trace::{self, TraceParent, root_span},
    web::{
        self, CallerNote, ContentPolicy, Host, Origin, PageMeta, RouteNote, Routed, StandingNote,
        TrustedProxies,
    },
    words::{Language, Reader, read_as, say, say_again},
};

/// The base domain's policy: its sign-up form ends, by a redirect, on the new portal's host.
fn platform_policy(settings: &Settings) -> HeaderValue {
    let portals = settings.url_of(&format!("*.{}", settings.base_domain));
    ContentPolicy { forms: &format!("'self' {portals}"), ..ContentPolicy::default() }.header()
}

/// The portals': what is bought of the platform ends, by a redirect, on the base domain, where one pays.
fn portal_policy(settings: &Settings) -> HeaderValue {
    let base = settings.url_of(&settings.base_domain);
    ContentPolicy { forms: &format!("'self' {base}"), ..ContentPolicy::default() }.header()
}

/// The public keys of access tokens are the same on every host.
const JWKS: &str = "/.well-known/jwks.json";

/// The outermost endpoint.
pub struct Front {
    app: App,
    proxies: TrustedProxies,
    draining: Draining,
    platform: BoxEndpoint<'static>,
    tenant: BoxEndpoint<'static>,
    platform_listed: Vec<Routed>,
    tenant_listed: Vec<Routed>,
    csp: HeaderValue,
    platform_csp: HeaderValue,
}

/// What one request is remembered by until it is answered.
struct Seen {
    origin: Origin,
    method: Method,
    path: String,
    host: String,
    is_api: bool,
    is_platform: bool,
    route: RouteNote,
    caller: CallerNote,
    standing: StandingNote,
    tenant: Option<Tenant>,
    cors: Option<HeaderValue>,
}

impl Front {
    pub fn new(app: App, draining: Draining) -> Self {
        use poem::EndpointExt;
        let (platform, tenant) = (app.platform_routes(), app.tenant_routes());
        Self {
            proxies: TrustedProxies::new(app.parts.settings.trusted_proxies.clone()),
            platform: app.with_state(platform.endpoint).boxed(),
            tenant: app.with_state(tenant.endpoint).boxed(),
            platform_listed: platform.listed,
            tenant_listed: tenant.listed,
            csp: portal_policy(&app.parts.settings),
            platform_csp: platform_policy(&app.parts.settings),
            app,
            draining,
        }
    }

    async fn answer(&self, mut request: Request, seen: &mut Seen) -> Result<Response> {
        if let Some(probe) = self.probe(&request, seen).await? {
            return Ok(probe);
        }
        // Receipts come in crowds from few addresses: their door counts for itself.
        let is_hook = seen.path.starts_with("/hooks/");
        if !is_hook {
            self.app.limits.address(seen.origin.address, &seen.standing)?;
        }
        let place = self.app.parts.resolver.place_of(&request).await?;
        if let Place::Tenant { tenant, .. } = &place {
            seen.tenant = Some(tenant.clone());
        }
        self.equip(&mut request, seen);
        let surface = match &place {
            Place::Platform => {
                seen.is_platform = true;
                &self.platform
            }
            Place::Api => {
                let document =
                    matches!(seen.path.as_str(), "/api/openapi.json" | "/api/docs" | "/api/redoc" | JWKS);
                if !document {
                    return Err(if seen.is_api {
                        Error::malformed("tenant_missing", "Name the provider in X-Tenant-ID.")
                    } else {
                        Error::not_found("page")
                    });
                }
                &self.tenant
            }
            Place::Tenant { by_header, .. } => {
                if *by_header && !seen.is_api && seen.path != JWKS {
                    return Err(Error::not_found("page"));
                }
                let Some(tenant) = place.open_tenant()?.cloned() else {
                    return Err(Error::not_found("provider"));
                };
                if let Some(preflight) = self.cors(&request, &tenant, seen).await? {
                    return Ok(preflight);
                }
                // Programs and providers go on at the address that they know; people learn the new one.
                if !*by_header
                    && !seen.is_api
                    && !is_hook
                    && matches!(seen.method, Method::GET | Method::HEAD)
                    && let Some(there) = self.app.parts.resolver.moved(&request, &tenant)?
                {
                    let mut led = web::redirect(StatusCode::FOUND, &there);
                    // It may come back to this address.
                    led.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    return Ok(led);
                }
                if !is_hook {
                    let rate =
                        tenant.entitlements.max(Metric::ApiRate).and_then(|rate| u32::try_from(rate).ok());
                    self.app.limits.tenant(tenant.id(), rate, &seen.standing)?;
                }
                request.extensions_mut().insert(tenant);
                &self.tenant
            }
        };
        // Only here it is known whose methods `Allow` has to name.
        if !METHODS.contains(request.method()) {
            return Err(Error::MethodNotAllowed);
        }
        request.extensions_mut().insert(place);
        matched(surface.call(request).await, &seen.route)
    }

    /// Gives a request what is known of it, and what its guards need.
    fn equip(&self, request: &mut Request, seen: &Seen) {
        let extensions = request.extensions_mut();
        extensions.insert(seen.origin.clone());
        extensions.insert(seen.standing.clone());
        extensions.insert(seen.route.clone());
        extensions.insert(seen.caller.clone());
        extensions.insert(self.app.access.clone());
        extensions.insert(self.app.limits.clone());
    }

    async fn probe(&self, request: &Request, seen: &Seen) -> Result<Option<Response>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(None);
        }
        Ok(match seen.path.as_str() {
            "/livez" => Some(probes::livez()),
            "/readyz" => Some(probes::readyz(&self.app.parts, &self.draining).await),
            "/internal/tls-allowed" => {
                Some(probes::tls_allowed(&self.app.parts, &seen.origin, request.uri().query()).await?)
            }
            path => {
                if let Some(file) = path.strip_prefix("/static/") {
                    seen.route.set("/static/{path}".into());
                    Some(self.app.pages.assets().serve(file)?)
                } else if let Some(token) = path.strip_prefix("/.well-known/acme-challenge/") {
                    seen.route.set("/.well-known/acme-challenge/{token}".into());
                    Some(probes::acme_challenge(&self.app.parts, &seen.host, token).await?)
                } else {
                    None
                }
            }
        })
    }

    /// Other sites' scripts may call a tenant's API only from origins that the tenant named.
    async fn cors(&self, request: &Request, tenant: &Tenant, seen: &mut Seen) -> Result<Option<Response>> {
        let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| seen.is_api) else {
            return Ok(None);
        };
        let allowed = match origin.to_str() {
            Ok(text) => self.app.access.cors_allows(tenant, text).await?,
            Err(_) => false,
        };
        if allowed {
            seen.cors = Some(origin.clone());
        }
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return Ok(None);
        }
        if !allowed {
            return Err(Error::forbidden(
                "foreign_origin",
                "This provider's API is not open to this origin.",
            ));
        }
        let response = Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE")
            .header(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, idempotency-key, x-tenant-id",
            )
            .header(header::ACCESS_CONTROL_MAX_AGE, "600")
            .finish();
        Ok(Some(response))
    }

    /// A failure as bytes: a problem for programs, a page for people.
    fn present(&self, error: &Error, seen: &Seen) -> Response {
        if let Error::Internal { .. } = error {
            let tenant = seen.tenant.as_ref().map(|tenant| tenant.slug.as_str());
            tracing::error!(request_id = %seen.origin.request_id, tenant, path = seen.path, %error, "a defect");
        }
        if seen.is_api {
            return web::problem(error, Some(seen.origin.request_id));
        }
        let mut response = self.failure_page(error, seen).unwrap_or_else(|broken| {
            tracing::error!(error = %broken, "the page of a failure is broken");
            web::problem(error, Some(seen.origin.request_id))
        });
        web::failure_headers(error, &mut response);
        response
    }

    fn failure_page(&self, error: &Error, seen: &Seen) -> Result<Response> {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = BareMeta::new(seen.origin.request_id.to_string());
        let settings = &self.app.parts.settings;
        let pages = &self.app.pages;
        let home = "/".to_owned();
        match error {
            Error::NotFound { what: "provider" } => {
                let view = UnknownTenant {
                    page: page.titled(say("No portal here")),
                    host: seen.host.clone(),
                    home_url: settings.url_of(&settings.base_domain),
                };
                pages.page_with(status, "public/unknown_tenant.html", &view)
            }
            Error::Forbidden { code: "tenant_suspended" | "tenant_closing", .. } => {
                let view = Suspended { page: page.titled(say("Suspended")), support_email: None };
                pages.page_with(status, "public/suspended.html", &view)
            }
            Error::Unavailable { .. } => {
                let view = Unavailable {
                    page: page.titled(say("Not now")),
                    title: say("Back in a moment"),
                    detail: say_again(error.detail()),
                    retry_href: home,
                };
                pages.page_with(status, "public/unavailable.html", &view)
            }
            _ => {
                let title = title_of(error);
                let failure = Failure {
                    status: status.as_u16(),
                    title,
                    detail: say_again(error.detail()),
                    home_href: home,
                    home_label: say("To the start"),
                };
                let view = FailurePage { page: page.titled(title), error: failure };
                pages.page_with(status, "errors/error.html", &view)
            }
        }
    }

    /// One span for each request, when somebody collects them. It goes on with a trace that a proxy of ours has begun; what anybody
    /// else says of traces is not believed.
    fn span(&self, request: &Request, seen: &Seen) -> Span {
        let span = root_span!(
            parent: None,
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            request_id = %seen.origin.request_id,
            http.request.method = seen.method.as_str(),
            http.route = Empty,
            http.response.status_code = Empty,
            tenant = Empty,
            tenant.id = Empty,
        );
        if !span.is_none()
            && self.proxies.sent(request)
            && let Some(begun) = request.header("traceparent").and_then(TraceParent::parse)
        {
            begun.continue_with(&span);
        }
        span
    }

    /// RFC 9110 wants a 405 to say which methods would do.
    fn allow(&self, response: &mut Response, seen: &Seen) {
        if response.status() != StatusCode::METHOD_NOT_ALLOWED {
            return;
        }
        let listed = if seen.is_platform { &self.platform_listed } else { &self.tenant_listed };
        if let Ok(value) = HeaderValue::from_str(&web::allowed_methods(listed, &seen.path)) {
            response.headers_mut().insert(header::ALLOW, value);
        }
    }

    /// What the platform's people hear of when it comes in crowds.
    fn count(&self, seen: &Seen, status: u16) {
        let sightings = self.app.parts.registry.sightings();
        match (status, &seen.tenant) {
            (429, _) => sightings.limited(),
            (404, Some(tenant)) if seen.path.split('/').any(|part| Uuid::try_parse(part).is_ok()) => {
                sightings.unknown_id(tenant.id());
            }
            (500.., _) => sightings.server_error(),
            _ => {}
        }
    }

    fn is_below_base(&self, host: &str) -> bool {
        let base = self.app.parts.settings.base_domain.as_str();
        Host::parse(host).is_ok_and(|host| host.as_str() == base || host.label_under(base).is_some())
    }

    fn finish(&self, response: &mut Response, seen: &Seen) {
        self.allow(response, seen);
        let headers = response.headers_mut();
        let set = |headers: &mut HeaderMap, name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(headers, "x-request-id", &seen.origin.request_id.to_string());
        if let Some(tenant) = &seen.tenant {
            set(headers, "x-tenant", tenant.slug.as_str());
        }
        if let Some(origin) = &seen.cors {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        if seen.is_api {
            headers.append(header::VARY, HeaderValue::from_static("origin, authorization"));
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        headers
            .entry("content-security-policy")
            .or_insert_with(|| if seen.is_platform { self.platform_csp.clone() } else { self.csp.clone() });
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert(
            "permissions-policy",
            HeaderValue::from_static("geolocation=(self), camera=(), microphone=()"),
        );
        if self.app.parts.settings.is_https() {
            // What else lies below a domain of the tenant's own is the tenant's business.
            let year = if self.is_below_base(&seen.host) {
                "max-age=31536000; includeSubDomains"
            } else {
                "max-age=31536000"
            };
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(year));
        }
        if let Some(standing) = seen.standing.get() {
            standing.tell(response);
        }
    }
}

const EXPOSED: &str =
    "x-request-id, x-tenant, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after";

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let path = request.uri().path().to_owned();
        let mut seen = Seen {
            origin: Origin::of(&request, &self.proxies),
            method: request.method().clone(),
            is_api: path.starts_with("/api/") || path == "/api",
            host: request.header(header::HOST).unwrap_or_default().chars().take(300).collect(),
            path,
            is_platform: false,
            route: RouteNote::default(),
            caller: CallerNote::default(),
            standing: StandingNote::default(),
            tenant: None,
            cors: None,
        };
        let span = self.span(&request, &seen);
        let asked = request.header(header::ACCEPT_LANGUAGE).filter(|_| !seen.is_api);
        let reader = Reader { zone: None, language: asked.map(Language::wanted).unwrap_or_default() };
        let mut response = read_as(reader, async {
            match self.answer(request, &mut seen).instrument(span.clone()).await {
                Ok(response) => response,
                Err(error) => span.in_scope(|| self.present(&error, &seen)),
            }
        })
        .await;
        self.finish(&mut response, &seen);
        let (took, route, status) =
            (started.elapsed(), seen.route.get().unwrap_or("none"), response.status().as_u16());
        self.app.parts.metrics.observe_request(route, &seen.method, status, took);
        self.count(&seen, status);
        tell(&span, &seen, route, status);
        if self.app.parts.settings.log.requests {
            span.in_scope(|| log(&seen, route, status, took));
        }
        Ok(response)
    }
}

/// Pages have noted their pattern on the way in; that of an operation comes back with its answer, or its failure.
fn matched(answered: poem::Result<Response>, route: &RouteNote) -> Result<Response> {
    let pattern = match &answered {
        Ok(response) => response.data::<PathPattern>(),
        Err(error) => error.data::<PathPattern>(),
    };
    if let Some(PathPattern(pattern)) = pattern {
        route.set(pattern.clone());
    }
    answered.map_err(web::from_poem)
}

fn tell(span: &Span, seen: &Seen, route: &str, status: u16) {
    if span.is_none() {
        return;
    }
    trace::rename(span, || format!("{} {route}", seen.method));
    span.record("http.route", route).record("http.response.status_code", i64::from(status));
    if let Some(tenant) = &seen.tenant {
        span.record("tenant", tenant.slug.as_str()).record("tenant.id", tracing::field::display(tenant.id()));
    }
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

fn log(seen: &Seen, route: &str, status: u16, took: Duration) {
    tracing::info!(
        target: "lastmile::requests",
        request_id = %seen.origin.request_id,
        tenant = seen.tenant.as_ref().map(|tenant| tenant.slug.as_str()),
        actor = seen.caller.kind(),
        actor_id = seen.caller.id().map(tracing::field::display),
        method = seen.method.as_str(),
        route,
        status,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request",
    );
}

fn title_of(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => say("Nothing here"),
        Error::Forbidden { .. } => say("Not allowed"),
        Error::TooMany { .. } => say("Too many requests"),
        Error::Internal { .. } => say("Something went wrong"),
        Error::TooLarge { .. } => say("Too large"),
        _ => say("That did not work"),
    }
}

/// What a page outside any frame says of itself.
#[derive(Serialize)]
struct BareMeta {
    #[serde(flatten)]
    page: PageMeta,
    csrf: Option<String>,
    brand: Option<String>,
}

impl BareMeta {
    fn new(request_id: String) -> Self {
        let page = PageMeta { title: String::new(), request_id, theme: None, flash: Vec::new() };
        Self { page, csrf: None, brand: None }
    }

    fn titled(mut self, title: &str) -> Self {
        self.page.title = title.to_owned();
        self
    }
}

#[derive(Serialize)]
struct UnknownTenant {
    page: BareMeta,
    host: String,
    home_url: String,
}

#[derive(Serialize)]
struct Suspended {
    page: BareMeta,
    support_email: Option<String>,
}

#[derive(Serialize)]
struct Unavailable {
    page: BareMeta,
    title: &'static str,
    detail: String,
    retry_href: String,
}

#[derive(Serialize)]
struct FailurePage {
    page: BareMeta,
    error: Failure,
}

#[derive(Serialize)]
struct Failure {
    status: u16,
    title: &'static str,
    detail: String,
    home_href: String,
    home_label: &'static str,
}
