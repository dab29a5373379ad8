//! Staff in the portal.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ManageStaff, ViewStaff,
    model::{HeldRole, Member, NewStaff, StaffChanges, StaffCounts, StaffFilter, is_self, may_give},
    why_pages::{WhyView, why_view},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        pages::device_of,
        people::{Invitation, Link, People},
        profile_pages::url_of,
        shell::initials,
    },
    error::{Error, Result},
    types::{Cursor, Limit, StaffId},
    web::{Flash, Form, FormView, Moment, RouteTable},
    words::say,
};

const PAGE: Limit = Limit::of(50);

/// The pages of staff.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<ViewStaff>(Method::GET, "/staff", list)
        .page::<ManageStaff>(Method::GET, "/staff/new", blank)
        .page::<ManageStaff>(Method::POST, "/staff", create)
        .page::<ViewStaff>(Method::GET, "/staff/:id", show)
        .page::<ManageStaff>(Method::POST, "/staff/:id", change)
        .page::<ManageStaff>(Method::POST, "/staff/:id/disable", disable)
        .page::<ManageStaff>(Method::POST, "/staff/:id/enable", enable)
        .page::<ManageStaff>(Method::POST, "/staff/:id/reset-link", reset_link)
        .page::<ManageStaff>(Method::POST, "/staff/:id/invitation", resend_invitation)
        .page::<ManageStaff>(Method::POST, "/staff/:id/invitation/revoke", revoke_invitation)
        .page::<ManageStaff>(Method::POST, "/staff/:id/mfa/remove", remove_mfa);
    super::ownership_pages::pages(table);
}

#[derive(Serialize)]
struct ListPage {
    staff: Vec<StaffLine>,
    q: String,
    state: String,
    tabs: Vec<Tab>,
    pager: Pager,
    can_create: bool,
}

#[derive(Serialize)]
struct StaffLine {
    id: String,
    name: String,
    email: String,
    initials: String,
    avatar_url: Option<String>,
    phone: Option<String>,
    roles: Vec<String>,
    is_owner: bool,
    is_active: bool,
    is_self: bool,
    has_mfa: bool,
    is_invited: bool,
    last_sign_in: Option<Moment>,
    href: String,
}

#[derive(Serialize)]
struct Tab {
    label: &'static str,
    count: Option<String>,
    href: String,
    active: bool,
}

#[derive(Serialize)]
struct Pager {
    prev_href: Option<String>,
    next_href: Option<String>,
    shown: String,
    total: Option<String>,
}

#[derive(Serialize)]
struct FormPage {
    person: Option<PersonCard>,
    why: Option<WhyView>,
    roles: Vec<RoleChoice>,
    chosen_roles: Vec<String>,
    form: FormView,
}

#[derive(Serialize)]
struct PersonCard {
    id: String,
    name: String,
    is_active: bool,
    is_owner: bool,
    is_self: bool,
    has_mfa: bool,
    remove_mfa_action: String,
    has_sso: bool,
    forget_sso_action: String,
    is_invited: bool,
    invited_until: Option<Moment>,
    last_sign_in: Option<Moment>,
    resend_action: String,
    revoke_action: String,
    end_sessions_action: String,
    /// Only where the ownership could go to them.
    ownership_href: Option<String>,
    sessions: Vec<StayLine>,
    disable_action: String,
    enable_action: String,
    reset_action: String,
}

#[derive(Serialize)]
struct StayLine {
    end_action: String,
    device: String,
    address: String,
    last_seen: Moment,
}

#[derive(Serialize)]
struct RoleChoice {
    value: String,
    label: String,
    description: String,
    grantable: bool,
}

#[derive(Serialize)]
struct CreatedPage<'a> {
    person: CreatedPerson<'a>,
    mail_sent: bool,
    link: &'a str,
    valid_for: &'a str,
}

#[derive(Serialize)]
struct CreatedPerson<'a> {
    name: &'a str,
    email: &'a str,
}

pub(in crate::access) fn path_of(id: StaffId) -> String {
    format!("/staff/{id}")
}

pub(in crate::access) fn id_of(text: &str) -> Result<StaffId> {
    text.parse().map_err(|_no_id| Error::not_found("member of staff"))
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct ShowQuery {
    /// The right that is asked about.
    #[serde(default)]
    right: String,
}

/// A link to the list with these filters.
fn list_href(q: &str, state: &str, cursor: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("q", q), ("state", state), ("cursor", cursor.unwrap_or_default())] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/staff".to_owned() } else { format!("/staff?{query}") }
}

