//! Pages of API keys.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageApiKeys, ViewApiKeys, key_page,
    model::{ApiKey, NewKey, overlap},
    rules::{Minted, no_key},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        right::Catalogue,
        shell::NavItem,
    },
    error::{Error, Result},
    types::{ApiKeyId, Limit, Wrong},
    web::{Flash, Form, FormView, Host, Moment, RouteTable},
    words::say,
};

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Administration",
    label: "API keys",
    href: "/api-keys",
    icon: "key",
    permission: Some("api_keys.view"),
}];

pub fn pages(table: &mut RouteTable) {
    table
        .page::<ViewApiKeys>(Method::GET, "/api-keys", list_keys)
        .page::<ManageApiKeys>(Method::POST, "/api-keys", make_key)
        .page::<ManageApiKeys>(Method::POST, "/api-keys/:id/revoke", revoke_key)
        .page::<ManageApiKeys>(Method::POST, "/api-keys/:id/rotate", rotate_key);
    key_page::pages(table);
}

#[derive(Serialize)]
struct KeysPage {
    keys: Vec<KeyRow>,
    can_manage: bool,
    scopes: Vec<ScopeRow>,
    form: FormView,
}

#[derive(Serialize)]
struct KeyRow {
    name: String,
    prefix: String,
    scopes: Vec<String>,
    state: &'static str,
    created: Moment,
    created_by: String,
    expires: Option<Moment>,
    last_used: Option<Moment>,
    old_until: Option<Moment>,
    is_bound: bool,
    href: String,
}

impl KeyRow {
    fn of(key: ApiKey, zone: Tz) -> Self {
        Self {
            state: key.status_at(Utc::now()),
            created: Moment::at(key.created_at, zone),
            created_by: key.created_by_name.unwrap_or_else(|| "a program".to_owned()),
            expires: key.expires_at.map(|at| Moment::at(at, zone)),
            last_used: key.last_used_at.map(|at| Moment::at(at, zone)),
            old_until: key.old.map(|old| Moment::at(old.until, zone)),
            is_bound: !key.networks.texts().is_empty(),
            href: path_of(key.id),
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
        }
    }
}

/// The scopes of one feature, side by side.
#[derive(Serialize)]
struct ScopeRow {
    feature: &'static str,
    read: Option<&'static str>,
    write: Option<&'static str>,
    checked_read: bool,
    checked_write: bool,
}

fn scope_rows(catalogue: &Catalogue, ticked: &[String]) -> Vec<ScopeRow> {
    let mut rows: Vec<(&str, ScopeRow)> = Vec::new();
    for permission in catalogue.all() {
        let Some((feature, verb)) = permission.scope.rsplit_once('.') else { continue };
        let at = rows.iter().position(|(known, _)| *known == feature).unwrap_or_else(|| {
            let row = ScopeRow {
                feature: say(permission.category),
                read: None,
                write: None,
                checked_read: false,
                checked_write: false,
            };
            rows.push((feature, row));
            rows.len() - 1
        });
        let is_ticked = ticked.iter().any(|scope| scope == permission.scope);
        if let Some((_, row)) = rows.get_mut(at) {
            if verb == "write" {
                (row.write, row.checked_write) = (Some(permission.scope), is_ticked);
            } else {
                (row.read, row.checked_read) = (Some(permission.scope), is_ticked);
            }
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn empty_form() -> FormView {
    FormView::empty("/api-keys", &["name", "expires_on", "allowed_networks", "scopes"])
}

async fn keys_page(user: &PageUser, form: FormView, ticked: &[String]) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let is_wrong = !form.errors.is_empty() || !form.summary.is_empty();
    let (keys, _) = user.access.list_keys(&user.by, None, Limit::of(Limit::MAX), false).await?;
    let view = KeysPage {
        keys: keys.into_iter().take(200).map(|key| KeyRow::of(key, zone)).collect(),
        can_manage: user.by.require::<ManageApiKeys>().is_ok(),
        scopes: scope_rows(user.access.catalogue(), ticked),
        form,
    };
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    user.render_with(status, "access/api_keys.html", "API keys", &view)
}

#[handler]
async fn list_keys(user: PageUser) -> Result<Response> {
    keys_page(&user, empty_form(), &[]).await
}

/// A key counts through the whole of the day that was chosen, in the tenant's zone.
pub fn end_of_day(text: &str, zone: Tz) -> std::result::Result<Option<DateTime<Utc>>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Wrong::new("not_a_day", "This must be a day, such as 2027-01-31.");
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_not_a_day| wrong())?;
    let next = day.checked_add_days(Days::new(1)).ok_or_else(wrong)?.and_time(NaiveTime::MIN);
    // Where clocks go forward at midnight the day begins an hour later.
    let start = zone
        .from_local_datetime(&next)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(next + chrono::TimeDelta::hours(1))).earliest());
    let start = start.ok_or_else(wrong)?.with_timezone(&Utc);
    if start <= Utc::now() {
        return Err(Wrong::new("in_the_past", "This day is past."));
    }
    Ok(Some(start))
}

