//! The owner's page of machine clients.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use serde::Serialize;

use super::settings::{ALGORITHMS, MachineIssuer, NewIssuer, TENANT_CLAIM, Typed};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        people::People,
        right::Owner,
    },
    error::{Error, FieldError, Result},
    types::RoleId,
    web::{Flash, Form, FormView, RouteTable, parts::Choice},
    words::say,
};

const PATH: &str = "/settings/machine-clients";
const FIELDS: [&str; 9] = [
    "is_on",
    "issuer",
    "jwks_url",
    "audience",
    "algorithms",
    "tenant_claim",
    "role_claim",
    "roles",
    "role_id",
];
/// So many empty lines stand below those that are there.
const SPARE_LINES: usize = 3;

/// Mounts the pages.
pub fn pages(table: &mut RouteTable) {
    table.page::<Owner>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, save);
}

#[derive(Serialize)]
struct MachinesPage {
    settings_tab: &'static str,
    algorithms: Vec<Ticked>,
    roles: Vec<Choice>,
    lines: Vec<Line>,
    tenant_id: String,
    tenant_slug: String,
    /// Who they are was shown a short while ago; else it is asked for first.
    is_proved: bool,
    form: FormView,
}

#[derive(Serialize)]
struct Ticked {
    name: &'static str,
    is_ticked: bool,
}

/// A value and the role that it stands for, as they stand in the form.
#[derive(Serialize, Clone)]
struct Line {
    value: String,
    role_id: String,
}

/// What the form shows: what is decided, or what was typed.
struct Shown {
    form: FormView,
    algorithms: Vec<String>,
    lines: Vec<Line>,
}

impl Shown {
    fn of(issuer: Option<&MachineIssuer>) -> Self {
        let form = FormView::empty(PATH, &FIELDS).with("tenant_claim", TENANT_CLAIM);
        let Some(issuer) = issuer else {
            return Self { form, algorithms: vec!["RS256".to_owned()], lines: Vec::new() };
        };
        let line = |one: &super::settings::MappedRole| Line {
            value: one.value.clone(),
            role_id: one.role.to_string(),
        };
        Self {
            form: form
                .with("is_on", if issuer.is_on { "true" } else { "" })
                .with("issuer", &*issuer.issuer)
                .with("jwks_url", issuer.jwks_url.clone().unwrap_or_default())
                .with("audience", &*issuer.audience)
                .with("tenant_claim", &*issuer.tenant_claim)
                .with("role_claim", &*issuer.role_claim),
            algorithms: issuer.algorithms.clone(),
            lines: issuer.roles.iter().map(line).collect(),
        }
    }

    fn typed(form: &Form, error: Error) -> Result<Self> {
        // Which of the lines is wrong stands in its sentence; the form has one place for all of them.
        let error = match error {
            Error::Invalid(wrongs) => Error::Invalid(wrongs.into_iter().map(beside_lines).collect()),
            other => other,
        };
        Ok(Self {
            form: FormView::empty(PATH, &FIELDS)
                .typed(form)
                .with("is_on", if form.has("is_on") { "true" } else { "" })
                .failed(error)?,
            algorithms: form.all("algorithms").map(str::to_owned).collect(),
            lines: lines_of(form),
        })
    }
}

fn beside_lines(wrong: FieldError) -> FieldError {
    if wrong.field.starts_with("roles[") { FieldError { field: "roles".into(), ..wrong } } else { wrong }
}

fn lines_of(form: &Form) -> Vec<Line> {
    let pairs = form.all("value").zip(form.all("role_id"));
    let lines =
        pairs.map(|(value, role)| Line { value: value.trim().to_owned(), role_id: role.trim().to_owned() });
    lines.filter(|line| !(line.value.is_empty() && line.role_id.is_empty())).collect()
}

async fn page(user: &PageUser, people: &People, status: StatusCode, shown: Shown) -> Result<Response> {
    let roles = people.all_roles(&user.by).await?.into_iter();
    let roles = roles.filter(|role| !role.is_owner && role.is_active && !role.requires_mfa);
    let mut lines = shown.lines;
    lines.extend(vec![Line { value: String::new(), role_id: String::new() }; SPARE_LINES]);
    let is_ticked = |name: &str| shown.algorithms.iter().any(|one| one == name);
    let view = MachinesPage {
        settings_tab: "machines",
        algorithms: ALGORITHMS.map(|name| Ticked { name, is_ticked: is_ticked(name) }).into(),
        roles: roles.map(|role| Choice::new(role.id, role.name)).collect(),
        lines,
        tenant_id: user.tenant().id().to_string(),
        tenant_slug: user.tenant().slug.to_string(),
        is_proved: user.by.must_have_proved().is_ok(),
        form: shown.form,
    };
    user.render_with(status, "access/settings_machines.html", say("Machine clients"), &view)
}

#[handler]
async fn show(user: PageUser, people: Data<&People>) -> poem::Result<Response> {
    let issuer = user.access.machine_issuer(&user.by).await?;
    Ok(page(&user, &people, StatusCode::OK, Shown::of(issuer.as_ref())).await?)
}

fn typed(form: &Form) -> Result<NewIssuer> {
    let role = |line: Line| match line.role_id.parse::<RoleId>() {
        Ok(role) => Ok((line.value, role)),
        Err(_no_id) => {
            Err(Error::invalid("roles", "unknown_role", "There is no such role. Choose one for each value."))
        }
    };
    NewIssuer::parse(&Typed {
        is_on: form.get("is_on") == "true",
        issuer: form.get("issuer"),
        jwks_url: form.get("jwks_url"),
        audience: form.get("audience"),
        algorithms: form.all("algorithms").map(str::to_owned).collect(),
        tenant_claim: form.get("tenant_claim"),
        role_claim: form.get("role_claim"),
        roles: lines_of(form).into_iter().map(role).collect::<Result<_>>()?,
    })
}

#[handler]
async fn save(user: PageUser, people: Data<&People>, form: CheckedForm) -> poem::Result<Response> {
    let decided = async { user.access.decide_machine_issuer(&user.by, &typed(&form)?).await };
    match decided.await {
        Ok(issuer) => {
            let said = if issuer.is_on {
                say("Machine clients may come with tokens of this issuer.")
            } else {
                say("Saved. Tokens of this issuer open nothing.")
            };
            Ok(user.then(PATH, &Flash::success(said)))
        }
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            let shown = Shown::typed(&form, error)?;
            Ok(page(&user, &people, StatusCode::UNPROCESSABLE_ENTITY, shown).await?)
        }
        Err(error) => Err(error.into()),
    }
}