#[handler]
async fn list(user: PageUser, query: Query<ListQuery>, people: Data<&People>) -> poem::Result<Response> {
    let is_active = match query.state.as_str() {
        "active" => Some(true),
        "disabled" => Some(false),
        _ => None,
    };
    let is_invited = (query.state == "invited").then_some(true);
    let is_known = is_active.is_some() || is_invited.is_some();
    let state = if is_known { query.state.as_str() } else { "" };
    let filter = StaffFilter { search: Some(query.q.clone()), is_active, is_invited };
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let (members, next) =
        people.list_staff(&user.by, &filter, after.as_ref().map(|cursor| &cursor.0), PAGE).await?;
    let StaffCounts { active, invited, disabled } = people.count_staff_by_state(&user.by, &filter).await?;
    let total = match state {
        "active" => active,
        "invited" => invited,
        "disabled" => disabled,
        _ => active + disabled,
    };
    let tab = |label, wanted: &str, count: i64| Tab {
        label,
        count: Some(count.to_string()),
        href: list_href(&query.q, wanted, None),
        active: state == wanted,
    };
    let next = next.map(|mark| Cursor(mark).encode()).transpose()?;
    let view = ListPage {
        q: query.q.clone(),
        state: state.to_owned(),
        tabs: vec![
            tab(say("All"), "", active + disabled),
            tab(say("Active"), "active", active),
            tab(say("Invited"), "invited", invited),
            tab(say("Disabled"), "disabled", disabled),
        ],
        pager: Pager {
            prev_href: None,
            next_href: next.map(|cursor| list_href(&query.q, state, Some(&cursor))),
            shown: members.len().to_string(),
            total: Some(total.to_string()),
        },
        staff: members.into_iter().map(|member| line_of(&user, member)).collect(),
        can_create: user.by.require::<ManageStaff>().is_ok(),
    };
    Ok(user.render("access/staff_list.html", say("Staff"), &view)?)
}

fn line_of(user: &PageUser, member: Member) -> StaffLine {
    let zone = user.tenant().time_zone.0;
    StaffLine {
        id: member.id.to_string(),
        initials: initials(&member.name),
        avatar_url: member.avatar.map(|avatar| url_of(member.id, avatar)),
        phone: member.phone.clone(),
        is_owner: member.is_owner(),
        is_active: member.is_active,
        is_self: is_self(&user.by, &member),
        has_mfa: member.has_mfa,
        is_invited: member.is_invited(),
        last_sign_in: member.last_signed_in_at.map(|at| Moment::at(at, zone)),
        href: path_of(member.id),
        name: member.name,
        email: member.email,
        roles: member.roles.into_iter().map(|role| role.name).collect(),
    }
}

/// Whether the ownership could go to this person.
fn may_inherit(user: &PageUser, member: &Member) -> bool {
    member.is_active && member.has_accepted && !member.is_owner() && !is_self(&user.by, member)
}

/// Where a colleague is signed in, for whoever may end it.
async fn stays_of(user: &PageUser, people: &People, member: &Member) -> Result<Vec<StayLine>> {
    if user.by.require::<ManageStaff>().is_err() {
        return Ok(Vec::new());
    }
    let (path, zone) = (path_of(member.id), user.tenant().time_zone.0);
    let stays = people.sessions_of(&user.by, member.id).await?.into_iter().map(|stay| StayLine {
        end_action: format!("{path}/sessions/{}/end", stay.id),
        device: device_of(stay.user_agent.as_deref().unwrap_or_default()),
        address: stay.address.unwrap_or_else(|| say("unknown address").to_owned()),
        last_seen: Moment::at(stay.last_seen_at, zone),
    });
    Ok(stays.collect())
}

