//! Authority of the console's pages: a role, as a type, and a session whose second step was taken.

use std::{marker::PhantomData, sync::Arc};

use poem::{
    Endpoint, FromRequest, IntoEndpoint, IntoResponse, Request, RequestBody, Response,
    http::{Method, StatusCode},
    web::cookie::Cookie,
};
use serde::Serialize;

use super::Console;
use crate::{
    access::{Access, FORM_MAX_BYTES, checked_form},
    error::{Error, Result},
    platform::staff::{Role, SESSION_HOURS, Session},
    tenancy::Operator,
    web::{Authority, CallerNote, Flash, Origin, PageMeta, RouteTable, redirect},
    words::say,
};

/// The cookie's name, before what `Access::cookie_name` puts in front of it. No tenant's door knows it.
pub const COOKIE: &str = "console";
const TOKEN_MAX_BYTES: usize = 100;
pub const HOME: &str = "/console";

/// What a page of the console asks for, as a type.
pub trait ConsoleRight: Send + Sync + 'static {
    const LEAST: Role;
    /// Whether it is for those who stand between password and code, and for nobody else.
    const IS_HALFWAY: bool = false;
}

/// Anyone of the platform.
pub struct Look;

impl ConsoleRight for Look {
    const LEAST: Role = Role::ReadOnly;
}

/// Who looks after providers.
pub struct Support;

impl ConsoleRight for Support {
    const LEAST: Role = Role::SupportAdmin;
}

/// Who runs the deployment.
pub struct Rule;

impl ConsoleRight for Rule {
    const LEAST: Role = Role::SuperAdmin;
}

/// Whoever has shown a password, and not the second step.
pub struct Halfway;

impl ConsoleRight for Halfway {
    const LEAST: Role = Role::ReadOnly;
    const IS_HALFWAY: bool = true;
}

/// Registers pages of the console with the right that they ask for.
pub trait Guarding {
    fn console<R: ConsoleRight>(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self;
}

impl Guarding for RouteTable {
    fn console<R: ConsoleRight>(
        &mut self,
        method: Method,
        path: &str,
        endpoint: impl IntoEndpoint<Endpoint: 'static>,
    ) -> &mut Self {
        let guard = Guard::<R, _> { inner: endpoint.into_endpoint(), right: PhantomData };
        let word = if R::IS_HALFWAY { "halfway" } else { R::LEAST.as_str() };
        self.at(method, path, Authority::Console(word), guard)
    }
}

/// Holds a page to its right.
struct Guard<R, E> {
    inner: E,
    right: PhantomData<R>,
}

impl<R: ConsoleRight, E: Endpoint> Endpoint for Guard<R, E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let console =
            request.extensions().get::<Console>().cloned().ok_or_else(|| Error::internal("no console"))?;
        let cookie = console.access.read_cookie(&request, COOKIE).unwrap_or_default().to_owned();
        let session = match cookie.is_empty() || cookie.len() > TOKEN_MAX_BYTES {
            true => None,
            false => console.door.session(&cookie).await?,
        };
        let Some(session) = session else { return Ok(to_sign_in(&request)) };
        if session.is_whole == R::IS_HALFWAY {
            return Ok(led_to(&request, next_step(&session)));
        }
        let form = checked_form(&console.access, &mut request, &cookie, FORM_MAX_BYTES).await?;
        if session.person.role < R::LEAST {
            let needed = R::LEAST.label().to_lowercase();
            return Err(Error::forbidden("forbidden", say!("This needs the role of a {}.", needed)).into());
        }
        CallerNote::tell(&request, "platform", Some(session.person.id));
        let user = ConsoleUser::new(console, session, cookie, &request);
        request.extensions_mut().insert(user);
        request.extensions_mut().insert(Arc::new(form));
        Ok(self.inner.call(request).await?.into_response())
    }
}

/// Where a session leads whose page this is not.
fn next_step(session: &Session) -> &'static str {
    match (session.is_whole, session.person.has_second_step) {
        (true, _) => HOME,
        (false, true) => "/console/code",
        (false, false) => "/console/enrol",
    }
}

/// Where somebody who is not signed in goes.
fn to_sign_in(request: &Request) -> Response {
    let path = request.original_uri().path_and_query().map_or(HOME, |path| path.as_str());
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_safe && path != HOME {
        let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        return led_to(request, &format!("/console/sign-in?next={next}"));
    }
    led_to(request, "/console/sign-in")
}

/// htmx is told by a header, since it follows redirects silently.
fn led_to(request: &Request, target: &str) -> Response {
    if request.header("hx-request").is_some() {
        return Response::builder().status(StatusCode::UNAUTHORIZED).header("hx-redirect", target).finish();
    }
    redirect(StatusCode::SEE_OTHER, target)
}

/// The cookie of a stay. Longer than any stay lasts is not needed: the server knows when it ends.
pub fn session_cookie(access: &Access, token: &str) -> Cookie {
    let mut cookie = access.cookie(COOKIE, token);
    let hours = u64::try_from(SESSION_HOURS).unwrap_or_default();
    cookie.set_max_age(std::time::Duration::from_secs(hours * 3_600));
    cookie
}

/// Takes the cookie away from the browser.
pub fn forget_cookie(access: &Access, response: &mut Response) {
    let mut cookie = access.cookie(COOKIE, "");
    cookie.set_max_age(std::time::Duration::ZERO);
    access.set_cookie(response, &cookie);
}

/// One entry of the console's navigation.
#[derive(Clone, Copy, Serialize)]
struct Entry {
    label: &'static str,
    href: &'static str,
    icon: &'static str,
}