/// The rules and the forms call some fields by different names.
pub fn renamed(error: Error) -> Error {
    let Error::Invalid(mut wrongs) = error else { return error };
    for wrong in &mut wrongs {
        if wrong.field == "expires_at" {
            wrong.field = "expires_on".into();
        } else if wrong.field.starts_with("allowed_networks[") {
            wrong.field = "allowed_networks".into();
        }
    }
    Error::Invalid(wrongs)
}

/// One a line, or with commas between them.
pub fn networks_of(form: &Form) -> Vec<String> {
    let typed = form.get("allowed_networks").split(|c: char| c == ',' || c.is_whitespace());
    typed.filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

pub fn path_of(id: ApiKeyId) -> String {
    format!("/api-keys/{id}")
}

#[handler]
async fn make_key(request: &poem::Request, user: PageUser, form: CheckedForm) -> Result<Response> {
    let ticked: Vec<String> = form.all("scopes").map(str::to_owned).collect();
    match make(&user, &form, &ticked).await {
        Ok(minted) => minted_page(request, &user, minted),
        Err(Error::Forbidden { detail, code: "scope_exceeds_rights" }) => {
            let wrong = crate::error::FieldError::new("scopes", "scope_exceeds_rights", detail);
            keys_page(&user, shown(&form).wrong(&[wrong]), &ticked).await
        }
        Err(error) => keys_page(&user, shown(&form).failed(renamed(error))?, &ticked).await,
    }
}

fn shown(form: &Form) -> FormView {
    empty_form()
        .with("name", form.get("name"))
        .with("expires_on", form.get("expires_on"))
        .with("allowed_networks", form.get("allowed_networks"))
}

async fn make(user: &PageUser, form: &Form, ticked: &[String]) -> Result<Minted> {
    let day = end_of_day(form.get("expires_on").trim(), user.tenant().time_zone.0);
    let expires_at = day.as_ref().ok().copied().flatten();
    let catalogue = user.access.catalogue();
    let parsed = NewKey::parse(catalogue, form.get("name"), ticked.to_vec(), &networks_of(form), expires_at);
    let new = match (parsed, day) {
        (Err(Error::Invalid(mut wrongs)), Err(wrong)) => {
            wrongs.push(wrong.at("expires_on"));
            return Err(Error::Invalid(wrongs));
        }
        (Ok(_), Err(wrong)) => return Err(Error::Invalid(vec![wrong.at("expires_on")])),
        (parsed, _) => parsed?,
    };
    user.access.make_key(&user.by, &new).await
}

#[derive(Serialize)]
struct MintedPage {
    key: MintedRow,
    example_url: String,
}

#[derive(Serialize)]
struct MintedRow {
    name: String,
    secret: String,
    scopes: Vec<String>,
    networks: Vec<String>,
    expires: Option<Moment>,
    old_until: Option<Moment>,
    href: String,
}

fn minted_page(request: &poem::Request, user: &PageUser, minted: Minted) -> Result<Response> {
    let settings = &user.access.0.settings;
    let example_url = format!("{}/api/v1/me", settings.url_of(Host::of(request)?.as_str()));
    let title = say!("Key for {}", minted.key.name);
    let zone = user.tenant().time_zone.0;
    let view = MintedPage {
        key: MintedRow {
            secret: minted.secret,
            expires: minted.key.expires_at.map(|at| Moment::at(at, zone)),
            old_until: minted.key.old.map(|old| Moment::at(old.until, zone)),
            networks: minted.key.networks.texts(),
            href: path_of(minted.key.id),
            name: minted.key.name,
            scopes: minted.key.scopes,
        },
        example_url,
    };
    user.render("access/api_key_created.html", &title, &view)
}

pub fn key_id(id: &str) -> Result<ApiKeyId> {
    id.parse::<Uuid>().map(ApiKeyId).map_err(|_not_an_id| no_key())
}

#[handler]
async fn revoke_key(user: PageUser, id: Path<String>) -> Result<Response> {
    user.access.revoke_key(&user.by, key_id(&id)?).await?;
    Ok(user.then("/api-keys", &Flash::success("Key revoked.")))
}

#[handler]
async fn rotate_key(
    request: &poem::Request,
    user: PageUser,
    id: Path<String>,
    form: CheckedForm,
) -> Result<Response> {
    let id = key_id(&id)?;
    let rotate = async {
        let hours = form.get("overlap_hours").trim().parse().unwrap_or(-1);
        user.access.rotate_key(&user.by, id, overlap(hours)?).await
    };
    match rotate.await {
        Ok(minted) => minted_page(request, &user, minted),
        Err(error @ (Error::Conflict { .. } | Error::Invalid(_))) => {
            Ok(user.then(&path_of(id), &Flash::error(error.detail())))
        }
        Err(error) => Err(error),
    }
}
