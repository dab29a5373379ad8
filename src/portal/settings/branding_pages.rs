//! The page of the branding, and the style sheet and the logo that every page of the tenant shows.

use data_encoding::HEXLOWER;
use poem::{
    EndpointExt, Request, Response, handler,
    http::{Method, StatusCode, header},
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{ManageSettings, accent::Accent, logo::read_logo, rules, store};
use crate::{
    access::{Access, CheckedForm, Guarded, PageUser},
    db::Db,
    error::{Error, Result},
    tenancy::Tenant,
    web::{Authority, Flash, FormView, RouteTable},
    words::say,
};

const PATH: &str = "/settings/branding";
const LOGO_PATH: &str = "/settings/branding/logo";
const LOGO_REMOVE_PATH: &str = "/settings/branding/logo/remove";
const TEMPLATE: &str = "portal/settings_branding.html";
/// What a form weighs besides its file.
const FORM_BYTES: u64 = 65_536;
const SHOWN_TO_ALL: &str = "The sign-in page shows the tenant's colour and logo.";
const FOREVER: &str = "public, max-age=31536000, immutable";
const SHORTLY: &str = "public, max-age=60";

/// Registers the page, its forms' targets, and what it decides.
pub fn pages(table: &mut RouteTable, logo_bytes: u64) {
    let limit = LogoLimit(logo_bytes);
    table.page::<ManageSettings>(Method::GET, PATH, show_branding.data(limit));
    table.page::<ManageSettings>(Method::POST, PATH, save_accent.data(limit));
    table.upload::<ManageSettings>(LOGO_PATH, logo_bytes.saturating_add(FORM_BYTES), save_logo.data(limit));
    table.page::<ManageSettings>(Method::POST, LOGO_REMOVE_PATH, remove_logo);
    table.at(Method::GET, "/branding.css", Authority::Anyone(SHOWN_TO_ALL.into()), serve_style_sheet);
    table.at(Method::GET, "/logo", Authority::Anyone(SHOWN_TO_ALL.into()), serve_logo);
}

/// The most that a logo's file may weigh.
#[derive(Clone, Copy)]
struct LogoLimit(u64);

#[derive(Serialize)]
struct BrandingPage {
    settings_tab: &'static str,
    logo_action: &'static str,
    logo_remove_action: &'static str,
    logo_limit_text: String,
    form: FormView,
}

fn page_of(limit: LogoLimit, form: FormView) -> BrandingPage {
    BrandingPage {
        settings_tab: "branding",
        logo_action: LOGO_PATH,
        logo_remove_action: LOGO_REMOVE_PATH,
        logo_limit_text: say!(
            "PNG, JPEG or WebP, up to {} MB. Best square, on a plain ground.",
            limit.0 / 1_048_576
        ),
        form,
    }
}

fn form_of(user: &PageUser) -> FormView {
    FormView::empty(PATH, &["accent", "logo"]).with("accent", user.shell.brand.accent.as_str())
}

fn refused(user: &PageUser, limit: LogoLimit, form: FormView, error: Error) -> Result<Response> {
    let shown = form.failed(error)?;
    user.render_with(StatusCode::UNPROCESSABLE_ENTITY, TEMPLATE, say("Branding"), &page_of(limit, shown))
}

#[handler]
async fn show_branding(user: PageUser, Data(limit): Data<&LogoLimit>) -> poem::Result<Response> {
    Ok(user.render(TEMPLATE, say("Branding"), &page_of(*limit, form_of(&user)))?)
}

#[handler]
async fn save_accent(
    user: PageUser,
    form: CheckedForm,
    Data(limit): Data<&LogoLimit>,
) -> poem::Result<Response> {
    let saved = match Accent::parse(form.get("accent")) {
        Ok(accent) => rules::change_accent(&user.access, &user.by, &accent).await,
        Err(wrong) => Err(Error::Invalid(vec![wrong.at("accent")])),
    };
    match saved {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Colour saved."))),
        Err(error) => Ok(refused(&user, *limit, form_of(&user).typed(&form), error)?),
    }
}

#[handler]
async fn save_logo(
    user: PageUser,
    form: CheckedForm,
    Data(limit): Data<&LogoLimit>,
) -> poem::Result<Response> {
    match put_logo(&user, &form, *limit).await {
        Ok(()) => Ok(user.then(PATH, &Flash::success("Logo saved."))),
        Err(error) => Ok(refused(&user, *limit, form_of(&user), error)?),
    }
}

async fn put_logo(user: &PageUser, form: &CheckedForm, limit: LogoLimit) -> Result<()> {
    let Some(file) = form.upload("logo") else {
        return Err(Error::invalid("logo", "required", "Choose a picture."));
    };
    if u64::try_from(file.content.len()).unwrap_or(u64::MAX) > limit.0 {
        return Err(Error::TooLarge { limit_bytes: limit.0 });
    }
    let logo = read_logo(file.content.clone()).await?;
    rules::change_logo(&user.access, &user.by, Some(&logo)).await
}

#[handler]
async fn remove_logo(user: PageUser) -> poem::Result<Response> {
    rules::change_logo(&user.access, &user.by, None).await?;
    Ok(user.then(PATH, &Flash::success("Logo removed.")))
}

/// The version that the address names: what it names never changes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versioned {
    v: String,
}

impl Versioned {
    fn cache_control(&self, version: i32) -> &'static str {
        if self.v == version.to_string() { FOREVER } else { SHORTLY }
    }
}

/// 304 when the caller has it already, else the whole.
fn cached(
    request: &Request,
    etag: &str,
    cache_control: &'static str,
    media_type: &str,
    content: Vec<u8>,
) -> Response {
    let asked = request.header(header::IF_NONE_MATCH.as_str()).unwrap_or_default();
    let is_known = asked.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let response =
        Response::builder().header(header::ETAG, etag).header(header::CACHE_CONTROL, cache_control);
    if is_known {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(media_type).body(content)
}

#[handler]
async fn serve_style_sheet(
    request: &Request,
    Data(access): Data<&Access>,
    Data(tenant): Data<&Tenant>,
    Query(asked): Query<Versioned>,
) -> poem::Result<Response> {
    let brand = access.brand(tenant).await?;
    let accent = Accent::parse(&brand.accent).map_err(|wrong| Error::internal(wrong.detail))?;
    let etag = format!("\"{}-{}\"", brand.version, accent.as_str().trim_start_matches('#'));
    let caching = asked.cache_control(brand.version);
    Ok(cached(request, &etag, caching, "text/css; charset=utf-8", accent.style_sheet().into_bytes()))
}

#[handler]
async fn serve_logo(
    request: &Request,
    Data(db): Data<&Db>,
    Data(tenant): Data<&Tenant>,
    Query(asked): Query<Versioned>,
) -> poem::Result<Response> {
    let named = request.header(header::IF_NONE_MATCH.as_str()).unwrap_or_default();
    let known = HEXLOWER.decode(named.trim_matches('"').as_bytes()).ok();
    let logo = db.read_tenant(tenant, async |tx| store::find_logo(tx, known.as_deref()).await).await?;
    let logo = logo.ok_or(Error::not_found("logo"))?;
    let etag = format!("\"{}\"", HEXLOWER.encode(&logo.sha256));
    let caching = asked.cache_control(logo.version);
    Ok(cached(request, &etag, caching, "image/png", logo.content.unwrap_or_default()))
}