const fn entry(label: &'static str, href: &'static str, icon: &'static str) -> Entry {
    Entry { label, href, icon }
}

const NAVIGATION: &[(&str, &[Entry])] = &[(
    "Platform",
    &[
        entry("Providers", "/console/tenants", "home"),
        entry("Sign-ups", "/console/signups", "inbox"),
        entry("Plans", "/console/plans", "reports"),
        entry("Invoices", "/console/invoices", "billing"),
        entry("Alerts", "/console/alerts", "bell"),
        entry("Announcements", "/console/announcements", "campaigns"),
        entry("Library", "/console/library", "document"),
        entry("Work", "/console/work", "refresh"),
        entry("Senders", "/console/senders", "send"),
        entry("People", "/console/people", "staff"),
        entry("Log", "/console/log", "history"),
        entry("Settings", "/console/settings", "settings"),
    ],
)];

#[derive(Serialize)]
struct Group {
    label: &'static str,
    items: &'static [Entry],
}

/// The frame of a page, in the template as `shell`.
#[derive(Serialize)]
struct Frame<'a> {
    csrf: String,
    environment: &'a str,
    base_domain: &'a str,
    user: Shown<'a>,
    nav: Vec<Group>,
    active: &'static str,
    open_alerts: i64,
    /// What the person may do, by the roles that pages ask for.
    can: Can,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    email: &'a str,
    role: &'static str,
    initials: String,
}

#[derive(Serialize)]
struct Can {
    support: bool,
    rule: bool,
}

#[derive(Serialize)]
struct Whole<'a, V> {
    page: PageMeta,
    shell: Frame<'a>,
    #[serde(flatten)]
    view: &'a V,
}

/// Somebody of the platform on a page that they may see.
#[derive(Clone)]
pub struct ConsoleUser {
    pub console: Console,
    pub session: Arc<Session>,
    pub cookie: String,
    pub origin: Option<Origin>,
    path: String,
    flash: Vec<Flash>,
}

impl ConsoleUser {
    fn new(console: Console, session: Session, cookie: String, request: &Request) -> Self {
        let flash = console.access.read_flash(request);
        Self {
            console,
            session: Arc::new(session),
            cookie,
            origin: request.extensions().get::<Origin>().cloned(),
            path: request.original_uri().path().to_owned(),
            flash,
        }
    }

    /// Who it is, for the log.
    pub fn operator(&self) -> Operator {
        let person = &self.session.person;
        Operator::staff(person.id, &person.name).by(self.origin.as_ref())
    }

    /// Whether this person has at least this role.
    pub fn is(&self, least: Role) -> bool {
        self.session.person.role >= least
    }

    fn frame(&self) -> Frame<'_> {
        let person = &self.session.person;
        let settings = &self.console.settings;
        let belongs = |href: &str| {
            self.path == href || self.path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'))
        };
        let hrefs = NAVIGATION.iter().flat_map(|(_, items)| items.iter().map(|item| item.href));
        Frame {
            csrf: self.console.access.form_token(&self.cookie),
            environment: &settings.environment,
            base_domain: &settings.base_domain,
            user: Shown {
                name: &person.name,
                email: &person.email,
                role: person.role.label(),
                initials: initials(&person.name),
            },
            nav: NAVIGATION.iter().map(|(label, items)| Group { label, items }).collect(),
            active: hrefs.filter(|href| belongs(href)).max_by_key(|href| href.len()).unwrap_or_default(),
            open_alerts: self.session.open_alerts,
            can: Can { support: self.is(Role::SupportAdmin), rule: self.is(Role::SuperAdmin) },
        }
    }

    pub fn render(&self, template: &str, title: &str, view: &impl Serialize) -> Result<Response> {
        self.render_with(StatusCode::OK, template, title, view)
    }

    /// A whole page in the console's frame.
    pub fn render_with(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        view: &impl Serialize,
    ) -> Result<Response> {
        let request_id = self.origin.as_ref().map(|origin| origin.request_id.to_string()).unwrap_or_default();
        let page = PageMeta { title: title.to_owned(), request_id, theme: None, flash: self.flash.clone() };
        let whole = Whole { page, shell: self.frame(), view };
        let mut response = self.console.access.pages().page_with(status, template, &whole)?;
        if !self.flash.is_empty() {
            self.console.access.forget_flash(&mut response);
        }
        Ok(response)
    }

    /// After a POST: another page, with a sentence on it.
    pub fn then(&self, path: &str, flash: &Flash) -> Response {
        let mut response = redirect(StatusCode::SEE_OTHER, path);
        self.console.access.flash(&mut response, flash);
        response
    }

    /// After a POST that could not be done for a reason that the person can read: the page again, with the reason on it.
    pub fn or_said(&self, path: &str, done: Result<Flash>) -> Result<Response> {
        match done {
            Ok(flash) => Ok(self.then(path, &flash)),
            Err(Error::Conflict { detail, .. }) => Ok(self.then(path, &Flash::error(detail))),
            Err(error @ (Error::Invalid(_) | Error::TooMany { .. })) => {
                Ok(self.then(path, &Flash::error(error.detail())))
            }
            Err(other) => Err(other),
        }
    }
}

impl<'a> FromRequest<'a> for ConsoleUser {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let user = request.extensions().get::<Self>().cloned();
        Ok(user.ok_or_else(|| Error::internal("a page outside its guard"))?)
    }
}

/// The first letters of the first two words.
pub fn initials(name: &str) -> String {
    let firsts = name.split_whitespace().filter_map(|word| word.chars().next()).take(2);
    firsts.flat_map(char::to_uppercase).collect()
}
