//! Pages of signing in and out, and of one's own account.

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode, header},
    web::{Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    credentials::{TokenHash, hash_of},
    guard::{Bare, CheckedForm, Guarded, PageUser, Visitor},
    keys,
    mfa::{self, Entered},
    profile::{Profile, ProfileChanges, Sent},
    right::{Enrolling, SignedIn},
    sessions::{Begun, COOKIE, Stay},
    sign_in::AtDoor,
    sso, store,
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::SessionId,
    web::{
        Flash, FormView, Moment, RouteTable, failure_headers,
        parts::{Choice, zone_choices},
        see_other,
    },
    words::{Language, say},
};

const SIGN_IN: &str = "People sign in here.";
const LANDING: &str = "The code in the link is the credential.";
const PROFILE: &str = "/account/profile";
const PROFILE_FIELDS: [&str; 4] = ["name", "phone", "time_zone", "language"];
const NEXT_MAX_CHARS: usize = 1_000;
const CODE_MAX_CHARS: usize = 100;

/// Mounts the pages of a tenant's host.
pub fn pages(table: &mut RouteTable) {
    table
        .open_page(Method::GET, "/sign-in", SIGN_IN, sign_in_form)
        .open_page(Method::POST, "/sign-in", SIGN_IN, sign_in)
        .open_page(Method::GET, "/landing", LANDING, landing_form)
        .open_page(Method::POST, "/landing", LANDING, land)
        .page::<Enrolling>(Method::POST, "/sign-out", sign_out)
        .page::<SignedIn>(Method::GET, "/account", show_account)
        .page::<SignedIn>(Method::POST, PROFILE, change_profile)
        .page::<SignedIn>(Method::POST, "/account/password", change_password)
        .page::<SignedIn>(Method::POST, "/account/sessions/end-others", end_others)
        .page::<SignedIn>(Method::POST, "/account/sessions/:id/end", end_session);
    mfa::pages(table);
    super::passkeys::pages(table);
    super::passkeys::own_pages(table);
    super::proof::pages(table);
    super::profile_pages::pages(table);
    sso::pages(table);
    keys::pages(table);
}

/// Where to go after signing in: a path of this very host, or the start.
pub fn local_path(next: &str) -> &str {
    let is_plain = next.len() <= NEXT_MAX_CHARS && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_local = next.starts_with('/') && !next.starts_with("//");
    if is_plain && is_local { next } else { "/" }
}

pub(super) fn old_session(door: &AtDoor, request: &Request) -> Option<TokenHash> {
    door.access.read_cookie(request, COOKIE).map(hash_of)
}

pub(super) fn begun(door: &AtDoor, begun: &Begun, next: &str) -> Response {
    if begun.replaced {
        door.access.0.news.access_changed(door.tenant.id());
    }
    let mut response = see_other(next);
    door.access.set_cookie(&mut response, &door.access.session_cookie(&begun.token));
    response
}

#[derive(Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct SignInPage {
    form: FormView,
    /// What stands on the button of single sign-on, where there is one.
    sso_label: Option<&'static str>,
    sso_href: String,
    /// Nobody but owners comes in by a password or a passkey.
    sso_only: bool,
}

fn sign_in_view() -> FormView {
    FormView::empty("/sign-in", &["email", "next"])
}

async fn show_sign_in(
    visitor: &Visitor,
    door: &AtDoor,
    status: StatusCode,
    form: FormView,
) -> Result<Response> {
    let brand = door.access.brand(&door.tenant).await?;
    let bare = Bare { status, template: "access/sign_in.html", title: say("Sign in") };
    let look = async |tx: &TenantTx| sso::offer(tx).await;
    let offer = door.access.0.db.read_tenant(&door.tenant, look).await?;
    let next = local_path(form.values.get("next").map_or("", String::as_str));
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let view = SignInPage {
        form,
        sso_label: offer.as_ref().map(|offer| offer.label),
        sso_href: format!("/sign-in/sso?next={next}"),
        sso_only: offer.is_some_and(|offer| offer.is_required),
    };
    visitor.render(&door.access, bare, Some(brand), &view)
}

#[handler]
async fn sign_in_form(
    request: &Request,
    visitor: Visitor,
    door: AtDoor,
    query: Query<SignInQuery>,
) -> Result<Response> {
    let next = local_path(&query.next);
    if door.access.page_caller(request, &door.tenant).await?.is_some() {
        return Ok(see_other(next));
    }
    let next = if next == "/" { "" } else { next };
    show_sign_in(&visitor, &door, StatusCode::OK, sign_in_view().with("next", next)).await
}

