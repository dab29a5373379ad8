//! Authority of pages: a route is registered with the right that it asks for, and the guard around it holds it to that.
//!
//! Sibling tenants are same-site, so `SameSite` protects nothing: every unsafe request needs this very host as its Origin, and a
//! token that is bound to the browser's own cookie.

use std::{marker::PhantomData, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use poem::{
    Endpoint, FromRequest, IntoEndpoint, IntoResponse, Request, RequestBody, Response,
    http::{HeaderValue, Method, StatusCode, header},
    web::cookie::{Cookie, SameSite},
};
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    by::{By, PROOF_NEEDED},
    gate::{Access, PageCaller},
    right::Right,
    shell::{self, Brand, NavItem, OwnZone, Person, Shell},
    support::Banner,
};
use crate::{
    audit::Event,
    error::{Error, Result},
    tenancy::Tenant,
    web::{Authority, Flash, Form, Host, Origin, PageMeta, RouteTable, redirect},
    words::now_read_by,
};

pub const FORM_MAX_BYTES: u64 = 1_048_576;
const CSRF_HEADER: &str = "x-csrf-token";
const CSRF_FIELD: &str = "_csrf";
const FLASH_MAX_CHARS: usize = 1_000;
const PATH_KEPT_CHARS: usize = 200;
/// Where those go whose role asks for a second factor that they do not have.
const ENROLMENT: &str = super::mfa::PATH;

