//! The owner's page of single sign-on.

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use serde::Serialize;

use super::{
    pages::BACK,
    settings::{NewSso, Preset, Sso, Typed},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        people::People,
        right::Owner,
    },
    error::{Error, Result},
    types::RoleId,
    web::{Flash, Form, FormView, Host, RouteTable, parts::Choice},
    words::say,
};

const PATH: &str = "/settings/sso";
const FIELDS: [&str; 8] =
    ["preset", "issuer", "client_id", "client_secret", "domains", "default_role_id", "is_on", "is_required"];

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table.page::<Owner>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, save);
}

#[derive(Serialize)]
struct SsoPage {
    settings_tab: &'static str,
    presets: Vec<Choice>,
    roles: Vec<Choice>,
    /// What the issuer has to be told.
    redirect_uri: String,
    has_secret: bool,
    /// Who they are was shown a short while ago; else it is asked for first.
    is_proved: bool,
    form: FormView,
}

fn form_of(sso: Option<&Sso>) -> FormView {
    let form = FormView::empty(PATH, &FIELDS);
    let Some(sso) = sso else { return form.with("preset", Preset::Google.as_str()) };
    form.with("preset", sso.preset.as_str())
        .with("issuer", &*sso.issuer)
        .with("client_id", &*sso.client_id)
        .with("domains", sso.domains.join("\n"))
        .with("default_role_id", sso.default_role.map(|role| role.to_string()).unwrap_or_default())
        .with("is_on", if sso.is_on { "true" } else { "" })
        .with("is_required", if sso.is_required { "true" } else { "" })
}

async fn page(
    request: &Request,
    user: &PageUser,
    people: &People,
    (status, form): (StatusCode, Option<FormView>),
) -> Result<Response> {
    let sso = user.access.sso(&user.by).await?;
    let roles = people.all_roles(&user.by).await?.into_iter().filter(|role| !role.is_owner && role.is_active);
    let host = Host::of(request)?;
    let view = SsoPage {
        settings_tab: "sso",
        presets: Preset::ALL.iter().map(|one| Choice::new(one.as_str(), one.label())).collect(),
        roles: roles.map(|role| Choice::new(role.id.to_string(), role.name)).collect(),
        redirect_uri: format!("{}{BACK}", user.access.0.settings.url_of(host.as_str())),
        has_secret: sso.as_ref().is_some_and(|sso| sso.sealed_secret.is_some()),
        is_proved: user.by.must_have_proved().is_ok(),
        form: form.unwrap_or_else(|| form_of(sso.as_ref())),
    };
    user.render_with(status, "access/settings_sso.html", say("Single sign-on"), &view)
}

#[handler]
async fn show(request: &Request, user: PageUser, people: Data<&People>) -> poem::Result<Response> {
    Ok(page(request, &user, &people, (StatusCode::OK, None)).await?)
}

fn typed(form: &Form) -> Result<NewSso> {
    let role = form.get("default_role_id").trim();
    let default_role =
        match role {
            "" => None,
            role => Some(role.parse::<RoleId>().map_err(|_no_id| {
                Error::invalid("default_role_id", "unknown_role", "There is no such role.")
            })?),
        };
    NewSso::parse(&Typed {
        preset: form.get("preset"),
        issuer: form.get("issuer"),
        client_id: form.get("client_id"),
        secret: form.get("client_secret"),
        domains: form.get("domains").split([',', '\n', ' ', '\r']).map(str::to_owned).collect(),
        default_role,
        is_on: form.get("is_on") == "true",
        is_required: form.get("is_required") == "true",
    })
}

#[handler]
async fn save(
    request: &Request,
    user: PageUser,
    people: Data<&People>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let decided = async { user.access.decide_sso(&user.by, &typed(&form)?).await };
    match decided.await {
        Ok(sso) => {
            let said =
                if sso.is_on { say("Single sign-on is on.") } else { say("Saved. Single sign-on is off.") };
            Ok(user.then(PATH, &Flash::success(said)))
        }
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            let shown =
                FormView::empty(PATH, &FIELDS).typed(&form).with("client_secret", "").failed(error)?;
            let shown = (StatusCode::UNPROCESSABLE_ENTITY, Some(shown));
            Ok(page(request, &user, &people, shown).await?)
        }
        Err(error) => Err(error.into()),
    }
}
