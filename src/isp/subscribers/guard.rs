//! Authority of the portal's pages: a customer who is signed in at `/my`. What staff hold opens nothing here.

use std::sync::Arc;

use poem::{
    Endpoint, FromRequest, IntoEndpoint, IntoResponse, Request, RequestBody, Response,
    http::{Method, StatusCode},
    web::cookie::Cookie,
};
use serde::Serialize;

use super::{
    HOME,
    door::caller,
    letters::Office,
    store::{self, SESSION_MAX_SECONDS, Session},
};
use crate::{
    access::{Access, Brand, By, FORM_MAX_BYTES, checked_form, hash_of},
    error::{Error, Result},
    tenancy::Tenant,
    types::{CustomerId, SubscriberLoginId, SubscriberSessionId},
    web::{Authority, CallerNote, Flash, Origin, PageMeta, RouteTable, redirect},
};

/// The cookie's name, before what `Access::cookie_name` puts in front of it.
pub const COOKIE: &str = "my";
/// A cookie longer than this is none of ours.
const TOKEN_MAX_BYTES: usize = 100;

/// Registers the portal's pages.
pub trait OfSubscribers {
    /// A page, or a form's target, for a customer who is signed in.
    fn mine(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;

    /// The same for a form that carries a file.
    fn my_upload(
        &mut self,
        path: &str,
        limit_bytes: u64,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;
}

impl OfSubscribers for RouteTable {
    fn mine(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let guard = Guard { inner: endpoint.into_endpoint(), limit_bytes: FORM_MAX_BYTES };
        self.at(method, path, Authority::Subscriber, guard)
    }

    fn my_upload(
        &mut self,
        path: &str,
        limit_bytes: u64,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let guard = Guard { inner: endpoint.into_endpoint(), limit_bytes };
        self.at(Method::POST, path, Authority::Subscriber, guard)
    }
}

struct Guard<E> {
    inner: E,
    limit_bytes: u64,
}

impl<E: Endpoint> Endpoint for Guard<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let tenant = request.extensions().get::<Tenant>().cloned().ok_or(Error::not_found("page"))?;
        let office =
            request.extensions().get::<Office>().cloned().ok_or_else(|| Error::internal("no office"))?;
        let cookie = office.access.read_cookie(&request, COOKIE).unwrap_or_default().to_owned();
        let Some(session) = find(&office, &tenant, &cookie).await? else {
            return Ok(to_sign_in(&request));
        };
        let form = checked_form(&office.access, &mut request, &cookie, self.limit_bytes).await?;
        let subscriber = Subscriber::new(office, tenant, session, &cookie, &request).await?;
        request.extensions_mut().insert(subscriber);
        request.extensions_mut().insert(Arc::new(form));
        Ok(self.inner.call(request).await?.into_response())
    }
}

async fn find(office: &Office, tenant: &Tenant, cookie: &str) -> Result<Option<Session>> {
    if cookie.is_empty() || cookie.len() > TOKEN_MAX_BYTES {
        return Ok(None);
    }
    let hash = hash_of(cookie);
    let found = office.db.read_tenant(tenant, async |tx| store::find_session(tx, &hash).await).await?;
    if let Some(session) = found.as_ref().filter(|session| session.is_stale) {
        let (db, tenant, id) = (office.db.clone(), tenant.clone(), session.id);
        // The request does not wait for it.
        tokio::spawn(async move {
            if let Err(error) = db.in_tenant(&tenant, async |tx| store::touch_session(tx, id).await).await {
                tracing::warn!(%error, "the last use of a subscriber's session was not written down");
            }
        });
    }
    Ok(found)
}

/// Where a customer who is not signed in goes.
fn to_sign_in(request: &Request) -> Response {
    let path = request.original_uri().path_and_query().map_or(HOME, |path| path.as_str());
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let target = if is_safe && path != HOME {
        let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        format!("{HOME}/sign-in?next={next}")
    } else {
        format!("{HOME}/sign-in")
    };
    redirect(StatusCode::SEE_OTHER, &target)
}

/// The cookie of a stay.
pub fn session_cookie(access: &Access, token: &str) -> Cookie {
    let mut cookie = access.cookie(COOKIE, token);
    let seconds = u64::try_from(SESSION_MAX_SECONDS).unwrap_or_default();
    cookie.set_max_age(std::time::Duration::from_secs(seconds));
    cookie
}

/// Takes the cookie away from the browser.
pub fn forget_cookie(access: &Access, response: &mut Response) {
    let mut cookie = access.cookie(COOKIE, "");
    cookie.set_max_age(std::time::Duration::ZERO);
    access.set_cookie(response, &cookie);
}

/// A customer on a page of the portal.
#[derive(Clone)]
pub struct Subscriber {
    pub by: By,
    pub office: Office,
    pub customer: CustomerId,
    pub login: SubscriberLoginId,
    pub session: SubscriberSessionId,
    frame: Frame,
    request_id: String,
    flash: Vec<Flash>,
}

/// What stands around every page, in the template as `shell`.
#[derive(Debug, Clone, Serialize)]
struct Frame {
    csrf: String,
    brand: Brand,
    name: String,
    nav: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize)]
struct Entry {
    label: &'static str,
    href: &'static str,
    icon: &'static str,
    active: bool,
}

const NAV: [(&str, &str, &str); 4] = [
    ("Home", HOME, "home"),
    ("Payments", "/my/history", "billing"),
    ("Help", "/my/tickets", "help"),
    ("Profile", "/my/profile", "user"),
];

#[derive(Serialize)]
struct Page<'a, V> {
    page: PageMeta,
    shell: &'a Frame,
    #[serde(flatten)]
    view: &'a V,
}

impl Subscriber {
    async fn new(
        office: Office,
        tenant: Tenant,
        session: Session,
        cookie: &str,
        request: &Request,
    ) -> Result<Self> {
        CallerNote::tell(request, "subscriber", Some(session.customer.0));
        let origin = request.extensions().get::<Origin>().cloned();
        let path = request.original_uri().path();
        let nav = NAV.map(|(label, href, icon)| {
            let active = path == href || (href != HOME && path.starts_with(href));
            Entry { label, href, icon, active }
        });
        let frame = Frame {
            csrf: office.access.form_token(cookie),
            brand: office.access.brand(&tenant).await?,
            name: session.name.clone(),
            nav: nav.to_vec(),
        };
        Ok(Self {
            request_id: origin.as_ref().map(|origin| origin.request_id.to_string()).unwrap_or_default(),
            by: caller(&tenant, origin, Some((session.customer, &session.name)), &session.name),
            customer: session.customer,
            login: session.login,
            session: session.id,
            flash: office.access.read_flash(request),
            frame,
            office,
        })
    }

    pub fn tenant(&self) -> &Tenant {
        &self.by.tenant
    }

    /// The name of the provider, in whose name staff answer.
    pub fn provider(&self) -> &str {
        &self.frame.brand.name
    }

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
        let access = &self.office.access;
        let whole = Page { page, shell: &self.frame, view };
        let mut response = access.pages().page_with(status, template, &whole)?;
        if !self.flash.is_empty() {
            access.forget_flash(&mut response);
        }
        Ok(response)
    }

    /// After a POST: another page, with a sentence on it.
    pub fn then(&self, path: &str, flash: &Flash) -> Response {
        let mut response = redirect(StatusCode::SEE_OTHER, path);
        self.office.access.flash(&mut response, flash);
        response
    }
}

impl<'a> FromRequest<'a> for Subscriber {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("a page outside its guard"))?)
    }
}