/// Registers pages with the right that they ask for.
pub trait Guarded {
    /// A page, or a form's target, for staff who hold `R`. Forms may weigh 1 MiB.
    fn page<R: Right>(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;

    /// The same for a form that carries a file.
    fn upload<R: Right>(
        &mut self,
        path: &str,
        limit_bytes: u64,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;

    /// A page for anyone, with the reason why; its forms are still held to their Origin and token.
    fn open_page(
        &mut self,
        method: Method,
        path: &str,
        reason: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;
}

impl Guarded for RouteTable {
    fn page<R: Right>(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let guard = Guard::<R, _> {
            inner: endpoint.into_endpoint(),
            limit_bytes: FORM_MAX_BYTES,
            right: PhantomData,
        };
        self.at(method, path, authority_of::<R>(), guard)
    }

    fn upload<R: Right>(
        &mut self,
        path: &str,
        limit_bytes: u64,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let guard = Guard::<R, _> { inner: endpoint.into_endpoint(), limit_bytes, right: PhantomData };
        self.at(Method::POST, path, authority_of::<R>(), guard)
    }

    fn open_page(
        &mut self,
        method: Method,
        path: &str,
        reason: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let open = Open { inner: endpoint.into_endpoint() };
        self.at(method, path, Authority::Anyone(reason.to_owned()), open)
    }
}

fn authority_of<R: Right>() -> Authority {
    match R::PERMISSION {
        _ if R::OWNER_ONLY => Authority::Owner,
        Some(permission) => Authority::Permission(permission.code.to_owned()),
        None => Authority::SignedIn,
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Holds a page to its right.
struct Guard<R, E> {
    inner: E,
    limit_bytes: u64,
    right: PhantomData<R>,
}

impl<R: Right, E: Endpoint> Endpoint for Guard<R, E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let tenant = request.extensions().get::<Tenant>().cloned().ok_or(Error::not_found("page"))?;
        let access =
            request.extensions().get::<Access>().cloned().ok_or_else(|| Error::internal("no access"))?;
        let Some(caller) = access.page_caller(&request, &tenant).await? else {
            return Ok(to_sign_in(&request));
        };
        if caller.must_enrol && !R::WHILE_ENROLLING {
            return Ok(led_to_enrolment(&request));
        }
        let form =
            checked_form(&access, &mut request, caller.cookie.expose_secret(), self.limit_bytes).await?;
        caller.by.require::<R>()?;
        if caller.by.is_support() {
            access.watch_support::<R>(&caller.by, &request).await?;
        }
        now_read_by(caller.reader());
        let back = ProofFirst::of(&request);
        let answer = async {
            let user = PageUser::new(access, tenant, caller, &request).await?;
            request.extensions_mut().insert(user);
            request.extensions_mut().insert(Arc::new(form));
            self.inner.call(request).await
        };
        match answer.await {
            Err(error) if asks_for_proof(&error) => Ok(back.response()),
            answered => Ok(answered?.into_response()),
        }
    }
}

fn asks_for_proof(error: &poem::Error) -> bool {
    matches!(error.downcast_ref::<Error>(), Some(Error::Forbidden { code: PROOF_NEEDED, .. }))
}

/// The way to the page that asks for a proof, and from there back to where the person was.
struct ProofFirst {
    target: String,
    is_htmx: bool,
}

impl ProofFirst {
    fn of(request: &Request) -> Self {
        let own = request.original_uri().path_and_query().map_or("/", |path| path.as_str());
        // What was sent is lost; the page that it came from shows its form again.
        let from = request.header(header::REFERER).and_then(|text| url::Url::parse(text).ok());
        let from =
            from.filter(|url| Host::of(request).is_ok_and(|host| url.host_str() == Some(host.as_str())));
        let back = match (is_safe(request.method()), &from) {
            (true, _) => own,
            // With its query: a form may be about what its address names.
            (false, Some(from)) => &from[url::Position::BeforePath..url::Position::AfterQuery],
            (false, None) => "/",
        };
        let next: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
        let is_htmx = request.header("hx-request").is_some();
        Self { target: format!("{}?next={next}", super::proof::PATH), is_htmx }
    }

    fn response(&self) -> Response {
        if self.is_htmx {
            let response = Response::builder().status(StatusCode::FORBIDDEN);
            return response.header("hx-redirect", &self.target).finish();
        }
        redirect(StatusCode::SEE_OTHER, &self.target)
    }
}

/// A page for anyone.
struct Open<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for Open<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let access =
            request.extensions().get::<Access>().cloned().ok_or_else(|| Error::internal("no access"))?;
        let visitor = Visitor::of(&access, &request);
        let form = checked_form(&access, &mut request, &visitor.cookie, FORM_MAX_BYTES).await?;
        let set_cookie = visitor.set_cookie.clone();
        request.extensions_mut().insert(visitor);
        request.extensions_mut().insert(Arc::new(form));
        let mut response = self.inner.call(request).await?.into_response();
        if let Some(cookie) = set_cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

/// For an unsafe request: the exact Origin, then the form with the token that is bound to `cookie`.
pub async fn checked_form(
    access: &Access,
    request: &mut Request,
    cookie: &str,
    limit_bytes: u64,
) -> Result<Form> {
    if is_safe(request.method()) {
        return Ok(Form::default());
    }
    let host = Host::of(request)?;
    let expected = access.0.settings.url_of(host.as_str());
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    if origin != Some(expected.as_str()) {
        return Err(Error::forbidden("foreign_origin", "This form was not sent by a page of this site."));
    }
    let mut body = RequestBody::new(request.take_body());
    let form = Form::read(request, &mut body, limit_bytes).await?;
    let header = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let sent = header.unwrap_or_else(|| form.get(CSRF_FIELD));
    let token = access.form_token(cookie);
    if cookie.is_empty() || !bool::from(sent.as_bytes().ct_eq(token.as_bytes())) {
        return Err(Error::forbidden(
            "form_expired",
            "This form is too old. Go back, reload the page and try again.",
        ));
    }
    Ok(form)
}

/// Where somebody who is not signed in goes.
fn to_sign_in(request: &Request) -> Response {
    let path = request.original_uri().path_and_query().map_or("/", |path| path.as_str());
    let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    let target = if is_safe(request.method()) && path != "/" {
        format!("/sign-in?next={next}")
    } else {
        "/sign-in".into()
    };
    led_to(request, &target)
}

/// What that page's own frame asks for by itself is answered with nothing: led there once more, it would load for ever.
fn led_to_enrolment(request: &Request) -> Response {
    let seen = request.header("hx-current-url").and_then(|url| url::Url::parse(url).ok());
    if seen.is_some_and(|url| url.path().starts_with(ENROLMENT)) {
        return Response::builder().status(StatusCode::NO_CONTENT).finish();
    }
    led_to(request, ENROLMENT)
}

/// htmx is told by a header, since it follows redirects silently.
fn led_to(request: &Request, target: &str) -> Response {
    if request.header("hx-request").is_some() {
        return Response::builder().status(StatusCode::UNAUTHORIZED).header("hx-redirect", target).finish();
    }
    redirect(StatusCode::SEE_OTHER, target)
}

impl Access {
    /// Keeps support that may only look from every write, and writes down what it looks at.
    async fn watch_support<R: Right>(&self, by: &By, request: &Request) -> Result<()> {
        if !is_safe(request.method()) {
            return if R::IS_LEAVING { Ok(()) } else { by.require_write() };
        }
        let path: String = request.original_uri().path().chars().take(PATH_KEPT_CHARS).collect();
        let looked = Event {
            action: "support.looked",
            object_type: "page",
            object_id: None,
            object_label: &path,
            before: None,
            after: None,
        };
        self.0.db.in_tenant(&by.tenant, async |tx| by.record(tx, looked.clone()).await).await
    }

    /// The token that a form of this browser must carry.
    pub fn form_token(&self, cookie: &str) -> String {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.keys.form.expose()) else {
            return String::new();
        };
        mac.update(b"form:");
        mac.update(cookie.as_bytes());
        BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())
    }

    /// A cookie's name: bound to this very host wherever the portal is served over https.
    pub fn cookie_name(&self, name: &str) -> String {
        if self.0.settings.is_https() { format!("__Host-lm_{name}") } else { format!("lm_{name}") }
    }

    /// A cookie as all of ours are: for this host alone, unseen by scripts.
    pub fn cookie(&self, name: &str, value: impl Into<String>) -> Cookie {
        let mut cookie = Cookie::new_with_str(self.cookie_name(name), value.into());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(self.0.settings.is_https());
        cookie
    }

    /// Sets a cookie on an answer.
    pub fn set_cookie(&self, response: &mut Response, cookie: &Cookie) {
        if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }

    /// The value of a cookie of ours, if the request carries it once.
    pub fn read_cookie<'a>(&self, request: &'a Request, name: &str) -> Option<&'a str> {
        let wanted = self.cookie_name(name);
        let mut found = request
            .headers()
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| value);
        let value = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// Remembers a sentence for the next page that this browser sees.
    pub fn flash(&self, response: &mut Response, flash: &Flash) {
        let json = serde_json::to_vec(&[flash]).unwrap_or_default();
        let mut cookie = self.cookie("flash", BASE64URL_NOPAD.encode(&json));
        cookie.set_max_age(std::time::Duration::from_secs(60));
        self.set_cookie(response, &cookie);
    }

    /// The sentences that wait for this browser.
    pub fn read_flash(&self, request: &Request) -> Vec<Flash> {
        self.read_cookie(request, "flash")
            .filter(|value| value.len() <= 2 * FLASH_MAX_CHARS)
            .and_then(|value| BASE64URL_NOPAD.decode(value.as_bytes()).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }

    /// They were shown.
    pub fn forget_flash(&self, response: &mut Response) {
        let mut cookie = self.cookie("flash", "");
        cookie.set_max_age(std::time::Duration::ZERO);
        self.set_cookie(response, &cookie);
    }
}

