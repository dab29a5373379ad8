//! The platform's people: who there is, inviting, roles, switching off.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Path,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    guard::{ConsoleUser, Guarding, Look, Rule, initials},
    own_pages::{StayRow, stay_rows},
};
use crate::{
    access::CheckedForm,
    error::Result,
    platform::staff::{Person, Role, rules},
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Choice, id_of},
    },
    words::say,
};

const PATH: &str = "/console/people";

pub fn pages(table: &mut RouteTable) {
    table
        .console::<Look>(Method::GET, PATH, list)
        .console::<Rule>(Method::GET, "/console/people/new", invite_form)
        .console::<Rule>(Method::POST, PATH, invite)
        .console::<Look>(Method::GET, "/console/people/:id", show)
        .console::<Rule>(Method::POST, "/console/people/:id/role", change_role)
        .console::<Rule>(Method::POST, "/console/people/:id/disable", disable)
        .console::<Rule>(Method::POST, "/console/people/:id/enable", enable)
        .console::<Rule>(Method::POST, "/console/people/:id/link", renew_link)
        .console::<Rule>(Method::POST, "/console/people/:id/second-step/reset", reset_second_step)
        .console::<Rule>(Method::POST, "/console/people/:id/sessions/end", end_sessions);
}

#[derive(Serialize)]
struct Row {
    href: String,
    name: String,
    email: String,
    initials: String,
    role: &'static str,
    state: &'static str,
    is_self: bool,
    last_sign_in: Option<Moment>,
}

fn state_of(person: &Person) -> &'static str {
    match person {
        person if !person.is_active => "disabled",
        person if person.can_enter() => "active",
        person if person.has_password => "halfway",
        _ => "invited",
    }
}

fn row_of(person: Person, own: Uuid) -> Row {
    Row {
        href: format!("{PATH}/{}", person.id),
        initials: initials(&person.name),
        role: person.role.label(),
        state: state_of(&person),
        is_self: person.id == own,
        last_sign_in: person.last_signed_in_at.map(|at| Moment::at(at, chrono_tz::UTC)),
        name: person.name,
        email: person.email,
    }
}

#[derive(Serialize)]
struct ListPage {
    people: Vec<Row>,
}

#[handler]
async fn list(user: ConsoleUser) -> Result<Response> {
    let own = user.session.person.id;
    let people = rules::list(&user.console.db).await?;
    let view = ListPage { people: people.into_iter().map(|person| row_of(person, own)).collect() };
    user.render("console/people.html", say("People"), &view)
}

#[derive(Serialize)]
struct InvitePage {
    roles: Vec<Choice>,
    form: FormView,
}

fn roles() -> Vec<Choice> {
    Role::ALL
        .iter()
        .map(|role| Choice::new(role.as_str(), format!("{} – {}", role.label(), role.description())))
        .collect()
}

fn invite_view() -> FormView {
    FormView::empty(PATH, &["name", "email", "role"]).with("role", Role::ReadOnly.as_str())
}

#[handler]
async fn invite_form(user: ConsoleUser) -> Result<Response> {
    user.render("console/person_new.html", say("Invite"), &InvitePage { roles: roles(), form: invite_view() })
}

#[derive(Serialize)]
struct LinkPage {
    name: String,
    email: String,
    link: String,
    hours: i32,
    href: String,
}

fn show_link(user: &ConsoleUser, invited: rules::Invited) -> Result<Response> {
    let view = LinkPage {
        link: user.console.link(&format!("/console/join?code={}", invited.code)),
        href: format!("{PATH}/{}", invited.person.id),
        name: invited.person.name,
        email: invited.person.email,
        hours: rules::LINK_HOURS,
    };
    user.render("console/person_link.html", say("A link, shown once"), &view)
}

#[handler]
async fn invite(user: ConsoleUser, form: CheckedForm) -> Result<Response> {
    let (name, email, role) = (form.get("name"), form.get("email"), form.get("role"));
    match rules::invite(&user.console.db, &user.operator(), name, email, role).await {
        Ok(invited) => show_link(&user, invited),
        Err(error) => {
            let view = InvitePage { roles: roles(), form: invite_view().typed(&form).failed(error)? };
            user.render_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                "console/person_new.html",
                say("Invite"),
                &view,
            )
        }
    }
}

#[derive(Serialize)]
struct PersonPage {
    person: Row,
    base: String,
    has_second_step: bool,
    codes_left: i64,
    created: Moment,
    stays: Vec<StayRow>,
    roles: Vec<Choice>,
    role_form: FormView,
}

#[handler]
async fn show(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let db = &user.console.db;
    let id: Uuid = id_of(&id, "person")?;
    let person = rules::get(db, id).await?;
    let base = format!("{PATH}/{id}");
    let view = PersonPage {
        has_second_step: person.has_second_step,
        codes_left: rules::codes_left(db, id).await?,
        created: Moment::long_day(person.created_at, chrono_tz::UTC),
        stays: stay_rows(rules::stays(db, id).await?, Some(user.session.id)),
        roles: roles(),
        role_form: FormView::empty(format!("{base}/role"), &["role"]).with("role", person.role.as_str()),
        base,
        person: row_of(person, user.session.person.id),
    };
    let title = view.person.name.clone();
    user.render("console/person.html", &title, &view)
}

/// What was done to a person, told on their page.
fn told(user: &ConsoleUser, id: Uuid, done: Result<()>, sentence: &str) -> Result<Response> {
    user.or_said(&format!("{PATH}/{id}"), done.map(|()| Flash::success(sentence)))
}

#[handler]
async fn change_role(user: ConsoleUser, id: Path<String>, form: CheckedForm) -> Result<Response> {
    let (id, own): (Uuid, _) = (id_of(&id, "person")?, Some(user.session.person.id));
    let done = rules::change_role(&user.console.db, &user.operator(), own, id, form.get("role")).await;
    told(&user, id, done, say("Role changed."))
}

#[handler]
async fn disable(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let (id, own): (Uuid, _) = (id_of(&id, "person")?, Some(user.session.person.id));
    let done = rules::disable(&user.console.db, &user.operator(), own, id).await;
    told(&user, id, done, say("Switched off."))
}

#[handler]
async fn enable(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "person")?;
    let done = rules::enable(&user.console.db, &user.operator(), id).await;
    told(&user, id, done, say("Switched on."))
}

#[handler]
async fn renew_link(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "person")?;
    match rules::renew_link(&user.console.db, &user.operator(), id).await {
        Ok(invited) => show_link(&user, invited),
        Err(error) => told(&user, id, Err(error), ""),
    }
}

#[handler]
async fn reset_second_step(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let (id, own): (Uuid, _) = (id_of(&id, "person")?, Some(user.session.person.id));
    let done = rules::reset_second_step(&user.console.db, &user.operator(), own, id).await;
    told(&user, id, done, say("The second step was taken away. They set up another when they sign in."))
}

#[handler]
async fn end_sessions(user: ConsoleUser, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "person")?;
    let own = (id == user.session.person.id).then_some(user.session.id);
    let done = rules::end_sessions(&user.console.db, &user.operator(), id, own).await;
    told(&user, id, done, say("Signed out everywhere."))
}