/// The form of a new person, or of one who is there.
async fn form_page(user: &PageUser, people: &People, member: Option<&Member>) -> Result<FormPage> {
    let has = |id| member.is_some_and(|member| member.roles.iter().any(|role| role.id == id));
    let roles = people.all_roles(&user.by).await?.into_iter().filter_map(|role| {
        // Ownership is offered by owners; a role that is switched off, only to be taken away.
        let offered = if role.is_owner { user.by.rights.is_owner } else { role.is_active || has(role.id) };
        let held = HeldRole {
            id: role.id,
            name: role.name.clone(),
            permissions: role.permissions,
            is_owner: role.is_owner,
            is_active: role.is_active,
            requires_mfa: role.requires_mfa,
        };
        offered.then(|| RoleChoice {
            value: role.id.to_string(),
            grantable: may_give(&user.by, people.catalogue(), &held),
            label: role.name,
            description: role.description,
        })
    });
    let form = match member {
        Some(member) => FormView::empty(path_of(member.id), &["send_mail", "roles"])
            .with("name", member.name.clone())
            .with("email", member.email.clone()),
        None => FormView::empty("/staff", &["name", "email", "roles"]).with("send_mail", "true"),
    };
    let zone = user.tenant().time_zone.0;
    let sessions = match member {
        Some(member) => stays_of(user, people, member).await?,
        None => Vec::new(),
    };
    Ok(FormPage {
        why: None,
        roles: roles.collect(),
        chosen_roles: member
            .map(|member| member.roles.iter().map(|role| role.id.to_string()).collect())
            .unwrap_or_default(),
        person: member.map(|member| PersonCard {
            id: member.id.to_string(),
            name: member.name.clone(),
            is_active: member.is_active,
            is_owner: member.is_owner(),
            is_self: is_self(&user.by, member),
            has_mfa: member.has_mfa,
            remove_mfa_action: format!("{}/mfa/remove", path_of(member.id)),
            has_sso: member.has_sso,
            forget_sso_action: format!("{}/sso/forget", path_of(member.id)),
            is_invited: member.is_invited(),
            invited_until: member.invited_until.map(|at| Moment::at(at, zone)),
            last_sign_in: member.last_signed_in_at.map(|at| Moment::at(at, zone)),
            resend_action: format!("{}/invitation", path_of(member.id)),
            revoke_action: format!("{}/invitation/revoke", path_of(member.id)),
            end_sessions_action: format!("{}/sessions/end", path_of(member.id)),
            ownership_href: (user.by.rights.is_owner && may_inherit(user, member))
                .then(|| format!("{}/ownership", path_of(member.id))),
            sessions,
            disable_action: format!("{}/disable", path_of(member.id)),
            enable_action: format!("{}/enable", path_of(member.id)),
            reset_action: format!("{}/reset-link", path_of(member.id)),
        }),
        form,
    })
}

/// The form again, with what was typed and what is wrong with it.
async fn form_again(
    user: &PageUser,
    people: &People,
    member: Option<&Member>,
    form: &Form,
    error: Error,
) -> Result<Response> {
    let mut page = form_page(user, people, member).await?;
    let error = match error {
        // The rules and the form call the roles by different names.
        Error::Invalid(wrongs) => Error::Invalid(
            wrongs
                .into_iter()
                .map(|mut wrong| {
                    if wrong.field == "role_ids" {
                        wrong.field = "roles".into();
                    }
                    wrong
                })
                .collect(),
        ),
        other => other,
    };
    page.chosen_roles = form.all("roles").map(str::to_owned).collect();
    page.form = page.form.typed(form).with("roles", "");
    if !form.has("send_mail") {
        page.form = page.form.with("send_mail", "");
    }
    page.form = page.form.failed(error)?;
    let title = member.map_or(say("Add staff"), |member| member.name.as_str());
    user.render_with(StatusCode::UNPROCESSABLE_ENTITY, "access/staff_form.html", title, &page)
}

fn ticked_roles(form: &Form) -> Result<Vec<Uuid>> {
    form.all("roles")
        .map(|text| {
            text.parse()
                .map_err(|_no_id| Error::invalid("role_ids", "unknown_role", "There is no such role."))
        })
        .collect()
}

#[handler]
async fn blank(user: PageUser, people: Data<&People>) -> poem::Result<Response> {
    let page = form_page(&user, &people, None).await?;
    Ok(user.render("access/staff_form.html", say("Add staff"), &page)?)
}

#[handler]
async fn create(user: PageUser, form: CheckedForm, people: Data<&People>) -> poem::Result<Response> {
    let invitation = if form.has("send_mail") { Invitation::Mailed } else { Invitation::Shown };
    let made = async {
        let new = NewStaff::parse(form.get("name"), form.get("email"), &ticked_roles(&form)?)?;
        people.create_staff(&user.by, &new, invitation).await
    };
    match made.await {
        Ok((member, Some(link))) => {
            let title = say!("{} was added", member.name);
            Ok(show_link(&user, &title, &member, &link)?)
        }
        Ok((member, None)) => Ok(user.then("/staff", &Flash::success(say!("{} was added.", member.name)))),
        Err(error) => Ok(form_again(&user, &people, None, &form, error).await?),
    }
}