#[handler]
async fn sign_in(request: &Request, visitor: Visitor, door: AtDoor, form: CheckedForm) -> Result<Response> {
    let old = old_session(&door, request);
    let attempt = async {
        let proven = door.prove(form.get("email"), form.get("password")).await?;
        door.enter(&proven, old.as_ref()).await
    };
    match attempt.await {
        Ok(Entered::Begun(stay)) => Ok(begun(&door, &stay, local_path(form.get("next")))),
        Ok(Entered::SecondStep(token)) => Ok(mfa::to_second_step(&door.access, &token, form.get("next"))),
        Err(error @ (Error::Unauthenticated { .. } | Error::TooMany { .. })) => {
            let status = match error {
                Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let shown = sign_in_view().typed(&form).said(error.detail());
            let mut response = show_sign_in(&visitor, &door, status, shown).await?;
            if status == StatusCode::TOO_MANY_REQUESTS {
                failure_headers(&error, &mut response);
            }
            Ok(response)
        }
        Err(other) => Err(other),
    }
}

#[derive(Deserialize)]
struct LandingQuery {
    #[serde(default)]
    code: String,
}

#[derive(Serialize)]
struct LandingPage {
    /// None when the link does not count any more.
    code: Option<String>,
}

async fn show_landing(
    visitor: &Visitor,
    door: &AtDoor,
    status: StatusCode,
    code: Option<String>,
) -> Result<Response> {
    let brand = door.access.brand(&door.tenant).await?;
    let title = if code.is_some() { say("Your portal is ready") } else { say("This link is used up") };
    let view = LandingPage { code };
    let mut response = visitor.render(
        &door.access,
        Bare { status, template: "access/landing.html", title },
        Some(brand),
        &view,
    )?;
    // The code stands in this page's own address, which goes nowhere from here. Not `no-referrer`: under it a browser sends
    // `Origin: null` with the form, which tells nothing of where the form came from.
    response.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static("strict-origin"));
    Ok(response)
}

#[handler]
async fn landing_form(visitor: Visitor, door: AtDoor, query: Query<LandingQuery>) -> Result<Response> {
    let code = Some(query.code.clone()).filter(|code| !code.is_empty() && code.len() <= CODE_MAX_CHARS);
    let status = if code.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    show_landing(&visitor, &door, status, code).await
}

#[handler]
async fn land(request: &Request, visitor: Visitor, door: AtDoor, form: CheckedForm) -> Result<Response> {
    let old = old_session(&door, request);
    match door.land(form.get("code"), old.as_ref()).await? {
        Some(stay) => Ok(begun(&door, &stay, "/")),
        None => show_landing(&visitor, &door, StatusCode::NOT_FOUND, None).await,
    }
}

#[handler]
async fn sign_out(user: PageUser) -> Result<Response> {
    user.access.sign_out(&user.by, user.session).await?;
    let mut response = user.then("/sign-in", &Flash::success("You are signed out."));
    user.access.forget_session(&mut response);
    Ok(response)
}

#[derive(Serialize)]
struct AccountPage {
    profile_form: FormView,
    time_zones: Vec<Choice>,
    /// What counts for whoever chooses none.
    provider_zone: String,
    languages: Vec<Choice>,
    picture_form: FormView,
    keys: Vec<KeyRow>,
    can_see_keys: bool,
    password_form: FormView,
    sessions: Vec<SessionRow>,
    end_others_action: &'static str,
    has_mfa: bool,
}

/// A key that the person made.
#[derive(Serialize)]
struct KeyRow {
    name: String,
    prefix: String,
    state: &'static str,
    last_used: Option<Moment>,
    href: String,
}

#[derive(Serialize)]
struct SessionRow {
    id: SessionId,
    device: String,
    address: String,
    started: Moment,
    last_seen: Moment,
    is_current: bool,
    end_action: String,
}

impl SessionRow {
    fn of(stay: Stay, user: &PageUser) -> Self {
        let zone = user.tenant().time_zone.0;
        Self {
            id: stay.id,
            device: device_of(stay.user_agent.as_deref().unwrap_or_default()),
            address: stay.address.unwrap_or_else(|| say("unknown address").to_owned()),
            started: Moment::at(stay.created_at, zone),
            last_seen: Moment::at(stay.last_seen_at, zone),
            is_current: stay.id == user.session,
            end_action: format!("/account/sessions/{}/end", stay.id),
        }
    }
}

fn profile_form(profile: &Profile) -> FormView {
    FormView::empty(PROFILE, &PROFILE_FIELDS)
        .with("name", &*profile.name)
        .with("time_zone", profile.time_zone.map(|zone| zone.to_string()).unwrap_or_default())
        .with("language", profile.language.map(Language::code).unwrap_or_default())
        .with("phone", profile.phone.clone().unwrap_or_default())
}

fn password_form() -> FormView {
    FormView::empty("/account/password", &["current_password", "new_password"])
}

/// What of the page is shown again because something was wrong with it; the rest is as it is kept.
#[derive(Default)]
struct Again {
    profile: Option<FormView>,
    picture: Option<FormView>,
    password: Option<FormView>,
}

