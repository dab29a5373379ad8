//! Roles as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageRoles, ViewRoles,
    compare::{Category, Compared, Comparison, compare},
    model::{NewRole, Role, RoleChanges},
};
use crate::{
    access::{extract::ApiUser, people::People},
    error::Result,
    types::{Cursor, Limit},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// People who work here, and what they may do.
    Staff,
}

/// A role.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Role")]
pub struct RoleView {
    id: Uuid,
    name: String,
    description: String,
    /// Codes of the permission catalogue. Empty for the owner's role, which holds everything.
    permissions: Vec<String>,
    /// A role that is switched off gives nothing to those who have it.
    is_active: bool,
    /// Comes with every provider; it cannot be deleted.
    is_default: bool,
    is_owner: bool,
    /// Whoever has it signs in with a second step, and does nothing before that is set up.
    requires_mfa: bool,
    staff_count: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: role.id.0,
            name: role.name,
            description: role.description,
            permissions: role.permissions,
            is_active: role.is_active,
            is_default: role.is_default,
            is_owner: role.is_owner,
            requires_mfa: role.requires_mfa,
            staff_count: role.staff_count,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}

/// One page of roles.
#[derive(Debug, Serialize, Object)]
pub struct RoleList {
    items: Vec<RoleView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// A new role.
#[derive(Debug, Object)]
#[oai(rename = "NewRole")]
pub struct NewRoleBody {
    #[oai(validator(min_length = 1, max_length = 50))]
    name: String,
    #[oai(nullable, validator(max_length = 200))]
    description: Option<String>,
    /// Codes of the permission catalogue; none that the caller does not hold.
    #[oai(validator(max_items = 500))]
    permissions: Vec<String>,
    /// Whoever has it signs in with a second step; false unless said otherwise.
    #[oai(nullable)]
    requires_mfa: Option<bool>,
}

/// Changes of a role; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "RoleChanges")]
pub struct RoleChangesBody {
    #[oai(nullable, validator(min_length = 1, max_length = 50))]
    name: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    description: Option<String>,
    /// All that the role is to hold from now on.
    #[oai(nullable, validator(max_items = 500))]
    permissions: Option<Vec<String>>,
    #[oai(nullable)]
    is_active: Option<bool>,
    /// Whoever has it signs in with a second step.
    #[oai(nullable)]
    requires_mfa: Option<bool>,
}

/// What a copy is to be called.
#[derive(Debug, Object)]
#[oai(rename = "RoleCopy")]
pub struct RoleCopyBody {
    #[oai(validator(min_length = 1, max_length = 50))]
    name: String,
}

/// One thing that a role may allow.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Permission")]
pub struct PermissionView {
    code: String,
    label: String,
    description: String,
    /// The API-key scope that holds it.
    scope: String,
}

/// Permissions that belong together.
#[derive(Debug, Serialize, Object)]
pub struct PermissionCategory {
    category: String,
    permissions: Vec<PermissionView>,
}

/// The whole catalogue.
#[derive(Debug, Serialize, Object)]
pub struct PermissionList {
    items: Vec<PermissionCategory>,
}

/// A right, and which of two roles holds it.
#[derive(Debug, Serialize, Object)]
pub struct ComparedRight {
    code: String,
    label: String,
    in_a: bool,
    in_b: bool,
    differs: bool,
}

/// The rights of one feature.
#[derive(Debug, Serialize, Object)]
pub struct ComparedCategory {
    category: String,
    rights: Vec<ComparedRight>,
}

/// Two roles side by side.
#[derive(Debug, Serialize, Object)]
pub struct RoleComparison {
    a: RoleView,
    b: RoleView,
    /// How many rights one of them holds and the other does not.
    differing: usize,
    categories: Vec<ComparedCategory>,
}

impl From<Comparison> for RoleComparison {
    fn from(compared: Comparison) -> Self {
        let right = |one: Compared| ComparedRight {
            code: one.right.code.to_owned(),
            label: one.right.label.to_owned(),
            in_a: one.in_a,
            in_b: one.in_b,
            differs: one.differs(),
        };
        let category = |one: Category| ComparedCategory {
            category: one.name.to_owned(),
            rights: one.rights.into_iter().map(right).collect(),
        };
        Self {
            differing: compared.differing,
            categories: compared.categories.into_iter().map(category).collect(),
            a: compared.a.into(),
            b: compared.b.into(),
        }
    }
}

/// Operations on roles.
pub struct RolesApi {
    people: People,
}

impl RolesApi {
    pub fn new(people: People) -> Self {
        Self { people }
    }
}

#[OpenApi(tag = "Tag::Staff")]
impl RolesApi {
    /// List roles
    ///
    /// By name.
    #[oai(path = "/roles", method = "get", operation_id = "list_roles")]
    async fn list_roles(
        &self,
        by: ApiUser<ViewRoles>,
        /// 1-200; 25 unless said otherwise.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Count them all as well.
        total: Query<Option<bool>>,
    ) -> Result<Json<RoleList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::decode).transpose()?;
        let (roles, next_cursor, total) =
            self.people.list_roles(&by, after.as_ref(), limit, total.0 == Some(true)).await?;
        Ok(Json(RoleList { items: roles.into_iter().map(RoleView::from).collect(), next_cursor, total }))
    }

    /// Make a role
    ///
    /// 403 when it holds a permission that the caller does not hold.
    #[oai(path = "/roles", method = "post", operation_id = "create_role")]
    async fn create_role(
        &self,
        by: ApiUser<ManageRoles>,
        body: Body<NewRoleBody>,
    ) -> Result<Created<RoleView>> {
        let NewRoleBody { name, description, permissions, requires_mfa } = body.0;
        let description = description.unwrap_or_default();
        let new = NewRole::parse(
            self.people.catalogue(),
            &name,
            &description,
            &permissions,
            requires_mfa == Some(true),
        )?;
        Ok(Created(self.people.create_role(&by, &new).await?.into()))
    }

    /// Compare two roles
    ///
    /// What each holds of every right, by feature. The owner's role holds everything.
    #[oai(path = "/roles/compare", method = "get", operation_id = "compare_roles")]
    async fn compare_roles(
        &self,
        by: ApiUser<ViewRoles>,
        /// One role.
        a: Query<Uuid>,
        /// The other.
        b: Query<Uuid>,
    ) -> Result<Json<RoleComparison>> {
        let (a, b) = self.people.get_roles(&by, a.0.into(), b.0.into()).await?;
        Ok(Json(compare(self.people.catalogue(), a, b).into()))
    }

    /// Read a role
    #[oai(path = "/roles/:id", method = "get", operation_id = "get_role")]
    async fn get_role(&self, by: ApiUser<ViewRoles>, id: Path<Uuid>) -> Result<Json<RoleView>> {
        Ok(Json(self.people.get_role(&by, id.0.into()).await?.into()))
    }

    /// Change a role
    ///
    /// Of the owner's role an owner changes `requires_mfa`, and nobody anything else. 409 `own_mfa_first` when the caller has the
    /// role and no second step yet. 403 when the role holds, or is to hold, more than the caller does.
    #[oai(path = "/roles/:id", method = "patch", operation_id = "change_role")]
    async fn change_role(
        &self,
        by: ApiUser<ManageRoles>,
        id: Path<Uuid>,
        body: Body<RoleChangesBody>,
    ) -> Result<Json<RoleView>> {
        let changes = RoleChanges::parse(
            self.people.catalogue(),
            body.0.name.as_deref(),
            body.0.description.as_deref(),
            body.0.permissions.as_deref(),
            body.0.is_active,
        )?
        .requiring_mfa(body.0.requires_mfa);
        Ok(Json(self.people.change_role(&by, id.0.into(), &changes).await?.into()))
    }

    /// Delete a role
    ///
    /// 409 `role_in_use` while staff have it, `default_role` for those that come with every provider.
    #[oai(path = "/roles/:id", method = "delete", operation_id = "delete_role")]
    async fn delete_role(&self, by: ApiUser<ManageRoles>, id: Path<Uuid>) -> Result<NoContent> {
        self.people.delete_role(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// Copy a role
    #[oai(path = "/roles/:id/copy", method = "post", operation_id = "copy_role")]
    async fn copy_role(
        &self,
        by: ApiUser<ManageRoles>,
        id: Path<Uuid>,
        body: Body<RoleCopyBody>,
    ) -> Result<Created<RoleView>> {
        Ok(Created(self.people.copy_role(&by, id.0.into(), Some(&body.0.name)).await?.into()))
    }

    /// List permissions
    ///
    /// Everything that a role may allow, in the order in which the portal shows it.
    #[oai(path = "/permissions", method = "get", operation_id = "list_permissions")]
    async fn list_permissions(&self, _by: ApiUser<ViewRoles>) -> Result<Json<PermissionList>> {
        let mut items: Vec<PermissionCategory> = Vec::new();
        for permission in self.people.catalogue().all() {
            let view = PermissionView {
                code: permission.code.to_owned(),
                label: permission.label.to_owned(),
                description: permission.description.to_owned(),
                scope: permission.scope.to_owned(),
            };
            match items.iter_mut().find(|group| group.category == permission.category) {
                Some(group) => group.permissions.push(view),
                None => items.push(PermissionCategory {
                    category: permission.category.to_owned(),
                    permissions: vec![view],
                }),
            }
        }
        Ok(Json(PermissionList { items }))
    }
}