fn show_link(user: &PageUser, title: &str, member: &Member, link: &Link) -> Result<Response> {
    let view = CreatedPage {
        person: CreatedPerson { name: &member.name, email: &member.email },
        mail_sent: link.was_mailed,
        link: &link.url,
        valid_for: link.valid_for,
    };
    user.render("access/staff_created.html", title, &view)
}

#[handler]
async fn show(
    user: PageUser,
    id: Path<String>,
    asked: Query<ShowQuery>,
    people: Data<&People>,
) -> poem::Result<Response> {
    let id = id_of(&id)?;
    let (member, decided) = match asked.right.as_str() {
        "" => (people.get_staff(&user.by, id).await?, None),
        right => {
            let (member, decided) = people.why(&user.by, id, right).await?;
            (member, Some(decided))
        }
    };
    let mut page = form_page(&user, &people, Some(&member)).await?;
    page.why = why_view(&user, &people, &asked.right, decided);
    Ok(user.render("access/staff_form.html", &member.name, &page)?)
}

#[handler]
async fn change(
    user: PageUser,
    id: Path<String>,
    form: CheckedForm,
    people: Data<&People>,
) -> poem::Result<Response> {
    let id = id_of(&id)?;
    let member = people.get_staff(&user.by, id).await?;
    let made = async {
        // The form of an owner has no roles in it.
        let roles = if member.is_owner() { None } else { Some(ticked_roles(&form)?) };
        let changes =
            StaffChanges::parse(Some(form.get("name")), Some(form.get("email")), roles.as_deref(), None)?;
        people.change_staff(&user.by, id, &changes).await
    };
    match made.await {
        Ok(member) => Ok(user.then("/staff", &Flash::success(say!("{} was saved.", member.name)))),
        Err(error) => Ok(form_again(&user, &people, Some(&member), &form, error).await?),
    }
}

#[handler]
async fn disable(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    switch(&user, &people, &id, false).await
}

#[handler]
async fn enable(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    switch(&user, &people, &id, true).await
}

async fn switch(user: &PageUser, people: &People, id: &str, is_active: bool) -> poem::Result<Response> {
    let id = id_of(id)?;
    match people.change_staff(&user.by, id, &StaffChanges::switched(is_active)).await {
        Ok(member) => {
            let (word, undo) = if is_active { ("enabled", "disable") } else { ("disabled", "enable") };
            let flash = Flash::success(format!("{} was {word}.", member.name));
            Ok(user.then("/staff", &flash.with_undo(format!("{}/{undo}", path_of(id)))))
        }
        Err(error) => refused(user, &path_of(id), error),
    }
}

#[handler]
async fn reset_link(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.issue_reset_link(&user.by, id, false).await {
        Ok((member, link)) => {
            let title = say!("A new link for {}", member.name);
            Ok(show_link(&user, &title, &member, &link)?)
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}

#[handler]
async fn resend_invitation(
    user: PageUser,
    id: Path<String>,
    people: Data<&People>,
) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.resend_invitation(&user.by, id, true).await {
        Ok((member, link)) => {
            Ok(show_link(&user, &say!("{} is invited again", member.name), &member, &link)?)
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}

#[handler]
async fn revoke_invitation(
    user: PageUser,
    id: Path<String>,
    people: Data<&People>,
) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.revoke_invitation(&user.by, id).await {
        Ok(member) => {
            let said = say!("The invitation of {} was revoked.", member.name);
            Ok(user.then("/staff?state=invited", &Flash::success(said)))
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}

#[handler]
async fn remove_mfa(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.remove_mfa(&user.by, id).await {
        Ok(member) => {
            let said = say!("{} signs in with the password alone now, and was signed out.", member.name);
            Ok(user.then(&path_of(id), &Flash::success(said)))
        }
        Err(error) => refused(&user, &path_of(id), error),
    }
}

/// What the state of the world refuses is said on the page that the person came from.
pub(in crate::access) fn refused(user: &PageUser, path: &str, error: Error) -> poem::Result<Response> {
    match error {
        Error::Conflict { detail, .. } => Ok(user.then(path, &Flash::error(detail))),
        other => Err(other.into()),
    }
}