/// Somebody who is not signed in, and the cookie that their forms are bound to.
#[derive(Debug, Clone)]
pub struct Visitor {
    cookie: String,
    set_cookie: Option<HeaderValue>,
    pub csrf: String,
    request_id: String,
    flash: Vec<Flash>,
}

/// What a page without a frame says of itself, in the template as `page`.
#[derive(Debug, Clone, Serialize)]
pub struct BareMeta {
    #[serde(flatten)]
    pub page: PageMeta,
    pub csrf: String,
    pub brand: Option<Brand>,
}

/// Which page without a frame, and how it is answered.
pub struct Bare<'a> {
    pub status: StatusCode,
    pub template: &'a str,
    pub title: &'a str,
}

#[derive(Serialize)]
struct BarePage<'a, V> {
    page: BareMeta,
    #[serde(flatten)]
    view: &'a V,
}

impl Visitor {
    /// Somebody who sent a request without ever having seen a page, such as a mail program: nothing of theirs is remembered.
    pub fn passing(access: &Access, request: &Request) -> Self {
        Self { set_cookie: None, ..Self::of(access, request) }
    }

    fn of(access: &Access, request: &Request) -> Self {
        let known = access.read_cookie(request, "visitor").filter(|value| value.len() == 27);
        let (cookie, set_cookie) = match known {
            Some(known) => (known.to_owned(), None),
            None => {
                let fresh = BASE64URL_NOPAD.encode(&rand::random::<[u8; 20]>());
                let set = HeaderValue::from_str(&access.cookie("visitor", fresh.clone()).to_string()).ok();
                (fresh, set)
            }
        };
        let request_id =
            request.extensions().get::<Origin>().map(|o| o.request_id.to_string()).unwrap_or_default();
        Self {
            csrf: access.form_token(&cookie),
            cookie,
            set_cookie,
            request_id,
            flash: access.read_flash(request),
        }
    }