async fn account_page(user: &PageUser, again: Again) -> Result<Response> {
    let is_wrong = again.profile.is_some() || again.picture.is_some() || again.password.is_some();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let look = async |tx: &TenantTx| {
        let stays = store::list_sessions(tx, user.staff).await?;
        Ok((stays, mfa::is_on(tx, user.staff).await?, keys::list_keys_of(tx, user.staff).await?))
    };
    let (stays, has_mfa, keys) = user.access.0.db.read_tenant(user.tenant(), look).await?;
    let profile = match again.profile {
        Some(form) => form,
        None => profile_form(&user.access.own_profile(&user.by).await?),
    };
    let zone = user.tenant().time_zone.0;
    let key = |key: keys::ApiKey| KeyRow {
        state: key.status_at(chrono::Utc::now()),
        last_used: key.last_used_at.map(|at| Moment::at(at, zone)),
        href: format!("/api-keys/{}", key.id),
        name: key.name,
        prefix: key.prefix,
    };
    let view = AccountPage {
        profile_form: profile,
        time_zones: zone_choices(),
        provider_zone: user.tenant().time_zone.to_string(),
        languages: Language::ALL.map(|one| Choice::new(one.code(), one.own_name())).into(),
        picture_form: again.picture.unwrap_or_else(picture_form),
        keys: keys.into_iter().map(key).collect(),
        can_see_keys: user.by.require::<keys::ViewApiKeys>().is_ok(),
        password_form: again.password.unwrap_or_else(password_form),
        sessions: stays.into_iter().map(|stay| SessionRow::of(stay, user)).collect(),
        end_others_action: "/account/sessions/end-others",
        has_mfa,
    };
    user.render_with(status, "access/account.html", say("Your account"), &view)
}

fn picture_form() -> FormView {
    FormView::empty("/account/avatar", &["avatar"])
}

/// The account's page once more, with what was wrong with a picture.
pub(super) async fn refused_picture(user: &PageUser, error: Error) -> Result<Response> {
    let shown = picture_form().failed(error)?;
    account_page(user, Again { picture: Some(shown), ..Again::default() }).await
}

#[handler]
async fn show_account(user: PageUser) -> Result<Response> {
    account_page(&user, Again::default()).await
}

#[handler]
async fn change_profile(user: PageUser, form: CheckedForm) -> Result<Response> {
    let change = async {
        let sent = |name: &str| form.has(name).then(|| form.get(name));
        let sent = Sent {
            name: Some(form.get("name")),
            phone: sent("phone"),
            time_zone: sent("time_zone"),
            language: sent("language"),
        };
        let changes = ProfileChanges::parse(&sent, &user.tenant().country)?;
        user.access.change_profile(&user.by, &changes).await
    };
    match change.await {
        Ok(_) => Ok(user.then("/account", &Flash::success("Profile saved."))),
        Err(error) => {
            let shown = FormView::empty(PROFILE, &PROFILE_FIELDS).typed(&form).failed(error)?;
            account_page(&user, Again { profile: Some(shown), ..Again::default() }).await
        }
    }
}

#[handler]
async fn change_password(user: PageUser, form: CheckedForm) -> Result<Response> {
    let typed = (form.get("current_password"), form.get("new_password"));
    let email = &user.shell.user.email;
    match user.access.change_own_password(&user.by, user.session, email, typed).await {
        Ok(token) => {
            let mut response =
                user.then("/account", &Flash::success("Password changed. Your other sessions have ended."));
            user.access.set_cookie(&mut response, &user.access.session_cookie(&token));
            Ok(response)
        }
        Err(error) => {
            let shown = password_form().failed(error)?;
            account_page(&user, Again { password: Some(shown), ..Again::default() }).await
        }
    }
}

#[handler]
async fn end_session(user: PageUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id.parse().map_err(|_not_an_id| Error::not_found("session"))?;
    user.access.end_own_session(&user.by, SessionId(id)).await?;
    Ok(user.then("/account", &Flash::success("Session ended.")))
}

#[handler]
async fn end_others(user: PageUser) -> Result<Response> {
    user.access.end_other_sessions(&user.by, Some(user.session)).await?;
    Ok(user.then("/account", &Flash::success("All other sessions have ended.")))
}

/// "Chrome on Linux", as far as a program's name for itself says so.
pub fn device_of(user_agent: &str) -> String {
    // The order matters: Edge and Opera call themselves Chrome, Chrome calls itself Safari, Android calls itself Linux.
    const BROWSERS: &[(&str, &str)] = &[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
        ("curl", "curl"),
    ];
    const SYSTEMS: &[(&str, &str)] = &[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (named(BROWSERS), named(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => say("Another program").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_of_this_host_are_gone_to() {
        for good in ["/", "/customers?status=active&q=a%20b", "/customers/1#tab"] {
            assert_eq!(local_path(good), good);
        }
        for bad in [
            "",
            "customers",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x",
            "javascript:alert(1)",
            " /customers",
        ] {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn devices_are_called_what_people_call_them() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        assert_eq!(device_of(linux), "Chrome on Linux");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
        assert_eq!(device_of(phone), "Safari on iPhone");
        assert_eq!(device_of(""), "Another program");
    }

    proptest! {
        #[test]
        fn wherever_one_goes_it_is_this_host(next in "\\PC{0,60}") {
            let base = url::Url::parse("https://acme.isp.example/sign-in").unwrap();
            let gone = base.join(local_path(&next)).unwrap();
            prop_assert_eq!(gone.host_str(), Some("acme.isp.example"));
        }
    }
}
