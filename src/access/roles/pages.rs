//! Roles in the portal.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    ManageRoles, ViewRoles,
    model::{NewRole, Role, RoleChanges, may_grant},
};
use crate::{
    access::{
        guard::{CheckedForm, Guarded, PageUser},
        people::People,
        right::Owner,
    },
    error::{Error, Result},
    types::RoleId,
    web::{Flash, Form, FormView, RouteTable},
    words::say,
};

/// The pages of roles.
pub fn pages(table: &mut RouteTable) {
    table
        .page::<ViewRoles>(Method::GET, "/roles", list)
        .page::<ManageRoles>(Method::GET, "/roles/new", blank)
        .page::<ManageRoles>(Method::POST, "/roles", create)
        .page::<ViewRoles>(Method::GET, "/roles/:id", show)
        .page::<ManageRoles>(Method::POST, "/roles/:id", change)
        .page::<Owner>(Method::POST, "/roles/:id/mfa", change_owner_mfa)
        .page::<ManageRoles>(Method::POST, "/roles/:id/copy", copy)
        .page::<ManageRoles>(Method::POST, "/roles/:id/disable", disable)
        .page::<ManageRoles>(Method::POST, "/roles/:id/enable", enable)
        .page::<ManageRoles>(Method::POST, "/roles/:id/delete", delete);
    super::compare_pages::pages(table);
}

#[derive(Serialize)]
struct ListPage {
    roles: Vec<RoleLine>,
    permission_total: String,
    can_create: bool,
    /// Only for owners.
    owner_role: Option<OwnerRole>,
}

#[derive(Serialize)]
struct OwnerRole {
    requires_mfa: bool,
    action: String,
}

#[derive(Serialize)]
struct RoleLine {
    id: String,
    name: String,
    description: String,
    is_system: bool,
    is_active: bool,
    requires_mfa: bool,
    staff_count: String,
    permission_count: String,
    href: String,
    copy_action: String,
}

#[derive(Serialize)]
struct FormPage {
    role: Option<RoleCard>,
    catalogue: Vec<Category>,
    form: FormView,
}

#[derive(Serialize)]
struct RoleCard {
    id: String,
    name: String,
    is_system: bool,
    is_active: bool,
    staff_count: i64,
    delete_action: String,
    disable_action: String,
    enable_action: String,
}

#[derive(Serialize)]
struct Category {
    category: &'static str,
    description: String,
    permissions: Vec<Choice>,
}

#[derive(Serialize)]
struct Choice {
    key: &'static str,
    label: &'static str,
    description: &'static str,
    checked: bool,
    grantable: bool,
}

fn path_of(id: RoleId) -> String {
    format!("/roles/{id}")
}

pub fn id_of(text: &str) -> Result<RoleId> {
    text.parse().map_err(|_no_id| Error::not_found("role"))
}

#[handler]
async fn list(user: PageUser, people: Data<&People>) -> poem::Result<Response> {
    let catalogue = people.catalogue();
    let roles = people.all_roles(&user.by).await?;
    // The owner's role is given by ownership, not ticked here; what it asks for stands below the list.
    let owner_role = roles.iter().find(|role| role.is_owner && user.by.rights.is_owner).map(|role| {
        OwnerRole { requires_mfa: role.requires_mfa, action: format!("{}/mfa", path_of(role.id)) }
    });
    let lines = roles.into_iter().filter(|role| !role.is_owner).map(|role| RoleLine {
        href: path_of(role.id),
        copy_action: format!("{}/copy", path_of(role.id)),
        id: role.id.to_string(),
        is_system: role.is_default,
        is_active: role.is_active,
        requires_mfa: role.requires_mfa,
        staff_count: role.staff_count.to_string(),
        permission_count: role.permissions.iter().filter(|c| catalogue.find(c).is_some()).count().to_string(),
        name: role.name,
        description: role.description,
    });
    let view = ListPage {
        roles: lines.collect(),
        permission_total: catalogue.all().len().to_string(),
        can_create: user.by.require::<ManageRoles>().is_ok(),
        owner_role,
    };
    Ok(user.render("access/roles_list.html", say("Roles"), &view)?)
}

fn choices(user: &PageUser, people: &People, held: &[String]) -> Vec<Category> {
    let mut groups: Vec<Category> = Vec::new();
    for permission in people.catalogue().all() {
        let choice = Choice {
            key: permission.code,
            label: permission.label,
            description: permission.description,
            checked: held.iter().any(|code| code == permission.code),
            grantable: user.by.may(permission),
        };
        match groups.iter_mut().find(|group| group.category == permission.category) {
            Some(group) => group.permissions.push(choice),
            None => groups.push(Category {
                category: permission.category,
                description: String::new(),
                permissions: vec![choice],
            }),
        }
    }
    groups
}

fn form_page(user: &PageUser, people: &People, role: Option<&Role>, held: &[String]) -> FormPage {
    let form = match role {
        Some(role) => FormView::empty(path_of(role.id), &["permissions"])
            .with("name", role.name.clone())
            .with("description", role.description.clone())
            .with("requires_mfa", if role.requires_mfa { "true" } else { "" }),
        None => FormView::empty("/roles", &["name", "description", "permissions", "requires_mfa"]),
    };
    let card = role.map(|role| RoleCard {
        id: role.id.to_string(),
        name: role.name.clone(),
        is_system: role.is_default,
        is_active: role.is_active,
        staff_count: role.staff_count,
        delete_action: format!("{}/delete", path_of(role.id)),
        disable_action: format!("{}/disable", path_of(role.id)),
        enable_action: format!("{}/enable", path_of(role.id)),
    });
    FormPage { role: card, catalogue: choices(user, people, held), form }
}