    /// A page without a frame; `brand` is the tenant's, or none on the base domain.
    pub fn render(
        &self,
        access: &Access,
        bare: Bare<'_>,
        brand: Option<Brand>,
        view: &impl Serialize,
    ) -> Result<Response> {
        let page = PageMeta {
            title: bare.title.to_owned(),
            request_id: self.request_id.clone(),
            theme: None,
            flash: self.flash.clone(),
        };
        let meta = BareMeta { page, csrf: self.csrf.clone(), brand };
        let mut response =
            access.pages().page_with(bare.status, bare.template, &BarePage { page: meta, view })?;
        if !self.flash.is_empty() {
            access.forget_flash(&mut response);
        }
        Ok(response)
    }
}

impl<'a> FromRequest<'a> for Visitor {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a page outside its guard"))?)
    }
}

/// A member of staff on a page that they may see, and what the page's frame shows.
#[derive(Clone)]
pub struct PageUser {
    pub by: By,
    pub access: Access,
    pub session: crate::types::SessionId,
    pub staff: crate::types::StaffId,
    /// Their role asks for a second factor that they have not set up.
    pub must_enrol: bool,
    pub shell: Arc<Shell>,
    request_id: String,
    flash: Vec<Flash>,
}

#[derive(Serialize)]
struct StaffPage<'a, V> {
    page: PageMeta,
    shell: &'a Shell,
    #[serde(flatten)]
    view: &'a V,
}

impl PageUser {
    async fn new(access: Access, tenant: Tenant, caller: PageCaller, request: &Request) -> Result<Self> {
        let brand = access.brand(&tenant).await?;
        let grant = access.open_grant(&tenant).await?;
        let support = grant.and_then(|grant| Banner::of(&grant, &caller.by));
        let parts = &access.0;
        let path = request.original_uri().path();
        let announced = parts.registry.announcements().await?;
        let shell = Shell {
            announcements: shell::announced(&tenant, &announced),
            csrf: access.form_token(caller.cookie.expose_secret()),
            environment: parts.settings.environment.clone(),
            base_domain: parts.settings.base_domain.clone(),
            areas_word: shell::plural(&brand.area_word),
            active: shell::active(&parts.nav, path),
            is_enrolling: caller.must_enrol,
            support,
            own_zone: OwnZone::of(caller.zone, &tenant),
            frame: caller.frame,
            user: Person {
                initials: shell::initials(&caller.name),
                avatar_url: caller.avatar.map(super::profile_pages::own_url),
                name: caller.name,
                email: caller.email,
                role: caller.role,
            },
            brand,
        };
        let request_id =
            request.extensions().get::<Origin>().map(|o| o.request_id.to_string()).unwrap_or_default();
        let flash = access.read_flash(request);
        Ok(Self {
            by: caller.by,
            session: caller.session,
            staff: caller.staff,
            must_enrol: caller.must_enrol,
            access,
            shell: Arc::new(shell),
            request_id,
            flash,
        })
    }

    /// The entries of the navigation that this person sees, with the tenant's own word for areas.
    pub fn places(&self) -> impl Iterator<Item = (&NavItem, &str)> {
        shell::visible(&self.access.0.nav, &self.by.rights).map(|item| (item, self.shell.label_of(item)))
    }

    pub fn tenant(&self) -> &Tenant {
        &self.by.tenant
    }

    /// A whole page in the portal's frame.
    pub fn render(&self, template: &str, title: &str, view: &impl Serialize) -> Result<Response> {
        self.render_with(StatusCode::OK, template, title, view)
    }

    pub fn render_with(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        view: &impl Serialize,
    ) -> Result<Response> {
        let page = PageMeta {
            title: title.to_owned(),
            request_id: self.request_id.clone(),
            theme: None,
            flash: self.flash.clone(),
        };
        let whole = StaffPage { page, shell: &self.shell, view };
        let mut response = self.access.pages().page_with(status, template, &whole)?;
        if !self.flash.is_empty() {
            self.access.forget_flash(&mut response);
        }
        Ok(response)
    }

    /// After a POST: another page, with a sentence on it.
    pub fn then(&self, path: &str, flash: &Flash) -> Response {
        let mut response = redirect(StatusCode::SEE_OTHER, path);
        self.access.flash(&mut response, flash);
        response
    }
}

impl<'a> FromRequest<'a> for PageUser {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a page outside its guard"))?)
    }
}

/// The form that the guard has read and checked.
pub struct CheckedForm(pub Arc<Form>);

impl std::ops::Deref for CheckedForm {
    type Target = Form;

    fn deref(&self) -> &Form {
        &self.0
    }
}

impl<'a> FromRequest<'a> for CheckedForm {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let form = request.extensions().get::<Arc<Form>>().cloned();
        Ok(Self(form.ok_or_else(|| Error::internal("a form outside its guard"))?))
    }
}
