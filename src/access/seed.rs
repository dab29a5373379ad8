//! What a new tenant begins with: roles that can be changed, and the owner.

use serde_json::json;

use super::right::{Catalogue, DefaultRole};
use crate::{
    audit::{self, Actor, Event},
    db::TenantTx,
    error::Result,
    types::{EmailAddress, RoleId, StaffId},
    web::Origin,
};

/// The person whom a tenant belongs to.
#[derive(Debug, Clone)]
pub struct NewOwner {
    pub name: String,
    pub email: EmailAddress,
    /// Of a password that was judged; see [`super::check_password`].
    pub password_hash: String,
}

const OWNER_ROLE: (&str, &str) = ("Owner", "May do everything. Cannot be taken from the last owner.");

/// Writes the default roles and the owner into a schema that is just being handed out, and an event that says so.
pub async fn seed_tenant(
    tx: &TenantTx,
    catalogue: &Catalogue,
    owner: &NewOwner,
    origin: Option<&Origin>,
) -> Result<StaffId> {
    let owner_role = insert_role(tx, OWNER_ROLE, &[], true).await?;
    for role in DefaultRole::ALL {
        let permissions = catalogue.default_permissions(role);
        insert_role(tx, (role.name(), role.description()), &permissions, false).await?;
    }
    let staff = StaffId::new();
    tx.execute(
        "INSERT INTO staff (id, email, name, password_hash) VALUES ($1, $2, $3, $4)",
        &[&staff, &owner.email, &owner.name, &owner.password_hash],
    )
    .await?;
    tx.execute("INSERT INTO staff_role (staff_id, role_id) VALUES ($1, $2)", &[&staff, &owner_role]).await?;
    let event = Event {
        action: "staff.created",
        object_type: "staff",
        object_id: Some(staff.0),
        object_label: &owner.name,
        before: None,
        after: Some(json!({"name": owner.name, "email": owner.email, "roles": [OWNER_ROLE.0]})),
    };
    audit::record(tx, &Actor::platform("Sign-up"), origin, event).await?;
    Ok(staff)
}

async fn insert_role(
    tx: &TenantTx,
    (name, description): (&str, &str),
    permissions: &[&str],
    is_owner: bool,
) -> Result<RoleId> {
    let id = RoleId::new();
    tx.execute(
        "INSERT INTO role (id, name, description, permissions, is_default, is_owner) VALUES ($1, $2, $3, $4, true, $5)",
        &[&id, &name, &description, &permissions, &is_owner],
    )
    .await?;
    Ok(id)
}