fn ticked(form: &Form) -> Vec<String> {
    form.all("permissions").map(str::to_owned).collect()
}

#[handler]
async fn blank(user: PageUser, people: Data<&People>) -> poem::Result<Response> {
    Ok(user.render("access/role_form.html", say("New role"), &form_page(&user, &people, None, &[]))?)
}

#[handler]
async fn create(user: PageUser, form: CheckedForm, people: Data<&People>) -> poem::Result<Response> {
    let held = ticked(&form);
    let made = async {
        let new = NewRole::parse(
            people.catalogue(),
            form.get("name"),
            form.get("description"),
            &held,
            form.has("requires_mfa"),
        )?;
        people.create_role(&user.by, &new).await
    };
    match made.await {
        Ok(role) => Ok(user.then("/roles", &Flash::success(say!("The role {} was made.", role.name)))),
        Err(error) => {
            let mut page = form_page(&user, &people, None, &held);
            page.form = page.form.typed(&form);
            if !form.has("requires_mfa") {
                page.form = page.form.with("requires_mfa", "");
            }
            page.form = page.form.failed(error)?;
            Ok(user.render_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                "access/role_form.html",
                say("New role"),
                &page,
            )?)
        }
    }
}

#[handler]
async fn show(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let role = people.get_role(&user.by, id_of(&id)?).await?;
    if role.is_owner {
        return Err(Error::not_found("role").into());
    }
    let page = form_page(&user, &people, Some(&role), &role.permissions);
    Ok(user.render("access/role_form.html", &role.name, &page)?)
}

#[handler]
async fn change(
    user: PageUser,
    id: Path<String>,
    form: CheckedForm,
    people: Data<&People>,
) -> poem::Result<Response> {
    let id = id_of(&id)?;
    let role = people.get_role(&user.by, id).await?;
    // Boxes that are greyed out are not sent: what they stand for stays.
    let mut held = ticked(&form);
    held.extend(
        role.permissions
            .iter()
            .filter(|code| {
                people.catalogue().find(code).is_some()
                    && !may_grant(&user.by, people.catalogue(), &[code.as_str()])
            })
            .cloned(),
    );
    let made = async {
        let changes = RoleChanges::parse(
            people.catalogue(),
            Some(form.get("name")),
            Some(form.get("description")),
            Some(&held),
            None,
        )?
        .requiring_mfa(Some(form.has("requires_mfa")));
        people.change_role(&user.by, id, &changes).await
    };
    match made.await {
        Ok(role) => Ok(user.then("/roles", &Flash::success(say!("The role {} was saved.", role.name)))),
        Err(error) => {
            let mut page = form_page(&user, &people, Some(&role), &held);
            page.form = page.form.typed(&form);
            if !form.has("requires_mfa") {
                page.form = page.form.with("requires_mfa", "");
            }
            page.form = page.form.failed(error)?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(user.render_with(status, "access/role_form.html", &role.name, &page)?)
        }
    }
}

/// Whether owners sign in with a second step.
#[handler]
async fn change_owner_mfa(
    user: PageUser,
    id: Path<String>,
    form: CheckedForm,
    people: Data<&People>,
) -> poem::Result<Response> {
    let wanted = form.get("requires_mfa") == "true";
    let changes = RoleChanges::default().requiring_mfa(Some(wanted));
    let saved = if wanted {
        say("Owners sign in with a second step now.")
    } else {
        say("Owners choose for themselves now.")
    };
    match people.change_role(&user.by, id_of(&id)?, &changes).await {
        Ok(_) => Ok(user.then("/roles", &Flash::success(saved))),
        Err(error) => refused(&user, "/roles", error),
    }
}

#[handler]
async fn copy(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    match people.copy_role(&user.by, id_of(&id)?, None).await {
        Ok(role) => {
            Ok(user.then(&path_of(role.id), &Flash::success("This is the copy. Give it a name of its own.")))
        }
        Err(error) => refused(&user, "/roles", error),
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
    match people.change_role(&user.by, id, &RoleChanges::switched(is_active)).await {
        Ok(role) => {
            let (word, undo) = if is_active { (say("on"), "disable") } else { (say("off"), "enable") };
            let flash = Flash::success(say!("The role {} was switched {}.", role.name, word));
            Ok(user.then(&path_of(id), &flash.with_undo(format!("{}/{undo}", path_of(id)))))
        }
        Err(error) => refused(user, &path_of(id), error),
    }
}

#[handler]
async fn delete(user: PageUser, id: Path<String>, people: Data<&People>) -> poem::Result<Response> {
    let id = id_of(&id)?;
    match people.delete_role(&user.by, id).await {
        Ok(role) => Ok(user.then("/roles", &Flash::success(say!("The role {} was deleted.", role.name)))),
        Err(error) => refused(&user, &path_of(id), error),
    }
}

/// What the state of the world refuses is said on the page that the person came from.
fn refused(user: &PageUser, path: &str, error: Error) -> poem::Result<Response> {
    match error {
        Error::Conflict { detail, .. } => Ok(user.then(path, &Flash::error(detail))),
        other => Err(other.into()),
    }
}
